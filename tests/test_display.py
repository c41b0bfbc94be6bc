"""If this fails, a picture, its words or an exercise's verdict is not what a reader should see.

Plots that are redrawn in place, figures that follow a slider, and the exercises' checks.
"""

import base64
import gc
import struct
from pathlib import Path

import ipywidgets as W
import nbformat
import pytest
from ipywidgets.widgets.widget_link import Link
from nbclient import NotebookClient

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
    return told


def lines(plot):
    """The curves of the plot, as (linestyle, epochs, perplexities)."""
    return [(line.get_linestyle(), *map(list, line.get_data())) for line in plot.axes.lines if len(line.get_xdata())]


def test_live_plot_draws_training_solid_and_held_out_dashed():
    plot = utils.LivePlot(3)
    plot.start("LSTM")
    for record in RECORDS:
        plot.add(record)
    assert lines(plot) == [("-", [1, 2, 3], [20, 9, 4]), ("--", [1, 2, 3], [18, 10, 11])]
    plot.start("without held-out")
    plot.add(RECORDS[0]._replace(held_out=None))
    assert lines(plot)[2:] == [("-", [1], [20])]
    plot.draw()
    assert "2  without held-out" in [text.get_text() for text in plot.axes.get_legend().get_texts()]


def test_live_plot_rests_after_drawing():
    plot = utils.LivePlot(3)
    plot.start("LSTM")
    picture = plot.image.value
    assert plot.add(RECORDS[0]) and plot.image.value != picture, "the first point is drawn at once"
    picture = plot.image.value
    assert not plot.add(RECORDS[1]) and plot.image.value == picture
    plot.due = 0
    assert plot.add(RECORDS[2]) and plot.image.value != picture


def test_runaway_perplexity_does_not_squeeze_the_plot():
    plot = utils.LivePlot(3)
    plot.start("RNN")
    for perplexity in (20.0, 1e30, float("inf")):
        plot.add(RECORDS[0]._replace(perplexity=perplexity))
    plot.draw()
    assert plot.axes.get_ylim()[1] <= 1100


def test_follow_returns_the_records_and_leaves_a_plain_picture(shown):
    plot = utils.LivePlot(3, title="recorded run")
    assert plot.follow(iter(RECORDS), "LSTM\nSGD") == RECORDS
    live, (final, options) = shown[-2][0], shown[-1]
    assert "application/vnd.jupyter.widget-view+json" in live
    words = "recorded run. perplexity over epoch. 1 LSTM, SGD: training 4, held-out 11 at 3"
    assert final["text/plain"] == plot.words.value == words and f'alt="{words}"' in final["text/html"]
    assert set(final) == {"text/html", "image/png", "text/plain"} and final["image/png"] != live["image/png"]
    assert options["metadata"]["image/png"] == {"width": 720, "height": 320, "alt": words}
    assert plot.axes.get_title() == "recorded run"


def test_title_tells_how_far_it_is_and_how_long_it_will_still_take(shown, monkeypatch):
    """Three of four epochs took 6 s: 2 s are left; and at the end the title is the plot's own again."""
    clock, titles, plot = [100.0], [], utils.LivePlot(4, title="LSTM")
    monkeypatch.setattr(book.live_plot.time, "monotonic", lambda: clock[0])

    def training():
        for record in RECORDS:
            clock[0] += 2
            yield record
            titles.append(plot.axes.get_title())

    plot.follow(training(), "LSTM")
    assert titles == ["epoch 1 of 4, 6 s left", "epoch 2 of 4, 4 s left", "epoch 3 of 4, 2 s left"]
    assert plot.axes.get_title() == "LSTM"


def test_what_a_plot_says_is_text_and_never_html(shown):
    plot = utils.LivePlot(3, title="<b>title</b>")
    plot.follow(RECORDS, "<img src=x onerror=alert(1)>")
    assert "&lt;img" in plot.words.value and "<img" not in plot.words.value and "<b>" not in plot.words.value
    final = shown[-1][0]["text/html"]
    assert final.count("<img") == 1 and "<b>" not in final, "one picture, and the label is in its alt text"


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
    assert lines(plot) == [
        ("-", [1, 2, 3], [20, 9, 4]),
        ("--", [1, 2, 3], [18, 10, 11]),
        ("-", [1, 2], [20, 9]),
        ("--", [1, 2], [18, 10]),
    ]
    assert [line.get_linewidth() for line in plot.axes.lines if len(line.get_xdata())] == [5, 5, 1, 1]
    assert sum("widget-view" in mime for data, _ in shown for mime in data) == 1, "one plot for all"


def test_live_plot_draws_other_quantities_than_perplexity():
    plot = utils.LivePlot(2, xlabel="minibatch", ylabel="norm", lines=("before", "after"), ylim=(0.1, 3))
    plot.start("RNN")
    for record in ((1, 5.0, 0.5), (2, 0.01, 0.01)):
        plot.add(record)
    plot.draw()
    low, high = plot.axes.get_ylim()
    assert low < 0.01 and high > 5 and plot.axes.get_ylabel() == "norm"
    assert {"before", "after"} <= {text.get_text() for text in plot.axes.get_legend().get_texts()}


def test_numbers_at_the_ends_of_curves_do_not_cover_each_other():
    plot = utils.LivePlot(3)
    for _ in range(3):
        plot.start("same")
        for record in RECORDS:
            plot.add(record)
    plot.draw()
    heights = sorted(plot.axes.transData.transform(end.get_position())[1] for _, _, ends in plot.curves for end in ends)
    assert len(heights) == 6 and min(b - a for a, b in zip(heights, heights[1:], strict=False)) > 14


