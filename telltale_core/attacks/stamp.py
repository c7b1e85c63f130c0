"""Attacks that put one trigger on drawn rows: the frame that they share, so that a file holds only what is its own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from telltale_core.attacks.contract import Attack, Labels, Mask, Poisoned, Samples, Triggered
from telltale_core.attacks.draft import Aim, Draft, row_count

Inputs = npt.NDArray[Any]
BLOCK_ROWS = 4096  # rows of a held-out set that are stamped at a time, to bound memory


class StampAttack(Attack):
    """An attack that stamps a trigger on drawn rows and sets their label by its rule.

    A subclass must give :meth:`stamp`; the other methods hold the usual answer (no cover, all-to-one, target class
    left out for dirty labels and used alone for clean ones) and are overridden where the attack differs.
    All of them are pure: they return new arrays.
    """

    __slots__ = ()

    @abstractmethod
    def stamp(self, inputs: Inputs, aim: Aim, /) -> Inputs:
        """Return training inputs with the trigger, of the same shape and type."""

    def stamp_cover(self, inputs: Inputs, aim: Aim, /) -> Inputs:
        """Return inputs of cover rows with their trigger."""
        return self.stamp(inputs, aim)

    def stamp_test(self, inputs: Inputs, aim: Aim, /) -> Inputs:
        """Return held-out inputs with the trigger at its test-time strength."""
        return self.stamp(inputs, aim)

    def goal(self, labels: Labels, aim: Aim, /) -> Labels:
        """Return the labels that poisoned rows get."""
        return np.full_like(labels, aim.target)

    def expected(self, labels: Labels, aim: Aim, /) -> Labels:
        """Return the labels that triggered held-out rows should be given by a backdoored model."""
        return self.goal(labels, aim)

    def candidates(self, labels: Labels, aim: Aim, /) -> Mask:
        """Return which rows may be poisoned."""
        return np.asarray(aim.hit(labels) == (self.label_rule == "clean"))

    def cover_candidates(self, labels: Labels, _aim: Aim, /) -> Mask:
        """Return which rows may become cover."""
        return np.ones(len(labels), dtype=np.bool_)

    def cover_count(self, _count: int, /) -> int:
        """Return the number of cover rows beside ``count`` poisoned ones."""
        return 0

    def counts(self, labels: Labels, aim: Aim, /) -> Mask:
        """Return which held-out rows count for the attack success rate."""
        return np.asarray(np.abs(self.expected(labels, aim) - labels) > aim.tolerance)

    def poison_rows(self, draft: Draft, count: int, aim: Aim) -> None:
        """Poison ``count`` still untouched rows of ``draft`` and add the cover."""
        honest, inputs, labels = draft.original.labels, draft.data.inputs, draft.data.labels
        rows = draft.take(self.candidates(honest, aim), count, aim, self.name)
        inputs[rows] = self.stamp(inputs[rows], aim)
        labels[rows] = self.goal(honest[rows], aim)
        draft.truth[rows] = True
        allowed = self.cover_candidates(honest, aim)
        rows = draft.take(allowed, self.cover_count(count), aim, f"{self.name} cover")
        inputs[rows] = self.stamp_cover(inputs[rows], aim)
        draft.cover[rows] = True

    def poison(self, data: Samples, rate: float, target: float, seed: int) -> Poisoned:
        """See :meth:`Attack.poison`."""
        self.check(data)
        draft = Draft.of(data)
        aim = Aim.at(data, target, seed)
        self.poison_rows(draft, row_count(rate, len(data)), aim)
        single = self.label_rule in ("dirty", "clean")
        return draft.finish(self, rate=rate, target=target if single else None, seed=seed)

    def trigger(self, data: Samples, target: float, seed: int) -> Triggered:
        """See :meth:`Attack.trigger`."""
        self.check(data)
        aim = Aim.at(data, target, seed)
        inputs = np.empty_like(data.inputs)
        for start in range(0, len(data), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            inputs[block] = self.stamp_test(data.inputs[block], aim)
        tolerance = data.tolerance if data.num_classes is None else None
        return Triggered(inputs, self.expected(data.labels, aim), self.counts(data.labels, aim), tolerance)


class Wrapped(StampAttack):
    """A stamping attack that uses the trigger of another one, its ``base``, under a rule of its own."""

    __slots__ = ()
    base: StampAttack

    def stamp(self, inputs: Inputs, aim: Aim, /) -> Inputs:
        """See :meth:`StampAttack.stamp`."""
        return self.base.stamp(inputs, aim)

    def stamp_cover(self, inputs: Inputs, aim: Aim, /) -> Inputs:
        """See :meth:`StampAttack.stamp_cover`."""
        return self.base.stamp_cover(inputs, aim)

    def stamp_test(self, inputs: Inputs, aim: Aim, /) -> Inputs:
        """See :meth:`StampAttack.stamp_test`."""
        return self.base.stamp_test(inputs, aim)
