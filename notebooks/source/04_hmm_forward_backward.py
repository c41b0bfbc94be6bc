# %% [markdown] lang="en" id="title"
# # 4 · Both sides at once: forward and backward in a hidden Markov model
#
# **The question of this lesson.** The networks of [lesson 3](03_concise_lstm.ipynb) guess each letter from those before it. But when a letter is missing in the *middle*, as in `the _ime machine`, what follows it helps as well.
# How much can one know from the left, how much from both sides, and how does one compute it exactly, without adding up more cases than there are atoms in the universe? Here in a small model, which two networks then learn from examples.
#
# **You need:** conditional probability, matrix products, and what a hidden state is (lesson 1). **To read:** about {{minutes 04_hmm_forward_backward}} minutes. **Run time:** about a minute on a laptop without a GPU.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 4 · 同时看两边：隐马尔可夫模型的前向与反向递推
#
# **本课的问题。** [第 3 课](03_concise_lstm.ipynb)的网络从左往右读，根据前面的字符猜下一个字符。可是，如果缺的字符在**中间**，比如 `the _ime machine`，后面的内容同样有用。
# 只看左边能知道多少？两边都看又能知道多少？怎样才能精确地算出来，而不必把比宇宙中的原子还多的情形逐个相加？
#
# 本课用一个一切都能精确计算的小模型；最后，两个网络从样本中学习它。
#
# **预备知识：** 条件概率、矩阵乘法、隐状态的含义（第 1 课）。**阅读时间：** 约 {{minutes 04_hmm_forward_backward}} 分钟。**运行时间：** 在没有 GPU 的笔记本电脑上约一分钟。
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
# <details><summary>Is this the hidden state of lesson 1?</summary>No: H_t is a row of numbers that a network computes, h_t one of k possibilities, drawn by chance. The end of this lesson brings the two together.</details>

# %% [markdown] lang="zh" id="model"
# ## 隐马尔可夫模型
#
# 每个时间步 $t$ 都有一个谁也看不见的**隐状态** $h_t$，取 $k$ 个值之一；还有一个看得见的符号 $x_t$。状态只依赖于前一个状态（“马尔可夫”指的就是这一点），符号只依赖于当前状态：
#
# $$P(x_1, \ldots, x_T, h_1, \ldots, h_T) = \prod_{t=1}^{T} P(h_t \mid h_{t-1})\, P(x_t \mid h_t), \qquad \text{其中 } P(h_1 \mid h_0) \text{ 即 } P(h_1).$$
#
# <details><summary>这就是第 1 课的隐状态吗？</summary>同名，却不是一回事：H_t 是网络算出来的一行数，h_t 则是随机取到的 k 种情形之一。本课末尾会把两者联系起来。</details>

# %% tags=["hide-input"] id="figure-hmm"
utils.show_figure("hmm")

# %% [markdown] lang="en" id="model-after"
# <details><summary>The figure in words</summary>A row of hidden states h_1, h_2 up to h_T, joined by arrows to the right, the first marked P(h_2 | h_1); from each an arrow goes down to its symbol x_t, the first marked P(x_1 | h_1). The box of x_j is dotted and empty, because the symbol is missing. In a row above, dashed arrows run to the right from pi_1 to pi_j and dotted arrows to the left from rho_T to rho_j; from pi_j and rho_j arrows lead down into h_j. Brackets below mark what they have seen: pi_j the symbols x_1 to x_{j-1}, rho_j the symbols x_{j+1} to x_T.</details>
#
# (One symbol, $x_j$, is missing. The row on top, $\pi$ and $\rho$, is what this lesson is about.)
#
# Ours is a toy language of $m = 6$ letters and $k = 3$ states. The states are the parts of a syllable: 1 the beginning (mostly `k`, `t`), 2 the vowel (`a`, `o`), 3 the end (`n`, `s`). The tables below are in percent; now and then there is a misprint.
#
# | | | shape |
# |---|---|---|
# | `p` | initial probabilities $P(h_1)$ | $k$ |
# | `A` | transition probabilities $P(h_{t+1} \mid h_t)$, row: from, column: to | $k \times k$ |
# | `B` | emission probabilities $P(x_t \mid h_t)$, row: state, column: letter | $k \times m$ |

# %% [markdown] lang="zh" id="model-after"
# <details><summary>图的文字说明</summary>一排隐状态 h_1、h_2 直到 h_T，由向右的箭头相连，第一个箭头标有 P(h_2 | h_1)；每个隐状态有一个箭头向下指向符号 x_t，第一个标有 P(x_1 | h_1)。缺失的符号 x_j 画成点线空框。上方一行，虚线箭头自左向右从 pi_1 到 pi_j，点线箭头自右向左从 rho_T 到 rho_j；pi_j 与 rho_j 各有一个箭头向下指向 h_j。下方的括线标出各自见过的符号：pi_j 见过 x_1 到 x_{j-1}，rho_j 见过 x_{j+1} 到 x_T。</details>
#
# （图中缺了一个符号 $x_j$。最上面一行的 $\pi$ 和 $\rho$，就是本课要讲的内容。）
#
# 我们用的是一种虚构的小语言，有 $m = 6$ 个字母、$k = 3$ 个状态。状态是音节的组成部分：1 声母（多为 `k`、`t`），2 元音（`a`、`o`），3 韵尾（`n`、`s`）。下面的表以百分数给出；偶尔也会写错字母。
#
# | | | 形状 |
# |---|---|---|
# | `p` | 初始概率 $P(h_1)$ | $k$ |
# | `A` | 状态转移矩阵：转移概率 $P(h_{t+1} \mid h_t)$，行：从哪个状态，列：到哪个状态 | $k \times k$ |
# | `B` | 发射（观测）矩阵：发射概率 $P(x_t \mid h_t)$，行：状态，列：字母 | $k \times m$ |

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

