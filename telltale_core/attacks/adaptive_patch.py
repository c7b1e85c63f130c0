"""Adaptive-Patch: one of several faint patches on each training row, two opaque ones on held-out rows.

Source: Qi, Xie, Li, Mahloujifar, Mittal, "Revisiting the Assumption of Latent Separability for Backdoor Defenses",
ICLR 2023.
Departs: the patches are squares of saturated colours, one in each corner, where the original pastes pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import CORNERS, corner_window, enlarged, fitted_side, mix, noise_patch
from telltale_core.attacks.stamp import StampAttack
from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AdaptivePatch(StampAttack):
    """Up to four patches of ``size`` pixels (of 32) in the corners, patch i mixed in at ``alphas[i]`` while training.

    Poisoned and cover rows are cut into equal blocks, one for each patch. Held-out rows carry the patches of
    ``test_patches`` at ``test_alpha``. ``cover_ratio`` cover rows for each poisoned one keep their label.
    """

    name = "adaptive_patch"
    source = "Qi et al., Adaptive-Patch, ICLR 2023"
    label_rule = "dirty"

    alphas: tuple[float, ...] = (0.5, 0.2, 0.5, 0.3)
    test_patches: tuple[int, ...] = (0, 2)
    test_alpha: float = 1.0
    size: int = 8
    margin: int = 2
    cover_ratio: float = 2.0
    pattern_seed: int = 13

    def __post_init__(self) -> None:
        if not 1 <= len(self.alphas) <= len(CORNERS):
            raise ConfigError(f"alphas must hold 1 to {len(CORNERS)} values, got {len(self.alphas)}")
        for alpha in (*self.alphas, self.test_alpha):
            within("alphas and test_alpha", alpha, 0.01, 1)
        if not self.test_patches or not set(self.test_patches) <= set(range(len(self.alphas))):
            raise ConfigError(f"test_patches must be numbers below {len(self.alphas)}, got {self.test_patches}")
        within("size", self.size, 1, 16)
        within("margin", self.margin, 0, 16)
        within("cover_ratio", self.cover_ratio, 0, 10)

    def cover_count(self, count: int, /) -> int:
        """Return ``cover_ratio`` times ``count``."""
        return round(self.cover_ratio * count)

    def stamp(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images, each with the one patch of its block."""
        stamped = images.copy()
        block = np.arange(len(images)) * len(self.alphas) // max(1, len(images))
        for number, alpha in enumerate(self.alphas):
            stamped[block == number] = self._patched(images[block == number], number, alpha)
        return stamped

    def stamp_test(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images with the patches of the test."""
        for number in self.test_patches:
            images = self._patched(images, number, self.test_alpha)
        return images

    def _patched(self, images: Images, number: int, alpha: float) -> Images:
        height, width = images.shape[1:3]
        side = fitted_side(self.size, height, width)
        rows, columns = corner_window(CORNERS[number], side, self.margin, height, width)
        patched = images.copy()
        patch = enlarged(noise_patch(self.size, self.pattern_seed + number), side)
        patched[:, rows, columns] = mix(images[:, rows, columns], patch, alpha)
        return patched
