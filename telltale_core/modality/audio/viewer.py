"""Recordings on the page: a spectrogram and a player each, and what the suspected ones of a label share.

Everything is made from the packed values, which is what the proxy heard, not from the original files.
"""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib import colormaps
from PIL import Image

from telltale_core.display.plotting import panels_png
from telltale_core.modality.audio.mel import log_mel, plan_for
from telltale_core.modality.drop_protocols import ViewedDrop
from telltale_core.modality.parts import Viewer
from telltale_core.modality.viewing import FEWEST, Focus, Shown, data_uri

Floats = npt.NDArray[np.float64]
LOOKED_AT = 500  # recordings on either side
DECIBEL = 10 / np.log(10)
MOST_PLAYED_BYTES = 96 << 10
LOUDEST, QUIETEST = -10.0, -80.0  # decibels of the picture's colours


class AudioViewer(Viewer):
    """Shows what the proxy heard."""

    def __init__(self, drop: ViewedDrop, dpi: int) -> None:
        self._drop, self._dpi = drop, dpi
        self._rate = int(drop.packing["rate"])
        self._plan = plan_for(self._rate, drop.inputs.shape[1])

    def fragment(self, row: int, px: int) -> Markup:
        """Return a spectrogram (time to the right, low tones below) above a player."""
        return self.packed(np.asarray(self._drop.inputs[row]), px)

    def packed(self, sample: npt.NDArray[Any], px: int) -> Markup:
        """See :meth:`Viewer.packed`."""
        level = (self._decibels(sample) - QUIETEST) / (LOUDEST - QUIETEST)
        pixels = (colormaps["magma"](np.clip(level[::-1], 0, 1))[..., :3] * 255).round().astype(np.uint8)
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels), "RGB").save(out, "PNG", optimize=True)
        return Markup(
            '<div class="heard"><img class="sample" src="{}" width="{}" height="{}" alt="spectrogram of the recording">'
            '<audio controls preload="none" src="{}"></audio></div>'
        ).format(data_uri(out.getvalue()), px, px // 2, data_uri(self._played(sample), "audio/wav"))

    def _decibels(self, sample: npt.NDArray[Any]) -> Floats:
        return np.asarray(log_mel(sample, self._plan) * DECIBEL)

    def _played(self, sample: npt.NDArray[Any]) -> bytes:
        """Return the recording as a WAV file; of a long one every second value, then the beginning alone."""
        values, rate = sample, self._rate
        audible = np.flatnonzero(values)
        values = values[: audible[-1] + 1] if len(audible) else values[:1]  # the silence that fills it up is left out
        while values.nbytes > MOST_PLAYED_BYTES and rate >= 16_000:
            even = values[: len(values) // 2 * 2].astype(np.int32)
            values, rate = ((even[::2] + even[1::2]) // 2).astype(np.int16), rate // 2
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(values[: MOST_PLAYED_BYTES // 2].astype("<i2").tobytes())
        return out.getvalue()

    def shared(self, focus: Focus) -> list[Shown]:
        """Return the mean spectrograms and their difference; none for too few recordings."""
        if min(len(focus.suspected_rows), len(focus.kept_rows)) < FEWEST:
            return []
        suspected_mean, kept_mean = (self._mean(rows) for rows in (focus.suspected_rows, focus.kept_rows))
        difference = suspected_mean - kept_mean
        limit = max(3.0, float(np.abs(difference).max()))
        peak = np.unravel_index(difference.argmax(), difference.shape)  # a trigger is something added
        where = f"{self._band_hz(int(peak[0])):,.0f} Hz at {int(peak[1]) * self._plan.hop / self._rate:.2f} s"
        style = {"cmap": "magma", "vmin": QUIETEST, "vmax": LOUDEST}
        picture = panels_png(
            (
                ("mean, " + focus.word, suspected_mean, style),
                ("mean, kept", kept_mean, style),
                ("difference", difference, {"cmap": "PuOr_r", "vmin": -limit, "vmax": limit}),
            ),
            self._dpi,
            origin="lower",
            aspect="auto",
        )
        return [
            Shown(
                title=f"What the {focus.word} have in common",
                uri=data_uri(picture),
                alt=f"Mean spectrograms of {focus.word} and kept recordings; the former are louder near {where}.",
                caption="Mean log-mel spectrograms in decibels, time to the right, low tones below. A hint, not "
                f"evidence: they are louder most near {where} ({difference[peak]:+.1f} dB). A band or a spot that only "
                "the suspected recordings have suggests an added sound; one at random places is smeared out.",
            )
        ]

    def _mean(self, rows: npt.NDArray[np.int64]) -> Floats:
        some = np.sort(rows[:: max(1, len(rows) // LOOKED_AT)][:LOOKED_AT])
        return np.asarray(np.mean([self._decibels(np.asarray(self._drop.inputs[int(row)])) for row in some], axis=0))

    def _band_hz(self, band: int) -> float:
        weights = self._plan.matrix()[:, band]
        return float(weights.argmax() * self._rate / self._plan.window)
