import json

import pytest

from telltale_core.bench.logging_cost import main, measure
from telltale_core.proxy import ProxyConfig

pytestmark = pytest.mark.trains


def test_the_cost_is_measured_in_pairs_and_the_log_is_really_written(images):
    config = ProxyConfig(epochs=1, width=4, batch_size=20, device="cpu", threads=1)
    cost = measure(*images, config, repeats=2)
    assert len(cost.ratios) == 2
    assert min(cost.ratios) > 0
    assert cost.log_bytes > 200 * 2 * 2


def test_the_command_states_ratio_hardware_and_versions(capsys):
    small = ["--samples", "64", "--side", "8", "--epochs", "1", "--repeats", "1", "--width", "4", "--snapshots", "1"]
    assert main([*small, "--threads", "1", "--device", "cpu"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ratio_median"] > 0
    assert set(report["recordings"]) == {"features", "maps", "norms", "logits"}
    assert all(
        recording["epochs"] > 0 and recording["bytes_per_sample"] > 4 for recording in report["recordings"].values()
    )
    assert report["hardware"]["name"]
    assert report["versions"]["torch"]
