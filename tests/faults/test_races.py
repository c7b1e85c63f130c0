"""F5 and F6: publishers that race for the next number, over memory and over a real S3 server."""

from __future__ import annotations

import itertools
import os
import random
import threading

import pytest

from telltale_core.publish import log, publish, verify
from telltale_core.storage import open_store
from tests.support import storage as support

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "25"))
S3_ROUNDS = max(2, ROUNDS // 20)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return support.make_job(tmp_path_factory.mktemp("job"), n=8, images=False)


def race(job, url: str, run_keys: list[str]) -> list[int]:
    """Publish under all run keys at once, each in its own thread; return the version numbers in the same order."""
    numbers: list[int] = [0] * len(run_keys)
    failures: list[BaseException] = []
    start = threading.Barrier(len(run_keys))
    stores = [open_store(url, support.quick_retry()) for _ in (run_keys if url.startswith("memory") else run_keys[:1])]

    def go(place: int) -> None:
        try:
            start.wait()
            store = stores[place % len(stores)]
            numbers[place] = publish(*job, store, run_key=run_keys[place], lineage=support.CODE).number
        except BaseException as error:  # noqa: BLE001  (shown in the main thread)
            failures.append(error)

    threads = [threading.Thread(target=go, args=(place,)) for place in range(len(run_keys))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert failures == []
    return numbers


@pytest.fixture(params=["memory", "s3"])
def places(request, tmp_path):
    if request.param == "memory":
        return [f"memory://{tmp_path.name}/{number}" for number in range(ROUNDS)]
    base = request.getfixturevalue("s3_url")
    return [f"{base}/{number}" for number in range(S3_ROUNDS)]


def test_f5_racers_with_one_run_key_make_one_version(job, places):
    rng = random.Random(5)
    for place in places:
        crowd = rng.randint(2, 8)
        assert race(job, place, ["same"] * crowd) == [1] * crowd
        assert len(log(place)) == 1


def test_f6_racers_with_their_own_run_keys_all_get_a_number(job, places):
    rng = random.Random(6)
    for place in places:
        crowd = rng.randint(2, 8 if place.startswith("memory") else 4)
        numbers = race(job, place, [f"run {number}" for number in range(crowd)])
        assert sorted(numbers) == list(range(1, crowd + 1))
        versions = log(place)
        assert [version.run_key for version in versions] == [f"run {numbers.index(n)}" for n in range(1, crowd + 1)]
        assert all(b.manifest["parent"]["sha256"] == a.sha256 for a, b in itertools.pairwise(versions))
    assert verify(places[-1]).ok
