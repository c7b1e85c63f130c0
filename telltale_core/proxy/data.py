"""Training data resident on the device."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core.modality.parts import Front, Preparing


class Resident:
    """All packed inputs on the device as they lie on disk; the modality's front makes a net's input of a batch.

    On the CPU a memory-mapped drop is used where it lies: several processes share its pages.
    """

    def __init__(self, inputs: NDArray[Any], front: Front, device: str) -> None:
        self.front = front
        prepared = front.prepare(inputs) if isinstance(front, Preparing) else inputs
        self.inputs = torch.from_numpy(_writable(prepared)).to(device)

    def __len__(self) -> int:
        return len(self.inputs)

    def rows(self, index: torch.Tensor | slice, chance_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return a batch as the net takes it; ``chance_B``, uniform in [0, 1), for the front's augmentation."""
        return self.front(self.inputs[index], chance_B)


def _writable(inputs: NDArray[Any]) -> NDArray[Any]:
    """Return the inputs as an array that torch accepts without a copy of a memory map (its pages: copy on write)."""
    whole_map = isinstance(inputs, np.memmap) and isinstance(inputs.base, mmap.mmap)  # a slice's base is a memmap
    if isinstance(inputs, np.memmap) and whole_map and inputs.filename is not None and inputs.flags.c_contiguous:
        whole = np.memmap(inputs.filename, inputs.dtype, mode="c", offset=inputs.offset, shape=inputs.shape)
        return np.asarray(whole)
    return np.require(inputs, requirements=["C", "W"])
