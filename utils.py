"""The plumbing that every lesson uses, in the order in which data flows.

    1  Environment              threads, d2l mended, check_machine, FAST and FULL
    2  Data                     corpus, vocabulary, training and held-out text, minibatches
    3  Training                 enlarge_weights, fit
    4  Scoring and generation   perplexity, perplexity_by_position, generate
    5  Recorded runs            recording, load_run, recorded
    6  Display                  show, show_figure, explore, table, check, LivePlot
    7  Playground               in playground.py, used as utils.Playground

Equations, models and experiments stand in the lessons; here is only what would be in the way there.
"""

import base64
import contextlib
import gc
import hashlib
import html
import importlib.machinery
import importlib.metadata
import importlib.resources
import importlib.util
import io
import itertools
import json
import math
import numbers
import os
import platform
import random
import re
import sys
import time
import warnings
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent

for name in ("torch", "d2l", "word_text_counter", "matplotlib", "ipywidgets"):
    if importlib.util.find_spec(name) is None:
        command = f"{sys.executable} -m pip install -r {ROOT / 'requirements.txt'}"
        raise ModuleNotFoundError(f"{name} is not installed for this kernel's Python. Run  {command}  and restart")

# ----------------------------------------------------------------------------------------------- 1  Environment


def _cpu_quota(groups=Path("/proc/self/cgroup"), mount=Path("/sys/fs/cgroup")):
    """Return how many CPUs this process's control group may use (of version 2 or 1), infinity without a quota."""
    quota = math.inf
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            top, files = mount, ["cpu.max"]
        elif "cpu" in controllers.split(","):
            top, files = mount / "cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        group = top / path.lstrip("/")
        for folder in [group, *group.parents][: len(group.parts) - len(top.parts) + 1]:
            with contextlib.suppress(OSError, ValueError):  # no such file, or "max": no quota here
                most, period = map(int, " ".join((folder / file).read_text() for file in files).split())
                quota = min(quota, most / period) if most > 0 else quota  # -1: no quota here
    return quota


