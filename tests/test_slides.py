"""A failure means that a class sees slides with something missing, or given away before it was asked to predict it.

tools/make_slides.py: the slides of every lesson in a real browser, with nothing but their own file.
"""

import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
LESSONS = sorted(ROOT.glob("notebooks/*/0[1-9]_*.ipynb"))
ARTIFACTS = ROOT / "artifacts" / "slides"
spec = importlib.util.spec_from_file_location("make_slides", ROOT / "tools" / "make_slides.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

READY = "window.Reveal && Reveal.isReady()"
LOOK = """() => {
    const slide = Reveal.getCurrentSlide(), copy = slide.cloneNode(true);
    copy.querySelectorAll("pre, code, mjx-container, script").forEach(part => part.remove());
    return {
        text: slide.textContent, prose: copy.textContent,
        pictures: [...slide.querySelectorAll("img")].map(image => image.naturalWidth),
        wide: slide.scrollWidth - slide.clientWidth, below: slide.scrollHeight - slide.clientHeight - slide.scrollTop,
        badMaths: slide.querySelectorAll("[data-mml-node=merror]").length, last: Reveal.isLastSlide(),
    };
}"""


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: f"{path.parent.name}-{path.stem[:2]}")
def test_slides_show_the_whole_lesson_from_one_file(path, tmp_path, browser):
    page, requests, errors = browser.new_page(viewport={"width": 1280, "height": 720}), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.goto(tool.make_slides(path, tmp_path).as_uri())
    page.wait_for_function(READY, timeout=60_000)
    slides = []
    while True:
        seen = page.evaluate(LOOK)
        assert seen["wide"] <= 1 and seen["badMaths"] == 0 and all(seen["pictures"]), seen["text"]
        assert not re.search(r"\$|\\(?:frac|mathbf|begin)", seen["prose"]), seen["prose"]
        slides.append(seen)
        if seen["last"] and seen["below"] <= 1:
            break
        page.keyboard.press("ArrowRight")  # one way through: to the end of a long slide first, then on
        assert len(slides) < 150, "the keyboard does not lead to the end"
    keep(page, path.stem, path.parent.name)
    page.close()
    assert not [url for url in requests if not url.startswith(("file:", "data:"))] and not errors
    check_content(nbformat.read(path, as_version=4), slides)


def alts_in(slides):
    """The alt text of every picture in a file of slides, in order."""
    alts, parser = [], HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tag == "img" and alts.append(dict(attributes)["alt"])
    parser.feed(slides.read_text("utf-8"))
    return alts


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: f"{path.parent.name}-{path.stem[:2]}")
def test_every_picture_is_described_as_in_the_lesson(path, tmp_path):
    """By the alt text that is stored with it, or, for a drawing, by the words that stand below it in the lesson."""
    cells, alts = nbformat.read(path, as_version=4).cells, []
    for cell, below in zip(cells, [*cells[1:], None], strict=True):
        pictures = [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        if pictures and cell.id.startswith("figure-"):
            alts.append(tool.IN_WORDS.match(below.source)[1])
        else:
            alts += [output.metadata["image/png"]["alt"] for output in pictures]
    assert alts_in(tool.make_slides(path, tmp_path)) == alts
    assert len(alts) >= 5 and min(map(len, alts)) > 10


def test_a_picture_without_words_is_named_in_its_language(tmp_path, monkeypatch):
    monkeypatch.setitem(tool.EDITIONS, "de", tool.EDITIONS["en"] | {"figure": 'Bild, "gezeichnet"'})
    for language, alt in (("en", "Figure drawn by the code"), ("zh", "代码画出的图"), ("de", 'Bild, "gezeichnet"')):
        picture = nbformat.v4.new_output("display_data", {"image/png": "aGk="})
        cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("1", outputs=[picture])]
        path = tmp_path / f"{language}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"book": {"language": language}}), path)
        assert alts_in(tool.make_slides(path, tmp_path)) == [alt]


def test_guide_for_teachers_installs_what_the_slides_need():
    pins = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").split()
    for language in tool.EDITIONS:
        guide = (ROOT / "notebooks" / language / "teaching.ipynb").read_text(encoding="utf-8")
        (command,) = re.findall(r"pip install (.*) && .venv/bin/python tools/make_slides.py", guide)
        assert set(command.split()) <= set(pins)
        assert {package for package, _ in tool.LIBRARIES.values()} == {
            pin.partition("==")[0] for pin in command.split()
        }


def keep(page, name, language):
    """Keep a screenshot of the slide in the middle."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.evaluate("Reveal.slide(Math.floor(Reveal.getHorizontalSlides().length / 2))")
    page.screenshot(path=ARTIFACTS / f"{name}_{language}.png")


def check_content(notebook, slides):
    """All headings and pictures are there; a prediction comes before its result; nothing gives away a solution."""
    shown = "".join(slide["text"] for slide in slides)
    cells = {cell.id: cell for cell in notebook.cells}
    prose = "\n".join(cell.source for cell in cells.values() if cell.cell_type == "markdown" and tool.is_shown(cell))
    for heading in re.findall(r"^##? ([^$\n]+)$", prose, re.MULTILINE):
        assert heading.strip() in shown
    solutions = [cell for cell in cells.values() if "solution" in cell.metadata.get("tags", [])]
    codes = [re.search(r"```python\n(.+)\n```", cell.source, re.DOTALL)[1] for cell in solutions]
    assert len(codes) >= 3 and not [code for code in codes if code in shown]
    setup = max(cells["setup"].source.split("\n"), key=len)
    assert setup not in shown and "def check_1" not in shown
    pictures = [o for c in cells.values() for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert sum(len(slide["pictures"]) for slide in slides) >= len(pictures) > 0
    ask = None
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.get("outputs") and ask:
            line = max(cell.source.split("\n"), key=len).strip()
            places = [[i for i, slide in enumerate(slides) if text in slide["text"]] for text in (ask, line)]
            assert places[0] and places[1] and places[0][0] < places[1][-1], f"{cell.id} gives away: {ask}"
            ask = None
        elif found := re.search(rf"{tool.PREDICT.pattern}(.*)", tool.TERM_LINK.sub(r"\1", cell.source)):
            ask = max(re.split(r"\$[^$]*\$|[*`]", found[2]), key=len).strip() if cell.cell_type == "markdown" else ask
