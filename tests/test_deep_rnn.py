"""If this fails, a reader of lesson 1 sizes, wires or computes a deep RNN wrongly."""

import html
import json
import re
import statistics
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba

import utils
from book import ROOT
from book.display import to_png
from book.exercises import EXERCISES
from tests.support.lesson_code import run_cells
from tests.support.stored import rows_of, stored
from utils import torch

NAME = "01_deep_rnn"
layers, widths = st.integers(1, 4), st.integers(1, 80)


@pytest.fixture(scope="module")
def lesson():
    """The names of the lesson's cells that compute and draw."""
    cells = ("one-layer", "deep-rnn", "check-torch", "label", "draw-graph", "shape-table", "wavefront", "draw-walk")
    lesson = run_cells(NAME, *cells)
    lesson.vocab_size = len(utils.load_corpus().vocab)
    return run_cells(NAME, "widths", into=lesson)


def rows(table):
    """The table's rows as {first cell: other cells}."""
    return {first: others for first, *others in rows_of(table.data)}


def number(text):
    return int(text.replace(",", ""))


@settings(deadline=None, max_examples=60)
@given(cell=st.sampled_from(["RNN", "GRU", "LSTM"]), L=layers, h=widths, d=widths, n=st.integers(1, 9))
def test_the_widgets_shapes_and_counts_are_torchs(lesson, cell, L, h, d, n):
    table = rows(lesson.shape_table(cell, L, h, d, n))
    network, output = getattr(torch.nn, cell)(d, h, L), torch.nn.Linear(h, d)
    counted = [sum(p.numel() for p in weights) for weights in (*network.all_weights, output.parameters())]
    assert [number(x) for x in table[f"in nn.{cell}, nn.Linear"]] == [*counted, sum(counted)]
    assert sum(counted) == sum(p.numel() for p in utils.d2l.RNNModel(network, d).parameters())
    one_bias = [sum(p.numel() for p in weights[:3]) for weights in network.all_weights] + counted[-1:]
    assert [number(x) for x in table["parameters"]] == [*one_bias, sum(one_bias)]
    for l, (W_ih, W_hh, b_ih, _) in enumerate(network.all_weights):
        assert table["its input"][l] == f"{n} × {W_ih.shape[1]}"
        assert table["W_xh"][l] == "{} × {}".format(*W_ih.T.shape)
        assert table["W_hh"][l] == "{} × {}".format(*W_hh.T.shape)
        assert table["b_h"][l] == f"1 × {len(b_ih)}"
    assert table["its input"][L] == f"{n} × {h}", "the output layer reads the last layer"
    assert table["W_xh"][L] == "W_hq: {} × {}".format(*output.weight.T.shape)
    assert table["b_h"][L] == f"b_q: 1 × {len(output.bias)}"
    top, _ = network(torch.zeros(1, n, d))
    assert table["H_t"] == L * ["{} × {}".format(*top[0].shape)] + [f"O_t: {n} × {d}", ""]


@given(L=layers, T=st.integers(1, 12))
def test_rounds_compute_every_state_once_as_early_as_its_two_sources_allow(lesson, L, T):
    when = {(0, t): 0 for t in range(1, T + 1)} | {(l, 0): 0 for l in range(1, L + 1)}
    for number, ready in enumerate(lesson.rounds(L, T), start=1):
        assert not ready & set(when)
        when |= dict.fromkeys(ready, number)
    states = [(l, t) for l in range(1, L + 1) for t in range(1, T + 1)]
    assert set(states) <= set(when) and max(when.values()) == T + L - 1
    for l, t in states:
        assert when[l, t] == 1 + max(when[l - 1, t], when[l, t - 1])


def test_a_state_needs_exactly_two_others(lesson):
    H = {at: value.clone().requires_grad_() for at, value in lesson.H.items()}
    for l, t in ((1, 1), (1, 4), (2, 1), (2, 5)):
        gradients = torch.autograd.grad(lesson.state(H, l, t).sum(), H.values(), allow_unused=True)
        assert {at for at, g in zip(H, gradients, strict=True) if g is not None} == lesson.needs(l, t)


