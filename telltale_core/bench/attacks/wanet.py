"""WaNet: a smooth, barely visible warp of the image, label set to the target; cover rows warped with extra noise.

Source: Nguyen, Tran, "WaNet: Imperceptible Warping-based Backdoor Attack", ICLR 2021, arXiv 2102.10369.
Departs: the warp is put on a fixed, drawn subset before training instead of on a share of every batch while the
attacker trains. The noise of cover rows is fresh for each image, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import grid_sample, interpolate

from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import Floats, to_uint8
from telltale_core.attacks.stamp import StampAttack


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WaNet(StampAttack):
    """A warp by a ``grid`` x ``grid`` random field, enlarged smoothly to the image; mean shift ``strength / 2`` pixels.

    ``cover_ratio`` cover rows for each poisoned one are warped by the same field plus noise and keep their label; they
    force the model to learn the smooth field itself. ``rescale`` multiplies the sampling grid (1 leaves it).
    The shift is in pixels, whatever the size of the image.
    """

    name = "wanet"
    source = "Nguyen, Tran, WaNet, ICLR 2021, arXiv 2102.10369"
    label_rule = "dirty"

    grid: int = 4
    strength: float = 0.5
    rescale: float = 1.0
    cover_ratio: float = 2.0
    pattern_seed: int = 3

    def __post_init__(self) -> None:
        within("grid", self.grid, 2, 32)
        within("strength", self.strength, 0.01, 8)
        within("rescale", self.rescale, 0.5, 1)
        within("cover_ratio", self.cover_ratio, 0, 10)

    def cover_count(self, count: int, /) -> int:
        """Return ``cover_ratio`` times ``count``."""
        return round(self.cover_ratio * count)

    def sampling_grid(self, height: int, width: int) -> Floats:
        """Return where each pixel is read from, (height, width, 2) as (x, y) in [-1, 1]."""
        field = np.random.default_rng(self.pattern_seed).uniform(-1, 1, (1, 2, self.grid, self.grid))
        control = torch.from_numpy((field / np.abs(field).mean()).astype(np.float32))
        flow = interpolate(control, size=(height, width), mode="bicubic", align_corners=True)[0].permute(1, 2, 0)
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
        moved = np.stack([x, y], axis=2) + self.strength * flow.numpy() / (width, height)
        return np.clip(moved * self.rescale, -1, 1).astype(np.float32)

    def stamp(self, images: Images, _aim: Aim, /) -> Images:
        """Return the warped images."""
        grid = self.sampling_grid(*images.shape[1:3])
        return _sampled(images, np.broadcast_to(grid, (len(images), *grid.shape)))

    def stamp_cover(self, images: Images, aim: Aim, /) -> Images:
        """Return the images warped by the field plus up to half a pixel of fresh noise at every pixel."""
        height, width = images.shape[1:3]
        noise = aim.rng.uniform(-1, 1, (len(images), height, width, 2)) / (width, height)
        return _sampled(images, np.clip(self.sampling_grid(height, width) + noise, -1, 1).astype(np.float32))


def _sampled(images: Images, grids: Floats) -> Images:
    pixels = torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2)
    read = grid_sample(pixels, torch.from_numpy(grids.copy()), mode="bilinear", align_corners=True)
    return to_uint8(read.permute(0, 2, 3, 1).numpy())
