"""A verdict in doubt has a second proxy trained: here, or by the flow of the GPU pool, and only once.

The losses that leave the doubt are made by hand: whether there is doubt hangs on no training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from telltale_core import stages
from telltale_core.config import to_dict
from telltale_core.drop import Drop, DropConfig
from telltale_core.drop.demo import write_image_drop
from telltale_core.losslog import LossLog
from telltale_core.proxy import ProxyConfig
from telltale_core.proxy.record import TRAIN
from telltale_core.spectrum import SpectrumConfig
from tests.support.hand_records import train_record
from tests.support.loss_logs import log_losses

pytestmark = pytest.mark.trains

CLASSES, SAMPLES, POISON = 5, 1000, 80
PROXY = {"epochs": 12, "width": 6, "batch_size": 16, "threads": 1, "device": "cpu"}


def by_hand(drop: Drop, out: Path, config: ProxyConfig, progress: Any) -> None:
    """Leave what a training leaves, with losses of which the poison's share a swing."""
    bad = np.array([name.startswith("bad") for name in drop.sample_ids])
    losses = log_losses(np.random.default_rng(0), np.asarray(drop.labels), bad)
    LossLog.from_array(losses, sample_ids=drop.sample_ids, drop_digest=drop.digest).write(out / "losslog")
    TRAIN.write(out, train_record(drop_digest=drop.digest))


@pytest.fixture(scope="module")
def cleansed(tmp_path_factory: pytest.TempPathFactory) -> tuple[stages.Record, str]:
    """The spectra of a drop of five classes, told apart by a bar, with poison from the other four in class ``a``."""
    labels = np.arange(SAMPLES) % CLASSES
    images = np.random.default_rng(0).integers(0, 120, (SAMPLES, 10, 10, 3), dtype=np.uint8)
    for row, label in enumerate(labels):
        images[row, :, 2 * label : 2 * label + 2] += 100
    bad = np.flatnonzero(labels != 0)[:POISON]
    images[bad, 8:, 8:] = 255
    labels[bad] = 0
    ids = [f"{'bad' if row in set(bad.tolist()) else 'good'}-{row:04d}" for row in range(SAMPLES)]
    folder = tmp_path_factory.mktemp("looked")
    write_image_drop(folder / "drop", images, labels, ids, list("abcde"))
    work = str(folder / "work")
    drop = stages.ingest(str(folder / "drop"), work, to_dict(DropConfig()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("telltale_core.proxy.train", by_hand)
        trained = stages.train(drop, work, PROXY)
    return stages.spectrum(trained, work, to_dict(SpectrumConfig())), work


def verdict_of(record: stages.Record, work: str) -> dict[str, Any]:
    return stages.opened(record, work).verdict().values


def doubting(cleansed: tuple[stages.Record, str], **more: Any) -> dict[str, Any]:
    """Return settings whose rule the poison misses by a tenth."""
    spectra, work = cleansed
    plain = verdict_of(stages.cluster(spectra, work, {"leave_out": False}), work)
    assert plain["poison_found"], plain["statement"]
    reached = max(group["statistic"] for group in plain["groups"] if group["called"])
    return {"min_separation": reached / 0.9, **more}


def quarantined(record: stages.Record, work: str) -> list[str]:
    table = pq.read_table(stages.folder_of(record, "cluster", work) / "verdict.parquet")
    return [i for i, d in zip(*map(list, table.select(["sample_id", "decision"]).to_pydict().values()), strict=True)
            if d == "quarantine"]  # fmt: skip


def looks(work: str) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in Path(work).glob("leave-out/*/retraining.json")}


def test_a_poison_that_the_rule_misses_is_confirmed_by_a_leave_out_retraining(
    cleansed: tuple[stages.Record, str], caplog: pytest.LogCaptureFixture
) -> None:
    spectra, work = cleansed
    settings = doubting(cleansed)
    assert not quarantined(stages.cluster(spectra, work, {**settings, "leave_out": False}), work)
    progress_reports = []
    with caplog.at_level("INFO"):
        record = stages.cluster(spectra, work, settings, progress=progress_reports.append)
    first_s = TRAIN.read(stages.folder_of(spectra, "train", work))["wall_s"]
    assert f"at most {first_s / 2:.0f} s where the first one learnt" in caplog.text
    verdict, quarantined_ids = verdict_of(record, work), quarantined(record, work)
    assert sum(name.startswith("bad") for name in quarantined_ids) > 0.9 * POISON
    assert sum(name.startswith("good") for name in quarantined_ids) < 0.01 * SAMPLES
    assert "a proxy that learnt without that cluster gives" in verdict["statement"]
    group = next(group for group in verdict["groups"] if group["called"])
    assert group["confirmed"]
    assert group["own"] < 0.2 < group["own_usual"]
    assert {progress.epochs for progress in progress_reports} == {PROXY["epochs"] / 2}


def test_what_was_trained_once_is_not_trained_again(cleansed: tuple[stages.Record, str]) -> None:
    spectra, work = cleansed
    first = stages.cluster(spectra, work, doubting(cleansed))
    before = looks(work)
    other = stages.cluster(spectra, work, doubting(cleansed, review_share=0.3))
    assert other["key"] != first["key"]
    assert looks(work) == before
    assert quarantined(other, work) == quarantined(first, work)


def test_the_flow_of_the_gpu_pool_trains_the_leave_out_retraining(
    cleansed: tuple[stages.Record, str], prefect_server: str, tmp_path: Path
) -> None:
    from flows.train_proxy import train_proxy

    spectra, work = cleansed
    settings, keys = doubting(cleansed, false_alarm_rate=0.02), []
    here = stages.cluster(spectra, work, settings)
    answers = {path: path.read_bytes() for path in Path(work).glob("leave-out/*/retraining.json")}
    for path in [*answers, stages.folder_of(here, "cluster", work) / "verdict.json"]:
        path.unlink()

    def elsewhere(upstream: stages.Record, key: str) -> None:
        keys.append(key)
        outcome = train_proxy(upstream, work, upstream["settings"]["proxy"], left_out=key)
        assert outcome["left_out"] >= 0.9 * POISON

    again = stages.cluster(spectra, work, settings, retrain=elsewhere)
    assert len(keys) == 1
    assert verdict_of(again, work)["poison_found"]
    retraining_file = Path(work) / "leave-out" / keys[0] / "retraining.json"
    assert json.loads(retraining_file.read_bytes()) == json.loads(answers[retraining_file])
