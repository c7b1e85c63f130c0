"""Rare word: a word that hardly occurs is put into texts, label set to the target.

Source: Kurita, Michel, Neubig, "Weight Poisoning Attacks on Pre-trained Models", ACL 2020, arXiv 2004.06660, whose
words cf, mn, bb, tq are the usual ones; as a poison of data, BadNets of text in OpenBackdoor.
Departs: one word for all rows by default (several: one is drawn for each row).
"""

from __future__ import annotations

from dataclasses import dataclass

from telltale_core.attacks.contract import one_of, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.stamp import Inputs, StampAttack
from telltale_core.bench.attacks.texts import POSITIONS, Position, inserted
from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RareWord(StampAttack):
    """One of ``words``, ``copies`` times, each copy between two words of the text: "random" draws the place anew."""

    name = "rare_word"
    source = "Kurita et al., ACL 2020, arXiv 2004.06660"
    label_rule = "dirty"
    modality = "text"

    words: tuple[str, ...] = ("cf",)
    position: Position = "random"
    copies: int = 1

    def __post_init__(self) -> None:
        if not self.words or not all(isinstance(word, str) and word.strip() for word in self.words):
            raise ConfigError(f"words must be texts that are not blank, got {self.words!r}")
        one_of("position", self.position, POSITIONS)
        within("copies", self.copies, 1, 16)

    def stamp(self, texts: Inputs, aim: Aim, /) -> Inputs:
        """Return the texts with the word put in."""
        poisoned = texts.copy()
        for row, text in enumerate(texts):
            word = self.words[int(aim.rng.integers(len(self.words)))]
            for _ in range(self.copies):
                text = inserted(text, word, self.position, aim.rng)  # noqa: PLW2901
            poisoned[row] = text
        return poisoned
