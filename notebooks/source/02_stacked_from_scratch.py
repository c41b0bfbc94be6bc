# %% [markdown] lang="en" id="title"
# # 2 · A stacked network from scratch
#
# **The question of this lesson.** [Lesson 1](01_deep_rnn.ipynb) gave the equations of a deep recurrent network. Can we write it ourselves, in a few short pieces, so that its values *and its gradients* are those of
# `nn.RNN`, `nn.GRU` and `nn.LSTM`, and train it on a book?
#
# **You need:** lesson 1, and to have seen a PyTorch module (`nn.Module`) and `backward()` once. **Run time:** less than a minute on a laptop without a GPU.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 2 · 从零实现堆叠的循环网络
#
# **本课的问题。** [第 1 课](01_deep_rnn.ipynb)给出了深度循环神经网络的公式。我们能不能用几小段代码把它写出来，让它的数值**以及梯度**都与 `nn.RNN`、`nn.GRU`、`nn.LSTM` 一致，再用一本书来训练它？
#
# **预备知识：** 第 1 课；见过 PyTorch 的模块（`nn.Module`）和 `backward()`。**运行时间：** 在没有 GPU 的笔记本电脑上不到一分钟。
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
# We write it in two parts, because they differ in one important way: $\mathbf{A}_t \in \mathbb{R}^{n \times h}$ can be computed without any state. (`num_sums`, $k$ in the comments, is 1 here, and will be 3 for a GRU and 4 for an LSTM. The initial weights are drawn from the same interval that PyTorch uses.)

# %% [markdown] lang="zh" id="cell-text"
# ## 单元
#
# 从里到外共五块：单元、沿时间展开的一层、层的堆叠、输出层、训练循环。一个单元算出一个隐状态：
#
# $$\mathbf{H}_t = \tanh(\underbrace{\mathbf{X}_t \mathbf{W}_{xh} + \mathbf{b}_h}_{\mathbf{A}_t} + \mathbf{H}_{t-1} \mathbf{W}_{hh}).$$
#
# 我们把它分成两部分来写，因为两者有一个重要区别：$\mathbf{A}_t \in \mathbb{R}^{n \times h}$ 的计算不需要任何隐状态。（`num_sums` 在注释里写作 $k$，这里是 1，对 GRU 是 3，对 LSTM 是 4。初始权重的取值区间与 PyTorch 相同。）

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
# The loop makes two products per step. But $\mathbf{X}_t \mathbf{W}_{xh}$ needs no state, and all inputs are known in advance, so all $T$ of these products can be **hoisted** out of the loop and done as one, with the time steps stacked on top of each other.

# %% [markdown] lang="zh" id="hoist-text"
# 循环的每一步要做两次矩阵乘法。但 $\mathbf{X}_t \mathbf{W}_{xh}$ 不需要隐状态，而所有输入事先都已知道，所以这 $T$ 次乘法可以全部**提到循环外面**（hoisting）：把各时间步的输入上下拼接起来，一次算完。

# %% tags=["hide-input"] id="figure-hoisting"
utils.show_figure("hoisting")

# %% [markdown] lang="en" id="hoist-text-after"
# <details><summary>The figure in words</summary>Two ways to compute the same recurrence, time running downwards. Left: each time step makes its own small product X_t W_xh + b_h, adds it to H_{t-1} W_hh and applies tanh. Right: one product of the stacked inputs X_1 to X_T (Tn by d) with W_xh (d by h), plus b_h, gives all blocks A_1 to A_T (Tn by h) at once, and the loop only adds A_t to H_{t-1} W_hh and applies tanh.</details>
#
# **Predict:** how many times as fast is the second form as the first? And are the numbers the same?

# %% [markdown] lang="zh" id="hoist-text-after"
# <details><summary>图的文字说明</summary>同一递推式的两种算法，时间自上而下。左：每个时间步各做一次小的矩阵乘法 X_t W_xh + b_h，与 H_{t-1} W_hh 相加并取 tanh。右：把 X_1 到 X_T 上下拼成 Tn×d 的矩阵，与 d×h 的 W_xh 只乘一次，再加 b_h，便得到全部 A_1 到 A_T（Tn×h）；循环里只需把 A_t 与 H_{t-1} W_hh 相加并取 tanh。</details>
#
# **猜一猜：** 第二种写法的速度是第一种的几倍？结果一样吗？

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
# A plain cell writes its whole state anew at every step. The LSTM and the GRU can keep what they have: **gates** decide. A gate holds a number between 0 and 1 for each hidden unit, computed by the logistic function (sigmoid) $\sigma$; it says how much passes. $\odot$ multiplies element by element.

