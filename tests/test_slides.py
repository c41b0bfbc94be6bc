"""A failure means that a class sees slides with something missing, too small, or given away before its question.

tools/make_slides.py: the slides of every lesson in a real browser, with nothing but their own file.
"""

import html
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
DRAWING = re.compile(r"\b(ax|axes|fig)\b|matplotlib|new_figure|draw_bars|utils\.(show_figure|explore)|\.show\(")
LOOK = """() => {
    const slide = Reveal.getCurrentSlide(), copy = slide.cloneNode(true), sizes = {};
    copy.querySelectorAll("pre, code, mjx-container, script").forEach(part => part.remove());
    const scale = slide.getBoundingClientRect().width / slide.offsetWidth;
    const smallest = (kind, style) => sizes[kind] = Math.min(sizes[kind] ?? 999, parseFloat(style.fontSize) * scale);
    const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
    for (let text; text = texts.nextNode();) {
        const part = text.parentElement;
        if (!text.data.trim() || part.closest("mjx-container, sub, sup")) continue;
        smallest(part.closest("pre") ? "code" : part.closest("table") ? "table" : "prose", getComputedStyle(part));
    }
    if (slide.dataset.title) smallest("prose", getComputedStyle(slide, "::before"));
    return {
        text: slide.textContent, prose: copy.textContent, sizes, place: JSON.stringify(Reveal.getIndices()),
        code: [...slide.querySelectorAll(".jp-Cell-inputWrapper")].map(box => box.textContent).join("\\n"),
        pictures: [...slide.querySelectorAll("img")].map(image => ({
            loaded: image.naturalWidth, alt: image.alt,
            larger: image.getBoundingClientRect().width / image.getAttribute("width"),
        })),
        wide: slide.scrollWidth - slide.clientWidth, below: slide.scrollHeight - slide.clientHeight - slide.scrollTop,
        badMaths: slide.querySelectorAll("[data-mml-node=merror]").length, last: Reveal.isLastSlide(),
    };
}"""


