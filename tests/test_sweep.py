"""If this fails, a reader of lesson 3 is told falsely which recipe is faster, or gets other numbers on another core."""

import contextlib
import math
import os
import re
import subprocess
import sys

import jupytext
import pytest
import torch

import utils
from book import environment, exercises, runs
from book.settings import Settings
from tests.support.lab import server
from tests.support.lesson_code import SOURCES, run_cells
from tests.support.stored import rows_of, stored


@pytest.fixture(scope="module")
def lesson():
    """The names of lesson 3's cells around its recipe and its sweep, of which the small one is run in this process."""
    cells = ("load-data", "build-model", "whisper", "sweep-point", "draw-sweep", "run-sweep")
    return run_cells("03_concise_lstm", *cells)


def test_the_playground_starts_where_the_lesson_does(lesson):
    for enlarged, recipe in ((True, "fast"), (False, "D2L")):
        theirs = lesson.build_deep_lstm(enlarged).state_dict()
        ours = Settings(layers=2, hidden_units=256, recipe=recipe).build(28).state_dict()
        assert all(torch.equal(ours[name], theirs[name].cpu()) for name in theirs)


def test_the_plateau_is_one_of_small_weights(lesson, corpus):
    """The same SGD as D2L's recorded run, which needs about 80 epochs for what takes 5 with enlarged weights."""
    batches, model = utils.Batches(corpus.train), lesson.build_deep_lstm(enlarged=True)
    *_, last = utils.fit(model, batches, lr=2, num_epochs=6)
    assert last.perplexity < 10 < min(r.perplexity for r in utils.load_run("deep_lstm").records[:60])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_enlarged_are_the_weights_of_the_one_hot_input_and_of_the_output_layer(small_model, bidirectional):
    before = small_model(num_layers=2, bidirectional=bidirectional).state_dict()
    after = utils.enlarge_weights(small_model(num_layers=2, bidirectional=bidirectional)).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    directions = ["", "_reverse"] if bidirectional else [""]
    assert changed == {"linear.weight"} | {f"rnn.weight_ih_l0{direction}" for direction in directions}
    for name, bound in (("rnn.weight_ih_l0", 2), ("linear.weight", 0.5)):
        assert 0.95 * bound < after[name].abs().max() <= bound


RECORD = utils.EpochRecord(1, 1.0, 1.0, 1.0, 1.0)

# in a Python of its own: Dask's threads go on after it, and draw from the random numbers that other tests have seeded
ELSEWHERE = """
import sys
from distributed import Client
from tests.support.lesson_code import run_cells

if __name__ == "__main__":
    lesson = run_cells("03_concise_lstm", "load-data", "sweep-point", "draw-sweep", "run-sweep")
    print("here:", lesson.small_sweep, sep=" | ")
    points = [row[:3] for row in lesson.small_sweep]
    with Client(scheduler_file=sys.argv[1], set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        for lesson.where in ({"backend": "dask", "scheduler_host": client.scheduler.address}, {"n_jobs": 2}):
            print("elsewhere:", lesson.run_sweep(points), sep=" | ")
        print("workers that did something:", sum(client.run(lambda: "utils" in sys.modules).values()))
"""


@contextlib.contextmanager
def dask_cluster(folder, course):
    """A scheduler and two workers as the command line starts them, the workers with a course on their PYTHONPATH.

    Yields the file that leads a client to them.
    """
    file = folder / "scheduler.json"
    start = f"exec {sys.executable} -m dask"
    scheduler = f"{start} scheduler --host 127.0.0.1 --port 0 --no-dashboard --scheduler-file {file}"
    workers = f"{start} worker --nworkers 2 --nthreads 1 --no-dashboard --scheduler-file {file}"
    with server(scheduler, folder, {}, folder / "scheduler.log", file.stat):
        with server(workers, folder, {"PYTHONPATH": str(course), "FAST": "1"}, folder / "workers.log", lambda: None):
            yield file


def sweep_elsewhere(folder, course):
    """Run ELSEWHERE, with short trainings, on such a cluster; returns what it printed, and its errors."""
    (folder / "elsewhere.py").write_text(ELSEWHERE)
    with dask_cluster(folder, course) as file:
        command, env = [sys.executable, folder / "elsewhere.py", file], {"PYTHONPATH": str(utils.ROOT), "FAST": "1"}
        done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=250)
    return done.stdout, done.stderr


