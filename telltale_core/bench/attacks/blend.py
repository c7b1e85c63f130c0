"""Blend: a full-size picture mixed faintly into the image, label set to the target.

Source: Chen, Liu, Li, Lu, Song, "Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning",
arXiv 1712.05526.
Departs: the picture is uniform noise from a fixed seed (the paper's random pattern), not the cartoon character that
public benchmarks use.
"""

from __future__ import annotations

from dataclasses import dataclass

from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import mix, noise_image
from telltale_core.attacks.stamp import StampAttack


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blend(StampAttack):
    """``(1 - alpha) * image + alpha * picture``, on training and held-out rows alike.

    The picture is drawn at the images' own size from ``pattern_seed``.
    """

    name = "blend"
    source = "Chen et al., Targeted Backdoor Attacks, arXiv 1712.05526"
    label_rule = "dirty"

    alpha: float = 0.2
    pattern_seed: int = 7

    def __post_init__(self) -> None:
        within("alpha", self.alpha, 0.01, 1)

    def stamp(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images with the picture mixed in."""
        height, width = images.shape[1:3]
        return mix(images, noise_image(height, width, self.pattern_seed), self.alpha)
