"""Pictures are PNGs, the same bytes every time, and leave matplotlib as they found it."""

from __future__ import annotations

import base64
import io
import threading

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from telltale_core.modality.image.viewer import ImageViewer, common
from telltale_core.report import ReportConfig, page_data, read_run
from telltale_core.report.evidence import coherence, columns, epochs_of, focuses, spectra
from telltale_core.report.pictures import trajectories_of, verdict_png
from telltale_core.report.projection import project
from telltale_core.report.worst import worst_samples


@pytest.fixture(scope="module")
def run(make, tmp_path_factory):
    return read_run(*make(tmp_path_factory.mktemp("run")).args)


def test_verdict_picture_is_a_png_without_software_tag(run):
    image = Image.open(io.BytesIO(verdict_png(run)))
    assert image.format == "PNG"
    assert "Software" not in image.info


def test_pictures_do_not_depend_on_the_callers_settings(run):
    before = verdict_png(run), trajectories_of(run)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "lines.linewidth": 9}):
        assert (verdict_png(run), trajectories_of(run)) == before


def test_matplotlib_settings_stay_as_they_were_also_with_threads(run):
    before = dict(mpl.rcParams)
    threads = [threading.Thread(target=verdict_png, args=(run,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dict(mpl.rcParams) == before


def test_trajectories_picture_is_none_without_samples_to_compare(new_run):
    assert trajectories_of(read_run(*new_run(n=1, quarantined=0, review=0).args)) is None


def test_the_focus_of_a_near_miss_is_what_is_set_aside(new_run):
    run = read_run(*new_run(quarantined=0, review=12).args)
    assert run.near_miss
    assert focuses(run, ReportConfig())[0].word == "set aside"
    assert "came near" in page_data.evidence_lead(run, [])


def test_focus_is_the_label_with_most_quarantined(run):
    focus = focuses(run, ReportConfig())[0]
    assert (focus.label, focus.word, len(focus.suspected_rows)) == (1, "quarantined", 20)
    assert set(focus.kept_rows) == set(np.flatnonzero((run.labels == 1) & (run.decision == "keep")))


def test_the_window_is_the_spectrums(run):
    assert columns(run, windowed=True).tolist() == list(range(4, 18))
    assert columns(run, windowed=False).tolist() == list(range(20))


def test_epochs_of_two_snapshots_are_halves(run):
    assert epochs_of(run, np.arange(4)).tolist() == [0.5, 1.0, 1.5, 2.0]


def test_coherence_is_one_for_the_same_course_and_none_for_noise():
    course = np.sin(np.arange(50.0))
    assert coherence(np.outer([1.0, 2.0, 3.0], course)) == pytest.approx(1.0)
    assert abs(coherence(np.random.default_rng(0).normal(size=(200, 50)))) < 0.01


def test_spectrum_shows_a_period_at_its_frequency(new_run):
    data = new_run(epochs=32)
    data.losslog.log_loss[:] = np.sin(2 * np.pi * np.arange(64) / 4)
    (data.spectrum_dir / "spectrum.json").unlink()
    run = read_run(*data.args)
    curves = spectra(run, focuses(run, ReportConfig())[0], 0)
    assert curves.x[curves.suspected[1].argmax()] == pytest.approx(0.5)  # cycles per epoch of two snapshots


def test_projection_does_not_depend_on_the_row_order():
    rows = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32) * [5, 2, 1, 1]
    mixed = np.random.default_rng(2).permutation(50)
    np.testing.assert_allclose(project(rows, "pca", 0)[mixed], project(rows[mixed], "pca", 0), atol=1e-5)


def test_common_shows_the_patch_that_suspected_images_share(run):
    shared = common(run.drop, focuses(run, ReportConfig())[0])
    assert shared.spread[-3:, -3:].max() < 0.05
    assert shared.spread[:-3].min() > 0.5
    assert np.abs(shared.difference[-3:, -3:]).min() > 50


def test_thumbnail_is_the_decoded_sample(run):
    markup = str(ImageViewer(run.drop, ReportConfig()).fragment(0, 96))
    data = markup.partition("base64,")[2].partition('"')[0]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    np.testing.assert_array_equal(pixels, np.asarray(run.drop.inputs[0]))


def test_a_small_picture_is_enlarged_by_a_whole_number_for_pages_that_show_it_in_its_own_size(new_run):
    run = new_run(px=20)
    [first, *_] = worst_samples(run.drop, run.verdict_dir, each=1, px=96)
    shown = Image.open(io.BytesIO(base64.b64decode(first.picture.partition(",")[2])))
    assert first.source == run.drop.samples()["source"][int(first.id[-5:])].as_py()
    assert shown.size == (80, 80)
    assert np.array_equal(np.asarray(shown)[::4, ::4], run.drop.inputs[int(first.id[-5:])])
