"""If this fails, a right answer is refused, a wrong one accepted, or a lesson gives an answer away before it is asked.

That the answers here are what the lessons' own code gives is tested beside each lesson.
"""

import fractions
import re

import jupytext
import numpy as np
import pytest
import torch

import utils
from book.exercises import EXERCISES, check
from tests.support.lesson_code import SOURCES

GIVEN = {  # what some answers depend on
    "3.4": [[utils.EpochRecord(e, 5.0 - e, abs(e - 3) + 6.0, 1.0, 1.0) for e in range(1, 21)]],
    "5.5": [torch.tensor([1, 0, 0, 1, 0])],
}
RIGHT = {"3.4": 3, "5.5": 2 * 0.4 / 1.4} | {
    key: exercise.expected for key, exercise in EXERCISES.items() if not callable(exercise.expected)
}
NEVER_RIGHT = (-17, 1e9, float("nan"), float("inf"), "right", "", "[", [], {}, print, 1j, True, [[1, "x"]], "9**9**9")


def said(key, answer, capsys):
    check(key, answer, *GIVEN.get(key, ()))
    return capsys.readouterr().out.strip()


def forms(value):
    """A right answer in the forms that readers give it."""
    if isinstance(value, str):
        return [value, value.lower(), f" {value} ", f"'{value}'"]
    if isinstance(value, tuple):
        whole = [list(value), str(value), str(value)[1:-1], str(list(value)), torch.tensor(value), np.array(value)]
        nested = [
            [value[:2], value[2:]],
            torch.Size(value),
            str(value).replace(",", "，").replace("(", "（")[:-1] + "）",
        ]
        return [value, *whole, *nested]
    same = [value, [value], (value,), {value}, str(value), f" {value} ", f"[{value}]", f"{value} + 0", f"2*{value}/2"]
    return [*same, np.float64(value), torch.tensor(value, dtype=torch.float64), fractions.Fraction(value)]


@pytest.mark.parametrize("key", EXERCISES)
def test_a_right_answer_is_taken_in_every_form(key, capsys):
    for answer in forms(RIGHT[key]):
        assert said(key, answer, capsys) == f"right, because {EXERCISES[key].because}", repr(answer)


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("1.2", "8.12e2"),
        ("1.2", np.int16(812)),
        ("1.2", range(812, 813)),
        ("2.2", "3/5"),
        ("2.2", "60 %"),
        ("2.4", "0.9**20"),
        ("2.4", "0.9^20"),
        ("3.1", "1,345,536"),
        ("3.5", "math.e / (math.e + 1)"),
        ("3.5", "1 / (1 + exp(-1))"),
        ("4.1", "49 × 110 + 10"),
        ("5.4", "40 + max(10, 11)"),
        ("6.5", range(0, 6, 2)),
        ("6.5", slice(0, None, 2)),
        ("6.5", slice(None, 6, 2)),
        ("6.5", {4, 0, 2}),
        ("6.5", "{0, 2, 4}".replace("{", "").replace("}", "")),
    ],
)
def test_a_right_answer_is_taken_as_text_expression_range_slice_or_set(key, answer, capsys):
    assert said(key, answer, capsys).startswith("right, because")


@pytest.mark.parametrize("key", EXERCISES)
def test_a_known_misconception_has_a_hint_of_its_own(key, capsys):
    _, because, hints = EXERCISES[key]
    told = set()
    assert len(hints) >= 2
    for wrong, hint in hints.items():
        output = said(key, wrong, capsys)
        assert output == f"not yet: {wrong!r} is not it; {hint}" and because not in output
        told.add(output)
    assert len(told) == len(hints)


@pytest.mark.parametrize("key", EXERCISES)
def test_wrong_and_strange_answers_are_told_what_is_asked_for(key, capsys):
    for answer in (None, ...):
        assert said(key, answer, capsys).startswith("not yet: put your answer in place of None")
    for answer in NEVER_RIGHT:
        assert said(key, answer, capsys).startswith("not yet: "), answer
    if not isinstance(RIGHT[key], str):
        what = f"{len(RIGHT[key])} numbers" if isinstance(RIGHT[key], tuple) else "a number"
        for answer in ("W is 28", True, {"a": 1}, "__import__('os').getcwd()", "(1).real", [[1, "x"]], print):
            assert said(key, answer, capsys).startswith(f"not yet: give {what}"), answer


def test_nearly_right_is_right_for_measured_numbers_only(capsys):
    assert said("2.2", 0.6004, capsys).startswith("right") and said("2.2", 0.602, capsys).startswith("not yet")
    assert said("1.2", 812.4, capsys).startswith("not yet") and said("1.1", (28, 64, 64, 64.01), capsys)[0] == "n"


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match=r"exercise must be one of 1.1, 1.2, .*, got '7.1'"):
        check("7.1", 3)


def test_lessons_ask_for_all_of_them_and_show_no_answer_before_it_is_given():
    """Neither formula nor reason stands in an exercise's cell: it names the exercise, and what is given."""
    found = []
    for path in sorted(SOURCES.glob("0[1-6]_*.py")):
        for cell in jupytext.read(path).cells:
            number = cell.metadata.get("id", "").removeprefix("exercise-")
            if cell.cell_type == "code" and number.isdigit():
                key = f"{int(path.name[:2])}.{number}"
                pattern = rf'answer_{number} = None\nutils\.check\("{key}", answer_{number}(, \w+)?\)'
                assert re.fullmatch(pattern, cell.source), cell.source
                found.append(key)
            elif cell.cell_type == "code" and "solution" not in cell.metadata.get("tags", []):
                assert "utils.check(" not in cell.source
    assert found == list(EXERCISES)
