"""A drop's texts as the ids of another model's tokenizer: read back from the drop's own subwords, then cut anew.

A code is 0 for padding, else 1 + id + vocabulary * segment, where the segment is 1 for the second text of a pair.
Legend: N samples, B batch, L length in codes.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core.errors import ConfigError
from telltale_core.modality.drops import TrainingSet
from telltale_core.modality.local_model import content_digest
from telltale_core.modality.text.decoder import TOKENIZER
from telltale_core.modality.text.hugging_face import architecture, read_config, read_tokenizer, segments
from telltale_core.modality.text.tokens import FIRST, PAD, SEPARATOR, open_tokenizer

AT_ONCE = 2048
ROUNDING = 8
SPARE = 2
"""Some models' places start after their padding id; where only their number is known, so many are left free."""


class RereadingFront:
    """Keeps a drop's texts on the device as a model's codes, and gives a batch without columns of padding alone.

    ``settings`` are what :func:`reading` returned; ``shape`` is (length, width of the model's states, codes).
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._length, self._vocabulary = int(settings["length"]), int(settings["codes"])
        self._segments = int(settings["segments"])
        self._drop = open_tokenizer(_unpacked(settings["subwords"]))
        self._model = _opened(_unpacked(settings["tokens"]).decode())
        self.shape: tuple[int, ...] = (self._length, int(settings["width"]), self._vocabulary * self._segments + 1)

    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:  # noqa: ARG002
        """Return (B, L) int64 codes."""
        used_L = (packed_B > 0).any(dim=0)
        longest = int(used_L.sum()) or packed_B.shape[1]
        return packed_B[:, :longest].long()

    def prepare(self, inputs_N: NDArray[Any]) -> NDArray[Any]:
        """Return the codes (N, L) int32 of texts packed as in the drop; a row of padding alone stays one."""
        codes_NL = np.zeros((len(inputs_N), self._length), dtype=np.int32)
        for start in range(0, len(inputs_N), AT_ONCE):
            rows = inputs_N[start : start + AT_ONCE]
            for row, codes in enumerate(self._codes(rows), start):
                codes_NL[row, : len(codes)] = codes
        codes_NL[~np.any(inputs_N != PAD, axis=1)] = 0
        return codes_NL

    def _codes(self, rows: NDArray[Any]) -> Iterator[NDArray[np.int64]]:
        self._model.enable_truncation(self._length)
        for found in self._model.encode_batch([_parts(self._drop, row) for row in rows]):
            segment = np.minimum(found.type_ids, self._segments - 1)
            yield 1 + np.asarray(found.ids, dtype=np.int64) + self._vocabulary * segment


def reading(path: Path, drop: TrainingSet) -> dict[str, Any]:
    """Return what :class:`RereadingFront` needs to know, as JSON values: both tokenizers, and the length that fits.

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
    own, longest = open_tokenizer(subwords), 1
    for start in range(0, len(drop.inputs), AT_ONCE):
        texts = [_parts(own, row) for row in drop.inputs[start : start + AT_ONCE]]
        longest = max(longest, *(len(found.ids) for found in tokenizer.encode_batch(texts)))
    return {
        "body": content_digest(path),
        "architecture": architecture(config),
        "length": min(limit, -(-longest // ROUNDING) * ROUNDING),
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

    made = Tokenizer.from_str(tokens)
    made.no_padding()
    made.no_truncation()
    made.encode_special_tokens = True
    return made


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 6)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
