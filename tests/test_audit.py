"""A failure means that a reader's honest model is called a leak, or that a leak is called honest."""

import math

import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook
from torch import nn
from torch.nn import functional as F

import utils
from book import ROOT
from book.display import describe
from utils import d2l

q, T, n = 12, 16, 6
PAD = 0


@pytest.fixture(autouse=True)
def _seed():
    utils.seed_everything(0)


@pytest.fixture
def windows():
    return torch.randint(1, q, (n, T), generator=torch.Generator().manual_seed(1))


class Recurrent(nn.Module):
    """Embedding or one-hot, any recurrent layer, and what may be done to its inputs before: (n, T) -> (n, T, q)."""

    def __init__(self, layer, embedding=True, prepare=lambda E: E, **options):
        super().__init__()
        self.embedding = nn.Embedding(q, 8) if embedding else None
        self.rnn = layer(8 if embedding else q, 10, batch_first=True, **options)
        self.output = nn.Linear(10 * (1 + options.get("bidirectional", False)), q)
        self.prepare = prepare

    def forward(self, X):
        E = self.embedding(X) if self.embedding else F.one_hot(X, q).float()
        return self.output(self.rnn(self.prepare(E))[0])


class Convolution(nn.Module):
    """Reads `left` steps before each one and `right` steps after it."""

    def __init__(self, left, right):
        super().__init__()
        self.padding, self.filters = (left, right), nn.Conv1d(q, q, left + 1 + right)

    def forward(self, X):
        return self.filters(F.pad(F.one_hot(X, q).float().transpose(1, 2), self.padding)).transpose(1, 2)


class Attention(nn.Module):
    """One head that reads `ahead` steps after its own. lost_mask: padding's mask replaces the causal one."""

    def __init__(self, ahead=0, lost_mask=False):
        super().__init__()
        self.tokens, self.places = nn.Embedding(q, 16), nn.Embedding(64, 16)
        self.ahead, self.lost_mask = ahead, lost_mask
        self.read, self.output = nn.Linear(16, 48), nn.Linear(16, q)

    def forward(self, X):
        steps = X.shape[1]
        E = self.tokens(X) + self.places(torch.arange(steps))
        Q, K, V = self.read(E).chunk(3, dim=-1)
        causal, padding = torch.ones(steps, steps).tril(self.ahead).bool(), (X != PAD)[:, None, :]
        mask = padding if self.lost_mask and not padding.all() else causal & padding
        scores = (Q @ K.transpose(1, 2) / 4).masked_fill(~mask, -1e9)
        return self.output(E + scores.softmax(-1) @ V)


class Flattened(nn.Module):
    """Logits of all windows one after the other, (n * T, q), or of all first steps first."""

    def __init__(self, time_first, bidirectional=False):
        super().__init__()
        self.model, self.time_first = Recurrent(nn.GRU, bidirectional=bidirectional), time_first

    def forward(self, X, state=None):
        logits = self.model(X)
        return (logits.transpose(0, 1) if self.time_first else logits).reshape(-1, q), state


class TimeFirst(nn.Module):
    """Logits (T, n, q), as a recurrent layer gives them that is not told otherwise."""

    def __init__(self, bidirectional=False):
        super().__init__()
        self.rnn = nn.GRU(q, q, bidirectional=bidirectional)

    def forward(self, X):
        return self.rnn(F.one_hot(X.T, q).float())[0]


class Pairs(nn.Module):
    """Scores that are looked up by the last token, W[X]: neither layers nor an embedding."""

    def __init__(self):
        super().__init__()
        self.W = nn.Parameter(torch.randn(q, q))

    def forward(self, X):
        return self.W[X]


class Fourier(nn.Module):
    """A long causal convolution by way of Fourier transforms, whose rounding reaches every step."""

    def __init__(self):
        super().__init__()
        self.tokens, self.filter, self.output = nn.Embedding(q, 8), nn.Parameter(torch.randn(64, 8)), nn.Linear(8, q)

    def forward(self, X):
        E = self.tokens(X)
        size = 2 * E.shape[1]
        product = torch.fft.rfft(E, size, dim=1) * torch.fft.rfft(self.filter[: E.shape[1]], size, dim=0)
        return self.output(torch.fft.irfft(product, size, dim=1)[:, : E.shape[1]])


class Length(nn.Module):
    """Reads no later token, but knows how many follow."""

    def __init__(self):
        super().__init__()
        self.model, self.left = Recurrent(nn.GRU), nn.Embedding(64, q)

    def forward(self, X):
        return self.model(X) + self.left(torch.arange(X.shape[1]).flip(0))


class Summary(nn.Module):
    """Adds to every step what was read at the end of the window: output[-1] as a summary."""

    def __init__(self):
        super().__init__()
        self.model = Recurrent(nn.LSTM)

    def forward(self, X):
        logits = self.model(X)
        return logits + logits[:, -1:]


