"""The command `doctor`: checks on a terminal, in a job log, or as data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, TextIO

from opsera_step import __version__, files
from opsera_step.clock import Clock, SystemClock
from opsera_step.config import RawSettings, Setting, read_settings
from opsera_step.display import Answer, Table
from opsera_step.display.formats import yaml_text
from opsera_step.display.table import table_lines
from opsera_step.doctor.check import Check, Level, exit_code_of, fail, warn
from opsera_step.doctor.checks import run_checks
from opsera_step.doctor.examination import Examination
from opsera_step.doctor.probe import Probe
from opsera_step.doctor.screen import can_merge, ending, lines, merge, one_line, summary
from opsera_step.errors import Cancelled, ExitCode, InternalError, InvalidInput
from opsera_step.outcome import Outcome
from opsera_step.platforms import Platform, detect
from opsera_step.report.summary import answer_summary
from opsera_step.signals import InterruptibleClock, Signals
from opsera_step.text import Scrubber, json_text


def run(
    environ: Mapping[str, str],
    out: TextIO,
    signals: Signals,
    *,
    options: Mapping[str, Setting],
    form: str = "table",
    is_job: bool = False,
    width: int | None = None,
    clock: Clock | None = None,
    probe_file: str = "",
    err: TextIO | None = None,
) -> int:
    """Examine the configuration, print the result, and return the exit code.

    In a job (`is_job`), it is printed to the job log through the platform, and the outputs are
    written. Otherwise it is printed to `out` in the requested form, and nothing else is. With a
    `probe_file`, the tenant is probed, too, and the result is written to this file. Debug logs go
    to the job log, or to `err`.

    Raises:
        InvalidInput: if that file is a link that leads out of the workspace.
    """
    clock = InterruptibleClock(clock or SystemClock(), signals)
    platform = detect(environ, out, clock)
    if problem := probe_file and files.output_file_problem(probe_file, platform.workspace):
        raise InvalidInput([f"--probe-file: {problem}"])
    settings = read_settings(environ, options, platform)
    token = settings.value("token")
    if is_job and token:
        platform.mask(token)
    printer, scrubber = _Printer(platform, form, width, is_job=is_job), Scrubber(token)
    agent = f"({platform.name})"
    log = platform if is_job or err is None else detect(environ, err, clock)
    exam = Examination(
        settings, environ, clock, agent=agent, guard=signals.guard,
        log_request=partial(_log_request, log),
    )  # fmt: skip
    probe = Probe(exam, scrubber, probe_file, platform.workspace) if probe_file else None
    checks, code = _examine(exam, scrubber, printer, probe)
    answer = Answer(as_data(checks, code, probe), probe.tables() if probe else ())
    printer.finish(checks, answer)
    if is_job:
        _write_outputs(platform, settings, checks, code, answer)
        _write_summary(platform, scrubber, checks, answer)
    elif platform.lost and code == ExitCode.SUCCESS:
        raise OSError(platform.lost)
    return code


def _log_request(log: Platform, method: str, path: str, status: int | None, seconds: float) -> None:
    log.print_message(f"{method} {path}: {status or 'no response'} in {seconds:.2f}s", "debug")


def _examine(
    exam: Examination, scrubber: Scrubber, printer: _Printer, probe: Probe | None
) -> tuple[list[Check], int]:
    """Print each check as it is done; return all of them and the exit code."""
    checks: list[Check] = []

    def add(check: Check) -> None:
        checks.append(check.scrubbed(scrubber))
        printer.add(checks[-1])

    try:
        for check in run_checks(exam):
            add(check)
        if probe is not None:
            add(probe.check())
        code = int(exit_code_of(checks))
    except Exception as error:  # noqa: BLE001 - what was found so far must be printed
        message = f"Internal error in a check: {type(error).__name__}: {error}"
        add(fail("doctor", message, InternalError.hint, code=ExitCode.INTERNAL))
        code = int(ExitCode.INTERNAL)
    except Cancelled as cancelled:
        add(warn("doctor", "Cancelled before all checks finished.", "Run it again."))
        code = cancelled.exit_code
    return checks, code


class _Printer:
    """Prints checks as they come, or all of them at the end."""

    def __init__(self, platform: Platform, form: str, width: int | None, *, is_job: bool) -> None:
        self._platform, self._width, self._is_job = platform, width, is_job
        self._form = "table" if is_job else form
        self._held: list[Check] = []

    def add(self, check: Check) -> None:
        """Print a check; hold back a skipped one until the reason of the next one is known."""
        if self._form != "table":
            return
        if self._held and not can_merge(self._held, check):
            self._flush()
        if check.level is Level.SKIP:
            self._held.append(check)
        else:
            self._print(check)

    def finish(self, checks: list[Check], answer: Answer) -> None:
        """Print what is held back, the tables, and the summary; or the data."""
        self._flush()
        if self._form == "json":
            self._print_line(json_text(answer.data))
            return
        if self._form == "yaml":
            self._print_line(yaml_text(answer.data).rstrip())
            return
        for table in answer.tables:
            self._print_line("")
            for line in table_lines(table, self._width):
                self._print_line(line)
        if self._is_job:
            self._annotate(checks)
        else:
            self._print_line("")
            self._print_line(ending(checks))

    def _annotate(self, checks: list[Check]) -> None:
        """Show the first problem as prominently as the platform can, with its hint."""
        for level, name in ((Level.FAIL, "error"), (Level.WARN, "warning")):
            if any(one.level is level for one in checks):
                self._platform.annotate(name, "opsera-step doctor", one_line(checks))
                return
        self._platform.print_message(one_line(checks))

    def _flush(self) -> None:
        if self._held:
            self._print(merge(self._held))
        self._held = []

    def _print(self, check: Check) -> None:
        for line in lines(check, colored=self._platform.color, width=self._width):
            self._print_line(line)

    def _print_line(self, line: str) -> None:
        if self._is_job:
            self._platform.print_message(line)
        else:
            self._platform.lines(line.split("\n"))


def as_data(checks: list[Check], code: int, probe: Probe | None) -> dict[str, Any]:
    """Return all checks for JSON and YAML, and what the probe found."""
    return {
        "version": __version__,
        "exitCode": code,
        "summary": summary(checks),
        "checks": [one.data() for one in checks],
        **({"probe": probe.document()} if probe is not None else {}),
    }


def _write_outputs(
    platform: Platform, settings: RawSettings, checks: list[Check], code: int, answer: Answer
) -> None:
    status = "success" if code == ExitCode.SUCCESS else "error"
    result = json_text(answer.data, indent=None)
    outputs = {**Outcome(status, code, one_line(checks)).outputs(), "result": result}
    failure = platform.write_outputs(outputs, settings.value("output_file"))
    if failure:
        platform.print_message(failure, "warning")


def _write_summary(
    platform: Platform, scrubber: Scrubber, checks: list[Check], answer: Answer
) -> None:
    """Show the checks and the tables of the probe on the job's page, where there is one."""
    if not platform.summary_room:
        return
    rows = [(one.level.value, one.name, f"{one.message} {one.hint}".strip()) for one in checks]
    shown = Answer(None, (Table(("LEVEL", "CHECK", "RESULT"), rows), *answer.tables))
    page = answer_summary(shown, "doctor", scrubber, platform.summary_room)
    if failure := platform.write_summary(page):
        platform.print_message(failure, "warning")
