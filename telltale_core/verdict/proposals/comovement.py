"""Samples of one cohort whose losses move in step: its best split in two, held against those of the other cohorts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import COMOVEMENT, NULL, SPLIT
from telltale_core.verdict.evidence import Cohort, Evidence
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.orientation import is_larger, suspected_side
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.split import Findings, examine


def propose(evidence: Evidence) -> list[Proposal]:
    """Return a proposal a cohort, in their order: the side of its best split that may be poison."""
    findings = [_examined(cohort, evidence) for cohort in evidence.cohorts]
    alone = len(findings) == 1  # no other cohort says what is usual
    pairs = zip(evidence.cohorts, findings, strict=True)
    different = findings if alone else [_without_copies(*pair, evidence) for pair in pairs]
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


def _examined(cohort: Cohort, evidence: Evidence) -> Findings:
    most = SPLIT.searched(cohort.label)
    finding = examine(evidence.features[cohort.rows], evidence.config, cohort.whitener, most=most)
    enough = len(cohort.different) >= SPLIT.min_cohort  # copies make no label large enough
    return finding if enough else replace(finding, tested=False)


def _without_copies(cohort: Cohort, finding: Findings, evidence: Evidence) -> Findings:
    """Return what the cohort's different samples show."""
    if len(cohort.different) == len(cohort.rows):
        return finding
    most = SPLIT.searched(cohort.label)
    return examine(evidence.features[cohort.different], evidence.config, cohort.whitener, most=most)


def _required(others: Sequence[Findings], config: VerdictConfig) -> float:
    """Return how far apart a cohort's two sides must stand, given what the other cohorts show without copies."""
    usual = [max(other.separation, NULL.least) for other in others if other.tested]
    if len(usual) < COMOVEMENT.min_usual:
        return config.min_separation
    return max(config.min_separation, config.min_ratio * float(np.quantile(usual, COMOVEMENT.usual_quantile)))
