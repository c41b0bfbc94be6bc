"""`import utils` mends d2l whatever torchvision is; the notes' own cells run offline, anywhere, without a warning."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import utils

ROOT = Path(utils.__file__).parent
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
utils.d2l.train_ch8 = lambda net, it, vocab, lr, n, device: train(net, it, vocab, lr, min(n, 12), device)
import matplotlib; matplotlib.use("agg")
"""


def run_python(code, folder):
    """Run code in a fresh interpreter and return its output; in a namespace without a network where the system can."""
    isolated = ["unshare", "-rn"]
    if not shutil.which("unshare") or subprocess.run([*isolated, "true"], capture_output=True).returncode:
        isolated = []
    (folder / "script.py").write_text(code, encoding="utf-8")
    env = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}  # set by our own utils
    done = subprocess.run(
        [*isolated, sys.executable, "script.py"], cwd=folder, env=env, capture_output=True, text=True, timeout=280
    )
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
    code = f"""
import os, sys, warnings; sys.path.insert(0, {str(ROOT)!r})
{before}
with warnings.catch_warnings(record=True) as caught:
    import utils, torch
print(torch.get_num_threads(), sum("threads may spin" in str(w.message) for w in caught), os.environ["OMP_WAIT_POLICY"])
"""
    assert run_python(code, tmp_path).split() == [str(threads), str(warnings), "PASSIVE"]


def test_check_machine_says_ready_and_on_what_that_rests(capsys):
    text = re.sub("<[^>]+>", " ", utils.check_machine().data)
    assert capsys.readouterr().out == "Ready: the lessons run on this machine.\n"
    assert f"CPU cores allowed  {utils.cpus_allowed()} " in text and "10,000 + 5,000 characters" in text
    assert int(re.search(r"([\d,]+) tokens/s", text)[1].replace(",", "")) > 100


def test_check_machine_says_what_is_wrong(monkeypatch, capsys):
    found = {"d2l": "1.0.3"}
    version = utils.importlib.metadata.version
    monkeypatch.setattr(utils.importlib.metadata, "version", lambda name: found.get(name) or version(name))
    monkeypatch.setattr(utils, "_EMBEDDED_SHA256", "0" * 64)
    utils.check_machine()
    verdict, first, second = capsys.readouterr().out.strip().split("\n")
    assert verdict == "Not ready:"
    assert "d2l 1.0.3" in first and "pip install --no-deps d2l==0.17.0" in first
    assert "SHA-256" in second and "pip install --force-reinstall" in second


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
    assert utils._cpu_quota(tmp_path / "groups", tmp_path) == quota


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
