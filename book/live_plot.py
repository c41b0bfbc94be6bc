"""The plot that grows while a network trains: text (HTML and SVG), so that showing a record costs a millisecond."""

import html
import itertools
import math
import time
from dataclasses import dataclass, field

import ipywidgets as W
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from book import require
from book.display import BLACK, PALETTE, compress, keep_picture, over, shorten, show
from book.words import say

# Texts are measured in pixels, curves in shares of the area: so the plot fits any width, and no text shrinks. Colours
# of texts and lines are those of JupyterLab's theme, or of the page.
_STYLE = """<style>
.book-plot { display: flex; flex-flow: row wrap; max-width: 1800px; overflow: hidden; font: 12px/1.35 sans-serif;
  color: var(--jp-content-font-color1, currentColor) }
.book-plot .area { position: relative; flex: 1 1 300px; min-width: 220px; margin: 18px 40px 34px 52px;
  border: solid; border-width: 0 0 1px 1px }
.widget-html-content:has(> .book-plot) { flex: 1 1 auto; width: 100% }
.book-plot .legend { flex: 0 1 175px; margin-top: 16px; overflow-wrap: anywhere }
.book-plot .legend div { padding-left: 32px; text-indent: -32px }
.book-plot svg { fill: none; stroke: currentColor }
.book-plot .area svg { position: absolute; width: 100%; height: 100%; overflow: hidden }
.book-plot path, .book-plot line { vector-effect: non-scaling-stroke; stroke-linecap: round }
.book-plot .area span { position: absolute; white-space: pre }
.book-plot .area > .note { bottom: 100%; left: 0 }
.book-plot .area > .x { top: 100%; transform: translateX(-50%); padding-top: 3px }
.book-plot .area > .y { right: 100%; transform: translateY(50%); padding-right: 5px }
.book-plot .area > .end { transform: translateY(50%); padding-left: 14px; font-weight: bold }
.book-plot .area > .xlabel { top: 100%; left: 50%; transform: translateX(-50%); padding-top: 18px }
.book-plot .area > .ylabel { right: 100%; top: 50%; writing-mode: vertical-rl; text-orientation: sideways;
  transform: translateY(-50%) rotate(180deg); margin-right: 36px }
.book-plot .at { position: absolute; top: 0; bottom: 0 }
.book-plot .at > span { display: none; top: 0; left: var(--x); z-index: 9; padding: 2px 6px; border: 1px solid;
  width: max-content; max-width: min(340px, 36vw); white-space: pre-wrap; pointer-events: none;
  background: var(--jp-layout-color1, Canvas) }
.book-plot .at.right > span { left: auto; right: calc(100% - var(--x)) }
.book-plot .at:hover { background: linear-gradient(currentColor, currentColor) var(--x) / 1px 100% no-repeat }
.book-plot .at:hover > span { display: block }
</style>"""
_DASHES = ("", "5 4")  # of the solid and of the dashed line


class TimeLeft:
    """How long a work will still take, as a text; judged by its speed since the first report, for that took longer."""

    def __init__(self):
        self.first = None

    def after(self, share):
        """Return such a text as ", 12 s left" for the share that is done (0 to 1), "" while it is too early to tell."""
        now = time.monotonic()
        if self.first is None:
            self.first = now, share
        seconds, done = now - self.first[0], share - self.first[1]
        return say(", {seconds:.0f} s left", seconds=seconds * (1 - share) / done) if seconds >= 1 and done > 0 else ""


@dataclass
class _Curve:
    """A solid and a dashed line with one number: what was recorded, and how it is drawn."""

    label: str
    colour: str
    linewidth: float
    opacity: float
    records: list = field(default_factory=list)
    lines: tuple = field(default_factory=lambda: ([], []))  # (x, y) of the solid and of the dashed line
    scale: tuple = ()  # that of the drawn points
    points: tuple = ((), ())  # as text, of each line

    def add(self, record):
        """Add a record; a value that is no number or not there leaves a gap."""
        self.records.append(record)
        for line, y in zip(self.lines, record[1:3], strict=True):
            if y is not None and not math.isnan(y):
                line.append((record[0], y))


