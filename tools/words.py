"""Collect what a reader reads, and say what is not translated yet.

    python tools/words.py                  bring every catalogue up to date, and say what it lacks
    python tools/words.py 03_concise_lstm  only those of this name (or book, or setup_cell)
    python tools/words.py --check          write nothing; exit status 1 if anything is out of date, lacking or wrong

Catalogues are gettext's .po files, for every edition of editions.json but the first, in which all texts are written:

    book/words/LANGUAGE/LC_MESSAGES/book.po    utils.py and book/: say("..."), mark("..."), labels.json, exercises;
                                               compiled into book.mo, which `book.words.say` reads
    notebooks/source/words/LANGUAGE/NAME.po    the code of the lesson NAME: its strings, docstrings and comments
                                               (tools/code_words.py)

To translate, fill in msgstr "..." and run this again; a lesson's page is then built and executed anew. What stays as it
is in English has the same text in msgstr and a comment that says why: # a name in the code. A text that has changed
keeps its old translation, marked fuzzy, and counts as lacking until somebody has read it.
"""

import argparse
import ast
import io
import json
import string
import sys
from datetime import datetime, timezone
from pathlib import Path

import jupytext
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po, write_po
from code_words import has_words, texts, translate

MOST = 20  # problems of a catalogue that are told at a time
LONG_AGO = datetime(2026, 1, 1, tzinfo=timezone.utc)  # gettext wants a date; today's would change a file every day


def languages(root):
    """The editions whose texts are translated."""
    return list(json.loads((root / "notebooks" / "source" / "editions.json").read_text("utf-8")))[1:]


def book_catalogue(root, language):
    """Where a language's catalogue of utils.py and book/ is kept."""
    return root / "book" / "words" / language / "LC_MESSAGES" / "book.po"


def lesson_catalogue(root, language, name):
    """Where the catalogue of a lesson's code is kept; name: "setup_cell" for the cell that all have."""
    return root / "notebooks" / "source" / "words" / language / f"{name}.po"


def words_of(path):
    """Return {msgid: msgstr} of a catalogue, without what is not translated or not read yet; {} where there is none.

    Raises ValueError for a file that is no catalogue.
    """
    if not path.is_file():
        return {}
    return translated(_read(path))


def translated(catalogue):
    """Return {msgid: msgstr} of what of a catalogue is translated."""
    return {m.id: m.string for m in catalogue if m.id and m.string and not m.fuzzy}


def _read(path):
    try:
        with open(path, "rb") as file:
            return read_po(file, abort_invalid=True)
    except PoFileError as error:
        raise ValueError(f"{path.name}: {error}") from None


# ---- collected


def texts_of_book(root):
    """Yield (text, file) of what utils.py and book/ say: to `say` and `mark`, on controls, about exercises."""
    for path in (root / "utils.py", *sorted((root / "book").rglob("*.py"))):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):  # Babel's own reader passes over those in f-strings
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("say", "mark"):
                if isinstance(call.args[0], ast.Constant):
                    yield call.args[0].value, path.relative_to(root).as_posix()
    for text in json.loads((root / "book" / "words" / "labels.json").read_text("utf-8")).values():
        yield text, "book/words/labels.json"
    tree = ast.parse((root / "book" / "exercises.py").read_text("utf-8"))
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Exercise":
            for text in (call.args[1], *call.args[2].values):
                yield ast.literal_eval(text), "book/exercises.py"


def texts_of_lesson(source):
    """Yield (text, cell) of what is to be translated in the code of a lesson."""
    for cell in jupytext.read(source, fmt="py:percent").cells:
        if cell.cell_type == "code" and cell.metadata["id"] != "setup":
            for text in filter(has_words, texts(cell.source)):
                yield text.msgid, cell.metadata["id"]