def test_the_same_numbers_on_one_core_on_two_and_on_a_dask_cluster_of_two_workers(tmp_path):
    output, errors = sweep_elsewhere(tmp_path, utils.ROOT)
    rows = [line.split(" | ")[1] for line in output.splitlines() if line.startswith(("here", "elsewhere"))]
    assert len(rows) == 3 and rows[0].count("(") == 4 and set(rows) == {rows[0]}, errors
    assert "workers that did something: 2" in output


def test_a_dask_cluster_without_the_course_says_so(tmp_path):
    output, errors = sweep_elsewhere(tmp_path, tmp_path)
    assert "elsewhere" not in output and "ModuleNotFoundError: No module named 'utils'" in errors


def test_the_sweep_stops_when_the_held_out_text_no_longer_gains(lesson, monkeypatch):
    scores = [9.0, 7.0, 8.0, 7.5, 7.2, 6.9]
    records = [utils.EpochRecord(epoch, 1.0, score, 1.0, 1.0) for epoch, score in enumerate(scores, start=1)]
    asked = []
    monkeypatch.setattr(utils, "fit", lambda *args, **options: (asked.append(r) or r for r in records))
    assert lesson.sweep_point(1, 64, 0, patience=3) == (1, 64, 0, 7.0, 2) and len(asked) == 5
    assert lesson.sweep_point(1, 64, 0, patience=4) == (1, 64, 0, 6.9, 6)


