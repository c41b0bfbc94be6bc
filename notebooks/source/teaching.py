# %% [markdown] lang="en" id="title"
# # For teachers
#
# How to show this book to a class: the playground on a projector, the lessons as slides, what fits into 5, 20, 45 and twice 45 minutes, and which cells take how long. The students need matrix products, a plain neural network and a little probability. Once installed, everything here works without a network. You may copy, change and hand out all of it: text and figures under CC BY 4.0, code under the MIT licence.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 教师指南
#
# 怎样在课堂上使用这本书：把游乐场投到大屏幕上，把课程做成幻灯片，5 分钟、20 分钟、一节课（45 分钟）、两节课（2 × 45 分钟）各讲什么，哪些单元格要运行多久。学生要学过矩阵乘法、多层感知机和一点概率论。安装完成之后，这里的一切都不需要网络。全部内容都可以复制、修改和分发：文字和图采用 CC BY 4.0，代码采用 MIT 许可证。
#
# {{launch}}

# %% [markdown] lang="en" id="before"
# ## The evening before
#
# 1. On the machine that will be used, install the book as the [README](../../README.md#start) says, and run the [start page](00_start_here.ipynb): it must say **Ready**.
# 2. Run the lessons that you want to show from top to bottom, once. Nothing is downloaded then or later; test it with the network off. Where there is a GPU, the long trainings of lessons 3 and 6 really run: try how long they take.
# 3. Make the slides (below) as your way out: they show every figure and number even if the machine trains too slowly.
# 4. The main predictions of each lesson are boxes with sliders or choices: let the class vote, set the box to the majority's guess, press **Compare**, and the result appears with the guess on it. To ask again, run that cell again. Other results stand below their questions: scroll slowly.
#
# Forty students on one server? A kernel uses one CPU core while it trains (a larger network up to four, as long as they are free), none otherwise, and well under 1 GB of memory: count a core for each student who trains at the same moment.

# %% [markdown] lang="zh" id="before"
# ## 课前一晚
#
# 1. 在上课要用的机器上，按照[中文 README](../../README.zh.md#运行) 安装本书，运行[开始页](00_start_here.ipynb)，它必须显示 **准备就绪**。
# 2. 把要演示的课从头到尾运行一遍。此时和以后都不会下载任何东西，不妨断网试一次。如果机器有 GPU，第 3 课和第 6 课的长训练会真的运行：先看看要多久。
# 3. 做好幻灯片（见下文）作为后备：即使机器训练得太慢，所有的图和数字也都在上面。
# 4. 每课最重要的几次“猜一猜”都是带滑块或选项的框：请全班表决，按多数人的意见填好，按 **比较**，结果就和猜测画在一起。想再问一次，就重新运行那个单元格。其余结果就在问题下面，请慢慢往下滚动。
#
# 四十名学生共用一台服务器？每个内核训练时占一个 CPU 核心（网络较大时最多四个，但只用空闲的），不训练时不占，内存远低于 1 GB：同一时刻有几个人在训练，就按几个核心来算。

# %% [markdown] lang="en" id="voila"
# ## The playground on the projector
#
# [Voilà](https://voila.readthedocs.io) shows a notebook without its code, over the full width of the window, and its controls stay alive. In the folder of the book:
#
# ```sh
# .venv/bin/pip install voila==0.5.13
# .venv/bin/voila notebooks --no-browser
# ```
#
# After a few seconds open <http://localhost:8866/voila/render/en/try_it.ipynb> (or click your way there from <http://localhost:8866>; links from the page to lessons work as well). The plot grows with the window; enlarge the page with `Ctrl` and `+` until the back row can read it. On Windows write `.venv\Scripts\` for `.venv/bin/`, here and below.
#
# The line **{{label settings}}** below the plot holds the whole experiment, seed included. Send it to the class: whoever pastes it into the same line of their own playground and presses **{{label train}}** gets the same curve (to the digit on the same kind of machine, if the same number of its cores is free; elsewhere it may differ a little).

