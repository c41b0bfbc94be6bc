"""If this fails, the book is slow where it promises speed, or its benchmarks compare what cannot be compared."""

import statistics
import subprocess
import sys

import pytest

import utils
from benchmarks import classroom, recipes, stacked_lstm, startup, training
from benchmarks.timing import speed_ratios, spread
from tests.support.lab import busy
from utils import d2l, torch


def ratio(seconds, name, against):
    """How many times as fast one is as the other, the median of the rounds."""
    return statistics.median(speed_ratios(seconds, name, against))


def in_one_of_three(measure):
    """Pass if the numbers of one measurement are all within their limits: measure() returns {what: whether it is}.

    What else the machine does can disturb one; code that is too slow fails in all three.
    """
    for _ in range(3):
        met = measure()
        if all(met.values()):
            return
    raise AssertionError(met)


def test_the_compared_stacks_are_the_same_network():
    stacks, X = stacked_lstm.make_stacks(5, 16, num_layers=2)
    torch.testing.assert_close(stacks["from scratch"](X), stacks["gate by gate, step by step"](X))
    assert stacks["nn.LSTM"](X).shape == stacks["from scratch"](X).shape


@pytest.mark.alone
@pytest.mark.parametrize(
    ("num_layers", "num_hiddens", "limits"),
    [(2, 64, {"nn.LSTM": 0.25, "gate by gate, step by step": 1.2}), (2, 256, {"nn.LSTM": 0.4})],
)
def test_stacked_lstm_from_scratch_is_fast_enough(num_layers, num_hiddens, limits):
    seconds = stacked_lstm.measure(num_layers, num_hiddens, rounds=7)
    for against, limit in limits.items():
        assert ratio(seconds, "from scratch", against) >= limit, against


@pytest.mark.alone
def test_fit_with_its_live_plot_costs_what_a_loop_must():
    def measure():
        seconds = training.measure_in_a_kernel(rounds=3, num_hiddens=128)
        ratios = {against: ratio(seconds, "fit", against) for against in training.AIMS}
        limits = zip(ratios.items(), (0.95, 0.85), strict=True)
        return {f"{found:.3f} x {against}": found >= limit for (against, found), limit in limits}

    in_one_of_three(measure)


@pytest.mark.alone
@pytest.mark.skipif(utils.cpus_allowed() < 2, reason="a second core is what this is about")
def test_two_free_cores_are_used_and_busy_ones_are_left():
    """At 2 x 256: clearly faster than d2l.train_ch8 on a free machine, and hardly slower beside four busy processes."""

    def measure():
        found = []
        for others in (0, 4):
            with busy(others):
                seconds = training.measure_in_a_kernel(rounds=2, num_epochs=5)
            found.append(ratio(seconds, "fit", "d2l.train_ch8"))
        alone, at_load = found
        return {f"{alone:.2f} x alone": alone >= 1.3, f"{at_load:.2f} x at load": at_load >= 0.85}

    in_one_of_three(measure)


def test_the_bare_loop_trains_as_fit_does(corpus):
    batches = [(X, Y) for X, Y in utils.Batches(corpus.train)]
    ours, bare = (training.build_model(len(corpus.vocab), 32) for _ in range(2))
    assert len(list(utils.fit(ours, batches, lr=training.LR, num_epochs=2))) == 2
    training.run_bare_loop(bare, batches, 2)
    for a, b in zip(ours.parameters(), bare.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_fast_recipe_needs_an_eighth_of_d2ls_epochs_and_loses_nothing_on_new_text():
    """In epochs, which are the same on every machine; an epoch of Adam takes 1.04 times as long as one of SGD."""
    theirs = utils.load_run("deep_lstm").records
    theirs_to_target = next(r.epoch for r in theirs if r.perplexity <= recipes.TARGET)
    fast = recipes.until_target(recipes.train_fast(seed=0))
    assert theirs_to_target >= 1.04 * 8 * fast.epoch
    assert fast.held_out <= utils.best(theirs).held_out


def test_d2ls_recipe_is_that_of_train_ch8(monkeypatch, capsys, corpus):
    monkeypatch.setitem(recipes.SIZE, "hidden_units", 32)
    records, losses = recipes.train_as_d2l(seed=0), []
    model = recipes.Settings(recipe="D2L", **recipes.SIZE).build(len(corpus.vocab))
    monkeypatch.setattr(d2l, "train_epoch_ch8", lambda *a, f=d2l.train_epoch_ch8: losses.append(f(*a)) or losses[-1])
    d2l.train_ch8(model, utils.Batches(corpus.train), corpus.vocab, 2.0, 3, d2l.try_gpu())
    theirs = [perplexity for perplexity, _ in losses]
    assert [next(records)[1] for _ in range(3)] == pytest.approx(theirs, rel=1e-6)


@pytest.mark.alone
def test_four_kernels_on_this_machine_train_at_least_as_much_as_one_and_stop_at_once():
    def measure():
        totals, latencies = classroom.measure(counts=(1, 4), rounds=1, seconds=4)
        share, slowest = totals[4][0] / totals[1][0], max(latencies[4])
        return {f"{share:.2f} x one alone": share >= 0.8, f"Stop within {slowest:.2f} s": slowest < 1}

    in_one_of_three(measure)


@pytest.mark.alone
def test_import_utils_costs_little_more_than_torch_and_d2l():
    def measure():
        found = ratio(startup.measure_imports(rounds=2), "torch and d2l", "utils")
        return {f"{found:.2f} x": found <= 1.2}

    in_one_of_three(measure)


def test_timing_takes_turns_and_drops_the_first_round():
    calls = []
    seconds = utils.seconds_each({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=2)
    assert calls == ["a", "b"] * 3 and [len(s) for s in seconds.values()] == [2, 2]
    assert speed_ratios({"ours": [1.0, 2.0], "theirs": [3.0, 1.0]}, "ours", "theirs") == [3.0, 0.5]
    assert spread([3.0, 1.0, 2000.0], "x", digits=1) == "3.0 x (1.0-2,000.0)"
    assert spread([3, 1, 2], "", digits=0) == "2 (1-3)"


def test_an_unknown_benchmark_is_refused_with_the_names_of_all():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "fast"], cwd=utils.ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "no such benchmark: fast" in done.stderr
