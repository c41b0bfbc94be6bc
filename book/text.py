"""Where the book's text comes from, without a network; and what is kept of the letters of a reader's own text."""

import contextlib
import hashlib
import importlib.resources
import os
import re
import tempfile
import unicodedata
from pathlib import Path

from book import ROOT, require
from book.environment import d2l, download
from book.words import say

# of what embedded_text returns
_EMBEDDED_SHA256 = "5da5e87c5d20226ac587836ca75114cf45cde20f68cbbaa8be23eb5c4570ef7b"
_SIGNS = {"“": '"', "”": '"', "‘": "'", "’": "'", "—": "--", "…": "..."}


def embedded_text():
    """Return The Time Machine (Project Gutenberg #35), which the package word-text-counter carries, in ASCII.

    As in D2L's edition, it begins with title and author, and chapters have numbers and no titles; the table of contents
    is left out: a network that recites it looks like a broken program.
    """
    file = importlib.resources.files("word_text_counter") / "data" / "time_machine.txt"
    text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    text = re.sub(r"\A.*?\n I\.\n", "The Time Machine, by H. G. Wells\n\n\n I.\n", text, flags=re.DOTALL)
    text = re.sub(r"\*\*\* END .*\Z", "", text, flags=re.DOTALL).strip() + "\n"
    text = re.sub(r"^ ([IVX]+)\.\n .*\n", r"\1\n", text, flags=re.MULTILINE)
    text = text.translate(str.maketrans(_SIGNS)).encode("ascii", "replace").decode()
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != _EMBEDDED_SHA256:
        mend = "pip install --force-reinstall --no-deps word-text-counter==0.3.0"
        wrong = say("the embedded text has SHA-256 {found} instead of {right}", found=found, right=_EMBEDDED_SHA256)
        raise ValueError(wrong + say(": install it again with  {command}", command=mend))
    return text


def clean(text):
    """Return the text's lines in lower case, every run of other characters than A-Z made one space (D2L's cleaning)."""
    return [re.sub("[^A-Za-z]+", " ", line).strip().lower() for line in text.splitlines()]


def _download(name, cache_dir=ROOT / "data"):
    """Stands in for d2l.download: "time_machine" is the embedded text, in a file, without a network."""
    if name != "time_machine":
        return download(name, cache_dir)
    folder = Path(cache_dir)
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):  # a course that one may only read
        folder = Path(tempfile.mkdtemp())
    path = folder / "time_machine_embedded.txt"
    path.write_text(embedded_text(), encoding="ascii")
    return str(path)


d2l.read_time_machine, d2l.download = lambda: clean(embedded_text()), _download  # offline; d2l's functions call them


def letters_of(data):
    """Return the letters and spaces of a text file, in lower case, and the name of its encoding (UTF-8 or GBK).

    data: the file's bytes. Letters of every script are kept, with the accents and vowel signs (combining marks) that
    follow them; every run of other characters becomes one space, and a line's end nothing, as in D2L.
    Raises ValueError for another encoding, and for NUL characters.
    """
    kept, (text, encoding) = [], _decode(data)
    require("\0" not in text, "source", say("NUL characters"), say("a text (is this UTF-16? Save it as UTF-8)"))
    for line in unicodedata.normalize("NFC", text.lower()).splitlines():
        letters = []
        for c in line:
            mark = unicodedata.category(c)[0] == "M" or c in "\u200c\u200d"  # joiners belong to Persian and Indic words
            letters.append(c if c.isalpha() or (mark and letters and letters[-1] != " ") else " ")
        kept.append(re.sub(" +", " ", "".join(letters)).strip())
    return "".join(kept), encoding


def _decode(data):
    for encoding, name in (("utf-8-sig", "UTF-8"), ("gb18030", "GBK")):
        with contextlib.suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            chinese = len(re.findall("[\u4e00-\u9fff]", text))
            if name == "UTF-8" or chinese > len(text) / 3:  # Latin-1's accented letters can look like GBK now and then
                return text, name
    raise ValueError(say("source must be text in UTF-8 (or Chinese in GBK), and this is neither: save it as UTF-8"))
