# %% [markdown] lang="en" id="title"
# # Glossary
#
# The words and letters of this book, in the order in which you meet them. In the lessons, a term's first use links here; rest the pointer on it to read what it is.
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 术语表
#
# 本书用到的术语和符号，按出现的先后排列。每一课中，术语第一次出现时都链接到这里；把鼠标停在上面，就能看到它的含义。
#
# {{launch}}

# %% [markdown] lang="en" id="text"
# ## Text
#
# {{glossary text}}

# %% [markdown] lang="zh" id="text"
# ## 文本
#
# {{glossary text}}

# %% [markdown] lang="en" id="network"
# ## Network
#
# {{glossary network}}

# %% [markdown] lang="zh" id="network"
# ## 网络
#
# {{glossary network}}

# %% [markdown] lang="en" id="training"
# ## Training and scoring
#
# {{glossary training}}

# %% [markdown] lang="zh" id="training"
# ## 训练与评估
#
# {{glossary training}}

# %% [markdown] lang="en" id="hmm"
# ## Hidden Markov models
#
# {{glossary hmm}}

# %% [markdown] lang="zh" id="hmm"
# ## 隐马尔可夫模型
#
# {{glossary hmm}}

# %% [markdown] lang="en" id="both"
# ## Both directions
#
# {{glossary both}}

# %% [markdown] lang="zh" id="both"
# ## 两个方向
#
# {{glossary both}}
