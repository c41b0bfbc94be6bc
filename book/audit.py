"""Does a model's prediction use what it is to predict? Three experiments of lesson 6 on any language model.

    swapped future   change x_s; do the logits of a step before s move?
    prefix only      are the logits of step t the same when nothing after t is given?
    gradient         is d o_t / d x_s zero for every s after t?

The first two ask for nothing but the model's answers. The third looks inside, where it can.
"""

import contextlib
import math
from copy import deepcopy
from typing import NamedTuple

from matplotlib.colors import LogNorm
from torch.nn.functional import cross_entropy
from torch.overrides import TorchFunctionMode

from book import is_whole, require
from book.display import _in_notebook, new_figure, picture, to_png
from book.environment import torch
from book.words import mark, say

# Of the logits' spread; rounding stays below it in single precision, with another window's length ten times as large
TOLERANCE = 1e-5
BLIND_SPOTS = mark(
    "Not found this way: text that stands in the training set and in the test set (overlapping windows, say); a "
    "vocabulary, a scaling or a choice that was made with the test text; targets that are shifted wrongly; what a "
    "model does in training mode only, as batch normalisation; and a leak that no change of these windows sets off."
)


@contextlib.contextmanager
def evaluating(model):
    """Run a block without gradients and with dropout off, and put each part back into its mode afterwards."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield next((p.device for p in model.parameters()), torch.device("cpu"))
    finally:
        for part, training in modes:
            part.training = training


class Finding(NamedTuple):
    """What the experiments found on windows of one kind; T: their length, without padding."""

    moved: torch.Tensor  # (T, T): how far the logits of step t moved when x_s was changed, in their spread
    swapped: torch.Tensor  # (T,): the same, when all after t was changed at once
    shorter: torch.Tensor | None  # (T,): the same, when all after t was taken away; None where the model refuses
    gradient: torch.Tensor | None  # (T, T): norm of d o_t / d x_s; None where it could not be had
    perplexity: float  # with the whole window in sight
    prefix_only: float | None

    @property
    def reach(self):
        """How many steps ahead the model reads, at the least; 0 for none."""
        seen = torch.where(self.moved > TOLERANCE, 1, 0)
        if self.gradient is not None:
            seen |= torch.where(self.gradient > TOLERANCE * self.gradient.max(), 1, 0)
        steps = [s - t for t, s in seen.triu(1).nonzero().tolist()]
        return max(steps, default=int((self.swapped > TOLERANCE).any()))

    @property
    def depends_on_length(self):
        """Whether logits change when the steps after them are taken away."""
        return self.shorter is not None and bool((self.shorter > 10 * TOLERANCE).any())

    def __str__(self):
        T = len(self.swapped)
        moves = [t + 1 for t, far in enumerate(self.moved.triu(1).amax(1)) if far > TOLERANCE]
        moves = [t + 1 for t in range(T) if t + 1 in moves or self.swapped[t] > TOLERANCE]
        moving = say("the logits of {count} of {steps} steps move", count=len(moves), steps=T - 1)
        lines = [say("swapped future: {found}", found=moving if moves else say("nothing moves"))]
        if self.shorter is None:
            lines.append(say("prefix only: not tried, for the model reads no shorter windows"))
        else:
            scores = {"whole": self.perplexity, "prefix": self.prefix_only}
            told = say(
                "prefix only: perplexity {whole:.2f} with the whole window, {prefix:.2f} without the future", **scores
            )
            lines.append(told + ("" if self.depends_on_length else say(" (the same logits)")))
        if self.gradient is None:
            lines.append(say("gradient: not tried, for the inputs are neither one-hot vectors nor an embedding"))
        else:
            largest = {"above": self.gradient.triu(1).max().item(), "all": self.gradient.max().item()}
            lines.append(say("gradient: largest above the diagonal {above:.2g}, largest of all {all:.2g}", **largest))
        return "\n".join(lines)


class Report(NamedTuple):
    """What `audit` found. str(report) says it in words, and as a cell's last value it is shown with a picture."""

    plain: Finding
    padded: Finding | None  # on windows that end in padding, if their token was given

    @property
    def leaks(self):
        """Whether a logit depends on what comes after its step."""
        return any(f.reach > 0 or f.depends_on_length for f in self if f is not None)

    @property
    def reach(self):
        """How many steps ahead the model reads, at the least; 0 for none."""
        return max(f.reach for f in self if f is not None)

    def __str__(self):
        if self.reach:
            verdict = say(
                "LEAK: the logits of a step depend on tokens up to {reach} steps after it, or more.", reach=self.reach
            )
            if not self.plain.reach:
                verdict += say(" Only on windows with padding.")
        elif self.leaks:
            verdict = say("LEAK: no later token is read, but the logits depend on how many follow.")
        else:
            verdict = say("No leak found: no logit depends on what comes after its step.")
        parts = [verdict, str(self.plain)]
        if self.padded:
            parts += [say("With padding:"), str(self.padded)]
        return "\n".join([*parts, say(BLIND_SPOTS)])

    def draw(self):
        """Return a Figure: for each step t (downwards) and each token x_s, how far the logits move, or the gradient."""
        maps = [(say("logits moved"), self.plain.moved), (say("gradient"), self.plain.gradient)]
        if self.padded:
            maps += [(say("logits moved, with padding"), self.padded.moved)]
        maps = [(title, values) for title, values in maps if values is not None]
        figure, axes = new_figure(2.9 * len(maps) + 0.4, 3, columns=len(maps))
        for ax, (title, values) in zip([axes] if len(maps) == 1 else axes, maps, strict=True):
            T, top = len(values), max(values.max().item(), 1e-30)
            shown = (values / top).clamp(min=1e-5).numpy()  # what is below is rounding
            ends = (0.5, T + 0.5, T + 0.5, 0.5)
            ax.imshow(shown, cmap="cividis", norm=LogNorm(1e-5, 1), extent=ends, aspect="auto")
            ax.plot((0.5, T + 0.5), (0.5, T + 0.5), color="white", linewidth=1)  # the future lies to the right of it
            ax.set(xlabel=say("token s"), ylabel=say("step t") if title == maps[0][0] else "")
            ax.set_title(title, fontsize=10)
        return figure

    def _repr_pretty_(self, printer, cycle):
        printer.text(str(self))

    def _repr_mimebundle_(self, include=None, exclude=None):
        words = str(self)
        if not _in_notebook():
            return {"text/plain": words}
        data, metadata = picture(to_png(self.draw()), words)
        data["text/html"] = f'<pre style="white-space: pre-wrap">{words}</pre>{data["text/html"]}'
        return data, metadata


