"""Sketches of images, by which near-duplicates are found: what JPEG, brightness and contrast leave."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.parts import Sketch
from telltale_core.modality.sketches import averaged, of_angles, scaled

SIDE = 16


def of_pictures(inputs_N: NDArray[Any]) -> Sketch:
    """Return the sketch of images (N, H, W, 3): the angle between two 16 x 16 thumbnails without the drop's mean."""
    return of_angles(_thumbnails, inputs_N)


def _thumbnails(rows_BHWC: NDArray[Any]) -> NDArray[np.float64]:
    height, width = rows_BHWC.shape[1:3]
    planes = np.moveaxis(rows_BHWC, -1, 1).astype(np.float32)
    thumbnails = averaged(planes, (min(SIDE, height), min(SIDE, width)))
    return scaled(np.asarray(thumbnails.reshape(len(rows_BHWC), -1), dtype=np.float64))
