"""The correction for the number of tests (Bonferroni): all that corrects a p-value or a level does it here."""

from __future__ import annotations

from collections.abc import Iterable


def corrected(p_value: float, tests: int) -> float:
    """Return the p-value, in [0, 1], of the smallest of so many tests."""
    return min(1.0, p_value * tests)


def level_of_each(level: float, tests: int) -> float:
    """Return the p-value before correction that ``level`` asks of each of so many tests."""
    return level / tests


def number_of_tests(tested: Iterable[bool]) -> int:
    """Return how many tests there are, of those that could be made."""
    return max(1, sum(tested))


def with_as_many_again(tests: int) -> int:
    """Return the number of tests where what each leaves may be tested once more."""
    return 2 * tests
