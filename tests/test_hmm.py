"""If this fails, a reader of lesson 4 gets wrong probabilities, or takes for an optimum what is none."""

import itertools
import math
import re
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba

from book.exercises import EXERCISES
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
    cells += ("count-both", "draw-cost", "draw-underflow", "viterbi", "viterbi-guess", "in-pairs", "shift")
    return run_cells(NAME, *cells, "network", "train", "output-control")


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
def test_two_sided_optimum_is_never_above_the_one_sided_optimum(lesson, model):
    """In expectation, over all words of one length; on a sample it may be the other way round by chance."""
    hmm, lists, x = model
    words = list(itertools.product(range(hmm.B.shape[1]), repeat=min(len(x), 4)))
    P = torch.tensor([lesson.brute_force(lists, word) for word in words], dtype=torch.float64)
    close(P.sum(), 1.0)
    for j in range(len(words[0])):
        left, both = (torch.stack([lesson.fill_in(hmm, w, j)[side][w[j]] for w in words]) for side in (0, 1))
        one_sided, two_sided = (-(P * Q.log()).sum() for Q in (left, both))
        assert two_sided <= one_sided + 1e-12
        if j == len(words[0]) - 1:
            close(two_sided, one_sided)


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


@settings(max_examples=40, deadline=None)
@given(models())
def test_viterbi_finds_a_likeliest_of_all_paths(lesson, model):
    hmm, lists, x = model
    path = lesson.viterbi(hmm, x)
    largest = max(lesson.joint(lists, h, x) for h in itertools.product(range(len(hmm.p)), repeat=len(x)))
    assert len(path) == len(x) and lesson.joint(lists, path, x) == pytest.approx(largest, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(models())
def test_states_one_by_one_are_the_likeliest_at_their_places(lesson, model):
    hmm, lists, x = model
    k, T = len(hmm.p), len(x)
    weights = torch.zeros(T, k, dtype=torch.float64)
    for h in itertools.product(range(k), repeat=T):
        weights[range(T), list(h)] += lesson.joint(lists, h, x)
    for t, state in enumerate(lesson.one_by_one(hmm, x)):
        assert weights[t, state].item() == pytest.approx(weights[t].max().item(), rel=1e-9)


def test_the_paths_on_the_page_differ_and_each_is_best_at_what_it_is_for(lesson):
    said = stored(NAME, "viterbi-guess")
    share = float(re.search(r"It is ([\d.]+)\.", said).group(1))
    assert share == pytest.approx(len(lesson.different) / 5) and 5 < share < 30
    letters, path, single = ([row[1:] for row in rows_of(said)][i] for i in range(3))
    x = [lesson.letters.index(c) for c in letters]
    path, single = ([int(state) - 1 for state in row] for row in (path, single))
    assert path == lesson.viterbi(lesson.hmm, x) != single == lesson.one_by_one(lesson.hmm, x)
    assert lesson.joint(lesson.lists, path, x) > lesson.joint(lesson.lists, single, x)


@settings(max_examples=40, deadline=None)
@given(models(longest=9))
def test_products_in_pairs_give_the_same_pi_in_log_many_rounds(lesson, model):
    hmm, _, x = model
    pi, rounds = lesson.forward_in_pairs(hmm, x)
    close(pi, lesson.forward(hmm, x)[-1])
    assert rounds == math.ceil(math.log2(len(x)))
    assert "9 rounds for 300 letters" in stored(NAME, "in-pairs")


def test_shifted_rows_are_what_has_been_read(lesson):
    """By the network itself: how many letters its prediction at j moves with, on either side."""
    shown = [[int(n) for n in re.findall(r"\d+", line)] for line in stored(NAME, "shift").splitlines()[:2]]
    network = lesson.FillIn(8, both=True)
    X = torch.randint(6, (6, 1))
    for j in range(6):
        moved = []
        for s in range(6):
            changed = X.clone()
            changed[s] = (changed[s] + 1) % 6
            moved.append(bool((network(X)[j] != network(changed)[j]).any()))
        assert [sum(moved[:j]), sum(moved[j + 1 :])] == [shown[0][j], shown[1][j]] and not moved[j]


def test_guesses_ask_for_what_is_computed(lesson):
    assert lesson.first_day(3) == 28 and "It is 28." in stored(NAME, "draw-cost")
    told = stored(NAME, "underflow")
    assert f"It is {lesson.last[1]}." in told and f"In 32 bits it is {lesson.last[0]}." in told
    for tables, last in zip((lesson.single, lesson.hmm), lesson.last, strict=True):
        pi = lesson.forward(tables, lesson.long_word).sum(-1)
        assert pi[last - 1] > 0 and pi[last] == 0
    assert lesson.last[0] < 100 and 400 < lesson.last[1] < 600, "within the first hundred, and about the middle"


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


def test_lesson_comes_within_a_small_fraction_of_a_percent_of_both_floors():
    rows = rows_of(stored(NAME, "result"))
    assert [row[0] for row in rows] == ["left only", "both sides"]
    optima = []
    for _, _, optimum, gap_and_error, _ in rows:
        optimum, gap, error = float(optimum), *map(float, gap_and_error.split(" ± "))
        assert 0 < error < gap < 0.0015 * optimum, "without its ever smaller steps: 0.13 and 0.27 %"
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


# ---- what its prose claims


def test_gap_has_the_error_of_a_mean(lesson, capsys):
    """Over sequences, not over letters: those of one sequence depend on each other."""
    lesson.networks = {name: lesson.FillIn(4, name == "both sides") for name in lesson.floors}
    run_cells(NAME, "result", into=lesson)
    for (name, *_, gap_and_error, _), network in zip(lesson.rows, lesson.networks.values(), strict=True):
        gaps = (lesson.score(network) - lesson.floors[name]).mean(0).tolist()
        mean = sum(gaps) / 8000
        error = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / 7999 / 8000)
        assert gap_and_error == f"{mean:.4f} ± {error:.4f}"


