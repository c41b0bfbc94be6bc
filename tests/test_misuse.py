"""If this fails, a reader of lesson 6 believes in evidence that is false: a leak that is none, or none where one is."""

import ast
import copy
import itertools
import json
import math
import re
import statistics
from pathlib import Path

import ipywidgets
import jupytext
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import utils
from book.exercises import EXERCISES
from tests.support.lesson_code import SOURCES, run_cells
from tests.support.stored import rows_of, stored
from utils import d2l, torch

ROOT = Path(utils.__file__).parent
NAME = "06_bidirectional_misuse"
both = pytest.mark.parametrize("name", ["uni", "bi"])


@pytest.fixture(scope="module")
def lesson():
    """The names of the lesson's cells but for its trainings: `uni` and `bi` are untrained, `windows` is (n, T)."""
    lesson = run_cells(NAME, "load-data", "suspects")
    lesson.uni, lesson.bi = (lesson.language_model(bidirectional) for bidirectional in (False, True))
    lesson.suspects = {"unidirectional": lesson.uni, "bidirectional": lesson.bi}
    cells = (
        "by-position",
        "draw-by-position",
        "guess-by-position",
        "predict",
        "bars",
        "gradient-norms",
        "read",
        "initial-states",
    )
    cells += ("draw-gradient", "draw-initial-states", "ocr", "tagger", "train-tagger", "vowels", "lineup")
    run_cells(NAME, *cells, into=lesson)
    trained, lesson.race_taggers = lesson.race_taggers, lambda *_: ({}, {})  # what it takes seconds to train
    run_cells(NAME, "train-ocr", "vowel-data", into=lesson)
    lesson.race_taggers = trained
    lesson.widgets, lesson.scores = ipywidgets, {"unidirectional": (3.0, 4.0), "bidirectional": (1.0, 9.0)}
    return run_cells(NAME, "draw-scores", "draw-future", into=lesson)


@settings(deadline=None, max_examples=25)
@given(t=st.integers(1, 34), shift=st.integers(1, 200))
def test_the_future_moves_no_forward_prediction_and_every_bidirectional_one(lesson, t, shift):
    X, changed = lesson.windows[:4], lesson.other_future(lesson.windows, t, shift)[:4]
    assert torch.equal(X[:, :t], changed[:, :t])
    before, after = (lesson.predict(lesson.uni, x)[:t] for x in (X, changed))
    assert torch.equal(before, after)
    before, after = (lesson.predict(lesson.bi, x)[t - 1] for x in (X, changed))
    for row in torch.nonzero(X[:, t] != changed[:, t]).flatten():
        assert not torch.equal(before[row], after[row])


@both
@settings(deadline=None, max_examples=10)
@given(n=st.integers(1, 3), T=st.integers(1, 6))
def test_heat_map_is_the_norm_of_torchs_jacobian(lesson, name, n, T):
    model = getattr(lesson, name)
    X = lesson.windows[:n, :T]
    G = lesson.gradient_norms(model, X)
    one_hot = torch.nn.functional.one_hot(X.T, 28).float()  # (T, n, q)
    J = torch.autograd.functional.jacobian(lambda E: model.linear(model.rnn(E)[0]), one_hot)  # (T, n, q, T, n, q)
    expected = torch.stack([J[:, i, :, :, i].square().sum(dim=(1, 3)).sqrt() for i in range(n)]).mean(dim=0)
    torch.testing.assert_close(G, expected, rtol=1e-4, atol=1e-7)


def test_heat_map_is_a_triangle_and_a_square(lesson):
    above = torch.ones(12, 12).triu(1).bool()
    forward, bidirectional = (
        lesson.gradient_norms(model, lesson.windows[:3, :12]) for model in (lesson.uni, lesson.bi)
    )
    assert (forward[above] == 0).all() and (forward[~above] > 0).all()
    assert (bidirectional > 0).all()


@settings(deadline=None, max_examples=10)
@given(T=st.integers(2, 40))
def test_prefixes_score_a_forward_network_as_the_whole_window_does(lesson, T):
    ids = lesson.windows.flatten()[:400]
    full, prefix = (utils.perplexity(lesson.uni, ids, T, prefix_only=only) for only in (False, True))
    assert prefix == pytest.approx(full, rel=1e-5)
    full, prefix = (utils.perplexity(lesson.bi, ids, T, prefix_only=only) for only in (False, True))
    assert abs(prefix / full - 1) > 1e-5