def test_outputs_read_the_last_layer(lesson):
    """Of nn.RNN with the lesson's weights, `top`, which its cell check-torch compares with its own states."""
    expected = torch.nn.functional.linear(lesson.top, lesson.W_hq.T, lesson.b_q[0])  # (T, n, q)
    torch.testing.assert_close(torch.stack(list(lesson.O.values())), expected)


def arrows(figure, width):
    """What the drawn arrows of a width connect: {(tail, direction)} as ((l, t), "up" or "right")."""
    found = set()
    for quiver in figure.axes[0].collections:
        if getattr(quiver, "width", None) == width:
            drawn = zip(quiver.get_offsets().tolist(), quiver.U, quiver.V, quiver.get_facecolors(), strict=True)
            for (t, l), dt, dl, colour in drawn:
                assert (dt > 0) != (dl > 0)
                assert tuple(colour) == to_rgba(utils.BLUE if dl > 0 else utils.VERMILION), "as the prose names them"
                found.add(((round(l), round(t)), "up" if dl > 0 else "right"))
    return found


@pytest.mark.parametrize("L, T", [(1, 2), (2, 4), (4, 8)])
def test_the_graph_has_both_arrows_of_every_state(lesson, L, T):
    up = {((l, t), "up") for l in range(L + 1) for t in range(1, T + 1)}
    right = {((l, t), "right") for l in range(1, L + 1) for t in range(T)}
    assert arrows(lesson.draw_graph(L, T), 0.003) == up | right
    labels = {text.get_text() for text in lesson.draw_graph(L, T).axes[0].texts}
    assert {"X₁", f"O{lesson.label('', T)}", lesson.label("H", T, L)} <= labels
    assert lesson.label("H", 10, 2) == "H₁₀⁽²⁾"


