"""A reader's way through the lessons: JupyterLab in a real browser, Run All, sliders by keyboard, Train, Stop."""

import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
ARTIFACTS = ROOT / "artifacts"  # screenshots, ignored by git
PICTURE = os.environ.get("PICTURE") == "1"  # train for longer and keep the screenshot that the README shows
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()
FLAGS += "--disable-component-update --disable-sync".split()


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        reason = "no Chromium: install it (Debian: apt-get install chromium) to run the browser tests"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab as the README starts it, on a copy of the course; returns a function that asks its REST interface."""
    folder = tmp_path_factory.mktemp("lab")
    course = folder / "course"
    shutil.copytree(ROOT, course, ignore=shutil.ignore_patterns(".*", "tests", "artifacts", "__pycache__"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    own |= {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    readme = (course / "README.md").read_text(encoding="utf-8")
    (arguments,) = re.findall(r"&& \.venv/bin/jupyter (lab .*)", readme)
    command = [sys.executable, "-m", "jupyter", *arguments.split(), "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    command += ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
    env = os.environ | {key: str(folder / name) for key, name in own.items()}
    env = {key: value for key, value in env.items() if not key.startswith("OMP_")}  # set by utils, imported here too
    no_news = folder / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    no_news.parent.mkdir(parents=True)
    no_news.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    log = (folder / "server.log").open("w")
    server = subprocess.Popen(command, cwd=course, env=env, stdout=log, stderr=subprocess.STDOUT)

    def api(path, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/{path}", method=method)
        return json.loads(urllib.request.urlopen(request, timeout=5).read() or "null")

    api.url, api.course = f"http://127.0.0.1:{port}/lab/tree", course
    try:
        for _ in range(300):
            with contextlib.suppress(OSError):
                api("status")
                break
            assert server.poll() is None, (folder / "server.log").read_text()
            time.sleep(0.2)
        yield api
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def open_and_run_all(page, lab, notebook):
    """Open a notebook, run all its cells as a reader does, and return the seconds that this took."""
    page.goto(f"{lab.url}/{notebook}?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    wait_for(lambda: [s for s in lab("sessions") if s["kernel"]["connections"] and is_idle(s)], 60)
    waiting, started = page.locator(".jp-InputArea-prompt", has_text="[*]"), time.monotonic()
    for _ in range(10):  # the page is ready a moment before it is connected, and drops a run that comes too soon
        page.locator(".lm-MenuBar-item", has_text=re.compile("^Run$")).click()
        page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
        page.wait_for_timeout(1500)
        if waiting.count() or not is_idle(lab("sessions")[0]):
            break
    wait_for(lambda: waiting.count() == 0 and is_idle(lab("sessions")[0]), 280)
    return time.monotonic() - started


def is_idle(session):
    return session["kernel"]["execution_state"] == "idle"


def wait_for(condition, seconds):
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "waited too long"
        time.sleep(0.2)


@pytest.fixture
def lesson(browser, lab):
    """A function that opens a lesson, runs all its cells within 90 s and returns its page; no script error allowed."""
    ARTIFACTS.mkdir(exist_ok=True)
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def open_lesson(name, edition="en"):
        seconds = open_and_run_all(page, lab, f"notebooks/{edition}/{name}.ipynb")
        page.screenshot(path=ARTIFACTS / f"{name}_{edition}.png")
        assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        assert page.locator(".jp-MarkdownOutput img").evaluate_all("all => all.every(i => i.alt && i.naturalWidth)")
        assert seconds < 90, f"Run All took {seconds:.0f} s"
        print(f"{name}: Run All {seconds:.0f} s")
        return page

    yield open_lesson
    page.close()
    for session in lab("sessions"):  # or its kernel would compete with the next lesson's
        lab(f"sessions/{session['id']}", "DELETE")
    assert not errors, errors


def press(page, slider, key):
    """Move a slider by one key; return the seconds until the figure beside it is another one."""
    slider.focus()
    return page.evaluate(
        """async ([handle, key]) => {
            const image = handle.closest(".jp-OutputArea-output").querySelector("img.book-figure, .book-figure img");
            const before = image.src, started = performance.now();
            handle.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
            while (image.src === before && performance.now() - started < 5000)
                await new Promise(resolve => setTimeout(resolve, 2));
            return (performance.now() - started) / 1000;
        }""",
        [slider.element_handle(), key],
    )


def output_of(page, text):
    """The output with a live figure of the code cell that contains a text."""
    controls = page.locator(".widget-slider, .widget-text")
    cell = page.locator(".jp-CodeCell").filter(has_text=text).filter(has=controls)
    cell.scroll_into_view_if_needed()
    return cell.locator(".jp-OutputArea-output").filter(has=controls)


def type_into(box, text):
    """Type a text into the one text field of an output; return the output's figure once it is another one."""
    figure, field = box.locator("img"), box.get_by_role("textbox").last
    before = figure.get_attribute("src")
    field.fill(text)
    field.press("Tab")
    wait_for(lambda: figure.get_attribute("src") != before, 5)
    return figure.get_attribute("src")


