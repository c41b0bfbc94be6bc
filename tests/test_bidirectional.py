"""If this fails, lesson 5 tells a reader the wrong layout, cost or use of two directions."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

import utils
from tests.support.lesson_code import run_cells, spoiled_copies
from tests.support.stored import stored
from utils import torch

nn, NAME = torch.nn, "05_bidirectional_rnn"
small = st.integers(1, 6)


@pytest.fixture(scope="module")
def lesson():
    """The names of the lesson's cells, with small untrained networks in its pictures, not trained ones."""
    cells = ("directions", "backward-loop", "flip", "check-flip", "bug", "bi-rnn", "copy-weights", "run-both")
    cells += ("largest-difference", "draw-direction", "draw-layout", "cost-tools", "bytes-kept", "chain")
    cells += ("draw-chains", "fill-data", "fill-in", "centre-scores", "train-fill-in", "tag-data", "check-tags")
    cells += ("tagger", "tag-scores")
    lesson = run_cells(NAME, *cells, "encode-tools")
    lesson.fillers = {name: lesson.FillIn(4, name == "bidirectional") for name in ("unidirectional", "bidirectional")}
    lesson.taggers = {name: lesson.Tagger(4, name == "bidirectional") for name in lesson.fillers}
    return run_cells(NAME, "draw-blank", "wrong-in-windows", "train-tagger", "draw-ends", into=lesson)


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
    named = list(lesson.named_pairs(ours, theirs))
    for side, network in enumerate((ours, theirs)):
        assert {id(pair[side]) for pair in named} == {id(p) for p in network.parameters()}
        assert len(named) == len(list(network.parameters()))


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
    H_f, H_b = model.past(X[:j])[1][0], model.future(X[j + 1 :].flip(0))[1][0]
    torch.testing.assert_close(model(tokens)[j], model.output(torch.cat([H_f, H_b], dim=-1)))


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
        ("_", "more than the blank alone"),
        ("caf_ é 7", "made of letters"),
    ],
)
def test_box_refuses_with_a_message(lesson, sentence, message):
    with pytest.raises(ValueError, match=message):
        lesson.draw_blank(sentence)


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
    for letters in ("", "café", "a" * 41):
        with pytest.raises(ValueError, match="letters must be 1 to 40 letters a to z"):
            lesson.draw_ends(letters)


@pytest.mark.parametrize("name", ["h_n[-2], h_n[-1]", "output.mean(0)", "output[-1]"])
def test_output_minus_one_has_not_read_the_beginning_backward(lesson, name):
    rnn, X = nn.GRU(3, 5, bidirectional=True), torch.randn(7, 2, 3)
    changed = X.clone()
    changed[0] += 1
    before, after = (lesson.READOUTS[name](*rnn(x)) for x in (X, changed))
    assert before.shape == (2, 10)
    assert torch.equal(before[:, 5:], after[:, 5:]) == (name == "output[-1]")


def test_final_states_name_both_ends_and_output_minus_one_only_the_last(lesson):
    ends, trap = (lesson.READOUTS[name] for name in ("h_n[-2], h_n[-1]", "output[-1]"))
    assert min(lesson.train_encoder(ends, num_minibatches=80)) > 0.95
    first, last = lesson.train_encoder(trap, num_minibatches=80)
    assert first < 0.3 and last > 0.95


def stored_table(cell_id):
    """A stored table's rows: {first column: [the other columns as numbers]}."""
    rows = [re.findall("<td>(.*?)</td>", row) for row in stored(NAME, cell_id).split("<tr>")[2:]]
    return {name: [float(re.sub("[,%×]", "", x) or "nan") for x in numbers] for name, *numbers in rows}


def test_stored_numbers_say_what_the_prose_says():
    filled, tagged, encoded, cost = map(stored_table, ("fill-result", "tag-result", "encode", "cost"))
    for table in (filled, tagged):
        assert 0.9 < table["bidirectional"][0] / table["unidirectional"][0] <= 1, "about as many parameters, never more"
    (_, one, right, _), (_, two, right_too, _) = filled["unidirectional"], filled["bidirectional"]
    assert two < 0.7 * one and right_too > right + 10 > filled["always the space"][2]
    assert tagged["bidirectional"][1] > tagged["unidirectional"][1] > tagged["always no"][1]
    assert tagged["bidirectional"][2] > tagged["unidirectional"][2] + 0.05
    assert tagged["bidirectional"][3] > tagged["unidirectional"][3], "at t-h-e"
    assert min(encoded["h_n[-2], h_n[-1]"]) == encoded["output[-1]"][1] == 100 and encoded["output[-1]"][0] < 25
    assert min(encoded["h_n[-2], h_n[-1]"]) >= min(encoded["output.mean(0)"]) > 25
    _, equal_h, equal_parameters = cost.values()
    assert equal_h[1] == equal_h[5] == 2 and 1.5 < equal_h[3] < 2.5
    assert equal_parameters[1] == 1 and equal_parameters[5] > 1.1
