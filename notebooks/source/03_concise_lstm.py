# %% [markdown] lang="en" id="title"
# # 3 · A deep LSTM in a few lines
#
# **The question of this lesson.** [Lesson 2](02_stacked_from_scratch.ipynb) built a stack of recurrent layers by hand; PyTorch
# stacks them with one argument, `num_layers`. Trained on *The Time Machine*, such a network reaches a perplexity of 1, the best
# there is, as if it knew every next character in advance. Has it learnt English?
#
# **You need:** what a hidden state is, the equation of an RNN layer, and what an LSTM's gates are for (lessons 1 and 2). **To read:** about {{minutes 03_concise_lstm}} minutes. **Run time:** less than a minute on a laptop
# without a GPU. Nothing is downloaded.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 3 · 深度 LSTM 的简洁实现
#
# **本课的问题。** [第 2 课](02_stacked_from_scratch.ipynb)亲手堆叠了循环层；在 PyTorch 中，这只需要一个参数 `num_layers`。用《时间机器》训练这样的网络，困惑度可以降到 1，
# 也就是可能的最小值，仿佛它对每个字符都未卜先知。那么，它学会英语了吗？
#
# **预备知识：** 隐状态的含义、单层循环神经网络的公式、LSTM 的门的作用（第 1、2 课）。**阅读时间：** 约 {{minutes 03_concise_lstm}} 分钟。**运行时间：** 在没有 GPU 的笔记本电脑上不到一分钟。无需下载任何数据。
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

# %% [markdown] lang="en" id="data"
# ## The text
#
# `load_data_time_machine` cuts the first 10,000 characters of the book into minibatches of `batch_size` = 32 sequences,
# `num_steps` = 35 characters each. The vocabulary has 28 **tokens**, the units that the network reads, here single characters: 26 letters, the space, and `<unk>` for anything unknown.

# %% [markdown] lang="zh" id="data"
# ## 文本数据
#
# `load_data_time_machine` 取全书的前 10,000 个字符，切成小批量：每批 `batch_size` = 32 个序列，每个序列 `num_steps` = 35 个字符。
# 词表共有 28 个**词元**，即网络读写的基本单位，这里就是单个字符：26 个字母、空格，以及代表未知字符的 `<unk>`。

# %% id="load-data"
import torch
from torch import nn
from d2l import torch as d2l

batch_size, num_steps = 32, 35
train_iter, vocab = d2l.load_data_time_machine(batch_size, num_steps)

# %% id="look-at-data"
utils.seed_everything(0)
X, Y = next(iter(train_iter))  # (n, T), (n, T)
print(X.shape, Y.shape, len(vocab))
for row in range(2):
    print("X:", "".join(vocab.to_tokens(X[row].tolist())))
    print("Y:", "".join(vocab.to_tokens(Y[row].tolist())))
assert torch.equal(X[:, 1:], Y[:, :-1])  # Y is X, one step later

# %% [markdown] lang="en" id="task"
# So the task is: **at every position, predict the next character.** (Words run together where a line of the book ends: *Dive into Deep Learning*, D2L for short, joins lines without a space.)

# %% [markdown] lang="zh" id="task"
# 任务就是：**在每个位置上预测下一个字符。**（书中换行处的单词会连在一起，因为《动手学深度学习》（D2L）拼接各行时不加空格；为了便于比较数值，我们原样保留。）

# %% [markdown] lang="en" id="try-first"
# ## Try it first
#
# Here is a network for this task, before a word about how it works. Press **{{label train}}**: it reads the 10,000 characters again and again, and below the plot stands what it writes now, beginning with `time traveller`. **Predict** before you press: which English word of more than one letter will it write first?
#
# The plot shows its perplexity, that is, among how many characters it might as well guess blindly: the solid line for the text that it reads, the dashed line for 5,000 characters that it never trains on. Why the two part is the story of this lesson. The controls come back in *The playground*, when you know what each of them does.
#
# <details><summary>Which word?</summary><code>the</code>, <code>and</code> or <code>an</code>: from each of seven random starts <code>the</code> or <code>and</code> stood there after one to three readings of the text, and <code>time traveller</code> once more after nine to twelve. No word is commoner in this text than <code>the</code>, few are commoner than <code>and</code>.</details>

# %% [markdown] lang="zh" id="try-first"
# ## 先玩一玩
#
# 这里就有一个做这项任务的网络，先不讲它的原理。按下 **{{label train}}**，它就一遍又一遍地读那 10,000 个字符；图的下方是它此刻从 `time traveller` 接着写出的文字。先**猜一猜**，再按：除了单个字母，它最先写出的英语单词会是哪一个？
#
# 图上画的是困惑度，困惑度为 $k$，相当于每一步都在 $k$ 个等可能的字符里盲猜：实线是它读的文本，虚线是另外 5,000 个字符，从不用来训练它。两条线为什么会分开，正是本课要讲的故事。等你弄懂了每个控件的作用，后面的“游乐场”一节还会用到它们。
#
# <details><summary>哪个单词？</summary><code>the</code>、<code>and</code> 或 <code>an</code>：七个随机起点，每次都是读一到三遍之后就出现 <code>the</code> 或 <code>and</code>；读九到十二遍之后，又写出了 <code>time traveller</code>。在这段文本里，没有哪个单词比 <code>the</code> 更常见，比 <code>and</code> 更常见的也没几个。</details>

# %% tags=["hide-input"] id="show-playground"
from book.playground import Playground

playground = Playground()
playground.show()

# %% [markdown] lang="en" id="model"
# ## The model
#
# With minibatches of $n$ sequences, $d$ inputs, $h$ hidden units and $q$ outputs, write $\mathbf{X}_t \in \mathbb{R}^{n \times d}$ for the inputs at time step $t$ and set $\mathbf{H}_t^{(0)} = \mathbf{X}_t$.
# Layer $l = 1, \ldots, L$ takes the layer below at this time step, and itself at the time step before, and applies an activation function $\phi_l$ to the sum:

# %% [markdown] lang="zh" id="model"
# ## 模型
#
# 设小批量有 $n$ 个序列，输入数为 $d$，隐藏单元数为 $h$，输出数为 $q$；时间步 $t$ 的输入记作 $\mathbf{X}_t \in \mathbb{R}^{n \times d}$，并令 $\mathbf{H}_t^{(0)} = \mathbf{X}_t$。
# 第 $l = 1, \ldots, L$ 层的隐状态由两部分算出：第 $l-1$ 层在当前时间步的隐状态，以及第 $l$ 层自身在上一个时间步的隐状态；两部分相加，再经过激活函数 $\phi_l$：

# %% [markdown] id="equation"
# $$\mathbf{H}_t^{(l)} = \phi_l\!\left(\mathbf{H}_t^{(l-1)} \mathbf{W}_{xh}^{(l)} + \mathbf{H}_{t-1}^{(l)} \mathbf{W}_{hh}^{(l)} + \mathbf{b}_h^{(l)}\right),
# \qquad \mathbf{O}_t = \mathbf{H}_t^{(L)} \mathbf{W}_{hq} + \mathbf{b}_q .$$

# %% [markdown] lang="en" id="shapes"
# | | shape |
# |---|---|
# | $\mathbf{W}_{xh}^{(l)}$ | $d \times h$ for $l = 1$, but $h \times h$ for $l > 1$: only the first layer sees the input |
# | $\mathbf{W}_{hh}^{(l)}$ | $h \times h$ |
# | $\mathbf{W}_{hq}$ | $h \times q$; the output layer reads the **last** layer, $L$ |
#
# An LSTM computes four such sums per layer instead of one, for its three gates and its candidate memory cell, and carries a memory
# cell $\mathbf{C}_t^{(l)}$ beside $\mathbf{H}_t^{(l)}$. Stacking works in the same way, so `nn.LSTM` needs only to be told how many layers:

# %% [markdown] lang="zh" id="shapes"
# | | 形状 |
# |---|---|
# | $\mathbf{W}_{xh}^{(l)}$ | $l = 1$ 时为 $d \times h$，$l > 1$ 时为 $h \times h$：只有第一层直接看到输入 |
# | $\mathbf{W}_{hh}^{(l)}$ | $h \times h$ |
# | $\mathbf{W}_{hq}$ | $h \times q$；输出层只读取**最后**一层，即第 $L$ 层 |
#
# LSTM 的每一层要算四个这样的和（三个门和一个候选记忆元），并在 $\mathbf{H}_t^{(l)}$ 之外传递记忆元 $\mathbf{C}_t^{(l)}$。
# 堆叠的方式完全相同，所以只需告诉 `nn.LSTM` 有几层：

# %% id="build-model"
vocab_size, num_hiddens, num_layers = len(vocab), 256, 2
num_inputs = vocab_size
device = d2l.try_gpu()
lstm_layer = nn.LSTM(num_inputs, num_hiddens, num_layers)
model = d2l.RNNModel(lstm_layer, len(vocab))
model = model.to(device)

# %% [markdown] lang="en" id="count"
# **Predict** before you run the next cell: which has more parameters, layer 1 or layer 2?
#
# PyTorch keeps two bias vectors where the equation has one (a habit of cuDNN, NVIDIA's library), so with the four sums layer $l$ has
# $4h(\mathrm{in} + h + 2)$ parameters, where $\mathrm{in}$ is the number of that layer's inputs.

# %% [markdown] lang="zh" id="count"
# 运行下一个单元格之前，请先**猜一猜**：第 1 层和第 2 层，哪一层的参数更多？
#
# 公式里只有一个偏置向量，而 PyTorch 保存了两个（沿用英伟达的计算库 cuDNN 的惯例）；四个和各有一套参数，所以第 $l$ 层共有 $4h(\mathrm{in} + h + 2)$ 个参数，其中 $\mathrm{in}$ 是该层的输入数。

# %% id="count-parameters"
d, h, q = num_inputs, num_hiddens, vocab_size
by_formula = {"layer 1": 4 * h * (d + h + 2), "layer 2": 4 * h * (h + h + 2)}
by_formula["output layer"] = h * q + q
print(by_formula, "together", sum(by_formula.values()))
assert sum(by_formula.values()) == sum(p.numel() for p in model.parameters())

# %% [markdown] lang="en" id="forward"
# Layer 2 it is: it reads the 256 states of layer 1, and layer 1 only 28 inputs. Now the same in shapes. `RNNModel` turns characters into one-hot vectors (28 numbers: a 1 in the character's place, 0 elsewhere), runs the layers, and applies the output layer to
# all time steps at once; `nn.LSTM` puts time first.

# %% [markdown] lang="zh" id="forward"
# 答案是第 2 层：它读取第 1 层的 256 个隐状态，而第 1 层只读取 28 个输入。再看形状。`RNNModel` 先把字符变成独热向量（28 个数，该字符的位置是 1，其余都是 0），然后逐层计算，最后由输出层一次算出所有时间步的输出；在 `nn.LSTM` 中，时间是第一个维度。

# %% id="forward-shapes"
state = model.begin_state(batch_size=batch_size, device=device)
O, (H, C) = model(X.to(device), state)
print("O", tuple(O.shape))  # (T * n, q)
print("H", tuple(H.shape), " C", tuple(C.shape))  # (L, n, h): one state per layer
assert O.shape == (num_steps * batch_size, q) and H.shape == C.shape == (num_layers, batch_size, h)

# %% [markdown] lang="en" id="perplexity"
# ## Training and prediction
#
# Which probability did the network give to the character that really came next? $-\ln$ of it is the cross-entropy of this character, and **perplexity** is $\exp$ of the average over all characters,
#
# $$\exp\!\Big(-\frac{1}{T}\sum_{t=1}^{T} \ln P(x_{t+1} \mid x_1, \ldots, x_t)\Big),$$
#
# roughly: among so many characters it might as well guess blindly. Guessing among all 28 tokens gives 28; being sure, and right, every time gives 1; being sure and wrong has no upper limit.
#
# D2L trains for 500 epochs (passes through the text) by stochastic gradient descent (SGD) with learning rate 2. That takes minutes, so the cell below does it only where there is a GPU, or if you start Jupyter with `FULL=1`; otherwise it loads a run **recorded** earlier with this very code.

