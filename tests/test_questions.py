"""A failure means that a line to paste is refused, or that a question has no answer, or another one in Chinese."""

import re
from pathlib import Path

import jupytext
import pytest

import utils
from book.settings import Settings

SOURCES = sorted((Path(__file__).resolve().parents[1] / "notebooks" / "source").glob("*.py"))
ANSWER = re.compile(r"<details><summary>([^<]+)</summary>(.+?)</details>", re.DOTALL)
QUESTION = re.compile(r"^\*\*\d\. ", re.MULTILINE)
ASKED = {  # how many questions a page asks about its playground, by the cell that asks them
    ("00_start_here", "playground-text"): 1,
    ("03_concise_lstm", "try-first"): 1,
    ("03_concise_lstm", "playground"): 3,
    ("06_bidirectional_misuse", "playground"): 3,
    ("teaching", "twenty"): 1,
}


def prose(path, language):
    """{id: text} of a source's markdown cells in one language."""
    cells = jupytext.read(path, fmt="py:percent").cells
    return {cell.metadata["id"]: cell.source for cell in cells if cell.metadata.get("lang") == language}


def cell(name, cell_id, language):
    return prose(SOURCES[0].with_name(f"{name}.py"), language)[cell_id]


def settings_lines(text):
    """What a reader may paste: name=value pairs between backticks, or alone in a line of a block of code."""
    quoted = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^\w+=.*$", text, re.MULTILINE)
    pairs = [line for line in quoted if re.fullmatch(r"[a-z_]+=[\w.]+(,? [a-z_]+=[\w.]+)*", line)]
    return [line for line in pairs if " " in line or line.partition("=")[0] in Settings.__dataclass_fields__]


def numbers(text):
    return re.findall(r"\d+(?:[.,]\d+)*", text)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_lines_to_paste_are_accepted_and_the_same_in_both_languages(path):
    cells = {language: prose(path, language) for language in ("en", "zh")}
    lines = {name: settings_lines(text) for name, text in cells["en"].items()}
    assert lines == {name: settings_lines(text) for name, text in cells["zh"].items()}
    for line in sum(lines.values(), []):
        assert not Settings.parse(line).bidirectional or path.stem not in ("00_start_here", "03_concise_lstm"), line


@pytest.mark.parametrize(("name", "cell_id"), ASKED)
def test_every_question_about_a_playground_has_a_folded_answer(name, cell_id):
    texts = {language: cell(name, cell_id, language) for language in ("en", "zh")}
    for language, text in texts.items():
        assert len(ANSWER.findall(text)) == ASKED[name, cell_id], language
        assert re.search("[?？]", ANSWER.sub("", text)), "an answer, but no question"
        for question in QUESTION.split(text)[1:]:
            assert len(ANSWER.findall(question)) == 1 and re.search("[?？]", ANSWER.sub("", question)), question
    english, chinese = ([words for _, words in ANSWER.findall(text)] for text in texts.values())
    for first, second in zip(english, chinese, strict=True):
        assert sorted(numbers(first)) == sorted(numbers(second)), first
        assert re.findall("<code>.*?</code>", first) == re.findall("<code>.*?</code>", second)


def test_questions_with_several_runs_name_them():
    """In words alone, "40 epochs", a reader would have to find the controls, and would miss one."""
    for name, lines in (("03_concise_lstm", (3, 2, 3)), ("06_bidirectional_misuse", (2, 2, 0))):
        questions = QUESTION.split(cell(name, "playground", "en"))[1:]
        assert tuple(sum("epochs=" in line for line in settings_lines(q)) for q in questions) == lines


def test_an_answer_holds_for_a_run_made_here(corpus):
    """The first one of lesson 6: its ten ranges, in the order of the text, hold for the two runs that it asks for."""
    question = QUESTION.split(cell("06_bidirectional_misuse", "playground", "en"))[1]
    ((_, answer),) = ANSWER.findall(question)
    ranges = [(float(low), float(high)) for low, high in re.findall(r"(\d+\.?\d*) to (\d+\.?\d*)", answer)]
    one, both = (run(line, corpus) for line in settings_lines(question))
    found = [one[0].held_out, both[0].held_out]
    found += [records[epoch].perplexity for epoch in (0, 1) for records in (one, both)]
    found += [value for records in (one, both) for value in (records[-1].perplexity, records[-1].held_out)]
    for value, (low, high) in zip(found, ranges, strict=True):
        assert 0.98 * low < value < 1.02 * high, (value, low, high)


def run(line, corpus):
    """The records of a settings line, trained as the playground trains it."""
    settings = Settings.parse(line)
    recipe, model = utils.RECIPES[settings.recipe], settings.build(len(corpus.vocab))
    options = {"lr": settings.lr, "num_epochs": settings.epochs, "optimizer": recipe.optimizer}
    batches = utils.Batches(corpus.train, seed=settings.seed)
    return list(utils.fit(model, batches, held_out=corpus.held_out, **options))
