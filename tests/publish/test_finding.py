"""Samples are found by what a person has: the beginning of an id, the name of a file; verdicts go to other tools."""

from __future__ import annotations

import csv
import json
import resource

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.errors import ConfigError, NotFound
from telltale_core.publish import PublishConfig, export, export_fiftyone, publish, why
from tests.support import storage as support


@pytest.fixture
def dataset(tmp_path):
    job = support.make_job(tmp_path / "job")
    publish(*job, tmp_path / "out", run_key="r1", lineage=support.CODE, config=PublishConfig(shard_bytes=2000))
    return tmp_path / "out"


def test_why_takes_a_file_name_and_the_beginning_of_an_id(dataset):
    assert why(dataset, "39.png").sample_id == "s0-0039"
    assert why(dataset, "1.png").sample_id == "s0-0001"
    assert why(dataset, "s0-0039").sample_id == "s0-0039"
    with pytest.raises(NotFound, match="may be any of 10 samples of version 1, such as 's0-0000', 's0-0001'"):
        why(dataset, "s0-000")
    with pytest.raises(NotFound, match="hold no sample"):
        why(dataset, "s0")


def test_verdicts_are_exported_with_their_file_names(dataset, tmp_path):
    assert export(dataset, tmp_path / "v.csv", "csv") == export(dataset, tmp_path / "v.parquet", "parquet") == 40
    with (tmp_path / "v.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["media_path"]: row["decision"] for row in rows}["1.png"] == "quarantine"
    assert [row["sample_id"] for row in rows] == pq.read_table(tmp_path / "v.parquet")["sample_id"].to_pylist()
    with pytest.raises(ConfigError, match="there already"):
        export(dataset, tmp_path / "v.csv", "csv")


def test_the_form_of_an_export_is_the_one_that_was_asked_for(dataset, tmp_path):
    export(dataset, tmp_path / "v.txt", "csv")
    export(dataset, tmp_path / "v.csv", "parquet")
    assert (tmp_path / "v.txt").read_text().startswith('"sample_id"')
    assert pq.read_table(tmp_path / "v.csv").num_rows == 40


def test_an_export_follows_no_link_and_leaves_no_half_file(dataset, tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "v.csv").symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(ConfigError, match="there already"):
        export(dataset, tmp_path / "d" / "v.csv", "csv")
    with pytest.raises(ConfigError, match="cannot be written"):
        export(dataset, tmp_path / "none" / "v.csv", "csv")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # as a disk that fills up
    try:
        with pytest.raises(ConfigError, match="cannot be written"):
            export(dataset, tmp_path / "d" / "w.csv", "csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["v.csv"]
    assert not (tmp_path / "elsewhere.csv").exists()


def test_verdicts_are_labels_of_files_as_fiftyone_imports_them(dataset, tmp_path):
    path = tmp_path / "v.json"
    assert export_fiftyone(dataset, path) == 40
    labels = json.loads(path.read_text())
    assert set(labels) == {"labels"}  # without "classes" a target is the label itself
    export(dataset, tmp_path / "v.parquet", "parquet")
    row = next(row for row in pq.read_table(tmp_path / "v.parquet").to_pylist() if row["media_path"] == "1.png")
    stated = {name: row[name] for name in ("sample_id", "suspicion", "cluster", "reason")}
    assert labels["labels"]["1"] == {"label": "quarantine", "attributes": stated}
    assert {one["label"] for one in labels["labels"].values()} == {"keep", "quarantine", "review"}
    with pytest.raises(ConfigError, match="there already"):
        export_fiftyone(dataset, path)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".v.json")] == []


def test_samples_that_fiftyone_cannot_tell_apart_are_refused(tmp_path):
    drop, verdict_dir = support.make_job(tmp_path / "job")
    payload = pq.read_table(drop.path / "payload.parquet")
    del drop.manifest["files"]["payload.parquet"]  # another payload than the one that was ingested
    unfit = {
        "one name to FiftyOne": ["a/1.png", "a/1.jpg"],
        "has no media file": [None, "b.png"],
        "'a/1' is no picture": ["a/1"],
        "'a.wav' is no picture": ["a.wav"],
    }
    for what, names in unfit.items():
        images = payload["image"].to_pylist()
        for row, name in enumerate(names):
            images[row] = {**images[row], "path": name}
        table = payload.set_column(
            0, payload.schema.field("image"), pa.array(images, payload.schema.field("image").type)
        )
        pq.write_table(table, drop.path / "payload.parquet")
        out = tmp_path / what.split()[0].replace("/", "")
        publish(drop, verdict_dir, out, run_key="r1", lineage=support.CODE)
        with pytest.raises(ConfigError, match=what):
            export_fiftyone(out, tmp_path / "v.json")
        assert not (tmp_path / "v.json").exists()
