# %% [markdown] lang="en" id="title"
# # 4 · Both sides at once: forward and backward in a hidden Markov model
#
# **The question of this lesson.** The networks of [lesson 3](03_concise_lstm.ipynb) read from left to right, and guess each letter from those before it. But when a letter is missing in the *middle*, as in `the _ime machine`, what follows it helps as well.
# How much can one know from the left, how much from both sides, and how does one compute it exactly, without adding up more cases than there are atoms in the universe?
#
# Here we use a small model in which everything can be computed exactly. At the end two networks learn it from examples, and you will see how close they come to the best that is possible.
#
# **You need:** conditional probability, matrix products, and what a hidden state is (lesson 1). **Run time:** about a minute on a laptop without a GPU.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 4 · 同时看两边：隐马尔可夫模型的前向与反向递推
#
# **本课的问题。** [第 3 课](03_concise_lstm.ipynb)的网络从左往右读，根据前面的字符猜下一个字符。可是，如果缺的字符在**中间**，比如 `the _ime machine`，后面的内容同样有用。
# 只看左边能知道多少？两边都看又能知道多少？怎样才能精确地算出来，而不必把比宇宙中的原子还多的情形逐个相加？
#
# 本课用一个小模型，其中的一切都能精确计算。最后，两个网络从样本中学习这个模型，你会看到它们离理论上的最优值有多近。
#
# **预备知识：** 条件概率、矩阵乘法、隐状态的含义（第 1 课）。**运行时间：** 在没有 GPU 的笔记本电脑上约一分钟。
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

# %% [markdown] lang="en" id="model"
# ## A hidden Markov model
#
# At each time step $t$ there is a **hidden state** $h_t$ that nobody sees, one of $k$, and a symbol $x_t$ that everybody sees. The state depends only on the state before it (that is what *Markov* stands for), the symbol only on the state at its own time step:
#
# $$P(x_1, \ldots, x_T, h_1, \ldots, h_T) = \prod_{t=1}^{T} P(h_t \mid h_{t-1})\, P(x_t \mid h_t), \qquad \text{where } P(h_1 \mid h_0) \text{ stands for } P(h_1).$$
#
# (The *hidden state* of lesson 1 is something else: $\mathbf{H}_t$ is a row of numbers that a network computes, $h_t$ one of $k$ possibilities, drawn by chance. The end of this lesson brings the two together.)

# %% [markdown] lang="zh" id="model"
# ## 隐马尔可夫模型
#
# 每个时间步 $t$ 都有一个谁也看不见的**隐状态** $h_t$，取 $k$ 个值之一；还有一个看得见的符号 $x_t$。状态只依赖于前一个状态（“马尔可夫”指的就是这一点），符号只依赖于当前状态：
#
# $$P(x_1, \ldots, x_T, h_1, \ldots, h_T) = \prod_{t=1}^{T} P(h_t \mid h_{t-1})\, P(x_t \mid h_t), \qquad \text{其中 } P(h_1 \mid h_0) \text{ 即 } P(h_1).$$
#
# （它与第 1 课的隐状态同名，却不是一回事：$\mathbf{H}_t$ 是网络算出来的一行数，$h_t$ 则是随机取到的 $k$ 种情形之一。本课末尾会把两者联系起来。）

# %% tags=["hide-input"] id="figure-hmm"
utils.show_figure("hmm")

# %% [markdown] lang="en" id="model-after"
# <details><summary>The figure in words</summary>A row of hidden states h_1, h_2 up to h_T, joined by arrows to the right, the first marked P(h_2 | h_1); from each an arrow goes down to its symbol x_t, the first marked P(x_1 | h_1). The box of x_j is dotted and empty, because the symbol is missing. In a row above, dashed arrows run to the right from pi_1 to pi_j and dotted arrows to the left from rho_T to rho_j; from pi_j and rho_j arrows lead down into h_j. Brackets below mark what they have seen: pi_j the symbols x_1 to x_{j-1}, rho_j the symbols x_{j+1} to x_T.</details>
#
# (One symbol, $x_j$, is missing. The row on top, $\pi$ and $\rho$, is what this lesson is about.)
#
# Ours is a toy language of $m = 6$ letters and $k = 3$ states. The states are the parts of a syllable: 1 the beginning (mostly `k`, `t`), 2 the vowel (`a`, `o`), 3 the end (`n`, `s`). The tables below say, in percent, how a word begins, how one part follows another, and which letter a part shows; now and then there is a misprint.
#
# | | | shape |
# |---|---|---|
# | `p` | $P(h_1)$ | $k$ |
# | `A` | $P(h_{t+1} \mid h_t)$, row: from, column: to | $k \times k$ |
# | `B` | $P(x_t \mid h_t)$, row: state, column: letter | $k \times m$ |

# %% [markdown] lang="zh" id="model-after"
# <details><summary>图的文字说明</summary>一排隐状态 h_1、h_2 直到 h_T，由向右的箭头相连，第一个箭头标有 P(h_2 | h_1)；每个隐状态有一个箭头向下指向符号 x_t，第一个标有 P(x_1 | h_1)。缺失的符号 x_j 画成点线空框。上方一行，虚线箭头自左向右从 pi_1 到 pi_j，点线箭头自右向左从 rho_T 到 rho_j；pi_j 与 rho_j 各有一个箭头向下指向 h_j。下方的括线标出各自见过的符号：pi_j 见过 x_1 到 x_{j-1}，rho_j 见过 x_{j+1} 到 x_T。</details>
#
# （图中缺了一个符号 $x_j$。最上面一行的 $\pi$ 和 $\rho$，就是本课要讲的内容。）
#
# 我们用的是一种虚构的小语言，有 $m = 6$ 个字母、$k = 3$ 个状态。状态是音节的组成部分：1 声母（多为 `k`、`t`），2 元音（`a`、`o`），3 韵尾（`n`、`s`）。下面的表以百分数给出：一个词如何开头，各部分如何衔接，每一部分写成什么字母；偶尔也会写错字母。
#
# | | | 形状 |
# |---|---|---|
# | `p` | $P(h_1)$ | $k$ |
# | `A` | $P(h_{t+1} \mid h_t)$，行：从哪个状态，列：到哪个状态 | $k \times k$ |
# | `B` | $P(x_t \mid h_t)$，行：状态，列：字母 | $k \times m$ |

# %% id="tables"
from typing import NamedTuple
import torch

class HMM(NamedTuple):
    p: object  # (k,)
    A: object  # (k, k)
    B: object  # (k, m)

percent = HMM(
    p=[80, 15, 5],
    A=[[30, 68, 2], [5, 40, 55], [70, 5, 25]],
    B=[[60, 36, 1, 1, 1, 1], [1, 1, 60, 36, 1, 1], [1, 1, 1, 1, 60, 36]],
)
letters = "ktaons"
hmm = HMM(*(torch.tensor(table, dtype=torch.float64) / 100 for table in percent))
k, m = hmm.B.shape
for table in hmm:
    torch.testing.assert_close(table.sum(-1), torch.ones_like(table.sum(-1)))  # probabilities

# %% id="sample"
def sample(hmm, n, T, generator):
    """Draw n sequences: hidden states and symbols, both (T, n)."""
    states, symbols = [torch.multinomial(hmm.p, n, replacement=True, generator=generator)], []
    for _ in range(T):
        symbols.append(torch.multinomial(hmm.B[states[-1]], 1, generator=generator)[:, 0])
        states.append(torch.multinomial(hmm.A[states[-1]], 1, generator=generator)[:, 0])
    return torch.stack(states[:-1]), torch.stack(symbols)

def spell(x):
    return "".join(letters[i] for i in x)

H, X = sample(hmm, 4, 30, torch.Generator().manual_seed(0))  # (T, n) each
for path, x in zip(H.T, X.T):
    print("we see", spell(x), "  hidden", "".join(str(int(i) + 1) for i in path))

