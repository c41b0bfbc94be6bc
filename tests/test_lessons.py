"""A failure means that a lesson stops a reader with an error, or that a solution is called wrong.

Every lesson runs from top to bottom in a kernel of its own, and every source as it stands; stored pages are whole.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbformat.v4 import new_code_cell

from book.settings import Settings
from tests.support.stored import text_of

ROOT = Path(__file__).resolve().parents[1]
EDITIONS = json.loads((ROOT / "notebooks" / "source" / "editions.json").read_text(encoding="utf-8"))
PAGES = sorted((ROOT / "notebooks" / "en").glob("*.ipynb"))  # the start page and others, too
LESSONS = [path for path in PAGES if re.match(r"\d*[1-9]_", path.name)]
SOURCES = sorted((ROOT / "notebooks" / "source").glob("*.py"))
SOLUTION = re.compile(r"<details><summary>.+? (\d)</summary>\n\n```python\n(.+)\n```\n\n</details>", re.DOTALL)
TIMES = re.compile("^ms|second|speed|ratio")  # the headings of what is never the same twice


def unfold(cell):
    """A cell as a reader runs it who copies what a solution shows when it is opened; any other cell as it is."""
    if "solution" not in cell.metadata.get("tags", []):
        return cell
    number, code = SOLUTION.fullmatch(cell.source).groups()
    assert cell.id == f"solution-{number}"
    return new_code_cell(code, id=cell.id)


def tries(exercises):
    """Cells for the end of a lesson: its solutions are given to the checks of its exercises."""
    calls = {
        f"right-{n}": cell.source.splitlines()[-1].replace("answer_", "solution_") for n, cell in exercises.items()
    }
    return [new_code_cell(call, id=cell_id) for cell_id, call in calls.items()]


def check_exercises(cells, exercises):
    """Before a reader answers it says "not yet", and to the solution "right" (tests/test_exercises.py: to no other)."""
    assert list(exercises) == [str(number) for number in range(1, len(exercises) + 1)] and len(exercises) >= 3
    for number in exercises:
        assert text_of(cells[f"exercise-{number}"]).startswith("not yet"), number
        assert text_of(cells[f"right-{number}"]).startswith("right, because"), number
        assert not cells[f"solution-{number}"].outputs, "a solution that shows itself spoils the exercise"


def said(cell):
    """What a cell shows, as text: what it prints, the words of its figures, and its tables but for columns of times."""
    text = text_of(cell)
    for data in (output.get("data", {}) for output in cell.outputs):
        if "book-table" in data.get("text/html", ""):
            rows = re.findall("<tr>(.*?)</tr>", data["text/html"], re.DOTALL)
            columns = zip(*(re.findall("<t[hd].*?>(.*?)</t[hd]>", row) for row in rows), strict=True)
            text += "".join(map(str, (column for column in columns if not TIMES.search(column[0]))))
        else:
            text += data.get("text/plain", "")
    return text


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_runs_from_top_to_bottom_without_a_network(path, run_notebook):
    """Then its exercises, then every cell once more, the last one first. Each says what it said the first time: none
    spoils a name that another one needs, trains on what is trained already, or draws on where others have drawn.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [unfold(cell) for cell in notebook.cells]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    again = {cell.id: new_code_cell(cell.source, id=f"{cell.id}-once-more") for cell in reversed(code)}
    exercises = {cell.id[-1]: cell for cell in code if re.fullmatch(r"exercise-\d", cell.id)}
    notebook.cells += tries(exercises)
    if sys.platform == "linux":  # there ru_maxrss is in KiB
        memory = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        notebook.cells.append(new_code_cell(memory, id="peak-memory"))
    network = "import socket; print([name for _, name in socket.if_nameindex()])"
    notebook.cells += [new_code_cell(network, id="interfaces"), *again.values()]
    run_notebook(notebook, path.parent)
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    for cell in cells.values():
        assert not [o for o in cell.outputs if o.get("name") == "stderr"], cell.id
    for cell_id in again:
        if cell_id.startswith("show-playground"):
            continue  # it goes on showing whatever is trained in it
        assert said(cells[f"{cell_id}-once-more"]) == said(cells[cell_id]), (
            f"{cell_id} says something else when run again"
        )
    if "peak-memory" in cells:
        assert int(text_of(cells["peak-memory"])) < 800 * 1024, "in KiB: many kernels share a hub"
    if os.environ.get("CI"):
        assert text_of(cells["interfaces"]).strip() == "['lo']", "the lesson shall run where there is no network"
    check_exercises(cells, exercises)


