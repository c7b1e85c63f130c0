"""Texts: a column of them, or two that belong together; subword ids, a small net, words that suspects share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from telltale_core.modality.columns import Column
from telltale_core.modality.contract import Modality
from telltale_core.modality.drop_protocols import DropSettings, TrainingSet, ViewedDrop
from telltale_core.modality.parts import Decoder, Front, Sketch, Viewer
from telltale_core.modality.triggers import Sides, Trigger
from telltale_core.modality.viewing import Focus

if TYPE_CHECKING:
    from telltale_core.modality.parts import Builder

PAIRS = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("question", "passage"),
    ("question", "sentence"),
    ("text", "text_pair"),
    ("title", "content"),
    ("title", "text"),
    ("title", "body"),
)
"""Columns that are read together where both are there."""


class TextModality(Modality):
    """Sentences, reviews, messages: as they stand in a column of a table, in any language."""

    name = "text"
    plural = "texts"
    column_names = (
        "text", "sentence", "content", "document", "review", "comment", "message", "body", "tweet", "utterance",
        "prompt", "question", "query", "headline", "abstract", "article",
    )  # fmt: skip
    settings = frozenset({"max_tokens", "vocabulary"})
    inline = True
    proxy_defaults: ClassVar[Mapping[str, Any]] = {"width": 32, "epochs": 12, "lr": 0.05}
    local_defaults: ClassVar[Mapping[str, Any]] = {**proxy_defaults, "lr": 0.01, "batch_size": 32}

    def inputs(self, columns: Sequence[Column]) -> tuple[str, ...]:
        """Return a pair of columns that belong together, a column called like a text, or the only one there is.

        See :meth:`Modality.inputs`.
        """
        fitting = {column.name.lower(): column.name for column in reversed(columns) if self.holds(column)}
        for pair in PAIRS:
            if set(pair) <= set(fitting):
                return tuple(fitting[name] for name in pair)
        for name in self.column_names:
            if name in fitting:
                return (fitting[name],)
        return tuple(fitting.values()) if len(columns) == 1 else ()

    def holds(self, column: Column) -> bool:
        """Return whether a column is of text."""
        return column.kind == "text" and not column.plain_numbers

    def decoder(self, config: DropSettings) -> Decoder:
        """See :meth:`Modality.decoder`."""
        from telltale_core.modality.text.decoder import TextDecoder

        return TextDecoder(config)

    def models(self) -> Mapping[str, Builder]:
        """See :meth:`Modality.models`."""
        from telltale_core.modality.text.hugging_face import hugging_face
        from telltale_core.modality.text.net import text_cnn, text_transformer

        nets: dict[str, Any] = {"text_cnn": text_cnn, "text_transformer": text_transformer, "hf:": hugging_face}
        return nets

    def statistics(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return the size of the vocabulary."""
        return {"vocabulary": int(packing["vocabulary"])}

    def defaults(self, model: str) -> Mapping[str, Any]:
        """See :meth:`Modality.defaults`: a net that was trained before is trained more gently."""
        return self.local_defaults if model.startswith("hf:") else self.proxy_defaults

    def statistics_for(self, model: str, drop: TrainingSet) -> dict[str, Any]:
        """See :meth:`Modality.statistics_for`; a local model reads the texts by its own tokenizer."""
        statistics = self.statistics(drop.inputs, drop.packing)
        if model.startswith("hf:"):
            from telltale_core.modality.local_model import directory_of
            from telltale_core.modality.text.hf_tokens import reading

            statistics["reading"] = reading(directory_of(model), drop)
        return statistics

    def front(self, shape: tuple[int, ...], statistics: Mapping[str, Any], device: str) -> Front:  # noqa: ARG002
        """See :meth:`Modality.front`."""
        if "reading" in statistics:
            from telltale_core.modality.text.hf_tokens import RereadingFront

            return RereadingFront(statistics["reading"])
        from telltale_core.modality.text.net import TextFront

        return TextFront(shape, statistics)

    def sketch(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> tuple[Sketch, int]:  # noqa: ARG002
        """See :meth:`Modality.sketch`: texts that share about 80 of 100 runs of three subwords."""
        from telltale_core.modality.text.sketch import of_texts

        return of_texts, 26

    def triggers(self, drop: ViewedDrop, sides: Sides) -> list[Trigger]:
        """See :meth:`Modality.triggers`: phrases, and how texts begin."""
        from telltale_core.modality.text.decoder import TOKENIZER
        from telltale_core.modality.text.tokens import open_tokenizer
        from telltale_core.modality.text.trigger import shared_beginnings, shared_phrases

        tokenizer = open_tokenizer((drop.path / TOKENIZER).read_bytes())
        return [*shared_phrases(sides, tokenizer), *shared_beginnings(sides, tokenizer)]

    def viewer(self, drop: ViewedDrop, focuses: Sequence[Focus], dpi: int) -> Viewer:  # noqa: ARG002
        """See :meth:`Modality.viewer`."""
        from telltale_core.modality.text.viewer import TextViewer

        return TextViewer(drop, focuses)
