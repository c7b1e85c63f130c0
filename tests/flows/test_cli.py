from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.cli import COMMANDS, app
from flows.cli_stages import by_user
from flows.console import safe
from telltale_core import publish
from telltale_core.proxy.hardware import available_bytes
from telltale_core.publish.manifest import seal

Cli = Callable[..., Result]


@pytest.fixture
def cli(small_work: Path, small_settings: dict[str, Any], tmp_path: Path) -> Cli:
    """Run a command in this process; stage commands get the shared work area and the small settings."""
    file = tmp_path / "telltale.toml"
    parts = [
        "\n".join([f"[{stage}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())])
        for stage, values in small_settings.items()
    ]
    file.write_text("\n".join(parts))

    def run(*arguments: object, on_drop: bool = False) -> Result:
        extra = ["--work", str(small_work), "--config", str(file)] if on_drop else []
        return CliRunner().invoke(app, [*map(str, arguments), *extra])

    return run


@pytest.fixture
def published(cli: Cli, small_drop: Path, tmp_path: Path) -> Path:
    result = cli("publish", small_drop, "--out", tmp_path / "out", on_drop=True)
    assert result.exit_code == 0, result.output
    return tmp_path / "out"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_has_an_example_and_the_exit_codes(cli: Cli, name: str) -> None:
    shown = cli(name, "--help")
    assert shown.exit_code == 0
    assert f"telltale {name}" in shown.output
    assert "3 needs review" in " ".join(shown.output.split())
    assert "--json" in shown.output


def test_help_needs_no_heavy_library() -> None:
    code = (
        "import sys\nfrom flows.cli import app\n"
        "print(sorted({'torch', 'prefect', 'pyarrow', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root())
    assert done.stdout == "[]\n"


def root() -> Path:
    return Path(__file__).parent.parent.parent


def test_stages_by_themselves_share_one_cache_with_each_other(cli: Cli, small_drop: Path, small_work: Path) -> None:
    verdict = cli("cluster", small_drop, "--json", on_drop=True)
    assert verdict.exit_code == 0, verdict.output
    assert json.loads(verdict.stdout)["verdict"]["counts"]["quarantine"] == 100
    assert cli("report", small_drop, on_drop=True).exit_code == 0
    before = written(small_work)
    for stage in ("ingest", "train", "spectrum", "cluster", "report"):
        shown = cli(stage, small_drop, "--json", on_drop=True)
        assert shown.exit_code == 0
        assert Path(json.loads(shown.stdout)["folder"]).is_dir()
    assert written(small_work) == before


def written(work: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in work.glob("[!l]*/**/*") if path.is_file()}


def test_a_stage_speaks_to_people_too(cli: Cli, small_drop: Path) -> None:
    shown = cli("ingest", small_drop, on_drop=True)
    assert "600 of 600 rows kept, 0 rejected" in shown.stdout
    assert "input: image (images, packed 8 x 8 x 3: " in shown.stdout
    assert "label: label, " in shown.stdout
    assert "id: id" in shown.stdout.splitlines()
    assert "files: 1 = 1 read + 0 ignored" in shown.stdout


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 0),
        (["--strict"], 3),
        (["--strict", "--set", "drop.label_column=label"], 0),
        (["--strict", "--set", "publish.unread=keep"], 0),
    ],
)
def test_a_rival_of_the_label_ends_with_3_where_strict(tmp_path: Path, options: list[str], code: int) -> None:
    rows = [f"{i} words that stand for {i * i},{'ab'[i % 2]},{'xyz'[i % 3]}" for i in range(60)]
    (tmp_path / "d.csv").write_text("\n".join(["text,label,category", *rows]))
    shown = CliRunner().invoke(app, ["ingest", str(tmp_path / "d.csv"), "--work", str(tmp_path / "work"), *options])
    assert shown.exit_code == code, shown.output
    rival = "could be trained on: category; drop.label_column and drop.input_column name what is read"
    assert (rival in shown.output) == ("--set" not in options)


def test_publishing_twice_gives_one_version(cli: Cli, small_drop: Path, published: Path) -> None:
    again = cli("publish", small_drop, "--out", published, "--json", on_drop=True)
    assert json.loads(again.stdout)["version"] == 1
    assert len(publish.log(published)) == 1


