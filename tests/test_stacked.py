"""If this fails, a reader who builds lesson 2's networks gets other numbers than torch's, or trains them less well."""

import math
import re
import statistics
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import utils
from book.exercises import EXERCISES
from tests.support.lesson_code import run_cells, spoiled_copies
from tests.support.stored import rows_of, stored
from utils import torch

NAME = "02_stacked_from_scratch"
small = st.integers(1, 6)


@pytest.fixture(scope="module")
def lesson():
    """The names of the lesson's cells that define its networks and train them."""
    cells = (
        "rnn-cell",
        "check-cell",
        "layer-loop",
        "layer-hoisted",
        "lstm-cell",
        "check-lstm",
        "gru-cell",
        "check-gru",
    )
    cells += ("deep-rnn", "copy-weights", "results", "largest-difference", "language-model", "reach")
    lesson = run_cells(NAME, *cells, "states-of", "fresh", "clip-gradients", "train-epoch")
    lesson.math, lesson.statistics, lesson.time = math, statistics, time  # which its cells in between import
    cells = ("guess-fade", "draw-fade", "draw-fade-curves", "fade", "jacobian", "jacobian-norms", "cut-model", "lost")
    lesson = run_cells(NAME, *cells, "train", into=lesson)
    utils.seed_everything(0)
    lesson.ours = lesson.LanguageModel(lesson.DeepRNN(lesson.LSTMCell, 28, 64, 2), 64, 28)  # untrained
    return run_cells(NAME, "trace", "draw-cell", "readable", "draw-cell-figure", into=lesson)


@pytest.fixture(scope="module", params=["RNN", "GRU", "LSTM"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def Cell(lesson, name):
    """The lesson's cell of that name."""
    return getattr(lesson, f"{name}Cell")


@settings(deadline=None, max_examples=40)
@given(L=st.integers(1, 4), h=st.integers(1, 12), d=small, n=small, T=small)
def test_values_final_states_and_all_gradients_are_torchs(lesson, Cell, name, L, h, d, n, T):
    assert lesson.largest_difference(Cell, getattr(torch.nn, name), L, h, d, n, T) < 1e-10


def test_the_comparison_with_torch_notices_every_value_and_every_gradient(lesson, Cell, name, monkeypatch):
    """What the lesson prints as "largest difference" looks at each parameter: at its value, and at its gradient."""
    copy, theirs, sizes = lesson.copy_weights, getattr(torch.nn, name), {"L": 2, "h": 3, "d": 2, "n": 2, "T": 4}
    num_parameters = len(list(lesson.DeepRNN(Cell, 2, 3, 2).parameters()))

    for spoiled, copy_and_spoil in spoiled_copies(copy, num_parameters):
        monkeypatch.setattr(lesson, "copy_weights", copy_and_spoil)
        assert lesson.largest_difference(Cell, theirs, **sizes) > 1e-6, spoiled


@settings(deadline=None, max_examples=20)
@given(h=small, d=small, n=small, T=small)
def test_hoisted_form_is_the_loop_form(lesson, Cell, h, d, n, T):
    cell, X = Cell(d, h).double(), torch.randn(T, n, d).double()
    state = tuple(torch.randn(n, h).double() for _ in range(Cell.num_states))
    (H, final), (fast_H, fast_final) = (getattr(lesson, f)(cell, X, state) for f in ("run_layer_loop", "run_layer"))
    for slow, fast in zip((H, *final), (fast_H, *fast_final), strict=True):
        torch.testing.assert_close(slow, fast, rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=20)
@given(L=st.integers(1, 3), n=st.integers(2, 5), T=st.integers(2, 8), data=st.data())
def test_carried_state_continues_every_row_of_the_minibatch(lesson, Cell, L, n, T, data):
    """Cutting the time steps in two changes nothing if the state is carried, and no row sees another row's state."""
    rnn, X = lesson.DeepRNN(Cell, 3, 5, L).double(), torch.randn(T, n, 3).double()
    cut, row = data.draw(st.integers(1, T - 1)), data.draw(st.integers(0, n - 1))
    whole, final = rnn(X)
    first, state = rnn(X[:cut])
    second, carried = rnn(X[cut:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-12)
    for a, b in zip(carried, final, strict=True):
        assert a.shape == (L, n, 5)
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    alone, _ = rnn(X[cut:, row : row + 1], tuple(s[:, row : row + 1] for s in state))
    torch.testing.assert_close(alone, whole[cut:, row : row + 1], rtol=0, atol=1e-12)


def test_no_output_depends_on_a_later_input(lesson, Cell):
    rnn, X = lesson.DeepRNN(Cell, 3, 5, 2), torch.randn(7, 4, 3)
    changed = X.clone()
    changed[4] += 1
    before, after = rnn(X)[0], rnn(changed)[0]
    assert torch.equal(before[:4], after[:4]) and not (before[4:] == after[4:]).any()


def test_detach_hands_over_the_value_and_stops_the_gradient(lesson, Cell):
    (loss, norms), (detached_loss, detached) = (lesson.reach(Cell, 2, detach) for detach in (False, True))
    assert loss == detached_loss
    assert (norms > 0).all()
    assert (detached[:15] == 0).all()
    torch.testing.assert_close(detached[15:], norms[15:])


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=6), st.floats(0.1, 50))
def test_clipping_is_torchs_and_keeps_the_direction(lesson, values, theta):
    ours, theirs = ([torch.nn.Parameter(torch.zeros(())) for _ in values] for _ in range(2))
    for p, q, value in zip(ours, theirs, values, strict=True):
        p.grad, q.grad = torch.tensor(value), torch.tensor(value)
    before, after = lesson.clip_gradients(ours, theta)
    torch.nn.utils.clip_grad_norm_(theirs, theta)
    assert before == pytest.approx(math.hypot(*values), rel=1e-5, abs=1e-18)  # smaller ones, squared, are 0 in float32
    assert after <= theta * (1 + 1e-5)
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-6)


