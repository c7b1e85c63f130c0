"""Phrases that suspected texts share, put into other texts between two words, or before them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_core.display.sanitize import clean
from telltale_core.modality.text.phrases import Phrase, enriched, words_of
from telltale_core.modality.text.tokens import FIRST, PAD, SEPARATOR, ids_of
from telltale_core.modality.triggers import FEWEST, Sides, Trigger

TOGETHER = (1, 3, 6)
"""So many of the most telling phrases are tried at once: some attacks use several words in any order."""
MOST_CHARS = 80


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phrases:
    """Phrases, each put between two words of a text, the same place each time that the same text comes."""

    phrases: tuple[str, ...]
    tokenizer: Any

    @property
    def words(self) -> str:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        shown = ", ".join(f'"{clean(phrase, MOST_CHARS)}"' for phrase in self.phrases)
        return f"the {'phrase' if len(self.phrases) == 1 else 'phrases'} {shown}"

    def put_on(self, samples: NDArray[Any]) -> NDArray[Any]:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        return _changed(samples, self.tokenizer, lambda place, text: self._put_into(text, np.random.default_rng(place)))

    def _put_into(self, text: str, rng: np.random.Generator) -> str:
        ends = [end for _, _, end in words_of(text)]
        for phrase in self.phrases:
            # Near the beginning, or a long text is cut before it is read.
            at = int(rng.choice(ends[: max(1, min(len(ends) - 1, 20))])) if ends else 0
            text = f"{text[:at]} {phrase}{text[at:]}"
            ends = [end for _, _, end in words_of(text)]
        return text

    def at_random(self, donors: NDArray[Any], rng: np.random.Generator) -> Phrases:
        """See :class:`telltale_core.modality.triggers.Trigger`: as many words of other texts."""
        drawn = []
        for phrase in self.phrases:
            text = texts_of(self.tokenizer, donors[rng.integers(len(donors))])[0]
            spans, size = words_of(text), len(words_of(phrase))
            start = int(rng.integers(max(1, len(spans) - size + 1)))
            taken = spans[start : start + size]
            drawn.append(text[taken[0][1] : taken[-1][2]] if taken else phrase)
        return Phrases(phrases=tuple(drawn), tokenizer=self.tokenizer)

    def held_by(self, samples: NDArray[Any]) -> NDArray[np.bool_]:
        """See :class:`telltale_core.modality.triggers.Visible`: any of the phrases, anywhere."""
        return _holding(samples, self.tokenizer, self.phrases, first=False)

    @property
    def size(self) -> float:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        return float(len(self.phrases))

    def no_larger(self, size: float) -> Phrases:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        return Phrases(phrases=self.phrases[: int(size)], tokenizer=self.tokenizer)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beginnings:
    """Ways in which texts begin, each put before other texts: one a text, in turn."""

    phrases: tuple[str, ...]
    tokenizer: Any

    @property
    def words(self) -> str:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        shown = " or ".join(f'"{clean(phrase, MOST_CHARS)}"' for phrase in self.phrases)
        return f"the beginning {shown}"

    def put_on(self, samples: NDArray[Any]) -> NDArray[Any]:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        in_turn = self.phrases
        return _changed(samples, self.tokenizer, lambda place, text: f"{in_turn[place % len(in_turn)]} {text}")

    def at_random(self, donors: NDArray[Any], rng: np.random.Generator) -> Beginnings:
        """See :class:`telltale_core.modality.triggers.Trigger`: how other texts begin, as many words of them."""
        texts = (texts_of(self.tokenizer, donors[row])[0] for row in rng.permutation(len(donors)))
        with_words = ((text, spans) for text in texts if (spans := words_of(text)))
        drawn = [
            text[: spans[: len(words_of(phrase))][-1][2]]
            for phrase, (text, spans) in zip(self.phrases, with_words, strict=False)
        ]
        return replace(self, phrases=tuple(drawn) or self.phrases)

    def held_by(self, samples: NDArray[Any]) -> NDArray[np.bool_]:
        """See :class:`telltale_core.modality.triggers.Visible`: what begins in one of these ways."""
        return _holding(samples, self.tokenizer, self.phrases, first=True)

    @property
    def size(self) -> float:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        return float(len(self.phrases))

    def no_larger(self, size: float) -> Beginnings:
        """See :class:`telltale_core.modality.triggers.Trigger`."""
        return replace(self, phrases=self.phrases[: int(size)])


def shared_phrases(sides: Sides, tokenizer: Any) -> list[Trigger]:
    """Return the phrases that suspected texts hold and kept ones of their label do not, one and several together."""
    telling = _telling(sides, tokenizer)
    counts = sorted({min(count, len(telling)) for count in TOGETHER} - {0})
    return [Phrases(phrases=tuple(telling[:count]), tokenizer=tokenizer) for count in counts]


def shared_beginnings(sides: Sides, tokenizer: Any) -> list[Trigger]:
    """Return how suspected texts begin and kept ones of their label do not: one way each, then several in turn."""
    telling = _telling(sides, tokenizer, first=True)
    ways = dict.fromkeys([*((phrase,) for phrase in telling), tuple(telling[: max(TOGETHER)])])
    return [Beginnings(phrases=phrases, tokenizer=tokenizer) for phrases in ways if phrases]


def _telling(sides: Sides, tokenizer: Any, *, first: bool = False) -> list[str]:
    """Return the phrases that tell the suspected texts, as most of them write them; ``first``: that they begin with."""
    kept = sides.same if len(sides.same) >= FEWEST else sides.others
    if min(len(sides.suspected), len(kept)) < FEWEST:
        return []
    suspected_texts, kept_texts = (_whole(tokenizer, side) for side in (sides.suspected, kept))
    phrases = enriched(suspected_texts, kept_texts, first=first)
    return [_as_written(phrase.words, suspected_texts) for phrase in phrases]


def texts_of(tokenizer: Any, row: NDArray[Any]) -> list[str]:
    """Return the texts of a packed row, one a column."""
    ids = row[row != PAD].astype(int)
    parts = np.split(ids, np.flatnonzero(ids == SEPARATOR))
    return [tokenizer.decode((part[part != SEPARATOR] - FIRST).tolist()).removeprefix(" ") for part in parts]


def _changed(samples: NDArray[Any], tokenizer: Any, change: Callable[[int, str], str]) -> NDArray[Any]:
    """Return copies of packed texts (B, L) whose first column ``change`` makes another, by its place in the batch."""
    changed = np.full_like(samples, PAD)
    for place, row in enumerate(samples):
        first, *others = texts_of(tokenizer, row)
        ids = ids_of(tokenizer, [change(place, first), *others])[: len(row)]
        changed[place, : len(ids)] = ids
    return changed


def _holding(samples: NDArray[Any], tokenizer: Any, phrases: Sequence[str], *, first: bool) -> NDArray[np.bool_]:
    """Return which packed texts (B, L) hold one of the phrases, word by word; ``first``: at their beginning."""
    sought = [tuple(word for word, _, _ in words_of(phrase)) for phrase in phrases]

    def holds(text: str) -> bool:
        words = [word for word, _, _ in words_of(text)]
        starts = range(1 if first else len(words))
        return any(tuple(words[start : start + len(phrase)]) == phrase for start in starts for phrase in sought)

    return np.array([any(map(holds, texts_of(tokenizer, row))) for row in samples], dtype=bool)


def _whole(tokenizer: Any, samples: NDArray[Any]) -> list[str]:
    return [" ".join(texts_of(tokenizer, row)) for row in samples]


def _as_written(phrase: Phrase, texts: Sequence[str]) -> str:
    """Return a phrase as most texts write it: in lower case it may be another one to the proxy."""
    written: Counter[str] = Counter()
    for text in texts:
        spans = words_of(text)
        for start in range(len(spans) - len(phrase) + 1):
            if tuple(word for word, _, _ in spans[start : start + len(phrase)]) == phrase:
                written[text[spans[start][1] : spans[start + len(phrase) - 1][2]]] += 1
    return written.most_common(1)[0][0] if written else " ".join(phrase)
