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
    ("areas", "message"),
    [
        (("s3://raw/in", "s3://raw/in/clean", "s3://raw/work"), "s3://raw/in/clean lies in s3://raw/in"),
        (("s3://raw/clean/in", "s3://raw/clean", "s3://raw/work"), "s3://raw/clean/in lies in s3://raw/clean"),
        (("s3://raw/in", "s3://raw/clean", "s3://raw"), "s3://raw/in lies in s3://raw"),
        (("s3://raw/a/", "s3://raw/clean", "s3://raw/a"), "--inbox and --work are the same place"),
    ],
)
def test_areas_that_contain_each_other_are_refused(areas: tuple[str, str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(*areas)


def test_areas_are_compared_as_the_places_they_are(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(ConfigError, match="contain each other"):
        plan(str(tmp_path / "in"), f"{tmp_path}/clean", f"{tmp_path}/clean/../link/work")


def test_areas_beside_each_other_are_taken() -> None:
    assert plan("s3://raw/in", "s3://raw/in2", "s3://raw/work").work == "s3://raw/work"
    assert plan("gs://raw/in", "s3://clean", "s3://work/area").feed.inbox == "gs://raw/in"
    assert plan("s3://raw", "s3://clean", "s3://work/area").results == "s3://work/area/results"


@pytest.mark.parametrize("days", ["0", "61", "nan", "inf", "-1"])
def test_a_review_lasts_no_longer_than_what_was_found_is_kept(days: str) -> None:
    from flows.cli import app

    done = CliRunner().invoke(app, ["notifications", f"--review-days={days}"])
    assert done.exit_code != 0
    assert "--review-days must be from 10 seconds to 60 days" in done.output + str(done.exception)
