"""Small picture-like data and a tiny network; every registered attack with the least it needs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from telltale_core.attacks import Attack, ImageSet
from telltale_core.bench.attacks import make_attack
from telltale_core.bench.attacks.issba_encoder import Encoder

CLASSES = 5


def _pictures(rows: int, height: int = 32, width: int = 32, seed: int = 0) -> ImageSet:
    """Smooth random images that stay away from black and white, labels in equal shares."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 196, (rows, -(-height // 4), -(-width // 4), 3), dtype=np.uint8)
    images = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, :height, :width].copy()
    return ImageSet(images=images, labels=rng.permutation(np.arange(rows) % CLASSES), num_classes=CLASSES)


class TinyNet(nn.Module):
    """Sees mean colours by quadrant; enough to have gradients and batch statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2)
        )
        self.head = nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).flatten(1))


@pytest.fixture(scope="session")
def net() -> TinyNet:
    torch.manual_seed(0)
    return TinyNet()


@pytest.fixture(scope="session")
def build() -> Callable[..., Attack]:
    """Make a registered attack, with a tiny encoder or trigger where it needs one."""
    torch.manual_seed(1)
    array = np.sign(np.random.default_rng(2).standard_normal((32, 32, 3))).astype(np.float32) * 16 / 255
    needs = {
        "issba": {"encoder": Encoder(bits=8, width=8).eval()},
        "narcissus": {"trigger_array": array, "scale": "zero_to_one"},
    }

    def make(name: str, **params: object) -> Attack:
        return make_attack(name, **(needs.get(name, {}) | params))

    return make


@pytest.fixture(scope="session")
def pictures() -> Callable[..., ImageSet]:
    return _pictures


@pytest.fixture
def data() -> ImageSet:
    return _pictures(200)
