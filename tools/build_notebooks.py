"""Build every edition of every lesson: notebooks/source/*.py -> notebooks/en/*.ipynb, notebooks/zh/*.ipynb.

    python tools/build_notebooks.py                                  after an edit of the prose
    python tools/build_notebooks.py --execute notebooks/source/03_x.py   after an edit of the code
    python tools/build_notebooks.py --execute --edition zh notebooks/source/03_x.py       after a translation
    python tools/build_notebooks.py --check                          is everything up to date? (writes nothing)

Without named sources all lessons are built, and the lesson table of README.md too. A build without --execute keeps
the stored outputs of a lesson whose code is unchanged and drops them otherwise: outputs of other code are not honest.
Each lesson is written when it is finished; one that fails stops the build and is not written.

Sources are jupytext percent files that run as they stand. Every cell has an id: `# %% id="train"`. A markdown cell with
lang="en" has a partner with lang="zh" and the same id; a cell without lang goes into every edition. The cell with the
id "setup" is for the source only: a notebook has SETUP there. A code cell with the tag "solution" becomes prose that
is folded everywhere, on GitHub and in exports too. One with the tag "hide-input", which only draws or measures,
is run as any other, but its code is folded in JupyterLab and on Colab. In prose, the author may write these stamps:

    {{launch}}  {{next}}  {{repository}}   links that open the page elsewhere, to the next lesson, the address
    {{label train}}                        what stands on that control, from book/words/labels.json
    {{glossary GROUP}}                     a table of the terms of glossary.csv
    {{seconds 03_x}}                       how many seconds lesson 03_x took when it was last executed
    {{minutes 03_x}}                       how many minutes it takes to read, to the next five
    {{slow cells}}                         a table of the cells that took longest
    {{speed}}                              the tokens/s that a cell of the same page has measured

Which editions there are, and the builder's own words in each, stands in editions.json beside the sources; the first
edition is the one that code is written in. The others have its texts from their catalogues (tools/words.py), and every
edition is executed by itself. Where a lesson first uses a term of glossary.csv in its prose, it links to the
glossary. README.md's lesson table and its versions of PyTorch are written, too. Needs Python 3.11 or newer.
"""

import argparse
import csv
import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from code_words import translate
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell
from words import book_catalogue, lesson_catalogue, words_of

# On Colab only: fetch the repository (into a folder found again after a restart) and what Colab lacks, without
# dependencies, so that Colab's own torch and numpy stay. Everywhere: name the page's language, put the course's folder
# first on the path, and say so where a reader's own utils.py has been imported already.
SETUP = Path(__file__).with_name("setup_cell.py").read_text("utf-8").strip()

BADGES = {
    "binder": "https://mybinder.org/badge_logo.svg",
    "colab": "https://colab.research.google.com/assets/colab-badge.svg",
}
README_BLOCK = re.compile(
    r"(<!-- lessons: begin \(written by tools/build_notebooks\.py\) -->\n).*?(<!-- lessons: end -->)", re.DOTALL
)
SLUG = r"([\w.-]+/[\w-]+(?:\.(?!git\b)[\w-]+)*)"
# OWNER/NAME where a reader is sent or a copy is fetched; also finds the clone command inside a notebook's JSON
ADDRESS = re.compile(
    r"(?:mybinder\.org/v2/gh/|colab\.research\.google\.com/github/"
    r"|\bgit\W+clone(?:\W+[\w-]+){0,2}\W+(?:https://|git@)github\.com[/:])" + SLUG,
    re.ASCII,
)
SPEED = "{speed:,.0f} tokens/s"  # as `check_machine` says it
STAMP = re.compile(r"{{([\w -]+)}}")
QUOTE = re.compile("{{(seconds|slow cells|speed)")
WIDGET = "application/vnd.jupyter.widget-view+json"
SCRIPT = "application/javascript"
FOLDED = """\
<details><summary>{title}</summary>

```python
{code}
```

</details>"""
CJK = "[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"  # punctuation, characters, full-width forms
JUPYTEXT_KEYS = {"cell_marker", "lines_to_next_cell", "lines_to_end_of_cell_marker"}
MAX_BYTES = 400_000
# where no term is linked: code, formulas, headings, links, titles, HTML, and phrases in bold or italics
NO_TERMS = r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|^#+ [^\n]*|!?\[[^\]]*\]\([^)]*\)"
NO_TERMS += r"|《[^》]*》|“[^”]*”|<details>.*?</details>|<[^>]*>|\*\*[^*]+\*\*|\*[^*]+\*"