paths, X = sample(hmm, 4, 30, torch.Generator().manual_seed(0))  # (T, n) each
for path, x in zip(paths.T, X.T):
    print("we see", spell(x), "  hidden", "".join(str(int(i) + 1) for i in path))

# %% [markdown] lang="en" id="brute-text"
# ## Brute force
#
# How probable is a word $x_1, \ldots, x_T$? We do not know its path $h_1, \ldots, h_T$, so we add up over **all** of them:
#
# $$P(x_1, \ldots, x_T) = \sum_{h_1} \cdots \sum_{h_T} P(x_1, \ldots, x_T, h_1, \ldots, h_T).$$
#
# (The functions take the tables as plain lists; you will see why.)

# %% [markdown] lang="zh" id="brute-text"
# ## 暴力求和
#
# 一个词 $x_1, \ldots, x_T$ 的概率有多大？它的路径 $h_1, \ldots, h_T$ 未知，于是对**所有**路径求和：
#
# $$P(x_1, \ldots, x_T) = \sum_{h_1} \cdots \sum_{h_T} P(x_1, \ldots, x_T, h_1, \ldots, h_T).$$
#
# （下面的函数以普通列表的形式传入概率表，原因后面就会看到。）

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
# The probabilities of all words of one length add up to 1, as they must. But each further letter means three times as many paths.
#
# ## The forward recursion
#
# Most of these products have beginnings in common. Take out of each sum what does not depend on its variable, and begin with the innermost. For $T = 3$:
#
# $$\begin{aligned}
# \pi_1(h_1) &= P(h_1), \\
# \pi_2(h_2) &= \sum_{h_1} \pi_1(h_1)\, P(x_1 \mid h_1)\, P(h_2 \mid h_1), \\
# \pi_3(h_3) &= \sum_{h_2} \pi_2(h_2)\, P(x_2 \mid h_2)\, P(h_3 \mid h_2), \\
# P(x_1, x_2, x_3) &= \sum_{h_3} \pi_3(h_3)\, P(x_3 \mid h_3).
# \end{aligned}$$
#
# Each $\pi_t$ is needed for every $h_{t+1}$, whatever comes later: compute it once and keep it. In general
#
# $$\pi_{t+1}(h_{t+1}) = \sum_{h_t} \pi_t(h_t)\, P(x_t \mid h_t)\, P(h_{t+1} \mid h_t),$$
#
# and $\pi_t(h_t) = P(x_1, \ldots, x_{t-1}, h_t)$: everything that the letters *before* $t$ say about the state at $t$. The letter $x_t$ itself is not in it. First a loop that spells out each sum:

# %% [markdown] lang="zh" id="forward-text"
# 同样长度的所有词，概率之和为 1，理应如此。但是每多一个字母，路径数就变成三倍。
#
# ## 前向递推
#
# 这些乘积大多有相同的开头。把与求和变量无关的因子提到求和号外面，从最里层算起。以 $T = 3$ 为例：
#
# $$\begin{aligned}
# \pi_1(h_1) &= P(h_1), \\
# \pi_2(h_2) &= \sum_{h_1} \pi_1(h_1)\, P(x_1 \mid h_1)\, P(h_2 \mid h_1), \\
# \pi_3(h_3) &= \sum_{h_2} \pi_2(h_2)\, P(x_2 \mid h_2)\, P(h_3 \mid h_2), \\
# P(x_1, x_2, x_3) &= \sum_{h_3} \pi_3(h_3)\, P(x_3 \mid h_3).
# \end{aligned}$$
#
# 每个 $\pi_t$ 对所有 $h_{t+1}$ 都要用到，而且与后面的内容无关：只算一次，存下来。一般地，
#
# $$\pi_{t+1}(h_{t+1}) = \sum_{h_t} \pi_t(h_t)\, P(x_t \mid h_t)\, P(h_{t+1} \mid h_t),$$
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
# (Here $\mathbf{b}_t$ and $\boldsymbol\rho_t$ are columns, $k \times 1$.) The two recursions meet at *any* time step: $\sum_{h_t} \pi_t(h_t)\, P(x_t \mid h_t)\, \rho_t(h_t) = P(x_1, \ldots, x_T)$ for every $t$. Together they are the **forward-backward algorithm**.
#
# <details><summary>In other books</summary>Most books write &alpha;<sub>t</sub>(i) = P(x<sub>1</sub>, &hellip;, x<sub>t</sub>, h<sub>t</sub> = i), with x<sub>t</sub> in it: &alpha;<sub>t</sub> = &pi;<sub>t</sub> &#8857; b<sub>t</sub>. Their &beta;<sub>t</sub> is our &rho;<sub>t</sub>, and their &pi; often stands for the initial probabilities, our p.</details>

