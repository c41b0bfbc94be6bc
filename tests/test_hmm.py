"""If this fails, a reader of lesson 4 gets wrong probabilities, or takes for an optimum what is none."""

import itertools
import math
import re
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba

from tests.support.lesson_code import run_cells
from tests.support.stored import rows_of, stored
from utils import torch

NAME = "04_hmm_forward_backward"


class HMM(NamedTuple):
    """What the lesson's functions take: its own class of this name looks the same."""

    p: object  # (k,)
    A: object  # (k, k)
    B: object  # (k, m)


@pytest.fixture(scope="module")
def lesson():
    """The names of the lesson's cells but for the training of its two networks."""
    cells = ("tables", "sample", "brute-force", "forward-loop", "forward", "backward", "sum-terms", "sum-table")
    cells += ("draw-edges", "draw-lattice", "count-products", "fill-in", "draw-blank", "underflow", "scaled", "exact")
    cells += ("count-both", "draw-cost", "draw-underflow")
    return run_cells(NAME, *cells, "network", "train")


@st.composite
def models(draw, longest=5):
    """A random hidden Markov model, as tensors and as lists, and a word of its letters."""
    k, m = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    tables = [torch.rand(*shape, generator=generator, dtype=torch.float64) for shape in ((k,), (k, k), (k, m))]
    hmm = HMM(*(table / table.sum(-1, keepdim=True) for table in tables))
    word = draw(st.lists(st.integers(0, m - 1), min_size=1, max_size=longest))
    return hmm, HMM(*(table.tolist() for table in hmm)), word


def close(found, expected):
    expected = torch.as_tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(torch.as_tensor(found, dtype=torch.float64), expected, rtol=1e-10, atol=0)


@settings(max_examples=40, deadline=None)
@given(models())
def test_both_recursions_equal_sums_over_all_paths(lesson, model):
    hmm, lists, x = model
    k, T = len(hmm.p), len(x)
    paths = list(itertools.product(range(k), repeat=T))
    joint = torch.tensor([lesson.joint(lists, h, x) for h in paths], dtype=torch.float64)
    pi, rho = lesson.forward(hmm, x), lesson.backward(hmm, x)
    close(lesson.forward_loop(lists, x), pi)
    close(lesson.probability(lists, x), joint.sum())
    for t, state in itertools.product(range(T), range(k)):
        here = torch.tensor([h[t] == state for h in paths])
        close(pi[t, state] * hmm.B[state, x[t]] * rho[t, state], joint[here].sum())
    close((pi * hmm.B[:, x].T * rho).sum(-1), joint.sum().expand(T))


@settings(max_examples=30, deadline=None)
@given(models(longest=4), st.data())
def test_missing_letter_equals_brute_force_and_does_not_look_at_it(lesson, model, data):
    hmm, lists, x = model
    j = data.draw(st.integers(0, len(x) - 1))
    m = hmm.B.shape[1]
    left, both = lesson.fill_in(hmm, x, j)
    words = [[*x[:j], letter, *x[j + 1 :]] for letter in range(m)]
    P = torch.tensor([lesson.brute_force(lists, word) for word in words], dtype=torch.float64)
    close(both, P / P.sum())
    P = torch.tensor([lesson.brute_force(lists, word[: j + 1]) for word in words], dtype=torch.float64)
    close(left, P / P.sum())
    for word in words:
        assert all(torch.equal(a, b) for a, b in zip(lesson.fill_in(hmm, word, j), (left, both), strict=True))


@settings(max_examples=30, deadline=None)
@given(models(longest=60))
def test_against_hmmlearn(lesson, model):
    from hmmlearn.hmm import CategoricalHMM  # here: it imports scikit-learn and SciPy, which no other test needs

    hmm, _, x = model
    theirs = CategoricalHMM(n_components=len(hmm.p), n_features=hmm.B.shape[1])
    theirs.startprob_, theirs.transmat_, theirs.emissionprob_ = (table.numpy() for table in hmm)
    letters = torch.tensor(x)[:, None].numpy()
    scaled, log_P = lesson.forward_scaled(hmm, x)
    close(log_P[-1], theirs.score(letters))
    close(lesson.forward_log(hmm, x), log_P)
    posterior = scaled * hmm.B[:, x].T * lesson.backward(hmm, x)  # (T, k), P(h_t | x)
    close(posterior / posterior.sum(-1, keepdim=True), theirs.predict_proba(letters))


