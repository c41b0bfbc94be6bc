"""Trainings that were run in full and kept: assets/runs/<name>.json. Recorded numbers are always labelled so."""

import itertools
import json
import re
import time
from statistics import median
from typing import NamedTuple

from book import ROOT, require
from book.environment import RECORD, about_this_machine
from book.words import mark, say

RECORDED, THIS_RUN = mark("recorded run"), mark("this run")


class EpochRecord(NamedTuple):
    """What `fit` yields after every epoch: training and held-out perplexity (None without held-out text), and speed."""

    epoch: int
    perplexity: float
    held_out: float | None
    tokens_per_sec: float
    seconds: float  # of training, without the scoring of held-out text


def best(records):
    """Return the record with the lowest held-out perplexity, the first of them; ValueError without any."""
    scored = [r for r in records if r.held_out is not None]
    require(scored, "records", records, say("at least one record with a held-out perplexity"))
    return min(scored, key=lambda r: r.held_out)


def ranking(scores, lower_is_better=True):
    """Print which of {name: scores from several random starts} are better than which, and which are not told apart.

    scores: at least five each. Two are told apart where even the worst start of one is better than the best start of
    the other. Were they equally good, five against five would come to that by chance in 1 of 126 comparisons
    (2 / (10 choose 5); this is the permutation test's p-value). Raises ValueError for fewer starts.
    """
    for name, values in scores.items():
        require(len(values) >= 5, name, len(values), say("at least five scores, one for each random start"))
    order = sorted(scores, key=lambda name: median(scores[name]), reverse=not lower_is_better)
    pairs = list(itertools.combinations(order, 2))

    def apart(better, worse):
        a, b = scores[better], scores[worse]
        return max(a) < min(b) if lower_is_better else min(a) > max(b)

    told = [say("{better} before {worse}", better=a, worse=b) for a, b in pairs if apart(a, b)]
    others = [say("{one} and {other}", one=a, other=b) for a, b in pairs if not apart(a, b)]
    print(say("told apart:    "), say("; ").join(told) or say("none"))
    print(say("not told apart:"), say("; ").join(others) or say("none"))


class Run(NamedTuple):
    """A training that was run in full and kept: one EpochRecord per epoch, what the model wrote, and where it ran."""

    records: list
    generated: list
    about: dict  # origin ("recorded run" or "this run", as a reader reads it), seed, seconds, device, machine, versions

    def __str__(self):
        last, about = self.records[-1], self.about
        where = f"{about['machine']}, {about['versions']}, " + say("seed {seed}", **about)
        speed = {"perplexity": last.perplexity, "speed": last.tokens_per_sec, "device": about["device"]}
        head = say("{origin}: {epoch} epochs in {seconds:.0f} s ({where})", epoch=last.epoch, where=where, **about)
        tail = say("perplexity {perplexity:.1f}, {speed:,.0f} tokens/sec on {device}", **speed)
        return "\n".join([head, tail, *self.generated])


def keep(name, run):
    """Write a run to assets/runs/<name>.json if FULL=1 was set; a GPU alone overwrites nothing."""
    if RECORD:
        text = json.dumps(run | {"about": run["about"] | {"origin": RECORDED}})
        (ROOT / "assets" / "runs" / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _read_run(name):
    kept = {path.stem: path for path in (ROOT / "assets" / "runs").glob("*.json")}
    require(name in kept, "name", name, say("one of {names}", names=", ".join(sorted(kept))))
    run = json.loads(kept[name].read_text(encoding="utf-8"))
    return run | {"about": in_words(run["about"], RECORDED)}


def in_words(about, origin):
    """Return what is known of a run as a reader reads it; origin: RECORDED or THIS_RUN."""
    system, work = about["machine"].split(", ", 1)
    if found := re.fullmatch(r"(\d+) processes of 1 CPU thread each", work):
        work = say("{count} processes of 1 CPU thread each", count=found[1])
    elif found := re.fullmatch(r"(\d+) CPU threads", work):
        work = say("{count} CPU threads", count=found[1])
    return about | {"origin": say(origin), "machine": f"{system}, {work}"}


def load_run(name):
    """Return the Run kept under assets/runs/<name>.json; ValueError if there is none."""
    run = _read_run(name)
    require("epoch" in run, "name", name, say("a run with epochs; this one has rows: utils.recorded reads it"))
    rows = zip(*(run[key] for key in EpochRecord._fields), strict=True)
    return Run([EpochRecord(int(epoch), *rest) for epoch, *rest in rows], run["generated"], run["about"])


def recorded(name, compute):
    """Return what a sweep found when it was recorded; with FULL=1 in the environment run it, and record it anew.

    name: the result is kept in assets/runs/<name>.json; compute: a function that returns a list of rows of numbers.
    Returns (rows, about), where about["origin"] is "this run" or "recorded run". A GPU alone runs nothing here: a
    sweep takes minutes there as well.
    """
    if not RECORD:
        run = _read_run(name)
        return run["rows"], run["about"]
    started, rows = time.perf_counter(), [list(row) for row in compute()]
    about = {"seconds": round(time.perf_counter() - started, 1)} | about_this_machine()
    keep(name, {"about": about, "rows": rows})
    return rows, in_words(about, THIS_RUN)
