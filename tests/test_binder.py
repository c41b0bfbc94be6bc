"""If this fails, a reader's Binder does not start, or lacks what a lesson needs.

repo2docker reads .binder as we mean it, and the build's own commands, run here, can run lesson 3.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Binder is Linux: bash scripts")

ROOT = Path(__file__).resolve().parents[1]


def lines_of(path):
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def course(tmp_path_factory, copy_course):
    return copy_course(tmp_path_factory.mktemp("binder") / "course")


@pytest.fixture(scope="module")
def binder(course):
    """Binder's build in a clean virtual environment; returns a function that runs a command as Binder does.

    Two things differ. The index with PyTorch's CPU wheels may be out of reach: a copy of the requirements without that
    line and without `+cpu`, and with nothing else changed, takes the torch that pip finds (in CI, the CPU build). And
    pip starts from nothing, where Binder has repo2docker's own packages.
    """
    folder = course.parent
    requirements = [line for line in lines_of(course / ".binder" / "requirements.txt") if line[0] != "-"]
    (folder / "requirements.txt").write_text("\n".join(requirements).replace("+cpu", ""))
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv/bin/pip", "install", "-q", "--no-compile"]  # of all of torch, most is never imported
    subprocess.run([*pip, "-r", folder / "requirements.txt"], check=True)
    env = {"HOME": str(folder / "home"), "PATH": f"{folder / 'venv/bin'}:{os.environ['PATH']}"}

    def run(*command):
        return subprocess.run(command, cwd=course, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout

    run("./.binder/postBuild")
    yield run
    subprocess.Popen(["rm", "-rf", folder / "venv"])  # more than a gigabyte, which pytest would keep; nobody waits


def test_pins_are_those_of_the_course():
    index, *pins = lines_of(ROOT / ".binder" / "requirements.txt")
    assert index == "--extra-index-url https://download.pytorch.org/whl/cpu"
    course = lines_of(ROOT / "requirements.txt")
    assert pins == [f"{pin}+cpu" if pin.startswith("torch==") else pin for pin in course]


def test_repo2docker_reads_the_folder_as_we_mean_it(course):
    command = [sys.executable, "-m", "repo2docker", "--no-build", "."]
    dockerfile = subprocess.run(command, cwd=course, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"environment-2epy-2d(\d)-2e(\d+)-2d", dockerfile) == [("3", "12")]
    order = [
        '/bin/pip install --no-cache-dir -r ".binder/requirements.txt"\n',
        " src/ ${REPO_DIR}/\n",  # the copy of the sources; what comes after it is done anew for every commit
        "RUN ./.binder/postBuild\n",
        'ENV R2D_ENTRYPOINT="${REPO_DIR}/.binder/start"\n',
    ]
    places = [dockerfile.find(step) for step in order]
    assert -1 not in places and places == sorted(places)


def test_post_build_warms_the_caches_and_switches_announcements_off(binder, course):
    venv = course.parent / "venv"
    assert list((course.parent / "home").glob(".cache/matplotlib/fontlist*.json"))
    assert list(course.glob("__pycache__/utils.*.pyc"))
    page = json.loads((venv / "etc/jupyter/labconfig/page_config.json").read_text(encoding="utf-8"))
    (plugin,) = page["disabledExtensions"]
    scripts = (venv / "share/jupyter/lab/static").glob("jlab_core.*.js")
    assert any(f'"{plugin}"' in script.read_text(encoding="utf-8") for script in scripts), "no such plugin"


def test_start_sets_the_threads_before_torch_is_loaded(binder):
    code = "import os, torch; print(torch.get_num_threads(), os.environ.get('OMP_WAIT_POLICY'))"
    code += "; import utils; print(torch.get_num_threads(), torch.__version__)"
    before, after = binder("./.binder/start", "python", "-c", code).splitlines()
    assert before == "1 PASSIVE"
    (torch,) = [pin for pin in lines_of(ROOT / "requirements.txt") if pin.startswith("torch==")]
    assert after.partition("+")[0] == f"1 {torch.removeprefix('torch==')}"


def test_lesson_3_runs_with_what_binder_installs(binder, course):
    """With short trainings; in full, and how much memory that takes, is tried in the browser."""
    path = course / "notebooks" / "en" / "03_concise_lstm.ipynb"
    binder("env", "FAST=1", "./.binder/start", "jupyter", "execute", "--inplace", str(path))
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert not [o for cell in cells for o in cell.outputs if o.get("name") == "stderr"]
