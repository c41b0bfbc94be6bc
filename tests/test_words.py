"""If this fails, a Chinese reader meets English, a box where a character should be, or two words for one thing."""

import csv
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import code_words
import nbformat
import pytest
import words
from babel.messages.catalog import Catalog
from fontTools.ttLib import TTFont
from make_fonts import characters

import utils
from book.words import language, mark, say

ROOT = Path(__file__).resolve().parents[1]
EDITIONS = json.loads((ROOT / "notebooks" / "source" / "editions.json").read_text(encoding="utf-8"))
PAGES = sorted(path.stem for path in (ROOT / "notebooks" / "source").glob("*.py"))
CHINESE = "[\u4e00-\u9fff]"
CATALOGUES = sorted([*(ROOT / "book/words/zh").rglob("*.po"), *(ROOT / "notebooks/source/words/zh").glob("*.po")])


def page(name, language="zh"):
    return nbformat.read(ROOT / "notebooks" / language / f"{name}.ipynb", as_version=4)


def code_of(cell):
    """The code of a cell, also of a solution that is folded; "" for prose."""
    folded = re.search(r"```python\n(.*?)\n```", cell.source, re.DOTALL)
    is_solution = "solution" in cell.metadata.get("tags", [])
    return cell.source if cell.cell_type == "code" else folded[1] if is_solution and folded else ""


# ---- catalogues


