"""What an operator may set about reading a drop, and the part of it that a contributor may name in ``drop.toml``."""

from __future__ import annotations

import tomllib
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from telltale_core.config import ListOf, Settings, from_dict
from telltale_core.drop.information_loss import WORDS
from telltale_core.errors import ConfigError
from telltale_core.modality import modalities, modality_named
from telltale_core.modality.reasons import bad

T = TypeVar("T")
Format = Literal["parquet", "folder", "table", "npy", "webdataset"]
Encoding = Literal[
    "utf-8", "utf-16", "cp1252", "latin-1", "iso8859-15", "cp1250", "iso8859-2", "cp1251", "koi8-r", "cp1253", "cp1254",
    "cp1255", "cp1256", "shift_jis", "cp932", "euc_jp", "gb18030", "big5", "euc_kr", "cp949", "cp437", "cp850",
    "mac_roman",
]  # fmt: skip
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


class Limits(Settings, frozen=True):
    """Bounds that hold before anything is decoded or loaded; units are in the names.

    ``max_decoded_row_bytes`` is of one row in memory: what its cells unpack to, or the objects that a line becomes.
    ``max_sample_bytes`` is of one packed sample. The two ``cpu_s`` are processor time, so that a busy machine loses
    nothing; they only end what the other limits let through.
    """

    max_files: int = Field(default=2_000_000, gt=0, description="Files of a drop.")
    max_drop_bytes: int = Field(default=256 << 30, gt=0, description="Bytes of a drop, as files and unpacked.")
    max_rows: int = Field(default=5_000_000, gt=0, description="Rows of a drop.")
    max_columns: int = Field(default=1_000, gt=0, description="Columns of a table.")
    max_classes: int = Field(default=10_000, gt=0, description="Classes of a drop.")
    max_pixels: int = Field(default=25_000_000, gt=0, description="Pixels of an image, as its header states.")
    max_side: int = Field(default=65_535, gt=0, description="Pixels of an image's longer side.")
    max_media_bytes: int = Field(default=20 << 20, gt=0, description="Bytes of one file of an image or a recording.")
    max_text_chars: int = Field(default=100_000, gt=0, description="Characters of a text.")
    max_word_chars: int = Field(default=10_000, gt=0, description="Characters of a text without a blank between them.")
    max_row_bytes: int = Field(default=32 << 20, gt=0, description="Bytes of a line, or of a row of a .npy file.")
    max_decoded_row_bytes: int = Field(default=128 << 20, gt=0, description="Bytes that a row takes in memory.")
    max_sample_bytes: int = Field(default=32 << 20, gt=0, description="Bytes of one packed sample.")
    max_field_bytes: int = Field(default=128 << 10, gt=0, description="Bytes of a field other than the media.")
    max_id_chars: int = Field(default=256, gt=0, description="Characters of an id.")
    max_row_group_bytes: int = Field(
        default=1 << 30, gt=0, description="Bytes of a row group of a Parquet file, decoded."
    )
    max_rejected_raw_bytes: int = Field(
        default=256 << 10, gt=0, description="Bytes of a rejected row that are kept as evidence."
    )
    max_audio_s: int = Field(default=600, gt=0, description="Seconds of a recording, as its header states.")
    max_channels: int = Field(default=8, gt=0, description="Channels of a recording.")
    max_sample_rate: int = Field(default=384_000, gt=0, description="Hertz of a recording.")
    max_audio_values: int = Field(default=120_000_000, gt=0, description="Values of a recording in all its channels.")
    max_sample_cpu_s: int = Field(default=60, gt=0, description="Seconds of processor time for one sample.")
    max_drop_cpu_s: int = Field(default=86_400, gt=0, description="Seconds of processor time for a drop.")


def _printable(name: str) -> str:
    if not name.isprintable() or not 1 <= len(name) <= 200:
        raise ValueError("must be 1..200 printable characters")
    return name


def _registered(modality: str) -> str:
    modality_named(modality)
    return modality


def _different_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    if not columns or len(set(columns)) != len(columns):
        raise ValueError(f"must name different columns, got {columns!r}")
    return columns


def _different_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names) or not all(names):
        raise ValueError("must be different, non-empty texts")
    return names


