"""The documents point at what exists: files, headings, and tests."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from opsera_step.config import BY_NAME
from opsera_step.outcome import OUTPUTS
from opsera_step.platforms import ORIGIN
from tests.support import ROOT

DOCUMENTS = sorted(
    document
    for pattern in ("*.md", "docs/*.md", "gitlab/*.md", "jenkins/*.md")
    for document in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
BLOCK = re.compile(r"^ *```(yaml|json)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
TEST_FILE = re.compile(r"`(tests/[\w/]+\.py)`(?: \(([^)]*)\))?")


def slugs(document: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
def test_links_lead_somewhere(document):
    """Relative links lead to files of the project, and anchors to headings."""
    broken = []
    for path, anchor in LINK.findall(document.read_text("utf-8")):
        target = (document.parent / path) if path else document
        is_there = target.exists() and (not anchor or anchor in slugs(target))
        broken += [] if is_there else [f"{path}#{anchor}"]
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
def test_variables_are_those_of_inputs_and_outputs(document):
    """A misspelled variable in an example would have no effect."""
    known = {f"OPSERA_{name.upper()}" for name in BY_NAME}
    outputs = (re.sub("([A-Z])", r"_\1", name) for name in (*OUTPUTS, ORIGIN))
    known |= {f"OPSERA_{name.upper()}" for name in outputs}
    known |= {"OPSERA_IMAGE", "OPSERA_SINGLE_FILE"}  # Of the Jenkins library.
    assert set(re.findall(r"OPSERA_[A-Z_]+[A-Z]", document.read_text("utf-8"))) <= known


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: one.name)
def test_examples_can_be_read(document):
    """YAML and JSON in the documents is well-formed."""
    for kind, text in BLOCK.findall(document.read_text("utf-8")):
        block = textwrap.dedent(text)
        assert list(yaml.safe_load_all(block)) if kind == "yaml" else json.loads(block)


@pytest.mark.parametrize("name", ["docs/guarantees.md", "SECURITY.md"])
def test_the_tests_that_are_named_exist(name):
    """Each test file is there, and has the tests that are named behind it."""
    found = TEST_FILE.findall((ROOT / name).read_text("utf-8"))
    assert found
    missing = []
    for path, tests in found:
        source = (ROOT / path).read_text("utf-8") if (ROOT / path).exists() else ""
        names = re.findall(r"`(test_\w+)`", tests)
        missing += [f"{path}: {one}" for one in names if f"def {one}(" not in source]
        missing += [] if source else [path]
    assert missing == []


def test_the_values_on_gitlab_can_be_decoded_as_documented():
    """The command in the component's README returns the text that was encoded."""
    command = re.search(r"in Bash: `(.+?)`", (ROOT / "gitlab/README.md").read_text("utf-8"))
    text = 'Step “Unit tests”: 100% of $HOME, \\x41 and a "quote"'
    environ = {"OPSERA_MESSAGE": quote(text, safe="")}
    done = subprocess.run(
        ["bash", "-c", command[1]], env=environ, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout == text + "\n"
