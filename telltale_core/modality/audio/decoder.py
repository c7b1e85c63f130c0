"""Audio: WAV, AIFF, FLAC, OGG, Opus, MP3 or inline values, to one channel of int16, one rate and one length a drop."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from telltale_core.errors import BadInput, ConfigError
from telltale_core.modality.audio.containers import check_format, checked
from telltale_core.modality.audio.waves import (
    CROPS,
    FULL,
    Crop,
    crops_of,
    is_finer,
    resampled_to,
    share_above,
    to_int16,
)
from telltale_core.modality.drop_protocols import DropSettings
from telltale_core.modality.information_loss import Loss
from telltale_core.modality.layout_spec import Packing
from telltale_core.modality.parts import Decoder, Media
from telltale_core.modality.reasons import bad

LOWEST_RATE = 1_000
USUAL_RATE = 16_000  # Hz: drops of higher rates are packed at this one
USUAL_MOST_S = 30.0
SHORT_S = 10.0  # recordings are packed whole up to that, however many they are
PACKED_BYTES = 8 << 30  # so much may all recordings take where they are packed longer than that
WHOLE_SHARE = 0.99  # of the recordings fit the packed length whole
BLOCK_FRAMES = 1 << 16
APART = 0.01  # of the power: what the channels of a recording do not share and their mean loses
ABOVE = 0.005  # of the power: what is lost above half of the packed rate
COARSE = {"PCM_S8", "PCM_U8", "PCM_16", "ULAW", "ALAW", "VORBIS", "OPUS", "MPEG_LAYER_III"}  # hold no more than 16 bits
Probe = tuple[int, int]  # rate in Hz, length in hundredths of a second, rounded up
UNSTATED = 1 << 62
"""So many frames and more: libsndfile's way to say that a header states none."""


