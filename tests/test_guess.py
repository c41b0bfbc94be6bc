"""A failure means that a reader sees a result before having guessed it, or that a guess is judged wrongly."""

import math
import re

import ipywidgets as W
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import book.guess as page
import utils
from book import ROOT
from book.guess import FOLD, GIVE_UP


@pytest.fixture
def asked(monkeypatch):
    """Questions as a reader sees them: call it as utils.guess; returns the widget's parts by name."""
    boxes, pages = [], []
    monkeypatch.setattr(page, "_in_notebook", lambda: True)
    monkeypatch.setattr(page, "show_live", lambda box, text: boxes.append(box))
    monkeypatch.setattr(page, "display", lambda data, raw: pages.append(data))

    def ask(*args, **options):
        utils.guess(*args, **options)
        return Asked(boxes[-1], pages[-1])

    return ask


class Asked:
    """A question's widgets."""

    def __init__(self, box, stored):
        def inside(widget):
            yield widget
            for child in getattr(widget, "children", ()):
                yield from inside(child)

        parts = list(inside(box))
        self.stored = stored
        self.sliders = [w for w in parts if isinstance(w, W.FloatSlider | W.FloatLogSlider)]
        self.radio = next((w for w in parts if isinstance(w, W.RadioButtons)), None)
        self.compare, self.give_up = [w for w in parts if isinstance(w, W.Button)]
        *_, self.message, self.result = [w for w in parts if isinstance(w, W.HTML)]

    def told(self):
        return re.sub("<[^>]*>", "", self.result.value)


def test_nothing_is_told_before_the_guess_and_then_both_are(asked):
    question = asked("held-out perplexity", 48.0, between=(1, 100), log=True, because="It has learnt by heart.")
    assert question.result.value == "" and "48" not in question.message.value
    question.sliders[0].value = 8
    question.compare.click()
    assert "You said 8, it is 48: too low by a factor of 6.0. It has learnt by heart." in question.told()
    assert "your guess 8" in question.result.value and "result 48" in question.result.value  # the picture's words
    assert question.sliders[0].disabled and question.compare.disabled and question.give_up.disabled


def test_result_can_be_had_without_a_guess(asked):
    question = asked("how many", 4, between=(0, 10), because="So it is.")
    assert question.give_up.description == GIVE_UP
    question.give_up.click()
    assert "It is 4. So it is." in question.told() and "guess" not in question.result.value


@pytest.mark.parametrize(
    ("value", "answer", "log", "said"),
    [
        (10, 1, True, "too high by a factor of 10.0"),
        (1.02, 1, True, "within 5 %"),
        (3, 3.0, False, "exactly"),
        (3, 5, False, "too low by 2"),
        (7.5, 5, False, "too high by 2.5"),
    ],
)
def test_how_far_off(asked, value, answer, log, said):
    question = asked("q", answer, between=(0.1, 20), log=log)
    question.sliders[0].value = value
    question.compare.click()
    assert said in question.told()


def test_choice(asked):
    options = {"choices": ("one wide layer", "two narrow ones"), "because": "Look at the ranges."}
    right, wrong = (asked("which", "one wide layer", **options) for _ in range(2))
    right.compare.click()
    assert right.result.value == "" and "Choose" in right.message.value
    right.radio.value, wrong.radio.value = "one wide layer", "two narrow ones"
    right.compare.click(), wrong.compare.click()
    assert right.told() == "Right: one wide layer. Look at the ranges."
    assert wrong.told() == "You said: two narrow ones. It is: one wide layer. Look at the ranges."


def test_curve_is_compared_where_it_was_drawn(asked):
    xs, ys = list(range(1, 36)), [2.0] * 34 + [16.0]
    labels = ("position t", "perplexity")
    question = asked("by position", (xs, ys), at=(1, 20, 35), between=(1, 32), log=True, labels=labels)
    assert [slider.description for slider in question.sliders] == ["t = 1", "t = 20", "t = 35"]
    for slider, value in zip(question.sliders, (2, 2, 2), strict=True):
        slider.value = value
    question.compare.click()
    factor = math.exp(math.log(8) / 3)
    assert f"off by a factor of {factor:.3g} on average" in question.told()
    assert "begins at 2 and ends at 16" in question.told()
    assert "your guess: 2 throughout" in question.result.value


