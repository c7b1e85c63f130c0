"""What a small hostile drop may take of memory when it is published, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HEAD = """
import io, json, resource, sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
from telltale_core.digest import digest_of, sha256_file
from telltale_core.drop.writers import ParquetStream
from telltale_core.drop.record import REJECTED
from tests.support.hand_records import manifest
MIB = 1 << 20
root = Path(sys.argv[1])

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

def stream(name, tables, schema=None):
    made = ParquetStream(root / name, schema)
    for table in tables:
        made.add(table)
    made.close()

def finished(rows, rejected):
    files = {name: sha256_file(root / name) for name in ("payload.parquet", "rejected.parquet")}
    counts = {"seen": rows + rejected, "kept": rows, "rejected": rejected}
    whole = manifest(digest=digest_of(files), name="hostile", source="x", counts=counts, files=files)
    (root / "manifest.json").write_text(json.dumps(whole))

def refused(count):
    for n in range(count):
        row = {"source": f"f#{n}", "row": n, "reason_code": "media_unreadable", "reason": "damaged",
               "raw": b"%08d" % n + bytes(256 * 1024)}
        yield pa.Table.from_pylist([row], schema=REJECTED)
"""
PUBLISH = """
import dataclasses
from telltale_core.publish import publish, verify, why
from tests.support.verdicts import write_verdict
manifest = json.loads((root / "manifest.json").read_text())
rows = manifest["counts"]["kept"]

@dataclasses.dataclass
class Made:
    path: Path
    manifest: dict
    digest: str
    sample_ids: object

drop = Made(root, manifest, manifest["digest"], np.array([f"s{n}" for n in range(rows)]))
said = {"sample_id": drop.sample_ids.tolist(), "reason": ["r"] * rows,
        "decision": ["quarantine" if n % 4 == 0 else "keep" for n in range(rows)]}
write_verdict(root, said, drop_digest=drop.digest)
before = peak()
version = publish(drop, root, root / "out", lineage={"config_digest": "c" * 64, "code_version": "v", "seed": 0})
found = why(root / "out", "f#3").state if manifest["counts"]["rejected"] else ""
print(json.dumps({"mib": peak() - before, "counts": version.counts, "found": found,
                  "shards": len(version.urls()), "kind": str(pq.read_schema(version.urls()[0]).field("note").type)}))
"""
DICTIONARY = """
big = pa.array(["y" * (16 * MIB)])
note = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), big)
stream("payload.parquet", (pa.table({"label": [n % 2], "note": note}) for n in range(60)))
stream("rejected.parquet", [], REJECTED)
finished(60, 0)
"""
LIST = """
big = ["y" * (4 * MIB)] * 4
stream("payload.parquet", (pa.table({"label": [n % 2], "note": [big]}) for n in range(60)))
stream("rejected.parquet", [], REJECTED)
finished(60, 0)
"""
REFUSED = """
stream("payload.parquet", [pa.table({"label": [0, 1] * 4, "note": ["a"] * 8})])
stream("rejected.parquet", refused(3000), REJECTED)
finished(8, 3000)
"""
MOST_MIB = 400  # each case holds 0.8 to 1 GB decoded


def output_of(program: str, root: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HEAD + program, str(root)], check=False, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (DICTIONARY, "dictionary<values=string, indices=int32, ordered=0>"),
        (LIST, "list<element: string>"),
        (REFUSED, "string"),
    ],
    ids=["a dictionary that repeats 16 MB", "lists of 16 MB", "rejected rows of 256 KiB"],
)
def test_publishing_holds_a_row_group_and_a_shard_whatever_the_drop_repeats(
    tmp_path: Path, make: str, kind: str
) -> None:
    output_of(make, tmp_path)
    result = json.loads(output_of(PUBLISH, tmp_path))
    assert result["mib"] < MOST_MIB
    assert result["kind"] == kind
    assert sum(result["counts"].values()) == 2 * result["counts"]["ingested"]
    assert result["found"] in {"", "rejected"}
