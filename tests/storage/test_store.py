from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telltale_core.errors import BadInput, ConfigError, Conflict, Corrupt, NotFound, StorageError, TelltaleError
from telltale_core.storage import RetryPolicy, open_store
from telltale_core.storage.names import check_key
from tests.support import storage as support


def test_what_was_written_is_read(store):
    store.write("a/b.bin", b"one")
    store.write("a/b.bin", b"three")
    assert store.read("a/b.bin") == b"three"
    assert (store.size("a/b.bin"), store.exists("a/b.bin"), store.exists("a/c")) == (5, True, False)


def test_create_never_overwrites(store):
    store.create("k", b"first")
    with pytest.raises(Conflict, match="never overwritten"):
        store.create("k", b"other")
    with pytest.raises(Conflict):
        store.create("k", b"longer than the first")
    assert store.read("k") == b"first"


def test_create_with_the_bytes_that_stand_is_a_success(store):
    store.create("k", b"same")
    store.create("k", b"same")
    assert store.list() == ["k"]


def test_one_of_many_racing_creators_wins(store):
    rounds, crowd = 5, 4
    for number in range(rounds):
        outcomes: list[str] = []
        start = threading.Barrier(crowd)

        def create(who, key=f"round-{number}", start=start, outcomes=outcomes):
            start.wait()
            try:
                store.create(key, f"writer {who}".encode())
                outcomes.append(f"writer {who}")
            except Conflict:
                outcomes.append("lost")

        threads = [threading.Thread(target=create, args=(who,)) for who in range(crowd)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert sorted(outcomes)[: crowd - 1] == ["lost"] * (crowd - 1)
        assert store.read(f"round-{number}").decode() in outcomes


def test_keys_are_listed_sorted_and_by_folder(store):
    for key in ("b/2", "b/1", "bb/3", "a"):
        store.create(key, b"")
    assert store.list() == ["a", "b/1", "b/2", "bb/3"]
    assert store.list("b") == ["b/1", "b/2"]
    assert store.list("nothing") == []


def test_a_missing_key_is_not_found(store):
    for operation in (store.read, store.stat, store.size):
        with pytest.raises(NotFound):
            operation("nothing/here")


def test_deleting_twice_is_deleting(store):
    store.create("k", b"x")
    store.delete("k")
    store.delete("k")
    assert not store.exists("k")


def test_verified_reading_refuses_other_bytes(store):
    store.create("k", b"x")
    with pytest.raises(Corrupt, match="should have sha256"):
        store.read_verified("k", "0" * 64)


def test_files_go_up_and_down(store, tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(random.Random(0).randbytes(3 << 20))
    store.upload(source, "x/y.bin")
    store.download("x/y.bin", tmp_path / "down" / "z.bin")
    assert (tmp_path / "down" / "z.bin").read_bytes() == source.read_bytes()
    with pytest.raises(NotFound):
        store.download("x/none", tmp_path / "down" / "none")
    assert [path.name for path in (tmp_path / "down").iterdir()] == ["z.bin"]


def test_large_objects_go_in_parts_and_are_created_once(s3_url, tmp_path):
    store = open_store(s3_url, support.quick_retry())
    store.transport.part_bytes = 5 << 20  # the smallest that S3 takes
    data = random.Random(1).randbytes(11 << 20)
    store.create("big", data)
    assert store.read("big") == data
    with pytest.raises(Conflict):
        store.create("big", data[::-1])
    (tmp_path / "file").write_bytes(data)
    store.upload(tmp_path / "file", "big-file")
    assert store.size("big-file") == len(data)


def test_listing_goes_over_pages(s3_url):
    store = open_store(s3_url)
    call = store.transport._call
    store.transport._call = lambda method, **kw: call(method, **kw, **({"MaxKeys": 3} if "list" in method else {}))
    for number in range(8):
        store.create(f"f/{number}", b"")
    assert store.list("f") == [f"f/{number}" for number in range(8)]


def test_a_bucket_that_is_not_there_is_said_so(s3_url):
    with pytest.raises(NotFound, match="NoSuchBucket"):
        open_store("s3://bucket-that-is-not-there/x").list()
    with pytest.raises(NotFound, match="bucket or folder does not exist"):
        open_store("s3://bucket-that-is-not-there/x").create("k", b"")


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIA:secret@bucket/x",
        "s3://bucket/x?X-Amz-Signature=secret",
        "https://secret.example/x",
        "S3://Bucket_UPPER/x",
        "file://host/secret",
        "gs://bucket/secret",
        "s3://bucket/../secret",
        "memory:///secret",
        "",
    ],
)
def test_urls_that_are_not_plain_are_refused_without_repeating_them(url):
    with pytest.raises(ConfigError) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_an_endpoint_with_credentials_is_refused(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://me:secret@127.0.0.1:1")
    with pytest.raises(ConfigError) as caught:
        open_store("s3://bucket/x")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    ["", "/abs", "a//b", "a/", "../x", "a/../b", "./a", "a\\b", "a\0b", "a\nb", "x" * 1025, "\ud800", ".tmp/x"],
)
def test_keys_that_are_paths_out_are_refused(tmp_path, key):
    store = open_store(tmp_path)
    for operation in (store.read, store.url, store.delete, store.exists, lambda key: store.create(key, b"")):
        with pytest.raises(BadInput, match="bad_key"):
            operation(key)