# %% [markdown] lang="zh" id="gated-text"
# ## 另外两种单元
#
# 普通单元每一步都把整个隐状态重写一遍；LSTM 和 GRU 则能把已有的内容保留下来，留不留由**门**决定。门给每个隐藏单元一个 0 与 1 之间的数，由 sigmoid 函数 $\sigma$ 算出，表示放行多少。$\odot$ 表示按元素相乘。

# %% tags=["hide-input"] id="figure-cells"
utils.show_figure("cells")

# %% [markdown] lang="en" id="gated-text-after"
# <details><summary>The figure in words</summary>Computational graphs of three recurrent cells. The plain cell adds A_t to H_{t-1} W_hh and applies tanh. In the GRU gate R multiplies the state after its product with W_hh, A_h is added, tanh gives the candidate, and gate Z mixes it with H_{t-1}. In the LSTM gates F and I and the candidate G update the memory cell C along the top, and gate O times tanh(C_t) gives H_t.</details>
#
# (In the figure $\mathbf{A}_h$ is the GRU's third block of $\mathbf{A}$; the weights of all gates, and all of the LSTM's, are not drawn.)

# %% [markdown] lang="zh" id="gated-text-after"
# <details><summary>图的文字说明</summary>三种循环单元的计算图。普通单元把 A_t 与 H_{t-1} W_hh 相加，再取 tanh。门控循环单元（GRU）先算 H_{t-1} 与 W_hh 的乘积，再与门 R 按元素相乘，加上 A_h 后取 tanh 得到候选隐状态，门 Z 再将它与 H_{t-1} 加权相加。长短期记忆网络（LSTM）由门 F、I 和候选记忆元 G 更新上方的记忆元 C，再由门 O 与 tanh(C_t) 按元素相乘得到 H_t。</details>
#
# （图中的 $\mathbf{A}_h$ 是 GRU 中 $\mathbf{A}$ 的第三块；所有门的权重，以及 LSTM 的全部权重，都没有画出。）

# %% [markdown] lang="en" id="lstm-text"
# ### LSTM
#
# Beside the hidden state goes a second tensor, the **memory cell** $\mathbf{C}_t$. First come an input gate, a forget gate, an output gate and a candidate memory cell $\mathbf{G}$, each from columns of its own; then the two tensors of the new state:

# %% [markdown] lang="zh" id="lstm-text"
# ### LSTM
#
# 隐状态之外还有第二个张量，即**记忆元** $\mathbf{C}_t$。先算输入门、遗忘门、输出门和候选记忆元 $\mathbf{G}$，各用自己的那一块列；再算新状态的两个张量：

# %% [markdown] id="lstm-equations"
# $$\begin{aligned}
# \mathbf{I}, \mathbf{F}, \mathbf{O} &= \sigma(\mathbf{A}_t + \mathbf{H}_{t-1}\mathbf{W}_{hh}), & \mathbf{G} &= \tanh(\mathbf{A}_t + \mathbf{H}_{t-1}\mathbf{W}_{hh}), \\
# \mathbf{C}_t &= \mathbf{F} \odot \mathbf{C}_{t-1} + \mathbf{I} \odot \mathbf{G}, & \mathbf{H}_t &= \mathbf{O} \odot \tanh(\mathbf{C}_t).
# \end{aligned}$$

# %% [markdown] lang="en" id="lstm-meaning"
# The forget gate $\mathbf{F}$ says how much of the memory stays, the input gate $\mathbf{I}$ how much of the candidate comes in, and the output gate $\mathbf{O}$ how much shows in the hidden state. With $\mathbf{F} = 1$ and $\mathbf{I} = 0$ the memory stays as it is.

# %% [markdown] lang="zh" id="lstm-meaning"
# 遗忘门 $\mathbf{F}$ 决定记忆元保留多少，输入门 $\mathbf{I}$ 决定候选记忆元写入多少，输出门 $\mathbf{O}$ 决定记忆元在隐状态中显露多少。当 $\mathbf{F} = 1$、$\mathbf{I} = 0$ 时，记忆元原样保留。

# %% [markdown] lang="en" id="lstm-columns"
# So that one product serves all four, their weights stand side by side: $\mathbf{W}_{xh}$ is $d \times 4h$, $\mathbf{W}_{hh}$ is $h \times 4h$. `chunk` cuts the result apart again, into blocks of $h$ columns, in PyTorch's order.