# %% [markdown] lang="zh" id="perplexity"
# ## 训练与预测
#
# 网络给真正出现的下一个字符多大的概率？对这个概率取 $-\ln$，就是这个字符的交叉熵；对所有字符取平均，再取 $\exp$，就是**困惑度**：
#
# $$\exp\!\Big(-\frac{1}{T}\sum_{t=1}^{T} \ln P(x_{t+1} \mid x_1, \ldots, x_t)\Big),$$
#
# 困惑度为 $k$，相当于每一步都在 $k$ 个等可能的字符里盲猜。在全部 28 个词元中盲猜，困惑度为 28；每次都确信无疑而且猜对，困惑度为 1。确信却猜错，困惑度没有上限。
#
# D2L 用随机梯度下降（SGD）训练 500 个迭代周期（每个周期把文本读完一遍），学习率为 2。这在笔记本电脑上要花几分钟，所以只有在有 GPU，或启动 Jupyter 时设置了 `FULL=1` 的情况下，下面的单元格才会真正训练；否则就载入事先用同一段代码训练并**保存**下来的记录。

# %% id="train-notes"
corpus = utils.load_corpus()  # the same 10,000 characters, and the 5,000 after them
num_epochs, lr = 500, 2
if utils.FULL:
    torch.manual_seed(0)  # the first weights once more, should you run this cell again
    model = d2l.RNNModel(nn.LSTM(num_inputs, num_hiddens, num_layers), len(vocab)).to(device)
    with utils.recording("deep_lstm", corpus.held_out) as run:
        d2l.train_ch8(model, train_iter, vocab, lr * 1.0, num_epochs, device)
else:
    run = utils.load_run("deep_lstm")
print(run)

# %% tags=["hide-input"] id="plot-notes"
plot = utils.LivePlot(num_epochs, title=run.about["origin"], lines=("training", ""))
plot.follow([r._replace(held_out=None) for r in run.records], f"LSTM 2 x 256\nSGD, lr {lr}");

# %% [markdown] lang="en" id="plateau"
# For dozens of epochs nothing seems to happen: the perplexity stays on a plateau below 20, where the *frequencies of the letters* alone bring it
# (exercise 2 computes that number). Then the network finds words, and the curve falls faster and faster; from about epoch 250 on it lies close to 1.
#
# And what does it write? The two lines printed above the plot are its own: it went on from `time traveller` and from `traveller`, each time with the likeliest character. Let us look for them in the training text.

# %% [markdown] lang="zh" id="plateau"
# 开头的几十个迭代周期里似乎什么也没有发生：困惑度进入平台期，停在 20 以下，这是只靠**字符频率**就能达到的水平（练习 2 会算出这个数）。随后网络逐渐学会单词，曲线越降越快，大约从第 250 个迭代周期起贴近 1。
#
# 那么它写了些什么？图的上方打印的两行文字就是它写的：分别从 `time traveller` 和 `traveller` 接着写下去，每次都取概率最大的字符。我们在训练文本里找一找。

# %% id="copied"
def longest_copy(line, book):
    """The longest piece of a line that stands in a book."""
    pieces = [line[i:j] for i in range(len(line)) for j in range(i, len(line) + 1)]
    return max((piece for piece in pieces if piece in book), key=len)

for line in run.generated:
    longest = longest_copy(line, "".join(vocab.to_tokens(corpus.train.tolist())))
    share = f"{len(longest)} of {len(line)} characters"
    print(f"{share} stand in the book in one piece: {longest!r}")

# %% [markdown] lang="en" id="memory-or-language"
# ## Memory or language?
#
# Both lines stand in the book, every letter of them: the network recites. So the perplexity of 1 was measured on a text that it has read 500 times. `corpus.held_out` holds the 5,000
# characters that follow in the book, which it never trains on: the held-out text, also called **validation set**. **Predict** its perplexity there, a slider for each of five epochs.

# %% [markdown] lang="zh" id="memory-or-language"
# ## 记住了原文，还是学会了语言？
#
# 这两行都一字不差地出现在书中：网络是在背诵原文。也就是说，困惑度 1 是在它读过 500 遍的文本上测得的。`corpus.held_out` 是书中紧接着的 5,000 个字符，从不用来训练：这就是留出（held-out）文本，也叫**验证集**。
# **猜一猜**那里的困惑度曲线：五个迭代周期，各有一个滑块。

# %% tags=["hide-input"] id="plot-held-out"
# the recorded run's held-out perplexity, behind a guess
def draw_held_out():
    """Draw the training and the held-out perplexity over epochs."""
    fig, ax = utils.new_figure(7, 2.6, place=(0.1, 0.19, 0.88, 0.78))
    epochs, trained, held_out = ([r[i] for r in run.records] for i in range(3))
    ax.semilogy(epochs, trained, color=utils.BLUE, label="training")
    ax.semilogy(epochs, held_out, "--", color=utils.BLUE, label="held-out")
    ax.axhline(vocab_size, color="0.4", linewidth=0.8, linestyle=":", label="blind guessing")
    ax.set(xlabel="epoch", ylabel="perplexity", ylim=(0.9, 200))
    ax.legend(frameon=False, ncols=3, loc="upper left")
    return fig

low, last = utils.best(run.records), run.records[-1]
said = "Epoch {0.epoch}: training {0.perplexity:.2f}, held-out {0.held_out:.2f}"
utils.guess(
    "held-out perplexity while it trains for 500 epochs",
    ([r.epoch for r in run.records], [r.held_out for r in run.records]),
    at=(1, 100, 200, 300, 500), between=(1, 100), log=True, labels=("epoch", "perplexity"),
    because=f"{said.format(low)}, the lowest. {said.format(last)}.", show=draw_held_out,
)

# %% [markdown] lang="en" id="memory"
# The dashed curve falls while the network learns what English has in general, such as common letters and short words. From its lowest point on it rises, in the end above blind guessing: what the network goes on learning is *these* 10,000 characters, and more than 800,000 parameters can hold them by heart: **overfitting**.
# Has it unlearnt its English? Or become too sure of itself, since being sure and wrong has no upper limit? *Temperature*, below, finds out.
#
# From here on **a training perplexity counts only together with the held-out one**.
#
# <details><summary>They are measured a little differently</summary>The training perplexity while the network trains, with the state carried along; the held-out one after each epoch, in windows of 35 characters that each start from a zero state.</details>

# %% [markdown] lang="zh" id="memory"
# 虚线先下降：这时网络学到的是英语的一般规律，比如常见字母和短单词。过了最低点，虚线掉头向上，最后比盲猜还高：网络继续学到的，只是**这** 10,000 个字符；80 多万个参数，背下原文绰绰有余。这就是**过拟合**（overfitting）。
# 它把英语忘了吗？还是变得过于自信（确信却猜错，困惑度没有上限）？后面的“温度”一节会弄清楚。
#
# 从这里起，**只看训练困惑度不算数，要与留出困惑度一起看**。
#
# <details><summary>两者的测法略有不同</summary>训练困惑度在训练过程中测得，状态在小批量之间传递；留出困惑度在每个迭代周期之后测得，文本切成 35 个字符的窗口，每个窗口都从零状态开始。</details>

# %% [markdown] lang="en" id="fast"
# ## The same, much faster
#
# Same network, same text, same minibatches: what holds D2L's run up for so long? Two suspects.
#
# **Characters that whisper.** PyTorch draws all weights from $U(-1/\sqrt{h}, 1/\sqrt{h})$, the uniform distribution between these bounds, here $-1/16$ and $1/16$. A sum of $h$ terms is then about $1/\sqrt{3} \approx 0.6$ in size; but a one-hot input picks a *single* number out of $\mathbf{W}_{xh}^{(1)}$, about $1/\sqrt{3h} \approx 0.04$. So before training it makes hardly any difference which character was read.
# `utils.enlarge_weights` draws two matrices anew, $\mathbf{W}_{xh}^{(1)}$ from $U(-2, 2)$ and $\mathbf{W}_{hq}$ from $U(-1/2, 1/2)$.
#
# **Small steps.** The gradients of many weights are tiny, and SGD takes steps in proportion. **Adam** adapts the step size of every parameter.
#
# **Predict:** the network reads one character, any of the 28. Before training, by how much can its $P(\text{next})$ differ from one character read to another? And with enlarged weights?

# %% [markdown] lang="zh" id="fast"
# ## 更快地得到同样的结果
#
# 网络、文本、小批量都不变：D2L 的训练为什么那么久？嫌疑有两个。
#
# **输入信号太弱。** PyTorch 从均匀分布 $U(-1/\sqrt{h}, 1/\sqrt{h})$ 中抽取所有权重，这里就是在 $-1/16$ 和 $1/16$ 之间等可能地取值。这样，$h$ 项之和约为 $1/\sqrt{3} \approx 0.6$；而独热输入只从 $\mathbf{W}_{xh}^{(1)}$ 里挑出**一个**数，约为 $1/\sqrt{3h} \approx 0.04$。所以训练之前，读到哪个字符几乎没有差别。
# `utils.enlarge_weights` 重新抽取两个矩阵：$\mathbf{W}_{xh}^{(1)}$ 取自 $U(-2, 2)$，$\mathbf{W}_{hq}$ 取自 $U(-1/2, 1/2)$。
#
# **步子太小。** 许多权重的梯度很小，而 SGD 的步长与梯度成正比。**Adam** 为每个参数分别调整步长。
#
# **猜一猜：** 网络读入一个字符，28 种之一。训练之前，读入的字符不同，$P(\text{下一个})$ 最多能相差多少？权重放大之后呢？

# %% id="whisper"
def build_deep_lstm(enlarged, seed=0):
    """The network from above with PyTorch's first weights, or with two matrices enlarged."""
    utils.seed_everything(seed)
    model = d2l.RNNModel(nn.LSTM(num_inputs, num_hiddens, num_layers), vocab_size)
    return (utils.enlarge_weights(model) if enlarged else model).to(device)

every_character = torch.arange(vocab_size, device=device).reshape(-1, 1)  # (n, T) = (q, 1)
for enlarged in (False, True):
    untrained = build_deep_lstm(enlarged)
    zeros = untrained.begin_state(batch_size=vocab_size, device=device)
    with torch.no_grad():
        O, _ = untrained(every_character, zeros)
    P = torch.softmax(O, dim=1)  # (q, q), one row for each character read
    difference = (P.max(dim=0).values - P.min(dim=0).values).max()
    print(f"enlarged={enlarged!s:<6} P(next) differs by at most {difference:.5f}")

# %% [markdown] lang="en" id="fast-race"
# More than a hundredfold, before the first step of training. Now the weights first, with D2L's own SGD; then Adam as well. `utils.fit` is D2L's training loop, one record per epoch (you wrote it yourself in lesson 2).
# **Predict:** will there still be a plateau? And say aloud, watching the dashed curves, when you would stop.

# %% [markdown] lang="zh" id="fast-race"
# 训练还没开始，差别已经放大了一百多倍。现在先放大权重，仍用 D2L 的 SGD；再换成 Adam。`utils.fit` 就是 D2L 的训练循环，每个迭代周期交出一条记录（第 2 课里亲手写过）。
# **猜一猜：** 还会有平台期吗？训练时请盯住虚线，觉得该停的时候就说一声“停”。

# %% id="train-fast"
def training(model, recipe, seed=0):
    """Records of the model's training on the 10,000 characters, one per epoch."""
    options = {"lr": recipe.lr, "optimizer": recipe.optimizer, "num_epochs": 20}
    batches = utils.Batches(corpus.train, seed=seed)
    return utils.fit(model, batches, held_out=corpus.held_out, **options)

