"""Faults between us and the store: F2, F3, F4, F7, F8, F9, F10 of the list in ``telltale_core/publish/README.md``."""

from __future__ import annotations

import os
import random

import pytest

from telltale_core.errors import (
    CommitUnknown,
    Conflict,
    Corrupt,
    NotFound,
    StorageError,
    TelltaleError,
    Transient,
)
from telltale_core.publish import PublishConfig, log, publish, read_version, verify
from telltale_core.storage import open_store
from tests.support import storage as support

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "20"))
reply = support.InjectedReply
MANIFEST = "_versions/"


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return support.make_job(tmp_path_factory.mktemp("job"), n=12, images=False)


def go(job, store, run_key="r"):
    return publish(*job, store, run_key=run_key, lineage=support.CODE)


def memory(name: str, plan, **retry):
    return support.faulty_store(f"memory://{name}", plan, **retry)


class Times:
    """A plan: ``fault`` in the first ``count`` calls of ``operation`` on keys that begin with ``prefix``."""

    def __init__(self, operation: str, prefix: str, fault, count: int = 1) -> None:
        self.operation, self.prefix, self.fault, self.left = operation, prefix, fault, count

    def __call__(self, operation: str, key: str):
        if operation == self.operation and key.startswith(self.prefix) and self.left:
            self.left -= 1
            return self.fault
        return None


def test_f2_commit_landed_reply_lost_is_one_version(job, tmp_path):
    for number in range(ROUNDS):
        plan = Times("create", MANIFEST, ("after", ConnectionResetError()))
        store, transport = memory(f"{tmp_path.name}-f2-{number}/d", plan)
        assert go(job, store).number == 1
        assert plan.left == 0
        assert [key for name, key in transport.calls if name == "create" and key.startswith(MANIFEST)] == [
            "_versions/00000001.json"
        ]
        assert len(log(store)) == 1


def test_f3_commit_did_not_land_is_sent_again(job, tmp_path):
    for number in range(ROUNDS):
        store, _ = memory(
            f"{tmp_path.name}-f3-{number}/d",
            Times("create", MANIFEST, ("before", ConnectionResetError()), 1 + number % 5),
        )
        assert go(job, store).number == 1
        assert len(log(store)) == 1


@pytest.mark.slow
def test_f2_f3_on_blobs_too(job, tmp_path):
    rng = random.Random(2)
    for number in range(ROUNDS):

        def plan(operation, _key):
            fault = rng.choice(["before", "after"]), ConnectionResetError()
            return fault if operation in {"create", "get", "stat"} and rng.random() < 0.15 else None

        store, _ = memory(f"{tmp_path.name}-f23-{number}/d", plan)
        assert go(job, store).number == 1
        store.transport.plan = lambda *_: None
        assert verify(store).ok
        assert len(log(store)) == 1


@pytest.mark.parametrize("landed", ["before", "after"])
def test_f4_unknown_outcome_is_said_and_a_rerun_heals(job, tmp_path, landed):
    dark = []

    def plan(operation, key):
        if operation == "create" and key.startswith(MANIFEST) and not dark:
            dark.append(True)
            return landed, TimeoutError()
        return ("before", TimeoutError()) if dark else None

    store, transport = memory(f"{tmp_path.name}-f4-{landed}/d", plan)
    with pytest.raises(CommitUnknown, match="may or may not stand"):
        go(job, store)
    assert not [call for call in transport.calls if call[0] == "delete"]
    transport.plan = lambda *_: None
    assert go(job, store).number == 1
    assert len(log(store)) == 1
    assert verify(store).ok


