"""Narcissus: an optimised faint pattern on a few images of the target class, labels untouched.

Source: Zeng, Pan, Just, Lyu, Qiu, Jia, "Narcissus: A Practical Clean-Label Backdoor Attack with Limited Information",
CCS 2023, arXiv 2204.05255.
Departs: nothing in how the trigger is used; how it is made here is told in
:mod:`telltale_core.bench.attacks.narcissus_trigger`. Whether a trigger works is a property of the array, so measure the
attack success rate with every new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import interpolate

from telltale_core.attacks.contract import Images, one_of, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import Floats, to_uint8
from telltale_core.attacks.stamp import StampAttack
from telltale_core.errors import ConfigError

Scale = Literal["minus_one_to_one", "zero_to_one"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Narcissus(StampAttack):
    """Adds a trigger array to training images, ``test_scale`` times the array to held-out ones, and clips.

    Give either ``trigger_file`` (.npy) or ``trigger_array``, of shape (1, 3, H, W), (3, H, W) or (H, W, 3); ``scale``
    is the scale of the images it was made for ("minus_one_to_one" as published: +-32/255 there is +-16 grey levels).
    An array of another size than the images is resized bilinearly. Nothing above ``epsilon`` (of 1) is accepted.
    """

    name = "narcissus"
    source = "Zeng et al., Narcissus, CCS 2023, arXiv 2204.05255"
    label_rule = "clean"

    trigger_file: Path | None = None
    trigger_array: Floats | None = None
    scale: Scale = "minus_one_to_one"
    epsilon: float = 16 / 255
    test_scale: float = 3.0

    def __post_init__(self) -> None:
        if (self.trigger_file is None) == (self.trigger_array is None):
            raise ConfigError("narcissus needs a trigger: give trigger_file (.npy) or trigger_array, not both")
        one_of("scale", self.scale, ("minus_one_to_one", "zero_to_one"))
        within("epsilon", self.epsilon, 1 / 255, 1)
        within("test_scale", self.test_scale, 0.1, 10)
        array = self.trigger_array if self.trigger_file is None else _read(Path(self.trigger_file))
        object.__setattr__(self, "trigger_array", _channels_last(array))  # what the file held is part of describe()
        peak = float(np.abs(self.pixels()).max())
        if peak > self.epsilon * 255 + 0.01:
            raise ConfigError(f"the trigger reaches {peak:.1f} grey levels, epsilon allows {self.epsilon * 255:.1f}")

    def pixels(self) -> Floats:
        """Return what is added, (H, W, 3) float32 in grey levels of 255, at the array's own size."""
        assert self.trigger_array is not None  # noqa: S101
        return self.trigger_array * np.float32(127.5 if self.scale == "minus_one_to_one" else 255)

    def fitted(self, height: int, width: int) -> Floats:
        """Return :meth:`pixels` at the size of the images."""
        pixels = self.pixels()
        if pixels.shape[:2] == (height, width):
            return pixels
        whole = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        resized = interpolate(whole, size=(height, width), mode="bilinear", align_corners=False)[0]
        return resized.permute(1, 2, 0).numpy()

    def stamp(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images with the trigger added once."""
        return to_uint8(images + self.fitted(*images.shape[1:3]))

    def stamp_test(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images with the trigger added ``test_scale`` times."""
        return to_uint8(images + np.float32(self.test_scale) * self.fitted(*images.shape[1:3]))


def _read(path: Path) -> Floats:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"trigger_file {path.name} cannot be read as a .npy array: {error}") from error
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.number):
        raise ConfigError(f"trigger_file {path.name} must hold one array of numbers")
    return array


def _channels_last(array: Floats | None) -> Floats:
    assert array is not None  # noqa: S101
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim != 3 or 3 not in (array.shape[0], array.shape[2]) or not np.isfinite(array).all():
        raise ConfigError(f"a trigger must be finite and of shape (3, H, W) or (H, W, 3), got {array.shape}")
    last = array if array.shape[2] == 3 else array.transpose(1, 2, 0)
    return np.ascontiguousarray(last, dtype=np.float32)
