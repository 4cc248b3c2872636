"""The interface of platforms, with an implementation for plain logs and an output file."""

from __future__ import annotations

import re
import select
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TextIO

from opsera_step import files
from opsera_step.clock import Clock

PREFIX = "[opsera] "
RESULT_IS_IN_REPORT = "Set report_dir to get it as result.json or answer.json."
"""Where to find the output `result` if it does not fit the platform's limits."""
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
"""The separators of sentences and lines, but not dots within versions or URLs."""
_CHECKOUT_VARIABLES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR", "WORKSPACE")
"""Variables that name the directory of the checkout, on any platform."""
_CI_VARIABLES = (
    "CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "BUILD_NUMBER", "TF_BUILD",
    "TEAMCITY_VERSION", "BUILDKITE", "CIRCLECI", "TRAVIS", "BITBUCKET_BUILD_NUMBER",
    "CODEBUILD_BUILD_ID",
)  # fmt: skip
_WORD = re.compile(r"[\w-]+")
_OURS = frozenset({"opsera", "opsera-step", "pipeline", "invalid", "input"})
"""Words of titles that every message would repeat."""
DEBUG, NOTICE, WARNING, ERROR = "debug", "notice", "warning", "error"
"""Levels of a message; the empty string is an ordinary one."""


OPEN = ("cancelled", "timeout", "")
"""Values of the output `status` after which the run may be in progress; empty before the end."""
ORIGIN = "origin"
"""A note for the cleanup, beside the outputs of such a run if the job did not start it."""


