"""Draw the book's static figures, assets/figures/*.png, which `utils.show_figure` shows.

    python -m tools.draw_figures      writes deep_rnn, cells, hoisting, truncated_bptt (lessons 1 to 3), hmm (lesson 4),
                                      bidirectional_rnn, bidirectional_layout (lesson 5) and leak (lesson 6)

The figures hold symbols and code but no words, so both editions use the same files. The background is white (legible
on a dark page), and there are two pixels to a CSS pixel (sharp on a projector). Pictures and not SVG, because every
front end shows a PNG that is stored in a notebook, also before the notebook is run. The same matplotlib gives the
same pixels: tests/test_figures.py compares them. Coordinates are CSS pixels, y upwards.
"""

from math import cos, pi, sin
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Polygon
from PIL import Image

from book import ROOT
from book.display import BLUE, GREEN, VERMILION

FOLDER = ROOT / "assets" / "figures"
STYLE = {"mathtext.fontset": "cm"}
CODE = "DejaVu Sans Mono"  # comes with matplotlib
INK, GREY, WHITE, CARD = "#222222", "#999999", "#ffffff", "#f4f4f4"
INPUT, STATE, OUTPUT = "#e3f1fa", "#fff3d1", "#e4f4ec"  # fills of the nodes
RIGHT, LEFT = "#fbe7da", "#d9f1e8"  # fills of what runs to the right and to the left
LINES = {"-": "-", "--": (0, (3.5, 2)), ":": (0, (1.2, 1.4))}

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


def tex(letter, below="", above="", to=""):
    """Return the bold letter of a matrix with its indices, without dollars; to: "right" or "left", an arrow above."""
    bold = rf"\over{to}arrow{{\mathbf{{{letter}}}}}" if to else rf"\mathbf{{{letter}}}"
    bold += r"\hspace{0.1}" if to and above else ""  # the arrow is wider than the letter
    return bold + (f"_{{{below}}}" if below else "") + (f"^{{({above})}}" if above else "")


def write(axes, x, y, formula, color=INK, size=16, ha="center"):
    """Write a formula; its capitals are centred on y, so formulas side by side share a baseline."""
    axes.text(x, y - 0.32 * size, f"${formula}$", color=color, fontsize=0.75 * size, ha=ha, va="baseline")


def code(axes, x, y, text, color=INK, size=13, ha="center"):
    """Write a piece of code; its digits are centred on y."""
    axes.text(x, y - 0.36 * size, text, color=color, fontsize=0.75 * size, ha=ha, va="baseline", family=CODE)


def node(axes, x, y, formula="", width=60, height=40, fill=STATE, radius=8, line="-", edge=INK, lw=1, size=16):
    """Draw a rounded box around a formula."""
    style = {"boxstyle": f"round,pad=0,rounding_size={radius}", "joinstyle": "round", "clip_on": False}
    style |= {"ec": edge, "lw": lw, "ls": line, "zorder": 1 if lw == 1 else 2.5}  # a bold edge covers the ends of wires
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(FancyBboxPatch(corner, width, height, fc=fill, **style))
    if formula:
        write(axes, x, y, formula, size=size)


def wire(axes, *points, color=INK, line="-", head=True, width=1.4):
    """Draw an arrow through the points, or a plain line if head is False."""
    points = list(points)
    if head:
        (x0, y0), (x, y) = points[-2:]
        length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5
        dx, dy = (x - x0) / length, (y - y0) / length
        size = max(1, width / 2)
        points[-1] = (x - 8 * size * dx, y - 8 * size * dy)
        wings = [(x - size * (9 * dx - side * dy), y - size * (9 * dy + side * dx)) for side in (4, -4)]
        axes.add_patch(Polygon([(x, y), *wings], fc=color, ec="none", clip_on=False, zorder=1 if size == 1 else 2))
    style = {"ls": LINES[line], "solid_capstyle": "butt", "clip_on": False}
    axes.add_line(Line2D(*zip(*points, strict=True), color=color, lw=width, **style))


