"""Samples of one cohort whose losses move in step: its best split in two, held against those of the other cohorts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from telltale_core.scale import ordered_map
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import COMOVEMENT, NULL, SPLIT
from telltale_core.verdict.evidence import Cohort, Evidence
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.orientation import is_larger, suspected_side
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.split import Findings, examine

Part = tuple[NDArray[np.floating], NDArray[np.float64], int]
"""Features (n, F) of some rows of a cohort, its whitener (F, F), and how many rows are searched at most."""


def propose(evidence: Evidence) -> list[Proposal]:
    """Return a proposal a cohort, in their order: the side of its best split that may be poison."""
    findings = _examined(evidence)
    alone = len(findings) == 1  # no other cohort says what is usual
    different = findings if alone else _without_copies(findings, evidence)
    proposals = []
    for cohort, finding in zip(evidence.cohorts, findings, strict=True):
        others = [*different[: cohort.number], *different[cohort.number + 1 :]]
        proposals.append(_proposal(cohort, finding, _required(others, evidence.config), evidence))
    return proposals


def _proposal(cohort: Cohort, finding: Findings, required: float, evidence: Evidence) -> Proposal:
    chance_n = suspected_side(finding, cohort.rows, evidence)
    return Proposal(
        kind=Kind.TOGETHER,
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


def _examined(evidence: Evidence) -> list[Findings]:
    cohorts = evidence.cohorts
    findings = ordered_map(partial(_search, evidence.config), (_part(one, one.rows, evidence) for one in cohorts))
    return [  # copies make no label large enough
        finding if len(cohort.different) >= SPLIT.min_cohort else replace(finding, tested=False)
        for cohort, finding in zip(cohorts, findings, strict=True)
    ]


def _without_copies(findings: Sequence[Findings], evidence: Evidence) -> list[Findings]:
    """Return what the different samples of each cohort show."""
    copied = [one for one in evidence.cohorts if len(one.different) < len(one.rows)]
    parts = (_part(one, one.different, evidence) for one in copied)
    shown = dict(zip(copied, ordered_map(partial(_search, evidence.config), parts), strict=True))
    return [shown.get(cohort, finding) for cohort, finding in zip(evidence.cohorts, findings, strict=True)]


def _part(cohort: Cohort, rows: NDArray[np.int64], evidence: Evidence) -> Part:
    return evidence.features[rows], cohort.whitener, SPLIT.searched(cohort.label)


def _search(config: VerdictConfig, part: Part) -> Findings:
    features_nF, whitener_FF, most = part
    return examine(features_nF, config, whitener_FF, most=most)


def _required(others: Sequence[Findings], config: VerdictConfig) -> float:
    """Return how far apart a cohort's two sides must stand, given what the other cohorts show without copies."""
    usual = [max(other.separation, NULL.least) for other in others if other.tested]
    if len(usual) < COMOVEMENT.min_usual:
        return config.min_separation
    return max(config.min_separation, config.min_ratio * float(np.quantile(usual, COMOVEMENT.usual_quantile)))
