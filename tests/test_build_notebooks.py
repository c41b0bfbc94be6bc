"""A failure means that a reader opens a page that is not what its author wrote: prose, code or results of another one.

tools/build_notebooks.py is tried on small lessons made here; the course's own lessons are not read.
"""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

TOOL = Path(__file__).resolve().parents[1] / "tools" / "build_notebooks.py"
spec = importlib.util.spec_from_file_location("build_notebooks", TOOL)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

WIDGET, SCRIPT = "application/vnd.jupyter.widget-view+json", "application/javascript"
ADDRESS = "https://github.com/someone/deep-rnn-book"
README = """# The book

<!-- lessons: begin (written by tools/build_notebooks.py) -->
<!-- lessons: end -->

After the table.
"""
LESSON = """\
# %% [markdown] lang="en" id="title"
# # 1. Why depth
#
# {{launch}}
#
# Source: {{repository}}. Press **{{label train}}**.

# %% [markdown] lang="zh" id="title"
# # 1. 为什么要深
#
# {{launch}} {{label train}}

# %% id="setup"
import sys
sys.path.insert(0, "../..")
import utils

# %% [markdown] id="equation"
# $h_t = \\tanh(W x_t)$

# %% id="show"
import time
from IPython.display import display

print("one", flush=True)
time.sleep(0.3)
print("two")
display({"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox()"}, raw=True)
picture = {"text/html": "<img>", "image/png": "aGk=", "text/plain": "a curve", "application/javascript": "1"}
display(picture, raw=True, metadata={"application/javascript": {"a": 1}, "image/png": {"width": 9, "alt": "a curve"}})
utils.ANSWER

# %% id="answer" tags=["long"]
6 * 7

# %% id="solution-1" tags=["solution", "long"]
depth = 42  # {{launch}}
# # of layers
"""
GLOSSARY = """\
group,symbol,shape,en,en meaning,zh,zh meaning
network,$L$,,depth,the number of layers,深度,层数
network,$H_t$,$n \\times h$,hidden state,what a layer hands on,隐状态; 状态,循环层传递的内容
network,,,deep network; DRNN,layers on top of each other,深度网络,叠起来的层
"""
GLOSSARY_PAGE = """\
# %% [markdown] lang="en" id="title"
# # Glossary

# %% [markdown] lang="zh" id="title"
# # 术语表

# %% [markdown] lang="en" id="network"
# ## The network
#
# {{glossary network}}

# %% [markdown] lang="zh" id="network"
# ## 网络
#
# {{glossary network}}
"""
NAME = "01_why_depth"
SOURCE = f"notebooks/source/{NAME}.py"
EXECUTE = f"python tools/build_notebooks.py --execute {SOURCE}"
BUILD = f"python tools/build_notebooks.py {SOURCE}"


def make_tree(root, lesson=LESSON):
    """A small course in an empty folder."""
    (root / "notebooks/source").mkdir(parents=True)
    (root / SOURCE).write_text(lesson, "utf-8")
    shutil.copy(TOOL.parents[1] / "notebooks/source/editions.json", root / "notebooks/source")
    (root / "notebooks/source/glossary.csv").write_text(GLOSSARY, "utf-8")
    (root / "book/words").mkdir(parents=True)
    (root / "book/words/labels.json").write_text('{"train": "Train", "stop": "Stop"}')
    (root / "book/live_plot.py").touch()
    (root / "utils.py").write_text("ANSWER = 42\n")
    (root / "README.md").write_text(README, "utf-8")
    (root / "requirements.txt").write_text("torch==2.9.1\nd2l==0.17.0\nword-text-counter==0.3.0\n")
    (root / "pyproject.toml").write_text(f'[tool.book]\nrepository = "{ADDRESS}"\n')
    return root


def run(root, *arguments):
    tool.main(["--root", str(root), *arguments])


def refusal(root, *arguments):
    """The message of a run that has to end with exit status 1."""
    with pytest.raises(SystemExit) as stopped:
        run(root, *arguments)
    assert isinstance(stopped.value.code, str)  # sys.exit(message) prints it and exits with 1
    return stopped.value.code


def edit(path, old, new):
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def notebook(root, language="en"):
    return nbformat.read(root / "notebooks" / language / f"{NAME}.ipynb", as_version=4)


def cells(root, language="en"):
    return {cell.id: cell for cell in notebook(root, language).cells}


def snapshot(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "course")


@pytest.fixture(scope="module")
def executed_once(tmp_path_factory):
    root = make_tree(tmp_path_factory.mktemp("executed") / "course")
    run(root, "--execute")
    return root


@pytest.fixture
def executed(executed_once, tmp_path):
    """A copy of a course whose lesson has been run."""
    return Path(shutil.copytree(executed_once, tmp_path / "course"))


# ---- building


