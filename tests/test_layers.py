"""Who may import whom: deployments > flows > tasks > telltale_core. Read from the source, so lazy imports count too."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("telltale_core", "tasks", "flows", "deployments")
CORE_MAY_IMPORT = {
    "numpy", "scipy", "sklearn", "threadpoolctl", "pyarrow", "torch", "torchvision", "fsspec", "PIL", "safetensors",
    "matplotlib", "jinja2", "markupsafe", "confusable_homoglyphs",
}  # fmt: skip
BENCH = ROOT / "telltale_core" / "bench"  # stands above everything: nothing imports it, it may import the flows
OPTIONAL = {"soundfile", "tokenizers", "transformers"}  # extras of one modality, never imported at the top of a module
ONLY_STORAGE = {"s3fs", "botocore", "aiobotocore", "boto3", "aiohttp"}


def modules_of(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            yield node.lineno, (node.module or "").split(".")[0]


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file names in an import, and every attribute that it takes from one, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def complaints(layer: str, allowed: set[str] | None, forbidden: set[str]) -> list[str]:
    found = []
    for path in modules_of(layer):
        if path.is_relative_to(BENCH):
            continue
        for line, name in imports(path):
            outside = allowed is not None and name not in allowed and name not in sys.stdlib_module_names
            if outside or name in forbidden:
                found.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    return found


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_nothing_from_the_layers_above_it(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    assert complaints(layer, None, above) == []


def test_the_core_imports_only_its_declared_libraries() -> None:
    assert (
        complaints("telltale_core", CORE_MAY_IMPORT | OPTIONAL | ONLY_STORAGE | {"telltale_core"}, {"prefect", "typer"})
        == []
    )


def test_optional_libraries_are_imported_where_they_are_used() -> None:
    early = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules_of("telltale_core")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if (isinstance(node, ast.Import) and {alias.name.split(".")[0] for alias in node.names} & OPTIONAL)
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OPTIONAL)
    ]
    assert early == []


def test_only_the_storage_room_knows_s3() -> None:
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
        ("telltale_core.scoring", ("flows/cli_run.py",)),
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


def test_only_the_commands_of_the_bench_know_the_command_line() -> None:
    outside = CORE_MAY_IMPORT | OPTIONAL | {"telltale_core"} | sys.stdlib_module_names
    strangers = {
        (path.relative_to(BENCH).as_posix(), name)
        for path in BENCH.rglob("*.py")
        for _, name in imports(path)
        if name not in outside
    }
    assert strangers == {(file, name) for file in ("command.py", "detectors/command.py") for name in ("flows", "typer")}


def test_the_check_sees_the_source_it_is_about() -> None:
    assert len(modules_of("telltale_core")) > 40
    assert ("prefect" in {name for path in modules_of("tasks") for _, name in imports(path)}) is True


@pytest.mark.slow
def test_what_passes_records_and_settings_loads_no_heavy_library() -> None:
    heavy = "{'torch', 'torchvision', 'sklearn', 'matplotlib', 'pandas', 's3fs'}"
    for module in ("telltale_core.stages", "flows.cleanse", "flows.bridge", "flows.sweep", "flows.reconcile"):
        told = f"import sys, {module}\nprint(sorted({heavy} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=250, check=True)
        assert done.stdout == "[]\n", module
