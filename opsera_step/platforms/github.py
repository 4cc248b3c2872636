"""GitHub Actions: workflow commands, and the files for outputs, state, and summary.

Sources: https://docs.github.com/actions/reference/workflow-commands-for-github-actions, and the
runner's own parsers (actions/runner: ActionCommand.cs, FileCommandManager.cs).
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from opsera_step import files
from opsera_step.platforms.base import PREFIX, RESULT_IS_IN_REPORT, SENTENCE_END, Platform, label

SUMMARY_LIMIT = 1024 * 1024
"""Bytes; a larger step summary is dropped as a whole."""
VARIABLE_LIMIT = 128 * 1024
"""Bytes; Linux starts no program with a longer variable (MAX_ARG_STRLEN in execve(2))."""
JOB_OUTPUT_LIMIT = 1024 * 1024
"""Bytes, in UTF-16, of the outputs that a job hands on (docs.github.com, "Defining outputs")."""
ANNOTATION_LENGTH = 200
"""Maximum characters of an annotation; the rest is printed to the log."""
_LEAST_QUOTE = 60
_RULE = "\n\n---\n\n"
_NO_OUTPUT = "GITHUB_OUTPUT is not set, so later steps can't read the outputs."

# The runner takes `::` for a command after any leading white space, and `##[` anywhere in a line.
# It compares by culture, which gives some characters no weight (format characters, variation
# selectors, and the like), so `:` + U+200B + `:` counts too, and only a visible one breaks it.
_NO_WEIGHT = "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
_NO_WEIGHT += "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]*"
_COMMAND = re.compile(rf"^((?:\s|{_NO_WEIGHT[:-1]})*:)(?={_NO_WEIGHT}:)")
_OLD_COMMAND = re.compile(rf"(#{_NO_WEIGHT}#)(?={_NO_WEIGHT}\[)")

# By culture `::` is not found where it forms one character with the text beside it: before a
# combining mark (and a few other characters that join the one before), and after a character that
# joins the next one. A command with such text would be printed instead of executed.
_JOINS_BEFORE = re.compile("[\u0e33\u0eb3\u200d\uff9e\uff9f\U0001f3fb-\U0001f3ff]")
_JOINS_AFTER = re.compile(
    "[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e\U000110bd\U000110cd\U000111c2\U000111c3"
    "\U0001193f\U00011941\U00011a3a\U00011a84-\U00011a89\U00011d46\U00011f02]$"
)


class GitHub(Platform):
    """A job of GitHub Actions."""

    name = "github"
    color = True
    folds = True
    keeps_state = True
    quotes_details = True
    most_errors = 10

    @property
    def debug(self) -> bool:
        """Whether debug logging is on, for this job or only for opsera-step."""
        return self._environ.get("RUNNER_DEBUG") == "1" or super().debug

    def lines(self, lines: Sequence[str]) -> None:
        """Print log lines; none of them can be a workflow command."""
        self._write([escape_commands(line) for line in lines])

    def print_message(self, text: str, level: str = "") -> None:
        """Print one of our messages; API text in it can't be a command either."""
        self._write([escape_commands(f"{PREFIX}{label(level)}{text}")])

    def open_group(self, title: str) -> None:
        """Start a group; groups do not nest, so the one before is closed."""
        self.close_group()
        self._write([f"::group::{set_apart(escape_data(escape_commands(title)))}"])
        self._group_open = True

    def close_group(self) -> None:
        """End the group, if one is open."""
        if self._group_open:
            self._write(["::endgroup::"])
        self._group_open = False

    def annotate(self, level: str, title: str, text: str, details: Sequence[str] = ()) -> None:
        """Add a short annotation to the page of the run; it shows in the log too.

        The details follow the text as far as there is room. What is left of a long text goes to
        the log as ordinary lines.
        """
        first, rest = first_sentences(text, ANNOTATION_LENGTH)
        shown = [first, *_quotes(details, ANNOTATION_LENGTH - len(first))]
        message = set_apart(escape_data("\n".join(map(escape_commands, shown))))
        named = set_apart(escape_property(escape_commands(title)))
        self._write([f"::{level} title={named}::{message}"])
        for line in rest:
            self.print_message(line)

    def mask(self, secret: str) -> None:
        """Have the runner replace the secret in all that is printed from now on."""
        if not secret.strip():
            return
        data = escape_data(secret)
        # The runner masks each line of the value, so the empty first one does no harm.
        self._write([f"::add-mask::{data if set_apart(data) == data else '%0A' + data}"])

    def write_outputs(self, outputs: Mapping[str, str], file: str) -> str:
        """Append to GITHUB_OUTPUT, and write the output file too if one is named."""
        failure = self._append("GITHUB_OUTPUT", outputs)
        if outputs and not self._environ.get("GITHUB_OUTPUT"):
            failure = _NO_OUTPUT
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
        """Append to the step summary, separated by a rule from what is there already."""
        try:
            path = Path(self._environ["GITHUB_STEP_SUMMARY"])
            rule = _RULE if path.exists() and path.stat().st_size else ""
            files.append(str(path), rule + markdown, on_own_line=False)
        except KeyError:
            return "Can't write the step summary: GITHUB_STEP_SUMMARY is not set."
        except OSError as error:
            return f"Can't write the step summary: {files.reason_of(error)}."
        return ""

    def save_state(self, state: Mapping[str, str]) -> str:
        """Leave state for the post step, which gets it as STATE_ variables."""
        values = {f"opsera_{name}": value for name, value in state.items()}
        return self._append("GITHUB_STATE", values)

    def saved_state(self, file: str) -> dict[str, str]:
        """Read the state that the main step left."""
        prefix = "STATE_OPSERA_"
        return {
            name.upper().removeprefix(prefix).lower(): value
            for name, value in self._environ.items()
            if name.upper().startswith(prefix)
        }

    def _append(self, variable: str, values: Mapping[str, str]) -> str:
        """Append values to the file that a variable names; return the problem, if any."""
        path = self._environ.get(variable)
        if not path or not values:
            return ""
        try:
            files.append(path, "".join(file_entry(*entry) for entry in values.items()))
        except OSError as error:
            return f"Can't write to the file of {variable}: {files.reason_of(error)}."
        return ""