def test_both_editions_are_valid_and_share_code_and_ids(tree, capsys):
    run(tree)
    english, chinese = notebook(tree, "en"), notebook(tree, "zh")
    for edition in (english, chinese):
        nbformat.validate(edition)
        assert (edition.nbformat, edition.nbformat_minor) == (4, 5)
        assert [cell.id for cell in edition.cells] == ["title", "setup", "equation", "show", "answer", "solution-1"]
        assert all(cell.metadata.keys() <= {"tags"} for cell in edition.cells)
    code = [[(cell.id, cell.source) for cell in tool.code_cells(edition)] for edition in (english, chinese)]
    assert code[0][1:] == code[1][1:] and len(code[0]) == 3
    assert code[0][0][1].replace('"BOOK_LANGUAGE", "en"', '"BOOK_LANGUAGE", "zh"') == code[1][0][1]
    assert "Why depth" in english.cells[0].source and "为什么要深" not in english.cells[0].source
    assert "为什么要深" in chinese.cells[0].source and "Why depth" not in chinese.cells[0].source
    assert english.cells[2].source == chinese.cells[2].source == "$h_t = \\tanh(W x_t)$"
    assert f"notebooks/zh/{NAME}.ipynb  6 cells, " in capsys.readouterr().out


def test_metadata_and_file_format(tree):
    run(tree)
    metadata = notebook(tree, "zh").metadata
    assert metadata.keys() == {"kernelspec", "language_info", "book"}
    assert metadata.kernelspec.name == "python3" and metadata.language_info == {"name": "python"}
    assert metadata.book == {"source": SOURCE, "language": "zh"}
    text = (tree / f"notebooks/zh/{NAME}.ipynb").read_text("utf-8")
    assert text.startswith('{\n "cells"') and text.endswith("}\n") and "为什么" in text


@pytest.mark.parametrize(("language", "title"), [("en", "Solution 1"), ("zh", "参考解答 1")])
def test_solution_is_folded_text_with_its_code(tree, language, title):
    """Not a code cell that is hidden by a setting: GitHub, Colab and exports show such a one open."""
    (tree / "notebooks/source/glossary.py").write_text(GLOSSARY_PAGE, "utf-8")
    run(tree)
    solution = cells(tree, language)["solution-1"]
    assert solution.cell_type == "markdown" and solution.metadata == {"tags": ["solution", "long"]}
    code = "depth = 42  # {{launch}}\n# # of layers"
    assert solution.source == f"<details><summary>{title}</summary>\n\n```python\n{code}\n```\n\n</details>"
    assert cells(tree)["answer"].metadata == {"tags": ["long"]} and cells(tree)["show"].metadata == {}


def test_launch_links_and_repository(tree):
    run(tree)
    english, chinese = cells(tree, "en")["title"].source, cells(tree, "zh")["title"].source
    binder = "https://mybinder.org/v2/gh/someone/deep-rnn-book/main?urlpath=lab/tree/notebooks"
    colab = "https://colab.research.google.com/github/someone/deep-rnn-book/blob/main/notebooks"
    assert f"[Open in Binder]({binder}/en/{NAME}.ipynb)" in english
    assert f"[Open in Colab]({colab}/en/{NAME}.ipynb) · [中文版](../zh/{NAME}.ipynb)" in english
    assert f"[在 Binder 中打开（国内较慢）]({binder}/zh/{NAME}.ipynb)" in chinese
    assert f"[在 Colab 中打开（国内一般打不开）]({colab}/zh/{NAME}.ipynb) · " in chinese
    assert f"({ADDRESS}/blob/main/README.zh.md) · [English edition](../en/{NAME}.ipynb)" in chinese
    assert f"Source: {ADDRESS}. Press **Train**." in english and chinese.endswith(" Train")
    assert "{{" not in english + chinese + cells(tree)["setup"].source


def test_a_label_is_changed_in_one_place(executed):
    edit(executed / "book/words/labels.json", '"Train"', '"Start {{stop}}"')
    run(executed)
    assert "Press **Start {{stop}}**." in cells(executed)["title"].source, "what a stamp stands for is text"
    (executed / "book/words/labels.json").write_text("{}")
    assert refusal(executed) == f'{NAME}.py, cell "title" (en): unknown stamp {{{{label train}}}}'


def test_code_holds_no_stamps(tree):
    edit(tree / SOURCE, "6 * 7", 'f"{{launch}} {{nothing}}"')
    run(tree)
    assert cells(tree)["answer"].source == 'f"{{launch}} {{nothing}}"'


def test_order_of_words_and_labels_changes_nothing(executed):
    before = snapshot(executed)
    for path in (executed / "book/words/labels.json", executed / "notebooks/source/editions.json"):
        words = json.loads(path.read_text("utf-8"))
        if path.name == "editions.json":
            words = {language: dict(reversed(words[language].items())) for language in words}
        else:
            words = dict(reversed(words.items()))
        path.write_text(json.dumps(words), "utf-8")
    run(executed)
    assert {p: b for p, b in snapshot(executed).items() if p.suffix != ".json"} == {
        p: b for p, b in before.items() if p.suffix != ".json"
    }


