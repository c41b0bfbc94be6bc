"""Lesson 2's stacked LSTM against nn.LSTM and against a loop over time steps and gates, forward and backward."""

import utils
from benchmarks.timing import speed_ratio
from tools.lesson_code import run_cells
from utils import torch

SIZES = ((1, 64), (2, 64), (2, 128), (2, 256))  # num_layers, num_hiddens
LESSON = run_cells("02_stacked_from_scratch", "rnn-cell", "gated-cells", "layer-hoisted", "deep-rnn")
BOUNDS = {"nn.LSTM": 0.4, "gate by gate, step by step": 1.5}


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


def make_forms(num_layers, num_hiddens, num_inputs=28, batch_size=32, num_steps=35):
    """{name: function of X (T, n, d) -> hidden states (T, n, h)}, the stack in three forms; and such an X."""
    ours = LESSON["DeepRNN"](LESSON["LSTMCell"], num_inputs, num_hiddens, num_layers)
    theirs, layers = torch.nn.LSTM(num_inputs, num_hiddens, num_layers), [split_gates(cell) for cell in ours.cells]

    def gate_by_gate(X):
        for layer in layers:
            X = run_gate_by_gate(layer, X)
        return X

    forms = {"from scratch": lambda X: ours(X)[0], "nn.LSTM": lambda X: theirs(X)[0]}
    return forms | {"gate by gate, step by step": gate_by_gate}, torch.randn(num_steps, batch_size, num_inputs)


def ratios(num_layers, num_hiddens, rounds=9):
    """{what our stack is compared with: (median, lowest, highest) ratio of speeds}."""
    forms, X = make_forms(num_layers, num_hiddens)
    timed = {name: lambda form=form: form(X).sum().backward() for name, form in forms.items()}
    seconds = utils.seconds_each(timed, rounds)
    return {against: speed_ratio(seconds, "from scratch", against) for against in BOUNDS}


def rows():
    """A row of text per size and comparison."""
    for num_layers, num_hiddens in SIZES:
        for against, (median, low, high) in ratios(num_layers, num_hiddens).items():
            yield (
                f"{num_layers} x {num_hiddens}",
                against,
                f"{BOUNDS[against]} x",
                f"{median:.2f} x ({low:.2f}-{high:.2f})",
            )
