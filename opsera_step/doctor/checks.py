"""The checks in their order, what each needs, and the runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from opsera_step.api import (
    contains_token,
)
from opsera_step.config import TABLE
from opsera_step.doctor import access, network, pipeline
from opsera_step.doctor.check import Check, Level, fail, ok, skip, warn
from opsera_step.doctor.examination import Examination
from opsera_step.errors import ExitCode

_MAX_SHOWN = 80
_SECRET_INPUTS = ("token", "parameters")


class Spec(NamedTuple):
    """A check: its name, the checks without whose success it is skipped, and its function."""

    name: str
    needs: tuple[str, ...]
    function: Callable[[Examination], Check]


def check_inputs(exam: Examination) -> Check:
    """Show every input that is set with its source, and everything that is invalid."""
    names = [one.name for one in TABLE if one.name in exam.settings.values]
    valid = [one for one in names if one not in exam.invalid and one not in ("command", "base_url")]
    shown = [_describe(exam, name) for name in valid]
    message = f"Configured: {', '.join(shown)}." if shown else "Nothing is configured."
    warnings = exam.settings.warnings
    if exam.invalid:
        count = len(exam.invalid)
        problems = f"{count} invalid input{'s' * (count != 1)}."
        hint = "The other checks ignore the invalid inputs."
        details = (*exam.invalid.values(), *warnings, message)
        return fail("inputs", problems, hint, *details, code=ExitCode.INVALID_INPUT)
    if warnings:
        return warn("inputs", message, "", *warnings)
    return ok("inputs", message)


def _describe(exam: Examination, name: str) -> str:
    value, source = exam.settings.values[name]
    alias = exam.settings.alias
    if name == "pipeline" and alias is not None:
        source += f"; alias “{alias.value}” from {alias.source}"
    if name in _SECRET_INPUTS or contains_token(value):
        return f"{name} ({source})"
    shown = value if len(value) <= _MAX_SHOWN else value[:_MAX_SHOWN] + "…"
    return f"{name} {shown} ({source})"


CHECKS = (
    Spec("inputs", (), check_inputs),
    Spec("base_url", (), network.check_base_url),
    Spec("dns", ("base_url",), network.check_dns),
    Spec("proxy", ("base_url",), network.check_proxy),
    Spec("connection", ("dns", "proxy"), network.check_connection),
    Spec("clock", ("connection",), network.check_clock),
    Spec("api", ("connection",), network.check_api),
    Spec("token", (), access.check_token),
    Spec("access", ("api", "token"), access.check_access),
    Spec("changes", (), access.check_changes),
    Spec("pipeline", ("api", "token"), pipeline.check_pipeline),
    Spec("run", ("pipeline",), pipeline.check_run),
)


def run_checks(exam: Examination) -> Iterator[Check]:
    """Yield each check as soon as it is done; skip those that lack a requirement."""
    blocked: dict[str, str] = {}
    for name, needs, function in CHECKS:
        reason = next((blocked[need] for need in needs if need in blocked), "")
        check = skip(name, reason, blocks=True) if reason else function(exam)
        if check.blocks:
            is_skipped = check.level is Level.SKIP
            blocked[name] = check.message if is_skipped else f"Skipped ({name} failed)."
        yield check
