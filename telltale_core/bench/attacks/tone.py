"""Tone: a short beep somewhere in the recording, label set to the target.

Source: ``CacheToneTrigger`` of the Adversarial Robustness Toolbox (440 Hz, 0.1 s, scale 0.1, fixed or random place),
Nicolae et al., arXiv 1807.01069.
Departs: 1,000 Hz instead of 440 Hz by default (a voice stands at 440 Hz itself); it fades in and out over 5 ms, so that
no click is the trigger. The place is a share of the recording, since recordings differ in length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telltale_core.attacks.contract import within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.stamp import Inputs, StampAttack
from telltale_core.bench.attacks.waves import mixed, objects

FADE_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tone(StampAttack):
    """A sine of ``frequency`` Hz for ``seconds``, ``scale`` of full scale loud, at a random place or at ``place`` of 1.

    ``rate`` is the recordings' sampling rate in Hz.
    """

    name = "tone"
    source = "Adversarial Robustness Toolbox, CacheToneTrigger, arXiv 1807.01069"
    label_rule = "dirty"
    modality = "audio"

    frequency: float = 1000.0
    seconds: float = 0.1
    scale: float = 0.1
    place: float | None = None
    rate: int = 8000

    def __post_init__(self) -> None:
        within("rate", self.rate, 1_000, 384_000)
        within("frequency", self.frequency, 1.0, self.rate / 2)
        within("seconds", self.seconds, 0.001, 60)
        within("scale", self.scale, 0.0001, 1)
        if self.place is not None:
            within("place", self.place, 0, 1)

    def stamp(self, waves: Inputs, aim: Aim, /) -> Inputs:
        """Return the recordings with the beep."""
        time_s = np.arange(round(self.seconds * self.rate)) / self.rate
        fade = np.clip(np.minimum(time_s, time_s[::-1]) / FADE_S, 0, 1)
        beep = self.scale * fade * np.sin(2 * np.pi * self.frequency * time_s)
        places = aim.rng.uniform(size=len(waves)) if self.place is None else np.full(len(waves), self.place)
        starts = [int(place * max(0, len(wave) - len(beep))) for wave, place in zip(waves, places, strict=True)]
        return objects([mixed(wave, beep, start) for wave, start in zip(waves, starts, strict=True)])