class Reversed(nn.Module):
    """Causal; but flips what it reads twice, within the padding's ends the second time: wrong where there is any."""

    def __init__(self):
        super().__init__()
        self.model = Recurrent(nn.GRU)

    def forward(self, X):
        logits = self.model(X)
        shift = int((X == PAD).sum(1).max())
        return logits.roll(-shift, 1)


class Normalised(nn.Module):
    """Batch normalisation before a GRU: in training mode it mixes all steps, in evaluation mode none."""

    def __init__(self):
        super().__init__()
        self.tokens, self.norm, self.rnn = nn.Embedding(q, 8), nn.BatchNorm1d(8), nn.GRU(8, q, batch_first=True)

    def forward(self, X):
        return self.rnn(F.dropout(self.norm(self.tokens(X).transpose(1, 2)).transpose(1, 2), 0.3, self.training))[0]


def d2l_model(layer, **options):
    return d2l.RNNModel(layer(q, 16, 2, **options), q)


def centred(E):
    return E - E.mean(dim=1, keepdim=True)


def centred_so_far(E):
    return E - E.cumsum(1) / torch.arange(1, E.shape[1] + 1)[:, None]


def scaled(E):
    return E / (E.std(dim=1, correction=0, keepdim=True) + 0.1)


HONEST = {
    "d2l LSTM": lambda: d2l_model(nn.LSTM),
    "d2l GRU": lambda: d2l_model(nn.GRU),
    "embedding and LSTM, dropout": lambda: Recurrent(nn.LSTM, num_layers=2, dropout=0.5),
    "one-hot and RNN": lambda: Recurrent(nn.RNN, embedding=False),
    "causal convolution": lambda: Convolution(3, 0),
    "causal attention": Attention,
    "mean of what was read": lambda: Recurrent(nn.GRU, prepare=centred_so_far),
    "layer normalisation": lambda: Recurrent(nn.GRU, prepare=lambda E: F.layer_norm(E, E.shape[-1:])),
    "batch normalisation": Normalised,
    "time first": TimeFirst,
    "time first, flat": lambda: Flattened(True),
    "windows first, flat": lambda: Flattened(False),
    "pairs of tokens": Pairs,
    "Fourier": Fourier,
}
LEAKING = {  # and how far each reads ahead
    "d2l bidirectional LSTM": (lambda: d2l_model(nn.LSTM, bidirectional=True), 5),
    "bidirectional GRU": (lambda: Recurrent(nn.GRU, bidirectional=True), 5),
    "one-hot, bidirectional, 2 layers": (lambda: Recurrent(nn.RNN, False, num_layers=2, bidirectional=True), 4),
    "mean of the window": (lambda: Recurrent(nn.GRU, prepare=centred), T - 1),
    "spread of the window": (lambda: Recurrent(nn.LSTM, embedding=False, prepare=scaled), 3),
    "convolution, one ahead": (lambda: Convolution(1, 1), 1),
    "convolution, three ahead": (lambda: Convolution(3, 3), 3),
    "attention without a mask": (lambda: Attention(ahead=T), T - 1),
    "attention, mask off by one": (lambda: Attention(ahead=1), 1),
    "bidirectional, time first": (lambda: TimeFirst(True), 5),
    "flat, bidirectional, time first": (lambda: Flattened(True, True), 5),
    "flat, bidirectional, windows first": (lambda: Flattened(False, True), 5),
    "output[-1] added": (Summary, T - 1),
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("pad", [None, PAD])
def test_honest_model_is_called_so(name, pad, windows):
    report = utils.audit(HONEST[name](), windows, pad)
    assert not report.leaks and report.reach == 0, str(report)
    assert str(report).startswith("No leak found") and "overlapping windows" in str(report)
    assert report.plain.prefix_only == pytest.approx(report.plain.perplexity, rel=1e-4)
    if report.plain.gradient is not None:
        assert report.plain.gradient.triu(1).max() < 1e-6 < report.plain.gradient.diagonal().max()


@pytest.mark.parametrize("name", LEAKING)
def test_leak_is_found_and_how_far_it_reaches(name, windows):
    build, least = LEAKING[name]
    report = utils.audit(build(), windows)
    assert report.leaks and report.reach >= least, str(report)
    if "convolution" in name or "off by one" in name:
        assert report.reach == least, "and no farther"
    assert str(report).startswith("LEAK") and f" {report.reach} steps after" in str(report)
    assert report.plain.gradient is not None and report.plain.gradient.triu(1).max() > 0


def test_looked_up_rows_embeddings_and_one_hots_have_a_gradient(windows):
    assert all(utils.audit(build(), windows).plain.gradient is not None for build in HONEST.values())


@pytest.mark.parametrize("broken", [lambda: Attention(lost_mask=True), Reversed])
def test_leak_that_appears_only_with_padding(broken, windows):
    model = broken()
    assert not utils.audit(model, windows).leaks
    report = utils.audit(model, windows, pad=PAD)
    assert report.leaks and report.reach and "Only on windows with padding" in str(report)


def test_knowing_how_many_steps_follow_is_a_leak_as_well(windows):
    report = utils.audit(Length(), windows)
    assert report.leaks and report.reach == 0 and "how many follow" in str(report)


def test_trained_leak_scores_worse_without_the_future(corpus):
    model = d2l.RNNModel(nn.LSTM(len(corpus.vocab), 32, bidirectional=True), len(corpus.vocab))
    list(utils.fit(model, utils.Batches(corpus.train), lr=0.02, num_epochs=2, optimizer="adam", carry="d2l"))
    report = utils.audit(model, corpus.held_out[:800].reshape(-1, 40))
    assert report.leaks and report.plain.prefix_only > report.plain.perplexity
    expected = utils.perplexity(model, corpus.held_out[:320], 39)  # of the same kind, not the same windows
    assert report.plain.perplexity == pytest.approx(expected, rel=0.3)


def test_swapped_tokens_are_others_of_the_text_and_no_padding(windows):
    seen = []

    class Watched(Pairs):
        def forward(self, X):
            seen.append(X.clone())
            return super().forward(X)

    windows[windows == 3] = 4
    utils.audit(Watched(), windows, pad=PAD)
    assert not any((X == 3).any() for X in seen)
    plain = [X for X in seen if X.shape[1] == T and not (X == PAD).any()]
    assert torch.stack([X != windows for X in plain]).any(0).all(), "every token was another one at least once"


def test_model_is_left_as_it_was(windows):
    model = Normalised().train()
    state, before = torch.get_rng_state(), {name: value.clone() for name, value in model.state_dict().items()}
    utils.audit(model, windows)
    assert model.training and model.norm.training and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


class Forgetful(Pairs):
    """Keeps a state of its own between calls."""

    calls = 0

    def forward(self, X):
        self.calls += 1
        return super().forward(X) + self.calls


class Classifier(Pairs):
    def forward(self, X):
        return super().forward(X).mean(1)


class OneLength(nn.Module):
    """Reads windows of one length only: prefixes cannot be tried."""

    def __init__(self):
        super().__init__()
        self.mix, self.model = nn.Linear(T, T, bias=False), Pairs()
        with torch.no_grad():
            self.mix.weight.tril_()

    def forward(self, X):
        return self.mix(self.model(X).transpose(1, 2)).transpose(1, 2)


def test_what_cannot_be_tried_is_said(windows):
    report = utils.audit(OneLength(), windows)
    assert not report.leaks and "not tried" in str(report) and report.plain.prefix_only is None


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        ("LSTM", [[1, 2, 3]], "model must be an nn.Module"),
        (Pairs, "abc", "windows must be"),
        (Pairs, [[0.5, 1.0, 2.0]], "windows must be"),
        (Pairs, [1, 2, 3, 4], "windows must be"),
        (Pairs, [[1, 2]], "windows must be"),
        (Pairs, [[1, 1, 1, 1]], "at least two different tokens"),
        (Forgetful, None, "the same logits for the same windows each time"),
        (Classifier, None, r"\(n, T, q\)"),
    ],
)
def test_what_is_no_such_model_is_refused(model, given, said, windows):
    with pytest.raises(ValueError, match=said):
        utils.audit(model if isinstance(model, str) else model(), windows if given is None else given)


