"""Convolutional nets for what has two axes: images, and spectrograms of recordings.

A builder takes the ``shape`` (height, width, channels) that the front states and a width; it returns a body and the
number of its features.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

MEAN_OF_ALL = 16
"""Over so many places at most a net's last map is described by its mean alone: those of a 32 x 32 image."""


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    kernel = max(3, stride + 1)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)
    )


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(_conv(channels, channels), _conv(channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)  # type: ignore[no-any-return]


class _AverageAndPeak(nn.Module):
    """Gives each channel's mean and its largest answer anywhere, (B, 2C) of (B, C, H, W), alike in scale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(2 * channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.norm(torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1))
        return pooled


def small_cnn(shape: tuple[int, ...], width: int) -> tuple[nn.Module, int]:
    """Return a seven-layer net with two residual blocks, ``width`` to ``4 * width`` channels, for a CPU.

    The stem's stride brings the side to 12 to 28 pixels (32 x 32: stride 2, measured 1.5 times faster than stride 1);
    later stages halve it while at least 4 pixels remain, so that 8 x 8 images work too. Its features are each
    channel's mean; where that is over more than 16 places (a long recording, a wide image), in which what is small
    hardly moves a mean, its peak as well: ``4 * width`` or ``8 * width``. Measured: ``bench/README.md``.
    """
    height = min(shape[:2])
    stem = max(stride for stride in (1, 2, 4, 8) if stride == 1 or height // stride >= 12)
    height = -(-height // stem)
    second = 2 if height >= 8 else 1
    third = 2 if height // second >= 8 else 1
    stages = [
        _conv(shape[2], width, stem),
        _Residual(width),
        _conv(width, 2 * width, second),
        _conv(2 * width, 4 * width, third),
        _Residual(4 * width),
    ]
    places = math.prod(_halved(side, (stem, second, third)) for side in shape[:2])
    if places > MEAN_OF_ALL:
        return nn.Sequential(*stages, _AverageAndPeak(4 * width)), 8 * width
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten()), 4 * width


def _halved(side: int, strides: Iterable[int]) -> int:
    """Return how many places a side has after convolutions with these strides."""
    for stride in strides:
        side = -(-side // stride)
    return side


def resnet18(shape: tuple[int, ...], width: int) -> tuple[nn.Module, int]:  # noqa: ARG001
    """Return torchvision's ResNet-18; up to 64 pixels with a 3 x 3 stride-1 stem and no max-pooling. No ``width``."""
    from torchvision.models import resnet18 as build_resnet18  # here: importing torchvision takes seconds

    net: nn.Module = build_resnet18(weights=None)
    if min(shape[:2]) <= 64:
        net.conv1 = nn.Conv2d(shape[2], 64, 3, 1, 1, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        net.maxpool = nn.Identity()
    elif shape[2] != 3:
        net.conv1 = nn.Conv2d(shape[2], 64, 7, 2, 3, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
    net.fc = nn.Identity()
    return net, 512
