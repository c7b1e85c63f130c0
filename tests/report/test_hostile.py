"""Ids, labels, names, reasons and file names are the attacker's: they are shown, capped, and never do anything."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from telltale_core.display.sanitize import clean, flat, for_picture, middle
from telltale_core.report import write_report

RUN = "document.title='PWNED'"
EVIL = (
    f"<script>{RUN}</script>",
    f'"><img src=x onerror="{RUN}">',
    f"' onmouseover='{RUN}",
    f"</style></title><script>{RUN}</script>",
    f"<svg/onload={RUN}>",
    f"javascript:{RUN}",
    "=cmd|' /C calc'!A0",
    "\x1b[31mred\x1b[0m\x00\x07",
    "\u202egnp.exe\u202c\u2066x\u2069",
    "a\u0300\u0301\u0302\u0303\u0304",
    "{{ 7 * 7 }}{% raw %}",
    "$\\frac{1}{$ \\bad",
    "\u65e5\u672c \U0001f600 \u05e9\u05dc\u05d5\u05dd",
)
HIDDEN = [
    chr(c)
    for c in (
        *range(9),
        11,
        12,
        *range(14, 32),
        *range(127, 160),
        0x200B,
        0x200F,
        *range(0x202A, 0x202F),
        0x2066,
        0xFEFF,
    )
]


@pytest.fixture(scope="module")
def hostile_page(make, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    ids = tuple(EVIL[row // 4] if row % 4 == 1 and row // 4 < len(EVIL) else f"s{row}" for row in range(240))
    run = make(
        folder,
        ids=ids,
        names=(EVIL[0], EVIL[1], EVIL[8], EVIL[11]),
        name=EVIL[3] + "N" * 10_000_000,
        reason=EVIL[4] + EVIL[7] + "r" * 100_000,
        statement=EVIL[1],
        caveats=EVIL,
        rejected_text="../../\x00" + EVIL[0] + EVIL[8],
    )
    lineage = {EVIL[1]: EVIL[0], "lone": "\ud800surrogate", "nested": {EVIL[0]: {"x": "A" * 10_000_000}}}
    return write_report(*run.args, folder / "out", lineage=lineage)


def test_hostile_text_is_never_unescaped(hostile_page):
    page = hostile_page.read_text("utf-8")
    for tag in ("<script", "<img src=x", "<svg/onload", "</title><", 'onerror="'):
        assert tag not in page
    assert page.count("</style>") == 1
    assert "&lt;script&gt;" in page
    assert "49" not in page.split("<li><bdi>{{")[1].split("</li>")[0]


def test_nothing_invisible_or_reordering_is_left(hostile_page):
    page = hostile_page.read_text("utf-8")
    assert not [hex(ord(char)) for char in HIDDEN if char in page]
    assert "[U+202E]gnp.exe" in page
    assert "[U+001B][31mred" in page


def test_megabytes_of_text_are_capped_and_counted(hostile_page):
    assert hostile_page.stat().st_size < 1_500_000
    assert "(10,000,000 characters)" in hostile_page.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the chromium browser")
def test_no_script_runs_in_a_real_browser(hostile_page, tmp_path):
    def title(path):
        options = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
        quiet = "--disable-component-update --disable-quic --virtual-time-budget=3000"
        profile = f"--user-data-dir={tmp_path / path.stem}"
        command = ["chromium", *options.split(), *quiet.split(), profile, "--dump-dom", path.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout.split("<title>")[1].split("</title>")[0]

    assert "PWNED" not in title(hostile_page).replace("document.title='PWNED'", "")
    page = hostile_page.read_text("utf-8")
    forced = tmp_path / "forced.html"  # even unescaped, the policy stops it
    forced.write_text(page.replace("</main>", f"<script>{RUN}</script><img src=x onerror={RUN}></main>"), "utf-8")
    assert title(forced) != "PWNED"
    bare = tmp_path / "bare.html"  # the check itself sees a script that does run
    bare.write_text(forced.read_text("utf-8").replace("Content-Security-Policy", "x-none"), "utf-8")
    assert title(bare) == "PWNED"


@pytest.mark.parametrize("char", HIDDEN)
def test_unseen_characters_become_their_number(char):
    assert clean(f"a{char}b") == f"a[U+{ord(char):04X}]b"


def test_line_breaks_become_spaces():
    assert clean("a\nb\tc\r") == "a b c "


def test_stacked_marks_are_cut_after_two():
    assert clean("a" + "\u0301" * 9 + "b") == "a\u0301\u0301b"


def test_long_text_ends_in_its_length():
    assert clean("x" * 5000, 50) == "x" * 50 + "… (5,000 characters)"


def test_ordinary_text_of_any_script_is_left_alone():
    for text in ("naïve café", "日本語", "שלום", "a < b & c", "100 % ±5"):
        assert clean(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "s3://user:CANARY@bucket/key",
        "https://host/x.parquet?X-Amz-Signature=CANARY&y=1",
        "key AKIA" + "CANARY" + "ABCDEFGHIJ",
    ],
)
def test_credentials_in_text_are_withheld(text):
    assert "CANARY" not in clean(text)


def test_values_named_like_credentials_are_withheld():
    rows = dict(flat({"aws_secret_access_key": "CANARY", "nested": {"session_token": "CANARY", "seed": 3}}))
    assert rows == {"aws_secret_access_key": "[withheld]", "nested.session_token": "[withheld]", "nested.seed": "3"}


def test_flattened_values_are_bounded():
    assert len(flat({str(k): k for k in range(1000)}, most=50)) == 51


def test_middle_keeps_both_ends():
    assert middle("begin" + "-" * 100 + "end", 10) == "begin…--end"


def test_picture_text_has_only_characters_the_font_draws():
    assert for_picture("日本 cat") == "?? cat"
