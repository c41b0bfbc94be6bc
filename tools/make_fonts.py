"""Cut the font that a language's figures need, assets/fonts/LANGUAGE.otf, for matplotlib's own has no Chinese.

    python tools/make_fonts.py zh /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc    (Debian: fonts-noto-cjk)

It keeps ASCII and the characters of the language's catalogues and of the texts in assets/texts; run it again when one
of these has new ones (a test says so). The font is Noto Sans CJK under the SIL Open Font License (assets/fonts/OFL.txt,
which goes wherever the font goes), renamed, so that it is not taken for one that a system has.
"""

import argparse
import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from words import words_of

ROOT = Path(__file__).resolve().parents[1]
FACES = {"zh": ("Noto Sans CJK SC", 2)}  # a language: its name in the collection of fonts, and its number there
COPYRIGHT, LICENSE = 0, 13  # records of a font's name table that stay; 1, 3, 4, 6 and 16 are its name


def characters(root, language):
    """The characters that a language's figures may show: ASCII, its catalogues', and those of the book's texts."""
    catalogues = [
        *(root / "book" / "words" / language).rglob("*.po"),
        *root.glob(f"notebooks/source/words/{language}/*"),
    ]
    texts = [text for path in catalogues for text in words_of(path).values()]
    texts += [path.read_text("utf-8") for path in root.glob("assets/texts/*.txt")]
    return {chr(code) for code in range(32, 127)} | {c for text in texts for c in text if c.isprintable()}


def cut(font, keep, name):
    """Keep so many characters of a TTFont, and call it by another name, all in place."""
    options = Options()
    options.layout_features, options.hinting, options.name_IDs = [], False, [COPYRIGHT, LICENSE]
    options.notdef_outline, options.drop_tables = True, [*options.drop_tables, "VORG", "vhea", "vmtx", "BASE", "DSIG"]
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[ord(c) for c in keep])
    subsetter.subset(font)
    for record, text in ((1, name), (2, "Regular"), (3, name), (4, name), (6, name.replace(" ", ""))):
        font["name"].setName(text, record, 3, 1, 0x409)
    names = font["CFF "].cff
    names.fontNames = [name.replace(" ", "")]
    names.topDictIndex[0].FullName, names.topDictIndex[0].FamilyName = name, name


def main():
    """Read the command line and write the font."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("language", choices=FACES)
    parser.add_argument("font", type=Path, help="NotoSansCJK-Regular.ttc")
    options = parser.parse_args()
    wanted, number = FACES[options.language]
    font = TTFont(options.font, fontNumber=number)
    if font["name"].getDebugName(1) != wanted:
        sys.exit(f"{options.font}: number {number} is {font['name'].getDebugName(1)}, need {wanted}")
    keep = characters(ROOT, options.language)
    if missing := sorted(c for c in keep if ord(c) not in font.getBestCmap()):
        print(f"left to matplotlib's own font: {''.join(missing)}")
    cut(font, keep, f"Deep RNN Book {options.language}")
    path = ROOT / "assets" / "fonts" / f"{options.language}.otf"
    path.parent.mkdir(parents=True, exist_ok=True)
    font.save(path)
    print(f"{path.name}: {len(font.getBestCmap())} characters, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
