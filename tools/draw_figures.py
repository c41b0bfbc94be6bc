"""Draw the book's static figures: assets/figures/deep_rnn.svg, cells.svg, hoisting.svg and truncated_bptt.svg.

    python tools/draw_figures.py      writes all four

The figures hold symbols only, no words, so both editions use the same files. Glyphs are paths (no font is needed) and
the background is white (legible on a dark page). The same matplotlib gives the same bytes: tests/test_figures.py
compares them. Coordinates are CSS pixels, y upwards.
"""

import io
from math import cos, pi, sin
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, Polygon

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "figures"
STYLE = {"mathtext.fontset": "cm", "svg.fonttype": "path", "svg.hashsalt": "deep-rnn-book"}
BLUE, VERMILION, GREEN = "#0072b2", "#d55e00", "#009e73"  # the palette of Okabe and Ito
INK, GREY, WHITE, CARD = "#222222", "#999999", "#ffffff", "#f4f4f4"
INPUT, STATE, OUTPUT = "#e3f1fa", "#fff3d1", "#e4f4ec"  # fills of the nodes

# ------------------------------------------------------------------------------------------------ what figures share


def canvas(width, height):
    """Return an empty white figure of so many CSS pixels, and axes over all of it."""
    figure = Figure(figsize=(width / 96, height / 96), facecolor="white")
    return figure, panel(figure, 0, 0, width, height)