def test_stamps_are_computed_once_a_page(tree, monkeypatch):
    edit(tree / SOURCE, "# $h_t", "# {{label train}} {{label train}} $h_t")
    computed, stamp = [], tool.stamp
    monkeypatch.setattr(tool, "stamp", lambda name, *rest: computed.append(name) or stamp(name, *rest))
    run(tree)
    assert sorted(computed) == ["label train", "label train", "launch", "launch", "repository"], "once an edition"


def test_link_to_the_next_lesson(tree):
    edit(tree / SOURCE, "{{launch}}", "{{launch}} {{next}}")
    run(tree)
    assert "Next" not in cells(tree)["title"].source, "there is no later lesson yet"
    shutil.copy(tree / SOURCE, tree / "notebooks/source/03_more.py")
    run(tree)
    assert "**Next:** [lesson 3](03_more.ipynb)" in cells(tree, "en")["title"].source
    assert "**下一课：** [第 3 课](03_more.ipynb)" in cells(tree, "zh")["title"].source
    assert "{{" not in cells(tree, "en")["title"].source


def test_lines_of_chinese_are_joined(tree):
    edit(tree / SOURCE, "# # 1. 为什么要深", "# # 1. 为什么要深\n#\n# 一行，\n# 又一行\n# word\n# 末行。\n#\n# 另一段")
    run(tree)
    assert "一行，又一行\nword\n末行。\n\n另一段" in cells(tree, "zh")["title"].source


def test_named_sources_only(tree):
    (tree / "notebooks/source/02_other.py").write_text(LESSON.replace("Why depth", "Other"), "utf-8")
    run(tree, "notebooks/source/02_other.py")
    assert [path.name for path in tree.glob("notebooks/*/*.ipynb")] == ["02_other.ipynb"] * 2
    assert (tree / "README.md").read_text("utf-8") == README
    assert "03_none.py" in refusal(tree, "notebooks/source/03_none.py")


def test_rebuild_is_byte_identical(executed):
    before = snapshot(executed)
    run(executed)
    assert snapshot(executed) == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('lang="zh" id="title"', 'lang="zh" id="titel"', '"titel" is only in the zh edition'),
        ('# %% [markdown] lang="zh" id="title"', '# %% [markdown] id="other"', '"title" is only in the en edition'),
        ('# %% id="show"', "# %%", "cell 'import time': needs an id"),
        ('# %% id="show"', '# %% id="Show it"', "cell 'import time': needs an id"),
        ('# %% id="show"', '# %% id="answer"', '"answer" is used twice'),
        ('id="equation"', 'id="title"', '"title" is used twice'),
        ('# %% id="show"', '# %% lang="en" id="show"', "a code cell goes into every edition"),
        ('lang="zh"', 'lang="cn"', "lang must be one of en, zh, not 'cn'"),
        ('# %% id="show"', '# %% id="show" tag="x"', "cannot read the header (tag)"),
        ('# %% id="show"', "# %% id=show", "cannot read the header"),
        ('tags=["long"]', 'tags="long"', "is not of type 'array'"),
        ("6 * 7\n", "", 'code cell "answer" is empty'),
        ("{{repository}}", "{{repositry}}", 'cell "title" (en): unknown stamp {{repositry}}'),
        ("# $h_t", "# {{seconds 09_none}} $h_t", 'cell "equation" (all editions): unknown stamp {{seconds 09_none}}'),
        ("{{label train}}\n\n", "{{label trian}}\n\n", 'cell "title" (zh): unknown stamp {{label trian}}'),
    ],
)
def test_errors_of_the_author(tree, old, new, message):
    edit(tree / SOURCE, old, new)
    before, refused = snapshot(tree), refusal(tree)
    assert message in refused and f"{NAME}.py" in refused and "\n" not in refused
    assert snapshot(tree) == before


def test_pairs_have_the_same_order(tree):
    shared = '# %% [markdown] id="equation"\n# $h_t = \\tanh(W x_t)$\n'
    apart = '# %% [markdown] lang="{}" id="equation"\n# $h$\n\n'
    edit(tree / SOURCE, shared, apart.format("zh"))
    edit(
        tree / SOURCE,
        '# %% [markdown] lang="zh" id="title"',
        apart.format("en") + '# %% [markdown] lang="zh" id="title"',
    )
    assert "differ in order" in refusal(tree)


def test_message_and_exit_status_of_the_command(tree):
    edit(tree / SOURCE, 'lang="zh" id="title"', 'lang="zh" id="titel"')
    finished = subprocess.run([sys.executable, TOOL, "--root", tree], capture_output=True, text=True)
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1 and "Traceback" not in finished.stderr


# ---- outputs


