"""The package as source text: its modules, and who imports whom, late imports included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "opsera_step"


@lru_cache
def modules() -> dict[str, Path]:
    """Return the files of the package by module name; recordings are material, not modules."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        if "recordings" not in path.parts:
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


@lru_cache
def tree(module: str) -> ast.Module:
    """Parse a module."""
    return ast.parse(modules()[module].read_text("utf-8"))


def imports(module: str) -> set[str]:
    """Return what a module imports, wherever in it: modules of the package, or names of others."""
    return {name for node in ast.walk(tree(module)) for name in _imported(module, node)}


def inner(module: str) -> set[str]:
    """Return the modules of the package that a module imports."""
    return {name for name in imports(module) if name.split(".")[0] == PACKAGE}


def below(prefix: str) -> set[str]:
    """Return a module or a package, and all that is in it."""
    full = f"{PACKAGE}.{prefix}"
    return {name for name in modules() if name == full or name.startswith(f"{full}.")}


def _imported(module: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute(module, node)
        for alias in node.names:
            whole = f"{base}.{alias.name}"
            yield whole if whole in modules() else base


def _absolute(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    is_package = modules()[module].name == "__init__.py"
    parts = module.split(".")
    parts = parts[: len(parts) - node.level + is_package]
    return ".".join([*parts, *(node.module or "").split(".")]).rstrip(".")