def audit(model, windows, pad=None):
    """Try whether a language model's predictions depend on what comes after them; return a Report.

    model: an nn.Module that takes token indices (n, T) and returns logits (n, T, q), or (T, n, q); or with d2l's
    forward(inputs, state) -> (logits (T * n, q), state) and begin_state. The logits of step t are to predict x_{t+1}.
    windows: token indices (n, T), of text on which the model is scored. pad: the index of the padding token; the same
    is then tried on windows whose ends are padding, each of another length, and the verdict is about both.

    About 4 T calls of the model with at most 8 windows, in evaluation mode. Raises ValueError for what is no such
    model, and for one whose logits for the same windows differ from call to call.
    """
    require(isinstance(model, torch.nn.Module), "model", f"{model!r:.60}", say("an nn.Module"))
    try:
        windows = torch.as_tensor(windows)
    except (TypeError, ValueError, RuntimeError):
        require(False, "windows", f"{windows!r:.40}", say("token indices (n, T)"))
    whole = not (windows.is_floating_point() or windows.is_complex() or windows.dtype is torch.bool)
    shape = say("{dtype} of shape {shape}", dtype=windows.dtype, shape=tuple(windows.shape))
    require(whole and windows.dim() == 2, "windows", shape, say("token indices, whole numbers of shape (n, T)"))
    n, T = windows.shape
    require(n >= 1 and T >= 3, "windows", shape, say("at least one window of at least 3 tokens"))
    windows = windows[:8].long().contiguous()
    windows = windows[: n - 1] if len(windows) == T and n > 1 else windows  # n and T shall not be mistaken
    require(
        len(windows.unique()) >= 2, "windows", say("one token only"), say("text with at least two different tokens")
    )
    with evaluating(model) as device:
        asked = _Model(model, len(windows), device)
        plain, padded = _try(asked, windows, None), None
        if pad is not None:
            require(is_whole(pad, least=0), "pad", pad, say("the index of a token"))
            padded = _try(asked, windows, int(pad))
    return Report(plain, padded)