def test_execute_stores_the_same_clean_outputs_in_both_editions(executed):
    english, chinese = tool.code_cells(notebook(executed, "en")), tool.code_cells(notebook(executed, "zh"))
    assert [(c.execution_count, c.outputs) for c in english] == [(c.execution_count, c.outputs) for c in chinese]
    assert [cell.execution_count for cell in english] == [1, 2, 3]
    stream, display, result = english[1].outputs
    assert (stream.name, stream.text) == ("stdout", "one\ntwo\n")
    assert display.data == {"image/png": "aGk=", "text/plain": "a curve"}, "nothing is left of the widget before it"
    assert display.metadata == {"image/png": {"width": 9, "alt": "a curve"}}
    assert result.data == {"text/plain": "42"} and english[2].outputs[0].data == {"text/plain": "42"}
    for language in ("en", "zh"):
        nbformat.validate(notebook(executed, language))
        assert notebook(executed, language).metadata.keys() == {"kernelspec", "language_info", "book"}


def test_clean_joins_streams_and_drops_dead_widgets():
    def out(**fields):
        return nbformat.from_dict(fields)

    outputs = [
        out(output_type="stream", name="stdout", text="a"),
        out(output_type="stream", name="stdout", text="b"),
        out(output_type="stream", name="stderr", text="c"),
        out(output_type="display_data", data={WIDGET: {}}, metadata={WIDGET: {}}, transient={"display_id": "1"}),
        out(output_type="display_data", data={WIDGET: {}, "text/plain": "x"}, metadata={}, transient={}),
        out(output_type="display_data", data={SCRIPT: "1"}, metadata={}),
        out(output_type="display_data", data={"text/html": "<b>", "text/plain": "x"}, metadata={}, transient={}),
    ]
    assert tool.clean(outputs) == [
        {"output_type": "stream", "name": "stdout", "text": "ab"},
        {"output_type": "stream", "name": "stderr", "text": "c"},
        {"output_type": "display_data", "data": {"text/html": "<b>", "text/plain": "x"}, "metadata": {}},
    ]


def test_prose_edit_keeps_outputs(executed):
    before = cells(executed)["show"]
    edit(executed / SOURCE, "# # 1. 为什么要深", "# # 1. 深度的意义")
    run(executed)
    assert "深度的意义" in cells(executed, "zh")["title"].source
    assert cells(executed)["show"] == cells(executed, "zh")["show"] == before
    assert before.outputs and before.execution_count == 2
    run(executed, "--check")


@pytest.mark.parametrize(("language", "old", "new"), [("zh", "为什么要深", "为何要深"), ("en", "Press", "Now press")])
def test_a_typo_in_one_language_changes_its_notebook_only(executed, language, old, new):
    before = snapshot(executed)
    edit(executed / SOURCE, f"{old}", new)
    run(executed, SOURCE)
    changed = {path for path, content in snapshot(executed).items() if content != before[path]}
    assert changed == {executed / SOURCE, executed / f"notebooks/{language}/{NAME}.ipynb"}


def test_another_setup_cell_is_no_other_code(executed, monkeypatch):
    """The source's is not in the notebook, and the builder's own computes nothing that a page shows."""
    before = snapshot(executed)
    edit(executed / SOURCE, 'sys.path.insert(0, "../..")', 'sys.path[:0] = ["../.."]')
    run(executed)
    assert {p: b for p, b in snapshot(executed).items() if p.suffix == ".ipynb"}.items() <= before.items()
    monkeypatch.setattr(tool, "SETUP", tool.SETUP + "# one line more")
    run(executed)
    after = cells(executed)
    assert after["setup"].source.endswith("one line more") and after["setup"].execution_count == 1
    assert after["show"].outputs and after["answer"].outputs


@pytest.mark.parametrize(("old", "new"), [("6 * 7", "6 * 8"), ('id="answer"', 'id="result"')])
def test_code_edit_drops_all_outputs(executed, old, new):
    edit(executed / SOURCE, old, new)
    run(executed)
    for language in ("en", "zh"):
        for cell in tool.code_cells(notebook(executed, language)):
            assert cell.outputs == [] and cell.execution_count is None


def test_an_edition_keeps_its_outputs_whatever_happens_to_another(executed):
    before = cells(executed)["show"]
    (executed / f"notebooks/zh/{NAME}.ipynb").unlink()
    run(executed)
    assert cells(executed)["show"] == before and cells(executed, "zh")["show"].outputs == []


def test_outputs_that_somebody_has_edited_are_dropped(executed):
    edit(executed / f"notebooks/zh/{NAME}.ipynb", '"two\\n"', '"three\\n"')
    run(executed)
    assert cells(executed)["show"].outputs and cells(executed, "zh")["show"].outputs == []


def test_one_edition_is_executed_alone(executed):
    edit(executed / SOURCE, "6 * 7", "6 * 8")
    run(executed, "--execute", "--edition", "zh")
    assert cells(executed)["answer"].outputs == [] and cells(executed, "zh")["answer"].outputs
    assert refusal(executed, "--execute", "--edition", "cn") == "--edition cn: need one of en, zh"
    with pytest.raises(SystemExit):
        run(executed, "--edition", "zh")


