"""Audio: WAV, AIFF, FLAC, OGG, Opus and MP3 files, convolutional nets on log-mel spectrograms, players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from telltale_core.modality.contract import Modality
from telltale_core.modality.drop_protocols import DropSettings, ViewedDrop
from telltale_core.modality.parts import Decoder, Front, Sketch, Viewer
from telltale_core.modality.triggers import Sides, Trigger
from telltale_core.modality.viewing import Focus

if TYPE_CHECKING:
    from telltale_core.modality.parts import Builder


class AudioModality(Modality):
    """Recordings of speech, music, machines: one channel, cut or filled up to one length."""

    name = "audio"
    plural = "recordings"
    column_names = ("audio", "wav", "speech", "recording", "sound", "clip", "waveform")
    suffixes = frozenset({".wav", ".aif", ".aiff", ".aifc", ".flac", ".ogg", ".oga", ".opus", ".mp3"})
    feature = "Audio"
    settings = frozenset({"sample_rate", "max_seconds"})
    proxy_defaults: ClassVar[Mapping[str, Any]] = {"width": 16, "epochs": 24, "batch_size": 64, "lr": 0.02}

    def decoder(self, config: DropSettings) -> Decoder:
        """See :meth:`Modality.decoder`."""
        from telltale_core.modality.audio.decoder import AudioDecoder

        return AudioDecoder(config)

    def models(self) -> Mapping[str, Builder]:
        """Return nets on spectrograms."""
        from telltale_core.modality.conv_nets import resnet18, small_cnn

        return {"small_cnn": small_cnn, "resnet18": resnet18}

    def statistics(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sampling rate, and mean and standard deviation of the log power by mel band."""
        from telltale_core.modality.audio.net import band_scaling

        return band_scaling(inputs_N, int(packing["rate"]))

    def front(self, shape: tuple[int, ...], statistics: Mapping[str, Any], device: str) -> Front:
        """See :meth:`Modality.front`."""
        from telltale_core.modality.audio.net import SpectrogramFront

        return SpectrogramFront(shape, statistics, device)

    def sketch(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> tuple[Sketch, int]:
        """See :meth:`Modality.sketch`: coarse spectrograms at an angle of about 8 degrees, whatever the loudness."""
        from telltale_core.modality.audio.sketch import of_recordings

        return of_recordings(inputs_N, int(packing["rate"])), 12

    def triggers(self, drop: ViewedDrop, sides: Sides) -> list[Trigger]:
        """See :meth:`Modality.triggers`: a beep, a noise, a wave that is the same in all."""
        from telltale_core.modality.audio.mel import plan_for
        from telltale_core.modality.audio.trigger import louder, same_wave

        return [*louder(sides, plan_for(int(drop.packing["rate"]), drop.inputs.shape[1])), *same_wave(sides)]

    def viewer(self, drop: ViewedDrop, focuses: Sequence[Focus], dpi: int) -> Viewer:  # noqa: ARG002
        """See :meth:`Modality.viewer`."""
        from telltale_core.modality.audio.viewer import AudioViewer

        return AudioViewer(drop, dpi)