@settings(deadline=None, max_examples=15)
@given(T=st.integers(1, 12), n=st.integers(1, 4), seed=st.integers(0, 100))
def test_true_backward_state_is_what_reading_on_gives(lesson, T, n, seed):
    """A window that starts from the state of the window after it reads as both windows written in one."""
    torch.manual_seed(seed)
    model = d2l.RNNModel(torch.nn.LSTM(28, 9, bidirectional=True), 28)
    X = torch.randint(1, 28, (n, 2 * T))
    zero, read, only = model.begin_state(batch_size=n, device="cpu"), lesson.read, lesson.only
    Y = X.roll(-1, 1)
    whole, _ = read(model, X, Y, zero)  # (2 T, n)
    _, following = read(model, X[:, T:], Y[:, T:], zero)
    first, past = read(model, X[:, :T], Y[:, :T], only(1, following))
    torch.testing.assert_close(first, whole[:T], rtol=0, atol=1e-5)
    second, _ = read(model, X[:, T:], Y[:, T:], only(0, past))  # and the forward direction is right to carry
    torch.testing.assert_close(second, whole[T:], rtol=0, atol=1e-5)


def test_only_keeps_one_direction(lesson):
    state = tuple(torch.rand(2, 3, 4) + 1 for _ in range(2))
    for direction in (0, 1):
        for kept, before in zip(lesson.only(direction, state), state, strict=True):
            assert torch.equal(kept[direction], before[direction]) and not kept[1 - direction].any()


def test_initial_states_by_position(lesson):
    forward, backward = lesson.forward, lesson.backward
    assert list(backward) == ["zeros", "carried", "of another row", "true"] and list(forward) == list(backward)[:3]
    assert all(p.shape == (35,) for p in (*forward.values(), *backward.values()))
    rows = torch.cat([X for X, _ in lesson.minibatches], dim=1)  # (8, all steps)
    assert all(torch.equal(X[:, 1:], Y[:, :-1]) for X, Y in lesson.minibatches)
    book = lesson.pages.unfold(0, rows.shape[1], 1)
    assert all((row == book).all(dim=1).any() for row in rows), "each row is one piece of the book"


def test_initial_states_cost_what_reading_the_text_before_or_after_in_one_piece_costs(lesson):
    """Carried, of another row and true: each is the state of a text that is simply read on from zeros."""
    minibatches, uni, bi = lesson.minibatches, *map(copy.deepcopy, (lesson.uni, lesson.bi))
    for model in (uni, bi):
        for name, bias in model.rnn.named_parameters():
            if name.startswith("bias_ih"):
                bias.data[64:128] += 6  # forget gates that keep nearly everything: the past of all windows counts
    forward, backward = lesson.by_initial_state(uni, direction=0), lesson.by_initial_state(bi, direction=1)
    rows = torch.cat([X for X, _ in minibatches], dim=1)  # (8, all steps)
    expected = {"carried": [], "of another row": [], "true": [], "zeros": [], "carried backward": []}

    def losses(model, before, X, Y, after):
        """Of the windows X, read in one piece with the text before and after them: (T, n)."""
        whole = torch.cat([before, X, after], dim=1)
        logits, _ = model(whole, model.begin_state(batch_size=8, device="cpu"))
        logits = logits.reshape(whole.shape[1], 8, -1)[before.shape[1] :][: X.shape[1]]
        return torch.nn.functional.cross_entropy(logits.permute(1, 2, 0), Y, reduction="none").T

    none, state = rows[:, :0], bi.begin_state(batch_size=8, device="cpu")
    with torch.no_grad():
        for i, ((X, Y), (following, _)) in enumerate(zip(minibatches, minibatches[1:], strict=False)):
            if i > 0:
                before = rows[:, : 35 * i]
                expected["carried"].append(losses(uni, before, X, Y, none))
                expected["of another row"].append(losses(uni, before.roll(1, 0), X, Y, none))
                expected["zeros"].append(losses(uni, none, X, Y, none))
                expected["true"].append(losses(bi, none, X, Y, following))
                initial = tuple(torch.stack([torch.zeros_like(s[0]), s[1]]) for s in state)
                logits = bi(X, initial)[0].reshape(35, 8, -1).permute(1, 2, 0)
                loss = torch.nn.functional.cross_entropy(logits, Y, reduction="none").T
                expected["carried backward"].append(loss)
            _, state = bi(X, state)
    expected = {name: torch.cat(parts, dim=1).mean(dim=1).exp() for name, parts in expected.items()}
    for name in ("zeros", "carried", "of another row"):
        torch.testing.assert_close(forward[name], expected[name], rtol=1e-4, atol=0)
    torch.testing.assert_close(backward["true"], expected["true"], rtol=1e-4, atol=0)
    torch.testing.assert_close(backward["carried"], expected["carried backward"], rtol=1e-4, atol=0)


