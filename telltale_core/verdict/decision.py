"""The decision: which cohorts hold poison, at a stated false-alarm rate, and what becomes of each sample.

The rule, in order. (1) Within each cohort (the samples of one label; all samples where the task has no labels) the
most separate split in two is found. (2) A cohort is *called* when the p-value of the split, times the number of
cohorts, is at most ``false_alarm_rate`` and the two sides stand at least ``min_separation`` apart, and ``min_ratio``
times as far as the best splits of the other cohorts usually do: clean labels have sub-modes, too. (3) Of a called
cohort's two sides the suspected one is the smaller; where they are of like size, the larger one if its losses are
lower by more than the spread of the other cohorts' levels. Of ranges of targets it is, whatever the sizes, the one
whose losses are lower by so much; where neither's are and the sizes are alike, the one whose levels lie closer
together: poison with one target is predicted alike and errs alike, an honest target is noisy. (4) Its samples are
quarantined, those between the sides are set aside. (5) A significant cohort with six tenths of the required separation
gets a leave-out retraining (:mod:`telltale_core.verdict.leave_out`) and is called where that confirms it; one that it
refutes and that has less than one and a half times what is required is set aside. Where the larger side of a label is
suspected, the smaller one is asked about as well, as strictly as what is a covariance shift: it is suspected instead
where that confirms it and takes it for more different others. Set aside is one that misses what is required by a
twentieth or less and is not confirmed. What a significant split leaves
of its cohort is split once more and judged by the same rule: a poison may hide behind another cluster.
(6) Over all labels together: samples on the loss plateau (:mod:`telltale_core.verdict.loss_plateau`) are called when
they are a second mode, at the same corrected significance, at about that loss. (7) What no test could judge is held
for a person's review (:mod:`telltale_core.verdict.untested`).

What is usual is told by one sample of each group of near-duplicates (:mod:`telltale_core.verdict.near_duplicates`),
and which side is the smaller one; else (1) to (6) are about all samples. But what has less than ``min_cluster``
different ones is set aside, not quarantined, and asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from telltale_core.spectrum import Spectra
from telltale_core.verdict.cohort import MIN_COHORT, MIN_TESTED_SEPARATION, Findings, examine, examine_covariance
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.leave_out import CLEAR, CONSIDERED, LEAST_OTHERS, Retrain, Retraining, Side, leave_out
from telltale_core.verdict.loss_plateau import LossPlateau, deviations_needed, find_loss_plateau
from telltale_core.verdict.near_duplicates import Copies, find_copies
from telltale_core.verdict.record import Group
from telltale_core.verdict.reference import whiteners
from telltale_core.verdict.significance import LEAST_NULL
from telltale_core.verdict.statement import without
from telltale_core.verdict.untested import NOT_FINITE, decide_untested
from telltale_core.verdict.wrong_labels import doubtful_labels, reason

T = TypeVar("T")
BORDERLINE = 0.1
"""A sample of a called cohort whose chance of the suspected side is between this and one half is set aside."""
UNCALLED_CEILING = 0.49
NEARLY = 0.95
"""A significant split at least this share of the required separation apart is set aside."""
USUAL_QUANTILE = 0.75
"""Up to a quarter of the other cohorts may be attacked, too, before that raises what is required."""
MIN_USUAL = 3
"""What is usual in the other cohorts is known from this many on."""
MOST_ALONE = 4000
"""Where all samples are one cohort, so many of them are searched for a split; the others follow it."""
SCATTER_RATIO = 2.0
"""A covariance shift is asked about from so many times what is usual in the other labels on."""
LEAST_EXCESS = 0.5
"""What such a split gains at least, in nats a sample."""
LIKE_SIZE = 0.25
"""From this share of its cohort on, the smaller side need not be the poisoned one."""


class _Copied(TypedDict):
    copies: int
    originals: int
    only_copies: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """One entry a sample, in the order given: suspicion in [0, 1] (higher is worse), cluster, decision, reason.

    ``groups`` has one entry a cohort, in the order of the labels, then one a second cluster; a group's ``number`` is
    that in ``cluster``. ``doubtful``: kept, but the label looks wrong. ``not_retrained``: no leave-out retraining
    where one was due. ``untested``: no test could judge it; of these ``non_finite`` have a loss that is not a finite
    number.
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


