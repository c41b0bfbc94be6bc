# %% [markdown] lang="en" id="title"
# # 2 · A stacked network from scratch
#
# **The question of this lesson.** [Lesson 1](01_deep_rnn.ipynb) gave the equations of a deep recurrent network. Can we write it in a few short pieces, so that its values *and its gradients* are those of `nn.RNN`, `nn.GRU` and `nn.LSTM`? And where do these gradients fade?
#
# **You need:** lesson 1, and to have seen a PyTorch module (`nn.Module`) and `backward()` once. **To read:** about {{minutes 02_stacked_from_scratch}} minutes. **Run time:** less than a minute on a laptop without a GPU.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 2 · 从零实现堆叠的循环网络
#
# **本课的问题。** [第 1 课](01_deep_rnn.ipynb)给出了深度循环神经网络的公式。我们能不能用几小段代码把它写出来，让它的数值**以及梯度**都与 `nn.RNN`、`nn.GRU`、`nn.LSTM` 一致？这些梯度又在哪里衰减？
#
# **预备知识：** 第 1 课；见过 PyTorch 的模块（`nn.Module`）和 `backward()`。**阅读时间：** 约 {{minutes 02_stacked_from_scratch}} 分钟。**运行时间：** 在没有 GPU 的笔记本电脑上不到一分钟。
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

# %% [markdown] lang="en" id="cell-text"
# ## A cell
#
# Five pieces, from the inside outwards: a cell, one layer over time, a stack of layers, an output layer, a training loop. A cell computes one state,
#
# $$\mathbf{H}_t = \tanh(\underbrace{\mathbf{X}_t \mathbf{W}_{xh} + \mathbf{b}_h}_{\mathbf{A}_t} + \mathbf{H}_{t-1} \mathbf{W}_{hh}).$$
#
# We write it in two parts, for $\mathbf{A}_t \in \mathbb{R}^{n \times h}$ can be computed without any state. (`num_sums` is $k$ in the comments.)

# %% [markdown] lang="zh" id="cell-text"
# ## 单元
#
# 从里到外共五块：单元、沿时间展开的一层、层的堆叠、输出层、训练循环。一个单元算出一个隐状态：
#
# $$\mathbf{H}_t = \tanh(\underbrace{\mathbf{X}_t \mathbf{W}_{xh} + \mathbf{b}_h}_{\mathbf{A}_t} + \mathbf{H}_{t-1} \mathbf{W}_{hh}).$$
#
# 我们把它分成两部分来写，因为 $\mathbf{A}_t \in \mathbb{R}^{n \times h}$ 的计算不需要任何隐状态。（`num_sums` 在注释里写作 $k$。）

# %% id="rnn-cell"
import torch
from torch import nn
from torch.nn.functional import cross_entropy, one_hot

class RNNCell(nn.Module):
    """A plain recurrent cell; its state is the tuple (H,), with H of shape (n, h)."""

    num_sums, num_states = 1, 1  # sums per hidden unit; tensors in the state

    def __init__(self, num_inputs, num_hiddens):
        super().__init__()
        columns, bound = self.num_sums * num_hiddens, num_hiddens**-0.5  # k h columns

        def uniform(*shape):
            return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

        self.W_xh = uniform(num_inputs, columns)  # (d, k h)
        self.W_hh = uniform(num_hiddens, columns)  # (h, k h)
        self.b_h = uniform(columns)  # (k h,)

    def project(self, X):
        """A = X W_xh + b_h: (..., d) -> (..., k h). What needs no state."""
        return X @ self.W_xh + self.b_h

    def step(self, A, state):
        """The new state, from A_t (n, k h) and the old state."""
        (H,) = state
        return (torch.tanh(A + H @ self.W_hh),)  # (n, h)

# %% id="check-cell"
def copy_cell(cell, W_ih, W_hh, b_ih, b_hh):
    """Give a cell PyTorch's weights."""
    with torch.no_grad():
        cell.W_xh.copy_(W_ih.T)  # PyTorch keeps its matrices transposed
        cell.W_hh.copy_(W_hh.T)
        cell.b_h.copy_(b_ih + b_hh)  # and two biases, of which only the sum matters

utils.seed_everything(0)
d, h, n, T = 3, 4, 2, 5
cell, torch_cell = RNNCell(d, h), nn.RNNCell(d, h)
copy_cell(cell, *torch_cell.parameters())
X_t, H = torch.randn(n, d), torch.randn(n, h)
torch.testing.assert_close(cell.step(cell.project(X_t), (H,))[0], torch_cell(X_t, H))
print("one step, equal to nn.RNNCell")

# %% [markdown] lang="en" id="layer-text"
# ## One layer over time
#
# A layer is a loop: apply the cell at $t = 1, \ldots, T$, and hand the state on to the next step.

# %% [markdown] lang="zh" id="layer-text"
# ## 沿时间展开的一层
#
# 一层就是一个循环：在 $t = 1, \ldots, T$ 依次调用单元，每次都把状态传给下一步。

# %% id="layer-loop"
def run_layer_loop(cell, X, state):
    """Hidden states (T, n, h) and the final state, for X (T, n, d); everything step by step."""
    outputs = []
    for X_t in X:
        state = cell.step(cell.project(X_t), state)  # (n, d) -> (n, h)
        outputs.append(state[0])
    return torch.stack(outputs), state

# %% [markdown] lang="en" id="hoist-text"
# The loop makes two products per step. But $\mathbf{X}_t \mathbf{W}_{xh}$ needs no state: all $T$ of these products can be **hoisted** out of the loop and done as one, with the time steps stacked on top of each other.

# %% [markdown] lang="zh" id="hoist-text"
# 循环的每一步要做两次矩阵乘法。但 $\mathbf{X}_t \mathbf{W}_{xh}$ 不需要隐状态，所以这 $T$ 次乘法可以全部**提到循环外面**（hoisting）：把各时间步的输入上下拼接起来，一次算完。

# %% tags=["hide-input"] id="figure-hoisting"
utils.show_figure("hoisting")

# %% [markdown] lang="en" id="hoist-text-after"
# <details><summary>The figure in words</summary>Two ways to compute the same recurrence, time running downwards. Left: each time step makes its own small product X_t W_xh + b_h, adds it to H_{t-1} W_hh and applies tanh. Right: one product of the stacked inputs X_1 to X_T (Tn by d) with W_xh (d by h), plus b_h, gives all blocks A_1 to A_T (Tn by h) at once, and the loop only adds A_t to H_{t-1} W_hh and applies tanh.</details>

# %% [markdown] lang="zh" id="hoist-text-after"
# <details><summary>图的文字说明</summary>同一递推式的两种算法，时间自上而下。左：每个时间步各做一次小的矩阵乘法 X_t W_xh + b_h，与 H_{t-1} W_hh 相加并取 tanh。右：把 X_1 到 X_T 上下拼成 Tn×d 的矩阵，与 d×h 的 W_xh 只乘一次，再加 b_h，便得到全部 A_1 到 A_T（Tn×h）；循环里只需把 A_t 与 H_{t-1} W_hh 相加并取 tanh。</details>

# %% id="layer-hoisted"
def run_layer(cell, X, state):
    """As run_layer_loop, with the inputs' products of all time steps done at once."""
    outputs = []
    for A_t in cell.project(X):  # (T, n, d)(d, k h) -> (T, n, k h), before the loop begins
        state = cell.step(A_t, state)
        outputs.append(state[0])
    return torch.stack(outputs), state

# %% id="check-hoisted"
X, zero = torch.randn(T, n, d), (torch.zeros(n, h),)
for slow, fast in zip(run_layer_loop(cell, X, zero)[0], run_layer(cell, X, zero)[0]):
    torch.testing.assert_close(slow, fast, rtol=0, atol=1e-6)
print("the loop form and the hoisted form agree to 1e-6 at every time step")

# %% [markdown] lang="en" id="gated-text"
# ## Two more cells
#
# A plain cell writes its whole state anew at every step. LSTM and GRU can keep what they have: **gates** decide. A gate holds a number between 0 and 1 for each hidden unit, computed by the logistic function (sigmoid) $\sigma$. $\odot$ multiplies element by element.

# %% [markdown] lang="zh" id="gated-text"
# ## 另外两种单元
#
# 普通单元每一步都把整个隐状态重写一遍；LSTM 和 GRU 则能把已有的内容保留下来，留不留由**门**决定。门给每个隐藏单元一个 0 与 1 之间的数，由 sigmoid 函数 $\sigma$ 算出。$\odot$ 表示按元素相乘。

# %% tags=["hide-input"] id="figure-cells"
utils.show_figure("cells")

# %% [markdown] lang="en" id="gated-text-after"
# <details><summary>The figure in words</summary>Computational graphs of three recurrent cells. The plain cell adds A_t to H_{t-1} W_hh and applies tanh. In the GRU gate R multiplies the state after its product with W_hh, A_h is added, tanh gives the candidate, and gate Z mixes it with H_{t-1}. In the LSTM gates F and I and the candidate G update the memory cell C along the top, and gate O times tanh(C_t) gives H_t.</details>

# %% [markdown] lang="zh" id="gated-text-after"
# <details><summary>图的文字说明</summary>三种循环单元的计算图。普通单元把 A_t 与 H_{t-1} W_hh 相加，再取 tanh。门控循环单元（GRU）先算 H_{t-1} 与 W_hh 的乘积，再与门 R 按元素相乘，加上 A_h 后取 tanh 得到候选隐状态，门 Z 再将它与 H_{t-1} 加权相加。长短期记忆网络（LSTM）由门 F、I 和候选记忆元 G 更新上方的记忆元 C，再由门 O 与 tanh(C_t) 按元素相乘得到 H_t。</details>

# %% [markdown] lang="en" id="lstm-text"
# ### LSTM
#
# Beside the hidden state goes a second tensor, the **memory cell** $\mathbf{C}_t$. Four sums are needed, for an input gate, a forget gate, a candidate $\mathbf{G}$ and an output gate. Their weights stand side by side, so that one product serves all four: $\mathbf{W}_{xh}$ is $d \times 4h$, $\mathbf{W}_{hh}$ is $h \times 4h$, and `chunk` cuts the result into blocks of $h$ columns.

# %% [markdown] lang="zh" id="lstm-text"
# ### LSTM
#
# 隐状态之外还有第二个张量，即**记忆元** $\mathbf{C}_t$。要算四个和，分别用于输入门、遗忘门、候选记忆元 $\mathbf{G}$ 和输出门。它们的权重并排放置，一次乘法就全部算出：$\mathbf{W}_{xh}$ 是 $d \times 4h$，$\mathbf{W}_{hh}$ 是 $h \times 4h$，结果再用 `chunk` 切成每块 $h$ 列。

# %% [markdown] id="lstm-equations"
# $$\begin{aligned}
# [\mathbf{S}_i, \mathbf{S}_f, \mathbf{S}_g, \mathbf{S}_o] &= \mathbf{A}_t + \mathbf{H}_{t-1}\mathbf{W}_{hh}, \\
# \mathbf{I} = \sigma(\mathbf{S}_i), \quad \mathbf{F} = \sigma(\mathbf{S}_f), \quad \mathbf{G} &= \tanh(\mathbf{S}_g), \quad \mathbf{O} = \sigma(\mathbf{S}_o), \\
# \mathbf{C}_t = \mathbf{F} \odot \mathbf{C}_{t-1} + \mathbf{I} \odot \mathbf{G}, \qquad \mathbf{H}_t &= \mathbf{O} \odot \tanh(\mathbf{C}_t).
# \end{aligned}$$

# %% [markdown] lang="en" id="lstm-meaning"
# $\mathbf{F}$ says how much of the memory stays, $\mathbf{I}$ how much of the candidate comes in, $\mathbf{O}$ how much shows in the hidden state. With $\mathbf{F} = 1$ and $\mathbf{I} = 0$ the memory stays as it is.