class SourceError(ValueError):
    """Something an author has to put right; the message says where."""


# ---- what all notebooks are built with


def read_book(root):
    """What a notebook is built with: address, pins, setup cell, words of each edition, labels, glossary, stamps."""
    sources, labels = root / "notebooks" / "source", root / "book" / "words" / "labels.json"
    book = read_address(root) | {"pins": read_pins(root)}
    pins = " ".join(f"{name}=={book['pins'][name]}" for name in ("d2l", "word-text-counter"))
    book["setup"] = SETUP.replace("{{repository}}", book["repository"]).replace("{{pins}}", pins)
    try:
        book["editions"] = json.loads((sources / "editions.json").read_text("utf-8"))
        book["labels"] = json.loads(labels.read_text("utf-8")) if labels.is_file() else {}
    except (OSError, json.JSONDecodeError) as error:
        raise SourceError(f"need editions.json, and JSON in labels.json: {error!r}") from None
    book["words"] = {language: read_words(root, language) for language in book["editions"]}
    book["glossary"] = read_glossary(sources / "glossary.csv", book["editions"])
    book["links"] = {language: glossary_links(sources / "glossary.py", language, book) for language in book["editions"]}
    book["stamps"] = {"launch", "next", "repository", "speed", "slow cells"}
    book["stamps"] |= {f"label {name}" for name in book["labels"]}
    book["stamps"] |= {f"glossary {row['group']}" for row in book["glossary"]}
    lessons = [lesson.stem for lesson in sources.glob("[0-9]*.py")]
    book["stamps"] |= {f"{what} {lesson}" for what in ("seconds", "minutes") for lesson in lessons}
    return book


