"""What a packed sample may not hold of its file, by cause."""

from __future__ import annotations

import enum


class Loss(enum.IntFlag):
    """Why a packed sample holds less than its file; the values stand in ``notes.parquet``."""

    NONE = 0
    RESIZED = 1
    ALPHA = 2
    ORIENTATION = 4
    FRAMES = 8
    BITS = 16
    RATE = 32
    LENGTH = 64
    CHANNELS = 128
    CATEGORIES = 256

    @property
    def word(self) -> str:
        """The cause as settings and manifests call it."""
        return str(self.name).lower()
