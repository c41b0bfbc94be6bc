"""What a reader reads, in the language of the page: gettext catalogues, a folder for each language.

    say("too {side} by {distance}", side=say("high"), distance=3)

A page's set-up cell names its language in BOOK_LANGUAGE, unless the environment has named one. The texts stand in the
code, in English; `python tools/words.py` collects them for the translators and says what is not translated yet.
"""

import gettext
import os
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


def language():
    """Return the language of the page, such as "zh"; English where nobody has named one."""
    return os.environ.get("BOOK_LANGUAGE") or "en"


@cache
def _catalogue(language):
    return gettext.translation("book", FOLDER, [language], fallback=True)


def say(text, **values):
    """Return a text in the language of the page, with the values in its {fields}, as str.format puts them there."""
    said = _catalogue(language()).gettext(text)
    return said.format(**values) if values else said


def mark(text):
    """Return the text as it is: it is collected for the translators here, and goes through `say` where it is shown."""
    return text
