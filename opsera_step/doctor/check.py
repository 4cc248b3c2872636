"""What the doctor finds: a check a line, and the exit code of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from opsera_step.api.token import redact_tokens
from opsera_step.errors import ApiError, ExitCode
from opsera_step.text import Scrubber

_LONGEST = 600


class Level(Enum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    level: Level
    says: str
    remedy: str = ""
    details: tuple[str, ...] = ()
    exit_code: ExitCode = ExitCode.SUCCESS
    """What the process ends with because of this."""
    listed: tuple[str, ...] = ()
    """Further details, that need no line each on a screen."""

    def made_safe(self, safe: Scrubber) -> Check:
        """Return it without control characters and without the token, in no text of it."""

        def clean(text: str) -> str:
            return safe.inline(redact_tokens(text), _LONGEST)

        return replace(
            self,
            says=clean(self.says),
            remedy=clean(self.remedy),
            details=tuple(map(clean, self.details)),
            listed=tuple(map(clean, self.listed)),
        )

    def data(self) -> dict[str, Any]:
        """Return it for JSON and YAML."""
        return {
            "check": self.name,
            "level": self.level.value,
            "says": self.says,
            "remedy": self.remedy,
            "details": [*self.details, *self.listed],
        }


def good(name: str, says: str, *details: str) -> Check:
    """Make a check that came out well."""
    return Check(name, Level.OK, says, details=details)


def warning(name: str, says: str, remedy: str, *details: str) -> Check:
    """Make a check that may come to matter."""
    return Check(name, Level.WARNING, says, remedy, details)


def fault(name: str, says: str, remedy: str, *details: str, code: ExitCode) -> Check:
    """Make a check that found a fault."""
    return Check(name, Level.FAULT, says, remedy, details, code)


def fault_of_api(name: str, error: ApiError) -> Check:
    """Make a check that found what a call of the API raised."""
    return Check(name, Level.FAULT, error.message, error.hint, exit_code=error.exit_code)


def skipped(name: str, why: str, remedy: str = "") -> Check:
    """Make a check that could not be done."""
    return Check(name, Level.SKIPPED, why, remedy)


def exit_code_of(checks: Iterable[Check]) -> ExitCode:
    """Return the exit code: that of the first fault, from which others may follow."""
    faults = (one.exit_code for one in checks if one.level is Level.FAULT)
    return next(faults, ExitCode.SUCCESS)
