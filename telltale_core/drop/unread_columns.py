"""The columns of a drop that the proxy does not see: which they are, and which of them a model could be trained on."""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from telltale_core.drop.config import INPUT_SETTINGS, VALUE_SETTINGS, DropConfig
from telltale_core.drop.layout import arrow_kind, huggingface_features
from telltale_core.modality import modalities

BATCH_ROWS = 1024
MOST_VALUES = 10_000  # more different values than this are no classes
PATHS_TRIED = 16  # of a batch
MANY_NUMBERS = 16  # columns of single numbers that are an input together, such as pixels
EXACT = re.compile(r"(labels?|targets?)", re.IGNORECASE)
LABEL_LIKE = re.compile(
    r"label|class(?!ic)|categor|target|(?<![a-z])(y|gt|coarse|fine|truth|annotation)(?![a-z])", re.IGNORECASE
)
_WORD, _SIGN = r"(?:^|\s)\pL{2,}", r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}]"
_NUMBERS = r"^\s*\[?(\s*-?[0-9][0-9eE+.-]*[\s,]+){7}|^\s*\[[]\[\s,eE0-9+.-]*[0-9][]\[\s,eE0-9+.-]*\]\s*$"
_NESTED = r"""(?s)^\s*(\{\s*["'].*\}|\[\s*(["'\[{]|true|false|null).*\])\s*$"""
"""Lists and objects as JSON lines and CSV hold them: as their text."""
_SHARE = 0.1  # of a column's values, from which on it is what they are
_WORDS, _SIGNS, _LONG = 5, 6, 256
_DIGEST = 64  # bytes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A column that the proxy did not see.

    ``like`` says what a model could take it for: ``media``, ``numbers`` (lists of them, or many columns), ``text``,
    ``long`` (as encoded media are), ``nested``, ``label``; ``""`` for a passenger such as an id, a source, a score.

    ``asks``: a person is asked about it, unless the dataset's setting ``publish.unread`` decides.
    """

    column: str
    type: str
    like: str
    asks: bool


@dataclasses.dataclass(slots=True)
class _Facts:
    """What the values of a column are, counted over the whole drop."""

    filled: int = 0
    wordy: int = 0
    long: int = 0
    numbers: int = 0
    nested: int = 0
    paths: int = 0
    values: set[object] = dataclasses.field(default_factory=set)
    pairs: set[tuple[object, object]] | None = dataclasses.field(default_factory=set)

    def like(self, name: str, feature: str | None) -> str:
        """Return what a model could take the column for; ``""`` for a passenger."""
        if self.filled == 0 or len(self.values) < 2:
            return ""  # the same in all rows: nothing can be learnt from it
        if self.paths:
            return "media"
        counts = {"numbers": self.numbers, "nested": self.nested, "long": self.long, "text": self.wordy}
        for what, count in counts.items():
            if count > _SHARE * self.filled:
                return what
        named = feature == "ClassLabel" or EXACT.fullmatch(name) or (LABEL_LIKE.search(name) and self._few())
        return "label" if named and not self._renames_the_label() else ""

    def _few(self) -> bool:
        return len(self.values) <= min(MOST_VALUES, self.filled / 2)

    def _renames_the_label(self) -> bool:
        """Return whether each value goes with one label and each label with one value, as a class's name does."""
        if self.pairs is None or not self.pairs:
            return False
        return len(self.pairs) == len({one for one, _ in self.pairs}) == len({other for _, other in self.pairs})


def find_unread(
    payload: Path,
    columns: Mapping[str, Any],
    config: DropConfig,
    media_files: Collection[str] = (),
    inputs: Collection[str] = (),
) -> list[Unread]:
    """Return the columns of ``payload`` (a Parquet file) that are neither input nor answer, in their order.

    ``columns`` are the payload's names of input, answer and id; ``media_files`` are the keys of the drop's media files,
    by which a column of paths is known. An id among the ``inputs``, the columns that were read, names the sample's own
    media: it is a passenger.
    """
    with pq.ParquetFile(payload) as file:
        schema = file.schema_arrow
        read = {name for role, names in columns.items() if role != "id" for name in _as_list(names)}
        unread = [field for field in schema if field.name not in read]
        features = {name: feature[0] for name, feature in huggingface_features(schema.metadata).items()}
        kinds = {field.name: _by_type(field, features.get(field.name)) for field in unread}
        plain = [field.name for field in unread if kinds[field.name] is None]
        answer = [name for role in ("label", "target") for name in _as_list(columns.get(role))]
        media = _with_folders(media_files) if plain else frozenset[str]()
        facts = _survey(file, plain, answer[0] if len(answer) == 1 else None, media)
    like = {name: kind or "" for name, kind in kinds.items()}
    for name in plain:
        like[name] = "" if name in inputs else facts[name].like(name, features.get(name))
    numbers = [field.name for field in unread if arrow_kind(field.type) in {"whole", "real"} and not like[field.name]]
    if len(numbers) >= MANY_NUMBERS:
        like.update(dict.fromkeys(numbers, "numbers"))
    named = {
        "label": any(getattr(config, name) is not None for name in VALUE_SETTINGS),
        "input": any(getattr(config, name) is not None for name in INPUT_SETTINGS),
    }
    return [
        Unread(
            column=field.name,
            type=str(field.type),
            like=like[field.name],
            asks=bool(like[field.name]) and not named["label" if like[field.name] == "label" else "input"],
        )
        for field in unread
    ]


