"""The page as a curator and a browser get it: complete, adding up, self-contained, always the same, never too large."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telltale_core.drop.grouping import Grouping
from telltale_core.errors import ConfigError, Corrupt, NotFound, OverBudget
from telltale_core.report import ReportConfig, page_data, read_outline, read_run, write_report
from telltale_core.report.run import _texts
from telltale_core.verdict import Verdict
from telltale_core.verdict.decide import HEADINGS, TABLE, as_cells
from telltale_core.verdict.history import known_as, write_restricted
from tests.support import browser


class Page(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


class Tables(HTMLParser):
    """Every table: its class, its headings, and for each row the headings that its cells name."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[tuple[str | None, list[str], list[list[str | None]]]] = []
        self._in_heading = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.tables.append((dict(attrs).get("class"), [], []))
        elif tag == "tr" and self.tables:
            self.tables[-1][2].append([])
        elif tag == "td":
            self.tables[-1][2][-1].append(dict(attrs).get("data-th"))
        elif tag == "th":
            self.tables[-1][1].append("")
        self._in_heading = tag == "th"

    def handle_endtag(self, tag):
        self._in_heading = False

    def handle_data(self, data):
        if self._in_heading:
            self.tables[-1][1][-1] += data


QUICK = ReportConfig(dpi=50, thumbnails=2)


@pytest.fixture
def written(new_run, tmp_path):
    """Return a function that makes a run and returns its page as text."""

    def write(config=QUICK, **changes):
        return wrote(new_run(**changes), tmp_path / "out", config).read_text("utf-8")

    return write


def wrote(run, out, config=QUICK):
    return write_report(*run.args, out, lineage=run.lineage, config=config)


@pytest.fixture(scope="module")
def poisoned(make, tmp_path_factory):
    """Return the page of the standard poisoned run, with the default settings."""
    folder = tmp_path_factory.mktemp("poisoned")
    return wrote(make(folder), folder / "out", ReportConfig()).read_text("utf-8")


