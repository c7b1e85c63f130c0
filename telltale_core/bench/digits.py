"""Detection on data that every checkout has: scikit-learn's digits, several attacks and seeds, scored by the truth.

``python -m telltale_core.bench.digits`` prints one row a case, in Markdown. Seeds 21 to 23
were not used to choose settings.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from telltale_core.attacks import ImageSet, make_attack
from telltale_core.bench.main_job import walk
from telltale_core.bench.scoring import score
from telltale_core.drop.demo import DIGIT_NAMES, DIGITS_PROXY, load_digits_images, plain_ids, write_image_drop
from telltale_core.proxy import ProxyConfig

CASES = (("badnets", 0.05), ("badnets", 0.02), ("blend", 0.05), ("mislabel", 0.05), ("clean", 0.0))


def run_case(name: str, rate: float, seed: int, work: Path) -> dict[str, object]:
    """Return the score of one case; ``clean`` is the set as it is. The target is the seed modulo ten."""
    images, labels = load_digits_images()
    given = ImageSet(images=images, labels=labels.astype(np.int64), num_classes=len(DIGIT_NAMES))
    ids = plain_ids(len(given), seed, "digit")
    truth, data = np.zeros(len(given), dtype=bool), given
    if name != "clean":
        made = make_attack(name).poison(given, rate, seed % 10, seed)
        truth, data = made.truth, made.data
    drop = write_image_drop(work / "drop", data.images, data.labels, ids, DIGIT_NAMES, seed=seed).parent
    begin = time.perf_counter()
    _, verdict, _ = walk(drop, work / "out", work / "work", ProxyConfig(**DIGITS_PROXY, seed=seed))
    return {**score(verdict, set(np.asarray(ids)[truth].tolist())), "seconds": round(time.perf_counter() - begin)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[21, 22, 23])
    given = parser.parse_args(arguments)
    heads = ["case", "rate", "seed", "found", "wrongly quarantined", "review", "poison found?", "seconds"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name, rate in CASES:
        for seed in given.seeds:
            with tempfile.TemporaryDirectory() as folder:
                case = run_case(name, rate, seed, Path(folder))
            verdict = "yes" if str(case["statement"]).startswith("Poison found") else "no"
            found, wrong = f"{case['found']} of {case['poisoned']}", f"{case['wrongly_quarantined']} of {case['clean']}"
            cells = [name, f"{rate:.0%}", seed, found, wrong, case["review"], verdict, case["seconds"]]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    processor = platform.processor() or platform.machine()
    where = f"{processor}, 1 thread, torch {torch.__version__}, Python {platform.python_version()}"
    print("\n".join([*lines, "", where]))  # noqa: T201 - this is a program


if __name__ == "__main__":
    main()
