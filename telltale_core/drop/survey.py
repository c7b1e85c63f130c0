"""How a drop will be read: its columns and task named, and one pass over all rows that decodes nothing."""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from telltale_core.drop.ambiguous_columns import column_doubts, comma_questions, doubts
from telltale_core.drop.budget import Clock
from telltale_core.drop.config import INPUT_SETTINGS, VALUE_SETTINGS, Declared, DropConfig, check_settings
from telltale_core.drop.decode_pass import Job, Plan
from telltale_core.drop.drop_toml import (
    Reading,
    beyond,
    find_roles_named,
    find_task_named,
    followed,
    obeying,
    open_requests,
)
from telltale_core.drop.formats import class_folders, data_files, open_reader
from telltale_core.drop.layout import Roles
from telltale_core.drop.other_splits import copied
from telltale_core.drop.readers.base import Reader
from telltale_core.drop.readers.table_files import TableFiles
from telltale_core.drop.refusals import NoRowKeptError, with_cure
from telltale_core.drop.source import Source
from telltale_core.drop.split_names import ALL, counted_as
from telltale_core.drop.splits import Choice, choose_split, doubts_of, wanted_split
from telltale_core.drop.value_survey import ValueSurvey
from telltale_core.errors import BadInput
from telltale_core.modality.columns import Column
from telltale_core.modality.reasons import bad, shown
from telltale_core.questions import Question

log = logging.getLogger(__name__)


def plan_reading(source: Source, config: DropConfig, stated: Declared) -> tuple[Job, Plan]:
    """Return how the drop is read: by the operator's settings and what is inferred, the contributor naming things.

    Where it cannot be read like that, it is read as ``drop.toml`` asks, and the plan holds a question for each setting.
    """
    whole = copied(source)
    try:
        return _plan_for(source, config, stated)
    except BadInput as error:
        if not beyond(stated, config):
            raise
        source.files, source.ignored = whole.files, whole.ignored
        log.info("not readable without what drop.toml says beyond names: %s", error)
        job, plan = _plan_for(source, obeying(config, stated), Declared())
        questions = [*followed(stated, config, error), *plan.questions]
        return job, dataclasses.replace(plan, questions=tuple(questions))


def _plan_for(source: Source, config: DropConfig, stated: Declared) -> tuple[Job, Plan]:
    choice, reader, columns, (roles, questions) = _understood(source, config, stated)
    split, questions = choice.split, [*choice.questions, *questions]
    if config.split not in {None, ALL} and split is None and not roles.splits and reader.split is None:
        raise bad(
            "split_unclear", f"the drop has no split {shown(config.split)}: unset drop.split, or name one that it has"
        )
    roles = dataclasses.replace(roles, wanted=wanted_split(config), splits=() if config.split == ALL else roles.splits)
    reader.assign(roles)
    check_settings(config, roles.modality)
    job = Job(reader=reader, decoder=reader.modality.decoder(config), config=config, clock=Clock(config.limits))
    with job.decoder.session():
        plan = _survey(job, stated)
    split = reader.split or (roles.wanted if roles.splits else split)
    plan = dataclasses.replace(plan, aside={**plan.aside, **reader.rows_of_others})
    questions += [*plan.questions, *doubts(columns, roles, config), *comma_questions(columns, roles, config)]
    doubtful = [*doubts_of(choice, reader.read_files, config), *column_doubts(columns, roles, config)]
    reading = Reading(
        format=reader.format,
        files=data_files(source, reader.format),
        roles=roles,
        task=plan.task,
        packing=plan.packing,
    )
    questions += open_requests(stated, config, reading)
    return job, dataclasses.replace(plan, split=split, questions=tuple(questions), doubts=tuple(doubtful))


def _understood(
    source: Source, config: DropConfig, stated: Declared
) -> tuple[Choice, Reader, list[Column], tuple[Roles, list[Question]]]:
    """Return the split of files that is read, the reader, its columns, and their roles with questions.

    A table that says nothing of samples beside folders of classes, such as a list of class names, is not the drop.
    """
    whole, choice = copied(source), choose_split(source, config)
    reader = open_reader(source, config)
    folders = class_folders(source) if config.format is None else Counter[str]()
    columns: list[Column] = []
    try:
        columns = reader.columns()
        named = any(getattr(config, name) is not None for name in ("files", *INPUT_SETTINGS, *VALUE_SETTINGS))
        if not named and isinstance(reader, TableFiles) and _lists_classes(reader, columns, folders):
            raise bad("column_missing", "the table lists the classes by name")
        return choice, reader, columns, find_roles_named(columns, config, stated)
    except BadInput as error:
        if error.code != "column_missing" or not folders:
            headed = isinstance(reader, TableFiles) and reader.has_header
            raise with_cure(error, columns if headed else ()) from error
        log.info("the tables are not the drop, its folders are: %s", error)
        config = config.replace(format="folder")
        source.files, source.ignored = whole.files, whole.ignored
        choice = choose_split(source, config)
        folder = open_reader(source, config)
        columns = folder.columns()
        return choice, folder, columns, find_roles_named(columns, config, stated)


def _lists_classes(reader: TableFiles, columns: Sequence[Column], folders: Counter[str]) -> bool:
    """Return whether a column of a table names folders, a row each, that hold two media files or more a row."""
    for column in columns:
        if len(column.examples) > 1 and {str(value).strip() for value in column.examples} <= folders.keys():
            names = reader.cells_of(column.name, len(folders) + 1)
            several = sum(folders[name] for name in names) >= 2 * len(names)
            if several and len({*names}) == len(names) and {*names} <= folders.keys():
                return True
    return False


def _survey(job: Job, stated: Declared) -> Plan:
    """Return the plan after a pass over all rows that decodes nothing."""
    values = ValueSurvey(job.config.limits.max_classes)
    probes: Counter[Any] = Counter()
    reasons: Counter[str] = Counter()
    aside: Counter[str] = Counter()
    row_count = 0
    for batch in job.reader.batches():
        job.clock.check_drop(row_count + aside.total())
        for row in batch.rows:
            if row.aside is not None:
                aside[counted_as(row.aside, aside)] += 1
                continue
            row_count += 1
            started = job.clock.now_s()
            try:
                probe = job.decoder.probe(row.found_media())
                job.clock.check_sample(started)
                probes[probe] += 1
                values.add(row.value)
            except BadInput as error:
                reasons[error.code] += 1
    if row_count == 0 and aside:
        wanted = job.reader.roles.wanted
        raise bad(
            "split_unclear", f"no row is of the split {wanted!r}, there are {shown(sorted(aside))}: set drop.split"
        )
    if row_count == 0:
        raise bad("drop_empty", "the drop holds no rows")
    if not probes:
        raise NoRowKeptError(job, reasons)
    task, questions = find_task_named(values, job.reader.roles, job.config, stated)
    packing = job.decoder.plan(probes)
    return Plan(
        rows=row_count, fitting=probes.total(), task=task, packing=packing, questions=tuple(questions), aside=aside
    )
