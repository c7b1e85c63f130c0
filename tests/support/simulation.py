"""A store with its own clock, and actors that take turns at it in a seeded order: interleavings without luck."""

from __future__ import annotations

import hashlib
import random
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from telltale_core.storage import Entry, RetryPolicy, Store
from telltale_core.storage.names import parse_url
from telltale_core.storage.transport import Failure, Kind

HOUR_S = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def module(self) -> Any:
        """Return what can stand in for the ``time`` module."""
        return types.SimpleNamespace(time=lambda: self.now, monotonic=lambda: self.now)


class SimTransport:
    """Objects in a dict, stamped with the simulated clock; ``turn`` is called before every request takes effect."""

    errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.turn: Callable[[str, str], None] = lambda _operation, _key: None
        self.lose: Callable[[str], bool] = lambda _operation: False

    def explain(self, error: Exception) -> Failure:
        kinds = {FileNotFoundError: Kind.MISSING, FileExistsError: Kind.EXISTS}
        return Failure(kind=kinds.get(type(error), Kind.AGAIN), detail=type(error).__name__, maybe_done=True)

    def _stored(self, key: str) -> tuple[bytes, float]:
        if key not in self.objects:
            raise FileNotFoundError(key)
        return self.objects[key]

    def _answer(self, operation: str) -> None:
        if self.lose(operation):
            raise ConnectionResetError

    def get(self, key: str) -> bytes:
        self.turn("get", key)
        return self._stored(key)[0]

    def digest(self, key: str) -> str:
        return hashlib.sha256(self.get(key)).hexdigest()

    def put(self, key: str, data: bytes) -> None:
        raise AssertionError("publishing never overwrites")

    def create(self, key: str, data: bytes) -> None:
        self.turn("create", key)
        if key in self.objects:
            raise FileExistsError(key)
        self.objects[key] = (bytes(data), self.clock.now)
        self._answer("create")

    def stat(self, key: str) -> Entry:
        self.turn("stat", key)
        data, then = self._stored(key)
        return Entry(key=key, bytes=len(data), modified_s=then)

    def persist(self, key: str) -> None:
        self._stored(key)

    def scan(self, folder: str) -> list[Entry]:
        self.turn("scan", folder)
        objects = [(key, *value) for key, value in self.objects.items() if key.startswith(f"{folder}/")]
        return [Entry(key=key, bytes=len(data), modified_s=then) for key, data, then in objects]

    def delete(self, key: str) -> None:
        self.turn("delete", key)
        self.objects.pop(key, None)
        self._answer("delete")

    def upload(self, path: Path, key: str) -> None:
        raise AssertionError("publishing never overwrites")

    def download(self, key: str, path: Path) -> None:
        path.write_bytes(self.get(key))


def sim_store(clock: Clock) -> tuple[Store, SimTransport]:
    transport = SimTransport(clock)
    retry = RetryPolicy(sleep=lambda _s: None, clock=lambda: 0.0, attempts=20)
    return Store(parse_url("memory://simulated/d"), transport, retry), transport


class Turns:
    """Runs actors in threads, one at a time: whoever holds the turn runs up to its next request to the store."""

    def __init__(self, clock: Clock, transport: SimTransport, rng: random.Random) -> None:
        self.clock, self.rng = clock, rng
        self.waiting: dict[int, tuple[str, str, float]] = {}
        self.locals = threading.local()
        self.wake: dict[int, threading.Semaphore] = {}
        self.stopped = threading.Semaphore(0)
        self.failures: list[BaseException] = []
        transport.turn = self._turn

    def _turn(self, operation: str, key: str) -> None:
        actor = getattr(self.locals, "actor", None)
        if actor is None:
            return
        self.waiting[actor] = (operation, key, self.clock.now)
        self.stopped.release()
        self.wake[actor].acquire()

    def run(self, programs: list[Callable[[], None]], longest_jump_s: float) -> None:
        """Run all programs to their end; between turns the clock may jump, but a sent commit lands within a day."""
        for actor, program in enumerate(programs):
            self.wake[actor] = threading.Semaphore(0)
            threading.Thread(target=self._body, args=(actor, program), daemon=True).start()
            self.stopped.acquire()
        while self.waiting:
            self._maybe_jump(longest_jump_s)
            actor = self.rng.choice(sorted(self.waiting))
            del self.waiting[actor]
            self.wake[actor].release()
            self.stopped.acquire()
        if self.failures:
            raise self.failures[0]

    def _body(self, actor: int, program: Callable[[], None]) -> None:
        self.locals.actor = actor
        try:
            self._turn("begin", "")
            program()
        except BaseException as error:  # noqa: BLE001  (raised again by run)
            self.failures.append(error)
        finally:
            self.stopped.release()

    def _maybe_jump(self, longest_s: float) -> None:
        if self.rng.random() > 0.2:
            return
        then = self.clock.now + self.rng.uniform(0, longest_s)
        commits = [
            asked for operation, key, asked in self.waiting.values() if "create _versions" in f"{operation} {key}"
        ]
        if all(then - asked <= 24 * HOUR_S for asked in commits):
            self.clock.now = then
