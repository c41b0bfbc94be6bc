# %% [markdown] lang="en" id="title"
# # 3 · A deep LSTM in a few lines
#
# **The question of this lesson.** PyTorch stacks recurrent layers with one argument, `num_layers`. Trained on *The Time
# Machine*, such a network reaches a perplexity of 1, the best there is. Has it learnt English?
#
# **You need:** what a hidden state is, and the equation of an RNN layer. **Run time:** about a minute on a laptop
# without a GPU. Nothing is downloaded.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 3 · 深度 LSTM 的简洁实现
#
# **本课的问题。** 在 PyTorch 中，把循环层堆叠起来只需要一个参数 `num_layers`。用《时间机器》训练这样的网络，困惑度可以降到 1，
# 也就是可能的最小值。那么，它学会英语了吗？
#
# **预备知识：** 隐状态的含义，以及单层循环神经网络的公式。**运行时间：** 在没有 GPU 的笔记本电脑上约一分钟。全程无需下载任何数据。
#
# {{launch}}

# %% id="setup"
# {{setup}}

# %% [markdown] lang="en" id="data"
# ## The text
#
# `load_data_time_machine` cuts the first 10,000 characters of the book into minibatches of `batch_size` = 32 sequences,
# `num_steps` = 35 characters each. The vocabulary has 28 tokens: 26 letters, the space, and `<unk>`.

# %% [markdown] lang="zh" id="data"
# ## 文本数据
#
# `load_data_time_machine` 取全书的前 10,000 个字符，切成小批量：每批 `batch_size` = 32 个序列，每个序列 `num_steps` = 35 个字符。
# 词表共有 28 个词元：26 个字母、空格和 `<unk>`。

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
# So the task is: **at every position, predict the next character.** (Words run together where a line of the book ends;
# D2L joins lines without a space, and we keep its text as it is so that numbers can be compared.)

# %% [markdown] lang="zh" id="task"
# 任务就是：**在每个位置上预测下一个字符。**（书中换行处的单词会连在一起，因为 D2L 拼接各行时不加空格；为了便于比较数值，我们原样保留。）

# %% [markdown] lang="en" id="model"
# ## The model
#
# Write $\mathbf{X}_t \in \mathbb{R}^{n \times d}$ for the inputs at time step $t$ and set $\mathbf{H}_t^{(0)} = \mathbf{X}_t$.
# Layer $l = 1, \ldots, L$ takes the layer below at this time step, and itself at the time step before:

# %% [markdown] lang="zh" id="model"
# ## 模型
#
# 设时间步 $t$ 的输入为 $\mathbf{X}_t \in \mathbb{R}^{n \times d}$，并令 $\mathbf{H}_t^{(0)} = \mathbf{X}_t$。
# 第 $l = 1, \ldots, L$ 层的输入有两个：下一层在当前时间步的隐状态，以及本层在上一个时间步的隐状态：

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
# PyTorch keeps two bias vectors where the equation has one (a habit of cuDNN), so with the four sums layer $l$ has
# $4h(\mathrm{in} + h + 2)$ parameters.

# %% [markdown] lang="zh" id="count"
# 运行下一个单元之前，请先**猜一猜**：第 1 层和第 2 层，哪一层的参数更多？
#
# 公式里只有一个偏置向量，而 PyTorch 保存了两个（这是 cuDNN 的习惯）；再乘上四个和，第 $l$ 层共有 $4h(\mathrm{in} + h + 2)$ 个参数。

# %% id="count-parameters"
d, h, q = num_inputs, num_hiddens, vocab_size
by_formula = {"layer 1": 4 * h * (d + h + 2), "layer 2": 4 * h * (h + h + 2), "output": h * q + q}
print(by_formula)
assert sum(by_formula.values()) == sum(p.numel() for p in model.parameters())

# %% [markdown] lang="en" id="forward"
# The same in shapes. `RNNModel` turns characters into one-hot vectors, runs the layers, and applies the output layer to
# all time steps at once; `nn.LSTM` puts time first.

