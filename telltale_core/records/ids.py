"""Sample ids in memory: an array of texts that each take their own bytes, and the same as an Arrow column.

A numpy array of fixed width (``<U64``) takes 256 bytes an id of 64 characters, and as many for every shorter one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[Any]
"""Ids (N,) of dtype ``StringDType``. Its elements are ``str``; it is sorted, compared and indexed as any array."""

PART = 1 << 16
"""Ids that are Python's own texts at a time."""


def as_ids(texts: pa.Array | pa.ChunkedArray | NDArray[Any] | Iterable[str]) -> Ids:
    """Return texts, or an Arrow column of them, as ids (N,)."""
    if not isinstance(texts, (pa.Array, pa.ChunkedArray)):
        return np.array(texts if isinstance(texts, np.ndarray) else list(texts), dtype=np.dtypes.StringDType())
    ids = np.empty(len(texts), dtype=np.dtypes.StringDType())
    for start in range(0, len(texts), PART):
        ids[start : start + PART] = texts[start : start + PART].to_pylist()
    return ids


def as_column(ids: NDArray[Any]) -> pa.StringArray:
    """Return ids, or other texts (N,), as a column without gaps."""
    parts = [pa.array(ids[start : start + PART].tolist(), pa.string()) for start in range(0, len(ids), PART)]
    return pa.concat_arrays(parts) if parts else pa.array([], pa.string())
