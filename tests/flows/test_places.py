"""What is read and written is checked before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.places import check_places
from telltale_core.errors import ConfigError, NotFound


def test_a_wrong_path_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="check the path"):
        check_places(str(tmp_path / "nowhere"), work=str(tmp_path / "work"))
    check_places("s3://bucket/drop", work=str(tmp_path / "work"))


@pytest.mark.parametrize("inside", ["", "runs", "deep/er"])
@pytest.mark.parametrize("option", ["work", "out"])
def test_nothing_is_written_into_the_drop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str, option: str
) -> None:
    (tmp_path / "drop").mkdir()
    monkeypatch.chdir(tmp_path / "drop")
    with pytest.raises(ConfigError, match=rf"--{option} .* lies in the drop"):
        check_places(".", **{option: inside or "."})
    check_places(".", **{option: "../elsewhere", "other": "s3://bucket/x"})
