"""Where a command reads and writes: checked before anything starts."""

from __future__ import annotations

from pathlib import Path

from telltale_core.errors import ConfigError, NotFound


def check_places(source: str, **written: str) -> None:
    """Raise where a local drop is not there, or where what is written (by option: a place) would lie inside it."""
    root = _local(source)
    if root is None:
        return
    if not root.exists():
        raise NotFound(f"{source!r} is neither a file nor a folder: check the path of the drop")
    for option, place in written.items():
        target = _local(place) if place else None
        if target is not None and root.is_dir() and (target == root or root in target.parents):
            raise ConfigError(
                f"--{option} {place} lies in the drop {source}, and its files would become part of it: give --{option} "
                "a folder outside of the drop"
            )


def _local(place: str) -> Path | None:
    """Return a place of this machine; None for a URL of another."""
    if "://" in place and not place.startswith("file://"):
        return None
    return Path(place.removeprefix("file://")).expanduser().resolve()
