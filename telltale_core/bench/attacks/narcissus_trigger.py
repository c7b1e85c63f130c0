"""Making a Narcissus trigger: the faint pattern that a surrogate takes for the target class most of all.

Source: Zeng et al., CCS 2023, arXiv 2204.05255, steps 3 and 4 of section 4 (RAdam at 0.01, 1000 rounds, l_inf 16/255).
Departs: the surrogate is given, trained by the caller (the paper trains one on other data and warms it up on the target
class). It stays in evaluation mode and unchanged.
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.pattern import Floats
from telltale_core.bench.attacks.surrogate import as_batch, device_of, frozen
from telltale_core.errors import ConfigError

log = logging.getLogger(__name__)


def optimise_trigger(
    surrogate: nn.Module,
    target_images: Images,
    target: int,
    *,
    epsilon: float = 16 / 255,
    rounds: int = 1000,
    learning_rate: float = 0.01,
    batch: int = 350,
    seed: int = 0,
) -> Floats:
    """Return a trigger (H, W, 3) float32 for images in [0, 1], ``|trigger| <= epsilon``.

    Use it as ``Narcissus(trigger_array=trigger, scale="zero_to_one")``. ``target_images`` (N, H, W, 3) uint8 are images
    of the target class; a round goes once over all of them in batches. ``surrogate`` as in
    :mod:`telltale_core.bench.attacks.surrogate`.
    """
    within("epsilon", epsilon, 1 / 255, 1)
    within("rounds", rounds, 1, 100_000)
    within("learning_rate", learning_rate, 1e-6, 10)
    within("batch", batch, 1, 1_000_000)
    if not len(target_images):
        raise ConfigError("a trigger is optimised on images of the target class, got none")
    rng = np.random.default_rng(seed)
    with frozen(surrogate):
        images = as_batch(target_images, device_of(surrogate))
        delta = torch.zeros_like(images[:1], requires_grad=True)
        optimiser = torch.optim.RAdam([delta], lr=learning_rate)
        target_labels = torch.full((len(images),), target, device=images.device)
        for _ in range(rounds):
            for rows in np.array_split(rng.permutation(len(images)), -(-len(images) // batch)):
                logits = surrogate((images[torch.from_numpy(rows)] + delta).clamp(0, 1))
                loss = cross_entropy(logits, target_labels[: len(rows)])
                (delta.grad,) = torch.autograd.grad(loss, delta)
                optimiser.step()
                with torch.no_grad():
                    delta.clamp_(-epsilon, epsilon)
    log.info("trigger optimised on %d images, cross-entropy of the last batch %.4f", len(images), float(loss.detach()))
    return np.ascontiguousarray(delta.detach()[0].permute(1, 2, 0).cpu().numpy())
