"""Attacks that put one trigger on drawn rows: the frame that they share, so that a file holds only what is its own."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from telltale_core.attacks.contract import Attack, Images, ImageSet, Labels, Mask, Poisoned, Triggered
from telltale_core.attacks.draft import Aim, Draft, row_count

BLOCK_ROWS = 4096  # rows of a held-out set that are stamped at a time, to bound memory


class StampAttack(Attack):
    """An attack that stamps a trigger on drawn rows and sets their label by its rule.

    A subclass must give :meth:`stamp`; the other methods hold the usual answer (no cover, all-to-one, target class
    left out for dirty labels and used alone for clean ones) and are overridden where the attack differs.
    All of them are pure: they return new arrays.
    """

    __slots__ = ()

    @abstractmethod
    def stamp(self, images: Images, aim: Aim, /) -> Images:
        """Return training images with the trigger, same shape, uint8."""

    def stamp_cover(self, images: Images, aim: Aim, /) -> Images:
        """Return images of cover rows with their trigger."""
        return self.stamp(images, aim)

    def stamp_test(self, images: Images, aim: Aim, /) -> Images:
        """Return held-out images with the trigger at its test-time strength."""
        return self.stamp(images, aim)

    def goal(self, labels: Labels, aim: Aim, /) -> Labels:
        """Return the labels that poisoned rows get."""
        return np.full_like(labels, aim.target)

    def expected(self, labels: Labels, aim: Aim, /) -> Labels:
        """Return the labels that triggered held-out rows should be given by a backdoored model."""
        return self.goal(labels, aim)

    def candidates(self, labels: Labels, aim: Aim, /) -> Mask:
        """Return which rows may be poisoned."""
        return np.asarray((labels == aim.target) == (self.label_rule == "clean"))

    def cover_candidates(self, labels: Labels, _aim: Aim, /) -> Mask:
        """Return which rows may become cover."""
        return np.ones(len(labels), dtype=np.bool_)

    def cover_count(self, _count: int, /) -> int:
        """Return the number of cover rows beside ``count`` poisoned ones."""
        return 0

    def counts(self, labels: Labels, aim: Aim, /) -> Mask:
        """Return which held-out rows count for the attack success rate."""
        return np.asarray(self.expected(labels, aim) != labels)

    def poison_rows(self, draft: Draft, count: int, aim: Aim) -> None:
        """Poison ``count`` still untouched rows of ``draft`` and add the cover."""
        honest, images, labels = draft.given.labels, draft.data.images, draft.data.labels
        rows = draft.take(self.candidates(honest, aim), count, aim, self.name)
        images[rows] = self.stamp(images[rows], aim)
        labels[rows] = self.goal(honest[rows], aim)
        draft.truth[rows] = True
        allowed = self.cover_candidates(honest, aim)
        rows = draft.take(allowed, self.cover_count(count), aim, f"{self.name} cover")
        images[rows] = self.stamp_cover(images[rows], aim)
        draft.cover[rows] = True

    def poison(self, data: ImageSet, rate: float, target: int, seed: int) -> Poisoned:
        """See :meth:`Attack.poison`."""
        draft = Draft.of(data)
        aim = Aim(target=target, num_classes=data.num_classes, rng=np.random.default_rng(seed))
        self.poison_rows(draft, row_count(rate, len(data)), aim)
        single = self.label_rule in ("dirty", "clean")
        return draft.finish(self, rate=rate, target=target if single else None, seed=seed)

    def trigger(self, data: ImageSet, target: int, seed: int) -> Triggered:
        """See :meth:`Attack.trigger`."""
        aim = Aim(target=target, num_classes=data.num_classes, rng=np.random.default_rng(seed))
        images = np.empty_like(data.images)
        for start in range(0, len(data), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            images[block] = self.stamp_test(data.images[block], aim)
        return Triggered(images, self.expected(data.labels, aim), self.counts(data.labels, aim))


class Wrapped(StampAttack):
    """A stamping attack that uses the trigger of another one, its ``base``, under a rule of its own."""

    __slots__ = ()
    base: StampAttack

    def stamp(self, images: Images, aim: Aim, /) -> Images:
        """See :meth:`StampAttack.stamp`."""
        return self.base.stamp(images, aim)

    def stamp_cover(self, images: Images, aim: Aim, /) -> Images:
        """See :meth:`StampAttack.stamp_cover`."""
        return self.base.stamp_cover(images, aim)

    def stamp_test(self, images: Images, aim: Aim, /) -> Images:
        """See :meth:`StampAttack.stamp_test`."""
        return self.base.stamp_test(images, aim)
