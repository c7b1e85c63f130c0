"""Images: files of the usual kinds or inline pixel values, to H x W x 3 uint8 of one size for the whole drop."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

from telltale_core.errors import BadInput
from telltale_core.modality.drop_protocols import DropSettings
from telltale_core.modality.image.containers import check_opened, checked
from telltale_core.modality.image.inline_values import Values, square, values_of
from telltale_core.modality.image.losses import losses_of_image
from telltale_core.modality.information_loss import Loss
from telltale_core.modality.layout_spec import Packing
from telltale_core.modality.parts import Decoder, Media
from telltale_core.modality.reasons import bad

USUAL_LARGEST = 64  # side; drops of one size up to the area of its square are packed as they are
STEP = 32
PACKED_BYTES = 8 << 30  # so much may images larger than that take in all
USUAL_SCANS = 10  # as many as of the largest image that is allowed; a smaller one may have more
Probe = tuple[int, int, Values]  # height, width, what inline values are


class ImageDecoder(Decoder):
    """Decodes as training code does: EXIF orientation ignored, alpha dropped, first frame, 16 bit to the high byte."""

    def __init__(self, config: DropSettings) -> None:
        self._limits = config.limits
        self._planes = False  # how the colours of flat rows lie, as the packing that was used last says
        self._size, self._largest = config.image_size, config.largest_image or USUAL_LARGEST

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """Keep Pillow's warnings about bytes that this class checks itself out of logs and of ``-W error``."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield

    def probe(self, media: Media) -> Probe:
        """Return (height, width, fractions) from the header; nothing is decoded."""
        if not isinstance(media, bytes):
            pixels = self._pixels(media)
            return (*pixels.shape[:2], values_of(pixels, np.asarray(media)))
        with self._opened(media) as image:
            return (image.height, image.width, Values.BYTES)

    @contextlib.contextmanager
    def _opened(self, media: bytes) -> Iterator[Image.Image]:
        if len(media) > self._limits.max_media_bytes:
            raise bad(
                "media_too_large", f"{len(media)} bytes, more than max_media_bytes={self._limits.max_media_bytes}"
            )
        kind, scans, media = checked(media, self._limits.max_pixels)
        try:
            with Image.open(io.BytesIO(media), formats=[kind]) as image:
                self._check_pixels(image.width, image.height)
                self._check_scans(scans, image.width * image.height)
                check_opened(image, kind, self._limits.max_pixels)
                yield image
        except BadInput:
            raise
        except Image.DecompressionBombError as error:
            raise bad("too_many_pixels", f"more pixels than max_pixels={self._limits.max_pixels}") from error
        except Exception as error:  # whatever a decoder raises on hostile bytes is that row's fault
            raise bad("media_unreadable", f"the image is damaged or truncated ({type(error).__name__})") from error

    def _check_scans(self, scans: int, pixels: int) -> None:
        if scans * pixels > USUAL_SCANS * self._limits.max_pixels:
            raise bad("too_many_scans", f"the JPEG of {pixels} pixels has {scans} scans: encode it as baseline")

    def _check_pixels(self, width: int, height: int) -> None:
        if width < 1 or height < 1:
            raise bad("media_unreadable", f"the image is {width} x {height} pixels")
        if max(width, height) > self._limits.max_side:
            limit = self._limits.max_side
            raise bad("too_many_pixels", f"the header states {width} x {height} pixels, a side over max_side={limit}")
        if width * height > self._limits.max_pixels:
            limit = self._limits.max_pixels
            raise bad("too_many_pixels", f"the header states {width} x {height} pixels, more than max_pixels={limit}")

    def plan(self, probes: Counter[Probe]) -> Packing:
        """Return the packing: the drop's own size if it has one and that is small, else a square of steps of 32."""
        sizes: Counter[tuple[int, int]] = Counter()
        kinds: Counter[Values] = Counter()
        for (height, width, kind), count in probes.items():
            sizes[height, width] += count
            for one in Values:
                kinds[one] += count if one in Values(kind) else 0
        size, rule = self._packed_size(sizes)
        most = {kind for kind in Values if 2 * kinds[kind] >= probes.total()}
        settings = {
            "resize": "bilinear, antialiased, stretched to the packed size",
            "scale": 255 if Values.FRACTIONS in most else 1,
        }
        if Values.FRACTIONS in most and 2 * kinds[Values.SIGNED] >= kinds[Values.FRACTIONS]:
            settings["signed"] = 1
            rule += "; values of -1 to 1"
        if Values.PLANES in most:
            settings["planes"] = 1
            rule += "; one plane of a row's values for each colour"
        return Packing(shape=(*size, 3), dtype="uint8", settings=settings, rule=rule)

    def _packed_size(self, sizes: Counter[tuple[int, int]]) -> tuple[tuple[int, int], str]:
        if self._size is not None:
            return (self._size, self._size), "image_size as given"
        if len(sizes) == 1:
            (height, width) = next(iter(sizes))
            small = height * width <= self._most_pixels(sizes.total()) and max(height, width) <= 4 * self._largest
            if small:
                return (height, width), "all images have this size: packed unchanged"
        longer = float(np.median(np.repeat([max(size) for size in sizes], list(sizes.values()))))
        most = min(self._largest, math.isqrt(self._most_pixels(sizes.total())))
        side = max(STEP, min(most // STEP, math.ceil((longer - STEP / 2) / STEP)) * STEP)
        return (side, side), f"sizes differ or are large, median longer side {longer:g}: {side} x {side}"

    def _most_pixels(self, count: int) -> int:
        """Return how many pixels so many images may have: what the setting allows and memory holds."""
        return max(min(self._largest**2, PACKED_BYTES // (3 * count)), min(self._largest, USUAL_LARGEST) ** 2)

    def decode(self, media: Media, packing: Packing) -> np.ndarray:
        """Return the image as H x W x 3 uint8 in the packed size."""
        return self.examined(media, packing)[0]

    def examined(self, media: Media, packing: Packing) -> tuple[np.ndarray, Loss]:
        """Return what :meth:`decode` does, and what of the image it does not hold."""
        if isinstance(media, bytes):
            with self._opened(media) as image:
                image.load()
                losses = losses_of_image(image, media)
                pixels = _rgb(image)
        else:
            self._planes = bool(packing.settings.get("planes"))
            values = self._pixels(media, planes=self._planes)
            pixels, losses = self._to_bytes(values, packing.settings), Loss.NONE
            if values.ndim == 3 and values.shape[2] == 4 and values[..., 3].min() < values[..., 3].max():
                losses |= Loss.ALPHA
        height, width = packing.shape[:2]
        if pixels.shape[0] > height or pixels.shape[1] > width:
            losses |= Loss.RESIZED
        if pixels.shape[:2] != (height, width):
            resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(resized)
        return pixels, losses

    def portable(self, media: Media, sample: np.ndarray) -> bytes:
        """Return inline values as a PNG: at their own size where they are bytes, else as packed."""
        pixels = sample
        if not isinstance(media, bytes):
            values = self._pixels(media, planes=self._planes)
            pixels = self._to_bytes(values, {}) if values.dtype.kind in "iu" else sample
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG")
        return buffer.getvalue()

    def _pixels(self, values: Media, *, planes: bool = False) -> np.ndarray:
        """Return inline values as H x W or H x W x C numbers; flat ones must form a square, planes first are moved."""
        try:
            pixels = np.asarray(values)
        except (ValueError, TypeError, OverflowError) as error:
            raise bad("values_invalid", "the values form no rectangle of numbers") from error
        if pixels.dtype.kind not in "iufb" or pixels.size == 0:
            raise bad("values_invalid", "the values are not numbers")
        if pixels.ndim == 1:
            pixels = square(pixels, planes=planes)
        if pixels.ndim == 3 and pixels.shape[2] not in {1, 3, 4} and pixels.shape[0] in {1, 3}:
            pixels = np.moveaxis(pixels, 0, 2)
        if pixels.ndim not in {2, 3} or (pixels.ndim == 3 and pixels.shape[2] not in {1, 3, 4}):
            raise bad("values_invalid", f"values of shape {pixels.shape} form no grey or RGB image")
        self._check_pixels(pixels.shape[1], pixels.shape[0])
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise bad("values_invalid", "a pixel value is NaN or infinite")
        return pixels

    def _to_bytes(self, pixels: np.ndarray, settings: Mapping[str, Any]) -> np.ndarray:
        if pixels.dtype.kind == "f":
            pixels = (pixels + 1) / 2 if settings.get("signed") else pixels
            pixels = np.rint(pixels * settings.get("scale", 1))
        if pixels.min() < 0 or pixels.max() > 255:
            raise bad("values_invalid", f"pixel values must be in 0..255, got {pixels.min():g}..{pixels.max():g}")
        pixels = pixels.astype(np.uint8)
        if pixels.ndim == 2 or pixels.shape[2] == 1:
            pixels = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
        return np.ascontiguousarray(pixels[:, :, :3])


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "F":
        raise bad("values_invalid", "the image holds fractions, whose range no one states: save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion would clip it
        grey = (np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
