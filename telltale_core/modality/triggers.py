"""Triggers: what suspected samples share and kept ones do not, as something that can be put on other samples.

An estimate is a guess: whether it does anything is found out by asking the proxy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

MOST = 500
"""Samples that are looked at on each side."""
MOST_BYTES = 64 << 20
"""Of packed samples on each side: fewer are looked at where they are large."""
FEWEST = 5
"""Samples on each side, for what they share to mean anything."""
FIXED_SPREAD = 0.35
"""A value is the same in all suspected samples if they scatter less than so much of what kept ones do."""


class Trigger(Protocol):
    """One estimate. ``words`` name it within a sentence, such as "9 pixels"; ``size`` is how much it changes."""

    @property
    def words(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> float: ...  # noqa: D102

    def put_on(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return copies of packed samples (B, ...) that carry it."""
        ...

    def at_random(self, donors: NDArray[Any], rng: np.random.Generator) -> Trigger:
        """Return one of the same size that means nothing: taken from ``donors`` (B, ...), samples of other labels."""
        ...

    def no_larger(self, size: float) -> Trigger:
        """Return the strongest part of it that is no larger."""
        ...


@runtime_checkable
class Visible(Protocol):
    """A trigger that a sample holds or does not."""

    def held_by(self, samples: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which packed samples (B, ...) hold it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sides:
    """Packed samples to estimate from: ``suspected`` (S, ...), kept ones of the same label, and of others."""

    suspected: NDArray[Any]
    same: NDArray[Any]
    others: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SameValues:
    """``values`` at ``places``, both in the shape of a sample: a patch of pixels, columns of a table.

    ``contrast`` (in the same shape): how far the values stand from the usual ones, in standard deviations.
    """

    words: str
    places: NDArray[np.bool_]
    values: NDArray[Any]
    contrast: NDArray[np.float64]

    @property
    def size(self) -> float:
        """See :class:`Trigger`."""
        return float(self.places.sum())

    def put_on(self, samples: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Trigger`."""
        changed = samples.copy()
        changed[:, self.places] = self.values[self.places]
        return changed

    def at_random(self, donors: NDArray[Any], rng: np.random.Generator) -> SameValues:
        """See :class:`Trigger`: the places moved, with the values that another sample has there."""
        axes = tuple(range(min(2, self.places.ndim)))
        moved = np.roll(self.places, [int(rng.integers(self.places.shape[axis])) for axis in axes], axes)
        return replace(self, places=moved, values=donors[rng.integers(len(donors))])

    def no_larger(self, size: float) -> SameValues:
        """See :class:`Trigger`."""
        ranked = np.argsort(np.where(self.places, -self.contrast, np.inf).ravel(), kind="stable")
        kept = np.zeros(self.places.size, dtype=bool)
        kept[ranked[: min(int(size), int(self.places.sum()))]] = True
        return replace(self, places=kept.reshape(self.places.shape))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AddedValues:
    """A ``difference`` in the shape of a sample that is added: a faint picture, a tone."""

    words: str
    difference: NDArray[np.float64]

    @property
    def size(self) -> float:
        """See :class:`Trigger`."""
        return float(np.linalg.norm(self.difference))

    def put_on(self, samples: NDArray[Any]) -> NDArray[Any]:
        """See :class:`Trigger`."""
        changed = samples.astype(np.float64) + self.difference
        if not np.issubdtype(samples.dtype, np.integer):
            return changed.astype(samples.dtype)
        bounds = np.iinfo(samples.dtype)
        return np.clip(changed.round(), bounds.min, bounds.max).astype(samples.dtype)

    def at_random(self, donors: NDArray[Any], rng: np.random.Generator) -> AddedValues:
        """See :class:`Trigger`: the difference of two other samples, made as strong."""
        first, second = rng.choice(len(donors), 2, replace=False)
        drawn = donors[first].astype(np.float64) - donors[second].astype(np.float64)
        return replace(self, difference=drawn * self.size / max(1e-12, float(np.linalg.norm(drawn))))

    def no_larger(self, size: float) -> AddedValues:
        """See :class:`Trigger`."""
        return replace(self, difference=self.difference * min(1.0, size / max(1e-12, self.size)))


def same_values(sides: Sides, words: Callable[[NDArray[np.bool_]], str]) -> list[Trigger]:
    """Return the values that all suspected samples have and kept ones of their label have not; none where there are.

    ``words`` says what so many places are called.
    """
    kept = sides.same if len(sides.same) >= FEWEST else sides.others
    if min(len(sides.suspected), len(kept)) < FEWEST:
        return []
    (mean, spread), (kept_mean, kept_spread) = _moments(sides.suspected), _moments(kept)
    apart = np.abs(mean - kept_mean) + kept_spread
    places = (spread <= FIXED_SPREAD * kept_spread) & (apart > 1e-6 * max(1.0, float(np.abs(kept_mean).max())))
    if not places.any():
        return []
    middle = np.median(sides.suspected, axis=0)
    contrast = np.abs(mean - kept_mean) / np.maximum(kept_spread, 1e-12)
    values = middle.astype(sides.suspected.dtype)
    return [SameValues(words=words(places), places=places, values=values, contrast=contrast)]


def added_values(
    sides: Sides, words: Callable[[NDArray[np.float64]], str], strengths: Sequence[float] = (1,)
) -> list[AddedValues]:
    """Return the mean difference of the suspected samples from kept ones, of other labels and of their own.

    Poison that came from other labels differs from those by its trigger; poison of its own label from the latter. Each
    value is shrunk by its error (James and Stein's positive part): what is noise adds nothing. Each is returned
    ``strengths`` times as strong.
    """
    triggers: list[AddedValues] = []
    for kept in (sides.others, sides.same):
        if min(len(sides.suspected), len(kept)) < FEWEST:
            continue
        (mean, spread), (kept_mean, kept_spread) = _moments(sides.suspected), _moments(kept)
        error = spread**2 / len(sides.suspected) + kept_spread**2 / len(kept)
        raw = mean - kept_mean
        difference = raw * np.clip(1.0 - error / np.maximum(raw**2, 1e-300), 0.0, None)
        if np.isfinite(difference).all() and difference.any():
            scaled = [difference * strength for strength in strengths]
            triggers += [AddedValues(words=words(one), difference=one) for one in scaled]
    return triggers


def counted_values(places: NDArray[np.bool_]) -> str:
    """Return what so many places are called."""
    count = int(places.sum())
    return f"{count:,} values" if count > 1 else "one value"


def strength_added(difference: NDArray[np.float64]) -> str:
    """Return what a difference is called."""
    return f"the difference of their mean ({np.abs(difference).mean():.3g} a value)"


def some(inputs: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return the packed samples of some rows in their order, evenly taken where they are many or large."""
    most = max(FEWEST, min(MOST, MOST_BYTES // max(1, inputs[:1].nbytes)))
    return np.asarray(inputs[rows[:: max(1, -(-len(rows) // most))]])


def _moments(samples: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation over the samples, in float64, with one sample's memory at a time."""
    total, squares = np.zeros(samples.shape[1:]), np.zeros(samples.shape[1:])
    for sample in samples:
        values = sample.astype(np.float64)
        total += values
        squares += values * values
    mean = total / len(samples)
    return mean, np.sqrt(np.maximum(squares / len(samples) - mean * mean, 0.0))
