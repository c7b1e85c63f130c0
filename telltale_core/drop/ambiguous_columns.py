"""What is doubtful about columns although they are read: an answer among the inputs, an input beside a list."""

from __future__ import annotations

from collections.abc import Sequence

from telltale_core.drop.config import INPUT_SETTINGS, VALUE_SETTINGS, DropConfig
from telltale_core.drop.layout import ID_NAMES, Roles, answers_are_numbers
from telltale_core.drop.unread_columns import EXACT
from telltale_core.modality import modality_named
from telltale_core.modality.columns import NOT_INPUTS, Column
from telltale_core.modality.reasons import shown
from telltale_core.questions import Question


def doubts(columns: Sequence[Column], roles: Roles, config: DropConfig) -> list[Question]:
    """Return the questions about roles that names and types leave open, unless the operator's settings name them."""
    if not modality_named(roles.modality).inline or any(getattr(config, name) is not None for name in INPUT_SETTINGS):
        return []
    splits = [
        Question(
            code="split_input",
            text=f"{text}, and was read as an input",
            cure=f"drop.split; drop.input_columns without {shown(name)}",
        )
        for name, text in _about_splits(columns, config)
        if name in roles.inputs
    ]
    named = any(getattr(config, name) is not None for name in VALUE_SETTINGS)
    return [*splits, *([] if named else _second_answers(columns, roles)), *_beside_a_list(columns, roles)]


def column_doubts(columns: Sequence[Column], roles: Roles, config: DropConfig) -> list[str]:
    """Return what is doubtful about columns that may part the rows and are no inputs, and about decimal commas."""
    about = _about_splits(columns, config)
    lines = [f"{text}: all rows are read; drop.split says which" for name, text in about if name not in roles.inputs]
    if roles.marks and config.decimal is None:
        lines.append(f"commas begin the fractions of {shown(list(roles.marks), 160)}: drop.decimal says what does")
    texts = [one.name for one in columns if one.marks and one.name in roles.values and one.name not in roles.marks]
    if texts and not (config.task or config.label_names or config.num_classes):
        lines.append(f"{shown(texts[0])} holds numbers with commas, read as texts: drop.task says if they are numbers")
    return lines


def comma_questions(columns: Sequence[Column], roles: Roles, config: DropConfig) -> list[Question]:
    """Return a question for each column of numbers whose commas are not clear, and for answers that have some."""
    said = config.task is not None or any(getattr(config, name) is not None for name in VALUE_SETTINGS)
    numbers = {*roles.inputs, *(roles.values if answers_are_numbers(config, roles.value_hint) else ())}
    asked = {}
    for column in columns if config.decimal is None else ():
        read = "begin fractions" if column.marks else "part thousands"
        if column.marks_unclear and column.name in numbers:
            asked[column.name] = f"{read}; not all of its numbers are clear"
        elif column.name in roles.marks and column.name in roles.values and not said:
            asked[column.name] = f"{read}; if they part pairs, these are no numbers"
    return [
        Question(
            code="decimal_commas",
            text=f"{shown(name)} was read as if its commas {text}",
            cure='drop.decimal = "," or "."',
        )
        for name, text in asked.items()
    ]


def _about_splits(columns: Sequence[Column], config: DropConfig) -> list[tuple[str, str]]:
    asked = config.split is not None
    return [
        (column.name, f"column {shown(column.name)} {column.doubt}") for column in columns if column.doubt and not asked
    ]


def _second_answers(columns: Sequence[Column], roles: Roles) -> list[Question]:
    """Return a question for each input that is called or marked as an answer: it may be the one to be learnt."""
    return [
        Question(
            code="two_labels",
            text=f"{shown(column.name)} looks like a label or target and was read as an input; the answer was read "
            f"from {shown(roles.values[0])}",
            cure=f"drop.label_column or drop.target_column; drop.input_columns without {shown(column.name)}",
        )
        for column in columns
        if column.name in roles.inputs and (column.feature == "ClassLabel" or EXACT.fullmatch(column.name))
    ]


def _beside_a_list(columns: Sequence[Column], roles: Roles) -> list[Question]:
    """Return a question where a row's values stand in a list and beside it: only the list is read."""
    by_name = {column.name: column for column in columns}
    if len(roles.inputs) != 1 or by_name[roles.inputs[0]].kind != "numbers":
        return []
    used_names = {*roles.inputs, *roles.values, roles.id}
    unread = [
        column.name
        for column in columns
        if column.name not in used_names
        and column.name.lower() not in {*NOT_INPUTS, *ID_NAMES}
        and (column.kind in {"whole", "real"} or column.plain_numbers)
    ]
    if not unread:
        return []
    text = (
        f"the input was read from the list {shown(roles.inputs[0])}; the numbers in {shown(unread, 160)} were not read"
    )
    return [Question(code="two_inputs", text=text, cure="drop.input_columns")]
