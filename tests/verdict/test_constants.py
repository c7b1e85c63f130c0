"""Every constant of the verdict says where it comes from, and the notes that are named are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from telltale_core import bench
from telltale_core.verdict import constants

SOURCE = Path(constants.__file__).read_text(encoding="utf-8")
ORIGIN = re.compile(r"\b(chosen|measured|simulated|the note|held by the tests)\b", re.IGNORECASE)


def test_every_constant_has_its_origin() -> None:
    silent = []
    for group in (node for node in ast.parse(SOURCE).body if isinstance(node, ast.ClassDef)):
        fields = [place for place, node in enumerate(group.body) if isinstance(node, ast.AnnAssign)]
        for place in fields:
            said = group.body[place + 1] if place + 1 < len(group.body) else None
            text = ast.unparse(said) if isinstance(said, ast.Expr) else ""
            if not ORIGIN.search(text):
                silent.append(f"{group.name}: {ast.unparse(group.body[place])}")
    assert silent == []


def test_the_notes_that_are_named_are_there() -> None:
    named = re.findall(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-[a-z-]+\.md", SOURCE)
    assert len(named) >= 3
    notes = Path(bench.__file__).parent / "notes"
    assert [name for name in named if not (notes / name).is_file()] == []
