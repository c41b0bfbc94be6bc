# %% [markdown] lang="en" id="title"
# # Workshop: leak museum and bug hunt
#
# Two exercises in distrust, for which you need [lesson 5](05_bidirectional_rnn.ipynb) and [lesson 6](06_bidirectional_misuse.ipynb). In the **museum** stand five models with good scores. Judge each with `utils.audit` before you read what is wrong with it, if anything is. In the **hunt**, six bidirectional layers are broken, each in another way. You write the check that catches them.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 工作坊：泄漏博物馆与捉虫
#
# 两组练习，练的是不轻信；需要先学过[第 5 课](05_bidirectional_rnn.ipynb)和[第 6 课](06_bidirectional_misuse.ipynb)。**博物馆**里陈列着五个得分都很好的模型：请先用 `utils.audit` 逐个审查，自己作出判断，再去读它到底有没有毛病、毛病在哪里。**捉虫**部分有六个写坏了的双向层，坏法各不相同。能把它们捉出来的检查，由你来写。
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

# %% [markdown] lang="en" id="museum"
# ## The leak museum
#
# Five models predict the next character of *The Time Machine*. Each is described as its author would describe it; the code is folded away, and you need not open it.
#
# | exhibit | what its author says |
# | --- | --- |
# | **1** | A GRU, 64 hidden units. I have switched on `bidirectional=True`: more context cannot hurt. |
# | **2** | A GRU that reads from left to right only. Inputs are brought to mean 0 and standard deviation 1, as one should: within each window, character by character. |
# | **3** | Two layers of convolution, no recurrence at all, each output made from five inputs. Zeros are put at both ends, so that as much comes out as goes in. |
# | **4** | The same two layers, all zeros put on the left. |
# | **5** | A GRU, 128 hidden units, left to right. The text is cut into windows, one every five characters, so that there are more of them. They are shuffled, and every tenth is held out. |

# %% [markdown] lang="zh" id="museum"
# ## 泄漏博物馆
#
# 五个模型都预测《时间机器》的下一个字符。表中是作者自己的说明；代码折叠着，用不着打开。
#
# | 展品 | 作者的说明 |
# | --- | --- |
# | **1** | 一层 GRU，64 个隐藏单元。我打开了 `bidirectional=True`：多看些上下文总没有坏处。 |
# | **2** | 一层只从左往右读的 GRU。输入按规矩标准化成均值 0、标准差 1：每个窗口单独做，每种字符单独做。 |
# | **3** | 两层卷积，没有任何循环，每个输出由五个输入算出。两端补零，好让输出和输入一样长。 |
# | **4** | 同样的两层卷积，零全部补在左边。 |
# | **5** | 一层从左往右读的 GRU，128 个隐藏单元。每隔五个字符切一个窗口，好多得到一些窗口；打乱之后，每十个留出一个。 |

# %% tags=["hide-input"] id="exhibits"
# the exhibits, folded: judge them first. Each takes X (n, T) and gives logits (T n, q), as in d2l
import torch
from torch import nn
from torch.nn import functional as F

corpus, T = utils.load_corpus(), 35
q = len(corpus.vocab)

class Exhibit(nn.Module):
    def __init__(self, h=64, both=False, scaled=None, zeros=None):
        super().__init__()
        self.rnn = nn.GRU(q, h, bidirectional=both)
        self.linear, self.scaled, self.zeros = nn.Linear((1 + both) * h, q), scaled, zeros
        if zeros:
            self.convolutions = nn.ModuleList([nn.Conv1d(q, h, 5), nn.Conv1d(h, h, 5)])

    def begin_state(self, batch_size, device):
        """None: every window is read from a zero state."""

    def forward(self, X, state):
        E = F.one_hot(X.T, q).float()  # (T, n, q)
        if self.scaled == "window":
            E = (E - E.mean(dim=0)) / (E.std(dim=0, correction=0) + 0.1)
        if not self.zeros:
            return self.linear(self.rnn(E)[0]).flatten(0, 1), None
        H = E.permute(1, 2, 0)  # (n, q, T)
        for convolution in self.convolutions:
            H = convolution(F.pad(H, self.zeros)).relu()  # (n, h, T)
        return self.linear(H.permute(2, 0, 1)).flatten(0, 1), None

# %% tags=["hide-input"] id="train-exhibits"
# their training, folded, and the scores that their authors report
def train(network, minibatches):
    recipe = {"lr": 0.01, "num_epochs": 12, "optimizer": "adam", "carry": "none"}
    list(utils.fit(network, minibatches, **recipe))
    return network