# %% [markdown] lang="zh" id="backward-text"
# ## 反向递推
#
# 从另一端做同样的事。令 $\rho_t(h_t) = P(x_{t+1}, \ldots, x_T \mid h_t)$，即 $t$ **之后**的字母所提供的关于 $t$ 时刻状态的信息。最后一个字母之后再没有任何信息，所以
#
# $$\rho_T(h_T) = 1, \qquad \rho_{t-1}(h_{t-1}) = \sum_{h_t} P(h_t \mid h_{t-1})\, P(x_t \mid h_t)\, \rho_t(h_t), \qquad \boldsymbol\rho_{t-1} = \mathbf{A}\,(\mathbf{b}_t \odot \boldsymbol\rho_t).$$
#
# （这里 $\mathbf{b}_t$ 和 $\boldsymbol\rho_t$ 是 $k \times 1$ 的列向量。）两个递推可以在**任意**时间步会合：对每个 $t$，都有 $\sum_{h_t} \pi_t(h_t)\, P(x_t \mid h_t)\, \rho_t(h_t) = P(x_1, \ldots, x_T)$。两个递推合起来，就是**前向-后向算法**。
#
# <details><summary>与其他教材对照</summary>《动手学深度学习》把它们叫作前向递归、后向递归，记号与本课相同。李航《统计学习方法》的前向概率 &alpha;<sub>t</sub>(i) = P(x<sub>1</sub>, &hellip;, x<sub>t</sub>, h<sub>t</sub> = i) 包含 x<sub>t</sub>，本课的 &pi;<sub>t</sub> 不包含：&alpha;<sub>t</sub> = &pi;<sub>t</sub> &#8857; b<sub>t</sub>；后向概率 &beta;<sub>t</sub> 就是这里的 &rho;<sub>t</sub>。那本书里的 &pi; 则是初始概率，即这里的 p。</details>

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
# A column for each time step, a row for each state; a path takes one node from every column. The picture computes one node per step. The **thick edges** are the terms that are *added* to get the node with the bold ring; the **orange nodes** hold sums from earlier steps, *reused* instead of computed again; the **bold letter** is taken in. Blue nodes are done, white ones still to come.
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
        ax.text(c, k - 0.3, letter, ha="center", fontsize=11, family="DejaVu Sans", **style)
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
# One column needs $k$ sums of $k$ terms. So a recursion takes of the order of $k^2\,T$ products, **not** $k\,T$ as some texts print; brute force takes $2T-1$ products for each of $k^T$ paths.
#
# We need not trust a formula: the numbers below count their own products, and both functions work with them unchanged. **Predict:** with 3 states and a computer that makes $10^{10}$ products per second, from how many letters on does brute force take more than a day?

# %% [markdown] lang="zh" id="count-text"
# ## 计算量
#
# 每一列有 $k$ 个和，每个和有 $k$ 项。所以一次递推的乘法次数是 $k^2\,T$ 的量级，**而不是**某些资料上写的 $k\,T$；暴力求和则有 $k^T$ 条路径，每条要做 $2T-1$ 次乘法。
#
# 公式不必轻信，数一数就知道：下面定义一种数，会记下做过多少次乘法；前面的两个函数不用修改，就能用它来计算。**猜一猜：** 有 3 个状态，计算机每秒做 $10^{10}$ 次乘法，从多少个字母起，暴力求和要算一天以上？

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

# %% tags=["hide-input"] id="count-both"
# counted for all k of the slider below
Ts = range(1, 41)

def count_both(k):
    """The products of both ways for k states, {T: products}: counted, not by the formulas."""
    short_Ts = [T for T in Ts if (2 * T - 1) * k**T < 20_000]  # where brute force is quick
    brute = {T: count(brute_force, k, T) for T in short_Ts}
    return brute, {T: count(probability, k, T) for T in Ts[::3]}

counted = {number: count_both(number) for number in range(2, 11)}

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
    exponents = range(0, 21, 5)
    ax.set_yticks([10.0**x for x in exponents], [f"$10^{{{x}}}$" for x in exponents])
    ax.set_yticks([], minor=True)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return fig

def first_day(k):
    """The first T for which brute force makes more products than a day's 10^15."""
    return next(T for T in itertools.count(1) if (2 * T - 1) * k**T > 1e15)

utils.guess(
    "letters from which on brute force takes more than a day, 3 states",
    first_day(3), between=(5, 100), log=True,
    because=f"The recursion makes {count(probability, 3, first_day(3))} products for as many.",
    show=lambda: draw_cost(3),
)

# %% [markdown] lang="en" id="cost-look"
# On this logarithmic axis brute force is almost a straight line upwards; the recursion stays near the floor, and what was counted lies on the formulas. **Find out:** from which $T$ on is it a day, about $10^{15}$ products, with 8 states?
#
# <details><summary>Answer</summary>From 15 letters on.</details>

# %% [markdown] lang="zh" id="cost-look"
# 纵轴是对数坐标，暴力求和几乎沿直线上升，递推则始终贴近底部；实际数出来的点都落在公式的曲线上。**试一试：** 状态数为 8 时，$T$ 从多大起要算一天以上（约 $10^{15}$ 次乘法）？
#
# <details><summary>答案</summary>从 15 个字母起。</details>

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

# %% [markdown] lang="en" id="viterbi-text"
# ## The likeliest path: Viterbi
#
# Which *path* is behind a word, $\operatorname{argmax}_{h_1, \ldots, h_T} P(x, h)$? Factors can be taken out of a maximum as out of a sum. So **sum becomes max**, and we note where each maximum came from, to walk back at the end:
#
# $$v_{t+1}(h_{t+1}) = \max_{h_t} v_t(h_t)\, P(h_{t+1} \mid h_t)\, P(x_{t+1} \mid h_{t+1}), \qquad v_1(h_1) = P(h_1)\, P(x_1 \mid h_1).$$

# %% [markdown] lang="zh" id="viterbi-text"
# ## 概率最大的路径：维特比算法
#
# 一个词背后最可能是哪条**路径**，即 $\operatorname{argmax}_{h_1, \ldots, h_T} P(x, h)$？因子能提到求和号外面，也同样能提到最大值外面。所以递推照旧，**求和换成取最大值**，再记下每个最大值从哪里来，最后沿原路走回去：
#
# $$v_{t+1}(h_{t+1}) = \max_{h_t} v_t(h_t)\, P(h_{t+1} \mid h_t)\, P(x_{t+1} \mid h_{t+1}), \qquad v_1(h_1) = P(h_1)\, P(x_1 \mid h_1).$$

