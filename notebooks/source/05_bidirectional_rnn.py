# %% [markdown] lang="en" id="title"
# # 5 · Bidirectional recurrent networks
#
# **The question of this lesson.** A recurrent network reads from left to right, so its state knows only what came before. Often the rest of the sequence is there as well.
# How does one build a network that reads from both ends, what does it cost, and for which tasks is it worth the price?
#
# **You need:** lessons 1 and 2 (a cell, a stack of layers) and the idea of [lesson 4](04_hmm_forward_backward.ipynb). **To read:** about {{minutes 05_bidirectional_rnn}} minutes. **Run time:** about a minute on a laptop without a GPU.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 5 · 双向循环神经网络
#
# **本课的问题。** 循环神经网络从左往右读，所以它的隐状态只知道前文。可是很多时候，整个序列早已摆在面前。怎样构造一个从两端阅读的网络？代价是什么？哪些任务值得付出这个代价？
#
# **预备知识：** 第 1、2 课（单元、层的堆叠），以及[第 4 课](04_hmm_forward_backward.ipynb)的思路。**阅读时间：** 约 {{minutes 05_bidirectional_rnn}} 分钟。**运行时间：** 在没有 GPU 的笔记本电脑上约一分钟。
#
# {{launch}}

# %% [markdown] lang="en" id="door"
# **Pen first.** Which word would you put into each blank, and which letters of the line decided it?
#
# 1. `I am ___.`
# 2. `I am ___ hungry.`
# 3. `I am ___ hungry, and I can eat half a pig.`
#
# In *Use 1* two networks answer.

# %% [markdown] lang="zh" id="door"
# **先动笔。** 下面每个空里你会填什么词？是这一行里的哪几个字让你这样填的？
#
# 1. `我___。`
# 2. `我___饿了。`
# 3. `我___饿了，我可以吃半头猪。`
#
# 到“用途一”，再看两个网络怎么答。

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
# Lesson 4 asked for a missing symbol of a hidden Markov model, $P(x_j \mid \text{all others})$. A **forward** recursion, $\pi$, gathered what stands before $j$, a **backward** recursion, $\rho$, what stands after it; a network with one recurrent layer for each direction learnt to do the same.
# Such a **bidirectional** network is built here in general: any cell, any sizes, any number of layers.

# %% [markdown] lang="zh" id="recall"
# ## 从两个递推到两个循环层
#
# 第 4 课要在隐马尔可夫模型中推断一个缺失的符号，即求 $P(x_j \mid \text{其余全部})$。**前向**递推 $\pi$ 收集 $j$ 之前的信息，**反向**递推 $\rho$ 收集 $j$ 之后的信息；一个在两个方向上各有一个循环层的网络，也学会了这件事。
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
# The classic bug is to forget the second flip. All shapes are right, and a network trained with it still learns, from its forward half. It is found by asking what a state may know. Change one input, $\mathbf{X}_5$ of $T = 6$: going forward, step 5 and all later states move; going backward, step 5 and all earlier ones.
# **Guess:** which ones move where the second flip is missing?

# %% [markdown] lang="zh" id="bug-text"
# 最常见的错误是忘了第二次翻转。形状全都对，程序不报错，训练时靠前向部分照样能学到东西。要发现这个错误，就要问：每个隐状态能够知道哪些输入？只改动一个输入，即 $T = 6$ 中的 $\mathbf{X}_5$：前向时，第 5 步及之后的隐状态会变；反向时，第 5 步及之前的会变。
# **猜一猜：** 少了第二次翻转，变的是哪几步？

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

runs = (run_forward, run_backward, forgotten_flip)
steps = {run.__name__: str(steps_that_move(run, cell, X, 5)) for run in runs}
utils.guess(
    "X_5 of 6 is changed: which backward states move without the second flip?",
    steps["forgotten_flip"],
    choices=("[5, 6]", "[1, 2, 3, 4, 5]", "[2, 3, 4, 5, 6]", "[1, 2]"),
    because=f"Forward: {steps['run_forward']}. Backward: {steps['run_backward']}.",
)

# %% [markdown] lang="en" id="bug-look"
# That list belongs to neither direction: the output layer would be given, at step $t$, the backward state of step $T + 1 - t$. Such a test takes five lines; write it for every network that reads in two directions.

# %% [markdown] lang="zh" id="bug-look"
# 这个列表与哪个方向都对不上：输出层在第 $t$ 步拿到的，其实是第 $T + 1 - t$ 步的反向隐状态。这样的测试只要五行；凡是双向阅读的网络，都值得写一个。

# %% [markdown] lang="en" id="deep-text"
# ## The layer, and a stack of them
#
# Both directions side by side are one bidirectional layer. In a **deep** bidirectional network the next layer reads *both* halves, in both of its directions. (May such a stack be read beside a blank, too? *Use 1* will ask.) **Predict:** how many numbers does layer 2 read per time step if $d = 3$, $h_f = 5$, $h_b = 2$?

# %% [markdown] lang="zh" id="deep-text"
# ## 双向层，以及层的堆叠
#
# 两个方向并排，就是一个双向层。在**深度**双向网络中，下一层的两个方向都要读取这**两部分**。（这样的堆叠也能用来填空吗？“用途一”会问到。）**猜一猜：** 设 $d = 3$，$h_f = 5$，$h_b = 2$，第 2 层在每个时间步读取多少个数？

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
# Seven, $h_f + h_b$, in both of its directions. The two sizes may differ, for instance where the past matters more than the future. PyTorch's own layers do not offer that: there $h_f = h_b = h$. With equal sizes we can let PyTorch judge our code, in all layers: **outputs, final states and every gradient**, in double precision, from initial states that are not zero. Only the names differ:

# %% [markdown] lang="zh" id="sizes-text"
# 7 个，即 $h_f + h_b$，两个方向都是如此。两个方向的隐藏单元数可以不同，比如前文比后文更重要的时候。PyTorch 自带的层做不到这一点，总是 $h_f = h_b = h$。两者相同时，就可以让 PyTorch 当裁判，在所有层上比较**输出、最终状态和每一个梯度**：用双精度，初始状态也不为零。不同的只是名字：

# %% id="copy-weights"
def their_name(name):
    """PyTorch's name of our parameter: backward_cells.0.weight_ih is weight_ih_l0_reverse."""
    direction, l, parameter = name.split(".")
    return f"{parameter}_l{l}" + "_reverse" * (direction == "backward_cells")

def copy_weights(ours, theirs):
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            parameter.copy_(getattr(theirs, their_name(name)))

# %% tags=["hide-input"] id="run-both"
def run_either(rnn, X, H_0, C_0=None):
    """Outputs, H of all final states (2 L, n, h), and an LSTM's C: of our network or PyTorch's."""
    is_lstm = C_0 is not None
    if not isinstance(rnn, BiRNN):  # PyTorch's keeps all states in one tensor, an LSTM's in two
        H, finals = rnn(X, (H_0, C_0) if is_lstm else H_0)
        return [H, *finals] if is_lstm else [H, finals]
    H, finals = rnn(X, list(zip(H_0, C_0)) if is_lstm else list(H_0))  # ours has a list of 2 L
    results = [H, torch.stack([hidden(state) for state in finals])]
    return [*results, torch.stack([C for _, C in finals])] if is_lstm else results

# %% id="largest-difference"
def everything(rnn, tensors):
    """Outputs, final states and all gradients of a loss, by number or by PyTorch's name."""
    inputs = [x.clone().requires_grad_() for x in tensors]
    results = run_either(rnn, *inputs)
    loss = sum(i * x.square().sum() for i, x in enumerate(results, start=1))
    loss.backward()
    found = dict(enumerate([*results, *(x.grad for x in inputs)]))
    for name, parameter in rnn.named_parameters():
        found[their_name(name) if isinstance(rnn, BiRNN) else name] = parameter.grad
    return found

def largest_difference(Cell, their_class, L, h, d, n, T):
    """The largest difference from PyTorch's layers, in outputs, final states and all gradients."""
    theirs = their_class(d, h, num_layers=L, bidirectional=True).double()
    ours = BiRNN(Cell, d, h, h, L).double()
    copy_weights(ours, theirs)
    states = 2 if Cell is nn.LSTMCell else 1  # H_0, and an LSTM's C_0
    tensors = [torch.randn(T, n, d).double(), *torch.randn(states, 2 * L, n, h).double()]
    found, wanted = everything(ours, tensors), everything(theirs, tensors)
    return max((found[name] - wanted[name]).abs().max().item() for name in wanted)

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
# A bidirectional layer is most easily misread here. `output, h_n = nn.GRU(..., bidirectional=True)(X)` gives two tensors, and with more than one layer neither contains the other (`nn.LSTM` adds `c_n`, laid out as `h_n`):
#
# | | shape | holds |
# |---|---|---|
# | `output` | `(T, n, 2h)` | **last layer, all time steps**: `output[..., :h]` forward, `output[..., h:]` backward |
# | `h_n` | `(2L, n, h)` | **all layers, final states**: layer $l$ forward at index $2(l - 1)$, backward at $2(l - 1) + 1$ |

# %% [markdown] lang="zh" id="layout-text"
# ## 输出张量怎么排列？
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
# <details><summary>图的文字说明</summary>两层的情形。左：张量 output 画成 T 列的长条，存放第 2 层的隐状态，上半是前向，下半是反向。右：h_n 和 c_n 各有四个切片，0 为第 1 层前向，1 为第 1 层反向，2 为第 2 层前向，3 为第 2 层反向。一条粗线把 h_n[2] 与 output 最后一列的前向部分相连，另一条把 h_n[3] 与第一列的反向部分相连。</details>
#
# 反向**结束于第一个时间步**。**猜一猜：** 在单层网络里，`output[-1]` 的反向部分读过几个输入？

# %% id="layout"
L, h = 3, 4
layers, ours = nn.LSTM(d, h, L, bidirectional=True), BiRNN(nn.LSTMCell, d, h, h, L)
copy_weights(ours, layers)
output, (h_n, c_n) = layers(X)
print("output", tuple(output.shape), "  h_n", tuple(h_n.shape), "  c_n", tuple(c_n.shape))

H, finals = ours(X)  # 2 L pairs, put together layer by layer, forward before backward
for i, (H_final, C_final) in enumerate(finals):
    torch.testing.assert_close(h_n[i], H_final)
    torch.testing.assert_close(c_n[i], C_final)
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
# One input: $\mathbf{X}_T$. `output[-1]` looks like "the final state", and in a unidirectional network it is. Here its backward half has made a single step.
#
# The number in a box counts the steps that its direction has made when it writes this state. Thick frames are final states; the chosen one is filled. The dashed frame is `output[-1]`.