# %% [markdown] lang="en" id="brute-text"
# ## Brute force
#
# How probable is a word $x_1, \ldots, x_T$? We do not know its path $h_1, \ldots, h_T$, so we add up over **all** of them:
#
# $$P(x_1, \ldots, x_T) = \sum_{h_1} \cdots \sum_{h_T} P(x_1, \ldots, x_T, h_1, \ldots, h_T).$$
#
# In code: a function for one path, and one for the sum. (They take the tables as plain lists; you will see why.)

# %% [markdown] lang="zh" id="brute-text"
# ## 暴力求和
#
# 一个词 $x_1, \ldots, x_T$ 的概率有多大？它的路径 $h_1, \ldots, h_T$ 未知，于是对**所有**路径求和：
#
# $$P(x_1, \ldots, x_T) = \sum_{h_1} \cdots \sum_{h_T} P(x_1, \ldots, x_T, h_1, \ldots, h_T).$$
#
# 写成代码就是两个函数：一个算一条路径，一个求和。（概率表以普通列表的形式传入，原因后面就会看到。）

# %% id="brute-force"
import itertools

def joint(hmm, h, x):
    """P(x, h) for one path h and one word x, a product of 2T factors."""
    P = hmm.p[h[0]] * hmm.B[h[0]][x[0]]
    for t in range(1, len(x)):
        P = P * hmm.A[h[t - 1]][h[t]] * hmm.B[h[t]][x[t]]
    return P

def brute_force(hmm, x):
    """P(x), one path after the other: k^T of them."""
    return sum(joint(hmm, h, x) for h in itertools.product(range(len(hmm.p)), repeat=len(x)))

lists = HMM(*(table.tolist() for table in hmm))
word = [letters.index(c) for c in "kaonta"]
print(f"P({spell(word)}) = {brute_force(lists, word):.6f}, a sum over {k ** len(word)} paths")
total = sum(brute_force(lists, x) for x in itertools.product(range(m), repeat=3))
print(f"all {m**3} words of three letters together: {total:.12f}")

# %% [markdown] lang="en" id="forward-text"
# The probabilities of all words of one length add up to 1, as they must. But each further letter means three times as many paths. **Predict:** how many letters could you afford?
#
# ## The forward recursion
#
# Most of these products have beginnings in common. For $T = 3$, take out of each sum what does not depend on its variable:
#
# $$\sum_{h_3} P(x_3 \mid h_3) \underbrace{\sum_{h_2} P(h_3 \mid h_2)\, P(x_2 \mid h_2) \underbrace{\sum_{h_1} P(h_2 \mid h_1)\, P(x_1 \mid h_1)\, \overbrace{P(h_1)}^{\pi_1(h_1)}}_{\pi_2(h_2)}}_{\pi_3(h_3)}$$
#
# The innermost sum is needed for every $h_2$, whatever comes later: compute it once, keep it as $\pi_2$. In general
#
# $$\pi_1(h_1) = P(h_1), \qquad \pi_{t+1}(h_{t+1}) = \sum_{h_t} \pi_t(h_t)\, P(x_t \mid h_t)\, P(h_{t+1} \mid h_t),$$
#
# and $\pi_t(h_t) = P(x_1, \ldots, x_{t-1}, h_t)$: everything that the letters *before* $t$ say about the state at $t$. The letter $x_t$ itself is not in it. First we write it as a loop that spells out each sum:

# %% [markdown] lang="zh" id="forward-text"
# 同样长度的所有词，概率之和为 1，理应如此。但是每多一个字母，路径数就变成三倍。**猜一猜：** 你的电脑最多能算多少个字母？
#
# ## 前向递推
#
# 这些乘积大多有相同的开头。以 $T = 3$ 为例，把与求和变量无关的因子提到求和号外面：
#
# $$\sum_{h_3} P(x_3 \mid h_3) \underbrace{\sum_{h_2} P(h_3 \mid h_2)\, P(x_2 \mid h_2) \underbrace{\sum_{h_1} P(h_2 \mid h_1)\, P(x_1 \mid h_1)\, \overbrace{P(h_1)}^{\pi_1(h_1)}}_{\pi_2(h_2)}}_{\pi_3(h_3)}$$
#
# 最里层的和对每个 $h_2$ 都要用到，而且与后面的内容无关：只算一次，记作 $\pi_2$。一般地，
#
# $$\pi_1(h_1) = P(h_1), \qquad \pi_{t+1}(h_{t+1}) = \sum_{h_t} \pi_t(h_t)\, P(x_t \mid h_t)\, P(h_{t+1} \mid h_t),$$
#
# 并且 $\pi_t(h_t) = P(x_1, \ldots, x_{t-1}, h_t)$：$t$ **之前**的字母所提供的关于 $t$ 时刻状态的信息，全在其中；字母 $x_t$ 本身不在其中。先写成循环，把每个和逐项写出来：

# %% id="forward-loop"
def forward_loop(hmm, x):
    """pi_1, ..., pi_T, each a list of k numbers: pi_t[h] = P(x_1, ..., x_{t-1}, h_t = h)."""
    states, pi = range(len(hmm.p)), [hmm.p]
    for x_t in x[:-1]:
        seen = [pi[-1][i] * hmm.B[i][x_t] for i in states]
        pi.append([sum(seen[i] * hmm.A[i][j] for i in states) for j in states])
    return pi

def probability(hmm, x):
    """P(x), by the forward recursion: add up over h_T, with the last letter."""
    return sum(pi * row[x[-1]] for pi, row in zip(forward_loop(hmm, x)[-1], hmm.B))

fast, slow = probability(lists, word), brute_force(lists, word)
print(f"{fast:.6f} by the recursion, {slow:.6f} by brute force")
assert abs(fast / slow - 1) < 1e-12

# %% [markdown] lang="en" id="vector-text"
# Then as vectors. With $\boldsymbol\pi_t \in \mathbb{R}^{1 \times k}$ and $\mathbf{b}_t$ the column of $\mathbf{B}$ that belongs to the letter $x_t$, written as a row, a step is an elementwise product and a product with a matrix:
#
# $$\boldsymbol\pi_{t+1} = (\boldsymbol\pi_t \odot \mathbf{b}_t)\, \mathbf{A}.$$

# %% [markdown] lang="zh" id="vector-text"
# 再写成向量。记 $\boldsymbol\pi_t \in \mathbb{R}^{1 \times k}$，$\mathbf{b}_t$ 为 $\mathbf{B}$ 中字母 $x_t$ 对应的那一列（写成行向量），那么每一步就是先按元素相乘，再乘以一个矩阵：
#
# $$\boldsymbol\pi_{t+1} = (\boldsymbol\pi_t \odot \mathbf{b}_t)\, \mathbf{A}.$$

# %% id="forward"
def forward(hmm, x):
    """pi_1, ..., pi_T as a tensor (T, k)."""
    pi = [hmm.p]
    for x_t in x[:-1]:
        pi.append((pi[-1] * hmm.B[:, x_t]) @ hmm.A)  # (k,) * (k,), then @ (k, k)
    return torch.stack(pi)

by_loop = torch.tensor(forward_loop(lists, word), dtype=torch.float64)
torch.testing.assert_close(forward(hmm, word), by_loop)
print(forward(hmm, word))

# %% [markdown] lang="en" id="backward-text"
# ## The backward recursion
#
# Now the same from the other end, in a backward recursion. Let $\rho_t(h_t) = P(x_{t+1}, \ldots, x_T \mid h_t)$: what the letters *after* $t$ say about the state at $t$. After the last letter there is nothing more to say, so
#
# $$\rho_T(h_T) = 1, \qquad \rho_{t-1}(h_{t-1}) = \sum_{h_t} P(h_t \mid h_{t-1})\, P(x_t \mid h_t)\, \rho_t(h_t), \qquad \boldsymbol\rho_{t-1} = \mathbf{A}\,(\mathbf{b}_t \odot \boldsymbol\rho_t).$$
#
# (Here $\mathbf{b}_t$ and $\boldsymbol\rho_t$ are columns, $k \times 1$.) The two recursions meet at *any* time step: $\sum_{h_t} \pi_t(h_t)\, P(x_t \mid h_t)\, \rho_t(h_t) = P(x_1, \ldots, x_T)$ for every $t$.

