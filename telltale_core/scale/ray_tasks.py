"""Tasks of a Ray cluster: the same ordered map. Ray computes a task again where its process or its node was lost.

Whoever reaches the ports of a cluster runs code in it, so each has a token: ``RAY_AUTH_MODE=token``, see the README.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from telltale_core.errors import ConfigError, Transient
from telltale_core.scale.config import ScaleConfig

A = TypeVar("A")
B = TypeVar("B")
WINDOW = 2
"""Items in work or waiting, by worker."""
RETRIES = 3
"""How often a task is computed again whose process or node was lost."""


@contextlib.contextmanager
def connected(config: ScaleConfig) -> Iterator[Any]:
    """Yield Ray's module, connected: to the cluster of this process, that of ``address``, or one of this machine.

    The last one ends with the block. Raises :class:`ConfigError` without the library, and :class:`Transient` where no
    cluster answers.
    """
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise ConfigError('ray is not installed: pip install "telltale-cleanse[scale]"') from error
    if ray.is_initialized():
        yield ray
        return
    with _own_sigterm():
        try:
            ray.init(**_options(config))
        except ray.exceptions.AuthenticationError as error:
            raise ConfigError(
                "the Ray cluster asks for its token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
            ) from error
        except (ConnectionError, RuntimeError) as error:
            raise Transient(f"no Ray cluster answers at {config.address or 'this machine'}: {error}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _options(config: ScaleConfig) -> dict[str, Any]:
    quiet = {"configure_logging": False, "log_to_driver": False}
    if config.address:
        return {"address": config.address, **quiet}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not os.environ.get("RAY_AUTH_MODE"):
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    return {
        "address": "local",
        "num_cpus": config.workers,
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
        **quiet,
    }


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep what this process does when it is told to end: Ray puts its own handler there."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class RayTasks:
    """So many tasks of a connected Ray at a time, one processor each."""

    def __init__(self, ray: Any, workers: int) -> None:
        self._ray, self._window = ray, WINDOW * workers

    def map(self, fn: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
        """Yield ``fn(item)`` of each item, in their order; raises :class:`Transient` where Ray gave a task up."""
        ray = self._ray
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_call)
        pending: deque[Any] = deque()
        function = ray.put(fn)
        try:
            for item in items:
                pending.append(task.remote(function, item))
                if len(pending) >= self._window:
                    yield ray.get(pending.popleft())
            while pending:
                yield ray.get(pending.popleft())
        except ray.exceptions.RayTaskError:  # of the function itself
            raise
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise Transient(f"Ray gave a task up after {RETRIES} more tries: {type(error).__name__}") from error
        finally:
            for left in pending:
                ray.cancel(left)


def _call(fn: Callable[[A], B], item: A) -> B:
    return fn(item)
