"""What a drip leaves to see: drops with a little poison each, judged alone, and the last one with those before it.

``python -m telltale_core.bench.drip --data DATA --seed 11`` draws drops from CIFAR-10 (or the digits), poisons a little
of each with one trigger and one target (``--rate 0``: nothing), judges each alone and publishes what is kept, as a
service without ``verdict.with_history`` does. Then the last drop is judged together with all that was published before.
One JSON object is printed; what was computed is kept below ``--work``, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch

from telltale_core import publish, stages
from telltale_core.attacks import Samples
from telltale_core.attacks.badnets import BadNets
from telltale_core.bench.data import load
from telltale_core.bench.writing import write_drop
from telltale_core.config import to_dict
from telltale_core.digest import code_version, digest_of
from telltale_core.drop import DropConfig
from telltale_core.drop.demo import DIGITS_PROXY, plain_ids
from telltale_core.errors import ConfigError
from telltale_core.proxy import ProxyConfig
from telltale_core.spectrum import SpectrumConfig
from telltale_core.stages import Record, folder_of
from telltale_core.verdict import Verdict, VerdictConfig
from telltale_core.verdict.history import SUSPECTS
from telltale_core.verdict.scoring import score


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One drop of a drip: its folder, and the ids of its poisoned samples."""

    source: Path
    poisoned: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """How the drops of one drip are judged, and where."""

    area: str
    dataset: str
    proxy: ProxyConfig
    verdict: VerdictConfig
    target: int

    def judge(self, drop: Record) -> tuple[Record, float]:
        """Return the record of the verdict on a drop (or a joined one), and the seconds that it took."""
        began = time.perf_counter()
        losses = stages.train(drop, self.area, to_dict(self.proxy))
        spectra = stages.spectrum(losses, self.area, to_dict(SpectrumConfig()))
        verdict = stages.cluster(spectra, self.area, to_dict(self.verdict))
        return verdict, round(time.perf_counter() - began, 1)

    def publish(self, verdict: Record) -> None:
        """Publish what the verdict keeps, whatever a person would be asked: the drip gets as far as it can."""
        drop = stages.open_drop(verdict, self.area)
        lineage = {"config_digest": verdict["key"], "code_version": code_version(["verdict"]), "seed": 0}
        folder = folder_of(verdict, "cluster", self.area)
        publish.publish(drop, folder, self.dataset, lineage={**lineage, "approved": True})


def make_drops(
    folder: Path,
    samples: Samples,
    names: Sequence[str],
    *,
    drops: int,
    size: int,
    rate: float,
    target: int,
    seed: int,
) -> list[Part]:
    """Return drops of ``size`` samples drawn without replacement, each poisoned at ``rate`` with one target."""
    if drops * size > len(samples):
        raise ConfigError(f"{drops} drops of {size} need {drops * size} samples, the data set has {len(samples)}")
    rows_GS = np.random.default_rng([seed, 3]).permutation(len(samples))[: drops * size].reshape(drops, size)
    parts = []
    for number, rows in enumerate(rows_GS):
        own, truth = samples.rows(np.sort(rows)), np.zeros(size, dtype=bool)
        if rate:
            poisoned = BadNets().poison(own, rate, target, 100 * seed + number)
            own, truth = poisoned.data, poisoned.truth
        ids = plain_ids(size, 100 * seed + number, f"d{number}")
        place = folder / f"drop{number}"
        if not (place / "train.parquet").is_file():
            write_drop(place, own, ids, names, 100 * seed + number)
        parts.append(Part(source=place, poisoned=frozenset(np.asarray(ids)[truth].tolist())))
    return parts


