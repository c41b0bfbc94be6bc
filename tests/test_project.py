"""If this fails, a stranger who clones the book meets a broken link, a wrong command or a file that is hard to read.

README's commands, exact pins, clean code, nothing of the machine it was made on.
"""

import ast
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from babel.messages.pofile import read_po, write_po
from words import words_of

import utils
from book.display import PALETTE

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md"), *ROOT.glob("notebooks/*/*.ipynb")])
EDITIONS = json.loads((ROOT / "notebooks" / "source" / "editions.json").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
(TORCH,) = re.findall(r"^torch==(.+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)


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


def test_another_torch_needs_two_lines(tmp_path, copy_course):
    """Of requirements.txt and .binder/requirements.txt; the README's command follows, and no other file names it."""
    course = copy_course(tmp_path / "course")
    for name in ("requirements.txt", ".binder/requirements.txt"):
        requirements = (course / name).read_text(encoding="utf-8")
        (course / name).write_text(requirements.replace(f"torch=={TORCH}", "torch==9.8.7"), encoding="utf-8")
    readme = course / "README.md"
    assert f"pip install torch=={TORCH} --index-url" in readme.read_text(encoding="utf-8")
    subprocess.run([sys.executable, "tools/build_notebooks.py"], cwd=course, check=True, capture_output=True)
    assert "pip install torch==9.8.7 --index-url" in readme.read_text(encoding="utf-8")
    files = [path for path in course.rglob("*") if path.suffix in (".py", ".md", ".txt", ".toml", "")]
    assert not [p for p in files if p.is_file() and f"torch=={TORCH}" in p.read_text(encoding="utf-8")]


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
            env = os.environ | {"MACOSX_DEPLOYMENT_TARGET": "14.0"}  # the oldest that torch has wheels for
            pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
            running[python, system] = subprocess.Popen(command, cwd=ROOT, env=env, **pipes)
    for (python, system), process in running.items():
        assert process.wait() == 0, process.stderr.read()
        resolved = (tmp_path / f"{python}-{system}").read_text()
        assert f"torch=={TORCH}" in resolved and ("nvidia" in resolved) == (system == "linux")


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
    for language in EDITIONS:
        text = (course / "notebooks" / language / "03_concise_lstm.ipynb").read_text(encoding="utf-8")
        places = len(EDITIONS[language]["launch"])  # Binder, Colab, ...
        assert text.count("some-school/rnn.course") == places + 1, "and the clone of the setup cell"


def test_a_third_language_needs_no_change_of_code(tmp_path, copy_course):
    """As CONTRIBUTING.md says: words in editions.json, glossary.csv and catalogues, a cell beside each English one."""
    course = copy_course(tmp_path / "course")
    sources = course / "notebooks" / "source"
    words = {key: f"{EDITIONS['en'][key]} (de)" for key in ("edition", "next", "solution", "figure")}
    (sources / "editions.json").write_text(
        json.dumps(EDITIONS | {"de": EDITIONS["en"] | words | {"name": "Deutsch"}}), encoding="utf-8"
    )
    with open(sources / "glossary.csv", encoding="utf-8", newline="") as file:
        rows = [row | {"de": row["en"], "de meaning": row["en meaning"]} for row in csv.DictReader(file)]
    with open(sources / "glossary.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for source in sources.glob("*.py"):
        english = re.compile(r'^# %% \[markdown\] lang="en".*?(?=^# %%)', re.MULTILINE | re.DOTALL)
        text = english.sub(lambda cell: cell[0] + cell[0].replace('lang="en"', 'lang="de"'), source.read_text("utf-8"))
        source.write_text(text, encoding="utf-8")
    shutil.copytree(course / "notebooks" / "en", course / "notebooks" / "de")  # pages whose code is not translated yet
    translate_a_little(course)
    run = [sys.executable, "tools/build_notebooks.py"]
    lesson = "notebooks/source/01_deep_rnn.py"
    for options in (["--execute", "--edition", "de", lesson], [], ["--check"]):
        subprocess.run([*run, *options], cwd=course, check=True, env=os.environ | {"FAST": "1"})
    pages = [{path.name for path in (course / "notebooks" / language).glob("*.ipynb")} for language in ("en", "de")]
    assert pages[0] == pages[1] and len(pages[0]) >= 10
    cells = {cell.id: cell for cell in nbformat.read(course / "notebooks/de/01_deep_rnn.ipynb", as_version=4).cells}
    assert "[中文版](../zh/01_deep_rnn.ipynb)" in cells["title"].source and '"de"' in cells["setup"].source
    assert "equal to nn.RNN:°" in cells["check-torch"].outputs[0].text, "its code's words"
    assert "perplexity°" in str(cells["race"].outputs), "and the book's"
    lesson = nbformat.read(course / "notebooks/de/03_concise_lstm.ipynb", as_version=4)
    assert all(cell.execution_count for cell in lesson.cells if cell.cell_type == "code"), "the outputs are there"
    assert "[Deep recurrent networks](notebooks/de/01_deep_rnn.ipynb)" in (course / "README.md").read_text("utf-8")
    slides = [sys.executable, "tools/make_slides.py", "notebooks/de/01_deep_rnn.ipynb"]
    subprocess.run(slides, cwd=course, check=True)
    assert (course / "slides/de/01_deep_rnn.html").stat().st_size > 1e6
    again = ["tests/test_lessons.py::test_stored_page_is_complete", "tests/test_project.py::test_links_lead_somewhere"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *again], cwd=course, capture_output=True, text=True)
    assert done.returncode == 0 and int(re.search(r"(\d+) passed", done.stdout)[1]) >= 40, done.stdout


def translate_a_little(course):
    """Grow the catalogues of a German edition, and fill in those of the book and of lesson 1."""
    collect = [sys.executable, "tools/words.py"]
    assert subprocess.run(collect, cwd=course, capture_output=True).returncode == 1, "nothing is translated yet"
    for german in (
        course / "book/words/de/LC_MESSAGES/book.po",
        course / "notebooks/source/words/de/01_deep_rnn.po",
    ):
        chinese = words_of(Path(str(german).replace("/de/", "/zh/")))
        with open(german, "rb") as file:
            catalogue = read_po(file)
        for message in catalogue:
            if message.id:
                is_code = chinese[message.id] == message.id or len(message.id) > 60  # lines have an end
                message.string = message.id if is_code else f"{message.id}°"
                message.user_comments = ["a name, or not yet"] * is_code
        with open(german, "wb") as file:
            write_po(file, catalogue)
    done = subprocess.run(collect, cwd=course, capture_output=True, text=True)
    assert "/de/LC_MESSAGES/book.po: " in done.stdout and "/de/LC_MESSAGES/book.po: not" not in done.stderr


def test_every_term_of_the_glossary_is_linked_in_every_edition():
    with open(ROOT / "notebooks" / "source" / "glossary.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for language in EDITIONS:
        prose = "\n".join(prose_of(path) for path in ROOT.glob(f"notebooks/{language}/0*.ipynb"))
        linked = set(re.findall(r'\]\(glossary\.ipynb#\S+ "(.+?)(?: · .+?)?(?:: |：)[^"]+"\)', prose))
        assert linked == {row[language].split("; ")[0] for row in rows}


def test_ruff_finds_nothing():
    for arguments in (["check"], ["format", "--check"]):
        done = subprocess.run([sys.executable, "-m", "ruff", *arguments, "."], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_files_and_functions_are_short_enough_to_read():
    """A newcomer reads a function without scrolling; a file of the book has one concern."""
    for path in [path for path in tracked_files() if path.suffix == ".py" and "source" not in path.parts]:
        text = path.read_text(encoding="utf-8")
        if path.parent.name == "book" or path.name == "utils.py":
            assert text.count("\n") <= 450, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 50, f"{path}: {node.name}"


def test_imports_run_one_way():
    """environment, display, ... <- utils <- settings, ..., playground: each can be read without what comes after."""
    order = ["book", "environment", "text", "display", "live_plot", "runs", "exercises", "guess", "audit", "shards"]
    order += ["utils", "settings", "models", "training", "panel", "playground"]
    for path in [ROOT / "utils.py", *(ROOT / "book").glob("*.py")]:
        name = "book" if path.name == "__init__.py" else path.stem
        for imported in re.findall(r"^\s*(?:from|import) (?:book\.)?(\w+)", path.read_text("utf-8"), re.MULTILINE):
            assert imported not in order or order.index(imported) < order.index(name), f"{name} imports {imported}"


def test_palette_recipe_and_labels_stand_in_one_place():
    """To change a colour, the default learning rate or a control's word, a newcomer edits one line."""
    texts = {
        p: p.read_text("utf-8") for p in tracked_files() if p.suffix in (".py", ".js", ".j2") and "tests" not in p.parts
    }
    for colour in PALETTE[:-1]:
        assert [p.name for p, text in texts.items() if colour in text] == ["display.py"], colour
    rate = [p.name for p, text in texts.items() for _ in re.findall(r"\b0\.005\b", text)]
    assert rate == ["utils.py"], rate
    code = (ROOT / "book" / "playground.py").read_text("utf-8")
    assert not re.findall(r'description="', code), "a control's word belongs to words/labels.json"


def test_readme_says_what_the_recorded_runs_say():
    """The two numbers that make a reader stay: what D2L's trainings end with, on text read and on text not read."""
    deep, both = utils.load_run("deep_lstm"), utils.load_run("bidirectional_lstm")
    last = deep.records[-1]
    assert f"perplexity {last.perplexity:.2f} on the 10,000 characters" in README
    assert f"and at {last.held_out:.0f} on the next" in README
    assert f"gets {both.records[-1].held_out:.2f} on text" in README
    assert re.search(r"writes \*(\w+)\*", README)[1] in both.generated[0]
    chinese = (ROOT / "README.zh.md").read_text(encoding="utf-8")
    assert f"10,000 个字符上困惑度降到 {last.perplexity:.2f}" in chinese
    assert f"接下来的 5,000 个字符上却是 {last.held_out:.0f}（" in chinese
    assert f"困惑度只有 {both.records[-1].held_out:.2f}，" in chinese
    assert re.search(r"写出来的却是 \*(\w+)\*", chinese)[1] in both.generated[0]


def test_the_chinese_readme_lists_every_page_by_its_name():
    text = (ROOT / "README.zh.md").read_text(encoding="utf-8")
    for path in ROOT.glob("notebooks/zh/*.ipynb"):
        title = re.search(r"^# (?:\d+ · )?(.+)$", prose_of(path), re.MULTILINE)[1]
        assert f"| [{title}](notebooks/zh/{path.name}) |" in text, path.name


def test_commands_are_those_of_windows_powershell_too():
    """PowerShell 5.1 knows no &&; only the one command that CI runs as it stands has them."""
    for path in DOCUMENTS:
        commands = re.findall(r"^ *```(?:sh|powershell)\n(.*?)^ *```$", prose_of(path), re.MULTILINE | re.DOTALL)
        assert not [c for c in commands if "&&" in c and "-m alone" not in c], path


def test_release_and_issue_forms():
    """One version everywhere, and forms that ask what is needed to try it again."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    (newest, *_) = re.findall(
        r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert newest == (citation["version"], str(citation["date-released"]))
    assert {"cff-version", "message", "title", "authors", "license"} <= set(citation)
    forms = [yaml.safe_load(p.read_text(encoding="utf-8")) for p in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")]
    asked = [{field["id"] for field in form["body"] if field["validations"]["required"]} for form in forms]
    assert all({"name", "description"} <= set(form) for form in forms)
    assert {"lesson", "cell", "what", "environment"} in asked


def test_no_machine_path_in_any_file():
    home = re.compile(r"/(?:home|Users|root|work|opt)/\w|[A-Z]:\\\\Users")
    for path in tracked_files():
        if path.suffix not in (".png", ".svg", ".mo", ".otf") and path.resolve() != Path(__file__).resolve():
            assert not home.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_links_lead_somewhere(path):
    """Relative links to files and to headings in them, in the README and between lessons and languages."""
    for target, anchor in re.findall(r'\]\((?!https?:)([^)#\s]*)#?([^)\s]*)(?: "[^"]*")?\)', prose_of(path)):
        file = (path.parent / target).resolve() if target else path
        assert file.is_file() or (file.is_dir() and not anchor), target
        if anchor.startswith("cell-id="):
            assert f'"id": "{anchor[8:]}"' in file.read_text(encoding="utf-8"), anchor
        elif anchor:
            headings = re.findall(r"^#+ (.+)$", prose_of(file), re.MULTILINE)
            assert anchor in [heading.lower().replace(" ", "-") for heading in headings], anchor


def prose_of(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
