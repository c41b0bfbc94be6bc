"""What must be right before anything runs: packages, threads, and a d2l that works today. Imported before torch.

Nothing here outlives its purpose: variables that torch reads while it is loaded are put back afterwards.
"""

import contextlib
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import math
import os
import platform
import random
import re
import sys
import time
import warnings
from pathlib import Path

from book import ROOT, is_whole, require
from book.words import mark, say

# What lessons call of d2l; another release of it may lack some, whatever its version says
D2L_NAMES = "DATA_HUB RNNModel Vocab load_data_time_machine predict_ch8 train_ch8 train_epoch_ch8 try_gpu".split()


def _require_packages():
    for name in ("torch", "d2l", "word_text_counter", "matplotlib", "ipywidgets"):
        if importlib.util.find_spec(name) is None:
            command = f"{sys.executable} -m pip install -r {ROOT / 'requirements.txt'}"
            told = mark("{name} is not installed for this kernel's Python. Run  {command}  and restart the kernel")
            raise ModuleNotFoundError(say(told, name=name, command=command))


# ---- threads


def _cpu_quota(groups=Path("/proc/self/cgroup"), mount=Path("/sys/fs/cgroup")):
    """Return how many CPUs this process's control group may use (of version 2 or 1), infinity without a quota."""
    quota = math.inf
    for line in groups.read_text().splitlines() if groups.exists() else ():
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            top, files = mount, ["cpu.max"]
        elif "cpu" in controllers.split(","):
            top, files = mount / "cpu", ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
        else:
            continue
        group = top / path.lstrip("/")
        for folder in [group, *group.parents][: len(group.parts) - len(top.parts) + 1]:
            with contextlib.suppress(OSError, ValueError):  # no such file, or "max": no quota here
                most, period = map(int, " ".join((folder / file).read_text() for file in files).split())
                quota = min(quota, most / period) if most > 0 else quota  # -1: no quota here
    return quota


def cpus_allowed():
    """Return how many CPUs this process may use: its affinity mask, cut down to its cgroup's quota (at least 1).

    A container on Binder or on a hub sees all the cores of its host and may use one or two of them.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(cpus, _cpu_quota())))


def _threads_wanted():
    """Return the first number of OMP_NUM_THREADS, which OpenMP reads as a list ("4,2"); 1 if it cannot be read."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return max(1, int(first)) if first.isascii() and first.isdigit() else 1


def _import_torch():
    """Import torch with one thread: for networks of this size a second one made training up to seven times slower.

    Who asks for more (OMP_NUM_THREADS) gets no more than the CPUs that are allowed, and threads that sleep while they
    wait: spinning ones starve the other kernels of a hub. libgomp reads both variables once, while torch loads it.
    """
    wanted = _threads_wanted()
    if "torch" in sys.modules and wanted > 1:
        told = say("torch was imported before utils: threads may spin; restart and import utils first")
        warnings.warn(told, stacklevel=2)
    before = dict(os.environ)
    os.environ["OMP_NUM_THREADS"] = str(wanted)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
    finally:
        for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
            del os.environ[name]
            if name in before:
                os.environ[name] = before[name]
    torch.set_num_threads(min(wanted, cpus_allowed()))
    return torch


# ---- d2l


def _import_d2l():
    """Import d2l.torch 0.17.0, also where torchvision is missing or broken: d2l imports it, the book never uses it."""
    stubs = []
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        stubs = ["torchvision", "torchvision.transforms"]
        for name in stubs:
            sys.modules[name] = importlib.util.module_from_spec(importlib.machinery.ModuleSpec(name, None))
        sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
    try:
        from d2l import torch as d2l
    finally:
        for name in stubs:  # a later `import torchvision` shall tell the truth
            del sys.modules[name]
    return d2l


_require_packages()
torch = _import_torch()
d2l = _import_d2l()