d2l_recipe, fast_recipe = utils.RECIPES["D2L"], utils.RECIPES["fast"]  # SGD and Adam
sgd, fast = build_deep_lstm(enlarged=True), build_deep_lstm(enlarged=True)
trainings = {
    f"SGD, lr {d2l_recipe.lr:g}\nenlarged weights": training(sgd, d2l_recipe),
    f"Adam, lr {fast_recipe.lr:g}\nenlarged weights": training(fast, fast_recipe),
}
race = utils.LivePlot(20).race(trainings)

# %% tags=["hide-input"] id="compare-recipes"
# when each recipe gets there, in epochs: one costs the same in all three, same network, same text
sgd_records, records = race.values()

def reaches(records, perplexity):
    """The first epoch whose training perplexity is so low."""
    return next((r.epoch for r in records if r.perplexity <= perplexity), "-")

by_recipe = {f"SGD ({run.about['origin']})": run.records}
by_recipe |= {"SGD, enlarged weights": sgd_records, "Adam, enlarged weights": records}
rows = []
for name, rs in by_recipe.items():
    best = utils.best(rs)
    rows.append([name, reaches(rs, 1.1), f"{best.held_out:.2f}", best.epoch])
utils.table(["recipe", "training 1.1 at epoch", "held-out, best", "at epoch"], rows)

# %% [markdown] lang="en" id="fast-lesson"
# The plateau is gone, with the same SGD: it had nothing to do with language, the characters were not heard. Adam does the rest (SGD with enlarged weights is still on its way: a dash). The story is the same, told faster; an epoch takes as long in each row. (`python -m benchmarks recipes` measures seconds.)
#
# But each curve is one random start, and two matrices were changed at once. The control, recorded: either matrix, both or neither enlarged, five random starts each. **Predict:** which of the two does more?

# %% [markdown] lang="zh" id="fast-lesson"
# 还是同样的 SGD，平台期却消失了：它与语言无关，只是输入信号太弱，网络“听不清”读到的是哪个字符。剩下的就交给 Adam（放大权重的 SGD 还在路上，表中记作短横）。结局没有变，只是来得更快；三行中，一个迭代周期的用时相同。（运行 `python -m benchmarks recipes` 可以实测秒数。）
#
# 不过，每条曲线只是一个随机起点，而且一次改了两个矩阵。来看对照实验的记录：两个矩阵各自放大、同时放大或都不放大，各取五个随机起点。**猜一猜：** 哪个矩阵的作用更大？

# %% id="starts"
def from_start(recipe, W_xh, W_hq, seed):
    """Its arguments, the training perplexity at the end and the lowest held-out one.

    recipe: "D2L" or "fast"; W_xh, W_hq: whether this matrix is enlarged.
    """
    model = build_deep_lstm(enlarged=False, seed=seed)
    if W_xh:
        nn.init.uniform_(model.rnn.weight_ih_l0, -2, 2)  # layer 1
    if W_hq:
        nn.init.uniform_(model.linear.weight, -0.5, 0.5)
    rs = list(training(model, utils.RECIPES[recipe], seed))
    ends = rs[-1].perplexity, utils.best(rs).held_out
    return recipe, W_xh, W_hq, seed, *(round(perplexity, 4) for perplexity in ends)

changes = {"neither": (0, 0), "W_hq": (0, 1), "W_xh": (1, 0), "W_xh + W_hq": (1, 1)}
points = [(r, *c, seed) for r in ("D2L", "fast") for c in changes.values() for seed in range(5)]
start_rows, about = utils.recorded("starts", lambda: [from_start(*point) for point in points])

# %% tags=["hide-input"] id="starts-guess"
# training perplexity at the end, behind a guess
def of_starts(recipe, column):
    """{what was enlarged: the numbers in this column, one for each random start}"""
    rows = [row for row in start_rows if row[0] == recipe]
    return {what: [r[column] for r in rows if tuple(r[1:3]) == c] for what, c in changes.items()}

def draw_starts():
    """A dot for each training."""
    ends = {f"SGD, {what}": values for what, values in of_starts("D2L", 4).items()}
    ends |= {f"Adam, {what}": values for what, values in of_starts("fast", 4).items()}
    return utils.draw_spread(ends, f"training perplexity after 20 epochs ({about['origin']})")

utils.guess(
    "which matrix does more for the training perplexity after 20 epochs?",
    "W_xh, which reads the characters",
    choices=("W_xh, which reads the characters", "W_hq, the output layer's", "not told apart"),
    because="With either optimizer, even its worst start is ahead of the other's best.",
    show=draw_starts,
)

# %% tags=["hide-input"] id="rank-starts"
# which of them are told apart on new text
print(f"{about['origin']}: {len(start_rows)} trainings of 20 epochs. Lowest held-out, with Adam:")
utils.ranking(of_starts("fast", 5))

# %% [markdown] lang="en" id="starts-look"
# Either matrix helps on the training text, and both help most. Adam needs that, too: in 20 epochs it comes down to about 4 with neither and to 1.1 with both. On new text it gains as well: held-out, at best, 6.4 to 6.7 with $\mathbf{W}_{xh}^{(1)}$ enlarged, above 7 without; the output layer alone does harm there.
#
# Yet the better start learns by heart all the same: stop at the lowest point (**early stopping**).

# %% [markdown] lang="zh" id="starts-look"
# 在训练文本上，两个矩阵各有帮助，同时放大最好。Adam 也需要这一点：20 个迭代周期之后，都不放大时约为 4，两者都放大则为 1.1。在新文本上同样有好处：放大 $\mathbf{W}_{xh}^{(1)}$，最好的留出困惑度为 6.4 到 6.7；不放大则在 7 以上；只放大输出层反而有害。
#
# 不过，起点再好，网络照样死记硬背：应当停在最低处，即**提前停止**（early stopping）。

# %% [markdown] lang="en" id="temperature"
# ## Temperature
#
# The scores $\mathbf{o} \in \mathbb{R}^q$ that the network gives to the characters are called **logits**; softmax turns them into probabilities. So far we took the likeliest character each time. To *sample* instead, that is, to draw one at random with these probabilities, divide by a
# **temperature** $\tau > 0$ first:
#
# $$P(x_{t+1} = i) = \operatorname{softmax}(\mathbf{o} / \tau)_i .$$
#
# $\tau \to 0$ is the greedy choice (always the likeliest), $\tau = 1$ is the network's own distribution, and $\tau \to \infty$ is blind guessing.
# **Predict:** what will the text look like at $\tau = 2$?

# %% [markdown] lang="zh" id="temperature"
# ## 温度
#
# 网络给各个字符打的分数 $\mathbf{o} \in \mathbb{R}^q$ 叫作 **logit**（未规范化的预测），softmax 把它变成概率。到目前为止，我们每次都取概率最大的字符。如果改为**采样**，即按概率随机抽取，就先把 $\mathbf{o}$ 除以**温度** $\tau > 0$：
#
# $$P(x_{t+1} = i) = \operatorname{softmax}(\mathbf{o} / \tau)_i .$$
#
# $\tau \to 0$ 就是贪心选择（总取概率最大的），$\tau = 1$ 是网络自己的分布，$\tau \to \infty$ 则是盲猜。**猜一猜：** $\tau = 2$ 时写出的文字会是什么样子？

# %% id="temperature-lines"
generator = torch.Generator().manual_seed(0)
for tau in (0, 0.5, 1, 2):
    line = utils.generate(fast, vocab, "time traveller", 60, temperature=tau, generator=generator)
    print(f"tau = {tau:<4}", line)

# %% tags=["hide-input"] id="draw-temperature"
def draw_next(prefix, tau):
    """Draw P(next character | prefix) at temperature tau as bars."""
    utils.generate(fast, vocab, prefix, 0)  # says what is wrong with a prefix that cannot be read
    inputs = torch.tensor([vocab[list(prefix)]], device=device)  # (1, T)
    with torch.no_grad():
        O, _ = fast(inputs, fast.begin_state(batch_size=1, device=device))  # (T, q)
    P = torch.softmax(O[-1].cpu() / tau, dim=0)  # (q,)
    letters = ["␣" if c == " " else c for c in vocab.idx_to_token[1:]]  # <unk> left out
    fig, ax = utils.draw_bars(letters, {"P": P[1:]})
    ax.set(ylabel="P", ylim=(0, 1), title=f"P( next | {prefix!r} ),  τ = {tau:g}")
    ax.set_xlabel("next character", labelpad=18)
    return fig

draw_next("the time trav", 1.0)

# %% [markdown] lang="en" id="temperature-widget"
# At low temperatures the network recites the book; at $\tau = 2$ words fall apart. The bars show one step. Now with a slider, and a prefix of your own: one that the book decides (`the medical`), one that it leaves open (`the `). **Predict:** can $\tau$ make another bar the highest?
#
# <details><summary>Can it?</summary>No: dividing all scores by one number leaves their order as it is. At τ = 1 the space has nearly everything after <code>the medical</code>, and several letters share it after <code>the </code>; at τ = 0.1 nearly all lies on one of them.</details>

# %% [markdown] lang="zh" id="temperature-widget"
# 温度低时，网络背诵原文；$\tau = 2$ 时，单词就散了架。条形图画的是其中一步。再换成滑块，前缀也可以自己输入：试一个书中后文唯一确定的（`the medical`），再试一个后文不确定的（`the `）。**猜一猜：** 改变 $\tau$，能让另一根条变成最高的吗？
#
# <details><summary>能吗？</summary>不能：所有分数除以同一个数，大小顺序不变。τ = 1 时，<code>the medical</code> 之后几乎全部概率都在空格上，<code>the </code> 之后则由好几个字母分享；τ = 0.1 时，几乎全部又落在其中一个上。</details>

# %% tags=["hide-input"] id="explore-temperature"
import ipywidgets as widgets

utils.explore(
    draw_next,
    prefix=widgets.Text("the ", description="prefix"),
    tau=widgets.FloatSlider(1.0, min=0.1, max=3, step=0.1, description="tau"),
)

# %% [markdown] lang="en" id="too-sure-text"
# Now the question from *Memory or language?* If the network had unlearnt its English, its likeliest character would be right less often; if it is only too sure, heat should mend that. **Predict**, for five random starts: how often is it right on the held-out text at its best epoch, and how often at the end?

# %% [markdown] lang="zh" id="too-sure-text"
# 现在来回答“记住了原文，还是学会了语言？”一节留下的问题。如果网络忘掉了英语，概率最大的字符就会更少猜中；如果只是过于自信，升温就该能补救。快速训练，五个随机起点，请**猜一猜**：在最好的迭代周期，它在留出文本上猜中多少？到最后呢？

# %% id="too-sure"
def score(model, tau=1):
    """Held-out perplexity with logits / tau, and how often the likeliest guess is right."""
    n = (len(corpus.held_out) - 1) // num_steps
    X, Y = (corpus.held_out[i:][: n * num_steps].reshape(n, num_steps) for i in (0, 1))  # (n, T)
    with torch.no_grad():
        O, _ = model(X.to(device), model.begin_state(batch_size=n, device=device))  # (T * n, q)
    O, Y = O.cpu(), Y.T.flatten()  # (T * n,)
    loss = nn.functional.cross_entropy(O / tau, Y)
    return loss.exp().item(), (O.argmax(dim=1) == Y).double().mean().item()

assert abs(score(fast)[0] / records[-1].held_out - 1) < 1e-3  # at tau = 1, as the race has it

# %% tags=["hide-input"] id="too-sure-table"
# five trainings, recorded
def train_and_score(seed):
    """Perplexity and share right at the best epoch, both at the end, and there with tau = 3."""
    model = build_deep_lstm(enlarged=True, seed=seed)
    scores = [score(model) for _ in training(model, fast_recipe, seed)]
    return *min(scores), *scores[-1], score(model, tau=3)[0]

