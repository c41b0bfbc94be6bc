"""A prediction that is made, not only asked for: a guess is committed first, then the result appears with it.

Three kinds: a number (a slider), a choice, and a curve (a slider for each of a few places). A stored page folds the
result behind its question, and Run All goes on without waiting for anybody.
"""

import html
import math
from statistics import mean

import ipywidgets as W
from IPython.display import display
from matplotlib.figure import Figure

from book import is_number, require
from book.display import BLUE, VERMILION, _in_notebook, describe, hidden_words, new_figure, picture, to_png
from book.display import show as show_live
from book.words import mark, say

FOLD = mark("the result, folded away: make up your mind first")
GIVE_UP = mark("Show the result")


def guess(question, answer, *, between=None, choices=None, at=None, log=False, labels=("", ""), because="", show=None):
    """Ask for a guess; when it is committed, show the result with the guess on it, and how far off it was.

    question: a text. Of these, one says what is guessed. between: (low, high), the ends of a slider, for a number;
    answer is a number. choices: at least two texts; answer is one of them. at: some x for a curve, each with a slider
    between (low, high); answer is (xs, ys). log: sliders and axis are logarithmic, and a guess is told as a factor.
    labels: what x and y are. because: why it is so, said with the result. show: a function without arguments that
    returns a Figure or a table to be shown with the result. Raises ValueError for an answer of another kind.
    """
    require(isinstance(question, str) and question, "question", question, say("a text"))
    require(show is None or callable(show), "show", show, say("a function without arguments"))
    if choices is not None:
        kind = _Choice(answer, choices)
    else:
        ends = tuple(between) if isinstance(between, tuple | list) else ()
        rising = len(ends) == 2 and all(map(is_number, ends)) and ends[0] < ends[1]
        require(rising, "between", between, say("a pair (low, high) with low < high"))
        require(not log or ends[0] > 0, "between", between, say("above 0 where log is True"))
        kind = _Number(answer, ends, log, labels) if at is None else _Curve(answer, ends, at, log, labels)
    _Question(question, kind, because, show)


class _Choice:
    """One of several texts."""

    def __init__(self, answer, choices):
        texts = isinstance(choices, tuple | list) and all(isinstance(choice, str) for choice in choices)
        require(texts and len(set(choices)) >= 2, "choices", choices, say("at least two different texts"))
        require(answer in choices, "answer", answer, say("one of {names}", names=", ".join(choices)))
        self.answer = answer
        self.control = W.RadioButtons(options=list(choices), value=None, layout={"width": "auto"})
        self.inputs, self.previews = [self.control], []

    def value(self):
        return self.control.value

    def verdict(self, value):
        if value is None:
            return say("It is: {answer}.", answer=self.answer)
        if value == self.answer:
            return say("Right: {answer}.", answer=self.answer)
        return say("You said: {value}. It is: {answer}.", value=value, answer=self.answer)

    def draw(self, value):
        """A choice is told in words."""


class _Number:
    """A number between two ends."""

    def __init__(self, answer, ends, log, labels):
        require(is_number(answer) and math.isfinite(answer), "answer", answer, say("a finite number"))
        require(not log or answer > 0, "answer", answer, say("above 0 where log is True"))
        self.answer, self.ends, self.log, self.labels = float(answer), ends, log, labels
        self.control = _slider(say("your guess"), ends, log, layout={"width": "420px"})
        self.inputs, self.previews = [self.control], []

    def value(self):
        return self.control.value

    def verdict(self, value):
        if value is None:
            return say("It is {answer}.", answer=_short(self.answer))
        told = {"value": _short(value), "answer": _short(self.answer), "off": _off(value, self.answer, self.log)}
        return say("You said {value}, it is {answer}: {off}.", **told)

    def draw(self, value):
        figure, axes = new_figure(6, 1.1, place=(0.05, 0.45, 0.9, 0.1))
        given = [self.answer] if value is None else [self.answer, value]
        low, high = min(*self.ends, *given), max(*self.ends, *given)
        for x, name, colour, marker in zip(
            given, (say("result"), say("your guess")), (BLUE, VERMILION), "oD", strict=False
        ):
            axes.plot([x], [0], marker, color=colour, markersize=8, linestyle="none", clip_on=False)
            right = x > (math.sqrt(low * high) if self.log else (low + high) / 2)
            style = {"ha": "right" if right else "left", "color": colour, "textcoords": "offset points"}
            axes.annotate(f"{name} {_short(x)}", (x, 0), (0, 8 if colour == BLUE else 22), **style)
        _scale(axes.xaxis, self.log, low, high)
        axes.set(xlim=(low, high), ylim=(0, 1), yticks=[], xlabel=self.labels[1])
        axes.spines[["left", "right", "top"]].set_visible(False)
        return figure


