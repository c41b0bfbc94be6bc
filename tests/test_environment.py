"""If this fails, a reader's first cell does: packages, threads, d2l, and the notes' own cells, offline, anywhere."""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import utils
from book import environment
from book import text as book_text

ROOT = Path(utils.__file__).parent
CHAPTERS = (ROOT / "tests" / "d2l_cells.py").read_text(encoding="utf-8").split("# %% ")[1:]
NOTES = (ROOT / "tests" / "notes_cells.py").read_text(encoding="utf-8").split("# %%\n")[1:]

# Refuse every connection, turn warnings into errors, and shorten d2l's training to the 12 epochs in which it draws once
PRELUDE = f"""
import socket, sys, warnings
def refuse(*_): raise OSError("no network in this test")
socket.socket.connect = socket.getaddrinfo = refuse
warnings.simplefilter("error")
sys.path.insert(0, {str(ROOT)!r})
import utils
train = utils.d2l.train_ch8
utils.d2l.train_ch8 = lambda net, it, vocab, lr, n, *args, **kw: train(net, it, vocab, lr, min(n, 12), *args, **kw)
import matplotlib; matplotlib.use("agg")
"""


def run_python(code, folder):
    """Run code in a fresh interpreter and return its output; in a namespace without a network where the system can."""
    isolated = ["unshare", "-rn"]
    if not shutil.which("unshare") or subprocess.run([*isolated, "true"], capture_output=True).returncode:
        isolated = []
    (folder / "script.py").write_text(code, encoding="utf-8")
    command = [*isolated, sys.executable, "script.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("cells", [NOTES[:3], NOTES[3:]], ids=["deep LSTM", "bidirectional"])
def test_cells_of_the_notes_run_verbatim_offline_without_a_warning(cells, tmp_path):
    output = run_python(PRELUDE + "\n".join(cells) + "\nprint(len(vocab), len(train_iter.corpus))", tmp_path)
    assert re.search(r"perplexity \d+\.\d, [\d.]+ tokens/sec on", output)
    assert output.count("time traveller") >= 2  # one line while it trains, one at the end
    assert output.splitlines()[-1] == "28 10000"
    assert [p.name for p in tmp_path.iterdir()] == ["script.py"], "the notes' cells left files behind"
    assert not (tmp_path.parent / "data").exists()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.partition("\n")[0])
def test_what_d2ls_chapters_on_text_call_runs_offline_without_a_warning(chapter, tmp_path):
    run_python(f"{PRELUDE}#{chapter}\nprint('done')", tmp_path)


def test_lesson_3_teaches_the_cells_of_the_notes():
    """Every statement of the notes' first three cells stands in lesson 3, to the letter."""

    def statements(code):
        return [ast.unparse(node) for node in ast.walk(ast.parse(code)) if isinstance(node, ast.stmt)]

    lesson = (ROOT / "notebooks" / "source" / "03_concise_lstm.py").read_text(encoding="utf-8")
    missing = [s for s in statements("\n".join(NOTES[:3])) if s not in statements(lesson)]
    assert not missing


BROKEN_TORCHVISION = "raise RuntimeError('operator torchvision::nms does not exist')"


@pytest.mark.parametrize("torchvision", [None, BROKEN_TORCHVISION], ids=["absent", "broken"])
def test_d2l_imports_without_a_working_torchvision(torchvision, tmp_path):
    package = tmp_path / "site" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from . import part" if torchvision else "raise ImportError")
    (package / "part.py").write_text(torchvision or "")
    code = f"""
import sys; sys.path[:0] = [{str(package.parent)!r}, {str(ROOT)!r}]
import utils
from d2l import torch as d2l
print(d2l.try_gpu() is not None, [n for n in sys.modules if n.startswith("torchvision")])
try: import torchvision
except (ImportError, RuntimeError): print("still broken")
"""
    assert run_python(code, tmp_path).split("\n")[:2] == ["True []", "still broken"]


def test_working_torchvision_is_left_alone(tmp_path):
    package = tmp_path / "site" / "torchvision"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from . import transforms")
    (package / "transforms.py").write_text("here = True")
    code = f"""
import sys; sys.path[:0] = [{str(package.parent)!r}, {str(ROOT)!r}]
import utils
print(utils.d2l.transforms.here, sys.modules["torchvision"].__file__ is not None)
"""
    assert run_python(code, tmp_path).strip() == "True True"


MORE = "os.environ['OMP_NUM_THREADS'] = '2'"


