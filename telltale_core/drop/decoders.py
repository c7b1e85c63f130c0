"""The door for modalities: one small class each, found by the name of its modality.

A decoder looks at every sample's header (``probe``), decides from all of them how samples are packed (``plan``), and
then decodes each kept sample once into that shape (``decode``). All three see untrusted bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from telltale_core.drop.config import DropConfig
from telltale_core.drop.image import ImageDecoder
from telltale_core.drop.packing import Packing
from telltale_core.drop.readers.base import Media
from telltale_core.drop.reasons import bad, shown


class Decoder(Protocol):
    """Reads one modality."""

    modality: str

    def session(self) -> AbstractContextManager[None]:
        """Return the context in which the decoder is used."""
        ...

    def probe(self, media: Media) -> Hashable:
        """Return what the header says, within the limits, without decoding; raises :class:`BadInput`."""
        ...

    def plan(self, probes: Counter[Any]) -> Packing:
        """Return how samples are packed, given how often each probe occurred."""
        ...

    def decode(self, media: Media, packing: Packing) -> np.ndarray:
        """Return one sample in the packing's shape and dtype; raises :class:`BadInput`."""
        ...

    def portable(self, media: Media, sample: np.ndarray) -> bytes:
        """Return inline values as a media file that other tools read."""
        ...


DECODERS: dict[str, Callable[[DropConfig], Decoder]] = {"image": ImageDecoder}


def decoder_for(modality: str, config: DropConfig) -> Decoder:
    """Return the decoder of a modality; ``modality_not_supported`` names those that this version reads."""
    if modality not in DECODERS:
        known = ", ".join(sorted(DECODERS))
        raise bad("modality_not_supported", f"the drop's modality is {shown(modality)}; this version reads: {known}")
    return DECODERS[modality](config)
