"""Settings of the verdict stage: few, and none that needs a known rate, a known attack or clean data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from telltale_core.config import ListOf, Settings

MOST_VERSIONS = 1000
NEW = "new/"
"""How the ids of a drop's own rows begin where it is joined with versions; those of version 3 begin with ``v3/``."""


class VerdictConfig(Settings, frozen=True):
    """How spectra become decisions.

    The best split within each label (over all samples where the task has no labels) is called by ``false_alarm_rate``,
    ``min_separation`` and ``min_ratio``, or where a leave-out retraining confirms it.
    """

    cohorts: Literal["auto", "label", "all"] = Field(
        default="auto",
        title="Compare within",
        description="auto and label: samples are compared within their label, within ranges of targets where there are "
        "no labels. all: over all samples.",
    )
    false_alarm_rate: float = Field(
        default=0.01,
        gt=0,
        le=0.5,
        description="Largest p-value, corrected for the number of tests, at which a group is called.",
    )
    min_separation: float = Field(
        default=5.0,
        gt=0,
        description="How far a cluster must stand from the rest to be quarantined, in pooled standard deviations.",
    )
    min_ratio: float = Field(
        default=1.5,
        ge=1,
        description="How many times as far it must stand as the splits that are usual in the other labels.",
    )
    min_cluster: int = Field(
        default=10,
        ge=3,
        title="Smallest cluster",
        description="Fewest samples that can be called together.",
    )
    dimensions: ListOf[Annotated[int, Field(ge=1, le=64)]] = Field(
        default=(4, 6, 8, 12),
        min_length=1,
        description="Numbers of principal components in which a split is sought; each needs 45 samples a component.",
    )
    review_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="A drop of which a larger share than this would be held back waits for a person.",
    )
    untested: Literal["review", "aside", "keep"] = Field(
        default="review",
        title="Samples that no test could judge",
        description="Of labels too small or all alike, or with losses that are not finite. review: held, and nothing "
        "is published until a person approves. aside: set aside, the rest is published. keep: published.",
    )
    leave_out: bool = Field(
        default=True,
        description="Train once more without the doubtful clusters, where there are two labels or more.",
    )
    with_history: int = Field(
        default=0,
        ge=0,
        le=MOST_VERSIONS,
        title="Versions judged together",
        description="Judge a drop together with so many of its dataset's last versions: poison may drip over many "
        "drops. Training and verdict cost as much more as there are more rows. 0: the drop alone.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of everything random in the verdict.")
