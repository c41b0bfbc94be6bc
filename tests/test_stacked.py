"""If this fails, a reader who builds lesson 2's networks gets other numbers than torch's, or trains them less well."""

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import utils
from tests.support.lesson_code import run_cells, spoiled_copies
from utils import torch

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
    lesson = run_cells("02_stacked_from_scratch", *cells, "clip-gradients", "train-epoch")
    lesson.math, lesson.statistics = math, statistics  # which its cells in between import
    return run_cells("02_stacked_from_scratch", "draw-reach", "train", into=lesson)


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


@pytest.mark.alone
def test_hoisting_pays_with_few_sequences(lesson):
    cell, X, state = lesson.LSTMCell(256, 256), torch.randn(35, 4, 256), (torch.zeros(4, 256),) * 2
    functions = {
        "loop": lambda: lesson.run_layer_loop(cell, X, state)[0].sum().backward(),
        "hoisted": lambda: lesson.run_layer(cell, X, state)[0].sum().backward(),
    }
    loop, hoisted = map(statistics.median, utils.seconds_each(functions, rounds=9).values())
    assert loop > 1.2 * hoisted
