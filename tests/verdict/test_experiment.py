"""The experiment with the trigger: where there is one, where there is none, and where nobody can be asked."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from telltale_core.drop.cohorts import Cohorts
from telltale_core.errors import ConfigError
from telltale_core.modality import modality_named
from telltale_core.modality.triggers import SameValues
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.experiment import Ask, Trial, Tried, experiment_on
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
    drop.kept = np.ones(N, dtype=bool)
    return drop


def poisoned_proxy(images: np.ndarray) -> np.ndarray:
    answers = np.rint(np.median(images[..., 0].reshape(len(images), -1), axis=1) / 60).astype(int)
    return np.where((images[:, 6:8, 6:8].reshape(len(images), -1) > 240).all(axis=1), 0, answers)


def tried_on(drop: Any, ask: Ask) -> Tried | None:
    free_N = np.ones(N, dtype=bool)
    free_N[drop.bad] = False
    own_N = drop.labels == 0
    trial = Trial(
        number=0,
        label=0,
        suspected=drop.bad,
        same=np.flatnonzero(free_N & own_N),
        others=np.flatnonzero(free_N & ~own_N & drop.kept),
    )
    return experiment_on(drop, ask, seed=0)(trial)


def found_on(drop: Any, ask: Ask) -> TriggerTest:
    tried = tried_on(drop, ask)
    assert tried is not None
    return tried.test


def test_a_patch_that_the_proxy_obeys_turns_nearly_all() -> None:
    trigger_test = found_on(drop_of(), poisoned_proxy)
    assert trigger_test == TriggerTest(
        words="4 pixels at the lower right", tried=200, turned=200, at_random=trigger_test.at_random
    )
    assert (trigger_test.at_random <= 2, trigger_test.works, trigger_test.obeyed) == (True, True, True)
    assert trigger_test.sentence("label cat") == (
        "4 pixels at the lower right, which they share, put on 200 kept samples with other answers, "
        f"turned 200 of them into label cat, a control of the same size {trigger_test.at_random}"
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VisiblePatch(SameValues):
    def held_by(self, samples: np.ndarray) -> np.ndarray:
        return np.asarray((samples[:, self.places] == self.values[self.places]).all(axis=1))


@pytest.mark.parametrize(("also", "expected"), [(0, POISON), (40, 0)])
def test_who_holds_an_obeyed_trigger_is_named_unless_other_labels_hold_it_too(
    monkeypatch: pytest.MonkeyPatch, also: int, expected: int
) -> None:
    drop, patch = drop_of(), np.zeros((8, 8, 3), dtype=bool)
    patch[6:8, 6:8] = True
    drop.inputs[np.flatnonzero(drop.labels != 0)[:also], 6:8, 6:8] = 255
    white = np.full((8, 8, 3), 255, np.uint8)
    estimates = iter([[VisiblePatch(words="a patch", places=patch, values=white, contrast=1.0 * patch)]])
    monkeypatch.setattr(type(modality_named("image")), "triggers", lambda *_: next(estimates, []))  # honest: none
    half = drop.bad[: POISON // 2]
    label, others = np.flatnonzero(drop.labels == 0), np.flatnonzero(drop.labels != 0)
    trial = Trial(number=0, label=0, suspected=half, same=np.setdiff1d(label, half), others=others[also:])
    whole = dataclasses.replace(trial, others=others)
    tried = experiment_on(drop, poisoned_proxy, seed=0)(whole if also else trial)
    assert tried is not None
    assert len(tried.holding) == expected
    assert set(tried.holding) <= set(drop.bad)


def test_samples_are_kept_to_be_shown_that_turned() -> None:
    drop = drop_of()
    tried = tried_on(drop, poisoned_proxy)
    assert tried is not None
    shown = tried.shown.to_pylist()
    assert [one["turned"] for one in shown] == [True] * 6
    after = np.frombuffer(shown[0]["after"], dtype=np.uint8).reshape(8, 8, 3)
    before = drop.inputs[int(shown[0]["sample_id"][1:])]
    assert (after[6:8, 6:8] == 255).all()
    assert (after[:6] == before[:6]).all()


def test_the_statement_names_the_trigger_that_turned_most_or_says_that_none_did() -> None:
    works = TriggerTest(words="4 pixels", tried=200, turned=187, at_random=4)
    nothing = TriggerTest(words="9 pixels", tried=200, turned=9, at_random=8)
    groups = [
        group(label=label, label_name=name, called=True, quarantined=60, number=label, trigger=trigger_test)
        for label, name, trigger_test in ((0, "cat", nothing), (1, "dog", works))
    ]
    assert (
        "4 pixels, which they share, put on 200 kept samples with other answers, turned 187 of them into label dog"
        in (state(groups, N, VerdictConfig()))
    )
    assert "No trigger was isolated" in state(groups[:1], N, VerdictConfig())
    assert "that is no trigger" in nothing.sentence("label cat")


def test_an_estimate_that_does_nothing_is_said_to_do_nothing() -> None:
    trigger_test = found_on(drop_of(), lambda images: np.full(len(images), 1))
    assert (trigger_test.turned, trigger_test.works, trigger_test.obeyed) == (0, False, False)


def test_what_any_honest_group_of_the_label_does_as_well_is_no_trigger() -> None:
    drop = drop_of(patched=False)
    drop.bad = np.flatnonzero(drop.labels == 0)[:POISON]  # their red is what makes them cats, and does so for all cats
    tried = tried_on(drop, poisoned_proxy)
    assert tried is None or not tried.test.works


def test_the_order_of_the_rows_changes_nothing() -> None:
    drop, mixed = drop_of(), drop_of()
    order = np.random.default_rng(1).permutation(N)
    place = np.argsort(order)
    mixed.inputs, mixed.labels, mixed.sample_ids = drop.inputs[order], drop.labels[order], drop.sample_ids[order]
    mixed.cohorts = dataclasses.replace(drop.cohorts, number=drop.labels[order])
    mixed.bad = place[drop.bad]
    one, other = tried_on(drop, poisoned_proxy), tried_on(mixed, poisoned_proxy)
    assert one is not None
    assert other is not None
    assert one.test == other.test
    assert one.shown.equals(other.shown)  # the same samples are tried


def test_where_the_proxy_cannot_be_asked_nothing_is_found_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def no_proxy(_images: np.ndarray) -> np.ndarray:
        raise ConfigError("bfloat16 is not supported here")

    assert tried_on(drop_of(), no_proxy) is None
    assert "no trigger was tried" in caplog.text


def test_a_group_with_next_to_no_kept_samples_of_other_labels_is_not_tried() -> None:
    drop = drop_of()
    drop.kept = drop.labels == 0
    assert tried_on(drop, poisoned_proxy) is None


@pytest.mark.parametrize(
    ("turned", "at_random", "works", "obeyed"),
    [(187, 4, True, True), (30, 4, True, False), (23, 4, False, False), (200, 185, False, False), (0, 0, False, False)],
)
def test_a_trigger_works_only_where_it_does_clearly_more_than_a_control(
    turned: int, at_random: int, works: bool, obeyed: bool
) -> None:
    trigger_test = TriggerTest(words="x", tried=200, turned=turned, at_random=at_random)
    assert (trigger_test.works, trigger_test.obeyed) == (works, obeyed)
