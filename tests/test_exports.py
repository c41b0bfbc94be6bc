"""A failure means that a reader who hands in or prints a lesson has pages without pictures, formulas or their words.

`jupyter nbconvert`, as the README gives it: stored notebooks, one that a reader has saved after running it, and one
that is run on the way. All is opened in a real browser, with nothing but the file.
"""

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from nbformat.v4 import new_output

ROOT = Path(__file__).resolve().parents[1]
ARTIFACTS = ROOT / "artifacts" / "exports"
LESSONS = [ROOT / "notebooks/en/01_deep_rnn.ipynb", ROOT / "notebooks/zh/06_bidirectional_misuse.ipynb"]
CHINESE = sorted((ROOT / "notebooks" / "zh").glob("*.ipynb"))
TRY_IT = ROOT / "notebooks/en/try_it.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"
LOOK = """() => {
    const copy = document.body.cloneNode(true), outputs = [...document.querySelectorAll(".jp-OutputArea-child")];
    copy.querySelectorAll("pre, code, mjx-container, script, style").forEach(part => part.remove());
    const folded = [...document.querySelectorAll("details:not([open]) pre")];
    return {
        text: document.body.innerText, prose: copy.textContent, language: document.documentElement.lang,
        pictures: [...document.images].map(image => [image.naturalWidth, image.alt]),
        formulas: document.querySelectorAll("mjx-container svg").length,
        badFormulas: document.querySelectorAll("[data-mml-node=merror]").length,
        folded: folded.map(code => code.textContent.trim()),
        empty: outputs.filter(output => output.clientHeight < 5).length,
        widgets: document.querySelectorAll(".jupyter-widgets").length,
    };
}"""
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll("[class^=jp-]")]
    .filter(part => part.scrollWidth > part.clientWidth + 1)
    .filter(part => part === document.documentElement || getComputedStyle(part).overflowX === "hidden")
    .map(part => part.outerHTML.slice(0, 200))"""


def save_as_a_reader(path, folder):
    """Write a notebook as JupyterLab saves it after Run All: beside each picture its script and its live widget."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2}}
    for cell in notebook.cells:
        for output in [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]:
            place, alt = cell.outputs.index(output), html.escape(output.metadata["image/png"]["alt"])
            source = f"data:image/png;base64,{output.data['image/png']}"
            output.data["text/html"] = f'<img class="book-figure book-still" alt="{alt}" src="{source}">'
            script = {"application/javascript": "throw new Error('nobody runs this')"}
            widget = {WIDGET: {"version_major": 2, "version_minor": 0, "model_id": "1"}, "text/plain": "VBox()"}
            cell.outputs[place:place] = [new_output("display_data", data) for data in (script, widget)]
    nbformat.write(notebook, folder / "saved.ipynb")
    return folder / "saved.ipynb"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder with what the commands write."""
    folder = tmp_path_factory.mktemp("exports")
    stored = [*LESSONS, save_as_a_reader(LESSONS[0], folder)]
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--output-dir", folder]
    for options in (["--to", "html", *stored], ["--to", "slides", *stored], ["--to", "html", "--execute", TRY_IT]):
        subprocess.run([*command, *options], cwd=ROOT, env=os.environ | {"FAST": "1"}, check=True, capture_output=True)
    return folder


FILES = [
    *((f"{path.stem}{end}", path) for path in LESSONS for end in (".html", ".slides.html")),
    *((f"saved{end}", LESSONS[0]) for end in (".html", ".slides.html")),
    ("try_it.html", TRY_IT),
]


@pytest.mark.parametrize(("file", "notebook"), FILES, ids=lambda value: value if isinstance(value, str) else "")
def test_export_shows_the_whole_notebook_from_one_file(file, notebook, exported, browser):
    page, requests, errors = browser.new_page(viewport={"width": 1280, "height": 720}), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.goto((exported / file).as_uri())
    page.wait_for_function("window.MathJax?.startup?.promise")
    page.evaluate("MathJax.startup.promise")
    seen = page.evaluate(LOOK)
    check_content(nbformat.read(notebook, as_version=4), seen)
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(TOO_WIDE) == [], f"scrolls sideways, or is cut off, at {width} pixels"
        keep(page, f"{file}-{width}.png")
    if seen["folded"]:
        code = page.locator("details pre").last
        assert not code.is_visible()
        page.locator("details", has=page.locator("pre")).last.locator("summary").click()
        assert code.is_visible()
    page.close()
    assert not [url for url in requests if not url.startswith(("file:", "data:"))] and not errors


@pytest.fixture(scope="module")
def chinese_pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chinese")
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", "--output-dir", folder, *CHINESE]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("path", CHINESE, ids=lambda path: path.stem)
def test_a_chinese_page_is_told_to_a_screen_reader_and_fits_a_phone(path, chinese_pages, browser):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto((chinese_pages / f"{path.stem}.html").as_uri())
    page.wait_for_function("window.MathJax?.startup?.promise")
    page.evaluate("MathJax.startup.promise")
    assert page.locator("html").get_attribute("lang") == "zh"
    assert page.evaluate(TOO_WIDE) == [], "scrolls sideways, or is cut off"
    book = ".jp-RenderedMarkdown, .jp-OutputArea-output"
    found = Axe().run(page, context=book, options={"resultTypes": ["violations"]}).response["violations"]
    bad = [f"{v['id']}: {node['html']}" for v in found if v["impact"] in ("serious", "critical") for node in v["nodes"]]
    assert not bad, "\n".join(bad)
    keep(page, f"{path.stem}-zh-390.png")
    page.close()


def check_content(notebook, seen):
    """Headings, pictures with their words, formulas and folded solutions; nothing that only a kernel can fill."""
    prose = [
        c.source for c in notebook.cells if c.cell_type == "markdown" and "solution" not in c.metadata.get("tags", [])
    ]
    for heading in re.findall(r"^##? ([^$\n]+)$", "\n".join(prose), re.MULTILINE):
        assert heading.strip() in seen["text"]
    alts = []
    for output in (o for cell in notebook.cells for o in cell.get("outputs", []) if "data" in o):
        if output.data.get("text/html", "").startswith("<details"):  # the result of a guess, folded
            alts += map(html.unescape, re.findall(r'<img [^>]*alt="([^"]*)"', output.data["text/html"]))
        elif "image/png" in output.data:
            alts.append(output.metadata["image/png"]["alt"])
    assert all(width > 0 for width, _ in seen["pictures"])
    if notebook.metadata.book.source.endswith("try_it.py"):  # its picture is a new one
        assert len(seen["pictures"]) == len(alts) > 0 and all(len(alt) > 10 for _, alt in seen["pictures"])
    else:
        assert [alt for _, alt in seen["pictures"]] == alts and len(alts) >= 5
        assert seen["formulas"] >= 50
    assert seen["badFormulas"] == 0 and not re.search(r"\$|\\(?:frac|mathbf|begin)", seen["prose"])
    solutions = [cell.source for cell in notebook.cells if "solution" in cell.metadata.get("tags", [])]
    codes = [re.search(r"```python\n(.+)\n```", source, re.DOTALL)[1] for source in solutions]
    assert seen["folded"] == codes and not [code for code in codes if code in seen["text"]]
    assert seen["language"] == notebook.metadata.book.language
    assert seen["widgets"] == seen["empty"] == 0
    assert not re.search("No description|VBox|Error|model_id|nobody runs this", seen["text"])


def keep(page, name):
    """Keep a screenshot of the whole page."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / name, full_page=True)
