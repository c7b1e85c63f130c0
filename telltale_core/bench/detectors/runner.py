"""Several detectors asked about one training, each once: an opinion that stands under the same key is read."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from telltale_core.bench.detectors.collect_evidence import gather
from telltale_core.bench.detectors.contract import Detector, missing
from telltale_core.bench.detectors.evidence import CleanSet, Evidence
from telltale_core.bench.detectors.optional_deps import installed
from telltale_core.bench.detectors.record import Recorded, measure, read_opinion, write_opinion
from telltale_core.bench.detectors.registry import DETECTORS, EXTRA, make_detector
from telltale_core.digest import code_version, digest_of, sha256_bytes, sha256_file
from telltale_core.drop import Drop
from telltale_core.errors import ConfigError, OverBudget
from telltale_core.proxy.record import proxy_entry, read_train_record

log = logging.getLogger(__name__)
LONG = frozenset({"confusion_training", "asset"})
"""These train further models: they are asked only when they are named."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What is asked about: a drop, its training, and what somebody vouches for; ``work`` keeps what was computed."""

    drop: Drop
    train_dir: Path
    work: Path
    clean: CleanSet | None = None
    known_clean: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """The opinions in the order of the names, and why the others were left out."""

    opinions: list[Recorded]
    left_out: dict[str, str] = field(default_factory=dict)


def default_names() -> tuple[str, ...]:
    """Return the detectors that are asked when none is named: all but those that train further models."""
    return tuple(name for name in DETECTORS if name not in LONG)


def ask(question: Question, names: Sequence[str] = (), *, strict: bool = False) -> Answers:
    """Return the opinions of the named detectors, or of the default ones, on a training.

    A detector whose needs are not met, whose library is absent or whose memory would not do is left out with the
    reason; with ``strict`` that raises. Raises :class:`ConfigError` for an unknown name.
    """
    chosen = {name: make_detector(name) for name in dict.fromkeys(names or default_names())}
    places = {name: question.work / "opinions" / opinion_key(detector, question) for name, detector in chosen.items()}
    fresh = [name for name, place in places.items() if not (place / "opinion.json").is_file()]
    left_out: dict[str, str] = {}
    if fresh:
        evidence = _evidence(question, [chosen[name] for name in fresh])
        for name in fresh:
            try:
                _judge(chosen[name], evidence, question, places[name])
            except (ConfigError, OverBudget) as error:
                if strict:
                    raise
                left_out[name] = str(error)
                log.info("%s is left out: %s", name, error)
    return Answers(
        opinions=[read_opinion(place) for name, place in places.items() if name not in left_out], left_out=left_out
    )


def _judge(detector: Detector, evidence: Evidence, question: Question, place: Path) -> None:
    absent = [library for library in EXTRA.get(detector.name, ()) if not installed(library)]
    if absent:
        raise ConfigError(f'needs {", ".join(absent)}: pip install "telltale-cleanse[bench]"')
    lacking = missing(evidence, detector.needs)
    if lacking:
        raise ConfigError(f"needs {', '.join(need.words for need in lacking)}")
    log.info("asking %s", detector.title)
    usage = measure(detector, evidence)
    write_opinion(detector, evidence, usage, question.drop.digest, place)


def _evidence(question: Question, detectors: list[Detector]) -> Evidence:
    needs = {need for detector in detectors for need in detector.needs | detector.uses}
    cache = question.work / "recordings" / question.train_dir.name
    return gather(
        question.drop,
        question.train_dir,
        needs,
        clean=question.clean,
        known_clean=question.known_clean,
        cache=cache,
    )


def opinion_key(detector: Detector, question: Question) -> str:
    """Return an opinion's name: of what it rests on, the parameters, and the source that decides it."""
    record = read_train_record(question.train_dir, question.drop)
    clean = question.clean
    vouched = ""
    if clean is not None and clean.inputs is not None:
        vouched = sha256_bytes(np.ascontiguousarray(clean.inputs).tobytes() + clean.labels.tobytes())
    trained = [record["log_digest"], record["config"]["seed"], proxy_entry(record)["model_sha256"]]
    own = Path(inspect.getfile(type(detector)))
    shared = [Path(__file__).with_name(name) for name in ("contract.py", "evidence.py")]
    code = [sha256_file(place) for place in (own, *shared)]
    verdict = code_version(["spectrum", "verdict", "proxy"]) if detector.name in ("telltale", "slides") else ""
    rests_on = [trained, vouched, sorted(question.known_clean), detector.params(), code, verdict]
    return f"{detector.name}-{digest_of(rests_on)[:24]}"
