"""Which folder of an inbox feeds which dataset: the operator's allow-list, checked where it is read."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from telltale_core.errors import ConfigError

MAX_NAME_CHARS = 100
NAME_RULE = f"1 to {MAX_NAME_CHARS} of A-Z a-z 0-9 . _ - and begins with no . or _"
EXAMPLE = '[datasets.signs] inbox = ["team-a/signs"]'
_NAME = re.compile(rf"(?![._])[A-Za-z0-9._-]{{1,{MAX_NAME_CHARS}}}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """The folders of the inbox whose drops are taken, each with its dataset; made by :func:`allow_list`.

    ``folders`` is None where any folder is taken: then the inbox's folders are called as the datasets.
    """

    folders: Mapping[str, str] | None
    above: frozenset[str] = frozenset()  # the folders on the way to those

    def dataset(self, folder: str) -> str | None:
        """Return the dataset that a folder feeds, None where it feeds none."""
        if self.folders is not None:
            return self.folders.get(folder)
        return folder if is_name(folder) else None

    def fed_by(self, dataset: str) -> list[str]:
        """Return the folders that feed a dataset."""
        if self.folders is None:
            return [dataset]
        return [folder for folder, fed in self.folders.items() if fed == dataset]

    def split(self, parts: Sequence[str]) -> int:
        """Return how many of a file's folders name its place: those of a folder listed, or up to where none goes on.

        So all that lies elsewhere below one folder has one place.
        """
        depth = 1
        while depth < len(parts) and "/".join(parts[:depth]) in self.above:
            depth += 1
        return depth


ANY = AllowList(folders=None)


def is_name(text: str) -> bool:
    """Return whether a text may name a dataset, or a folder of the allow-list."""
    return _NAME.fullmatch(text) is not None


def allow_list(datasets: Any) -> AllowList:
    """Return the allow-list of a table such as ``{"signs": ["team-a/signs"]}``; of None, that any folder is taken.

    Raises :class:`ConfigError` for a table that is empty or unclear: each folder feeds one dataset, and lies in no
    other folder of the table.
    """
    if datasets is None:
        return ANY
    if not isinstance(datasets, Mapping) or not datasets:
        raise ConfigError(
            f"no table says which folder of the inbox feeds which dataset: give each dataset its folders, as in "
            f"{EXAMPLE}, and run telltale deploy --config FILE; found {datasets!r}"
        )
    folders: dict[str, str] = {}
    for dataset, entry in datasets.items():
        where = f"datasets.{dataset}.inbox"
        if not is_name(str(dataset)):
            raise ConfigError(f"{where}: a dataset's name has {NAME_RULE}; rename it")
        if not isinstance(entry, Sequence) or isinstance(entry, str) or not entry:
            raise ConfigError(f"{where} must be a list of folders below the inbox, as in {EXAMPLE}; found {entry!r}")
        for folder in entry:
            _check_folder(folder, where)
            _check_apart(folder, str(dataset), folders)
            folders[folder] = str(dataset)
    return AllowList(folders=folders, above=frozenset(above for folder in folders for above in _above(folder)))


def _check_folder(folder: Any, where: str) -> None:
    if not isinstance(folder, str) or not all(map(is_name, folder.split("/"))):
        raise ConfigError(
            f"{where}: {folder!r} is no folder below the inbox: write it without the inbox's own address, without / at "
            f"its ends and without .., as in {EXAMPLE}; each part has {NAME_RULE}"
        )


def _check_apart(folder: str, dataset: str, datasets: Mapping[str, str]) -> None:
    for other, owner in datasets.items():
        if f"{folder}/".startswith(f"{other}/") or f"{other}/".startswith(f"{folder}/"):
            raise ConfigError(
                f"datasets.{dataset}.inbox: {folder} is the same as, lies in or holds {other} of "
                f"datasets.{owner}.inbox: a folder feeds one dataset, once; give each a folder of its own"
            )


def _above(folder: str) -> list[str]:
    parts = folder.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]