def _as_list(names: object) -> list[str]:
    if names is None:
        return []
    return [str(name) for name in names] if isinstance(names, list | tuple) else [str(names)]


def _by_type(field: pa.Field, feature: str | None) -> str | None:
    """Return what a column is by its type alone; None where its values have to be looked at."""
    if feature is not None and feature in {kind.feature for kind in modalities()} | {"Video", "Pdf"}:
        return "media"
    type_ = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    kind = arrow_kind(type_)
    if pa.types.is_fixed_size_binary(type_) and type_.byte_width <= _DIGEST:
        return None  # a UUID, a hash
    if kind in {"media", "bytes"} or pa.types.is_binary_view(type_):
        return "media"
    if kind == "numbers":
        inner = arrow_kind(type_.value_type)
        return "numbers" if inner in {"whole", "real", "numbers"} else "nested"
    return "nested" if pa.types.is_nested(type_) else None


def _with_folders(files: Collection[str]) -> frozenset[str]:
    """Return keys of media files, and their last parts: a path may be relative to its table."""
    endings = {ending for kind in modalities() for ending in kind.suffixes}
    media = [key for key in files if posixpath.splitext(key)[1].lower() in endings]
    return frozenset(part for key in media for part in (key, posixpath.basename(key)))


def _survey(
    file: pq.ParquetFile, plain: Sequence[str], answer: str | None, media: Collection[str]
) -> dict[str, _Facts]:
    """Return what the columns hold, in one pass that reads nothing else."""
    facts = {name: _Facts() for name in plain}
    names = [*plain, *([answer] if answer is not None and plain else [])]
    for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False) if plain else ():
        answers = batch.column(answer) if answer is not None else None
        for name in plain:
            _count(facts[name], batch.column(name), answers, media)
    return facts


def _count(facts: _Facts, column: pa.Array, answers: pa.Array | None, media: Collection[str]) -> None:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    if pa.types.is_temporal(column.type) and column.type.bit_width in {32, 64}:  # Python knows no date beyond year 9999
        column = column.view(pa.int64() if column.type.bit_width == 64 else pa.int32())
    facts.filled += len(column) - column.null_count
    if arrow_kind(column.type) == "text":
        _count_texts(facts, column.cast(pa.large_string()), media)
    different = pc.unique(column).drop_null()
    if len(facts.values) <= MOST_VALUES:
        facts.values.update(_short(different.slice(0, MOST_VALUES + 1).to_pylist()))
    if answers is None or len(facts.values) > MOST_VALUES or pa.types.is_nested(answers.type):
        facts.pairs = None
    if facts.pairs is not None and answers is not None:
        table = pa.table({"value": column, "answer": answers}).group_by(["value", "answer"]).aggregate([]).to_pydict()
        facts.pairs.update(zip(_short(table["value"]), table["answer"], strict=True))
        if len(facts.pairs) > MOST_VALUES:
            facts.pairs = None


def _count_texts(facts: _Facts, texts: pa.Array, media: Collection[str]) -> None:
    words = pc.count_substring_regex(texts, _WORD)
    signs = pc.count_substring_regex(texts, _SIGN)
    facts.wordy += _true(pc.or_(pc.greater_equal(words, _WORDS), pc.greater_equal(signs, _SIGNS)))
    facts.long += _true(pc.greater_equal(pc.utf8_length(texts), _LONG))
    facts.numbers += _true(pc.match_substring_regex(texts, _NUMBERS))
    facts.nested += _true(pc.match_substring_regex(texts, _NESTED))
    for text in texts.drop_null().slice(0, PATHS_TRIED).to_pylist():
        facts.paths += len(text) <= 4096 and (text in media or posixpath.basename(text.strip()) in media)


def _true(flags: pa.Array) -> int:
    return pc.sum(pc.cast(flags, pa.int64())).as_py() or 0


def _short(values: Iterable[object]) -> list[object]:
    """Return values that fit into a set, long texts by their hash."""
    return [hash(value) if isinstance(value, str) and len(value) > 64 else value for value in values]
