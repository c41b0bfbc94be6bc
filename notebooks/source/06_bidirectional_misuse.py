# %% [markdown] lang="en" id="title"
# # 6 · The wrong use of a bidirectional network
#
# **The question of this lesson.** Replace `nn.LSTM` in [lesson 3](03_concise_lstm.ipynb) by a bidirectional one, train it as a language model (one that predicts the next character), and the perplexity falls to almost 1. Yet what it writes is
# `time travellererererer`. One of the two must be lying. Which, and how would you have noticed without looking at what it writes?
#
# **You need:** perplexity, held-out and test text (lesson 3), the forward and the backward direction ([lesson 5](05_bidirectional_rnn.ipynb)). **To read:** about {{minutes 06_bidirectional_misuse}} minutes. **Run time:** about a minute on a laptop without a GPU.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 6 · 双向循环神经网络的错误应用
#
# **本课的问题。** 把[第 3 课](03_concise_lstm.ipynb)中的 `nn.LSTM` 换成双向的，照样当作语言模型（预测下一个字符的模型）来训练，困惑度会降到接近 1。可它写出来的却是 `time travellererererer`。
# 两者之中必有一个在骗人。是哪一个？如果不看它写的文字，怎样才能发现？
#
# **预备知识：** 困惑度、留出文本和测试集（第 3 课）；前向与反向两个方向（[第 5 课](05_bidirectional_rnn.ipynb)）。**阅读时间：** 约 {{minutes 06_bidirectional_misuse}} 分钟。**运行时间：** 在没有 GPU 的笔记本电脑上约一分钟。
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

# %% [markdown] lang="en" id="scene"
# ## The scene
#
# In a bidirectional network every output reads two states, $\mathbf{H}_t = [\overrightarrow{\mathbf{H}}_t, \overleftarrow{\mathbf{H}}_t] \in \mathbb{R}^{n \times 2h}$: one has read the text from the left up to $t$, the other from the right. Lesson 5 filled blanks with it, and it was much better than one direction alone.
# So why not let it predict the next character as well? Here is the experiment of *Dive into Deep Learning* (D2L). Compared with lesson 3 only one argument is new, `bidirectional=True`, and the learning rate is 1 instead of 2.

# %% [markdown] lang="zh" id="scene"
# ## 案发现场
#
# 在双向网络中，每个输出都读取两个隐状态，$\mathbf{H}_t = [\overrightarrow{\mathbf{H}}_t, \overleftarrow{\mathbf{H}}_t] \in \mathbb{R}^{n \times 2h}$：一个从左边读到 $t$，另一个从右边读到 $t$。第 5 课用它来填空，效果比单向好得多。
# 那么，为什么不让它也来预测下一个字符呢？下面是《动手学深度学习》（D2L）中的实验：与第 3 课相比，只多了一个参数 `bidirectional=True`，学习率由 2 改为 1。

# %% id="load-data"
import torch
from torch import nn
from d2l import torch as d2l

batch_size, num_steps, device = 32, 35, d2l.try_gpu()
train_iter, vocab = d2l.load_data_time_machine(batch_size, num_steps)
corpus = utils.load_corpus()  # the same 10,000 characters, 5,000 held out, and 5,000 for the end

# %% id="build-model"
utils.seed_everything(0)
vocab_size, num_hiddens, num_layers = len(vocab), 256, 2
num_inputs = vocab_size
lstm_layer = nn.LSTM(num_inputs, num_hiddens, num_layers, bidirectional=True)
model = d2l.RNNModel(lstm_layer, len(vocab))
model = model.to(device)

# %% [markdown] lang="en" id="train-notes-text"
# As in lesson 3, the 500 epochs are run where there is a GPU or `FULL=1`; otherwise the cell loads a run **recorded** with this very code.

# %% [markdown] lang="zh" id="train-notes-text"
# 与第 3 课一样，有 GPU 或设置了 `FULL=1` 时才真正训练 500 个迭代周期；否则就载入事先用同一段代码训练并**保存**下来的记录。

# %% id="train-notes"
num_epochs, lr = 500, 1
if utils.FULL:
    torch.manual_seed(0)  # the first weights once more, should you run this cell again
    lstm_layer = nn.LSTM(num_inputs, num_hiddens, num_layers, bidirectional=True)
    model = d2l.RNNModel(lstm_layer, len(vocab)).to(device)
    with utils.recording("bidirectional_lstm", corpus.held_out) as run:
        d2l.train_ch8(model, train_iter, vocab, lr, num_epochs, device)
else:
    run = utils.load_run("bidirectional_lstm")
print(run)

# %% [markdown] lang="en" id="hypotheses"
# A perplexity of 1.1, and `travellererererer`. Lesson 3's network also came close to 1, and it wrote words. Three explanations offer themselves:
#
# 1. **Skill.** It really predicts that well, and only the writing goes wrong.
# 2. **Memory.** It knows the 10,000 training characters by heart, as lesson 3's network did.
# 3. **A leak.** It need not predict, because it is shown the answer.
#
# Memory is easy to test, and we know how: with text that it has never seen. There, the perplexity of lesson 3's network rose to about 50. **Predict:** where does that of this one end?

# %% [markdown] lang="zh" id="hypotheses"
# 困惑度 1.1，写出的却是 `travellererererer`。第 3 课的网络困惑度同样接近 1，写出来的是像样的单词。可能的解释有三种：
#
# 1. **真本事。** 它确实预测得这么好，只是写的时候出了毛病。
# 2. **记忆。** 和第 3 课的网络一样，它把 10,000 个训练字符背了下来。
# 3. **泄漏。** 它根本不用预测，因为答案就摆在它面前。
#
# 是不是记忆，很容易检验，方法也是现成的：换成它从未见过的文本。第 3 课的网络在这样的文本上，困惑度升到了 50 左右。**猜一猜：** 这个网络的留出困惑度最后是多少？

# %% tags=["hide-input"] id="plot-held-out"
# asks where the held-out curve ends, and then draws all four
lesson_3 = utils.load_run("deep_lstm")  # the same network with one direction
NOTES_RUNS = {f"lesson 3, lr {utils.RECIPES['D2L'].lr:g}": lesson_3, f"bidirectional, lr {lr}": run}

def draw_held_out():
    """Training (solid) and held-out perplexity (dashed) of both networks, epoch by epoch."""
    fig, ax = utils.new_figure(7, 2.8, place=(0.08, 0.18, 0.9, 0.7))
    for colour, (name, notes) in zip((utils.BLUE, utils.VERMILION), NOTES_RUNS.items()):
        epochs, training, held_out = zip(*(r[:3] for r in notes.records))
        ax.semilogy(epochs, training, color=colour, label=name)
        ax.semilogy(epochs, held_out, "--", color=colour, label=f"{name}, held-out")
    origins = dict.fromkeys(notes.about["origin"] for notes in NOTES_RUNS.values())
    ax.set(title=" and ".join(origins), xlabel="epoch", ylabel="perplexity", ylim=(0.93, 60))
    ax.set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    ax.legend(fontsize=9, frameon=False, loc=(0.62, 0.3))
    return fig

ends = "; ".join(f"{name}: training {notes.records[-1].perplexity:.2f}, "
                 f"held-out {notes.records[-1].held_out:.2f}" for name, notes in NOTES_RUNS.items())
options = {"between": (1, 60), "log": True, "because": ends, "show": draw_held_out}
utils.guess("held-out perplexity after 500 epochs", run.records[-1].held_out, **options)

# %% [markdown] lang="en" id="not-memory"
# **Evidence (a): it is not memory.** The dashed curve of the bidirectional network does not turn upwards as lesson 3's does. It falls with the solid one, and even lies a little below it most of the way (why will turn up later). Only the held-out curves tell the two networks apart.
#
# Skill, then? In 1951 Claude Shannon let people guess English letter by letter, with the 100 letters before in sight, from the same 27 symbols as ours. His estimate, 0.6 to 1.3 bits per letter, is a perplexity of $2^{0.6} \approx 1.5$ to $2^{1.3} \approx 2.5$. Our network, after ten thousand characters of practice, lies far below even the 1.5. A result that is too good to be true is a reason to look for the error.
#
# ## Two suspects, live
#
# We train two small networks that differ only in the argument `bidirectional`: one LSTM layer with 64 hidden units per direction, Adam, and D2L's way of carrying the state (`carry="d2l"`: both directions). **Watch the dashed lines.** At which epoch would you become suspicious?

# %% [markdown] lang="zh" id="not-memory"
# **证据（a）：不是记忆。** 双向网络的虚线没有像第 3 课的那样掉头向上，而是随实线一起下降，多数时候甚至比实线还低一点（原因后面会揭晓）。只有看留出曲线，才分得清这两个网络。
#
# 那么是真本事？1951 年，香农（Claude Shannon）请人逐个字母地猜英语：看着前面的 100 个字母，猜下一个（与我们一样，是 26 个字母加空格）。他估计每个字母的信息量为 0.6 到 1.3 比特，相当于困惑度 $2^{0.6} \approx 1.5$ 到 $2^{1.3} \approx 2.5$。而我们的网络只练习了一万个字符，就比 1.5 还低了一大截。结果好得不像真的，就该去找错误。
#
# ## 两名嫌疑人，当场对质
#
# 我们来训练两个小网络，只有参数 `bidirectional` 不同：一层 LSTM，每个方向 64 个隐藏单元，用 Adam 训练，并按 D2L 的方式传递状态（`carry="d2l"`：两个方向都传）。**请盯住虚线。** 到第几个迭代周期，你会起疑心？

# %% id="suspects"
def language_model(bidirectional, seed=0):
    """One LSTM layer with 64 hidden units per direction, and an output layer."""
    utils.seed_everything(seed)
    return d2l.RNNModel(nn.LSTM(len(vocab), 64, bidirectional=bidirectional), len(vocab))

# %% id="race"
def training(model, carry="d2l", seed=0):
    """Records of its training on the 10,000 characters, one per epoch."""
    options = {"lr": 0.01, "num_epochs": 14, "optimizer": "adam", "carry": carry}
    batches = utils.Batches(corpus.train, seed=seed)
    return utils.fit(model, batches, held_out=corpus.held_out, **options)

uni, bi = language_model(bidirectional=False), language_model(bidirectional=True)
suspects = {"unidirectional": uni, "bidirectional": bi}
race = utils.LivePlot(14).race({name: training(suspect) for name, suspect in suspects.items()})
for name, records in race.items():
    below = next((r.epoch for r in records if r.held_out < 2.5), "never")
    print(f"{name:<14} held-out {records[-1].held_out:.2f}, first epoch below 2.5: {below}")

# %% [markdown] lang="en" id="positions"
# At the fifth or sixth epoch at the latest: the dashed curve of the bidirectional network falls below 2.5, past Shannon's readers, and levels out a little above 1. The honest network stays near 8.
#
# ## Where is it so good?
#
# A perplexity averages over all positions. Take it apart: the held-out text is cut into windows of $T$ characters, each read from a zero state. For every position $t = 1, \ldots, T$ separately, what is the perplexity of predicting $x_{t+1}$? (`pages` are 10,000 characters from further on in the book; `corpus.test`, just before them, stays untouched until the verdict.)
#
# What does an honest network know at $t = 1$, and what at $t = 35$? **Predict** the other one's curve.

