"""Rows of a table on the page, and the values that the suspected rows share while kept ones do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from telltale_core.modality.drop_protocols import ViewedDrop
from telltale_core.modality.parts import Viewer
from telltale_core.modality.table.traits import Floats, Trait, column_name, traits_of, value_text
from telltale_core.modality.viewing import FEWEST, MOST, Focus, Shown

SHOWN_COLUMNS = 16


class TableViewer(Viewer):
    """Shows a row as columns with values, those first that the suspected rows share."""

    wide = True

    def __init__(self, drop: ViewedDrop, focuses: tuple[Focus, ...] = ()) -> None:
        self._drop = drop
        self._columns: list[dict[str, Any]] = drop.packing["columns"]
        traits = [trait for focus in focuses for trait in self._traits(focus)]
        self._first = list(dict.fromkeys(trait.column for trait in traits))[:SHOWN_COLUMNS]

    def fragment(self, row: int, px: int) -> Markup:
        """Return the row's columns and values as a list, at most 16 of them."""
        return self.packed(np.asarray(self._drop.inputs[row]), px)

    def packed(self, sample: npt.NDArray[Any], px: int) -> Markup:  # noqa: ARG002
        """See :meth:`Viewer.packed`."""
        value_D = np.asarray(sample, dtype=np.float64)
        places = [*self._first, *(place for place in range(len(value_D)) if place not in self._first)]
        cells = [
            Markup("<span{}><b>{}</b> {}</span>").format(
                Markup(' class="shared"') if place in self._first else "",
                self._name(place),
                value_text(self._columns, place, float(value_D[place])),
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
        return traits_of(*self._sides(focus))

    def _name(self, place: int) -> str:
        return column_name(self._columns, place)

    def _range(self, trait: Trait) -> str:
        both = [value_text(self._columns, trait.column, end) for end in (trait.low, trait.high)]
        return both[0] if both[0] == both[1] else f"{both[0]} to {both[1]}"