@pytest.fixture
def twins(lesson, corpus):
    """Two small language models of the lesson with the same weights."""
    models, q = [], len(corpus.vocab)
    for _ in range(2):
        utils.seed_everything(0)
        models.append(lesson.LanguageModel(lesson.DeepRNN(lesson.LSTMCell, q, 16, 2), 16, q))
    return models


def test_the_lessons_training_loop_is_fit(lesson, corpus, twins):
    """Two epochs from one start: the loop that the reader writes, and utils.fit, which the other lessons use."""
    updater, batches, own = torch.optim.SGD(twins[0].parameters(), lr=1), utils.Batches(corpus.train), []
    for _ in range(2):
        steps = list(lesson.train_epoch(twins[0], batches, updater, 0.1))
        assert all(after <= 0.1 * (1 + 1e-5) <= before for _, before, after in steps)
        own.append(math.exp(statistics.mean(loss for loss, _, _ in steps)))
    theirs = list(utils.fit(twins[1], utils.Batches(corpus.train), lr=1, num_epochs=2, clip=0.1))
    assert own == pytest.approx([r.perplexity for r in theirs], rel=1e-5)
    for p, q in zip(*(model.parameters() for model in twins), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)


def test_the_lessons_records_are_those_of_fit(lesson, corpus, twins):
    options = {"lr": 0.01, "num_epochs": 1, "optimizer": "adam", "held_out": corpus.held_out}
    (own,), (theirs,) = lesson.train(twins[0], 1), utils.fit(twins[1], utils.Batches(corpus.train), **options)
    assert own[:3] == pytest.approx(theirs[:3], rel=1e-5)
    assert own.tokens_per_sec * own.seconds == pytest.approx(theirs.tokens_per_sec * theirs.seconds)


# ---- what its prose claims


