"""One interface in many places: the table in the code, action.yml, GitLab, CLI, README.

`INPUTS`, `OUTPUTS`, `EXIT_CODES` and `STATUSES` are what users rely on, written down once more as
plain data: a change of the code alone can't change them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from opsera_step.api import ENDPOINTS, State
from opsera_step.cli import group
from opsera_step.config import COMMANDS, TABLE, Input, from_environment
from opsera_step.errors import ExitCode
from opsera_step.outcome import EXIT_CODE_OF_STATE, Outcome
from opsera_step.outcome import OUTPUTS as TOLD_OUTPUTS
from tests.support import ROOT, component

INPUTS = {
    "command": "run",
    "token": "",
    "token_file": "",
    "pipeline": "",
    "run_count": "",
    "branch": "",
    "parameters": "",
    "base_url": "https://app.opsera.io",
    "portal_url": "",
    "wait": "true",
    "timeout": "1h",
    "on_timeout": "auto",
    "on_cancel": "auto",
    "on_paused": "fail",
    "on_busy": "queue",
    "reset": "never",
    "logs": "console",
    "log_limit": "auto",
    "timestamps": "false",
    "poll_interval": "auto",
    "verbose": "auto",
    "output_file": "",
    "report_dir": "",
    "ca_bundle": "",
    "config": "",
}
OUTPUTS = (
    "runCount", "status", "message", "pipelineId", "pipelineName", "url", "duration",
    "startedAt", "finishedAt", "failedStep", "logLines", "logComplete", "result",
)  # fmt: skip
EXIT_CODES = {
    "SUCCESS": 0,
    "FAILED": 1,
    "INVALID_INPUT": 2,
    "API": 3,
    "AUTH": 4,
    "PAUSED": 8,
    "INTERNAL": 70,
    "TIMEOUT": 124,
    "SIGHUP": 129,
    "SIGINT": 130,
    "SIGTERM": 143,
}
STATUSES = [
    "success", "failed", "stopped", "paused", "running", "timeout", "cancelled", "error",
]  # fmt: skip
CHOICES = {
    "on_timeout": "auto stop leave",
    "on_cancel": "auto stop leave",
    "on_paused": "fail wait",
    "on_busy": "queue attach fail",
    "reset": "never auto always",
    "logs": "console all none",
}

NOT_IN_A_JOB = {"demo", "simulator", "completion", "init"}
"""The commands for a person at a terminal; the input `command` does not take them."""
COMMAND_OF_CALL = {
    "pipeline/run": "run",
    "pipeline/status": "status",
    "pipeline/reset": "reset",
    "pipeline/stop": "stop",
    "pipeline/summary": "summary",
    "pipeline/logs": "logs",
    "pipeline/pipelines": "pipelines",
    "registry/tools": "tool list",
    "registry/summary": "tool show",
    "registry/update": "tool update",
    "logs/user/actions": "audit actions",
    "logs/user/tokens": "audit tokens",
    "tasks": "task list",
    "tasks/summary": "task show",
    "tasks/status": "task status",
    "logs/task": "task logs",
}

NOT_IN_GITLAB = {
    "token": "GitLab shows inputs in the pipeline's configuration; it is a masked variable",
    "output_file": "the dotenv report and the clean-up have to find it under its fixed name",
}
"""The inputs that the component does not have, and why."""

COMPONENT = component.TEMPLATE.read_text("utf-8")


def read(name: str) -> str:
    path = ROOT / name
    assert path.exists(), f"there is no {name}"
    return path.read_text("utf-8")


def test_the_table_is_the_interface():
    """Names and defaults of the inputs are the fixed ones, in their order."""
    assert {one.name: one.default for one in TABLE} == INPUTS
    assert [one.name for one in TABLE] == list(INPUTS)


@pytest.mark.parametrize("name", CHOICES)
def test_choices_are_the_fixed_values(name):
    """An input with fixed values accepts these, in any case, and no others."""
    parse = next(one.parse for one in TABLE if one.name == name)
    assert [parse(word.upper()) for word in CHOICES[name].split()] == CHOICES[name].split()
    with pytest.raises(ValueError):  # noqa: PT011 - the caller writes the message
        parse("maybe")


@pytest.mark.parametrize("name", INPUTS)
def test_each_input_has_its_variables(name):
    """Each input is read from INPUT_… (GitHub), else from OPSERA_…."""
    variables = [f"INPUT_{name.upper()}", f"OPSERA_{name.upper()}"]
    both = from_environment({variables[0]: "a", variables[1]: "b"})
    assert [both[name].value, both[name].source] == ["a", variables[0]]
    assert from_environment({variables[0]: " ", variables[1]: "b"})[name].value == "b"


def test_outputs_are_the_fixed_ones():
    """An outcome writes exactly these outputs, whatever it is."""
    assert tuple(TOLD_OUTPUTS) == OUTPUTS
    assert set(Outcome("error", 70).outputs()) == set(OUTPUTS)


def test_exit_codes_are_the_fixed_ones():
    """Exit codes and their meanings are the fixed ones."""
    assert {code.name: int(code) for code in ExitCode} == EXIT_CODES
    assert {state.value: int(code) for state, code in EXIT_CODE_OF_STATE.items()} == {
        "success": 0, "failed": 1, "stopped": 1, "paused": 8,
    }  # fmt: skip


def test_statuses_are_the_fixed_ones():
    """The description of `status` lists its values, and each API state is one of them."""
    shown = re.search(r": (.*)\.", TOLD_OUTPUTS["status"])
    assert shown and re.split(r", | or ", shown[1]) == STATUSES
    assert {state.value for state in State} - {"unknown"} <= set(STATUSES)


class TestAction:
    """action.yml, as GitHub reads it."""

    @pytest.fixture
    def action(self):
        return yaml.safe_load(read("action.yml"))

    def test_inputs_are_those_of_the_table(self, action):
        """Names, their order, and what they mean are the table's."""
        assert list(action["inputs"]) == list(INPUTS)
        for one in TABLE:
            assert described(action["inputs"][one.name]) == description(one)

    def test_it_sets_no_defaults(self, action):
        """A default here would go before OPSERA_ variables and the config file."""
        given = {name for name, one in action["inputs"].items() if one.get("default")}
        assert given == set()
        assert not [name for name, one in action["inputs"].items() if one.get("required")]

    def test_outputs_are_described(self, action):
        """Each output has the same description as in the code."""
        shown = {
            name: " ".join(one["description"].split()) for name, one in action["outputs"].items()
        }
        assert shown == TOLD_OUTPUTS

    def test_the_container_gets_every_input(self, action):
        """GitHub sets INPUT_ variables by itself; arguments would start the CLI instead."""
        runs = action["runs"]
        assert runs["using"] == "docker"
        assert not {"args", "env", "entrypoint"} & set(runs)
        assert (runs["post-if"], bool(runs["post-entrypoint"])) == ("always()", True)


