"""What a page reads of single samples: each row once, and none that it does not show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Values = npt.NDArray[np.float32]


class ReadRows:
    """Values (n, D) of the rows that were asked for so far; ``read`` is given rows in ascending order."""

    def __init__(self, read: Callable[[Rows], Values]) -> None:
        self._read = read
        self._rows: Rows = np.empty(0, dtype=np.int64)
        self._values: Values | None = None

    def __call__(self, rows: Rows) -> Values:
        """Return the values of rows in any order; those that were not asked for before are read."""
        missing = np.setdiff1d(rows, self._rows)
        if self._values is None or len(missing):
            new = self._read(missing)
            self._values = new if self._values is None else np.concatenate([self._values, new])
            self._rows = np.concatenate([self._rows, missing])
            order = np.argsort(self._rows, kind="stable")
            self._rows, self._values = self._rows[order], self._values[order]
        values: Values = self._values[np.searchsorted(self._rows, rows)]
        return values
