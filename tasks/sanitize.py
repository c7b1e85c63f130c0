"""Text of strangers on its way to Prefect: every name, label, reason and error that a contributor may have chosen.

Prefect's pages read artifacts, their descriptions, the cells of their tables and the text above a form as Markdown;
names, tags, messages and log lines are shown as they are, and chats that are notified have a markup of their own. All
of it goes through here: :func:`markdown` for the former, :func:`name` and :func:`line` for the latter.
"""

from __future__ import annotations

import re

from telltale_core.display.sanitize import clean, visible

_MARKS = {ord(mark): f"&#{ord(mark)};" for mark in "&\\`*_[]<>|#!~:@^"}
_WWW = re.compile(r"(?<=www)\.", re.IGNORECASE)
_BLOCK = re.compile(r"^(?:[-+=]|\d+(?=[.)]))")  # at a line's start: a list, a rule, the line below a heading
_NAME = re.compile(r"[^\w .,+=()-]")


def markdown(value: object, limit: int = 300) -> str:
    """Return a value as one line of Markdown that shows its text and does nothing: no link, picture or heading.

    Nothing at all is shown as a dash: two marks around nothing would be a rule across the page.
    """
    text = clean(str(value), limit).strip().translate(_MARKS) or "–"
    return _BLOCK.sub(_spelled, _WWW.sub("&#46;", text))


def _spelled(mark: re.Match[str]) -> str:
    """Return a block's mark so that it is none: its first character as an entity."""
    return f"&#{ord(mark[0][0])};{mark[0][1:]}"


def code(value: object, limit: int = 1000) -> str:
    """Return a value as Markdown in the type of code, to be copied."""
    return f"<code>{markdown(value, limit)}</code>"


def block(value: object, limit: int = 1000) -> str:
    """Return a value as a block of code: a page lets it be scrolled where it would cut a long word off."""
    return f"```\n{clean(str(value), limit).replace('`', chr(39))}\n```\n"


def name(value: object, limit: int = 80) -> str:
    """Return a value as part of a run's name or a tag: letters, digits and a few marks, the rest as ``_``."""
    return _WWW.sub("_", _NAME.sub("_", clean(str(value), limit)))


def line(text: str) -> str:
    """Return a text for a log or a state's message: what cannot be seen is spelled out, no line begins by itself."""
    return visible(text).replace("\n", "\n    ")
