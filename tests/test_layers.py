"""Who may import whom: deployments > flows > tasks > telltale_core, and the packages within. No circle anywhere.

Read from the source, so imports inside functions and for type checkers count, too: see :mod:`tests.support.imports`.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from telltale_core.stages import STAGES
from tests.support.imports import Graph, Source, circles

ROOT = Path(__file__).parent.parent
LAYERS = ("telltale_core", "tasks", "flows", "deployments")
CORE_MAY_IMPORT = {
    "numpy", "scipy", "sklearn", "threadpoolctl", "pyarrow", "torch", "torchvision", "fsspec", "PIL", "safetensors",
    "matplotlib", "jinja2", "markupsafe", "confusable_homoglyphs", "pydantic", "pydantic_core", "typing_extensions",
    "yaml",
}  # fmt: skip
BENCH = ROOT / "telltale_core" / "bench"  # stands above the rest of the core: nothing imports it
OPTIONAL = {"soundfile", "tokenizers", "deltalake", "transformers", "cleanlab", "datasets", "hdbscan", "umap", "ray"}
"""Libraries of extras, never imported at the top of a module."""
CORE = (
    ("bench",),
    ("stages",),
    ("report", "publish", "inbox"),
    ("detectors",),
    ("verdict",),
    ("spectrum",),
    ("proxy",),
    ("losslog",),
    ("drop", "attacks"),
    ("modality",),
    ("storage", "records", "display", "scale"),
)
"""Packages of the core, from the top down: each may import those below. Single modules lie on the ground."""
ONLY_STORAGE = {"s3fs", "botocore", "aiobotocore", "boto3", "aiohttp"}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Source(ROOT, LAYERS).graph()


def package_of(module: str) -> str:
    """Return the package of the core that a module is in; "" for single modules, and outside of the core."""
    parts = module.split(".")
    return (
        parts[1]
        if parts[0] == "telltale_core" and len(parts) > 1 and (ROOT / "telltale_core" / parts[1]).is_dir()
        else ""
    )


def edges(graph: Graph) -> Iterator[tuple[str, str]]:
    return ((importer, module) for importer, imported in sorted(graph.items()) for module in sorted(imported))


def modules_of(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


IMPORTERS = {"import_module", "__import__", "require"}
"""Functions that import what their first argument names; ``require`` is our own, for a library of an extra."""


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return the imports and the calls of a file: it is parsed once for all checks."""
    kinds = (ast.Import, ast.ImportFrom, ast.Call)
    return tuple(node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every package that a file imports, anywhere in it, by name as well, with its line."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            yield node.lineno, (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in IMPORTERS:
            match node.args:
                case [ast.Constant(value=str(module)), *_]:
                    yield node.lineno, module.split(".")[0]


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file names in an import, and every attribute that it takes from one, with its line."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def complaints(layer: str, allowed: set[str] | None, forbidden: set[str], root: Path = ROOT) -> list[str]:
    problems = []
    for path in sorted((root / layer).rglob("*.py")):
        for line, name in imports(path):
            outside = allowed is not None and name not in allowed and name not in sys.stdlib_module_names
            if outside or name in forbidden:
                problems.append(f"{path.relative_to(root)}:{line} imports {name}")
    return problems


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_nothing_from_the_layers_above_it(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    assert complaints(layer, None, above) == []


def test_no_modules_import_each_other(graph: Graph) -> None:
    assert circles(graph) == []


def test_a_package_of_the_core_imports_only_those_below_it(graph: Graph) -> None:
    height = {package: -place for place, row in enumerate(CORE) for package in row}
    wrong = [
        f"{importer} imports {module}"
        for importer, module in edges(graph)
        if importer.startswith("telltale_core.") and (below := package_of(module)) and below != package_of(importer)
        if height.get(package_of(importer), min(height.values())) <= height[below]
    ]
    assert wrong == []


def test_nothing_imports_the_bench_and_only_it_and_the_demo_import_attacks(graph: Graph) -> None:
    bench = {importer for importer, module in edges(graph) if package_of(module) == "bench" != package_of(importer)}
    attacks = {
        importer
        for importer, module in edges(graph)
        if package_of(module) == "attacks" and package_of(importer) not in {"attacks", "bench"}
    }
    assert (bench, attacks) == (set(), {"flows.demo"})


def test_every_package_that_a_stage_computes_with_counts_for_a_key(graph: Graph) -> None:
    counted = {package for stage in STAGES.values() for package in stage.packages}
    used = {package_of(module) for importer, module in edges(graph) if package_of(importer) in counted} - {""}
    no_part_of_results = {"detectors", "storage", "records", "scale"}  # detectors: their page is no stage's
    assert used - counted - no_part_of_results == set()


def test_one_kind_of_data_is_known_to_the_registry_alone(graph: Graph) -> None:
    kinds = [f"telltale_core.modality.{kind}" for kind in ("image", "audio", "text", "table")]
    strangers = [
        f"{importer} imports {module}"
        for importer, module in edges(graph)
        for kind in kinds
        if f"{module}.".startswith(f"{kind}.") and not f"{importer}.".startswith(f"{kind}.")
    ]
    assert strangers == [f"telltale_core.modality.registry imports {kind}" for kind in sorted(kinds)]


def test_a_circle_is_seen_through_functions_type_checking_and_packages(tmp_path: Path) -> None:
    sources = {
        "one/__init__.py": "from one.first import first\n",
        "one/first.py": "def first():\n    from two import second\n",
        "two/__init__.py": "from two.second import second\n",
        "two/second.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from one.third import third\n",
        "one/third.py": "import sys\n",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert circles(Source(tmp_path, ("one", "two")).graph()) == [["one", "one.first", "two", "two.second"]]


def outside_of_the_core(root: Path = ROOT) -> list[str]:
    allowed = CORE_MAY_IMPORT | OPTIONAL | ONLY_STORAGE | {"telltale_core"}
    return complaints("telltale_core", allowed, {"prefect", "typer", *LAYERS[1:]}, root)


def test_the_core_imports_only_its_declared_libraries() -> None:
    assert outside_of_the_core() == []


@pytest.mark.parametrize("outside", ["flows", "tasks", "deployments", "typer", "prefect"])
@pytest.mark.parametrize("file", ["telltale_core/stages/one.py", "telltale_core/bench/command.py"])
def test_an_import_in_the_core_is_seen_in_functions_for_type_checkers_and_by_name(
    tmp_path: Path, file: str, outside: str
) -> None:
    module = tmp_path / file
    module.parent.mkdir(parents=True)
    module.write_text(
        f"from {outside}.one import two\n"
        f"if TYPE_CHECKING:\n    import {outside}\n"
        f"def lazy():\n    import {outside}.three\n"
        f"    importlib.import_module('{outside}.four')\n"
        f"    require('{outside}.five', 'bench')\n"
    )
    assert outside_of_the_core(tmp_path) == [f"{file}:{line} imports {outside}" for line in (1, 3, 5, 6, 7)]


def test_optional_libraries_are_imported_where_they_are_used() -> None:
    early = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules_of("telltale_core")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if (isinstance(node, ast.Import) and {alias.name.split(".")[0] for alias in node.names} & OPTIONAL)
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OPTIONAL)
    ]
    assert early == []


def test_only_the_storage_package_knows_s3() -> None:
    strangers = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for layer in LAYERS
        for path in modules_of(layer)
        for line, name in imports(path)
        if name in ONLY_STORAGE and not path.is_relative_to(ROOT / "telltale_core" / "storage")
    ]
    assert strangers == []