def test_f4_a_store_that_was_never_reached_is_transient_not_unknown(job, s3_url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    store = open_store(s3_url, support.quick_retry())
    with pytest.raises(Transient):
        store.create("k", b"x")


@pytest.mark.parametrize(
    ("status", "code", "count"),
    [(409, "ConditionalRequestConflict", 1), (503, "SlowDown", 3), (500, "InternalError", 2), (429, "TooMany", 5)],
)
def test_f7_passing_errors_are_retried(job, tmp_path, status, code, count):
    store, transport = memory(
        f"{tmp_path.name}-f7-{status}/d", Times("create", MANIFEST, ("before", reply(status, code)), count)
    )
    assert go(job, store).number == 1
    sent = [key for name, key in transport.calls if name == "create" and key.startswith(MANIFEST)]
    assert len(sent) == count + 1 <= 6


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(403, "AccessDenied", StorageError), (404, "NoSuchBucket", NotFound), (400, "InvalidRequest", StorageError)],
)
def test_f7_lasting_errors_are_not_retried(tmp_path, status, code, expected):
    for operation in ("create", "get"):
        store, transport = memory(
            f"{tmp_path.name}-f7n-{status}{operation}/d", lambda *_: ("before", reply(status, code))
        )
        with pytest.raises(expected):
            store.create("k", b"x") if operation == "create" else store.read("k")
        assert len(transport.calls) == 1


def test_f7_a_taken_name_is_not_sent_again(tmp_path):
    store, transport = memory(f"{tmp_path.name}-f7c/d", lambda *_: None)
    store.create("k", b"first")
    transport.calls.clear()
    with pytest.raises(Conflict):
        store.create("k", b"other")
    assert [name for name, _ in transport.calls].count("create") == 1


def test_f7_budget_holds_against_a_store_that_always_refuses(tmp_path):
    slept: list[float] = []
    store, transport = memory(
        f"{tmp_path.name}-f7b/d", lambda *_: ("before", reply(503, "SlowDown")), sleep=slept.append
    )
    with pytest.raises(Transient):
        store.read("k")
    assert len(transport.calls) == 6
    assert sum(slept) <= 60


def test_f12_expired_credentials_are_a_clean_transient(job, tmp_path):
    plan = Times("create", MANIFEST, ("before", reply(400, "ExpiredToken")))
    store, _transport = memory(f"{tmp_path.name}-f12/d", plan)
    with pytest.raises(Transient, match="renew the credentials"):
        go(job, store)
    assert log(store) == []
    assert go(job, store).number == 1


def test_f8_every_flipped_bit_in_a_shard_is_found(job, tmp_path):
    store, transport = memory(f"{tmp_path.name}-f8/d", lambda *_: None)
    blobs = list(go(job, store).blobs())
    rng = random.Random(8)
    for number in range(1000):
        blob = blobs[number % len(blobs)]
        transport.plan = lambda *_: ("mangle", lambda data: support.flip_bit(data, rng))
        with pytest.raises(Corrupt, match=blob.sha256[:12]):
            store.read_verified(blob.path, blob.sha256)


