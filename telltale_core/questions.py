"""What a person must decide before a drop is published: one list for the statement, the records, exit codes and flows.

A stage that finds something doubtful writes a :class:`Question` into its record's ``questions``. Publication gathers
those of the drop, of the verdict and of the comparison with the dataset's last version; where one is open and nobody
has approved, nothing is published.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing that a person must decide.

    ``code`` is stable and machine-readable (``"two_labels"``), ``text`` says in one sentence what was found, ``cure``
    names the setting of the operator that answers it for all drops of the dataset; empty where only a look helps.
    """

    code: str
    text: str
    cure: str = ""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Question:
        """Return the question that a record holds."""
        return cls(code=str(record["code"]), text=str(record["text"]), cure=str(record.get("cure", "")))


def questions_of(record: Mapping[str, Any]) -> list[Question]:
    """Return the open questions of a record (``manifest.json`` of a drop, ``verdict.json``), in order."""
    return [Question.of(item) for item in record.get("questions", ())]


def as_record(questions: Iterable[Question]) -> list[dict[str, str]]:
    """Return questions as JSON values, each code and text once, in order."""
    return [dataclasses.asdict(question) for question in dict.fromkeys(questions)]
