"""The config file's schema: published as it is built, and of one mind with the parser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from opsera_step import __version__
from opsera_step.config import BY_NAME
from opsera_step.config.file import ALIASES, NOT_IN_A_FILE, OF_A_TOOL, parse_config
from opsera_step.config.schema import PATH, address, build
from opsera_step.config.yaml_data import read_yaml_data
from tests.support import ROOT

ID = "65a4f00dc0ffee0123456789"
VALIDATOR = jsonschema.Draft7Validator(build(__version__))


def verdicts(text: str) -> tuple[bool, bool]:
    """What the parser and the schema think of a file."""
    faults: list[str] = []
    parse_config(text, ".opsera.yml", faults)
    return not faults, VALIDATOR.is_valid(read_yaml_data(text))


def test_the_published_file_is_what_is_built():
    """The file lies where its address says; `python3 dev.py schema` writes it anew."""
    published = json.loads((ROOT / PATH).read_text("utf-8"))
    assert published == build(__version__), "write it anew with: python3 dev.py schema"
    assert published["$id"] == address(__version__)
    assert f"$schema={address(__version__)}\n" in (ROOT / "README.md").read_text("utf-8")


def test_it_is_a_schema():
    """The tool that editors and CI use for schemas takes it for one."""
    program = Path(sys.executable).parent / "check-jsonschema"
    done = subprocess.run(
        [program, "--check-metaschema", PATH], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_every_input_is_in_it():
    """Names, meanings and words are the table's."""
    properties = build(__version__)["properties"]
    assert set(properties) == {*BY_NAME, *ALIASES} - set(NOT_IN_A_FILE)
    for name in set(properties) - set(ALIASES):
        assert properties[name]["description"].startswith(BY_NAME[name].meaning)
        words = list(BY_NAME[name].words)
        assert not words or properties[name]["anyOf"][0]["enum"] == words


