"""WAV, AIFF, FLAC, OGG and MP3 files: whether the bytes are one, whole, before a decoder is given them."""

from __future__ import annotations

import struct

from telltale_core.modality.reasons import bad

MAGIC = {
    b"RIFF": "RIFF",
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"RF64": "RF64",
    b"FORM": "AIFF",
    b"ID3": "MP3",
    b"\xff\xfb": "MP3",
    b"caff": "CAF",
    b".snd": "AU",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"PK\x03\x04": "zip",
}
UNSTATED = 0xFFFFFFFF
"""The size that a header states when it was written before its sound, into a pipe."""


def checked(media: bytes) -> bytes:
    """Return the bytes that a decoder is given: of a WAV from a pipe with its true sizes.

    Raises ``media_unsupported`` for another kind of file, ``media_unreadable`` for one that was cut off.
    """
    kind = next((name for magic, name in MAGIC.items() if media.startswith(magic)), "unknown")
    if media[4:8] == b"ftyp":
        kind = "M4A, MP4 or HEIC"
    elif kind == "unknown" and len(media) > 1 and media[0] == 0xFF and media[1] & 0xE6 == 0xE2:
        kind = "MP3"  # begins with a frame of layer III, of any rate
    inner = {"RIFF": {b"WAVE"}, "AIFF": {b"AIFF", b"AIFC"}}.get(kind)
    if kind not in {"RIFF", "AIFF", "FLAC", "Ogg", "MP3"} or (inner and media[8:12] not in inner):
        raise bad(
            "media_unsupported",
            f"the media is no WAV, AIFF, FLAC, OGG, Opus or MP3 recording but of kind {kind}: convert it to FLAC or "
            "WAV, such as by ffmpeg",
        )
    if kind == "RIFF":
        media = _with_sizes(media)
        _check_chunks(media, "WAV", b"data", "<I")
    if kind == "AIFF":
        _check_chunks(media, "AIFF", b"SSND", ">I")
    if kind == "Ogg":
        _check_last_page(media)
    return media


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