scores, about = utils.recorded("too_sure", lambda: [train_and_score(seed) for seed in range(5)])
print(about["origin"])
head = ["start", "lowest", "right", "at the end", "right", "at the end, tau = 3"]
formats = "{:.2f}", "{:.1%}", "{:.1f}", "{:.1%}", "{:.2f}"
rows = [[seed, *map(str.format, formats, values)] for seed, values in enumerate(scores)]
utils.table(head, rows)

# %% [markdown] lang="en" id="too-sure-look"
# It is right nearly as often as at its best: with 44 to 46 of 100 characters instead of 45 to 47. Dividing the logits by 3, which changes no guess, takes the perplexity from above 21 to about 7.5, and the lowest had been about 6.6. So most of the rise is over-confidence; little has been unlearnt.

# %% [markdown] lang="zh" id="too-sure-look"
# 它猜中的次数几乎和最好的时候一样多：每 100 个字符猜中 44 到 46 个，最好时是 45 到 47 个。把 logit 除以 3 并不改变任何一次猜测，困惑度却从 21 以上降到约 7.5，而最低点约为 6.6。可见，升高的部分大多来自过于自信，真正忘掉的很少。

# %% [markdown] lang="en" id="listen"
# ## What units listen to
#
# Each layer of `fast` has 256 states. Does one of them *stand* for something: a vowel, the place in a word? Pictures of such units are famous; but among 512, some will follow anything a little. So measure: a unit's score is $|r|$, its correlation with a signal. The unit is chosen on one half of the held-out text and scored on the other.

# %% [markdown] lang="zh" id="listen"
# ## 单元在听什么
#
# `fast` 的每一层都有 256 个状态。其中会不会有一个**代表**着什么：元音，或者在单词中的位置？这类图很有名；可是 512 个单元里，总有几个多少跟着某种信号走。所以要用数来说话：单元的得分是 $|r|$，即它与某个信号的相关系数的绝对值；用留出文本的一半来挑选单元，用另一半来打分。

# %% id="states-of"
def one_hot(X):
    return nn.functional.one_hot(X.T, num_inputs).float()  # (T, n, d) from (n, T)

def states_of(model, X):
    """The states of both layers, (2, T, n, h), while the model reads characters X (n, T)."""
    first = nn.LSTM(num_inputs, num_hiddens).to(device)  # layer 1 alone, with its weights
    below = {name: w for name, w in model.rnn.state_dict().items() if name.endswith("_l0")}
    first.load_state_dict(below)
    with torch.no_grad():
        return torch.stack([first(one_hot(X))[0], model.rnn(one_hot(X))[0]])

def listened(model, X):
    """How much the score of the likeliest next character moves with each input read: (T, n)."""
    inputs = one_hot(X).requires_grad_()  # (T, n, d)
    O = model.linear(model.rnn(inputs)[0][-1])  # (n, q)
    (gradient,) = torch.autograd.grad(O.max(dim=1).values.sum(), inputs)  # (T, n, d)
    return gradient.norm(dim=-1)

# %% tags=["hide-input"] id="signals"
# the held-out text in windows, and three signals to be followed
rows_held = (len(corpus.held_out) - 1) // num_steps
X_held, Y_held = (
    corpus.held_out[i:][: rows_held * num_steps].reshape(rows_held, num_steps).to(device)
    for i in (0, 1)
)  # (n, T) each
space, vowels = vocab[" "], torch.tensor(vocab[list("aeiou")], device=device)
places = torch.arange(num_steps, device=device).expand(rows_held, -1)  # (n, T)
signals = {
    "letters since the space": places - torch.where(X_held == space, places, 0).cummax(1).values,
    "next is a space": Y_held == space,
    "next is a vowel": torch.isin(Y_held, vowels),
}

# %% tags=["hide-input"] id="best-unit"
# for each signal, the unit that follows it best
def best_unit(H, signal):
    """The unit of H (T, n, h) that follows a signal (n, T) best in one half; |r| in the other."""
    unit, half = None, len(signal) // 2  # from the sixth letter on: before, little has been read
    for rows in (slice(half), slice(half, None)):
        values = torch.cat([signal.T[5:, rows, None].float(), H[5:, rows]], dim=-1)
        r = torch.corrcoef(values.flatten(0, 1).T)[0, 1:].nan_to_num().abs()  # (h,)
        unit = int(r.argmax()) if unit is None else unit
    return unit, r[unit].item()

best_units = {}
for name, signal in signals.items():
    best_units[name] = found = [best_unit(H, signal) for H in states_of(fast, X_held)]
    told = (f"layer {l}: unit {u:>3}, |r| = {r:.2f}" for l, (u, r) in enumerate(found, start=1))
    print(f"{name:<23}", *told, sep="   ")

# %% [markdown] lang="en" id="listen-control"
# Every signal has its unit. Now the control: the best of as many units in a network that was **never trained**, and the same for the gradient: which share of what moves a prediction lies ten or more characters back? Five random starts each, recorded. **Predict:** for which signal did training make a better unit?

# %% [markdown] lang="zh" id="listen-control"
# 每种信号都找得到一个单元。再看对照：**从未训练过**的网络里，同样多的单元中最好的那一个；对梯度也如此：影响一次预测的各个输入中，十个字符以前的占多大份额？各取五个随机起点（事先记录的运行）。**猜一猜：** 对哪种信号，训练造就了更好的单元？

# %% tags=["hide-input"] id="unit-control"
# the control: five networks trained, five untrained, recorded
def unit_scores(trained, seed):
    """Its arguments, the best |r| for each signal and layer, and the gradient's share from afar."""
    model = build_deep_lstm(enlarged=True, seed=seed)
    if trained:
        list(training(model, fast_recipe, seed))
    H, norms = states_of(model, X_held), listened(model, X_held)
    scores = [best_unit(H[l], signal)[1] for signal in signals.values() for l in (0, 1)]
    far = (norms[:-10].sum(0) / norms.sum(0)).mean().item()
    return trained, seed, *(round(score, 4) for score in (*scores, far))

def all_scores():
    return [unit_scores(trained, seed) for trained in (1, 0) for seed in range(5)]

unit_rows, unit_about = utils.recorded("units", all_scores)
measured = [f"{name}, layer {l}" for name in signals for l in (1, 2)] + ["share from afar"]

# %% tags=["hide-input"] id="unit-guess"
# what the control says, behind a guess
def of_units(name):
    """{network: the numbers measured, one for each random start}"""
    column, kinds = 2 + measured.index(name), {"trained": 1, "untrained": 0}
    return {kind: [row[column] for row in unit_rows if row[0] == k] for kind, k in kinds.items()}

def unit_table():
    """What was measured, from the lowest to the highest of five random starts."""
    rows = []
    for name in measured:
        rows.append([name, *(f"{min(v):.2f} to {max(v):.2f}" for v in of_units(name).values())])
    return utils.table([unit_about["origin"], "trained", "never trained"], rows)

utils.guess(
    "for which signal did training make a better unit?",
    "next is a vowel",
    choices=tuple(signals),
    because="In layer 2 its best unit is ahead of any unit of a network that was never trained.",
    show=unit_table,
)

# %% tags=["hide-input"] id="rank-units"
# which of them are told apart
for name in measured:
    print(name)
    utils.ranking(of_units(name), lower_is_better=False)

# %% [markdown] lang="en" id="listen-look"
# The prettiest picture proves least: some unit counts the letters of a word *before* training, no worse than after. What training made is a unit of layer 2 that expects a vowel; layer 1 has none. And predictions listen farther: a quarter of the gradient comes from ten letters back or more, against a fiftieth. A network that recites must know where it is.
#
# The text below is coloured by a unit of each layer (orange: towards 1, violet: towards −1). The bottom row shows what the prediction after the marked letter listened to, darker is more. **Try** another unit, another text.

# %% [markdown] lang="zh" id="listen-look"
# 最漂亮的图，证明力最弱：训练**之前**就有单元在数单词里的字母，数得并不比训练之后差。训练真正造就的，是第 2 层里一个预料下一个是元音的单元；第 1 层里没有。预测也听得更远：四分之一的梯度来自十个或更多字符以前，未训练时只有五十分之一。要背诵，就得知道自己背到了哪里。
#
# 下图用每一层的一个单元给文本上色（橙色：接近 1；紫色：接近 −1）。最下一行是被标出的字符之后那次预测听了什么，颜色越深，影响越大。换一个单元、换一段文本**试一试**。

# %% tags=["hide-input"] id="draw-listening"
# the text coloured: by a unit of each layer, and by what a prediction listened to
LONGEST = 56  # letters that fit in a row

def draw_listening(sentence, unit_1, unit_2, position):
    """The text coloured by a unit of each layer; what the next prediction listened to."""
    text = "".join(c for c in sentence.lower() if c in vocab.token_to_idx)[:LONGEST]
    utils.require(text, "sentence", text, "at least one letter of the vocabulary")
    X, t = torch.tensor([vocab[list(text)]], device=device), min(position, len(text))  # (1, T)
    H = states_of(fast, X)[:, :, 0].cpu()  # (2, T, h)
    norms = listened(fast, X[:, :t])[:, 0].cpu()  # (t,)
    fig, ax = utils.new_figure(8.4, 2.2, bare=True)
    ax.set(xlim=(-7.5, LONGEST), ylim=(3.1, -0.1))
    style = {"aspect": "auto", "interpolation": "nearest"}
    chosen_states, box = torch.stack([H[0, :, unit_1], H[1, :, unit_2]]), (0, len(text), 1.9, 0)
    ax.imshow(chosen_states.numpy(), cmap="PuOr_r", vmin=-1.5, vmax=1.5, extent=box, **style)
    share = (norms / norms.max().clamp(min=1e-30))[None]  # (1, t)
    ax.imshow(share.numpy(), cmap="Greys", vmin=0, vmax=1.8, extent=(0, t, 2.85, 2.15), **style)
    names = f"layer 1\nunit {unit_1}", f"layer 2\nunit {unit_2}", "listened to"
    style = {"family": "DejaVu Sans Mono", "fontsize": 15.82, "va": "center"}
    for y, name in zip((0.475, 1.425, 2.5), names):
        ax.text(-7.4, y, name, va="center")
        ax.text(0, y, text.replace(" ", "␣"), **style)  # each letter as wide as its box
    ax.plot([t - 1, t - 1, t, t, t - 1], [2.85, 2.15, 2.15, 2.85, 2.85], color=utils.VERMILION)
    return fig

# %% tags=["hide-input"] id="explore-listening"
unit_1, unit_2 = best_units["letters since the space"][0][0], best_units["next is a vowel"][1][0]
utils.explore(
    draw_listening,
    sentence=widgets.Text("time traveller for so it will be", description="text"),
    unit_1=widgets.IntSlider(unit_1, min=0, max=num_hiddens - 1, description="layer 1"),
    unit_2=widgets.IntSlider(unit_2, min=0, max=num_hiddens - 1, description="layer 2"),
    position=widgets.IntSlider(20, min=1, max=LONGEST, description="position"),
)