class LivePlot:
    """Perplexity over epochs on a log scale, drawn anew for every record: solid for training, dashed for held-out.

    num_epochs: the right end of the axis, which may be set later. title: above the plot. xlabel, ylabel, lines: the
    words to use when other things are plotted than epochs, perplexity, and those of training and held-out text; a
    record is any tuple that begins with x, y of the solid line, y of the dashed line (or None). ylim: what the vertical
    axis shows at least; it follows the data. log: whether it is logarithmic. floors: y of dashed horizontal lines, in
    the colours of the curves.
    The attribute `widget` shows the plot. Curves are told apart by number and line style as well as by colour.
    """

    HIGH, LOW = 270, 190  # of the area, in pixels: in a lesson, and in the playground, which has to fit a screen
    MOST_PER_SECOND = 40  # pictures; what comes faster is shown with the next one

    def __init__(
        self,
        num_epochs,
        title="",
        *,
        xlabel=None,
        ylabel=None,
        lines=None,
        ylim=(0.93, 33),
        log=True,
        floors=(),
        height=HIGH,
    ):
        low, high = ylim
        drawable = (0 if log else -math.inf) < low < high < math.inf  # so is no NaN
        ends = say("the lower end and a higher one, both above 0") if log else say("the lower end and a higher one")
        require(drawable, "ylim", ylim, ends)
        self.num_epochs, self.title, self.note, self.height = num_epochs, title, title, height
        self.xlabel, self.ylabel = xlabel or say("epoch"), ylabel or say("perplexity")
        self.lines = lines or (say("training"), say("held-out"))
        self.ylim, self.log, self.floors = ylim, log, [float(y) for y in floors]
        self.most = 1000 if log else math.inf  # the axis never reaches further: what runs away leaves the frame
        self.curves, self.due, self.frame = [], 0.0, (None, "")
        self.widget = W.HTML(layout={"width": "100%", "margin": "0"})
        self.widget.add_class("book-live")
        self.draw()

    def start(self, label, linewidth=1.5):
        """Begin a new curve, numbered from 1 and named in the legend; `add` extends it."""
        again, number = divmod(len(self.curves), len(PALETTE))  # the second time around, colours are broad and pale
        self.curves.append(_Curve(label, PALETTE[number], (1 + 2 * again) * linewidth, 0.5 if again else 1))
        self.draw()

    def add(self, record, curve=-1):
        """Add an EpochRecord to a curve (the newest), and draw it."""
        self.curves[curve].add(record)
        self.num_epochs = max(self.num_epochs, record[0])
        is_first = len(self.curves[curve].records) == 1
        for y in record[1:3]:
            if y is not None and math.isfinite(y) and (y > 0 or not self.log):
                self._make_room(y, is_first)
        if time.monotonic() >= self.due:
            self.draw()

    def _make_room(self, y, is_first):
        """Widen the axis for a value; its limit is ten times what an untrained network has, such as its vocabulary."""
        low, high = self.ylim
        if self.log:
            self.most = max(self.most, min(10 * y, 1e6)) if is_first else self.most
            self.ylim = y / 1.5 if y < low else low, max(high, min(1.1 * y, self.most))
        elif not low <= y <= high:
            self.ylim = min(low, y - 0.1 * (high - low)), max(high, y + 0.1 * (high - low))

    def draw(self, finished=False):
        """Show everything now. finished: with the exact values under the pointer, which would cost too much before."""
        frame = (self.num_epochs, self.ylim, len(self.curves))
        if frame != self.frame[0]:
            self.frame = frame, self._area()
        ends = list(self._ends())
        curves, numbers = "".join(map(self._paths, self.curves)), "".join(map(self._number, ends))
        leaders = "".join(map(self._leader, ends))
        values = "".join(self._values()) if finished else ""
        alt, note = html.escape(self.describe()), html.escape(self.note)
        grid, texts, legend = self.frame[1]
        self.widget.value = (
            f'{_STYLE}<div class="book-plot" role="img" aria-label="{alt}">'
            f'<div class="area" style="height: max({self.height}px, {self.height / 7.2:.0f}vh)">'
            f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{grid}{curves}'
            f"{leaders}</svg>"
            f'<span class="note">{note}</span>{texts}{numbers}{values}</div>{legend}</div>'
        )
        self.due = time.monotonic() + 1 / self.MOST_PER_SECOND

    def send_again(self):
        """Send the plot to the page once more, from the thread that calls this."""
        self.widget.send_state()

    # ---- from numbers to places: shares of the area, from its left and from its bottom

    def _x(self, x):
        return x / (1.04 * self.num_epochs)

    def _y(self, y):
        low, high = self.ylim
        if not self.log:
            return (y - low) / (high - low)
        y = min(max(y, low / 1000), high * 1000)  # infinity, and 0
        return math.log(y / low) / math.log(high / low)

    def _ticks(self):
        """Return round numbers for both axes."""
        x = MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]).tick_values(0, self.num_epochs)
        low, high = self.ylim
        if not self.log:
            y = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high)
        else:
            decades = math.log10(high / low)
            between = (1, 2, 3, 5) if decades < 2 else (1, 3) if decades < 4 else (1,)
            y = [m * 10.0**k for k in range(-9, 8) for m in between]
        return [t for t in x if 0 <= t <= self.num_epochs], [t for t in y if low <= t <= high]

    # ---- the parts of the picture

    def _area(self):
        """Return what changes rarely: the grid, the texts at its edges, and the legend."""
        x_ticks, y_ticks = self._ticks()
        grid = "".join(f"M0 {1000 - 1000 * self._y(y):.0f}H1000" for y in y_ticks)
        grid += "".join(f"M{1000 * self._x(x):.0f} 0V1000" for x in x_ticks)
        grid = f'<path d="{grid}" opacity=".15"/>'
        for colour, y in zip(itertools.cycle(PALETTE), self.floors, strict=False):
            grid += _line(f"M0 {1000 - 1000 * self._y(y):.1f}H1000", colour, 1.5, _DASHES[1])
        texts = [f'<span class="x" style="left: {100 * self._x(x):.2f}%">{x:g}</span>' for x in x_ticks]
        texts += [f'<span class="y" style="bottom: {100 * self._y(y):.2f}%">{y:g}</span>' for y in y_ticks]
        for name in ("xlabel", "ylabel"):
            texts.append(f'<span class="{name}">{html.escape(getattr(self, name))}</span>')
        names = [(name, "", 1.5, dash, 1) for name, dash in zip(self.lines, _DASHES, strict=True) if name]
        names += [(f"{n} {c.label}", c.colour, c.linewidth, "", c.opacity) for n, c in enumerate(self.curves, start=1)]
        legend = "".join(
            f'<div><svg width="26" height="8" aria-hidden="true">{_line("M1 4H25", *style)}</svg> '
            f"{html.escape(name).replace(chr(10), '<br>')}</div>"
            for name, *style in names
        )
        return grid, "".join(texts), f'<div class="legend">{legend}</div>'

    def _paths(self, curve):
        """Return a curve's two lines; a point that has a place already is not written again."""
        scale = (self.num_epochs, self.ylim)
        if scale != curve.scale:
            curve.scale, curve.points = scale, ([], [])
        drawn = []
        for line, points, dash in zip(curve.lines, curve.points, _DASHES, strict=True):
            places = line[len(points) :]
            points += [f"{1000 * self._x(x):.1f} {1000 - 1000 * self._y(y):.1f}" for x, y in places]
            if points:  # a line to where it is: one point alone is a dot
                width = curve.linewidth if len(points) > 1 else 3 * curve.linewidth
                d = f"M{points[0]}L{' '.join(points[1:] or points)}"
                drawn.append(_line(d, curve.colour, width, dash, curve.opacity))
        return "".join(drawn)

    def _ends(self):
        """Yield (text, x, y, place) of each line's number at its end; place: the y where it covers no other one."""
        ends = []
        for number, curve in enumerate(self.curves, start=1):
            for x, y in (line[-1] for line in curve.lines if line):
                above = y > self.ylim[1]
                text = f"{number} ▲ {shorten(y)}" if above else str(number)
                ends.append((text, self._x(x), 0.9 if above else self._y(y)))
        ends.sort(key=lambda end: end[2])
        apart = min(14 / self.height, 1.05 / max(1, len(ends)))
        places = [y for *_, y in ends]
        for _ in range(2):  # upwards where they are too near, and from the top edge down again
            for i in range(1, len(places)):
                if abs(ends[i][1] - ends[i - 1][1]) < 0.05:
                    places[i] = max(places[i], places[i - 1] + apart)
            top = 1.03
            for i in reversed(range(len(places))):
                places[i] = top = min(places[i], top)
                if i and abs(ends[i][1] - ends[i - 1][1]) < 0.05:
                    top -= apart
                else:
                    top = 1.03
        yield from ((*end, place) for end, place in zip(ends, places, strict=True))

    def _number(self, end):
        text, x, y, place = end
        return f'<span class="end" style="left: {100 * x:.2f}%; bottom: {100 * place:.2f}%">{text}</span>'

    def _leader(self, end):
        """Return a thin line from a curve's end to its number, if that does not stand beside it."""
        _, x, y, place = end
        d = f"M{1000 * x:.1f} {1000 - 1000 * y:.1f}L{1000 * x + 14:.1f} {1000 - 1000 * place:.1f}"
        return f'<path d="{d}" class="leader" stroke-width="0.7"/>' if abs(place - y) * self.height > 3 else ""

    def _values(self):
        """Yield what the pointer shows at each x, of 200 at most: the values of all curves there."""
        rows = {}
        for number, curve in enumerate(self.curves, start=1):
            for r in curve.records:
                ends = [f"{name} {y:.4g}" for name, y in self._named(r)]
                rows.setdefault(r[0], []).append(f"{number} {', '.join(ends)}")
        places = sorted(rows)[:: -(len(rows) // 200 + 1)][::-1]  # the last one is among them
        edges = [(a + b) / 2 for a, b in zip(places, places[1:], strict=False)]
        if places:  # at the ends, as far to the one side as to the other
            edges = [2 * places[0] - edges[0] if edges else 0, *edges]
            edges.append(2 * places[-1] - edges[-1])
        for x, left, right in zip(places, edges, edges[1:], strict=False):
            text = html.escape("\n".join([f"{self.xlabel} {x:g}", *rows[x]]))
            where = f"left: {100 * self._x(left):.2f}%; width: {100 * self._x(right - left):.2f}%"
            where += f"; --x: {100 * (x - left) / (right - left):.1f}%"
            yield f'<div class="{"at right" if self._x(x) > 0.5 else "at"}" style="{where}"><span>{text}</span></div>'

    def _named(self, record):
        """Return the (name, y) of a record's lines that are there."""
        return [(name, y) for name, y in zip(self.lines, record[1:3], strict=True) if y is not None]

    def describe(self):
        """Return in words what the plot shows: for each curve its newest point."""
        words = [self.title, over(self.ylabel, self.xlabel)]
        for number, curve in enumerate(self.curves, start=1):
            if curve.records:
                last = curve.records[-1]
                above = say(" (above the frame)")
                ends = say(", ").join(f"{name} {y:.3g}{above * (y > self.ylim[1])}" for name, y in self._named(last))
                told = {"number": number, "label": curve.label, "ends": ends, "x": last[0]}
                words.append(say("{number} {label}: {ends} at {x:.3g}", **told))
        return say(". ").join(filter(None, words)).replace("\n", say(", "))

    def picture(self):
        """Return the plot as it is now, for pages that are stored: the bytes of a PNG, and in words."""
        figure = Figure(figsize=(9, 4), dpi=110)
        axes = figure.add_axes((0.07, 0.14, 0.71, 0.78), xlabel=self.xlabel, ylabel=self.ylabel, title=self.title)
        axes.set(xlim=(0, 1.04 * self.num_epochs), yscale="log" if self.log else "linear", ylim=self.ylim)
        for name, dash in zip(self.lines, ("-", "--"), strict=True):
            axes.plot([], [], dash, color="0.4", label=name)
        for number, curve in enumerate(self.curves, start=1):
            style = {"color": curve.colour, "linewidth": curve.linewidth, "alpha": curve.opacity}
            label = f"{number}  {curve.label}".replace("$", r"\$")  # no formula
            axes.plot([], [], "-", label=label, **style)  # for the legend: it has no marker
            for line, dash in zip(curve.lines, ("-", "--"), strict=True):
                axes.plot(*zip(*line, strict=True), dash, marker="o" if len(line) == 1 else "", **style) if line else ()
        for colour, y in zip(itertools.cycle(PALETTE), self.floors, strict=False):
            axes.axhline(y, color=colour, linestyle="--")
        for text, x, y, place in self._ends():
            axes.plot((x, x + 0.012), (y, place), color="0.5", linewidth=0.7, transform=axes.transAxes, clip_on=False)
            axes.text(x + 0.012, place, f" {text}", va="center", transform=axes.transAxes)
        x_ticks, y_ticks = self._ticks()
        axes.set_xticks(x_ticks)
        axes.set_yticks(y_ticks, [f"{y:g}" for y in y_ticks])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.grid(True, linewidth=0.5, alpha=0.6)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize="small", frameon=False)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return compress(canvas), self.describe()

    # ---- trainings that a cell runs

    def follow(self, records, label):
        """Show the plot, draw the records of `fit` (or of a Run) as they come, and return them as a list.

        The line above the plot tells how far the training is. At the end a picture is shown too, which stays when the
        notebook is saved. Interrupting the kernel keeps the curve. Outside a notebook, the end is printed in words.
        """
        return self.race({label: records})[label]

    def race(self, trainings, linewidths=()):
        """`follow` several trainings, {label: records}, at once: an epoch of each in turn; return {label: list}.

        linewidths: one for each curve, such as (5, 1.5) where they may lie on each other.
        """
        first, left, seen = len(self.curves), TimeLeft(), {label: [] for label in trainings}
        for label, linewidth in itertools.zip_longest(trainings, linewidths, fillvalue=1.5):
            self.start(label, linewidth)
        self._tell(1, "")
        self.draw()
        show(self.widget, self.describe())
        try:
            for turn in itertools.zip_longest(*trainings.values()):
                for curve, (label, record) in enumerate(zip(trainings, turn, strict=True), start=first):
                    if record is not None:  # None: this one has ended before the others
                        seen[label].append(record)
                        self.num_epochs = max(self.num_epochs, record[0])
                        self._tell(record[0], left.after(record[0] / self.num_epochs))
                        self.add(record, curve)
        finally:
            self.note = self.title
            self.draw(finished=True)
            keep_picture(*self.picture())
        return seen

    def _tell(self, x, time_left):
        how_far = say("{xlabel} {x} of {last}", xlabel=self.xlabel, x=x, last=self.num_epochs) + time_left
        self.note = f"{self.title} · {how_far}" if self.title else how_far


def _line(d, colour, width, dash, opacity=1):
    """Return the SVG path d as a line; what is black on paper has the page's own colour."""
    stroke = "" if colour in ("", BLACK) else f' stroke="{colour}"'
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    pale = "" if opacity == 1 else f' opacity="{opacity}"'
    return f'<path d="{d}"{stroke} stroke-width="{width:g}"{dashes}{pale}/>'
