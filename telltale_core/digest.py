"""Names by content: the digests that caches, records and run keys are made of."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHUNK_BYTES = 1 << 20


def sha256_bytes(data: bytes | memoryview) -> str:
    """Return the sha256 of ``data`` as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file's bytes as 64 hex digits, reading 1 MiB at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(value: Any) -> str:
    """Return the sha256 of a JSON-serialisable value, 64 hex digits."""
    return sha256_bytes(canonical_json(value))


@functools.cache
def _package_digest(package: str) -> str:
    root = Path(__file__).parent / package
    files = sorted(root.rglob("*.py")) + sorted(root.rglob("*.j2")) if root.is_dir() else [root.with_suffix(".py")]
    lines = (f"{path.relative_to(root.parent).as_posix()} {sha256_file(path)}" for path in files)
    return sha256_bytes("\n".join(lines).encode())


def code_version(packages: Iterable[str]) -> str:
    """Return a digest of the source of the named packages of ``telltale_core``, 16 hex digits.

    Part of every cache key: a mended line in ``spectrum`` makes that stage run again and leaves training cached.
    """
    return digest_of({package: _package_digest(package) for package in sorted(packages)})[:16]