# %% id="viterbi"
def viterbi(hmm, x):
    """The likeliest path h_1, ..., h_T of a word."""
    best, came_from = hmm.p * hmm.B[:, x[0]], []  # (k,)
    for x_t in x[1:]:
        value, place = (best[:, None] * hmm.A).max(dim=0)  # (k, k) -> (k,): sum becomes max
        best, came_from = value * hmm.B[:, x_t], [*came_from, place]
    path = [int(best.argmax())]
    for place in reversed(came_from):
        path.insert(0, int(place[path[0]]))
    return path

_, X = sample(hmm, 20, 6, torch.Generator().manual_seed(3))
for x in X.T.tolist():
    largest = max(joint(lists, h, x) for h in itertools.product(range(k), repeat=6))
    assert abs(joint(lists, viterbi(hmm, x), x) / largest - 1) < 1e-12  # of all 729 paths
print(spell(word), "".join(str(h + 1) for h in viterbi(hmm, word)))

# %% [markdown] lang="en" id="viterbi-guess-text"
# At each place alone, the likeliest state is the largest of $\pi_t \odot \mathbf{b}_t \odot \boldsymbol\rho_t$. **Predict:** for how many of 100 words of 20 letters do these states, picked one by one, differ from the likeliest path?

# %% [markdown] lang="zh" id="viterbi-guess-text"
# 单看每个位置，最可能的状态是 $\pi_t \odot \mathbf{b}_t \odot \boldsymbol\rho_t$ 中最大的那个。**猜一猜：** 100 个 20 个字母的词里，这样逐个挑出的状态，有多少个词与概率最大的路径不同？

# %% tags=["hide-input"] id="viterbi-guess"
# 500 words: the likeliest path, and the likeliest states one by one
def one_by_one(hmm, x):
    """The likeliest state at each place, whatever the others are."""
    return (forward(hmm, x) * hmm.B[:, x].T * backward(hmm, x)).argmax(-1).tolist()

_, X = sample(hmm, 500, 20, torch.Generator().manual_seed(3))
different = [x for x in X.T.tolist() if one_by_one(hmm, x) != viterbi(hmm, x)]

def show_path():
    """A word for which they differ."""
    rows = [["letters", *spell(different[0])]]
    paths = {"likeliest path": viterbi, "one by one": one_by_one}
    rows += [[name, *(h + 1 for h in of(hmm, different[0]))] for name, of in paths.items()]
    return utils.table(["place t", *range(1, 21)], rows)

utils.guess(
    "words of 100 whose likeliest path is another", len(different) / 5, between=(0, 100),
    because="One by one, each state is right most often; together they may be an unlikely path.",
    show=show_path,
)

# %% [markdown] lang="en" id="crf"
# <details><summary>On to taggers: BiLSTM-CRF</summary>Replace ln P(x<sub>t</sub> | h<sub>t</sub>) by scores that a bidirectional LSTM gives each tag at t, and ln A by a learnt table of scores for neighbouring tags: that is a conditional random field on top of a network. The forward recursion, in logarithms, adds up all k<sup>T</sup> taggings for its loss; Viterbi finds the best one. So a tag such as “inside a name” never follows “outside”, which the tags picked one by one do not ensure.</details>

# %% [markdown] lang="zh" id="crf"
# <details><summary>由此到序列标注：BiLSTM-CRF</summary>把 ln P(x<sub>t</sub> | h<sub>t</sub>) 换成双向 LSTM 在 t 处给每个标签打的分数，把 ln A 换成学到的相邻标签分数表，就是网络之上的条件随机场。计算损失时，取对数的前向递推对全部 k<sup>T</sup> 种标注求和；预测时，维特比算法找出最好的一种。这样，命名实体识别里“人名内部”之类的标签就不会直接跟在“人名之外”后面，而逐个挑选标签保证不了这一点。</details>

# %% [markdown] lang="en" id="underflow-text"
# ## A thousand letters
#
# With each letter $\pi_t$ shrinks, on average, to between a quarter and a fifth of its size. A computer's numbers do not go down for ever: below $10^{-45}$ (32 bits) or $5 \cdot 10^{-324}$ (64 bits) there is only 0, an **underflow**.
# **Predict:** after how many letters will that happen in 64 bits?

# %% [markdown] lang="zh" id="underflow-text"
# ## 一千个字母
#
# 每一步都要乘以概率，所以每读一个字母，$\pi_t$ 平均缩小到原来的四分之一到五分之一。而计算机里的数不能无限小：小于 $10^{-45}$（32 位）或 $5 \cdot 10^{-324}$（64 位）就只剩下 0，这叫作**下溢**（underflow）。
# **猜一猜：** 用 64 位数，多少个字母之后会下溢？

# %% id="underflow"
_, X = sample(hmm, 1, 1000, torch.Generator().manual_seed(1))  # (T, 1)
long_word = X[:, 0].tolist()
single = HMM(*(table.float() for table in hmm))
last = [int((forward(tables, long_word).sum(-1) > 0).sum()) for tables in (single, hmm)]
utils.guess(
    "letters after which pi_t is zero, 64 bits",
    last[1], between=(10, 1000), log=True, because=f"In 32 bits it is {last[0]}.",
)

# %% [markdown] lang="en" id="scaled-text"
# **The cure:** divide $\pi_t$ by its sum after every step, and keep the logarithm of what was divided out. Only ratios matter for $P(x_j \mid x_{-j})$, and the logarithms add up to $\ln P(x_1, \ldots, x_T)$. Or compute with logarithms throughout (`logsumexp` is $\ln \sum \exp$ without underflow).
#
# Which is right? Python's whole numbers have as many digits as they need, and our tables are whole percents: `probability(percent, x)` is *exactly* $100^{2T} P(x)$.

