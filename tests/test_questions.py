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


def ranges(text):
    return [(float(low), float(high)) for low, high in re.findall(r"(\d+\.?\d*) to (\d+\.?\d*)", text)]


@pytest.mark.parametrize(("name", "cell_id"), ASKED)
def test_what_cannot_be_told_apart_overlaps(name, cell_id):
    """An answer that refuses a ranking gives the ranges which are the reason."""
    for _, answer in ANSWER.findall(cell(name, cell_id, "en")):
        for sentence in re.findall(r"[^.]*(?:\.\d[^.]*)*cannot tell them apart[^.]*(?:\.\d[^.]*)*", answer):
            found = ranges(sentence)
            assert len(found) >= 2, sentence
            assert max(low for low, _ in found) <= min(high for _, high in found), sentence


def test_networks_that_are_called_equally_large_are(corpus):
    """Within a twelfth; where one layer beats two, it has no more parameters than they have."""

    def parameters(line):
        return sum(p.numel() for p in Settings.parse(line).build(len(corpus.vocab)).parameters())

    question = QUESTION.split(cell("03_concise_lstm", "playground", "en"))[1]
    narrow, deep, wide = map(parameters, settings_lines(question))
    assert 11 / 12 * deep < wide <= deep and 2 * narrow < deep
    one, both = map(parameters, settings_lines(cell("06_bidirectional_misuse", "playground", "en"))[:2])
    assert both / one == pytest.approx(2, rel=0.01)
    assert both / parameters("hidden_units=96") == pytest.approx(1, abs=0.02)
    assert "<code>hidden_units=96</code>" in cell("06_bidirectional_misuse", "playground", "en")


def holds(found, expected):
    """Each number within its range, or 2 % beside it: another machine's last digits differ."""
    for value, (low, high) in zip(found, expected, strict=True):
        assert 0.98 * low < value < 1.02 * high, (value, low, high)


def test_an_answer_holds_for_a_run_made_here(corpus):
    """The first one of lesson 6: its first ten ranges, in the order of the text, hold for the runs that it asks for."""
    question = QUESTION.split(cell("06_bidirectional_misuse", "playground", "en"))[1]
    ((_, answer),) = ANSWER.findall(question)
    one, both = (run(line, corpus) for line in settings_lines(question))
    found = [one[0].held_out, both[0].held_out]
    found += [records[epoch].perplexity for epoch in (0, 1) for records in (one, both)]
    found += [value for records in (one, both) for value in (records[-1].perplexity, records[-1].held_out)]
    holds(found, ranges(answer)[:10])


def test_the_answer_of_the_start_page_holds_for_a_run_made_here(corpus):
    text = cell("00_start_here", "playground-text", "en")
    ((_, answer),) = ANSWER.findall(text)
    (line,) = settings_lines(ANSWER.sub("", text))
    large, small = run(line, corpus), run(line.replace("128", "64"), corpus)
    found = [large[-1].perplexity, small[-1].perplexity, large[-1].held_out, small[-1].held_out]
    holds([*found, utils.best(large).held_out], ranges(answer))
    assert 10 <= utils.best(large).epoch <= 14


def test_the_wide_layer_of_lesson_3_is_as_soon_as_it_says(corpus):
    """Its first question: one layer with as many parameters as two needs fewer epochs than these."""
    question = QUESTION.split(cell("03_concise_lstm", "playground", "en"))[1]
    ((_, answer),) = ANSWER.findall(question)
    soonest, latest = map(int, re.search(r"wide layer comes first, with (\d+) or (\d+)", answer).groups())
    two = re.search(r"two layers need (\d+) to", answer)
    records = run(settings_lines(question)[2].replace("epochs=40", f"epochs={latest + 1}"), corpus)
    reached = next(r.epoch for r in records if r.perplexity <= 2)
    assert soonest <= reached <= latest < int(two[1])


def run(line, corpus):
    """The records of a settings line, trained as the playground trains it."""
    settings = Settings.parse(line)
    recipe, model = utils.RECIPES[settings.recipe], settings.build(len(corpus.vocab))
    options = {"lr": settings.lr, "num_epochs": settings.epochs, "optimizer": recipe.optimizer}
    batches = utils.Batches(corpus.train, seed=settings.seed)
    return list(utils.fit(model, batches, held_out=corpus.held_out, **options))
