"""What can be set in the playground: the settings of a run, their ranges, and the words on the controls."""

import json
import re
import unicodedata
from dataclasses import asdict, dataclass

from book import ROOT, is_number, is_whole, require
from book.words import say
from utils import RECIPES, d2l, enlarge_weights, torch

CELLS = {"RNN": torch.nn.RNN, "GRU": torch.nn.GRU, "LSTM": torch.nn.LSTM}
# whole numbers: the lowest, the highest, and the step between them
RANGES = {"layers": (1, 4, 1), "hidden_units": (16, 512, 16), "epochs": (1, 2000, 1), "seed": (0, 2**32, 1)}
LABELS = json.loads((ROOT / "book" / "words" / "labels.json").read_text(encoding="utf-8"))


def label(name):
    """Return the words on a control, in the language of the page."""
    return say(LABELS[name])


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run; `str(settings)` and `Settings.parse` are each other's inverse.

    Raises ValueError naming the setting, its value and what is allowed.
    """

    layers: int = 1
    hidden_units: int = 128
    cell: str = "LSTM"
    recipe: str = "fast"
    lr: float = RECIPES["fast"].lr
    epochs: int = 40
    seed: int = 0
    bidirectional: bool = False

    def __post_init__(self):
        for name, (low, high, step) in RANGES.items():
            value = getattr(self, name)
            fits = is_whole(value, least=low) and value <= high and value % step == 0
            whole = say("a whole number from {low} to {high}", low=low, high=high)
            several = say("a multiple of {step} from {low} to {high}", step=step, low=low, high=high)
            require(fits, name, value, whole if step == 1 else several)
            object.__setattr__(self, name, int(value))  # it may be numpy's
        require(self.cell in CELLS, "cell", self.cell, say("one of {names}", names=", ".join(CELLS)))
        require(self.recipe in RECIPES, "recipe", self.recipe, say("one of {names}", names=", ".join(RECIPES)))
        require(is_number(self.lr) and 0 < self.lr <= 100, "lr", self.lr, say("a number above 0, at most 100"))
        object.__setattr__(self, "lr", float(self.lr))
        require(isinstance(self.bidirectional, bool), "bidirectional", self.bidirectional, say("True or False"))

    def __str__(self):
        return " ".join(f"{name}={value}" for name, value in asdict(self).items() if value is not False)

    @classmethod
    def parse(cls, text):
        """Return the Settings that a string such as "layers=2, epochs=20" describes; what it leaves out is default.

        Commas, semicolons and spaces around = may be there. A recipe brings its own learning rate.
        """
        defaults, values = asdict(cls()), {}
        text = unicodedata.normalize("NFKC", text)  # full-width signs, as a Chinese keyboard makes them
        for word in re.sub(r"\s*=\s*", "=", re.sub("[,;、]", " ", text)).split():
            name, equals, value = word.partition("=")
            known = name in defaults and equals
            require(known, "settings", word, say("name=value pairs, names being {names}", names=", ".join(defaults)))
            values[name] = read(name, value)
        if values.get("recipe") in RECIPES:
            values = {"lr": RECIPES[values["recipe"]].lr} | values
        return cls(**values)

    @property
    def label(self):
        """The run's name in the legend and in the table, such as "LSTM 2 x 256"."""
        return f"{'Bi' if self.bidirectional else ''}{self.cell} {self.layers} x {self.hidden_units}"

    def build(self, vocab_size):
        """Return a d2l.RNNModel with the weights that the seed gives, torch's own random state left alone."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            layer = CELLS[self.cell](vocab_size, self.hidden_units, self.layers, bidirectional=self.bidirectional)
            model = d2l.RNNModel(layer, vocab_size)
            return enlarge_weights(model) if RECIPES[self.recipe].enlarge else model


def read(name, text):
    """Return a setting's text as a value of its kind, or as the text that it is: then Settings refuses it."""
    kind = type(getattr(Settings, name))
    try:
        return {"True": True, "False": False}[text] if kind is bool else kind(text)
    except (KeyError, ValueError):
        return text
