"""The use case: inputs to client to trigger to follow to render to platform to exit code.

Everything that happens to a job ends here: each way out writes the outputs and tells the verdict.
"""

from __future__ import annotations

import io
import os
import random
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple, TextIO

from opsera_step import files
from opsera_step.api import OpseraClient
from opsera_step.api.token import redact_tokens
from opsera_step.clock import Clock, Deadline, SystemClock
from opsera_step.config import Inputs, Setting, collect, from_environment, likely_typos
from opsera_step.display import JobLog, LogLimit, print_result, print_steps
from opsera_step.errors import (
    Cancelled,
    ExitCode,
    InternalError,
    InvalidInput,
    Malformed,
    NotFound,
    OpseraStepError,
)
from opsera_step.job.cancellation import cancel, prepare_for_the_worst
from opsera_step.job.commands.run import COMMANDS
from opsera_step.job.context import FOLLOWING, Context
from opsera_step.outcome import Outcome
from opsera_step.platforms import Platform, Split, detect
from opsera_step.report import Report
from opsera_step.signals import Cancellation, InterruptibleClock
from opsera_step.text import Scrubber

_WITH_LOG = (*FOLLOWING, "logs")
"""The commands that read a log, and so have all of a report."""


class Order(NamedTuple):
    """A command that has an answer: what to do, and where and how to print the answer."""

    act: Callable[[Context], None] | None = None
    """What to do; None for the job's own command of that name."""
    data: TextIO | None = None
    """Where the answer goes; None: into the job log."""
    form: str = ""
    """How to print the answer: table, json or yaml; empty for what the job log says anyway."""
    width: int | None = None
    """Columns that the answer may take, None for any number."""
    complaints: TextIO | None = None
    """Where to say that the job log can't be written; None where there is no other place."""


def run_job(
    environ: Mapping[str, str],
    out: TextIO,
    cancellation: Cancellation,
    *,
    options: Mapping[str, Setting] | None = None,
    order: Order | None = None,
    clock: Clock | None = None,
    jitter: Callable[[], float] = random.random,
) -> int:
    """Do what the inputs say and return the exit code; nothing escapes, not even our own faults."""
    clock, order = clock or SystemClock(), order or Order()
    platform = detect(environ, out, clock)
    for typo in likely_typos(environ):
        platform.say(typo, "warning")
    try:
        inputs = collect(environ, options or {}, platform.input_defaults, platform.auto_log_limit)
        _check_files(inputs, platform)
        act = order.act or _act_of(inputs.command)
        data = detect(environ, order.data, clock) if order.data else platform
        lines = data if order.data and not order.form else None
        job = _prepare(inputs, platform, clock, cancellation, jitter, lines)
        job.data = data if order.data else None
    except InvalidInput as error:
        return _refuse(error, platform, {**from_environment(environ), **(options or {})})
    prepare_for_the_worst(job, real_time=isinstance(clock, SystemClock))
    with job.report:
        if job.report.note:
            job.log.say(job.report.note)
        _carry_out(job, act)
        _finish(job, order, data)
    return int(job.outcome.exit_code)


def refuse(environ: Mapping[str, str], out: TextIO, error: OpseraStepError) -> int:
    """Tell of a command that can't be carried out; the outputs are written even now."""
    platform = detect(environ, out, SystemClock())
    return _refuse(error, platform, from_environment(environ))


def _act_of(command: str) -> Callable[[Context], None]:
    if command not in COMMANDS:
        raise InvalidInput(
            [f"command: {command!r} is for the command line, which can't be used here"]
        )
    return COMMANDS[command]


def _check_files(inputs: Inputs, platform: Platform) -> None:
    """Refuse files that links in the checkout would have written elsewhere, before any request."""
    problems = {
        "output_file": inputs.output_file
        and files.output_file_problem(inputs.output_file, platform.workspace),
        "report_dir": inputs.report_dir
        and files.report_dir_problem(inputs.report_dir, platform.workspace),
    }
    if any(problems.values()):
        raise InvalidInput([f"{name}: {text}" for name, text in problems.items() if text])