# %% [markdown] lang="zh" id="backward-text"
# ## 反向递推
#
# 从另一端做同样的事。令 $\rho_t(h_t) = P(x_{t+1}, \ldots, x_T \mid h_t)$，即 $t$ **之后**的字母所提供的关于 $t$ 时刻状态的信息。最后一个字母之后再没有任何信息，所以
#
# $$\rho_T(h_T) = 1, \qquad \rho_{t-1}(h_{t-1}) = \sum_{h_t} P(h_t \mid h_{t-1})\, P(x_t \mid h_t)\, \rho_t(h_t), \qquad \boldsymbol\rho_{t-1} = \mathbf{A}\,(\mathbf{b}_t \odot \boldsymbol\rho_t).$$
#
# （这里 $\mathbf{b}_t$ 和 $\boldsymbol\rho_t$ 是 $k \times 1$ 的列向量。）两个递推可以在**任意**时间步会合：对每个 $t$，都有 $\sum_{h_t} \pi_t(h_t)\, P(x_t \mid h_t)\, \rho_t(h_t) = P(x_1, \ldots, x_T)$。

# %% id="backward"
def backward(hmm, x):
    """rho_1, ..., rho_T as a tensor (T, k): rho_t[h] = P(x_{t+1}, ..., x_T | h_t = h)."""
    rho = [torch.ones_like(hmm.p)]
    for x_t in reversed(x[1:]):
        rho.insert(0, hmm.A @ (hmm.B[:, x_t] * rho[0]))  # (k, k) @ (k,)
    return torch.stack(rho)

P = (forward(hmm, word) * hmm.B[:, word].T * backward(hmm, word)).sum(-1)  # (T, k) -> (T,)
print(*(f"{P_t:.6f}" for P_t in P))
torch.testing.assert_close(P, torch.full_like(P, brute_force(lists, word)))

# %% [markdown] lang="en" id="lattice-text"
# ## The lattice
#
# All paths at once look like this: a column for each time step, a row for each state, and a path takes one node from every column. The picture computes one node per step. The **thick edges** are the terms that are *added* to get the node with the bold ring; the **orange nodes**, where these edges start, hold sums from earlier steps, *reused* instead of computed again; the **bold letter** is the one that is taken in. Blue nodes are done as well, white ones still to come.
# The table shows the sum in numbers. Watch the title: for how many paths does this one number stand?

# %% [markdown] lang="zh" id="lattice-text"
# ## 网格图
#
# 把所有路径画在一起就是下面的样子：每列是一个时间步，每行是一个状态，一条路径在每一列各取一个节点。图中每走一步，就算出一个节点。**粗边**是**相加**的各项，它们的和就是粗圈节点的值；粗边另一端的**橙色节点**存着前面算好的和，直接**重复使用**，不必再算；**加粗的字母**是这一步读入的字母。蓝色节点也已算好，白色的还没有轮到。
# 表中列出了这个和的具体数值。请留意标题：这一个数代表了多少条路径？

# %% id="sum-terms"
def sum_terms(recursion, step):
    """What a step (1 to kT) computes: its node (t, h), from 0; all values (T, k); its terms."""
    column, h = divmod(step - 1, k)
    if recursion == "pi":
        t, before, values = column, column - 1, forward(hmm, word)
        a = hmm.A[:, h]  # (k,), P(h | i), for each state i that comes before
    else:
        t, before, values = len(word) - 1 - column, len(word) - column, backward(hmm, word)
        a = hmm.A[h]  # (k,), P(i | h), for each state i that comes after
    if column == 0:
        return t, h, values, []  # the recursion begins here: nothing to add
    b = hmm.B[:, word[before]]  # (k,)
    return t, h, values, [(before, i, values[before, i], b[i], a[i]) for i in range(k)]

t, h, values, terms = sum_terms("pi", step=8)  # the 8th node of pi is state 2 at t = 3
for _, i, value, b, a in terms:
    print(f"from state {i + 1}: {value:.4f} * {b:.2f} * {a:.2f} = {value * b * a:.5f}")
print(f"pi_{t + 1}({h + 1}) = {sum(value * b * a for *_, value, b, a in terms):.5f}")
assert torch.isclose(sum(value * b * a for *_, value, b, a in terms), values[t, h])

# %% tags=["hide-input"] id="sum-table"
def sum_table(recursion, terms):
    """The terms of a sum in numbers, as a table."""
    name = "π" if recursion == "pi" else "ρ"
    if not terms:
        empty = 4 * [["\u00a0"]]  # as high as the other tables
        return utils.table([f"{name} begins here: no sum"], empty)
    reused = f"{name} at t = {terms[0][0] + 1} (reused)"
    head = ["state there", reused, "P(x | state)", "P(to | from)", "product (added)"]
    rows = []
    for _, i, value, b, a in terms:
        rows.append([i + 1, f"{value:.5f}", f"{b:.2f}", f"{a:.2f}", f"{value * b * a:.5f}"])
    total = sum(value * b * a for *_, value, b, a in terms)
    return utils.table(head, [*rows, ["sum", "", "", "", f"{total:.5f}"]])

sum_table("pi", terms)

# %% tags=["hide-input"] id="draw-edges"
T_word, SUBSCRIPTS = len(word), "₁₂₃₄₅₆"

def draw_edges():
    """Draw all edges between neighbouring columns, and the rows' names; return figure and axes."""
    fig, ax = utils.new_figure(8.6, 3.4, bare=True)
    ax.set(xlim=(-0.95, T_word - 0.45), ylim=(k, -1))
    x, y = [], []
    for left, i, j in itertools.product(range(T_word - 1), range(k), range(k)):
        x += [left, left + 1, None]  # None: the pen is lifted
        y += [i, j, None]
    ax.plot(x, y, color="0.85", linewidth=1, zorder=1)
    for i in range(k):
        ax.text(-0.85, i, f"state {i + 1}", va="center", fontsize=10)
    return fig, ax

# %% tags=["hide-input"] id="draw-lattice"
def draw_lattice(recursion, step):
    """Draw the lattice after so many steps of pi (rightwards) or rho (leftwards), and the sum."""
    t, h, values, terms = sum_terms(recursion, step)
    fig, ax = draw_edges()
    for before, i, *_ in terms:
        ax.plot([before, t], [i, h], color=utils.VERMILION, linewidth=4, zorder=2)
    columns = range(T_word) if recursion == "pi" else reversed(range(T_word))
    nodes = list(itertools.product(columns, range(k)))  # in the order in which they are computed
    reused = [term[:2] for term in terms]
    known = ["peachpuff" if node in reused else "lightblue" for node in nodes[:step]]
    fills = known + ["white"] * (len(nodes) - step)
    ax.scatter(*zip(*nodes), s=1300, c=fills, edgecolors="0.5", zorder=3)
    ax.scatter(t, h, s=1300, facecolors="none", edgecolors="black", linewidths=3, zorder=3)
    for node in nodes[:step]:
        value = f"{values[node]:.4f}"
        ax.text(*node, value, ha="center", va="center", fontsize=8.5, zorder=4)
    for c, i in enumerate(word):
        style = {"color": utils.VERMILION, "weight": "bold"} if terms and c == terms[0][0] else {}
        letter = f"x{SUBSCRIPTS[c]} = {letters[i]}"
        ax.text(c, k - 0.3, letter, ha="center", fontsize=11, **style)
    name, paths = ("π", k**t) if recursion == "pi" else ("ρ", k ** (T_word - 1 - t))
    title = f"{k} products stand for {paths} paths" if terms else "the recursion begins"
    ax.set_title(f"{name} at t = {t + 1}, state {h + 1}: {title}", y=0.9)
    return fig, sum_table(recursion, terms)

