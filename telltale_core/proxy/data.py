"""Training data on the device: packed inputs, and sets of labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core.label_sets import LabelSets
from telltale_core.modality.parts import Front, Preparing
from telltale_core.proxy.hardware import available_bytes

PART = 4096  # rows of a memory map that are copied at a time


class Resident:
    """Packed inputs as they lie on disk; the modality's front makes a net's input of a batch.

    They are held on the device, unless :func:`streams` says no: then each batch is gathered from where they lie, and is
    the same. Of a memory-mapped drop the CPU's pages are the system's: several processes share those that fit.
    """

    def __init__(self, inputs: NDArray[Any], front: Front, device: str, limit_bytes: int | None = None) -> None:
        self.front, self._device, self._count = front, device, len(inputs)
        self._prepare: Callable[[NDArray[Any]], NDArray[Any]] = (
            front.prepare if isinstance(front, Preparing) else lambda rows: rows
        )
        self._file: NDArray[Any] | None = None
        if streams(inputs, front, device, limit_bytes):
            self._file = np.asarray(inputs)
        else:
            self._held = _on_device(self._prepare(inputs), device)

    def __len__(self) -> int:
        return self._count

    def rows(self, index: torch.Tensor | slice, chance_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return a batch as the net takes it; ``chance_B``, uniform in [0, 1), for the front's augmentation."""
        return self.front(self.packed(index), chance_B)

    def packed(self, index: torch.Tensor | slice) -> torch.Tensor:
        """Return packed inputs on the device, as the front takes them; of a file read in the order of its rows."""
        file = self._file
        if file is None:
            return self._held[index]
        if isinstance(index, slice):
            part = np.array(file[index])
        else:
            rows = index.cpu().numpy()
            order = np.argsort(rows, kind="stable")
            part = np.empty((len(rows), *file.shape[1:]), dtype=file.dtype)
            part[order] = file[rows[order]]
        return _on_device(self._prepare(part), self._device)


def streams(inputs: NDArray[Any], front: Front, device: str, limit_bytes: int | None = None) -> bool:
    """Return whether inputs are gathered by the batch: a CPU's from a memory map, and what takes half of the memory.

    ``limit_bytes``: the memory of the device that may be used; None: what is free.
    """
    if torch.device(device).type == "cpu" and not isinstance(front, Preparing):
        return isinstance(inputs, np.memmap)
    limit = limit_bytes or available_bytes(device)
    return limit is not None and held_bytes(inputs, front) > limit // 2


def held_bytes(inputs: NDArray[Any], front: Front) -> int:
    """Return what inputs take where they are held on the device; of a front's own form twice, while it is moved."""
    if not isinstance(front, Preparing):
        return inputs.nbytes
    return 2 * len(inputs) * front.prepare(np.zeros_like(inputs[:1])).nbytes


def _on_device(inputs: NDArray[Any], device: str) -> torch.Tensor:
    """Return inputs on the device; a memory map goes there part by part, so that the host holds no copy of it."""
    if not isinstance(inputs, np.memmap):
        return torch.from_numpy(np.require(inputs, requirements=["C", "W"])).to(device)
    kind = torch.from_numpy(np.empty(0, dtype=inputs.dtype)).dtype
    held = torch.empty(inputs.shape, dtype=kind, device=device)
    for start in range(0, len(inputs), PART):
        held[start : start + PART] = torch.from_numpy(np.array(inputs[start : start + PART]))
    return held


class Flags:
    """Sets of labels on the device, a bit a label, which are indexed as flags (N, K) float32 are."""

    def __init__(self, sets: LabelSets, device: str) -> None:
        self._bits, self._labels = torch.from_numpy(np.array(sets.bits)).to(device), sets.num_labels
        self._shift = torch.arange(7, -1, -1, device=device)

    def __getitem__(self, index: torch.Tensor | slice) -> torch.Tensor:
        """Return the flags of some samples, (B, K) float32, 0 and 1."""
        bit_nB8 = self._bits[index].unsqueeze(-1).bitwise_right_shift(self._shift).bitwise_and(1)
        return bit_nB8.flatten(1)[:, : self._labels].float()
