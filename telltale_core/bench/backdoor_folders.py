"""Outputs of backdoor-toolbox and BackdoorBench as drops: what their folders hold, and who was poisoned, beside it.

``python -m telltale_core.bench.backdoor_folders SRC OUT`` writes ``OUT/drop`` (pictures and ``rows.csv``) and
``OUT/truth.csv`` (id, poisoned), which is no part of the drop.

*backdoor-toolbox*: ``imgs/0.png``, ... are all training pictures, the tensor ``labels`` what is trained on, and
``poison_indices`` which are poisoned. *BackdoorBench*: ``bd_train_dataset`` holds only the altered pictures, in folders
of their **original** label; their target is not in the folder, so ``--target`` must say it. The other pictures come
from ``--clean``, class folders with the same names, without those that were altered. BackdoorBench calls a folder by
the label's number and a file by its place in the training set: ``bd_train_dataset/3/1207.png``
(``poisonedCLSDataContainer`` in its ``utils/bd_dataset_v2.py``, read in 2026). So the clean ones must be called so::

    for place, (image, label) in enumerate(torchvision.datasets.CIFAR10(root, train=True)):
        image.save(f"clean/{label}/{place}.png")  # after its folder was made

Attacks with one target are converted, clean-label ones among them; all-to-all ones have no one target. Attacks that
keep their pictures in ``attack_result.pt`` alone are not: it holds pickled objects, which are never loaded.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from telltale_core.errors import BadInput, ConfigError


class Sample(NamedTuple):
    """A picture under the label that a model is trained on."""

    path: Path
    sample_id: str
    label: str
    poisoned: bool


def convert(source: Path, out: Path, *, clean: Path | None = None, target: str | None = None) -> int:
    """Write the drop and its truth; return the number of samples. Tensors are loaded as weights only."""
    toolbox = (source / "imgs").is_dir() and (source / "labels").is_file()
    samples = _of_toolbox(source) if toolbox else _of_bench(source, clean, target)
    drop = out / "drop"
    drop.mkdir(parents=True)
    count = 0
    with (drop / "rows.csv").open("w", newline="") as rows, (out / "truth.csv").open("w", newline="") as truth:
        write_row, write_truth = csv.writer(rows).writerow, csv.writer(truth).writerow
        write_row(["id", "file_name", "label"])
        write_truth(["id", "poisoned"])
        for sample in samples:
            name = f"images/{count:06d}{sample.path.suffix}"
            (drop / name).parent.mkdir(exist_ok=True)
            if sample.path.is_symlink():
                raise BadInput("path_outside_drop", f"{sample.sample_id} is a link: copy the file there instead")
            shutil.copyfile(sample.path, drop / name)
            write_row([sample.sample_id, name, sample.label])
            write_truth([sample.sample_id, int(sample.poisoned)])
            count += 1
    return count


def _of_toolbox(source: Path) -> Iterator[Sample]:
    labels = _numbers(source / "labels")
    poisoned = set(_numbers(source / "poison_indices")) if (source / "poison_indices").is_file() else set()
    for number, label in enumerate(labels):
        path = source / "imgs" / f"{number}.png"
        if not path.is_file():
            raise BadInput("media_missing", f"imgs/{number}.png is not there, but labels has {len(labels)} values")
        yield Sample(path, str(number), str(label), number in poisoned)


def _numbers(path: Path) -> list[int]:
    import torch

    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a stranger's file makes of the reader of weights
        what = f"{path.name} is no tensor ({type(error).__name__}): save it by torch.save"
        raise BadInput("file_corrupt", what) from error
    return [int(value) for value in values]


def _of_bench(source: Path, clean: Path | None, target: str | None) -> Iterator[Sample]:
    altered = source / "bd_train_dataset" if (source / "bd_train_dataset").is_dir() else source
    if clean is None or target is None:
        raise ConfigError(
            "a folder of BackdoorBench holds only the altered pictures, under their original labels: give --target, "
            "the label that the attacker wants, and --clean, class folders of the data set that was attacked"
        )
    taken, originals = set[str](), {f"{path.parent.name}/{path.stem}" for path in clean.glob("*/*.*")}
    for path in sorted(altered.glob("*/*.*")):
        key = f"{path.parent.name}/{path.stem}"
        if key not in originals:
            raise BadInput(
                "media_missing",
                f"{key} of the altered pictures has no original in --clean, and so would stay there: call its files by "
                "the number of the label and the place in the training set, such as 3/1207.png",
            )
        taken.add(key)
        yield Sample(path, f"altered/{key}", target, True)
    for path in sorted(clean.glob("*/*.*")):
        key = f"{path.parent.name}/{path.stem}"
        if key not in taken:
            yield Sample(path, key, path.parent.name, False)


def main(arguments: list[str] | None = None) -> None:
    """Run the converter from the command line."""
    parser = argparse.ArgumentParser(description="Make a drop of a folder of backdoor-toolbox or BackdoorBench.")
    parser.add_argument("source", type=Path, metavar="SRC")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--clean", type=Path, help="BackdoorBench: class folders of the data set that was attacked.")
    parser.add_argument("--target", help="BackdoorBench: the label that the attacker wants.")
    options = parser.parse_args(arguments)
    count = convert(options.source, options.out, clean=options.clean, target=options.target)
    sys.stdout.write(f"{count:,} samples in {options.out / 'drop'}; who is poisoned: {options.out / 'truth.csv'}\n")


if __name__ == "__main__":
    main()