# %% [markdown] lang="zh" id="positions"
# 最迟到第五、第六个迭代周期，就该起疑心了：双向网络的虚线降到了 2.5 以下，胜过了香农的读者。它最后停在略高于 1 的地方，而诚实的网络仍在 8 左右。
#
# ## 它究竟好在哪里？
#
# 困惑度是对所有位置取平均的结果，我们把它拆开来看：把留出文本切成 $T$ 个字符的窗口，每个窗口都从零状态开始读。对每个位置 $t = 1, \ldots, T$ 分别计算：预测 $x_{t+1}$ 的困惑度是多少？（`pages` 是从书中更靠后的地方取的 10,000 个字符；紧挨在前面的 `corpus.test`，判决之前谁也不去碰。）
#
# 一个诚实的网络，在 $t = 1$ 时知道些什么，在 $t = 35$ 时又知道些什么？**猜一猜**双向网络的曲线是什么形状。

# %% id="by-position"
# the 70,000 characters after corpus.test: to be scored here, and to be learnt from further below
further = utils.load_corpus(max_tokens=20_000, held_out_tokens=70_000)
pages, more_pages = further.held_out.split([10_000, 60_000])

def by_position(T):
    """Held-out perplexity of both networks at each position of windows of T characters, (T,)."""
    return {name: utils.perplexity_by_position(s, pages, T) for name, s in suspects.items()}

positions = {T: by_position(T) for T in range(5, 61, 5)}  # all that the slider below can ask for

# %% tags=["hide-input"] id="draw-by-position"
STYLES = {
    "unidirectional": {"color": utils.BLUE, "marker": "o", "linestyle": "--", "markersize": 4},
    "bidirectional": {"color": utils.VERMILION, "marker": "s", "linestyle": "-", "markersize": 4},
}

def draw_by_position(T):
    """Held-out perplexity at each position of windows of T characters."""
    fig, ax = utils.new_figure(7, 2.6, place=(0.09, 0.19, 0.9, 0.7))
    for name, p in positions[T].items():
        ax.semilogy(range(1, T + 1), p, label=name, **STYLES[name])
    ax.set(xlabel="position t in the window", ylabel="perplexity", ylim=(0.9, 30))
    ax.set_title(f"held-out, T = {T}")
    ax.xaxis.get_major_locator().set_params(integer=True, nbins=7)
    ax.set_yticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    ax.set_yticks([], minor=True)
    ax.legend(loc=(0.03, 0.22))
    return fig

# %% tags=["hide-input"] id="guess-by-position"
# asks for the bidirectional network's curve, and then draws both
ends = "; ".join(
    f"{name}: first {p[0]:.2f}, median {p.median():.2f}, last but one {p[-2]:.2f}, last {p[-1]:.2f}"
    for name, p in positions[35].items())
options = {"at": (1, 12, 24, 34, 35), "between": (1, 30), "log": True, "because": ends}
options |= {"labels": ("position t", "perplexity"), "show": lambda: draw_by_position(35)}
curve = range(1, 36), positions[35]["bidirectional"].tolist()
utils.guess("bidirectional, perplexity by position, T = 35", curve, **options)

# %% [markdown] lang="en" id="spike-text"
# **Evidence (b): one position gives it away.** The honest network is worst at the first position, where it has read a single character, and then moves about one level. The bidirectional one is nearly perfect everywhere, *except at the last position*, the only one after which no text follows. So its power comes from the right.
#
# Is it the end of the window, and not the number 35? Move the end and see whether the spike goes with it.

# %% [markdown] lang="zh" id="spike-text"
# **证据（b）：一个位置露了馅。** 诚实的网络在第一个位置最差，因为那时它只读了一个字符，随后大致保持在同一水平。双向网络几乎处处完美，**唯独最后一个位置除外**，而只有这个位置后面不再有文本。可见它的本事来自右边。
#
# 真的是因为窗口到了尽头，而不是 35 这个数有什么特别吗？移动窗口的终点，看看尖峰会不会跟着走。

# %% tags=["hide-input"] id="explore-by-position"
import ipywidgets as widgets

T = widgets.IntSlider(35, min=5, max=60, step=5, description="T")
utils.explore(draw_by_position, T=T)

# %% [markdown] lang="en" id="leak"
# ## The path of the leak
#
# Take a pencil: which path leads from $x_{t+1}$ to the output $\mathbf{O}_t$ that is to predict it?

# %% [markdown] lang="zh" id="leak"
# ## 泄漏的路径
#
# 拿起笔来：从 $x_{t+1}$ 出发，沿哪条路可以走到本该预测它的输出 $\mathbf{O}_t$？

# %% tags=["hide-input"] id="figure-leak"
utils.show_figure("leak")

# %% [markdown] lang="en" id="leak-after"
# <details><summary>The figure in words</summary>Time steps t-1, t and t+1 of a bidirectional network in grey: inputs X below, forward and backward states above them, outputs O, and above O_t its target X_{t+1}. One thick vermilion path runs from the input X_{t+1} into the backward state at t+1, from there to the backward state at t, and into O_t, which is compared with its target: the same X_{t+1}, drawn in the same colour.</details>
#
# The target of position $t$ is the *input* of position $t+1$, and the backward direction reads it before it comes to $t$:
#
# $$\overleftarrow{\mathbf{H}}_t = \phi\big(\mathbf{X}_t \mathbf{W}_{xh}^{(b)} + \underbrace{\overleftarrow{\mathbf{H}}_{t+1}}_{\text{has read } \mathbf{X}_{t+1}} \mathbf{W}_{hh}^{(b)} + \mathbf{b}_h^{(b)}\big).$$
#
# Training finds this path within a few epochs; it asks for no English, only for handing on what was read one step before. Such a thing is called a **leak**: information about the answer that is there while you measure, and will not be there when it counts. When the network writes, $x_{t+1}$ does not exist yet. At the last position of a window the path is cut, too: hence the spike.
#
# So far this is a story that fits. The next three experiments *test* it.

# %% [markdown] lang="zh" id="leak-after"
# <details><summary>图的文字说明</summary>双向网络的三个时间步 t-1、t、t+1，均为灰色：下方是输入 X，往上是前向与反向隐状态，再往上是输出 O，O_t 的上方是它的目标 X_{t+1}。一条粗的朱红色路径从输入 X_{t+1} 进入 t+1 处的反向隐状态，再到 t 处的反向隐状态，最后进入 O_t；O_t 要与目标比较，而目标正是同一个 X_{t+1}，用同样的颜色画出。</details>
#
# 位置 $t$ 的目标，就是位置 $t+1$ 的**输入**，而反向在读到 $t$ 之前，已经读过它：
#
# $$\overleftarrow{\mathbf{H}}_t = \phi\big(\mathbf{X}_t \mathbf{W}_{xh}^{(b)} + \underbrace{\overleftarrow{\mathbf{H}}_{t+1}}_{\text{已读过 } \mathbf{X}_{t+1}} \mathbf{W}_{hh}^{(b)} + \mathbf{b}_h^{(b)}\big).$$
#
# 从前面的曲线看，训练只用几个迭代周期就找到了这条路：走这条路用不着懂英语，只要把上一步读到的字符传下去。这种现象叫**泄漏**（leak）：测量的时候，答案的信息就在眼前；真正要用的时候，它却不在了。网络写作时，$x_{t+1}$ 还不存在。在窗口的最后一个位置，这条路也是断的，所以才有那个尖峰。
#
# 到此为止，这只是一个说得通的故事。接下来的三个实验要**检验**它。

# %% [markdown] lang="en" id="prefix"
# ## Take the future away
#
# The definition of perplexity has $P(x_{t+1} \mid x_1, \ldots, x_t)$: a *prefix* to the right of the bar, nothing else. Take it literally: for every position $t$, give the network only $x_1, \ldots, x_t$ and score its last output. In such **prefix-only** scoring every prefix must be read anew, but no future can leak in, whatever the network looks like inside.
#
# The unidirectional network keeps its score, as the assertion below checks. **Predict:** what becomes of the other one's, which was near 1?

# %% [markdown] lang="zh" id="prefix"
# ## 拿走未来
#
# 困惑度的定义里写的是 $P(x_{t+1} \mid x_1, \ldots, x_t)$：竖线右边只有**前缀**，没有别的。我们就照字面来做：对每个位置 $t$，只让网络读 $x_1, \ldots, x_t$，只给它的最后一个输出打分。这叫**仅前缀**（prefix-only）评估。每个前缀都要从头读，所以更费时；但无论网络内部是什么样子，未来都不可能泄漏进来。
#
# 单向网络的得分不变，下面的断言检查了这一点。**猜一猜：** 双向网络的得分原来接近 1，现在会变成多少？

# %% id="prefix-only"
scores = {}
for name, suspect in suspects.items():
    full = utils.perplexity(suspect, corpus.held_out)
    prefix = utils.perplexity(suspect, corpus.held_out, prefix_only=True)
    scores[name] = full, prefix
assert abs(scores["unidirectional"][1] / scores["unidirectional"][0] - 1) < 1e-5

# %% tags=["hide-input"] id="draw-scores"
def draw_scores(scores):
    """Bars: each network's perplexity with the whole window in sight, and with prefixes only."""
    fig, ax = utils.new_figure(6.5, 2.4)
    styles = {"whole window": ("0.7", ""), "prefix only": (utils.GREEN, "//")}
    for k, (label, (colour, hatch)) in enumerate(styles.items()):
        places = [i + 0.36 * k - 0.18 for i in range(len(scores))]
        heights = [pair[k] for pair in scores.values()]
        style = {"color": colour, "hatch": hatch, "edgecolor": "white"}
        bars = ax.bar(places, heights, 0.36, label=label, **style)
        ax.bar_label(bars, fmt="%.2f")
    ax.set(ylabel="perplexity", ylim=(0, 1.2 * max(heights)))
    ax.set_xticks(range(len(scores)), list(scores))
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return fig

words = "; ".join(f"{name}: whole window {full:.4f}, prefix only {prefix:.4f}"
                  for name, (full, prefix) in scores.items())
options = {"between": (1, 60), "log": True, "because": words, "show": lambda: draw_scores(scores)}
utils.guess("bidirectional, perplexity prefix-only", scores["bidirectional"][1], **options)

# %% [markdown] lang="en" id="prefix-look"
# **Evidence (c).** For the unidirectional network both ways are the *same number*: it loses nothing, because it never looked at the future. For the bidirectional one they are worlds apart. And the honest score of the bidirectional network is *worse* than that of its rival, although it has more parameters. (Also for other first weights, and on other text? The verdict will tell.)
#
# This is the test to remember: it needs only the definition.

# %% [markdown] lang="zh" id="prefix-look"
# **证据（c）。** 对单向网络，两种方式得到的是**同一个数**：它本来就不看未来，拿走也毫无损失。对双向网络，两个数却有天壤之别。而且，对双向网络如实评估，困惑度比对手**更高**，尽管它的参数更多。（换一组初始权重、换一段文本，还是这样吗？判决时见分晓。）
#
# 请记住这个检验：它只需要定义。