# %% [markdown] lang="zh" id="trap-look"
# 只有一个：$\mathbf{X}_T$。`output[-1]` 看上去像“最终状态”，在单向网络里也确实是。但在这里，它的反向部分只走了一步。
#
# 图中方框里的数，是该方向算出这个隐状态时已经走过的步数；粗框是最终状态，选中的那个涂了颜色；虚线框是 `output[-1]`。

# %% tags=["hide-input"] id="draw-direction"
DIRECTIONS = {"forward": utils.VERMILION, "backward": utils.GREEN}

def draw_direction(ax, l, direction, chosen, T):
    """Draw the states of layer l in one direction, numbered by step; chosen: the last is filled."""
    i, colour = list(DIRECTIONS).index(direction), DIRECTIONS[direction]
    y, ts = l - 0.45 * i, range(1, T + 1)
    ax.plot([1, T], [y, y], "--" if i == 0 else ":", color=colour, zorder=0)
    ax.text(-0.4, y, f"layer {l}, {direction} {'→←'[i]}", ha="right", va="center")
    # the final one
    beside = {"x": T + 0.45, "ha": "left"} if i == 0 else {"x": 0.55, "ha": "right"}
    ax.text(**beside, y=y, s=f"h_n[{2 * (l - 1) + i}]", va="center", family="monospace")
    steps = ts if i == 0 else ts[::-1]
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
    i, where = (0, "-1, :, :h") if direction == "forward" else (1, "0, :, h:")
    where = f" = output[{where}]" if layer == layers else "   (a lower layer: not in output)"
    title = f"h_n[{2 * (layer - 1) + i}]{where}"
    ax.text(0.8, layers + 0.65, title, weight="bold")
    ax.set(xlim=(-2.3, T + 1.3), ylim=(layers - 3, layers + 0.95))  # as high as three layers
    return fig

# %% tags=["hide-input"] id="explore-layout"
import ipywidgets as widgets

utils.explore(
    draw_layout,
    layers=widgets.IntSlider(2, min=1, max=3, description="layers"),
    layer=widgets.IntSlider(2, min=1, max=3, description="layer"),
    direction=widgets.Dropdown(options=list(DIRECTIONS), value="backward", description="direction"),
)

# %% [markdown] lang="en" id="cost-text"
# ## What it costs
#
# Two comparisons are fair: **equal $h$** (each direction is as large as the single one), and **equal parameters** (both are made smaller until the count fits).
# We measure the time of a forward and backward pass, and the memory that autograd keeps between the two. **Predict** the ratios.

# %% [markdown] lang="zh" id="cost-text"
# ## 代价
#
# 有两种公平的比法：**$h$ 相同**（每个方向都和单向网络一样大），或**参数量相同**（把两个方向都缩小，直到总数相符）。
# 我们测量前向传播加反向传播的时间，以及自动微分（autograd）在两者之间占用的内存。先**猜一猜**各项的比值。

# %% id="cost-tools"
import statistics

def num_parameters(module):
    return sum(p.numel() for p in module.parameters())

def size_for(build, budget):
    """The largest num_hiddens for which build(num_hiddens) has at most so many parameters."""
    h = 1
    while num_parameters(build(h + 1)) <= budget:
        h += 1
    return h

# %% tags=["hide-input"] id="bytes-kept"
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

# %% id="cost-networks"
utils.seed_everything(0)
inputs = torch.randn(35, 32, 128)  # (T, n, d)
single = nn.GRU(128, 128)
smaller = size_for(lambda h: nn.GRU(128, h, bidirectional=True), num_parameters(single))
networks = {
    "one direction, h = 128": single,
    "both, h = 128 each": nn.GRU(128, 128, bidirectional=True),
    f"both, h = {smaller} each": nn.GRU(128, smaller, bidirectional=True),
}

# %% tags=["hide-input"] id="cost"
# a table of the three networks: parameters, time, memory, and their ratios to one direction
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
# At equal $h$, one layer's parameters, memory and work double. At equal parameters the memory does not come down to that of one direction: the weights $\mathbf{W}_{hh}$ grow with $h^2$, the stored results only with $h$, so two smaller networks keep more numbers than one large one.
# **Predict:** with two layers and equal $h$, is the ratio of the parameters still 2?

# %% [markdown] lang="zh" id="cost-look"
# $h$ 相同时，单层的参数量、内存和计算量都加倍。参数量相同时，内存也回不到单向网络的水平：权重 $\mathbf{W}_{hh}$ 随 $h^2$ 增长，保存的中间结果却只随 $h$ 增长，所以两个小网络要比一个大网络保存更多的数。
# **猜一猜：** 两层、$h$ 相同时，参数量之比还是 2 吗？

# %% id="cost-layers"
few = inputs[:, :4]  # (T, 4, d): for a ratio, four rows do
for num_layers in (1, 2, 3, 4):
    one, both = (nn.GRU(128, 128, num_layers, bidirectional=b) for b in (False, True))
    parameters = num_parameters(both) / num_parameters(one)
    memory = bytes_kept(both, few) / bytes_kept(one, few)
    print(f"L = {num_layers}: {parameters:.2f} times the parameters, {memory:.2f} times the memory")

# %% [markdown] lang="en" id="chain-text"
# ### The chain
#
# From layer 2 on each direction reads $2h$ numbers, so every further layer has nearly three times the parameters of a unidirectional one.
#
# The less visible cost is order. In lesson 1 the longest chain of steps, each waiting for the one before it, had $T + L - 1$ links.
# **Predict** the longest chain of a *bidirectional* network with $L$ layers.
#
# We count it with the lesson's own code and a cell that only adds 1 to the longest chain among what it reads.

# %% [markdown] lang="zh" id="chain-text"
# ### 最长的链
#
# 从第 2 层起，每个方向都要读 $2h$ 个数，所以以后每一层的参数都接近单向时的三倍。
#
# 还有一种代价不那么显眼：先后次序。在第 1 课里，一步等一步，最长的链有 $T + L - 1$ 环。
# **猜一猜：** $L$ 层的**双向**网络，最长的链有多长？
#
# 我们用本课自己的代码来数，换上一个只把读到的最长链长加 1 的单元。

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
# $L \cdot T$: in either direction, the first step of layer 2 reads what the *opposite* direction of layer 1 makes in its last step, so each further layer costs a whole sweep. And there is no output before the **last input has arrived**: a bidirectional network cannot caption speech while you speak.

# %% [markdown] lang="zh" id="chain-look"
# 是 $L \cdot T$：第 2 层无论哪个方向，第一步都要用到第 1 层**相反**方向的最后一步，所以每多一层，就要从头到尾再扫一遍。而且，**最后一个输入到来之前**，什么也不能输出：双向网络没法一边听你说话，一边给出字幕。

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

# %% tags=["hide-input"] id="explore-chains"
utils.explore(
    draw_chains,
    L=widgets.IntSlider(2, min=1, max=6, description="layers L"),
    T=widgets.IntSlider(20, min=2, max=60, description="steps T"),
)

# %% [markdown] lang="en" id="fill-text"
# ## Use 1: fill in the blank
#
# `the _ime traveller`: which letter is missing? (Language teachers call it a **cloze test**.) What stands on the left leaves it open; what stands on the right helps. We use all of *The Time Machine*, its lines joined with a space. The last 10,000 characters are held out: a validation set, though nothing is chosen by it. All before them is trained on, the other lessons' held-out and test text too.
#
# The network must not see the character that it is asked for. So at step $j$ the output layer gets the forward state *before* $j$ and the backward state *after* $j$, as in lesson 4:
#
# $$\mathbf{O}_j = \big[\overrightarrow{\mathbf{H}}_{j-1},\ \overleftarrow{\mathbf{H}}_{j+1}\big] \mathbf{W}_{hq} + \mathbf{b}_q .$$
#
# One run in each direction answers for every $j$ at once. Without the backward half the network predicts the next character, as in lesson 2.

# %% [markdown] lang="zh" id="fill-text"
# ## 用途一：填空
#
# `the _ime traveller`：缺了哪个字母？这就是语言考试里的**完形填空**（cloze test）。只看左边定不下来，右边也能帮上忙。这次用《时间机器》全书，各行之间用空格连接。最后 10,000 个字符作为留出文本，也就是验证集，不过本课并不用它来做选择；之前的全部用来训练，包括其他各课的留出文本和测试集。
#
# 网络不能看到要它猜的那个字符。所以与第 4 课一样，在第 $j$ 步，输出层拿到的是 $j$ **之前**的前向隐状态和 $j$ **之后**的反向隐状态：
#
# $$\mathbf{O}_j = \big[\overrightarrow{\mathbf{H}}_{j-1},\ \overleftarrow{\mathbf{H}}_{j+1}\big] \mathbf{W}_{hq} + \mathbf{b}_q .$$
#
# 两个方向各运行一遍，每个 $j$ 就都有了答案。去掉反向部分，就和第 2 课一样，是在预测下一个字符。

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

    def __init__(self, num_hiddens, bidirectional, num_layers=1):
        super().__init__()
        self.rnn = nn.GRU(q, num_hiddens, num_layers, bidirectional=bidirectional)
        self.output = nn.Linear(num_hiddens * (2 if bidirectional else 1), q)  # W_hq, b_q

    def states(self, X):
        """The last layer's forward and, where there are any, backward states, each (T, n, h)."""
        return self.rnn(X)[0].split(self.rnn.hidden_size, dim=-1)

    def beside(self, tokens):
        """What is read at j: the forward state of j - 1 and the backward state of j + 1."""
        H_f, *H_b = self.states(F.one_hot(tokens, q).float())
        zero = torch.zeros_like(H_f[:1])
        sides = [torch.cat([zero, H_f[:-1]]), *(torch.cat([H[1:], zero]) for H in H_b)]
        return torch.cat(sides, dim=-1)  # (T, n, h) or (T, n, 2h)

    def forward(self, tokens):
        return self.output(self.beside(tokens))

# %% [markdown] lang="en" id="fill-check-text"
# The slow form takes one $j$ at a time: it cuts $x_j$ out and reads up to the hole from both sides. Both forms must agree. The second check is the important one: change the hidden character, and nothing may move.

# %% [markdown] lang="zh" id="fill-check-text"
# 慢的写法一次只问一个 $j$：挖掉 $x_j$，从两边一直读到空缺处为止。两种写法的结果必须一致。第二项检查更要紧：改动被挖掉的字符，结果一点也不能变。

# %% id="fill-check"
utils.seed_everything(0)
model, tokens = FillIn(16, bidirectional=True), train_windows[:4].T  # (T, n)
O, X_hot = model(tokens), F.one_hot(tokens, q).float()
for j in range(1, 30):  # counted from 0; both sides have at least one character
    H_f = model.rnn(X_hot[:j])[0][-1, :, :16]  # (n, h), and so is H_b
    H_b = model.rnn(X_hot[j + 1 :])[0][0, :, 16:]
    torch.testing.assert_close(O[j], model.output(torch.cat([H_f, H_b], dim=-1)))

