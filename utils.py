"""What the lessons use and do not teach, in the order in which data flows.

    1  Text                     load_corpus, Batches
    2  Training                 Recipe, enlarge_weights, fit, best
    3  Scoring and generation   perplexity, perplexity_by_position, generate
    4  Recorded runs            recording, load_run, recorded
    5  This machine             check_machine, also as  python -m utils

Equations, models and experiments stand in the lessons. Figures, tables, the live plot and the mending of d2l are in
book/; what lessons name of them can be had from here.
"""

import contextlib
import math
import os
import random
import time
import weakref
from pathlib import Path
from typing import NamedTuple

from book import ROOT, is_number, is_whole, require
from book.environment import FAST, FULL, RECORD, about_this_machine, cpus_allowed, d2l, download, epochs
from book.environment import packages, problems_of_d2l, seconds_each, seed_everything, torch

# only now, when the environment has set the threads: numpy too reads how many it may use
from book.audit import audit, evaluating
from book.display import BLACK, BLUE, GREEN, HTML, ORANGE, PALETTE, PINK, SKY, VERMILION
from book.display import draw_bars, draw_spread, explore, new_figure, shorten, show_figure, table
from book.exercises import check
from book.guess import guess
from book.live_plot import LivePlot
from book.runs import THIS_RUN, EpochRecord, Run, best, in_words, keep, load_run, ranking, recorded
from book.shards import Shards, side_by_side, threads_for
from book.text import clean, embedded_text, letters_of
from book.words import mark, say

# ------------------------------------------------------------------------------------------------------ 1  Text


class Corpus(NamedTuple):
    """Text as token indices, in three parts that follow each other and never overlap; `vocab` is a d2l.Vocab.

    train: what networks learn from; held_out (the validation set): what one chooses by, a network, an epoch, a size;
    test: what is scored once, when everything has been chosen. A number that one has chosen by flatters.
    """

    train: torch.Tensor  # (max_tokens,)
    held_out: torch.Tensor  # (held_out_tokens,)
    test: torch.Tensor  # (test_tokens,), less where a reader's own text ends before
    vocab: "d2l.Vocab"
    source: str


def load_corpus(source="embedded", *, max_tokens=10_000, held_out_tokens=5_000, test_tokens=5_000):
    """Load a text as character indices: `max_tokens` to train on, the next `held_out_tokens`, the next `test_tokens`.

    source: "embedded" (The Time Machine, offline), "d2l" (D2L's own edition, fetched once), the path of a text in UTF-8
    or GBK, or the bytes of one; of these, letters in any script are kept. As in D2L, lines are joined without a space.
    Returns a Corpus; the `test` part of a reader's own text is what is left of it, at most `test_tokens`.
    Raises ValueError for a text that is empty, too short or of another encoding, or whose checksum is wrong.
    """
    sizes = {"max_tokens": max_tokens, "held_out_tokens": held_out_tokens, "test_tokens": test_tokens}
    for name, size in sizes.items():
        require(is_whole(size), name, size, say("a whole number of at least 1"))
    name, parts = str(source), [int(size) for size in sizes.values()]
    if source == "embedded":
        tokens = "".join(clean(embedded_text()))
    elif source == "d2l":
        tokens = "".join(clean(Path(download("time_machine")).read_text(encoding="utf-8")))
    elif isinstance(source, bytes):
        tokens, encoding = letters_of(source)
        name = say("text in {encoding}", encoding=encoding)
    else:
        path = Path(source) if isinstance(source, str | os.PathLike) else None
        sources = say('"embedded", "d2l", a text\'s bytes, or the path of a text file')
        require(path and path.is_file(), "source", name, sources)
        tokens, _ = letters_of(path.read_bytes())
    needed = parts[0] + parts[1]
    told = mark("a text of at least max_tokens + held_out_tokens = {needed:,} letters and spaces, not {found:,}")
    require(len(tokens) >= needed, "source", name, say(told, needed=needed, found=len(tokens)))
    vocab = d2l.Vocab(list(tokens))
    ids = torch.tensor(vocab[list(tokens[: sum(parts)])])
    train, held_out, test = ids.tensor_split([parts[0], needed])
    return Corpus(train, held_out, test, vocab, name)


