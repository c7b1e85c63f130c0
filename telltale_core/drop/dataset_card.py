"""The splits that a Hugging Face dataset card states: ``configs`` and their ``data_files`` in the head of README.md."""

from __future__ import annotations

import fnmatch
import itertools
import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from telltale_core.drop.source import Source
from telltale_core.drop.split_names import LONGEST_NAME, TRAIN, split_named
from telltale_core.modality.reasons import bad, shown

log = logging.getLogger(__name__)
CARD = "README.md"
HEAD = re.compile(rb"(\xef\xbb\xbf)?---[ \t]*\r?\n(.*?)\r?\n---", re.DOTALL)
HEAD_BYTES = 256 << 10
MOST_PATTERNS = 1000
LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Makes texts of all scalars: what a contributor writes is no number of any length, and no date."""
DEEPEST = 50
YES = {"true", "yes", "on"}
CURE = "correct it, or leave README.md out"


def splits_by_card(source: Source) -> dict[str, str | None]:
    """Return the split of each file that the card's configuration names; none without a card that names any.

    Of several configurations the one called ``default``, or marked so, is read. Raises ``split_unclear`` where there
    is none, or where the card cannot be read.
    """
    config = _config(_head(source))
    split_of: dict[str, str | None] = {}
    entries = list(_entries(config))
    if sum(len(patterns) for _, patterns in entries) > MOST_PATTERNS:
        raise bad("split_unclear", f"{CARD} names more than {MOST_PATTERNS} patterns of files: {CURE}")
    for split, patterns in entries:
        for pattern in patterns:
            for key in _matching(source, pattern.removeprefix("./").split("/")):
                if split_of.setdefault(key, split) != split:
                    raise bad("split_unclear", f"{CARD} names {shown(key)} as of two splits: {CURE}")
    if entries and not split_of:
        log.info("%s names no file of the drop", CARD)
    return split_of


def _head(source: Source) -> dict[str, Any]:
    """Return what the head of the card says; nothing where it has none, or no configurations."""
    file = source.files.get(CARD)
    if file is None:
        return {}
    with source.open(file) as handle:
        begin = handle.read(HEAD_BYTES)
    head = HEAD.match(begin)
    if head is None or b"data_files" not in head[2]:
        if begin.startswith(b"---") and b"data_files" in begin and len(begin) == HEAD_BYTES:
            raise bad("split_unclear", f"the head of {CARD} is longer than {HEAD_BYTES:,} bytes: {CURE}")
        return {}
    try:
        text = head[2].decode()
        _check_nesting(text)
        values = yaml.load(text, Loader=LOADER)  # noqa: S506 - makes lists, dictionaries and texts alone
    except (yaml.YAMLError, ValueError) as error:
        raise bad("split_unclear", f"the head of {CARD} is no valid YAML ({type(error).__name__}): {CURE}") from error
    return values if isinstance(values, dict) else {}


def _check_nesting(text: str) -> None:
    """Raise ``split_unclear`` for YAML that its loader must not be given: it recurses in C, and repeats by aliases."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or isinstance(event, yaml.AliasEvent):
            what = "an alias" if depth <= DEEPEST else f"more than {DEEPEST} levels"
            raise bad("split_unclear", f"the head of {CARD} has {what}: {CURE}")


def _config(head: dict[str, Any]) -> dict[str, Any]:
    stated = head.get("configs")
    configs = [one for one in stated if isinstance(one, dict)] if isinstance(stated, list) else []
    if len(configs) < 2:
        return configs[0] if configs else {}
    for config in configs:
        marked = config.get("default")
        if (isinstance(marked, str) and marked.lower() in YES) or config.get("config_name", "default") == "default":
            return config
    names = [name for config in configs if isinstance(name := config.get("config_name"), str)]
    raise bad(
        "split_unclear",
        f"{CARD} has {len(configs)} configurations, none the default, such as {shown(names[:4], 160)}: set drop.files "
        f"to the pattern of one's train files, {shown(_first_pattern(configs[0]))}",
    )


def _first_pattern(config: dict[str, Any]) -> str:
    patterns = dict(_entries(config))
    return next(iter(patterns.get(TRAIN) or next(iter(patterns.values()), ["train*"])), "train*")


def _entries(config: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield the splits of a configuration with their patterns, relative to the top of the drop."""
    files, folder = config.get("data_files"), config.get("data_dir")
    entries = files if isinstance(files, list) else [] if files is None else [files]
    if isinstance(files, dict):
        entries = [{"split": split, "path": path} for split, path in files.items()]
    above = f"{folder.strip('/')}/" if isinstance(folder, str) and folder.strip("./") else ""
    for entry in entries:
        split, paths = (entry.get("split"), entry.get("path")) if isinstance(entry, dict) else (TRAIN, entry)
        patterns = [path for path in (paths if isinstance(paths, list) else [paths]) if isinstance(path, str)]
        if not isinstance(split, str) or not 0 < len(split) <= LONGEST_NAME or not split.isprintable():
            what = f"of up to {LONGEST_NAME} printable characters, as {shown(split)} is not"
            raise bad("split_unclear", f"a split in {CARD} must have a name {what}: {CURE}")
        yield split_named(split) or split, [above + pattern for pattern in patterns]


def _matching(source: Source, pattern: Sequence[str]) -> Iterator[str]:
    """Yield the keys that a pattern matches, part by part; ``**`` stands for any number of folders."""
    pattern = [part for part, after in itertools.pairwise([*pattern, ""]) if (part, after) != ("**", "**")]
    for key in source.files:
        parts = key.split("/")
        places = {0}
        for part in pattern:
            if not places:
                break
            if part == "**":
                places = set(range(min(places), len(parts) + 1))
            else:
                places = {
                    place + 1 for place in places if place < len(parts) and fnmatch.fnmatchcase(parts[place], part)
                }
        if len(parts) in places and key != CARD:
            yield key
