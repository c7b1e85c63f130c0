"""Labels, targets and ids: from whatever a row holds to the one type that later stages read, or a reason."""

from __future__ import annotations

import dataclasses
import math
import uuid

from telltale_core.drop.config import DropConfig
from telltale_core.drop.layout import Roles
from telltale_core.drop.lookalikes import Classes, look_alikes
from telltale_core.drop.value_survey import ValueSurvey
from telltale_core.modality.cells import UNFIT, is_empty, is_missing, plain_number, written_number
from telltale_core.modality.reasons import bad, shown

NUMBERED = Classes()
Answer = int | float | tuple[int, ...] | tuple[float, ...]
SEVERAL = 'correct it, or set drop.task = "multilabel"'
FEW_VALUES, VALUES_A_ROW = 20, 0.1
"""A column named as a target that holds whole numbers alone has targets where more values than both say differ."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be learnt: classification with ``num_classes`` and maybe names, or regression (both None).

    ``multilabel``: a set of the ``num_classes`` labels. ``answers``: targets a sample, None for a single one.
    ``flags``: a label, or a set of them, is given as one 0 or 1 a label;
    ``noes`` are the numbers that say no. ``classes``: how rows spell the classes.
    """

    name: str
    num_classes: int | None = None
    answers: int | None = None
    flags: bool = False
    noes: tuple[int, ...] = (0,)
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
        if self.name == "classification" and not self.flags:
            return self._label(value)
        if self.name == "classification":
            return self._one_of(self._label_set(value))
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
            if plain_number(item) not in (*self.noes, 1):
                raise bad("label_invalid", f"a flag of a label must be {self.noes[0]} or 1, got {shown(item)}")
        return tuple(place for place, item in enumerate(value) if plain_number(item) == 1)

    def _one_of(self, labels: tuple[int, ...]) -> int:
        """Return the only label of a set."""
        if len(labels) != 1:
            raise bad("label_invalid", f"the row has {len(labels)} flags that are 1, not one: {SEVERAL}")
        return labels[0]

    def _label(self, value: object) -> int:
        label_of = self.classes.label_of
        if isinstance(value, str) and (value in label_of or value.strip() in label_of):
            return label_of[value if value in label_of else value.strip()]
        number = plain_number(value)
        if is_empty(value) or is_empty(number):
            raise bad("label_missing", "the label is empty")
        if isinstance(number, str):
            raise bad("label_unknown", f"the label {shown(number)} is not one of the {self.num_classes} classes")
        if not isinstance(number, int | float):
            raise bad("label_invalid", f"the label is a {type(value).__name__}, not a number or text")
        if isinstance(number, float) and math.isfinite(number) and not number.is_integer():
            raise bad("label_not_whole", f"the label {number!r} is not a whole number")
        if self.classes.numbers:
            if number not in self.classes.numbers:
                raise bad("label_unknown", f"the label {number!r} is not one of the {self.num_classes} classes")
            return self.classes.numbers[int(number)]
        if not 0 <= number < (self.num_classes or 0):
            raise bad("label_out_of_range", f"the label must be in 0..{(self.num_classes or 0) - 1}, got {number!r}")
        return self.classes.same.get(int(number), int(number))

    def _target(self, value: object) -> float:
        number = plain_number(value)
        if isinstance(number, str):
            number = number if (written := written_number(number)) is None else written
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
        return Task(name="multilabel", num_classes=len(roles.values), classes=flags, flags=True, noes=survey.noes)
    names = config.label_names or (
        roles.class_names if config.num_classes in {None, len(roles.class_names or ())} else None
    )
    length = survey.flags
    if length and config.num_classes not in {None, length}:
        what = f"lists of {length} flags, one a class, but drop.num_classes is {config.num_classes}"
        raise bad("labels_unclear", f"the labels are {what}: correct it, or leave it out")
    if length and (names is None or len(names) == length):
        return Task(name=name, num_classes=length, flags=True, classes=Classes(names=names))
    classes = survey.classes(names, config.fold_classes, num_classes=config.num_classes)
    count = len(classes.names) if classes.names is not None else config.num_classes or survey.numbered()
    if count is None:
        raise bad("labels_unclear", "no row holds a label that is a number or a text: check label_column")
    if count > config.limits.max_classes:
        raise bad("too_many_classes", f"{count} or more classes, more than max_classes={config.limits.max_classes}")
    return Task(name=name, num_classes=count, classes=classes)


def _answers(survey: ValueSurvey, roles: Roles) -> int | None:
    """Return how many targets a sample has; None for a single one."""
    if len(roles.values) > 1:
        return len(roles.values)
    return survey.lengths.most_common(1)[0][0] if survey.several else None


def _task_name(survey: ValueSurvey, roles: Roles, config: DropConfig) -> str:
    labels = "multilabel" if config.label_columns or (survey.several and not survey.one_of) else "classification"
    if config.label_column or config.label_columns or config.label_names or config.num_classes or roles.class_names:
        return labels
    if config.target_column or config.target_columns:
        return "regression"
    if roles.value_hint == "label":
        others = survey.whole + survey.text - survey.written - survey.unsaid
        return "regression" if survey.fraction > others else labels
    numbers = survey.fraction + survey.whole + survey.written
    different = len(survey.wholes) + (len(survey.words) if survey.written else 0)
    words = survey.text - survey.written - survey.unsaid
    measured = different > max(FEW_VALUES, VALUES_A_ROW * numbers) and words <= 0.05 * numbers
    measured |= survey.fraction > (0 if roles.value_is_real else 0.05 * numbers)
    return "regression" if measured else labels


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
