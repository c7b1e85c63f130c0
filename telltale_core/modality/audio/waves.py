"""One channel of sound as floats at full scale 1: cut, brought to another rate, measured, turned into 16 bits."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np

CROPS = 4  # of a recording that is longer than what is packed, from its beginning to its end
FULL = 32768.0


@dataclasses.dataclass(frozen=True, slots=True)
class Crop:
    """The frames of a recording from ``start`` to ``stop``, of which ``size`` samples are packed."""

    start: int
    stop: int
    size: int


def crops_of(frames: int, own: int, rate: int, length: int) -> list[Crop]:
    """Return which frames make the packed sample: all, or crops at like distances of a recording that is longer."""
    beyond = own // 10  # for the filter's sake
    if frames * rate <= length * own + rate:  # a frame more or less is rounding
        return [Crop(0, math.ceil(length * own / rate) + beyond, length)]
    sizes = np.diff(np.linspace(0, length, min(CROPS, length) + 1).round().astype(int)).tolist()
    last = frames - math.ceil(sizes[-1] * own / rate)
    starts = np.linspace(0, last, len(sizes)).round().astype(int).tolist() if len(sizes) > 1 else [0]
    crops = zip(starts, sizes, strict=True)
    return [Crop(start, start + math.ceil(size * own / rate) + beyond, size) for start, size in crops]


def share_above(wave: np.ndarray, own: int, rate: int) -> float:
    """Return which share of a wave's power lies above half of another rate."""
    power = np.square(np.abs(np.fft.rfft(wave)))
    return float(power[math.ceil(len(wave) * rate / 2 / own) :].sum() / max(power.sum(), 1e-12))


def is_finer(wave: np.ndarray) -> bool:
    """Return whether a wave holds values between those of 16 bits."""
    return bool((np.rint(wave * FULL) != wave * FULL).any())


def resampled_to(wave: np.ndarray, own: int, rate: int) -> np.ndarray:
    """Return the wave at another rate, filtered against aliases; the ratio is exact to one in a million."""
    if own == rate:
        return wave
    from scipy.signal import resample_poly

    ratio = (
        Fraction(rate, own).limit_denominator(1000) if rate < own else 1 / Fraction(own, rate).limit_denominator(1000)
    )
    return np.asarray(resample_poly(wave, ratio.numerator, ratio.denominator))


def to_int16(wave: np.ndarray) -> np.ndarray:
    """Return the wave in 16 bits, what is beyond full scale cut."""
    return np.clip(np.rint(wave * FULL), -FULL, FULL - 1).astype(np.int16)