def score(network, cut):
    """The perplexity of windows cut from a text, (n, T + 1)."""
    with torch.no_grad():
        logits, _ = network(cut[:, :-1], None)  # (T n, q)
    return F.cross_entropy(logits, cut[:, 1:].T.flatten()).exp().item()

HOW = {"1": {"both": True}, "2": {"scaled": "window"}, "3": {"zeros": (2, 2)}}
HOW |= {"4": {"zeros": (4, 0)}, "5": {"h": 128}}
cut = corpus.train[:5000].unfold(0, T + 1, 5)  # (windows, T + 1), one every five characters
shuffled = cut[torch.randperm(len(cut), generator=torch.Generator().manual_seed(0))]
held_out, learnt = shuffled.tensor_split([len(cut) // 10])
own_windows = [(x[:, :-1], x[:, 1:]) for x in learnt.split(32)]
unseen = corpus.held_out.unfold(0, T + 1, T + 1)  # (windows, T + 1), of text further on
exhibits = {}
for name, how in HOW.items():
    utils.seed_everything(0)
    minibatches = own_windows if name == "5" else utils.Batches(corpus.train)
    exhibits[name] = train(Exhibit(**how), minibatches)
reported = {name: score(e, held_out if name == "5" else unseen) for name, e in exhibits.items()}
utils.table(["exhibit", *reported], [["held-out", *map(utils.shorten, reported.values())]])

# %% [markdown] lang="en" id="judge"
# In lesson 6 an honest network of this size stayed near 8. Now judge: may the score be believed? If not, does the network read the answer, or does something else flatter it that no audit of a network can see? Commit yourself first; then you see what `utils.audit` found.

# %% [markdown] lang="zh" id="judge"
# 在第 6 课里，这么大的诚实网络停在 8 左右。现在请你来判断：它的得分可信吗？如果不可信，是网络读到了答案，还是别的什么抬高了得分，而审查网络根本看不出来？先定下你的判断，再看 `utils.audit` 发现了什么。

# %% id="audit"
windows = corpus.held_out[: 16 * T].reshape(16, T)  # (n, T)
reports = {name: utils.audit(exhibit, windows) for name, exhibit in exhibits.items()}

# %% tags=["hide-input"] id="verdicts"
# a question for each exhibit; its answer is what was found, and what could be
CHOICES = "no: the network reads the answer", "yes", "no: and an audit cannot see why"

def judge(name):
    """Ask for a verdict on an exhibit; then show the audit's report on it."""
    report = reports[name]
    reads, believed, hidden = CHOICES
    answer = reads if report.leaks else hidden if name == "5" else believed
    *found, _ = str(report).splitlines()  # the last line says what an audit cannot find
    because = "; ".join(line.rstrip(".。") for line in found)
    options = {"choices": CHOICES, "because": because, "show": report.draw}
    utils.guess(f"exhibit {name}: may its score be believed?", answer, **options)

for name in exhibits:
    judge(name)

# %% [markdown] lang="en" id="explained"
# <details><summary>Exhibit 1 explained</summary>The case of lesson 6. It is proposed again and again: a pull request for <code>char-rnn-tensorflow</code> (number 64, 2016) added a bidirectional network; somebody who tried it had "quite good perplexity" and useless text, until its author saw that the network "has seen the future", and closed it. In a test of <code>mxnet</code> (pull request 5362, 2017) validation perplexity came down to about 1.1. Nor is it only text: a benchmark that predicts, hour by hour, how long a patient will stay in intensive care was asked in 2020 (<code>eICU_Benchmark</code>, issue 1) whether its bidirectional LSTM does not simply count the hours that are left in the record.</details>
#
# <details><summary>Exhibit 2 explained</summary>A character's mean over the window counts the characters still to come. This is a leak over the whole window, but a weak one, and nothing about its score is too good to be true. The table below has its price. A forecaster's code (<code>philipperemy/n-beats</code>, issue 3, 2019) scaled every window by a minimum and a maximum that included the values to be predicted; the author agreed, and thought that it helped little. How little must be measured. Price forecasts whose scaler has seen the test period fill many such threads, and some stay disputed.</details>
#
# <details><summary>Exhibit 3 explained</summary>Five inputs around <em>t</em> are two before and two after it, and two layers of that see four steps ahead. So the report's reach is 4, and the score is that of a copier. In <code>magvit2-pytorch</code>, a network for video, a convolution along time had too few zeros on its left; what mended it (pull request 27, 2024) came with a test: change one element, and no output before it may move.</details>
#
# <details><summary>Exhibit 4 explained</summary>Innocent. With all zeros on the left, an output has seen its own character and those before it, and the report finds exactly zero. This is what is called a causal convolution.</details>
#
# <details><summary>Exhibit 5 explained</summary>The network is innocent, and its score is worthless. Two neighbouring windows share 31 of their 36 characters, so nearly everything held out has been learnt by heart in another window. <code>audit</code> looks at one network and one window at a time; which text the network was trained on, it cannot know. An issue at <code>logbert</code> (57, 2026) says that log files were cut into overlapping windows, shuffled, and only then split. The controls below find it.</details>

# %% [markdown] lang="zh" id="explained"
# <details><summary>展品 1 的真相</summary>就是第 6 课的案子。这种主意总有人提：2016 年，有人向 <code>char-rnn-tensorflow</code> 提交合并请求（第 64 号），加入双向网络；一位试用者得到了“相当好的困惑度”和毫无用处的文字，后来提交者自己也意识到，网络“已经见过未来”，便把请求关闭了。<code>mxnet</code> 的一次试验（合并请求 5362，2017 年）中，验证困惑度降到了约 1.1。这也不限于文本：有一个基准逐小时预测重症监护病人还要住多久，2020 年有人问（<code>eICU_Benchmark</code>，议题 1），它的双向 LSTM 会不会只是在数记录里还剩几个小时。</details>
#
# <details><summary>展品 2 的真相</summary>一种字符在整个窗口上的均值，把尚未出现的字符也数了进去。泄漏遍及整个窗口，但很弱，得分一点也不“好得不像真的”。它值多少，见下面的表。某个时间序列预测程序（<code>philipperemy/n-beats</code>，议题 3，2019 年）缩放每个窗口所用的最小值和最大值，就包括了待预测的值；作者承认了，认为影响很小。到底多小，要测量才知道。价格预测中，归一化时用到了测试时段的例子很多，有些至今仍有争议。</details>
#
# <details><summary>展品 3 的真相</summary><em>t</em> 周围的五个输入，是前两个、后两个和它自己；叠两层，就能看到后面四步。所以报告中的步数是 4，而得分是照抄者的得分。处理视频的 <code>magvit2-pytorch</code> 里，有一个沿时间方向的卷积，左边的零补少了；改正它的合并请求（第 27 号，2024 年）附带一个检验：改动一个元素，它之前的输出都不许变。</details>
#
# <details><summary>展品 4 的真相</summary>清白。零全部补在左边，每个输出只看得到当前字符和之前的字符，报告得出的结果恰好是零。这样的卷积称为因果卷积。</details>
#
# <details><summary>展品 5 的真相</summary>网络是清白的，得分却毫无价值。相邻两个窗口的 36 个字符里有 31 个相同，留出的内容几乎都在别的窗口里背过了。<code>audit</code> 每次只看一个网络和一个窗口；网络是用什么文本训练的，它无从知道。<code>logbert</code> 的一个议题（57，2026 年）指出，那里的日志先切成重叠的窗口，打乱，最后才划分。下面的对照实验能发现这种错误。</details>

# %% id="report"
print(reports["5"])
reports["5"].draw()

# %% [markdown] lang="en" id="controls"
# The end of this report says what no audit of a network can find. **Two controls** do. For exhibit 5: how many of the held-out windows end in 20 characters that also stand in a window learnt from, and what is the score on text that shares nothing with it? For exhibit 2: what does a twin reach that scales by the mean and standard deviation of the past only?

# %% [markdown] lang="zh" id="controls"
# 这份报告的末尾写明了审查网络发现不了什么。这些要靠**两个对照实验**来发现。对展品 5：留出的窗口中，有多少个的最后 20 个字符也出现在训练窗口里？换成毫无重叠的文本，得分是多少？对展品 2：它有一个孪生网络，只用过去的均值和标准差来缩放，能达到多少？

# %% id="overlap"
def share_learnt(windows):
    """The share of windows (n, T + 1) whose last 20 characters stand in a window learnt from."""
    known = {tuple(piece) for piece in learnt.unfold(1, 20, 1).flatten(0, 1).tolist()}
    return sum(tuple(w) in known for w in windows[:, -20:].tolist()) / len(windows)

for name, cut in {"its own held-out windows": held_out, "text further on": unseen}.items():
    found, perplexity = share_learnt(cut), score(exhibits["5"], cut)
    print(f"exhibit 5 on {name:<25} {found:4.0%} known, perplexity {perplexity:.2f}")

# %% id="scaled-starts"
class ScaledByThePast(Exhibit):
    """Exhibit 2's twin: what is scaled at t is scaled by the mean and deviation of x_1 to x_t."""

    def forward(self, X, state):
        E = F.one_hot(X.T, q).float()  # (T, n, q)
        t = torch.arange(1, len(E) + 1)[:, None, None]
        mean = E.cumsum(dim=0) / t
        variance = E.square().cumsum(dim=0) / t - mean**2
        E = (E - mean) / (variance.clamp(min=0).sqrt() + 0.1)
        return self.linear(self.rnn(E)[0]).flatten(0, 1), None

def one_start(seed):
    """Held-out perplexity of exhibit 2, of its twin, and of exhibit 2 given prefixes only."""
    scores = []
    for make in (lambda: Exhibit(scaled="window"), ScaledByThePast):
        utils.seed_everything(seed)
        scores.append(train(make(), utils.Batches(corpus.train, seed=seed)))
    scores.append(scores[0])
    return [utils.perplexity(network, corpus.held_out, prefix_only=i == 2)
            for i, network in enumerate(scores)]

rows, about = utils.recorded("workshop_scaled", lambda: list(map(one_start, range(5))))
names = "scaled by the window", "scaled by the past", "by the window, prefix only"
print(f"{about['origin']}, five starts")
starts = dict(zip(names, zip(*rows)))
for name, column in starts.items():
    print(f"{name:<27} {min(column):.2f} to {max(column):.2f}")
utils.ranking(starts)

# %% [markdown] lang="en" id="controls-look"
# The cure for exhibit 5: **split first, then cut**, and leave a gap where windows could reach across. For exhibit 2 the leak is worth about 1 in perplexity, which would pass for an improvement. A leak need not look like one; only a control tells.
#
# ## The bug hunt
#
# Every layer below claims to be a bidirectional GRU with $d = 5$ inputs and $h = 4$ hidden units in each direction. It is called so:
#
# `H, summary, state = layer(X, lengths, state)`
#
# | | shape | what it should be |
# | --- | --- | --- |
# | `X` | $(T, n, 5)$ | a minibatch; rows shorter than $T$ are padded at the end |
# | `lengths` | $(n,)$ | how long each row is; without it, all are $T$ long |
# | `state` | $(2, n, 4)$ | what the call before has returned; without it, zeros. As lesson 6 demands, only the forward direction goes on from it |
# | `H` | $(T, n, 8)$ | at $t$: the forward state, which has read $x_1, \ldots, x_t$, and the backward one, which has read $x_t$ to the row's end; zeros where there is padding |
# | `summary` | $(n, 8)$ | each row in one vector: the state of each direction when it has read the whole row |
#
# The parameters have the names of torch's own, so that `layer.load_state_dict(gru.state_dict())` takes them from `gru = nn.GRU(5, 4, bidirectional=True)`. One layer is right, six are broken, and they stand behind plain names. All shapes are right, no call raises an error, and each would train. **Write `my_check`**, which says `True` for a right layer and `False` for a broken one, or uses `assert`. The first version below looks at shapes.

# %% [markdown] lang="zh" id="controls-look"
# 治好展品 5 的办法：**先划分，再切窗口**，并在窗口可能跨界的地方留出间隔。展品 2 的泄漏使困惑度大约低了 1，足以被当成一项改进。泄漏看上去不一定像泄漏，只有对照实验才分得清。
#
# ## 捉虫
#
# 下面每个层都自称是双向 GRU，输入 $d = 5$ 维，每个方向 $h = 4$ 个隐藏单元。调用方式是：
#
# `H, summary, state = layer(X, lengths, state)`
#
# | | 形状 | 应当是什么 |
# | --- | --- | --- |
# | `X` | $(T, n, 5)$ | 一个小批量；不足 $T$ 步的行在末尾填充 |
# | `lengths` | $(n,)$ | 每一行的长度；不给时，各行长度都是 $T$ |
# | `state` | $(2, n, 4)$ | 上一次调用返回的状态；不给时为零。按第 6 课的要求，只有前向接着它往下读 |
# | `H` | $(T, n, 8)$ | 在 $t$ 处：读过 $x_1, \ldots, x_t$ 的前向状态，以及从该行末尾读到 $x_t$ 的反向状态；填充处为零 |
# | `summary` | $(n, 8)$ | 每行一个向量：两个方向各自读完整行时的状态 |
#
# 参数的名字与 torch 相同，所以可以用 `layer.load_state_dict(gru.state_dict())` 把 `gru = nn.GRU(5, 4, bidirectional=True)` 的参数拿来用。其中一个层是对的，六个是坏的，都只有一个代号。所有形状都对，调用也不会报错，每个都能拿去训练。**请写出 `my_check`**：对的层返回 `True`，坏的返回 `False`，也可以用 `assert`。下面这个最初的版本只看形状。

# %% tags=["hide-input"] id="layer"
# the right layer, folded: open it after the hunt
class Layer(nn.GRU):
    def __init__(self):
        super().__init__(5, 4, bidirectional=True)

    def blocks(self, reset, update, new):
        return reset, update, new

    def one_way(self, X, H, end=""):
        W_xh, W_hh = (getattr(self, f"weight_{k}_l0{end}").T for k in ("ih", "hh"))
        b_xh, b_hh = (getattr(self, f"bias_{k}_l0{end}") for k in ("ih", "hh"))
        states = []
        for x in X:  # (n, 5)
            ours, past = (x @ W_xh + b_xh).chunk(3, dim=1), (H @ W_hh + b_hh).chunk(3, dim=1)
            (R, Z, N), (R_h, Z_h, N_h) = self.blocks(*ours), self.blocks(*past)
            R, Z = (R + R_h).sigmoid(), (Z + Z_h).sigmoid()
            H = (1 - Z) * (N + R * N_h).tanh() + Z * H  # (n, 4)
            states.append(H)
        return torch.stack(states)  # (T, n, 4)

    def turn(self, X, lengths):
        """Each row's steps in reverse order, its padding left where it is."""
        t = torch.arange(len(X))[:, None]
        places = torch.where(t < lengths, lengths - 1 - t, t)  # (T, n)
        return X.gather(0, places[:, :, None].expand_as(X))

# %% tags=["hide-input"] id="layer-call"
# its call, folded too
class Right(Layer):
    def turn_back(self, B, lengths):
        return self.turn(B, lengths)

    def start(self, state):
        return state[0], torch.zeros_like(state[1])

    def summary_of(self, ends, H, lengths):
        return torch.cat(tuple(ends), dim=1)  # (n, 8)

    def forward(self, X, lengths=None, state=None):
        T, n, _ = X.shape
        lengths = torch.full((n,), T) if lengths is None else torch.as_tensor(lengths)
        forward, backward = self.start(torch.zeros(2, n, 4) if state is None else state)
        A = self.one_way(X, forward)  # (T, n, 4)
        B = self.one_way(self.turn(X, lengths), backward, "_reverse")
        ends = torch.stack([A[lengths - 1, torch.arange(n)], self.turn(B, lengths)[0]])
        H = torch.cat([A, self.turn_back(B, lengths)], dim=2)  # (T, n, 8)
        H = H * (torch.arange(T)[:, None] < lengths)[:, :, None]
        return H, self.summary_of(ends, H, lengths), ends  # state: (2, n, 4)

# %% tags=["hide-input"] id="broken-layers"
# the broken ones, folded: each differs from the right one in a single line
class A(Right):
    def start(self, state):
        return state  # the backward state is carried to the next minibatch

class B(Right):
    def turn_back(self, B, lengths):
        return B  # the second flip is forgotten

class C(Right):
    def summary_of(self, ends, H, lengths):
        return ends.reshape(-1, 8)  # what belongs to different rows is put side by side

class D(Right):
    def turn(self, X, lengths):
        return X.flip(0)  # padding is read first

class E(Right):
    def summary_of(self, ends, H, lengths):
        return H[lengths - 1, torch.arange(len(lengths))]  # output[-1]

class G(Right):
    def blocks(self, update, reset, new):
        return reset, update, new  # Keras keeps a GRU's blocks in this order, torch does not

BROKEN = {"A": A, "B": B, "C": C, "D": D, "E": E, "F": G}

# %% id="hunt"
def hunt(check):
    """Try check(layer) on the right layer and on each broken one; a table of what it said."""
    said, silent = {}, True
    for name, make in {"the right one": Right, **BROKEN}.items():
        torch.manual_seed(1)
        try:
            answer = check(make())
            said[name] = "passed" if answer is None or bool(answer) else "caught"
            silent = silent and answer is None
        except AssertionError:
            said[name], silent = "caught", False
        except Exception as error:
            said[name], silent = f"{type(error).__name__}: {error}"[:70], False
    if silent:
        print("The check never says anything: return True or False, or assert something.")
    if said["the right one"] == "caught":
        said["the right one"] = "called wrong"
        print("The check calls the right layer wrong: whatever else it catches does not count.")
    if any(":" in words for words in said.values()):
        print("The check ends in an error, which says neither right nor wrong: see the table.")
    return utils.table(["layer", "your check"], said.items())

# %% id="my-check"
def my_check(layer):
    """True for a right layer, False for a broken one."""
    X = torch.randn(7, 3, 5)  # (T, n, d)
    H, summary, state = layer(X)
    return H.shape == (7, 3, 8) and summary.shape == (3, 8) and state.shape == (2, 3, 4)

hunt(my_check)

# %% [markdown] lang="en" id="hints"
# ### Hints
#
# One for each bug. Inside each hint is a check that catches it: paste it into a cell, write `hunt(check)` below, and run.
#
# <details><summary>Hint 1</summary>
#
# Which of its inputs has the backward state at $t = T$ read? Change one input that a state cannot have read, and look whether it moves.
#
# <details><summary>Check 1</summary>
#
# ```python
# def check(layer):  # the backward state at T has read x_T only: x_1 cannot move it
#     X = torch.randn(7, 2, 5)
#     changed = torch.cat([X[:1] + 1, X[1:]])
#     return torch.equal(layer(X)[0][-1, :, 4:], layer(changed)[0][-1, :, 4:])
# ```
#
# </details></details>
#
# <details><summary>Hint 2</summary>
#
# And which has the backward direction read when it has come to the row's beginning? The opposite: change an input that must have been read.
#
# <details><summary>Check 2</summary>
#
# ```python
# def check(layer):  # but it has read x_1 in the end, so x_1 must move the summary's backward half
#     X = torch.randn(7, 2, 5)
#     changed = torch.cat([X[:1] + 1, X[1:]])
#     return not torch.allclose(layer(X)[1][:, 4:], layer(changed)[1][:, 4:])
# ```
#
# </details></details>
#
# <details><summary>Hint 3</summary>
#
# What does the backward direction know of the minibatch before? Nothing. Lesson 6, *A second error*.
#
# <details><summary>Check 3</summary>
#
# ```python
# def check(layer):  # with the state of other text, the backward half stays as it is without
#     X = torch.randn(7, 2, 5)
#     _, _, state = layer(torch.randn(7, 2, 5))
#     return torch.allclose(layer(X, state=state)[0][:, :, 4:], layer(X)[0][:, :, 4:])
# ```
#
# </details></details>
#
# <details><summary>Hint 4</summary>
#
# Is a row's answer its own? Two ways to ask: what if the padding were something else (this hint), and what if the other rows were gone (the next)?
#
# <details><summary>Check 4</summary>
#
# ```python
# def check(layer):  # whatever stands where there is padding, nothing moves
#     X, lengths = torch.randn(7, 2, 5), torch.tensor([4, 7])
#     noisy = X.clone()
#     noisy[4:, 0] = 100
#     pairs = zip(layer(X, lengths), layer(noisy, lengths))
#     return all(torch.allclose(a, b) for a, b in pairs)
# ```
#
# </details></details>
#
# <details><summary>Hint 5</summary>
#
# The same, for the other rows. Read one row alone. With <code>n = 1</code> the error cannot be seen at all.
#
# <details><summary>Check 5</summary>
#
# ```python
# def check(layer):  # a row has the same summary alone and among others
#     X = torch.randn(7, 3, 5)
#     return torch.allclose(layer(X)[1][:1], layer(X[:, :1])[1], atol=1e-6)
# ```
#
# </details></details>
#
# <details><summary>Hint 6</summary>
#
# Five of the six are out of order in space or time. One is in perfect order, but a trained network's parameters mean something else in it. Only a twin can tell: torch's layer, with the same parameters.
#
# <details><summary>Check 6</summary>
#
# ```python
# def check(layer):  # with torch's parameters, torch's states
#     gru, X = nn.GRU(5, 4, bidirectional=True), torch.randn(7, 2, 5)
#     layer.load_state_dict(gru.state_dict())
#     return torch.allclose(layer(X)[0], gru(X)[0], atol=1e-6)
# ```
#
# </details></details>
#
# <details><summary>One check for all six</summary>
#
# ```python
# def check(layer):
#     gru = nn.GRU(5, 4, bidirectional=True)
#     X, lengths = torch.randn(7, 3, 5), torch.tensor([4, 7, 5])
#     layer.load_state_dict(gru.state_dict())
#     packed = nn.utils.rnn.pack_padded_sequence(X, lengths, enforce_sorted=False)
#     state = None
#     for _ in range(2):  # the second time from the first's state; only [0] is carried
#         theirs = None if state is None else torch.stack([state[0], torch.zeros(3, 4)])
#         H, h_n = gru(packed, theirs)
#         ours, summary, state = layer(X, lengths, state)
#         assert torch.allclose(ours, nn.utils.rnn.pad_packed_sequence(H)[0], atol=1e-6)
#         assert torch.allclose(summary, torch.cat([h_n[0], h_n[1]], dim=1), atol=1e-6)
#     return True
# ```
#
# </details>
#
# <details><summary>Which is which, and where it has happened</summary>
#
# | layer | what is wrong | caught by | seen in |
# | --- | --- | --- | --- |
# | **A** | the backward state is carried on | check 3 | D2L's training loop (lesson 6) |
# | **B** | the second flip is forgotten | check 1 | readers that reverse their input and never turn the states back |
# | **C** | `h_n.reshape(n, 2h)` in place of joining both directions: rows are mixed | check 5 | any network trained with $n > 1$ and tried with $n = 1$ |
# | **D** | the backward direction reads the padding first | check 4 | `deeplearning4j`, issue 1030, 2016, mended in the year after |
# | **E** | `output[-1]` as the summary: its backward half has read one input | check 2 | `pytorch-tutorial`, issue 149 (`out[:, -1, :]`) |
# | **F** | reset and update gate change places | check 6 | Keras stores a GRU's blocks as $z, r, h$, torch as $r, z, n$: parameters moved from one to the other |
#
# A check by properties (1 to 5) asks for no right layer, and works on a network of any size. A twin catches nearly everything, but somebody must have built it, and it must be fed what makes the difference: padding, more than one row, a second minibatch.</details>

# %% [markdown] lang="zh" id="hints"
# ### 提示
#
# 每个错误一条。每条提示里面还有一个能捉住它的检查：粘贴到一个单元格里，下面写上 `hunt(check)`，运行即可。
#
# <details><summary>提示 1</summary>
#
# $t = T$ 处的反向状态，读过哪些输入？改动一个它不可能读过的输入，看它动不动。
#
# <details><summary>检查 1</summary>
#
# ```python
# def check(layer):  # T 处的反向状态只读过 x_T：改 x_1 动不了它
#     X = torch.randn(7, 2, 5)
#     changed = torch.cat([X[:1] + 1, X[1:]])
#     return torch.equal(layer(X)[0][-1, :, 4:], layer(changed)[0][-1, :, 4:])
# ```
#
# </details></details>
#
# <details><summary>提示 2</summary>
#
# 反向读到行首时，又读过哪些输入？反过来：改动一个它必定读过的输入。
#
# <details><summary>检查 2</summary>
#
# ```python
# def check(layer):  # 但它最后读到了 x_1，改 x_1 必定会动摘要的反向部分
#     X = torch.randn(7, 2, 5)
#     changed = torch.cat([X[:1] + 1, X[1:]])
#     return not torch.allclose(layer(X)[1][:, 4:], layer(changed)[1][:, 4:])
# ```
#
# </details></details>
#
# <details><summary>提示 3</summary>
#
# 对于上一个小批量，反向知道些什么？什么也不知道。见第 6 课“第二个错误”。
#
# <details><summary>检查 3</summary>
#
# ```python
# def check(layer):  # 接着别的文本的状态读，反向部分应与不给状态时一样
#     X = torch.randn(7, 2, 5)
#     _, _, state = layer(torch.randn(7, 2, 5))
#     return torch.allclose(layer(X, state=state)[0][:, :, 4:], layer(X)[0][:, :, 4:])
# ```
#
# </details></details>
#
# <details><summary>提示 4</summary>
#
# 一行的结果，只取决于这一行自己吗？有两种问法：填充处换成别的值会怎样（本条）？其他行都拿掉会怎样（下一条）？
#
# <details><summary>检查 4</summary>
#
# ```python
# def check(layer):  # 填充处无论换成什么，结果都不变
#     X, lengths = torch.randn(7, 2, 5), torch.tensor([4, 7])
#     noisy = X.clone()
#     noisy[4:, 0] = 100
#     pairs = zip(layer(X, lengths), layer(noisy, lengths))
#     return all(torch.allclose(a, b) for a, b in pairs)
# ```
#
# </details></details>
#
# <details><summary>提示 5</summary>
#
# 同样的问题，换成其他行。单独读一行。<code>n = 1</code> 时，这个错误根本看不出来。
#
# <details><summary>检查 5</summary>
#
# ```python
# def check(layer):  # 一行单独读，与和其他行一起读，摘要相同
#     X = torch.randn(7, 3, 5)
#     return torch.allclose(layer(X)[1][:1], layer(X[:, :1])[1], atol=1e-6)
# ```
#
# </details></details>
#
# <details><summary>提示 6</summary>
#
# 六个错误中，有五个弄乱了先后或位置。还有一个井井有条，只是训练好的参数放进去，含义就变了。只有孪生层才分得出来：torch 自己的层，用同样的参数。
#
# <details><summary>检查 6</summary>
#
# ```python
# def check(layer):  # 用 torch 的参数，就得到 torch 的状态
#     gru, X = nn.GRU(5, 4, bidirectional=True), torch.randn(7, 2, 5)
#     layer.load_state_dict(gru.state_dict())
#     return torch.allclose(layer(X)[0], gru(X)[0], atol=1e-6)
# ```
#
# </details></details>
#
# <details><summary>一个检查捉住全部六个</summary>
#
# ```python
# def check(layer):
#     gru = nn.GRU(5, 4, bidirectional=True)
#     X, lengths = torch.randn(7, 3, 5), torch.tensor([4, 7, 5])
#     layer.load_state_dict(gru.state_dict())
#     packed = nn.utils.rnn.pack_padded_sequence(X, lengths, enforce_sorted=False)
#     state = None
#     for _ in range(2):  # 第二遍从第一遍的状态开始；只传 [0]
#         theirs = None if state is None else torch.stack([state[0], torch.zeros(3, 4)])
#         H, h_n = gru(packed, theirs)
#         ours, summary, state = layer(X, lengths, state)
#         assert torch.allclose(ours, nn.utils.rnn.pad_packed_sequence(H)[0], atol=1e-6)
#         assert torch.allclose(summary, torch.cat([h_n[0], h_n[1]], dim=1), atol=1e-6)
#     return True
# ```
#
# </details>
#
# <details><summary>谁是谁，以及哪里发生过</summary>
#
# | 层 | 错在哪里 | 哪个检查能捉住 | 出处 |
# | --- | --- | --- | --- |
# | **A** | 反向状态传给了下一个小批量 | 检查 3 | D2L 的训练循环（第 6 课） |
# | **B** | 忘了第二次翻转 | 检查 1 | 把输入倒过来读，却没有把状态翻回来的程序 |
# | **C** | 没有拼接两个方向，而是写成 `h_n.reshape(n, 2h)`：各行混在了一起 | 检查 5 | 凡是用 $n > 1$ 训练、又用 $n = 1$ 试运行的网络 |
# | **D** | 反向先读了填充 | 检查 4 | `deeplearning4j` 议题 1030，2016 年，次年改正 |
# | **E** | 拿 `output[-1]` 当摘要：它的反向部分只读过一个输入 | 检查 2 | `pytorch-tutorial` 议题 149（`out[:, -1, :]`） |
# | **F** | 重置门与更新门换了位置 | 检查 6 | Keras 按 $z, r, h$ 的顺序存放 GRU 的参数，torch 按 $r, z, n$：参数从一边搬到另一边，就会错位 |
#
# 按性质来检查（1 到 5），不需要一个正确的层，网络多大都能用。与孪生层对照，几乎什么都能捉住，但孪生层得有人先写好，而且要喂给它能看出差别的数据：有填充、不止一行、还要有第二个小批量。</details>

# %% [markdown] lang="en" id="sources"
# ## Sources
#
# - J. Kaufman, S. Rosset, C. Perlich, O. Stitelman. Leakage in Data Mining: Formulation, Detection, and Avoidance. *ACM TKDD* 6(4), 2012.
# - A. van den Oord et al. WaveNet: A Generative Model for Raw Audio. 2016 (causal convolutions).
# - The cases: issues and pull requests on GitHub, by repository and number, as named above.

# %% [markdown] lang="zh" id="sources"
# ## 参考文献
#
# - J. Kaufman, S. Rosset, C. Perlich, O. Stitelman. Leakage in Data Mining: Formulation, Detection, and Avoidance. *ACM TKDD* 6(4), 2012.
# - A. van den Oord 等. WaveNet: A Generative Model for Raw Audio. 2016（因果卷积）。
# - 各个案例：GitHub 上的议题与合并请求，仓库名和编号见正文。