def decide(
    sample_ids: NDArray[np.str_],
    spectra: Spectra,
    labels: NDArray[np.int64] | None,
    label_names: tuple[str, ...] | None,
    config: VerdictConfig,
    *,
    word: str = "label",
    retrain: Retrain | None = None,
    leaders: NDArray[np.str_] | None = None,
) -> Decisions:
    """Return the decision on every sample; permuting the rows permutes the result, bit for bit.

    ``labels`` number the cohorts, which ``word`` calls by what they are: a label, or a range of targets. ``retrain``
    trains a proxy without the samples it is given, where there is doubt; without it no leave-out retraining is done.
    ``leaders`` (N,) names the sample that each is a near-duplicate of, itself for others; None: nothing is a copy.
    """
    said = word if labels is not None else "drop"
    order = np.argsort(sample_ids, kind="stable")
    by_label = labels is not None and config.cohorts != "all"
    cohorts = _cohorts(order[spectra.finite[order]], labels if by_label else None)
    copies = find_copies(sample_ids, leaders, [rows for _, rows in cohorts])
    one_of_each = [copies.one_of_each(rows) for _, rows in cohorts]
    features_NF = spectra.features if word == "label" else _with_level(spectra)
    with threadpool_limits(1):  # many small problems: threads only get in each other's way
        usual = whiteners(features_NF, one_of_each)
        findings = [
            examine(features_NF[rows], config, whitener, most=None if by_label else MOST_ALONE)
            for (_, rows), whitener in zip(cohorts, usual, strict=True)
        ]
        findings = [
            finding if len(one) >= MIN_COHORT else replace(finding, tested=False)  # copies make no label large enough
            for finding, one in zip(findings, one_of_each, strict=True)
        ]
        without_copies = [
            finding if len(one) == len(rows) else examine(features_NF[one], config, whitener)
            for finding, (_, rows), one, whitener in zip(findings, cohorts, one_of_each, usual, strict=True)
        ]
        guesses = _ordered(order, spectra, labels if word == "label" else None, config)
        required = [_required(_but(without_copies, place), config) for place in range(len(cohorts))]
        p_values = _p_values(findings, required, config)
    tested = max(1, sum(finding.tested for finding in findings) + guesses.tested)
    columns = _blank(len(sample_ids))
    judged = [
        _Cohort(
            number=number,
            label=label,
            name=label_names[label] if label_names is not None and label is not None else None,
            word=said,
            rows=rows,
            chance=_oriented(finding, rows, spectra, said, copies),
            finding=finding,
            copies=copies,
            required=required[number],
            p=None if p is None else min(1.0, p * tested),
            family=tested,
        )
        for number, ((label, rows), finding, p) in enumerate(zip(cohorts, findings, p_values, strict=True))
    ]
    asking = config.leave_out and len(cohorts) > LEAST_OTHERS
    doubted = asking and _doubted(judged, config)
    if by_label:
        judged += _secondary(judged, features_NF, usual, spectra, config, doubted=doubted and retrain is not None)
    if asking and word == "label":
        judged += _by_covariance(judged[: len(cohorts)], features_NF, usual, config, first=len(judged) + 1)
    doubted = doubted or (asking and any(cohort.unclear(config) for cohort in judged))
    retraining = None
    if doubted and retrain and labels is not None:
        retraining = _retrainings(judged, spectra, labels, retrain, config)
    groups = [_rule(columns, cohort, (retraining or {}).get(cohort.number), config) for cohort in judged]
    if guesses.tested:
        groups.append(_rule_on_plateau(columns, guesses, len(cohorts), tested, config, copies=copies))
    untested_N = _untested(columns, judged[: len(cohorts)], spectra.finite, config)
    groups = [_counted(group, columns) for group in groups]
    doubtful_N = doubtful_labels(spectra.level, [rows for _, rows in cohorts], one_of_each)
    doubtful_N &= (columns["decision"] == "keep") & ~untested_N
    columns["reason"][doubtful_N] = reason(said)
    return Decisions(
        groups=tuple(groups),
        doubtful=doubtful_N,
        untested=untested_N,
        non_finite=int((~spectra.finite).sum()),
        not_retrained=doubted and retraining is None,
        **columns,
    )


