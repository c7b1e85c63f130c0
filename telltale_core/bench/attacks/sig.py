"""SIG: a sinusoidal stripe pattern added to images of the target class, labels untouched.

Source: Barni, Kallas, Tondi, "A New Backdoor Attack in CNNs by Training Set Corruption without Label Poisoning",
ICIP 2019, arXiv 1902.11237.
Departs: on images narrower than 24 pixels the frequency is clipped to a quarter of the width, because six periods
cannot be drawn there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import Floats, to_uint8
from telltale_core.attacks.stamp import StampAttack


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SIG(StampAttack):
    """``image + delta * sin(2 pi j frequency / W)`` in column j, clipped; ``delta`` in grey levels of 255."""

    name = "sig"
    source = "Barni et al., SIG, ICIP 2019, arXiv 1902.11237"
    label_rule = "clean"

    delta: float = 40.0
    frequency: int = 6

    def __post_init__(self) -> None:
        within("delta", self.delta, 1, 255)
        within("frequency", self.frequency, 1, 64)

    def stripes(self, width: int) -> Floats:
        """Return what is added to each column, (width,) float32."""
        periods = max(1, min(self.frequency, width // 4))
        return (self.delta * np.sin(2 * np.pi * np.arange(width) * periods / width)).astype(np.float32)

    def stamp(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images with the stripes added."""
        return to_uint8(images + self.stripes(images.shape[2])[:, None])