class AudioDecoder(Decoder):
    """Decodes as training code does: channels averaged, resampled, full scale is 1."""

    def __init__(self, config: DropSettings) -> None:
        self._limits = config.limits
        self._rate, self._most_s = config.sample_rate, config.max_seconds
        try:
            import soundfile
        except (ImportError, OSError) as error:  # OSError: the package is there, its library is not
            raise ConfigError("audio needs soundfile: pip install 'telltale-cleanse[audio]'") from error
        self._soundfile: Any = soundfile

    def probe(self, media: Media) -> Probe:
        """Return rate and length from the header; nothing is decoded."""
        if not isinstance(media, bytes):
            rate, frames = self._given_rate(), len(self._values(media))
        else:
            with self._opened(media) as file:
                rate, frames = file.samplerate, file.frames
        return rate, math.ceil(100 * frames / rate)

    @contextmanager
    def _opened(self, media: bytes) -> Iterator[Any]:
        limits = self._limits
        if len(media) > limits.max_media_bytes:
            raise bad("media_too_large", f"{len(media)} bytes, more than max_media_bytes={limits.max_media_bytes}")
        media = checked(media)
        try:
            with self._soundfile.SoundFile(io.BytesIO(media)) as file:
                self._check_header(file)
                yield file
        except BadInput:
            raise
        except Exception as error:  # whatever a decoder raises on hostile bytes is that row's fault
            raise bad("media_unreadable", f"the recording is damaged or truncated ({type(error).__name__})") from error

    def _check_header(self, file: Any) -> None:
        limits, rate, channels, frames = self._limits, file.samplerate, file.channels, file.frames
        check_format(file.format)
        if not LOWEST_RATE <= rate <= limits.max_sample_rate:
            raise bad(
                "sample_rate_refused",
                f"the header states {rate} Hz, not within {LOWEST_RATE}..max_sample_rate={limits.max_sample_rate}",
            )
        if not 1 <= channels <= limits.max_channels:
            raise bad(
                "too_many_channels",
                f"the header states {channels} channels, more than max_channels={limits.max_channels}",
            )
        if frames < 1:
            raise bad("media_unreadable", "the recording is empty")
        if frames >= UNSTATED:
            raise bad("media_unreadable", "the header does not state how long the recording is; write the file anew")
        if frames > rate * limits.max_audio_s:
            raise bad(
                "audio_too_long", f"the header states {frames / rate:.0f} s, more than max_audio_s={limits.max_audio_s}"
            )
        if frames * channels > limits.max_audio_values:
            raise bad(
                "audio_too_long",
                f"the header states {frames * channels} values in {channels} channels, more than max_audio_values="
                f"{limits.max_audio_values}",
            )

    def plan(self, probes: Counter[Probe]) -> Packing:
        """Return the packing: the usual rate, and a length that 99 of 100 recordings fit whole, within limits."""
        rates: Counter[int] = Counter()
        for (rate, _), count in probes.items():
            rates[rate] += count
        usual = rates.most_common(1)[0][0]
        rate = self._rate or min(usual, USUAL_RATE)
        by_length: Counter[int] = Counter()
        for (_, length), count in probes.items():
            by_length[length] += count
        lengths = np.array(sorted(by_length))
        counts = np.array([by_length[int(length)] for length in lengths]).cumsum()
        fitting = int(lengths[np.searchsorted(counts, WHOLE_SHARE * counts[-1])]) / 100
        affordable_s = PACKED_BYTES / (2 * rate * int(counts[-1]))
        seconds = self._most_s or min(fitting, max(SHORT_S, min(USUAL_MOST_S, affordable_s)))
        seconds = min(seconds, int(lengths[-1]) / 100)
        whole = int(counts[np.searchsorted(lengths, round(100 * seconds), side="right") - 1]) if len(lengths) else 0
        return Packing(
            shape=(max(1, round(rate * seconds)),),
            dtype="int16",
            settings={"rate": rate, "seconds": seconds, "channels": "averaged", "resampling": "polyphase"},
            rule=f"{rate} Hz ({'as given' if self._rate else f'most have {usual} Hz'}), {seconds:g} s: "
            f"{whole} of {counts[-1]} recordings fit whole, of longer ones {CROPS} crops",
        )

    def decode(self, media: Media, packing: Packing) -> np.ndarray:
        """Return the recording as (length,) int16, followed by silence where it is shorter."""
        return self.examined(media, packing)[0]

    def examined(self, media: Media, packing: Packing) -> tuple[np.ndarray, Loss]:
        """Return what :meth:`decode` does, and what of the recording it does not hold."""
        rate, length = int(packing.settings["rate"]), packing.shape[0]
        losses = Loss.NONE
        if isinstance(media, bytes):
            with self._opened(media) as file:
                own = file.samplerate
                crops = crops_of(file.frames, own, rate, length)
                self._check_room(crops, own)
                waves, apart = self._read(file, crops)
                if apart > APART:
                    losses |= Loss.CHANNELS
                if file.subtype not in COARSE and file.channels == 1 and any(is_finer(wave) for wave in waves):
                    losses |= Loss.BITS
        else:
            own, wave = self._given_rate(), self._values(media)
            crops = crops_of(len(wave), own, rate, length)
            waves = [wave[crop.start : crop.stop] for crop in crops]
        if len(crops) > 1:
            losses |= Loss.LENGTH
        resampled = [resampled_to(wave, own, rate) for wave in waves]
        if own > rate and any(share_above(wave, own, rate) > ABOVE for wave in waves):
            losses |= Loss.RATE
        packed = np.zeros(length, dtype=np.int16)
        values = np.concatenate([to_int16(wave[: crop.size]) for wave, crop in zip(resampled, crops, strict=True)])
        packed[: len(values)] = values
        return packed, losses

    def _check_room(self, crops: Sequence[Crop], own: int) -> None:
        """Raise ``audio_too_long`` where the frames that make a packed sample would not fit a row's memory."""
        values, limit = sum(crop.stop - crop.start for crop in crops), self._limits.max_decoded_row_bytes
        if values * 8 > limit:
            raise bad(
                "audio_too_long",
                f"the {values / own:g} s that are packed of it, at {own} Hz, take {values * 8} bytes, more than "
                f"max_decoded_row_bytes={limit}: lower max_seconds",
            )

    def _read(self, file: Any, crops: Sequence[Crop]) -> tuple[list[np.ndarray], float]:
        """Return the frames of the crops in one channel, and which share of the power its channels have apart.

        All frames are decoded, so that a truncated file is found out.
        """
        blocks: list[list[np.ndarray]] = [[] for _ in crops]
        power = apart = 0.0
        frames_read, stated = 0, file.frames
        while len(block := file.read(BLOCK_FRAMES, dtype="float64", always_2d=True)):
            if not np.isfinite(block).all():
                raise bad("values_invalid", "the recording holds values that are NaN or infinite")
            mean = block.mean(axis=1)
            for parts, crop in zip(blocks, crops, strict=True):
                parts.append(mean[max(0, crop.start - frames_read) : max(0, crop.stop - frames_read)])
            if block.shape[1] > 1:
                power += float(np.square(block).sum())
                apart += float(np.square(block - mean[:, None]).sum())
            frames_read += len(block)
            if frames_read > stated:
                break
        if frames_read != stated:
            raise bad("media_unreadable", f"the header states {stated} frames, {frames_read} can be decoded")
        return [np.concatenate(parts) for parts in blocks], apart / power if power else 0.0

    def portable(self, media: Media, sample: np.ndarray) -> bytes:  # noqa: ARG002
        """Return inline values as a WAV file of 16 bits at the rate that was given."""
        out = io.BytesIO()
        self._soundfile.write(out, to_int16(self._values(media)), self._given_rate(), format="WAV", subtype="PCM_16")
        return out.getvalue()

    def _given_rate(self) -> int:
        if self._rate is None:
            raise bad("values_invalid", "recordings as inline values need the setting sample_rate")
        return self._rate

    def _values(self, media: Media) -> np.ndarray:
        """Return inline values as one channel of floats at full scale 1: whole numbers are taken as 16 bits."""
        try:
            wave = np.asarray(media)
        except (ValueError, TypeError, OverflowError) as error:
            raise bad("values_invalid", "the values form no row of numbers") from error
        if wave.ndim != 1 or wave.dtype.kind not in "iuf" or not len(wave) or not np.isfinite(wave).all():
            raise bad("values_invalid", f"values of shape {wave.shape} are no recording of finite numbers")
        if len(wave) > self._given_rate() * self._limits.max_audio_s:
            raise bad("audio_too_long", f"{len(wave)} values, more than max_audio_s={self._limits.max_audio_s}")
        return wave / FULL if wave.dtype.kind in "iu" else wave.astype(np.float64)
