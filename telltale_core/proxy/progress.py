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
    """Where one member's training stands.

    ``epoch`` counts the finished ones; ``loss`` is the mean training loss since the last report, ``score`` how well all
    samples are learnt at the last snapshot (NaN before the first) and ``measure`` what that is: accuracy, R squared, or
    label sets right. ``samples_per_s`` is the training rate and ``remaining_s`` the time left, both with snapshots
    counted in.
    """

    member: int
    members: int
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

    member: int
    members: int
    epochs: int
    steps: int
    batch: int
    callback: ProgressCallback | None
    first_step: int = 0
    score: float = math.nan
    measure: str = "accuracy"
    _began: float = field(default_factory=time.monotonic)
    _told: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Return whether a second has passed since the last report."""
        return self.callback is not None and time.monotonic() - self._told >= 1.0

    def tell(self, epoch: int, step: int, loss: float) -> None:
        """Report that ``step`` steps and ``epoch`` epochs are done."""
        self._told = time.monotonic()
        if self.callback is None:
            return
        rate = (step - self.first_step) / max(self._told - self._began, 1e-9)
        self.callback(
            Progress(
                member=self.member,
                members=self.members,
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
    """Where a training stands as a whole: its members count as one. After its end, the next one begins anew."""

    def __init__(self) -> None:
        self._latest: dict[int, Progress] = {}

    def see(self, progress: Progress) -> bool:
        """Take a report; return whether it ends an epoch, or is the member's first."""
        if self.finished:
            self._latest.clear()
        before = self._latest.get(progress.member)
        self._latest[progress.member] = progress
        return before is None or before.epoch != progress.epoch or progress.step == progress.steps

    @property
    def share(self) -> float:
        """Return the share that is done, 0 to 1."""
        return sum(p.step / p.steps / p.members for p in self._latest.values())

    @property
    def finished(self) -> bool:
        """Return whether all members are done."""
        states = self._latest.values()
        return all(p.step >= p.steps and p.members == len(states) for p in states) and bool(states)

    @property
    def text(self) -> str:
        """Return epoch, time left, loss, score and speed in a line, without the share: what matters most first."""
        states = list(self._latest.values())
        members = states[0].members
        proxies = f"{members} proxies, " if members > 1 else ""
        left = max(p.remaining_s for p in states) * max(1.0, members / len(states))
        scores = [p.score for p in states if not math.isnan(p.score)]
        right = f", {states[0].measure} {sum(scores) / len(scores):.3f}" if scores else ""
        loss = sum(p.loss for p in states) / len(states)
        rate = sum(p.samples_per_s for p in states if p.step < p.steps) or states[-1].samples_per_s
        return (
            f"{proxies}epoch {min(p.epoch for p in states)}/{states[0].epochs}, {_clock(left)} left, "
            f"loss {loss:.4f}{right}, {rate:,.0f} samples/s"
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
