"""If this fails, training on several cores gives other numbers than on one, or slows down who shares a machine.

The module book/shards.py: which models it takes, its gradients and states, and how it chooses.
"""

import threading
import time

import pytest

import utils
from book import shards
from utils import d2l, torch

CELLS = [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM]


@pytest.fixture
def four_cpus(monkeypatch):
    """A machine on which four threads are worth while, whatever the one is that runs this test."""
    monkeypatch.setattr(shards, "cpus_allowed", lambda: 4)
    monkeypatch.setattr(shards, "FEWEST_WEIGHTS", 0)
    monkeypatch.setattr(shards.Shards, "_next_count", lambda self: self.most)


def a_minibatch(n=10, T=7, q=28):
    ids = torch.randint(q, (n, T + 1))
    return ids[:, :-1], ids[:, 1:]


def a_state(model, n):
    """A state that differs from row to row, as it is carried in the middle of a text."""
    state = model.begin_state(batch_size=n, device="cpu")
    states = [torch.randn_like(s, dtype=torch.float64) for s in (state if isinstance(state, tuple) else [state])]
    return tuple(states) if isinstance(state, tuple) else states[0]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("n", [3, 10, 32])
def test_four_threads_give_the_numbers_of_one(four_cpus, small_model, cell, bidirectional, n):
    """Loss, next state and all gradients, also where the rows cannot be shared out evenly."""
    model = small_model(cell, num_layers=2, bidirectional=bidirectional).double()
    model.forward = lambda X, state: forward_in_double(model, X, state)
    X, Y = a_minibatch(n)
    state = a_state(model, n)
    found = []
    for most in (4, 1):
        shares = shards.Shards(model)
        shares.most = shares.count = most
        loss, after = shares.gradients(X, Y, state)
        states = after if isinstance(after, tuple) else (after,)
        found.append((torch.tensor(loss), *states, *(p.grad.clone() for p in model.parameters())))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def forward_in_double(model, X, state):
    """d2l.RNNModel's forward, which would make the one-hot inputs float32."""
    one_hot = torch.nn.functional.one_hot(X.T, model.vocab_size).double()
    H, state = model.rnn(one_hot, state)
    return model.linear(H.reshape(-1, H.shape[-1])), state


def test_training_on_four_threads_follows_training_on_one(monkeypatch, small_model, corpus):
    curves = []
    for cpus in (4, 1):
        monkeypatch.setattr(shards, "cpus_allowed", lambda cpus=cpus: cpus)
        monkeypatch.setattr(shards, "FEWEST_WEIGHTS", 0)
        monkeypatch.setattr(shards.Shards, "_next_count", lambda self: self.most)
        records = utils.fit(small_model(), utils.Batches(corpus.train), lr=1, num_epochs=5, held_out=corpus.held_out)
        curves.append([(r.perplexity, r.held_out) for r in records])
    for ours, theirs in zip(*curves, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)


class OwnLayer(torch.nn.LSTM):
    """A layer that somebody has written: it may count its calls, or draw random numbers."""


def test_only_plain_large_networks_on_the_cpu_are_shared(monkeypatch):
    def threads(layer, cpus=2):
        monkeypatch.setattr(shards, "cpus_allowed", lambda: cpus)
        return shards.threads_for(d2l.RNNModel(layer, 28))

    assert threads(torch.nn.LSTM(28, 128)) == 2 and threads(torch.nn.GRU(28, 256, bidirectional=True)) == 2
    assert threads(torch.nn.LSTM(28, 128), cpus=1) == 1 and threads(torch.nn.LSTM(28, 128), cpus=64) == 4
    assert threads(torch.nn.LSTM(28, 64)) == 1, "one thread is as fast"
    assert threads(torch.nn.LSTM(28, 128, 2, dropout=0.5)) == 1, "its random numbers depend on the order of rows"
    assert threads(OwnLayer(28, 128)) == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert threads(torch.nn.LSTM(28, 128)) == 1, "torch has more threads than the machine has cores"
    assert shards.threads_for(torch.nn.Sequential(torch.nn.LSTM(28, 128), torch.nn.BatchNorm1d(128))) == 1


def test_an_error_in_any_thread_is_raised_when_all_have_ended():
    working = []

    def work(part):
        working.append(part)
        if part == 1:
            raise LookupError("part 1")
        time.sleep(0.2)
        working.remove(part)

    with pytest.raises(LookupError, match="part 1"):
        shards.side_by_side(work, [0, 1, 2], threads=3)
    assert working == [1], "nothing goes on behind the caller's back"


def test_parts_keep_their_order_and_no_gradients_are_recorded_where_none_were():
    seen = set()

    def work(part):
        seen.add(threading.current_thread().name)
        time.sleep(0.05 / part)
        return part, torch.is_grad_enabled()

    with torch.no_grad():
        assert shards.side_by_side(work, [1, 2, 3, 4, 5], threads=2) == [(i, False) for i in (1, 2, 3, 4, 5)]
    assert shards.side_by_side(work, [1, 2], threads=2) == [(1, True), (2, True)]
    assert len(seen) >= 2


class Clock:
    """A stand-in for a machine: how long a minibatch takes in one thread and in several, and who else is there."""

    def __init__(self, monkeypatch, model):
        self.now, self.single, self.several, self.free, self.counts = 0.0, 1.0, 0.6, 1.0, []
        monkeypatch.setattr(shards.time, "monotonic", lambda: self.now)
        self.shards = shards.Shards(model)
        self.shards.most, self.shards.count = 2, 2
        self.shards.seconds = {1: shards.deque(maxlen=2), 2: shards.deque(maxlen=2)}

    def minibatches(self, number):
        for _ in range(number):
            count = self.shards._next_count()
            seconds = self.single if count == 1 else self.several
            self.now += 0.1
            self.counts.append(count)
            self.shards._choose(count, seconds, self.free)
        return self.counts[-number:]


def test_both_ways_are_tried_and_the_faster_one_is_kept(monkeypatch, small_model):
    clock = Clock(monkeypatch, small_model())
    assert clock.minibatches(30) == [2, 2, 1, 1] + [2] * 26
    slower = Clock(monkeypatch, small_model())
    slower.several = 1.3
    assert slower.minibatches(30) == [2, 2, 1, 1] + [1] * 26


def test_threads_that_wait_for_a_core_are_given_up_and_tried_again_later(monkeypatch, small_model):
    """Others on a hub need the cores; that two threads get a larger share of them is no reason to take it."""
    clock = Clock(monkeypatch, small_model())
    clock.minibatches(10)
    clock.free = 0.4
    busy = clock.minibatches(100)
    assert busy[:2] == [2, 1] and busy.count(2) <= 1 + 2 * (100 * 0.1 / shards.TRY_AGAIN + 1)
    clock.free = 1.0
    assert clock.minibatches(60)[-20:] == [2] * 20
