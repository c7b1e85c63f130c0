"""What an operator may set about reading a drop, and the part of it that a contributor may name in ``drop.toml``."""

from __future__ import annotations

import dataclasses
import tomllib
from typing import Any, Literal

from telltale_core.config import from_dict
from telltale_core.drop.losses import WORDS
from telltale_core.errors import ConfigError
from telltale_core.modality import modalities, modality_named
from telltale_core.modality.reasons import bad

Format = Literal["parquet", "folder", "table", "npy"]
MAX_SIDE = 1024
MAX_SECONDS = 600
MOST_TOKENS = 4096
VOCABULARIES = (512, 65_536)
VALUE_SETTINGS = ("label_column", "target_column", "label_columns", "target_columns")
INPUT_SETTINGS = ("input_column", "input_columns")
NAMES = ("name", "description", "id_column", "label_names")
"""What a contributor may say of a drop: it names what is there and changes nothing about how it is read."""
MAX_TOML_BYTES = 1 << 16
MAX_DESCRIPTION = 2_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds that hold before anything is decoded or loaded; units are in the names.

    ``max_decoded_row_bytes`` is of one row in memory: what its cells unpack to, or the objects that a line becomes.
    ``max_sample_bytes`` is of one packed sample. The two ``cpu_s`` are processor time, so that a busy machine loses
    nothing; they only end what the other limits let through.
    """

    max_files: int = 2_000_000
    max_drop_bytes: int = 256 << 30
    max_rows: int = 5_000_000
    max_columns: int = 1_000
    max_classes: int = 10_000
    max_pixels: int = 25_000_000
    max_side: int = 65_535
    max_media_bytes: int = 20 << 20
    max_text_chars: int = 100_000
    max_word_chars: int = 10_000
    max_row_bytes: int = 32 << 20
    max_decoded_row_bytes: int = 128 << 20
    max_sample_bytes: int = 32 << 20
    max_field_bytes: int = 128 << 10
    max_id_chars: int = 256
    max_row_group_bytes: int = 1 << 30
    max_rejected_raw_bytes: int = 256 << 10
    max_audio_s: int = 600
    max_channels: int = 8
    max_sample_rate: int = 384_000
    max_audio_values: int = 120_000_000
    max_sample_cpu_s: int = 60
    max_drop_cpu_s: int = 86_400

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value < 1:
                raise ConfigError(f"limits.{field.name} must be > 0, got {value}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What may be said about a drop instead of being inferred; ``None`` means infer it.

    ``id_column=""`` says that no column is an id (ids then come from the content). ``files`` is a shell pattern that
    selects among the data files (``"train-*.parquet"``). ``modality`` is the name of a registered one. What stands
    after ``label_names`` is of one modality alone: ``image_size`` is the side of the square that images are packed at,
    ``sample_rate`` in Hz and ``max_seconds`` are what recordings are packed at and cut to, ``max_tokens`` bounds the
    length that texts are packed at, ``vocabulary`` the number of subwords learnt from them.
    """

    name: str | None = None
    description: str | None = None
    format: Format | None = None
    files: str | None = None
    modality: str | None = None
    task: Literal["classification", "regression", "multilabel"] | None = None
    id_column: str | None = None
    input_column: str | None = None
    input_columns: tuple[str, ...] | None = None
    label_column: str | None = None
    target_column: str | None = None
    label_columns: tuple[str, ...] | None = None
    target_columns: tuple[str, ...] | None = None
    num_classes: int | None = None
    label_names: tuple[str, ...] | None = None
    image_size: int | None = None
    sample_rate: int | None = None
    max_seconds: float | None = None
    max_tokens: int | None = None
    vocabulary: int | None = None

    def __post_init__(self) -> None:
        if self.num_classes is not None and self.num_classes < 2:
            raise ConfigError(f"num_classes must be >= 2, got {self.num_classes}")
        if self.image_size is not None and not 1 <= self.image_size <= MAX_SIDE:
            raise ConfigError(f"image_size must be in 1..{MAX_SIDE}, got {self.image_size}")
        if self.sample_rate is not None and not 1_000 <= self.sample_rate <= 384_000:
            raise ConfigError(f"sample_rate must be in 1000..384000 Hz, got {self.sample_rate}")
        if self.max_seconds is not None and not 0.01 <= self.max_seconds <= MAX_SECONDS:
            raise ConfigError(f"max_seconds must be in 0.01..{MAX_SECONDS}, got {self.max_seconds}")
        if self.max_tokens is not None and not 2 <= self.max_tokens <= MOST_TOKENS:
            raise ConfigError(f"max_tokens must be in 2..{MOST_TOKENS}, got {self.max_tokens}")
        if self.vocabulary is not None and not VOCABULARIES[0] <= self.vocabulary <= VOCABULARIES[1]:
            raise ConfigError(f"vocabulary must be in {VOCABULARIES[0]}..{VOCABULARIES[1]}, got {self.vocabulary}")
        names = self.label_names
        if names is not None and (len(set(names)) != len(names) or not all(isinstance(n, str) and n for n in names)):
            raise ConfigError("label_names must be different, non-empty texts")
        if names is not None and self.num_classes not in {None, len(names)}:
            raise ConfigError(f"num_classes is {self.num_classes}, but label_names has {len(names)} names")
        if self.name is not None and (not self.name.isprintable() or not 1 <= len(self.name) <= 200):
            raise ConfigError("name must be 1..200 printable characters")
        if self.description is not None and len(self.description) > MAX_DESCRIPTION:
            raise ConfigError(f"description must have at most {MAX_DESCRIPTION} characters")
        if self.modality is not None:
            modality_named(self.modality)
        if self.input_column is not None and self.input_columns is not None:
            raise ConfigError("give input_column or input_columns, not both")
        given = [name for name in VALUE_SETTINGS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigError(f"give one of {', '.join(VALUE_SETTINGS)}, got {' and '.join(given)}")
        for name in ("input_columns", "label_columns", "target_columns"):
            columns = getattr(self, name)
            if columns is not None and (not columns or len(set(columns)) != len(columns)):
                raise ConfigError(f"{name} must name different columns, got {columns!r}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DropConfig(Declared):
    """Settings of the ingest stage: what is declared about the drop, limits, and the rule for duplicates.

    ``duplicates``: rows with the same bytes and value under two ids are legal and kept (``"keep"``), or the later ones
    are rejected (``"reject"``). A repeated *id* is always rejected. ``also_inputs`` and ``also_labels``: further
    columns that are judged, too, each input with each label, by a reading and a proxy of its own. ``fold_classes``:
    spellings of a class that differ in normal form, invisible characters or blanks are one class, and what else looks
    alike is asked about (``"safe"``); all that look alike are one class (``"all"``); every spelling is a class of its
    own (``"exact"``). ``accept_loss`` names losses of information that need no person
    (:mod:`telltale_core.drop.losses`). ``largest_image`` is the side up to which images keep their size where
    ``image_size`` is not given, 64 for ``None``.
    """

    accept_loss: tuple[str, ...] | None = None
    largest_image: int | None = None
    duplicates: Literal["keep", "reject"] = "keep"
    also_inputs: tuple[str, ...] = ()
    also_labels: tuple[str, ...] = ()
    fold_classes: Literal["exact", "safe", "all"] = "safe"
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        Declared.__post_init__(self)
        if self.duplicates not in {"keep", "reject"}:
            raise ConfigError(f'duplicates must be "keep" or "reject", got {self.duplicates!r}')
        for name, own in (("also_inputs", self.input_column), ("also_labels", self.label_column)):
            columns = getattr(self, name)
            if len(set(columns)) != len(columns) or own in columns:
                raise ConfigError(f"{name} must name different columns, and not the one that is read, got {columns!r}")
        if self.largest_image is not None and not 32 <= self.largest_image <= MAX_SIDE:
            raise ConfigError(f"largest_image must be in 32..{MAX_SIDE}, got {self.largest_image}")
        for word in self.accept_loss or ():
            if word not in WORDS:
                raise ConfigError(f"accept_loss may hold {', '.join(WORDS)}; got {word!r}")
        if self.fold_classes not in {"exact", "safe", "all"}:
            raise ConfigError(f'fold_classes must be "exact", "safe" or "all", got {self.fold_classes!r}')


def declared_by_toml(text: bytes | None) -> Declared:
    """Return what a drop's own ``drop.toml`` says, a contributor's words; limits and policies cannot stand there.

    What it says beyond :data:`NAMES` is not obeyed: :mod:`telltale_core.drop.stated` makes a question of it.
    """
    try:
        return from_dict(Declared, tomllib.loads((text or b"").decode("utf-8")), "drop.toml")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad("drop_toml_invalid", f"drop.toml is not valid TOML: {error}") from error
    except (ConfigError, TypeError) as error:
        raise bad("drop_toml_invalid", f"drop.toml: {error}") from error


def said(declared: Declared) -> dict[str, Any]:
    """Return the fields of :class:`Declared` that are set, and nothing else."""
    found = {field.name: getattr(declared, field.name) for field in dataclasses.fields(Declared)}
    return {name: value for name, value in found.items() if value is not None}


def check_settings(config: Declared, modality: str) -> None:
    """Raise ``setting_misplaced`` for a setting of another modality than the drop's, which would have no effect."""
    own = modality_named(modality).settings
    for other in modalities():
        for name in sorted(other.settings - own):
            if getattr(config, name) is not None:
                raise bad(
                    "setting_misplaced", f"{name} is a setting of {other.plural}; the drop's modality is {modality!r}"
                )
