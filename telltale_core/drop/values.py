"""Labels, targets and ids: from whatever a row holds to the one type that later stages read, or a reason."""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections import Counter

from telltale_core.drop.config import DropConfig
from telltale_core.drop.layout import Roles
from telltale_core.drop.lookalikes import Classes, look_alikes, number_spellings, sort_out
from telltale_core.modality.cells import UNFIT, is_missing, plain_number
from telltale_core.modality.reasons import bad, shown

NUMBERED = Classes()
Answer = int | float | tuple[int, ...] | tuple[float, ...]
MAX_ANSWERS = 1000
"""Targets or labels of one sample."""
FEW_VALUES, VALUES_A_ROW = 20, 0.1
"""A column of real numbers named as a target that holds whole ones alone has targets where more values than both say
are different."""


@dataclasses.dataclass(slots=True)
class ValueSurvey:
    """What the value column of a whole drop holds: how many of each sort, and the different ones up to a cap."""

    max_distinct: int
    missing: int = 0
    fraction: int = 0
    text: int = 0
    whole: int = 0
    wholes: Counter[int] = dataclasses.field(default_factory=Counter)
    texts: Counter[str] = dataclasses.field(default_factory=Counter)
    single: int = 0
    lengths: Counter[int] = dataclasses.field(default_factory=Counter)

    @property
    def several(self) -> bool:
        """Whether most rows hold a list."""
        return self.lengths.total() > self.single

    def add(self, value: object) -> None:
        """Count one raw value; of a list (several targets, a set of labels) its length and what it holds."""
        if isinstance(value, list | tuple):
            self.lengths[min(len(value), MAX_ANSWERS + 1)] += 1
            for item in value[:MAX_ANSWERS]:
                if not isinstance(item, list | tuple):
                    self._add(item)
            return
        self.single += 1
        self._add(value)

    def _add(self, value: object) -> None:
        number = plain_number(value)
        if is_missing(value):
            self.missing += 1
        elif isinstance(number, float) and not number.is_integer():
            self.fraction += 1
        elif isinstance(number, int | float):
            self.whole += 1
            self._count(self.wholes, int(number))
        else:
            self.text += 1
        if isinstance(value, str) and not is_missing(value) and len(value) <= 256:
            self._count(self.texts, value.strip())

    def _count(self, counter: Counter[int] | Counter[str], value: int | str) -> None:
        if value in counter or len(counter) <= self.max_distinct:
            counter[value] += 1  # type: ignore[index]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be learnt: classification with ``num_classes`` and maybe names, or regression (both None).

    ``multilabel``: a set of the ``num_classes`` labels. ``answers``: targets a sample, None for a single one.
    ``flags``: a label set is given as one 0 or 1 a label. ``classes``: how rows spell the classes.
    """

    name: str
    num_classes: int | None = None
    answers: int | None = None
    flags: bool = False
    classes: Classes = NUMBERED

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The classes' names in the order of the labels, if known."""
        return self.classes.names

    @property
    def several(self) -> bool:
        """Whether a sample has several answers: targets, or a set of labels."""
        return self.name == "multilabel" or self.answers is not None

    def number(self, value: object) -> Answer:
        """Return the row's label (int) or target (finite float), or raise the reason why there is none.

        Of several targets a tuple of floats, of a label set the tuple of its labels in rising order.
        """
        if self.name == "classification":
            return self._label(value)
        if self.name == "multilabel":
            return self._label_set(value)
        if self.answers is None:
            return self._target(value)
        if not isinstance(value, list | tuple) or len(value) != self.answers:
            raise bad("target_invalid", f"the target must be a list of {self.answers} numbers, got {shown(value)}")
        return tuple(self._target(item) for item in value)

    def _label_set(self, value: object) -> tuple[int, ...]:
        if not isinstance(value, list | tuple):
            if is_missing(value):
                raise bad("label_missing", "the list of labels is missing")
            raise bad("label_invalid", f"the label must be a list of labels, got {shown(value)}")
        if not self.flags:
            return tuple(sorted({self._label(item) for item in value[: self.num_classes or 0]}))
        if len(value) != self.num_classes:
            raise bad("label_invalid", f"the row has {len(value)} flags for {self.num_classes} labels")
        for item in value:
            if is_missing(item):
                raise bad("label_missing", "a flag of a label is empty")
            if plain_number(item) not in (0, 1):
                raise bad("label_invalid", f"a flag of a label must be 0 or 1, got {shown(item)}")
        return tuple(place for place, item in enumerate(value) if plain_number(item) == 1)

    def _label(self, value: object) -> int:
        label_of = self.classes.label_of
        if isinstance(value, str) and (value in label_of or value.strip() in label_of):
            return label_of[value if value in label_of else value.strip()]
        if is_missing(value):
            raise bad("label_missing", "the label is empty")
        number = plain_number(value)
        if isinstance(number, str):
            raise bad("label_unknown", f"the label {shown(number)} is not one of the {self.num_classes} classes")
        if not isinstance(number, int | float):
            raise bad("label_invalid", f"the label is a {type(value).__name__}, not a number or text")
        if isinstance(number, float) and math.isfinite(number) and not number.is_integer():
            raise bad("label_not_whole", f"the label {number!r} is not a whole number")
        if not 0 <= number < (self.num_classes or 0):
            raise bad("label_out_of_range", f"the label must be in 0..{(self.num_classes or 0) - 1}, got {number!r}")
        return self.classes.same.get(int(number), int(number))

    def _target(self, value: object) -> float:
        number = plain_number(value)
        if value is None or (isinstance(value, str) and not isinstance(number, float) and is_missing(value)):
            raise bad("target_missing", "the target is empty")
        if not isinstance(number, int | float):
            raise bad("target_invalid", f"the target {shown(value)} is not a number")
        if not math.isfinite(number):
            raise bad("target_not_finite", f"the target is {number!r}")
        return float(number)