def test_lesson_1_as_a_reader_tries_it(lesson):
    page = lesson("01_deep_rnn")
    graph = output_of(page, "graph_and_shapes,")
    layers, steps, hidden = (graph.get_by_role("slider", name=name) for name in ("L, layers", "T, steps", "h, hidden"))
    keys = ("ArrowRight", "ArrowRight", "ArrowLeft")
    seconds = [press(page, slider, key) for slider in (layers, steps) for key in keys]
    graph.get_by_text("layer 3", exact=True).wait_for()
    press(page, hidden, "ArrowRight")
    graph.get_by_text("28 × 72", exact=True).wait_for()
    graph.locator("select").select_option("LSTM")
    graph.get_by_text("in nn.LSTM, nn.Linear", exact=True).wait_for()
    graph.screenshot(path=ARTIFACTS / "graph.png")

    walk = output_of(page, "draw_walk,")
    step, figure = walk.get_by_role("slider", name="step"), walk.locator("img")
    place = figure.bounding_box()
    seconds += [press(page, step, "ArrowRight") for _ in range(3)]
    print("redraws:", " ".join(f"{1000 * s:.0f}" for s in seconds), "ms")
    assert statistics.median(seconds) < 0.1
    walk.get_by_role("button", name="wavefront").click()
    wait_for(lambda: step.get_attribute("aria-valuetext") == "1" and step.get_attribute("aria-valuemax") == "8.0", 5)
    pictures = set()
    walk.locator(".widget-play button").first.click()
    wait_for(lambda: pictures.add(figure.get_attribute("src")) or len(pictures) >= 3, 10)
    assert figure.bounding_box() == place, "something moves the figure"
    walk.screenshot(path=ARTIFACTS / "walk.png")


def test_lesson_2_as_a_reader_tries_it(lesson):
    page = lesson("02_stacked_from_scratch", "zh")
    reach = output_of(page, "draw_reach,")
    figure = reach.locator("img")
    seconds = [press(page, reach.get_by_role("slider", name="layers"), key) for key in ("ArrowRight", "ArrowLeft")]
    print("redraws:", " ".join(f"{1000 * s:.0f}" for s in seconds), "ms")
    before = figure.get_attribute("src")
    reach.get_by_role("checkbox").check()
    wait_for(lambda: figure.get_attribute("src") != before, 5)
    reach.screenshot(path=ARTIFACTS / "reach.png")