def test_a_dry_run_of_publish_writes_nothing(cli: Cli, small_drop: Path, tmp_path: Path) -> None:
    shown = cli("publish", small_drop, "--out", tmp_path / "dry", "--dry-run", "--json", on_drop=True)
    assert (shown.exit_code, json.loads(shown.stdout)["state"]) == (0, "dry-run")
    assert not [path for path in (tmp_path / "dry").rglob("*") if path.is_file()]


@pytest.mark.parametrize("command", ["cleanse", "ingest"])
def test_a_work_area_that_cannot_be_used_is_said_before_anything_starts(
    cli: Cli, small_drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    from flows import local_server

    def start() -> None:
        raise AssertionError("Prefect is started")

    monkeypatch.setattr(local_server, "start_local_server", start)
    (tmp_path / "file").write_text("no folder")
    out = ("--out", tmp_path / "out") if command == "cleanse" else ()
    shown = cli(command, small_drop, *out, "--work", tmp_path / "file", "--json")
    assert shown.exit_code == 1
    error = json.loads(shown.stdout)["error"]
    assert error["class"] == "StorageError"
    assert "a file stands where a folder must be: move it, or choose another work area" in error["message"]


def code_in(output: str) -> str:
    return re.findall(r"--approve ([0-9a-f]{16})$", output, re.MULTILINE)[-1]


def test_needs_review_exits_with_3_and_approve_publishes(cli: Cli, small_drop: Path, tmp_path: Path) -> None:
    careful = ("publish", small_drop, "--out", tmp_path / "out", "--set", "verdict.review_share=0.1")
    waiting = cli(*careful, on_drop=True)
    assert waiting.exit_code == 3
    code = code_in(waiting.stdout)
    assert cli(*careful, "--approve", "0" * 16, on_drop=True).exit_code == 3
    assert cli(*careful, "--approve", code, on_drop=True).exit_code == 0
    assert len(publish.log(tmp_path / "out")) == 1


def test_an_open_question_of_the_drop_exits_with_3_and_an_approval_is_signed(
    cli: Cli, small_drop: Path, tmp_path: Path
) -> None:
    drop = Path(shutil.copytree(small_drop, tmp_path / "drop"))
    (drop / "drop.toml").write_text("image_size = 1\n")
    read = cli("ingest", drop, on_drop=True)
    assert (read.exit_code, "drop_toml_asks" in read.stdout) == (3, True)
    waiting = cli("publish", drop, "--out", tmp_path / "out", on_drop=True)
    assert waiting.exit_code == 3
    assert "a person must decide [drop_toml_asks]: drop.toml asks for image_size = 1" in waiting.stdout
    assert "(for all drops: drop.image_size = 1" in waiting.stdout
    assert publish.log(tmp_path / "out") == []
    code = code_in(waiting.stdout)
    assert cli("publish", drop, "--out", tmp_path / "out", "--approve", code, on_drop=True).exit_code == 0
    lineage = publish.read_version(tmp_path / "out").manifest["lineage"]
    assert lineage["review"] == by_user()
    assert [question["code"] for question in lineage["questions"]] == ["drop_toml_asks"]


def test_columns_that_nobody_judged_are_told(cli: Cli, small_drop: Path, tmp_path: Path) -> None:
    shown = cli("publish", small_drop, "--out", tmp_path / "out", on_drop=True)
    assert (shown.exit_code, "not judged, the proxy did not see it: id" in shown.stdout) == (0, True)


def test_log_why_verify_and_restore_of_a_published_dataset(cli: Cli, published: Path) -> None:
    history = json.loads(cli("log", published, "--json").stdout)
    [version] = history["versions"]
    assert history["dataset"] == str(published)
    assert version["counts"]["quarantined"] == 100
    bad = json.loads(cli("verify", published, "--json").stdout)
    assert bad["ok"] is True
    quarantined = sorted(name for name in ids(publish.read_version(published)) if name.startswith("bad-"))[0]
    assert "is quarantined in version 1" in cli("why", published, quarantined).stdout
    decided_by = publish.read_version(published).manifest["lineage"]["code_version"]
    assert f"decided by the code {decided_by}" in cli("why", published, quarantined).stdout
    restored = cli("restore", published, quarantined, "--reason", "looked at it", "--by", "curator", "--json")
    assert json.loads(restored.stdout)["version"] == 2
    assert "restored by curator" in cli("why", published, quarantined).stdout


def ids(version: publish.Version) -> list[str]:
    import pyarrow.parquet as pq

    return [name for url in version.quarantine_urls() for name in pq.read_table(url)["sample_id"].to_pylist()]


def test_a_damaged_version_is_reported_with_exit_code_1(cli: Cli, published: Path) -> None:
    blob = Path(publish.read_version(published).urls()[0])
    blob.chmod(0o644)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(bytes(data))
    shown = cli("verify", published)
    assert shown.exit_code == 1
    assert "is damaged" in shown.stdout


def test_a_damaged_version_is_written_again_from_the_work_area(
    cli: Cli, published: Path, small_drop: Path, small_work: Path
) -> None:
    for url in (publish.read_version(published).urls()[0], *publish.read_version(published).quarantine_urls()):
        Path(url).write_bytes(b"?")
    (published / "_versions" / "00000001.json").unlink()
    assert cli("verify", published).exit_code == 1
    retried = cli("publish", small_drop, "--out", published, on_drop=True)
    assert (retried.exit_code, "verify DATASET --repair" in retried.stderr) == (1, True)
    shown = cli("verify", published, "--repair", "--work", small_work)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count("written again") == 3
    assert "version 1 is whole" in shown.stdout
    assert cli("publish", small_drop, "--out", published, on_drop=True).exit_code == 0


def test_what_cannot_be_written_again_is_named(cli: Cli, published: Path, tmp_path: Path) -> None:
    Path(publish.read_version(published).urls()[0]).unlink()
    shown = cli("verify", published, "--repair", "--work", tmp_path / "empty", "--json")
    assert shown.exit_code == 1
    answer = json.loads(shown.stdout)
    assert answer["repair"]["written"] == []
    assert "does not exist: run the stage" in answer["repair"]["left"][0]


def test_a_restore_behind_another_run_exits_with_4(cli: Cli, published: Path, small_drop: Path) -> None:
    other = cli("publish", small_drop, "--out", published, "--set", "publish.compression_level=4", on_drop=True)
    assert other.exit_code == 0, other.output
    sample = ids(publish.read_version(published, 1))[0]
    behind = ("restore", published, sample, "--reason", "looked at it", "--by", "curator", "--version", 1)
    refused = cli(*behind)
    assert (refused.exit_code, "--over 2" in refused.stderr) == (4, True)
    assert cli(*behind, "--over", 2).exit_code == 0
    assert publish.read_version(published).restored_from == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["why", "nowhere", "nobody"], 1),
        (["ingest", "does-not-exist"], 1),
        (["ingest", "x", "--set", "proxy.epochs=0"], 2),
        (["ingest", "x", "--set", "proxy.epoch=3"], 2),
        (["ingest", "x", "--set", "nonsense"], 2),
        (["ingest", "x", "--config", "no-such.toml"], 2),
        (["log", "s3://user:secret@host/bucket"], 2),
        (["ingest", "s3://user:secret@host/bucket"], 1),
        (["cleanse", "s3://user:secret@host/bucket", "--out", "x"], 1),
        (["cleanse", "s3://bucket/drop?X-Amz-Signature=secret", "--out", "x"], 1),
        (["cleanse", "drop", "--out", "s3://user:secret@host/bucket"], 2),
        (["cleanse", "drop", "--out", "x", "--work", "s3://user:secret@host/bucket"], 2),
        (["cleanse"], 2),
        (["no-such-command"], 2),
    ],
)
def test_mistakes_end_in_one_line_and_a_stated_exit_code(
    cli: Cli, arguments: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = cli(*arguments)
    assert shown.exit_code == code, shown.output
    assert "Traceback" not in shown.output
    assert "secret" not in shown.output
    assert "rror" in shown.stderr


def test_an_error_is_json_too(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = cli("ingest", "does-not-exist", "--json")
    answer = json.loads(shown.stdout)
    assert (answer["exit_code"], answer["error"]["class"]) == (1, "NotFound")


def test_a_conflict_exits_with_4(cli: Cli, published: Path, small_drop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = published / "_versions" / "00000001.json"
    record = json.loads(manifest.read_text())
    record["drop"]["digest"] = "0" * 64  # the same run key, but of another drop
    manifest.write_bytes(seal(record))
    shown = cli("publish", small_drop, "--out", published, on_drop=True)
    assert shown.exit_code == 4
    assert shown.stderr.splitlines()[-1].startswith("error: ")


def test_debug_shows_the_traceback(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Traceback" in cli("ingest", "does-not-exist", "--debug").stderr


def test_control_characters_of_a_contributor_never_reach_the_terminal(cli: Cli, published: Path) -> None:
    shown = cli("why", published, "\x1b[31mred\u202e\x07")
    assert shown.exit_code == 1
    assert not {"\x1b", "\u202e", "\x07"} & set(shown.output)
    assert safe("a\x1b]0;title\x07\u202eb\nc") == "a\\x1b]0;title\\x07\\u202eb\\nc"


def test_doctor_looks_at_everything_and_tells_no_secret(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "canary-2")
    available = available_bytes("cpu") or 0
    shown = cli("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(shown.stdout)["checks"]}
    assert {"python", "torch", "prefect", "devices", "local work area", "s3"} <= set(checks)
    assert {"typer", "rich", "matplotlib", "jinja2"} <= set(checks)
    assert 0.1 < available / float(checks["available memory"]["found"].removesuffix(" GB")) / 1e9 < 10
    assert "AWS_ACCESS_KEY_ID" in checks["s3"]["found"]
    assert "canary" not in shown.output


def test_the_demo_of_a_drop_that_needs_review_says_how_to_approve_it(
    cli: Cli, prefect_server: str, small_drop: Path, tmp_path: Path
) -> None:
    options = ("--data", small_drop, "--rate", "0.1", "--samples", "590", "--out", tmp_path / "a dataset")
    shown = cli("demo", *options, "--set", "verdict.review_share=0.05", on_drop=True)
    assert shown.exit_code == 3, shown.output
    assert "telltale log" not in shown.stdout
    assert "telltale why" not in shown.stdout
    commands = [line.strip() for line in shown.stdout.splitlines() if line.strip().startswith("telltale cleanse")]
    tip = next(line for line in commands if " --approve " in line)
    approved = cli(*shlex.split(tip)[1:], "--json")
    assert approved.exit_code == 0, approved.output
    assert json.loads(approved.stdout)["version"] == 1
    assert "train: reused" in approved.stderr


@pytest.mark.parametrize("option", [("--rate", "0"), ("--samples", "-1")])
def test_a_demo_that_could_show_nothing_is_refused(cli: Cli, option: tuple[str, str], tmp_path: Path) -> None:
    shown = cli("demo", "--work", tmp_path / "runs", "--json", *option)
    assert shown.exit_code == 2
    assert json.loads(shown.stdout)["error"]["class"] == "ConfigError"


def test_without_the_extra_flows_the_script_names_it_in_one_line() -> None:
    code = "import sys\nsys.modules['typer'] = None\nfrom flows.__main__ import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root())
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert 'pip install "telltale-cleanse[flows]"' in done.stderr


def test_the_installed_script_is_the_one_that_names_the_extra() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("telltale"), "--help"], capture_output=True, text=True, check=True, cwd=root()
    )
    assert "telltale demo" in done.stdout


def test_cleanse_runs_the_flow_and_the_work_of_single_stages_counts(
    cli: Cli, prefect_server: str, small_drop: Path, published: Path
) -> None:
    shown = cli("cleanse", small_drop, "--out", published, "--json", on_drop=True)
    assert shown.exit_code == 0, shown.output
    answer = json.loads(shown.stdout)
    assert (answer["state"], answer["version"]) == ("published", 1)
    assert Path(answer["report"]).is_file()