def decide_task(survey: ValueSurvey, roles: Roles, config: DropConfig) -> Task:
    """Return the task and classes: as declared, else from class names in the schema, else from the values seen."""
    name = config.task or _task_name(survey, roles, config)
    if name == "regression":
        return Task(name=name, answers=_answers(survey, roles))
    if config.label_columns is not None:
        alike = look_alikes(dict.fromkeys(roles.values, 0)) if config.fold_classes != "exact" else ()
        flags = Classes(names=roles.values, alike=alike)  # columns are never folded
        return Task(name="multilabel", num_classes=len(roles.values), classes=flags, flags=True)
    names = config.label_names or (
        roles.class_names if config.num_classes in {None, len(roles.class_names or ())} else None
    )
    if names is None and config.num_classes is None and survey.text > survey.whole:
        names = tuple(sorted(text for text in survey.texts if not UNFIT.search(text)))
    classes = _classes(survey, names, config)
    count = len(classes.names) if classes.names is not None else config.num_classes or _class_count(survey)
    if count > config.limits.max_classes:
        raise bad("too_many_classes", f"{count} or more classes, more than max_classes={config.limits.max_classes}")
    return Task(name=name, num_classes=count, classes=classes)


def _classes(survey: ValueSurvey, names: tuple[str, ...] | None, config: DropConfig) -> Classes:
    """Return the classes of these names, or numbered ones where there are none, as the rows spell them."""
    texts = {text: count for text, count in survey.texts.items() if not UNFIT.search(text)}
    if names is None:
        return number_spellings(texts, plain_number)
    return sort_out(names, texts, config.fold_classes, numbered=survey.whole > 0)


def _answers(survey: ValueSurvey, roles: Roles) -> int | None:
    """Return how many targets a sample has; None for a single one."""
    if len(roles.values) > 1:
        return len(roles.values)
    return survey.lengths.most_common(1)[0][0] if survey.several else None


def _task_name(survey: ValueSurvey, roles: Roles, config: DropConfig) -> str:
    labels = "multilabel" if survey.several or config.label_columns else "classification"
    if config.label_column or config.label_columns or config.label_names or config.num_classes or roles.class_names:
        return labels
    if config.target_column or config.target_columns:
        return "regression"
    numbers = survey.fraction + survey.whole
    needed = 0.5 if roles.value_hint == "label" else 0.05
    measured = survey.fraction > 0 or len(survey.wholes) > max(FEW_VALUES, VALUES_A_ROW * numbers)
    real_target = roles.value_hint == "target" and roles.value_is_real and measured
    return "regression" if real_target or survey.fraction > needed * max(numbers, 1) else labels


def _class_count(survey: ValueSurvey) -> int:
    """Return 1 + the largest label below which at least half of the labels occur: a stray 73 among 0..9 is an error."""
    labels = sorted(value for value in survey.wholes if value >= 0)
    if len(labels) > survey.max_distinct:
        raise bad("too_many_classes", f"more than {survey.max_distinct} different labels: is this a target? Give task")
    for position in range(len(labels) - 1, 0, -1):
        if 2 * (position + 1) >= labels[position] + 1:
            return labels[position] + 1
    raise bad("labels_unclear", f"classes 0..K-1 cannot be told from the labels {shown(labels[:9])}: give num_classes")


def clean_id(value: object, max_chars: int) -> str:
    """Return a row's id as text, or raise why it cannot name a sample. Emoji and markup are legal: reports escape."""
    if value is None or value == "":
        raise bad("id_missing", "the id is empty")
    value = str(value) if isinstance(value, uuid.UUID) else value
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise bad("id_invalid", f"the id is a {type(value).__name__}, not text or a whole number")
    text = str(value)
    if len(text) > max_chars:
        raise bad("id_too_long", f"the id has {len(text)} characters, more than {max_chars}")
    if UNFIT.search(text):
        raise bad("id_invalid", f"the id {shown(text)} holds control characters")
    return text