def test_curve_between_its_points(asked):
    question = asked("a line", ([0, 10], [0.0, 1.0]), at=(0, 5), between=(0, 1))
    for slider, value in zip(question.sliders, (0, 0.5), strict=True):
        slider.value = value
    question.compare.click()
    assert "off by 0 on average" in question.told()


def test_what_is_shown_too_waits_as_well(asked):
    question = asked("q", 1, between=(0, 2), show=lambda: utils.table(["name"], [["Ada"]]))
    assert "Ada" not in question.message.value + question.result.value
    question.compare.click()
    assert "Ada" in question.told()
    assert re.search(r"<details.*Ada.*</details>", question.stored["text/html"], re.DOTALL)


def test_answer_outside_the_slider_is_drawn_all_the_same(asked):
    question = asked("q", 500.0, between=(1, 100), log=True)
    question.compare.click()
    assert "result 500" in question.result.value


def test_words_are_text_and_not_html(asked):
    question = asked("<b>q", "<i>a", choices=("<i>a", "b"), because="<script>")
    question.give_up.click()
    assert (
        "&lt;i&gt;a" in question.result.value and "<script>" not in question.result.value + question.stored["text/html"]
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"answer": 1}, "between must be"),
        ({"answer": 1, "between": (2, 1)}, "between must be"),
        ({"answer": 1, "between": (0, 1), "log": True}, "between must be"),
        ({"answer": "1", "between": (0, 1)}, "answer must be"),
        ({"answer": float("nan"), "between": (0, 1)}, "answer must be"),
        ({"answer": -1, "between": (1, 2), "log": True}, "answer must be"),
        ({"answer": "a", "choices": ("b", "c")}, "answer must be"),
        ({"answer": "a", "choices": ("a", "a")}, "choices must be"),
        ({"answer": "a", "choices": "ab"}, "choices must be"),
        ({"answer": ([1, 2], [1]), "between": (0, 1), "at": (1, 2)}, "answer must be"),
        ({"answer": ([1, 2], [1, 2]), "between": (0, 1), "at": (1, 3)}, "at must be"),
        ({"answer": ([1, 2], [1, 2]), "between": (0, 1), "at": (2, 1)}, "at must be"),
        ({"answer": 1, "between": (0, 1), "show": "figure"}, "show must be"),
        ({"answer": 1, "between": (0, 1), "question": ""}, "question must be"),
    ],
)
def test_bad_question_is_refused(options, said):
    options = {"question": "q"} | options
    with pytest.raises(ValueError, match=said):
        utils.guess(options.pop("question"), options.pop("answer"), **options)


def test_stored_page_folds_the_result_behind_its_question(run_notebook, tmp_path):
    cell = 'utils.guess("how many", 4711, between=(0, 9000), because="Counted.")\nprint("goes on")'
    setup = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport utils"
    notebook = run_notebook(new_notebook(cells=[new_code_cell(setup), new_code_cell(cell)]), tmp_path)
    outputs = notebook.cells[-1].outputs
    (folded,) = [o.data["text/html"] for o in outputs if "4,711" in str(o.get("data", {}).get("text/html"))]
    assert folded.startswith('<details class="book-still"><summary>') and folded.endswith("</details>")
    summary = re.search("<summary>(.*?)</summary>", folded)[1]
    assert summary == f"how many: {FOLD}" and "4,711" in folded.partition("</summary>")[2]
    assert outputs[-1].text == "goes on\n"
    assert not [o for o in outputs if "image/png" in o.get("data", {})], "a picture of its own would be in view"
    assert nbformat.validate(notebook) is None
