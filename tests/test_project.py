"""The tree as a stranger finds it: README's commands, exact pins, clean code, nothing of the machine it was made on."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("notebooks/en/*.ipynb"), *ROOT.glob("notebooks/zh/*.ipynb")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def tracked_files():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).exists()]


def test_ci_runs_the_readmes_test_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (extract,) = re.findall(r"^command=\$\((.*)\)$", script, re.MULTILINE)
    command = subprocess.run(["bash", "-c", extract], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert len(command.strip().splitlines()) == 1
    assert "pip install -r requirements-dev.txt" in command and "pytest" in command
    assert f"```sh\n{command.strip()}\n```" in README


def test_requirements_are_exact():
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            assert re.fullmatch(r"-r requirements\.txt|[\w-]+==[\d.]+", line), line
    assert "torch==2.13.0" in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.alone
def test_readmes_first_command_installs_on_an_empty_machine_and_pulls_no_cuda(installed_course):
    course, start = installed_course
    assert start.endswith("notebooks/en/00_start_here.ipynb")
    freeze = [course / ".venv/bin/pip", "freeze"]
    installed = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout.lower()
    for pin in (course / "requirements.txt").read_text(encoding="utf-8").split():
        assert re.search(rf"^{re.escape(pin)}(\+cpu)?$", installed, re.MULTILINE), pin
    assert not re.findall("nvidia|cuda|triton", installed)


def test_requirements_resolve_for_every_python_and_system(tmp_path):
    """Wheels only, so nobody needs a compiler; CUDA packages are for Linux only, as the README says."""
    running = {}
    for system, pythons in (
        ("linux", ("3.10", "3.11", "3.12", "3.13", "3.14")),
        ("windows", ("3.14",)),
        ("aarch64-apple-darwin", ("3.10",)),
    ):
        for python in pythons:
            command = [sys.executable, "-m", "uv", "pip", "compile", "-q", "--only-binary", ":all:", "requirements.txt"]
            command += ["--python-version", python, "--python-platform", system, "-o", tmp_path / f"{python}-{system}"]
            env = os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0"}  # the oldest that torch 2.13 has wheels for
            pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
            running[python, system] = subprocess.Popen(command, cwd=ROOT, env=env, **pipes)
    for (python, system), process in running.items():
        assert process.wait() == 0, process.stderr.read()
        resolved = (tmp_path / f"{python}-{system}").read_text()
        assert "torch==2.13.0" in resolved and ("nvidia" in resolved) == (system == "linux")


def test_another_address_needs_one_line_and_one_command(tmp_path, copy_course):
    """A fork: the line in pyproject.toml, then the builder; nothing in the whole tree names the old one then."""
    course = copy_course(tmp_path / "course")
    project = course / "pyproject.toml"
    (old,) = re.findall(r'^repository = "https://github\.com/(.+)"$', project.read_text(encoding="utf-8"), re.MULTILINE)
    project.write_text(project.read_text(encoding="utf-8").replace(old, "some-school/rnn.course"), encoding="utf-8")
    tree = {path for path in course.rglob("*") if path.is_file()}
    assert len([path for path in tree if old.encode() in path.read_bytes()]) > 10, "or the test looks for nothing"
    build = [sys.executable, ROOT / "tools/build_notebooks.py", "--root", course]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([*build, "--check"], check=True, capture_output=True)
    assert not [path for path in tree if old.encode() in path.read_bytes()]
    for language in ("en", "zh"):
        text = (course / "notebooks" / language / "03_concise_lstm.ipynb").read_text(encoding="utf-8")
        assert text.count("some-school/rnn.course") == 3, "Binder, Colab, and the clone of the setup cell"


def test_ruff_finds_nothing():
    for arguments in (["check"], ["format", "--check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *arguments, "."], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_machine_path_in_any_file():
    home = re.compile(r"/(?:home|Users|root|work|opt)/\w|[A-Z]:\\\\Users")
    for path in tracked_files():
        if path.suffix not in (".png", ".svg") and path.resolve() != Path(__file__).resolve():
            assert not home.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_links_lead_somewhere(path):
    """Relative links to files and to headings in them, in the README and between lessons and languages."""
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", prose_of(path)):
        file = (path.parent / target).resolve() if target else path
        assert file.is_file() or (file.is_dir() and not anchor), target
        headings = re.findall(r"^#+ (.+)$", prose_of(file), re.MULTILINE) if anchor else []
        assert not anchor or anchor in [heading.lower().replace(" ", "-") for heading in headings], anchor


def prose_of(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