def test_pictures_show_the_numbers_that_they_name(lesson):
    (ax,) = lesson.draw_by_position(10).axes
    for line, (name, model) in zip(ax.lines, lesson.suspects.items(), strict=True):
        assert line.get_label() == name and list(line.get_xdata()) == list(range(1, 11))
        p = utils.perplexity_by_position(model, lesson.pages, 10)
        assert list(line.get_ydata()) == pytest.approx(p.tolist())
    (ax,) = lesson.draw_scores(lesson.scores).axes
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in ax.containers}
    assert heights == {"whole window": [3, 1], "prefix only": [4, 9]}
    assert [label.get_text() for label in ax.get_xticklabels()] == list(lesson.scores)
    for ax, g in zip(lesson.draw_gradient(lesson.G).axes, lesson.G.values(), strict=False):
        shown = ax.images[0].get_array()
        assert (shown.filled(0) == g.numpy()).all() and ax.images[0].get_extent() == [0.5, 20.5, 20.5, 0.5]
    curves = {"forward": lesson.forward, "backward": lesson.backward}
    figure = lesson.draw_initial_states(lesson.forward, lesson.backward)
    for ax, (direction, perplexities) in zip(figure.axes, curves.items(), strict=True):
        drawn = {line.get_label(): torch.as_tensor(line.get_ydata()) for line in ax.lines}
        assert direction in ax.get_title() and drawn.keys() == perplexities.keys()
        assert all(torch.equal(drawn[name], p) for name, p in perplexities.items())
        first, last = ax.get_xlim()
        assert first < (1 if direction == "forward" else 35) < last, "where the direction begins"


@pytest.mark.parametrize("t", [1, 20, 34])
def test_picture_of_the_future_has_both_predictions_and_both_characters(lesson, t):
    X, changed = lesson.windows[3:4], lesson.other_future(lesson.windows, t, 2)[3:4]
    figure = lesson.draw_future(3, t, 2)
    texts = ["".join(lesson.vocab.to_tokens(x[0].tolist())) for x in (X, changed)]
    (ax,) = figure.axes
    assert ax.get_title() == "\n".join(
        f"{name} {text[:t]}|{text[t:]}" for name, text in zip(("book: ", "other:"), texts, strict=True)
    )
    letters = {text.xy[0]: text.get_text().replace("␣", " ") for text in ax.texts if hasattr(text, "xy")}
    drawn = zip(ax.collections, ax.lines, itertools.product(lesson.suspects.values(), (X, changed)), strict=True)
    for bars, marker, (model, x) in drawn:
        P, corners = lesson.predict(model, x)[t - 1, 0, 1:], [path.vertices for path in bars.get_paths()]
        floor = corners[0][0, 1]
        assert [bar[:, 1].max() - floor for bar in corners] == pytest.approx(P.tolist())
        assert [round(bar[:, 0].mean()) for bar in corners] == list(letters) == list(range(27))
        assert letters[int(marker.get_xdata()[0])] == lesson.vocab.to_tokens(int(x[0, t]))
    assert [bars.get_label() for bars in ax.collections] == 2 * ["book's future", "other future"]
    named = [text.get_text() for text in ax.texts if not hasattr(text, "xy")]
    moves = [(lesson.predict(m, X) - lesson.predict(m, changed))[t - 1].abs().max() for m in lesson.suspects.values()]
    assert named == [f"{name}: P moves by {move:.2g}" for name, move in zip(lesson.suspects, moves, strict=True)]


