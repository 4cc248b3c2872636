"""The result of one check, and the exit code of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from opsera_step.api import redact_tokens
from opsera_step.errors import ApiError, ExitCode, OpseraStepError
from opsera_step.text import Scrubber

_MAX_LENGTH = 600


class Level(Enum):
    """The level of a result."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    level: Level
    message: str
    hint: str = ""
    details: tuple[str, ...] = ()
    exit_code: ExitCode = ExitCode.SUCCESS
    """The exit code of the process because of this."""
    request: str = ""
    """The request that failed: the technical detail, shown last."""
    blocks: bool = False
    """Whether the checks that need this one can't be done."""

    def scrubbed(self, scrubber: Scrubber) -> Check:
        """Return it without control characters and without tokens, in all its texts."""

        def clean(text: str) -> str:
            return scrubber.inline(redact_tokens(text), _MAX_LENGTH)

        return replace(
            self,
            message=clean(self.message),
            hint=clean(self.hint),
            details=tuple(map(clean, self.details)),
            request=clean(self.request),
        )

    def data(self) -> dict[str, Any]:
        """Return it for JSON and YAML."""
        return {
            "check": self.name,
            "level": self.level.value,
            "message": self.message,
            "hint": self.hint,
            "details": list(self.details),
            "request": self.request,
        }


def ok(name: str, message: str, *details: str) -> Check:
    """Return a check without a problem."""
    return Check(name, Level.OK, message, details=details)


def warn(name: str, message: str, hint: str, *details: str) -> Check:
    """Return a check that found something that may become a problem."""
    return Check(name, Level.WARN, message, hint, details)


def fail(name: str, message: str, hint: str, *details: str, code: ExitCode) -> Check:
    """Return a check that found a problem."""
    return Check(name, Level.FAIL, message, hint, details, code, blocks=True)


def fail_with(name: str, error: OpseraStepError, *details: str) -> Check:
    """Return a check that found the problem that an error describes."""
    check = fail(name, error.message, error.hint, *details, code=error.exit_code)
    return replace(check, request=error.detail)


def warn_with(name: str, error: ApiError, *details: str) -> Check:
    """Return a check that got an error that need not be a problem."""
    return Check(name, Level.WARN, error.message, error.hint, details, request=error.detail)


def skip(name: str, reason: str, hint: str = "", *, blocks: bool = False) -> Check:
    """Return a check that was not done."""
    return Check(name, Level.SKIP, reason, hint, blocks=blocks)


def exit_code_of(checks: Iterable[Check]) -> ExitCode:
    """Return the exit code of the first problem, from which others may follow."""
    failed = (one.exit_code for one in checks if one.level is Level.FAIL)
    return next(failed, ExitCode.SUCCESS)
