"""Rows of a table become vectors of float32: numbers as they are, categories as their number, missing values as NaN.

What a column is, is told in the survey from all of its values, not from the first ones; ``decode`` then only looks at
the packing. Missing values stay visible (NaN): the proxy takes the median for them and is told that they were missing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import hashlib
import json
import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.modality.cells import UNFIT, is_missing, plain_number
from telltale_core.modality.drop_protocols import DropSettings
from telltale_core.modality.information_loss import Loss
from telltale_core.modality.layout_spec import Packing
from telltale_core.modality.parts import Decoder, Media
from telltale_core.modality.reasons import bad, shown

NUMBER_SHARE = 0.95
"""A column of which at least this share of the values are numbers is one of numbers; the other rows are rejected."""
MAX_CATEGORIES = 256
"""The most frequent texts of a column get a number of their own, the rest share one."""
MAX_COUNTED = 50_000
MAX_COUNTED_OF_ALL = 500_000
MAX_CATEGORY_CHARS = 200
FREE_TEXT_SHARE = 0.5
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass(slots=True)
class TextBudget:
    """How many different texts may still be held, of all columns together."""

    remaining: int = MAX_COUNTED_OF_ALL


@dataclasses.dataclass(slots=True)
class ColumnSurvey:
    """What a column of the whole drop holds."""

    budget: TextBudget
    numbers: int = 0
    missing: int = 0
    texts: Counter[str] = dataclasses.field(default_factory=Counter)
    other_texts: int = 0

    @property
    def empty(self) -> bool:
        """Whether no row has a value."""
        return not (self.numbers or self.texts or self.other_texts)

    def add(self, value: object) -> None:
        """Count one value."""
        if value is None:
            self.missing += 1
        elif isinstance(value, float):
            self.numbers += 1
        elif isinstance(value, str):
            value = value if len(value) <= MAX_CATEGORY_CHARS else _stand_in(value)
            if value in self.texts or (len(self.texts) < MAX_COUNTED and self.budget.remaining):
                self.budget.remaining -= value not in self.texts
                self.texts[value] += 1
            else:
                self.other_texts += 1
        else:
            self.other_texts += 1


def _stand_in(text: str) -> str:
    """Return a short text that stands for a long one, which is too long for a category; it is none itself."""
    return "\0" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class TableDecoder(Decoder):
    """Decodes rows given as ``{column: value}``, as a list of numbers, or as one value."""

    def __init__(self, config: DropSettings) -> None:
        self._max_columns = config.limits.max_columns
        self._columns: dict[str, ColumnSurvey] = {}
        self._budget = TextBudget()

    def probe(self, media: Media) -> int | str:
        """Return the length of a list, or ``"row"``; notes what the columns hold."""
        values = named(media)
        if isinstance(media, dict):
            for name, value in values.items():
                self._columns.setdefault(name, ColumnSurvey(self._budget)).add(_number_or_text(value, name))
            return "row"
        if isinstance(media, list | np.ndarray):
            if len(media) > self._max_columns:
                raise bad("values_invalid", f"the row has {len(media)} values, more than {self._max_columns}")
            return len(media)
        self._columns.setdefault("value", ColumnSurvey(self._budget)).add(_number_or_text(media, "value"))
        return "value"

    def plan(self, probes: Counter[Any]) -> Packing:
        """Return one place a column; ``column_unclear`` for one of free text or without any value."""
        form = probes.most_common(1)[0][0]
        if isinstance(form, int):
            columns: list[dict[str, Any]] = [{"name": f"feature {j}", "kind": "number"} for j in range(form)]
            rule = "a list of numbers a row"
        else:
            empty = [name for name, survey in self._columns.items() if survey.empty]
            if len(empty) == len(self._columns):
                raise bad("column_unclear", "all input columns are empty in all rows: name others in input_columns")
            columns = [_column(name, survey) for name, survey in self._columns.items() if not survey.empty]
            rule = "numbers and categories told from all values of a column"
            rule += f"; empty in all rows: {shown(empty, 200)}" if empty else ""
        return Packing(shape=(len(columns),), dtype="float32", settings={"columns": columns}, rule=rule)

    def decode(self, media: Media, packing: Packing) -> NDArray[Any]:
        """Return the row, (D,) float32 with NaN for what is missing; ``values_invalid`` names the column at fault."""
        return self.examined(media, packing)[0]

    def examined(self, media: Media, packing: Packing) -> tuple[NDArray[Any], Loss]:
        """Return what :meth:`decode` does, and whether the row holds a category that is one of "the rest"."""
        columns, values = packing.settings["columns"], named(media)
        if not isinstance(media, dict) and len(values) != len(columns):
            raise bad("values_invalid", f"the row has {len(values)} values, most rows have {len(columns)}")
        row_D = np.full(len(columns), np.nan, dtype=np.float32)
        for place, column in enumerate(columns):
            value = _number_or_text(values.get(column["name"]), column["name"])
            if value is not None:
                row_D[place] = _packed(value, column)
        if np.isnan(row_D).all():
            raise bad("media_missing", "all input columns of the row are empty")
        rest_D = [len(column.get("categories", ())) if column["kind"] == "category" else -1 for column in columns]
        return row_D, Loss.CATEGORIES if (row_D == rest_D).any() else Loss.NONE

    def portable(self, media: Media, sample: NDArray[Any]) -> bytes:  # noqa: ARG002
        """Return the row as JSON, by which it is identified."""
        values = media.tolist() if isinstance(media, np.ndarray) else media
        return json.dumps(values, sort_keys=True, separators=(",", ":"), default=str).encode()


def named(media: Media) -> dict[str, Any]:
    """Return a row's values by column."""
    if isinstance(media, dict):
        return media
    if isinstance(media, list | np.ndarray):
        return {f"feature {j}": value for j, value in enumerate(media)}
    return {"value": media}


