"""The labels of samples that have several: a bit each, so that a million samples of a thousand labels take 160 MB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PART = 1 << 12  # rows whose flags are held at a time


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelSets:
    """Sets of labels by sample, which are indexed as flags (N, K) are; ``bits`` (N, K / 8) uint8, the first bit first.

    So the bytes of two rows are ordered as their flags are.
    """

    bits: NDArray[np.uint8]
    num_labels: int

    @classmethod
    def of_flags(cls, flags_NK: NDArray[Any]) -> LabelSets:
        """Return the sets of flags (N, K), 0 or 1."""
        return cls(bits=np.packbits(np.asarray(flags_NK) > 0, axis=1), num_labels=flags_NK.shape[1])

    @classmethod
    def of_pairs(cls, row_P: NDArray[np.integer], label_P: NDArray[np.integer], shape: tuple[int, int]) -> LabelSets:
        """Return the sets of ``shape`` (N, K) that hold these labels (P,) of these rows (P,), once or more often."""
        bits = np.zeros((shape[0], -(-shape[1] // 8)), dtype=np.uint8)
        np.bitwise_or.at(bits, (row_P, label_P >> 3), (128 >> (label_P & 7)).astype(np.uint8))
        return cls(bits=bits, num_labels=shape[1])

    def __len__(self) -> int:
        return len(self.bits)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of samples and of labels, (N, K)."""
        return len(self.bits), self.num_labels

    def __getitem__(self, rows: Any) -> NDArray[np.int64]:
        """Return the flags of some rows, (n, K) int64, or of one row, (K,)."""
        return np.unpackbits(self.bits[rows], axis=-1, count=self.num_labels).astype(np.int64)

    def of(self, rows: NDArray[np.integer]) -> LabelSets:
        """Return the sets of some samples."""
        return LabelSets(bits=self.bits[rows], num_labels=self.num_labels)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all flags, (N, K): of small drops."""
        return self[:].astype(np.int64 if dtype is None else dtype, copy=False)

    def counts(self) -> NDArray[np.int64]:
        """Return how many samples have each label, (K,)."""
        count_K = np.zeros(self.num_labels, dtype=np.int64)
        for start in range(0, len(self), PART):
            part = self.bits[start : start + PART]
            count_K += np.unpackbits(part, axis=1, count=self.num_labels).sum(axis=0, dtype=np.int64)
        return count_K
