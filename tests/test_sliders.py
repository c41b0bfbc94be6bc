"""If this fails, a slider of a lesson sticks under a reader's hand as soon as the machine has other work to do.

What counts is a redraw's CPU time, told in redraws of one plain plot on the same machine: load does not matter.
"""

import math
import statistics
import time

import pytest

import utils
from book.display import to_png
from tests.support.lesson_code import SOURCES, plain_plot, run_cells

DRAWING, ALL = 1.0, 2.7  # of the plain plot's time: what draw alone may take, and the whole redraw
CELLS = {  # what each lesson's controls need; its networks are small and untrained
    "01_deep_rnn": "one-layer label draw-graph shape-table explore-graph wavefront draw-walk explore-walk",
    "02_stacked_from_scratch": "rnn-cell layer-hoisted lstm-cell gru-cell deep-rnn language-model states-of fresh "
    "guess-fade draw-fade draw-fade-curves explore-fade untrained trace draw-cell readable draw-cell-figure "
    "explore-cell explore-trained",
    "03_concise_lstm": "load-data build-model train-notes untrained draw-temperature explore-temperature "
    "states-of signals best-unit draw-listening explore-listening",
    "04_hmm_forward_backward": "tables sample brute-force forward-loop forward backward sum-terms sum-table draw-edges "
    "draw-lattice explore-lattice count-products count-both draw-cost explore-cost fill-in draw-blank explore-blank",
    "05_bidirectional_rnn": "directions flip bi-rnn draw-direction draw-layout explore-layout chain draw-chains "
    "explore-chains fill-data fill-in apart train-two-way tag-data tagger late-tagger untrained draw-blank "
    "explore-blank two-way-states two-way-answers draw-two-ways explore-two-ways draw-ends draw-stream",
    "06_bidirectional_misuse": "load-data suspects untrained by-position draw-by-position explore-by-position predict "
    "bars draw-future explore-future",
}


def set_networks(lesson):
    """Untrained networks under the names of those that the lesson trains."""
    names = {"unidirectional": False, "bidirectional": True}
    if hasattr(lesson, "language_model"):
        lesson.suspects = {name: lesson.language_model(both) for name, both in names.items()}
    elif hasattr(lesson, "lstm_layer"):
        lesson.fast = lesson.model
    elif hasattr(lesson, "DeepRNN"):
        lesson.ours, maps = lesson.model, [lesson.fresh_map("GRU", 3) for _ in range(9)]
        lesson.maps_of = {"RNN": maps, "GRU": maps}
    else:
        lesson.fillers = {name: lesson.FillIn(100, both) for name, both in names.items()}
        lesson.taggers = {name: lesson.Tagger(50, both) for name, both in names.items()}
        lesson.two_way = {"joined": lesson.FillIn(48, True, 2), "apart": lesson.Apart(48, 2)}
        lesson.late_taggers = {k: lesson.LateTagger(64, k) for k in (1, 2, 3)}


def explored(name, monkeypatch):
    """Run a lesson's cells; return (draw, controls) for each of its calls of explore."""
    calls = []
    monkeypatch.setattr(utils, "explore", lambda draw, *, play=None, **controls: calls.append((draw, controls)))
    before, _, after = CELLS[name].partition(" untrained ")
    lesson = run_cells(name, *before.split())
    if after:
        set_networks(lesson)
        run_cells(name, *after.split(), into=lesson)
    return calls


def values_of(control):
    """Some values that a reader gives a control one after the other."""
    if hasattr(control, "options"):
        return control.options
    if isinstance(control.value, bool):
        return True, False
    if isinstance(control.value, str):
        return [control.value + typed for typed in ("n", "nt", "nta", "ntan")]
    if isinstance(control.step, float):
        return [control.min + i * control.step for i in range(6)]
    values = range(control.min, control.max + 1, control.step)
    return values[:: max(1, len(values) // 6)]


def cpu_seconds(draw, **values):
    """What draw takes, and what the whole redraw takes."""
    started = time.thread_time()
    drawn = draw(**values)
    half = time.thread_time()
    to_png(drawn[0] if isinstance(drawn, tuple) else drawn)
    return half - started, time.thread_time() - started


@pytest.mark.alone
@pytest.mark.parametrize("name", CELLS)
def test_a_redraw_takes_little_more_than_a_plain_plot(name, monkeypatch):
    calls = explored(name, monkeypatch)
    assert len(calls) == (SOURCES / f"{name}.py").read_text(encoding="utf-8").count("utils.explore(")
    for draw, controls in calls:
        given = {key: control.value for key, control in controls.items()}
        cpu_seconds(draw, **given), cpu_seconds(plain_plot)  # the first time, fonts are read
        for key, control in controls.items():
            values = values_of(control)
            values = [*values] * math.ceil(6 / len(values))  # the median of two is no safer than either
            seconds = [(cpu_seconds(draw, **given | {key: v}), cpu_seconds(plain_plot)) for v in values]
            ours, plain = (map(statistics.median, zip(*times, strict=True)) for times in zip(*seconds, strict=True))
            (drawing, whole), (_, unit) = ours, plain
            said = f"{draw.__name__}, {key}: {drawing / unit:.2f} of a plain plot to draw, {whole / unit:.2f} in all"
            print(said)
            assert drawing < DRAWING * unit and whole < ALL * unit, said
