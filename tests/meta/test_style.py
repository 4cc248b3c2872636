"""House rules that no linter knows: docstrings, lengths, no loose ends, one version."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from opsera_step import __version__
from tests.meta.source import ROOT, modules, tree

LONGEST_FUNCTION = 50
LONGEST_MODULE = 400


def functions(module: str) -> Iterator[ast.FunctionDef]:
    return (one for one in ast.walk(tree(module)) if isinstance(one, ast.FunctionDef))


def public(node: ast.AST) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    """Yield what can be reached from outside: not what is private or inside of a function."""
    named = (one for one in node.body if isinstance(one, (ast.ClassDef, ast.FunctionDef)))
    for one in named:
        if re.fullmatch(r"[^_].*|__\w+__", one.name):
            yield one
            yield from public(one) if isinstance(one, ast.ClassDef) else ()


@pytest.mark.parametrize("module", modules())
def test_everything_public_has_a_docstring(module):
    """Each module, and each public class and function in it, says what it is for."""
    assert ast.get_docstring(tree(module))
    assert [one.name for one in public(tree(module)) if not ast.get_docstring(one)] == []


@pytest.mark.parametrize("module", modules())
def test_nothing_is_too_long(module):
    """No function is longer than a screen, and no module longer than a sitting."""
    long = [one.name for one in functions(module) if _length(one) > LONGEST_FUNCTION]
    assert long == []
    assert len(modules()[module].read_text("utf-8").splitlines()) <= LONGEST_MODULE


def test_functions_are_short():
    """Half of all functions are at most 8 lines, nine of ten at most 25."""
    lengths = sorted(_length(one) for module in modules() for one in functions(module))
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[len(lengths) * 9 // 10] <= 25


def test_no_loose_ends():
    """Nothing is left to be done in the code."""
    marks = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
    found = [
        f"{module}:{number}"
        for module, path in modules().items()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert found == []


def test_the_changelog_is_of_this_version():
    """The newest version in the changelog is the package's."""
    path = ROOT / "CHANGELOG.md"
    assert path.exists(), "there is no CHANGELOG.md"
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+[^\]\s]*)", path.read_text("utf-8"), re.MULTILINE)
    assert versions, "CHANGELOG.md has no heading like `## [1.2.3]`"
    assert versions[0] == __version__


def _length(function: ast.FunctionDef) -> int:
    """Count a function's lines without its docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    told = function.body[0]
    if ast.get_docstring(function):
        lines -= (told.end_lineno or 0) - told.lineno + 1
    return lines
