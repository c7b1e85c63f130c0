"""Values of some columns that suspected rows share and kept ones have not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from telltale_core.modality.table.traits import column_name, traits_of, value_text
from telltale_core.modality.triggers import FEWEST, SameValues, Sides, Trigger

SHOWN = 4


def shared_columns(sides: Sides, columns: Sequence[Mapping[str, Any]]) -> list[Trigger]:
    """Return the columns in which most suspected rows have a value, or a narrow range, that few kept ones have."""
    kept = sides.same if len(sides.same) >= FEWEST else sides.others
    if min(len(sides.suspected), len(kept)) < FEWEST:
        return []
    suspected_rows, kept_rows = (side.astype(np.float64) for side in (sides.suspected, kept))
    traits = traits_of(suspected_rows, kept_rows)
    if not traits:
        return []
    places = np.zeros(suspected_rows.shape[1], dtype=bool)
    values = np.zeros(suspected_rows.shape[1], dtype=sides.suspected.dtype)
    words = []
    for trait in traits:
        inside = suspected_rows[trait.within(suspected_rows), trait.column]
        value = float(np.nan if np.isnan(trait.low) else np.quantile(inside, 0.5, method="nearest"))
        places[trait.column], values[trait.column] = True, value
        words.append(f"{column_name(columns, trait.column)} = {value_text(columns, trait.column, value)}")
    more = f" and {len(words) - SHOWN} more columns" if len(words) > SHOWN else ""
    gain = np.zeros(len(places))
    gain[[trait.column for trait in traits]] = [trait.suspected_share - trait.kept_share for trait in traits]
    return [SameValues(words=", ".join(words[:SHOWN]) + more, places=places, values=values, contrast=gain)]