def _ordered(
    order: NDArray[np.int64], spectra: Spectra, labels: NDArray[np.int64] | None, config: VerdictConfig
) -> LossPlateau:
    """Return the guesses of rows taken by id, in the order given: permuting the rows permutes them."""
    own = None if labels is None else labels[order]
    plateau = find_loss_plateau(spectra.motion[order], spectra.finite[order], own, config)
    chance_N = np.empty(len(order))
    chance_N[order] = plateau.chance
    return replace(plateau, chance=chance_N)


def _with_level(spectra: Spectra) -> NDArray[np.float64]:
    """Return the spectra with the level beside them, (N, F + 1): an honest target is noisy, a poisoned one is not."""
    return np.column_stack([spectra.features, spectra.level])


def _cohorts(rows: NDArray[np.int64], labels: NDArray[np.int64] | None) -> list[tuple[int | None, NDArray[np.int64]]]:
    if labels is None:
        return [(None, rows)]
    return [(int(label), rows[labels[rows] == label]) for label in np.unique(labels[rows])]


def _blank(samples: int) -> dict[str, NDArray]:  # type: ignore[type-arg]
    return {
        "suspicion": np.zeros(samples),
        "cluster": np.full(samples, -1, dtype=np.int32),
        "decision": np.full(samples, "keep", dtype="U10"),
        "reason": np.full(samples, "moves with the other samples of its cohort", dtype=object),
    }


def _but(values: list[T], place: int) -> list[T]:
    """Return the values without the one at ``place``."""
    return [*values[:place], *values[place + 1 :]]


def _required(others: list[Findings], config: VerdictConfig) -> float:
    """Return how far apart a cohort's two sides must stand, given what the other cohorts show."""
    usual = [max(other.separation, LEAST_NULL) for other in others if other.tested]
    if len(usual) < MIN_USUAL:
        return config.min_separation
    return max(config.min_separation, config.min_ratio * float(np.quantile(usual, USUAL_QUANTILE)))


def _p_values(findings: list[Findings], required: list[float], config: VerdictConfig) -> list[float | None]:
    """Return each cohort's p-value before correction, None where nothing hangs on it.

    Simulated are the cohort that comes nearest to what is required of it, which the statement names, and all that come
    near enough to be called or set aside.
    """
    share = [finding.separation / need for finding, need in zip(findings, required, strict=True)]
    return [
        finding.p_value(config) if reached >= NEARLY or reached == max(share) else None
        for finding, reached in zip(findings, share, strict=True)
    ]


def _secondary(
    cohorts: list[_Cohort],
    features_NF: NDArray[np.floating],
    usual: list[NDArray[np.float64]],
    spectra: Spectra,
    config: VerdictConfig,
    *,
    doubted: bool,
) -> list[_Cohort]:
    """Return what splits leave of their cohorts, as cohorts: another cluster may stand behind the first.

    Those are looked at that are significant or, where there is ``doubted``, that may be.
    """
    clusters: list[_Cohort] = []
    for cohort in cohorts:
        if cohort.share < CONSIDERED or not (doubted or cohort.significant(config)):
            continue
        rows = cohort.rows[cohort.chance <= 0.5]
        with threadpool_limits(1):
            finding = examine(features_NF[rows], config, usual[cohort.number])
        secondary = replace(
            cohort,
            number=len(cohorts) + 1 + len(clusters),  # that after the cohorts' is the guesses'
            name=f"{cohort.name or cohort.label} (secondary cluster)",
            rows=rows,
            chance=_oriented(finding, rows, spectra, cohort.word, cohort.copies),
            finding=finding,
            p=None,
            family=2 * cohort.family,  # at most as many again
        )
        if finding.separation > 0:
            clusters.append(secondary.tested(config) if secondary.share >= NEARLY else secondary)
    return clusters