class _Model:
    """A model, asked always in the same way: the logits (n, T, q) for token indices (n, T), with a seed of its own."""

    def __init__(self, model, n, device):
        self.model, self.n, self.device, self.time_first = model, n, device, None

    def __call__(self, X):
        logits, (n, T) = self._answer(X), X.shape
        require(isinstance(logits, torch.Tensor), "logits", type(logits).__name__, say("a tensor"))
        if logits.dim() == 2 and len(logits) == T * n:
            if self.time_first is None:
                self.time_first = self._comes_time_first(X, logits)
            return logits.reshape(T, n, -1).transpose(0, 1) if self.time_first else logits.reshape(n, T, -1)
        shape = tuple(logits.shape)
        fits = len(shape) == 3 and shape[:2] in ((n, T), (T, n))
        require(fits, "logits", shape, say("of shape (n, T, q) = ({n}, {T}, q)", n=n, T=T))
        if self.time_first is None:  # decided on whole windows, which are not as many as they are long
            self.time_first = shape[:2] != (n, T)
        return logits.transpose(0, 1) if self.time_first else logits

    def _comes_time_first(self, X, logits):
        """Whether (T * n, q) is (T, n, q), as d2l's: then a change of the first window moves every n-th row."""
        n, T = X.shape
        changed = torch.cat([X[:1].roll(1, 1), X[1:]])
        moved = (self._answer(changed) != logits).any(-1).cpu()  # (T * n,)
        others = [moved.reshape(T, n)[:, 1:].sum(), moved.reshape(n, T)[1:].sum()]
        return bool(others[0] <= others[1])

    def _answer(self, X):
        X = X.to(self.device)
        with torch.random.fork_rng(devices=[]):  # a model that draws random numbers draws the same ones each time
            torch.manual_seed(0)
            if hasattr(self.model, "begin_state"):
                answer = self.model(X, self.model.begin_state(batch_size=len(X), device=self.device))
            else:
                answer = self.model(X)
        return answer[0] if isinstance(answer, tuple | list) else answer


