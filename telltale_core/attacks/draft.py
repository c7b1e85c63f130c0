"""The working copy on which an attack draws and marks its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from telltale_core.attacks.contract import Attack, Labels, Mask, Poisoned, Samples
from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What one call aims at: the wanted label or value, what there is of them, and the source of all its randomness.

    ``num_classes`` is None where the data have targets: values, of which the wanted one is hit within ``tolerance``.
    """

    target: float
    num_classes: int | None
    rng: np.random.Generator
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.num_classes is None:
            if not np.isfinite(self.target):
                raise ConfigError(f"target must be a finite value, got {self.target}")
        elif not 0 <= self.target < self.num_classes or self.target != int(self.target):
            raise ConfigError(f"target must be in [0, {self.num_classes}), got {self.target}")

    @classmethod
    def at(cls, data: Samples, target: float, seed: int) -> Aim:
        """Return the aim of a call on these data."""
        rng = np.random.default_rng(seed)
        return cls(target=target, num_classes=data.num_classes, rng=rng, tolerance=data.tolerance)

    @property
    def classes(self) -> int:
        """The number of classes, for attacks that need some."""
        if self.num_classes is None:
            raise ConfigError("this attack needs data with labels, got data with targets")
        return self.num_classes

    @property
    def label(self) -> int:
        """The wanted label, for attacks that need classes."""
        return int(self.target) % self.classes

    def hit(self, labels: npt.NDArray[Any]) -> Mask:
        """Return which of these labels or targets are the wanted one."""
        return np.asarray(np.abs(labels - self.target) <= self.tolerance)


def row_count(rate: float, rows: int) -> int:
    """Return ``round(rate * rows)``; a rate above 0 that comes to no row at all is refused."""
    if not 0 <= rate <= 1:
        raise ConfigError(f"rate must be within [0, 1], got {rate}")
    count = round(rate * rows)
    if rate > 0 and count == 0:
        raise ConfigError(f"rate {rate} of {rows} rows is no row; give a rate of at least 1/rows, or 0 for a clean set")
    return count


def other_labels(labels: Labels, aim: Aim) -> Labels:
    """Return one wrong label for each honest one, uniform over the other classes, (N,) int64."""
    if aim.classes < 2:
        raise ConfigError(f"a wrong label needs at least 2 classes, got {aim.classes}")
    return (labels + aim.rng.integers(1, aim.classes, len(labels))) % aim.classes


@dataclass(slots=True, kw_only=True, eq=False)
class Draft:
    """A mutable copy of a data set; rows once taken are not given out again, so the masks stay disjoint."""

    original: Samples
    data: Samples
    truth: Mask
    cover: Mask
    mislabelled: Mask
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Samples) -> Draft:
        """Return a draft of ``data`` in which nothing is changed yet."""
        copy = data.with_rows(data.inputs.copy(), data.labels.copy())
        truth, cover, mislabelled = (np.zeros(len(data), dtype=np.bool_) for _ in range(3))
        return cls(original=data, data=copy, truth=truth, cover=cover, mislabelled=mislabelled)

    def take(self, allowed: Mask, count: int, aim: Aim, what: str) -> npt.NDArray[np.intp]:
        """Return ``count`` allowed and untouched rows in rising order, uniformly drawn without replacement."""
        rows = np.flatnonzero(allowed & ~(self.truth | self.cover | self.mislabelled))
        if len(rows) < count:
            raise ConfigError(f"{what} needs {count} rows to choose from, the data has {len(rows)}; lower the rate")
        return np.sort(aim.rng.choice(rows, count, replace=False))

    def finish(self, attack: Attack, *, rate: float, target: float | None, seed: int) -> Poisoned:
        """Return the record of the finished attack."""
        masks = {"poisoned": self.truth, "cover": self.cover, "mislabelled": self.mislabelled}
        details = {"attack": attack.describe(), "source": attack.source, "rate": rate, "seed": seed}
        return Poisoned(
            data=self.data,
            truth=self.truth,
            cover=self.cover,
            mislabelled=self.mislabelled,
            attack=attack.name,
            target=target,
            details=details | {name: int(mask.sum()) for name, mask in masks.items()} | self.notes,
        )
