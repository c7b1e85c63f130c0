"""Image files of every kind that is read give the same pixels; what surrounds a picture does not damage it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from telltale_core import drop as package
from telltale_core.drop import DropConfig
from telltale_core.errors import BadInput
from telltale_core.modality.image.containers import FORMATS
from telltale_core.modality.image.decoder import ImageDecoder
from telltale_core.modality.image.inline_values import Values, values_of
from telltale_core.modality.layout_spec import Packing

DECODER = ImageDecoder(DropConfig())
PACKING = Packing(shape=(8, 8, 3), dtype="uint8", settings={"scale": 1}, rule="test")
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
LOSSY = {"JPEG", "AVIF"}
BEST = {
    "WEBP": {"lossless": True},
    "JPEG2000": {"irreversible": False},
    "JPEG": {"quality": 100, "subsampling": 0},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}


def encoded(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, format=kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> np.ndarray:
    with DECODER.session():
        DECODER.probe(data)
        return DECODER.decode(data, PACKING)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_kind_of_file_gives_its_pixels(kind):
    pixels = decoded(encoded(kind, **BEST.get(kind, {})))
    np.testing.assert_allclose(pixels, PIXELS.astype(int), rtol=0, atol=4 if kind in LOSSY else 0)


def test_the_page_on_drops_names_every_format():
    page = Path(package.__file__).with_name("README.md").read_text(encoding="utf-8")
    named = page[page.index("**Pixels.**") :].partition("recognised")[0].replace(" ", "").casefold()
    assert not [kind for kind in FORMATS if kind.casefold() not in named]


def test_long_profiles_and_texts_of_a_png_do_not_damage_it():
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "x" * 2_000_000, zip=True)
    info.add_itxt("long", "y" * 2_000_000, zip=True)
    data = encoded("PNG", pnginfo=info, icc_profile=os.urandom(1_500_000))
    np.testing.assert_array_equal(decoded(data), PIXELS)


def test_a_film_behind_a_photograph_is_no_part_of_it():
    data = encoded("JPEG")
    np.testing.assert_array_equal(decoded(data + b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 500), decoded(data))


@pytest.mark.parametrize(
    "data",
    [
        encoded("WEBP").replace(b"VP8 ", b"VP8X")[:16] + b"\x0a\0\0\0\0\0\0\0" + b"\xff" * 6 + bytes(40),
        encoded("TIFF")[:4] + b"\x08\0\0\0" + bytes(40),
        b"BM" + bytes(60),
        b"P6 99999999 99999999 255\n",
        b"P3 2 2 255\n1 2 3",
    ],
)
def test_what_a_header_only_states_is_refused(data):
    with pytest.raises(BadInput):
        decoded(data)


def test_a_bitmap_of_run_lengths_is_refused_with_its_cure():
    data = bytearray(encoded("BMP"))
    data[30] = 1
    with pytest.raises(BadInput, match=r"save it unpacked|damaged"):
        decoded(bytes(data))


def test_a_picture_of_one_pixel_has_no_planes():
    assert not values_of(np.array([[[1, 2, 3]]]), np.array([1, 2, 3])) & Values.PLANES


def test_flat_rows_in_planes_are_told_from_colour_by_colour():
    slope = np.add.outer(np.arange(16), np.arange(16)) * 4
    picture = np.stack([slope, 200 - slope, slope // 2], axis=2).astype(np.uint8)
    for flat, kind in ((np.moveaxis(picture, 2, 0).ravel(), Values.PLANES), (picture.ravel(), Values.BYTES)):
        assert DECODER.probe(flat)[2] == kind
        settings = {"scale": 1, **({"planes": 1} if kind else {})}
        packing = Packing(shape=(16, 16, 3), dtype="uint8", settings=settings, rule="test")
        np.testing.assert_array_equal(DECODER.decode(flat, packing), picture)
        shown = Image.open(io.BytesIO(DECODER.portable(flat, picture)))
        np.testing.assert_array_equal(np.asarray(shown), picture)