def test_where_the_gradient_fades_and_which_knob_changes_it(lesson):
    """Each claim from five starts that do not overlap with the others', and by what the page shows."""
    back, down = ({name: (min(v), max(v)) for name, v in found.items()} for found in (lesson.backs, lesson.downs))
    for name in ("RNN", "GRU", "LSTM"):
        assert 0.5 < back[name][0] < back[name][1] < 0.65, "about 0.6 per step, whatever the cell"
    assert 0.78 < back["LSTM, bias +1"][0] < back["LSTM, bias +1"][1] < 0.85
    assert 0.95 < back["LSTM, bias +3"][0] < back["LSTM, bias +3"][1] < 1.03, "next to nothing is lost"
    assert 0.82 < back["RNN, orthogonal"][0] < back["RNN, orthogonal"][1] < 0.92
    assert 0.5 < down["RNN"][0] < down["RNN"][1] < 0.6 and 0.25 < down["GRU"][0] < down["GRU"][1] < 0.33
    for name in ("LSTM", "LSTM, bias +1", "LSTM, bias +3"):
        assert 0.12 < down[name][0] < down[name][1] < 0.16, "no knob for t helps along l"
    assert down["RNN, orthogonal"][1] < down["RNN"][1]
    assert 0.9 < down["LSTM, residual"][0] and 0.8 < down["LSTM, layer norm"][0]
    assert back["LSTM, residual"][1] < 0.65 and back["LSTM, layer norm"][1] < 0.75, "little along t"
    shown = stored(NAME, "fade")
    pairs = [("RNN, orthogonal", "RNN"), ("LSTM", "RNN"), ("LSTM, bias +1", "LSTM"), ("LSTM, bias +3", "LSTM")]
    for better, worse in (*pairs, ("LSTM, residual", "LSTM"), ("LSTM, layer norm", "LSTM")):
        assert re.search(rf"^told apart:.*{re.escape(better)} before {worse}(;|$)", shown, re.MULTILINE), better
    assert [row[0] for row in rows_of(shown)] == list(lesson.starts)


def test_a_gradient_map_is_what_finite_differences_say(lesson, Cell, name):
    """The state at (l, t) moved a little, and the rest computed anew: the loss moves as the map says."""
    rnn, X = lesson.fresh(name, 2, h=4).double(), torch.randn(5, 1, 28).double()
    H, states = lesson.states_of(rnn, X)
    torch.testing.assert_close(H, rnn(X)[0])
    weights = torch.randn(4).double()
    norms = lesson.gradient_map((H[-1] @ weights).sum(), states)
    gradient, epsilon = [], 1e-6
    for i in range(4):  # layer 1 at t = 3: from there to the end once more
        state = tuple(s.detach().clone() for s in states[0][2])
        state[0][0, i] += epsilon
        below = torch.stack([s[0] for s in states[0][:2]] + [state[0]])
        rest, _ = lesson.run_layer(rnn.cells[0], X[3:], state)
        top, _ = lesson.run_layer(
            rnn.cells[1], torch.cat([below, rest]), (torch.zeros(1, 4).double(),) * Cell.num_states
        )
        gradient.append((((top[-1] - H[-1]) @ weights).sum() / epsilon).item())
    if Cell.num_states == 1:
        assert norms[0, 2].item() == pytest.approx(math.hypot(*gradient), rel=1e-3)
    else:
        assert norms[0, 2].item() > 0.999 * math.hypot(*gradient), "and C's share"
    assert norms.shape == (2, 5)


def test_residual_and_layer_norm_do_what_they_say(lesson):
    rnn, X = lesson.fresh("RNN", 3, h=6), torch.randn(4, 2, 28)
    H, states = lesson.states_of(rnn, X, residual=True)
    torch.testing.assert_close(H, sum(torch.stack([s[0] for s in row]) for row in states))
    H, _ = lesson.states_of(rnn, X, norm=True)
    torch.testing.assert_close(H.mean(2), torch.zeros(4, 2), rtol=0, atol=1e-5)
    torch.testing.assert_close(H.var(2, unbiased=False), torch.ones(4, 2), rtol=0, atol=1e-2)


def test_factors_are_the_mean_ones_per_step_and_per_layer(lesson):
    norms = torch.tensor([[0.5 ** (2 - l) * 0.8 ** (29 - t) for t in range(30)] for l in range(3)])
    assert lesson.factors(norms) == pytest.approx((0.8, 0.5), rel=1e-4)


