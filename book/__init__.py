"""Plumbing that no reader needs. Imports run one way: environment, display, live_plot <- utils <- playground.

Here is what all of them share: where the course lies, and how a bad argument is refused.
"""

import numbers
from pathlib import Path

from book.words import say

ROOT = Path(__file__).resolve().parents[1]


def require(condition, name, value, allowed):
    """Raise ValueError that names the argument, its value and what is allowed, unless the condition holds.

    The error's attribute `name` is the argument's, so that a widget can show the message beside the control it is for.
    """
    if not condition:
        error = ValueError(say("{name} must be {allowed}, got {value!r}", name=name, allowed=allowed, value=value))
        error.name = name
        raise error


def is_whole(value, least=1):
    """Return whether a value is a whole number (also numpy's; not True or False) of at least `least`."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and value >= least


def is_number(value):
    """Return whether a value is a real number (also numpy's; not True or False)."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
