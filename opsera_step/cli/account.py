"""The commands that ask about an account: pipelines, tools, tasks and audit logs."""

from __future__ import annotations

import errno
import sys
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import click

from opsera_step.cli.invocation import invocation
from opsera_step.cli.options import (
    ALWAYS,
    HelpfulCommand,
    completing_alias,
    completing_path,
    format_option,
    name_pipeline,
    with_inputs,
)
from opsera_step.errors import InvalidInput
from opsera_step.job.commands import account as commands
from opsera_step.job.commands.update_tool import ToolUpdate, read_assignments, read_properties


def _day(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    """Check a day as the API takes it."""
    if not value:
        return ""
    try:
        if date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    raise click.BadParameter(f"{value!r} is no day written as YYYY-MM-DD, like 2026-11-01.")


_COUNT = click.IntRange(min=1)
_TASK_RECORDS = 1000


@click.command(
    cls=HelpfulCommand,
    short_help="List the pipelines.",
    examples=[
        "opsera-step pipelines",
        "opsera-step pipelines --format json | jq -r '.[].name'",
    ],
)
@format_option()
@with_inputs(*ALWAYS)
def pipelines(form: str, **typed: str | None) -> int:
    """List the pipelines that the token's owner sees; it takes the Power User role."""
    return invocation().run("pipelines", typed, commands.list_pipelines, form=form)


@click.command(
    cls=HelpfulCommand,
    short_help="Show a pipeline and its steps.",
    examples=[
        "opsera-step summary 65a4f00dc0ffee0123456789",
        'opsera-step summary "Build and deploy shop" --format json | jq .workflow.plan',
    ],
)
@click.argument(
    "pipeline_argument", required=False, metavar="[PIPELINE]",
    shell_complete=completing_alias("pipelines"),
)  # fmt: skip
@format_option()
@with_inputs("pipeline", *ALWAYS)
def summary(pipeline_argument: str | None, form: str, **typed: str | None) -> int:
    """Show a pipeline and its steps: by ID, exact name, or alias of the config file."""
    name_pipeline(typed, pipeline_argument)
    return invocation().run("summary", typed, commands.show_pipeline, form=form)


@click.group(short_help="List, show and update tools of the registry.")
def tool() -> None:
    """List, show and update tools of the registry."""


@tool.command(
    "list",
    cls=HelpfulCommand,
    short_help="List the tools.",
    examples=["opsera-step tool list", "opsera-step tool list --format yaml > tools.yml"],
)
@format_option()
@with_inputs(*ALWAYS)
def tool_list(form: str, **typed: str | None) -> int:
    """List the tools that the token's owner sees; it takes the Power User role."""
    return invocation().run("tool list", typed, commands.list_tools, form=form)


@tool.command(
    "show",
    cls=HelpfulCommand,
    short_help="Show a tool.",
    examples=[
        "opsera-step tool show 65a4f00dc0ffee0000000101",
        'opsera-step tool show "Shop Jenkins" --format json | jq .configuration',
    ],
)
@click.argument("name", metavar="TOOL", shell_complete=completing_alias("tools"))
@format_option()
@with_inputs(*ALWAYS)
def tool_show(name: str, form: str, **typed: str | None) -> int:
    """Show a tool: by ID, exact name, or alias of the config file."""
    return invocation().run("tool show", typed, commands.show_tool, form=form, tool=name)


@tool.command(
    "update",
    cls=HelpfulCommand,
    short_help="Change properties of a tool.",
    examples=[
        'opsera-step tool update "Shop Jenkins" --set description="Builds the shop"',
        "opsera-step tool update 65a4f00dc0ffee0000000101 --set active=false --yes",
        'opsera-step tool update jenkins --set \'tags=["shop", "ci"]\' --file tool.yml',
    ],
)
@click.argument("name", metavar="TOOL", shell_complete=completing_alias("tools"))
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE",
    help="Replace a root property; VALUE is read as JSON if it is that, else as text. Repeatable.",
)  # fmt: skip
@click.option(
    "--file", "file", metavar="FILE", shell_complete=completing_path(),
    help="Replace the properties that are in this YAML or JSON file; --set goes before it.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Make the changes without asking; needed in a job.")
@format_option()
@with_inputs(*ALWAYS)
def tool_update(
    name: str, assignments: tuple[str, ...], file: str | None, *, yes: bool, form: str, **typed: Any
) -> int:
    """Replace root properties of a tool, after showing what changes.

    Only what is named and differs is sent; an object such as configuration is replaced as a whole.
    """
    if not assignments and not file:
        raise click.UsageError("Nothing is named to change: use --set KEY=VALUE or --file FILE.")
    try:
        named = {**_properties(file), **read_assignments(assignments)}
    except InvalidInput as error:
        raise click.UsageError(f"{'; '.join(error.problems)}.") from None
    here = invocation()
    ask = partial(here.confirm, "Make these changes?") if here.is_interactive else None
    update = ToolUpdate(named, confirmed=yes, ask=ask)
    return here.run("tool update", typed, update.carry_out, form=form, tool=name)