def cpus_allowed():
    """Return how many CPUs this process may use: its affinity mask, cut down to its cgroup's quota (at least 1).

    A container on Binder or on a hub sees all the cores of its host and may use one or two of them.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(cpus, _cpu_quota())))


# One thread: for networks of this size a second one made training up to seven times slower on two cores, and a hub's
# cores are shared. Who asks for more (OMP_NUM_THREADS) gets no more than the CPUs that are allowed, and threads that
# sleep while they wait: spinning ones starve the other kernels. libgomp reads both variables once, when torch loads it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
if "torch" in sys.modules and os.environ["OMP_NUM_THREADS"] != "1":
    warnings.warn("torch was imported before utils: threads may spin; restart and import utils first", stacklevel=2)
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402

torch.set_num_threads(min(int(os.environ["OMP_NUM_THREADS"]), cpus_allowed()))


def _import_d2l():
    """Import d2l.torch 0.17.0, also where torchvision is missing or broken: d2l imports it, the book never uses it."""
    stubs = []
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        stubs = ["torchvision", "torchvision.transforms"]
        for name in stubs:
            sys.modules[name] = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, None))
        sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
    try:
        from d2l import torch as d2l
    finally:
        for name in stubs:  # a later `import torchvision` shall tell the truth
            del sys.modules[name]
    return d2l


d2l = _import_d2l()

import ipywidgets as W  # noqa: E402
import numpy as np  # noqa: E402
import requests  # noqa: E402
from IPython import get_ipython  # noqa: E402
from IPython.display import HTML, display  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import MaxNLocator, StrMethodFormatter  # noqa: E402
from matplotlib_inline.backend_inline import set_matplotlib_formats  # noqa: E402
from PIL import Image  # noqa: E402


class _Accumulator(d2l.Accumulator):
    """d2l.Accumulator that detaches: torch warns when a tensor that requires a gradient becomes a number."""

    def add(self, *args):
        super().add(*(a.detach() if torch.is_tensor(a) else a for a in args))


def download(name, cache_dir=ROOT / "data"):
    """Return the path of a file of d2l.DATA_HUB, fetched once and accepted only with its SHA-1.

    name: a key of d2l.DATA_HUB; cache_dir: the folder that keeps the file.
    Raises ValueError for an unknown name or for content with another checksum (a log-in page, say), ConnectionError
    without a network. A good copy is never replaced by anything else. Stands in for d2l.download, which checks
    neither the HTTP status nor what it saved.
    """
    if name not in d2l.DATA_HUB:
        raise ValueError(f"name must be one of d2l.DATA_HUB's keys, got {name!r}")
    url, sha1 = d2l.DATA_HUB[name]
    path = Path(cache_dir, url.rsplit("/", 1)[-1])
    if path.exists() and hashlib.sha1(path.read_bytes()).hexdigest() == sha1:
        return str(path)
    try:
        response = requests.get(url, timeout=30)
        response.raise_for_status()
    except requests.RequestException as error:
        raise ConnectionError(f"{name}: {error}. Without a network, put the file at {path} yourself") from error
    found = hashlib.sha1(response.content).hexdigest()
    if found != sha1:
        raise ValueError(
            f"{name}: the server sent something else (SHA-1 {found} instead of {sha1}, it begins "
            f"{response.content[:40]!r}). Nothing was saved. Behind a log-in page? Log in and run this again, "
            f"or put the file at {path} yourself"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(response.content)
    partial.replace(path)
    return str(path)


d2l.use_svg_display = lambda: set_matplotlib_formats("svg")  # IPython's own function of that name is gone
d2l.Accumulator = _Accumulator
d2l.download = download
d2l.read_time_machine = lambda: _clean(_embedded_text(), _D2L_LETTERS)

FAST = os.environ.get("FAST") == "1"
FULL = not FAST and (os.environ.get("FULL") == "1" or torch.cuda.is_available())


def check_machine():
    """Print whether this machine is ready for the lessons; return a table of what that rests on.

    The last row is the speed of training lesson 3's network, an LSTM of 2 x 256: tokens per second over one epoch.
    """
    version = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)[1]
    rows, problems = [("this book", version, ""), ("Python", platform.python_version(), "3.10 to 3.14 will do")], []
    for name, pin in (line.split("==") for line in (ROOT / "requirements.txt").read_text().split()):
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "none"
        if name == "d2l" and found != pin:
            problems.append(f"d2l {found} lacks what the lessons use: run  pip install --no-deps d2l=={pin}")
        rows.append((name, found, f"tested with {pin}"))
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    rows += [("CPU cores allowed", cpus_allowed(), "one is enough"), ("GPU", gpu, "none is needed")]
    try:
        corpus = load_corpus()
    except ValueError as error:
        problems.append(str(error))
    else:
        size = f"{len(corpus.train):,} + {len(corpus.held_out):,} characters"
        rows.append(("text", size, "to train on and held out; its checksum is right"))
        model = d2l.RNNModel(torch.nn.LSTM(len(corpus.vocab), 256, 2), len(corpus.vocab))
        (epoch,) = fit(model, Batches(corpus.train), lr=0.005, num_epochs=1, optimizer="adam")
        rows.append(("speed", f"{epoch.tokens_per_sec:,.0f} tokens/s", "the more the faster"))
    print("\n".join(["Not ready:", *problems]) if problems else "Ready: the lessons run on this machine.")
    return table(["", "here", ""], rows)


def epochs(n):
    """Return n, or 2 where FAST=1 asks for a quick look: tests set it, readers never see it."""
    return min(n, 2) if FAST else n


def seed_everything(seed):
    """Seed torch (weights, sampling) and random (the offset at which d2l's minibatches start)."""
    torch.manual_seed(seed)
    random.seed(seed)


def require(condition, name, value, allowed):
    """Raise ValueError that names the argument, its value and what is allowed, unless the condition holds."""
    if not condition:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")


def seconds_each(forms, rounds):
    """Time functions side by side: {name: function} -> {name: seconds of each round}, a list of so many.

    They take turns, after one round to warm up, so that a machine busy with other work disturbs all of them alike.
    """
    seconds = {name: [] for name in forms}
    for turn in range(rounds + 1):
        for name, form in forms.items():
            started = time.perf_counter()
            form()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def _is_count(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= 1


# ------------------------------------------------------------------------------------------------------ 2  Data

_EMBEDDED_SHA256 = "124084573ad7c355a60f71ed1a9e306746f46c454bd0c448df605095454265d8"
_D2L_LETTERS, _ANY_LETTERS = "[^A-Za-z]+", r"[\W\d_]+"  # what is not a letter, as D2L sees it and in any script


class Corpus(NamedTuple):
    """Text as token indices: `train` and `held_out` are disjoint LongTensors, `vocab` a d2l.Vocab of characters."""

    train: torch.Tensor  # (max_tokens,)
    held_out: torch.Tensor  # (held_out_tokens,)
    vocab: d2l.Vocab
    source: str


def _embedded_text():
    """Return The Time Machine (Project Gutenberg #35), which the package word-text-counter carries."""
    file = importlib.resources.files("word_text_counter") / "data" / "time_machine.txt"
    text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    text = re.sub(r"\A.*?\*\*\* START [^\n]*\n|\*\*\* END .*\Z", "", text, flags=re.DOTALL).strip() + "\n"
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != _EMBEDDED_SHA256:
        raise ValueError(
            f"the embedded text has SHA-256 {found} instead of {_EMBEDDED_SHA256}: "
            "install it again with  pip install --force-reinstall --no-deps word-text-counter==0.3.0"
        )
    return text


def _clean(text, not_a_letter):
    """Return the text's lines in lower case, every run of other characters made one space (D2L's cleaning)."""
    return [re.sub(not_a_letter, " ", line).strip().lower() for line in text.splitlines()]


def load_corpus(source="embedded", *, max_tokens=10_000, held_out_tokens=5_000):
    """Load a text as character indices: `max_tokens` to train on and the next `held_out_tokens`, never trained on.

    source: "embedded" (The Time Machine, offline), "d2l" (D2L's own edition, fetched once) or the path of any UTF-8
    text, of which letters in any script are kept. As in D2L, lines are joined without a space.
    Returns a Corpus whose `.train` is (max_tokens,) and `.held_out` (held_out_tokens,).
    Raises ValueError for a text that is empty, too short or not UTF-8, or whose checksum is wrong.
    """
    require(_is_count(max_tokens), "max_tokens", max_tokens, "a whole number of at least 1")
    require(_is_count(held_out_tokens), "held_out_tokens", held_out_tokens, "a whole number of at least 1")
    if source == "embedded":
        lines = d2l.read_time_machine()
    elif source == "d2l":
        lines = _clean(Path(download("time_machine")).read_text(encoding="utf-8"), _D2L_LETTERS)
    else:
        try:
            lines = _clean(Path(source).read_text(encoding="utf-8-sig"), _ANY_LETTERS)
        except UnicodeDecodeError as error:
            raise ValueError(f"source must be UTF-8 text, but {source} is not ({error}): save it as UTF-8") from error
    tokens = [character for line in lines for character in line]
    needed = max_tokens + held_out_tokens
    require(
        len(tokens) >= needed,
        "source",
        str(source),
        f"a text of at least max_tokens + held_out_tokens = {needed:,} letters and spaces, not {len(tokens):,}",
    )
    vocab = d2l.Vocab(tokens)
    ids = torch.tensor(vocab[tokens[:needed]])
    return Corpus(ids[:max_tokens], ids[max_tokens:], vocab, str(source))


class Batches:
    """Minibatches (X, Y) of a long text, partitioned in sequence as D2L does: row i of a minibatch goes on where
    row i of the one before ended, so that a hidden state can be carried over. Y is X one step later.

    ids: LongTensor (tokens,); X and Y: (batch_size, num_steps). Every pass starts at another random offset.
    Unlike d2l's iterator it has a seed of its own, so that a run in the background can be repeated.
    """

    def __init__(self, ids, batch_size=32, num_steps=35, seed=0):
        require(_is_count(batch_size), "batch_size", batch_size, "a whole number of at least 1")
        require(_is_count(num_steps), "num_steps", num_steps, "a whole number of at least 1")
        needed = batch_size * num_steps + num_steps + 1
        require(len(ids) >= needed, "ids", len(ids), f"at least {needed:,} tokens for {batch_size} x {num_steps}")
        self.ids, self.batch_size, self.num_steps, self.random = ids, batch_size, num_steps, random.Random(seed)

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


# -------------------------------------------------------------------------------------------------- 3  Training


def enlarge_weights(model):
    """Draw the weights at both ends of a d2l.RNNModel anew, larger, in place; return the model.

    What reads the one-hot inputs, (4h, d) in an LSTM and in both directions of a bidirectional network, is drawn from
    U(-2, 2), and the output layer's weights (q, h) from U(-1/2, 1/2). torch draws both from U(-h^-1/2, h^-1/2), right
    for sums of h terms; but a one-hot input has one, and all characters would look nearly alike. Lesson 3 measures it.
    """
    for name, weights in model.rnn.named_parameters():
        if name.startswith("weight_ih_l0"):
            torch.nn.init.uniform_(weights, -2, 2)
    torch.nn.init.uniform_(model.linear.weight, -0.5, 0.5)
    return model


class EpochRecord(NamedTuple):
    """What `fit` yields after every epoch: training and held-out perplexity (None without held-out text)."""

    epoch: int
    perplexity: float
    held_out: float | None
    tokens_per_sec: float


def fit(model, train_iter, *, lr, num_epochs, optimizer="sgd", held_out=None, clip=1.0, device=None, carry="forward"):
    """Train a language model; a generator that yields one EpochRecord per epoch. To stop, cease to ask.

    model: an nn.Module with d2l's forward(inputs, state) -> (logits (T * n, q), state) and begin_state(batch_size,
    device). train_iter: any iterable of (X, Y), both (n, T), walked once per epoch. optimizer: "sgd" or "adam".
    held_out: token indices to score after each epoch, or None. clip: the norm that gradients are cut to, or None.
    device: where to train, None for where the model is. carry: what the next minibatch inherits of the state:
    "forward" (only the forward direction's: the backward direction's past is the text's future), "d2l" (both, as
    d2l.train_ch8 does) or "none" (for minibatches in random order).

    Raises ValueError for a bad argument and FloatingPointError at the first loss that is not finite.
    Source: D2L's training loop of its chapter on RNNs (d2l.train_ch8), with which it agrees number by number.
    """
    require(isinstance(lr, (int, float)) and 0 < lr < math.inf, "lr", lr, "a positive number")
    require(_is_count(num_epochs), "num_epochs", num_epochs, "a whole number of at least 1")
    require(optimizer in ("sgd", "adam"), "optimizer", optimizer, '"sgd" or "adam"')
    require(clip is None or clip > 0, "clip", clip, "a positive number or None")
    require(carry in ("forward", "d2l", "none"), "carry", carry, '"forward", "d2l" or "none"')
    if device is None:
        device = next(model.parameters()).device
    model.to(device)
    updater = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](model.parameters(), lr)
    return _fit(model, train_iter, num_epochs, updater, held_out, clip, device, carry)


def _fit(model, train_iter, num_epochs, updater, held_out, clip, device, carry):
    loss_fn, lr = torch.nn.CrossEntropyLoss(), updater.param_groups[0]["lr"]
    for epoch in range(1, num_epochs + 1):
        model.train()
        state, total_loss, tokens, started = None, 0.0, 0, time.perf_counter()
        for X, Y in train_iter:
            if state is None:
                state = model.begin_state(batch_size=X.shape[0], device=device)
            logits, state = model(X.to(device), state)  # (T * n, q)
            loss = loss_fn(logits, Y.T.reshape(-1).to(device).long())
            value = loss.item()
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss became {value} in epoch {epoch}: the training diverges. "
                    f"Lower lr (now {lr:g}) or clip (now {clip}), and start anew"
                )
            updater.zero_grad()
            loss.backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            updater.step()
            state = _carried(state, carry, getattr(model, "num_directions", 1))
            total_loss, tokens = total_loss + value * Y.numel(), tokens + Y.numel()
        if not tokens:
            raise ValueError("train_iter must yield at least one minibatch, got none: the text is too short")
        speed = tokens / (time.perf_counter() - started)
        score = None if held_out is None else perplexity(model, held_out, X.shape[1])
        yield EpochRecord(epoch, _exp(total_loss / tokens), score, speed)