@pytest.mark.parametrize("order, step", [("time, then depth", 8), ("time, then depth", 1), ("wavefront", 4)])
def test_the_walk_points_at_what_the_highlighted_states_need(lesson, order, step):
    in_time = [{((i % 3) + 1, i // 3 + 1)} for i in range(18)]
    steps = list(lesson.rounds(3, 6)) if order == "wavefront" else in_time
    now, known = steps[step - 1], set().union(*steps[: step - 1])
    expected = {((l - 1, t), "up") for l, t in now} | {((l, t - 1), "right") for l, t in now}
    figure = lesson.draw_walk(order, step)
    assert arrows(figure, 0.006) == expected
    title, needed = figure.axes[0].get_title(), f"{len(now)} states at once"
    if len(now) == 1:
        ((l, t),) = now
        below = lesson.label("X", t) if l == 1 else lesson.label("H", t, l - 1)
        needed = f"{lesson.label('H', t, l)} needs {below} and {lesson.label('H', t - 1, l)}"
    assert title.endswith(needed) and f"step {step} of {len(steps)}" in title
    assert coloured(figure, "navajowhite") == now
    assert coloured(figure, "0.85") == known | {(0, t) for t in range(1, 7)} | {(l, 0) for l in range(1, 4)}


def test_the_walk_ends_with_its_last_step(lesson):
    assert "step 8 of 8" in lesson.draw_walk("wavefront", 18).axes[0].get_title()
    assert coloured(lesson.draw_walk("wavefront", 18), "navajowhite") == {(3, 6)}


def coloured(figure, colour):
    """The states (l, t) that are drawn in a colour."""
    circles = next(c for c in figure.axes[0].collections if len(c.get_facecolors()) > 1 and not hasattr(c, "U"))
    places = circles.get_offsets().tolist()
    same = [tuple(face) == to_rgba(colour) for face in circles.get_facecolors()]
    return {(round(l), round(t)) for (t, l), is_same in zip(places, same, strict=True) if is_same}


@pytest.mark.parametrize("num_layers", [1, 2, 4])
def test_the_races_networks_are_as_wide_as_the_budget_allows(lesson, num_layers):
    def parameters(h):
        return sum(p.numel() for p in torch.nn.RNN(lesson.vocab_size, h, num_layers).parameters())

    assert parameters(lesson.widths[num_layers]) <= 20_000 < parameters(lesson.widths[num_layers] + 1)


@pytest.fixture(scope="module")
def depth():
    """{(enlarged, depth): rows of h, seed, lowest held-out perplexity, its epoch, that after epoch 5}, as recorded."""
    found = {}
    for enlarged, num_layers, *row in json.loads((ROOT / "assets/runs/depth.json").read_text())["rows"]:
        found.setdefault((enlarged, num_layers), []).append(row)
    return found


def test_every_depth_was_tried_from_both_starts_at_equal_parameters_until_its_lowest_point(lesson, depth):
    assert set(depth) == {(enlarged, num_layers) for enlarged in (0, 1) for num_layers in (1, 2, 4)}
    for (_, num_layers), rows in depth.items():
        assert [seed for _, seed, *_ in rows] == list(range(5))
        assert {width for width, *_ in rows} == {lesson.widths[num_layers]}
        assert max(epoch for _, _, _, epoch, _ in rows) <= 60 - 10, "it has fallen no more for ten epochs"


def test_which_depth_wins_turns_round_with_the_first_weights(depth):
    low = {point: min(score for _, _, score, _, _ in rows) for point, rows in depth.items()}
    high = {point: max(score for _, _, score, _, _ in rows) for point, rows in depth.items()}
    for first, then in (((0, 2), (0, 1)), ((0, 4), (0, 1)), ((1, 1), (1, 4)), ((1, 2), (1, 4))):
        assert high[first] < low[then]
    for one, other in (((0, 2), (0, 4)), ((1, 1), (1, 2))):
        assert low[one] < high[other] and low[other] < high[one], "not told apart"
    assert max(high[1, l] for l in (1, 2, 4)) < min(low[0, l] for l in (1, 2, 4)), "every depth does better"


def test_four_layers_stand_still_only_with_small_first_weights(depth):
    small, large = ([fifth for *_, fifth in depth[enlarged, 4]] for enlarged in (0, 1))
    assert min(small) > 14 and max(large) < 9
    assert min(small) > max(fifth for l in (1, 2) for *_, fifth in depth[0, l]), "the others no longer do"


def test_the_recorded_trainings_are_those_of_the_lessons_cells():
    lesson = run_cells(NAME, "one-layer")
    lesson.corpus = utils.load_corpus()
    lesson.vocab_size = len(lesson.corpus.vocab)
    run_cells(NAME, "widths", "training", "depth-run", into=lesson)
    assert lesson.about["origin"] == "recorded run"
    assert lesson.points == [(start, l, seed) for start, l, _, seed, *_ in lesson.depth_rows]
    small, large = (lesson.depth_point(enlarge, 1, seed=0) for enlarge in (0, 1))  # two epochs under FAST=1
    assert small[:4] == (0, 1, lesson.widths[1], 0) and large[:4] == (1, 1, lesson.widths[1], 0)
    assert large[4] < small[4], "enlarged weights are used where the row says so"


def test_the_guesses_answers_are_what_the_lesson_computes(lesson):
    """What is behind each question on the page: layer 2's count, the rounds, the gradient's share, the last depth."""

    def counts(**sizes):
        return rows(lesson.shape_table("LSTM", **{"L": 2, "h": 64, "d": 28} | sizes))["parameters"][1]

    unchanged = [name for name, other in (("L", 3), ("h", 72), ("d", 30)) if counts(**{name: other}) == counts()]
    assert unchanged == ["L", "d"] and "It is: L, T and d." in words_of("guess-sliders")
    assert f"It is {len(list(lesson.rounds(3, 6)))}." in words_of("guess-rounds")
    answer = float(re.search(r"It is (0\.\d+)\.", words_of("guess-gradient"))[1])
    low, high = rows_of(stored(NAME, "guess-gradient"))[-1][-1].split(" to ")
    assert 0.98 * float(low) <= answer <= 1.02 * float(high)
    assert "It is: four layers." in words_of("guess-depth")


def words_of(cell_id):
    """What a stored page says behind a question."""
    return html.unescape(stored(NAME, cell_id))


def test_the_lesson_ranks_only_what_the_ranking_tells_apart():
    told = stored(NAME, "depth-result")
    small, large = told.partition("enlarged weights (")[::2]
    assert "told apart:     L = 2 before L = 1; L = 4 before L = 1\n" in small
    assert "not told apart: L = 2 and L = 4\n" in small
    assert "told apart:     L = 1 before L = 4; L = 2 before L = 4\n" in large
    assert "not told apart: L = 1 and L = 2\n" in large
    assert "told apart:     enlarged weights before torch's weights\n" in large
    assert "recorded run: 30 trainings" in stored(NAME, "depth-run")


def test_stored_gradients_fade_along_the_layers_by_the_factors_of_the_prose():
    a_layer = {"RNN": 3**-0.5, "GRU": 3**-0.5 / 2, "LSTM": 3**-0.5 / 4}
    rows = rows_of(stored(NAME, "guess-gradient"))
    assert [row[:2] for row in rows] == [[cell, "1"] for cell in a_layer]
    for cell, _, *shares in rows:
        for further_layers, share in zip((1, 3), shares, strict=True):
            lowest, highest = map(float, share.split(" to "))
            assert 0.8 * a_layer[cell] ** further_layers < lowest <= highest < 1.2 * a_layer[cell] ** further_layers


def test_what_the_exercises_expect_is_what_the_lessons_code_gives(lesson):
    expected = {n: EXERCISES[f"1.{n}"].expected for n in range(1, 6)}
    rnn = torch.nn.RNN(28, 64, 3)  # which keeps them transposed
    assert expected[1] == (*rnn.weight_ih_l0.T.shape, *rnn.weight_ih_l2.T.shape)
    parameters = [*torch.nn.RNN(5, 10, 4).named_parameters(), *torch.nn.Linear(10, 2).named_parameters()]
    assert expected[2] == sum(p.numel() for name, p in parameters if "bias_hh" not in name)
    changed = lesson.H | {(0, 3): lesson.H[0, 3] + 1}
    for t in range(1, 6):
        for l in (1, 2):
            changed[l, t] = lesson.state(changed, l, t)
    moved = [not torch.equal(lesson.H[l, t], changed[l, t]) for l in (1, 2) for t in range(1, 6)]
    assert expected[3] == sum(moved)
    assert expected[4] == pytest.approx(4 * 100 / len(list(lesson.rounds(4, 100))), rel=1e-12)
    assert expected[5] == pytest.approx(lesson.largest_width(4, 80_000) / lesson.largest_width(4, 20_000), rel=1e-12)


def test_stored_times_of_deeper_networks_are_those_of_one_minibatch():
    rows = rows_of(stored(NAME, "time-depth"))
    for L, (layers, parameters, states, chain, _) in enumerate(rows, start=1):
        counted = sum(p.numel() for p in torch.nn.RNN(28, 128, L).parameters())
        assert [layers, number(parameters), states, chain] == [str(L), counted, str(35 * L), str(35 + L - 1)]
    times = [float(row[-1]) for row in rows]
    assert times == sorted(times) and 0.5 < times[0] < times[-1] < 500, "milliseconds, more for every layer"


@pytest.mark.alone
@pytest.mark.parametrize("what, arguments", [("draw_graph", (4, 8)), ("draw_walk", ("wavefront", 4))])
def test_a_redraw_follows_the_slider(lesson, what, arguments):
    seconds = []
    for _ in range(7):
        started = time.perf_counter()
        to_png(getattr(lesson, what)(*arguments))
        seconds.append(time.perf_counter() - started)
    assert statistics.median(seconds) < 0.1