def test_lesson_3_as_a_reader_tries_it(lesson, lab):
    page = lesson("03_concise_lstm")
    box = page.locator(".book-playground")
    box.scroll_into_view_if_needed()
    layers, hidden = (box.get_by_role("slider", name=name, exact=True) for name in ("Layers", "Hidden units"))
    train, stop, reset = (box.get_by_role("button", name=name, exact=True) for name in ("Train", "Stop", "Reset"))
    figure = box.locator("img")

    reset.click()
    wait_for(lambda: hidden.get_attribute("aria-valuetext") == "128", 5)
    figure.evaluate("image => { image.marked = true }")  # a figure that is replaced loses the mark
    layers.focus()
    page.keyboard.press("ArrowRight")
    wait_for(lambda: layers.get_attribute("aria-valuetext") == "2", 5)
    hidden.focus()
    for _ in range(2):
        page.keyboard.press("ArrowLeft")
    wait_for(lambda: hidden.get_attribute("aria-valuetext") == "96", 5)
    rate, place = box.get_by_label("Learning rate", exact=True), figure.bounding_box()
    rate.fill("-1")
    page.keyboard.press("Tab")
    box.get_by_text("lr must be a number above 0").wait_for()
    assert figure.bounding_box() == place, "a message moves the figure"
    rate.fill("0.005")
    box.get_by_label("Epochs", exact=True).fill("500")
    page.keyboard.press("Tab")

    empty = figure.get_attribute("src")
    started = time.monotonic()
    train.click()
    wait_for(lambda: figure.get_attribute("src") != empty, 20)
    first_point = time.monotonic() - started
    pictures = {empty}
    wait_for(lambda: pictures.add(figure.get_attribute("src")) or len(pictures) >= 4, 60)

    prompts = page.locator(".jp-CodeCell").filter(has_text="answer_1 = None").locator(".jp-InputArea-prompt")
    before = prompts.inner_text()
    page.locator(".jp-CodeCell").filter(has_text="answer_1 = None").locator(".cm-content").click()
    page.keyboard.press("Control+Enter")
    wait_for(lambda: re.fullmatch(r"\[\d+\]:", prompts.inner_text()) and prompts.inner_text() != before, 10)
    assert not stop.is_disabled(), "the training did not go on while another cell ran"

    box.scroll_into_view_if_needed()
    page.screenshot(path=ARTIFACTS / "training.png")
    milliseconds = page.evaluate(
        """async () => {
            const box = document.querySelector(".book-playground");
            const started = performance.now();
            [...box.querySelectorAll("button")].find(b => b.textContent.trim() === "Stop").click();
            while (!box.textContent.includes("stopped ·")) await new Promise(requestAnimationFrame);
            return performance.now() - started;
        }"""
    )
    assert milliseconds < 500, f"Stop took {milliseconds:.0f} ms"

    reset.click()  # the picture in the README: Layers 1, then 2
    wait_for(lambda: hidden.get_attribute("aria-valuetext") == "128", 5)
    box.get_by_label("Epochs", exact=True).fill("40" if PICTURE else "3")
    page.keyboard.press("Tab")
    figure.evaluate("image => { image.marked = true }")
    for runs in (1, 2):
        train.click()
        wait_for(lambda runs=runs: box.locator(".book-table tbody tr").count() == runs, 90)
        if runs == 1:
            layers.focus()
            page.keyboard.press("ArrowRight")
    assert figure.evaluate("image => image.marked === true"), "the figure was replaced instead of redrawn"
    assert figure.get_attribute("alt")
    box.screenshot(path=ROOT / "assets" / "playground.png" if PICTURE else ARTIFACTS / "two_runs.png")
    print(f"first point {first_point:.1f} s, Stop {milliseconds:.0f} ms")

    page.keyboard.press("Control+s")
    page.wait_for_timeout(1500)
    saved = json.loads((lab.course / "notebooks/en/03_concise_lstm.ipynb").read_text(encoding="utf-8"))
    (cell,) = [cell for cell in saved["cells"] if cell["id"] == "show-playground"]
    assert any("image/png" in output.get("data", {}) for output in cell["outputs"]), "no picture is stored"

    page.get_by_role("link", name="中文版").click()
    page.locator(".jp-Notebook h1", has_text="深度 LSTM 的简洁实现").wait_for(timeout=30_000)


