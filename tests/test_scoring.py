"""If this fails, a perplexity or a generated line in the book is not what its words say.

Perplexity with and without the future in sight, and the two ways to generate.
"""

import math

import pytest
import torch
from torch import nn

import utils
from utils import d2l


@pytest.fixture
def trained(small_model, corpus):
    """A small model after a few epochs, so that its predictions are not all alike."""

    def train(num_epochs=8, **options):
        model = small_model(**options)
        list(utils.fit(model, utils.Batches(corpus.train), lr=0.01, num_epochs=num_epochs, optimizer="adam"))
        return model

    return train


@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
def test_prefix_only_is_the_same_number_for_a_unidirectional_model(trained, corpus, cell):
    model, ids = trained(cell=cell, num_layers=2), corpus.held_out[:1500]
    assert utils.perplexity(model, ids, prefix_only=True) == pytest.approx(utils.perplexity(model, ids), rel=1e-5)


def test_prefix_only_differs_where_the_future_leaks(trained, corpus):
    model, ids = trained(bidirectional=True), corpus.held_out[:1500]
    full, honest = utils.perplexity(model, ids), utils.perplexity(model, ids, prefix_only=True)
    assert honest > 1.5 * full


def test_perplexity_by_hand(small_model, corpus):
    """Window by window, from a zero state, with nothing of the fast form."""
    model, ids, T = small_model(), corpus.held_out[:250], 7
    losses = []
    with torch.no_grad():
        for start in range(0, len(ids) - T, T):
            state = model.begin_state(batch_size=1, device="cpu")
            for t in range(start, start + T):
                logits, state = model(ids[t].reshape(1, 1), state)
                losses.append(nn.functional.cross_entropy(logits, ids[t + 1].reshape(1)).item())
    by_position = torch.tensor(losses).reshape(-1, T).mean(0).exp()
    assert utils.perplexity(model, ids, T) == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-5)
    assert torch.allclose(utils.perplexity_by_position(model, ids, T).float(), by_position, rtol=1e-5)


def test_last_position_has_no_future(trained, corpus):
    by_position = utils.perplexity_by_position(trained(num_epochs=12, bidirectional=True), corpus.held_out)
    assert by_position.shape == (35,)
    assert by_position[-1] > 1.5 * by_position[5:-1].max()


def test_scoring_leaves_the_model_as_it_was(small_model, corpus):
    """Also a part that its owner keeps in another mode than the rest."""
    model = small_model()
    for mode in (True, False):
        model.train(mode)
        model.rnn.train(not mode)
        utils.perplexity(model, corpus.held_out[:100])
        utils.generate(model, corpus.vocab, "the ", 3)
        assert (model.training, model.rnn.training, model.linear.training) == (mode, not mode, mode)
        assert all(p.grad is None for p in model.parameters())


def test_dropout_is_off_while_scoring_and_writing(corpus):
    """A model in training mode gives the numbers and the text of the same model in evaluation mode."""
    vocab_size = len(corpus.vocab)
    model, scores, texts = d2l.RNNModel(nn.LSTM(vocab_size, 24, 2, dropout=0.9), vocab_size), [], []
    for mode in (True, True, False):
        model.train(mode)
        scores.append(utils.perplexity(model, corpus.held_out[:500]))
        texts.append(utils.generate(model, corpus.vocab, "the ", 60))
    assert len(set(scores)) == 1 and len(set(texts)) == 1
    model.train()
    with torch.no_grad():
        X = corpus.held_out[:70].reshape(2, 35)
        a, b = (model(X, model.begin_state(batch_size=2, device="cpu"))[0] for _ in range(2))
    assert not torch.equal(a, b), "or there was no dropout to switch off"


@pytest.mark.parametrize("tokens, windows", [(36, 1), (70, 1), (71, 2)])
def test_every_whole_window_is_scored(small_model, corpus, tokens, windows):
    """A window of 35 needs a token after it, the answer at its last position."""
    model, ids = small_model(), corpus.held_out[:tokens]
    each = [utils.perplexity(model, ids[35 * i : 35 * i + 36]) for i in range(windows)]
    assert utils.perplexity(model, ids) == pytest.approx(math.prod(each) ** (1 / windows), rel=1e-5)


@pytest.mark.parametrize("num_steps, tokens", [(35, 35), (0, 100), (2.5, 100)])
def test_text_shorter_than_a_window(small_model, num_steps, tokens):
    with pytest.raises(ValueError, match="(ids|num_steps) must be"):
        utils.perplexity(small_model(), torch.zeros(tokens, dtype=torch.long), num_steps)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_greedy_generation_equals_predict_ch8(trained, corpus, bidirectional):
    model = trained(bidirectional=bidirectional)
    theirs = d2l.predict_ch8("time traveller", 40, model, corpus.vocab, "cpu")
    assert utils.generate(model, corpus.vocab, "time traveller", 40) == theirs
    assert len(theirs) == 14 + 40


def test_reencoding_is_the_same_for_a_unidirectional_model_only(trained, corpus):
    forward, both = trained(), trained(bidirectional=True)
    texts = {
        (model is both, reencode): utils.generate(model, corpus.vocab, "the time ", 60, reencode=reencode)
        for model in (forward, both)
        for reencode in (False, True)
    }
    assert texts[False, False] == texts[False, True]
    assert texts[True, False] != texts[True, True]


def test_temperature(trained, corpus):
    model = trained()

    def sample(temperature, seed=0):
        generator = torch.Generator().manual_seed(seed)
        return utils.generate(model, corpus.vocab, "the ", 300, temperature=temperature, generator=generator)

    assert sample(0.8) == sample(0.8) != sample(0.8, seed=1)
    assert sample(1e-4) == utils.generate(model, corpus.vocab, "the ", 300)
    assert len(set(sample(0.3))) < len(set(sample(100)))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"prefix": ""}, "prefix must be a text of at least one character, got ''"),
        ({"prefix": "Time"}, r"prefix must be made of the vocabulary's characters \(' abc.*\), got 'Time'"),
        ({"prefix": 3}, "prefix must be a text"),
        ({"num_preds": -1}, "num_preds must be a whole number of at least 0, got -1"),
        ({"temperature": -0.1}, "temperature must be a number of at least 0, got -0.1"),
    ],
)
def test_bad_arguments(small_model, corpus, arguments, message):
    with pytest.raises(ValueError, match=message):
        utils.generate(small_model(), corpus.vocab, **{"prefix": "the ", "num_preds": 5, **arguments})