@pytest.fixture(scope="module")
def clean(make, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    return wrote(make(folder, quarantined=0, review=0, rejected=0), folder / "out").read_text("utf-8")


def test_poisoned_run_states_verdict_counts_evidence_and_samples(poisoned):
    assert "Poison found" in poisoned
    assert "One label stands out: 20 of its samples move together." in poisoned
    for part in ("245</b><span>ingested", "214</b><span>published", "20</b><span>quarantined", "6</b><span>set aside"):
        assert part in poisoned
    assert "5</b><span>rejected" in poisoned
    for title in ("Loss over training", "Do they move together?", "Spectra of the losses", "Clusters", "in common"):
        assert title in poisoned
    assert "unreadable_image" in poisoned
    assert "Most suspicious" in poisoned


def test_coherent_samples_show_a_high_correlation_and_the_kept_none(poisoned):
    said = poisoned.split("Mean correlation of two rows: ")[1]
    assert float(said.split(" among")[0]) > 0.8
    assert abs(float(said.split("quarantined, ")[1].split(" among")[0])) < 0.1


def test_clean_run_says_so_and_suspects_nothing(clean):
    assert "No poison found" in clean
    assert "Nothing was suspected" in clean
    assert "Highest suspicion, all kept" in clean
    assert "every row of the drop became a sample" in clean
    assert "What the quarantined have in common" not in clean
    assert "Most suspicious</h3>" not in clean


@pytest.mark.slow
def test_weak_signal_is_presented_as_needing_review(written):
    page = written(quarantined=0, review=9, review_needed=True)
    assert '<p class="status">Needs review</p>' in page
    assert "Set aside</h3>" in page


def test_an_open_question_is_presented_as_needing_review(new_run):
    run = new_run(quarantined=0, review=0)
    question = {"code": "untested", "text": "9 samples of label b are held", "cure": "verdict.untested"}
    edit(run.verdict_dir / "verdict.json", questions=[question])
    assert page_data.status(read_run(*run.args))["title"] == "Needs review"


@pytest.mark.slow
def test_a_page_that_asks_nobody_speaks_of_no_persons_decision(written):
    page = written(quarantined=0, review=9)
    assert "near miss" in page
    assert "9 samples are set aside" in page
    assert not re.search(r"a person (has to|must|needs to)|person decides|held for review|under review", page, re.I)


def test_poison_that_also_needs_a_person_says_both(new_run):
    run = read_run(*new_run(review_needed=True).args)
    assert page_data.status(run)["title"] == "Poison found, needs review"


def test_drop_in_which_nothing_could_be_tested_is_not_called_clean(new_run):
    run = new_run(quarantined=0, review=0)
    groups = json.loads((run.verdict_dir / "verdict.json").read_text())["groups"]
    edit(run.verdict_dir / "verdict.json", groups=[group | {"tested": False, "called": False} for group in groups])
    read = read_run(*run.args)
    assert page_data.status(read)["title"] == "No verdict"
    assert {row["p"] for row in page_data.groups(read, QUICK)} == {"not tested"}


def test_label_beyond_the_threshold_that_is_not_called_is_not_marked(new_run):
    run = new_run()
    groups = json.loads((run.verdict_dir / "verdict.json").read_text())["groups"]
    edit(run.verdict_dir / "verdict.json", groups=[group | {"called": False} for group in groups])
    assert not any(row["over"] for row in page_data.groups(read_run(*run.args), QUICK))


@pytest.mark.slow
def test_the_page_shows_the_table_of_decisions_and_the_line_that_decided_each_group(new_run, tmp_path):
    run = new_run()
    groups = json.loads((run.verdict_dir / "verdict.json").read_text())["groups"]
    decided = [group | {"taken_for": TABLE[place % len(TABLE)].because} for place, group in enumerate(groups)]
    edit(run.verdict_dir / "verdict.json", groups=decided)
    page = wrote(run, tmp_path / "out").read_text("utf-8")
    for cells in (HEADINGS, *as_cells()):
        named = [
            f'<td class="words" data-th="{heading}">{cell}</td>' for heading, cell in zip(HEADINGS, cells, strict=True)
        ]
        assert "".join([f'<th scope="col">{cell}</th>' for cell in cells] if cells is HEADINGS else named) in page
    shown = [row["taken_for"] for row in page_data.groups(read_run(*run.args), QUICK)]
    assert sorted(shown) == sorted(group["taken_for"] for group in decided)
    assert all(page.count(f'<td class="words" data-th="taken for">{taken_for}</td></tr>') for taken_for in shown)


@pytest.mark.slow
def test_a_detector_with_another_rule_shows_no_table_of_decisions(written):
    assert "The table of decisions" not in written()


def test_a_drop_judged_with_published_versions_is_told_of_alone_and_by_its_own_names(new_run, tmp_path):
    """The first 200 rows are the drop's, one suspect with an id like a version's; the others were published before."""
    ids = ["v7/cat", *(f"cat-{row:03d}" for row in range(1, 200))]
    joined = new_run(
        ids=(*(f"new/{name}" for name in ids), *(f"v3/dog-{row:03d}" for row in range(40))), quarantined=60
    )
    own = new_run(n=200, ids=tuple(ids), rejected=7)
    write_restricted(Verdict.open(joined.verdict_dir), own.drop, tmp_path / "alone")
    alone = read_outline(own.drop, tmp_path / "alone")
    config = QUICK.replace(thumbnails=60)
    out = write_report(*joined.args, tmp_path / "out", lineage=joined.lineage, config=config, alone=alone)
    page = out.read_text("utf-8")
    assert "new/" not in page
    for shown in (
        'title="cat-001"',
        'title="dog-001 in version 3"',
        "207",
        "history_suspected",
        "published samples of",
    ):
        assert shown in page
    assert "One drop is judged by itself" not in page
    assert known_as("new/v7/cat") == ("v7/cat", None)


def test_samples_held_back_in_a_clean_drop_are_mentioned(new_run):
    shown = page_data.status(read_run(*new_run(quarantined=0, review=3).args))
    assert shown["title"] == "No poison found, but a near miss"
    assert shown["css"] == page_data.STATUS["review"]["css"]
    assert "3 samples are set aside" in shown["next"]


@pytest.mark.slow
def test_open_questions_and_columns_that_nobody_judged_stand_on_the_page(new_run, tmp_path):
    run = new_run()
    asked = {"code": "drop_toml_asks", "text": "drop.toml asks for <b>less</b>", "cure": "drop.image_size = 8"}
    unread = [
        {"column": "<i>thumb", "type": "binary", "like": "media", "asks": True},
        {"column": "source", "type": "string", "like": "", "asks": False},
    ]
    run_with_origin = dataclasses.replace(run, drop=run.drop.with_origin({"questions": [asked], "unread": unread}))
    page = wrote(run_with_origin, tmp_path / "out").read_text("utf-8")
    shown = Page(page).text
    assert "A person must decide before anything is published" in shown
    assert "drop.toml asks for <b>less</b>" in shown
    assert "drop.image_size = 8" in shown
    assert "<i>thumb, source" in shown
    assert "trained on <i>thumb (media)" in shown
    assert "<i>thumb" not in page


@pytest.mark.slow
def test_what_became_of_files_and_lines_stands_on_the_page_as_sums(new_run, tmp_path):
    run = new_run()
    ignored = {"hidden": {"count": 3, "first": [".a", ".b", ".c"]}, "no table names it": {"count": 1, "first": ["<b>"]}}
    files = {"found": 1204, "read": 1200, "about": {"count": 0, "first": []}, "ignored": ignored}
    lines = {"lines": 1301, "rows": 1200, "header": 1, "quoted": 95, "blank": 5}
    accounting = {"files": files, "lines": lines, "doubts": ["<b>split</b> names test in 3 rows"]}
    run_with_origin = dataclasses.replace(run, drop=run.drop.with_origin({"accounting": accounting}))
    shown = Page(wrote(run_with_origin, tmp_path / "out").read_text("utf-8")).text
    assert "Look: <b>split</b> names test in 3 rows" in shown
    assert "files: 1,204 = 1,200 read + 4 ignored (3 hidden, 1 no table names it)" in shown
    assert "lines: 1,301 = 1,200 rows + 1 header + 95 inside quoted fields + 5 blank" in shown


def test_samples_are_called_quarantined_never_poison(poisoned):
    cards = poisoned.split('class="cards"')[1]
    assert ">quarantined</span>" in cards
    assert "poison" not in cards.split("</section>")[0].lower()


def test_nothing_is_loaded_from_outside_and_no_script_can_run(poisoned):
    page = Page(poisoned)
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert all(not name.startswith("on") and name != "style" for name in attributes)
        assert (attributes.get("src") or "data:image/").startswith("data:image/")
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in poisoned
    assert "@import" not in poisoned


def test_content_security_policy_admits_only_data_images_and_the_one_style(poisoned):
    policy = next(a["content"] for tag, a in Page(poisoned).tags if a.get("http-equiv") == "Content-Security-Policy")
    style = poisoned.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    allowed = (
        "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{digest}'"
    )
    assert policy == allowed


def test_every_picture_has_an_alternative_text(poisoned):
    for tag, attributes in Page(poisoned).tags:
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg":
            assert attributes["aria-label"]


def test_links_of_the_contents_lead_somewhere(poisoned):
    tags = Page(poisoned).tags
    ids = {attributes.get("id") for _, attributes in tags}
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    assert links
    assert all(link[1:] in ids for link in links)


@pytest.mark.slow
def test_same_input_gives_the_same_bytes_whatever_the_folder_and_the_row_order_of_the_verdict(
    poisoned, new_run, tmp_path
):
    run = new_run()
    path = run.verdict_dir / "verdict.parquet"
    table = pq.read_table(path)
    pq.write_table(table.take(np.random.default_rng(0).permutation(table.num_rows)), path)
    assert wrote(run, tmp_path / "again", ReportConfig()).read_text("utf-8") == poisoned


@pytest.mark.slow
def test_record_is_written_with_the_digest_of_the_page(new_run, tmp_path):
    path = wrote(new_run(n=8, quarantined=1, review=0), tmp_path / "out")
    record = json.loads((tmp_path / "out" / "report.json").read_text())
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["format"] == "telltale.report/1"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_counts_that_do_not_add_up_are_refused(new_run, tmp_path):
    run = new_run()
    run.drop.manifest["counts"]["seen"] += 1
    with pytest.raises(Corrupt, match="do not add up: 246 ingested"):
        wrote(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_stated_counts_must_be_those_of_the_table(new_run, tmp_path):
    run = new_run()
    counts = {"samples": 240, "keep": 215, "quarantine": 19, "review": 6}
    edit(run.verdict_dir / "verdict.json", counts=counts)
    with pytest.raises(Corrupt, match=r"states counts .*19.*, verdict\.parquet holds .*20"):
        wrote(run, tmp_path / "out")


def test_verdict_on_another_drop_is_refused(new_run, tmp_path):
    run = new_run()
    edit(run.verdict_dir / "verdict.json", drop_digest="ee" * 32)
    with pytest.raises(Corrupt, match="belongs to drop eeeeeeeeeeee"):
        wrote(run, tmp_path / "out")


def test_verdict_without_some_samples_is_refused(new_run, tmp_path):
    run = new_run()
    path = run.verdict_dir / "verdict.parquet"
    pq.write_table(pq.read_table(path).slice(3), path)
    with pytest.raises(Corrupt, match="lacks 3 of the drop's 240"):
        wrote(run, tmp_path / "out")


def test_absent_verdict_is_not_found(new_run, tmp_path):
    run = new_run()
    (run.verdict_dir / "verdict.json").unlink()
    with pytest.raises(NotFound, match=r"no verdict in .* run the cluster stage"):
        wrote(run, tmp_path / "out")


@pytest.mark.slow
def test_missing_spectrum_leaves_the_rest_standing(new_run, tmp_path):
    run = new_run(with_features=False)
    page = wrote(run, tmp_path / "out").read_text()
    assert "Clusters in the spectrum" not in page
    assert "Loss over training" in page


@pytest.mark.slow
def test_losses_that_are_not_finite_are_left_out_of_the_pictures(new_run, tmp_path):
    run = new_run()
    run.losslog.log_loss[::7] = np.nan
    run.losslog.log_loss[1::7, 3] = -np.inf
    assert "Loss over training" in wrote(run, tmp_path / "out").read_text()


@pytest.mark.slow
def test_run_without_any_finite_loss_still_reports(new_run, tmp_path):
    run = new_run()
    run.losslog.log_loss[:] = np.nan
    page = wrote(run, tmp_path / "out").read_text()
    assert "Loss over training" not in page
    assert "Most suspicious" in page


@pytest.mark.parametrize("n", [1, 2, 5])
def test_tiny_drops_report(written, n):
    assert f"{n}</b><span>published" in written(n=n, quarantined=0, review=0)


@pytest.mark.slow
def test_regression_run_has_targets_and_one_group(written):
    page = written(task="regression", label_free=True)
    assert "target " in page
    assert "all samples" in page


@pytest.mark.slow
def test_scattered_suspects_show_the_busiest_labels(new_run, tmp_path):
    run = new_run(quarantined=0, review=0)
    path = run.verdict_dir / "verdict.parquet"
    table = pq.read_table(path).to_pydict()
    table["decision"] = ["quarantine" if row % 6 == 0 else "keep" for row in range(240)]
    pq.write_table(pq.read_table(path).from_pydict(table), path)
    counts = {"samples": 240, "keep": 200, "quarantine": 40, "review": 0}
    edit(run.verdict_dir / "verdict.json", counts=counts, poison_found=True)
    page = wrote(run, tmp_path / "out").read_text()
    assert page.count("Loss over training") == 2


@pytest.mark.slow
def test_page_shrinks_to_its_size_limit_and_says_so(written):
    small = written(ReportConfig(max_bytes=300_000, dpi=50), px=64, n=60, classes=2)
    assert len(small.encode()) <= 300_000
    assert "were reduced" in small


def test_page_within_its_limit_is_not_reduced(poisoned):
    assert "were reduced" not in poisoned


@pytest.mark.slow
def test_page_that_cannot_shrink_is_refused(written):
    names = tuple(f"class {k}" for k in range(1000))
    with pytest.raises(OverBudget, match="raise it"):
        written(
            ReportConfig(max_bytes=200_000, label_rows=1000, dpi=50, thumbnails=0),
            n=1000,
            classes=1000,
            names=names,
            quarantined=0,
        )


def test_many_labels_are_cut_with_a_sentence(written):
    page = written(n=400, classes=100, names=tuple(f"class {k}" for k in range(100)), quarantined=3, review=0)
    assert "70 more are not listed, 0 of them beyond their threshold." in page


@pytest.mark.slow
def test_tsne_picture_is_a_setting(written):
    assert "on two t-SNE" in written(
        ReportConfig(cluster_picture="tsne", dpi=50, thumbnails=0), n=60, quarantined=5, review=0
    )


@pytest.mark.slow
def test_no_thumbnails_when_none_are_wanted(written):
    page = written(ReportConfig(thumbnails=0, dpi=50))
    assert 'class="cards"' not in page
    assert "data:image/png" in page


@pytest.mark.parametrize(
    ("setting", "value"),
    [("thumbnails", -1), ("heat_rows", 0), ("cluster_picture", "umap"), ("dpi", 10), ("max_bytes", 1), ("max_text", 3)],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(ConfigError, match=setting):
        ReportConfig(**{setting: value})


def words_of(page: str) -> str:
    """Return what a reader sees of a page before the lineage, which quotes records, without styles and marks."""
    page = re.sub(r"<style>.*?</style>", "", page.split('<section id="lineage">', maxsplit=1)[0], flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


@pytest.mark.slow
def test_a_regressions_page_speaks_of_targets(written):
    said = dict(statement="Poison found.", caveats=(), reason="moves with others", n=880, rejected=0)  # noqa: C408
    for recipe in ({"quarantined": 30}, {"quarantined": 0, "review": 0}):
        page = words_of(written(task="regression", **said | recipe))
        assert "How far each target range stands out" in page
        assert re.search(r"Target range [0-9.]+ \d", page)
        assert "other kept samples of the same target range" in page
        assert "Target ranges Evidence" in page
        assert ("Where their targets lie" in page) == bool(recipe["quarantined"])
        assert not re.findall(r"\b[Ll]abels?\b", page)


@pytest.mark.slow
def test_a_page_of_label_sets_speaks_of_label_sets(new_run, tmp_path):
    run = new_run()
    vars(run.drop)["cohorts"] = dataclasses.replace(run.drop.cohorts, grouping=Grouping.LABEL_SET)
    page = words_of(wrote(run, tmp_path / "out").read_text())
    assert "How far each label set stands out" in page
    assert "harmless samples of the same label set each go their own way" in page
    assert "Label set dog" in page


def test_a_page_of_labels_speaks_of_labels(poisoned):
    page = words_of(poisoned)
    assert "How far each label stands out" in page
    assert "Where their targets lie" not in page
    assert "A label stands out when its bar passes the tick" in page
    assert "other kept samples of the same label. " in page
    assert "its log loss less the label's common course" in html.unescape(page)
    assert "harmless samples of the same label each go their own way." in page
    assert "random or shifted target labels) and a handful of samples in a large label are" in page


@pytest.mark.slow
def test_on_a_narrow_screen_each_cell_of_a_wide_table_names_its_column(new_run, tmp_path):
    page = wrote(new_run(rejected=3), tmp_path / "out").read_text("utf-8")
    wide = [table for table in Tables(page).tables if len(table[1]) > 5]
    assert len(wide) > 0
    for css, headings, rows in wide:
        assert css == "cells"
        body = [row for row in rows if row]
        assert body == [headings] * len(body) != []


@pytest.mark.slow
@pytest.mark.skipif(browser.PROGRAM is None, reason="needs a browser: chromium")
def test_nothing_of_the_page_lies_outside_of_400_pixels(poisoned, tmp_path):
    (tmp_path / "page.html").write_text(poisoned, encoding="utf-8")
    size = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    with browser.browser(tmp_path / "browser") as person:
        person.call("Emulation.setDeviceMetricsOverride", **size)
        person.open((tmp_path / "page.html").as_uri(), "Where every row went")
        assert person.script("document.documentElement.scrollWidth") <= 400
        scrolled = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
        assert person.script(scrolled) == 0
        person.script("document.querySelectorAll('details').forEach(e => e.open = true)")
        lines = "(e => (r => (r.selectNodeContents(e.lastChild), r.getClientRects().length))(document.createRange()))"
        for broken in ("td.name", "details td:first-child"):
            assert person.script(f"[...document.querySelectorAll('{broken}')].filter(e => {lines}(e) > 1).length") == 0
        charts = "[...document.querySelectorAll('.chart')].map(e => [e.clientWidth < 400, e.scrollWidth >= 560])"
        assert {tuple(chart) for chart in person.script(charts)} == {(True, True)}


def test_a_run_holds_each_text_once():
    column = pa.array(["kept", None, "kept", "it is alone"])
    texts = _texts(column)
    assert texts.tolist() == ["kept", "", "kept", "it is alone"]
    assert texts[0] is texts[2]
    assert _texts(pa.array([], pa.string())).shape == (0,)