class TestGitLab:
    """The component, as GitLab reads it."""

    def test_every_input_is_there(self):
        """It has every input with the same description, except those that can't work there."""
        inputs = component.declared()
        assert set(INPUTS) - set(inputs) == set(NOT_IN_GITLAB)
        for one in TABLE:
            if one.name in inputs:
                assert described(inputs[one.name]) == description(one)

    def test_every_input_is_passed(self):
        """Each input reaches the program as its OPSERA_ variable."""
        passed = re.findall(r"^ +([A-Z_]+)=\$\[\[ inputs\.(\w+) \]\]$", COMPONENT, re.MULTILINE)
        assert [name for _, name in passed] == [one for one in INPUTS if one not in NOT_IN_GITLAB]
        assert all(variable == name.upper() for variable, name in passed)

    def test_it_sets_no_other_defaults(self):
        """A default that differs from the table's would be a second interface."""
        inputs = component.declared()
        for name in set(INPUTS) - set(NOT_IN_GITLAB) - {"report_dir"}:
            if "default" in inputs[name]:
                assert str(inputs[name]["default"]).lower() in {"", INPUTS[name]}
        # What GitLab keeps as artifacts has to have a place.
        assert inputs["report_dir"]["default"] == "opsera-report"

    def test_each_input_is_checked(self):
        """GitLab inserts inputs as text: each has a type, options, or a regular expression."""
        for name, one in component.declared().items():
            assert one.get("type") == "boolean" or {"options", "regex"} & set(one), name
            assert "regex" not in one or (one["regex"][0], one["regex"][-1]) == ("^", "$")

    def test_choices_are_the_same(self):
        """Where GitLab checks the values of an input, they are those that the code accepts."""
        inputs = component.declared()
        for name, words in CHOICES.items():
            assert inputs[name]["options"] == ["", *words.split()]