def test_f8_a_truncated_shard_is_named_by_verify(job, tmp_path):
    store, transport = memory(f"{tmp_path.name}-f8t/d", lambda *_: None)
    for blob in go(job, store).blobs():
        transport.plan = Times("get", blob.path, ("mangle", lambda data: data[: len(data) // 2]))
        problems = verify(store).problems
        assert problems
        assert blob.path in problems[0]


def test_f8_a_damaged_manifest_never_raises_another_error(job, tmp_path):
    store, transport = memory(f"{tmp_path.name}-f8m/d", lambda *_: None)
    go(job, store)
    rng = random.Random(9)
    for _ in range(300):
        transport.plan = Times("get", MANIFEST, ("mangle", lambda data: support.flip_bit(data, rng)), 1)
        try:
            read_version(store, 1)
        except TelltaleError:
            continue


@pytest.mark.parametrize("key", ["blobs/", MANIFEST])
def test_f9_a_store_that_says_yes_and_keeps_nothing_is_caught(job, tmp_path, key):
    plan = Times("create", key, ("swallow", None))
    store, _transport = memory(f"{tmp_path.name}-f9-{key[:2]}/d", plan)
    with pytest.raises(Corrupt if key == "blobs/" else CommitUnknown, match="accepted by the store"):
        go(job, store)
    assert log(store) == []
    assert go(job, store).number == 1
    assert verify(store).ok


def test_f9_every_lost_blob_is_caught_before_the_commit(job, tmp_path):
    count = len(list(go(job, memory(f"{tmp_path.name}-f9n/d", lambda *_: None)[0]).blobs()))
    for lost in range(count):
        numbers = iter(range(100))

        def plan(operation, key, lost=lost, numbers=numbers):
            hit = operation == "create" and key.startswith("blobs/") and next(numbers) == lost
            return ("swallow", None) if hit else None

        store, transport = memory(f"{tmp_path.name}-f9-{lost}/d", plan)
        with pytest.raises(Corrupt):
            go(job, store)
        assert not [key for name, key in transport.calls if name == "create" and key.startswith(MANIFEST)]


# The same over TCP, with real s3fs and botocore errors against a real server behind a proxy.


def first(match: str, action, count: int = 1):
    left = [count]

    def plan(line: str):
        if match in line and left[0]:
            left[0] -= 1
            return action
        return "pass"

    return plan


@pytest.mark.parametrize(("action", "count"), [("lose", 1), ("cut", 3), (503, 3), (409, 1), (500, 2)])
def test_f2_f3_f7_over_tcp_one_version(job, lossy, s3_url, action, count):
    lossy.plan = first("PUT /" + s3_url[5:] + "/_versions", action, count)
    store = open_store(s3_url, support.quick_retry())
    assert go(job, store).number == 1
    assert len(log(store)) == 1
    assert verify(store).ok
    puts = [line for line in lossy.requests if line.startswith("PUT") and "_versions" in line]
    most = 2 if action == "lose" else count + 2  # aiohttp itself sends a PUT again if a kept connection broke
    assert count <= len(puts) <= most


def test_f4_over_tcp_unknown_then_healed(job, lossy, s3_url):
    dark = []

    def plan(line: str):
        if line.startswith("PUT") and "_versions" in line:
            dark.append(True)
            return "lose" if len(dark) == 1 else "cut"
        return "cut" if dark else "pass"

    lossy.plan = plan
    store = open_store(s3_url, support.quick_retry())
    with pytest.raises(CommitUnknown):
        go(job, store)
    lossy.plan = lambda _line: "pass"
    assert go(job, store).number == 1
    assert len(log(store)) == 1


def test_f7_over_tcp_403_is_sent_once(lossy, s3_url):
    lossy.plan = lambda _line: 403
    with pytest.raises(StorageError, match="HTTP 403 AccessDenied, check the credentials"):
        open_store(s3_url, support.quick_retry()).create("k", b"x")
    assert len(lossy.requests) == 1


def test_f8_over_tcp_a_truncated_reply_is_read_again(lossy, s3_url):
    store = open_store(s3_url, support.quick_retry())
    store.create("k", b"x" * 5000)
    lossy.plan = first("GET", "half", 2)
    assert store.read("k") == b"x" * 5000


@pytest.mark.parametrize("action", ["lose", "cut"])
def test_f10_multipart_complete_reply_lost(lossy, s3_url, action):
    store = open_store(s3_url, support.quick_retry())
    store.transport.part_bytes = 5 << 20
    data = random.Random(0).randbytes((5 << 20) + 10)
    complete = {"begun": False}

    def plan(line: str):
        if line.startswith("POST") and "uploadId=" in line and not complete["begun"]:
            complete["begun"] = True
            return action
        return "pass"

    lossy.plan = plan
    store.create("big", data)
    assert complete["begun"]
    assert store.read("big") == data
    sent = [line for line in lossy.requests if line.startswith("POST") and "uploadId=" in line]
    assert len(sent) == (1 if action == "lose" else 2)


def test_f10_no_such_upload_is_read_back(tmp_path):
    store, transport = memory(f"{tmp_path.name}-f10/d", Times("create", "big", ("after", reply(404, "NoSuchUpload"))))
    store.create("big", b"parts")
    assert [name for name, _ in transport.calls].count("create") == 1
    with pytest.raises(Conflict):
        store.create("big", b"other")


def test_shards_of_a_larger_publish_survive_a_flaky_line(lossy, s3_url, tmp_path):
    rng = random.Random(11)
    lossy.plan = lambda _line: rng.choices(["pass", "lose", "cut", 503, "half"], [12, 1, 1, 1, 1])[0]
    version = publish(
        *support.make_job(tmp_path),
        open_store(s3_url, support.quick_retry()),
        run_key="r",
        lineage=support.CODE,
        config=PublishConfig(shard_bytes=2000),
    )
    lossy.plan = lambda _line: "pass"
    assert version.number == 1
    assert verify(s3_url).ok