# %% [markdown] lang="zh" id="forward"
# 再看形状。`RNNModel` 先把字符变成独热向量，然后逐层计算，最后对所有时间步一次性应用输出层；在 `nn.LSTM` 中，时间是第一个维度。

# %% id="forward-shapes"
state = model.begin_state(batch_size=batch_size, device=device)
O, (H, C) = model(X.to(device), state)
print("O", tuple(O.shape))  # (T * n, q)
print("H", tuple(H.shape), " C", tuple(C.shape))  # (L, n, h): one state per layer
assert O.shape == (num_steps * batch_size, q) and H.shape == C.shape == (num_layers, batch_size, h)

# %% [markdown] lang="en" id="perplexity"
# ## Training and prediction
#
# **Perplexity** is $\exp$ of the average cross-entropy per character,
#
# $$\exp\!\Big(-\frac{1}{T}\sum_{t=1}^{T} \ln P(x_{t+1} \mid x_1, \ldots, x_t)\Big),$$
#
# the number of characters among which the model is still undecided. Guessing blindly among the 28 tokens gives 28; being sure, and right,
# every time gives 1.
#
# The notes train for 500 epochs by SGD with learning rate 2. On a laptop that takes minutes, so the cell below really does it
# only where there is a GPU, or if you start Jupyter with `FULL=1`; otherwise it loads a run that was **recorded** earlier
# with this very code.

# %% [markdown] lang="zh" id="perplexity"
# ## 训练与预测
#
# **困惑度**是对每个字符的平均交叉熵取 $\exp$：
#
# $$\exp\!\Big(-\frac{1}{T}\sum_{t=1}^{T} \ln P(x_{t+1} \mid x_1, \ldots, x_t)\Big),$$
#
# 可以理解为模型还在多少个字符之间犹豫不决。在 28 个词元中盲猜，困惑度为 28；每次都确信无疑而且猜对，困惑度为 1。
#
# 笔记中的设置是 SGD、学习率 2、训练 500 个迭代周期。这在笔记本电脑上要花好几分钟，所以只有在有 GPU，或启动 Jupyter 时设置了 `FULL=1`
# 的情况下，下面的单元才会真正训练；否则载入事先用同一段代码**录制**好的结果。

# %% id="train-notes"
corpus = utils.load_corpus()  # the same 10,000 characters, and the 5,000 after them
num_epochs, lr = 500, 2
if utils.FULL:
    with utils.recording("deep_lstm", corpus.held_out) as run:
        d2l.train_ch8(model, train_iter, vocab, lr * 1.0, num_epochs, device)
else:
    run = utils.load_run("deep_lstm")
print(run)

# %% id="plot-notes"
plot = utils.LivePlot(num_epochs, title=run.about["origin"])
plot.follow([r._replace(held_out=None) for r in run.records], "LSTM 2 x 256\nSGD, lr 2");

# %% [markdown] lang="en" id="plateau"
# For dozens of epochs nothing seems to happen: the perplexity stays where the *frequencies of the letters* alone would bring it
# (exercise 2 computes that number). Then the network finds words, and at the end its perplexity is 1.0.
#
# And what does it write? Let us look for its two lines in the training text.

# %% [markdown] lang="zh" id="plateau"
# 开头的几十个迭代周期里似乎什么也没有发生：困惑度停在只靠*字母频率*就能达到的水平（练习 2 会算出这个数）。随后网络逐渐学会单词，最终困惑度降到 1.0。
#
# 那么它写了些什么？我们在训练文本里找一找这两行文字。

# %% id="copied"
book = "".join(vocab.to_tokens(corpus.train.tolist()))
for line in run.generated:
    pieces = [line[i:j] for i in range(len(line)) for j in range(i, len(line) + 1) if line[i:j] in book]
    longest = max(pieces, key=len)
    print(f"{len(longest)} of {len(line)} characters stand in the book in one piece: {longest!r}")

