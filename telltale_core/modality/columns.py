"""Columns of a drop as readers find them: what a modality recognises its input by."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

NOT_INPUTS = frozenset({"index", "unnamed: 0", "__index_level_0__", "split"})
"""Lower-case names of columns that number or part the rows and say nothing of them."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. ``kind``: media, bytes, text, whole, real, numbers, other; ``feature``: Hugging Face's type.

    ``examples`` are some of its first values as they were found, where ``kind`` does not tell what they are (in CSV all
    is text), and paths of media files. ``files``: the kind of data of the drop's files that it names.
    ``splits``: its cells name the split of each row. ``doubt``: what they say where they name splits and part no rows.
    ``marks``: ``","`` where a comma begins the fractions of its texts, ``".,"`` where points part thousands there, too.
    ``marks_unclear``: commas, or points, may part thousands and may begin fractions.
    """

    name: str
    kind: str
    feature: str | None = None
    class_names: tuple[str, ...] | None = None
    examples: tuple[object, ...] = ()
    files: str | None = None
    splits: bool = False
    doubt: str = ""
    marks: str = ""
    marks_unclear: bool = False

    @property
    def plain_numbers(self) -> bool:
        """Whether the examples are texts of one number each."""
        texts = [value for value in self.examples if isinstance(value, str) and value.strip()]
        return bool(texts) and all(is_number(text) for text in texts)


def is_number(text: str) -> bool:
    """Return whether a text is one number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def endings(values: Sequence[object]) -> Iterator[str]:
    """Yield the lower-case endings, such as ``".wav"``, of the values that are texts with one."""
    for value in values:
        if isinstance(value, str) and "." in value[-8:]:
            yield f".{value.rsplit('.', 1)[1].strip().lower()}"
