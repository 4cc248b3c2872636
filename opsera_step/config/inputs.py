"""The table of inputs, the only source of their names, defaults, and meanings; and their types.

action.yml, the GitLab component, the command line, the JSON Schema, and the README's table follow
from `TABLE`. Pure: reads no environment but the one handed in, and no file.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from opsera_step.api.fields import is_object_id
from opsera_step.api.token import contains_token
from opsera_step.config.parameters import Parameter, parse_parameters
from opsera_step.config.parsers import (
    A_TOKEN,
    InvalidValue,
    Parser,
    choice,
    derive_portal_url,
    explain,
    parse_auto_bool,
    parse_base_url,
    parse_bool,
    parse_count,
    parse_duration,
    parse_log_limit,
    parse_path,
    parse_pipeline,
    parse_poll_interval,
    parse_text,
    parse_token,
    parse_url,
)
from opsera_step.text import did_you_mean

PIPELINE_COMMANDS = ("run", "watch", "status", "logs", "stop", "reset")
"""The commands about one pipeline, in the order in which they are listed."""
COMMANDS = (*PIPELINE_COMMANDS, "cleanup")
"""The one-word commands that a job runs without the command line."""
WIDER_COMMANDS = (
    "approve", "reject", "open", "pipeline", "tool", "task", "audit", "api", "doctor",
    "summary", "pipelines",
)  # fmt: skip
"""The first words of the other commands that a job may use."""
RUN_COUNT_COMMANDS = ("watch", "status", "logs", "stop", "approve", "reject")
"""The commands that use `run_count`."""
FOLLOWING_COMMANDS = ("run", "watch")
"""The commands that last as long as a run."""
_NEEDS_PIPELINE = (
    *PIPELINE_COMMANDS, "approve", "reject", "open", "summary", "pipeline show", "pipeline runs",
)  # fmt: skip
_AT_TERMINALS = ("demo", "simulator", "init", "completion")


class Input(NamedTuple):
    """One input: its name, its default as the user would write it, and what it means."""

    name: str
    default: str
    valid: str
    """What it accepts, as the end of the sentence "Use …"."""
    meaning: str
    parse: Parser
    option: bool = True
    """Whether it is an option of the command line; the token never is."""
    words: tuple[str, ...] = ()
    """The allowed values, if only these are valid."""
    effect: str = ""
    """The effective default, described in a word, if there is no literal one."""

    @property
    def documented_default(self) -> str:
        """What the documentation shows as default; empty if there is none."""
        return self.default or self.effect


class Setting(NamedTuple):
    """A value as configured, and where: `--timeout`, `INPUT_TIMEOUT`, a line of a file."""

    value: str
    source: str


Layer = Mapping[str, Setting]
"""The settings of one place, by the names of inputs."""


class PlatformDefaults(Protocol):
    """What a platform adds to the inputs."""

    @property
    def input_defaults(self) -> Mapping[str, str]:
        """Defaults of inputs, where they differ from the table's."""
        ...

    @property
    def auto_log_limit(self) -> int | None:
        """Bytes that `log_limit: auto` stands for; None for no limit."""
        ...

    @property
    def debug(self) -> bool:
        """Whether the platform asks for debug logs."""
        ...

    @property
    def time_left(self) -> float | None:
        """Seconds until the platform ends the job; None if unknown."""
        ...

    @property
    def in_ci(self) -> bool:
        """Whether this is a CI job, and no person started the command."""
        ...

    @property
    def checkouts(self) -> Sequence[str]:
        """The directories of the checkout, whose content is not trusted."""
        ...