# %% [markdown] lang="en" id="future"
# ## Change the future
#
# Now the opposite: there is a future, but a different one. In every window, keep $x_1, \ldots, x_t$ and replace the rest by that of *another* window of the book. An honest prediction at $t$ cannot notice.
#
# **Predict:** what will the bidirectional network say at position $t$ now: the old next character, the new one, or neither?

# %% [markdown] lang="zh" id="future"
# ## 换一个未来
#
# 现在反过来：未来还在，但换成另一个。在每个窗口中保留 $x_1, \ldots, x_t$，把其余部分换成书中**另一个窗口**的相应部分。诚实的网络在 $t$ 处预测时，不可能有任何察觉。
#
# **猜一猜：** 这时双向网络在位置 $t$ 会说什么：原来的下一个字符，新换上的字符，还是都不是？

# %% id="predict"
def predict(model, X):
    """Probabilities (T, n, q) of the next character at each position of the windows X (n, T)."""
    with torch.no_grad():
        O, _ = model(X, model.begin_state(batch_size=len(X), device=X.device))  # (T n, q)
    return O.reshape(X.shape[1], len(X), -1).softmax(dim=-1)

def other_future(X, t, shift):
    """The windows X (n, T): x_1 to x_t kept, the rest taken from the window `shift` further on."""
    return torch.cat([X[:, :t], X.roll(-shift, 0)[:, t:]], dim=1)

windows = pages[: 285 * 35].reshape(285, 35)  # (n, T)

# %% id="future-counts"
t, swaps = 20, []
changed = other_future(windows, t, shift=1)
old, new = windows[:, t], changed[:, t]  # x_{t+1} has index t, because Python counts from 0
differ = old != new
for name, suspect in suspects.items():
    before, after = predict(suspect, windows)[:t], predict(suspect, changed)[:t]  # (t, n, q)
    guess = after[-1].argmax(dim=-1)
    share_old, share_new = ((guess == x)[differ].float().mean() for x in (old, new))
    move = (after - before).abs().max()
    swaps.append([name, f"{move:.3g}", f"{share_old:.0%}", f"{share_new:.0%}"])

# %% tags=["hide-input"] id="guess-future"
# asks what the bidirectional network says, and then shows the table
head = ["up to t = 20", "largest move of any P", "says the book's x_21", "says the new x_21"]
counted = utils.table(head, swaps)
options = {"choices": ("the old one", "the new one", "neither")}
options["show"] = lambda: counted
utils.guess("most often the bidirectional network says", "the new one", **options)

# %% [markdown] lang="en" id="future-look"
# **Evidence (d).** Not one probability of the unidirectional network moves, and the difference is not small but *exactly* 0: the future is not among its inputs. The bidirectional network says, nine times out of ten, whatever we have put there. It does not predict the next character. It **reads it out**.
#
# Look at single cases. Hollow bars: the book's own future. Filled: the other one. Triangles mark $x_{t+1}$ in both. In the first case (` the time traveller `, followed by `hated to have s` or by `nner for a hot `) the bars of the unidirectional network (at the top) coincide, and the tall bar of the other moves from `h` to `n`.

# %% [markdown] lang="zh" id="future-look"
# **证据（d）。** 单向网络的概率没有一个发生变化，差别不是很小，而是**恰好**为 0：未来根本不在它的输入里。双向网络呢，十次里有九次是换上什么就说什么。它不是在预测下一个字符，而是把它**念出来**。
#
# 来看具体的例子。空心柱：书中原来的未来；实心柱：换上的未来。三角形标出两种情况下的 $x_{t+1}$。在第一个例子里（` the time traveller ` 后面接 `hated to have s` 或 `nner for a hot `），单向网络（上方）的两组柱子完全重合，双向网络唯一的高柱则从 `h` 移到了 `n`。

# %% tags=["hide-input"] id="bars"
from matplotlib import rcParams
from matplotlib.collections import PolyCollection

def bars(P, floor, width, **style):
    """A bar for each character, (q - 1,), as high as P above the floor; all of them one thing."""
    sides = [(k - width / 2, k + width / 2, floor + p) for k, p in enumerate(P.tolist())]
    corners = [[(a, floor), (a, top), (b, top), (b, floor)] for a, b, top in sides]
    return PolyCollection(corners, **style)

# %% tags=["hide-input"] id="draw-future"
def draw_future(window, t, shift):
    """P(next) at position t, with the book's own future and with that of another window."""
    X = windows[window : window + 1]
    changed = other_future(windows, t, shift)[window : window + 1]
    pieces = X[0, :t], X[0, t:], changed[0, t:]
    kept, own, other = ("".join(vocab.to_tokens(ids.tolist())) for ids in pieces)
    fig, ax = utils.new_figure(8.5, 3.4, place=(0.06, 0.15, 0.93, 0.71))
    family = ["monospace", *rcParams["font.family"]]
    ax.set_title(f"book:  {kept}|{own}\nother: {kept}|{other}", family=family, fontsize=10)
    for floor, (name, suspect) in zip((1.4, 0), suspects.items()):
        before, after = (predict(suspect, x)[t - 1, 0, 1:] for x in (X, changed))  # (q - 1,)
        colour, moved = STYLES[name]["color"], (before - after).abs().max()
        hollow = {"facecolor": "none", "edgecolor": "0.2", "label": "book's future"}
        ax.add_collection(bars(before, floor, width=0.9, **hollow))
        ax.add_collection(bars(after, floor, width=0.5, color=colour, label="other future"))
        ax.plot(X[0, t] - 1, floor + 1.2, "v", markerfacecolor="none", color="0.2", markersize=7)
        ax.plot(changed[0, t] - 1, floor + 1.1, "v", color=colour)
        ax.text(26.4, floor + 0.9, f"{name}: P moves by {moved:.2g}", ha="right")
    for k, character in enumerate(["␣", *vocab.idx_to_token[2:]]):  # without 0, <unk>
        ax.annotate(character, (k, 0), (0, -11), textcoords="offset points", ha="center")
    ax.set(xlim=(-0.6, 26.6), ylim=(0, 2.7), xticks=[], ylabel="P(next)")
    ax.set_xlabel("next character", labelpad=16)
    ax.set_yticks([0, 1, 1.4, 2.4], ["0", "1", "0", "1"])
    ax.legend(handles=ax.collections[:2], fontsize=9, loc=(0.82, 0.62), frameon=False)
    return fig

# %% tags=["hide-input"] id="explore-future"
utils.explore(
    draw_future,
    window=widgets.IntSlider(60, min=0, max=100, description="window"),
    t=widgets.IntSlider(20, min=1, max=34, description="t"),
    shift=widgets.IntSlider(1, min=0, max=20, description="other future"),
)

# %% [markdown] lang="en" id="gradient"
# ## What does a prediction listen to?
#
# Now ask calculus. The logits of position $t$ form a vector $\mathbf{o}_t \in \mathbb{R}^q$, and the one-hot input at position $s$ a vector $\mathbf{x}_s \in \mathbb{R}^d$. How strongly the former depends on the latter is the size of the Jacobian matrix of all partial derivatives,
#
# $$G_{ts} = \left\lVert \frac{\partial \mathbf{o}_t}{\partial \mathbf{x}_s} \right\rVert_F ,\qquad \frac{\partial \mathbf{o}_t}{\partial \mathbf{x}_s} \in \mathbb{R}^{q \times d},$$
#
# the root of the sum of its squared entries (its Frobenius norm, hence the $F$). A backward pass gives the gradient of *one* number, $o_{tj}$, at all $s$ at once: row $j$ of the matrices. So the code makes one pass for each $t$ and $j$, and adds up squares.
#
# **Predict** what a picture of $G$ looks like for each network: $t$ downwards, $s$ to the right.

# %% [markdown] lang="zh" id="gradient"
# ## 预测在听谁的？
#
# 也可以求导。位置 $t$ 的各个 logit 组成向量 $\mathbf{o}_t \in \mathbb{R}^q$，位置 $s$ 的独热输入是向量 $\mathbf{x}_s \in \mathbb{R}^d$。前者对后者的依赖有多强，可以用雅可比矩阵（由全部偏导数组成）的大小来衡量：
#
# $$G_{ts} = \left\lVert \frac{\partial \mathbf{o}_t}{\partial \mathbf{x}_s} \right\rVert_F ,\qquad \frac{\partial \mathbf{o}_t}{\partial \mathbf{x}_s} \in \mathbb{R}^{q \times d},$$
#
# 也就是矩阵各元素平方和的平方根（即弗罗贝尼乌斯范数，下标 $F$ 由此而来）。一次反向传播求的是**一个**数 $o_{tj}$ 对所有 $s$ 的梯度，也就是各个矩阵的第 $j$ 行。所以代码对每个 $t$ 和 $j$ 各做一次反向传播，再把平方加起来。
#
# **猜一猜：** 对这两个网络，画出来的 $G$ 各是什么样子（$t$ 向下，$s$ 向右）？

# %% id="gradient-norms"
from torch.nn import functional as F  # not the F of a norm, nor a forget gate

def gradient_norms(model, X):
    """G (T, T) of the equation above, averaged over the windows X (n, T)."""
    inputs = F.one_hot(X.T, model.vocab_size).float().requires_grad_()  # (T, n, q)
    O = model.linear(model.rnn(inputs)[0])  # (T, n, q)
    T, n, q = O.shape
    squares = torch.zeros(T, T, n)
    for t in range(T):
        for j in range(q):  # of all windows at once: none of them depends on another
            (row,) = torch.autograd.grad(O[t, :, j].sum(), inputs, retain_graph=True)  # (T, n, q)
            squares[t] += row.square().sum(dim=2)  # (T, n)
    return squares.sqrt().mean(dim=2)

short_windows = pages[: 8 * 20].reshape(8, 20)  # (n, T)
G = {name: gradient_norms(suspect, short_windows) for name, suspect in suspects.items()}
untrained = gradient_norms(language_model(bidirectional=True), short_windows)
future = torch.ones(20, 20).triu(1) > 0  # s > t
for name, g in {**G, "bidirectional, untrained": untrained}.items():
    ahead = g.argmax(dim=1) - torch.arange(20)  # (T,): s - t of each row's largest entry
    print(f"{name:<25} exact zeros at s > t: {(g[future] == 0).sum()} of {future.sum()};", end=" ")
    print(f"rows whose largest is at s = t: {(ahead == 0).sum()}, at t + 1: {(ahead == 1).sum()}")

# %% tags=["hide-input"] id="draw-gradient"
from matplotlib.colors import LogNorm

def draw_gradient(G):
    """G of each network as a heat map on a log scale; white: exactly zero."""
    fig, axes = utils.new_figure(7.5, 3.6, columns=2)
    for ax, (name, g) in zip(axes, G.items()):
        style = {"norm": LogNorm(0.01, 50), "extent": (0.5, 20.5, 20.5, 0.5), "aspect": "auto"}
        image = ax.imshow(g.where(g > 0, torch.nan), **style)
        ax.set(title=name, xlabel="s (input)")
        ax.set_xticks(range(1, 21, 3))
        ax.set_yticks(range(1, 21, 3))
    axes[0].set_ylabel("t (prediction)")
    fig.colorbar(image, ax=axes, label="$G_{ts}$")
    return fig

