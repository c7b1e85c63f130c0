"""Samples are found by what a person has: the beginning of an id, the name of a file; verdicts go to other tools."""

from __future__ import annotations

import csv

import pyarrow.parquet as pq
import pytest

from telltale_core.errors import ConfigError, NotFound
from telltale_core.publish import PublishConfig, export, publish, why
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
    assert export(dataset, tmp_path / "v.csv") == export(dataset, tmp_path / "v.parquet") == 40
    with (tmp_path / "v.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["media_path"]: row["decision"] for row in rows}["1.png"] == "quarantine"
    assert [row["sample_id"] for row in rows] == pq.read_table(tmp_path / "v.parquet")["sample_id"].to_pylist()
    with pytest.raises(ConfigError, match="there already"):
        export(dataset, tmp_path / "v.csv")
