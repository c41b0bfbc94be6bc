# %% [markdown] lang="en" id="title"
# # Start here
#
# Six short lessons on deep and bidirectional recurrent networks: networks that read a sequence, such as a text, step by step. You can run every claim, move a slider, and see for yourself.
#
# **You need:** matrix products, a plain neural network, a little probability, and some Python. No GPU is needed, and nothing is downloaded while the lessons run.
#
# **First**, press *Run → Run All Cells* in the menu above (on Colab *Runtime → Run all*), or click into a cell and press `Shift+Enter`. That is also how every lesson is run. (On GitHub a page shows all its results, but nothing runs: the [README](../../README.md#start) has the command to start with.)
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 开始页
#
# 六节短课，讲深度循环神经网络和双向循环神经网络，也就是一步一步读取序列（例如文本）的网络。课文里的每个说法，你都可以运行代码、拖动滑块，亲自验证。
#
# **预备知识：** 矩阵乘法、多层感知机、一点概率论，以及少许 Python。不需要 GPU，运行时也不下载任何东西。
#
# **首先**，点上方菜单的*运行 → 运行所有单元格*（英文界面是 *Run → Run All Cells*；在 Colab 上是*代码执行程序 → 全部运行*），或者点击一个单元格，再按 `Shift+Enter`。每一课都是这样运行的。（网页上直接打开的页面只显示结果，不能运行：怎样下载和启动，见[中文说明](../../README.zh.md)。）
#
# {{launch}}

# %% [markdown] lang="en" id="check-text"
# ## Is this machine ready?

# %% [markdown] lang="zh" id="check-text"
# ## 这台机器准备好了吗？

# %% id="setup"
# the course's folder; in the notebooks this cell also serves Colab (tools/build_notebooks.py)
import sys
from pathlib import Path
here = Path.cwd()
root = next(p for p in (here, *here.parents) if (p / "book" / "live_plot.py").exists())
sys.path.insert(0, str(root))
import utils

# %% id="check"
utils.check_machine()

# %% [markdown] lang="en" id="verdict"
# Does it say **Ready**? Then every lesson runs here. Versions other than the tested ones mostly work, too (Colab has its own). If it says **Not ready**, the line below says what to do.
#
# Is there an error instead of a table? Then Jupyter was started from another Python than the one that the book was installed for: use the commands of the README, or choose the right kernel at the top right.

# %% [markdown] lang="zh" id="verdict"
# 如果显示**准备就绪**，所有课程就都能在这里运行。版本与测试时不同，大多也没有问题（Colab 用的是它自己的版本）。如果显示**尚未就绪**，下面一行会告诉你该怎么办。
#
# 出现的是报错，而不是表格？那说明启动 Jupyter 的 Python 不是安装本书的那一个：请使用[中文说明](../../README.zh.md)里的命令，或者在右上角选择正确的内核（kernel）。

# %% [markdown] lang="en" id="map"
# ## The lessons
#
# They build on each other, but whoever knows recurrent networks may begin with lesson 3, and whoever came for the famous mistake with lesson 6. The run times come from a machine with a speed of {{speed}}, on two cores: if the table above shows half that for yours, expect twice the time. The reading times are for reading with care (150 words a minute, 4 seconds for a line of code), without the exercises.
#
# | | Lesson | What you can do afterwards | To read | Run All |
# | --- | --- | --- | --- | --- |
# | 1 | [Deep recurrent networks](01_deep_rnn.ipynb) | draw a network of any depth with the shapes of all its weights, and follow one step by hand | {{minutes 01_deep_rnn}} min | {{seconds 01_deep_rnn}} s |
# | 2 | [A stacked network from scratch](02_stacked_from_scratch.ipynb) | write RNN, GRU and LSTM layers, stack them, train them, and get the numbers that PyTorch gets | {{minutes 02_stacked_from_scratch}} min | {{seconds 02_stacked_from_scratch}} s |
# | 3 | [A deep LSTM in a few lines](03_concise_lstm.ipynb) | train `nn.LSTM` as *Dive into Deep Learning* does and faster, and tell learning from learning by heart | {{minutes 03_concise_lstm}} min | {{seconds 03_concise_lstm}} s |
# | 4 | [Both sides at once: a hidden Markov model](04_hmm_forward_backward.ipynb) | sum over $k^T$ paths in $O(k^2 T)$ from both ends, and show that networks learn the same | {{minutes 04_hmm_forward_backward}} min | {{seconds 04_hmm_forward_backward}} s |
# | 5 | [Bidirectional recurrent networks](05_bidirectional_rnn.ipynb) | build one, read PyTorch's layout without a slip, say what it costs and what it is good for | {{minutes 05_bidirectional_rnn}} min | {{seconds 05_bidirectional_rnn}} s |
# | 6 | [The wrong use of a bidirectional network](06_bidirectional_misuse.ipynb) | explain why a perplexity near 1 can be worthless, and show it with experiments | {{minutes 06_bidirectional_misuse}} min | {{seconds 06_bidirectional_misuse}} s |
#
# Each lesson asks for a **prediction** before it shows a result. Make it: that is where the learning happens. Where it matters most there is a box to guess in; only when you press *Compare* does the result appear, with your guess on it. Each lesson ends with exercises (a cell says *not yet* or *right, because …*, and the solution is folded away below it) and with five questions from an exam.
#
# After lesson 6, the [workshop](workshop.ipynb): five models with good scores, of which you find those that cheat, and six broken layers for which you write the check. Visited pages keep their kernel: shut down those that you have left (*Kernel → Shut Down Kernel*) if memory is short.
#
# A word you do not know? Where a lesson first uses it, it links to the [glossary](glossary.ipynb). For teachers: [how to present this in class](teaching.ipynb).