@pytest.mark.parametrize(
    ("measuring", "may_import"),
    [
        ("telltale_core.bench", ()),
        ("telltale_core.attacks", ("telltale_core/attacks/", "flows/demo.py")),
        ("telltale_core.verdict.scoring", ("flows/cli_run.py",)),
    ],
)
def test_nothing_of_the_product_imports_what_measures_it(measuring: str, may_import: tuple[str, ...]) -> None:
    importers = {
        path.relative_to(ROOT).as_posix()
        for layer in LAYERS
        for path in modules_of(layer)
        for _, name in names(path)
        if f"{name}.".startswith(f"{measuring}.") and not path.is_relative_to(BENCH)
    }
    assert [path for path in sorted(importers) if not path.startswith(may_import)] == []
    assert all(any(path.startswith(allowed) for path in importers) for allowed in may_import)


def test_the_check_sees_the_source_it_is_about() -> None:
    assert len(modules_of("telltale_core")) > 40
    assert ("prefect" in {name for path in modules_of("tasks") for _, name in imports(path)}) is True


@pytest.mark.slow
def test_what_passes_records_and_settings_loads_no_heavy_library() -> None:
    heavy = (
        "{'torch', 'torchvision', 'sklearn', 'scipy.stats', 'matplotlib', 'pandas', 's3fs', 'soundfile', 'tokenizers', "
        "'transformers'}"
    )
    for module in ("telltale_core.stages", "flows.cleanse", "flows.bridge", "flows.sweep", "flows.reconcile"):
        program = f"import sys, {module}\nprint(sorted({heavy} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=250, check=True)
        assert done.stdout == "[]\n", module
