"""Near-duplicates: found among samples of every kind, in linear time, and shown with their labels."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from PIL import Image

from telltale_core.drop import Drop
from telltale_core.drop.near_duplicates import find_repeats
from telltale_core.modality.table.sketch import rounded
from tests.support import drops as support

Take = Callable[..., Drop]


def photo(seed: int, side: int = 32) -> Image.Image:
    """A smooth random picture, as photographs are."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def test_copies_in_other_bytes_are_one_group_and_the_rest_stands_alone(take: Take, tmp_path: Path):
    images: list[bytes | None] = [jpeg(photo(seed)) for seed in range(60)]
    images += [jpeg(photo(3), 60), jpeg(photo(3).point(lambda value: min(255, value + 9)))]
    support.write_parquet(tmp_path / "d" / "a.parquet", images, [seed % 3 for seed in range(62)])
    drop = take(tmp_path / "d")
    assert np.flatnonzero(drop.repeats > 1).tolist() == [3, 60, 61]
    np.testing.assert_allclose(drop.weights[[3, 60, 61]], 1 / 3)
    assert drop.weights.sum() == 60


def test_a_picture_under_two_labels_is_named_with_both(take: Take, tmp_path: Path):
    images: list[bytes | None] = [jpeg(photo(seed)) for seed in range(20)] + [jpeg(photo(4), 70)]
    ids: list[object] = [f"id-{row}" for row in range(21)]
    support.write_parquet(tmp_path / "d" / "a.parquet", images, [*[0, 1] * 10, 2], ids)
    repeats = take(tmp_path / "d").manifest["repeats"]
    assert (repeats["groups"], repeats["samples"]) == (1, 2)
    mixed = repeats["under_two_labels"]
    assert (mixed["groups"], mixed["samples"]) == (1, 2)
    assert mixed["largest"][0] == {"sample_id": "id-4", "size": 2, "labels": {"cat": 1, "owl": 1}}


def test_texts_that_share_nearly_all_words_are_near(take: Take, tmp_path: Path):
    rng = np.random.default_rng(1)
    words = [f"w{number}" for number in range(300)]
    texts = [" ".join(rng.choice(words, 60)) for _ in range(50)]
    texts.append(texts[7] + " indeed")
    (tmp_path / "d").mkdir()
    pq.write_table(pa.table({"text": texts, "label": [row % 2 for row in range(51)]}), tmp_path / "d" / "a.parquet")
    assert np.flatnonzero(take(tmp_path / "d").repeats > 1).tolist() == [7, 50]


def test_a_louder_recording_is_near(take: Take, tmp_path: Path):
    def wav(seed: int, gain: float = 1.0) -> bytes:
        rng, buffer = np.random.default_rng(seed), io.BytesIO()
        pitch = np.repeat(rng.uniform(150, 3000, 8), 500).cumsum() * 2 * np.pi / 8000
        soundfile.write(buffer, gain * 0.3 * np.sin(pitch) + 1e-3 * rng.normal(size=4000), 8000, format="WAV")
        return buffer.getvalue()

    for row, data in enumerate([*[wav(seed) for seed in range(30)], wav(5, 1.7)]):
        (tmp_path / "d" / f"label{row % 2}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / f"label{row % 2}" / f"{row:02}.wav").write_bytes(data)
    drop = take(tmp_path / "d")
    sources = np.array(drop.samples()["source"].to_pylist())
    assert sources[drop.repeats > 1].tolist() == ["label0/30.wav", "label1/05.wav"]


def test_table_rows_are_near_that_are_equal_but_for_rounding():
    rows = np.array(
        [[1.00001, -0.0, np.nan], [1.00002, 0.0, np.nan], [1.01, 0.0, np.nan], [1.00001, 0.0, 3]], np.float32
    )
    assert find_repeats(rounded(rows), 0).size.tolist() == [2, 2, 1, 1]


def test_a_chain_of_small_steps_is_not_one_group():
    frames = np.zeros((64, 32), dtype=np.uint8)
    for step in range(1, 64):
        frames[step] = frames[step - 1]
        frames[step, step // 2] ^= 15 << 4 * (step % 2)
    repeats = find_repeats(frames, 12)
    assert repeats.size.max() <= 7
    for row, leader in enumerate(repeats.leader):
        assert np.bitwise_count(frames[row] ^ frames[leader]).sum() <= 12


def test_rows_in_another_order_have_the_same_groups_of_copies():
    rng = np.random.default_rng(2)
    sketches = rng.integers(0, 256, (500, 32), dtype=np.uint8)
    sketches[400:] = sketches[rng.integers(0, 50, 100)]
    sketches[450:, 3] ^= 1
    order = rng.permutation(500)
    here, there = find_repeats(sketches, 12), find_repeats(sketches[order], 12)
    assert here.size[order].tolist() == there.size.tolist()


def test_what_an_attacker_makes_alike_in_nearly_all_bands_is_told_apart():
    sketches = np.random.default_rng(3).integers(0, 256, (20_000, 32), dtype=np.uint8)
    sketches[:, :26] = 7
    sketches[19_990:] = sketches[:10]
    repeats = find_repeats(sketches, 3)
    assert repeats.size[:10].tolist() == repeats.size[19_990:].tolist() == [2] * 10
