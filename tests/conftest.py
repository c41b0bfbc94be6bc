"""What several tests need: the corpus and small models. utils comes before torch here, because it sets the threads."""

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import utils
from tests.support.kernels import can_cut_off, run_in_kernel
from tests.support.lab import CHROMIUM, chromium
from utils import d2l, torch

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        reason = "no Chromium: install it (Debian: apt-get install chromium) to run the browser tests"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def copy_course():
    """A function that copies the course into a folder as a clone has it: what git tracks and what it would track."""

    def copy(folder):
        names = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(names, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
            if name and (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        return folder

    return copy


@pytest.fixture(scope="session")
def run_notebook(tmp_path_factory):
    """A function that runs a notebook in a folder, every training cut short, and returns it with its outputs.

    Its kernel has no network where the system allows that (Linux), and is another Python if argv names one.
    """
    isolated = can_cut_off()
    assert isolated or not os.environ.get("CI"), "CI must try the lessons without a network"

    def run(notebook, folder, network=False, **options):
        sockets = tmp_path_factory.mktemp("k") if isolated else None
        return run_in_kernel(notebook, folder, sockets, cut_off=isolated and not network, **options)

    return run


@pytest.fixture(scope="session")
def installed_course(tmp_path_factory, copy_course):
    """The course on a fresh machine: a copy in a new folder, installed by the first command of the README.

    Returns the folder and the second command, which starts JupyterLab.
    """
    course = copy_course(tmp_path_factory.mktemp("fresh"))
    ((install, start),) = re.findall(
        r"^(python3 -m venv .*\n.*pip install .*)\n(.*jupyter lab .*)$", (course / "README.md").read_text(), re.M
    )
    fast = os.environ | {"PIP_COMPILE": "0"}  # or half of the time goes into bytecode of what is never imported
    subprocess.run(["bash", "-euo", "pipefail", "-c", install], cwd=course, env=fast, check=True, capture_output=True)
    return course, start


@pytest.fixture(scope="session")
def corpus():
    return utils.load_corpus()


@pytest.fixture(autouse=True)
def seeds():
    utils.seed_everything(0)


@pytest.fixture
def small_model(corpus):
    """A function that returns a small language model with the weights of a seed: small_model(bidirectional=True)."""

    def build(cell=torch.nn.LSTM, num_layers=1, bidirectional=False, seed=0, num_hiddens=24):
        torch.manual_seed(seed)
        random.seed(seed)
        vocab_size = len(corpus.vocab)
        return d2l.RNNModel(cell(vocab_size, num_hiddens, num_layers, bidirectional=bidirectional), vocab_size)

    return build
