"""The main job on real images, measured: a poisoned drop goes in, a cleansed one comes out, two victims are trained.

``python -m telltale_core.bench.main_job --train train.parquet --test test.parquet --ids subset10k_ids.txt`` takes
labelled images (Hugging Face layout), poisons them with BadNets, runs all stages on the drop, and trains the
same ordinary classifier on the drop and on what was published. It prints one JSON object: found, wrongly quarantined,
attack success and accuracy of both victims on held-out images, seconds of every stage, what it ran on. Truth is read
for the score only.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from telltale_core import stages
from telltale_core.attacks import ImageSet
from telltale_core.bench.attacks import ATTACKS, make_attack
from telltale_core.bench.data import images_of
from telltale_core.bench.victim import judge_attack
from telltale_core.config import to_dict
from telltale_core.drop import DropConfig, ingest
from telltale_core.drop.demo import plain_ids, write_image_drop
from telltale_core.proxy import Progress, ProgressLines, ProxyConfig
from telltale_core.publish import PublishConfig
from telltale_core.report import ReportConfig
from telltale_core.spectrum import SpectrumConfig
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.scoring import score

T = TypeVar("T")


def run_pipeline(
    drop_dir: Path, out: Path, work: Path, proxy: ProxyConfig
) -> tuple[dict[str, Any], Path, dict[str, float]]:
    """Return the record of the publication, the verdict's folder, and the seconds of every stage."""
    seconds: dict[str, float] = {}

    def timed(name: str, run: Callable[[], T]) -> T:
        begin = time.perf_counter()
        result = run()
        seconds[name] = round(time.perf_counter() - begin, 1)
        print(f"{name}: {seconds[name]} s", file=sys.stderr)  # noqa: T201 - this is a program
        return result

    area, bar = str(work), ProgressLines(sys.stderr)

    def see(progress: Progress) -> None:
        bar(progress)

    drop = timed("ingest", lambda: stages.ingest(str(drop_dir), area, to_dict(DropConfig())))
    trained = timed("train", lambda: stages.train(drop, area, to_dict(proxy), progress=see))
    spectra = timed("spectrum", lambda: stages.spectrum(trained, area, to_dict(SpectrumConfig())))
    verdict = timed("cluster", lambda: stages.cluster(spectra, area, to_dict(VerdictConfig())))
    report = timed("report", lambda: stages.report(verdict, area, to_dict(ReportConfig())))
    inputs = (report, area, to_dict(PublishConfig()))
    published = timed("publish", lambda: stages.publish(*inputs, destination=str(out)))
    if published["state"] == "needs-review":  # a benchmark measures what a person who agrees would get
        published = stages.publish(*inputs, destination=str(out), approve=published["approval"])
    return published, stages.folder_of(verdict, "cluster", area), seconds


def _published(files: Sequence[str], work: Path) -> ImageSet:
    parts = [_load(Path(file), work)[0] for file in files]
    labels = np.concatenate([part.labels for part in parts])
    return parts[0].with_rows(np.concatenate([part.images for part in parts]), labels)


def _load(source: Path, work: Path, ids: Path | None = None) -> tuple[ImageSet, tuple[str, ...]]:
    return images_of(ingest(str(source), work / "drops", DropConfig()), ids)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the job and print its figures as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--ids", type=Path, help="a text file of ids: only these rows of --train")
    parser.add_argument("--attack", default="badnets", choices=sorted(ATTACKS))
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--target", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=ProxyConfig().settled("image").epochs)
    parser.add_argument("--threads", type=int, default=0, help="0: found by itself")
    parser.add_argument("--no-victims", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("runs/main_job"))
    options = parser.parse_args(arguments)

    (data, names), (test, _) = _load(options.train, options.work, options.ids), _load(options.test, options.work)
    attack = make_attack(options.attack)
    poisoned_set = attack.poison(data, options.rate, options.target, options.seed)
    ids = plain_ids(len(data), options.seed, "sample")
    drop_dir = write_image_drop(
        options.work / f"drop-{options.attack}-{options.rate}-{options.seed}",
        poisoned_set.data.inputs,
        poisoned_set.data.labels,
        ids,
        names,
        seed=options.seed,
    ).parent
    proxy = ProxyConfig(epochs=options.epochs, seed=options.seed, threads=options.threads)
    published, verdict_dir, seconds = run_pipeline(drop_dir, options.work / "published", options.work, proxy)
    figures: dict[str, Any] = {
        "case": {name: getattr(options, name) for name in ("attack", "rate", "target", "seed", "epochs")},
        "samples": len(data),
        **score(verdict_dir, set(np.asarray(ids)[poisoned_set.truth].tolist())),
        "seconds": seconds,
    }
    if not options.no_victims:
        drop = ingest(str(drop_dir), options.work / "drops", DropConfig())
        ordinary = ProxyConfig(epochs=options.epochs, seed=options.seed + 1000, lr_hold=0.3, threads=options.threads)
        figures["victim_on_drop"] = judge_attack(
            attack, options.target, data=poisoned_set.data, test=test, config=ordinary, drop=drop
        )
        published_set = _published(published["files"], options.work)
        figures["victim_on_published"] = judge_attack(
            attack, options.target, data=published_set, test=test, config=ordinary, drop=drop
        )
    figures["ran_on"] = {
        "processor": platform.processor() or platform.machine(),
        "threads": options.threads or torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    print(json.dumps(figures, indent=1))  # noqa: T201 - this is a program


if __name__ == "__main__":
    main()
