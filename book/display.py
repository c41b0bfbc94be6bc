"""What a lesson shows: figures with their words, tables, controls that redraw a figure, and an exercise's verdict.

Nothing here needs torch. What is alive is shown twice: as a widget, and as a picture that stays when the page is
stored. Every picture is there in words, too.
"""

import base64
import gc
import html
import io
import json
import re
from statistics import median

import ipywidgets as W
from IPython import get_ipython
from IPython.display import HTML, display
from matplotlib import font_manager, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from PIL import Image

from book import ROOT, require
from book.words import language, mark, say

# Okabe and Ito's palette, told apart by colour-blind readers too
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BLACK = PALETTE


def use_font_of(language):
    """Let figures show a language whose characters matplotlib's own font lacks: with assets/fonts/LANGUAGE.otf."""
    path = ROOT / "assets" / "fonts" / f"{language}.otf"
    if path.is_file():  # first, for in a text with a formula matplotlib takes the first font only
        font_manager.fontManager.addfont(path)
        rcParams["font.family"] = [font_manager.FontProperties(fname=path).get_name(), "DejaVu Sans"]


use_font_of(language())
_WIDGETS_JS = (ROOT / "book" / "widgets.js").read_text(encoding="utf-8").replace("{{blue}}", BLUE)


WIDGET_WORDS = {
    "reopened": mark("What moved here needs a running kernel: run this page from the top. Below is its last picture."),
    "restarted": mark("The kernel has been restarted and these controls are dead: run this page again from the top."),
    "play": mark("Play or pause"),
    "back": mark("Back to the start"),
    "repeat": mark("Repeat"),
}


def _widgets_js():
    """What goes to the page with each widget, with its words in the language of the page."""
    words = {name: say(text) for name, text in WIDGET_WORDS.items()}
    script = _WIDGETS_JS.replace("{{words}}", json.dumps(words, ensure_ascii=False))
    return script.replace("{{language}}", language())


def show(widget, text):
    """Display a live widget. A stored page cannot show it: follow it up with `keep_picture`. text: it in words."""
    if _in_notebook():
        view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
        display({"application/javascript": _widgets_js()}, raw=True)
        display({"application/vnd.jupyter.widget-view+json": view, "text/plain": text}, raw=True)


def keep_picture(png, text, handle=None):
    """Display the picture that a stored page shows in the place of a live widget; return its display handle.

    png: bytes; text: the words for readers who see neither. handle: of a picture that is to be replaced. A page hides
    the picture as long as the widget above it lives. Where there is no notebook, the words are printed.
    """
    if not _in_notebook():
        print(text)
        return None
    data, metadata = picture(png, text, style="book-figure book-still")
    if handle is None:
        return display(data, metadata=metadata, raw=True, display_id=True)
    handle.update(data, metadata=metadata, raw=True)
    return handle


def _in_notebook():
    return hasattr(get_ipython(), "kernel")


def picture(png, alt, scale=80 / 110, style="book-figure"):
    """Return the mime bundle and the metadata of a picture; scale: pixels on the page for one of the PNG.

    It is there twice: as HTML, because only that has an alt text in Jupyter, and as PNG for pages that are stored.
    """
    width, height = (round(scale * pixels) for pixels in Image.open(io.BytesIO(png)).size)
    data, size = base64.b64encode(png).decode(), f'width="{width}" height="{height}"'
    img = f'<img class="{style}" {size} alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
    metadata = {"image/png": {"width": width, "height": height, "alt": alt}}
    return {"text/html": img, "image/png": data, "text/plain": alt}, metadata


class _Figure(Figure):
    """A matplotlib Figure that a cell shows as `to_png` draws it, sharper and smaller than Jupyter's own way."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return picture(to_png(self), describe(self))


def _show_figures_only_so(shell):
    """Keep the notebook from showing a _Figure in other ways too: matplotlib's own, and what d2l asks for."""
    for mime in ("image/png", "image/svg+xml"):
        shell.display_formatter.formatters[mime].for_type(_Figure, lambda figure: None)


if get_ipython():
    _show_figures_only_so(get_ipython())


