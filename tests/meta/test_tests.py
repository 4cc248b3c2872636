"""Rules for the tests themselves."""

from __future__ import annotations

import re

from tests.support import ROOT

_IMPORTS_A_TEST = re.compile(r"^\s*(?:from|import) [\w.]*\btest_\w+", re.MULTILINE)


def test_no_test_module_imports_another_one():
    """What tests share is in tests/support."""
    modules = {path: path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")}
    found = [str(path) for path, source in modules.items() if _IMPORTS_A_TEST.search(source)]
    assert "from tests.support import ROOT" in modules[ROOT / "tests/meta/test_tests.py"]
    assert found == []
