"""If this fails, a curve that a reader sees is not that of the training it is said to be, or a bad value is not named.

fit: number by number d2l.train_ch8, what it carries between minibatches, and how it fails.
"""

import inspect
import math
import time

import numpy as np
import pytest
import torch
from torch import nn

import book.runs
import utils
from utils import d2l


def test_sgd_equals_train_ch8_for_20_epochs(monkeypatch, capsys):
    """The same seed, model and minibatches as D2L's own training, the deep LSTM of the notes (fewer hidden units)."""
    train_iter, vocab = d2l.load_data_time_machine(32, 35)

    def fresh_model():
        utils.seed_everything(1)
        return d2l.RNNModel(nn.LSTM(28, 64, 2), 28)

    with utils.recording("unused", utils.load_corpus().held_out) as run:
        d2l.train_ch8(fresh_model(), train_iter, vocab, 2.0, 20, torch.device("cpu"))
    ours = list(utils.fit(fresh_model(), train_iter, lr=2.0, num_epochs=20))
    assert [r.epoch for r in ours] == list(range(1, 21))
    for mine, theirs in zip(ours, run.records, strict=True):
        assert mine.perplexity == pytest.approx(theirs.perplexity, rel=1e-3)
    assert len({round(r.perplexity, 3) for r in ours}) > 10, "nothing was learnt, so nothing was compared"


def test_bidirectional_equals_train_ch8_only_if_it_carries_the_backward_state(small_model):
    """D2L carries the backward direction's state from one minibatch to the next; carry="d2l" does the same."""
    train_iter, vocab = d2l.load_data_time_machine(32, 35)
    perplexities = {}
    for carry in ("d2l", "forward"):
        model = small_model(bidirectional=True)
        perplexities[carry] = [r.perplexity for r in utils.fit(model, train_iter, lr=2.0, num_epochs=4, carry=carry)]
    model, loss = small_model(bidirectional=True), nn.CrossEntropyLoss()
    sgd = torch.optim.SGD(model.parameters(), 2.0)
    theirs = [d2l.train_epoch_ch8(model, train_iter, loss, sgd, torch.device("cpu"), False)[0] for _ in range(4)]
    assert perplexities["d2l"] == pytest.approx(theirs, rel=1e-5)
    assert perplexities["forward"] != pytest.approx(theirs, rel=1e-5)


class Spy(nn.Module):
    """A bidirectional model that keeps every state it is given; its output states are all ones."""

    num_directions = 2

    def __init__(self, as_tuple):
        super().__init__()
        self.linear, self.as_tuple, self.given = nn.Linear(28, 28), as_tuple, []

    def begin_state(self, batch_size, device):
        state = torch.zeros(4, batch_size, 3, device=device)  # 2 layers, 2 directions
        return (state, state.clone()) if self.as_tuple else state

    def forward(self, inputs, state):
        self.given.append(state)
        ones = torch.ones(4, inputs.shape[0], 3, requires_grad=True) * 1
        logits = self.linear(nn.functional.one_hot(inputs.T, 28).float()).reshape(-1, 28)
        return logits, ((ones, ones) if self.as_tuple else ones)


