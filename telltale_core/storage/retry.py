"""How often and how long the store tries again; the only retry loop of the library."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Iterator

from telltale_core.errors import ConfigError


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """At most ``attempts`` tries; before try n waits a uniform time in [0, min(cap_s, base_s * 2^(n-1))] (full jitter).

    No try begins later than ``budget_s`` after the first. A small request's own deadline is 15 s, so that the defaults
    end within 60 s. Source of the jitter: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    attempts: int = 6
    budget_s: float = 45.0
    base_s: float = 0.5
    cap_s: float = 10.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    rng: random.Random = dataclasses.field(default_factory=random.Random)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigError(f"attempts must be >= 1, got {self.attempts}")
        for name in ("budget_s", "base_s", "cap_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must be >= 0, got {getattr(self, name)}")

    def tries(self) -> Iterator[int]:
        """Yield 0, 1, ... once for each allowed try, sleeping before all but the first."""
        begun = self.clock()
        for number in range(self.attempts):
            if number:
                pause = self.rng.uniform(0.0, min(self.cap_s, self.base_s * 2 ** (number - 1)))
                if self.clock() - begun + pause > self.budget_s:
                    return
                self.sleep(pause)
            yield number
