"""One ordered map over pure work, and what does it now: chosen once a stage, so that no function passes it on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from itertools import chain, islice
from typing import Any, Protocol, TypeVar

from threadpoolctl import threadpool_limits

from telltale_core.scale.config import ScaleConfig
from telltale_core.scale.local import Processes
from telltale_core.scale.ray_tasks import RayTasks, connected

A = TypeVar("A")
B = TypeVar("B")


class Engine(Protocol):
    """Does ``fn(item)`` somewhere; results come in the order of the items, of which few are held at a time."""

    def map(self, fn: Callable[[A], B], items: Iterable[A]) -> Iterator[B]: ...  # noqa: D102


class _Means:
    """An engine that begins when it is asked for, and ends with a block."""

    def __init__(self, config: ScaleConfig, block: contextlib.ExitStack) -> None:
        self._config, self._block = config, block
        self._engine: Engine | None = None

    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = self._block.enter_context(_opened(self._config))
        return self._engine


_means: ContextVar[_Means | None] = ContextVar("means", default=None)


@contextlib.contextmanager
def using(config: ScaleConfig) -> Iterator[None]:
    """Have :func:`ordered_map` work by these means until the end of the block; they begin where it is used."""
    with contextlib.ExitStack() as block:
        before = _means.set(None if config == ScaleConfig() else _Means(config, block))
        try:
            yield
        finally:
            _means.reset(before)


@contextlib.contextmanager
def _opened(config: ScaleConfig) -> Iterator[Engine]:
    if config.engine == "ray":
        with connected(config) as ray:
            yield RayTasks(ray, config.workers)
    else:
        with Processes(config.workers) as engine:
            yield engine


def ordered_map(fn: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """Yield ``fn(item)`` of each item, in their order, by the means of :func:`using`; without them in this process.

    ``fn`` must be pure: it may be computed anywhere, and again. It and the items must be what pickle can send. It runs
    with one thread of linear algebra, wherever that is, so that the same bits come from anywhere (on one kind of
    processor). A single item is computed here.
    """
    one_thread, rest, means = _OneThread(fn), iter(items), _means.get()
    first = list(islice(rest, 2))
    if means is None or len(first) < 2:
        return map(one_thread, chain(first, rest))
    return means.engine().map(one_thread, chain(first, rest))


class _OneThread:
    """A function that computes with one thread of linear algebra."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self._fn = fn

    def __call__(self, item: Any) -> Any:
        with threadpool_limits(1):
            return self._fn(item)
