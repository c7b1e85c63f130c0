"""Numbers and sentences of the page, made from a run: plain values that the template only has to place."""

from __future__ import annotations

from collections import Counter
from typing import Any

from telltale_core.display.numbers import probability, share
from telltale_core.display.sanitize import middle
from telltale_core.drop.grouping import Grouping
from telltale_core.drop.summary import noted_lines
from telltale_core.modality import modality_named
from telltale_core.questions import as_record
from telltale_core.report.config import ReportConfig
from telltale_core.report.run import NEAR_MISS, Outline, Run
from telltale_core.verdict import Group
from telltale_core.verdict.decide import as_cells

STATUS = {
    "poison": {
        "title": "Poison found",
        "css": "poison",
        "ink": "#c2410c",
        "icon": "M22 5 L40 38 L4 38 Z M22 17 L22 26 M22 32 L22 32.4",
        "next": "Quarantined samples are held back from the published dataset, never deleted. Look at them below; "
        "whatever stands there wrongly can be brought back.",
    },
    "review": {
        "title": "Needs review",
        "css": "review-state",
        "ink": "#9a6700",
        "icon": "M22 4 A18 18 0 1 1 21.9 4 M22 13 L22 24 M22 31 L22 31.4",
        "next": "A person has to decide; until then nothing of this drop is published.",
    },
    "untested": {
        "title": "No verdict",
        "css": "review-state",
        "ink": "#9a6700",
        "icon": "M22 4 A18 18 0 1 1 21.9 4 M13 22 L31 22",
        "next": "No group of samples could be tested, so nothing was found and nothing was cleared.",
    },
    "clean": {
        "title": "No poison found",
        "css": "clean",
        "ink": "#00805d",
        "icon": "M22 4 A18 18 0 1 1 21.9 4 M14 23 L20 29 L31 16",
        "next": "No group of samples moved together far enough apart from its like. Read this with the limits below: "
        "it speaks of what the method can see.",
    },
}
SPREAD = dict.fromkeys((Grouping.TARGET_RANGE.noun, "group"), "targets moved by some amount instead of to one value")
"""What else is hard where there are no labels."""
GENERAL = (
    "Quarantined means suspicious enough to hold back, not proven poison. When poison is rare, most quarantined "
    "samples can be harmless even though few harmless samples are quarantined.",
    "Poison that the proxy did not learn leaves no trace in its losses: a trigger that does not work on it is missed.",
)
ALWAYS = (
    "Attacks that the proxy learns late or not as one feature (warping, {spread}) and a handful of "
    "samples in a large {word} are the hardest cases; no finding is weak evidence there.",
)
BY_ITSELF = (
    "One drop is judged by itself: poison spread thinly over many drops can stay below the threshold in each of them.",
)


def status(run: Outline) -> dict[str, str]:
    """Return how to present the verdict; poison found *and* a person needed says both."""
    if run.status == "poison" and run.questions:
        poison = STATUS["poison"]
        also = STATUS["review"]["next"]
        return poison | {"title": "Poison found, needs review", "next": f"{poison['next']} {also}"}
    shown = STATUS[run.status]
    if run.near_miss:
        shown = STATUS["review"] | {"title": NEAR_MISS, "next": shown["next"]}
    if run.status in ("clean", "untested") and run.counts.review:
        held = f" {run.counts.review:,} samples are set aside all the same; their reasons stand beside them."
        return shown | {"next": shown["next"] + held}
    return shown


def decisions(run: Outline) -> list[dict[str, str]]:
    """Return what a person must decide: the questions of drop and verdict. Publication may ask more of the dataset."""
    return as_record(run.questions[:30])


def columns(run: Outline) -> dict[str, str]:
    """Return which columns were judged and which are published unjudged, as sentences; empty where all were."""
    unread = run.drop.manifest["unread"]
    if not unread:
        return {}
    names = ", ".join(str(one.get("column")) for one in unread[:50])
    more = f" and {len(unread) - 50} more" if len(unread) > 50 else ""
    doubtful = ", ".join(f"{one.get('column')} ({one.get('like')})" for one in unread if one.get("asks"))
    return {"unread": names + more, "doubtful": doubtful}


