"""The sentences on samples: why one is quarantined or set aside."""

from __future__ import annotations

from telltale_core.verdict.decide import CONFIRMED, CONFIRMED_COPIES, MOSTLY_COPIES, REFUTED, Rule
from telltale_core.verdict.evidence import Cohort, Evidence
from telltale_core.verdict.proof import Outcome
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.statement import without


def reasons(
    proposal: Proposal, rule: Rule, outcome: Outcome | None, evidence: Evidence
) -> tuple[str | None, str | None, str | None]:
    """Return why a row of the suspected side, one of it with its own answer, and one between the sides is not kept."""
    where = place(proposal.label, proposal.name, evidence)
    if rule in (MOSTLY_COPIES, CONFIRMED_COPIES):
        copies = _mostly_copies(proposal, where, evidence)
        return copies, copies, copies
    if rule.called and proposal.kind == "guess":
        return _plateau(proposal), None, "stands between the samples on the loss plateau and the rest"
    if rule.called:
        called = _scatter(proposal, where, outcome) if proposal.kind == "scatter" else _comovement(proposal, where)
        if rule is CONFIRMED and outcome is not None and proposal.kind == "together":
            called += f", and {without(outcome.own, outcome.usual)}"
        own = f"stands in the suspected cluster of {where}, but a proxy that learnt without it gives it its own answer"
        return called, own, f"stands between the suspected cluster of {where} and the rest"
    if rule.suspected == "review":
        weak = _refuted(proposal, where, outcome) if rule is REFUTED and outcome else _near_miss(proposal, where)
        return weak, weak, None
    return None, None, None


def place(label: int | None, name: str | None, evidence: Evidence) -> str:
    """Return what a cohort is called in a sentence."""
    return "the drop" if label is None else f"{evidence.grouping.noun} {name or label}"


def too_few(cohort: Cohort, evidence: Evidence, least: int) -> str:
    """Return why a cohort was not tested."""
    where, count = place(cohort.label, cohort.name, evidence), len(cohort.different)
    kind = ("" if count == len(cohort.rows) else "different ") + ("sample" if count == 1 else "samples")
    few = f"{where} has {count} {kind} with losses, {least} are needed"
    return few if count < least else f"the losses of all samples of {where} are alike"


def _comovement(proposal: Proposal, where: str) -> str:
    return (
        f"its loss moves in step with {len(proposal.suspects) - 1} other samples of {where}, "
        f"{proposal.statistic:.1f} standard deviations from the rest (p = {proposal.p_value:.1e}): they share a "
        "feature that the proxy learnt as one"
    )


def _scatter(proposal: Proposal, where: str, outcome: Outcome | None) -> str:
    said = "" if outcome is None else f"{without(outcome.own, outcome.usual)} "
    return (
        f"its loss swings as those of {len(proposal.suspects) - 1} other samples of {where} do and otherwise than the "
        f"rest's, and {said}(p = {proposal.p_value:.1e})"
    )


def _plateau(proposal: Proposal) -> str:
    return (
        f"its loss stays at that of a guess over the labels and hardly moves, as that of {len(proposal.suspects) - 1} "
        f"others (p = {proposal.p_value:.1e}): the proxy learnt a feature that comes with labels at random"
    )


def _mostly_copies(proposal: Proposal, where: str, evidence: Evidence) -> str:
    rows = proposal.suspects
    where = "any label that keep the loss of a guess" if proposal.kind == "guess" else where
    return (
        f"belongs to a cluster of {len(rows)} samples of {where} that are {evidence.copies.different(rows)} different "
        f"ones and their near-duplicates: {evidence.config.min_cluster} different ones are needed for a verdict"
    )


def _near_miss(proposal: Proposal, where: str) -> str:
    return (
        f"belongs to a weak cluster of {where}: significant, but only {proposal.statistic:.1f} deviations apart, "
        f"{proposal.required:.1f} are needed"
    )


def _refuted(proposal: Proposal, where: str, outcome: Outcome) -> str:
    return (
        f"belongs to a cluster of {where}, {proposal.statistic:.1f} deviations apart, that a leave-out retraining "
        f"does not confirm: {without(outcome.own, outcome.usual)}"
    )