def _as_ids(ids, vocab_size=None):
    """Return token indices as a tensor (tokens,); ValueError for what is none, or not below the vocabulary's size."""
    try:
        ids = torch.as_tensor(ids)
    except (TypeError, ValueError, RuntimeError):
        require(False, "ids", f"{ids!r:.40}", say("the indices of tokens, whole numbers, as in corpus.train"))
    said = say("{dtype} of shape {shape}", dtype=ids.dtype, shape=tuple(ids.shape))
    whole = ids.dim() == 1 and not (ids.is_floating_point() or ids.is_complex() or ids.dtype is torch.bool)
    require(whole, "ids", said, say("whole numbers, the indices of tokens"))
    if vocab_size is not None and len(ids):
        low, high = int(ids.min()), int(ids.max())
        found = say("{low} to {high}", low=low, high=high)
        require(0 <= low and high < vocab_size, "ids", found, say("between 0 and {most}", most=vocab_size - 1))
    return ids


class Batches:
    """Minibatches (X, Y) of a long text, partitioned in sequence as D2L does: row i of a minibatch goes on where
    row i of the one before ended, so that a hidden state can be carried over. Y is X one step later.

    ids: token indices (tokens,), a LongTensor or a list; X and Y: (batch_size, num_steps). Every pass starts at another
    random offset. Unlike d2l's iterator it has a seed of its own, so that a run in the background can be repeated.
    """

    def __init__(self, ids, batch_size=32, num_steps=35, seed=0):
        require(is_whole(batch_size), "batch_size", batch_size, say("a whole number of at least 1"))
        require(is_whole(num_steps), "num_steps", num_steps, say("a whole number of at least 1"))
        batch_size, num_steps = int(batch_size), int(num_steps)
        ids, needed = _as_ids(ids), batch_size * num_steps + num_steps + 1
        longer = say("at least {needed:,} tokens for {n} x {T}", needed=needed, n=batch_size, T=num_steps)
        require(len(ids) >= needed, "ids", len(ids), longer)
        self.ids, self.batch_size, self.num_steps, self.random = ids, batch_size, num_steps, random.Random(int(seed))

    def __len__(self):
        return (len(self.ids) - 1) // self.batch_size // self.num_steps

    def __iter__(self):
        offset = self.random.randint(0, self.num_steps)
        columns = (len(self.ids) - offset - 1) // self.batch_size
        tokens = columns * self.batch_size
        X = self.ids[offset : offset + tokens].reshape(self.batch_size, columns)
        Y = self.ids[offset + 1 : offset + 1 + tokens].reshape(self.batch_size, columns)
        for t in range(0, columns - self.num_steps + 1, self.num_steps):
            yield X[:, t : t + self.num_steps], Y[:, t : t + self.num_steps]


# -------------------------------------------------------------------------------------------------- 2  Training


class Recipe(NamedTuple):
    """How a network is trained: what it is called, the optimizer, its learning rate, and whether to enlarge weights."""

    label: str
    optimizer: str
    lr: float
    enlarge: bool


RECIPES = {
    mark("fast"): Recipe(mark("fast (Adam)"), "adam", 0.005, True),
    "D2L": Recipe(mark("D2L (SGD)"), "sgd", 2.0, False),
}


def enlarge_weights(model):
    """Draw the weights at both ends of a d2l.RNNModel anew, larger, in place; return the model.

    What reads the one-hot inputs, (4h, d) in an LSTM and in both directions of a bidirectional network, is drawn from
    U(-2, 2), and the output layer's weights (q, h) from U(-1/2, 1/2). torch draws both from U(-h^-1/2, h^-1/2); a
    sum of h such terms is then about 0.6 in size, but a one-hot input has one, and all characters would look nearly
    alike. Lesson 3 measures it.
    """
    for name, weights in model.rnn.named_parameters():
        if name.startswith("weight_ih_l0"):
            torch.nn.init.uniform_(weights, -2, 2)
    torch.nn.init.uniform_(model.linear.weight, -0.5, 0.5)
    return model


