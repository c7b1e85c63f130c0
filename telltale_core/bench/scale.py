"""What each stage after the training costs on a log of any size: ``telltale bench --suite scale --sizes 50000x10x100``.

A log and a drop of so many samples, labels and snapshots are made up and written by the project's own writers. Each
stage then runs in a process of its own: seconds of wall and processor, and the most memory that it held. Beside them
stand the reading of the same Parquet files by pyarrow alone, and a float32 ``rfft`` of the same array. Losses are
random, with a few samples of the first label that swing together; nothing is trained, so nothing is said of detection.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from telltale_core.bench.scale_drop import DIGEST, MEDIA_BYTES, ids_of, write_made_up_drop
from telltale_core.digest import sha256_file
from telltale_core.drop import Drop
from telltale_core.errors import ConfigError, NeedsReview, StorageError
from telltale_core.losslog import LogPlan, LossLog, LossLogWriter, StoredLog
from telltale_core.records import as_ids
from telltale_core.scale import ScaleConfig, using

MODULE = "telltale_core.bench.scale"
DEFAULT = "50000x10x100"
EACH = 4  # snapshots an epoch
POISON = 0.02  # of the first label
PART = 1 << 16
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a log is: ``samples``, ``labels`` in equal shares, ``snapshots`` of each loss, bytes a media file."""

    samples: int
    labels: int
    snapshots: int
    media_bytes: int = MEDIA_BYTES

    @classmethod
    def parse(cls, text: str) -> Size:
        """Return the size that ``50000x10x100`` stands for, or ``50000x10x100x1000``; else :class:`ConfigError`."""
        numbers = [int(part) if part.isdecimal() else 0 for part in text.split("x")]
        if len(numbers) not in {3, 4} or min(numbers) < 1 or numbers[1] > numbers[0] or numbers[2] % EACH:
            raise ConfigError(
                f"a size is SAMPLESxLABELSxSNAPSHOTS, such as {DEFAULT}, with a multiple of {EACH} snapshots and no "
                f"more labels than samples, and xBYTES of each media file behind it where they matter; got {text!r}"
            )
        return cls(**dict(zip(("samples", "labels", "snapshots", "media_bytes"), numbers, strict=False)))

    def __str__(self) -> str:
        media = "" if self.media_bytes == MEDIA_BYTES else f"x{self.media_bytes}"
        return f"{self.samples}x{self.labels}x{self.snapshots}{media}"

    @property
    def label(self) -> NDArray[np.int64]:
        """The labels (N,)."""
        return np.asarray(np.arange(self.samples) % self.labels, dtype=np.int64)


Stage = Callable[[Path, Size], Iterator[None]]
"""Yields once what it needs is there; what comes after is measured."""


def write(folder: Path, size: Size) -> Iterator[None]:
    """Make up the log and write it, epoch by epoch."""
    ids = as_ids(ids_of(size.samples))
    epochs = size.snapshots // EACH
    plan = LogPlan(drop_digest=DIGEST, n_samples=size.samples, epochs=epochs, snapshots_per_epoch=EACH)
    yield
    writer = LossLogWriter.create(folder / "losslog", plan, ids)
    for epoch, losses_NS in enumerate(made_up(size)):
        writer.write_epoch(epoch, np.arange(1, EACH + 1, dtype=np.int32) + EACH * epoch, losses_NS)
    writer.finish()


