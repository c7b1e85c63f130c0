"""WAV, FLAC and OGG files: whether the bytes are one, whole, before a decoder is given them."""

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


def check_container(media: bytes) -> None:
    """Raise ``media_unsupported`` for another kind of file, ``media_unreadable`` for one that was cut off."""
    kind = next((name for magic, name in MAGIC.items() if media.startswith(magic)), "unknown")
    if kind not in {"RIFF", "FLAC", "Ogg"} or (kind == "RIFF" and media[8:12] != b"WAVE"):
        raise bad("media_unsupported", f"the media is not a WAV, FLAC or OGG recording but of kind {kind}")
    if kind == "RIFF":
        _check_wave_chunks(media)
    if kind == "Ogg":
        _check_last_page(media)


def _check_wave_chunks(media: bytes) -> None:
    """Raise where a WAV file states more samples than it holds: what reads it would silently take what there is."""
    place = 12
    while place + 8 <= len(media):
        name, size = media[place : place + 4], struct.unpack_from("<I", media, place + 4)[0]
        if name == b"data":
            if size > len(media) - place - 8:
                there = len(media) - place - 8
                raise bad("media_unreadable", f"the WAV header states {size} bytes of sound, the file holds {there}")
            _check_rest(media[place + 8 + size + size % 2 :], size)
            return
        place += 8 + size + size % 2
    raise bad("media_unreadable", "the WAV file has no sound in it")


def _check_rest(rest: bytes, stated: int) -> None:
    """Raise where what follows a WAV file's sound is neither chunks nor padding: sound that the header hides."""
    place, end = 0, len(rest.rstrip(b"\0"))
    while place < end and place + 8 <= len(rest):
        name, size = rest[place : place + 4], struct.unpack_from("<I", rest, place + 4)[0]
        if not all(32 <= letter < 127 for letter in name) or size > len(rest) - place - 8:
            more = len(rest) - place
            raise bad("media_unreadable", f"the WAV header states {stated} bytes of sound, {more} more follow it")
        place += 8 + size + size % 2


def _check_last_page(media: bytes) -> None:
    """Raise where an OGG file ends before its last page, which is marked: a cut one would decode as a shorter one."""
    page = media.rfind(b"OggS")
    if len(media) < page + 6 or not media[page + 5] & 4:
        raise bad("media_unreadable", "the OGG file ends before its last page: it was cut off")