def _refuse(error: OpseraStepError, platform: Platform, given: Mapping[str, Setting]) -> int:
    """Tell why nothing was begun, all faults of the inputs; the outputs are written even now."""
    safe = Scrubber(given["token"].value if "token" in given else "")
    told = error.problems if isinstance(error, InvalidInput) else [f"{error.message} {error.hint}"]
    faults = [redact_tokens(fault) for fault in told]
    # Past what the platform shows of annotations the faults still stand in the log.
    most = platform.most_errors or len(faults)
    for fault in faults[most:]:
        platform.say(safe.inline(fault, 1000), "error")
    for fault in faults[:most]:
        platform.annotate("error", "opsera-step input", safe.inline(fault, 1000))
    outcome = Outcome("error", error.exit_code, safe.inline(redact_tokens(error.message), 2000))
    file = given["output_file"].value if "output_file" in given else ""
    file = file or platform.input_defaults.get("output_file", "")
    failure = platform.write_outputs(outcome.outputs(), file)
    if failure:
        platform.say(failure, "warning")
    return int(outcome.exit_code)


def _prepare(
    inputs: Inputs,
    platform: Platform,
    clock: Clock,
    cancellation: Cancellation,
    jitter: Callable[[], float],
    lines: Platform | None,
) -> Context:
    platform.mask(inputs.token)
    # What cleans up after a job, or asks about an account, must not replace that job's report.
    folder = inputs.report_dir if inputs.command != "cleanup" else ""
    is_question = inputs.command not in COMMANDS
    report = Report(
        folder, platform.workspace, with_log=inputs.command in _WITH_LOG, is_answer=is_question
    )
    safe = Scrubber(inputs.token)
    interruptible = InterruptibleClock(clock, cancellation)
    client = OpseraClient(
        inputs.base_url,
        inputs.token,
        interruptible,
        ca_bundle=inputs.ca_bundle,
        agent=f"({platform.name})",
        guard=cancellation.guard,
    )
    return Context(
        inputs=inputs,
        platform=platform,
        client=client,
        clock=interruptible,
        deadline=Deadline.after(interruptible, inputs.timeout),
        jitter=jitter,
        scrubber=safe,
        log=JobLog(
            platform if lines is None else Split(platform, lines),
            safe,
            interruptible,
            LogLimit(inputs.log_limit),
            report if report.keeps_log else None,
            shows_log=inputs.logs != "none",
        ),
        report=report,
        cancellation=cancellation,
        outcome=Outcome("error", ExitCode.INTERNAL),
        began=interruptible.monotonic(),
    )


def _carry_out(job: Context, act: Callable[[Context], None]) -> None:
    try:
        act(job)
    except Cancelled as cancelled:
        cancel(job, cancelled)
    except OpseraStepError as error:
        _fail(job, error)
    except Exception as error:  # noqa: BLE001 - the last boundary: a fault of our own
        if job.platform.debug:
            job.log.say(job.scrubber.text(traceback.format_exc()))
        _fail(job, InternalError(f"{type(error).__name__}: {error}"))


def _fail(job: Context, error: OpseraStepError) -> None:
    message = error.message
    message += "" if message.endswith((".", "!", "?", "…")) else "."
    if job.run is not None and job.inputs.command in FOLLOWING:
        message += f" Run {job.run.count} is not watched any more; see {job.outcome.url}"
    job.learn(
        status="error",
        exit_code=error.exit_code,
        message=job.scrubber.inline(message, 1000),
        hint=job.scrubber.inline(_hint(job, error), 1000),
    )


def _hint(job: Context, error: OpseraStepError) -> str:
    """Say what to do, with what is known here of how the pipeline or the run was named."""
    inputs, is_missing = job.inputs, isinstance(error, NotFound)
    if is_missing and inputs.run_count and job.run is not None and job.pipeline is not None:
        return f"Check run_count: the newest run is {job.pipeline.run_count}."
    near = inputs.near_alias
    if not near or not error.by_name:
        return error.hint
    if near == (inputs.tool or inputs.pipeline):
        return f"“{near}” is an alias itself, and an alias can't stand for another. {error.hint}"
    return f"The config file has the alias “{near}”. {error.hint}"


