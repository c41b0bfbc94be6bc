"""Every lesson runs from top to bottom in a kernel of its own; its exercises say "right" to the solution only."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from playground import Settings

ROOT = Path(__file__).resolve().parents[1]
EDITIONS = json.loads((ROOT / "notebooks" / "source" / "editions.json").read_text(encoding="utf-8"))
PAGES = sorted((ROOT / "notebooks" / "en").glob("*.ipynb"))  # the start page and others, too
LESSONS = [path for path in PAGES if re.match(r"\d*[1-9]_", path.name)]
WRONG_ANSWERS = (0, -1, 1e9, "right", [])
MISCONCEPTIONS = {  # of every exercise in turn: what a reader answers who has taken the wrong turn
    "01_deep_rnn": [
        [(64, 28, 64, 64), (64, 64, 64, 64), (28, 64, 28, 64)],  # PyTorch's order; h x h for all; d in every layer
        [810, 852, 662],  # no output bias; two biases a layer; d inputs in every layer
        [5, 3, 10],
        [4, 400 / 104, 103 / 400],
        [4, 2, 104],
    ],
    "02_stacked_from_scratch": [
        [140, 70, 36],  # the loop form; without the hoisted products; one layer
        [1, 3, 3 / 7],  # each gradient for itself; not clipped; the sum for the norm
        [256, 128, 1024],  # one layer; h for 4h; both biases
        [18, 0.9**19, 0.9**21],
        [(15, 30), (25, 10), (10, 10)],
    ],
    "03_concise_lstm": [
        [4 * 256 * (28 + 256 + 1) + 2 * 4 * 256 * 513, 4 * 256 * 284 + 2 * 4 * 256 * 512, 3 * 4 * 256 * 286],
        [28, 27, 28 / 2],
        [4 / 3, 2 / 3, 75],
        [3, 50, 500],
        [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-4)), 0.5],  # tau = 1; times tau; uniform
    ],
    "04_hmm_forward_backward": [
        [5000, 500, 5390],  # k k T; k T; without the last k
        [0.3, 0.5, 0.6],
        [14, 15, 17],
        [math.log(6), math.log(3), 6],
        [1, 19, 10],
    ],
    "05_bidirectional_rnn": [
        [2, 4, 2.5],
        [2, 4, 5],
        [(6, 3), (7, 3), (6, 4)],
        [50, 60, 30],
        [1, 0.5, 2],
    ],
    "06_bidirectional_misuse": [
        [1.12, 2.33, 1.4],  # the average does not depend on T; of perplexities; the middle
        [1, 3, 33],
        ["A", "B", "c"],
        [35, 17.5, 36],
        [(1, 3, 5), (0, 1, 2), (0,)],
    ],
}


def text_of(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_runs_from_top_to_bottom_without_a_network(path, run_notebook):
    """Then its exercises, then every cell again in the reverse order: none must spoil a name that another one needs."""
    notebook = nbformat.read(path, as_version=4)
    again = [new_code_cell(c.source, id=f"{c.id}-again") for c in reversed(notebook.cells) if c.cell_type == "code"]
    exercises = [cell.id for cell in notebook.cells if re.fullmatch(r"exercise-\d+", cell.id)]
    for number in range(1, len(exercises) + 1):  # after the lesson, try wrong answers on each exercise
        calls = {"right": f"check_{number}(solution_{number})"}
        wrong = [*WRONG_ANSWERS, *MISCONCEPTIONS[path.stem][number - 1]]
        calls["wrong"] = f"[check_{number}(answer) for answer in {wrong}];"
        notebook.cells += [new_code_cell(call, id=f"{name}-{number}") for name, call in calls.items()]
    if sys.platform == "linux":  # there ru_maxrss is in KiB
        memory = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        notebook.cells.append(new_code_cell(memory, id="peak-memory"))
    network = "import socket; print([name for _, name in socket.if_nameindex()])"
    notebook.cells += [new_code_cell(network, id="network"), *again]
    run_notebook(notebook, path.parent)
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    for cell in cells.values():
        assert not [o for o in cell.outputs if o.get("name") == "stderr"], cell.id
    if "peak-memory" in cells:
        assert int(text_of(cells["peak-memory"])) < 1024**2, "a kernel on a shared hub may use 1 GB"
    if os.environ.get("CI"):
        assert text_of(cells["network"]).strip() == "['lo']", "the lesson shall run where there is no network"
    assert len(exercises) == 5, "as the start page says"
    for number, exercise in enumerate(exercises, start=1):
        assert exercise == f"exercise-{number}"
        assert text_of(cells[exercise]).startswith("not yet"), exercise
        assert text_of(cells[f"right-{number}"]).startswith("right, because")
        assert not cells[f"solution-{number}"].outputs, "a solution that shows itself spoils the exercise"
        assert text_of(cells[f"wrong-{number}"]).count("not yet") == len(WRONG_ANSWERS) + 3


@pytest.mark.parametrize("path", [path for path in PAGES if path not in LESSONS], ids=lambda path: path.stem)
def test_page_beside_the_lessons_runs(path, run_notebook):
    notebook = run_notebook(nbformat.read(path, as_version=4), path.parent)
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    assert not [o for cell in cells.values() for o in cell.outputs if o.get("name") == "stderr"]
    if path.stem == "00_start_here":
        assert text_of(cells["check"]).startswith("Ready: ")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_stored_page_is_complete(path):
    """What GitHub shows without running anything: pictures, no errors, no dead widgets, cells of at most 30 lines."""
    for language in EDITIONS:
        edition = ROOT / "notebooks" / language / path.name
        notebook = nbformat.read(edition, as_version=4)
        nbformat.validate(notebook)
        outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
        data = [mime for output in outputs for mime in output.get("data", {})]
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert "image/png" in data or not code, "a page with code shows a picture"
        assert all(cell.execution_count for cell in code), "every cell has been run"
        assert "application/vnd.jupyter.widget-view+json" not in data and "widgets" not in notebook.metadata
        assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
        assert edition.stat().st_size <= 300_000
        assert all(len(cell.source.splitlines()) <= 30 for cell in code)
        lines = [line for cell in code if cell.id != "setup" for line in cell.source.splitlines()]
        assert not [line for line in lines if len(line) > 100], "wider than a window"
        prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        levels = [len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)]
        assert levels[0] == 1 and levels.count(1) == 1, "one title, at the top"
        assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False)), "no level left out"


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
    named = 0
    for row in guide["fifty"].split("\n"):
        for lesson in re.findall(r"\((\d\d_\w+)\.ipynb\)", row)[:1]:
            sections = re.findall(r"(?<!\*)\*([^*]+)\*|“([^”]+)”", row)
            sections = [emphasised or quoted for emphasised, quoted in sections]
            assert set(sections) <= set(headings(lesson)), row
            named += len(sections)
    assert named >= 7
    settings = re.findall(r"`((?:\w+=\w+ ?)+)`", "".join(guide.values()))
    assert len(settings) >= 4 and all(Settings.parse(text) for text in settings if "FULL" not in text)


def stored(lesson, cell_id):
    """The outputs of a cell of the stored English edition, as text."""
    notebook = nbformat.read(ROOT / "notebooks" / "en" / f"{lesson}.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
    return text_of(cell) + "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def test_stored_numbers_say_what_the_prose_says():
    race = stored("01_deep_rnn", "race-result")
    rows = re.findall(r"<td>L = (\d), .*?</td><td>.*?</td><td>(.*?)</td><td>.*?</td><td>(.*?)</td>", race)
    best, seconds = ({int(row[0]): float(row[column]) for row in rows} for column in (1, 2))
    assert best[2] < best[1] and best[2] < best[4], "two layers beat one and four"
    assert max(seconds, key=seconds.get) == 4, "four layers take the longest"
    norms = stored("02_stacked_from_scratch", "watch-norms")
    clipped, free = (float(x) for x in re.findall(r"at first, (\S+) at the end", norms))
    assert clipped < 17 < 28 < free, "clipping saves the training"
    shares = [int(x) for x in re.findall(r"(\d+)% of the states", stored("02_stacked_from_scratch", "saturated"))]
    assert shares[0] < 10 and shares[1] > 90, "without clipping, tanh is saturated"
    small, large = (float(x) for x in re.findall(r"at most (\S+)", stored("03_concise_lstm", "whisper")))
    assert large > 100 * small, "more than a hundredfold"
    recipes = re.findall(r"<td>(.*?)</td>" * 5, stored("03_concise_lstm", "compare-recipes"))
    assert [epoch != "-" for _, epoch, *_ in recipes] == [True, False, True], "Adam is needed to be there in 20 epochs"
    assert 8 * float(recipes[2][2]) < float(recipes[0][2])
    assert all(float(best) < float(recipes[0][3]) for *_, best, _ in recipes[1:]), "a little better on new text"


def test_notebooks_are_in_step_with_their_sources():
    check = [sys.executable, "tools/build_notebooks.py", "--check"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
