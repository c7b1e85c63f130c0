"""The parts of a modality as the stages use them: what reads a sample, what feeds it to a net, what shows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from telltale_core.digest import canonical_json
from telltale_core.modality.information_loss import Loss
from telltale_core.modality.layout_spec import Packing
from telltale_core.modality.viewing import Focus, Shown

if TYPE_CHECKING:
    import torch
    from torch import nn

    Builder = Callable[[tuple[int, ...], int], tuple[nn.Module, int]]

Media = bytes | np.ndarray | list[Any] | str | float | dict[str, Any]
"""A sample as its row holds it: the bytes of a file, inline values, a text, or several columns by name."""
Sketch = Callable[[NDArray[Any]], NDArray[np.uint8]]
"""Gives the 256-bit sketches (B, 32) of packed samples (B, ...)."""


class Decoder(ABC):
    """Reads untrusted media. It may learn from what it probes; ``decode`` depends on media and packing alone."""

    def session(self) -> AbstractContextManager[None]:
        """Return the context in which the decoder is used."""
        return nullcontext()

    @abstractmethod
    def probe(self, media: Media) -> Hashable:
        """Return what the header says, within the limits, without decoding; raises :class:`BadInput`."""

    @abstractmethod
    def plan(self, probes: Counter[Any]) -> Packing:
        """Return how samples are packed, given how often each probe occurred."""

    @abstractmethod
    def decode(self, media: Media, packing: Packing) -> NDArray[Any]:
        """Return one sample in the packing's shape and dtype; raises :class:`BadInput`."""

    def examined(self, media: Media, packing: Packing) -> tuple[NDArray[Any], Loss]:
        """Return what :meth:`decode` does, and what of the sample it does not hold."""
        return self.decode(media, packing), Loss.NONE

    def portable(self, media: Media, sample: NDArray[Any]) -> bytes:  # noqa: ARG002
        """Return values that stand in the row as bytes: a media file that other tools read, or a text of them."""
        return media.encode() if isinstance(media, str) else canonical_json(np.asarray(media).tolist())


class Front(Protocol):
    """Turns packed samples on the device into the net's input.

    ``shape`` is what builders of nets are told of one input: images (H, W, C), spectrograms (mels, frames, 1), ids
    (length, size of the vocabulary), features (D,).
    """

    shape: tuple[int, ...]

    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return the input of a batch. ``chance_B``, uniform in [0, 1), is given while an augmenting proxy trains."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A front that keeps something else on the device than the packed samples, made of them once."""

    def prepare(self, inputs_N: NDArray[Any]) -> NDArray[Any]:
        """Return what is kept of packed samples (N, ...), as many rows; a batch of these rows is what it is given."""
        ...


class Viewer(ABC):
    """Shows samples on the report's page; ``wide`` where a sample needs the page's width, as text does."""

    wide: bool = False

    @abstractmethod
    def fragment(self, row: int, px: int) -> Markup:
        """Return one sample as safe markup, pictures at most ``px`` on a side. The data are an attacker's."""

    @abstractmethod
    def packed(self, sample: NDArray[Any], px: int) -> Markup:
        """Return a packed sample that is not of the drop, such as one that carries a trigger, as safe markup."""

    def shared(self, focus: Focus) -> list[Shown]:  # noqa: ARG002
        """Return what the suspected samples of a label have in common that its kept ones have not, as hints."""
        return []
