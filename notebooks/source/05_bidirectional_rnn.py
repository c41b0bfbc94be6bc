# %% [markdown] lang="en" id="title"
# # 5 · Bidirectional recurrent networks
#
# **The question of this lesson.** A recurrent network reads from left to right, so its state knows only what came before. Often, though, the rest of the sequence is there as well.
# How does one build a network that reads from both ends, what does it cost, and for which tasks is it worth the price?
#
# **You need:** lessons 1 and 2 (a cell, a stack of layers) and the idea of [lesson 4](04_hmm_forward_backward.ipynb). **Run time:** about a minute on a laptop without a GPU.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 5 · 双向循环神经网络
#
# **本课的问题。** 循环神经网络从左往右读，所以它的隐状态只知道前文。可是很多时候，整个序列早已摆在面前。怎样构造一个从两端阅读的网络？代价是什么？哪些任务值得付出这个代价？
#
# **预备知识：** 第 1、2 课（单元、层的堆叠），以及[第 4 课](04_hmm_forward_backward.ipynb)的思路。**运行时间：** 在没有 GPU 的笔记本电脑上约一分钟。
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

# %% [markdown] lang="en" id="recall"
# ## From two recursions to two layers
#
# Lesson 4 asked for a missing symbol of a hidden Markov model, $P(x_j \mid \text{all others})$. A **forward** recursion, $\pi$, gathered what stands before $j$, a **backward** recursion, $\rho$, what stands after it, and the two were combined at $j$; a network with one recurrent layer for each direction learnt to do the same from examples.
# Such a **bidirectional** network is built here in general: any cell, any sizes, any number of layers.

# %% [markdown] lang="zh" id="recall"
# ## 从两个递推到两个循环层
#
# 第 4 课要在隐马尔可夫模型中推断一个缺失的符号，即求 $P(x_j \mid \text{其余全部})$。**前向**递推 $\pi$ 收集 $j$ 之前的信息，**反向**递推 $\rho$ 收集 $j$ 之后的信息，最后在 $j$ 处合并；一个在两个方向上各有一个循环层的网络，也从样本中学会了这件事。
# 本课就来构造一般的**双向**网络：单元、大小和层数都可以任选。

# %% tags=["hide-input"] id="figure-bidirectional-rnn"
utils.show_figure("bidirectional_rnn")

# %% [markdown] lang="en" id="recall-after"
# <details><summary>The figure in words</summary>Unrolled bidirectional network, time steps 1 to T to the right. Each input X_t feeds two rows of states. In the forward row dashed arrows lead to the right, beginning with a dotted state of step 0; in the backward row above it dotted arrows lead to the left, beginning with a dotted state of step T + 1. At every step both states feed the output O_t. No arrow joins the two rows.</details>
#
# ("Backward" is a direction of reading here. It has nothing to do with backpropagation, which runs through both directions.)

# %% [markdown] lang="zh" id="recall-after"
# <details><summary>图的文字说明</summary>按时间展开的双向网络，时间步 1 到 T 自左向右。每个输入 X_t 同时送入两行隐状态：前向一行的虚线箭头指向右边，从第 0 步的状态（点线框）开始；上面的反向一行，点线箭头指向左边，从第 T+1 步的状态（点线框）开始。每个时间步的两个隐状态都送入输出 O_t，两行之间没有箭头。</details>
#
# （这里的“反向”指阅读的方向，与反向传播无关；反向传播要经过两个方向。）

# %% [markdown] lang="en" id="definition"
# ## Definition
#
# The forward layer has $h_f$ hidden units, the backward layer $h_b$. Each has its own weights, marked $(f)$ and $(b)$, and both read the same inputs $\mathbf{X}_t \in \mathbb{R}^{n \times d}$:

# %% [markdown] lang="zh" id="definition"
# ## 定义
#
# 前向层有 $h_f$ 个隐藏单元，反向层有 $h_b$ 个。两者各有自己的权重，用上标 $(f)$ 和 $(b)$ 区分，但读取同样的输入 $\mathbf{X}_t \in \mathbb{R}^{n \times d}$：

# %% [markdown] id="equation"
# $$\begin{aligned}
# \overrightarrow{\mathbf{H}}_t &= \phi\big(\mathbf{X}_t \mathbf{W}_{xh}^{(f)} + \overrightarrow{\mathbf{H}}_{t-1} \mathbf{W}_{hh}^{(f)} + \mathbf{b}_h^{(f)}\big), \\
# \overleftarrow{\mathbf{H}}_t &= \phi\big(\mathbf{X}_t \mathbf{W}_{xh}^{(b)} + \overleftarrow{\mathbf{H}}_{t+1} \mathbf{W}_{hh}^{(b)} + \mathbf{b}_h^{(b)}\big), \\
# \mathbf{H}_t &= \big[\overrightarrow{\mathbf{H}}_t,\ \overleftarrow{\mathbf{H}}_t\big], \qquad \mathbf{O}_t = \mathbf{H}_t \mathbf{W}_{hq} + \mathbf{b}_q .
# \end{aligned}$$

# %% [markdown] lang="en" id="shapes"
# | | shape | |
# |---|---|---|
# | $\overrightarrow{\mathbf{H}}_t,\ \overleftarrow{\mathbf{H}}_t$ | $n \times h_f,\ n \times h_b$ | $\overrightarrow{\mathbf{H}}_0 = \mathbf{0}$ and $\overleftarrow{\mathbf{H}}_{T+1} = \mathbf{0}$ |
# | $\mathbf{W}_{xh}^{(f)},\ \mathbf{W}_{xh}^{(b)}$ | $d \times h_f,\ d \times h_b$ | |
# | $\mathbf{W}_{hh}^{(f)},\ \mathbf{W}_{hh}^{(b)}$ | $h_f \times h_f,\ h_b \times h_b$ | no arrow leads from one direction to the other |
# | $\mathbf{b}_h^{(f)},\ \mathbf{b}_h^{(b)}$ | $1 \times h_f,\ 1 \times h_b$ | |
# | $\mathbf{H}_t$ | $n \times (h_f + h_b)$ | side by side, not added; $n \times 2h$ if both have $h$ |
# | $\mathbf{W}_{hq},\ \mathbf{b}_q$ | $(h_f + h_b) \times q,\ 1 \times q$ | for $q$ outputs; the only place where past and future meet |
#
# The only new thing is one index: $t + 1$ instead of $t - 1$. So we take PyTorch's cells as they are (lesson 2 opened them up) and write the directions.

# %% [markdown] lang="zh" id="shapes"
# | | 形状 | |
# |---|---|---|
# | $\overrightarrow{\mathbf{H}}_t,\ \overleftarrow{\mathbf{H}}_t$ | $n \times h_f,\ n \times h_b$ | $\overrightarrow{\mathbf{H}}_0 = \mathbf{0}$，$\overleftarrow{\mathbf{H}}_{T+1} = \mathbf{0}$ |
# | $\mathbf{W}_{xh}^{(f)},\ \mathbf{W}_{xh}^{(b)}$ | $d \times h_f,\ d \times h_b$ | |
# | $\mathbf{W}_{hh}^{(f)},\ \mathbf{W}_{hh}^{(b)}$ | $h_f \times h_f,\ h_b \times h_b$ | 两个方向之间没有箭头 |
# | $\mathbf{b}_h^{(f)},\ \mathbf{b}_h^{(b)}$ | $1 \times h_f,\ 1 \times h_b$ | |
# | $\mathbf{H}_t$ | $n \times (h_f + h_b)$ | 左右拼接，不是相加；两个方向都是 $h$ 个单元时为 $n \times 2h$ |
# | $\mathbf{W}_{hq},\ \mathbf{b}_q$ | $(h_f + h_b) \times q,\ 1 \times q$ | $q$ 为输出数；过去与未来只在这里相遇 |
#
# 新的地方只有一个下标：$t - 1$ 换成了 $t + 1$。所以单元直接用 PyTorch 的（第 2 课已经拆开看过），我们只需写出两个方向。

# %% id="directions"
import torch
from torch import nn
from torch.nn import functional as F

def hidden(state):
    """H of a state: an LSTM cell's state is the pair (H, C), that of the others is H itself."""
    return state[0] if isinstance(state, tuple) else state

def run_forward(cell, X, state=None):
    """X (T, n, d) -> forward states of t = 1, ..., T (T, n, h), and the last one made: of T."""
    H = []
    for X_t in X:
        state = cell(X_t, state)  # (n, d), (n, h) -> (n, h); None stands for zeros
        H.append(hidden(state))
    return torch.stack(H), state

# %% id="backward-loop"
def run_backward_loop(cell, X, state=None):
    """X (T, n, d) -> backward states of t = 1, ..., T (T, n, h), and the last one made: of 1."""
    H = {}
    for t in reversed(range(len(X))):
        state = cell(X[t], state)
        H[t] = hidden(state)
    return torch.stack([H[t] for t in range(len(X))]), state

# %% [markdown] lang="en" id="flip-text"
# The backward loop is an ordinary recurrence in a mirror: reverse the inputs, run forward, **reverse the states**. In this form every layer that can run forward, even a fast one from a library, can run backward.

# %% [markdown] lang="zh" id="flip-text"
# 反向循环不过是镜子里的普通循环：把输入倒过来，前向运行一遍，再**把隐状态倒回去**。这样一来，凡是能前向运行的层，包括库里的快速实现，都能反向运行。

# %% id="flip"
def run_backward(cell, X, state=None):
    """As run_backward_loop: X_T comes first, and the states are put back into the order of time."""
    H, state = run_forward(cell, X.flip(0), state)
    return H.flip(0), state

# %% id="check-flip"
utils.seed_everything(0)
n, T, d, h = 2, 6, 3, 4
X, cell = torch.randn(T, n, d), nn.GRUCell(d, h)
for slow, fast in zip(run_backward_loop(cell, X), run_backward(cell, X)):
    torch.testing.assert_close(slow, fast, rtol=0, atol=1e-6)
