"""The trigger, by experiment: what a called group shares is put on kept samples of other labels, and the proxy asked.

Estimates come from the kind of data (:mod:`telltale_core.modality.triggers`). The one that turns most of some samples
is judged by others, beside two controls of the same size: one taken at random, and one estimated in the same way from
kept samples of the group's own label, as honest samples of a label share things, too.

Something is decided by it in one place: where a leave-out retraining was asked about a group and can tell nothing, as
among two labels, the group is called only if the proxy obeys its trigger.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from telltale_core.drop import Drop
from telltale_core.errors import ConfigError, OverBudget, StorageError
from telltale_core.modality import modality_named
from telltale_core.modality.triggers import FEWEST, Sides, Trigger, Visible, some
from telltale_core.records import Ids
from telltale_core.verdict.constants import CARRIERS, EXPERIMENT
from telltale_core.verdict.record import TRIGGERS, TriggerTest

Ask = Callable[[NDArray[Any]], NDArray[Any]]
"""What the drop's proxy answers to packed samples (B, ...): labels, targets in the drop's units, or sets of labels."""
logger = logging.getLogger(__name__)
HELD = 1024
"""Samples that are looked at together for a trigger that they may hold."""
NOT_ASKED = (ConfigError, StorageError, OverBudget, ImportError)
"""Why a proxy cannot be asked here: its files, a library or a precision that this machine lacks, memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """Rows to try: ``suspected`` of ``label`` (None: of any), kept ones of the ``same`` label, and kept ``others``.

    ``number`` is the proposal's.
    """

    number: int
    label: int | None
    suspected: NDArray[np.int64]
    same: NDArray[np.int64]
    others: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tried:
    """What an experiment found, and some of its samples to show (see ``TRIGGERS``).

    ``holding``: rows of the label that hold a trigger which the proxy obeys, and which others hardly do.
    """

    test: TriggerTest
    shown: pa.Table
    holding: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))


Experiment = Callable[[Trial], Tried | None]
"""Tries the trigger of a group; None where there is too little to try, or nobody to ask."""


def experiment_on(drop: Drop, ask: Ask, seed: int) -> Experiment:
    """Return what tries the triggers of groups of a drop's rows."""

    def experiment(group: Trial) -> Tried | None:
        try:
            return _tried(group, drop, ask, seed)
        except NOT_ASKED as error:
            logger.warning("cluster: no trigger was tried, the verdict stands without it: %s", error)
            return None

    return experiment


def _tried(group: Trial, drop: Drop, ask: Ask, seed: int) -> Tried | None:
    rng = np.random.default_rng([seed, group.number])
    suspected, same, others = (
        _in_order(rows, drop.sample_ids, rng) for rows in (group.suspected, group.same, group.others)
    )
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
    honest = [trigger for trigger in kind.triggers(drop, _honest(sides)) if type(trigger) is type(best)]
    strongest = _most_turning([trigger.no_larger(best.size) for trigger in honest], inputs[choosing], turns)
    controls += [] if strongest is None else [strongest]
    at_random = max(int(turns(control.put_on(before), before).sum()) for control in controls)
    test = TriggerTest(words=best.words, tried=len(judging), turned=int(turned_B.sum()), at_random=at_random)
    holding = _holding(best, group, drop) if test.obeyed else suspected[:0]
    return Tried(test=test, shown=_shown(group, drop.sample_ids[judging], after, turned_B), holding=holding)


def _holding(trigger: Trigger, group: Trial, drop: Drop) -> NDArray[np.int64]:
    """Return the label's rows that hold a trigger; none where it cannot be seen, or where others hold it, too."""
    if not isinstance(trigger, Visible) or group.label is None or not len(group.others):
        return group.suspected[:0]
    rows, others = np.concatenate([group.suspected, group.same]), group.others
    others = others[:: max(1, len(others) // CARRIERS.others)]
    holding = rows[_held(trigger, rows, drop)]
    usual = float(_held(trigger, others, drop).mean())
    return np.sort(holding) if usual * len(rows) <= EXPERIMENT.by_chance * len(holding) else rows[:0]


def _held(trigger: Visible, rows: NDArray[np.int64], drop: Drop) -> NDArray[np.bool_]:
    """Return which of the rows (n,) hold a trigger, some at a time."""
    parts = [
        trigger.held_by(np.asarray(drop.inputs[rows[start : start + HELD]])) for start in range(0, len(rows), HELD)
    ]
    return np.concatenate([np.empty(0, dtype=bool), *parts])


def _in_order(rows: NDArray[np.int64], sample_ids: Ids, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows at random, but the same samples whatever the order of the drop."""
    return rng.permutation(rows[np.argsort(sample_ids[rows], kind="stable")])


def _that_answer_otherwise(
    group: Trial, others: NDArray[np.int64], drop: Drop, ask: Ask
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows that the proxy does not take for the group's label as they are, to be tried, and rows beside them."""
    drawn, rest = others[: 2 * EXPERIMENT.tried], others[2 * EXPERIMENT.tried :]
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

    group: Trial
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


def _shown(group: Trial, ids: Ids, after: NDArray[Any], turned_B: NDArray[np.bool_]) -> pa.Table:
    """Return some of the samples that were tried, those that turned first."""
    first = np.argsort(~turned_B, kind="stable")[: EXPERIMENT.shown]
    columns = {
        "cluster": [group.number] * len(first),
        "sample_id": ids[first].tolist(),
        "turned": turned_B[first].tolist(),
        "after": [np.ascontiguousarray(after[row]).tobytes() for row in first],
    }
    return pa.table(columns, schema=TRIGGERS)
