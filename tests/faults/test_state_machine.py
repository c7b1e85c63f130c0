"""F23: publish, crash, retry, restore, gc and time in any order; the invariants hold after every step."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from telltale_core.errors import BadInput, Conflict
from telltale_core.publish import (
    PublishConfig,
    blob_writer,
    commit,
    drop_blobs,
    gc,
    log,
    protocol,
    publish,
    restore,
    verify,
)
from telltale_core.publish.blob_writer import MIN_GRACE_S
from telltale_core.publish.failpoint import FAILPOINTS
from telltale_core.publish.tables import read_tables
from tests.support import simulation as sim
from tests.support import storage as support

EXAMPLES = int(os.environ.get("FAULT_ROUNDS", "10"))


class Killed(BaseException):
    """Stands for SIGKILL: no handler in the library catches it."""


class Publishing(RuleBasedStateMachine):
    jobs: ClassVar[list] = []

    def __init__(self) -> None:
        super().__init__()
        self.clock = sim.Clock()
        self.store, self.transport = sim.sim_store(self.clock)
        self.kill_at = ""
        self.manifests: dict[int, str] = {}
        self.unchecked = False
        for module in (blob_writer, sys.modules[gc.__module__]):
            module.time = self.clock.module()
        protocol.reach = drop_blobs.reach = commit.reach = self._reach

    def teardown(self) -> None:
        import time

        from telltale_core.publish.failpoint import reach

        blob_writer.time = sys.modules[gc.__module__].time = time
        protocol.reach = drop_blobs.reach = commit.reach = reach

    def _reach(self, name: str) -> None:
        if name == self.kill_at:
            raise Killed

    @rule(
        job=st.integers(0, 1),
        run=st.integers(0, 3),
        kill_at=st.sampled_from(["", "", *FAILPOINTS]),
        mode=st.sampled_from(["replace", "append"]),
    )
    def publish(self, job: int, run: int, kill_at: str, mode: str) -> None:
        self.kill_at, self.unchecked = kill_at, True
        key = f"job {job} run {run} {mode}"
        try:
            version = publish(
                *self.jobs[job], self.store, run_key=key, lineage=support.CODE, config=PublishConfig(mode=mode)
            )
            assert version.run_key == key
        except Killed:
            pass
        except BadInput as error:
            if (error.code, mode) != ("drop_there", "append"):
                raise

    @precondition(lambda self: self.manifests)
    @rule(
        number=st.integers(1, 9),
        row=st.integers(0, 6),
        kill_at=st.sampled_from(["", "after-commit"]),
        supersede=st.booleans(),
    )
    def restore(self, number: int, row: int, kill_at: str, *, supersede: bool) -> None:
        base = log(self.store)[(number - 1) % len(self.manifests)]
        index = read_tables(base, "index").to_pylist()
        row += 8 * (number % (len(index) // 8))  # of the first drop or of a later one
        if index[row]["decision"] == "keep":
            return
        self.kill_at, self.unchecked = kill_at, True
        sample, over = index[row]["sample_id"], len(self.manifests) if supersede else None
        with contextlib.suppress(Killed, BadInput, *([] if supersede else [Conflict])):
            restore(self.store, [sample], reason="fine", by="ann", number=base.number, over=over)

    @precondition(lambda self: self.manifests)
    @rule()
    def collect(self) -> None:
        self.unchecked = True
        gc(self.store, older_than_s=MIN_GRACE_S, dry_run=False)

    @rule(hours=st.sampled_from([1, 10, 60]))
    def wait(self, hours: int) -> None:
        self.clock.now += hours * sim.HOUR_S

    @invariant()
    def versions_are_whole_and_never_change(self) -> None:
        if not self.unchecked:
            return
        self.unchecked, self.kill_at = False, ""
        versions = log(self.store)
        assert [version.number for version in versions] == list(range(1, len(versions) + 1))
        assert len({version.run_key for version in versions}) == len(versions)
        now = {version.number: version.sha256 for version in versions}
        assert now.items() >= self.manifests.items()
        self.manifests = now
        for version in versions:
            assert verify(self.store, version.number).problems == ()
            if (before := version.follows) is not None:
                assert version.counts["ingested"] >= versions[before - 1].counts["ingested"]
                assert version.counts["published"] >= versions[before - 1].counts["published"]
            assert len(read_tables(version, "index")) + version.counts["rejected"] == version.counts["ingested"]


@pytest.mark.slow
def test_f23_invariants_hold_in_any_order(caplog) -> None:
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            roots = [Path(folder) / name for name in ("a", "b")]
            Publishing.jobs = [support.make_job(root, n=8, seed=n, images=False) for n, root in enumerate(roots)]
            run_state_machine_as_test(
                Publishing,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=20,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
    finally:
        logging.disable(logging.NOTSET)