def about(run: Outline, snapshots: int) -> str:
    """Return the drop in one line, with how many loss snapshots were taken."""
    drop = run.drop
    kind = modality_named(drop.modality).plural
    classes = f", {drop.num_classes} labels" if drop.labels is not None and drop.num_classes else ""
    if drop.label_sets is not None:
        classes = f", {drop.label_sets.shape[1]} labels"
    elif drop.targets is not None and drop.targets.ndim > 1:
        classes = f", {drop.targets.shape[1]} targets"
    return f"{len(drop):,} {kind}, {drop.task}{classes}; {snapshots:,} loss snapshots"


def significance(run: Run) -> str:
    """Return the dataset-level significance as a sentence; empty where the detector states none."""
    p, most = run.verdict.p_value, run.verdict.false_alarm_rate
    said = f"Significance for the drop as a whole: p {probability(p) if p < 0.0001 else '= ' + probability(p)}."
    return f"{said} A group is called at p of at most {most:.2g}, if it also stands far enough apart."


def parts(run: Outline) -> list[dict[str, str]]:
    """Return the terms of the sum, the whole first."""
    counts = run.counts
    rows = (
        ("kept", "published", counts.published, "kept: goes into the published dataset"),
        (
            "suspect",
            "quarantined",
            counts.quarantined,
            "held back with reason and suspicion; can be restored",
        ),
        ("review", "set aside", counts.review, "not called, but not cleared either: not published; can be restored"),
        (
            "rejected",
            "rejected",
            counts.rejected,
            "could not become a sample: unreadable, out of range, duplicate ...",
        ),
    )
    whole = {"css": "all", "name": "ingested", "count": f"{counts.ingested:,}", "means": "every row that the drop held"}
    terms = [
        {"css": c, "name": n, "count": f"{v:,}", "share": share(v, counts.ingested), "means": m} for c, n, v, m in rows
    ]
    return [whole | {"share": "100 %" if counts.ingested else "0 %"}, *terms]


def stack(run: Outline) -> dict[str, Any]:
    """Return the stacked bar: pieces on a scale of 1000, every non-empty piece wide enough to be seen."""
    counts = run.counts
    terms = {
        "kept": counts.published,
        "suspect": counts.quarantined,
        "review": counts.review,
        "rejected": counts.rejected,
    }
    widths = {css: max(5.0, 1000 * value / counts.ingested) for css, value in terms.items() if value}
    scale = 1000 / sum(widths.values()) if widths else 1.0
    pieces, x = [], 0.0
    for css, width in widths.items():
        pieces.append({"css": css, "x": f"{x:.1f}", "width": f"{max(1.0, width * scale - 1.5):.1f}"})
        x += width * scale
    said = ", ".join(f"{part['count']} {part['name']}" for part in parts(run)[1:])
    return {"pieces": pieces, "alt": f"stacked bar: {said}; thin pieces are drawn at least half a percent wide"}


def groups(run: Run, config: ReportConfig) -> list[dict[str, Any]]:
    """Return the label table's rows with their bars on a scale of 400; statistics of one kind share a scale."""
    shown = run.groups()[: config.label_rows]
    most: dict[str, float] = {}
    for group in shown:
        most[group.kind] = max(most.get(group.kind, 1e-9), group.statistic, group.threshold)
    return [_group(run.group_name(group), group, 1.04 * most[group.kind]) for group in shown]


def _even(value: float) -> str:
    return f"{value:,.2f}" if 0.01 <= abs(value) < 1e6 or value == 0 else f"{value:.2e}"


