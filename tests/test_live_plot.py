"""If this fails, a reader who watches a training sees old, wrong or no numbers in the plot that grows.

What the page is told is read back: places in the drawing are turned into numbers again, by the axes' own ticks.
"""

import math
import re
import time
from xml.etree import ElementTree

import pytest

import book.display
import book.live_plot
import utils
from utils import EpochRecord

RECORDS = [
    EpochRecord(epoch, training, held_out, tokens_per_sec=1e4, seconds=0.9)
    for epoch, training, held_out in ((1, 20.0, 18.0), (2, 9.0, 10.0), (3, 4.0, 11.0))
]


@pytest.fixture
def shown(monkeypatch):
    """What is displayed and what later takes its place, as the notebook is told."""
    told = []

    class Handle:
        def update(self, data, **options):
            told.append((data, options))

    def display(data, **options):
        told.append((data, options))
        return Handle()

    monkeypatch.setattr(book.display, "display", display)
    monkeypatch.setattr(book.display, "_in_notebook", lambda: True)
    return told


def tree(plot):
    """The plot as the page gets it, parsed: it is well-formed, or a browser would guess."""
    return ElementTree.fromstring(
        re.sub("<style>.*?</style>", "", plot.widget.value, flags=re.DOTALL).replace("<br>", "")
    )


def texts(plot, name):
    """The texts of a kind (note, x, y, end, at, ...), in order."""
    return ["".join(e.itertext()) for e in tree(plot).iter() if name in e.get("class", "").split()]


def place(element, side):
    return float(re.search(rf"{side}: ([-\d.]+)%", element.get("style"))[1]) / 100


def scale(plot, name, side, log):
    """A function from shares of the area to numbers, found from the first and the last tick of an axis."""
    ticks = [(place(e, side), float(e.text)) for e in tree(plot).iter() if e.get("class") == name]
    (a, first), (b, last) = ticks[0], ticks[-1]
    if log:
        return lambda share: first * (last / first) ** ((share - a) / (b - a))
    return lambda share: first + (last - first) * (share - a) / (b - a)


def lines(plot, log=True):
    """The curves as a reader sees them: (solid or dashed, [(x, y), ...]), read back from the drawing."""
    x, y = scale(plot, "x", "left", False), scale(plot, "y", "bottom", log)
    found = []
    for path in next(tree(plot).iter("svg")).iter("path"):
        points = re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d"))
        if "L" in path.get("d") and path.get("class") != "leader":
            values = [(x(float(a) / 1000), y(1 - float(b) / 1000)) for a, b in points]
            values = values[1:] if len(values) == 2 and values[0] == values[1] else values  # a dot
            found.append(("dashed" if path.get("stroke-dasharray") else "solid", values))
    return found


def near(values):
    return [tuple(pytest.approx(v, rel=2e-3, abs=1e-3) for v in pair) for pair in values]


def test_every_record_is_drawn_training_solid_and_held_out_dashed():
    plot = utils.LivePlot(3)
    plot.start("LSTM")
    for n, record in enumerate(RECORDS, start=1):
        plot.due = 0
        plot.add(record)
        solid, dashed = ([(r[0], r[i]) for r in RECORDS[:n]] for i in (1, 2))
        assert lines(plot) == [("solid", near(solid)), ("dashed", near(dashed))]
    plot.start("without held-out")
    plot.due = 0
    plot.add(RECORDS[0]._replace(held_out=None))
    assert lines(plot)[2:] == [("solid", near([(1, 20.0)]))]
    assert "2 without held-out" in " ".join(texts(plot, "legend")) and texts(plot, "end").count("2") == 1


def test_what_comes_faster_than_an_eye_can_follow_is_shown_with_the_next():
    """At most 40 pictures a second, and none of the records is lost."""
    plot, pictures = utils.LivePlot(500), set()
    plot.start("fast")
    started = time.monotonic()
    for epoch in range(1, 501):
        plot.add((epoch, 20.0 - epoch / 30, None))
        pictures.add(plot.widget.value)
        time.sleep(0.001)
    assert len(pictures) <= 40 * (time.monotonic() - started) + 3
    plot.draw()
    assert len(lines(plot)[0][1]) == 500


