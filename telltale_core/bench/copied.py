"""What copies do to a verdict: one poisoned drop as it is, with honest samples copied, and with its poison copied.

``python -m telltale_core.bench.copied`` draws a drop from the digits (or CIFAR-10) and poisons some of it;
*honest* adds near-copies of one clean sample in each of four other labels, *poison* near-copies of each poisoned
sample. A copy differs by whole numbers of -2 to 2 in each value. Each drop is learnt once and judged twice: every copy
for itself, and a group of near-duplicates as one. One JSON object is printed; what was trained is kept below
``--work``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from telltale_core import stages
from telltale_core.attacks import ImageSet
from telltale_core.attacks.badnets import BadNets
from telltale_core.bench.data import load
from telltale_core.bench.writing import write_drop
from telltale_core.config import to_dict
from telltale_core.drop import DropConfig
from telltale_core.drop.demo import DIGITS_PROXY, plain_ids
from telltale_core.errors import ConfigError
from telltale_core.proxy import ProxyConfig
from telltale_core.spectrum import SpectrumConfig
from telltale_core.stages.leave_out import leave_out_for
from telltale_core.verdict import TelltaleDetector, VerdictConfig
from telltale_core.verdict.review_questions import questions_on

DROPS = ("plain", "honest", "poison")
NOISE = 2
COPIED_LABELS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A drop's samples with the truth about them: which are poisoned, and which are copies that were added."""

    data: ImageSet
    poisoned: NDArray[np.bool_]
    added: NDArray[np.bool_]
    target: int


def poisoned_drop(samples: ImageSet, *, size: int, poison: int, seed: int) -> Copied:
    """Return ``size`` samples drawn from these, of which ``poison`` carry a BadNets mark and the target of the seed."""
    rows = np.sort(np.random.default_rng([seed, 4]).choice(len(samples), size, replace=False))
    target = seed % (samples.num_classes or 1)
    poisoned_set = BadNets().poison(samples.rows(rows), poison / size, target, seed)
    if not isinstance(poisoned_set.data, ImageSet):
        raise ConfigError("the copies of this bench are of images")
    return Copied(data=poisoned_set.data, poisoned=poisoned_set.truth, added=np.zeros(size, dtype=bool), target=target)


def with_copies(drop: Copied, kind: str, *, each: int, times: int, seed: int) -> Copied:
    """Return the drop with copies added: ``each`` of a clean sample in other labels, or the poison ``times`` in all."""
    if kind == "plain":
        return drop
    rng, labels = np.random.default_rng([seed, 5]), drop.data.labels
    others = [label for label in range(drop.data.num_classes or 0) if label != drop.target][:COPIED_LABELS]
    honest = [rng.choice(np.flatnonzero((labels == label) & ~drop.poisoned)) for label in others]
    of = np.repeat(honest, each) if kind == "honest" else np.repeat(np.flatnonzero(drop.poisoned), times - 1)
    noise = rng.integers(-NOISE, NOISE + 1, (len(of), *drop.data.images.shape[1:]))
    near = np.clip(drop.data.images[of].astype(int) + noise, 0, 255).astype(np.uint8)
    return Copied(
        data=drop.data.with_rows(np.concatenate([drop.data.images, near]), np.concatenate([labels, labels[of]])),
        poisoned=np.concatenate([drop.poisoned, drop.poisoned[of]]),
        added=np.arange(len(labels) + len(of)) >= len(labels),
        target=drop.target,
    )


