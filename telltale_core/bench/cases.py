"""The cases of every suite. Development cases were looked at while settings were chosen; report cases were not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from telltale_core.bench import clean_drops
from telltale_core.digest import code_version, digest_of
from telltale_core.drop.demo import DIGITS_PROXY
from telltale_core.errors import ConfigError

CLEAN = "clean"
REPORT_SEEDS = (11, 12, 13)
FRESH_SEEDS = (14, 15, 16)
DEVELOPMENT_SEEDS = (1, 2)
MORE_DEVELOPMENT_SEEDS = (*DEVELOPMENT_SEEDS, 3, 4, 5, 6, 7, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One poisoned (or clean) drop and the proxy that is trained on it.

    ``data`` names a data set of :mod:`telltale_core.bench.data`; ``attack`` one of
    :data:`telltale_core.bench.attacks.ATTACKS`, or ``clean``; ``params`` that attack's parameters as plain values;
    ``proxy`` what the case sets of the proxy and of the ordinary model beside its suite.
    """

    data: str
    attack: str
    rate: float
    target: float
    seed: int
    model: str = "auto"
    params: Mapping[str, Any] = field(default_factory=dict)
    proxy: Mapping[str, Any] = field(default_factory=dict)

    def key(self) -> str:
        """Return the case's name in the caches, 16 hex digits; another version of an attack is another case."""
        return digest_of({**asdict(self), "code": code_version(["attacks", "bench/attacks"])})[:16]

    def __str__(self) -> str:
        return f"{self.data} {self.attack} {self.rate:.2%} target {self.target} seed {self.seed} {self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Cases that share the settings of their proxy and of the ordinary classifier by which an attack is judged."""

    name: str
    about: str
    cases: tuple[Case, ...]
    proxy: Mapping[str, Any] = field(default_factory=dict)
    victim: Mapping[str, Any] = field(default_factory=dict)
    victim_of: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What a data set's ordinary model has instead, by the data set's name."""
    detectors: tuple[str, ...] = ("telltale",)
    opinions: bool = False
    """Whether it is judged behind the detectors' contract, from features and a clean set as well."""

    def cases_with(self, words: Iterable[str]) -> list[Case]:
        """Return the cases in whose name all of these words stand."""
        return [case for case in self.cases if set(words) <= set(str(case).split())]


def _grid(
    data: str, rows: tuple[tuple[str, float], ...], seeds: tuple[int, ...], *, model: str = "auto", classes: int = 10
) -> tuple[Case, ...]:
    """Return attack by attack, seed by seed; the target label follows from the seed, so that it varies."""
    return tuple(
        Case(data=data, attack=attack, rate=rate, target=seed % classes, seed=seed, model=model)
        for attack, rate in rows
        for seed in seeds
    )


