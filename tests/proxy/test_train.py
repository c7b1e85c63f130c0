import json
import logging
import re

import numpy as np
import pytest
import torch

from telltale_core.errors import BadInput, ConfigError, OverBudget, TrainingDiverged
from telltale_core.losslog import LossLog
from telltale_core.losslog.values import log_cross_entropy
from telltale_core.proxy import ProxyConfig, fit, predict_logits, train

pytestmark = pytest.mark.trains

STEPS = [5, 10, 15, 20, 25, 30]
"""Two snapshots in each epoch of ten steps."""


def test_the_log_holds_every_sample_at_every_snapshot(drop, finished):
    log = LossLog.open(finished / "losslog")
    assert log.log_loss.shape == (200, 6), "two an epoch"
    assert log.finite.all()
    np.testing.assert_array_equal(log.sample_ids, drop.sample_ids)
    assert log.steps.tolist() == STEPS
    assert log.drop_digest == drop.digest


def test_the_last_snapshot_is_the_saved_models_loss_on_the_inputs_as_they_are(drop, finished):
    """Evaluation mode, no augmentation, rows in the drop's order, all at once: recomputed from the model's file."""
    logits = predict_logits(finished, drop.inputs)
    again = log_cross_entropy(torch.from_numpy(logits), torch.from_numpy(np.array(drop.labels))).float().numpy()
    np.testing.assert_array_equal(again, LossLog.open(finished / "losslog").log_loss[:, -1])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_saved_proxy_answers_in_the_precision_it_was_trained_in(drop, config, tmp_path, precision):
    train(drop, tmp_path, config.replace(epochs=1, precision=precision))
    logits = torch.from_numpy(predict_logits(tmp_path, drop.inputs))
    again = log_cross_entropy(logits, torch.from_numpy(np.array(drop.labels))).float().numpy()
    np.testing.assert_array_equal(again, LossLog.open(tmp_path / "losslog").log_loss[:, -1])


def test_the_proxy_learns(drop, finished):
    log = LossLog.open(finished / "losslog")
    assert log.log_loss[:, -1].mean() < log.log_loss[:, 0].mean() - 0.5
    record = json.loads((finished / "train.json").read_text())
    assert record["members"][0]["train_score"] == np.mean(
        predict_logits(finished, drop.inputs).argmax(1) == drop.labels
    )


def test_the_record_says_what_was_done(drop, finished):
    record = json.loads((finished / "train.json").read_text())
    assert (record["format"], record["drop_digest"], record["model"]) == ("telltale.train/1", drop.digest, "small_cnn")
    assert record["log_digest"] == LossLog.open(finished / "losslog").digest
    assert record["hardware"]["precision"] in {"float32", "bfloat16"}
    assert record["input"]["shape"] == [8, 8, 3]
    assert record["augmented"] is False
    assert all(record["members"][0]["timings"][name] > 0 for name in ("train_s", "snapshot_s", "write_s"))
    assert record["alignment"]["lowest"] > 0.2
    assert not (finished / "checkpoint").exists()


def test_a_finished_training_is_read_not_repeated(drop, finished, config):
    reports = []
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    train(drop, finished, config, reports.append)
    assert reports == []
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_a_folder_of_another_recipe_is_refused(drop, finished, config):
    with pytest.raises(ConfigError, match="another drop or recipe"):
        train(drop, finished, config.replace(lr=0.01))


def test_equal_seeds_give_equal_bytes_and_another_seed_another_log(drop, finished, config, tmp_path, log_bytes):
    train(drop, tmp_path / "same", config)
    train(drop, tmp_path / "other", config.replace(seed=config.seed + 1))
    assert log_bytes(tmp_path / "same") == log_bytes(finished)
    assert (tmp_path / "same" / "model-0.safetensors").read_bytes() == (finished / "model-0.safetensors").read_bytes()
    assert log_bytes(tmp_path / "other") != log_bytes(finished)


