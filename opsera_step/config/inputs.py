"""The table of inputs, the only source of their names, defaults and meanings; and its parser.

action.yml, the GitLab component, the command line and the README's table follow from `TABLE`. Pure:
reads no environment and no file.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opsera_step.api.fields import is_object_id
from opsera_step.api.token import contains_token
from opsera_step.config.parsers import (
    Parser,
    choice,
    parse_base_url,
    parse_bool,
    parse_count,
    parse_duration,
    parse_log_limit,
    parse_path,
    parse_pipeline,
    parse_poll_interval,
    parse_token,
)
from opsera_step.errors import InvalidInput
from opsera_step.text import nearest

PIPELINE_COMMANDS = ("run", "watch", "status", "logs", "stop", "reset")
"""The commands about one pipeline, in the order in which they are told."""
COMMANDS = (*PIPELINE_COMMANDS, "cleanup")
"""The commands that are one word, and that a job carries out by itself."""
WIDER_COMMANDS = (
    "approve", "reject", "open", "pipeline", "tool", "task", "audit", "api", "doctor",
    "summary", "pipelines",
)  # fmt: skip
"""How the other commands of the command line begin that a job can be asked for."""
_NEEDS_PIPELINE = (*PIPELINE_COMMANDS, "approve", "reject", "open", "summary")


class Input(NamedTuple):
    """One input: its name, its default as the user would write it, and what it means."""

    name: str
    default: str
    takes: str
    """What it accepts, for a person: ends the sentence "it takes …"."""
    meaning: str
    parse: Parser
    option: bool = True
    """Whether it is an option of the command line; the token never is."""
    words: tuple[str, ...] = ()
    """The words that it takes, where it takes nothing else."""


class Setting(NamedTuple):
    """A value as it was configured, and where: `--timeout`, `INPUT_TIMEOUT`, a file's name."""

    value: str
    source: str


class Parameter(NamedTuple):
    """A runtime parameter of a run; `step` is None while `name` is `STEP.NAME`, not yet split."""

    step: str | None
    name: str
    value: str


@dataclass(frozen=True)
class Inputs:
    """All inputs, checked and typed; durations in seconds, sizes in bytes, None for no limit."""

    command: str
    token: str = field(repr=False)
    token_file: str
    pipeline: str
    run_count: int | None
    base_url: str
    wait: bool
    timeout: float | None
    on_timeout: str
    on_cancel: str
    on_paused: str
    on_busy: str
    reset: str
    logs: str
    log_limit: int | None
    poll_interval: float | None
    output_file: str
    report_dir: str
    ca_bundle: str
    config: str
    branch: str = ""
    parameters: tuple[Parameter, ...] = ()
    portal_url: str = ""
    """Where links lead; empty where the portal of this base_url is not known."""
    verbose: bool = False
    timestamps: bool = False
    tool: str = ""
    """The tool that a command is about; no input, since it is part of the command."""
    near_alias: str = ""
    """The alias of the config file that may have been meant, where what is named is none."""
    token_source: str = ""
    """Where the token comes from: the name of a variable, or a file."""
    warnings: tuple[str, ...] = ()
    """What the job has to print before anything else; may quote values, not the token."""

    @property
    def pipeline_is_id(self) -> bool:
        """Whether the pipeline was given by its ID rather than by its name."""
        return is_object_id(self.pipeline)


def _one_of(name: str, meaning: str, *words: str, default: str) -> Input:
    return Input(name, default, _listed(words), meaning, choice(*words), words=words)


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def command_words(value: str) -> list[str]:
    """Split a command into its words as a shell would; none when it is no command for a job."""
    try:
        words = shlex.split(value)
    except ValueError:
        return []
    if not words or words[0].lower() not in COMMANDS + WIDER_COMMANDS:
        return []
    return [words[0].lower(), *words[1:]]


def parse_command(value: str) -> str:
    """Check how a command begins; the rest is read by the command line."""
    words = command_words(value)
    if not words:
        raise ValueError
    return shlex.join(words)


