"""If this fails, lesson 3's Chinese text is not the one that it is said to be, or it teaches less than is claimed."""

import collections
import math
import re
import statistics

import jupytext
import pytest
import torch

import utils
from book.playground import Playground
from tests.support.lesson_code import SOURCES, run_cells
from tests.support.stored import rows_of, stored

LESSON, FOLDER = "03_concise_lstm", utils.ROOT / "assets" / "texts"
TEXT = (FOLDER / "lunyu.txt").read_text(encoding="utf-8")
CHINESE = re.findall("[\u4e00-\u9fff]", TEXT)
NO_COMMON_FORM = set("輗軏鮀")  # printed so in simplified Chinese, too
RARE = set("廋悾杇棁皦祇禘脩骍魋")  # simplified, but not in GB 2312
languages = pytest.mark.parametrize("language", ["en", "zh"])


@pytest.fixture(scope="module")
def lunyu():
    return utils.load_corpus(FOLDER / "lunyu.txt", max_tokens=5_000, held_out_tokens=1_000)


@pytest.fixture(scope="module")
def cells():
    """{(id, language): source} of the section; language is None for code."""
    found = jupytext.read(SOURCES / f"{LESSON}.py", fmt="py:percent").cells
    return {(c.metadata["id"], c.metadata.get("lang")): c for c in found if c.metadata["id"].startswith("chinese-")}


def test_the_file_holds_as_many_chinese_characters_as_are_said_and_nothing_else():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"{len(CHINESE):,} Chinese characters ({len(set(CHINESE))} different ones)" in readme
    assert 5_000 < len(CHINESE) < 5_500
    assert set(TEXT) - set(CHINESE) == set("\n，。：；？！、“”‘’《》")
    assert "chinese-poetry" in readme and "public domain" in readme


def test_the_file_is_in_simplified_characters():
    """GB 2312 has no traditional ones."""
    foreign = {c for c in set(CHINESE) if not _in_gb2312(c)}
    assert foreign == NO_COMMON_FORM | RARE
    assert not set("學為與無則禮謂問見聞樂於從來時說壹雲誌裏") & set(CHINESE)


def _in_gb2312(character):
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def test_every_section_is_a_line_with_marks_that_close():
    titles = re.findall("^(..|...)第(.)$", TEXT, re.MULTILINE)
    assert [number for _, number in titles] == list("一二三四五六七八")
    assert [name for name, _ in titles] == ["学而", "为政", "八佾", "里仁", "公冶长", "雍也", "述而", "泰伯"]
    sections = [line for line in TEXT.splitlines() if not re.fullmatch("...?第.", line)]
    assert len(sections) == len(set(sections)) == 209
    for line in sections:
        assert re.search("[。？！][”’]*$", line), line
        assert not re.search("[，。：；、]{2}|[“‘《]$", line), line
        for left, right in ("“”", "‘’", "《》"):
            assert line.count(left) == line.count(right), line


@pytest.mark.parametrize(
    "received",
    [
        "学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？",
        "贫与贱，是人之所恶也",
        "古者言之不出，耻躬之不逮也",
        "瑚琏也",
        "自牖执其手",
        "闻义不能徙，不善不能改",
        "素以为绚兮",
        "子钓而不纲，弋不射宿。",
        "士不可以不弘毅，任重而道远",
    ],
)
def test_where_the_other_text_slips_the_received_one_stands(received):
    assert received in TEXT


def test_load_corpus_reads_it_in_utf_8_and_in_gbk(lunyu):
    assert [len(part) for part in lunyu[:2]] == [5_000, 1_000] and 500 < len(lunyu.test) < 1_000
    assert len(lunyu.vocab) == len(set(CHINESE)) + 2, "the space and <unk>"
    letters = "".join(lunyu.vocab.to_tokens(torch.cat(lunyu[:3]).tolist()))
    assert letters.replace(" ", "") == "".join(CHINESE), "the order of the text, punctuation left out"
    sizes = {"max_tokens": 5_000, "held_out_tokens": 1_000}
    again = utils.load_corpus(TEXT.encode("gb18030"), **sizes)
    assert all(torch.equal(a, b) for a, b in zip(again[:3], lunyu[:3], strict=True))


def by_frequency(text):
    """The control by other means: held-out perplexity of the training text's counts, each one more."""
    counts, q = collections.Counter(text.train.tolist()), len(text.vocab)
    losses = [-math.log((counts[i] + 1) / (len(text.train) + q)) for i in text.held_out.tolist()]
    return math.exp(statistics.mean(losses))


@languages
def test_the_controls_are_what_they_are_called(lunyu, corpus, language):
    rows = rows_of(stored(LESSON, "chinese-controls", language))
    for row, text in zip(rows, (corpus, lunyu), strict=True):
        size, at_ends, seen, control = (float(x.replace(",", "")) for x in row[1:])
        assert size == len(text.vocab) and control == pytest.approx(by_frequency(text), abs=0.051)
        model = utils.d2l.RNNModel(torch.nn.LSTM(len(text.vocab), 128), len(text.vocab))
        ends = [model.rnn.weight_ih_l0, *model.linear.parameters()]
        assert at_ends == sum(p.numel() for p in ends)
        assert sum(p.numel() for p in model.parameters()) - at_ends == 66_560, "the rest of the layer"
        assert seen == statistics.median_low(collections.Counter(text.train.tolist()).values())
    assert seen <= 2, "half of the characters are seen twice or less"