# %% [markdown] lang="en" id="playground"
# ## The playground
#
# The controls of *Try it first* once more. Training runs in the background: **{{label stop}}** keeps the model, **{{label reset}}** clears everything. Every run stays in the plot (solid: training, dashed: held-out; the number at a curve's end is its row in the table). The recipe *fast* is Adam with enlarged weights, as above.
#
# **Predict** first; then paste a line into **{{label settings}}**, press **{{label train}}**, wait for its end, and paste the next. The answers' ranges are those of seven random starts, seeds 0 to 6: add `seed=7` to a line, and see whether it stays within.
#
# **1. Deeper, or only larger?** The third network has one wide layer, and no more parameters than the second. Which network reaches a training perplexity of 2 after the fewest epochs (see the plot), which in the fewest seconds (the table has those of all 40), and which has the best held-out value?
#
# ```
# layers=1 hidden_units=128 epochs=40
# layers=2 hidden_units=128 epochs=40
# layers=1 hidden_units=208 epochs=40
# ```
#
# <details><summary>Answer 1</summary>In epochs the wide layer comes first, with 14 or 15; two layers need 16 to 18, the narrow one 25 to 27. Two layers do beat one of their width, but one with as many parameters is sooner still: it was size, not depth. In seconds the lead is gone: on one core, an epoch of either large network took us about twice as long as one of the small. Best held-out value, in the order of the lines: 6.4 to 6.8, 6.5 to 6.8 and 6.4 to 6.7; these runs cannot tell them apart. Whoever reads on learns by heart: after 40 epochs the held-out perplexity is 12 to 14, 22 to 26 and 16 to 19, highest with two layers.</details>
#
# **2. Wider.** Which network learns by heart, which cannot in 40 epochs, and which of the two would you rather give a new text to read?
#
# ```
# layers=1 hidden_units=32 epochs=40
# layers=1 hidden_units=256 epochs=40
# ```
#
# <details><summary>Answer 2</summary>256 units learn by heart: training perplexity 1.0 to 1.1, held-out 17 to 21. With 32 units it is 5.5 to 6.0 and 7.1 to 7.6, and both curves are still falling, so after 40 epochs the small one is much better on new text. But stop the wide one at its best epoch, the sixth or seventh, and it wins with 6.4 to 6.6. Nor is it being small that saves the other: in <code>epochs=240</code> it comes to 7.0 to 7.5 at best, and then its dashed curve turns up as well, to 12 to 15.</details>
#
# **3. Stuck.** D2L's recipe, at three learning rates. At which perplexity does the first line get stuck, where have you met that number, and does the second line help? If it does, why not take `lr=20`?
#
# ```
# layers=2 hidden_units=128 recipe=D2L lr=2 epochs=40
# layers=2 hidden_units=128 recipe=D2L lr=10 epochs=40
# layers=2 hidden_units=128 recipe=D2L lr=20 epochs=40
# ```
#
# <details><summary>Answer 3</summary>From epoch 3 to epoch 29 the training perplexity lies between 17 and 18: the frequencies of the letters alone, the plateau of the first plot (exercise 2). Five times as large steps do help: 7 to 11 at the end instead of 15.4 to 15.8. With <code>lr=20</code> the steps are too large: in every run the perplexity jumped above 200 on the way, and every run ended above the first line. The recipe <code>fast</code> brings the same network to 1.0 to 1.1 in 40 epochs, see question 1. Is it the weights or Adam? <em>The same, much faster</em> has tried each without the other.</details>

# %% [markdown] lang="zh" id="playground"
# ## 游乐场
#
# 这里再次列出“先玩一玩”里的控件。训练在后台进行；**{{label stop}}**会保留当前模型，**{{label reset}}**则全部清空。每次训练的曲线都会留在图上（实线为训练，虚线为留出；曲线末端的数字就是表中的行号）。训练方案“快速（Adam）”在设置里写作 `fast`，就是上面用的 Adam 加放大的权重。
#
# 先**猜一猜**，再把一行设置粘贴到 **{{label settings}}**，按 **{{label train}}**，等它训练完，再粘贴下一行。答案中的范围取自七个随机起点（随机种子 0 到 6）：在一行末尾加上 `seed=7`，看看你的结果是否也在范围之内。
#
# **1. 是因为深，还是只因为大？** 第三个网络是很宽的单层，参数不比第二个多。要把训练困惑度降到 2，哪个网络用的迭代周期最少（从图上读出）？哪个用的秒数最少（表中有 40 个迭代周期的总秒数）？哪个的留出困惑度最好？
#
# ```
# layers=1 hidden_units=128 epochs=40
# layers=2 hidden_units=128 epochs=40
# layers=1 hidden_units=208 epochs=40
# ```
#
# <details><summary>答案 1</summary>论迭代周期，最快的是宽的单层，只要 14 或 15 个；两层要 16 到 18 个，窄的单层要 25 到 27 个。同样宽度，两层确实快过单层；可是参数一样多的单层还要更快：起作用的是大小，不是深度。论秒数，领先就没有了：在我们的机器上只用一个核时，两个大网络一个迭代周期的用时都约为小网络的两倍。最好的留出困惑度，按三行的顺序：6.4 到 6.8、6.5 到 6.8、6.4 到 6.7，凭这些训练分不出高下。一直读下去，就会背原文：40 个迭代周期之后，留出困惑度依次为 12 到 14、22 到 26、16 到 19，两层的最高。</details>
#
# **2. 加宽。** 哪个网络能死记硬背？哪个在 40 个迭代周期里做不到？如果要读新的文本，你会选哪一个？
#
# ```
# layers=1 hidden_units=32 epochs=40
# layers=1 hidden_units=256 epochs=40
# ```
#
# <details><summary>答案 2</summary>256 个单元能死记硬背：训练困惑度 1.0 到 1.1，留出困惑度 17 到 21。32 个单元则为 5.5 到 6.0 和 7.1 到 7.6，而且两条曲线都还在下降，所以 40 个迭代周期之后，小网络在新文本上好得多。不过，如果让大网络停在最好的那一刻，即第六或第七个迭代周期，赢的就是它：留出困惑度为 6.4 到 6.6。小网络也并非因为小就没事：取 <code>epochs=240</code>，它最好时为 7.0 到 7.5，随后虚线同样掉头向上，升到 12 到 15。</details>
#
# **3. 卡住。** 用 D2L 的训练方案，试三个学习率。第一行的困惑度卡在多少？这个数在哪里见过？第二行有没有改善？如果有，为什么不干脆取 `lr=20`？
#
# ```
# layers=2 hidden_units=128 recipe=D2L lr=2 epochs=40
# layers=2 hidden_units=128 recipe=D2L lr=10 epochs=40
# layers=2 hidden_units=128 recipe=D2L lr=20 epochs=40
# ```
#
# <details><summary>答案 3</summary>从第 3 到第 29 个迭代周期，训练困惑度一直在 17 和 18 之间：这是只靠字符频率就能达到的水平，也就是第一幅图中的平台期（见练习 2）。步长放大到五倍确有改善：最后为 7 到 11，而不是 15.4 到 15.8。取 <code>lr=20</code>，步子就太大了：每次训练的困惑度都曾蹿到 200 以上，最后每一次都比第一行高。同样的网络，<code>fast</code> 方案用 40 个迭代周期就能降到 1.0 到 1.1（见第 1 题）。这该归功于权重，还是 Adam？<em>更快地得到同样的结果</em>一节里，两者都单独试过。</details>

# %% tags=["hide-input"] id="show-playground-again"
playground.show()

# %% [markdown] lang="en" id="playground-code"
# The buttons can be pressed from code as well (here only if you have trained nothing yet).

# %% [markdown] lang="zh" id="playground-code"
# 按钮也可以用代码来按（这里只在你还没有训练过时才按）。

# %% id="drive-playground"
if not playground.trainings:
    playground.start(layers=1, hidden_units=64, epochs=20)
    playground.wait()

# %% [markdown] lang="en" id="chinese-text"
# ## A text of your own, also in Chinese
#
# Any text file will do. `assets/texts/lunyu.txt` holds the first eight books of the *Analects* (论语), sayings of Confucius. The code stays as it is, the numbers do not: blind guessing is among the *whole vocabulary*, and both matrices that touch it grow.
# A stronger control ignores its input, too, but guesses each character as often as the training text has it (plus once, so that nothing is impossible). **Predict:** how often does a Chinese character stand in 5,000, and how often an English letter in 10,000?

# %% [markdown] lang="zh" id="chinese-text"
# ## 用自己的文本，中文也行
#
# 任何文本文件都可以。`assets/texts/lunyu.txt` 是《论语》的前八篇。代码照旧，变的是数：盲猜要在**整个词表**里猜，与词表相连的两个矩阵也随之变大。
# 还有一个更强的对照：同样不看输入，但按每个字在训练文本中出现的次数来猜（各多算一次，这样没有哪个字的概率为零）。**猜一猜：** 5,000 个字符里，一个汉字出现几次？10,000 个字符里，一个英文字母呢？

# %% id="chinese-controls"
file = utils.ROOT / "assets/texts/lunyu.txt"
lunyu = utils.load_corpus(file, max_tokens=5_000, held_out_tokens=1_000)
print("".join(lunyu.vocab.to_tokens(lunyu.train[:60].tolist())))
by_frequency, rows = {}, []
for name, text in {"The Time Machine": corpus, "Analects": lunyu}.items():
    counts, size = text.train.bincount(minlength=len(text.vocab)), len(text.vocab)
    P = (counts + 1.0) / (counts + 1.0).sum()
    by_frequency[name] = torch.exp(-P[text.held_out].log().mean()).item()
    at_ends = 4 * 128 * size + 128 * size + size  # what reads one-hot inputs, and the output layer
    row = [size, f"{at_ends:,}", int(counts[counts > 0].median()), f"{by_frequency[name]:.1f}"]
    rows.append([name, *row])
utils.table(["text", "vocabulary", "weights at both ends", "seen (median)", "by frequency"], rows)

# %% [markdown] lang="en" id="chinese-train"
# Half of the characters that occur are *seen* twice or less. What is left of the layer, $4h(h + 2)$ = 66,560 parameters, is little beside that: most weights belong to a single character each.
# **Predict** with the fast recipe: how low will the held-out perplexity get, compared with the frequencies alone?

# %% [markdown] lang="zh" id="chinese-train"
# 出现过的字里，有一半至多只见过两次。此外，128 个单元的循环层只有 $4h(h + 2)$ = 66,560 个参数：网络的大部分参数各自只属于某一个字。
# 用快速方案训练。**猜一猜：** 与只按字频猜相比，留出困惑度能降到多低？

# %% id="chinese-reader"
def read_lunyu(seed):
    """A network, and the records of its training, which begins when they are asked for."""
    utils.seed_everything(seed)
    model = d2l.RNNModel(nn.LSTM(len(lunyu.vocab), 128), len(lunyu.vocab))
    model = utils.enlarge_weights(model).to(device)
    batches = utils.Batches(lunyu.train, batch_size=16, seed=seed)
    options = {"lr": fast_recipe.lr, "optimizer": fast_recipe.optimizer, "num_epochs": 30}
    return model, utils.fit(model, batches, held_out=lunyu.held_out, **options)

reader, reading = read_lunyu(seed=0)
controls = {"by frequency": by_frequency["Analects"], "blind guessing": len(lunyu.vocab)}
lines = {name: [(e, None, p) for e in range(1, 31)] for name, p in controls.items()}
lunyu_records, *_ = utils.LivePlot(30).race({"LSTM 1 x 128": reading} | lines).values()

# %% tags=["hide-input"] id="chinese-verdict"
# the network beside both controls; five starts, recorded; what it writes
def ends_of(records):
    """Of a training: the epoch of the lowest held-out perplexity, it, and both at the end."""
    low, last = utils.best(records), records[-1]
    return low.epoch, *(round(p, 3) for p in (low.held_out, last.perplexity, last.held_out))