draw_gradient(G)

# %% [markdown] lang="en" id="gradient-look"
# **Evidence (e).** A triangle and a square. Every entry of the unidirectional network with $s > t$ is exactly zero (white): it cannot hear the future. In the bidirectional one not a single entry is zero, and the third line says that this was so before any training. The zeros belong to the architecture, and the verdict rests on them. Training has only moved the largest entry of most rows from $s = t$ to $s = t + 1$, the very character that is to be predicted. The case is closed: it is a leak.

# %% [markdown] lang="zh" id="gradient-look"
# **证据（e）。** 一个三角形，一个正方形。单向网络中 $s > t$ 的元素全部恰好为零（白色）：未来它听不见。双向网络则没有一个元素为零，而且第三行输出说明，训练之前就是如此。零与非零由结构决定，判决依据的正是这一点。训练只是把多数行中最大的元素从 $s = t$ 移到了 $s = t + 1$，也就是要它预测的那个字符。可以结案了：这是泄漏。

# %% [markdown] lang="en" id="carried"
# ## A second error: the carried state
#
# D2L's training loop hands the final state of a minibatch to the next one, *both* directions of it. For the forward direction that is right: row $i$ of the next minibatch goes on where row $i$ ended. But the final state of the backward direction stands at the *beginning* of the old window, and is handed over as if it had come from the text *after* the new one.
#
# Measure it on consecutive held-out windows. The initial state of one direction is, in turn: zeros; the carried one; the carried one **of another row**, from another place in the book; and, for the backward direction, the true one, from reading the following window. **Predict:** which of them help, and at which positions?

# %% [markdown] lang="zh" id="carried"
# ## 第二个错误：传递下来的状态
#
# D2L 的训练循环把一个小批量的最终状态交给下一个小批量，而且**两个方向**都交。对前向来说，这是对的：下一个小批量的第 $i$ 行，正是从第 $i$ 行结束的地方接着读。但反向的最终状态停在旧窗口的**开头**，却被当成了读完新窗口**后面**的文本所得的状态。
#
# 我们在相邻的留出窗口上测量。某个方向的初始状态依次取：零；传下来的状态；**另一行**（即书中另一处）传下来的状态；反向还要再取真正该有的状态，即读完后一个窗口所得的状态。**猜一猜：** 其中哪些有帮助？对哪些位置有帮助？

# %% id="read"
def read(model, X, Y, state):
    """Losses (T, n) on windows X (n, T), targets Y, from an initial state; and the final state."""
    with torch.no_grad():
        O, state = model(X, state)  # (T n, q)
    return F.cross_entropy(O, Y.T.flatten(), reduction="none").reshape(X.shape[1], -1), state

def only(direction, state):
    """A layer's state (directions, n, h), zero but for one direction (0: forward, 1: backward)."""
    keep = torch.arange(len(state[0])) == direction
    return tuple(s * keep[:, None, None] for s in state)

# %% id="initial-states"
# row i of each minibatch goes on where row i of the one before ended
minibatches = list(utils.Batches(pages, batch_size=8))

def by_initial_state(model, direction):
    """Perplexity by position (T,) for initial states of one direction, the other's being zero."""
    zero = carried = model.begin_state(batch_size=8, device="cpu")
    losses = {}
    for i, ((X, Y), following) in enumerate(zip(minibatches, minibatches[1:])):
        if i > 0:  # the first has nothing carried
            initial = {"zeros": zero, "carried": only(direction, carried)}
            initial["of another row"] = only(direction, tuple(s.roll(1, 1) for s in carried))
            if direction == 1:
                initial["true"] = only(1, read(model, *following, zero)[1])
            for name, state in initial.items():
                losses.setdefault(name, []).append(read(model, X, Y, state)[0])
        _, carried = read(model, X, Y, carried)  # as D2L's loop does
    return {name: torch.cat(rows, dim=1).mean(dim=1).exp() for name, rows in losses.items()}

forward, backward = by_initial_state(uni, direction=0), by_initial_state(bi, direction=1)

# %% tags=["hide-input"] id="draw-initial-states"
INITIAL_STATES = {  # colour, marker, line
    "zeros": (utils.BLACK, "o", "-"),
    "carried": (utils.VERMILION, "s", "--"),
    "of another row": (utils.SKY, "^", ":"),
    "true": (utils.GREEN, "D", "-."),
}

def draw_initial_states(forward, backward):
    """Perplexity by position for several initial states, near the end where a direction begins."""
    fig, axes = utils.new_figure(8, 2.8, columns=2)
    titles = "initial state of the forward direction", "initial state of the backward direction"
    ends = (0.5, 10.5), (25.5, 35.5)
    for ax, curves, title, end in zip(axes, (forward, backward), titles, ends):
        for name, perplexities in curves.items():
            colour, marker, line = INITIAL_STATES[name]
            style = {"color": colour, "marker": marker, "markersize": 4, "label": name}
            ax.semilogy(range(1, 36), perplexities, line, **style)
        ax.set(title=title, xlabel="position t", xlim=end, ylim=(0.8, 400))
        ax.set_yticks([1, 3, 10, 30, 100, 300], ["1", "3", "10", "30", "100", "300"])
        ax.legend(fontsize=9)
    axes[0].set_ylabel("perplexity")
    return fig

draw_initial_states(forward, backward)

# %% tags=["hide-input"] id="state-starts"
# the same with five starts, recorded
def trained(bidirectional, carry, seed):
    """A network of the race from other first weights, trained, and its last record."""
    model = language_model(bidirectional, seed)
    *_, last = training(model, carry, seed)
    return model, last

def one_start(seed):
    """Perplexity by initial state, 3 forward, 4 backward; after training, for each way to carry."""
    (one, _), (both, d2l_way), (_, our_way) = (
        trained(*how, seed) for how in ((False, "d2l"), (True, "d2l"), (True, "forward")))
    first = [p[0].item() for p in by_initial_state(one, direction=0).values()]
    last = [p[-1].item() for p in by_initial_state(both, direction=1).values()]
    return *first, *last, *d2l_way[1:3], *our_way[1:3]

rows, about = utils.recorded("misuse_states", lambda: [one_start(seed) for seed in range(5)])
states, states_origin = list(zip(*rows)), about["origin"]  # columns: the five starts' numbers

# %% tags=["hide-input"] id="initial-states-table"
def span(values, form=".2f"):
    """The lowest and the highest of several starts' numbers, as text."""
    return " to ".join(dict.fromkeys(f"{end:{form}}" for end in (min(values), max(values))))

rows = [["forward, first position", *map(span, states[:3]), ""]]
rows.append(["backward, last position", *map(span, states[3:7])])
utils.table([f"{states_origin}, five starts", *backward], rows)

# %% tags=["hide-input"] id="carry-control"
# prints the control: the same five starts, trained with either way to carry
carries = dict(zip(("both directions carried", "forward only"), (states[7:9], states[9:])))
for name, (solid, dashed) in carries.items():
    print(f"{name:<24} training {span(solid, '.3f')}, held-out {span(dashed, '.3f')}")
for which, curve in enumerate(("training", "held-out")):
    utils.ranking({f"{name} ({curve})": pair[which] for name, pair in carries.items()})

# %% [markdown] lang="en" id="carried-look"
# Left, the unidirectional network: the carried state helps at the first positions, because it knows what came before; that of another row tells of another place, and does harm. Right, the bidirectional one: the carried state does about as much harm as one from anywhere else in the book, and both are far worse than zeros. The true state makes the spike vanish, because it has read $x_{T+1}$. So the table says of five starts.
#
# It also spoils the training: the same starts trained with `carry="forward"` end lower, on both texts, and with the training perplexity *below* the held-out one. It was the carried state, never used for the dashed curve, that had put the solid one on top. So `utils.fit` carries only the forward direction, unless told otherwise.
#
# But *why* is the carried state so harmful? The backward state carried over has last read the **first character of the previous window**. **Predict** what the network expects after the end of the new one.

# %% [markdown] lang="zh" id="carried-look"
# 左图是单向网络：传下来的状态知道前文，对开头几个位置有帮助；换成另一行的则有害，因为它说的是书中另一处的事。右图是双向网络：传下来的状态与取自书中别处的状态差不多同样有害，两者都远不如零状态。而真正该有的状态让尖峰消失了，因为它读过 $x_{T+1}$。表中五个随机起点的结果也是如此。
#
# 它还会妨碍训练：同样的起点，改用 `carry="forward"` 训练，在两段文本上结束时都更低，而且训练困惑度**低于**留出困惑度。算虚线时从不使用传下来的状态；先前实线之所以高于虚线，原因就在这个状态。所以 `utils.fit` 默认只传前向的状态。
#
# 但传下来的状态**为什么**这么有害？这个反向状态最后读到的，是**前一个窗口的第一个字符**。**猜一猜：** 网络会认为新窗口的末尾之后是什么字符？

# %% id="echo"
state, hits = bi.begin_state(batch_size=8, device="cpu"), []
with torch.no_grad():
    for i, (X, Y) in enumerate(minibatches):
        O, state = bi(X, state)  # both directions carried
        if i > 0:
            guess = O.reshape(35, 8, -1)[-1].argmax(dim=-1)  # (n,): at the last position
            hits.append(torch.stack([guess == Y[:, -1], guess == minibatches[i - 1][0][:, 0]]))
right, echo = torch.stack(hits).float().mean(dim=(0, 2))
print(f"at the last position: right {right:.0%}, first character of the previous window {echo:.0%}")

# %% [markdown] lang="en" id="writes"
# Nine times out of ten it repeats the first character of the previous window, as if that came next. This explains the famous line, too. D2L's **decoder**, the loop that writes text, reads *one* character at a time and carries both states. When it reads $x_t$, the backward state that it starts from has last read $x_{t-1}$; so the network takes $x_{t-1}$ for the character that comes *after* $x_t$, and "reads it out".
# **Predict** what it writes after `it is` and after `the time machine`.

# %% [markdown] lang="zh" id="writes"
# 十次里有九次，它重复的是前一个窗口的第一个字符，好像那就是下文。现在，那行著名的文字也能解释了。D2L 的**解码器**，也就是写出文字的那个循环，每次只读**一个**字符，并传递两个方向的状态。读 $x_t$ 时，反向从传来的状态出发，而这个状态最后读到的是 $x_{t-1}$；于是网络把 $x_{t-1}$ 当成 $x_t$ **后面**的字符，把它“念了出来”。
# **猜一猜：** 在 `it is` 和 `the time machine` 之后，它会写什么？

# %% id="echo-lines"
for prefix in ("time traveller", "it is", "the time machine"):
    print(utils.generate(bi, vocab, prefix, 20))

