"""Run some code cells of a lesson outside its notebook: what tests and benchmarks try is what the lesson teaches."""

from pathlib import Path

import jupytext

import utils

SOURCES = Path(__file__).resolve().parents[1] / "notebooks" / "source"


def run_cells(lesson, *ids):
    """Run the code cells with these ids of notebooks/source/<lesson>.py, in the lesson's order; return their names.

    Raises ValueError for an id that the lesson does not have.
    """
    cells = {cell.metadata.get("id"): cell.source for cell in jupytext.read(SOURCES / f"{lesson}.py").cells}
    utils.require(set(ids) <= set(cells), "ids", ids, f"cells of {lesson}")
    names = {"utils": utils}
    for cell_id, code in cells.items():
        if cell_id in ids:
            exec(compile(code, f"{lesson}, cell {cell_id}", "exec"), names)
    return names
