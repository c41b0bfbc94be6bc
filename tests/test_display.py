"""If this fails, a picture or its words are not what a reader should see.

Figures, also those that follow a slider.
"""

import base64
import gc
import struct
from pathlib import Path
from types import SimpleNamespace

import ipywidgets as W
import nbformat
import pytest
from ipywidgets.widgets.widget_link import Link
from nbclient import NotebookClient

import book.display
import utils


def test_a_cell_shows_a_figure_as_one_small_picture_of_its_size():
    """In a real kernel, and also after d2l has asked for SVG, as d2l.train_ch8 does."""
    root = Path(__file__).resolve().parents[1]
    first = f"import sys; sys.path.insert(0, {str(root)!r})\nimport utils\nutils.new_figure(5, 2, columns=2)[0]"
    plot = "fig, ax = utils.new_figure(5, 2); ax.plot([1, 2], [3, 4], label='<W>')"
    plot += "\nax.set(xlabel='$t$', ylabel='nats'); fig"
    codes = (first, f"utils.d2l.use_svg_display()\n{plot}", "shown = display(fig, display_id=True); shown.update(fig)")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in codes])
    NotebookClient(notebook, timeout=120).execute()
    for cell in notebook.cells:
        (output,) = cell.outputs  # one, also when it was updated
        assert set(output.data) == {"text/html", "image/png", "text/plain"}
        assert output.metadata["image/png"].items() >= {"width": 400, "height": 160}.items()
        assert struct.unpack(">2I", base64.b64decode(output.data["image/png"])[16:24]) == (550, 220)  # 110 an inch
    assert output.data["text/plain"] == "nats over t. <W>: 3 at 1, 4 at 2", "in words"
    assert 'alt="nats over t. &lt;W&gt;: 3 at 1, 4 at 2"' in output.data["text/html"]


@pytest.fixture
def explored(monkeypatch):
    """A function that calls explore and returns its parts: row (of controls), message, above, image, words, picture."""
    told = {}
    monkeypatch.setattr(book.display, "show", lambda widget, text: told.update(box=widget))
    monkeypatch.setattr(book.display, "keep_picture", lambda png, text: told.update(picture=(png, text)))

    def explore(draw, **options):
        utils.explore(draw, **options)
        row, message, above, picture = told["box"].children
        return SimpleNamespace(
            row=row.children,
            message=message,
            above=above,
            image=picture.children[0],
            words=picture.children[1],
            picture=told["picture"],
        )

    return explore


def draw_bar(x):
    """Draw x as the bar's height.

    Not this.
    """
    figure, axes = utils.new_figure(3, 2)
    axes.bar([0], [x])
    axes.set(title=f"x = {x}", xlabel="bar", ylabel="height")
    return figure


def test_explore_redraws_in_place_and_in_words(explored):
    slider = W.IntSlider(1, min=0, max=5)
    shown = explored(draw_bar, x=slider)
    first, described = shown.image.value, shown.words.value
    assert shown.picture == (first, "Draw x as the bar's height. x = 1. height over bar"), "what a stored page shows"
    slider.value = 3
    assert shown.message.value == "" and shown.image.value != first
    assert shown.words.value != described and "the bar&#x27;s height. x = 3. height over bar" in shown.words.value
    assert (shown.image.width, shown.image.height) == ("240", "160")


def spoil_title(figure):
    figure.axes[0].set_title(r"$\frac{1$")
    return figure


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda x: utils.require(False, "x", x, "another"), "x must be another, got 2"),  # no class name before it
        (lambda x: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda x: None, "what draw returns must be a Figure, or a Figure and a table, got None"),
        (lambda x: (draw_bar(x), "no table"), "AttributeError"),
        (lambda x: spoil_title(draw_bar(x)), r"\frac{1"),  # fails only when it is rendered
    ],
)
def test_explore_says_what_fails_and_keeps_the_last_good_figure(explored, spoil, message):
    slider = W.IntSlider(1, min=0, max=5)
    shown = explored(lambda x: spoil(x) if x == 2 else draw_bar(x), x=slider)
    first, described = shown.image.value, shown.words.value
    slider.value = 2
    assert message in shown.message.value and "Traceback" not in shown.message.value
    assert (shown.image.value, shown.words.value) == (first, described)
    slider.value = 3
    assert shown.message.value == "" and shown.image.value != first


def test_explore_whose_first_figure_fails_shows_its_controls_and_why(explored):
    slider = W.IntSlider(1, min=0, max=5)
    shown = explored(lambda x: 1 / 0 if x == 1 else draw_bar(x), x=slider)
    assert "division by zero" in shown.message.value and shown.picture[0][:4] == b"\x89PNG"
    slider.value = 2
    assert shown.message.value == "" and (shown.image.width, shown.image.height) == ("240", "160")


def test_explore_shows_a_table_above_the_figure_and_plays_a_slider(explored):
    def draw(x, word):
        return utils.new_figure(3, 2, bare=True)[0], utils.table(["x"], [[x], [word]])

    shown = explored(draw, play="x", word=W.Text("<b>"), x=W.IntSlider(1, min=1, max=5))
    assert [type(w) for w in shown.row] == [W.Text, W.Play, W.IntSlider]
    _, player, slider = shown.row
    links = [link for link in gc.get_objects() if type(link) is Link and link.source[0] is player]
    linked = sorted((link.source[1], link.target[1]) for link in links if link.target[0] is slider)
    assert linked == [("max", "max"), ("value", "value")], "Play ends where its slider ends"
    assert (player.min, player.max, player.value) == (1, 5, 1)
    slider.value = 4
    assert "<td>4</td>" in shown.above.value and "&lt;b&gt;" in shown.above.value and "<b>" not in shown.above.value


def test_a_stored_page_shows_the_picture_of_a_live_widget_beside_it(monkeypatch):
    """Two outputs: a page that has lost its kernel keeps the second. On a live page, a style hides it."""
    told = []
    monkeypatch.setattr(book.display, "display", lambda data, **options: told.append(data))
    monkeypatch.setattr(book.display, "_in_notebook", lambda: True)
    utils.explore(draw_bar, x=W.IntSlider(1))
    script, live, picture = told
    assert set(live) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
    assert set(picture) == {"text/html", "image/png", "text/plain"} and "book-still" in picture["text/html"]
    assert ".book-still" in script["application/javascript"] and "{{" not in script["application/javascript"]


@pytest.mark.parametrize(
    "value, text", [(1.0349, "1.03"), (999.994, "999.99"), (1000.4, "1,000"), (8e31, "8e+31"), (float("inf"), "inf")]
)
def test_shorten(value, text):
    assert utils.shorten(value) == text
