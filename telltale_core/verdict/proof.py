"""The proof: what one training more says of all proposals that are in doubt. Today the leave-out retraining.

Asked at once, for the price of one training, are the doubtful proposals and the clear ones beside them. Where the
larger side of a label is suspected, another training asks about the smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from telltale_core.verdict.correction import corrected
from telltale_core.verdict.doubt import worth_asking
from telltale_core.verdict.evidence import Evidence
from telltale_core.verdict.leave_out import Retrain, Retraining, Side, leave_out
from telltale_core.verdict.proposal import Proof, Proposal


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What a proof says of a proposal: whether it is confirmed or refuted, and the figures for the sentences.

    ``own``, ``usual``, ``spread``, ``own_answer`` (a bool a row of the suspected side) and ``p_value`` are those of a
    :class:`Retraining`. ``turned``: the other side is the suspected one, and the figures are about it.
    """

    proof: Proof
    own: float
    usual: float
    spread: float
    own_answer: NDArray[np.bool_]
    p_value: float
    turned: bool = False

    def applied(self, proposal: Proposal) -> Proposal:
        """Return the proposal with the side that is suspected now, and its p-value where that hangs on the proof."""
        proposal = proposal.turned_round() if self.turned else proposal
        if proposal.kind.traits.proof_gives_p:
            return replace(proposal, p_value=corrected(self.p_value, proposal.family))
        return proposal if self.proof is Proof.REFUTED else proposal.with_p_value()


def prove(proposals: Sequence[Proposal], evidence: Evidence, retrain: Retrain) -> dict[int, Outcome] | None:
    """Return the outcome of each proposal that was asked about, by its number; None: the training came to nothing."""
    config = evidence.config
    asked = [proposal for proposal in proposals if worth_asking(proposal, config)]
    first = _retrained(asked, evidence, retrain)
    if first is None:
        return None
    outcomes = {proposal.number: _outcome(said) for proposal, said in zip(asked, first, strict=True)}
    larger = [proposal for proposal in asked if proposal.larger and proposal.significant(config.false_alarm_rate)]
    again = _retrained([proposal.turned_round() for proposal in larger], evidence, retrain) or ()
    for proposal, said in zip(larger, again, strict=False):  # nothing where the second training came to nothing
        if said.confirmed and said.spread > outcomes[proposal.number].spread:
            outcomes[proposal.number] = replace(_outcome(said), turned=True)
    return outcomes


def _outcome(said: Retraining) -> Outcome:
    refuted = Proof.REFUTED if said.refuted else Proof.OPEN
    return Outcome(
        proof=Proof.CONFIRMED if said.confirmed else refuted,
        own=said.own,
        usual=said.usual,
        spread=said.spread,
        own_answer=said.honest,
        p_value=said.p_value,
    )


def _retrained(proposals: Sequence[Proposal], evidence: Evidence, retrain: Retrain) -> list[Retraining] | None:
    """Return what one training without all of these suspected sides says of each."""
    if not proposals or evidence.labels is None:
        return []
    config = evidence.config
    sides = [_side(proposal, evidence) for proposal in proposals]
    level, seed = config.false_alarm_rate, config.seed
    return leave_out(sides, evidence.labels, retrain, level=level, seed=seed, copies=evidence.copies)


def _side(proposal: Proposal, evidence: Evidence) -> Side:
    rows, rest = proposal.suspects, proposal.others
    step, usual = evidence.step(rows, rest)
    by_trigger = proposal.kind.traits.by_trigger
    return Side(
        rows=rows,
        rest=evidence.copies.one_of_each(rest),
        harder=step > usual and not by_trigger,
        strict=not proposal.stands_alone and not by_trigger,
        mixed=by_trigger,
    )
