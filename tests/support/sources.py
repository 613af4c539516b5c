"""The project's own sources, as syntax trees."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("meterline", "fields", "ingest", "rating", "engine")
GENERATED = ROOT / "meterline" / "v1"


@cache
def sources(package: str) -> tuple[tuple[Path, ast.Module], ...]:
    """Each file of a package that a person wrote."""
    return tuple(
        (path, _parsed(path))
        for path in sorted((ROOT / package).rglob("*.py"))
        if GENERATED not in path.parents
    )


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(tree: ast.Module) -> tuple[tuple[str, list[str]], ...]:
    """Each imported module with the names taken from it."""
    return tuple(_imports(tree))


def _imports(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield node.module or "", [alias.name for alias in node.names]


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