def test_fresh_networks_start_as_they_say(lesson):
    for block in lesson.fresh("GRU", 1, orthogonal=True, h=8).cells[0].W_hh.split(8, dim=1):
        torch.testing.assert_close(block @ block.T, torch.eye(8), rtol=0, atol=1e-5)
    plain, opened = (lesson.fresh("LSTM", 1, bias, h=8).cells[0] for bias in (0, 50))
    torch.testing.assert_close(opened.b_h - plain.b_h, torch.tensor([0.0, 50.0, 0.0, 0.0]).repeat_interleave(8))
    A = torch.zeros(1, 32)
    shut = 100 * torch.tensor([1.0, 0, 0, 0]).repeat_interleave(8)
    kept = opened.step(A + opened.b_h - shut, (A[:, :8], A[:, :8] + 7))
    torch.testing.assert_close(kept[1], A[:, :8] + 7)  # forget gates open, input gates shut: the memory stays


def test_the_jacobians_norms_are_numpys_and_the_radius_tells_what_the_bound_does_not(lesson):
    rows = rows_of(stored(NAME, "jacobian-norms"))
    found = {(name, int(k)): [float(x) for x in (radius, *numbers)] for name, radius, k, *numbers in rows}
    for name in ("fresh", "orthogonal", "2.5 × fresh"):
        for k in (1, 5, 20):
            radius, product, bound, power = found[name, k]
            assert product <= bound * 1.1 and power == pytest.approx(radius**k, rel=0.6)
    radius, product, bound, _ = found["fresh", 20]
    assert abs(radius - 3**-0.5) < 0.03 and product < 1e-3 and bound > 1, "it fades though each norm is above 1"
    assert found["2.5 × fresh", 20][1] > 2 and found["orthogonal", 20][0] == 1
    J, W, H = lesson.jacobians([torch.zeros(1, 2), torch.tensor([[0.5, 0.0]])], [torch.eye(2) * 3])[0], 3, 0.5
    torch.testing.assert_close(J, torch.tensor([[W * (1 - H**2), 0.0], [0.0, W]]))
    assert lesson.norm(torch.diag(torch.tensor([2.0, -5.0]))) == pytest.approx(5)


def drawn(figure):
    """{label: (x, y)} of a figure's curves."""
    return {line.get_label(): line.get_data() for line in figure.axes[0].lines if not line.get_label().startswith("_")}


def test_earlier_curves_stay_until_keep_is_off(lesson):
    lesson.earlier.clear()
    lesson.draw_fade("LSTM", 2, 3, False, False, False, True)
    lesson.draw_fade("GRU", 2, 3, False, False, False, True)
    figure = lesson.draw_fade("LSTM", 2, 0, True, False, True, True)
    names = ["2 × LSTM, orthogonal,\nlayer norm", "2 × GRU", "2 × LSTM, bias +3"]
    assert list(drawn(figure)) == names, "the GRU has no forget gate"
    shares = lesson.maps["LSTM", 2, 0, True, False, True]
    curve = torch.as_tensor(drawn(figure)[names[0]][1])
    torch.testing.assert_close(10.0 ** curve.float(), shares[-1] / shares[-1, -1])
    again = lesson.draw_fade("GRU", 2, 0, False, False, False, True)
    assert list(drawn(again)) == [names[1], names[0], names[2]]
    assert list(drawn(lesson.draw_fade("RNN", 1, 0, False, True, False, False))) == ["1 × RNN, residual"]
    assert lesson.earlier == [] and len(lesson.maps) == (1 + 1 + 3) * 4 * 8


