"""Where a command reads and writes: checked before anything starts."""

from __future__ import annotations

from pathlib import Path

from telltale_core.errors import ConfigError, NotFound


def check_places(source: str, **written: str) -> None:
    """Raise where a local drop is not there, or where what is written (by option: a place) would lie inside it."""
    from telltale_core.storage.names import parse_url

    targets = {option: parse_url(place) for option, place in written.items() if place}
    if "://" in source and not source.startswith("file://"):
        return
    root = Path(source.removeprefix("file://")).expanduser().resolve()
    if not root.exists():
        raise NotFound(f"{source!r} is neither a file nor a folder: check the path of the drop")
    for option, target in targets.items():
        path = Path(target.path)
        if target.scheme == "file" and root.is_dir() and (path == root or root in path.parents):
            raise ConfigError(
                f"--{option} {written[option]} lies in the drop {source}, and its files would become part of it: give "
                f"--{option} a folder outside of the drop"
            )