def fit(
    model,
    train_iter,
    *,
    lr,
    num_epochs,
    optimizer="sgd",
    held_out=None,
    clip=1.0,
    device=None,
    carry="forward",
    watch=None,
):
    """Train a language model; a generator that yields one EpochRecord per epoch. To stop, cease to ask.

    model: an nn.Module with d2l's forward(inputs, state) -> (logits (T * n, q), state) and begin_state(batch_size,
    device). train_iter: any iterable of (X, Y), both (n, T), walked once per epoch. optimizer: "sgd" or "adam".
    held_out: token indices to score after each epoch, or None. clip: the norm that gradients are cut to, or None.
    device: where to train, None for where the model is. carry: what the next minibatch inherits of the state: "forward"
    (only the forward direction's: the backward direction's past is the text's future), "d2l" (both, as d2l.train_ch8
    does) or "none" (for minibatches in random order). watch: a function that is told after each minibatch its epoch,
    how many tokens of it are done, and the mean loss so far (nats). Where FAST=1 is set, two epochs at most.

    A large model's minibatches are shared among CPU cores that are free (book/shards.py).
    Raises ValueError for a bad argument and FloatingPointError at the first loss that is not finite.
    Source: D2L's training loop of its chapter on RNNs (d2l.train_ch8), with which it agrees number by number.
    """
    require(is_number(lr) and 0 < lr < math.inf, "lr", lr, say("a positive number"))
    require(is_whole(num_epochs), "num_epochs", num_epochs, say("a whole number of at least 1"))
    require(optimizer in ("sgd", "adam"), "optimizer", optimizer, say("one of {names}", names="sgd, adam"))
    require(clip is None or (is_number(clip) and clip > 0), "clip", clip, say("a positive number or None"))
    require(carry in ("forward", "d2l", "none"), "carry", carry, say("one of {names}", names="forward, d2l, none"))
    require(isinstance(model, torch.nn.Module), "model", model, say("an nn.Module"))
    weights = list(model.parameters())
    trainable = any(p.requires_grad for p in weights)
    require(trainable, "model", type(model).__name__, say("one with weights that may be trained"))
    device = torch.device(device or weights[0].device)
    there = device.type != "cuda" or torch.cuda.is_available()
    require(there, "device", str(device), say("one that this machine has, such as d2l.try_gpu() returns"))
    model.to(device)
    updater = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](model.parameters(), float(lr))
    return _fit(model, train_iter, epochs(num_epochs), updater, held_out, clip, device, carry, watch)


def _fit(model, train_iter, num_epochs, updater, held_out, clip, device, carry, watch):
    shards, lr = Shards(model), updater.param_groups[0]["lr"]
    for epoch in range(1, num_epochs + 1):
        model.train()
        state, rows, total_loss, tokens, started = None, 0, 0.0, 0, time.perf_counter()
        for X, Y in train_iter:
            if epoch == 1:
                for each in (X, Y):
                    _as_ids(each.reshape(-1), _vocab_size_of(model))
            if state is None or len(X) != rows:  # the last minibatch of a DataLoader may have fewer
                rows, state = len(X), model.begin_state(batch_size=X.shape[0], device=device)
            loss, state = shards.gradients(X.to(device), Y.to(device), state)
            if not math.isfinite(loss):
                knobs = say("Lower lr (now {lr:g}) or clip (now {clip}), and start anew", lr=lr, clip=clip)
                told = mark("the loss became {loss} in epoch {epoch}: the training diverges. {knobs}")
                raise FloatingPointError(say(told, loss=loss, epoch=epoch, knobs=knobs))
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            updater.step()
            state = _carried(state, carry, getattr(model, "num_directions", 1))
            total_loss, tokens = total_loss + loss * Y.numel(), tokens + Y.numel()
            if watch is not None:
                watch(epoch, tokens, total_loss / tokens)
        if not tokens:
            raise ValueError(say("train_iter must yield at least one minibatch, got none: the text is too short"))
        seconds = time.perf_counter() - started
        score = None if held_out is None else perplexity(model, held_out, X.shape[1])
        yield EpochRecord(epoch, perplexity_of(total_loss / tokens), score, tokens / seconds, seconds)


_sizes = weakref.WeakKeyDictionary()  # of the vocabularies of models that have been tried


def _vocab_size_of(model):
    """Return q, the size of a model's vocabulary, from what it makes of two rows of three steps, tried once.

    Two and three, so that rows and steps cannot be taken for each other. ValueError says what a model must offer.
    """
    if isinstance(model, torch.nn.Module) and model in _sizes:
        return _sizes[model]
    offers = say("an nn.Module with d2l's forward(inputs (n, T), state) -> (logits (T * n, q), state) and begin_state")
    require(isinstance(model, torch.nn.Module), "model", f"{model!r:.60}", offers)
    with evaluating(model) as device:
        try:
            state = model.begin_state(batch_size=2, device=device)
            shape = tuple(model(torch.zeros(2, 3, dtype=torch.long, device=device), state)[0].shape)
        except Exception as error:
            said, _, _ = str(error).partition("\n")
            told = mark("model must be {offers}; given 2 rows of 3 steps, it says: {said}")
            raise ValueError(say(told, offers=offers, said=said)) from error
    made = say("logits {shape} for 2 rows of 3 steps", shape=shape)
    require(len(shape) == 2 and shape[0] == 6, "model", made, offers)
    return _sizes.setdefault(model, shape[1])