@pytest.mark.alone
def test_drawing_costs_no_more_than_a_small_part_of_an_epoch():
    """A record of the fourth curve of 500 epochs, against an epoch of the smallest network that lessons train."""
    corpus = utils.load_corpus()
    plot = utils.LivePlot(500)
    for label in "abcd":
        plot.start(label)
        for epoch in range(1, 501 if label != "d" else 2):
            plot.add((epoch, 20.0 - epoch / 30, 21.0))

    def draw():
        plot.due = 0
        plot.add((len(plot.curves[-1].records) + 1, 9.0, 9.0))

    def train():
        model = utils.d2l.RNNModel(utils.torch.nn.LSTM(28, 64), 28)
        list(utils.fit(model, utils.Batches(corpus.train), lr=1, num_epochs=1))

    for _ in range(3):
        seconds = utils.seconds_each({"draw": draw, "train": train}, rounds=5)
        share = sorted(d / t for d, t in zip(seconds["draw"], seconds["train"], strict=True))[2]
        if share < 0.03:
            return
    pytest.fail(f"drawing takes {share:.1%} of an epoch")


def test_axes_follow_the_data_of_a_large_vocabulary():
    plot = utils.LivePlot(3)
    plot.start("4,000 characters")
    for record in ((1, 3900.0, 4200.0), (2, 2000.0, 9000.0)):
        plot.due = 0
        plot.add(record)
    assert lines(plot) == [("solid", near([(1, 3900), (2, 2000)])), ("dashed", near([(1, 4200), (2, 9000)]))]
    assert all(0 <= place(e, "bottom") <= 1 for e in tree(plot).iter() if e.get("class") == "end")


def test_a_curve_that_runs_away_leaves_the_frame_and_says_so():
    plot = utils.LivePlot(4)
    plot.start("RNN")
    for epoch, perplexity in enumerate((20.0, 8e31, float("inf"), 8e31), start=1):
        plot.add((epoch, perplexity, 25.0))
    plot.draw()
    assert texts(plot, "end") == ["1", "1 ▲ 8e+31"] and "8e+31 (above the frame)" in plot.describe()
    assert max(float(t) for t in texts(plot, "y")) <= 1000, "what others learn is not squeezed"
    assert plot.picture()[0][:4] == b"\x89PNG"


def test_a_linear_axis_with_floors():
    plot = utils.LivePlot(2, log=False, ylim=(1.3, 1.8), floors=[1.5, 1.4])
    plot.start("network")
    for record in ((1, 2.2, None), (2, 1.45, None)):
        plot.due = 0
        plot.add(record)
    assert lines(plot, log=False) == [("solid", near([(1, 2.2), (2, 1.45)]))]
    y = scale(plot, "y", "bottom", log=False)
    paths = [p for p in next(tree(plot).iter("svg")).iter("path") if p.get("stroke-dasharray")]
    floors = [y(1 - float(re.search(r"M0 ([\d.]+)", p.get("d"))[1]) / 1000) for p in paths]
    assert floors == [pytest.approx(1.5, abs=0.01), pytest.approx(1.4, abs=0.01)]
    assert [p.get("stroke") for p in paths] == list(utils.PALETTE[:2]), "each in the colour of its curve"


def test_exact_values_under_the_pointer_when_it_is_finished():
    plot = utils.LivePlot(3)
    plot.start("LSTM")
    for record in RECORDS:
        plot.add(record)
    plot.draw(finished=True)
    assert [t.split("\n") for t in texts(plot, "at")] == [
        [f"epoch {r.epoch}", f"1 training {r.perplexity:g}, held-out {r.held_out:g}"] for r in RECORDS
    ]
    early = utils.LivePlot(100)
    early.start("interrupted")
    for record in RECORDS:
        early.add(record)
    early.draw(finished=True)
    last = [e for e in tree(early).iter() if e.get("class", "").startswith("at")][-1].get("style")
    left, width, x = (float(v) for v in re.findall(r"([\d.]+)%", last))
    assert (left + width * x / 100) * 1.04 == pytest.approx(3, abs=0.03) and (left + width) * 1.04 < 4
    plot = utils.LivePlot(2000)
    plot.start("long")
    for epoch in range(1, 2001):
        plot.add((epoch, 9.0, 9.0))
    plot.draw(finished=True)
    assert 100 <= len(texts(plot, "at")) <= 200 and texts(plot, "at")[-1].startswith("epoch 2000")


