"""Single values of unknown origin: which of them are missing, which are numbers, which texts cannot be shown."""

from __future__ import annotations

import math
import re

WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move or hide others where a text is shown."""


def plain_number(value: object) -> object:
    """Return text that is a decimal number as that number, a whole number beyond 64 bit as infinity, others as is."""
    if isinstance(value, str):
        text = value.strip()
        if WHOLE.fullmatch(text):
            return int(text)
        try:
            return float(text) if len(text) <= 40 and text.isascii() and "_" not in text else value
        except ValueError:
            return value
    if isinstance(value, int):
        return int(value) if value.bit_length() < 64 else math.inf if value > 0 else -math.inf
    return value


def is_missing(value: object) -> bool:
    """Return whether a value is null, NaN or blank text."""
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and value.strip().lower() in {"", "nan", "null", "none"})
    )
