"""The ways to suspect samples, one file each, all alike: ``propose(evidence)`` returns proposals.

Those of the second round look at what the first leaves, once it has its p-values: ``evidence.earlier``.
"""

from __future__ import annotations

from threadpoolctl import threadpool_limits

from telltale_core.verdict.doubt import with_p_values
from telltale_core.verdict.evidence import Evidence
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.proposals import comovement, features, plateau, scatter, secondary

FIRST = (comovement, plateau)
SECOND = (secondary, scatter, features)


def propose(evidence: Evidence) -> list[Proposal]:
    """Return what may be poison, by every way; :mod:`telltale_core.verdict.decide` says what becomes of it."""
    proposals: list[Proposal] = []
    with threadpool_limits(1):  # many small problems: threads only get in each other's way
        for way in FIRST:
            proposals += way.propose(evidence.after(proposals))
        proposals = with_p_values(proposals, evidence.config, provable=evidence.provable)
        for later in SECOND:
            proposals += later.propose(evidence.after(proposals))
    return proposals
