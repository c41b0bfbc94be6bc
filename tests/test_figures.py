"""tools/draw_figures.py and what it has written to assets/figures: the same bytes, legible everywhere, no words."""

import importlib.util
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FIGURES = sorted((ROOT / "assets" / "figures").iterdir())
SVG = "{http://www.w3.org/2000/svg}"
spec = importlib.util.spec_from_file_location("draw_figures", ROOT / "tools" / "draw_figures.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_figures_are_what_the_script_draws(tmp_path):
    tool.main(tmp_path)
    assert {path.name: path.read_bytes() for path in FIGURES} == {
        path.name: path.read_bytes() for path in tmp_path.iterdir()
    }


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.name)
def test_figure_is_small_opaque_and_without_fonts(path):
    assert path.stat().st_size < 60_000
    assert b"\r" not in path.read_bytes()
    root = ET.parse(path).getroot()
    assert root.tag == f"{SVG}svg" and not list(root.iter(f"{SVG}text")) and not list(root.iter(f"{SVG}image"))
    width, height = root.get("viewBox").split()[2:]
    background = next(root.find(f"{SVG}g").iter(f"{SVG}path"))  # the first thing drawn
    assert background.get("style") == "fill: #ffffff"
    corners = set(re.findall(r"[ML] (\S+) (\S+)", background.get("d")))
    assert corners == {("0", "0"), ("0", height), (width, "0"), (width, height)}