def _carried(state, carry, num_directions):
    """Return what the next minibatch starts from; layers' directions alternate in dimension 0, forward first."""
    if carry == "none":
        return None
    if isinstance(state, tuple | list):
        return type(state)(_carried(s, carry, num_directions) for s in state)
    state = state.detach()
    if carry == "forward" and num_directions == 2:
        state = state.clone()
        state[1::2] = 0
    return state


def perplexity_of(loss):
    """Return exp of a mean cross-entropy in nats; infinity where a float ends."""
    return math.exp(loss) if loss < 700 else math.inf  # a double ends near e^709


# ------------------------------------------------------------------------------------ 3  Scoring and generation


def _window_losses(model, ids, num_steps, prefix_only):
    """Cross-entropy in nats of every position of every window, (windows, num_steps); each window starts afresh."""
    require(is_whole(num_steps), "num_steps", num_steps, say("a whole number of at least 1"))
    ids, num_steps = _as_ids(ids, _vocab_size_of(model)), int(num_steps)
    longer = say("at least num_steps + 1 = {needed} tokens", needed=num_steps + 1)
    require(len(ids) > num_steps, "ids", len(ids), longer)
    windows = (len(ids) - 1) // num_steps
    X = ids[: windows * num_steps].reshape(windows, num_steps)
    Y = ids[1 : windows * num_steps + 1].reshape(windows, num_steps)

    def logits_of(x):
        logits, _ = model(x, model.begin_state(batch_size=len(x), device=x.device))
        return logits.reshape(x.shape[1], len(x), -1)  # (T, n, q)

    def losses_of(portion):
        x, y = (windows.to(device) for windows in portion)
        if prefix_only:
            logits = torch.cat([logits_of(x[:, : t + 1])[-1:] for t in range(num_steps)])
        else:
            logits = logits_of(x)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.T.flatten().long(), reduction="none")
        return loss.reshape(num_steps, len(x)).T.cpu()

    portions = list(zip(X.split(32), Y.split(32), strict=True))  # little memory, and a run can be stopped between them
    with evaluating(model) as device:
        return torch.cat(side_by_side(losses_of, portions, threads_for(model)))


def perplexity(model, ids, num_steps=35, *, prefix_only=False):
    """Return the perplexity of a text that is cut into windows of num_steps tokens, each from a zero state.

    ids: LongTensor (tokens,); what is left after the last whole window is not scored. prefix_only: predict each
    position from a network that has been given nothing but the tokens up to it, so that no future can leak in
    (about num_steps / 2 times slower); for a unidirectional model both ways give the same number.
    Raises ValueError for a text shorter than one window, and for what is no text or no such model.
    """
    return perplexity_of(_window_losses(model, ids, num_steps, prefix_only).double().mean().item())


def perplexity_by_position(model, ids, num_steps=35):
    """Return the perplexity at each position of the window, (num_steps,), the whole window in sight."""
    return _window_losses(model, ids, num_steps, prefix_only=False).double().mean(0).exp()


def generate(model, vocab, prefix, num_preds, *, temperature=0.0, reencode=False, generator=None):
    """Return the prefix and num_preds characters that the model writes after it.

    temperature: 0 takes the likeliest character (as d2l.predict_ch8), above 0 samples from softmax(logits /
    temperature) with the torch.Generator given. reencode: read the whole text anew for every character instead of
    carrying the state from one to the next; for a unidirectional model both give the same text.
    Raises ValueError for an empty prefix, a character outside the vocabulary, a negative temperature or another model.
    """
    require(isinstance(prefix, str) and prefix, "prefix", prefix, say("a text of at least one character"))
    known = "".join(sorted(vocab.idx_to_token[1:]))[:40]
    known = say("made of the vocabulary's characters ({characters!r})", characters=known)
    require(set(prefix) <= vocab.token_to_idx.keys(), "prefix", prefix, known)
    require(is_whole(num_preds, least=0), "num_preds", num_preds, say("a whole number of at least 0"))
    warm = is_number(temperature) and 0 <= temperature < math.inf
    require(warm, "temperature", temperature, say("a number of at least 0"))
    ids = [vocab[c] for c in prefix]
    size = _vocab_size_of(model)
    tokens, others = say("{count} tokens", count=len(vocab)), say("the model's, which has {size}", size=size)
    require(size == len(vocab), "vocab", tokens, others)
    with evaluating(model) as device:

        def read(tokens, state):
            return model(torch.tensor([tokens], device=device), state)  # logits: (len(tokens), q)

        state = zero = model.begin_state(batch_size=1, device=device)
        if not reencode:
            for i in ids[:-1]:
                _, state = read([i], state)
        for _ in range(num_preds):
            logits, state = read(ids, zero) if reencode else read(ids[-1:], state)
            if temperature == 0:
                next_id = logits[-1].argmax().item()
            else:
                logits = logits[-1].double().cpu()
                p = torch.softmax((logits - logits.max()) / temperature, dim=0)  # at most 0, however cold
                next_id = torch.multinomial(p, 1, generator=generator).item()
            ids.append(next_id)
    return prefix + "".join(vocab.to_tokens(ids[len(prefix) :]))


