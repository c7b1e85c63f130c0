"""The ids of many texts: words of plain texts are cut here and looked up, so that a tokeniser sees each once.

Byte-level tokenisers cut a text into words first, and the ids of a word do not depend on its text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from telltale_core.modality.text.tokens import FIRST, SEPARATOR, ids_of, open_tokenizer, without_prefix

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PLAIN = re.compile("[\t-\r -~\x80-\xb1\xb4-\xb8\xba\xbb\xbf-\u024f\u0370-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20bc]*")
"""Texts of Latin, Greek and Cyrillic letters, in which Python and ``tokenizers`` see the same words."""
WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")
"""The words of a byte-level tokeniser, as GPT-2 cuts them: letters, numbers or signs, each with the blank before it."""
MOST_WORDS = 1 << 16
MOST_CHARS = 40
"""Words that are remembered, and the characters of the longest one: about 30 MB."""


class Encoder:
    """Gives the ids of texts by one tokeniser, the same as :func:`ids_of` gives."""

    def __init__(self, file: bytes) -> None:
        self.tokenizer: Tokenizer = open_tokenizer(file)
        self._single: Tokenizer = without_prefix(file)
        self._known: dict[str, tuple[int, ...]] = {}

    def ids(self, parts: Sequence[str]) -> list[int]:
        """Return the ids of a sample's texts, a separator between them."""
        if len(parts) == 1:
            return self._of(parts[0])
        ids: list[int] = []
        for number, part in enumerate(parts):
            ids += [SEPARATOR] * (number > 0)
            ids += self._of(part)
        return ids

    def _of(self, text: str) -> list[int]:
        if not is_plain(text):
            return ids_of(self.tokenizer, (text,))
        words = words_of(text)
        try:
            return list(chain.from_iterable(map(self._known.__getitem__, words)))
        except KeyError:
            pass
        new = {word for word in words if word not in self._known}
        if len(self._known) + len(new) > MOST_WORDS or max(map(len, new)) > MOST_CHARS:
            return ids_of(self.tokenizer, (text,))
        for word in new:
            self._known[word] = tuple(token + FIRST for token in self._single.encode(word).ids)
        return list(chain.from_iterable(map(self._known.__getitem__, words)))


def is_plain(text: str) -> bool:
    """Return whether :func:`words_of` cuts the text as the tokeniser does."""
    return (text.isascii() and text.isprintable()) or PLAIN.fullmatch(text) is not None


def words_of(text: str) -> list[str]:
    """Return the words of a plain text, which begins with a blank or is given one, as the tokeniser does it."""
    return WORDS.findall(text if not text or text[0] == " " else " " + text)


@functools.lru_cache(maxsize=2)
def open_encoder(file: bytes) -> Encoder:
    """Return the encoder of a tokeniser's file; raises :class:`Corrupt` for any other."""
    return Encoder(file)
