"""Seconds of training until the training perplexity is 1.1: D2L's recipe and the playground's fast one."""

import time
from typing import NamedTuple

import utils
from benchmarks.timing import spread
from book.settings import Settings
from utils import d2l, torch

TARGET, SIZE = 1.1, {"layers": 2, "hidden_units": 256}


def train_as_d2l(seed):
    """Seconds, training and held-out perplexity at the end of each epoch of d2l.train_ch8's loop, SGD at lr 2."""
    corpus, seconds = utils.load_corpus(), 0.0
    model = Settings(recipe="D2L", seed=seed, **SIZE).build(len(corpus.vocab)).to(d2l.try_gpu())
    updater = torch.optim.SGD(model.parameters(), utils.RECIPES["D2L"].lr)
    loss_fn, batches = torch.nn.CrossEntropyLoss(), utils.Batches(corpus.train, seed=seed)
    while True:
        started = time.perf_counter()
        perplexity, _ = d2l.train_epoch_ch8(model, batches, loss_fn, updater, d2l.try_gpu(), False)
        seconds += time.perf_counter() - started
        yield seconds, perplexity, utils.perplexity(model, corpus.held_out)


def train_fast(seed):
    """The same of the fast recipe."""
    corpus, recipe, seconds = utils.load_corpus(), utils.RECIPES["fast"], 0.0
    model = Settings(recipe="fast", seed=seed, **SIZE).build(len(corpus.vocab)).to(d2l.try_gpu())
    options = {"lr": recipe.lr, "optimizer": recipe.optimizer, "num_epochs": 100, "held_out": corpus.held_out}
    for record in utils.fit(model, utils.Batches(corpus.train, seed=seed), **options):
        seconds += record.seconds
        yield seconds, record.perplexity, record.held_out


class Reached(NamedTuple):
    """What it took until the training perplexity was at most TARGET; held_out: the lowest perplexity by then."""

    epoch: int
    seconds: float
    held_out: float


def until_target(training):
    """What a training had Reached when its perplexity was first at most TARGET."""
    held_out = []
    for epoch, (seconds, perplexity, score) in enumerate(training, start=1):
        held_out.append(score)
        if perplexity <= TARGET:
            return Reached(epoch, seconds, min(held_out))
    raise RuntimeError(f"the training perplexity never reached {TARGET}")


def rows(rounds=5):
    """Rows of text: seconds, epochs, and the best held-out perplexity, each round from another random start."""
    fast = [until_target(train_fast(seed)) for seed in range(rounds)]
    theirs = [until_target(train_as_d2l(seed)) for seed in range(rounds)]
    ratios = [slow.seconds / quick.seconds for quick, slow in zip(fast, theirs, strict=True)]
    measures = (
        ("epoch", "epochs", "", 0, ""),
        ("seconds", "seconds", "8 x faster", 1, f"; the ratio is {spread(ratios, 'x')}"),
        ("held_out", "best held-out perplexity", "no worse", 2, ""),
    )
    for field, unit, aim, digits, more in measures:
        ours, against = (spread([getattr(r, field) for r in results], "", digits) for results in (fast, theirs))
        what = f"LSTM 2 x 256 to training perplexity 1.1, fast recipe: {unit}"
        yield what, f"D2L's recipe: {against}", aim, ours + more
