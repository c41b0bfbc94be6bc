"""Draw the book's static figures: assets/figures/deep_rnn.svg, cells.svg, hoisting.svg and truncated_bptt.svg.

    python tools/draw_figures.py      writes all four

The figures hold symbols only, no words, so both editions use the same files. Glyphs are paths (no font is needed) and
the background is white (legible on a dark page). The same matplotlib gives the same bytes: tests/test_figures.py
compares them. Coordinates are CSS pixels, y upwards.
"""

import io
import re
from math import cos, pi, sin
from pathlib import Path

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Polygon

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


def node(axes, x, y, formula="", width=60, height=40, fill=STATE, radius=8, line="-", edge=INK, size=16):
    """Draw a rounded box around a formula."""
    style = {"boxstyle": f"round,pad=0,rounding_size={radius}", "joinstyle": "round", "clip_on": False}
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(FancyBboxPatch(corner, width, height, fc=fill, ec=edge, lw=1, ls=line, **style))
    if formula:
        write(axes, x, y, formula, size=size)


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
    style = {"ls": (0, (3.5, 2)) if dashed else "-", "solid_capstyle": "butt", "clip_on": False}
    axes.add_line(Line2D(*zip(*points, strict=True), color=color, lw=width, **style))


def disc(axes, x, y, radius, fill=INK, edge="none"):
    """Draw a disc, or one at each of several points, above the wires."""
    style = {"marker": "o", "ms": 1.5 * radius, "mfc": fill, "mec": edge, "mew": 1.2 if edge != "none" else 0}
    axes.add_line(Line2D(x, y, ls="", clip_on=False, zorder=3, **style))


def dots(axes, x, y, dx=8, dy=0):
    """Draw three dots in a row; with other steps in a column or aslant."""
    disc(axes, (x - dx, x, x + dx), (y - dy, y, y + dy), 1.6)


def plus(axes, x, y):
    """Draw the circle of a sum."""
    disc(axes, [x], [y], 10, WHITE, INK)
    axes.add_line(Line2D([x], [y], marker="+", ms=9, mec=INK, mew=1.2, clip_on=False, zorder=4))


def times(axes, x, y):
    """Draw the circle of an elementwise product."""
    disc(axes, [x], [y], 10, WHITE, INK)
    disc(axes, [x], [y], 2.2)


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
    """The plain cell, the GRU and the LSTM under their equations: inputs enter from below, states from the left."""
    figure, _ = canvas(760, 370)
    x = 16
    for draw, width in ((rnn_cell, 190), (gru_cell, 256), (lstm_cell, 260)):
        axes = panel(figure, x, 36, width, 270)
        node(axes, width / 2, 135, "", width, 270, CARD, 12, edge=GREY)
        formulas = draw(axes)
        for k, formula in enumerate(formulas):
            write(axes, width / 2, 302 + 12 * (len(formulas) - 1 - 2 * k), formula, size=15)
        x += width + 15
    return figure


def box(axes, x, y, formula, width=40):
    """Draw the small box of a function or of a weight matrix."""
    node(axes, x, y, formula, width, 28, STATE if formula in (r"\sigma", r"\tanh") else WHITE, 4, size=15)


def rnn_cell(axes):
    """Draw the plain cell and return its equation: tanh of the input's share A_t and the state's share."""
    wire(axes, (0, 170), (26, 170), color=VERMILION)
    wire(axes, (66, 170), (85, 170), color=VERMILION)
    wire(axes, (105, 170), (124, 170))
    wire(axes, (164, 170), (190, 170), color=VERMILION)
    wire(axes, (95, -8), (95, 66), color=BLUE)
    wire(axes, (95, 94), (95, 160), color=BLUE)
    box(axes, 46, 170, tex("W", "hh"))
    box(axes, 95, 80, tex("W", "xh"))
    box(axes, 144, 170, r"\tanh")
    plus(axes, 95, 170)
    write(axes, 5, 198, tex("H", "t-1"), VERMILION, ha="left")
    write(axes, 185, 198, tex("H", "t"), VERMILION, ha="right")
    write(axes, 102, 125, tex("A", "t"), BLUE, ha="left")
    write(axes, 95, -20, tex("X", "t"), BLUE)
    return [r"\mathbf{H}_t = \tanh(\mathbf{A}_t + \mathbf{H}_{t-1} \mathbf{W}_{hh})"]


