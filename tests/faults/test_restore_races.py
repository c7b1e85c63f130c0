"""F24: restores race with each other and with publications. Each that was reported holds until another run comes."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from telltale_core.errors import Conflict
from telltale_core.publish import PublishConfig, log, publish, restore, restoring, verify
from telltale_core.publish.protocol import commit_next
from telltale_core.publish.tables import read_tables
from telltale_core.storage import open_store
from tests.support import simulation as sim
from tests.support import storage as support

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "15"))
ROOT = Path(__file__).parents[2]
ASIDE = [f"s0-{row:04d}" for row in range(7)]


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    roots = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
    return [support.make_job(root, n=8, seed=seed, images=False) for seed, root in enumerate(roots)]


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level("ERROR")


def bring_back(store, sample: str, done: dict) -> None:
    """Restore a sample; ``done`` says which version has it, or that another run came in between."""
    try:
        done[sample] = restore(store, [sample], reason="fine", by="ann").number
    except Conflict:
        done[sample] = None


def play_append(jobs, seed: int) -> list[str]:
    """Play one interleaving of restores and of a drop that is appended; return what broke. Nobody is in the way."""
    rng, clock, done = random.Random(seed), sim.Clock(), {}
    store, transport = sim.sim_store(clock)
    config = PublishConfig(mode="append")
    publish(*jobs[0], store, run_key="first", lineage=support.CODE, config=config)
    turns = sim.Turns(clock, transport, rng)
    samples = rng.sample(ASIDE, 2)
    programs = [lambda sample=sample: bring_back(store, sample, done) for sample in samples]
    programs.append(lambda: publish(*jobs[1], store, run_key="o", lineage=support.CODE, config=config) and None)
    turns.run(programs, longest_jump_s=60)
    newest = log(store)[-1]
    index = {row["sample_id"]: row["decision"] for row in read_tables(newest, "index").to_pylist()}
    problems = [
        f"{sample}: {done.get(sample)}" for sample in samples if index[sample] != "keep" or not done.get(sample)
    ]
    return [*problems, *([] if len(index) == 16 else ["rows lost"]), *verify(store).problems]


@pytest.mark.slow
def test_restores_and_appended_drops_in_any_interleaving_all_hold(jobs):
    assert [(seed, problems) for seed in range(ROUNDS) if (problems := play_append(jobs, seed))] == []


def lost(store, done: dict) -> list[str]:
    """Return what races broke: restored samples that a later version of the run lacks, runs that were superseded."""
    versions = log(store)
    problems = [
        f"version {version.number} takes the place of version {version.number - 1}"
        for version in versions
        if version.restored_from not in {None, version.number - 1}
    ]
    for sample, number in done.items():
        for version in versions[(number or len(versions) + 1) - 1 :]:
            if version.number != number and version.restored_from is None:
                break  # another run was published
            index = read_tables(version, "index").to_pylist()
            if next(row["decision"] for row in index if row["sample_id"] == sample) != "keep":
                problems.append(f"{sample}, restored in version {number}, is not in version {version.number}")
    if None in done.values() and all(version.run_key != "other" for version in versions):
        problems.append("a conflict without another run")
    return problems


def play(jobs, seed: int) -> list[str]:
    """Play one interleaving of two or three restores and, every other time, a publication; return what broke."""
    rng, clock, done = random.Random(seed), sim.Clock(), {}
    store, transport = sim.sim_store(clock)
    publish(*jobs[0], store, run_key="first", lineage=support.CODE)
    turns = sim.Turns(clock, transport, rng)
    samples = rng.sample(ASIDE, rng.randint(2, 3))
    programs = [lambda sample=sample: bring_back(store, sample, done) for sample in samples]
    if seed % 2:
        programs.append(lambda: publish(*jobs[1], store, run_key="other", lineage=support.CODE) and None)
    turns.run(programs, longest_jump_s=60)
    assert set(done) == set(samples)
    return lost(store, done)


@pytest.mark.slow
def test_f24_in_any_interleaving_no_restore_is_lost_and_no_run_superseded(jobs):
    assert [(seed, problems) for seed in range(ROUNDS) if (problems := play(jobs, seed))] == []


def test_f24_the_simulation_sees_what_restores_lost_before(jobs, monkeypatch):
    """The rule left out: a restore that lost the race takes the next number with what it made of its old parent."""

    def following(placer, versions, draft):
        return commit_next(placer, versions, lambda _: draft)

    monkeypatch.setattr(restoring, "commit", following)
    assert any(play(jobs, seed) for seed in range(200))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["memory", "local"])
def test_f24_threads(jobs, tmp_path, place):
    for number in range(max(3, ROUNDS // 5)):
        url = f"memory://{tmp_path.name}/{number}" if place == "memory" else tmp_path / str(number)
        publish(*jobs[0], url, run_key="first", lineage=support.CODE)
        done: dict = {}
        threads = [
            threading.Thread(target=bring_back, args=(open_store(url), sample, done))
            for sample in ASIDE[: 2 + number % 3]
        ]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert sorted(done.values()) == list(range(2, len(threads) + 2))
        assert lost(open_store(url), done) == []


@pytest.mark.slow
def test_f24_processes(jobs, tmp_path):
    rounds = max(3, ROUNDS // 5)
    publish(*jobs[0], tmp_path / "0", run_key="first", lineage=support.CODE)
    for number in range(1, rounds):
        shutil.copytree(tmp_path / "0", tmp_path / str(number))
    command = [
        sys.executable,
        "-W",
        "error",
        str(Path(__file__).with_name("restore_once.py")),
        str(tmp_path),
        str(rounds),
    ]
    with contextlib.ExitStack() as stack:
        racers = {
            sample: stack.enter_context(
                subprocess.Popen(
                    [*command, sample], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
                )
            )
            for sample in ASIDE[:3]
        }
        assert [racer.stdout.readline() for racer in racers.values()] == ["ready\n"] * 3
        for number in range(rounds):
            (tmp_path / f"go-{number}").touch()
            done = {sample: int(racer.stdout.readline()) for sample, racer in racers.items()}
            assert sorted(done.values()) == [2, 3, 4]
            assert lost(open_store(tmp_path / str(number)), done) == []
    assert verify(tmp_path / "0").ok


def test_restoring_the_same_sample_twice_at_once_is_one_version(jobs, tmp_path):
    publish(*jobs[0], tmp_path, run_key="first", lineage=support.CODE)
    done: list[int] = []

    def go() -> None:
        done.append(restore(tmp_path, ASIDE[:1], reason="fine", by="ann").number)

    threads = [threading.Thread(target=go) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert done == [2] * 4
    assert len(log(tmp_path)) == 2


def test_a_restore_does_not_take_the_place_of_another_run_unless_told_to(jobs, tmp_path):
    publish(*jobs[0], tmp_path, run_key="first", lineage=support.CODE)
    publish(*jobs[1], tmp_path, run_key="other", lineage=support.CODE)
    with pytest.raises(Conflict, match="--over 2"):
        restore(tmp_path, ASIDE[:1], reason="fine", by="ann", number=1)
    with pytest.raises(Conflict):
        restore(tmp_path, ASIDE[:1], reason="fine", by="ann", number=1, over=1)
    version = restore(tmp_path, ASIDE[:1], reason="fine", by="ann", number=1, over=2)
    assert (version.number, version.restored_from, version.manifest["parent"]["number"]) == (3, 1, 2)
    assert restore(tmp_path, ASIDE[1:2], reason="fine", by="ann", number=1).restored_from == 3