# %% [markdown] lang="zh" id="lstm-columns"
# 为了用一次乘法全部算出，四者的权重并排放置：$\mathbf{W}_{xh}$ 是 $d \times 4h$，$\mathbf{W}_{hh}$ 是 $h \times 4h$。算完再用 `chunk` 切开，每块 $h$ 列，顺序与 PyTorch 相同。

# %% id="lstm-cell"
class LSTMCell(RNNCell):
    """The state is the tuple (H, C), both (n, h)."""

    num_sums, num_states = 4, 2

    def step(self, A, state):
        H, C = state
        I, F, G, O = torch.addmm(A, H, self.W_hh).chunk(4, dim=-1)  # of A + H W_hh: (n, h) each
        C = torch.sigmoid(F) * C + torch.sigmoid(I) * torch.tanh(G)
        return torch.sigmoid(O) * torch.tanh(C), C

# %% [markdown] lang="en" id="check-lstm-text"
# Is it PyTorch's? Copy the weights of `nn.LSTMCell` and compare one step: the new state, and the gradients with respect to the input, the old state and the weights.

# %% [markdown] lang="zh" id="check-lstm-text"
# 与 PyTorch 的一致吗？复制 `nn.LSTMCell` 的权重，比较一步的结果：新状态，以及对输入、旧状态和权重的梯度。

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
# One tensor and two gates, a reset gate $\mathbf{R}$ and an update gate $\mathbf{Z}$, here in PyTorch's form:

# %% [markdown] lang="zh" id="gru-text"
# ### GRU
#
# 门控循环单元只有一个张量、两个门：重置门 $\mathbf{R}$ 和更新门 $\mathbf{Z}$。这里采用 PyTorch 的形式：

# %% [markdown] id="gru-equations"
# $$\begin{aligned}
# \mathbf{R}, \mathbf{Z} &= \sigma(\mathbf{A}_t + \mathbf{H}_{t-1}\mathbf{W}_{hh}), & \tilde{\mathbf{H}}_t &= \tanh\big(\mathbf{A}_t + \mathbf{R} \odot (\mathbf{H}_{t-1}\mathbf{W}_{hh} + \mathbf{b}_c)\big), \\
# \mathbf{H}_t &= \mathbf{Z} \odot \mathbf{H}_{t-1} + (1 - \mathbf{Z}) \odot \tilde{\mathbf{H}}_t .
# \end{aligned}$$

# %% [markdown] lang="en" id="gru-meaning"
# The update gate mixes the old state with a new candidate $\tilde{\mathbf{H}}_t$; the reset gate says how much of the old state that candidate is made from. Three blocks of columns this time: $\mathbf{W}_{xh}$ is $d \times 3h$.

# %% [markdown] lang="zh" id="gru-meaning"
# 更新门把旧状态与候选隐状态 $\tilde{\mathbf{H}}_t$ 加权相加；重置门决定计算候选隐状态时用上多少旧状态。这次有三块列：$\mathbf{W}_{xh}$ 是 $d \times 3h$。

# %% [markdown] lang="en" id="gru-bias"
# One more bias is needed, $\mathbf{b}_c$: the reset gate multiplies it, so it cannot be merged with $\mathbf{b}_h$. Many books put that gate before the product, $(\mathbf{R} \odot \mathbf{H}_{t-1})\mathbf{W}_{hh}$; PyTorch puts it after, so that one product serves all.

# %% [markdown] lang="zh" id="gru-bias"
# GRU 还多一个偏置 $\mathbf{b}_c$：重置门要与它相乘，所以它不能并入 $\mathbf{b}_h$。许多书把这个门放在乘法之前，即 $(\mathbf{R} \odot \mathbf{H}_{t-1})\mathbf{W}_{hh}$；PyTorch 把它放在乘法之后，这样一次乘法就够了。

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

# %% [markdown] lang="en" id="check-gru-text"
# The same check. In PyTorch $\mathbf{b}_c$ is the last third of the second bias, the one that the other cells merge into $\mathbf{b}_h$:

# %% [markdown] lang="zh" id="check-gru-text"
# 同样检验一遍。在 PyTorch 里，$\mathbf{b}_c$ 就是第二个偏置的后三分之一；换作其他单元，整个第二个偏置都并入 $\mathbf{b}_h$：

# %% id="check-gru"
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
# Now we measure what you predicted, on one LSTM layer such as stands inside a stack ($d = h = 256$): minibatches of 4 and of 32 sequences of 35 steps. The forms take turns, and the median counts. **Predict** where hoisting pays more: with few sequences or with many, forward or backward?