# %% [markdown] lang="zh" id="lstm-meaning"
# 遗忘门 $\mathbf{F}$ 决定记忆元保留多少，输入门 $\mathbf{I}$ 决定候选记忆元写入多少，输出门 $\mathbf{O}$ 决定记忆元在隐状态中显露多少。当 $\mathbf{F} = 1$、$\mathbf{I} = 0$ 时，记忆元原样保留。

# %% id="lstm-cell"
class LSTMCell(RNNCell):
    """The state is the tuple (H, C), both (n, h)."""

    num_sums, num_states = 4, 2

    def step(self, A, state):
        H, C = state
        S_i, S_f, S_g, S_o = torch.addmm(A, H, self.W_hh).chunk(4, dim=-1)  # A + H W_hh
        C = torch.sigmoid(S_f) * C + torch.sigmoid(S_i) * torch.tanh(S_g)
        return torch.sigmoid(S_o) * torch.tanh(C), C

# %% [markdown] lang="en" id="check-lstm-text"
# Is it PyTorch's? Copy the weights of `nn.LSTMCell` and compare one step: new state and all gradients.

# %% [markdown] lang="zh" id="check-lstm-text"
# 与 PyTorch 的一致吗？复制 `nn.LSTMCell` 的权重，比较一步的结果：新状态和所有梯度。

# %% id="check-lstm"
def state_gradients(state, tensors):
    """The gradients, in these tensors, of a number that all of the state goes into."""
    return torch.autograd.grad(sum(s.square().sum() for s in state), tensors)

def compare(our_gradients, torch_gradients):
    """Assert that they are equal; PyTorch's matrices are transposed."""
    for ours, theirs in zip(our_gradients, torch_gradients):
        torch.testing.assert_close(ours, theirs if ours.shape == theirs.shape else theirs.T)

with torch.random.fork_rng(devices=[]):  # leaves the random numbers of later cells as they are
    our_cell, torch_cell = LSTMCell(d, h), nn.LSTMCell(d, h)
    X_t, H_t, C_t = (torch.randn(n, size, requires_grad=True) for size in (d, h, h))
copy_cell(our_cell, *torch_cell.parameters())
our_state = our_cell.step(our_cell.project(X_t), (H_t, C_t))
torch_state = torch_cell(X_t, (H_t, C_t))
torch.testing.assert_close(our_state, torch_state)
inputs = [X_t, H_t, C_t]
compare(
    state_gradients(our_state, [*inputs, our_cell.W_xh, our_cell.W_hh, our_cell.b_h]),
    state_gradients(torch_state, [*inputs, *torch_cell.parameters()]),
)
print("one step of an LSTM: new state and all gradients equal to those of nn.LSTMCell")

# %% [markdown] lang="en" id="gru-text"
# ### GRU
#
# One tensor and two gates, a reset gate $\mathbf{R}$ and an update gate $\mathbf{Z}$, in PyTorch's form:

# %% [markdown] lang="zh" id="gru-text"
# ### GRU
#
# 门控循环单元只有一个张量、两个门：重置门 $\mathbf{R}$ 和更新门 $\mathbf{Z}$。采用 PyTorch 的形式：

# %% [markdown] id="gru-equations"
# $$\begin{aligned}
# [\mathbf{A}_r, \mathbf{A}_z, \mathbf{A}_h] &= \mathbf{A}_t, \qquad [\mathbf{H}_r, \mathbf{H}_z, \mathbf{H}_h] = \mathbf{H}_{t-1}\mathbf{W}_{hh}, \\
# \mathbf{R} = \sigma(\mathbf{A}_r + \mathbf{H}_r), \quad \mathbf{Z} &= \sigma(\mathbf{A}_z + \mathbf{H}_z), \quad \tilde{\mathbf{H}}_t = \tanh\big(\mathbf{A}_h + \mathbf{R} \odot (\mathbf{H}_h + \mathbf{b}_c)\big), \\
# \mathbf{H}_t &= \mathbf{Z} \odot \mathbf{H}_{t-1} + (1 - \mathbf{Z}) \odot \tilde{\mathbf{H}}_t .
# \end{aligned}$$

# %% [markdown] lang="en" id="gru-meaning"
# The update gate mixes the old state with a new candidate $\tilde{\mathbf{H}}_t$; the reset gate says how much of the old state goes into that candidate.
#
# <details><summary>Why one more bias?</summary>The reset gate multiplies $\mathbf{b}_c$, so it cannot be merged with $\mathbf{b}_h$. Many books put that gate before the product, $(\mathbf{R} \odot \mathbf{H}_{t-1})\mathbf{W}_{hh}$; PyTorch puts it after, so that one product serves all. In PyTorch $\mathbf{b}_c$ is the last third of the second bias, the one that the other cells merge into $\mathbf{b}_h$.</details>

# %% [markdown] lang="zh" id="gru-meaning"
# 更新门把旧状态与候选隐状态 $\tilde{\mathbf{H}}_t$ 加权相加；重置门决定计算候选隐状态时用上多少旧状态。
#
# <details><summary>为什么多一个偏置？</summary>重置门要与 $\mathbf{b}_c$ 相乘，所以它不能并入 $\mathbf{b}_h$。许多书把这个门放在乘法之前，即 $(\mathbf{R} \odot \mathbf{H}_{t-1})\mathbf{W}_{hh}$；PyTorch 把它放在乘法之后，这样一次乘法就够了。在 PyTorch 里，$\mathbf{b}_c$ 就是第二个偏置的最后三分之一；换作其他单元，整个第二个偏置都并入 $\mathbf{b}_h$。</details>

# %% id="gru-cell"
class GRUCell(RNNCell):
    """The state is the tuple (H,)."""

    num_sums = 3

    def __init__(self, num_inputs, num_hiddens):
        super().__init__(num_inputs, num_hiddens)
        self.b_c = nn.Parameter(torch.zeros(num_hiddens))

    def step(self, A, state):
        (H,) = state
        A_r, A_z, A_h = A.chunk(3, dim=-1)  # (n, h) each
        H_r, H_z, H_h = (H @ self.W_hh).chunk(3, dim=-1)
        R, Z = torch.sigmoid(A_r + H_r), torch.sigmoid(A_z + H_z)
        candidate = torch.tanh(A_h + R * (H_h + self.b_c))
        return (Z * H + (1 - Z) * candidate,)

# %% tags=["hide-input"] id="check-gru"
# the same check of one step
def copy_gru_cell(cell, W_ih, W_hh, b_ih, b_hh):
    """As copy_cell, but the last third of b_hh becomes b_c."""
    num_hiddens = len(cell.b_c)
    gates, candidate = b_hh.split([2 * num_hiddens, num_hiddens])
    copy_cell(cell, W_ih, W_hh, b_ih, torch.cat([gates, torch.zeros_like(candidate)]))
    with torch.no_grad():
        cell.b_c.copy_(candidate)

with torch.random.fork_rng(devices=[]):
    our_cell, torch_cell = GRUCell(d, h), nn.GRUCell(d, h)
copy_gru_cell(our_cell, *torch_cell.parameters())
our_state = our_cell.step(our_cell.project(X_t), (H_t,))
torch_state = (torch_cell(X_t, H_t),)
torch.testing.assert_close(our_state, torch_state)
tensors = [X_t, H_t, our_cell.W_xh, our_cell.W_hh, our_cell.b_h, our_cell.b_c]
*torch_gradients, b_hh = state_gradients(torch_state, [X_t, H_t, *torch_cell.parameters()])
compare(state_gradients(our_state, tensors), [*torch_gradients, b_hh[-h:]])
print("one step of a GRU: new state and all gradients equal to those of nn.GRUCell")

# %% [markdown] lang="en" id="speed-heading"
# ### What hoisting gains

# %% [markdown] lang="zh" id="speed-heading"
# ### 提到循环外面，能快多少？

# %% [markdown] lang="en" id="speed-text"
# One LSTM layer ($d = h = 256$), minibatches of 4 and of 32 sequences of 35 steps, forward and backward, medians of turns. **Predict:** with 4 sequences, how many times as fast as the loop form is the hoisted one?

# %% [markdown] lang="zh" id="speed-text"
# 一层 LSTM（$d = h = 256$），小批量分别为 4 个和 32 个序列，每个序列 35 个时间步，前向传播加反向传播，轮流运行取中位数。**猜一猜：** 4 个序列时，提到循环外面的写法是循环写法的几倍快？

# %% tags=["hide-input"] id="speed"
import statistics
import time

lstm_cell, lstm_layer, speed_rows = LSTMCell(256, 256), nn.LSTM(256, 256), []
forms = {
    "loop form": lambda X, zeros: run_layer_loop(lstm_cell, X, zeros),
    "hoisted form": lambda X, zeros: run_layer(lstm_cell, X, zeros),
    "nn.LSTM": lambda X, zeros: lstm_layer(X),
}

def timed(form, n):
    """Milliseconds of a form, forward and backward, with n sequences of 35 steps."""
    X, zeros = torch.randn(35, n, 256, requires_grad=True), (torch.zeros(n, 256),) * 2
    began = time.perf_counter()
    loss = form(X, zeros)[0].sum()
    halfway = time.perf_counter()
    loss.backward()
    return 1000 * (halfway - began), 1000 * (time.perf_counter() - halfway)

for num_sequences in (4, 32):
    num_turns = utils.epochs(16)  # 16; the book's own tests make do with 2, here and below
    turns = [[timed(form, num_sequences) for form in forms.values()] for _ in range(num_turns)]
    medians = torch.tensor(turns[1:]).median(dim=0).values  # (3, 2); the first turn warms up
    for name, (there, back) in zip(forms, medians.tolist()):
        speed = f"{medians[0].sum() / (there + back):.2f} ×"
        speed_rows.append([num_sequences, name, f"{there:.1f}", f"{back:.1f}", speed])
speed_head = ["sequences", "one LSTM layer", "ms, forward", "ms, backward"]
speed_head.append("speed against the loop form")

# %% tags=["hide-input"] id="guess-speed"
# the guess, and the measurement behind it
utils.guess(
    "4 sequences: the hoisted form's speed, the loop form's being 1",
    float(speed_rows[1][-1].removesuffix(" ×")),
    between=(1, 4),
    labels=("", "times as fast"),
    because="Look at the columns: most of the time is saved on the way back.",
    show=lambda: utils.table(speed_head, speed_rows),
)

# %% [markdown] lang="en" id="speed-look"
# The gradient of $\mathbf{W}_{xh}$ is a sum over all time steps: the loop form computes $T$ matrices of $d \times 4h$ and adds them up, the hoisted form gets the sum from one product. Adding costs the same for any number of sequences, so it weighs most when these are few. (`nn.LSTM` hoists as well.)

# %% [markdown] lang="zh" id="speed-look"
# $\mathbf{W}_{xh}$ 的梯度是对所有时间步求和：循环写法算出 $T$ 个 $d \times 4h$ 的矩阵，再逐个加起来；提到循环外面之后，一次乘法就得到整个和。逐个相加的开销与序列个数无关，所以序列越少，它占的比重越大。（`nn.LSTM` 也把乘法提到了循环外面。）

# %% [markdown] lang="en" id="stack-text"
# ## A stack of layers
#
# Any order that follows lesson 1's arrows gives the same numbers. So let layer 1 run through all time steps first, then layer 2, and so on: then every layer has all its inputs before it begins, and can hoist.

# %% [markdown] lang="zh" id="stack-text"
# ## 层的堆叠
#
# 只要顺着第 1 课的箭头，任何计算顺序的结果都一样。所以先让第 1 层走完所有时间步，再轮到第 2 层，依此类推；这样每一层开始之前输入都已齐备，都能把乘法提到循环外面。

