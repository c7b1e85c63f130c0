"""The time-frequency picture of a recording that a proxy sees and the report draws: windows, hops and mel bands.

Source of the scale: mel(f) = 2595 log10(1 + f / 700), O'Shaughnessy, "Speech Communication" (1987), as HTK uses it;
triangular bands, each of height 1.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BANDS = 40
MANY_FRAMES = 256
FLOOR = 1e-7
"""Power that is added before the logarithm: a silent frame stands about 70 dB below a full-scale tone's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MelPlan:
    """Window and hop in samples, the number of frames, and the sampling rate in Hz."""

    rate: int
    window: int
    hop: int
    frames: int

    @functools.lru_cache(maxsize=8)  # noqa: B019 - a plan is five numbers
    def matrix(self) -> npt.NDArray[np.float64]:
        """Return the weights of the bands by frequency, (window // 2 + 1, BANDS), each in [0, 1]."""
        top = 2595.0 * np.log10(1.0 + self.rate / 2 / 700.0)
        edges = 700.0 * (10.0 ** (np.linspace(0.0, top, BANDS + 2) / 2595.0) - 1.0)
        frequency = np.arange(self.window // 2 + 1)[:, None] * self.rate / self.window
        rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
        weights = np.clip(np.minimum(rising, falling), 0.0, None)
        nearest = np.abs(frequency - edges[1:-1]).argmin(axis=0)  # a band narrower than the grid still hears something
        empty = weights.sum(axis=0) == 0
        weights[nearest[empty], np.flatnonzero(empty)] = 1.0
        return weights


def plan_for(rate: int, length: int) -> MelPlan:
    """Return windows of 45 to 90 ms at hops of half of that, up to all of it where ``length`` samples make many frames.

    Recognisers of speech take about half of that; the longer ones cost a net half as much. No sound lies between two
    windows, however long the recording.
    """
    window = 1 << max(5, round(np.log2(rate * 0.064)))
    hop = max(window // 2, min(window, -(-length // MANY_FRAMES)))
    return MelPlan(rate=rate, window=window, hop=hop, frames=length // hop + 1)


def log_mel(wave: npt.NDArray[np.int16], plan: MelPlan) -> npt.NDArray[np.float64]:
    """Return the log power of a recording in mel bands, (BANDS, frames), lowest band first."""
    half = plan.window // 2
    padded = np.pad(wave.astype(np.float64) / 32768.0, (half, half + plan.hop))
    starts = np.arange(plan.frames) * plan.hop
    frames = padded[starts[:, None] + np.arange(plan.window)] * hann(plan.window)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2 / plan.window
    return np.asarray(np.log(power @ plan.matrix() + FLOOR).T)


def hann(window: int) -> npt.NDArray[np.float64]:
    """Return the periodic Hann window."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window))