def test_recorded_trainings_mend_the_fading_along_the_layers_only():
    rows = {(cell, epoch): (back, down) for cell, epoch, back, down in rows_of(stored(NAME, "fade-trained"))}
    ends = {key: [tuple(map(float, x.split(" to "))) for x in row] for key, row in rows.items()}
    for cell in ("RNN", "GRU", "LSTM"):
        assert ends[cell, "8"][1][0] > 1.2 * ends[cell, "0"][1][1] and ends[cell, "8"][1][0] > 0.4, "along l"
    assert ends["GRU", "8"][0][0] > 0.9 and ends["RNN", "8"][0][1] < ends["RNN", "0"][0][0]
    assert 0.54 < ends["LSTM", "8"][0][0] < ends["LSTM", "8"][0][1] < 0.66, "stays near 0.6"
    assert "recorded run" in stored(NAME, "fade-trained")


# ---- the trained cell, step by step


def test_trace_is_the_network_at_every_step(lesson):
    X = torch.randn(6, 3, 28)
    layers, (H, state) = lesson.trace(lesson.ours.rnn, X), lesson.ours.rnn(X)
    torch.testing.assert_close(layers[1]["H"], H)
    for l, layer in enumerate(layers):
        I, F, O, G, C, H = (layer[letter] for letter in "IFOGCH")
        before = torch.cat([torch.zeros_like(C[:1]), C[:-1]])
        torch.testing.assert_close(C, F * before + I * G)
        torch.testing.assert_close(H, O * C.tanh())
        torch.testing.assert_close((H[-1], C[-1]), tuple(s[l] for s in state))


@pytest.mark.parametrize("step", [1, 6, 40])
def test_the_cells_table_is_what_the_trace_says_and_counts_up(lesson, step):
    line, edited = "the time traveller", "The tame traveller"
    figure, table = lesson.draw_cell(line, edited, step, 2, 5)
    (name, *numbers, sums, shown), (other, *_) = rows_of(table.data)[-2:]
    assert (name, other) == ("edited", "line")
    I, F, O, G, old = map(float, numbers)
    C = float(sums.rpartition("= ")[2])
    assert C == pytest.approx(F * old + I * G, abs=0.02)
    assert float(shown.rpartition("= ")[2]) == pytest.approx(O * math.tanh(C), abs=0.02)
    t = min(step, len(edited)) - 1
    ids = torch.tensor([lesson.corpus.vocab[list(edited.lower())]])
    values = lesson.trace(lesson.ours.rnn, lesson.one_hot(ids.T, 28).float())[1]
    assert I == pytest.approx(values["I"][t, 0, 4].item(), abs=0.006)
    letters = [text for text in figure.axes[0].texts if text.get_family() == ["monospace"]]
    assert "".join(text.get_text() for text in letters) == edited.lower()
    assert [i for i, text in enumerate(letters) if text.get_color() == utils.VERMILION] == [5], "the edited letter"


@pytest.mark.parametrize("text", ["", "naïve", "a" * 41, "?!", "100", "我饿了", "the 我", "ＡＢ１"])
def test_what_the_network_cannot_read_is_refused_with_a_sentence(lesson, text):
    for name, typed in (("first_line", (text, "the")), ("edited_line", ("the", text))):
        with pytest.raises(ValueError, match=f"{name} must be 1 to 40 letters a to z and spaces") as refused:
            lesson.draw_cell(*typed, 1, 1, 1)
        assert refused.value.name == name, "so that the message stands with the words on its control"
    lesson.draw_cell("a", " the longer one ", 40, 1, 64)


@pytest.mark.parametrize("text", ["The Traveller's", "the traveller’s!", " the  traveller_s", "ＴＨＥ　traveller，s。"])
def test_signs_and_forms_of_letters_are_cleaned_as_the_books_text_was(lesson, text):
    assert lesson.readable("line", text) == "the traveller s" == utils.clean("The Traveller's")[0]