# %% id="deep-rnn"
class DeepRNN(nn.Module):
    """Layers of a cell: X (T, n, d) -> the last layer's states (T, n, h), and the final state."""

    def __init__(self, Cell, num_inputs, num_hiddens, num_layers):
        super().__init__()
        self.num_hiddens = num_hiddens
        sizes = [num_inputs] + (num_layers - 1) * [num_hiddens]  # what each layer reads
        self.cells = nn.ModuleList(Cell(size, num_hiddens) for size in sizes)

    def forward(self, X, state=None):
        """state: a tuple of one (L, n, h) tensor, or two for an LSTM; None stands for zeros."""
        if state is None:
            zeros = X.new_zeros(len(self.cells), X.shape[1], self.num_hiddens)
            state = (zeros,) * self.cells[0].num_states
        H, finals = X, []  # H^(0)
        for l, cell in enumerate(self.cells):
            H, final = run_layer(cell, H, tuple(s[l] for s in state))  # (T, n, h)
            finals.append(final)
        return H, tuple(torch.stack(s) for s in zip(*finals))  # (L, n, h) each

# %% [markdown] lang="en" id="equal-text"
# The strictest judge is PyTorch. Copy its weights, give both the same input and initial state, and compare **outputs, final states and every gradient**, in double precision.

# %% [markdown] lang="zh" id="equal-text"
# 最严格的裁判就是 PyTorch。复制它的权重，给两者同样的输入和初始状态，用双精度比较**输出、最终状态和每一个梯度**。

# %% id="copy-weights"
def copy_weights(ours, theirs):
    """Give a DeepRNN the weights of nn.RNN, nn.GRU or nn.LSTM."""
    for cell, weights in zip(ours.cells, theirs.all_weights):
        copy = copy_gru_cell if isinstance(cell, GRUCell) else copy_cell
        copy(cell, *weights)

# %% id="results"
def results(rnn, X, state):
    """Outputs and final state, and the gradients that come back to X and the initial state."""
    X, *state = (x.clone().requires_grad_() for x in (X, *state))
    if isinstance(rnn, (nn.RNN, nn.GRU)):  # whose state is one tensor, not a tuple of one
        H, final = rnn(X, state[0])
        final = (final,)
    else:
        H, final = rnn(X, tuple(state))
    loss = sum((i * x.square()).sum() for i, x in enumerate((H, *final), start=1))
    loss.backward()  # through everything
    return [H, *final, X.grad, *(s.grad for s in state)]

# %% id="largest-difference"
def largest_difference(Cell, their_class, L, h, d, n, T):
    """The largest difference between our stack and PyTorch's: outputs, final states, gradients."""
    theirs = their_class(d, h, num_layers=L).double()
    ours = DeepRNN(Cell, d, h, L).double()
    copy_weights(ours, theirs)
    shapes = [(T, n, d)] + Cell.num_states * [(L, n, h)]
    X, *state = (torch.randn(*shape).double() for shape in shapes)
    pairs = list(zip(results(ours, X, state), results(theirs, X, state)))
    for cell, (W_ih, W_hh, b_ih, b_hh) in zip(ours.cells, theirs.all_weights):
        pairs += [(cell.W_xh.grad, W_ih.grad.T), (cell.W_hh.grad, W_hh.grad.T)]
        pairs.append((cell.b_h.grad, b_ih.grad))
        if Cell is GRUCell:
            pairs.append((cell.b_c.grad, b_hh.grad[-h:]))
    return max((a - b).abs().max().item() for a, b in pairs)

# %% id="check-equal"
utils.seed_everything(0)
for Cell, their_class in ((RNNCell, nn.RNN), (GRUCell, nn.GRU), (LSTMCell, nn.LSTM)):
    difference = largest_difference(Cell, their_class, L=3, h=8, d=5, n=4, T=10)
    print(f"{their_class.__name__:<5} three layers: largest difference {difference:.0e}")
    assert difference < 1e-10

# %% [markdown] lang="en" id="output-text"
# ## The output layer
#
# Characters go in as **one-hot vectors**: 28 numbers, a 1 in the character's place and 0 elsewhere, so $d = q = 28$. The output layer reads the last layer, $\mathbf{O}_t = \mathbf{H}_t^{(L)} \mathbf{W}_{hq} + \mathbf{b}_q$: a score for each character.
# The loss is the **cross-entropy** $\ell$: softmax turns scores into probabilities, and we average $-\ln$ of that of the character that really came next. Three names for one thing: $\ell$ **nats**, $\ell / \ln 2$ **bits per character**, perplexity $e^\ell$; 2.08 nats are 3 bits, or a perplexity of 8.

# %% [markdown] lang="zh" id="output-text"
# ## 输出层
#
# 字符以**独热向量**输入：共 28 个数，该字符的位置是 1，其余都是 0，所以 $d = q = 28$。输出层读取最后一层，$\mathbf{O}_t = \mathbf{H}_t^{(L)} \mathbf{W}_{hq} + \mathbf{b}_q$，给每个字符打一个分。
# 损失用**交叉熵** $\ell$：softmax 把分数变成概率，再对真实的下一个字符的概率取 $-\ln$，求平均。同一个量有三种说法：$\ell$ **奈特**（nat）、$\ell / \ln 2$ **比特每字符**、困惑度 $e^\ell$；2.08 奈特就是 3 比特，也就是困惑度 8。

# %% id="language-model"
class LanguageModel(nn.Module):
    """Predicts the next character: indices (n, T) -> scores (T n, q), and the layers' state."""

    def __init__(self, rnn, num_hiddens, vocab_size):
        super().__init__()
        self.rnn, self.vocab_size, bound = rnn, vocab_size, num_hiddens**-0.5
        W_hq = torch.empty(num_hiddens, vocab_size).uniform_(-bound, bound)
        self.W_hq = nn.Parameter(W_hq)  # (h, q)
        self.b_q = nn.Parameter(torch.zeros(vocab_size))  # (q,)

    def forward(self, inputs, state=None):
        X = one_hot(inputs.T, self.vocab_size).float()  # (n, T) -> (T, n, q)
        H, state = self.rnn(X, state)  # (T, n, h)
        O = H @ self.W_hq + self.b_q  # (T, n, q)
        return O.flatten(0, 1), state  # (T n, q)

    def begin_state(self, batch_size, device=None):
        """None: the recurrent layers begin with zeros. (`utils` asks for it, as d2l does.)"""

corpus = utils.load_corpus()  # The Time Machine: 10,000 characters to train on, 5,000 held out
vocab_size = len(corpus.vocab)
batches = list(utils.Batches(corpus.train, batch_size=32, num_steps=35))
utils.seed_everything(0)
model = LanguageModel(DeepRNN(LSTMCell, vocab_size, 64, num_layers=2), 64, vocab_size)
X, Y = batches[0]  # (n, T), (n, T); Y is X one step later
O, state = model(X)
print("O", tuple(O.shape), "  state", [tuple(s.shape) for s in state])
perplexity = cross_entropy(O, Y.T.flatten()).exp()
print(f"perplexity before training: {perplexity:.1f}, and blind guessing has {vocab_size}")

# %% [markdown] lang="en" id="bptt-text"
# ## The training loop, first problem: where does the past end?
#
# Every sequence of a minibatch goes on where the same row of the minibatch before ended. So hand the final state over as the next initial state: the network then knows what came before. But `backward()` would go back along that state too, through all minibatches before. Try it:

# %% [markdown] lang="zh" id="bptt-text"
# ## 训练循环的第一个问题：回溯到哪里为止？
#
# 小批量的每一行都从前一个小批量同一行结束的地方接着读。所以应该把最终状态作为下一个小批量的初始状态传过去：这样网络就知道前文。但 `backward()` 也会沿着这个状态往回走，穿过之前所有的小批量。试试看：

# %% id="no-detach"
state = None
try:
    for X, Y in batches:
        O, state = model(X, state)
        cross_entropy(O, Y.T.flatten()).backward()
        print("one minibatch done")
except RuntimeError as error:
    print("RuntimeError:", str(error).partition(".")[0])

# %% [markdown] lang="en" id="truncated-text"
# PyTorch frees a minibatch's computational graph, its record of what was computed, once `backward()` has used it; the second `backward()` fails there.
# The remedy is **truncated backpropagation through time** (truncated BPTT): hand over the state's *value*, and cut the gradient, with `detach()`.

# %% [markdown] lang="zh" id="truncated-text"
# 报错的意思是：试图第二次沿同一张计算图反向传播。`backward()` 一用完小批量的计算图（即计算过程的记录），PyTorch 就把它释放；第二次 `backward()` 走到那里便出错。
# 解决办法是**截断的通过时间反向传播**（truncated backpropagation through time，truncated BPTT）：只传状态的**值**，用 `detach()` 切断梯度。

# %% tags=["hide-input"] id="figure-truncated-bptt"
utils.show_figure("truncated_bptt")

# %% [markdown] lang="en" id="truncated-text-after"
# <details><summary>The figure in words</summary>Two consecutive minibatches, each a chain of hidden states H_1 to H_T with losses above. Solid arrows carry values forward, across the border too. Dashed arrows carry gradients back through time and stop at a cross on the border, under which stands H_0 ← sg(H_T), a state whose gradient is stopped.</details>
#
# (In the figure $\mathrm{sg}$ is `detach()`.) To see it, an untrained network reads two minibatches of 15 random steps; the loss $\ell$ is the mean square of the last state. How strongly it depends on an input says the length (**norm**) of the gradient, $\lVert \partial \ell / \partial \mathbf{X}_t \rVert$:

# %% [markdown] lang="zh" id="truncated-text-after"
# <details><summary>图的文字说明</summary>两个相邻的小批量，各为一串隐状态 H_1 到 H_T，上方是各时间步的损失。实线箭头向前传值，并越过小批量的边界；虚线箭头沿时间反向传播梯度，到边界处的叉号为止，边界下方标有 H_0 ← sg(H_T)，即切断梯度后的状态。</details>
#
# （图中的 $\mathrm{sg}$ 就是 `detach()`。）为了看清这一点，让一个未经训练的网络连续读两个 15 步的随机小批量；损失 $\ell$ 是最后一个隐状态各元素平方的均值。它对某个输入的依赖有多强，用梯度的长度（**范数**）$\lVert \partial \ell / \partial \mathbf{X}_t \rVert$ 来衡量：

# %% id="reach"
def reach(Cell, num_layers, detach, T=15):
    """The last step's loss, and the norm of its gradient in X_t for all 2 T steps."""
    utils.seed_everything(0)
    rnn = DeepRNN(Cell, vocab_size, 64, num_layers)
    X = torch.randn(2 * T, 8, vocab_size, requires_grad=True)  # (2 T, n, d)
    _, state = rnn(X[:T])
    if detach:
        state = tuple(s.detach() for s in state)
    H, _ = rnn(X[T:], state)
    loss = H[-1].square().mean()
    loss.backward()
    return loss.item(), X.grad.norm(dim=(1, 2))  # (2 T,)

for detach in (False, True):
    loss, norms = reach(LSTMCell, 2, detach)
    largest = " and ".join(f"{part.max():.0e}" for part in norms.split(15))
    print(f"detach={detach!s:<5}  loss {loss:.6f}, largest gradient per minibatch: {largest}")

# %% [markdown] lang="en" id="fade-text"
# The loss is the same: the *value* is handed over. With `detach` the gradient ends at the border; without, it goes on, but look how small it has become.
#
# ## Where gradients fade
#
# A faded gradient teaches nothing, so let us map it. The loss stands at the last step of layer $L$; how much of its gradient reaches *each* state, $\lVert \partial \ell / \partial \mathbf{H}_t^{(l)} \rVert$ (in an LSTM, with that in $\mathbf{C}_t^{(l)}$)? `states_of` is `DeepRNN` with two switches for what goes **up**: **residual** adds a layer's input to its output, **layer norm** brings each row of the output to mean 0 and variance 1. `fresh` has two for the way **back in time**: a bias that opens the forget gate, and an **orthogonal** $\mathbf{W}_{hh}$, which changes the length of no vector.

