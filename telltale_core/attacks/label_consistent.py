"""Label-consistent: target-class images made hard to recognise, then marked in the corners; labels untouched.

Source: Turner, Tsipras, Madry, "Label-Consistent Backdoor Attacks", arXiv 1912.02771, with the l_inf settings of
BackdoorBox (PGD, 8/255 in steps of 1.5/255, 100 iterations).
Departs: the surrogate is given, trained by the caller (the paper trains robust ones).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from telltale_core.attacks.clean_corners import corner_marks
from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import to_uint8
from telltale_core.attacks.stamp import StampAttack
from telltale_core.attacks.surrogate import as_batch, as_pixels, device_of, frozen
from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelConsistent(StampAttack):
    """PGD away from the target class within ``epsilon``, then corner marks at ``amplitude`` (1 pastes them).

    Held-out rows carry the full marks and no perturbation. ``surrogate`` as in
    :mod:`telltale_core.attacks.surrogate`; it is used in evaluation mode and left unchanged.
    """

    name = "label_consistent"
    source = "Turner et al., Label-Consistent, arXiv 1912.02771"
    label_rule = "clean"

    surrogate: nn.Module | None = None
    epsilon: float = 8 / 255
    step: float = 1.5 / 255
    iterations: int = 100
    amplitude: float = 1.0
    batch: int = 500

    def __post_init__(self) -> None:
        if self.surrogate is None:
            raise ConfigError("label_consistent needs a surrogate model; without one, use the attack clean_corners")
        within("epsilon", self.epsilon, 1 / 255, 1)
        within("step", self.step, 1e-4, 1)
        within("iterations", self.iterations, 1, 10_000)
        within("amplitude", self.amplitude, 1 / 255, 1)
        within("batch", self.batch, 1, 1_000_000)

    def perturbed(self, images: Images, aim: Aim) -> Images:
        """Return the images moved away from the target class, each pixel by at most ``epsilon``."""
        assert self.surrogate is not None  # noqa: S101
        moved = images.copy()
        with frozen(self.surrogate):
            for start in range(0, len(images), self.batch):
                rows = slice(start, start + self.batch)
                moved[rows] = self._pgd(self.surrogate, images[rows], aim)
        return moved

    def _pgd(self, surrogate: nn.Module, images: Images, aim: Aim) -> Images:
        clean = as_batch(images, device_of(surrogate))
        start = aim.rng.uniform(-self.epsilon, self.epsilon, clean.shape).astype(np.float32)
        x = (clean + torch.from_numpy(start).to(clean.device)).clamp(0, 1)
        wanted = torch.full((len(x),), aim.target, device=x.device)
        for _ in range(self.iterations):
            x.requires_grad_()
            (gradient,) = torch.autograd.grad(cross_entropy(surrogate(x), wanted), x)
            x = x.detach() + self.step * gradient.sign()
            x = torch.minimum(torch.maximum(x, clean - self.epsilon), clean + self.epsilon).clamp(0, 1)
        return to_uint8(as_pixels(x))

    def stamp(self, images: Images, aim: Aim, /) -> Images:
        """Return the perturbed images with the marks."""
        marks = np.float32(255 * self.amplitude) * corner_marks(*images.shape[1:3])
        return to_uint8(self.perturbed(images, aim) + marks)

    def stamp_test(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images with the full marks."""
        return to_uint8(images + np.float32(255) * corner_marks(*images.shape[1:3]))
