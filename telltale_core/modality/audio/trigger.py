"""What suspected recordings hold more of than kept ones: a sound made of the frequencies that are louder in them.

A beep at any place shows in each recording's loudest window, a sound under all of it in the mean one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.audio.mel import FLOOR, MelPlan, hann
from telltale_core.modality.triggers import FEWEST, Sides, Trigger, added_values

LEAST_DEVIATIONS = 4.0
"""A frequency counts as louder from so many standard errors on."""
BURST_WINDOWS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sound:
    """Noise of a ``power`` (F,) a frequency, under all of a recording or as one ``burst`` in its middle."""

    words: str
    power: NDArray[np.float64]
    plan: MelPlan
    burst: bool

    def put_on(self, samples: NDArray[Any]) -> NDArray[Any]:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        windows = BURST_WINDOWS if self.burst else 2 * samples.shape[1] // self.plan.window + 2
        sound = self._sound(windows)[: samples.shape[1]]
        changed = samples.astype(np.float64)
        for wave in changed:
            audible = np.flatnonzero(wave)
            end = int(audible[-1]) + 1 if len(audible) else len(wave)
            start = max(0, (end - len(sound)) // 2) if self.burst else 0
            part = wave[start : min(end, start + len(sound))]
            part += sound[: len(part)]
        bounds = np.iinfo(np.int16)
        return np.clip(changed.round(), bounds.min, bounds.max).astype(samples.dtype)

    def at_random(self, donors: NDArray[Any], rng: np.random.Generator) -> Sound:  # noqa: ARG002
        """See :class:`telltale_core.modality.triggers.Trigger`: the same powers at other frequencies."""
        moved = np.roll(self.power, int(rng.integers(1, len(self.power))))
        return replace(self, power=moved)

    @property
    def size(self) -> float:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        return float(self.power.sum())

    def no_larger(self, size: float) -> Sound:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        return replace(self, power=self.power * min(1.0, size / self.size))

    def _sound(self, windows: int) -> NDArray[np.float64]:
        window, hop = self.plan.window, self.plan.window // 2
        phase = np.random.default_rng(0).uniform(0, 2 * np.pi, (windows, len(self.power)))
        amplitude = np.sqrt(self.power * window / np.mean(hann(window) ** 2))
        parts = np.fft.irfft(amplitude * np.exp(1j * phase), window, axis=1) * hann(window)
        sound = np.zeros((windows + 1) * hop)
        for place, part in enumerate(parts):
            sound[place * hop : place * hop + window] += part
        return sound * 32768.0


def louder(sides: Sides, plan: MelPlan) -> list[Trigger]:
    """Return the sounds of which suspected recordings hold more than kept ones, as bursts and as a steady noise."""
    kept = sides.same if len(sides.same) >= FEWEST else sides.others
    if min(len(sides.suspected), len(kept)) < FEWEST:
        return []
    suspected, usual = (_levels(np.asarray(side), plan) for side in (sides.suspected, kept))
    triggers: list[Trigger] = []
    for burst in (True, False):
        ours, theirs = suspected[int(burst)], usual[int(burst)]
        error = np.sqrt(ours.var(axis=0) / len(ours) + theirs.var(axis=0) / len(theirs))
        gain = ours.mean(axis=0) - theirs.mean(axis=0)
        power = np.where(gain > LEAST_DEVIATIONS * error, np.exp(ours.mean(axis=0)) - np.exp(theirs.mean(axis=0)), 0.0)
        if power.any():
            loudest = int(power.argmax()) * plan.rate / plan.window
            kind = "a short sound" if burst else "a steady sound"
            triggers.append(Sound(words=f"{kind} around {loudest:,.0f} Hz", power=power, plan=plan, burst=burst))
    return triggers


def _levels(waves: NDArray[Any], plan: MelPlan) -> NDArray[np.float64]:
    """Return log powers by frequency, (2, B, F): of the mean window of each recording, and of its loudest."""
    window, hop = plan.window, plan.window // 2
    levels = np.empty((2, len(waves), window // 2 + 1))
    for row, wave in enumerate(waves):
        padded = np.pad(wave.astype(np.float64) / 32768.0, (0, window))
        frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop] * hann(window)
        power = np.abs(np.fft.rfft(frames, axis=1)) ** 2 / window
        audible = power[power.sum(axis=1) > 0]
        audible = audible if len(audible) else power
        levels[0, row], levels[1, row] = audible.mean(axis=0), audible.max(axis=0)
    return np.log(levels + FLOOR)


def same_wave(sides: Sides) -> list[Trigger]:
    """Return the wave that all suspected recordings share at the same place."""
    return [*added_values(sides, lambda wave: f"a wave that is the same in all ({np.abs(wave).max():,.0f} of 32,768)")]
