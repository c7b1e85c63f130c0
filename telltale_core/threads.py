"""Work on several threads at once, its results in order: for what releases the interpreter's lock, and for waiting."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yield what ``work`` returns for each item, in order; the first failure is raised, and nothing is begun after it.

    At most ``threads`` items are worked on at a time, while the next is taken. One thread, or one item, needs no pool.
    """
    items = iter(items)
    first = list(itertools.islice(items, 2 if threads > 1 else 0))
    if len(first) < 2:
        yield from map(work, itertools.chain(first, items))
        return
    with ThreadPoolExecutor(threads) as pool:
        begun: collections.deque[Future[R]] = collections.deque()
        for item in itertools.chain(first, items):
            begun.append(pool.submit(work, item))
            if len(begun) == threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
