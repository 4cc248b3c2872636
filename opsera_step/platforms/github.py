"""GitHub Actions: workflow commands, the files for outputs, state and summary.

Sources: https://docs.github.com/actions/reference/workflow-commands-for-github-actions, and the
runner's own parsers (actions/runner: ActionCommand.cs, FileCommandManager.cs).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from opsera_step.platforms.base import ELSEWHERE, ERROR, PREFIX, WARNING, Platform, reason

SUMMARY_LIMIT = 1024 * 1024
"""Bytes; a larger step summary is dropped as a whole."""
VARIABLE_LIMIT = 128 * 1024
"""Bytes; Linux starts no program with a longer variable (MAX_ARG_STRLEN in execve(2))."""
JOB_OUTPUT_LIMIT = 1024 * 1024
"""Bytes, in UTF-16, of the outputs that a job hands on (docs.github.com, "Defining outputs")."""
MESSAGE_LIMIT = 4000
"""Characters of an annotation; the runner cuts at 4096."""
_RULE = "\n\n---\n\n"

# The runner takes `::` for a command after any leading white space, and `##[` anywhere in a line.
# It compares by culture, which gives some characters no weight (format characters, variation
# selectors and the like), so `:` + U+200B + `:` counts too, and only a visible one breaks it.
_NO_WEIGHT = "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
_NO_WEIGHT += "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]*"
_COMMAND = re.compile(rf"^((?:\s|{_NO_WEIGHT[:-1]})*:)(?={_NO_WEIGHT}:)")
_OLD_COMMAND = re.compile(rf"(#{_NO_WEIGHT}#)(?={_NO_WEIGHT}\[)")


class GitHub(Platform):
    """A job of GitHub Actions."""

    name = "github"
    colour = True
    folds = True
    most_errors = 10

    @property
    def debug(self) -> bool:
        """Whether debug logging is on for this job, or for us alone."""
        return self._environ.get("RUNNER_DEBUG") == "1" or super().debug

    def lines(self, lines: Sequence[str]) -> None:
        """Print log lines; none of them can be a workflow command."""
        self._write([escape_commands(line) for line in lines])

    def say(self, text: str, level: str = "") -> None:
        """Print a line of ours; API text in it can be no command either."""
        word = f"{level.upper()}: " if level in (WARNING, ERROR) else ""
        self._write([escape_commands(f"{PREFIX}{word}{text}")])

    def open_group(self, title: str) -> None:
        """Begin a group; groups do not nest, so the one before is closed."""
        self.close_group()
        self._write([f"::group::{escape_data(escape_commands(title))}"])
        self._group_open = True

    def close_group(self) -> None:
        """End the group, if one is open."""
        if self._group_open:
            self._write(["::endgroup::"])
        self._group_open = False

    def annotate(self, level: str, title: str, text: str, details: Sequence[str] = ()) -> None:
        """Add an annotation to the run's page; it shows in the log too."""
        lines = [*text.split("\n"), *([""] if details else []), *details]
        message = escape_data("\n".join(map(escape_commands, lines))[:MESSAGE_LIMIT])
        self._write([f"::{level} title={escape_property(escape_commands(title))}::{message}"])

    def mask(self, secret: str) -> None:
        """Have the runner replace the secret in all that is printed from now on."""
        self._write([f"::add-mask::{escape_data(secret)}"])

    def write_outputs(self, outputs: Mapping[str, str], file: str) -> str:
        """Append to GITHUB_OUTPUT, and write the output file too if one is named."""
        failure = self._append("GITHUB_OUTPUT", outputs)
        return super().write_outputs(outputs, file) or failure or _too_long(outputs)

    @property
    def summary_room(self) -> int:
        """What is left of the step's summary, to which earlier commands may have written."""
        path = self._environ.get("GITHUB_STEP_SUMMARY")
        if not path:
            return 0
        with suppress(OSError):
            return max(0, SUMMARY_LIMIT - len(_RULE) - Path(path).stat().st_size)
        return SUMMARY_LIMIT

    def write_summary(self, markdown: str) -> str:
        """Append to the step summary, with a rule below what is there; it has room for it."""
        try:
            path = Path(self._environ["GITHUB_STEP_SUMMARY"])
            rule = _RULE if path.exists() and path.stat().st_size else ""
            with path.open("a", encoding="utf-8", errors="replace", newline="\n") as file:
                file.write(rule + markdown)
        except KeyError:
            return "The step summary can't be written: GITHUB_STEP_SUMMARY is not set."
        except OSError as error:
            return f"The step summary can't be written: {reason(error)}."
        return ""

    def save_state(self, state: Mapping[str, str]) -> None:
        """Leave state for the post step, which gets it as STATE_ variables."""
        self._append("GITHUB_STATE", {f"opsera_{name}": value for name, value in state.items()})

    def saved_state(self, file: str) -> dict[str, str]:
        """Read the state that the main step left."""
        prefix = "STATE_OPSERA_"
        return {
            name.upper().removeprefix(prefix).lower(): value
            for name, value in self._environ.items()
            if name.upper().startswith(prefix)
        }

    def _append(self, variable: str, values: Mapping[str, str]) -> str:
        path = self._environ.get(variable)
        if not path:
            return ""
        try:
            with Path(path).open("a", encoding="utf-8", errors="replace", newline="\n") as file:
                file.write("".join(file_entry(name, value) for name, value in values.items()))
        except OSError as error:
            return f"The file of {variable} can't be written: {reason(error)}."
        return ""


def _too_long(outputs: Mapping[str, str]) -> str:
    """Say what the output `result` is too long for; empty when it is not."""
    result = outputs.get("result", "")
    size = len(result.encode("utf-8", "replace"))
    if size < VARIABLE_LIMIT:
        return ""
    jobs = len(result.encode("utf-16-le", "replace")) >= JOB_OUTPUT_LIMIT
    other = " or be handed to another job, which takes 1 MB" if jobs else ""
    return (
        f"The output result has {size // 1024} KB: too long to be put into an environment "
        f"variable, which takes 128 KB{other}. {ELSEWHERE}"
    )


def escape_commands(line: str) -> str:
    """Break what the runner would take for a command by a blank; leave all else as it is."""
    if ":" in line:
        line = _COMMAND.sub(r"\1 ", line)
    return _OLD_COMMAND.sub(r"\1 ", line) if "[" in line else line


def escape_data(text: str) -> str:
    """Escape the message of a command as the runner unescapes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Escape a property of a command as the runner unescapes it."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def file_entry(name: str, value: str) -> str:
    """Write a value for GITHUB_OUTPUT and the like.

    A value of several lines goes between two random delimiters, so that none can forge one.
    """
    if "\n" not in value and "\r" not in value:
        return f"{name}={value}\n"
    delimiter = f"ghadelimiter_{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