@pytest.mark.parametrize("steps_back", [1, 3, 9])
def test_cut_model_changes_no_score_and_cuts_the_gradient_where_it_says(lesson, steps_back):
    tokens, grads = torch.randint(0, 28, (2, 9), generator=torch.Generator().manual_seed(0)), []
    for Model in (lesson.LanguageModel, lesson.CutModel):
        utils.seed_everything(0)
        model = Model(lesson.DeepRNN(lesson.RNNCell, 28, 8, 2), 8, 28)
        model.steps_back = steps_back
        model.rnn.cells[0].W_xh.register_hook(grads.append)
        scores, state = model(tokens)
        scores[-2:].square().sum().backward()  # the last step's, of both rows
        read = (grads[-1].abs().sum(1) > 0).nonzero().flatten().tolist()
        steps = 9 if Model is lesson.LanguageModel else steps_back
        assert read == sorted(set(tokens[:, 9 - steps :].flatten().tolist()))
        grads.append(scores.detach())
        grads.append(state[0].detach())
    for own, cut in zip(grads[1:3], grads[4:6], strict=True):
        torch.testing.assert_close(own, cut)


def test_control_trains_the_network_whose_norms_are_shown(lesson, corpus):
    for theta in (None, 0.5):
        utils.seed_everything(0)
        network = lesson.LanguageModel(lesson.DeepRNN(lesson.RNNCell, 28, 128, 2), 128, 28)
        updater = torch.optim.SGD(network.parameters(), 1)
        *_, (loss, _, _) = lesson.train_epoch(network, utils.Batches(corpus.train), updater, theta or math.inf)
        assert lesson.last_loss(1, 35, theta, 0, num_epochs=1) == pytest.approx(loss, rel=1e-4)


def test_a_single_step_ruins_trainings_too_and_a_smaller_one_does_not(lesson):
    """Recorded: how many of 16 starts end worse than blind guessing."""
    lost = {}
    for lr, steps_back, theta, _, loss in lesson.recorded_rows:
        lost.setdefault((lr, steps_back, theta), []).append(not loss < math.log(28))
    assert all(len(starts) == 16 for starts in lost.values())
    lost = {setting: sum(starts) for setting, starts in lost.items()}
    assert lost[2, 35, None] > 12 and 2 <= lost[2, 1, None] < 12
    assert lost[1, 35, None] == lost[1, 1, None] == lost[2, 35, 0.5] == 0
    many, few = lost[2, 35, None], lost[2, 1, None]  # Fisher's exact test: many time steps make it more frequent
    ways = sum(math.comb(16, n) * math.comb(16, many + few - n) for n in range(many, min(16, many + few) + 1))
    assert ways / math.comb(32, many + few) < 0.025
    shown = {tuple(row[:3]): row[3] for row in rows_of(stored(NAME, "lost"))}
    assert shown == {(str(a), str(b), str(c or "no clipping")): f"{n} of 16" for (a, b, c), n in lost.items()}
    assert "recorded run" in stored(NAME, "lost")


def test_clipping_saves_the_training_and_the_large_norm_is_the_output_layers():
    norms = stored(NAME, "watch-norms")
    clipped, free = (float(x) for x in re.findall(r"at first, (\S+) at the end", norms))
    assert clipped < 17 < 28 < free, "17 is what the letters' frequencies alone give"
    found = re.findall(
        r"(\d+)% of the states.*?output layer ([\d.]+), recurrent layers ([\d.]+)", stored(NAME, "saturated")
    )
    (share, output, below), (free_share, free_output, free_below) = ([float(x) for x in line] for line in found)
    assert share < 10 and free_share > 90, "without clipping, tanh is saturated"
    assert below > output and free_output > 3 * free_below


def test_saturated_are_the_states_beyond_099(lesson, capsys):
    """3 of 4 states of a stand-in are; and each part's norm is that of its own gradients."""

    W_hq, b_q, w = (torch.nn.Parameter(torch.zeros(1)) for _ in range(3))

    class Layers:
        parameters = staticmethod(lambda: [w])

        def __call__(self, X):
            return torch.tensor([-0.995, 0.991, 1.0, 0.985]), None

    class StandIn(SimpleNamespace):
        zero_grad = staticmethod(lambda: None)

        def __call__(self, X):
            return 3 * W_hq + 4 * b_q + 12 * w, None

    network, before = StandIn(rnn=Layers(), W_hq=W_hq, b_q=b_q), lesson.cross_entropy
    lesson.networks, lesson.cross_entropy = {"1": network}, lambda O, Y: O.sum()
    try:
        run_cells(NAME, "saturated", into=lesson)
    finally:
        lesson.cross_entropy = before
    said = capsys.readouterr().out
    assert "75% of the states" in said and "output layer 5.00, recurrent layers 12.00" in said