# %% [markdown] lang="zh" id="voila"
# ## 把游乐场投到大屏幕上
#
# [Voilà](https://voila.readthedocs.io) 只显示笔记本的内容而不显示代码，占满整个窗口，控件照常可用。在本书的文件夹里运行：
#
# ```sh
# .venv/bin/pip install voila==0.5.13
# .venv/bin/voila notebooks --no-browser
# ```
#
# 几秒钟后，在浏览器中打开 <http://localhost:8866/voila/render/zh/try_it.ipynb>（也可以从 <http://localhost:8866> 一步步点进去；页面上指向各课的链接同样可用）。图会随窗口变大；还可以用 `Ctrl` 和 `+` 放大，直到最后一排也看得清。在 Windows 的 PowerShell 里，把 `.venv/bin/` 写成 `.venv\Scripts\`，一行一行地运行；下面各处也一样。
#
# 图下方的 **{{label settings}}** 一行就是整个实验，包括随机种子。把它发给全班：粘贴到自己游乐场的同一行，按 **{{label train}}**，就会得到同一条曲线（同类机器，空闲的核数也相同，就逐位相同；否则可能略有出入）。

# %% [markdown] lang="en" id="slides"
# ## The lessons as slides
#
# ```sh
# .venv/bin/pip install sphinx-revealjs==3.2.1
# .venv/bin/python tools/make_slides.py
# ```
#
# The second line writes a file for each lesson and language into `slides/`, about 3 MB each; with the path of a notebook behind it, such as `notebooks/en/03_concise_lstm.ipynb`, that one only. A file holds everything (figures, formulas, scripts), so it opens in any browser without a network, from a USB stick as well. Slides show the code and the stored outputs; nothing runs. Code that only draws or makes a table is left out; its figure or table is there. Text, code and figures grow with the screen.
# The arrow keys, the space bar and most remote controls turn the pages. The result of a **Predict** always stands on a later slide; solutions and the checks of the exercises are left out. `Esc` shows an overview, `F` fills the screen; what is longer than the screen scrolls first.

# %% [markdown] lang="zh" id="slides"
# ## 把课程做成幻灯片
#
# ```sh
# .venv/bin/pip install sphinx-revealjs==3.2.1
# .venv/bin/python tools/make_slides.py
# ```
#
# 第二条命令为每一课、每种语言在 `slides/` 里各写一个文件，每个约 3 MB，中文的在 `slides/zh/`。只要一课的，就在后面加上笔记本的路径：
#
# ```sh
# .venv/bin/python tools/make_slides.py notebooks/zh/03_concise_lstm.ipynb
# ```
#
# 一个文件包含全部内容（图、公式、脚本），不联网也能在任何浏览器中打开，拷在 U 盘里也行。幻灯片显示代码和保存的输出，不会运行。只用来画图或制表的代码不显示，图和表都在。文字、代码和图随屏幕一起放大。
# 翻页用方向键、空格键或普通的翻页笔。**猜一猜**的答案总在后面的幻灯片上；练习的解答和检查都不显示。按 `Esc` 看总览，按 `F` 全屏；比屏幕长的内容会先滚动。

# %% [markdown] lang="en" id="five"
# ## Five minutes: a number that is too good
#
# The famous mistake, shown in the [playground](try_it.ipynb): the last five minutes of a lecture on bidirectional networks, or the first five of one on evaluation.
#
# 1. *"This network predicts the next character of a book."* Paste `layers=1 hidden_units=128 epochs=20` into **{{label settings}}**, press **{{label train}}**. Solid: text it has read. Dashed: text it has not.
# 2. *"Now we let it read from both sides."* Paste `layers=1 hidden_units=128 epochs=20 bidirectional=True`. **Before** you press **{{label train}}**, let the class vote: worse, a little better, much better?
# 3. *"Nearly perfect, and on text that it has never seen. Shall we publish?"* Press **{{label generate}}**. Let them explain it in pairs for a minute.
# 4. The sentence to take home: the answer to "which character comes next" is among the inputs, one step later, and the backward direction has read it. Lesson 6 proves it.
#
# The cell below rehearses this with the same two lines; each training takes seconds. Run 1: the dashed curve stays above 6, and the network writes something like English. Run 2: both curves fall almost to 1, and it writes `erererer`.