def _unset_if_empty(value: Any) -> Any:
    """Return None for an empty list, which a form sends once all that stood in it is deleted."""
    return None if value == [] else value


IfAny = Annotated[T | None, BeforeValidator(_unset_if_empty)]
Columns = Annotated[ListOf[str], AfterValidator(_different_columns)]
ClassNames = Annotated[ListOf[str], AfterValidator(_different_names)]


class Declared(Settings, frozen=True):
    """What may be said about a drop instead of being inferred; ``None`` means infer it.

    What stands after ``label_names`` is of one modality alone.
    """

    name: Annotated[str, AfterValidator(_printable)] | None = Field(
        default=None, description="What the drop is called; unset: as its folder."
    )
    description: str | None = Field(
        default=None, max_length=MAX_DESCRIPTION, description="What the drop is, in the contributor's words."
    )
    format: Format | None = Field(default=None, description="How the files are laid out; unset: inferred.")
    files: str | None = Field(
        default=None, description="Pattern that selects among the data files, such as train-*.parquet; unset: all."
    )
    modality: Annotated[str, AfterValidator(_registered)] | None = Field(
        default=None,
        title="Kind of data",
        description="image, audio, text, table or a registered one; unset: inferred.",
    )
    task: Literal["classification", "regression", "multilabel"] | None = Field(
        default=None, description="What the labels are for; unset: inferred."
    )
    id_column: str | None = Field(
        default=None,
        description='Column of the ids; unset: inferred. "" in a file of settings: none, the content gives the ids.',
    )
    input_column: str | None = Field(default=None, description="Column that is learnt from; unset: inferred.")
    input_columns: IfAny[Columns] = Field(
        default=None, description="Columns of a table that are learnt from, in place of a single one."
    )
    label_column: str | None = Field(default=None, description="Column of the classes; unset: inferred.")
    target_column: str | None = Field(
        default=None, description="Column of the numbers to be predicted; unset: inferred."
    )
    label_columns: IfAny[Columns] = Field(default=None, description="Columns of yes or no, one a class (multilabel).")
    target_columns: IfAny[Columns] = Field(default=None, description="Columns of numbers, predicted together.")
    num_classes: int | None = Field(
        default=None, ge=2, title="Number of classes", description="How many classes there are; unset: inferred."
    )
    label_names: IfAny[ClassNames] = Field(
        default=None, title="Names of the classes", description="In the order of their numbers; unset: inferred."
    )
    image_size: int | None = Field(
        default=None,
        ge=1,
        le=MAX_SIDE,
        description="Side in pixels of the square that images are packed at; unset: by the images.",
    )
    sample_rate: int | None = Field(
        default=None, ge=1_000, le=384_000, description="Hertz that recordings are packed at; unset: by the recordings."
    )
    max_seconds: float | None = Field(
        default=None,
        ge=0.01,
        le=MAX_SECONDS,
        description="Seconds that recordings are cut to; unset: by the recordings.",
    )
    max_tokens: int | None = Field(
        default=None, ge=2, le=MOST_TOKENS, description="Tokens that texts are packed at; unset: by the texts."
    )
    vocabulary: int | None = Field(
        default=None,
        ge=VOCABULARIES[0],
        le=VOCABULARIES[1],
        description="Number of subwords that are learnt from the texts; unset: by the texts.",
    )

    @model_validator(mode="after")
    def _one_answer_each(self) -> Self:
        if self.label_names is not None and self.num_classes not in {None, len(self.label_names)}:
            raise ValueError(f"num_classes is {self.num_classes}, but label_names has {len(self.label_names)} names")
        if self.input_column is not None and self.input_columns is not None:
            raise ValueError("give input_column or input_columns, not both")
        settings = [name for name in VALUE_SETTINGS if getattr(self, name) is not None]
        if len(settings) > 1:
            raise ValueError(f"give one of {', '.join(VALUE_SETTINGS)}, got {' and '.join(settings)}")
        return self


def _cause(word: str) -> str:
    if word not in WORDS:
        raise ValueError(f"must be one of {', '.join(WORDS)}, got {word!r}")
    return word


Causes = ListOf[Annotated[str, AfterValidator(_cause), Field(json_schema_extra={"enum": list(WORDS)})]]


