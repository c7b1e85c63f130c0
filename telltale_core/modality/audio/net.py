"""Recordings on their way into a net: log-mel spectrograms, computed when a batch is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core.modality.audio.mel import BANDS, FLOOR, hann, plan_for

CHUNK = 256
LOOKED_AT = 4096  # recordings that the scaling is taken from, evenly spread


def band_scaling(inputs: NDArray[Any], rate: int) -> dict[str, Any]:
    """Return ``rate``, and ``mean`` and ``std`` of the log power by mel band over (N, L) int16 recordings, as lists."""
    unscaled = {"rate": rate, "mean": [0.0] * BANDS, "std": [1.0] * BANDS}
    front = SpectrogramFront(tuple(inputs.shape[1:]), unscaled, "cpu")
    some = inputs[:: max(1, len(inputs) // LOOKED_AT)]
    total, squares = torch.zeros(BANDS, dtype=torch.float64), torch.zeros(BANDS, dtype=torch.float64)
    for start in range(0, len(some), CHUNK):
        picture = front(torch.from_numpy(np.array(some[start : start + CHUNK]))).double()
        total += picture.sum(dim=(0, 1, 3))
        squares += picture.square().sum(dim=(0, 1, 3))
    count = len(some) * front.shape[1]
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    return {"rate": rate, "mean": mean.tolist(), "std": std.clamp(min=1e-3).tolist()}


class SpectrogramFront:
    """Gives (B, 1, F, frames) float32, each mel band at mean 0 and deviation 1 over the drop, from (B, L) int16."""

    def __init__(self, shape: tuple[int, ...], statistics: Mapping[str, Any], device: str) -> None:
        self._plan = plan_for(int(statistics["rate"]), shape[0])
        self.shape: tuple[int, ...] = (BANDS, self._plan.frames, 1)
        self._window = torch.from_numpy(hann(self._plan.window)).float().to(device)
        self._bands = torch.from_numpy(self._plan.matrix() / self._plan.window).float().to(device)
        mean, std = (torch.tensor(statistics[name], dtype=torch.float64) for name in ("mean", "std"))
        self._gain = (1.0 / std).float().to(device)
        self._offset = (-mean / std).float().to(device)

    @torch.no_grad()
    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:  # noqa: ARG002
        """Return the scaled spectrograms of a batch, always computed in float32."""
        with torch.autocast(packed_B.device.type, enabled=False):
            wave = packed_B.float() / 32768.0
            spectrum = torch.stft(
                wave, self._plan.window, self._plan.hop, window=self._window, pad_mode="constant", return_complex=True
            )
            power = spectrum.real.square() + spectrum.imag.square()
            mel = torch.log(power.transpose(1, 2) @ self._bands + FLOOR)
            return (mel * self._gain + self._offset).transpose(1, 2)[:, None]