starts, about = utils.recorded(
    "chinese_starts", lambda: [ends_of(list(read_lunyu(seed)[1])) for seed in range(5)]
)
at, low, trained, held = zip(*starts)
print(f"{about['origin']}, from the lowest to the highest of five starts:")
print(f"held-out at best {min(low):.0f} to {max(low):.0f}, after epoch {min(at)} to {max(at)}")
trained = f"{min(trained):.2f} to {max(trained):.2f}"
print(f"at the end: training {trained}, held-out {min(held):.0f} to {max(held):.0f}")
line = utils.generate(reader, lunyu.vocab, "子曰", 40)
piece = longest_copy(line, "".join(lunyu.vocab.to_tokens(lunyu.train.tolist())))
print(f"it writes: {line}\nin the book in one piece, {len(piece)} characters: {piece}")
lows, lasts = zip(*((utils.best(rs), rs[-1]) for rs in (lunyu_records, records)))
rows = [["blind guessing", "", "", len(lunyu.vocab), len(vocab)], ["by frequency", "", ""]]
rows[1] += [f"{by_frequency[name]:.1f}" for name in ("Analects", "The Time Machine")]
for name, pair in {"network, at its best": lows, "network, at the end": lasts}.items():
    held_out = [f"{r.held_out:.1f}" for r in pair]
    rows.append([name, pair[0].epoch, f"{pair[0].perplexity:.1f}", *held_out])
utils.table(["", "epoch", "training", "held-out", "The Time Machine, held-out"], rows)

# %% [markdown] lang="en" id="chinese-look"
# **Overfitting**, as quick as can be. At its best the network is hardly better than the frequencies, at worst no better; from there on it learns the book by heart, recites whole sayings, and ends far above the frequencies, though below blind guessing. In *The Time Machine*, where each letter is seen hundreds of times, the lowest is less than half of what the frequencies reach: 5,000 characters, it seems, are too few for a vocabulary of 800.
#
# Now yours: a file in UTF-8 or GBK, the longer the better (as it stands here, from 15,000 characters). Controls do the rest; or give them the file under **{{label own}}** in the playground above.
#
# ```
# corpus = utils.load_corpus("西游记.txt")
# Playground(corpus, name="my text").show()
# ```

# %% [markdown] lang="zh" id="chinese-look"
# 这是最快的**过拟合**。网络在最好的时候，也只比按字频猜好一点点，最差的一个起点连这一点也没有；此后它就背书，整句整句地写出原文，最后远远高于按字频猜的水平，只是仍低于盲猜。《时间机器》里每个字母都见过几百次，留出困惑度的最低值还不到按字母频率猜的一半：对大小约为 800 的词表来说，5,000 个字符看来太少了。
#
# 换成你自己的文本：UTF-8 或 GBK 编码的文件，越长越好（照下面的写法，至少 15,000 个字符）。其余的交给控件；也可以直接在上面游乐场的“**{{label own}}**”里选文件。
#
# ```
# corpus = utils.load_corpus("西游记.txt")
# Playground(corpus, name="我的文本").show()
# ```

# %% [markdown] lang="en" id="sweep"
# ## Deeper or wider? A sweep
#
# One race proves little. So train *every* network of 1 to 4 layers and 64 to 512 hidden units, each from five random starts; stop each as soon as its held-out perplexity has not fallen for five epochs, and let its lowest value count. First a small sweep; each field of the heat map is a network, and darker is better.
#
# <details><summary>On all cores, or on several computers</summary><code>run_sweep</code>, folded below, hands a plain function of numbers to <b>joblib</b>, a library that runs many calls side by side, wherever <code>where</code> says. On a Dask cluster, a group of computers, it needs <code>pip install distributed</code>; the workers need a copy of this course on their <code>PYTHONPATH</code>, and the versions of your packages.</details>

# %% [markdown] lang="zh" id="sweep"
# ## 加深还是加宽？网格搜索
#
# 一场比赛说明不了什么。所以来做一次**网格搜索**（grid search）：把 1 到 4 层、64 到 512 个隐藏单元的网络**全部**训练一遍，各取五个随机起点；留出困惑度连续五个迭代周期没有下降，就停止训练，以其最低值为准。先搜索一个小网格：热图的每一格是一个网络，颜色越深越好。
#
# <details><summary>用上所有的核，或多台计算机</summary>下面折叠着的 <code>run_sweep</code> 把一个参数全为数字的普通函数交给 <b>joblib</b>（并行调用函数的库），按照 <code>where</code> 的设定来调用。在由多台计算机组成的 Dask 集群上，需要 <code>pip install distributed</code>；各工作进程的 <code>PYTHONPATH</code> 里要有本课程的一份副本，软件包的版本也要与这里一致。</details>

# %% id="sweep-point"
# one training of the sweep, stopped early
def lowest_held_out(model, seed, start=0, end=10_000, patience=5):
    """Train until the held-out perplexity falls no more; its lowest value, and when."""
    import utils  # not this process's: in another one the function is all there is

    corpus, fast = utils.load_corpus(), utils.RECIPES["fast"]
    train = utils.load_corpus(max_tokens=end, held_out_tokens=1).train[start:]
    options = {"lr": fast.lr, "optimizer": fast.optimizer, "num_epochs": 40}
    best = None
    for r in utils.fit(model, utils.Batches(train, seed=seed), held_out=corpus.held_out, **options):
        if best is None or r.held_out < best.held_out:
            best = r
        elif r.epoch >= best.epoch + patience:
            break
    return round(best.held_out, 4), best.epoch

def sweep_point(num_layers, num_hiddens, seed):
    """(layers, hidden units, seed, lowest held-out perplexity, its epoch)"""
    import utils

    utils.seed_everything(seed)
    lstm = nn.LSTM(num_inputs, num_hiddens, num_layers)
    model = utils.enlarge_weights(utils.d2l.RNNModel(lstm, vocab_size)).to(utils.d2l.try_gpu())
    return num_layers, num_hiddens, seed, *lowest_held_out(model, seed)

sweep_point(1, 64, seed=0)

# %% tags=["hide-input"] id="draw-sweep"
LAYERS, WIDTHS = (1, 2, 3, 4), (64, 128, 256, 512)

def draw_sweep(rows, title=""):
    """Heat map of sweep_point's rows: the seeds' median; below it the lowest and the highest."""
    fig, ax = utils.new_figure(7, 3.2)
    median = torch.full((len(LAYERS), len(WIDTHS)), torch.nan)
    for l, h in {(row[0], row[1]) for row in rows}:
        scores = torch.tensor(sorted(row[3] for row in rows if (row[0], row[1]) == (l, h)))
        y, x = LAYERS.index(l), WIDTHS.index(h)
        median[y, x] = scores.median()
        text = f"{scores.median():.2f}"
        if len(scores) > 1:
            text += f"\n{scores[0]:.2f} to {scores[-1]:.2f}"
        colour = "black" if median[y, x] > 7 else "white"
        ax.text(x, y, text, ha="center", va="center", color=colour)
    style = {"cmap": "cividis", "aspect": "auto", "origin": "lower"}
    image = ax.imshow(median.numpy(), vmin=6.4, vmax=7.8, **style)
    fig.colorbar(image, label="held-out perplexity", extend="both")
    ax.set(xlabel="hidden units $h$", ylabel="layers $L$", title=title)
    ax.set_xticks(range(len(WIDTHS)), WIDTHS)
    ax.set_yticks(range(len(LAYERS)), LAYERS)
    return fig

# %% tags=["hide-input"] id="run-sweep"
# where the trainings run: here; on all cores: {"n_jobs": -1}; on a Dask cluster:
# where = {"backend": "dask", "scheduler_host": "tcp://127.0.0.1:8786"}
from IPython.display import display
from joblib import Parallel, delayed, parallel_config

where = {"n_jobs": 1}

def run_sweep(points, draw=draw_sweep, train=sweep_point):
    """The rows of train(*point), in order; what `draw` makes of them fills while they come."""
    rows, handle = [], display(draw([]), display_id=True)
    with parallel_config(**where):
        trainings = (delayed(train)(*point) for point in points)
        for row in Parallel(return_as="generator")(trainings):
            rows.append(row)
            if handle:  # none outside a notebook
                handle.update(draw(rows, f"{len(rows)} of {len(points)} trainings"))
    return rows

# %% id="small-sweep"
small_sweep = run_sweep([(l, h, 0) for l in (1, 2) for h in (64, 128)])

# %% [markdown] lang="en" id="full-sweep-text"
# The full sweep, 80 trainings, is a recorded run (`FULL=1` runs it). **Predict:** in which corner is the best network, and where is the worst?

# %% [markdown] lang="zh" id="full-sweep-text"
# 完整的网格搜索共 80 次训练，这里载入的是事先保存的记录（设置 `FULL=1` 可亲自运行）。**猜一猜：** 最好的网络在哪个角上？最差的呢？

# %% id="full-sweep"
points = [(l, h, seed) for l in LAYERS for h in WIDTHS for seed in range(5)]
sweep_rows, about = utils.recorded("sweep", lambda: run_sweep(points))
print(f"{about['origin']}: {len(sweep_rows)} trainings on {about['machine']}, {about['versions']}")
draw_sweep(sweep_rows, about["origin"])

# %% tags=["hide-input"] id="rank-sweep"
# which networks the sweep tells apart
def num_parameters(l, h):
    """Of nn.LSTM(28, h, l): layer 1 reads d inputs, each further layer h states."""
    return 4 * h * (num_inputs + h + 2) + (l - 1) * 4 * h * (h + h + 2)

def scores_of(l, h):
    """A network's lowest held-out perplexities, one for each random start."""
    return [row[3] for row in sweep_rows if (row[0], row[1]) == (l, h)]

print("L = 1")
utils.ranking({f"h = {h}": scores_of(1, h) for h in WIDTHS})
print("h = 256")
utils.ranking({f"L = {l}": scores_of(l, 256) for l in LAYERS})
print("L x h, with about as many parameters")
for one, three in ((128, 64), (256, 128), (512, 256)):
    pair = ((1, one), (3, three))
    utils.ranking({f"{l} x {h} ({num_parameters(l, h):,})": scores_of(l, h) for l, h in pair})

# %% [markdown] lang="en" id="sweep-look"
# The best field is at the bottom right, one wide layer; the worst are in the top row. But look at the second line of the fields: a random start alone often makes a difference of 0.1 or 0.2. With one layer, 128, 256 and 512 units are not told apart. With 256 units, one and two layers are not; three are worse, and four worse still.
#
# Yet at equal *h*, more layers also have more parameters. At about equal *parameters*, three layers of $h$ against one of $2h$, one layer wins each time, though it has the fewest.

# %% [markdown] lang="zh" id="sweep-look"
# 最好的一格在右下角：很宽的单层网络；最差的在最上面一行。但请看每一格的第二行：仅仅换一个随机起点，就常常相差 0.1 或 0.2。单层网络中，128、256、512 个单元分不出高下；256 个单元时，一层和两层分不出高下，三层更差，四层最差。
#
# 不过，$h$ 相同时，层数多，参数也就多。如果让**参数量**大致相同，即三层、每层 $h$ 个单元，对单层 $2h$ 个单元，那么每次都是单层获胜，尽管它的参数还略少一些。

# %% [markdown] lang="en" id="depth"
# ## Making depth pay
#
# That was about 10,000 characters, learnt by heart. Now 60,000 (those after the test text, so that the held-out text stays the same), equal parameters, and the two usual ways of making depth pay:
#
# **Dropout** sets, while training, each state that layer $l$ hands to layer $l+1$ to zero with probability $p$, and divides the others by $1-p$: nothing above can rely on a single unit. `nn.LSTM(..., dropout=p)` does this between layers only: not after the last, and not along time.
#
# **A residual connection** hands on what a layer reads along with what it computes, $\mathbf{H}_t^{(l-1)} + \mathbf{H}_t^{(l)}$ for $l \ge 2$: signals and gradients have a way around the layer.
#
# <details><summary>Variational dropout</summary>It draws one mask for a whole sequence, not one for each time step, so that it can be used along time as well, on what a layer hands to itself, without wiping out its memory.</details>

