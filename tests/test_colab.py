"""If this fails, a reader on Colab meets an error, or has Colab's own packages changed.

Colab is simulated: its old widgets, an empty folder with one notebook, and nothing of its own packages changed.

The clone goes to this checkout (git's insteadOf), google.colab is a stand-in that Python imports at its start, and
versions are those of colab-requirements.txt. That Colab's own page shows what a notebook stores is not tested here.
"""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "notebooks" / "zh").glob("*.ipynb"))  # the other edition than test_lessons.py runs
RUNNING = [path for path in PAGES if "import utils" in path.read_text(encoding="utf-8")]
PINS = (ROOT / "requirements.txt").read_text(encoding="utf-8")
OURS = set(re.findall(r"^(?:d2l|word-text-counter)==.+$", PINS, re.MULTILINE))


@pytest.fixture(scope="module")
def colab(tmp_path_factory, copy_course):
    """A folder that holds a Python with Colab's packages and what a notebook's kernel there is told."""
    folder = tmp_path_factory.mktemp("colab")
    subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
    pip = [folder / "python/bin/pip", "install", "-q", "--no-compile"]  # of all of torch, most is never imported
    torch = re.findall(r"^torch==.+$", PINS, re.MULTILINE)
    subprocess.run([*pip, "-r", ROOT / "tests/colab-requirements.txt", *torch], check=True, capture_output=True)
    subprocess.run([*pip, "--no-deps", "ipywidgets==7.7.1"], check=True, capture_output=True)
    package = folder / "stand-in/google/colab/__init__.py"
    package.parent.mkdir(parents=True)
    package.write_text("")
    (folder / "stand-in/sitecustomize.py").write_text("import google.colab")
    published = copy_course(folder / "published")
    for command in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -qm a"):
        subprocess.run(["git", *command.split()], cwd=published, check=True)
    return folder


def installed(colab):
    """The packages of that Python, as "name==version"; read from their folders, because pip takes seconds."""
    folders = [path.stem.rsplit("-", 1) for path in (colab / "python/lib").glob("*/site-packages/*.dist-info")]
    return {f"{name.replace('_', '-')}=={version}" for name, version in folders}


def run_there(notebook, colab, folder, run_notebook):
    (setup,) = [cell.source for cell in notebook.cells if cell.id == "setup"]
    (address,) = re.findall(r"https://github\.com/[\w.-]+/[\w.-]+", setup)
    env = {"PYTHONPATH": str(colab / "stand-in"), "GIT_CONFIG_COUNT": "1"}
    env |= {"GIT_CONFIG_KEY_0": f"url.file://{colab / 'published'}.insteadOf", "GIT_CONFIG_VALUE_0": address}
    return run_notebook(notebook, folder, argv=[colab / "python/bin/python"], network=True, **env)


@pytest.mark.parametrize("path", RUNNING, ids=lambda path: path.stem)
def test_notebook_alone_in_an_empty_folder(path, colab, tmp_path, run_notebook):
    before = installed(colab)
    assert before, "nothing was found"
    (tmp_path / "utils.py").write_text("raise SystemExit('a file of the reader is not the course')")
    notebook = run_there(nbformat.read(path, as_version=4), colab, tmp_path, run_notebook)
    assert installed(colab) - before <= OURS and not before - installed(colab), "Colab's own packages stay as they are"
    assert OURS <= installed(colab)
    appeared = {path.name for path in tmp_path.iterdir()} - {"utils.py"}
    assert appeared == {"deep-rnn-book"}, "the course is cloned, and nothing else appears"
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [o.text for o in outputs if o.get("name") == "stderr"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_figure_is_inside_the_notebook(path):
    """Colab shows no file of the clone and no attachment in a Markdown cell, only what a code cell has drawn."""
    for cell in nbformat.read(path, as_version=4).cells:
        assert "attachments" not in cell
        assert cell.cell_type == "code" or not re.search(r"!\[.*?\]\(|<img", cell.source), cell.id


def test_playground_with_the_widgets_of_2022(colab):
    """test_playground.py with ipywidgets 7.7.1, ipykernel 6.17 and IPython 7.34: Colab's, and some VS Codes'."""
    dev = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    tools = re.findall(r"^(?:pytest|pytest-timeout|nbclient)==.*$", dev, re.MULTILINE)
    subprocess.run([colab / "python/bin/pip", "install", "-q", *tools], check=True, capture_output=True)
    subprocess.run([colab / "python/bin/pip", "install", "-q", "--no-deps", *OURS], check=True, capture_output=True)
    assert {"ipywidgets==7.7.1", "ipykernel==6.17.1", "ipython==7.34.0"} <= installed(colab)
    pytest_there = [colab / "python/bin/python", "-m", "pytest", "-q", "-p", "no:warnings"]
    command = [*pytest_there, "-m", "not alone", "tests/test_playground.py"]  # speed is another test's matter
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 33 and "skipped" not in done.stdout
