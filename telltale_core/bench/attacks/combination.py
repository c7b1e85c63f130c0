"""Rows of a table, and the attack that gives some of them one combination of values.

Source: the trigger of Gu et al. (BadNets, arXiv 1708.06733) carried over to columns: instead of pixels, the values of a
few columns are set. The default values are ordinary each on its own; together no honest row is likely to have them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from telltale_core.attacks.contract import Samples
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.stamp import StampAttack
from telltale_core.errors import BadInput, ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableSet(Samples):
    """Rows: ``values`` (N, D) float32, with labels or targets as :class:`Samples` states them."""

    modality = "table"

    values: npt.NDArray[np.float32]
    labels: npt.NDArray[Any]
    num_classes: int | None
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.values.dtype != np.float32 or self.values.ndim != 2:
            raise BadInput(
                "bad_rows", f"values must be float32 of shape (N, D), got {self.values.dtype} {self.values.shape}"
            )
        self.check_labels()

    @property
    def inputs(self) -> npt.NDArray[np.float32]:
        """The rows."""
        return self.values

    def with_rows(self, inputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Self:
        """See :meth:`Samples.with_rows`."""
        return dataclasses.replace(self, values=inputs, labels=labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination(StampAttack):
    """Sets the columns at ``columns`` to ``values``; everything else of a row stays."""

    name = "combination"
    source = "Gu et al., arXiv 1708.06733, carried over to tables"
    label_rule = "dirty"
    modality = "table"

    columns: tuple[int, ...] = (0, 1, 2)
    values: tuple[float, ...] = (1.0, -1.0, 0.5)

    def __post_init__(self) -> None:
        if not self.columns or len(self.columns) != len(self.values) or len(set(self.columns)) != len(self.columns):
            raise ConfigError(f"columns and values must pair up, got {self.columns} and {self.values}")
        if min(self.columns) < 0 or not np.isfinite(self.values).all():
            raise ConfigError(f"columns must be >= 0 and values finite, got {self.columns} and {self.values}")

    def stamp(self, inputs: npt.NDArray[Any], _aim: Aim, /) -> npt.NDArray[Any]:
        """Return the rows with the combination."""
        if max(self.columns) >= inputs.shape[1]:
            raise ConfigError(f"columns go up to {max(self.columns)}, the rows have {inputs.shape[1]}")
        stamped = inputs.copy()
        stamped[:, list(self.columns)] = np.asarray(self.values, dtype=inputs.dtype)
        return stamped
