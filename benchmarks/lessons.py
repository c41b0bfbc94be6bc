"""Run All of every lesson, in full, in a kernel of its own: seconds, and the most memory that the kernel used."""

import time

import nbformat
from nbclient import NotebookClient

import utils
from benchmarks.timing import spread

PEAK = "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"  # in KiB


def run_all(path):
    """(seconds with the start of the kernel, peak resident memory in MB) of one lesson."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(PEAK, id="peak-memory"))
    started = time.perf_counter()
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(path.parent)}}).execute()
    return time.perf_counter() - started, int(notebook.cells[-1].outputs[0].text) * 1024 / 1e6


def rows(rounds=3):
    """A row of text per lesson."""
    lessons = sorted((utils.ROOT / "notebooks" / "en").glob("0[1-9]_*.ipynb"))
    measured = [[run_all(path) for path in lessons] for _ in range(rounds)]
    for path, results in zip(lessons, zip(*measured, strict=True), strict=True):
        seconds, megabytes = zip(*results, strict=True)
        measured = f"{spread(seconds, 's', digits=0)}; {spread(megabytes, 'MB', digits=0)}"
        yield f"lesson {path.stem}: Run All, and its kernel's peak memory", "", "below 90 s; 1000 MB", measured