def _try(asked, windows, pad):
    """Return the Finding on windows (n, T); pad: the token that their ends are filled with, None for none."""
    n, T = windows.shape
    kept = torch.ones(n, T, dtype=torch.bool)  # what is no padding
    if pad is not None:
        lengths = torch.linspace(T - 1, max(2, T // 2), n).round().long()  # (n,): all shorter than T
        kept = torch.arange(T) < lengths[:, None]
    X = torch.where(kept, windows, 0 if pad is None else pad)
    logits, other = asked(X).float(), _others(windows, pad)
    spread = logits[kept].std().clamp(min=1e-12)
    require(bool(logits[kept].isfinite().all()), "logits", "inf, nan", say("finite"))
    same = bool(((asked(X) - logits).abs()[kept] <= TOLERANCE * spread).all())
    require(
        same,
        "model",
        say("one that answers otherwise the second time"),
        say("one that gives the same logits for the same windows each time"),
    )

    def far(theirs, ours, where):
        """The largest difference at each step, in the spread of the logits: (steps,)."""
        difference = (theirs.float() - ours).abs().amax(-1).cpu() / spread.cpu()  # (n, steps)
        difference = difference.nan_to_num(nan=math.inf)  # as from a spread over a single step
        return torch.where(where, difference, 0.0).amax(0)

    moved, swapped = [], torch.zeros(T)
    for s in range(T):
        inside = kept & kept[:, s : s + 1]
        changed = torch.where(inside & (torch.arange(T) == s), other, X)
        moved.append(far(asked(changed), logits, inside))
        if s:
            changed = torch.where(inside & (torch.arange(T) >= s), other, X)
            swapped[s - 1] = far(asked(changed), logits, inside)[:s].max()
    shorter, prefixes = torch.zeros(T), []
    try:
        for t in range(T):
            prefix = asked(X[:, : t + 1])[:, -1:]
            prefixes.append(prefix.float())
            shorter[t] = far(prefix, logits[:, t : t + 1], kept[:, t : t + 1])[0]
        prefixes = torch.cat(prefixes, dim=1)
    except Exception:  # a model of one length only
        shorter = prefixes = None
    target = kept[:, 1:].to(logits.device)

    def perplexity(logits):
        loss = cross_entropy(logits[:, :-1][target], X[:, 1:].to(logits.device)[target])
        return math.exp(min(loss.item(), 700))

    scores = perplexity(logits), None if prefixes is None else perplexity(prefixes)
    return Finding(torch.stack(moved, 1), swapped, shorter, _gradient(asked, X, kept), *scores)


def _others(windows, pad):
    """For every token of the windows another one that occurs in them, and is no padding."""
    tokens = windows.unique()
    tokens = tokens[tokens != pad] if pad is not None else tokens
    require(len(tokens) >= 2, "windows", say("one token only"), say("text with at least two different tokens"))
    place = torch.searchsorted(tokens, windows).clamp(max=len(tokens) - 1)
    step = torch.randint(1, len(tokens), windows.shape, generator=torch.Generator().manual_seed(0))
    other = tokens[(place + step) % len(tokens)]
    return torch.where(other == windows, tokens[(place + step + 1) % len(tokens)], other)


class _Inputs(TorchFunctionMode):
    """While it is active, gives what is made of the token indices X, one-hots or an embedding, a gradient; keeps it."""

    def __init__(self, X):
        super().__init__()
        self.X, self.kept = X, []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", "")
        if name in ("one_hot", "embedding", "__getitem__") and isinstance(made, torch.Tensor):
            for time, X in ((1, self.X), (0, self.X.T)):
                indices = [a for a in args if isinstance(a, torch.Tensor) and a.shape == X.shape]
                whole = [a for a in indices if not a.is_floating_point() and torch.equal(a, X)]
                if whole and made.shape[:2] == X.shape and made.dim() == 3:
                    self.kept.append((time, made.detach().float().requires_grad_()))
                    return self.kept[-1][1].clone()  # of which a model may change parts in place
        return made


@torch.enable_grad()
def _gradient(asked, X, kept):
    """Return the norms of d o_t / d x_s, (T, T), averaged over windows; None if no input with a gradient was found."""
    X, T = X.to(asked.device), X.shape[1]
    try:
        model = deepcopy(asked.model)  # its gradients are its own
        with torch.backends.cudnn.flags(enabled=False), _Inputs(X) as inputs:
            logits = _Model(model, asked.n, asked.device)(X)
    except Exception:  # a model that cannot be copied, or not be differentiated
        return None
    if not inputs.kept or not logits.requires_grad:
        return None
    norms, inside = torch.zeros(T, T), kept.to(logits.device)
    mix = torch.randn(logits.shape[-1], generator=torch.Generator().manual_seed(0)).to(logits)
    for t in range(T):
        score = ((logits[:, t] @ mix) * inside[:, t]).sum()
        found = [made for _, made in inputs.kept]
        gradients = torch.autograd.grad(score, found, retain_graph=True, allow_unused=True)
        for (time, _), gradient in zip(inputs.kept, gradients, strict=True):
            if gradient is not None:
                norm = (gradient if time == 1 else gradient.transpose(0, 1)).norm(dim=-1)  # (n, T)
                norms[t] += torch.where(inside, norm, 0.0).mean(0).cpu()
    return norms