# %% [markdown] lang="zh" id="depth"
# ## 怎样让加深有回报
#
# 这只是 10,000 个字符上的结果，而且网络把它们背了下来。现在改读 60,000 个字符（取测试文本之后的部分，这样留出文本不变），参数量相同，并试试让加深有回报的两种常用办法：
#
# **暂退法**（dropout）：训练时，第 $l$ 层交给第 $l+1$ 层的每个状态以概率 $p$ 置零，其余的除以 $1-p$，上面的层就不能只依赖某一个单元。`nn.LSTM(..., dropout=p)` 只在层与层之间这样做：最后一层之后没有，沿时间方向也没有。
#
# **残差连接**把一层读到的和它算出的一起交给上一层，即 $\mathbf{H}_t^{(l-1)} + \mathbf{H}_t^{(l)}$（$l \ge 2$）：信号和梯度可以绕过这一层。
#
# <details><summary>变分暂退法</summary>它为整个序列只抽取一个掩码，而不是每个时间步各抽一个，因而沿时间方向、在一层传给自己的状态上也能用，不会把记忆抹掉。</details>

# %% id="deep-model"
class DeepLSTM(nn.Module):
    """Layers of nn.LSTM, dropout between them; residual: each hands on what it reads as well."""

    def __init__(self, num_layers, num_hiddens, dropout=0.0, residual=False):
        super().__init__()
        sizes = [num_inputs] + (num_layers - 1) * [num_hiddens]
        self.layers = nn.ModuleList(nn.LSTM(size, num_hiddens) for size in sizes)
        self.dropout, self.residual = nn.Dropout(dropout), residual
        self.num_hiddens, self.linear = num_hiddens, nn.Linear(num_hiddens, vocab_size)

    def begin_state(self, batch_size, device):
        zeros = torch.zeros(1, batch_size, self.num_hiddens, device=device)
        return [(zeros, zeros) for _ in self.layers]

    def forward(self, X, state):
        X, state = nn.functional.one_hot(X.T, num_inputs).float(), list(state)  # (T, n, d)
        for l, layer in enumerate(self.layers):
            H, state[l] = layer(self.dropout(X) if l else X, state[l])  # (T, n, h)
            X = X + H if self.residual and l else H
        return self.linear(X.flatten(0, 1)), state  # (T * n, q)

# %% tags=["hide-input"] id="deep-check"
# ours against nn.LSTM, with the same weights
theirs = d2l.RNNModel(nn.LSTM(num_inputs, 16, 3, dropout=0.3), vocab_size)
ours, outputs = DeepLSTM(3, 16, dropout=0.3), []
for ours_p, theirs_p in zip(ours.parameters(), theirs.parameters()):
    ours_p.data = theirs_p.data
for network in (theirs, ours):
    torch.manual_seed(0)  # the same states become zero
    zeros = network.begin_state(batch_size=batch_size, device="cpu")
    outputs.append(network(X, zeros)[0])  # (T * n, q)
torch.testing.assert_close(*outputs)  # the same numbers, zeros included

# %% tags=["hide-input"] id="depth-pays"
# one training on 60,000 characters
def deep_point(num_layers, num_hiddens, dropout, residual, seed):
    """Its arguments, the lowest held-out perplexity on 60,000 characters, and its epoch."""
    import utils

    utils.seed_everything(seed)
    model = DeepLSTM(num_layers, num_hiddens, dropout, residual)
    nn.init.uniform_(model.layers[0].weight_ih_l0, -2, 2)  # as enlarge_weights does
    nn.init.uniform_(model.linear.weight, -0.5, 0.5)
    if num_layers == 1:  # nothing lies between layers: the control, before the output layer
        model.linear = nn.Sequential(nn.Dropout(dropout), model.linear)
    model.to(utils.d2l.try_gpu())
    found = lowest_held_out(model, seed, start=20_000, end=80_000, patience=3)
    return num_layers, num_hiddens, dropout, residual, seed, *found

# %% tags=["hide-input"] id="designs"
# the networks: as wide as 2 x 128 has parameters, with and without each remedy
budget = num_parameters(2, 128)
widest = {l: max(h for h in range(1, 500) if num_parameters(l, h) <= budget) for l in (1, 2, 3)}
remedies = {"plain": (0.0, 0), "residual": (0.0, 1), "dropout": (0.3, 0)}
remedies["dropout + residual"] = (0.3, 1)
designs = {
    f"{l} x {h}, {what}": (l, h, *remedy)
    for what, remedy in remedies.items()
    for l, h in widest.items()
    if l > 1 or not remedy[1]  # one layer has nothing to go around
}

# %% [markdown] lang="en" id="depth-question"
# Each network has as many parameters in its layers as 2 x 128. One layer gets dropout as well, as a control: before the output layer. **Predict**, each with dropout: one wide layer, or two narrow ones?

# %% [markdown] lang="zh" id="depth-question"
# 每个网络循环层的参数量都与 2 x 128 相当。单层网络也用暂退法作为对照：放在输出层之前。**猜一猜**，都用上暂退法时，是一个宽层好，还是两个窄层好？

# %% tags=["hide-input"] id="depth-rows"
# the recorded trainings, behind a guess
def by_design(rows):
    """{design: its lowest held-out perplexities, one for each random start}"""
    scores = {name: [r[5] for r in rows if tuple(r[:4]) == d] for name, d in designs.items()}
    return {name: values for name, values in scores.items() if values}

def draw_deep(rows, title=""):
    """A dot for each training."""
    return utils.draw_spread(by_design(rows), f"lowest held-out perplexity  {title}")

points = [(*design, seed) for design in designs.values() for seed in range(5)]
deep_rows, deep_about = utils.recorded(
    "depth_pays", lambda: run_sweep(points, draw_deep, deep_point)
)
print(f"{deep_about['origin']}: {len(deep_rows)} trainings on {deep_about['machine']}")
utils.guess(
    "each with dropout: one wide layer, or two narrow ones?",
    "not told apart",
    choices=("one wide layer", "two narrow ones", "not told apart"),
    because="Their starts overlap, and so do those of three layers.",
    show=lambda: draw_deep(deep_rows, f"({deep_about['origin']})"),
)

# %% tags=["hide-input"] id="rank-depth"
# which networks are told apart
deep_scores = by_design(deep_rows)
for what in ("plain", "dropout"):
    print(f"{what}, L = 1, 2, 3")
    utils.ranking({name: v for name, v in deep_scores.items() if name.endswith(f", {what}")})
for size in (f"{l} x {widest[l]}," for l in widest):
    print(f"{size} with and without")
    utils.ranking({name: v for name, v in deep_scores.items() if name.startswith(size)})

# %% [markdown] lang="en" id="depth-look"
# Dropout helps at every depth, one wide layer included. And it makes depth *free*: three narrow layers, which trail without it, draw level. More they do not: what pays, it seems, is learning less by heart. The residual connection alone is not told apart from doing nothing, and beside dropout it does harm, perhaps because it carries past the zeros what they were to hide.
#
# What helped most is text: the *worst* of these trainings is far below the best of the 80, on the same held-out characters. All this for one recipe, one dropout rate and one book; for yours, sweep.

# %% [markdown] lang="zh" id="depth-look"
# 暂退法在每种深度上都有帮助，很宽的单层也不例外。它还让加深不再有**代价**：三层窄网络原先落后，用上它就追平了。但也只是追平：起作用的，看来是少背一些原文。残差连接单独使用，和什么都不做分不出高下；与暂退法一起用，反而有害，也许是因为暂退法要藏起来的状态，被它原样带了过去。
#
# 帮助最大的是更多的文本：这些训练中**最差**的一次，也远远好过前面 80 次中最好的一次，而留出文本是同一段。以上只针对一种训练方案、一个暂退率和一本书；换成你自己的，就请再做一次网格搜索。

# %% [markdown] lang="en" id="score-once-text"
# ## Choose by one text, report another
#
# Which perplexity would you promise? Of the first 80 trainings, take the one with the lowest held-out perplexity, stopped at its best epoch. But layers, width, start and epoch have been *chosen* to make that number low, and a part of every such choice is luck with these 5,000 characters.
# A promise needs a text by which nothing has been chosen: `corpus.test`, the **test set**, the 5,000 characters after the held-out ones, scored once. **Predict** the number.

# %% [markdown] lang="zh" id="score-once-text"
# ## 用一段文本来选，用另一段来报告
#
# 你敢承诺多大的困惑度？从前面 80 次训练里取留出困惑度最低的那一次，停在它最好的迭代周期。可是，层数、宽度、随机起点、迭代周期，样样都是为了让这个数低而**挑**出来的，而每次挑选都有一部分是碰巧适合这 5,000 个字符。
# 要作承诺，就需要一段没有参与过任何选择的文本，这就是**测试集** `corpus.test`，即留出文本之后的 5,000 个字符，只打一次分。**猜一猜**这个数是多少。

# %% id="score-once"
layers, units, seed, lowest, epoch = min(sweep_rows, key=lambda row: row[3])
print(f"chosen: L = {layers}, h = {units}, random start {seed}, stopped after epoch {epoch}")
print("held-out, lowest, from its five starts:", *sorted(scores_of(layers, units)))
utils.seed_everything(seed)
chosen = utils.enlarge_weights(d2l.RNNModel(nn.LSTM(num_inputs, units, layers), vocab_size))
options = {"lr": fast_recipe.lr, "optimizer": fast_recipe.optimizer, "num_epochs": epoch}
list(utils.fit(chosen.to(device), utils.Batches(corpus.train, seed=seed), **options))

test_perplexity = utils.perplexity(chosen, corpus.test)
print(f"held-out {utils.perplexity(chosen, corpus.held_out):.2f}")

# %% tags=["hide-input"] id="test-guess"
# the test text's perplexity, behind a guess
def test_table():
    """The chosen network on all texts that it has not read."""
    first, second = corpus.held_out.split(2_500)
    texts = {"held-out": corpus.held_out, "its first half": first, "its second half": second}
    rows = [[name, f"{utils.perplexity(chosen, text):.2f}"] for name, text in texts.items()]
    return utils.table(["text", "perplexity"], [*rows, ["test", f"{test_perplexity:.2f}"]])

question = "perplexity of the chosen network on the test text"
utils.guess(question, test_perplexity, between=(5, 12), show=test_table)

# %% [markdown] lang="en" id="score-once-look"
# How much was flattery? Of the luck of the start, one or two tenths: so much higher the other four starts of the same network ended. The test text costs nearly 2 more. Texts of this length differ: even the halves of the held-out one are half a unit apart. The held-out number was true of one text.
# And now `test` is spent: whoever goes back and chooses by it has a second validation set.

# %% [markdown] lang="zh" id="score-once-look"
# 偏于乐观的部分有多大？随机起点的运气占 0.1 到 0.2：同一个网络的另外四个起点，最后高出这么多。而测试文本上高出了将近 2。这么短的文本，彼此本就难易不同：连留出文本的前后两半也相差约 0.5。可见留出困惑度只对那一段文本成立。
# 而现在 `test` 也用完了：谁再回头按它来选，它就成了第二个验证集。

# %% [markdown] lang="en" id="exercises"
# ## Exercises
#
# Put your answer in place of `None` and run the cell. A solution is folded away below each: a click on its title opens it.
#
# **1.** How many parameters has `nn.LSTM(28, 256, 3)`? (Without an output layer.)

# %% [markdown] lang="zh" id="exercises"
# ## 练习
#
# 把 `None` 换成你的答案，然后运行该单元格。每题下方折叠着参考解答，点击标题即可展开。
#
# **1.** `nn.LSTM(28, 256, 3)` 有多少个参数？（不含输出层。）

# %% id="exercise-1"
answer_1 = None
utils.check("3.1", answer_1)

# %% tags=["solution"] id="solution-1"
solution_1 = 4 * 256 * (28 + 256 + 2) + 2 * 4 * 256 * (256 + 256 + 2)

