"""GitLab CI: collapsible sections, and the dotenv report.

Sources: https://docs.gitlab.com/ci/jobs/job_logs/ (sections) and
https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv; what GitLab does with
the file is in its ParseDotenvArtifactService.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from opsera_step import files
from opsera_step.platforms.base import (
    ERROR,
    PREFIX,
    RESULT_IS_IN_REPORT,
    WARNING,
    Platform,
    label,
    one_line,
    output_variable,
)

DOTENV_LIMIT = 5 * 1024
"""Bytes; a larger report is refused as a whole."""
LOG_LIMIT = int(3.5 * 1024 * 1024)
"""Bytes of the job's log that we use. The runner cuts it at 4 MiB; the rest is for the result, for
what the runner prints, and for other commands of the job."""
STAMP_SIZE = 32
"""Bytes of the time stamp that current runners put before each line (FF_TIMESTAMPS)."""
CONTINUED_AFTER = 8 * 1024
"""Bytes after which a line is continued in another one, with a time stamp of its own."""

ANNOTATIONS = "annotations.json"
"""Name of the file, in the directory of the report, with the links for the job's page."""
SPARE_TIME = 60.0
"""Seconds that are left to the job after the default timeout, to stop the run and to clean up."""
DEFAULT_TIMEOUT = 3600.0
"""Seconds; the default of the input `timeout`."""

_ERASE_LINE = "\x1b[0K"
_COLORS = {WARNING: "\x1b[33;1m", ERROR: "\x1b[31;1m"}
_SHORTENED_FIRST = ("result", "message", "pipelineName", "failedStep", "url")
_LONG = 500
_TOO_LONG = (
    "OPSERA_RESULT was left out of the dotenv report, because GitLab limits it to 5 KB. "
    + RESULT_IS_IN_REPORT
)
# GitLab interprets this at the start of any line as a time stamp, and hides it.
_STAMP = re.compile(rb".{4}-..-..T..:.{12}Z.{5}", re.DOTALL)
_COLOR_CODES = re.compile(r"(?:\x1b\[[0-9;:]*m)*")
_UNSAFE = re.compile(r"[\s$%\x00-\x1f\x7f-\x9f]|^[\"']")


