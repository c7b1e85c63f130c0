"""The whole pipeline from bucket to bucket, the work area in a third, on a real S3 server that several machines share.

A machine is its cache folder: all that a stage leaves for another one goes over HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from telltale_core import publish, stages
from telltale_core.config import from_dict, to_dict
from telltale_core.proxy import Progress
from tests.support import storage as support

boto3 = pytest.importorskip("boto3")
s3fs = pytest.importorskip("s3fs")

pytestmark = pytest.mark.slow
SOURCE, WORK, OUT = "s3://test-raw/drop", "s3://test-work/area", "s3://test-clean/set"
STAGE_NAMES = ("ingest", "train", "spectrum", "cluster", "report")


@pytest.fixture(scope="module")
def s3(small_drop: Path) -> Iterator[Any]:
    """A client of a server with the small drop in ``s3://test-raw/drop``, named by the environment."""
    with pytest.MonkeyPatch.context() as patch, support.s3_server() as (host, port):
        for name, value in support.CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        client = boto3.client("s3")
        for bucket in ("test-raw", "test-work", "test-clean"):
            client.create_bucket(Bucket=bucket)
        client.upload_file(str(small_drop / "train.parquet"), "test-raw", "drop/train.parquet")
        yield client
        client.close()


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    proxy = {"epochs": 10, "width": 4, "batch_size": 16, "threads": 1, "device": "cpu"}
    report = {"thumbnails": 2, "evidence_labels": 1, "heat_rows": 4, "dpi": 50}
    return to_dict(from_dict(stages.CleanseConfig, {"proxy": proxy, "report": report}))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Go on as a machine of this name, whose cache is empty when it is first used."""

    def become(name: str) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return tmp_path / name

    return become


def cleanse(settings: dict[str, Any], work: str = WORK, out: str = OUT) -> dict[str, Any]:
    record: Any = SOURCE
    for name in STAGE_NAMES:
        record = getattr(stages, name)(record, work, settings[stages.STAGES[name].settings])
    return stages.publish(record, work, settings["publish"], destination=out)


def objects(client: Any, bucket: str, prefix: str = "") -> dict[str, tuple[str, Any]]:
    """Return ETag and time of every object of a bucket."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {each["Key"]: (each["ETag"], each["LastModified"]) for page in pages for each in page.get("Contents", [])}


@pytest.fixture(scope="module")
def cleansed(s3: Any, settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the first machine published."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("first")))
        return cleanse(settings)


def test_a_drop_in_a_bucket_becomes_a_version_in_another(cleansed: dict[str, Any], s3: Any) -> None:
    assert (cleansed["state"], cleansed["version"], cleansed["dataset"]) == ("published", 1, OUT)
    counts = cleansed["counts"]
    assert counts == {"ingested": 600, "published": 500, "quarantined": 100, "review": 0, "rejected": 0}
    checked = publish.verify(OUT, 1)
    assert (checked.ok, checked.rows) == (True, 600)
    assert publish.read_version(OUT, 1).manifest["drop"]["source"] == SOURCE
    assert set(objects(s3, "test-raw")) == {"drop/train.parquet"}


def test_the_published_shards_are_read_from_the_endpoint(cleansed: dict[str, Any], small_drop: Path) -> None:
    remote = s3fs.S3FileSystem(skip_instance_cache=True)
    names = ["id", "image", "label"]
    kept = [
        row for url in cleansed["files"] for row in pq.read_table(url, filesystem=remote, columns=names).to_pylist()
    ]
    aside = [row["id"] for url in cleansed["quarantine"] for row in pq.read_table(url, filesystem=remote).to_pylist()]
    source_rows = pq.read_table(small_drop / "train.parquet", columns=names).to_pylist()
    assert kept == [row for row in source_rows if row["id"] not in set(aside)]
    assert (len(kept), len(aside)) == (500, 100)
    assert sum(name.startswith("bad") for name in aside) >= 95


def test_hugging_face_loads_the_published_shards(cleansed: dict[str, Any], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(
        "parquet", data_files=cleansed["files"], cache_dir=str(tmp_path / "hf"), split="train"
    )
    assert (len(loaded), loaded.features["label"].names) == (500, ["a", "b", "c"])
    assert loaded[0]["image"].size == (8, 8)


def test_another_machine_with_an_empty_cache_computes_nothing_and_returns_the_same_version(
    cleansed: dict[str, Any], s3: Any, machine: Any, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    work, clean = objects(s3, "test-work"), objects(s3, "test-clean")
    cache = machine("second")
    assert not cache.exists()
    with caplog.at_level(logging.INFO):
        again = cleanse(settings)
    assert again == cleansed
    for name in STAGE_NAMES:
        assert f"{name}: reused, nothing to compute" in caplog.messages
        assert f"{name}: started" not in caplog.messages
    assert objects(s3, "test-work") == work
    assert objects(s3, "test-clean") == clean
    assert not list(cache.rglob("losslog"))  # nothing needed it, so it was not even fetched


def test_another_machine_publishes_elsewhere_what_the_first_one_judged(
    cleansed: dict[str, Any], s3: Any, machine: Any, settings: dict[str, Any]
) -> None:
    work = objects(s3, "test-work")
    machine("third")
    outcome = cleanse(settings, out="s3://test-clean/elsewhere")
    assert (outcome["state"], outcome["version"], outcome["counts"]) == ("published", 1, cleansed["counts"])
    there, here = publish.read_version("s3://test-clean/elsewhere"), publish.read_version(OUT, 1)
    assert [blob.sha256 for blob in there.blobs()] == [blob.sha256 for blob in here.blobs()]
    assert publish.verify("s3://test-clean/elsewhere").ok
    assert objects(s3, "test-work") == work


def test_the_same_rows_under_another_name_are_not_trained_on_again(
    cleansed: dict[str, Any], s3: Any, machine: Any, settings: dict[str, Any]
) -> None:
    train = objects(s3, "test-work", "area/train/")
    machine("fourth")
    outcome = cleanse({**settings, "drop": {**settings["drop"], "name": "renamed"}})
    assert outcome["version"] == 2
    first, second = publish.log(OUT)
    assert outcome["counts"] == cleansed["counts"]
    assert (first.manifest["drop"]["name"], second.manifest["drop"]["name"]) == ("drop", "renamed")
    assert first.manifest["drop"]["digest"] == second.manifest["drop"]["digest"]
    assert first.manifest["files"] == second.manifest["files"]
    assert objects(s3, "test-work", "area/train/") == train


class Lost(Exception):
    pass


def test_another_machine_goes_on_where_a_lost_one_stopped_training(
    s3: Any, machine: Any, settings: dict[str, Any]
) -> None:
    work = "s3://test-work/lost"

    def fail(progress: Progress) -> None:
        if progress.epoch == 6:
            raise Lost

    machine("lost")
    drop = stages.ingest(SOURCE, work, settings["drop"])
    with pytest.raises(Lost):
        stages.train(drop, work, settings["proxy"], progress=fail)
    before = objects(s3, "test-work", "lost/train/")
    epochs = [name for name in before if "/epoch-" in name]
    assert 1 <= len(epochs) < 10

    resumed_epochs: list[int] = []
    machine("heir")
    stages.train(drop, work, settings["proxy"], progress=lambda progress: resumed_epochs.append(progress.epoch))
    assert min(resumed_epochs) >= len(epochs) - 1
    after = objects(s3, "test-work", "lost/train/")
    assert sum("/epoch-" in name for name in after) == 10
    assert {name: before[name] for name in epochs} == {name: after[name] for name in epochs}
