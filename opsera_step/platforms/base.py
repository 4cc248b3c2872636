"""What each platform offers, in the form that works everywhere: plain lines and an output file."""

from __future__ import annotations

import os
import select
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, TextIO

from opsera_step.clock import Clock

PREFIX = "[opsera] "
ELSEWHERE = "With report_dir its folder has it, as answer.json or result.json."
"""Where the output `result` is that a platform has no room for."""
NOTICE, WARNING, ERROR = "notice", "warning", "error"


class Platform:
    """A job log without commands, and outputs as `OPSERA_…=` lines in a file if one is named.

    Everything it is given is already clean of control characters; a platform adds its own
    commands, and breaks what its log viewer would take for one.
    """

    name: ClassVar[str] = "plain"
    input_defaults: ClassVar[Mapping[str, str]] = {}
    """Defaults of inputs on this platform, where they differ from the table's."""
    auto_log_limit: ClassVar[int | None] = None
    """Bytes of log text that `log_limit: auto` stands for; None for no limit."""
    colour: bool = False
    """Whether colours show in this log."""
    folds: ClassVar[bool] = False
    """Whether the log viewer folds groups, so that what is in them may be out of sight."""
    most_errors: ClassVar[int | None] = None
    """How many annotations of a kind are shown of a job; None for any number."""
    tick: ClassVar[float | None] = None
    """How often, in seconds, the display wants to move; None for never."""
    lost: str
    """Why not all could be written, such as a full disk; empty also where the reader went away."""

    def __init__(self, environ: Mapping[str, str], out: TextIO, clock: Clock) -> None:
        """Take the job's environment and its log."""
        self._environ, self._out, self._clock = environ, out, clock
        self._group_open = self._dead = False
        self.lost = ""
        self.colour = wants_colour(environ, default=self.colour)

    @property
    def debug(self) -> bool:
        """Whether the user wants to see more, such as the traceback of a fault of our own."""
        return self._environ.get("OPSERA_DEBUG", "").lower() in ("1", "true", "yes", "on")

    @property
    def is_deserted(self) -> bool:
        """Whether nobody reads what is printed here: a write failed, or the pipe is closed."""
        if self._dead:
            return True
        try:
            pipe = select.poll()
            pipe.register(self._out.fileno(), 0)
            return bool(pipe.poll(0))
        except (OSError, ValueError, AttributeError):
            # What is no file of the system, or a system without `poll`.
            return False

    def say(self, text: str, level: str = "") -> None:
        """Print a line of ours."""
        word = f"{level.upper()}: " if level in (WARNING, ERROR) else ""
        self._write([f"{PREFIX}{word}{text}"])

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines of the run's log."""
        self._write(lines)

    def open_group(self, title: str) -> None:
        """Begin a part of the log that belongs together; the one before is closed."""
        self.close_group()
        self._write([f"{PREFIX}--- {title} ---"])
        self._group_open = True

    def close_group(self) -> None:
        """End the open part, if there is one."""
        self._group_open = False

    def annotate(self, level: str, title: str, text: str, details: Sequence[str] = ()) -> None:
        """Show a message as prominently as the platform can.

        The details stand in the log already, so they matter only where it is read without that.
        """
        self.say(f"{title}: {text}", level)

    @property
    def room(self) -> int:
        """How many lines can be drawn anew below the log."""
        return 0

    def draw(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show what goes on below the log, each line with a time, where that can be drawn anew."""

    def mask(self, secret: str) -> None:
        """Ask the platform to hide a secret, where it can be asked."""

    def write_outputs(self, outputs: Mapping[str, str], file: str) -> str:
        """Make the outputs readable for later steps; return a sentence if that failed.

        The file is replaced as a whole, so that a reader never sees half of it.
        """
        if not file:
            return ""
        text = "".join(f"{line}\n" for line in self._dotenv(outputs))
        try:
            replace_file(Path(file), text)
        except OSError as error:
            return f"The outputs can't be written to {file}: {reason(error)}."
        return ""

    def write_links(self, folder: str, links: Mapping[str, str]) -> str:
        """Show links on the job's page, where a file in the report's folder does that.

        The links are addresses by their labels; return a sentence if it failed.
        """
        return ""

    def write_summary(self, markdown: str) -> str:
        """Show a summary on the job's page, where there is one; tell in a sentence if it failed."""
        return ""

    @property
    def summary_room(self) -> int:
        """How many bytes a summary may have here; 0 where none is shown."""
        return 0

    def save_state(self, state: Mapping[str, str]) -> None:
        """Leave a note for the clean-up after a killed job, where the platform keeps one."""

    def saved_state(self, file: str) -> dict[str, str]:
        """Read what the job left for the clean-up: here from its output file."""
        try:
            found = read_dotenv(Path(file).read_text("utf-8")) if file else {}
        except (OSError, UnicodeDecodeError):
            return {}
        return {
            "url": found.get("OPSERA_URL", ""),
            "run_count": found.get("OPSERA_RUN_COUNT", ""),
            "done": "true" if found.get("OPSERA_STATUS") else "",
        }

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
            # Nobody reads the log any more; the run, its outputs and the exit code still matter.
            self._dead = True
            if not isinstance(error, BrokenPipeError):
                self.lost = getattr(error, "strerror", None) or str(error)


def wants_colour(environ: Mapping[str, str], *, default: bool) -> bool:
    """Decide on colours: NO_COLOR (https://no-color.org) and FORCE_COLOR go before the platform."""
    if environ.get("NO_COLOR"):
        return False
    return True if environ.get("FORCE_COLOR", "") not in ("", "0") else default


def output_variable(name: str) -> str:
    """Write an output's name as a variable: `runCount` is OPSERA_RUN_COUNT."""
    return "OPSERA_" + "".join(f"_{c}" if c.isupper() else c for c in name).upper()


def reason(error: OSError) -> str:
    """Say why a file can't be written, in the system's words where these tell it."""
    if isinstance(error, FileExistsError):
        return "a file is in the place of its folder"
    return error.strerror or str(error)


def one_line(value: str) -> str:
    """Fold a value into one line, for every reader's idea of a line end."""
    return " ".join(value.splitlines()).strip()


def read_dotenv(text: str) -> dict[str, str]:
    """Read `NAME=value` lines."""
    pairs = (line.partition("=") for line in text.split("\n") if "=" in line)
    return {name: value for name, _, value in pairs}


def replace_file(path: Path, text: str) -> None:
    """Write a file so that it is either the old or the new one, whoever looks when.

    A file that can't be replaced (a mounted one, or in a folder we may not write) is overwritten,
    and so is what is no file: nobody wants /dev/null to become one.
    """
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8", "replace")
        return
    if path.parent != Path():
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError:
        path.write_text(text, "utf-8", "replace")
        return
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(text)
        # mkstemp makes it private; later steps may run as another user.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        path.write_text(text, "utf-8", "replace")
