"""Lesson 1, tried beyond its own examples: the parameters it counts, the arrows it draws, the order it computes in."""

import re
import statistics
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import utils
from tools.lesson_code import run_cells
from utils import torch

LESSON = run_cells("01_deep_rnn", "one-layer", "deep-rnn", "draw-graph", "shape-table", "wavefront", "draw-walk")
layers, widths = st.integers(1, 4), st.integers(1, 80)
draw_graph, draw_walk, rounds = (LESSON[name] for name in ("draw_graph", "draw_walk", "rounds"))


def rows(table):
    """The table's rows as {first cell: other cells}."""
    lines = [re.findall(r"<td>(.*?)</td>", line) for line in re.findall(r"<tr>(.*?)</tr>", table.data)]
    return {line[0]: line[1:] for line in lines if line}


def number(text):
    return int(text.replace(",", ""))


@settings(deadline=None, max_examples=60)
@given(cell=st.sampled_from(["RNN", "GRU", "LSTM"]), L=layers, h=widths, d=widths, n=st.integers(1, 9))
def test_the_widgets_shapes_and_counts_are_torchs(cell, L, h, d, n):
    table = rows(LESSON["shape_table"](cell, L, h, d, n))
    network, output = getattr(torch.nn, cell)(d, h, L), torch.nn.Linear(h, d)
    counted = [sum(p.numel() for p in weights) for weights in (*network.all_weights, output.parameters())]
    assert [number(x) for x in table[f"in nn.{cell}, nn.Linear"]] == [*counted, sum(counted)]
    assert sum(counted) == sum(p.numel() for p in utils.d2l.RNNModel(network, d).parameters())
    one_bias = [sum(p.numel() for p in weights[:3]) for weights in network.all_weights] + counted[-1:]
    assert [number(x) for x in table["parameters"]] == [*one_bias, sum(one_bias)]
    for l, (W_ih, W_hh, b_ih, _) in enumerate(network.all_weights):
        assert table["W_xh"][l] == "{} × {}".format(*W_ih.T.shape)
        assert table["W_hh"][l] == "{} × {}".format(*W_hh.T.shape)
        assert table["b_h"][l] == f"1 × {len(b_ih)}"
    top, _ = network(torch.zeros(1, n, d))
    assert table["H_t"] == L * ["{} × {}".format(*top[0].shape)] + [f"O_t: {n} × {d}", ""]


@given(L=layers, T=st.integers(1, 12))
def test_rounds_compute_every_state_once_as_early_as_its_two_sources_allow(L, T):
    when = {(0, t): 0 for t in range(1, T + 1)} | {(l, 0): 0 for l in range(1, L + 1)}
    for number, ready in enumerate(rounds(L, T), start=1):
        assert not ready & set(when)
        when |= dict.fromkeys(ready, number)
    states = [(l, t) for l in range(1, L + 1) for t in range(1, T + 1)]
    assert set(states) <= set(when) and max(when.values()) == T + L - 1
    for l, t in states:
        assert when[l, t] == 1 + max(when[l - 1, t], when[l, t - 1])


def test_a_state_needs_exactly_two_others():
    H = {at: value.clone().requires_grad_() for at, value in LESSON["H"].items()}
    for l, t in ((1, 1), (1, 4), (2, 1), (2, 5)):
        gradients = torch.autograd.grad(LESSON["state"](H, l, t).sum(), H.values(), allow_unused=True)
        assert {at for at, g in zip(H, gradients, strict=True) if g is not None} == LESSON["needs"](l, t)


def arrows(figure, width):
    """What the drawn arrows of a width connect: {(tail, direction)} as ((l, t), "up" or "right")."""
    found = set()
    for quiver in figure.axes[0].collections:
        if getattr(quiver, "width", None) == width:
            for (t, l), dt, dl in zip(quiver.get_offsets().tolist(), quiver.U, quiver.V, strict=True):
                assert (dt > 0) != (dl > 0)
                found.add(((round(l), round(t)), "up" if dl > 0 else "right"))
    return found


@pytest.mark.parametrize("L, T", [(1, 2), (2, 4), (4, 8)])
def test_the_graph_has_both_arrows_of_every_state(L, T):
    up = {((l, t), "up") for l in range(L + 1) for t in range(1, T + 1)}
    right = {((l, t), "right") for l in range(1, L + 1) for t in range(T)}
    assert arrows(draw_graph(L, T), 0.003) == up | right
    labels = {text.get_text() for text in draw_graph(L, T).axes[0].texts}
    assert {"X₁", f"O{LESSON['label']('', T)}", LESSON["label"]("H", T, L)} <= labels


@pytest.mark.parametrize("order, step", [("time, then depth", 8), ("time, then depth", 1), ("wavefront", 4)])
def test_the_walk_points_at_what_the_highlighted_states_need(order, step):
    if order == "wavefront":
        now = list(rounds(3, 6))[step - 1]
    else:
        now = {((step - 1) % 3 + 1, (step - 1) // 3 + 1)}
    expected = {((l - 1, t), "up") for l, t in now} | {((l, t - 1), "right") for l, t in now}
    figure = draw_walk(order, step)
    assert arrows(figure, 0.006) == expected
    assert f"step {step} of {8 if order == 'wavefront' else 18}" in figure.axes[0].get_title()


@pytest.mark.alone
@pytest.mark.parametrize("draw", [lambda: draw_graph(4, 8), lambda: draw_walk("wavefront", 4)])
def test_a_redraw_follows_the_slider(draw):
    seconds = []
    for _ in range(7):
        started = time.perf_counter()
        utils.to_png(draw())
        seconds.append(time.perf_counter() - started)
    assert statistics.median(seconds) < 0.1
