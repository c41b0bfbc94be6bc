# %% [markdown] lang="en" id="title"
# # The playground
#
# A recurrent network reads *The Time Machine*, one character at a time, and predicts the next one. Choose layers and hidden units, press **{{label train}}**, and watch the perplexity (among how many characters it might as well guess blindly) on text it has read (solid) and on text it has not (dashed). A first run is there already.
# [The start page](00_start_here.ipynb) explains the controls, [lesson 3](03_concise_lstm.ipynb) the network, [lesson 6](06_bidirectional_misuse.ipynb) the switch **{{label bidirectional}}**.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 游乐场
#
# 一个循环神经网络逐个字符地阅读《时间机器》，并预测下一个字符。选好层数和隐藏单元数，按下 **{{label train}}**，观察它在读过的文本（实线）和没读过的文本（虚线）上的困惑度（困惑度为 $k$，相当于每一步都在 $k$ 个等可能的字符里盲猜）。图中已有一次训练。
# 各个控件的用法见[开始页](00_start_here.ipynb)，网络见[第 3 课](03_concise_lstm.ipynb)，“{{label bidirectional}}”开关见[第 6 课](06_bidirectional_misuse.ipynb)。
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

# %% id="playground"
from book.playground import Playground

playground = Playground(bidirectional=True)
playground.show()
playground.start(layers=1, hidden_units=64, epochs=20)
playground.wait()