def test_a_thousand_letters_underflow_and_the_cure_is_exact(lesson):
    hmm, word, percent = lesson.hmm, lesson.long_word, lesson.percent
    for tables, limit in ((lesson.single, 100), (hmm, 600)):
        gone = (lesson.forward(tables, word).sum(-1) == 0).nonzero()[0, 0]
        assert 20 < gone < limit
    exact = math.log(lesson.probability(percent, word)) - 2 * len(word) * math.log(100)
    close(lesson.forward_scaled(hmm, word)[1][-1], exact)
    close(lesson.forward_log(hmm, word)[-1], exact)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5))
def test_counted_products_are_the_formulas(lesson, k, T):
    assert lesson.count(lesson.brute_force, k, T) == (2 * T - 1) * k**T
    assert lesson.count(lesson.probability, k, T) == (T - 1) * (k**2 + k) + k


@settings(max_examples=20, deadline=None)
@given(models())
def test_smoothing_optimum_is_never_above_the_filtering_optimum(lesson, model):
    """In expectation, over all words of one length; on a sample it may be the other way round by chance."""
    hmm, lists, x = model
    words = list(itertools.product(range(hmm.B.shape[1]), repeat=min(len(x), 4)))
    P = torch.tensor([lesson.brute_force(lists, word) for word in words], dtype=torch.float64)
    close(P.sum(), 1.0)
    for j in range(len(words[0])):
        left, both = (torch.stack([lesson.fill_in(hmm, w, j)[side][w[j]] for w in words]) for side in (0, 1))
        filtering, smoothing = (-(P * Q.log()).sum() for Q in (left, both))
        assert smoothing <= filtering + 1e-12
        if j == len(words[0]) - 1:
            close(smoothing, filtering)


def test_cross_entropy_is_in_nats(lesson):
    X = torch.tensor([[0, 5], [3, 1]])
    P = torch.full((2, 2, 6), 1 / 6, dtype=torch.float64)
    close(lesson.cross_entropy(P, X), torch.full((2, 2), math.log(6), dtype=torch.float64))


def test_batched_optima_equal_the_single_ones(lesson):
    X = lesson.fresh[:, :5]  # (20, 5)
    left, both = lesson.exact(lesson.hmm, X)
    for i, j in itertools.product(range(5), range(20)):
        close(left[j, i], lesson.fill_in(lesson.hmm, X[:, i].tolist(), j)[0])
        close(both[j, i], lesson.fill_in(lesson.hmm, X[:, i].tolist(), j)[1])


@pytest.mark.parametrize("recursion", ["pi", "rho"])
def test_lattice_adds_what_it_shows(lesson, recursion):
    nodes = set()
    for step in range(1, 19):
        t, h, known, terms = lesson.sum_terms(recursion, step)
        nodes.add((t, h))
        if step > 3:
            close(sum(value * b * a for *_, value, b, a in terms), known[t, h])
            assert {(before, i) for before, i, *_ in terms} <= nodes, "a value is reused before it is computed"
        figure, table = lesson.draw_lattice(recursion, step)
        assert f"{known[t, h]:.5f}" in table.data or step <= 3
        check_lattice(lesson, figure, table, recursion, step, (t, h, known, terms))
    assert len(nodes) == 18


def check_lattice(lesson, figure, table, recursion, step, expected):
    """The figure marks what is computed and what is reused for it; the table has the factors under their names."""
    t, h, known, terms = expected
    (ax,) = figure.axes
    circles, ring = ax.collections
    places = [tuple(map(round, place)) for place in circles.get_offsets().tolist()]
    fills = dict(zip(places, map(tuple, circles.get_facecolors()), strict=True))
    assert {node for node, fill in fills.items() if fill == to_rgba("peachpuff")} == {term[:2] for term in terms}
    assert sum(fill != to_rgba("white") for fill in fills.values()) == step, "one more is known at every step"
    assert ring.get_offsets().tolist() == [[t, h]]
    values = {text.get_position(): text.get_text() for text in ax.texts}
    assert values[t, h] == f"{known[t, h]:.4f}"
    if not terms:
        return
    paths = len(list(itertools.product(range(3), repeat=t if recursion == "pi" else 5 - t)))
    assert ax.get_title().endswith(f"t = {t + 1}, state {h + 1}: 3 products stand for {paths} paths")
    heads = re.findall("<th.*?>(.*?)</th>", table.data)
    assert heads[2:4] == ["P(x | state)", "P(to | from)"]
    for (_, i, value, b, a), row in zip(terms, rows_of(table.data), strict=False):
        assert row == [str(i + 1), f"{value:.5f}", f"{b:.2f}", f"{a:.2f}", f"{value * b * a:.5f}"]


