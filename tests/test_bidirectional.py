"""If this fails, lesson 5 tells a reader the wrong layout, cost or use of two directions."""

import math
import re

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

import utils
from book.exercises import EXERCISES
from tests.support.lesson_code import SOURCES, run_cells, spoiled_copies
from tests.support.stored import NOTEBOOKS, rows_of, stored
from utils import torch

nn, NAME = torch.nn, "05_bidirectional_rnn"
small = st.integers(1, 6)


@pytest.fixture(scope="module")
def lesson():
    """The names of the lesson's cells, with small untrained networks in its pictures, not trained ones."""
    cells = ("directions", "backward-loop", "flip", "check-flip", "bug", "bi-rnn", "copy-weights", "run-both")
    cells += ("largest-difference", "draw-direction", "draw-layout", "cost-tools", "bytes-kept", "chain")
    cells += ("draw-chains", "fill-data", "fill-in", "fill-check", "centre-scores", "train-fill-in", "apart", "masked")
    cells += ("train-two-way", "tag-data", "check-tags", "tagger", "tag-scores", "late-tagger", "encode-tools")
    cells += ("train-encoder", "flip-within", "padded-rnn", "mistakes", "padding-test")
    lesson = run_cells(NAME, *cells)
    lesson.fillers = {name: lesson.FillIn(4, name == "bidirectional") for name in ("unidirectional", "bidirectional")}
    lesson.taggers = {name: lesson.Tagger(4, name == "bidirectional") for name in lesson.fillers}
    lesson.half, lesson.both_ways = 4, lesson.taggers["bidirectional"]
    lesson.two_way = {"joined": lesson.FillIn(5, True, 2), "apart": lesson.Apart(5, 2)}
    lesson.late_taggers = {k: lesson.LateTagger(4, k) for k in (1, 2, 3)}
    cells = (
        "fill-runs",
        "draw-blank",
        "explore-blank",
        "small-language",
        "small-answers",
        "two-way-states",
        "two-way-answers",
        "draw-two-ways",
        "wrong-in-windows",
    )
    cells += ("train-tagger", "draw-ends", "late-runs", "draw-late", "explore-layout", "draw-stream")
    return run_cells(NAME, *cells, into=lesson)