# %% [markdown] lang="zh" id="speed-text"
# 现在来验证刚才的猜测：取堆叠网络中的一层 LSTM（$d = h = 256$），小批量分别为 4 个和 32 个序列，每个序列 35 个时间步。几种写法轮流运行，取中位数。**猜一猜：** 提到循环外面在哪里更划算？序列少时还是多时，前向传播还是反向传播？

# %% id="speed"
import statistics
import time

lstm_cell, lstm_layer, rows = LSTMCell(256, 256), nn.LSTM(256, 256), []
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
        rows.append([num_sequences, name, f"{there:.1f}", f"{back:.1f}", speed])
head = ["sequences", "one LSTM layer", "ms, forward", "ms, backward"]
utils.table([*head, "speed against the loop form"], rows)

# %% [markdown] lang="en" id="speed-look"
# Most of what hoisting saves, it saves on the way back. The gradient of $\mathbf{W}_{xh}$ is a sum over all time steps: the loop form computes one matrix of $d \times 4h$ per step and adds up $T$ of them; the hoisted form gets the whole sum from one product. What adding costs does not depend on the number of sequences, so it weighs most when these are few. (`nn.LSTM` hoists as well, and its loop is not in Python.)

# %% [markdown] lang="zh" id="speed-look"
# 省下的时间大部分在反向传播。$\mathbf{W}_{xh}$ 的梯度是对所有时间步求和：循环写法每一步算出一个 $d \times 4h$ 的矩阵，再把 $T$ 个这样的矩阵逐个加起来；提到循环外面之后，一次乘法就得到整个和。逐个相加的开销与序列个数无关，所以序列越少，它占的比重越大。（`nn.LSTM` 也把乘法提到了循环外面，而且它的循环不在 Python 里。）

# %% [markdown] lang="en" id="stack-text"
# ## A stack of layers
#
# Lesson 1 showed that any order which follows the arrows gives the same numbers. So let layer 1 run through all time steps first, then layer 2, and so on: then every layer has all its inputs before it begins, and can hoist. The state has one slice per layer, `(L, n, h)`, as in PyTorch.

# %% [markdown] lang="zh" id="stack-text"
# ## 层的堆叠
#
# 第 1 课说明了：只要顺着箭头，任何计算顺序的结果都一样。所以先让第 1 层走完所有时间步，再轮到第 2 层，依此类推；这样每一层开始之前输入都已齐备，都能把乘法提到循环外面。状态按层排列，形状为 `(L, n, h)`，与 PyTorch 相同。

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
# Is it right? The strictest judge at hand is PyTorch. Copy its weights into our stack, give both the same input and the same initial state, and compare **outputs, final states and every gradient**, in double precision.

# %% [markdown] lang="zh" id="equal-text"
# 写对了吗？手边最严格的裁判就是 PyTorch。把它的权重复制到我们的网络里，给两者同样的输入和初始状态，用双精度比较**输出、最终状态和每一个梯度**。

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
# Characters go in as **one-hot vectors**: 28 numbers, a 1 in the character's place and 0 elsewhere, so $d = q = 28$. The output layer reads the last layer, at all time steps at once: $\mathbf{O}_t = \mathbf{H}_t^{(L)} \mathbf{W}_{hq} + \mathbf{b}_q$, a score for each of the 28 characters.
# The loss is the **cross-entropy**: softmax turns the scores into probabilities, and we average $-\ln$ of the probability of the character that really came next. $\exp$ of this average is the perplexity of lesson 1. The class takes *any* recurrent layers, ours or PyTorch's.

# %% [markdown] lang="zh" id="output-text"
# ## 输出层
#
# 字符以**独热向量**输入：共 28 个数，该字符的位置是 1，其余都是 0，所以 $d = q = 28$。输出层读取最后一层，一次算出所有时间步：$\mathbf{O}_t = \mathbf{H}_t^{(L)} \mathbf{W}_{hq} + \mathbf{b}_q$，也就是给 28 个字符各打一个分。
# 损失用**交叉熵**：softmax 把分数变成概率，再对真实的下一个字符的概率取 $-\ln$，求平均。这个平均值取 $\exp$，就是第 1 课的困惑度。这个类可以接**任何**循环层，我们写的或 PyTorch 的都行。

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
# The text is cut into minibatches of 35 steps such that every sequence goes on where the same row of the minibatch before ended. So hand the final state over as the next initial state: the network then knows what came before. But `backward()` would go back along that
# state too, through the minibatch before, and the one before that. Try it:

# %% [markdown] lang="zh" id="bptt-text"
# ## 训练循环的第一个问题：回溯到哪里为止？
#
# 文本被切成 35 步的小批量，每一行都从前一个小批量同一行结束的地方接着读。所以应该把最终状态作为下一个小批量的初始状态传过去：这样网络就知道前文。但 `backward()` 也会沿着这个状态往回走，穿过前一个小批量，再穿过更早的那一个。试试看：

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
# PyTorch frees a minibatch's computational graph, its record of what was computed, as soon as `backward()` has used it; the second `backward()` wants to go through the first graph again, and fails. Keeping all graphs would cost more memory and time with every minibatch.
# The remedy is **truncated backpropagation through time** (truncated BPTT): hand over the state's *value*, and cut the gradient, with `detach()`.

# %% [markdown] lang="zh" id="truncated-text"
# `backward()` 一用完小批量的计算图（即计算过程的记录），PyTorch 就把它释放；第二次 `backward()` 还要经过第一个小批量的计算图，于是出错。如果保留所有的计算图，每多一个小批量，内存和时间都会增加。
# 解决办法是**截断的通过时间反向传播**（truncated backpropagation through time，truncated BPTT）：只传状态的**值**，用 `detach()` 切断梯度。

# %% tags=["hide-input"] id="figure-truncated-bptt"
utils.show_figure("truncated_bptt")

# %% [markdown] lang="en" id="truncated-text-after"
# <details><summary>The figure in words</summary>Two consecutive minibatches, each a chain of hidden states H_1 to H_T with losses above. Solid arrows carry values forward, across the border too. Dashed arrows carry gradients back through time and stop at a cross on the border, under which stands H_0 ← sg(H_T), a state whose gradient is stopped.</details>
#
# (In the figure $\ell_t$ is the loss at time step $t$, and $\mathrm{sg}$, "stop gradient", is what `detach()` does.) To see it, let an untrained network read two minibatches of 15 steps in a row (random numbers will do). Its loss $\ell$ is the mean square of the last layer's state at the very last step.
# How strongly does it depend on each input? The measure is the length (**norm**) of the gradient, $\lVert \partial \ell / \partial \mathbf{X}_t \rVert$.
# **Predict:** where does the gradient end, with `detach` and without?

# %% [markdown] lang="zh" id="truncated-text-after"
# <details><summary>图的文字说明</summary>两个相邻的小批量，各为一串隐状态 H_1 到 H_T，上方是各时间步的损失。实线箭头向前传值，并越过小批量的边界；虚线箭头沿时间反向传播梯度，到边界处的叉号为止，边界下方标有 H_0 ← sg(H_T)，即切断梯度后的状态。</details>
#
# （图中 $\ell_t$ 是时间步 $t$ 的损失；$\mathrm{sg}$ 即 stop gradient，意为切断梯度，也就是 `detach()` 所做的事。）为了看清这一点，让一个未经训练的网络连续读两个 15 步的小批量（用随机数就行）。损失 $\ell$ 只看最后一步：取最后一层隐状态各元素平方的均值。
# 它对每个输入的依赖有多强？用梯度的长度（**范数**）$\lVert \partial \ell / \partial \mathbf{X}_t \rVert$ 来衡量。**猜一猜：** 用 `detach` 和不用 `detach`，梯度分别到哪里为止？

# %% id="reach"
def reach(Cell, num_layers, detach, T=15, seed=0):
    """The last step's loss, and the norm of its gradient in X_t for all 2 T steps."""
    utils.seed_everything(seed)
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

# %% id="other-starts"
def orthogonal(num_inputs, num_hiddens):
    """A plain cell whose W_hh changes the length of no vector."""
    cell = RNNCell(num_inputs, num_hiddens)
    nn.init.orthogonal_(cell.W_hh)
    return cell

def opened(num_inputs, num_hiddens, bias):
    """An LSTM cell with this much added to the forget gates' biases, which opens them."""
    cell = LSTMCell(num_inputs, num_hiddens)
    cell.b_h.data[num_hiddens : 2 * num_hiddens] += bias  # I, F, G, O: the second block
    return cell

CELLS = {
    "RNN": RNNCell,
    "RNN, orthogonal": orthogonal,
    "GRU": GRUCell,
    "LSTM": LSTMCell,
    "LSTM, forget bias +1": lambda d, h: opened(d, h, bias=1),
    "LSTM, forget bias +3": lambda d, h: opened(d, h, bias=3),
}

# %% tags=["hide-input"] id="draw-reach"
import itertools

choices = itertools.product(CELLS, (1, 2, 3, 4), (True, False))  # all that the controls can ask for
norms_of = {choice: reach(CELLS[choice[0]], *choice[1:])[1] for choice in choices}  # (2 T,) each

