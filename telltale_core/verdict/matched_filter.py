"""How much of a faint picture each sample carries: the matched filter.

Source: the linear filter of the largest signal-to-noise ratio (North, 1943; Turin, IRE 1960). The noise is what other
samples look like: their mean power at each spatial frequency. Natural images have most of it at low ones, where a faint
picture is therefore not looked for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AXES = (0, 1)
FLOOR = 1e-3
"""Of the mean power, added to that of every frequency: none counts without end."""
TINY = 1e-12
CHUNK_VALUES = 1 << 22
"""Of packed samples that are held at a time, 32 MiB as float64."""


class MatchedFilter:
    """Scores packed samples (B, H, W, ...) by how much they carry of what is looked for."""

    def __init__(self, others: NDArray[Any]) -> None:
        """Measure the noise on ``others`` (B, H, W, ...)."""
        total: NDArray[np.float64] | float = 0.0
        for sample in others:
            total = total + np.abs(_spectrum(sample)) ** 2
        power = np.asarray(total) / len(others)
        self._power = power + max(FLOOR * power.mean(), TINY)

    def weights(self, difference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the filter for a difference (H, W, ...), in its shape."""
        whitened = _spectrum(difference) / self._power
        return np.asarray(np.fft.irfft2(whitened, s=difference.shape[:2], axes=AXES))

    def beside(self, difference: NDArray[np.float64], usual: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the filter for what a difference has beside another, ``usual`` one: that alone scores nothing."""
        weights, of_usual = self.weights(difference), self.weights(usual)
        strength = float((usual * of_usual).sum())
        return weights - of_usual * (float((usual * weights).sum()) / strength if strength > 0 else 0.0)


def carried(inputs: NDArray[Any], rows: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores (n, F) of some rows of packed inputs (N, H, W, ...) by filters (F, H, W, ...).

    Some rows are held at a time.
    """
    flat_DF = weights.reshape(len(weights), -1).T
    scores, step = np.empty((len(rows), len(weights))), max(1, CHUNK_VALUES // max(1, flat_DF.shape[0]))
    for start in range(0, len(rows), step):
        part = np.asarray(inputs[rows[start : start + step]])
        scores[start : start + step] = part.reshape(len(part), -1).astype(np.float64) @ flat_DF
    return scores


def _spectrum(picture: NDArray[Any]) -> NDArray[np.complex128]:
    """Return the frequencies of a picture (H, W, ...) without its mean colour."""
    values = np.asarray(picture, dtype=np.float64)
    return np.asarray(np.fft.rfft2(values - values.mean(axis=AXES), axes=AXES))
