"""Class names that look alike: which spellings are one class, which are two that a person should look at.

Three degrees. *Safe*: the same letters in another Unicode normal form, with invisible characters or other blanks; they
are one class. *Alike*: the same picture in another case, width or script (Unicode Technical Standard 39, by the table
of the library ``confusable_homoglyphs``), or a digit for a letter; these are two classes, and a question names them.
All else differs. ``drop.fold_classes`` moves the border.
"""

from __future__ import annotations

import dataclasses
import functools
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from telltale_core.modality.reasons import shown
from telltale_core.questions import Question

Fold = Literal["exact", "safe", "all"]
JOINERS = frozenset("\u200c\u200d\ufe0e\ufe0f")
"""Invisible, but part of how Persian, Indic scripts and emoji are written: kept in a published name."""
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
"""Characters without a picture that Unicode does not call format characters (category Cf)."""
SWAPPED = str.maketrans("1I|0", "lllO")
LEAST_SWAPPED = 4
"""A digit for a letter is looked for in names of so many characters: 0 and O, 1 and l are classes of handwriting."""
MOST_NAMED = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The classes of a drop by every spelling that occurs.

    ``names`` in the order of the labels, None where labels are numbers; ``label_of`` text without outer blanks to
    label; ``same`` label of a declared class to the one it is folded into; ``numbers`` a whole number to its label,
    where labels are not these numbers; ``spelling_of`` a spelling to the published one; ``folded`` says of each class
    with several spellings how many rows have which; ``alike`` groups of classes that a person should look at, with
    their rows.
    """

    names: tuple[str, ...] | None = None
    label_of: Mapping[str, int] = dataclasses.field(default_factory=dict)
    same: Mapping[int, int] = dataclasses.field(default_factory=dict)
    numbers: Mapping[int, int] = dataclasses.field(default_factory=dict)
    spelling_of: Mapping[str, str] = dataclasses.field(default_factory=dict)
    folded: tuple[dict[str, object], ...] = ()
    alike: tuple[dict[str, int], ...] = ()

    def published(self, value: object) -> object:
        """Return a label as it is to be published: what is judged as one class is written in one way."""
        if isinstance(value, str):
            return self.spelling_of.get(value.strip(), value.strip())
        if self.same and isinstance(value, int | float) and value in self.same:
            return type(value)(self.same[int(value)])
        return value

    def questions(self) -> list[Question]:
        """Return the question on classes that look alike, if there are any."""
        if not self.alike:
            return []
        groups = "; ".join(_listed(group) for group in self.alike[:MOST_NAMED])
        more = f"; and {len(self.alike) - MOST_NAMED} more groups" if len(self.alike) > MOST_NAMED else ""
        return [
            Question(
                code="classes_look_alike",
                text=f"Classes differ only in case, width, script or a digit for a letter: {groups}{more}",
                cure='drop.fold_classes = "all" makes them one class each, "exact" takes them as different',
            )
        ]


def plain(name: str) -> str:
    """Return a name as it is published: normal form C, single blanks inside and none outside, nothing invisible."""
    if name.isascii():
        return " ".join(name.split())
    visible = (letter for letter in unicodedata.normalize("NFC", name) if letter in JOINERS or not _invisible(letter))
    return unicodedata.normalize("NFC", " ".join("".join(visible).split()))


def safe_key(name: str) -> str:
    """Return what all spellings have in common that are one class for sure."""
    return plain(name) if name.isascii() else plain("".join(letter for letter in name if letter not in JOINERS))


def alike_key(name: str) -> str:
    """Return what all spellings have in common that look alike, whatever their case, width or script.

    The case of a single letter counts: handwriting has classes ``a`` and ``A``.
    """
    letters = safe_key(name)
    if not letters.isascii():
        letters = unicodedata.normalize("NFKC", _skeletons(unicodedata.normalize("NFD", letters)))
    if len(letters) > 1:
        letters = letters.casefold()
        letters = letters if letters.isascii() else _skeletons(letters)
    return unicodedata.normalize("NFC", letters)


def swapped_key(name: str) -> str:
    """Return what a name and the same with a digit for a letter have in common."""
    letters = safe_key(name)
    return letters.translate(SWAPPED) if len(letters) >= LEAST_SWAPPED else letters


KEYS: dict[Fold, tuple[Callable[[str], str], ...]] = {
    "exact": (str,),
    "safe": (safe_key,),
    "all": (safe_key, alike_key, swapped_key),
}


def sort_out(names: Sequence[str], texts: Mapping[str, int], fold: Fold, *, numbered: bool) -> Classes:
    """Return the classes called ``names``, as rows spell them (``texts``: how many rows have which).

    ``numbered``: rows may hold the number of a name, so that no name can go; else a class is listed once.
    """
    group_of = {name: group for group in _groups(dict.fromkeys((*names, *texts)), KEYS[fold]) for name in group}
    listed: list[str] = []
    same: dict[int, int] = {}
    label_of: dict[str, int] = {}
    for name in names:
        group = group_of[name]
        label = label_of.get(group[0])
        if label is None:
            label = len(listed)
            label_of.update(dict.fromkeys(group, label))
            listed.append(name if numbered else _class_name(group, texts, fold))
        elif numbered:
            same[len(listed)] = label
            listed.append(name)
    rows: dict[int, Counter[str]] = {label: Counter() for label in label_of.values()}
    for spelling, label in label_of.items():
        rows[label][spelling] += texts.get(spelling, 0)
    several = {label: spellings for label, spellings in rows.items() if {*spellings} != {listed[label]}}
    total = {listed[label]: spellings.total() for label, spellings in rows.items()}
    for spelling, label in list(label_of.items()):
        label_of.setdefault(spelling.strip(), label)
    return Classes(
        names=tuple(listed),
        label_of=label_of,
        same=same,
        spelling_of={spelling: listed[label] for spelling, label in label_of.items() if spelling != listed[label]},
        folded=tuple(_folded(listed[label], spellings) for label, spellings in several.items()),
        alike=look_alikes(total) if fold == "safe" else (),
    )


def look_alikes(rows: Mapping[str, int]) -> tuple[dict[str, int], ...]:
    """Return the groups of names (with their rows) that look alike."""
    groups = [sorted(group) for group in _groups(rows, KEYS["all"]) if len(group) > 1]
    return tuple({name: rows[name] for name in group} for group in groups)


def number_spellings(texts: Mapping[str, int], number_of: Callable[[str], object]) -> Classes:
    """Return how numbers as text are published where one label is written in several ways, such as 3 and 3.0."""
    by_number: defaultdict[object, list[str]] = defaultdict(list)
    for text in texts:
        by_number[number_of(text)].append(text)
    spelling_of, folded = {}, []
    for spellings in by_number.values():
        if len(spellings) > 1:
            best = min(spellings, key=lambda text: (-texts[text], text))
            spelling_of.update({text: best for text in spellings if text != best})
            folded.append(_folded(best, {text: texts[text] for text in spellings}))
    return Classes(spelling_of=spelling_of, folded=tuple(folded))


def _groups(spellings: Iterable[str], keys: Sequence[Callable[[str], str]]) -> list[list[str]]:
    """Return the spellings in groups whose members share a key, directly or by others, in the order given."""
    leader: dict[tuple[int, str], str] = {}
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while above[name] != name:
            above[name] = name = above[above[name]]
        return name

    for spelling in spellings:
        above[spelling] = spelling
        for number, key in enumerate(keys):
            first = leader.setdefault((number, key(spelling)), spelling)
            above[top(spelling)] = top(first)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for spelling in above:
        groups[top(spelling)].append(spelling)
    return list(groups.values())


def _class_name(group: Sequence[str], texts: Mapping[str, int], fold: Fold) -> str:
    """Return the spelling of a class that is published: one that is plain already and frequent, if there is any."""
    if fold == "exact":
        return group[0]
    best = min(group, key=lambda name: (plain(name) != name, -texts.get(name, 0), name))
    return plain(best) or best


def _folded(name: str, rows: Mapping[str, int]) -> dict[str, object]:
    return {"class": name, "spellings": dict(sorted(rows.items()))}


def _listed(group: Mapping[str, int]) -> str:
    return " and ".join(
        f"{shown(name)} ({rows:,} rows)" if rows else shown(name) for name, rows in list(group.items())[:MOST_NAMED]
    )


def _invisible(letter: str) -> bool:
    selector = "\ufe00" <= letter <= "\ufe0f" or "\U000e0000" <= letter <= "\U000e0fff"
    return letter in INVISIBLE or selector or unicodedata.category(letter) == "Cf"


def _skeletons(letters: str) -> str:
    """Return the letters, each by the one that stands for all that look like it."""
    return "".join(letter if letter.isascii() else _prototype(letter) for letter in letters)


@functools.lru_cache(maxsize=4096)
def _prototype(letter: str) -> str:
    """Return the character that stands for all that look like this one: an ASCII one of the same case, if any."""
    from confusable_homoglyphs.confusables import confusables_data

    near = {letter, *_single(confusables_data.get(letter, ()))}
    near = near.union(*(_single(confusables_data.get(other, ())) for other in near))
    return min(near, key=lambda other: (not other.isascii(), other.isupper() != letter.isupper(), other))


def _single(entries: Iterable[Mapping[str, str]]) -> set[str]:
    return {item["c"] for item in entries if len(item["c"]) == 1}
