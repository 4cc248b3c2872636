"""Rules for the tests themselves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.support import ROOT

_IMPORTS_A_TEST = re.compile(r"^\s*(?:from|import) [\w.]*\btest_\w+", re.MULTILINE)


def test_no_test_module_imports_another_one():
    """What tests share is in tests/support."""
    modules = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")}
    found = [str(path) for path, source in modules.items() if _IMPORTS_A_TEST.search(source)]
    assert "from tests.support import ROOT" in modules[ROOT / "tests/meta/test_tests.py"]
    assert found == []


def test_tests_import_what_a_package_exports():
    """Only tests/unit/PACKAGE imports modules of PACKAGE; tests/fuzz attacks parsers directly."""
    found = [
        f"{path.relative_to(ROOT)}: {module} {name}"
        for path in (ROOT / "tests").rglob("*.py")
        if not path.is_relative_to(ROOT / "tests/fuzz")
        for module, name in _imports(path)
        if not _is_exported(module, name)
        and not path.is_relative_to(ROOT / "tests/unit" / module.split(".")[1])
    ]
    assert found == []


def _imports(path: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("opsera_step."):
            yield from ((str(node.module), one.name) for one in node.names)


def _is_exported(module: str, name: str) -> bool:
    package = ".".join(module.split(".")[:2])
    names = getattr(import_module(package), "__all__", None)
    return names is None or (module == package and name in names)