print("the loop from T to 1 and the two flips agree in all states, the final one included")

# %% [markdown] lang="en" id="bug-text"
# The classic bug is to forget the second flip. All shapes are right, nothing complains, and a network trained with it still learns, from its forward half. The bug is found by asking what a state may know. Change one input, $\mathbf{X}_5$ of $T = 6$, and see which states move.
# **Predict** the three lists.

# %% [markdown] lang="zh" id="bug-text"
# 最常见的错误是忘了第二次翻转。形状全都对，程序不报错，训练时靠前向的一半照样能学到东西。要发现这个错误，就要问：每个隐状态能够知道哪些输入？只改动一个输入，即 $T = 6$ 中的 $\mathbf{X}_5$，看看哪些隐状态会变。
# **猜一猜：** 这三个列表各是什么？

# %% id="bug"
def forgotten_flip(cell, X, state=None):
    """WRONG: the states stay in the order in which they were computed."""
    return run_forward(cell, X.flip(0), state)

def steps_that_move(run, cell, X, t):
    """The time steps whose states change when X_t does."""
    changed = X.clone()
    changed[t - 1] += 1
    moved = (run(cell, X)[0] != run(cell, changed)[0]).flatten(1).any(dim=1)  # (T,)
    return [s for s in range(1, len(X) + 1) if moved[s - 1]]

for run in (run_forward, run_backward, forgotten_flip):
    print(f"X_5 changed, {run.__name__:<14} states that move:", steps_that_move(run, cell, X, 5))

# %% [markdown] lang="en" id="bug-look"
# Forward: step 5 and all later ones. Backward: step 5 and all earlier ones. The third list is neither: the output layer would be given, at step $t$, the backward state of step $T + 1 - t$. Such a test takes five lines; write it for every network that reads in two directions.

# %% [markdown] lang="zh" id="bug-look"
# 前向：第 5 步及之后的各步。反向：第 5 步及之前的各步。第三个列表两者都不是：输出层在第 $t$ 步拿到的，其实是第 $T + 1 - t$ 步的反向隐状态。这样的测试只要五行；凡是双向阅读的网络，都值得写一个。

# %% [markdown] lang="en" id="deep-text"
# ## The layer, and a stack of them
#
# Both directions side by side are one bidirectional layer. In a **deep** bidirectional network the next layer reads *both* halves, in both of its directions. **Predict:** how many numbers does layer 2 read per time step if $d = 3$, $h_f = 5$, $h_b = 2$?

# %% [markdown] lang="zh" id="deep-text"
# ## 双向层，以及层的堆叠
#
# 两个方向并排，就是一个双向层。在**深度**双向网络中，下一层的两个方向都要读取这**两半**。**猜一猜：** 设 $d = 3$，$h_f = 5$，$h_b = 2$，第 2 层在每个时间步读取多少个数？

# %% id="bi-rnn"
class BiRNN(nn.Module):
    """X (T, n, d) -> states of the last layer (T, n, h_f + h_b), and 2 L final states."""

    def __init__(self, Cell, num_inputs, h_f, h_b, num_layers=1):
        super().__init__()
        widths = [num_inputs] + (num_layers - 1) * [h_f + h_b]  # what each layer reads
        self.forward_cells = nn.ModuleList(Cell(width, h_f) for width in widths)
        self.backward_cells = nn.ModuleList(Cell(width, h_b) for width in widths)

    def forward(self, X, states=None):
        """states: 2 L initial ones, layer by layer, forward before backward; or None for zeros."""
        if states is None:
            states = 2 * len(self.forward_cells) * [None]
        H, finals = X, []
        for l, (cell_f, cell_b) in enumerate(zip(self.forward_cells, self.backward_cells)):
            H_f, final_f = run_forward(cell_f, H, states[2 * l])  # (T, n, h_f)
            H_b, final_b = run_backward(cell_b, H, states[2 * l + 1])  # (T, n, h_b)
            H = torch.cat([H_f, H_b], dim=-1)  # (T, n, h_f + h_b)
            finals += [final_f, final_b]
        return H, finals

# %% id="bi-rnn-shapes"
rnn = BiRNN(nn.GRUCell, num_inputs=3, h_f=5, h_b=2, num_layers=2)
H, finals = rnn(X)
print("H", tuple(H.shape), "  final states", [tuple(s.shape) for s in finals])
for l, cells in enumerate(zip(rnn.forward_cells, rnn.backward_cells), start=1):
    sizes = [f"{cell.input_size} x {cell.hidden_size}" for cell in cells]
    print(f"layer {l}: W_xh of each of the GRU's 3 sums: forward {sizes[0]}, backward {sizes[1]}")

# %% [markdown] lang="en" id="sizes-text"
# Seven, $h_f + h_b$, in both of its directions. The two sizes may differ, for instance where the past matters more than the future. PyTorch's own layers do not offer that: there $h_f = h_b = h$. With equal sizes we can let PyTorch judge our code, in all layers: **outputs, final states and every gradient**, in double precision, from initial states that are not zero.

# %% [markdown] lang="zh" id="sizes-text"
# 7 个，即 $h_f + h_b$，两个方向都是如此。两个方向的隐藏单元数可以不同，比如前文比后文更重要的时候。PyTorch 自带的层做不到这一点，总是 $h_f = h_b = h$。两者相同时，就可以让 PyTorch 当裁判，在所有层上比较**输出、最终状态和每一个梯度**：用双精度，初始状态也不为零。

# %% id="copy-weights"
def named_pairs(ours, theirs):
    """Our parameters beside PyTorch's, such as weight_ih_l0, or backward weight_ih_l0_reverse."""
    for l, cells in enumerate(zip(ours.forward_cells, ours.backward_cells)):
        for direction_cell, suffix in zip(cells, ("", "_reverse")):
            # weight_ih, weight_hh, and two biases
            for name, parameter in direction_cell.named_parameters():
                yield parameter, getattr(theirs, f"{name}_l{l}{suffix}")

def copy_weights(ours, theirs):
    with torch.no_grad():
        for parameter, their_parameter in named_pairs(ours, theirs):
            parameter.copy_(their_parameter)

# %% [markdown] lang="en" id="states-text"
# PyTorch keeps all initial states in one tensor, `(2L, n, h)`, and an LSTM's in a pair of such tensors; `BiRNN` takes a list of $2L$ states. Two small functions call both in the same way:

# %% [markdown] lang="zh" id="states-text"
# PyTorch 把所有初始状态放在一个形状为 `(2L, n, h)` 的张量里，LSTM 则用一对这样的张量；`BiRNN` 用的是含 $2L$ 个状态的列表。先写两个小函数，好用同样的方式调用两者：

# %% id="run-both"
def run_ours(rnn, X, H_0, C_0=None):
    """BiRNN with PyTorch's states (2 L, n, h): outputs, H of all final states, and an LSTM's C."""
    if C_0 is None:
        H, finals = rnn(X, list(H_0))
        return H, torch.stack(finals)
    H, finals = rnn(X, list(zip(H_0, C_0)))  # 2 L pairs
    return H, torch.stack([H_l for H_l, _ in finals]), torch.stack([C_l for _, C_l in finals])

def run_theirs(rnn, X, H_0, C_0=None):
    """The same of nn.RNN, nn.GRU or nn.LSTM."""
    if C_0 is None:
        return rnn(X, H_0)
    H, (H_n, C_n) = rnn(X, (H_0, C_0))
    return H, H_n, C_n

def with_gradients(run, rnn, tensors):
    """What run(rnn, *tensors) gives, and a loss's gradients with respect to the tensors."""
    inputs = [x.clone().requires_grad_() for x in tensors]
    results = run(rnn, *inputs)
    loss = sum((i * x.square()).sum() for i, x in enumerate(results, start=1))
    loss.backward()
    return [*results, *(x.grad for x in inputs)]

# %% id="largest-difference"
def largest_difference(Cell, their_class, L, h, d, n, T):
    """The largest difference from PyTorch's layers, in outputs, final states and all gradients."""
    theirs = their_class(d, h, num_layers=L, bidirectional=True).double()
    ours = BiRNN(Cell, d, h, h, L).double()
    copy_weights(ours, theirs)
    tensors = [torch.randn(T, n, d), torch.randn(2 * L, n, h)]  # X and H_0
    if Cell is nn.LSTMCell:
        tensors.append(torch.randn(2 * L, n, h))  # C_0
    tensors = [x.double() for x in tensors]
    our_results = with_gradients(run_ours, ours, tensors)
    their_results = with_gradients(run_theirs, theirs, tensors)
    pairs = list(zip(our_results, their_results))
    pairs += [(parameter.grad, their.grad) for parameter, their in named_pairs(ours, theirs)]
    return max((a - b).abs().max().item() for a, b in pairs)

# %% id="check-equal"
utils.seed_everything(0)
for Cell, their_class in ((nn.RNNCell, nn.RNN), (nn.GRUCell, nn.GRU), (nn.LSTMCell, nn.LSTM)):
    differences = [largest_difference(Cell, their_class, L, h=4, d=3, n=2, T=6) for L in (1, 2, 3)]
    numbers = " ".join(f"{x:.0e}" for x in differences)
    print(f"{their_class.__name__:<5} 1, 2, 3 layers: largest difference {numbers}")
    assert max(differences) < 1e-10

# %% [markdown] lang="en" id="layout-text"
# ## Which number stands where?
#
# This is where a bidirectional layer is most easily misread. `output, h_n = nn.GRU(..., bidirectional=True)(X)` gives two tensors, and with more than one layer neither contains the other (`nn.LSTM` adds `c_n`, laid out as `h_n`):
#
# | | shape | holds |
# |---|---|---|
# | `output` | `(T, n, 2h)` | **last layer, all time steps**: `output[..., :h]` forward, `output[..., h:]` backward |
# | `h_n` | `(2L, n, h)` | **all layers, final states**: layer $l$ forward at index $2(l - 1)$, backward at $2(l - 1) + 1$ |