def read_address(root):
    """The repository's address, and its OWNER/NAME, from pyproject.toml."""
    import tomllib  # here, because the lessons also run on Python 3.10, which has no tomllib

    try:
        repository = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["book"]["repository"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise SourceError(f"need pyproject.toml with [tool.book] repository: {error!r}") from None
    if not (address := re.fullmatch(f"https://github\\.com/{SLUG}", repository, re.ASCII)):
        raise SourceError(f"pyproject.toml: {repository!r} is not of the form https://github.com/OWNER/NAME")
    return {"repository": repository, "slug": address[1]}


def read_pins(root):
    """{package: version} of requirements.txt, the only place where a version stands."""
    try:
        requirements = (root / "requirements.txt").read_text("utf-8")
    except OSError as error:
        raise SourceError(f"need requirements.txt: {error!r}") from None
    pins = dict(re.findall(r"^([\w-]+)==([\w.]+)", requirements, re.MULTILINE))
    if missing := {"torch", "d2l", "word-text-counter"} - pins.keys():
        raise SourceError(f"requirements.txt: need a line PACKAGE==VERSION for {', '.join(sorted(missing))}")
    return pins


def read_words(root, language):
    """{name: {text: its translation}} of an edition's catalogues: each lesson's, "setup_cell", and "book"."""
    names = [source.stem for source in (root / "notebooks" / "source").glob("*.py")]
    paths = {name: lesson_catalogue(root, language, name) for name in (*names, "setup_cell")}
    try:
        return {name: words_of(path) for name, path in (paths | {"book": book_catalogue(root, language)}).items()}
    except ValueError as error:
        raise SourceError(str(error)) from None


def read_glossary(path, editions):
    """The rows of glossary.csv: a term's group, symbol, shape, and its name and meaning in every edition."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            glossary = list(csv.DictReader(file))
        for row, name in ((row, name) for row in glossary for name in editions):
            if not all((row["group"], row[name], row[f"{name} meaning"])):
                raise SourceError(f"glossary.csv: the term {row} lacks its group, its name or its meaning in {name}")
            if set('"()|') & set(row[f"{name} meaning"]):
                raise SourceError(f"glossary.csv: no \", (, ) or | in a meaning, which is a link's title: {row}")
    except (OSError, KeyError) as error:
        raise SourceError(f"need glossary.csv with two columns per edition: {error!r}") from None
    return glossary


def launches(language, name, book):
    """{place: (words, address)}: where an edition's readers can open a notebook, as editions.json has it."""
    places = {"slug": book["slug"], "repository": book["repository"], "path": f"notebooks/{language}/{name}.ipynb"}
    launch = book["editions"][language]["launch"]
    return {place: (words, address.format(**places)) for place, (words, address) in launch.items()}


# ---- from a source to its notebooks


def read_lesson(source, book):
    """All editions {"en": notebook, "zh": notebook} of a source file, without outputs and with their stamps."""
    if not re.fullmatch(r"(\d\d_)?[a-z]\w*", source.stem, re.ASCII):
        raise SourceError(f"{source.name}: the file's name must be of the form 01_name.py or name.py")
    try:
        cells = jupytext.reads(source.read_text("utf-8"), fmt="py:percent").cells
    except nbformat.ValidationError as error:
        raise SourceError(f"{source.name}: {error.message} (in a cell's header)") from None
    editions = {language: {} for language in book["editions"]}
    for cell in cells:
        cell_id, languages = check_cell(cell, source.name, book)
        for language in languages:
            if cell_id in editions[language]:
                raise SourceError(f'{source.name}: id "{cell_id}" is used twice in the {language} edition')
            editions[language][cell_id] = make_cell(cell, cell_id, language, source, book)
    check_pairs(editions, source.name)
    return {
        language: new_notebook(
            cells=list(edition.values()),
            metadata={
                "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
                "book": {"source": f"notebooks/source/{source.name}", "language": language},
            },
        )
        for language, edition in editions.items()
    }


def check_cell(cell, filename, book):
    """The id of a source cell and which of the languages it is for; an error if its header or a stamp is wrong."""
    languages, first_line = list(book["editions"]), cell.source.partition("\n")[0]
    where = f"{filename}, cell {first_line!r}"
    cell_id, language = cell.metadata.get("id"), cell.metadata.get("lang")
    if unknown := cell.metadata.keys() - JUPYTEXT_KEYS - {"id", "lang", "tags"}:
        raise SourceError(f"{where}: cannot read the header ({', '.join(sorted(unknown))})")
    if not re.fullmatch(r"[a-z0-9-]{1,64}", str(cell_id or "")):
        raise SourceError(f'{where}: needs an id="..." of a-z, 0-9 and -, not {cell_id!r}')
    if language not in (None, *languages):
        raise SourceError(f"{where}: lang must be one of {', '.join(languages)}, not {language!r}")
    if cell.cell_type == "code" and language:
        raise SourceError(f"{where}: a code cell goes into every edition and has no lang")
    if cell.cell_type == "code" and not cell.source.strip():
        raise SourceError(f'{where}: code cell "{cell_id}" is empty')
    if cell.cell_type != "code" and (unknown := set(STAMP.findall(cell.source)) - book["stamps"]):
        stamps = ", ".join(f"{{{{{name}}}}}" for name in sorted(unknown))
        raise SourceError(f'{filename}, cell "{cell_id}" ({language or "all editions"}): unknown stamp {stamps}')
    return cell_id, [language] if language else languages


def check_pairs(editions, filename):
    """An error unless all editions have the same cells in the same order."""
    for cell_id in sorted(set().union(*editions.values())):
        present = [language for language, edition in editions.items() if cell_id in edition]
        if len(present) < len(editions):
            raise SourceError(f'{filename}: id "{cell_id}" is only in the {" and ".join(present)} edition')
    for ids in zip(*editions.values(), strict=True):
        if len(set(ids)) > 1:
            raise SourceError(f"{filename}: the editions differ in order, the ids {', '.join(ids)} stand together")


def make_cell(cell, cell_id, language, source, book):
    """The notebook cell for a source cell; the setup cell is the builder's own, and a solution is folded."""
    metadata = {"tags": list(cell.metadata["tags"])} if cell.metadata.get("tags") else {}
    text = cell.source.strip()
    if cell.cell_type == "code":
        is_setup = cell_id == "setup"
        text = book["setup"].replace("{{language}}", language) if is_setup else text
        try:
            text = translate(text, book["words"][language]["setup_cell" if is_setup else source.stem])
        except ValueError as error:
            raise SourceError(f'{source.name}, cell "{cell_id}" ({language}): {error}') from None
    if cell.cell_type == "code" and "solution" in metadata.get("tags", []):
        title = " ".join([book["editions"][language]["solution"], *re.findall(r"\d+$", cell_id)])
        return new_markdown_cell(FOLDED.format(title=title, code=text), id=cell_id, metadata=metadata)
    if "hide-input" in metadata.get("tags", []):
        metadata |= {"jupyter": {"source_hidden": True}, "cellView": "form"}  # in JupyterLab, and on Colab
    new_cell = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}[cell.cell_type]
    return new_cell(text, id=cell_id, metadata=metadata)


