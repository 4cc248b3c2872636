"""One job from inputs to exit code: load the inputs, carry out the command, finish.

Every exit passes through `_Ending`, which writes the outputs, the job log, the report, the step
summary, and the state, each under a guard of its own.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import TypeVar

from opsera_step import files
from opsera_step.api import OpseraClient, redact_tokens
from opsera_step.clock import Clock, Deadline, SystemClock
from opsera_step.config import (
    Inputs,
    Setting,
    load_inputs,
    read_settings,
    read_token_file,
    token_to_mask,
)
from opsera_step.display import Answer, JobLog, LogLimit, print_result, print_steps, step_lines
from opsera_step.errors import (
    Cancelled,
    ExitCode,
    InternalError,
    InvalidInput,
    Malformed,
    NotFound,
    OpseraStepError,
)
from opsera_step.job import commands
from opsera_step.job.cancellation import JobEmergency, cancel
from opsera_step.job.commands import cleanup
from opsera_step.job.job import CommandResult, Job
from opsera_step.job.output import Output
from opsera_step.outcome import Outcome, with_hint
from opsera_step.platforms import Platform, detect
from opsera_step.report import Report
from opsera_step.signals import InterruptibleClock, Signals
from opsera_step.text import Scrubber, json_text

Command = Callable[[Job], CommandResult]
T = TypeVar("T")

_WITH_LOG = ("run", "watch", "logs")
"""The commands that read a log, and so have a whole report."""


def run_job(
    environ: Mapping[str, str],
    output: Output,
    signals: Signals,
    *,
    command: Command | None = None,
    options: Mapping[str, Setting] | None = None,
    tool: str = "",
    clock: Clock | None = None,
    jitter: Callable[[], float] = random.random,
) -> int:
    """Run the job of the inputs and return the exit code; no exception escapes.

    `command` is what to do instead of the input `command`, and `tool` what it is about, by ID,
    name, or alias.
    """
    clock, options = clock or SystemClock(), dict(options or {})
    platform = detect(environ, output.log, clock)
    end = _Ending(platform, output, environ, options)
    with ExitStack() as stack:
        try:
            if cleanup.is_requested(options):
                nothing = cleanup.nothing_to_do(platform, environ, options)
                if nothing:
                    platform.print_message(nothing)
                    return ExitCode.SUCCESS
                environ, options = cleanup.needed_inputs(platform, environ, options)
            inputs = load_inputs(environ, options, platform, tool=tool)
            _check_files(inputs, platform)
            end.job = job = _connect(inputs, environ, output, platform, clock, signals, jitter)
            stack.enter_context(job.report)
            if job.report.note:
                job.log.print_message(job.report.note)
            if isinstance(clock, SystemClock) and inputs.timeout:
                signals.end_after(inputs.timeout)
            end.result = _carry_out(job, command or commands.command_named(inputs.command))
        except OpseraStepError as error:
            end.error = error
        except Exception as error:  # noqa: BLE001 - the last boundary: a bug of our own
            if platform.debug:
                platform.lines(traceback.format_exc().splitlines())
            end.error = InternalError(f"{type(error).__name__}: {error}")
        return end.finish()


def reject(
    environ: Mapping[str, str], output: Output, error: OpseraStepError, *, is_reported: bool = False
) -> int:
    """Report a command that can't be run; the outputs are still written."""
    platform = detect(environ, output.log)
    end = _Ending(platform, output, environ, {})
    if is_reported:
        return int(end.write_rejection(error).exit_code)
    end.error = error
    return end.finish()


def _token_reader(
    inputs: Inputs, platform: Platform, scrubber: Scrubber
) -> Callable[[], str] | None:
    """Return a function that reads token_file again, and keeps a new token out of the log."""
    if not inputs.token_file or inputs.token_source != f"the file {inputs.token_file!r}":
        return None

    def reread() -> str:
        token = read_token_file(inputs.token_file)
        if token:
            platform.mask(token)
            scrubber.add_token(token)
        return token

    return reread


def _check_files(inputs: Inputs, platform: Platform) -> None:
    """Reject output files that are links out of the workspace, before any request."""
    problems = {
        "output_file": inputs.output_file
        and files.output_file_problem(inputs.output_file, platform.workspace),
        "report_dir": inputs.report_dir
        and files.report_dir_problem(inputs.report_dir, platform.workspace),
    }
    if any(problems.values()):
        error = InvalidInput([f"{name}: {text}" for name, text in problems.items() if text])
        error.output_file = inputs.output_file
        raise error