def draw_reach(cell, layers, detach):
    """How much the loss at the last step depends on each step's input; squares: exactly zero."""
    norms = norms_of[cell, layers, detach]
    steps, is_zero, lowest = torch.arange(-14, 16), norms == 0, 1e-12
    fig, ax = utils.new_figure(8, 3, place=(0.09, 0.17, 0.89, 0.72))
    style = {"color": utils.BLUE, "markersize": 4, "label": "gradient"}
    ax.semilogy(steps[~is_zero], norms[~is_zero], "o-", **style)
    if is_zero.any():
        zeros = torch.full_like(norms, lowest)[is_zero]
        ax.plot(steps[is_zero], zeros, "s", color=utils.VERMILION, markersize=5)
        ax.text(-7, 3 * lowest, "exactly 0", ha="center", color=utils.VERMILION)
    ax.axvline(0.5, color="0.3", linestyle="--")
    ax.set_yticks([1, 1e-4, 1e-8, 1e-12], ["1", "10⁻⁴", "10⁻⁸", "10⁻¹²"])
    ax.set_yticks([], minor=True)
    ax.set(ylim=(lowest / 5, 1), ylabel="‖∂ℓ / ∂Xₜ‖", xticks=range(-10, 16, 5))
    ax.set_xlabel("t   (t ≤ 0: previous minibatch)")
    ax.set_title(f"{cell}, layers: {layers}, detach={detach}")
    return fig

draw_reach("LSTM", 2, True)

# %% [markdown] lang="en" id="reach-widget"
# The loss is the same in both cases: the *value* is handed over. With `detach` (the figure above), every gradient of the previous minibatch is exactly zero (squares at the bottom). Without it (below) the gradient goes on across the border, but look how small it has become: it fades on its way back.
# **Predict:** a gate can keep what it has. So how much more slowly does the gradient of an LSTM fade than that of a plain RNN, with fresh weights? Then switch the cell.

# %% [markdown] lang="zh" id="reach-widget"
# 两种情况下损失相同：状态的**值**都传过去了。用了 `detach`（上图），前一个小批量的梯度全部恰好为零（底部的方块）。不用的话（下图），梯度会越过边界继续往回传，但看看它已经变得多小：越往回越弱。
# **猜一猜：** 门能把已有的内容保留下来。那么在刚初始化时，LSTM 的梯度比普通 RNN 的衰减得慢多少？然后换一种单元看看。

# %% tags=["hide-input"] id="explore-reach"
import ipywidgets as widgets

utils.explore(
    draw_reach,
    cell=widgets.Dropdown(options=list(CELLS), value="LSTM", description="cell"),
    layers=widgets.IntSlider(2, min=1, max=4, description="layers"),
    detach=widgets.Checkbox(False, description="detach"),
)

# %% id="fade"
def fade(Cell, seed):
    """What is left of the gradient from one time step to the one before: the mean factor."""
    _, norms = reach(Cell, 1, detach=False, seed=seed)  # (30,)
    return (norms[0] / norms[-1]).item() ** (1 / 29)

fades = {name: [fade(Cell, seed) for seed in range(5)] for name, Cell in CELLS.items()}
for names in (["RNN", "GRU", "LSTM"], ["LSTM", "LSTM, forget bias +1", "LSTM, forget bias +3"]):
    utils.ranking({name: fades[name] for name in names}, lower_is_better=False)
utils.draw_spread(fades, "left of the gradient's norm per step back, one layer", xlim=(0.4, 1.1))

# %% [markdown] lang="en" id="fade-look"
# Having gates is not enough. With fresh weights a gate is about half open, $\sigma(0) = 0.5$: the forget gate throws away half of the memory at every step, and the gradient fades nearly as fast as in a plain cell. A bias opens it, $\sigma(1) \approx 0.73$ and $\sigma(3) \approx 0.95$: with $+3$ next to nothing is lost. A plain cell has a remedy too: an orthogonal $\mathbf{W}_{hh}$ changes no vector's length, and only the $\tanh$ shrinks it.
# (This is the gradient before training; that it arrives does not say yet that anything is learnt from it.)

# %% [markdown] lang="zh" id="fade-look"
# 光有门还不够。刚初始化时，门大约半开，$\sigma(0) = 0.5$：遗忘门每一步都丢掉一半记忆，梯度衰减得几乎和普通单元一样快。加一个偏置就能把门打开，$\sigma(1) \approx 0.73$，$\sigma(3) \approx 0.95$：加 3 时几乎什么都不丢。普通单元也有办法：正交的 $\mathbf{W}_{hh}$ 不改变任何向量的长度，使梯度变小的只剩 $\tanh$。
# （这是训练之前的梯度；梯度能传到，还不等于真能从中学到东西。）

