"""The arguments and options that several commands share, in the same words everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Src = Annotated[
    str, typer.Argument(metavar="SRC", help="The drop: a folder, a file, or an fsspec URL such as s3://...")
]
Out = Annotated[
    str, typer.Option("--out", metavar="DST", help="Where the dataset's versions live: a folder or s3://...")
]
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="A published dataset: the DST of cleanse.")]
Work = Annotated[
    str,
    typer.Option("--work", envvar="TELLTALE_WORK", help="Work area: finished stages are kept here and used again."),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="TOML", help="Settings: a table a stage; [datasets.NAME.STAGE] for one dataset."),
]
Set = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="STAGE.NAME=VALUE",
        default_factory=list,
        show_default=False,
        help='One setting; over --config. A list is written as in TOML: \'drop.input_columns=["age", "town"]\'.',
    ),
]
Approve = Annotated[
    str,
    typer.Option("--approve", metavar="CODE", help="Publish what a person must decide: the code that came with it."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Do everything but write to DST.")]
Split = Annotated[
    str,
    typer.Option("--split", metavar="NAME", help="Which split of the drop is read, or all; by default train."),
]
Strict = Annotated[bool, typer.Option("--strict", help="End with exit code 3 where what was understood is doubtful.")]
Role = Annotated[
    str, typer.Option("--role", help="Whose keys these are: publisher (CPU workers), worker (GPU), bridge, reviewer.")
]
Number = Annotated[int | None, typer.Option("--version", metavar="N", help="A version number; the newest by default.")]

Repair = Annotated[
    bool, typer.Option("--repair", help="Write what is lost or damaged again: manifests, and objects from --work.")
]
Over = Annotated[
    int | None,
    typer.Option("--over", metavar="N", help="The newest version, of another run, that the new one may supersede."),
]

# Of the demo alone.
Data = Annotated[
    str | None,
    typer.Option("--data", help="cifar10, a folder with CIFAR-10's data_batch_*.bin, or any drop of labelled images."),
]
Rate = Annotated[float, typer.Option("--rate", help="Share of the samples to poison.")]
Target = Annotated[int, typer.Option("--target", help="The label that the attacker wants.")]
Samples = Annotated[int, typer.Option("--samples", help="With --data: how many samples to draw.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the poisoning.")]
DemoOut = Annotated[
    str | None, typer.Option("--out", metavar="DST", help="Where to publish; beside the drop by default.")
]
