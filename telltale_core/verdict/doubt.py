"""Which proposals are in doubt: not settled by their own figures, so that a p-value is found and a proof asked.

A p-value takes a while to simulate. Found are those of the cohort that comes nearest to what is required, which the
statement names, of all that come near enough to be called or set aside, and of the one on which a proof hangs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import DECISION, PROOF, SPLIT
from telltale_core.verdict.correction import number_of_tests
from telltale_core.verdict.proposal import Proposal


def with_p_values(proposals: Sequence[Proposal], config: VerdictConfig, *, provable: bool) -> list[Proposal]:
    """Return the proposals with the number of tests and, where something hangs on them, their p-values."""
    family = number_of_tests(proposal.tested for proposal in proposals)
    nearest = max((proposal.share for proposal in proposals if proposal.kind.traits.provable), default=0.0)
    family_members = [replace(proposal, family=family) for proposal in proposals]
    family_members = [
        proposal.with_p_value() if not proposal.kind.traits.provable or _hangs_on_it(proposal, nearest) else proposal
        for proposal in family_members
    ]
    if not provable or any(unclear(proposal, config) for proposal in family_members):
        return family_members
    doubtful = most_doubtful(family_members)
    return [proposal.with_p_value() if place == doubtful else proposal for place, proposal in enumerate(family_members)]


def _hangs_on_it(proposal: Proposal, nearest: float) -> bool:
    return proposal.share >= DECISION.nearly or proposal.share == nearest


def unclear(proposal: Proposal, config: VerdictConfig) -> bool:
    """Return whether it is called by what is required, but not so far beyond that nothing else need be asked.

    A label's larger side is always asked about. What scatters otherwise is called by nothing but a proof.
    """
    if not proposal.kind.traits.provable:
        return False
    if not proposal.stands_alone:
        return True
    open_to_doubt = proposal.share < DECISION.clear or proposal.larger
    return proposal.share >= 1 and open_to_doubt and proposal.significant(config.false_alarm_rate)


def most_doubtful(proposals: Sequence[Proposal]) -> int | None:
    """Return the place of the most separate proposal that misses what is required, None where none comes near."""
    short = [
        place
        for place, proposal in enumerate(proposals)
        if proposal.kind.traits.provable and PROOF.considered <= proposal.share < 1
    ]
    return max(short, key=lambda place: proposals[place].share, default=None)


def in_doubt(proposals: Sequence[Proposal], config: VerdictConfig) -> bool:
    """Return whether a call is not clear, or the most separate of the splits below the rule is significant."""
    if any(unclear(proposal, config) for proposal in proposals):
        return True
    first = most_doubtful(proposals)
    return first is not None and proposals[first].significant(config.false_alarm_rate)


def worth_asking(proposal: Proposal, config: VerdictConfig) -> bool:
    """Return whether a proof is asked about it, once one is had."""
    if not proposal.kind.traits.provable:
        return False
    enough = not proposal.stands_alone or proposal.statistic >= SPLIT.min_tested_separation
    open_so_far = proposal.p_value is None or proposal.significant(config.false_alarm_rate)
    in_two = 0 < proposal.inside.sum() < len(proposal.rows)
    return bool(proposal.share >= PROOF.considered and enough and open_so_far and in_two)