def judged(copied: Copied, folder: Path, names: Sequence[str], proxy: ProxyConfig, area: str) -> dict[str, Any]:
    """Return what a verdict makes of the drop with each copy for itself, and with a group as one."""
    ids = plain_ids(len(copied.data), proxy.seed, "sample")
    if not (folder / "train.parquet").is_file():
        write_drop(folder, copied.data, ids, names, proxy.seed)
    ingested = stages.ingest(str(folder), area, to_dict(DropConfig()))
    losses = stages.train(ingested, area, to_dict(proxy))
    drop, log = stages.open_drop(losses, area), stages.opened(losses, area).losslog()
    spectra = stages.spectrum(losses, area, to_dict(SpectrumConfig()))
    place = {name: row for row, name in enumerate(ids)}
    order = np.array([place[str(name)] for name in drop.sample_ids])
    scores, retrain = {}, leave_out_for(stages.opened(spectra, area), drop, stages.Context())
    for name, leaders in (("each", None), ("group", drop.leaders)):
        detector = TelltaleDetector().fit(log, drop.cohorts, retrain, leaders)
        scores[name] = _scored(detector, copied.poisoned[order], copied.added[order], copied.target)
    groups, size = np.unique(drop.leaders[copied.added[order]], return_counts=True)
    hardware = stages.opened(losses, area).train_record()["hardware"]
    return {
        "hardware": hardware,
        "samples": len(drop),
        "groups_of_copies": len(groups),
        "largest": int(size.max(initial=0)),
        **scores,
    }


def _scored(
    detector: TelltaleDetector, poisoned_N: NDArray[np.bool_], added_N: NDArray[np.bool_], target: int
) -> dict[str, Any]:
    def counts(rows_N: NDArray[np.bool_]) -> dict[str, int]:
        return {name: int((detector.decision_[rows_N] == name).sum()) for name in ("quarantine", "review", "keep")}

    groups = [group for group in detector.groups_ if group.label == target]
    first = groups[0]
    return {
        "poison": counts(poisoned_N),
        "clean": counts(~poisoned_N & ~added_N),
        "clean_copies": counts(~poisoned_N & added_N),
        "required": first.threshold,
        "statistic": first.statistic,
        "p_value": first.p_value,
        "asked": [question.code for question in questions_on(detector._decisions, VerdictConfig())],
        "statement": detector.statement_,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the drops of one seed and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m telltale_core.bench.copied", description=__doc__)
    parser.add_argument("--images", default="digits", choices=["digits", "cifar10"])
    parser.add_argument("--data", type=Path, help="folder that holds cifar10/; digits need none")
    parser.add_argument("--work", type=Path, default=Path("runs/bench"), help="caches")
    parser.add_argument("--drops", nargs="+", default=DROPS, choices=DROPS)
    parser.add_argument("--size", type=int, default=1500, help="samples without the copies")
    parser.add_argument("--poison", type=int, default=40, help="poisoned samples without the copies")
    parser.add_argument("--each", type=int, default=50, help="copies of an honest sample")
    parser.add_argument("--times", type=int, default=4, help="how often a poisoned sample is there")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13], help="each also says which the target is")
    parser.add_argument("--epochs", type=int, help="of the proxy; its own if left out, as the next two")
    parser.add_argument("--width", type=int)
    parser.add_argument("--snapshots", type=int, help="an epoch")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    split = load(options.images, options.data, options.work / "data")
    if not isinstance(split.train, ImageSet):
        raise ConfigError("the copies of this bench are of images")
    learnt = {"epochs": options.epochs, "width": options.width, "snapshots_per_epoch": options.snapshots}
    own = DIGITS_PROXY if options.images == "digits" else {}
    chosen = {**own, **{name: value for name, value in learnt.items() if value is not None}, "threads": options.threads}
    request = {name: vars(options)[name] for name in ("images", "size", "poison", "each", "times")}
    summary: dict[str, Any] = {"asked": {**request, "proxy": chosen}, "seeds": {}}
    for seed in options.seeds:
        place = options.work / "copied" / "-".join(map(str, (*request.values(), seed)))
        base = poisoned_drop(split.train, size=options.size, poison=options.poison, seed=seed)
        summary["seeds"][seed] = {"target": (split.names or ())[base.target]}
        for kind in options.drops:
            copied = with_copies(base, kind, each=options.each, times=options.times, seed=seed)
            proxy = ProxyConfig(**{**chosen, "seed": seed})
            scores = judged(copied, place / kind, split.names or (), proxy, str(options.work / "area"))
            summary["seeds"][seed][kind] = scores
            sys.stderr.write(f"{json.dumps({'seed': seed, 'drop': kind, **scores})}\n")
    summary["versions"] = {"python": sys.version.split()[0], "torch": torch.__version__}
    sys.stdout.write(json.dumps(summary, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
