"""Samples of a label that carry a faint trigger: sought by early answers, tried, and called by a proof alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from telltale_core.drop.cohorts import Cohorts
from telltale_core.drop.grouping import Grouping
from telltale_core.spectrum import Spectra
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.conclude import Decisions, conclude_on
from telltale_core.verdict.evidence import Evidence, collect
from telltale_core.verdict.experiment import Experiment, Trial, Tried
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.proposals.carriers import Carriers
from telltale_core.verdict.record import TRIGGERS, TriggerTest
from tests.support.proposals import proposal

LABELS, EACH, POISON, SIDE, TARGET = 6, 200, 40, 16, 2
FAINT = np.where(np.indices((SIDE, SIDE)).sum(axis=0) % 2, 4.0, -4.0)[..., None]


@dataclass
class Drawn:
    """A drop of drawn scenes: poison came from other labels (``before``), carries the trigger, and is learnt late."""

    drop: Any
    spectra: Spectra
    labels: NDArray[np.int64]
    before: NDArray[np.int64]
    poisoned: NDArray[np.bool_]
    ids: NDArray[np.str_]

    def evidence(self, **changed: Any) -> Evidence:
        cohorts = changed.pop("cohorts", Cohorts(number=self.labels, names=None))
        evidence = collect(self.ids, self.spectra, cohorts, VerdictConfig(), retrains=True, **changed)
        return evidence.after([proposal(number=LABELS)])

    @property
    def answers(self) -> NDArray[np.int64]:
        """What the early proxy takes them for: what they were before, and a third of the rest for another label."""
        strays = np.random.default_rng(1).random(len(self.labels)) < 0.3
        return np.where(strays & ~self.poisoned, (self.labels + 1) % LABELS, self.before)

    def seek(self, experiment: Experiment, **changed: Any) -> Carriers:
        fields = {"drop": self.drop, "experiment": experiment, "answers": self.answers, "seed": 0}
        return Carriers(**{**fields, **changed})

    def retrain(self, left_out_N: NDArray[np.bool_]) -> NDArray[np.int64]:
        """What a proxy says that learnt without them: the same."""
        return np.where(left_out_N, self.answers, -1)


def drawn(*, poison: int = POISON, strength: float = 1.0, seed: int = 0) -> Drawn:
    rng = np.random.default_rng(seed)
    before = np.repeat(np.arange(LABELS), EACH)
    shapes = gaussian_filter(rng.normal(0, 1, (LABELS, SIDE, SIDE, 1)), (0, 3, 3, 0))
    smooth = gaussian_filter(rng.normal(0, 1, (len(before), SIDE, SIDE, 1)), (0, 3, 3, 0))
    pictures = 128 + 40 * (shapes / shapes.std())[before] + 40 * smooth / smooth.std() + rng.normal(0, 4, smooth.shape)
    chosen = rng.choice(np.flatnonzero(before != TARGET), poison, replace=False)
    poisoned, labels = np.isin(np.arange(len(before)), chosen), before.copy()
    labels[poisoned] = TARGET
    pictures[poisoned] += strength * FAINT
    early = rng.normal(0, 1, len(before)) + 1.5 * poisoned
    count = len(before)
    spectra = Spectra(
        features=rng.normal(0, 1, (count, 12)).astype(np.float32),
        level=early,
        trend=np.zeros(count),
        motion=np.repeat(early[:, None, None], 12, axis=1).reshape(count, 4, 3),
        finite=np.ones(count, dtype=bool),
        window=(0, 13),
        window_choice="all",
    )
    inputs = np.clip(pictures, 0, 255).round().astype(np.uint8)
    ids = np.array([f"id-{number:05}" for number in rng.permutation(count)])
    drop = SimpleNamespace(modality="image", inputs=inputs, sample_ids=ids)
    return Drawn(drop=drop, spectra=spectra, labels=labels, before=before, poisoned=poisoned, ids=ids)


def turning(turned: int, asked: list[Trial] | None = None) -> Experiment:
    def experiment(trial: Trial) -> Tried:
        if asked is not None:
            asked.append(trial)
        test = TriggerTest(words="a faint picture", tried=200, turned=turned, at_random=5)
        return Tried(test=test, shown=TRIGGERS.empty_table())

    return experiment


@pytest.fixture(scope="module")
def case() -> Drawn:
    return drawn()


def test_those_who_carry_a_trigger_are_proposed_also_where_they_are_learnt_early(case: Drawn) -> None:
    asked: list[Trial] = []
    (one,) = case.seek(turning(80, asked))(case.evidence())
    assert (one.kind, one.label, one.number) == (Kind.CARRIERS, TARGET, LABELS + 1)
    assert case.poisoned[one.suspects].sum() >= 0.8 * POISON
    assert (~case.poisoned[one.suspects]).sum() <= 0.3 * POISON
    assert not one.stands_alone, "only a proof may call it"
    assert one.statistic == pytest.approx(75 / 200)
    (trial,) = asked
    assert not np.isin(trial.same, one.suspects).any()
    assert (case.labels[trial.others] != TARGET).all()


@pytest.mark.parametrize("turned", [5, 20])
def test_what_turns_no_more_than_a_control_is_not_proposed(case: Drawn, turned: int) -> None:
    assert not case.seek(turning(turned))(case.evidence())


def test_strange_samples_that_share_nothing_are_not_even_tried() -> None:
    asked: list[Trial] = []
    for seed in range(3):
        for case in (drawn(poison=0, seed=seed), drawn(strength=0.0, seed=seed)):  # honest; wrong labels
            assert not case.seek(turning(200, asked))(case.evidence())
    assert not asked


def test_the_rows_may_come_in_any_order(case: Drawn) -> None:
    order = np.random.default_rng(3).permutation(len(case.labels))
    rows = {name: getattr(case.spectra, name)[order] for name in ("features", "level", "trend", "motion", "finite")}
    other = replace(
        case,
        drop=SimpleNamespace(modality="image", inputs=case.drop.inputs[order], sample_ids=case.ids[order]),
        spectra=replace(case.spectra, **rows),
        labels=case.labels[order],
        before=case.before[order],
        poisoned=case.poisoned[order],
        ids=case.ids[order],
    )

    (one,) = case.seek(turning(80))(case.evidence())
    (again,) = other.seek(turning(80), answers=case.answers[order])(other.evidence())
    assert sorted(case.ids[one.suspects]) == sorted(other.ids[again.suspects])


def test_nothing_is_sought_where_nothing_can_be_told(case: Drawn) -> None:
    seek, evidence = case.seek(turning(200)), case.evidence()
    assert seek(evidence)
    assert not seek(replace(evidence, config=VerdictConfig(leave_out=False)))
    assert not seek(replace(evidence, retrains=False))
    assert not seek(replace(evidence, grouping=Grouping.TARGET_RANGE))
    assert not seek(replace(evidence, cohorts=evidence.cohorts[:3]))
    audio = SimpleNamespace(modality="audio", inputs=case.drop.inputs, sample_ids=case.ids)
    assert not replace(seek, drop=audio)(evidence)


def concluded(case: Drawn, turned: int) -> Decisions:
    experiment = turning(turned)
    return conclude_on(
        case.ids,
        case.spectra,
        Cohorts(number=case.labels, names=None),
        VerdictConfig(),
        case.retrain,
        experiment=experiment,
        search=case.seek(experiment),
    )


@pytest.mark.slow
def test_who_carries_it_is_called_by_the_proof_and_who_gets_its_own_label_is_set_aside(case: Drawn) -> None:
    decisions = concluded(case, 80)
    assert (decisions.decision[case.poisoned] == "quarantine").mean() >= 0.8
    assert (decisions.decision[~case.poisoned] == "quarantine").mean() <= 0.005
    (called,) = [group for group in decisions.groups if group.called]
    assert (called.kind, called.label, called.confirmed) == (Kind.CARRIERS, TARGET, True)
    assert (
        "put on others, that turns them into label 2"
        in decisions.reason[case.poisoned & (decisions.decision == "quarantine")][0]
    )
    own = (decisions.decision == "review") & ~case.poisoned
    assert (case.labels[own] == TARGET).all()


@pytest.mark.slow
def test_without_a_search_nothing_of_it_is_called(case: Drawn) -> None:
    assert (concluded(case, 5).decision == "keep").mean() > 0.99