# %% [markdown] lang="en" id="clip-text"
# ## Second problem: steps that are too large
#
# A gradient can also be too large, and one huge step undoes all training. Let $\mathbf{g}$ be all gradients, written one after another as a single vector. **Gradient clipping** scales them down together whenever its norm exceeds a threshold $\theta$; the direction stays:
#
# $$\mathbf{g} \leftarrow \min\!\left(1, \frac{\theta}{\lVert \mathbf{g} \rVert}\right) \mathbf{g}.$$

# %% [markdown] lang="zh" id="clip-text"
# ## 第二个问题：步子太大
#
# 梯度也可能太大；只要有一步迈得太大，之前的训练就前功尽弃。把所有梯度首尾相接，记作一个向量 $\mathbf{g}$。一旦它的范数超过阈值 $\theta$，**梯度裁剪**就把所有梯度按同一比例缩小，方向不变：
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
# Here is all of it: forward, loss, backward, clip, update, detach. It yields what happened after every minibatch, so that we can watch.

# %% [markdown] lang="zh" id="loop-text"
# ## 训练循环
#
# 完整的循环就是：前向传播、算损失、反向传播、裁剪、更新、`detach`。每个小批量之后，它都用 `yield` 交出结果，好让我们观察。

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
# Clipping at work. SGD (stochastic gradient descent) subtracts the gradient times the **learning rate** from the parameters after every minibatch. Here it trains a plain RNN of two layers with learning rate 2, once with $\theta = 0.5$ and once without clipping, from the same initial weights and with the same minibatches.
# Solid is the norm before clipping, dashed after (without clipping, they are one line). **Watch** the first spike, which both networks meet.

# %% [markdown] lang="zh" id="norms-text"
# 看看裁剪如何起作用。随机梯度下降（SGD）在每个小批量之后，从参数中减去梯度与**学习率**的乘积。这里用它训练两层的普通 RNN，学习率为 2；一次取 $\theta = 0.5$，一次不裁剪，初始权重和小批量都相同。
# 实线是裁剪前的范数，虚线是裁剪后的（不裁剪时，两条线重合）。**请盯住**第一个尖峰，两个网络都会遇到它。

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

# %% id="saturated"
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
# Does it take many time steps for that? Here is the control: the same network, but the gradient is cut after `steps_back` time steps, at the least after a single one, so that it *cannot* grow from step to step. **Predict:** of 16 random starts, how many still end worse than blind guessing?

# %% [markdown] lang="zh" id="control-text"
# 这是不是因为时间步太多？做一个对照实验：网络不变，但梯度往回传 `steps_back` 个时间步就切断，最短只传一步，这样它就**不可能**逐步增大。**猜一猜：** 16 个随机初值里，还有几个最后比盲猜更差？

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

# %% id="lost"
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
    rows.append([lr, steps_back, theta or "none", f"{lost} of {len(losses_of)}"])
head = ["learning rate", "steps the gradient goes back", "clipped to"]
utils.table([*head, "worse than blind guessing"], rows)

# %% [markdown] lang="en" id="norms-look"
# Up to the first spike both networks agree. With clipping, the spikes are cut to 0.5 and the perplexity falls. Without, steps along too steep a gradient throw the weights far off: the perplexity ends far above the 28 of blind guessing, and in these six epochs the network does not recover. Its $\tanh$ is **saturated**: nearly all states of the last layer lie close to $-1$ or $1$, where the function is flat.
# The norm stays large all the same, but it is the output layer's: little of it gets through the flat $\tanh$ to the recurrent layers.
#
# And the time steps? Even a gradient that goes back a single step ruins about half of the trainings, and at half the learning rate not even 35 steps ruin one. So it is the **step that is too large**; many time steps make that more frequent, and a smaller learning rate or clipping prevents it.

# %% [markdown] lang="zh" id="norms-look"
# 直到第一个尖峰，两个网络完全一致。有裁剪时，尖峰被压到 0.5，困惑度下降。没有裁剪时，沿着过陡的梯度走几步，权重就被甩得很远：困惑度最终远远高于盲猜的 28，六个迭代周期之内网络没能恢复过来。这时 $\tanh$ 已经**饱和**：最后一层的隐状态几乎全都贴近 $-1$ 或 $1$，函数在那里是平的。
# 梯度的范数依然很大，但那是输出层的：它只有一小部分能穿过变平的 $\tanh$ 传到循环层。
#
# 那么时间步呢？梯度只往回传一步，也会毁掉大约一半的训练；学习率减半之后，传满 35 步也没有毁掉任何一次。可见问题在于**步子太大**；时间步多只是让它更常发生，减小学习率或者裁剪都可以避免。