class _Curve:
    """A curve, by its height at a few places."""

    def __init__(self, answer, ends, at, log, labels):
        xs, ys = answer if isinstance(answer, tuple | list) and len(answer) == 2 else ((), ())
        self.xs, self.ys = [float(x) for x in xs], [float(y) for y in ys]
        good = len(self.xs) == len(self.ys) >= 2 and all(map(math.isfinite, self.ys)) and (not log or min(self.ys) > 0)
        require(good, "answer", f"{answer!r:.60}", say("a pair (xs, ys) of as many finite numbers, above 0 if log"))
        self.at, self.ends, self.log, self.labels = [float(x) for x in at], ends, log, labels
        within = all(min(self.xs) <= x <= max(self.xs) for x in self.at) and self.at == sorted(set(self.at))
        require(2 <= len(self.at) <= 8 and within, "at", at, say("2 to 8 different places on the curve, in order"))
        middle = math.sqrt(ends[0] * ends[1]) if log else (ends[0] + ends[1]) / 2
        name = labels[0].split()[-1] if labels[0] else "x"
        layout = {"width": "auto", "min_width": "80px", "height": "170px", "margin": "2px 5px"}  # as wide as its label
        tall = {"orientation": "vertical", "layout": layout}
        self.sliders = [_slider(f"{name} = {_short(x)}", ends, log, middle, **tall) for x in self.at]
        self.preview, self.words = W.Image(format="png", width="560", height="208"), hidden_words()
        self.preview.add_class("book-figure")
        for slider in self.sliders:
            slider.observe(self._redraw, "value")
        self._redraw()
        self.inputs, self.previews = self.sliders, [W.Box([self.preview, self.words])]

    def _redraw(self, _=None):
        figure = self._axes([self._guessed(self.value())])
        self.preview.value, self.words.value = to_png(figure), html.escape(describe(figure))

    def _guessed(self, value):
        return self.at, value, say("your guess"), VERMILION, "D--"

    def value(self):
        return [slider.value for slider in self.sliders]

    def _answer_at(self, x):
        """The curve's height at x, between two of its points on a straight line."""
        i = next(i for i in range(1, len(self.xs)) if x <= self.xs[i])
        share = (x - self.xs[i - 1]) / (self.xs[i] - self.xs[i - 1])
        return self.ys[i - 1] + share * (self.ys[i] - self.ys[i - 1])

    def verdict(self, value):
        places = {"first": self.ys[0], "last": self.ys[-1], "low": min(self.ys), "high": max(self.ys)}
        places = {name: _short(y) for name, y in places.items()}
        ends = say("It begins at {first} and ends at {last}, between {low} and {high}.", **places)
        if value is None:
            return ends
        pairs = list(zip(value, map(self._answer_at, self.at), strict=True))
        if self.log:
            factor = math.exp(mean(abs(math.log(given / right)) for given, right in pairs))
            return ends + say(" Your guess is off by a factor of {factor} on average.", factor=_short(factor))
        distance = mean(abs(given - right) for given, right in pairs)
        return ends + say(" Your guess is off by {distance} on average.", distance=_short(distance))

    def draw(self, value):
        lines = [(self.xs, self.ys, say("result"), BLUE, "o-" if len(self.xs) < 50 else "-")]
        return self._axes(lines if value is None else [*lines, self._guessed(value)])

    def _axes(self, lines):
        figure, axes = new_figure(7, 2.6, place=(0.13, 0.19, 0.85, 0.78))
        for xs, ys, name, colour, style in lines:
            axes.plot(xs, ys, style, color=colour, markersize=4, label=name)
        heights = [y for _, ys, *_ in lines for y in ys]
        pad = (self.xs[-1] - self.xs[0]) / 50
        low, high = min(self.ends[0], *heights), max(self.ends[1], *heights)
        _scale(axes.yaxis, self.log, low, high)
        axes.set(xlim=(self.xs[0] - pad, self.xs[-1] + pad), ylim=(low, high))
        axes.set(xlabel=self.labels[0], ylabel=self.labels[1])
        axes.legend(loc="best", frameon=False)
        return figure


