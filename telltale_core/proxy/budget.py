"""Does a training fit? Estimated before it starts, so that it is refused rather than killed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from torch import nn

from telltale_core.errors import OverBudget
from telltale_core.modality.drop_protocols import TrainingSet
from telltale_core.modality.parts import Front
from telltale_core.proxy.config import SettledConfig
from telltale_core.proxy.data import Resident, held_bytes, streams
from telltale_core.proxy.hardware import Hardware, available_bytes
from telltale_core.proxy.loop import evaluation_batch
from telltale_core.proxy.models import ProxyNet
from telltale_core.proxy.recording import recording_bytes

WORKSPACE_BYTES = 32 << 20  # oneDNN's own on a CPU
CUDA_CONTEXT_BYTES = 600 << 20  # with cuDNN's workspace
LOG_BYTES = 4.5  # on disk per sample and snapshot; measured 3.4 on random losses


def require_memory(net: ProxyNet, front: Front, data: TrainingSet, config: SettledConfig, hardware: Hardware) -> int:
    """Return the estimated peak in bytes; raise :class:`OverBudget`, stating both figures, if it does not fit."""
    needed = estimate_bytes(net, front, data, config, hardware)
    needed += recording_bytes(net, front, data.inputs, config.record)
    limit = config.memory_limit_bytes or available_bytes(hardware.device)
    if limit is not None and needed > limit:
        where = "GPU" if hardware.kind == "cuda" else "host"
        raise OverBudget(
            f"training needs about {needed / 1e6:,.0f} MB of {where} memory, {limit / 1e6:,.0f} MB "
            "may be used; choose a smaller batch_size, width or model, or a larger machine"
        )
    return needed


def estimate_bytes(net: ProxyNet, front: Front, data: TrainingSet, config: SettledConfig, hardware: Hardware) -> int:
    """Return the estimated memory of one training in bytes: data, weights, activations, an epoch's losses."""
    n = len(data.inputs)
    blank = Resident(
        np.zeros((1, *data.inputs.shape[1:]), data.inputs.dtype), front, str(next(net.parameters()).device)
    )
    total, largest, pixels = _activations(net, blank)
    batch, evaluated = config.batch_for(n), min(evaluation_batch(front.shape, hardware), n)
    # what the backward pass needs, the gradients of the layers at hand, the batch as it is scaled
    training = batch * (1.5 * total + 4 * largest + 3 * pixels) * 4
    snapshot = evaluated * (3 * largest + 3 * pixels) * 4
    weights = sum(value.numel() * value.element_size() for value in net.state_dict().values())
    outputs = evaluated * net.head.out_features * 8 * 4  # float64 margins and their temporaries
    if data.task == "regression":
        outputs += n * net.head.out_features * 4 * 4  # R squared is of all samples at once
    losses = n * (config.snapshots_per_epoch * 4 * 4 + 3 * 8)  # the last: a snapshot's in float64
    on_gpu = hardware.kind == "cuda"
    streamed = streams(data.inputs, front, hardware.device, config.memory_limit_bytes)
    resident = 0 if streamed else held_bytes(data.inputs, front)
    library = CUDA_CONTEXT_BYTES if on_gpu else WORKSPACE_BYTES
    return int(max(training, snapshot) + 4 * weights + outputs + losses + resident + library)


def require_disk(out: Path, n: int, net: ProxyNet, config: SettledConfig, recorded: int = 0) -> None:
    """Raise :class:`OverBudget` when the log, the checkpoint and the model will not fit where ``out`` lies."""
    weights = sum(value.numel() * value.element_size() for value in net.state_dict().values())
    snapshots = config.epochs * config.snapshots_per_epoch
    needed = int(n * snapshots * LOG_BYTES + n * 80 + weights * 5) + recorded
    free = shutil.disk_usage(out).free
    if needed > free:
        raise OverBudget(
            f"the loss log, checkpoint and model in {out} need about {needed / 1e6:,.0f} MB, "
            f"{free / 1e6:,.0f} MB are free; free space or choose another work area"
        )


@torch.inference_mode()
def _activations(net: ProxyNet, blank: Resident) -> tuple[int, int, int]:
    """Return how many values all layers give for the one input, how many the largest layer, how many the input has."""
    sizes: list[int] = []

    def note(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and not getattr(module, "inplace", False):
            sizes.append(output.numel())

    hooks = [module.register_forward_hook(note) for module in net.modules() if not list(module.children())]
    was_training = net.training
    try:
        net.eval()
        one = blank.rows(slice(0, 1))
        net(one)
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return sum(sizes), max(sizes), max(one.numel(), blank.packed(slice(0, 1)).numel())
