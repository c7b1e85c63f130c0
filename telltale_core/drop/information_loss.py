"""What of a sample the packed one does not hold, by cause, and which of it a person must decide about.

A sample *loses* something where the proxy sees less than a reader of the published file may see. Two sorts: what is
seen more coarsely (smaller, fewer bits, a lower rate), and what is not seen at all. An attacker hides a trigger where
nobody looks, so a question is asked where much is not seen at all, and where a label loses far more than the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from telltale_core.drop.cohorts import Cohorts
from telltale_core.modality.information_loss import Loss
from telltale_core.modality.reasons import shown
from telltale_core.questions import Question

LARGE_SHARE = 0.1
"""More than this share of the samples with parts that nobody saw needs a person."""
LEVEL = 1e-3
"""That of the one-sided Fisher test of a label against the others, over all labels and causes of a drop together."""
LEAST_ROWS = 10
LEAST_SHARE = 0.01
TIMES = 3.0
"""A label is named that loses so many times the share of the others, and at least so many rows and share of its own."""

EFFECTS: Mapping[Loss, str] = {
    Loss.RESIZED: "are larger than they are packed",
    Loss.ALPHA: "are partly transparent, and transparency is not read",
    Loss.ORIENTATION: "are turned by EXIF, which is not read",
    Loss.FRAMES: "have further frames, of which the first is read",
    Loss.BITS: "have more than the 8 bits (sound: 16) that are read",
    Loss.RATE: "have sound above what the packed rate holds",
    Loss.LENGTH: "are longer than what is packed of them",
    Loss.CHANNELS: "have channels that differ, and their mean is read",
    Loss.CATEGORIES: "hold rare categories, which are read as one",
}
UNSEEN = Loss.ALPHA | Loss.FRAMES | Loss.LENGTH
"""Whole parts that nobody saw; more of them than ``LARGE_SHARE`` is asked about."""
CAUSES = tuple(cause for cause in Loss if cause)
WORDS = tuple(cause.word for cause in CAUSES)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """A cohort that loses far more than the others: its rows and those that lose, the others' share, the p-value."""

    name: str
    rows: int
    affected: int
    other_share: float
    p_value: float


def count_losses(loss_N: NDArray[np.integer]) -> dict[str, int]:
    """Return how many samples lose something, by cause, without those that none does."""
    counts = {cause.word: int(np.count_nonzero(loss_N & cause.value)) for cause in CAUSES}
    return {word: count for word, count in counts.items() if count}


def loss_questions(
    loss_N: NDArray[np.integer], cohorts: Cohorts | None, plural: str, accepted: Sequence[str]
) -> list[Question]:
    """Return what a person must decide of the losses; ``accepted`` are causes that the operator takes as they are."""
    questions = []
    for cause in CAUSES:
        affected_N = (loss_N & cause.value) != 0
        if cause.word in accepted or cause == Loss.RESIZED or not affected_N.any():
            continue
        cure = f'drop.accept_loss = ["{cause.word}"] takes it as it is'
        excess = most_unequal(affected_N, cohorts)
        if excess is not None and cohorts is not None:
            where = (
                f"{excess.affected:,} of {excess.rows:,} {plural} of the {cohorts.grouping.noun} {shown(excess.name)}"
            )
            others = f"but {excess.other_share:.1%} of all others (p = {excess.p_value:.1g})"
            text = f"{where} {EFFECTS[cause]}, {others}: a trigger there is not seen"
            questions.append(Question(code=f"lost_{cause.word}_in_one", text=text, cure=cure))
        elif cause & UNSEEN and affected_N.mean() > LARGE_SHARE:
            share = f"{affected_N.sum():,} of {len(affected_N):,} {plural} ({affected_N.mean():.0%})"
            text = f"{share} {EFFECTS[cause]}: that part is not judged"
            questions.append(Question(code=f"lost_{cause.word}", text=text, cure=cure))
    return questions


def most_unequal(affected_N: NDArray[np.bool_], cohorts: Cohorts | None) -> Excess | None:
    """Return the cohort that loses most beyond chance and beyond what is usual in the others; None if none does."""
    from scipy.stats import hypergeom

    if cohorts is None:
        return None
    size_G = np.bincount(cohorts.number)
    affected_G = np.bincount(cohorts.number[affected_N], minlength=len(size_G))
    others_G = (affected_N.sum() - affected_G) / np.maximum(len(affected_N) - size_G, 1)
    share_G = affected_G / np.maximum(size_G, 1)
    tests = np.count_nonzero(size_G) * len(CAUSES)
    p_G = hypergeom.sf(affected_G - 1, len(affected_N), int(affected_N.sum()), size_G) * tests
    called_G = (p_G <= LEVEL) & (affected_G >= LEAST_ROWS) & (share_G >= LEAST_SHARE) & (share_G >= TIMES * others_G)
    called_G &= size_G < len(affected_N)
    if not called_G.any():
        return None
    place = int(np.flatnonzero(called_G)[p_G[called_G].argmin()])
    name = cohorts.names[place] if cohorts.names is not None else str(place)
    return Excess(
        name=name,
        rows=int(size_G[place]),
        affected=int(affected_G[place]),
        other_share=float(others_G[place]),
        p_value=float(p_G[place]),
    )