def _carried(state, carry, num_directions):
    """Return what the next minibatch starts from; layers' directions alternate in dimension 0, forward first."""
    if carry == "none":
        return None
    if isinstance(state, tuple):
        return tuple(_carried(s, carry, num_directions) for s in state)
    state = state.detach()
    if carry == "forward" and num_directions == 2:
        state = state.clone()
        state[1::2] = 0
    return state


def _exp(loss):
    return math.exp(loss) if loss < 700 else math.inf  # a double ends near e^709


# ------------------------------------------------------------------------------------ 4  Scoring and generation


@contextlib.contextmanager
def _evaluating(model):
    """Run a block without gradients and with dropout off, and put the model back into its mode afterwards."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield next(model.parameters()).device
    finally:
        model.train(was_training)


def _window_losses(model, ids, num_steps, prefix_only):
    """Cross-entropy in nats of every position of every window, (windows, num_steps); each window starts afresh."""
    require(_is_count(num_steps), "num_steps", num_steps, "a whole number of at least 1")
    require(len(ids) > num_steps, "ids", len(ids), f"at least num_steps + 1 = {num_steps + 1} tokens")
    windows = (len(ids) - 1) // num_steps
    X = ids[: windows * num_steps].reshape(windows, num_steps)
    Y = ids[1 : windows * num_steps + 1].reshape(windows, num_steps)
    losses = torch.empty(windows, num_steps)
    with _evaluating(model) as device:
        for i in range(0, windows, 32):  # small portions: little memory, and a run can be stopped between them
            x, y = X[i : i + 32].to(device), Y[i : i + 32].to(device)
            n = len(x)

            def logits_of(x, n=n):
                logits, _ = model(x, model.begin_state(batch_size=n, device=device))
                return logits.reshape(x.shape[1], n, -1)  # (T, n, q)

            if prefix_only:
                logits = torch.cat([logits_of(x[:, : t + 1])[-1:] for t in range(num_steps)])
            else:
                logits = logits_of(x)
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), y.T.flatten().long(), reduction="none")
            losses[i : i + 32] = loss.reshape(num_steps, n).T
    return losses


def perplexity(model, ids, num_steps=35, *, prefix_only=False):
    """Return the perplexity of a text that is cut into windows of num_steps tokens, each from a zero state.

    ids: LongTensor (tokens,); what is left after the last whole window is not scored. prefix_only: predict each
    position from a network that has been given nothing but the tokens up to it, so that no future can leak in
    (about num_steps / 2 times slower); for a unidirectional model both ways give the same number.
    Raises ValueError for a text shorter than one window.
    """
    return _exp(_window_losses(model, ids, num_steps, prefix_only).double().mean().item())


def perplexity_by_position(model, ids, num_steps=35):
    """Return the perplexity at each position of the window, (num_steps,), the whole window in sight."""
    return _window_losses(model, ids, num_steps, prefix_only=False).double().mean(0).exp()


def generate(model, vocab, prefix, num_preds, *, temperature=0.0, reencode=False, generator=None):
    """Return the prefix and num_preds characters that the model writes after it.

    temperature: 0 takes the likeliest character (as d2l.predict_ch8), above 0 samples from softmax(logits /
    temperature) with the torch.Generator given. reencode: read the whole text anew for every character instead of
    carrying the state from one to the next; for a unidirectional model both give the same text.
    Raises ValueError for an empty prefix, a character outside the vocabulary or a negative temperature.
    """
    require(isinstance(prefix, str) and prefix, "prefix", prefix, "a text of at least one character")
    unknown = [c for c in prefix if c not in vocab.token_to_idx]
    known = "".join(sorted(vocab.idx_to_token[1:]))[:40]
    require(not unknown, "prefix", prefix, f"made of the vocabulary's characters ({known!r})")
    require(
        isinstance(num_preds, numbers.Integral) and num_preds >= 0,
        "num_preds",
        num_preds,
        "a whole number of at least 0",
    )
    require(0 <= temperature < math.inf, "temperature", temperature, "a number of at least 0")
    ids = [vocab[c] for c in prefix]
    with _evaluating(model) as device:

        def read(tokens, state):
            return model(torch.tensor([tokens], device=device), state)  # logits: (len(tokens), q)

        zero = model.begin_state(batch_size=1, device=device)
        state = zero
        if not reencode:
            for i in ids[:-1]:
                _, state = read([i], state)
        for _ in range(num_preds):
            logits, state = read(ids, zero) if reencode else read(ids[-1:], state)
            if temperature == 0:
                next_id = logits[-1].argmax().item()
            else:
                p = torch.softmax(logits[-1].cpu() / temperature, dim=0)
                next_id = torch.multinomial(p, 1, generator=generator).item()
            ids.append(next_id)
    return prefix + "".join(vocab.to_tokens(ids[len(prefix) :]))


# --------------------------------------------------------------------------------------------- 5  Recorded runs


class Run(NamedTuple):
    """A training that was run in full and kept: one EpochRecord per epoch, what the model wrote, and where it ran."""

    records: list
    generated: list
    about: dict  # origin ("recorded run" or "this run"), seed, seconds, device, machine, versions

    def __str__(self):
        last, about = self.records[-1], self.about
        where = f"{about['machine']}, {about['versions']}, seed {about['seed']}"
        speed = f"perplexity {last.perplexity:.1f}, {last.tokens_per_sec:,.0f} tokens/sec on {about['device']}"
        head = f"{about['origin']}: {last.epoch} epochs in {about['seconds']:.0f} s ({where})"
        return "\n".join([head, speed, *self.generated])


@contextlib.contextmanager
def recording(name, held_out):
    """While the block runs d2l.train_ch8, keep what it does in a Run: each epoch's numbers and the last two lines.

    name: the run is written to assets/runs/<name>.json, if FULL=1 was set.
    held_out: token indices that are scored after each epoch; d2l's numbers, times and random state do not notice.
    Source: d2l.train_ch8 calls d2l.train_epoch_ch8 and d2l.predict_ch8 by name, so wrapping those two is enough.
    """
    train_epoch, predict = d2l.train_epoch_ch8, d2l.predict_ch8
    run, scoring = Run([], [], {"origin": "this run", "seed": torch.initial_seed()}), 0.0

    def train_epoch_and_keep(net, *args):
        nonlocal scoring
        result = train_epoch(net, *args)
        started = time.perf_counter()
        run.records.append(EpochRecord(len(run.records) + 1, result[0], perplexity(net, held_out), result[1]))
        scoring += time.perf_counter() - started
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
    about = {"seconds": round(time.perf_counter() - started - scoring, 1)} | _about_this_machine()
    run.about.update(about)
    columns = {key: [float(f"{getattr(r, key):.5g}") for r in run.records] for key in EpochRecord._fields}
    _keep(name, {"about": run.about, "generated": run.generated, **columns})


def _about_this_machine():
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "machine": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} CPU threads",
        "versions": f"torch {torch.__version__}, d2l 0.17.0, Python {platform.python_version()}",
    }


def _keep(name, run):
    """Write a run to assets/runs/<name>.json if FULL=1 was set; a GPU alone overwrites nothing."""
    if os.environ.get("FULL") == "1":
        text = json.dumps(run | {"about": run["about"] | {"origin": "recorded run"}})
        (ROOT / "assets" / "runs" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _read_run(name):
    path = ROOT / "assets" / "runs" / f"{name}.json"
    require(path.exists(), "name", name, f"one of {sorted(p.stem for p in path.parent.glob('*.json'))}")
    return json.loads(path.read_text(encoding="utf-8"))


def load_run(name):
    """Return the Run kept under assets/runs/<name>.json; ValueError if there is none."""
    run = _read_run(name)
    rows = zip(*(run[key] for key in EpochRecord._fields), strict=True)
    return Run([EpochRecord(int(epoch), *rest) for epoch, *rest in rows], run["generated"], run["about"])


def recorded(name, compute):
    """Return what a sweep found when it was recorded; with FULL=1 in the environment run it, and record it anew.

    name: the result is kept in assets/runs/<name>.json; compute: a function that returns a list of rows of numbers.
    Returns (rows, about), where about["origin"] is "this run" or "recorded run". A GPU alone runs nothing here: a
    sweep takes minutes there as well.
    """
    if FAST or os.environ.get("FULL") != "1":
        run = _read_run(name)
        return run["rows"], run["about"]
    started = time.perf_counter()
    rows = [list(row) for row in compute()]
    seconds = round(time.perf_counter() - started, 1)
    about = {"origin": "this run", "seconds": seconds} | _about_this_machine()
    _keep(name, {"about": about, "rows": rows})
    return rows, about


# --------------------------------------------------------------------------------------------------- 6  Display

# What ipywidgets leaves without a name for screen readers: the handles of sliders, the buttons of Play, and images
# (their words stand in a hidden element beside them). Its focus is hard to see. And Notebook 7 takes the arrow keys,
# Enter and Space away from a widget for its own shortcuts, unless told not to.
_ACCESSIBLE = """
if (!window.nameBookWidgets) {
  window.nameBookWidgets = () => {
    for (const handle of document.querySelectorAll(".widget-slider .noUi-handle:not([aria-label])")) {
      const label = handle.closest(".widget-slider").querySelector(".widget-label");
      if (label) handle.setAttribute("aria-label", label.textContent);
    }
    for (const play of document.querySelectorAll(".widget-play"))
      play.querySelectorAll("button").forEach((button, i) =>
        button.setAttribute("aria-label", ["Play or pause", "Back to the start", "Repeat"][i]));
    for (const words of document.querySelectorAll(".book-words"))
      for (const image of words.parentElement.querySelectorAll("img")) image.alt = words.textContent.trim();
  };
  new MutationObserver(window.nameBookWidgets).observe(document.body, {childList: true, subtree: true});
  window.addEventListener("keydown", event => {
    const ours = /^(Arrow.*|Enter| )$/.test(event.key) && !event.shiftKey && !event.ctrlKey;
    if (event.target.closest?.(".jupyter-widgets")) event.target.toggleAttribute("data-lm-suppress-shortcuts", ours);
  }, true);
  const widgets = ":is(#stronger-than-a-class, .jupyter-widgets)";
  document.head.insertAdjacentHTML("beforeend",
    `<style>${widgets} :focus-visible { outline: 3px solid #0072b2 !important; outline-offset: 1px }</style>`);
}
window.nameBookWidgets();
"""


def show(widget, png, text):
    """Display a widget that GitHub and nbconvert show as a picture; return the display handle.

    png: bytes of the picture; text: the words for readers who see neither. One output holds all three.
    """
    display({"application/javascript": _ACCESSIBLE}, raw=True)
    data, metadata = bundle(widget, png, text)
    return display(data, metadata=metadata, raw=True, display_id=True)


def bundle(widget, png, text):
    """Return the mime bundle of `show` and its metadata: a live widget, a picture and a text."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    data, metadata = _picture(png, text)
    return {"application/vnd.jupyter.widget-view+json": view} | data, metadata