def test_jenkins_library_passes_every_input():
    """The token is a credential there."""
    source = read("jenkins/vars/opseraRun.groovy").partition("List inputNames() {")[2]
    names = re.findall(r"'(\w+)'", source.partition("}")[0])
    assert names == [name for name in INPUTS if name != "token"]


class TestCommandLine:
    """The options of the commands."""

    def options(self, command: str) -> set[str]:
        return {parameter.name for parameter in group.commands[command].params}

    def test_every_command_of_the_inputs_is_there(self):
        """Each value of the input `command` is a command of the same name."""
        assert set(COMMANDS) <= set(group.commands)

    def test_every_input_is_an_option_somewhere(self):
        """Each input is an option of a command, but the command itself and the token."""
        offered = set().union(*(self.options(name) for name in COMMANDS))
        assert set(INPUTS) - offered == {"command", "token"}

    def test_a_job_can_run_every_noninteractive_command(self):
        """The input `command` takes what the command line has, but these."""
        valid = next(one.valid for one in TABLE if one.name == "command")
        accepted = set(re.findall("[a-z]+", valid.partition(", with")[0]))
        assert set(group.commands) - accepted <= NOT_IN_A_JOB
        assert accepted - {"or"} <= set(group.commands)

    def test_the_token_is_never_an_option(self):
        """Command lines can be read by every process on the machine."""
        for _, command in every_command():
            assert not [one for one in command.params if "--token" in one.opts]

    def test_every_call_of_the_api_has_its_command(self):
        """Each of the sixteen calls can be made from the command line."""
        found = {words for words, _ in every_command()}
        assert len(ENDPOINTS) == len(COMMAND_OF_CALL) == 16
        assert set(COMMAND_OF_CALL) == {call.path.removeprefix("/api/v1/") for call in ENDPOINTS}
        assert set(COMMAND_OF_CALL.values()) <= found


class TestReadme:
    """The tables in README.md."""

    @pytest.fixture
    def tables(self):
        return list(_tables(read("README.md")))

    def table(self, tables: list[list[list[str]]], row: str) -> list[list[str]]:
        found = [one for one in tables if row in [cells[0] for cells in one]]
        assert found, f"README.md has no table with a row for {row}"
        return found[0]

    def test_inputs(self, tables):
        """Every input is there, with its default and the same description."""
        rows = self.table(tables, "on_paused")
        assert [cells for cells in rows if cells[0] in INPUTS] == [
            [one.name, one.documented_default or "–", one.meaning] for one in TABLE
        ]

    def test_outputs(self, tables):
        """Every output is there with the same description, and so are the values of `status`."""
        rows = self.table(tables, "runCount")
        assert [cells for cells in rows if cells[0] in OUTPUTS] == [
            [name, meaning] for name, meaning in TOLD_OUTPUTS.items()
        ]

    def test_exit_codes(self, tables):
        """Every exit code is there, and no other."""
        rows = self.table(tables, "124")
        shown = [int(number) for cells in rows for number in re.findall(r"\d+", cells[0])]
        assert shown == list(EXIT_CODES.values())


def described(declared: dict[str, object]) -> str:
    """Return the description of an input as one line."""
    return " ".join(str(declared["description"]).split())


def description(one: Input) -> str:
    """Return the common part of every description of an input."""
    default = one.documented_default
    return f"{one.meaning} Default: {default}." if default else one.meaning


def every_command(parent: click.Command = group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield the names of every command, and the command; groups too."""
    for name, one in getattr(parent, "commands", {}).items():
        yield " ".join((*path, name)), one
        yield from every_command(one, *path, name)


def _tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a Markdown text: rows of cells, without code marks."""
    tables: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            tables[-1].append([cell.strip().strip("`").strip() for cell in cells])
        elif tables[-1]:
            tables.append([])
    return tables


def test_no_path_is_forgotten():
    """The files that the other tests read are part of the project."""
    names = ("action.yml", "README.md", "gitlab/templates", "CHANGELOG.md", "LICENSE")
    assert [name for name in names if not Path(ROOT, name).exists()] == []