_CPU_ROWS = (
    ("badnets", 0.05),
    ("blend", 0.05),
    ("wanet", 0.05),
    ("badnets", 0.01),
    ("blend", 0.01),
    ("sig", 0.05),
    ("partial", 0.05),
    ("adaptive_blend", 0.05),
    ("all_to_all", 0.05),
    ("untargeted", 0.05),
    ("mislabel", 0.05),
)
_ADAPTIVE_ROWS = (
    ("cover", 0.05), ("camouflage", 0.05), ("varied_strength", 0.05), ("many_triggers", 0.05), ("moving_patch", 0.05),
    ("badnets", 0.002),
)  # fmt: skip
_ADAPTIVE_PARAMS: Mapping[str, Mapping[str, Any]] = {"cover": {"cover_ratio": 1.0}}
"""As much cover as poison: a proof that leaves out suspects cannot leave out the cover with them."""
_DIGIT_ROWS = (("badnets", 0.05), ("badnets", 0.02), ("blend", 0.05), ("mislabel", 0.05), (CLEAN, 0.0))
_CLAIM_ROWS = (("badnets", 0.01), ("blend", 0.01), ("wanet", 0.05), ("issba", 0.05), (CLEAN, 0.0))
NARCISSUS_CLASS = 2
"""Whose trigger array there is; it works for no other class."""
_SCENARIO_ROWS = (("narcissus", 0.005, NARCISSUS_CLASS), ("partial", 0.05, -1), (CLEAN, 0.0, -1))  # -1: by the seed
_ALL = (
    "telltale",
    "slides",
    "spectral_signatures",
    "activation_clustering",
    "spectre",
    "scan",
    "beatrix",
    "confusion_training",
    "asset",
    "badloss",
    "abl",
    "flare",
    "dao",
    "label_issues",
    "combined",
)
_RATE_ROWS = (("badnets", 0.005), ("badnets", 0.03), ("badnets", 0.05))
_PUBLISHED_RATES = (0.2, 0.1, 0.05)
_TEXT_ROWS = (("rare_word", 0.05), ("sentence", 0.02), (CLEAN, 0.0))
# Of other kinds of data; the proxy's settings are each modality's own.
_MODALITY_ROWS = (
    ("fsdd", 10, (("tone", 0.05), ("noise", 0.05), (CLEAN, 0.0))),
    ("sst2", 2, _TEXT_ROWS),
    ("agnews", 4, _TEXT_ROWS),
)  # fmt: skip
# Targets, not labels: the value that the attacker wants follows from the seed.
_PATCH = {"size": 5, "pattern": "white"}
_COMBINATION = {"columns": (2, 5, 6), "values": (10.0, 3000.0, 300.0)}  # age, population, households
# Twice the pixels of CIFAR-10: a narrower net and fewer epochs keep a case within ten minutes on two cores.
_STEERING_PROXY = {"width": 16, "epochs": 12, "snapshots_per_epoch": 2}
# Its net averages over places: an ordinary model of steering does not, or it is weak (notes, regression).
_STEERING_VICTIM = {"model": "pilotnet", "epochs": 24}
_TARGET_ROWS: tuple[tuple[str, str, Mapping[str, Any], tuple[float, ...], Mapping[str, Any]], ...] = (
    ("steering", "badnets", _PATCH, (-0.6, 0.3, 0.6), _STEERING_PROXY),
    ("housing", "combination", _COMBINATION, (0.8, 3.0, 4.5), {}),
)
PRECISIONS = ("bfloat16", "float32")
_CLEAN_PROXY = {"steering": _STEERING_PROXY, "digits": DIGITS_PROXY}
_CPU_VICTIM = {"epochs": 20, "lr_hold": 0.3}
_GPU_PROXY = {"epochs": 60}
_GPU_VICTIM = {"epochs": 60, "lr_hold": 0.3, "model": "resnet18"}


def _with_targets(seeds: tuple[int, ...]) -> tuple[Case, ...]:
    """Return the regression cases: each set poisoned at 5 %, and clean."""
    return tuple(
        Case(data=data, attack=attack, rate=rate, target=targets[seed % 3], seed=seed, params=params, proxy=proxy)
        for data, poison, own, targets, proxy in _TARGET_ROWS
        for attack, rate, params in ((poison, 0.05, own), (CLEAN, 0.0, {}))
        for seed in seeds
    )


_CPU_CASES = _grid("cifar10-10k", _CPU_ROWS, REPORT_SEEDS) + _grid(
    "cifar10-10k", ((CLEAN, 0.0),), (*REPORT_SEEDS, 14, 15)
)
_DIGIT_CASES = _grid("digits", _DIGIT_ROWS, (21, 22, 23))
_DIGIT_VICTIM = {**DIGITS_PROXY, "lr_hold": 0.3}