@dataclass(frozen=True)
class Inputs:
    """All inputs, checked and typed; durations in seconds, sizes in bytes, None for no limit."""

    command: str
    token: str = field(repr=False)
    token_file: str
    pipeline: str
    run_count: int | None
    branch: str
    parameters: tuple[Parameter, ...] = field(repr=False)
    base_url: str
    portal_url: str
    """Where links lead; empty where the portal of this base_url is unknown."""
    wait: bool
    timeout: float | None
    on_timeout: str
    on_cancel: str
    on_paused: str
    on_busy: str
    reset: str
    logs: str
    log_limit: int | None
    timestamps: bool
    poll_interval: float | None
    verbose: bool
    output_file: str
    report_dir: str
    ca_bundle: str
    config: str
    tool: str = ""
    """The tool that the command names, or the one that an alias stands for; not an input."""
    near_alias: str = ""
    """An alias of the config file that the user may have meant, or that an alias leads to."""
    token_source: str = ""
    """Where the token comes from: the name of a variable, or a file."""
    allowed_pipelines: tuple[str, ...] | None = None
    """The IDs and names to which the system's config file limits jobs; None for no limit."""
    warnings: tuple[str, ...] = ()
    """What the job prints before anything else; may quote values, but not the token."""

    @property
    def pipeline_is_id(self) -> bool:
        """Whether the pipeline was given by its ID rather than by its name."""
        return is_object_id(self.pipeline)

    def allows_pipeline(self, pipeline_id: str, name: str) -> bool:
        """Whether the system's config file lets a job use a pipeline, once both are known."""
        allowed = self.allowed_pipelines
        return allowed is None or pipeline_id.lower() in allowed or name in allowed


def listed(words: Sequence[str]) -> str:
    """Join words as in a sentence: `a, b, or c`."""
    return f"{', '.join(words[:-1])}, or {words[-1]}" if len(words) > 2 else " or ".join(words)


def _one_of(name: str, meaning: str, *words: str, default: str) -> Input:
    return Input(name, default, listed(words), meaning, choice(*words), words=words)


def command_words(value: str) -> list[str]:
    """Split a command into arguments as a shell would; none if a job can't run it."""
    try:
        words = shlex.split(value)
    except ValueError:
        return []
    if not words or words[0].lower() not in COMMANDS + WIDER_COMMANDS:
        return []
    return [words[0].lower(), *words[1:]]


def parse_command(value: str) -> str:
    """Check the first word of a command; the command line parses the rest."""
    words = command_words(value)
    if not words:
        raise InvalidValue(_explain_command(value))
    return shlex.join(words)


def _explain_command(value: str) -> str:
    try:
        word = shlex.split(value)[0]
    except ValueError:
        return "It has an unclosed quotation mark."
    except IndexError:
        return ""
    if word == "opsera-step":
        return "Remove opsera-step and start with the command."
    if word in _AT_TERMINALS:
        return f"{word} is not available in jobs."
    return ""


_SHOWN = 80
_DURATION = "a duration such as 90, 90s, 45m, or 2h30m, or 0 for no limit"
_PATH = "a path"
_AUTO_STOP = "auto (stop it if this job started it), stop, or leave."

