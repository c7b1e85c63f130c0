"""One case from nothing to its row of results: poison, train, judge by each detector, train ordinary classifiers.

Everything costly is kept in a work area by content: a run that was stopped goes on, and detectors are compared on the
same loss logs. Truth is read once a verdict stands.
"""

from __future__ import annotations

import fcntl
import json
import logging
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from telltale_core import stages
from telltale_core.attacks import Attack, ImageSet, Poisoned, Samples
from telltale_core.bench import published
from telltale_core.bench.attacks import make_attack
from telltale_core.bench.attacks.issba_encoder import save_encoder, train_encoder
from telltale_core.bench.cases import CLEAN, Case, Suite
from telltale_core.bench.data import Split, clean_set, load
from telltale_core.bench.misses import write_miss
from telltale_core.bench.opinions import COMBINED, Trained, known_names, opinions_on, score_combined, score_opinion
from telltale_core.bench.victim import judge_attack
from telltale_core.bench.writing import packed, write_drop
from telltale_core.config import to_dict
from telltale_core.digest import code_version, digest_of, sha256_bytes
from telltale_core.drop import Drop, DropConfig
from telltale_core.drop.demo import plain_ids
from telltale_core.errors import ConfigError
from telltale_core.proxy import Progress, ProgressLines, ProxyConfig
from telltale_core.proxy.hardware import resolve_hardware
from telltale_core.proxy.record import Train, proxy_entry
from telltale_core.records import write_json
from telltale_core.spectrum import SpectrumConfig
from telltale_core.stages import Record, folder_of
from telltale_core.verdict import Verdict, VerdictConfig
from telltale_core.verdict.scoring import score

log = logging.getLogger(__name__)