# ---- stamps


def fill_in(notebook, source, book):
    """Replace the stamps in the prose of a page, each computed once, and link terms to the glossary."""
    prose = [cell for cell in notebook.cells if is_prose(cell)]
    names = {name for cell in prose for name in STAMP.findall(cell.source)}
    values = {name: stamp(name, notebook, source, book) for name in names}
    for cell in prose:
        cell.source = STAMP.sub(lambda match: values[match[1]], cell.source).strip()
        if cell.cell_type == "markdown":  # a line's end between two Chinese characters would be shown as a space
            cell.source = re.sub(rf"(?<={CJK})\n(?={CJK})", "", cell.source)
    if source.stem[0].isdigit():  # a lesson, or the start page
        link_terms(prose, book["links"][notebook.metadata.book.language])


def stamp(name, notebook, source, book):
    """What the stamp {{name}} of a page stands for; "?" where nothing has been measured."""
    kind, _, what = name.partition(" ")
    language = notebook.metadata.book.language
    if kind == "launch":
        return launch_links(source, language, book)
    if kind == "next":
        return link_to_next(source, book["editions"][language]["next"])
    if kind == "repository":
        return book["repository"]
    if kind == "label":
        return in_language(book["labels"][what], language, book)
    if kind == "glossary":
        return glossary_table(what, language, book)
    if kind == "speed":
        before, _, after = in_language(SPEED, language, book).partition("{speed:,.0f}")
        pattern = rf"{re.escape(before)}[\d,]+{re.escape(after)}"
        speed = re.search(pattern, str([cell.outputs for cell in code_cells(notebook)]))
        return speed[0] if speed else "?"
    if kind == "slow":
        return slow_cells(source.parents[1] / language, book["editions"][language]["slow cells"])
    if kind == "minutes":
        return str(minutes_of(source.with_name(f"{what}.py"), book))
    lesson = source.parents[1] / language / f"{what}.ipynb"
    return str(seconds_of(nbformat.read(lesson, as_version=4)).get("all", "?")) if lesson.is_file() else "?"


def in_language(text, language, book):
    """A text of utils.py or book/ in the language of an edition."""
    return book["words"][language]["book"].get(text, text)


def launch_links(source, language, book):
    """A line of links that open this edition elsewhere, such as on Binder, and the other editions."""
    words = book["editions"]
    links = [f"[{there}]({address})" for there, address in launches(language, source.stem, book).values()]
    others = [other for other in words if other != language]
    return " · ".join([*links, *(f"[{words[o]['edition']}](../{o}/{source.stem}.ipynb)" for o in others)])


