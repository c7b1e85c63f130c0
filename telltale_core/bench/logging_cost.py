"""What the loss log costs: the same training with and without it, by turns, in one process.

``python -m telltale_core.bench.logging_cost`` prints the ratio, the spread of its repeats, and what it ran on. The log
of a training is an evaluation pass over all samples at each snapshot plus one Parquet file an epoch; both are counted.
What other detectors ask for (``proxy.record``) is counted beside it: one pass over the samples and one Parquet file a
kind, against the processor time of one epoch without the log.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core.losslog import LogPlan, LossLogWriter
from telltale_core.proxy import ProxyConfig, Snapshot, fit
from telltale_core.proxy.config import SettledConfig
from telltale_core.proxy.hardware import resolve_hardware
from telltale_core.proxy.recording import KINDS, observe, write_recording


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingCost:
    """Seconds of each repeat, without and with the log, and their ratios; the first repeat of each is a warm-up."""

    without_s: tuple[float, ...]
    with_s: tuple[float, ...]
    without_cpu_s: tuple[float, ...]
    with_cpu_s: tuple[float, ...]
    log_bytes: int

    @property
    def ratios(self) -> tuple[float, ...]:
        """Return the ratio of each pair that ran side by side; 1 would be a free log."""
        return tuple(w / wo for w, wo in zip(self.with_s, self.without_s, strict=True))

    @property
    def cpu_ratios(self) -> tuple[float, ...]:
        """Return the ratio of each pair in processor time: steadier on a shared CPU, without meaning on a GPU."""
        return tuple(w / wo for w, wo in zip(self.with_cpu_s, self.without_cpu_s, strict=True))


def measure(images: NDArray[np.uint8], labels: NDArray[np.int64], config: ProxyConfig, repeats: int) -> LoggingCost:
    """Return the cost of the log for a training on (N, H, W, 3) images, over interleaved repeats.

    The order within a pair alternates, so that a machine that slows down or speeds up favours neither.
    """
    classes, size = int(labels.max()) + 1, 0
    seconds = {False: list[float](), True: list[float]()}
    cpu = {False: list[float](), True: list[float]()}
    for repeat in range(repeats + 1):
        for logged in (False, True) if repeat % 2 else (True, False):
            with tempfile.TemporaryDirectory() as folder:
                began, began_cpu = time.perf_counter(), time.process_time()
                log = _Log(Path(folder), len(images), config.settled("image")) if logged else None
                fit(images, labels, classes, config, log)
                elapsed, elapsed_cpu = time.perf_counter() - began, time.process_time() - began_cpu
                size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet")) if logged else size
            if repeat:  # the first pair warms caches and allocators up
                seconds[logged].append(elapsed)
                cpu[logged].append(elapsed_cpu)
    return LoggingCost(
        without_s=tuple(seconds[False]),
        with_s=tuple(seconds[True]),
        without_cpu_s=tuple(cpu[False]),
        with_cpu_s=tuple(cpu[True]),
        log_bytes=size,
    )


def measure_recordings(
    images: NDArray[np.uint8], labels: NDArray[np.int64], config: ProxyConfig, repeats: int
) -> dict[str, dict[str, float]]:
    """Return by kind the seconds of processor that recording takes, those of an epoch's training, bytes a sample.

    Each repeat trains anew, then records every kind once; the medians are returned. The first is a warm-up.
    """
    timings: dict[str, list[float]] = {kind: [] for kind in ("epoch", *KINDS)}
    sizes: dict[str, int] = {}
    for repeat in range(repeats + 1):
        began = time.process_time()
        fitted = fit(images, labels, int(labels.max()) + 1, config)
        timings["epoch"].append((time.process_time() - began) / config.settled("image").epochs)
        for kind in KINDS if repeat else ():
            with tempfile.TemporaryDirectory() as folder:
                path, began = Path(folder) / f"{kind}.parquet", time.process_time()
                write_recording(path, observe(fitted, images, [kind])[kind], {"kind": kind})
                timings[kind].append(time.process_time() - began)
                sizes[kind] = path.stat().st_size
    epoch_s = statistics.median(timings.pop("epoch")[1:])
    return {
        kind: {
            "cpu_s": round(statistics.median(seconds), 3),
            "epochs": round(statistics.median(seconds) / epoch_s, 3),
            "epochs_least": round(min(seconds) / epoch_s, 3),
            "epochs_most": round(max(seconds) / epoch_s, 3),
            "bytes_per_sample": round(sizes[kind] / len(images), 1),
        }
        for kind, seconds in timings.items()
    }


class _Log:
    """Writes each epoch's snapshots as the train stage does."""

    def __init__(self, folder: Path, samples: int, config: SettledConfig) -> None:
        plan = LogPlan(
            drop_digest="",
            n_samples=samples,
            epochs=config.epochs,
            snapshots_per_epoch=config.snapshots_per_epoch,
        )
        self._writer = LossLogWriter.create(folder, plan, np.arange(samples).astype(str))
        self._snapshots: list[Snapshot] = []

    def __call__(self, snapshot: Snapshot) -> None:
        self._snapshots.append(snapshot)
        if len(self._snapshots) == self._writer.plan.snapshots_per_epoch:
            steps = np.array([s.step for s in self._snapshots], dtype=np.int32)
            losses = np.stack([s.log_loss for s in self._snapshots], axis=1)
            self._writer.write_epoch(snapshot.epoch, steps, losses)
            self._snapshots.clear()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one JSON object; random images, since the time does not depend on what they show."""
    parser = argparse.ArgumentParser(prog="python -m telltale_core.bench.logging_cost", description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--snapshots", type=int, default=2, help="snapshots an epoch")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    config = ProxyConfig(
        epochs=options.epochs,
        model=options.model,
        width=options.width,
        snapshots_per_epoch=options.snapshots,
        threads=options.threads,
        device=options.device,
    )
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (options.samples, options.side, options.side, 3), dtype=np.uint8)
    labels = random.integers(0, 10, options.samples)
    cost = measure(images, labels, config, options.repeats)
    hardware = resolve_hardware(config)
    report = {
        "ratio_median": round(statistics.median(cost.ratios), 3),
        "ratio_range": [round(min(cost.ratios), 3), round(max(cost.ratios), 3)],
        "cpu_ratio_median": round(statistics.median(cost.cpu_ratios), 3),
        "cpu_ratio_range": [round(min(cost.cpu_ratios), 3), round(max(cost.cpu_ratios), 3)],
        "without_s_median": round(statistics.median(cost.without_s), 3),
        "with_s_median": round(statistics.median(cost.with_s), 3),
        "repeats": options.repeats,
        "log_bytes_per_sample_and_snapshot": round(
            cost.log_bytes / options.samples / options.epochs / options.snapshots, 2
        ),
        "recordings": measure_recordings(images, labels, config, options.repeats),
        "training": {
            name: vars(options)[name] for name in ("samples", "side", "epochs", "model", "width", "snapshots")
        },
        "hardware": {"name": hardware.describe(), "precision": hardware.precision},
        "versions": {"python": sys.version.split()[0], "torch": torch.__version__},
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
