"""What strangers wrote does nothing in Prefect's pages: rendered by a real CommonMark renderer, tables included."""

from __future__ import annotations

import html
import logging
import re
import unicodedata
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from flows.bridge import Bridge
from tasks import artifacts, history, keys, redaction, sanitize
from telltale_core.inbox import Inbox
from telltale_core.report.history import Entry

PAGE: dict[str, Any] = {"keys": {"report": "abc"}}
HOSTILE = [
    "![report](https:evil.example)",
    "![report](https://evil.example/x.png)",
    "[click](javascript:alert(1))",
    "<https://evil.example>",
    "<a@evil.example>",
    "https://evil.example",
    "www.evil.example",
    "ann@evil.example",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "# heading",
    "- item",
    "1. item",
    "===",
    "---",
    "> quote",
    "```\ncode\n```",
    "    code",
    "~~~",
    "`code`",
    "*a* _b_ **c** ~~d~~",
    "[a]: https://evil.example\n\n[a]",
    "| a | b |\n| --- | --- |",
    "a|b\\|c\\",
    "&lt;b&gt; &#60;b&#62;",
    "\x1b[31mred\x1b]8;;https://evil.example\x07link\x1b]8;;\x07",
    "abc\u202egnp.exe\u2066x\u200b\ufeff",
    "line\n# heading\r\n\u2028# more",
    "<http://evil|text> {{ flow_run.id }}",
]
PIECES = st.sampled_from(
    [*HOSTILE, *"[]()!<>#*_`~|\\&:;@.-+= \n\t0123", "](", "![", "://", "www.", "&#", "\u202e", "\x1b["]
)
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=8).map("".join)
INERT = {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}


def tokens(source: str) -> list[Any]:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    top = parser.parse(source)
    return [*top, *(child for token in top for child in token.children or [])]


def text_of(source: str) -> str:
    return "".join(token.content for token in tokens(source) if token.type in {"text", "text_special"})


def bare(source: str) -> bool:
    """Return whether GitHub's flavour would make a link of it without any mark."""
    return re.search(r"://|www\.|@", source, re.IGNORECASE) is not None


def check_inactive(source: str) -> None:
    assert {token.type for token in tokens(source)} <= INERT, source
    assert not bare(source), source
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in source)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_in_markdown_and_still_read(text: str) -> None:
    shown = sanitize.markdown(text)
    check_inactive(shown)
    assert set(re.findall(r"[a-z]+", text)) <= set(re.findall(r"[a-z]+", text_of(shown)))


@given(TEXTS)
def test_any_text_is_inert_in_markdown_and_reads_as_it_was(text: str) -> None:
    check_inactive(sanitize.markdown(text))
    if text.isascii() and text.isprintable() and "://" not in text and len(text) < 300:
        assert text_of(sanitize.markdown(text)) == (text.strip() or "–")


@given(TEXTS)
def test_any_text_stays_within_its_cell_of_a_table(text: str) -> None:
    table_tokens = tokens(f"| a | b |\n| --- | --- |\n| {sanitize.markdown(text)} | end |\n")
    assert [token.type for token in table_tokens].count("td_open") == 2
    assert [token.content for token in table_tokens if token.type == "inline"][-1] == "end"


@given(TEXTS)
def test_any_text_stays_within_its_block_of_code(text: str) -> None:
    assert [token.type for token in tokens(sanitize.block(text))] == ["fence"]


@given(TEXTS)
def test_any_text_is_plain_in_the_name_of_a_run(text: str) -> None:
    name = keys.stem(f"s3://raw/inbox/{text.replace('/', '')}x")
    assert set(name) & set("[]<>`*#!|\\&:@~\x1b\n\u202e") == set()
    assert not bare(name)


@given(TEXTS)
def test_the_form_for_a_hostile_drop_does_nothing(text: str) -> None:
    outcome: dict[str, Any] = {"statement": text, "counts": {"keep": 1, text: 2}, "dataset": f"s3://clean/{text}"}
    outcome["questions"] = [{"code": text, "text": text, "cure": text}]
    shown = artifacts.question(outcome, PAGE, f"s3://work/{text.replace('/', '')}")
    mine = {"strong_open", "strong_close", "html_inline", "fence"}
    mine |= {f"{name}_{side}" for name in ("bullet_list", "list_item") for side in ("open", "close")}
    assert {token.type for token in tokens(shown)} <= INERT | mine
    assert [token.type for token in tokens(shown)].count("list_item_open") == 1
    assert {token.content for token in tokens(shown) if token.type == "html_inline"} == {"<code>", "</code>"}
    assert not bare(shown.split("```")[0])