def link_to_next(source, words):
    """A link to the lesson after this one, or nothing after the last."""
    later = sorted(path.stem for path in source.parent.glob("[0-9]*.py") if path.stem > source.stem)
    return words.format(number=int(later[0][:2]), name=later[0]) if later else ""


def glossary_table(group, language, book):
    """A Markdown table of a group of terms: this edition's word, those of the others, symbol, shape, meaning."""
    others = [other for other in book["editions"] if other != language]
    names = [book["editions"][edition]["name"] for edition in (language, *others)]
    head = [*names, *book["editions"][language]["glossary"]]
    rows = [head, ["---"] * len(head)]
    for term in book["glossary"]:
        if term["group"] == group:
            words = [
                book["editions"][edition]["comma"].join(term[edition].split("; ")) for edition in (language, *others)
            ]
            rows.append([f"**{words[0]}**", *words[1:], term["symbol"], term["shape"], term[f"{language} meaning"]])
    if len(rows) == 2:
        raise SourceError(f"glossary.csv has no term of the group {group!r}")
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def seconds_of(notebook):
    """How long a notebook's cells took, as execute() has stored it."""
    return notebook.metadata.book.get("seconds", {})


def minutes_of(source, book):
    """How long it takes to read a lesson with care: 150 words a minute and 4 s for a line of code, to the next five.

    Of the first edition, whose words can be counted, and without what is folded. (Six lessons took a student four
    hours: that is what the two speeds are from.)
    """
    words = lines = 0
    for cell in jupytext.read(source, fmt="py:percent").cells:
        if cell.cell_type == "markdown":
            if cell.metadata.get("lang") in (None, next(iter(book["editions"]))):
                words += len(re.sub("<details>.*?</details>", "", cell.source, flags=re.DOTALL).split())
        elif cell.metadata.get("id") != "setup" and not {"solution", "hide-input"} & set(cell.metadata.get("tags", [])):
            lines += len([line for line in cell.source.splitlines() if line.strip()])
    return 5 * -(-round(words / 150 + lines * 4 / 60) // 5)


def slow_cells(folder, head):
    """A Markdown table of the cells that took at least two seconds, with the number that Run All gives them."""
    rows = [f"| {' | '.join(head)} |", "| --- | --- | --- | --- |"]
    for path in sorted(set(folder.glob("[0-9]*.ipynb")) - set(folder.glob("00_*"))):
        notebook = nbformat.read(path, as_version=4)
        seconds, section = seconds_of(notebook), ""
        for cell in notebook.cells:
            if is_prose(cell) and (headings := re.findall(r"^#+ (.+)$", cell.source, re.MULTILINE)):
                section = headings[-1]
            if seconds.get(cell.id, 0) >= 2 and cell.cell_type == "code":
                link = f"[{int(path.stem[:2])}]({path.name})"
                rows.append(f"| {link} | `[{cell.execution_count}]` | {section} | {seconds[cell.id]:.0f} |")
    return "\n".join(rows)


# ---- links to the glossary


def glossary_links(page, language, book):
    """{a term's spelling: (the term, the target of a link to it)} for one edition; none without a glossary.py.

    A link names a cell, because JupyterLab 4.6 finds no heading that is not ASCII. (In a page that it is only just
    opening, it does not always scroll at all; the reader is at the top then, and a second click leads on.)
    """
    if not page.is_file():
        return {}
    cells, links = jupytext.read(page, fmt="py:percent").cells, {}
    places = {group: c.metadata["id"] for c in cells for group in re.findall("{{glossary (.+?)}}", c.source)}
    for row in book["glossary"]:
        if row["group"] not in places:
            raise SourceError(f"{page.name}: no cell with {{{{glossary {row['group']}}}}}")
        spellings = row[language].split("; ")
        others = [row[other].split("; ")[0] for other in book["editions"] if other != language]
        names = " · ".join(dict.fromkeys([spellings[0], *others]))  # LSTM is called so everywhere
        said = book["editions"][language]["term"].format(names=names, meaning=row[f"{language} meaning"])
        target = f'glossary.ipynb#cell-id={places[row["group"]]} "{said}"'
        links |= {spelling: (spellings[0], target) for spelling in spellings}
    return links


def link_terms(cells, links):
    """Link the first use of each term in a lesson's prose; the longest term that fits is the one that is meant."""
    if not links:
        return
    spellings = {word[0].upper() + word[1:]: found for word, found in links.items()} | links
    words = "|".join(map(re.escape, sorted(spellings, key=len, reverse=True)))
    # not in tokens/s, and before `code` the word may be Python's
    term = rf"(?<![A-Za-z0-9-])(?P<word>{words})(?:es|s)?(?![A-Za-z0-9]|/s| ?`)"
    pattern = re.compile(rf"\*\*{term}\*\*|{NO_TERMS}|{term.replace('<word>', '<plain>')}", re.DOTALL | re.MULTILINE)
    linked = set()

    def link(match):
        found = spellings.get(match["word"] or match["plain"])
        if found is None or found[0] in linked:
            return match[0]
        linked.add(found[0])
        return f"[{match[0]}]({found[1]})"

    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = pattern.sub(link, cell.source)


# ---- outputs


def notebook_path(root, language, source):
    """Where an edition of a lesson is stored."""
    return root / "notebooks" / language / f"{source.stem}.ipynb"


def code_cells(notebook):
    """The code cells of a notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_prose(cell):
    """Whether a notebook's cell holds prose: neither code nor a solution, which is folded code."""
    return cell.cell_type != "code" and "solution" not in cell.metadata.get("tags", [])


def lesson_code(notebook):
    """The id and the text of every code cell; no text for the setup cell."""
    return [(cell.id, cell.source if cell.id != "setup" else None) for cell in code_cells(notebook)]


def keep_outputs(notebook, path):
    """Copy the outputs stored at path into a notebook if they are of its code, and as they were when it was run.

    The builder's own setup cell is no lesson's code: another address or package leaves the outputs as they are.
    """
    try:
        stored = nbformat.read(path, as_version=4)
        is_same = lesson_code(stored) == lesson_code(notebook) and digest(stored) == stored.metadata.book.outputs
    except (OSError, ValueError, AttributeError):  # none, or not a notebook, as after a merge conflict
        return
    if is_same:
        notebook.metadata.book |= {key: stored.metadata.book[key] for key in ("outputs", "seconds")}
        for cell, old in zip(code_cells(notebook), code_cells(stored), strict=True):
            cell.execution_count, cell.outputs = old.execution_count, old.outputs


def digest(notebook):
    """A number that tells whether somebody has changed what a notebook's code put out."""
    outputs = [(cell.execution_count, cell.outputs) for cell in code_cells(notebook)]
    return hashlib.sha256(json.dumps(outputs, sort_keys=True).encode()).hexdigest()[:16]


def execute(notebook, folder, source):
    """Run an edition in a fresh kernel in its folder; store its cleaned outputs and its times in it.

    Times are in seconds: "all", with the start of the kernel, and each cell that takes one or more, by its id.
    """
    language_info, running, started, seconds = notebook.metadata.language_info, [], [time.monotonic()], {}

    def begin(cell, cell_index):
        running.append(cell.id)
        started.append(time.monotonic())

    def end(cell, cell_index, execute_reply):
        seconds[cell.id] = round(time.monotonic() - started[-1], 1)

    folder.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=900,
        store_widget_state=False,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=begin,
        on_cell_executed=end,
    )
    try:
        client.execute(env={name: value for name, value in os.environ.items() if name != "BOOK_LANGUAGE"})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        trace = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        raise SourceError(f'{source.name}: cell "{running[-1]}" failed\n{trace}') from None
    seconds = {"all": round(time.monotonic() - started[0])} | {key: s for key, s in seconds.items() if s >= 1}
    for cell in code_cells(notebook):
        cell.outputs = clean(cell.outputs)
        for output in cell.outputs:
            if output.get("name") == "stderr":
                raise SourceError(f'lesson {source.name}, cell "{cell.id}" writes to stderr: {output.text.strip()}')
    notebook.metadata.book |= {"outputs": digest(notebook), "seconds": seconds}
    notebook.metadata.language_info = language_info  # the client has put the kernel's own there


