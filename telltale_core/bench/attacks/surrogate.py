"""What surrogate-based attacks share: a model is any torch module that takes images in [0, 1] and returns logits.

The module gets float32 (N, 3, H, W) in [0, 1], so normalisation belongs inside it, and returns (N, K).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from telltale_core.attacks.contract import Images
from telltale_core.attacks.pattern import Floats


def as_batch(images: Images, device: torch.device) -> torch.Tensor:
    """Return images as float32 (N, 3, H, W) in [0, 1] on ``device``."""
    return torch.from_numpy(images.astype(np.float32)).permute(0, 3, 1, 2).to(device) / 255


def as_pixels(batch: torch.Tensor) -> Floats:
    """Return a float tensor (N, 3, H, W) of the 0..1 scale as (N, H, W, 3) float32 of the 0..255 scale."""
    return (batch.detach() * 255).permute(0, 2, 3, 1).cpu().numpy().astype(np.float32)


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the model's parameters, the CPU if it has none."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


@contextmanager
def frozen(model: nn.Module) -> Iterator[nn.Module]:
    """Hold a model in evaluation mode with no parameter gradients, and put it back as it was."""
    training = [(module, module.training) for module in model.modules()]
    gradient_flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.eval().requires_grad_(requires_grad=False)
        yield model
    finally:
        for module, was in training:
            module.training = was
        for parameter, was in gradient_flags:
            parameter.requires_grad_(was)
