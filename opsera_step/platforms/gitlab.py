"""GitLab CI: collapsible sections, and the dotenv report.

Sources: https://docs.gitlab.com/ci/jobs/job_logs/ (sections) and
https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv; what GitLab does with
the file is in its ParseDotenvArtifactService.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from opsera_step.platforms.base import (
    ELSEWHERE,
    ERROR,
    PREFIX,
    WARNING,
    Platform,
    one_line,
    output_variable,
    replace_file,
)

DOTENV_LIMIT = 5 * 1024
"""Bytes; a larger report is refused as a whole."""
LOG_LIMIT = int(3.5 * 1024 * 1024)
"""Bytes; the runner cuts a job's log at 4 MiB, and other commands print too."""

ANNOTATIONS = "annotations.json"
"""Name of the file, in the report's folder, with the links for the job's page."""

_ERASE_LINE = "\x1b[0K"
_COLOURS = {WARNING: "\x1b[33;1m", ERROR: "\x1b[31;1m"}
_SHORTENED_FIRST = ("result", "message", "pipelineName", "failedStep", "url")
_LONG = 500
_TOO_LONG = (
    "OPSERA_RESULT was left out of the dotenv report: GitLab takes less than 5 KB in all. "
    + ELSEWHERE
)
_UNSAFE = re.compile(r"[\s$%\x00-\x1f\x7f-\x9f]|^[\"']")


class GitLab(Platform):
    """A job of GitLab CI."""

    name = "gitlab"
    colour = True
    folds = True
    input_defaults = {"output_file": "opsera.env"}  # noqa: RUF012 - ClassVar in the base class
    auto_log_limit = LOG_LIMIT
    _sections = 0

    def say(self, text: str, level: str = "") -> None:
        """Print a line of ours, coloured by its level."""
        word = f"{level.upper()}: " if level in _COLOURS else ""
        line = f"{PREFIX}{word}{text}"
        coloured = self.colour and level in _COLOURS
        self._write([f"{_COLOURS[level]}{line}\x1b[0m" if coloured else line])

    def open_group(self, title: str) -> None:
        """Begin a section, under a name that is used once in the job."""
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
        """Write the dotenv report; say so when not all of it fits."""
        failure = super().write_outputs(outputs, file)
        fits = "result" not in outputs or any(
            "OPSERA_RESULT=" in one for one in self._dotenv(outputs)
        )
        return failure or ("" if fits else _TOO_LONG)

    def write_links(self, folder: str, links: Mapping[str, str]) -> str:
        """Write the annotations report: GitLab shows its links on the job's page.

        https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsannotations
        """
        all_links = {**links, **self._artifact(folder, "report.html")}
        shown = [{"external_link": {"label": a, "url": b}} for a, b in all_links.items() if b]
        file = Path(folder, ANNOTATIONS)
        try:
            replace_file(file, json.dumps({"Opsera": shown}, indent=2) + "\n")
        except OSError as error:
            return f"The links can't be written to {file}: {error.strerror or error}."
        return ""

    def _artifact(self, folder: str, name: str) -> dict[str, str]:
        """Return the address of a file that becomes the job's artifact, if it can."""
        job, project = self._environ.get("CI_JOB_URL"), self._environ.get("CI_PROJECT_DIR")
        try:
            path = Path(folder, name).absolute().relative_to(project or "")
        except ValueError:
            return {}
        return {"Report": f"{job}/artifacts/file/{quote(path.as_posix())}"} if job else {}

    def _dotenv(self, outputs: Mapping[str, str]) -> list[str]:
        """Write lines within GitLab's rules; when they are too many bytes, shorten the longest.

        The whole outcome as JSON goes first: what is in it is in the other outputs too.
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
    `%NAME%` in it, which API text must not be able to use. JSON has escapes of its own for that;
    other values are percent-encoded.
    """
    escape = _json_escape if name == "result" else _percent_encode
    return _UNSAFE.sub(escape, one_line(value))


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


def _percent_encode(found: re.Match[str]) -> str:
    # Of a wide blank's bytes GitLab would take the first for a variable, as in `%E2%80%83`.
    return f"%{ord(found.group()):02X}" if found.group().isascii() else "%20"


def _lines(values: Mapping[str, str]) -> list[str]:
    return [f"{output_variable(name)}={value}" for name, value in values.items()]


def _size(values: Mapping[str, str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in _lines(values))
