"""What a trained proxy shows of every sample, recorded as Parquet beside the loss log.

``ProxyConfig.record`` names any of :data:`KINDS`. The features, recorded by default, are evidence of the verdict; the
others are what other detectors ask for. Answers are the labels that the proxy gives after a sixth of the epochs, of a
classification alone: one pass then, and nothing afterwards can tell them. Logits are a by-product of the
snapshots and are kept at every epoch's end; the others take one more pass over the data when the training is done, or
later, from the saved model (:func:`observe`). Files: ``recordings/member-0/<kind>.parquet``, logits one file an
epoch: ``logits-<eeee>.parquet``; columns ``sample`` int32 and ``value``, a list of fixed length; shape and digest stand
in the schema's metadata.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import nn

from telltale_core.errors import ConfigError, Corrupt, NotFound
from telltale_core.modality.parts import Front
from telltale_core.proxy.config import RECORDABLE, SettledConfig
from telltale_core.proxy.data import Resident
from telltale_core.proxy.hardware import Hardware, running
from telltale_core.records import write_whole

if TYPE_CHECKING:
    from telltale_core.proxy.fitting import Fitted

ANSWERS = "answers"
KINDS = tuple(kind for kind in RECORDABLE if kind != ANSWERS)
"""What a trained proxy can show at any time."""
DTYPES = {"features": np.float32, "maps": np.float16, "norms": np.float32, "logits": np.float32}
BATCH = 256
Arrays = dict[str, NDArray[Any]]


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise :class:`ConfigError` for a kind that is not known."""
    strange = [kind for kind in kinds if kind not in KINDS]
    if strange:
        raise ConfigError(f"record must hold only {', '.join(KINDS)}, got {strange[0]!r}")


def recording_path(train_dir: Path, kind: str, epoch: int | None = None) -> Path:
    """Return where a kind is recorded in a training folder."""
    name = kind if epoch is None else f"{kind}-{epoch:04d}"
    return train_dir / "recordings" / "member-0" / f"{name}.parquet"


def observe(fitted: Fitted, inputs: NDArray[Any], kinds: Sequence[str]) -> Arrays:
    """Return what a trained proxy shows of (N, ...) inputs in evaluation mode: one pass, however many kinds.

    ``features`` (N, D) float32; ``maps`` (N, C, P) float16, what the last convolutional part is given; ``norms`` (N, L)
    float32, each normalisation layer's least log-likelihood; ``logits`` (N, K) float32. Raises :class:`ConfigError`
    where the net has no such part.
    """
    with running(fitted.hardware):
        data = Resident(inputs, fitted.front, fitted.hardware.device)
        return _observe(fitted.net, data, fitted.hardware, kinds)


def observable(fitted: Fitted, kinds: Iterable[str]) -> list[str]:
    """Return which of these kinds a trained proxy can show: one without convolutions, for one, has no maps."""
    possible = []
    for kind in kinds:
        with contextlib.suppress(ConfigError):
            for hook in _hooks(fitted.net, {kind: []}, []):
                hook.remove()
            possible.append(kind)
    return possible


@torch.inference_mode()
def _observe(net: nn.Module, data: Resident, hardware: Hardware, kinds: Sequence[str]) -> Arrays:
    check_kinds(kinds)
    batches: dict[str, list[Any]] = {kind: [] for kind in kinds}
    layers: list[torch.Tensor] = []
    hooks = _hooks(net, batches, layers)
    was_training = net.training
    try:
        net.eval()
        for start in range(0, len(data), BATCH):
            with hardware.autocast():
                outputs = net(data.rows(slice(start, start + BATCH)))
            if "logits" in batches:
                batches["logits"].append(outputs.float().cpu().numpy())
            if layers:
                batches["norms"].append(torch.stack(layers, dim=1).float().cpu().numpy())
                layers.clear()
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return {kind: np.concatenate(parts).astype(DTYPES[kind], copy=False) for kind, parts in batches.items()}


