"""Adaptive attacker: the patch lies elsewhere in each sample, so that no pixels are shared.

Source: own construction against a trigger that is estimated pixel by pixel. A convolutional net learns it all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import fitted_side, noise_patch
from telltale_core.attacks.stamp import StampAttack


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MovingPatch(StampAttack):
    """A coloured patch of ``size`` pixels (of 32) at a place that is drawn for each row, held-out rows as well."""

    name = "moving_patch"
    source = "own construction: one patch, a place for each sample"
    label_rule = "dirty"

    size: int = 5
    pattern_seed: int = 11

    def __post_init__(self) -> None:
        within("size", self.size, 1, 32)

    def stamp(self, images: Images, aim: Aim, /) -> Images:
        """Return the images, each with the patch at its place."""
        height, width = images.shape[1:3]
        patch = noise_patch(fitted_side(self.size, height, width), self.pattern_seed)
        side = len(patch)
        stamped = images.copy()
        tops, lefts = (aim.rng.integers(length - side + 1, size=len(images)) for length in (height, width))
        for image, top, left in zip(stamped, np.asarray(tops), np.asarray(lefts), strict=True):
            image[top : top + side, left : left + side] = patch
        return stamped
