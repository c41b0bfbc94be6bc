"""What a reader reads in a lesson's code: its strings, docstrings and comments, found and put into another language.

Nothing else in the code changes: what is left of both editions, with these taken out, is the same (a test holds it).
A text's msgid is what stands between its quotes, fields and backslashes included; strings that Python joins are one
text, as are comments on lines that follow each other. What is code although it has letters is told by code_words.csv.
"""

import ast
import csv
import inspect
import io
import re
import textwrap
import tokenize
import unicodedata
from functools import cache
from pathlib import Path
from typing import NamedTuple

TOKEN = re.compile(r"""([rRfFuU]*)(\"\"\"|'''|"|')((?:\\.|(?!\2).)*)\2""", re.DOTALL)
# what they are given is code, whatever it is called: matplotlib's and torch's arguments, as keywords or in a dict
CODE_ARGUMENTS = set(
    "align aspect axis carry cmap color edgecolor edgecolors facecolor family fontweight gid ha hatch "
    "interpolation layout linestyle loc ls marker mode optimizer orientation origin recipe rotation_mode textcoords "
    "play transform va which width xycoords".split()
)
JOINT = re.compile(r"[\sx:]*[,;].*|\(\s*\)")
WIDTH = 100  # columns of a line of code; a Chinese character takes two


class Text(NamedTuple):
    """A text in a cell's code: where it begins and ends, its msgid, and how it is written there."""

    start: int
    end: int
    msgid: str
    opening: str  # such as f" or # or an empty one
    closing: str
    indent: int  # the column at which its next line begins; -1 for a text of one line
    words: str  # what of it is natural language, if anything is; fields and formulas left out


def texts(code):
    """Return the texts of a cell, in order, also those that hold no words."""
    return sorted([*_strings(code), *_comments(code)])


def has_words(text):
    """Whether a Text is to be translated: it has a word, and is no name that code uses (see code_words.csv).

    What joins words is one too, as in ", ".join(words) and f"{word} ({word})": Chinese has other commas and brackets.
    """
    found = re.search("[A-Za-z]{2}", text.words) or JOINT.fullmatch(text.words)
    return bool(found) and not any(p.fullmatch(text.words) for p, _ in code_names())


@cache
def code_names():
    """Return [(pattern, reason)] of code_words.csv: strings that are code in every lesson and stay as they are."""
    path = Path(__file__).with_name("code_words.csv")
    with open(path, encoding="utf-8", newline="") as file:
        return [(re.compile(row["pattern"]), row["reason"]) for row in csv.DictReader(file)]


def translate(code, words):
    """Return the code of a cell in another language. words: {msgid: msgstr}; what is not in it stays as it is.

    Raises ValueError for a translation that leaves no code, or other code, behind.
    """
    translated, rest = [], 0
    for text in texts(code):
        if words.get(text.msgid):
            translated += [code[rest : text.start], _written(text, words[text.msgid])]
            rest = text.end
    translated = "".join([*translated, code[rest:]])
    try:
        same = skeleton(translated) == skeleton(code)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno} is no code any more: {error.text}") from None
    if not same:
        raise ValueError(f"a field {{...}} was changed or lost:\n{translated}")
    return translated


def skeleton(code):
    """Return what is left of code without its texts: its syntax tree, each string empty, fields of one in any order.

    Of a field's format the width is left out, for a Chinese character takes two columns; not how a number is written.
    """
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and node.format_spec:
            written = "".join(part.value for part in node.format_spec.values if isinstance(part, ast.Constant))
            node.conversion = str(node.conversion) + re.sub(r"^.?[<>^]\d*|^\d+", "", written)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            node.values = sorted((v for v in node.values if not isinstance(v, ast.Constant)), key=_field)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def _field(node):
    """A field of an f-string without the strings in it, to sort by."""
    names = [getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node)]
    values = [repr(n.value) for n in ast.walk(node) if isinstance(n, ast.Constant) and not isinstance(n.value, str)]
    return names, values, str(node.conversion)


# ---- found