@pytest.mark.parametrize("curves", [3, 8, 12])
def test_every_number_at_a_curves_end_is_seen_and_leads_to_its_end(curves):
    """None covers another, none leaves the frame; one that cannot stand beside its end is tied to it by a thin line."""
    plot = utils.LivePlot(3, height=utils.LivePlot.LOW)
    for i in range(curves):
        plot.start("much the same")
        for record in RECORDS:
            plot.add((record.epoch, record.perplexity * (1 + i / 40), record.held_out * (1 + i / 60)))
    plot.draw()
    numbers = [(e.text, place(e, "bottom")) for e in tree(plot).iter() if e.get("class") == "end"]
    assert sorted(text for text, _ in numbers) == sorted(2 * [str(i + 1) for i in range(curves)])
    heights = sorted(plot.height * y for _, y in numbers)
    apart = min(b - a for a, b in zip(heights, heights[1:], strict=False))
    assert apart >= min(13.9, 0.9 * plot.height / len(numbers)) and 0 <= heights[0] and heights[-1] < plot.height * 1.06
    y = scale(plot, "y", "bottom", True)
    leaders = [p for p in next(tree(plot).iter("svg")).iter("path") if p.get("class") == "leader"]
    ends = [tuple(1 - float(v) / 1000 for v in re.findall(r" (-?[\d.]+)", p.get("d"))) for p in leaders]
    for (text, at), record, line in [(n, RECORDS[-1], i) for n in numbers for i in (1, 2)]:
        i = int(text) - 1
        value = record[line] * (1 + i / (40 if line == 1 else 60))
        tied = [end for end in ends if end[0] == pytest.approx(end[0]) and y(end[0]) == pytest.approx(value, rel=0.01)]
        beside = [a for t, a in numbers if t == text and y(a) == pytest.approx(value, rel=0.1)]
        assert tied or beside, (text, at)
    colours = [p.get("stroke") for p in next(tree(plot).iter("svg")).iter("path") if p.get("stroke-width") == "4.5"]
    assert len(colours) == 2 * max(0, curves - len(utils.PALETTE)), "colours that come again are broad"


def test_other_quantities_than_perplexity():
    plot = utils.LivePlot(2, xlabel="minibatch", ylabel="norm", lines=("before", "after"), ylim=(0.1, 3))
    plot.start("RNN")
    for record in ((1, 5.0, 0.5), (2, 0.01, 0.01)):
        plot.add(record)
    plot.draw()
    assert lines(plot) == [("solid", near([(1, 5), (2, 0.01)])), ("dashed", near([(1, 0.5), (2, 0.01)]))]
    assert texts(plot, "ylabel") == ["norm"] and texts(plot, "xlabel") == ["minibatch"]
    assert "before" in texts(plot, "legend")[0] and "after" in texts(plot, "legend")[0]


def test_follow_returns_the_records_and_leaves_a_picture_of_its_own(shown):
    """So that a page that is saved and opened again, without a kernel, shows it: the live plot is another output."""
    plot = utils.LivePlot(3, title="recorded run")
    assert plot.follow(iter(RECORDS), "LSTM\nSGD") == RECORDS
    _, (live, _), (final, options) = shown
    words = "recorded run. perplexity over epoch. 1 LSTM, SGD: training 4, held-out 11 at 3"
    assert set(live) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    assert set(final) == {"text/html", "image/png", "text/plain"}
    assert final["text/plain"] == words and f'alt="{words}"' in final["text/html"]
    assert options["metadata"]["image/png"] == {"width": 720, "height": 320, "alt": words}
    assert tree(plot).get("aria-label") == words and texts(plot, "note") == ["recorded run"]
    assert len(lines(plot)) == 2 and len(texts(plot, "at")) == 3


