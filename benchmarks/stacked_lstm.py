"""Lesson 2's stacked LSTM against nn.LSTM and against a loop over time steps and gates, forward and backward.

Two floors stand beside each ratio: the matrix products alone that autograd makes for a loop over time steps, without
gates, activations or Python's own cost; and nn.LSTM, which has no loop in Python.
"""

import utils
from benchmarks.timing import speed_ratios, spread
from tests.support.lesson_code import run_cells
from utils import d2l, torch

SIZES = ((1, 64), (2, 64), (2, 128), (2, 256))  # num_layers, num_hiddens
AIMS = {"nn.LSTM": "0.4 x", "gate by gate, step by step": "1.5 x"}


def run_gate_by_gate(cell, X):
    """Hidden states (T, n, h) of one layer as textbooks write it: each gate with weights of its own, at every step."""
    H = C = X.new_zeros(X.shape[1], cell["W_hi"].shape[0])
    outputs = []
    for X_t in X:
        I, F, O = (torch.sigmoid(X_t @ cell[f"W_x{g}"] + H @ cell[f"W_h{g}"] + cell[f"b_{g}"]) for g in "ifo")
        G = torch.tanh(X_t @ cell["W_xg"] + H @ cell["W_hg"] + cell["b_g"])
        C = F * C + I * G
        H = O * torch.tanh(C)
        outputs.append(H)
    return torch.stack(outputs)


def split_gates(cell):
    """The weights of a lesson's LSTMCell, one tensor per gate."""
    named = {"W_x": cell.W_xh, "W_h": cell.W_hh, "b_": cell.b_h}
    return {
        name + gate: part.detach().clone().requires_grad_()
        for name, weights in named.items()
        for gate, part in zip("ifgo", weights.chunk(4, dim=-1), strict=True)
    }


def make_stacks(num_inputs, num_hiddens, num_layers, batch_size=32, num_steps=35):
    """{name: function of X (T, n, d) -> hidden states (T, n, h)}, the stack in three forms; and such an X."""
    device = d2l.try_gpu()
    lesson = run_cells("02_stacked_from_scratch", "rnn-cell", "lstm-cell", "layer-hoisted", "deep-rnn")
    ours = lesson.DeepRNN(lesson.LSTMCell, num_inputs, num_hiddens, num_layers).to(device)
    theirs = torch.nn.LSTM(num_inputs, num_hiddens, num_layers).to(device)
    layers = [split_gates(cell) for cell in ours.cells]

    def gate_by_gate(X):
        for layer in layers:
            X = run_gate_by_gate(layer, X)
        return X

    stacks = {"from scratch": lambda X: ours(X)[0], "nn.LSTM": lambda X: theirs(X)[0]}
    stacks["gate by gate, step by step"] = gate_by_gate
    return stacks, torch.randn(num_steps, batch_size, num_inputs, device=device)


def make_products(num_inputs, num_hiddens, num_layers, batch_size=32, num_steps=35):
    """A function that makes the matrix products of one forward and backward pass of the hoisted form, and no more."""
    T, n, h, device = num_steps, batch_size, num_hiddens, d2l.try_gpu()
    H, A, W_hh = (torch.randn(*shape, device=device) for shape in ((n, h), (n, 4 * h), (h, 4 * h)))

    def products():
        for d in [num_inputs] + [h] * (num_layers - 1):
            X, As, W_xh = X_and_weights[d]
            X @ W_xh, As @ W_xh.T, X.T @ As  # forward, and the gradients of X and of W_xh: hoisted, one product each
            for _ in range(T):
                H @ W_hh, A @ W_hh.T, H.T @ A  # at every step, as autograd makes them

    X_and_weights = {
        d: [torch.randn(*shape, device=device) for shape in ((T * n, d), (T * n, 4 * h), (d, 4 * h))]
        for d in (num_inputs, h)
    }
    return products


def measure(num_layers, num_hiddens, rounds=9):
    """Seconds of each round by what was run, {name: list}."""
    sizes = len(utils.load_corpus().vocab), num_hiddens, num_layers
    stacks, X = make_stacks(*sizes)
    timed = {name: lambda stack=stack: stack(X).sum().backward() for name, stack in stacks.items()}
    timed["products"] = make_products(*sizes)
    if X.is_cuda:  # which works on after a call has returned
        timed = {name: lambda run=run: (run(), torch.cuda.synchronize()) for name, run in timed.items()}
    return utils.seconds_each(timed, rounds)


def rows(rounds=9):
    """A row of text per size and comparison."""
    for num_layers, num_hiddens in SIZES:
        seconds = measure(num_layers, num_hiddens, rounds)
        what = f"stacked LSTM from scratch, {num_layers} x {num_hiddens}, forward and backward"
        for against, aim in AIMS.items():
            ratio = {name: spread(speed_ratios(seconds, name, against), "x") for name in seconds}
            measured = f"{ratio['from scratch']}; its matrix products alone: {ratio['products']}"
            yield what, against, aim, measured + (f"; nn.LSTM: {ratio['nn.LSTM']}" if against != "nn.LSTM" else "")