# %% [markdown] lang="zh" id="layout-text"
# ## 哪个数放在哪里？
#
# 双向层的输出，最容易在这里看错。`output, h_n = nn.GRU(..., bidirectional=True)(X)` 给出两个张量；层数大于 1 时，谁也不包含谁（`nn.LSTM` 还有 `c_n`，排列与 `h_n` 相同）：
#
# | | 形状 | 内容 |
# |---|---|---|
# | `output` | `(T, n, 2h)` | **最后一层、所有时间步**：`output[..., :h]` 是前向，`output[..., h:]` 是反向 |
# | `h_n` | `(2L, n, h)` | **所有层、最终状态**：第 $l$ 层的前向在下标 $2(l - 1)$ 处，反向在 $2(l - 1) + 1$ 处 |

# %% tags=["hide-input"] id="figure-bidirectional-layout"
utils.show_figure("bidirectional_layout")

# %% [markdown] lang="en" id="layout-text-after"
# <details><summary>The figure in words</summary>For two layers. Left: the tensor output as a strip of T columns that holds the states of layer 2, forward in the upper half and backward in the lower half. Right: h_n and c_n as four numbered slices each: 0 layer 1 forward, 1 layer 1 backward, 2 layer 2 forward, 3 layer 2 backward. A bold wire joins h_n[2] with the forward half of output's last column, another h_n[3] with the backward half of its first column.</details>
#
# The backward direction *ends at the first time step*. **Predict:** in a network of one layer, how many inputs has the backward half of `output[-1]` read?

# %% [markdown] lang="zh" id="layout-text-after"
# <details><summary>图的文字说明</summary>两层的情形。左：张量 output 画成 T 列的长条，存放第 2 层的隐状态，上半是前向，下半是反向。右：h_n 和 c_n 各有四个切片，0 为第 1 层前向，1 为第 1 层反向，2 为第 2 层前向，3 为第 2 层反向。一条粗线把 h_n[2] 与 output 最后一列的前向一半相连，另一条把 h_n[3] 与第一列的反向一半相连。</details>
#
# 反向**结束于第一个时间步**。**猜一猜：** 在单层网络里，`output[-1]` 的反向一半读过几个输入？

# %% id="layout"
L, h = 3, 4
layers = nn.LSTM(d, h, num_layers=L, bidirectional=True)
output, (h_n, c_n) = layers(X)
print("output", tuple(output.shape), "  h_n", tuple(h_n.shape), "  c_n", tuple(c_n.shape))

H = X  # what layer 1 reads
for l in range(1, L + 1):  # layer by layer, in our own code
    layer = BiRNN(nn.LSTMCell, H.shape[-1], h, h)
    for k, cells in enumerate((layer.forward_cells, layer.backward_cells)):
        weights = layers.all_weights[2 * (l - 1) + k]
        with torch.no_grad():
            for parameter, weight in zip(cells[0].parameters(), weights):
                parameter.copy_(weight)
    H, finals = layer(H)
    for k, (H_final, C_final) in enumerate(finals):
        torch.testing.assert_close(h_n[2 * (l - 1) + k], H_final)
        torch.testing.assert_close(c_n[2 * (l - 1) + k], C_final)
torch.testing.assert_close(output, H)
print("h_n, c_n: layer l at 2(l - 1) forward, 2(l - 1) + 1 backward, l = 1, 2, 3; output: layer 3")

# %% [markdown] lang="en" id="trap-text"
# `output` and `h_n` meet in the last layer, at two places:

# %% [markdown] lang="zh" id="trap-text"
# 再看 `output` 与 `h_n` 在最后一层重合的两处：

# %% id="trap"
assert torch.equal(h_n[-2], output[-1, :, :h])  # forward: it ends at t = T
assert torch.equal(h_n[-1], output[0, :, h:])  # backward: it ends at t = 1
assert not torch.isclose(h_n[-1], output[-1, :, h:]).any()  # the trap: here it has only begun

by_layer = h_n.reshape(L, 2, n, h)  # (layer, direction, n, h)
assert torch.equal(by_layer[-1, 1], h_n[-1])

one_layer, changed = nn.GRU(d, h, bidirectional=True), X.clone()
changed[:-1] = torch.randn(T - 1, n, d)  # everything but X_T is another text
before, after = (one_layer(x)[0][-1, :, h:] for x in (X, changed))
unchanged = torch.equal(before, after)
print("all inputs but the last replaced: backward half of output[-1] unchanged?", unchanged)

# %% [markdown] lang="en" id="trap-look"
# One input: $\mathbf{X}_T$. `output[-1]` looks like "the final state", and in a unidirectional network it is. Here its backward half has made a single step. For a summary of the whole sequence take the last two slices of `h_n`.
#
# Compare the picture below: the number in a box counts the steps that its direction has made when it writes this state. Thick frames are final states; the chosen one is filled. The dashed frame is `output[-1]`: its forward half has made all six steps, its backward half a single one. (An LSTM's `c_n` is indexed alike.)

# %% [markdown] lang="zh" id="trap-look"
# 只有一个：$\mathbf{X}_T$。`output[-1]` 看上去像“最终状态”，在单向网络里也确实是。但在这里，它的反向一半只走了一步。要概括整个序列，应取 `h_n` 的最后两个切片。
#
# 在下图中对照一下：方框里的数，是该方向算出这个隐状态时已经走过的步数；粗框是最终状态，选中的那个涂了颜色。虚线框是 `output[-1]`：前向一半走完了全部六步，反向一半只走了一步。（LSTM 的 `c_n`，下标规则相同。）

# %% tags=["hide-input"] id="draw-direction"
DIRECTIONS = {"forward": utils.VERMILION, "backward": utils.GREEN}

def draw_direction(ax, l, direction, chosen, T):
    """Draw the states of layer l in one direction, numbered by step; chosen: the last is filled."""
    k, colour = list(DIRECTIONS).index(direction), DIRECTIONS[direction]
    y, ts = l - 0.45 * k, range(1, T + 1)
    ax.plot([1, T], [y, y], "--" if k == 0 else ":", color=colour, zorder=0)
    ax.text(-0.4, y, f"layer {l}, {direction} {'→←'[k]}", ha="right", va="center")
    x, ha = (T + 0.45, "left") if k == 0 else (0.55, "right")  # beside the final state
    ax.text(x, y, f"h_n[{2 * (l - 1) + k}]", ha=ha, va="center", family="monospace")
    steps = ts if k == 0 else ts[::-1]
    fills = [colour if chosen and step == T else "white" for step in steps]
    widths = [2.5 if step == T else 0.7 for step in steps]
    style = {"marker": "s", "s": 330, "c": fills, "edgecolors": colour, "linewidths": widths}
    ax.scatter(ts, T * [y], **style)
    for t, step, fill in zip(ts, steps, fills):
        ink = "white" if fill == colour else "black"
        ax.text(t, y, step, ha="center", va="center", color=ink)

# %% tags=["hide-input"] id="draw-layout"
import itertools

def draw_layout(layers, layer, direction, T=6):
    """Draw all states of a bidirectional network, and which of them is a slice of h_n."""
    layer = min(layer, layers)
    fig, ax = utils.new_figure(8.4, 3.8, bare=True)
    for l, name in itertools.product(range(1, layers + 1), DIRECTIONS):
        draw_direction(ax, l, name, (l, name) == (layer, direction), T)
    for t in range(1, T + 1):
        ax.text(t, 0.15, f"t = {t}", ha="center")
    ax.bar(T, 0.98, 0.76, layers - 0.7, fill=False, linestyle="--")  # a frame: output[-1]
    ax.text(T, layers + 0.36, "output[-1]", ha="center", family="monospace")
    k, where = (0, "-1, :, :h") if direction == "forward" else (1, "0, :, h:")
    where = f" = output[{where}]" if layer == layers else "   (a lower layer: not in output)"
    title = f"h_n[{2 * (layer - 1) + k}]{where}"
    ax.text(0.8, layers + 0.65, title, family="monospace", weight="bold")
    ax.set(xlim=(-2.3, T + 1.3), ylim=(layers - 3, layers + 0.95))  # as high as three layers
    return fig

draw_layout(2, 2, "backward")

# %% tags=["hide-input"] id="explore-layout"
import ipywidgets as widgets

utils.explore(
    draw_layout,
    layers=widgets.IntSlider(2, min=1, max=3, description="layers"),
    layer=widgets.IntSlider(1, min=1, max=3, description="layer"),
    direction=widgets.Dropdown(options=list(DIRECTIONS), value="backward", description="direction"),
)

# %% [markdown] lang="en" id="cost-text"
# ## What it costs
#
# Two comparisons are fair, in different ways: **equal $h$** (each direction is as large as the single one, which doubles the parameters), and **equal parameters** (both directions are made smaller until the count fits).
# We measure the time of a forward and backward pass, and the memory that autograd, PyTorch's machinery for gradients, keeps between the two: the intermediate results that `backward()` will need. They can be counted as they are saved. **Predict** the ratios before you look.

# %% [markdown] lang="zh" id="cost-text"
# ## 代价
#
# 有两种公平的比法：**$h$ 相同**（每个方向都和单向网络一样大，参数加倍），或**参数量相同**（把两个方向都缩小，直到总数相符）。
# 我们测量前向传播加反向传播的时间，以及自动微分（autograd）在两者之间占用的内存，也就是 `backward()` 要用的中间结果；保存这些结果时，可以逐个清点。看结果之前，先**猜一猜**各项的比值。

# %% id="cost-tools"
import statistics