def chain(axes, y, stops, color=INK, line="-"):
    """Draw the arrows of a recurrence along a row, from edge to edge of its stops (x, half the width)."""
    for (a, before), (b, after) in zip(stops[:-1], stops[1:], strict=True):
        side = 1 if a < b else -1
        wire(axes, (a + side * before, y), (b - side * after, y), color=color, line=line)


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
            wire(axes, (start, rows[row]), (end, rows[row]), color=VERMILION, line="--")
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
            wire(axes, (x + 126, above), (x + 126, y + 14), color=VERMILION, line="--")
            dots(axes, x + 126, y, 0, 8)
            above = y - 14
            continue
        before = {"1": "0", "2": "1", "T": "T-1"}[t]
        wire(axes, (x + 126, above), (x + 126, y + 43), (x + 80, y + 43), color=VERMILION, line="--")
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
            wire(axes, (end, 100), (start, 100), color=VERMILION, line="--")
        for t, x in columns.items():
            if t:
                wire(axes, (x + 8, 129), (x + 8, 190), color=BLUE)
                wire(axes, (x - 8, 190), (x - 8, 129), color=VERMILION, line="--")
                disc(axes, [x], [108], 22, STATE, INK)
                write(axes, x, 108, tex("H", t))
                node(axes, x, 208, rf"\ell_{t}", 36, 36, OUTPUT, 6)
            else:
                dots(axes, x, 108)
                dots(axes, x, 208)
    wire(axes, (423, 100), (390, 100), color=VERMILION, line="--")
    axes.add_line(Line2D([380], [100], marker="x", ms=10, mec=VERMILION, mew=2.4))
    wire(axes, (688, 116), (726, 116), color=BLUE)
    dots(axes, 20, 116)
    dots(axes, 740, 116)
    write(axes, 292, 163, r"\frac{\partial \ell_T}{\partial \mathbf{H}_T}", VERMILION, size=20, ha="right")
    write(axes, 380, 30, r"\mathbf{H}_0 \leftarrow \mathrm{sg}(\mathbf{H}_T)")
    return figure


# -------------------------------------------------------------------------------------------------------------- hmm


def hmm():
    """A hidden Markov model without its x_j; above it the recursions pi and rho, which meet at h_j."""
    figure, axes = canvas(760, 316)
    columns = dict(zip(("1", "2", "<", "j-1", "j", "j+1", ">", "T"), range(48, 760, 95), strict=True))
    middle, messages, states, seen = columns["j"], 284, 190, 86
    chain(axes, states, [(x, 14 if t in "<>" else 24) for t, x in columns.items()])
    for t, x in columns.items():
        if t in "<>":
            for y in (messages, states, seen):
                dots(axes, x, y)
            continue
        wire(axes, (x, states - 24), (x, seen + 20), color=BLUE)
        disc(axes, [x], [states], 24, STATE, INK)
        write(axes, x, states, f"h_{{{t}}}")
        node(axes, x, seen, f"x_{{{t}}}", 50, fill=WHITE if t == "j" else INPUT, line=":" if t == "j" else "-")
    for side, name, color, fill, line in ((-1, r"\pi", VERMILION, RIGHT, "--"), (1, r"\rho", GREEN, LEFT, ":")):
        times = [t for t, x in columns.items() if side * x > side * middle][::-side]  # from the end inwards
        stops = [(columns[t], 14 if t in "<>" else 23) for t in times]
        chain(axes, messages, [*stops, (middle + 24 * side, 23)], color, line)
        for t, x in [*((t, columns[t]) for t in times if t not in "<>"), ("j", middle + 24 * side)]:
            node(axes, x, messages, rf"{name}_{{{t}}}", 46, 32, fill, 14, edge=color)
        wire(axes, (middle + 13 * side, messages - 16), (middle + 13 * side, states + 20), color=color)
        first, last = columns[times[0]] + 25 * side, columns[times[-1]] - 25 * side
        wire(axes, (first, 58), (first, 50), (last, 50), (last, 58), color=color, head=False)
        write(axes, (first + last) / 2, 30, rf"{name}_j", color)
    p = r"P\hspace{0.08}"
    write(axes, 95.5, states + 30, rf"{p}(h_2 \mid h_1)", size=14)
    write(axes, 57, (states + seen) / 2, rf"{p}(x_1 \mid h_1)", BLUE, 14, "left")
    return figure


