"""Numbers as people read them."""

from __future__ import annotations


def significant(value: float | None, digits: int = 3) -> str:
    """Return a number with ``digits`` significant digits, a dash for none."""
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def probability(value: float | None) -> str:
    """Return a p-value as people read it."""
    return "–" if value is None else "< 0.0001" if value < 0.0001 else f"{value:.2g}"


def share(part: int, whole: int) -> str:
    """Return a percentage that never rounds something to nothing."""
    if not whole or not part:
        return "0 %"
    percent = 100 * part / whole
    return f"{percent:.2g} %" if percent < 1 else f"{percent:.1f} %"
