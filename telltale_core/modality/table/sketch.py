"""Sketches of table rows, by which near-duplicates are found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.sketches import exact

DIGITS = 4


def rounded(rows_BD: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a digest of each table row with its numbers rounded to four significant digits; missing ones are alike."""
    magnitude_BD = np.where(np.isfinite(rows_BD) & (rows_BD != 0), np.abs(rows_BD), 1.0).astype(np.float64)
    unit = 10.0 ** (np.floor(np.log10(magnitude_BD)) - DIGITS + 1)
    near = np.where(np.isfinite(rows_BD), np.rint(rows_BD / unit) * unit, np.inf)
    return exact(near + 0.0)  # no zero is negative
