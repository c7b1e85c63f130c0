"""F5 and F6: publishers that race for the next number, over memory and over a real S3 server."""

from __future__ import annotations

import itertools
import os
import random
import threading

import pytest

from telltale_core.publish import PublishConfig, log, publish, verify
from telltale_core.publish.tables import read_tables
from telltale_core.storage import open_store
from tests.support import storage as support

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "25"))
S3_ROUNDS = max(2, ROUNDS // 20)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return support.make_job(tmp_path_factory.mktemp("job"), n=8, images=False)


def race(job, url: str, run_keys: list[str]) -> list[int]:
    """Publish under all run keys at once, each in its own thread; return the version numbers in the same order."""
    return race_jobs([(job, run_key) for run_key in run_keys], url)


def race_jobs(runs: list, url: str, **settings) -> list[int]:
    """Publish jobs under their run keys at once; return the version numbers in the same order."""
    numbers: list[int] = [0] * len(runs)
    failures: list[BaseException] = []
    start = threading.Barrier(len(runs))
    stores = [open_store(url, support.quick_retry()) for _ in (runs if url.startswith("memory") else runs[:1])]
    config = PublishConfig(**settings)

    def go(place: int) -> None:
        try:
            start.wait()
            store = stores[place % len(stores)]
            job, run_key = runs[place]
            numbers[place] = publish(*job, store, run_key=run_key, lineage=support.CODE, config=config).number
        except BaseException as error:  # noqa: BLE001  (shown in the main thread)
            failures.append(error)

    threads = [threading.Thread(target=go, args=(place,)) for place in range(len(runs))]
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


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    return [support.make_job(tmp_path_factory.mktemp(f"job-{n}"), n=8, seed=n, images=False) for n in range(4)]


def test_racers_that_append_lose_nothing_and_each_run_is_one_version(crowd, places):
    rng = random.Random(8)
    for place in places:
        jobs = rng.sample(crowd, rng.randint(2, 4))
        runs = [(job, f"run {number}") for number, job in enumerate(jobs)]
        twice = [*runs, rng.choice(runs)]  # one run is there two times, as after a crash
        numbers = race_jobs(twice, place, mode="append")
        assert sorted(set(numbers)) == list(range(1, len(jobs) + 1))
        assert numbers[-1] == numbers[runs.index(twice[-1])]
        newest = log(place)[-1]
        assert newest.counts["ingested"] == 11 * len(jobs)
        ids = read_tables(newest, "index")["sample_id"].to_pylist()
        assert sorted(ids) == sorted(str(name) for job in jobs for name in job[0].sample_ids)
        assert verify(place).problems == ()


def test_racers_that_bring_the_same_samples_add_them_once(crowd, tmp_path):
    """Two drops of other rows in part: whichever is behind finds what the winner brought."""
    both = support.make_job(tmp_path / "both", n=8, seed=0, images=False, rejected=1)
    for number in range(3):
        place = f"memory://{tmp_path.name}/{number}"
        race_jobs([(crowd[0], "a"), (both, "b")], place, mode="append")
        newest = log(place)[-1]
        assert len(read_tables(newest, "index")) == 8
        assert sum(newest.manifest["appended"]["there"].values()) == 8
        assert verify(place).problems == ()
