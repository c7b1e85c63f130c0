"""What a package says of a command that it brings: parameters and outcome, without a library for command lines.

An entry point of the group ``telltale.commands`` names a function that returns an :class:`Outcome`. An :class:`Option`
describes each parameter. A function that works on a drop takes :class:`DropArguments` first. ``flows/extensions.py``
makes a command of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """How a parameter is given: ``Annotated[int, Option(name="--jobs", help="Cases at a time.")]``."""

    name: str
    help: str
    metavar: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DropArguments:
    """What each command on a drop is given: SRC, ``--work``, and the settings of ``--config`` and ``--set`` by stage.

    ``training_progress`` opens what is told of a training's progress; None where nothing is shown.
    """

    source: str
    work: str
    settings: Mapping[str, Any]
    training_progress: Callable[[], AbstractContextManager[Callable[[Any], None] | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command has to say: ``data`` for programs; ``lines``, and rows below ``heads``, for people.

    ``code`` is the exit code: 0 is success.
    """

    data: Any
    lines: Sequence[str] = ()
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    after: Sequence[str] = ()
    code: int = 0
