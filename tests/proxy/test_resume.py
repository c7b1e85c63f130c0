"""A real process, a real SIGKILL at many moments: the resumed log equals the uninterrupted one byte for byte."""

import multiprocessing
import shutil
import signal
import time

import numpy as np
import pytest

from telltale_core.errors import ConfigError
from telltale_core.proxy import ProxyConfig, train
from telltale_core.proxy.checkpoint import checkpoint_path, load_record

pytestmark = pytest.mark.trains


@pytest.fixture(scope="module")
def processes():
    """Processes forked from a server that has imported torch once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["telltale_core.proxy", "torch._dynamo", "scipy.stats"])
    return context


def linger(progress):
    """Keep a training that is to be killed at the end of each epoch, however late the kill comes on a busy machine."""
    if progress.step % 10 == 0:
        time.sleep(5)


def kill_when(processes, there, arguments, after_s=0.0):
    """Train in a process of its own and kill it ``after_s`` after ``there()``; return whether it was still at work."""
    process = processes.Process(target=train, args=(*arguments, linger))
    process.start()
    while process.is_alive() and not there():
        time.sleep(0.0005)
    time.sleep(after_s)
    process.kill()  # unlike os.kill, at peace with one that has ended already
    process.join()
    return process.exitcode == -signal.SIGKILL


@pytest.fixture(scope="module")
def long():
    return ProxyConfig(epochs=8, width=4, batch_size=20, device="cpu", threads=1)


@pytest.fixture(scope="module")
def whole(drop, long, tmp_path_factory):
    """The same training without an interruption."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(drop, out, long)
    return out


@pytest.fixture(scope="module")
def killed_in_the_fourth_epoch(processes, drop, long, tmp_path_factory):
    out = tmp_path_factory.mktemp("stopped") / "run"
    assert kill_when(processes, (out / "losslog" / "member-0" / "epoch-0003.parquet").exists, (drop, out, long))
    return out


@pytest.fixture
def stopped(killed_in_the_fourth_epoch, tmp_path):
    """A copy of a training that was killed in its fourth epoch or a little later."""
    return shutil.copytree(killed_in_the_fourth_epoch, tmp_path / "stopped")


def test_a_kill_in_any_epoch_leaves_the_same_log(processes, drop, long, whole, tmp_path, log_bytes):
    out = tmp_path / "killed"
    random, killed = np.random.default_rng(0), 0
    for epoch in range(8):
        file = out / "losslog" / "member-0" / f"epoch-{epoch:04d}.parquet"
        killed += kill_when(processes, file.exists, (drop, out, long), after_s=float(random.uniform(0, 0.05)))
    train(drop, out, long)
    assert killed >= 6
    assert log_bytes(out) == log_bytes(whole)
    assert (out / "model-0.safetensors").read_bytes() == (whole / "model-0.safetensors").read_bytes()


def test_a_kill_costs_at_most_one_epoch(stopped, drop, long):
    standing = len(list((stopped / "losslog" / "member-0").glob("epoch-*.parquet")))
    done, reports = load_record(checkpoint_path(stopped)).epoch, []
    train(drop, stopped, long, reports.append)
    assert done in (standing - 1, standing)
    assert min(p.epoch for p in reports if p.step % 10 == 0) == done + 1


def test_a_checkpoint_of_another_recipe_is_not_resumed(stopped, drop, long):
    with pytest.raises(ConfigError, match="another drop or"):
        train(drop, stopped, long.replace(lr=0.02))


def test_a_torn_epoch_file_is_redone(stopped, drop, long, whole, log_bytes, caplog):
    torn = stopped / "losslog" / "member-0" / "epoch-0001.parquet"
    torn.write_bytes(torn.read_bytes()[:-30])
    train(drop, stopped, long)
    assert "epoch-0001.parquet is torn" in caplog.text
    assert log_bytes(stopped) == log_bytes(whole)


def test_an_absent_epoch_file_is_redone(stopped, drop, long, whole, log_bytes):
    (stopped / "losslog" / "member-0" / "epoch-0000.parquet").unlink()
    train(drop, stopped, long)
    assert log_bytes(stopped) == log_bytes(whole)


def test_a_damaged_checkpoint_starts_the_training_again(stopped, drop, long, whole, log_bytes, caplog):
    path = checkpoint_path(stopped)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    train(drop, stopped, long)
    assert "starts again" in caplog.text
    assert log_bytes(stopped) == log_bytes(whole)
