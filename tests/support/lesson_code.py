"""Run some code cells of a lesson outside its notebook: what tests and benchmarks try is what the lesson teaches."""

from pathlib import Path
from types import ModuleType

import jupytext

import utils

SOURCES = Path(__file__).resolve().parents[2] / "notebooks" / "source"


def run_cells(lesson, *ids, into=None):
    """Run the code cells with these ids of notebooks/source/<lesson>.py, in the lesson's order, from seed 0.

    Returns a module that holds their names, as a kernel would: whatever is set on it, the cells' functions see.
    into: such a module from before, to run more cells in. Raises ValueError for an id that the lesson does not have.
    """
    cells = {cell.metadata.get("id"): cell.source for cell in jupytext.read(SOURCES / f"{lesson}.py").cells}
    utils.require(set(ids) <= set(cells), "ids", sorted(set(ids) - set(cells)), f"cells of {lesson}")
    utils.seed_everything(0)
    module = into or ModuleType(lesson)
    module.utils = utils
    for cell_id, code in cells.items():
        if cell_id in ids:
            exec(compile(code, f"{lesson}, cell {cell_id}", "exec"), module.__dict__)
    return module
