"""What a contributor's ``drop.toml`` says, held against how the drop was read: it names things, it decides nothing.

A name (:data:`telltale_core.drop.config.NAMES`) is taken unless it would change what is read. Whatever else it says is
followed only where the drop cannot be read without it. Both become questions, except where the operator has set the
same field, or where the drop is read just so anyway.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
from collections.abc import Mapping, Sequence
from typing import Any

from telltale_core.drop.config import INPUT_SETTINGS, NAMES, VALUE_SETTINGS, Declared, DropConfig, stated_fields
from telltale_core.drop.layout import Roles, find_roles
from telltale_core.drop.value_survey import ValueSurvey
from telltale_core.drop.values import Task, decide_task
from telltale_core.errors import BadInput, ConfigError
from telltale_core.modality.columns import Column
from telltale_core.modality.layout_spec import Packing
from telltale_core.modality.reasons import shown
from telltale_core.questions import Question

ASKS, FOLLOWED, NAMED = "drop_toml_asks", "drop_toml_followed", "drop_toml_names"
_TOGETHER = (VALUE_SETTINGS, INPUT_SETTINGS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a drop was read: everything that a ``drop.toml`` could have wanted otherwise."""

    format: str
    files: Sequence[str]
    roles: Roles
    task: Task
    packing: Packing


def beyond(stated: Declared, config: DropConfig) -> dict[str, Any]:
    """Return what ``stated`` says besides names, of which the operator's ``config`` says nothing."""
    set_by_operator = {name for name in stated_fields(config) if name not in NAMES}
    for names in _TOGETHER:
        if set_by_operator & set(names):
            set_by_operator |= set(names)
    return {name: value for name, value in stated_fields(stated).items() if name not in {*NAMES, *set_by_operator}}


def obeying(config: DropConfig, stated: Declared) -> DropConfig:
    """Return ``config`` with its gaps filled from ``stated``; for a drop that cannot be read otherwise."""
    decided, gaps = stated_fields(config), beyond(stated, config)
    names = {name: value for name, value in stated_fields(stated).items() if name in NAMES and name not in decided}
    try:
        return config.replace(**names, **gaps)
    except ConfigError as error:
        raise ConfigError(f"settings contradict drop.toml: {error}") from error


def find_roles_named(columns: list[Column], config: DropConfig, stated: Declared) -> tuple[Roles, list[Question]]:
    """Return the roles as the operator has them, with the contributor's id column unless that is otherwise read."""
    roles = find_roles(columns, config)
    if config.id_column is not None or stated.id_column in {None, roles.id or ""}:
        return roles, []
    if stated.id_column not in {*roles.inputs, *roles.values}:
        named = find_roles(columns, config.replace(id_column=stated.id_column))
        if (named.inputs, named.values) == (roles.inputs, roles.values):
            return named, []
    text = (
        f"drop.toml names {shown(stated.id_column)} as the id column, which would change what is read; the drop was "
        f"read with {_column(roles.id)} as its id, {_columns(roles.inputs)} as its input and {_columns(roles.values)} "
        "as its answer"
    )
    return roles, [Question(code=NAMED, text=text, cure=f"drop.id_column = {_toml(stated.id_column)}")]


def find_task_named(
    survey: ValueSurvey, roles: Roles, config: DropConfig, stated: Declared
) -> tuple[Task, list[Question]]:
    """Return the task as the operator has it, with the contributor's class names where they name the same classes."""
    names = stated.label_names
    if names is None or config.label_names is not None or config.label_columns is not None:
        return decide_task(survey, roles, config), []
    plain: Task | None = None
    try:
        plain = decide_task(survey, roles, config)
        if plain.label_names == names:
            return plain, []
        if config.num_classes in {None, len(names)} and _same_classes(plain, roles, names):
            return decide_task(survey, roles, config.replace(label_names=names, num_classes=None)), []
    except BadInput:
        if plain is not None:
            raise
        return decide_task(survey, roles, config.replace(label_names=names)), []
    reading = "a regression" if plain.label_names is None and plain.num_classes is None else "the drop's own classes"
    own = f" {shown(list(plain.label_names), 120)}" if plain.label_names else ""
    text = f"drop.toml names the classes {shown(list(names), 120)}; the drop was read by {reading}{own}"
    return plain, [Question(code=NAMED, text=text, cure=f"drop.label_names = {_toml(names)}")]


def _same_classes(plain: Task, roles: Roles, names: tuple[str, ...]) -> bool:
    """Return whether ``names`` can stand for the classes found: of texts the same ones, of numbers as many or more."""
    if plain.name == "regression" or (roles.class_names is not None and roles.class_names != names):
        return False
    if plain.label_names is not None:
        return set(plain.label_names) <= set(names)
    return len(names) >= (plain.num_classes or 0)


def open_requests(stated: Declared, config: DropConfig, reading: Reading) -> list[Question]:
    """Return a question for each thing that ``drop.toml`` wants otherwise than the drop was read."""
    questions = []
    for name, value in beyond(stated, config).items():
        used, same = _used(name, value, reading)
        if not same:
            text = f"drop.toml asks for {name} = {_toml(value)}, which was not followed; the drop was read by {used}"
            questions.append(Question(code=ASKS, text=text, cure=f"drop.{name} = {_toml(value)}, or what is right"))
    return questions


def followed(stated: Declared, config: DropConfig, error: BadInput) -> list[Question]:
    """Return a question for each setting that ``drop.toml`` had to give, because the drop could not be read without."""
    return [
        Question(
            code=FOLLOWED,
            text=f"the drop was read by {name} = {_toml(value)} as drop.toml asks, for without it: {error}",
            cure=f"drop.{name} = {_toml(value)}, or what is right",
        )
        for name, value in beyond(stated, config).items()
    ]


def _used(name: str, value: Any, reading: Reading) -> tuple[str, bool]:
    """Return in words what was used in place of a setting, and whether it is the same."""
    roles, task, packing = reading.roles, reading.task, reading.packing
    if name in VALUE_SETTINGS:
        kind = "target" if task.name == "regression" else "label"
        columns = value if isinstance(value, tuple) else (value,)
        several = "_columns" in name and task.name == "classification"
        return f"the {kind} {_columns(roles.values)}", columns == roles.values and name.startswith(kind) and not several
    if name in INPUT_SETTINGS:
        return f"the input {_columns(roles.inputs)}", (value if isinstance(value, tuple) else (value,)) == roles.inputs
    if name == "files":
        return "all its data files", all(fnmatch.fnmatchcase(key, value) for key in reading.files)
    whole = "x".join(map(str, packing.shape))
    side = packing.shape[0] if len(packing.shape) == 3 and packing.shape[0] == packing.shape[1] else whole
    facts: Mapping[str, object] = {
        "format": reading.format,
        "modality": roles.modality,
        "task": task.name,
        "num_classes": task.num_classes,
        "image_size": side,
        "sample_rate": packing.settings.get("rate"),
        "max_seconds": packing.settings.get("seconds"),
        "max_tokens": packing.shape[0],
        "vocabulary": packing.settings.get("vocabulary"),
    }
    return f"{name} = {_toml(facts.get(name))}", facts.get(name) == value


def _column(name: str | None) -> str:
    return "no column" if name is None else shown(name)


def _columns(names: Sequence[str]) -> str:
    return shown(list(names), 120) if len(names) != 1 else shown(names[0])


def _toml(value: object) -> str:
    text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=True)
    return text if len(text) <= 200 else f"{text[:197]}..."
