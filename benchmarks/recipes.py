"""Seconds of training until the training perplexity is 1.1: D2L's recipe and the playground's fast one."""

import time

import utils
from benchmarks.timing import spread
from playground import RECIPES, Settings
from utils import d2l, torch

TARGET, SIZE = 1.1, {"layers": 2, "hidden_units": 256}


def train_as_d2l(seed):
    """Seconds, training and held-out perplexity at the end of each epoch of d2l.train_ch8's loop, SGD at lr 2."""
    corpus, model = utils.load_corpus(), Settings(recipe="D2L", seed=seed, **SIZE).build(28).to(d2l.try_gpu())
    updater, loss_fn, seconds = torch.optim.SGD(model.parameters(), RECIPES["D2L"][1]), torch.nn.CrossEntropyLoss(), 0.0
    batches = utils.Batches(corpus.train, seed=seed)
    while True:
        started = time.perf_counter()
        perplexity, _ = d2l.train_epoch_ch8(model, batches, loss_fn, updater, d2l.try_gpu(), False)
        seconds += time.perf_counter() - started
        yield seconds, perplexity, utils.perplexity(model, corpus.held_out)


def train_fast(seed):
    """The same of the fast recipe."""
    corpus, model, (optimizer, lr) = utils.load_corpus(), Settings(seed=seed, **SIZE).build(28), RECIPES["fast"]
    options = {"lr": lr, "num_epochs": 100, "optimizer": optimizer, "held_out": corpus.held_out}
    batches, seconds = utils.Batches(corpus.train, seed=seed), 0.0
    tokens = len(batches) * batches.batch_size * batches.num_steps
    for record in utils.fit(model.to(d2l.try_gpu()), batches, **options):
        seconds += tokens / record.tokens_per_sec
        yield seconds, record.perplexity, record.held_out


def until_target(training):
    """(epoch, seconds, lowest held-out perplexity so far) when the training perplexity is first at most 1.1."""
    held_out = []
    for epoch, (seconds, perplexity, score) in enumerate(training, start=1):
        held_out.append(score)
        if perplexity <= TARGET:
            return epoch, seconds, min(held_out)
    raise RuntimeError(f"the training perplexity never reached {TARGET}")


def rows(rounds=5):
    """Rows of text: seconds, epochs, and the best held-out perplexity, each round from another random start."""
    pairs = [(until_target(train_fast(seed)), until_target(train_as_d2l(seed))) for seed in range(rounds)]
    what = "LSTM 2 x 256 to training perplexity 1.1, fast recipe:"
    for i, (unit, aim) in enumerate(
        (("epochs", ""), ("seconds", "8 x faster"), ("best held-out perplexity", "no worse"))
    ):
        digits = (0, 1, 2)[i]
        fast, theirs = (spread([result[i] for result in column], "", digits) for column in zip(*pairs, strict=True))
        measured = f"{fast}; the ratio is {spread([b[i] / a[i] for a, b in pairs], 'x')}" if i == 1 else fast
        yield f"{what} {unit}", f"D2L's recipe: {theirs}", aim, measured