TABLE: tuple[Input, ...] = (
    Input(
        "command", "run",
        f"{listed(COMMANDS + WIDER_COMMANDS)}, with its options",
        "What to do: run, watch, status, logs, stop, reset, or any other command of the command "
        "line with its options, such as tool list.",
        parse_command,
    ),
    Input(
        "token", "",
        "the access token as Opsera shows it: at least 8 ASCII characters, without spaces",
        "Opsera access token. Keep it in a secret; it is never a command-line option.",
        parse_token, option=False,
    ),
    Input("token_file", "", _PATH, "File that contains the access token.", parse_path),
    Input(
        "pipeline", "", "an ID (24 hex digits), an exact name, or an alias from the config file",
        "Pipeline: its ID (24 hex digits), its exact name, or an alias from the config file.",
        parse_pipeline,
    ),
    Input(
        "run_count", "", "a whole number, 1 or greater",
        "Run number, for commands about an existing run.", parse_count, effect="latest",
    ),
    Input(
        "branch", "", "the name of a Git branch",
        "Git branch for this run. The pipeline must allow runtime settings.", parse_text,
    ),
    Input(
        "parameters", "",
        "YAML or JSON (steps with names and values), or STEP.NAME=VALUE lines",
        "Parameters for this run: YAML or JSON (steps with names and values), or STEP.NAME=VALUE "
        "lines.", parse_parameters,
    ),
    Input(
        "base_url", "https://app.opsera.io",
        "an HTTPS URL such as https://app.opsera.io, without /api/v1",
        "URL of the Opsera API. https only (except loopback).", parse_base_url,
    ),
    Input(
        "portal_url", "", "an HTTPS URL such as https://portal.opsera.io",
        "URL of the Opsera portal, for links. Derived from base_url on opsera.io; elsewhere, "
        "there are no links.", parse_url, effect="derived",
    ),
    Input(
        "wait", "true", "true or false",
        "Whether to wait for the run to finish. false: start it, set the outputs, and exit.",
        parse_bool,
    ),
    Input(
        "timeout", "1h", _DURATION,
        "Overall timeout (e.g. 90s, 45m, 2h30m; 0 = none). On GitLab, the default is at most the "
        "CI job's timeout less one minute.", parse_duration,
    ),
    _one_of(
        "on_timeout", f"What to do with the run at the timeout: {_AUTO_STOP}",
        "auto", "stop", "leave", default="auto",
    ),
    _one_of(
        "on_cancel", f"What to do with the run when the job is cancelled: {_AUTO_STOP}",
        "auto", "stop", "leave", default="auto",
    ),
    _one_of(
        "on_paused", "If the run pauses, for example for an approval: fail, or wait until it "
        "resumes or the timeout.", "fail", "wait", default="fail",
    ),
    _one_of(
        "on_busy", "If a run is already in progress: queue a new run, attach to it, or fail.",
        "queue", "attach", "fail", default="queue",
    ),
    _one_of(
        "reset", "Reset the pipeline before the run: never, auto (only if the last run failed, "
        "was stopped, or is paused), or always.", "never", "auto", "always", default="never",
    ),
    _one_of(
        "logs", "What to print from the run's log: console, all (console and activity messages), "
        "or none.",
        "console", "all", "none", default="console",
    ),
    Input(
        "log_limit", "auto", "auto, or a size in bytes such as 500KB or 3.5MiB, or 0 for no limit",
        "Maximum size of the log to print; longer logs keep head and tail. auto: no limit, except "
        "on GitLab, where the log stays below the runner's 4 MiB.", parse_log_limit,
    ),
    Input(
        "timestamps", "false", "true or false",
        "Prefix each log line with its timestamp.", parse_bool,
    ),
    Input(
        "poll_interval", "auto", "auto, or a number of seconds from 0.1 to 3600",
        "Polling interval: auto (adaptive) or seconds.", parse_poll_interval,
    ),
    Input(
        "verbose", "auto", "auto, true, or false",
        "Print debug logs: requests and decisions, without secrets. auto: when the platform asks "
        "for debug logs.", parse_auto_bool,
    ),
    Input(
        "output_file", "", _PATH,
        "Also write the outputs to this file, as OPSERA_…= lines. On GitLab: opsera.env.",
        parse_path,
    ),
    Input(
        "report_dir", "", "the path of a directory",
        "Directory for result.json, report.html, junit.xml, and the full log.", parse_path,
    ),
    Input(
        "ca_bundle", "", "the path of a PEM file",
        "Additional CA certificates (PEM file).", parse_path,
    ),
    Input(
        "config", "", "the path of a YAML file",
        "YAML file with aliases and defaults. A file in the checkout may set only some inputs.",
        parse_path,
    ),
)  # fmt: skip

BY_NAME: Mapping[str, Input] = {one.name: one for one in TABLE}
PATHS: Mapping[str, str] = {
    "token_file": "file", "output_file": "file", "ca_bundle": "file", "config": "file",
    "report_dir": "dir",
}  # fmt: skip
"""The inputs that are paths, and whether of a file or a directory."""
PREFIXES = ("INPUT_", "OPSERA_")
"""The prefixes of input variables, GitHub's first."""


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


