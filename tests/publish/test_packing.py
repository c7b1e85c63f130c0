"""How shards are packed: media that zstd does not shrink as they are, all else compressed; equal on any threads."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.errors import Corrupt
from telltale_core.publish import PublishConfig, protocol, publish
from telltale_core.publish.plan import encode, pack
from telltale_core.storage import open_store
from telltale_core.threads import in_order
from tests.support.storage import CODE, make_job

MEDIA = 20_000


def drop_of(media: list[bytes]) -> pa.Table:
    content = [{"bytes": data, "path": f"folder/{row:06d}.png"} for row, data in enumerate(media)]
    image = pa.array(content, pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    return pa.table({"image": image, "label": pa.array(np.arange(len(media)) % 3), "words": ["so be it"] * len(media)})


def noise(rows: int, seed: int = 0) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [rng.bytes(MEDIA) for _ in range(rows)]


def codecs(data: Any) -> dict[str, set[str]]:
    metadata = pq.read_metadata(pa.BufferReader(data))
    codec_of: dict[str, set[str]] = {}
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            codec_of.setdefault(column.path_in_schema, set()).add(column.compression)
    return codec_of


def test_only_what_zstd_does_not_shrink_is_stored_as_it_is() -> None:
    table = drop_of(noise(200))
    rest = {"image.path": {"ZSTD"}, "label": {"ZSTD"}, "words": {"ZSTD"}}
    assert codecs(encode(table, PublishConfig())) == {"image.bytes": {"UNCOMPRESSED"}, **rest}
    texts = drop_of([b"one word after another " * 900] * 200)
    assert codecs(encode(texts, PublishConfig())) == {"image.bytes": {"ZSTD"}, **rest}


@pytest.mark.parametrize("rows", [0, 1, 300])
def test_what_is_packed_is_read_again_and_depends_on_the_rows_alone(rows: int) -> None:
    table, config = drop_of(noise(rows)), PublishConfig(row_group_bytes=1 << 20)
    data = encode(table, config)
    assert pq.read_table(pa.BufferReader(data)).equals(table)
    cut = pa.concat_tables([table.slice(at, 7) for at in range(0, rows, 7)] or [table])
    assert encode(cut, config) == data
    if rows:
        assert [bytes(shard.data) for shard in pack([cut], config)] == [bytes(data)]


def test_a_column_of_large_values_has_pages_of_about_a_mebibyte() -> None:
    data = encode(drop_of(noise(400)), PublishConfig())
    column = pq.read_metadata(pa.BufferReader(data)).row_group(0).column(0)
    assert column.total_uncompressed_size > 7e6
    assert column.data_page_offset - column.dictionary_page_offset < 3e6  # the first page is no 8 MB


def test_any_number_of_threads_publishes_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop, verdict = make_job(tmp_path, n=60)
    config, files = PublishConfig(shard_bytes=1000, row_group_bytes=500), []
    for count in (1, 3):
        monkeypatch.setattr(protocol, "threads", lambda count=count: count)
        version = publish(drop, verdict, str(tmp_path / f"{count}"), run_key="r", lineage=CODE, config=config)
        files.append({name: version.manifest[name] for name in ("files", "quarantine", "rejected", "index")})
    assert files[0] == files[1]
    assert len(files[0]["files"]) > 5


def test_results_come_in_order_and_no_more_is_taken_than_is_worked_on() -> None:
    taken: list[int] = []
    done: list[int] = []

    def items() -> Iterator[int]:
        for item in range(12):
            taken.append(item)
            assert len(taken) - len(done) <= 4
            yield item

    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return -item

    for result in in_order(work, items(), 3):
        done += [result]
    assert done == [-item for item in range(12)]


def test_the_first_failure_is_raised_and_nothing_is_begun_after_it() -> None:
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 2:
            raise OSError("full")
        return item

    with pytest.raises(OSError, match="full"):
        list(in_order(work, range(50), 2))
    assert len(begun) < 8


@pytest.mark.parametrize(("items", "threads"), [([1], 4), ([1, 2, 3], 1)])
def test_one_item_or_one_thread_needs_no_pool(items: list[int], threads: int) -> None:
    assert set(in_order(lambda _: threading.get_ident(), items, threads)) == {threading.get_ident()}


@pytest.mark.parametrize("url", ["memory://digests", "local"])
def test_an_object_is_verified_a_part_at_a_time(url: str, tmp_path: Path) -> None:
    store = open_store(tmp_path if url == "local" else url)
    data = memoryview(noise(200)[0] * 200)
    store.create("k", data)
    store.create("k", data)  # as after a lost reply
    assert store.read("k") == data
    digest = store.transport.digest("k")
    store.verify("k", digest)
    store.write("k", bytes(data[:-1]))
    with pytest.raises(Corrupt, match="should have sha256"):
        store.verify("k", digest)