def test_lesson_4_as_a_reader_tries_it(lesson):
    page = lesson("04_hmm_forward_backward")
    lattice = output_of(page, "draw_lattice,")
    step, figure = lattice.get_by_role("slider", name="step"), lattice.locator("img")
    height = lattice.bounding_box()["height"]
    seconds = [press(page, step, "ArrowRight") for _ in range(5)]
    assert lattice.bounding_box()["height"] == height, "the table below the lattice moves the page"
    lattice.get_by_text("π at t = 1 (reused)", exact=True).wait_for()
    print("redraws:", " ".join(f"{1000 * s:.0f}" for s in seconds), "ms")
    assert statistics.median(seconds) < 0.15
    lattice.locator("select").select_option("rho")
    lattice.get_by_text("ρ at t = 6 (reused)", exact=True).wait_for()
    pictures = set()
    lattice.locator(".widget-play button").first.click()
    wait_for(lambda: pictures.add(figure.get_attribute("src")) or len(pictures) >= 3, 10)
    lattice.screenshot(path=ARTIFACTS / "lattice.png")

    cost = output_of(page, "explore(draw_cost")
    press(page, cost.get_by_role("slider", name="k, states"), "ArrowRight")
    blank = output_of(page, "explore(draw_blank")
    before = type_into(blank, "ka_ta")
    blank.get_by_role("textbox").fill("k_t_")
    blank.get_by_role("textbox").press("Tab")
    blank.get_by_text("text must be a text with exactly one _").wait_for()
    assert blank.locator("img").get_attribute("src") == before, "a bad text must not lose the last good figure"


def test_lesson_5_as_a_reader_tries_it(lesson):
    page = lesson("05_bidirectional_rnn", "zh")
    layout = output_of(page, "draw_layout,")
    press(page, layout.get_by_role("slider", name="layer", exact=True), "ArrowRight")
    layout.locator("select").select_option("forward")
    chains = output_of(page, "draw_chains,")
    seconds = [press(page, chains.get_by_role("slider", name=name), "ArrowRight") for name in ("layers L", "steps T")]
    print("redraws:", " ".join(f"{1000 * s:.0f}" for s in seconds), "ms")

    blank = output_of(page, "draw_blank,")
    before = type_into(blank, "in the t_me machine")
    field = blank.get_by_role("textbox")
    for text, message in (
        ("no blank", "exactly one blank"),
        ("caf\u00e9 _", "made of letters"),
        ("_", "more than the blank"),
    ):
        field.fill(text)
        field.press("Tab")
        blank.get_by_text(message).wait_for()
    assert blank.locator("img").get_attribute("src") == before, "a bad text must not lose the last good figure"
    blank.screenshot(path=ARTIFACTS / "blank.png")
    type_into(output_of(page, "draw_ends,"), "thenextday")


def test_lesson_6_as_a_reader_tries_it(lesson):
    page = lesson("06_bidirectional_misuse")
    positions = output_of(page, "explore(draw_by_position")
    seconds = [press(page, positions.get_by_role("slider", name="T", exact=True), "ArrowLeft")]
    future = output_of(page, "draw_future,")
    for name in ("window", "t", "other future"):
        seconds.append(press(page, future.get_by_role("slider", name=name, exact=True), "ArrowRight"))
    print("redraws:", " ".join(f"{1000 * s:.0f}" for s in seconds), "ms")
    assert statistics.median(seconds) < 0.5
    future.screenshot(path=ARTIFACTS / "future.png")

    box = page.locator(".book-playground")
    box.scroll_into_view_if_needed()
    assert box.get_by_label("Bidirectional", exact=True).is_checked()
    assert box.locator(".book-table tbody tr").count() == 1