def scores_move(model, tokens, s, j):
    """How far the scores for x_j move when x_s is changed."""
    changed = tokens.clone()
    changed[s - 1] = (changed[s - 1] + 1) % q
    return (model(changed)[j - 1] - model(tokens)[j - 1]).abs().max().item()

for s in (15, 16, 17):
    moved = scores_move(model, tokens, s, 16)
    print(f"x_{s} changed: the scores for x_16 move by {moved:.3f}")

# %% [markdown] lang="en" id="fill-train-text"
# Now a race between two networks with the same minibatches and **the same number of parameters** (as nearly as whole hidden units allow; the bidirectional one never has more). They train on every position of windows of 31 characters; the plot shows how well they guess the one in the centre, with 15 on each side.
# **Guess** after the race: on held-out text, how many centre characters out of 100 are right?

# %% [markdown] lang="zh" id="fill-train-text"
# 现在让两个网络比赛，小批量相同，**参数量也相同**（隐藏单元数只能取整数，所以只能尽量接近，而且双向网络的参数绝不更多）。窗口长 31 个字符，其中每个位置都用来训练；图中画的是正中那个字符猜得怎么样，它的左右各有 15 个字符。
# 比完之后**猜一猜：** 在留出文本上，每 100 个正中的字符能猜对几个？

# %% tags=["hide-input"] id="centre-scores"
import math

def centre_scores(model, windows):
    """Perplexity and accuracy for the centre characters of windows (windows, 31)."""
    with torch.no_grad():
        parts = [model(part.T)[15] for part in windows.split(200)]  # small ones need less memory
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
half = size_for(lambda h: FillIn(h, bidirectional=True), num_parameters(one_side))
both_sides = FillIn(half, bidirectional=True)
fillers = {"unidirectional": one_side, "bidirectional": both_sides}
for name, model in fillers.items():
    print(f"{name}: {num_parameters(model):,} parameters, h = {model.rnn.hidden_size}")
plot = utils.LivePlot(540, "perplexity of the centre character", xlabel="minibatch")
plot.race({name: train_fill_in(model) for name, model in fillers.items()});

# %% tags=["hide-input"] id="fill-result"
# how many centre characters each network gets right
filled = {name: centre_scores(model, held_out_windows) for name, model in fillers.items()}
rows = []
for name, model in fillers.items():
    perplexity, accuracy = filled[name]
    numbers = f"{num_parameters(model):,}", f"{perplexity:.2f}", f"{100 * accuracy:.1f} %"
    rows.append([name, *numbers])
share = (held_out_windows[:, 15] == 0).float().mean()
rows.append(["always the space", "0", "", f"{100 * share:.1f} %"])
utils.guess(
    "of 100 held-out centre characters, how many are right when read from both sides?",
    100 * filled["bidirectional"][1],
    between=(0, 100),
    labels=("", "right out of 100"),
    because=f"From the left alone it is {100 * filled['unidirectional'][1]:.0f}.",
    show=lambda rows=rows: utils.table(
        ["held-out, centre character", "parameters", "perplexity", "right"], rows
    ),
)

# %% tags=["hide-input"] id="fill-runs"
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
# Only the right half of the window was added, and the worst start with it is far better than the best one without.
#
# What both networks think of a blank in held-out text: a pair of bars for each character (`␣` is the space).
# **Predict:** who will be right about `gratitude and a mutual _enderness`, `i could see the d_stance`, `he said that _e was`, `the _ime traveller`? The table says it, and how often the whole text stands in the training text: where that is 0, it was not learnt by heart as a whole. Then type a text of your own, with one blank `_`.

# %% [markdown] lang="zh" id="fill-look"
# 只是加上了窗口的右半边，最差的一次也远胜过没有右半边时最好的一次。
#
# 下图画出两个网络对留出文本中一个空缺的看法：每个字符一对条形（`␣` 表示空格）。
# **猜一猜：** 对 `gratitude and a mutual _enderness`、`i could see the d_stance`、`he said that _e was`、`the _ime traveller`，谁填得对？表中给出答案，还给出整段文字在训练文本中出现的次数：次数为 0，就不是整段背下来的。然后输入你自己的英文，缺的那个字符写成 `_`（只能有一个，全角的 `＿` 也行）。

# %% tags=["hide-input"] id="draw-blank"
import re
import unicodedata

ONE_BLANK = "a text of at most 60 signs, with exactly one blank, _, and more than the blank"

def typed(text, allowed, least, most, blanks=0, space=" "):
    """What stands in a box, as the book was read: small letters, spaces, and so many blanks _."""
    read = unicodedata.normalize("NFKC", text).lower()  # full-width ＿ and Ａ are _ and a
    read = re.sub("_+", "_", re.sub(r"[^\w]+", space, read))
    foreign = "".join(c for c in dict.fromkeys(read) if c not in {*characters, "_"})
    english = f"made of letters a to z: the networks have read English alone (not {foreign})"
    utils.require(not foreign, "text", text, english)
    fits = least <= len(read) <= most and read.count("_") == blanks
    utils.require(fits, "text", text, allowed)
    return read

def fill_blank(model, sentence):
    """P(character at the blank | the rest), (q,), for a text with one _ in it."""
    sentence = typed(sentence, ONE_BLANK, 2, 60, blanks=1)
    tokens = torch.tensor([[0 if c == "_" else characters.index(c)] for c in sentence])  # (T, 1)
    with torch.no_grad():
        return torch.softmax(model(tokens)[sentence.index("_"), 0], dim=0)

# %% tags=["hide-input"] id="explore-blank"
def draw_blank(sentence):
    """Draw what both networks think of the blank."""
    sentence = typed(sentence, ONE_BLANK, 2, 60, blanks=1)
    shown, heights = ["␣", *characters[1:]], {}
    for name, model in fillers.items():
        P = fill_blank(model, sentence)
        heights[f"{name}: {shown[P.argmax()]}, {P.max():.2f}"] = P
    fig, ax = utils.draw_bars(shown, heights)
    ax.set(ylim=(0, 1), ylabel="P", title=f"P( _ | {sentence!r} )")
    ax.set_xlabel("character", labelpad=18)
    ax.legend(loc="upper right", frameon=False)
    return fig

sentence = "he swept _ack into the past"
utils.explore(
    draw_blank,
    sentence=widgets.Text(sentence, description="text", layout={"width": "480px"}),
)

# %% tags=["hide-input"] id="blanks"
# what both networks put into five blanks, and how often the training text has the whole
asked = {"he swept _ack into the past": "b", "gratitude and a mutual _enderness": "t"}
asked |= {"i could see the d_stance": "i", "he said that _e was": "h", "the _ime traveller": "t"}
rows = []
for sentence, letter in asked.items():
    P = {name: fill_blank(model, sentence) for name, model in fillers.items()}
    guesses = [f"{characters[p.argmax()]}, {p.max():.2f}" for p in P.values()]
    times = text[:-10_000].count(sentence.replace("_", letter))
    rows.append([sentence, letter, *guesses, times])
utils.table(["text", "missing", *fillers, "in the training text"], rows)

# %% [markdown] lang="en" id="door-text"
# ### The three lines of the beginning
#
# To the lines at the top only somebody who has heard the language can answer. So here is one: twelve sentences, said 40 times in all. The tokens are words; the readers are `FillIn` as it stands, one from the left alone, one from both sides. And because it is so small, the right answer, $P(x_j \mid \text{all others})$, can be **counted**.
# **Guess:** which word does the left alone give for each line?

# %% [markdown] lang="zh" id="door-text"
# ### 开头的三行
#
# 开头的三行，只有听过这种语言的人才会填。这里就造一种：只有十二个句子，一共说了 40 遍。词元是词；读者就是原样的 `FillIn`，一个只看左边，一个两边都看。语言这么小，正确答案 $P(x_j \mid \text{其余全部})$ 直接就能**数**出来。
# **猜一猜：** 只看左边的网络，三行各填什么？

# %% id="small-language"
spoken = {  # a language of twelve sentences, and how often each is said
    "I am happy .": 6,
    "I am tired .": 4,
    "I am hungry .": 2,
    "I am not hungry .": 6,
    "I am very hungry .": 3,
    "I am already hungry .": 1,
    "I am not tired .": 4,
    "I am very happy .": 3,
    "I am not hungry , and I can sleep .": 4,
    "I am very tired , and I can sleep .": 2,
    "I am very hungry , and I can eat half a pig .": 4,
    "I am already hungry , and I can eat half a pig .": 1,
}
lines = ["I am _ .", "I am _ hungry .", "I am _ hungry , and I can eat half a pig ."]
words = sorted({word for sentence in spoken for word in sentence.split()})  # not more than q

def as_ids(sentence):
    """Words as indices (T,); the blank counts as some word, for nobody reads it."""
    return torch.tensor([words.index(word) if word != "_" else 0 for word in sentence.split()])

def counted(line, left_alone=False):
    """P(word at the blank | all others, or only those on its left), by counting: (words,)."""
    (left, right), often = line.split("_"), torch.zeros(len(words))
    for sentence, times in spoken.items():
        word, space, rest = sentence.removeprefix(left).partition(" ")
        often[words.index(word)] += times * (left_alone or space + rest == right)
    return often / often.sum()

# %% id="small-answers"
def train_small(model, lr=0.03, num_steps=100):
    """Train on all that is said; sentences of one length make a minibatch (T, n)."""
    said = [as_ids(sentence) for sentence, times in spoken.items() for _ in range(times)]
    lengths = sorted({len(ids) for ids in said})
    batches = [torch.stack([ids for ids in said if len(ids) == T], dim=1) for T in lengths]
    updater = torch.optim.Adam(model.parameters(), lr)
    for _ in range(num_steps):
        losses = [F.cross_entropy(model(X).transpose(1, 2), X, reduction="sum") for X in batches]
        updater.zero_grad()
        (sum(losses) / len(said)).backward()
        updater.step()
    return model

def at_blank(model, line):
    """P(word at the blank) that a network gives: (words,)."""
    with torch.no_grad():
        O = model(as_ids(line)[:, None])[line.split().index("_"), 0]  # (T, 1, q) -> (q,)
    return O.softmax(dim=0)[: len(words)]

