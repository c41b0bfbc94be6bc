"""Print what is measured as one Markdown table: the median of the rounds, the lowest and the highest in brackets."""

import argparse
import importlib

NAMES = ("live", "training", "recipes", "stacked_lstm", "classroom", "startup", "lessons")

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
parser.add_argument("names", nargs="*", metavar="name", help=f"only these: {', '.join(NAMES)}")
chosen = parser.parse_args().names or NAMES
if unknown := set(chosen) - set(NAMES):
    parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
print("| what | against | aim | measured |\n|---|---|---|---|", flush=True)
for name in chosen:
    for row in importlib.import_module(f"benchmarks.{name}").rows():
        print("|", " | ".join(row), "|", flush=True)
