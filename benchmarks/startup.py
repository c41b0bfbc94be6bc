"""What a reader waits for: importing utils, and the way from opening lesson 3 to its first slider."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import utils
from benchmarks.timing import speed_ratios, spread
from tests.support.lab import CHROMIUM, begin_run_all, chromium, jupyter_lab

# what the lessons need of torch and d2l; d2l imports torchvision, which utils does without
TORCH_AND_D2L = """
import sys, types
for name in ("torchvision", "torchvision.transforms"): sys.modules[name] = types.ModuleType(name)
sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
import torch
from d2l import torch as d2l
"""


def measure_imports(rounds):
    """Seconds of a Python that imports utils, and of one that imports torch and d2l, {name: list}."""

    def python(code):
        return lambda: subprocess.run([sys.executable, "-c", code], cwd=utils.ROOT, check=True)

    return utils.seconds_each({"utils": python("import utils"), "torch and d2l": python(TORCH_AND_D2L)}, rounds)


def measure_opening(rounds, lesson="notebooks/en/03_concise_lstm.ipynb"):
    """Seconds to open a lesson in JupyterLab until Run All can be chosen, and from there to its first slider."""
    start, opening, running = f"{sys.executable} -m jupyterlab --notebook-dir=.", [], []
    with tempfile.TemporaryDirectory() as folder, jupyter_lab(start, utils.ROOT, Path(folder)) as lab:
        with chromium() as browser:
            for _ in range(rounds):
                page, opened = browser.new_page(), time.monotonic()
                chosen, _ = begin_run_all(page, lab, lesson)
                page.locator(".jp-OutputArea .widget-slider").first.wait_for(timeout=300_000)
                opening.append(chosen - opened)
                running.append(time.monotonic() - chosen)
                page.close()
                for session in lab.api("sessions"):
                    lab.api(f"sessions/{session['id']}", "DELETE")
    return opening, running


def rows(rounds=5):
    """Rows of text: the import, and the two parts of the way to the first slider."""
    seconds = measure_imports(rounds)
    times = speed_ratios(seconds, "torch and d2l", "utils")
    measured = f"{spread(times, 'x the time')}; {spread(seconds['utils'], 's')}"
    yield "import utils", "import torch and d2l", "1.1 x the time", measured
    if CHROMIUM is None:
        yield "lesson 3 in JupyterLab", "", "", "not measured: no Chromium here"
        return
    for what, waited in zip(("until Run All", "Run All until its first slider"), measure_opening(rounds), strict=True):
        aim = "5 s" if "slider" in what else ""
        yield f"lesson 3 in JupyterLab, {what}", "", aim, spread(waited, "s", digits=1)
