"""JupyterLab in a real browser, as tests and benchmarks open it: a server, and a lesson run from top to bottom."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()
FLAGS += "--disable-component-update --disable-sync".split()


@contextlib.contextmanager
def chromium():
    """Start Chromium (CHROMIUM must not be None) and yield it as playwright's browser."""
    from playwright.sync_api import sync_playwright  # here, because Colab's Python, which test_colab.py makes, has none

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextlib.contextmanager
def server(command, folder, env, log, is_up):
    """Run a command line in a folder, with the environment's additions, while the block below it runs.

    log: the file for what it prints; is_up: a function that raises OSError until the server answers.
    """
    env = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")} | env  # utils has set OMP_
    with open(log, "w") as output:
        args = {"cwd": folder, "env": env, "stdout": output, "stderr": subprocess.STDOUT, "start_new_session": True}
        process = subprocess.Popen(["bash", "-c", command], **args)
        try:
            for _ in range(600):
                with contextlib.suppress(OSError):
                    is_up()
                    break
                assert process.poll() is None, log.read_text()
                time.sleep(0.2)
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def free_port():
    """Return a port that nobody listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def jupyter_lab(start, course, folder):
    """JupyterLab over a course, with settings of its own in a folder; yields its url, course, and `api` (REST).

    start: the command line that starts it, without options for the server.
    """
    port = free_port()
    options = f"--no-browser --allow-root --ServerApp.ip=127.0.0.1 --ServerApp.port={port} --ServerApp.port_retries=0"
    options += " --IdentityProvider.token= --ServerApp.disable_check_xsrf=True"
    own = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    own |= {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    no_news = folder / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    no_news.parent.mkdir(parents=True)
    no_news.write_text('{"fetchNews": "false", "checkForUpdates": false}')

    def api(path, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/{path}", method=method)
        return json.loads(urllib.request.urlopen(request, timeout=5).read() or "null")

    env = {key: str(folder / value) for key, value in own.items()}
    with server(f"exec {start} {options}", course, env, folder / "server.log", lambda: api("status")):
        yield SimpleNamespace(url=f"http://127.0.0.1:{port}", course=course, api=api)


def begin_run_all(page, lab, notebook, front_end="lab/tree"):
    """Open a notebook and choose Run All, as a reader does.

    Returns the time.monotonic() of that choice and a function that tells whether all cells have run since.
    """

    def kernel():  # by its path: a page closed a moment ago may leave a session that nobody listens to
        found = [s["kernel"] for s in lab.api("sessions") if s["path"] == notebook and s["kernel"]["connections"]]
        return found[0]["execution_state"] if found else "none"

    waiting = page.locator(".jp-InputArea-prompt", has_text="[*]")
    for _ in range(5):  # a page may never hear from its kernel, and keeps its cells waiting: a reader reloads it
        page.goto(f"{lab.url}/{front_end}/{notebook}?reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        wait_for(lambda: kernel() == "idle", 60)
        for _ in range(10):  # the page is ready a moment before it is connected, and drops a run that comes too soon
            started = time.monotonic()
            page.locator(".lm-MenuBar-item", has_text=re.compile("^Run$")).click()
            page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
            page.wait_for_timeout(1500)
            if waiting.count() or kernel() != "idle":
                break
        while time.monotonic() - started < 15:
            if not waiting.count() or kernel() == "busy":
                return started, lambda: waiting.count() == 0 and kernel() == "idle"
            time.sleep(0.2)
    raise AssertionError(f"{notebook} does not run")


def peak_memory(lab, notebook):
    """Return the most memory, in bytes, that a notebook's kernel has had; None where the system does not tell."""
    (kernel,) = [s["kernel"]["id"] for s in lab.api("sessions") if s["path"] == notebook and s["kernel"]["connections"]]
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if f"kernel-{kernel}.json" in (process / "cmdline").read_text():
                return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())[1])
    return None


def wait_for(condition, seconds):
    """Return once a function of no arguments says True; AssertionError if it does not within so many seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "waited too long"
        time.sleep(0.2)


@contextlib.contextmanager
def busy(processes):
    """Run so many other programs that take what they can get of the machine while the block below it runs."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def watch_pictures(box):
    """From now on note when a playground (a playwright Locator) shows another picture, and when its bar moves."""
    box.evaluate(
        """box => {
            box.pictures = [], box.moved = [];
            let before = "", bar = "";
            const begun = performance.now(), look = () => {
                const lines = [...box.querySelectorAll(".area svg path[stroke]")].map(path => path.outerHTML);
                const now = (performance.now() - begun) / 1000, drawn = lines.join();
                const width = box.querySelector(".progress-bar").style.width;
                if (drawn !== before) box.pictures.push(now);
                if (width !== bar) box.moved.push(now);
                before = drawn, bar = width;
            };
            look();
            box.watcher?.disconnect();
            box.watcher = new MutationObserver(look);
            box.watcher.observe(box, {childList: true, subtree: true, attributes: true});
        }"""
    )


def pictures_seen(box):
    """Return the seconds since watch_pictures at which another picture was seen, and at which the bar had moved."""
    return box.evaluate("box => [box.pictures.filter(t => t > 0.001), box.moved.slice(1)]")