# ------------------------------------------------------------------------------------------------ bidirectional_rnn


def two_directions(axes, columns, rows, colors=(BLUE, VERMILION, GREEN)):
    """Draw the wires and dots between the rows X, right, left and O; rightward states stand left of their step."""
    x_row, right, left, o_row = rows
    spans = [(x, 14 if t in "<>" else 26) for t, x in columns.items()]
    chain(axes, right, [(x - 30, half) for x, half in spans], colors[1], "--")
    chain(axes, left, [(x + 30, half) for x, half in spans[::-1]], colors[2], ":")
    for t, x in columns.items():
        for shift, y in ((-30, right), (30, left)):
            if t in "<>":
                dots(axes, x + shift, y)
                continue
            wire(axes, (x + shift, x_row + 20), (x + shift, y - 22), color=colors[0])
            wire(axes, (x + shift, y + 22), (x + shift, o_row - 20), color=colors[0])
        if t in "<>":
            dots(axes, x, x_row)
            dots(axes, x, o_row)


def bidirectional_rnn():
    """The unrolled bidirectional RNN: X_t feeds a state that runs right and one that runs left; both feed O_t."""
    figure, axes = canvas(760, 380)
    columns, rows = {"1": 176, "2": 312, ">": 448, "T": 584}, (40, 140, 240, 340)
    x_row, right, left, o_row = rows
    two_directions(axes, columns, rows)
    wire(axes, (76, right), (120, right), color=VERMILION, line="--")
    wire(axes, (684, left), (640, left), color=GREEN, line=":")
    node(axes, 46, right, tex("H", "0", to="right"), 60, 44, WHITE, line=":")
    node(axes, 714, left, tex("H", "T+1", to="left"), 60, 44, WHITE, line=":")
    for t, x in columns.items():
        if t != ">":
            node(axes, x, x_row, tex("X", t), 96, fill=INPUT)
            node(axes, x - 30, right, tex("H", t, to="right"), 52, 44, RIGHT, edge=VERMILION)
            node(axes, x + 30, left, tex("H", t, to="left"), 52, 44, LEFT, edge=GREEN)
            node(axes, x, o_row, tex("O", t), 96, fill=OUTPUT)
    write(axes, 138, 88, tex("W", "xh", "f"), BLUE, ha="right")
    write(axes, 215, 88, tex("W", "xh", "b"), BLUE, ha="left")
    write(axes, 176, 292, tex("W", "hq"), BLUE)
    write(axes, 232, right + 20, tex("W", "hh", "f"), VERMILION)
    write(axes, 256, left + 20, tex("W", "hh", "b"), GREEN)
    return figure


# --------------------------------------------------------------------------------------------- bidirectional_layout