def test_catalogues_are_complete_and_up_to_date():
    done = subprocess.run([sys.executable, "tools/words.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_texts_that_are_missing_wrong_or_unexplained_are_told():
    catalogue = Catalog()
    for text, said, comments in (
        ("a whole number", "", []),
        ("hidden units", "hidden units", []),
        ("LSTM", "LSTM", ["a name"]),
        ("{low:.2f} to {high}", "{low} 到 {high}", []),
        ("{low} to {high}", "{low 到 {high}", []),
        ("from {low} to {high}", "从 {low} 到 {high}", []),
    ):
        catalogue.add(text, said, user_comments=comments)
    found = list(words.problems_of(catalogue, is_book=True))
    assert len(found) == 4
    for problem, start in zip(
        found, ("not translated", "the same as", "other {fields}", "other {fields}"), strict=True
    ):
        assert problem.startswith(start)


def test_say_speaks_the_language_that_the_environment_names(monkeypatch):
    for name, said in (("", "7 tokens"), ("en", "7 tokens"), ("fr", "7 tokens")):  # nobody has translated to French yet
        monkeypatch.setenv("BOOK_LANGUAGE", name)
        assert say("{count} tokens", count=7) == said
    monkeypatch.setenv("BOOK_LANGUAGE", "zh")
    assert language() == "zh" and re.search(f"7.*{CHINESE}", say("{count} tokens", count=7))
    assert mark("{count} tokens") == "{count} tokens" and say("no such text {here}") == "no such text {here}"


def test_a_message_of_the_book_is_chinese_on_a_chinese_page(monkeypatch, capsys):
    monkeypatch.setenv("BOOK_LANGUAGE", "zh")
    with pytest.raises(ValueError, match="^num_epochs.*" + CHINESE) as error:
        list(utils.fit(utils.torch.nn.Linear(1, 1), [], lr=1, num_epochs=0))
    assert error.value.name == "num_epochs"
    utils.check("1.2", 6)
    utils.check("1.2", "six")
    assert not re.search("[a-z]{4}", capsys.readouterr().out.replace("'six'", ""))


@pytest.mark.parametrize("given", [None, "en", "zh"])
def test_the_set_up_cell_names_the_language_unless_the_environment_has(given):
    setup = next(cell.source for cell in page("01_deep_rnn").cells if cell.id == "setup")
    environment = {name: value for name, value in os.environ.items() if name != "BOOK_LANGUAGE"}
    environment |= {"BOOK_LANGUAGE": given} if given else {}
    code = f"{setup}\nfrom book.words import language\nprint(language(), utils.RECIPES['fast'].label)"
    options = {"cwd": ROOT / "notebooks/zh", "env": environment, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, "-c", code], **options)
    assert done.stdout.split()[:1] == [given or "zh"], done.stderr


# ---- code


@pytest.mark.parametrize("name", PAGES)
def test_editions_have_the_same_code_but_for_its_texts(name):
    cells = {edition: {c.id: code_of(c) for c in page(name, edition).cells if code_of(c)} for edition in EDITIONS}
    assert len({tuple(each) for each in cells.values()}) == 1
    for cell_id, code in cells["en"].items():
        assert code_words.skeleton(code) == code_words.skeleton(cells["zh"][cell_id]), cell_id


def test_the_skeleton_of_code_tells_other_code():
    code = 'x = f"{a + 1:.2f} of {b}"  # so many\nprint(x, "done", sep="")'
    other = 'x = f"{b} 中的 {a + 1:.2f}"  # 那么多\nprint(x, "好了", sep="")'
    assert code_words.skeleton(code) == code_words.skeleton(other)
    for old, new in (("a + 1", "a + 2"), (".2f", ".3f"), ("{b}", "{a}"), ("print", "input"), ('"done", ', "")):
        assert code_words.skeleton(code) != code_words.skeleton(code.replace(old, new)), (old, new)


def test_texts_are_found_and_put_into_another_language():
    code = '''\
def f(x):
    """Return x.

    Twice {x}.
    """
    print("it is "
          f"{x:.2f} {'yes' if x else 'no'}")  # (n, T) shapes
    # one comment
    # of two lines
    return {"name": "café", "a": 'left'}["name"], "; ".join(f"{x} ({x})"), "(n, d)"
'''
    found = [text.msgid for text in code_words.texts(code) if code_words.has_words(text)]
    assert found == [
        "Return x.\n\nTwice {x}.",
        "it is {x:.2f} {'yes' if x else 'no'}",
        "(n, T) shapes",
        "one comment\nof two lines",
        "name",
        "café",
        "left",
        "name",
        "; ",
        "{x} ({x})",
    ]
    chinese = [
        "返回 x。\n\n{x} 的两倍。",
        "是 {'对' if x else '错'} {x:.2f}",
        "(n, T) 形状",
        "一行\n两行\n三行",
        "名",
        "咖啡",
    ]
    said = code_words.translate(code, dict(zip(found, [*chinese, "左", "名", "；", "{x}（{x}）"], strict=True)))
    assert code_words.skeleton(said) == code_words.skeleton(code)
    assert (
        '    """返回 x。\n\n    {x} 的两倍。\n    """' in said
        and "    # 一行\n    # 两行\n    # 三行\n    return" in said
    )
    namespace = {}
    exec(said, namespace)
    assert namespace["f"](1)[0] == "咖啡"
    with pytest.raises(ValueError, match="field"):
        code_words.translate(code, {found[1]: "是 {x:.2f}"})
    with pytest.raises(ValueError, match="line 10 is no code"):
        code_words.translate(code, {"left": "it's"})


def test_what_stays_english_in_code_says_why():
    for path in CATALOGUES:
        for message in words._read(path):
            has_words = re.search("[A-Za-z]{2}", re.sub(r"\{[^{}]*\}", "", message.id or ""))
            if has_words and not re.search(CHINESE, message.string):
                assert message.user_comments, f"{path.name}: {message.id!r} -> {message.string!r}"
    assert all(reason for _, reason in code_words.code_names())
    every = "\n".join(code_of(cell) for name in PAGES for cell in page(name, "en").cells)
    found = {text.words for text in code_words.texts(every)}
    unused = [p.pattern for p, _ in code_words.code_names() if not any(p.fullmatch(each) for each in found)]
    assert not unused, "patterns of code_words.csv that fit nothing"


# ---- what a reader sees

# English in what a Chinese page's code puts out, and why it may stand there; also of whole cells
ALLOWED = {
    r"perplexity \d[\d.]*, \d[\d.]* tokens/sec on \w+(?::\d)?": "d2l prints this itself",
    r"time traveller[a-z ]*": "what a network writes after this prefix",
    r"English edition|CC BY|pip install \w+": "names",
    r"tanh C": "a formula",
    r"RuntimeError: .*": "PyTorch says this itself",
    r"Linux x86_64|torch [\d.+a-z]+|d2l [\d.]+|word-text-counter|Python [\d.]+": "a machine and its packages",
}
ALLOWED_CELLS = {
    "echo-lines": "what networks write",
    "blanks": "text of the book with blanks in it",
    "explore-future": "text of the book with random letters in it",
    "ocr": "text of the book, damaged",
    "ocr-lines": "text of the book, damaged",
    "vowels": "text of the book without its vowels",
    "vowel-lines": "text of the book without its vowels",
}
LINES = utils.clean(utils.embedded_text())
BOOK = f"{''.join(LINES)} {' '.join(LINES)}"


def visible(output):
    """The texts of a stored output that a reader can see or hear; pictures tell theirs as alt text."""
    data, metadata = output.get("data", {}), output.get("metadata", {})
    shown = data.get("text/html", "")
    shown = re.sub(r"<(style|script)\b.*?</\1>", " ", shown, flags=re.DOTALL)
    attributes = re.findall(r'(?:alt|aria-label|title)="([^"]*)"', shown)
    texts = [output.get("text", ""), re.sub(r"<[^>]*>", "\n", shown), *attributes]
    texts += [meta.get("alt", "") for meta in metadata.values() if isinstance(meta, dict)]
    texts += [] if {"text/html", "image/png", "text/latex"} & set(data) else [data.get("text/plain", "")]
    return "\n".join(map(html.unescape, texts))


def english_in(text):
    """Stretches of two or more English words, without names, what is allowed, and the text that networks read."""
    for pattern in ALLOWED:
        text = re.sub(pattern, " ", text)
    for stretch in re.findall(r"\b[A-Za-z][A-Za-z'-]+(?:[ ,:;]+[A-Za-z][A-Za-z'-]*)+", text):
        named = all(word[0].isupper() or len(word) < 3 for word in re.findall("[A-Za-z'-]+", stretch))
        if stretch.lower().strip("'-") not in BOOK and not named and not re.fullmatch(r"(ln|exp|max) \w", stretch):
            yield stretch


@pytest.mark.parametrize("name", PAGES)
def test_outputs_of_a_chinese_page_are_chinese(name):
    found = {}
    for cell in page(name).cells:
        for output in cell.get("outputs", []):
            stretches = [] if cell.id in ALLOWED_CELLS else list(english_in(visible(output)))
            if stretches:
                found.setdefault(cell.id, []).extend(stretches)
    assert not found


def prose_of(name, language):
    """{cell: prose} of a page, without code, formulas, links' targets and quotations of English."""
    cells = {c.id: c.source for c in page(name, language).cells if c.cell_type == "markdown" and not code_of(c)}
    leave_out = r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\]\([^)]*\)|<[^>]*>|&\w+;"
    return {key: re.sub(leave_out, " ", text, flags=re.DOTALL) for key, text in cells.items() if key != "sources"}


