"""The sentences on samples: why one is quarantined or set aside."""

from __future__ import annotations

from telltale_core.verdict.decide import CONFIRMED, CONFIRMED_COPIES, MOSTLY_COPIES, REFUTED, UNSHOWN, Rule
from telltale_core.verdict.evidence import Cohort, Evidence
from telltale_core.verdict.proof import Outcome
from telltale_core.verdict.proposal import Proof, Proposal
from telltale_core.verdict.record import TriggerTest
from telltale_core.verdict.statement import into_answer, without


def reasons(
    proposal: Proposal, rule: Rule, outcome: Outcome | None, evidence: Evidence, trigger: TriggerTest | None = None
) -> tuple[str | None, str | None, str | None]:
    """Return why a row of the suspected side, one of it with its own answer, and one between the sides is not kept."""
    where = place(proposal.label, proposal.name, evidence)
    if rule in (MOSTLY_COPIES, CONFIRMED_COPIES):
        copies = _mostly_copies(proposal, where, evidence)
        return copies, copies, copies
    if rule.called:
        side = proposal.kind.traits.side.format(where=where)
        own = f"stands in {side}, but a proxy that learnt without it gives it its own answer"
        called = _called(proposal, where, rule, outcome)
        if trigger is not None and trigger.works:
            called = f"{called}; {trigger.sentence(into_answer(proposal.label, where))}"
        return called, own, f"stands between {side} and the rest"
    if rule.suspected == "review":
        weak = _near_miss(proposal, where)
        if outcome is not None and rule in (REFUTED, UNSHOWN):
            weak = _in_doubt(proposal, where, outcome, confirmed=rule is UNSHOWN)
        if rule in (REFUTED, UNSHOWN) and trigger is not None:
            weak = f"{weak}; {trigger.sentence(into_answer(proposal.label, where))}"
        return weak, weak, None
    return None, None, None


def holds(trigger: TriggerTest) -> str:
    """Return why a sample is quarantined that no split has on its suspected side, but that holds the trigger."""
    return (
        f"holds the trigger of samples that are quarantined, {trigger.words}, which the proxy obeys: put on "
        f"{trigger.tried:,} kept samples with other answers, it turned {trigger.turned:,} of them"
    )


def place(label: int | None, name: str | None, evidence: Evidence) -> str:
    """Return what a cohort is called in a sentence."""
    return "the drop" if label is None else f"{evidence.grouping.noun} {name or label}"


def too_few(cohort: Cohort, evidence: Evidence, least: int) -> str:
    """Return why a cohort was not tested."""
    where, count = place(cohort.label, cohort.name, evidence), len(cohort.different)
    kind = ("" if count == len(cohort.rows) else "different ") + ("sample" if count == 1 else "samples")
    few = f"{where} has {count} {kind} with losses, {least} are needed"
    return few if count < least else f"the losses of all samples of {where} are alike"


def _called(proposal: Proposal, where: str, rule: Rule, outcome: Outcome | None) -> str:
    traits = proposal.kind.traits
    proved = rule is CONFIRMED and outcome is not None and outcome.proof is Proof.CONFIRMED  # not by its trigger alone
    return (traits.reason + (traits.proved if proved else "")).format(
        others=len(proposal.suspects) - 1,
        where=where,
        statistic=proposal.statistic,
        p=proposal.p_value,
        without="" if outcome is None else without(outcome.own, outcome.usual),
    )


def _mostly_copies(proposal: Proposal, where: str, evidence: Evidence) -> str:
    rows = proposal.suspects
    where = proposal.kind.traits.place.format(where=where)
    return (
        f"belongs to a cluster of {len(rows)} samples of {where} that are {evidence.copies.different(rows)} different "
        f"ones and their near-duplicates: {evidence.config.min_cluster} different ones are needed for a verdict"
    )


def _near_miss(proposal: Proposal, where: str) -> str:
    return (
        f"belongs to a weak cluster of {where}: significant, but only {proposal.statistic:.1f} deviations apart, "
        f"{proposal.required:.1f} are needed"
    )


def _in_doubt(proposal: Proposal, where: str, outcome: Outcome, *, confirmed: bool) -> str:
    says = "confirms, but that shares no trigger" if confirmed else "does not confirm"
    says = "neither confirms nor refutes" if outcome.proof is Proof.OPEN else says
    apart = f", {proposal.statistic:.1f} deviations apart," if proposal.kind.traits.deviations else ""
    return (
        f"belongs to a cluster of {proposal.kind.traits.place.format(where=where)}{apart} that a leave-out retraining "
        f"{says}: {without(outcome.own, outcome.usual)}"
    )
