"""How GitHub's runner reads GITHUB_OUTPUT, GITHUB_STATE, and GITHUB_STEP_SUMMARY.

The rules are those of `EnvFileKeyValuePairs` and `CreateStepSummaryCommand` in actions/runner,
`src/Runner.Worker/FileCommandManager.cs`, on Linux.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from . import dotnet

SUMMARY_LIMIT = 1024 * 1024
"""Bytes of a step summary beyond which it is not shown at all (FileCommandManager.cs)."""


class FileCommandError(Exception):
    """The runner's error for a file that it can't read; the step fails."""


@dataclass
class FileCommands:
    """Values in the order they are set, and the error that ended the reading, if one did.

    What came before the error has been set nevertheless.
    """

    pairs: list[tuple[str, str]] = field(default_factory=list)
    error: str | None = None

    @property
    def values(self) -> dict[str, str]:
        """The values by name; the last one of a name wins."""
        return dict(self.pairs)


@dataclass(frozen=True)
class Summary:
    """What becomes of a step summary: the text that is shown, or why none is."""

    text: str
    error: str | None = None


def outputs(data: bytes) -> FileCommands:
    """Read a GITHUB_OUTPUT file (`SetOutputFileCommand`). An output needs a name."""
    return _collect(data, needs_name=True)


def state(data: bytes) -> FileCommands:
    """Read a GITHUB_STATE file (`SaveStateFileCommand`)."""
    return _collect(data, needs_name=False)


def summary(data: bytes) -> Summary:
    """Read a GITHUB_STEP_SUMMARY file (`CreateStepSummaryCommand`): all of it or nothing."""
    if len(data) > SUMMARY_LIMIT:
        size, limit = len(data) // 1024, SUMMARY_LIMIT // 1024
        return Summary("", f"supports content up to a size of {limit}k, got {size}k")
    return Summary(dotnet.decode(data))


def _collect(data: bytes, *, needs_name: bool) -> FileCommands:
    found = FileCommands()
    try:
        for name, value in _pairs(dotnet.decode(data)):
            if needs_name and not name:
                found.error = "Value cannot be null or empty: name"
                break
            found.pairs.append((name, value))
    except FileCommandError as error:
        found.error = str(error)
    return found


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    index = 0
    while index < len(text):
        line, index, _ = _read_line(text, index)
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and not 0 <= heredoc < equals:
            yield line[:equals], line[equals + 1 :]
        elif heredoc >= 0:
            name, delimiter = line[:heredoc], line[heredoc + 2 :]
            if not name or not delimiter:
                raise FileCommandError(f"Invalid format '{line}'. Name and delimiter are needed")
            value, index = _heredoc(text, index, delimiter)
            yield name, value
        else:
            raise FileCommandError(f"Invalid format '{line}'")


def _heredoc(text: str, start: int, delimiter: str) -> tuple[str, int]:
    """The value up to a line that is only the delimiter, and the next position."""
    index = end = start
    while True:
        if index >= len(text):
            raise FileCommandError(f"Invalid value. Matching delimiter not found '{delimiter}'")
        line, index, newline = _read_line(text, index)
        if line == delimiter:
            return text[start:end], index
        if not newline:
            raise FileCommandError("Invalid value. EOF marker missing new line.")
        end = index - newline


def _read_line(text: str, start: int) -> tuple[str, int, int]:
    """A line, where the next one starts, and the length of the line end. Only LF ends a line on
    Linux: a CR before it belongs to the value."""
    end = text.find("\n", start)
    return (text[start:], len(text), 0) if end < 0 else (text[start:end], end + 1, 1)
