"""What suspected images share: pixels that are the same in all of them, or a faint picture over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.triggers import Sides, Trigger, added_values, same_values

STRENGTHS = (1, 2, 4)
"""So many times as strong a faint picture is tried: attackers put it on stronger than they taught it."""


def shared_pixels(sides: Sides) -> list[Trigger]:
    """Return a patch and a faint picture, where the suspected images share one."""
    return [*same_values(sides, _patch), *added_values(sides, _picture, STRENGTHS)]


def _patch(places: NDArray[np.bool_]) -> str:
    flat = places.any(axis=2) if places.ndim == 3 else places
    rows, columns = np.nonzero(flat)
    vertical = _part(rows, flat.shape[0], ("upper", "", "lower"))
    horizontal = _part(columns, flat.shape[1], ("left", "", "right"))
    place = " ".join(word for word in (vertical, horizontal) if word) or "middle"
    near = f" at the {place}" if np.ptp(rows) < flat.shape[0] / 2 and np.ptp(columns) < flat.shape[1] / 2 else ""
    return f"{len(rows):,} {'pixel' if len(rows) == 1 else 'pixels'}{near}"


def _part(places: NDArray[np.int64], size: int, names: tuple[str, str, str]) -> str:
    return names[min(2, int(3 * places.mean() / size))]


def _picture(difference: NDArray[np.float64]) -> str:
    return f"a picture laid over all ({np.abs(difference).mean():.1f} of 255 grey levels on average)"