def test_a_solution_is_not_run_and_its_edit_keeps_all_outputs(executed):
    assert "depth = 42" in cells(executed)["solution-1"].source
    edit(executed / SOURCE, "depth = 42", "depth = nothing")
    run(executed)
    assert "depth = nothing" in cells(executed)["solution-1"].source and cells(executed)["show"].outputs
    run(executed, "--execute")
    run(executed, "--check")


def test_exception_is_refused_and_nothing_is_written(executed):
    edit(executed / SOURCE, "6 * 7", "depth = 0\n1 / depth")
    before, refused = snapshot(executed), refusal(executed, "--execute", SOURCE)
    assert snapshot(executed) == before
    assert 'cell "answer"' in refused and "ZeroDivisionError" in refused and "1 / depth" in refused
    assert "\x1b" not in refused


def test_stderr_is_refused_and_nothing_is_written(executed):
    edit(executed / SOURCE, "6 * 7", 'import warnings\n\nwarnings.warn("old api")')
    before, refused = snapshot(executed), refusal(executed, "--execute", SOURCE)
    assert snapshot(executed) == before
    assert f'lesson {NAME}.py, cell "answer" writes to stderr' in refused and "old api" in refused


def test_large_notebook_is_refused(tree):
    edit(tree / SOURCE, "6 * 7", "digits = '" + "7" * 400_000 + "'")
    assert "more than 400,000" in refusal(tree)
    assert not list(tree.glob("notebooks/*/*.ipynb"))


# ---- checking


def test_check_passes_and_writes_nothing(executed, capsys):
    before = snapshot(executed)
    run(executed, "--check")
    run(executed, "--check", SOURCE)
    assert snapshot(executed) == before
    assert capsys.readouterr().out == "up to date\nup to date\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "message", "command"),
    [
        (SOURCE, "1. 为什么", "1. 何为", "is not what its source builds", BUILD),
        (SOURCE, "6 * 7", "6 * 8", "without outputs of this code: setup, show, answer", EXECUTE),
        (f"notebooks/zh/{NAME}.ipynb", "为什么", "何为", f"zh/{NAME}.ipynb is not what its source builds", BUILD),
        (
            f"notebooks/en/{NAME}.ipynb",
            '"two\\n"',
            '"three\\n"',
            f"en/{NAME}.ipynb is not what its source builds",
            EXECUTE,
        ),
        (f"notebooks/en/{NAME}.ipynb", '"nbformat": 4', '"nbformat": 4,,', "is not what its source builds", EXECUTE),
        ("README.md", "Why depth", "How deep", "README.md", "python tools/build_notebooks.py"),
    ],
)
def test_check_finds_edits_and_names_the_command(executed, file, old, new, message, command):
    edit(executed / file, old, new)
    before, refused = snapshot(executed), refusal(executed, "--check")
    assert message in refused
    assert f"  run: {command}" in refused.splitlines()
    assert snapshot(executed) == before


def test_check_finds_lessons_never_executed_or_built(tree):
    refused = refusal(tree, "--check")
    assert f"notebooks/en/{NAME}.ipynb is not what its source builds" in refused
    run(tree)
    refused = refusal(tree, "--check")
    assert "is not what its source builds" not in refused
    assert "setup, show, answer" in refused and EXECUTE in refused


def test_check_finds_stray_notebooks(executed):
    shutil.copy(executed / f"notebooks/zh/{NAME}.ipynb", executed / "notebooks/zh/09_old.ipynb")
    assert refusal(executed, "--check") == "notebooks/zh/09_old.ipynb has no source in notebooks/source"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://mybinder.org/v2/gh/else/book/main", True),
        ("https://colab.research.google.com/github/else/book/blob/main/x.ipynb", True),
        ("git clone https://github.com/else/book.git", True),
        ("git clone --depth 1 git@github.com:else/book", True),
        ("git clone https://github.com/someone/deep-rnn-book.git.", False),
        ("https://github.com/else/book is a paper's code", False),
    ],
)
def test_check_finds_links_to_another_repository(executed, text, found):
    edit(executed / "README.md", "After the table.", text)
    if found:
        assert "README.md sends readers to github.com/else/book" in refusal(executed, "--check")
    else:
        run(executed, "--check")


# ---- how long lessons take

GUIDE = f"""\
# %% [markdown] lang="en" id="title"
# # Guide, at {{{{speed}}}}
# Lesson 1 takes {{{{seconds {NAME}}}}} s.
#
# {{{{slow cells}}}}
#
# {{{{next}}}}

# %% [markdown] lang="zh" id="title"
# # 指南
# {{{{seconds {NAME}}}}}
#
# {{{{slow cells}}}}

# %% id="measure"
"1,234 tokens/s"
"""


