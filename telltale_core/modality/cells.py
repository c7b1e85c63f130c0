"""Single values of unknown origin: which of them are missing, which are numbers, which texts cannot be shown."""

from __future__ import annotations

import decimal
import math
import re

WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
WRITTEN = re.compile(
    r"([+-]?)\s?[$\u20ac\u00a3\u00a5]?\s?([+-]?)([1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]{1,18})((?:\.[0-9]{1,18})?)\s?%?"
)
"""A number as a person writes it: with a currency, commas between thousands, a percent sign."""
UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move or hide others where a text is shown."""
SURROGATES = re.compile(r"[\ud800-\udfff]")
"""Halves of a pair, which no text in UTF-8 holds."""


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
    if isinstance(value, decimal.Decimal) and value.is_finite():
        value = int(value) if value == value.to_integral_value() and abs(value) < 1 << 64 else float(value)
    if isinstance(value, int):
        return int(value) if value.bit_length() < 64 else math.inf if value > 0 else -math.inf
    return value


def written_number(text: str) -> float | None:
    """Return the number that a person wrote as ``$1,234.50`` or ``12 %``; None for any other text."""
    match = WRITTEN.fullmatch(text.strip()) if len(text) <= 80 else None
    if match is None or (match[1] and match[2]):
        return None
    return float(match[1] + match[2] + match[3].replace(",", "") + match[4])


def is_empty(value: object) -> bool:
    """Return whether there is no value at all: null, NaN or blank text."""
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and not value.strip())
    )


def is_missing(value: object) -> bool:
    """Return whether there is no value, or a text that stands for none among numbers, such as ``null``."""
    return is_empty(value) or (isinstance(value, str) and value.strip().lower() in {"nan", "null", "none"})
