from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from flows import demo
from telltale_core.drop import ingest
from telltale_core.errors import BadInput, ConfigError
from telltale_core.verdict.scoring import score
from tests.support.verdicts import group, write_verdict


def test_the_digits_are_poisoned_at_the_stated_rate_and_the_truth_stays_outside_the_drop(tmp_path: Path) -> None:
    poisoning = demo.poison(None, tmp_path, rate=0.05, target=7, seed=1, samples=1)
    assert (poisoning.samples, poisoning.poisoned, poisoning.target) == (1797, 90, "seven")
    table = pq.read_table(poisoning.drop)
    assert table.column_names == ["id", "image", "label"]
    assert poisoning.drop not in poisoning.truth.parents
    known = json.loads(poisoning.truth.read_text())
    labels = dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))
    assert {labels[name] for name in known["poisoned"]} == {7}


def test_the_same_seed_gives_the_same_drop(tmp_path: Path) -> None:
    drops = [demo.poison(None, tmp_path / name, rate=0.05, target=0, seed=3, samples=1).drop for name in ("a", "b")]
    first, second = ((drop / "train.parquet").read_bytes() for drop in drops)
    assert first == second


def test_the_score_counts_what_was_found_and_what_was_wrongly_taken(tmp_path: Path) -> None:
    decided = {"p1": "quarantine", "p2": "quarantine", "p3": "keep", "p4": "review", "c1": "quarantine", "c2": "keep"}
    suspicion = [1.0, 0.9, 0.8, 0.4, 0.7, 0.1]
    rows = {"sample_id": list(decided), "decision": list(decided.values()), "suspicion": suspicion}
    asked = group(called=True, confirmed=True, own=0.1)
    write_verdict(tmp_path, rows, statement="Poison found.", poison_found=True, p_value=1e-5, groups=[asked])
    scores = score(tmp_path, ["p1", "p2", "p3", "p4"])
    assert (scores["found"], scores["tpr"], scores["wrongly_quarantined"], scores["fpr"]) == (2, 0.5, 1, 0.5)
    assert (scores["review"], scores["statement"], scores["poison_found"]) == (1, "Poison found.", True)
    assert scores["retraining"] == "confirmed"
    assert scores["precision"] == pytest.approx(2 / 3, abs=1e-4)
    assert scores["auroc"] == 0.875  # one of eight pairs of a poisoned and a clean sample stands the wrong way round
    assert score(tmp_path, [])["tpr"] is None
    assert score(tmp_path, list(decided))["fpr"] is None


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([], "none"),
        ([{"called": True, "own": None}], "none"),
        ([{"called": True, "own": 0.0}, {"called": False, "own": 0.9}], "nothing changed"),
        ([{"called": False, "own": 0.9}], "not confirmed"),
        ([{"called": False, "own": 0.9, "refuted": True}], "refuted"),
    ],
)
def test_the_score_says_what_the_leave_out_retraining_did(
    tmp_path: Path, groups: list[dict[str, object]], said: str
) -> None:
    rows = {"sample_id": ["a"], "decision": ["keep"]}
    write_verdict(tmp_path, rows, groups=[group(**changes) for changes in groups])
    assert score(tmp_path, [])["retraining"] == said


def test_binary_cifar10_files_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (40, demo.CIFAR_ROW_BYTES), dtype=np.uint8)
    rows[:, 0] = np.arange(40) % 10
    rows.tofile(tmp_path / "data_batch_1.bin")
    images, labels, names = demo.load_images(str(tmp_path), tmp_path / "unused")
    assert images.shape == (40, 32, 32, 3)
    assert (images[0, 0, 0] == rows[0, [1, 1 + 1024, 1 + 2048]]).all()
    assert labels.tolist() == rows[:, 0].tolist()
    assert names[9] == "truck"


def test_a_torn_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(b"\0" * 3072)
    with pytest.raises(BadInput, match="not_cifar10"):
        demo.load_images(str(tmp_path), tmp_path / "unused")


def test_pickled_batches_are_never_opened(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path(tmp_path / "canary").touch, ())

    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(BadInput, match="binary version"):
        demo.load_images(str(tmp_path), tmp_path / "unused")
    assert not (tmp_path / "canary").exists()


def test_any_drop_of_labelled_images_can_be_poisoned(small_drop: Path, tmp_path: Path) -> None:
    poisoning = demo.poison(str(small_drop), tmp_path / "made", rate=0.1, target=2, seed=0, samples=300)
    assert (poisoning.samples, poisoning.poisoned, poisoning.target) == (300, 30, "c")
    assert len(ingest(str(poisoning.drop), tmp_path / "drops")) == 300


def test_a_target_that_is_no_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--target"):
        demo.poison(None, tmp_path, rate=0.05, target=10, seed=0, samples=1)


@pytest.mark.parametrize(("rate", "samples"), [(0.0, 10), (-0.1, 10), (float("nan"), 10), (0.05, 0), (0.05, -3)])
def test_a_demo_without_poison_or_samples_is_refused(tmp_path: Path, rate: float, samples: int) -> None:
    with pytest.raises(ConfigError, match=r"--(rate must be > 0|samples must be >= 1), got"):
        demo.poison(None, tmp_path, rate=rate, target=0, seed=0, samples=samples)
    assert not list(tmp_path.iterdir())


def test_two_data_sets_never_share_a_drop_or_its_truth(small_drop: Path, tmp_path: Path) -> None:
    inputs = [(None, 300), (str(small_drop), 300), (str(small_drop), 200), (str(small_drop / "train.parquet"), 300)]
    poisonings = [demo.poison(data, tmp_path, rate=0.1, target=2, seed=0, samples=samples) for data, samples in inputs]
    assert len({one.drop for one in poisonings} | {one.truth for one in poisonings}) == 8
    assert [one.samples for one in poisonings] == [1797, 300, 200, 300]


def test_what_was_fetched_is_kept_for_other_rates_and_seeds(small_drop: Path, tmp_path: Path) -> None:
    for rate, seed in ((0.1, 0), (0.2, 1)):
        demo.poison(str(small_drop), tmp_path, rate=rate, target=2, seed=seed, samples=300)
    assert len(list((tmp_path / "source").glob("*/manifest.json"))) == 1
    assert len(list(tmp_path.glob("images-*/source"))) == 0
