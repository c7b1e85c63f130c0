"""A proposal that was decided on, and its line in the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from telltale_core.verdict.decide import CONFIRMED, CONFIRMED_COPIES, MOSTLY_COPIES, REFUTED, Columns, Rule, Ruling
from telltale_core.verdict.evidence import Evidence
from telltale_core.verdict.experiment import Tried
from telltale_core.verdict.proof import Outcome
from telltale_core.verdict.proposal import Proof, Proposal
from telltale_core.verdict.record import Group


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """A proposal with the line of the table that decides it, what a proof said of it, and what becomes of its rows."""

    proposal: Proposal
    rule: Rule
    outcome: Outcome | None
    ruling: Ruling
    tried: Tried | None = None


def groups_of(judged: Sequence[Judged], columns: Columns, evidence: Evidence) -> tuple[Group, ...]:
    """Return the proposals' lines in the record; samples of each decision are counted once for all of them."""
    counts = {name: Counter(columns.cluster[columns.decision == name].tolist()) for name in ("quarantine", "review")}
    return tuple(
        _group(one, evidence, **{name: count[one.proposal.number] for name, count in counts.items()}) for one in judged
    )


def _group(judged: Judged, evidence: Evidence, *, quarantine: int, review: int) -> Group:
    """Return a proposal's line in the record, with how many samples of it are quarantined and set aside."""
    proposal, rule, outcome = judged.proposal, judged.rule, judged.outcome
    significant = proposal.significant(evidence.config.false_alarm_rate)
    suspects = proposal.suspects if significant else proposal.rows[:0]
    copies, originals = evidence.copies.counted(suspects)
    return Group(
        number=proposal.number,
        label=proposal.label,
        label_name=proposal.name,
        word=evidence.grouping.noun,
        kind=proposal.kind,
        samples=len(proposal.rows),
        size=len(suspects),
        copies=copies,
        originals=originals,
        only_copies=rule in (MOSTLY_COPIES, CONFIRMED_COPIES),
        statistic=round(proposal.statistic, 4),
        threshold=round(proposal.required, 4),
        p_value=proposal.p_value,
        tested=proposal.tested,
        called=rule.called,
        quarantined=quarantine,
        review=review,
        taken_for=rule.because,
        confirmed=rule is CONFIRMED and outcome is not None and outcome.proof is Proof.CONFIRMED,
        turned=proposal.turned,
        refuted=rule is REFUTED,
        own=None if outcome is None else outcome.own,
        own_usual=None if outcome is None else outcome.usual,
        spread=None if outcome is None else outcome.spread,
        trigger=None if judged.tried is None else judged.tried.test,
    )