def describe(figure):
    """Return in words what a matplotlib Figure shows: titles, axes, the ends of each named line, legend and texts.

    A text with the gid "tick" is left out.
    """
    words, texts = [], []
    for axes in figure.axes:
        legend, named = axes.get_legend(), {line.get_label() for line in axes.lines}
        entries = [text for text in legend.get_texts() if text.get_text() not in named] if legend else []
        texts += [text.get_text() for text in (*entries, *axes.texts) if text.get_gid() != "tick"]
        words += [axes.get_title(), over(axes.get_ylabel(), axes.get_xlabel())]
        for line in axes.lines:
            x, y = line.get_data()
            if len(x) and not line.get_label().startswith("_"):
                ends = {"y": y[0], "x": x[0], "last_y": y[-1], "last_x": x[-1]}
                moves = say("{y:.3g} at {x:.3g}, {last_y:.3g} at {last_x:.3g}", **ends)
                moves = moves if min(y) < max(y) else say("{y:.3g} throughout", **ends)
                words.append(say("{name}: {moves}", name=line.get_label(), moves=moves))
    words.append(say(", ").join(filter(None, texts[:40])))
    return re.sub(r"[$\\{}]", "", say(". ").join(filter(None, words))).replace("\n", say(", "))


def over(y, x):
    """Return in words which quantity is drawn over which; one of them may have no name."""
    return say("{y} over {x}", y=y, x=x) if x and y else x or y


def new_figure(width, height, *, columns=1, bare=False, place=None):
    """Return (Figure, Axes) of a size in inches, 80 pixels each on the page; no pyplot, so it may be drawn anywhere.

    columns: for more than one, an array of so many Axes side by side, with one y axis. What follows a slider is redrawn
    faster with one of these: bare, axes without frame and ticks that fill the figure, for a drawing; or place, where
    the axes are, (left, bottom, width, height) as shares of the figure, which need not be found out then.
    """
    if bare:
        figure = _Figure(figsize=(width, height), dpi=80)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        return figure, axes
    if place:
        figure = _Figure(figsize=(width, height), dpi=80)
        return figure, figure.add_axes(place)
    figure = _Figure(figsize=(width, height), dpi=80, layout="constrained")
    return figure, figure.subplots(1, columns, sharey=True)


def draw_bars(letters, heights):
    """Return (Figure, Axes) with bars above each letter; few things in all, for it follows a slider.

    letters: texts, (q,); heights: {name: numbers between 0 and 1, (q,)}, of which each is drawn in another colour.
    """
    figure, axes = new_figure(8.4, 2.8, place=(0.07, 0.2, 0.92, 0.7))
    for i, (name, ys) in enumerate(heights.items()):
        left, right = (0.4 * i - 0.4, 0.4 * i) if len(heights) > 1 else (-0.4, 0.4)
        sides = [(k + left, k + right, float(y)) for k, y in enumerate(ys)]
        corners = [[(a, 0), (a, y), (b, y), (b, 0)] for a, b, y in sides]
        style = {"facecolor": PALETTE[i], "hatch": "//" * i, "edgecolor": "white"}
        axes.add_collection(PolyCollection(corners, label=name, **style))
    axes.set(xlim=(-0.5, len(letters) - 0.5), xticks=[], yticks=(0, 0.5, 1))
    for k, letter in enumerate(letters):  # in place of ticks, which are slow
        axes.annotate(letter, (k, 0), (0, -12), textcoords="offset points", ha="center", gid="tick")
    return figure, axes


def draw_spread(scores, xlabel, xlim=None):
    """Return a Figure with a line for each of {name: scores from several random starts}: a dot each, and the median.

    xlabel: what the scores are. xlim: the ends of the axis, where the data's own will not do.
    """
    figure, axes = new_figure(8.4, 0.8 + 0.36 * len(scores))
    for y, (name, values) in enumerate(scores.items()):
        values = sorted(float(value) for value in values)
        axes.plot(values, [y] * len(values), "o", color=BLUE, alpha=0.6)
        axes.plot([median(values)] * 2, [y - 0.3, y + 0.3], color=VERMILION, linewidth=2.5)
        words = say("{name}: {low:#.3g} to {high:#.3g}", name=name, low=values[0], high=values[-1])
        axes.text(-0.015, y, words, ha="right", va="center", transform=axes.get_yaxis_transform())
    axes.set(yticks=[], ylim=(len(scores) - 0.4, -0.6), xlabel=xlabel)
    axes.set_xlim(xlim)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    return figure


