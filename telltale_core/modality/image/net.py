"""Images on their way into a net: normalised when a batch is taken, mirrored where that makes sense; nets for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

CHUNK, CHUNK_VALUES = 1024, 1 << 22


def channel_scaling(inputs: NDArray[Any]) -> dict[str, Any]:
    """Return ``mean`` and ``std`` by channel (the last axis) of (N, ..., C) inputs, in input units, as lists.

    Summed in float64 a chunk at a time; a constant channel has std 1.
    """
    axes = tuple(range(inputs.ndim - 1))
    total = np.zeros(inputs.shape[-1])
    squares = np.zeros(inputs.shape[-1])
    step = max(1, min(CHUNK, CHUNK_VALUES // max(1, math.prod(inputs.shape[1:]))))
    for start in range(0, len(inputs), step):
        chunk = np.asarray(inputs[start : start + step], dtype=np.float64)
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


def vgg16(shape: tuple[int, ...], width: int) -> tuple[nn.Module, int]:  # noqa: ARG001
    """Return VGG-16 with batch normalisation, its three-layer classifier reduced to pooling. No ``width``.

    A pooling layer that would leave less than one pixel is left out.
    """
    from torchvision.models.vgg import cfgs, make_layers

    side, layers = min(shape[:2]), []
    for layer in cfgs["D"]:
        if layer == "M" and side < 2:
            continue
        side = side // 2 if layer == "M" else side
        layers.append(layer)
    features = make_layers(layers, batch_norm=True)
    for module in features.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 512
