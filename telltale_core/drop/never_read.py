"""Files that are no part of any drop, by their names: hidden ones, and what programs leave beside data."""

from __future__ import annotations

import re

UPLOAD_MARKS = {"_SUCCESS", "_MANIFEST.json", "_metadata", "_common_metadata"}
UNFINISHED = {"_temporary", "_spark_metadata", "__pycache__"}
"""Folders of what a writer has not finished, or keeps for itself."""
HIDDEN_NAMES = {"Thumbs.db", "desktop.ini"}
CACHED = re.compile(r"cache-[0-9a-f]+(_\d+_of_\d+)?\.arrow|.*\.(lock|incomplete)", re.DOTALL)
"""Files that ``datasets`` leaves beside data: results of ``map``, locks, downloads that were cut off."""


def never_read(key: str) -> str:
    """Return why a file is no part of any drop, by its name; empty if it may be one."""
    parts = key.split("/")
    if any(part.startswith(".") and part not in {".", ".."} for part in parts) or parts[-1] in HIDDEN_NAMES:
        return "hidden"
    if CACHED.fullmatch(parts[-1]):
        return "a cache of datasets"
    marks = parts[-1] in UPLOAD_MARKS or parts[-1].startswith(("_started_", "_committed_"))
    return "a mark of the upload" if marks or UNFINISHED & set(parts[:-1]) else ""