@pytest.mark.parametrize("k", [2, 3, 5])
def test_cost_picture_has_its_counts_on_the_curves_of_its_formulas(lesson, k):
    (ax,) = lesson.draw_cost(k).axes
    formula_brute, brute, formula_recursion, recursion, _ = ax.lines
    for curve, counted in ((formula_brute, brute), (formula_recursion, recursion)):
        by_formula = dict(zip(curve.get_xdata(), curve.get_ydata(), strict=True))
        assert len(counted.get_xdata()) >= 3
        assert all(by_formula[T] == n for T, n in zip(counted.get_xdata(), counted.get_ydata(), strict=True))


def test_underflow_picture_draws_the_plain_numbers_on_the_scaled_curve(lesson):
    (ax,) = lesson.draw_underflow().axes
    scaled, *plain = (line for line in ax.lines)
    logs = lesson.forward_log(lesson.hmm, lesson.long_word) / math.log(10)
    torch.testing.assert_close(torch.as_tensor(scaled.get_ydata()).double(), logs, rtol=1e-4, atol=0)
    for line in plain:
        expected = logs[torch.as_tensor(line.get_xdata()).reshape(-1).long() - 1]
        torch.testing.assert_close(torch.as_tensor(line.get_ydata()).double().reshape(-1), expected, rtol=0, atol=0.3)


def test_blank_picture_has_both_distributions_in_their_places(lesson):
    (ax,) = lesson.draw_blank("ka_ta").axes
    heights = torch.tensor([bar.get_height() for bar in ax.patches], dtype=torch.float64).reshape(2, 6)
    x = [lesson.letters.index(c) for c in "kakta"]
    for found, expected in zip(heights, lesson.fill_in(lesson.hmm, x, 2), strict=True):
        close(found, expected)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["left: ka_", "both: ka_ta"]


@pytest.mark.parametrize("text", [" ka_ta", "ka_ta.", "KA_ta ", "ka_ta. "])
def test_blank_takes_no_offence_at_what_is_typed_beside_the_letters(lesson, text):
    (ax,) = lesson.draw_blank(text).axes
    assert [name.get_text() for name in ax.get_legend().get_texts()] == ["left: ka_", "both: ka_ta"]


@pytest.mark.parametrize("text", ["", "kata", "k_t_a", "ka_b"])
def test_blank_refuses_other_texts(lesson, text):
    with pytest.raises(ValueError, match="text must be"):
        lesson.draw_blank(text)


@pytest.mark.parametrize("both", [False, True])
def test_networks_do_not_see_the_letter_they_fill_in(lesson, both):
    network, X = lesson.FillIn(8, both), lesson.fresh[:, :1]
    for j in range(20):
        changed = X.clone()
        changed[j] = (changed[j] + 1) % 6
        moved = (network(X) != network(changed)).any(-1)[:, 0]
        assert moved.tolist() == [place > j or (both and place < j) for place in range(20)]


@pytest.mark.parametrize("name", ["left only", "both sides"])
def test_short_training_comes_near_its_floor_and_not_below(lesson, name):
    network, optimum = lesson.FillIn(32, both=name == "both sides"), lesson.floors[name]
    records = list(lesson.train(network, 150, seed=5))
    assert [minibatch for minibatch, *_ in records] == [5, 10, 20, 30, 40, 50, 100, 150]
    assert records[-1][1] == pytest.approx(lesson.score(network).mean().item())
    gap = (lesson.score(network) - optimum).mean(0)  # (n,)
    assert -3 * gap.std() / len(gap) ** 0.5 < gap.mean() < 0.01 * optimum.mean()


def test_lesson_comes_within_half_a_percent_of_both_floors():
    rows = rows_of(stored(NAME, "result"))
    assert [row[0] for row in rows] == ["left only", "both sides"]
    optima = []
    for _, _, optimum, gap_and_error, _ in rows:
        optimum, gap, error = float(optimum), *map(float, gap_and_error.split(" ± "))
        assert -3 * error < gap < 0.005 * optimum
        optima.append(optimum)
    assert optima[1] < 0.95 * optima[0]


def test_sampled_words_follow_the_tables(lesson):
    hmm = lesson.hmm
    H, X = lesson.sample(hmm, 4000, 12, torch.Generator().manual_seed(1))
    first = H[0].bincount(minlength=3) / 4000
    assert (first - hmm.p).abs().max() < 0.03
    for state in range(3):
        shown = X[H == state].bincount(minlength=6) / (H == state).sum()
        then = H[1:][H[:-1] == state].bincount(minlength=3) / (H[:-1] == state).sum()
        assert (shown - hmm.B[state]).abs().max() < 0.03 and (then - hmm.A[state]).abs().max() < 0.03
