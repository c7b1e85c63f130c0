"""Sketches of packed samples: 256 bits each, of which near-duplicates share nearly all.

A sketch takes 32 bytes whatever the sample's size, and is computed a batch at a time. Legend: B batch, L length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.mel import log_mel, plan_for

BITS = 256
SIDE = 16
FRAMES = 32
QUIET = 1e-3
"""What is added to a recording's power, its loudest part being 1, before the logarithm: softer sounds hardly count."""
LEAST_SPREAD = 0.5
PERMUTATIONS = 64
SHINGLE = 3
LOOKED_AT = 2048
CHUNK = 64
DIGITS = 4
SEED = 20_250_722
Sketch = Callable[[NDArray[Any]], NDArray[np.uint8]]


def exact(rows_B: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a digest of each sample: equal for equal samples, else half of the bits differ."""
    rows = np.ascontiguousarray(rows_B)
    found = b"".join(hashlib.blake2b(row.tobytes(), digest_size=BITS // 8).digest() for row in rows)
    return np.frombuffer(found, dtype=np.uint8).reshape(len(rows), BITS // 8)


def rounded(rows_BD: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return a digest of each table row with its numbers rounded to four significant digits; missing ones are alike."""
    known = np.where(np.isfinite(rows_BD) & (rows_BD != 0), np.abs(rows_BD), 1.0).astype(np.float64)
    unit = 10.0 ** (np.floor(np.log10(known)) - DIGITS + 1)
    near = np.where(np.isfinite(rows_BD), np.rint(rows_BD / unit) * unit, np.inf)
    return exact(near + 0.0)  # no zero is negative


def of_pictures(inputs_N: NDArray[Any]) -> Sketch:
    """Return the sketch of images (N, H, W, 3): the angle between two 16 x 16 thumbnails without the drop's mean."""
    return _of_angles(_thumbnails, inputs_N)


def of_recordings(inputs_N: NDArray[Any], rate: int) -> Sketch:
    """Return the sketch of recordings (N, L) int16: the angle between two coarse mel spectrograms without the mean."""
    plan = plan_for(rate, inputs_N.shape[1])

    def coarse(rows_BL: NDArray[Any]) -> NDArray[np.float64]:
        power = np.exp(np.stack([log_mel(np.asarray(row), plan) for row in rows_BL]))
        power = _averaged(power, (power.shape[1], min(FRAMES, power.shape[2]))).reshape(len(rows_BL), -1)
        return _scaled(np.log(power / power.max(axis=1, keepdims=True) + QUIET))

    return _of_angles(coarse, inputs_N)


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
    absent_BL = rows_BL == 0
    absent_BL[:, 0] = False
    salts = np.random.default_rng(SEED).integers(1, 1 << 63, PERMUTATIONS, dtype=np.uint64)
    least = np.empty((len(rows_BL), PERMUTATIONS), dtype=np.uint64)
    for number, salt in enumerate(salts):
        turned = _mixed(run_BL ^ salt)
        turned[absent_BL] = np.iinfo(np.uint64).max
        least[:, number] = turned.min(axis=1)
    four = (least & np.uint64(15)).astype(np.uint8)
    return np.asarray(four[:, 0::2] << 4 | four[:, 1::2])


def _of_angles(thumbnails: Callable[[NDArray[Any]], NDArray[np.float64]], inputs_N: NDArray[Any]) -> Sketch:
    """Return signs of random projections: two rows differ in a share angle / pi of the bits (Charikar, STOC 2002)."""
    some = inputs_N[:: max(1, len(inputs_N) // LOOKED_AT)]
    parts = [thumbnails(np.asarray(some[start : start + CHUNK])) for start in range(0, len(some), CHUNK)]
    mean_D = np.concatenate(parts).mean(axis=0)
    axes_DK = np.random.default_rng(SEED).standard_normal((len(mean_D), BITS))

    def sketch(rows_B: NDArray[Any]) -> NDArray[np.uint8]:
        return np.packbits((thumbnails(rows_B) - mean_D) @ axes_DK > 0, axis=1)

    return sketch


def _thumbnails(rows_BHWC: NDArray[Any]) -> NDArray[np.float64]:
    height, width = rows_BHWC.shape[1:3]
    planes = np.moveaxis(rows_BHWC, -1, 1).astype(np.float32)
    found = _averaged(planes, (min(SIDE, height), min(SIDE, width)))
    return _scaled(np.asarray(found.reshape(len(rows_BHWC), -1), dtype=np.float64))


def _scaled(values_BD: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each row at mean 0 and deviation 1, so that neither brightness and contrast nor loudness count."""
    spread = values_BD.std(axis=1, keepdims=True)
    return np.asarray((values_BD - values_BD.mean(axis=1, keepdims=True)) / np.maximum(spread, LEAST_SPREAD))


def _averaged(rows: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Return the means over a grid of ``shape`` of the last two axes."""
    for axis, size in zip((-2, -1), shape, strict=True):
        edges = np.linspace(0, rows.shape[axis], size + 1).round().astype(int)
        sums = np.add.reduceat(rows, edges[:-1], axis=axis)
        counts = np.diff(edges)
        rows = sums / (counts[:, None] if axis == -2 else counts)
    return rows


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return well mixed 64-bit values (the finaliser of SplitMix64)."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values = values ^ (values >> np.uint64(27))
    values = values * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
