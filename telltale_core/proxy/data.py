"""Training data resident on the device, and what is to be learned from it. Legend: N samples, B batch."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from telltale_core.errors import BadInput
from telltale_core.losslog.values import log_cross_entropy, log_squared_error
from telltale_core.modality.contract import Front


class TrainingSet(Protocol):
    """What training needs of a drop; :class:`telltale_core.drop.Drop` is one."""

    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def modality(self) -> str: ...  # noqa: D102
    @property
    def task(self) -> str: ...  # noqa: D102
    @property
    def num_classes(self) -> int | None: ...  # noqa: D102
    @property
    def sample_ids(self) -> NDArray[np.str_]: ...  # noqa: D102
    @property
    def labels(self) -> NDArray[np.int64] | None: ...  # noqa: D102
    @property
    def targets(self) -> NDArray[np.float64] | None: ...  # noqa: D102
    @property
    def inputs(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def packing(self) -> dict[str, Any]: ...  # noqa: D102


class Resident:
    """All packed inputs on the device as they lie on disk; the modality's front makes a net's input of a batch.

    On the CPU a memory-mapped drop is used where it lies: several processes share its pages.
    """

    def __init__(self, inputs: NDArray[Any], front: Front, device: str) -> None:
        self.front = front
        self.inputs = torch.from_numpy(_writable(inputs)).to(device)

    def __len__(self) -> int:
        return len(self.inputs)

    def rows(self, index: torch.Tensor | slice, chance_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return a batch as the net takes it; ``chance_B``, uniform in [0, 1), for the front's augmentation."""
        return self.front(self.inputs[index], chance_B)


class PlainFront:
    """Gives packed values as float32, as they are."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:  # noqa: ARG002
        """Return the batch."""
        return packed_B.float()


def _writable(inputs: NDArray[Any]) -> NDArray[Any]:
    """Return the inputs as an array that torch accepts without a copy of a memory map (its pages: copy on write)."""
    whole_map = isinstance(inputs, np.memmap) and isinstance(inputs.base, mmap.mmap)  # a slice's base is a memmap
    if isinstance(inputs, np.memmap) and whole_map and inputs.filename is not None and inputs.flags.c_contiguous:
        whole = np.memmap(inputs.filename, inputs.dtype, mode="c", offset=inputs.offset, shape=inputs.shape)
        return np.asarray(whole)
    return np.require(inputs, requirements=["C", "W"])


class Objective:
    """What a task learns: its outputs, training loss, logged loss and score. Classification, or scaled regression."""

    def __init__(self, task: str, answer_N: NDArray[Any], num_classes: int | None, device: str) -> None:
        self.regression = task == "regression"
        if self.regression:
            spread = float(answer_N.std())
            self.outputs = 1
            answer = (answer_N - answer_N.mean()) / (spread if spread > 0 else 1.0)
            self.answer = torch.from_numpy(answer.astype(np.float32)).to(device)
            return
        self.outputs = int(num_classes or 0)
        if self.outputs < 2:
            raise BadInput(
                "one_class", f"a classification drop needs at least 2 classes to train on, got {num_classes}"
            )
        if len(answer_N) and not 0 <= answer_N.min() <= answer_N.max() < self.outputs:
            raise BadInput("label_out_of_range", f"labels must be in 0..{self.outputs - 1}, got up to {answer_N.max()}")
        self.answer = torch.from_numpy(np.array(answer_N, dtype=np.int64)).to(device)

    def loss(self, output_BK: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Return the mean training loss of a batch."""
        if self.regression:
            return functional.mse_loss(output_BK[:, 0], self.answer[index])
        return functional.cross_entropy(output_BK, self.answer[index])

    def log_loss(self, output_NK: torch.Tensor) -> torch.Tensor:
        """Return the natural log of every sample's loss, (N,) float64."""
        if self.regression:
            return log_squared_error(output_NK[:, 0], self.answer)
        return log_cross_entropy(output_NK, self.answer)

    def score(self, output_NK: torch.Tensor) -> float:
        """Return the accuracy in [0, 1], or R squared for regression (targets are scaled: one minus the error)."""
        if self.regression:
            return float(1.0 - (output_NK[:, 0] - self.answer).square().mean())
        return float((output_NK.argmax(1) == self.answer).double().mean())
