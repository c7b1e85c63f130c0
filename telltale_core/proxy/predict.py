"""What a trained proxy says of new samples."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from telltale_core.digest import sha256_bytes
from telltale_core.errors import BadInput, Corrupt
from telltale_core.modality import modality_named
from telltale_core.proxy.config import ProxyConfig
from telltale_core.proxy.fitting import Fitted
from telltale_core.proxy.hardware import resolve_hardware
from telltale_core.proxy.loop import Timings
from telltale_core.proxy.models import build
from telltale_core.proxy.record import TRAIN, proxy_entry

READING = "reading.json"
"""Beside the record: what the front of a proxy with a local model's body must know."""


def load_proxy(train_dir: Path, config: ProxyConfig | None = None) -> Fitted:
    """Return a trained proxy; ``config`` chooses the device and precision.

    By default the device is what this machine has, and the precision the training's: what the proxy says of the drop is
    then what the loss log holds.
    """
    record = TRAIN.read(train_dir)
    entry, inputs, model = proxy_entry(record), dict(record["input"]), record["model"]
    if "reading" in inputs:  # the net of a local model is built without its directory
        reading = inputs["reading"]
        inputs["reading"] = json.loads(_recorded(train_dir / reading["file"], reading["sha256"]))
        model = inputs["reading"]["architecture"]
    path = train_dir / entry["model_file"]
    try:
        tensors = safetensors.torch.load(_recorded(path, entry["model_sha256"]))
    except SafetensorError as error:
        raise Corrupt(f"{path} cannot be read ({type(error).__name__}); train again") from error
    hardware = resolve_hardware(config or ProxyConfig(precision=record["hardware"]["precision"]))
    front = modality_named(inputs["modality"]).front(tuple(inputs["shape"]), inputs, hardware.device)
    net = build(model, inputs["modality"], front.shape, record["config"]["width"], record["outputs"], seed=0)
    try:
        net.load_state_dict(tensors)
    except RuntimeError as error:
        raise Corrupt(f"{path} is of another release's {model}; train again") from error
    net.to(hardware.device)
    return Fitted(
        net=net,
        front=front,
        task=record["task"],
        answers=record["answers"],
        hardware=hardware,
        timings=Timings(**entry["timings"]),
    )


def _recorded(path: Path, sha256: str) -> bytes:
    """Return a file's bytes, which are those that the record is about."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Corrupt(f"{path} cannot be read ({type(error).__name__}); train again") from error
    if sha256_bytes(data) != sha256:
        raise Corrupt(f"{path} does not have the digest that train.json records; train again")
    return data


def asker(train_dir: Path) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return what gives a trained proxy's answers to packed inputs, as :meth:`Fitted.predict` does.

    The proxy is loaded when it is first asked.
    """
    proxy = functools.cache(lambda: load_proxy(train_dir))
    return lambda inputs: proxy().predict(inputs)


def predict_logits(train_dir: Path, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Return a trained proxy's logits for packed inputs, such as (N, H, W, C) uint8 images, (N, K) float32.

    :func:`telltale_core.drop.pack` packs new samples as the drop is packed.
    """
    shape = tuple(TRAIN.read(train_dir)["input"]["shape"])
    if tuple(inputs.shape[1:]) != shape:
        raise BadInput("shape", f"the proxy was trained on inputs of shape {shape}, got {tuple(inputs.shape[1:])}")
    return load_proxy(train_dir).logits(inputs)