def test_pages_quote_how_long_the_lessons_took(tree):
    edit(tree / SOURCE, "time.sleep(0.3)", "time.sleep(2.1)")
    nap = '# %% [markdown] id="nap"\n# ## A nap\n\n# %% tags=["solution"] id="solution-0"\n# code\n\n# %% id="show"'
    edit(tree / SOURCE, '# %% id="show"', nap)
    (tree / "notebooks/source/guide.py").write_text(GUIDE, "utf-8")
    run(tree)
    guide = tree / "notebooks/en/guide.ipynb"
    assert "takes ? s." in guide.read_text("utf-8"), "nothing has been measured"
    run(tree, "--execute")
    seconds = notebook(tree).metadata.book.seconds
    assert 2 < seconds["show"] < seconds["all"] < 60 and set(seconds) == {"show", "all"}
    prose = nbformat.read(guide, as_version=4).cells[0].source
    assert prose.startswith("# Guide, at 1,234 tokens/s\n") and f"takes {seconds['all']} s." in prose
    row = f"| [1]({NAME}.ipynb) | `[2]` | A nap | {seconds['show']:.0f} |"
    assert prose.endswith(f"| Lesson | Cell | Section | Seconds |\n| --- | --- | --- | --- |\n{row}")
    assert "(guide.ipynb)" not in "".join(cell.source for cell in notebook(tree).cells), "a guide is no next lesson"
    rows = [line for line in (tree / "README.md").read_text("utf-8").splitlines() if line.startswith("|")]
    assert rows[2].startswith("| 1 | [Why depth](")
    assert rows[3].startswith(
        "|  | [Guide, at 1,234 tokens/s](notebooks/en/guide.ipynb) [![Binder][binder]][guide-en-binder] "
    )

    before = snapshot(tree)
    run(tree)
    run(tree, "--check")
    assert snapshot(tree) == before, "a build without running anything keeps the times"
    edit(tree / "notebooks/en/guide.ipynb", f"takes {seconds['all']} s", "takes 0 s")
    assert "notebooks/en/guide.ipynb is not what its source builds" in refusal(tree, "--check")


def test_pages_say_how_long_a_lesson_takes_to_read(tree):
    """In English words and lines of code; what is folded away is not read."""
    words = '\n# %% [markdown] lang="{}" id="long"\n# {}\n'
    english = words.format("en", f"{'word ' * 1200}<details><summary>More</summary>{'more ' * 900}</details>")
    code = '\n# %% {}id="{}"\n' + "1\n" * 60
    more = english + words.format("zh", "字") + code.format("", "open") + code.format('tags=["hide-input"] ', "folded")
    edit(tree / SOURCE, '# %% id="show"', f'{more}\n# %% id="show"')
    (tree / "notebooks/source/guide.py").write_text(GUIDE.replace("{{seconds", "{{minutes"), "utf-8")
    run(tree)
    assert "takes 15 s." in (tree / "notebooks/en/guide.ipynb").read_text("utf-8"), "1,200 words, 72 lines: 13 minutes"


def test_code_that_only_draws_is_folded_but_run(executed):
    """Its outputs stay, since it is the same code; JupyterLab and Colab read its metadata."""
    outputs = notebook(executed).cells[-3].outputs
    edit(executed / SOURCE, '# %% id="show"', '# %% tags=["hide-input"] id="show"')
    run(executed)
    (cell,) = [cell for cell in notebook(executed).cells if cell.id == "show"]
    assert cell.metadata.jupyter.source_hidden and cell.metadata.cellView == "form" and cell.source
    assert cell.outputs == outputs and outputs


# ---- the glossary


def prose_with_glossary(tree, english, chinese):
    """The titles of both editions of the lesson with more text, once there is a glossary."""
    (tree / "notebooks/source/glossary.py").write_text(GLOSSARY_PAGE, "utf-8")
    edit(tree / SOURCE, "# # 1. Why depth\n", f"# # 1. Why depth\n#\n# {english}\n")
    edit(tree / SOURCE, "# # 1. 为什么要深\n", f"# # 1. 为什么要深\n#\n# {chinese}\n")
    run(tree)
    return [cells(tree, language)["title"].source.split("\n\n")[1] for language in ("en", "zh")]


def test_the_first_use_of_a_term_links_to_the_glossary(tree):
    english, chinese = prose_with_glossary(
        tree,
        "Of `depth`, $depth$, in-depth [depth](x.md), depths and *more depth*: **hidden states**, hidden state, DRNNs.",
        "《深度》的**深度网络**和**深度**，这个状态、隐状态、深度。",
    )
    depth = '(glossary.ipynb#cell-id=network "depth · 深度: the number of layers")'
    state = '(glossary.ipynb#cell-id=network "hidden state · 隐状态: what a layer hands on")'
    deep = '(glossary.ipynb#cell-id=network "deep network · 深度网络: layers on top of each other")'
    before = f"Of `depth`, $depth$, in-depth [depth](x.md), [depths]{depth} and *more depth*: "
    assert english == before + f"[**hidden states**]{state}, hidden state, [DRNNs]{deep}."
    before, middle, after = "《深度》的[**深度网络**]", "和[**深度**]", "，这个[状态]"
    deep = '(glossary.ipynb#cell-id=network "深度网络 · deep network：叠起来的层")'
    depth = '(glossary.ipynb#cell-id=network "深度 · depth：层数")'
    state = '(glossary.ipynb#cell-id=network "隐状态 · hidden state：循环层传递的内容")'
    assert chinese == f"{before}{deep}{middle}{depth}{after}{state}、隐状态、深度。"