# %% [markdown] lang="en" id="decoders"
# Does the stammer come from the leak as such, or from the decoder? A decoder can also read the whole text again for every new character, from a zero state (`reencode=True`). Then nothing wrong is carried, and the network stands at its spike, the last position. Compare both decoders, taking the likeliest character ($\tau = 0$) and sampling ($\tau = 1$).

# %% [markdown] lang="zh" id="decoders"
# 那么，结巴是泄漏本身造成的，还是解码器造成的？解码器也可以换一种做法：每写一个新字符，都从零状态把全文重读一遍（`reencode=True`）。这样就不会传递错误的状态，网络始终处在尖峰所在的最后一个位置。下面比较两种解码器：每次取概率最大的字符（$\tau = 0$），或者采样（$\tau = 1$）。

# %% id="decode"
for name, suspect in suspects.items():
    for reencode in (False, True):
        for tau in (0, 1):
            options = {"temperature": tau, "reencode": reencode}
            options["generator"] = torch.Generator().manual_seed(0)
            line = utils.generate(suspect, vocab, "time traveller", 50, **options)
            print(f"{name:<15}{'read anew' if reencode else 'carried':<10} tau = {tau}  {line}")

# %% id="stammer"
def repeats(network, reencode):
    """The share of 500 sampled characters that repeat the last but one."""
    options = {"temperature": 1, "generator": torch.Generator().manual_seed(0)}
    line = utils.generate(network, vocab, "time traveller", 500, reencode=reencode, **options)[12:]
    return sum(x == y for x, y in zip(line, line[2:])) / 500

def one_stammer(seed):
    network, _ = trained(True, "d2l", seed)
    return [repeats(network, reencode) for reencode in (False, True)]

stammers, about = utils.recorded("misuse_stammer", lambda: list(map(one_stammer, range(5))))
print(f"{about['origin']}, five starts: characters that repeat the last but one, tau = 1")
for name, shares in zip(("carried", "read anew"), zip(*stammers)):
    print(f"{name:<10} {span(shares, '.0%')}")

# %% [markdown] lang="en" id="decode-look"
# **Evidence (f), and a warning.** For the unidirectional network both decoders write the same; for the bidirectional one, reading anew ends the stammer at every start: the carried state had made it. But taking the likeliest character each time, *both* networks get caught in a loop here, the honest one too. So nonsense does not prove a leak, and fluent text would not disprove one. The verdict rests on (b) to (e).

# %% [markdown] lang="zh" id="decode-look"
# **证据（f），以及一个提醒。** 对单向网络，两种解码器写出的文字相同；对双向网络，改为每次重读全文，从哪个随机起点出发，结巴都不再出现：它是传下来的状态造成的。不过，每次都取概率最大的字符时，这里的**两个**网络都陷入了循环，诚实的那个也不例外。所以，写出胡话并不能证明泄漏，写得通顺也不能证明没有泄漏。判决的依据是（b）到（e）。

# %% [markdown] lang="en" id="playground"
# ## The playground
#
# As in lesson 3, now with the switch **{{label bidirectional}}** (trained with `carry="forward"`). A first, bidirectional run with 64 hidden units is there already; both its curves fall to about 1.2.
#
# Three things to find out. **Predict** first; then paste a line into **{{label settings}}**, press **{{label train}}**, wait for its end, and paste the next. The answers are folded away; their ranges are those of five random starts, seeds 0 to 4.
#
# **1. One direction or both?** After how many epochs do the two *dashed* curves part? And the solid ones? Which network does as well on new text as on its own?
#
# ```
# layers=1 hidden_units=64 epochs=20
# layers=1 hidden_units=64 epochs=20 bidirectional=True
# ```
#
# <details><summary>Answer 1</summary>The dashed ones part at once: after the first epoch they stand at 18 to 23 in one direction, at 12 to 15 in both. The solid ones are still close then, 24 to 30 and 21 to 26, because each of their points is an average over the whole epoch; after the second they have parted as well, 16 to 20 and 9 to 11. At the end one direction has 5.0 to 5.4 on its own text and 6.8 to 7.1 on new text; both directions have 1.07 to 1.08 and 1.08 to 1.10. What is copied need not be learnt by heart, so new text is copied just as well. Two directions have twice the parameters, but that is not why: one direction with as many, <code>hidden_units=96</code>, ends at 6.7 to 7.1 on new text.</details>
#
# **2. How large must a copier be?** 16 hidden units in each direction against 256 in one, that is, 6,812 parameters against 300,060. Which is better on new text?
#
# ```
# layers=1 hidden_units=16 epochs=40 bidirectional=True
# layers=1 hidden_units=256 epochs=40
# ```
#
# <details><summary>Answer 2</summary>The small one, by far: held-out perplexity 1.2 to 1.4 after 40 epochs. The large one comes down to 6.4 to 6.6 at its best epoch, the sixth or seventh, and then its dashed curve turns up. To hand on one character for one step takes next to nothing: do not hope that a network is too small to find a leak.</details>
#
# **3. Can you see it in the sample?** Train the two networks of question 1 again, and press **{{label generate}}** after each training, first at temperature 0, then at 1. Does the sample tell you which network has the lower perplexity?
#
# <details><summary>Answer 3</summary>It points to the wrong one. In both directions, held-out perplexity 1.08 to 1.10, the network stammers <code>erererer</code>. At temperature 1 still more than 9 of 10 characters repeat the last but one (3 of 100 do so in the book). In one direction, with 6.8 to 7.1, it writes <code>and</code>, <code>the</code> and in some runs <code>time traveller</code>, at temperature 1 half-made words. A perplexity is worth as much as the conditions under which it was measured.</details>

# %% [markdown] lang="zh" id="playground"
# ## 游乐场
#
# 与第 3 课相同，多了一个开关 **{{label bidirectional}}**（训练时 `carry="forward"`）。图中已有一次训练：双向，64 个隐藏单元，两条曲线都降到 1.2 左右。
#
# 请弄清三件事。先**猜一猜**，再把一行设置粘贴到 **{{label settings}}**，按 **{{label train}}**，等它训练完，再粘贴下一行。答案折叠在题目下面，其中的范围取自五个随机起点（随机种子 0 到 4）。
#
# **1. 单向还是双向？** 几个迭代周期之后，两条**虚线**开始分开？实线呢？哪个网络在新文本上和在自己的训练文本上一样好？
#
# ```
# layers=1 hidden_units=64 epochs=20
# layers=1 hidden_units=64 epochs=20 bidirectional=True
# ```
#
# <details><summary>答案 1</summary>虚线一开始就分开了：第一个迭代周期之后，单向为 18 到 23，双向为 12 到 15。这时实线还很接近，为 24 到 30 和 21 到 26，因为实线上的每一点都是整个迭代周期的平均；第二个迭代周期之后，实线也分开了，为 16 到 20 和 9 到 11。最后，单向在训练文本上为 5.0 到 5.4，在新文本上为 6.8 到 7.1；双向则为 1.07 到 1.08 和 1.08 到 1.10。照抄用不着背原文，所以换成新文本也照样能抄。双向的参数是单向的两倍，但原因不在这里：单向网络取一样多的参数，即 <code>hidden_units=96</code>，最后在新文本上还是 6.7 到 7.1。</details>
#
# **2. 照抄要多大的网络？** 一边是双向，每个方向 16 个隐藏单元；另一边是单向，256 个。参数分别为 6,812 个和 300,060 个。哪个在新文本上更好？
#
# ```
# layers=1 hidden_units=16 epochs=40 bidirectional=True
# layers=1 hidden_units=256 epochs=40
# ```
#
# <details><summary>答案 2</summary>小的那个，而且好得多：40 个迭代周期之后，留出困惑度为 1.2 到 1.4。大的那个，最好时（第六或第七个迭代周期）也只降到 6.4 到 6.6，之后虚线就掉头向上。把一个字符往前传一步，几乎不费什么：别指望网络小，就发现不了泄漏。</details>
#
# **3. 从写出的文字看得出来吗？** 把第 1 题的两个网络再训练一遍，每次训练之后按 **{{label generate}}**，先取温度 0，再取 1。从写出的文字，看得出哪个网络的困惑度更低吗？
#
# <details><summary>答案 3</summary>看上去正好相反。双向网络的留出困惑度为 1.08 到 1.10，写出来却是结结巴巴的 <code>erererer</code>；温度取 1 时，每 10 个字符里仍有 9 个以上与往前数第二个字符相同（在书中，100 个里只有 3 个）。单向网络为 6.8 到 7.1，写出的却是 <code>and</code>、<code>the</code>，有几次还写出了 <code>time traveller</code>；温度取 1 时，写的是些似是而非的单词。一个困惑度值多少，要看它是在什么条件下测得的。</details>

# %% tags=["hide-input"] id="show-playground"
from book.playground import Playground

playground = Playground(corpus, bidirectional=True)
playground.show()  # and, so that there is something to see, as if Train had been pressed:
playground.start(hidden_units=64, bidirectional=True, epochs=8)
playground.wait()

# %% [markdown] lang="en" id="rightly"
# ## The same architecture, used rightly
#
# The backward direction is not to blame: it was asked for what it had been told. Three real situations follow.
#
# **Completing text**, as a phone does while you type. To the right of the cursor stands nothing. The honest score is prefix-only: evidence (c) has it already.
#
# **Correcting scanned text.** A machine that reads a scanned page (optical character recognition, OCR) confuses characters that look alike. The whole line is there when the correction begins. We damage the book's text in this way and train networks to *tag* every position with the true character: the target is *not* a shifted input, and what stands at $t + 1$ is another character, itself perhaps damaged.

# %% [markdown] lang="zh" id="rightly"
# ## 同样的结构，正确的用法
#
# 错不在反向，而在于我们拿它早已知道答案的问题去问它。下面是三个真实的场景。
#
# **续写文字**，比如手机输入法。光标右边什么也没有。要如实评估，就看仅前缀的困惑度；证据（c）里已经有了。
#
# **校正扫描文本。** 机器识别扫描的书页（光学字符识别，OCR）时，会混淆形状相近的字符。开始校正时，整行文字都在。我们照这样损坏书中的文本，再训练网络给每个位置**标注**真正的字符（这类任务叫**序列标注**，命名实体识别也是）：目标**不是**平移一步的输入；$t + 1$ 处是另一个字符，而且它本身也可能是错的。

# %% id="ocr"
LOOKALIKE = torch.arange(len(vocab))
for a, b in "ce nu li hb oa ft vy gq rs mw dk".split():
    LOOKALIKE[vocab[a]], LOOKALIKE[vocab[b]] = vocab[b], vocab[a]

def scan(ids, generator, rate=0.15):
    """The ids of a text as a bad scan shows them: each is taken for its look-alike at this rate."""
    mistaken = torch.rand(ids.shape, generator=generator) < rate
    return torch.where(mistaken, LOOKALIKE[ids], ids)  # the shape of ids

def scanned_windows(ids):
    """A text as a bad scan shows it, and as it is: windows (n, 40), (n, 40)."""
    noisy = scan(ids, torch.Generator().manual_seed(1))
    return noisy.reshape(-1, 40), ids.reshape(-1, 40)