def _strings(code):
    tree, lines = ast.parse(code), _Lines(code)
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    parts -= {id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    parts |= {id(n) for node in ast.walk(tree) if isinstance(node, ast.FormattedValue) for n in ast.walk(node)}
    parts |= {id(argument) for argument in _code_arguments(tree)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
        if not is_text or id(node) in parts or getattr(node, "value", "some") == "":
            continue
        start, end = lines.place(node.lineno, node.col_offset), lines.place(node.end_lineno, node.end_col_offset)
        yield _string(code, start, end, _words(node))


def _code_arguments(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in CODE_ARGUMENTS:
            yield from ast.walk(node.value)
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in CODE_ARGUMENTS:
                    yield from (key, *ast.walk(value))


def _words(node):
    """The natural language of a string: without fields, but with strings that are chosen in one; without formulas."""
    if isinstance(node, ast.Constant):
        said = [node.value]
    else:
        keys = {id(n.slice) for n in ast.walk(node) if isinstance(n, ast.Subscript)}
        keys |= {id(c) for n in ast.walk(node) if isinstance(n, ast.Compare) for c in (n.left, *n.comparators)}
        specs = {id(n) for v in ast.walk(node) if isinstance(v, ast.FormattedValue) and v.format_spec
                 for n in ast.walk(v.format_spec)}  # fmt: skip
        constants = [n for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        said = [n.value for n in constants if id(n) not in keys | specs]
    return re.sub(r"\$[^$]*\$", "", " ".join(said)).strip()


def _string(code, start, end, words):
    pieces = TOKEN.findall(code, start, end)
    prefix = "".join(sorted({letter for kind, _, _ in pieces for letter in kind.lower()}))
    formatted = "f" in prefix
    bodies = [body if "f" in kind.lower() or not formatted else re.sub("[{}]", r"\g<0>\g<0>", body)
              for kind, _, body in pieces]  # fmt: skip
    body, quote = "".join(bodies), pieces[0][1]
    column = start - code.rfind("\n", 0, start) - 1
    if len(quote) == 3:
        tail = re.search(r"\s*\Z", body)[0]
        return Text(start, end, inspect.cleandoc(body), prefix + quote, tail + quote, column, words)
    several = "\n" in code[start:end]
    return Text(start, end, body, prefix + quote, quote, column if several else -1, words)


def _comments(code):
    lines, found = _Lines(code), []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT and token.string.strip("# "):
            (line, column), alone = token.start, not token.line[: token.start[1]].strip()
            text, start = token.string.lstrip("#").strip(), lines.starts[line - 1] + column
            follows = found and alone and found[-1][:3] == [line - 1, column, True]
            if follows:
                found[-1] = [line, column, True, found[-1][3], start + len(token.string), f"{found[-1][5]}\n{text}"]
            else:
                found.append([line, column, alone, start, start + len(token.string), text])
    for _, column, alone, start, end, text in found:
        yield Text(start, end, text, "# ", "", column if alone else -1, text)


class _Lines:
    """Where in a text a line begins, and where in it Python's column, which is counted in bytes, is."""

    def __init__(self, code):
        self.lines = code.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def place(self, line, column):
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())


# ---- written


def _written(text, said):
    """A text's translation as it stands in the code."""
    if text.opening == "# ":
        return ("\n" + " " * max(0, text.indent)).join(f"# {line}" for line in said.splitlines())
    if text.closing.strip() in ('"""', "'''"):
        return text.opening + textwrap.indent(said, " " * text.indent).lstrip() + text.closing
    if text.indent < 0:
        return text.opening + said + text.closing
    return ("\n" + " " * text.indent).join(text.opening + line + text.closing for line in _lines(said, text.indent))


def _lines(said, indent):
    """A string in lines of fitting width, broken between words or Chinese characters and never in a field."""
    atoms = re.findall(r"\{\{|\}\}|\{[^{}]*\}|\\.|[\w.,:;!?()'-]+ ?(?<![^\x00-\x7f])|.", said, re.DOTALL)
    lines, width = [""], 0
    for atom in atoms:
        wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in atom)
        if lines[-1] and width + wide > WIDTH - indent and atom not in "，。；：、？！）”":
            lines.append("")
            width = 0
        lines[-1] += atom
        width += wide
    return lines
