"""What an operator decides is checked before anything is registered."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.plan import Plan
from flows.start_run import Feed
from telltale_core.errors import ConfigError


def plan(inbox: str, clean: str, work: str) -> Plan:
    feed = Feed(inbox=inbox, clean=clean, quiet_s=60.0, datasets=None)
    return Plan(feed=feed, work=work, results=f"{work}/results")


@pytest.mark.parametrize(
    ("areas", "told"),
    [
        (("s3://b/in", "s3://b/in/clean", "s3://b/work"), "s3://b/in/clean lies in s3://b/in"),
        (("s3://b/clean/in", "s3://b/clean", "s3://b/work"), "s3://b/clean/in lies in s3://b/clean"),
        (("s3://b/in", "s3://b/clean", "s3://b"), "s3://b/in lies in s3://b"),
        (("s3://b/a/", "s3://b/clean", "S3://b/a"), "--inbox and --work are the same place"),
    ],
)
def test_areas_that_contain_each_other_are_refused(areas: tuple[str, str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        plan(*areas)


def test_areas_are_compared_as_the_places_they_are(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(ConfigError, match="contain each other"):
        plan(str(tmp_path / "in"), f"{tmp_path}/clean", f"{tmp_path}/clean/../link/work")


def test_areas_beside_each_other_are_taken() -> None:
    assert plan("s3://b/in", "s3://b/in2", "s3://b/work").work == "s3://b/work"
    assert plan("s3://in", "s3://clean", "s3://work/area").results == "s3://work/area/results"


@pytest.mark.parametrize("days", ["0", "61", "nan", "inf", "-1"])
def test_a_review_lasts_no_longer_than_what_was_found_is_kept(days: str) -> None:
    from flows.cli import app

    done = CliRunner().invoke(app, ["notifications", f"--review-days={days}"])
    assert done.exit_code != 0
    assert "--review-days must be from 10 seconds to 60 days" in done.output + str(done.exception)
