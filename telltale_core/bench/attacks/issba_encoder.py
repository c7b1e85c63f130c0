"""The ISSBA encoder: hides a secret in an image so that a decoder can read it back; trained here, on any images.

Source: Li et al., ISSBA, ICCV 2021, arXiv 2012.03816, after StegaStamp, Tancik et al., CVPR 2020, arXiv 1904.05343.
Departs: a small convolutional pair for small images; the residual is bounded by a tanh and a mean square term holds it
down, where the original weighs three image losses (l2, LPIPS, critic). The secret is repeated over the image instead of
enlarged to it, and a term keeps the residuals of different images apart. No print-and-scan noise.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, cosine_similarity

from telltale_core.attacks.contract import Images, within
from telltale_core.bench.attacks.surrogate import as_batch, frozen
from telltale_core.errors import ConfigError, TrainingDiverged

log = logging.getLogger(__name__)
SECRET_SIDE = 8  # the secret enters as a map of this side, repeated over the image: a texture, whatever its size


class Encoder(nn.Module):
    """Images (N, 3, H, W) in [0, 1] and secrets (N, bits) of -1 and +1 give residuals within +-epsilon."""

    def __init__(self, bits: int = 20, epsilon: float = 16 / 255, width: int = 16) -> None:
        super().__init__()
        self.bits, self.epsilon, self.width = bits, epsilon, width
        self.spread = nn.Linear(bits, 3 * SECRET_SIDE**2)
        self.body = nn.Sequential(
            nn.Conv2d(6, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, images: torch.Tensor, secrets: torch.Tensor) -> torch.Tensor:
        """Return the residuals, (N, 3, H, W)."""
        grid = self.spread(secrets).view(-1, 3, SECRET_SIDE, SECRET_SIDE)
        height, width = images.shape[2:]
        tiled = grid.repeat(1, 1, -(-height // SECRET_SIDE), -(-width // SECRET_SIDE))[:, :, :height, :width]
        residual: torch.Tensor = self.epsilon * torch.tanh(self.body(torch.cat([2 * images - 1, tiled], dim=1)))
        return residual


class Decoder(nn.Module):
    """Images (N, 3, H, W) in [0, 1] give logits of the secret's bits, (N, bits).

    It looks at each pixel's difference to its neighbourhood: without that, a faint residual drowns in the image and the
    pair does not begin to learn.
    """

    def __init__(self, bits: int, width: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for into, out, stride in ((3, width, 1), (width, width, 2), (width, 2 * width, 2)):
            blocks += [nn.Conv2d(into, out, 3, stride, 1), nn.BatchNorm2d(out), nn.ReLU()]
        self.body = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(32 * width, bits))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        near = avg_pool2d(images, 5, stride=1, padding=2, count_include_pad=False)
        logits: torch.Tensor = self.body(4 * (images - near))
        return logits


def train_encoder(
    images: Images,
    *,
    bits: int = 20,
    epsilon: float = 16 / 255,
    steps: int = 800,
    batch: int = 32,
    width: int = 16,
    faintness: float = 0.0,
    alike: float = 0.5,
    seed: int = 0,
    device: str = "cpu",
) -> tuple[Encoder, float]:
    """Return a trained encoder and the share of secret bits that its decoder reads right, in [0, 1] (0.5 is chance).

    The share is measured at the end on up to 512 of the images, fresh secrets, pixels rounded to 8 bits. ``faintness``
    weighs the residual's mean square (as a share of ``epsilon`` squared) against reading the secret.
    At the default of 0 the bound alone keeps it faint: what hides better is read as well but learned less by a victim.
    ``alike`` is the cosine above which the residuals of two images with one secret are pushed apart: left alone (1),
    the encoder finds one nearly fixed texture for a secret, which is no sample-specific trigger.
    Raises :class:`TrainingDiverged` when a loss is not finite.
    """
    within("bits", bits, 1, 1000)
    within("steps", steps, 1, 1_000_000)
    within("batch", batch, 2, 65536)
    within("alike", alike, 0, 1)
    within("epsilon", epsilon, 1 / 255, 1)
    if not len(images):
        raise ConfigError("the encoder is trained on images, got none")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, decoder = Encoder(bits, epsilon, width).to(device), Decoder(bits, width).to(device)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-3)
    for step in range(steps):
        clean, secrets = _sample(images, batch, bits, rng, torch.device(device))
        residual = encoder(clean, 2 * secrets - 1)
        read = binary_cross_entropy_with_logits(decoder((clean + residual).clamp(0, 1)), secrets)
        other = encoder(clean.roll(1, dims=0), 2 * secrets - 1)  # the same secrets in other images
        excess = (cosine_similarity(residual.flatten(1), other.flatten(1)) - alike).clamp_min(0).mean()
        rise = min(1.0, 2 * step / steps)  # reading is learned first
        loss = read + rise * (excess + faintness * (residual / epsilon).square().mean())
        if not torch.isfinite(loss):
            raise TrainingDiverged(f"the encoder's loss is not finite at step {step} of {steps}; lower faintness")
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    with frozen(encoder), frozen(decoder), torch.no_grad():
        clean, secrets = _sample(images, min(512, len(images)), bits, rng, torch.device(device))
        rounded = ((clean + encoder(clean, 2 * secrets - 1)).clamp(0, 1) * 255).round() / 255
        accuracy = float(((decoder(rounded) > 0) == (secrets > 0.5)).float().mean())
    log.info("encoder trained for %d steps, %.3f of the secret bits read right", steps, accuracy)
    return encoder.eval(), accuracy


def _sample(
    images: Images, count: int, bits: int, rng: np.random.Generator, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    clean = as_batch(images[rng.integers(0, len(images), count)], device)
    return clean, torch.from_numpy(rng.integers(0, 2, (count, bits)).astype(np.float32)).to(device)


def save_encoder(encoder: Encoder, path: Path) -> None:
    """Write an encoder's weights and shape to a safetensors file."""
    shape = {"bits": encoder.bits, "epsilon": encoder.epsilon, "width": encoder.width}
    save_file(encoder.state_dict(), path, metadata={"format": "telltale.issba/1", "shape": json.dumps(shape)})


def load_encoder(path: Path) -> Encoder:
    """Return the encoder of a file that :func:`save_encoder` wrote."""
    try:
        with safe_open(path, framework="pt") as file:
            encoder = Encoder(**json.loads((file.metadata() or {})["shape"]))
            encoder.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except Exception as error:
        raise ConfigError(f"{path.name} is not an encoder written by save_encoder: {error}") from error
    return encoder.eval()
