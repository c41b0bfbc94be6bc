# %% [markdown] lang="en" id="title"
# # 1 · Deep recurrent networks
#
# **The question of this lesson.** A recurrent layer reads a sequence step by step, and hands its hidden state, a memory of what it has read, on from one time step to the next. What changes when such layers are
# stacked: what depends on what, what is the shape of every tensor (array of numbers), how many parameters are there, and what does the depth cost?
#
# **You need:** matrix products, and to have trained a plain neural network once. **To read:** about {{minutes 01_deep_rnn}} minutes. **Run time:** less than a minute on a laptop without a GPU.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 1 · 深度循环神经网络
#
# **本课的问题。** 循环层一步一步地读取序列，并把隐状态（对已读内容的记忆）从一个时间步传到下一个时间步。把这样的层堆叠起来，谁依赖谁？每个张量（多维数组）是什么形状？一共有多少参数？深度的代价又是什么？
#
# **预备知识：** 矩阵乘法；训练过多层感知机。**阅读时间：** 约 {{minutes 01_deep_rnn}} 分钟。**运行时间：** 在没有 GPU 的笔记本电脑上不到一分钟。
#
# {{launch}}

# %% id="setup"
# the course's folder; in the notebooks this cell also serves Colab (tools/build_notebooks.py)
import sys
from pathlib import Path
here = Path.cwd()
root = next(p for p in (here, *here.parents) if (p / "book" / "live_plot.py").exists())
sys.path.insert(0, str(root))
import utils

# %% [markdown] lang="en" id="one-layer-text"
# ## One recurrent layer
#
# A minibatch (the sequences that are processed together) holds $n$ sequences of $T$ time steps; at time step $t$ each gives $d$ inputs, together $\mathbf{X}_t \in \mathbb{R}^{n \times d}$. A layer of $h$ hidden units computes its
# **hidden state** $\mathbf{H}_t \in \mathbb{R}^{n \times h}$, a row for each sequence, from the input and from its own state one step earlier:
#
# $$\mathbf{H}_t = \phi(\mathbf{X}_t \mathbf{W}_{xh} + \mathbf{H}_{t-1} \mathbf{W}_{hh} + \mathbf{b}_h), \qquad
# \mathbf{W}_{xh} \in \mathbb{R}^{d \times h},\quad \mathbf{W}_{hh} \in \mathbb{R}^{h \times h},\quad \mathbf{b}_h \in \mathbb{R}^{1 \times h}.$$
#
# $\phi$ is an activation function, here $\tanh$. The two weight matrices and the bias $\mathbf{b}_h$ are the layer's parameters; the same three serve every time step. The first step starts from $\mathbf{H}_0 = \mathbf{0}$.

# %% [markdown] lang="zh" id="one-layer-text"
# ## 一个循环层
#
# 一个小批量（同时处理的一批序列）有 $n$ 个序列，每个序列有 $T$ 个时间步；在时间步 $t$，每个序列给出 $d$ 个输入，合起来就是 $\mathbf{X}_t \in \mathbb{R}^{n \times d}$。设循环层有 $h$ 个隐藏单元，
# 它的**隐状态** $\mathbf{H}_t \in \mathbb{R}^{n \times h}$（每个序列一行）由当前输入和自身上一个时间步的隐状态算出：
#
# $$\mathbf{H}_t = \phi(\mathbf{X}_t \mathbf{W}_{xh} + \mathbf{H}_{t-1} \mathbf{W}_{hh} + \mathbf{b}_h), \qquad
# \mathbf{W}_{xh} \in \mathbb{R}^{d \times h},\quad \mathbf{W}_{hh} \in \mathbb{R}^{h \times h},\quad \mathbf{b}_h \in \mathbb{R}^{1 \times h}.$$
#
# $\phi$ 是激活函数，这里取 $\tanh$。两个权重矩阵和偏置 $\mathbf{b}_h$ 就是这一层的参数，所有时间步共用。第一步从 $\mathbf{H}_0 = \mathbf{0}$ 开始。

# %% id="one-layer"
import torch
from torch import nn

utils.seed_everything(0)
n, T, d, h = 2, 5, 3, 4
X = torch.randn(T, n, d)  # (T, n, d): time comes first
W_xh, W_hh, b_h = torch.randn(d, h), torch.randn(h, h), torch.randn(1, h)

H_t = torch.zeros(n, h)
for X_t in X:
    # (n, d)(d, h) + (n, h)(h, h) + (1, h) -> (n, h)
    H_t = torch.tanh(X_t @ W_xh + H_t @ W_hh + b_h)
print("H_T", tuple(H_t.shape))

# %% [markdown] lang="en" id="structure"
# ## Network structure
#
# Now stack $L$ such layers; $L$ is the **depth** of the network. Every hidden state is passed on along **two** arrows: to the next time step of its own layer (dashed), and to the same time step of the next
# layer (solid). The first layer reads the input, the output layer reads the last layer.
#
# What for? Each further layer passes the input through one more $\phi$: more hidden layers, more **nonlinearity**. Whether that pays is measured below.

# %% [markdown] lang="zh" id="structure"
# ## 网络结构
#
# 现在把 $L$ 个这样的层堆叠起来，$L$ 就是网络的**深度**。每个隐状态都沿**两条**箭头传递：一条通往本层的下一个时间步（虚线），一条通往下一层的同一时间步（实线）。第一层读取输入，输出层读取最后一层。
#
# 为什么要堆叠？每多一层，输入就多经过一次激活函数 $\phi$：增加隐藏层，可以实现更多的**非线性**。这样做是否值得，后面用实验来回答。

# %% tags=["hide-input"] id="figure-deep-rnn"
utils.show_figure("deep_rnn")

# %% [markdown] lang="en" id="structure-after"
# <details><summary>The figure in words</summary>Grid of hidden states, unrolled, that is, drawn once for every time step: time steps 1 to T run to the right, layers 1 to L upwards. A solid arrow leads from each input X_t through the hidden states of all layers up to the output O_t; a dashed arrow leads from each hidden state to that of the next time step in the same layer, beginning with H_0.</details>

# %% [markdown] lang="zh" id="structure-after"
# <details><summary>图的文字说明</summary>按时间展开的隐状态网格，即每个时间步都画一遍：时间步 1 到 T 自左向右，第 1 层到第 L 层自下而上。实线箭头从输入 X_t 出发，自下而上穿过各层的隐状态，到达输出 O_t；虚线箭头从每个隐状态指向同一层下一个时间步的隐状态，起点是 H_0。</details>

# %% [markdown] lang="en" id="equation-text"
# ## Functional dependencies
#
# Write $\mathbf{H}_t^{(l)}$ for the hidden state of layer $l = 1, \ldots, L$ at time step $t$, and set $\mathbf{H}_t^{(0)} = \mathbf{X}_t$; $\phi_l$ is the activation function of layer $l$, here $\tanh$ for all. The two arrows into a state are the two
# products in its equation, and the output layer reads layer $L$ only:

# %% [markdown] lang="zh" id="equation-text"
# ## 函数依赖关系
#
# 记第 $l$ 层（$l = 1, \ldots, L$）在时间步 $t$ 的隐状态为 $\mathbf{H}_t^{(l)}$，并令 $\mathbf{H}_t^{(0)} = \mathbf{X}_t$；$\phi_l$ 是第 $l$ 层的激活函数，这里各层都取 $\tanh$。指向一个隐状态的两条箭头，正对应公式中的两个矩阵乘积；输出层只读取第 $L$ 层：