def texts_of_setup(path):
    """Yield (text, file) of what the set-up cell says when it finds something wrong."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Assert):
            yield node.msg.value, path.name


def collect(root):
    """Yield (path of a catalogue, language, [(text, place)]) for all languages."""
    sources = sorted((root / "notebooks" / "source").glob("*.py"))
    found = {source.stem: list(texts_of_lesson(source)) for source in sources}
    found["setup_cell"] = list(texts_of_setup(Path(__file__).with_name("setup_cell.py")))
    book = list(texts_of_book(root))
    for language in languages(root):
        yield book_catalogue(root, language), language, book
        for name, those in found.items():
            if those:
                yield lesson_catalogue(root, language, name), language, those


# ---- written, and what is wrong


def update(path, language, found):
    """Return the catalogue at path with the texts that were found, and nothing else, and the text of its file."""
    dates = {"creation_date": LONG_AGO, "revision_date": LONG_AGO}
    template = Catalog(project="deep-rnn-book", version="2", copyright_holder="the book's authors", **dates)
    for text, place in found:
        template.add(text, locations=[(place, None)])
    catalogue = _read(path) if path.is_file() else Catalog(locale=language)
    catalogue.update(template, no_fuzzy_matching=False)
    catalogue.project, catalogue.version, catalogue.header_comment = path.stem, "2", f"# {path.stem}: {language}"
    catalogue.revision_date, catalogue.fuzzy, catalogue.last_translator = LONG_AGO, False, ""
    catalogue.language_team = ""
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=110, ignore_obsolete=True, include_lineno=False)
    return catalogue, buffer.getvalue()


def problems_of(catalogue, is_book):
    """Yield what is lacking or wrong in a catalogue, a sentence each."""
    for message in catalogue:
        if not message.id:
            continue
        if not message.string or message.fuzzy:
            yield f"not translated{' since it changed' * message.fuzzy}: {message.id!r}"
        elif message.string == message.id and not message.user_comments:
            yield f"the same as in English, and no comment that says why: {message.id!r}"
        elif is_book and fields(message.string) != fields(message.id):
            yield f"other {{fields}} than {sorted(fields(message.id))}: {message.string!r}"


def fields(text):
    """Return the fields of a text for str.format, each with its format."""
    try:
        return {(name, spec, kind) for _, name, spec, kind in string.Formatter().parse(text) if name is not None}
    except ValueError:  # a brace alone
        return {"no text for str.format"}


def problems_of_code(source, words):
    """Yield what translations a lesson's code does not survive."""
    for cell in jupytext.read(source, fmt="py:percent").cells:
        if cell.cell_type == "code":
            try:
                translate(cell.source, words)
            except ValueError as error:
                yield f"cell {cell.metadata['id']}: {error}"


def main(arguments=None):
    """Read the command line, bring catalogues up to date and say what they lack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="catalogues, such as book or 03_concise_lstm; without any: all")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1], help="the repository")
    options = parser.parse_args(arguments)
    root, problems = options.root.resolve(), []
    for path, language, found in collect(root):
        if options.names and path.stem not in options.names:
            continue
        (catalogue, text), where = update(path, language, found), path.relative_to(root).as_posix()
        is_book, compiled = path == book_catalogue(root, language), io.BytesIO()
        files = {path: text}
        if is_book:
            write_mo(compiled, catalogue)
            files[path.with_suffix(".mo")] = compiled.getvalue()
        for file, data in files.items():
            if not options.check:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            elif not file.is_file() or file.read_bytes() != data:
                problems.append(f"{file.relative_to(root).as_posix()} is out of date: run  python tools/words.py")
        wrong = list(problems_of(catalogue, is_book))
        source = root / "notebooks" / "source" / f"{path.stem}.py"
        if source.is_file() and not is_book:
            wrong += problems_of_code(source, translated(catalogue))
        problems += [f"{where}: {problem}" for problem in wrong[:MOST]]
        problems += [f"{where}: and {len(wrong) - MOST} more"] if len(wrong) > MOST else []
        print(f"{where}: {len(catalogue)} texts, {len(wrong)} to do")
    sys.exit("\n".join(problems) if problems else 0)


if __name__ == "__main__":
    main()
