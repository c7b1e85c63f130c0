"""Sketches of recordings, by which near-duplicates are found, whatever their loudness."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.audio.mel import log_mel, plan_for
from telltale_core.modality.parts import Sketch
from telltale_core.modality.sketches import averaged, of_angles, scaled

FRAMES = 32
QUIET = 1e-3
"""What is added to a recording's power, its loudest part being 1, before the logarithm: softer sounds hardly count."""


def of_recordings(inputs_N: NDArray[Any], rate: int) -> Sketch:
    """Return the sketch of recordings (N, L) int16: the angle between two coarse mel spectrograms without the mean."""
    plan = plan_for(rate, inputs_N.shape[1])

    def coarse(rows_BL: NDArray[Any]) -> NDArray[np.float64]:
        power = np.exp(np.stack([log_mel(np.asarray(row), plan) for row in rows_BL]))
        power = averaged(power, (power.shape[1], min(FRAMES, power.shape[2]))).reshape(len(rows_BL), -1)
        return scaled(np.log(power / power.max(axis=1, keepdims=True) + QUIET))

    return of_angles(coarse, inputs_N)
