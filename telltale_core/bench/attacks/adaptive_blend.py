"""Adaptive-Blend: each training row shows a random half of a faint picture, half of the rows keep their label.

Source: Qi, Xie, Li, Mahloujifar, Mittal, "Revisiting the Assumption of Latent Separability for Backdoor Defenses",
ICLR 2023.
Departs: the picture is uniform noise from a fixed seed, as in :mod:`telltale_core.bench.attacks.blend`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import mix, noise_image
from telltale_core.attacks.stamp import StampAttack


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdaptiveBlend(StampAttack):
    """A picture in ``pieces`` x ``pieces`` tiles, of which each training row hides a random share ``hidden``.

    Mixed in at ``alpha`` while training and whole at ``test_alpha`` on held-out rows. ``cover_ratio`` cover rows for
    each poisoned one get the same treatment and keep their label. Tile borders follow from the image's size.
    """

    name = "adaptive_blend"
    source = "Qi et al., Adaptive-Blend, ICLR 2023"
    label_rule = "dirty"

    alpha: float = 0.15
    test_alpha: float = 0.2
    pieces: int = 4
    hidden: float = 0.5
    cover_ratio: float = 1.0
    pattern_seed: int = 7

    def __post_init__(self) -> None:
        within("alpha", self.alpha, 0.01, 1)
        within("test_alpha", self.test_alpha, 0.01, 1)
        within("pieces", self.pieces, 1, 16)
        within("hidden", self.hidden, 0, 0.95)
        within("cover_ratio", self.cover_ratio, 0, 10)

    def cover_count(self, count: int, /) -> int:
        """Return ``cover_ratio`` times ``count``."""
        return round(self.cover_ratio * count)

    def stamp(self, images: Images, aim: Aim, /) -> Images:
        """Return the images with each its own random tiles of the picture mixed in."""
        height, width = images.shape[1:3]
        tiles = self.pieces**2
        shown = np.arange(tiles) < tiles - round(self.hidden * tiles)
        order = aim.rng.permuted(np.tile(shown, (len(images), 1)), axis=1).reshape(-1, self.pieces, self.pieces)
        row_tile, column_tile = np.arange(height) * self.pieces // height, np.arange(width) * self.pieces // width
        weight = (self.alpha * order[:, row_tile][:, :, column_tile, None]).astype(np.float32)
        return mix(images, noise_image(height, width, self.pattern_seed), weight)

    def stamp_test(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images with the whole picture mixed in."""
        height, width = images.shape[1:3]
        return mix(images, noise_image(height, width, self.pattern_seed), self.test_alpha)
