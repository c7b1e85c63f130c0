"""What a host fetches of a work area in an object store: the one that trains only packed inputs and records."""

import uuid
from pathlib import Path

import pytest

from telltale_core import stages
from telltale_core.drop.record import PUBLISHED
from tests.support.pipeline import Ran, run_pipeline


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_pipeline(tmp_path_factory.mktemp("fetching") / "run")


def held(host: Path, drop_digest: str) -> set[str]:
    return {path.name for path in host.rglob(f"{drop_digest}/*")}


@pytest.mark.trains
def test_a_host_that_trains_fetches_no_payload(finished: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, source, settings = f"memory://{uuid.uuid4().hex}/work", str(finished.folder / "drop"), finished.settings
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "first"))
    drop = stages.ingest(source, work, settings["drop"])
    whole = held(tmp_path / "first", drop["key"])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "trains"))
    trained = stages.train(drop, work, settings["proxy"])
    opened = stages.opened(trained, work)
    assert opened.train_record()["drop_digest"] == drop["key"]
    assert len(opened.losslog().sample_ids) == len(opened.packed_drop())
    assert held(tmp_path / "trains", drop["key"]) == whole - set(PUBLISHED)
    assert {"payload.parquet", "rejected.parquet"} <= whole
    opened.drop().payload()  # whoever needs it fetches it then
    assert held(tmp_path / "trains", drop["key"]) == whole
