"""How decoded samples lie in ``inputs.npy``."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Shape and dtype of one packed sample, and the decoder's own settings, all plain JSON values."""

    shape: tuple[int, ...]
    dtype: str
    settings: dict[str, Any]
    rule: str
