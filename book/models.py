"""Trained models in files: weights, settings and vocabulary."""

import io
import itertools
from dataclasses import asdict
from pathlib import Path

from book import require
from book.settings import Settings
from book.words import say
from utils import d2l, torch


def save_model(path, model, settings, vocab):
    """Write a trained d2l.RNNModel with its Settings and vocabulary to a file; return its path.

    path: None for the current folder and a name made of the settings, which is not taken yet.
    """
    name = f"{settings.label} {settings.recipe} seed {settings.seed}".replace(" ", "-")
    names = (Path(f"{name}{'-' if n > 1 else ''}{n if n > 1 else ''}.pt") for n in itertools.count(1))
    path = Path(path or next(name for name in names if not name.exists()))
    weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    torch.save({"settings": asdict(settings), "vocab": list(vocab.idx_to_token), "weights": weights}, path)
    return path


def load_model(file):
    """Return (model, settings, vocab) that save_model has written; nothing but numbers and text is read from it.

    file: a path, or the file's bytes. Raises ValueError for a file that is no such model.
    """
    source = io.BytesIO(file) if isinstance(file, bytes) else file
    try:
        saved = torch.load(source, map_location="cpu", weights_only=True)
        settings, vocab = Settings(**saved["settings"]), d2l.Vocab()
        vocab.idx_to_token = [str(token) for token in saved["vocab"]]
        vocab.token_to_idx = {token: i for i, token in enumerate(vocab.idx_to_token)}
        model = settings.build(len(vocab))
        model.load_state_dict(saved["weights"])
    except Exception:  # torch.load has many ways to say that something is no file of its own
        name = file if isinstance(file, str) else say("another one")
        require(False, "model", name, say("a file that the playground has saved"))
    return model.to(d2l.try_gpu()), settings, vocab
