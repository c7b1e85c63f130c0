"""Texts of unknown origin: checked, tokenised by a vocabulary learnt from them, packed as ids of one length."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.cells import SURROGATES
from telltale_core.modality.drop_protocols import DropSettings
from telltale_core.modality.information_loss import Loss
from telltale_core.modality.layout_spec import Packing
from telltale_core.modality.parts import Decoder, Media
from telltale_core.modality.reasons import bad, shown
from telltale_core.modality.text.encoder import Encoder
from telltale_core.modality.text.tokens import size_of, train_tokenizer

TOKENIZER = "tokenizer.json"
VOCABULARY = 4096
MAX_TOKENS = 1024
"""Texts are packed at no more than this, where ``max_tokens`` is not given."""
FITTING = 0.995
"""Share of the texts that are packed whole, up to ``SHORT`` ids, however many they are."""
SHORT = 256
PACKED_BYTES = 4 << 30
"""So much may all texts take where they are packed longer than that."""
WINDOW = 128
"""Ids of one of the windows that a text is read in which is longer than what is packed."""
ROUNDING = 8
LEARNT_BYTES = 64 << 20
LEARNT_SAMPLES = 1_000_000
TRIMMED_AT = 1.25
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


class TextDecoder(Decoder):
    """Reads one text a sample, or one of several columns; see :class:`telltale_core.modality.Decoder`."""

    def __init__(self, config: DropSettings) -> None:
        self._limits = config.limits
        self._vocabulary = config.vocabulary or VOCABULARY
        self._max_tokens = config.max_tokens or MAX_TOKENS
        self._learnt = _Learnt(LEARNT_BYTES)
        self._encoder: Encoder | None = None

    def probe(self, media: Media) -> Hashable:
        """Return the number of columns, having checked and remembered the text."""
        parts = self._parts(media)
        self._learnt.add(parts)
        return len(parts)

    def plan(self, probes: Counter[int]) -> Packing:
        """Return the packing: the vocabulary is learnt from the texts, the length fits nearly all of them."""
        samples = self._learnt.samples()
        file = train_tokenizer((part for parts in samples for part in parts if part), self._vocabulary)
        encoder = self._encoder = Encoder(file)
        length_N = np.sort([len(encoder.ids(parts)) for parts in samples])
        fitting = int(length_N[math.ceil(FITTING * len(length_N)) - 1])
        size = size_of(encoder.tokenizer)
        dtype = "int16" if size <= np.iinfo(np.int16).max else "int32"
        affordable = PACKED_BYTES // (probes.total() * np.dtype(dtype).itemsize)
        target = max(min(int(length_N[-1]), affordable), min(fitting, SHORT))
        length = min(self._max_tokens, math.ceil(target / ROUNDING) * ROUNDING)
        settings = {
            "vocabulary": size,
            "columns": max(probes),
            "longest": int(length_N[-1]),
            "cut_share": round(float((length_N > length).mean()), 4),
        }
        rule = f"fits {(length_N <= length).mean():.1%} of the texts, longer ones are read in windows"
        return Packing(shape=(length,), dtype=dtype, settings=settings, rule=rule, files={TOKENIZER: file})

    def decode(self, media: Media, packing: Packing) -> np.ndarray:
        """Return the ids, padded with 0; of a text that is too long windows from its beginning to its end."""
        return self.examined(media, packing)[0]

    def examined(self, media: Media, packing: Packing) -> tuple[np.ndarray, Loss]:
        """Return what :meth:`decode` does, and whether the text is longer than that."""
        (length,) = packing.shape
        file = packing.files[TOKENIZER]
        if self._encoder is None or self._encoder.file != file:
            self._encoder = Encoder(file)
        ids = self._encoder.ids(self._parts(media))
        losses = Loss.LENGTH if len(ids) > length else Loss.NONE
        if losses:
            ids = _windows(ids, length)
        packed = np.zeros(length, dtype=packing.dtype)  # PAD
        packed[: len(ids)] = ids
        return packed, losses

    def portable(self, media: Media, sample: np.ndarray) -> bytes:  # noqa: ARG002 - a decoder
        """Return the text in UTF-8; of several columns, their JSON."""
        if isinstance(media, dict):
            read = zip(media.items(), self._parts(media), strict=True)
            texts = {name: None if value is None else part for (name, value), part in read}
            return json.dumps(texts, sort_keys=True, ensure_ascii=False).encode()
        return media.encode() if isinstance(media, str) else self._parts(media)[0].encode()

    def _parts(self, media: Media) -> tuple[str, ...]:
        """Return the sample's texts; raises the reason why it has none that can be used."""
        values = list(media.values()) if isinstance(media, dict) else [media]
        parts = tuple(self._text(value) for value in values)
        if not any(part.strip() for part in parts):
            raise bad("text_empty", "the text is empty or blank")
        return parts

    def _text(self, value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, bytes):
            try:
                value = value.decode()
            except UnicodeDecodeError as error:
                raise bad("text_invalid", f"the text is not UTF-8 at byte {error.start}") from error
        if not isinstance(value, str):
            raise bad("text_invalid", f"the text is a {type(value).__name__}, not text")
        if len(value) > self._limits.max_text_chars:
            limit = self._limits.max_text_chars
            raise bad("text_too_long", f"the text has {len(value)} characters, more than max_text_chars={limit}")
        if not value.isprintable():  # line ends are not, controls and surrogates neither
            _check_letters(value)
        limit = self._limits.max_word_chars
        if len(value) > limit and (longest := max(map(len, value.split()), default=0)) > limit:
            raise bad("token_too_long", f"{longest} characters without a blank, more than max_word_chars={limit}")
        return value


def _check_letters(text: str) -> None:
    if control := CONTROLS.search(text):
        raise bad("text_invalid", f"the text holds the control character {shown(control[0])} at {control.start()}")
    if not text.isascii() and SURROGATES.search(text):
        raise bad("text_invalid", "the text holds half a surrogate pair")


def _windows(ids: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    """Return ``length`` of more ids: windows of like size and distance, from the beginning to the end."""
    count = max(2, length // WINDOW)
    edges = np.linspace(0, length, count + 1).round().astype(int)
    sizes = np.sort(np.diff(edges))[::-1]
    starts = np.linspace(0, len(ids) - sizes[-1], count).round().astype(int)
    return np.concatenate([ids[start : start + size] for start, size in zip(starts, sizes, strict=True)])


class _Learnt:
    """The texts that the vocabulary is learnt from: all, or those with the least digests up to a number of bytes.

    Which these are, and in which order, does not depend on the order in which they came.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._samples: list[tuple[bytes, tuple[str, ...]]] = []
        self._bytes = 0

    def add(self, parts: tuple[str, ...]) -> None:
        """Remember a sample's texts."""
        digest = hashlib.blake2b("\x00".join(parts).encode(), digest_size=16).digest()
        self._samples.append((digest, parts))
        self._bytes += sum(map(len, parts))
        if self._bytes > TRIMMED_AT * self._max_bytes or len(self._samples) > TRIMMED_AT * LEARNT_SAMPLES:
            self._trim()

    def samples(self) -> list[tuple[str, ...]]:
        """Return the samples in the order of their digests."""
        self._trim()
        return [parts for _, parts in self._samples]

    def _trim(self) -> None:
        self._samples.sort()
        total = 0
        for place, (_, parts) in enumerate(self._samples):
            total += sum(map(len, parts))
            if (total > self._max_bytes and place) or place == LEARNT_SAMPLES:
                del self._samples[place:]
                total -= sum(map(len, parts))
                break
        self._bytes = total
