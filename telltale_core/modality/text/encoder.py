"""The ids of many texts: a text is cut at its blanks, and what stands between them is looked up.

Byte-level tokenisers cut a text into words, and a blank between two letters or signs always begins one. So the ids of
a text are those of its pieces, and most pieces are in many texts.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.text.tokens import SEPARATOR, ids_of, open_tokenizer

BETWEEN = re.compile(r"(?<=\S) (?=\S)")
MOST_PIECES = 1 << 17
MOST_CHARS = 40
"""Pieces that are remembered, and the characters of the longest one: 150 MB at most, where all are emoji."""
WHOLE = 4
"""Where no more are remembered, and more than one of so many pieces is new, the text is encoded as a whole."""


class Encoder:
    """Gives the ids of texts by one tokeniser, the same as :func:`ids_of` gives."""

    def __init__(self, file: bytes) -> None:
        """Take the file of a tokeniser; raises :class:`Corrupt` for any other."""
        self.file, self.tokenizer = file, open_tokenizer(file)
        self._known: dict[str, bytes] = {"": b""}

    def ids(self, parts: Sequence[str]) -> NDArray[np.int32]:
        """Return the ids (L,) of a sample's texts, a separator between them."""
        return np.frombuffer(_SEPARATOR.join(map(self._of, parts)), dtype=np.int32)

    def _of(self, text: str) -> bytes:
        pieces = pieces_of(text)
        try:
            return b"".join(map(self._known.__getitem__, pieces))
        except KeyError:
            return self._learnt(text, pieces)

    def _learnt(self, text: str, pieces: Sequence[str]) -> bytes:
        """Return the ids of a text that holds new pieces, and remember these while there is room."""
        new = set(pieces).difference(self._known)
        room = MOST_PIECES - len(self._known)
        if WHOLE * len(new) > len(pieces) and room < len(new):
            return self._encoded(text)
        encoded = {piece: self._encoded(piece) for piece in new}
        if room >= len(new):
            self._known.update((piece, ids) for piece, ids in encoded.items() if len(piece) <= MOST_CHARS)
        return b"".join([encoded[piece] if piece in encoded else self._known[piece] for piece in pieces])

    def _encoded(self, text: str) -> bytes:
        return array("i", ids_of(self.tokenizer, (text,))).tobytes()


_SEPARATOR = array("i", [SEPARATOR]).tobytes()


def pieces_of(text: str) -> list[str]:
    """Return the pieces of a text whose ids do not depend on each other; each but the first begins with a blank."""
    if text.isprintable() and "  " not in text and text[:1] != " " != text[-1:]:  # the only blanks are single ones
        return text.split(" ")
    return [text] if text[:1].isspace() else BETWEEN.split(text)