# %% [markdown] lang="zh" id="scaled-text"
# **解决办法：** 每一步之后把 $\pi_t$ 除以它各项之和，并记下除数的对数。计算 $P(x_j \mid x_{-j})$ 只用到比值，而这些对数加起来就是 $\ln P(x_1, \ldots, x_T)$。或者自始至终用对数计算（`logsumexp` 就是不会下溢的 $\ln \sum \exp$）。
#
# 哪一种算得对？Python 的整数要多少位就有多少位，而我们的表里都是整数百分比：`probability(percent, x)` **精确地**等于 $100^{2T} P(x)$。

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
# Plain products (broad band) stop at the last value that is not yet zero: in 32 bits within the first hundred letters (square), in 64 bits about the middle (triangle). Scaled ones (thin line), even in 32 bits, reach the end.

# %% [markdown] lang="zh" id="underflow-look"
# 直接连乘（粗线）到最后一个非零值就停住了：32 位在前一百个字母之内（方块），64 位在大约一半处（三角）。缩放之后（细线），即使只用 32 位，也能走到最后。

# %% [markdown] lang="en" id="linear"
# ## All steps at once
#
# Unlike the networks of lessons 1 to 3, $\pi$ is **linear** in the state: $\boldsymbol\pi_{t+1} = \boldsymbol\pi_t \mathbf{M}_t$ with $\mathbf{M}_t = \operatorname{diag}(\mathbf{b}_t)\, \mathbf{A}$, so
#
# $$\boldsymbol\pi_T = \boldsymbol\pi_1\, \mathbf{M}_1 \mathbf{M}_2 \cdots \mathbf{M}_{T-1},$$
#
# and products may be bracketed at will: neighbours in pairs, all at the same time, then these in pairs. **Predict:** how many rounds for 300 letters, instead of 299 steps?

# %% [markdown] lang="zh" id="linear"
# ## 所有时间步同时算
#
# 与第 1 到第 3 课的网络不同，$\pi$ 对状态是**线性**的：$\boldsymbol\pi_{t+1} = \boldsymbol\pi_t \mathbf{M}_t$，其中 $\mathbf{M}_t = \operatorname{diag}(\mathbf{b}_t)\, \mathbf{A}$，所以
#
# $$\boldsymbol\pi_T = \boldsymbol\pi_1\, \mathbf{M}_1 \mathbf{M}_2 \cdots \mathbf{M}_{T-1},$$
#
# 而矩阵连乘可以任意加括号：相邻的两两相乘，各对同时进行，再把所得的积两两相乘。**猜一猜：** 300 个字母要多少轮？逐步计算则要走 299 步。

# %% id="in-pairs"
def forward_in_pairs(hmm, x):
    """pi_T, and the rounds it took: in each, all pairs of neighbours are multiplied at once."""
    eye = torch.eye(len(hmm.p), dtype=hmm.A.dtype)[None]  # (1, k, k)
    M, rounds = torch.cat([hmm.B[:, x[:-1]].T[:, :, None] * hmm.A, eye]), 0  # (T, k, k)
    while len(M) > 1:
        M = torch.cat([M, eye]) if len(M) % 2 else M
        M, rounds = M[0::2] @ M[1::2], rounds + 1
    return hmm.p @ M[0], rounds

pi_T, rounds = forward_in_pairs(hmm, long_word[:300])
torch.testing.assert_close(pi_T, forward(hmm, long_word[:300])[-1], rtol=1e-9, atol=0)
print(f"{rounds} rounds for 300 letters: the logarithm to base 2, rounded up")

# %% [markdown] lang="en" id="linear-look"
# This is a **parallel scan** (as many rounds again give *all* $\pi_t$): a product of two matrices costs $k^3$, more than a step's $k^2$, but few rounds wait for each other.
#
# <details><summary>On to minGRU and state-space models</summary>An LSTM cannot do it: its &phi; and its gates read the old state. The minGRU and state-space models such as Mamba let the gates read the <em>input</em> only, so that the state is linear again, and train on long texts in parallel.</details>

# %% [markdown] lang="zh" id="linear-look"
# 这就是**并行扫描**（再用同样多的轮数，就能得到**所有的** $\pi_t$）：两个矩阵相乘要 $k^3$ 次乘法，比一步的 $k^2$ 多，但要依次等待的轮数很少。
#
# <details><summary>由此到 minGRU 和状态空间模型</summary>LSTM 做不到这一点：它的 &phi; 和门都要读上一步的状态。minGRU 和 Mamba 等状态空间模型让门只读<em>输入</em>，状态的更新于是又成了线性的，可以在长文本上并行训练。</details>

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
# $\boldsymbol\rho$ is the mirror image, **a recurrence that starts at the end and runs backwards**. A network that has one of each is a *bidirectional* recurrent network, the subject of lesson 5.

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
# $\boldsymbol\rho$ 是它的镜像：**从末尾出发、反向进行的递推**。同时有这两种递推的网络就是**双向**循环神经网络，也就是第 5 课的主题。

# %% [markdown] lang="en" id="floors"
# ## How good can a network get?
#
# Score them as in lesson 3, by the **cross-entropy**, the mean of $-\ln P(\text{the letter that came})$. Its unit is the **nat**; divided by $\ln 2$ it is in bits, and its $\exp$ is the perplexity. It has a floor, which the exact probabilities reach:
#
# - from the left only, $P(x_j \mid x_1, \ldots, x_{j-1})$: the **one-sided optimum**;
# - from both sides, $P(x_j \mid x_{-j})$: the **two-sided optimum**.
#
# `exact` is `fill_in` for all $j$ of many sequences at once, scaled at every step.
#
# (In signal processing the first is a one-step prediction. The second is related to smoothing, which estimates a state from all that was seen, but leaves $x_j$ out. Neither is filtering, which estimates $h_t$ from $x_1, \ldots, x_t$.)

