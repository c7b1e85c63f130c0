"""What a training tells while it runs, and a ready-made way to show it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a training stands.

    ``epoch`` counts the finished ones; ``loss`` is the mean training loss since the last report, ``score`` how well all
    samples are learnt at the last snapshot (NaN before the first) and ``measure`` what that is: accuracy, R squared, or
    label sets right. ``samples_per_s`` is the training rate and ``remaining_s`` the time left, both with snapshots
    counted in.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    score: float
    samples_per_s: float
    remaining_s: float
    measure: str = "accuracy"


ProgressCallback = Callable[[Progress], None]


@dataclass(slots=True, kw_only=True)
class Ticker:
    """Turns optimiser steps into :class:`Progress`: once a second at most, and at each epoch's end."""

    epochs: int
    steps: int
    batch: int
    callback: ProgressCallback | None
    first_step: int = 0
    score: float = math.nan
    measure: str = "accuracy"
    _began: float = field(default_factory=time.monotonic)
    _last_report_s: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Return whether a second has passed since the last report."""
        return self.callback is not None and time.monotonic() - self._last_report_s >= 1.0

    def tell(self, epoch: int, step: int, loss: float) -> None:
        """Report that ``step`` steps and ``epoch`` epochs are done."""
        self._last_report_s = time.monotonic()
        if self.callback is None:
            return
        rate = (step - self.first_step) / max(self._last_report_s - self._began, 1e-9)
        self.callback(
            Progress(
                epoch=epoch,
                epochs=self.epochs,
                step=step,
                steps=self.steps,
                loss=loss,
                score=self.score,
                measure=self.measure,
                samples_per_s=rate * self.batch,
                remaining_s=(self.steps - step) / rate if rate > 0 else math.inf,
            )
        )


class TrainingState:
    """Where a training stands as a whole. After its end, the next one begins anew."""

    def __init__(self) -> None:
        self._latest: Progress | None = None

    def see(self, progress: Progress) -> bool:
        """Take a report; return whether it ends an epoch, or is the training's first."""
        before = None if self.finished else self._latest
        self._latest = progress
        return before is None or before.epoch != progress.epoch or progress.step == progress.steps

    @property
    def share(self) -> float:
        """Return the share that is done, 0 to 1."""
        return 0.0 if self._latest is None else self._latest.step / self._latest.steps

    @property
    def finished(self) -> bool:
        """Return whether the training is done."""
        return self._latest is not None and self._latest.step >= self._latest.steps

    @property
    def text(self) -> str:
        """Return epoch, time left, loss, score and speed in a line, without the share: what matters most first."""
        if self._latest is None:
            return ""
        latest = self._latest
        right = "" if math.isnan(latest.score) else f", {latest.measure} {latest.score:.3f}"
        return (
            f"epoch {latest.epoch}/{latest.epochs}, {_clock(latest.remaining_s)} left, "
            f"loss {latest.loss:.4f}{right}, {latest.samples_per_s:,.0f} samples/s"
        )


class ProgressLines:
    """A progress callback: a plain line an epoch, on standard error by default."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._state = TrainingState()

    def __call__(self, progress: Progress) -> None:
        """Write where the training stands, if an epoch ended."""
        if self._state.see(progress):
            self._stream.write(f"training {self._state.share:4.0%}, {self._state.text}\n")
            self._stream.flush()


def _clock(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