def _picture(png, alt, scale=80 / 110):
    """Return the mime bundle and the metadata of a picture; scale: pixels on the page for one of the PNG.

    It is there twice: as HTML, because only that has an alt text in Jupyter, and as PNG for pages that are stored.
    """
    width, height = (round(scale * pixels) for pixels in Image.open(io.BytesIO(png)).size)
    data, size = base64.b64encode(png).decode(), f'width="{width}" height="{height}"'
    img = f'<img class="book-figure" {size} alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
    metadata = {"image/png": {"width": width, "height": height, "alt": alt}}
    return {"text/html": img, "image/png": data, "text/plain": alt}, metadata


class _Figure(Figure):
    """A matplotlib Figure that a cell shows as `to_png` draws it, sharper and smaller than Jupyter's own way."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return _picture(to_png(self), describe(self))


if shell := get_ipython():
    for mime in ("image/png", "image/svg+xml"):  # matplotlib's own, and what d2l asks for
        shell.display_formatter.formatters[mime].for_type(_Figure, lambda figure: None)


def describe(figure):
    """Return in words what a matplotlib Figure shows: titles, axes, the ends of each named line, and its texts."""
    words, texts = [], []
    for axes in figure.axes:
        texts += [text.get_text() for text in axes.texts]
        words += [axes.get_title(), " over ".join(filter(None, (axes.get_ylabel(), axes.get_xlabel())))]
        for line in axes.lines:
            x, y = line.get_data()
            if len(x) and not line.get_label().startswith("_"):
                ends = f"{y[0]:.3g} at {x[0]:.3g}, {y[-1]:.3g} at {x[-1]:.3g}"
                words.append(f"{line.get_label()}: {ends if min(y) < max(y) else f'{y[0]:.3g} throughout'}")
    words.append(", ".join(filter(None, texts[:40])))
    return re.sub(r"[$\\{}]", "", ". ".join(filter(None, words))).replace("\n", ", ")


def new_figure(width, height, *, columns=1, bare=False):
    """Return (Figure, Axes) of a size in inches, 80 pixels each on the page; no pyplot, so it may be drawn anywhere.

    columns: for more than one, an array of so many Axes side by side, with one y axis. bare: axes without frame and
    ticks that fill the figure, for a drawing; it is redrawn in a third of the time.
    """
    if bare:
        figure = _Figure(figsize=(width, height), dpi=80)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        return figure, axes
    figure = _Figure(figsize=(width, height), dpi=80, layout="constrained")
    return figure, figure.subplots(1, columns, sharey=True)


def to_png(figure):
    """Return a matplotlib Figure as the bytes of a PNG, a little sharper than the 80 pixels an inch it is shown at."""
    figure.set_dpi(110)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return _compress(canvas)


def _compress(canvas):
    """Return a drawn canvas as the bytes of a PNG of 64 colours: a third of the size, sent and stored often."""
    buffer, image = io.BytesIO(), Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    image.quantize(64, method=Image.Quantize.FASTOCTREE).save(buffer, "png", compress_level=3)
    return buffer.getvalue()


def _words():
    """Return a hidden widget whose text becomes the alt text of the image beside it."""
    words = W.HTML(layout={"display": "none"})
    words.add_class("book-words")
    return words


def explore(draw, *, play=None, **controls):
    """Show the Figure that draw(**values) returns, redrawn in place whenever one of the controls moves.

    draw: a function of the controls' values, fast enough to follow a slider (0.1 s); it may return (Figure, table) to
    put a `table` below the figure. play: the name of a slider that gets a Play button. controls: ipywidgets by the
    name of draw's argument. An exception in draw is shown below the controls, and the last good figure stays.
    """
    image, words, message, below = W.Image(format="png"), _words(), W.Label(layout={"height": "28px"}), W.HTML()
    image.add_class("book-figure")
    subject = (draw.__doc__ or "").partition("\n")[0]

    def redraw(_=None):
        try:
            drawn = draw(**{name: control.value for name, control in controls.items()})
            figure, text = drawn if isinstance(drawn, tuple) else (drawn, None)
        except Exception as error:
            message.value = f"{type(error).__name__}: {error}"
        else:
            image.value, message.value = to_png(figure), ""
            image.width, image.height = (str(int(inches * 80)) for inches in figure.get_size_inches())
            words.value = html.escape(f"{subject} {describe(figure)}")
            below.value = text.data if text else ""
            del drawn, figure
            gc.collect(1)  # frees the figure, in 1 ms; left to gather, figures stop a slider for 0.1 s now and then

    for control in controls.values():
        control.observe(redraw, "value")
    redraw()
    row = list(controls.values())
    if play:
        slider = controls[play]
        player = W.Play(value=slider.value, min=slider.min, max=slider.max, interval=800)
        W.jslink((player, "value"), (slider, "value"))
        W.jslink((player, "max"), (slider, "max"))
        row.insert(row.index(slider), player)
    row = W.HBox(row, layout={"flex_flow": "row wrap"})
    show(W.VBox([row, message, W.Box([image, words]), below]), image.value, html.unescape(words.value))


def show_figure(name):
    """Show one of the book's drawings, whose words stand below it. name: a file's in assets/figures."""
    path = ROOT / "assets" / "figures" / f"{name}.png"
    require(path.exists(), "name", name, f"one of {sorted(p.stem for p in path.parent.glob('*.png'))}")
    data, metadata = _picture(path.read_bytes(), "a drawing; its words stand below it", scale=1 / 2)
    display(data, metadata=metadata, raw=True)


def table(head, rows):
    """Return an IPython HTML object: a table with a line of headings and any number of rows, all shown as text."""
    header = "".join(f'<th scope="col">{html.escape(str(x))}</th>' if x != "" else "<td></td>" for x in head)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(str(x))}</td>' for x in row)}</tr>" for row in rows)
    style = ".book-table :is(th, td) { padding: 0 6px; white-space: nowrap; font-size: 12px; line-height: 1.5 }"
    return HTML(
        f'<style>{style}</style><table class="book-table"><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>'
    )


def shorten(perplexity):
    """Return a perplexity as text: two decimals, or a power of ten where it has run away."""
    return f"{perplexity:.2f}" if perplexity < 1000 else f"{perplexity:.0e}"


def check(answer, expected, because):
    """Say whether an exercise's answer is right, and why; None for none yet.

    expected: a whole number, met exactly; another number, to a thousandth; a text; or a tuple such as a shape. The
    answer may also be a list, a tensor or an array.
    """
    if hasattr(answer, "tolist"):  # a tensor or an array, of one number or of several
        answer = answer.reshape(-1).tolist()
        answer = answer[0] if len(answer) == 1 else answer
    if isinstance(expected, tuple) and isinstance(answer, (tuple, list)):
        answer = tuple(answer)
    numeric = all(isinstance(x, numbers.Real) for x in (answer, expected))
    tolerance = 0 if isinstance(expected, int) else 1e-3  # what is counted is counted exactly
    if answer is None:
        print("not yet: put your answer in place of None and run this cell again")
    elif (
        math.isclose(answer, expected, rel_tol=tolerance)
        if numeric
        else type(answer) is type(expected) and answer == expected
    ):
        print(f"right, because {because}")
    else:
        print(f"not yet: {answer!r} is not it; try again")


class LivePlot:
    """Perplexity over epochs on a log scale, one image replaced in place: solid for training, dashed for held-out.

    num_epochs: the right end of the axis. Curves are told apart by number and line style as well as by colour.
    xlabel, ylabel, lines: the words to use when other things than these are plotted; a record is any tuple that begins
    with x, y of the solid line, y of the dashed line (or None).
    No pyplot, which is not made for threads; drawing takes about 2.5 % of the time of the thread that calls `add`.
    """

    COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito's
    WIDTH, HEIGHT = 720, 320  # pixels on the page
    PAUSE = 40  # after drawing for a second, draw nothing for so many

    def __init__(
        self,
        num_epochs,
        title="",
        *,
        xlabel="epoch",
        ylabel="perplexity",
        lines=("training", "held-out"),
        ylim=(0.93, 33),
    ):
        self.num_epochs, self.curves, self.due, self.ylim = num_epochs, [], 0.0, ylim
        self.labels, self.names = [], lines
        self.figure = Figure(figsize=(self.WIDTH / 80, self.HEIGHT / 80), dpi=110)
        self.canvas, self.frame, self.background = FigureCanvasAgg(self.figure), None, None
        self.axes = self.figure.add_axes((0.07, 0.14, 0.71, 0.78), xlabel=xlabel, ylabel=ylabel, title=title)
        self.axes.set_yscale("log")
        self.axes.set_yticks([0.01, 0.03, 0.1, 0.3, 1, 2, 3, 5, 10, 20, 30, 50, 100, 300, 1000])
        self.axes.minorticks_off()
        self.axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        self.axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        self.axes.grid(True, linewidth=0.5, alpha=0.6)
        for style, name in zip(("-", "--"), lines, strict=True):
            self.axes.plot([], [], style, color="0.4", label=name)
        self.image, self.words = W.Image(format="png", width=self.WIDTH, height=self.HEIGHT), _words()
        self.image.add_class("book-figure")
        self.draw()

    def start(self, label, linewidth=1.5):
        """Begin a new curve, numbered from 1 and named in the legend; `add` extends it."""
        colour = self.COLOURS[len(self.curves) % len(self.COLOURS)]
        number = len(self.curves) + 1
        look = {"color": colour, "linewidth": linewidth}
        self.axes.plot([], [], "-", label=f"{number}  {label}", **look)  # for the legend: it has no marker
        lines = [self.axes.plot([], [], style, **look)[0] for style in ("-", "--")]
        ends = [self.axes.text(1, 1, "", color=colour, va="center", clip_on=True) for _ in range(2)]
        self.curves.append(([], lines, ends))
        self.labels.append(f"{number} {label}")
        self.due = 0.0

    def add(self, record, curve=-1):
        """Add an EpochRecord to a curve (the newest); redraw unless that would take too much of the time.

        Returns whether it was redrawn.
        """
        records, lines, ends = self.curves[curve]
        number = range(1, len(self.curves) + 1)[curve]
        records.append(record)
        x, self.num_epochs = [r[0] for r in records], max(self.num_epochs, record[0])
        for i, (line, end) in enumerate(zip(lines, ends, strict=True), start=1):
            y = [r[i] for r in records]
            if y[0] is not None:
                line.set_data(x, y)
                line.set_marker("o" if len(y) == 1 else "")
                end.set_text(f" {number}")
                low, high = self.ylim
                self.ylim = (y[-1] / 1.5 if 0 < y[-1] < low else low, max(high, 1.1 * min(y[-1], 1000)))
        due = time.monotonic() >= self.due
        if due:
            self.draw()
        return due

    def draw(self):
        """Draw everything now and put it into the image widget."""
        started = time.perf_counter()
        moving = [artist for _, lines, ends in self.curves for artist in (*lines, *ends)] + [self.axes.title]
        frame = (self.num_epochs, self.ylim, len(self.curves))
        if frame != self.frame:  # axes, grid and legend are drawn anew only when they change: that is most of the work
            self.axes.set(xlim=(0, self.num_epochs * 1.03), ylim=self.ylim)
            self.axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize="small", frameon=False)
            for artist in moving:
                artist.set_animated(True)  # not part of the background
            self.canvas.draw()
            self.frame, self.background = frame, self.canvas.copy_from_bbox(self.figure.bbox)
        self._number_the_ends()
        self.canvas.restore_region(self.background)
        for artist in moving:
            self.axes.draw_artist(artist)
        self.image.value = _compress(self.canvas)
        self.words.value = html.escape(self.describe())
        self.due = time.monotonic() + max(0.3, self.PAUSE * (time.perf_counter() - started))

    def _number_the_ends(self):
        """Put each curve's number at its end, a line of text above another one that would be covered."""
        to_pixels, taken = self.axes.transData, []
        ends = [
            pair for _, lines, ends in self.curves for pair in zip(lines, ends, strict=True) if len(pair[0].get_xdata())
        ]
        for line, end in sorted(ends, key=lambda pair: pair[0].get_ydata()[-1]):
            x, y = to_pixels.transform([values[-1] for values in line.get_data()])
            y = max([y, *(below + 15 for left, below in taken if abs(left - x) < 20)])
            taken.append((x, y))
            end.set_position(to_pixels.inverted().transform((x, y)))

    def describe(self):
        """Return in words what the plot shows: for each curve its newest point."""
        words = [self.axes.get_title(), f"{self.axes.get_ylabel()} over {self.axes.get_xlabel()}"]
        for label, (records, *_) in zip(self.labels, self.curves, strict=True):
            if records:
                x, *values = records[-1][:3]
                ends = [f"{name} {y:.3g}" for name, y in zip(self.names, values, strict=True) if y is not None]
                words.append(f"{label}: {', '.join(ends)} at {x:.3g}")
        return ". ".join(filter(None, words)).replace("\n", ", ")

    def follow(self, records, label):
        """Show the plot, draw the records of `fit` (or of a Run) as they come, and return them as a list.

        The title tells how far the training is. At the end a plain picture takes the live one's place, so that it
        is still there when the notebook is saved and opened again. Interrupting the kernel keeps the curve.
        """
        return self.race({label: records})[label]

    def race(self, trainings, linewidths=()):
        """`follow` several trainings, {label: records}, at once: an epoch of each in turn; return {label: list}.

        linewidths: one for each curve, such as (5, 1.5) where they may lie on each other.
        """
        title, first, box = self.axes.get_title(), len(self.curves), W.Box([self.image, self.words])
        handle = show(box, self.image.value, self.describe())
        for label, linewidth in itertools.zip_longest(trainings, linewidths, fillvalue=1.5):
            self.start(label, linewidth)
        seen, started = {label: [] for label in trainings}, time.monotonic()
        try:
            for turn in itertools.zip_longest(*trainings.values()):
                for curve, (label, record) in enumerate(zip(trainings, turn, strict=True), start=first):
                    if record is not None:  # None: this one has ended before the others
                        seen[label].append(record)
                        left = (time.monotonic() - started) * (self.num_epochs / record[0] - 1)
                        name = f"{self.axes.get_xlabel()} {record[0]} of {self.num_epochs}"
                        self.axes.set_title(f"{name}, {left:.0f} s left")
                        self.add(record, curve)
        finally:
            self.axes.set_title(title)
            self.draw()
            if handle is not None:  # None outside a notebook
                data, metadata = _picture(self.image.value, self.describe())
                handle.update(data, metadata=metadata, raw=True)
        return seen


# ------------------------------------------------------------------------------------------------ 7  Playground

from playground import Playground  # noqa: E402, F401