@pytest.mark.parametrize("number", [1, 2, 5, 8, 12, 16])
def test_number_of_windows_is_never_taken_for_their_length(number):
    windows = torch.randint(1, q, (16, 12))[:number, :9]  # a part of a larger tensor
    assert not utils.audit(TimeFirst(), windows).leaks and utils.audit(TimeFirst(True), windows).leaks


def test_as_a_cells_last_value_it_is_words_and_a_picture(run_notebook, tmp_path):
    setup = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom tests.test_audit import *"
    cells = [new_code_cell(setup), new_code_cell("utils.audit(TimeFirst(), torch.randint(1, q, (4, 9)))")]
    (output,) = run_notebook(new_notebook(cells=cells), tmp_path).cells[-1].outputs
    assert output.data["text/plain"].startswith("No leak found") and "<pre" in output.data["text/html"]
    assert "image/png" in output.data


@pytest.mark.parametrize(("shape", "size"), [((4, 4), 3), ((1, 9), 1), ((30, 5), 8)])
def test_any_number_of_windows_will_do(shape, size):
    model, windows = Convolution(1, 1), torch.randint(1, q, shape)
    report = utils.audit(model, windows)
    assert report.reach == 1 and len(report.plain.swapped) == shape[1]
    assert math.isfinite(report.plain.perplexity)


def test_picture_and_words(windows):
    report = utils.audit(d2l_model(nn.LSTM, bidirectional=True), windows, pad=PAD)
    figure = report.draw()
    assert len(figure.axes) == 3 and "with padding" in describe(figure)
    assert "With padding:" in str(report)