# %% [markdown] lang="en" id="memory-or-language"
# ## Memory or language?
#
# It recites. So the perplexity of 1 was measured on a text that the network has read 500 times, and could repeat. `corpus.held_out` holds the 5,000
# characters that follow in the book, which it has never seen. **Predict:** is the perplexity there 1.1? 3? 10? More?

# %% [markdown] lang="zh" id="memory-or-language"
# ## 记住了原文，还是学会了语言？
#
# 它在背书。也就是说，困惑度 1 是在它读过 500 遍、能够背出来的文字上测得的。`corpus.held_out` 是书中紧接着的 5,000 个字符，它从未见过。
# **猜一猜：** 在那里困惑度是 1.1？3？10？还是更大？

# %% id="plot-held-out"
plot = utils.LivePlot(num_epochs, title=run.about["origin"])
plot.follow(run.records, "LSTM 2 x 256\nSGD, lr 2")
best = min(run.records, key=lambda r: r.held_out)
for r in (best, run.records[-1]):
    print(f"epoch {r.epoch}: training {r.perplexity:.2f}, held-out {utils.shorten(r.held_out)}")

# %% [markdown] lang="en" id="memory"
# The dashed curve falls while the network learns what English has in general, such as common letters and short words. From its lowest point on, the
# network learns only what *these* 10,000 characters have in particular, and pays for that everywhere else: its guesses on new text
# become ever more certain, and are wrong, until it does worse than guessing blindly (28).
# With more than 800,000 parameters for 10,000 characters, it can afford to learn the text by heart.
#
# That is why from here on **no training perplexity is shown without the held-out one beside it**.

# %% [markdown] lang="zh" id="memory"
# 虚线先下降：这时网络学到的是英语的一般规律，比如常见字母和短单词。过了最低点以后，它学到的只是*这* 10,000 个字符的特殊之处，代价由其他所有文本承担：
# 对新文本的预测越来越自信，却是错的，最后还不如盲猜（28）。超过 80 万个参数对付 10,000 个字符，足够把原文背下来。
#
# 所以从这里起，**训练困惑度旁边总会画出留出（held-out）文本上的困惑度**。

# %% [markdown] lang="en" id="fast"
# ## The same in half a minute
#
# Adam adapts the step size of every parameter and leaves the plateau almost at once. Same network, same minibatches; `utils.fit` is
# D2L's training loop, written as a generator that hands out one record per epoch (you write this loop yourself in lesson 2).
# **Watch both curves** and say aloud when you would stop.

# %% [markdown] lang="zh" id="fast"
# ## 半分钟内完成同样的训练
#
# Adam 为每个参数调整步长，很快就能离开平台期。网络和小批量都与刚才相同；`utils.fit` 就是 D2L 的训练循环，只是写成了生成器，每个迭代周期交出一条记录
# （第 2 课会亲手写这个循环）。**请同时盯住两条曲线**，并说出你会在什么时候停下来。

# %% id="train-fast"
utils.seed_everything(0)
fast = d2l.RNNModel(nn.LSTM(num_inputs, num_hiddens, num_layers), len(vocab)).to(device)
training = utils.fit(
    fast, train_iter, lr=0.005, num_epochs=utils.epochs(50), optimizer="adam", held_out=corpus.held_out
)
records = utils.LivePlot(50).follow(training, "LSTM 2 x 256\nAdam, lr 0.005")

# %% id="compare-recipes"
tokens_per_epoch = 8 * batch_size * num_steps  # eight minibatches fit into 10,000 characters

def seconds_to(perplexity, records):
    """Seconds of training until the training perplexity is first at or below a value; None if it never is."""
    seconds = 0.0
    for r in records:
        seconds += tokens_per_epoch / r.tokens_per_sec
        if r.perplexity <= perplexity:
            return seconds