@given(rate=st.floats(0, 1), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_a_bad_scan_changes_only_letters_to_their_lookalikes(lesson, rate, seed):
    ids, look = lesson.windows, lesson.LOOKALIKE
    noisy = lesson.scan(ids, torch.Generator().manual_seed(seed), rate)
    assert noisy.shape == ids.shape
    assert torch.equal(look[look], torch.arange(28)), "being mistaken for each other goes both ways"
    hit, can = noisy != ids, look[ids] != ids
    assert torch.equal(noisy[hit], look[ids][hit]) and not (hit & ~can).any()
    assert hit.sum() / can.sum() == pytest.approx(rate, abs=0.02)


@given(st.text(alphabet="aeioubcdthn ", max_size=40))
def test_vowels_come_back(lesson, line):
    skeleton, vowels = lesson.remove_vowels(line)
    assert len(skeleton) == len(vowels) and skeleton[0] == " "
    assert not set("aeiou") & set("".join(skeleton)) and set("".join(vowels)) <= set("aeiou")
    assert lesson.restore_vowels(skeleton, vowels) == line


@pytest.mark.parametrize("num_tags", [28, 41])
def test_all_taggers_have_the_same_size_and_each_sees_its_own_side(lesson, num_tags):
    """After x_21 changes: which answers may move, and that the nearest of them do."""
    X, changed = lesson.windows[:3], lesson.windows[:3].clone()
    changed[:, 20] = changed[:, 20] % 27 + 1
    first_and_last = {"left": (20, 34), "left, late": (18, 34), "right": (0, 20), "both": (0, 34)}  # that may move
    sizes = []
    for reads, (first, last) in first_and_last.items():
        tagger = lesson.Tagger(reads, num_tags)
        sizes.append(sum(p.numel() for p in tagger.parameters()))
        before, after = tagger(X), tagger(changed)
        assert before.shape == after.shape == (35, 3, num_tags)
        moved = (before != after).flatten(1).any(dim=1)
        assert not moved[:first].any() and not moved[last + 1 :].any()
        assert moved[max(first, 18) : min(last, 22) + 1].all()
    assert min(sizes) == pytest.approx(max(sizes), rel=0.01)


def test_a_tagger_learns_and_is_scored_on_text_it_has_not_seen(lesson):
    generator = torch.Generator().manual_seed(0)
    places = lesson.draw_windows(torch.arange(100), generator, n=50, T=7)
    assert places.shape == (50, 7) and places.min() >= 0 and places.max() < 100
    assert (places[:, 1:] - places[:, :-1] == 1).all()
    torch.manual_seed(0)
    tagger, Y = lesson.Tagger("both", 28), lesson.windows[:30]

    def minibatch(generator):  # the easiest of tasks: the tag is the character itself
        X = lesson.windows[100 + torch.randint(185, (16,), generator=generator)]
        return X, X

    step, training, held_out = next(lesson.train_tagger(tagger, minibatch, Y, Y))
    assert step == 25 and training < 0.2 and 0 < held_out < 0.2
    wrong = tagger(Y).argmax(dim=2) != Y.T  # (T, n)
    assert held_out == pytest.approx(wrong.sum().item() / Y.numel())


def test_exactly_one_of_the_lineup_leaks(lesson):
    X, changed = lesson.windows[:8], lesson.other_future(lesson.windows, 20, 1)[:8]
    leaks = {k for k, net in lesson.lineup.items() if not torch.equal(net(X)[:20], net(changed)[:20])}
    assert leaks == {"C"} and all(net(X).shape == (35, 8, 28) for net in lesson.lineup.values())


def test_exercises_expect_what_the_lessons_own_code_gives(lesson):
    expected = {number: EXERCISES[f"6.{number}"].expected for number in range(1, 6)}
    assert expected[1] == pytest.approx(torch.tensor([1.05] * 6 + [10.0]).log().mean().exp().item(), rel=1e-5)

    X, leaking = lesson.windows[:1], 0
    for t in range(33):  # the other positions have no x_{t+2} in the window
        changed = X.clone()
        changed[0, t + 2] = X[0, t + 2] % 27 + 1
        leaking += (lesson.predict(lesson.bi, changed)[t] != lesson.predict(lesson.bi, X)[t]).any().item()
    assert expected[2] == 35 - leaking

    X, changed = lesson.windows, lesson.other_future(lesson.windows, 20, shift=1)
    (leak,) = [k for k, net in lesson.lineup.items() if (net(X)[:20] != net(changed)[:20]).any()]
    assert expected[3] == leak

    steps = []  # the length of all that the network is given: first prefixes, then the whole window
    hook = lesson.uni.register_forward_pre_hook(lambda _, inputs: steps.append(inputs[0].shape[1]))
    for prefix_only in (True, False):
        utils.perplexity(lesson.uni, lesson.windows.flatten()[:36], prefix_only=prefix_only)
    hook.remove()
    *prefixes, once = steps
    assert expected[4] == sum(prefixes) / once

    net = torch.nn.LSTM(28, 16, 3, bidirectional=True)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter *= "reverse" not in name  # the backward direction silenced: its states are zero
        _, (H, _) = net(torch.randn(5, 2, 28))
    assert expected[5] == tuple(i for i in range(6) if H[i].any())


# --------------------------------------------------------------------------------- which text is used for what


def test_no_cut_of_text_overlaps_another(lesson):
    """Learnt from, chosen by, scored in the verdict, looked at, learnt from by the taggers: one after the other."""
    cuts = [*lesson.corpus[:3], lesson.pages, lesson.more_pages, lesson.further.test]
    assert [len(cut) for cut in cuts] == [10_000, 5_000, 5_000, 10_000, 60_000, 5_000]
    assert torch.equal(torch.cat(cuts), utils.load_corpus(max_tokens=95_000).train)


def test_test_text_is_used_in_exactly_one_place():
    """And what is cut from the book is cut by the two calls that the test above has tried."""
    cells = [cell for cell in jupytext.read(SOURCES / f"{NAME}.py").cells if cell.cell_type == "code"]
    nodes = [(cell.metadata.get("id"), node) for cell in cells for node in ast.walk(ast.parse(cell.source))]
    attributes = [(i, node) for i, node in nodes if isinstance(node, ast.Attribute)]
    uses = [(i, ast.unparse(node)) for i, node in attributes if node.attr == "test"]
    assert uses == [("test-scores", "corpus.test"), ("test-scores", "further.test")]
    assert [i for i, node in attributes if node.attr == "load_corpus"] == ["load-data", "by-position"]


def test_taggers_learn_from_pages_that_they_are_not_scored_on(lesson):
    def stands_in(window, text):
        return (text.unfold(0, len(window), 1) == window).all(dim=1).any()

    learnt, scored = lesson.more_pages, (lesson.pages, lesson.further.test)
    _, Y = lesson.scanned_minibatch(torch.Generator().manual_seed(0))
    assert Y.shape == (64, 40) and all(stands_in(window, learnt) for window in Y)
    letters, tags = lesson.vowel_minibatch(torch.Generator().manual_seed(0))
    skeleton = torch.tensor(lesson.vocab[lesson.skeleton_of(learnt)[0]])
    assert all(stands_in(window, skeleton) for window in letters) and letters.shape == tags.shape == (64, 40)
    for text in scored:
        X, Y = lesson.scanned_windows(text)
        assert torch.equal(Y.flatten(), text) and 0.1 < (X != Y).float().mean() < 0.14
        X, Y = lesson.vowel_windows(text)
        skeleton = torch.tensor(lesson.vocab[lesson.skeleton_of(text)[0]])
        assert torch.equal(X.flatten(), skeleton[: X.numel()]) and X.numel() > len(skeleton) - 40 and Y.shape == X.shape


def test_recorded_run_is_the_notes_run_and_says_so():
    run = json.loads((ROOT / "assets" / "runs" / "bidirectional_lstm.json").read_text("utf-8"))
    assert run["about"]["origin"] == "recorded run" and run["about"]["seed"] == 0
    assert run["epoch"] == list(range(1, 501))
    assert all(len(run[key]) == 500 for key in ("perplexity", "held_out", "tokens_per_sec"))
    assert run["perplexity"][-1] < 1.2
    assert all(line.endswith("erererererererererer") for line in run["generated"])
    assert stored(NAME, "train-notes").startswith("recorded run: 500 epochs"), "what is recorded is called so"


def test_lesson_6_teaches_the_cells_of_the_notes():
    """Every statement of the notes' last cell stands in lesson 6, to the letter."""

    def statements(code):
        return [ast.unparse(node) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.stmt)]

    notes = (ROOT / "tests" / "notes_cells.py").read_text("utf-8").split("# %%\n")[-1]
    lesson = statements((ROOT / "notebooks" / "source" / f"{NAME}.py").read_text("utf-8"))
    assert not [s for s in statements(notes) if s not in lesson]