# %% [markdown] lang="zh" id="floors"
# ## 网络最好能做到多好？
#
# 像第 3 课那样，用**交叉熵**来打分，即 $-\ln P(\text{实际出现的字母})$ 的平均值。它的单位是**奈特**（nat）；除以 $\ln 2$ 就是比特，取 $\exp$ 就是困惑度。它有一个最小值，即下限，用精确概率来预测时正好达到：
#
# - 只看左边，$P(x_j \mid x_1, \ldots, x_{j-1})$：**单侧最优值**；
# - 两边都看，$P(x_j \mid x_{-j})$：**双侧最优值**。
#
# `exact` 就是 `fill_in`，只是一次算出许多序列的所有位置 $j$，并且每步都做了缩放。
#
# （在信号处理中，前者叫一步预测。后者接近于平滑，即根据全部观测来估计状态，只是把 $x_j$ 排除在外。两者都不是滤波，滤波根据 $x_1, \ldots, x_t$ 估计 $h_t$。）

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
# Row $j$ of the output must not have seen $x_j$. So it reads the forward state *before* $j$ and the backward state *after* $j$: both rows of states are **shifted** by one place, with a zero where nothing has been read. With the number of letters read in place of a state:

# %% [markdown] lang="zh" id="network-text"
# 输出的第 $j$ 行不能见过 $x_j$，所以它读的是 $j$ **之前**的前向隐状态和 $j$ **之后**的反向隐状态：两行状态各**错开**一位，还没有读到内容的地方填零。用已读字母的个数代替状态，就是这样：

# %% id="shift"
from torch import nn
from torch.nn import functional as F

read = torch.arange(1, 6)  # forward states of a word of 6, without the last: 1 to 5 letters read
print("letters read before j:", F.pad(read, (1, 0)).tolist())  # a zero on the left
print("letters read after j: ", F.pad(read.flip(0), (0, 1)).tolist())  # a zero on the right

# %% [markdown] lang="en" id="network-class"
# The backward layer is an ordinary layer that gets the sequence in reverse; its states are put back in order (`flip`). Then both states stand side by side (`cat`), and a small output network reads them.
#
# <details><summary>Would a single linear layer do?</summary>It adds up logits, which multiplies probabilities, as the exact formula multiplies &pi;_j and &rho;_j; but the formula then sums over the k states. The control further down tries both.</details>

# %% [markdown] lang="zh" id="network-class"
# 反向层就是一个普通的循环层，只是读入的序列是倒过来的，算完再把各个隐状态的顺序倒回来（`flip`）。然后把两个状态并排拼接（`cat`），交给一个小的输出网络。
#
# <details><summary>只用一个线性层行不行？</summary>它把 logit 相加，也就是概率相乘，正如精确公式中 &pi;_j 与 &rho;_j 相乘；不过公式接着还要对 k 个状态求和。后面的对照实验两种都试。</details>

# %% id="network"
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
# Each `x` is a place whose prediction changes when the eighth letter does; the eighth itself is never among them.
#
# Train both on minibatches that are always freshly drawn: nothing can be learnt by heart. The dashed lines are the exact optima on the 8,000 sequences that score them. **Predict:** will the curves cross their floors?

# %% [markdown] lang="zh" id="train-text"
# 每个 `x` 标出一个位置：第八个字母一变，那里的预测就跟着变。第八个位置本身从不在其中。
#
# 现在训练两个网络，每个小批量都是新采样的，所以无从死记硬背。虚线是在用来打分的 8,000 个序列上的精确最优值。**猜一猜：** 曲线会不会穿过自己的下限？

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
# How close is that? The gap is the mean difference between network and optimum on the same sequences. Below zero by more than a few sampling errors, it would mean that the network has seen what it should not.
#
# <details><summary>Sampling error</summary>How far chance typically moves a mean: the standard deviation of the difference over sequences, divided by &radic;8000.</details>

# %% [markdown] lang="zh" id="result-text"
# 到底有多近？在同样的序列上，网络与最优值之差的平均值就是差距。如果它小于零，而且幅度是抽样误差的好几倍，就说明网络看到了不该看的东西。
#
# <details><summary>抽样误差</summary>平均值通常的随机波动幅度：逐个序列算出的差的标准差，除以 &radic;8000。</details>

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
# And a single linear output layer? Five random starts each, recorded; the wider GRUs give the linear design as many parameters:

# %% [markdown] lang="zh" id="output-text"
# 如果输出层只是一个线性层呢？各取五个随机起点（事先记录的运行）；加宽 GRU，是为了让线性方案的参数量与小网络的相当：

# %% tags=["hide-input"] id="output-control"
# the control: another output layer, five random starts each, recorded
wider = "linear layer, wider"
designs = {"small network": (32, False), "linear layer": (32, True), wider: (36, True)}

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
utils.table(["output layer", "h", "parameters", "gap, five starts", "sampling error"], rows)

# %% [markdown] lang="en" id="output-look"
# Even the linear output comes within about a third of one percent. The small network comes several times closer, and not by its parameters: wider states do not make up for it.
#
# Last, place by place. **Predict** the cross-entropy from both sides at the first place, in the middle, and at the last.

# %% [markdown] lang="zh" id="output-look"
# 线性输出的差距也只有百分之零点三左右。小网络的差距又小了好几倍，而且靠的不是参数多：把线性方案的隐状态加宽，弥补不了这个差别。
#
# 最后，逐个位置来看。**猜一猜**两边都看时，第一个位置、中间和最后一个位置上的交叉熵。

# %% tags=["hide-input"] id="draw-positions"
# the cross-entropy place by place, behind a guess
def draw_positions():
    """Draw the cross-entropy at each place: networks as markers, exact optima as dashed lines."""
    fig, ax = utils.new_figure(8.4, 3)
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