for name, rs in ((f"SGD, lr 2 ({run.about['origin']})", run.records), ("Adam, lr 0.005 (just now)", records)):
    t = seconds_to(1.1, rs)
    best = min(rs, key=lambda r: r.held_out)
    print(f"{name}: training 1.1 after {'-' if t is None else round(t)} s; best held-out {best.held_out:.2f} at epoch {best.epoch}")

# %% [markdown] lang="en" id="fast-lesson"
# The story is the same, told faster: the training curve falls towards 1, and the held-out curve turns upwards long before. An optimiser does not
# cure a network of learning by heart. What does help: stopping at the lowest point of the dashed line (early stopping), a smaller network, dropout, and above all
# more text.

# %% [markdown] lang="zh" id="fast-lesson"
# 故事还是那个故事，只是讲得更快：训练曲线降向 1，而留出曲线早已掉头向上。换优化器治不好死记硬背。真正有用的是：在虚线最低处停下（提前停止）、用更小的网络、暂退法，
# 以及最重要的：更多的文本。

# %% [markdown] lang="en" id="temperature"
# ## Temperature
#
# The network outputs logits $\mathbf{o} \in \mathbb{R}^q$. So far we took the likeliest character each time. To *sample* instead, divide by a
# **temperature** $\tau > 0$ first:
#
# $$P(x_{t+1} = i) = \operatorname{softmax}(\mathbf{o} / \tau)_i .$$
#
# $\tau \to 0$ is the greedy choice, $\tau = 1$ is the network's own distribution, and $\tau \to \infty$ is blind guessing.
# **Predict:** what will the text look like at $\tau = 2$?

# %% [markdown] lang="zh" id="temperature"
# ## 温度
#
# 网络输出的是未规范化的预测 $\mathbf{o} \in \mathbb{R}^q$。到目前为止，我们每次都取最可能的字符。如果改为*采样*，就先除以**温度** $\tau > 0$：
#
# $$P(x_{t+1} = i) = \operatorname{softmax}(\mathbf{o} / \tau)_i .$$
#
# $\tau \to 0$ 就是贪心选择，$\tau = 1$ 是网络自己的分布，$\tau \to \infty$ 则是盲猜。**猜一猜：** $\tau = 2$ 时写出的文字会是什么样子？

# %% id="temperature-lines"
generator = torch.Generator().manual_seed(0)
for tau in (0, 0.5, 1, 2):
    line = utils.generate(fast, vocab, "time traveller", 60, temperature=tau, generator=generator)
    print(f"tau = {tau:<4}", line)

# %% id="draw-temperature"
def draw_next(prefix, tau):
    """Draw P(next character | prefix) at temperature tau as bars."""
    utils.generate(fast, vocab, prefix, 0)  # a clear error for an empty prefix or an unknown character
    inputs = torch.tensor([vocab[list(prefix)]], device=device)  # (1, T)
    with torch.no_grad():
        O, _ = fast(inputs, fast.begin_state(batch_size=1, device=device))  # (T, q)
    P = torch.softmax(O[-1].cpu() / tau, dim=0)  # (q,)
    fig, ax = utils.new_figure(7, 2.6)
    ax.bar([c.replace(" ", "␣") for c in vocab.idx_to_token[1:]], P[1:])
    ax.set(ylim=(0, 1), ylabel="P", title=f"P( next | {prefix!r} ),  $\\tau$ = {tau:g}")
    return fig

draw_next("the time machi", 1.0)

# %% [markdown] lang="en" id="temperature-widget"
# Now with a slider, and with a prefix of your own. Try one that the book decides (`the time mach`) and one that it leaves open (`the `).

# %% [markdown] lang="zh" id="temperature-widget"
# 再换成滑块，前缀也可以自己输入。试试书中已经定死的前缀（`the time mach`），再试试悬而未决的前缀（`the `）。

# %% id="explore-temperature"
import ipywidgets as widgets

