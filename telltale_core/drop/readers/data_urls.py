"""``data:`` URLs in base64: a cell that holds the bytes of its media."""

from __future__ import annotations

import base64
import binascii
import re

from telltale_core.drop.config import Limits
from telltale_core.modality import modalities
from telltale_core.modality.reasons import bad

DATA_URL = re.compile(r"\s*data:([a-z]*)[a-z0-9.+/-]*(;[a-z0-9=.-]+)*;base64,", re.IGNORECASE)
MARK_CHARS = 200
"""Within so many letters a ``data:`` URL says what it holds."""
PADDING = 2
"""Bytes at most by which the letters of base64 stand for fewer."""


def is_data_url(text: str) -> bool:
    """Return whether a text is a ``data:`` URL in base64."""
    return DATA_URL.match(text, 0, MARK_CHARS) is not None


def kind_of_url(text: str) -> str | None:
    """Return the kind of data whose media a ``data:`` URL says it holds; None for no URL, or another kind."""
    match = DATA_URL.match(text, 0, MARK_CHARS)
    return match and next((kind.name for kind in modalities() if kind.suffixes and kind.name == match[1].lower()), None)


def longest_url(limits: Limits) -> int:
    """Return how many letters a ``data:`` URL of the largest media may have."""
    return limits.max_media_bytes // 3 * 4 + 4 + MARK_CHARS


def embedded(text: str, limits: Limits) -> bytes | None:
    """Return the bytes of a ``data:`` URL in base64; None for any other text; ``media_too_large`` for too many."""
    match = DATA_URL.match(text, 0, MARK_CHARS)
    if match is None:
        return None
    size, most = (len(text) - match.end()) // 4 * 3, limits.max_media_bytes
    if size > most + PADDING:
        raise bad("media_too_large", f"the data: URL holds {size} bytes, more than max_media_bytes={most}")
    try:
        return base64.b64decode(text[match.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad("media_unreadable", "the data: URL is not valid base64") from error