# ------------------------------------------------------------------ what the stored page prints, and its prose says


def test_stored_held_out_perplexity_is_near_1_for_both_directions_only():
    ends = re.findall(r"training ([\d.]+), held-out ([\d.]+)", stored(NAME, "plot-held-out"))
    (one_training, one), (training, held_out) = (map(float, pair) for pair in ends[:2])  # then the picture's words
    assert one_training < 1.2 and 45 < one < 55, "about 50"
    assert training < 1.2 and held_out < 1.2 < 1.4 < 2**0.6, "far below Shannon's readers"
    records = utils.load_run("bidirectional_lstm").records
    assert sum(r.held_out < r.perplexity for r in records) > 0.9 * len(records), "a little below most of the way"


def test_stored_race_is_suspicious_at_the_fifth_or_sixth_epoch():
    one, both_directions = stored(NAME, "race").splitlines()
    (held_out,) = map(float, re.findall(r"held-out (\S+),", one))
    assert one.endswith("never") and 7.5 < held_out < 8.8, "stays near 8"
    (held_out, epoch) = map(float, re.findall(r"[\d.]+\d(?=,)|\d+$", both_directions))
    assert epoch in (5, 6) and 1 < held_out < 1.25


def test_stored_spike_is_at_the_last_position_alone():
    form = r"directional: first ([\d.]+), median ([\d.]+), last but one ([\d.]+), last ([\d.]+\d)"
    found = re.findall(form, stored(NAME, "guess-by-position"))
    one, both_directions = (map(float, four) for four in found[:2])
    first, median, before_last, last = both_directions
    assert last > 5 * median and before_last < 1.5 and median < 1.2 and first < 1.2
    first, median, before_last, last = one
    assert max(first, median, before_last, last) / min(first, median, before_last, last) < 2.5
    assert first == max(first, median, before_last, last)


