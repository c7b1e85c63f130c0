"""How decoded samples lie in ``inputs.npy``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Shape and dtype of one packed sample, and all else that decoding one more needs.

    ``settings`` are plain JSON values; ``files`` are further files of the drop by name, such as a vocabulary; ``rule``
    says in words why it is so.
    """

    shape: tuple[int, ...]
    dtype: str
    settings: dict[str, Any]
    rule: str
    files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