utils.guess(
    "cross-entropy of the network that sees both sides",
    (list(range(1, 21)), by_position["both sides"][0].tolist()),
    at=(1, 2, 10, 19, 20), between=(1.1, 1.7), labels=("place j", "nats"),
    because="At the first and at the last place one side is missing.", show=draw_positions,
)

# %% [markdown] lang="en" id="positions-look"
# The networks follow the exact optima place by place: all markers lie on the dashed lines. From the left only (circles), every place after the first few is about equally hard; from both sides (squares) nearly every place is easier. At the first there is no left side, at the last no right side (exercises 4 and 5). Keep this picture in mind: in lesson 6 a place without a right side gives a culprit away.

# %% [markdown] lang="zh" id="positions-look"
# 网络在每个位置上都紧跟精确最优值：所有的标记都落在虚线上。只看左边时（圆点），除了开头几个位置，其余位置难度差不多；两边都看时（方块），几乎每个位置都更容易。第一个位置没有左边，最后一个位置没有右边（见练习 4 和练习 5）。请记住这幅图：到第 6 课，一个没有右边的位置会让“作弊者”露出马脚。

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

# %% [markdown] lang="en" id="exam"
# ## What to write in the exam
#
# **1.** Why do $k^2\,T$ products suffice for a sum over $k^T$ paths? <details><summary>answer</summary>h<sub>t+1</sub> depends on the past through h<sub>t</sub> alone, so each factor can be taken out of the sums in which its variable does not occur. What is left, &pi;<sub>t+1</sub>(h) = &Sigma; &pi;<sub>t</sub>(i) P(x<sub>t</sub> | i) P(h | i), is a sum of k terms for each of k states, at each of T steps.</details>
#
# **2.** Define $\pi_j$ and $\rho_j$, and write $P(x_j \mid x_{-j})$ with them. <details><summary>answer</summary>&pi;<sub>j</sub>(h) = P(x<sub>1</sub>, &hellip;, x<sub>j&minus;1</sub>, h<sub>j</sub> = h) and &rho;<sub>j</sub>(h) = P(x<sub>j+1</sub>, &hellip;, x<sub>T</sub> | h<sub>j</sub> = h); neither has seen x<sub>j</sub>. P(x<sub>j</sub> | x<sub>&minus;j</sub>) is proportional to &Sigma;<sub>h</sub> &pi;<sub>j</sub>(h) &rho;<sub>j</sub>(h) P(x<sub>j</sub> | h): divide by its sum over all letters.</details>
#
# **3.** Turn the forward recursion into Viterbi. Does it find the likeliest state at each place? <details><summary>answer</summary>Put max in place of the sum, keep where each maximum came from, and walk back from the best last state: as many products. It finds the likeliest <i>path</i>. The likeliest state at a place is the largest &pi;<sub>t</sub> b<sub>t</sub> &rho;<sub>t</sub>, and these need not form a likely path, nor even a possible one.</details>
#
# **4.** Why can $\pi_T$ be computed in about $\log_2 T$ rounds, and an LSTM's state not? <details><summary>answer</summary>&pi; is linear in the state: &pi;<sub>T</sub> = p M<sub>1</sub> &middot;&middot;&middot; M<sub>T&minus;1</sub> with M<sub>t</sub> = diag(b<sub>t</sub>) A, and a product may be bracketed in pairs. An LSTM's step is not linear: &phi; and the gates read the state before. The minGRU and state-space models make the state linear for that reason.</details>
#
# **5.** A network that reads from the left ends *below* the one-sided optimum by ten sampling errors. What do you conclude, and which test shows it? <details><summary>answer</summary>It has seen what it should not, x<sub>j</sub> itself (a shift forgotten) or what follows: the optimum is the lowest value that the letters before j allow. Test: change x<sub>j</sub>, and then the letters after it. No prediction at j may move.</details>

# %% [markdown] lang="zh" id="exam"
# ## 考试怎么写
#
# **1.** 对 $k^T$ 条路径求和，为什么 $k^2\,T$ 次乘法就够了？ <details><summary>答案</summary>h<sub>t+1</sub> 只通过 h<sub>t</sub> 依赖于过去，所以每个因子都可以提到不含其变量的求和号外面。剩下的 &pi;<sub>t+1</sub>(h) = &Sigma; &pi;<sub>t</sub>(i) P(x<sub>t</sub> | i) P(h | i)，对 k 个状态各求 k 项之和，共 T 步。</details>
#
# **2.** 写出 $\pi_j$ 和 $\rho_j$ 的定义，并用它们表示 $P(x_j \mid x_{-j})$。 <details><summary>答案</summary>&pi;<sub>j</sub>(h) = P(x<sub>1</sub>, &hellip;, x<sub>j&minus;1</sub>, h<sub>j</sub> = h)，&rho;<sub>j</sub>(h) = P(x<sub>j+1</sub>, &hellip;, x<sub>T</sub> | h<sub>j</sub> = h)，两者都没有见过 x<sub>j</sub>。P(x<sub>j</sub> | x<sub>&minus;j</sub>) 正比于 &Sigma;<sub>h</sub> &pi;<sub>j</sub>(h) &rho;<sub>j</sub>(h) P(x<sub>j</sub> | h)，再除以对所有字母的和。</details>
#
# **3.** 怎样把前向递推改成维特比算法？它找出的是每个位置上最可能的状态吗？ <details><summary>答案</summary>把求和换成取最大值，记下每个最大值从哪里来，再从最好的末状态走回去；乘法次数不变。它找出的是概率最大的<b>路径</b>。某个位置上最可能的状态，是 &pi;<sub>t</sub> b<sub>t</sub> &rho;<sub>t</sub> 最大的那个；这样的状态连起来未必是一条可能性大的路径，甚至未必是可能的路径。</details>
#
# **4.** 为什么 $\pi_T$ 只要约 $\log_2 T$ 轮就能算出，而 LSTM 的状态不行？ <details><summary>答案</summary>&pi; 对状态是线性的：&pi;<sub>T</sub> = p M<sub>1</sub> &middot;&middot;&middot; M<sub>T&minus;1</sub>，其中 M<sub>t</sub> = diag(b<sub>t</sub>) A，而连乘可以两两加括号。LSTM 的一步不是线性的：&phi; 和门都读上一步的状态。minGRU 和状态空间模型正是为此让状态的更新成为线性的。</details>
#
# **5.** 一个只看左边的网络，最后比单侧最优值还**低**，幅度是抽样误差的十倍。由此得出什么结论？用什么测试来证实？ <details><summary>答案</summary>它看到了不该看的东西：x<sub>j</sub> 本身（忘了错开一位）或者后面的字母。最优值是只凭 j 之前的字母所能达到的最小值。测试：改动 x<sub>j</sub>，再改动它后面的字母，j 处的预测都不应变化。</details>