_SHOWN = 80
_DURATION_TAKES = "a duration: 90, 90s, 45m or 2h30m; 0 for none"

TABLE: tuple[Input, ...] = (
    Input(
        "command", "run",
        f"{_listed(COMMANDS + WIDER_COMMANDS)}, with its options",
        "What to do: run, watch, status, logs, stop, reset, or any other command of the command "
        "line with its options, such as tool list.",
        parse_command,
    ),
    Input(
        "token", "", "the access token as Opsera showed it: printable ASCII without blanks",
        "Access token of Opsera. Keep it in a secret; it is never a command-line option.",
        parse_token, option=False,
    ),
    Input("token_file", "", "a path", "File that holds the access token.", parse_path),
    Input(
        "pipeline", "", "an ID (24 hex digits), an exact name, or an alias of the config file",
        "Pipeline: its ID (24 hex digits), its exact name, or an alias of the config file.",
        parse_pipeline,
    ),
    Input(
        "run_count", "", "a whole number from 1",
        "The run to watch, or to ask about; the newest if not given.", parse_count,
    ),
    Input(
        "base_url", "https://app.opsera.io",
        "an https address like https://app.opsera.io, without /api/v1; "
        "plain http for this machine only",
        "Address of your Opsera tenant. https only, but for loopback addresses.", parse_base_url,
    ),
    Input(
        "wait", "true", "true or false",
        "Whether to follow the run; false: start it, set the outputs, leave.", parse_bool,
    ),
    Input(
        "timeout", "1h", _DURATION_TAKES,
        "How long all of it may take: 90, 90s, 45m, 2h30m; 0 = no limit.", parse_duration,
    ),
    _one_of(
        "on_timeout", "Stop or leave the remote run when the time is up.",
        "stop", "leave", default="stop",
    ),
    _one_of(
        "on_cancel", "Stop or leave the remote run when the job is cancelled.",
        "stop", "leave", default="stop",
    ),
    _one_of(
        "on_paused", "When the run pauses, for instance at an approval: fail, or wait until it "
        "goes on or the time is up.", "fail", "wait", default="fail",
    ),
    _one_of(
        "on_busy", "When a run is already going: queue (ask for ours all the same and follow it), "
        "attach (follow the one that goes) or fail.", "queue", "attach", "fail", default="queue",
    ),
    _one_of(
        "reset", "Reset the pipeline before the run: never, auto (when it rests failed, stopped "
        "or paused) or always.", "never", "auto", "always", default="never",
    ),
    _one_of(
        "logs", "What to print of the run's log: console, all (activity messages too) or none.",
        "console", "all", "none", default="console",
    ),
    Input(
        "log_limit", "auto", "auto, or a size in bytes, also 500KB or 3.5MiB; 0 for none",
        "Most bytes of log text to print into the job log; past it the head and the tail are "
        "kept. auto: no limit, but 3.5 MiB on GitLab.", parse_log_limit,
    ),
    Input(
        "poll_interval", "auto", "auto, or a number of seconds from 0.1 to 3600",
        "How often to ask the API: auto (adapts), or a fixed number of seconds.",
        parse_poll_interval,
    ),
    Input(
        "output_file", "", "a path",
        "Also write the outputs as OPSERA_…= lines to this file (Jenkins); opsera.env on GitLab.",
        parse_path,
    ),
    Input(
        "report_dir", "", "a path of a folder",
        "Folder for the report: result.json, report.html, junit.xml and the full log.", parse_path,
    ),
    Input(
        "ca_bundle", "", "a path of a PEM file",
        "More CA certificates (PEM file), added to the system's.", parse_path,
    ),
    Input(
        "config", ".opsera.yml", "a path of a YAML file",
        "File with aliases of pipelines and defaults of inputs, read if it is there.", parse_path,
    ),
)  # fmt: skip

BY_NAME: Mapping[str, Input] = {one.name: one for one in TABLE}
PREFIXES = ("INPUT_", "OPSERA_")
"""How the variables of inputs begin, GitHub's first."""


