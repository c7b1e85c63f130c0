"""What a packed sample does not hold of its file: found by cause in real files, counted, and asked about."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from telltale_core.drop import Drop
from telltale_core.drop.cohorts import Cohorts
from telltale_core.drop.information_loss import LEVEL, loss_questions, most_unequal
from telltale_core.errors import ConfigError
from telltale_core.modality.information_loss import Loss
from telltale_core.questions import questions_of
from tests.support import drops as support

Take = Callable[..., Drop]
RNG = np.random.default_rng(5)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def transparent() -> bytes:
    return encoded(Image.fromarray(noise(8, 8, 4)))


def opaque() -> bytes:
    return encoded(Image.fromarray(np.concatenate([noise(8, 8, 3), np.full((8, 8, 1), 255, np.uint8)], axis=2)))


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(noise(8, 8, 3)), "JPEG", exif=exif)


def animated() -> bytes:
    frames = [Image.fromarray(noise(8, 8, 3)) for _ in range(3)]
    return encoded(frames[0], save_all=True, append_images=frames[1:])


def photos_in_one() -> bytes:
    frames = [Image.fromarray(noise(8, 8, 3)) for _ in range(2)]
    return encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])


def deep(low: int) -> bytes:
    return encoded(Image.fromarray(noise(8, 8).astype(np.uint16) * 256 + low))


def keyed() -> bytes:
    image = Image.fromarray(np.array([[0, 1], [1, 0]] * 4, np.uint8).repeat(4, axis=1)).convert("P")
    return encoded(image, transparency=b"\x00\x80")


def folder(path: Path, **classes: list[bytes]) -> Path:
    for name, files in classes.items():
        (path / name).mkdir(parents=True)
        for number, data in enumerate(files):
            (path / name / f"{number:03}.img").write_bytes(data)
    return path


def plain(count: int) -> list[bytes]:
    return [encoded(Image.fromarray(noise(8, 8, 3))) for _ in range(count)]


def codes(drop: Drop) -> list[str]:
    return [question.code for question in questions_of(drop.manifest)]


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (transparent(), "alpha"),
        (keyed(), "alpha"),
        (turned(), "orientation"),
        (animated(), "frames"),
        (photos_in_one(), "frames"),
        (deep(7), "bits"),
        (support.make_png(1, (80, 8)), "resized"),
    ],
)
def test_what_an_image_loses_is_noted_for_it_alone(take: Take, tmp_path: Path, data: bytes, cause: str):
    drop = take(folder(tmp_path / "d", cat=[*plain(9), data], dog=plain(10)), image_size=8)
    assert drop.manifest["lost"]["by_cause"] == {cause: 1}
    assert drop.notes is not None
    noted = dict(zip(drop.samples()["source"].to_pylist(), drop.notes["lost"].to_pylist(), strict=True))
    assert noted.pop("cat/009.img") == Loss[cause.upper()].value
    assert not any(noted.values())
    assert not codes(drop)


@pytest.mark.parametrize("data", [opaque(), deep(0), support.make_jpeg(1)])
def test_an_image_that_holds_no_more_than_is_packed_loses_nothing(take: Take, tmp_path: Path, data: bytes):
    drop = take(folder(tmp_path / "d", cat=[*plain(3), data], dog=plain(3)))
    assert not drop.manifest["lost"]["samples"]


def test_a_drop_whose_samples_all_fit_holds_no_notes(take: Take, tmp_path: Path):
    drop = take(folder(tmp_path / "d", cat=plain(4), dog=plain(4)))
    assert drop.notes is None
    assert set(drop.manifest["files"]) == {"samples.parquet", "inputs.npy", "payload.parquet", "rejected.parquet"}
    assert drop.weights.tolist() == [1.0] * 8


def sound(wave: np.ndarray, rate: int, subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


def tone(rate: int, hertz: float, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (sound(tone(44_100, 440) + 0.2 * tone(44_100, 15_000), 44_100), "rate"),
        (sound(tone(16_000, 440, 3.0), 16_000), "length"),
        (sound(np.stack([tone(16_000, 440), tone(16_000, 900)], axis=1), 16_000), "channels"),
        (sound(tone(16_000, 440) + 1e-6, 16_000, "PCM_24"), "bits"),
    ],
)
def test_what_a_recording_loses_is_noted(take: Take, tmp_path: Path, data: bytes, cause: str):
    usual = [sound(tone(16_000, 200 + 10 * number), 16_000) for number in range(8)]
    same = sound(np.repeat(tone(16_000, 300)[:, None], 2, axis=1), 16_000)
    lower = sound(tone(44_100, 440), 44_100)
    drop = take(
        folder(tmp_path / "d", cat=[data, *usual, same], dog=[*usual, lower]), modality="audio", max_seconds=0.5
    )
    assert drop.manifest["lost"]["by_cause"] == {cause: 1}


def test_a_text_that_is_cut_and_a_rare_category_are_noted(take: Take, tmp_path: Path):
    words = [f"the {number} cat sat on mat {number % 7}" for number in range(60)]
    table = pa.table({"text": [*words, " ".join(words)], "label": [0, 1] * 30 + [1]})
    (tmp_path / "t").mkdir()
    pq.write_table(table, tmp_path / "t" / "a.parquet")
    assert take(tmp_path / "t", max_tokens=16).manifest["lost"]["by_cause"] == {"length": 1}
    towns = [f"town {number % 200}" for number in range(2000)] + [f"rare {number}" for number in range(100)]
    numbers = RNG.normal(size=len(towns))
    table = pa.table({"town": towns, "size": numbers, "label": [number % 2 for number in range(len(towns))]})
    (tmp_path / "c").mkdir()
    pq.write_table(table, tmp_path / "c" / "a.parquet")
    drop = take(tmp_path / "c", modality="table")
    assert drop.manifest["lost"]["by_cause"] == {"categories": 44}  # 300 different, of which 256 are told apart


@pytest.mark.parametrize(("make", "cause"), [(transparent, "alpha"), (animated, "frames"), (turned, "orientation")])
def test_a_trigger_where_nobody_looks_in_one_label_is_asked_about(
    take: Take, tmp_path: Path, make: Callable[[], bytes], cause: str
):
    source = folder(tmp_path / "d", cat=[*plain(60), *[make() for _ in range(12)]], dog=plain(80), owl=plain(80))
    drop = take(source)
    assert codes(drop) == [f"lost_{cause}_in_one"]
    question = questions_of(drop.manifest)[0]
    assert "12 of 72 images of the label 'cat'" in question.text
    assert f'drop.accept_loss = ["{cause}"]' in question.cure
    assert not codes(take(source, accept_loss=(cause,)))


def test_much_that_nobody_saw_is_asked_about_though_all_labels_share_it(take: Take, tmp_path: Path):
    files = {name: [*plain(20), *[transparent() for _ in range(6)]] for name in ("cat", "dog")}
    assert codes(take(folder(tmp_path / "d", **files))) == ["lost_alpha"]


def test_sizes_are_counted_and_never_asked_about(take: Take, tmp_path: Path):
    large = [support.make_png(number, (90, 120)) for number in range(20)]
    drop = take(folder(tmp_path / "d", cat=large, dog=plain(20)))
    assert drop.manifest["lost"]["by_cause"] == {"resized": 20}
    assert not codes(drop)


def test_a_few_and_an_even_share_ask_nothing():
    cohorts = Cohorts(number=np.arange(1000) % 5, names=None)
    even = np.arange(1000) % 20 == 0
    few = np.zeros(1000, dtype=bool)
    few[:45:5] = True
    losses = np.where(RNG.permutation(1000) < 90, Loss.ALPHA.value, 0)
    assert most_unequal(few, cohorts) is None
    assert most_unequal(RNG.permuted(even), cohorts) is None
    assert not loss_questions(losses, cohorts, "images", ())


def test_the_test_of_labels_keeps_its_level():
    alarms = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        cohorts = Cohorts(number=rng.integers(0, 40, 4000), names=None)
        alarms += most_unequal(rng.random(4000) < 0.02, cohorts) is not None
    assert alarms <= 300 * LEVEL * 5


def test_an_unknown_loss_is_refused_with_the_known_ones(take: Take, tmp_path: Path):
    with pytest.raises(ConfigError, match="resized, alpha, orientation"):
        take(folder(tmp_path / "d", cat=plain(2), dog=plain(2)), accept_loss=("colour",))