def panel(figure, x, y, width, height):
    """Return axes that measure in pixels from (x, y)."""
    w, h = figure.get_size_inches() * 96
    axes = figure.add_axes((x / w, y / h, width / w, height / h), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return axes


def tex(letter, below="", above=""):
    """Return the bold letter of a matrix with its indices, without dollars."""
    return rf"\mathbf{{{letter}}}" + (f"_{{{below}}}" if below else "") + (f"^{{({above})}}" if above else "")


def write(axes, x, y, formula, color=INK, size=16, ha="center"):
    """Write a formula; its capitals are centred on y, so formulas side by side share a baseline."""
    axes.text(x, y - 0.32 * size, f"${formula}$", color=color, fontsize=0.75 * size, ha=ha, va="baseline")


def node(axes, x, y, formula="", width=60, height=40, fill=STATE, radius=8, line="-", edge=INK):
    """Draw a rounded box (a circle if its radius is half its size) around a formula."""
    shape = f"round,pad=0,rounding_size={radius}"
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(
        FancyBboxPatch(corner, width, height, boxstyle=shape, fc=fill, ec=edge, lw=1, ls=line, clip_on=False)
    )
    if formula:
        write(axes, x, y, formula)


def wire(axes, *points, color=INK, dashed=False, head=True, width=1.4):
    """Draw an arrow through the points, or a plain line if head is False."""
    points = list(points)
    if head:
        (x0, y0), (x, y) = points[-2:]
        length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
        dx, dy = (x - x0) / length, (y - y0) / length
        points[-1] = (x - 8 * dx, y - 8 * dy)
        wings = [(x - 9 * dx + side * dy, y - 9 * dy - side * dx) for side in (4, -4)]
        axes.add_patch(Polygon([(x, y), *wings], fc=color, ec="none", clip_on=False))
    style = (0, (3.5, 2)) if dashed else "-"
    axes.add_line(Line2D(*zip(*points, strict=True), color=color, lw=width, ls=style, clip_on=False))


def disc(axes, x, y, radius, fill=INK, edge="none"):
    """Draw a disc, above the wires."""
    axes.add_patch(Circle((x, y), radius, fc=fill, ec=edge, lw=1.2, zorder=3, clip_on=False))


def dots(axes, x, y, dx=8, dy=0):
    """Draw three dots in a row; with other steps in a column or aslant."""
    for k in (-1, 0, 1):
        disc(axes, x + k * dx, y + k * dy, 1.6)


def plus(axes, x, y):
    """Draw the circle of a sum."""
    disc(axes, x, y, 10, WHITE, INK)
    for dx, dy in ((6, 0), (0, 6)):
        axes.add_line(Line2D((x - dx, x + dx), (y - dy, y + dy), color=INK, lw=1.2, zorder=4, clip_on=False))


def times(axes, x, y):
    """Draw the circle of an elementwise product."""
    disc(axes, x, y, 10, WHITE, INK)
    disc(axes, x, y, 2.2)


# --------------------------------------------------------------------------------------------------------- deep_rnn


def deep_rnn():
    """The unrolled deep RNN: time steps 1, 2, ..., T to the right, layers 1, 2, ..., L upwards."""
    figure, axes = canvas(720, 534)
    columns = {"0": 70, "1": 215, "2": 360, "": 505, "T": 650}
    rows = {"X": 42, "1": 132, "2": 222, "": 312, "L": 402, "O": 492}
    for row, y in rows.items():
        for t, x in columns.items():
            if not row or not t:
                dots(axes, x, y, 0 if t else 8, 0 if row else 8)
            elif row in "XO":
                if t != "0":
                    node(axes, x, y, tex(row, t), fill=INPUT if row == "X" else OUTPUT)
            elif t == "0":
                node(axes, x, y, tex("H", t, row), fill=WHITE, line=":")
            else:
                node(axes, x, y, tex("H", t, row))
    across, up = list(columns), list(rows)
    for row in "12L":  # from edge to edge; the dots are smaller than a node
        for a, b in zip(across[:-1], across[1:], strict=True):
            start, end = columns[a] + (30 if a else 14), columns[b] - (30 if b else 14)
            wire(axes, (start, rows[row]), (end, rows[row]), color=VERMILION, dashed=True)
    for t in "12T":
        for a, b in zip(up[:-1], up[1:], strict=True):
            start, end = rows[a] + (20 if a else 14), rows[b] - (20 if b else 14)
            wire(axes, (columns[t], start), (columns[t], end), color=BLUE)
    for row in "12":
        write(axes, 287, rows[row] + 18, tex("W", "hh", row), VERMILION)
        write(axes, 223, rows[row] - 45, tex("W", "xh", row), BLUE, ha="left")
    write(axes, 223, 447, tex("W", "hq"), BLUE, ha="left")
    return figure


# ------------------------------------------------------------------------------------------------------------ cells


def cells():
    """The plain cell, the GRU and the LSTM, each under its equations; inputs come from below, states from the left."""
    figure, _ = canvas(760, 376)
    x = 12
    for draw, width in ((rnn_cell, 208), (gru_cell, 252), (lstm_cell, 244)):
        axes = panel(figure, x, 36, width, 270)
        node(axes, width / 2, 135, "", width, 270, CARD, 12, edge=GREY)
        draw(axes, width)
        x += width + 16
    return figure


def box(axes, x, y, formula, width=40):
    """Draw the small box of a function or of a weight matrix."""
    node(axes, x, y, formula, width, 28, STATE if formula in (r"\sigma", r"\tanh") else WHITE, 4)


def title(axes, width, *formulas):
    """Write formulas, one per line, above the card."""
    for y, formula in zip((320, 346) if len(formulas) > 1 else (333,), formulas[::-1], strict=True):
        write(axes, width / 2, y, formula, size=15)


def rnn_cell(axes, width):
    """The plain cell: tanh of the input's share A_t and the state's share."""
    title(axes, width, r"\mathbf{H}_t = \tanh(\mathbf{A}_t + \mathbf{H}_{t-1} \mathbf{W}_{hh} + \mathbf{b}_h)")
    wire(axes, (-8, 150), (30, 150), color=VERMILION)
    wire(axes, (70, 150), (94, 150), color=VERMILION)
    wire(axes, (114, 150), (138, 150))
    wire(axes, (178, 150), (216, 150), color=VERMILION)
    wire(axes, (104, -8), (104, 52), color=BLUE)
    wire(axes, (104, 80), (104, 140), color=BLUE)
    box(axes, 50, 150, tex("W", "hh"))
    box(axes, 104, 66, tex("W", "xh"))
    box(axes, 158, 150, r"\tanh")
    plus(axes, 104, 150)
    write(axes, -8, 172, tex("H", "t-1"), VERMILION, ha="left")
    write(axes, 216, 172, tex("H", "t"), VERMILION, ha="right")
    write(axes, 112, 108, tex("A", "t"), BLUE, ha="left")
    write(axes, 104, -20, tex("X", "t"), BLUE)


def gru_cell(axes, width):
    """The GRU in torch's form: R gates the state's share of the candidate, after the product with W_hh."""
    title(
        axes,
        width,
        r"\tilde{\mathbf{H}} = \tanh(\mathbf{A}_h + \mathbf{R} \odot (\mathbf{H}_{t-1} \mathbf{W}_{hh} + \mathbf{b}_h))",
        r"\mathbf{H}_t = \mathbf{Z} \odot \mathbf{H}_{t-1} + (1 - \mathbf{Z}) \odot \tilde{\mathbf{H}}",
    )
    wire(axes, (-8, 240), (109, 240), color=VERMILION)  # the state, and what branches off it
    wire(axes, (16, 240), (16, 66), (32, 66), color=VERMILION)
    wire(axes, (16, 130), (30, 130), color=VERMILION)
    wire(axes, (16, 188), (101, 188), color=VERMILION)
    wire(axes, (70, 130), (86, 130), color=VERMILION)
    wire(axes, (146, -8), (146, 52), color=BLUE)  # the input; its wire to Z bridges the candidate's
    wire(axes, (146, 26), (50, 26), (50, 52), color=BLUE)
    bridge = [(119 - 5 * sin(k * pi / 8), 130 - 5 * cos(k * pi / 8)) for k in range(9)]
    wire(axes, (119, 26), *bridge, (119, 174), color=BLUE)
    wire(axes, (146, 80), (146, 120), color=BLUE)
    wire(axes, (68, 66), (96, 66), (96, 120))
    wire(axes, (106, 130), (136, 130))
    wire(axes, (156, 130), (170, 130))
    wire(axes, (210, 130), (232, 130), (232, 178))
    wire(axes, (119, 202), (119, 230))
    wire(axes, (137, 188), (158, 188))
    wire(axes, (192, 188), (222, 188))
    wire(axes, (129, 240), (222, 240))
    wire(axes, (232, 198), (232, 230))
    wire(axes, (242, 240), (260, 240), color=VERMILION)
    for x, y in ((16, 188), (16, 130), (16, 240)):
        disc(axes, x, y, 2.6, VERMILION)
    for x, y in ((146, 26), (119, 26)):
        disc(axes, x, y, 2.6, BLUE)
    box(axes, 50, 66, r"\sigma", 36)
    box(axes, 119, 188, r"\sigma", 36)
    box(axes, 175, 188, "1-", 34)
    box(axes, 50, 130, tex("W", "hh"))
    box(axes, 146, 66, tex("W", "xh"))
    box(axes, 190, 130, r"\tanh")
    times(axes, 96, 130)
    times(axes, 119, 240)
    times(axes, 232, 188)
    plus(axes, 146, 130)
    plus(axes, 232, 240)
    write(axes, -8, 256, tex("H", "t-1"), VERMILION, ha="left")
    write(axes, 260, 256, tex("H", "t"), VERMILION, ha="right")
    write(axes, 84, 96, tex("R"))
    write(axes, 131, 216, tex("Z"))
    write(axes, 220, 154, r"\tilde{\mathbf{H}}")
    write(axes, 153, 100, tex("A", "h"), BLUE, ha="left")
    write(axes, 146, -20, tex("X", "t"), BLUE)


def lstm_cell(axes, width):
    """The LSTM: the cell's state C above, gates F, I, O and candidate G below."""
    title(
        axes,
        width,
        r"\mathbf{C}_t = \mathbf{F} \odot \mathbf{C}_{t-1} + \mathbf{I} \odot \mathbf{G}",
        r"\mathbf{H}_t = \mathbf{O} \odot \tanh(\mathbf{C}_t)",
    )
    wire(axes, (-8, 240), (36, 240), color=GREEN)
    wire(axes, (56, 240), (128, 240), color=GREEN)
    wire(axes, (148, 240), (252, 240), color=GREEN)
    wire(axes, (222, 240), (222, 194), color=GREEN)
    wire(axes, (-8, 30), (18, 30), color=VERMILION, head=False)
    wire(axes, (18, -8), (18, 30), color=BLUE, head=False)
    wire(axes, (18, 30), (184, 30), (184, 66))
    for x, letter in ((46, "F"), (92, "I"), (138, "G"), (184, "O")):
        if letter != "O":
            wire(axes, (x, 30), (x, 66))
            disc(axes, x, 30, 2.6)
        box(axes, x, 80, r"\tanh" if letter == "G" else r"\sigma", 40 if letter == "G" else 36)
        write(axes, x + 7, 108, tex(letter), ha="left")
    wire(axes, (46, 94), (46, 230))
    wire(axes, (92, 94), (92, 166), (128, 166))
    wire(axes, (138, 94), (138, 156))
    wire(axes, (138, 176), (138, 230))
    wire(axes, (184, 94), (184, 128), (212, 128))
    wire(axes, (222, 166), (222, 138))
    wire(axes, (222, 118), (222, 30), (252, 30), color=VERMILION)
    disc(axes, 222, 240, 2.6, GREEN)
    box(axes, 222, 180, r"\tanh", 36)
    times(axes, 46, 240)
    times(axes, 138, 166)
    times(axes, 222, 128)
    plus(axes, 138, 240)
    write(axes, -8, 256, tex("C", "t-1"), GREEN, ha="left")
    write(axes, 252, 256, tex("C", "t"), GREEN, ha="right")
    write(axes, -8, 46, tex("H", "t-1"), VERMILION, ha="left")
    write(axes, 252, 46, tex("H", "t"), VERMILION, ha="right")
    write(axes, 18, -20, tex("X", "t"), BLUE)
    write(axes, 101, 14, r"[\mathbf{X}_t, \mathbf{H}_{t-1}]")


# --------------------------------------------------------------------------------------------------------- hoisting


def hoisting():
    """T small products X_t W_xh inside the recurrence, and one large product before it; time runs downwards."""
    figure, axes = canvas(744, 500)
    rows = {"0": 466, "1": 380, "2": 294, "": 208, "T": 122}
    recurrence(axes, 136, rows)
    recurrence(axes, 574, rows)
    for t, y in list(rows.items())[1:]:
        node(axes, 352, y, tex("X", t) if t else "", 44, 86, INPUT, 0)
        node(axes, 508, y, tex("A", t) if t else "", 60, 86, OUTPUT, 0)
        if t:
            node(axes, 62, y, tex("X", t) + tex("W", "xh"), 84, 32, INPUT, 4)
            wire(axes, (104, y), (126, y), color=BLUE)
            wire(axes, (538, y), (564, y), color=BLUE)
        else:
            for x in (62, 352, 508):
                dots(axes, x, y, 0, 8)
    node(axes, 418, 251, tex("W", "xh"), 60, 44, WHITE, 0)
    write(axes, 463, 251, "=")
    for x, formula in ((352, r"Tn \times d"), (508, r"Tn \times h")):
        write(axes, x, 60, formula)
    write(axes, 418, 212, r"d \times h")
    write(axes, 62, 60, r"(n \times d)(d \times h)")
    wire(axes, (310, 20), (310, 480), color=GREY, head=False, width=0.8)
    a = r"\mathbf{H}_{t-1} \mathbf{W}_{hh} + \mathbf{b}_h)"
    write(axes, 155, 26, rf"\mathbf{{H}}_t = \tanh(\mathbf{{X}}_t \mathbf{{W}}_{{xh}} + {a}")
    write(axes, 527, 26, rf"\mathbf{{H}}_t = \tanh(\mathbf{{A}}_t + {a}")
    return figure


def recurrence(axes, x, rows):
    """The chain of states whose sums stand at x: each state goes down into the next row's sum."""
    node(axes, x + 126, rows["0"], tex("H", "0"), 44, 32, WHITE, line=":")
    above = rows["0"] - 16
    for t, y in list(rows.items())[1:]:
        if not t:
            wire(axes, (x + 126, above), (x + 126, y + 14), color=VERMILION, dashed=True)
            dots(axes, x + 126, y, 0, 8)
            above = y - 14
            continue
        before = {"1": "0", "2": "1", "T": "T-1"}[t]
        wire(axes, (x + 126, above), (x + 126, y + 43), (x + 93, y + 43), color=VERMILION, dashed=True)
        node(axes, x + 34, y + 43, rf"{tex('H', before)}{tex('W', 'hh')} + {tex('b', 'h')}", 118, 30, WHITE, 4)
        wire(axes, (x, y + 28), (x, y + 10), color=VERMILION)
        wire(axes, (x + 10, y), (x + 32, y))
        node(axes, x + 54, y, r"\tanh", 44, 30, STATE, 4)
        wire(axes, (x + 76, y), (x + 104, y))
        node(axes, x + 126, y, tex("H", t), 44, 32)
        plus(axes, x, y)
        above = y - 16


# --------------------------------------------------------------------------------------------------- truncated_bptt


def truncated_bptt():
    """Two minibatches of a text in a row: the state crosses the border between them, the gradient does not."""
    figure, axes = canvas(760, 270)
    for left in (58, 408):
        node(axes, left + 147, 156, "", 294, 196, CARD, 12, edge=GREY)
        columns = {"1": left + 36, "2": left + 110, "": left + 184, "T": left + 258}
        before = left - 34
        for t, x in columns.items():
            start, end = before + (20 if before > left else 0), x - (20 if t else 14)
            before = x if t else x - 6
            wire(axes, (start, 116), (end, 116), color=BLUE)
            if t != "1":
                wire(axes, (end, 100), (start, 100), color=VERMILION, dashed=True)
            if not t:
                dots(axes, x, 108)
                dots(axes, x, 208)
                continue
            wire(axes, (x + 8, 128), (x + 8, 190), color=BLUE)
            wire(axes, (x - 8, 190), (x - 8, 128), color=VERMILION, dashed=True)
            node(axes, x, 108, tex("H", t), 44, 44, STATE, 22)
            node(axes, x, 208, rf"\ell_{t}", 36, 36, OUTPUT, 6)
    write(axes, 380, 30, r"\mathbf{H}_0 \leftarrow \mathrm{sg}(\mathbf{H}_T)")
    return figure


FIGURES = (deep_rnn, cells, hoisting, truncated_bptt)


def main(folder=FOLDER):
    """Write every figure into the folder."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for draw in FIGURES:
        data = io.BytesIO()  # a file opened for text would have other line ends on Windows
        with matplotlib.style.context(["default", STYLE]):
            draw().savefig(data, format="svg", metadata={"Date": None, "Creator": None})
        Path(folder, f"{draw.__name__}.svg").write_bytes(data.getvalue())


if __name__ == "__main__":
    main()