def test_glossary_page_has_a_table_with_the_words_of_all_editions(tree):
    prose_with_glossary(tree, "", "")
    pages = {lang: nbformat.read(tree / f"notebooks/{lang}/glossary.ipynb", as_version=4) for lang in ("en", "zh")}
    rows = pages["en"].cells[1].source.splitlines()[2:]
    assert rows[0] == "| English | 中文 | Symbol | Shape | What it is |"
    assert rows[2] == "| **depth** | 深度 | $L$ |  | the number of layers |"
    assert (
        "| **隐状态、状态** | hidden state | $H_t$ | $n \\times h$ | 循环层传递的内容 |" in pages["zh"].cells[1].source
    )
    assert "](glossary" not in pages["en"].cells[1].source


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",层数", ",", "lacks its group, its name or its meaning in zh"),
        (",zh meaning", ",de meaning", "two columns per edition"),
        ("the number of layers", '"the number (L) of layers"', "in a meaning"),
        ("network,$L$", "net,$L$", "no cell with {{glossary net}}"),
        ("network,", "net,", "no cell with {{glossary net}}"),
    ],
)
def test_errors_of_the_glossary(tree, old, new, message):
    (tree / "notebooks/source/glossary.py").write_text(GLOSSARY_PAGE, "utf-8")
    edit(tree / "notebooks/source/glossary.csv", old, new)
    assert message in refusal(tree)


# ---- README and address


def test_readme_table(executed):
    (executed / "notebooks/source/02_both_ways.py").write_text(
        LESSON.replace("# 1. Why depth", "# 02 Both | ways").replace("# 1. 为什么要深", "# 2、双向"), "utf-8"
    )
    run(executed)
    lines = (executed / "README.md").read_text("utf-8").splitlines()
    begin, end = (next(i for i, line in enumerate(lines) if f"lessons: {word}" in line) for word in ("begin", "end"))
    head, _, first, second, empty, *addresses = lines[begin + 1 : end]
    assert (head, empty) == ("| # | English | 中文 |", "")
    assert first.startswith("| 1 | [Why depth](") and " | [为什么要深](" in first and len(first) < 400
    assert second.startswith("| 2 | [Both \\| ways](") and " | [双向](" in second
    for language in ("en", "zh"):
        path, label = f"notebooks/{language}/{NAME}.ipynb", f"{NAME.partition('_')[0]}-{language}"
        assert f"({path}) [![Binder][binder]][{label}-binder] [![Colab][colab]][{label}-colab] |" in first
        binder, colab = "https://mybinder.org/v2/gh/someone", "https://colab.research.google.com/github/someone"
        assert f"[{label}-binder]: {binder}/deep-rnn-book/main?urlpath=lab/tree/{path}" in addresses
        assert f"[{label}-colab]: {colab}/deep-rnn-book/blob/main/{path}" in addresses
    assert sum("badge" in address for address in addresses) == 2 and len(addresses) == 2 + 2 * 2 * 2
    assert lines[:begin] == ["# The book", ""] and lines[end + 1 :] == ["", "After the table."]


def test_readme_names_the_torch_of_the_requirements(executed):
    edit(
        executed / "README.md", "After the table.", "PyTorch 2.12: `pip install torch==2.12.1 --index-url x`, PyTorch."
    )
    edit(executed / "README.md", "# The book", "`git clone --depth 1 https://example.org/a/b && cd b`")
    assert "version of PyTorch" in refusal(executed, "--check")
    run(executed)
    text = (executed / "README.md").read_text("utf-8")
    assert text.startswith(f"`git clone --depth 1 {ADDRESS} && cd b`\n")
    assert text.endswith("PyTorch 2.9: `pip install torch==2.9.1 --index-url x`, PyTorch.\n")
    run(executed, "--check")


def test_readme_without_markers_is_left_alone(tree):
    (tree / "README.md").write_text("# The book\n")
    run(tree)
    assert (tree / "README.md").read_text() == "# The book\n"
    (tree / "README.md").unlink()
    run(tree)
    assert not (tree / "README.md").exists()


def test_title_is_needed(tree):
    edit(tree / SOURCE, "# # 1. 为什么要深", "# 为什么要深")
    assert "the zh edition has no '# ' heading" in refusal(tree)