def _number_or_text(value: object, name: str) -> float | str | None:
    """Return a finite number, a stripped text, or None for a missing value."""
    if isinstance(value, np.generic):
        value = value.item()
    if is_missing(value):
        return None
    if isinstance(value, dt.datetime):
        value = (value.replace(tzinfo=value.tzinfo or dt.UTC) - EPOCH).total_seconds() / 86_400
    elif isinstance(value, dt.date):
        value = value.toordinal() - EPOCH.toordinal()
    elif isinstance(value, dt.timedelta):
        value = value.total_seconds()
    elif isinstance(value, decimal.Decimal):
        value = float(value)
    value = plain_number(value)
    if isinstance(value, int | float):
        if not math.isfinite(value) or abs(value) > LARGEST:
            raise bad("values_invalid", f"the column {shown(name)} holds {value!r}, which is no finite 32-bit number")
        return float(value)
    if isinstance(value, str):
        return value.strip()
    raise bad("values_invalid", f"the column {shown(name)} holds a {type(value).__name__}, not a number or text")


def _column(name: str, survey: ColumnSurvey) -> dict[str, Any]:
    texts = survey.texts.total() + survey.other_texts
    if survey.numbers and survey.numbers >= NUMBER_SHARE * (survey.numbers + texts):
        return {"name": name, "kind": "number"}
    different = len(survey.texts)
    if different > MAX_CATEGORIES and (survey.other_texts or different > FREE_TEXT_SHARE * texts):
        raise bad(
            "column_unclear",
            f"the column {shown(name)} holds {different:,} or more different texts, most of them once: free text or an "
            "id, not a category; name the others in input_columns, or name it as id_column",
        )
    usable = [
        (text, count)
        for text, count in survey.texts.items()
        if len(text) <= MAX_CATEGORY_CHARS and not UNFIT.search(text)
    ]
    frequent = sorted(usable, key=lambda pair: (-pair[1], pair[0]))[:MAX_CATEGORIES]
    return {"name": name, "kind": "category", "categories": sorted(text for text, _ in frequent)}


def _packed(value: float | str, column: dict[str, Any]) -> float:
    if column["kind"] == "number":
        if isinstance(value, str):
            raise bad("values_invalid", f"the column {shown(column['name'])} holds {shown(value)}, not a number")
        return value
    text = value if isinstance(value, str) else f"{value:g}"
    categories = column["categories"]
    place = int(np.searchsorted(categories, text)) if categories else 0
    return float(place if place < len(categories) and categories[place] == text else len(categories))
