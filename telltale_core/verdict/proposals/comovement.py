"""Samples of one cohort whose losses move in step: its best split in two, held against those of the other cohorts.

The suspected side is that of fewer different samples (a poison may be copied until it has more rows), unless the sides
are of like size and the larger one is by far the easier to learn: then the poison is the majority of its label, as at
high rates it is. A range of targets holds a tenth of the samples, so that a poison can fill it and size says nothing:
there it is the side that is by far the easier to learn. Where neither is, it is the smaller one, and of sides of like
size the one whose levels lie closer together: poison with one target is predicted alike and errs alike, an honest
target is noisy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import COMOVEMENT, NULL, SPLIT
from telltale_core.verdict.evidence import Cohort, Evidence
from telltale_core.verdict.near_duplicates import Copies
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.split import Findings, examine


def propose(evidence: Evidence) -> list[Proposal]:
    """Return a proposal a cohort, in their order: the side of its best split that may be poison."""
    findings = [_examined(cohort, evidence) for cohort in evidence.cohorts]
    different = [_without_copies(*pair, evidence) for pair in zip(evidence.cohorts, findings, strict=True)]
    proposals = []
    for cohort, finding in zip(evidence.cohorts, findings, strict=True):
        others = [*different[: cohort.number], *different[cohort.number + 1 :]]
        proposals.append(_proposal(cohort, finding, _required(others, evidence.config), evidence))
    return proposals


def _proposal(cohort: Cohort, finding: Findings, required: float, evidence: Evidence) -> Proposal:
    chance_n = suspected_side(finding, cohort.rows, evidence)
    return Proposal(
        kind="together",
        number=cohort.number,
        cohort=cohort.number,
        label=cohort.label,
        name=cohort.name,
        rows=cohort.rows,
        chance=chance_n,
        statistic=finding.separation,
        required=required,
        simulate=partial(finding.p_value, evidence.config),
        tested=finding.tested,
        larger=is_larger(cohort.rows, chance_n, evidence),
    )


def _examined(cohort: Cohort, evidence: Evidence) -> Findings:
    most = COMOVEMENT.most_alone if cohort.label is None else None
    finding = examine(evidence.features[cohort.rows], evidence.config, cohort.whitener, most=most)
    enough = len(cohort.different) >= SPLIT.min_cohort  # copies make no label large enough
    return finding if enough else replace(finding, tested=False)


def _without_copies(cohort: Cohort, finding: Findings, evidence: Evidence) -> Findings:
    """Return what the cohort's different samples show."""
    if len(cohort.different) == len(cohort.rows):
        return finding
    return examine(evidence.features[cohort.different], evidence.config, cohort.whitener)


def suspected_side(finding: Findings, rows: NDArray[np.int64], evidence: Evidence) -> NDArray[np.float64]:
    """Return each row's chance of being on the suspected side of a split."""
    copies, size_tells = evidence.copies, evidence.grouping.size_tells
    chance_n = of_smaller(finding.chance, rows, copies)
    inside_n = chance_n > 0.5
    alike = copies.share(rows, inside_n) >= COMOVEMENT.like_size
    if len(rows) == evidence.spectra.finite.sum() or not inside_n.any() or (size_tells and not alike):
        return chance_n
    inside, outside = rows[inside_n], rows[~inside_n]
    step, usual = evidence.step(inside, outside)
    other_side = step > usual
    if not size_tells and alike and abs(step) <= usual:
        other_side = evidence.deviation(inside) > evidence.deviation(outside)
    return 1 - chance_n if other_side else chance_n


def of_smaller(chance_n: NDArray[np.float64], rows: NDArray[np.int64], copies: Copies) -> NDArray[np.float64]:
    """Return each row's chance of the side with fewer different samples, given that of the side with fewer rows."""
    return 1 - chance_n if copies.share(rows, chance_n > 0.5) > 0.5 else chance_n


def is_larger(rows: NDArray[np.int64], chance_n: NDArray[np.float64], evidence: Evidence) -> bool:
    """Return whether the suspected side of a label is the larger one."""
    return evidence.grouping.one_class_each and evidence.copies.share(rows, chance_n > 0.5) > 0.5


def _required(others: Sequence[Findings], config: VerdictConfig) -> float:
    """Return how far apart a cohort's two sides must stand, given what the other cohorts show without copies."""
    usual = [max(other.separation, NULL.least) for other in others if other.tested]
    if len(usual) < COMOVEMENT.min_usual:
        return config.min_separation
    return max(config.min_separation, config.min_ratio * float(np.quantile(usual, COMOVEMENT.usual_quantile)))
