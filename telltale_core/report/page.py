"""The page itself: what is shown, put into the template, escaped, kept under its size, written whole."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from telltale_core.digest import sha256_bytes
from telltale_core.display.sanitize import clean, flat, middle
from telltale_core.drop.accounting import accounted_lines
from telltale_core.drop.understanding import doubts
from telltale_core.errors import OverBudget
from telltale_core.modality import modality_named
from telltale_core.records import RecordKind, write_whole
from telltale_core.report import page_data, thumbnails
from telltale_core.report.config import ReportConfig
from telltale_core.report.evidence import focuses
from telltale_core.report.figures import evidence, overall
from telltale_core.report.run import Outline, Run, read_run
from telltale_core.spectrum.record import SPECTRUM
from telltale_core.verdict.decide import HEADINGS

if TYPE_CHECKING:
    from telltale_core.drop import Drop
    from telltale_core.losslog import Losses

TEMPLATES = Path(__file__).parent / "templates"


class ReportRecord(TypedDict):
    """What ``report.json`` says of the page: its file, digest and size, of which drop it is, and its status."""

    file: str
    sha256: str
    bytes: int
    drop_digest: str
    status: str


REPORT = RecordKind(
    type=ReportRecord, name="report", file="report.json", format="telltale.report/1", cure="run the report stage"
)
POLICY = "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'"


def write_report(
    drop: Drop,
    losslog: Losses,
    spectrum_dir: Path,
    verdict_dir: Path,
    out: Path,
    *,
    lineage: Mapping[str, Any],
    train_record: Mapping[str, Any] | None = None,
    config: ReportConfig = ReportConfig(),  # noqa: B008 - frozen
    alone: Outline | None = None,
) -> Path:
    """Return the path of ``out/report.html``, written whole; ``out/report.json`` (its digest and size) comes last.

    ``lineage`` may be nested; it is shown in its own order, and is the only place where a time can enter the page: the
    same input gives the same bytes. ``alone`` is the verdict on the drop alone, where ``drop`` is it joined with
    published versions: name, statement, questions, counts and rejected rows are told of it. Raises :class:`Corrupt`
    where counts do not add up or records disagree, :class:`NotFound` without a verdict, :class:`OverBudget` when the
    page cannot be made smaller than ``max_bytes``.
    """
    run = read_run(drop, losslog, spectrum_dir, verdict_dir)
    outline = alone or run
    page = render(run, lineage, train_record, config, outline)
    path = out / "report.html"
    write_whole(path, page)
    record: ReportRecord = {
        "file": path.name,
        "sha256": sha256_bytes(page),
        "bytes": len(page),
        "drop_digest": outline.drop.digest,
        "status": outline.status,
    }
    REPORT.write(out, record)
    return path


def render(
    run: Run, lineage: Mapping[str, Any], train_record: Mapping[str, Any] | None, config: ReportConfig, outline: Outline
) -> bytes:
    """Return the page as UTF-8; with fewer thumbnails, then coarser pictures, if it would exceed ``max_bytes``."""
    few = {"evidence_labels": 1, "thumbnails": min(4, config.thumbnails), "dpi": min(80, config.dpi)}
    steps = (
        config,
        config.replace(thumbnails=config.thumbnails // 2, dpi=min(110, config.dpi)),
        config.replace(**few),
        config.replace(**few | {"thumbnails": 0, "dpi": 50}),
    )
    size = 0
    for step in steps:
        page = _page(run, lineage, train_record, step, outline, reduced=step is not config)
        size = len(page)
        if size <= config.max_bytes:
            return page
    raise OverBudget(f"the report needs {size:,} bytes at its smallest, max_bytes is {config.max_bytes:,}; raise it")


def _page(
    run: Run,
    lineage: Mapping[str, Any],
    train: Mapping[str, Any] | None,
    config: ReportConfig,
    outline: Outline,
    *,
    reduced: bool,
) -> bytes:
    style = (TEMPLATES / "style.css.j2").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    size_note = f"Written by Telltale. This file loads nothing from anywhere and stays below {config.max_bytes:,} bytes"
    shown = focuses(run, config)
    viewer = modality_named(run.drop.modality).viewer(run.drop, shown, config.dpi)
    items = evidence(run, shown, viewer, config)
    page = (
        page_environment(config)
        .get_template("report.html.j2")
        .render(
            policy=f"{POLICY}; style-src 'sha256-{digest}'",
            style=Markup(style),  # noqa: S704 - our own file
            size_note=size_note + ("; pictures and thumbnails were reduced for that." if reduced else "."),
            name=middle(outline.drop.name or "unnamed drop", 120),
            about=page_data.about(outline, len(run.epochs)),
            digest=outline.drop.digest,
            statement=outline.verdict.statement,
            status=page_data.status(outline),
            significance=page_data.significance(run),
            decisions=page_data.decisions(outline),
            columns=page_data.columns(outline),
            accounted=accounted_lines(outline.drop.manifest),
            doubts=doubts(outline.drop),
            parts=page_data.parts(outline),
            stack=page_data.stack(outline),
            labelled=run.labels is not None,
            word=run.word,
            words=f"{run.word}s",
            groups=page_data.groups(run, config),
            headings=HEADINGS,
            rules=page_data.rules(run),
            groups_left=page_data.groups_left(run, config),
            looked=any(group.own is not None for group in run.groups()),
            evidence_lead=page_data.evidence_lead(run, items),
            evidence=items,
            overall=overall(run, config),
            blocks=thumbnails.blocks(run, viewer, config, joined=outline is not run),
            wide=viewer.wide,
            rejected=page_data.rejected(outline, config),
            caveats=page_data.caveats(outline),
            lineage=_lineage(run, outline, lineage, train),
        )
    )
    # Lone surrogates were made visible by ``clean``; anything that slipped past must not stop the report.
    return page.encode("utf-8", errors="replace")


def page_environment(config: ReportConfig, templates: Path = TEMPLATES) -> jinja2.Environment:
    """Return what renders ``templates``: every string is cleaned, cut to its length and escaped."""

    def fit(value: Any) -> Any:
        if isinstance(value, Markup) or not isinstance(value, str):
            return "" if value is None else value
        return clean(value, config.max_text)

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        finalize=fit,  # every string, before it is escaped
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _lineage(
    run: Run, outline: Outline, lineage: Mapping[str, Any], train: Mapping[str, Any] | None
) -> list[tuple[str, list[tuple[str, str]], bool]]:
    manifest = {key: value for key, value in outline.drop.manifest.items() if key not in ("name", "counts")}
    stated = {
        key: value for key, value in outline.verdict.values.items() if key not in ("statement", "groups", "caveats")
    }
    parts = (
        ("Lineage of this run", lineage, True),
        ("Drop: what was ingested", manifest, False),
        ("Training of the proxy", train or {}, False),
        ("Spectrum", {} if run.spectrum is None else SPECTRUM.values(run.spectrum), False),
        ("Verdict", stated, False),
    )
    return [(title, flat(values), shown) for title, values, shown in parts if values]