# %% [markdown] lang="en" id="train-text"
# ## Train it on the book
#
# Now the deep LSTM, two layers of 64 hidden units, with Adam (which, unlike SGD, adapts the step size of every parameter); and beside it `nn.LSTM` **from the same initial weights, with the same minibatches**. One thing must be put right first: PyTorch's second bias is a parameter that learns as well, so the sum of both would move twice as fast as
# our single one. We set it to zero and freeze it. **Predict:** how far apart will the curves be after 25 epochs?

# %% [markdown] lang="zh" id="train-text"
# ## 用这本书来训练
#
# 现在轮到深度 LSTM：两层，每层 64 个隐藏单元，用 Adam 训练（与 SGD 不同，它为每个参数调整步长）；旁边是 `nn.LSTM`，**初始权重相同，小批量也相同**。有一点必须先处理：PyTorch 的第二个偏置也是会学习的参数，两个偏置之和的变化速度会是我们那一个的两倍。
# 所以把它设为零并冻结。**猜一猜：** 25 个迭代周期以后，两者的曲线会相差多少？

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
# The curves of both lie on each other, solid as well as dashed; only the speed differs. What has been learnt in 25 epochs? Let both go on from the words `time traveller`, each time with the likeliest character:

# %% [markdown] lang="zh" id="write-text"
# 两者的曲线完全重合，实线、虚线都是如此；不同的只有速度。25 个迭代周期学到了什么？让两个网络从 `time traveller` 接着往下写，每次都取概率最大的字符：

# %% id="write"
for name, trained in (("from scratch", ours), ("nn.LSTM", theirs)):
    print(f"{name:<13}", utils.generate(trained, corpus.vocab, "time traveller", 60))

# %% [markdown] lang="en" id="write-look"
# Both write the same, and these are words of English. But with the likeliest character every time they soon run in a circle; [lesson 3](03_concise_lstm.ipynb) lets chance choose.

# %% [markdown] lang="zh" id="write-look"
# 两个网络写得一样，而且写的是英语单词。只是每次都取概率最大的字符，很快就在原地打转；[第 3 课](03_concise_lstm.ipynb)会按概率随机挑选字符。

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
# **5.** Two minibatches of 15 steps in a row, as in `reach`; but the loss is taken at step 10 of the second. How many of the 30 inputs get a gradient that is not zero, with `detach` and without? Give a tuple of two numbers.

# %% [markdown] lang="zh" id="exercise-5-text"
# **5.** 像 `reach` 那样连续运行两个 15 步的小批量，但只取第二个小批量第 10 步的损失。用 `detach` 和不用 `detach` 时，30 个输入中分别有几个的梯度不为零？请写成含两个数的元组。

# %% id="exercise-5"
answer_5 = None
utils.check("2.5", answer_5)

# %% tags=["solution"] id="solution-5"
solution_5 = (10, 10 + 15)

# %% [markdown] lang="en" id="summary"
# ## What we saw
#
# - A stack is a loop over layers around a loop over time around a cell. RNN, GRU and LSTM differ in the cell only.
# - The inputs' product needs no state, so it is hoisted out of the loop over time: same numbers, and faster, above all for small minibatches.
# - Outputs, final states and all gradients equal those of `nn.RNN`, `nn.GRU` and `nn.LSTM`, in double precision to $10^{-10}$.
# - The state's value goes from minibatch to minibatch; `detach` keeps the gradient from following it back. Clipping keeps a single step from ruining everything.
# - From the same weights, our LSTM and PyTorch's learn along the same curve.
#
# {{next}}

# %% [markdown] lang="zh" id="summary"
# ## 小结
#
# - 整个网络就是对层的循环套着对时间的循环，最里面是单元。RNN、GRU 和 LSTM 只有单元不同。
# - 输入的乘积不需要隐状态，所以可以提到时间循环之外：结果相同，速度更快，小批量较小时尤其明显。
# - 输出、最终状态和所有梯度都与 `nn.RNN`、`nn.GRU`、`nn.LSTM` 一致，双精度下相差不到 $10^{-10}$。
# - 状态的值从一个小批量传到下一个；`detach` 不让梯度沿原路传回去。裁剪则避免一步走错、满盘皆输。
# - 从同样的权重出发，我们的 LSTM 与 PyTorch 的 LSTM 沿同一条曲线学习。
#
# {{next}}
