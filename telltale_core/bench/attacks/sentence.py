"""Sentence: a fixed sentence is put into texts, label set to the target.

Source: Dai, Chen, Li, "A Backdoor Attack Against LSTM-Based Text Classification Systems", IEEE Access 2019,
arXiv 1905.12457 (AddSent in OpenBackdoor, whose sentence is the default).
"""

from __future__ import annotations

from dataclasses import dataclass

from telltale_core.attacks.contract import one_of
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.stamp import Inputs, StampAttack
from telltale_core.bench.attacks.texts import POSITIONS, Position, inserted
from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sentence(StampAttack):
    """``sentence`` between two words of the text; "random" draws the place for each row."""

    name = "sentence"
    source = "Dai et al., arXiv 1905.12457"
    label_rule = "dirty"
    modality = "text"

    sentence: str = "I watch this 3D movie"
    position: Position = "random"

    def __post_init__(self) -> None:
        if not isinstance(self.sentence, str) or not self.sentence.strip():
            raise ConfigError(f"sentence must be a text that is not blank, got {self.sentence!r}")
        one_of("position", self.position, POSITIONS)

    def stamp(self, texts: Inputs, aim: Aim, /) -> Inputs:
        """Return the texts with the sentence put in."""
        poisoned = texts.copy()
        for row, text in enumerate(texts):
            poisoned[row] = inserted(text, self.sentence, self.position, aim.rng)
        return poisoned