# %% [markdown] id="equation"
# $$\mathbf{H}_t^{(l)} = \phi_l\!\left(\mathbf{H}_t^{(l-1)} \mathbf{W}_{xh}^{(l)} + \mathbf{H}_{t-1}^{(l)} \mathbf{W}_{hh}^{(l)} + \mathbf{b}_h^{(l)}\right),
# \qquad \mathbf{O}_t = \mathbf{H}_t^{(L)} \mathbf{W}_{hq} + \mathbf{b}_q .$$

# %% [markdown] lang="en" id="shapes"
# | | shape | |
# |---|---|---|
# | $\mathbf{W}_{xh}^{(1)}$ | $d \times h$ | layer 1 reads the $d$ inputs |
# | $\mathbf{W}_{xh}^{(l)},\ l > 1$ | $h \times h$ | every further layer reads the $h$ states of the layer below |
# | $\mathbf{W}_{hh}^{(l)}$ | $h \times h$ | |
# | $\mathbf{b}_h^{(l)}$ | $1 \times h$ | added to each of the $n$ rows |
# | $\mathbf{W}_{hq},\ \mathbf{b}_q$ | $h \times q,\ 1 \times q$ | for $q$ outputs |
#
# The first two rows are often confused: some lecture notes write $h \times h$ for all layers, which fits only if $d = h$.
#
# In code, let `H[l, t]` be $\mathbf{H}_t^{(l)}$, with the indices of the formula. Then the formula is one line of code.

# %% [markdown] lang="zh" id="shapes"
# | | 形状 | |
# |---|---|---|
# | $\mathbf{W}_{xh}^{(1)}$ | $d \times h$ | 第 1 层读取 $d$ 个输入 |
# | $\mathbf{W}_{xh}^{(l)},\ l > 1$ | $h \times h$ | 其余各层读取下面一层的 $h$ 个隐状态 |
# | $\mathbf{W}_{hh}^{(l)}$ | $h \times h$ | |
# | $\mathbf{b}_h^{(l)}$ | $1 \times h$ | 加到 $n$ 行中的每一行 |
# | $\mathbf{W}_{hq},\ \mathbf{b}_q$ | $h \times q,\ 1 \times q$ | $q$ 为输出数 |
#
# 前两行常被混为一谈：有的讲义把所有层一律写成 $h \times h$，这只在 $d = h$ 时才成立。
#
# 在代码里，用 `H[l, t]` 表示 $\mathbf{H}_t^{(l)}$，下标与公式一致。这样，公式写成代码只要一行。

# %% id="deep-rnn"
L, q = 2, 3
shapes = {l: [(d if l == 1 else h, h), (h, h), (1, h)] for l in range(1, L + 1)}
params = {l: [torch.randn(*shape) for shape in shapes[l]] for l in shapes}  # W_xh, W_hh, b_h
W_hq, b_q = torch.randn(h, q), torch.randn(1, q)

def borders(X, L, h):
    """What is given before anything is computed: H[0, t] = X_t (n, d) and H[l, 0] = 0 (n, h)."""
    T, n, _ = X.shape
    inputs = {(0, t): X[t - 1] for t in range(1, T + 1)}
    return inputs | {(l, 0): torch.zeros(n, h) for l in range(1, L + 1)}

def state(H, l, t):
    """H_t^(l), (n, h), from the two states that it needs."""
    W_xh, W_hh, b_h = params[l]
    return torch.tanh(H[l - 1, t] @ W_xh + H[l, t - 1] @ W_hh + b_h)

H = borders(X, L, h)
for t in range(1, T + 1):  # time, then depth
    for l in range(1, L + 1):
        H[l, t] = state(H, l, t)
O = {t: H[L, t] @ W_hq + b_q for t in range(1, T + 1)}  # (n, h)(h, q) -> (n, q)
print("H_5^(2)", tuple(H[2, 5].shape), "  O_5", tuple(O[5].shape))

# %% [markdown] lang="en" id="check-text"
# Is this what PyTorch means by `num_layers=2`? Give `nn.RNN` the same weights and compare. It stores them transposed and counts the layers from 0
# (`weight_ih_l0` belongs to layer 1); and it keeps two bias vectors where the equation has one, so we set one of them to zero.

# %% [markdown] lang="zh" id="check-text"
# PyTorch 的 `num_layers=2` 是同一回事吗？把同样的权重交给 `nn.RNN`，比一比就知道了。它保存的是转置后的权重，层号从 0 数起（`weight_ih_l0` 属于第 1 层）；
# 公式里只有一个偏置向量，而它保存了两个，所以把其中一个设为零。

# %% id="check-torch"
rnn = nn.RNN(d, h, num_layers=L)
with torch.no_grad():
    for l, (W_xh, W_hh, b_h) in params.items():
        getattr(rnn, f"weight_ih_l{l - 1}").copy_(W_xh.T)
        getattr(rnn, f"weight_hh_l{l - 1}").copy_(W_hh.T)
        getattr(rnn, f"bias_ih_l{l - 1}").copy_(b_h[0])
        getattr(rnn, f"bias_hh_l{l - 1}").zero_()
    top, last = rnn(X)  # (T, n, h): layer L at every step; (L, n, h): every layer at step T
torch.testing.assert_close(top, torch.stack([H[L, t] for t in range(1, T + 1)]))
torch.testing.assert_close(last, torch.stack([H[l, T] for l in range(1, L + 1)]))
print("equal to nn.RNN:", tuple(top.shape), tuple(last.shape))

# %% [markdown] lang="en" id="by-hand-text"
# ## One step by hand
#
# Before the sliders, one step on paper: $n = 1$, $d = 3$, $h = 2$, two layers. The states of both layers one time step earlier are given (`H_before`). **Take a pencil**, and a calculator for
# the $\tanh$: the next cell holds the numbers, the one after it prints the solution.

# %% [markdown] lang="zh" id="by-hand-text"
# ## 手算一步
#
# 拖动滑块之前，先在纸上算一步：$n = 1$，$d = 3$，$h = 2$，共两层；两层在上一个时间步的隐状态已知（`H_before`）。**拿起铅笔**（$\tanh$ 用计算器）：下一个单元格给出数据，再下一个单元格打印解答。

# %% id="by-hand-numbers"
X_t = torch.tensor([[1.0, 0.0, 2.0]])  # (1, 3)
H_before = {1: torch.tensor([[0.5, -0.5]]), 2: torch.tensor([[0.0, 1.0]])}  # (1, 2) each
weights = {  # W_xh, W_hh, b_h
    1: ([[0.5, 1.0], [2.0, 1.0], [0.0, -0.5]], [[1.0, 0.0], [0.0, 2.0]], [[0.0, 0.5]]),
    2: ([[1.0, 2.0], [1.0, 0.0]], [[0.0, 1.0], [0.5, -1.0]], [[0.2, 0.0]]),
}

# %% tags=["hide-input"] id="by-hand"
# the solution, as one writes it
from IPython.display import Math, display

def matrix(A):
    """A matrix as LaTeX."""
    rows = ["&".join(f"{x:.4g}" for x in row) for row in A.tolist()]
    return r"\begin{bmatrix}" + r"\\".join(rows) + r"\end{bmatrix}"

