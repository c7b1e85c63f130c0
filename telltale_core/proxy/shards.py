"""A training step in fixed parts of its batch (``proxy.shards``): any number of processes does the sums of one.

Each shard is a small batch with batch statistics of its own, under the weights and running statistics that the step
began with. Losses, gradients and running statistics, each times its share of the batch, are summed in the order of the
shards. More than one shard is another recipe: batch statistics are over fewer samples.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from telltale_core.errors import ConfigError
from telltale_core.proxy.ranks import Team

Loss = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
"""The mean loss of samples (B,) and, where they are varied, a chance for each (B,)."""
FEWEST = 2
"""Samples of a shard: one alone has no batch statistics."""


class Shards:
    """The shards of a net's steps: ``vector`` of one, ``total`` of all, which ``apply`` puts into the net."""

    def __init__(self, net: nn.Module, loss: Loss, batch: int, shards: int, seed: int) -> None:
        if batch // shards < FEWEST:
            raise ConfigError(
                f"proxy.shards = {shards} parts of batches of {batch} samples: each needs at least {FEWEST}; "
                "choose fewer shards, or a larger batch_size"
            )
        self._net, self._loss, self._seed = net, loss, seed
        borders = [batch * shard // shards for shard in range(shards + 1)]
        self._parts = [slice(start, stop) for start, stop in pairwise(borders)]
        self._shares = [(part.stop - part.start) / batch for part in self._parts]
        self._weights = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self._statistics = [buffer for buffer in net.buffers() if buffer.is_floating_point()]
        self._counted: list[torch.Tensor] = []
        self._counts = [buffer for buffer in net.buffers() if not buffer.is_floating_point()]

    def of(self, team: Team) -> list[int]:
        """Return the shards of a rank, in their order."""
        return list(range(team.rank, len(self._parts), team.size))

    def vector(self, shard: int, step: int, index_B: torch.Tensor, chance_B: torch.Tensor | None) -> torch.Tensor:
        """Return what a shard adds to a step: loss, gradient, running statistics, (1 + P + S,) on the device.

        The net is as it was then; how often it counts a batch is kept for :meth:`apply`.
        """
        part, before = self._parts[shard], [buffer.clone() for buffer in self._statistics]
        counts = [buffer.clone() for buffer in self._counts]
        words = np.random.SeedSequence([self._seed, step, shard]).generate_state(1, np.uint64)
        torch.manual_seed(int(words[0] >> np.uint64(1)))  # for what a registered model draws itself, such as dropout
        self._net.zero_grad()
        loss = self._loss(index_B[part], None if chance_B is None else chance_B[part])
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in self._weights]
        values = [loss.detach(), *gradients, *self._statistics]
        vector = torch.cat([value.reshape(-1).float() for value in values]) * self._shares[shard]
        self._counted = [buffer.clone() for buffer in self._counts]
        for buffer, value in zip([*self._statistics, *self._counts], [*before, *counts], strict=True):
            buffer.copy_(value)
        return vector

    def total(
        self, step: int, index_B: torch.Tensor, chance_B: torch.Tensor | None, team: Team | None = None
    ) -> torch.Tensor:
        """Return the sum over all shards, in their order; of a team's at rank 0, with what the others send."""
        own = self.of(team) if team is not None else range(len(self._parts))
        vectors = {shard: self.vector(shard, step, index_B, chance_B) for shard in own}
        total = torch.zeros_like(vectors[0])
        for shard in range(len(self._parts)):
            if team is not None and shard not in vectors:
                vectors[shard] = team.receive(torch.empty_like(total), shard % team.size)
            total += vectors[shard]
        return total

    def apply(self, total: torch.Tensor) -> torch.Tensor:
        """Put the summed gradient and running statistics into the net; return the loss, on the device."""
        places = [*self._weights, *self._statistics]
        loss, *parts = torch.split(total, [1, *(place.numel() for place in places)])
        for weight, part in zip(self._weights, parts, strict=False):
            weight.grad = part.view_as(weight).to(weight.dtype)
        for buffer, part in zip(self._statistics, parts[len(self._weights) :], strict=True):
            buffer.copy_(part.view_as(buffer))
        for count, counted in zip(self._counts, self._counted, strict=True):
            count.copy_(counted)
        return loss[0]
