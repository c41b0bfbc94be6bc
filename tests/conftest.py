"""What several tests need: the corpus and small models. utils comes before torch here, because it sets the threads."""

import random

import pytest

import utils
from utils import d2l, torch


@pytest.fixture(scope="session")
def corpus():
    return utils.load_corpus()


@pytest.fixture(autouse=True)
def seeds():
    utils.seed_everything(0)


@pytest.fixture
def small_model():
    """A function that returns a small language model with the weights of a seed: small_model(bidirectional=True)."""

    def build(cell=torch.nn.LSTM, num_layers=1, bidirectional=False, seed=0, num_hiddens=24):
        torch.manual_seed(seed)
        random.seed(seed)
        return d2l.RNNModel(cell(28, num_hiddens, num_layers, bidirectional=bidirectional), 28)

    return build
