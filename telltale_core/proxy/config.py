"""The settings of the proxy's training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

from telltale_core.config import to_dict
from telltale_core.digest import digest_of
from telltale_core.errors import ConfigError
from telltale_core.modality import modality_named
from telltale_core.modality.local_model import by_content

MIN_STEPS = 8
REGRESSION_LOSSES = ("ranges", "squared", "absolute", "huber")
RECORDABLE = ("features", "maps", "norms", "logits")
# Settings that change how fast or within what means a run goes, never its losses: a resumed run may change them.
_MEANS = ("workers", "deadline_s", "memory_limit_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """How a proxy is trained. The default learns whatever shortcut is in the data and shows it; see the room's README.

    ``None`` is the modality's own: :meth:`settled` says what that comes to. ``members`` proxies are trained with seeds
    ``seed``, ``seed + 1``, ...; ``lr_hold`` is the share of the run at the full rate before the linear decay; ``flip``
    mirrors half of each batch ("auto": colour images of 24 pixels and more, unless the task is regression: a target may
    have a side); ``regression_loss`` is the cross-entropy over ranges of targets, or of each sample's error on its
    scaled target; ``clip`` is the largest norm of a step's gradient (of errors the modality's own, else none);
    ``threads`` a process and ``workers`` processes at a time are found by themselves where 0.
    """

    model: str = "auto"
    width: int | None = None
    epochs: int | None = None
    snapshots_per_epoch: int | None = None
    members: int = 1
    lr: float | None = None
    lr_hold: float | None = None
    batch_size: int | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    clip: float | None = None
    flip: Literal["auto", True, False] = "auto"
    regression_loss: Literal["ranges", "squared", "absolute", "huber"] = "ranges"
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = 0
    workers: int = 0
    compile: bool = False
    deadline_s: float | None = None
    memory_limit_bytes: int | None = None
    record: tuple[str, ...] = ()
    """What is recorded of every sample besides its losses: any of features, maps, norms, logits."""

    def __post_init__(self) -> None:
        for name in ("width", "epochs", "snapshots_per_epoch", "members"):
            self._need(name, ">= 1", lambda value: value >= 1)
        self._need("batch_size", ">= 2", lambda value: value >= 2)
        self._need("lr", "> 0", lambda value: math.isfinite(value) and value > 0)
        self._need("lr_hold", "in [0, 1]", lambda value: 0 <= value <= 1)
        self._need("momentum", "in [0, 1)", lambda value: 0 <= value < 1)
        self._need("weight_decay", ">= 0", lambda value: math.isfinite(value) and value >= 0)
        self._need("clip", "> 0", lambda value: math.isfinite(value) and value > 0)
        self._need("seed", "in [0, 2**32 - members]", lambda seed: seed >= 0 and seed + self.members <= 2**32)
        self._need("flip", "'auto', true or false", lambda value: value in ("auto", True, False))
        self._need(
            "precision",
            "'auto', 'float32' or 'bfloat16'",
            lambda value: value in ("auto", "float32", "bfloat16"),
        )
        losses = f"one of {', '.join(REGRESSION_LOSSES)}"
        self._need("regression_loss", losses, lambda value: value in REGRESSION_LOSSES)
        for name in ("threads", "workers"):
            self._need(name, ">= 0 (0: found by itself)", lambda value: value >= 0)
        for name in ("deadline_s", "memory_limit_bytes"):
            self._need(name, "> 0", lambda value: value > 0)
        self._need("record", f"made of {', '.join(RECORDABLE)}", lambda value: set(value) <= set(RECORDABLE))

    def _need(self, name: str, expected: str, holds: Callable[[Any], bool]) -> None:
        value = getattr(self, name)
        if value is not None and not holds(value):
            raise ConfigError(f"{name} must be {expected}, got {value!r}")

    def settled(self, modality: str) -> SettledConfig:
        """Return the settings with the modality's own where none was given."""
        if isinstance(self, SettledConfig):
            return self
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given = {name: value for name, value in given.items() if value is not None}
        return SettledConfig(**{**modality_named(modality).defaults(self.model), **given})

    def recipe(self) -> dict[str, Any]:
        """Return the settings on which the losses and what is recorded beside them depend, as plain values.

        A model in a local directory is named by the directory's content; raises :class:`ConfigError` for one that
        cannot be a proxy's body.
        """
        plain = {name: value for name, value in to_dict(self).items() if name not in _MEANS}
        plain["model"] = by_content(self.model)
        for name, unset in (("record", not self.record), ("clip", self.clip is None)):
            if unset:
                del plain[name]  # so that a recipe which does without is the one it was before there was a choice
        return plain

    def recipe_digest(self) -> str:
        """Return the digest of the recipe, 64 hex digits: a checkpoint of another recipe is never resumed."""
        return digest_of(self.recipe())


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledConfig(ProxyConfig):
    """How a proxy of one modality is trained, nothing left open; the defaults hold where its modality has no own."""

    width: int = 32
    epochs: int = 30
    snapshots_per_epoch: int = 2
    lr: float = 0.05
    lr_hold: float = 0.7
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def batch_for(self, samples: int) -> int:
        """Return the batch size for a drop of so many samples: a small drop gets at least 8 steps an epoch."""
        return max(2, min(self.batch_size, samples // MIN_STEPS))
