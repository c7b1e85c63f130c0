"""Several members at a time on a CPU: one process each, and none of them outlives the parent or is lost unseen.

A worker gets its request as one JSON line on its standard input and answers with JSON lines. The parent keeps that
input open: when the parent ends, however it ends, the pipe closes and the worker ends too.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess  # the interpreter that runs us, with a fixed module name
import sys
import threading
import time
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from telltale_core import errors, stopping
from telltale_core.config import to_dict
from telltale_core.errors import BadInput, ConfigError, Stopped, TelltaleError, Transient
from telltale_core.modality import modality_named
from telltale_core.proxy.member import Job
from telltale_core.proxy.models import resolve
from telltale_core.proxy.progress import Progress, ProgressCallback

Line = tuple[int, str | None]
LOOK_EVERY_S = 0.2
SAVING_S = 30.0
"""How long a worker that was told to stop may take for its step and its state; then it is killed."""


def train_in_workers(job: Job, workers: int, progress: ProgressCallback | None) -> None:
    """Train all members of a job, ``workers`` at a time; progress arrives in the calling thread.

    Raises what a worker raised, or :class:`Transient` when one was killed (out of memory, a signal): run again, each
    member resumes at its last whole epoch. Told to stop, it has the workers save their states first, and raises
    :class:`Stopped`. No worker is left running.
    """
    waiting, lines = deque(range(job.config.members)), queue.Queue[Line]()
    running: dict[int, subprocess.Popen[str]] = {}
    tails: dict[int, deque[str]] = {}
    try:
        while waiting or running:
            stopping.check(f"{len(running) + len(waiting)} of {job.config.members} proxies are not done")
            while waiting and len(running) < workers:
                member = waiting.popleft()
                running[member], tails[member] = _start(job, member, lines), deque(maxlen=15)
            try:
                member, line = lines.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                continue
            if line is None:
                _require_success(member, running.pop(member), tails[member])
            elif not _handle(line, progress):
                tails[member].append(line)
    finally:
        _end_all(list(running.values()))


def _end_all(processes: list[subprocess.Popen[str]]) -> None:
    """End what is left; where this process was told to stop, each may save its state first."""
    until = time.monotonic() + (SAVING_S if stopping.requested_by() else 0.0)
    for process in processes:
        process.terminate()
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))
    for process in processes:
        process.kill()
        _end(process)


def _start(job: Job, member: int, lines: queue.Queue[Line]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "telltale_core.proxy.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=_environment(job),
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a worker without pipes")
    threading.Thread(target=_forward, args=(member, process.stdout, lines), daemon=True).start()
    with contextlib.suppress(BrokenPipeError):  # it died at once: its exit status tells
        process.stdin.write(json.dumps(_request(job, member)) + "\n")
        process.stdin.flush()
    return process


def _forward(member: int, stream: IO[str], lines: queue.Queue[Line]) -> None:
    with stream:
        for line in stream:
            lines.put((member, line.rstrip("\n")))
    lines.put((member, None))


def _request(job: Job, member: int) -> dict[str, Any]:
    kind = type(modality_named(job.drop.modality))
    modules = [kind.__module__, resolve(job.config.model, job.drop.modality)[1].__module__]
    if "__main__" in modules:
        raise ConfigError("what is registered in the main script is unknown to worker processes; set workers = 1")
    return {
        "drop": str(Path(job.drop.path).absolute()),
        "out": str(job.out.absolute()),
        "config": to_dict(job.config),
        "hardware": asdict(job.hardware),
        "statistics": dict(job.statistics),
        "deadline_s": None if job.config.deadline_s is None else max(0.0, job.deadline_at - time.monotonic()),
        "member": member,
        "modules": modules,
    }


def _environment(job: Job) -> dict[str, str]:
    """Return the worker's environment: the same imports, one pool of the wanted number of threads."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *(str(Path(entry or ".").absolute()) for entry in sys.path)]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "OMP_NUM_THREADS": str(job.hardware.threads),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def _handle(line: str, progress: ProgressCallback | None) -> bool:
    """Return whether a line was a message; pass progress on and raise a worker's error."""
    try:
        message = json.loads(line)
    except ValueError:
        return False
    if isinstance(message, dict) and "progress" in message:
        if progress is not None:
            progress(Progress(**message["progress"]))
        return True
    if isinstance(message, dict) and "error" in message:
        error = _revived(message)
        if isinstance(error, Stopped) and not stopping.requested_by():
            raise Transient(f"a worker alone was told to end: {error}")
        raise error
    return False


def _revived(message: dict[str, Any]) -> TelltaleError:
    """Return a worker's error as the class it was raised with."""
    kind = getattr(errors, str(message["error"]), TelltaleError)
    if kind is BadInput:
        return BadInput(message["code"], message["message"].removesuffix(f" [{message['code']}]"))
    if isinstance(kind, type) and issubclass(kind, TelltaleError):
        return kind(message["message"])
    return TelltaleError(message["message"])


def _end(process: subprocess.Popen[str]) -> int:
    """Return the status of a process that has ended or is about to; its input is closed."""
    code = process.wait()
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    return code


def _require_success(member: int, process: subprocess.Popen[str], tail: deque[str]) -> None:
    code = _end(process)
    if code < 0:
        raise Transient(
            f"the worker of proxy {member} was killed by signal {-code} (out of memory, or by hand); run again, it "
            "resumes at its last whole epoch, with fewer workers if memory was short"
        )
    if code > 0:
        last = " | ".join(tail) or "it said nothing"
        raise TelltaleError(f"the worker of proxy {member} ended with status {code}; its last lines: {last}")