PIECES = [
    "..",
    ".",
    "",
    "/",
    "a",
    "b/",
    "%2e%2e",
    "~",
    "C:",
    "\\",
    "\0",
    "$HOME",
    "😀",
    "é",
    "x" * 300,
    "\u202e",
    ".tmp",
]


def test_ten_thousand_fuzzed_keys_stay_below_the_root():
    rng, root, accepted = random.Random(5), Path("/top/root"), 0
    for _ in range(10_000):
        key = rng.choice(["", "/"]).join(rng.choices(PIECES, k=rng.randint(1, 6)))
        try:
            path = os.path.normpath(root / check_key(key))
        except BadInput:
            continue
        accepted += 1
        assert path == f"{root}/{key}"
    assert accepted > 500


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=6).map("/".join)))
def test_no_fuzzed_key_writes_a_file_outside(tmp_path, key):
    store = open_store(tmp_path / "inner" / "root")
    try:
        store.create(key, b"x")
    except TelltaleError:
        pass
    else:
        assert store.read(key) == b"x"
        assert store.list() == [key]
        store.delete(key)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_keys_with_odd_characters_are_kept_as_they_are(store):
    for key in ("a b", "%2e%2e/x", "é/😀", "a?versionId=1", "a*b", "a+b&c=d", "#x", "~/x"):
        store.create(key, key.encode())
        assert store.read(key) == key.encode()
        assert key in store.list()


def test_no_error_holds_a_credential(monkeypatch):
    for name, value in support.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StorageError) as caught:
        open_store("s3://bucket/x", support.quick_retry()).read("k")
    shown = repr(caught.value) + str(caught.value)
    assert "EndpointConnectionError" in shown
    assert not any(support.CREDENTIALS[name] in shown for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))


def test_backoff_is_jittered_and_bounded():
    slept: list[float] = []
    now = [0.0]

    def sleep(pause):
        slept.append(pause)
        now[0] += pause

    policy = RetryPolicy(sleep=sleep, clock=lambda: now[0], rng=random.Random(4))
    assert len(list(policy.tries())) == 6
    assert all(0 <= pause <= min(10, 0.5 * 2**n) for n, pause in enumerate(slept))
    assert len(set(slept)) == 5
    assert sum(slept) <= 60


def test_no_try_begins_after_the_budget():
    now = [0.0]
    policy = RetryPolicy(sleep=lambda _s: None, clock=lambda: now[0])
    begun = []
    for number in policy.tries():
        begun.append(number)
        now[0] += 20
    assert begun == [0, 1, 2]


def test_a_full_disk_says_path_and_bytes_and_leaves_nothing(tmp_path):
    script = f"""
    import resource
    from telltale_core.errors import StorageError
    from telltale_core.storage import open_store
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    store = open_store({str(tmp_path / "store")!r})
    try:
        store.create("a/big", b"x" * 10_000)
    except StorageError as error:
        print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "a/big (10,000 bytes needed): EFBIG" in done.stdout
    assert "bytes are free" in done.stdout
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_a_read_only_file_system_says_so(tmp_path, monkeypatch):
    import errno
    import os

    def refuse(*args):
        raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match=r"k \(1 bytes needed\): EROFS.*mount the file system writable"):
        open_store(tmp_path).create("k", b"x")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_unfinished_local_files_are_not_listed(tmp_path):
    store = open_store(tmp_path)
    store.create("k", b"x")
    (tmp_path / ".tmp" / "left-by-a-crash").write_bytes(b"half")
    assert store.list() == ["k"]


def test_a_file_url_is_the_same_place_as_its_path(tmp_path):
    open_store(tmp_path).create("k", b"x")
    store = open_store(f"file://{tmp_path}")
    assert store.read("k") == b"x"
    assert Path(store.url("k")) == tmp_path / "k"