draw_lattice("pi", 8)[0]

# %% tags=["hide-input"] id="explore-lattice"
import ipywidgets as widgets

utils.explore(
    draw_lattice,
    play="step",
    recursion=widgets.Dropdown(options=["pi", "rho"], description="recursion"),
    step=widgets.IntSlider(1, min=1, max=k * T_word, description="step"),
)

# %% [markdown] lang="en" id="count-text"
# ## What it costs
#
# One column needs $k$ sums, and each of them has $k$ terms. So a recursion takes of the order of $k^2\,T$ products, **not** $k\,T$ as some texts print; brute force takes $2T-1$ products for each of $k^T$ paths.
#
# We need not trust a formula: the numbers defined below count their own products. Both functions above work with them unchanged.

# %% [markdown] lang="zh" id="count-text"
# ## 计算量
#
# 每一列有 $k$ 个和，每个和有 $k$ 项。所以一次递推的乘法次数是 $k^2\,T$ 的量级，**而不是**某些资料上写的 $k\,T$；暴力求和则有 $k^T$ 条路径，每条要做 $2T-1$ 次乘法。
#
# 公式不必轻信，数一数就知道：下面定义一种数，会记下做过多少次乘法。前面的两个函数不用修改，就能用这种数来计算。

# %% id="count-products"
class Counted(float):
    """A number that counts how many products it takes part in."""

    products = 0

    def __mul__(self, other):
        Counted.products += 1
        return Counted(float(self) * float(other))

    __rmul__ = __mul__

def count(function, k, T):
    """How many products function(hmm, x) makes for k states and T letters."""
    table = [[Counted(1 / k)] * k for _ in range(k)]
    Counted.products = 0
    function(HMM(table[0], table, table), [0] * T)
    return Counted.products

for T in (2, 4, 6, 8):
    brute, recursion = count(brute_force, k, T), count(probability, k, T)
    print(f"T = {T}: brute force {brute:>7,}   recursion {recursion:>3}")
    assert brute == (2 * T - 1) * k**T and recursion == (T - 1) * (k**2 + k) + k

# %% id="count-both"
Ts = range(1, 41)

def count_both(k):
    """The products of both ways for k states, {T: products}: counted, not by the formulas."""
    short_Ts = [T for T in Ts if (2 * T - 1) * k**T < 20_000]  # where brute force is quick
    brute = {T: count(brute_force, k, T) for T in short_Ts}
    return brute, {T: count(probability, k, T) for T in Ts[::3]}

counted = {number: count_both(number) for number in range(2, 11)}  # all k of the slider below

# %% tags=["hide-input"] id="draw-cost"
def draw_cost(k):
    """Draw how many products both ways take: by the formula, and counted where that is quick."""
    brute, recursion = counted[k]
    fig, ax = utils.new_figure(8.4, 3.4, place=(0.08, 0.15, 0.62, 0.82))
    ax.set(yscale="log", ylim=(1, 1e20), xlabel="T, letters", ylabel="products")
    paths = [(2 * T - 1) * k**T for T in Ts]
    steps = [(T - 1) * (k**2 + k) + k for T in Ts]
    ax.plot(Ts, paths, "--", color=utils.VERMILION, label=f"(2T − 1) kᵀ, k = {k}")
    ax.plot(*zip(*brute.items()), "s", color=utils.VERMILION, label="brute force: counted")
    ax.plot(Ts, steps, "-", color=utils.BLUE, label=f"(T − 1)(k² + k) + k, k = {k}")
    ax.plot(*zip(*recursion.items()), "o", color=utils.BLUE, label="recursion: counted")
    ax.plot(Ts, [k * T for T in Ts], ":", color="0.4", label="k T: too few")
    ax.set_yticks([1, 1e5, 1e10, 1e15, 1e20], ["1", "10⁵", "10¹⁰", "10¹⁵", "10²⁰"])
    ax.set_yticks([], minor=True)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return fig

draw_cost(k)

# %% [markdown] lang="en" id="cost-look"
# On this logarithmic axis brute force is almost a straight line upwards; the recursion stays near the floor, and what was counted lies on the formulas. Suppose a computer makes $10^{10}$ products per second. **Find out:** for which $T$ does brute force take longer than a day (about $10^{15}$ products), with 3 states and with 8?
#
# <details><summary>Answer</summary>From 28 letters on with 3 states, from 15 on with 8. The recursion needs about 330 products for those 28 letters.</details>

# %% [markdown] lang="zh" id="cost-look"
# 纵轴是对数坐标，暴力求和几乎沿直线上升，递推则始终贴近底部；实际数出来的点都落在公式的曲线上。假设一台计算机每秒能做 $10^{10}$ 次乘法。**试一试：** 状态数为 3 和 8 时，$T$ 到多大，暴力求和就要算上一天以上（约 $10^{15}$ 次乘法）？
#
# <details><summary>答案</summary>3 个状态时从 28 个字母起，8 个状态时从 15 个字母起。而递推算这 28 个字母只要大约 330 次乘法。</details>

# %% tags=["hide-input"] id="explore-cost"
utils.explore(draw_cost, k=widgets.IntSlider(3, min=2, max=10, description="k, states"))

# %% [markdown] lang="en" id="blank-text"
# ## The missing letter
#
# Now the question from the beginning. Letter $j$ is missing; write $x_{-j}$ for all the others. $\pi_j$ knows the letters before it, $\rho_j$ those after it, and neither has seen $x_j$. So
#
# $$P(x_j \mid x_{-j}) \propto \sum_{h_j} \pi_j(h_j)\, \rho_j(h_j)\, P(x_j \mid h_j),$$
#
# and with the left side only, $P(x_j \mid x_1, \ldots, x_{j-1}) \propto \sum_{h_j} \pi_j(h_j)\, P(x_j \mid h_j)$. ($\propto$ means proportional to: divide by the sum over all letters, so that the values add up to 1.)

# %% [markdown] lang="zh" id="blank-text"
# ## 缺失的字母
#
# 现在回到开头的问题。第 $j$ 个字母缺失，其余所有字母记作 $x_{-j}$。$\pi_j$ 知道它之前的字母，$\rho_j$ 知道它之后的字母，两者都没有见过 $x_j$。于是
#
# $$P(x_j \mid x_{-j}) \propto \sum_{h_j} \pi_j(h_j)\, \rho_j(h_j)\, P(x_j \mid h_j);$$
#
# 如果只看左边，则 $P(x_j \mid x_1, \ldots, x_{j-1}) \propto \sum_{h_j} \pi_j(h_j)\, P(x_j \mid h_j)$。（$\propto$ 表示“正比于”：再除以对所有字母的和，各概率加起来就等于 1。）

# %% id="fill-in"
def fill_in(hmm, x, j):
    """P(x_j | the letters before it) and P(x_j | all other letters), (m,) each; j counts from 0."""
    pi, rho = forward(hmm, x)[j], backward(hmm, x)[j]  # (k,) each
    left, both = pi @ hmm.B, (pi * rho) @ hmm.B  # (k,) @ (k, m) -> (m,)
    return left / left.sum(), both / both.sum()

j = 3
left, both = fill_in(hmm, word, j)
words = [[*word[:j], letter, *word[j + 1 :]] for letter in range(m)]
brute = torch.tensor([brute_force(lists, x) for x in words], dtype=torch.float64)
torch.testing.assert_close(both, brute / brute.sum())
print(f"filling the blank in {spell(word[:j])}_{spell(word[j + 1 :])} equals brute force:")
print("  ".join(f"{letter} {P:.3f}" for letter, P in zip(letters, both)))

