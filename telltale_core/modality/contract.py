"""What a kind of data must say of itself, for every stage: one class, found by its name.

The stages know no kind of data by name; they ask the class here. A built-in kind only points to the code in the stages'
own rooms (``drop/``, ``proxy/``, ``report/``) and imports it when it is called: reading a drop must not need torch.
Shape letters: N samples, B batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from telltale_core.digest import canonical_json

if TYPE_CHECKING:
    import torch
    from markupsafe import Markup
    from torch import nn

    from telltale_core.drop import Drop, DropConfig
    from telltale_core.drop.layout import Column
    from telltale_core.drop.packing import Packing
    from telltale_core.drop.readers.base import Media
    from telltale_core.drop.sketches import Sketch
    from telltale_core.proxy.config import ProxyConfig
    from telltale_core.proxy.data import TrainingSet
    from telltale_core.report.config import ReportConfig
    from telltale_core.report.evidence import Focus
    from telltale_core.report.samples import Shown

    Builder = Callable[[tuple[int, ...], int], tuple[nn.Module, int]]


class Decoder(ABC):
    """Reads untrusted media. It may learn from what it probes; ``decode`` depends on media and packing alone."""

    def session(self) -> AbstractContextManager[None]:
        """Return the context in which the decoder is used."""
        return nullcontext()

    @abstractmethod
    def probe(self, media: Media) -> Hashable:
        """Return what the header says, within the limits, without decoding; raises :class:`BadInput`."""

    @abstractmethod
    def plan(self, probes: Counter[Any]) -> Packing:
        """Return how samples are packed, given how often each probe occurred."""

    @abstractmethod
    def decode(self, media: Media, packing: Packing) -> NDArray[Any]:
        """Return one sample in the packing's shape and dtype; raises :class:`BadInput`."""

    def examined(self, media: Media, packing: Packing) -> tuple[NDArray[Any], int]:
        """Return what :meth:`decode` does, and the :class:`telltale_core.drop.losses.Loss`: what it does not hold."""
        return self.decode(media, packing), 0

    def portable(self, media: Media, sample: NDArray[Any]) -> bytes:  # noqa: ARG002
        """Return values that stand in the row as bytes: a media file that other tools read, or a text of them."""
        return media.encode() if isinstance(media, str) else canonical_json(np.asarray(media).tolist())


class Front(Protocol):
    """Turns packed samples on the device into the net's input.

    ``shape`` is what builders of nets are told of one input: images (H, W, C), spectrograms (mels, frames, 1), ids
    (length, size of the vocabulary), features (D,).
    """

    shape: tuple[int, ...]

    def __call__(self, packed_B: torch.Tensor, chance_B: torch.Tensor | None = None) -> torch.Tensor:
        """Return the input of a batch. ``chance_B``, uniform in [0, 1), is given while an augmenting proxy trains."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A front that keeps something else on the device than the packed samples, made of them once."""

    def prepare(self, inputs_N: NDArray[Any]) -> NDArray[Any]:
        """Return what is kept of packed samples (N, ...), as many rows; a batch of these rows is what it is given."""
        ...


class Viewer(ABC):
    """Shows samples on the report's page; ``wide`` where a sample needs the page's width, as text does."""

    wide: bool = False

    @abstractmethod
    def fragment(self, row: int, px: int) -> Markup:
        """Return one sample as safe markup, pictures at most ``px`` on a side. The data are an attacker's."""

    def shared(self, focus: Focus) -> list[Shown]:  # noqa: ARG002
        """Return what the suspected samples of a label have in common that its kept ones have not, as hints."""
        return []


class Modality(ABC):
    """A kind of data. Subclasses hold no state; the methods below without a body of their own must be given.

    ``column_names`` are lower-case names of input columns, the most telling first; ``suffixes`` the endings of media
    files; ``feature`` Hugging Face's type of such a column. ``settings`` are the fields of
    :class:`telltale_core.drop.Declared` that are of this kind alone. ``inline``: the values stand in the rows
    themselves, so that all columns pass through to the payload as they are. ``proxy_defaults`` are what a proxy's
    settings mean here that nobody gave; ``regression_clip`` is what ``clip`` means in regression.
    """

    name: ClassVar[str]
    plural: ClassVar[str]
    column_names: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[frozenset[str]] = frozenset()
    feature: ClassVar[str | None] = None
    settings: ClassVar[frozenset[str]] = frozenset()
    inline: ClassVar[bool] = False
    proxy_defaults: ClassVar[Mapping[str, Any]] = {}
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
    def decoder(self, config: DropConfig) -> Decoder:
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
        from telltale_core.proxy.data import PlainFront

        return PlainFront(shape)

    def augments(self, inputs_N: NDArray[Any], config: ProxyConfig) -> bool:  # noqa: ARG002
        """Return whether training samples are to be varied by the front."""
        return False

    def sketch(self, inputs_N: NDArray[Any], packing: Mapping[str, Any]) -> tuple[Sketch, int]:  # noqa: ARG002
        """Return what makes 256-bit sketches of packed samples, and in how many bits near-duplicates differ at most.

        This one knows equal samples only.
        """
        from telltale_core.drop.sketches import exact

        return exact, 0

    def viewer(self, drop: Drop, focuses: Sequence[Focus], config: ReportConfig) -> Viewer:  # noqa: ARG002
        """Return who shows this drop's samples; ``focuses`` are the labels that the page shows evidence for.

        This one shows packed values as numbers.
        """
        from telltale_core.report.samples import PlainViewer

        return PlainViewer(drop)


def endings(values: Sequence[object]) -> Iterator[str]:
    """Yield the lower-case endings, such as ``".wav"``, of the values that are texts with one."""
    for value in values:
        if isinstance(value, str) and "." in value[-8:]:
            yield f".{value.rsplit('.', 1)[1].strip().lower()}"