@pytest.mark.parametrize("as_tuple", [False, True], ids=["RNN or GRU", "LSTM"])
@pytest.mark.parametrize("carry, expected", [("forward", [1, 0, 1, 0]), ("d2l", [1, 1, 1, 1]), ("none", [0, 0, 0, 0])])
def test_what_is_carried(carry, expected, as_tuple, corpus):
    model = Spy(as_tuple)
    list(utils.fit(model, utils.Batches(corpus.train), lr=0.1, num_epochs=2, carry=carry))
    given = model.given[1:]  # without the two rows that show what the model offers
    first, second, of_next_epoch = *given[:2], given[len(given) // 2]
    for state in (first, second, of_next_epoch):
        parts = state if as_tuple else (state,)
        wanted = expected if state is second else [0, 0, 0, 0]
        assert all(part[:, 0, 0].tolist() == wanted and not part.requires_grad for part in parts)


def test_records_and_held_out(small_model, corpus):
    model = small_model()
    training = utils.fit(
        model, utils.Batches(corpus.train), lr=0.01, num_epochs=3, optimizer="adam", held_out=corpus.held_out
    )
    assert inspect.isgenerator(training)
    records = list(training)
    assert [r.epoch for r in records] == [1, 2, 3]
    assert 28 > records[0].perplexity > records[-1].perplexity > 1
    assert records[-1].held_out == pytest.approx(utils.perplexity(model, corpus.held_out), rel=1e-6)
    assert all(r.tokens_per_sec > 0 for r in records)
    assert model.training


def test_nothing_is_trained_unless_a_record_is_asked_for(small_model, corpus):
    """A reader stops a training by ceasing to ask: at the end of an epoch, and before the first."""
    model = small_model()
    before = [p.clone() for p in model.parameters()]
    training = utils.fit(model, utils.Batches(corpus.train), lr=1.0, num_epochs=100)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    next(training)
    after_one = [p.clone() for p in model.parameters()]
    assert not any(torch.equal(a, b) for a, b in zip(before, after_one, strict=True))
    next(training)
    assert not any(torch.equal(a, b) for a, b in zip(after_one, model.parameters(), strict=True))
    training.close()
    assert next(training, "no more") == "no more"


def test_diverging_training_stops_at_the_first_loss_that_is_not_finite(small_model, corpus):
    with torch.no_grad():
        model = small_model()
        model.linear.bias[0] = math.inf
    with pytest.raises(
        FloatingPointError, match=r"loss became (nan|inf) in epoch 1.*Lower lr \(now 0.5\) or clip \(now 1.0\)"
    ):
        list(utils.fit(model, utils.Batches(corpus.train), lr=0.5, num_epochs=2))


def test_really_diverging_training_keeps_what_came_before(small_model, corpus):
    """Real steps that are far too large: the first epoch's record is there when the second one diverges."""
    records, model = [], small_model(nn.RNN)
    batches = list(utils.Batches(corpus.train))

    def spoil(*_, calls=[0]):  # noqa: B006
        calls[0] += 1
        if calls[0] == len(batches) + 2:
            with torch.no_grad():
                model.linear.weight.mul_(1e38)

    model.register_forward_pre_hook(spoil)
    with pytest.raises(FloatingPointError, match="in epoch 2: the training diverges"):
        for record in utils.fit(model, batches, lr=0.1, num_epochs=50):
            records.append(record)
    assert [r.epoch for r in records] == [1] and 1 < records[0].perplexity < 40


def test_clip_is_the_norm_that_is_asked_for(corpus):
    """One step of SGD with lr 1 moves the weights by the gradient: by `clip` where it was longer, by itself without."""
    (X, Y), *_ = utils.Batches(corpus.train)

    def step(clip):
        utils.seed_everything(0)
        model = d2l.RNNModel(nn.RNN(len(corpus.vocab), 16), len(corpus.vocab))
        before = [p.detach().clone() for p in model.parameters()]
        list(utils.fit(model, [(X, Y)], lr=1.0, num_epochs=1, clip=clip))
        return math.sqrt(sum((a - b).square().sum().item() for a, b in zip(before, model.parameters(), strict=True)))

    whole = step(None)
    assert whole > 0.2
    assert step(0.1) == pytest.approx(0.1, rel=1e-3) and step(0.05) == pytest.approx(0.05, rel=1e-3)
    assert step(10.0) == pytest.approx(whole, rel=1e-3)


def test_perplexity_counts_tokens_and_not_minibatches(small_model, corpus):
    """A last minibatch that is smaller, as a DataLoader's is, counts for less."""
    ids = corpus.train
    batches = [(ids[:320].reshape(32, 10), ids[1:321].reshape(32, 10)), (ids[400:405][None], ids[401:406][None])]
    model = small_model()
    losses = []
    with torch.no_grad():
        for X, Y in batches:
            logits, _ = model(X, model.begin_state(batch_size=len(X), device="cpu"))
            losses += nn.functional.cross_entropy(logits, Y.T.flatten(), reduction="none").tolist()
    (record,) = utils.fit(model, batches, lr=1e-30, num_epochs=1, carry="none")
    assert len(losses) == 325 and record.perplexity == pytest.approx(math.exp(sum(losses) / 325), rel=1e-5)


def test_speed_and_seconds_are_of_the_training_alone(small_model, corpus, monkeypatch):
    """The held-out text is scored outside of the time that tokens per second are measured in."""
    monkeypatch.setattr(utils, "perplexity", lambda *_: time.sleep(0.5) or 9.0)
    (record,) = utils.fit(small_model(), utils.Batches(corpus.train), lr=1.0, num_epochs=1, held_out=corpus.held_out)
    assert record.held_out == 9.0 and record.seconds < 0.5
    assert record.tokens_per_sec == pytest.approx(8 * 32 * 35 / record.seconds)


def test_best_is_the_first_lowest_held_out_perplexity():
    values = (30.0, 7.0, None, 7.0, 9.0)
    records = [utils.EpochRecord(i, 2.0, held_out, 1e4, 1.0) for i, held_out in enumerate(values, start=1)]
    assert utils.best(records).epoch == 2
    with pytest.raises(ValueError, match="records must be at least one record with a held-out perplexity"):
        utils.best(records[2:3])


@pytest.mark.parametrize("lr", [np.float32(0.5), np.float64(0.5), 0.5])
def test_numbers_of_numpy_are_numbers(small_model, corpus, lr):
    (record,) = utils.fit(small_model(), utils.Batches(corpus.train), lr=lr, num_epochs=np.int64(1), clip=np.float32(1))
    assert record.epoch == 1


@pytest.mark.parametrize(
    "argument, value, allowed",
    [
        ("lr", 0, "a positive number"),
        ("lr", -1, "a positive number"),
        ("lr", math.nan, "a positive number"),
        ("lr", "fast", "a positive number"),
        ("lr", True, "a positive number"),
        ("num_epochs", 0, "a whole number of at least 1"),
        ("num_epochs", 2.5, "a whole number of at least 1"),
        ("optimizer", "sdg", "one of sgd, adam"),
        ("clip", 0, "a positive number or None"),
        ("carry", "backward", "one of forward, d2l, none"),
    ],
)
def test_bad_arguments_are_named_at_once(small_model, corpus, argument, value, allowed):
    arguments = {"lr": 1.0, "num_epochs": 1, argument: value}
    with pytest.raises(ValueError) as error:
        utils.fit(small_model(), utils.Batches(corpus.train), **arguments)  # before the first record is asked for
    assert str(error.value) == f"{argument} must be {allowed}, got {value!r}"
    assert error.value.name == argument, "a widget shows the message beside this control"


def test_no_minibatch(small_model):
    with pytest.raises(ValueError, match="train_iter must yield at least one minibatch"):
        next(utils.fit(small_model(), [], lr=1.0, num_epochs=1))


def test_recorded_run_is_written_by_full_only_and_read_back(monkeypatch, tmp_path, small_model, capsys):
    (tmp_path / "assets" / "runs").mkdir(parents=True)
    monkeypatch.setattr(book.runs, "ROOT", tmp_path)
    train_iter, vocab = d2l.load_data_time_machine(32, 35)
    held_out = utils.load_corpus().held_out
    for full in (False, True):
        monkeypatch.setattr(book.runs, "RECORD", full)
        with utils.recording("tiny", held_out) as run:
            d2l.train_ch8(small_model(), train_iter, vocab, 1.0, 11, torch.device("cpu"))
        assert (tmp_path / "assets" / "runs" / "tiny.json").exists() == full
    again = utils.load_run("tiny")
    assert again.generated == run.generated and len(again.generated) == 2
    assert all(line.startswith(p) for line, p in zip(again.generated, ("time traveller", "traveller"), strict=True))
    assert [r.epoch for r in again.records] == list(range(1, 12))
    for a, b in zip(again.records, run.records, strict=True):
        assert list(a) == pytest.approx(list(b), rel=1e-4)
    assert str(again).startswith("recorded run: 11 epochs in") and str(run).startswith("this run: 11 epochs in")
    assert d2l.train_epoch_ch8.__module__ == "d2l.torch", "d2l was not put back"


def test_unknown_recorded_run():
    with pytest.raises(ValueError, match="name must be one of .*deep_lstm.*, got 'deep'"):
        utils.load_run("deep")
