"""Pixels that triggers are made of, and the one rule by which they fit images of any size.

Sizes and margins are stated for images of 32 pixels. On larger images both grow in proportion to the shorter side
(nearest neighbour). On smaller ones the margin shrinks likewise but a patch keeps its size in pixels (a scaled-down one
would vanish), up to half of the shorter side.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from telltale_core.attacks.contract import Images

NATIVE_SIDE = 32
MARK = np.array([[0, 0, 255], [0, 255, 0], [255, 0, 255]], dtype=np.uint8)
"""The black-and-white 3 x 3 mark of BadNets."""

Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
CORNERS: tuple[Corner, ...] = ("top-left", "top-right", "bottom-left", "bottom-right")
Floats = npt.NDArray[np.float32]


def to_uint8(values: npt.NDArray[np.floating]) -> Images:
    """Return values of the 0..255 scale rounded to the nearest integer and clipped, uint8."""
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def fitted_side(size: int, height: int, width: int) -> int:
    """Return the side in pixels of a patch whose side is ``size`` on 32-pixel images."""
    short = min(height, width)
    return max(1, min(max(size, round(size * short / NATIVE_SIDE)), short // 2))


def enlarged(pattern: Images, side: int) -> Images:
    """Return a square pattern (h, h) or (h, h, 3) scaled to ``side`` by nearest neighbour, always (side, side, 3)."""
    take = np.arange(side) * len(pattern) // side
    scaled = pattern[np.ix_(take, take)]
    return scaled if scaled.ndim == 3 else np.repeat(scaled[..., None], 3, axis=2)


def corner_window(corner: Corner, side: int, margin: int, height: int, width: int) -> tuple[slice, slice]:
    """Return the rows and columns of a square of ``side`` pixels that lies ``margin`` (of 32) away from a corner."""
    short = min(height, width)
    gap = min(round(margin * short / NATIVE_SIDE), short - side)
    top = gap if corner.startswith("top") else height - gap - side
    left = gap if corner.endswith("left") else width - gap - side
    return slice(top, top + side), slice(left, left + side)


def noise_image(height: int, width: int, seed: int) -> Images:
    """Return a picture of independent uniform pixels, (height, width, 3) uint8, the same for a seed."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def noise_patch(side: int, seed: int, cell: int = 2) -> Images:
    """Return a square patch of fully saturated colours in cells of ``cell`` pixels, (side, side, 3) uint8."""
    cells = -(-side // cell)
    colours = np.random.default_rng(seed).integers(0, 2, (cells, cells, 3), dtype=np.uint8) * np.uint8(255)
    return colours.repeat(cell, axis=0).repeat(cell, axis=1)[:side, :side]


def mix(images: Images, pattern: npt.NDArray[np.generic], weight: float | Floats) -> Images:
    """Return ``(1 - weight) * images + weight * pattern``, rounded; ``weight`` broadcasts against (N, H, W, 3)."""
    towards = np.subtract(pattern, images, dtype=np.float32)
    return to_uint8(images + np.float32(1) * weight * towards)
