"""The command `doctor`: an examination told on a terminal, in a job's log, or as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from opsera_step import __version__
from opsera_step.clock import Clock, SystemClock
from opsera_step.config import RawSettings, Setting, read_settings
from opsera_step.display.formats import yaml_text
from opsera_step.doctor.check import Check, Level, exit_code_of, fault, warning
from opsera_step.doctor.checks import Examination
from opsera_step.doctor.screen import conclusion, ending, lines, may_merge, merged, verdict
from opsera_step.errors import Cancelled, ExitCode, InternalError
from opsera_step.outcome import Outcome
from opsera_step.platforms import Platform, detect
from opsera_step.signals import InterruptibleClock, Signals
from opsera_step.text import Scrubber
from opsera_step.text.json_text import json_text


def consult(
    environ: Mapping[str, str],
    out: TextIO,
    signals: Signals,
    *,
    options: Mapping[str, Setting],
    form: str = "table",
    is_job: bool = False,
    reads_input_variables: bool = False,
    width: int | None = None,
    clock: Clock | None = None,
) -> int:
    """Examine what is configured, tell it, and return the exit code.

    In a job (`is_job`) it is told in the log with the platform's own means, and the outputs are
    written; else it goes to `out` in the form that was asked for, and nothing else does.
    """
    clock = InterruptibleClock(clock or SystemClock(), signals)
    platform = detect(environ, out, clock)
    settings = read_settings(
        environ, options, platform, reads_input_variables=reads_input_variables
    )
    token = settings.value("token")
    if is_job and token:
        platform.mask(token)
    teller = _Teller(platform, form, width, is_job=is_job)
    examination = Examination(
        settings,
        environ,
        clock,
        agent=f"({platform.name})",
        guard=signals.guard,
    )
    checks, code = _examine(examination, Scrubber(token), teller)
    teller.conclude(checks, code)
    if is_job:
        _write_outputs(platform, settings, checks, code)
    elif platform.lost and code == ExitCode.SUCCESS:
        raise OSError(platform.lost)
    return code


def _examine(examination: Examination, safe: Scrubber, teller: _Teller) -> tuple[list[Check], int]:
    """Tell each check as it is made; return all of them and the exit code that they come to."""
    checks: list[Check] = []
    try:
        for check in examination.checks():
            checks.append(check.made_safe(safe))
            teller.tell(checks[-1])
        code = int(exit_code_of(checks))
    except Exception as error:  # noqa: BLE001 - what was found so far has to be told all the same
        says = f"A check failed itself: {type(error).__name__}: {error}"
        check = fault("doctor", says, InternalError.hint, code=ExitCode.INTERNAL)
        checks.append(check.made_safe(safe))
        teller.tell(checks[-1])
        code = int(ExitCode.INTERNAL)
    except Cancelled as cancelled:
        code = cancelled.exit_code
        checks.append(warning("doctor", "The examination was cancelled.", "Let it run to its end."))
        teller.tell(checks[-1])
    return checks, code


class _Teller:
    """Tells checks as they come, or all of them at the end."""

    def __init__(self, platform: Platform, form: str, width: int | None, *, is_job: bool) -> None:
        self._platform, self._width, self._is_job = platform, width, is_job
        self._form = "table" if is_job else form
        self._held: list[Check] = []

    def tell(self, check: Check) -> None:
        """Tell a check; one that was skipped waits for those that were for the same reason."""
        if self._form != "table":
            return
        if self._held and not may_merge(self._held, check):
            self._flush()
        if check.level is Level.SKIPPED:
            self._held.append(check)
        else:
            self._print(check)

    def _flush(self) -> None:
        if self._held:
            self._print(merged(self._held))
        self._held = []

    def _print(self, check: Check) -> None:
        for line in lines(check, colour=self._platform.colour, width=self._width):
            self._say(line)

    def conclude(self, checks: list[Check], code: int) -> None:
        self._flush()
        if self._form == "json":
            self._say(json_text(as_data(checks, code)))
        elif self._form == "yaml":
            self._say(yaml_text(as_data(checks, code)).rstrip())
        elif self._is_job:
            self._annotate(checks)
        else:
            self._say("")
            self._say(ending(checks))

    def _annotate(self, checks: list[Check]) -> None:
        """Say the worst as prominently as the platform can, with all that is needed to act."""
        for level, name in ((Level.FAULT, "error"), (Level.WARNING, "warning")):
            if any(one.level is level for one in checks):
                self._platform.annotate(name, "opsera-step doctor", verdict(checks))
                return
        self._platform.say(verdict(checks))

    def _say(self, line: str) -> None:
        if self._is_job:
            self._platform.say(line)
        else:
            self._platform.lines(line.split("\n"))


def as_data(checks: list[Check], code: int) -> dict[str, Any]:
    """Return all checks for JSON and YAML."""
    return {
        "version": __version__,
        "exitCode": code,
        "conclusion": conclusion(checks),
        "checks": [one.data() for one in checks],
    }


def _write_outputs(
    platform: Platform, settings: RawSettings, checks: list[Check], code: int
) -> None:
    word = "success" if code == ExitCode.SUCCESS else "error"
    result = json_text(as_data(checks, code), indent=None)
    outputs = {**Outcome(word, code, verdict(checks)).outputs(), "result": result}
    failure = platform.write_outputs(outputs, settings.value("output_file"))
    if failure:
        platform.say(failure, "warning")