# %% [markdown] lang="en" id="sources"
# ## Sources
#
# <details><summary>nine papers</summary><ul><li>Baum, Petrie, Soules, Weiss: <i>A maximization technique occurring in the statistical analysis of probabilistic functions of Markov chains</i>. Annals of Mathematical Statistics, 1970.</li><li>Viterbi: <i>Error bounds for convolutional codes and an asymptotically optimum decoding algorithm</i>. IEEE Transactions on Information Theory, 1967.</li><li>Rabiner: <i>A tutorial on hidden Markov models and selected applications in speech recognition</i>. Proceedings of the IEEE, 1989.</li><li>Schuster, Paliwal: <i>Bidirectional recurrent neural networks</i>. IEEE Transactions on Signal Processing, 1997.</li><li>Lafferty, McCallum, Pereira: <i>Conditional random fields: probabilistic models for segmenting and labeling sequence data</i>. ICML, 2001.</li><li>Huang, Xu, Yu: <i>Bidirectional LSTM-CRF models for sequence tagging</i>. arXiv, 2015.</li><li>Blelloch: <i>Prefix sums and their applications</i> (scans). Carnegie Mellon University, 1990.</li><li>Gu, Dao: <i>Mamba: linear-time sequence modeling with selective state spaces</i>. arXiv, 2023.</li><li>Feng, Tung, Ahmed, Bengio, Hajimirsadeghi: <i>Were RNNs all we needed?</i> (minGRU). arXiv, 2024.</li></ul></details>

# %% [markdown] lang="zh" id="sources"
# ## 参考文献
#
# <details><summary>九篇论文</summary><ul><li>Baum, Petrie, Soules, Weiss: <i>A maximization technique occurring in the statistical analysis of probabilistic functions of Markov chains</i>. Annals of Mathematical Statistics, 1970.</li><li>Viterbi: <i>Error bounds for convolutional codes and an asymptotically optimum decoding algorithm</i>. IEEE Transactions on Information Theory, 1967.</li><li>Rabiner: <i>A tutorial on hidden Markov models and selected applications in speech recognition</i>. Proceedings of the IEEE, 1989.</li><li>Schuster, Paliwal: <i>Bidirectional recurrent neural networks</i>. IEEE Transactions on Signal Processing, 1997.</li><li>Lafferty, McCallum, Pereira: <i>Conditional random fields: probabilistic models for segmenting and labeling sequence data</i>. ICML, 2001.</li><li>Huang, Xu, Yu: <i>Bidirectional LSTM-CRF models for sequence tagging</i>. arXiv, 2015.</li><li>Blelloch: <i>Prefix sums and their applications</i>（扫描）. Carnegie Mellon University, 1990.</li><li>Gu, Dao: <i>Mamba: linear-time sequence modeling with selective state spaces</i>. arXiv, 2023.</li><li>Feng, Tung, Ahmed, Bengio, Hajimirsadeghi: <i>Were RNNs all we needed?</i>（minGRU）. arXiv, 2024.</li></ul></details>

# %% [markdown] lang="en" id="summary"
# ## What we saw
#
# - A sum over all $k^T$ paths becomes $T$ small steps, because what they have in common is computed once: of the order of $k^2\,T$ products. With max in place of the sum, the same steps find the likeliest path.
# - $\pi_j$ is what the letters before $j$ say about the state at $j$, $\rho_j$ what the letters after $j$ say.
# - Plain products underflow; scaling or logarithms cure it. $\pi$ is linear in the state, so that steps can be taken in pairs.
# - $\pi$ and $\rho$ are the states of a forward and a backward recurrence. Networks that learn such states come down almost to the exact optima, and not below.
#
# {{next}}

# %% [markdown] lang="zh" id="summary"
# ## 小结
#
# - 相同的部分只算一次，对全部 $k^T$ 条路径的求和就变成 $T$ 个小步骤，乘法次数是 $k^2\,T$ 的量级。把求和换成取最大值，同样的步骤就能找出概率最大的路径。
# - $\pi_j$ 汇集了 $j$ 之前的字母所提供的关于 $j$ 时刻状态的信息，$\rho_j$ 汇集了 $j$ 之后的字母所提供的。
# - 直接连乘会下溢；每步除以各项之和，或者用对数计算，就能避免。$\pi$ 对状态是线性的，所以可以成对地同时计算。
# - $\pi$ 和 $\rho$ 就是一个前向递推和一个反向递推的状态。网络从样本中学会这样的状态，几乎降到精确的最优值，而不会更低。
#
# {{next}}
