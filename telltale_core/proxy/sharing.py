"""A snapshot shared by the processes of a training: fixed parts of the samples, part p by rank p modulo their number.

The parts are the batches in which one process evaluates, so that every loss has the bits that it has there.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from telltale_core.proxy.objective import Objective
from telltale_core.proxy.ranks import Team

Part = tuple[slice, torch.Tensor]
"""Rows, and their outputs (B, K)."""
Evaluated = tuple[torch.Tensor, torch.Tensor]
"""Log losses (n,) float64, and what the score is made of (n, ...)."""


def evaluated(parts: Iterator[Part], objective: Objective) -> Evaluated:
    """Return the losses of parts of the samples, and what their score is made of, one after the other."""
    losses, answered = [], []
    for rows, outputs_BK in parts:
        losses.append(objective.log_loss(outputs_BK, rows))
        answered.append(objective.answered(outputs_BK, rows))
    return torch.cat(losses), torch.cat(answered)


def send(team: Team, parts: Iterator[Part], objective: Objective) -> None:
    """Send rank 0 the losses of this rank's parts."""
    log_loss_n, answered_n = evaluated(parts, objective)
    team.send(torch.cat([log_loss_n, answered_n.double().reshape(-1)]))


def gathered(team: Team, own: Evaluated, samples: int, batch: int) -> Evaluated:
    """Return the losses of all samples (N,), and what their score is made of: rank 0's own, and the others'."""
    log_loss_n, answered_n = own
    log_loss_N = log_loss_n.new_empty(samples)
    answered_N = answered_n.new_empty((samples, *answered_n.shape[1:]))
    width = answered_n[0].numel()
    for rank in range(team.size):
        rows = rows_of(rank, team.size, samples, batch).to(log_loss_n.device)
        if rank and len(rows):
            vector = team.receive(log_loss_n.new_empty(len(rows) * (1 + width)), rank)
            log_loss_n, answered_n = vector[: len(rows)], vector[len(rows) :].view(-1, *answered_N.shape[1:])
        if len(rows):
            log_loss_N[rows] = log_loss_n
            answered_N[rows] = answered_n.to(answered_N.dtype)
    return log_loss_N, answered_N


def rows_of(rank: int, ranks: int, samples: int, batch: int) -> torch.Tensor:
    """Return the rows (n,) that a rank evaluates, in the order in which it does."""
    row_N = torch.arange(samples)
    return row_N[row_N // batch % ranks == rank]