GOOD = [
    "", "~", "{}", "# quiet", "pipelines:", "tools: {}", "timeout:", "timeout: 90",
    "timeout: 2h30m",
    "timeout: 0", "timeout: '1H 5M'", "wait: yes", "wait: true", "wait: 0", "wait: 'off'",
    "on_busy: Attach", "reset: never", "run_count: 7", "run_count: '007'", "poll_interval: auto",
    "poll_interval: 0.5", "poll_interval: 2m", "log_limit: 3.5MiB", "log_limit: 0",
    "log_limit: 500", "base_url: https://acme.opsera.io", "base_url: http://127.0.0.1:8080/x",
    "base_url: http://localhost:1", "base_url: 'http://[::1]:80'", "report_dir: 5",
    "pipeline: 012345670123456701234567", f"pipelines: {{shop: {ID}}}", "pipelines: {a: true}",
    "pipelines: {a: Deploy shop, b: {pipeline: x, timeout: 1h, on_paused: wait}}",
    "tools: {a: Jenkins, b: {tool: 7, timeout: 5m}}", "logs: ' all '", "output_file: null",
    "x-a: &a {timeout: 3h}\npipelines: {b: {<<: *a, pipeline: x}}", "x-: [anything]",
    "pipelines: {a: &a {pipeline: x}, b: {<<: [*a, {wait: no}], timeout: 3h}}",
    f"pipelines: {{{ID}0: x, {ID[1:]}: x}}", "tools: {größe 2: x}",
    "timeout: 90.0", "run_count: 3.0", "wait: 1.0", "log_limit: 1e6", "timeout: 1e3",
    "base_url: https://app.opsera.io:65535/x", "base_url: https://app.opsera.io:0443",
    "base_url: HTTPS://App.Opsera.IO", "base_url: https://app.opsera.io/my-api/v1",
    "base_url: http://127.255.0.1:1", "command: tool show 'Shop Jenkins'", "command: RUN",
    'command: tool update x --set "a=it\'s"', "command: logs --step a\\'b", "command: run ''",
    "poll_interval: 60m", "poll_interval: 1h", "poll_interval: '3600'", "poll_interval: 0.1",
    "poll_interval: '.25'", "log_limit: 0.5k", "log_limit: '1.5'",
]  # fmt: skip
BAD = [
    "[]", "words", "5", "token: x", "config: y", "tiemout: 1h", "timeout: soon", "timeout: -1",
    "timeout: 1.5", "timeout: [1h]", "timeout: 1h 5", "wait: perhaps", "wait: 2", "on_busy: never",
    "run_count: 0", "run_count: -1", "run_count: 1.5", "poll_interval: 0.01", "poll_interval: 9999",
    "poll_interval: often", "log_limit: much", "log_limit: -1", "base_url: https://evil.example",
    "base_url: http://acme.opsera.io", "base_url: https://opsera.io.evil.example",
    "base_url: https://me@opsera.io", "base_url: https://app.opsera.io/api/v1", "base_url: 5",
    "pipelines: x", "pipelines: [a]", "pipelines: {a: }", "pipelines: {a: [x]}",
    "pipelines: {a: {timeout: 1h}}", "pipelines: {a: {pipeline: ~}}", "pipelines: {a: {}}",
    "pipelines: {a: {pipeline: x, colour: red}}", "pipelines: {a: {pipeline: x, token: t}}",
    "pipelines: {a: {pipeline: x, timeout: soon}}", "pipelines: {a: ' '}", "tools: {a: {tool: ''}}",
    "tools: {a: {tool: x, on_paused: wait}}", "tools: {a: {pipeline: x}}", "tools: {a: null}",
    "report_dir: {a: b}", "x: 1", ".a: &a {timeout: 3h}", "defaults: {timeout: 3h}",
    f"pipelines: {{{ID}: x}}", f"pipelines: {{{ID.upper()}: x}}", f"tools: {{{ID}: x}}",
    "pipelines: {'': x}", "pipelines: {' ': x}", "tools: {'': x}", "pipelines: {'a ': x}",
    "pipelines: {'<<': x}", "pipelines: {a: {pipeline: x, x-b: 1}}",
    "pipelines: {a: &a {timeout: soon, pipeline: x}, b: {<<: *a}}",
    "timeout: 1_000", "timeout: '90.0'", "timeout: '1e3'", "timeout: '٣h'", "run_count: '3.0'",
    "base_url: https://app.opsera.io:99999", "base_url: https://app.opsera.io:65536",
    "base_url: https://app.opsera.io:0", "base_url: 'https://app.opsera.io:'",
    "base_url: https://-a.opsera.io", "base_url: http://127.0.0.256", "command: run 'x",
    'command: run "x', "command: run x\\", "command: runner", "command: deploy",
    "poll_interval: 2h", "poll_interval: 61m", "poll_interval: '3601'", "poll_interval: 4000s",
    "poll_interval: 0s", "poll_interval: '0.05'", "log_limit: '0.5'", "log_limit: 0.5b",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_good_files(text):
    """The parser and the schema take it."""
    assert verdicts(text) == (True, True)


@pytest.mark.parametrize("text", BAD)
def test_bad_files(text):
    """Neither the parser nor the schema takes it."""
    assert verdicts(text) == (False, False)


@pytest.fixture(scope="module")
def seen_by_editors(tmp_path_factory):
    """What the program that editors and CI use makes of each example, by its own YAML reader."""
    folder = tmp_path_factory.mktemp("examples")
    for number, text in enumerate(EXAMPLES):
        (folder / f"{number}.yml").write_text(text, "utf-8")
    done = subprocess.run(
        [Path(sys.executable).parent / "check-jsonschema", "--schemafile", ROOT / PATH,
         "--output-format", "json", *sorted(folder.iterdir())],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["parse_errors"] == []
    faulty = {int(Path(one["filename"]).stem) for one in told["errors"]}
    return [text for number, text in enumerate(EXAMPLES) if number not in faulty]


EXAMPLES = [text for text in GOOD + BAD if text.strip() and text != "timeout: 1_000"]
"""Without what that program takes for no file, and a number of YAML 1.1 only."""


def test_a_checker_of_files_agrees(seen_by_editors):
    """It takes the good examples and refuses the bad ones, as we do."""
    assert seen_by_editors == [text for text in EXAMPLES if text in GOOD]


VALUES = st.sampled_from([
    None, True, False, 0, 1, 7, 90, -3, 0.5, 2.5, "", " ", "~", "null", "auto", "AUTO", "stop",
    "Leave", "wait", "fail", "queue", "always", "console", "none", "yes", "OFF", "1h", "90s",
    "2h 30m", "5 MiB", "1.5kb", "soon", "x y", ID, "https://app.opsera.io", "http://127.0.0.1:1",
    "https://evil.example", "a/b.pem", [], ["1h"], {}, {"a": 1},
])  # fmt: skip
KEYS = st.sampled_from([*BY_NAME, "tiemout", "colour", "on-paused", "tool", "x-a"])
NAMES = st.sampled_from(["a", "a b", "x-a", "7", "", " ", "a ", ID])
LAYERS = st.dictionaries(KEYS, VALUES, max_size=3)
ENTRIES = VALUES | LAYERS | LAYERS.map(lambda one: {**one, "pipeline": "x"})
TOOLS = VALUES | st.dictionaries(st.sampled_from(["tool", *OF_A_TOOL, "logs"]), VALUES, max_size=3)
FILES = st.builds(
    lambda layer, pipelines, tools: {**layer, **pipelines, **tools},
    LAYERS,
    st.fixed_dictionaries(
        {}, optional={"pipelines": VALUES | st.dictionaries(NAMES, ENTRIES, max_size=2)}
    ),
    st.fixed_dictionaries(
        {}, optional={"tools": VALUES | st.dictionaries(NAMES, TOOLS, max_size=2)}
    ),
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(FILES)
def test_the_schema_and_the_parser_agree(content):
    """Whatever is put together of names and values, both say the same."""
    parsed, valid = verdicts(yaml.safe_dump(content))
    assert parsed == valid