# %% [markdown] lang="zh" id="map"
# ## 课程一览
#
# 各课前后相承；熟悉循环神经网络的读者可以从第 3 课开始，只想弄清“双向网络当语言模型”错在哪里的读者，可以直接看第 6 课。运行时间是在一台速度为 {{speed}}的机器上用两个核心测得的：如果上面那张表里，你的速度只有它的一半，时间就要加倍。阅读时间按仔细阅读估算（相当于英文版每分钟 150 个词，每行代码 4 秒），不含练习。
#
# | | 课 | 学完之后，你能够 | 阅读 | 全部运行 |
# | --- | --- | --- | --- | --- |
# | 1 | [深度循环神经网络](01_deep_rnn.ipynb) | 画出任意深度的网络，写出每个权重的形状，并手算一步 | {{minutes 01_deep_rnn}} 分钟 | {{seconds 01_deep_rnn}} 秒 |
# | 2 | [从零实现堆叠的循环网络](02_stacked_from_scratch.ipynb) | 写出 RNN、GRU 和 LSTM 层，把它们堆叠起来并训练，结果与 PyTorch 一致 | {{minutes 02_stacked_from_scratch}} 分钟 | {{seconds 02_stacked_from_scratch}} 秒 |
# | 3 | [深度 LSTM 的简洁实现](03_concise_lstm.ipynb) | 像《动手学深度学习》那样训练 `nn.LSTM`，并且训练得更快；分清“学会了”和“背下来了” | {{minutes 03_concise_lstm}} 分钟 | {{seconds 03_concise_lstm}} 秒 |
# | 4 | [同时看两边：隐马尔可夫模型](04_hmm_forward_backward.ipynb) | 从两端递推，用 $O(k^2 T)$ 次运算对 $k^T$ 条路径求和，并看到网络也能学会同样的事 | {{minutes 04_hmm_forward_backward}} 分钟 | {{seconds 04_hmm_forward_backward}} 秒 |
# | 5 | [双向循环神经网络](05_bidirectional_rnn.ipynb) | 亲手实现，准确读懂 PyTorch 的张量布局，说清它的代价和用途 | {{minutes 05_bidirectional_rnn}} 分钟 | {{seconds 05_bidirectional_rnn}} 秒 |
# | 6 | [双向循环神经网络的错误应用](06_bidirectional_misuse.ipynb) | 解释为什么接近 1 的困惑度可能毫无价值，并用实验加以证明 | {{minutes 06_bidirectional_misuse}} 分钟 | {{seconds 06_bidirectional_misuse}} 秒 |
#
# 每一课在给出结果之前，都会请你先**猜一猜**。请动笔写下来：先猜后看，印象才深。最要紧的几处备有一个框，填好之后按*比较*，结果才会出现，并和你的猜测画在一起。课末有练习（填好答案，运行单元格，会显示“还不对：……”或“正确：……”，参考解答折叠在它下面），还有五道考试题。
#
# 学完第 6 课，请到[工作坊](workshop.ipynb)：五个得分都很好的模型，找出其中作弊的；六个写坏了的层，由你来写检查。看过的页面仍然占着内核，内存紧张时，请把用完的关掉（*内核 → 关闭内核*，英文界面是 *Kernel → Shut Down Kernel*）。
#
# 遇到不认识的术语？它在每一课中第一次出现时，都链接到[术语表](glossary.ipynb)。教师请看：[教师指南](teaching.ipynb)。发现了错误，或者想参与修改，请看[参与改进](../../CONTRIBUTING.zh.md)。