def _connect(
    inputs: Inputs,
    environ: Mapping[str, str],
    output: Output,
    platform: Platform,
    clock: Clock,
    signals: Signals,
    jitter: Callable[[], float],
) -> Job:
    """Create the collaborators of the job; nothing is requested yet."""
    platform.mask(inputs.token)
    for warning in inputs.warnings:
        platform.print_message(redact_tokens(warning), "warning")
    scrubber, interruptible = Scrubber(inputs.token), InterruptibleClock(clock, signals)
    # Neither a cleanup nor a query must replace the report of a job.
    directory = inputs.report_dir if inputs.command != "cleanup" else ""
    is_query = inputs.command not in commands.COMMANDS
    report = Report(
        directory,
        platform.workspace,
        with_log=inputs.command in _WITH_LOG,
        is_answer=is_query,
        timestamps=inputs.timestamps,
    )
    data = detect(environ, output.data, clock) if output.data is not None else None
    # The lines of a log are the data of the command `logs`; all else is progress.
    lines_apart = data is not None and not output.form and inputs.command == "logs"
    log = JobLog(
        platform,
        scrubber,
        interruptible,
        LogLimit(inputs.log_limit),
        report if report.keeps_log else None,
        data=data if lines_apart else None,
        shows_log=inputs.logs != "none" and (not output.is_quiet or lines_apart),
        is_quiet=output.is_quiet,
        timestamps=inputs.timestamps,
        waits_when_paused=inputs.on_paused == "wait",
        verbose=inputs.verbose,
    )
    client = OpseraClient(
        inputs.base_url,
        inputs.token,
        interruptible,
        ca_bundle=inputs.ca_bundle,
        agent=f"({platform.name})",
        guard=signals.guard,
        token_source=inputs.token_source,
        reread_token=_token_reader(inputs, platform, scrubber),
        log_request=log.print_request if inputs.verbose else None,
    )
    job = Job(
        inputs=inputs,
        platform=platform,
        client=client,
        clock=interruptible,
        deadline=Deadline.after(interruptible, inputs.timeout),
        jitter=jitter,
        scrubber=scrubber,
        log=log,
        report=report,
        signals=signals,
        started=interruptible.monotonic(),
        data=data,
        shows_secrets=output.shows_secrets,
    )
    signals.emergency = JobEmergency(job)
    return job


def _carry_out(job: Job, command: Command) -> CommandResult:
    try:
        if job.follows:
            # The outputs of an earlier job must not be mistaken for this one's.
            job.write_outputs({})
        return command(job)
    except Cancelled as cancelled:
        return cancel(job, cancelled)


