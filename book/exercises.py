"""The exercises' answers: what is right and why, and what those are told who took a well-known wrong turn.

They stand here and not in the lessons, so that no formula is in view before the reader has answered.
"""

import ast
import decimal
import fractions
import math
import numbers
import operator
import re
import unicodedata
from typing import NamedTuple

from book import require
from book.runs import best
from book.words import say


class Exercise(NamedTuple):
    """What is right: a whole number (met exactly), another number (to a thousandth), a text, or a tuple of numbers.

    expected may also be a function of what the lesson hands to `check`. because: why, said with "right". hints: wrong
    answers that many give, {answer: what to think of}.
    """

    expected: object
    because: str
    hints: dict


EXERCISES = {
    "1.1": Exercise(
        (28, 64, 64, 64),
        "layer 1 reads the d inputs, layer 3 the h states of layer 2",
        {
            (64, 28, 64, 64): "that is how PyTorch stores them; in the equation X_t stands on the left of W_xh",
            (64, 64, 64, 64): "what does layer 1 read?",
            (28, 64, 28, 64): "what does layer 3 read?",
        },
    ),
    "1.2": Exercise(
        10 * (5 + 10 + 1) + 3 * 10 * (10 + 10 + 1) + 10 * 2 + 2,
        "h(d + h + 1) for layer 1, three times h(h + h + 1), and hq + q",
        {
            810: "the output layer has a bias, too",
            790: "the output layer is missing",
            852: "PyTorch has two biases a layer, the equation has one",
            662: "only layer 1 reads the d inputs",
        },
    ),
    "1.3": Exercise(
        6,
        "arrows lead from X_3 to the states at t = 3, 4, 5 in both layers, and to no other",
        {
            3: "that is one layer",
            5: "in layer 2, too, the state at t = 3 changes: it reads layer 1 at its own time step",
            4: "the states at t = 3 itself change as well",
            10: "no arrow leads back in time",
            2: "the states go on changing after t = 3",
        },
    ),
    "1.4": Exercise(
        4 * 100 / (100 + 4 - 1),
        "400 states take T + L - 1 = 103 rounds: at most L states are ready at once",
        {
            4: "nearly; but at both ends of the sequence fewer than L states are ready",
            100: "at most one state of each layer is ready at any time",
            400 / 104: "count the rounds of a small network, L = 1: there are T of them",
            103 / 400: "the other way round: how many times as fast?",
            103: "that is the number of rounds",
        },
    ),
    "1.5": Exercise(
        104 / 50,
        "parameters grow about as h squared: four times as many, a bit over twice the width",
        {
            4: "four times the parameters; does h grow as fast as they do?",
            2: "about; now the exact ratio, from `largest_width`",
            104: "that is the new width; divide it by the old one",
        },
    ),
    "2.1": Exercise(
        2 * (1 + 35),
        "each layer makes one product for all inputs, and one per step (the loop form: 140)",
        {
            140: "that is the loop form; how often does `run_layer` call `project`?",
            70: "the product for the inputs is missing, one in each layer",
            36: "that is one layer",
            71: "each layer has a product for its inputs",
        },
    ),
    "2.2": Exercise(
        3 / 5,
        "the joint norm is 5, so both are divided by 5: the direction stays",
        {
            1: "clipping scales both gradients by the same factor",
            3: "is the norm of (3, 4) not above 1?",
            3 / 7: "the norm is not the sum",
            0.5: "the direction must stay: the two must remain as 3 to 4",
        },
    ),
    "2.3": Exercise(
        2 * 4 * 64,
        "PyTorch has a second bias of 4h numbers in each of the two layers",
        {
            256: "that is one layer",
            128: "an LSTM computes four sums, each with a bias of its own",
            64: "an LSTM computes four sums, each with a bias of its own, in two layers",
            1024: "the first of PyTorch's two biases is in ours as well",
        },
    ),
    "2.4": Exercise(
        0.9**20,
        "every step multiplies C by F = 0.9; a gate nearer to 1 remembers longer",
        {
            18: "each step multiplies what is left",
            0.9: "that is after one step",
            0.9**19: "count the products: one in each of 20 steps",
            0.9**21: "count the products: one in each of 20 steps",
            0: "nothing comes in, but how much is thrown away?",
        },
    ),
    "2.5": Exercise(
        (10, 25),
        "steps 1 to 10 of the second, and without detach the 15 before them; never the future",
        {
            (15, 30): "the loss is taken at step 10: what comes later cannot reach it",
            (10, 30): "the loss is taken at step 10, also without detach",
            (25, 10): "first with detach, then without",
            (10, 10): "what does detach cut?",
            (15, 25): "the loss is taken at step 10, also with detach",
        },
    ),
    "3.1": Exercise(
        4 * 256 * (28 + 256 + 2) + 2 * 4 * 256 * (256 + 256 + 2),
        "4h(d + h + 2) + 2 * 4h(h + h + 2), with d = 28 and h = 256",
        {
            4 * 256 * (28 + 256 + 1) + 2 * 4 * 256 * 513: "PyTorch keeps two biases for each sum",
            4 * 256 * 284 + 2 * 4 * 256 * 512: "the biases are missing",
            3 * 4 * 256 * 286: "only layer 1 reads the 28 inputs",
            826396: "that is the network of the lesson: two layers, with its output layer",
            819200: "that is two layers",
        },
    ),
    "3.2": Exercise(
        17.3884,
        "a model that ignores its input can do no better: this is the plateau",
        {
            28: "that is blind guessing; the frequencies are not all equal",
            27: "that is all 27 characters equally likely; count them",
            2.8558: "that is the entropy, in nats; perplexity is exp of it",
        },
    ),
    "3.3": Exercise(
        3 / 4,
        "a GRU computes 3 sums per layer (2 gates, 1 candidate), an LSTM 4",
        {
            4 / 3: "the other way round: the GRU's as a fraction of the LSTM's",
            2 / 3: "a candidate is a sum like a gate",
            75: "as a fraction",
            1: "count the sums in a state of each",
        },
    ),
    "3.4": Exercise(
        lambda records: best(records).epoch,
        "there its held-out perplexity is lowest; then it learns by heart",
        {20: "that is where its training perplexity is lowest", 500: "these are the records of the fast run"},
    ),
    "3.5": Exercise(
        math.e / (math.e + 1),
        "o / tau = (1, 0), so it is e / (e + 1): heat brings it nearer to 1/2",
        {
            1 / (1 + math.exp(-2)): "that is temperature 1",
            1 / (1 + math.exp(-4)): "divide the scores by the temperature, not multiply",
            0.5: "that is what it comes to as the temperature grows without end",
            1: "that is what it comes to as the temperature goes to 0",
        },
    ),
    "4.1": Exercise(
        49 * (10 + 10 * 10) + 10,
        "each of 49 steps makes k products with B and k * k with A; k more at the end",
        {
            5000: "the order of magnitude is right; now count the products of each step",
            500: "each of the k sums of a step has k terms",
            5390: "and the last letter?",
            5500: "the last letter needs no step with A",
            4900: "the products with B are missing",
        },
    ),
    "4.2": Exercise(
        0.2 * 0.01 + 0.5 * 0.60 + 0.3 * 0.01,
        "every state now forgets the one before it: only the row of A says anything",
        {
            0.3: "nearly: the other two states show an a now and then",
            0.5: "that is the probability of a vowel; which vowel?",
            0.6: "that is for a state that is surely 2",
        },
    ),
    "4.3": Exercise(
        16,
        "every letter divides by 1000: 1e-45 is still there after 15 letters, 1e-48 is not",
        {
            15: "1e-45 is above half of 1.4e-45",
            14: "how small is 1000 to the power -14?",
            17: "it is zero a letter before",
            1: "how many factors of 1/1000 go into 1.4e-45?",
        },
    ),
    "4.4": Exercise(
        1.3388,
        "nothing is to its left: the best guess is P(x_1), which costs its entropy",
        {
            math.log(6): "that is for six letters that are equally likely",
            math.log(3): "that is for three letters that are equally likely",
            1.3388 / math.log(2): "that is in bits; take the natural logarithm",
            math.exp(1.3388): "that is the perplexity; nats are its logarithm",
        },
    ),
    "4.5": Exercise(
        20,
        "nothing follows the last letter: rho is 1, and both sides are the left side",
        {
            1: "at the first place both sides know more than the left: the left side is empty",
            19: "counted from 1",
            10: "in the middle both sides say something",
        },
    ),
    "5.1": Exercise(
        2 * ((28 + 64 + 2) + (2 * 64 + 64 + 2)) / ((28 + 64 + 2) + (64 + 64 + 2)),
        "each layer counts twice, and layer 2 reads 2h = 128 numbers",
        {
            2: "what does layer 2 read?",
            4: "count layer 1 for itself, and layer 2",
            2.5: "nearly: the biases, too, are counted",
        },
    ),
    "5.2": Exercise(
        3,
        "the order is: layer 1 forward, backward, layer 2 forward, backward, ...",
        {
            2: "that is layer 2 forward",
            4: "counted from 0",
            5: "that is layer 3 backward",
            -1: "that is the last layer's; this network has three",
            1: "that is layer 1 backward",
        },
    ),
    "5.3": Exercise(
        (10 - 4 + 1, 4),
        "forward: steps 4 to 10; backward: steps 4 to 1. In a second layer all 10 would move",
        {
            (6, 3): "step 4 itself moves as well, in both directions",
            (7, 3): "backward, too, step 4 itself moves",
            (6, 4): "forward, too, step 4 itself moves",
            (4, 7): "first forward, then backward",
            (10, 10): "that is so in a second layer; in this one no state has read the other direction",
        },
    ),
    "5.4": Exercise(
        2 * 20 + max(10, 20 - 10 + 1),
        "two whole sweeps, and in layer 3 ten steps from the left or eleven from the right",
        {
            50: "ten steps from the left; and from the right?",
            60: "that is for the first and the last output",
            30: "the first two layers sweep over the whole sequence",
            22: "that is one direction, T + L - 1; here each layer waits for a whole sweep of the one below",
            12: "in one direction it would be; here each layer waits for a whole sweep of the one below",
        },
    ),
    "5.5": Exercise(
        lambda tags: 2 * float(tags.float().mean()) / (1 + float(tags.float().mean())),
        "it finds all p T word ends and claims T: 2 p T / (T + p T) = 2 p / (1 + p)",
        {1: "it finds every word end, but most of what it claims is wrong", 0: "it finds every word end"},
    ),
    "6.1": Exercise(
        (1.05**6 * 10) ** (1 / 7),
        "a short window shows the spike: it is one position of seven, not of 35",
        {
            1.12: "that is T = 35",
            (6 * 1.05 + 10) / 7: "average the logarithms, not the perplexities",
            1.4: "two decimals, please",
        },
    ),
    "6.2": Exercise(
        2,
        "x_{t+2} lies in the window for all but the last two positions",
        {
            1: "that is for the next character, x_{t+1}",
            33: "that is where it can leak",
            3: "where does x_{t+2} lie outside of the window?",
            0: "where does x_{t+2} lie outside of the window?",
        },
    ),
    "6.3": Exercise(
        "C",
        "it subtracts a mean over the whole window: the future moves all its inputs",
        {
            "a": "change the future of a window: do its logits move?",
            "b": "change the future of a window: do its logits move?",
        },
    ),
    "6.4": Exercise(
        (35 * 36 / 2) / 35,
        "it reads 630 characters instead of 35: 1 + 2 + ... + T = T (T + 1) / 2",
        {
            35: "the prefixes have 1, 2, ..., 35 characters: most are shorter than the window",
            17.5: "nearly: add up 1 + 2 + ... + 35",
            36: "the prefixes have 1, 2, ..., 35 characters",
            630: "that is how many it reads; how many times as many?",
        },
    ),
    "6.5": Exercise(
        (0, 2, 4),
        "directions alternate, and only a forward state ends where the next begins",
        {
            (1, 3, 5): "those are the backward states: where does each of them end?",
            (0, 1, 2): "that would be all layers' forward states if the directions did not alternate",
            (0,): "each layer has a forward state",
            (0, 1, 2, 3, 4, 5): "where does a backward state end?",
        },
    ),
}


