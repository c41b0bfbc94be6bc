"""Time several ways of doing one thing side by side: only their ratios mean something on a shared machine."""

import statistics
import time


def seconds_each(forms, rounds):
    """Return {name: [seconds of each round]} for {name: function}; they take turns, after one round to warm up."""
    seconds = {name: [] for name in forms}
    for turn in range(rounds + 1):
        for name, form in forms.items():
            started = time.perf_counter()
            form()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def speed_ratio(seconds, name, against):
    """Return how many times as fast `name` is as `against`: median, lowest and highest of the rounds' ratios."""
    ratios = [b / a for a, b in zip(seconds[name], seconds[against], strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)