@pytest.mark.parametrize(
    ("before", "threads", "warnings"),
    [("", 1, 0), ("import torch", 1, 0), (MORE, 2, 0), (f"import torch; {MORE}", 2, 1)],
    ids=["nothing", "torch first", "more threads", "torch first, more threads"],
)
def test_one_thread_unless_the_reader_asks_for_more(tmp_path, before, threads, warnings):
    """And afterwards the process's variables are what they were, for whatever else is started from it."""
    code = f"""
import os, sys, warnings; sys.path.insert(0, {str(ROOT)!r})
{before}
def variables():  # torch may leave one more, and so may the tests' own process, which has torch
    return {{name: value for name, value in os.environ.items() if name != "KMP_INIT_AT_FORK"}}
before = variables()
with warnings.catch_warnings(record=True) as caught:
    import utils, torch
print(torch.get_num_threads(), sum("threads may spin" in str(w.message) for w in caught))
print(before == variables())
"""
    assert run_python(code, tmp_path).split() == [str(threads), str(warnings), "True"]


@pytest.mark.parametrize(("value", "threads"), [("4,2", 4), (" 2 ", 2), ("", 1), ("abc", 1), ("0", 1), ("-3", 1)])
def test_the_number_of_threads_is_read_with_tolerance(monkeypatch, value, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert environment._threads_wanted() == threads


@pytest.mark.parametrize("value", ["abc"])
def test_an_unreadable_number_of_threads_stops_no_lesson(tmp_path, value):
    """Nor does OpenMP complain about it on stderr; the variable is left as it was."""
    code = f"""
import os, sys; sys.path.insert(0, {str(ROOT)!r})
os.environ["OMP_NUM_THREADS"] = {value!r}
import utils, torch; print(torch.get_num_threads(), os.environ["OMP_NUM_THREADS"])
"""
    assert run_python(code, tmp_path) == f"1 {value}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="torch's OpenMP is libgomp, which can tell, on Linux only")
def test_waiting_threads_sleep():
    """Spinning ones bring four kernels on two cores down to a tenth of their speed."""
    env = os.environ | {"OMP_DISPLAY_ENV": "TRUE"}
    done = subprocess.run([sys.executable, "-c", "import utils"], cwd=ROOT, env=env, capture_output=True, text=True)
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in done.stderr and "OMP_NUM_THREADS = '1'" in done.stderr, done.stderr


@pytest.mark.parametrize("first", ["book.playground", "book.live_plot"])
def test_any_part_can_be_imported_first_from_any_folder(first):
    """Also from among the pages' sources, where a reader may open one in an editor; display needs no torch."""
    code = f"import sys; sys.path.append({str(ROOT)!r}); import {first}; print('torch' in sys.modules)"
    folder = ROOT / "notebooks" / "source"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{first == 'book.playground'}\n", "")


def test_utils_leaves_no_names_of_its_own_work():
    """What utils.<Tab> shows a reader is what lessons use, and modules; not a loop's variable or a command."""
    import types

    public = {name: value for name, value in vars(utils).items() if not name.startswith("_")}
    strays = [name for name, value in public.items() if isinstance(value, str | list) and not name.isupper()]
    assert not strays
    assert not [n for n, v in public.items() if isinstance(v, types.ModuleType) and n in ("W", "np", "requests", "gc")]


def test_python_m_utils_says_whether_the_machine_is_ready():
    done = subprocess.run([sys.executable, "-m", "utils"], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("Ready: the lessons run on this machine.\n", "")


def test_check_machine_says_ready_and_on_what_that_rests(capsys):
    text = re.sub("<[^>]+>", " ", utils.check_machine().data)
    assert capsys.readouterr().out == "Ready: the lessons run on this machine.\n"
    assert f"CPU cores allowed  {utils.cpus_allowed()} " in text and "10,000 + 5,000 + 5,000 characters" in text
    assert int(re.search(r"([\d,]+) tokens/s", text)[1].replace(",", "")) > 100


def test_check_machine_says_what_is_wrong_before_it_trains(monkeypatch, capsys):
    monkeypatch.delattr(utils.d2l, "RNNModel")
    monkeypatch.delattr(utils.d2l, "train_ch8")
    monkeypatch.setattr(book_text, "_EMBEDDED_SHA256", "0" * 64)
    table = utils.check_machine().data
    verdict, first, second = capsys.readouterr().out.strip().split("\n")
    assert verdict == "Not ready:"
    assert "lacks what the lessons use (RNNModel, train_ch8)" in first and "pip install --no-deps d2l==0.17.0" in first
    assert "SHA-256" in second and "pip install --force-reinstall" in second
    assert "tokens/s" not in table, "something was trained"


def test_a_version_number_alone_proves_nothing(monkeypatch, capsys):
    version = environment.version_of
    monkeypatch.setattr(environment, "version_of", lambda name: "1.0.3" if name == "d2l" else version(name))
    assert "<td>1.0.3</td><td>tested with 0.17.0</td>" in utils.check_machine().data
    assert capsys.readouterr().out.startswith("Ready: "), "it has all that lessons call"


def test_a_d2l_without_the_notes_api_is_named_and_stops_nothing(tmp_path):
    """d2l 1.0.3, say: `import utils` works, and check_machine says what to do."""
    package = tmp_path / "site" / "d2l"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "torch.py").write_text("DATA_HUB = {}\nclass Vocab: pass\n")
    code = f"""
import sys; sys.path[:0] = [{str(package.parent)!r}, {str(ROOT)!r}]
import utils
utils.check_machine()
"""
    verdict, problem, *_ = run_python(code, tmp_path).splitlines()
    assert verdict == "Not ready:" and "lacks what the lessons use (RNNModel, load_data_time_machine," in problem


@pytest.mark.parametrize(
    ("fast", "full", "expected"),
    [("1", "1", (True, False, False, 2)), ("", "1", (False, True, True, 500)), ("", "", (False, False, False, 500))],
)
def test_a_quick_look_records_nothing(monkeypatch, fast, full, expected):
    """FAST=1, which the tests set, wins over FULL=1: no sweep of minutes, and no recorded run is overwritten."""
    for name in ("Accumulator", "download", "use_svg_display"):
        monkeypatch.setattr(utils.d2l, name, getattr(utils.d2l, name))  # to be put back
    monkeypatch.setenv("FAST", fast)
    monkeypatch.setenv("FULL", full)
    if utils.torch.cuda.is_available() and not fast:
        expected = (*expected[:2], True, expected[3])
    names = runpy.run_path(environment.__file__)  # as at a kernel's start
    assert (names["FAST"], names["RECORD"], names["FULL"], names["epochs"](500)) == expected


def test_a_quick_look_shortens_every_training(monkeypatch, small_model, corpus):
    monkeypatch.setattr(environment, "FAST", True)
    batches = list(utils.Batches(corpus.train))[:1]
    assert len(list(utils.fit(small_model(), batches, lr=1.0, num_epochs=500))) == 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks")
def test_cores_allowed_are_not_those_of_the_host(tmp_path):
    code = f"""
import os, sys; sys.path.insert(0, {str(ROOT)!r})
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
import utils; print(utils.cpus_allowed())
"""
    assert run_python(code, tmp_path).strip() == "1"


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/pod/kernel", {"pod/cpu.max": "150000 100000", "pod/kernel/cpu.max": "max 100000"}, 1.5),
        ("0::/", {"cpu.max": "50000 100000"}, 0.5),
        ("4:memory:/pod\n1:cpu,cpuacct:/host/pod", {"cpu/cpu.cfs_quota_us": "200000"}, 2),  # seen inside a container
        ("1:cpu:/pod", {"cpu/cpu.cfs_quota_us": "-1", "cpu/pod/cpu.cfs_quota_us": "100000"}, 1),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1"}, float("inf")),
        ("0::/pod", {}, float("inf")),
    ],
)
def test_quota_of_control_groups_of_both_versions(groups, files, quota, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
        if name.endswith("quota_us"):
            (tmp_path / name.replace("quota", "period")).write_text("100000\n")
    (tmp_path / "groups").write_text(groups + "\n")
    assert environment._cpu_quota(tmp_path / "groups", tmp_path) == quota


@pytest.mark.parametrize(("quota", "cpus"), [(0.5, 1), (1.5, 1), (float("inf"), None)])
def test_half_a_cpu_is_still_one_thread(monkeypatch, quota, cpus):
    monkeypatch.setattr(environment, "_cpu_quota", lambda: quota)
    assert utils.cpus_allowed() == (cpus or len(os.sched_getaffinity(0)))


THREADS = f"""
import os, sys; sys.path.insert(0, {str(ROOT)!r})
os.environ["OMP_NUM_THREADS"] = "8"
import utils, torch
print(utils.cpus_allowed(), torch.get_num_threads())
"""


@pytest.mark.skipif(not shutil.which("taskset"), reason="no taskset here")
def test_with_one_cpu_allowed_one_thread_is_used():
    alone = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    output = subprocess.run([*alone, sys.executable, "-c", THREADS], capture_output=True, text=True, check=True).stdout
    assert output.split() == ["1", "1"]


def test_with_a_quota_of_one_cpu_one_thread_is_used():
    """A real control group, as a hub makes one for each kernel."""
    group = Path("/sys/fs/cgroup/cpu/book-test")
    try:
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text("100000")
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        join = f"open('{group}/cgroup.procs', 'w').write('0')\n"
        output = subprocess.run([sys.executable, "-c", join + THREADS], capture_output=True, text=True, check=True)
        assert output.stdout.split() == ["1", "1"]
    finally:
        group.rmdir()


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path):
    code = f"""
import importlib.util, sys; sys.path.insert(0, {str(ROOT)!r})
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "d2l" else find(name, *more)
try: import utils
except ModuleNotFoundError as error: print(error)
"""
    message = run_python(code, tmp_path)
    assert message.startswith("d2l is not installed") and f"{sys.executable} -m pip install -r" in message