def parse(
    settings: Layer, platform: PlatformDefaults | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Type all inputs, with the table's defaults for those that are not set.

    Returns the values by name, and a sentence for each input whose value is invalid, which has
    its default then. Missing inputs are not reported here.
    """
    settings = {name: one for name, one in settings.items() if one.value.strip()}
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    token = settings["token"].value if "token" in settings else ""
    for one in TABLE:
        setting = settings.get(one.name)
        if setting is not None and (problem := problem_of(one.name, setting, token)):
            problems[one.name] = problem
            setting = None
        values[one.name] = _typed(one, setting.value if setting else one.default, platform)
    values["portal_url"] = values["portal_url"] or derive_portal_url(values["base_url"])
    return values, problems


_UNSET = {"run_count": None, "parameters": ()}


def _typed(one: Input, value: str, platform: PlatformDefaults | None) -> Any:
    value = value.strip()
    if value.lower() == "auto" and one.name == "log_limit":
        return platform.auto_log_limit if platform else None
    if value.lower() == "auto" and one.name == "verbose":
        return platform.debug if platform else False
    return one.parse(value) if value else _UNSET.get(one.name, "")


def problem_of(name: str, setting: Setting, token: str = "", shown: str = "") -> str:
    """Return what is wrong with the value of an input; empty if nothing is.

    The sentence never contains the token or likely secrets. `shown` is what to call the
    input, such as `pipelines.shop.timeout`.
    """
    one = BY_NAME[name]
    try:
        _typed(one, setting.value, None)
    except ValueError as error:
        hint = error.hint if isinstance(error, InvalidValue) else ""
        hint = hint or explain(setting.value.strip())
        return _invalid(one, setting, hint, token, shown or name)
    return ""


def _invalid(one: Input, setting: Setting, hint: str, token: str, name: str) -> str:
    value = setting.value.strip()
    # What follows the first word of a command may be a secret, such as a property of a tool.
    shown = value.split()[0] if one.name == "command" else value
    shown = repr(shown if len(shown) < _SHOWN else shown[:_SHOWN] + "…")
    # User name and password before @, parameters, and a token in a wrong place are not printed.
    is_secret = (
        not one.option
        or one.name == "parameters"
        or ("@" in value and one.parse in (parse_base_url, parse_url))
        or contains_token(value)
        or (token and token in value)
    )
    if one.option and (contains_token(value) or (token and token == value)):
        hint = A_TOKEN
    elif not is_secret and not hint:
        words = COMMANDS + WIDER_COMMANDS if one.name == "command" else one.words
        hint = did_you_mean(value.split()[0], words)
    what = "Invalid value" if is_secret else f"Invalid value {shown}"
    return f"{what} for {name} (from {setting.source}). Use {one.valid}. {hint}".strip()


_MISSING = {
    "token": "No access token. Set OPSERA_TOKEN, the input token, or token_file. Secrets are not "
    "available to pull requests from forks, and protected variables only on protected branches.",
    "pipeline": "No pipeline. Set OPSERA_PIPELINE or the input pipeline, or pass it as an "
    f"argument. Use {BY_NAME['pipeline'].valid}.",
}


def needs_pipeline(command: str) -> bool:
    """Whether a command is about one pipeline."""
    words = command_words(command)
    return not words or words[0] in _NEEDS_PIPELINE or " ".join(words[:2]) in _NEEDS_PIPELINE


def missing(settings: Layer) -> dict[str, str]:
    """Return a sentence for each input that the command needs and that is not set."""
    command = settings["command"].value if "command" in settings else ""
    needed = ["token", "pipeline"] if needs_pipeline(command) else ["token"]
    return {name: _MISSING[name] for name in needed if name not in settings}
