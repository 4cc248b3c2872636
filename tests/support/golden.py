"""Golden files: whole logs and screens as users see them, for reviewers to read.

OPSERA_STEP_REWRITE_GOLDEN=1 rewrites them; look at the difference before you commit it.
"""

from __future__ import annotations

import os

from tests.support import ROOT

GOLDEN = ROOT / "tests/e2e/golden"
_REWRITE = os.environ.get("OPSERA_STEP_REWRITE_GOLDEN") == "1"


def assert_golden(name: str, text: str) -> None:
    """Compare a text with its golden file, or rewrite the file."""
    path = GOLDEN / name
    if _REWRITE:
        path.write_text(text, "utf-8")
    assert text.splitlines() == path.read_text("utf-8").splitlines()