utils.seed_everything(0)
left_reader, reader = (train_small(FillIn(32, bidirectional=both)) for both in (False, True))
rows = []
for line in lines:
    P_left, P, wanted = at_blank(left_reader, line), at_blank(reader, line), counted(line)
    torch.testing.assert_close(P_left, at_blank(left_reader, lines[0]))  # three times the same
    assert (P_left - counted(line, left_alone=True)).abs().max() < 0.1
    assert (P - wanted).abs().max() < 0.1 and P.argmax() == wanted.argmax()
    rows.append([line, *(f"{words[p.argmax()]} {p.max():.2f}" for p in (P_left, P, wanted))])
utils.table(["likeliest word", "left side", "both sides", "counted"], rows)

# %% tags=["hide-input"] id="draw-small"
def draw_small():
    """Draw how likely each word is in the three blanks, for both readers and by counting."""
    fig, axes = utils.new_figure(8.4, 3, columns=3)
    shown = counted(lines[0], left_alone=True).argsort(descending=True)[:6]
    y = torch.arange(6)
    for ax, line in zip(axes, lines):
        left = at_blank(left_reader, line)[shown]
        ax.barh(y - 0.2, left, 0.4, color=utils.BLUE, label="left side")
        style = {"color": utils.VERMILION, "hatch": "//", "edgecolor": "white"}
        ax.barh(y + 0.2, at_blank(reader, line)[shown], 0.4, label="both sides", **style)
        style = {"color": "black", "marker": "D", "zorder": 2}
        ax.scatter(counted(line)[shown], y + 0.2, 24, label="counted", **style)
        ax.set_title(re.sub("(?<=[,，]) ", "\n", line), fontsize=10)
        ax.set(xlabel="P", xlim=(-0.03, 1.03), xticks=(0, 0.5, 1))
    axes[0].set(yticks=y, yticklabels=[words[i] for i in shown], ylim=(5.6, -0.6))
    axes[2].legend(loc="lower right", frameon=False)
    return fig

draw_small()

# %% [markdown] lang="en" id="door-look"
# <details><summary>The figure in words</summary>Three panels, one for each line; in each, six words with a plain bar (left side), a hatched bar (both sides), and a diamond (counted). The plain bars are the same in all panels, longest for `not`; the hatched ones end at the diamonds, and the longest belongs to `happy`, then `not`, then `very`.</details>
#
# Read from the left, the three lines are one, `I am`: three times the same answer, `not`, and the right one for what is seen. From both sides the answer moves with the right side, and agrees with the count to within 0.1 (the cell asserts it). In the third line only `eat half a pig` speaks against `not`; with `sleep` in its place it would be the other way round.
#
# This is a toy of twelve sentences, no language, and nobody here knows what hunger is: it shows only which side was read.

# %% [markdown] lang="zh" id="door-look"
# <details><summary>图的文字说明</summary>三个小图，一行一个；每个小图有六个词，各有一根无斜纹的条形（只看左边）、一根有斜纹的条形（两边都看）和一个菱形（数出来的）。无斜纹的条形在三个小图里都一样，“不”最长；有斜纹的条形都到菱形为止，最长的依次是“很高兴”“不”“真的”。</details>
#
# 从左边读，三行是同一行：“我”。所以三次答案相同，都是“不”；就它看到的内容来说，这也是对的。两边都看，答案就随右边而变，与数出来的概率相差不到 0.1（由代码检验）。第三行里，反对填“不”的只有“吃半头猪”：若是“睡觉”，答案就会反过来。
#
# 这只是十二个句子的玩具，算不上语言，网络也不懂什么叫饿：它只说明读了哪一边。

# %% [markdown] lang="en" id="deep-blank-text"
# ### A second layer
#
# So far each direction has one layer. `FillIn` takes `num_layers`, and our check takes any network. **Guess:** with *two* layers, read at $j - 1$ and $j + 1$ as before, does the hidden character move its own scores?

# %% [markdown] lang="zh" id="deep-blank-text"
# ### 再加一层
#
# 到现在为止，每个方向只有一层。`FillIn` 和 `nn.GRU` 一样有参数 `num_layers`，我们的检查对任何网络都适用。**猜一猜：** 换成**两层**，仍然读 $j - 1$ 和 $j + 1$ 处的隐状态，改动被挖掉的字符，它自己的得分会变吗？

# %% id="deep-blank"
utils.seed_everything(0)
deep_moves = {L: scores_move(FillIn(16, True, L), tokens, s=16, j=16) for L in (1, 2, 3)}
utils.guess(
    "two layers: x_16 is changed. Do the scores for x_16 move?",
    "yes" if deep_moves[2] > 0 else "no",
    choices=("no", "yes"),
    because="; ".join(f"L = {L}: they move by {moved:.3f}" for L, moved in deep_moves.items()),
)

# %% [markdown] lang="en" id="deep-why"
# $\overrightarrow{\mathbf{H}}{}^{(2)}_{j-1}$ stands before $j$, but it reads *both* halves of layer 1 at $j - 1$, and the backward half has come from the right, through $j$:
#
# $$x_j \;\to\; \overleftarrow{\mathbf{H}}{}^{(1)}_{j-1} \;\to\; \overrightarrow{\mathbf{H}}{}^{(2)}_{j-1} \;\to\; \mathbf{O}_j .$$
#
# So a stack such as `BiRNN` or `nn.GRU(..., num_layers=2, bidirectional=True)` must not be read beside a blank. Two cures:
#
# - **Directions apart**: a stack for each direction; they meet in the output layer only. ELMo is built so.
# - **Masked inputs**: $x_j$ is replaced by a symbol for a blank *before* anything reads it; then all layers may join the directions. This is a **masked language model**, BERT's way of training. Its price: a run answers only for the places that are masked in it.
#
# (To look left only is what a **causal mask** makes a Transformer do.)

# %% [markdown] lang="zh" id="deep-why"
# $\overrightarrow{\mathbf{H}}{}^{(2)}_{j-1}$ 虽然在 $j$ 之前，但它把第 1 层在 $j - 1$ 处的**两部分**都读了，其中反向部分是从右边过来的，已经经过了 $j$：
#
# $$x_j \;\to\; \overleftarrow{\mathbf{H}}{}^{(1)}_{j-1} \;\to\; \overrightarrow{\mathbf{H}}{}^{(2)}_{j-1} \;\to\; \mathbf{O}_j .$$
#
# 所以像 `BiRNN` 或 `nn.GRU(..., num_layers=2, bidirectional=True)` 这样的堆叠，不能拿空缺两旁的隐状态来填空。补救的办法有两种：
#
# - **两个方向始终分开**：每个方向各堆一摞，到输出层才相遇。ELMo 就是这样做的。
# - **遮盖输入**：在网络读到之前，就把 $x_j$ 换成表示空缺的符号；这样各层都可以合并两个方向。这就是**掩码语言模型**（masked language model），BERT 正是这样训练的。代价是：运行一遍，只能回答这一遍里被遮住的位置。
#
# （**因果掩码**（causal mask）则让 Transformer 只能看左边。）

# %% id="apart"
class Apart(FillIn):
    """Two stacks of layers, one for each direction, that meet in the output layer only."""

    def __init__(self, num_hiddens, num_layers):
        super().__init__(num_hiddens, True, num_layers)
        self.rnn = nn.ModuleList(nn.GRU(q, num_hiddens, num_layers) for _ in range(2))

    def states(self, X):
        past, future = self.rnn
        return past(X)[0], future(X.flip(0))[0].flip(0)

# %% id="masked"
class Masked(nn.Module):
    """The directions are joined in every layer; x_j is hidden in the input: (T, n) -> (T, n, q)."""

    def __init__(self, num_hiddens, num_layers):
        super().__init__()
        self.rnn = nn.GRU(q + 1, num_hiddens, num_layers, bidirectional=True)  # index q: a blank
        self.output = nn.Linear(2 * num_hiddens, q)

    def forward(self, tokens):
        (T, n), j = tokens.shape, torch.arange(len(tokens))
        copies = tokens[:, None].repeat(1, T, 1)  # (T, T, n): one copy of the text for each blank,
        copies[j, j] = q  # and in copy j it is x_j that is masked
        H, _ = self.rnn(F.one_hot(copies.flatten(1), q + 1).float())  # (T, T n, 2h)
        return self.output(H.unflatten(1, (T, n))[j, j])  # (T, n, 2h): step j of copy j

# %% tags=["hide-input"] id="deep-table"
# how far the scores for x_16 move with it, for each kind of network and number of layers
utils.seed_everything(0)
kinds = {
    "joined": lambda L: FillIn(16, True, L),
    "apart": lambda L: Apart(16, L),
    "masked": lambda L: Masked(16, L),
}
rows = []
for name, build in kinds.items():
    moves = [scores_move(build(L), tokens, s=16, j=16) for L in (1, 2, 3)]
    rows.append([name, *(f"{moved:.3f}" for moved in moves)])
utils.table(["x_16 changed: its scores move by", "L = 1", "L = 2", "L = 3"], rows)

# %% [markdown] lang="en" id="two-way-text"
# Trained, the leak looks like success. Two networks learn to fill blanks, with two layers of 48 units in each direction, one joined, one apart. (They also practise to answer from the left alone and from the right alone, for the figure below.) **Watch** the dashed curves.

# %% [markdown] lang="zh" id="two-way-text"
# 训练之后，泄漏看起来就像成功。让两个网络学习填空，都是两层，每个方向 48 个单元；一个把两个方向合并，一个始终分开。（为了下面的图，它们还要练习只凭左边、只凭右边的隐状态来回答。）**请盯住**虚线。

# %% tags=["hide-input"] id="train-two-way"
def one_sided(H):
    """What is read (T, n, 2h), then its left half alone and its right half alone: (T, 3n, 2h)."""
    left, right = H.chunk(2, dim=-1)
    left, right = torch.cat([left, 0 * right], dim=-1), torch.cat([0 * left, right], dim=-1)
    return torch.cat([H, left, right], dim=1)

