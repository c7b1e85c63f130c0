"""The example of telltale_core/modality/README.md, run as it stands there, from a file to a report."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from telltale_core import stages
from telltale_core.drop import DropConfig, ingest, pack
from telltale_core.errors import BadInput, ConfigError
from telltale_core.modality import modalities, modality_named, register, registry
from telltale_core.modality.image import ImageModality
from telltale_core.proxy import load_proxy

README = Path(registry.__file__).parent / "README.md"


@pytest.fixture
def curves(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    block = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(block.group(1), "README.md", "exec"), {})
    return block.group(1)


def write(path, rows, seed=0):
    rng = np.random.default_rng(seed)
    lines = []
    for row in range(rows):
        curve = rng.normal(size=32).round(3) + (row % 2)
        lines.append({"id": f"c{row}", "curve": curve.tolist(), "label": row % 2, "note": "kept as it is"})
    lines[3]["curve"] = [1.0] * 31
    path.mkdir()
    (path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.trains
def test_a_kind_of_data_of_ones_own_goes_from_file_to_report_by_registering_one_class(curves, tmp_path):
    assert len([line for line in curves.splitlines() if line.strip()]) <= 32
    work = str(tmp_path / "work")
    settings = {"threads": 1, "device": "cpu"}
    record = stages.ingest(str(write(tmp_path / "d", 300)), work, {})
    drop = stages.open_drop(record, work)
    assert (drop.modality, drop.inputs.shape, drop.inputs.dtype) == ("curve", (299, 32), np.float32)
    assert drop.rejected()["reason_code"].to_pylist() == ["values_invalid"]
    assert drop.payload().column_names == ["id", "curve", "note", "label"]
    trained = stages.train(record, work, settings)
    training = stages.opened(trained, work).train_record()
    assert (training["model"], training["config"]["epochs"], training["input"]) == (
        "mlp",
        4,
        {"modality": "curve", "shape": [32]},
    )
    assert training["members"][0]["train_score"] > 0.95
    verdict = stages.cluster(stages.spectrum(trained, work, {}), work, {})
    page = stages.folder_of(stages.report(verdict, work, {}), "report", work) / "report.html"
    assert "299 curves, classification, 2 labels" in page.read_text(encoding="utf-8")
    assert "<code>" in page.read_text(encoding="utf-8")
    fresh = pack(drop, [[2.0] * 32, [-2.0] * 32])
    assert load_proxy(stages.folder_of(trained, "train", work)).predict(fresh).tolist() == [1, 0]


def test_a_name_that_is_taken_is_refused(curves):
    with pytest.raises(ConfigError, match="'image' is registered already"):
        register(type("Image", (ImageModality,), {}))
    assert modalities()[0].name == "curve"
    assert modality_named("curve").plural == "curves"


def test_a_setting_of_another_modality_is_refused(curves, tmp_path):
    with pytest.raises(BadInput, match="image_size is a setting of images; the drop's modality is 'curve'") as error:
        ingest(str(write(tmp_path / "d", 20)), tmp_path / "drops", DropConfig(image_size=8))
    assert error.value.code == "setting_misplaced"
