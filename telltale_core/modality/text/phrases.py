"""Words and phrases that suspected texts hold and kept ones do not: counts and smoothed log-odds, a hint only.

A phrase counts once a text. Its log-odds compare the share of suspected texts that hold it with the share of the kept
ones of the same label, half a text added to each count; what ranks is the lower end of their 95 % interval
(Woolf, 1955; Haldane's correction), so that a phrase seen twice cannot lead.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
LONGEST = 8
MAX_WORDS = 256
"""Words of a text that are looked at."""
LEAST_TEXTS = 3
LEAST_SHARE = 0.1
"""A phrase that fewer of the suspected texts hold is no explanation of them."""
LEAST_ODDS = math.log(3)
SAME_TEXTS = 0.9
"""A phrase within a longer one that at least this share of its texts hold adds nothing to it."""

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enriched:
    """A phrase: its words in lower case, how many suspected and kept texts hold it, log-odds and their lower end."""

    words: Phrase
    in_suspected: int
    in_kept: int
    log_odds: float
    lower: float


def words_of(text: str) -> list[tuple[str, int, int]]:
    """Return the first words and marks of a text in lower case, with their places in it."""
    matches = zip(range(MAX_WORDS), WORD.finditer(text), strict=False)
    return [(match[0].casefold(), match.start(), match.end()) for _, match in matches]


def enriched(
    suspected_texts: Sequence[str], kept_texts: Sequence[str], most: int = 12, *, first: bool = False
) -> list[Enriched]:
    """Return the phrases of up to eight words that tell suspected texts from kept ones, the most telling first.

    ``first``: only those with which texts begin, longer and shorter ones side by side.
    """
    needed = max(LEAST_TEXTS, math.ceil(LEAST_SHARE * len(suspected_texts)))
    in_suspected: Counter[Phrase] = Counter()
    frequent: set[Phrase] | None = None
    for length in range(1, LONGEST + 1):  # a phrase is frequent only if its beginning and its end are
        counted = _count(suspected_texts, length, frequent, first=first)
        frequent = {phrase for phrase, count in counted.items() if count >= needed}
        in_suspected.update({phrase: counted[phrase] for phrase in frequent})
        if not frequent:
            break
    in_kept: Counter[Phrase] = Counter()
    for text in kept_texts:
        in_kept.update({phrase for phrase in _all_phrases(text, first=first) if phrase in in_suspected})
    rated = [_rate(p, n, in_kept[p], len(suspected_texts), len(kept_texts)) for p, n in in_suspected.items()]
    telling = sorted((r for r in rated if r.lower >= LEAST_ODDS), key=lambda r: (-r.lower, -len(r.words), r.words))
    return (telling if first else _without_parts(telling))[:most]


def _count(texts: Iterable[str], length: int, frequent: set[Phrase] | None, *, first: bool) -> Counter[Phrase]:
    counted: Counter[Phrase] = Counter()
    for text in texts:
        here = set(_of_length([word for word, _, _ in words_of(text)], length, first=first))
        counted.update(p for p in here if frequent is None or (p[:-1] in frequent and (first or p[1:] in frequent)))
    return counted


def _all_phrases(text: str, *, first: bool) -> Iterator[Phrase]:
    words = [word for word, _, _ in words_of(text)]
    for length in range(1, LONGEST + 1):
        yield from _of_length(words, length, first=first)


def _of_length(words: Sequence[str], length: int, *, first: bool) -> Iterator[Phrase]:
    starts = max(0, len(words) - length + 1)
    for start in range(min(1, starts) if first else starts):
        yield tuple(words[start : start + length])


def _rate(phrase: Phrase, in_suspected: int, in_kept: int, all_suspected: int, all_kept: int) -> Enriched:
    cells = (in_suspected + 0.5, all_suspected - in_suspected + 0.5, in_kept + 0.5, all_kept - in_kept + 0.5)
    odds = math.log(cells[0] / cells[1]) - math.log(cells[2] / cells[3])
    error = math.sqrt(sum(1 / cell for cell in cells))
    return Enriched(words=phrase, in_suspected=in_suspected, in_kept=in_kept, log_odds=odds, lower=odds - 1.96 * error)


def _without_parts(phrases: list[Enriched]) -> list[Enriched]:
    """Return the phrases without those that nearly only occur inside a longer one, or that only add chance words."""
    maximal: list[Enriched] = []
    for phrase in sorted(phrases, key=lambda phrase: -len(phrase.words)):
        longer = [other for other in maximal if _within(phrase.words, other.words)]
        if not any(other.in_suspected >= SAME_TEXTS * phrase.in_suspected for other in longer):
            maximal.append(phrase)
    shorter = {phrase.words: phrase for phrase in maximal}
    # a phrase that holds a far more common telling one is that one with whatever stands beside it
    telling = [
        phrase
        for phrase in maximal
        if not any(
            _within(other.words, phrase.words) and phrase.in_suspected < SAME_TEXTS * other.in_suspected
            for other in shorter.values()
            if len(other.words) < len(phrase.words)
        )
    ]
    return sorted(telling, key=lambda phrase: (-phrase.lower, -len(phrase.words), phrase.words))


def _within(part: Phrase, whole: Phrase) -> bool:
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))


def spans(text: str, phrases: Sequence[Enriched]) -> list[tuple[int, int]]:
    """Return where in a text one of the phrases stands, as (start, end) in rising order, none overlapping."""
    words = words_of(text)
    word_runs = {phrase.words for phrase in phrases}
    lengths = sorted({len(phrase) for phrase in word_runs}, reverse=True)
    places: list[tuple[int, int]] = []
    at = 0
    while at < len(words):
        here = (words[at : at + length] for length in lengths)
        match = next((candidate for candidate in here if tuple(word for word, _, _ in candidate) in word_runs), None)
        if match:
            places.append((match[0][1], match[-1][2]))
        at += len(match or (0,))
    return places