class _Ending:
    """The end of a job: what every exit passes through."""

    def __init__(
        self,
        platform: Platform,
        output: Output,
        environ: Mapping[str, str],
        options: Mapping[str, Setting],
    ) -> None:
        self._platform, self._output = platform, output
        self._environ, self._options = environ, options
        self.job: Job | None = None
        """None until the inputs are loaded."""
        self.result: CommandResult | None = None
        self.error: OpseraStepError | None = None
        """What ended the job, if there is no result."""

    def finish(self) -> int:
        """Write to every sink and return the exit code."""
        if self.job is None:
            return self._finish_rejected(self.error or InternalError("the job has no result"))
        job, error = self.job, self.error or InternalError("the job has no result")
        result = self.result or CommandResult(_failed(job, error))
        outcome = result.outcome.but(
            elapsed=job.clock.monotonic() - job.started, log_lines=job.log.line_count
        )
        # The data first: where it can't be written, the outputs have to say so too.
        outcome = self._guarded("the data", lambda: self._print_data(job, result, outcome), outcome)
        if result.writes_outputs:
            self._guarded("the outputs", lambda: job.write_outputs(outcome.outputs()), None)
        if isinstance(job.signals.emergency, JobEmergency):
            job.signals.emergency.settled = outcome
        for what, sink in (
            ("the job log", lambda: self._print_log(job, result, outcome)),
            ("the report", lambda: _write_report(job, outcome)),
            ("the links", lambda: _write_links(job, outcome)),
            ("the step summary", lambda: _write_summary(job, result, outcome)),
            ("the state", lambda: _save_state(job, result)),
        ):
            failure = self._guarded(what, sink, "")
            if failure:
                self._platform.print_message(failure, "warning")
        self._report_lost_log()
        return int(outcome.exit_code)

    def _guarded(self, what: str, sink: Callable[[], T], default: T) -> T:
        """Write to one sink; a failure must not prevent the others."""
        try:
            return sink()
        except Exception as error:  # noqa: BLE001 - each sink on its own
            if self._platform.debug:
                self._platform.lines(traceback.format_exc().splitlines())
            with suppress(Exception):
                self._platform.print_message(
                    f"Can't write {what}: {type(error).__name__}.", "warning"
                )
            return default

    def _print_data(self, job: Job, result: CommandResult, outcome: Outcome) -> Outcome:
        """Print what was asked for; return the outcome with the answer in it."""
        to = job.data or job.platform
        try:
            outcome, lines = self._data_lines(job, result, outcome)
        except RecursionError:
            malformed = Malformed("The API's response is nested too deeply to print.")
            outcome, lines = _failed(job, malformed), []
        to.lines(lines)
        if job.data is not None and job.data.lost and not job.follows:
            lost = InvalidInput([f"Can't write the data to stdout: {job.data.lost}"])
            return _failed(job, lost) if outcome.exit_code == ExitCode.SUCCESS else outcome
        return outcome

    def _data_lines(
        self, job: Job, result: CommandResult, outcome: Outcome
    ) -> tuple[Outcome, list[str]]:
        form, answer = self._output.form, result.answer
        if answer is None and not form:
            return outcome, _sentence_lines(job, outcome) if _is_sentence(job, outcome) else []
        # Only queries wait for these to load.
        from opsera_step.display.formats import answer_lines  # noqa: PLC0415
        from opsera_step.display.views import outcome_answer  # noqa: PLC0415

        if answer is not None:
            outcome = outcome.but(answer=json_text(job.scrubber.data(answer.data), indent=None))
        elif job.inputs.command in (*commands.COMMANDS, "approve", "reject"):
            answer = outcome_answer(outcome, job.state.responses)
            if outcome.status == "error" and isinstance(answer.data, dict):
                answer = Answer({**answer.data, **_error_document(outcome)}, answer.tables)
        elif form == "json":
            answer = Answer(_error_document(outcome))
        else:
            return outcome, []
        return outcome, list(answer_lines(answer, form, self._output.width, job.scrubber))

    def _print_log(self, job: Job, result: CommandResult, outcome: Outcome) -> str:
        job.log.finish()
        no_answer = not self._output.form and result.answer is None
        printed_as_data = no_answer and _is_sentence(job, outcome)
        if job.follows or (job.inputs.command == "status" and job.data is None):
            print_steps(outcome, job.log)
        if job.follows or not printed_as_data:
            print_result(
                outcome,
                job.log,
                log_wanted=job.follows and job.inputs.logs != "none",
                most_errors=job.platform.most_errors,
                with_link=_wants_link(job, result),
            )
        if job.data is not None and job.data.lost and job.follows:
            job.log.print_message(f"Can't write the result to stdout: {job.data.lost}", "warning")
        return ""

    def _report_lost_log(self) -> None:
        """Report a job log that could not be written, where there is another place for that."""
        if self._output.complaints is not None and self._platform.lost:
            with suppress(OSError, ValueError):
                self._output.complaints.write(f"Can't write to stdout: {self._platform.lost}.\n")

    def _finish_rejected(self, error: OpseraStepError) -> int:
        """Report why nothing was started: all problems of the inputs, and the outputs."""
        platform, scrubber = self._platform, self._scrubber
        problems = [f"{error.message} {error.hint}".strip()]
        if isinstance(error, InvalidInput):
            problems = list(error.problems)
            for warning in error.warnings:
                platform.print_message(scrubber.inline(redact_tokens(warning), 1000), "warning")
        problems = [scrubber.inline(redact_tokens(problem), 1000) for problem in problems]
        # Past what the platform shows of annotations the problems are still in the log.
        most = platform.most_errors or len(problems)
        for problem in problems[most:]:
            platform.print_message(problem, "error")
        for problem in problems[:most]:
            platform.annotate("error", "opsera-step: invalid input", problem)
        outcome = self.write_rejection(error)
        self._report_lost_log()
        return int(outcome.exit_code)

    def write_rejection(self, error: OpseraStepError) -> Outcome:
        """Write the outputs and data of a job whose inputs are invalid; return its outcome."""
        scrubber = self._scrubber
        message = scrubber.inline(redact_tokens(error.message), 2000)
        outcome = Outcome(error.status, error.exit_code, message, scrubber.inline(error.hint))
        named = error.output_file if isinstance(error, InvalidInput) else ""
        failure = self._guarded(
            "the outputs",
            lambda: self._platform.write_outputs(outcome.outputs(), named or self._output_file()),
            "",
        )
        if failure:
            self._platform.print_message(failure, "warning")
        if self._output.form == "json" and self._output.data is not None:
            self._guarded("the data", lambda: self._print_error(outcome), None)
        return outcome

    def _output_file(self) -> str:
        settings = read_settings(self._environ, self._options, self._platform)
        return settings.valid_inputs().output_file

    @cached_property
    def _scrubber(self) -> Scrubber:
        return Scrubber(token_to_mask(self._environ, self._options))

    def _print_error(self, outcome: Outcome) -> None:
        data = detect(self._environ, self._output.data or self._output.log)
        data.lines(json_text(_error_document(outcome)).split("\n"))