def train_two_way(model, lr=0.01, num_records=7):
    """As train_fill_in, from both sides and from each one; every 20, yield scores of both."""
    updater = torch.optim.Adam(model.parameters(), lr)
    generator = torch.Generator().manual_seed(0)  # of the minibatches
    for record in range(1, utils.epochs(num_records) + 1):
        losses = []
        for _ in range(20):
            chosen = torch.randint(len(train_windows), (32,), generator=generator)
            tokens = train_windows[chosen].T  # (T, n)
            O = model.output(one_sided(model.beside(tokens)))  # (T, 3n, q)
            updater.zero_grad()
            F.cross_entropy(O.flatten(0, 1), tokens.repeat(1, 3).flatten()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            updater.step()
            losses.append(F.cross_entropy(O[15, :32].detach(), tokens[15]).item())
        held_out, _ = centre_scores(model, held_out_windows[::10])
        yield 20 * record, math.exp(statistics.mean(losses)), held_out

# %% id="two-way-race"
utils.seed_everything(0)
two_way = {"joined": FillIn(48, True, num_layers=2), "apart": Apart(48, num_layers=2)}
plot = utils.LivePlot(140, "perplexity of the centre character", xlabel="minibatch")
plot.race({name: train_two_way(model) for name, model in two_way.items()})
for name, model in two_way.items():
    perplexity, accuracy = centre_scores(model, held_out_windows)
    print(f"{name}: held-out perplexity {perplexity:.2f}, {100 * accuracy:.1f} % right")

# %% [markdown] lang="en" id="two-way-look"
# Perplexity 1.00, on held-out text: nothing that guesses is that good. The joined network *reads* the letter; only the check told so beforehand.
#
# Below, a forward and a backward cursor take step after step through both layers. Orange states move when the letter at `place` is changed. The two framed ones are read for this place; the table says what comes of both, and of each alone. Start the steps anew with `joined` and follow layer 2; then try `apart`. Last, spoil the letter in the text: whose answer changes with it?
#
# <details><summary>Answer</summary>The joined network's, from both sides: it copies what stands there. With the directions apart the answer stays, for nothing that is read has seen the letter.</details>

# %% [markdown] lang="zh" id="two-way-look"
# 在留出文本上，困惑度竟是 1.00：凡是靠猜的，都不可能这么好。合并的网络是**读到**了那个字母；事先看出这一点的，只有那项检查。
#
# 在下图中，前向和反向两个光标一步一步走过两层。改动“位置”处的字母，橙色的隐状态就会跟着变。加框的两个，就是填这一处时所读的隐状态；表中列出两边合起来、只凭左边、只凭右边各会填什么。先选“合并”，从第 0 步重新走起，留意第 2 层；再试“分开”。最后，在文本中改掉这个字母：谁的答案跟着变？
#
# <details><summary>答案</summary>合并的网络，两边合起来的答案会变：它照抄那里的字母。方向分开时，答案不变，因为所读的隐状态都没有见过这个字母。</details>

# %% tags=["hide-input"] id="two-way-states"
def first_layers(rnn, l):
    """The first l layers of an nn.GRU, with its weights."""
    lower = nn.GRU(rnn.input_size, rnn.hidden_size, l, bidirectional=rnn.bidirectional)
    lower.load_state_dict({name: rnn.state_dict()[name] for name in lower.state_dict()})
    return lower

def all_states(model, X):
    """Forward and backward states of every layer, the lowest first: 2 L times (T, n, h)."""
    states, rnns = [], model.rnn if isinstance(model, Apart) else [model.rnn]
    for l in range(1, rnns[0].num_layers + 1):
        halves = [first_layers(rnn, l)(x)[0] for rnn, x in zip(rnns, (X, X.flip(0)))]
        states += [halves[0], halves[1].flip(0)] if len(halves) > 1 else halves[0].chunk(2, dim=-1)
    return states

def walked(T, steps):
    """Which states two cursors have computed after so many steps, layer by layer: (2 L, T)."""
    done, t = [], torch.arange(T)
    for l in range(2):
        i = min(max(steps - l * T, 0), T)  # steps made in this layer
        done += [t < i, t >= T - i]
    return torch.stack(done)

# %% tags=["hide-input"] id="two-way-answers"
def answers(model, states, j, done):
    """The likeliest letters at j, from what the two states beside it say, as a table."""
    T, zero = len(states[0]), torch.zeros_like(states[0][0, :1])
    left, right = (s[i, :1] if 0 <= i < T else zero for s, i in zip(states[-2:], (j - 1, j + 1)))
    P = model.output(one_sided(torch.cat([left, right], dim=-1)[None]))[0].softmax(dim=-1)
    there = [j == 0 or done[-2, j - 1], j == T - 1 or done[-1, j + 1]]
    rows = []
    for name, p, known in zip(("both sides", "left side", "right side"), P, (all(there), *there)):
        best = [f"{'␣' if i == 0 else characters[i]} {p[i]:.2f}" for i in p.topk(5).indices]
        rows.append([name, *(best if known else 5 * ["not yet"])])
    return utils.table(["from", "1st", "2nd", "3rd", "4th", "5th"], rows)

# %% tags=["hide-input"] id="draw-two-ways"
def draw_two_ways(network, text, place, steps):
    """Draw the states that two cursors have computed, and which of them move with a letter."""
    text = typed(text, "2 to 32 letters a to z and spaces", 2, 32)
    T, model, j = len(text), two_way[network], min(place, len(text)) - 1
    tokens = torch.tensor([characters.index(c) for c in text])[:, None].repeat(1, 2)  # (T, 2)
    tokens[j, 1] = (tokens[j, 1] + 1) % q  # the same text with another letter at j
    with torch.no_grad():
        states, done = all_states(model, F.one_hot(tokens, q).float()), walked(T, steps)
        table = answers(model, states, j, done)
    moved = torch.stack([(s[:, 0] - s[:, 1]).abs().amax(dim=-1) for s in states])  # (2 L, T)
    plain, orange = torch.tensor([0.85, 0.88, 0.91]), torch.tensor([0.84, 0.37, 0.0])
    share = torch.where(moved > 1e-6, 0.4 + 0.6 * moved.clamp(max=1), 0)[..., None]
    colours = torch.where(done[..., None], plain + share * (orange - plain), 1)
    fig, ax = utils.new_figure(8.4, 2.9, bare=True)
    ax.imshow(colours.numpy(), aspect="auto", origin="lower", extent=(-0.5, T - 0.5, -0.5, 3.5))
    ax.hlines([0.5, 1.5, 2.5], -0.5, T - 0.5, color="white", linewidth=[3, 8, 3])
    for row, name in enumerate(("layer 1 →", "layer 1 ←", "layer 2 →", "layer 2 ←")):
        ax.annotate(name, (-0.8, row), ha="right", va="center")
    read = [(row, i) for row, i in ((2, j - 1), (3, j + 1)) if 0 <= i < T]
    ax.bar([i for _, i in read], 0.7, 0.8, [row - 0.35 for row, _ in read], fill=False, linewidth=2)
    for t, c in enumerate(text.replace(" ", "␣")):
        style = {"fontweight": "bold", "color": utils.VERMILION} if t == j else {}
        ax.annotate(c, (t, -1), ha="center", va="center", gid="tick", **style)
    leaks = any(moved[place] > 1e-6 for place in read)
    title = f"x_{j + 1} {'moves what is read for it: a leak' if leaks else 'is hidden'}"
    ax.set(xlim=(-4.8, T - 0.3), ylim=(-1.5, 4.3))
    ax.annotate(title if all(done[place] for place in read) else "on the way", (-0.5, 3.75))
    return fig, table

# %% tags=["hide-input"] id="explore-two-ways"
utils.explore(
    draw_two_ways,
    play="steps",
    network=widgets.Dropdown(options=list(two_way), value="joined", description="network"),
    text=widgets.Text("he swept back into the past", description="text"),
    place=widgets.IntSlider(10, min=1, max=32, description="place"),
    steps=widgets.IntSlider(54, min=0, max=64, description="steps"),
)

# %% [markdown] lang="en" id="tag-text"
# ## Use 2: tag every token
#
# Chinese and Thai are written without spaces, so the first step of many programs is to find the words. The same task here: take the spaces out of the book, and **tag** each letter: does a word end here, yes (1) or no (0)? The letter itself may be read, so this is the plain bidirectional network, $\mathbf{O}_t$ from $\mathbf{H}_t$. (A label for every token is **sequence labelling**; to find names of people and places in a text, **named-entity recognition**, is another case.)

# %% [markdown] lang="zh" id="tag-text"
# ## 用途二：给每个词元做标注
#
# 中文和泰文书写时词与词之间没有空格，所以许多程序的第一步就是分词。这里出一道同样的题：去掉书中的空格，给每个字母做**标注**：一个单词是否在此结束，是（1）或否（0）？当前字母本身可以读，所以用的就是普通的双向网络，由 $\mathbf{H}_t$ 算出 $\mathbf{O}_t$。（给每个词元一个标签，叫做**序列标注**（sequence labelling）；在文本中找出人名、地名、机构名的**命名实体识别**（named-entity recognition）也是一例。）

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
# Why is one side not enough? After `the` a word may end; but if `re` follows, it may be `there` or the beginning of `the red`. The tag of a letter often depends on the letters to its **right**.
# **Predict:** how often would a tagger be right if it always said no? (The table after the training has a row for that one.)

# %% [markdown] lang="zh" id="tag-why"
# 为什么只看一边不够？读到 `the` 时单词可能结束了；可是如果后面是 `re`，它也许是 `there`，也许是 `the red` 的开头。一个字母该怎么标，常常取决于它**右边**的字母。
# **猜一猜：** 一律回答“否”，正确率是多少？（训练之后的表里有它的一行。）

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
# The race is set up as before. **Watch** the dashed curves, the share of held-out letters that are tagged wrongly.

# %% [markdown] lang="zh" id="tag-f1"
# 在这里，正确率显得过于好看，因为大多数字母都不是词尾。**F1** 只看词尾：正确找到的个数乘以 2，再除以标出的个数与真实个数之和。两者处处一致时为 1，一个词尾也没找到时为 0。
#
# 比法与前面一样。**请盯住**虚线，即留出字母中标错的比例。

# %% id="tag-scores"
def scores(predicted, tags):
    """Accuracy, and F1 of the tag 1."""
    found = (predicted & tags).sum().item()  # word ends that were tagged as such
    accuracy = (predicted == tags).float().mean().item()
    return accuracy, 2 * found / (predicted.sum() + tags.sum()).item()

def tag(model, letters):
    with torch.no_grad():
        return model(letters[:, None])[:, 0].argmax(dim=1)  # (T, 1, 2) -> (T,)

# %% tags=["hide-input"] id="wrong-in-windows"
def wrong_in_windows(model):
    """The share of held-out letters tagged wrongly, in windows of 50 letters as in training."""
    X, Y = (part.unfold(0, 50, 50) for part in (held_out_letters, held_out_tags))  # (windows, 50)
    with torch.no_grad():
        return (model(X.T).argmax(dim=-1) != Y.T).float().mean().item()

# %% tags=["hide-input"] id="train-tagger"
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
# The dashed curve of the bidirectional network ends with about half as many mistakes. The table's last column looks only at the `e` of t, h, e: mostly the word `the`, but also part of `then`, `there`, `other`.
#
# Next, `there was the machine` without its spaces. A bar is the probability that a word ends there; from 0.5 on the answer is yes. At the first `the`, the beginning of `there`, only the unidirectional tagger says yes; at the second, a word of its own, both do.

# %% [markdown] lang="zh" id="tag-look"
# 从虚线看，训练结束时，双向网络标错的字母约为单向网络的一半。表中最后一列只看 t、h、e 相连时的那个 `e`：多数是单词 `the`，也有 `then`、`there`、`other` 的一部分。
#
# 再看去掉空格的 `there was the machine`。柱高表示单词在此结束的概率；达到 0.5，就回答“是”。在第一个 `the` 处（它是 `there` 的开头），只有单向网络回答“是”；在第二个 `the` 处（它自成一词），两个都回答“是”。

# %% tags=["hide-input"] id="draw-ends"
def ends_of(model, letters):
    """Letters of a text, and for each the probability that a word ends there, (T,)."""
    letters = typed(letters, "1 to 40 letters a to z", 1, 40, space="")
    with torch.no_grad():  # (T, 1, 2) -> (T,)
        return letters, model(without_spaces(letters)[0][:, None])[:, 0].softmax(dim=1)[:, 1]

def draw_ends(letters):
    """Draw, for every letter of an unspaced text, the probability that a word ends there."""
    heights = {}
    for name, model in taggers.items():
        shown, heights[name] = ends_of(model, letters)
    fig, ax = utils.draw_bars(shown, heights)
    ax.axhline(0.5, color="0.3", linestyle=":")
    ax.set(ylim=(0, 1.3), ylabel="P(a word ends here)")
    ax.set_xlabel("letter", labelpad=18)
    ax.legend(loc="upper right", ncols=2, frameon=False)
    return fig

draw_ends("therewasthemachine")

# %% [markdown] lang="en" id="late-text"
# ### The rival: answer later
#
# Is it the second direction that helps, or just to have seen what follows? One direction can see it as well, if it may answer $k$ letters **late**: the scores for letter $t$ are read off $\overrightarrow{\mathbf{H}}_{t+k}$, and no parameter is added.
# **Guess:** how large must $k$ be, that the two are no longer told apart?

# %% [markdown] lang="zh" id="late-text"
# ### 对手：晚一点再回答
#
# 有用的究竟是第二个方向，还是看到了后面的字母？单向网络也能看到后面，只要允许它**晚** $k$ 个字母回答：第 $t$ 个字母的得分由 $\overrightarrow{\mathbf{H}}_{t+k}$ 算出，参数一个也不增加。
# **猜一猜：** $k$ 要多大，才与双向网络分不出高下？

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

# %% tags=["hide-input"] id="late-runs"
# one direction that answers k letters late, and two directions: F1 from six random starts each
builds = {f"k = {k}": lambda k=k: LateTagger(64, k) for k in (0, 1, 2, 3, 6)}
builds["both directions"] = lambda: Tagger(both_ways.rnn.hidden_size, bidirectional=True)

def f1_of(model):
    return scores(tag(model, held_out_letters), held_out_tags)[1]

def record_late():
    return (over_starts(build, train_tagger, f1_of) for build in builds.values())

rows, about = utils.recorded("delayed_tagger", record_late)
late_f1 = dict(zip(builds, rows))

# %% tags=["hide-input"] id="draw-late"
def draw_late():
    """Draw F1 against the delay, a dot for each start, and the band of two directions."""
    fig, ax = utils.new_figure(7, 3)
    *late, both = late_f1.items()
    ks = [int(name.split()[-1]) for name, _ in late]
    ax.axhspan(min(both[1]), max(both[1]), color=utils.VERMILION, alpha=0.3, label=both[0])
    ax.plot(ks, [statistics.median(values) for _, values in late], "-", color=utils.BLUE)
    dots = [(k, f1) for k, (_, values) in zip(ks, late) for f1 in values]
    ax.plot(*zip(*dots), "o", color=utils.BLUE, alpha=0.5, label="one direction, k letters late")
    ax.set(xlabel="k, letters late", ylabel="F1, held-out letters", xticks=ks)
    ax.set_title(f"{len(both[1])} starts each ({about['origin']})")
    ax.legend(loc="lower right", frameon=False)
    return fig

f1_both = late_f1["both directions"]
rivals = [name for name, values in late_f1.items() if max(values) >= min(f1_both)]
utils.guess(
    "how many letters late, so that one direction is not told apart from two?",
    rivals[0],
    choices=[name for name in late_f1 if name != "both directions"],
    show=draw_late,
)

# %% id="late-ranking"
utils.ranking(late_f1, lower_is_better=False)

# %% [markdown] lang="en" id="late-look"
# So what the second direction brings here may be no more than the next few letters, and one direction that waits has those as well. But $k$ must be chosen: at 2 there is less to see, and at 6 so short a training ends lower again, perhaps because the letter has to be carried on through six more steps.
#
# And the rival can **stream**. Move `step` and `k` (the late taggers were trained for a moment only): answers follow $k$ letters behind, and the two directions are silent until the text is complete.

# %% [markdown] lang="zh" id="late-look"
# 可见第二个方向在这里带来的，也许只是后面那几个字母，而单向网络只要肯等，同样看得到。不过 $k$ 要选好：$k = 2$ 时看得不够；$k = 6$ 时，这么短的训练又差了一些，也许是因为要把待标的字母再带上六步。
#
# 这个对手还能**边读边答**。移动“步”和 `k`（晚答的网络只简短地训练过）：答案晚 $k$ 个字母跟上，双向网络则要等整段文本到齐才开口。

# %% tags=["hide-input"] id="late-race"
# two late taggers for the figure below, trained for a moment
utils.seed_everything(0)
late_taggers = {k: LateTagger(64, k) for k in (1, 3)}
for model in late_taggers.values():
    for _ in train_tagger(model, num_records=8):
        pass

# %% tags=["hide-input"] id="draw-stream"
def draw_stream(letters, step, k):
    """Draw what is answered when so many letters have been read: k letters late, and both ways."""
    model = late_taggers.get(k, taggers["unidirectional"])
    (letters, late), (_, both) = ends_of(model, letters), ends_of(taggers["bidirectional"], letters)
    T, t = len(letters), torch.arange(len(letters))
    step = min(step, T + k)  # after the last letter come k empty steps
    late, both = late * (t < step - k), both * (step >= T)
    names = f"one direction, {k} letters late", "both directions"
    fig, ax = utils.draw_bars(letters, dict(zip(names, (late, both))))
    ax.axvspan(step - 0.5, max(step, T) - 0.5, color="0.9", zorder=0)
    ax.axhline(0.5, color="0.3", linestyle=":")
    read = f"read: {min(step, T)} of {T} letters   answered: {max(0, step - k)}"
    ax.set(ylim=(0, 1.3), ylabel="P(a word ends here)", title=read)
    ax.legend(loc="upper right", ncols=2, frameon=False)
    return fig

utils.explore(
    draw_stream,
    play="step",
    letters=widgets.Text("therewasthemachine", description="text"),
    step=widgets.IntSlider(12, min=0, max=43, description="step"),
    k=widgets.SelectionSlider(options=[0, 1, 3], value=3, description="k"),
)

# %% [markdown] lang="en" id="encode-text"
# ## Use 3: encode a sequence
#
# A classifier, or a translation system's **encoder**, wants *one* vector that stands for the whole sequence. Candidates of $2h$ numbers: both directions' **final states** (the last two slices of `h_n`), the **mean** or the **maximum** of `output` over time, and, by mistake, **`output[-1]`**.
#
# Two tests, with 30 random letters out of 8: say from the vector which letter was the **first**, and which the **last**; or which one was **marked**, at a random place. **Predict:** which vector is good for which?

# %% [markdown] lang="zh" id="encode-text"
# ## 用途三：对序列编码
#
# 分类器，或者机器翻译的**编码器**，需要用**一个**向量来代表整个序列。候选的向量都是 $2h$ 个数：两个方向的**最终状态**（`h_n` 的最后两个切片）、`output` 对时间的**平均**或**最大值**，以及误用的 **`output[-1]`**。
#
# 测试有两种，序列都由 30 个随机字母组成，字母共有 8 种。只凭这个向量，说出**第一个**字母和**最后一个**字母各是什么；或者说出随机位置上**带标记**的是哪个字母。**猜一猜：** 哪种向量适合哪种测试？

# %% id="encode-tools"
READOUTS = {
    "h_n[-2:]": lambda output, h_n: torch.cat([h_n[-2], h_n[-1]], dim=-1),  # (n, 2h)
    "output.mean(0)": lambda output, h_n: output.mean(dim=0),
    "output.amax(0)": lambda output, h_n: output.amax(dim=0),
    "output[-1]": lambda output, h_n: output[-1],
}

# %% tags=["hide-input"] id="train-encoder"
def letters_to_read(marked, T=30, n=64, num_letters=8):
    """Inputs (T, n, 8 + 1), and the letters to name: (1, n) the marked one, or (2, n) both ends."""
    tokens, mark = torch.randint(num_letters, (T, n)), torch.zeros(T, n)
    place = torch.randint(T, (1, n))
    if marked:
        mark.scatter_(0, place, 1.0)
    X = torch.cat([F.one_hot(tokens, num_letters), mark[..., None]], dim=-1)  # (T, n, 9)
    return X, tokens.gather(0, place) if marked else tokens[[0, -1]]

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

# %% tags=["hide-input"] id="encode"
# each readout trained from six starts: how often the first, last and marked letter are named
def record_encoders():
    for readout in READOUTS.values():
        starts = range(6)
        ends, marked = ([train_encoder(readout, m, seed) for seed in starts] for m in (False, True))
        yield from zip(*(a + b for a, b in zip(ends, marked)))  # first, last, marked letter

right, about = utils.recorded("encoders", record_encoders)  # (3 * 4, 6)
rows = []
for i, name in enumerate(READOUTS):
    starts = right[3 * i : 3 * i + 3]
    rows.append([name, *(f"{100 * min(r):.0f} to {100 * max(r):.0f} %" for r in starts)])
for i, letter in ((0, "first"), (2, "marked")):
    print(f"{letter} letter, {len(right[0])} starts ({about['origin']})")
    utils.ranking(dict(zip(READOUTS, right[i::3])), lower_is_better=False)
head = [f"right, six starts ({about['origin']})", "first letter", "last letter", "marked letter"]
utils.table(head, rows)

# %% [markdown] lang="en" id="encode-look"
# `output[-1]` does not know the first letter: its backward half has never seen it, and its forward half would have to carry it through 29 more steps. In `h_n` the backward direction has just read it. But a marked letter mostly stands far from both ends: there the mean, which reads every step, is told apart as better, and the maximum, where one step can stand out, as better still.
#
# Some textbooks say that bidirectional layers are hardly used in practice. Where the whole sequence is there before an answer is wanted, that was never so: tagging, the encoders of translation systems, and the transcription of recordings were their home for years. True is that they are slow, step by step and only from the last input on, and that Transformers, which look both ways too and at all steps at once, have taken over most of this work.

# %% [markdown] lang="zh" id="encode-look"
# `output[-1]` 不知道第一个字母：它的反向部分从没见过那个字母，前向部分则要带着它再走 29 步。而在 `h_n` 里，反向在最后一步刚刚读过它。不过，带标记的字母大多离两端很远：这时，读取每一步的平均明显胜过 `h_n`；最大值能让某一步突显出来，又胜过平均。
#
# 教材里说，“双向层的使用在实践中非常少”。凡是整个序列先摆在面前、然后才要回答的任务，却并非如此：序列标注、机器翻译的编码器、录音的语音识别，多年来都靠它。说得对的是：它慢，只能一步一步地算，还要等到最后一个输入；同样两边都看、各步又能同时计算的 Transformer，如今已经接手了这类工作的大部分。

# %% [markdown] lang="en" id="padding-text"
# ## Sequences of different lengths
#
# In a minibatch, short sequences are **padded**, filled up to the same $T$. Our layer's forward direction then ends in the padding, its backward direction even *begins* there. Given the `lengths`, three things are to be mended: each sequence is flipped **within its own length**; in the padding the state stands still; and the outputs there are 0.

# %% [markdown] lang="zh" id="padding-text"
# ## 长短不一的序列
#
# 小批量里的短序列要**填充**到同样的长度 $T$。这时，我们的层前向最后读的是填充的部分，反向更是**从填充的部分读起**。有了各序列的长度 `lengths`，要改三处：每个序列只在**自己的长度之内**翻转；到了填充部分，隐状态保持不动；那里的输出则为 0。

# %% id="flip-within"
def flip_within(X, lengths):
    """Reverse each sequence of (T, n, d) within its own length; the padding stays where it is."""
    t = torch.arange(len(X))[:, None]  # (T, 1)
    source = torch.where(t < lengths, lengths - 1 - t, t)  # (T, n)
    return X.gather(0, source[..., None].expand_as(X))

def go_on(inside, new, old):
    """The new state where a sequence goes on, the old one in its padding."""
    if isinstance(new, tuple):  # an LSTM's
        return tuple(go_on(inside, *pair) for pair in zip(new, old))
    return torch.where(inside, new, old)

def run_padded(cell, X, lengths):
    """As run_forward, for sequences of these lengths (n,), each at least 1."""
    H, state = [], None
    for t, X_t in enumerate(X):
        inside, new = (t < lengths)[:, None], cell(X_t, state)  # (n, 1), (n, h)
        state = new if t == 0 else go_on(inside, new, state)
        H.append(torch.where(inside, hidden(state), 0))
    return torch.stack(H), state

# %% id="padded-rnn"
class PaddedBiRNN(BiRNN):
    """A BiRNN for sequences of different lengths (n,)."""

    def forward(self, X, lengths):
        H, finals = X, []
        for cell_f, cell_b in zip(self.forward_cells, self.backward_cells):
            H_f, final_f = run_padded(cell_f, H, lengths)
            H_b, final_b = run_padded(cell_b, flip_within(H, lengths), lengths)
            H = torch.cat([H_f, flip_within(H_b, lengths)], dim=-1)  # (T, n, h_f + h_b)
            finals += [final_f, final_b]
        return H, finals

# %% [markdown] lang="en" id="padded-check-text"
# PyTorch leaves the padding out with `pack_padded_sequence` (`enforce_sorted=False`: lengths in any order) and comes back to the shape $(T, n, 2h)$ with `pad_packed_sequence`. Outputs, final states and all gradients must agree, even though here the padding is full of random numbers:

# %% [markdown] lang="zh" id="padded-check-text"
# PyTorch 用 `pack_padded_sequence` 去掉填充（`enforce_sorted=False` 表示长度可以按任意次序排列），再用 `pad_packed_sequence` 恢复成 $(T, n, 2h)$ 的形状。输出、最终状态和所有梯度都必须一致，即使这里的填充部分装满了随机数：

# %% id="padded-check"
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

utils.seed_everything(0)
unsorted, close = torch.tensor([4, 6, 1, 5]), torch.testing.assert_close
for Cell, their_class in ((nn.GRUCell, nn.GRU), (nn.LSTMCell, nn.LSTM)):
    theirs = their_class(3, 4, num_layers=2, bidirectional=True)
    ours = PaddedBiRNN(Cell, 3, 4, 4, num_layers=2)
    copy_weights(ours, theirs)
    batch = torch.randn(6, 4, 3)  # (T, n, d)
    H, finals = ours(batch, unsorted)
    H_n = torch.stack([hidden(state) for state in finals])  # (2 L, n, h)
    their_H, state = theirs(pack_padded_sequence(batch, unsorted, enforce_sorted=False))
    their_H, _ = pad_packed_sequence(their_H)
    close(H, their_H)
    close(H_n, hidden(state))
    for outputs, final in ((H, H_n), (their_H, hidden(state))):
        (outputs.square().sum() + final.exp().sum()).backward()
    for name, parameter in ours.named_parameters():
        close(parameter.grad, getattr(theirs, their_name(name)).grad)
print("lengths 4, 6, 1, 5: outputs, final states and all gradients are those of the packed layer")

# %% [markdown] lang="en" id="mistakes-text"
# ### Three mistakes, one test
#
# **Cut the padding off: what is said of a sequence must not move.** Lengths 6 and 4, and three classics:
#
# 1. `flip(0)`: the backward direction reads the padding first.
# 2. `output[-1]`: step 6, for a sequence that ends at 4. **Guess** what the packed layer gives there.
# 3. A mean over all $T$ steps, of `output` or of the loss: it counts 12 steps where there are 10.

# %% [markdown] lang="zh" id="mistakes-text"
# ### 三个错误，一个测试
#
# **去掉填充之后，对一个序列的结论不能变。** 设长度为 6 和 4，三个经典的错误是：
#
# 1. `flip(0)`：反向先读了填充的部分。
# 2. `output[-1]`：取的是第 6 步，可序列在第 4 步就结束了。**猜一猜**，pack 之后的层在那里给出什么？
# 3. 对全部 $T$ 步取平均，不论是 `output` 还是损失：只有 10 步，却算了 12 步。

# %% id="mistakes"
utils.seed_everything(0)
lengths = torch.tensor([6, 4])
batch, targets = torch.randn(6, 2, 3), torch.randint(5, (6, 2))
encoder, W = PaddedBiRNN(nn.GRUCell, 3, 4, 4), nn.Linear(8, 5)
naive = BiRNN(nn.GRUCell, 3, 4, 4)
naive.load_state_dict(encoder.state_dict())

def losses(X, Y, lengths):
    """The loss of every step, (T, n): 0 where the target is -100, the padding's."""
    Y = Y.masked_fill(torch.arange(len(Y))[:, None] >= lengths, -100)
    O = W(encoder(X, lengths)[0])  # (T, n, q)
    return F.cross_entropy(O.transpose(1, 2), Y, ignore_index=-100, reduction="none")

summaries = {  # of X (T, n, d), targets Y (T, n) and lengths (n,): something for each sequence
    "wrong: h_n with flip(0)": lambda X, Y, l: torch.cat(naive(X)[1], dim=-1),
    "right: h_n with lengths": lambda X, Y, l: torch.cat(encoder(X, l)[1], dim=-1),
    "wrong: output[-1]": lambda X, Y, l: encoder(X, l)[0][-1],
    "right: output[lengths - 1]": lambda X, Y, l: encoder(X, l)[0][l - 1, range(len(l))],
    "wrong: output.mean(0)": lambda X, Y, l: encoder(X, l)[0].mean(dim=0),
    "right: output.sum(0) / lengths": lambda X, Y, l: encoder(X, l)[0].sum(dim=0) / l[:, None],
    "wrong: loss, mean over T": lambda X, Y, l: losses(X, Y, l).mean(dim=0),
    "right: loss, sum / lengths": lambda X, Y, l: losses(X, Y, l).sum(dim=0) / l,
}

# %% id="padding-test"
def padding_moves(summary, X, Y, lengths):
    """How far a summary of each sequence moves when its padding is cut off."""
    moves = []
    for i, T_i in enumerate(lengths.tolist()):
        alone = summary(X[:T_i, i : i + 1], Y[:T_i, i : i + 1], lengths[i : i + 1])[0]
        moves.append((summary(X, Y, lengths)[i] - alone).abs().max().item())
    return moves

rows = []
for name, summary in summaries.items():
    moves = padding_moves(summary, batch, targets, lengths)
    rows.append([name, *(f"{moved:.3f}" for moved in moves)])
last = encoder(batch, lengths)[0][-1, 1]  # what the packed layer gives, too
utils.guess(
    "lengths 6 and 4, packed: what is output[-1] of the shorter sequence?",
    "zeros" if not last.any() else "its final states",
    choices=("its final states", "zeros", "states that have read padding", "the states of step 4"),
    show=lambda rows=rows: utils.table(["padding cut off: moves by", "length 6", "length 4"], rows),
)

# %% [markdown] lang="en" id="padding-look"
# The longest sequence shows no mistake, nor does a minibatch of one: test with two lengths. In the loss, give padding a target that `F.cross_entropy(..., ignore_index=-100)` leaves out: its mean is then over the 10 real steps, a **masked loss**. (The table takes a mean for each sequence, in which a step of the short one weighs more. Both are right; say which.) `output[lengths - 1]` is right, yet it still is no summary: its backward half has read one step. Take `h_n`.

# %% [markdown] lang="zh" id="padding-look"
# 最长的序列看不出任何错误，只含一个序列的小批量也看不出：测试时要用两种长度。计算损失时，给填充部分一个会被 `F.cross_entropy(..., ignore_index=-100)` 略过的目标，平均就只对 10 个真实的步来取，这叫**掩码损失**。（表中是每个序列各取平均，短序列的一步就占得更重。两种都对，说明用的是哪一种即可。）`output[lengths - 1]` 虽然没错，却仍不能概括整个序列：它的反向部分只读了一步。应取 `h_n`。

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
# **3.** 一个双向层读取 $T = 10$ 个输入，现在改动 $\mathbf{X}_4$。输出的前向部分在几个时间步上发生变化，反向部分呢？请写成含两个数的元组。

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

# %% [markdown] lang="en" id="exam"
# ## What to write in the exam
#
# **1.** A bidirectional layer: the equations, and the shape of each state and of $\mathbf{W}_{hq}$?
#
# <details><summary>answer</summary>$\overrightarrow{\mathbf{H}}_t = \phi(\mathbf{X}_t \mathbf{W}_{xh}^{(f)} + \overrightarrow{\mathbf{H}}_{t-1} \mathbf{W}_{hh}^{(f)} + \mathbf{b}_h^{(f)})$, $n \times h_f$; $\overleftarrow{\mathbf{H}}_t = \phi(\mathbf{X}_t \mathbf{W}_{xh}^{(b)} + \overleftarrow{\mathbf{H}}_{t+1} \mathbf{W}_{hh}^{(b)} + \mathbf{b}_h^{(b)})$, $n \times h_b$; $\mathbf{H}_t = [\overrightarrow{\mathbf{H}}_t, \overleftarrow{\mathbf{H}}_t]$ side by side, $n \times (h_f + h_b)$; $\mathbf{O}_t = \mathbf{H}_t \mathbf{W}_{hq} + \mathbf{b}_q$ with $\mathbf{W}_{hq}$ of $(h_f + h_b) \times q$. The states of steps 0 and T + 1 are zero. Each direction has its own weights; within a layer no arrow leads from one to the other.</details>
#
# **2.** May I fill blanks with a two-layer bidirectional GRU read at $j - 1$ and $j + 1$?
#
# <details><summary>answer</summary>No. Layer 2's forward state at j − 1 reads both halves of layer 1 at j − 1, and the backward half has read x_j; likewise its backward state at j + 1 reads layer 1's forward state there. Check: change x_j; the scores for x_j move. With one layer they do not. Cures: two stacks that meet in the output layer only (ELMo), or mask x_j in the input (BERT); then they do not move at any depth.</details>
#
# **3.** Lengths 6 and 4 in one minibatch: what are `output[-1]`, `h_n[-2]`, `h_n[-1]` and the loss?
#
# <details><summary>answer</summary>One layer, packed. Length 6: <code>output[-1]</code> is step 6, its forward half after x_1 to x_6, its backward half after x_6 alone. Length 4: <code>output[-1]</code> is zeros. <code>h_n[-2]</code>, the last layer's forward final state, is that of step 6 and of step 4; <code>h_n[-1]</code>, the backward one, is that of step 1, begun at x_6 and at x_4. The loss is the mean over the 10 real steps (<code>ignore_index</code>, or a sum divided by 10). Not packed, the shorter sequence goes wrong: <code>h_n[-2]</code> and the forward half of <code>output[-1]</code> have read two steps of padding after x_4, <code>h_n[-1]</code> has read them before x_4, the backward half of <code>output[-1]</code> has read one step of padding and nothing else, and a plain mean of the loss counts 12 steps.</details>
#
# **4.** What do two directions cost, at equal $h$, with $L$ layers?
#
# <details><summary>answer</summary>Layer 1: twice the parameters, memory and work. Later layers read 2h numbers: nearly three times the parameters for a GRU or LSTM of large h. The longest chain grows from T + L − 1 to L T steps, because each layer waits for the whole of the one below. No output before the last input.</details>
#
# **5.** When is one direction enough where the future helps?
#
# <details><summary>answer</summary>Where the answer may come k steps late and what it needs stands within k steps: O_t is read off H→_{t+k}, with no further parameter. Measured for word ends: F1 rises up to k = 3, and there six starts are not told apart from two directions. It can stream; two directions need the whole sequence.</details>

# %% [markdown] lang="zh" id="exam"
# ## 考试怎么写
#
# **1.** 写出双向层的公式，以及各隐状态和 $\mathbf{W}_{hq}$ 的形状。
#
# <details><summary>答案</summary>$\overrightarrow{\mathbf{H}}_t = \phi(\mathbf{X}_t \mathbf{W}_{xh}^{(f)} + \overrightarrow{\mathbf{H}}_{t-1} \mathbf{W}_{hh}^{(f)} + \mathbf{b}_h^{(f)})$，$n \times h_f$；$\overleftarrow{\mathbf{H}}_t = \phi(\mathbf{X}_t \mathbf{W}_{xh}^{(b)} + \overleftarrow{\mathbf{H}}_{t+1} \mathbf{W}_{hh}^{(b)} + \mathbf{b}_h^{(b)})$，$n \times h_b$；$\mathbf{H}_t = [\overrightarrow{\mathbf{H}}_t, \overleftarrow{\mathbf{H}}_t]$，左右拼接，$n \times (h_f + h_b)$；$\mathbf{O}_t = \mathbf{H}_t \mathbf{W}_{hq} + \mathbf{b}_q$，$\mathbf{W}_{hq}$ 为 $(h_f + h_b) \times q$。第 0 步的前向状态和第 T + 1 步的反向状态为零。两个方向各有自己的权重；同一层内没有箭头从一个方向通向另一个。</details>
#
# **2.** 用两层双向 GRU，读 $j - 1$ 和 $j + 1$ 处的隐状态来填空，可以吗？
#
# <details><summary>答案</summary>不可以。第 2 层在 j − 1 处的前向隐状态把第 1 层在 j − 1 处的两部分都读了，其中反向部分读过 x_j；同样，它在 j + 1 处的反向隐状态读了第 1 层在那里的前向隐状态。检查：改动 x_j，x_j 的得分会变；只有一层时不变。补救：两摞各自独立，到输出层才相遇（ELMo）；或者在输入中遮盖 x_j（BERT）。这样无论多深，得分都不变。</details>
#
# **3.** 一个小批量里有长度为 6 和 4 的两个序列：`output[-1]`、`h_n[-2]`、`h_n[-1]` 和损失各是什么？
#
# <details><summary>答案</summary>设只有一层，用 pack 时：长度 6 的序列，<code>output[-1]</code> 是第 6 步，前向部分读过 x_1 到 x_6，反向部分只读过 x_6；长度 4 的序列，<code>output[-1]</code> 全是零。<code>h_n[-2]</code> 是最后一层前向的最终状态，分别在第 6 步和第 4 步；<code>h_n[-1]</code> 是反向的最终状态，都在第 1 步，分别从 x_6 和 x_4 读起。损失对 10 个真实的步取平均（<code>ignore_index</code>，或求和后除以 10）。不用 pack 时，短序列就错了：<code>h_n[-2]</code> 和 <code>output[-1]</code> 的前向部分在 x_4 之后又读了两步填充；<code>h_n[-1]</code> 先读两步填充才读到 x_4；<code>output[-1]</code> 的反向部分只读过一步填充；直接取平均的损失把 12 步都算了进去。</details>
#
# **4.** $h$ 相同、共 $L$ 层时，双向的代价是什么？
#
# <details><summary>答案</summary>第 1 层：参数量、内存和计算量都加倍。以后各层要读 2h 个数：h 较大时，GRU 或 LSTM 的参数接近三倍。最长的链从 T + L − 1 步增加到 L T 步，因为每一层都要等下面一层全部算完。最后一个输入到来之前没有输出。</details>
#
# **5.** 后文有用时，什么情况下单向就够了？
#
# <details><summary>答案</summary>允许晚 k 步回答，而所需的信息就在 k 步之内时：O_t 由 H→_{t+k} 算出，参数不增加。找词尾的实测：k 增加到 3，F1 一路上升，这时六个起点与双向分不出高下。单向可以边读边答，双向要等整个序列。</details>

# %% [markdown] lang="en" id="sources"
# ## Sources
#
# <details><summary>The papers this lesson rests on</summary><ul><li>M. Schuster, K. K. Paliwal: <i>Bidirectional Recurrent Neural Networks</i>. IEEE Transactions on Signal Processing 45(11), 1997</li><li>A. Graves, J. Schmidhuber: <i>Framewise Phoneme Classification with Bidirectional LSTM and Other Neural Network Architectures</i>. Neural Networks 18, 2005. With delayed answers as a rival</li><li>A. Graves, A. Mohamed, G. Hinton: <i>Speech Recognition with Deep Recurrent Neural Networks</i>. ICASSP 2013. Deep and bidirectional</li><li>M. E. Peters et al.: <i>Deep Contextualized Word Representations</i>. NAACL 2018. ELMo</li><li>J. Devlin et al.: <i>BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding</i>. NAACL 2019</li></ul></details>

# %% [markdown] lang="zh" id="sources"
# ## 参考文献
#
# <details><summary>这一课所依据的论文</summary><ul><li>M. Schuster, K. K. Paliwal: <i>Bidirectional Recurrent Neural Networks</i>. IEEE Transactions on Signal Processing 45(11), 1997</li><li>A. Graves, J. Schmidhuber: <i>Framewise Phoneme Classification with Bidirectional LSTM and Other Neural Network Architectures</i>. Neural Networks 18, 2005。也比较了延迟回答</li><li>A. Graves, A. Mohamed, G. Hinton: <i>Speech Recognition with Deep Recurrent Neural Networks</i>. ICASSP 2013。深度双向网络</li><li>M. E. Peters et al.: <i>Deep Contextualized Word Representations</i>. NAACL 2018。ELMo</li><li>J. Devlin et al.: <i>BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding</i>. NAACL 2019</li></ul></details>

# %% [markdown] lang="en" id="summary"
# ## What we saw
#
# - A bidirectional layer is two recurrences over the same inputs, one from each end, side by side: $n \times (h_f + h_b)$. Backward means flip, run forward, flip back.
# - `output` is the last layer at all steps, `h_n` all layers at their last step; `output[-1]` is not the backward direction's final state.
# - At equal $h$ one layer costs twice the parameters, memory and work; the longest chain has $L \cdot T$ steps; nothing comes out before the last input is in.
# - At equal parameters, blanks and word ends were guessed far better from two sides. For the word ends, one direction that answers three letters late was not told apart from two, and can stream.
# - From two layers on a blank is not hidden, unless the directions are kept apart or the input is masked.
# - With padding, each sequence is flipped, ended and averaged within its own length.
# - What happens if one forgets to hide the answer? See the next lesson.
#
# {{next}}

# %% [markdown] lang="zh" id="summary"
# ## 小结
#
# - 双向层就是在同样的输入上做两个递推，从两端各读一遍，左右拼接：$n \times (h_f + h_b)$。反向就是：翻转，前向运行，再翻回来。
# - `output` 是最后一层在所有时间步的隐状态，`h_n` 是所有层走完最后一步的隐状态；`output[-1]` 不是反向的最终状态。
# - $h$ 相同时，一层的参数量、内存和计算量都加倍；最长的链有 $L \cdot T$ 步；最后一个输入到来之前，什么也输出不了。
# - 参数量相同时，从两边看，填空和找词尾都准得多。找词尾时，晚三个字母回答的单向网络与双向网络分不出高下，而且可以边读边答。
# - 从两层起，除非两个方向始终分开，或者遮盖输入，否则空缺就藏不住。
# - 有填充时，每个序列的翻转、终点和平均，都要限制在自己的长度之内。
# - 忘了藏起答案，会怎样？这就是下一课的内容。
#
# {{next}}
