"""Images: files of the usual kinds or pixel values, convolutional nets, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from telltale_core.modality.contract import Modality
from telltale_core.modality.drop_protocols import DropSettings, ViewedDrop
from telltale_core.modality.parts import Decoder, Front, Sketch, Viewer
from telltale_core.modality.triggers import Sides, Trigger
from telltale_core.modality.viewing import Focus

if TYPE_CHECKING:
    from telltale_core.modality.parts import Builder


class ImageModality(Modality):
    """Photographs, scans, drawings: one square or oblong of pixels a sample, in colour."""

    name = "image"
    plural = "images"
    column_names = (
        "image", "images", "img", "picture", "photo", "pixels", "file_name", "filename", "path", "file", "x",
    )  # fmt: skip
    suffixes = frozenset(
        {
            ".png", ".jpg", ".jpeg", ".jpe", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
            ".jp2", ".j2k", ".avif",
        }
    )  # fmt: skip
    feature = "Image"
    settings = frozenset({"image_size"})
    searched = True

    def decoder(self, config: DropSettings) -> Decoder:
        """See :meth:`Modality.decoder`."""
        from telltale_core.modality.image.decoder import ImageDecoder

        return ImageDecoder(config)

    def models(self) -> Mapping[str, Builder]:
        """See :meth:`Modality.models`."""
        from telltale_core.modality.conv_nets import resnet18, small_cnn
        from telltale_core.modality.image.net import vgg16

        return {"small_cnn": small_cnn, "resnet18": resnet18, "vgg16": vgg16}

    def statistics(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return mean and standard deviation by channel."""
        from telltale_core.modality.image.net import channel_scaling

        return channel_scaling(inputs_N)

    def front(self, shape: tuple[int, ...], statistics: Mapping[str, Any], device: str) -> Front:
        """See :meth:`Modality.front`."""
        from telltale_core.modality.image.net import ImageFront

        return ImageFront(shape, statistics, device)

    def augments(self, inputs_N: NDArray[Any], flip: bool | Literal["auto"]) -> bool:
        """Return whether half of each batch is mirrored: the setting ``flip``, or what suits the images."""
        from telltale_core.modality.image.net import mirrors_well

        return mirrors_well(inputs_N) if flip == "auto" else flip

    def sketch(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> tuple[Sketch, int]:  # noqa: ARG002
        """See :meth:`Modality.sketch`: thumbnails at an angle of about 8 degrees, as JPEG at quality 75 makes."""
        from telltale_core.modality.image.sketch import of_pictures

        return of_pictures(inputs_N), 12

    def triggers(self, drop: ViewedDrop, sides: Sides) -> list[Trigger]:  # noqa: ARG002
        """See :meth:`Modality.triggers`: a patch of pixels, a faint picture."""
        from telltale_core.modality.image.trigger import shared_pixels

        return shared_pixels(sides)

    def viewer(self, drop: ViewedDrop, focuses: Sequence[Focus], dpi: int) -> Viewer:  # noqa: ARG002
        """See :meth:`Modality.viewer`."""
        from telltale_core.modality.image.viewer import ImageViewer

        return ImageViewer(drop, dpi)