def clean(outputs):
    """The outputs without live widgets (a picture follows each), scripts and pictures as HTML; streams are joined."""
    cleaned = []
    for output in outputs:
        if WIDGET in output.get("data", {}):
            continue
        output.pop("transient", None)
        for bundle in (output.get("data", {}), output.get("metadata", {})):
            bundle.pop(SCRIPT, None)
        if "image/png" in output.get("data", {}):  # as HTML, a picture is there for live pages only
            output.data.pop("text/html", None)
        last = cleaned[-1] if cleaned else {}
        if output.output_type == "stream" and output.name == last.get("name"):
            last.text += output.text
        elif output.get("data") != {}:
            cleaned.append(output)
    return cleaned


# ---- files, and what is wrong with them


def render(notebook, path):
    """The text of the .ipynb file, the same for the same notebook."""
    text = nbformat.writes(notebook) + "\n"
    if len(text.encode()) > MAX_BYTES:
        raise SourceError(f"{path.name}: {len(text.encode()):,} bytes, more than {MAX_BYTES:,}: print or plot less")
    return text


def render_readme(readme, lessons, book):
    """README.md's text with a row per lesson between the markers, the address to clone, and torch's version."""
    names = {language: words["name"] for language, words in book["editions"].items()}
    rows, addresses = [f"| # | {' | '.join(names.values())} |", f"| --- |{' --- |' * len(names)}"], []
    for source, editions in sorted(lessons.items()):
        cells = [number[1] if (number := re.match(r"0*([1-9]\d*)_", source.stem)) else ""]  # the start page has none
        for language in names:
            prose = "\n".join(cell.source for cell in editions[language].cells if is_prose(cell))
            if not (heading := re.search(r"^# (?:\d+\s*[.、:：·]?\s*)?(\S.*)$", prose, re.MULTILINE)):
                raise SourceError(f"{source.name}: the {language} edition has no '# ' heading")
            title = heading[1].strip().replace("|", "\\|")
            badges = []
            places = launches(language, source.stem, book)
            for place, url in ((place, places[place][1]) for place in BADGES if place in places):
                label = f"{source.stem.partition('_')[0] if cells[0] else source.stem}-{language}-{place}"
                badges.append(f"[![{place.title()}][{place}]][{label}]")
                addresses.append(f"[{label}]: {url}")
            cells.append(f"[{title}](notebooks/{language}/{source.stem}.ipynb) {' '.join(badges)}")
        rows.append(f"| {' | '.join(cells)} |")
    badges = [f"[{place}]: {url}" for place, url in BADGES.items()]
    table = "\n".join([*rows, "", *badges, *addresses]) + "\n"
    version = book["pins"]["torch"]
    readme = re.sub(r"(?<=\btorch==)[\w.]+", version, readme)
    readme = re.sub(r"(?<=git clone --depth 1 )\S+", book["repository"], readme)
    readme = re.sub(r"(?<=\bPyTorch )\d+\.\d+", ".".join(version.split(".")[:2]), readme)
    return README_BLOCK.sub(lambda block: block[1] + table + block[2], readme)