def num_parameters(module):
    return sum(p.numel() for p in module.parameters())

def size_for(build, budget):
    """The largest num_hiddens for which build(num_hiddens) has at most so many parameters."""
    k = 1
    while num_parameters(build(k + 1)) <= budget:
        k += 1
    return k

# %% id="bytes-kept"
def bytes_kept(module, X):
    """Bytes that autograd keeps for backward() after module(X), apart from the parameters and X."""
    given = {x.untyped_storage().data_ptr() for x in (X, *module.parameters())}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in given:  # each storage counts once; views share it
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = module(X)
    assert result[0].requires_grad  # the graph, and all that it keeps, was alive until here
    return sum(kept.values())

# %% id="cost"
utils.seed_everything(0)
inputs = torch.randn(35, 32, 128)  # (T, n, d)
single = nn.GRU(128, 128)
smaller = size_for(lambda k: nn.GRU(128, k, bidirectional=True), num_parameters(single))
networks = {
    "one direction, h = 128": single,
    "both, h = 128 each": nn.GRU(128, 128, bidirectional=True),
    f"both, h = {smaller} each": nn.GRU(128, smaller, bidirectional=True),
}

def forward_and_backward(network):
    return lambda: network(inputs)[0].sum().backward()

functions = {name: forward_and_backward(network) for name, network in networks.items()}
seconds = utils.seconds_each(functions, rounds=utils.epochs(14))
costs, rows = [], []
for name, network in networks.items():
    ms = 1000 * statistics.median(seconds[name])
    costs.append((num_parameters(network), ms, bytes_kept(network, inputs) / 1e6))
for name, cost in zip(networks, costs):
    texts = f"{cost[0]:,}", f"{cost[1]:.1f}", f"{cost[2]:.2f}"
    ratios = [f"{x / one_direction:.2f} ×" for x, one_direction in zip(cost, costs[0])]
    rows.append([name, texts[0], ratios[0], texts[1], ratios[1], texts[2], ratios[2]])
utils.table(["one layer of GRU", "parameters", "ratio", "ms", "ratio", "MB kept", "ratio"], rows)

# %% [markdown] lang="en" id="cost-look"
# At equal $h$, one layer's parameters, memory and work double. (On a CPU PyTorch runs one direction after the other, although they do not need each other; what that takes on your machine stands under *ms*.) At equal parameters, the memory does not come down to that of one direction: the weights $\mathbf{W}_{hh}$ grow with $h^2$, but the stored results only with $h$, so two smaller networks keep more numbers than one large one of the same parameter count.
# **Predict:** with two layers and equal $h$, is the ratio of the parameters still 2?

# %% [markdown] lang="zh" id="cost-look"
# $h$ 相同时，单层的参数量、内存和计算量都加倍。（两个方向虽然互不依赖，PyTorch 在 CPU 上却是先算完一个再算另一个；在你的机器上要多少时间，见 *ms* 一列。）参数量相同时，内存也回不到单向网络的水平：权重 $\mathbf{W}_{hh}$ 随 $h^2$ 增长，保存的中间结果却只随 $h$ 增长，所以参数量相同时，两个小网络要比一个大网络保存更多的数。
# **猜一猜：** 两层、$h$ 相同时，参数量之比还是 2 吗？

# %% id="cost-layers"
for num_layers in (1, 2, 3, 4):
    one, both = (nn.GRU(128, 128, num_layers, bidirectional=b) for b in (False, True))
    parameters = num_parameters(both) / num_parameters(one)
    memory = bytes_kept(both, inputs) / bytes_kept(one, inputs)
    print(f"L = {num_layers}: {parameters:.2f} times the parameters, {memory:.2f} times the memory")

# %% [markdown] lang="en" id="chain-text"
# ### The chain
#
# From layer 2 on each direction reads $2h$ numbers, so every further layer has nearly three times the parameters of a unidirectional one.
#
# The less visible cost is order. In lesson 1 a state of layer 2 could be computed as soon as the two states before it were there, so the longest chain of steps, each waiting for the one before it, had $T + L - 1$ links. That is also the longest way that a gradient has to go.
# **Predict** the longest chain of a *bidirectional* network with $L$ layers.
#
# We count it with the lesson's own code, by putting in a cell that computes nothing: it adds 1 to the longest chain among what it reads.

# %% [markdown] lang="zh" id="chain-text"
# ### 最长的链
#
# 从第 2 层起，每个方向都要读 $2h$ 个数，所以以后每一层的参数都接近单向时的三倍。
#
# 还有一种代价不那么显眼：先后次序。在第 1 课里，第 2 层的隐状态只要等它所需的两个隐状态算好，就能计算；一步等一步，最长的链有 $T + L - 1$ 环，这也是梯度要走的最长的路。
# **猜一猜：** $L$ 层的**双向**网络，最长的链有多长？
#
# 我们用本课自己的代码来数：换上一个什么也不算的单元，它只把读到的最长链长加 1。

# %% id="chain"
class ChainCounter(nn.Module):
    """Stands in for a cell; its "state" (n, 1) is the length of the longest chain to it."""

    def __init__(self, num_inputs, num_hiddens):
        super().__init__()

    def forward(self, X_t, state):
        longest = X_t.amax(dim=1, keepdim=True)  # (n, d) -> (n, 1)
        return 1 + (longest if state is None else torch.maximum(longest, state))

def chains(L, T, bidirectional):
    """The longest chain of steps that leads to the output at each t = 1, ..., T, (T,)."""
    H = torch.zeros(T, 1, 1)  # the inputs: no step yet
    if bidirectional:
        return BiRNN(ChainCounter, 1, 1, 1, L)(H)[0].amax(dim=(1, 2))
    for _ in range(L):
        H, _ = run_forward(ChainCounter(1, 1), H)
    return H.amax(dim=(1, 2))

for bidirectional in (False, True):
    counted = {L: int(chains(L, 35, bidirectional).max()) for L in (1, 2, 3, 4)}
    assert counted == {L: L * 35 if bidirectional else 35 + L - 1 for L in counted}
    print(f"T = 35, bidirectional={bidirectional!s:<6} layers: longest chain {counted}")

# %% [markdown] lang="en" id="chain-look"
# $L \cdot T$: in either direction, the first step of layer 2 reads what the *opposite* direction of layer 1 makes in its last step. Each further layer, which lengthened the unidirectional chain by one link, now costs a whole sweep. And there can be no output at all before the **last input has arrived**: a bidirectional network cannot caption speech while you speak.
#
# The next figure shows the longest chain to each output: in one direction it grows by one link per time step; in two it is longest at both ends and shortest in the middle.

# %% [markdown] lang="zh" id="chain-look"
# 是 $L \cdot T$：第 2 层无论哪个方向，第一步都要用到第 1 层**相反**方向的最后一步。单向时每多一层，链只长一环；现在每多一层，就要从头到尾再扫一遍。而且，**最后一个输入到来之前**，网络什么也不能输出：双向网络没法一边听你说话，一边给出字幕。
#
# 下一幅图画出通向每个输出的最长链：单向时，每过一个时间步就长一环；双向时，两端最长，中间最短。

# %% tags=["hide-input"] id="draw-chains"
def draw_chains(L, T):
    """Draw the longest chain that leads to the output of each time step."""
    fig, ax = utils.new_figure(7.5, 2.8, place=(0.08, 0.18, 0.56, 0.7))
    styles = {"bidirectional": ("s--", utils.VERMILION), "unidirectional": ("o-", utils.BLUE)}
    for name, (style, colour) in styles.items():
        length = chains(L, T, name == "bidirectional")
        label = f"{name}: at most {int(length.max())}"
        ax.plot(range(1, T + 1), length, style, color=colour, markersize=3, label=label)
    ax.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    ax.set_title(f"longest chain that leads to Oₜ   (L = {L}, T = {T})")
    ax.set(xlabel="time step t", ylabel="steps", ylim=(0, None))
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return fig

draw_chains(L=3, T=12)

# %% tags=["hide-input"] id="explore-chains"
utils.explore(
    draw_chains,
    L=widgets.IntSlider(2, min=1, max=6, description="layers L"),
    T=widgets.IntSlider(20, min=2, max=60, description="steps T"),
)

# %% [markdown] lang="en" id="fill-text"
# ## Use 1: fill in the blank
#
# `the _ime traveller`: which letter is missing? What stands on the left leaves it open; what stands on the right helps. This time we use all of *The Time Machine*, its lines joined with a space (the D2L text of the other lessons joins them without one). The last 10,000 characters are held out: a validation set, though nothing is chosen by it. All before them is trained on, the other lessons' held-out and test text too, on which no network of this lesson is scored.
#
# The network must not see the character that it is asked for. So at step $j$ the output layer gets the forward state *before* $j$ and the backward state *after* $j$, as in lesson 4:
#
# $$\mathbf{O}_j = \big[\overrightarrow{\mathbf{H}}_{j-1},\ \overleftarrow{\mathbf{H}}_{j+1}\big] \mathbf{W}_{hq} + \mathbf{b}_q .$$
#
# For one layer in each direction, as here, that is the same as cutting $x_j$ out and reading up to the hole from both sides, but one run in each direction answers for every $j$ of the window at once. Without the backward half the network predicts the next character, as in lesson 2.