# %% [markdown] lang="en" id="route"
# ## Only one hour?
#
# Run each of these lessons from the top first (*Run → Run All Cells*) and go straight to the sections named; what stands between them can wait.
#
# | Minutes | Sections | The one thing to take along |
# | --- | --- | --- |
# | 8 | [Lesson 1](01_deep_rnn.ipynb): *Functional dependencies*, *Shapes and parameters, with sliders*, *In which order?* | every state reads two others: one step before, and one layer below |
# | 16 | [Lesson 2](02_stacked_from_scratch.ipynb): *Two more cells*, *Where gradients fade*, *Inside the trained network* | what is handed on through many steps is a product; open gates keep it from fading |
# | 8 | [Lesson 3](03_concise_lstm.ipynb): *The model*, *Training and prediction*, *Memory or language?* | perplexity 1 on one's own text is memory; look at text not read |
# | 16 | [Lesson 5](05_bidirectional_rnn.ipynb): *Definition*, *Which number stands where?*, *Use 1: fill in the blank* | two directions side by side, and where each of them ends |
# | 12 | [Lesson 6](06_bidirectional_misuse.ipynb): *Two suspects, live*, *Where is it so good?*, *The path of the leak*, *Take the future away*, *On your own model* | a score that is too good: take the future away and score again |
#
# The night before an exam: *What to write in the exam* and *What we saw*, at the end of each lesson.

# %% [markdown] lang="zh" id="route"
# ## 只有一个小时？
#
# 先把下面每一课从头运行一遍（*运行 → 运行所有单元格*），再直接跳到所列的小节；其余部分以后再读。
#
# | 分钟 | 小节 | 只需记住一点 |
# | --- | --- | --- |
# | 8 | [第 1 课](01_deep_rnn.ipynb)：“函数依赖关系”“用滑块看形状与参数量”“按什么顺序计算？” | 每个隐状态读取另外两个：前一步的，和下一层的 |
# | 16 | [第 2 课](02_stacked_from_scratch.ipynb)：“另外两种单元”“梯度在哪里衰减”“训练好的网络里面” | 传过许多步的是一个连乘积；打开的门让它不致衰减 |
# | 8 | [第 3 课](03_concise_lstm.ipynb)：“模型”“训练与预测”“记住了原文，还是学会了语言？” | 在读过的文本上困惑度为 1，只是背了下来；要看没读过的文本 |
# | 16 | [第 5 课](05_bidirectional_rnn.ipynb)：“定义”“输出张量怎么排列？”“用途一：填空” | 两个方向左右并排，各自结束在哪里 |
# | 12 | [第 6 课](06_bidirectional_misuse.ipynb)：“两名嫌疑人，当场对质”“它究竟好在哪里？”“泄漏的路径”“拿走未来”“检查你自己的模型” | 得分好得不像真的：拿走未来，再测一次 |
#
# 考试前一晚：每课末尾的“考试怎么写”和“小结”。

# %% [markdown] lang="en" id="playground-text"
# ## The playground
#
# Lessons 3 and 6 contain a playground, and it has [a page of its own](try_it.ipynb): a network that you train while you watch.
#
# | Control | What it does |
# | --- | --- |
# | **{{label layers}}**, **{{label hidden_units}}** | depth $L$ and width $h$ of the network (the arrow keys move a slider; everything works from the keyboard) |
# | **{{label cell}}** | the kind of recurrent layer: plain RNN, GRU or LSTM (lesson 1 says how they differ) |
# | **{{label recipe}}** | how the weights are trained: *fast* (Adam, with larger first weights: see lesson 3) or *D2L* (stochastic gradient descent, SGD, as in *Dive into Deep Learning*); it proposes a learning rate, which you can change |
# | **{{label epochs}}**, **{{label seed}}** | how many times the text is read; where the random numbers start, so that the same seed gives the same run |
# | **{{label train}}**, **{{label stop}}**, **{{label reset}}** | training goes on in the background, so you can work on in other cells. **{{label stop}}** keeps the model, **{{label reset}}** forgets all runs |
# | the plot | **perplexity**: among how many characters the network might as well guess blindly, so 1 is perfect. Solid: on the text that it trains on; dashed: on *held-out* text, which it never trains on (also called *validation set*; read after each of the first eight epochs, then after every second, from the 20th on after every fourth one). Each run has a number, at the ends of its curves and in the table |
# | **{{label prefix}}**, **{{label temperature}}**, **{{label generate}}** | let the trained network write on; at temperature 0 it always takes the likeliest character, at higher ones it gambles more, anew at each click |
# | **{{label settings}}** | the whole experiment in one line, seed included: copy it into a chat; whoever pastes it here and presses **{{label train}}** sees the same curve |
# | **{{label own}}** | a text file (UTF-8, or Chinese in GBK) or a pasted text of 1,800 letters or more, in any script: the network then reads that one. **{{label save}}** writes the trained network to a file beside the page, **{{label model_file}}** brings it back to write on; **{{label text_back}}** returns to the book |
#
# A value that makes no sense is refused with a sentence below the controls. A training that diverges says so, and which knob to turn. Point at the plot for exact values.
#
# Here it is, with one short run of a small network: both its curves fall, the dashed one less. Now paste `layers=1 hidden_units=128 epochs=20` into **{{label settings}}** (twice as many hidden units) and press **{{label train}}**. **Predict:** which of the two networks will do better on the text that it has read, and which on the text that it has not?
#
# <details><summary>Answer</summary>On its own text the larger one, by far: training perplexity 2.4 to 2.7, against 5.0 to 5.4 (five random starts each). On new text, after 20 epochs, these runs cannot tell them apart: held-out perplexity 7.0 to 7.4 and 6.8 to 7.1. But the dashed curve of the larger one had been lower, 6.4 to 6.8 at about the 12th epoch, and has turned up since: it has begun to learn by heart. Lesson 3 tells that story.</details>

