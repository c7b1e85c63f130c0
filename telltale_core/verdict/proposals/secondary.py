"""What a split leaves of its cohort, split once more: a poison may stand behind another cluster.

Looked at are cohorts whose split is significant or, where a proof is had, may be.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from telltale_core.verdict.constants import DECISION, PROOF
from telltale_core.verdict.correction import with_as_many_again
from telltale_core.verdict.doubt import in_doubt
from telltale_core.verdict.evidence import Cohort, Evidence
from telltale_core.verdict.orientation import is_larger, suspected_side
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.split import examine


def propose(evidence: Evidence) -> list[Proposal]:
    """Return the second clusters; the correction is for at most as many tests again."""
    config = evidence.config
    asked = evidence.provable and evidence.retrains and in_doubt(evidence.earlier, config)
    proposals: list[Proposal] = []
    for first in evidence.earlier:
        significant = first.significant(config.false_alarm_rate)
        if first.label is None or not first.first_split or first.share < PROOF.considered:
            continue
        if not (asked or significant):
            continue
        number = len(evidence.cohorts) + 1 + len(proposals)  # that after the cohorts' is the loss plateau's
        second = _of(first, evidence.cohorts[first.number], number, evidence)
        if second.statistic > 0:
            proposals.append(second.with_p_value() if second.share >= DECISION.nearly else second)
    return proposals


def _of(first: Proposal, cohort: Cohort, number: int, evidence: Evidence) -> Proposal:
    rows = first.rows[first.chance <= 0.5]
    finding = examine(evidence.features[rows], evidence.config, cohort.whitener)
    chance_n = suspected_side(finding, rows, evidence)
    return replace(
        first,
        number=number,
        name=f"{first.name or first.label} (secondary cluster)",
        rows=rows,
        chance=chance_n,
        statistic=finding.separation,
        simulate=partial(finding.p_value, evidence.config),
        p_value=None,
        family=with_as_many_again(first.family),
        tested=finding.tested,
        larger=is_larger(rows, chance_n, evidence),
    )
