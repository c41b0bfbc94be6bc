"""How live the playground is, in JupyterLab in Chromium: pictures, gaps, and what drawing costs; alone, and at load."""

import sys
import tempfile
from pathlib import Path

import utils
from benchmarks.kernels import kernels
from benchmarks.timing import spread
from book.settings import LABELS
from tests.support.lab import (
    CHROMIUM,
    begin_run_all,
    busy,
    chromium,
    jupyter_lab,
    pictures_seen,
    wait_for,
    watch_pictures,
)

SIZES = ((1, 64, 40), (1, 128, 40), (2, 256, 15))  # layers, hidden units, epochs
LOADS = {0: "alone", 4: "four busy processes beside it"}

# in a kernel: the share of a training's time that goes into drawing its records and sending them
COST = """
import time
from book.playground import Playground
playground = Playground(name="cost")
playground.show()
spent = []
def timed(record, add=playground.plot.add):
    began = time.perf_counter(); add(record); spent.append(time.perf_counter() - began)
def cost(settings):
    spent.clear()
    playground.plot.add = timed
    began = time.perf_counter(); playground.start(**settings); playground.wait()
    return sum(spent) / (time.perf_counter() - began)
"""


def train(page, layers, hidden_units, epochs):
    """Train in the playground of a page; return pictures per epoch, pictures a second, longest gap in seconds.

    Of the gap what an epoch takes on average is left out: before it ends there is no point to show.
    """
    box = page.locator(".book-playground").first

    def button(name):
        return box.get_by_role("button", name=LABELS[name], exact=True)

    button("reset").click()
    wait_for(lambda: box.locator(".book-table").count() == 0, 10)
    box.get_by_label(LABELS["settings"], exact=True).fill(f"{layers=} {hidden_units=} {epochs=}")
    page.keyboard.press("Tab")
    watch_pictures(box)
    button("train").click()
    wait_for(lambda: box.locator(".book-table tbody tr").count() == 1 and not button("train").is_disabled(), 600)
    seen, _ = pictures_seen(box)
    seconds = seen[-1] - seen[0]
    gap = max(after - before for before, after in zip(seen, seen[1:], strict=False))
    return (len(seen) / epochs, len(seen) / seconds, max(0.0, gap - seconds / epochs))


def measure(rounds=5, sizes=SIZES):
    """Return {(others, size): [(pictures per epoch, per second, gap), ...]}; others: how many busy processes."""
    found = {}
    start = f"{sys.executable} -m jupyterlab --notebook-dir=."
    with tempfile.TemporaryDirectory() as folder, jupyter_lab(start, utils.ROOT, Path(folder)) as lab:
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            _, has_run = begin_run_all(page, lab, "notebooks/en/try_it.ipynb")
            wait_for(has_run, 120)
            for others in LOADS:
                with busy(others):
                    for size in sizes:
                        found[others, size] = [train(page, *size) for _ in range(rounds)]
    return found


def measure_cost(rounds=5, sizes=SIZES):
    """Return {(others, size): the share of the time that drawing took, in each round}."""
    found = {}
    with kernels(1) as (kernel,):
        kernel.run(COST)
        for others in LOADS:
            with busy(others):
                for size in sizes:
                    settings = dict(zip(("layers", "hidden_units", "epochs"), size, strict=True))
                    found[others, size] = [kernel.run("", f"cost({settings})") for _ in range(rounds)]
    return found


def rows(rounds=5):
    """Three rows of text for each size and load."""
    costs = measure_cost(rounds)
    if CHROMIUM is None:
        yield "the playground's pictures", "", "", "not measured: no Chromium here"
    for (others, size), measured in (measure(rounds) if CHROMIUM else {}).items():
        what, load = f"playground, LSTM {size[0]} x {size[1]}, {LOADS[others]}", others > 0
        per_epoch, per_second, gaps = zip(*measured, strict=True)
        pictures = f"{spread(per_epoch, '')}; {spread(per_second, 'a second', digits=1)}"
        yield f"{what}: pictures per epoch", "", "1, or 20 a second", pictures
        yield f"{what}: longest gap beyond an epoch's own time", "", ("0.3 s", "0.6 s")[load], spread(gaps, "s")
        shares = [100 * cost for cost in costs[others, size]]
        yield f"{what}: drawing, of the whole time", "", ("2 %", "3 %")[load], spread(shares, "%")