def check_lesson(editions, root, source):
    """What is wrong with the stored editions of a lesson, given what a build would write."""
    problems = []
    for language, notebook in editions.items():
        path = notebook_path(root, language, source)
        if not path.is_file() or path.read_text("utf-8") != render(notebook, path):
            problems.append(f"{path.relative_to(root).as_posix()} is not what its source builds")
    never = {cell.id: 1 for nb in editions.values() for cell in code_cells(nb) if cell.execution_count is None}
    if never:
        problems.append(f"{source.name} has code cells without outputs of this code: {', '.join(never)}")
    if problems:
        problems.append(
            f"  run: python tools/build_notebooks.py {'--execute ' * bool(never)}notebooks/source/{source.name}"
        )
    return problems


def check_book(lessons, root, book):
    """What is wrong beside the lessons: the README's table, notebooks without a source, other repositories' links."""
    problems, readme = [], root / "README.md"
    if readme.is_file() and readme.read_text("utf-8") != render_readme(readme.read_text("utf-8"), lessons, book):
        problems += [
            "README.md has an outdated lesson table or version of PyTorch",
            "  run: python tools/build_notebooks.py",
        ]
    expected = {notebook_path(root, language, source) for source in lessons for language in book["editions"]}
    for path in sorted(root.glob("notebooks/*/*.ipynb")):
        if path not in expected:
            problems.append(f"{path.relative_to(root).as_posix()} has no source in notebooks/source")
    texts = [
        p
        for p in root.glob("notebooks/**/*")
        if p.suffix in (".py", ".ipynb", ".md") and p.parent.name != ".ipynb_checkpoints"
    ]
    for path in sorted([*texts, *root.glob("README*.md")]):
        for slug in sorted(set(ADDRESS.findall(path.read_text("utf-8"))) - {book["slug"]}):
            where = path.relative_to(root).as_posix()
            problems.append(f"{where} sends readers to github.com/{slug}, pyproject.toml says {book['repository']}")
    return problems


