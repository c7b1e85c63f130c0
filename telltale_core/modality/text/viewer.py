"""Texts on the page: as they stand in the drop, escaped, with the phrases marked that suspected ones share."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape

from telltale_core.display.sanitize import clean, scrubbed
from telltale_core.modality.drop_protocols import ViewedDrop
from telltale_core.modality.parts import Viewer
from telltale_core.modality.text.decoder import TOKENIZER
from telltale_core.modality.text.phrases import Enriched, enriched, spans
from telltale_core.modality.text.tokens import open_tokenizer
from telltale_core.modality.text.trigger import texts_of
from telltale_core.modality.viewing import FEWEST, MOST, MOST_SUSPICIOUS, Focus, Shown

CHARS = 420
BEFORE = 120
"""Of a long text ``CHARS`` characters are shown, from this many before its first mark."""
JOIN = " \u2016 "
"""Stands between the columns of a sample."""


class TextViewer(Viewer):
    """Shows the texts of one drop; see :class:`telltale_core.modality.Viewer`."""

    wide = True

    def __init__(self, drop: ViewedDrop, focuses: Sequence[Focus]) -> None:
        self._drop = drop
        self._phrases = {focus.label: self._enriched_phrases(focus) for focus in focuses}

    def fragment(self, row: int, px: int) -> Markup:  # noqa: ARG002 - a viewer
        """Return the text, phrases marked that the suspected ones of its label share."""
        text = scrubbed(self._text(row))
        label = None if self._drop.cohorts is None else int(self._drop.cohorts.number[row])
        return Markup('<p class="text"><bdi>{}</bdi></p>').format(marked(text, self._phrases.get(label, [])))

    def packed(self, sample: npt.NDArray[Any], px: int) -> Markup:  # noqa: ARG002 - a viewer
        """See :meth:`Viewer.packed`."""
        tokenizer = open_tokenizer((self._drop.path / TOKENIZER).read_bytes())
        text = scrubbed(JOIN.join(texts_of(tokenizer, sample)))
        every = [phrase for phrases in self._phrases.values() for phrase in phrases]
        return Markup('<p class="text"><bdi>{}</bdi></p>').format(marked(text, every))

    def shared(self, focus: Focus) -> list[Shown]:
        """Return the table of phrases that the suspected texts hold more often than the kept ones of their label."""
        if min(len(focus.suspected_rows), len(focus.kept_rows)) < FEWEST:
            return []
        suspected_texts, kept_texts = len(_some(focus.suspected_rows)), len(_some(focus.kept_rows))
        rows = [_row(phrase, suspected_texts, kept_texts) for phrase in self._phrases[focus.label]]
        caption = (
            f"Of {suspected_texts:,} texts {focus.word} and {kept_texts:,} kept ones{focus.same}, how many hold the "
            "phrase. Log-odds (half a text added to each count) with the lower end of their 95 % interval, which "
            "ranks. A hint at the trigger, not a proof: what is usual in one kind of text is enriched, too."
        )
        if not rows:
            return [
                Shown(
                    title="Words and phrases that they share",
                    caption=caption,
                    html=Markup('<p class="nothing">No word or phrase is held by clearly more of them.</p>'),
                )
            ]
        head = (
            '<table><thead><tr><th scope="col">phrase</th><th scope="col" class="num">suspected</th>'
            '<th scope="col" class="num">kept</th><th scope="col" class="num">log-odds</th>'
            '<th scope="col" class="num">at least</th></tr></thead><tbody>'
        )
        table = Markup(head) + Markup("").join(rows) + Markup("</tbody></table>")  # noqa: S704 - our own markup
        return [Shown(title="Words and phrases that they share", caption=caption, html=table)]

    def _enriched_phrases(self, focus: Focus) -> list[Enriched]:
        if focus.word == MOST_SUSPICIOUS:  # nothing was suspected: marks would only mislead
            return []
        if min(len(focus.suspected_rows), len(focus.kept_rows)) < FEWEST:
            return []
        sides = (focus.suspected_rows, focus.kept_rows)
        suspected_texts, kept_texts = (self._texts(np.sort(_some(rows))) for rows in sides)
        return enriched(suspected_texts, kept_texts)

    def _texts(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """Return the texts of some rows (ascending); of the payload only the row groups that hold them are read."""
        texts: list[str] = []
        for table in self._drop.payload_rows(rows, self._names):
            texts += (JOIN.join(map(_as_text, row.values())) for row in table.to_pylist())
        return texts

    def _text(self, row: int) -> str:
        return self._texts(np.asarray([row], dtype=np.int64))[0]

    @functools.cached_property
    def _names(self) -> list[str]:
        named = self._drop.manifest["columns"]["input"]
        return [named] if isinstance(named, str) else list(named)


def marked(text: str, phrases: Sequence[Enriched]) -> Markup:
    """Return a text escaped, its phrases in ``mark`` elements, a long one cut to what stands around the first."""
    places = spans(text, phrases)
    start = 0
    if len(text) > CHARS and places:
        start = max(0, min(places[0][0] - BEFORE, len(text) - CHARS))
    end = min(len(text), start + CHARS)
    parts, at = [Markup("&hellip; ") if start else Markup("")], start
    for first, last in places:
        if first < start or first >= end:
            continue
        parts += [
            escape(_plain(text[at:first])),
            Markup("<mark>{}</mark>").format(_plain(text[first : min(last, end)])),
        ]
        at = min(last, end)
    parts.append(escape(_plain(text[at:end])))
    if end < len(text):
        parts.append(Markup(" &hellip; ({} characters)").format(f"{len(text):,}"))
    return Markup("").join(parts)


def _plain(text: str) -> str:
    return clean(text, 12 * CHARS)  # one character can become ten; ``text`` itself is short by now


def _row(phrase: Enriched, suspected_texts: int, kept_texts: int) -> Markup:
    numbers = (
        f"{phrase.in_suspected:,} ({phrase.in_suspected / suspected_texts:.0%})",
        f"{phrase.in_kept:,} ({phrase.in_kept / kept_texts:.1%})",
        f"{phrase.log_odds:.1f}",
        f"{phrase.lower:.1f}",
    )
    cells = Markup("").join(Markup('<td class="num">{}</td>').format(cell) for cell in numbers)
    return Markup("<tr><td><bdi>{}</bdi></td>{}</tr>").format(clean(" ".join(phrase.words), 160), cells)


def _some(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return rows[:: max(1, -(-len(rows) // MOST))]


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else ""
