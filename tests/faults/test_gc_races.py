"""F17: gc beside running publishes, over seeded interleavings with a clock that jumps by days."""

from __future__ import annotations

import os
import random
import sys
import uuid

import pytest

from telltale_core.digest import sha256_bytes
from telltale_core.errors import Corrupt, Transient
from telltale_core.publish import blob_writer, gc, log
from telltale_core.publish.blob_writer import MIN_GRACE_S, Placer
from telltale_core.publish.commit import commit
from telltale_core.publish.drop_blobs import entries
from telltale_core.publish.protocol import commit_next
from tests.support import simulation as sim

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "25"))
CONTENTS = [f"shard {number}".encode() for number in range(4)]


def draft_of(run_key: str, files: list) -> dict:
    counts = dict.fromkeys(("ingested", "published", "quarantined", "review", "rejected"), 0)
    empty = {name: [] for name in ("quarantine", "rejected", "index", "report")}
    named = {"run_key": run_key, "dataset": "d", "drop": {"digest": run_key}, "lineage": {}, "verdict": {}}
    return {**named, **empty, "files": files, "counts": counts}


def publisher(store, rng: random.Random, run_key: str, alarms: list[str]):
    """Publish a version that names up to three of the shared contents; sometimes crash before the commit."""

    def program() -> None:
        chosen, crash = rng.sample(CONTENTS, rng.randint(1, 3)), rng.random() < 0.3
        for _ in range(4):
            versions = log(store)
            placer = Placer(store, versions, uuid.UUID(int=rng.getrandbits(128)).hex)
            try:
                blobs = [placer.place(data, ".parquet", 0) for data in chosen]
                if crash:
                    return
                draft = draft_of(run_key, entries(blobs))
                commit_next(placer, versions, lambda _, draft=draft: draft)
            except Transient:
                continue  # took too long: what a caller does, run again
            except Corrupt as error:
                alarms.append(str(error))
            return

    return program


def collector(store):
    def program() -> None:
        for _ in range(3):
            gc(store, older_than_s=MIN_GRACE_S, dry_run=False)

    return program


def play(seed: int, monkeypatch) -> tuple[int, int, int]:
    """Play one interleaving; return how many deletes were sent, named blobs lost, and false alarms raised."""
    rng, clock = random.Random(seed), sim.Clock()
    store, transport = sim.sim_store(clock)
    for module in (blob_writer, sys.modules[gc.__module__]):
        monkeypatch.setattr(module, "time", clock.module())
    for data in rng.sample(CONTENTS, 2):  # left by crashes long ago
        sha256 = sha256_bytes(data)
        transport.objects[f"blobs/sha256/{sha256[:2]}/{sha256}.parquet"] = (data, clock.now - 60 * sim.HOUR_S)
    commit(Placer(store, [], "first"), [], draft_of("first", []))
    transport.lose = lambda _operation: rng.random() < 0.2
    deletes: list[str] = []
    alarms: list[str] = []
    turns = sim.Turns(clock, transport, rng)
    take = transport.turn

    def counted(operation: str, key: str) -> None:
        deletes.extend([key] if operation == "delete" else [])
        take(operation, key)

    transport.turn = counted
    programs = [publisher(store, rng, f"run {number}", alarms) for number in range(rng.randint(1, 4))]
    turns.run([*programs, collector(store), collector(store)], longest_jump_s=30 * sim.HOUR_S)
    transport.lose = lambda _operation: False
    blobs = [blob for version in log(store) for blob in version.blobs()]
    held = {blob.path: transport.objects.get(blob.path, (b"", 0.0))[0] for blob in blobs}
    lost = sum(sha256_bytes(held[blob.path]) != blob.sha256 for blob in blobs)
    return len(deletes), lost, len(alarms)


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level("ERROR")


@pytest.mark.slow
def test_f17_gc_beside_publishers_never_takes_a_named_blob(monkeypatch):
    outcomes = [play(seed, monkeypatch) for seed in range(ROUNDS)]
    assert sum(deletes for deletes, _, _ in outcomes) > ROUNDS // 4
    assert [seed for seed, (_, lost, alarms) in enumerate(outcomes) if lost or alarms] == []


@pytest.mark.slow
@pytest.mark.parametrize("weakened", ["age", "tombstone"])
def test_f17_the_simulation_sees_the_danger_that_each_rule_averts(monkeypatch, weakened):
    if weakened == "age":
        monkeypatch.setattr(blob_writer, "REUSE_S", float("inf"))
        monkeypatch.setattr(blob_writer, "DEADLINE_S", float("inf"))
    else:
        monkeypatch.setattr(blob_writer, "tombstone", lambda path: f"_gc/never/{path}")
    assert any(play(seed, monkeypatch)[1] for seed in range(3000))