utils.explore(
    draw_next,
    prefix=widgets.Text("the ", description="prefix"),
    tau=widgets.FloatSlider(1.0, min=0.1, max=3, step=0.1, description="tau"),
)

# %% [markdown] lang="en" id="playground"
# ## The playground
#
# Move **Layers** and **Hidden units**, press **Train**, and watch. Training runs in the background: other cells and all controls stay usable, and **Stop** keeps the
# model. Every run stays in the plot (solid: training, dashed: held-out; the number at a curve's end is its row in the table), so you can compare.
# Copy the line **Settings** to give your neighbour exactly your run.
#
# Three things to find out:
# 1. Layers 1, then 2, then 3, everything else the same. Which reaches a training perplexity of 2 first? Which has the best held-out value?
# 2. Hidden units 32 against 256: which learns by heart, and which cannot?
# 3. Recipe *D2L (SGD)*, 40 epochs: where does it get stuck, and does a different learning rate help?

# %% [markdown] lang="zh" id="playground"
# ## 游乐场
#
# 拖动 **Layers**（层数）和 **Hidden units**（隐藏单元数），按 **Train**（训练），然后观察。训练在后台进行，其他单元和所有控件照常可用；**Stop**（停止）会保留当前模型，
# **Reset** 则全部清空。每次训练的曲线都会留在图上（实线为训练，虚线为留出；曲线末端的数字就是表中的行号），便于比较。
# 把 **Settings** 那一行复制给同学，他就能得到和你完全一样的训练。
#
# 请弄清三件事：
# 1. 层数依次取 1、2、3，其余不变。哪个最先把训练困惑度降到 2？哪个的留出困惑度最好？
# 2. 隐藏单元取 32 和 256：哪个能死记硬背，哪个做不到？
# 3. 选 *D2L (SGD)*，训练 40 个迭代周期：它卡在哪里？换一个学习率有用吗？

# %% id="show-playground"
playground = utils.Playground(corpus)
playground.show()

# %% [markdown] lang="en" id="playground-code"
# The buttons can be pressed from code as well, which is handy in a lecture:

# %% [markdown] lang="zh" id="playground-code"
# 按钮也可以用代码来按，讲课时很方便：

# %% id="drive-playground"
playground.start(layers=1, hidden_units=64, epochs=20)
playground.wait()

# %% [markdown] lang="en" id="exercises"
# ## Exercises
#
# Put your answer in place of `None` and run the cell. A solution is folded away below each: a click on the dots opens it.
#
# **1.** How many parameters has `nn.LSTM(28, 256, 3)`? (Without an output layer.)

# %% [markdown] lang="zh" id="exercises"
# ## 练习
#
# 把 `None` 换成你的答案，然后运行该单元。每题下方折叠着参考解答，点击省略号即可展开。
#
# **1.** `nn.LSTM(28, 256, 3)` 有多少个参数？（不含输出层。）

# %% id="exercise-1"
answer_1 = None

def check_1(answer):
    expected = sum(p.numel() for p in nn.LSTM(28, 256, 3).parameters())
    utils.check(answer, expected, "4h(d + h + 2) + 2 * 4h(h + h + 2), with d = 28 and h = 256")

check_1(answer_1)

# %% tags=["solution"] id="solution-1"
# @title Solution 1
solution_1 = 4 * 256 * (28 + 256 + 2) + 2 * 4 * 256 * (256 + 256 + 2)

# %% [markdown] lang="en" id="exercise-2-text"
# **2.** Where is the plateau of the first plot? Suppose a model ignores the past and always predicts the frequencies $p_i$ of the 10,000 training characters. Compute its
# perplexity on these characters, $\exp\!\big(-\sum_i p_i \ln p_i\big)$. (`corpus.train.bincount()` counts.)