# %% [markdown] lang="zh" id="five"
# ## 五分钟：好得不像真的
#
# 在[游乐场](try_it.ipynb)里演示双向网络最有名的误用。可以放在讲双向网络那节课的最后五分钟，也可以作为“模型评估”一讲的开头。
#
# 1. “这个网络预测一本书的下一个字符。”把 `layers=1 hidden_units=128 epochs=20` 粘贴到 **{{label settings}}**，按 **{{label train}}**。实线是它读过的文本，虚线是没读过的。
# 2. “现在让它从两边读。”粘贴 `layers=1 hidden_units=128 epochs=20 bidirectional=True`。按 **{{label train}}** **之前**，先请全班表决：会变差、好一点，还是好得多？
# 3. “几乎完美，而且是在从未见过的文本上。可以发表了吗？”按 **{{label generate}}**。请大家两人一组，用一分钟解释看到的现象。
# 4. 请学生记住一句话：“下一个字符是什么”的答案就在输入里，只晚一步，而反向层已经读过它了。第 6 课会证明这一点。
#
# 下面的单元格用同样的两行设置预演一遍，每次训练只需几秒。第一次：虚线停在 6 以上，写出的文字有几分像英语。第二次：两条曲线都降到接近 1，写出的却是 `erererer`。

# %% id="setup"
# the course's folder; in the notebooks this cell also serves Colab (tools/build_notebooks.py)
import sys
from pathlib import Path
here = Path.cwd()
root = next(p for p in (here, *here.parents) if (p / "book" / "live_plot.py").exists())
sys.path.insert(0, str(root))
import utils

# %% id="rehearse"
from book.playground import Playground

playground = Playground(bidirectional=True)
playground.show()
honest = "layers=1 hidden_units=128 epochs=20"
for settings in (honest, f"{honest} bidirectional=True"):
    playground.settings_text.value = settings
    playground.start()
    playground.wait()
    print(utils.generate(playground.model, playground.corpus.vocab, "time traveller", 50))

# %% id="rehearsed"
utils.HTML(playground.table.value)

# %% [markdown] lang="en" id="twenty"
# ## Twenty minutes: memory is not language
#
# From [lesson 3](03_concise_lstm.ipynb), run beforehand; then press **{{label reset}}** in its playground, so that the class sees an empty plot:
#
# | Minutes | Section | What to ask |
# | --- | --- | --- |
# | 4 | The text; Try it first | why is `Y` the same text as `X`? Press **{{label train}}**: which English word comes first? |
# | 4 | The model; Training and prediction | how many weights has layer 2? *"Perplexity 1: has it learnt English?"* Take a vote, do not answer |
# | 5 | Memory or language? | where on the axis will the held-out curve end? |
# | 5 | The playground | `layers=1 hidden_units=128 epochs=40`, then the same with `layers=2`: who wins, on which text? Is it depth, or only size? One layer of that size: `layers=1 hidden_units=208 epochs=40` |
# | 2 | Temperature | which temperature would you choose to write a story, which to correct a text? |
#
# <details><summary>Answers</summary>The target of each position is the next input, so <code>Y</code> is <code>X</code> one step later. The first words of more than one letter are <code>the</code>, <code>and</code> or <code>an</code>. Layer 2 has 4 · 256 · (256 + 256 + 2) = 526,336 weights, biases included. The held-out curve ends far above blind guessing (28): it has learnt by heart. The playground: two layers are sooner at 2 on their own text, 16 to 18 epochs against 25 to 27, but one layer of their size is sooner still, 14 or 15. It was size. On new text nobody wins, 6.4 to 6.8 at best for all three (seven random starts each). Temperature: near 0 to correct a text, because the likeliest character is wanted; higher for a story, as high as the words stay whole.</details>