def open_slides(browser, file, width=1920, height=1080):
    """A page of the browser with the slides of a file, ready to be looked at."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.requests, page.errors = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: message.type == "error" and page.errors.append(message.text))
    page.goto(file.as_uri())
    page.wait_for_function(READY, timeout=60_000)
    return page


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: f"{path.parent.name}-{path.stem[:2]}")
def test_slides_show_the_whole_lesson_from_one_file(path, tmp_path, browser):
    page = open_slides(browser, tool.make_slides(path, tmp_path))
    slides, looks = {}, 0
    while True:
        seen = page.evaluate(LOOK)
        assert seen["wide"] <= 1 and seen["badMaths"] == 0, seen["text"]
        assert all(picture["loaded"] for picture in seen["pictures"]), seen["text"]
        assert not re.search(r"\$|\\(?:frac|mathbf|begin)", seen["prose"]), seen["prose"]
        slides[seen["place"]] = seen
        if seen["last"] and seen["below"] <= 1:
            break
        page.keyboard.press("ArrowRight")  # one way through: to the end of a long slide first, then on
        looks += 1
        assert looks < 150, "the keyboard does not lead to the end"
    keep(page, path.stem, path.parent.name)
    page.close()
    assert not [url for url in page.requests if not url.startswith(("file:", "data:"))] and not page.errors
    check_content(nbformat.read(path, as_version=4), list(slides.values()))
    check_sizes(slides.values())


def check_sizes(slides):
    """On a screen of 1920 x 1080: all can be read from the back row, and no slide shows code that only draws."""
    for slide in slides:
        for kind, pixels in {"prose": 30, "code": 26, "table": 30}.items():
            assert slide["sizes"].get(kind, pixels) >= pixels, f"{kind} of {slide['sizes'][kind]} px: {slide['text']}"
        for picture in slide["pictures"]:
            assert picture["larger"] >= 1.7, f"{picture['larger']} times as wide as in the notebook: {picture['alt']}"
        assert not DRAWING.search(slide["code"]), slide["code"]
    assert sum(slide["below"] > 1 for slide in slides) == 0, "a slide is longer than the screen"


def test_slides_grow_with_the_window(browser, tmp_path):
    path = ROOT / "notebooks" / "en" / "06_bidirectional_misuse.ipynb"
    file, shown = tool.make_slides(path, tmp_path), []
    for width, height in ((1920, 1080), (1280, 720)):
        page = open_slides(browser, file, width, height)
        page.evaluate("""() => {
            const {h, v} = Reveal.getIndices(document.querySelector(".slides img").closest("section"));
            Reveal.slide(h, v);
        }""")
        shown.append(page.evaluate(LOOK))
        page.close()
    large, small = shown
    assert large["text"] == small["text"] and large["sizes"] and large["pictures"]
    for kind, pixels in large["sizes"].items():
        assert small["sizes"][kind] == pytest.approx(2 / 3 * pixels, rel=0.01)
    assert small["pictures"][0]["larger"] == pytest.approx(2 / 3 * large["pictures"][0]["larger"], rel=0.01)


def stored_alts(cells):
    """The words of every picture: the alt text stored with it or, for a drawing, what stands below it in the lesson."""
    alts = []
    for cell, below in zip(cells, [*cells[1:], None], strict=True):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if tool.GUESSED.fullmatch(data.get("text/html", "")):
                alts += map(html.unescape, re.findall(r'<img [^>]*alt="([^"]*)"', data["text/html"]))
            elif "image/png" in data and below is not None and tool.IN_WORDS.match(below.source):
                alts.append(tool.IN_WORDS.match(below.source)[1])
            elif "image/png" in data:
                alts.append(output.metadata["image/png"]["alt"])
    return alts


def alts_in(slides):
    """The alt text of every picture in a file of slides, in order."""
    alts, parser = [], HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tag == "img" and alts.append(dict(attributes)["alt"])
    parser.feed(slides.read_text("utf-8"))
    return alts


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: f"{path.parent.name}-{path.stem[:2]}")
def test_every_picture_is_described_as_in_the_lesson(path, tmp_path):
    alts = stored_alts(nbformat.read(path, as_version=4).cells)
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
        (command,) = re.findall(r"pip install (sphinx[^\"\\]*)\\n", guide)
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
    """All headings, code and pictures are there; a prediction comes before its result; no solution is given away."""
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
    assert [picture["alt"] for slide in slides for picture in slide["pictures"]] == stored_alts(notebook.cells)
    for cell in filter(tool.is_shown, notebook.cells):
        if cell.cell_type == "code" and tool.draws(cell):
            assert not re.search(r"nn\.Module|utils\.fit\(", cell.source), f"{cell.id} does more than draw or measure"
        elif cell.cell_type == "code":
            assert max(cell.source.split("\n"), key=len).strip() in shown, f"{cell.id} is not shown"
    ask, shows = None, [" ".join([slide["text"], *(p["alt"] for p in slide["pictures"])]) for slide in slides]
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.get("outputs") and ask:
            places = [[i for i, shown in enumerate(shows) if text in shown] for text in (ask, result_of(cell))]
            assert places[0] and places[1] and places[0][0] < places[1][-1], f"{cell.id} is not shown after: {ask}"
            assert places[0][0] not in places[1], f"{cell.id} gives away: {ask}"
            ask = None
        elif found := re.search(rf"{tool.PREDICT.pattern}(.*)", tool.TERM_LINK.sub(r"\1", cell.source)):
            ask = max(re.split(r"\$[^$]*\$|[*`]", found[2]), key=len).strip() if cell.cell_type == "markdown" else ask


def result_of(cell):
    """What shows that a slide has a code cell's first output: a picture's words, a table's last line, or some text."""
    output = cell.outputs[0]
    if guessed := tool.GUESSED.fullmatch(output.get("data", {}).get("text/html", "")):
        return html.unescape(re.search("<p>(.*?)</p>", guessed[1])[1])
    if "text" in output:
        return max(output.text.splitlines(), key=len)
    if "image/png" in output.data:
        return output.metadata["image/png"]["alt"]
    if "text/html" in output.data:
        return re.findall(r"<t[dh][^>]*>([^<]+)</t[dh]>", output.data["text/html"])[-1]
    return max(output.data["text/plain"].splitlines(), key=len)