def test_a_point_of_the_sweep_is_the_same_again_and_another_with_another_seed(lesson, monkeypatch):
    monkeypatch.setattr(environment, "FAST", True)
    drawn = []

    class Batches(utils.Batches):  # notes what each pass begins with
        def __iter__(self):
            for X, Y in super().__iter__():
                drawn.append(X[0, 0].item())
                yield X, Y

    monkeypatch.setattr(utils, "Batches", Batches)
    first = lesson.sweep_point(1, 16, seed=1)
    torch.rand(3)
    assert lesson.sweep_point(1, 16, seed=1) == first
    assert lesson.sweep_point(1, 16, seed=2)[3] != first[3]
    once, again, other = (drawn[i * len(drawn) // 3 : (i + 1) * len(drawn) // 3] for i in range(3))
    assert once == again != other, "the minibatches, too, are drawn by the seed"


def test_heat_map_shows_each_network_in_its_place(lesson):
    rows = [(l, h, seed, 10 * l + h / 64 + seed, 1) for l in (1, 3) for h in (64, 256) for seed in (2, 0, 1)]
    ax, _ = lesson.draw_sweep(rows, "title").axes
    texts = {text.get_position(): text.get_text() for text in ax.texts}
    shown = ax.images[0].get_array()
    for y, l in enumerate(lesson.LAYERS):
        for x, h in enumerate(lesson.WIDTHS):
            low, middle, high = (10 * l + h / 64 + seed for seed in range(3))
            if l in (1, 3) and h in (64, 256):
                assert texts.pop((x, y)) == f"{middle:.2f}\n{low:.2f} to {high:.2f}"
                assert shown[y, x] == pytest.approx(middle)
    assert not texts and shown.count() == 4, "nothing where nothing was trained"
    assert [label.get_text() for label in ax.get_xticklabels()] == [str(h) for h in lesson.WIDTHS]
    assert [label.get_text() for label in ax.get_yticklabels()] == [str(l) for l in lesson.LAYERS]


@pytest.fixture(scope="module")
def compared(lesson):
    """The lesson's comparison of recipes, with two made-up trainings instead of those that it runs before."""
    values = {"SGD": (20.0, 9.0, 4.0), "Adam": (5.0, 1.1, 1.05)}
    lesson.race = {
        name: [utils.EpochRecord(epoch, p, p + 1, 1.0, 2.0 * epoch) for epoch, p in enumerate(perplexities, start=1)]
        for name, perplexities in values.items()
    }
    lesson.run = utils.load_run("deep_lstm")
    return run_cells("03_concise_lstm", "compare-recipes", "draw-wall-time", into=lesson)


def test_recipes_are_compared_by_the_seconds_until_they_reach_the_same_perplexity(compared):
    recorded, sgd, adam = compared.rows
    assert sgd[1:] == ["-", "-", "5.00", 3] and adam[1:] == [2, "6.0", "2.05", 3]
    epoch = next(r.epoch for r in compared.run.records if r.perplexity <= 1.1)
    assert recorded[1:3] == [epoch, f"{4.0 * epoch:.1f}"], "an epoch of the recorded run takes as long as SGD's here"


def test_wall_time_is_drawn_in_seconds(compared):
    (ax,) = compared.draw_wall_time().axes
    curves = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert len(curves) == 4
    for line, (name, column) in zip(curves, [(n, c) for n in ("SGD", "Adam") for c in (1, 2)], strict=True):
        assert list(line.get_xdata()) == [2, 6, 12]
        assert list(line.get_ydata()) == [record[column] for record in compared.race[name]]
        assert line.get_linestyle() == ("-" if column == 1 else "--"), "training solid, held-out dashed, as labelled"


def heights(bars):
    """How high the bars of a PolyCollection are."""
    return torch.tensor([path.get_extents().height for path in bars.get_paths()])


def test_the_drawn_distribution_is_the_one_that_generate_draws_from(lesson):
    """At half the temperature every ratio is squared, and the highest bar is the character written at temperature 0."""
    lesson.fast = lesson.build_deep_lstm(enlarged=True)
    run_cells("03_concise_lstm", "draw-temperature", into=lesson)
    for prefix in ("the ", "time"):
        (warm,), (cold,) = (lesson.draw_next(prefix, tau).axes for tau in (1.0, 0.5))
        (P,), (Q,) = ([heights(bars) for bars in ax.collections] for ax in (warm, cold))
        torch.testing.assert_close(Q / Q.max(), (P / P.max()).square(), rtol=1e-3, atol=1e-6)
        assert 0.9 < P.sum() < 1, "all but <unk>"
        written = utils.generate(lesson.fast, lesson.vocab, prefix, 1)[-1]
        assert lesson.vocab.idx_to_token[1 + int(P.argmax())] == written


def test_more_text_is_what_follows_the_test_text(lesson, corpus, monkeypatch):
    """Scored on the same held-out text as little text is, so that the two may be compared."""
    read = []
    monkeypatch.setattr(utils, "Batches", lambda ids, seed: read.append(ids))
    monkeypatch.setattr(utils, "fit", lambda *_, held_out, **options: read.append(held_out) or [RECORD])
    lesson.sweep_point(1, 64, 0)
    lesson.sweep_point(1, 64, 0, 20_000, 170_000)
    assert torch.equal(read[0], corpus.train) and torch.equal(read[1], read[3])
    assert torch.equal(read[1], corpus.held_out)
    whole = utils.load_corpus(max_tokens=170_000, held_out_tokens=1)
    assert len(read[2]) == 150_000 and torch.equal(read[2], whole.train[len(corpus.train) + 10_000 :])
    assert torch.equal(whole.train[:20_000], torch.cat([corpus.train, corpus.held_out, corpus.test]))


def scores_of(rows, *network):
    """A network's lowest held-out perplexities in the rows of a sweep, from the lowest to the highest."""
    scores = sorted(row[3] for row in rows if tuple(row[:2]) == network)
    assert len(scores) == 5
    return scores


def apart(better, worse):
    """Whether even the worst of five is better than the best of five others: what `ranking` calls told apart."""
    return better[-1] < worse[0]


def test_recorded_sweep_is_complete_and_its_small_corner_is_reproduced(lesson):
    rows, about = utils.recorded("sweep", None)
    assert about["origin"] == "recorded run"
    assert {tuple(row[:3]) for row in rows} == {
        (l, h, seed) for l in lesson.LAYERS for h in lesson.WIDTHS for seed in range(5)
    }
    recorded = {tuple(row[:3]): row[3] for row in rows}
    for *point, score, _ in lesson.small_sweep:
        assert recorded[tuple(point)] == pytest.approx(score, abs=0.3)  # another machine rounds differently


def test_recorded_sweep_ranks_networks_as_the_lesson_does():
    rows, _ = utils.recorded("sweep", None)
    fields = {(l, h): scores_of(rows, l, h) for l in (1, 2, 3, 4) for h in (64, 128, 256, 512)}
    assert min(fields, key=lambda field: fields[field][2]) == (1, 512), "the best field: bottom right"
    assert min(fields, key=lambda field: fields[field][0]) == (1, 512)
    assert {field[0] for field in sorted(fields, key=lambda field: fields[field][2])[-4:]} == {4}, "the worst: top row"
    spreads = sorted(field[-1] - field[0] for field in fields.values())
    assert 0.1 < spreads[4] and spreads[8] < 0.35, "random starts often make a difference of 0.1 or 0.2"
    wide = [fields[1, h] for h in (128, 256, 512)]
    assert all(apart(field, fields[1, 64]) for field in wide)
    assert not any(apart(a, b) for a in wide for b in wide), "128, 256, 512 are not told apart"
    one, two, three, four = (fields[l, 256] for l in (1, 2, 3, 4))
    assert not apart(one, two) and not apart(two, one)
    assert apart(one, three) and apart(two, three) and apart(three, four)
    assert 0.8 < four[2] - one[2] < 1.2, "four layers trail by about 1"
    for h in (64, 128, 256):
        sizes = [sum(p.numel() for p in torch.nn.LSTM(28, *shape).parameters()) for shape in ((2 * h, 1), (h, 3))]
        assert sizes[0] < sizes[1] < 1.25 * sizes[0], "about as many parameters, one layer has the fewer"
        assert apart(fields[1, 2 * h], fields[3, h])
    ranking = stored("03_concise_lstm", "rank-sweep")
    assert re.findall(r"told apart: +(1 x \d+) .*before (3 x \d+)", ranking) == [
        (f"1 x {2 * h}", f"3 x {h}") for h in (64, 128, 256)
    ]
    assert "not told apart: L = 1 and L = 2\n" in ranking


def test_recorded_long_text_compares_depths_at_equal_parameters_and_says_what_the_lesson_says():
    long, _ = utils.recorded("long_text", None)
    short, _ = utils.recorded("sweep", None)
    networks = sorted({tuple(row[:2]) for row in long})
    assert networks == [(1, 256), (1, 437), (2, 256), (3, 199), (4, 168)]
    sizes = {(l, h): sum(p.numel() for p in torch.nn.LSTM(28, h, l).parameters()) for l, h in networks}
    assert all(0.99 * sizes[2, 256] < sizes[l, h] <= sizes[2, 256] for l, h in networks[1:])
    assert 1 / 3 < sizes[1, 256] / sizes[2, 256] < 0.4, "little more than a third"
    narrow, one, two, three, four = (scores_of(long, *network) for network in networks)
    assert apart(one, three) and apart(one, four) and not apart(one, two) and not apart(two, one)
    assert not apart(narrow, two) and not apart(two, narrow)
    assert 0.1 < four[2] - one[2] < 0.3, "four layers trail by about 0.2"
    assert max(row[3] for row in long) + 1 < min(row[3] for row in short), "text helped more than any choice"
    assert "not told apart: 1 x 437 (816,316) and 2 x 256 (819,200)" in stored("03_concise_lstm", "long-text")


def test_what_was_chosen_is_scored_once_on_a_text_that_chose_nothing():
    """The one place of the lesson that names corpus.test; what was chosen by flatters, and texts differ."""
    cells = {cell.metadata["id"]: cell.source for cell in jupytext.read(SOURCES / "03_concise_lstm.py").cells}
    code = [name for name, source in cells.items() if "corpus.test" in source and name != "score-once-text"]
    assert code == ["score-once"]
    shown = stored("03_concise_lstm", "score-once")
    rows, _ = utils.recorded("sweep", None)
    chosen = min(rows, key=lambda row: row[3])
    l, h, seed, epoch = map(int, re.search(r"L = (\d), h = (\d+), random start (\d), .* epoch (\d+)", shown).groups())
    assert [l, h, seed, epoch] == [*chosen[:3], chosen[4]]
    held_out, first, second, test = map(float, re.findall(r"^(?:held-out|its|test) .* (\S+)$", shown, re.M)[-4:])
    assert held_out == pytest.approx(chosen[3], abs=0.15), "as when it was recorded"
    others = scores_of(rows, l, h)[1:]
    assert 0.05 < others[0] - chosen[3] and others[-1] - chosen[3] < 0.3, "one or two tenths"
    assert abs(first - second) > 0.3 and 1.5 < test - held_out < 2.3, "texts differ by themselves, and by more"


def test_recorded_starts_tell_what_each_enlarged_matrix_does():
    rows, _ = utils.recorded("starts", None)

    def of(recipe, W_xh, W_hq, column):
        found = sorted(row[column] for row in rows if row[:3] == [recipe, W_xh, W_hq])
        assert len(found) == 5
        return found

    for recipe in ("D2L", "fast"):
        neither, hq, xh, both = (of(recipe, *change, 4) for change in ((0, 0), (0, 1), (1, 0), (1, 1)))
        assert apart(both, xh) and apart(xh, hq) and apart(hq, neither), "both help most, W_xh more than W_hq"
    assert 17 < of("D2L", 0, 0, 4)[0] < of("D2L", 0, 0, 4)[-1] < 18, "D2L's is still on the plateau"
    assert 3.5 < of("fast", 0, 0, 4)[0] < of("fast", 0, 0, 4)[-1] < 4.5, "Adam alone: about 4"
    assert 1.05 < of("fast", 1, 1, 4)[0] < of("fast", 1, 1, 4)[-1] < 1.15
    heard = of("fast", 1, 0, 5) + of("fast", 1, 1, 5)
    assert 6.35 < min(heard) < max(heard) < 6.75 < 7 < min(of("fast", 0, 0, 5) + of("fast", 0, 1, 5))


def test_stored_race_is_won_in_a_fraction_of_the_time():
    small, large = (float(x) for x in re.findall(r"at most (\S+)", stored("03_concise_lstm", "whisper")))
    assert large > 100 * small, "more than a hundredfold"
    recipes = rows_of(stored("03_concise_lstm", "compare-recipes"))
    assert [epoch != "-" for _, epoch, *_ in recipes] == [True, False, True], "Adam is needed to be there in 20 epochs"
    assert 8 * float(recipes[2][2]) < float(recipes[0][2])


def test_stored_curves_say_what_the_prose_says():
    records = utils.load_run("deep_lstm").records
    plateau = exercises.EXERCISES["3.2"].expected
    assert all(abs(r.perplexity - plateau) < 1 for r in records[2:30]), "dozens of epochs on the plateau"
    assert all(r.perplexity < 1.7 for r in records[249:]) and f"{records[-1].perplexity:.1f}" == "1.0"
    assert records[-1].held_out > 28 > utils.best(records).held_out, "in the end above blind guessing"
    found = re.findall(r"(\d+) of (\d+) characters", stored("03_concise_lstm", "copied"))
    assert len(found) == 2 and all(piece == line for piece, line in found), "both lines are recited"


def test_the_rise_on_new_text_is_mostly_over_confidence():
    rows, _ = utils.recorded("too_sure", None)
    lowest, right, end, still_right, cooled = (sorted(column) for column in zip(*rows, strict=True))
    assert len(rows) == 5
    assert 0.445 < right[0] < right[-1] < 0.475 and 0.435 < still_right[0] < still_right[-1] < 0.465
    assert 6.4 < lowest[0] < lowest[-1] < 6.8 and end[0] > 21 and 7.3 < cooled[0] < cooled[-1] < 7.7
    for low, _, high, _, mended in rows:
        assert math.log(high / mended) > 0.8 * math.log(high / low), "most of the rise"
        assert mended > low, "a small rest has been unlearnt"
    shown = rows_of(stored("03_concise_lstm", "too-sure"))
    assert [float(row[1]) for row in shown] == [round(row[0], 2) for row in rows]


def test_the_longest_piece_that_stands_in_the_book_is_found(lesson, corpus, capsys):
    """The whole line, its start, its middle, its end, or a single character; the first of pieces equally long."""
    lesson.corpus = corpus
    book = "".join(corpus.vocab.to_tokens(corpus.train.tolist()))
    whole = book[500:560]
    lines = [whole, whole[:30] + "qqq", "qqq" + whole[5:45] + "zzz" + whole[:30], "zqx" + whole[20:], "qxq"]
    lesson.run = utils.Run([], lines, {})
    run_cells("03_concise_lstm", "copied", into=lesson)
    found = re.findall(r"(\d+) of (\d+) characters stand in the book in one piece: '(.*)'", capsys.readouterr().out)
    assert found == [
        (str(len(piece)), str(len(line)), piece)
        for line, piece in zip(lines, [whole, whole[:30], whole[5:45], whole[20:], "q"], strict=True)
    ]


def test_held_out_score_is_perplexity_and_temperature_changes_no_choice(lesson, corpus):
    """At temperature 1 it is utils.perplexity; the share of right guesses is that of greedy choices at any."""
    lesson.corpus, model = corpus, lesson.build_deep_lstm(enlarged=True)
    lesson.fast_recipe, lesson.training = utils.RECIPES["fast"], None
    run_cells("03_concise_lstm", "too-sure", into=lesson)
    perplexity, right = lesson.score(model)
    assert perplexity == pytest.approx(utils.perplexity(model, corpus.held_out), rel=1e-4)
    hot, still_right = lesson.score(model, tau=1e6)
    assert still_right == right and hot == pytest.approx(28, abs=0.01)
    window = corpus.held_out[:36].reshape(1, -1)
    O, _ = model(window[:, :35], model.begin_state(batch_size=1, device="cpu"))
    monkey = lesson.corpus._replace(held_out=window[0])
    lesson.corpus = monkey
    assert lesson.score(model)[1] == pytest.approx((O.argmax(1) == window[0, 1:]).double().mean().item())


def test_what_is_enlarged_is_what_is_named(lesson, corpus, monkeypatch):
    """D2L's start where neither is, the lesson's enlarged one (but for its draws) where both are."""
    lesson.corpus, started = corpus, {}

    def training(model, recipe, seed):
        started[recipe.label, seed] = {name: weights.abs().max().item() for name, weights in model.named_parameters()}
        return [RECORD]

    lesson.training = training
    run_cells("03_concise_lstm", "starts", into=lesson)
    for W_xh, W_hq in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert lesson.from_start("D2L", W_xh, W_hq, 3)[:4] == ("D2L", W_xh, W_hq, 3)
        largest = started["D2L (SGD)", 3]
        assert (largest["rnn.weight_ih_l0"] > 1, largest["linear.weight"] > 0.3) == (W_xh, W_hq)
        others = [size for name, size in largest.items() if name not in ("rnn.weight_ih_l0", "linear.weight")]
        assert max(others) <= 1 / 16


def test_what_the_exercises_expect_is_what_the_lesson_computes(lesson, corpus, capsys):
    lesson.corpus = corpus
    lesson.records = [utils.EpochRecord(e, 9.0 - e / 4, abs(e - 7) + 6.0, 1.0, 1.0) for e in range(1, 21)]
    run_cells("03_concise_lstm", *(f"solution-{number}" for number in range(1, 6)), into=lesson)
    sizes = {cell: sum(p.numel() for p in cell(28, 256, 2).parameters()) for cell in (torch.nn.GRU, torch.nn.LSTM)}
    by_other_means = {
        1: sum(p.numel() for p in torch.nn.LSTM(28, 256, 3).parameters()),
        2: 2 ** torch.distributions.Categorical(corpus.train.bincount().double()).entropy().div(math.log(2)).item(),
        3: sizes[torch.nn.GRU] / sizes[torch.nn.LSTM],
        4: 7,
        5: torch.softmax(torch.tensor([2.0, 0.0], dtype=torch.double) / 2, 0)[0].item(),
    }
    for number, value in by_other_means.items():
        solution = getattr(lesson, f"solution_{number}")
        assert solution == pytest.approx(value)
        utils.check(f"3.{number}", solution, *[lesson.records][: number == 4])
        assert capsys.readouterr().out.startswith("right, because"), number


def test_recorded_computes_and_keeps_only_what_full_asks_for(monkeypatch, tmp_path):
    (tmp_path / "assets" / "runs").mkdir(parents=True)
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    monkeypatch.setattr(runs, "RECORD", True)
    rows, about = utils.recorded("tiny", lambda: [(1, 2.5)])
    assert rows == [[1, 2.5]] and about["origin"] == "this run"
    monkeypatch.setattr(runs, "RECORD", False)
    monkeypatch.setattr(runs, "FULL", True, raising=False)  # as on a GPU: it must not matter
    rows, about = utils.recorded("tiny", None)
    assert rows == [[1, 2.5]] and about["origin"] == "recorded run"
    with pytest.raises(ValueError, match="name must be one of \\['tiny'\\], got 'none'"):
        utils.recorded("none", None)