def _error_document(outcome: Outcome) -> dict[str, object]:
    return {
        "error": {
            "message": outcome.message,
            "hint": outcome.hint,
            "exitCode": int(outcome.exit_code),
        }
    }


def _wants_link(job: Job, result: CommandResult) -> bool:
    """Whether the link is worth a line at the end: not where it was printed just before."""
    if job.follows:
        return job.inputs.wait and job.state.status is not None
    return result.answer is None


def _is_sentence(job: Job, outcome: Outcome) -> bool:
    """Whether the data of a command is the sentence about its outcome; of others it is a log."""
    asked = outcome.exit_code == ExitCode.SUCCESS or (
        job.inputs.command == "status" and outcome.status not in ("error", "timeout", "cancelled")
    )
    return job.data is not None and asked and job.inputs.command not in _WITH_LOG


def _sentence_lines(job: Job, outcome: Outcome) -> list[str]:
    """Return the data of a command that has no answer of its own: its result, in a sentence."""
    lines = [with_hint(outcome)]
    if job.inputs.command == "status":
        lines += step_lines(outcome)
    return lines


def _failed(job: Job, error: OpseraStepError) -> Outcome:
    """Return the outcome of a job that an error ended."""
    message = error.message
    message += "" if message.endswith((".", "!", "?", "…")) else "."
    state = job.state
    unknown_run = isinstance(error, NotFound) and state.status is None
    over = state.status is not None and state.status.state.final
    if state.run is not None and job.follows and not over and not unknown_run:
        message += f" Run {state.run.count} may still be in progress; this job stopped watching it."
    hint = _hint(job, error)
    return job.known(error.status, error.exit_code).but(
        message=job.scrubber.inline(message, 1000),
        hint=job.scrubber.inline(hint, 1000),
        about_run=job.follows,
    )


def _hint(job: Job, error: OpseraStepError) -> str:
    """Return the remedy, based on how the pipeline and the run were named."""
    inputs, state = job.inputs, job.state
    if isinstance(error, NotFound) and inputs.run_count and state.pipeline and state.run:
        return f"Check run_count: the latest run is {state.pipeline.run_count}."
    near = inputs.near_alias
    if not near or not error.by_name:
        return error.hint
    if near == (inputs.tool or inputs.pipeline):
        return f"“{near}” is an alias itself; an alias can't refer to another alias. {error.hint}"
    return f"The config file has the alias “{near}”. {error.hint}"


def _write_report(job: Job, outcome: Outcome) -> str:
    excerpts = job.log.excerpts if job.report.keeps_log else None
    return job.report.write(outcome, job.clock.time(), excerpts)


def _write_links(job: Job, outcome: Outcome) -> str:
    if not job.report.keeps_log:
        return ""
    label = f"Opsera run {outcome.run_count}" if outcome.run_count else "Opsera"
    return job.platform.write_links(job.inputs.report_dir, {label: outcome.url})


def _write_summary(job: Job, result: CommandResult, outcome: Outcome) -> str:
    """Write the step summary of a run, or the tables that a query was answered with."""
    room = job.platform.summary_room
    if not room:
        return ""
    # At the end only.
    from opsera_step.report.summary import answer_summary, step_summary  # noqa: PLC0415

    if job.follows or job.inputs.command == "status":
        page = step_summary(outcome, job.log.excerpts, room, report=job.inputs.report_dir)
        return job.platform.write_summary(page)
    if result.answer is None:
        return ""
    page = answer_summary(result.answer, job.inputs.command, job.scrubber, room)
    return job.platform.write_summary(page) if page else ""


def _save_state(job: Job, result: CommandResult) -> str:
    """Note that the cleanup has nothing to do, unless a run may have been left behind.

    That is so if a stop that was wanted failed, or if the job was cancelled while the request for
    a run was in flight and no run appeared.
    """
    state, is_cancelled = job.state, job.signals.number is not None
    in_flight = is_cancelled and state.requested and state.run is None
    stop = state.stop
    was_left = stop is not None and (stop.failure is not None or stop.is_unknown)
    if result.writes_outputs and not was_left and not in_flight:
        job.save_state(done="true")
    return ""