# %% [markdown] lang="zh" id="playground-text"
# ## 游乐场
#
# 第 3 课和第 6 课里各有一个游乐场，它也有[单独的一页](try_it.ipynb)：一边训练网络，一边观察。
#
# | 控件 | 作用 |
# | --- | --- |
# | **{{label layers}}**、**{{label hidden_units}}** | 网络的深度 $L$ 和宽度 $h$（滑块可用方向键调节，所有控件都可以用键盘操作） |
# | **{{label cell}}** | 循环层的种类：普通 RNN、GRU 或 LSTM（区别见第 1 课） |
# | **{{label recipe}}** | 怎样训练权重：*快速*（Adam，并放大初始权重，见第 3 课）或 *D2L*（随机梯度下降，即 SGD，与《动手学深度学习》相同）；选定后会给出一个学习率，可以再改 |
# | **{{label epochs}}**、**{{label seed}}** | 把文本读几遍；随机数从哪里开始（随机种子），种子相同，训练过程就相同 |
# | **{{label train}}**、**{{label stop}}**、**{{label reset}}** | 训练在后台进行，其他单元格照常可用。**{{label stop}}** 会保留模型，**{{label reset}}** 会清空所有训练 |
# | 图 | **困惑度**（perplexity）：困惑度为 $k$，相当于每一步都在 $k$ 个等可能的字符里盲猜；1 是完美。实线：在训练文本上；虚线：在从不用来训练的**留出**（held-out）文本上（也叫验证集；前八个迭代周期每个都测，此后每两个测一次，从第 20 个起每四个测一次）。每次训练有一个编号，标在曲线末端，也写在表里 |
# | **{{label prefix}}**、**{{label temperature}}**、**{{label generate}}** | 让训练好的网络写下去；温度为 0 时总取概率最大的字符；温度越高越随意，每按一次都重新抽取 |
# | **{{label settings}}** | 整个实验浓缩成一行（名称用代码里的英文），包括随机种子：发到群里，别人粘贴到自己的这一行，按 **{{label train}}**，就能得到同一条曲线 |
# | **{{label own}}** | 选一个文本文件（UTF-8，中文也可以是 GBK 编码），或者直接粘贴一段至少 1,800 个字符的文本，哪种文字都行：网络就改读这一篇。**{{label save}}** 把训练好的网络存成文件，放在本页旁边；**{{label model_file}}** 再把它读回来，接着写；按 **{{label text_back}}** 回到原书 |
#
# 不合理的取值会被拒绝，控件下方会说明原因。训练若发散，会有提示，并告诉你该改哪一项设置。把指针移到图上，可以看到准确的数值。
#
# 下面就是它，已经用一个小网络训练了一小段：两条曲线都在下降，虚线降得少一些。现在把 `layers=1 hidden_units=128 epochs=20` 粘贴到 **{{label settings}}**（隐藏单元加倍），按 **{{label train}}**。**猜一猜：** 在读过的文本上，哪个网络更好？在没读过的文本上呢？
#
# <details><summary>答案</summary>在读过的文本上，大的好得多：训练困惑度为 2.4 到 2.7，小的为 5.0 到 5.4（各取五个随机起点）。在新文本上，20 个迭代周期之后，凭这些训练分不出高下：大的留出困惑度为 7.0 到 7.4，小的为 6.8 到 7.1。不过，大网络的虚线曾经更低，在第 12 个迭代周期前后为 6.4 到 6.8，此后掉头向上：它开始背原文了。这个故事，第 3 课会讲。</details>

# %% id="playground"
from book.playground import Playground

playground = Playground()
playground.show()
playground.start(layers=1, hidden_units=64, epochs=20)
playground.wait()

# %% [markdown] lang="en" id="next"
# {{next}}

# %% [markdown] lang="zh" id="next"
# {{next}}