inputs = X_t  # H_t^(0)
for l in weights:
    W_xh, W_hh, b_h = map(torch.tensor, weights[l])
    old = H_before[l]
    products = f"{matrix(inputs)}{matrix(W_xh)} + {matrix(old)}{matrix(W_hh)} + {matrix(b_h)}"
    terms = f"{matrix(inputs @ W_xh)} + {matrix(old @ W_hh)} + {matrix(b_h)}"
    total = inputs @ W_xh + old @ W_hh + b_h  # (1, 2)
    new = torch.tanh(total)  # H_t^(l)
    lines = [rf"\tanh\Big({x}\Big)" for x in (products, terms)]
    lines += [rf"\tanh{matrix(total)}", matrix(new)]
    equations = rf"\mathbf{{H}}_t^{{({l})}} &= " + r"\\ &= ".join(lines)
    display(Math(rf"\begin{{aligned}}{equations}\end{{aligned}}"))
    inputs = new  # of the layer above

# %% [markdown] lang="en" id="by-hand-look"
# Look at where each layer found its numbers. Layer 1 used $\mathbf{X}_t$ ($1 \times 3$) and its own old state; layer 2 used the *new* state of layer 1 ($1 \times 2$) and its own old state;
# neither $\mathbf{X}_t$ itself nor layer 1's old state.

# %% [markdown] lang="zh" id="by-hand-look"
# 看看每一层用到的数是从哪里来的。第 1 层用了 $\mathbf{X}_t$（$1 \times 3$）和自己的旧状态；第 2 层用了第 1 层的**新**状态（$1 \times 2$）和自己的旧状态，
# 既没有直接读取 $\mathbf{X}_t$，也没有读取第 1 层的旧状态。

# %% [markdown] lang="en" id="graph-text"
# ## Shapes and parameters, with sliders
#
# The same picture, drawn for any size: the vertical arrows (blue) lead up a layer, the horizontal ones (orange) to the next time step.

# %% [markdown] lang="zh" id="graph-text"
# ## 用滑块看形状与参数量
#
# 还是同一幅图，大小随意：竖直箭头（蓝色）自下而上通往下一层，水平箭头（橙色）自左向右通往下一个时间步。

