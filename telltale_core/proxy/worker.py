"""A worker process: ``python -m telltale_core.proxy.worker``, started by :mod:`telltale_core.proxy.workers` only."""

from __future__ import annotations

import importlib
import json
import math
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from telltale_core import stopping
from telltale_core.config import from_dict
from telltale_core.drop import Drop
from telltale_core.errors import TelltaleError
from telltale_core.proxy.config import SettledConfig
from telltale_core.proxy.hardware import Hardware
from telltale_core.proxy.member import Job, train_member
from telltale_core.proxy.progress import Progress

PARENT_GONE = 4


def main() -> int:
    """Train the one member that the request on standard input names; answer on standard output.

    SIGTERM has it save its state and end. What a terminal sends, Ctrl-C or its own end, is for the parent to heed.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stopping.tell("SIGTERM"))
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, args=(sys.stdin,), daemon=True).start()
    try:
        for module in request["modules"]:
            importlib.import_module(module)
        train_member(_job(request), request["member"], _tell)
    except TelltaleError as error:
        _say({"error": type(error).__name__, "message": str(error), "code": getattr(error, "code", None)})
        return 1
    return 0


def _job(request: dict[str, Any]) -> Job:
    deadline_s = request["deadline_s"]
    return Job(
        drop=Drop.open(Path(request["drop"])),
        out=Path(request["out"]),
        config=from_dict(SettledConfig, request["config"]),
        hardware=Hardware(**request["hardware"]),
        statistics=request["statistics"],
        deadline_at=math.inf if deadline_s is None else time.monotonic() + deadline_s,
    )


def _end_with_parent(stream: IO[str]) -> None:
    """End this process when the parent's end of the pipe closes: the parent is gone, killed or not."""
    stream.read()
    os._exit(PARENT_GONE)


def _tell(progress: Progress) -> None:
    _say({"progress": asdict(progress)})


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # all is written; taking torch down in order takes seconds on a busy machine