# %% tags=["hide-input"] id="draw-blank"
def draw_blank(text):
    """What the left side, and both sides, say about the letter missing in a text such as ka_nta."""
    text = text.lower().strip(" .")
    utils.require(text.count("_") == 1, "text", text, "a text with exactly one _")
    allowed = {*letters, "_"}
    utils.require(set(text) <= allowed, "text", text, f"made of the letters {letters} and one _")
    x, j = [max(letters.find(c), 0) for c in text], text.index("_")  # x[j] is never looked at
    left, both = fill_in(hmm, x, j)
    fig, ax = utils.new_figure(7.6, 2.8, place=(0.09, 0.18, 0.9, 0.8))
    style = {"width": 0.4, "edgecolor": "white"}
    at_left, at_right = ([i + shift for i in range(m)] for shift in (-0.2, 0.2))
    plain = ax.bar(at_left, left.tolist(), color=utils.BLUE, **style)
    hatched = ax.bar(at_right, both.tolist(), color=utils.VERMILION, hatch="//", **style)
    ax.set_xticks(range(m), list(letters))
    ax.set(ylim=(0, 1), yticks=(0, 0.5, 1), xlabel="letter", ylabel="P( missing letter )")
    names = [f"left: {text[:j]}_", f"both: {text}"]
    ax.legend([plain, hatched], names, loc="upper right", frameon=False)
    return fig

draw_blank("ka_ta")

# %% [markdown] lang="en" id="blank-look"
# After `ka` (plain bars) the end of the syllable, `n` or `s`, and a further vowel, `a` or `o`, are both likely. With `ta` on the right (hatched bars) most of the probability goes to `n` and `s`: before a new syllable begins, the old one usually ends.
#
# **Predict**, then type: what will both sides say about `ka_aka`? And what is special about a blank at the very end?
#
# <details><summary>Answer</summary>Most probably a vowel, <code>a</code> or <code>o</code>, and next to that an end, <code>n</code> or <code>s</code>: a vowel often follows a vowel, and seldom an end. At the very end plain and hatched bars are equal: nothing follows, so both sides know no more than the left one.</details>

# %% [markdown] lang="zh" id="blank-look"
# 只看左边的 `ka`（无斜纹的条形），后面接韵尾 `n`、`s` 或者再来一个元音 `a`、`o`，都有可能。再看右边的 `ta`（带斜纹的条形），概率大部分归 `n` 和 `s`：新音节开始之前，旧音节通常要先结束。
#
# 先**猜一猜**，再输入：对于 `ka_aka`，两边一起看会得到什么？空缺在最末尾时，又有什么特别之处？
#
# <details><summary>答案</summary>最可能又是一个元音，其次是韵尾 <code>n</code> 或 <code>s</code>：一个韵尾之后很少直接跟元音，而元音之后常常还是元音。空缺在最末尾时，两种条形一样高：后面什么也没有，两边合起来所知道的并不比左边多。</details>

# %% tags=["hide-input"] id="explore-blank"
utils.explore(draw_blank, text=widgets.Text("ka_aka", description="text"))

# %% [markdown] lang="en" id="underflow-text"
# ## A thousand letters
#
# Every step multiplies by probabilities, so with each letter $\pi_t$ shrinks, on average, to between a quarter and a fifth of its size. A computer's numbers do not go down for ever: below $10^{-45}$ (32 bits) or $5 \cdot 10^{-324}$ (64 bits) there is only 0, an **underflow**.
# **Predict:** after how many letters will that happen?

# %% [markdown] lang="zh" id="underflow-text"
# ## 一千个字母
#
# 每一步都要乘以概率，所以每读一个字母，$\pi_t$ 平均缩小到原来的四分之一到五分之一。而计算机里的数不能无限小：小于 $10^{-45}$（32 位）或 $5 \cdot 10^{-324}$（64 位）就只剩下 0，这叫作**下溢**（underflow）。
# **猜一猜：** 多少个字母之后会下溢？

# %% id="underflow"
_, X = sample(hmm, 1, 1000, torch.Generator().manual_seed(1))  # (T, 1)
long_word = X[:, 0].tolist()
single = HMM(*(table.float() for table in hmm))
for name, tables in (("float32", single), ("float64", hmm)):
    last = (forward(tables, long_word).sum(-1) > 0).sum()  # pi_t as a whole is zero from then on
    print(f"{name}: pi_t is zero after {last} of {len(long_word)} letters")

# %% [markdown] lang="en" id="scaled-text"
# **The cure:** divide $\pi_t$ by its sum after every step, and keep the logarithm of what was divided out. Only ratios matter for $P(x_j \mid x_{-j})$, and the logarithms add up to $\ln P(x_1, \ldots, x_T)$. The other usual cure computes with logarithms throughout (`logsumexp` is $\ln \sum \exp$, computed so that nothing underflows).
#
# Which of them is right? Python's whole numbers have as many digits as they need, and our tables are whole percents: so `probability(percent, x)` is *exactly* $100^{2T} P(x)$.

# %% [markdown] lang="zh" id="scaled-text"
# **解决办法：** 每一步之后把 $\pi_t$ 除以它各项之和，并记下除数的对数。计算 $P(x_j \mid x_{-j})$ 只用到比值，而这些对数加起来就是 $\ln P(x_1, \ldots, x_T)$。另一种常用办法是自始至终用对数计算（`logsumexp` 就是 $\ln \sum \exp$，只是算法上避免了下溢）。
#
# 哪一种算得对？Python 的整数要多少位就有多少位，而我们的表里都是整数百分比，所以 `probability(percent, x)` **精确地**等于 $100^{2T} P(x)$。

# %% id="scaled"
import math

def forward_scaled(hmm, x):
    """pi_1, ..., pi_T, each divided by its sum (T, k), and ln P(x_1, ..., x_t) for every t (T,)."""
    pi, scaled, log_P = hmm.p, [], []
    for x_t in x:
        scaled.append(pi)
        seen = pi * hmm.B[:, x_t]  # (k,); its sum is P(x_t | x_1, ..., x_{t-1})
        log_P.append(seen.sum().log())
        pi = (seen / seen.sum()) @ hmm.A
    return torch.stack(scaled), torch.stack(log_P).cumsum(0)

def forward_log(hmm, x):
    """ln P(x_1, ..., x_t) for every t (T,), computed with logarithms throughout."""
    log_p, log_A, log_B = (table.log() for table in hmm)
    log_seen = [log_p + log_B[:, x[0]]]  # (k,)
    for x_t in x[1:]:
        log_seen.append(torch.logsumexp(log_seen[-1][:, None] + log_A, dim=0) + log_B[:, x_t])
    return torch.stack(log_seen).logsumexp(-1)

log_P = math.log(probability(percent, long_word)) - 2 * len(long_word) * math.log(100)
print(f"exact   {log_P:.9f}")
for name, tables in (("float32", single), ("float64", hmm)):
    scaled = forward_scaled(tables, long_word)[1][-1].item()
    logs = forward_log(tables, long_word)[-1].item()
    plain = probability(tables, long_word).log().item()
    print(f"{name} plain {plain}, scaled {scaled:.9f}, log space {logs:.9f}")
    assert abs(scaled / log_P - 1) < 1e-5 and abs(logs / log_P - 1) < 1e-5

# %% tags=["hide-input"] id="draw-underflow"
def draw_underflow():
    """Draw log10 P(x_1, ..., x_t), scaled and plain, to where the plain product is zero."""
    fig, ax = utils.new_figure(7.6, 3)
    ts = range(1, len(long_word) + 1)
    scaled = forward_scaled(single, long_word)[1] / math.log(10)
    ax.plot(ts, scaled, color=utils.BLUE, label="float32, scaled")
    for name, tables, style in (("float32, plain", single, "s"), ("float64, plain", hmm, "^")):
        seen = forward(tables, long_word) * tables.B[:, long_word].T  # (T, k)
        digits = seen.sum(-1).log10()  # -inf from the underflow on
        last = int(digits.isfinite().sum())
        ax.plot(ts[:last], digits[:last], color=utils.VERMILION, linewidth=4, alpha=0.4)
        label = f"{name}: ends at t = {last}"
        ax.plot(last, digits[last - 1], style, color=utils.VERMILION, label=label)
    ax.set(xlabel="t, letters", ylabel="$\\log_{10} P(x_1, ..., x_t)$")
    ax.legend(frameon=False)
    return fig

