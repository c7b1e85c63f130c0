"""Sketches of texts, by which near-duplicates are found."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.sketches import SEED

PERMUTATIONS = 64
SHINGLE = 3


def of_texts(rows_BL: NDArray[Any]) -> NDArray[np.uint8]:
    """Return MinHash sketches of ids (B, L), 0 padding: 64 minima over runs of three ids, four bits of each.

    Broder, "On the resemblance and containment of documents" (1997); b bits: Li and Koenig, "b-bit minwise hashing"
    (2010). Two texts of whose runs a share J is common differ in about (1 - J) / 2 of the bits.
    """
    ids = np.pad(rows_BL.astype(np.uint64), ((0, 0), (0, SHINGLE - 1)))
    length = rows_BL.shape[1]
    run_BL = np.zeros(rows_BL.shape, dtype=np.uint64)
    for place in range(SHINGLE):
        run_BL = _mixed(run_BL * np.uint64(31) + ids[:, place : place + length])
    present_BL = rows_BL != 0
    present_BL[:, 0] = True
    run_P = run_BL[present_BL]
    counts_B = present_BL.sum(axis=1)
    starts = counts_B.cumsum() - counts_B
    salts = np.random.default_rng(SEED).integers(1, 1 << 63, PERMUTATIONS, dtype=np.uint64)
    least = np.empty((len(rows_BL), PERMUTATIONS), dtype=np.uint64)
    for number, salt in enumerate(salts):
        least[:, number] = np.minimum.reduceat(_mixed(run_P ^ salt), starts)
    four = (least & np.uint64(15)).astype(np.uint8)
    return np.asarray(four[:, 0::2] << 4 | four[:, 1::2])


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the values well mixed, 64 bits each, in their own place (the finaliser of SplitMix64)."""
    shifted = np.empty_like(values)
    for bits, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        np.right_shift(values, np.uint64(bits), out=shifted)
        np.bitwise_xor(values, shifted, out=values)
        if factor > 1:
            np.multiply(values, np.uint64(factor), out=values)
    return values