# ---- the command


def build(root, names, run, check, only=None):
    """Build or check the lessons; returns the list of problems found by a check. only: the edition that is run."""
    book = read_book(root)
    sources = sorted((root / "notebooks" / "source").glob("*.py"))
    chosen = [source for source in sources if not names or source.name in [Path(name).name for name in names]]
    chosen.sort(key=lambda source: bool(QUOTE.search(source.read_text("utf-8"))))  # what quotes the others comes last
    if missing := {Path(name).name for name in names} - {source.name for source in chosen}:
        raise SourceError(f"not in notebooks/source: {', '.join(sorted(missing))}")
    if only and only not in book["editions"]:
        raise SourceError(f"--edition {only}: need one of {', '.join(book['editions'])}")
    lessons, problems = {source: read_lesson(source, book) for source in chosen}, []
    for source, editions in lessons.items():
        for language, notebook in editions.items():
            path = notebook_path(root, language, source)
            if run and only in (None, language):
                execute(notebook, path.parent, source)
            else:
                keep_outputs(notebook, path)
            fill_in(notebook, source, book)
        if check:
            problems += check_lesson(editions, root, source)
            continue
        texts = {notebook_path(root, lang, source): render(notebook, source) for lang, notebook in editions.items()}
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
            size = f"{len(lessons[source][path.parent.name].cells)} cells, {len(text.encode()) / 1000:.0f} kB"
            print(f"{path.relative_to(root).as_posix()}  {size}", flush=True)
    if names:
        return problems
    if check:
        return problems + check_book(lessons, root, book)
    readme = root / "README.md"
    if readme.is_file():
        readme.write_text(render_readme(readme.read_text("utf-8"), lessons, book), "utf-8", newline="\n")
    return problems


def main(arguments=None):
    """Read the command line; exit status 1 with the problems if there are any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", help="notebooks/source/NN_name.py; without any: all, and README.md")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--execute", action="store_true", help="run the lessons and store their outputs")
    parser.add_argument(
        "--edition", help="with --execute: run only this one, such as zh; the others keep their outputs"
    )
    action.add_argument("--check", action="store_true", help="write nothing, say what is out of date")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1], help="the repository")
    options = parser.parse_args(arguments)
    if options.edition and not options.execute:
        parser.error("--edition goes with --execute")
    try:
        problems = build(options.root.resolve(), options.sources, options.execute, options.check, options.edition)
    except SourceError as error:
        sys.exit(str(error))
    if problems:
        sys.exit("\n".join(problems))
    if options.check:
        print("up to date")


if __name__ == "__main__":
    main()
