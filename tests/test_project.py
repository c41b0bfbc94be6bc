"""The tree as a stranger finds it: README's commands, exact pins, clean code, nothing of the machine it was made on."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
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


def test_ruff_finds_nothing():
    for arguments in (["check"], ["format", "--check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *arguments, "."], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_machine_path_in_any_file():
    home = re.compile(r"/(?:home|Users|root|work|opt)/\w|[A-Z]:\\\\Users")
    for path in tracked_files():
        if path.suffix not in (".png", ".svg") and path.resolve() != Path(__file__).resolve():
            assert not home.search(path.read_text(encoding="utf-8")), path


def test_links_of_the_readme_lead_somewhere():
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