def test_stored_prefix_only_scores():
    ends = re.findall(r"whole window ([\d.]+), prefix only ([\d.]+\d)", stored(NAME, "draw-scores"))
    (full, prefix), (leaking_full, leaking_prefix) = (map(float, pair) for pair in ends[:2])
    assert full == prefix
    assert leaking_full < 1.3 and leaking_prefix > prefix, "the honest score of the leaking network is the worse one"


def test_stored_changed_future_is_read_out():
    rows = re.findall(r"<td>(\w+)</td><td>([\d.e-]+)</td><td>(\d+)%</td><td>(\d+)%</td>", stored(NAME, "guess-future"))
    moves = {name: (float(move), int(old), int(new)) for name, move, old, new in rows}
    assert moves["unidirectional"][0] == 0
    move, old, new = moves["bidirectional"]
    assert move > 0.9 and 85 < new < 95 and old < 10, "nine times out of ten"
    assert "It is: the new one." in stored(NAME, "guess-future")


def test_stored_heat_map_is_a_triangle_and_a_square():
    numbers = re.findall(
        r"t: (\d+) of (\d+); .*: (\d+), at t \+ 1: (\d+)$", stored(NAME, "gradient-norms"), re.MULTILINE
    )
    zeros, of, here, ahead = zip(*(map(int, row) for row in numbers), strict=True)
    assert zeros == (190, 0, 0) and of == (190, 190, 190), "one cannot hear the future, the other can, trained or not"
    assert here[0] == here[2] == 20 and ahead[0] == ahead[2] == 0, "and training has moved the largest"
    assert ahead[1] > 10 and here[1] + ahead[1] <= 20