def check(exercise, answer, *given):
    """Say whether an exercise's answer is right, and why; None for none yet.

    exercise: such as "3.2", lesson and number. answer: what the reader has found: a number, also as a text, a fraction
    or an expression ("3/5", "0.9**20"); several numbers as a tuple, list, set, range, tensor or array of any shape.
    given: what the right answer depends on, where it is not the same for everybody. ValueError for an unknown exercise.
    """
    require(exercise in EXERCISES, "exercise", exercise, say("one of {names}", names=", ".join(EXERCISES)))
    expected, because, hints = EXERCISES[exercise]
    expected = expected(*given) if callable(expected) else expected
    if answer is None or answer is ...:
        print(say("not yet: put your answer in place of None and run this cell again"))
        return
    if isinstance(expected, str):
        found, wanted = str(answer).strip(" \"'.").lower(), expected.lower()
        right, kind = found == wanted, say("a letter")
    else:
        found, wanted = plain(answer, max(1, *as_tuple(expected))), as_tuple(expected)
        right = found is not None and _same(found, wanted)
        example = tuple(range(len(wanted)))
        several = say("{count} numbers, such as {example}", count=len(wanted), example=example)
        kind = say("a number") if len(wanted) == 1 else several
    if right:
        print(say("right, because {because}", because=say(because)))
        return
    counted = isinstance(found, str) or (found is not None and len(found) == len(wanted))
    hint = None if found is None else _hint(found, hints)
    if hint or counted:
        hint = say(hint) if hint else say("try again")
        print(say("not yet: {answer!r} is not it; {hint}", answer=answer, hint=hint))
    else:
        print(say("not yet: give {kind}, not {answer!r}", kind=kind, answer=answer))