draw_underflow()

# %% [markdown] lang="en" id="underflow-look"
# Both ways follow one falling line, but plain products (the broad band) stop at the last value that is not yet zero: in 32 bits within the first hundred letters (square), in 64 bits at about the middle of the word (triangle). The scaled ones (thin line), in 32 bits as well, reach its end.

# %% [markdown] lang="zh" id="underflow-look"
# 两种算法沿着同一条下降的线走，但直接连乘（宽带）到最后一个非零值就停住了：32 位在前一百个字母之内（方块），64 位也只走到全词的一半左右（三角）。缩放之后（细线），即使只用 32 位，也能走到最后。

# %% [markdown] lang="en" id="bridge"
# ## From the recursion to a network
#
# Put the forward recursion beside a recurrent layer:
#
# | | recursion | recurrent layer |
# |---|---|---|
# | state | $\boldsymbol\pi_{t+1}$, $k$ numbers: a summary of $x_1, \ldots, x_t$ | $\mathbf{H}_t$, $h$ numbers: a summary of $x_1, \ldots, x_t$ |
# | step | $(\boldsymbol\pi_t \odot \mathbf{b}_t)\, \mathbf{A}$ | $\phi(\mathbf{X}_t \mathbf{W}_{xh} + \mathbf{H}_{t-1} \mathbf{W}_{hh} + \mathbf{b}_h)$ |
# | given by | tables, known beforehand | weights, learnt from examples |
#
# Both are the same kind of machine: a state, updated by each new symbol in the same way. $\boldsymbol\rho$ is its mirror image, **a recurrence that starts at the end and runs backwards**. A network that has one of each, and combines their states, is a *bidirectional* recurrent network, the subject of lesson 5.
#
# Now let networks learn our language from examples alone. How good can they get? **Cross-entropy**, the average of $-\ln P(\text{the letter that came})$, is measured in **nats** (because of the natural logarithm) and has a lowest possible value, which the exact probabilities reach. There are two such floors:
#
# - from the left only, $P(x_j \mid x_1, \ldots, x_{j-1})$: the **one-sided optimum**;
# - from both sides, $P(x_j \mid x_{-j})$: the **two-sided optimum**.
#
# (Signal processing calls the first a one-step prediction. The second is related to smoothing, which estimates a state from all that was seen, but leaves $x_j$ out. Filtering is neither: it estimates $h_t$ from $x_1, \ldots, x_t$, the present letter included.)
#
# `exact` is `fill_in` for all $j$ of many sequences at once, scaled at every step.

# %% [markdown] lang="zh" id="bridge"
# ## 从递推到网络
#
# 把前向递推和循环层放在一起看：
#
# | | 递推 | 循环层 |
# |---|---|---|
# | 状态 | $\boldsymbol\pi_{t+1}$，$k$ 个数：对 $x_1, \ldots, x_t$ 的概括 | $\mathbf{H}_t$，$h$ 个数：对 $x_1, \ldots, x_t$ 的概括 |
# | 每一步 | $(\boldsymbol\pi_t \odot \mathbf{b}_t)\, \mathbf{A}$ | $\phi(\mathbf{X}_t \mathbf{W}_{xh} + \mathbf{H}_{t-1} \mathbf{W}_{hh} + \mathbf{b}_h)$ |
# | 由什么决定 | 事先已知的概率表 | 从样本中学到的权重 |
#
# 两者的工作方式相同：都有一个状态，每读入一个符号，就用同样的方式更新一次。$\boldsymbol\rho$ 是它的镜像：**从末尾出发、反向进行的递推**。如果一个网络同时有这两种递推，再把两个状态合并起来，就是**双向**循环神经网络，也就是第 5 课的主题。
#
# 现在让网络只凭样本来学习这种语言。最好能学到什么程度？**交叉熵**是 $-\ln P(\text{实际出现的字母})$ 的平均值，单位是**奈特**（nat，因为用的是自然对数）；它有一个最小值，用精确概率来预测时正好达到。这样的下限有两个：
#
# - 只看左边，$P(x_j \mid x_1, \ldots, x_{j-1})$：**单侧最优值**；
# - 两边都看，$P(x_j \mid x_{-j})$：**双侧最优值**。
#
# （在信号处理中，前者叫一步预测。后者接近于平滑，即根据全部观测来估计状态，只是把 $x_j$ 排除在外。滤波则不是其中任何一个：它根据 $x_1, \ldots, x_t$ 估计 $h_t$，包括当前的字母。）
#
# `exact` 就是 `fill_in`，只是一次算出许多序列的所有位置 $j$，并且每步都做了缩放。

# %% id="exact"
def exact(hmm, X):
    """P(x_j | the letters before it) and P(x_j | all others), for X (T, n): (T, n, m) each."""
    b = hmm.B.T[X]  # (T, n, k): P(x_t | h_t)
    pi, rho = [hmm.p.expand_as(b[0])], [torch.ones_like(b[0])]  # (n, k) each
    for b_t in b[:-1]:
        new = (pi[-1] * b_t) @ hmm.A
        pi.append(new / new.sum(-1, keepdim=True))
    for b_t in b[1:].flip(0):
        new = (b_t * rho[0]) @ hmm.A.T
        rho.insert(0, new / new.sum(-1, keepdim=True))
    pi, rho = torch.stack(pi), torch.stack(rho)  # (T, n, k)
    left, both = pi @ hmm.B, (pi * rho) @ hmm.B
    return left / left.sum(-1, keepdim=True), both / both.sum(-1, keepdim=True)

def cross_entropy(P, X):
    """-ln P(x_j) at every place, (T, n), in nats; P: (T, n, m)."""
    return -P.gather(-1, X[..., None])[..., 0].log()

# (T, n); the networks will never be trained on these
_, fresh = sample(hmm, 8000, 20, torch.Generator().manual_seed(2))
for one, many in zip(fill_in(hmm, fresh[:, 5].tolist(), j=7), exact(hmm, fresh)):
    torch.testing.assert_close(many[7, 5], one)
left, both = exact(hmm, fresh)
floors = {"left only": cross_entropy(left, fresh), "both sides": cross_entropy(both, fresh)}
for name, losses in floors.items():
    print(f"{name}: exact optimum {losses.mean():.4f} nats, perplexity {losses.mean().exp():.2f}")

# %% [markdown] lang="en" id="network-text"
# Two things in the network below deserve a look. Row $j$ of the output must not have seen $x_j$: so it is computed from the forward state *before* $j$ and the backward state *after* $j$, each shifted by one; where nothing has been read yet, there are zeros. And the backward layer is an ordinary layer that gets the sequence in reverse; its states are put back in order afterwards.
#
# The states of both directions are then combined by a small output network. Would a single linear layer do? It adds up logits, and adding logits *multiplies* probabilities, as the exact formula multiplies $\pi_j$ and $\rho_j$; but the formula then sums over the $k$ states. We shall try both.

# %% [markdown] lang="zh" id="network-text"
# 下面的网络有两点值得细看。输出的第 $j$ 行不能见过 $x_j$，所以要用 $j$ **之前**的前向隐状态和 $j$ **之后**的反向隐状态，各错开一步；还没有读到内容的地方填零。另外，反向层就是一个普通的循环层，只是读入的序列是倒过来的，算完再把各个隐状态的顺序倒回来。
#
# 然后由一个小的输出网络合并两个方向的隐状态。只用一个线性层行不行？它把 logit 相加，而 logit 相加就是概率**相乘**，正如精确公式中 $\pi_j$ 与 $\rho_j$ 相乘；不过公式接着还要对 $k$ 个状态求和。两种都来试一试。