def gru_cell(axes):
    """Draw the GRU in torch's form and return its equations: R gates what W_hh has made of the state."""
    wire(axes, (0, 240), (109, 240), color=VERMILION)  # the state and its branches
    wire(axes, (16, 240), (16, 66), (32, 66), color=VERMILION)
    wire(axes, (16, 130), (30, 130), color=VERMILION)
    wire(axes, (16, 188), (101, 188), color=VERMILION)
    wire(axes, (70, 130), (86, 130), color=VERMILION)
    wire(axes, (242, 240), (256, 240), color=VERMILION)
    disc(axes, (16, 16, 16), (240, 188, 130), 2.6, VERMILION)
    wire(axes, (146, -8), (146, 52), color=BLUE)  # the input and its branches; one bridges the candidate's wire
    wire(axes, (146, 26), (50, 26), (50, 52), color=BLUE)
    bridge = [(119 - 5 * sin(k * pi / 8), 130 - 5 * cos(k * pi / 8)) for k in range(9)]
    wire(axes, (119, 26), *bridge, (119, 174), color=BLUE)
    wire(axes, (146, 80), (146, 120), color=BLUE)
    disc(axes, (146, 119), (26, 26), 2.6, BLUE)
    wire(axes, (68, 66), (96, 66), (96, 120))  # the gate R and the candidate
    wire(axes, (106, 130), (136, 130))
    wire(axes, (156, 130), (170, 130))
    wire(axes, (210, 130), (232, 130), (232, 178))
    wire(axes, (119, 202), (119, 230))  # the gate Z and the new state
    wire(axes, (137, 188), (160, 188))
    wire(axes, (200, 188), (222, 188))
    wire(axes, (129, 240), (222, 240))
    wire(axes, (232, 198), (232, 230))
    box(axes, 50, 66, r"\sigma", 36)
    box(axes, 119, 188, r"\sigma", 36)
    box(axes, 180, 188, r"1-\cdot")
    box(axes, 50, 130, tex("W", "hh"))
    box(axes, 146, 66, tex("W", "xh"))
    box(axes, 190, 130, r"\tanh")
    for x, y in ((96, 130), (119, 240), (232, 188)):
        times(axes, x, y)
    plus(axes, 146, 130)
    plus(axes, 232, 240)
    write(axes, 5, 258, tex("H", "t-1"), VERMILION, ha="left")
    write(axes, 252, 258, tex("H", "t"), VERMILION, ha="right")
    write(axes, 84, 96, tex("R"))
    write(axes, 131, 216, tex("Z"))
    write(axes, 219, 153, r"\tilde{\mathbf{H}}")
    write(axes, 153, 100, tex("A", "h"), BLUE, ha="left")
    write(axes, 146, -20, tex("X", "t"), BLUE)
    return [
        r"\tilde{\mathbf{H}} = \tanh(\mathbf{A}_h + \mathbf{R} \odot (\mathbf{H}_{t-1}\mathbf{W}_{hh} + \mathbf{b}_c))",
        r"\mathbf{H}_t = \mathbf{Z} \odot \mathbf{H}_{t-1} + (1 - \mathbf{Z}) \odot \tilde{\mathbf{H}}",
    ]


def lstm_cell(axes):
    """Draw the LSTM and return its equations: the memory C runs above, the gates and the candidate G stand below."""
    wire(axes, (0, 240), (42, 240), color=GREEN)  # the memory
    wire(axes, (62, 240), (134, 240), color=GREEN)
    wire(axes, (154, 240), (260, 240), color=GREEN)
    wire(axes, (228, 240), (228, 194), color=GREEN)
    disc(axes, [228], [240], 2.6, GREEN)
    wire(axes, (0, 30), (18, 30), color=VERMILION, head=False)  # state and input, side by side into every box
    wire(axes, (18, -8), (18, 30), color=BLUE, head=False)
    wire(axes, (18, 30), (190, 30), (190, 66))
    disc(axes, (52, 98, 144), (30, 30, 30), 2.6)
    for x, letter in ((52, "F"), (98, "I"), (144, "G"), (190, "O")):
        if letter != "O":
            wire(axes, (x, 30), (x, 66))
        box(axes, x, 80, r"\tanh" if letter == "G" else r"\sigma", 40 if letter == "G" else 36)
        write(axes, x + 7, 110, tex(letter), ha="left")
    wire(axes, (52, 94), (52, 230))
    wire(axes, (98, 94), (98, 166), (134, 166))
    wire(axes, (144, 94), (144, 156))
    wire(axes, (144, 176), (144, 230))
    wire(axes, (190, 94), (190, 130), (218, 130))
    wire(axes, (228, 166), (228, 140))
    wire(axes, (228, 120), (228, 30), (260, 30), color=VERMILION)
    box(axes, 228, 180, r"\tanh")
    for x, y in ((52, 240), (144, 166), (228, 130)):
        times(axes, x, y)
    plus(axes, 144, 240)
    write(axes, 5, 258, tex("C", "t-1"), GREEN, ha="left")
    write(axes, 255, 258, tex("C", "t"), GREEN, ha="right")
    write(axes, 5, 47, tex("H", "t-1"), VERMILION, ha="left")
    write(axes, 255, 47, tex("H", "t"), VERMILION, ha="right")
    write(axes, 18, -20, tex("X", "t"), BLUE)
    write(axes, 121, 14, r"[\mathbf{X}_t, \mathbf{H}_{t-1}]")
    return [
        r"\mathbf{C}_t = \mathbf{F} \odot \mathbf{C}_{t-1} + \mathbf{I} \odot \mathbf{G}",
        r"\mathbf{H}_t = \mathbf{O} \odot \tanh(\mathbf{C}_t)",
    ]


# --------------------------------------------------------------------------------------------------------- hoisting