def made_up(size: Size) -> Iterator[NDArray[np.float32]]:
    """Yield the log losses (N, S) of each epoch: a fall, a swing by label, a walk of each sample; equal each time."""
    rng, label_N = np.random.default_rng(0), size.label
    level_N, walk_N = rng.normal(0, 0.5, size.samples), np.zeros(size.samples)
    poison = np.flatnonzero(label_N == 0)[: int(POISON * size.samples / size.labels)]
    for epoch in range(size.snapshots // EACH):
        losses_NS = np.empty((size.samples, EACH), dtype=np.float32)
        for s in range(EACH):
            walk_N = 0.7 * walk_N + rng.normal(0, 0.7, size.samples)
            swing_L = rng.normal(0, 0.3, size.labels)
            loss_N = 1 - 8 * (epoch * EACH + s) / size.snapshots + level_N + walk_N + swing_L[label_N]
            loss_N[poison] += rng.normal(0, 2)
            losses_NS[:, s] = loss_N
        yield losses_NS


def parquet(folder: Path, size: Size) -> Iterator[None]:
    """Read the losses by pyarrow alone."""
    yield
    _raw(folder, size)


def _raw(folder: Path, size: Size) -> NDArray[np.float32]:
    log_loss_NT = np.empty((size.samples, size.snapshots), dtype=np.float32)
    for epoch, path in enumerate(sorted((folder / "losslog").rglob("epoch-*.parquet"))):
        column = pq.read_table(path, columns=["log_loss"]).column(0).to_numpy()
        log_loss_NT[:, epoch * EACH : (epoch + 1) * EACH] = column.reshape(EACH, size.samples).T
    return log_loss_NT


def fft(folder: Path, size: Size) -> Iterator[None]:
    """Transform the same array by a float32 ``rfft``, a part at a time."""
    from scipy.fft import rfft

    log_loss_NT = _raw(folder, size)
    yield
    for start in range(0, size.samples, PART):
        rfft(log_loss_NT[start : start + PART], axis=1)


def opened(folder: Path, _size: Size) -> Iterator[None]:
    """Open the log, with all its checks."""
    yield
    LossLog.open(folder / "losslog")


def spectrum(folder: Path, size: Size) -> Iterator[None]:
    """Compute the spectra of an open log and write them."""
    from telltale_core.spectrum import compute_spectrum

    log = LossLog.open(folder / "losslog")
    yield
    compute_spectrum(log, size.label, folder / "spectrum")


def drop(folder: Path, size: Size) -> Iterator[None]:
    """Make up the drop and write it."""
    yield
    write_made_up_drop(folder / "drop", size.label, size.media_bytes)


def verdict(folder: Path, _size: Size) -> Iterator[None]:
    """Judge the spectra, without a leave-out retraining, and write the verdict."""
    from telltale_core.verdict.judgement import judge

    yield
    judge(folder / "spectrum", Drop.open(folder / "drop"), folder / "verdict")


def report(folder: Path, _size: Size) -> Iterator[None]:
    """Open what the stages before wrote and write the page."""
    from telltale_core.report import write_report

    yield
    stands = Drop.open(folder / "drop")
    log = StoredLog.open(folder / "losslog", drop=stands)
    write_report(stands, log, folder / "spectrum", folder / "verdict", folder / "report", lineage={})


def publish(folder: Path, _size: Size) -> Iterator[None]:
    """Publish the drop into an empty folder; where a person is asked, as if one had agreed."""
    from telltale_core.publish import publish as published

    stands, dataset = Drop.open(folder / "drop"), folder / "dataset"
    shutil.rmtree(dataset, ignore_errors=True)
    lineage = dict.fromkeys(("config_digest", "code_version", "seed"), "scale")
    yield
    try:
        published(stands, folder / "verdict", str(dataset), lineage=lineage)
    except NeedsReview as asked:
        published(stands, folder / "verdict", str(dataset), lineage={**lineage, "approved": asked.approval})


STAGES: Mapping[str, Stage] = {
    "write the log": write,
    "Parquet alone": parquet,
    "float32 rfft alone": fft,
    "open the log": opened,
    "spectrum": spectrum,
    "write the drop": drop,
    "verdict": verdict,
    "report": report,
    "publish": publish,
}


def timed(name: str, folder: Path, size: Size) -> Row:
    """Return seconds of wall and processor that a stage takes in this process, and the most MB that it ever held."""
    steps = STAGES[name](folder, size)
    next(steps)
    wall, cpu = time.perf_counter(), time.process_time()
    next(steps, None)
    wall_s, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    peak_kb = int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    return {"stage": name, "wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2), "peak_mb": round(peak_kb / 1024)}


def measure(size: Size, folder: Path, progress: Callable[[str], None]) -> list[Row]:
    """Return a row a stage, each measured in a process of its own; raises :class:`StorageError` for one that failed."""
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    for name in STAGES:
        command = [sys.executable, "-m", MODULE, "--stage", name, "--sizes", str(size), "--work", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
        if done.returncode:
            raise StorageError(f"{name} of {size} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        rows.append({"size": str(size), **json.loads(done.stdout)})
        progress(f"{size} {name}: {rows[-1]['cpu_s']} s of processor, {rows[-1]['peak_mb']} MB")
    log_bytes = sum(path.stat().st_size for path in (folder / "losslog").rglob("*.parquet"))
    return [{**row, "log_mb": round(log_bytes / 1e6, 1)} for row in rows]


def run_scale(sizes: Sequence[str], work: Path, progress: Callable[[str], None]) -> list[Row]:
    """Return the rows of all sizes; they stand in ``results/scale/results.json`` and ``results.md`` below ``work``."""
    rows: list[Row] = []
    out = work / "results" / "scale"
    out.mkdir(parents=True, exist_ok=True)
    for size in [Size.parse(text) for text in sizes or [DEFAULT]]:
        rows += measure(size, work / "scale" / str(size), progress)
        (out / "results.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        (out / "results.md").write_text("\n".join(table(rows)) + "\n", encoding="utf-8")
    return rows


def table(rows: Sequence[Row]) -> list[str]:
    """Return the rows as the lines of a Markdown table."""
    head = ("samples x labels x snapshots", "stage", "processor s", "wall s", "peak MB", "log MB")
    names = ("size", "stage", "cpu_s", "wall_s", "peak_mb", "log_mb")
    cells = [head, ("---",) * len(head), *([str(row[name]) for name in names] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in cells]


def ratio(size: Size, work: Path, workers: int) -> list[str]:
    """Return how long a verdict took with one process and with several, in turn, and whether its bytes were the same.

    The several begin within the time that is measured. It says something on idle processors alone.
    """
    folder = work / "scale" / str(size)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("write the log", "spectrum", "write the drop"):
        timed(name, folder, size)
    seconds, digests = [], set()
    for count in (1, workers):
        with using(ScaleConfig(workers=count)):
            seconds.append(float(timed("verdict", folder, size)["wall_s"]))
        digests.add(sha256_file(folder / "verdict" / "verdict.parquet"))
    same = "the same bytes" if len(digests) == 1 else "OTHER BYTES"
    lines = [f"{size}, verdict: {seconds[0]:.1f} s with 1 process, {seconds[1]:.1f} s with {workers}"]
    return [*lines, f"{seconds[0] / seconds[1]:.2f} times as fast, {same}"]


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one stage in this process and print it as JSON, or all sizes and print their table."""
    parser = argparse.ArgumentParser(prog="python -m telltale_core.bench.scale", description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=[DEFAULT])
    parser.add_argument("--work", type=Path, default=Path("runs/bench"))
    parser.add_argument("--stage", choices=list(STAGES))
    parser.add_argument(
        "--workers", type=int, default=1, help="compare the verdict of one process with that of so many"
    )
    options = parser.parse_args(arguments)
    if options.stage:
        sys.stdout.write(json.dumps(timed(options.stage, options.work, Size.parse(options.sizes[0]))))
        return 0
    if options.workers > 1:
        sys.stdout.write("\n".join(ratio(Size.parse(options.sizes[0]), options.work, options.workers)) + "\n")
        return 0
    rows = run_scale(options.sizes, options.work, _tell)
    sys.stdout.write("\n".join(table(rows)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
