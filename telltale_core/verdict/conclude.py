"""From spectra to decisions: propose, prove, decide. The table of decisions is in ``decide.py``.

Near-duplicates (``near_duplicates.py``) weigh as one sample in what is usual and in which side is the smaller; else all
samples are judged alike. What no test could judge is held (``untested.py``); wrong labels are named and kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telltale_core.drop.cohorts import Cohorts
from telltale_core.label_sets import LabelSets
from telltale_core.records import Ids
from telltale_core.spectrum import Spectra
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import EXPERIMENT, SPLIT
from telltale_core.verdict.decide import (
    Facts,
    Ruling,
    merge,
    rule_for,
    ruling_on,
    strength_of,
    uniform,
)
from telltale_core.verdict.doubt import in_doubt, unclear
from telltale_core.verdict.evidence import Evidence, collect
from telltale_core.verdict.experiment import Experiment, Trial, Tried
from telltale_core.verdict.explain import holds, reasons, too_few
from telltale_core.verdict.judged import Judged, groups_of
from telltale_core.verdict.leave_out import Retrain
from telltale_core.verdict.proof import Outcome, prove
from telltale_core.verdict.proposal import Proof, Proposal
from telltale_core.verdict.proposals import propose
from telltale_core.verdict.proposals.carriers import Search
from telltale_core.verdict.record import TRIGGERS, Group, TriggerTest
from telltale_core.verdict.untested import NOT_FINITE, ruling_on_untested
from telltale_core.verdict.wrong_labels import doubtful_labels, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """One entry a sample, in the order given: suspicion in [0, 1] (higher is worse), cluster, decision, reason.

    ``groups`` has one entry a cohort, in the order of the labels, then one a further proposal; a group's ``number`` is
    that in ``cluster``. ``doubtful``: kept, but the label looks wrong. ``not_retrained``: no leave-out retraining
    where one was due. ``untested``: no test could judge it; of these ``non_finite`` have a loss that is not a finite
    number. ``triggers``: samples with a trigger put on, see ``TRIGGERS``.
    """

    suspicion: NDArray[np.float64]
    cluster: NDArray[np.int32]
    decision: NDArray[np.str_]
    reason: NDArray[np.object_]
    groups: tuple[Group, ...]
    doubtful: NDArray[np.bool_]
    untested: NDArray[np.bool_]
    non_finite: int
    not_retrained: bool = False
    triggers: pa.Table = field(default_factory=TRIGGERS.empty_table)


def conclude_on(
    sample_ids: Ids,
    spectra: Spectra,
    cohorts: Cohorts | None,
    config: VerdictConfig,
    retrain: Retrain | None = None,
    *,
    leaders: Ids | None = None,
    label_sets: NDArray[np.integer] | LabelSets | None = None,
    trained: NDArray[np.floating] | None = None,
    experiment: Experiment | None = None,
    search: Search | None = None,
) -> Decisions:
    """Return the decision on every sample; permuting the rows permutes the result, bit for bit.

    ``cohorts`` None: all samples are compared with all. ``retrain`` trains a proxy without the samples it is given,
    where there is doubt; without it no proof is had. ``leaders`` (N,) names the sample that each is a near-duplicate
    of, itself for others; None: nothing is a copy. ``label_sets`` (N, K) are the labels of a multi-label drop, as
    flags. ``trained`` (N, F) is what the proxy's last layer was given; None: nobody is suspected by it.
    ``experiment`` tries triggers of what is called, and of what a proof can tell nothing; None: none is tried.
    ``search`` seeks samples that carry one; None: none are sought.
    """
    evidence = collect(
        sample_ids,
        spectra,
        cohorts,
        config,
        leaders=leaders,
        label_sets=label_sets,
        retrains=retrain is not None,
        trained=trained,
    )
    proposals = propose(evidence)
    if search is not None:
        proposals += search(evidence.after(proposals))
    outcomes = None
    doubted = evidence.provable and _doubted(proposals, evidence)
    if doubted and retrain is not None:
        outcomes = prove(proposals, evidence, retrain)
    judged = decide_on(proposals, outcomes or {}, evidence, experiment)
    rulings = _in_order(judged)
    untested_N, on_untested = _on_untested(rulings, judged, evidence)
    columns = merge(len(sample_ids), [*rulings, *on_untested])
    doubtful_N = _doubtful(evidence) & columns.kept & ~untested_N
    named = uniform(np.flatnonzero(doubtful_N), "keep", reason(evidence.grouping))
    columns = merge(len(sample_ids), [*rulings, *on_untested, named])
    return Decisions(
        suspicion=columns.suspicion,
        cluster=columns.cluster,
        decision=columns.decision,
        reason=columns.reason,
        groups=groups_of(judged, columns, evidence),
        doubtful=doubtful_N,
        untested=untested_N,
        non_finite=int((~spectra.finite).sum()),
        not_retrained=doubted and outcomes is None,
        triggers=pa.concat_tables([TRIGGERS.empty_table(), *(one.tried.shown for one in judged if one.tried)]),
    )


def _in_order(judged: Sequence[Judged]) -> list[Ruling]:
    """Return the rulings, those on samples of any label first: of two calls that of a label says more of a sample.

    Before them those on samples that hold the trigger of what is called, wherever a split left them.
    """
    holding = [
        uniform(one.tried.holding, "quarantine", holds(one.tried.test), suspicion=1.0, cluster=one.proposal.number)
        for one in judged
        if one.rule.called and one.tried is not None
    ]
    return holding + [one.ruling for one in sorted(judged, key=lambda one: not one.proposal.over_all_labels)]


def _doubted(proposals: Sequence[Proposal], evidence: Evidence) -> bool:
    """Return whether a proof is due."""
    first = [proposal for proposal in proposals if proposal.first_split]
    return in_doubt(first, evidence.config) or any(unclear(proposal, evidence.config) for proposal in proposals)


def decide_on(
    proposals: Sequence[Proposal],
    outcomes: Mapping[int, Outcome],
    evidence: Evidence,
    experiment: Experiment | None = None,
) -> list[Judged]:
    """Return what becomes of each proposal; those of which no proof is asked are about what the others keep."""
    judged: list[Judged] = []
    tried = {} if experiment is None else _tried(proposals, outcomes, evidence, experiment)
    for proposal in sorted(proposals, key=lambda one: not one.kind.traits.provable):
        outcome = outcomes.get(proposal.number)
        if not proposal.kind.traits.provable:
            proposal = proposal.among(merge(len(evidence.order), [one.ruling for one in judged]).kept)  # noqa: PLW2901
        if outcome is not None:
            proposal = outcome.applied(proposal)  # noqa: PLW2901
        one = tried.get(proposal.number)
        trigger = None if one is None else one.test
        rule = rule_for(_facts(proposal, outcome, evidence, trigger))
        telling = outcome is not None and outcome.proof is not Proof.OPEN
        own_answer = outcome.own_answer if outcome is not None and telling else None
        ruling = ruling_on(proposal, rule, reasons(proposal, rule, outcome, evidence, trigger), own_answer)
        judged.append(Judged(proposal=proposal, rule=rule, outcome=outcome, ruling=ruling, tried=one))
    return judged


def _tried(
    proposals: Sequence[Proposal], outcomes: Mapping[int, Outcome], evidence: Evidence, experiment: Experiment
) -> dict[int, Tried]:
    """Return what an experiment finds of the largest proposals on which it bears, by their numbers.

    These are what would be called without it, and what is significant and a proof could tell nothing of.
    """
    applied = {one.number: outcomes[one.number].applied(one) if one.number in outcomes else one for one in proposals}
    chosen = [one for one in applied.values() if _worth_trying(one, outcomes.get(one.number), evidence)]
    free_N = np.ones(len(evidence.order), dtype=bool)
    for one in chosen:
        free_N[one.suspects] = False
    largest = sorted(chosen, key=lambda one: -len(one.suspects))[: EXPERIMENT.most_groups]
    experiments = {one.number: experiment(_trial(one, free_N, evidence)) for one in largest}
    return {number: one for number, one in experiments.items() if one is not None}


def _worth_trying(proposal: Proposal, outcome: Outcome | None, evidence: Evidence) -> bool:
    open_yet = outcome is not None and outcome.proof is Proof.OPEN
    if open_yet and proposal.significant(evidence.config.false_alarm_rate):
        return True
    return rule_for(_facts(proposal, outcome, evidence)).called


def _trial(proposal: Proposal, free_N: NDArray[np.bool_], evidence: Evidence) -> Trial:
    """Return what is to be tried of a proposal; what no call would take counts as kept."""
    own_N = others_N = free_N
    if proposal.label is not None and evidence.labels is not None:
        own_N, others_N = free_N & (evidence.labels == proposal.label), free_N & (evidence.labels != proposal.label)
    return Trial(
        number=proposal.number,
        label=proposal.label,
        suspected=proposal.suspects,
        same=np.flatnonzero(own_N),
        others=np.flatnonzero(others_N),
    )


def _facts(
    proposal: Proposal, outcome: Outcome | None, evidence: Evidence, trigger: TriggerTest | None = None
) -> Facts:
    """Return what is known.

    Where a proof was asked and could tell nothing, a trigger decides: whether the proxy obeys it. One that does nothing
    leaves what a proof confirms unshown.
    """
    rows, config = proposal.suspects, evidence.config
    proof = Proof.OPEN if outcome is None else outcome.proof
    if outcome is not None and proof is Proof.OPEN and trigger is not None:
        proof = Proof.CONFIRMED if trigger.obeyed else Proof.REFUTED
    elif proof is Proof.CONFIRMED and trigger is not None and not trigger.works:
        proof = Proof.UNSHOWN
    return Facts(
        significant=proposal.significant(config.false_alarm_rate),
        strength=strength_of(proposal),
        proof=proof,
        enough=evidence.copies.different(rows) >= min(config.min_cluster, len(rows)),
    )


def _on_untested(
    rulings: Sequence[Ruling], judged: Sequence[Judged], evidence: Evidence
) -> tuple[NDArray[np.bool_], list[Ruling]]:
    """Return which samples (N,) no test could judge, and what becomes of them."""
    config = evidence.config
    untested_N = ~evidence.spectra.finite
    untested = [ruling_on_untested(np.flatnonzero(untested_N), NOT_FINITE, config)]
    kept_N = merge(len(untested_N), rulings).kept  # others were found by a test over all labels
    for cohort, first in zip(evidence.cohorts, judged, strict=False):
        if not first.proposal.tested:
            rows = cohort.rows[kept_N[cohort.rows]]
            because = too_few(cohort, evidence, SPLIT.min_cohort)
            untested.append(ruling_on_untested(rows, because, config, cluster=cohort.number))
            untested_N[rows] = True
    return untested_N, untested


def _doubtful(evidence: Evidence) -> NDArray[np.bool_]:
    rows = [cohort.rows for cohort in evidence.cohorts]
    return doubtful_labels(evidence.spectra.level, rows, [cohort.different for cohort in evidence.cohorts])