X_ocr, Y_ocr = scanned_windows(pages)  # (250, 40)
damaged = (X_ocr != Y_ocr).float().mean().item()
for name, ids in {"scanned:": X_ocr[:2], "book:   ": Y_ocr[:2]}.items():
    print(name, "".join(vocab.to_tokens(ids.flatten().tolist())))
print(f"{damaged:.1%} of all characters are damaged")

# %% [markdown] lang="en" id="tagger-text"
# Both networks are GRUs with one linear layer on top. To be fair they get **about equally many parameters**: 80 hidden units in one direction, or 52 in each of two. They learn from `more_pages` and are shown on `pages`. (`right` and `left, late` are for the verdict.)

# %% [markdown] lang="zh" id="tagger-text"
# 两个网络都是 GRU 加一个线性层。为公平起见，两者的**参数量大致相同**：单向 80 个隐藏单元，双向每个方向 52 个。训练用 `more_pages`，展示用 `pages`。（`右边` 和 `左边（晚答）` 留到判决时用。）

# %% id="tagger"
class Tagger(nn.Module):
    """Gives every character of the windows X (n, T) scores for its tag, (T, n, number of tags)."""

    def __init__(self, reads, num_tags):
        super().__init__()
        self.reads, self.late = reads, 2 if reads == "left, late" else 0
        h = 52 if reads == "both" else 80
        self.rnn = nn.GRU(len(vocab), h, bidirectional=reads == "both")
        self.output = nn.Linear(2 * h if reads == "both" else h, num_tags)

    def forward(self, X):
        X = F.pad(X, (0, self.late))  # (n, T + late)
        X = X.flip(1) if self.reads == "right" else X
        H, _ = self.rnn(F.one_hot(X.T, len(vocab)).float())  # (T + late, n, h) or (T, n, 2h)
        O = self.output(H[self.late :])  # (T, n, number of tags): t is answered at t + late
        return O.flip(0) if self.reads == "right" else O

for num_tags in (len(vocab), 41):  # characters for this task, groups of vowels for the next
    counts = [sum(p.numel() for p in Tagger(r, num_tags).parameters()) for r in ("left", "both")]
    print(f"{num_tags} tags: parameters {counts[0]:,} in one direction, {counts[1]:,} in two")

# %% tags=["hide-input"] id="train-tagger"
def train_tagger(tagger, minibatch, X, Y, seed=0):
    """As in lesson 2, on what minibatch(generator) draws; yields (step, error rate, held-out)."""
    generator = torch.Generator().manual_seed(seed)
    updater = torch.optim.Adam(tagger.parameters(), lr=0.01)
    for turn in range(1, utils.epochs(10) + 1):
        for _ in range(25):
            x, y = minibatch(generator)  # (n, T), (n, T)
            O = tagger(x)  # (T, n, tags)
            loss = F.cross_entropy(O.flatten(0, 1), y.T.flatten())
            updater.zero_grad()
            loss.backward()
            updater.step()
        with torch.no_grad():
            held_out_error = error_rate(tagger(X), Y)
        yield 25 * turn, error_rate(O, y), held_out_error

def error_rate(O, Y):
    return (O.argmax(dim=-1).T != Y).float().mean().item()

def draw_windows(ids, generator, n=64, T=40):
    """Indices (n, T) of n windows of T steps, at random places of a text."""
    return torch.randint(len(ids) - T, (n, 1), generator=generator) + torch.arange(T)

def race_taggers(num_tags, minibatch, X, Y):
    """Train a tagger of the left side and one of both; return networks and records, by name."""
    utils.seed_everything(0)
    taggers = {reads: Tagger(reads, num_tags) for reads in ("left", "both")}
    trainings = {reads: train_tagger(t, minibatch, X, Y) for reads, t in taggers.items()}
    plot = utils.LivePlot(250, xlabel="minibatch", ylabel="error rate", ylim=(0.03, 0.6))
    return taggers, plot.race(trainings)

# %% [markdown] lang="en" id="ocr-predict"
# **Predict:** doing nothing leaves the share of damaged characters printed above. How much of it will a network remove that reads from the left only? And one that reads both sides?

# %% [markdown] lang="zh" id="ocr-predict"
# **猜一猜：** 什么都不做，错误率就是上面打印的损坏比例。只从左边读的网络能消除其中多少？两边都读的呢？

# %% id="train-ocr"
def scanned_minibatch(generator):
    """Windows of the book, freshly damaged, and what stood there: (n, T), (n, T)."""
    Y = more_pages[draw_windows(more_pages, generator)]
    return scan(Y, generator), Y

readers, ocr_records = race_taggers(len(vocab), scanned_minibatch, X_ocr, Y_ocr)
ocr_errors = {name: records[-1][2] for name, records in ocr_records.items()}
shares = [f"{name} {share:.1%}" for name, share in ocr_errors.items()]
print(f"wrong characters: nothing done {damaged:.1%}", *shares, sep=", ")

# %% id="ocr-lines"
versions = {"scanned": X_ocr[:2]}  # (2, T): two windows, one after the other
versions |= {name: net(X_ocr[:2]).argmax(dim=-1).T for name, net in readers.items()}
for name, ids in versions.items():
    marks = "".join("^" if is_wrong else " " for is_wrong in (ids != Y_ocr[:2]).flatten())
    print(f"{name:<15}", "".join(vocab.to_tokens(ids.flatten().tolist())))
    print(f"{'wrong':<15}", marks)

# %% [markdown] lang="en" id="ocr-look"
# (A `^` marks what is still, or newly, wrong.) The left side alone repairs about a third of the damage, both sides together more than half. It is no leak: the line is there when such a program runs.
#
# **Restoring vowels.** Arabic and Hebrew are mostly written without short vowels, and readers add them. In English we take out `a e i o u`, and tag each remaining character with the vowels that followed it.

# %% [markdown] lang="zh" id="ocr-look"
# （`^` 标出仍然错误或新改错的字符。）只看左边，能修复大约三分之一的损坏；两边都看，能修复一半以上。这也不是泄漏：这样的程序运行时，整行文字确实就在那里。
#
# **恢复元音。** 阿拉伯语和希伯来语通常不写短元音，由读者自己补上。我们对英语也这么做：去掉 `a e i o u`，给剩下的每个字符标注原来跟在它后面的元音。

# %% id="vowels"
import re

def remove_vowels(line):
    """A line's characters without its vowels (a space first), and what vowels followed each."""
    skeleton, vowels = zip(*re.findall("([^aeiou])([aeiou]*)", " " + line))
    return list(skeleton), list(vowels)

def restore_vowels(skeleton, vowels):
    return "".join(c + v for c, v in zip(skeleton, vowels))[1:]

skeleton, vowels = remove_vowels("the time machine")
print(list(zip(skeleton, vowels)))
assert restore_vowels(skeleton, vowels) == "the time machine"

# %% [markdown] lang="en" id="vowels-predict"
# The tags are all groups of vowels that occur in the training text, the empty one among them; the baseline gives everything the most frequent tag. **Predict:** between the letters of `tm`, should one put `i`, `a` or `o`? And which side *alone* helps more here, the left or the right? (The verdict will measure it.)

# %% [markdown] lang="zh" id="vowels-predict"
# 标签是训练文本中出现过的所有元音组合，空的也算一种；基线一律给出最常见的标签。**猜一猜：** 看到 `tm`，中间该填 `i`、`a` 还是 `o`？如果**只**能看一边，这里看左边好还是看右边好？（判决时会测量。）

# %% tags=["hide-input"] id="vowel-data"
# prepares windows, as for the scanned text
def skeleton_of(ids):
    """A text's characters without its vowels, and what vowels followed each: two lists."""
    return remove_vowels("".join(vocab.to_tokens(ids.tolist())))

letters, tags = skeleton_of(more_pages)
tag_vocab = d2l.Vocab(tags)  # 0: any group that does not occur in the training text
letters, tags = torch.tensor(vocab[letters]), torch.tensor(tag_vocab[tags])

def vowel_windows(ids):
    """A text without its vowels, and its tags: windows (n, 40), (n, 40)."""
    skeleton, vowels = skeleton_of(ids)
    end = len(skeleton) // 40 * 40  # of the last whole window
    X, Y = vocab[skeleton[:end]], tag_vocab[vowels[:end]]
    return torch.tensor(X).reshape(-1, 40), torch.tensor(Y).reshape(-1, 40)

def vowel_minibatch(generator):
    """Windows of the book without vowels, and their tags: (n, T), (n, T)."""
    places = draw_windows(letters, generator)
    return letters[places], tags[places]

# %% id="train-vowels"
X_vowels, Y_vowels = vowel_windows(pages)
writers, vowel_records = race_taggers(len(tag_vocab), vowel_minibatch, X_vowels, Y_vowels)
baseline = (Y_vowels != tags.mode().values).float().mean().item()
vowel_errors = {name: records[-1][2] for name, records in vowel_records.items()}
shares = [f"{name} {share:.1%}" for name, share in vowel_errors.items()]
print(f"wrong tags: baseline {baseline:.1%}", *shares, sep=", ")

# %% id="vowel-lines"
shown = vocab.to_tokens(X_vowels[15].tolist())  # the T characters of one window
logits = {name: writer(X_vowels[15:16])[:, 0] for name, writer in writers.items()}  # (T, tags)
guesses = {name: o.argmax(dim=-1) for name, o in logits.items()}  # (T,)
print(f"{'without vowels':<15}", "".join(shown))
for name, ids in {**guesses, "book": Y_vowels[15]}.items():
    print(f"{name:<15}", restore_vowels([" ", *shown], ["", *tag_vocab.to_tokens(ids.tolist())]))

# %% [markdown] lang="en" id="verdict"
# From the left, the network makes about a tenth fewer mistakes than the baseline, from both sides about a third fewer. At the space before `nd` the left one does not know yet what follows, and puts nothing; both sides make it `and`. So it is with `tm`: `time`, `tame` or `atom`?
#
# ## The verdict
#
# Ask two questions before you reach for `bidirectional=True`: **when the prediction is made, is the text to the right of $t$ there? And does it contain the answer?** Only "yes" to the first and "no" to the second will do.
#
# Then measure. A score that one has chosen by flatters, so the verdict uses **test text**, which no network and no choice of this lesson has seen, once, with five starts each: `corpus.test` for the next character, and `further.test` for the taggers, after all their pages. Two more taggers are asked: `right` reads from the right only, and `left, late` answers two characters late, as in lesson 5. **Predict:** is the late one closer to `left` or to `both`?

# %% [markdown] lang="zh" id="verdict"
# 只看左边，网络的错误比基线少一成左右；两边都看，少三分之一左右。读到 `nd` 前面的空格时，只看左边的网络还不知道后面是什么，于是什么也不填；两边都看，就填成了 `and`。`tm` 也是一样：`time`、`tame` 还是 `atom`？
#
# ## 判决
#
# 在写下 `bidirectional=True` 之前，先问两个问题：**做预测的时候，$t$ 右边有没有文本？那里面有没有答案？** 只有答案分别是“有”和“没有”，才可以用。
#
# 然后测量。用来做选择的得分总是偏于乐观，所以判决要用**测试集**，即本课的任何网络、任何选择都没有用过的文本：预测下一个字符用 `corpus.test`，标注任务用 `further.test`（排在它们用过的各页之后）；只测一次，每个网络五个随机起点。标注任务再加两个网络：`右边` 只从右边读；`左边（晚答）` 像第 5 课那样，晚两个字符才回答。**猜一猜：** 晚答的那个，更接近 `左边` 还是 `两边`？