# %% [markdown] lang="zh" id="twenty"
# ## 二十分钟：背下来不等于学会
#
# 用[第 3 课](03_concise_lstm.ipynb)，事先运行一遍，再在游乐场里按 **{{label reset}}**，让全班从空白的图看起：
#
# | 分钟 | 小节 | 问什么 |
# | --- | --- | --- |
# | 4 | 文本数据；先玩一玩 | 为什么 `Y` 和 `X` 是同一段文本？按 **{{label train}}**：最先出现的英语单词是哪一个？ |
# | 4 | 模型；训练与预测 | 第 2 层有多少个权重？“困惑度是 1：它学会英语了吗？”只表决，先不回答 |
# | 5 | 记住了原文，还是学会了语言？ | 留出文本的曲线会停在纵轴的什么位置？ |
# | 5 | 游乐场 | 先用 `layers=1 hidden_units=128 epochs=40`，再改成 `layers=2`：谁赢了？是在哪段文本上？是因为深，还是只因为大？一样大的单层：`layers=1 hidden_units=208 epochs=40` |
# | 2 | 温度 | 写故事选什么温度？改错字选什么温度？ |
#
# <details><summary>答案</summary>每个位置的目标就是下一个输入，所以 <code>Y</code> 是 <code>X</code> 平移一步的结果。除了单个字母，最先出现的单词是 <code>the</code>、<code>and</code> 或 <code>an</code>。第 2 层有 4 · 256 · (256 + 256 + 2) = 526,336 个权重（含偏置）。留出曲线最后远高于盲猜（28）：网络把原文背了下来。游乐场：在训练文本上，两层更快降到 2，要 16 到 18 个迭代周期，单层要 25 到 27 个；可是一样大的单层还要更快，只要 14 或 15 个，可见靠的是大。在新文本上不分胜负，最好时三者都是 6.4 到 6.8（各取七个随机起点）。温度：改错字取接近 0 的，因为要的是概率最大的字符；写故事取高一些，只要单词还能保持完整。</details>

# %% [markdown] lang="en" id="one-period"
# ## One period of 45 minutes: from the equation to the leak
#
# Run lessons 1, 3, 5 and 6 before the class comes in. Then look, move the sliders, and run a cell again only where its curve should grow before their eyes. Each question is answered in the section beside it. **Vote** means the box to guess in: raise hands, enter the majority's guess, compare.
#
# | Minutes | Show | What to ask |
# | --- | --- | --- |
# | 6 | [Lesson 1](01_deep_rnn.ipynb): *Network structure*, *Functional dependencies* | which two states does a state read? Why has layer 1 another $\mathbf{W}_{xh}$ than layer 2? |
# | 6 | [Lesson 3](03_concise_lstm.ipynb): *The text*, *Training and prediction* (the formula, the recorded curve) | what does the formula give for blind guessing among 28 characters, and what for being sure and right every time? |
# | 8 | [Lesson 3](03_concise_lstm.ipynb): *Memory or language?* | **vote:** where does the held-out curve go? Then give it its name, overfitting |
# | 7 | [Lesson 5](05_bidirectional_rnn.ipynb): the figure of *From two recursions to two layers*, *Definition* | which index is new, compared with lesson 1? How wide is $\mathbf{H}_t$? |
# | 4 | [Lesson 5](05_bidirectional_rnn.ipynb): *Use 1: fill in the blank* | a sentence of the class with one `_` in the box: who is right, and why? |
# | 8 | [Lesson 6](06_bidirectional_misuse.ipynb): *Two suspects, live*, *Where is it so good?*, *The path of the leak* | **vote:** at which positions is the bidirectional network good? Then on paper: which path leads from $x_{t+1}$ to $\mathbf{O}_t$? |
# | 3 | [Lesson 6](06_bidirectional_misuse.ipynb): *The verdict* | is the text on the right there when it counts, and is the answer in it? Which of the three tasks may read both sides? |
# | 3 | slack | what took longer; questions |