def _finish(job: Context, order: Order, data: Platform) -> None:
    """Write the outputs, then tell the verdict: what later steps need goes first."""
    job.learn(
        duration=job.clock.monotonic() - job.began,
        log_lines=job.log.line_count,
    )
    if not job.outcome.steps and job.inputs.command in _WITH_LOG:
        job.take_details(job.state.details)
    lines = _answer_lines(job, order)
    if job.reports:
        job.write_outputs(job.outcome.outputs())
        job.platform.save_state({"done": "true"})
    job.is_settled = True
    job.log.finish()
    data.lines(lines)
    room = job.platform.summary_room
    follows = job.inputs.command in FOLLOWING
    if data.lost and order.data and not follows and job.outcome.exit_code == ExitCode.SUCCESS:
        _fail(job, InvalidInput([f"stdout: the answer can't be written: {data.lost}"]))
    if (follows and not room) or (job.inputs.command == "status" and not order.form):
        print_steps(job.outcome, job.log)
    most = job.platform.most_errors
    followed = follows and not job.was_over
    print_result(
        job.outcome, job.log, log_wanted=_shows_log(job), most_errors=most, followed=followed
    )
    failures = [job.report.write(job.outcome, job.clock.time()), _write_links(job)]
    if follows and room:
        failures.append(_write_summary(job, room))
    for failure in filter(None, failures):
        job.log.say(failure, "warning")
    _tell_loss(job, order, data)


def _tell_loss(job: Context, order: Order, data: Platform) -> None:
    """Say that not all could be written; where that was the answer it is no success.

    Of a run that is followed the verdict matters more.
    """
    if order.data and data.lost and job.inputs.command in FOLLOWING:
        job.log.say(f"stdout: the result can't be written: {data.lost}", "warning")
    if order.complaints is None or not job.platform.lost:
        return
    with suppress(OSError, ValueError):
        order.complaints.write(f"Not all could be written to stdout: {job.platform.lost}.\n")
    if job.inputs.command not in FOLLOWING and job.outcome.exit_code == ExitCode.SUCCESS:
        job.learn(exit_code=ExitCode.INVALID_INPUT)


def _write_summary(job: Context, room: int) -> str:
    from opsera_step.report.summary import summary  # noqa: PLC0415 - not before a run has begun

    page = summary(job.outcome, job.log.excerpts, room, report=job.inputs.report_dir)
    return job.platform.write_summary(page)


def _write_links(job: Context) -> str:
    if not job.report.keeps_log:
        return ""
    run = f"Opsera run {job.outcome.run_count}" if job.outcome.run_count else "Opsera"
    return job.platform.write_links(job.inputs.report_dir, {run: job.outcome.url})


def _answer_lines(job: Context, order: Order) -> list[str]:
    """Write down what was asked for, as data that no job log takes for a command."""
    is_question = order.act is not None
    if job.answer is None and (is_question or not order.form or job.outcome.status == "error"):
        return []
    # Only who asks waits for these to load.
    from opsera_step.display.formats import answer_lines  # noqa: PLC0415
    from opsera_step.display.views import outcome_answer  # noqa: PLC0415
    from opsera_step.text.json_text import json_text  # noqa: PLC0415

    answer = job.answer
    try:
        if answer is not None:
            job.learn(answer=json_text(job.scrubber.data(answer.data), indent=None))
        else:
            answer = outcome_answer(job.outcome, job.answers)
        return list(answer_lines(answer, order.form, order.width, job.scrubber))
    except RecursionError:
        _fail(job, Malformed("The API's answer is nested too deep to be printed."))
        job.learn(answer="")
        return []


def _shows_log(job: Context) -> bool:
    return job.inputs.logs != "none" and job.inputs.command in FOLLOWING


def utf8(stream: TextIO | None) -> TextIO:
    """Make a stream take any text, whatever the locale says: containers often have none.

    A log that is closed is as good as one that nobody reads. One that does not block would lose
    what it can't take at once.
    """
    if stream is None:
        return io.StringIO()
    with suppress(OSError, ValueError):
        os.set_blocking(stream.fileno(), True)
    if isinstance(stream.buffer, io.RawIOBase):
        # As under `python3 -u`: what a signal cuts off a write would be lost.
        return os.fdopen(stream.fileno(), "w", 1, "utf-8", "replace", newline="\n", closefd=False)
    stream.reconfigure(encoding="utf-8", errors="replace", newline="\n")  # type: ignore[attr-defined]
    return stream
