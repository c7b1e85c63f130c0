"""The words in which people read what became of samples: the same on the command line, in reports and in the UI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WORDS = {"keep": "kept", "quarantine": "quarantined", "review": "set aside"}
"""A decision's stored name, and what people read. ``review`` is older than the rule that only a question asks a person:
it stays in tables and manifests, where versions that are published already have it."""


def in_words(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record whose names of decisions are those that people read."""
    return {WORDS.get(name, name): value for name, value in record.items()}


def counted(counts: Mapping[str, int]) -> str:
    """Return counts in one line, such as ``samples 1,797, kept 1,707, quarantined 90, set aside 0``."""
    return ", ".join(f"{name} {count:,}" for name, count in in_words(counts).items())
