"""Each detector on a case whose answer is known beforehand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from telltale_core.bench.detectors import CleanSet, Evidence, make_detector
from telltale_core.bench.detectors.asset import adjusted_outlyingness, medcouple, upper_bound
from telltale_core.bench.detectors.badloss import stable_snapshots
from telltale_core.bench.detectors.beatrix import Beatrix, kernel_distance
from telltale_core.bench.detectors.confusion_training import likelihood_ratio, lowest
from telltale_core.bench.detectors.contract import mad_index, top
from telltale_core.bench.detectors.density_ratio import density_ratio
from telltale_core.bench.detectors.scan import decompose, posterior_mean
from telltale_core.bench.detectors.slides import magnitudes
from telltale_core.bench.detectors.spectral_signatures import squared_projection
from telltale_core.bench.detectors.spectre import fourth_moment, robust_subset, whitened
from telltale_core.losslog import LossLog
from tests.support.evidence import CLASSES, make_evidence

IDS = np.array([f"s{i:04d}" for i in range(400)])


def test_spectral_signatures_score_the_projection_on_the_line_that_the_poison_lies_along() -> None:
    x = np.zeros((100, 3))
    x[:, 1] = np.tile([-1.0, 1.0], 50)
    x[:10, 0] = 9.0  # mean 0.9: the ten stand 8.1 away, the others 0.9
    np.testing.assert_allclose(squared_projection(x), [8.1**2] * 10 + [0.9**2] * 90, rtol=1e-9)


def test_spectral_signatures_flag_one_and_a_half_times_the_bound_of_every_class() -> None:
    evidence = Evidence(
        sample_ids=IDS[:200],
        num_classes=2,
        labels=np.repeat([0, 1], 100).astype(np.int64),
        features=np.random.default_rng(0).normal(size=(200, 5)),
    )
    flagged = make_detector("spectral_signatures", rate=0.1).fit(evidence).flagged_
    assert [int(flagged[:100].sum()), int(flagged[100:].sum())] == [15, 15]
    assert int(make_detector("spectral_signatures", rate=0.5).fit(evidence).flagged_.sum()) == 100  # half at most


@pytest.mark.parametrize("rule", ["size", "silhouette"])
def test_activation_clustering_calls_the_class_with_two_modes_and_flags_the_smaller(rule: str) -> None:
    evidence, truth = make_evidence()
    detector = make_detector("activation_clustering", rule=rule, components=3, min_silhouette=0.3).fit(evidence)
    in_class = evidence.labels == 0
    assert detector.flagged_[truth].all()
    assert not detector.flagged_[in_class & ~truth].any()
    assert roc_auc_score(truth[in_class], detector.suspicion_[in_class]) == 1.0
    if rule == "silhouette":
        assert [k for k, entry in detector.details_["classes"].items() if entry["called"]] == ["0"]


@pytest.mark.trains
def test_exclusionary_reclassification_asks_a_model_that_never_saw_the_cluster() -> None:
    evidence, truth = make_evidence(each=80, poison=40)
    labels, images = evidence.labels.copy(), evidence.inputs.copy()
    for row in np.flatnonzero(truth):  # the poison looks like class 1: excluded, it is called 1
        images[row] = images[np.flatnonzero((evidence.labels == 1) & ~truth)[row % 80]]
    config = evidence.retraining.replace(epochs=4)
    poisoned_evidence = dataclasses.replace(evidence, inputs=images, labels=labels, retraining=config)
    detector = make_detector("activation_clustering", rule="exclusionary", components=3).fit(poisoned_evidence)
    assert detector.details_["classes"]["0"]["called"]
    assert detector.flagged_[truth].all()


def test_robust_covariance_drops_the_far_rows_and_its_whitening_is_that_of_the_rest() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(1000, 4)) * [1, 2, 3, 4]
    x[:50] = [300, 0, 0, 0] + random.normal(size=(50, 4)) * 0.1
    kept = robust_subset(x - x.mean(axis=0), 0.1, 0.1)
    assert not kept[:50].any()
    assert kept.sum() >= 800  # never more than twice the bound
    moved = whitened(x, x[50:])
    np.testing.assert_allclose(np.cov(moved[50:].T, bias=True), np.eye(4), atol=1e-6)


def test_fourth_moment_of_a_two_point_line_is_known() -> None:
    y = np.zeros((100, 2))
    y[:, 0] = np.tile([-1.0, 1.0], 50) * np.sqrt(2)  # y y' = diag(2, 0) always; minus vec(I) vec(I)'
    value, matrix = fourth_moment(y, np.eye(2))
    assert value == pytest.approx(np.linalg.eigvalsh([[3, -1], [-1, -1]]).max(), rel=0.01)
    assert abs(matrix[0, 1]) < 0.01


def test_spectre_picks_the_attacked_class_and_flags_there_alone() -> None:
    evidence, truth = make_evidence(each=120, poison=12)
    detector = make_detector("spectre", rate=0.1, k_max=12).fit(evidence)
    assert set(evidence.labels[detector.flagged_]) == {0}
    assert detector.flagged_[truth].all()


def test_scan_recovers_the_two_covariances_that_the_samples_were_drawn_from() -> None:
    random = np.random.default_rng(0)
    means = random.normal(size=(200, 3)) * [3, 1, 0.1]
    labels = np.repeat(np.arange(200), 20).astype(np.int64)
    x = means[labels] + random.normal(size=(4000, 3)) * [0.5, 1.0, 2.0]
    between, within = decompose(x, labels)
    np.testing.assert_allclose(np.diag(between), [9, 1, 0.01], rtol=0.35, atol=0.15)
    np.testing.assert_allclose(np.sqrt(np.diag(within)), [0.5, 1, 2], rtol=0.05)


def test_scan_shrinks_a_mean_by_how_much_classes_differ() -> None:
    x = np.full((4, 1), 2.0)
    np.testing.assert_allclose(posterior_mean(x, np.eye(1), np.eye(1)), [4 / 5 * 2.0])


def test_scan_calls_the_class_that_needs_two_means_and_flags_the_group_without_clean_samples() -> None:
    evidence, truth = make_evidence(each=120, poison=60)
    clean = evidence.clean
    detector = make_detector("scan").fit(dataclasses.replace(evidence, clean=clean))
    assert detector.flagged_[truth].mean() == 1.0
    assert detector.flagged_[~truth].mean() == 0.0
    index = {label: entry["index"] for label, entry in detector.details_["classes"].items()}
    assert max(index, key=index.__getitem__) == "0"


def test_beatrix_gram_features_are_those_of_the_definition() -> None:
    maps = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    gram_features = Beatrix(orders=(1, 2))._features(maps)[0]
    np.testing.assert_allclose(gram_features[:3], [5, 11, 25])  # F F'
    np.testing.assert_allclose(gram_features[3:], np.sqrt([17, 73, 337]), rtol=1e-6)  # (F^2 F^2')^(1/2)


def test_beatrix_flags_maps_whose_channels_fire_together_otherwise_in_the_called_class_alone() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 80).astype(np.int64)
    maps = 1 + 0.1 * random.random((400, 4, 6))
    maps[:20, 1] = 6 - maps[:20, 1]  # 20 of class 0
    clean = CleanSet(
        labels=np.repeat(np.arange(5), 60).astype(np.int64), source="", maps=1 + 0.1 * random.random((300, 4, 6))
    )
    evidence = Evidence(sample_ids=IDS, num_classes=5, labels=labels, maps=maps, clean=clean)
    detector = make_detector("beatrix").fit(evidence)
    assert detector.flagged_[:20].all()
    assert set(labels[detector.flagged_]) == {0}
    assert detector.flagged_[20:].mean() < 0.05
    few = CleanSet(labels=clean.labels[::4], source="", maps=clean.maps[::4])
    statement = make_detector("beatrix").fit(dataclasses.replace(evidence, clean=few)).statement_
    assert "too few clean samples" in statement


def test_kernel_distance_of_a_set_from_itself_is_zero_and_grows_with_the_gap() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    assert kernel_distance(x, x) == pytest.approx(0, abs=1e-12)
    assert kernel_distance(x, x + 1) < kernel_distance(x, x + 3)


def test_confusion_trainings_ratio_is_one_for_one_cloud_and_large_for_two() -> None:
    random = np.random.default_rng(0)
    cloud = random.normal(size=(2000, 6))
    half = np.arange(2000) % 2 == 0
    assert likelihood_ratio(cloud, half) == pytest.approx(1.0, abs=0.05)
    cloud[half] += [8, 0, 0, 0, 0, 0]
    assert likelihood_ratio(cloud, half) > 100
    assert likelihood_ratio(cloud, np.zeros(2000, dtype=bool)) == 1.0


def test_distillation_keeps_the_lowest_losses_and_some_of_every_class() -> None:
    loss = np.arange(100.0)
    labels = np.repeat([0, 1], 50).astype(np.int64)
    assert lowest(loss, labels, 0.1, 50).tolist() == [*range(10), 50]


def test_medcouple_and_outlyingness_have_their_textbook_values() -> None:
    assert medcouple(np.array([1.0, 2, 3, 4, 5])) == pytest.approx(0)
    assert medcouple(np.array([1.0, 2, 3, 4, 100])) == pytest.approx(0.4898979591836735, abs=0.5)
    assert medcouple(-np.exp(np.linspace(0, 3, 200))) < -0.3 < 0.3 < medcouple(np.exp(np.linspace(0, 3, 200)))
    values = np.concatenate([np.linspace(-1, 1, 101), [9.0]])
    assert (adjusted_outlyingness(values) > 2).tolist() == [False] * 101 + [True]


def test_assets_bound_is_where_the_gaussian_of_the_lower_half_falls_to_the_level() -> None:
    loss = np.random.default_rng(0).normal(3, 0.2, 20_000)
    sigma = 0.2
    expected = 3 + sigma * np.sqrt(-2 * np.log(1e-6 * sigma * np.sqrt(2 * np.pi)))
    assert upper_bound(loss) == pytest.approx(expected, rel=0.02)


def test_badloss_drops_the_snapshots_that_jump_and_flags_who_is_far_from_the_clean() -> None:
    assert stable_snapshots(np.array([1.0, 1, 1, 5, 1, 1.5])).tolist() == [True, True, True, False, True, True]
    loss = np.full((100, 8), -2.0) + np.random.default_rng(0).normal(0, 0.05, (100, 8))
    loss[:10] = -6
    ids = IDS[:100]
    known = np.arange(100) >= 70
    evidence = Evidence(sample_ids=ids, losslog=LossLog.from_array(loss, sample_ids=ids), known_clean=known)
    detector = make_detector("badloss", share=0.1, neighbours=10).fit(evidence)
    assert detector.flagged_.tolist() == [True] * 10 + [False] * 90
    assert not make_detector("badloss", share=0.9).fit(evidence).flagged_[known].any()


def test_lowest_early_loss_flags_who_was_learnt_first_not_who_ends_lowest() -> None:
    loss = np.zeros((100, 20))
    loss[:5, :4] = -3
    loss[5:50, 10:] = -9
    evidence = Evidence(sample_ids=IDS[:100], losslog=LossLog.from_array(loss, sample_ids=IDS[:100]))
    assert np.flatnonzero(make_detector("abl", share=0.05).fit(evidence).flagged_).tolist() == [0, 1, 2, 3, 4]


def test_density_ratio_is_one_on_a_ring_and_high_for_a_lone_point() -> None:
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    np.testing.assert_allclose(density_ratio(ring, 4, "slof"), 1.0, rtol=1e-6)
    np.testing.assert_allclose(density_ratio(ring, 4, "dao"), 0.0, atol=1e-6)
    for method in ("slof", "dao"):
        assert density_ratio(np.vstack([ring, [[3.0, 3.0]]]), 4, method).argmax() == 100


def test_density_ratio_misses_a_trigger_with_more_samples_than_neighbours() -> None:
    evidence, truth = make_evidence(each=100, poison=60)
    rare, truth_rare = make_evidence(each=100, poison=5)
    assert roc_auc_score(truth, make_detector("dao", batch=0).fit(evidence).suspicion_) < 0.6
    assert roc_auc_score(truth_rare, make_detector("dao", batch=0).fit(rare).suspicion_) > 0.95


def test_flare_flags_the_cluster_apart_from_the_largest() -> None:
    evidence, truth = make_evidence(each=120, poison=80)
    detector = make_detector("flare", embedding="none", least_cluster=20).fit(evidence)
    assert detector.flagged_[truth].mean() > 0.95
    assert detector.flagged_[~truth].mean() < 0.02


@pytest.mark.parametrize("source", ["features", "early"])
def test_label_issues_are_found_by_either_source_of_probabilities(source: str) -> None:
    evidence, _ = make_evidence(each=100, poison=0)
    labels = evidence.labels.copy()
    wrong = np.random.default_rng(0).choice(len(labels), 20, replace=False)
    labels[wrong] = (labels[wrong] + 1) % CLASSES
    detector = make_detector("label_issues", source_of=source).fit(dataclasses.replace(evidence, labels=labels))
    assert detector.flagged_[wrong].mean() >= (0.9 if source == "features" else 0.7)
    assert np.delete(detector.flagged_, wrong).mean() < 0.05


def test_mad_index_and_top_are_what_they_say() -> None:
    np.testing.assert_allclose(mad_index(np.array([1.0, 2, 3, 4, 12])), [0, 0, 0, 1 / 1.4826, 9 / 1.4826])
    assert mad_index(np.array([1.0, 1, 1, 5])).tolist() == [0, 0, 0, np.inf]
    assert top(np.array([1.0, 3, 3, 2]), 2).tolist() == [False, True, True, False]


def test_the_slides_recipe_looks_at_the_later_half_alone_and_not_at_its_timing() -> None:
    random = np.random.default_rng(0)
    log_loss = random.normal(-1, 0.3, (60, 20)).astype(np.float32)
    reference = magnitudes(LossLog.from_array(log_loss))
    np.testing.assert_allclose(reference.std(axis=0), 1, rtol=1e-3)
    early, turned = log_loss.copy(), log_loss.copy()
    early[:, :10] = random.normal(0, 1, (60, 10))
    turned[:, 10:] = np.roll(log_loss[:, 10:], 3, axis=1)
    for other in (early, turned):
        np.testing.assert_allclose(magnitudes(LossLog.from_array(other)), reference, atol=1e-4)


def test_the_slides_recipe_flags_every_cluster_but_the_largest() -> None:
    random = np.random.default_rng(0)
    log_loss = random.normal(-1, 0.02, (240, 20))
    log_loss[200:, ::2] -= 2  # forty that swing at the highest frequency
    log = LossLog.from_array(log_loss.astype(np.float32))
    detector = make_detector("slides").fit(Evidence(sample_ids=log.sample_ids, losslog=log))
    assert not detector.flagged_[:200].any()
    assert detector.flagged_[200:].mean() > 0.9
    few = make_detector("slides").fit(Evidence(sample_ids=log.sample_ids, losslog=log).take(np.arange(39)))
    assert "not judged: 39 usable samples, 40 are needed" in few.statement_