def _properties(file: str | None) -> dict[str, Any]:
    if not file:
        return {}
    from opsera_step.config.yaml_data import read_yaml_data  # noqa: PLC0415 - few commands need it

    try:
        text = _stdin() if file == "-" else Path(file).read_text("utf-8-sig")
        return read_properties(read_yaml_data(text), repr(file) if file != "-" else "the input")
    except UnicodeDecodeError:
        raise InvalidInput([f"--file: {file!r} can't be read: it is not UTF-8 text"]) from None
    except OSError as error:
        raise InvalidInput([f"--file: {file!r} can't be read: {error.strerror or error}"]) from None
    except ValueError as error:
        raise InvalidInput([f"--file: {file!r} can't be read: {error}"]) from None


def _stdin() -> str:
    if sys.stdin is None:
        raise OSError(errno.EBADF, "standard input is closed")
    text: str = invocation().ask(sys.stdin.read)
    return text


@click.group(short_help="List and show tasks, their state and their logs.")
def task() -> None:
    """List and show tasks, their state and their logs."""


@task.command(
    "list",
    cls=HelpfulCommand,
    short_help="List the tasks.",
    examples=["opsera-step task list"],
)
@format_option()
@with_inputs(*ALWAYS)
def task_list(form: str, **typed: str | None) -> int:
    """List the tasks that the token's owner may use."""
    return invocation().run("task list", typed, commands.list_tasks, form=form)


@task.command(
    "show",
    cls=HelpfulCommand,
    short_help="Show a task.",
    examples=['opsera-step task show "Sync CRM repository"'],
)
@click.argument("name", metavar="TASK")
@format_option()
@with_inputs(*ALWAYS)
def task_show(name: str, form: str, **typed: str | None) -> int:
    """Show a task: by ID or exact name."""
    return invocation().run("task show", typed, commands.TaskCommands(name).show, form=form)


@task.command(
    "status",
    cls=HelpfulCommand,
    short_help="Tell how a task's newest run stands.",
    examples=["opsera-step task status 65a4f00dc0ffee0000000201"],
)
@click.argument("name", metavar="TASK")
@format_option()
@with_inputs(*ALWAYS)
def task_status(name: str, form: str, **typed: str | None) -> int:
    """Tell how a task's newest run stands, in the API's word."""
    return invocation().run("task status", typed, commands.TaskCommands(name).status, form=form)


@task.command(
    "logs",
    cls=HelpfulCommand,
    short_help="Print the log of a task.",
    examples=[
        'opsera-step task logs "Sync CRM repository"',
        "opsera-step task logs 65a4f00dc0ffee0000000201 --run-count 2 --format json",
    ],
)
@click.argument("name", metavar="TASK")
@click.option("--run-count", "run", type=_COUNT, metavar="N", help="Of this run of the task only.")
@click.option("--page", type=click.IntRange(min=0), metavar="N", help="One page of the API only.")
@click.option(
    "--count", type=click.IntRange(min=0), default=_TASK_RECORDS, show_default=True, metavar="N",
    help="Most records, over as many pages as it takes; 0 for all.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "table", "json", "yaml"]), default="text",
    show_default=True, help="The log's text, oldest first; or its records as the API gave them.",
)  # fmt: skip
@with_inputs(*ALWAYS)
def task_logs(
    name: str, *, run: int | None, page: int | None, count: int, form: str, **typed: Any
) -> int:
    """Print the log of a task."""
    act = partial(
        commands.TaskCommands(name).logs,
        run_count=run, page=page, count=count, as_text=form == "text",
    )  # fmt: skip
    return invocation().run("task logs", typed, act, form=form)


@click.group(short_help="Read the audit logs: who changed what, which token was used.")
def audit() -> None:
    """Read the audit logs: who changed what, and for what tokens were used.

    They take a token of the scope api or security-logs whose owner is a Power User or Site Admin.
    Without --date they tell of the last seven days.
    """


@audit.command(
    "actions",
    cls=HelpfulCommand,
    short_help="List what users changed.",
    examples=[
        "opsera-step audit actions",
        "opsera-step audit actions --date 2026-11-01 --type pipeline --format json",
    ],
)
@click.option("--date", "day", callback=_day, metavar="YYYY-MM-DD", help="Of this day only.")
@click.option("--type", "kind", default="", metavar="TYPE", help="Of this type only: pipeline, …")
@click.option("--count", type=_COUNT, metavar="N", help="Most entries.")
@format_option()
@with_inputs(*ALWAYS)
def audit_actions(day: str, kind: str, count: int | None, form: str, **typed: Any) -> int:
    """List what users changed, the newest first."""
    question = commands.AuditCommands(day, kind=kind, count=count)
    return invocation().run("audit actions", typed, question.actions, form=form)


@audit.command(
    "tokens",
    cls=HelpfulCommand,
    short_help="List for what tokens were used.",
    examples=["opsera-step audit tokens --date 2026-11-01 --scope api"],
)
@click.option("--date", "day", callback=_day, metavar="YYYY-MM-DD", help="Of this day only.")
@click.option("--scope", default="", metavar="SCOPE", help="Of tokens of this scope only: api, …")
@format_option()
@with_inputs(*ALWAYS)
def audit_tokens(day: str, scope: str, form: str, **typed: Any) -> int:
    """List for what tokens were used, the newest first."""
    return invocation().run(
        "audit tokens", typed, commands.AuditCommands(day, scope=scope).tokens, form=form
    )


ACCOUNT_COMMANDS: tuple[click.Command, ...] = (summary, pipelines, tool, task, audit)
