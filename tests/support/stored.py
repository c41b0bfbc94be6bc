"""What the built notebooks show without being run: the outputs that are stored in them, which the prose talks about."""

import re
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def text_of(cell):
    """What a code cell has printed."""
    return "".join(output.get("text", "") for output in cell.outputs)


def stored(lesson, cell_id, language="en"):
    """What a cell of a stored notebook shows as text: what it printed, and its tables as HTML."""
    notebook = nbformat.read(NOTEBOOKS / language / f"{lesson}.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    return text_of(cell) + "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def rows_of(html):
    """The rows of a table, lists of cells as text; its head, which has no such cells, is left out."""
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)]
    return [row for row in rows if row]