def _by_covariance(
    cohorts: list[_Cohort],
    features_NF: NDArray[np.floating],
    usual: list[NDArray[np.float64]],
    config: VerdictConfig,
    *,
    first: int,
) -> list[_Cohort]:
    """Return labels whose covariance shift is far larger than the others', numbered from ``first`` on.

    Only a leave-out retraining calls them. Those that are called anyway, or asked about both ways round, are not among
    them.
    """
    with threadpool_limits(1):
        scatters = [examine_covariance(features_NF[c.rows], config, w) for c, w in zip(cohorts, usual, strict=True)]
        one_of_each = [cohort.copies.one_of_each(cohort.rows) for cohort in cohorts]
        without_copies = [
            scatter if len(one) == len(cohort.rows) else examine_covariance(features_NF[one], config, whitener)
            for scatter, cohort, one, whitener in zip(scatters, cohorts, one_of_each, usual, strict=True)
        ]
    shifts: list[_Cohort] = []
    for place, (cohort, scatter) in enumerate(zip(cohorts, scatters, strict=True)):
        others = [other.excess for other in _but(without_copies, place) if other is not None]
        by_motion = cohort.significant(config) and (cohort.separate or cohort.larger)
        if scatter is None or len(others) < MIN_USUAL or by_motion:
            continue
        required = max(LEAST_EXCESS, SCATTER_RATIO * float(np.quantile(others, USUAL_QUANTILE)))
        if scatter.excess < required or not (scatter.chance > 0.5).any():
            continue
        shifts.append(
            replace(
                cohort,
                number=first + len(shifts),
                name=f"{cohort.name or cohort.label} (covariance shift)",
                kind="scatter",
                chance=_of_smaller(scatter.chance, cohort.rows, cohort.copies),
                finding=replace(cohort.finding, separation=scatter.excess),
                required=required,
                p=None,
            )
        )
    return shifts


def _doubted(cohorts: list[_Cohort], config: VerdictConfig) -> bool:
    """Return whether a call is not clear, or the most separate of the splits below the rule is significant.

    Its p-value stays in the list.
    """
    if any(cohort.unclear(config) for cohort in cohorts):
        return True
    doubtful = [place for place, cohort in enumerate(cohorts) if CONSIDERED <= cohort.share < 1]
    if not doubtful:
        return False
    first = max(doubtful, key=lambda place: cohorts[place].share)
    cohorts[first] = cohorts[first].tested(config)
    return cohorts[first].significant(config)


def _retrainings(
    cohorts: list[_Cohort],
    spectra: Spectra,
    labels: NDArray[np.int64],
    retrain: Retrain,
    config: VerdictConfig,
) -> dict[int, Retraining] | None:
    """Return by number what a leave-out retraining says of the doubtful cohorts, and of the clear ones beside them.

    Those that it confirms get their p-value if they had none. None: its training came to nothing. Where the larger side
    of a significant split is suspected, another retraining asks about the smaller one: it is suspected instead where
    that confirms it and its other answers are the more diverse.
    """
    doubtful = [place for place, cohort in enumerate(cohorts) if cohort.worth_a_look(config)]
    first = _retrain([cohorts[place] for place in doubtful], spectra, labels, retrain, config)
    if first is None:
        return None
    larger = [place for place in doubtful if cohorts[place].larger and cohorts[place].significant(config)]
    turned = [cohorts[place].turned_round() for place in larger]
    retraining = dict(zip(doubtful, first, strict=True))
    again = _retrain(turned, spectra, labels, retrain, config) or ()
    for place, cohort, outcome in zip(larger, turned, again, strict=False):
        if outcome.confirmed and outcome.spread > retraining[place].spread:
            cohorts[place], retraining[place] = cohort, outcome
    for place, outcome in retraining.items():
        cohorts[place] = cohorts[place].with_outcome(outcome, config)
    return {cohorts[place].number: outcome for place, outcome in retraining.items()}


