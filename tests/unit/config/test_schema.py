"""The JSON Schema: published as it is built, and agreeing with the parser on what it describes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from opsera_step import __version__
from opsera_step.config import BY_NAME
from opsera_step.config.file import ALIASES, ALLOWED, LIMITS, NEVER, parse_config
from opsera_step.config.schema import PATH, address, build
from opsera_step.config.yaml import read_yaml_data
from tests.support import ROOT

ID = "65a4f00dc0ffee0123456789"
SCHEMA = build(__version__)
CHECKOUT = jsonschema.Draft7Validator(SCHEMA)
TRUSTED = jsonschema.Draft7Validator(SCHEMA["definitions"]["trusted"])


def test_the_published_file_is_what_is_built():
    """The file is at the path in its ID; `python3 dev.py schema` writes it."""
    published = json.loads((ROOT / PATH).read_text("utf-8"))
    assert published == SCHEMA, "rewrite it with: python3 dev.py schema"
    assert published["$id"] == address(__version__)
    assert f"$schema={address(__version__)}\n" in (ROOT / "README.md").read_text("utf-8")


def test_it_is_a_schema():
    """The tool that editors and CI use for schemas takes it for one."""
    program = Path(sys.executable).parent / "check-jsonschema"
    done = subprocess.run(
        [program, "--check-metaschema", PATH], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_it_follows_the_table():
    """Names, descriptions, and values match the table; a checkout may set only some."""
    for schema, names in (
        (SCHEMA, {*ALLOWED, *ALIASES}),
        (SCHEMA["definitions"]["trusted"], {*BY_NAME, *ALIASES, *LIMITS} - set(NEVER)),
    ):
        properties = schema["properties"]
        assert set(properties) == names
        for name in names & set(BY_NAME):
            assert properties[name]["description"] == BY_NAME[name].meaning
            assert properties[name].get("default", "") == BY_NAME[name].default
            if BY_NAME[name].words:
                assert properties[name]["enum"] == list(BY_NAME[name].words)


VALID = [
    "", "{}", "timeout: 90", "timeout: 2h30m", "on_busy: attach", "log_limit: 500",
    "log_limit: 3.5MiB", "poll_interval: 0.5", "poll_interval: auto", "x-a: [anything]",
    f"pipelines: {{shop: {ID}}}", "tools: {a: Jenkins, b: {tool: 7, timeout: 5m}}",
    "pipelines: {a: Deploy shop, b: {pipeline: x, timeout: 1h, on_paused: wait}}",
    "x-a: &a {timeout: 3h}\npipelines: {b: {<<: *a, pipeline: x}}",
]  # fmt: skip
INVALID = [
    "[]", "shop", "on_busy: maybe", "color: red", "pipelines: [a]",
    "pipelines: {a: {timeout: 1h}}",
    "pipelines: {a: {pipeline: x, color: red}}", "tools: {a: {tool: x, on_paused: wait}}",
    "timeout: [1h]", "token: x", "config: x", "pipelines: {a: {pipeline: x, token: x}}",
]  # fmt: skip
TRUSTED_ONLY = [
    "base_url: https://acme.opsera.io", "command: watch", "wait: false", "run_count: 7",
    "report_dir: out", "verbose: true", "pipeline: shop",
    "pipelines: {a: {pipeline: x, base_url: 'https://x.example'}}",
    "tools: {a: {tool: x, ca_bundle: ca.pem}}",
]  # fmt: skip


@pytest.mark.parametrize(("is_trusted", "validator"), [(False, CHECKOUT), (True, TRUSTED)])
def test_schema_and_parser_agree(is_trusted, validator):
    """An editor marks what the parser refuses, in a checkout and in a trusted file."""
    for text in (*VALID, *INVALID, *TRUSTED_ONLY):
        file = parse_config(text, "x.yml", is_trusted=is_trusted)
        expected = text in VALID or (is_trusted and text in TRUSTED_ONLY)
        assert (not file.problems) is expected, file.problems
        assert validator.is_valid(read_yaml_data(text)) is expected, text
