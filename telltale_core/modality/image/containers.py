"""Image files: which format the bytes are, what must hold before Pillow is given them and before it decodes them."""

from __future__ import annotations

import re
import zlib

from PIL import Image, features

from telltale_core.modality.reasons import bad

MAX_SCANS = 100  # a progressive JPEG has about ten; thousands only serve to burn time
MAX_PARTS = 20_000  # chunks of a PNG, segments of a JPEG: each costs the decoder a step, whatever it holds
PILLOW_TEXT_BYTES = 1 << 20  # Pillow refuses a PNG whose profile or text unpacks to more
MAGIC = {
    rb"RIFF....WEBP": "WEBP",
    rb"RIFF....WAVE": "WAV",
    rb"FORM....AIF[FC]": "AIFF",
    rb"ID3|\xff[\xe2\xe3\xea\xeb\xf2\xf3\xfa\xfb]": "MP3",
    rb"....ftypavi[fs]": "AVIF",
    rb"....ftyphei[cx]": "HEIC",
    rb"....ftypmif1": "HEIF",
    rb"....ftypM4A ": "M4A",
    rb"....ftyp|RIFF....AVI |\x1a\x45\xdf\xa3|\x00\x00\x01[\xb3\xba]|FLV": "video",
    rb"\x89PNG\r\n\x1a\n": "PNG",
    rb"\xff\xd8\xff": "JPEG",
    rb"GIF8": "GIF",
    rb"II\*\x00|MM\x00\*": "TIFF",
    rb"BM": "BMP",
    rb"P[456]": "PPM",
    rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51": "JPEG2000",
    rb"%!PS": "PostScript",
    rb"%PDF": "PDF",
    rb"SIMPLE": "FITS",
    rb"<": "SVG or other markup",
    rb"PK\x03\x04|\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd": "archive",
    rb"fLaC": "FLAC",
    rb"OggS": "Ogg",
    rb"P1": "plain PBM",
    rb"P2": "plain PGM",
    rb"P3": "plain PPM",
}
"""Patterns of a file's first bytes, where a dot is any byte; the first that matches names the format."""
CURES = {
    "M4A": "convert it to FLAC or WAV, such as by ffmpeg",
    "video": "write its frames as PNG or JPEG, such as by ffmpeg",
    "PDF": "write its pages as PNG, such as by pdftoppm",
    "archive": "unpack it",
    "unknown": "look into it, and leave it out where it is no picture",
    **dict.fromkeys(("FLAC", "Ogg", "WAV", "AIFF", "MP3"), 'set drop.modality = "audio"'),
}
"""What to do about kinds that are no pictures, and about files that show no kind."""
NEEDS = {"WEBP": "webp", "AVIF": "avif", "JPEG2000": "jpg_2000"}
"""Formats that Pillow reads only where it was built with a library."""
FORMATS = [
    kind
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF")
    if kind not in NEEDS or features.check(NEEDS[kind])
]
"""Formats that are read, by Pillow's names."""
TIFF_PLAIN = {"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg"}
TILE_WIDTH, TILE_LENGTH = 322, 323
BMP_PLAIN = {0, 3, 6}  # no run lengths: Pillow unpacks those value by value
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def kind_of(media: bytes) -> str:
    """Return the format that the first bytes show, by its name in ``MAGIC``, or ``unknown``."""
    return next((name for first, name in MAGIC.items() if re.match(first, media, re.DOTALL)), "unknown")


def checked(media: bytes, max_pixels: int) -> tuple[str, int, bytes]:
    """Return format, number of scans and the bytes for Pillow, or raise why Pillow is not given them."""
    kind = kind_of(media)
    if kind not in FORMATS:
        known = ", ".join(FORMATS)
        cure = CURES.get(kind, "convert it to PNG or JPEG, such as by ImageMagick")
        raise bad("media_unsupported", f"the media is no image that is read ({known}) but of kind {kind}: {cure}")
    scans = 1
    if kind == "JPEG":
        _check_jpeg_segments(media)
        scans = media.count(b"\xff\xda")
        scans = scans if scans <= MAX_SCANS else _scans_of_image(media)
        if scans > MAX_SCANS:
            raise bad("too_many_scans", f"the JPEG has more than {MAX_SCANS} scans")
    if kind == "PNG":
        media = _without_long_texts(media)
    if kind == "WEBP":
        _check_canvas(media, max_pixels)
    return kind, scans, media