@languages
def test_the_stored_training_shows_what_the_section_says(lunyu, corpus, language):
    shown = rows_of(stored(LESSON, "chinese-verdict", language))[1:]  # the head's first cell is empty
    epochs, trained, held_out, english = zip(*(row[1:] for row in shown), strict=True)
    held_out, english = ([float(x) for x in column] for column in (held_out, english))
    assert (held_out[0], english[0]) == (len(lunyu.vocab), 28), "blind guessing"
    assert held_out[1] == pytest.approx(by_frequency(lunyu), abs=0.051)
    assert english[1] == pytest.approx(by_frequency(corpus), abs=0.051)
    first, last = (int(epoch) for epoch in epochs[2:])
    assert first < last / 2 and last == 30, "the lowest comes long before the end"
    assert 0.9 < held_out[2] / held_out[1] < 1.05, "hardly better than the frequencies"
    assert 3 * held_out[1] < held_out[3] < held_out[0], "far above the frequencies, below blind guessing"
    assert float(trained[3]) < 2 and held_out[3] > 200 * float(trained[3])
    assert english[2] < english[1] / 2, "in English, less than half"


def test_all_five_recorded_starts_say_the_same(lunyu):
    rows, _ = utils.recorded("chinese_starts", None)
    control = by_frequency(lunyu)
    assert len(rows) == 5
    for epoch, low, trained, end in rows:
        assert epoch < 10 and 0.9 * control < low < 1.05 * control
        assert trained < 1.5 and 3 * control < end < len(lunyu.vocab)
    assert max(row[1] for row in rows) > control, "at worst no better"
    for language in ("en", "zh"):
        shown = stored(LESSON, "chinese-verdict", language)
        columns = list(zip(*rows, strict=True))
        for column, form in zip(columns, ("{}", "{:.0f}", "{:.2f}", "{:.0f}"), strict=True):
            ends = [re.escape(form.format(end)) for end in (min(column), max(column))]
            assert re.search(rf"\b{ends[0]} (to|到) {ends[1]}\b", shown), (language, ends)


@languages
def test_what_the_network_writes_it_has_copied(lunyu, language):
    line, piece = re.search(r"(子曰.*)\n.*[:：] ?(.+?)\s*(?:<|$)", stored(LESSON, "chinese-verdict", language)).groups()
    read = "".join(lunyu.vocab.to_tokens(lunyu.train.tolist()))
    assert len(line) == 42 and piece in line and piece in read and len(piece) >= 15, "whole sayings"
    longer = (line[i : i + len(piece) + 1] for i in range(len(line) - len(piece)))
    assert not any(one in read for one in longer)


def test_a_start_is_the_same_again(lunyu, corpus):
    """The first epochs of the recorded start 0, trained here; rounding differs from machine to machine."""
    lesson = run_cells(LESSON, "load-data")
    lesson.lunyu, lesson.device, lesson.fast_recipe = lunyu, "cpu", utils.RECIPES["fast"]
    cell = {c.metadata["id"]: c.source for c in jupytext.read(SOURCES / f"{LESSON}.py").cells}["chinese-reader"]
    exec(cell.partition("\nreader, ")[0], lesson.__dict__)
    _, records = lesson.read_lunyu(0)
    found = [record.held_out for record, _ in zip(records, range(4), strict=False)]
    assert min(found) == pytest.approx(utils.recorded("chinese_starts", None)[0][0][1], rel=0.05)


def test_the_section_is_short_and_in_both_languages(cells):
    prose = {language: [name for name, lang in cells if lang == language] for language in ("en", "zh")}
    assert prose["en"] == prose["zh"] and len(prose["en"]) <= 3
    code = [cell for (_, language), cell in cells.items() if language is None]
    assert len(code) <= 3
    for cell in code:
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 12 or "hide-input" in cell.metadata.get("tags", []), cell.metadata["id"]
    assert "过拟合" in cells["chinese-look", "zh"].source and "Overfitting" in cells["chinese-look", "en"].source


@languages
def test_a_file_of_ones_own_is_read_as_the_section_says(cells, language, tmp_path, monkeypatch):
    (snippet,) = re.findall("```\n(.+?)\n```", cells["chinese-look", language].source, re.DOTALL)
    (tmp_path / "西游记.txt").write_text(TEXT * 3, encoding="gbk", errors="ignore")
    monkeypatch.chdir(tmp_path)
    names = {"utils": utils, "Playground": Playground}
    exec(snippet, names)
    assert len(names["corpus"].train) == 10_000 and len(names["corpus"].held_out) == 5_000
    (tmp_path / "西游记.txt").write_text(TEXT, encoding="utf-8")
    with pytest.raises(ValueError, match="15,000"):
        exec(snippet, names)
