"""Ctrl-C, SIGTERM or a closed terminal at any stage: the command ends soon, nothing comes after it, nothing is lost.

The signal goes to the whole process group, as a terminal sends it: to the temporary Prefect server, too.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.interrupts import GRACE_S, VARIABLE
from telltale_core import publish
from telltale_core.errors import NotFound
from tests.support.commands import Started
from tests.support.prefect_home import prefect_home

pytestmark = pytest.mark.timeout(900)  # commands are started again and again: minutes on a loaded machine
Telltale = Callable[..., Started]
BUSY_S = 120.0  # on top of what is promised: a loaded machine may not let the process run for a while
PATIENT = {VARIABLE: "120"}  # where it is tested what is done in order, however long that takes on a loaded machine
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def versions(out: Path) -> int:
    try:
        return len(publish.log(out))
    except NotFound:
        return 0


def ends(started: Started, number: signal.Signals) -> str:
    """Wait for the end that a signal brings; return what was told."""
    assert started.end(float(started.environment.get(VARIABLE, GRACE_S)) + BUSY_S) == CODES[number], (
        started.messages.read_text()[-3000:]
    )
    until = time.monotonic() + BUSY_S
    while left := started.left():  # what has been killed, or has lost its parent, is about to go
        assert time.monotonic() < until, left
        time.sleep(0.05)
    return started.messages.read_text()


def test_ctrl_c_at_each_stage_publishes_nothing_and_the_same_command_completes(
    telltale: Telltale, small_drop: Path, tmp_path: Path
) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    command = ("cleanse", small_drop, "--out", out, "--work", work, "--json")
    for stage in ("ingest", "train", "spectrum", "cluster", "report"):
        while True:
            started = telltale(*command)
            started.wait_told(f"{stage}: started")
            started.signal(signal.SIGINT)
            if started.end(10 + BUSY_S) != 0:
                break
            shutil.rmtree(out)  # the stage took less time than a loaded machine took to send the signal: once more
            shutil.rmtree(work)
        assert "nothing was published" in ends(started, signal.SIGINT)
    assert versions(out) == 0
    before = telltale(*command, TELLTALE_FAILPOINT="before-commit:SIGINT")
    assert "nothing was published" in ends(before, signal.SIGINT)
    assert versions(out) == 0
    after = telltale(*command, TELLTALE_FAILPOINT="after-commit:SIGINT")
    assert "was committed before" in ends(after, signal.SIGINT)
    assert versions(out) == 1
    assert telltale(*command).result()["version"] == 1
    assert publish.verify(out).ok


@pytest.fixture
def alone(tmp_path: Path, small_drop: Path, settings_file: Path) -> Iterator[Telltale]:
    """Start a command without a Prefect server: it starts its own. Its training lasts until it is told to end."""
    started: list[Started] = []
    home = prefect_home(tmp_path / "prefect")

    def start(*words: object, **environment: str) -> Started:
        known = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        known |= {"PREFECT_HOME": str(home), "OMP_NUM_THREADS": "1", **PATIENT, **environment}
        common = ["--config", settings_file, "--work", tmp_path / "work", "--set", "proxy.epochs=100000"]
        started.append(Started(tmp_path / f"alone-{len(started)}", [*map(str, [*words, *common])], known))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None or one.left():
            one.kill()


def test_ctrl_c_ends_the_command_and_its_own_server(alone: Telltale, small_drop: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    started = alone("cleanse", small_drop, "--out", out)
    until = time.monotonic() + 240
    while len(started.left()) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    started.signal(signal.SIGINT)  # the server is about to start
    assert "nothing was published" in ends(started, signal.SIGINT)

    started = alone("cleanse", small_drop, "--out", out)
    started.wait_told("epoch 1/100000")
    assert len(started.left()) >= 2  # itself, the server
    started.signal(signal.SIGINT)
    messages = ends(started, signal.SIGINT)
    assert "nothing was published" in messages
    assert "ended by force" not in messages
    assert versions(out) == 0
    assert len(saved(tmp_path)) == 1


def test_sigterm_to_the_group_of_a_command_with_its_own_server_publishes_nothing(
    alone: Telltale, small_drop: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    started = alone("cleanse", small_drop, "--out", out)
    started.wait_told("epoch 1/100000")
    started.signal(signal.SIGTERM)
    messages = ends(started, signal.SIGTERM)
    assert "nothing was published" in messages
    assert "ended by force" not in messages
    assert versions(out) == 0
    assert len(saved(tmp_path)) == 1


def saved(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "work").glob("train/*/checkpoint/member-*.safetensors"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_training_is_saved_whatever_signal_ends_it(
    number: signal.Signals, alone: Telltale, small_drop: Path, tmp_path: Path
) -> None:
    started = alone("train", small_drop)
    started.wait_told("epoch 1/100000")
    started.signal(number)
    messages = ends(started, number)
    assert "interrupted" in messages
    assert "ended by force" not in messages
    assert len(saved(tmp_path)) == 1


def test_ctrl_c_ends_a_comparison(alone: Telltale, small_drop: Path, tmp_path: Path) -> None:
    started = alone("compare", small_drop)
    started.wait_told("epoch 1/100000")
    started.signal(signal.SIGINT)
    assert "ended by force" not in ends(started, signal.SIGINT)
    assert len(saved(tmp_path)) == 1


def test_a_bench_that_is_told_to_end_ends_its_processes(tmp_path: Path) -> None:
    words = ["bench", "--suite", "digits", "--work", str(tmp_path / "bench"), "--jobs", "2", "--victims", "none"]
    started = Started(tmp_path / "process", words, {**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        until = time.monotonic() + 240
        while len(started.left()) < 4:  # itself, two cases, their resource tracker
            assert started.process.poll() is None, started.messages.read_text()[-3000:]
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(started.process.pid, signal.SIGTERM)  # it alone: the others are its own to end
        ends(started, signal.SIGTERM)
    finally:
        if started.left():
            started.kill()
