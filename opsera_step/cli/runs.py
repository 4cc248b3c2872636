"""The commands of a job: run a pipeline, follow its run, ask about it, stop it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from opsera_step.cli.invocation import invocation
from opsera_step.cli.options import (
    ALWAYS,
    FORMATS,
    HelpfulCommand,
    completing_alias,
    input_options,
    name_pipeline,
)
from opsera_step.job.commands.logs import LogQuery

_PIPELINE = ("pipeline", *ALWAYS)
FOLLOWING = (
    "on_timeout", "on_cancel", "on_paused", "logs", "log_limit", "poll_interval", "report_dir",
)  # fmt: skip
"""The inputs that mean something while a run is followed."""
STARTING = ("wait", "on_busy", "reset")
"""The inputs that mean something where a run is started."""
_OPTIONS = {
    "run": (*_PIPELINE, *FOLLOWING, *STARTING),
    "watch": (*_PIPELINE, *FOLLOWING, "run_count"),
    "status": (*_PIPELINE, "run_count"),
    "logs": (*_PIPELINE, "run_count", "on_paused", "logs", "log_limit", "poll_interval",
             "report_dir"),
    "stop": (*_PIPELINE, "run_count"),
    "reset": _PIPELINE,
    "cleanup": (*_PIPELINE, "on_cancel"),
}  # fmt: skip
_HELP = {
    "run": "Start a pipeline, print its log, and end with its verdict.",
    "watch": "Follow a run that is there already: the newest, or --run-count.",
    "status": "Tell how a run stands.",
    "logs": "Print the log of a run: as it is now, or as it comes.",
    "stop": "Ask a pipeline to stop after its current operation.",
    "reset": "Put a pipeline back to its first step.",
    "cleanup": "Stop the run that a killed job left behind.",
}
_MORE = {
    "run": "Exit codes: 0 success, 1 failed or stopped, 2 wrong input, 3 API, 4 token or access, "
    "8 paused, 124 timeout, 130 and 143 cancelled.",
    "watch": "Ends like run. When it is cancelled it stops the run, unless --on-cancel leave.",
    "status": "The exit code is 0 whatever the state is; --format json has it as `status`.",
    "logs": "It stops nothing, however it ends; the exit code is 0 whatever the run's state is.",
    "stop": "It is no hard stop: what is going on at that moment is finished first.",
    "reset": "The data of its current run is cleared.",
    "cleanup": "For a step that runs after the job in any case; it reads what the job left.",
}
_EXAMPLES = {
    "run": (
        'opsera-step run "Deploy shop"',
        "opsera-step run 65a4f00dc0ffee0123456789 --on-paused wait --timeout 2h",
        "opsera-step run shop --no-wait --format json | jq .runCount",
    ),
    "watch": ("opsera-step watch shop --run-count 42",),
    "status": ("opsera-step status shop", "opsera-step status shop --format json | jq -r .status"),
    "logs": (
        "opsera-step logs shop --run-count 42 > run-42.log",
        "opsera-step logs shop --follow --step Build",
        'opsera-step logs shop --type any --format json | jq -r ".[].message"',
    ),
    "stop": ("opsera-step stop shop", "opsera-step stop shop --run-count 42"),
    "reset": ("opsera-step reset shop",),
    "cleanup": ("opsera-step cleanup --output-file opsera.env",),
}


def _pipeline_command(name: str, option_names: Iterable[str]) -> click.Command:
    def act(**typed: Any) -> int:
        named, form = typed.pop("pipeline_argument"), typed.pop("form") or ""
        name_pipeline(typed, named)
        if name == "logs":
            return _logs(form, typed)
        if typed.pop("no_wait", None):
            if (typed["wait"] or "false").strip().lower() not in ("false", "no", "off", "0"):
                raise click.UsageError("--wait and --no-wait say opposite things: give one.")
            typed["wait"] = "false"
        return invocation().run(name, typed, form=form)

    formats = ("text", *FORMATS) if name == "logs" else FORMATS
    form = click.Option(
        ["--format", "form"], type=click.Choice(formats, case_sensitive=False),
        help="How to print the result to stdout; all else goes to stderr then.",
    )  # fmt: skip
    parameters: list[click.Parameter] = [
        click.Argument(
            ["pipeline_argument"],
            required=False,
            metavar="[PIPELINE]",
            shell_complete=completing_alias("pipelines"),
        ),
        *input_options(option_names),
        *_OWN_OPTIONS.get(name, ()),
        form,
    ]
    return HelpfulCommand(
        name, callback=act, params=parameters, help=f"{_HELP[name]}\n\n{_MORE[name]}",
        short_help=_HELP[name], examples=_EXAMPLES[name],
    )  # fmt: skip


_OWN_OPTIONS: dict[str, tuple[click.Option, ...]] = {
    "run": (
        click.Option(["--no-wait"], is_flag=True, default=None, help="The same as --wait false."),
    ),
    "logs": (
        click.Option(["--follow", "-f"], is_flag=True, help="Print on until the run ends."),
        click.Option(
            ["--type", "kind"], default="", metavar="TYPE",
            help="Type of the records: `console output`, `any`, or another action of them.",
        ),
        click.Option(["--step"], default="", metavar="STEP", help="Of one step: its name or ID."),
    ),
}  # fmt: skip


def _logs(form: str, typed: dict[str, Any]) -> int:
    follow, kind, step = (typed.pop(name) for name in ("follow", "kind", "step"))
    is_text = form in ("", "text")
    if follow and not is_text:
        raise click.UsageError("--follow prints text as it comes: it takes no --format.")
    if follow and kind.strip().lower() not in ("", "console output", "any"):
        raise click.UsageError("--follow takes the types `console output` and `any` only.")
    query = LogQuery(kind, step, is_text)
    command = query.follow if follow else query.show
    return invocation().run("logs", typed, command, form="" if is_text else form)


RUN_COMMANDS = tuple(_pipeline_command(name, names) for name, names in _OPTIONS.items())
