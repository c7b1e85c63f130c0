"""Texts with labels, as attacks on text take them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from telltale_core.attacks.contract import Samples
from telltale_core.errors import BadInput

Position = Literal["random", "start", "middle", "end"]
POSITIONS = ("random", "start", "middle", "end")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TextSet(Samples):
    """Texts: ``texts`` (N,) objects, each a ``str``, with labels or targets as :class:`Samples` states them."""

    modality = "text"

    texts: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    num_classes: int | None
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.texts.dtype != object or self.texts.ndim != 1 or not all(isinstance(text, str) for text in self.texts):
            actual = f"{self.texts.dtype} {self.texts.shape}"
            raise BadInput("bad_texts", f"texts must be objects of shape (N,), all of them str, got {actual}")
        self.check_labels()

    @property
    def inputs(self) -> npt.NDArray[Any]:
        """The texts."""
        return self.texts

    def with_rows(self, inputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Self:
        """See :meth:`Samples.with_rows`."""
        return dataclasses.replace(self, texts=inputs, labels=labels)


def inserted(text: str, piece: str, position: Position, rng: np.random.Generator) -> str:
    """Return the text with a piece between two of its words, or before or after all of them; blanks stay as they are.

    "random" draws one of all these places, "middle" is the one after the first half of the words.
    """
    words = text.split(" ")
    places = {"start": 0, "middle": len(words) // 2, "end": len(words)}
    place = int(rng.integers(len(words) + 1)) if position == "random" else places[position]
    return " ".join([*words[:place], piece, *words[place:]])
