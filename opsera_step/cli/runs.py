"""The commands about a run of a pipeline: run, watch, status, logs, stop, approve, and the like."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import click

from opsera_step.cli.invocation import Invocation, invocation
from opsera_step.cli.options import (
    ALWAYS,
    FORMATS,
    WEB_HELP,
    HelpfulCommand,
    completing_alias,
    completing_path,
    input_options,
    name_pipeline,
    read_file,
    refuse_silent_question,
)
from opsera_step.job import CommandResult, Job
from opsera_step.job.commands.approval import APPROVE, REJECT, Decision
from opsera_step.job.commands.control import open_portal, status_with_exit_code
from opsera_step.job.commands.logs import LogQuery
from opsera_step.job.commands.run import run_with_parameters

_PIPELINE = ("pipeline", *ALWAYS)
FOLLOWING = (
    "on_timeout", "on_cancel", "on_paused", "logs", "log_limit", "timestamps", "poll_interval",
    "report_dir",
)  # fmt: skip
"""The inputs that matter while a run is followed."""
STARTING = ("branch", "parameters", "wait", "on_busy", "reset")
"""The inputs that matter when a run is started."""
_INPUTS = {
    "run": (*_PIPELINE, *FOLLOWING, *STARTING),
    "watch": (*_PIPELINE, *FOLLOWING, "run_count"),
    "status": (*_PIPELINE, "run_count"),
    "logs": (
        *_PIPELINE, "run_count", "on_paused", "logs", "log_limit", "timestamps", "poll_interval",
        "report_dir",
    ),
    "stop": (*_PIPELINE, "run_count"),
    "reset": _PIPELINE,
    "approve": (*_PIPELINE, "run_count"),
    "reject": (*_PIPELINE, "run_count"),
    "open": _PIPELINE,
    "cleanup": (*_PIPELINE, "on_cancel", "on_timeout"),
}  # fmt: skip
_HELP = {
    "run": "Run a pipeline, stream its log, and exit with its result.",
    "watch": "Follow an existing run (default: the latest).",
    "status": "Show the status of a run.",
    "logs": "Print or follow (-f) a run's log.",
    "stop": "Stop a run.",
    "reset": "Reset a pipeline to its first step.",
    "approve": "Approve the step at which a run is waiting.",
    "reject": "Reject the step at which a run is waiting.",
    "open": "Print or open the URL of a pipeline in the portal.",
    "cleanup": "Stop the run that a killed job left behind.",
}
_MORE = {
    "run": "Exit codes: 0 success, 1 failed or stopped, 2 invalid input, 3 API error, "
    "4 authentication or permission, 8 paused, 124 timeout, 129, 130, and 143 cancelled.",
    "watch": "Exits like run. Ctrl-C detaches: the run continues unless --on-cancel stop.",
    "status": "The exit code is 0 whatever the status, unless --exit-status.",
    "logs": "Never stops the run. The exit code is 0 whatever the run's result.",
    "stop": "This is a graceful stop: the current operation finishes first.",
    "reset": "Clears the data of the pipeline's current run.",
    "approve": "Shows what is waiting, asks for confirmation, and lets the run continue.",
    "reject": "Shows what is waiting, asks for confirmation, and rejects it.",
    "open": "Opens the browser on a terminal; prints the URL otherwise.",
    "cleanup": "For a step that always runs after the job. Reads the state that the job left.",
}
_EXAMPLES = {
    "run": (
        'opsera-step run "Deploy shop"',
        "opsera-step run shop --branch main --param Deploy.region=eu",
        "opsera-step run shop --on-paused wait --timeout 2h",
        "opsera-step run shop --no-wait --format json | jq .runCount",
    ),
    "watch": ("opsera-step watch shop --run-count 42",),
    "status": ("opsera-step status shop", "opsera-step status shop --format json | jq -r .status"),
    "logs": (
        "opsera-step logs shop --run-count 42 > run-42.log",
        "opsera-step logs shop --follow --step Build --since 10m",
        "opsera-step logs shop --failed --tail 50",
    ),
    "stop": ("opsera-step stop shop", "opsera-step stop shop --run-count 42"),
    "reset": ("opsera-step reset shop",),
    "approve": ("opsera-step approve shop", "opsera-step approve shop --run-count 42 --yes"),
    "reject": ('opsera-step reject shop --message "Wrong version"',),
    "open": ("opsera-step open shop",),
    "cleanup": ("opsera-step cleanup --output-file opsera.env",),
}
_YES = click.Option(["--yes", "-y"], is_flag=True, help="Don't ask for confirmation.")
_STEP = click.Option(["--step"], default="", metavar="STEP", help="Only this step: name or ID.")
_DURATION = "90s, 10m, 2h"
_OWN_OPTIONS: dict[str, tuple[click.Option, ...]] = {
    "run": (
        click.Option(["--no-wait"], is_flag=True, default=None, help="Same as --wait false."),
        click.Option(
            ["--param"], multiple=True, metavar="STEP.NAME=VALUE",
            help="Parameter for this run; takes precedence over --parameters. Repeatable.",
        ),
        click.Option(
            ["--params"], metavar="FILE", shell_complete=completing_path(),
            help="Read --parameters from a file.",
        ),
    ),
    "status": (
        click.Option(
            ["--exit-status"], is_flag=True,
            help="Exit with the run's result: 0 if it succeeded or is in progress, 1 if it failed "
            "or was stopped, 8 if it is paused, 3 if its status is unrecognized.",
        ),
        click.Option(["--web"], is_flag=True, help=WEB_HELP),
    ),
    "logs": (
        click.Option(["--follow", "-f"], is_flag=True, help="Follow until the run finishes."),
        click.Option(
            ["--type", "kind"], default="", metavar="TYPE",
            help="Type of records: `console output`, `any`, or another action.",
        ),
        _STEP,
        click.Option(["--failed"], is_flag=True, help="Only the steps that failed."),
        click.Option(
            ["--tail"], type=click.IntRange(min=1), metavar="N",
            help="Only the last N lines; with --format, records."
        ),
        click.Option(
            ["--since"], metavar="DURATION", help=f"Only records from this period ({_DURATION})."
        ),
    ),
    "approve": (_YES, _STEP, click.Option(["--message"], default="", help="Recorded message.")),
    "reject": (_YES, _STEP, click.Option(["--message"], required=True, help="The reason.")),
}  # fmt: skip

Typed = dict[str, Any]
Command = Callable[[Job], CommandResult]


def _run_command(_here: Invocation, typed: Typed) -> Command | None:
    parameters, file = typed.pop("param"), typed.pop("params")
    if typed.pop("no_wait", None):
        if (typed["wait"] or "false").strip().lower() not in ("false", "no", "off", "0"):
            raise click.UsageError("--wait and --no-wait contradict each other.")
        typed["wait"] = "false"
    if file:
        if typed["parameters"]:
            raise click.UsageError("Use either --parameters or --params.")
        typed["parameters"] = read_file(file, "--params")
    return partial(run_with_parameters, words=parameters) if parameters else None


def _status_command(here: Invocation, typed: Typed) -> Command | None:
    exits_with_status, web = typed.pop("exit_status"), typed.pop("web")
    if web:
        return _open_command(here, typed)
    return status_with_exit_code if exits_with_status else None


def _logs_command(_here: Invocation, typed: Typed) -> Command:
    follow, kind, step = (typed.pop(name) for name in ("follow", "kind", "step"))
    failed, tail, since = (typed.pop(name) for name in ("failed", "tail", "since"))
    is_text = typed["form"] in ("", "text")
    typed["form"] = "" if is_text else typed["form"]
    if follow and not is_text:
        raise click.UsageError("--follow prints text as it arrives and takes no --format.")
    if follow and kind.strip().lower() not in ("", "console output", "any"):
        raise click.UsageError("--follow takes only the types `console output` and `any`.")
    if follow and (failed or tail):
        raise click.UsageError("--follow can't be combined with --failed or --tail.")
    query = LogQuery(kind, step, is_text, failed, tail, _seconds(since))
    return query.follow if follow else query.show


def _seconds(since: str | None) -> float | None:
    from opsera_step.config import parse_duration  # noqa: PLC0415 - few commands need it

    if since is None:
        return None
    try:
        seconds: float | None = parse_duration(since)
    except ValueError:
        seconds = None
    if not seconds:
        raise click.UsageError(f"Invalid value {since!r} for --since. Use {_DURATION}.")
    return seconds


def _decision(action: str) -> Callable[[Invocation, Typed], Command]:
    def command(here: Invocation, typed: Typed) -> Command:
        ask = here.confirm if here.is_interactive else None
        yes, step, message = (typed.pop(name) for name in ("yes", "step", "message"))
        refuse_silent_question(typed, confirmed=yes)
        return Decision(action, message, step, confirmed=yes, ask=ask).carry_out

    return command


def _open_command(here: Invocation, _typed: Typed) -> Command:
    return partial(open_portal, browser=here.is_interactive)


_COMMANDS: dict[str, Callable[[Invocation, Typed], Command | None]] = {
    "run": _run_command,
    "status": _status_command,
    "logs": _logs_command,
    "approve": _decision(APPROVE),
    "reject": _decision(REJECT),
    "open": _open_command,
}


def _pipeline_command(name: str, option_names: Iterable[str]) -> click.Command:
    def act(**typed: Any) -> int:
        here = invocation()
        name_pipeline(typed, typed.pop("pipeline_argument"))
        typed["form"] = typed["form"] or ""
        command = _COMMANDS[name](here, typed) if name in _COMMANDS else None
        return here.run(name, typed, command, form=typed.pop("form"))

    formats = ("text", *FORMATS) if name == "logs" else FORMATS
    parameters: list[click.Parameter] = [
        click.Argument(
            ["pipeline_argument"],
            required=False,
            metavar="[PIPELINE]",
            shell_complete=completing_alias("pipelines"),
        ),
        *input_options(option_names),
        *_OWN_OPTIONS.get(name, ()),
        click.Option(
            ["--format", "form"], type=click.Choice(formats, case_sensitive=False),
            help="Format of the result on stdout; everything else goes to stderr.",
        ),
        click.Option(
            ["--quiet", "-q"], is_flag=True, help="Print only warnings, errors, and data."
        ),
    ]  # fmt: skip
    return HelpfulCommand(
        name, callback=act, params=parameters, help=f"{_HELP[name]}\n\n{_MORE[name]}",
        short_help=_HELP[name], examples=_EXAMPLES[name],
    )  # fmt: skip


RUN_COMMANDS = tuple(_pipeline_command(name, names) for name, names in _INPUTS.items())
