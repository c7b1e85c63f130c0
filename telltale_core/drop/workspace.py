"""The folder of one ingest's unfinished work, and what becomes of those that killed ingests left."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from telltale_core.drop.budget import FULL, Space
from telltale_core.storage.work import unusable

log = logging.getLogger(__name__)
LEFT_OVER_S = 24 * 3600


@contextlib.contextmanager
def workspace(drops_dir: Path) -> Iterator[Space]:
    """Give a folder for one ingest's unfinished work, which is gone afterwards; sweeps what killed ingests left.

    Raises :class:`StorageError` before anything is read where the work area cannot be written.
    """
    space = Space(drops_dir / f".tmp-{secrets.token_hex(8)}", drops_dir)
    with contextlib.ExitStack() as stack:
        try:
            _sweep(drops_dir)
            (space.path / "drop").mkdir(parents=True)
            stack.callback(shutil.rmtree, space.path, ignore_errors=True)
            lock = stack.enter_context((space.path / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system frees it when the process dies
        except OSError as error:
            raise (space.full(error) if error.errno in FULL else unusable(drops_dir, error)) from error
        yield space


def _sweep(drops_dir: Path) -> None:
    """Remove the unfinished copies of ingests that were killed over a day ago: nobody's data, the sources have it all.

    Only our own temporary names; a folder whose ingest still runs, however long, holds its lock and stays.
    """
    for space in drops_dir.glob(".tmp-*"):
        with contextlib.suppress(OSError):  # somebody else sweeps, too; or it is not ours to remove
            if not re.fullmatch(r"\.tmp-[0-9a-f]{16}", space.name) or space.is_symlink():
                continue
            if time.time() - space.stat().st_mtime < LEFT_OVER_S:
                continue
            with (space / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(space)
                log.info("removed %s, the unfinished copy of an ingest that was killed", space)