def bidirectional_layout():
    """What nn.LSTM(bidirectional=True) returns for two layers, and which parts of output and h_n are the same."""
    figure, axes = canvas(760, 366)
    rows, across, columns = {"right": 180, "left": 128}, {"1": 90, "2": 154, ">": 218, "T": 282}, ("0", "1", "", "-1")
    for (t, x), column in zip(across.items(), columns, strict=True):
        code(axes, x, 238, column)
        for to, y in rows.items():
            node(axes, x, y, "" if t == ">" else tex("H", t, "2", to=to), 64, 52, RIGHT if to == "right" else LEFT, 0)
            if t == ">":
                dots(axes, x, y)
    wire(axes, (66, 217), (306, 217), color=VERMILION, line="--")
    wire(axes, (306, 91), (112, 91), color=GREEN, line=":")
    code(axes, 50, rows["right"], ":h", ha="right")
    code(axes, 50, rows["left"], "h:", ha="right")
    heads = ((58, 272, "output", "(T, n, 2h)"), (462, 346, "h_n", "(2L, n, h)"), (612, 346, "c_n", "(2L, n, h)"))
    for x, y, name, shape in heads:
        code(axes, x, y, name, size=15, ha="left")
        write(axes, x + 9 * len(name) + 10, y, shape, size=14, ha="left")
    write(axes, 428, 346, "L = 2", size=14, ha="right")
    for x, letter, name in ((498, "H", "h_n"), (648, "C", "c_n")):
        for k, y in enumerate((294, 242, 180, 128)):
            to, t, fill = ("left", "1", LEFT) if k % 2 else ("right", "T", RIGHT)
            node(axes, x, y, tex(letter, t, str(k // 2 + 1), to=to), 72, 52, fill, 0)
            code(axes, x + 43, y, f"{name}[{k}]", ha="left")
    forward, backward = [(314, 180), (462, 180)], [(90, 102), (90, 56), (428, 56), (428, 128), (462, 128)]
    for points, color, x, y in ((forward, VERMILION, 388, 180), (backward, GREEN, 259, 56)):
        wire(axes, *points, color=color, head=False, width=3)
        disc(axes, [x], [y], 10, WHITE, color)
        write(axes, x, y, "=", color)
    for x, to, color in ((282, "right", VERMILION), (90, "left", GREEN)):
        node(axes, x, rows[to], "", 61, 49, "none", 0, edge=color, lw=2.4)
        node(axes, 498, rows[to], "", 69, 49, "none", 0, edge=color, lw=2.4)
    code(axes, 388, 203, "output[-1, :, :h]", VERMILION)
    code(axes, 259, 31, "output[0, :, h:]", GREEN)
    return figure


# ------------------------------------------------------------------------------------------------------------- leak


def leak():
    """A bidirectional network misused: the state that runs left carries X_{t+1} into O_t, which is to predict it."""
    figure, axes = canvas(720, 480)
    columns, rows = {"<": 60, "t-1": 210, "t": 360, "t+1": 510, ">": 660}, (40, 140, 240, 340)
    x_row, right, left, o_row = rows
    two_directions(axes, columns, rows, (GREY, GREY, GREY))
    path = {(x_row, "t+1"), (left, "t+1"), (left, "t"), (o_row, "t"), (440, "t")}
    for t, target in (("t-1", "t"), ("t", "t+1"), ("t+1", "t+2")):
        x = columns[t]
        for formula, shift, y, w, h in (
            (tex("X", t), 0, x_row, 96, 40),
            (tex("H", t, to="right"), -30, right, 52, 44),
            (tex("H", t, to="left"), 30, left, 52, 44),
            (tex("O", t), 0, o_row, 96, 40),
            (tex("X", target), 0, 440, 96, 40),
        ):
            if (y, t) in path:
                fill = RIGHT if y in (x_row, 440) else CARD
                node(axes, x + shift, y, formula, w, h, fill, edge=VERMILION, lw=2.4)
            else:
                node(axes, x + shift, y, formula, w, h, WHITE, edge=GREY)
        write(axes, x, 390, r"\approx", VERMILION if t == "t" else GREY, 22)
    wire(axes, (540, x_row + 20), (540, left - 22), color=VERMILION, width=4)
    wire(axes, (514, left), (416, left), color=VERMILION, width=4)
    wire(axes, (390, left + 22), (390, o_row - 20), color=VERMILION, width=4)
    dots(axes, columns["<"], 440)
    dots(axes, columns[">"], 440)
    return figure


FIGURES = (deep_rnn, cells, hoisting, truncated_bptt, hmm, bidirectional_rnn, bidirectional_layout, leak)


def main(folder=FOLDER):
    """Write every figure into the folder."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for draw in FIGURES:
        with matplotlib.style.context(["default", STYLE]):
            canvas = FigureCanvasAgg(draw())
            canvas.figure.set_dpi(192)
            canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).quantize(32, dither=Image.Dither.NONE)
        image.save(Path(folder, f"{draw.__name__}.png"), optimize=True, dpi=(192, 192))


if __name__ == "__main__":
    main()
