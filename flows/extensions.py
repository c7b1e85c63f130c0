"""Commands that other packages bring: entry points of the group ``telltale.commands``, each with the extra it needs.

``compare = "telltale_core.bench.compare_command:compare [bench]"`` in ``pyproject.toml`` adds ``telltale compare``.
Nothing here knows a command by its name. A command whose extra is not installed is listed, and says how to get it.
A command of the core describes its parameters as :mod:`telltale_core.commands` has it; typer's own words do as well.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, requires, version
from typing import Annotated, Any, get_args, get_origin

import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flows.options import Config, Set, Src, Work
from flows.progress import training_progress
from flows.settings import read_settings
from telltale_core.commands import DropArguments, Option, Outcome
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
        return for_typer(entry.load())

    def refuse() -> Outcome:
        package = entry.dist.name if entry.dist else "telltale-cleanse"
        raise ConfigError(
            f"telltale {entry.name} needs {', '.join(absent)}, not installed here: "
            f'pip install "{package}[{",".join(entry.extras)}]"'
        )

    refuse.__doc__ = f"Not installed: needs the extra {', '.join(entry.extras)}."
    return refuse


def for_typer(function: Command) -> Command:
    """Return a command with typer's options; SRC, --work, --config and --set make its :class:`DropArguments`."""
    parameters = [each.replace(annotation=_annotation(each)) for each in _parameters(function)]
    on_drop = bool(parameters) and parameters[0].annotation is DropArguments
    if on_drop:
        source, *options = _parameters(_drop_arguments)
        parameters = [source, *parameters[1:], *options]

    @functools.wraps(function)
    def run(**values: Any) -> Outcome:
        if not on_drop:
            return function(**values)
        shared = {each.name: values.pop(each.name) for each in (source, *options)}
        return function(_drop_arguments(**shared), **values)

    run.__signature__ = inspect.Signature(parameters, return_annotation=Outcome)  # type: ignore[attr-defined]
    return run


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    return list(inspect.signature(function, eval_str=True).parameters.values())


def _annotation(parameter: inspect.Parameter) -> Any:
    if get_origin(parameter.annotation) is not Annotated:
        return parameter.annotation
    kind, *notes = get_args(parameter.annotation)
    return Annotated[kind, *(_typers(note) if isinstance(note, Option) else note for note in notes)]


def _typers(option: Option) -> Any:
    return typer.Option(option.name, metavar=option.metavar, help=option.help)


def _drop_arguments(source: Src, *, work: Work = "runs", config: Config = None, settings: Set) -> DropArguments:
    from telltale_core.config import to_dict

    chosen = to_dict(read_settings(config, settings))
    return DropArguments(source=source, work=work, settings=chosen, training_progress=training_progress)


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
