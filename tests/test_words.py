"""Documents stay readable: short sentences, the field's words, a short front page, links that lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(page for folder in ("telltale_core", "deployments", "infra", "tests") for page in (ROOT / folder).rglob("*.md")),
]
READ_FIRST = [page for page in PAGES if page.parent.name != "notes"]
MOST_WORDS = 25
MOST_CHARACTERS = 400
SHAPE_LETTERS = re.compile(r"_([a-z]?[A-Z][A-Z0-9]*|[nk])$")
PRIVATE = re.compile(
    r"second look|unlike in scatter|held at (the loss of )?a guess|\(by scatter\)|\bwalk(s|ed)?\b|\broom a stage\b",
    re.I,
)


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a page's prose: no code, tables, headings or pictures; a colon ends one, too."""
    blocks, block = [], ""
    for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines():
        stripped = line.strip()
        begins = re.match(r"([-*]|\d+\.)\s+", stripped)
        if not stripped or begins or stripped.startswith(("#", "|", "![", "<")):
            blocks.append(block)
            block = ""
        if stripped and not stripped.startswith(("#", "|", "![", "<")):
            block += " " + (stripped[begins.end() :] if begins else stripped)
    for prose in [*blocks, block]:
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "Code", prose)).replace("*", "")
        yield from (part.strip() for part in re.split(r"(?<=[.!?])\s+(?=[A-Z(])|(?<=[:;])\s", plain) if part.strip())


@pytest.mark.parametrize("page", READ_FIRST, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_sentence_is_understood_at_the_first_reading(page: Path) -> None:
    long = [one for one in sentences(page.read_text(encoding="utf-8")) if len(one.split()) > MOST_WORDS]
    assert not long


def test_long_sentences_are_seen() -> None:
    words = " ".join(["word"] * 26)
    assert (
        list(sentences(f"# Title\nShort one. {words.capitalize()}.\n\n```\n{words}\n```\n| {words} |\n"))[1].count(" ")
        == 25
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_line_of_a_page_is_no_block(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > MOST_CHARACTERS] == []


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_speaks_the_words_of_the_field(page: Path) -> None:
    assert not PRIVATE.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            assert anchor in {
                slug(line) for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")
            }, target


def public_fields(source: str) -> Iterator[str]:
    """Yield each public field and property of a module's public classes, as ``Class.name``; constants are none."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for part in node.body:
                name = part.name if isinstance(part, ast.FunctionDef) and part.decorator_list else ""
                if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                    name = part.target.id
                if name and not name.startswith("_") and not name.isupper():
                    yield f"{node.name}.{name}"


@pytest.mark.parametrize("folder", ["telltale_core", "tasks", "flows", "deployments"])
def test_a_public_field_carries_no_shape_letters(folder: str) -> None:
    sources = [module.read_text(encoding="utf-8") for module in (ROOT / folder).rglob("*.py")]
    fields = [field for source in sources for field in public_fields(source)]
    assert fields
    assert not [field for field in fields if SHAPE_LETTERS.search(field)]


def letters(source: str) -> Iterator[str]:
    """Yield the shape letters of a module's variables and parameters."""
    for node in ast.walk(ast.parse(source)):
        name = node.id if isinstance(node, ast.Name) else node.arg if isinstance(node, ast.arg) else ""
        if not name.isupper() and (ending := re.search(r"_([a-z]?[A-Z][A-Z0-9]*)$", name)):
            yield from (letter.upper() for letter in ending[1] if letter.isalpha())


@pytest.mark.parametrize("folder", ["telltale_core", "tasks", "flows", "deployments"])
def test_one_legend_has_every_shape_letter(folder: str) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    legend = re.findall(
        r"\b([A-Z]) [a-z]+", page[page.index("A letter has one meaning") : page.index("A small letter is")]
    )
    assert len(set(legend)) == len(legend) > 15
    for module in (ROOT / folder).rglob("*.py"):
        source = module.read_text(encoding="utf-8")
        assert not set(letters(source)) - set(legend), module
        assert not re.search(r"\b(Legend|Shape letters): [A-Z] ", source), f"{module}: the legend is in CONTRIBUTING.md"


def test_shape_letters_are_seen() -> None:
    source = (
        "class Log:\n    loss_NT: int\n    point_nD: int\n    loss: int\n    @property\n    def step_T(self): ...\n"
    )
    assert [field for field in public_fields(source) if SHAPE_LETTERS.search(field)] == [
        "Log.loss_NT",
        "Log.point_nD",
        "Log.step_T",
    ]


PARTICIPLES = {"told", "made", "found", "given", "seen"}
PUBLISHED = {("telltale_core/drop/manifest.py", "seen"), ("flows/checks.py", "found"), ("tasks/artifacts.py", "found")}
"""Fields of records that others read: a drop's manifest, and the table of ``telltale doctor``."""


def stored_names(source: str) -> Iterator[str]:
    """Yield the names that a module gives to its variables, parameters, fields and functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef):
            yield node.name


@pytest.mark.parametrize("folder", ["telltale_core", "tasks", "flows", "deployments", "infra", "tests"])
def test_names_are_nouns(folder: str) -> None:
    named = {
        (module.relative_to(ROOT).as_posix(), name)
        for module in (ROOT / folder).rglob("*.py")
        for name in stored_names(module.read_text(encoding="utf-8"))
        if name.lstrip("_") in PARTICIPLES
    }
    assert named <= PUBLISHED


def slug(heading: str) -> str:
    """Return the anchor of a Markdown heading."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")
