"""Other processes of this machine: the standard library's pool, with a bounded window of items."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self, TypeVar

from telltale_core.errors import Transient

A = TypeVar("A")
B = TypeVar("B")
WINDOW = 2
"""Items in work or waiting, by process: the next one waits there while one is computed."""


class Processes:
    """So many processes of this machine; they begin with the first map, and end with the block.

    Each begins anew (``spawn``): a copy of a process that has threads, as torch's and Prefect's, may hang.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:  # nobody asks for what they compute: an interrupt need not wait for it
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(cancel_futures=True)

    def map(self, fn: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """Yield ``fn(item)`` of each item, in their order; raises :class:`Transient` where a process was killed."""
        pending: deque[Future[B]] = deque()
        try:
            for item in items:
                pending.append(self._pool.submit(fn, item))
                if len(pending) >= WINDOW * self._workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        except BrokenProcessPool as error:
            raise Transient(
                "a process that computed was killed, mostly for memory: run again, with a smaller scale.workers"
            ) from error
        finally:
            for future in pending:
                future.cancel()


def _begin() -> None:
    """Make of a new process one that ends with its parent, which alone decides what an interrupt does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