# %% id="network"
from torch import nn
from torch.nn import functional as F

class FillIn(nn.Module):
    """Logits (T, n, m) for each letter of X (T, n), from those before it; both: from all others."""

    def __init__(self, num_hiddens, both):
        super().__init__()
        self.forward_layer = nn.GRU(m, num_hiddens)
        self.backward_layer = nn.GRU(m, num_hiddens) if both else None
        num_features = 2 * num_hiddens if both else num_hiddens
        self.output = nn.Sequential(nn.Linear(num_features, 32), nn.Tanh(), nn.Linear(32, m))

    def forward(self, X):
        E = F.one_hot(X, m).float()  # (T, n, m)
        H = self.forward_layer(E[:-1])[0]  # (T-1, n, h)
        H = F.pad(H, (0, 0, 0, 0, 1, 0))  # (T, n, h); row j has read x_1 to x_{j-1}
        if self.backward_layer:
            H_b = self.backward_layer(E[1:].flip(0))[0].flip(0)  # (T-1, n, h); x_T to x_{j+1}
            H = torch.cat([H, F.pad(H_b, (0, 0, 0, 0, 0, 1))], dim=-1)  # (T, n, 2h)
        return self.output(H)

# %% id="network-check"
for both_sides in (False, True):
    network, X_a = FillIn(8, both_sides), fresh[:, :1]
    X_b = X_a.clone()
    X_b[7] = (X_b[7] + 1) % m  # another letter at j = 8
    moved = (network(X_a) != network(X_b)).any(-1)[:, 0]  # (T,)
    places = "".join("x" if place else "." for place in moved)
    print("both sides:" if both_sides else "left only: ", places)
    assert not moved[7], "the letter at j itself must not be visible"

# %% [markdown] lang="en" id="train-text"
# Each `x` is a place whose prediction changes when the eighth letter does; the eighth place itself is never among them.
#
# Train both, live. Every minibatch is freshly drawn, so nothing can be learnt by heart; the curves are measured on 8,000 other sequences, and the dashed lines are the exact optima on those same sequences. **Predict:** will the curves cross their floors? How close will they come?

# %% [markdown] lang="zh" id="train-text"
# 每个 `x` 标出一个位置：第八个字母一变，那里的预测就跟着变。第八个位置本身从不在其中。
#
# 现在同时训练两个网络。每个小批量都是新采样的，所以无从死记硬背；曲线是在另外 8,000 个序列上测得的，虚线是在同样这些序列上的精确最优值。**猜一猜：** 曲线会不会穿过自己的下限？能靠得多近？

# %% id="train"
def score(network):
    """Cross-entropy of a network on the fresh sequences at every place, (T, n)."""
    with torch.no_grad():
        return cross_entropy(network(fresh).softmax(-1), fresh)

def train(network, num_steps, seed):
    """Train on so many minibatches; yields (minibatch, score on fresh sequences, None) at times."""
    generator = torch.Generator().manual_seed(seed)
    updater = torch.optim.Adam(network.parameters(), lr=0.01)
    decay = torch.optim.lr_scheduler.LinearLR(updater, 1.0, 0.02, num_steps)  # ever smaller steps
    for number in range(1, num_steps + 1):
        _, batch = sample(hmm, 128, 20, generator)
        loss = F.cross_entropy(network(batch).flatten(0, 1), batch.flatten())
        updater.zero_grad()
        loss.backward()
        updater.step()
        decay.step()
        if number % 50 == 0 or number in (5, 10, 20, 30, 40):
            yield number, score(network).mean().item(), None

# %% id="race"
utils.seed_everything(0)
networks = {"left only": FillIn(32, both=False), "both sides": FillIn(32, both=True)}
num_steps = 50 * utils.epochs(13)  # 650; in the book's own tests 100
labels = {"xlabel": "minibatch", "ylabel": "nats", "lines": ("network", "exact optimum")}
optima = [losses.mean() for losses in floors.values()]
labels |= {"title": "cross-entropy on fresh sequences", "ylim": (1.3, 1.8)}
plot = utils.LivePlot(num_steps, log=False, floors=optima, **labels)
trainings = {name: train(network, num_steps, seed=1) for name, network in networks.items()}
records = plot.race(trainings)

# %% [markdown] lang="en" id="result-text"
# Both curves fall steeply and then lie on their dashed lines. How close is that? On the same sequences, take the difference between network and optimum, sequence by sequence: its average is the gap, and its standard deviation divided by $\sqrt{8000}$ tells how far chance typically moves that average (the **sampling error**). A gap below zero by more than a few sampling errors would mean that the network has seen something that it should not.

# %% [markdown] lang="zh" id="result-text"
# 两条曲线都急剧下降，然后贴在各自的虚线上。到底有多近？在同样的序列上，逐个序列计算网络与最优值之差：这些差的平均值就是差距，标准差除以 $\sqrt{8000}$，则是这个平均值通常的随机波动幅度（**抽样误差**）。如果差距小于零，而且幅度是抽样误差的好几倍，就说明网络看到了不该看的东西。

# %% tags=["hide-input"] id="result"
rows, by_position = [], {}
for name, network in networks.items():
    losses, optimum = score(network), floors[name]  # (T, n) each
    gap = (losses - optimum).mean(0)  # (n,), one for each sequence
    error = gap.std() / len(gap) ** 0.5
    share = f"{100 * gap.mean() / optimum.mean():.2f} %"
    nats = [f"{losses.mean():.4f}", f"{optimum.mean():.4f}", f"{gap.mean():.4f} ± {error:.4f}"]
    rows.append([name, *nats, share])
    by_position[name] = losses.mean(1), optimum.mean(1)  # (T,) each
utils.table(["network", "nats", "exact optimum", "gap ± sampling error", "gap"], rows)

# %% [markdown] lang="en" id="output-text"
# And the linear output? **Predict** its gap. The same training, five random starts each; beside the same GRUs, wider ones as well, so that the linear design has as many parameters as the small network.

# %% [markdown] lang="zh" id="output-text"
# 那么线性输出呢？先**猜一猜**它的差距。训练方法相同，各取五个随机初值；除了同样大小的 GRU，也试试更宽的，使线性方案的参数量与小网络的相当。

# %% id="output-control"
designs = {"small network": (32, False), "linear": (32, True), "linear, wider": (36, True)}

def gap_of(num_hiddens, linear, seed, num_steps=650):
    """Parameters of a network that sees both sides; after training, its gap in % and the error."""
    utils.seed_everything(seed)
    network, optimum = FillIn(num_hiddens, both=True), floors["both sides"]
    if linear:
        network.output = nn.Linear(2 * num_hiddens, m)  # logits (T, n, m) from (T, n, 2h)
    for _ in train(network, num_steps, seed + 1):
        pass
    gap = 100 * (score(network) - optimum).mean(0) / optimum.mean()  # (n,)
    size = sum(p.numel() for p in network.parameters())
    return size, gap.mean().item(), (gap.std() / len(gap) ** 0.5).item()

def all_gaps():
    for (num_hiddens, linear), seed in itertools.product(designs.values(), range(5)):
        yield num_hiddens, int(linear), seed, *gap_of(num_hiddens, linear, seed)

control, about = utils.recorded("output_layers", all_gaps)
gaps, rows = {}, []
for name, design in designs.items():
    *_, sizes, gaps[name], errors = zip(*(row for row in control if row[:2] == [*design]))
    spread = f"{min(gaps[name]):.2f} to {max(gaps[name]):.2f} %"
    rows.append([name, design[0], f"{sizes[0]:,}", spread, f"± {max(errors):.2f} %"])
print(about["origin"])
utils.ranking(gaps)
utils.table(["output", "h", "parameters", "gap, five starts", "sampling error"], rows)