# %% [markdown] lang="zh" id="fade-text"
# 两次的损失相同：状态的**值**都传过去了。用了 `detach`，梯度到边界为止；不用，它会继续往回传，但看看它已经变得多小。
#
# ## 梯度在哪里衰减
#
# 衰减掉的梯度什么也教不了，所以给它画一张图。损失取在第 $L$ 层的最后一步；它的梯度传到**每个**隐状态时还剩多少，即 $\lVert \partial \ell / \partial \mathbf{H}_t^{(l)} \rVert$（LSTM 还要算上 $\mathbf{C}_t^{(l)}$ 的）？`states_of` 就是 `DeepRNN`，外加两个开关，管**向上**传递的内容：**残差连接**（residual）把一层的输入加到它的输出上，**层归一化**（layer norm）把输出的每一行变成均值 0、方差 1。`fresh` 里的两个开关管**沿时间**往回的路：打开遗忘门的偏置，以及**正交**（orthogonal）的 $\mathbf{W}_{hh}$，它不改变任何向量的长度。

# %% id="states-of"
from torch.nn.functional import layer_norm

def states_of(rnn, X, residual=False, norm=False):
    """What goes up from the last layer, (T, n, h), and states[l][t]: a tuple of (n, h) each."""
    H, states = X, []
    for l, cell in enumerate(rnn.cells):
        state, row = (X.new_zeros(X.shape[1], rnn.num_hiddens),) * cell.num_states, []
        for A_t in cell.project(H):
            state = cell.step(A_t, state)
            row.append(state)
        new = torch.stack([state[0] for state in row])  # (T, n, h)
        H = new + H if residual and l > 0 else new
        H = layer_norm(H, H.shape[-1:]) if norm else H
        states.append(row)
    return H, states

def gradient_map(loss, states):
    """The norm of the gradient that reaches each state, (L, T): the median of n sequences."""
    flat = [s for row in states for state in row for s in state]  # (n, h) each
    squares = torch.stack([g.square().sum(dim=1) for g in torch.autograd.grad(loss, flat)])
    squares = squares.reshape(len(states), len(states[0]), -1, squares.shape[1])
    return squares.sum(dim=2).sqrt().median(dim=2).values

# %% id="fresh"
CELLS = {"RNN": RNNCell, "GRU": GRUCell, "LSTM": LSTMCell}

def fresh(cell, num_layers, forget_bias=0, orthogonal=False, seed=0, h=64):
    """A DeepRNN before training."""
    utils.seed_everything(seed)
    rnn = DeepRNN(CELLS[cell], vocab_size, h, num_layers)
    for cell in rnn.cells:
        if isinstance(cell, LSTMCell):
            cell.b_h.data[h : 2 * h] += forget_bias  # I, F, G, O: the second block
        if orthogonal:
            for block in cell.W_hh.data.split(h, dim=1):  # (h, h)
                nn.init.orthogonal_(block)
    return rnn

def fresh_map(cell, layers, bias=0, orthogonal=False, residual=False, norm=False, seed=0):
    """Its gradient_map for 30 random steps; the loss weights H_T^(L) at random."""
    rnn, X = fresh(cell, layers, bias, orthogonal, seed), torch.randn(30, 8, vocab_size)
    H, states = states_of(rnn, X, residual, norm)
    return gradient_map((H[-1] * torch.randn_like(H[-1])).sum(), states)  # (L, T)

# %% [markdown] lang="en" id="guess-fade-text"
# **Predict:** gates can keep what they have. A fresh LSTM of three layers, the loss at $t = 30$: what share of the gradient is left at earlier steps of the top layer?

# %% [markdown] lang="zh" id="guess-fade-text"
# **猜一猜：** 门能把已有的内容保留下来。三层 LSTM，刚初始化，损失在 $t = 30$：顶层较早的时间步还剩下多少梯度？

# %% tags=["hide-input"] id="guess-fade"
# the maps of all settings, so that the controls below need not compute them; and the guess
import itertools

def factors(norms):
    """What is left per step back in the top layer, and per layer down at the last step."""
    (L, T), last = norms.shape, norms[-1, -1]
    back, down = (norms[-1, 0] / last) ** (1 / (T - 1)), (norms[0, -1] / last) ** (1 / (L - 1))
    return back.item(), down.item()

choices = itertools.product(CELLS, (1, 2, 3, 4), (0, 1, 3), *3 * [(False, True)])
maps = {s: fresh_map(*s) for s in choices if s[0] == "LSTM" or s[2] == 0}  # only it has the bias
top = maps["LSTM", 3, 0, False, False, False][-1]  # (T,)
utils.guess(
    "LSTM, fresh weights: the share of the gradient at t = 30 that reaches step t",
    (range(1, 31), (top / top[-1]).tolist()),
    at=(1, 10, 20, 25, 29),
    between=(1e-8, 1),
    log=True,
    labels=("time step t", "share of the gradient"),
    because="About 0.6 per step: a fresh forget gate is half open.",
)

# %% tags=["hide-input"] id="draw-fade"
# the map, and curves along time and depth
import textwrap

earlier = []  # settings whose curves stay, the newest first

def name_of(cell, layers, bias, *switches):
    words = [f"{layers} × {cell}"] + [f"bias +{bias}"] * (bias > 0)
    words += [word for word, on in zip(("orthogonal", "residual", "layer norm"), switches) if on]
    return ", ".join(words)

def draw_map(ax, norms, bottom, top):
    """Layer x time: the share of the gradient, as a colour; returns where the layers lie."""
    L, T = norms.shape
    style = {"vmin": -6, "vmax": 0, "aspect": "auto", "origin": "lower"}
    image, ends = (norms / norms[-1, -1]).log10().tolist(), (0.5, T + 0.5, bottom, top)
    ax.imshow(image, extent=ends, interpolation="nearest", **style)
    return [bottom + (l + 0.5) * (top - bottom) / L for l in range(L)]

def draw_lines(ax, powers, at_l):
    """Along t in the top layer, and right of it along l at the last step; the newest is thick."""
    dashes = ("-", "--", "-.", ":", (0, (1, 3)))
    for i, (label, power) in enumerate(powers.items()):
        style = {"lw": 2.4 - 1.2 * (i > 0), "color": utils.PALETTE[i], "linestyle": dashes[i]}
        ax.plot(range(1, 31), power[-1].tolist(), label=textwrap.fill(label, 24), **style)
        ax.plot(at_l[: len(power)], power[:, -1].tolist(), **style)
    ax.legend(loc="upper right", fontsize=8, frameon=False, handlelength=1.8, borderpad=0)

# %% tags=["hide-input"] id="draw-fade-curves"
# draws what the controls below ask for
def draw_fade(cell, layers, bias, orthogonal, residual, norm, keep):
    """The gradient that reaches each state, as a map; below, its power of ten along t and l."""
    setting = cell, layers, bias * (cell == "LSTM"), orthogonal, residual, norm
    shown = [setting, *(s for s in earlier if s != setting)][: 5 if keep else 1]
    earlier[:] = shown if keep else []
    powers = {name_of(*s): (maps[s] / maps[s][-1, -1]).log10() for s in shown}
    at_l = (35, 38, 41, 44)
    fig, ax = utils.new_figure(8.4, 4.2, place=(0.08, 0.11, 0.91, 0.81))
    rows = draw_map(ax, maps[setting], 1.8, 5.5)
    draw_lines(ax, powers, at_l)
    ax.set(xlim=(0, 45), ylim=(-6, 5.5), xticks=[], yticks=[])
    for x, words in ((15.5, "t, in the top layer"), (39.5, "l, at t = 30")):
        ax.text(x, -6.85, words, ha="center", va="top")
    for x, name in zip((1, 10, 20, 30, *at_l), (1, 10, 20, 30, 1, 2, 3, 4)):
        ax.text(x, -6.2, name, ha="center", va="top", gid="tick")  # ticks are slower
    layer_names = [f"layer {l}" for l in range(1, layers + 1)]
    for y, name in zip((-6, -3, 0, *rows), ("10⁻⁶", "10⁻³", "1", *layer_names)):
        ax.text(-0.5, y, name, ha="right", va="center", gid="tick")
    ax.set_title(f"{name_of(*setting)}      (yellow: 1 or more, dark: 10⁻⁶ or less)", fontsize=10)
    return fig

# %% [markdown] lang="en" id="explore-fade-text"
# Move one thing at a time; earlier curves stay until `keep` is off. **How far does each switch lift its curve, and does any lift both?** The table below answers, over five starts.

# %% [markdown] lang="zh" id="explore-fade-text"
# 每次只改一样；之前的曲线会留着，取消勾选“保留曲线”才清除。**每个开关把曲线抬高多少？有没有哪个把两条都抬高？** 下表给出五个随机起点的答案。

# %% tags=["hide-input"] id="explore-fade"
# the controls
import ipywidgets as widgets

earlier[:] = [(cell, 3, 0, False, False, False) for cell in ("RNN", "GRU")]  # to compare with
utils.explore(
    draw_fade,
    cell=widgets.Dropdown(options=list(CELLS), value="LSTM", description="cell"),
    layers=widgets.IntSlider(3, min=1, max=4, description="layers"),
    bias=widgets.Dropdown(options=[0, 1, 3], description="forget bias"),
    orthogonal=widgets.Checkbox(False, description="orthogonal W_hh"),
    residual=widgets.Checkbox(False, description="residual"),
    norm=widgets.Checkbox(False, description="layer norm"),
    keep=widgets.Checkbox(True, description="keep"),
)

# %% tags=["hide-input"] id="fade"
# what is left per step back and per layer down: three layers, five starts each
starts = {
    "RNN": ("RNN", 3),
    "RNN, orthogonal": ("RNN", 3, 0, True),
    "GRU": ("GRU", 3),
    "LSTM": ("LSTM", 3),
    "LSTM, bias +1": ("LSTM", 3, 1),
    "LSTM, bias +3": ("LSTM", 3, 3),
    "LSTM, residual": ("LSTM", 3, 0, False, True),
    "LSTM, layer norm": ("LSTM", 3, 0, False, False, True),
}
found = {k: [factors(fresh_map(*s, seed=seed)) for seed in range(5)] for k, s in starts.items()}
backs, downs = ({k: [pair[i] for pair in pairs] for k, pairs in found.items()} for i in (0, 1))
print("per step back")
plain = ["LSTM", "GRU", "RNN", "RNN, orthogonal"]
for names in (plain, ["LSTM", "LSTM, bias +1", "LSTM, bias +3"]):
    utils.ranking({name: backs[name] for name in names}, lower_is_better=False)
print("per layer down")
names = ["LSTM", "LSTM, residual", "LSTM, layer norm"]
utils.ranking({name: downs[name] for name in names}, lower_is_better=False)

def span(values):
    return f"{min(values):.2f} to {max(values):.2f}"

rows = [[name, span(backs[name]), span(downs[name])] for name in starts]
utils.table(["left of the gradient, fresh weights", "per step back", "per layer down"], rows)