def _group(name: str, group: Group, top: float) -> dict[str, Any]:
    statistic, threshold = _even(group.statistic), _even(group.threshold)
    where = "within" if group.statistic < group.threshold else "beyond"
    return {
        "name": middle(name, 60),
        "over": group.called,
        "samples": f"{group.samples:,}",
        "statistic": statistic,
        "threshold": threshold,
        "p": probability(group.p_value) if group.tested else "not tested",
        "quarantined": f"{group.quarantined:,}",
        "review": f"{group.review:,}",
        "taken_for": middle(group.taken_for, 60) if group.tested else "not tested",
        "own": "" if group.own is None else f"{group.own:.0%} ({group.own_usual or 0:.0%})",
        "width": f"{400 * max(0.0, group.statistic) / top:.1f}",
        "tick": f"{400 * max(0.0, group.threshold) / top:.1f}",
        "alt": f"statistic {statistic}, {where} the threshold {threshold}",
    }


def rules(run: Run) -> list[tuple[str, ...]]:
    """Return the lines of the table of decisions; empty where the run's detector decides by another rule."""
    return as_cells() if any(group.taken_for for group in run.groups()) else []


def groups_left(run: Run, config: ReportConfig) -> str:
    """Return a sentence on the groups that the table leaves out; empty for none."""
    unlisted = run.groups()[config.label_rows :]
    over = sum(group.called for group in unlisted)
    return f"{len(unlisted):,} more are not listed, {over:,} of them beyond their threshold." if unlisted else ""


def evidence_lead(run: Run, items: list[Any]) -> str:
    """Return what the reader is about to see."""
    if run.near_miss:
        return (
            "Nothing was called poison, but a group came near: the pictures show its samples, which are set "
            f"aside, against the others{_of_their(run)}."
        )
    if run.status in ("clean", "untested"):
        return (
            f"Nothing was suspected. For comparison the pictures show {_outstanding(run)} with "
            "the highest suspicion against the others. Without poison the two look alike, or differ in level but not "
            "in timing."
        )
    more = f" The {len(items)} {run.word}s with most such samples are shown." if len(items) > 1 else ""
    return (
        "Poisoned samples share one learned feature, the trigger, so their losses rise and fall together; harmless "
        f"samples{_of_the_same(run)} each go their own way.{more}"
    )


def _of_their(run: Run) -> str:
    return "" if run.labels is None else f" of their {run.word}"


def _of_the_same(run: Run) -> str:
    return "" if run.labels is None else f" of the same {run.word}"


def _outstanding(run: Run) -> str:
    return "the samples" if run.labels is None else f"the {run.word} that stood out most: its samples"


def rejected(run: Outline, config: ReportConfig) -> dict[str, Any]:
    """Return rejected rows by reason, most frequent first, and examples taken in turn from every reason."""
    if not run.counts.rejected:
        return {"reasons": [], "examples": []}
    count: Counter[str] = Counter()
    ranked: list[tuple[int, dict[str, str]]] = []
    for table in run.drop.rejected_batches(("source", "row", "reason_code", "reason")):
        for row in table.to_pylist():
            code = str(row["reason_code"])
            count[code] += 1
            if count[code] <= config.rejected_examples:
                place = "–" if row["row"] is None else f"{row['row']:,}"
                shown = {"source": str(row["source"]), "row": place, "reason": str(row["reason"])}
                ranked.append((count[code], shown))
    ranked.sort(key=lambda pair: pair[0])
    reasons = [(code, f"{n:,}") for code, n in sorted(count.items(), key=lambda pair: (-pair[1], pair[0]))][:100]
    return {"reasons": reasons, "examples": [row for _, row in ranked[: config.rejected_examples]]}


def caveats(run: Outline) -> list[str]:
    """Return the limits: what this run's detector states first, then what always holds."""
    stated = run.verdict.caveats or GENERAL
    spread = SPREAD.get(run.word, "random or shifted target labels")
    return [
        *(str(line) for line in stated[:30]),
        *noted_lines(run.drop.manifest),
        *(line.format(spread=spread, word=run.word) for line in ALWAYS),
        *(() if run.verdict.history else BY_ITSELF),
    ]
