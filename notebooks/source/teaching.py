# %% [markdown] lang="en" id="title"
# # For teachers
#
# {{launch}}

# %% [markdown] lang="zh" id="title"
# # 教师指南
#
# {{launch}}

# %% [markdown] lang="en" id="voila"
# ```sh
# .venv/bin/pip install voila==0.5.13 && .venv/bin/voila notebooks/en/playground.ipynb
# ```

# %% [markdown] lang="zh" id="voila"
# ```sh
# .venv/bin/pip install voila==0.5.13 && .venv/bin/voila notebooks/zh/playground.ipynb
# ```