# %% id="test-scores"
READERS = "left", "left, late", "right", "both"
tagging = [  # minibatches, a text's windows, number of tags, and the answer without a network
    (scanned_minibatch, scanned_windows, len(vocab), lambda X: X),
    (vowel_minibatch, vowel_windows, len(tag_vocab), lambda X: tags.mode().values),
]

def test_scores(seed):
    """Scores on test text: next character left, both; taggings with nothing, and READERS."""
    networks = [trained(bidirectional, "d2l", seed)[0] for bidirectional in (False, True)]
    scores = [utils.perplexity(network, corpus.test, prefix_only=True) for network in networks]
    for minibatch, windows_of, num_tags, nothing in tagging:
        X, Y = windows_of(further.test)
        scores.append((nothing(X) != Y).float().mean().item())
        for reads in READERS:
            utils.seed_everything(seed)
            tagger = Tagger(reads, num_tags)
            list(train_tagger(tagger, minibatch, *windows_of(pages), seed))
            scores.append(error_rate(tagger(X), Y))
    return scores

rows, about = utils.recorded("misuse", lambda: [test_scores(seed) for seed in range(5)])
tested, tested_origin = list(zip(*rows)), about["origin"]  # columns: the five starts' scores

# %% tags=["hide-input"] id="verdict-table"
methods = "nothing done", *READERS
tasks = {  # right side there?, answer in it?, scores, how to write them
    "completing text": ("no", "yes", dict(zip(("left", "both"), tested)), ".2f"),
    "correcting OCR": ("yes", "no", dict(zip(methods, tested[2:7])), ".1%"),
    "restoring vowels": ("yes", "no", dict(zip(methods, tested[7:])), ".1%"),
}
columns = [[task, *two, *(span(found[m], form) if m in found else "" for m in methods)]
           for task, (*two, found, form) in tasks.items()]
for task, (_, _, found, _) in tasks.items():
    print(task)
    utils.ranking({name: found[name] for name in READERS if name in found})
first = [f"test text, {tested_origin}", "right side there?", "answer in it?", *methods]
head, *table = zip(first, *columns)
utils.table(head, table)

# %% [markdown] lang="en" id="checklist"
# (Scores: prefix-only perplexity, wrong characters, wrong tags.)
#
# **Completing text:** one direction, it is ahead from every start. **Correcting OCR:** either side alone repairs a little more than a third of the damage, one direction that answers two characters late more than half, and both are a little ahead of that (a longer delay was not tried). **Restoring vowels:** the right side alone is worth more than the left (the vowels stand between this letter and the next); both are ahead of either side alone, but not told apart from the late one.
#
# ## On your own model
#
# `utils.audit` gathers evidence (c), (d) and (e) on any model that takes token indices $(n, T)$ and returns logits $(n, T, q)$, or is called as d2l's are. It changes each $x_s$ and looks which logits move, scores prefix-only, and looks for gradients above the diagonal. `report.leaks` is the verdict, `report.reach` how many steps ahead the model reads, at the least.

# %% [markdown] lang="zh" id="checklist"
# （得分依次是仅前缀的困惑度、错误字符的比例、错误标签的比例。）
#
# **续写文字：** 用单向，从每个随机起点出发它都领先。**校正 OCR：** 只看一边，无论左右，都能修复三分之一多一点的损坏；晚两个字符才回答的单向网络能修复一半以上；两边都看，又比它略好一点（更长的延迟没有试过）。**恢复元音：** 只看右边，胜过只看左边（元音就在这个字母和下一个字母之间）；两边都看，胜过只看任何一边，但与晚回答的单向网络分不出高下。
#
# 教材里说，“双向层的使用在实践中非常少，并且仅仅应用于部分场合”。更准确的说法是：凡是做预测时右边的文本已经在那里、又不含答案的任务，例如序列标注、完形填空、给整个句子编码，双向层都很常用；预测下一个词元时则根本不能用。
#
# ## 检查你自己的模型
#
# 凡是输入词元下标 $(n, T)$、返回 logit $(n, T, q)$ 的模型，或者按 d2l 的方式调用的模型，都可以用 `utils.audit` 收集证据（c）、（d）、（e）：逐个改动 $x_s$，看哪些 logit 变了；做仅前缀的评估；再看对角线上方有没有梯度。`report.leaks` 是结论，`report.reach` 是模型至少往后看了几步。

# %% id="audit"
for name, suspect in suspects.items():
    report = utils.audit(suspect, windows)
    print(f"{name:<14} leaks: {report.leaks}, reach: {report.reach}")
print(report)
report.draw()

# %% [markdown] lang="en" id="audit-look"
# (The picture: the bidirectional network. For padded minibatches give `pad=`, the padding's index: some models leak only there.) The report's end says **what it cannot find**. It knows one network and a few windows, not the text that the network was trained and chosen on: windows that overlap across the split, or a scaling learnt from the test text, show only in a control on other text. So ask first whether a result is too good to be true. In the [workshop](workshop.ipynb) five models wait for your verdict, and six broken layers for your checks.
#
# And if you want both sides *and* a language model? Then hide the answer from the input, as lesson 5's blank does, and BERT's training (a **masked language model**); or train a language model in each direction and join their states only afterwards, as ELMo does. A Transformer, in which every position reads all others directly, predicts the next token behind a **causal mask**, which makes its heat map a triangle. It is trained as our networks are, on the true characters and not on its own guesses, which is called **teacher forcing**.

# %% [markdown] lang="zh" id="audit-look"
# （图中是双向网络。如果小批量里有填充，请用 `pad=` 给出填充词元的下标：有些模型只在那时泄漏。）报告的末尾写着**它发现不了什么**。它只认识一个网络和几个窗口，不知道网络是用什么文本训练、又是用什么文本挑选的：训练窗口与留出窗口重叠、归一化时用了测试集，都只有换一段文本做对照才看得出来。所以要先问一句：这个结果是不是好得不像真的？[工作坊](workshop.ipynb)里有五个模型等你判断，还有六个坏掉的层等你去检查。
#
# 如果既想利用两边，**又**想训练语言模型呢？那就在输入中把答案遮住，第 5 课的填空（完形填空）是这样，预训练语言模型 BERT 也是这样训练的，称为**掩码语言模型**（masked language model）；或者像更早的 ELMo 那样，两个方向各训练一个语言模型，训练之后才把隐状态拼接起来。Transformer 的每个位置都直接读取所有位置，预测下一个词元时要加上**因果掩码**（causal mask），热图因此成了三角形。它和我们的网络一样，训练时读的是真实的字符，而不是自己猜出来的：这叫**强制教学**（teacher forcing）。

# %% [markdown] lang="en" id="exercises"
# ## Exercises
#
# Put your answer in place of `None` and run the cell. Below each a solution is folded away.
#
# **1.** A leaking network has perplexity 1.05 at every position of the window but the last, and 10 there. For $T = 35$ the perplexity of the whole window is 1.12: the spike almost disappears in the average. What is it for $T = 7$? (Perplexity is $\exp$ of an average; two decimals will do.)

# %% [markdown] lang="zh" id="exercises"
# ## 练习
#
# 把 `None` 换成你的答案，然后运行该单元格。每题下方折叠着参考解答，点击标题即可展开。
#
# **1.** 某个有泄漏的网络，在窗口的最后一个位置困惑度为 10，在其余位置都是 1.05。$T = 35$ 时，整个窗口的困惑度为 1.12：尖峰在平均中几乎看不见了。$T = 7$ 时是多少？（困惑度是先取平均，再取 $\exp$；保留两位小数即可。）

# %% id="exercise-1"
answer_1 = None
utils.check("6.1", answer_1)

# %% tags=["solution"] id="solution-1"
solution_1 = (1.05**6 * 10) ** (1 / 7)

# %% [markdown] lang="en" id="exercise-2-text"
# **2.** Change one thing: a bidirectional network is to predict $x_{t+2}$, the character after the next. The window has 35 characters. At how many positions can the answer **not** leak?

# %% [markdown] lang="zh" id="exercise-2-text"
# **2.** 改一处：让双向网络预测 $x_{t+2}$，即下下个字符。窗口有 35 个字符。在多少个位置上，答案**不可能**泄漏？

# %% id="exercise-2"
answer_2 = None
utils.check("6.2", answer_2)

# %% tags=["solution"] id="solution-2"
solution_2 = 2

# %% [markdown] lang="en" id="exercise-3-text"
# **3.** Three untrained networks want to predict the next character. None of them is called bidirectional, but exactly one has a leak. Which one, `"A"`, `"B"` or `"C"`? Find it with a test of this lesson or with `utils.audit`, not by reading their code: `net = lineup["A"]; net(windows)` takes windows (n, T) and returns logits (T, n, q).

# %% [markdown] lang="zh" id="exercise-3-text"
# **3.** 三个未经训练的网络，都要预测下一个字符。名字里都没有“双向”，但其中恰有一个有泄漏。是 `"A"`、`"B"` 还是 `"C"`？请用本课的某个检验或 `utils.audit` 找出来，不要去读代码：`net = lineup["A"]; net(windows)` 输入形状为 (n, T) 的窗口，返回形状为 (T, n, q) 的 logit。

# %% id="lineup"
class Convolution(nn.Module):
    """Reads the last four characters."""

    def __init__(self):
        super().__init__()
        self.filters = nn.Conv1d(len(vocab), len(vocab), kernel_size=4)

    def forward(self, X):
        E = F.one_hot(X, len(vocab)).float().transpose(1, 2)  # (n, q, T)
        return self.filters(F.pad(E, (3, 0))).permute(2, 0, 1)  # (T, n, q)

class Recurrent(nn.Module):
    """Reads the text with a GRU, and may first bring the inputs to mean 0."""

    def __init__(self, centre):
        super().__init__()
        self.centre, self.rnn = centre, nn.GRU(len(vocab), len(vocab), num_layers=2)

    def forward(self, X):
        E = F.one_hot(X.T, len(vocab)).float()  # (T, n, q)
        return self.rnn(E - E.mean(dim=0) if self.centre else E)[0]

lineup = {"A": Recurrent(centre=False), "B": Convolution(), "C": Recurrent(centre=True)}

# %% id="exercise-3"
answer_3 = None
utils.check("6.3", answer_3)

# %% tags=["solution"] id="solution-3"
X = torch.randint(1, len(vocab), (4, 10))
changed = torch.cat([X[:, :5], X[:, 5:] % (len(vocab) - 1) + 1], dim=1)
moved = {name: not torch.equal(net(X)[:5], net(changed)[:5]) for name, net in lineup.items()}
(solution_3,) = (name for name, leaks in moved.items() if leaks)