# %% [markdown] lang="zh" id="fill-text"
# ## 用途一：填空
#
# `the _ime traveller`：缺了哪个字母？只看左边定不下来，右边也能帮上忙。这次用《时间机器》全书，各行之间用空格连接（其他各课的 D2L 文本不加空格）。最后 10,000 个字符作为留出文本，也就是验证集，不过本课并不用它来做选择；之前的全部用来训练，包括其他各课的留出文本和测试集，本课的网络都不在那上面评分。
#
# 网络不能看到要它猜的那个字符。所以与第 4 课一样，在第 $j$ 步，输出层拿到的是 $j$ **之前**的前向隐状态和 $j$ **之后**的反向隐状态：
#
# $$\mathbf{O}_j = \big[\overrightarrow{\mathbf{H}}_{j-1},\ \overleftarrow{\mathbf{H}}_{j+1}\big] \mathbf{W}_{hq} + \mathbf{b}_q .$$
#
# 像这里每个方向只有一层时，这等于挖掉 $x_j$，从两边一直读到空缺处为止；不过只要两个方向各运行一遍，窗口里的每个 $j$ 就都有了答案。去掉反向的一半，就和第 2 课一样，是在预测下一个字符。

# %% id="fill-data"
from d2l import torch as d2l

text = " ".join(line for line in d2l.read_time_machine() if line)
characters = sorted(set(text))  # the space and 26 letters
q = len(characters)
ids = torch.tensor([characters.index(c) for c in text])
# a window of 31 characters begins at every character: (windows, 31)
train_windows, held_out_windows = (part.unfold(0, 31, 1) for part in (ids[:-10_000], ids[-10_000:]))
print(q, "characters;", *(f"windows {tuple(w.shape)}" for w in (train_windows, held_out_windows)))
print(repr("".join(characters[i] for i in held_out_windows[500])))

# %% id="fill-in"
class FillIn(nn.Module):
    """Scores for every character, from the others only: token indices (T, n) -> (T, n, q)."""

    def __init__(self, num_hiddens, bidirectional):
        super().__init__()
        self.past = nn.GRU(q, num_hiddens)
        self.future = nn.GRU(q, num_hiddens) if bidirectional else None
        self.output = nn.Linear(num_hiddens * (2 if bidirectional else 1), q)  # W_hq, b_q

    def forward(self, tokens):
        X = F.one_hot(tokens, q).float()  # (T, n, q)
        zero = X.new_zeros(1, X.shape[1], self.past.hidden_size)
        H = torch.cat([zero, self.past(X[:-1])[0]])  # (T, n, h): at j the forward state of j - 1
        if self.future is not None:
            H_b = self.future(X[1:].flip(0))[0].flip(0)  # (T - 1, n, h): of steps 2, ..., T
            H_b = torch.cat([H_b, zero])  # (T, n, h): at j the backward state of j + 1
            H = torch.cat([H, H_b], dim=-1)  # (T, n, 2h)
        return self.output(H)

# %% [markdown] lang="en" id="fill-check-text"
# The slow form asks for one $j$ at a time: read what is left of the hole from the left, what is right of it from the right, and combine the two final states. Both forms must agree. The second check is the important one: change the hidden character, and nothing may move.

# %% [markdown] lang="zh" id="fill-check-text"
# 慢的写法一次只问一个 $j$：空缺左边的部分从左往右读，右边的部分从右往左读，再合并两个最终状态。两种写法的结果必须一致。第二项检查更要紧：改动被挖掉的字符，结果一点也不能变。

# %% id="fill-check"
utils.seed_everything(0)
model, tokens = FillIn(16, bidirectional=True), train_windows[:4].T  # (T, n)
O, X_hot = model(tokens), F.one_hot(tokens, q).float()
for j in range(1, 30):  # counted from 0; both sides have at least one character
    H_f = model.past(X_hot[:j])[1][-1]  # (n, h), and so is H_b
    H_b = model.future(X_hot[j + 1 :].flip(0))[1][-1]
    torch.testing.assert_close(O[j], model.output(torch.cat([H_f, H_b], dim=-1)))

for j in (14, 15, 16):
    changed = tokens.clone()
    changed[j] = (changed[j] + 1) % q
    moved = (model(changed)[15] - O[15]).abs().max()
    print(f"x_{j + 1} changed: the scores for x_16 move by {moved:.3f}")

# %% [markdown] lang="en" id="fill-train-text"
# Now a race between two networks with the same minibatches and **the same number of parameters** (as nearly as whole hidden units allow; the bidirectional one never has more): 128 hidden units in one direction, or fewer in each of the two. They train on every position of windows of 31 characters; the plot shows how well they guess the one in the centre, with 15 on each side.
# **Predict:** on held-out text, how many centre characters out of 100 does each get right?

# %% [markdown] lang="zh" id="fill-train-text"
# 现在让两个网络比赛，小批量相同，**参数量也相同**（隐藏单元数只能取整数，所以只能尽量接近，而且双向网络的参数绝不更多）：一个是单向，128 个隐藏单元；另一个是双向，每个方向少一些。窗口长 31 个字符，其中每个位置都用来训练；图中画的是正中那个字符猜得怎么样，它的左右各有 15 个字符。
# **猜一猜：** 在留出文本上，每 100 个正中的字符，两个网络各能猜对几个？

# %% id="centre-scores"
import math

def centre_scores(model, windows):
    """Perplexity and accuracy for the centre characters of windows (windows, 31)."""
    with torch.no_grad():
        parts = [model(part.T)[15] for part in windows.split(500)]  # small ones need less memory
    O = torch.cat(parts)  # (windows, q)
    Y = windows[:, 15]
    return F.cross_entropy(O, Y).exp().item(), (O.argmax(dim=1) == Y).float().mean().item()

