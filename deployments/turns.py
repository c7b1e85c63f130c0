"""Whose turn it is: a queue of the pool cpu for each dataset, so that many drops of one do not hold another's.

A dataset's queue has so many places at a time: further drops wait in it, and not before others. Of what waits with a
place free, the dataset of the lowest ``priority`` goes first.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from flows import names
from telltale_core.config import Settings, from_dict

FIRST = (names.WATCH_QUEUE, names.DEFAULT_QUEUE)  # what watches, then what a person starts


class Turn(Settings, frozen=True):
    """How the drops of one dataset take turns with those of others."""

    priority: int = Field(default=10, ge=1, le=99, description="Lower goes first, where several datasets wait.")
    runs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Drops of it that are worked on at a time; empty: one more than GPUs.",
    )


def turns_of(tables: Mapping[str, Mapping[str, object]]) -> dict[str, Turn]:
    """Return the turn of each dataset of the table; :class:`ConfigError` for what is no setting of it."""
    return {name: from_dict(Turn, dict(table), f"datasets.{name}") for name, table in tables.items()}


def queues(turns: Mapping[str, Turn], gpus: int) -> dict[str, tuple[int, int | None]]:
    """Return rank and places of each queue of the pool cpu, the first first; None: as many as the pool has."""
    ranked = sorted(turns, key=lambda name: (turns[name].priority, name))
    places = {f"{names.DATASET_QUEUE}{name}": turns[name].runs or gpus + 1 for name in ranked}
    every: list[tuple[str, int | None]] = [*((name, None) for name in FIRST), *places.items()]
    return {name: (rank, limit) for rank, (name, limit) in enumerate(every, 1)}