def _too_long(outputs: Mapping[str, str]) -> str:
    """Return a warning if the output `result` is too long for some uses."""
    result = outputs.get("result", "")
    size = len(result.encode("utf-8", "replace"))
    if size < VARIABLE_LIMIT:
        return ""
    jobs = len(result.encode("utf-16-le", "replace")) >= JOB_OUTPUT_LIMIT
    other = " and for an output of the job (at most 1 MB)" if jobs else ""
    return (
        f"The output result is {size // 1024} KB, too long for an environment variable (at most "
        f"128 KB){other}. {RESULT_IS_IN_REPORT}"
    )


def first_sentences(text: str, length: int) -> tuple[str, list[str]]:
    """Split a text after as many of its first sentences as fit; at least one comes first.

    The other sentences and lines are returned one by one. A first sentence that is much longer
    than it may be is cut, and comes whole again among the others.
    """
    sentences = SENTENCE_END.split(text)
    first = sentences.pop(0)
    while sentences and len(first) + 1 + len(sentences[0]) <= length:
        first += f" {sentences.pop(0)}"
    if len(first) > length * 1.25:
        return f"{first[: length - 1]}…", [first, *sentences]
    return first, sentences


def _quotes(details: Sequence[str], room: int) -> list[str]:
    """Return the first details as far as there is room; the very first one is always included."""
    shown: list[str] = []
    for line in (line.strip() for line in details if line.strip()):
        if len(line) + 1 > room:
            if not shown:
                width = max(room, _LEAST_QUOTE)
                shown.append(line if len(line) <= width else f"{line[: width - 1]}…")
            break
        shown.append(line)
        room -= len(line) + 1
    return shown


def escape_commands(line: str) -> str:
    """Break text that the runner would interpret as a command with a space."""
    if ":" in line:
        line = _COMMAND.sub(r"\1 ", line)
    return _OLD_COMMAND.sub(r"\1 ", line) if "[" in line else line


def set_apart(text: str) -> str:
    """Put a space where the text would join the `::` of a command before or after it."""
    if text and not text[0].isascii():
        kind = unicodedata.category(text[0])
        if kind.startswith("M") or kind == "Cn" or _JOINS_BEFORE.match(text):
            text = f" {text}"
    return _JOINS_AFTER.sub(r"\g<0> ", text)


def escape_data(text: str) -> str:
    """Escape the message of a command as the runner unescapes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Escape a property of a command as the runner unescapes it."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def file_entry(name: str, value: str) -> str:
    """Write a value for GITHUB_OUTPUT and the like.

    A value of several lines goes between two random delimiters, so that no text can forge one.
    """
    if "\n" not in value and "\r" not in value:
        return f"{name}={value}\n"
    delimiter = f"ghadelimiter_{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
