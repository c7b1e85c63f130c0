"""Tables: one row a sample, numbers and categories in columns or in one list; a small MLP; rows on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from telltale_core.modality.columns import NOT_INPUTS, Column
from telltale_core.modality.contract import Modality
from telltale_core.modality.drop_protocols import DropSettings, ViewedDrop
from telltale_core.modality.parts import Decoder, Front, Sketch, Viewer
from telltale_core.modality.triggers import Sides, Trigger
from telltale_core.modality.viewing import Focus

if TYPE_CHECKING:
    from telltale_core.modality.parts import Builder


class TableModality(Modality):
    """Rows of numbers and categories; all columns but id and value are the input, unless ``input_columns`` says so."""

    name = "table"
    plural = "rows"
    column_names = ("features",)
    inline = True
    regression_clip: ClassVar[float | None] = None
    proxy_defaults: ClassVar[Mapping[str, Any]] = {"width": 128, "epochs": 30, "snapshots_per_epoch": 4}

    def inputs(self, columns: Sequence[Column]) -> tuple[str, ...]:
        """Return the list column called ``features``, else every column of numbers or texts."""
        lists = tuple(
            column.name for column in columns if column.kind == "numbers" and column.name.lower() == "features"
        )
        if lists:
            return lists[:1]
        return tuple(
            column.name
            for column in columns
            if column.kind in {"whole", "real", "text", "other"} and column.name.lower() not in NOT_INPUTS
        )

    def holds(self, column: Column) -> bool:
        """Return whether a column can be one of a table."""
        return column.kind in {"whole", "real", "text", "numbers"}

    def decoder(self, config: DropSettings) -> Decoder:
        """See :meth:`Modality.decoder`."""
        from telltale_core.modality.table.decoder import TableDecoder

        return TableDecoder(config)

    def models(self) -> Mapping[str, Builder]:
        """See :meth:`Modality.models`."""
        from telltale_core.modality.table.net import mlp

        return {"mlp": mlp}

    def statistics(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> dict[str, Any]:
        """Return median, robust spread and quantiles of every column of numbers, sizes of the categories."""
        from telltale_core.modality.table.net import column_statistics

        return column_statistics(inputs_N, packing)

    def front(self, shape: tuple[int, ...], statistics: Mapping[str, Any], device: str) -> Front:  # noqa: ARG002
        """See :meth:`Modality.front`."""
        from telltale_core.modality.table.net import TableFront

        return TableFront(statistics, device)

    def sketch(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> tuple[Sketch, int]:  # noqa: ARG002
        """See :meth:`Modality.sketch`: rows that are equal in four significant digits."""
        from telltale_core.modality.table.sketch import rounded

        return rounded, 0

    def triggers(self, drop: ViewedDrop, sides: Sides) -> list[Trigger]:
        """See :meth:`Modality.triggers`: values of some columns."""
        from telltale_core.modality.table.trigger import shared_columns

        return shared_columns(sides, drop.packing["columns"])

    def viewer(self, drop: ViewedDrop, focuses: Sequence[Focus], dpi: int) -> Viewer:  # noqa: ARG002
        """See :meth:`Modality.viewer`."""
        from telltale_core.modality.table.viewer import TableViewer

        return TableViewer(drop, tuple(focuses))
