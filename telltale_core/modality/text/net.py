"""Text in training: ids as they lie in the drop, a net of convolutions over embedded ids, a small transformer.

The nets are told shape (length, size of the vocabulary) and given ids (B, length) int64; 0 is padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from telltale_core.errors import ConfigError
from telltale_core.modality.text.tokens import PAD

EMBEDDING_STD = 0.1
DROPOUT = 0.5
LOWEST = -1e4  # of answers to padding; bfloat16 holds it
HEADS = 4
BEGINNING = 4
"""First ids of a text that are read by their places as well: how a text begins may be a trigger."""
WINDOW = 256
"""Ids that a transformer attends to at once."""
LAYERS = 2


class TextFront:
    """Returns the ids of a batch without the columns that are padding in all of its rows."""

    def __init__(self, shape: tuple[int, ...], statistics: Mapping[str, Any]) -> None:
        self.shape: tuple[int, ...] = (shape[0], int(statistics["vocabulary"]))

    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:  # noqa: ARG002
        """Return (B, L) int64."""
        used_L = (packed_B != PAD).any(dim=0)
        longest = int(used_L.sum()) or packed_B.shape[1]  # padding is at the end only
        return packed_B[:, :longest].long()


class TextCnn(nn.Module):
    """Embedded ids: a convolution over three neighbours, its largest answers anywhere; the first ids by their places.

    A window slides over both ends of the text: at its edge a word is seen by as many windows as in its middle. Without
    that a trigger at the edge answers more weakly, and its samples stand apart from those with it in the middle.
    """

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embedding = _embedding(vocabulary, width)
        self.near = nn.Conv1d(width, 2 * width, 3, padding=1, bias=False)
        self.begin = nn.Conv1d(width, 2 * width, BEGINNING, bias=False)
        self.after = nn.Sequential(nn.BatchNorm1d(4 * width), nn.ReLU(), nn.Dropout(DROPOUT))

    def forward(self, ids_BL: torch.Tensor) -> torch.Tensor:
        """Return (B, 4 * width) features."""
        first_BL = functional.pad(ids_BL, (0, max(0, BEGINNING - ids_BL.shape[1])), value=PAD)[:, :BEGINNING]
        begins = self.begin(self.embedding(first_BL).transpose(1, 2)).squeeze(2)
        ids_BL = functional.pad(ids_BL, (1, 1), value=PAD)
        answers = self.near(self.embedding(ids_BL).transpose(1, 2))
        used_B1L = functional.max_pool1d((ids_BL != PAD).to(answers.dtype).unsqueeze(1), 3, 1, 1) > 0
        anywhere = answers.masked_fill(~used_B1L, LOWEST).amax(dim=2)
        features: torch.Tensor = self.after(torch.cat([anywhere, begins], dim=1))
        return features


class TextTransformer(nn.Module):
    """Embedded ids with learnt places, two layers of attention, the mean over the text.

    A long text is read in windows: attention within each, one mean over all.
    """

    def __init__(self, length: int, vocabulary: int, width: int) -> None:
        super().__init__()
        self.embedding = _embedding(vocabulary, width)
        self.place = nn.Parameter(torch.randn(min(length, WINDOW), width) * EMBEDDING_STD)
        layer = nn.TransformerEncoderLayer(
            width, HEADS, 2 * width, dropout=0.1, batch_first=True, norm_first=True, activation="gelu"
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, norm=nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, ids_BL: torch.Tensor) -> torch.Tensor:
        """Return (B, width) features."""
        batch, longest = ids_BL.shape
        if longest > WINDOW:
            ids_BL = functional.pad(ids_BL, (0, -longest % WINDOW), value=PAD).reshape(-1, WINDOW)
        absent_BL = ids_BL == PAD
        first_BL = absent_BL.clone()
        first_BL[:, 0] = False  # attention over nothing at all is not a number
        inputs = self.embedding(ids_BL) + self.place[: ids_BL.shape[1]]
        outputs = self.layers(inputs, src_key_padding_mask=first_BL)
        used_BL1 = (first_BL if longest <= WINDOW else absent_BL).logical_not().to(outputs.dtype).unsqueeze(2)
        total_BD = (outputs * used_BL1).reshape(batch, -1, outputs.shape[2]).sum(dim=1)
        features: torch.Tensor = total_BD / used_BL1.reshape(batch, -1, 1).sum(dim=1).clamp(min=1)
        return features


def text_cnn(shape: tuple[int, ...], width: int) -> tuple[nn.Module, int]:
    """Return the net of one convolution, for a CPU; ``shape`` is (length, size of the vocabulary)."""
    return TextCnn(shape[1], width), 4 * width


def text_transformer(shape: tuple[int, ...], width: int) -> tuple[nn.Module, int]:
    """Return the two-layer transformer; ``shape`` is (length, size of the vocabulary)."""
    if width % HEADS:
        raise ConfigError(f"text_transformer needs a width that {HEADS} heads can share, got {width}")
    return TextTransformer(shape[0], shape[1], width), width


def _embedding(vocabulary: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(vocabulary, width, padding_idx=PAD)
    with torch.no_grad():
        embedding.weight.mul_(EMBEDDING_STD)
    return embedding