def test_one_line_moves_the_book_and_keeps_the_outputs(executed):
    before = cells(executed)["show"]
    edit(executed / "pyproject.toml", "someone/deep-rnn-book", "else-where/rnn.book")
    assert f"  run: {BUILD}" in refusal(executed, "--check").splitlines()
    run(executed)
    texts = [path.read_text("utf-8") for path in executed.rglob("*") if path.suffix in (".md", ".ipynb")]
    assert len(texts) == 3 and all("else-where/rnn.book" in text for text in texts)
    assert not any("someone" in text for text in texts)
    assert '"https://github.com/else-where/rnn.book"' in cells(executed)["setup"].source
    assert cells(executed)["show"] == before
    run(executed, "--check")


@pytest.mark.parametrize("address", ["http://github.com/a/b", "https://github.com/a", "https://github.com/a/b.git"])
def test_address_must_be_plain(tree, address):
    edit(tree / "pyproject.toml", ADDRESS, address)
    assert address in refusal(tree)


# ---- the setup cell


@pytest.fixture
def setup_cell(tree):
    run(tree)
    return cells(tree)["setup"].source


def test_setup_cell_is_short_and_tidy(tree, setup_cell):
    assert len(setup_cell.splitlines()) <= 12
    assert max(len(line) for line in setup_cell.splitlines()) <= 120
    compile(setup_cell, "setup", "exec")
    assert f'"{ADDRESS}"' in setup_cell and "d2l==0.17.0 word-text-counter==0.3.0" in setup_cell
    edit(tree / "requirements.txt", "d2l==0.17.0", "d2l==1.0.3  # newer")
    run(tree)
    assert "--no-deps d2l==1.0.3 word-text-counter==0.3.0" in cells(tree)["setup"].source
    edit(tree / "requirements.txt", "d2l==1.0.3", "d2l")
    assert "requirements.txt" in refusal(tree)


def run_python(code, folder):
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)


def run_setup(setup_cell, folder, before="", after=""):
    """Run the cell twice in a folder; returns the process, and where utils and the path's first entry are."""
    report = "\nimport json; print(json.dumps([utils.__file__, sys.path[0]]))"
    finished = run_python(f"{before}\n{setup_cell}\n{setup_cell}{report}", folder)
    return finished, json.loads(finished.stdout) if finished.returncode == 0 else None


def test_setup_cell_finds_the_root_from_a_nested_folder(tree, setup_cell):
    finished, found = run_setup(setup_cell, tree / "notebooks" / "zh")
    assert found == [str(tree / "utils.py"), str(tree)], finished.stderr


def test_setup_cell_outside_the_course_says_what_is_missing(tmp_path, setup_cell):
    (tmp_path / "utils.py").write_text("raise SystemExit('a stranger has been imported')")
    finished = run_python(setup_cell, tmp_path)
    assert finished.returncode != 0
    assert "open this lesson inside the course: no book/live_plot.py here or in a folder above" in finished.stderr


def test_setup_cell_takes_no_utils_of_the_readers_for_ours(tree, setup_cell):
    """Their utils.py beside the notebook is passed over; where it has been imported already, one sentence says so."""
    folder = tree / "notebooks" / "zh"
    (folder / "utils.py").write_text("MINE = True")
    finished, found = run_setup(setup_cell, folder)
    assert found == [str(tree / "utils.py"), str(tree)], finished.stderr
    (folder / "package" / "utils").mkdir(parents=True)  # a folder without __init__.py is a module without a file
    for imported in ("import utils", "import sys; sys.path[0] = 'package'; import utils"):
        finished, _ = run_setup(setup_cell, folder, before=imported)
        assert finished.stderr.endswith("another utils.py is loaded: restart the kernel, run this cell first\n")


COLAB = """
import json, pathlib, subprocess, sys

sys.modules["google.colab"] = sys
commands = []

def fake_check_call(command):
    commands.append([str(part) for part in command])
    if "clone" in command:
        pathlib.Path(command[-1]).mkdir()
        (pathlib.Path(command[-1]) / "book").mkdir()
        (pathlib.Path(command[-1]) / "utils.py").touch()

subprocess.check_call = fake_check_call
"""


def test_setup_cell_on_colab_clones_once_and_installs_without_dependencies(tmp_path, setup_cell):
    (tmp_path / "utils.py").write_text("raise SystemExit('a file of the reader in /content is not the course')")
    report = "print(json.dumps([commands, utils.__file__]))"
    finished = run_python(f"{COLAB}{setup_cell}\n{setup_cell}\n{report}", tmp_path)
    assert finished.returncode == 0, finished.stderr
    (clone, pip, pip_again), found = json.loads(finished.stdout)
    assert clone == ["git", "clone", "--depth", "1", ADDRESS, str(tmp_path / "deep-rnn-book")]
    pins = "-m pip install -q --no-deps d2l==0.17.0 word-text-counter==0.3.0"  # nothing to do the second time
    assert pip == pip_again == [sys.executable, *pins.split()]
    assert found == str(tmp_path / "deep-rnn-book" / "utils.py")