def test_training_leaves_the_callers_random_state_and_torch_settings_alone(drop, config, tmp_path):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    train(drop, tmp_path / "out", config.replace(epochs=1))
    assert torch.equal(torch.get_rng_state(), state)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (threads, strict)


def test_a_rate_that_explodes_stops_with_epoch_step_rate_and_advice(drop, config, tmp_path):
    with pytest.raises(TrainingDiverged, match=r"in epoch \d+, step \d+, at learning rate .* try a smaller lr"):
        train(drop, tmp_path / "out", config.replace(lr=1e30))
    assert not (tmp_path / "out" / "train.json").exists()


def test_a_passed_deadline_stops_and_a_later_run_goes_on(drop, finished, config, tmp_path, log_bytes):
    out = tmp_path / "out"
    with pytest.raises(OverBudget, match="deadline_s = 1e-06 passed at step 0 of 30"):
        train(drop, out, config.replace(deadline_s=1e-6))
    train(drop, out, config.replace(deadline_s=600.0))
    assert log_bytes(out) == log_bytes(finished)


def test_a_training_that_does_not_fit_is_refused_before_it_starts(drop, config, tmp_path):
    with pytest.raises(OverBudget, match=r"needs about .* MB of host memory, 1 MB may be used"):
        train(drop, tmp_path / "out", config.replace(memory_limit_bytes=1_000_000))
    assert not (tmp_path / "out" / "losslog").exists()


def test_more_snapshots_than_steps_are_refused(drop, config, tmp_path):
    with pytest.raises(ConfigError, match="snapshots_per_epoch must be <= the 10 steps"):
        train(drop, tmp_path / "out", config.replace(snapshots_per_epoch=11))


def test_one_class_or_one_sample_cannot_be_trained_on(images, config):
    with pytest.raises(BadInput, match="one_class"):
        fit(images[0], np.zeros(200), 1, config)
    with pytest.raises(BadInput, match="too_few_samples"):
        fit(images[0][:1], images[1][:1], 4, config)


def test_progress_counts_up_to_the_end(drop, config, tmp_path):
    reports = []
    train(drop, tmp_path / "out", config, reports.append)
    assert [p.epoch for p in reports if p.step % 10 == 0] == [1, 2, 3]
    assert (reports[-1].step, reports[-1].steps, reports[-1].remaining_s) == (30, 30, 0.0)
    assert 0 <= reports[-1].score <= 1


def test_one_line_is_logged_at_the_start(drop, config, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="telltale_core.proxy.training"):
        train(drop, tmp_path / "out", config.replace(epochs=1))
    assert re.search(r"train: 200 samples, small_cnn b?float\d\d on", caplog.text)


def test_an_ordinary_classifier_is_fitted_without_files_and_without_evaluation_passes(images, config):
    fitted = fit(*images, 4, config.replace(epochs=20))
    assert (fitted.predict(images[0]) == images[1]).mean() > 0.5, "chance is 0.25; in bfloat16 one class may be lost"
    assert fitted.timings.snapshot_s == 0.0
    assert fitted.logits(images[0][:0]).shape == (0, 4)


def test_fitting_with_a_log_trains_the_same_net(images, config):
    snapshots = []
    with_log, without = fit(*images, 4, config, snapshots.append), fit(*images, 4, config)
    np.testing.assert_array_equal(with_log.logits(images[0]), without.logits(images[0]))
    assert [snapshot.step for snapshot in snapshots] == STEPS


def test_a_proxy_refuses_images_of_another_shape(finished):
    with pytest.raises(BadInput, match="shape"):
        predict_logits(finished, np.zeros((2, 9, 9, 3), dtype=np.uint8))


def test_bfloat16_keeps_the_logits_in_float32(images):
    config = ProxyConfig(epochs=1, width=4, batch_size=20, device="cpu", precision="bfloat16", threads=1)
    fitted = fit(*images, 4, config)
    assert fitted.logits(images[0]).dtype == np.float32
    assert len(np.unique(fitted.logits(images[0]))) > 600