def test_the_note_tells_how_far_it_is_and_how_long_it_will_still_take(shown, monkeypatch):
    """Judged from the first record on: what came before it was loading and warming up, here 100 s."""
    clock, notes, plot = [100.0], [], utils.LivePlot(4, title="LSTM")
    monkeypatch.setattr(book.live_plot.time, "monotonic", lambda: clock[0])

    def training():
        clock[0] += 98
        for record in RECORDS:
            clock[0] += 2
            yield record
            notes.append(texts(plot, "note")[0])

    plot.follow(training(), "LSTM")
    epochs = ["LSTM · epoch 1 of 4", "LSTM · epoch 2 of 4, 4 s left", "LSTM · epoch 3 of 4, 2 s left"]
    assert notes == epochs and texts(plot, "note") == ["LSTM"]


def test_more_epochs_than_the_plot_was_made_for(shown):
    plot, notes = utils.LivePlot(2), []

    def training():
        for record in RECORDS:
            plot.due = 0
            yield record
            notes.append(texts(plot, "note")[0])

    plot.follow(training(), "LSTM")
    assert notes[-1].startswith("epoch 3 of 3") and "-" not in notes[-1]


def test_the_time_left_is_not_guessed_from_the_first_minibatch(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(book.live_plot.time, "monotonic", lambda: clock[0])
    left, told = book.live_plot.TimeLeft(), []
    for seconds, share in ((5.0, 0.001), (5.1, 0.004), (6.0, 0.1), (15.0, 1.0)):  # a slow first one, then 1 % in 0.1 s
        clock[0] = seconds
        told.append(left.after(share))
    assert told[:2] == ["", ""] and told[2] == ", 9 s left" and told[3] == ", 0 s left"


def test_what_a_plot_says_is_text_and_never_html(shown):
    plot = utils.LivePlot(3, title="<b>title</b>", xlabel="<i>x", lines=("<u>a", "<u>b"))
    plot.follow(RECORDS, "<img src=x onerror=alert(1)>")
    assert not [e.tag for e in tree(plot).iter() if e.tag not in ("div", "span", "svg", "path")]
    final = shown[-1][0]["text/html"]
    assert final.count("<img") == 1 and "<b>" not in final, "one picture, and the label is in its alt text"


def test_a_label_may_look_like_a_formula(shown):
    plot = utils.LivePlot(3)
    assert plot.follow(RECORDS, r"$\frac{1}$") == RECORDS
    assert r"1 $\frac{1}$" in texts(plot, "legend")[0]


def test_race_draws_several_trainings_an_epoch_of_each_in_turn(shown):
    order, plot = [], utils.LivePlot(3)

    def training(name, records):
        for record in records:
            order.append(name)
            yield record

    records = {"one": RECORDS, "two": RECORDS[:2], "three": []}
    trainings = {name: training(name, rs) for name, rs in records.items()}
    assert plot.race(trainings, linewidths=(5, 1)) == records
    assert order == ["one", "two", "one", "two", "one"]
    expected = [[(r[0], r[i]) for r in records[name]] for name in ("one", "two") for i in (1, 2)]
    assert [points for _, points in lines(plot)] == list(map(near, expected))
    paths = [p for p in next(tree(plot).iter("svg")).iter("path") if "L" in p.get("d") and not p.get("class")]
    widths = [p.get("stroke-width") for p in paths]
    assert widths == ["5", "5", "1", "1"]
    assert sum("widget-view" in mime for data, _ in shown for mime in data) == 1, "one plot for all"


def test_interrupted_follow_keeps_the_curve(shown):
    def interrupted():
        yield from RECORDS[:2]
        raise KeyboardInterrupt

    plot = utils.LivePlot(3)
    with pytest.raises(KeyboardInterrupt):
        plot.follow(interrupted(), "LSTM")
    assert lines(plot)[0] == ("solid", near([(1, 20), (2, 9)]))
    assert "image/png" in shown[-1][0]


def test_outside_a_notebook_follow_prints_its_end_in_words(capsys):
    utils.LivePlot(3, "my run").follow(RECORDS, "LSTM")
    assert capsys.readouterr().out == "my run. perplexity over epoch. 1 LSTM: training 4, held-out 11 at 3\n"


def test_a_value_that_is_no_number_leaves_a_gap_and_the_rest_of_the_curve():
    plot = utils.LivePlot(3)
    plot.start("RNN")
    for record in (RECORDS[0], RECORDS[1]._replace(perplexity=math.nan), RECORDS[2]):
        plot.add(record)
    plot.draw()
    assert lines(plot)[0][1] == near([(1, 20), (3, 4)])
