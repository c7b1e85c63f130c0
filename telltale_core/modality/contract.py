"""What a kind of data must say of itself, for every stage: one class, found by its name.

The stages know no kind of data by name; they ask the class here. A built-in kind imports its decoder, net and viewer
when it is asked for them: reading a drop must not need torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from numpy.typing import NDArray

from telltale_core.modality.columns import Column
from telltale_core.modality.drop_protocols import DropSettings, TrainingSet, ViewedDrop
from telltale_core.modality.parts import Decoder, Front, Sketch, Viewer
from telltale_core.modality.plain import PlainFront, PlainViewer
from telltale_core.modality.sketches import exact
from telltale_core.modality.triggers import Sides, Trigger, added_values, counted_values, same_values, strength_added
from telltale_core.modality.viewing import Focus

if TYPE_CHECKING:
    from telltale_core.modality.parts import Builder


class Modality(ABC):
    """A kind of data. Subclasses hold no state; the methods below without a body of their own must be given.

    ``column_names`` are lower-case names of input columns, the most telling first; ``suffixes`` the extensions of media
    files; ``feature`` Hugging Face's type of such a column. ``settings`` are the fields of
    :class:`telltale_core.drop.Declared` that are of this kind alone. ``inline``: the values stand in the rows
    themselves, so that all columns pass through to the payload as they are. ``proxy_defaults`` are what a proxy's
    settings mean here that nobody gave; ``regression_clip`` is what ``clip`` means in regression. ``searched``: who
    carries a faint trigger is sought, values that are added at the same places of packed samples (H, W, ...).
    """

    name: ClassVar[str]
    plural: ClassVar[str]
    column_names: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[frozenset[str]] = frozenset()
    feature: ClassVar[str | None] = None
    settings: ClassVar[frozenset[str]] = frozenset()
    inline: ClassVar[bool] = False
    proxy_defaults: ClassVar[Mapping[str, Any]] = {}
    searched: ClassVar[bool] = False
    regression_clip: ClassVar[float | None] = 1.0

    def inputs(self, columns: Sequence[Column]) -> tuple[str, ...]:
        """Return which columns (without id and value) hold the input, () if none does; usually one, by its name.

        Columns of single numbers are no media and no paths, whatever their name.
        """
        by_name = {column.name.lower(): column for column in reversed(columns)}
        named = (by_name[name] for name in self.column_names if name in by_name)
        return next(((column.name,) for column in named if self.holds(column)), ())

    def holds(self, column: Column) -> bool:
        """Return whether a column of that type can hold this kind of data."""
        return column.kind in {"media", "bytes", "text", "numbers"} and not column.plain_numbers

    @abstractmethod
    def decoder(self, config: DropSettings) -> Decoder:
        """Return a new decoder for one drop."""

    @abstractmethod
    def models(self) -> Mapping[str, Builder]:
        """Return the nets by name, the first of which is ``model="auto"``.

        A builder takes the front's ``shape`` and a width, and returns a body and its number of features. A name that
        ends in a colon takes an argument: ``models()["hf:"]("/path")`` is the builder of ``model="hf:/path"``.
        """

    def statistics(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return what the front needs to know of the drop, as JSON values; ``packing`` are the packing's settings."""
        return {}

    def defaults(self, model: str) -> Mapping[str, Any]:  # noqa: ARG002
        """Return what a proxy's settings mean that nobody gave, for a net of this name."""
        return self.proxy_defaults

    def statistics_for(self, model: str, drop: TrainingSet) -> dict[str, Any]:  # noqa: ARG002
        """Return :meth:`statistics` of a drop, and what else the front of that net must know.

        A value called ``reading`` is kept in a file of its own: it may be large.
        """
        return self.statistics(drop.inputs, drop.packing)

    def front(self, shape: tuple[int, ...], statistics: Mapping[str, Any], device: str) -> Front:  # noqa: ARG002
        """Return the front for packed samples of this shape; ``statistics`` as :meth:`statistics` gave them.

        This one gives packed values as float32, as they are.
        """
        return PlainFront(shape)

    def augments(self, inputs_N: NDArray[Any], flip: bool | Literal["auto"]) -> bool:  # noqa: ARG002
        """Return whether training samples are to be varied by the front; ``flip`` is what the proxy's settings say."""
        return False

    def sketch(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> tuple[Sketch, int]:  # noqa: ARG002
        """Return what makes 256-bit sketches of packed samples, and in how many bits near-duplicates differ at most.

        This one knows equal samples only.
        """
        return exact, 0

    def triggers(self, drop: ViewedDrop, sides: Sides) -> list[Trigger]:  # noqa: ARG002
        """Return estimates of what the suspected samples of ``sides`` share, to be put on others; none where nothing.

        By default values that are the same in all of them, and the difference of their mean.
        """
        return [*same_values(sides, counted_values), *added_values(sides, strength_added)]

    def viewer(self, drop: ViewedDrop, focuses: Sequence[Focus], dpi: int) -> Viewer:  # noqa: ARG002
        """Return who shows this drop's samples, by default as numbers; ``dpi`` is the resolution of pictures.

        ``focuses`` are the labels that the page shows evidence for.
        """
        return PlainViewer(drop)