# %% [markdown] lang="en" id="output-look"
# Even the linear output comes within about a third of one percent: adding logits goes a long way. The small network comes several times closer, and it is not its parameters that do it: wider states do not make up for it.

# %% [markdown] lang="zh" id="output-look"
# 线性输出的差距也只有百分之零点三左右：靠 logit 相加已经很接近了。小网络的差距又小了好几倍，而且靠的不是参数多：把线性方案的隐状态加宽，弥补不了这个差别。

# %% tags=["hide-input"] id="draw-positions"
def draw_positions():
    """Draw the cross-entropy at each place: networks as markers, exact optima as dashed lines."""
    fig, ax = utils.new_figure(7.6, 3)
    js = range(1, 21)
    # two sizes: both markers are seen where they meet
    styles = {"left only": ("o", 9, utils.BLUE), "both sides": ("s", 5, utils.VERMILION)}
    for name, (losses, optimum) in by_position.items():
        marker, size, colour = styles[name]
        ax.plot(js, losses, marker, markersize=size, color=colour, label=f"network, {name}")
        ax.plot(js, optimum, "--", color=colour, label=f"exact optimum, {name}")
    ax.set(xlabel="j, place of the letter", ylabel="nats", xticks=range(2, 21, 2))
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return fig

draw_positions()

# %% [markdown] lang="en" id="positions-look"
# Both gaps are a small fraction of one percent, and above zero. The networks have never seen a table, and yet they follow the exact optima place by place: all markers lie on the dashed lines. From the left only (circles), every place after the first few is about equally hard. From both sides (squares) nearly every place is easier. **Two places are special**: at the first there is no left side, at the last no right side. What does that do to the two curves? (Exercises 4 and 5 come back to it.) Keep this picture in mind: in lesson 6 a place without a right side gives a culprit away.

# %% [markdown] lang="zh" id="positions-look"
# 两个差距都大于零，而且远小于百分之一。网络从没见过概率表，却在每个位置上都紧跟精确最优值：所有的点都落在虚线上。只看左边时（圆点），除了开头几个位置，其余位置难度差不多。两边都看时（方块），几乎每个位置都更容易。**有两个位置很特别**：第一个位置没有左边，最后一个位置没有右边。这对两条曲线有什么影响？（练习 4 和练习 5 还会谈到。）请记住这幅图：到第 6 课，一个没有右边的位置会让“作弊者”露出马脚。

# %% [markdown] lang="en" id="exercises"
# ## Exercises
#
# Put your answer in place of `None` and run the cell. A solution is folded away below each: a click on its title opens it.
#
# **1.** How many products does `probability` make for $k = 10$ states and $T = 50$ letters?

# %% [markdown] lang="zh" id="exercises"
# ## 练习
#
# 把 `None` 换成你的答案，然后运行该单元格。每题下方折叠着参考解答，点击标题即可展开。
#
# **1.** 状态数 $k = 10$、字母数 $T = 50$ 时，`probability` 要做多少次乘法？

# %% id="exercise-1"
answer_1 = None
utils.check("4.1", answer_1)

# %% tags=["solution"] id="solution-1"
solution_1 = 49 * (10 + 10 * 10) + 10

# %% [markdown] lang="en" id="exercise-2-text"
# **2.** Change one thing: all three rows of `A` become `[0.2, 0.5, 0.3]`. What is now the probability that the missing letter of `ka_ta` is an `a`, given both sides? (Think first: what do the neighbours still say?)

# %% [markdown] lang="zh" id="exercise-2-text"
# **2.** 改一处：把 `A` 的三行都换成 `[0.2, 0.5, 0.3]`。这时已知两边，`ka_ta` 中缺失的字母是 `a` 的概率是多少？（先想一想：左右的字母还能说明什么？）

# %% id="exercise-2"
answer_2 = None
utils.check("4.2", answer_2)

# %% tags=["solution"] id="solution-2"
solution_2 = 0.2 * 0.01 + 0.5 * 0.60 + 0.3 * 0.01

# %% [markdown] lang="en" id="exercise-3-text"
# **3.** A language with a single state and 1000 letters, all equally likely. The smallest number above zero in 32 bits is about $1.4 \cdot 10^{-45}$, and what lies below half of it becomes 0. After how many letters is $P(x_1, \ldots, x_T)$, computed plainly, zero?

# %% [markdown] lang="zh" id="exercise-3-text"
# **3.** 设一种语言只有一个状态，有 1000 个字母，各个字母等可能。32 位浮点数能表示的最小正数约为 $1.4 \cdot 10^{-45}$，比它的一半还小的数都变成 0。直接计算 $P(x_1, \ldots, x_T)$，到第几个字母时结果为零？

# %% id="exercise-3"
answer_3 = None
utils.check("4.3", answer_3)

# %% tags=["solution"] id="solution-3"
solution_3 = next(T for T in range(1, 100) if 1000.0**-T < 1.4e-45 / 2)

# %% [markdown] lang="en" id="exercise-4-text"
# **4.** What is the lowest cross-entropy, in nats, that *any* network can reach at the first place, $j = 1$, if it sees the left side only? Compute it from the tables: $-\sum_i P(x_1 = i) \ln P(x_1 = i)$.

# %% [markdown] lang="zh" id="exercise-4-text"
# **4.** 如果只看左边，在第一个位置 $j = 1$ 上，**任何**网络所能达到的最低交叉熵是多少奈特？请根据概率表计算：$-\sum_i P(x_1 = i) \ln P(x_1 = i)$。

# %% id="exercise-4"
answer_4 = None
utils.check("4.4", answer_4)

# %% tags=["solution"] id="solution-4"
P_1 = hmm.p @ hmm.B
solution_4 = -(P_1 * P_1.log()).sum().item()

# %% [markdown] lang="en" id="exercise-5-text"
# **5.** At one of the 20 places the two optima are equal, for every sequence. Which $j$ (counted from 1)?

# %% [markdown] lang="zh" id="exercise-5-text"
# **5.** 在 20 个位置中，有一个位置上两个最优值对每个序列都相等。是哪一个 $j$（从 1 数起）？

# %% id="exercise-5"
answer_5 = None
utils.check("4.5", answer_5)

# %% tags=["solution"] id="solution-5"
solution_5 = 20

# %% [markdown] lang="en" id="summary"
# ## What we saw
#
# - In a hidden Markov model, a sum over all $k^T$ paths becomes $T$ small steps, because what they have in common is computed once: of the order of $k^2\,T$ products.
# - $\pi_j$ is what the letters before $j$ say about the state at $j$, $\rho_j$ what the letters after $j$ say. Their product holds all that $P(x_j \mid x_{-j})$ needs from the other letters.
# - Plain products underflow after dozens or hundreds of letters; dividing by the sum at every step, or computing with logarithms, cures it.
# - $\pi$ and $\rho$ are the hidden states of a forward and of a backward recurrence. Networks that learn such states from examples come down almost to the exact optima, from one side and from both, and not below.
#
# {{next}}

# %% [markdown] lang="zh" id="summary"
# ## 小结
#
# - 在隐马尔可夫模型中，相同的部分只算一次，对全部 $k^T$ 条路径的求和就变成 $T$ 个小步骤，乘法次数是 $k^2\,T$ 的量级。
# - $\pi_j$ 汇集了 $j$ 之前的字母所提供的关于 $j$ 时刻状态的信息，$\rho_j$ 汇集了 $j$ 之后的字母所提供的。计算 $P(x_j \mid x_{-j})$ 所需的其他字母的信息，全在两者的乘积里。
# - 直接连乘，几十个或几百个字母之后就会下溢；每步除以各项之和，或者用对数计算，就能避免。
# - $\pi$ 和 $\rho$ 就是一个前向递推和一个反向递推的隐状态。网络从样本中学会这样的状态，交叉熵几乎降到精确的单侧和双侧最优值，而不会更低。
#
# {{next}}
