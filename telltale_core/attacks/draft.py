"""The working copy on which an attack draws and marks its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from telltale_core.attacks.contract import Attack, ImageSet, Labels, Mask, Poisoned
from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What one call aims at: the target label, the number of classes, and the source of all its randomness."""

    target: int
    num_classes: int
    rng: np.random.Generator

    def __post_init__(self) -> None:
        if not 0 <= self.target < self.num_classes:
            raise ConfigError(f"target must be in [0, {self.num_classes}), got {self.target}")


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
    if aim.num_classes < 2:
        raise ConfigError(f"a wrong label needs at least 2 classes, got {aim.num_classes}")
    return (labels + aim.rng.integers(1, aim.num_classes, len(labels))) % aim.num_classes


@dataclass(slots=True, kw_only=True, eq=False)
class Draft:
    """A mutable copy of a data set; rows once taken are not given out again, so the masks stay disjoint."""

    given: ImageSet
    data: ImageSet
    truth: Mask
    cover: Mask
    mislabelled: Mask
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: ImageSet) -> Draft:
        """Return a draft of ``data`` in which nothing is changed yet."""
        copy = ImageSet(images=data.images.copy(), labels=data.labels.copy(), num_classes=data.num_classes)
        truth, cover, mislabelled = (np.zeros(len(data), dtype=np.bool_) for _ in range(3))
        return cls(given=data, data=copy, truth=truth, cover=cover, mislabelled=mislabelled)

    def take(self, allowed: Mask, count: int, aim: Aim, what: str) -> npt.NDArray[np.intp]:
        """Return ``count`` allowed and untouched rows in rising order, uniformly drawn without replacement."""
        rows = np.flatnonzero(allowed & ~(self.truth | self.cover | self.mislabelled))
        if len(rows) < count:
            raise ConfigError(f"{what} needs {count} rows to choose from, the data has {len(rows)}; lower the rate")
        return np.sort(aim.rng.choice(rows, count, replace=False))

    def finish(self, attack: Attack, *, rate: float, target: int | None, seed: int) -> Poisoned:
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