def test_the_form_of_the_folder_that_was_a_picture_shows_its_name() -> None:
    folder = "![report](https:evil.example)"
    outcome = {"statement": "Look at it.", "counts": {"keep": 1}, "dataset": f"/srv/out/{folder}", "questions": []}
    shown = artifacts.question(outcome, PAGE, f"/srv/{folder}")
    assert not {"image", "link_open"} & {token.type for token in tokens(shown)}
    assert folder in text_of(shown)


@pytest.mark.parametrize("text", HOSTILE)
def test_outcome_and_history_of_a_hostile_drop_do_nothing(text: str) -> None:
    outcome = {
        "state": "published", "version": 3, "dataset": f"s3://clean/{text}", "run_key": text, "statement": text,
        "review": {"by": text, "reason": text}, "files": [text], "quarantine": [text],
    }  # fmt: skip
    entry = Entry(
        number=1, created_at=text, drop=text, judged=9, held_back=3, rejected=0, share=1 / 3, kind="drop", by=text
    )  # fmt: skip
    for shown in (
        artifacts._outcome(outcome, PAGE, "s3://work"),
        history.markdown(text, [entry]).replace("![share", ""),
    ):
        types = {token.type for token in tokens(shown)}
        assert not types & {"image", "link_open", "html_block", "hr", "code_block", "blockquote_open"}
        assert [token.type for token in tokens(shown)].count("heading_open") == 1


def test_a_log_line_holds_no_terminal_codes_and_forges_no_other_line() -> None:
    formatter = redaction.Redacting(logging.Formatter("%(levelname)s %(message)s"))
    record = logging.LogRecord("x", logging.INFO, "", 0, "drop %s", ("a\x1b[2J\nERROR all is lost\u202e",), None)
    assert formatter.format(record) == "INFO drop a[U+001B][2J\n    ERROR all is lost[U+202E]"


def test_the_message_of_a_failed_state_holds_no_terminal_codes() -> None:
    @redaction.withholding
    def body() -> None:
        raise ValueError("label \x1b[2J\u202e")

    with pytest.raises(ValueError, match=re.escape("label [U+001B][2J[U+202E]")):
        body()


def test_notifications_quote_what_a_run_says() -> None:
    from prefect.server.utilities.user_templates import render_user_template_sync

    from deployments.notifications import _BODY, _SUBJECT

    state = SimpleNamespace(message="``` <https://evil.example|click>", name="Failed")
    run = {"flow_run": SimpleNamespace(name="<https://evil.example|x>", state=state)}
    subject = render_user_template_sync(_SUBJECT, run)
    body = render_user_template_sync(_BODY.replace("|ui_url", ".name"), run)
    assert not set("<>") & set(subject)
    assert body.split("```")[1].strip() == "\u2019\u2019\u2019 \u2039https://evil.example|click\u203a"


GOOD = ["signs", "Signs-EU_2.1", "a" * 100, "0"]
BAD = ["![report](https:evil.example)", "a b", "a" * 101, "straße", "a\x1b[2J", "..", ".x", "_x", "", "a/b", "x@y:z"]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_name_of_a_dataset_is_taken(name: str) -> None:
    assert Inbox(url="s3://raw/inbox").refusal(name, "monday") == ""


@pytest.mark.parametrize("name", BAD)
def test_a_folder_that_names_no_dataset_is_refused_with_the_cure(name: str) -> None:
    why = Inbox(url="s3://raw/inbox").refusal(name, "monday")
    assert "A-Z a-z 0-9 . _ -" in why
    assert "rename the folder" in why
    assert why.isprintable()


def test_the_bridge_says_once_that_a_folder_is_refused_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    posted: list[Any] = []

    class Server:
        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read_deployment_by_name(self, _name: str) -> Any:
            parameters = {"inbox": "memory://raw", "clean": "s3://clean", "quiet_s": 9.0, "datasets": None}
            return SimpleNamespace(parameters=parameters)

        def request(self, _method: str, _path: str, json: list[Any]) -> None:
            posted.extend(json)

    bridge = Bridge(Server)  # type: ignore[arg-type,return-value]
    notice = (
        '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "raw"}, '
        '"object": {"key": "%21%5Breport%5D%28https%3Aevil.example%29/monday/a.parquet"}}}]}'
    )
    for _ in range(3):
        bridge.take(notice)
    assert bridge.counts == {"refused": 3}
    assert len([record for record in caplog.records if "is not taken" in record.getMessage()]) == 1
    assert [event["event"] for event in posted] == ["telltale.drop.refused"]
    assert "rename the folder" in posted[0]["payload"]["why"]


def test_unescaped_entities_give_the_text_back() -> None:
    assert html.unescape(sanitize.markdown("a [b] (c) -> d: 50%")) == "a [b] (c) -> d: 50%"