def test_race_ends_where_torchs_does_and_most_is_saved_on_the_way_back():
    ours, theirs = rows_of(stored(NAME, "race-result"))
    assert ours[1:4] == theirs[1:4]
    forms = [[float(x) for x in (n, there, back)] for n, _, there, back, _ in rows_of(stored(NAME, "guess-speed"))]
    gains = {}
    for loop, hoisted, _ in (forms[:3], forms[3:]):
        assert loop[2] - hoisted[2] > loop[1] - hoisted[1], "most of what hoisting saves, it saves backward"
        gains[loop[0]] = sum(loop[1:]) / sum(hoisted[1:])
    assert gains[4] > gains[32] > 1, "it weighs most with few sequences"


def test_both_write_the_same_and_only_known_letters():
    lines = [line.split(" | ") for line in stored(NAME, "write").splitlines()]
    (ours, _), (theirs, _) = lines
    assert ours == theirs and ours.startswith("time traveller") and set(ours) <= set("abcdefghijklmnopqrstuvwxyz ")


@pytest.mark.alone
def test_hoisting_pays_with_few_sequences_and_most_of_it_backward(lesson):
    run_cells(NAME, "speed", into=lesson)
    turns = torch.tensor([[lesson.timed(form, 4) for form in lesson.forms.values()] for _ in range(10)])
    loop, hoisted, _ = turns[1:].median(dim=0).values
    assert loop.sum() > 1.2 * hoisted.sum()
    saved = loop - hoisted
    assert saved[1] > saved[0]


# ---- its exercises: what is expected is what the lesson's own code gives


def test_exercise_1_counts_products(lesson):
    products = []

    class CountingCell(lesson.RNNCell):
        def project(self, X):
            products.append("X W_xh")
            return super().project(X)

        def step(self, A, state):
            products.append("H W_hh")
            return super().step(A, state)

    lesson.DeepRNN(CountingCell, 28, 64, num_layers=2)(torch.randn(35, 4, 28))
    assert len(products) == EXERCISES["2.1"].expected


def test_exercise_2_clips(lesson):
    a, b = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    (3 * a + 4 * b).backward()
    lesson.clip_gradients([a, b], theta=1.0)
    assert a.grad.item() == pytest.approx(EXERCISES["2.2"].expected)


def test_exercise_3_counts_parameters(lesson):
    networks = torch.nn.LSTM(28, 64, 2), lesson.DeepRNN(lesson.LSTMCell, 28, 64, 2)
    theirs, ours = (sum(p.numel() for p in network.parameters()) for network in networks)
    assert theirs - ours == EXERCISES["2.3"].expected


def test_exercise_4_keeps_a_memory(lesson):
    A = torch.tensor([[-100.0, math.log(0.9 / 0.1), 0.0, 0.0]])  # sigmoid gives I = 0 and F = 0.9
    cell, state = lesson.LSTMCell(1, 1), (torch.zeros(1, 1), torch.ones(1, 1))
    cell.W_hh.data.zero_()
    for _ in range(20):
        state = cell.step(A, state)
    assert state[1].item() == pytest.approx(EXERCISES["2.4"].expected, rel=1e-4)


def test_exercise_5_counts_gradients(lesson):
    counts = []
    for detach in (True, False):
        rnn = lesson.DeepRNN(lesson.LSTMCell, 4, 8, 1).double()
        X = torch.randn(30, 2, 4).double().requires_grad_()
        _, state = rnn(X[:15])
        H, _ = rnn(X[15:], tuple(s.detach() for s in state) if detach else state)
        H[9].sum().backward()
        counts.append(int((X.grad.abs().sum(dim=(1, 2)) > 0).sum()))
    assert tuple(counts) == EXERCISES["2.5"].expected