# %% [markdown] lang="en" id="fade-look"
# Gates alone are not enough: a fresh one is half open, $\sigma(0) = 0.5$, and the forget gate throws away half of the memory at every step. **Along $t$** a bias opens it, $\sigma(1) \approx 0.73$, $\sigma(3) \approx 0.95$; in a plain cell an orthogonal $\mathbf{W}_{hh}$ leaves only the $\tanh$ to shrink a gradient. Neither mends the fading **along $l$**: there a residual connection leads past each layer, and layer norm makes small outputs large again. These in turn do little along $t$.
#
# ### The product behind it
#
# One step back in a plain cell multiplies by a Jacobian matrix (one sequence, states as columns), many steps by a product of them; straight down through the layers, $\mathbf{W}_{xh}^{(l)}$ takes the place of $\mathbf{W}_{hh}$:
#
# $$\frac{\partial \mathbf{H}_T}{\partial \mathbf{H}_k} = \prod_{t = T}^{k+1} \operatorname{diag}\big(\phi'(\cdot)\big)\, \mathbf{W}_{hh}^\top, \qquad \phi' = 1 - \mathbf{H}_t^2 \ \text{ for } \tanh.$$

# %% [markdown] lang="zh" id="fade-look"
# 光有门还不够。刚初始化时，门半开，$\sigma(0) = 0.5$：遗忘门每一步都丢掉一半记忆。**沿 $t$**，加一个偏置就能把它打开，$\sigma(1) \approx 0.73$，$\sigma(3) \approx 0.95$；在普通单元里，用正交的 $\mathbf{W}_{hh}$，使梯度变小的就只剩 $\tanh$。两者都治不了**沿 $l$** 的衰减：在那里，残差连接绕过每一层，层归一化把变小的输出重新放大。而这两样对沿 $t$ 的衰减作用不大。
#
# ### 背后的连乘积
#
# 在普通单元里往回走一步，就乘上一个雅可比矩阵（取一个序列，状态写成列向量），走许多步就乘上它们的连乘积；自上而下穿过各层时，$\mathbf{W}_{xh}^{(l)}$ 取代 $\mathbf{W}_{hh}$：
#
# $$\frac{\partial \mathbf{H}_T}{\partial \mathbf{H}_k} = \prod_{t = T}^{k+1} \operatorname{diag}\big(\phi'(\cdot)\big)\, \mathbf{W}_{hh}^\top, \qquad \text{对 } \tanh \text{ 有 } \phi' = 1 - \mathbf{H}_t^2 .$$

# %% id="jacobian"
def jacobians(states, weights):
    """diag(phi') W^T for each link of a chain of states (1, h)."""
    return [(1 - H.T**2) * W.T for H, W in zip(states[1:], weights)]  # (h, 1) * (h, h)

def by_autograd(last, first):
    """d last / d first, (h, h): a row for each number of last."""
    return torch.stack([torch.autograd.grad(x, first, retain_graph=True)[0][0] for x in last[0]])

rnn = fresh("RNN", 3)
_, states = states_of(rnn, torch.randn(30, 1, vocab_size))
back = [H for (H,) in states[-1]]  # the top layer's states, t = 1 to 30
up = [row[-1][0] for row in states]  # the last step's states, l = 1 to 3
W_hh = rnn.cells[-1].W_hh
for chain, weights in ((back, 29 * [W_hh]), (up, [cell.W_xh for cell in rnn.cells[1:]])):
    product = torch.eye(64)
    for J in jacobians(chain, weights):
        product = J @ product  # a later step from the left
    torch.testing.assert_close(product, by_autograd(chain[-1], chain[0]))
print("the products, along t and along l, are autograd's")

# %% tags=["hide-input"] id="jacobian-norms"
# the product's norm against the product of the norms, and against the spectral radius
def norm(J):
    return torch.linalg.matrix_norm(J, 2).item()  # how much it can stretch a vector

rows = []
kinds = ("fresh", False, 1), ("orthogonal", True, 1), ("2.5 × fresh", False, 2.5)
for name, orthogonal, size in kinds:
    rnn = fresh("RNN", 3, 0, orthogonal)
    W_hh = rnn.cells[-1].W_hh.data.mul_(size)
    _, states = states_of(rnn, torch.randn(30, 1, vocab_size))
    Js = jacobians([H.detach() for (H,) in states[-1]], 29 * [W_hh])
    radius = torch.linalg.eigvals(W_hh).abs().max().item()
    for k in (1, 5, 20):
        product = torch.linalg.multi_dot(Js[-k:][::-1]) if k > 1 else Js[-1]
        bound = torch.tensor([norm(J) for J in Js[-k:]]).prod().item()
        numbers = (norm(product), bound, radius**k)
        rows.append([name, f"{radius:.2f}", k, *(f"{x:.2g}" for x in numbers)])
head = ["W_hh", "spectral radius", "steps back", "norm of the product"]
utils.table([*head, "product of the norms", "radius to the power of the steps"], rows)

# %% [markdown] lang="en" id="jacobian-look"
# With fresh weights each norm is above 1, so their product promises growth: an upper bound, no more. What $\mathbf{W}_{hh}$ does when it is applied again and again is told by its **spectral radius**, the largest absolute value of an eigenvalue. As PyTorch draws it, that is about $1/\sqrt{3} \approx 0.58$, and the gradient **vanishes** about so fast. Orthogonal, it is 1, and only $\phi' \le 1$ shrinks. Made 2.5 times as large, the gradient can **explode**, until saturated units, $\phi' \approx 0$, brake it. In an LSTM the way through $\mathbf{C}_t$ has the factor $\operatorname{diag}(\mathbf{F})$ alone: hence the forget bias.

# %% [markdown] lang="zh" id="jacobian-look"
# 刚初始化时，每个范数都大于 1，所以它们之积预示着增长；但它只是上界。反复施加 $\mathbf{W}_{hh}$ 会怎样，要看它的**谱半径**，即特征值绝对值的最大值。按 PyTorch 的初始化，它约为 $1/\sqrt{3} \approx 0.58$，梯度大致就以这个速度**消失**。正交时它等于 1，使梯度变小的只有 $\phi' \le 1$。放大 2.5 倍，梯度就可能**爆炸**，直到饱和的单元（$\phi' \approx 0$）把它刹住。在 LSTM 里，穿过 $\mathbf{C}_t$ 的路上因子只有 $\operatorname{diag}(\mathbf{F})$：遗忘门的偏置因此有效。

# %% [markdown] lang="en" id="clip-text"
# ## Second problem: steps that are too large
#
# One huge step undoes all training. Let $\mathbf{g}$ be all gradients, written one after another as a single vector. **Gradient clipping** scales them down together whenever its norm exceeds a threshold $\theta$; the direction stays:
#
# $$\mathbf{g} \leftarrow \min\!\left(1, \frac{\theta}{\lVert \mathbf{g} \rVert}\right) \mathbf{g}.$$

# %% [markdown] lang="zh" id="clip-text"
# ## 第二个问题：步子太大
#
# 只要有一步迈得太大，之前的训练就前功尽弃。把所有梯度首尾相接，记作一个向量 $\mathbf{g}$。一旦它的范数超过阈值 $\theta$，**梯度裁剪**就把所有梯度按同一比例缩小，方向不变：
#
# $$\mathbf{g} \leftarrow \min\!\left(1, \frac{\theta}{\lVert \mathbf{g} \rVert}\right) \mathbf{g}.$$

# %% id="clip-gradients"
def clip_gradients(parameters, theta):
    """Scale all gradients to a joint norm of at most theta; return the norm before and after."""
    gradients = [p.grad for p in parameters if p.grad is not None]

    def norm():
        return torch.cat([g.flatten() for g in gradients]).norm().item()

    before = norm()
    if before > theta:
        for g in gradients:
            g *= theta / before
    return before, norm()

parameters = list(model.parameters())
model.zero_grad()
model(batches[0][0])[0].square().sum().backward()  # some large gradients
gradients = [p.grad.clone() for p in parameters]
before, after = clip_gradients(parameters, theta=1.0)
print(f"norm before {before:.1f}, after {after:.1f}")
clipped = [p.grad.clone() for p in parameters]
for p, g in zip(parameters, gradients):
    p.grad = g
nn.utils.clip_grad_norm_(parameters, 1.0)
for p, c in zip(parameters, clipped):
    torch.testing.assert_close(p.grad, c)

# %% [markdown] lang="en" id="loop-text"
# ## The loop
#
# Here is all of it: forward, loss, backward, clip, update, detach. Every input is the character that really stands in the text, whatever the network would have written itself: **teacher forcing**. It yields what happened after every minibatch.

# %% [markdown] lang="zh" id="loop-text"
# ## 训练循环
#
# 完整的循环就是：前向传播、算损失、反向传播、裁剪、更新、`detach`。每一步输入的都是文本里真实的字符，不管网络自己会写出什么，这叫作**强制教学**（teacher forcing）。每个小批量之后，它都用 `yield` 交出结果。

# %% id="train-epoch"
def train_epoch(model, batches, updater, theta):
    """One pass over the text; per minibatch, yields the loss, and the norm before and after."""
    state = None
    for X, Y in batches:
        O, state = model(X, state)
        loss = cross_entropy(O, Y.T.flatten())  # time comes first in O, so transpose
        updater.zero_grad()
        loss.backward()
        before, after = clip_gradients(model.parameters(), theta)
        updater.step()
        state = tuple(s.detach() for s in state)
        yield loss.item(), before, after

# %% [markdown] lang="en" id="norms-text"
# Clipping at work. SGD (stochastic gradient descent) subtracts the gradient times the **learning rate**, here 2, from the parameters after every minibatch. Two layers of plain RNN, once with $\theta = 0.5$, once without clipping, otherwise alike. Solid is the norm before clipping, dashed after. **Watch** the first spike, which both networks meet.

# %% [markdown] lang="zh" id="norms-text"
# 看看裁剪如何起作用。随机梯度下降（SGD）在每个小批量之后，从参数中减去梯度与**学习率**（这里是 2）的乘积。两层的普通 RNN，一次取 $\theta = 0.5$，一次不裁剪，其余都相同。实线是裁剪前的范数，虚线是裁剪后的。**请盯住**第一个尖峰，两个网络都会遇到它。

# %% id="watch-norms"
import math

losses, networks = {}, {}

def watch_norms(theta):
    """Train and yield (minibatch, norm before, norm after); keep the losses and the network."""
    utils.seed_everything(0)
    network = LanguageModel(DeepRNN(RNNCell, vocab_size, 128, num_layers=2), 128, vocab_size)
    updater, text = torch.optim.SGD(network.parameters(), lr=2), utils.Batches(corpus.train)
    losses[theta], networks[theta] = [], network
    for _ in range(utils.epochs(6)):
        for loss, before, after in train_epoch(network, text, updater, theta):
            losses[theta].append(loss)
            yield len(losses[theta]), before, after

labels = {"xlabel": "minibatch", "ylabel": "norm", "lines": ("before clipping", "after")}
plot = utils.LivePlot(48, "gradient norm", ylim=(0.1, 100), **labels)
plot.race({"θ = 0.5": watch_norms(0.5), "no clipping": watch_norms(math.inf)})
for theta, values in losses.items():
    first, last = (utils.shorten(math.exp(loss)) for loss in (values[0], values[-1]))
    print(f"theta = {theta}: perplexity {first} at first, {last} at the end")

# %% tags=["hide-input"] id="saturated"
X, Y = batches[0]
for theta, network in networks.items():
    H, _ = network.rnn(one_hot(X.T, vocab_size).float())  # (T, n, h)
    saturated = (H.abs() > 0.99).float().mean()
    network.zero_grad()
    cross_entropy(network(X)[0], Y.T.flatten()).backward()
    parts = [network.W_hq, network.b_q], network.rnn.parameters()
    output, below = (nn.utils.get_total_norm([p.grad for p in part]) for part in parts)
    print(f"theta = {theta}: {saturated:.0%} of the states are beyond ±0.99;", end=" ")
    print(f"gradient norm: output layer {output:.2f}, recurrent layers {below:.2f}")

# %% [markdown] lang="en" id="control-text"
# Does that take many time steps? The control: the gradient is cut after `steps_back` steps, so that after a single one it *cannot* grow from step to step. **Predict:** of 16 random starts with one step back, how many still end worse than blind guessing?

