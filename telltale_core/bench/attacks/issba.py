"""ISSBA: a faint residual by a trained encoder, different on each image, hiding one secret; label set to the target.

Source: Li, Li, Wu, Li, He, Lyu, "Invisible Backdoor Attack with Sample-Specific Triggers", ICCV 2021, arXiv 2012.03816.
Departs: the encoder is smaller and its residual bounded, see :mod:`telltale_core.bench.attacks.issba_encoder`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from telltale_core.attacks.contract import Images
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import to_uint8
from telltale_core.attacks.stamp import StampAttack
from telltale_core.bench.attacks.issba_encoder import Encoder, load_encoder
from telltale_core.bench.attacks.surrogate import as_batch, as_pixels, device_of, frozen
from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ISSBA(StampAttack):
    """``image + encoder(image, secret)``, clipped; the secret's bits are drawn from ``secret_seed``.

    Give a trained ``encoder`` or the ``encoder_file`` that ``save_encoder`` wrote.
    """

    name = "issba"
    source = "Li et al., ISSBA, ICCV 2021, arXiv 2012.03816"
    label_rule = "dirty"

    encoder: Encoder | None = None
    encoder_file: Path | None = None
    secret_seed: int = 5

    def __post_init__(self) -> None:
        if (self.encoder is None) == (self.encoder_file is None):
            raise ConfigError("issba needs a trained encoder: give encoder (train_encoder) or encoder_file, not both")
        if self.encoder_file is not None:
            object.__setattr__(self, "encoder", load_encoder(Path(self.encoder_file)))

    def stamp(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images, each with its own residual."""
        assert self.encoder is not None  # noqa: S101
        bits = np.random.default_rng(self.secret_seed).integers(0, 2, self.encoder.bits).astype(np.float32) * 2 - 1
        device = device_of(self.encoder)
        with frozen(self.encoder), torch.no_grad():
            secrets = torch.from_numpy(bits).to(device).expand(len(images), -1)
            residual = as_pixels(self.encoder(as_batch(images, device), secrets))
        return to_uint8(images + residual)
