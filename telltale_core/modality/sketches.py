"""Sketches of packed samples: 256 bits each, of which near-duplicates share nearly all.

A sketch takes 32 bytes whatever the sample's size, and is computed a batch at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.parts import Sketch

BITS = 256
LEAST_SPREAD = 0.5
LOOKED_AT = 2048
CHUNK = 64
SEED = 20_250_722


def exact(rows_B: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a digest of each sample: equal for equal samples, else half of the bits differ."""
    rows = np.ascontiguousarray(rows_B)
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=BITS // 8).digest() for row in rows)
    return np.frombuffer(digests, dtype=np.uint8).reshape(len(rows), BITS // 8)


def of_angles(thumbnails: Callable[[NDArray[Any]], NDArray[np.float64]], inputs_N: NDArray[Any]) -> Sketch:
    """Return signs of random projections: two rows differ in a share angle / pi of the bits (Charikar, STOC 2002)."""
    some = inputs_N[:: max(1, len(inputs_N) // LOOKED_AT)]
    parts = [thumbnails(np.asarray(some[start : start + CHUNK])) for start in range(0, len(some), CHUNK)]
    mean_D = np.concatenate(parts).mean(axis=0)
    axes_D = np.random.default_rng(SEED).standard_normal((len(mean_D), BITS))

    def sketch(rows_B: NDArray[Any]) -> NDArray[np.uint8]:
        return np.packbits((thumbnails(rows_B) - mean_D) @ axes_D > 0, axis=1)

    return sketch


def scaled(values_BD: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row at mean 0 and deviation 1, so that neither brightness and contrast nor loudness count."""
    spread = values_BD.std(axis=1, keepdims=True)
    return np.asarray((values_BD - values_BD.mean(axis=1, keepdims=True)) / np.maximum(spread, LEAST_SPREAD))


def averaged(rows: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Return the means over a grid of ``shape`` of the last two axes."""
    for axis, size in zip((-2, -1), shape, strict=True):
        edges = np.linspace(0, rows.shape[axis], size + 1).round().astype(int)
        sums = np.add.reduceat(rows, edges[:-1], axis=axis)
        counts = np.diff(edges)
        rows = sums / (counts[:, None] if axis == -2 else counts)
    return rows
