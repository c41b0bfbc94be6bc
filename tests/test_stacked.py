"""If this fails, a reader who builds lesson 2's networks gets other numbers than torch's, or trains them less well."""

import math
import re
import statistics
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import utils
from book.exercises import EXERCISES
from tests.support.lesson_code import run_cells, spoiled_copies
from tests.support.stored import rows_of, stored
from utils import torch

NAME = "02_stacked_from_scratch"
small = st.integers(1, 6)


@pytest.fixture(scope="module")
def lesson():
    """The names of the lesson's cells that define its networks and train them."""
    cells = (
        "rnn-cell",
        "check-cell",
        "layer-loop",
        "layer-hoisted",
        "lstm-cell",
        "check-lstm",
        "gru-cell",
        "check-gru",
    )
    cells += ("deep-rnn", "copy-weights", "results", "largest-difference", "language-model", "reach")
    lesson = run_cells(NAME, *cells, "clip-gradients", "train-epoch")
    lesson.math, lesson.statistics, lesson.time = math, statistics, time  # which its cells in between import
    return run_cells(NAME, "other-starts", "draw-reach", "fade", "cut-model", "lost", "train", into=lesson)


@pytest.fixture(scope="module", params=["RNN", "GRU", "LSTM"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def Cell(lesson, name):
    """The lesson's cell of that name."""
    return getattr(lesson, f"{name}Cell")


@settings(deadline=None, max_examples=40)
@given(L=st.integers(1, 4), h=st.integers(1, 12), d=small, n=small, T=small)
def test_values_final_states_and_all_gradients_are_torchs(lesson, Cell, name, L, h, d, n, T):
    assert lesson.largest_difference(Cell, getattr(torch.nn, name), L, h, d, n, T) < 1e-10


def test_the_comparison_with_torch_notices_every_value_and_every_gradient(lesson, Cell, name, monkeypatch):
    """What the lesson prints as "largest difference" looks at each parameter: at its value, and at its gradient."""
    copy, theirs, sizes = lesson.copy_weights, getattr(torch.nn, name), {"L": 2, "h": 3, "d": 2, "n": 2, "T": 4}
    num_parameters = len(list(lesson.DeepRNN(Cell, 2, 3, 2).parameters()))

    for spoiled, copy_and_spoil in spoiled_copies(copy, num_parameters):
        monkeypatch.setattr(lesson, "copy_weights", copy_and_spoil)
        assert lesson.largest_difference(Cell, theirs, **sizes) > 1e-6, spoiled


@settings(deadline=None, max_examples=20)
@given(h=small, d=small, n=small, T=small)
def test_hoisted_form_is_the_loop_form(lesson, Cell, h, d, n, T):
    cell, X = Cell(d, h).double(), torch.randn(T, n, d).double()
    state = tuple(torch.randn(n, h).double() for _ in range(Cell.num_states))
    (H, final), (fast_H, fast_final) = (getattr(lesson, f)(cell, X, state) for f in ("run_layer_loop", "run_layer"))
    for slow, fast in zip((H, *final), (fast_H, *fast_final), strict=True):
        torch.testing.assert_close(slow, fast, rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(L=st.integers(1, 3), n=st.integers(2, 5), T=st.integers(2, 8), data=st.data())
def test_carried_state_continues_every_row_of_the_minibatch(lesson, Cell, L, n, T, data):
    """Cutting the time steps in two changes nothing if the state is carried, and no row sees another row's state."""
    rnn, X = lesson.DeepRNN(Cell, 3, 5, L).double(), torch.randn(T, n, 3).double()
    cut, row = data.draw(st.integers(1, T - 1)), data.draw(st.integers(0, n - 1))
    whole, final = rnn(X)
    first, state = rnn(X[:cut])
    second, carried = rnn(X[cut:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-12)
    for a, b in zip(carried, final, strict=True):
        assert a.shape == (L, n, 5)
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    alone, _ = rnn(X[cut:, row : row + 1], tuple(s[:, row : row + 1] for s in state))
    torch.testing.assert_close(alone, whole[cut:, row : row + 1], rtol=0, atol=1e-12)


def test_no_output_depends_on_a_later_input(lesson, Cell):
    rnn, X = lesson.DeepRNN(Cell, 3, 5, 2), torch.randn(7, 4, 3)
    changed = X.clone()
    changed[4] += 1
    before, after = rnn(X)[0], rnn(changed)[0]
    assert torch.equal(before[:4], after[:4]) and not (before[4:] == after[4:]).any()


def test_detach_hands_over_the_value_and_stops_the_gradient(lesson, Cell):
    (loss, norms), (detached_loss, detached) = (lesson.reach(Cell, 2, detach) for detach in (False, True))
    assert loss == detached_loss
    assert (norms > 0).all()
    assert (detached[:15] == 0).all()
    torch.testing.assert_close(detached[15:], norms[15:])


def test_picture_of_reach_has_every_norm_at_its_step(lesson):
    for detach in (False, True):
        _, norms = lesson.reach(lesson.GRUCell, 1, detach)
        drawn = lesson.draw_reach("GRU", 1, detach).axes[0].lines
        nonzero = dict(zip(*(x.tolist() for x in map(torch.as_tensor, drawn[0].get_data())), strict=True))
        assert nonzero == {step: norm for step, norm in zip(range(-14, 16), norms.tolist(), strict=True) if norm > 0}
        zeros = [line for line in drawn if line.get_marker() == "s"]
        assert [list(line.get_xdata()) for line in zeros] == ([list(range(-14, 1))] if detach else [])


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=6), st.floats(0.1, 50))
def test_clipping_is_torchs_and_keeps_the_direction(lesson, values, theta):
    ours, theirs = ([torch.nn.Parameter(torch.zeros(())) for _ in values] for _ in range(2))
    for p, q, value in zip(ours, theirs, values, strict=True):
        p.grad, q.grad = torch.tensor(value), torch.tensor(value)
    before, after = lesson.clip_gradients(ours, theta)
    torch.nn.utils.clip_grad_norm_(theirs, theta)
    assert before == pytest.approx(math.hypot(*values), rel=1e-5, abs=1e-18)  # smaller ones, squared, are 0 in float32
    assert after <= theta * (1 + 1e-5)
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-6)


@pytest.fixture
def twins(lesson, corpus):
    """Two small language models of the lesson with the same weights."""
    models, q = [], len(corpus.vocab)
    for _ in range(2):
        utils.seed_everything(0)
        models.append(lesson.LanguageModel(lesson.DeepRNN(lesson.LSTMCell, q, 16, 2), 16, q))
    return models


def test_the_lessons_training_loop_is_fit(lesson, corpus, twins):
    """Two epochs from one start: the loop that the reader writes, and utils.fit, which the other lessons use."""
    updater, batches, own = torch.optim.SGD(twins[0].parameters(), lr=1), utils.Batches(corpus.train), []
    for _ in range(2):
        steps = list(lesson.train_epoch(twins[0], batches, updater, 0.1))
        assert all(after <= 0.1 * (1 + 1e-5) <= before for _, before, after in steps)
        own.append(math.exp(statistics.mean(loss for loss, _, _ in steps)))
    theirs = list(utils.fit(twins[1], utils.Batches(corpus.train), lr=1, num_epochs=2, clip=0.1))
    assert own == pytest.approx([r.perplexity for r in theirs], rel=1e-5)
    for p, q in zip(*(model.parameters() for model in twins), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)


def test_the_lessons_records_are_those_of_fit(lesson, corpus, twins):
    options = {"lr": 0.01, "num_epochs": 1, "optimizer": "adam", "held_out": corpus.held_out}
    (own,), (theirs,) = lesson.train(twins[0], 1), utils.fit(twins[1], utils.Batches(corpus.train), **options)
    assert own[:3] == pytest.approx(theirs[:3], rel=1e-5)
    assert own.tokens_per_sec * own.seconds == pytest.approx(theirs.tokens_per_sec * theirs.seconds)


# ---- what its prose claims


def test_gates_with_fresh_weights_fade_and_open_ones_do_not(lesson):
    """Each claim from five starts that do not overlap with the others', and by what the page shows."""
    ends = {name: (min(values), max(values)) for name, values in lesson.fades.items()}
    assert 0.4 < ends["RNN"][0] < ends["RNN"][1] < ends["LSTM"][0] < ends["LSTM"][1] < 0.7, "nearly as fast"
    assert ends["LSTM"][1] < 0.75 < ends["LSTM, forget bias +1"][0] < ends["LSTM, forget bias +1"][1] < 0.9
    assert 0.95 < ends["LSTM, forget bias +3"][0] < ends["LSTM, forget bias +3"][1] < 1.05, "next to nothing is lost"
    assert ends["RNN"][1] + 0.2 < ends["RNN, orthogonal"][0] < ends["RNN, orthogonal"][1] < 1
    shown = stored(NAME, "fade")
    for better, worse in (("LSTM", "RNN"), ("LSTM, forget bias +1", "LSTM"), ("LSTM, forget bias +3", "LSTM")):
        assert re.search(rf"^told apart:.*{re.escape(better)} before {worse}(;|$)", shown, re.MULTILINE)


def test_fade_is_the_mean_factor_per_step(lesson, monkeypatch):
    norms = torch.tensor([0.8**steps for steps in range(30)]).flip(0)
    monkeypatch.setattr(lesson, "reach", lambda *args, **options: (0.0, norms))
    assert lesson.fade(lesson.LSTMCell, 0) == pytest.approx(0.8, rel=1e-4)


def test_other_starts_differ_in_what_they_say(lesson):
    W = lesson.orthogonal(3, 8).W_hh
    torch.testing.assert_close(W @ W.T, torch.eye(8), rtol=0, atol=1e-5)
    utils.seed_everything(0)
    fresh = lesson.LSTMCell(3, 8).b_h
    utils.seed_everything(0)
    cell, A = lesson.opened(3, 8, bias=50), torch.zeros(1, 32)
    torch.testing.assert_close(cell.b_h - fresh, torch.tensor([0.0, 50.0, 0.0, 0.0]).repeat_interleave(8))
    kept = cell.step(A + cell.b_h - 100 * torch.tensor([1.0, 0, 0, 0]).repeat_interleave(8), (A[:, :8], A[:, :8] + 7))
    torch.testing.assert_close(kept[1], A[:, :8] + 7)  # forget gates open, input gates shut: the memory stays


@pytest.mark.parametrize("steps_back", [1, 3, 9])
def test_cut_model_changes_no_score_and_cuts_the_gradient_where_it_says(lesson, steps_back):
    tokens, grads = torch.randint(0, 28, (2, 9), generator=torch.Generator().manual_seed(0)), []
    for Model in (lesson.LanguageModel, lesson.CutModel):
        utils.seed_everything(0)
        model = Model(lesson.DeepRNN(lesson.RNNCell, 28, 8, 2), 8, 28)
        model.steps_back = steps_back
        model.rnn.cells[0].W_xh.register_hook(grads.append)
        scores, state = model(tokens)
        scores[-2:].square().sum().backward()  # the last step's, of both rows
        read = (grads[-1].abs().sum(1) > 0).nonzero().flatten().tolist()
        steps = 9 if Model is lesson.LanguageModel else steps_back
        assert read == sorted(set(tokens[:, 9 - steps :].flatten().tolist()))
        grads.append(scores.detach())
        grads.append(state[0].detach())
    for own, cut in zip(grads[1:3], grads[4:6], strict=True):
        torch.testing.assert_close(own, cut)


def test_control_trains_the_network_whose_norms_are_shown(lesson, corpus):
    for theta in (None, 0.5):
        utils.seed_everything(0)
        network = lesson.LanguageModel(lesson.DeepRNN(lesson.RNNCell, 28, 128, 2), 128, 28)
        updater = torch.optim.SGD(network.parameters(), 1)
        *_, (loss, _, _) = lesson.train_epoch(network, utils.Batches(corpus.train), updater, theta or math.inf)
        assert lesson.last_loss(1, 35, theta, 0, num_epochs=1) == pytest.approx(loss, rel=1e-4)


def test_a_single_step_ruins_trainings_too_and_a_smaller_one_does_not(lesson):
    """Recorded: how many of 16 starts end worse than blind guessing."""
    lost = {}
    for lr, steps_back, theta, _, loss in lesson.recorded_rows:
        lost.setdefault((lr, steps_back, theta), []).append(not loss < math.log(28))
    assert all(len(starts) == 16 for starts in lost.values())
    lost = {setting: sum(starts) for setting, starts in lost.items()}
    assert lost[2, 35, None] > 12 and 2 <= lost[2, 1, None] < 12
    assert lost[1, 35, None] == lost[1, 1, None] == lost[2, 35, 0.5] == 0
    many, few = lost[2, 35, None], lost[2, 1, None]  # Fisher's exact test: many time steps make it more frequent
    ways = sum(math.comb(16, n) * math.comb(16, many + few - n) for n in range(many, min(16, many + few) + 1))
    assert ways / math.comb(32, many + few) < 0.025
    shown = {tuple(row[:3]): row[3] for row in rows_of(stored(NAME, "lost"))}
    assert shown == {(str(a), str(b), str(c or "none")): f"{n} of 16" for (a, b, c), n in lost.items()}
    assert "recorded run" in stored(NAME, "lost")


def test_clipping_saves_the_training_and_the_large_norm_is_the_output_layers():
    norms = stored(NAME, "watch-norms")
    clipped, free = (float(x) for x in re.findall(r"at first, (\S+) at the end", norms))
    assert clipped < 17 < 28 < free, "17 is what the letters' frequencies alone give"
    found = re.findall(
        r"(\d+)% of the states.*?output layer ([\d.]+), recurrent layers ([\d.]+)", stored(NAME, "saturated")
    )
    (share, output, below), (free_share, free_output, free_below) = ([float(x) for x in line] for line in found)
    assert share < 10 and free_share > 90, "without clipping, tanh is saturated"
    assert below > output and free_output > 3 * free_below


def test_saturated_are_the_states_beyond_099(lesson, capsys):
    """3 of 4 states of a stand-in are; and each part's norm is that of its own gradients."""

    W_hq, b_q, w = (torch.nn.Parameter(torch.zeros(1)) for _ in range(3))

    class Layers:
        parameters = staticmethod(lambda: [w])

        def __call__(self, X):
            return torch.tensor([-0.995, 0.991, 1.0, 0.985]), None

    class StandIn(SimpleNamespace):
        zero_grad = staticmethod(lambda: None)

        def __call__(self, X):
            return 3 * W_hq + 4 * b_q + 12 * w, None

    network, before = StandIn(rnn=Layers(), W_hq=W_hq, b_q=b_q), lesson.cross_entropy
    lesson.networks, lesson.cross_entropy = {"1": network}, lambda O, Y: O.sum()
    try:
        run_cells(NAME, "saturated", into=lesson)
    finally:
        lesson.cross_entropy = before
    said = capsys.readouterr().out
    assert "75% of the states" in said and "output layer 5.00, recurrent layers 12.00" in said


def test_race_ends_where_torchs_does_and_most_is_saved_on_the_way_back():
    ours, theirs = rows_of(stored(NAME, "race-result"))
    assert ours[1:4] == theirs[1:4]
    forms = [[float(x) for x in (n, there, back)] for n, _, there, back, _ in rows_of(stored(NAME, "speed"))]
    gains = {}
    for loop, hoisted, _ in (forms[:3], forms[3:]):
        assert loop[2] - hoisted[2] > loop[1] - hoisted[1], "most of what hoisting saves, it saves backward"
        gains[loop[0]] = sum(loop[1:]) / sum(hoisted[1:])
    assert gains[4] > gains[32] > 1, "it weighs most with few sequences"


def test_both_write_the_same_and_only_known_letters():
    ours, theirs = (line[14:] for line in stored(NAME, "write").splitlines())
    assert ours == theirs and ours.startswith("time traveller")


@pytest.mark.alone
def test_hoisting_pays_with_few_sequences_and_most_of_it_backward(lesson):
    run_cells(NAME, "speed", into=lesson)
    turns = torch.tensor([[lesson.timed(form, 4) for form in lesson.forms.values()] for _ in range(10)])
    loop, hoisted, _ = turns[1:].median(dim=0).values
    assert loop.sum() > 1.2 * hoisted.sum()
    saved = loop - hoisted
    assert saved[1] > saved[0]


# ---- its exercises: what is expected is what the lesson's own code gives


def test_exercise_1_counts_products(lesson):
    products = []

    class CountingCell(lesson.RNNCell):
        def project(self, X):
            products.append("X W_xh")
            return super().project(X)

        def step(self, A, state):
            products.append("H W_hh")
            return super().step(A, state)

    lesson.DeepRNN(CountingCell, 28, 64, num_layers=2)(torch.randn(35, 4, 28))
    assert len(products) == EXERCISES["2.1"].expected


def test_exercise_2_clips(lesson):
    a, b = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    (3 * a + 4 * b).backward()
    lesson.clip_gradients([a, b], theta=1.0)
    assert a.grad.item() == pytest.approx(EXERCISES["2.2"].expected)


def test_exercise_3_counts_parameters(lesson):
    networks = torch.nn.LSTM(28, 64, 2), lesson.DeepRNN(lesson.LSTMCell, 28, 64, 2)
    theirs, ours = (sum(p.numel() for p in network.parameters()) for network in networks)
    assert theirs - ours == EXERCISES["2.3"].expected


def test_exercise_4_keeps_a_memory(lesson):
    A = torch.tensor([[-100.0, math.log(0.9 / 0.1), 0.0, 0.0]])  # sigmoid gives I = 0 and F = 0.9
    cell, state = lesson.LSTMCell(1, 1), (torch.zeros(1, 1), torch.ones(1, 1))
    cell.W_hh.data.zero_()
    for _ in range(20):
        state = cell.step(A, state)
    assert state[1].item() == pytest.approx(EXERCISES["2.4"].expected, rel=1e-4)


def test_exercise_5_counts_gradients(lesson):
    counts = []
    for detach in (True, False):
        rnn = lesson.DeepRNN(lesson.LSTMCell, 4, 8, 1).double()
        X = torch.randn(30, 2, 4).double().requires_grad_()
        _, state = rnn(X[:15])
        H, _ = rnn(X[15:], tuple(s.detach() for s in state) if detach else state)
        H[9].sum().backward()
        counts.append(int((X.grad.abs().sum(dim=(1, 2)) > 0).sum()))
    assert tuple(counts) == EXERCISES["2.5"].expected
