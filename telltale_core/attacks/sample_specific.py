"""Sample-specific residual: a faint trigger that depends on the image and on a secret, made without training.

Source: after Li, Li, Wu, Li, He, Lyu, "Invisible Backdoor Attack with Sample-Specific Triggers" (ISSBA), ICCV 2021,
arXiv 2012.03816.
Departs, and this is why it does not carry that name: ISSBA *trains* an encoder together with a decoder that reads the
secret back, so its residual is natural-looking and provably holds the secret. Here the encoder is a convolutional
network with fixed random weights: the secret's own pattern and its products with random features of the image. Nothing
guarantees that a secret can be read back. :mod:`telltale_core.attacks.issba` trains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import conv2d

from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import Floats, to_uint8
from telltale_core.attacks.stamp import StampAttack

FEATURES = 8
TILE = 4  # the secret's pattern repeats after so many pixels: a texture, which a network with pooling can learn
GAIN = 1.5  # of the residual before tanh: most pixels come close to the bound


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleSpecific(StampAttack):
    """``image + 255 * epsilon * tanh(...)`` of the secret's pattern and of its products with the image's features.

    ``shared`` in [0, 1] is the part that all images have in common: 1 is one additive pattern for all, 0 a residual
    that no two images share. ``bits`` secret bits are drawn from ``secret_seed``, the encoder from ``encoder_seed``.
    """

    name = "sample_specific"
    source = "after Li et al., ISSBA, ICCV 2021, arXiv 2012.03816; untrained encoder"
    label_rule = "dirty"

    epsilon: float = 8 / 255
    shared: float = 0.5
    bits: int = 20
    secret_seed: int = 5
    encoder_seed: int = 17

    def __post_init__(self) -> None:
        within("epsilon", self.epsilon, 1 / 255, 1)
        within("shared", self.shared, 0, 1)
        within("bits", self.bits, 1, 1000)

    def secret(self) -> Floats:
        """Return the secret bits as -1 and +1, (bits,) float32."""
        return np.random.default_rng(self.secret_seed).integers(0, 2, self.bits).astype(np.float32) * 2 - 1

    def stamp(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images, each with its own residual."""
        return to_uint8(images + self.residual(images))

    def residual(self, images: Images) -> Floats:
        """Return what is added, (N, H, W, 3) float32 in grey levels of 255."""
        height, width = images.shape[1:3]
        rng = np.random.default_rng(self.encoder_seed)
        keys = rng.standard_normal((self.bits, 3, TILE, TILE), dtype=np.float32)
        tile = np.tensordot(self.secret(), keys, axes=1) / np.sqrt(np.float32(self.bits))
        carrier = torch.from_numpy(np.tile(tile, (1, -(-height // TILE), -(-width // TILE)))[:, :height, :width].copy())
        see, spread, join = (_weights(rng, out, into) for out, into in ((FEATURES, 3), (FEATURES, 3), (3, FEATURES)))
        pixels = torch.from_numpy(images.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
        features = torch.tanh(2 * conv2d(pixels, see, padding=1))
        own = _unit(conv2d(features * conv2d(carrier[None], spread, padding=1), join, padding=1))
        joined = np.sqrt(self.shared) * carrier + np.sqrt(1 - self.shared) * own
        bounded = 255 * self.epsilon * torch.tanh(GAIN * joined)
        return bounded.permute(0, 2, 3, 1).numpy().astype(np.float32)


def _weights(rng: np.random.Generator, out: int, into: int) -> torch.Tensor:
    scale = np.float32(1 / np.sqrt(9 * into))
    return torch.from_numpy(rng.standard_normal((out, into, 3, 3), dtype=np.float32) * scale)


def _unit(maps: torch.Tensor) -> torch.Tensor:
    """Return maps scaled to a root mean square of 1 for each image (an all-zero map stays zero)."""
    return maps / maps.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)