def measure(pipeline: Pipeline, parts: Sequence[Part]) -> dict[str, Any]:
    """Return what was found of each drop alone, of the last one with history, and of what was published before."""
    alone, drop = [], Record()
    for part in parts:
        drop = stages.ingest(str(part.source), pipeline.area, to_dict(DropConfig()))
        verdict, seconds = pipeline.judge(drop)
        alone.append(_scored(pipeline, verdict, part, seconds))
        if part is not parts[-1]:
            pipeline.publish(verdict)
    versions = stages.earlier_versions(drop, pipeline.dataset, len(parts))
    joined = stages.join(drop, pipeline.area, {"versions": versions}, destination=pipeline.dataset)
    verdict, seconds = pipeline.judge(joined)
    training = stages.opened(verdict, pipeline.area).train_record()
    history = stages.opened(verdict, pipeline.area).verdict().history
    earlier = frozenset[str]().union(*(part.poisoned for part in parts[:-1]))
    return {
        "alone": alone,
        "with_history": _scored(pipeline, verdict, parts[-1], seconds),
        "published_before": {
            "samples": 0 if history is None else history.samples,
            "poison": len(earlier) - sum(one["found"] + one["poison_aside"] for one in alone[:-1]),
            **_named(folder_of(verdict, "cluster", pipeline.area), earlier),
        },
        "hardware": training["hardware"],
    }


def _named(folder: Path, poisoned: frozenset[str]) -> dict[str, int]:
    """Return how many published samples the joined verdict would quarantine or set aside, by what they are."""
    rows = pq.read_table(folder / SUSPECTS, columns=["sample_id", "decision"]).to_pylist()
    counts = {f"{kind}_{what}": 0 for kind in ("quarantine", "review") for what in ("poison", "clean")}
    for row in rows:
        counts[f"{row['decision']}_{'poison' if row['sample_id'] in poisoned else 'clean'}"] += 1
    return counts


def _scored(pipeline: Pipeline, verdict: Record, part: Part, seconds: float) -> dict[str, Any]:
    folder = folder_of(verdict, "cluster", pipeline.area)
    judged = Verdict.open(folder)
    held = judged.sample_ids[judged.rows("review")].tolist()
    aimed = next(group for group in judged.record.groups if group.label == pipeline.target)
    shown = ("label_name", "samples", "statistic", "threshold", "p_value")
    return {
        **score(folder, part.poisoned),
        "poison_aside": sum(name in part.poisoned for name in held),
        "asked": [question.code for question in judged.record.questions],
        "target": {name: getattr(aimed, name) for name in shown},
        "seconds": seconds,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one drip and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m telltale_core.bench.drip", description=__doc__)
    parser.add_argument("--images", default="cifar10", choices=["digits", "cifar10"])
    parser.add_argument("--data", type=Path, help="folder that holds cifar10/; digits need none")
    parser.add_argument("--work", type=Path, default=Path("runs/bench"), help="caches")
    parser.add_argument("--drops", type=int, default=6)
    parser.add_argument("--size", type=int, default=2000, help="samples a drop")
    parser.add_argument(
        "--rate", type=float, default=0.007, help="share of each drop that is poisoned; 0: a clean drip"
    )
    parser.add_argument(
        "--seed", type=int, default=11, help="of the draw, the poison and the proxy; it sets the target"
    )
    parser.add_argument("--epochs", type=int, help="of the proxy; its own if left out, as the next two")
    parser.add_argument("--width", type=int)
    parser.add_argument("--snapshots", type=int, help="an epoch")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    split = load(options.images, options.data, options.work / "data")
    request = {name: vars(options)[name] for name in ("drops", "size", "rate", "seed")}
    place = options.work / "drip" / "-".join(map(str, (options.images, *request.values())))
    names = split.names or ()
    target = options.seed % len(names)
    parts = make_drops(place / "made", split.train, names, target=target, **request)
    learnt = {"epochs": options.epochs, "width": options.width, "snapshots_per_epoch": options.snapshots}
    own = DIGITS_PROXY if options.images == "digits" else {}
    chosen = {**own, **{name: value for name, value in learnt.items() if value is not None}}
    proxy = ProxyConfig(**{**chosen, "threads": options.threads, "seed": options.seed})
    dataset = place / f"clean-{digest_of([chosen, code_version(stages.publish.packages)])[:16]}"
    verdict = VerdictConfig(with_history=options.drops)
    pipeline = Pipeline(
        area=str(options.work / "area"), dataset=str(dataset), proxy=proxy, verdict=verdict, target=target
    )
    summary = {"asked": {"images": options.images, **request, "proxy": chosen}, **measure(pipeline, parts)}
    summary["versions"] = {"python": sys.version.split()[0], "torch": torch.__version__}
    sys.stdout.write(json.dumps(summary, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