def to_png(figure):
    """Return a matplotlib Figure as the bytes of a PNG, a little sharper than the 80 pixels an inch it is shown at."""
    figure.set_dpi(110)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return compress(canvas)


def compress(canvas):
    """Return a drawn canvas as the bytes of a PNG of 64 colours: a third of the size, sent and stored often."""
    size, pixels = canvas.get_width_height(), canvas.buffer_rgba()
    buffer, image = io.BytesIO(), Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1).convert("RGB")
    image.quantize(64, method=Image.Quantize.FASTOCTREE).save(buffer, "png", compress_level=3)
    return buffer.getvalue()


def hidden_words():
    """Return a hidden widget whose text becomes the alt text of the image beside it."""
    words = W.HTML(layout={"display": "none"})
    words.add_class("book-words")
    return words


def explore(draw, *, play=None, **controls):
    """Show the Figure that draw(**values) returns, redrawn in place whenever one of the controls moves.

    draw: a function of the controls' values, fast enough to follow a slider (0.1 s); it may return (Figure, table) to
    put a `table` above the figure. play: the name of a slider that gets a Play button. controls: ipywidgets by the
    name of draw's argument. What fails is said below the controls, and the last good figure stays.
    """
    require(play is None or play in controls, "play", play, say("one of {names}", names=", ".join(controls)))
    image, words, message, above = W.Image(format="png"), hidden_words(), W.Label(layout={"height": "28px"}), W.HTML()
    image.add_class("book-figure")
    subject = (draw.__doc__ or "").partition("\n")[0]

    def redraw(_=None):
        try:
            drawn = draw(**{name: control.value for name, control in controls.items()})
            figure, text = drawn if isinstance(drawn, tuple) else (drawn, None)
            require(
                isinstance(figure, Figure), say("what draw returns"), figure, say("a Figure, or a Figure and a table")
            )
            table_text = text.data if text else ""
            png, described = to_png(figure), html.escape(f"{subject} {describe(figure)}")
        except ValueError as error:
            message.value = named(error, {name: control.description for name, control in controls.items()})
        except Exception as error:  # a mistake in draw
            message.value = f"{type(error).__name__}: {error}"
        else:
            image.value, message.value, words.value = png, "", described
            image.width, image.height = (str(int(inches * 80)) for inches in figure.get_size_inches())
            above.value = table_text
            del drawn, figure
            gc.collect(1)  # frees the figure, in 1 ms; left to gather, figures stop a slider for 0.1 s now and then

    image.value = to_png(new_figure(6, 1, bare=True)[0])  # in case the first one fails
    redraw()
    for control in controls.values():
        control.observe(redraw, "value")
    row = list(controls.values())
    if play:
        slider = controls[play]
        player = W.Play(value=slider.value, min=slider.min, max=slider.max, interval=800)
        W.jslink((player, "value"), (slider, "value"))
        W.jslink((player, "max"), (slider, "max"))
        row.insert(row.index(slider), player)
    row = W.HBox(row, layout={"flex_flow": "row wrap"})
    box, text = W.VBox([row, message, above, W.Box([image, words])]), html.unescape(words.value)
    box.add_class("book-live")
    show(box, text)
    keep_picture(image.value, text)


def named(error, labels):
    """Return what a ValueError says, with the words on the control in place of the argument's name, if it has any."""
    name = getattr(error, "name", "")
    return str(error).replace(name, labels[name], 1) if labels.get(name) else str(error)


def show_figure(name):
    """Show one of the book's drawings, whose words stand below it. name: a file's in assets/figures."""
    drawn = {path.stem: path for path in (ROOT / "assets" / "figures").glob("*.png")}
    require(name in drawn, "name", name, say("one of {names}", names=", ".join(sorted(drawn))))
    data, metadata = picture(drawn[name].read_bytes(), say("a drawing; its words stand below it"), scale=1 / 2)
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
    """Return a perplexity as text: two decimals, none from a thousand on, a power of ten where it has run away."""
    if perplexity < 1000:
        return f"{perplexity:.2f}"
    return f"{perplexity:,.0f}" if perplexity < 1e6 else f"{perplexity:.0e}"