@pytest.mark.parametrize("name", [page for page in PAGES if page != "glossary"])
def test_prose_of_a_chinese_page_is_chinese(name):
    """But for titles, quotations, and the English word that stands in brackets after the Chinese one."""
    found = {}
    for cell_id, text in prose_of(name, "zh").items():
        text = re.sub(rf"\*+[A-Z][^*]*\*+|[“\"][^”\"]*[”\"]|（(?:(?!{CHINESE})[^（）])*）|《[^》]*》", " ", text)
        if stretches := list(english_in(text)):
            found[cell_id] = stretches
    assert not found


# ---- one word for one thing

# words that Chinese books also use for a term of the glossary, and this one does not
OTHER_WORDS = {
    "隐藏状态": "隐状态",
    "隐含状态": "隐状态",
    "隐层状态": "隐状态",
    "记忆单元": "记忆元",
    "词汇表": "词表",
    "独热码": "独热",
    "迷你批次": "小批量",
    "时间步长": "时间步",
    "反向一半": "反向部分",
    "前向一半": "前向部分",
    "梯度截断": "梯度裁剪",
    "学习速率": "学习率",
    "丢弃法": "暂退法",
    "诚实得分": "如实评估的困惑度",
    "后向层": "反向层",
    "后向递推": "反向递推",
}