@pytest.fixture(scope="module", params=["RNN", "GRU", "LSTM"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def Cell(name):
    """PyTorch's cell of that name."""
    return getattr(nn, f"{name}Cell")


@pytest.fixture(scope="module")
def their_class(name):
    """PyTorch's layers of such cells."""
    return getattr(nn, name)


def tensors(state):
    """A state as a tuple of tensors: an LSTM's has two, the others' one."""
    return state if isinstance(state, tuple) else (state,)


# ------------------------------------------------------------------------------------- two directions and a stack


@settings(deadline=None, max_examples=30)
@given(L=st.integers(1, 4), h=st.integers(1, 8), d=small, n=small, T=small)
def test_values_final_states_and_all_gradients_are_torchs(lesson, Cell, their_class, L, h, d, n, T):
    assert lesson.largest_difference(Cell, their_class, L, h, d, n, T) < 1e-10


def test_every_parameter_has_its_twin(lesson, Cell, their_class):
    """Nothing is left out of the comparison above: each of torch's parameters stands in exactly one pair."""
    theirs, ours = their_class(3, 4, 3, bidirectional=True), lesson.BiRNN(Cell, 3, 4, 4, 3)
    names = [lesson.their_name(name) for name, _ in ours.named_parameters()]
    assert sorted(names) == sorted(name for name, _ in theirs.named_parameters())


def test_the_comparison_with_torch_notices_every_value_and_every_gradient(lesson, Cell, their_class, monkeypatch):
    """What the lesson prints as "largest difference" looks at each parameter: at its value, and at its gradient."""
    copy, num_parameters = lesson.copy_weights, len(list(lesson.BiRNN(Cell, 2, 3, 3, 2).parameters()))

    for name, copy_and_spoil in spoiled_copies(copy, num_parameters):
        monkeypatch.setattr(lesson, "copy_weights", copy_and_spoil)
        assert lesson.largest_difference(Cell, their_class, L=2, h=3, d=2, n=2, T=4) > 1e-6, name


@settings(deadline=None, max_examples=20)
@given(h=small, d=small, n=small, T=small, data=st.data())
def test_two_flips_are_the_loop_from_the_end(lesson, Cell, their_class, h, d, n, T, data):
    cell, X = Cell(d, h).double(), torch.randn(T, n, d).double()
    state = tuple(torch.randn(n, h).double() for _ in range(2 if Cell is nn.LSTMCell else 1))
    state = data.draw(st.sampled_from([None, state if len(state) == 2 else state[0]]))
    (H, final), (fast_H, fast_final) = (run(cell, X, state) for run in (lesson.run_backward_loop, lesson.run_backward))
    torch.testing.assert_close(fast_H, H, rtol=0, atol=1e-12)
    for a, b in zip(tensors(final), tensors(fast_final), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    assert torch.equal(fast_H[0], tensors(fast_final)[0]), "the backward direction ends at t = 1"


@settings(deadline=None, max_examples=30)
@given(T=st.integers(1, 9), data=st.data())
def test_a_state_knows_its_own_side_only(lesson, T, data):
    t, cell, X = data.draw(st.integers(1, T)), nn.GRUCell(3, 4).double(), torch.randn(T, 2, 3).double()
    expected = {
        lesson.run_forward: range(t, T + 1),
        lesson.run_backward: range(1, t + 1),
        lesson.forgotten_flip: range(T + 1 - t, T + 1),  # the bug that this test finds
    }
    for run, steps in expected.items():
        assert lesson.steps_that_move(run, cell, X, t) == list(steps), run.__name__


@settings(deadline=None, max_examples=20)
@given(L=st.integers(1, 3), h_f=small, h_b=small, d=small, n=small, T=small)
def test_directions_of_different_size(lesson, Cell, their_class, L, h_f, h_b, d, n, T):
    """Each layer is one torch layer that reads forward and another that reads the flipped input, side by side."""
    ours, H = lesson.BiRNN(Cell, d, h_f, h_b, L).double(), torch.randn(T, n, d).double()
    result, finals = ours(H)
    assert result.shape == (T, n, h_f + h_b) and len(finals) == 2 * L
    for l in range(L):
        halves = []
        for k, cells in enumerate((ours.forward_cells, ours.backward_cells)):
            theirs = their_class(H.shape[-1], (h_f, h_b)[k]).double()
            theirs.load_state_dict({f"{name}_l0": p for name, p in cells[l].state_dict().items()})
            states, final = theirs(H.flip(0) if k else H)
            halves.append(states.flip(0) if k else states)
            for a, b in zip(tensors(final), tensors(finals[2 * l + k]), strict=True):
                torch.testing.assert_close(a[0], b, rtol=0, atol=1e-12)
        H = torch.cat(halves, dim=-1)
    torch.testing.assert_close(result, H, rtol=0, atol=1e-12)


# ---------------------------------------------------------------------------------------------- torch's own layout


@settings(deadline=None, max_examples=20)
@given(L=st.integers(1, 4), h=small, n=small, T=st.integers(2, 6))
def test_layout_of_output_and_final_states(Cell, their_class, L, h, n, T):
    """As the lesson tells it, found without our code: a direction whose weights are zero writes zeros."""
    X = torch.randn(T, n, 3)
    for l in range(1, L + 1):
        for k, suffix in enumerate(("", "_reverse")):
            layers = their_class(3, h, L, bidirectional=True)
            for name, parameter in layers.named_parameters():
                if name.endswith(f"_l{l - 1}{suffix}"):
                    nn.init.zeros_(parameter)
            output, state = layers(X)
            for s in tensors(state):
                assert s.shape == (2 * L, n, h)
                assert [i for i in range(2 * L) if not s[i].any()] == [2 * (l - 1) + k]
            h_n = tensors(state)[0]
            halves = output[..., :h], output[..., h:]
            assert [not half.any() for half in halves] == [l == L and k == 0, l == L and k == 1]
            assert torch.equal(h_n[-2], halves[0][-1]) and torch.equal(h_n[-1], halves[1][0])
            assert torch.equal(h_n.reshape(L, 2, n, h)[l - 1, k], h_n[2 * (l - 1) + k])


def test_layout_picture_fills_the_slice_that_it_names(lesson):
    for layers, layer, direction in ((1, 1, "forward"), (3, 2, "backward"), (3, 3, "backward"), (2, 2, "forward")):
        (ax,) = lesson.draw_layout(layers, layer, direction).axes
        places = [tuple(place) for row in ax.collections for place in row.get_offsets().tolist()]
        fills = [to_hex(colour) for row in ax.collections for colour in row.get_facecolors()]
        steps = {text.get_position(): text.get_text() for text in ax.texts}
        ((place, fill),) = [pair for pair in zip(places, fills, strict=True) if pair[1] != "#ffffff"]
        assert fill == lesson.DIRECTIONS[direction]
        assert place[0] == (6 if direction == "forward" else 1)
        assert steps[place] == "6", "a final state has made all T steps"
        assert len(places) == 2 * layers * 6 and all("1" <= steps[place] <= "6" for place in places)
        index = 2 * (layer - 1) + (direction == "backward")
        title = ax.texts[-1].get_text()
        assert title.startswith(f"h_n[{index}]") and ("not in output" in title) == (layer < layers)
    titles = [lesson.draw_layout(2, layer, "forward").axes[0].texts[-1].get_text() for layer in (2, 3)]
    assert titles[0] == titles[1], "a layer above the last one is the last one"


# ------------------------------------------------------------------------------------------------------------- cost


def longest_path(tensor):
    """The most tanh's on any path through the autograd graph of a tensor; a plain RNN makes one per step."""
    length, stack = {}, [tensor.grad_fn]
    while stack:
        node = stack[-1]
        before = [parent for parent, _ in node.next_functions if parent is not None]
        if missing := [parent for parent in before if parent not in length]:
            stack += missing
        else:
            length[node] = max([0, *(length[p] for p in before)]) + (node.name() == "TanhBackward0")
            stack.pop()
    return length[tensor.grad_fn]


def states_by_hand(L, T, bidirectional):
    """The last layer's states at t = 1, ..., T, each a tensor of its own: a stacked one would join all paths."""
    H = [torch.randn(1, 2, requires_grad=True) for _ in range(T)]
    for _ in range(L):
        halves = []
        for step in (1, -1)[: 1 + bidirectional]:
            cell, state, half = nn.RNNCell(H[0].shape[1], 2), None, []
            for H_t in H[::step]:
                state = cell(H_t, state)
                half.append(state)
            halves.append(half[::step])
        H = [torch.cat(states, dim=1) for states in zip(*halves, strict=True)]
    return H


@settings(deadline=None, max_examples=15)
@given(L=st.integers(1, 4), T=st.integers(1, 9))
def test_chains_are_those_of_the_autograd_graph(lesson, L, T):
    bidirectional, unidirectional = (lesson.chains(L, T, b).tolist() for b in (True, False))
    assert [longest_path(H_t) for H_t in states_by_hand(L, T, True)] == bidirectional
    assert [longest_path(H_t) for H_t in states_by_hand(L, T, False)] == unidirectional
    assert bidirectional == [(L - 1) * T + max(t, T + 1 - t) for t in range(1, T + 1)]
    assert max(bidirectional) == L * T and max(unidirectional) == T + L - 1


def test_chain_picture_says_the_longest(lesson):
    (ax,) = lesson.draw_chains(3, 20).axes
    assert [line.get_label() for line in ax.lines] == ["bidirectional: at most 60", "unidirectional: at most 22"]


def test_bytes_kept_counts_each_intermediate_result_once(lesson):
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.W = nn.Parameter(torch.randn(8, 8))

        def forward(self, X):
            H = X @ self.W  # keeps X and W, which are given
            return (torch.tanh(H) * torch.tanh(H)).exp(), None  # keeps two tanh's (each used twice) and one exp

    assert lesson.bytes_kept(Chain(), torch.randn(5, 8)) == 3 * 5 * 8 * 4


def test_cost_at_equal_h_doubles_and_at_equal_parameters_follows_the_states(lesson):
    X, size_for, num_parameters = torch.randn(9, 4, 32), lesson.size_for, lesson.num_parameters
    one, both = nn.GRU(32, 32), nn.GRU(32, 32, bidirectional=True)
    k = size_for(lambda k: nn.GRU(32, k, bidirectional=True), num_parameters(one))
    counts = [num_parameters(nn.GRU(32, size, bidirectional=True)) for size in (k, k + 1)]
    assert counts[0] <= num_parameters(one) < counts[1]
    assert num_parameters(both) == 2 * num_parameters(one)
    smaller = nn.GRU(32, k, bidirectional=True)
    kept = [lesson.bytes_kept(network, X) for network in (one, both, smaller)]
    assert kept[1] / kept[0] == pytest.approx(2, rel=0.02)
    assert kept[2] / kept[0] == pytest.approx(2 * k / 32, rel=0.02)
    assert kept[2] > 1.1 * kept[0]


# ------------------------------------------------------------------------------------------------ fill in the blank


@pytest.mark.parametrize("bidirectional", [False, True])
@settings(deadline=None, max_examples=25)
@given(T=st.integers(2, 6), data=st.data())
def test_the_blank_is_read_from_the_sides_that_there_are(lesson, bidirectional, T, data):
    """The hidden character moves nothing; the left side moves both networks, the right side only one of them."""
    j, s = (data.draw(st.integers(0, T - 1)) for _ in range(2))
    model, tokens = lesson.FillIn(6, bidirectional), torch.randint(lesson.q, (T, 2))
    changed = tokens.clone()
    changed[s] = (changed[s] + 1) % lesson.q
    same = torch.equal(model(tokens)[j], model(changed)[j])
    assert same == (s == j or (s > j and not bidirectional))


@settings(deadline=None, max_examples=15)
@given(T=st.integers(3, 9), data=st.data())
def test_all_blanks_at_once_are_one_blank_at_a_time(lesson, T, data):
    j, q = data.draw(st.integers(1, T - 2)), lesson.q
    model, tokens = lesson.FillIn(5, True), torch.randint(q, (T, 3))
    X = torch.nn.functional.one_hot(tokens, q).float()
    H_f, H_b = model.rnn(X[:j])[1][0], model.rnn(X[j + 1 :])[1][1]
    torch.testing.assert_close(model(tokens)[j], model.output(torch.cat([H_f, H_b], dim=-1)))


@settings(deadline=None, max_examples=20)
@given(L=st.integers(1, 3), T=st.integers(4, 8), data=st.data())
def test_only_the_joined_stack_lets_the_blank_in(lesson, L, T, data):
    """At an inner place; every other place moves the answer of all three."""
    j, s = (data.draw(st.integers(2, T - 1)) for _ in range(2))
    tokens, kinds = (
        torch.randint(lesson.q, (T, 2)),
        (lesson.FillIn(6, True, L), lesson.Apart(6, L), lesson.Masked(6, L)),
    )
    for model in kinds:
        assert model(tokens).shape == (T, 2, lesson.q)
        moved = lesson.scores_move(model, tokens, s, j) > 0
        assert moved == (s != j or (L > 1 and model is kinds[0]))


def test_masked_answers_are_those_of_one_blank_at_a_time(lesson):
    model, tokens = lesson.Masked(5, 2), torch.randint(lesson.q, (6, 3))
    for j in range(6):
        hidden = tokens.clone()
        hidden[j] = lesson.q
        H, _ = model.rnn(torch.nn.functional.one_hot(hidden, lesson.q + 1).float())
        torch.testing.assert_close(model(tokens)[j], model.output(H[j]))


def test_one_layer_apart_is_one_layer_joined(lesson):
    joined, apart, tokens = lesson.FillIn(5, True), lesson.Apart(5, 1), torch.randint(lesson.q, (7, 2))
    for rnn, suffix in zip(apart.rnn, ("", "_reverse"), strict=True):
        rnn.load_state_dict({name: getattr(joined.rnn, name + suffix) for name in rnn.state_dict()})
    apart.output = joined.output
    torch.testing.assert_close(apart(tokens), joined(tokens))


@pytest.mark.parametrize("network", ["joined", "apart"])
def test_two_way_picture_lights_what_moves(lesson, network):
    """Layer 1: one side each; layer 2: everything where the directions are joined. And the frames say it."""
    model, text, place = lesson.two_way[network], "the time", 5
    tokens = torch.tensor([[lesson.characters.index(c)] * 2 for c in text])
    states = lesson.all_states(model, torch.nn.functional.one_hot(tokens, lesson.q).float())
    wanted = model.states(torch.nn.functional.one_hot(tokens, lesson.q).float())
    for ours, theirs in zip(states[-2:], wanted, strict=True):
        torch.testing.assert_close(ours, theirs)
    figure, table = lesson.draw_two_ways(network, text, place, 16)
    (ax,) = figure.axes
    pixels = ax.images[0].get_array()  # (4, T, 3)
    orange = [[bool(p[0] > p[2] + 0.05) for p in row] for row in pixels]
    before, after = [t < 4 for t in range(8)], [t > 4 for t in range(8)]
    right, left = [not b for b in before], [not a for a in after]
    assert orange == [right, left, *([8 * [True]] * 2 if network == "joined" else [right, left])]
    title = ax.texts[-1].get_text()
    assert ("a leak" in title) == (network == "joined") and title.startswith("x_5")
    P = model(tokens)[4, 0].softmax(dim=0)
    (both, *_) = rows_of(table.data)
    shown = lesson.characters[P.argmax()].replace(" ", "␣")
    assert both[:2] == ["both sides", f"{shown} {P.max():.2f}"]
    figure, table = lesson.draw_two_ways(network, text, place, 8 + 3)
    assert figure.axes[0].texts[-1].get_text() == "on the way"
    assert [row[1] == "not yet" for row in rows_of(table.data)] == [True, True, False], "from the right it is shorter"


def test_two_way_picture_at_odd_places_and_texts(lesson):
    for network in lesson.two_way:
        for text, place, steps in (("ab", 1, 0), ("A, b?", 32, 64), (32 * "x", 32, 30), ("the time", 8, 3)):
            lesson.draw_two_ways(network, text, place, steps)
        for text in ("", "a", 33 * "a", "the_time"):
            with pytest.raises(ValueError, match="text must be 2 to 32 letters"):
                lesson.draw_two_ways(network, text, 1, 5)
        for text in ("café", "x2", "我饿了"):
            with pytest.raises(ValueError, match="the networks have read English alone"):
                lesson.draw_two_ways(network, text, 1, 5)


def test_sides_alone_are_the_output_layer_with_the_other_half_zero(lesson):
    H = torch.randn(3, 2, 10)
    both, left, right = lesson.one_sided(H).split(2, dim=1)
    assert torch.equal(both, H) and torch.equal(left + right, H)
    assert not left[..., 5:].any() and not right[..., :5].any()


def test_the_joined_stack_learns_to_read_the_answer(lesson):
    """With a few minibatches it is better on held-out text than an honest network ever will be."""
    utils.seed_everything(0)
    for build, least, most in ((lambda: lesson.FillIn(24, True, 2), 1, 1.6), (lambda: lesson.Apart(24, 2), 4, 27)):
        *_, (_, _, held_out) = lesson.train_two_way(build(), num_records=3)
        assert least <= held_out < most


def test_held_out_text_is_not_in_the_training_windows(lesson):
    train, held_out = lesson.train_windows, lesson.held_out_windows
    assert train.shape[1] == held_out.shape[1] == 31
    assert train[-1, -1] == lesson.ids[-10_001] and held_out[0, 0] == lesson.ids[-10_000]
    assert len(train) + len(held_out) + 2 * 30 == len(lesson.ids)


def test_centre_scores_are_of_the_centre_alone(lesson):
    model, windows = lesson.FillIn(5, True), lesson.held_out_windows[:700]
    logits, centres = model(windows.T)[15], windows[:, 15]  # (700, q), (700,)
    P = logits.softmax(dim=1)[range(700), centres]
    perplexity, accuracy = lesson.centre_scores(model, windows)
    assert perplexity == pytest.approx(1 / P.log().mean().exp().item(), rel=1e-4)
    assert accuracy == pytest.approx((logits.argmax(dim=1) == centres).sum().item() / 700)


def test_both_networks_see_the_same_minibatches_and_learn(lesson):
    seen = []
    for bidirectional in (False, True):
        utils.seed_everything(0)
        model, tokens, losses = lesson.FillIn(24, bidirectional), [], []

        def watch(model, inputs, O, tokens=tokens, losses=losses):
            if O.requires_grad:  # training
                tokens.append(inputs[0].clone())
                losses.append(torch.nn.functional.cross_entropy(O[15].detach(), inputs[0][15]).item())

        model.register_forward_hook(watch)
        records = list(lesson.train_fill_in(model, num_records=2))
        assert len(tokens) == 60 and tokens[0].shape == (31, 32) and [r[0] for r in records] == [30, 60]
        assert records[1][1] < records[0][1] < 27 and records[1][2] < 27
        assert [r[1] for r in records] == pytest.approx(
            [math.exp(sum(part) / 30) for part in (losses[:30], losses[30:])]
        )
        assert records[1][2] == pytest.approx(lesson.centre_scores(model, lesson.held_out_windows[::10])[0])
        seen.append(torch.stack(tokens))
    assert torch.equal(*seen)


def test_two_sides_guess_better_than_one_with_no_more_parameters(lesson):
    one = lesson.FillIn(24, False)
    k = lesson.size_for(lambda k: lesson.FillIn(k, True), lesson.num_parameters(one))
    both, perplexity = lesson.FillIn(k, True), []
    for model in (one, both):
        *_, (_, _, held_out) = lesson.train_fill_in(model, num_records=4)
        perplexity.append(held_out)
    assert perplexity[1] < 0.8 * perplexity[0]


@pytest.mark.parametrize(
    "sentence, message",
    [
        ("the time", "exactly one blank"),
        ("t_e t_me", "exactly one blank"),
        ("", "exactly one blank"),
        ("_", "more than the blank"),
        ("＿＿＿", "more than the blank"),
        ("a_" + 59 * "b", "at most 60"),
        ("caf_ é 7", r"made of letters a to z: .*\(not é7\)"),
        ("我＿饿了。", r"the networks have read English alone \(not 我饿了\)"),
    ],
)
def test_box_refuses_with_a_message(lesson, sentence, message):
    with pytest.raises(ValueError, match=message):
        lesson.draw_blank(sentence)


@pytest.mark.parametrize(
    "typed, read",
    [
        ("the ＿ime", "the _ime"),
        ("the ﹏ime", "the _ime"),
        ("the ____ime", "the _ime"),
        ("ＴＨＥ　＿ime", "the _ime"),
        ("Don't — “he” said…_", "don t he said _"),
        ("don’t_", "don t_"),
        ("他", None),
    ],
)
def test_what_is_typed_is_read_as_the_book_was(lesson, typed, read):
    """In the box for a blank, and without its blank in the others."""
    if read is None:
        for box in (lesson.draw_blank, lesson.draw_ends, lambda text: lesson.draw_two_ways("apart", text, 1, 9)):
            with pytest.raises(ValueError, match="English"):
                box(typed)
        return
    assert lesson.typed(typed, "", 2, 60, blanks=1) == read
    letters, blank = (re.sub("[_＿﹏]", "", text) for text in (typed, read))
    assert lesson.typed(letters, "", 2, 60) == blank
    assert lesson.typed(letters, "", 2, 60, space="") == blank.replace(" ", "")
    assert lesson.draw_blank(typed).axes[0].get_title() == f"P( _ | {read!r} )"


def heights_of(bars):
    return [path.vertices[:, 1].max() for path in bars.get_paths()]


def test_box_reads_punctuation_as_the_book_was_read(lesson):
    for model in lesson.fillers.values():
        cleaned = lesson.fill_blank(model, "he said that _e was ")
        assert torch.equal(lesson.fill_blank(model, "He said, that _e was."), cleaned)


def test_box_lowers_capitals_and_draws_both_distributions(lesson):
    for sentence in ("The _ime", "_ime", "the tim_", "a_b"):
        for model in lesson.fillers.values():
            P = lesson.fill_blank(model, sentence)
            assert P.shape == (27,) and math.isclose(P.sum().item(), 1, rel_tol=1e-5)
            assert torch.equal(P, lesson.fill_blank(model, sentence.lower()))
        (ax,) = lesson.draw_blank(sentence).axes
        assert [text.get_text() for text in ax.texts] == ["␣", *lesson.characters[1:]]
        assert [text.xy[0] for text in ax.texts] == list(range(27))
        for bars, (name, model) in zip(ax.collections, lesson.fillers.items(), strict=True):
            P = lesson.fill_blank(model, sentence)
            assert heights_of(bars) == P.tolist()
            assert [round(path.vertices[:, 0].mean()) for path in bars.get_paths()] == list(range(27))
            best = lesson.characters[P.argmax()].replace(" ", "␣")
            assert bars.get_label() == f"{name}: {best}, {P.max():.2f}"
    one, both = lesson.fillers.values()
    left = [lesson.fill_blank(one, s) for s in ("the _ime", "the _oor")]
    assert torch.equal(*left), "the right side is not read"
    assert not torch.equal(*(lesson.fill_blank(both, s) for s in ("the _ime", "the _oor")))


# -------------------------------------------------------------------------------------------- the door's three lines


def language_of(edition):
    """The sentences of the small language and the three lines, as an edition's notebook has them."""
    notebook = nbformat.read(NOTEBOOKS / edition / f"{NAME}.ipynb", as_version=4)
    (code,) = [cell.source for cell in notebook.cells if cell.id == "small-language"]
    (door,) = [cell.source for cell in notebook.cells if cell.id == "door"]
    names = {}
    exec(code.partition("def ")[0], names)
    return names["spoken"], names["lines"], re.findall("`(.+)`", door)


@pytest.mark.parametrize("edition", ["en", "zh"])
def test_the_lines_that_are_answered_are_those_of_the_door(edition):
    spoken, lines, door = language_of(edition)
    assert len(spoken) == 12 and sum(spoken.values()) == 40 and len(lines) == 3
    without = [re.sub(" |(?<=_)_+", "", line) for line in lines]
    assert without == [re.sub(" |(?<=_)_+", "", line) for line in door]
    assert pattern(spoken, lines) == pattern(*language_of("en")[:2]), "the same language, in other words"


def pattern(spoken, lines):
    """How often each sentence is said, which share the word at the blank, and which share what follows it."""
    (place,) = {line.index("_") for line in lines}  # what stands on its left is the same in all of them
    assert len({text[:place] for text in (*spoken, *lines)}) == 1
    words, rests = zip(*(sentence[place:].split(" ", 1) for sentence in spoken), strict=True)
    rests += tuple(line[place:].split(" ", 1)[1] for line in lines)
    return list(spoken.values()), [words.index(word) for word in words], [rests.index(rest) for rest in rests]


def test_counting_counts_the_sentences_that_agree_elsewhere(lesson):
    for line in lesson.lines:
        left, right = line.split("_")
        for alone in (False, True):
            P = lesson.counted(line, left_alone=alone)
            assert P.sum() == pytest.approx(1)
            for word, p in zip(lesson.words, P.tolist(), strict=True):
                fits = [n for s, n in lesson.spoken.items() if s.startswith(f"{left}{word} ")]
                if not alone:
                    fits = [n for s, n in lesson.spoken.items() if s == left + word + right]
                total = sum(n for s, n in lesson.spoken.items() if alone or (s.startswith(left) and s.endswith(right)
                            and len(s.split()) == len(line.split())))  # fmt: skip
                assert p == pytest.approx(sum(fits) / total)


@pytest.mark.parametrize("both", [False, True])
def test_another_start_learns_the_small_language_too(lesson, both):
    utils.seed_everything(1)
    model = lesson.train_small(lesson.FillIn(32, both))
    for line in lesson.lines:
        wanted = lesson.counted(line, left_alone=not both)
        assert (lesson.at_blank(model, line) - wanted).abs().max() < 0.1


@pytest.mark.parametrize("edition", ["en", "zh"])
def test_from_both_sides_the_three_lines_have_three_answers(edition):
    rows = rows_of(stored(NAME, "small-answers", edition))
    left, both, counted = (
        [cell.split()[0] for cell in column] for column in zip(*(row[1:] for row in rows), strict=True)
    )
    assert [row[0] for row in rows] == language_of(edition)[1]
    assert len(set(left)) == 1 and len(set(both)) == 3 and both == counted
    prose = (SOURCES / f"{NAME}.py").read_text(encoding="utf-8")
    prose = prose.split(f'lang="{edition}" id="door-look"')[1].split("# %%")[0]
    assert all(word in prose for word in (*left, *both)), "named in the prose"


# ------------------------------------------------------------------------------------------------- tags and encoding


@given(st.lists(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=6), min_size=1, max_size=9))
def test_tags_give_the_text_back(lesson, words):
    letters, tags = lesson.without_spaces(" ".join(words))
    assert len(letters) == len(tags) == sum(map(len, words)) and tags.sum() == len(words)
    assert lesson.with_bars(letters, tags, " ").split() == words


def test_the_books_tags_give_the_book_back(lesson):
    train = lesson.with_bars(lesson.train_letters, lesson.train_tags, " ")
    held_out = lesson.with_bars(lesson.held_out_letters, lesson.held_out_tags, " ")
    assert (train + held_out).split() == lesson.text.split()


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_f1_is_from_precision_and_recall(lesson, pairs_of_tags):
    predicted, tags = torch.tensor(pairs_of_tags).long().T
    if not predicted.any() and not tags.any():
        return
    accuracy, f1 = lesson.scores(predicted, tags)
    found = int((predicted * tags).sum())
    precision, recall = (found / max(1, int(x.sum())) for x in (predicted, tags))
    assert f1 == pytest.approx(2 * precision * recall / (precision + recall) if found else 0)
    assert accuracy == pytest.approx(sum(a == b for a, b in pairs_of_tags) / len(pairs_of_tags))


def test_only_the_bidirectional_tagger_reads_what_follows(lesson):
    for bidirectional in (False, True):
        model = lesson.Tagger(8, bidirectional)
        before, after = (model(lesson.without_spaces(text)[0][:, None])[2, 0] for text in ("there", "thenx"))
        assert torch.equal(before, after) != bidirectional


def test_a_tagger_learns_and_is_scored_on_text_it_has_not_seen(lesson):
    utils.seed_everything(0)
    tagger, read = lesson.Tagger(16, True), []
    tagger.register_forward_hook(lambda _, inputs, O: read.extend(inputs[0].T if O.requires_grad else ()))
    records = list(lesson.train_tagger(tagger, num_records=3))
    book = "".join(map(chr, lesson.train_letters))
    assert len(read) == 60 * 32 and all("".join(map(chr, window)) in book for window in read)
    assert [step for step, _, _ in records] == [20, 40, 60]
    training, held_out = zip(*(record[1:] for record in records), strict=True)
    assert training[-1] < 0.8 * training[0] and training[-1] < held_out[-1] + 0.05
    windows = range(0, len(lesson.held_out_letters) - 49, 50)
    wrong = [
        lesson.tag(tagger, lesson.held_out_letters[i : i + 50]) != lesson.held_out_tags[i : i + 50] for i in windows
    ]
    assert held_out[-1] == pytest.approx(torch.cat(wrong).float().mean().item())


def test_picture_of_word_ends_has_a_bar_for_every_letter_of_both_networks(lesson):
    (ax,) = lesson.draw_ends("The re w. ").axes
    for bars, (name, model) in zip(ax.collections, lesson.taggers.items(), strict=True):
        P = model(lesson.without_spaces("therew")[0][:, None])[:, 0].softmax(dim=1)[:, 1]
        assert bars.get_label() == name
        assert heights_of(bars) == pytest.approx(P.tolist())
    assert [text.get_text() for text in ax.texts] == list("therew")
    check_refusals(lesson.draw_ends)


def check_refusals(draw):
    """The box for letters says what it takes."""
    for letters in ("", ".", "a" * 41, "a_b"):
        with pytest.raises(ValueError, match="text must be 1 to 40 letters a to z"):
            draw(letters)
    for letters in ("café", "我饿了"):
        with pytest.raises(ValueError, match="the networks have read English alone"):
            draw(letters)


@settings(deadline=None, max_examples=20)
@given(delay=st.integers(0, 4), T=st.integers(1, 9), data=st.data())
def test_a_late_tagger_can_stream(lesson, delay, T, data):
    """What it says of letter t, all letters at once, is what it says when fed letter by letter, k letters later."""
    t, s = (data.draw(st.integers(0, T - 1)) for _ in range(2))
    model, letters = lesson.LateTagger(6, delay), torch.randint(26, (T, 2))
    X = torch.nn.functional.one_hot(letters, 26).float()
    state = torch.zeros(1, 2, 6)
    for step in range(t + delay + 1):  # after the last letter come empty inputs
        _, state = model.rnn(X[step : step + 1] if step < T else torch.zeros(1, 2, 26), state)
    torch.testing.assert_close(model(letters)[t], model.output(state[0]))
    changed = letters.clone()
    changed[s] = (changed[s] + 1) % 26
    assert torch.equal(model(letters)[t], model(changed)[t]) == (s > t + delay)


def test_a_late_tagger_without_delay_is_the_tagger_and_none_has_more_parameters(lesson):
    late, tagger, letters = lesson.LateTagger(6, 0), lesson.Tagger(6, False), torch.randint(26, (9, 2))
    tagger.load_state_dict(late.state_dict())
    assert torch.equal(late(letters), tagger(letters))
    assert lesson.num_parameters(lesson.LateTagger(6, 3)) == lesson.num_parameters(tagger)


def test_stream_shows_only_what_can_have_been_answered(lesson):
    text = "thenextday"
    for k, step in ((0, 3), (2, 1), (2, 7), (3, 10), (3, 99)):
        (ax,) = lesson.draw_stream(text, step, k).axes
        late, both = map(heights_of, ax.collections)
        done = min(step, 10 + k) - k
        assert [height > 0 for height in late] == [t < done for t in range(10)]
        assert all(height > 0 for height in both) == (step >= 10) == any(both)
        model = lesson.late_taggers.get(k, lesson.taggers["unidirectional"])
        P = model(lesson.without_spaces(text)[0][:, None])[:, 0].softmax(dim=1)[:, 1]
        assert late[: max(0, done)] == pytest.approx(P.tolist()[: max(0, done)])
        assert f"answered: {max(0, done)}" in ax.get_title()
    check_refusals(lambda letters: lesson.draw_stream(letters, 5, 3))


def test_starts_differ_and_are_the_same_for_every_network(lesson):
    """Of each start both networks see the same minibatches, and other starts see others; a start can be repeated."""
    seen = {}
    for bidirectional in (False, True):
        seen[bidirectional] = []

        def build(bidirectional=bidirectional):
            model = lesson.FillIn(3, bidirectional)
            model.first = [p.clone() for p in model.parameters()][0]
            model.register_forward_pre_hook(lambda model, inputs: seen[bidirectional].append(inputs[0].clone()))
            return model

        train = lambda model, seed: lesson.train_fill_in(model, num_records=1, seed=seed)  # noqa: E731
        first = lesson.over_starts(build, train, lambda model: model.first.sum().item(), num_starts=2)
        assert first[0] != first[1] and first == lesson.over_starts(build, train, lambda m: m.first.sum().item(), 2)
    batches = [[x for x in inputs if x.shape[1] == 32] for inputs in seen.values()]
    assert all(torch.equal(a, b) for a, b in zip(*batches, strict=True))
    assert not torch.equal(batches[0][0], batches[0][30]), "another start, other minibatches"


def test_with_a_forgotten_flip_a_network_still_learns(lesson):
    """As the lesson warns: training does not tell; it ends like a network with the forward half alone."""

    class Forgotten(lesson.Tagger):
        def forward(self, letters):
            H, _ = self.rnn(torch.nn.functional.one_hot(letters, 26).float())
            forward, backward = H.chunk(2, dim=-1)
            return self.output(torch.cat([forward, backward.flip(0)], dim=-1))

    f1 = []
    for build in (lambda: Forgotten(24, True), lambda: lesson.Tagger(24, False), lambda: lesson.Tagger(24, True)):
        f1 += lesson.over_starts(
            build, lambda m, seed: lesson.train_tagger(m, num_records=5, seed=seed), lesson.f1_of, 1
        )
    forgotten, one, both = f1
    assert forgotten > 0.8 * one > 0.3 and both > forgotten + 0.05


@pytest.mark.parametrize("name", ["h_n[-2:]", "output.mean(0)", "output.amax(0)", "output[-1]"])
def test_output_minus_one_has_not_read_the_beginning_backward(lesson, name):
    rnn, X = nn.GRU(3, 5, bidirectional=True), torch.randn(7, 2, 3)
    changed = X.clone()
    changed[0] += 1
    before, after = (lesson.READOUTS[name](*rnn(x)) for x in (X, changed))
    assert before.shape == (2, 10)
    assert torch.equal(before[:, 5:], after[:, 5:]) == (name == "output[-1]")


@pytest.mark.parametrize("marked", [False, True])
def test_letters_to_name_are_those_that_are_read(lesson, marked):
    X, Y = lesson.letters_to_read(marked, T=7, n=50)
    letters, mark = X[..., :8].argmax(dim=-1), X[..., 8]  # (T, n)
    assert X.shape == (7, 50, 9) and torch.equal(X[..., :8].sum(dim=-1), torch.ones(7, 50))
    if marked:
        assert torch.equal(mark.sum(dim=0), torch.ones(50)) and set(mark.argmax(dim=0).tolist()) == set(range(7))
        assert torch.equal(Y[0], letters[mark.argmax(dim=0), range(50)])
    else:
        assert not mark.any() and torch.equal(Y, letters[[0, -1]])


def test_final_states_name_both_ends_and_output_minus_one_only_the_last(lesson):
    ends, trap = (lesson.READOUTS[name] for name in ("h_n[-2:]", "output[-1]"))
    assert min(lesson.train_encoder(ends, marked=False, num_minibatches=80)) > 0.95
    first, last = lesson.train_encoder(trap, marked=False, num_minibatches=80)
    assert first < 0.3 and last > 0.95


# ------------------------------------------------------------------------------------------------------------ padding


@settings(deadline=None, max_examples=25)
@given(L=st.integers(1, 3), lengths=st.lists(st.integers(1, 7), min_size=1, max_size=5))
def test_padded_layer_is_torchs_packed_one(lesson, Cell, their_class, L, lengths):
    """Outputs, final states and all gradients, unsorted lengths, whatever stands in the padding."""
    pack, unpack = nn.utils.rnn.pack_padded_sequence, nn.utils.rnn.pad_packed_sequence
    theirs = their_class(3, 4, L, bidirectional=True).double()
    ours, lengths = lesson.PaddedBiRNN(Cell, 3, 4, 4, L).double(), torch.tensor(lengths)
    lesson.copy_weights(ours, theirs)
    X, twin = (torch.randn(int(max(lengths)), len(lengths), 3).double() for _ in range(2))
    twin.copy_(X)
    X.requires_grad_(), twin.requires_grad_()
    H, finals = ours(X, lengths)
    packed, state = theirs(pack(twin, lengths, enforce_sorted=False))
    pairs = [(H, unpack(packed)[0])]
    finals = [torch.stack(parts) for parts in zip(*map(tensors, finals), strict=True)]
    pairs += list(zip(finals, tensors(state), strict=True))
    for side in (0, 1):
        sum(i * pair[side].square().sum() for i, pair in enumerate(pairs, start=1)).backward()
    pairs += [(X.grad, twin.grad)]
    pairs += [(p.grad, getattr(theirs, lesson.their_name(name)).grad) for name, p in ours.named_parameters()]
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


def test_test_of_padding_catches_the_wrong_and_passes_the_right(lesson):
    for name, summary in lesson.summaries.items():
        longest, shorter = lesson.padding_moves(summary, lesson.batch, lesson.targets, lesson.lengths)
        assert longest < 1e-5 and (shorter > 0.01) == name.startswith("wrong"), name


def test_loss_over_the_real_steps_is_cross_entropy_with_ignore_index(lesson):
    losses = lesson.losses(lesson.batch, lesson.targets, lesson.lengths)
    assert (losses > 0).sum() == 10
    O = lesson.W(lesson.encoder(lesson.batch, lesson.lengths)[0])
    Y = lesson.targets.clone()
    Y[4:, 1] = -100
    mean = torch.nn.functional.cross_entropy(O.flatten(0, 1), Y.flatten())
    assert mean.item() == pytest.approx(losses.sum().item() / 10)


def test_what_the_exam_says_of_lengths_6_and_4():
    """One layer. Changes of inputs, padding included, tell what each of them has read."""
    rnn, lengths = nn.GRU(3, 4, bidirectional=True), torch.tensor([6, 4])
    X = torch.randn(6, 2, 3)

    def found(X, packed):
        if packed:
            H, h_n = rnn(nn.utils.rnn.pack_padded_sequence(X, lengths))
            H, _ = nn.utils.rnn.pad_packed_sequence(H)
        else:
            H, h_n = rnn(X)
        return {"last": H[-1], "forward": H[-1, :, :4], "backward": H[-1, :, 4:], "-2": h_n[-2], "-1": h_n[-1]}, H

    def read(name, i, packed):
        steps = set()
        for t in range(6):
            changed = X.clone()
            changed[t, i] += 1
            if not torch.equal(found(changed, packed)[0][name][i], found(X, packed)[0][name][i]):
                steps.add(t + 1)
        return steps

    all_six, first_four = set(range(1, 7)), set(range(1, 5))
    for packed in (True, False):
        assert [read(name, 0, packed) for name in ("-2", "-1", "forward")] == 3 * [all_six]
        assert read("backward", 0, packed) == {6}
    (values, H), (naive, _) = found(X, True), found(X, False)
    assert not values["last"][1].any() and naive["last"][1].any()
    assert read("-2", 1, True) == read("-1", 1, True) == first_four
    assert torch.equal(values["-2"][1], H[3, 1, :4]) and torch.equal(values["-1"], H[0, :, 4:])
    assert read("-2", 1, False) == read("forward", 1, False) == read("-1", 1, False) == all_six
    assert read("backward", 1, False) == {6}, "one step of padding and nothing else"


def test_exercises_expect_what_the_lessons_own_code_gives(lesson):
    expected = [EXERCISES[f"5.{number}"].expected for number in range(1, 6)]
    one, both = (lesson.num_parameters(nn.LSTM(28, 64, 2, bidirectional=b)) for b in (False, True))
    assert expected[0] == pytest.approx(both / one)
    rnn = nn.GRU(5, 7, num_layers=3, bidirectional=True)
    for name, parameter in rnn.named_parameters():
        if name.endswith("_l1_reverse"):  # layer 2, backward: now all its states are 0
            nn.init.zeros_(parameter)
    assert [i for i, state in enumerate(rnn(torch.randn(4, 2, 5))[1]) if not state.any()] == [expected[1]]
    cell, X, runs = nn.GRUCell(3, 4), torch.randn(10, 2, 3), (lesson.run_forward, lesson.run_backward)
    assert tuple(len(lesson.steps_that_move(run, cell, X, 4)) for run in runs) == expected[2]
    assert int(lesson.chains(3, 20, bidirectional=True)[10 - 1]) == expected[3]
    tags = lesson.held_out_tags
    assert lesson.scores(torch.ones_like(tags), tags)[1] == pytest.approx(expected[4](tags))


# -------------------------------------------------------------------------------------- what the stored page claims


def stored_table(cell_id):
    """A stored table's rows: {first column: [the other columns as numbers]}."""
    rows = rows_of(stored(NAME, cell_id))
    return {name: [float(re.sub("[,%×]", "", x) or "nan") for x in numbers] for name, *numbers in rows}


def recorded(name, names):
    """The rows of a recorded run by name; at least five random starts each."""
    rows, _ = utils.recorded(name, list)
    assert all(len(row) >= 5 for row in rows)
    return dict(zip(names, rows, strict=True))


def test_two_sides_fill_the_blank_better_at_every_start():
    perplexity = recorded("fill_in", ["unidirectional", "bidirectional"])
    assert max(perplexity["bidirectional"]) < 0.7 * min(perplexity["unidirectional"]), "far better"
    shown = stored(NAME, "fill-runs")
    assert "recorded run" in shown and re.search("^told apart: +bidirectional before unidirectional$", shown, re.M)
    filled = stored_table("fill-result")
    assert 0.9 < filled["bidirectional"][0] / filled["unidirectional"][0] <= 1, "about as many parameters, never more"
    (_, one, right), (_, two, right_too) = filled["unidirectional"], filled["bidirectional"]
    assert two < 0.7 * one and right_too > right + 10 > filled["always the space"][2]
    for name, score in (("unidirectional", one), ("bidirectional", two)):
        low, high = min(perplexity[name]), max(perplexity[name])
        assert low - 0.3 < score < high + 0.3, "the live race is one such start"


def test_blanks_are_not_filled_from_memory(lesson):
    rows = rows_of(stored(NAME, "blanks"))
    training_text = lesson.text[:-10_000]
    times = {sentence: int(n) for sentence, *_, n in rows}
    for sentence, letter, *_ in rows:
        assert times[sentence] == training_text.count(sentence.replace("_", letter))
    *unknown, known = times
    assert not any(times[sentence] for sentence in unknown)
    assert known == "the _ime traveller" and times[known] > 20
    prose = (SOURCES / f"{NAME}.py").read_text(encoding="utf-8").split('lang="en" id="fill-look"')[1].split("# %%")[0]
    asked = set(re.findall("`([a-z ]*_[a-z ]+)`", prose))
    assert len(asked) == 4 and asked < set(times), "what is asked is answered"
    shown = {sentence: (letter, one[0], both[0]) for sentence, letter, one, both, _ in rows}
    letter, one, both = shown["he swept _ack into the past"]
    assert one != letter == both and lesson.text[-10_000:].count("he swept back into the past") == 1


def test_waiting_for_three_letters_is_not_told_apart_from_two_directions():
    names = [f"k = {k}" for k in (0, 1, 2, 3, 6)]
    f1 = recorded("delayed_tagger", [*names, "both directions"])
    for fewer, more in zip(names[:3], names[1:4], strict=True):
        assert min(f1[more]) > max(f1[fewer]), "told apart"
    median = {name: sorted(values)[len(values) // 2] for name, values in f1.items()}
    gap = median["both directions"] - median["k = 0"]
    assert median["k = 3"] - median["k = 0"] > 0.8 * gap, "most of the way"
    assert min(f1["both directions"]) > max(f1["k = 0"]) + 0.1, "far better at every start"
    assert max(f1["k = 6"]) < min(f1["k = 3"]), "too late is no good either, in this training"
    assert max(f1["k = 3"]) >= min(f1["both directions"]), "not told apart"
    shown = stored(NAME, "late-ranking")
    apart, not_apart = re.search("^told apart: +(.*)\nnot told apart: (.*)$", shown, re.M).groups()
    assert "both directions before k = 2" in apart and "k = 3 before k = 6" in apart
    assert "both directions and k = 3" in not_apart


def test_the_live_taggers_are_such_starts():
    tagged = stored_table("tag-result")
    f1 = recorded("delayed_tagger", [*(f"k = {k}" for k in (0, 1, 2, 3, 6)), "both directions"])
    assert 0.9 < tagged["bidirectional"][0] / tagged["unidirectional"][0] <= 1, "about as many parameters, never more"
    assert tagged["bidirectional"][1] > tagged["unidirectional"][1] > tagged["always no"][1]
    for name, run in (("unidirectional", "k = 0"), ("bidirectional", "both directions")):
        assert min(f1[run]) - 0.02 < tagged[name][2] < max(f1[run]) + 0.02
    assert tagged["bidirectional"][3] > tagged["unidirectional"][3] + 5, "at t-h-e"
    wrong = [100 - tagged[name][1] for name in ("unidirectional", "bidirectional")]
    assert 0.3 < wrong[1] / wrong[0] < 0.6, "about half as many mistakes"


def test_what_the_one_vector_is_good_for(lesson):
    letters = ("first", "last", "marked")
    right = recorded("encoders", [(readout, letter) for readout in lesson.READOUTS for letter in letters])
    h_n, mean, maximum, trap = lesson.READOUTS
    assert min(right[h_n, "first"] + right[h_n, "last"] + right[trap, "last"]) == 1
    assert max(right[trap, "first"]) < 0.2, "blind guessing: 1/8"
    assert min(sum((right[maximum, letter] for letter in letters), [])) == 1, "no mistake in either test"
    for better, worse in ((maximum, mean), (mean, h_n), (mean, trap)):
        assert min(right[better, "marked"]) > max(right[worse, "marked"]), "told apart"
    shown = stored(NAME, "encode")
    assert f"{mean} before {h_n}" in shown.split("marked letter")[1]
    rows = rows_of(shown)
    assert [row[0] for row in rows] == list(lesson.READOUTS)
    for name, *texts in rows:
        ranges = [(100 * min(right[name, letter]), 100 * max(right[name, letter])) for letter in letters]
        assert texts == [f"{low:.0f} to {high:.0f} %" for low, high in ranges]


def test_what_leaks_on_the_page_is_the_joined_stack_alone():
    rows = {name: moves for name, *moves in rows_of(stored(NAME, "deep-table"))}
    assert rows["apart"] == rows["masked"] == 3 * ["0.000"]
    assert rows["joined"][0] == "0.000" and min(map(float, rows["joined"][1:])) > 0.005
    perplexity = {
        name: float(x) for name, x in re.findall(r"(\w+): held-out perplexity (\S+),", stored(NAME, "two-way-race"))
    }
    assert perplexity["joined"] == 1 and 2.2 < perplexity["apart"] < 4, "as the prose says"


def test_guesses_on_the_page_have_the_answers_that_the_prose_explains():
    assert "It is: [2, 3, 4, 5, 6]." in stored(NAME, "bug")
    assert "It is: yes." in stored(NAME, "deep-blank")
    assert "It is: k = 3." in stored(NAME, "draw-late")
    page = stored(NAME, "padding-test")
    assert "It is: zeros." in page
    for name, longest, shorter in rows_of(page):
        assert longest == "0.000" and (float(shorter) > 0.01) == name.startswith("wrong")


def test_cost_of_one_layer_doubles_and_further_layers_cost_more():
    _, equal_h, equal_parameters = stored_table("cost").values()
    assert equal_h[1] == equal_h[5] == 2
    assert equal_parameters[1] == 1 and equal_parameters[5] > 1.1
    ratios = [float(x) for x in re.findall(r"(\S+) times the parameters", stored(NAME, "cost-layers"))]
    memory = [float(x) for x in re.findall(r"(\S+) times the memory", stored(NAME, "cost-layers"))]
    assert ratios == [2.0, 2.5, 2.66, 2.74] and memory == 4 * [2.0]
    further = 3 * 128 * (256 + 128 + 2) * 2 / (3 * 128 * (128 + 128 + 2))
    assert 2.9 < further < 3, "nearly three times"
