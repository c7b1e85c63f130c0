"""What an attack takes and gives: the records and the one interface behind which every poison stands.

Images are RGB, uint8, channels last.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from telltale_core.digest import sha256_bytes
from telltale_core.errors import BadInput, ConfigError

LabelRule = Literal["dirty", "clean", "all-to-all", "untargeted", "none"]
Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ANY_OTHER_LABEL = -1
"""Stands in ``Triggered.expected`` where the attack succeeds with any label but the honest one."""


class Samples(ABC):
    """What an attack poisons: inputs of one modality, and their labels or targets. Its kinds are frozen dataclasses.

    ``labels`` (N,) are int64 in [0, ``num_classes``), or float64 targets where ``num_classes`` is None. ``tolerance``
    (targets only) is how near a prediction must come to the value that the attacker wants, for the attack to count as a
    success there.
    """

    __slots__ = ()
    modality: ClassVar[str]
    labels: npt.NDArray[Any]
    num_classes: int | None
    tolerance: float

    @property
    @abstractmethod
    def inputs(self) -> npt.NDArray[Any]:
        """The inputs, (N, ...): numbers of one shape, or objects where they differ in length."""

    @abstractmethod
    def with_rows(self, inputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Self:
        """Return a set of the same kind with these inputs and labels."""

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, index: npt.NDArray[Any]) -> Self:
        """Return the set of these rows."""
        return self.with_rows(self.inputs[index], self.labels[index])

    def check_labels(self) -> None:
        """Raise :class:`BadInput` unless there is a label or target as stated for each input."""
        dtype = np.float64 if self.num_classes is None else np.int64
        if self.labels.dtype != dtype or self.labels.shape != (len(self.inputs),):
            expected, actual = f"{dtype.__name__} ({len(self.inputs)},)", f"{self.labels.dtype} {self.labels.shape}"
            raise BadInput("bad_labels", f"labels must be {expected}, got {actual}")
        if self.num_classes is None:
            if not np.isfinite(self.labels).all():
                raise BadInput("target_not_finite", "every target must be finite")
        elif len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < self.num_classes:
            actual = f"{self.labels.min()} to {self.labels.max()}"
            raise BadInput("label_out_of_range", f"labels must be in [0, {self.num_classes}), got {actual}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageSet(Samples):
    """Images: ``images`` (N, H, W, 3) uint8, with labels or targets as :class:`Samples` states them."""

    modality = "image"

    images: Images
    labels: npt.NDArray[Any]
    num_classes: int | None
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] != 3:
            actual = f"{self.images.dtype} {self.images.shape}"
            raise BadInput("bad_images", f"images must be uint8 of shape (N, H, W, 3), got {actual}")
        self.check_labels()

    @property
    def inputs(self) -> Images:
        """The images."""
        return self.images

    def with_rows(self, inputs: npt.NDArray[Any], labels: npt.NDArray[Any]) -> Self:
        """See :meth:`Samples.with_rows`."""
        return dataclasses.replace(self, images=inputs, labels=labels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Poisoned:
    """A poisoned data set with the truth about it, row-aligned with the set that was given.

    The three masks are (N,) bool and disjoint; a row in none of them is byte-identical to the row that was given.
    ``truth``: has a trigger and the label that the attacker wants. ``cover``: has a trigger, keeps its honest label.
    ``mislabelled``: has a wrong label and no trigger. ``target`` is None where the attack has no single target class.
    ``details`` holds only JSON values: the attack's parameters, seed, rate and counts.
    """

    data: Samples
    truth: Mask
    cover: Mask
    mislabelled: Mask
    attack: str
    target: float | None
    details: dict[str, Any]


class Triggered(NamedTuple):
    """Held-out rows with the trigger on all of them.

    ``expected`` (N,) is the label or target that the attacker wants, or :data:`ANY_OTHER_LABEL`; ``counts`` (N,) bool
    says which rows count for the attack success rate (a row that has the wanted label honestly does not).
    ``tolerance`` is None for labels; for targets see :class:`Samples`.
    """

    inputs: npt.NDArray[Any]
    expected: npt.NDArray[Any]
    counts: Mask
    tolerance: float | None = None

    @property
    def images(self) -> npt.NDArray[Any]:
        """The inputs, where they are images."""
        return self.inputs

    def success_rate(self, predicted: npt.NDArray[Any], labels: npt.NDArray[Any]) -> float:
        """Return the share of counting rows on which the attack succeeds, in [0, 1]; NaN when no row counts.

        ``predicted`` are a model's labels or targets for ``inputs``, ``labels`` the honest ones.
        """
        if self.tolerance is not None:
            hit = np.abs(predicted - self.expected) <= self.tolerance
        else:
            hit = np.where(self.expected == ANY_OTHER_LABEL, predicted != labels, predicted == self.expected)
        return float(hit[self.counts].mean()) if self.counts.any() else float("nan")


class Attack(ABC):
    """A poison: parameters in the constructor (a frozen dataclass's fields), rows drawn by the seed of each call.

    The trigger itself is part of the parameters (``pattern_seed`` and the like), so that the held-out rows of
    :meth:`trigger` carry the pattern of :meth:`poison` whatever the seeds.
    """

    __slots__ = ()
    name: ClassVar[str]
    source: ClassVar[str]
    label_rule: ClassVar[LabelRule]
    modality: ClassVar[str] = "image"

    @abstractmethod
    def poison(self, data: Samples, rate: float, target: float, seed: int) -> Poisoned:
        """Return ``data`` with ``round(rate * N)`` poisoned rows (cover rows come on top); the input is not modified.

        ``target`` is the label that the attacker wants, or the value where the data have targets.

        Raises :class:`ConfigError` when the rate, the target or the number of rows to choose from does not allow it.
        """

    @abstractmethod
    def trigger(self, data: Samples, target: float, seed: int) -> Triggered:
        """Return held-out ``data`` with the trigger on every row, at its test-time strength."""

    def check(self, data: Samples) -> None:
        """Raise :class:`ConfigError` for data of another modality than the attack's."""
        if data.modality != self.modality:
            raise ConfigError(f"{self.name} poisons data of modality {self.modality!r}, got {data.modality!r}")

    def describe(self) -> dict[str, Any]:
        """Return name and parameters as JSON values, for records and cache keys; arrays and weights by their digest."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {"name": self.name} | {field.name: _plain(getattr(self, field.name)) for field in fields}


def _plain(value: Any) -> Any:
    if isinstance(value, Attack):
        return value.describe()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "sha256": sha256_bytes(np.ascontiguousarray(value).tobytes())}
    if hasattr(value, "state_dict"):
        state = sorted(value.state_dict().items())
        joined = b"".join(name.encode() + tensor.detach().cpu().numpy().tobytes() for name, tensor in state)
        return {"module": type(value).__name__, "sha256": sha256_bytes(joined)}
    return value.name if isinstance(value, Path) else value


def within(name: str, value: float, low: float, high: float) -> None:
    """Return nothing; raise :class:`ConfigError` unless ``low <= value <= high`` (a NaN is refused)."""
    if not low <= value <= high:
        raise ConfigError(f"{name} must be within [{low}, {high}], got {value}")


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Return nothing; raise :class:`ConfigError` unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
