"""Where drops come from: local folders and a real S3 server; URLs that are refused before any connection."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telltale_core.drop import DropConfig, Limits, fingerprint, ingest
from telltale_core.drop.record import FILES
from telltale_core.drop.source import open_source
from telltale_core.errors import BadInput, ConfigError, NotFound, StorageError
from tests.support import drops as support
from tests.support import storage

PNGS = [support.make_png(seed) for seed in range(6)]


@pytest.fixture(scope="module")
def s3() -> Iterator[object]:
    """A bucket on a real S3 server of 127.0.0.1, named by the environment as in production."""
    with pytest.MonkeyPatch.context() as patch, storage.s3_server() as (host, port):
        for name, value in storage.CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        client = boto3.client("s3")
        client.create_bucket(Bucket="drops")
        yield client
        client.close()


def test_a_parquet_drop_on_s3_equals_the_local_one(tmp_path, s3):
    local = support.write_parquet(tmp_path / "in" / "a.parquet", PNGS, [0, 1, 2] * 2, [*"abcdef"])
    s3.upload_file(str(local), "drops", "one/a.parquet")
    remote = ingest("s3://drops/one", tmp_path / "remote")
    here = ingest(str(local.parent), tmp_path / "local")
    assert remote.digest == here.digest
    assert all((remote.path / name).read_bytes() == (here.path / name).read_bytes() for name in FILES)
    assert remote.manifest["source"] == "s3://drops/one"
    assert ingest("s3://drops/one/a.parquet", tmp_path / "remote").digest == here.digest


def test_an_image_folder_on_s3_is_read_with_keys_as_names(tmp_path, s3):
    for index, data in enumerate(PNGS):
        s3.put_object(Bucket="drops", Key=f"two/{['cat', 'dog'][index % 2]}/{index}.png", Body=data)
    s3.put_object(Bucket="drops", Key="two/drop.toml", Body=b'name = "pets"')
    drop = ingest("s3://drops/two/", tmp_path / "drops")
    assert (len(drop), drop.name, drop.label_names) == (6, "pets", ("cat", "dog"))
    assert drop.samples()["source"][0].as_py() == "cat/0.png"


def test_hostile_object_keys_name_no_local_file(tmp_path, s3):
    keys = [
        "cat/../../../escape.png",
        "dog/%2e%2e/x.png",
        "dog//double.png",
        "cat/\U0001f984.png",
        "cat/back\\slash.png",
        "dog/*.png",
    ]
    for index, key in enumerate(keys):
        s3.put_object(Bucket="drops", Key=f"three/{key}", Body=PNGS[index])
    before = {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents}
    drop = ingest("s3://drops/three", tmp_path / "work" / "drops")
    assert drop.manifest["counts"]["seen"] == len(keys)
    assert {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents} == before
    assert [path.name for path in (tmp_path / "work" / "drops").iterdir()] == [drop.digest]


def test_an_absent_bucket_or_prefix_is_not_found(tmp_path, s3):
    for url in ("s3://absent-bucket/x", "s3://drops/absent"):
        with pytest.raises(NotFound, match="s3://"):
            ingest(url, tmp_path / "drops")


def test_a_remote_fingerprint_follows_the_content_without_reading_it(s3):
    s3.put_object(Bucket="drops", Key="four/cat/a.png", Body=PNGS[0])
    first = fingerprint("s3://drops/four")
    assert fingerprint("s3://drops/four/") == first
    s3.put_object(Bucket="drops", Key="four/cat/a.png", Body=PNGS[1])
    assert fingerprint("s3://drops/four") != first


def test_a_dead_endpoint_is_an_error_of_the_store_without_secrets(tmp_path, s3, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StorageError) as error:
        ingest("s3://drops/one", tmp_path / "drops", DropConfig(limits=Limits()))
    assert "testing-secret" not in str(error.value)


@pytest.mark.server
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/d",
        "https://127.0.0.1:{port}/d",
        "S3://bucket/d",
        "FILE:///etc",
        "s3://AKIASECRET:topsecret@bucket/d",
        "s3://topsecret@bucket/d",
        "s3://127.0.0.1:{port}/d",
        "s3://bucket/d?X-Amz-Signature=topsecret",
        "simplecache::s3://bucket/topsecret",
        "zip://a.csv::http://127.0.0.1:{port}/topsecret.zip",
        "s3://bucket/../topsecret",
        "ssh://host/d",
        "github://org:repo@main/d",
        "s3://bucket/a\x00b",
        "",
    ],
)
def test_urls_are_refused_before_any_connection_and_never_quoted(tmp_path, url):
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.05)
        with pytest.raises(BadInput) as error:
            ingest(url.format(port=canary.getsockname()[1]), tmp_path / "drops")
        with pytest.raises(TimeoutError):
            canary.accept()
    assert error.value.code == "url_refused"
    assert "secret" not in str(error.value)


def test_file_urls_are_local_paths(tmp_path):
    path = support.write_parquet(tmp_path / "a.parquet", PNGS, [0, 1, 2] * 2)
    assert len(ingest(f"file://{path}", tmp_path / "drops")) == 6


def test_a_fingerprint_depends_on_names_and_bytes_and_not_on_the_place(tmp_path):
    support.write_parquet(tmp_path / "a" / "x.parquet", PNGS, [0, 1, 2] * 2)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / ".DS_Store").write_bytes(b"ignored")
    assert fingerprint(str(tmp_path / "a")) == fingerprint(str(tmp_path / "b"))
    (tmp_path / "b" / "drop.toml").write_text('name = "b"')
    assert fingerprint(str(tmp_path / "a")) != fingerprint(str(tmp_path / "b"))


def test_file_and_byte_limits_hold_before_anything_is_read(tmp_path):
    support.write_parquet(tmp_path / "d" / "a.parquet", PNGS, [0, 1, 2] * 2)
    support.write_parquet(tmp_path / "d" / "b.parquet", PNGS, [0, 1, 2] * 2)
    for limits in (Limits(max_files=1), Limits(max_drop_bytes=100)):
        with pytest.raises(BadInput) as error:
            ingest(str(tmp_path / "d"), tmp_path / "drops", DropConfig(limits=limits))
        assert error.value.code == "drop_too_large"


def test_limits_must_be_positive():
    with pytest.raises(ConfigError, match="max_rows must be > 0, got 0"):
        Limits(max_rows=0)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=40))
def test_any_object_key_is_copied_below_the_scratch_folder(tmp_path, key):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.store[f"/bucket/{key}"] = memory.open("/tmp-object", "wb")
    memory.store[f"/bucket/{key}"].write(b"payload")
    memory.store.pop("/tmp-object", None)
    scratch = tmp_path / "scratch"
    try:
        source = open_source("memory://bucket", Limits(), scratch)
    except NotFound:
        return  # hidden or folder-like keys are no files
    for file in source.files.values():
        assert source.local_path(file).parent == scratch
    memory.store.clear()
