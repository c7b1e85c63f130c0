"""Who imports whom, read from the source: imports inside functions and those for type checkers alone count, too.

``from package import name`` is an import of the module that defines the name, through the package's ``__init__`` that
passes it on. Whoever imports a module of another package runs that package's ``__init__``, so that it imports what
stands there as well; within a package its own ``__init__`` is under way already and does not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

Graph = Mapping[str, frozenset[str]]


def name_of(path: Path, root: Path) -> str:
    """Return the dotted name of a module, ``"a.b"`` for ``a/b/__init__.py``."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class Source:
    """The modules below some folders by name."""

    def __init__(self, root: Path, layers: tuple[str, ...]) -> None:
        files = {name_of(path, root): path for layer in layers for path in (root / layer).rglob("*.py")}
        self._packages = {name for name, path in files.items() if path.name == "__init__.py"}
        self._trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in files.items()}
        self._passed_on = {name: self._names_from(name) for name in self._packages}

    def graph(self) -> Graph:
        """Return the modules that each module imports."""
        return {name: frozenset(self._imported(name)) - {name} for name in self._trees}

    def _names_from(self, package: str) -> dict[str, tuple[str, str]]:
        statements = (node for node in ast.walk(self._trees[package]) if isinstance(node, ast.ImportFrom))
        return {
            alias.asname or alias.name: (node.module or "", alias.name) for node in statements for alias in node.names
        }

    def _imported(self, importer: str) -> Iterator[str]:
        by_name = _loads_by_name(self._trees[importer])
        for node in ast.walk(self._trees[importer]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._run(importer, alias.name)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield from self._run(importer, self._within(node.module or "", alias.name))
                    yield from self._run(importer, self._defining(node.module or "", alias.name))
            elif by_name and isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
                yield from self._run(importer, node.value)

    def _within(self, module: str, name: str) -> str:
        return f"{module}.{name}" if f"{module}.{name}" in self._trees else module

    def _defining(self, module: str, name: str) -> str:
        while self._within(module, name) == module and name in self._passed_on.get(module, ()):
            module, name = self._passed_on[module][name]
        return self._within(module, name)

    def _run(self, importer: str, module: str) -> Iterator[str]:
        """Yield a module of ours, and the packages around it that its import runs."""
        if module not in self._trees:
            return
        if module not in self._packages or not f"{importer}.".startswith(f"{module}."):
            yield module
        parts = module.split(".")
        for end in range(1, len(parts)):
            package = ".".join(parts[:end])
            if package in self._packages and not f"{importer}.".startswith(f"{package}."):
                yield package


def _loads_by_name(tree: ast.Module) -> bool:
    """Return whether a module loads others by ``importlib``, so that texts in it can be imports."""
    return any(isinstance(node, ast.Attribute) and node.attr == "import_module" for node in ast.walk(tree))


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of modules of which each imports every other, directly or through others (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    waiting: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        waiting.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
            if other in waiting:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            start = waiting.index(name)
            group = sorted(waiting[start:])
            del waiting[start:]
            if len(group) > 1:
                groups.append(group)

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return groups