def _retrain(
    cohorts: list[_Cohort],
    spectra: Spectra,
    labels: NDArray[np.int64],
    retrain: Retrain,
    config: VerdictConfig,
) -> list[Retraining] | None:
    """Return what one training without all of these cohorts' suspected sides says of each."""
    sides = []
    for cohort in cohorts:
        inside_n = cohort.chance > 0.5
        rows, rest = cohort.rows[inside_n], cohort.rows[~inside_n]
        step, usual = _step(rows, rest, cohort.rows, spectra, cohort.copies)
        strict, own = cohort.kind == "scatter" or cohort.turned, int(labels[rows[0]])
        rest = cohort.copies.one_of_each(rest)
        sides.append(Side(rows=rows, rest=rest, cohort=own, harder=step > usual, strict=strict))
    if not sides:
        return []
    level, seed = config.false_alarm_rate, config.seed
    return leave_out(sides, labels, retrain, level=level, seed=seed, copies=cohorts[0].copies)


def _step(
    rows: NDArray[np.int64], rest: NDArray[np.int64], cohort: NDArray[np.int64], spectra: Spectra, copies: Copies
) -> tuple[float, float]:
    """Return how much higher the losses of ``rows`` lie than those of ``rest``, and how far other cohorts' stray."""
    others = copies.one_of_each(np.setdiff1d(np.flatnonzero(spectra.finite), cohort))
    level_N = spectra.level
    return float(np.median(level_N[rows]) - np.median(level_N[rest])), 1.4826 * _deviation(level_N[others])


def _oriented(
    finding: Findings, rows: NDArray[np.int64], spectra: Spectra, word: str, copies: Copies
) -> NDArray[np.float64]:
    """Return each row's chance of being on the suspected side.

    That is the side of fewer different samples (a poison may be copied until it has more rows), unless the sides are of
    like size and the larger one is by far the easier to learn: then the poison is the majority of its label, as at high
    rates it is. A range of targets holds a tenth of the samples, so that a poison can fill it and size says nothing:
    there it is the side that is by far the easier to learn. Where neither is, it is the smaller one, and of sides of
    like size the one whose levels lie closer together.
    """
    chance_n = _of_smaller(finding.chance, rows, copies)
    inside_n = chance_n > 0.5
    alike, ranges = copies.share(rows, inside_n) >= LIKE_SIZE, word == "target range"
    if len(rows) == spectra.finite.sum() or not inside_n.any() or not (alike or ranges):
        return chance_n
    step, usual = _step(rows[inside_n], rows[~inside_n], rows, spectra, copies)
    other_side = step > usual
    if ranges and alike and abs(step) <= usual:
        level_N = spectra.level
        other_side = _deviation(level_N[rows[inside_n]]) > _deviation(level_N[rows[~inside_n]])
    return 1 - chance_n if other_side else chance_n


def _of_smaller(chance_n: NDArray[np.float64], rows: NDArray[np.int64], copies: Copies) -> NDArray[np.float64]:
    """Return each row's chance of the side with fewer different samples, given that of the side with fewer rows."""
    return 1 - chance_n if copies.share(rows, chance_n > 0.5) > 0.5 else chance_n


