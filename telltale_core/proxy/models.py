"""The nets: those that a modality names, those registered beside them, and the convolutional ones for images.

A builder takes the ``shape`` that the modality's front states and a width; it returns a *body* (the front's output to a
feature vector) and the number of its features. The linear head on top is the same for all and always runs in float32,
because the loss log needs exact logits.

    @register("my_net", modality="audio")
    def my_net(shape: tuple[int, ...], width: int) -> tuple[nn.Module, int]: ...
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from telltale_core.errors import ConfigError
from telltale_core.modality import modality_named

MEAN_OF_ALL = 16
"""Over so many places at most a net's last map is described by its mean alone: those of a 32 x 32 image."""

Builder = Callable[[tuple[int, ...], int], tuple[nn.Module, int]]
_MODELS: dict[str, dict[str, Builder]] = {}


def register(name: str, *, modality: str) -> Callable[[Builder], Builder]:
    """Return a decorator that makes a builder known beside the modality's own nets."""

    def add(builder: Builder) -> Builder:
        _MODELS.setdefault(modality, {})[name] = builder
        return builder

    return add


def resolve(name: str, modality: str) -> tuple[str, Builder]:
    """Return a model's own name and builder; ``"auto"`` is the modality's first, ``"a:b"`` what ``"a:"`` makes of b."""
    known = {**modality_named(modality).models(), **_MODELS.get(modality, {})}
    name = next(iter(known)) if name == "auto" else name
    if name in known:
        return name, known[name]
    prefix, colon, argument = name.partition(":")
    if colon and prefix + colon in known:
        with_argument: Any = known[prefix + colon]
        return name, with_argument(argument)
    raise ConfigError(f"model {name!r} is not known for modality {modality!r}; known: auto, {', '.join(known)}")


class ProxyNet(nn.Module):
    """A body and a float32 linear head; returns (N, outputs) float32 whatever precision the body runs in."""

    def __init__(self, body: nn.Module, features: int, outputs: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(features, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs of a batch."""
        features = self.body(x)
        with torch.autocast(x.device.type, enabled=False):
            outputs: torch.Tensor = self.head(features.float())
        return outputs


def build(name: str, modality: str, shape: tuple[int, ...], width: int, outputs: int, *, seed: int) -> ProxyNet:
    """Return a freshly initialised net on the CPU, the same for the same seed; the caller's random state is kept."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        body, features = resolve(name, modality)[1](shape, width)
        return ProxyNet(body, features, outputs).to(memory_format=torch.channels_last)


def folded(net: nn.Module) -> nn.Module:
    """Return a copy for evaluation: batch normalisation becomes part of the convolution before it in a ``Sequential``.

    The same function up to rounding, measured 1.5 times faster on a CPU.
    """
    net = copy.deepcopy(net).eval()
    for block in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for first, second in itertools.pairwise(range(len(block))):
            conv, norm = block[first], block[second]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
                block[first], block[second] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return net


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
    hardly moves a mean, its peak as well: ``4 * width`` or ``8 * width``. Measured: bench/notes, recordings.
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
