"""The plot that grows while a network trains."""

import html
import itertools
import time

import ipywidgets as W
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from book.display import PALETTE, compress, hidden_words, picture, show


def seconds_left(started, share):
    """Return how long a work will still take of which a share (above 0, at most 1) is done.

    started: the time.monotonic() at which it began.
    """
    return (time.monotonic() - started) * (1 / share - 1)


class LivePlot:
    """Perplexity over epochs on a log scale, one image replaced in place: solid for training, dashed for held-out.

    num_epochs: the right end of the axis, which may be set later. The attribute `widget` shows the plot. Curves are
    told apart by number and line style as well as by colour.
    xlabel, ylabel, lines: the words to use when other things than these are plotted; a record is any tuple that begins
    with x, y of the solid line, y of the dashed line (or None).
    No pyplot, which is not made for threads; drawing takes about 2.5 % of the time of the thread that calls `add`.
    """

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
        for dash, name in zip(("-", "--"), lines, strict=True):
            self.axes.plot([], [], dash, color="0.4", label=name)
        self.image, self.words = W.Image(format="png", width=self.WIDTH, height=self.HEIGHT), hidden_words()
        self.image.add_class("book-figure")
        self.widget = W.Box([self.image, self.words])
        self.draw()

    def start(self, label, linewidth=1.5):
        """Begin a new curve, numbered from 1 and named in the legend; `add` extends it."""
        colour = PALETTE[len(self.curves) % len(PALETTE)]
        number = len(self.curves) + 1
        style = {"color": colour, "linewidth": linewidth}
        self.axes.plot([], [], "-", label=f"{number}  {label}", **style)  # for the legend: it has no marker
        lines = [self.axes.plot([], [], dash, **style)[0] for dash in ("-", "--")]
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
        self.image.value = compress(self.canvas)
        self.words.value = html.escape(self.describe())
        self.due = time.monotonic() + max(0.3, self.PAUSE * (time.perf_counter() - started))

    def rest(self, seconds):
        """Count seconds that were spent on something else to show as if they had been spent on drawing."""
        self.due += self.PAUSE * seconds

    def picture(self):
        """Return the plot as it was last drawn: the bytes of a PNG, and in words."""
        return self.image.value, self.describe()

    def send_again(self):
        """Send the plot to the page once more, from the thread that calls this."""
        self.image.send_state()
        self.words.send_state()

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
        title, first = self.axes.get_title(), len(self.curves)
        handle = show(self.widget, *self.picture())
        for label, linewidth in itertools.zip_longest(trainings, linewidths, fillvalue=1.5):
            self.start(label, linewidth)
        seen, started = {label: [] for label in trainings}, time.monotonic()
        try:
            for turn in itertools.zip_longest(*trainings.values()):
                for curve, (label, record) in enumerate(zip(trainings, turn, strict=True), start=first):
                    if record is not None:  # None: this one has ended before the others
                        seen[label].append(record)
                        name = f"{self.axes.get_xlabel()} {record[0]} of {self.num_epochs}"
                        left = seconds_left(started, record[0] / self.num_epochs)
                        self.axes.set_title(f"{name}, {left:.0f} s left")
                        self.add(record, curve)
        finally:
            self.axes.set_title(title)
            self.draw()
            if handle is not None:  # None outside a notebook
                data, metadata = picture(*self.picture())
                handle.update(data, metadata=metadata, raw=True)
        return seen
