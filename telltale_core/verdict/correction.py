"""One correction for all that is tested: a p-value is multiplied by the number of tests. Which are found is said here.

Each takes a while to simulate. Found are those of the cohort that comes nearest to what is required, which the
statement names, of all that come near enough to be called or set aside, and of the one on which a proof hangs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from telltale_core.verdict.constants import DECISION
from telltale_core.verdict.doubt import most_doubtful, unclear
from telltale_core.verdict.evidence import Evidence
from telltale_core.verdict.proposal import Proposal


def corrected(proposals: Sequence[Proposal], evidence: Evidence) -> list[Proposal]:
    """Return the proposals with the number of tests and, where something hangs on them, their p-values."""
    family = max(1, sum(proposal.tested for proposal in proposals))
    nearest = max((proposal.share for proposal in proposals if proposal.cohort is not None), default=0.0)
    found = [replace(proposal, family=family) for proposal in proposals]
    found = [
        proposal.with_p_value() if proposal.cohort is None or _hangs_on_it(proposal, nearest) else proposal
        for proposal in found
    ]
    if not evidence.provable or any(unclear(proposal, evidence.config) for proposal in found):
        return found
    doubtful = most_doubtful(found)
    return [proposal.with_p_value() if place == doubtful else proposal for place, proposal in enumerate(found)]


def _hangs_on_it(proposal: Proposal, nearest: float) -> bool:
    return proposal.share >= DECISION.nearly or proposal.share == nearest