class Platform:
    """A job log without commands; outputs are `OPSERA_…=` lines in a file, if one is named.

    All text that a platform gets is free of control characters already. A platform adds its own
    commands, and escapes text that its log viewer would interpret as one.
    """

    name: ClassVar[str] = "plain"
    auto_log_limit: ClassVar[int | None] = None
    """Bytes that `log_limit: auto` stands for; None for no limit."""
    keeps_state: ClassVar[bool] = False
    """Whether the platform itself keeps state for the cleanup, out of reach of the checkout."""
    folds: ClassVar[bool] = False
    """Whether the log viewer folds groups, so that their lines may be out of sight."""
    quotes_details: ClassVar[bool] = False
    """Whether annotations quote lines of the log, which need not be repeated in the log then."""
    most_errors: ClassVar[int | None] = None
    """How many annotations of a level are shown per job; None for any number."""
    tick: ClassVar[float | None] = None
    """How often, in seconds, the display needs to be drawn again; None for never."""
    owns_output_file: ClassVar[bool] = False
    """Whether the platform publishes the output file, so that it must be ours."""
    color: bool = False
    """Whether colors show in this log."""
    lost: str
    """Why some output could not be written, such as a full disk; empty if its reader is gone."""

    def __init__(self, environ: Mapping[str, str], out: TextIO, clock: Clock) -> None:
        self._environ, self._out, self._clock = environ, out, clock
        self._group_open = self._dead = self._wrote_outputs = False
        self.lost = ""
        self.color = wants_color(environ, default=self.color)

    @property
    def input_defaults(self) -> Mapping[str, str]:
        """Defaults of inputs on this platform, where they differ from the table's."""
        return {}

    @property
    def workspace(self) -> Path:
        """The top directory of the checkout, whose files and links are not trusted."""
        return files.workspace_of(*self.checkouts)

    @property
    def checkouts(self) -> list[str]:
        """The directories of the checkout, from the variables of all platforms.

        A container that runs in a job of another platform may have its variable.
        """
        return [self._environ[one] for one in _CHECKOUT_VARIABLES if self._environ.get(one)]

    @property
    def in_ci(self) -> bool:
        """Whether this is a CI job, and no person started the command."""
        return in_ci(self._environ)

    @property
    def time_left(self) -> float | None:
        """Seconds until the platform ends this job; None if unknown."""
        return None

    @property
    def debug(self) -> bool:
        """Whether debug output is wanted: a debug log, and the traceback of an internal error."""
        return self._is_on("OPSERA_DEBUG")

    @property
    def is_unread(self) -> bool:
        """Whether the log is no longer read: a write failed, or the pipe is closed."""
        if self._dead:
            return True
        try:
            pipe = select.poll()
            pipe.register(self._out.fileno(), 0)
            return bool(pipe.poll(0))
        except (OSError, ValueError, AttributeError):
            # Not a file of the operating system, or a system without `poll` (Windows).
            return False

    def print_message(self, text: str, level: str = "") -> None:
        """Print one of our messages."""
        self._write([f"{PREFIX}{label(level)}{text}"])

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines of the run's log."""
        self._write(lines)

    def open_group(self, title: str) -> None:
        """Start a group of lines; the one before is closed."""
        self.close_group()
        self._write([f"{PREFIX}--- {title} ---"])
        self._group_open = True

    def close_group(self) -> None:
        """End the open group, if there is one."""
        self._group_open = False

    def annotate(self, level: str, title: str, text: str, details: Sequence[str] = ()) -> None:
        """Show a message as prominently as the platform can.

        The details are lines of the log. They are shown only where the message is read apart from
        the log.
        """
        first, *rest = headed(title, text).split("\n")
        self.print_message(first, level)
        for line in rest:
            self.print_message(line)

    @property
    def room(self) -> int:
        """How many lines can be redrawn below the log; 0 if none can."""
        return 0

    def draw(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show the progress below the log, each line with a time, where it can be redrawn."""

    def log_size(self, text: str) -> int:
        """Return how many bytes of the platform's log a text takes, line ends included."""
        return len(text.encode("utf-8", "replace"))

    @property
    def log_used(self) -> int:
        """How many bytes of the platform's limit are used up, where it has one."""
        return 0

    def mask(self, secret: str) -> None:
        """Request the platform to mask a secret in the rest of the log, where it can."""

    def write_outputs(self, outputs: Mapping[str, str], file: str) -> str:
        """Write the outputs for later steps; return the problem, or an empty string.

        The file is replaced as a whole, so that a reader never sees half of it.
        """
        if not file:
            return ""
        text = "".join(f"{line}\n" for line in self._dotenv(outputs))
        try:
            files.write_output_file(
                file, text, self.workspace, replaces_refused_link=self.owns_output_file
            )
        except OSError as error:
            if not self._wrote_outputs:
                # The outputs of an earlier job must not be mistaken for this one's.
                files.discard_output_file(file, self.workspace)
            return f"Can't write the outputs to {file}: {files.reason_of(error)}."
        self._wrote_outputs = True
        return ""

    def write_links(self, directory: str, links: Mapping[str, str]) -> str:
        """Show links (URLs by label) on the job's page; return the problem, if any.

        The directory is that of the report, where a platform may need a file for it.
        """
        return ""

    def write_summary(self, markdown: str) -> str:
        """Show a summary on the job's page, where there is one; return the problem, if any."""
        return ""

    @property
    def summary_room(self) -> int:
        """How many bytes a summary may have; 0 if none is shown."""
        return 0

    def save_state(self, state: Mapping[str, str]) -> str:
        """Save state for the cleanup after a killed job, if the platform supports it.

        Return what went wrong, or an empty string.
        """
        return ""

    def saved_state(self, file: str) -> dict[str, str]:
        """Read what the job left for the cleanup: here from its output file.

        The file is in the workspace and not trusted. So only the run number is taken from it;
        pipeline and URL come from the inputs.
        """
        try:
            found = read_dotenv(files.read_limited(file, 2**20).decode("utf-8")) if file else {}
        except (OSError, UnicodeDecodeError):
            return {}
        return {
            "run_count": found.get("OPSERA_RUN_COUNT", ""),
            "status": found.get("OPSERA_STATUS", ""),
            "origin": found.get(output_variable(ORIGIN), ""),
            "done": "true" if found.get("OPSERA_STATUS", "") not in OPEN else "",
        }

    def _is_on(self, variable: str) -> bool:
        return self._environ.get(variable, "").lower() in ("1", "true", "yes", "on")

    def _dotenv(self, outputs: Mapping[str, str]) -> list[str]:
        return [f"{output_variable(name)}={one_line(value)}" for name, value in outputs.items()]

    def _write(self, lines: Sequence[str]) -> None:
        self._put("".join(f"{line}\n" for line in lines))

    def _put(self, text: str) -> None:
        if self._dead:
            return
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError) as error:
            # The log is not read any more; the run, its outputs, and the exit code still matter.
            self._dead = True
            if not isinstance(error, BrokenPipeError):
                self.lost = getattr(error, "strerror", None) or str(error)


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether the environment is that of a CI job."""
    return any(
        environ.get(name, "").strip().lower() not in ("", "0", "false") for name in _CI_VARIABLES
    )


def headed(title: str, text: str) -> str:
    """Put the title before a text, unless the text contains all of its words.

    A title such as “Opsera pipeline failed” distinguishes annotations of several programs. In a log
    the sentence about the run is enough.
    """
    words = set(_WORD.findall(title.casefold())) - _OURS
    return text if words <= set(_WORD.findall(text.casefold())) else f"{title}: {text}"


def first_sentence(text: str) -> str:
    """Return the first sentence of a text."""
    return SENTENCE_END.split(text, 1)[0]


def label(level: str) -> str:
    """Return the prefix of a message of this level."""
    return f"{level.upper()}: " if level in (DEBUG, WARNING, ERROR) else ""


def wants_color(environ: Mapping[str, str], *, default: bool) -> bool:
    """Decide on colors: NO_COLOR (https://no-color.org) and FORCE_COLOR override the platform."""
    if environ.get("NO_COLOR"):
        return False
    return True if environ.get("FORCE_COLOR", "") not in ("", "0") else default


def output_variable(name: str) -> str:
    """Return the name of an output as a variable: `runCount` is OPSERA_RUN_COUNT."""
    return "OPSERA_" + "".join(f"_{c}" if c.isupper() else c for c in name).upper()


def one_line(value: str) -> str:
    """Fold a value into one line, regardless of the kind of line end."""
    return " ".join(value.splitlines()).strip()


def read_dotenv(text: str) -> dict[str, str]:
    """Read `NAME=value` lines."""
    pairs = (line.partition("=") for line in text.split("\n") if "=" in line)
    return {name: value for name, _, value in pairs}
