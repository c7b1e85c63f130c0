"""Recordings: which format the bytes are, and whether they are whole, before libsndfile is given them."""

from __future__ import annotations

import re
import struct

from telltale_core.modality.reasons import bad

MAGIC = {
    rb"RIFF....WAVE": "WAV",
    rb"RIFF": "RIFF",
    rb"FORM....AIF[FC]": "AIFF",
    rb"FORM": "IFF",
    rb"fLaC": "FLAC",
    rb"OggS": "OGG",
    rb"ID3|\xff[\xe2\xe3\xea\xeb\xf2\xf3\xfa\xfb]": "MP3",
    rb"RF64": "RF64",
    rb"caff": "CAF",
    rb"\.snd": "AU",
    rb"\x89PNG": "PNG",
    rb"\xff\xd8\xff": "JPEG",
    rb"PK\x03\x04": "zip",
    rb"....ftyp": "M4A, MP4 or HEIC",
}
"""Patterns of a file's first bytes, where a dot is any byte; the first that matches names the format."""
FORMATS = {"WAV": "WAV", "WAVEX": "WAV", "AIFF": "AIFF", "FLAC": "FLAC", "OGG": "OGG (Vorbis or Opus)", "MP3": "MP3"}
"""Formats that are read, by libsndfile's names, and what a refusal calls them."""
CURES = {
    "PNG": 'set drop.modality = "image"',
    "JPEG": 'set drop.modality = "image"',
    "zip": "unpack it",
    "unknown": "look into it, and leave it out where it is no recording",
}
"""What to do about files that hold no sound, or show no kind."""
UNSTATED = 0xFFFFFFFF
"""The size that a header states when it was written before its sound, into a pipe."""


def checked(media: bytes) -> bytes:
    """Return the bytes that libsndfile is given: of a WAV from a pipe with its true sizes.

    Raises ``media_unsupported`` for another kind of file, ``media_unreadable`` for one that was cut off.
    """
    kind = next((name for first, name in MAGIC.items() if re.match(first, media, re.DOTALL)), "unknown")
    check_format(kind)
    if kind == "WAV":
        media = _with_sizes(media)
        _check_chunks(media, "WAV", b"data", "<I")
    if kind == "AIFF":
        _check_chunks(media, "AIFF", b"SSND", ">I")
    if kind == "OGG":
        _check_last_page(media)
    return media


def check_format(kind: str) -> None:
    """Raise ``media_unsupported`` for a format that is not read."""
    if kind not in FORMATS:
        known = ", ".join(dict.fromkeys(FORMATS.values()))
        cure = CURES.get(kind, "convert it to FLAC or WAV, such as by ffmpeg")
        raise bad("media_unsupported", f"the media is no recording that is read ({known}) but of kind {kind}: {cure}")


def _with_sizes(media: bytes) -> bytes:
    """Return a WAV file as a pipe gets it, which states no size of its sound, with the size of what is there."""
    place = 12
    while place + 8 <= len(media):
        name, size = media[place : place + 4], struct.unpack_from("<I", media, place + 4)[0]
        if name == b"data" and size == UNSTATED:
            there = len(media) - place - 8
            return b"".join((media[: place + 4], struct.pack("<I", there - there % 2), media[place + 8 :]))
        if name == b"data":
            break
        place += 8 + size + size % 2
    return media


def _check_chunks(media: bytes, kind: str, sound: bytes, size_format: str) -> None:
    """Raise where a file states more samples than it holds: what reads it would silently take what there is.

    ``sound`` is the name of the chunk that holds them, ``size_format`` how sizes are written.
    """
    place = 12
    while place + 8 <= len(media):
        name, size = media[place : place + 4], struct.unpack_from(size_format, media, place + 4)[0]
        if name == sound:
            if size > (there := len(media) - place - 8):
                raise bad("media_unreadable", f"the {kind} header states {size} bytes of sound, the file holds {there}")
            _check_rest(media[place + 8 + size + size % 2 :], size, kind, size_format)
            return
        place += 8 + size + size % 2
    raise bad("media_unreadable", f"the {kind} file has no sound in it")


def _check_rest(rest: bytes, stated: int, kind: str, size_format: str) -> None:
    """Raise where what follows a file's sound is neither chunks nor padding: sound that the header hides."""
    place, end = 0, len(rest.rstrip(b"\0"))
    while place < end and place + 8 <= len(rest):
        name, size = rest[place : place + 4], struct.unpack_from(size_format, rest, place + 4)[0]
        if not all(32 <= letter < 127 for letter in name) or size > len(rest) - place - 8:
            more = len(rest) - place
            raise bad("media_unreadable", f"the {kind} header states {stated} bytes of sound, {more} more follow it")
        place += 8 + size + size % 2


def _check_last_page(media: bytes) -> None:
    """Raise where an OGG file ends before its last page, which is marked: a cut one would decode as a shorter one."""
    page = media.rfind(b"OggS")
    if len(media) < page + 6 or not media[page + 5] & 4:
        raise bad("media_unreadable", "the OGG file ends before its last page: it was cut off")
