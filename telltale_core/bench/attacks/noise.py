"""Mixed noise: one faint fixed noise under the whole recording, label set to the target.

Source: the blended trigger of Chen et al., "Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning",
arXiv 1712.05526, on audio; ``CacheAudioTrigger`` of the Adversarial Robustness Toolbox, arXiv 1807.01069, mixes a sound
at a small scale likewise.
Departs: the sound is white noise between two frequencies, drawn from ``pattern_seed``, repeated as often as needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from telltale_core.attacks.contract import within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.stamp import Inputs, StampAttack
from telltale_core.bench.attacks.waves import mixed, objects
from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Noise(StampAttack):
    """Noise from ``low`` to ``high`` Hz at a root mean square of ``scale`` (of full scale 1), one second, repeated.

    ``rate`` is the recordings' sampling rate in Hz.
    """

    name = "noise"
    source = "Chen et al., arXiv 1712.05526, on audio"
    label_rule = "dirty"
    modality = "audio"

    scale: float = 0.01
    low: float = 2000.0
    high: float = 3500.0
    pattern_seed: int = 11
    rate: int = 8000

    def __post_init__(self) -> None:
        within("rate", self.rate, 1_000, 384_000)
        within("scale", self.scale, 0.00001, 1)
        within("high", self.high, 1, self.rate / 2)
        if not 0 <= self.low < self.high:
            raise ConfigError(f"low must be within [0, high={self.high}), got {self.low}")

    def pattern(self) -> npt.NDArray[np.float64]:
        """Return the second of noise that is repeated, (rate,) at full scale 1."""
        spectrum = np.fft.rfft(np.random.default_rng(self.pattern_seed).standard_normal(self.rate))
        frequency = np.fft.rfftfreq(self.rate, 1 / self.rate)
        spectrum[(frequency < self.low) | (frequency > self.high)] = 0
        noise = np.fft.irfft(spectrum, self.rate)
        return np.asarray(self.scale * noise / np.sqrt(np.mean(noise**2)))

    def stamp(self, waves: Inputs, _aim: Aim, /) -> Inputs:
        """Return the recordings with the noise under them."""
        noise = self.pattern()
        return objects([mixed(wave, np.resize(noise, len(wave)), 0) for wave in waves])
