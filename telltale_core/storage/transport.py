"""What a kind of store must be able to do: one try each, no retries, its own errors explained by class and code."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import Protocol, TypeAlias

from telltale_core.errors import NotFound, StorageError, Transient

Content: TypeAlias = bytes | memoryview
"""The bytes of an object; a memoryview is of unsigned bytes, one dimension."""


class Kind(enum.Enum):
    """What a failed try means for the next one."""

    MISSING = "missing"  # the key does not exist
    EXISTS = "exists"  # the key that was to be created stands
    AGAIN = "again"  # may pass: try again
    LATER = "later"  # may pass, but not within this call (expired credentials)
    NEVER = "never"  # trying again is useless


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why one try failed. ``detail`` holds only classes and codes, so never a credential."""

    kind: Kind
    detail: str
    maybe_done: bool = False  # the store may have carried the request out although the reply says or shows nothing

    def error(self, action: str, where: str) -> StorageError:
        """Return the public error for this failure of ``action`` at ``where``."""
        if self.kind is Kind.MISSING:
            return NotFound(f"{where} does not exist ({self.detail})")
        family = Transient if self.kind in {Kind.AGAIN, Kind.LATER} else StorageError
        return family(f"could not {action} {where}: {self.detail}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One object: its key, its size and when the store says it was last written (seconds since 1970, store's clock)."""

    key: str
    bytes: int
    modified_s: float


class Transport(Protocol):
    """One try of each operation on keys that are already checked; failures are of the classes in ``errors``."""

    errors: tuple[type[Exception], ...]

    def explain(self, error: Exception) -> Failure:
        """Return what a raised error means, judged by class and code, never by text."""
        ...

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        ...

    def digest(self, key: str) -> str:
        """Return the sha256 of the object's bytes, 64 hex digits, read a part at a time."""
        ...

    def put(self, key: str, data: Content) -> None:
        """Write the object whole, replacing an older one."""
        ...

    def create(self, key: str, data: Content) -> None:
        """Write the object whole if, and only if, the key does not exist; atomic against other creators."""
        ...

    def persist(self, key: str) -> None:
        """Return once the object, whoever created it, stays through a power cut."""
        ...

    def stat(self, key: str) -> Entry:
        """Return size and time of one object."""
        ...

    def scan(self, folder: str) -> list[Entry]:
        """Return all objects whose keys begin with ``folder`` and a slash (all for ``""``), in any order."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; not an error if it is absent."""
        ...

    def upload(self, path: Path, key: str) -> None:
        """Write a local file's content as the object, replacing an older one."""
        ...

    def download(self, key: str, path: Path) -> None:
        """Write the object's content to a local file that does not exist yet."""
        ...