@pytest.mark.parametrize("name", [*PAGES, "README.zh.md", "CONTRIBUTING.zh.md", "catalogues"])
def test_no_other_word_stands_for_a_term(name):
    if name == "catalogues":
        text = "\n".join(said for path in CATALOGUES for said in words.words_of(path).values())
    elif name.endswith(".md"):
        text = (ROOT / name).read_text(encoding="utf-8")
    else:
        text = "\n".join(cell.source for cell in page(name).cells)
    text = re.sub(
        r"（[^（）]*(?:D2L|李航|也[叫称]|又[叫称]|有的书)[^（）]*）", "", text
    )  # where another's word is told
    found = {word: f"{right}: …{text[max(0, text.index(word) - 20) : text.index(word) + 20]}…"
             for word, right in OTHER_WORDS.items() if word in text}  # fmt: skip
    assert not found


@pytest.mark.parametrize("name", [page for page in PAGES if re.match(r"\d\d_", page)])
def test_a_chinese_page_uses_the_word_of_the_glossary(name):
    """Where an English page uses a term, the Chinese one uses its partner: as often as not at least."""
    with open(ROOT / "notebooks" / "source" / "glossary.csv", encoding="utf-8", newline="") as file:
        terms = list(csv.DictReader(file))
    english, chinese = (prose_of(name, edition) for edition in ("en", "zh"))
    for term in terms:
        ours = re.compile(rf"\b{re.escape(term['en'].split('; ')[0])}", re.IGNORECASE)
        theirs = re.compile("|".join(map(re.escape, term["zh"].split("; "))))
        cells = [cell_id for cell_id, text in english.items() if ours.search(text)]
        kept = [cell_id for cell_id in cells if theirs.search(chinese[cell_id])]
        assert len(cells) < 3 or len(kept) * 2 >= len(cells), (
            f"{term['zh']} for {term['en']}: only in {kept} of {cells}"
        )


# ---- the font


def test_the_font_has_every_character_of_the_catalogues():
    """Or python tools/make_fonts.py has to be run again."""
    font = TTFont(ROOT / "assets" / "fonts" / "zh.otf").getBestCmap()
    wide = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
    assert not [c for c in characters(ROOT, "zh") if wide.match(c) and ord(c) not in font]
    assert (ROOT / "assets" / "fonts" / "OFL.txt").read_text(encoding="utf-8").startswith("Copyright")
    assert (ROOT / "assets" / "fonts" / "zh.otf").stat().st_size < 400_000


def test_figures_show_chinese_where_the_system_has_no_chinese_font():
    """Also beside a formula, where matplotlib takes the first font only; a box looks the same for every character."""
    code = r"""
import os, warnings
os.environ["BOOK_LANGUAGE"] = "zh"
from matplotlib import font_manager
manager = font_manager.fontManager
manager.ttflist = [font for font in manager.ttflist if os.sep + "matplotlib" + os.sep in font.fname]
import utils
warnings.simplefilter("error")
pictures = []
for text in ("困惑度", "隐状态", "困惑度 $H_t$", "隐状态 $H_t$", "\u9fa5\u9fa4", "\u9fa3\u9fa2"):
    figure, axes = utils.new_figure(3, 1, bare=True)
    axes.text(0.1, 0.4, text, fontsize=20)
    if text >= "\u9fa0":
        warnings.simplefilter("ignore")
    pictures.append(hash(utils.compress_of(figure)))
print([a != b for a, b in zip(pictures[::2], pictures[1::2])])
"""
    code = code.replace("utils.compress_of(figure)", "__import__('book.display').display.to_png(figure)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[True, True, False]", done.stdout + done.stderr


def test_an_english_figure_keeps_matplotlibs_font():
    code = "import utils, matplotlib; print(matplotlib.rcParams['font.family'])"
    environment = os.environ | {"BOOK_LANGUAGE": "en"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "['sans-serif']", done.stderr
