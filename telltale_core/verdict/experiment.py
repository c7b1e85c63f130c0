"""The trigger, by experiment: what a called group shares is put on kept samples of other labels, and the proxy asked.

Estimates come from the kind of data (:mod:`telltale_core.modality.triggers`). The one that turns most of some samples
is judged by others, beside two controls of the same size: one taken at random, and one estimated in the same way from
kept samples of the group's own label, as honest samples of a label share things, too. Nothing is decided by it.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telltale_core.drop import Drop
from telltale_core.errors import ConfigError, OverBudget, StorageError
from telltale_core.modality import modality_named
from telltale_core.modality.triggers import FEWEST, Sides, Trigger, some
from telltale_core.verdict.conclude import Decisions
from telltale_core.verdict.constants import EXPERIMENT
from telltale_core.verdict.record import TRIGGERS, Group, TriggerTest
from telltale_core.verdict.statement import into

Ask = Callable[[NDArray[Any]], NDArray[Any]]
"""What the drop's proxy answers to packed samples (B, ...): labels, targets in the drop's units, or sets of labels."""
logger = logging.getLogger(__name__)
NOT_ASKED = (ConfigError, StorageError, OverBudget, ImportError)
"""Why a proxy cannot be asked here: its files, a library or a precision that this machine lacks, memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tried:
    """Decisions that say what the experiments found, and the samples to show (see ``TRIGGERS``)."""

    decisions: Decisions
    shown: pa.Table


def try_triggers(decisions: Decisions, drop: Drop, ask: Ask, seed: int) -> Tried:
    """Return the decisions with what the experiment on each called group found; as they are where none can be made."""
    try:
        return _with_triggers(decisions, drop, ask, seed)
    except NOT_ASKED as error:
        logger.warning("cluster: no trigger was tried, the verdict stands without it: %s", error)
        return Tried(decisions=decisions, shown=TRIGGERS.empty_table())


def _with_triggers(decisions: Decisions, drop: Drop, ask: Ask, seed: int) -> Tried:
    """Return what the experiments on the largest called groups found."""
    called = sorted((group for group in decisions.groups if group.quarantined), key=lambda group: -group.quarantined)
    outcomes = {group.number: _tried(group, decisions, drop, ask, seed) for group in called[: EXPERIMENT.most_groups]}
    found = {number: outcome for number, outcome in outcomes.items() if outcome is not None}
    groups = [
        dataclasses.replace(group, trigger=found[group.number][0]) if group.number in found else group
        for group in decisions.groups
    ]
    reasons = decisions.reason.copy()
    for group in groups:
        if group.trigger is not None and group.trigger.works:
            rows = np.flatnonzero((decisions.cluster == group.number) & (decisions.decision == "quarantine"))
            reasons[rows] = [f"{reason}; {group.trigger.sentence(into(group))}" for reason in reasons[rows]]
    shown = [part for _, part in found.values()]
    return Tried(
        decisions=dataclasses.replace(decisions, groups=tuple(groups), reason=reasons),
        shown=pa.concat_tables(shown) if shown else TRIGGERS.empty_table(),
    )