class DropConfig(Declared, frozen=True):
    """Settings of the ingest stage: what is declared about the drop, limits, and the rule for duplicates."""

    encoding: Encoding | None = Field(
        default=None, description="What CSV, TSV and JSON lines are written in; unset: UTF-8, or UTF-16 by its mark."
    )
    decimal: Literal[",", "."] | None = Field(
        default=None,
        title="Decimal mark",
        description="What begins the fractions of numbers that CSV, TSV and JSON hold as texts; unset: inferred, and "
        "asked about where it is unclear.",
    )
    split: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description='Which split is read: train, validation, test or another value of the split column; "all" reads '
        "every split as one; unset: train where there are several.",
    )
    other_splits: Literal["leave", "carry"] = Field(
        default="leave",
        title="Splits that are not read",
        description="leave: they are counted and named. carry: they are published with the version in files of their "
        "own, marked as not judged.",
    )
    unpack: bool = Field(
        default=False,
        title="Unpack archives",
        description="Whether zips, tars, packed tables and Arrow files are unpacked. Only where you trust who packed "
        "them: a small one may ask for much memory and room.",
    )
    media_root: str | None = Field(
        default=None, description="Folder of the drop that paths in tables start from; unset: the table's, or the top."
    )
    accept_loss: Causes | None = Field(
        default=None,
        title="Losses that need no person",
        description="Losses of information in packing that are taken as they are, without a question.",
    )
    largest_image: int | None = Field(
        default=None,
        ge=32,
        le=MAX_SIDE,
        description="Side in pixels up to which images keep their size where image_size is not set; unset: 64, and 224 "
        "where a GPU trains.",
    )
    duplicates: Literal["keep", "reject"] = Field(
        default="keep",
        description="Rows with the same bytes and label under two ids: all are kept, or the later ones are rejected. A "
        "repeated id is always rejected.",
    )
    also_inputs: ListOf[str] = Field(
        default=(), description="Further columns that are judged as inputs, each with a reading and a proxy of its own."
    )
    also_labels: ListOf[str] = Field(
        default=(), description="Further columns that are judged as labels, each with a reading and a proxy of its own."
    )
    fold_classes: Literal["exact", "safe", "all"] = Field(
        default="safe",
        title="Spellings of a class",
        description="safe: spellings that differ in normal form, invisible characters or blanks are one class, what "
        "else looks alike is asked about. all: all that look alike are one class. exact: each is a class of its own.",
    )
    limits: Limits = Field(
        default=Limits(), title="Limits of a drop", description="Bounds that hold before anything is decoded or loaded."
    )

    @model_validator(mode="after")
    def _other_columns(self) -> Self:
        for name, own in (("also_inputs", self.input_column), ("also_labels", self.label_column)):
            columns = getattr(self, name)
            if len(set(columns)) != len(columns) or own in columns:
                raise ValueError(f"{name} must name different columns, and not the one that is read, got {columns!r}")
        return self


def declared_by_toml(text: bytes | None) -> Declared:
    """Return what a drop's own ``drop.toml`` says, a contributor's words; limits and policies cannot stand there.

    What it says beyond :data:`NAMES` is not obeyed: :mod:`telltale_core.drop.drop_toml` makes a question of it.
    """
    try:
        return from_dict(Declared, tomllib.loads((text or b"").decode("utf-8")), "drop.toml")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad("drop_toml_invalid", f"drop.toml is not valid TOML: {error}") from error
    except (ConfigError, TypeError) as error:
        raise bad("drop_toml_invalid", f"drop.toml: {error}") from error


def stated_fields(declared: Declared) -> dict[str, Any]:
    """Return the fields of :class:`Declared` that are set, and nothing else."""
    return {name: value for name, value in declared if name in Declared.model_fields and value is not None}


def check_settings(config: Declared, modality: str) -> None:
    """Raise ``setting_misplaced`` for a setting of another modality than the drop's, which would have no effect."""
    own = modality_named(modality).settings
    for other in modalities():
        for name in sorted(other.settings - own):
            if getattr(config, name) is not None:
                raise bad(
                    "setting_misplaced", f"{name} is a setting of {other.plural}; the drop's modality is {modality!r}"
                )