def download(name, cache_dir=ROOT / "data"):
    """Return the path of a file of d2l.DATA_HUB, fetched once and accepted only with its SHA-1.

    name: a key of d2l.DATA_HUB; cache_dir: the folder that keeps the file.
    Raises ValueError for an unknown name or for content with another checksum (a log-in page, say), ConnectionError
    without a network. A good copy is never replaced by anything else. Stands in for d2l.download, which checks
    neither the HTTP status nor what it saved.
    """
    import requests  # here, because few readers ever fetch a file

    require(name in d2l.DATA_HUB, "name", name, say("one of d2l.DATA_HUB's keys"))
    url, sha1 = d2l.DATA_HUB[name]
    path = Path(cache_dir, url.rsplit("/", 1)[-1])
    if path.exists() and hashlib.sha1(path.read_bytes()).hexdigest() == sha1:
        return str(path)
    try:
        response = requests.get(url, timeout=30)
        response.raise_for_status()
    except requests.RequestException as error:
        by_hand = say("Without a network, put the file at {path} yourself", path=path)
        raise ConnectionError(f"{name}: {error}. {by_hand}") from error
    found = hashlib.sha1(response.content).hexdigest()
    if found != sha1:
        told = say(
            "{name}: the server sent something else (SHA-1 {found} instead of {sha1}, it begins {begins!r}). Nothing "
            "was saved. Behind a log-in page? Log in and run this again, or put the file at {path} yourself",
            **{"name": name, "found": found, "sha1": sha1, "begins": response.content[:40], "path": path},
        )
        raise ValueError(told)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(response.content)
    partial.replace(path)
    return str(path)


def _use_svg_display():
    """Do what d2l.use_svg_display did until IPython lost the function that it calls."""
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    set_matplotlib_formats("svg")


def _mend_d2l():
    """Put our own in place of what is broken. d2l looks its functions up by name, so setting the name is enough.

    d2l.read_time_machine, the text without a network, is set in utils, where the text is.
    """

    class Accumulator(getattr(d2l, "Accumulator", object)):
        """d2l.Accumulator that detaches: torch warns when a tensor that requires a gradient becomes a number."""

        def add(self, *args):
            super().add(*(a.detach() if torch.is_tensor(a) else a for a in args))

    d2l.Accumulator, d2l.download, d2l.use_svg_display = Accumulator, download, _use_svg_display


_mend_d2l()


# ---- what is installed


def version_of(package):
    """Return the version of an installed package as its metadata tells it, "none" without any."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def packages():
    """Return rows (name, what is here, what to know about it): the book, Python, each package required, hardware."""
    version = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)[1]
    pins = [line.split("==") for line in (ROOT / "requirements.txt").read_text("utf-8").split()]
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else say("none")
    return [
        (say("this book"), version, ""),
        ("Python", platform.python_version(), say("3.10 to 3.14 will do")),
        *((name, version_of(name), say("tested with {version}", version=pin)) for name, pin in pins),
        (say("CPU cores allowed"), cpus_allowed(), say("one is enough")),
        ("GPU", gpu, say("none is needed")),
    ]


def problems_of_d2l():
    """Return a sentence in a list if the installed d2l lacks what lessons call, and [] for one that will do."""
    missing = [name for name in D2L_NAMES if not hasattr(d2l, name)]
    if not missing:
        return []
    pin = re.search(r"^d2l==.+$", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE)[0]
    lacks = {"version": version_of("d2l"), "names": ", ".join(missing), "command": f"pip install --no-deps {pin}"}
    told = mark("d2l {version} lacks what the lessons use ({names}): run  {command}  and restart the kernel")
    return [say(told, **lacks)]


def about_this_machine():
    """Return what a recorded run says of the machine and of the versions that it ran on."""
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "machine": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} CPU threads",
        "versions": f"torch {torch.__version__}, d2l {version_of('d2l')}, Python {platform.python_version()}",
    }


# ---- how a lesson is run

FAST = os.environ.get("FAST") == "1"  # tests: every training is cut to a few steps; readers never see it
RECORD = not FAST and os.environ.get("FULL") == "1"  # run what takes minutes, and keep it under assets/runs
FULL = RECORD or (not FAST and torch.cuda.is_available())  # run the notes' own trainings; a GPU records nothing


def epochs(n):
    """Return n, or 2 where FAST=1 asks for a quick look. `fit` does so by itself; this is for loops of a lesson."""
    return min(n, 2) if FAST else n


def seed_everything(seed):
    """Seed torch (weights, sampling) and random (the offset at which d2l's minibatches start)."""
    torch.manual_seed(seed)
    random.seed(seed)


def seconds_each(functions, rounds):
    """Time functions side by side: {name: function} -> {name: seconds of each round}, a list of so many.

    They take turns, after one round to warm up, so that a machine busy with other work disturbs all of them alike.
    Raises ValueError for rounds that are no whole number of at least 1.
    """
    require(is_whole(rounds), "rounds", rounds, say("a whole number of at least 1"))
    seconds = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds
