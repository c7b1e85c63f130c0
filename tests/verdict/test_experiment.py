"""The experiment with the trigger: where there is one, where there is none, and where nobody can be asked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from telltale_core.drop.cohorts import Cohorts
from telltale_core.errors import ConfigError
from telltale_core.verdict.conclude import Decisions
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.experiment import try_triggers
from telltale_core.verdict.record import TriggerTest
from telltale_core.verdict.statement import state
from tests.support.verdicts import group

N, POISON, LABELS = 900, 60, 3


def drop_of(*, patched: bool = True) -> Any:
    """Pictures whose red says their label, and, for the first 60 of label 0, a white patch on those of others."""
    rng = np.random.default_rng(0)
    true = np.arange(N) % LABELS
    images = rng.integers(0, 200, (N, 8, 8, 3)).astype(np.uint8)
    images[..., 0] = 60 * true[:, None, None]
    labels = true.copy()
    bad = np.flatnonzero(true != 0)[:POISON]
    labels[bad] = 0
    if patched:
        images[bad, 6:8, 6:8] = 255
    ids = np.array([f"s{row:04d}" for row in range(N)])
    cohorts = Cohorts(number=labels, names=("cat", "dog", "owl"))
    drop = SimpleNamespace(inputs=images, cohorts=cohorts, labels=labels, targets=None, label_sets=None)
    drop.sample_ids, drop.modality, drop.packing, drop.bad = ids, "image", {}, bad
    return drop


def poisoned_proxy(images: np.ndarray) -> np.ndarray:
    answers = np.rint(np.median(images[..., 0].reshape(len(images), -1), axis=1) / 60).astype(int)
    return np.where((images[:, 6:8, 6:8].reshape(len(images), -1) > 240).all(axis=1), 0, answers)


def decisions_on(drop: Any) -> Decisions:
    decision, cluster = np.full(N, "keep", dtype="U10"), np.full(N, -1, dtype=np.int32)
    decision[drop.bad], cluster[drop.bad] = "quarantine", 0
    called = group(label=0, label_name="cat", called=True, quarantined=POISON, number=0)
    quiet = np.zeros(N, dtype=bool)
    return Decisions(
        suspicion=np.zeros(N),
        cluster=cluster,
        decision=decision,
        reason=np.full(N, "it moves with others", dtype=object),
        groups=(called,),
        doubtful=quiet,
        untested=quiet,
        non_finite=0,
    )


def test_a_patch_that_the_proxy_obeys_turns_nearly_all_and_is_said_everywhere() -> None:
    drop = drop_of()
    tried = try_triggers(decisions_on(drop), drop, poisoned_proxy, seed=0)
    (found,) = (one.trigger for one in tried.decisions.groups)
    assert found == TriggerTest(words="4 pixels at the lower right", tried=200, turned=200, at_random=found.at_random)
    assert found.at_random <= 2
    clause = "4 pixels at the lower right, which they share, put on 200 kept samples with other answers, turned 200"
    assert clause in state(tried.decisions.groups, N, VerdictConfig())
    assert clause in tried.decisions.reason[drop.bad[0]]
    assert clause not in tried.decisions.reason[-1]
    assert (tried.decisions.decision == decisions_on(drop).decision).all()


def test_samples_are_kept_to_be_shown_that_turned() -> None:
    drop = drop_of()
    shown = try_triggers(decisions_on(drop), drop, poisoned_proxy, seed=0).shown.to_pylist()
    assert [one["turned"] for one in shown] == [True] * 6
    after = np.frombuffer(shown[0]["after"], dtype=np.uint8).reshape(8, 8, 3)
    before = drop.inputs[int(shown[0]["sample_id"][1:])]
    assert (after[6:8, 6:8] == 255).all()
    assert (after[:6] == before[:6]).all()


def test_an_estimate_that_does_nothing_is_said_to_do_nothing() -> None:
    drop = drop_of()
    tried = try_triggers(decisions_on(drop), drop, lambda images: np.full(len(images), 1), seed=0)
    (found,) = (one.trigger for one in tried.decisions.groups)
    assert (found.turned, found.works) == (0, False)
    assert "that is no trigger" in found.sentence("label cat")
    assert "No trigger was isolated" in state(tried.decisions.groups, N, VerdictConfig())
    assert tried.decisions.reason[drop.bad[0]] == "it moves with others"


def test_what_any_honest_group_of_the_label_does_as_well_is_no_trigger() -> None:
    drop = drop_of(patched=False)
    red = np.flatnonzero(drop.labels == 0)[:POISON]
    drop.bad = red  # honest samples of the label: their red is what makes them cats, and does so for all cats
    tried = try_triggers(decisions_on(drop), drop, poisoned_proxy, seed=0)
    assert not any(one.trigger.works for one in tried.decisions.groups if one.trigger)


def test_the_order_of_the_rows_changes_nothing() -> None:
    drop, mixed = drop_of(), drop_of()
    order = np.random.default_rng(1).permutation(N)
    place = np.argsort(order)
    mixed.inputs, mixed.labels, mixed.sample_ids = drop.inputs[order], drop.labels[order], drop.sample_ids[order]
    mixed.cohorts = dataclasses.replace(drop.cohorts, number=drop.labels[order])
    mixed.bad = place[drop.bad]
    first, second = (try_triggers(decisions_on(one), one, poisoned_proxy, seed=0) for one in (drop, mixed))
    assert first.decisions.groups == second.decisions.groups


def test_where_the_proxy_cannot_be_asked_the_verdict_stands_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    def no_proxy(_images: np.ndarray) -> np.ndarray:
        raise ConfigError("bfloat16 is not supported here")

    drop = drop_of()
    tried = try_triggers(decisions_on(drop), drop, no_proxy, seed=0)
    assert (tried.decisions.groups, tried.shown.num_rows) == (decisions_on(drop).groups, 0)
    assert "no trigger was tried" in caplog.text


def test_a_group_with_next_to_no_kept_samples_of_other_labels_is_not_tried() -> None:
    drop = drop_of()
    decisions = decisions_on(drop)
    decisions.decision[drop.labels != 0] = "review"
    assert try_triggers(decisions, drop, poisoned_proxy, seed=0).decisions.groups[0].trigger is None


@pytest.mark.parametrize(
    ("turned", "at_random", "works"), [(187, 4, True), (30, 4, True), (23, 4, False), (200, 185, False), (0, 0, False)]
)
def test_a_trigger_works_only_where_it_does_clearly_more_than_a_control(
    turned: int, at_random: int, works: bool, tmp_path: Path
) -> None:
    assert TriggerTest(words="x", tried=200, turned=turned, at_random=at_random).works is works