@pytest.mark.parametrize("path", [path for path in PAGES if path not in LESSONS], ids=lambda path: path.stem)
def test_page_beside_the_lessons_runs(path, run_notebook):
    notebook = run_notebook(nbformat.read(path, as_version=4), path.parent)
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    assert not [o for cell in cells.values() for o in cell.outputs if o.get("name") == "stderr"]
    if path.stem == "00_start_here":
        assert text_of(cells["check"]).startswith("Ready: ")


@pytest.mark.parametrize(
    ("name", "folder"), [("00_start_here", "notebooks/source"), ("try_it", "."), ("01_deep_rnn", "notebooks/en")]
)
def test_source_runs_as_it_stands(name, folder):
    """As a script, which is what an editor that knows the cells runs one by one, from wherever it was opened."""
    command = [sys.executable, ROOT / "notebooks" / "source" / f"{name}.py"]
    env = os.environ | {"FAST": "1"}
    done = subprocess.run(command, cwd=ROOT / folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_all_sources_begin_alike():
    setups = {}
    for source in SOURCES:
        for cell in jupytext.read(source, fmt="py:percent").cells:
            if cell.cell_type == "code":
                setups.setdefault(source.name, (cell.metadata["id"], cell.source))
    assert len(setups) >= 9 and len(set(setups.values())) == 1, "the first code cell of each"
    ((name, code),) = set(setups.values())
    assert name == "setup" and "import utils" in code and "github" not in code


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_stored_page_is_complete(path):
    """What GitHub shows without running anything: pictures, no errors, no dead widgets, cells of at most 30 lines."""
    for language in EDITIONS:
        edition = ROOT / "notebooks" / language / path.name
        notebook = nbformat.read(edition, as_version=4)
        nbformat.validate(notebook)
        outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
        data = [mime for output in outputs for mime in output.get("data", {})]
        folded = [cell for cell in notebook.cells if "solution" in cell.metadata.get("tags", [])]
        assert len(folded) == len([cell for cell in notebook.cells if re.fullmatch(r"exercise-\d+", cell.id)])
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert "image/png" in data or not code, "a page with code shows a picture"
        assert all(cell.execution_count for cell in code), "every cell has been run"
        assert "application/vnd.jupyter.widget-view+json" not in data and "widgets" not in notebook.metadata
        assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
        assert edition.stat().st_size <= 400_000
        shown = [*code, *map(unfold, folded)]
        assert all(len(cell.source.splitlines()) <= 30 for cell in shown)
        lines = [line for cell in shown if cell.id != "setup" for line in cell.source.splitlines()]
        assert not [line for line in lines if len(line) > 100], "wider than a window"
        prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown" and c not in folded)
        levels = [len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)]
        assert levels[0] == 1 and levels.count(1) == 1, "one title, at the top"
        assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False)), "no level left out"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_ends_with_exam_questions_and_sources(path):
    """Five questions with folded answers, the same five in every language; and where what is taught comes from."""
    exams = {}
    for language in EDITIONS:
        notebook = nbformat.read(ROOT / "notebooks" / language / path.name, as_version=4)
        prose = {cell.id: cell.source for cell in notebook.cells}
        questions = re.split(r"^\*\*\d\.\*\* ", prose["exam"], flags=re.MULTILINE)[1:]
        answers = [re.findall(r"<details><summary>.+?</summary>(.+?)</details>", q, re.DOTALL) for q in questions]
        assert len(questions) == 5 and all(len(answer) == 1 and len(answer[0]) > 20 for answer in answers)
        assert all(re.search("[?？.。]", question.partition("<details>")[0]) for question in questions)
        exams[language] = [sorted(re.findall(r"\d+", answer[0])) for answer in answers]
        years = re.findall(r"\b(?:19|20)\d\d\b", prose["sources"])
        assert len(years) >= 2, "authors, title, venue and year"
    assert len({str(numbers) for numbers in exams.values()}) == 1, f"an answer differs between languages: {exams}"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_result_of_a_guess_is_folded_and_asked_before(path):
    """Three predictions at least are made in a box; the stored page shows nothing of their results before a click."""
    notebook = nbformat.read(path, as_version=4)
    guesses = [cell for cell in notebook.cells if cell.cell_type == "code" and "utils.guess(" in cell.source]
    assert len(guesses) >= 3
    for cell in guesses:
        pages = [o.data["text/html"] for o in cell.outputs if "text/html" in o.get("data", {})]
        assert any(page.startswith('<details class="book-still">') for page in pages), cell.id
        printed = text_of(cell).strip()
        assert re.fullmatch(r"((this|recorded) run[^\n]*)?", printed), f"{cell.id} prints {printed} beside its question"
        assert not [o for o in cell.outputs if "image/png" in o.get("data", {})], f"{cell.id} draws beside its question"