def from_environment(
    environ: Mapping[str, str], prefixes: Sequence[str] = PREFIXES
) -> dict[str, Setting]:
    """Collect the inputs of the environment: INPUT_ before OPSERA_; empty counts as unset."""
    found: dict[str, Setting] = {}
    for name in BY_NAME:
        for variable in (prefix + name.upper() for prefix in prefixes):
            if environ.get(variable, "").strip():
                found.setdefault(name, Setting(environ[variable].strip(), variable))
    return found


def parse(given: Mapping[str, Setting], *, auto_log_limit: int | None = None) -> Inputs:
    """Check all inputs, defaults filled in, and type them; what is empty counts as not given.

    Raises:
        InvalidInput: with a sentence for every fault.

    """
    given = {name: one for name, one in given.items() if one.value.strip()}
    faults: list[str] = []
    values: dict[str, Any] = {}
    for one in TABLE:
        found = given.get(one.name, Setting(one.default, "its default"))
        try:
            values[one.name] = _parsed(one, found.value, auto_log_limit)
        except ValueError:
            faults.append(_fault(one, found, given.get("token")))
    faults += _missing(given)
    if faults:
        raise InvalidInput(faults)
    values |= {name: given[name].value.strip() for name in ("tool", "near_alias") if name in given}
    return Inputs(**values)


def _parsed(one: Input, value: str, auto_log_limit: int | None) -> Any:
    if one.name == "log_limit" and value.lower() == "auto":
        return auto_log_limit
    if not value:
        return None if one.name == "run_count" else ""
    return one.parse(value)


def fault_of(name: str, found: Setting) -> str:
    """Say what is wrong with the value of an input; nothing when all is well."""
    one = BY_NAME[name]
    try:
        _parsed(one, found.value, None)
    except ValueError:
        return _fault(one, found, None)
    return ""


def _fault(one: Input, found: Setting, token: Setting | None) -> str:
    value = found.value
    # A user name and a password before @, or a token in a wrong place, are no text to print.
    secret = not one.option or (one.name == "base_url" and "@" in value) or contains_token(value)
    is_hidden = secret or (token is not None and token.value in value)
    if is_hidden:
        shown = "its value"
    else:
        shown = repr(value if len(value) < _SHOWN else value[:_SHOWN] + "…")
    # Only who made a slip waits for it to load.
    from opsera_step.config.slips import suggest_value  # noqa: PLC0415

    words = COMMANDS + WIDER_COMMANDS if one.name == "command" else one.words
    # What is not shown is not guessed at either; what is odd about a token quotes nothing of it.
    meant = suggest_value(one.name, value, words) if not is_hidden or not one.option else ""
    if one.option and contains_token(value):
        meant = "It looks like an access token, which goes into the input token."
    told = f"{one.name}: {shown} (from {found.source}) won't do; it takes {one.takes}."
    return f"{told} {meant}".strip()


_NOT_GIVEN = (
    "A secret of the CI that this job is not given is empty too: protected ones are for protected "
    "branches only, and pull requests of forks get none."
)


def _missing(given: Mapping[str, Setting]) -> Iterator[str]:
    command = command_words(given["command"].value) if "command" in given else []
    for name, ways, more in (
        ("token", "set OPSERA_TOKEN (or the input token), or token_file", _NOT_GIVEN),
        (
            "pipeline",
            "set OPSERA_PIPELINE (or the input pipeline), or name it after the command",
            f"It takes {BY_NAME['pipeline'].takes}.",
        ),
    ):
        is_needed = name == "token" or not command or command[0] in _NEEDS_PIPELINE
        if name not in given and is_needed:
            yield f"{not_set(name)}; {ways}. {more}"


def not_set(name: str) -> str:
    """Write how the fault of a missing input begins."""
    return f"{name}: it is not set"


def unknown_name(name: str, where: str, known: Collection[str] = BY_NAME.keys()) -> str:
    """Write the fault of a name that is no input, with the likely one of those that are known."""
    close = nearest(name, known)
    guess = f" Did you mean {close}?" if close else ""
    return f"{name}: there is no such input (in {where}).{guess}"
