"""What benchmarks/ compares is the same network, and its bounds hold here."""

import pytest

import utils
from benchmarks import stacked_lstm
from benchmarks.timing import speed_ratio
from utils import torch


def test_the_compared_forms_are_the_same_network():
    forms, X = stacked_lstm.make_forms(2, 16)
    torch.testing.assert_close(forms["from scratch"](X), forms["gate by gate, step by step"](X))
    assert forms["nn.LSTM"](X).shape == forms["from scratch"](X).shape


@pytest.mark.parametrize(
    ("num_layers", "num_hiddens", "limits"),
    [(2, 64, {"nn.LSTM": 0.25, "gate by gate, step by step": 1.2}), (2, 256, {"nn.LSTM": 0.4})],
)
def test_stacked_lstm_from_scratch_is_fast_enough(num_layers, num_hiddens, limits):
    measured = stacked_lstm.ratios(num_layers, num_hiddens, rounds=7)
    for against, limit in limits.items():
        assert measured[against][0] >= limit, against


def test_timing_takes_turns_and_drops_the_first_round():
    calls = []
    seconds = utils.seconds_each({name: lambda name=name: calls.append(name) for name in "ab"}, rounds=2)
    assert calls == ["a", "b"] * 3 and [len(s) for s in seconds.values()] == [2, 2]
    assert speed_ratio({"a": [1.0, 2.0, 1.0], "b": [2.0, 8.0, 3.0]}, "a", "b") == (3.0, 2.0, 4.0)