@pytest.mark.parametrize("language", EDITIONS)
def test_route_of_one_hour_leads_through_sections_that_exist(language):
    notebook = nbformat.read(ROOT / "notebooks" / language / "00_start_here.ipynb", as_version=4)
    (route,) = [cell.source for cell in notebook.cells if cell.id == "route"]
    rows, minutes = re.findall(r"^\| (\d+) \|(.+)$", route, re.MULTILINE), 0
    for number, row in rows:
        (lesson,) = re.findall(r"\((\d\d_\w+)\.ipynb\)", row)
        page = nbformat.read(ROOT / "notebooks" / language / f"{lesson}.ipynb", as_version=4)
        prose = "\n".join(cell.source for cell in page.cells if cell.cell_type == "markdown")
        sections = [a or b for a, b in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)|“([^”]+)”", row)]
        assert sections and set(sections) <= set(re.findall(r"^##+ (.+)$", prose, re.MULTILINE)), row
        minutes += int(number)
    assert len(rows) >= 4 and 50 <= minutes <= 60


@pytest.mark.parametrize("language", EDITIONS)
def test_guide_for_teachers_names_sections_and_settings_that_exist(language):
    def prose(name):
        notebook = nbformat.read(ROOT / "notebooks" / language / f"{name}.ipynb", as_version=4)
        return {cell.id: cell.source for cell in notebook.cells if cell.cell_type == "markdown"}

    def headings(name):
        return re.findall(r"^## (.+)$", "\n".join(prose(name).values()), re.MULTILINE)

    guide = prose("teaching")
    rows = [row.split(" | ")[1] for row in guide["twenty"].split("\n") if re.match(r"\| \d", row)]
    sections = [section.strip() for row in rows for section in re.split("[;；]", row)]
    assert len(sections) >= 6 and set(sections) <= set(headings("03_concise_lstm"))
    named, minutes, votes = 0, [], []
    for plan in re.split(r"\n\n(?=\*\*)", guide["one-period"]) + re.split(r"\n\n(?=\*\*)", guide["two-periods"]):
        rows = [row.strip("| ").split(" | ") for row in plan.split("\n") if re.match(r"\| \d", row)]
        minutes += [sum(int(row[0]) for row in rows)] if rows else []
        votes += [len(re.findall(r"\*\*(?:vote:|表决：)", plan))] if rows else []
        for _, show, _ in rows:
            for lesson in re.findall(r"\((\d\d_\w+)\.ipynb\)", show):
                sections = [a or b for a, b in re.findall(r"(?<!\*)\*([^*]+)\*|“([^”]+)”", show)]
                assert sections and set(sections) <= set(headings(lesson)), show
                named += len(sections)
        assert not rows or 3 <= int(rows[-1][0]) <= 5, "no slack"
    assert minutes == [45, 45, 45] and max(votes) < 6, (minutes, votes)
    assert named >= 20
    settings = re.findall(r"`((?:\w+=\w+ ?)+)`", "".join(guide.values()))
    assert len(settings) >= 4 and all(Settings.parse(text) for text in settings if "FULL" not in text)


def test_notebooks_are_in_step_with_their_sources():
    check = [sys.executable, "tools/build_notebooks.py", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