def as_tuple(value):
    """Return a value as a tuple: one that is none becomes the only member."""
    return value if isinstance(value, tuple) else (value,)


def _hint(found, hints):
    for wrong, hint in hints.items():
        if found == wrong if isinstance(found, str) else _same(found, as_tuple(wrong)):
            return hint
    return None


def _same(found, wanted):
    """Return whether numbers are those that are wanted: whole ones exactly, others to a thousandth."""
    if len(found) != len(wanted):
        return False
    tolerances = [1e-9 if isinstance(number, int) else 1e-3 for number in wanted]
    return all(math.isclose(*pair, rel_tol=t) for *pair, t in zip(found, wanted, tolerances, strict=True))


def plain(answer, largest=1):
    """Return an answer as a tuple of numbers, whatever it came in; None where it holds anything else.

    largest: a slice without an end, such as slice(0, None, 2), goes so far.
    """
    if isinstance(answer, bool):
        return None
    if isinstance(answer, numbers.Real | decimal.Decimal | fractions.Fraction):
        return (int(answer),) if isinstance(answer, numbers.Integral) else (float(answer),)
    if isinstance(answer, str):
        return _read(answer)
    if isinstance(answer, slice):
        answer = range(*answer.indices(int(largest) + 1))
    if hasattr(answer, "tolist"):  # a tensor or an array, of one number or of several
        return plain(answer.tolist(), largest)
    if not isinstance(answer, list | tuple | range | set | frozenset):
        return None
    parts = [plain(each, largest) for each in answer]
    if None in parts:
        return None
    return sum(sorted(parts) if isinstance(answer, set | frozenset) else parts, ())


