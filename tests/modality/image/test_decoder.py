"""Pixels: what the packed array holds, and which files are images at all."""

from __future__ import annotations

import io
import struct
import warnings
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from telltale_core.drop import DropConfig, Limits
from telltale_core.errors import BadInput
from telltale_core.modality.image.decoder import ImageDecoder
from telltale_core.modality.layout_spec import Packing
from tests.support import drops as support

DECODER = ImageDecoder(DropConfig())


def packing(height: int, width: int, scale: int = 1) -> Packing:
    return Packing(shape=(height, width, 3), dtype="uint8", settings={"scale": scale}, rule="test")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def decode(data: bytes, height: int = 4, width: int = 4) -> np.ndarray:
    with DECODER.session():
        DECODER.probe(data)
        return DECODER.decode(data, packing(height, width))


def refusal(data: bytes) -> str:
    with pytest.raises(BadInput) as error:
        decode(data)
    return error.value.code


def test_grey_becomes_three_equal_channels():
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(grey), "PNG")), np.repeat(grey[..., None], 3, 2))


def test_sixteen_bit_grey_keeps_its_high_byte():
    grey = (np.arange(16, dtype=np.uint16).reshape(4, 4)) * 4096
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(grey), "PNG"))[..., 0], grey >> 8)


def test_alpha_is_dropped_as_training_code_drops_it():
    rgba = np.random.default_rng(0).integers(0, 256, (4, 4, 4), dtype=np.uint8)
    rgba[..., 3] = 0
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(rgba), "PNG")), rgba[..., :3])


def test_a_palette_with_transparency_is_looked_up():
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    data = encoded(image, "PNG", transparency=b"\x00\x80")
    assert decode(data, 2, 2)[0].tolist() == [[10, 20, 30], [40, 50, 60]]


def test_cmyk_jpeg_is_converted():
    assert decode(encoded(Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "JPEG")).min() > 250


def test_exif_orientation_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (8, 4), (200, 10, 10))
    assert decode(encoded(image, "JPEG", exif=exif), 4, 8).shape == (4, 8, 3)


def test_the_first_frame_of_an_animated_png_counts():
    frames = [Image.new("RGB", (4, 4), (value, 0, 0)) for value in (9, 99)]
    data = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=False)
    assert (decode(data)[..., 0] == 9).all()


def test_small_drops_of_one_size_are_packed_unchanged(tmp_path, take):
    path = support.write_parquet(tmp_path / "d.parquet", [support.make_png(i, (24, 96)) for i in range(3)], [0, 1, 2])
    assert take(path).inputs.shape == (3, 24, 96, 3)


@pytest.mark.parametrize(
    ("sizes", "side"),
    [([(28, 28), (32, 32), (30, 20)], 32), ([(60, 60), (80, 20), (64, 64)], 64), ([(80, 80)] * 3, 64)],
)
def test_other_drops_are_packed_as_squares(tmp_path, take, sizes, side):
    images = [support.make_png(i, size) for i, size in enumerate(sizes)]
    assert take(support.write_parquet(tmp_path / "d.parquet", images, [0, 1, 2])).inputs.shape == (3, side, side, 3)


def test_the_packed_size_can_be_given(tmp_path, take):
    images = [support.make_png(i) for i in range(3)]
    drop = take(support.write_parquet(tmp_path / "d.parquet", images, [0, 1, 2]), image_size=5)
    expected = Image.open(io.BytesIO(images[0])).resize((5, 5), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(drop.inputs[0], np.asarray(expected))


@pytest.mark.parametrize("kind", ["ICO", "TGA", "PCX"])
def test_other_image_formats_are_refused_whatever_they_are_called(kind):
    assert refusal(encoded(Image.new("RGB", (16, 16)), kind)) == "media_unsupported"


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"SIMPLE  =                    T",
        b"\x00",
    ],
)
def test_documents_are_no_images(data):
    assert refusal(data) == "media_unsupported"


def test_a_jpeg_called_png_is_read_by_its_bytes(tmp_path, take):
    for index, label in enumerate(["cat", "dog"]):
        (tmp_path / "d" / label).mkdir(parents=True)
        (tmp_path / "d" / label / "x.png").write_bytes(support.make_jpeg(index))
    assert len(take(tmp_path / "d")) == 2


