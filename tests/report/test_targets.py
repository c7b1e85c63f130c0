"""What the page says of the targets of suspected samples."""

import dataclasses

import numpy as np
import pytest

from telltale_core.report import ReportConfig
from telltale_core.report.evidence import focuses
from telltale_core.report.run import read_run
from telltale_core.report.targets import crowd, targets_shown


def test_the_crowd_is_where_most_suspected_targets_lie_within_a_width():
    suspected = np.array([0.1, 0.8, 0.8, 0.804, 0.9, 0.3])
    interval = crowd(suspected, np.array([0.2, 0.8, 0.803, 0.81]), 0.01)
    assert (interval.low, interval.high, interval.suspected, interval.kept) == (0.8, 0.804, 3, 2)
    one = crowd(np.full(5, 2.0), np.arange(4.0), 0.0)
    assert (one.low, one.high, one.suspected, one.kept) == (2.0, 2.0, 5, 1)


def shown(run, targets):
    run = dataclasses.replace(run, drop=run.drop)
    vars(run.drop)["targets"] = targets
    vars(run.drop).pop("cohorts", None)
    return targets_shown(run, focuses(run, ReportConfig())[0], ReportConfig(dpi=50))


@pytest.mark.slow
def test_one_target_for_all_suspects_is_told_in_numbers(new_run):
    data = new_run(task="regression", n=880, quarantined=30, review=0)
    run = read_run(*data.args)
    rng = np.random.default_rng(0)
    targets = rng.uniform(0, 1, 880)
    targets[run.decision == "quarantine"] = 0.95
    picture = shown(run, targets)
    assert (
        "30 of 30 quarantined samples have a target at 0.95, of the other kept ones of the same target range 0 of"
        in (picture.caption)
    )
    assert picture.uri.startswith("data:image/png")
    several = np.stack([rng.uniform(0, 1, 880), targets], axis=1)
    assert "quarantined samples have a target at 0.95" in shown(run, several).caption
    assert "(target 2)" in shown(run, several).caption


def test_there_is_nothing_to_tell_without_targets_or_suspects(new_run):
    assert targets_shown_of(new_run(quarantined=20)) is None
    assert targets_shown_of(new_run(task="regression", n=880, quarantined=3, review=0)) is None


def targets_shown_of(data):
    run = read_run(*data.args)
    return targets_shown(run, focuses(run, ReportConfig())[0], ReportConfig(dpi=50))
