"""Settings of the verdict stage: few, and none that needs a known rate, a known attack or clean data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from telltale_core.errors import ConfigError

MOST_VERSIONS = 1000
NEW = "new/"
"""How the ids of a drop's own rows begin where it is joined with versions; those of version 3 begin with ``v3/``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictConfig:
    """How spectra become decisions.

    The best split within each label (over all samples where the task has no labels) is called by ``false_alarm_rate``,
    ``min_separation`` and ``min_ratio``, or where a ``second_look`` confirms it.
    """

    cohorts: Literal["auto", "label", "all"] = "auto"
    """Cluster within labels (where there are none: ranges of targets, sets of labels), or over all samples."""
    false_alarm_rate: float = 0.01
    """Chance of calling a drop poisoned when every cohort has one mode, in (0, 0.5]."""
    min_separation: float = 5.0
    """How far a cluster must stand from the rest to be quarantined, in pooled standard deviations."""
    min_ratio: float = 1.5
    """How many times as far as the splits that are usual in the other cohorts (their upper quartile), at least 1."""
    min_cluster: int = 10
    """Smallest cluster that can be called, in samples."""
    dimensions: tuple[int, ...] = (4, 6, 8, 12)
    """Numbers of principal components with which a split is sought; each needs 45 samples a component."""
    review_share: float = 0.2
    """A drop of which more than this share would be set aside needs a person's approval, in (0, 1]."""
    untested: Literal["review", "aside", "keep"] = "review"
    """What becomes of samples that no test could judge (cohorts too small or all alike, losses that are not finite).

    ``review``: held, and nothing is published until a person approves; ``aside``: set aside, the rest is published;
    ``keep``: published like the others. The statement says which."""
    second_look: bool = True
    """Train once more, without the doubtful clusters, where that can decide (four cohorts and more)."""
    with_history: int = 0
    """Judge a drop together with so many of the last versions of its dataset: poison may drip over many drops.

    Training and verdict cost as much more as there are more rows. 0: the drop alone."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ConfigError(f"verdict.seed must be >= 0, got {self.seed}")
        if not 0 <= self.with_history <= MOST_VERSIONS:
            raise ConfigError(f"verdict.with_history must be in 0..{MOST_VERSIONS} versions, got {self.with_history}")
        if not 0 < self.false_alarm_rate <= 0.5:
            raise ConfigError(f"verdict.false_alarm_rate must be in (0, 0.5], got {self.false_alarm_rate}")
        if not (math.isfinite(self.min_separation) and self.min_separation > 0):
            raise ConfigError(f"verdict.min_separation must be > 0, got {self.min_separation}")
        if not (math.isfinite(self.min_ratio) and self.min_ratio >= 1):
            raise ConfigError(f"verdict.min_ratio must be >= 1, got {self.min_ratio}")
        if self.min_cluster < 3:
            raise ConfigError(f"verdict.min_cluster must be >= 3, got {self.min_cluster}")
        if not self.dimensions or not all(1 <= choice <= 64 for choice in self.dimensions):
            raise ConfigError(f"verdict.dimensions must be numbers in 1..64, got {self.dimensions}")
        if not 0 < self.review_share <= 1:
            raise ConfigError(f"verdict.review_share must be in (0, 1], got {self.review_share}")
