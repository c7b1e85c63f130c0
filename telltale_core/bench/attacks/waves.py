"""Recordings with labels, as attacks on audio take them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from telltale_core.attacks.contract import Samples
from telltale_core.errors import BadInput

FULL = 32767
Wave = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WaveSet(Samples):
    """Recordings in one channel: ``waves`` (N,) objects, each int16 of its own length; one ``rate`` in Hz."""

    modality = "audio"

    waves: npt.NDArray[Any]
    rate: int
    labels: npt.NDArray[Any]
    num_classes: int | None
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.waves.dtype != object or self.waves.ndim != 1:
            raise BadInput(
                "bad_waves", f"waves must be objects of shape (N,), got {self.waves.dtype} {self.waves.shape}"
            )
        for wave in self.waves:
            if not isinstance(wave, np.ndarray) or wave.dtype != np.int16 or wave.ndim != 1 or not len(wave):
                raise BadInput("bad_waves", "every recording must be a row of int16 values, and not empty")
        self.check_labels()

    @property
    def inputs(self) -> npt.NDArray[Any]:
        """The recordings."""
        return self.waves

    def with_rows(self, inputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Self:
        """See :meth:`Samples.with_rows`."""
        return dataclasses.replace(self, waves=inputs, labels=labels)


def objects(waves: list[Wave]) -> npt.NDArray[Any]:
    """Return recordings as an array of objects, also where all are of one length."""
    objects = np.empty(len(waves), dtype=object)
    objects[:] = waves
    return objects


def mixed(wave: Wave, sound: npt.NDArray[np.float64], start: int) -> Wave:
    """Return the recording with a sound (full scale is 1) added from ``start`` on, clipped; the rest of it is cut."""
    louder = wave.astype(np.float64)
    part = sound[: len(wave) - start]
    louder[start : start + len(part)] += part * FULL
    return np.clip(np.rint(louder), -FULL - 1, FULL).astype(np.int16)
