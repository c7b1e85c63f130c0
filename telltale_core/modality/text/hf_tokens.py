"""A drop's texts as the ids of another model's tokenizer: read back from the drop's own subwords, then cut anew.

A code is 0 for padding, else 1 + id + vocabulary * segment, where the segment is 1 for the second text of a pair.
A text that is longer than the model takes is read in windows that overlap, all of it.
"""

from __future__ import annotations

import base64
import logging
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core.errors import ConfigError
from telltale_core.modality.drop_protocols import TrainingSet
from telltale_core.modality.local_model import content_digest
from telltale_core.modality.text.decoder import TOKENIZER
from telltale_core.modality.text.hugging_face import architecture, read_config, read_tokenizer, segments
from telltale_core.modality.text.tokens import FIRST, PAD, SEPARATOR, open_tokenizer

logger = logging.getLogger(__name__)
AT_ONCE = 2048
ROUNDING = 8
OVERLAP = 8
"""A window repeats this part of the one before it: what stands where two meet is seen whole in one of them."""
SPARE = 2
"""Some models' places start after their padding id; where only their number is known, so many are left free."""


class RereadingFront:
    """Keeps a drop's texts on the device as a model's codes, and gives a batch without columns of padding alone.

    ``settings`` are what :func:`reading` returned; ``shape`` is (length of all windows, width of the model's states,
    codes).
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._length, self._vocabulary = int(settings["length"]), int(settings["codes"])
        self._segments, self._windows = int(settings["segments"]), int(settings["windows"])
        self._drop = open_tokenizer(_unpacked(settings["subwords"]))
        self._model = _windowed(_opened(_unpacked(settings["tokens"]).decode()), self._length)
        codes = self._vocabulary * self._segments + 1
        self.shape: tuple[int, ...] = (self._windows * self._length, int(settings["width"]), codes)

    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:  # noqa: ARG002
        """Return (B, W, L) int64 codes."""
        used_BPL = packed_B > 0
        windows = int(used_BPL.any(dim=2).any(dim=0).sum()) or packed_B.shape[1]
        longest = int(used_BPL.any(dim=1).any(dim=0).sum()) or packed_B.shape[2]
        return packed_B[:, :windows, :longest].long()

    def prepare(self, inputs_N: NDArray[Any]) -> NDArray[Any]:
        """Return the codes (N, W, L) int32 of texts packed as in the drop; a row of padding alone stays one."""
        codes_NPL = np.zeros((len(inputs_N), self._windows, self._length), dtype=np.int32)
        for start in range(0, len(inputs_N), AT_ONCE):
            rows = inputs_N[start : start + AT_ONCE]
            for row, windows in enumerate(self._codes(rows), start):
                if more := max(0, len(windows) - codes_NPL.shape[1]):  # longer than all texts that were learnt
                    codes_NPL = np.pad(codes_NPL, ((0, 0), (0, more), (0, 0)))
                for window, codes in enumerate(windows):
                    codes_NPL[row, window, : len(codes)] = codes
        codes_NPL[~np.any(inputs_N != PAD, axis=1)] = 0
        return codes_NPL

    def _codes(self, rows: NDArray[Any]) -> Iterator[list[NDArray[np.int64]]]:
        for encoding in self._model.encode_batch([_parts(self._drop, row) for row in rows]):
            yield [self._window(part) for part in (encoding, *encoding.overflowing)]

    def _window(self, part: Any) -> NDArray[np.int64]:
        segment = np.minimum(part.type_ids, self._segments - 1)
        codes: NDArray[np.int64] = 1 + np.asarray(part.ids, dtype=np.int64) + self._vocabulary * segment
        return codes


def reading(path: Path, drop: TrainingSet) -> dict[str, Any]:
    """Return what :class:`RereadingFront` needs to know, as JSON values: both tokenizers, and the windows that fit.

    Raises :class:`ConfigError` where the directory's tokenizer and model do not go together.
    """
    config = read_config(path)
    tokens, most = read_tokenizer(path)
    tokenizer, subwords = _opened(tokens), (drop.path / TOKENIZER).read_bytes()
    if tokenizer.get_vocab_size(with_added_tokens=True) > config.vocab_size:
        raise ConfigError(
            f"the tokenizer in {path} knows {tokenizer.get_vocab_size(with_added_tokens=True)} tokens, its model "
            f"{config.vocab_size}; they are not of one model"
        )
    places = getattr(config, "max_position_embeddings", None)
    limit = min(value for value in (most, places and places - SPARE * (most is None), 1 << 12) if value)
    own, longest, windows = open_tokenizer(subwords), 1, 1
    _windowed(tokenizer, limit)
    for start in range(0, len(drop.inputs), AT_ONCE):
        encodings = tokenizer.encode_batch([_parts(own, row) for row in drop.inputs[start : start + AT_ONCE]])
        longest = max(longest, *(len(encoding.ids) for encoding in encodings))
        windows = max(windows, *(1 + len(encoding.overflowing) for encoding in encodings))
    if windows > 1:
        logger.info("train: the longest text is read in %d windows of %d subwords of the model", windows, limit)
    return {
        "body": content_digest(path),
        "architecture": architecture(config),
        "length": min(limit, -(-longest // ROUNDING) * ROUNDING) if windows == 1 else limit,
        "windows": windows,
        "width": int(config.hidden_size),
        "codes": int(config.vocab_size),
        "segments": segments(config),
        "subwords": _packed(subwords),
        "tokens": _packed(tokens.encode()),
    }


def _parts(own: Any, row: NDArray[Any]) -> str | tuple[str, str]:
    """Return the text of a packed row, or a pair of them; of more than two columns, those after the first as one."""
    ids = row[row != PAD]
    parts = np.split(ids, np.flatnonzero(ids == SEPARATOR))
    texts = [own.decode((part[part != SEPARATOR].astype(int) - FIRST).tolist()).removeprefix(" ") for part in parts]
    return texts[0] if len(texts) == 1 else (texts[0], " ".join(texts[1:]))


def _opened(tokens: str) -> Any:
    """Return a model's tokenizer; what a text spells is text, though it may look like a mark of the model's."""
    from tokenizers import Tokenizer  # a drop of texts was made with it

    tokenizer = Tokenizer.from_str(tokens)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def _windowed(tokenizer: Any, length: int) -> Any:
    """Return a tokenizer that gives a text that is longer than ``length`` as windows of it, to the end."""
    tokenizer.enable_truncation(length, stride=length // OVERLAP)
    return tokenizer


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 6)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