def _scale(axis, log, low, high):
    """Give an axis from low to high, logarithmic or not, ticks that are written as plain numbers."""
    if log:
        steps = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [m * 10.0**k for k in steps for m in ((1, 2, 5) if len(steps) <= 4 else (1,))]
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_ticks([x for x in ticks if low <= x <= high], [_short(x) for x in ticks if low <= x <= high])
        axis.set_ticks([], minor=True)


def _slider(name, ends, log, value=None, **options):
    """A slider between two ends, as sharp as a hundredth of the way."""
    low, high = ends
    options |= {"description": name, "style": {"description_width": "initial"}, "readout_format": ".3g"}
    if log:
        low, high, value = math.log10(low), math.log10(high), value or math.sqrt(low * high)
        return W.FloatLogSlider(value, base=10, min=low, max=high, step=(high - low) / 100, **options)
    whole = all(float(end).is_integer() for end in ends) and high - low >= 20
    step = max(1, round((high - low) / 100)) if whole else (high - low) / 100
    return W.FloatSlider((low + high) / 2 if value is None else value, min=low, max=high, step=step, **options)


def _short(x):
    """A number in as many digits as one would say."""
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def _off(value, answer, log):
    """How far a guess is from the answer, in words."""
    if _short(value) == _short(answer):
        return say("exactly")
    side = say("too high") if value > answer else say("too low")
    if log and value > 0:
        factor = max(value / answer, answer / value)
        return (
            say("{side} by a factor of {factor:.1f}", side=side, factor=factor) if factor >= 1.05 else say("within 5 %")
        )
    return say("{side} by {distance}", side=side, distance=_short(abs(value - answer)))


class _Question:
    """The widget: question, controls, two buttons, and the result once it has been asked for."""

    def __init__(self, question, kind, because, show):
        self.kind, self.because = kind, because
        # drawn now: later cells may give another meaning to the names that `show` uses
        self.shown = _as_html(show()) if show else ""
        self.message = W.HTML(layout={"min_height": "24px"})
        self.result = W.HTML()
        compare, give_up = (
            W.Button(description=name, layout={"width": "140px"}) for name in (say("Compare"), say(GIVE_UP))
        )
        compare.button_style = "primary"
        compare.on_click(lambda _: self.reveal(committed=True))
        give_up.on_click(lambda _: self.reveal(committed=False))
        self.buttons = [compare, give_up]
        head = W.HTML(f"<b>{html.escape(question)}</b>", layout={"margin": "0"})
        inputs = W.HBox(kind.inputs, layout={"flex_flow": "row wrap"})
        rows = [head, *kind.previews, inputs, W.HBox(self.buttons), self.message, self.result]
        box = W.VBox(rows, layout={"border": f"1px solid {BLUE}", "padding": "6px 10px", "margin": "4px 0"})
        box.add_class("book-live")
        words, shown = self.told(None)
        said = say("{question}: {result}", question=question, result=words)
        self.message.value = f'<span role="status">{say("Nothing is shown before you have decided.")}</span>'
        if not _in_notebook():
            print(said)
            return
        show_live(box, question)
        summary = html.escape(say("{question}: {result}", question=question, result=say(FOLD)))
        folded = f"<summary>{summary}</summary>{shown}"
        page = f'<details class="book-still">{folded}</details>'
        display({"text/html": page, "text/plain": said}, raw=True)

    def told(self, value):
        """The result in words, and as HTML with its picture; value: the guess, or None without one."""
        words = " ".join(filter(None, (self.kind.verdict(value), self.because)))
        drawn = self.kind.draw(value)
        return words, f"<p>{html.escape(words)}</p>" + ("" if drawn is None else _as_html(drawn, words)) + self.shown

    def reveal(self, committed):
        """Show the result; committed: with the guess, which cannot be changed any more."""
        value = self.kind.value() if committed else None
        if committed and value is None:
            self.message.value = f'<span role="alert">{say("Choose one of these first.")}</span>'
            return
        for control in (*self.kind.inputs, *self.buttons):
            control.disabled = True
        for hidden in (*self.kind.previews, self.message):  # the result takes their place
            hidden.layout.display = "none"
        self.result.value = f'<div role="status" style="line-height: 1.4">{self.told(value)[1]}</div>'


def _as_html(shown, words=""):
    """A Figure, with these words and its own, or a table as HTML."""
    if not isinstance(shown, Figure):
        return shown.data
    data, _ = picture(to_png(shown), f"{words} {describe(shown)}".strip())
    return data["text/html"]