# --------------------------------------------------------------------------------------------- 4  Recorded runs


@contextlib.contextmanager
def recording(name, held_out):
    """While the block runs d2l.train_ch8, keep what it does in a Run: each epoch's numbers and the last two lines.

    name: the run is written to assets/runs/<name>.json, if FULL=1 was set.
    held_out: token indices that are scored after each epoch; d2l's numbers, times and random state do not notice.
    Source: d2l.train_ch8 calls d2l.train_epoch_ch8 and d2l.predict_ch8 by name, so wrapping those two is enough.
    """
    train_epoch, predict = d2l.train_epoch_ch8, d2l.predict_ch8
    run, scoring = Run([], [], {"seed": torch.initial_seed()}), 0.0

    def train_epoch_and_keep(net, *args):
        nonlocal scoring
        began = time.perf_counter()
        result = train_epoch(net, *args)
        trained = time.perf_counter()
        score = perplexity(net, held_out)
        run.records.append(EpochRecord(len(run.records) + 1, result[0], score, result[1], trained - began))
        scoring += time.perf_counter() - trained
        return result

    def predict_and_keep(*args):
        run.generated[:] = [*run.generated[-1:], predict(*args)]
        return run.generated[-1]

    d2l.train_epoch_ch8, d2l.predict_ch8 = train_epoch_and_keep, predict_and_keep
    started = time.perf_counter()
    try:
        yield run
    finally:
        d2l.train_epoch_ch8, d2l.predict_ch8 = train_epoch, predict
    run.about.update(seconds=round(time.perf_counter() - started - scoring, 1), **about_this_machine())
    columns = {key: [float(f"{getattr(r, key):.5g}") for r in run.records] for key in EpochRecord._fields}
    keep(name, {"about": run.about, "generated": run.generated, **columns})
    run.about.update(in_words(run.about, THIS_RUN))


# ---------------------------------------------------------------------------------------------- 5  This machine


def check_machine():
    """Print whether this machine is ready for the lessons; return a table of what that rests on.

    What is missing is printed before anything is trained. A package's version is shown and proves nothing: what counts
    is whether it has what the lessons call. The last row is the speed of training lesson 3's network, an LSTM of
    2 x 256: tokens per second over one epoch.
    """
    rows, problems = packages(), problems_of_d2l()
    try:
        corpus = load_corpus()
    except Exception as error:  # a diagnosis ends with a sentence, whatever is wrong
        problems.append(say("the text cannot be read: {error}", error=error))
    else:
        size = " + ".join(f"{len(part):,}" for part in corpus[:3])
        size = say("{size} characters", size=size)
        rows.append((say("text"), size, say("to train on, to choose by, to test; its checksum is right")))
    ready = say("Ready: the lessons run on this machine.")
    print("\n".join([say("Not ready:"), *problems]) if problems else ready, flush=True)
    if not problems:
        model, fast = d2l.RNNModel(torch.nn.LSTM(len(corpus.vocab), 256, 2), len(corpus.vocab)), RECIPES["fast"]
        (epoch,) = fit(model, Batches(corpus.train), lr=fast.lr, num_epochs=1, optimizer=fast.optimizer)
        speed = say("{speed:,.0f} tokens/s", speed=epoch.tokens_per_sec)
        rows.append((say("speed"), speed, say("the more the faster")))
    return table(["", say("here"), ""], rows)


if __name__ == "__main__":
    check_machine()
