"""Commands that other packages bring: entry points of the group ``telltale.commands``, each with the extra it needs.

``compare = "telltale_core.bench.compare_command:compare [bench]"`` in ``pyproject.toml`` adds ``telltale compare``.
Nothing here knows a command by its name. A command whose extra is not installed is listed, and says how to get it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, requires, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flows.console import Outcome
from telltale_core.errors import ConfigError

GROUP = "telltale.commands"
Command = Callable[..., Outcome]


def commands() -> dict[str, Command]:
    """Return the commands of installed packages by name; of several with one name, the first."""
    commands_by_name: dict[str, Command] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        commands_by_name.setdefault(entry.name, _command(entry))
    return commands_by_name


def _command(entry: EntryPoint) -> Command:
    absent = [name for extra in entry.extras for name in missing(entry, extra)]
    if not absent:
        function: Command = entry.load()
        return function

    def refuse() -> Outcome:
        package = entry.dist.name if entry.dist else "telltale-cleanse"
        raise ConfigError(
            f"telltale {entry.name} needs {', '.join(absent)}, not installed here: "
            f'pip install "{package}[{",".join(entry.extras)}]"'
        )

    refuse.__doc__ = f"Not installed: needs the extra {', '.join(entry.extras)}."
    return refuse


def missing(entry: EntryPoint, extra: str) -> list[str]:
    """Return the libraries of an extra of the entry point's package that are not installed."""
    if entry.dist is None:
        return []
    return [name for name in _libraries(entry.dist.name, extra) if not _installed(name)]


def _libraries(package: str, extra: str) -> Iterator[str]:
    for line in requires(package) or ():
        need = Requirement(line)
        if need.marker is None or not need.marker.evaluate({"extra": extra}) or need.marker.evaluate({"extra": ""}):
            continue
        if canonicalize_name(need.name) == canonicalize_name(package):
            for other in need.extras:
                yield from _libraries(package, other)
        else:
            yield need.name


def _installed(library: str) -> bool:
    try:
        version(library)
    except PackageNotFoundError:
        return False
    return True