_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
_OPERATIONS |= {ast.Pow: operator.pow, ast.USub: operator.neg, ast.UAdd: operator.pos, ast.FloorDiv: operator.floordiv}
_FUNCTIONS = {"sqrt": math.sqrt, "exp": math.exp, "log": math.log, "ln": math.log, "max": max, "min": min}
_CONSTANTS = {"e": math.e, "pi": math.pi}


def _read(text):
    """Return the numbers of a text such as "812", "3/5", "60 %" or "(10, 25)"; None where it is no such thing."""
    text = unicodedata.normalize("NFKC", text).strip()  # full-width signs, as a Chinese keyboard makes them
    text = text.replace("×", "*").replace("^", "**").replace("−", "-").replace("math.", "")
    if re.fullmatch(r"\d{1,3}(,\d{3})+", text):
        text = text.replace(",", "")
    text = re.sub(r"\s*%$", "/100", text)
    try:
        return plain(_value(ast.parse(text, mode="eval").body))
    except (
        SyntaxError,
        TypeError,
        ValueError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        MemoryError,
    ):
        return None


def _value(node):
    """Return what an expression's syntax tree comes to; numbers, arithmetic and a few functions, nothing else."""
    if isinstance(node, ast.Tuple | ast.List):
        return [_value(each) for each in node.elts]
    if isinstance(node, ast.Call):
        return _FUNCTIONS[node.func.id](*map(_value, node.args))
    if isinstance(node, ast.Name):
        return _CONSTANTS[node.id]
    if isinstance(node, ast.UnaryOp):
        return _OPERATIONS[type(node.op)](_value(node.operand))
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if isinstance(node.op, ast.Pow) and (abs(right) > 1000 or abs(left) > 1e6):
            raise ValueError("too large")  # or Python would be at it for hours
        return _OPERATIONS[type(node.op)](left, right)
    if isinstance(node, ast.Constant) and isinstance(node.value, numbers.Real):
        return node.value
    raise ValueError("no number")
