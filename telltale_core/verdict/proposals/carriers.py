"""Samples of a label that carry a faint trigger, which others of the label and other labels do not.

Poison that is learnt as late as its label's hard samples makes no group in the losses. But two things tell. After a
sixth of the epochs, when what is odd is not learnt yet, the proxy takes the poisoned samples for what they were before.
And these share what was put on them. So of each label the samples that are learnt late, and that the early proxy takes
for another label, are held against learnt samples of that label: the mean difference is the estimate of a trigger, less
that by which the label's own learnt samples differ, too. A matched filter then seeks who carries it, also among samples
that were learnt early. How many of other labels score as high is the null.

Honest samples that the proxy takes for another label share no such picture. If they do (a background), the experiment
tells: put on others, it turns no more of them than a control. What remains is proposed, and only a proof calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from telltale_core.drop import Drop
from telltale_core.modality import modality_named
from telltale_core.modality.triggers import MOST, Sides, added_values, some, strength_added
from telltale_core.verdict.constants import CARRIERS, EXPERIMENT
from telltale_core.verdict.evidence import Cohort, Evidence
from telltale_core.verdict.experiment import Experiment, Trial
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.matched_filter import MatchedFilter, carried
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.record import TriggerTest

TINY = 1e-12
Search = Callable[[Evidence], list[Proposal]]
"""Proposes what carries a trigger."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sought:
    """A label, its samples that are taken for ``answers`` of other labels, and the rows that these are held against.

    ``genuine`` are learnt samples of the labels that they are taken for, as often; ``learnt`` those of the label
    itself, ``others`` those of any other label.
    """

    cohort: Cohort
    strange: NDArray[np.int64]
    genuine: NDArray[np.int64]
    learnt: NDArray[np.int64]
    others: NDArray[np.int64]

    @property
    def enough(self) -> bool:
        """Whether there are samples to estimate from, and to hold them against."""
        return min(map(len, (self.strange, self.genuine, self.learnt, self.others))) >= CARRIERS.fewest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Carriers:
    """Seeks them in a drop, whose proxy took each sample for one of ``answers`` (N,) early; ``experiment`` asks it."""

    drop: Drop
    experiment: Experiment
    answers: NDArray[np.int64]
    seed: int

    def __call__(self, evidence: Evidence) -> list[Proposal]:
        """Return a proposal for each label in which a trigger works; none where nothing is sought."""
        provable = evidence.retrains and evidence.provable and evidence.spreading
        searched = modality_named(self.drop.modality).searched and evidence.grouping.one_class_each
        if not (provable and searched) or evidence.labels is None:
            return []
        with threadpool_limits(1):  # a product's last bit would else hang on their number
            many = self._carrying(evidence, evidence.labels)
        most = sorted(many, key=lambda pair: -len(pair[1]))[: EXPERIMENT.most_groups]
        tried = [(one.cohort, rows, self.experiment(_trial(one, rows))) for one, rows in most]
        working = [(cohort, rows, one.test) for cohort, rows, one in tried if one is not None and one.test.works]
        first = 1 + max((proposal.number for proposal in evidence.earlier), default=-1)
        family = len(evidence.cohorts)
        return [_proposal(*one, number=first + place, family=family) for place, one in enumerate(working)]

    def _carrying(self, evidence: Evidence, labels: NDArray[np.int64]) -> list[tuple[_Sought, NDArray[np.int64]]]:
        """Return the labels of which enough rows carry what their strange ones share, and these rows."""
        late_N, rng = _late(evidence), np.random.default_rng(self.seed)
        learnt = evidence.order[evidence.spectra.finite[evidence.order] & ~late_N[evidence.order]]
        by_label = {cohort.label: learnt[labels[learnt] == cohort.label] for cohort in evidence.cohorts}
        drawn = rng.permutation(learnt)[: CARRIERS.others]
        if len(drawn) < CARRIERS.fewest:
            return []
        noise = MatchedFilter(np.asarray(self.drop.inputs[drawn[:MOST]]))
        many = []
        for cohort in evidence.cohorts:
            strange = cohort.rows[late_N[cohort.rows] & (self.answers[cohort.rows] != labels[cohort.rows])]
            strange = evidence.copies.one_of_each_here(strange)
            taken_for, counts = np.unique(self.answers[strange], return_counts=True)
            genuine = [
                rng.permutation(by_label.get(int(label), learnt[:0]))[: CARRIERS.genuine * count]
                for label, count in zip(taken_for, counts, strict=True)
            ]
            sought = _Sought(
                cohort=cohort,
                strange=strange,
                genuine=np.concatenate([learnt[:0], *genuine]),
                learnt=by_label[cohort.label],
                others=drawn[labels[drawn] != cohort.label],
            )
            if sought.enough:
                score_n, null = self._scores(sought, noise)
                rows = cohort.rows[_beyond(score_n, null, CARRIERS.by_chance)]
                many += [(sought, rows)] if len(rows) >= CARRIERS.fewest else []
        return many

    def _scores(self, sought: _Sought, noise: MatchedFilter) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how much each row of the label carries (n,), and each of the others, in deviations of the others.

        Two estimates are made, each from half of the strange rows: one of these is scored by the other half's.
        """
        rows, others, inputs = sought.cohort.rows, sought.others, self.drop.inputs
        genuine = some(inputs, sought.genuine)
        usual = some(inputs, sought.learnt).mean(axis=0, dtype=np.float64) - genuine.mean(axis=0, dtype=np.float64)
        mixed = np.random.default_rng([self.seed, sought.cohort.number]).permutation(sought.strange)
        halves = mixed[::2], mixed[1::2]
        estimates = [
            added_values(Sides(suspected=some(inputs, half), same=genuine[:0], others=genuine), strength_added)
            for half in halves
        ]
        if not all(estimates):
            return np.zeros(len(rows)), np.zeros(len(others))
        weights = np.stack([noise.beside(half[0].difference, usual) for half in estimates])
        score_n2, null_2 = carried(inputs, rows, weights), carried(inputs, others, weights)
        middle, spread = null_2.mean(axis=0), np.maximum(null_2.std(axis=0), TINY)
        score_n2, null_2 = (score_n2 - middle) / spread, (null_2 - middle) / spread
        both = max(float(null_2.mean(axis=1).std()), TINY)
        score_n = score_n2.mean(axis=1) / both
        for half, of_other in zip(halves, (1, 0), strict=True):
            score_n[np.isin(rows, half)] = score_n2[np.isin(rows, half), of_other]
        return score_n, null_2.mean(axis=1) / both


def _late(evidence: Evidence) -> NDArray[np.bool_]:
    """Return which samples (N,) of each label lose most in the first quarter of what is compared."""
    early_N, late_N = evidence.spectra.motion[:, 0, 0], np.zeros(len(evidence.order), dtype=bool)
    for cohort in evidence.cohorts:
        order = cohort.rows[np.argsort(-early_N[cohort.rows], kind="stable")]
        late_N[order[: int(CARRIERS.late * len(order))]] = True
    return late_N


def _beyond(score_n: NDArray[np.float64], null: NDArray[np.float64], share: float) -> NDArray[np.int64]:
    """Return the places of the highest scores, as many as hold at most this share of what the null has beyond.

    One more than lie beyond are counted, so that a small null says little.
    """
    order = np.argsort(-score_n, kind="stable")
    beyond = len(null) - np.searchsorted(np.sort(null), score_n[order])
    by_chance = (beyond + 1) / (len(null) + 1) * len(score_n) / np.arange(1, len(score_n) + 1)
    fits = np.flatnonzero(by_chance <= share)
    return np.sort(order[: fits[-1] + 1 if len(fits) else 0])


def _trial(sought: _Sought, rows: NDArray[np.int64]) -> Trial:
    cohort = sought.cohort
    same = cohort.rows[~np.isin(cohort.rows, np.concatenate([rows, sought.strange]))]
    number = 0 if cohort.label is None else cohort.label
    return Trial(number=number, label=cohort.label, suspected=rows, same=same, others=sought.others)


def _proposal(cohort: Cohort, rows: NDArray[np.int64], test: TriggerTest, *, number: int, family: int) -> Proposal:
    return Proposal(
        kind=Kind.CARRIERS,
        number=number,
        cohort=cohort.number,
        label=cohort.label,
        name=cohort.name,
        rows=cohort.rows,
        chance=np.isin(cohort.rows, rows).astype(np.float64),
        statistic=(test.turned - test.at_random) / test.tried,
        required=EXPERIMENT.least_share,
        simulate=lambda: test.p_value,
        family=family,
        stands_alone=False,
    )
