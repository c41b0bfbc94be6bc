"""Ratios of speeds that were measured side by side; absolute times mean little on a shared machine."""

import statistics


def speed_ratios(seconds, name, against):
    """Return how many times as fast `name` is as `against`, in each round.

    seconds: {name: seconds of each round}, what utils.seconds_each returns.
    """
    return [theirs / ours for ours, theirs in zip(seconds[name], seconds[against], strict=True)]


def spread(values, unit, digits=2):
    """Return measured values as text: the median, and the lowest and the highest in brackets."""
    median, low, high = (f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return f"{median} {unit}".rstrip() + f" ({low}-{high})"