def _tried(group: Group, decisions: Decisions, drop: Drop, ask: Ask, seed: int) -> tuple[TriggerTest, pa.Table] | None:
    """Return what an experiment on a group found, and samples to show; None where there is too little to try."""
    rng = np.random.default_rng([seed, group.number or 0])
    rows = _rows(group, decisions, drop)
    if rows is None:
        return None
    suspected, same, others = (_in_order(part, drop.sample_ids, rng) for part in rows)
    tested, rest = _that_answer_otherwise(group, others, drop, ask)
    half = min(EXPERIMENT.choosing, len(tested) // 3)
    choosing, judging = tested[:half], tested[half:]
    if len(suspected) < FEWEST or len(choosing) < FEWEST or len(rest) < FEWEST:
        return None
    inputs, kind = drop.inputs, modality_named(drop.modality)
    sides = Sides(suspected=some(inputs, suspected), same=some(inputs, same), others=some(inputs, rest))
    turns = _Turns(group=group, drop=drop, ask=ask)
    best = _most_turning(kind.triggers(drop, sides), inputs[choosing], turns)
    if best is None:
        return None
    before = np.asarray(inputs[judging])
    after = best.put_on(before)
    turned_B = turns(after, before)
    controls = [best.at_random(sides.others, np.random.default_rng(seed + draw)) for draw in range(EXPERIMENT.draws)]
    honest = [
        trigger.no_larger(best.size) for trigger in kind.triggers(drop, _honest(sides)) if type(trigger) is type(best)
    ]
    strongest = _most_turning(honest, inputs[choosing], turns)
    controls += [] if strongest is None else [strongest]
    at_random = max(int(turns(control.put_on(before), before).sum()) for control in controls)
    outcome = TriggerTest(words=best.words, tried=len(judging), turned=int(turned_B.sum()), at_random=at_random)
    return outcome, _shown(group, drop.sample_ids[judging], after, turned_B)


def _rows(group: Group, decisions: Decisions, drop: Drop) -> tuple[NDArray[np.int64], ...] | None:
    """Return the group's quarantined rows, kept ones of its label, and of others; of any label all kept ones twice."""
    kept_N = decisions.decision == "keep"
    suspected = np.flatnonzero((decisions.cluster == group.number) & (decisions.decision == "quarantine"))
    if group.label is None or drop.cohorts is None:
        return suspected, np.flatnonzero(kept_N), np.flatnonzero(kept_N)
    own_N = drop.cohorts.number == group.label
    return suspected, np.flatnonzero(kept_N & own_N), np.flatnonzero(kept_N & ~own_N)


def _in_order(rows: NDArray[np.int64], sample_ids: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows at random, but the same samples whatever the order of the drop."""
    return rng.permutation(rows[np.argsort(sample_ids[rows], kind="stable")])


def _that_answer_otherwise(
    group: Group, others: NDArray[np.int64], drop: Drop, ask: Ask
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows that the proxy does not take for the group's label as they are, to be tried, and rows beside them."""
    drawn, rest = np.sort(others[: 2 * EXPERIMENT.tried]), others[2 * EXPERIMENT.tried :]
    if not len(drawn):
        return drawn, rest
    if len(rest) < FEWEST:
        rest = drawn
    if group.label is None:
        return drawn[: EXPERIMENT.tried + EXPERIMENT.choosing], rest
    otherwise = drawn[~_is_of(ask(np.asarray(drop.inputs[drawn])), group.label, drop)]
    return otherwise[: EXPERIMENT.tried + EXPERIMENT.choosing], rest


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Turns:
    """Which samples a change turns into the group's label; for a group of any label, into another answer at all."""

    group: Group
    drop: Drop
    ask: Ask

    def __call__(self, after: NDArray[Any], before: NDArray[Any]) -> NDArray[np.bool_]:
        if self.group.label is not None:
            return _is_of(self.ask(after), self.group.label, self.drop)
        changed = self.ask(after) != self.ask(before)
        return np.asarray(changed.reshape(len(changed), -1).any(axis=1))


def _is_of(answers: NDArray[Any], label: int, drop: Drop) -> NDArray[np.bool_]:
    """Return which answers are of a cohort: its label, within its range of targets, its set of labels."""
    members = np.flatnonzero(drop.cohorts.number == label) if drop.cohorts is not None else np.empty(0, np.int64)
    if drop.targets is not None:
        targets = drop.targets[members]
        inside = (answers >= targets.min(axis=0)) & (answers <= targets.max(axis=0))
        return np.asarray(inside.reshape(len(inside), -1).all(axis=1))
    if drop.label_sets is not None:
        return np.asarray((answers == drop.label_sets[members[0]]).all(axis=1))
    return np.asarray(answers == label)


def _most_turning(triggers: Sequence[Trigger], before: NDArray[Any], turns: _Turns) -> Trigger | None:
    """Return the estimate that turns most samples, of equal ones the first; None where there is none."""
    before = np.asarray(before)
    counts = [int(turns(trigger.put_on(before), before).sum()) for trigger in triggers]
    return triggers[int(np.argmax(counts))] if counts else None


def _honest(sides: Sides) -> Sides:
    """Return the sides with as many kept samples of the label in the place of the suspected ones."""
    size = min(len(sides.suspected), len(sides.same) // 2)
    return Sides(suspected=sides.same[:size], same=sides.same[size:], others=sides.others)


def _shown(group: Group, ids: NDArray[np.str_], after: NDArray[Any], turned_B: NDArray[np.bool_]) -> pa.Table:
    """Return some of the samples that were tried, those that turned first."""
    first = np.argsort(~turned_B, kind="stable")[: EXPERIMENT.shown]
    columns = {
        "cluster": [group.number] * len(first),
        "sample_id": ids[first].tolist(),
        "turned": turned_B[first].tolist(),
        "after": [np.ascontiguousarray(after[row]).tobytes() for row in first],
    }
    return pa.table(columns, schema=TRIGGERS)