# %% [markdown] lang="zh" id="one-period"
# ## 一节课（45 分钟）：从公式到泄漏
#
# 上课之前，先把第 1、3、5、6 课运行好。课上只看图、拖滑块；想让大家看着曲线一点点画出来时，才重新运行那个单元格。每个问题的答案都在左边那一节里。**表决**用的是“猜一猜”的框：请大家举手，按多数人的意见填好，再比较。
#
# | 分钟 | 演示什么 | 问什么 |
# | --- | --- | --- |
# | 6 | [第 1 课](01_deep_rnn.ipynb)：“网络结构”“函数依赖关系” | 一个隐状态要读取哪两个隐状态？第 1 层的 $\mathbf{W}_{xh}$ 为什么和第 2 层的形状不同？ |
# | 6 | [第 3 课](03_concise_lstm.ipynb)：“文本数据”“训练与预测”（公式和记录下来的曲线） | 在 28 个字符里盲猜，公式给出多少？每次都确信而且猜对，又是多少？ |
# | 8 | [第 3 课](03_concise_lstm.ipynb)：“记住了原文，还是学会了语言？” | **表决：** 留出文本的曲线会怎么走？看过之后点明：这就是过拟合 |
# | 7 | [第 5 课](05_bidirectional_rnn.ipynb)：“从两个递推到两个循环层”的图，“定义” | 与第 1 课的公式相比，哪个下标是新的？$\mathbf{H}_t$ 有多宽？ |
# | 4 | [第 5 课](05_bidirectional_rnn.ipynb)：“用途一：填空” | 请学生出一个带 `_` 的英文句子，输入文本框：谁填得对？为什么？ |
# | 8 | [第 6 课](06_bidirectional_misuse.ipynb)：“两名嫌疑人，当场对质”“它究竟好在哪里？”“泄漏的路径” | **表决：** 双向网络在哪些位置上预测得好？然后动笔：从 $x_{t+1}$ 到 $\mathbf{O}_t$ 有哪条路？ |
# | 3 | [第 6 课](06_bidirectional_misuse.ipynb)：“判决” | 真正要用的时候，右边的文本在不在？答案在不在里面？三项任务中，哪些可以两边都读？ |
# | 3 | 机动 | 补上超时的部分，回答提问 |

# %% [markdown] lang="en" id="two-periods"
# ## Two periods of 45 minutes
#
# **First period: depth.** Lessons 1 and 3.
#
# | Minutes | Show | What to ask |
# | --- | --- | --- |
# | 8 | [Lesson 1](01_deep_rnn.ipynb): *Network structure*, *Functional dependencies* | as in one period |
# | 8 | [Lesson 1](01_deep_rnn.ipynb): *Shapes and parameters, with sliders*, *In which order?* with its Play button | **vote:** which sliders leave the parameters of layer 2 unchanged? How many states can be computed at once? |
# | 10 | [Lesson 3](03_concise_lstm.ipynb): *The text*, *The model*, *Training and prediction* | why is `Y` the same text as `X`? How many parameters has layer 2? *"Perplexity 1: has it learnt English?"* Leave it open |
# | 9 | [Lesson 3](03_concise_lstm.ipynb): *Memory or language?* | **vote:** where does the held-out curve go? Overfitting; the held-out text is a validation set |
# | 6 | [Lesson 3](03_concise_lstm.ipynb): *The playground* | `layers=1 hidden_units=128 epochs=40`, then the same with `layers=2`: who wins, on which text? (Answers: *Twenty minutes*) |
# | 4 | slack | what took longer; questions |
#
# **Second period: both directions.** Lessons 5 and 6.
#
# | Minutes | Show | What to ask |
# | --- | --- | --- |
# | 9 | [Lesson 5](05_bidirectional_rnn.ipynb): the three lines at its top, the figure of *From two recursions to two layers*, *Definition* | what fits into the blanks, and what decides it? Which index of the equations is new? How wide is $\mathbf{H}_t$? |
# | 8 | [Lesson 5](05_bidirectional_rnn.ipynb): *Use 1: fill in the blank* | **vote:** how many of 100 characters are right when both sides are read? Then the three lines again: what does each network say, and why? |
# | 8 | [Lesson 6](06_bidirectional_misuse.ipynb): *Two suspects, live*, *Where is it so good?* | from which epoch on would you be suspicious? **vote:** at which positions is it good? |
# | 5 | [Lesson 6](06_bidirectional_misuse.ipynb): *The path of the leak* | on paper: which path leads from $x_{t+1}$ to $\mathbf{O}_t$? |
# | 7 | [Lesson 6](06_bidirectional_misuse.ipynb): *Take the future away*, *What does a prediction listen to?* | **vote:** what becomes of its perplexity when it reads prefixes only? For the heat map: where is there colour? (White is zero.) |
# | 4 | [Lesson 6](06_bidirectional_misuse.ipynb): *The verdict* | which of these three tasks may look into the future? |
# | 4 | slack | what took longer; questions |
#
# With a third period: [lesson 4](04_hmm_forward_backward.ipynb) before lesson 5. Its lattice, stepped with Play, is where dynamic programming becomes visible, and its last section shows two networks coming down almost to the exact optima.
#
# **A sentence of the class.** The first box of *Use 1* reads English, at most 60 signs, with one `_` for the missing letter. A full-width `＿` counts as `_`, apostrophes and other punctuation as spaces. Digits and other scripts, such as Chinese, are refused with a sentence that says why: translate the sentence together, and the network answers. For Chinese there are the three lines of the beginning in the Chinese edition, and lesson 3's section *A text of your own, also in Chinese*.
#
# Afterwards the students work alone: the exercises at the end of each lesson check themselves. (The solutions are folded away below them: they are for practice, not for marks.) *What to write in the exam*, above the sources, has questions with folded answers.