def test_stored_audit():
    one, both_directions = stored(NAME, "audit").splitlines()[:2]
    assert one.split() == "unidirectional leaks: False, reach: 0".split()
    assert both_directions.startswith("bidirectional  leaks: True, reach: ")
    assert "Not found this way" in stored(NAME, "audit"), "the report's end says what it cannot find"


def test_audit_and_the_lessons_own_experiments_agree(lesson):
    for model, leaks in ((lesson.uni, False), (lesson.bi, True)):
        report = utils.audit(model, lesson.windows[:, :12].contiguous())
        assert report.leaks is leaks and bool(report.reach) is leaks
        above = torch.ones(12, 12).triu(1).bool()
        G = lesson.gradient_norms(model, lesson.windows[:3, :12])
        assert bool((G[above] > 0).any()) is leaks
    leaks = {k for k, net in lesson.lineup.items() if utils.audit(net, lesson.windows[:, :12].contiguous()).leaks}
    assert leaks == {EXERCISES["6.3"].expected}, "exercise 3 may be solved with it"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_exam_has_five_questions_each_with_its_answer_folded(language):
    cells = jupytext.read(SOURCES / f"{NAME}.py").cells
    (text,) = (c.source for c in cells if c.metadata.get("id") == "exam" and c.metadata.get("lang") == language)
    assert re.findall(r"^\*\*(\d)\.\*\*", text, re.MULTILINE) == list("12345")
    assert text.count("<details>") == text.count("</details>") == 5
    third = text.split("**4.**")[0].split("**3.**")[1]
    average = math.exp((34 * math.log(1.05) + math.log(10)) / 35)
    assert "1/35" in third and f"{average:.2f}" == "1.12" and "1.12" in third


def recording(name):
    """The rows of a recorded run, as columns: one number for each start."""
    run = json.loads((ROOT / "assets" / "runs" / f"{name}.json").read_text("utf-8"))
    assert run["about"]["origin"] == "recorded run" and len(run["rows"]) == 5
    return list(zip(*run["rows"], strict=True))


def span(values, form=".2f"):
    return " to ".join(dict.fromkeys(f"{end:{form}}" for end in (min(values), max(values))))


def test_stored_carried_states():
    columns = recording("misuse_states")
    zeros, carried, other_row = columns[:3]
    assert max(carried) < min(zeros) and max(zeros) < min(other_row), "worth carrying, and not from another place"
    zeros, carried, other_row, true = columns[3:7]
    assert max(true) < 1.2 and min(*carried, *other_row) > 5 * max(zeros) > 50
    for a, b in zip(carried, other_row, strict=True):
        assert statistics.mean([a / b, b / a]) < 1.5, "about as bad as another row's"
    table = rows_of(stored(NAME, "initial-states-table"))
    assert [row[1:4] for row in table] == [[span(c) for c in columns[:3]], [span(c) for c in columns[3:6]]]
    right, echo = re.findall(r"(\d+)%", stored(NAME, "echo"))
    assert 95 > int(echo) > 85 > 30 > int(right), "nine times out of ten"
    for line in stored(NAME, "echo-lines").splitlines():
        assert line[-18:] == line[-20:-2], "what it writes repeats with period two"


def test_the_carried_state_spoils_the_training_and_lifts_the_solid_curve():
    both_solid, both_dashed, forward_solid, forward_dashed = recording("misuse_states")[7:]
    assert max(forward_solid) < min(both_solid) and max(forward_dashed) < min(both_dashed)
    assert max(both_dashed) < min(both_solid) and max(forward_solid) < min(forward_dashed)
    text = stored(NAME, "carry-control")
    curves = {"both directions carried": (both_solid, both_dashed), "forward only": (forward_solid, forward_dashed)}
    for carry, (solid, dashed) in curves.items():
        words = f"training {span(solid, '.3f')}, held-out {span(dashed, '.3f')}"
        assert re.search(f"^{carry} +{words}$", text, re.MULTILINE)
    for curve in ("training", "held-out"):
        assert f"forward only ({curve}) before both directions carried ({curve})" in text


def test_the_carried_state_makes_the_stammer():
    carried, read_anew = recording("misuse_stammer")
    assert min(carried) > 0.9 and max(read_anew) < 0.1
    lines = stored(NAME, "stammer").splitlines()
    assert [line.split(maxsplit=1) for line in lines[1:2]] == [["carried", span(carried, ".0%")]]
    assert lines[2].endswith(span(read_anew, ".0%"))


