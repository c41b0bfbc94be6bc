"""One minibatch on several CPU cores: each thread takes some of its rows, forward and backward.

torch's own threads share out single matrix products, which are too small here: two of them often train slower than one.
Its recurrent layers let go of Python's lock, forward and backward, so that Python's threads can take whole rows.
"""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait

from book.environment import cpus_allowed, d2l, torch

MOST = 4  # threads; each further one leaves fewer rows to each, and small matrix products are slow
FEWEST_WEIGHTS = 80_000  # of a network that gains, such as an LSTM of 1 x 128; smaller ones are as fast in one thread
FREE = 0.7  # of the time a thread must have had a core to itself, or the cores are busy with something else
TRY_AGAIN = 3.0  # seconds until threads that did not help get another chance
# layers that treat each row for itself, draw no random numbers and keep nothing between two calls
ROW_BY_ROW = [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM, torch.nn.Linear]
if hasattr(d2l, "RNNModel"):  # another d2l is named by check_machine; it stops nobody here
    ROW_BY_ROW.append(d2l.RNNModel)

_pool = ThreadPoolExecutor(MOST, thread_name_prefix="shard")


def threads_for(model):
    """Return how many threads may share a minibatch of this model: 1 unless it is plain, large, and on the CPU."""
    layers, weights = list(model.modules()), list(model.parameters())
    plain = all(type(layer) in ROW_BY_ROW for layer in layers)
    plain = plain and not any(getattr(layer, "dropout", 0) or getattr(layer, "batch_first", 0) for layer in layers)
    large = sum(p.numel() for p in weights if p.requires_grad and p.device.type == "cpu") >= FEWEST_WEIGHTS
    return max(1, min(MOST, cpus_allowed() // torch.get_num_threads())) if plain and large else 1


def side_by_side(function, parts, threads):
    """Return [function(part) for part in parts], computed by so many threads, the caller's among them.

    Gradients are on or off in every thread as they are in the caller's. The first error is raised when all have ended.
    """
    if threads == 1 or len(parts) == 1:
        return [function(part) for part in parts]
    gradients = torch.is_grad_enabled()

    def some(first):
        with torch.set_grad_enabled(gradients):
            return [function(part) for part in parts[first::threads]]

    others = [_pool.submit(some, first) for first in range(1, threads)]
    try:
        shares = [some(0)]
    finally:
        wait(others)
    shares += [other.result() for other in others]
    return [shares[i % threads][i // threads] for i in range(len(parts))]


class Shards:
    """Gradients of a model's minibatches, by as many threads as make them faster; the numbers are those of one thread.

    How many is measured: the first minibatches are taken both ways, and threads that have to wait for a core (another
    program or kernel wants it) are given up for a while.
    """

    def __init__(self, model):
        self.model, self.most = model, threads_for(model)
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.count, self.again, self.free = self.most, 0.0, 0.0
        self.seconds = {count: deque(maxlen=2) for count in (1, self.most)}  # of a row, in the last minibatches

    def gradients(self, X, Y, state):
        """Set the gradients of the mean cross-entropy of a minibatch; return its loss, a float, and the next state.

        X, Y: (n, T) on the model's device; state: as the model's begin_state(n) returns it.
        """
        count = self._next_count() if len(X) >= self.most else 1
        started = time.perf_counter()
        if count == 1:
            loss, after = self._loss(X, Y, state)
            for p in self.weights:
                p.grad = None
            loss.backward()
            result, working = (loss.item(), after), 1.0
        else:
            *result, working = self._split(X, Y, state, count)
        seconds = time.perf_counter() - started
        if self.most > 1:
            self._choose(count, seconds / len(X), working / seconds / count)
        return result

    def _loss(self, X, Y, state):
        logits, after = self.model(X, state)  # (T * n, q)
        return torch.nn.functional.cross_entropy(logits, Y.T.reshape(-1).long()), after

    def _split(self, X, Y, state, count):
        """Return the loss, the next state, and the seconds that all threads together had a core."""

        def part(rows):
            began, share = time.thread_time(), (rows.stop - rows.start) / len(X)
            loss, after = self._loss(X[rows], Y[rows], _of_each(state, lambda s: s[:, rows].contiguous()))
            gradients = torch.autograd.grad(share * loss, self.weights, allow_unused=True)
            return share * loss.item(), gradients, after, time.thread_time() - began

        edges = [len(X) * i // count for i in range(count + 1)]
        parts = [slice(*ends) for ends in zip(edges, edges[1:], strict=False)]
        losses, gradients, after, working = zip(*side_by_side(part, parts, count), strict=True)
        for p, shares in zip(self.weights, zip(*gradients, strict=True), strict=True):
            p.grad = None if shares[0] is None else sum(shares[1:], shares[0])
        return sum(losses), _joined(after), sum(working)

    def _next_count(self):
        """Each way twice, then the one that was chosen."""
        untried = [count for count in (self.most, 1) if len(self.seconds[count]) < 2]
        if self.count == 1 < self.most and not untried and time.monotonic() >= self.again:
            self.seconds[self.most].clear()
            return self.most
        return untried[0] if untried else self.count

    def _choose(self, count, seconds, free):
        """Note how long a row took, and which share of the time each thread had a core; decide how to go on."""
        self.seconds[count].append(seconds)
        self.free = free if count > 1 else self.free
        if all(len(each) == 2 for each in self.seconds.values()):
            helps = min(self.seconds[self.most]) < min(self.seconds[1]) and self.free >= FREE
            self.count = self.most if helps else 1
        if count > 1:
            self.again = time.monotonic() + TRY_AGAIN


def _of_each(state, function):
    """Return a state, a tensor (layers, n, h) or a tuple of such, with a function applied to each tensor."""
    return tuple(map(function, state)) if isinstance(state, tuple) else function(state)


def _joined(states):
    """Return the states of some rows each as the state of all rows."""
    if isinstance(states[0], tuple):
        return tuple(torch.cat(each, dim=1) for each in zip(*states, strict=True))
    return torch.cat(states, dim=1)