class GitLab(Platform):
    """A job of GitLab CI."""

    name = "gitlab"
    color = True
    folds = True
    auto_log_limit = LOG_LIMIT
    owns_output_file = True
    _sections = _used = 0

    @property
    def input_defaults(self) -> Mapping[str, str]:
        """The dotenv report, and a timeout that leaves the job the time to stop its run."""
        defaults = {"output_file": "opsera.env"}
        left = self.time_left
        if left is not None and left - SPARE_TIME < DEFAULT_TIMEOUT:
            defaults["timeout"] = f"{max(1, int(left - SPARE_TIME))}s"
        return defaults

    @property
    def time_left(self) -> float | None:
        """Seconds until the timeout of the CI job, from when it started as far as that is known.

        https://docs.gitlab.com/ci/variables/predefined_variables/
        """
        limit = self._environ.get("CI_JOB_TIMEOUT", "")
        if not re.fullmatch(r"0*[1-9][0-9]{0,8}", limit):
            return None
        started = _seconds(self._environ.get("CI_JOB_STARTED_AT", ""))
        spent = 0.0 if started is None else max(0.0, self._clock.time() - started)
        # It is GitLab's clock; where this one is far ahead of it, nothing is known.
        return int(limit) - (spent if spent < int(limit) else 0.0)

    @property
    def debug(self) -> bool:
        """Whether debug logging is on, for this job or only for opsera-step."""
        return self._is_on("CI_DEBUG_TRACE") or super().debug

    def print_message(self, text: str, level: str = "") -> None:
        """Print one of our messages, colored by its level."""
        line = f"{PREFIX}{label(level)}{text}"
        colored = self.color and level in _COLORS
        self._write([f"{_COLORS[level]}{line}\x1b[0m" if colored else line])

    def lines(self, lines: Sequence[str]) -> None:
        """Print log lines; none of them begins with what GitLab takes for its own time stamp."""
        self._write([_set_apart(line) for line in lines])

    def log_size(self, text: str) -> int:
        """Return the bytes that the runner stores, which limits them: with its time stamps."""
        size = len(text.encode("utf-8", "replace"))
        continued = size // CONTINUED_AFTER
        return size + STAMP_SIZE * (text.count("\n") + continued) + continued

    @property
    def log_used(self) -> int:
        """How many bytes of the limit are used up by what was printed here."""
        return self._used

    def open_group(self, title: str) -> None:
        """Start a section, under a name that is used once in the job."""
        self.close_group()
        self._sections += 1
        marker = f"section_start:{int(self._clock.time())}:{self._section}"
        self._write([f"{_ERASE_LINE}{marker}\r{_ERASE_LINE}{title}"])
        self._group_open = True

    def close_group(self) -> None:
        """End the section, if one is open."""
        if self._group_open:
            marker = f"section_end:{int(self._clock.time())}:{self._section}"
            self._write([f"{_ERASE_LINE}{marker}\r{_ERASE_LINE}"])
        self._group_open = False

    @property
    def _section(self) -> str:
        return f"opsera_step_{self._sections}"

    def write_outputs(self, outputs: Mapping[str, str], file: str) -> str:
        """Write the dotenv report; return a warning if not all of it fits."""
        failure = super().write_outputs(outputs, file)
        fits = "result" not in outputs or any(
            "OPSERA_RESULT=" in one for one in self._dotenv(outputs)
        )
        return failure or ("" if fits else _TOO_LONG)

    def write_links(self, directory: str, links: Mapping[str, str]) -> str:
        """Write the annotations report: GitLab shows its links on the job's page.

        https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsannotations
        """
        all_links = {**links, **self._artifact(directory, "report.html")}
        shown = [{"external_link": {"label": a, "url": b}} for a, b in all_links.items() if b]
        file = Path(directory, ANNOTATIONS)
        try:
            with files.Directory(directory, self.workspace) as report:
                report.write(ANNOTATIONS, json.dumps({"Opsera": shown}, indent=2) + "\n")
        except OSError as error:
            return f"Can't write the links to {file}: {files.reason_of(error)}."
        return ""

    def _artifact(self, directory: str, name: str) -> dict[str, str]:
        """Return the URL of a file that becomes an artifact of the job, if it is in the project."""
        job, project = self._environ.get("CI_JOB_URL"), self._environ.get("CI_PROJECT_DIR")
        if not job or not project:
            return {}
        try:
            # Either may go through a symbolic link.
            path = Path(directory, name).resolve().relative_to(Path(project).resolve())
        except (ValueError, OSError, RuntimeError):
            return {}
        return {"Report": f"{job}/artifacts/file/{quote(path.as_posix())}"}

    def _put(self, text: str) -> None:
        super()._put(text)
        self._used += self.log_size(text)

    def _dotenv(self, outputs: Mapping[str, str]) -> list[str]:
        """Write lines within GitLab's rules; if they are too many bytes, shorten the longest.

        The whole outcome as JSON is left out first: its parts are in the other outputs too.
        """
        values = {name: encode_value(name, value) for name, value in outputs.items()}
        for name in _SHORTENED_FIRST:
            if _size(values) < DOTENV_LIMIT:
                break
            if name == "result":
                values.pop(name, None)
            elif len(values.get(name, "").encode("utf-8", "replace")) > _LONG:
                values[name] = encode_value(name, outputs[name][: _LONG // 12] + "…")
        return _lines(values)


def encode_value(name: str, value: str) -> str:
    """Encode a value for the dotenv report.

    GitLab allows no white space in a value, keeps a quote at its start, and expands `$NAME` and
    `%NAME%` in it, which text of the API must not be able to use. JSON has escapes of its own for
    that; other values are percent-encoded.
    """
    escape = _json_escape if name == "result" else _percent_encode
    return _UNSAFE.sub(escape, one_line(value))


def _seconds(timestamp: str) -> float | None:
    """Read a time such as `2026-01-31T16:47:55Z`; None if it is none."""
    try:
        return datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except (ValueError, OverflowError):
        return None


def _set_apart(line: str) -> str:
    """Put a space before a line of the log that begins like a time stamp of the runner."""
    colors = _COLOR_CODES.match(line) if line.startswith("\x1b") else None
    start = colors.end() if colors is not None else 0
    head = line[start : start + STAMP_SIZE]
    if "T" not in head or "Z" not in head:
        return line
    return f" {line}" if _STAMP.match(head.encode("utf-8", "replace")) else line


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


def _percent_encode(found: re.Match[str]) -> str:
    # GitLab would expand the first byte of a wide space as a variable, as in `%E2%80%83`.
    return f"%{ord(found.group()):02X}" if found.group().isascii() else "%20"


def _lines(values: Mapping[str, str]) -> list[str]:
    return [f"{output_variable(name)}={value}" for name, value in values.items()]


def _size(values: Mapping[str, str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in _lines(values))