def test_stored_decoders():
    lines = stored(NAME, "decode").splitlines()
    assert len(lines) == 8
    written = [line.partition("  time traveller")[2] for line in lines]
    assert written[0] == written[2] and written[1] == written[3], "both decoders agree where no future is read"
    assert written[4] != written[6] and written[4].startswith("ererer")
    loop = re.compile(r"(.{2,8}?)\1{3}")  # the same few characters four times
    assert loop.search(written[0]) and loop.search(written[4]) and loop.search(written[6])


def test_stored_taggers_repair_what_the_prose_says():
    nothing, left, both_sides = (float(x) for x in re.findall(r"([\d.]+)%", stored(NAME, "train-ocr")))
    assert 0.27 < 1 - left / nothing < 0.4 and 0.5 < 1 - both_sides / nothing < 0.62
    nothing, left, both_sides = (float(x) for x in re.findall(r"([\d.]+)%", stored(NAME, "train-vowels")))
    assert 0.07 < 1 - left / nothing < 0.15 and 0.28 < 1 - both_sides / nothing < 0.39
    _, left, both_sides, book = stored(NAME, "vowel-lines").splitlines()
    assert "dwn nd" in left and "down and" in both_sides and "down and" in book


def test_verdict_rests_on_intervals_that_do_not_overlap(lesson):
    columns = recording("misuse")
    left, both_sides = columns[:2]
    assert max(left) < min(both_sides), "completing text: one direction"
    nothing, left, late, right, both_sides = columns[2:7]
    X, Y = lesson.scanned_windows(lesson.further.test)
    assert nothing == pytest.approx(5 * [(X != Y).float().mean().item()]), "of the test text"
    for side in (left, right):
        assert all(1 / 3 < 1 - error / none < 0.42 for error, none in zip(side, nothing, strict=True))
        assert max(late) < min(side)
    assert all(error < 0.5 * none for error, none in zip(late, nothing, strict=True)) and max(both_sides) < min(late)
    nothing, left, late, right, both_sides = columns[7:]
    _, Y = lesson.vowel_windows(lesson.further.test)
    assert nothing == pytest.approx(5 * [(Y != lesson.tags.mode().values).float().mean().item()])
    assert max(right) < min(left) < max(left) < min(nothing) and max(both_sides) < min(*left, *right)
    assert min(late) < max(both_sides) and min(both_sides) < max(late), "not told apart"


def test_stored_verdict_shows_these_intervals():
    columns, rows = recording("misuse"), rows_of(stored(NAME, "verdict-table"))
    _, *table = zip(*rows, strict=True)  # a column for each task
    assert [column[:2] for column in table] == [("no", "yes"), ("yes", "no"), ("yes", "no")]
    assert list(table[0][2:]) == ["", span(columns[0]), "", "", span(columns[1])]
    for column, scores in zip(table[1:], (columns[2:7], columns[7:]), strict=True):
        assert list(column[2:]) == [span(score, ".1%") for score in scores]
    completing, correcting, restoring = re.split("correcting OCR|restoring vowels", stored(NAME, "verdict-table"))[:3]
    assert "left before both" in completing
    for pair in ("both before left, late", "left, late before left", "left, late before right"):
        assert pair in correcting.partition("not told apart")[0]
    assert "right before left" in restoring and "both before right" in restoring
    assert "both and left, late" in restoring.partition("not told apart")[2]


def test_stored_chinese_page_shows_the_same_recorded_numbers():
    for cell in ("initial-states-table", "verdict-table", "carry-control", "stammer"):
        pages = [stored(NAME, cell, language) for language in ("en", "zh")]
        english, chinese = (re.findall(r"\d+\.\d+|\d+%", page) for page in pages)
        assert english == chinese and len(english) >= 4
    rows = rows_of(stored(NAME, "verdict-table", "zh"))
    assert [row[0] for row in rows] == [
        "右边有文本？",
        "其中有答案？",
        "什么都不做",
        "左边",
        "左边（晚答）",
        "右边",
        "两边",
    ]
    assert [row[1:] for row in rows[:2]] == [["没有", "有", "有"], ["有", "没有", "没有"]], "the book's conclusion"