# %% [markdown] lang="zh" id="two-periods"
# ## 两节课（2 × 45 分钟）
#
# **第一节：深度。** 用第 1 课和第 3 课：结构、公式、简洁实现、过拟合。
#
# | 分钟 | 演示什么 | 问什么 |
# | --- | --- | --- |
# | 8 | [第 1 课](01_deep_rnn.ipynb)：“网络结构”“函数依赖关系” | 与一节课的安排相同 |
# | 8 | [第 1 课](01_deep_rnn.ipynb)：“用滑块看形状与参数量”“按什么顺序计算？”（带播放按钮） | **表决：** 哪些滑块不会改变第 2 层的参数量？隐状态同时能算几个？ |
# | 10 | [第 3 课](03_concise_lstm.ipynb)：“文本数据”“模型”“训练与预测” | 为什么 `Y` 和 `X` 是同一段文本？第 2 层有多少个参数？“困惑度是 1：它学会英语了吗？”先不回答 |
# | 9 | [第 3 课](03_concise_lstm.ipynb)：“记住了原文，还是学会了语言？” | **表决：** 留出文本的曲线会怎么走？过拟合；留出文本就是验证集 |
# | 6 | [第 3 课](03_concise_lstm.ipynb)：“游乐场” | 先用 `layers=1 hidden_units=128 epochs=40`，再改成 `layers=2`：谁赢了？是在哪段文本上？（答案见“二十分钟”） |
# | 4 | 机动 | 补上超时的部分，回答提问 |
#
# **第二节：双向。** 用第 5 课和第 6 课：双向的定义、填空、错误应用、判决。
#
# | 分钟 | 演示什么 | 问什么 |
# | --- | --- | --- |
# | 9 | [第 5 课](05_bidirectional_rnn.ipynb)：开头的三行，“从两个递推到两个循环层”的图，“定义” | 三个空各能填什么？由什么决定？公式里哪个下标是新的？$\mathbf{H}_t$ 有多宽？ |
# | 8 | [第 5 课](05_bidirectional_rnn.ipynb)：“用途一：填空” | **表决：** 两边都读，100 个字符能猜对几个？再回到开头的三行：两个网络各填什么？为什么？ |
# | 8 | [第 6 课](06_bidirectional_misuse.ipynb)：“两名嫌疑人，当场对质”“它究竟好在哪里？” | 到第几个迭代周期，你会起疑心？**表决：** 它在哪些位置上预测得好？ |
# | 5 | [第 6 课](06_bidirectional_misuse.ipynb)：“泄漏的路径” | 请动笔：从 $x_{t+1}$ 到 $\mathbf{O}_t$ 有哪条路？ |
# | 7 | [第 6 课](06_bidirectional_misuse.ipynb)：“拿走未来”“预测在听谁的？” | **表决：** 只读前缀时，它的困惑度会变成多少？热图上哪里有颜色？（白色表示零。） |
# | 4 | [第 6 课](06_bidirectional_misuse.ipynb)：“判决” | 这三项任务中，哪些可以看未来？ |
# | 4 | 机动 | 补上超时的部分，回答提问 |
#
# 如果还有第三节课：在第 5 课之前讲[第 4 课](04_hmm_forward_backward.ipynb)。用播放按钮逐步走过网格图，动态规划就看得见了；最后一节里，两个网络会几乎降到精确的最优值。
#
# **学生出的句子。** “用途一”的第一个文本框只读英文，至多 60 个字符，缺的那个字母写成 `_`，只能有一个。全角的 `＿` 会当作 `_`，撇号和其他标点当作空格。有汉字或数字，框下会用中文说明为什么不能读：请全班一起把句子译成英文，网络就能作答。想用中文，有第 5 课“开头的三行”，还有第 3 课的“用自己的文本，中文也行”。
#
# 课后学生可以自学：每课末尾的练习会自动判断对错。（解答就折叠在题目下面，所以适合练习，不适合评分。）“考试怎么写”一节还有考试题，答案也是折叠的。

