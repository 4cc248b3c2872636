"""House rules that no linter knows: no loose ends, one version."""

from __future__ import annotations

import re

from opsera_step import __version__
from tests.meta.source import ROOT, modules


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
