"""If this fails, a bad argument ends in somebody else's exception, or a good one is refused.

The right sentence names the argument, what came, and what is allowed.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import utils
from book.display import describe
from utils import d2l

VOCAB_SIZE = 28


class Model(nn.Module):
    """What lesson 2 builds, in short; state None stands for zeros."""

    def __init__(self, rnn=None, vocab_size=VOCAB_SIZE, time_first=True):
        super().__init__()
        self.rnn = rnn or nn.GRU(vocab_size, 8)
        num_features = getattr(self.rnn, "proj_size", 0) or self.rnn.hidden_size
        self.linear, self.vocab_size, self.time_first = nn.Linear(num_features, vocab_size), vocab_size, time_first

    def forward(self, inputs, state=None):
        X = nn.functional.one_hot(inputs.T.long(), self.vocab_size).to(next(self.rnn.parameters()).dtype)
        H, state = self.rnn(X, state)
        O = self.linear(H)
        return O.flatten(0, 1) if self.time_first else O, state

    def begin_state(self, batch_size, device=None):
        return None


class NoBeginState(Model):
    begin_state = None


class ListState(Model):
    """Hands its state over as a list."""

    def forward(self, inputs, state):
        logits, after = super().forward(inputs, state and state[0])
        return logits, [after]


def train(model, ids, **options):
    return list(utils.fit(model, utils.Batches(ids, 4, 5), **{"lr": 0.1, "num_epochs": 1} | options))


MODELS = {
    "no module": lambda: "LSTM",
    "None": lambda: None,
    "logits (T, n, q)": lambda: Model(time_first=False),
    "no begin_state": lambda: NoBeginState(),
    "batch_first": lambda: d2l.RNNModel(nn.LSTM(VOCAB_SIZE, 8, batch_first=True), VOCAB_SIZE),
    "float64 d2l.RNNModel": lambda: d2l.RNNModel(nn.GRU(VOCAB_SIZE, 8), VOCAB_SIZE).double(),
    "wrong input size": lambda: d2l.RNNModel(nn.GRU(9, 8), VOCAB_SIZE),
}


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_a_model_that_does_not_offer_what_is_needed_is_told_what_that_is(build, corpus):
    uses = [
        lambda model: train(model, corpus.train[:200]),
        lambda model: utils.perplexity(model, corpus.held_out[:100]),
        lambda model: utils.perplexity_by_position(model, corpus.held_out[:100]),
        lambda model: utils.generate(model, corpus.vocab, "time", 3),
    ]
    for use in uses:
        with pytest.raises(ValueError, match="model must be an nn.Module"):
            use(build())


def test_frozen_weights_and_devices_that_are_not_there(corpus, small_model):
    frozen = small_model().requires_grad_(False)
    with pytest.raises(ValueError, match="model must be one with weights that may be trained"):
        train(frozen, corpus.train[:200])
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device must be one that this machine has.*got 'cuda'"):
            train(small_model(), corpus.train[:200], device="cuda")
    assert utils.perplexity(frozen, corpus.held_out[:100]) > 1, "to score a frozen model is what one does"


@pytest.mark.parametrize(
    "ids",
    ["the text", None, [0.5, 1.5] * 50, torch.rand(100), torch.ones(100, dtype=torch.bool), torch.ones(10, 10).long()],
    ids=["text", "None", "floats", "float tensor", "bool", "matrix"],
)
def test_what_is_no_text_in_token_indices_is_refused(ids, small_model):
    for use in (lambda: utils.perplexity(small_model(), ids), lambda: utils.Batches(ids, 1, 5)):
        with pytest.raises(ValueError, match="ids must be .*whole numbers"):
            use()


def test_token_indices_outside_of_the_vocabulary_are_named(corpus, small_model):
    strange = corpus.held_out[:100].clone()
    strange[50] = 28
    message = "ids must be between 0 and 27, got '1 to 28'"
    with pytest.raises(ValueError, match=message):
        utils.perplexity(small_model(), strange)
    with pytest.raises(ValueError, match=message):
        train(small_model(), strange.repeat(4))
    with pytest.raises(ValueError, match="got '-1 to"):
        utils.perplexity(small_model(), strange - 2)
    own = utils.load_corpus("aäb cd".encode() * 100, max_tokens=300, held_out_tokens=100)
    with pytest.raises(ValueError, match="vocab must be the model's, which has 28, got '7 tokens'"):
        utils.generate(small_model(), own.vocab, "a", 3)


@pytest.mark.parametrize("as_ids", [torch.Tensor.tolist, torch.Tensor.numpy, lambda ids: ids.to(torch.uint8)])
def test_token_indices_in_any_form_are_scored(as_ids, corpus, small_model):
    ids, model = corpus.held_out[:200], small_model()
    assert utils.perplexity(model, as_ids(ids)) == utils.perplexity(model, ids)


def test_numpy_numbers_are_numbers(corpus, small_model):
    options = {"lr": np.float32(0.1), "num_epochs": np.uint8(1), "clip": np.float64(1), "held_out": corpus.held_out}
    (record,) = utils.fit(
        small_model(), utils.Batches(corpus.train, np.uint8(32), np.uint8(35), np.int64(0)), **options
    )
    (same,) = utils.fit(small_model(), utils.Batches(corpus.train), lr=0.1, num_epochs=1, held_out=corpus.held_out)
    assert record.perplexity == pytest.approx(same.perplexity, rel=1e-6)
    score = utils.perplexity(small_model(), corpus.held_out, np.uint8(35))
    assert score == utils.perplexity(small_model(), corpus.held_out, 35)
    cold = {"temperature": np.float32(0.5), "generator": torch.Generator().manual_seed(0)}
    assert len(utils.generate(small_model(), corpus.vocab, "time", np.int64(3), **cold)) == 7


@pytest.mark.parametrize("value", [True, "1", None, math.nan, -1, 1j])
def test_what_is_no_number_is_refused(value, corpus, small_model):
    for name in ("lr", "clip", "num_epochs"):
        if (name, value) == ("clip", None):
            continue
        with pytest.raises(ValueError, match=f"{name} must be"):
            train(small_model(), corpus.train[:200], **{name: value})
    for options in ({"temperature": value}, {"num_preds": value}):
        with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
            utils.generate(small_model(), corpus.vocab, "time", **{"num_preds": 3} | options)


@pytest.mark.parametrize("temperature", [1e-40, 5e-324, 1e-9, 1e300])
def test_no_temperature_overflows(temperature, corpus, small_model):
    """faults.md 15: the coldest writes what temperature 0 does."""
    model = utils.enlarge_weights(small_model())
    options = {"temperature": temperature, "generator": torch.Generator().manual_seed(0)}
    line = utils.generate(model, corpus.vocab, "time", 20, **options)
    assert line.startswith("time") and (line == utils.generate(model, corpus.vocab, "time", 20)) == (temperature < 1)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_models_and_minibatches_that_readers_bring(corpus):
    """float64 weights, LSTM(proj_size), a state that is a list, and a DataLoader whose last minibatch is smaller."""
    windows = corpus.train[:1000].unfold(0, 6, 6)
    pairs = [(window[:-1], window[1:]) for window in windows]
    for model in (Model().double(), Model(nn.LSTM(VOCAB_SIZE, 8, proj_size=5)), ListState()):
        for carry in ("forward", "none"):
            loader = DataLoader(pairs, batch_size=32)
            assert len(pairs) % 32, "or the last one is not smaller"
            options = {"lr": 0.1, "num_epochs": 2, "held_out": corpus.held_out[:200], "carry": carry}
            records = list(utils.fit(model, loader, **options))
            assert records[1].perplexity < records[0].perplexity and records[1].held_out > 1
        assert utils.generate(model, corpus.vocab, "time", 3).startswith("time")
    *_, last = utils.fit(d2l.RNNModel(nn.LSTM(VOCAB_SIZE, 8), VOCAB_SIZE), DataLoader(pairs, 32), lr=0.1, num_epochs=2)
    assert last.perplexity < VOCAB_SIZE + 1


def test_a_part_that_was_frozen_in_eval_mode_stays_so(corpus, small_model):
    model = small_model()
    model.rnn.eval()
    utils.perplexity(model, corpus.held_out[:100])
    utils.generate(model, corpus.vocab, "time", 3)
    assert model.training and model.linear.training and not model.rnn.training


@pytest.mark.parametrize("name", ["../sweep", "/etc/hostname", "", "none", None, 3])
def test_names_of_files_lead_nowhere_else(name):
    for read in (utils.load_run, utils.show_figure, lambda name: utils.recorded(name, None)):
        with pytest.raises(ValueError, match="name must be one of "):
            read(name)


def test_names_that_are_something_else_are_explained():
    with pytest.raises(ValueError, match="name must be a run with epochs; this one has rows"):
        utils.load_run("sweep")
    with pytest.raises(ValueError, match="play must be one of step, got 'stp'"):
        utils.explore(lambda step: None, play="stp", step=utils.HTML())
    with pytest.raises(ValueError, match="rounds must be a whole number of at least 1"):
        utils.seconds_each({"nothing": lambda: None}, rounds=0)


@pytest.mark.parametrize("ylim", [(10, 1), (1, 1), (math.nan, 2), (1, math.inf), (0, 10), (-1, 10)])
def test_axes_have_two_ends(ylim):
    with pytest.raises(ValueError, match="ylim must be the lower end and a higher one, both above 0"):
        utils.LivePlot(3, ylim=ylim)
    utils.LivePlot(3, ylim=(-1, 10), log=False)


def test_a_ranking_needs_five_starts_and_says_only_what_is_apart(capsys):
    scores = {"a": [1, 2, 3, 4, 5], "b": [5.1, 6, 7, 8, 9], "c": [3, 4, 5, 6, 7]}
    utils.ranking(scores)
    assert capsys.readouterr().out == "told apart:     a before b\nnot told apart: a and c; c and b\n"
    utils.ranking(scores, lower_is_better=False)
    assert capsys.readouterr().out == "told apart:     b before a\nnot told apart: b and c; c and a\n"
    utils.ranking({"a": [1] * 5, "b": [1] * 5})
    assert capsys.readouterr().out == "told apart:     none\nnot told apart: a and b\n"
    with pytest.raises(ValueError, match="b must be at least five scores, one for each random start, got 4"):
        utils.ranking(scores | {"b": [1, 2, 3, 4]})


def test_a_spread_is_drawn_start_by_start_and_told_in_words():
    figure = utils.draw_spread({"a": [3, 1, 2, 5, 4], "b": [6, 7, 8, 9, 10]}, "score")
    (axes,) = figure.axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in dots] == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
    assert [text.get_text() for text in axes.texts] == ["a: 1.00 to 5.00", "b: 6.00 to 10.0"]
    medians = [line.get_xdata()[0] for line in axes.lines if line not in dots]
    assert medians == [3, 8] and "a: 1.00 to 5.00" in describe(figure)
