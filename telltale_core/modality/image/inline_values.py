"""Pixels given as numbers: whether these are bytes or fractions, and how the colours of a flat row lie."""

from __future__ import annotations

import enum

import numpy as np

from telltale_core.modality.reasons import bad

SMOOTHER = 0.8
"""Neighbours differ by less than this share, on average, of what they differ by if colours lay the other way."""


class Values(enum.IntFlag):
    """What the inline values of a picture are; ``SIGNED`` are fractions of which some are below 0."""

    BYTES = 0
    FRACTIONS = 1
    SIGNED = 2
    PLANES = 4


def values_of(pixels: np.ndarray, raw: np.ndarray) -> Values:
    """Return what a picture's values are; ``given`` as they came, ``pixels`` as H x W or H x W x C."""
    kind = Values.BYTES
    if pixels.dtype.kind == "f" and pixels.max() <= 1:
        kind |= Values.FRACTIONS
        kind |= Values.SIGNED if -1 <= pixels.min() < 0 else Values.BYTES
    coloured = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size > 3  # one pixel has no plane
    if raw.ndim == 1 and coloured and _in_planes(raw):
        kind |= Values.PLANES
    return kind


def _in_planes(flat: np.ndarray) -> bool:
    """Return whether a row of values looks smoother as three planes, as CIFAR's are, than as colour by colour."""
    planes, mixed = (_roughness(square(flat, planes=planes)) for planes in (True, False))
    return planes < SMOOTHER * mixed


def _roughness(pixels: np.ndarray) -> float:
    values = pixels.astype(np.float32)
    return float(np.abs(np.diff(values, axis=0)).mean() + np.abs(np.diff(values, axis=1)).mean())


def square(flat: np.ndarray, *, planes: bool) -> np.ndarray:
    """Return a flat row as a square grey or RGB picture; ``planes``: all reds stand before all greens and blues."""
    for channels in (1, 3):
        side = round((flat.size / channels) ** 0.5)
        if side * side * channels == flat.size:
            if planes and channels == 3:
                return np.moveaxis(flat.reshape(3, side, side), 0, 2)
            return flat.reshape(side, side, channels)
    raise bad("values_invalid", f"{flat.size} values are neither a square grey image nor a square RGB one")