# %% [markdown] lang="en" id="exercise-4-text"
# **4.** Honesty has a price. How many times as many characters must a network read for prefix-only scoring of a window of 35, compared with reading the window once?

# %% [markdown] lang="zh" id="exercise-4-text"
# **4.** 如实评估是有代价的。对一个长度为 35 的窗口做仅前缀评估，网络要读的字符数是把窗口读一遍的多少倍？

# %% id="exercise-4"
answer_4 = None
utils.check("6.4", answer_4)

# %% tags=["solution"] id="solution-4"
solution_4 = (35 * 36 / 2) / 35

# %% [markdown] lang="en" id="exercise-5-text"
# **5.** `nn.LSTM(28, 16, 3, bidirectional=True)` returns a state $\mathbf{H}$ of shape `(6, n, 16)`. Which indices of its first dimension may be carried to the next minibatch? Give a tuple, in increasing order.

# %% [markdown] lang="zh" id="exercise-5-text"
# **5.** `nn.LSTM(28, 16, 3, bidirectional=True)` 返回的隐状态 $\mathbf{H}$ 形状为 `(6, n, 16)`。第一个维度中，哪些下标的状态可以传给下一个小批量？请从小到大写成元组。

# %% id="exercise-5"
answer_5 = None
utils.check("6.5", answer_5)

# %% tags=["solution"] id="solution-5"
solution_5 = (0, 2, 4)

# %% [markdown] lang="en" id="exam"
# ## What to write in the exam
#
# **1.** A colleague's character model, an LSTM with `bidirectional=True`, has held-out perplexity 1.1. Why is it neither memory nor skill, and on which path does the answer arrive?
#
# <details><summary>answer</summary>Not memory: the text is new. Not skill: people need about 1.5 to 2.5 (Shannon). The target of position $t$ is the input $x_{t+1}$ of position $t + 1$; the backward state at $t + 1$ has read it and hands it to the backward state at $t$, which the output reads. At the last position the path is cut, and the perplexity high. When the model writes, $x_{t+1}$ does not exist: only $P(x_{t+1} \mid x_1, \ldots, x_t)$ counts.</details>
#
# **2.** Name three tests for a score that is too good to be true. What can they not find?
#
# <details><summary>answer</summary>(1) Prefix-only score: for every $t$ the model is given $x_1, \ldots, x_t$ and nothing else; an honest model's perplexity stays the same. (2) Changed future: keep $x_1, \ldots, x_t$, replace the rest; no prediction up to $t$ may move at all. (3) Gradient: $\partial \mathbf{o}_t / \partial \mathbf{x}_s = 0$ for every $s > t$, a triangle, before training too. They look at one model, in evaluation mode, on these windows. So they cannot find what it does in training mode only (batch normalisation), nor what happened to the data: windows that overlap across the split, scaling or choosing by the test text, targets shifted wrongly. Controls: text that shares nothing with the training text; the share of test windows that stand in it.</details>
#
# **3.** Sketch the perplexity by position, $t = 1, \ldots, T$, of an honest model and of a bidirectional one, each window read from zeros. Why does the average over $T = 35$ hide the difference at the end?
#
# <details><summary>answer</summary>Honest: highest at $t = 1$, where one character is known, then falling to one level. Bidirectional: near 1 everywhere but at $t = T$, where no $x_{T+1}$ has been read. The average is over logarithms and gives that position the weight 1/35: with 1.05 elsewhere and 10 there it is 1.12.</details>
#
# **4.** Which part of a bidirectional network's final state may be carried to the next minibatch, and what goes wrong with the rest?
#
# <details><summary>answer</summary>The forward direction's, if row $i$ goes on where row $i$ ended; of the $2L$ states those with index 0, 2, 4, ... The backward direction's final state stands at the beginning of the old window; used as its initial state at the end of the new one it passes the past off as the future. D2L's loop and decoder do it, hence <code>ererer</code>.</details>
#
# **5.** When is <code>bidirectional=True</code> right? Give the two questions and an example. How do BERT, ELMo and a Transformer that predicts the next token keep out of trouble?
#
# <details><summary>answer</summary>Is the text to the right there when the prediction is made? Does it contain the answer? Yes and no: correcting a scan, tagging, filling a blank. BERT hides the answer from the input (masked language model); ELMo trains two one-way models and joins states afterwards; the Transformer has a causal mask, so that position $t$ reads only $s \le t$.</details>

# %% [markdown] lang="zh" id="exam"
# ## 考试怎么写
#
# **1.** 有人用 `bidirectional=True` 的 LSTM 训练字符模型，留出困惑度为 1.1。为什么这既不是记忆，也不是真本事？答案是沿哪条路来的？
#
# <details><summary>答案</summary>不是记忆：文本是新的。不是真本事：人也要 1.5 到 2.5 左右（香农）。位置 $t$ 的目标就是位置 $t + 1$ 的输入 $x_{t+1}$；$t + 1$ 处的反向隐状态读过它，再传给 $t$ 处的反向隐状态，而输出读的正是后者。在最后一个位置，这条路断了，困惑度就高。写作时 $x_{t+1}$ 还不存在，算数的只有 $P(x_{t+1} \mid x_1, \ldots, x_t)$。</details>
#
# **2.** 得分好得不像真的，请写出三个检验。它们发现不了什么？
#
# <details><summary>答案</summary>（1）仅前缀评估：对每个 $t$，只给模型 $x_1, \ldots, x_t$；诚实的模型困惑度不变。（2）换一个未来：保留 $x_1, \ldots, x_t$，替换其余；$t$ 及之前的预测一点也不能动。（3）梯度：对所有 $s > t$，$\partial \mathbf{o}_t / \partial \mathbf{x}_s = 0$，即三角形，训练之前也是如此。它们只在评估模式下、用这些窗口看一个模型。所以发现不了它只在训练模式下做的事（批量归一化），也发现不了数据出的问题：训练与测试的窗口重叠，用测试集做归一化或做选择，目标错位。对照实验：与训练文本毫无重叠的文本；测试窗口有多少出现在训练文本里。</details>
#
# **3.** 画出诚实的模型与双向模型在各个位置 $t = 1, \ldots, T$ 的困惑度（每个窗口从零状态读起）。为什么对 $T = 35$ 取平均，就看不出末尾的差别？
#
# <details><summary>答案</summary>诚实的模型：$t = 1$ 时最高，因为只知道一个字符，随后降到同一水平。双向模型：处处接近 1，只有 $t = T$ 例外，因为没有读过 $x_{T+1}$。平均是对对数取的，这个位置的权重只有 1/35：若别处为 1.05，此处为 10，平均只有 1.12。</details>
#
# **4.** 双向网络最终状态的哪一部分可以传给下一个小批量？其余部分传下去会怎样？
#
# <details><summary>答案</summary>前向的可以，前提是第 $i$ 行接着原来的第 $i$ 行；在 $2L$ 个状态中，就是下标 0、2、4……的那些。反向的最终状态停在旧窗口的开头，把它当作新窗口末尾处的初始状态，等于拿过去冒充未来。D2L 的训练循环和解码器就是这样做的，<code>ererer</code> 由此而来。</details>
#
# **5.** 什么时候用 <code>bidirectional=True</code> 是对的？写出要问的两个问题，并举一例。BERT、ELMo 和预测下一个词元的 Transformer 各用什么办法避免泄漏？
#
# <details><summary>答案</summary>做预测时右边有没有文本？那里面有没有答案？回答“有”和“没有”才行：校正扫描文本、标注、填空；续写文字则不行。BERT 在输入中把答案遮住（掩码语言模型）；ELMo 训练两个单向模型，事后才拼接隐状态；Transformer 用因果掩码，使位置 $t$ 只能读 $s \le t$。</details>

# %% [markdown] lang="en" id="sources"
# ## Sources
#
# - C. E. Shannon. Prediction and Entropy of Printed English. *Bell System Technical Journal* 30, 1951.
# - R. J. Williams, D. Zipser. A Learning Algorithm for Continually Running Fully Recurrent Neural Networks. *Neural Computation* 1, 1989 (teacher forcing).
# - M. Schuster, K. K. Paliwal. Bidirectional Recurrent Neural Networks. *IEEE Transactions on Signal Processing* 45, 1997.
# - A. Vaswani et al. Attention Is All You Need. *NeurIPS*, 2017 (the causal mask).
# - M. E. Peters et al. Deep Contextualized Word Representations. *NAACL*, 2018 (ELMo).
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova. BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding. *NAACL*, 2019.
# - A. Zhang, Z. C. Lipton, M. Li, A. J. Smola. *Dive into Deep Learning*. Cambridge University Press, 2023 (the experiment: in its edition of 2021 and in the Chinese one).

# %% [markdown] lang="zh" id="sources"
# ## 参考文献
#
# - C. E. Shannon. Prediction and Entropy of Printed English. *Bell System Technical Journal* 30, 1951.
# - R. J. Williams, D. Zipser. A Learning Algorithm for Continually Running Fully Recurrent Neural Networks. *Neural Computation* 1, 1989（强制教学）.
# - M. Schuster, K. K. Paliwal. Bidirectional Recurrent Neural Networks. *IEEE Transactions on Signal Processing* 45, 1997.
# - A. Vaswani 等. Attention Is All You Need. *NeurIPS*, 2017（因果掩码）.
# - M. E. Peters 等. Deep Contextualized Word Representations. *NAACL*, 2018（ELMo）.
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova. BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding. *NAACL*, 2019.
# - A. Zhang, Z. C. Lipton, M. Li, A. J. Smola. *Dive into Deep Learning*. Cambridge University Press, 2023（本课的实验见其 2021 年版和中文版）.

# %% [markdown] lang="en" id="summary"
# ## What we saw
#
# - A bidirectional network as a language model reaches a perplexity near 1 on training *and* held-out text. It is neither memory nor skill: the backward state hands it the answer.
# - The average hides it, the last position shows it; prefix-only scoring, a changed future and the gradients' heat map prove it.
# - An honest model has the same perplexity with the whole window and with prefixes only, and does not move when the future changes.
# - The carried backward state is a second error: it passes the past off as the future, hence `ererer`.
# - Both directions are right when the text to the right is there and does not contain the answer.
#
# This is the last lesson. Now go to the [workshop](workshop.ipynb), or try `utils.audit` on a model of your own.
#
# {{next}}

# %% [markdown] lang="zh" id="summary"
# ## 小结
#
# - 把双向网络当作语言模型，训练文本**和**留出文本上的困惑度都接近 1。这既不是记忆，也不是真本事：反向隐状态把答案递给了它。
# - 平均值把它掩盖了，窗口的最后一个位置却让它露了馅。仅前缀评估、更换未来和梯度热图都证明了泄漏。
# - 诚实的模型，看到整个窗口和只看前缀时困惑度相同；未来怎么换，它的预测都不变。
# - 传递反向状态是第二个错误：它拿过去冒充未来。`ererer` 就是这么来的。
# - 当右边的文本确实在那里，又不含答案时，用双向就对了。
#
# 全书到此结束。接下来，请去[工作坊](workshop.ipynb)，或者用 `utils.audit` 审查一个你自己的模型。
#
# {{next}}