PRODUCT = "telltale"
"""Who judges a suite that is not one of opinions: the product's own stages, under default settings."""
VICTIM_SEED = 1000
VICTIMS = ("none", "before", "after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where a suite's data lie, where its results are kept, and what of it is run.

    ``victims``: "none", "before" (is the attack one?), or "after" as well (what is left of it in what was kept).
    """

    suite: Suite
    data: Path | None
    work: Path
    detectors: tuple[str, ...] = ()
    victims: str = "after"
    threads: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.victims not in VICTIMS:
            raise ConfigError(f"victims must be one of {', '.join(VICTIMS)}, got {self.victims!r}")
        names = known_names() if self.suite.opinions else (PRODUCT,)
        if strange := [name for name in self.chosen if name not in names]:
            raise ConfigError(f"{strange[0]!r} does not judge suite {self.suite.name}; known there: {', '.join(names)}")

    @property
    def chosen(self) -> tuple[str, ...]:
        """Return the detectors that are asked: those that were named, else the suite's own."""
        return self.detectors or self.suite.detectors

    def attack(self, case: Case, train: Samples) -> Attack:
        """Return a case's attack on ``train``.

        A trigger file that it needs and does not name is looked for in the data folder; an encoder of triggers is
        trained on the images, once for a data set, and kept in the work area.
        """
        if case.attack == published.NAME:
            return published.published(case.data, self.data)
        params = dict(case.params)
        if case.attack == "narcissus" and not params:
            files = sorted((self.data / "triggers").glob(f"narcissus_*class{case.target}.npy")) if self.data else []
            if not files:
                wanted = f"triggers/narcissus_<data>_class{case.target}.npy"
                raise ConfigError(f"{case} needs --data ROOT with {wanted} in it")
            params["trigger_file"] = files[0]
        if case.attack == "issba" and not params and isinstance(train, ImageSet):
            params["encoder_file"] = self._encoder(case.data, train)
        return make_attack(case.attack, **params)

    def _encoder(self, data: str, train: ImageSet) -> Path:
        path = self.work / "triggers" / f"issba_{data}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.is_file():
                device = resolve_hardware(ProxyConfig(device=self.device)).device
                encoder, _ = train_encoder(train.images, device=device)
                part = path.with_suffix(".part")
                save_encoder(encoder, part)
                part.replace(path)
        return path

    def proxy(self, case: Case) -> ProxyConfig:
        """Return the settings of a case's proxy."""
        means = {"threads": self.threads, "device": self.device}
        return ProxyConfig(**{**self.suite.proxy, **case.proxy, **means, "model": case.model, "seed": case.seed})

    def victim(self, case: Case) -> ProxyConfig:
        """Return the settings of an ordinary model: another seed, an early and long decay, squared errors."""
        own = {"threads": self.threads, "device": self.device, "seed": case.seed + VICTIM_SEED}
        instead = self.suite.victim_of.get(case.data, {})
        settings = {"regression_loss": "squared", **self.suite.victim, **case.proxy, **instead, **own}
        return ProxyConfig(**{"model": case.model, **settings})


def run_case(bench: Bench, case: Case) -> list[dict[str, Any]]:
    """Return one row of results for each detector, as JSON values."""
    split = load(case.data, bench.data, bench.work / "data")
    poisoned_set = poison(split.train, case, bench.attack(case, split.train) if case.attack != CLEAN else None)
    ids = plain_ids(len(poisoned_set.data), case.seed, "sample")
    drop_dir = bench.work / "made" / case.key()
    if not (drop_dir / "drop" / "train.parquet").is_file():
        write_drop(drop_dir / "drop", poisoned_set.data, ids, split.names, case.seed)
    area = str(bench.work / "area")
    drop = stages.ingest(str(drop_dir / "drop"), area, to_dict(DropConfig()))
    trained = stages.train(drop, area, to_dict(bench.proxy(case)), progress=_bar(case))
    training = stages.opened(trained, area).train_record()
    before = (
        _judged(bench, case, poisoned_set.data, split, stages.open_drop(drop, area)) if bench.victims != "none" else {}
    )
    poisoned = set(np.asarray(ids)[poisoned_set.truth].tolist())
    if bench.suite.opinions:
        rows = _opinion_rows(bench, case, poisoned_set, split, ids, drop=drop, trained=trained, before=before)
        write_json(bench.work / "rows" / bench.suite.name / f"{case.key()}.json", {"rows": rows})
        return rows
    verdict, seconds = _verdict(bench, trained, area)
    folder = folder_of(verdict, "cluster", area)
    after: dict[str, Any] = {}
    if bench.victims == "after":
        remaining, opened = _remaining(folder, ids, poisoned_set.data), stages.open_drop(drop, area)
        after = before if len(remaining) == len(poisoned_set.data) else _judged(bench, case, remaining, split, opened)
    row = {
        **_named(bench, case, poisoned_set),
        "detector": PRODUCT,
        **score(folder, poisoned),
        **{f"{key}_before": before.get(key) for key in ("attack_success", "accuracy")},
        **{f"{key}_after": after.get(key) for key in ("attack_success", "accuracy")},
        **_training_seconds(training),
        **seconds,
        "victim_s": before.get("seconds"),
        **_ran_on(training),
    }
    write_miss(bench.work / "misses" / bench.suite.name, row, poisoned_set, ids, stages.opened(trained, area).losslog())
    write_json(bench.work / "rows" / bench.suite.name / f"{case.key()}.json", {"rows": [row]})
    return [row]


def _opinion_rows(
    bench: Bench,
    case: Case,
    poisoned_set: Poisoned,
    split: Split,
    ids: list[str],
    *,
    drop: Record,
    trained: Record,
    before: dict[str, Any],
) -> list[dict[str, Any]]:
    """Return one row of results for each detector behind the contract; what is left after each is not measured."""
    area = str(bench.work / "area")
    opened, training = stages.open_drop(drop, area), stages.opened(trained, area).train_record()
    trained_case = Trained(
        case=case,
        poisoned_set=poisoned_set,
        ids=ids,
        drop=opened,
        train_dir=folder_of(trained, "train", area),
        clean=clean_set(case.data, bench.data, bench.work / "data", split),
        work=bench.work,
    )
    opinions = opinions_on(trained_case, bench.chosen)
    poisoned = set(np.asarray(ids)[poisoned_set.truth].tolist())
    scores = {opinion.name: score_opinion(opinion, poisoned) for opinion in opinions}
    if COMBINED in bench.chosen:
        scores[COMBINED] = score_combined(opinions, poisoned)
    ran_on = {
        **_ran_on(training),
        "code_version": code_version(["proxy", "losslog", "bench/detectors", "verdict"]),
    }
    shared = {
        **_named(bench, case, poisoned_set),
        **{f"{key}_before": before.get(key) for key in ("attack_success", "accuracy")},
        "attack_success_after": None,
        "accuracy_after": None,
        **_training_seconds(training),
        "victim_s": before.get("seconds"),
        **{name: value for name, value in ran_on.items() if name != "settings"},
    }
    return [{**shared, "detector": name, **scored} for name, scored in scores.items()]


def poison(data: Samples, case: Case, attack: Attack | None = None) -> Poisoned:
    """Return the case's data with the truth about it; a clean case has none. ``attack``: made from the case if None."""
    if case.attack == CLEAN:
        nothing = np.zeros(len(data), dtype=bool)
        return Poisoned(
            data=data, truth=nothing, cover=nothing, mislabelled=nothing, attack=CLEAN, target=None, details={}
        )
    return (attack or make_attack(case.attack, **case.params)).poison(data, case.rate, case.target, case.seed)


def _verdict(bench: Bench, trained: Record, area: str) -> tuple[Record, dict[str, float]]:
    spectrum, spectrum_s = _timed(bench, lambda: stages.spectrum(trained, area, to_dict(SpectrumConfig())))
    verdict, cluster_s = _timed(bench, lambda: stages.cluster(spectrum, area, to_dict(VerdictConfig())))
    return verdict, {"spectrum_s": spectrum_s, "cluster_s": cluster_s}


def _timed(bench: Bench, run: Callable[[], Record]) -> tuple[Record, float]:
    """Return a stage's record and the seconds of its first computation: a stage found again takes no time."""
    began = time.perf_counter()
    record = run()
    path = bench.work / "seconds" / f"{record['stage']}-{record['key']}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"seconds": round(time.perf_counter() - began, 2)})
    return record, float(json.loads(path.read_bytes())["seconds"])


def _judged(bench: Bench, case: Case, data: Samples, split: Split, drop: Drop) -> dict[str, Any]:
    """Return accuracy and attack success, on held-out samples, of an ordinary classifier trained on ``data``."""
    config = bench.victim(case)
    inputs = packed(drop, data)
    content = sha256_bytes(np.ascontiguousarray(inputs).tobytes() + data.labels.tobytes())
    code = code_version(["proxy", "losslog"])
    path = bench.work / "victims" / f"{digest_of([content, config.recipe(), case.key(), code])}.json"
    if path.is_file():
        cached: dict[str, Any] = json.loads(path.read_bytes())
        return cached
    attack = None if case.attack == CLEAN else bench.attack(case, split.train)
    outcome = judge_attack(
        attack, case.target, data=data, test=split.test, config=config, drop=drop, progress=_bar(case)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, outcome)
    return outcome


def _remaining(verdict_dir: Path, ids: Sequence[str], data: Samples) -> Samples:
    """Return what the verdict keeps: neither quarantined nor in review."""
    verdict = Verdict.open(verdict_dir)
    kept_ids = {name for name, decision in zip(verdict.sample_ids, verdict.decision, strict=True) if decision == "keep"}
    rows = np.flatnonzero([name in kept_ids for name in ids])
    return data.rows(rows)


def _named(bench: Bench, case: Case, poisoned_set: Poisoned) -> dict[str, Any]:
    return {
        "suite": bench.suite.name,
        **{name: value for name, value in asdict(case).items() if name not in ("params", "proxy")},
        "params": json.dumps(dict(case.params), sort_keys=True),
        "samples": len(poisoned_set.data),
        "cover": int(poisoned_set.cover.sum()),
        "mislabelled": int(poisoned_set.mislabelled.sum()),
    }


def _training_seconds(training: Train) -> dict[str, float]:
    timings = proxy_entry(training)["timings"]
    return {"train_s": round(timings["train_s"], 1), "log_s": round(timings["snapshot_s"] + timings["write_s"], 1)}


def _ran_on(training: Train) -> dict[str, Any]:
    return {
        "hardware": training["hardware"]["name"],
        "processor": platform.processor() or platform.machine(),
        "threads": training["hardware"]["threads"],
        "dtype": training["hardware"]["precision"],
        "epochs": training["config"]["epochs"],
        "torch": torch.__version__,
        "python": platform.python_version(),
        "code_version": code_version(["proxy", "losslog", "spectrum", "verdict"]),
        "settings": json.dumps([to_dict(SpectrumConfig()), to_dict(VerdictConfig())], sort_keys=True),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def _bar(case: Case) -> Callable[[Progress], None]:
    log.info("training: %s", case)
    return ProgressLines()
