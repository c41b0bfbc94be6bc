"""Ratios of speeds that were measured side by side; absolute times mean little on a shared machine."""

import statistics


def speed_ratio(seconds, name, against):
    """Return how many times as fast `name` is as `against`: median, lowest and highest of the rounds' ratios.

    seconds: what utils.seconds_each returns.
    """
    ratios = [b / a for a, b in zip(seconds[name], seconds[against], strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)