def _hooks(net: nn.Module, batches: dict[str, list[Any]], layers: list[torch.Tensor]) -> list[Any]:
    hooks: list[Any] = []

    def keep(kind: str) -> Callable[..., None]:
        def note(_module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
            value = arguments[0].detach().float()
            flat = value.flatten(2) if kind == "maps" else value.flatten(1)
            batches[kind].append(flat.cpu().numpy().astype(DTYPES[kind]))

        return note

    def likelihood(module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        layers.append(least_log_likelihood(module, arguments[0]))

    if "features" in batches:
        hooks.append(_part(net, "head").register_forward_pre_hook(keep("features")))
    if "maps" in batches:
        hooks.append(last_convolutional_part(net).register_forward_pre_hook(keep("maps")))
    if "norms" in batches:
        norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
        if not norms:
            raise ConfigError("this proxy has no batch normalisation, so it has no 'norms' to record")
        hooks += [module.register_forward_pre_hook(likelihood) for module in norms]
    return hooks


def _part(net: nn.Module, name: str) -> nn.Module:
    part: Any = getattr(net, name, None)
    if not isinstance(part, nn.Module):
        raise ConfigError(f"this proxy has no {name}, so its features cannot be recorded")
    return part


def last_convolutional_part(net: nn.Module) -> nn.Module:
    """Return the last direct part of the body that holds convolutions; where it is the only one, its last convolution.

    Its input is what Beatrix looks at: the input of ResNet-18's last stage, of the small net's last residual block.
    """
    kinds = (nn.Conv1d, nn.Conv2d)
    parts = [part for part in _part(net, "body").children() if any(isinstance(m, kinds) for m in part.modules())]
    if not parts:
        raise ConfigError("this proxy has no convolution, so it has no 'maps' to record")
    inner = [module for module in parts[-1].modules() if isinstance(module, kinds)]
    return parts[-1] if len(parts) > 1 else inner[-1]


def least_log_likelihood(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the least log-density (B,) of a layer's values under its running mean and variance."""
    mean: Any = norm.running_mean
    variance: Any = norm.running_var
    shape = (1, -1, *[1] * (x.ndim - 2))
    variance = (variance + float(getattr(norm, "eps", 1e-5))).view(shape)
    worst = ((x.float() - mean.view(shape)).square() / variance + variance.log()).flatten(1).amax(dim=1)
    least: torch.Tensor = -0.5 * (worst + math.log(2 * math.pi))
    return least


def write_recording(path: Path, values: NDArray[Any], about: dict[str, object]) -> None:
    """Write (N, ...) values as one Parquet file, whole or not at all; equal values give equal bytes."""
    flat = np.ascontiguousarray(values).reshape(len(values), -1)
    kind = pa.float16() if flat.dtype == np.float16 else pa.float32()
    lists = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel(), kind), flat.shape[1])
    schema = pa.schema([pa.field("sample", pa.int32()), pa.field("value", lists.type)])
    said = {"format": "telltale.recording/1", "shape": list(values.shape), **about}
    schema = schema.with_metadata({"telltale": json.dumps(said, sort_keys=True)})
    sink = io.BytesIO()
    table = pa.table([pa.array(np.arange(len(flat)), pa.int32()), lists], schema=schema)
    pq.write_table(table, sink, compression="zstd", row_group_size=4096, write_page_checksum=True, use_dictionary=False)
    write_whole(path, sink.getvalue())


def read_recording(path: Path, drop_digest: str | None = None) -> NDArray[Any]:
    """Return recorded values in the drop's row order.

    Raises :class:`NotFound` for an absent file, :class:`Corrupt` for one that is damaged or of another drop.
    """
    if not path.is_file():
        raise NotFound(f"{path} is absent: train with proxy.record, or let it be computed from the saved proxy")
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            said = json.loads(file.schema_arrow.metadata[b"telltale"])
            sample, values = _read_groups(file)
        values = values.reshape(said["shape"])
    except (pa.ArrowException, OSError, TypeError, KeyError, ValueError, AttributeError) as error:
        raise Corrupt(f"{path} is torn or damaged ({type(error).__name__}); remove it and record again") from error
    if drop_digest is not None and said.get("drop_digest") != drop_digest:
        raise Corrupt(f"{path} is of another drop; remove it and record again")
    if not np.array_equal(sample, np.arange(len(values))):
        raise Corrupt(f"{path} does not hold every sample once, in the drop's order; remove it and record again")
    return values


def _read_groups(file: pq.ParquetFile) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Return the samples (N,) and their values (N, ...) flat, read a row group at a time into one array."""
    rows, kind = file.metadata.num_rows, file.schema_arrow.field("value").type
    sample = np.empty(rows, dtype=np.int32)
    values = np.empty((rows, kind.list_size), dtype=kind.value_type.to_pandas_dtype())
    begin = 0
    for group in range(file.num_row_groups):
        table = file.read_row_group(group)
        part = slice(begin, begin + table.num_rows)
        sample[part] = table.column("sample").to_numpy()
        values[part] = table.column("value").combine_chunks().flatten().to_numpy().reshape(-1, kind.list_size)
        begin = part.stop
    return sample, values


def recorded_features(train_dir: Path, drop_digest: str) -> NDArray[np.float32] | None:
    """Return the features (N, D) in the drop's row order, None where the settings did not ask for them.

    Raises :class:`Corrupt` for a file that is damaged or of another drop.
    """
    path = recording_path(train_dir, "features")
    if not path.is_file():
        return None
    features = read_recording(path, drop_digest)
    return features.reshape(len(features), -1)


def record_final(
    net: nn.Module,
    data: Resident,
    hardware: Hardware,
    *,
    out: Path,
    kinds: Sequence[str],
    drop_digest: str,
) -> None:
    """Record, from the final weights, what one pass shows; logits were recorded by the epoch."""
    once = [kind for kind in kinds if kind in KINDS and kind != "logits"]
    if not once:
        return
    for kind, values in _observe(net, data, hardware, once).items():
        about: dict[str, object] = {"kind": kind, "drop_digest": drop_digest}
        write_recording(recording_path(out, kind), values, about)


def record_answers(outputs: Iterable[tuple[slice, torch.Tensor]], out: Path, drop_digest: str) -> None:
    """Record which label has the largest output of each sample; ``outputs`` yields rows and theirs, (B, K)."""
    answer_N = torch.cat([outputs_BK.argmax(dim=1) for _, outputs_BK in outputs]).cpu().numpy()
    write_recording(recording_path(out, ANSWERS), answer_N, {"kind": ANSWERS, "drop_digest": drop_digest})


def recorded_answers(train_dir: Path, drop_digest: str) -> NDArray[np.int64] | None:
    """Return the early answers (N,) in the drop's row order, None where none were recorded.

    Raises :class:`Corrupt` for a file that is damaged or of another drop.
    """
    path = recording_path(train_dir, ANSWERS)
    return read_recording(path, drop_digest).astype(np.int64) if path.is_file() else None


def record_logits(outputs_NK: torch.Tensor, out: Path, epoch: int, drop_digest: str) -> None:
    """Record the outputs (N, K) at an epoch's end; a resumed run writes the same file again."""
    about: dict[str, object] = {"kind": "logits", "drop_digest": drop_digest, "epoch": epoch}
    write_recording(recording_path(out, "logits", epoch), outputs_NK.float().cpu().numpy(), about)


def read_logits(train_dir: Path, epochs: int, drop_digest: str) -> NDArray[np.float32]:
    """Return the logits of every epoch, (N, E, K) float32; raises :class:`NotFound` where any was not recorded."""
    paths = [recording_path(train_dir, "logits", epoch) for epoch in range(epochs)]
    return np.stack([read_recording(path, drop_digest) for path in paths], axis=1)


def recording_bytes(net: nn.Module, front: Front, inputs: NDArray[Any], kinds: Sequence[str]) -> int:
    """Return how many bytes the recordings take in memory while they are made; of logits, one epoch's."""
    if not kinds or not len(inputs):
        return 0
    device = next(net.parameters()).device.type
    data = Resident(np.asarray(inputs[:2]), front, device)
    shown = [kind for kind in kinds if kind in KINDS]
    recorded = _observe(net, data, Hardware(device=device, precision="float32", threads=1), shown)
    held = sum(int(value[0].nbytes) for value in recorded.values()) + (4 if ANSWERS in kinds else 0)
    return 3 * held * len(inputs)  # the batches, their concatenation, the Parquet bytes before they are on disk


def recording_disk_bytes(net: nn.Module, front: Front, inputs: NDArray[Any], config: SettledConfig) -> int:
    """Return how many bytes the recordings take on disk at most: they are compressed, here they are not."""
    once = [kind for kind in config.record if kind != "logits"]
    logits = [kind for kind in config.record if kind == "logits"]
    each = recording_bytes(net, front, inputs, once) + config.epochs * recording_bytes(net, front, inputs, logits)
    return each // 3
