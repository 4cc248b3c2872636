"""How GitLab reads a dotenv report, and what its documentation allows in one.

Parser: gitlabhq, `app/services/ci/parse_dotenv_artifact_service.rb`; keys:
`app/models/concerns/ci/has_variable.rb`; rules: `doc/ci/yaml/artifacts_reports.md`; expansion:
`lib/gitlab/ci/variables/collection/item.rb` there, and gitlab-runner `common/variables.go` (which
hands every value to Go's `os.Expand`), since variables of a report are saved with `raw: false`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SIZE_LIMIT = 5 * 1024
"""A report must be smaller than this, in bytes."""

VARIABLE_LIMIT = 20
"""Most variables on an instance that keeps the default."""

KEY_LIMIT = 255
"""Most characters of a key."""

# Ruby's String#strip: these and NUL, on both sides.
_STRIPPED = "\t\n\v\f\r \0"
_RAILS_REFERENCE = re.compile(
    r"\$\$|%%|\$[A-Za-z_][A-Za-z0-9_]*|\$\{[^}]*\}|%[A-Za-z_]\w*%", re.ASCII
)
_GO_REFERENCE = re.compile(r"\$[A-Za-z0-9_{*#$@!?-]")


@dataclass
class Dotenv:
    """`variables` as the parser saves them; `error` if it refuses the report, and then nothing
    is saved; `violations` of the documented rules, which the parser may let pass."""

    variables: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    violations: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the report is accepted and within every documented rule."""
        return self.error is None and not self.violations


def expansions(value: str) -> list[str]:
    """Parts of a value which GitLab or the runner would replace by something else."""
    found = [match[0] for match in _RAILS_REFERENCE.finditer(value) if match[0] != "%%"]
    return found + [m[0] for m in _GO_REFERENCE.finditer(value) if m[0] not in "".join(found)]


def check(data: bytes, *, variable_limit: int = VARIABLE_LIMIT) -> Dotenv:
    """Read a report, by the parser and by the documented rules."""
    report = Dotenv()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        report.violations.append("not UTF-8")
    if text.startswith("\ufeff"):
        report.violations.append("byte order mark")
        text = text[1:]
    if len(data) >= SIZE_LIMIT:
        report.error = f"Dotenv Artifact Too Big: {len(data)} bytes"
        report.violations.append("5 KB or more")
    for number, line in enumerate(re.findall(r"[^\n]*\n|[^\n]+", text), 1):
        _read(report, number, line)
    _limits(report, variable_limit)
    return report


def _read(report: Dotenv, number: int, line: str) -> None:
    report.violations += [f"line {number}: {fault}" for fault in _line_faults(line)]
    key, equals, value = line.rstrip("\n").partition("=")
    if not equals:
        report.error = report.error or f"Invalid Format (line {number})"
        return
    key = key.strip(_STRIPPED)
    if key in report.variables:
        report.violations.append(f"line {number}: {key} is given twice")
    report.variables[key] = value.strip(_STRIPPED)


def _limits(report: Dotenv, variable_limit: int) -> None:
    if len(report.variables) > variable_limit:
        report.error = report.error or f"more than {variable_limit} variables"
        report.violations.append(f"{len(report.variables)} variables")
    for key in report.variables:
        if not re.fullmatch("[a-zA-Z0-9_]+", key) or len(key) > KEY_LIMIT:
            report.error = report.error or f"Key {key!r} is invalid"


def _line_faults(line: str) -> list[str]:
    text = line.rstrip("\n")
    if not text.strip(_STRIPPED):
        return ["blank line"]
    if text.lstrip(_STRIPPED).startswith("#"):
        return ["comment"]
    key, equals, value = text.partition("=")
    if not equals:
        return ["no ="]
    return _key_faults(key) + _value_faults(value)


def _key_faults(key: str) -> list[str]:
    faults = []
    if not re.fullmatch("[a-zA-Z0-9_]*", key):
        faults.append(f"key {key!r} has other characters than letters, digits and _")
    if not 0 < len(key) <= KEY_LIMIT:
        faults.append("key is empty or too long")
    return faults


def _value_faults(value: str) -> list[str]:
    faults = []
    if re.search(r"\s", value):
        faults.append("value has white space")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        faults.append("value has a control character")
    if value[:1] in {"'", '"'}:
        faults.append("value begins with a quote, which would stay in it")
    return faults + [f"value holds {part}, which is expanded" for part in expansions(value)]
