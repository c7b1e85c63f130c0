"""What ingest noted, in sentences for a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from telltale_core.drop import Drop
from telltale_core.drop.summary import noted_lines
from tests.support import drops as support

Take = Callable[..., Drop]


def test_spellings_losses_and_copies_are_said_with_their_counts(take: Take, tmp_path: Path):
    images: list[bytes | None] = [support.make_png(seed, (20, 20)) for seed in range(6)]
    images += [support.make_png(2, (20, 20)), support.make_png(9, (40, 20))]
    labels: list[object] = [*["cat", "dog"] * 3, "dog", "cat\u200b"]
    ids: list[object] = [f"s{row}" for row in range(8)]
    support.write_parquet(tmp_path / "d" / "a.parquet", images, labels, ids, features=None)
    lines = noted_lines(take(tmp_path / "d", image_size=20).manifest)
    assert lines == [
        "The class 'cat' is written in several ways and published in one: 'cat' (3), 'cat\\u200b' (1).",
        "Lost (resized): 1 of the images are larger than they are packed.",
        "Near-duplicates: 2 of the images, groups: 1, the largest of 2 ('s2'). Groups with different answers: 1, such "
        "as 's2': 'cat' (1), 'dog' (1).",
    ]


def test_a_plain_drop_has_nothing_said_of_it(take: Take, tmp_path: Path):
    images: list[bytes | None] = [support.make_png(seed) for seed in range(6)]
    support.write_parquet(tmp_path / "d" / "a.parquet", images, [0, 1] * 3)
    assert noted_lines(take(tmp_path / "d").manifest) == []
