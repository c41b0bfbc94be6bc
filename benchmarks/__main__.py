"""Print every comparison as a Markdown table: median of the rounds' ratios, with the lowest and the highest."""

from benchmarks import stacked_lstm

print("| stacked LSTM from scratch, forward + backward | against | aim | measured |")
print("|---|---|---|---|")
for row in stacked_lstm.rows():
    print("|", " | ".join(row), "|", flush=True)
