"""The table of inputs, the only source of their names, defaults and meanings; and its parser.

action.yml, the GitLab component, the command line and the README's table follow from `TABLE`. Pure:
reads no environment and no file.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from opsera_step.errors import BadInput

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s)?|(\d{1,9})")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmg]?)(i?b)?")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")

PIPELINE_COMMANDS = ("run", "watch", "status", "logs", "stop", "reset")
"""The commands about one pipeline, in the order in which they are told."""
COMMANDS = (*PIPELINE_COMMANDS, "cleanup")

Parser = Callable[[str], Any]


@dataclass(frozen=True)
class Input:
    """One input: its name, its default as the user would write it, and what it means."""

    name: str
    default: str
    takes: str
    """What it accepts, for a person: ends the sentence "it takes …"."""
    meaning: str
    parse: Parser
    option: bool = True
    """Whether it is an option of the command line; the token never is."""


@dataclass(frozen=True)
class Given:
    """A value as it was configured, and where: `--timeout`, `INPUT_TIMEOUT`, a file's name."""

    value: str
    origin: str


@dataclass(frozen=True)
class Inputs:
    """All inputs, checked and typed; durations in seconds, sizes in bytes, None for no limit."""

    command: str
    token: str
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

    @property
    def pipeline_is_id(self) -> bool:
        """Whether the pipeline was given by its ID rather than by its name."""
        return _OBJECT_ID.fullmatch(self.pipeline) is not None


def parse_text(value: str) -> str:
    """Take any text as it is."""
    return value


def parse_token(value: str) -> str:
    """Check that a token can go into an HTTP header as it is."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError
    return value


def parse_pipeline(value: str) -> str:
    """Bring an ID into its usual spelling; leave a name alone."""
    return value.lower() if _OBJECT_ID.fullmatch(value) else value


def parse_count(value: str) -> int:
    """Read a run count: a whole number from 1."""
    if not (value.isascii() and value.isdecimal()) or not 0 < int(value[:18]) == int(value):
        raise ValueError
    return int(value)


def parse_bool(value: str) -> bool:
    """Read a switch as YAML users write it."""
    word = value.lower()
    if word not in _TRUE + _FALSE:
        raise ValueError
    return word in _TRUE


def parse_duration(value: str) -> float | None:
    """Read `90`, `90s`, `45m`, `2h30m` as seconds; 0 is None, no limit."""
    found = _DURATION.fullmatch(value.lower().replace(" ", ""))
    if found is None or not any(found.groups()):
        raise ValueError
    hours, minutes, seconds, bare = (int(group or 0) for group in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds + bare) or None


def parse_poll_interval(value: str) -> float | None:
    """Read `auto` as None, else a number of seconds from 0.1 on, or a duration."""
    if value.lower() == "auto":
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = parse_duration(value) or 0.0
    if not 0.1 <= seconds <= 3600.0:
        raise ValueError
    return seconds


def parse_log_limit(value: str) -> int | None:
    """Read a size in bytes, also as `500KB` or `3.5MiB` (steps of 1024); 0 is None, no limit."""
    found = _SIZE.fullmatch(value.lower())
    if found is None:
        raise ValueError
    return int(float(found[1]) * 1024 ** " kmg".index(found[2] or " ")) or None


def parse_base_url(value: str) -> str:
    """Check an address: https, or http to this very machine; nothing but host, port and path."""
    url = urlsplit(value)
    secure = url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or ""))
    extras = url.username or url.password or url.query or url.fragment
    if not secure or not url.hostname or extras or not value.isprintable() or " " in value:
        raise ValueError
    url.port  # noqa: B018 - raises ValueError when the port is no number
    if url.path.rstrip("/").endswith("/api/v1"):
        raise ValueError
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def choice(*words: str) -> Parser:
    """Make a parser of one of some words, in any case."""

    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError
        return value.lower()

    return parse


def _one_of(name: str, meaning: str, *words: str, default: str) -> Input:
    return Input(name, default, _listed(words), meaning, choice(*words))


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


_DURATION_TAKES = "a duration: 90, 90s, 45m or 2h30m; 0 for none"

TABLE: tuple[Input, ...] = (
    _one_of("command", "What to do.", *COMMANDS, default="run"),
    Input(
        "token", "", "the access token as Opsera showed it: printable ASCII without blanks",
        "Access token of Opsera. Keep it in a secret; it is never a command-line option.",
        parse_token, option=False,
    ),
    Input("token_file", "", "a path", "File that holds the access token.", parse_text),
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
        parse_text,
    ),
    Input(
        "report_dir", "", "a path of a folder",
        "Folder for the report: result.json and the full log.", parse_text,
    ),
    Input(
        "ca_bundle", "", "a path of a PEM file",
        "More CA certificates (PEM file), added to the system's.", parse_text,
    ),
    Input(
        "config", ".opsera.yml", "a path of a YAML file",
        "File with aliases of pipelines and defaults of inputs, read if it is there.", parse_text,
    ),
)  # fmt: skip

BY_NAME: Mapping[str, Input] = {one.name: one for one in TABLE}


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """Collect the inputs of the environment: INPUT_ before OPSERA_; empty counts as unset."""
    found: dict[str, Given] = {}
    for name in BY_NAME:
        for variable in (f"INPUT_{name.upper()}", f"OPSERA_{name.upper()}"):
            if environ.get(variable, "").strip():
                found.setdefault(name, Given(environ[variable].strip(), variable))
    return found


def parse(given: Mapping[str, Given], *, auto_log_limit: int | None = None) -> Inputs:
    """Check all inputs, defaults filled in, and type them.

    Raises:
        BadInput: with a sentence for every fault.

    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    for one in TABLE:
        value, origin = _value(one, given)
        try:
            values[one.name] = _parsed(one, value, auto_log_limit)
        except ValueError:
            faults.append(_fault(one, value, origin))
    faults += _missing(given)
    if faults:
        raise BadInput(faults)
    return Inputs(**values)


def _value(one: Input, given: Mapping[str, Given]) -> tuple[str, str]:
    found = given.get(one.name)
    return (found.value, found.origin) if found is not None else (one.default, "its default")


def _parsed(one: Input, value: str, auto_log_limit: int | None) -> Any:
    if one.name == "log_limit" and value.lower() == "auto":
        return auto_log_limit
    if not value:
        return None if one.parse is parse_count else ""
    return one.parse(value)


def _fault(one: Input, value: str, origin: str) -> str:
    shown = "its value" if not one.option else repr(value if len(value) < 80 else value[:80] + "…")
    return f"{one.name}: {shown} (from {origin}) won't do; it takes {one.takes}."


def _missing(given: Mapping[str, Given]) -> Iterator[str]:
    for name, ways in (
        ("token", "set OPSERA_TOKEN (or the input token), or token_file"),
        ("pipeline", "set OPSERA_PIPELINE (or the input pipeline)"),
    ):
        if name not in given:
            yield f"{name}: it is not set; {ways}. It takes {BY_NAME[name].takes}."


def unknown_name(name: str, where: str) -> str:
    """Write the fault of a name that is no input, with the likely one."""
    close = difflib.get_close_matches(name, BY_NAME, n=1)
    guess = f"; did you mean {close[0]}" if close else ""
    return f"{name}: there is no such input (in {where}){guess}."
