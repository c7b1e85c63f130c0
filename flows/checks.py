"""What ``telltale doctor`` finds, as one record a finding."""

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


def check(name: str, *, fine: bool, found: str, todo: str) -> Check:
    """Return a finding that is ``ok`` or a ``problem``; only a problem says what to do."""
    return Check(name=name, status="ok" if fine else "problem", found=found, todo="" if fine else todo)
