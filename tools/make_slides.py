"""Make slides of the lessons: notebooks/<language>/<name>.ipynb -> slides/<language>/<name>.html.

    python tools/make_slides.py                                      all lessons, both languages
    python tools/make_slides.py notebooks/en/03_concise_lstm.ipynb   one lesson

Each file holds all that it shows and runs (reveal.js, MathJax, figures, styles) and needs no network. Slides show the
outputs stored in the notebook; nothing is run. A slide begins at each heading. Here it is decided what a slide
holds; slides.html.j2 decides how it looks, and moves what does not fit on one to the next when the file is opened.
"""

import argparse
import json
import re
from importlib.metadata import distribution
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = {
    "reveal": ("sphinx-revealjs", "sphinx_revealjs/_static/revealjs/dist/reveal.js"),
    "reveal_css": ("sphinx-revealjs", "sphinx_revealjs/_static/revealjs/dist/reveal.css"),
}
HEADING = re.compile(r"^(?=##? )", re.MULTILINE)
LAUNCH = re.compile(r"^\[[^\]]+\]\(https://mybinder\.org/.*$", re.MULTILINE)
HOW_TO_ANSWER = re.compile(r"^.*`None`.*\n\n(?=\*\*1\.\*\*)", re.MULTILINE)  # slides show no cell to answer in
LESSON_LINK = re.compile(r"\((\d\d_\w+)\.ipynb\)")
TERM_LINK = re.compile(r"\[([^\]]*)\]\(glossary\.ipynb[^)]*\)")
IN_WORDS = re.compile(r"<details><summary>[^<]*</summary>(.*?)</details>\s*", re.DOTALL)  # below a figure
EDITIONS = json.loads((ROOT / "notebooks" / "source" / "editions.json").read_text("utf-8"))
# the result of a guess, folded behind its question (book/guess.py), and what it consists of
GUESSED = re.compile(r'<details class="book-still"><summary>.*?</summary>(.*)</details>', re.DOTALL)
PARTS = re.compile(r"<p>.*?</p>|<img [^>]*>|<style>.*?</table>", re.DOTALL)
PREDICT = re.compile(rf"\*\*({'|'.join(words['predict'] for words in EDITIONS.values())})")


def is_shown(cell):
    """Whether slides show a cell: no setup, exercise's check (it names the answer), solution, tool that draws."""
    if cell.cell_type == "code":
        return cell.id != "setup" and not cell.id.startswith("exercise-") and bool(cell.outputs or not draws(cell))
    return "solution" not in cell.metadata.get("tags", [])


def draws(cell):
    """Whether a code cell only draws or makes a table: slides show what comes of it, and leave out its code."""
    return "hide-input" in cell.metadata.get("tags", [])


def unfold(cell):
    """Open the result of each guess in a cell, in parts that fit a slide; return whether there was one."""
    outputs = []
    for output in cell.outputs:
        guessed = GUESSED.fullmatch(output.get("data", {}).get("text/html", ""))
        parts = PARTS.findall(guessed[1]) if guessed else []
        outputs += [nbformat.v4.new_output("display_data", {"text/html": part}) for part in parts] or [output]
    opened, cell.outputs = outputs != cell.outputs, outputs
    return opened


def mark_slides(notebook):
    """Cut the cells at headings, and mark where slides, and the results of predictions, begin."""
    cells, predicted = [], False
    for cell in filter(is_shown, notebook.cells):
        if cell.cell_type == "code":
            if draws(cell):
                cell.metadata.transient = {"remove_source": True}
            predicted = unfold(cell) or predicted
            if predicted and cell.outputs:
                cell.metadata.slideshow = {"slide_type": "subslide"}
                predicted = False
            cells.append(cell)
            continue
        source = HOW_TO_ANSWER.sub("", LAUNCH.sub("", cell.source))
        source = LESSON_LINK.sub(r"(\1.html)", TERM_LINK.sub(r"\1", source))  # slides have no glossary
        if words := IN_WORDS.match(source):
            cells[-1].outputs[0].metadata.alt = words[1]
            source = source[words.end() :]
        for part in filter(None, HEADING.split(source)):
            slideshow = {"slide_type": "slide" if HEADING.match(part) else "-"}
            cells.append(nbformat.v4.new_markdown_cell(part, metadata={"slideshow": slideshow}))
        predicted = predicted or PREDICT.search(source) is not None
    notebook.cells = cells


def make_slides(path, folder):
    """Write the slides of the notebook at path into folder/<language>; returns the written file's path."""
    notebook = nbformat.read(path, as_version=4)
    mark_slides(notebook)
    notebook.metadata.title = re.match("# (.+)", notebook.cells[0].source)[1]
    language = notebook.metadata.book.language
    libraries = {
        name: Path(distribution(package).locate_file(file)).read_text("utf-8")
        for name, (package, file) in LIBRARIES.items()
    }
    exporter = SlidesExporter(
        template_file=str(Path(__file__).with_name("slides.html.j2")),
        extra_template_basedirs=[str(ROOT)],  # lab/ holds what pages and slides share
        language_code=language,
        exclude_anchor_links=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    exporter.config.CSSHTMLHeaderPreprocessor.style = "default"
    resources = {"metadata": {"name": Path(path).stem}, "libraries": libraries, "words": EDITIONS[language]}
    html, _ = exporter.from_notebook_node(notebook, resources)
    target = Path(folder) / language / f"{Path(path).stem}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(html, "utf-8", newline="\n")
    return target


def main():
    """Read the command line and make the slides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="without any: all lessons, both languages")
    for path in parser.parse_args().notebooks or sorted(ROOT.glob("notebooks/*/0[1-9]_*.ipynb")):
        print(make_slides(path, ROOT / "slides"))


if __name__ == "__main__":
    main()