def test_training_takes_ever_smaller_steps(lesson):
    """From lr 0.01 down to a fiftieth of it, by what the weights do: Adam moves each by about lr at its first step."""
    network, weights = lesson.FillIn(4, both=False), []
    network.register_forward_pre_hook(lambda *_: weights.append(network.output[2].bias.detach().clone()))
    rates, step = [], torch.optim.Adam.step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", lambda self: (rates.append(self.param_groups[0]["lr"]), step(self)))
        list(lesson.train(network, 100, seed=0))
    assert (weights[1] - weights[0]).abs().max().item() == pytest.approx(0.01, rel=0.01)
    assert len(rates) == 100 and rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(0.01) and rates[-1] == pytest.approx(0.01 * 0.02, rel=0.5)


def test_linear_output_comes_close_and_the_small_network_closer():
    """Recorded, five random starts each; `ranking` says on the page what is told apart."""
    shown = stored(NAME, "output-control")
    assert re.search("^told apart: +small network before .*?; small network before", shown, re.MULTILINE)
    rows = {name: rest for name, *rest in rows_of(shown)}
    ends = {name: [float(x) for x in re.findall(r"[\d.]+", row[2])] for name, row in rows.items()}
    assert ends["small network"][1] < 0.15, "several times closer"
    for name in ("linear layer", "linear layer, wider"):
        low, high = ends[name]
        assert 3 * ends["small network"][1] < low <= high < 0.45, "about a third of one percent"
    sizes = {name: int(row[1].replace(",", "")) for name, row in rows.items()}
    assert sizes["linear layer, wider"] == pytest.approx(sizes["small network"], rel=0.01)


def test_control_differs_in_its_output_only(lesson, monkeypatch):
    """And its gap is in percent of the two-sided optimum, with the error of a mean over sequences."""
    trained = []
    monkeypatch.setattr(lesson, "train", lambda network, *args: trained.append((network, *args)) or [])
    gaps = [lesson.gap_of(*design, seed=3) for design in lesson.designs.values()]
    for (network, num_steps, seed), (num_hiddens, linear), found in zip(
        trained, lesson.designs.values(), gaps, strict=True
    ):
        assert (num_steps, seed, network.forward_layer.hidden_size) == (650, 4, num_hiddens)
        assert isinstance(network.output, torch.nn.Linear) is linear
        gap = (lesson.score(network) - lesson.floors["both sides"]).mean(0)
        optimum = lesson.floors["both sides"].mean()
        expected = [
            sum(p.numel() for p in network.parameters()),
            *(100 * x / optimum for x in (gap.mean(), gap.std() / 8000**0.5)),
        ]
        assert found == pytest.approx([float(x) for x in expected], rel=1e-4)


def test_brute_force_takes_a_day_for_as_many_letters_as_the_answer_says(lesson):
    for k, T in ((3, lesson.first_day(3)), (8, 15)):
        assert (2 * T - 3) * k ** (T - 1) < 1e15 < (2 * T - 1) * k**T
    assert 320 < lesson.count(lesson.probability, 3, 28) < 340


def test_typed_words_say_what_the_answer_says(lesson):
    def said(text):
        x, j = [max(lesson.letters.find(c), 0) for c in text], text.index("_")
        return [dict(zip(lesson.letters, P.tolist(), strict=True)) for P in lesson.fill_in(lesson.hmm, x, j)]

    _, both = said("ka_aka")
    assert both["a"] > both["o"] > both["n"] > both["s"] > both["k"], "a vowel, and next to that an end"
    left, both = said("kata_")
    assert both == pytest.approx(left)


# ---- its exercises: what is expected is what the lesson's own code gives


def test_exercise_1_counts_products(lesson):
    assert lesson.count(lesson.probability, k=10, T=50) == EXERCISES["4.1"].expected


def test_exercise_2_fills_in_with_a_forgetful_chain(lesson):
    row = torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64)
    forgetful = lesson.hmm._replace(A=row.expand(3, 3))
    _, P = lesson.fill_in(forgetful, [lesson.letters.index(c) for c in "kakta"], j=2)
    assert P[lesson.letters.index("a")].item() == pytest.approx(EXERCISES["4.2"].expected, rel=1e-4)


def test_exercise_3_underflows(lesson):
    uniform, T = HMM(torch.ones(1), torch.ones(1, 1), torch.full((1, 1000), 1 / 1000)), 1
    while lesson.probability(uniform, [0] * T) > 0:
        T += 1
    assert T == EXERCISES["4.3"].expected


def test_exercise_4_is_the_entropy_of_the_first_letter(lesson):
    left, _ = lesson.fill_in(lesson.hmm, [0], j=0)
    entropy = torch.distributions.Categorical(left).entropy().item()
    assert entropy == pytest.approx(EXERCISES["4.4"].expected, rel=1e-4)


def test_exercise_5_finds_the_place_where_both_optima_are_one(lesson):
    left, both = lesson.exact(lesson.hmm, lesson.fresh)  # (T, n, m) each
    difference = (left - both).abs().amax((1, 2))
    assert [j for j in range(1, 21) if difference[j - 1] < 1e-12] == [EXERCISES["4.5"].expected]
