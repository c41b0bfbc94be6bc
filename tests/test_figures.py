"""If this fails, a lesson's static figure is not what our script draws, is cut off, transparent, or shown nowhere."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import book.display
import utils
from tools import draw_figures

ROOT = Path(__file__).resolve().parents[1]
FIGURES = sorted((ROOT / "assets" / "figures").iterdir())


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


def test_figures_are_what_the_script_draws(tmp_path):
    draw_figures.main(tmp_path)
    assert [path.name for path in FIGURES] == sorted(path.name for path in tmp_path.iterdir())
    for path in FIGURES:
        assert np.array_equal(pixels(path), pixels(tmp_path / path.name)), path.name


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.name)
def test_figure_is_small_opaque_and_nowhere_cut_off(path):
    assert path.stat().st_size < 30_000
    image = pixels(path)
    assert (image[..., 3] == 255).all()
    edges = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert (edges[:, :3] == 255).all(), "the margin is white"


def test_every_figure_is_shown_in_a_lesson_at_half_its_pixels(monkeypatch):
    shown = []
    monkeypatch.setattr(book.display, "display", lambda data, metadata, raw: shown.append(metadata["image/png"]))
    lessons = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "notebooks" / "source").glob("*.py"))
    assert sorted(re.findall(r"utils\.show_figure\(\"(\w+)\"\)", lessons)) == [path.stem for path in FIGURES]
    for path in FIGURES:
        utils.show_figure(path.stem)
        assert (shown[-1]["height"] * 2, shown[-1]["width"] * 2) == pixels(path).shape[:2]
    with pytest.raises(ValueError, match="name must be one of .*leak.*, got 'leek'"):
        utils.show_figure("leek")