@pytest.mark.parametrize("make", [support.make_png, support.make_jpeg])
def test_every_truncation_is_found(make):
    data = make(3, (16, 16))
    codes = {refusal(data[:length]) for length in range(1, len(data) * 9 // 10, 7)}
    assert codes <= {"media_unreadable", "media_unsupported"}


def test_every_flipped_byte_is_decoded_or_refused():
    data = bytearray(support.make_png(1, (6, 6)))
    for position in range(len(data)):
        data[position] ^= 0x55
        try:
            assert decode(bytes(data), 6, 6).shape == (6, 6, 3)
        except BadInput as error:
            assert error.code in {"media_unreadable", "media_unsupported", "too_many_pixels"}  # noqa: PT017
        data[position] ^= 0x55


def test_a_jpeg_of_thousands_of_scans_is_refused():
    data = encoded(Image.new("RGB", (8, 8)), "JPEG", progressive=True)
    scan = data[data.index(b"\xff\xda") : -2]
    assert refusal(data[:-2] + scan * 300 + data[-2:]) == "too_many_scans"


def test_pillow_is_left_as_strict_as_it_was():
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert refusal(support.pixel_bomb(13000, 13000, body=False)) == "too_many_pixels"
    assert before == Image.MAX_IMAGE_PIXELS
    assert not caught


def test_pixel_limit_is_a_setting(tmp_path, take, reasons):
    images = [support.make_png(0), support.make_png(1), support.make_png(2, (20, 20))]
    path = support.write_parquet(tmp_path / "d.parquet", images, [0, 1, 2])
    assert reasons(take(path, limits=Limits(max_pixels=100))) == {"d.parquet#2": "too_many_pixels"}


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (2**31 - 1, 2**31 - 1), (10**9, 1)])
def test_absurd_sizes_are_refused_from_the_header(size):
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    data = (
        b"\x89PNG\r\n\x1a\n"
        + support.chunk(b"IHDR", header)
        + support.chunk(b"IDAT", b"")
        + support.chunk(b"IEND", b"")
    )
    assert refusal(data) in {"too_many_pixels", "media_unreadable"}


@pytest.mark.parametrize(
    "values",
    [[1, 2, 3, 5, 7], [[1, 2], [3]], [["a"]], [], [[300.0, 1.0], [1.0, 1.0]], [[float("nan")]], [None] * 4, [[-1]]],
)
def test_inline_values_that_form_no_image_are_refused(values):
    with pytest.raises(BadInput) as error:
        DECODER.decode(values, packing(1, 1))
    assert error.value.code == "values_invalid"


def test_one_bright_row_does_not_darken_a_drop_of_fractions(tmp_path, take, reasons):
    values = np.random.default_rng(0).random((5, 4, 4))
    values[4] *= 255
    (tmp_path / "d").mkdir()
    np.save(tmp_path / "d" / "x.npy", values)
    np.save(tmp_path / "d" / "y.npy", np.array([0, 1, 0, 1, 0]))
    drop = take(tmp_path / "d")
    assert drop.inputs.mean() > 60
    assert reasons(drop) == {"x.npy#4": "values_invalid"}


@pytest.mark.parametrize(
    ("sizes", "largest", "side"),
    [
        ({(500, 400): 10, (300, 300): 5}, None, 64),
        ({(500, 400): 10, (300, 300): 5}, 224, 224),
        ({(500, 400): 2_000_000}, 224, 64),
        ({(100, 90): 10, (80, 100): 5}, 224, 96),
        ({(40, 30): 10, (20, 20): 9}, 224, 32),
        ({(500, 400): 100_000}, 224, 160),
    ],
)
def test_the_size_of_pictures_follows_the_data_what_is_allowed_and_the_memory_there_is(sizes, largest, side):
    decoder = ImageDecoder(DropConfig(largest_image=largest))
    plan = decoder.plan(Counter({(*size, False): count for size, count in sizes.items()}))
    assert plan.shape == (side, side, 3)


def test_pictures_of_one_size_that_the_machine_holds_are_packed_unchanged():
    probes = Counter({(96, 120, False): 50})
    assert ImageDecoder(DropConfig(largest_image=128)).plan(probes).shape == (96, 120, 3)
    assert ImageDecoder(DropConfig()).plan(probes).shape == (64, 64, 3)