# %% [markdown] lang="zh" id="control-text"
# 这是不是因为时间步太多？做一个对照实验：梯度往回传 `steps_back` 个时间步就切断；只传一步时，它就**不可能**逐步增大。**猜一猜：** 梯度只传一步时，16 个随机起点里还有几个最后比盲猜更差？

# %% id="cut-model"
class CutModel(LanguageModel):
    """The same scores; but the gradient goes back `steps_back` time steps and no further."""

    steps_back = 35

    def forward(self, inputs, state=None):
        scores = []
        for X in inputs.split(self.steps_back, dim=1):  # (n, steps_back) each
            O, state = super().forward(X, state)
            scores.append(O)
            state = tuple(s.detach() for s in state)
        return torch.cat(scores), state  # (T n, q)

def last_loss(lr, steps_back, theta, seed, num_epochs=6):
    """The loss of the last minibatch, in nats; theta: None for no clipping."""
    utils.seed_everything(seed)
    rnn = DeepRNN(RNNCell, vocab_size, 128, num_layers=2)
    network, text = CutModel(rnn, 128, vocab_size), utils.Batches(corpus.train, seed=seed)
    network.steps_back, updater = steps_back, torch.optim.SGD(network.parameters(), lr)
    for _ in range(num_epochs):
        steps = list(train_epoch(network, text, updater, theta or math.inf))
    return steps[-1][0]

# %% tags=["hide-input"] id="lost"
settings = [(2, 35, None), (2, 5, None), (2, 1, None), (1, 35, None), (1, 1, None), (2, 35, 0.5)]

def try_all():
    """Rows of numbers: lr, steps back, theta, seed, the last loss."""
    for setting, seed in itertools.product(settings, range(16)):
        yield *setting, seed, round(last_loss(*setting, seed), 3)

recorded_rows, about = utils.recorded("lost_trainings", try_all)
print(about["origin"])
rows = []
for lr, steps_back, theta in settings:
    losses_of = [r[4] for r in recorded_rows if r[:3] == [lr, steps_back, theta]]
    lost = sum(not loss < math.log(vocab_size) for loss in losses_of)
    rows.append([lr, steps_back, theta or "no clipping", f"{lost} of {len(losses_of)}"])
