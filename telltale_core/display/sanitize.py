"""Text from outside made fit to show: file names, labels, ids and reasons belong to whoever wrote the drop.

Escaping for HTML is the template engine's job and happens afterwards; here is what escaping leaves alone:
characters that cannot be seen or that reorder their neighbours, strings of megabytes, and credentials inside URLs.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

SECRET_NAME = re.compile(r"secret|token|passw|credential|signature|access_?key|api_?key|auth", re.IGNORECASE)
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/@\s]*@")
_QUERY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s?#]*)\?\S*")
_ACCESS_KEY = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
WITHHELD = "[withheld]"


def clean(text: str, limit: int = 400) -> str:
    """Return ``text`` in at most about ``limit`` visible characters that stay where they are put.

    Control, format (right-to-left overrides, zero-width), private, unassigned and lone surrogate characters become
    ``[U+202E]``; stacked combining marks are cut after the second; a longer text ends in its own length. Credentials
    and query strings of URLs are withheld.
    """
    safe = scrubbed(text[: 4 * limit])
    out: list[str] = []
    width = marks = 0
    cut = len(text) > 4 * limit
    for char in safe:
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if marks > 2:
            continue
        piece = " " if char in "\n\t\r" else f"[U+{ord(char):04X}]" if kind in _UNSEEN else char
        if width + len(piece) > limit:
            cut = True
            break
        out.append(piece)
        width += len(piece)
    return "".join(out) + (f"… ({len(text):,} characters)" if cut else "")


def visible(text: str) -> str:
    """Return ``text`` with every character that cannot be seen, but for line ends and tabs, as ``[U+001B]``."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(
        char if char in "\n\t" or unicodedata.category(char) not in _UNSEEN else f"[U+{ord(char):04X}]" for char in text
    )


def scrubbed(text: str) -> str:
    """Return ``text`` without credentials and query strings of URLs."""
    text = _USERINFO.sub(r"\1", text)
    text = _QUERY.sub(rf"\1?{WITHHELD}", text)
    return _ACCESS_KEY.sub(WITHHELD, text)


def middle(text: str, limit: int = 24) -> str:
    """Return ``text`` cleaned and shortened in its middle: ids differ at either end."""
    cleaned = clean(text, 200)
    return cleaned if len(cleaned) <= limit else f"{cleaned[: limit // 2]}…{cleaned[-(limit // 2) :]}"


@functools.cache
def _drawable() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def for_picture(text: str, limit: int = 22) -> str:
    """Return ``text`` cleaned, shortened, and with ``?`` for what the pictures' font cannot draw."""
    drawable = _drawable()
    return "".join(char if ord(char) in drawable else "?" for char in middle(text, limit))


def flat(values: Mapping[str, Any], most: int = 200) -> list[tuple[str, str]]:
    """Return nested ``values`` as (dotted name, text) rows in the given order, at most ``most`` of them.

    A value whose name looks like a credential is withheld.
    """
    rows: list[tuple[str, str]] = []
    for row in _entries(values, ""):
        if len(rows) == most:
            rows.append(("…", "further values are left out; the stage's own JSON record has them"))
            break
        rows.append(row)
    return rows


def _entries(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        dotted = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from _entries(value, f"{dotted}.")
        elif SECRET_NAME.search(str(name)) and value not in (None, "", False, True):
            yield dotted, WITHHELD
        elif isinstance(value, bool) or value is None:
            yield dotted, {True: "yes", False: "no", None: "none"}[value]
        elif isinstance(value, float):
            yield dotted, f"{value:.6g}"
        elif isinstance(value, list | tuple):
            yield dotted, ", ".join(str(item) for item in value[:20]) + (" …" if len(value) > 20 else "") or "none"
        else:
            yield dotted, str(value)
