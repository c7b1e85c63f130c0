"""Clean corners: the faint four-corner mark of the label-consistent attack alone, on target-class images.

Source: the trigger of Turner, Tsipras, Madry, "Label-Consistent Backdoor Attacks", arXiv 1912.02771, sections
4.3 and 4.4 (reduced amplitude, all four corners).
Departs: no adversarial perturbation and no GAN, so the model can still judge the poisoned images by their content and
the attack is much weaker than the paper's. :mod:`telltale_core.attacks.label_consistent` is the whole attack.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import CORNERS, MARK, Floats, corner_window, enlarged, fitted_side, to_uint8
from telltale_core.attacks.stamp import StampAttack


def corner_marks(height: int, width: int) -> Floats:
    """Return +1 where the mark is white, -1 where it is black, 0 elsewhere, (H, W, 1) float32.

    The 3 x 3 mark stands in each corner, mirrored so that flipping the image either way leaves it unchanged.
    """
    side = fitted_side(len(MARK), height, width)
    mark = enlarged(MARK, side)[..., :1].astype(np.float32) / 127.5 - 1
    signs = np.zeros((height, width, 1), dtype=np.float32)
    for corner in CORNERS:
        turned = mark[::-1] if corner.startswith("top") else mark
        turned = turned[:, ::-1] if corner.endswith("left") else turned
        signs[corner_window(corner, side, 0, height, width)] = turned
    return signs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CleanCorners(StampAttack):
    """``image + 255 * amplitude * marks``, clipped; held-out rows carry the marks at full amplitude."""

    name = "clean_corners"
    source = "trigger of Turner et al., Label-Consistent, arXiv 1912.02771, without its perturbation"
    label_rule = "clean"

    amplitude: float = 64 / 255

    def __post_init__(self) -> None:
        within("amplitude", self.amplitude, 1 / 255, 1)

    def stamp(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images with the faint marks."""
        return to_uint8(images + np.float32(255 * self.amplitude) * corner_marks(*images.shape[1:3]))

    def stamp_test(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images with the full marks."""
        return to_uint8(images + np.float32(255) * corner_marks(*images.shape[1:3]))
