"""The bench on small digits: every step once, nothing twice, failures told, weak attacks beside the main table."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from telltale_core import stages
from telltale_core.attacks import ImageSet
from telltale_core.bench import harness
from telltale_core.bench.attacks.issba_encoder import train_encoder
from telltale_core.bench.cases import CLEAN, SUITES, Case, Suite, suite_named
from telltale_core.bench.data import load
from telltale_core.bench.harness import Bench
from telltale_core.bench.suite import run_suite
from telltale_core.bench.tables import render
from telltale_core.bench.writing import columns_of, media_of
from telltale_core.errors import ConfigError
from telltale_core.proxy.models import build
from tests.support.published import write_published

TINY = {"epochs": 6, "width": 4, "lr": 0.02}
CASES = (
    Case(data="digits", attack="badnets", rate=0.1, target=1, seed=0),
    Case(data="digits", attack=CLEAN, rate=0.0, target=1, seed=0),
    Case(data="digits", attack="sig", rate=0.9, target=1, seed=0),  # more poison than the target label has samples
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    tiny = Suite(name="tiny", about="", cases=CASES, proxy=TINY, victim=TINY)
    return Bench(suite=tiny, data=None, work=tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def ran(bench: Bench) -> tuple[list[dict[str, Any]], dict[str, str], list[str]]:
    progress: list[str] = []
    rows, failed = run_suite(bench, CASES, progress=progress.append)
    return rows, failed, progress


def test_every_case_has_a_row_by_the_products_own_stages(ran: tuple[Any, ...], bench: Bench) -> None:
    rows, _, _ = ran
    assert [(row["attack"], row["detector"]) for row in rows] == [
        ("badnets", "telltale"),
        ("clean", "telltale"),
    ]
    poisoned, clean = rows
    assert (poisoned["poisoned"], poisoned["clean"]) == (150, 1350)
    assert 0 <= poisoned["attack_success_before"] <= 1
    assert 0 < poisoned["accuracy_before"] <= 1
    assert clean["attack_success_before"] is None
    assert clean["tpr"] is None
    assert min(row["train_s"] for row in rows) > 0
    stored = pq.read_table(bench.work / "results" / "tiny" / "results.parquet").to_pylist()
    assert stored == rows
    assert (bench.work / "results" / "tiny" / "results.png").stat().st_size > 5000


def test_a_case_that_cannot_be_made_is_told_and_stops_no_other(ran: tuple[Any, ...]) -> None:
    _, failed, progress = ran
    (why,) = failed.values()
    assert why.startswith("ConfigError: ")
    assert len(progress) == 3
    assert "FAILED" in progress[2]


@pytest.mark.trains
def test_a_second_run_trains_nothing(ran: tuple[Any, ...], bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telltale_core.proxy.train", _fail)
    monkeypatch.setattr(harness, "judge_attack", _fail)
    again, _ = run_suite(bench, CASES[:2], progress=lambda _: None)
    assert again == ran[0]


def test_detectors_share_one_training(ran: tuple[Any, ...], bench: Bench) -> None:
    assert len(list((bench.work / "area" / stages.STAGES["train"].folder).iterdir())) == 2


@pytest.mark.trains
def test_two_processes_give_the_rows_of_one(ran: tuple[Any, ...], bench: Bench) -> None:
    rows, _ = run_suite(bench, CASES[:2], jobs=2, progress=lambda _: None)
    assert rows == ran[0]


def test_weak_attacks_stand_in_a_table_of_their_own_and_are_not_dropped() -> None:
    rows = [_row("badnets", 0.99), _row("badnets", 0.95, seed=2), _row("wanet", 0.4), _row("clean", None)]
    text = render(rows)
    strong, weak = text.index("| digits badnets 0.05 |"), text.index("| digits wanet 0.05 |")
    assert text.index("at least 90%") < strong < text.index("Weaker attacks") < weak < text.index("Nothing to find")
    assert "97.00 (95.00 to 99.00)" in text
    by_seed = text[text.index("By seed:") :]
    assert "| digits badnets 0.05, 2 (1) | 95.00 | - | 3 of 75 | 0 of 1,425 |" in by_seed
    assert "| no poison found |" in by_seed[by_seed.index("digits clean") :]
    assert "1, 1, 2 |" in by_seed


@pytest.mark.parametrize("name", SUITES)
def test_no_case_stands_twice_and_report_cases_are_not_development_cases(name: str) -> None:
    keys = [case.key() for case in SUITES[name].cases]
    assert len(set(keys)) == len(keys)
    development = {case.seed for case in SUITES["development"].cases}
    assert name.endswith("development") or not development & {case.seed for case in SUITES[name].cases}


def test_a_kind_of_samples_without_a_rule_is_told_which_kinds_have_one() -> None:
    with pytest.raises(ConfigError, match="cannot write object as a drop, only ImageSet, TableSet, TextSet, WaveSet"):
        media_of(object())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="register a rule"):
        columns_of(object(), ["a"])  # type: ignore[arg-type]


def test_words_choose_cases() -> None:
    (chosen,) = SUITES["cpu"].cases_with(["badnets", "5.00%", "11"])
    assert (chosen.attack, chosen.rate, chosen.seed) == ("badnets", 0.05, 11)
    assert len(SUITES["cpu"].cases_with([])) == len(SUITES["cpu"].cases)


def test_data_that_is_not_there_is_an_error_that_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cifar10/train\.parquet"):
        load("cifar10-10k", tmp_path, tmp_path)
    with pytest.raises(ConfigError, match="known suites: digits"):
        suite_named("none")
    with pytest.raises(ConfigError, match="victims must be one of"):
        Bench(suite=SUITES["digits"], data=None, work=tmp_path, victims="some")


def _fail(*_: object, **__: object) -> None:
    raise AssertionError("computed again")


def _row(attack: str, success: float | None, seed: int = 1) -> dict[str, Any]:
    return {
        "data": "digits", "attack": attack, "rate": 0.05, "params": "{}", "model": "auto", "epochs": 30, "seed": seed,
        "detector": "telltale", "attack_success_before": success, "attack_success_after": None, "tpr": None, "fpr": 0.0,
        "precision": None, "auroc": None, "review": 0, "poison_found": False, "accuracy_before": None,
        "accuracy_after": None, "train_s": 1.0, "log_s": 1.0, "cluster_s": 2.4, "target": 1, "found": 3, "clean": 1425,
        "poisoned": 0 if success is None else 75, "wrongly_quarantined": 0, "p_value": 0.5, "retraining": "none",
    }  # fmt: skip


@pytest.mark.trains
def test_suites_of_detectors_keep_opinions_and_score_them(ran: tuple[Any, ...], bench: Bench) -> None:
    suite = dataclasses.replace(
        bench.suite, name="asked", opinions=True, detectors=("abl", "scan", "badloss", "combined")
    )
    asked = dataclasses.replace(bench, suite=suite, victims="none")
    rows, failed = run_suite(asked, CASES[:2], progress=lambda _: None)
    assert not failed
    assert [row["detector"] for row in rows[:4]] == ["abl", "scan", "badloss", "combined"]
    assert rows[0]["found"] + rows[0]["wrongly_quarantined"] == 15  # a hundredth of 1,500
    assert rows[0]["poisoned"] == 150
    assert rows[4]["tpr"] is None
    assert rows[1]["needs"].count("clean set") == 1
    text = (bench.work / "results" / "asked" / "results.md").read_text()
    assert "| abl* |" in text
    assert "| scan |" in text
    assert (bench.work / "results" / "asked" / "results.png").stat().st_size > 5000
    with pytest.raises(ConfigError, match="does not judge suite tiny"):
        dataclasses.replace(bench, detectors=("scan",))


def test_the_ordinary_model_of_steering_keeps_places() -> None:
    suite = SUITES["modalities"]
    case = next(case for case in suite.cases if case.data == "steering")
    bench = Bench(suite=suite, data=None, work=Path("unused"), threads=2)
    victim, proxy = bench.victim(case), bench.proxy(case)
    assert (victim.model, victim.epochs, victim.threads, victim.seed) == ("pilotnet", 24, 2, case.seed + 1000)
    assert victim.regression_loss == "squared"
    assert (proxy.model, proxy.epochs) == ("auto", 12)
    net = build("pilotnet", "image", (24, 96, 3), 32, 1, seed=0).eval()
    left, right = torch.zeros(2, 1, 3, 24, 96)
    left[..., :10], right[..., -10:] = 1.0, 1.0
    assert float((net(left) - net(right)).abs().detach()) > 1e-4


@pytest.mark.slow
def test_every_suites_attacks_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the GPU's suite, too, which only a GPU runs: its files are there, an encoder is trained once."""
    triggers = tmp_path / "triggers"
    triggers.mkdir()
    np.save(triggers / "narcissus_cifar10_class2.npy", np.zeros((1, 3, 32, 32), np.float32))
    images = ImageSet(
        images=np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8),
        labels=np.arange(40, dtype=np.int64) % 10,
        num_classes=10,
    )
    trained: list[int] = []

    def few_steps(of: Any, **options: Any) -> Any:
        trained.append(len(of))
        return train_encoder(of, steps=2, batch=4, width=4, **options)

    monkeypatch.setattr(harness, "train_encoder", few_steps)
    write_published(tmp_path)
    for suite in SUITES.values():
        bench = Bench(suite=suite, data=tmp_path, work=tmp_path / "work")
        for case in suite.cases:
            if case.attack != CLEAN:
                assert bench.attack(case, images).name == case.attack
    assert trained == [40]
    issba = next(case for case in SUITES["gpu"].cases if case.attack == "issba")
    bench = Bench(suite=SUITES["gpu"], data=tmp_path, work=tmp_path / "work")
    one, two = (bench.attack(issba, images).trigger(images, 1, seed=0).inputs for _ in range(2))
    np.testing.assert_array_equal(one, two)
