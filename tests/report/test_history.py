from __future__ import annotations

import io
from typing import Any

from PIL import Image

from telltale_core.report.history import entries_of, history_png, sentence


def manifest(number: int, aside: int, **lineage: Any) -> dict[str, Any]:
    counts = {"ingested": 110, "published": 100 - aside, "quarantined": aside, "review": 0, "rejected": 10}
    drop = {"name": f"drop-{number}\u202e"}
    return {"number": number, "created_at": "2026-01-01T00:00:00Z", "drop": drop, "counts": counts, "lineage": lineage}


def test_shares_are_of_the_judged_samples_and_a_restoration_is_no_drop() -> None:
    restore = {"by": "Bo", "sample_ids": ["a"], "reason": "fine"}
    entries = entries_of([manifest(1, 2), manifest(2, 40, review={"by": "Ann"}), manifest(3, 39, restore=restore)])
    assert [(one.share, one.kind, one.by) for one in entries] == [
        (0.02, "drop", ""),
        (0.4, "approved", "Ann"),
        (0.39, "restored", "Bo"),
    ]
    assert sentence(entries) == (
        "2 drops, 3 versions; of the newest drop 40.00% was held back (median of the 1 before: 2.00%)."
    )
    assert "\u202e" not in entries[0].drop


def test_one_drop_is_one_drop() -> None:
    assert sentence(entries_of([manifest(1, 2)])) == "1 drop, 1 version; of the newest drop 2.00% was held back."


def test_the_picture_is_drawn_for_none_one_and_many_versions() -> None:
    restored = manifest(41, 3, restore={"by": "Bo"})
    for manifests in ([], [manifest(1, 0)], [*(manifest(n, n % 9) for n in range(1, 41)), restored]):
        picture = Image.open(io.BytesIO(history_png(entries_of(manifests))))
        assert picture.format == "PNG"
        assert picture.width > 500
    assert sentence([]) == "Nothing is published yet."


def test_a_drop_of_which_nothing_was_judged_has_share_zero() -> None:
    empty = manifest(1, 0)
    empty["counts"] = {"ingested": 10, "published": 0, "quarantined": 0, "review": 0, "rejected": 10}
    [entry] = entries_of([empty])
    assert (entry.judged, entry.share) == (0, 0.0)
