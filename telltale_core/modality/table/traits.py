"""Values and ranges of columns that set suspected rows apart from kept ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from telltale_core.display.numbers import significant
from telltale_core.display.sanitize import clean

Floats = npt.NDArray[np.float64]
SHOWN_TRAITS = 8
LEAST_GAIN = 0.25
"""A trait is shown if its share among the suspected rows is larger than among the kept ones by this much."""
SINGLE_SHARE = 0.5
"""A value that this share of the suspected rows has is shown as such, else a range of values."""
RANGE_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """A value or range of one column: ``low`` to ``high`` (both included), its shares among suspected and kept rows."""

    column: int
    low: float
    high: float
    suspected_share: float
    kept_share: float

    def within(self, value_ND: Floats) -> npt.NDArray[np.bool_]:
        """Return which rows have it; NaN, a missing value, is a value of its own."""
        value_N = value_ND[:, self.column]
        if np.isnan(self.low):
            return np.asarray(np.isnan(value_N))
        return np.asarray((value_N >= self.low) & (value_N <= self.high))


def traits_of(suspected_ND: Floats, kept_ND: Floats) -> list[Trait]:
    """Return what sets the suspected rows apart, the largest gain first."""
    traits = [_trait(place, suspected_ND, kept_ND) for place in range(suspected_ND.shape[1])]
    traits = [trait for trait in traits if trait.suspected_share - trait.kept_share >= LEAST_GAIN]
    return sorted(traits, key=lambda trait: (trait.kept_share - trait.suspected_share, trait.column))[:SHOWN_TRAITS]


def column_name(columns: Sequence[Mapping[str, Any]], place: int) -> str:
    """Return a column's name, cleaned."""
    return clean(str(columns[place]["name"]), 60)


def value_text(columns: Sequence[Mapping[str, Any]], place: int, value: float) -> str:
    """Return a packed value of a column as people read it, cleaned."""
    if np.isnan(value):
        return "missing"
    categories = columns[place].get("categories")
    if categories is None:
        return significant(value)
    return clean(str(categories[int(value)]), 60) if value < len(categories) else "(rare)"


def _trait(place: int, suspected_ND: Floats, kept_ND: Floats) -> Trait:
    """Return the column's most frequent value if half of the suspected rows have it, else where 90 % of them lie."""
    value_N = suspected_ND[:, place]
    values, counts = np.unique(value_N, return_counts=True)
    top = int(counts.argmax())
    if counts[top] >= SINGLE_SHARE * len(value_N):
        low = high = float(values[top])
    else:
        present_N = np.sort(value_N[~np.isnan(value_N)])
        inside = max(1, int(np.ceil(RANGE_SHARE * len(present_N))))
        widths = present_N[inside - 1 :] - present_N[: len(present_N) - inside + 1]
        start = int(widths.argmin())
        low, high = float(present_N[start]), float(present_N[start + inside - 1])
    trait = Trait(column=place, low=low, high=high, suspected_share=0.0, kept_share=0.0)
    shares = [float(trait.within(rows).mean()) for rows in (suspected_ND, kept_ND)]
    return Trait(column=place, low=low, high=high, suspected_share=shares[0], kept_share=shares[1])