def hoisting():
    """T small products X_t W_xh inside the recurrence, and one large product before it; time runs downwards."""
    figure, axes = canvas(756, 500)
    rows = {"0": 466, "1": 380, "2": 294, "": 208, "T": 122}
    recurrence(axes, 136, rows)
    recurrence(axes, 586, rows)
    for t, y in list(rows.items())[1:]:
        node(axes, 364, y, tex("X", t) if t else "", 44, 86, INPUT, 0)
        node(axes, 520, y, tex("A", t) if t else "", 60, 86, OUTPUT, 0)
        if t:
            node(axes, 59, y, rf"{tex('X', t)}{tex('W', 'xh')} + {tex('b', 'h')}", 106, 32, OUTPUT, 4, size=15)
            wire(axes, (112, y), (126, y), color=BLUE)
            wire(axes, (550, y), (576, y), color=BLUE)
        else:
            for x in (59, 364, 520):
                dots(axes, x, y, 0, 8)
    node(axes, 416, 251, tex("W", "xh"), 52, 44, WHITE, 0)
    write(axes, 466, 251, rf"+ {tex('b', 'h')} =", size=15)
    wire(axes, (338, 423), (332, 423), (332, 337), (338, 337), color=GREY, head=False, width=0.8)
    write(axes, 321, 380, "n")
    write(axes, 59, 58, r"(n \times d)(d \times h)")
    write(axes, 364, 58, r"Tn \times d")
    write(axes, 416, 212, r"d \times h")
    write(axes, 520, 58, r"Tn \times h")
    wire(axes, (304, 20), (304, 480), color=GREY, head=False, width=0.8)
    share = r"\mathbf{H}_{t-1} \mathbf{W}_{hh})"
    write(axes, 152, 26, rf"\mathbf{{H}}_t = \tanh(\mathbf{{X}}_t \mathbf{{W}}_{{xh}} + \mathbf{{b}}_h + {share}")
    write(axes, 538, 26, rf"\mathbf{{H}}_t = \tanh(\mathbf{{A}}_t + {share}")
    return figure


def recurrence(axes, x, rows):
    """Draw the chain of states whose sums stand at x: each state goes down into the next row's sum."""
    node(axes, x + 126, rows["0"], tex("H", "0"), 44, 32, WHITE, line=":")
    above = rows["0"] - 16
    for t, y in list(rows.items())[1:]:
        if not t:
            wire(axes, (x + 126, above), (x + 126, y + 14), color=VERMILION, dashed=True)
            dots(axes, x + 126, y, 0, 8)
            above = y - 14
            continue
        before = {"1": "0", "2": "1", "T": "T-1"}[t]
        wire(axes, (x + 126, above), (x + 126, y + 43), (x + 80, y + 43), color=VERMILION, dashed=True)
        node(axes, x + 34, y + 43, tex("H", before) + tex("W", "hh"), 92, 30, WHITE, 4)
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
    figure, axes = canvas(760, 268)
    wire(axes, (380, 48), (380, 252), color=GREY, head=False, width=0.8)
    for left in (58, 408):
        node(axes, left + 147, 156, "", 294, 192, CARD, 12, edge=GREY)
        wire(axes, (left - 70 if left > 58 else 36, 116), (left + 15, 116), color=BLUE)
        columns = {"1": left + 36, "2": left + 110, "": left + 184, "T": left + 258}
        for a, b in (("1", "2"), ("2", ""), ("", "T")):
            start, end = columns[a] + (21 if a else 16), columns[b] - (21 if b else 16)
            wire(axes, (start, 116), (end, 116), color=BLUE)
            wire(axes, (end, 100), (start, 100), color=VERMILION, dashed=True)
        for t, x in columns.items():
            if t:
                wire(axes, (x + 8, 129), (x + 8, 190), color=BLUE)
                wire(axes, (x - 8, 190), (x - 8, 129), color=VERMILION, dashed=True)
                disc(axes, [x], [108], 22, STATE, INK)
                write(axes, x, 108, tex("H", t))
                node(axes, x, 208, rf"\ell_{t}", 36, 36, OUTPUT, 6)
            else:
                dots(axes, x, 108)
                dots(axes, x, 208)
    wire(axes, (423, 100), (390, 100), color=VERMILION, dashed=True)
    axes.add_line(Line2D([380], [100], marker="x", ms=10, mec=VERMILION, mew=2.4))
    wire(axes, (688, 116), (726, 116), color=BLUE)
    dots(axes, 20, 116)
    dots(axes, 740, 116)
    write(axes, 292, 163, r"\frac{\partial \ell_T}{\partial \mathbf{H}_T}", VERMILION, size=20, ha="right")
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
        # short, and the same on every machine: coordinates to hundredths, and no indentation
        svg = re.sub(rb' d="[^"]*"|translate\([^)]*\)', two_decimals, data.getvalue())
        Path(folder, f"{draw.__name__}.svg").write_bytes(re.sub(rb"\n +", b"\n", svg))


def two_decimals(match):
    """Return the matched text with its numbers rounded."""
    return re.sub(rb"-?\d+\.\d{3,}", lambda number: b"%.2f" % float(number[0]), match[0])


if __name__ == "__main__":
    main()
