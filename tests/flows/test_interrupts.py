"""A command that does not heed what it is told is ended: at once by a second Ctrl-C, by force after its grace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from flows import interrupts
from telltale_core.errors import ConfigError

HEEDING_ALL = """
import signal
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # under nohup the tests' processes ignore one
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
"""
STUBBORN = """
import time
from flows import interrupts
with interrupts.heeding():
    while True:
        try:
            print("ready", flush=True)
            time.sleep(600)
        except BaseException as error:
            print("swallowed", type(error).__name__, flush=True)
"""


def start(grace_s: float, before: str = "") -> subprocess.Popen[str]:
    variables = {**os.environ, interrupts.VARIABLE: str(grace_s)}
    program = [sys.executable, "-c", HEEDING_ALL + before + STUBBORN]
    process = subprocess.Popen(program, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert line(process) == "ready"
    return process


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_second_ctrl_c_ends_a_command_at_once() -> None:
    process = start(600.0)
    process.send_signal(signal.SIGINT)
    assert [line(process), line(process)] == ["swallowed KeyboardInterrupt", "ready"]
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "ended by force, told twice; nothing was published" in stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_what_swallows_a_signal_is_ended_when_its_time_is_over(number: signal.Signals, code: int) -> None:
    process = start(1.0)
    began = time.monotonic()
    process.send_signal(number)
    assert line(process).startswith("swallowed")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert "still at work 1 s after it was told to stop" in stderr
    assert time.monotonic() - began >= 0.9


HINDERED = {
    "standard error takes nothing": """
import os
os.set_blocking(2, False)
try:
    while os.write(2, bytes(1 << 16)):
        pass
except BlockingIOError:
    os.set_blocking(2, True)
""",
    "a child cannot be killed": """
import multiprocessing
def changing():
    raise RuntimeError("Set changed size during iteration")
multiprocessing.active_children = changing
""",
}


@pytest.mark.parametrize("hindrance", HINDERED)
def test_whatever_hinders_its_end_the_process_ends(hindrance: str) -> None:
    process = start(600.0, HINDERED[hindrance])
    process.send_signal(signal.SIGINT)
    assert [line(process), line(process)] == ["swallowed KeyboardInterrupt", "ready"]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    process.communicate()


def test_a_signal_that_was_ignored_before_stays_so() -> None:
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + STUBBORN
    process = subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE, text=True)
    assert line(process) == "ready"
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("grace", ["soon", "0", "-1", "nan", "inf"])
def test_a_grace_that_is_no_time_is_refused(grace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(interrupts.VARIABLE, grace)
    with pytest.raises(ConfigError, match="TELLTALE_GRACE_S must be"), interrupts.heeding():
        pass
