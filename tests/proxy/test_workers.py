import math
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from telltale_core import errors
from telltale_core.proxy import train
from telltale_core.proxy.workers import _revived

linux_only = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds processes in /proc")


def children_of(pid):
    """The worker processes that a process has started."""
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [child for child in found if b"telltale_core.proxy.worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, limit_s=240.0):
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.02)
    return None


@pytest.mark.trains
@pytest.mark.slow
def test_members_in_processes_write_the_very_log_of_one_process(drop, config, tmp_path, log_bytes):
    two = config.replace(members=2, epochs=2)
    told = []
    train(drop, tmp_path / "parallel", two.replace(workers=2), told.append)
    train(drop, tmp_path / "single", two.replace(workers=1))
    assert log_bytes(tmp_path / "parallel") == log_bytes(tmp_path / "single")
    assert {p.member for p in told} == {0, 1}
    assert all(p.members == 2 and math.isfinite(p.loss) for p in told)


@pytest.mark.trains
@linux_only
def test_a_killed_worker_fails_the_stage_retryably_and_leaves_none_behind(drop, config, tmp_path):
    seen = []

    def kill_one():
        seen.extend(wait_for(lambda: len(found := children_of(os.getpid())) == 2 and found) or [])
        os.kill(seen[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(errors.Transient, match="killed by signal 9"):
        train(drop, tmp_path / "out", config.replace(members=2, workers=2, epochs=1000))
    killer.join()
    assert [pid for pid in seen if alive(pid)] == []


@linux_only
@pytest.mark.slow
@pytest.mark.trains
def test_a_killed_parent_leaves_no_worker(drop, config, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["telltale_core.proxy", "torch._dynamo", "scipy.stats"])
    many = config.replace(members=2, workers=2, epochs=1000)
    parent = context.Process(target=train, args=(drop, tmp_path / "out", many))
    parent.start()
    first = tmp_path / "out" / "losslog" / "member-0" / "epoch-0000.parquet"
    assert wait_for(first.exists)
    workers = children_of(parent.pid)
    assert len(workers) == 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    assert wait_for(lambda: not any(alive(pid) for pid in workers))


@pytest.mark.parametrize("error", [errors.TrainingDiverged("at step 3"), errors.BadInput("one_class", "only one")])
def test_a_workers_error_arrives_as_it_was_raised(error):
    message = {"error": type(error).__name__, "message": str(error), "code": getattr(error, "code", None)}
    again = _revived(message)
    assert type(again) is type(error)
    assert str(again) == str(error)
