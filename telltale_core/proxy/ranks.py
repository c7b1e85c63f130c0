"""Several processes that train one proxy, by ``torch.distributed`` alone: rank 0 trains, the others compute for it.

Rank 0 has all that is kept: optimiser, random numbers, files, the decision to stop. It says what is to be computed
under which weights, and the others answer with arrays. They write nothing, so that there is nothing of theirs to lose.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import IntEnum
from typing import Any

import torch
import torch.distributed as dist

from telltale_core.errors import Transient

LONGEST_STEP = timedelta(hours=12)
"""Between two tasks; a process that ends is noticed at once."""


class Task(IntEnum):
    """What rank 0 asks for: the end, the losses of parts of the samples, the shards of a step."""

    END = 0
    EVALUATE = 1
    STEP = 2


@contextlib.contextmanager
def joined() -> Iterator[Team | None]:
    """Yield the team of this process, None where it is alone: of a group that stands, or by torchrun's environment."""
    begins = not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1
    if begins:
        with _lost():
            dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=LONGEST_STEP)
    try:
        together = dist.is_initialized() and dist.get_world_size() > 1
        yield Team(rank=dist.get_rank(), size=dist.get_world_size()) if together else None
        if begins:
            with contextlib.suppress(RuntimeError):  # all is done: none may close a connection that another still reads
                dist.barrier()
    finally:
        if begins:
            dist.destroy_process_group()


@contextlib.contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch.distributed has no other for a process that went away
        raise Transient(
            "a process of the training was lost: start it again, it goes on after the last whole epoch"
        ) from error


class Team:
    """The processes of one training; ``rank`` is this one's, ``size`` their number."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def begin(self, about: Any = None) -> Any:
        """Return what rank 0 gives to all before the first task, plain values; None where it begins nothing."""
        box = [about]
        with _lost():
            dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def tell(self, task: Task, step: int = 0) -> None:
        """Tell the others what is to be computed after so many steps."""
        with _lost():
            dist.broadcast(torch.tensor([int(task), step]), src=0)

    def task(self) -> tuple[Task, int]:
        """Return what rank 0 told."""
        message = torch.zeros(2, dtype=torch.int64)
        with _lost():
            dist.broadcast(message, src=0)
        return Task(int(message[0])), int(message[1])

    def share(self, tensors: Iterable[torch.Tensor]) -> None:
        """Give all processes rank 0's values of tensors, in place: one message for each type of number."""
        by_type: dict[torch.dtype, list[torch.Tensor]] = {}
        for tensor in tensors:
            by_type.setdefault(tensor.dtype, []).append(tensor)
        for alike in by_type.values():
            vector = torch.cat([tensor.detach().reshape(-1) for tensor in alike])
            with _lost():
                dist.broadcast(vector, src=0)
            parts = torch.split(vector, [tensor.numel() for tensor in alike])
            with torch.no_grad():
                for tensor, part in zip(alike, parts, strict=True):
                    tensor.copy_(part.view_as(tensor))

    def send(self, vector: torch.Tensor) -> None:
        """Send a vector to rank 0."""
        with _lost():
            dist.send(vector, dst=0)

    def receive(self, vector: torch.Tensor, rank: int) -> torch.Tensor:
        """Return the vector, filled with what ``rank`` sent."""
        with _lost():
            dist.recv(vector, src=rank)
        return vector