def test_interrupted_follow_keeps_the_curve(shown):
    def interrupted():
        yield from RECORDS[:2]
        raise KeyboardInterrupt

    plot = utils.LivePlot(3)
    with pytest.raises(KeyboardInterrupt):
        plot.follow(interrupted(), "LSTM")
    assert lines(plot)[0] == ("-", [1, 2], [20, 9])
    assert set(shown[-1][0]) == {"text/html", "image/png", "text/plain"}


def test_a_cell_shows_a_figure_as_one_small_picture_of_its_size():
    """In a real kernel, and also after d2l has asked for SVG, as d2l.train_ch8 does."""
    root = Path(__file__).resolve().parents[1]
    first = f"import sys; sys.path.insert(0, {str(root)!r})\nimport utils\nutils.new_figure(5, 2, columns=2)[0]"
    plot = "fig, ax = utils.new_figure(5, 2); ax.plot([1, 2], [3, 4], label='<W>')"
    plot += "\nax.set(xlabel='$t$', ylabel='nats'); fig"
    codes = (first, f"utils.d2l.use_svg_display()\n{plot}", "shown = display(fig, display_id=True); shown.update(fig)")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
    NotebookClient(notebook, timeout=120).execute()
    for cell in notebook.cells:
        (output,) = cell.outputs  # one, also when it was updated
        assert set(output.data) == {"text/html", "image/png", "text/plain"}
        assert output.metadata["image/png"].items() >= {"width": 400, "height": 160}.items()
        assert struct.unpack(">2I", base64.b64decode(output.data["image/png"])[16:24]) == (550, 220)  # 110 an inch
    assert output.data["text/plain"] == "nats over t. <W>: 3 at 1, 4 at 2", "in words"
    assert 'alt="nats over t. &lt;W&gt;: 3 at 1, 4 at 2"' in output.data["text/html"]


def test_explore_redraws_and_survives_a_bad_value(monkeypatch):
    seen = []

    def draw(x):
        seen.append(x)
        if x == 2:
            raise ValueError("x must not be 2")
        figure, axes = utils.new_figure(3, 2)
        axes.bar([0], [x])
        axes.set(title=f"x = {x}", xlabel="bar", ylabel="height")
        return figure

    draw.__doc__ = "Draw x as the bar's height.\n\nNot this."

    slider, boxes = W.IntSlider(1, min=0, max=5), []
    monkeypatch.setattr(book.display, "show", lambda widget, png, text: boxes.append(widget))
    utils.explore(draw, x=slider)
    _, message, picture, _ = boxes[0].children
    image, words = picture.children
    first, described = image.value, words.value
    slider.value = 2
    assert message.value == "ValueError: x must not be 2" and image.value == first
    slider.value = 3
    assert message.value == "" and image.value != first
    assert words.value != described and "the bar&#x27;s height. x = 3. height over bar" in words.value
    assert seen == [1, 2, 3] and (image.width, image.height) == ("240", "160")


def test_explore_shows_a_table_and_plays_a_slider(monkeypatch):
    boxes = []
    monkeypatch.setattr(book.display, "show", lambda widget, png, text: boxes.append(widget))

    def draw(x, word):
        return utils.new_figure(3, 2, bare=True)[0], utils.table(["x"], [[x], [word]])

    utils.explore(draw, play="x", word=W.Text("<b>"), x=W.IntSlider(1, min=1, max=5))
    row, _, _, below = boxes[0].children
    assert [type(w) for w in row.children] == [W.Text, W.Play, W.IntSlider]
    _, player, slider = row.children
    links = [link for link in gc.get_objects() if type(link) is Link and link.source[0] is player]
    linked = sorted((link.source[1], link.target[1]) for link in links if link.target[0] is slider)
    assert linked == [("max", "max"), ("value", "value")], "Play ends where its slider ends"
    play, slider = row.children[1:]
    assert (play.min, play.max, play.value) == (1, 5, 1)
    slider.value = 4
    assert "<td>4</td>" in below.value and "&lt;b&gt;" in below.value and "<b>" not in below.value


@pytest.mark.parametrize("answer", [0.75, 0.7501, utils.torch.tensor(0.75), utils.torch.tensor([[0.75]])])
def test_check_right(answer, capsys):
    utils.check(answer, 0.75, "of the gates")
    assert capsys.readouterr().out == "right, because of the gates\n"


@pytest.mark.parametrize("answer", [None, 0.7, 75, -0.75, float("nan"), "0.75", [0.75], True, utils.torch.ones(2)])
def test_check_wrong(answer, capsys):
    utils.check(answer, 0.75, "of the gates")
    out = capsys.readouterr().out
    assert out.startswith("not yet") and "gates" not in out


@pytest.mark.parametrize(
    "answer, verdict", [(76410, "right"), (76410.0, "right"), (76409, "not yet"), (76411, "not yet")]
)
def test_check_counts_exactly(answer, verdict, capsys):
    utils.check(answer, 76410, "of the biases")
    assert capsys.readouterr().out.startswith(verdict)


@pytest.mark.parametrize("answer", [(28, 64), [28, 64], utils.torch.Size((28, 64)), utils.torch.tensor([28, 64])])
@pytest.mark.parametrize("wrong", [(64, 28), (28,), 28, "(28, 64)", [], (28, 64, 1)])
def test_check_of_a_tuple(answer, wrong, capsys):
    utils.check(answer, (28, 64), "of its shape")
    utils.check(wrong, (28, 64), "of its shape")
    first, second = capsys.readouterr().out.splitlines()
    assert first == "right, because of its shape" and second.startswith("not yet")


@pytest.mark.parametrize(
    "value, text", [(1.0349, "1.03"), (999.994, "999.99"), (1000.0, "1e+03"), (float("inf"), "inf")]
)
def test_shorten(value, text):
    assert utils.shorten(value) == text