# %% id="train-fill-in"
def train_fill_in(model, lr=0.01, num_records=18, seed=0):
    """Train on minibatches of 32 windows; every 30, yield (minibatch, perplexity, held-out)."""
    updater = torch.optim.Adam(model.parameters(), lr)
    generator = torch.Generator().manual_seed(seed)  # of the minibatches
    losses = []
    for record in range(1, utils.epochs(num_records) + 1):
        for _ in range(30):
            chosen = torch.randint(len(train_windows), (32,), generator=generator)
            tokens = train_windows[chosen].T  # (T, n)
            O = model(tokens)  # (T, n, q)
            updater.zero_grad()
            F.cross_entropy(O.flatten(0, 1), tokens.flatten()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            updater.step()
            losses.append(F.cross_entropy(O[15].detach(), tokens[15]).item())
        held_out, _ = centre_scores(model, held_out_windows[::10])  # every tenth, to be quick
        yield 30 * record, math.exp(statistics.mean(losses[-30:])), held_out

# %% id="fill-race"
utils.seed_everything(0)
one_side = FillIn(128, bidirectional=False)
half = size_for(lambda k: FillIn(k, bidirectional=True), num_parameters(one_side))
both_sides = FillIn(half, bidirectional=True)
fillers = {"unidirectional": one_side, "bidirectional": both_sides}
for name, model in fillers.items():
    print(f"{name}: {num_parameters(model):,} parameters, h = {model.past.hidden_size}")
plot = utils.LivePlot(540, "perplexity of the centre character", xlabel="minibatch")
plot.race({name: train_fill_in(model) for name, model in fillers.items()});

# %% tags=["hide-input"] id="fill-result"
rows = []
for name, model in fillers.items():
    perplexity, accuracy = centre_scores(model, held_out_windows)
    numbers = f"{num_parameters(model):,}", f"{perplexity:.2f}", f"{100 * accuracy:.1f} %"
    rows.append([name, *numbers])
share = (held_out_windows[:, 15] == 0).float().mean()
rows.append(["always the space", "0", "", f"{100 * share:.1f} %"])
utils.table(["held-out, centre character", "parameters", "perplexity", "right"], rows)

# %% id="fill-runs"
# one race may be luck: the same from six random starts
def over_starts(build, train, score, num_starts=6):
    """score(model) after training from each start, which has minibatches of its own."""
    results = []
    for seed in range(num_starts):
        utils.seed_everything(seed)
        model = build()
        for _ in train(model, seed=seed):
            pass
        results.append(round(score(model), 4))
    return results

def record_fill_in():
    for build in (lambda: FillIn(128, False), lambda: FillIn(half, True)):
        yield over_starts(build, train_fill_in, lambda m: centre_scores(m, held_out_windows)[0])

rows, about = utils.recorded("fill_in", record_fill_in)
fill_perplexities = dict(zip(fillers, rows))
for name, values in fill_perplexities.items():
    ends = f"{min(values):.2f} to {max(values):.2f}"
    print(f"{about['origin']}, {len(values)} starts: {name}, perplexity {ends}")
utils.ranking(fill_perplexities)

# %% [markdown] lang="en" id="fill-look"
# Same text, same minibatches, no more parameters; only the right half of the window was added, and the worst start with it is far better than the best one without. (The dashed curves score every tenth held-out window, the table and the six starts all of them.)
#
# The next figure shows what both networks think of a blank, with a pair of bars for each character: plain for the unidirectional network, hatched for the bidirectional one (`␣` is the space). The text is from the held-out part. Many letters can follow `he swept `, so the first spreads its guesses; few of them also fit what comes after.
# **Predict:** which of the two will be right about `gratitude and a mutual _enderness`, `i could see the d_stance`, `he said that _e was`, `the _ime traveller`? The cell below the figure says it, and how often the whole text stands in the training text: where that is 0, it was not learnt by heart as a whole. Then type a text of your own, with one blank `_`.

# %% [markdown] lang="zh" id="fill-look"
# 文本相同，小批量相同，参数也不比对手多；只是加上了窗口的右半边，最差的一次也远胜过没有右半边时最好的一次。（虚线只给每十个留出窗口中的一个评分，表和六个起点则用了全部窗口。）
#
# 下一幅图画出两个网络对一个空缺的看法：每个字符一对柱子，素色的是单向网络，带斜线的是双向网络（`␣` 表示空格）。这句话取自留出文本。`he swept ` 后面可以接许多字母，所以前者的猜测很分散；与后文也相合的却没有几个。
# **猜一猜：** 对 `gratitude and a mutual _enderness`、`i could see the d_stance`、`he said that _e was`、`the _ime traveller`，哪个网络填得对？图下面的单元格给出答案，还给出整段文字在训练文本中出现的次数：次数为 0，就不是整句背下来的。然后输入你自己的文字，缺的那个字符写成 `_`（只能有一个）。

# %% tags=["hide-input"] id="draw-blank"
import re

def fill_blank(model, sentence):
    """P(character at the blank | the rest), (q,), for a text with one _ in it."""
    sentence = re.sub(r"[^\w]+", " ", sentence.lower())  # as in the book: only letters and spaces
    utils.require(sentence.count("_") == 1, "sentence", sentence, "text with exactly one blank, _")
    utils.require(len(sentence) > 1, "sentence", sentence, "more than the blank alone")
    unknown = sorted(set(sentence) - set(characters) - {"_"})
    allowed = f"made of letters, spaces and one _ (not {unknown})"
    utils.require(not unknown, "sentence", sentence, allowed)
    tokens = torch.tensor([[0 if c == "_" else characters.index(c)] for c in sentence])  # (T, 1)
    with torch.no_grad():
        return torch.softmax(model(tokens)[sentence.index("_"), 0], dim=0)

def draw_blank(sentence):
    """Draw what both networks think of the blank."""
    shown, heights = ["␣", *characters[1:]], {}
    for name, model in fillers.items():
        P = fill_blank(model, sentence)
        heights[f"{name}: {shown[P.argmax()]}, {P.max():.2f}"] = P
    fig, ax = utils.draw_bars(shown, heights)
    ax.set(ylim=(0, 1), ylabel="P", title=f"P( _ | {sentence.lower()!r} )")
    ax.set_xlabel("character", labelpad=18)
    ax.legend(loc="upper right", frameon=False)
    return fig

draw_blank("he swept _ack into the past")

# %% id="blanks"
asked = {"he swept _ack into the past": "b", "gratitude and a mutual _enderness": "t"}
asked |= {"i could see the d_stance": "i", "he said that _e was": "h", "the _ime traveller": "t"}
rows = []
for sentence, letter in asked.items():
    P = {name: fill_blank(model, sentence) for name, model in fillers.items()}
    guesses = [f"{characters[p.argmax()]}, {p.max():.2f}" for p in P.values()]
    times = text[:-10_000].count(sentence.replace("_", letter))
    rows.append([sentence, letter, *guesses, times])
utils.table(["text", "missing", *fillers, "in the training text"], rows)

# %% tags=["hide-input"] id="explore-blank"
utils.explore(
    draw_blank,
    sentence=widgets.Text(
        "i could see the d_stance", description="text", layout={"width": "480px"}
    ),
)

# %% [markdown] lang="en" id="tag-text"
# ## Use 2: tag every token
#
# Chinese and Thai are written without spaces between words, so the first step of many programs is to find the words. We can pose the same task here: take the spaces out of the book, and **tag** each letter: does a word end here, yes (1) or no (0)? Input and output are equally long, and the letter itself may be read, so this is the plain bidirectional network, $\mathbf{O}_t$ from $\mathbf{H}_t$.

# %% [markdown] lang="zh" id="tag-text"
# ## 用途二：给每个词元做标注
#
# 中文和泰文书写时词与词之间没有空格，所以许多程序的第一步就是分词。这里也可以出一道同样的题：去掉书中的空格，给每个字母做**标注**：一个单词是否在此结束，是（1）或否（0）？输入与输出一样长，当前字母本身也可以读，所以用的就是普通的双向网络，由 $\mathbf{H}_t$ 算出 $\mathbf{O}_t$。

# %% id="tag-data"
def without_spaces(text):
    """Letters as indices 0 to 25, and tags (1 where a word ends): LongTensors of equal length."""
    words = text.split()
    tags = [int(i == len(word) - 1) for word in words for i in range(len(word))]
    return torch.tensor([ord(c) - ord("a") for c in "".join(words)]), torch.tensor(tags)

def with_bars(letters, tags, bar="|"):
    """The text with a bar after every letter that is tagged 1."""
    return "".join(chr(ord("a") + c) + bar * t for c, t in zip(letters.tolist(), tags.tolist()))

# %% id="check-tags"
cut = text.index(" ", len(text) - 10_000)  # between two words
train_letters, train_tags = without_spaces(text[:cut])
held_out_letters, held_out_tags = without_spaces(text[cut:])
assert with_bars(held_out_letters, held_out_tags, " ").split() == text[cut:].split()
print(f"{len(train_letters):,} letters to train on, {len(held_out_letters):,} held out")
print(with_bars(held_out_letters[95:176], held_out_tags[95:176]))

# %% [markdown] lang="en" id="tag-why"
# Why is one side not enough? After `the` in the unspaced text a word may end; but if `re` follows, it may be `there` or the beginning of `the red`, and if `nex` follows, it may be `the next` or `then ex`... The tag of a letter often depends on the letters to its **right**.
# **Predict:** how often would a tagger be right if it always said no?

# %% [markdown] lang="zh" id="tag-why"
# 为什么只看一边不够？在没有空格的文本里，读到 `the` 时单词可能结束了；可是如果后面是 `re`，它也许是 `there`，也许是 `the red` 的开头；如果后面是 `nex`，它也许是 `the next`，也许是 `then ex`……一个字母该怎么标，常常取决于它**右边**的字母。
# **猜一猜：** 一律回答“否”，正确率是多少？

# %% id="tagger"
class Tagger(nn.Module):
    """Two scores for every letter, "no word ends here" and "one does": (T, n) -> (T, n, 2)."""

    def __init__(self, num_hiddens, bidirectional):
        super().__init__()
        self.rnn = nn.GRU(26, num_hiddens, bidirectional=bidirectional)
        self.output = nn.Linear(num_hiddens * (2 if bidirectional else 1), 2)

    def forward(self, letters):
        H, _ = self.rnn(F.one_hot(letters, 26).float())  # (T, n, h) or (T, n, 2h)
        return self.output(H)

# %% [markdown] lang="en" id="tag-f1"
# Accuracy flatters here, because most letters end no word. **F1** looks only at the word ends: twice the number found correctly, divided by the number tagged plus the number that are really there. It is 1 if the two agree everywhere and 0 if no word end is found.
#
# The race is set up as before: the same minibatches, and no more parameters for the bidirectional network. **Watch** the dashed curves, the share of held-out letters that are tagged wrongly.

# %% [markdown] lang="zh" id="tag-f1"
# 在这里，正确率显得过于好看，因为大多数字母都不是词尾。**F1** 只看词尾：正确找到的个数乘以 2，再除以标出的个数与真实个数之和。两者处处一致时为 1，一个词尾也没找到时为 0。
#
# 比法与前面一样：小批量相同，双向网络的参数不多于单向网络。**请盯住**虚线，即留出字母中标错的比例。

# %% id="tag-scores"
def scores(predicted, tags):
    """Accuracy, and F1 of the tag 1."""
    found = (predicted & tags).sum().item()  # word ends that were tagged as such
    accuracy = (predicted == tags).float().mean().item()
    return accuracy, 2 * found / (predicted.sum() + tags.sum()).item()

def tag(model, letters):
    with torch.no_grad():
        return model(letters[:, None])[:, 0].argmax(dim=1)  # (T, 1, 2) -> (T,)

# %% id="wrong-in-windows"
def wrong_in_windows(model):
    """The share of held-out letters tagged wrongly, in windows of 50 letters as in training."""
    X, Y = (part.unfold(0, 50, 50) for part in (held_out_letters, held_out_tags))  # (windows, 50)
    with torch.no_grad():
        return (model(X.T).argmax(dim=-1) != Y.T).float().mean().item()

# %% id="train-tagger"
def train_tagger(model, lr=0.01, num_records=20, seed=0):
    """Train on minibatches of 32 windows; every 20, yield (minibatch, training, held-out)."""
    updater = torch.optim.Adam(model.parameters(), lr)
    generator = torch.Generator().manual_seed(seed)  # of the minibatches
    X, Y = (part.unfold(0, 50, 1) for part in (train_letters, train_tags))  # (windows, 50)
    for record in range(1, utils.epochs(num_records) + 1):
        right = []
        for _ in range(20):
            chosen = torch.randint(len(X), (32,), generator=generator)
            O, tags = model(X[chosen].T), Y[chosen].T  # (T, n, 2), (T, n)
            updater.zero_grad()
            F.cross_entropy(O.flatten(0, 1), tags.flatten()).backward()
            updater.step()
            right.append((O.argmax(dim=-1) == tags).float().mean().item())
        yield 20 * record, 1 - statistics.mean(right), wrong_in_windows(model)

# %% id="tag-race"
utils.seed_everything(0)
one_way = Tagger(64, bidirectional=False)
both_ways = Tagger(size_for(lambda k: Tagger(k, True), num_parameters(one_way)), bidirectional=True)
taggers = {"unidirectional": one_way, "bidirectional": both_ways}
plot = utils.LivePlot(
    400, "letters tagged wrongly", xlabel="minibatch", ylabel="share", ylim=(0.03, 0.4)
)
plot.race({name: train_tagger(model) for name, model in taggers.items()});

# %% tags=["hide-input"] id="tag-result"
predictions = {name: tag(model, held_out_letters) for name, model in taggers.items()}
for name, tags in {**predictions, "the book": held_out_tags}.items():
    print(f"{name:<15}", with_bars(held_out_letters[95:176], tags[95:176]))
predictions["always no"] = torch.zeros_like(held_out_tags)
letters = with_bars(held_out_letters, 0 * held_out_tags)
after_the = torch.tensor([i for i in range(2, len(letters)) if letters[i - 2 : i + 1] == "the"])
rows = []
for name, predicted in predictions.items():
    accuracy, f1 = scores(predicted, held_out_tags)
    right = (predicted == held_out_tags)[after_the].float().mean()
    size = f"{num_parameters(taggers[name]):,}" if name in taggers else ""
    rows.append([name, size, f"{100 * accuracy:.1f} %", f"{f1:.3f}", f"{100 * right:.1f} %"])
head = ["held-out letters", "parameters", "right", "F1", f"right at {len(after_the)} times t-h-e"]
utils.table(head, rows)

# %% [markdown] lang="en" id="tag-look"
# On the dashed curves the bidirectional network ends with about half as many mistakes as the other. The last column of the table looks only at the `e` where the letters t, h, e follow each other: mostly the word `the`, but also part of `then`, `there`, `other`. The unidirectional tagger has to decide at the `e`, before it has seen the rest.
# See in the printed lines what each of the two made of `then`.
#
# The next figure shows `there was the machine` without its spaces. A bar is the probability that a word ends there, plain for the unidirectional tagger and hatched for the bidirectional one; from 0.5 on, the dotted line, the answer is yes. At the first `the`, the beginning of `there`, only the unidirectional one says yes; at the second, a word of its own, both do. Below it you can try letters of your own.

# %% [markdown] lang="zh" id="tag-look"
# 从虚线看，训练结束时，双向网络标错的字母约为单向网络的一半。表中最后一列只看 t、h、e 三个字母相连时的那个 `e`：多数是单词 `the`，也有 `then`、`there`、`other` 的一部分。单向网络读到 `e` 就得决定，而后面的字母还没看到。
# 看看上面打印的几行里，两个网络各是怎样处理 `then` 的。
#
# 下一幅图画的是去掉空格的 `there was the machine`。柱高表示单词在此结束的概率，素色的是单向网络，带斜线的是双向网络；达到 0.5（点线），就回答“是”。在第一个 `the` 处（它是 `there` 的开头），只有单向网络回答“是”；在第二个 `the` 处（它自成一词），两个都回答“是”。在图的下面，可以输入自己的字母。

# %% tags=["hide-input"] id="draw-ends"
def draw_ends(letters):
    """Draw, for every letter of an unspaced text, the probability that a word ends there."""
    letters = re.sub(r"[\W_]+", "", letters.lower())
    allowed = 0 < len(letters) <= 40 and set(letters) <= set(characters)
    utils.require(allowed, "letters", letters, "1 to 40 letters a to z")
    X = without_spaces(letters)[0][:, None]  # (T, 1)
    with torch.no_grad():  # (T, 1, 2) -> (T,)
        heights = {name: model(X)[:, 0].softmax(dim=1)[:, 1] for name, model in taggers.items()}
    fig, ax = utils.draw_bars(letters, heights)
    ax.axhline(0.5, color="0.3", linestyle=":")
    ax.set(ylim=(0, 1.3), ylabel="P(a word ends here)")
    ax.set_xlabel("letter", labelpad=18)
    ax.legend(loc="upper right", ncols=2, frameon=False)
    return fig

draw_ends("therewasthemachine")

# %% tags=["hide-input"] id="explore-ends"
utils.explore(
    draw_ends,
    letters=widgets.Text(
        "andthenhesawthenextmorning", description="letters", layout={"width": "480px"}
    ),
)

# %% [markdown] lang="en" id="late-text"
# ### Or answer later
#
# Is it the second direction that helps, or just to have seen what follows? One direction can see it as well, if it may answer $k$ letters **late**: the scores for letter $t$ are read off $\overrightarrow{\mathbf{H}}_{t+k}$, and no parameter is added.
# **Predict:** how large must $k$ be to come near two directions?

# %% [markdown] lang="zh" id="late-text"
# ### 或者，晚一点再回答
#
# 有用的究竟是第二个方向，还是看到了后面的字母？单向网络也能看到后面，只要允许它**晚** $k$ 个字母回答：第 $t$ 个字母的得分由 $\overrightarrow{\mathbf{H}}_{t+k}$ 算出，参数一个也不增加。
# **猜一猜：** $k$ 要多大，才能接近两个方向？

# %% id="late-tagger"
class LateTagger(Tagger):
    """Reads in one direction; answers for a letter when it has read `delay` more: (T, n, 2)."""

    def __init__(self, num_hiddens, delay):
        super().__init__(num_hiddens, bidirectional=False)
        self.delay = delay

    def forward(self, letters):
        X = F.one_hot(letters, 26).float()
        X = F.pad(X, (0, 0, 0, 0, 0, self.delay))  # (T + k, n, 26): k empty inputs at the end
        H, _ = self.rnn(X)
        return self.output(H[self.delay :])  # (T, n, h): of steps 1 + k, ..., T + k

# %% id="late-runs"
builds = {f"k = {k}": lambda k=k: LateTagger(64, k) for k in (0, 1, 2, 3, 6)}
builds["both directions"] = lambda: Tagger(both_ways.rnn.hidden_size, bidirectional=True)

def f1_of(model):
    return scores(tag(model, held_out_letters), held_out_tags)[1]

rows, about = utils.recorded(
    "delayed_tagger",
    lambda: (over_starts(build, train_tagger, f1_of) for build in builds.values()),
)
late_f1 = dict(zip(builds, rows))
utils.ranking(late_f1, lower_is_better=False)
utils.draw_spread(late_f1, f"F1, held-out letters, {len(rows[0])} starts each ({about['origin']})")

# %% [markdown] lang="en" id="late-look"
# Three letters: at $k = 3$ the two are not told apart. So what the second direction brought was the next few letters, and one direction that waits has those as well. It can even **stream**, three letters behind. But $k$ must be chosen: at 2 there is less to see, and at 6 so short a training ends lower again, for the letter in question has to be carried on through six more steps. Two directions have no $k$, but answer only when the whole text is there.

# %% [markdown] lang="zh" id="late-look"
# 三个字母：$k = 3$ 时，两者分不出高下。可见第二个方向带来的，就是后面那几个字母，而单向网络只要肯等，同样看得到。它还能**边读边答**，只晚三个字母。不过 $k$ 要选好：$k = 2$ 时看得不够；$k = 6$ 时要把待标的字母再带上六步，这么短的训练学得不够好。双向网络没有 $k$ 要选，却要等整段文本到齐才能回答。

# %% [markdown] lang="en" id="encode-text"
# ## Use 3: encode a sequence
#
# A classifier wants *one* vector that stands for the whole sequence. So does a translation system, where an **encoder** reads the sentence and hands such a vector to a **decoder**, which writes the translation. Candidates of $2h$ numbers: both directions' **final states** (the last two slices of `h_n`), the **mean** or the **maximum** of `output` over time, and, by mistake, **`output[-1]`**.
#
# Two tests, with sequences of 30 random letters out of 8. Say from the one vector which letter was the **first**, and which the **last**; or say which one was **marked**, by a 1 beside its one-hot vector, at a random place. Blind guessing gets 1/8 right. **Predict:** which vector is good for which?

# %% [markdown] lang="zh" id="encode-text"
# ## 用途三：对序列编码
#
# 分类器需要用**一个**向量来代表整个序列。机器翻译系统也是如此：**编码器**读完句子，把这样的向量交给写译文的**解码器**。候选的向量都是 $2h$ 个数：两个方向的**最终状态**（`h_n` 的最后两个切片）、`output` 对时间的**平均**或**最大值**，以及误用的 **`output[-1]`**。
#
# 测试有两种，序列都由 30 个随机字母组成，字母共有 8 种。只凭这一个向量，说出**第一个**字母和**最后一个**字母各是什么；或者说出**带标记**的是哪个字母，它的位置是随机的，独热向量旁边多了一个 1。盲猜的正确率是 1/8。**猜一猜：** 哪种向量适合哪种测试？

# %% id="encode-tools"
READOUTS = {
    "h_n[-2:]": lambda output, h_n: torch.cat([h_n[-2], h_n[-1]], dim=-1),  # (n, 2h)
    "output.mean(0)": lambda output, h_n: output.mean(dim=0),
    "output.amax(0)": lambda output, h_n: output.amax(dim=0),
    "output[-1]": lambda output, h_n: output[-1],
}

def letters_to_read(marked, T=30, n=64, num_letters=8):
    """Inputs (T, n, 8 + 1), and the letters to name: (1, n) the marked one, or (2, n) both ends."""
    tokens, mark = torch.randint(num_letters, (T, n)), torch.zeros(T, n)
    place = torch.randint(T, (1, n))
    if marked:
        mark.scatter_(0, place, 1.0)
    X = torch.cat([F.one_hot(tokens, num_letters), mark[..., None]], dim=-1)  # (T, n, 9)
    return X, tokens.gather(0, place) if marked else tokens[[0, -1]]

# %% id="train-encoder"
def train_encoder(readout, marked, seed=0, num_minibatches=120):
    """Train to name the letters; return how often each was named rightly, at the end."""
    utils.seed_everything(seed)
    rnn, num_answers = nn.GRU(9, 32, bidirectional=True), 1 if marked else 2
    W = nn.Linear(64, 8 * num_answers)
    updater = torch.optim.Adam([*rnn.parameters(), *W.parameters()], 0.01)
    right = []
    for _ in range(utils.epochs(num_minibatches)):
        X, Y = letters_to_read(marked)  # new ones every time
        O = W(readout(*rnn(X))).unflatten(1, (num_answers, 8))  # (n, 2h) -> (n, answers, 8)
        right.append((O.argmax(dim=-1) == Y.T).float().mean(dim=0))  # before it learns
        updater.zero_grad()
        F.cross_entropy(O.flatten(0, 1), Y.T.flatten()).backward()
        updater.step()
    return [round(x, 4) for x in torch.stack(right[-10:]).mean(dim=0).tolist()]

# %% id="encode"
def first_last_marked(readout, seed=0):
    """How often the first, the last and the marked letter were named rightly."""
    return train_encoder(readout, False, seed) + train_encoder(readout, True, seed)

def record_encoders():
    for readout in READOUTS.values():
        results = [first_last_marked(readout, seed) for seed in range(6)]
        yield from zip(*results)  # six starts: first letter, last letter, marked letter

right, about = utils.recorded("encoders", record_encoders)  # (3 * 4, 6)
rows = []
for i, name in enumerate(READOUTS):
    starts = right[3 * i : 3 * i + 3]
    rows.append([name, *(f"{100 * min(r):.0f} to {100 * max(r):.0f} %" for r in starts)])
for k, letter in ((0, "first"), (2, "marked")):
    print(f"{letter} letter, {len(right[0])} starts ({about['origin']})")
    utils.ranking(dict(zip(READOUTS, right[k::3])), lower_is_better=False)
for name in ("h_n[-2:]", "output[-1]"):
    here = " ".join(f"{accuracy:4.0%}" for accuracy in first_last_marked(READOUTS[name]))
    print(f"trained here: {name:<10} first, last, marked {here}")
head = [f"right, six starts ({about['origin']})", "first letter", "last letter", "marked letter"]
utils.table(head, rows)

# %% [markdown] lang="en" id="encode-look"
# `output[-1]` does not know the first letter: its backward half has never seen it, and its forward half would have to carry it through 29 more steps, which is not learnt in so short a training. In `h_n` the backward direction has read it in its very last step. But to ask for the ends favours `h_n`: a marked letter mostly stands far from both. There the mean, which reads every step, is told apart as better, and the maximum, where one step can stand out, as better still; it made no mistake in either test.
#
# An encoder for machine translation has one more thing to watch. In a minibatch of sentences of different lengths, the short ones are padded (filled up to the same length), so the forward direction ends in the padding, and **the backward direction even begins there**. `pack_padded_sequence` tells the layer where each sequence ends:

# %% [markdown] lang="zh" id="encode-look"
# `output[-1]` 不知道第一个字母：它的反向一半从没见过那个字母，前向一半则要带着它再走 29 步，这么短的训练学不会。而在 `h_n` 里，反向在最后一步刚刚读过它。不过，只问两端本来就对 `h_n` 有利：带标记的字母大多离两端很远。这时，读取每一步的平均明显胜过它；最大值能让某一步突显出来，又胜过平均，两种测试都没有答错过。
#
# 机器翻译的编码器还有一点要当心：小批量里的句子长短不一，短句要填充到同样的长度，于是前向最后读的是填充的部分，**反向更是从填充的部分读起**。`pack_padded_sequence` 会告诉循环层每个序列在哪里结束：

# %% id="padding"
from torch.nn.utils.rnn import pack_padded_sequence

utils.seed_everything(0)
encoder, lengths = nn.GRU(3, 4, bidirectional=True), torch.tensor([6, 4])
padded = torch.randn(6, 2, 3)  # (T, n, d)
padded[4:, 1] = 0  # the second sequence has only four steps
alone = encoder(padded[:4, 1:])[1][:, 0]  # (2, h), without padding: what we want
naive = encoder(padded)[1][:, 1]
packed = encoder(pack_padded_sequence(padded, lengths))[1][:, 1]
for name, states in (("padded", naive), ("packed", packed)):
    same_as_alone = [torch.allclose(a, b, atol=1e-6) for a, b in zip(states, alone)]
    print(f"{name}: forward and backward final state as without padding: {same_as_alone}")

# %% [markdown] lang="en" id="exercises"
# ## Exercises
#
# Put your answer in place of `None` and run the cell. A solution is folded away below each: a click on its title opens it.
#
# **1.** Change one thing: `nn.LSTM(28, 64, num_layers=2)` gets `bidirectional=True`. By what factor does the number of parameters grow? Give the exact ratio. (It is not 2.)

# %% [markdown] lang="zh" id="exercises"
# ## 练习
#
# 把 `None` 换成你的答案，然后运行该单元格。每题下方折叠着参考解答，点击标题即可展开。
#
# **1.** 改一处：给 `nn.LSTM(28, 64, num_layers=2)` 加上 `bidirectional=True`，参数量变成原来的几倍？请给出精确比值。（不是 2 倍。）

# %% id="exercise-1"
answer_1 = None
utils.check("5.1", answer_1)

# %% tags=["solution"] id="solution-1"
solution_1 = 2 * ((28 + 64 + 2) + (2 * 64 + 64 + 2)) / ((28 + 64 + 2) + (64 + 64 + 2))

# %% [markdown] lang="en" id="exercise-2-text"
# **2.** `output, h_n = nn.GRU(5, 7, num_layers=3, bidirectional=True)(X)`. For which index `i`, counted from 0, is `h_n[i]` the final state of the backward direction in layer 2?

# %% [markdown] lang="zh" id="exercise-2-text"
# **2.** `output, h_n = nn.GRU(5, 7, num_layers=3, bidirectional=True)(X)`。要使 `h_n[i]` 是第 2 层反向的最终状态，下标 `i`（从 0 数起）是多少？

# %% id="exercise-2"
answer_2 = None
utils.check("5.2", answer_2)

# %% tags=["solution"] id="solution-2"
solution_2 = 2 * (2 - 1) + 1

# %% [markdown] lang="en" id="exercise-3-text"
# **3.** A bidirectional layer reads $T = 10$ inputs, and $\mathbf{X}_4$ is changed. At how many time steps does the forward half of the output move, and at how many the backward half? Give a tuple of two numbers.

# %% [markdown] lang="zh" id="exercise-3-text"
# **3.** 一个双向层读取 $T = 10$ 个输入，现在改动 $\mathbf{X}_4$。输出的前向一半在几个时间步上发生变化，反向一半呢？请写成含两个数的元组。

# %% id="exercise-3"
answer_3 = None
utils.check("5.3", answer_3)

# %% tags=["solution"] id="solution-3"
solution_3 = (10 - 4 + 1, 4)

# %% [markdown] lang="en" id="exercise-4-text"
# **4.** Three bidirectional layers, $T = 20$. The longest chains have $3 \cdot 20$ steps and lead to the first and the last output. How many steps does the longest chain to $\mathbf{O}_{10}$ have?

# %% [markdown] lang="zh" id="exercise-4-text"
# **4.** 三个双向层，$T = 20$。最长的链有 $3 \cdot 20$ 步，通向第一个和最后一个输出。通向 $\mathbf{O}_{10}$ 的链，最长有多少步？

# %% id="exercise-4"
answer_4 = None
utils.check("5.4", answer_4)

# %% tags=["solution"] id="solution-4"
solution_4 = 2 * 20 + max(10, 20 - 10 + 1)

# %% [markdown] lang="en" id="exercise-5-text"
# **5.** A tagger says "a word ends here" at *every* letter. What is its F1 on the held-out letters? (`held_out_tags.float().mean()` is the share of letters that end a word.)

# %% [markdown] lang="zh" id="exercise-5-text"
# **5.** 一个标注器对**每个**字母都说“单词在此结束”。它在留出字母上的 F1 是多少？（`held_out_tags.float().mean()` 是词尾字母所占的比例。）

# %% id="exercise-5"
answer_5 = None
utils.check("5.5", answer_5, held_out_tags)

# %% tags=["solution"] id="solution-5"
p_end = held_out_tags.float().mean().item()
solution_5 = 2 * p_end / (1 + p_end)

# %% [markdown] lang="en" id="summary"
# ## What we saw
#
# - A bidirectional layer is two recurrences over the same inputs, one from each end, with their own weights; their states stand side by side, $n \times (h_f + h_b)$.
# - Backward means flip, run forward, flip back. Forgetting the second flip breaks no shape; changing one input finds it.
# - `output` is the last layer at all steps, `h_n` all layers at their last step, with index $2(l - 1)$ forward and $2(l - 1) + 1$ backward. The backward direction ends at $t = 1$: `output[-1]` is not its final state.
# - At equal $h$ one layer costs twice the parameters, memory and work, a further one nearly three times the parameters; with $L$ layers the longest chain has $L \cdot T$ steps; and nothing comes out before the last input is in.
# - Where the whole sequence is there, it pays: at the same number of parameters, blanks and word ends were guessed far better from two sides, at every start. The word ends needed only the next few letters: one direction that answers three letters late was not told apart from two, and can stream.
# - As one vector for a sequence, take the final states for its ends or the maximum over time for one thing anywhere, not `output[-1]`.
# - The character to be filled in must be hidden from the network. What happens if one forgets that? See the next lesson.
#
# {{next}}

# %% [markdown] lang="zh" id="summary"
# ## 小结
#
# - 双向层就是在同样的输入上做两个递推，从两端各读一遍，各有自己的权重；两个隐状态左右拼接，形状为 $n \times (h_f + h_b)$。
# - 反向就是：翻转，前向运行，再翻回来。忘了第二次翻转，形状不会出错；改动一个输入就能发现。
# - `output` 是最后一层在所有时间步的隐状态，`h_n` 是所有层走完最后一步的隐状态，下标 $2(l - 1)$ 为前向，$2(l - 1) + 1$ 为反向。反向结束于 $t = 1$，所以 `output[-1]` 不是它的最终状态。
# - $h$ 相同时，一层的参数量、内存和计算量都加倍，以后每多一层，参数接近单向时的三倍；$L$ 层网络最长的链有 $L \cdot T$ 步；最后一个输入到来之前，什么也输出不了。
# - 只要整个序列都在手边，就值得用：参数量相同时，从两边看，填空和找词尾都准得多，每个随机起点都是如此。找词尾只需要看到后面几个字母：晚三个字母回答的单向网络，与双向网络分不出高下，而且可以边读边答。
# - 要用一个向量代表整个序列时，关心两端就取最终状态，关心任意位置上的某一个就取对时间的最大值，不要取 `output[-1]`。
# - 要填的字符绝不能让网络看到。忘了这一点会怎样？这就是下一课的内容。
#
# {{next}}
