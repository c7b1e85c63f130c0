"""The settings of the proxy's training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from telltale_core.config import to_dict
from telltale_core.digest import digest_of
from telltale_core.errors import ConfigError

MIN_STEPS = 8
# Settings that change how fast or within what means a run goes, never its losses: a resumed run may change them.
_MEANS = ("workers", "deadline_s", "memory_limit_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """How a proxy is trained. The default learns whatever shortcut is in the data and shows it; see the room's README.

    ``members`` proxies are trained with seeds ``seed``, ``seed + 1``, ...; ``lr_hold`` is the share of the run at the
    full rate before the linear decay; ``flip`` mirrors half of each batch ("auto": colour images of 24 pixels and
    more); ``threads`` a process and ``workers`` processes at a time are found by themselves where 0.
    """

    model: str = "auto"
    width: int = 32
    epochs: int = 30
    snapshots_per_epoch: int = 2
    members: int = 1
    lr: float = 0.05
    lr_hold: float = 0.7
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    flip: Literal["auto", True, False] = "auto"
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = 0
    workers: int = 0
    compile: bool = False
    deadline_s: float | None = None
    memory_limit_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("width", "epochs", "snapshots_per_epoch", "members"):
            self._need(getattr(self, name) >= 1, name, ">= 1")
        self._need(self.batch_size >= 2, "batch_size", ">= 2")
        self._need(math.isfinite(self.lr) and self.lr > 0, "lr", "> 0")
        self._need(0 <= self.lr_hold <= 1, "lr_hold", "in [0, 1]")
        self._need(0 <= self.momentum < 1, "momentum", "in [0, 1)")
        self._need(math.isfinite(self.weight_decay) and self.weight_decay >= 0, "weight_decay", ">= 0")
        self._need(self.seed >= 0 and self.seed + self.members <= 2**32, "seed", "in [0, 2**32 - members]")
        self._need(self.flip in ("auto", True, False), "flip", "'auto', true or false")
        self._need(self.precision in ("auto", "float32", "bfloat16"), "precision", "'auto', 'float32' or 'bfloat16'")
        for name in ("threads", "workers"):
            self._need(getattr(self, name) >= 0, name, ">= 0 (0: found by itself)")
        for name in ("deadline_s", "memory_limit_bytes"):
            self._need(getattr(self, name) is None or getattr(self, name) > 0, name, "> 0")

    def _need(self, holds: bool, name: str, expected: str) -> None:
        if not holds:
            raise ConfigError(f"{name} must be {expected}, got {getattr(self, name)!r}")

    def batch_for(self, samples: int) -> int:
        """Return the batch size for a drop of so many samples: a small drop gets at least 8 steps an epoch."""
        return max(2, min(self.batch_size, samples // MIN_STEPS))

    def recipe(self) -> dict[str, Any]:
        """Return the settings on which the losses depend, as plain values."""
        return {name: value for name, value in to_dict(self).items() if name not in _MEANS}

    def recipe_digest(self) -> str:
        """Return the digest of the recipe, 64 hex digits: a checkpoint of another recipe is never resumed."""
        return digest_of(self.recipe())
