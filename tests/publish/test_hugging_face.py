"""Published shards are what Hugging Face datasets and pyarrow read, images and class names included."""

from __future__ import annotations

import socket

import pytest
import s3fs

from telltale_core.publish import PublishConfig, publish
from tests.support import storage as support


@pytest.fixture
def offline(monkeypatch, tmp_path):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    return pytest.importorskip("datasets")


@pytest.fixture
def version(tmp_path):
    job = support.make_job(tmp_path / "job")
    config = PublishConfig(shard_bytes=2000)
    return publish(*job, tmp_path / "out", run_key="r", lineage=support.CODE, config=config)


def test_published_shards_load_with_images_and_class_names(offline, version, tmp_path):
    loaded = offline.load_dataset("parquet", data_files=version.urls(), cache_dir=str(tmp_path / "hf"))["train"]
    assert loaded.num_rows == 33
    assert loaded.features["label"].names == ["cat", "dog", "owl"]
    assert loaded[0]["image"].size == (6, 6)
    assert support.png(7) == loaded.cast_column("image", offline.Image(decode=False))[0]["image"]["bytes"]
    assert [row["label"] for row in loaded] == [row % 3 for row in range(7, 40)]


def test_the_judged_columns_alone_load(offline, tmp_path):
    drop, verdict = support.make_job(tmp_path / "job")
    drop.manifest["unread"] = [{"column": "label", "type": "int64", "like": "", "asks": False}]
    version = publish(drop, verdict, tmp_path / "out", run_key="r", lineage=support.CODE)
    assert (version.judged, version.unjudged) == (["image"], ["label"])
    options = {"data_files": version.urls(), "columns": version.judged, "cache_dir": str(tmp_path / "hf")}
    loaded = offline.load_dataset("parquet", **options)["train"]
    assert (loaded.column_names, loaded[0]["image"].size) == (["image"], (6, 6))


def test_quarantine_shards_load_with_their_remarks(offline, version, tmp_path):
    urls = version.quarantine_urls()
    loaded = offline.load_dataset("parquet", data_files=urls, cache_dir=str(tmp_path / "hf"))["train"]
    assert loaded.features["label"].names == ["cat", "dog", "owl"]
    assert loaded[0]["image"].size == (6, 6)
    assert (loaded[0]["decision"], loaded[0]["suspicion"], loaded[6]["decision"]) == ("quarantine", 0.9, "review")


def test_pyarrow_reads_all_shards_as_one_table(version):
    import pyarrow.dataset as ds

    table = ds.dataset(version.urls(), format="parquet").to_table()
    assert (table.num_rows, table.column_names) == (33, ["image", "label"])


def test_published_shards_load_from_s3_and_ask_nobody_else(offline, s3_url, tmp_path, monkeypatch):
    s3fs.S3FileSystem.clear_instance_cache()  # another test's server may have been at the cached address
    lookup = socket.getaddrinfo

    def only_here(host, *args, **kwargs):
        assert host == "127.0.0.1", f"asked for {host}"
        return lookup(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", only_here)
    monkeypatch.setattr(offline.config, "HF_HUB_OFFLINE", False)  # it counts s3 as online, wherever the endpoint is
    version = publish(*support.make_job(tmp_path / "job"), s3_url, run_key="r", lineage=support.CODE)
    loaded = offline.load_dataset("parquet", data_files=version.urls(), cache_dir=str(tmp_path / "hf"))["train"]
    assert (loaded.num_rows, loaded[0]["image"].size) == (33, (6, 6))
