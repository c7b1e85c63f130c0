"""Rows of a table on their way into a net, and the net.

Each number is given twice: standardised by median and interquartile range (outliers cannot move it; cut at 8), and as
the quantile bin in which it lies (one slot of several), so that a net can learn a single value as it learns a category.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

BINS = 32
MAX_SLOTS = 8192
CUT = 8.0


def column_statistics(inputs_ND: NDArray[Any], packing: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``centre``, ``scale``, ``edges`` (lists of D; none for categories) and ``sizes``, the slots of a column.

    Fitted on all rows; a column without spread has scale 1. The last slot of a column stands for a missing value.
    """
    columns = packing.get("columns") or [{"kind": "number"}] * inputs_ND.shape[1]
    bins = max(2, min(BINS, MAX_SLOTS // max(len(columns), 1)))
    centre, scale, sizes = list[float](), list[float](), list[int]()
    edges: list[list[float]] = []
    for place, column in enumerate(columns):
        value_n = np.asarray(inputs_ND[:, place], dtype=np.float64)
        value_n = value_n[~np.isnan(value_n)]
        if column["kind"] == "category" or not len(value_n):
            centre.append(0.0)
            scale.append(0.0)  # a category has no size: its number is not an input
            edges.append([])
            sizes.append(len(column.get("categories", ())) + 2)
            continue
        low, middle, high = np.quantile(value_n, (0.25, 0.5, 0.75))
        spread = (high - low) / 1.349 or value_n.std() or 1.0
        cuts = np.unique(np.quantile(value_n, np.linspace(0, 1, bins + 1)[1:-1]).astype(np.float32))
        centre.append(float(middle))
        scale.append(float(1.0 / spread))
        edges.append(cuts.astype(float).tolist())
        sizes.append(len(cuts) + 2)
    return {"centre": centre, "scale": scale, "edges": edges, "sizes": sizes}


class TableFront:
    """Gives (B, D + slots) float32 from (B, D) packed rows."""

    def __init__(self, statistics: Mapping[str, Any], device: str) -> None:
        self._centre = torch.tensor(statistics["centre"], dtype=torch.float64, device=device)
        self._scale = torch.tensor(statistics["scale"], dtype=torch.float64, device=device)
        sizes, edges = statistics["sizes"], statistics["edges"]
        widest = max([len(cuts) for cuts in edges] or [0])
        padded = [cuts + [float("inf")] * (widest - len(cuts)) for cuts in edges]
        self._edges_DE = torch.tensor(padded, dtype=torch.float32, device=device).reshape(len(edges), widest)
        self._size = torch.tensor(sizes, device=device)
        self._start = torch.tensor(np.cumsum([0, *sizes[:-1]]), device=device)
        self._numeric = torch.tensor([gain > 0 for gain in statistics["scale"]], device=device)
        self._slots = int(sum(sizes))
        self.shape: tuple[int, ...] = (len(sizes) + self._slots,)

    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:  # noqa: ARG002
        """Return the batch as the net takes it."""
        missing_BD = packed_B.isnan()
        value_BD = packed_B.nan_to_num(0.0)
        scaled_BD = ((value_BD.double() - self._centre) * self._scale).clamp(-CUT, CUT).masked_fill(missing_BD, 0.0)
        bin_BD = (value_BD[:, :, None] >= self._edges_DE).sum(2)
        slot_BD = torch.where(self._numeric, bin_BD, value_BD.long())
        slot_BD = torch.where(missing_BD, self._size - 1, slot_BD) + self._start
        slots_BP = torch.zeros(len(packed_B), self._slots, device=packed_B.device)
        return torch.cat([scaled_BD.float(), slots_BP.scatter_(1, slot_BD, 1.0)], dim=1)


def mlp(shape: tuple[int, ...], width: int) -> tuple[nn.Module, int]:
    """Return three hidden layers of ``width`` with batch normalisation."""
    layers: list[nn.Module] = []
    features = shape[0]
    for _ in range(3):
        layers += [nn.Linear(features, width), nn.BatchNorm1d(width), nn.ReLU(True)]
        features = width
    return nn.Sequential(*layers), width
