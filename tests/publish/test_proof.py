"""The newest manifest proves itself: no flipped bit in it goes unseen, wherever it is read."""

from __future__ import annotations

import json
import os
import random

import pytest

from telltale_core.errors import ConfigError, Corrupt
from telltale_core.publish import gc, log, publish, read_version, restore, verify, why
from telltale_core.publish.manifest import MIRROR, PROOF, UNPROVED_FORMAT, key_of, parse, seal, to_bytes
from telltale_core.storage import open_store
from tests.support import storage as support

EVERY_BYTE = "FAULT_ROUNDS" in os.environ


@pytest.fixture
def job(tmp_path):
    return support.make_job(tmp_path / "job", n=12, images=False)


def go(job, dataset, run_key="r"):
    return publish(*job, dataset, run_key=run_key, lineage=support.CODE)


def unseen(store, data: bytes) -> int:
    try:
        parse(store, 1, data)
    except Corrupt:
        return 0
    return 1


@pytest.mark.slow
def test_every_flipped_bit_of_a_manifest_is_found(job, tmp_path):
    """All positions, four bits of each; with FAULT_ROUNDS set all 255 other values of each."""
    version = go(job, tmp_path / "out")
    data = bytearray(version.data)
    masks = range(1, 256) if EVERY_BYTE else (1, 4, 32, 128)
    missed = 0
    for place in range(len(data)):
        for mask in masks:
            data[place] ^= mask
            missed += unseen(version.store, bytes(data))
            data[place] ^= mask
    assert (missed, unseen(version.store, bytes(data))) == (0, 1)


def test_every_truncation_and_every_addition_is_found(job, tmp_path):
    version = go(job, tmp_path / "out")
    data = version.data
    assert sum(unseen(version.store, data[:size]) for size in range(len(data))) == 0
    assert sum(unseen(version.store, data + more) for more in (b" ", b"\n", b"\0", b"{}")) == 0


READERS = {
    "log": log,
    "read_version": read_version,
    "verify": verify,
    "why": lambda out: why(out, "s0-0001"),
    "restore": lambda out: restore(out, ["s0-0001"], reason="fine", by="ann"),
    "gc": gc,
}


@pytest.mark.parametrize("reader", [*READERS, "publish"])
def test_whoever_reads_the_newest_manifest_checks_it(job, tmp_path, reader):
    out = tmp_path / "out"
    go(job, out)
    path = out / key_of(1)
    path.write_bytes(path.read_bytes().replace(b'"seed": 0', b'"seed": 1'))
    with pytest.raises(Corrupt, match="sha256 that it states of itself"):
        go(job, out, "r2") if reader == "publish" else READERS[reader](out)
    assert sorted(path.name for path in (out / "_versions").iterdir()) == ["00000001.json"]


@pytest.mark.parametrize(("one", "two"), [(1, 2), (2, 3), (1, 3), (3, 2)])
def test_a_manifest_in_the_place_of_another_is_found(job, tmp_path, one, two):
    out = tmp_path / "out"
    for run_key in ("a", "b", "c"):
        go(job, out, run_key)
    (out / key_of(one)).write_bytes((out / key_of(two)).read_bytes())
    with pytest.raises(Corrupt, match=f"says that it is version {two}"):
        log(out)
    assert not (one == 3 and verify_is_ok(out))


def verify_is_ok(out) -> bool:
    try:
        return verify(out).ok
    except Corrupt:
        return False


def test_the_newest_manifest_of_another_dataset_is_found(job, tmp_path):
    for name in ("a", "b"):
        for run_key in ("1", "2"):
            go(job, tmp_path / name, f"{name}{run_key}")
    (tmp_path / "a" / key_of(2)).write_bytes((tmp_path / "b" / key_of(2)).read_bytes())
    with pytest.raises(Corrupt, match="names another parent"):
        log(tmp_path / "a")
    assert not verify(tmp_path / "a").ok


def old_format(out) -> None:
    """Turn version 1 into one of the format before, as it would stand: without proof, without mirror."""
    manifest = {**read_version(out, 1).manifest, "format": UNPROVED_FORMAT}
    del manifest[PROOF]
    (out / key_of(1)).write_bytes(to_bytes(manifest))
    (out / key_of(1, MIRROR)).unlink()


def test_a_version_of_the_format_before_is_read_and_called_unproved(job, tmp_path):
    out = tmp_path / "out"
    go(job, out)
    old_format(out)
    assert not read_version(out).proved
    report = verify(out)
    assert report.ok
    assert "unproved" in report.notes[0]
    second = restore(out, ["s0-0001"], reason="fine", by="ann")
    assert second.proved
    assert (out / key_of(1, MIRROR)).read_bytes() == (out / key_of(1)).read_bytes()
    assert verify(out).problems == verify(out).notes == ()


def test_a_proof_is_checked_in_whatever_format_it_stands(job, tmp_path):
    version = go(job, tmp_path / "out")
    assert unseen(version.store, version.data.replace(b"telltale.version/2", UNPROVED_FORMAT.encode())) == 0


def test_what_is_sealed_is_what_json_keeps_of_it(tmp_path):
    version = json.loads(seal({"numbers": {10: (1, 2), 9: 0.1}}))
    assert version["numbers"] == {"9": 0.1, "10": [1, 2]}
    assert seal(version) == seal({"numbers": {10: (1, 2), 9: 0.1}})
    for bad in (float("nan"), object(), "\ud800"):
        with pytest.raises(ConfigError, match="JSON values only"):
            seal({"lineage": bad})


def test_random_bytes_raise_nothing_else(tmp_path):
    rng, store = random.Random(6), open_store(tmp_path)
    samples = [rng.randbytes(rng.randrange(80)) for _ in range(300)]
    deep = b'{"format": "telltale.version/2", "a": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    odd = b'{"format": "telltale.version/2", "self_sha256": NaN}'
    assert sum(unseen(store, data) for data in [*samples, deep, odd, b'{"format": []}']) == 0
