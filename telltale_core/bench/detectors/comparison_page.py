"""The page of a comparison: what each detector says of one drop, where they agree, and whom they disagree on."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from telltale_core.bench.detectors.comparison import Comparison
from telltale_core.display.sanitize import clean, middle
from telltale_core.modality import modality_named
from telltale_core.records import write_json, write_whole
from telltale_core.report.config import ReportConfig
from telltale_core.report.page import TEMPLATES, page_environment

if TYPE_CHECKING:
    from telltale_core.drop import Drop

NOTHING_ELSE = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'"
STYLE = """
.wide td, .wide th { white-space: nowrap; } .cell { text-align: center; font-variant-numeric: tabular-nums; }
"""


def write_comparison(
    drop: Drop,
    comparison: Comparison,
    out: Path,
    *,
    left_out: Mapping[str, str],
    quorum: int | None = None,
    config: ReportConfig = ReportConfig(),  # noqa: B008 - frozen
) -> Path:
    """Return the path of ``out/comparison.html``, written whole, with ``comparison.json`` last."""
    style = (TEMPLATES / "style.css.j2").read_text(encoding="utf-8") + STYLE
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = (
        page_environment(config, Path(__file__).parent / "templates")
        .get_template("comparison.html.j2")
        .render(
            policy=f"{NOTHING_ELSE}; style-src 'sha256-{digest}'",
            style=Markup(style),  # noqa: S704 - our own file
            name=middle(drop.name or "unnamed drop", 120),
            digest=drop.digest,
            about=f"{len(drop):,} samples; one training, {len(comparison.opinions)} opinions",
            opinions=opinion_rows(comparison),
            names=comparison.names,
            overlap=_cells(comparison, comparison.overlap),
            ranks=_cells(comparison, comparison.rank_correlation),
            votes=vote_rows(comparison),
            voters=", ".join(comparison.voters) or "none",
            combined=combined_line(comparison, quorum),
            cards=disputed_cards(drop, comparison, config),
            left_out=sorted(left_out.items()),
        )
    )
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "comparison.html", page.encode("utf-8", errors="replace"))
    record = {**comparison.record(quorum), "drop_digest": drop.digest, "left_out": dict(left_out)}
    write_json(out / "comparison.json", record)
    return out / "comparison.html"


def opinion_rows(comparison: Comparison) -> list[dict[str, str]]:
    """Return a row for each detector: what it says, what it rests on, what it took."""
    rows = []
    for opinion in comparison.opinions:
        record, usage = opinion.record, opinion.record["usage"]
        clean_set = record["clean_set"]
        vouched = f"; clean set of {clean_set['samples']:,} ({clean_set['source']})" if clean_set else ""
        vouched += f"; {record['known_clean']} samples named as clean" if record["known_clean"] else ""
        rows.append(
            {
                "title": record["title"],
                "name": opinion.name,
                "flagged": f"{record['flagged']:,}",
                "share": f"{100 * record['flagged'] / max(1, record['samples']):.2f} %",
                "kind": kind_of(comparison, opinion.name, record),
                "says": record["statement"],
                "needs": ", ".join(record["needs"]) + vouched,
                "source": record["source"],
                "time": f"{usage['cpu_s']:.1f} s",
                "memory": f"{usage['peak_bytes'] / 1e6:,.0f} MB",
            }
        )
    return rows


def kind_of(comparison: Comparison, name: str, record: Mapping[str, Any]) -> str:
    """Return in words what a flag of this detector is worth."""
    if name in comparison.voters:
        return "decides for itself"
    return "flags a set share of any drop" if record["budgeted"] else "looks for wrong labels"


def _cells(comparison: Comparison, matrix: Any) -> list[tuple[str, list[str]]]:
    return [
        (name, ["-" if np.isnan(value) else f"{value:.2f}" for value in row])
        for name, row in zip(comparison.names, matrix, strict=True)
    ]


def vote_rows(comparison: Comparison) -> list[tuple[str, str]]:
    """Return how many samples got how many votes, most votes first."""
    counts = np.bincount(comparison.votes, minlength=len(comparison.voters) + 1)
    total = len(comparison.voters)
    return [(f"{votes} of {total}", f"{counts[votes]:,}") for votes in range(total, -1, -1)]


def combined_line(comparison: Comparison, quorum: int | None) -> str:
    """Return what the combining rule gives, or that none was asked for."""
    if quorum is None:
        return "No rule combines them: none was asked for. What is published follows Telltale's verdict alone."
    flagged = int(comparison.combined(quorum).sum())
    return (
        f"Asked for: flagged by at least {quorum} of those that decide for themselves: {flagged:,} samples. This rule "
        "states no significance, and nothing that is published follows it."
    )


def disputed_cards(drop: Drop, comparison: Comparison, config: ReportConfig) -> list[dict[str, Any]]:
    """Return the samples on which those that decide for themselves differ most, with who flags them and why."""
    cards, viewer = [], modality_named(drop.modality).viewer(drop, [], config.dpi)
    for row in comparison.disputed():
        flaggers = [opinion for opinion in comparison.opinions if opinion.flagged[row]]
        label = "" if drop.labels is None else int(drop.labels[row])
        names = drop.label_names or ()
        named = names[label] if isinstance(label, int) and label < len(names) else str(label)
        cards.append(
            {
                "view": viewer.fragment(int(row), config.thumbnail_px),
                "label": clean(str(named), 60),
                "id": str(drop.sample_ids[row]),
                "short_id": middle(str(drop.sample_ids[row])),
                "votes": f"{int(comparison.votes[row])} of {len(comparison.voters)} votes",
                "by": ", ".join(opinion.name for opinion in flaggers),
                "why": "; ".join(dict.fromkeys(str(o.reason[row]) for o in flaggers if o.name in comparison.voters)),
            }
        )
    return cards
