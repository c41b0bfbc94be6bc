"""utils.fit with its live plot against d2l.train_ch8 and a bare loop: one model, tokens per second of wall time.

They run in a real kernel, so that drawing and sending a plot cost what they cost a reader.
"""

import contextlib
import io

import utils
from benchmarks.kernels import kernels
from benchmarks.timing import speed_ratios, spread
from tests.support.lab import busy
from utils import d2l, torch

BATCH_SIZE, NUM_STEPS, LR = 32, 35, 2.0
PUBLISHED = {"deep": 186_005, "bidirectional": 131_129}  # tokens/s on the GPU of D2L's authors (its chapter 9)
BARE_LOOP, SCORED = "a bare loop of forward, backward, clip, step", "the same, held-out text scored after every epoch"
AIMS = {"d2l.train_ch8": ("1.5 x", "0.95 x"), BARE_LOOP: ("0.95 x", "")}  # alone, with four busy processes beside it


def build_model(vocab_size, num_hiddens, bidirectional=False):
    """The notes' LSTM with two layers, on the GPU where there is one."""
    utils.seed_everything(0)
    layers = torch.nn.LSTM(vocab_size, num_hiddens, 2, bidirectional=bidirectional)
    return d2l.RNNModel(layers, vocab_size).to(d2l.try_gpu())


def run_bare_loop(model, train_iter, num_epochs):
    """Forward, backward, clip, step, and nothing else: what any training loop has to do."""
    device, loss_fn = next(model.parameters()).device, torch.nn.CrossEntropyLoss()
    updater = torch.optim.SGD(model.parameters(), LR)
    for _ in range(num_epochs):
        state = model.begin_state(batch_size=BATCH_SIZE, device=device)
        for X, Y in train_iter:
            logits, state = model(X.to(device), state)
            loss = loss_fn(logits, Y.T.reshape(-1).to(device))
            updater.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
            updater.step()
            state = tuple(s.detach() for s in state)
    loss.item()  # waits for a GPU


def measure(rounds=5, num_hiddens=256, num_epochs=10):
    """Seconds of each round by what was run, {name: list}. To be called in a kernel."""
    train_iter, vocab = d2l.load_data_time_machine(BATCH_SIZE, NUM_STEPS)
    held_out = utils.load_corpus().held_out

    def model():
        return build_model(len(vocab), num_hiddens)

    def fit(held_out=None):
        records = utils.fit(model(), train_iter, lr=LR, num_epochs=num_epochs, held_out=held_out)
        utils.LivePlot(num_epochs).follow(records, "LSTM")

    def train_ch8():
        with contextlib.redirect_stdout(io.StringIO()):
            d2l.train_ch8(model(), train_iter, vocab, LR, num_epochs, d2l.try_gpu())

    trainings = {
        "fit": fit,
        "d2l.train_ch8": train_ch8,
        BARE_LOOP: lambda: run_bare_loop(model(), train_iter, num_epochs),
        SCORED: lambda: fit(held_out),
    }
    seconds = utils.seconds_each(trainings, rounds)
    return {name: [round(s, 4) for s in each] for name, each in seconds.items()}


def measure_in_a_kernel(**options):
    """What `measure` returns, with the kernel's own display behind it."""
    with kernels(1) as (kernel,):
        return kernel.run("from benchmarks import training", f"training.measure(**{options!r})")


def tokens_per_sec(bidirectional, num_epochs=6):
    """The speed of each epoch but the first of `fit` on the notes' deep or bidirectional LSTM, 2 x 256."""
    corpus = utils.load_corpus()
    model = build_model(len(corpus.vocab), 256, bidirectional)
    records = utils.fit(model, utils.Batches(corpus.train, BATCH_SIZE, NUM_STEPS), lr=1.0, num_epochs=num_epochs)
    return [record.tokens_per_sec for record in records][1:]


def rows(rounds=5):
    """A row of text per comparison, and the speeds beside those that D2L has published."""
    alone = measure_in_a_kernel(rounds=rounds)
    with busy(4):
        at_load = measure_in_a_kernel(rounds=rounds)
    for seconds, load, which in ((alone, "", 0), (at_load, ", four busy processes beside it", 1)):
        for against, aims in AIMS.items():
            measured = spread(speed_ratios(seconds, "fit", against), "x")
            yield f"fit with its live plot, LSTM 2 x 256{load}", against, aims[which], measured
    yield SCORED, "without", "", spread(speed_ratios(alone, SCORED, "fit"), "x")
    for name, published in PUBLISHED.items():
        speeds = tokens_per_sec(name == "bidirectional")
        against = f"{published:,} in D2L's book, on its authors' GPU"
        yield f"{name} LSTM, 2 x 256, on {d2l.try_gpu().type}", against, "", spread(speeds, "tokens/s", digits=0)
