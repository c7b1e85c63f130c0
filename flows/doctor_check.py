"""One finding of ``telltale doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding: a ``problem`` stops something from working, a ``note`` is good to know; ``todo`` says what to do."""

    name: str
    status: Status
    found: str
    todo: str = ""
