# Cells of our own that call d2l as D2L's Chinese chapters on text do, one block a chapter: run by test_environment.py.

# %% text preprocessing
import re
from d2l import torch as d2l

d2l.DATA_HUB["time_machine"] = (d2l.DATA_URL + "timemachine.txt", "090b5e7e70c295757f55df93cb0a180b9691891a")
with open(d2l.download("time_machine"), "r") as f:
    raw = f.readlines()
lines = [re.sub("[^A-Za-z]+", " ", line).strip().lower() for line in raw]
assert lines == d2l.read_time_machine() and lines[0] == "the time machine by h g wells"
words, characters = d2l.tokenize(lines), d2l.tokenize(lines, "char")
vocab = d2l.Vocab(words)
assert list(vocab.token_to_idx)[:3] == ["<unk>", "the", "i"]
assert vocab.to_tokens(vocab[words[0]]) == words[0]
assert d2l.count_corpus(characters)["e"] > 15_000
corpus, vocab = d2l.load_corpus_time_machine()
assert len(corpus) > 170_000 and len(vocab) == 28

# %% language models
import random
from d2l import torch as d2l

words = d2l.tokenize(d2l.read_time_machine())
corpus = [token for line in words for token in line]
vocab = d2l.Vocab(corpus)
pairs = d2l.Vocab([pair for pair in zip(corpus[:-1], corpus[1:])])
frequencies = [[frequency for _, frequency in v.token_freqs] for v in (vocab, pairs)]
d2l.plot(frequencies, xlabel="token", ylabel="frequency", xscale="log", yscale="log", legend=["one", "two"])
random.seed(0)
for make in (d2l.seq_data_iter_random, d2l.seq_data_iter_sequential):
    for X, Y in make(list(range(35)), batch_size=2, num_steps=5):
        assert X.shape == Y.shape == (2, 5) and (Y - X == 1).all()
for X, Y in d2l.load_data_time_machine(2, 5, use_random_iter=True, max_tokens=200)[0]:
    assert (X[:, 1:] == Y[:, :-1]).all()

# %% rnn from scratch
import torch
from torch.nn import functional as F
from d2l import torch as d2l

train_iter, vocab = d2l.load_data_time_machine(32, 35)


def get_params(vocab_size, num_hiddens, device):
    shapes = [(vocab_size, num_hiddens), (num_hiddens, num_hiddens), (num_hiddens,)]
    shapes += [(num_hiddens, vocab_size), (vocab_size,)]
    return [(0.01 * torch.randn(shape, device=device)).requires_grad_() for shape in shapes]


def init_state(batch_size, num_hiddens, device):
    return (torch.zeros((batch_size, num_hiddens), device=device),)


def rnn(inputs, state, params):
    W_xh, W_hh, b_h, W_hq, b_q = params
    (H,), outputs = state, []
    for X in inputs:
        H = torch.tanh(torch.mm(X, W_xh) + torch.mm(H, W_hh) + b_h)
        outputs.append(torch.mm(H, W_hq) + b_q)
    return torch.cat(outputs, dim=0), (H,)


net = d2l.RNNModelScratch(len(vocab), 64, d2l.try_gpu(), get_params, init_state, rnn)
Y, state = net(torch.arange(10).reshape((2, 5)), net.begin_state(2, d2l.try_gpu()))
assert Y.shape == (10, 28) and state[0].shape == (2, 64) and len(F.one_hot(torch.tensor([0, 2]), 28)) == 2
d2l.predict_ch8("time traveller ", 10, net, vocab, d2l.try_gpu())
d2l.train_ch8(net, train_iter, vocab, 1, 500, d2l.try_gpu())
random_iter, vocab = d2l.load_data_time_machine(32, 35, use_random_iter=True)
d2l.train_ch8(net, random_iter, vocab, 1, 500, d2l.try_gpu(), use_random_iter=True)
loss, updater = torch.nn.CrossEntropyLoss(), lambda batch_size: d2l.sgd(net.params, 1, batch_size)
perplexity, speed = d2l.train_epoch_ch8(net, train_iter, loss, updater, d2l.try_gpu(), False)
d2l.grad_clipping(net, 1)
assert perplexity < 28

# %% rnn, gru and lstm in a few lines
from torch import nn
from d2l import torch as d2l

train_iter, vocab = d2l.load_data_time_machine(32, 35)
for layer in (nn.RNN(len(vocab), 64), nn.GRU(len(vocab), 64), nn.LSTM(len(vocab), 64)):
    net = d2l.RNNModel(layer, vocab_size=len(vocab)).to(d2l.try_gpu())
    d2l.predict_ch8("time traveller", 10, net, vocab, d2l.try_gpu())
    d2l.train_ch8(net, train_iter, vocab, 1, 500, d2l.try_gpu())

# %% lstm from scratch
import torch
from d2l import torch as d2l

train_iter, vocab = d2l.load_data_time_machine(32, 35)


def get_params(vocab_size, num_hiddens, device):
    shapes = [(vocab_size, 4 * num_hiddens), (num_hiddens, 4 * num_hiddens), (4 * num_hiddens,)]
    shapes += [(num_hiddens, vocab_size), (vocab_size,)]
    return [(0.01 * torch.randn(shape, device=device)).requires_grad_() for shape in shapes]


def init_state(batch_size, num_hiddens, device):
    return tuple(torch.zeros((batch_size, num_hiddens), device=device) for _ in range(2))


def lstm(inputs, state, params):
    W_x, W_h, b, W_hq, b_q = params
    (H, C), outputs = state, []
    for X in inputs:
        I, F, O, G = ((X @ W_x) + (H @ W_h) + b).chunk(4, dim=1)
        C = torch.sigmoid(F) * C + torch.sigmoid(I) * torch.tanh(G)
        H = torch.sigmoid(O) * torch.tanh(C)
        outputs.append((H @ W_hq) + b_q)
    return torch.cat(outputs, dim=0), (H, C)


model = d2l.RNNModelScratch(len(vocab), 64, d2l.try_gpu(), get_params, init_state, lstm)
d2l.train_ch8(model, train_iter, vocab, 1, 500, d2l.try_gpu())

# %% deep and bidirectional
from torch import nn
from d2l import torch as d2l

train_iter, vocab = d2l.load_data_time_machine(batch_size=32, num_steps=35)
for options in ({}, {"bidirectional": True}):
    model = d2l.RNNModel(nn.LSTM(len(vocab), 32, 2, **options), len(vocab)).to(d2l.try_gpu())
    d2l.train_ch8(model, train_iter, vocab, 2 * 1.0, 500, d2l.try_gpu())
