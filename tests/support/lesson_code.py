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


def plain_plot():
    """A figure with little in it: a redraw's time is told in such ones, for then a machine's speed does not matter."""
    figure, axes = utils.new_figure(8, 3, place=(0.1, 0.2, 0.8, 0.7))
    axes.plot(range(30), range(30), "o-")
    axes.set(xticks=range(0, 31, 10), yticks=range(0, 31, 10), xlabel="x", ylabel="y", title="a plain plot")
    return figure


def spoiled_copies(copy, num_parameters):
    """Yield (name, copy_weights) that do what a lesson's `copy_weights` does, and then spoil one parameter of ours.

    Each parameter in turn, first by its value, then by its gradient: what compares two networks must notice each.
    """

    def another_value(parameter):
        parameter.data += 0.01

    def another_gradient(parameter):
        parameter.register_hook(lambda gradient: 1.01 * gradient)

    for spoil in (another_value, another_gradient):
        for i in range(num_parameters):

            def copy_and_spoil(ours, theirs, i=i, spoil=spoil):
                copy(ours, theirs)
                spoil(list(ours.parameters())[i])

            yield f"{spoil.__name__} of parameter {i}", copy_and_spoil