# %% [markdown] lang="en" id="slow"
# ## Which cells take how long
#
# All others take less than two seconds. The numbers in brackets are those that *Run All* gives the cells of a fresh kernel; times are from the machine whose table stands on the start page.
#
# {{slow cells}}
#
# Start such a cell, and talk while its curve grows. *Stop* (■) in the toolbar ends it; the curve stays.
# D2L's two trainings, in lessons 3 and 6, and the comparisons of many networks and random starts take minutes or longer and are shown as recorded runs. `FULL=1` in the environment runs them.

# %% [markdown] lang="zh" id="slow"
# ## 哪些单元格要运行多久
#
# 其余的都不到两秒。方括号里的数字，是重启内核并运行所有单元格之后各单元格的编号；时间是在开始页那张表所描述的机器上测得的。
#
# {{slow cells}}
#
# 先运行这样的单元格，趁曲线延伸的时候讲解。按工具栏里的停止按钮（■）就会中断，曲线会留下来。
# 第 3 课和第 6 课里 D2L 的两次训练，以及对许多网络、许多随机起点的比较，需要几分钟甚至更久，所以显示的是事先保存的记录。在环境变量里设 `FULL=1`，就会真的运行。

# %% [markdown] lang="en" id="wrong"
# ## When something goes wrong in front of the class
#
# | What you see | What to do |
# | --- | --- |
# | a curve does not fall, or it says *diverged* | show it: which knob was it? Then **{{label reset}}** |
# | the wrong cell is running | *Stop* (■), then go on: every cell can be run again, and in any order once all have run |
# | nothing reacts | *Kernel → Restart Kernel and Run All Cells*; meanwhile, talk about the figures of the slides |
# | the machine is hopeless | the slides |

# %% [markdown] lang="zh" id="wrong"
# ## 万一当堂出了问题
#
# | 现象 | 办法 |
# | --- | --- |
# | 困惑度降不下去，或者状态显示 *发散* | 正好讲一讲：是哪个设置造成的？然后按 **{{label reset}}** |
# | 运行了不该运行的单元格 | 按停止（■）再继续：全部运行过一遍之后，每个单元格都可以按任意顺序重新运行 |
# | 毫无反应 | *内核 → 重启内核并运行所有单元格*（英文界面：*Kernel → Restart Kernel and Run All Cells*）；其间用幻灯片上的图继续讲 |
# | 机器实在不行 | 用幻灯片 |
