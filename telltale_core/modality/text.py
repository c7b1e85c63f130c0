"""Texts: a column of them, or two that belong together; subword ids, a small net, words that suspects share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from telltale_core.modality.contract import Decoder, Front, Modality, Viewer

if TYPE_CHECKING:
    from telltale_core.drop import Drop, DropConfig
    from telltale_core.drop.layout import Column
    from telltale_core.modality.contract import Builder
    from telltale_core.report.config import ReportConfig
    from telltale_core.report.evidence import Focus

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
    proxy_defaults: ClassVar[Mapping[str, Any]] = {"width": 32, "epochs": 12, "snapshots_per_epoch": 2, "lr": 0.05}

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

    def decoder(self, config: DropConfig) -> Decoder:
        """See :meth:`Modality.decoder`."""
        from telltale_core.drop.text import TextDecoder

        return TextDecoder(config)

    def models(self) -> Mapping[str, Builder]:
        """See :meth:`Modality.models`."""
        from telltale_core.proxy.text import text_cnn, text_transformer

        return {"text_cnn": text_cnn, "text_transformer": text_transformer}

    def statistics(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return the size of the vocabulary."""
        return {"vocabulary": int(packing["vocabulary"])}

    def front(self, shape: tuple[int, ...], statistics: Mapping[str, Any], device: str) -> Front:  # noqa: ARG002
        """See :meth:`Modality.front`."""
        from telltale_core.proxy.text import TextFront

        return TextFront(shape, statistics)

    def viewer(self, drop: Drop, focuses: Sequence[Focus], config: ReportConfig) -> Viewer:  # noqa: ARG002
        """See :meth:`Modality.viewer`."""
        from telltale_core.report.text_view import TextViewer

        return TextViewer(drop, focuses)