# %% tags=["hide-input"] id="label"
def label(letter, t, l=None):
    """A symbol such as H₁⁽²⁾ in plain characters."""
    low, high = (str.maketrans("0123456789", digits) for digits in ("₀₁₂₃₄₅₆₇₈₉", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    text = letter + str(t).translate(low)
    return text if l is None else f"{text}⁽{str(l).translate(high)}⁾"

# %% tags=["hide-input"] id="draw-graph"
def draw_arrows(ax, arrows, width=0.003):
    """Arrows between states ((l, t), (l', t')): blue ones go up a layer, orange ones on in time."""
    across, up = 1 - 22 * ax.viewLim.width / 720, 1 - 22 * ax.viewLim.height / 368  # to the rim
    x, y = [t for (_, t), _ in arrows], [l for (l, _), _ in arrows]
    dx = [across * (to_t - t) for (_, t), (_, to_t) in arrows]
    dy = [up * (to_l - l) for (l, _), (to_l, _) in arrows]
    colours = [utils.BLUE if to_l > l else utils.VERMILION for (l, _), (to_l, _) in arrows]
    style = {"color": colours, "width": width, "zorder": 0}
    ax.quiver(x, y, dx, dy, angles="xy", scale_units="xy", scale=1, **style)

def draw_graph(L, T, colour=lambda l, t: "white"):
    """The network unrolled: time runs to the right, depth upwards, from the input (row 0) on."""
    fig, ax = utils.new_figure(9, 4.6, bare=True)
    ax.set(xlim=(-0.5, T + 0.5), ylim=(-0.5, L + 1.8))
    arrows = [((l, t), (l + 1, t)) for l in range(L + 1) for t in range(1, T + 1)]
    arrows += [((l, t - 1), (l, t)) for l in range(1, L + 1) for t in range(1, T + 1)]
    draw_arrows(ax, arrows)
    nodes = [(t, l) for l in range(L + 2) for t in range(T + 1) if t > 0 or 0 < l <= L]
    ax.scatter(*zip(*nodes), s=1100, c=[colour(l, t) for t, l in nodes], edgecolors="0.3")
    for t, l in nodes:
        text = label("X", t) if l == 0 else label("O", t) if l == L + 1 else label("H", t, l)
        ax.text(t, l, text, ha="center", va="center", fontsize=13)
    return fig

draw_graph(L=2, T=4)

# %% [markdown] lang="en" id="count-text"
# How many numbers does layer $l$ have to learn? With $\mathrm{in}$ for the number of its inputs ($d$ for layer 1, $h$ for all others):
#
# $$\underbrace{\mathrm{in} \cdot h}_{\mathbf{W}_{xh}} + \underbrace{h \cdot h}_{\mathbf{W}_{hh}} + \underbrace{h}_{\mathbf{b}_h} = h\,(\mathrm{in} + h + 1).$$
#
# The plain recurrent layer (**RNN**) computes one sum of two products and a bias. A **GRU** (gated recurrent unit) computes three, for two **gates** (numbers between 0 and 1 that say how much passes) and a candidate for the new state;
# an **LSTM** (long short-term memory) computes four, for three gates and a candidate for its memory. Each sum has weights of its own, so the matrices are three and four times as wide; [lesson 2](02_stacked_from_scratch.ipynb) builds both.
# PyTorch counts $h$ more per sum, for its second bias (last row of the table). **Predict:** which of the sliders `L`, `T`, `h`, `d` leave the number of parameters of layer 2 unchanged?

# %% [markdown] lang="zh" id="count-text"
# 第 $l$ 层有多少个数要学？记该层的输入数为 $\mathrm{in}$（第 1 层是 $d$，其余各层是 $h$）：
#
# $$\underbrace{\mathrm{in} \cdot h}_{\mathbf{W}_{xh}} + \underbrace{h \cdot h}_{\mathbf{W}_{hh}} + \underbrace{h}_{\mathbf{b}_h} = h\,(\mathrm{in} + h + 1).$$
#
# 普通的循环层（**RNN**）只算一个和：两个乘积加一个偏置。门控循环单元（gated recurrent unit，**GRU**）要算三个这样的和：两个**门**（0 与 1 之间的数，决定放行多少）和一个候选隐状态；
# 长短期记忆网络（long short-term memory，**LSTM**）要算四个：三个门和一个候选记忆元。每个和都有自己的权重，所以矩阵的宽度分别是原来的三倍和四倍（[第 2 课](02_stacked_from_scratch.ipynb)会亲手实现这两种层）。
# PyTorch 有第二个偏置，每个和要多出 $h$ 个参数（表的最后一行）。**猜一猜：** `L`、`T`、`h`、`d` 这几个滑块中，哪些不会改变第 2 层的参数量？

# %% tags=["hide-input"] id="guess-sliders"
# the guess; the sliders below show it
utils.guess(
    "the sliders that leave the number of parameters of layer 2 unchanged",
    "L, T and d",
    choices=("T only", "L and T", "L, T and d", "none of them"),
    because="Layer 2 has h (h + h + 1) of them: it reads h states, and serves every time step.",
)

# %% tags=["hide-input"] id="shape-table"
SUMS = {"RNN": 1, "GRU": 3, "LSTM": 4}

def shape_table(cell, L, h, d, n=32):
    """The shape of every tensor and the number of parameters, a column per layer; q = d outputs."""
    k, q = SUMS[cell], d
    inputs = {l: d if l == 1 else h for l in range(1, L + 1)}
    by_formula = [k * h * (inputs[l] + h + 1) for l in inputs]
    layers = getattr(nn, cell)(d, h, L, device="meta")  # nn.RNN, say; meta: shapes, no numbers
    output = nn.Linear(h, q, device="meta")
    groups = (*layers.all_weights, output.parameters())
    counted = [sum(p.numel() for p in weights) for weights in groups]
    rows = [
        ["its input", *(f"{n} × {inputs[l]}" for l in inputs), f"{n} × {h}", ""],
        ["W_xh", *(f"{inputs[l]} × {k * h}" for l in inputs), f"W_hq: {h} × {q}", ""],
        ["W_hh", *(f"{h} × {k * h}" for l in inputs), "", ""],
        ["b_h", *(f"1 × {k * h}" for l in inputs), f"b_q: 1 × {q}", ""],
        ["H_t", *(f"{n} × {h}" for l in inputs), f"O_t: {n} × {q}", ""],
        ["parameters", *(f"{p:,}" for p in (*by_formula, h * q + q, sum(by_formula) + h * q + q))],
        [f"in nn.{cell}, nn.Linear", *(f"{p:,}" for p in (*counted, sum(counted)))],
    ]
    return utils.table(["", *(f"layer {l}" for l in inputs), "output layer", "all"], rows)

shape_table("RNN", L=2, h=64, d=28)

# %% tags=["hide-input"] id="explore-graph"
import ipywidgets as widgets

def graph_and_shapes(L, T, h, d, cell):
    return draw_graph(L, T), shape_table(cell, L, h, d)

utils.explore(
    graph_and_shapes,
    L=widgets.IntSlider(2, min=1, max=4, description="L, layers"),
    T=widgets.IntSlider(4, min=2, max=8, description="T, steps"),
    h=widgets.IntSlider(64, min=8, max=512, step=8, description="h, hidden"),
    d=widgets.IntSlider(28, min=1, max=100, description="d, inputs"),
    cell=widgets.Dropdown(options=list(SUMS), description="cell"),
)

# %% [markdown] lang="en" id="graph-look"
# `L` adds columns to the table and leaves the other layers alone; `d` reaches layer 1 (and the output layer, because the table sets $q = d$). `h` reaches everything, and from layer 2 on the parameters grow with about its square.
#
# ## In which order?
#
# Our loop went through time, and at each time step upwards through the layers. The equation asks for less: $\mathbf{H}_t^{(l)}$ needs $\mathbf{H}_t^{(l-1)}$ and $\mathbf{H}_{t-1}^{(l)}$, and may be computed as soon as these are there. **Predict:** $L = 3$ layers and $T = 6$ time steps make 18 states. If any number of
# ready states could be computed at the same time, how many rounds would it take?

# %% [markdown] lang="zh" id="graph-look"
# `L` 只给表格增加列，不改变其他各层；`d` 影响第 1 层（也影响输出层，因为表中取 $q = d$）。`h` 影响每一层；从第 2 层起，参数量大致随 $h$ 的平方增长。
#
# ## 按什么顺序计算？
#
# 我们的循环沿时间前进，在每个时间步再自下而上逐层计算。公式的要求其实没有这么严：$\mathbf{H}_t^{(l)}$ 只需要 $\mathbf{H}_t^{(l-1)}$ 和 $\mathbf{H}_{t-1}^{(l)}$，这两个一旦齐备，就可以算它。**猜一猜：** $L = 3$ 层、$T = 6$ 个时间步共有 18 个状态。如果凡是具备条件的状态都能同时计算，一共需要几轮？

# %% id="wavefront"
def needs(l, t):
    """The two states that H_t^(l) is computed from."""
    return {(l - 1, t), (l, t - 1)}

def rounds(L, T):
    """Sets of states (l, t): those of one set can be computed together, after the sets before."""
    known = {(0, t) for t in range(1, T + 1)} | {(l, 0) for l in range(1, L + 1)}
    todo = {(l, t) for l in range(1, L + 1) for t in range(1, T + 1)}
    while todo:
        ready = {(l, t) for l, t in todo if needs(l, t) <= known}
        yield ready
        known, todo = known | ready, todo - ready

# %% tags=["hide-input"] id="guess-rounds"
# the guess, and what `rounds` says
sizes = [len(ready) for ready in rounds(L=3, T=6)]
utils.guess(
    "rounds that the 18 states take",
    len(sizes),
    between=(0, 20),
    because=f"T + L - 1: so many states are ready in each of them: {', '.join(map(str, sizes))}.",
)

# %% [markdown] lang="en" id="wavefront-text"
# The states with the same $l + t$ lie on a diagonal, the **wavefront**, and do not need each other: so $T + L - 1$ rounds do, instead of $T \cdot L$. Does the order matter for the numbers? Let us compute the network from above twice more,
# once diagonal by diagonal and once layer by layer.

# %% [markdown] lang="zh" id="wavefront-text"
# $l + t$ 相同的状态位于同一条对角线上，互不依赖，这条对角线叫作**波前**（wavefront）：所以只需 $T + L - 1$ 轮，而不是 $T \cdot L$ 轮。计算顺序会影响数值吗？我们把上面的网络再算两遍：一遍沿对角线逐条计算，一遍逐层计算。

# %% id="orders"
by_wavefront, by_layer = borders(X, L, h), borders(X, L, h)
for ready in rounds(L, T):
    for l, t in ready:
        by_wavefront[l, t] = state(by_wavefront, l, t)
for l in range(1, L + 1):  # depth, then time
    for t in range(1, T + 1):
        by_layer[l, t] = state(by_layer, l, t)
for other in (by_wavefront, by_layer):
    assert all(torch.equal(H[l, t], other[l, t]) for l, t in H)
print(f"{L * T} states, the same in all three orders")

# %% [markdown] lang="en" id="walk-text"
# The next cell draws the fourth round of the wavefront, three states on a diagonal. Orange with a thick rim is what is being computed, the bold arrows come from the two states that it needs, and grey is already known. Below it, press play or move `step`; then switch `order` to the wavefront.

# %% [markdown] lang="zh" id="walk-text"
# 下一个单元格画出波前的第四轮，即一条对角线上的三个状态。带粗边的橙色状态正在计算，粗箭头来自它所需的两个状态，灰色的已经算出或给定。再往下，按播放键，或拖动“步”；然后把“顺序”切换为“波前”。

# %% tags=["hide-input"] id="draw-walk"
def draw_walk(order, step, L=3, T=6):
    """What a step computes (orange), what it needs (bold arrows), what is known by then (grey)."""
    if order == "wavefront":
        steps = list(rounds(L, T))
    else:  # time, then depth
        steps = [{(l, t)} for t in range(1, T + 1) for l in range(1, L + 1)]
    step = min(step, len(steps))
    now, known = steps[step - 1], set().union(*steps[: step - 1])

    def colour(l, t):
        if (l, t) in now:
            return "navajowhite"  # a light orange
        return "0.85" if (l, t) in known or l == 0 or t == 0 else "white"

    fig = draw_graph(L, T, colour)
    (ax,) = fig.axes
    draw_arrows(ax, [(source, target) for target in now for source in needs(*target)], width=0.006)
    x, y = [t for _, t in now], [l for l, _ in now]
    ax.scatter(x, y, s=1100, facecolors="none", edgecolors="black", linewidths=3)
    (l, t), *others = now
    below = label("H", t, l - 1) if l > 1 else label("X", t)
    title = f"{label('H', t, l)} needs {below} and {label('H', t - 1, l)}"
    if others:
        title = f"{len(now)} states at once"
    ax.set_title(f"step {step} of {len(steps)}:   {title}", y=0.935)
    return fig

draw_walk("wavefront", 4)

# %% tags=["hide-input"] id="explore-walk"
order = widgets.ToggleButtons(options=["time, then depth", "wavefront"], description="order")
step = widgets.IntSlider(8, min=1, max=18, description="step")

def start_anew(change):
    step.value, step.max = 1, 8 if order.value == "wavefront" else 18

order.observe(start_anew, "value")
utils.explore(draw_walk, play="step", order=order, step=step)

# %% [markdown] lang="en" id="chain-text"
# ## What depth costs
#
# Depth has two prices. Each further layer adds work and parameters: the table times one minibatch, forward (the outputs) and backward (the gradients), with $h = 128$ at every depth. And the longest chain of states from $\mathbf{X}_1$ to $\mathbf{O}_T$, each needing the one before,
# grows from $T$ to $T + L - 1$. Not by much; but the gradients run back along it, and every link multiplies. **Predict:** in an LSTM before training, how much of the gradient $\partial \mathbf{H}_T^{(L)} / \partial \mathbf{X}_T$, straight down through the layers, is left with four layers instead of one?

# %% [markdown] lang="zh" id="chain-text"
# ## 深度的代价
#
# 深度有两种代价。其一，每多一层，就多一份计算量和参数：下表取一个小批量，测量前向传播（算输出）加反向传播（算梯度）的时间，各种深度都用 $h = 128$。其二，从 $\mathbf{X}_1$ 到 $\mathbf{O}_T$，状态一个依赖一个，最长的链从 $T$ 增长到 $T + L - 1$。
# 链没有长多少，但梯度要沿着它传回来，每一环都要做一次乘法。**猜一猜：** 训练之前的 LSTM，梯度 $\partial \mathbf{H}_T^{(L)} / \partial \mathbf{X}_T$ 自上而下穿过各层，四层时剩下单层时的几成？

# %% tags=["hide-input"] id="time-depth"
# what a minibatch takes at each depth
import statistics

def milliseconds(layers, X):
    """Median time of a forward and a backward pass for each of {name: layer}, which take turns."""

    def run(layer):
        return lambda: layer(X)[0].sum().backward()

    passes = {name: run(layer) for name, layer in layers.items()}
    seconds = utils.seconds_each(passes, rounds=utils.epochs(14))
    return {name: 1000 * statistics.median(s) for name, s in seconds.items()}

corpus = utils.load_corpus()
vocab_size = len(corpus.vocab)  # d: the different characters of the text that is read below
minibatch = torch.randn(35, 32, vocab_size)  # (T, n, d)
deep = {num_layers: nn.RNN(vocab_size, 128, num_layers) for num_layers in (1, 2, 3, 4)}
rows = []
for num_layers, ms in milliseconds(deep, minibatch).items():
    parameters = sum(p.numel() for p in deep[num_layers].parameters())
    rows.append([num_layers, f"{parameters:,}", 35 * num_layers, 35 + num_layers - 1, f"{ms:.1f}"])
utils.table(["layers", "parameters", "states", "longest chain", "ms per minibatch"], rows)

# %% id="gradient-depth"
def gradient_size(cell, num_layers, seed):
    """The size of the gradient that reaches X_T from a random one at H_T^(L), before training."""
    utils.seed_everything(seed)
    network = getattr(nn, cell)(vocab_size, 128, num_layers)
    X = torch.randn(35, 32, vocab_size, requires_grad=True)  # (T, n, d)
    top, _ = network(X)  # (T, n, h)
    top[-1].backward(torch.randn(32, 128))
    return X.grad[-1].norm().item()

gradient_rows = []
for cell in SUMS:
    sizes = torch.tensor([[gradient_size(cell, l, seed) for l in (1, 2, 4)] for seed in range(5)])
    shares = sizes[:, 1:] / sizes[:, :1]  # (5 starts, 2 depths)
    gradient_rows.append([cell, "1", *(f"{x.min():.2g} to {x.max():.2g}" for x in shares.T)])

# %% tags=["hide-input"] id="guess-gradient"
# the guess; lowest and highest of five random starts are in the table
utils.guess(
    "LSTM: the share of the gradient that is left with four layers instead of one",
    shares[:, 1].median().item(),  # the last cell's
    between=(1e-4, 1),
    log=True,
    because="The table has all cells, one layer being 1.",
    show=lambda rows=gradient_rows: utils.table(["cell", "L = 1", "L = 2", "L = 4"], rows),
)

# %% [markdown] lang="en" id="depth-width-text"
# Each layer multiplies by its $\mathbf{W}_{xh}^{(l)}$, as PyTorch draws it by about $1/\sqrt{3} \approx 0.58$ in size. An untrained gate stands at about 1/2 and halves again, once in a GRU, twice in an LSTM. So the gradient fades along the layers, whatever the cell; [lesson 2](02_stacked_from_scratch.ipynb) maps it.
#
# ## Depth or width?
#
# What does one get for this price? To be fair, compare networks with **equally many parameters**: few wide layers against many narrow ones. The budget is 20,000 for the recurrent layers; for each depth take the largest $h$ that fits.

# %% [markdown] lang="zh" id="depth-width-text"
# 每一层都要乘上 $\mathbf{W}_{xh}^{(l)}$，按 PyTorch 的初始化，大小约变为 $1/\sqrt{3} \approx 0.58$ 倍。未经训练的门大约在 1/2 处，还要再减半：GRU 减一次，LSTM 减两次。可见不论哪种单元，梯度沿层都会衰减；[第 2 课](02_stacked_from_scratch.ipynb)会把它画成图。
#
# ## 深一点，还是宽一点？
#
# 付出这些代价，换来了什么？为了公平，我们比较**参数量相同**的网络：一边层少而宽，一边层多而窄。循环层的参数预算为 20,000；每种深度都取预算之内最大的 $h$。

# %% id="widths"
def largest_width(num_layers, budget):
    """The largest h for which the recurrent layers stay within a budget of parameters."""

    def parameters(h):
        rnn = nn.RNN(vocab_size, h, num_layers, device="meta")  # meta: shapes, no numbers
        return sum(p.numel() for p in rnn.parameters())

    h = 1
    while parameters(h + 1) <= budget:
        h += 1
    return h

widths = {num_layers: largest_width(num_layers, budget=20_000) for num_layers in (1, 2, 4)}
print({f"L = {num_layers}": f"h = {width}" for num_layers, width in widths.items()})

# %% [markdown] lang="en" id="race-text"
# All three read the same 10,000 characters of *The Time Machine*, a novel by H. G. Wells, and learn to predict the next one of 28 possible characters: 26 letters, the space, and a sign for anything unknown. One pass through this text is an **epoch**.
# The **perplexity** says among how many characters the network might as well guess blindly: 28 is no idea, 1 is perfect
# ([lesson 3](03_concise_lstm.ipynb) has the formula). Solid is the text that they train on, dashed the 5,000 characters that follow in the book, which no network trains on: the **held-out** text, usually called the **validation set**, by which one chooses. **Watch** the dashed lines.
#
# (`d2l` is the library of the book *Dive into Deep Learning*; its `RNNModel` puts the output layer on top. Adam, which trains all three, is a form of gradient descent.)

# %% [markdown] lang="zh" id="race-text"
# 三个网络读同样的 10,000 个字符，选自威尔斯（H. G. Wells）的小说《时间机器》，学习预测下一个字符。字符共有 28 种：26 个字母、空格和一个代表未知字符的符号。把这段文本读完一遍，称为一个**迭代周期**（epoch）。
# **困惑度**为 $k$，相当于每一步都在 $k$ 个等可能的字符里盲猜：28 是毫无头绪，1 是完美（公式见[第 3 课](03_concise_lstm.ipynb)）。
# 实线对应训练用的文本；虚线对应书中紧接着的 5,000 个字符，任何网络都不用它训练，即**留出**（held-out）文本，通常叫作**验证集**（validation set），选择网络时以它为准。请**盯住**虚线。
#
# （`d2l` 是《动手学深度学习》一书的程序库，其中的 `RNNModel` 在循环层之上加了输出层。三个网络都用 Adam 训练，它是梯度下降的一种。）

# %% id="training"
from d2l import torch as d2l

def training(num_layers, seed, num_epochs, enlarge=False):
    """The records of a deep RNN's training from one random start, an epoch each."""
    utils.seed_everything(seed)
    rnn = nn.RNN(vocab_size, widths[num_layers], num_layers)
    model = d2l.RNNModel(rnn, vocab_size)
    if enlarge:
        utils.enlarge_weights(model)
    batches, adam = utils.Batches(corpus.train, seed=seed), utils.RECIPES["fast"]
    options = {"lr": adam.lr, "optimizer": adam.optimizer, "num_epochs": num_epochs}
    return utils.fit(model, batches, held_out=corpus.held_out, **options)

# %% id="race"
trainings = {f"L = {l}, h = {width}": training(l, 0, 24) for l, width in widths.items()}
records = utils.LivePlot(24, title="20,000 parameters each, one random start").race(trainings)

# %% [markdown] lang="en" id="race-look"
# Two layers beat one, and four are hard to train? Each curve is *one* training, and all begin with PyTorch's small **first weights**. The control, a recorded run (`FULL=1` repeats it): five random starts each, trained until the held-out perplexity has not fallen for ten epochs, with these first weights and with
# `utils.enlarge_weights`, which draws $\mathbf{W}_{xh}^{(1)}$ and $\mathbf{W}_{hq}$ larger ([lesson 3](03_concise_lstm.ipynb) shows why). `ranking` tells two apart if the worst training of one is better than the best of the other; between equals this happens in 1 of 126 cases. **Predict:** with larger first weights, which depth comes last?

# %% [markdown] lang="zh" id="race-look"
# 两层胜过一层，而四层很难训练？每条曲线只是**一次**训练，而且都从 PyTorch 那样较小的**初始权重**出发。来看对照实验（事先记录的运行，设置 `FULL=1` 可亲自重做）：每种深度各取五个随机起点，训练到留出困惑度连续十个迭代周期没有下降为止；
# 一组仍用这样的初始权重，另一组用 `utils.enlarge_weights`，它放大 $\mathbf{W}_{xh}^{(1)}$ 和 $\mathbf{W}_{hq}$ 的初始值（原因见[第 3 课](03_concise_lstm.ipynb)）。一方最差的一次也好过另一方最好的一次，`ranking` 才判定两者分得出高下；两者其实一样好时，碰巧如此的概率是 1/126。**猜一猜：** 初始权重大一些时，哪种深度垫底？

# %% id="depth-run"
def depth_point(enlarge, num_layers, seed):
    """Train until the held-out perplexity has not fallen for ten epochs.

    Returns (enlarge, layers, h, seed, lowest held-out perplexity, its epoch, that after epoch 5).
    """
    records = []
    for record in training(num_layers, seed, 60, enlarge):
        records.append(record)
        best = utils.best(records)
        if record.epoch >= best.epoch + 10:
            break
    scores = round(best.held_out, 4), best.epoch, round(records[:5][-1].held_out, 4)
    return enlarge, num_layers, widths[num_layers], seed, *scores

points = [(start, l, seed) for start in (0, 1) for l in widths for seed in range(5)]
depth_rows, about = utils.recorded("depth", lambda: [depth_point(*point) for point in points])
print(f"{about['origin']}: {len(depth_rows)} trainings in {about['seconds']:.0f} s")
print(f"on {about['machine']}, {about['versions']}")

# %% tags=["hide-input"] id="guess-depth"
# the guess; a dot is a training, a bar the median
STARTS = ("torch's weights", "enlarged weights")
scores = {start: {} for start in STARTS}  # {start: {depth: lowest held-out perplexities}}
for i, l, _, _, score, *_ in depth_rows:
    scores[STARTS[i]].setdefault(f"L = {l}", []).append(score)
named = {f"{start}, {depth}": scores[start][depth] for start in STARTS for depth in scores[start]}
utils.guess(
    "at equal parameters, with enlarged first weights: which comes last?",
    "four layers",
    choices=("one layer", "two layers", "four layers", "not told apart"),
    because="With torch's weights it is one layer: compare the upper three with the lower three.",
    show=lambda: utils.draw_spread(named, "lowest held-out perplexity"),
)

# %% tags=["hide-input"] id="depth-result"
# what five starts tell apart
for i, start in enumerate(STARTS):
    early = [row[-1] for row in depth_rows if row[:2] == [i, 4]]
    print(f"{start} (L = 4 after 5 epochs: {min(early):.1f} to {max(early):.1f})")
    utils.ranking(scores[start])
print("all depths")
utils.ranking({start: sum(scores[start].values(), []) for start in STARTS})

# %% [markdown] lang="en" id="depth-look"
# With torch's first weights two layers do beat one, but so do four, given time. With larger ones four no longer stand still, every depth does better, and the order turns round: one is not told apart from two. The race had measured how each depth copes with small first weights.
# Once these are large, more layers at equal parameters gain nothing here (10,000 characters, a plain RNN, one learning rate). $L$, $h$ and the size of the first weights are **hyperparameters**, numbers that you choose and the network does not learn; there is no formula for the best choice, one tries, and more than once.

# %% [markdown] lang="zh" id="depth-look"
# 用 PyTorch 的初始权重时，两层确实胜过一层，可是四层训练得够久，同样胜过一层。初始权重大一些，四层就不再停滞，各种深度的成绩都更好，次序也颠倒过来：一层与两层分不出高下。
# 原来，那场比赛比的是各种深度如何应付过小的初始权重。初始权重够大之后，参数量相同，多加几层在这里并无好处（10,000 个字符、普通的 RNN、同一个学习率）。$L$、$h$ 和初始权重的大小都是**超参数**，也就是由我们选定、而不是由网络学到的数：最佳取值没有公式，只能尝试，而且不能只试一次。

# %% [markdown] lang="en" id="swap-text"
# ## Deep GRU, deep LSTM: swap the cell
#
# The stack does not ask what happens inside a state's circle. All that it needs there is a **cell**: something that turns an input and an old state into a new state. Put in a GRU cell, and the network is a deep GRU; put in an LSTM cell, and it
# is a deep LSTM. An LSTM carries a second tensor along the time arrow, its **memory cell** $\mathbf{C}_t^{(l)}$; upwards goes $\mathbf{H}_t^{(l)}$ only. Here is a stack of any cells, and the check against PyTorch's own:

# %% [markdown] lang="zh" id="swap-text"
# ## 深度 GRU 与深度 LSTM：只换单元
#
# 怎么堆叠，与圆圈里面怎么算无关。圆圈里只要有一个**单元**（cell），能由输入和旧状态算出新状态就行。放进 GRU 单元，就是深度门控循环神经网络；放进 LSTM 单元，就是深度长短期记忆网络。
# LSTM 沿时间箭头还传递另一个张量，即**记忆元** $\mathbf{C}_t^{(l)}$；向上传的只有 $\mathbf{H}_t^{(l)}$。下面的函数可以堆叠任何单元，我们用 PyTorch 自己的实现来核对：

# %% id="run-stack"
def run_stack(cells, X):
    """The hidden states of the last layer, (T, n, h); cells: one for each layer; X: (T, n, d)."""
    states, outputs = [None] * len(cells), []
    for H in X:  # H_t^(0), (n, d)
        for l, cell in enumerate(cells):
            states[l] = cell(H, states[l])  # an LSTM's state is a pair (H, C)
            H = states[l][0] if isinstance(states[l], tuple) else states[l]  # (n, h)
        outputs.append(H)
    return torch.stack(outputs)

# nn.RNN, nn.GRU, nn.LSTM
deep_networks = {name: getattr(nn, name)(vocab_size, 64, num_layers=3) for name in SUMS}
for name, network in deep_networks.items():
    cells = [getattr(nn, f"{name}Cell")(vocab_size if l == 0 else 64, 64) for l in range(3)]
    for l, cell in enumerate(cells):
        of_layer = {key: network.state_dict()[f"{key}_l{l}"] for key in cell.state_dict()}
        cell.load_state_dict(of_layer)
    torch.testing.assert_close(run_stack(cells, minibatch), network(minibatch)[0])
rows = []
for name, ms in milliseconds(deep_networks, minibatch).items():
    parameters = sum(p.numel() for p in deep_networks[name].parameters())
    rows.append([f"deep {name}", SUMS[name], f"{parameters:,}", f"{ms:.1f}"])
utils.table(["network, 3 x 64", "sums per state", "parameters", "ms per minibatch"], rows)

# %% [markdown] lang="en" id="swap-look"
# No error: each stack of cells gives what PyTorch's own network gives. The parameters are in the ratio 1 : 3 : 4, as are the sums. The times need not be: a library may be better tuned for one cell than for another.

# %% [markdown] lang="zh" id="swap-look"
# 没有报错：每种单元堆叠起来，都与 PyTorch 自己的网络结果相同。参数量之比是 1 : 3 : 4，与和的个数之比相同。用时却不一定如此：同一个库对不同单元的优化程度可能不同。

# %% [markdown] lang="en" id="exercises"
# ## Exercises
#
# Put your answer in place of `None` and run the cell. A solution is folded away below each: a click on its title opens it.
#
# **1.** A deep RNN with $L = 3$ layers, $d = 28$ inputs and $h = 64$ hidden units. Give the shapes of $\mathbf{W}_{xh}^{(1)}$ and $\mathbf{W}_{xh}^{(3)}$, one after the other, as a tuple of four numbers.

# %% [markdown] lang="zh" id="exercises"
# ## 练习
#
# 把 `None` 换成你的答案，然后运行该单元格。每题下方折叠着参考解答，点击标题即可展开。
#
# **1.** 一个深度 RNN 有 $L = 3$ 层、$d = 28$ 个输入、$h = 64$ 个隐藏单元。依次给出 $\mathbf{W}_{xh}^{(1)}$ 和 $\mathbf{W}_{xh}^{(3)}$ 的形状，写成一个含四个数的元组。

# %% id="exercise-1"
answer_1 = None
utils.check("1.1", answer_1)

# %% tags=["solution"] id="solution-1"
solution_1 = (28, 64, 64, 64)

# %% [markdown] lang="en" id="exercise-2-text"
# **2.** How many parameters has a deep RNN with $L = 4$, $d = 5$, $h = 10$ and an output layer with $q = 2$, with biases as in the equations (one vector per layer, and one in the output layer)?

# %% [markdown] lang="zh" id="exercise-2-text"
# **2.** 一个深度 RNN，$L = 4$，$d = 5$，$h = 10$，输出层 $q = 2$，偏置与公式一致（每层一个向量，输出层也有一个）。它共有多少个参数？

# %% id="exercise-2"
answer_2 = None
utils.check("1.2", answer_2)

# %% tags=["solution"] id="solution-2"
solution_2 = 10 * (5 + 10 + 1) + 3 * 10 * (10 + 10 + 1) + 10 * 2 + 2

# %% [markdown] lang="en" id="exercise-3-text"
# **3.** Two layers and five time steps: the network with the weights `params` above. Someone changes $\mathbf{X}_3$. How many of the ten hidden states change? (Count on paper, along the arrows.)

# %% [markdown] lang="zh" id="exercise-3-text"
# **3.** 两层、五个时间步，就是上面权重为 `params` 的那个网络。如果改动 $\mathbf{X}_3$，十个隐状态中有几个会变？（在纸上沿箭头数一数。）

# %% id="exercise-3"
answer_3 = None
utils.check("1.3", answer_3)

# %% tags=["solution"] id="solution-3"
solution_3 = 2 * 3

# %% [markdown] lang="en" id="exercise-4-text"
# **4.** $L = 4$ layers, $T = 100$ time steps, and a machine that computes any number of states at once in the time of one. How many times as fast is it by wavefronts as it would be one state at a time? Give the exact ratio, not rounded: Python may divide.

# %% [markdown] lang="zh" id="exercise-4-text"
# **4.** $L = 4$ 层，$T = 100$ 个时间步，有一台机器，能同时计算任意多个状态，用时与计算一个相同。沿波前计算，速度是逐个计算的几倍？请给出精确比值，不要四舍五入：除法可以交给 Python。

# %% id="exercise-4"
answer_4 = None
utils.check("1.4", answer_4)

# %% tags=["solution"] id="solution-4"
solution_4 = 4 * 100 / (100 + 4 - 1)

# %% [markdown] lang="en" id="exercise-5-text"
# **5.** Change one thing and predict: in `widths`, the budget is raised from 20,000 to 80,000 parameters. By what factor does $h$ grow for $L = 4$, roughly? Then let `largest_width` give both widths; your answer is the exact ratio of the new one to the old one.

# %% [markdown] lang="zh" id="exercise-5-text"
# **5.** 改一处，先预测：把 `widths` 的预算从 20,000 提高到 80,000 个参数。$L = 4$ 时，$h$ 大约增大到几倍？猜过之后，用 `largest_width` 求出两个宽度，以新宽度与旧宽度的精确比值作答。

# %% id="exercise-5"
answer_5 = None
utils.check("1.5", answer_5)

# %% tags=["solution"] id="solution-5"
solution_5 = largest_width(4, 80_000) / largest_width(4, 20_000)

# %% [markdown] lang="en" id="exam"
# ## What to write in the exam
#
# **1.** Write $\mathbf{H}_t^{(l)}$ and $\mathbf{O}_t$ of a deep RNN, with all shapes. What does $\mathbf{H}_t^{(l)}$ depend on directly?
#
# <details><summary>answer</summary>$\mathbf{H}_t^{(l)} = \phi_l(\mathbf{H}_t^{(l-1)} \mathbf{W}_{xh}^{(l)} + \mathbf{H}_{t-1}^{(l)} \mathbf{W}_{hh}^{(l)} + \mathbf{b}_h^{(l)})$ with $\mathbf{H}_t^{(0)} = \mathbf{X}_t$ (n × d); $\mathbf{O}_t = \mathbf{H}_t^{(L)} \mathbf{W}_{hq} + \mathbf{b}_q$ (n × q). H: n × h. W_xh: d × h in layer 1, h × h above; W_hh: h × h; b_h: 1 × h; W_hq: h × q. It depends directly on two states only: that of the layer below at the same step, and that of its own layer one step earlier.</details>
#
# **2.** How many parameters have $L$ layers of an RNN, a GRU, an LSTM? What changes with $T$?
#
# <details><summary>answer</summary>k h (d + h + 1) for layer 1 and k h (2h + 1) for each further one, with k = 1, 3, 4 sums per state (PyTorch adds k h per layer for its second bias). T changes nothing: the same parameters serve every time step.</details>
#
# **3.** How many states at once can be computed, and in how many rounds?
#
# <details><summary>answer</summary>All (l, t) with the same l + t: they lie on a diagonal, need only states of the diagonal before, and are at most min(L, T). T + L − 1 rounds instead of L T steps.</details>
#
# **4.** What does depth cost, in time and in gradient?
#
# <details><summary>answer</summary>Parameters and work grow in proportion to L, the longest chain only from T to T + L − 1. Before training each further layer leaves about 0.58 of the gradient in an RNN (the size of W_xh), half of that in a GRU and a quarter in an LSTM, whose gates are half open.</details>
#
# **5.** One wide layer or two narrow ones: how do I decide, and on which text do I report it?
#
# <details><summary>answer</summary>At equal parameters, not at equal h; several random starts of each (five or more), each trained to its best; the choice by validation (held-out) text. If the ranges overlap, I say "not told apart". The winner is reported once, on a test text that neither training nor choice has seen: the score by which I chose flatters. Here, with larger first weights, one and two layers were not told apart: depth is no gain by itself.</details>

# %% [markdown] lang="zh" id="exam"
# ## 考试怎么写
#
# **1.** 写出深度 RNN 的 $\mathbf{H}_t^{(l)}$ 和 $\mathbf{O}_t$，标出所有形状。$\mathbf{H}_t^{(l)}$ 直接依赖什么？
#
# <details><summary>答案</summary>$\mathbf{H}_t^{(l)} = \phi_l(\mathbf{H}_t^{(l-1)} \mathbf{W}_{xh}^{(l)} + \mathbf{H}_{t-1}^{(l)} \mathbf{W}_{hh}^{(l)} + \mathbf{b}_h^{(l)})$，其中 $\mathbf{H}_t^{(0)} = \mathbf{X}_t$（n × d）；$\mathbf{O}_t = \mathbf{H}_t^{(L)} \mathbf{W}_{hq} + \mathbf{b}_q$（n × q）。H：n × h。W_xh：第 1 层 d × h，再往上 h × h；W_hh：h × h；b_h：1 × h；W_hq：h × q。它只直接依赖两个状态：下一层在同一时间步的状态，以及本层在上一个时间步的状态。</details>
#
# **2.** $L$ 层的 RNN、GRU、LSTM 各有多少个参数？$T$ 会改变什么？
#
# <details><summary>答案</summary>第 1 层 k h (d + h + 1)，其余每层 k h (2h + 1)，每个状态的和的个数 k = 1、3、4（PyTorch 有第二个偏置，每层再加 k h）。T 什么也不改变：所有时间步共用同一组参数。</details>
#
# **3.** 可以同时计算多少个状态？一共几轮？
#
# <details><summary>答案</summary>l + t 相同的所有 (l, t)：它们在同一条对角线上，只需要前一条对角线上的状态，至多 min(L, T) 个。共 T + L − 1 轮，而不是 L T 步。</details>
#
# **4.** 深度在时间和梯度上的代价是什么？
#
# <details><summary>答案</summary>参数和计算量与 L 成正比，最长的链只从 T 增长到 T + L − 1。训练之前，每多一层，RNN 的梯度剩下约 0.58（W_xh 的大小），GRU 是它的一半，LSTM 是它的四分之一，因为门是半开的。</details>
#
# **5.** 一个宽层还是两个窄层：怎样决定，用哪段文本报告？
#
# <details><summary>答案</summary>在参数量相同、而不是 h 相同的条件下比较；每种取若干随机起点（至少五个），各自训练到最好；按验证集（留出文本）来选。如果范围重叠，就说“分不出高下”。胜者在测试集上只报告一次，而训练和选择都没有用过这个测试集：用来做选择的得分总是偏于乐观。在这里，初始权重大一些时，一层与两层分不出高下：深度本身并不是好处。</details>

# %% [markdown] lang="en" id="sources"
# ## Sources
#
# <details><summary>The papers this lesson rests on</summary><ul><li>J. L. Elman: <i>Finding Structure in Time</i>. Cognitive Science 14(2), 1990</li><li>S. Hochreiter, J. Schmidhuber: <i>Long Short-Term Memory</i>. Neural Computation 9(8), 1997</li><li>A. Graves, A. Mohamed, G. Hinton: <i>Speech Recognition with Deep Recurrent Neural Networks</i>. ICASSP 2013</li><li>A. Graves: <i>Generating Sequences With Recurrent Neural Networks</i>. arXiv:1308.0850, 2013</li><li>K. Cho et al.: <i>Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation</i>. EMNLP 2014</li><li>R. Pascanu, C. Gulcehre, K. Cho, Y. Bengio: <i>How to Construct Deep Recurrent Neural Networks</i>. ICLR 2014</li></ul></details>

# %% [markdown] lang="zh" id="sources"
# ## 参考文献
#
# <details><summary>这一课所依据的论文</summary><ul><li>J. L. Elman: <i>Finding Structure in Time</i>. Cognitive Science 14(2), 1990</li><li>S. Hochreiter, J. Schmidhuber: <i>Long Short-Term Memory</i>. Neural Computation 9(8), 1997</li><li>A. Graves, A. Mohamed, G. Hinton: <i>Speech Recognition with Deep Recurrent Neural Networks</i>. ICASSP 2013</li><li>A. Graves: <i>Generating Sequences With Recurrent Neural Networks</i>. arXiv:1308.0850, 2013</li><li>K. Cho et al.: <i>Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation</i>. EMNLP 2014</li><li>R. Pascanu, C. Gulcehre, K. Cho, Y. Bengio: <i>How to Construct Deep Recurrent Neural Networks</i>. ICLR 2014</li></ul></details>

# %% [markdown] lang="en" id="summary"
# ## What we saw
#
# - In a deep RNN, $\mathbf{H}_t^{(l)}$ is computed from $\mathbf{H}_t^{(l-1)}$ and $\mathbf{H}_{t-1}^{(l)}$, and from nothing else; $\mathbf{H}_t^{(0)} = \mathbf{X}_t$, and the output layer reads layer $L$.
# - $\mathbf{W}_{xh}^{(l)}$ is $d \times h$ for $l = 1$ and $h \times h$ above. Layer $l$ has $h(\mathrm{in} + h + 1)$ parameters, times 3 for a GRU, times 4 for an LSTM; $T$ does not matter.
# - Any order that follows the arrows gives the same numbers; states on a diagonal can be computed at the same time.
# - Every further layer costs time and parameters, and the gradient fades along the layers. At equal parameters, the size of the first weights decided which depth won; once they were large, more layers gained nothing here.
# - A deep GRU or LSTM is the same stack with another cell.
#
# {{next}}

# %% [markdown] lang="zh" id="summary"
# ## 小结
#
# - 在深度循环神经网络中，$\mathbf{H}_t^{(l)}$ 只由 $\mathbf{H}_t^{(l-1)}$ 和 $\mathbf{H}_{t-1}^{(l)}$ 算出；$\mathbf{H}_t^{(0)} = \mathbf{X}_t$，输出层读取第 $L$ 层。
# - $\mathbf{W}_{xh}^{(l)}$ 在 $l = 1$ 时是 $d \times h$，再往上都是 $h \times h$。第 $l$ 层有 $h(\mathrm{in} + h + 1)$ 个参数，GRU 乘以 3，LSTM 乘以 4；与 $T$ 无关。
# - 只要顺着箭头，按什么顺序计算结果都一样；同一条对角线上的状态可以同时计算。
# - 每多一层，就多一份时间和参数，梯度还会沿层衰减。参数量相同时，哪种深度胜出取决于初始权重的大小；初始权重够大之后，多加几层在这里并无好处。
# - 同样的堆叠，换一种单元，就成了深度 GRU 或深度 LSTM。
#
# {{next}}