def _deviation(value_n: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(value_n - np.median(value_n))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cohort:
    """What is known of a cohort; ``p`` is corrected for the ``family`` of tests, None: nothing hangs on it so far.

    ``turned``: a leave-out retraining made the other one its suspected side.
    """

    number: int
    label: int | None
    name: str | None
    word: str
    rows: NDArray[np.int64]
    chance: NDArray[np.float64]
    finding: Findings
    copies: Copies
    required: float
    p: float | None
    family: int
    kind: Literal["together", "scatter"] = "together"
    turned: bool = False

    @property
    def where(self) -> str:
        """What it is called in a sentence."""
        return "the drop" if self.label is None else f"{self.word} {self.name or self.label}"

    @property
    def share(self) -> float:
        """How far it stands out, as a share of what is required."""
        return self.finding.separation / self.required

    @property
    def separate(self) -> bool:
        """Whether it is called if nothing speaks against it."""
        return self.kind == "together" and self.share >= 1

    @property
    def larger(self) -> bool:
        """Whether the larger side of a label is suspected: it is easier to learn, as an honest one may be, too."""
        most = self.kind == "together" and self.word == "label"
        return most and self.copies.share(self.rows, self.chance > 0.5) > 0.5

    def turned_round(self) -> _Cohort:
        """Return it with the other side suspected."""
        return replace(self, chance=1 - self.chance, turned=True)

    def tested(self, config: VerdictConfig) -> _Cohort:
        """Return it with its p-value, which takes a while to find."""
        if self.p is not None:
            return self
        with threadpool_limits(1):
            return replace(self, p=min(1.0, self.finding.p_value(config) * self.family))

    def significant(self, config: VerdictConfig) -> bool:
        return self.p is not None and self.p <= config.false_alarm_rate

    def unclear(self, config: VerdictConfig) -> bool:
        """Whether it is called by what is required, but not so far beyond that nothing else need be asked.

        A label's larger side is always asked about. What scatters otherwise is called by nothing but a leave-out
        retraining.
        """
        open_to_doubt = self.share < CLEAR or self.larger
        return self.kind == "scatter" or (self.separate and open_to_doubt and self.significant(config))

    def near(self, config: VerdictConfig) -> bool:
        """Whether it is set aside where it is not called."""
        return self.kind == "together" and self.share >= NEARLY and self.significant(config)

    def worth_a_look(self, config: VerdictConfig) -> bool:
        """Whether a leave-out retraining is asked about it, once one is taken."""
        enough = self.kind == "scatter" or self.finding.separation >= MIN_TESTED_SEPARATION
        open_so_far = self.p is None or self.significant(config)
        in_two = 0 < (self.chance > 0.5).sum() < len(self.rows)
        return bool(self.share >= CONSIDERED and enough and open_so_far and in_two)

    def with_outcome(self, retraining: Retraining, config: VerdictConfig) -> _Cohort:
        """Return it with the p-value that hangs on what a leave-out retraining saw."""
        if self.kind == "scatter":
            return replace(self, p=min(1.0, retraining.p_value * self.family))
        return self.tested(config) if retraining.confirmed else self


def _rule(
    columns: dict[str, NDArray],  # type: ignore[type-arg]
    cohort: _Cohort,
    retraining: Retraining | None,
    config: VerdictConfig,
) -> Group:
    """Write the cohort's decisions into ``columns`` and return its line.

    ``retraining`` is what a leave-out retraining saw.
    """
    rows, chance_n, finding, p, required = cohort.rows, cohort.chance, cohort.finding, cohort.p, cohort.required
    significant = cohort.significant(config)
    refuted = cohort.separate and cohort.share < CLEAR and retraining is not None and retraining.refuted
    inside_n = chance_n > 0.5
    stands_out = significant and (
        (cohort.separate and not refuted) or (retraining is not None and retraining.confirmed)
    )
    few = stands_out and _too_few(cohort.copies, rows[inside_n], config)
    called = stands_out and not few
    by_retraining = called and (cohort.turned or not cohort.separate)
    open_n = columns["decision"][rows] != "quarantine"  # by its losses' motion some may be already
    where = cohort.where
    ceiling = 1.0 if called else UNCALLED_CEILING * min(1.0, finding.separation / required)
    suspicion_n = np.clip(chance_n * ceiling, 0.0, 1.0)  # a posterior may be rounded past either end
    honest_n = np.zeros(len(rows), dtype=bool)
    if by_retraining and retraining is not None:
        honest_n[inside_n] = retraining.honest
        suspicion_n[honest_n] *= UNCALLED_CEILING
    columns["suspicion"][rows] = np.maximum(columns["suspicion"][rows], suspicion_n)
    if called:
        border_n = (chance_n > BORDERLINE) & ~inside_n & open_n
        because = _because(cohort, where, int(inside_n.sum()), retraining if by_retraining else None)
        between = f"stands between the suspected cluster of {where} and the rest"
        own_answer = (
            f"stands in the suspected cluster of {where}, but a proxy that learnt without it gives it its own answer"
        )
        _set(columns, rows[inside_n & ~honest_n], cohort.number, "quarantine", because)
        _set(columns, rows[border_n], cohort.number, "review", between)
        _set(columns, rows[honest_n & open_n], cohort.number, "review", own_answer)
    elif few:
        because = _mostly_copies(cohort.copies, rows[inside_n], where, config)
        _set(columns, rows[(chance_n > BORDERLINE) & open_n], cohort.number, "review", because)
    elif cohort.near(config):
        weak = (
            f"belongs to a weak cluster of {where}: significant, but only {finding.separation:.1f} deviations apart, "
        )
        weak += f"{required:.1f} are needed"
        if retraining is not None and cohort.separate:
            weak = f"belongs to a cluster of {where}, {finding.separation:.1f} deviations apart, that a "
            weak += f"leave-out retraining does not confirm: {without(retraining.own, retraining.usual)}"
        _set(columns, rows[inside_n], cohort.number, "review", weak)
    return Group(
        number=cohort.number,
        label=cohort.label,
        label_name=cohort.name,
        word=cohort.word,
        kind=cohort.kind,
        samples=len(rows),
        size=int(inside_n.sum()) if significant else 0,
        **_copied(cohort.copies, rows[inside_n] if significant else rows[:0], few=few),
        statistic=round(finding.separation, 4),
        threshold=round(required, 4),
        p_value=p,
        tested=finding.tested,
        called=called,
        confirmed=by_retraining,
        turned=cohort.turned,
        refuted=significant and refuted,
        own=None if retraining is None else retraining.own,
        own_usual=None if retraining is None else retraining.usual,
        spread=None if retraining is None else retraining.spread,
    )


def _rule_on_plateau(
    columns: dict[str, NDArray],  # type: ignore[type-arg]
    plateau: LossPlateau,
    number: int,
    tested: int,
    config: VerdictConfig,
    *,
    copies: Copies,
) -> Group:
    """Write the decisions on samples on the loss plateau into ``columns`` where nothing else was decided of them."""
    p = min(1.0, plateau.p_value * tested)
    stands_out = p <= config.false_alarm_rate and plateau.near_guess
    chance_N = np.where(columns["decision"] == "keep", plateau.chance, 0.0)
    inside_N, border_N = chance_N > 0.5, (chance_N > BORDERLINE) & (chance_N <= 0.5)
    inside = np.flatnonzero(inside_N)
    few = stands_out and _too_few(copies, inside, config)
    called = stands_out and not few
    if few:
        because = _mostly_copies(copies, inside, "any label that keep the loss of a guess", config)
        _set(columns, np.flatnonzero(inside_N | border_N), number, "review", because)
    if called:
        columns["suspicion"] = np.maximum(columns["suspicion"], chance_N)
        because = (
            f"its loss stays at that of a guess over the labels and hardly moves, as that of {inside_N.sum() - 1} "
            f"others (p = {p:.1e}): the proxy learnt a feature that comes with labels at random"
        )
        _set(columns, inside, number, "quarantine", because)
        between = "stands between the samples on the loss plateau and the rest"
        _set(columns, np.flatnonzero(border_N), number, "review", between)
    return Group(
        number=number,
        kind="guess",
        label=None,
        label_name="any label, at random",
        samples=len(chance_N),
        size=len(inside) if stands_out else 0,
        **_copied(copies, inside if stands_out else inside[:0], few=few),
        statistic=round(plateau.separation, 4),
        threshold=round(deviations_needed(config.false_alarm_rate / tested), 4),
        p_value=p,
        tested=True,
        called=called,
    )


def _too_few(copies: Copies, rows: NDArray[np.int64], config: VerdictConfig) -> bool:
    """Return whether a suspected side is large enough for nothing but its copies."""
    return copies.different(rows) < min(config.min_cluster, len(rows))


def _mostly_copies(copies: Copies, rows: NDArray[np.int64], where: str, config: VerdictConfig) -> str:
    return (
        f"belongs to a cluster of {len(rows)} samples of {where} that are {copies.different(rows)} different ones and "
        f"their near-duplicates: {config.min_cluster} different ones are needed for a verdict"
    )


def _copied(copies: Copies, rows: NDArray[np.int64], *, few: bool) -> _Copied:
    copied, originals = copies.counted(rows)
    return {"copies": copied, "originals": originals, "only_copies": few}


def _untested(
    columns: dict[str, NDArray],  # type: ignore[type-arg]
    cohorts: list[_Cohort],
    finite_N: NDArray[np.bool_],
    config: VerdictConfig,
) -> NDArray[np.bool_]:
    """Return which samples (N,) no test could judge, having written into ``columns`` what becomes of them."""
    untested_N = ~finite_N
    decide_untested(columns, np.flatnonzero(untested_N), NOT_FINITE, config)
    for cohort in cohorts:
        if cohort.finding.tested:
            continue
        rows = cohort.rows[columns["decision"][cohort.rows] == "keep"]  # others were found by a test over all labels
        count, held = len(cohort.copies.one_of_each(cohort.rows)), len(cohort.rows)
        kind = ("" if count == held else "different ") + ("sample" if count == 1 else "samples")
        few = f"{cohort.where} has {count} {kind} with losses, {MIN_COHORT} are needed"
        because = few if count < MIN_COHORT else f"the losses of all samples of {cohort.where} are alike"
        decide_untested(columns, rows, because, config, cluster=cohort.number)
        untested_N[rows] = True
    return untested_N


def _counted(group: Group, columns: dict[str, NDArray]) -> Group:  # type: ignore[type-arg]
    """Return a group with how many samples of its cluster are quarantined and set aside, once all is decided."""
    decision_n = columns["decision"][columns["cluster"] == group.number]
    quarantined, review = (int((decision_n == name).sum()) for name in ("quarantine", "review"))
    return replace(group, quarantined=quarantined, review=review)


def _because(cohort: _Cohort, where: str, size: int, retraining: Retraining | None) -> str:
    p, distance = cohort.p, cohort.finding.separation
    if cohort.kind == "scatter" and retraining is not None:
        return (
            f"its loss swings as those of {size - 1} other samples of {where} do and otherwise than the rest's, and "
            f"{without(retraining.own, retraining.usual)} (p = {p:.1e})"
        )
    return (
        f"its loss moves in step with {size - 1} other samples of {where}, {distance:.1f} standard deviations "
        f"from the rest (p = {p:.1e}): they share a feature that the proxy learnt as one"
        + ("" if retraining is None else f", and {without(retraining.own, retraining.usual)}")
    )


def _set(columns: dict[str, NDArray], rows: NDArray[np.int64], cluster: int, decision: str, reason: str) -> None:  # type: ignore[type-arg]
    columns["cluster"][rows] = cluster
    columns["decision"][rows] = decision
    columns["reason"][rows] = reason
