"""A training's state, in one safetensors file: tensors, and a JSON record in its header.

It is of an epoch's end, or of the step at which the training was told to stop: then with the epoch's snapshots so far.

One file is one rename: a kill leaves the old state or the new one. Nothing in it can run code when it is read.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from telltale_core.errors import Corrupt
from telltale_core.records import write_whole

FORMAT = "telltale.checkpoint/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where a training stands: ``epoch`` whole epochs are done and their loss files, with these sha256, written.

    ``step`` counts all optimiser steps, those of an epoch in progress too; its snapshots were taken after these steps.
    """

    epoch: int
    step: int
    drop_digest: str
    recipe_digest: str
    environment: dict[str, Any]
    log_files: list[str]
    score: float
    timings: dict[str, float]
    snapshot_steps: list[int]
    snapshot_scores: list[float]


def checkpoint_path(out: Path) -> Path:
    """Return where the checkpoint lies in a training folder."""
    return out / "checkpoint" / "member-0.safetensors"


def save(path: Path, checkpoint: Checkpoint, tensors: dict[str, torch.Tensor]) -> None:
    """Write a checkpoint, whole or not at all."""
    header = {"telltale": json.dumps({"format": FORMAT, **asdict(checkpoint)})}
    write_whole(path, tensor_bytes(tensors, header))


def tensor_bytes(tensors: dict[str, torch.Tensor], header: dict[str, str]) -> bytes:
    """Return tensors as the bytes of a safetensors file."""
    return safetensors.torch.save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, header)


def load(path: Path) -> tuple[Checkpoint, dict[str, torch.Tensor]]:
    """Return a checkpoint and its tensors, on the CPU; raise :class:`Corrupt` for a damaged file."""
    checkpoint = load_record(path)
    try:
        return checkpoint, safetensors.torch.load(path.read_bytes())
    except SafetensorError as error:
        raise Corrupt(f"{path} is torn or damaged: {error}") from error


def load_record(path: Path) -> Checkpoint:
    """Return a checkpoint's record without its tensors; raise :class:`Corrupt` for a damaged file."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, path.stat().st_size)))
        values = json.loads(header["__metadata__"]["telltale"])
        if values["format"] != FORMAT:
            raise Corrupt(f"{path} is no checkpoint of format {FORMAT}")
        return Checkpoint(**{field.name: values[field.name] for field in fields(Checkpoint)})
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise Corrupt(f"{path} is torn or damaged ({type(error).__name__})") from error
