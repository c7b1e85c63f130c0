"""Images on their way into a net: normalised when a batch is taken, mirrored where that makes sense.

Legend: N samples, B batch, H x W pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

CHUNK = 1024


def channel_scaling(inputs: NDArray[Any]) -> dict[str, Any]:
    """Return ``mean`` and ``std`` by channel (the last axis) of (N, ..., C) inputs, in input units, as lists.

    Summed in float64 a chunk at a time; a constant channel has std 1.
    """
    axes = tuple(range(inputs.ndim - 1))
    total = np.zeros(inputs.shape[-1])
    squares = np.zeros(inputs.shape[-1])
    for start in range(0, len(inputs), CHUNK):
        chunk = np.asarray(inputs[start : start + CHUNK], dtype=np.float64)
        total += chunk.sum(axis=axes)
        squares += (chunk**2).sum(axis=axes)
    count = inputs.size / inputs.shape[-1]
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
    return {"mean": mean.tolist(), "std": np.where(std > 1e-9, std, 1.0).tolist()}


def mirrors_well(inputs: NDArray[Any]) -> bool:
    """Return whether mirrored copies are likely of the same class: colour images of at least 24 pixels.

    Grey or tiny images are digits, characters, X-rays, spectrograms more often than scenes.
    """
    if inputs.ndim != 4 or min(inputs.shape[1:3]) < 24 or inputs.shape[-1] != 3:
        return False
    some = np.asarray(inputs[:: max(1, len(inputs) // 64)][:64])
    return bool((some != some[..., :1]).any())


class ImageFront:
    """Gives (B, C, H, W) float32 in channels-last memory from (B, H, W, C) uint8; mirrors where chance is below 0.5."""

    def __init__(self, shape: tuple[int, ...], statistics: Mapping[str, Any], device: str) -> None:
        self.shape = shape
        mean, std = (torch.tensor(statistics[name], dtype=torch.float64) for name in ("mean", "std"))
        self._gain = (1.0 / std).float().to(device)
        self._offset = (-mean / std).float().to(device)

    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return the normalised batch."""
        if chance_B is not None:
            packed_B = torch.where((chance_B < 0.5)[:, None, None, None], packed_B.flip(2), packed_B)
        return (packed_B.float() * self._gain + self._offset).permute(0, 3, 1, 2)