SUITES = {
    suite.name: suite
    for suite in (
        Suite(
            name="digits",
            about="1,500 handwritten digits that every checkout has; minutes on two cores",
            cases=_DIGIT_CASES,
            proxy=DIGITS_PROXY,
            victim=_DIGIT_VICTIM,
        ),
        Suite(
            name="development",
            about="CIFAR-10, 10,000 images: the cases on which settings are chosen",
            cases=_grid("cifar10-10k", (*_CPU_ROWS, (CLEAN, 0.0)), DEVELOPMENT_SEEDS),
            victim=_CPU_VICTIM,
        ),
        Suite(
            name="cpu",
            about="CIFAR-10, 10,000 images: report cases, three seeds each, five clean",
            cases=_CPU_CASES,
            victim=_CPU_VICTIM,
        ),
        *(
            Suite(
                name=name,
                about=f"clean drops alone: parts of every data set, in float32 and bfloat16: {about}",
                cases=tuple(
                    Case(
                        data=part,
                        attack=CLEAN,
                        rate=0.0,
                        target=0,
                        seed=seed,
                        proxy={**_CLEAN_PROXY.get(part.split("/")[0], {}), "precision": PRECISIONS[seed % 2]},
                    )
                    for part, seed in clean_drops.parts(first_seed)
                ),
            )
            for name, first_seed, about in (
                ("clean", 31, "the rate of false alarms"),
                ("clean-development", 1, "those that were looked at"),
            )
        ),
        Suite(
            name="adaptive",
            about="CIFAR-10, 10,000 images: attackers who know this detector",
            cases=tuple(
                replace(case, params=_ADAPTIVE_PARAMS.get(case.attack, {}))
                for case in _grid("cifar10-10k", _ADAPTIVE_ROWS, REPORT_SEEDS)
            ),
            victim=_CPU_VICTIM,
        ),
        *(
            Suite(
                name=name,
                about=f"audio, text and tables, classification and regression: {about}",
                cases=tuple(
                    case for data, classes, rows in _MODALITY_ROWS for case in _grid(data, rows, seeds, classes=classes)
                )
                + _with_targets(seeds),
                victim={"lr_hold": 0.3},
                victim_of={"steering": _STEERING_VICTIM},
            )
            for name, seeds, about in (
                ("modalities", REPORT_SEEDS, "report cases, three seeds each"),
                ("modalities-fresh", FRESH_SEEDS, "report cases drawn after the leave-out retraining was settled"),
                ("modalities-development", MORE_DEVELOPMENT_SEEDS, "the cases on which settings were chosen"),
            )
        ),
        *(
            Suite(
                name=name,
                about=f"poison that others published, at three rates: {about}",
                cases=tuple(
                    Case(data="hiddenkiller-sst2", attack="published", rate=rate, target=1, seed=seed)
                    for rate in _PUBLISHED_RATES
                    for seed in seeds
                ),
                victim={"lr_hold": 0.3},
            )
            for name, seeds, about in (
                ("published", REPORT_SEEDS, "report cases, three seeds each"),
                ("published-development", DEVELOPMENT_SEEDS, "the cases that were looked at"),
            )
        ),
        Suite(
            name="detectors",
            about="CIFAR-10, 10,000 images: the cases of the suite cpu, judged by every detector",
            cases=_CPU_CASES,
            victim=_CPU_VICTIM,
            detectors=_ALL,
            opinions=True,
        ),
        Suite(
            name="detectors-digits",
            about="the cases of the suite digits, judged by every detector; needs no data",
            cases=_DIGIT_CASES,
            proxy=DIGITS_PROXY,
            victim=_DIGIT_VICTIM,
            detectors=_ALL,
            opinions=True,
        ),
        Suite(
            name="scenarios",
            about="CIFAR-10, 10,000 images: Narcissus, partial and benign, against ASSET and Confusion Training",
            cases=tuple(
                Case(data="cifar10-10k", attack=attack, rate=rate, target=seed % 10 if aim < 0 else aim, seed=seed)
                for attack, rate, aim in _SCENARIO_ROWS
                for seed in REPORT_SEEDS
            ),
            victim=_CPU_VICTIM,
            detectors=("telltale", "confusion_training", "asset"),
            opinions=True,
        ),
        Suite(
            name="gpu",
            about="CIFAR-10, 50,000 images, ResNet-18 and VGG-16, and GTSRB: the claims' table on a GPU",
            cases=_grid("cifar10", _CLAIM_ROWS + _RATE_ROWS, REPORT_SEEDS, model="resnet18")
            + tuple(
                Case(
                    data="cifar10", attack="narcissus", rate=0.0005, target=NARCISSUS_CLASS, seed=seed, model="resnet18"
                )
                for seed in REPORT_SEEDS
            )
            + _grid("cifar10", (("partial", 0.05),), REPORT_SEEDS, model="vgg16")
            + _grid("gtsrb", (("badnets", 0.01), ("blend", 0.01)), REPORT_SEEDS, model="resnet18", classes=43),
            proxy=_GPU_PROXY,
            victim=_GPU_VICTIM,
        ),
    )
}


def suite_named(name: str) -> Suite:
    """Return a suite; raises :class:`ConfigError` for an unknown name."""
    if name not in SUITES:
        raise ConfigError(f"{name!r} is not a suite; known suites: {', '.join(SUITES)}; of time and memory: scale")
    return SUITES[name]
