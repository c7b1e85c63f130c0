"""Repeats: samples that are the same but for small changes, found by their sketches in linear time.

Every sample of a group is near its *leader*, one of the group: chains of small steps, such as the
frames of a film, are not one group. Compared are samples that agree in one of 16 parts of their sketch, each with the
next few in the order of that part, so that time and memory grow with the number of samples whatever they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BANDS = 16
NEIGHBOURS = 16
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repeats:
    """``leader`` (N,) int64: the row of each sample's leader, its own where nothing is near; ``size`` of its group."""

    leader: NDArray[np.int64]
    size: NDArray[np.int64]

    @property
    def repeated(self) -> NDArray[np.bool_]:
        """Whether a sample is in a group of two or more, (N,)."""
        return self.size > 1


def find_repeats(sketch_N: NDArray[np.uint8], most_bits: int) -> Repeats:
    """Return the groups of samples whose sketches differ from their leader's in at most ``most_bits`` bits."""
    rows, first, inverse = np.unique(_whole(sketch_N), return_index=True, return_inverse=True)
    order = np.argsort(first)  # the first in the drop leads
    place = np.empty(len(rows), dtype=np.int64)
    place[order] = np.arange(len(rows))
    first_U, number_N = first[order], place[inverse.reshape(-1)]
    joining = _Joining(sketch_N[first_U], most_bits)
    if most_bits:
        joining.run()
    leader_N = first_U[joining.leader_U[number_N]].astype(np.int64)
    return Repeats(leader=leader_N, size=np.bincount(leader_N, minlength=len(leader_N))[leader_N])


class _Joining:
    """Gives different sketches, in the order of the drop, an earlier one that they are near as their leader."""

    def __init__(self, sketch_U: NDArray[np.uint8], most_bits: int) -> None:
        self._sketch_U, self._most_bits = sketch_U, most_bits
        self.leader_U = np.arange(len(sketch_U))
        self._leads_U = np.zeros(len(sketch_U), dtype=bool)  # has members: cannot follow another any more

    def run(self) -> None:
        """Compare, band by band, what still follows nobody."""
        bands_U = self._sketch_U.view(np.uint16)
        for band in range(BANDS):
            alone = np.flatnonzero(self.leader_U == np.arange(len(self.leader_U)))
            keys = tuple(bands_U[alone, (band + further) % BANDS] for further in (2, 1, 0))
            places = alone[np.lexsort(keys)]
            bands = bands_U[places, band]
            for step in range(1, min(NEIGHBOURS, len(places) - 1) + 1):
                for start in range(0, len(places) - step, CHUNK):
                    end = min(start + CHUNK, len(places) - step)
                    same = np.flatnonzero(bands[start:end] == bands[start + step : end + step]) + start
                    self._join(places[same], places[same + step])

    def _join(self, a_E: NDArray[np.int64], b_E: NDArray[np.int64]) -> None:
        """Let the later of each near pair follow the earlier one, or the one that leads already."""
        free = (self.leader_U[a_E] == a_E) & (self.leader_U[b_E] == b_E)
        a_E, b_E = np.minimum(a_E[free], b_E[free]), np.maximum(a_E[free], b_E[free])
        near = np.bitwise_count(self._sketch_U[a_E] ^ self._sketch_U[b_E]).sum(axis=1) <= self._most_bits
        for a, b in zip(a_E[near].tolist(), b_E[near].tolist(), strict=True):
            if self.leader_U[a] != a or self.leader_U[b] != b or (self._leads_U[a] and self._leads_U[b]):
                continue
            leader, member = (b, a) if self._leads_U[b] else (a, b)
            self.leader_U[member] = leader
            self._leads_U[leader] = True


def _whole(sketch_N: NDArray[np.uint8]) -> NDArray[np.void]:
    """Return each sketch as one value."""
    return np.ascontiguousarray(sketch_N).view(np.dtype((np.void, sketch_N.shape[1]))).reshape(-1)