def check_opened(image: Image.Image, kind: str, max_pixels: int) -> None:
    """Raise, once Pillow has read the header, for what decoding would cost beyond the image's own pixels."""
    if kind == "TIFF":
        tags = getattr(image, "tag_v2", {})
        tile = int(tags.get(TILE_WIDTH, 0)) * int(tags.get(TILE_LENGTH, 0))
        if tile > max_pixels:
            raise bad("too_many_pixels", f"the TIFF has tiles of {tile} pixels, more than max_pixels={max_pixels}")
        packed = image.info.get("compression", "raw")
        if packed not in TIFF_PLAIN:
            raise bad("media_unsupported", f"the TIFF is packed as {str(packed)[:20]}: save it with LZW or deflate")
    if kind == "BMP" and image.info.get("compression", 0) not in BMP_PLAIN:
        raise bad("media_unsupported", "the BMP is packed by run lengths: save it unpacked, or as PNG")


def _check_canvas(media: bytes, max_pixels: int) -> None:
    """Raise for a WebP whose header states a canvas over the limit: opening it takes memory for all of it."""
    if media[12:16] != b"VP8X" or len(media) < 30:
        return
    width, height = (1 + int.from_bytes(media[place : place + 3], "little") for place in (24, 27))
    if width * height > max_pixels:
        raise bad("too_many_pixels", f"the header states {width} x {height} pixels, more than max_pixels={max_pixels}")


def _without_long_texts(media: bytes) -> bytes:
    """Return a PNG without profiles and texts that unpack to more than Pillow takes: no pixel depends on them."""
    place, kept_from, parts = 8, 0, list[bytes]()
    for _ in range(MAX_PARTS):
        name = media[place + 4 : place + 8]
        if place + 8 > len(media) or name == b"IEND":
            return b"".join([*parts, media[kept_from:]]) if parts else media
        end = place + 12 + int.from_bytes(media[place : place + 4], "big")
        if name in {b"iCCP", b"zTXt", b"iTXt"} and _is_long(name, media[place + 8 : end - 4]):
            parts.append(media[kept_from:place])
            kept_from = end
        place = end
    raise bad("too_many_parts", f"the PNG has more than {MAX_PARTS} chunks: encode it again")


def _is_long(name: bytes, data: bytes) -> bool:
    keyword, _, rest = data.partition(b"\0")
    packed = rest[1:] if name != b"iTXt" else rest[2:].split(b"\0", 2)[-1]
    if len(keyword) > 79 or len(data) > PILLOW_TEXT_BYTES:
        return True
    try:
        return len(zlib.decompressobj().decompress(packed, PILLOW_TEXT_BYTES + 1)) > PILLOW_TEXT_BYTES
    except zlib.error:
        return False


def _scans_of_image(media: bytes) -> int:
    """Return the scans up to the end of the image: a video or another picture may follow it, a thumbnail precede it."""
    scans, place = 0, 2
    while (marker := _MARKER.search(media, place)) is not None and scans <= MAX_SCANS:
        kind = media[marker.start() + 1]
        if kind == 0xD9:
            return scans
        scans += kind == 0xDA
        size = int.from_bytes(media[marker.end() : marker.end() + 2], "big")
        place = marker.end() + max(2, size)
    return scans


def _check_jpeg_segments(media: bytes) -> None:
    """Raise for a JPEG of very many segments before its first scan; what is no segment is the decoder's to judge."""
    place = 2
    for _ in range(MAX_PARTS):
        if place + 4 > len(media) or media[place] != 0xFF or media[place + 1] == 0xDA:
            return
        place += 1 if media[place + 1] == 0xFF else 2 + int.from_bytes(media[place + 2 : place + 4], "big")
    raise bad("too_many_parts", f"the JPEG has more than {MAX_PARTS} segments: encode it again")