# %% [markdown] lang="en" id="exercise-2-text"
# **2.** Where is the plateau of the first plot? Suppose a model ignores its input and always predicts the frequencies $p_i$ of the 10,000 training characters. Compute its
# perplexity on these characters, $\exp\!\big(-\sum_i p_i \ln p_i\big)$. (`corpus.train.bincount()` counts; leave out `<unk>`, which never occurs. Two decimals are enough.)

# %% [markdown] lang="zh" id="exercise-2-text"
# **2.** 第一幅图中平台期的困惑度是多少？设想一个模型完全不看输入，总是按 10,000 个训练字符的频率 $p_i$ 来预测。求它在这些字符上的困惑度
# $\exp\!\big(-\sum_i p_i \ln p_i\big)$。（可以用 `corpus.train.bincount()` 计数；`<unk>` 从不出现，要去掉。精确到两位小数即可。）

# %% id="exercise-2"
answer_2 = None
utils.check("3.2", answer_2)

# %% tags=["solution"] id="solution-2"
p = corpus.train.bincount().double() / len(corpus.train)
p = p[p > 0]  # <unk> never occurs
solution_2 = torch.exp(-(p * p.log()).sum()).item()

# %% [markdown] lang="en" id="exercise-3-text"
# **3.** Change one thing and predict: replace `nn.LSTM` by `nn.GRU`, same sizes (28, 256, 2). What fraction of the LSTM layers' parameters do the GRU layers have?

# %% [markdown] lang="zh" id="exercise-3-text"
# **3.** 改一处，先预测：把 `nn.LSTM` 换成 `nn.GRU`，大小不变（28, 256, 2）。GRU 各层的参数量是 LSTM 各层的几分之几？

# %% id="exercise-3"
answer_3 = None
utils.check("3.3", answer_3)

# %% tags=["solution"] id="solution-3"
solution_3 = 3 / 4

# %% [markdown] lang="en" id="exercise-4-text"
# **4.** Early stopping: in the fast run above (Adam, `records`), after which epoch would you have stopped, to do best on new text?

# %% [markdown] lang="zh" id="exercise-4-text"
# **4.** 提前停止：在上面那次快速训练（Adam，`records`）中，要在新文本上表现最好，应该在第几个迭代周期之后停下？

# %% id="exercise-4"
answer_4 = None
utils.check("3.4", answer_4, records)

# %% tags=["solution"] id="solution-4"
solution_4 = records[int(torch.tensor([r.held_out for r in records]).argmin())].epoch

# %% [markdown] lang="en" id="exercise-5-text"
# **5.** Temperature: a network knows two letters only, `a` and `b`, and gives them the scores $\mathbf{o} = (2, 0)$. With which probability is the next letter an `a`, at temperature $\tau = 2$? (Three decimals are enough.)

# %% [markdown] lang="zh" id="exercise-5-text"
# **5.** 温度：一个网络只认识两个字母 `a` 和 `b`，给它们打的分数是 $\mathbf{o} = (2, 0)$。温度 $\tau = 2$ 时，下一个字母是 `a` 的概率是多少？（精确到三位小数即可。）

# %% id="exercise-5"
answer_5 = None
utils.check("3.5", answer_5)

# %% tags=["solution"] id="solution-5"
import math

solution_5 = math.e / (math.e + 1)

# %% [markdown] lang="en" id="exam"
# ## What to write in the exam
#
# **1.** One wide layer or two narrow ones, and on which text do you report it? <details><summary>answer</summary>Give both as many parameters (at equal <i>h</i> &gt; <i>d</i>, two layers have more than twice as many), train each from at least five random starts with one recipe, and choose network, epoch and dropout by the validation (held-out) text. On 60,000 characters they were not told apart, without dropout or with it: then take the single layer, it is simpler and can be computed in fewer rounds. What is promised is the perplexity on a <b>test text</b> by which nothing has been chosen, scored once.</details>
#
# **2.** A network has training perplexity 1.0. What do you know? <details><summary>answer</summary>That it repeats its training text, no more: with more parameters than characters it can learn it by heart. Ask for the held-out perplexity, as a curve over the epochs: here it falls to about 7.6 and ends above 28, blind guessing.</details>
#
# **3.** Why can held-out perplexity rise while the share of right guesses hardly falls? <details><summary>answer</summary>Perplexity is exp of the mean of &minus;ln P: being sure and wrong costs without limit. The network becomes over-confident: dividing its logits by a temperature of 3 changes no guess, and takes back most of the rise.</details>
#
# **4.** Where does <code>nn.LSTM(28, 128, 2, dropout=0.3)</code> drop, and which control does a gain need? <details><summary>answer</summary>Between layer 1 and layer 2, on each state, while training only: not after the last layer, not from time step to time step; with one layer it does nothing. The control: one wide layer with as many parameters and dropout before the output layer. Here both ended level.</details>
#
# **5.** A unit's activation is correlated with word boundaries. What is missing before you call it a word-boundary unit? <details><summary>answer</summary>It was picked as the best of many: score it on text by which it was not picked. And compare it with the best of as many units in networks with the same first weights, untrained: here those counted the letters since the space as well.</details>

# %% [markdown] lang="zh" id="exam"
# ## 考试怎么写
#
# **1.** 一个宽层还是两个窄层？在哪段文本上报告结果？<details><summary>答案</summary>让两者参数量相同（<i>h</i> 相同且 <i>h</i> &gt; <i>d</i> 时，两层的参数是一层的两倍多），用同一种训练方案，各取至少五个随机起点；网络、迭代周期和暂退率都用验证集（留出文本）来选。在 60,000 个字符上，不论是否用暂退法，两者都分不出高下：那就取单层，它更简单，依次计算的步数也更少。能承诺的，是在没有参与过任何选择的<b>测试集</b>上的困惑度，只打一次分。</details>
#
# **2.** 一个网络的训练困惑度是 1.0，这说明什么？<details><summary>答案</summary>只说明它能复述训练文本：参数比字符还多，背得下来。要看留出困惑度随迭代周期变化的曲线：本课中它先降到约 7.6，最后超过 28，比盲猜还差。</details>
#
# **3.** 猜中的比例几乎没有下降，留出困惑度为什么会上升？<details><summary>答案</summary>困惑度是 &minus;ln P 的平均值取 exp：确信却猜错，代价没有上限。网络变得过于自信：把 logit 除以温度 3，一次猜测也不改变，升高的部分却大半消失。</details>
#
# **4.** <code>nn.LSTM(28, 128, 2, dropout=0.3)</code> 在哪里置零？声称有效之前，需要什么对照？<details><summary>答案</summary>只在训练时，对第 1 层交给第 2 层的每个状态：最后一层之后没有，时间步之间也没有；只有一层时它不起作用。对照：参数量相同的一个宽层，把暂退法放在输出层之前。本课中，两者最后不分高下。</details>
#
# **5.** 某个单元的取值与单词边界相关。要称它为“单词边界单元”，还缺什么？<details><summary>答案</summary>它是从许多单元中挑出来的最好的一个：要在没有用来挑选的文本上打分。还要与初始权重相同、未经训练的网络里同样多的单元中最好的那个比较：本课中，后者同样在数空格之后的字母。</details>

# %% [markdown] lang="en" id="sources"
# ## Sources
#
# <details><summary>ten papers and books</summary><ul><li>Hochreiter, Schmidhuber: <i>Long short-term memory</i>. Neural Computation, 1997.</li><li>Graves: <i>Generating sequences with recurrent neural networks</i>. arXiv, 2013.</li><li>Pascanu, Gulcehre, Cho, Bengio: <i>How to construct deep recurrent neural networks</i>. ICLR, 2014.</li><li>Zaremba, Sutskever, Vinyals: <i>Recurrent neural network regularization</i> (dropout between layers). arXiv, 2014.</li><li>Gal, Ghahramani: <i>A theoretically grounded application of dropout in recurrent neural networks</i> (variational dropout). NIPS, 2016.</li><li>He, Zhang, Ren, Sun: <i>Deep residual learning for image recognition</i>. CVPR, 2016.</li><li>Kingma, Ba: <i>Adam: a method for stochastic optimization</i>. ICLR, 2015.</li><li>Guo, Pleiss, Sun, Weinberger: <i>On calibration of modern neural networks</i> (temperature against over-confidence). ICML, 2017.</li><li>Karpathy, Johnson, Fei-Fei: <i>Visualizing and understanding recurrent networks</i> (units). arXiv, 2015.</li><li>Zhang, Lipton, Li, Smola: <i>Dive into Deep Learning</i>. Cambridge University Press, 2023.</li></ul></details>

# %% [markdown] lang="zh" id="sources"
# ## 参考文献
#
# <details><summary>十篇论文和书</summary><ul><li>Hochreiter, Schmidhuber: <i>Long short-term memory</i>. Neural Computation, 1997.</li><li>Graves: <i>Generating sequences with recurrent neural networks</i>. arXiv, 2013.</li><li>Pascanu, Gulcehre, Cho, Bengio: <i>How to construct deep recurrent neural networks</i>. ICLR, 2014.</li><li>Zaremba, Sutskever, Vinyals: <i>Recurrent neural network regularization</i>（层间暂退法）. arXiv, 2014.</li><li>Gal, Ghahramani: <i>A theoretically grounded application of dropout in recurrent neural networks</i>（变分暂退法）. NIPS, 2016.</li><li>He, Zhang, Ren, Sun: <i>Deep residual learning for image recognition</i>. CVPR, 2016.</li><li>Kingma, Ba: <i>Adam: a method for stochastic optimization</i>. ICLR, 2015.</li><li>Guo, Pleiss, Sun, Weinberger: <i>On calibration of modern neural networks</i>（用温度纠正过度自信）. ICML, 2017.</li><li>Karpathy, Johnson, Fei-Fei: <i>Visualizing and understanding recurrent networks</i>（单元可视化）. arXiv, 2015.</li><li>Zhang, Lipton, Li, Smola: <i>Dive into Deep Learning</i>. Cambridge University Press, 2023.</li></ul></details>

# %% [markdown] lang="en" id="summary"
# ## What we saw
#
# - A deep LSTM is `nn.LSTM(d, h, L)`: layer 1 reads the $d$ inputs, each further layer the $h$ states of the layer below, the output layer reads layer $L$.
# - Perplexity says among how many characters one might as well guess blindly: 28 for no idea at all, 1 for being sure, and right.
# - Training perplexity 1 on 10,000 characters is **memory**. The held-out curve turns upwards early, mostly because the network becomes too sure. Always draw both.
# - First weights that let the characters be heard, and Adam, tell the same story in a fraction of the epochs.
# - Compare depths at equal parameters, from several random starts; choose by the held-out text, report a test text, once. Here dropout paid at every depth, and depth did not.
# - A unit means something only beside the same measurement of an untrained network.
#
# {{next}}

# %% [markdown] lang="zh" id="summary"
# ## 小结
#
# - 深度 LSTM 就是 `nn.LSTM(d, h, L)`：第 1 层读取 $d$ 个输入，其余每层读取下面一层的 $h$ 个隐状态，输出层读取第 $L$ 层。
# - 困惑度为 $k$，相当于每一步都在 $k$ 个等可能的字符里盲猜：毫无头绪为 28，次次确信而且猜对为 1。
# - 在 10,000 个字符上把训练困惑度降到 1，靠的是**死记硬背**。留出曲线早早掉头向上，主要是因为网络变得过于自信。两条曲线总要一起画。
# - 初始权重大到网络“听得清”读入的字符，再加上 Adam，结局没有变，只是所用的迭代周期少得多。
# - 比较深度，要在参数量相同的条件下，从几个随机起点出发；用留出文本来选，用测试集来报告，而且只用一次。这里，暂退法在每种深度上都有帮助，加深则没有。
# - 一个单元有没有意义，要与未训练网络的同一测量对照才知道。
#
# {{next}}
