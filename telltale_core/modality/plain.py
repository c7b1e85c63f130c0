"""How samples are trained on and shown of which a modality says nothing: packed values as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from telltale_core.modality.drop_protocols import PackedDrop
from telltale_core.modality.parts import Viewer

if TYPE_CHECKING:
    import torch


class PlainFront:
    """Gives packed values as float32, as they are."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:  # noqa: ARG002
        """Return the batch."""
        return packed_B.float()


class PlainViewer(Viewer):
    """Shows the first packed values of a sample as numbers."""

    def __init__(self, drop: PackedDrop) -> None:
        self._drop = drop

    def fragment(self, row: int, px: int) -> Markup:
        """Return the numbers, as many as fit ``px`` pixels."""
        return self.packed(np.asarray(self._drop.inputs[row]), px)

    def packed(self, sample: NDArray[Any], px: int) -> Markup:
        """See :meth:`Viewer.packed`."""
        values = sample.ravel()
        numbers = ", ".join(f"{value:.3g}" for value in values[: max(1, px // 6)].tolist())
        return Markup("<code>{}{}</code>").format(numbers, ", ..." if len(values) > px // 6 else "")
