"""Rows of a table on the page, and the values that the suspected rows share while kept ones do not.

Legend: N samples, D columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from telltale_core.display.numbers import significant
from telltale_core.display.sanitize import clean
from telltale_core.modality.drop_protocols import ViewedDrop
from telltale_core.modality.parts import Viewer
from telltale_core.modality.viewing import FEWEST, MOST, Focus, Shown

Floats = npt.NDArray[np.float64]
SHOWN_COLUMNS = 16
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


class TableViewer(Viewer):
    """Shows a row as columns with values, those first that the suspected rows share."""

    wide = True

    def __init__(self, drop: ViewedDrop, focuses: tuple[Focus, ...] = ()) -> None:
        self._drop = drop
        self._columns: list[dict[str, Any]] = drop.packing["columns"]
        traits = [trait for focus in focuses for trait in self._traits(focus)]
        self._first = list(dict.fromkeys(trait.column for trait in traits))[:SHOWN_COLUMNS]

    def fragment(self, row: int, px: int) -> Markup:  # noqa: ARG002
        """Return the row's columns and values as a list, at most 16 of them."""
        value_D = np.asarray(self._drop.inputs[row], dtype=np.float64)
        places = [*self._first, *(place for place in range(len(value_D)) if place not in self._first)]
        cells = [
            Markup("<span{}><b>{}</b> {}</span>").format(
                Markup(' class="shared"') if place in self._first else "", self._name(place), self._text(place, value_D)
            )
            for place in places[:SHOWN_COLUMNS]
        ]
        hidden = len(places) - len(cells)
        more = Markup("<span>and {} more columns</span>").format(f"{hidden:,}") if hidden > 0 else Markup("")
        return Markup('<div class="row">{}{}</div>').format(Markup(" ").join(cells), more)

    def shared(self, focus: Focus) -> list[Shown]:
        """Return a table of the values that set the suspected rows of a label apart from its kept ones."""
        traits = self._traits(focus)
        if not traits:
            return []
        lines = [
            Markup("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>").format(
                self._name(trait.column), self._range(trait), f"{trait.suspected_share:.1%}", f"{trait.kept_share:.1%}"
            )
            for trait in traits
        ]
        if len(traits) > 1:
            suspected_share, kept_share = (
                np.logical_and.reduce([trait.within(rows) for trait in traits]).mean() for rows in self._sides(focus)
            )
            lines.append(
                Markup('<tr class="all"><td colspan="2">all of these together</td><td>{}</td><td>{}</td></tr>').format(
                    f"{suspected_share:.1%}", f"{kept_share:.1%}"
                )
            )
        html = Markup(
            "<table><thead><tr><th>column</th><th>value or range</th><th>{} rows</th><th>kept rows</th></tr></thead>"
            "<tbody>{}</tbody></table>"
        ).format(focus.word, Markup("").join(lines))
        return [
            Shown(
                title=f"What the {focus.word} rows have in common",
                html=html,
                caption="A hint, not evidence: values that most of the suspected rows have and few kept rows with a "
                "like label or target. A combination that no honest row shows suggests a trigger.",
            )
        ]

    def _sides(self, focus: Focus) -> tuple[Floats, Floats]:
        first, second = (
            np.asarray(self._drop.inputs[np.sort(rows[:: max(1, len(rows) // MOST)][:MOST])], dtype=np.float64)
            for rows in (focus.suspected_rows, focus.kept_rows)
        )
        return first, second

    def _traits(self, focus: Focus) -> list[Trait]:
        """Return what sets the suspected rows apart, the largest gain first; nothing for too few rows."""
        if min(len(focus.suspected_rows), len(focus.kept_rows)) < FEWEST:
            return []
        suspected_ND, kept_ND = self._sides(focus)
        traits = [_trait(place, suspected_ND, kept_ND) for place in range(suspected_ND.shape[1])]
        traits = [trait for trait in traits if trait.suspected_share - trait.kept_share >= LEAST_GAIN]
        return sorted(traits, key=lambda trait: (trait.kept_share - trait.suspected_share, trait.column))[:SHOWN_TRAITS]

    def _name(self, place: int) -> str:
        return clean(str(self._columns[place]["name"]), 60)

    def _text(self, place: int, value_D: Floats) -> str:
        value = float(value_D[place])
        if np.isnan(value):
            return "missing"
        categories = self._columns[place].get("categories")
        if categories is None:
            return significant(value)
        return clean(str(categories[int(value)]), 60) if value < len(categories) else "(rare)"

    def _range(self, trait: Trait) -> str:
        both = []
        for end in (trait.low, trait.high):
            value_D = np.full(len(self._columns), end)
            both.append(self._text(trait.column, value_D))
        return both[0] if both[0] == both[1] else f"{both[0]} to {both[1]}"


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