# %% [markdown] lang="zh" id="exercise-2-text"
# **2.** 第一幅图的平台在什么高度？设想一个模型完全不看上文，总是按 10,000 个训练字符的频率 $p_i$ 来预测。求它在这些字符上的困惑度
# $\exp\!\big(-\sum_i p_i \ln p_i\big)$。（可以用 `corpus.train.bincount()` 计数。）

# %% id="exercise-2"
answer_2 = None

def check_2(answer):
    counts = torch.unique(corpus.train, return_counts=True)[1]
    entropy = torch.distributions.Categorical(counts.double()).entropy()
    utils.check(answer, entropy.exp().item(), "a model without memory can do no better: this is the plateau")

check_2(answer_2)

# %% tags=["solution"] id="solution-2"
# @title Solution 2
p = corpus.train.bincount().double() / len(corpus.train)
p = p[p > 0]  # <unk> never occurs
solution_2 = torch.exp(-(p * p.log()).sum()).item()

# %% [markdown] lang="en" id="exercise-3-text"
# **3.** Change one thing and predict: replace `nn.LSTM` by `nn.GRU`, same sizes (28, 256, 2). What fraction of the LSTM layers' parameters do the GRU layers have?

# %% [markdown] lang="zh" id="exercise-3-text"
# **3.** 改一处，先预测：把 `nn.LSTM` 换成 `nn.GRU`，大小不变（28, 256, 2）。GRU 各层的参数量是 LSTM 各层的几分之几？

# %% id="exercise-3"
answer_3 = None

def check_3(answer):
    lstm, gru = (sum(p.numel() for p in cell(28, 256, 2).parameters()) for cell in (nn.LSTM, nn.GRU))
    utils.check(answer, gru / lstm, "a GRU computes 3 sums per layer (2 gates, 1 candidate), an LSTM 4")

check_3(answer_3)

# %% tags=["solution"] id="solution-3"
# @title Solution 3
solution_3 = 3 / 4

# %% [markdown] lang="en" id="exercise-4-text"
# **4.** Early stopping: of the networks on the way of the fast run above (`records`), which one would you keep? Give its epoch.

# %% [markdown] lang="zh" id="exercise-4-text"
# **4.** 提前停止：在上面快速训练的途中（`records`），你会保留第几个迭代周期的网络？

# %% id="exercise-4"
answer_4 = None

def check_4(answer):
    best = min(records, key=lambda r: r.held_out)
    utils.check(answer, best.epoch, f"its held-out perplexity, {best.held_out:.2f}, is the lowest; later ones learn by heart")

check_4(answer_4)

# %% tags=["solution"] id="solution-4"
# @title Solution 4
solution_4 = records[int(torch.tensor([r.held_out for r in records]).argmin())].epoch

# %% [markdown] lang="en" id="summary"
# ## What we saw
#
# - A deep LSTM is `nn.LSTM(d, h, L)`: layer 1 reads the $d$ inputs, each further layer the $h$ states of the layer below, the output layer reads layer $L$.
# - Perplexity counts the characters among which a model is undecided: 28 for a blind guess, 1 for certainty.
# - Training perplexity 1 on 10,000 characters is **memory**. The held-out curve says so: it turns upwards early. Always draw both.
# - Adam tells the same story in a fraction of the time.
# - Temperature trades certainty for variety; it changes the choice of the character, not the network.
#
# {{next}}

# %% [markdown] lang="zh" id="summary"
# ## 小结
#
# - 深度 LSTM 就是 `nn.LSTM(d, h, L)`：第 1 层读取 $d$ 个输入，其余每层读取下面一层的 $h$ 个隐状态，输出层读取第 $L$ 层。
# - 困惑度表示模型在多少个字符之间犹豫：盲猜为 28，完全确定为 1。
# - 在 10,000 个字符上训练困惑度达到 1，靠的是**记忆**。留出曲线早早掉头向上，就是证据。两条曲线总要一起画。
# - Adam 用少得多的时间讲了同一个故事。
# - 温度用确定性换取多样性；它改变的是字符的选取方式，而不是网络本身。
#
# {{next}}
