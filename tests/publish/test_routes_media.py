"""Triggers where the proxy does not look, and media and rows that nobody read, up to the publication."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from telltale_core.errors import BadInput
from telltale_core.publish import log
from tests.support.routes import (
    FINE,
    Cleanse,
    N,
    Route,
    beside,
    embedded,
    files,
    let_through,
    numbers,
    parquet,
    png,
    table,
    text,
    wav,
)  # fmt: skip

LABEL = {"names": ["bus", "car", "cat", "dog"], "_type": "ClassLabel"}
Make = Callable[[int], bytes]


def picture(row: int) -> Image.Image:
    return Image.open(io.BytesIO(png(row)))


def encoded(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def alpha(row: int) -> bytes:
    image = picture(row).convert("RGBA")
    image.putalpha(Image.fromarray(np.random.default_rng(row).integers(0, 255, (8, 8), np.uint8)))
    return encoded(image)


def frames(row: int) -> bytes:
    return encoded(picture(row), save_all=True, append_images=[picture(row + 1)])


def bits(row: int) -> bytes:
    grey = np.asarray(picture(row).convert("L")).astype(np.uint16)
    return encoded(Image.fromarray(grey * 256 + 7))


def turned(row: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture(row), exif=exif)


def sound(row: int, rate: int, seconds: float, high: float = 0.0) -> bytes:
    buffer, time = io.BytesIO(), np.arange(int(rate * seconds)) / rate
    wave = 0.4 * np.sin(2 * np.pi * (300 + 10 * row) * time) + high * np.sin(2 * np.pi * 15_000 * time)
    soundfile.write(buffer, wave, rate, format="WAV")
    return buffer.getvalue()


def channels(row: int) -> bytes:
    buffer, time = io.BytesIO(), np.arange(800) / 8000
    both = np.stack([np.sin(2 * np.pi * hertz * time) for hertz in (300 + row, 900)], axis=1)
    soundfile.write(buffer, 0.4 * both, 8000, format="WAV")
    return buffer.getvalue()


def in_one(make: Make, usual: Make = png, label: int = 0) -> Make:
    """Return what makes the samples of one label so, and those of all others as usual."""
    return lambda row: make(row) if FINE[row % N] == label else usual(row)


def held(make: Make, kind: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        if kind == "images":
            return parquet(folder, {"image": {"_type": "Image"}, "label": LABEL}, image=embedded(make), label=FINE)
        if kind == "recordings":
            return parquet(folder, {"audio": {"_type": "Audio"}, "label": LABEL}, audio=embedded(make), label=FINE)
        if kind in ("csv", "jsonl"):
            return table(folder, kind, file_name=files(folder, "a", make, "png"), label=FINE)
        files(folder, ".", make, kind)
        return folder

    return write


def long_texts(folder: Path) -> Path:
    more = [" ".join(f"word{row * one % 97}" for one in range(1, 60)) if FINE[row] == 0 else "" for row in range(N)]
    return table(folder, "jsonl", text=[f"{text(row)} {more[row]}" for row in range(N)], label=FINE)


def towns(folder: Path) -> Path:
    """Thousands of towns, of which those of label 0 alone are rare."""
    label = [row % 4 for row in range(2000)]
    town = [f"rare {row}" if label[row] == 0 and row < 1600 else f"town {row % 200}" for row in range(2000)]
    size = np.random.default_rng(0).normal(size=2000).tolist()
    return table(folder, "csv", town=town, size=size, label=label)


def lost(cause: str, make: Callable[[Path], Path], code: str = "", **drop: Any) -> Route:
    return Route(
        make=make,
        code=code or f"lost_{cause}_in_one",
        cure=f'drop.accept_loss = ["{cause}"]',
        through={"drop": {"accept_loss": (cause,)}},
        base_settings={"drop": drop} if drop else {},
    )


def hidden(make: Callable[[Path], Path], media: Make, ending: str, format_: str) -> Route:
    """A drop beside which media lie in folders of classes."""

    def write(folder: Path) -> Path:
        files(folder, ".", media, ending)
        return make(folder)

    through = {"drop": {"format": format_}}
    return Route(make=write, code="media_unread", cure='drop.format = "folder"', through=through)


def two_folders(folder: Path) -> Path:
    files(folder, "more", lambda row: png(row, 5), "png")
    return beside("csv", folder)


ROUTES: dict[str, Route] = {
    "alpha, Parquet": lost("alpha", held(in_one(alpha), "images")),
    "alpha, CSV": lost("alpha", held(in_one(alpha), "csv")),
    "alpha, JSON lines": lost("alpha", held(in_one(alpha), "jsonl")),
    "alpha, class folders": lost("alpha", held(in_one(alpha), "png")),
    "alpha in all labels": lost("alpha", held(alpha, "images"), "lost_alpha"),
    "further frames": lost("frames", held(in_one(frames), "images")),
    "further frames, class folders": lost("frames", held(in_one(frames), "png")),
    "16 bits": lost("bits", held(in_one(bits), "images")),
    "orientation": lost("orientation", held(in_one(turned), "images")),
    "beyond the length": lost("length", long_texts, max_tokens=24),
    "beyond the length of sound": lost(
        "length", held(in_one(partial(sound, rate=8000, seconds=0.3), wav), "recordings"), max_seconds=0.1
    ),
    "above the rate": lost("rate", held(in_one(partial(sound, rate=44_100, seconds=0.1, high=0.2), wav), "recordings")),
    "above the rate, WAV folders": lost(
        "rate", held(in_one(partial(sound, rate=44_100, seconds=0.1, high=0.2), wav), "wav")
    ),
    "channels": lost("channels", held(in_one(channels, wav), "wav")),
    "rare categories": lost("categories", towns, modality="table"),
    "images beside texts": hidden(partial(beside, "text"), png, "png", "table"),
    "images beside a table": hidden(partial(beside, "table"), png, "png", "table"),
    "recordings beside texts": hidden(partial(beside, "text"), wav, "wav", "table"),
    "images beside Parquet": hidden(partial(beside, "parquet"), png, "png", "parquet"),
    "recordings beside Parquet": hidden(partial(beside, "audio"), wav, "wav", "parquet"),
    "more images than the table names": hidden(two_folders, lambda row: png(row, 4), "png", "table"),
}


@pytest.mark.slow
@pytest.mark.parametrize("route", list(ROUTES))
def test_what_nobody_saw_ends_at_a_person(tmp_path: Path, cleanse: Cleanse, route: str) -> None:
    ROUTES[route].ends_at_a_person(cleanse, tmp_path / "drop")


@pytest.mark.slow
@pytest.mark.parametrize("route", let_through(ROUTES))
def test_the_operators_standing_setting_publishes_it(tmp_path: Path, cleanse: Cleanse, route: str) -> None:
    ROUTES[route].is_let_through(cleanse, tmp_path / "drop")


def test_a_drop_in_a_bucket_with_a_trigger_where_nobody_looks_ends_at_a_person(tmp_path: Path, s3_url: str) -> None:
    import fsspec

    drop = held(in_one(alpha), "png")(tmp_path / "drop")
    fsspec.filesystem("s3").clear_instance_cache()
    store = fsspec.filesystem("s3")
    store.put(f"{drop}/", f"{s3_url}/drop", recursive=True)
    asked = Cleanse(str(tmp_path / "work"), f"{s3_url}/clean").asked(f"{s3_url}/drop")
    assert list(asked) == ["lost_alpha_in_one"]
    assert not store.exists(f"{s3_url}/clean/_versions")


def lines(kind: str) -> list[str]:
    if kind == "table":
        rows = zip(*numbers().values(), FINE, strict=True)
        return ["height,weight,label", *(",".join(map(str, row)) for row in rows)]
    return ["id,text,label", *(f"{row},{text(row)},{FINE[row]}" for row in range(N))]


@pytest.mark.parametrize(
    ("kind", "at"),
    [("texts", {3: '2,"is it,0'}), ("texts", {3: '2,"is it,0', 30: '29,5" wide,1'}), ("table", {5: '"1.5,2,0'})],
)
def test_rows_that_a_quote_swallows_are_refused_and_nothing_is_published(
    tmp_path: Path, cleanse: Cleanse, kind: str, at: dict[int, str]
) -> None:
    written = [at.get(place, line) for place, line in enumerate(lines(kind))]
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "rows.csv").write_text("\n".join(written) + "\n")
    with pytest.raises(BadInput, match=f"line {min(at) + 1} of 'rows.csv'") as error:
        cleanse(tmp_path / "drop")
    assert error.value.code == "rows_swallowed"
    assert log(cleanse.dataset) == []