lost_head = ["learning rate", "steps the gradient goes back", "clipped to"]
lost_head.append("worse than blind guessing")
bins = ("0 to 4", "5 to 8", "9 to 12", "13 to 16")
utils.guess(
    "learning rate 2, one step back, no clipping: trainings lost, of 16",
    bins[max(int(rows[2][-1].split()[0]) - 1, 0) // 4],
    choices=bins,
    because="Large steps alone ruin that many; see the other rows.",
    show=lambda lost_rows=rows: utils.table(lost_head, lost_rows),
)

# %% [markdown] lang="en" id="norms-look"
# With clipping, the spikes are cut to 0.5 and the perplexity falls. Without, steps along too steep a gradient throw the weights far off. The $\tanh$ is then **saturated**: nearly all states of the last layer lie close to $\pm 1$, where the function is flat. The norm that stays large is the output layer's.
#
# And at half the learning rate not even 35 time steps ruin a training. So it is the **step that is too large**; many time steps make that more frequent, and a smaller learning rate or clipping prevents it.

# %% [markdown] lang="zh" id="norms-look"
# 有裁剪时，尖峰被压到 0.5，困惑度下降。没有裁剪时，沿着过陡的梯度走几步，权重就被甩得很远。这时 $\tanh$ 已经**饱和**：最后一层的隐状态几乎全都贴近 $\pm 1$，函数在那里是平的。依然很大的范数，是输出层的。
#
# 学习率减半之后，传满 35 个时间步也没有毁掉任何一次训练。可见问题在于**步子太大**；时间步多只是让它更常发生，减小学习率或者裁剪都可以避免。

# %% [markdown] lang="en" id="train-text"
# ## Train it on the book
#
# The deep LSTM, two layers of 64 hidden units, with Adam (which adapts the step size of every parameter); beside it `nn.LSTM` **from the same initial weights, with the same minibatches**. PyTorch's second bias learns as well, so the sum of both would move twice as fast as our single one: we set it to zero and freeze it.

# %% [markdown] lang="zh" id="train-text"
# ## 用这本书来训练
#
# 深度 LSTM，两层，每层 64 个隐藏单元，用 Adam 训练（它为每个参数调整步长）；旁边是 `nn.LSTM`，**初始权重相同，小批量也相同**。PyTorch 的第二个偏置也会学习，两个偏置之和的变化速度会是我们那一个的两倍，所以把它设为零并冻结。

# %% id="train"
def train(model, num_epochs, lr=0.01, theta=1.0):
    """Train on the book; yields a record per epoch: perplexity on training and on held-out text."""
    updater, text = torch.optim.Adam(model.parameters(), lr), utils.Batches(corpus.train)
    for epoch in range(1, num_epochs + 1):
        started = time.perf_counter()
        epoch_losses = [loss for loss, _, _ in train_epoch(model, text, updater, theta)]
        seconds = time.perf_counter() - started
        tokens_per_sec = len(epoch_losses) * 32 * 35 / seconds
        perplexity = math.exp(statistics.mean(epoch_losses))
        held_out = utils.perplexity(model, corpus.held_out)
        yield utils.EpochRecord(epoch, perplexity, held_out, tokens_per_sec, seconds)

# %% id="race"
utils.seed_everything(0)
theirs = LanguageModel(nn.LSTM(vocab_size, 64, num_layers=2), 64, vocab_size)
ours = LanguageModel(DeepRNN(LSTMCell, vocab_size, 64, num_layers=2), 64, vocab_size)
with torch.no_grad():
    for *_, b_hh in theirs.rnn.all_weights:
        b_hh.zero_().requires_grad_(False)
    copy_weights(ours.rnn, theirs.rnn)
    ours.W_hq.copy_(theirs.W_hq)
num_epochs = utils.epochs(25)
trainings = {"from scratch": train(ours, num_epochs), "nn.LSTM": train(theirs, num_epochs)}
# one curve is drawn thick, so that both can be seen
records = utils.LivePlot(num_epochs).race(trainings, linewidths=(5, 1.5))

# %% tags=["hide-input"] id="race-result"
difference = max(abs(a.perplexity / b.perplexity - 1) for a, b in zip(*records.values()))
print(f"largest relative difference between the training curves: {difference:.0e}")
assert difference < 1e-3
head = ["deep LSTM, 2 x 64", "training, at the end", "held-out, best", "at epoch"]
rows = []
for name, rs in records.items():
    best = utils.best(rs)
    speed = statistics.median(r.tokens_per_sec for r in rs)
    numbers = f"{rs[-1].perplexity:.2f}", f"{best.held_out:.2f}", best.epoch, f"{speed:,.0f}"
    rows.append([name, *numbers])
utils.table([*head, "characters per second"], rows)

# %% [markdown] lang="en" id="write-text"
# The curves lie on each other, solid as well as dashed; only the speed differs. Let both go on from `time traveller`, each time with the likeliest character ([lesson 3](03_concise_lstm.ipynb) lets chance choose):

# %% [markdown] lang="zh" id="write-text"
# 两者的曲线完全重合，实线、虚线都是如此；不同的只有速度。让两个网络从 `time traveller` 接着往下写，每次都取概率最大的字符（[第 3 课](03_concise_lstm.ipynb)会按概率随机挑选）：

# %% id="write"
for name, trained in (("from scratch", ours), ("nn.LSTM", theirs)):
    print(utils.generate(trained, corpus.vocab, "time traveller", 60), "|", name)

# %% [markdown] lang="en" id="trace-text"
# ## Inside the trained network
#
# What do the gates do at work? `trace` is the LSTM's equations once more, but it keeps everything:

# %% [markdown] lang="zh" id="trace-text"
# ## 训练好的网络里面
#
# 各个门在工作时究竟做些什么？`trace` 把 LSTM 的公式再算一遍，但保留所有的值：

# %% id="trace"
def trace(rnn, X):
    """All that a deep LSTM computes for X (T, n, d): for each layer {letter: (T, n, h)}."""
    layers = []
    for cell in rnn.cells:
        H = C = torch.zeros(X.shape[1], rnn.num_hiddens)  # (n, h)
        steps = []
        for A_t in cell.project(X):
            S_i, S_f, S_g, S_o = (A_t + H @ cell.W_hh).chunk(4, dim=-1)  # (n, h) each
            I, F, G, O = S_i.sigmoid(), S_f.sigmoid(), S_g.tanh(), S_o.sigmoid()
            C = F * C + I * G
            H = O * C.tanh()
            steps.append((I, F, O, G, C, H))
        layers.append(dict(zip("IFOGCH", map(torch.stack, zip(*steps)))))
        X = layers[-1]["H"]  # what the next layer reads
    return layers

held_out, _ = next(iter(utils.Batches(corpus.held_out)))  # (n, T)
with torch.no_grad():
    one_hots = one_hot(held_out.T, vocab_size).float()  # (T, n, d)
    traced, (H, state) = trace(ours.rnn, one_hots), ours.rnn(one_hots)
torch.testing.assert_close(traced[-1]["H"], H)
for l, layer in enumerate(traced):
    torch.testing.assert_close((layer["H"][-1], layer["C"][-1]), tuple(s[l] for s in state))
print("its H and C are those of the network")

# %% [markdown] lang="en" id="guess-memory-text"
# Change **one letter** of a text, and the states after it are others. **Predict:** what share of the difference in the last layer's $\mathbf{H}$ is left $k$ letters later?

# %% [markdown] lang="zh" id="guess-memory-text"
# 改动文本中的**一个字母**，后面的状态就不同了。**猜一猜：** 过了 $k$ 个字母，最后一层 $\mathbf{H}$ 的差异还剩几成？

# %% tags=["hide-input"] id="guess-memory"
# the tenth letter of 32 held-out sequences is replaced with a z
changed = held_out.clone()
changed[:, 9] = corpus.vocab["z"]
with torch.no_grad():
    after = trace(ours.rnn, one_hot(changed.T, vocab_size).float())[-1]["H"]
moved = (after - traced[-1]["H"]).norm(dim=(1, 2))[9:]  # of all sequences: (26,)
left = (moved / moved[0]).tolist()
utils.guess(
    "the difference in H that is left, k letters after the one that was changed",
    (range(len(left)), left),
    at=(1, 3, 5, 10, 20),
    between=(0, 1),
    labels=("letters later, k", "share of the difference"),
    because=f"After ten letters, about two words, {left[10]:.0%} is left.",
)

# %% tags=["hide-input"] id="draw-cell"
# draws a unit's gates, and all units of its layer
def draw_units(ax, H, moved, text, step, marks):
    """Images, units x steps: H, and below it what the edit has moved; the text above them."""
    image = torch.cat([H, torch.zeros(len(text), 12), moved], dim=1).T  # rows: 64 + 12 + 64
    style = {"vmin": -1, "vmax": 1, "cmap": "RdBu_r", "interpolation": "nearest"}
    ax.imshow(image.tolist(), extent=(4, 64, 140, 0), aspect="auto", **style)
    middles = [4 + 60 * (t + 0.5) / len(text) for t in range(len(text))]
    ax.plot(2 * [middles[step]], (0, 140), color="0.3", linewidth=1.5)
    for t, letter in enumerate(text):
        colour = utils.VERMILION if t in marks else "black"
        ax.text(middles[t], -3, letter, ha="center", color=colour, family="monospace", gid="tick")
    for y, words in ((32, "H, 64 units"), (108, "edited - line")):
        ax.text(2, y, words, rotation=90, ha="center", va="center")

def draw_bars_of(ax, pairs, title):
    """Two bars per letter: the edited line's, and narrow and grey the original's."""
    for heights, x, width, colour in zip(pairs, (71, 72.7), (16, 7), (utils.BLUE, "0.6")):
        xs = [x + 5 * k for k in range(6) for _ in range(3)]
        ys = [y for height in heights for y in (70, 70 - 60 * height, float("nan"))]
        ax.plot(xs, ys, color=colour, lw=width, solid_capstyle="butt")
    for k, name in enumerate(["I", "F", "O", "G", "tanh C", "H"]):
        ax.text(71.5 + 5 * k, 143, name, ha="center")
    for value in (1, 0, -1):
        ax.plot((68, 99), 2 * [70 - 60 * value], color="0.3" if value == 0 else "0.8", lw=0.8)
        ax.text(67.5, 70 - 60 * value, value, ha="right", va="center")
    ax.text(84, -3, title, ha="center")
    ax.set(xlim=(0, 100), ylim=(146, -12))

# %% tags=["hide-input"] id="readable"
# what may be typed
import re
import unicodedata

def readable(argument, typed):
    """As the book's text was cleaned: small letters, one space for all that stands between them.

    Raises ValueError for letters and digits that the network does not know.
    """
    plain = unicodedata.normalize("NFKC", typed).lower()  # also letters of full width
    text = re.sub("[^a-z]+", " ", plain).strip()
    unknown = [c for c in plain if c.isalnum() and not "a" <= c <= "z"]
    fits = not unknown and 0 < len(text) <= 40
    utils.require(fits, argument, typed, "1 to 40 letters a to z and spaces")
    return text

# %% tags=["hide-input"] id="draw-cell-figure"
# the figure and its table
def draw_cell(first_line, edited_line, step, layer, unit):
    """One unit of the trained LSTM at one step, and all units of its layer at all steps."""
    texts = readable("first_line", first_line), readable("edited_line", edited_line)
    T = max(map(len, texts))
    ids = torch.tensor([corpus.vocab[list(text.ljust(T))] for text in texts])  # (2, T)
    step, marks = min(step, len(texts[1])) - 1, [t for t in range(T) if ids[0, t] != ids[1, t]]
    with torch.no_grad():
        values = trace(ours.rnn, one_hot(ids.T, vocab_size).float())[layer - 1]
    rows, bars = [], []
    for name, i in (("edited", 1), ("line", 0)):
        I, F, O, G, C, H = (values[letter][step, i, unit - 1].item() for letter in "IFOGCH")
        old = values["C"][step - 1, i, unit - 1].item() if step else 0.0
        numbers = [f"{x:.2f}" for x in (I, F, O, G, old)]
        sums = f"{F:.2f} · {old:.2f} + {I:.2f} · {G:.2f} = {C:.2f}"
        rows.append([name, *numbers, sums, f"{O:.2f} · tanh({C:.2f}) = {H:.2f}"])
        shown = values["C"][step, i, unit - 1].tanh().item()
        bars.append((I, F, O, G, shown, H))
    fig, ax = utils.new_figure(8.4, 3.6, bare=True)
    H = values["H"][: len(texts[1])]  # (T, 2, h)
    draw_units(ax, H[:, 1], H[:, 1] - H[:, 0], texts[1], step, marks)
    draw_bars_of(ax, bars, f"layer {layer}, unit {unit}, after {texts[1][step]!r}")
    head = ["", *"IFOG", "C before", "C = F · C + I · G", "H = O · tanh C"]
    return fig, utils.table(head, rows)

# %% [markdown] lang="en" id="explore-cell-text"
# Walk through the line with `step`; the table does the arithmetic. Left: $\mathbf{H}$ of all units of the layer (red: above 0), and what the edit has moved in it; grey bars are the unedited line's. Edit another letter.

# %% [markdown] lang="zh" id="explore-cell-text"
# 拖动“时间步”，沿着这行文字走，表里列出算式。左图：这一层所有隐藏单元的 $\mathbf{H}$（红色为正），以及改动在其中引起的变化；灰色的条属于原句。再改一个字母试试。

# %% tags=["hide-input"] id="explore-cell"
# the controls; the unit to begin with is the one whose forget gate changes most
widest = traced[1]["F"].std(dim=(0, 1)).argmax().item() + 1
text_box = {"layout": {"width": "360px"}}
utils.explore(
    draw_cell,
    play="step",
    first_line=widgets.Text("the time traveller smiled", description="line", **text_box),
    edited_line=widgets.Text("the tame traveller smiled", description="edited", **text_box),
    step=widgets.IntSlider(6, min=1, max=40, description="step"),
    layer=widgets.IntSlider(2, min=1, max=2, description="layer"),
    unit=widgets.IntSlider(widest, min=1, max=64, description="unit"),
)

# %% [markdown] lang="en" id="watch-fade-text"
# ### The map while it learns
#
# A plain RNN and a GRU of three layers learn, and after every epoch we ask again, the loss now being the cross-entropy of held-out text at the last step: what is left per step back (solid) and per layer down (dashed)?

# %% [markdown] lang="zh" id="watch-fade-text"
# ### 边训练边看这张图
#
# 三层的普通 RNN 和 GRU 各自学习，每个迭代周期之后再问一次：往回一步还剩多少（实线），往下一层还剩多少（虚线）？损失改为留出文本（即验证集）最后一步的交叉熵。

# %% id="watch-fade"
def watch_fade(cell, num_epochs=8, seed=0):
    """Train three layers; yields the epoch, what is left per step back and per layer down."""
    network = LanguageModel(fresh(cell, 3, seed=seed), 64, vocab_size)
    X, Y = next(iter(utils.Batches(corpus.held_out)))  # (n, T)
    training, maps_of[cell] = train(network, utils.epochs(num_epochs)), []
    for epoch in itertools.count():
        H, states = states_of(network.rnn, one_hot(X.T, vocab_size).float())
        loss = cross_entropy(H[-1] @ network.W_hq + network.b_q, Y[:, -1])  # of the last step
        maps_of[cell].append(gradient_map(loss, states))
        yield epoch, *factors(maps_of[cell][-1])
        if next(training, None) is None:
            break

maps_of = {}
labels = {"ylabel": "left of the gradient", "lines": ("per step back", "per layer down")}
plot = utils.LivePlot(8, ylim=(0, 1.6), log=False, **labels)
fading = plot.race({cell: watch_fade(cell) for cell in ("RNN", "GRU")})

# %% tags=["hide-input"] id="explore-trained"
# the maps of these trainings, an epoch after the other
def draw_trained(cell, epoch):
    """Layer x time: the gradient's share after an epoch of training."""
    epoch = min(epoch, len(maps_of[cell]) - 1)
    fig, ax = utils.new_figure(8.4, 1.8, place=(0.08, 0.24, 0.9, 0.6))
    ax.set_yticks(draw_map(ax, maps_of[cell][epoch], 0, 3), (1, 2, 3))
    ax.set(xticks=(1, 10, 20, 35), xlabel="t", ylabel="layer l")
    ax.set_title(f"3 × {cell}, epoch {epoch}", fontsize=10)
    return fig

utils.explore(
    draw_trained,
    play="epoch",
    cell=widgets.Dropdown(options=["RNN", "GRU"], value="GRU", description="cell"),
    epoch=widgets.IntSlider(8, min=0, max=8, description="epoch"),
)

# %% tags=["hide-input"] id="fade-trained"
# five starts of each, recorded: (cell, seed, epoch, per step back, per layer down)
def watch_all():
    for (i, cell), seed in itertools.product(enumerate(CELLS), range(5)):
        first, *_, last = watch_fade(cell, seed=seed)
        yield from ((i, seed, e, round(t, 4), round(l, 4)) for e, t, l in (first, last))

watched, about = utils.recorded("fade_trained", watch_all)
print(about["origin"])
rows = []
for i, name in enumerate(CELLS):
    for epoch in (0, 8):
        of_cell = [row[3:] for row in watched if row[0] == i and row[2] == epoch]
        rows.append([name, epoch, *map(span, zip(*of_cell))])
utils.table(["3 layers", "epoch", "per step back", "per layer down"], rows)

# %% [markdown] lang="en" id="watch-fade-look"
# Along $l$ training mends most of the fading: after eight epochs a layer passes down half of the gradient or all of it, in every cell far more than at the start. Not so along $t$: the GRU learns to keep, the LSTM stays near 0.6 per step, and the plain RNN loses more than before.

# %% [markdown] lang="zh" id="watch-fade-look"
# 沿 $l$ 的衰减，训练能修好大半：八个迭代周期之后，每一层往下传一半到全部的梯度，哪种单元都远多于开始时。沿 $t$ 就不是这样：GRU 学会了保留，LSTM 停在每步 0.6 附近，普通 RNN 丢掉的比原来还多。

# %% [markdown] lang="en" id="exercises"
# ## Exercises
#
# Put your answer in place of `None` and run the cell. A solution is folded away below each: a click on its title opens it.
#
# **1.** How many matrix products `@` does one call of `DeepRNN(RNNCell, 28, 64, num_layers=2)` make for $T = 35$ time steps?

# %% [markdown] lang="zh" id="exercises"
# ## 练习
#
# 把 `None` 换成你的答案，然后运行该单元格。每题下方折叠着参考解答，点击标题即可展开。
#
# **1.** 对 $T = 35$ 个时间步，调用一次 `DeepRNN(RNNCell, 28, 64, num_layers=2)` 要做多少次矩阵乘法 `@`？

# %% id="exercise-1"
answer_1 = None
utils.check("2.1", answer_1)

# %% tags=["solution"] id="solution-1"
solution_1 = 2 * (1 + 35)

# %% [markdown] lang="en" id="exercise-2-text"
# **2.** A network has two parameters, with gradients 3 and 4, and $\theta = 1$. What is the first gradient after clipping?

# %% [markdown] lang="zh" id="exercise-2-text"
# **2.** 一个网络有两个参数，梯度分别为 3 和 4，$\theta = 1$。裁剪后第一个梯度是多少？

# %% id="exercise-2"
answer_2 = None
utils.check("2.2", answer_2)

# %% tags=["solution"] id="solution-2"
solution_2 = 3 * 1 / (3**2 + 4**2) ** 0.5

# %% [markdown] lang="en" id="exercise-3-text"
# **3.** How many more parameters has `nn.LSTM(28, 64, 2)` than `DeepRNN(LSTMCell, 28, 64, 2)`?

# %% [markdown] lang="zh" id="exercise-3-text"
# **3.** `nn.LSTM(28, 64, 2)` 比 `DeepRNN(LSTMCell, 28, 64, 2)` 多出多少个参数？

# %% id="exercise-3"
answer_3 = None
utils.check("2.3", answer_3)

# %% tags=["solution"] id="solution-3"
solution_3 = 2 * 4 * 64

# %% [markdown] lang="en" id="exercise-4-text"
# **4.** An LSTM's memory: suppose the forget gate is 0.9 and the input gate 0 at every step, and $\mathbf{C}_0 = 1$. What is left in the memory cell after 20 steps? (Not rounded: an expression such as `1 / 3` will do.)

# %% [markdown] lang="zh" id="exercise-4-text"
# **4.** LSTM 的记忆：设每一步的遗忘门都是 0.9，输入门都是 0，且 $\mathbf{C}_0 = 1$。20 步以后，记忆元里还剩多少？（不要四舍五入，写成 `1 / 3` 这样的算式就行。）

# %% id="exercise-4"
answer_4 = None
utils.check("2.4", answer_4)

# %% tags=["solution"] id="solution-4"
solution_4 = 0.9**20

# %% [markdown] lang="en" id="exercise-5-text"
# **5.** Two minibatches of 15 steps, as in `reach`; but the loss is taken at step 10 of the second. How many of the 30 inputs get a gradient that is not zero, with `detach` and without? (A tuple of two numbers.)

# %% [markdown] lang="zh" id="exercise-5-text"
# **5.** 像 `reach` 那样连续运行两个 15 步的小批量，但只取第二个小批量第 10 步的损失。用 `detach` 和不用 `detach` 时，30 个输入中分别有几个的梯度不为零？请写成含两个数的元组。

# %% id="exercise-5"
answer_5 = None
utils.check("2.5", answer_5)

# %% tags=["solution"] id="solution-5"
solution_5 = (10, 10 + 15)

# %% [markdown] lang="en" id="exam"
# ## What to write in the exam
#
# **1.** Write down the LSTM: equations, what each gate does, shapes of the joint $\mathbf{W}_{xh}$, $\mathbf{W}_{hh}$.
#
# <details><summary>answer</summary>$\mathbf{I}, \mathbf{F}, \mathbf{O} = \sigma(\mathbf{X}_t \mathbf{W}_{x\cdot} + \mathbf{H}_{t-1} \mathbf{W}_{h\cdot} + \mathbf{b}_\cdot)$ and $\mathbf{G} = \tanh(\ldots)$, each with weights of its own; $\mathbf{C}_t = \mathbf{F} \odot \mathbf{C}_{t-1} + \mathbf{I} \odot \mathbf{G}$, $\mathbf{H}_t = \mathbf{O} \odot \tanh(\mathbf{C}_t)$. F: what stays of the memory; I: how much of the candidate G enters; O: how much shows. Side by side, W_xh is d × 4h and W_hh is h × 4h.</details>
#
# **2.** Where does the gradient fade, along $t$ and along $l$, and which knob changes it?
#
# <details><summary>answer</summary>Along t: each step back multiplies by a Jacobian, diag(φ′) W_hhᵀ in a plain cell, diag(F) on an LSTM's way through C. So what is left falls geometrically with T − t; with fresh weights 0.5 to 0.6 is left per step in all three cells. Knobs: an open gate (forget bias +1: 0.8, +3: nearly 1 per step), an orthogonal W_hh in a plain cell. Along l: each layer down multiplies by diag(φ′) W_xhᵀ and by gates that are half open, 0.55 (RNN), 0.3 (GRU), 0.14 (LSTM) per layer. Knobs: residual connections, layer norm. The first group does not help along l, the second little along t. Training mends most of it along l; along t the GRU learns to keep, the plain RNN does not. So measure both: ‖∂ℓ/∂H_t^(l)‖ for all l and t.</details>
#
# **3.** Write $\partial \mathbf{H}_T / \partial \mathbf{H}_k$ of a plain RNN as a product. When does it vanish, when can it explode?
#
# <details><summary>answer</summary>The product over t = k + 1 to T of diag(1 − H_t²) W_hhᵀ, later steps from the left. Its norm is at most γ^(T−k) ‖W_hh‖^(T−k), where φ′ ≤ γ (1 for tanh). ‖W_hh‖ below 1: it vanishes for certain. Above 1 is needed to explode, and is not enough. Without φ′ the spectral radius ρ of W_hh would decide over many steps; with φ′ it is a guide: PyTorch's first weights (norm above 1, ρ about 0.58) vanish about so fast, and saturated units, φ′ ≈ 0, brake an explosion.</details>
#
# **4.** Truncated BPTT: what goes from one minibatch to the next, what does not? And what is teacher forcing?
#
# <details><summary>answer</summary>The state's value goes on, so the network knows what came before; its gradient is cut (detach), so memory and time per minibatch stay constant, and nothing is learnt from dependencies longer than the window, except by chance. Teacher forcing: in training each input is the true character; in generation it is the network's own, which it has not practised.</details>
#
# **5.** What is gradient clipping, and is it a cure for vanishing gradients?
#
# <details><summary>answer</summary>g ← min(1, θ / ‖g‖) g, with g all gradients as one vector: the direction stays, the length is at most θ. It keeps one huge step from ruining the weights. It never lengthens a gradient, so it does nothing against vanishing.</details>

# %% [markdown] lang="zh" id="exam"
# ## 考试怎么写
#
# **1.** 写出 LSTM 的公式。每个门起什么作用？四个和并成一次乘法时，$\mathbf{W}_{xh}$ 和 $\mathbf{W}_{hh}$ 有多大？
#
# <details><summary>答案</summary>$\mathbf{I}, \mathbf{F}, \mathbf{O} = \sigma(\mathbf{X}_t \mathbf{W}_{x\cdot} + \mathbf{H}_{t-1} \mathbf{W}_{h\cdot} + \mathbf{b}_\cdot)$，$\mathbf{G} = \tanh(\ldots)$，各用自己的权重；$\mathbf{C}_t = \mathbf{F} \odot \mathbf{C}_{t-1} + \mathbf{I} \odot \mathbf{G}$，$\mathbf{H}_t = \mathbf{O} \odot \tanh(\mathbf{C}_t)$。F：记忆元保留多少；I：候选记忆元 G 写入多少；O：显露多少。并排放置时，W_xh 是 d × 4h，W_hh 是 h × 4h。</details>
#
# **2.** 沿 $t$ 和沿 $l$，梯度各在哪里衰减？分别由哪个开关改变？
#
# <details><summary>答案</summary>沿 t：每往回一步乘一次雅可比矩阵，普通单元是 diag(φ′) W_hhᵀ，LSTM 经过 C 的那条路是 diag(F)。所以剩下的随 T − t 按几何级数减小；刚初始化时，三种单元每步都剩 0.5 到 0.6。开关：把门打开（遗忘门偏置 +1 时每步 0.8，+3 时接近 1），普通单元用正交的 W_hh。沿 l：每往下一层乘一次 diag(φ′) W_xhᵀ，再乘上半开的门，每层 0.55（RNN）、0.3（GRU）、0.14（LSTM）。开关：残差连接、层归一化。前一组对沿 l 的衰减没有帮助，后一组对沿 t 的作用很小。训练能修好沿 l 的大部分衰减；沿 t 只有 GRU 学会了保留，普通 RNN 没有。所以两个方向都要量：对所有 l 和 t 计算 ‖∂ℓ/∂H_t^(l)‖。</details>
#
# **3.** 把普通 RNN 的 $\partial \mathbf{H}_T / \partial \mathbf{H}_k$ 写成连乘积。它什么时候消失，什么时候可能爆炸？
#
# <details><summary>答案</summary>对 t = k + 1 到 T 把 diag(1 − H_t²) W_hhᵀ 连乘，后面的时间步乘在左边。范数至多为 γ^(T−k) ‖W_hh‖^(T−k)，其中 φ′ ≤ γ（tanh 时为 1）。‖W_hh‖ 小于 1：必定消失；要爆炸，它就得大于 1，但这还不够。假如没有 φ′，步数多时由 W_hh 的谱半径 ρ 决定；有了 φ′，ρ 只是参考：PyTorch 的初始权重（范数大于 1，ρ 约为 0.58）大致就以这样的速度消失，而饱和的单元（φ′ ≈ 0）会刹住爆炸。</details>
#
# **4.** 截断的通过时间反向传播：从一个小批量到下一个，什么传过去，什么不传？强制教学又是什么？
#
# <details><summary>答案</summary>状态的值传过去，所以网络知道前文；它的梯度被切断（detach），所以每个小批量的内存和时间不增长，而超出窗口的依赖关系，除非碰巧，是学不到的。强制教学：训练时每一步输入的都是真实字符；生成时输入的是网络自己写的字符，这种情况它没有练过。</details>
#
# **5.** 什么是梯度裁剪？它能治梯度消失吗？
#
# <details><summary>答案</summary>g ← min(1, θ / ‖g‖) g，其中 g 是把所有梯度连成的一个向量：方向不变，长度至多为 θ。它避免一步太大毁掉权重。它从不把梯度变长，所以对梯度消失毫无作用。</details>

# %% [markdown] lang="en" id="sources"
# ## Sources
#
# <details><summary>The papers this lesson rests on</summary><ul><li>S. Hochreiter, J. Schmidhuber: <i>Long Short-Term Memory</i>. Neural Computation 9(8), 1997. The forget gate: F. Gers, J. Schmidhuber, F. Cummins: <i>Learning to Forget</i>. Neural Computation 12(10), 2000</li><li>K. Cho et al.: <i>Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation</i>. EMNLP 2014 (the GRU)</li><li>R. Pascanu, T. Mikolov, Y. Bengio: <i>On the Difficulty of Training Recurrent Neural Networks</i>. ICML 2013 (Jacobians, clipping)</li><li>R. Jozefowicz, W. Zaremba, I. Sutskever: <i>An Empirical Exploration of Recurrent Network Architectures</i>. ICML 2015 (forget bias)</li><li>K. He et al.: <i>Deep Residual Learning for Image Recognition</i>. CVPR 2016. J. L. Ba, J. R. Kiros, G. E. Hinton: <i>Layer Normalization</i>. arXiv:1607.06450, 2016</li><li>R. J. Williams, D. Zipser: <i>A Learning Algorithm for Continually Running Fully Recurrent Neural Networks</i>. Neural Computation 1(2), 1989 (teacher forcing)</li></ul></details>

# %% [markdown] lang="zh" id="sources"
# ## 参考文献
#
# <details><summary>这一课所依据的论文</summary><ul><li>S. Hochreiter, J. Schmidhuber: <i>Long Short-Term Memory</i>. Neural Computation 9(8), 1997。遗忘门：F. Gers, J. Schmidhuber, F. Cummins: <i>Learning to Forget</i>. Neural Computation 12(10), 2000</li><li>K. Cho et al.: <i>Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation</i>. EMNLP 2014（GRU）</li><li>R. Pascanu, T. Mikolov, Y. Bengio: <i>On the Difficulty of Training Recurrent Neural Networks</i>. ICML 2013（雅可比矩阵、梯度裁剪）</li><li>R. Jozefowicz, W. Zaremba, I. Sutskever: <i>An Empirical Exploration of Recurrent Network Architectures</i>. ICML 2015（遗忘门的偏置）</li><li>K. He et al.: <i>Deep Residual Learning for Image Recognition</i>. CVPR 2016。J. L. Ba, J. R. Kiros, G. E. Hinton: <i>Layer Normalization</i>. arXiv:1607.06450, 2016</li><li>R. J. Williams, D. Zipser: <i>A Learning Algorithm for Continually Running Fully Recurrent Neural Networks</i>. Neural Computation 1(2), 1989（强制教学）</li></ul></details>

# %% [markdown] lang="en" id="summary"
# ## What we saw
#
# - A stack is a loop over layers around a loop over time around a cell. RNN, GRU and LSTM differ in the cell only.
# - Hoisting the inputs' product out of the loop is faster. Outputs, states and gradients equal PyTorch's.
# - The state's value goes from minibatch to minibatch, its gradient does not. Clipping keeps a single step from ruining everything.
# - With fresh weights the gradient fades along $t$, which an open forget gate or an orthogonal $\mathbf{W}_{hh}$ prevents, and along $l$, which a residual connection or layer norm prevents.
#
# {{next}}

# %% [markdown] lang="zh" id="summary"
# ## 小结
#
# - 整个网络就是对层的循环套着对时间的循环，最里面是单元。RNN、GRU 和 LSTM 只有单元不同。
# - 把输入的乘积提到时间循环之外，速度更快。输出、状态和梯度都与 PyTorch 一致。
# - 状态的值从一个小批量传到下一个，它的梯度不传。裁剪则避免一步走错、满盘皆输。
# - 刚初始化时，梯度沿 $t$ 衰减，打开遗忘门或用正交的 $\mathbf{W}_{hh}$ 可以防止；也沿 $l$ 衰减，残差连接或层归一化可以防止。
#
# {{next}}
