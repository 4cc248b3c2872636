"""The commands about an account: pipelines, tools, tasks, audit logs, and any other endpoint."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from copy import copy
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Any

import click

from opsera_step.cli.invocation import invocation
from opsera_step.cli.options import (
    ALWAYS,
    WEB_HELP,
    HelpfulCommand,
    HelpfulGroup,
    completing_alias,
    completing_path,
    format_option,
    name_pipeline,
    quiet_option,
    read_file,
    refuse_silent_question,
    with_inputs,
)
from opsera_step.errors import InvalidInput
from opsera_step.job import CommandResult
from opsera_step.job.commands import account as commands
from opsera_step.job.commands.control import open_portal
from opsera_step.job.commands.update_tool import ToolUpdate, read_assignments, read_properties

_COUNT = click.IntRange(min=1)
_TASK_RECORDS = 1000
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_LONGEST_RANGE = 366
"""Days that an audit may cover; each costs a request."""

_show_secrets = click.option(
    "--show-secrets", is_flag=True, help="Don't mask values whose keys look secret."
)
_pipeline_argument = click.argument(
    "pipeline_argument", required=False, metavar="[PIPELINE]",
    shell_complete=completing_alias("pipelines"),
)  # fmt: skip


def _inputs(*names: str) -> Callable[[Any], Any]:
    """Decorate a command's function with the options that all of these commands have."""

    def decorate(function: Any) -> Any:
        return with_inputs(*names, *ALWAYS)(quiet_option(function))

    return decorate


def _list_options(function: Any) -> Any:
    function = click.option("--limit", type=_COUNT, metavar="N", help="Maximum number of entries.")(
        function
    )
    return click.option(
        "--filter", "text", default="", metavar="TEXT",
        help="Only entries whose name or ID contains TEXT.",
    )(function)  # fmt: skip


def _list_command(name: str, command: Callable[..., CommandResult], typed: dict[str, Any]) -> int:
    options = commands.ListOptions(typed.pop("text"), typed.pop("limit"))
    form = typed.pop("form")
    return invocation().run(name, typed, partial(command, options=options), form=form)


@click.group(cls=HelpfulGroup, short_help="List and show pipelines and their runs.")
def pipeline() -> None:
    """List and show pipelines and their runs."""


@pipeline.command(
    "list",
    short_help="List the pipelines.",
    examples=[
        "opsera-step pipeline list --filter shop",
        "opsera-step pipeline list --format json | jq -r '.[].name'",
    ],
)
@_list_options
@format_option(csv=True)
@_inputs()
def pipeline_list(**typed: Any) -> int:
    """List the pipelines that the token's owner sees; needs the Power User role."""
    return _list_command("pipeline list", commands.list_pipelines, typed)


@pipeline.command(
    "show",
    short_help="Show a pipeline and its steps.",
    examples=[
        "opsera-step pipeline show 65a4f00dc0ffee0123456789",
        'opsera-step pipeline show "Deploy shop" --format json | jq .workflow.plan',
    ],
)
@_pipeline_argument
@_show_secrets
@click.option("--web", is_flag=True, help=WEB_HELP)
@format_option()
@_inputs("pipeline")
def pipeline_show(
    pipeline_argument: str | None, form: str, *, show_secrets: bool, web: bool, **typed: Any
) -> int:
    """Show a pipeline, its steps, and the parameters that a run can set."""
    name_pipeline(typed, pipeline_argument)
    here = invocation()
    act = partial(open_portal, browser=here.is_interactive) if web else commands.show_pipeline
    return here.run("pipeline show", typed, act, form=form, show_secrets=show_secrets)


@pipeline.command(
    "runs",
    short_help="List the latest runs of a pipeline.",
    examples=["opsera-step pipeline runs shop --last 10"],
)
@_pipeline_argument
@click.option("--last", type=click.IntRange(1, 50), default=5, show_default=True, metavar="N",
              help="The latest N runs; each costs three requests.")  # fmt: skip
@format_option(csv=True)
@_inputs("pipeline")
def pipeline_runs(pipeline_argument: str | None, last: int, form: str, **typed: Any) -> int:
    """List the latest runs of a pipeline with status and time."""
    name_pipeline(typed, pipeline_argument)
    return invocation().run(
        "pipeline runs", typed, partial(commands.list_runs, last=last), form=form
    )


@click.group(cls=HelpfulGroup, short_help="List, show, and update tools of the registry.")
def tool() -> None:
    """List, show, and update tools of the registry."""


@tool.command(
    "list",
    short_help="List the tools.",
    examples=["opsera-step tool list", "opsera-step tool list --format yaml > tools.yml"],
)
@_list_options
@format_option(csv=True)
@_inputs()
def tool_list(**typed: Any) -> int:
    """List the tools that the token's owner sees; needs the Power User role."""
    return _list_command("tool list", commands.list_tools, typed)


@tool.command(
    "show",
    short_help="Show a tool.",
    examples=[
        "opsera-step tool show 65a4f00dc0ffee0000000101",
        'opsera-step tool show "Shop Jenkins" --format json | jq .configuration',
    ],
)
@click.argument("name", metavar="TOOL", shell_complete=completing_alias("tools"))
@_show_secrets
@format_option()
@_inputs()
def tool_show(name: str, form: str, *, show_secrets: bool, **typed: str | None) -> int:
    """Show a tool: by ID, exact name, or alias from the config file."""
    return invocation().run(
        "tool show", typed, commands.show_tool, form=form, tool=name, show_secrets=show_secrets
    )


@tool.command(
    "update",
    short_help="Change properties of a tool.",
    examples=[
        'opsera-step tool update "Shop Jenkins" --set description="Builds the shop"',
        "opsera-step tool update 65a4f00dc0ffee0000000101 --set active=false --yes",
        "opsera-step tool update jenkins --file tool.yml --merge --dry-run",
    ],
)
@click.argument("name", metavar="TOOL", shell_complete=completing_alias("tools"))
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE",
    help="Replace a root property. VALUE is JSON if it parses, otherwise text. Repeatable.",
)  # fmt: skip
@click.option(
    "--file", "file", metavar="FILE", shell_complete=completing_path(),
    help="Replace the properties in this YAML or JSON file; --set takes precedence.",
)  # fmt: skip
@click.option("--merge", is_flag=True, help="Merge objects instead of replacing them as a whole.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask for confirmation; needed in a job.")
@_show_secrets
@format_option()
@_inputs()
def tool_update(
    name: str,
    assignments: tuple[str, ...],
    file: str | None,
    *,
    merge: bool,
    dry_run: bool,
    yes: bool,
    show_secrets: bool,
    form: str,
    **typed: Any,
) -> int:
    """Replace root properties of a tool, after showing what changes.

    Only properties that are named and differ are sent.
    """
    if not assignments and not file:
        raise click.UsageError("Nothing to change. Use --set KEY=VALUE or --file FILE.")
    try:
        assigned = read_assignments(assignments)
    except InvalidInput as error:
        raise click.UsageError(f"{'; '.join(error.problems)}.") from None
    listed = read_properties(_read_data(file, "--file"), _shown(file)) if file else {}
    named = {**listed, **assigned}
    refuse_silent_question(typed, confirmed=yes)
    here = invocation()
    ask = partial(here.confirm, "Make these changes?") if here.is_interactive else None
    update = ToolUpdate(named, confirmed=yes, ask=ask, dry_run=dry_run, merge=merge)
    return here.run(
        "tool update", typed, update.carry_out, form=form, tool=name, show_secrets=show_secrets
    )


def _read_data(file: str, option: str) -> Any:
    """Read YAML or JSON from a file, or from standard input for `-`."""
    from opsera_step.config.yaml import YamlError, read_yaml_data  # noqa: PLC0415 - few need it

    text = _stdin() if file == "-" else read_file(file, option)
    try:
        return read_yaml_data(text)
    except YamlError as error:
        raise InvalidInput([f"Can't read {_shown(file)} (from {option}): {error}"]) from None


def _shown(file: str) -> str:
    return "standard input" if file == "-" else repr(file)


def _stdin() -> str:
    if sys.stdin is None:
        raise InvalidInput(["Can't read standard input: it is closed"])
    text: str = invocation().ask(sys.stdin.read)
    return text


@click.group(cls=HelpfulGroup, short_help="List and show tasks, their status and logs.")
def task() -> None:
    """List and show tasks, their status and logs."""


@task.command("list", short_help="List the tasks.", examples=["opsera-step task list"])
@_list_options
@format_option(csv=True)
@_inputs()
def task_list(**typed: Any) -> int:
    """List the tasks that the token's owner may use."""
    return _list_command("task list", commands.list_tasks, typed)


@task.command(
    "show", short_help="Show a task.", examples=['opsera-step task show "Sync CRM repository"']
)
@click.argument("name", metavar="TASK")
@format_option()
@_inputs()
def task_show(name: str, form: str, **typed: str | None) -> int:
    """Show a task: by ID or exact name."""
    return invocation().run("task show", typed, commands.TaskCommands(name).show, form=form)


@task.command(
    "status",
    short_help="Show the status of a task's latest run.",
    examples=["opsera-step task status 65a4f00dc0ffee0000000201"],
)
@click.argument("name", metavar="TASK")
@format_option()
@_inputs()
def task_status(name: str, form: str, **typed: str | None) -> int:
    """Show the status of a task's latest run, as the API reports it."""
    return invocation().run("task status", typed, commands.TaskCommands(name).status, form=form)


@task.command(
    "logs",
    short_help="Print the log of a task.",
    examples=[
        'opsera-step task logs "Sync CRM repository"',
        "opsera-step task logs 65a4f00dc0ffee0000000201 --run-count 2 --format json",
    ],
)
@click.argument("name", metavar="TASK")
@click.option("--run-count", "run", type=_COUNT, metavar="N", help="Only this run of the task.")
@click.option("--page", type=click.IntRange(min=0), metavar="N", help="Only this page.")
@click.option(
    "--count", type=click.IntRange(min=0), default=_TASK_RECORDS, show_default=True, metavar="N",
    help="Maximum number of records; 0 for all.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "table", "json", "yaml"]), default="text",
    show_default=True, help="The text of the log, oldest first; or its records.",
)  # fmt: skip
@_inputs()
def task_logs(
    name: str, *, run: int | None, page: int | None, count: int, form: str, **typed: Any
) -> int:
    """Print the log of a task."""
    act = partial(
        commands.TaskCommands(name).logs,
        run_count=run, page=page, count=count, as_text=form == "text",
    )  # fmt: skip
    return invocation().run("task logs", typed, act, form=form)


@click.group(cls=HelpfulGroup, short_help="Read the audit logs: user activity and token usage.")
def audit() -> None:
    """Read the audit logs: user activity and token usage.

    Needs a token with the scope api or security-logs whose owner is a Power User or Site Admin.
    Without a date, the API returns the last seven days.
    """


def _day(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    """Check a date as the API takes it."""
    if not value:
        return ""
    try:
        if date.fromisoformat(value).isoformat() == value:
            return value
    except ValueError:
        pass
    raise click.BadParameter(f"not a valid date (YYYY-MM-DD): {value!r}")


def _period(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """Read a number of days or weeks."""
    if not value:
        return None
    number, unit = value[:-1], value[-1:].lower()
    if re.fullmatch(r"0*[1-9][0-9]{0,3}", number) and unit in ("d", "w"):
        return int(number) * (7 if unit == "w" else 1)
    raise click.BadParameter(f"not a valid period: {value!r}. Use days or weeks, like 3d or 2w.")


def _range_options(function: Any) -> Any:
    for option in (
        click.option("--to", callback=_day, metavar="YYYY-MM-DD", help="Last date (today)."),
        click.option("--from", "start", callback=_day, metavar="YYYY-MM-DD", help="First date."),
        click.option(
            "--since", callback=_period, metavar="PERIOD", help="Last days (UTC dates): 3d, 2w."
        ),
        click.option("--date", "day", callback=_day, metavar="YYYY-MM-DD", help="Only this date."),
    ):
        function = option(function)
    return function


def _days(day: str, since: int | None, start: str, to: str) -> list[str]:
    """Return the dates to read, the latest first, in UTC as the API counts."""
    if sum(map(bool, (day, since, start))) > 1:
        raise click.UsageError("Use only one of --date, --since, and --from.")
    today = datetime.now(timezone.utc).date()
    last = date.fromisoformat(to) if to else today
    if since:
        first = last - timedelta(days=since)
    elif start:
        first = date.fromisoformat(start)
    elif to:
        raise click.UsageError("--to needs --from or --since.")
    else:
        return [day]
    count = (last - first).days + 1
    if not 0 < count <= _LONGEST_RANGE:
        raise click.UsageError(f"The range must be 1 to {_LONGEST_RANGE} days.")
    return [(last - timedelta(days=number)).isoformat() for number in range(count)]


@audit.command(
    "actions",
    short_help="List user activity.",
    examples=[
        "opsera-step audit actions",
        "opsera-step audit actions --since 3d --type pipeline --format csv > actions.csv",
    ],
)
@_range_options
@click.option("--type", "kind", default="", metavar="TYPE", help="Only this type: pipeline, …")
@click.option("--count", type=_COUNT, metavar="N", help="Maximum number of entries.")
@format_option(csv=True)
@_inputs()
def audit_actions(
    day: str, since: int | None, start: str, to: str, kind: str, count: int | None, form: str,
    **typed: Any,
) -> int:  # fmt: skip
    """List user activity, the latest first."""
    query = commands.AuditCommands(_days(day, since, start, to), kind=kind, count=count)
    return invocation().run("audit actions", typed, query.actions, form=form)


@audit.command(
    "tokens",
    short_help="List token usage.",
    examples=["opsera-step audit tokens --date 2026-11-01 --scope api"],
)
@_range_options
@click.option("--scope", default="", metavar="SCOPE", help="Only tokens of this scope: api, …")
@format_option(csv=True)
@_inputs()
def audit_tokens(
    day: str, since: int | None, start: str, to: str, scope: str, form: str, **typed: Any
) -> int:
    """List token usage, the latest first."""
    query = commands.AuditCommands(_days(day, since, start, to), scope=scope)
    return invocation().run("audit tokens", typed, query.tokens, form=form)


@click.command(
    "api",
    cls=HelpfulCommand,
    short_help="Send any request to the API.",
    examples=[
        "opsera-step api GET /api/v1/logs/user/tokens -f date=2026-11-01",
        "opsera-step api POST /api/v1/pipeline/status -f pipelineId=65a4f00dc0ffee0123456789",
    ],
)
@click.argument("method", metavar="METHOD", type=click.Choice(_METHODS, case_sensitive=False))
@click.argument("path")
@click.option(
    "--field", "-f", "fields", multiple=True, metavar="KEY=VALUE",
    help="Query parameter of a GET, else a property of the body (JSON if valid, else text).",
)  # fmt: skip
@click.option(
    "--input", "file", metavar="FILE", shell_complete=completing_path(),
    help="Read the body from a YAML or JSON file (- for standard input).",
)  # fmt: skip
@_show_secrets
@click.option("--format", "form", type=click.Choice(["json", "yaml"]), default="json",
              show_default=True, help="Format of the response.")  # fmt: skip
@_inputs()
def api(
    method: str, path: str, fields: tuple[str, ...], file: str | None, *, show_secrets: bool,
    form: str, **typed: Any,
) -> int:  # fmt: skip
    """Send any request to the API, with the token and the error messages of all commands.

    METHOD is GET, POST, PUT, PATCH, or DELETE. GET requests and other reads are retried.
    """
    wrong = [one for one in fields if "=" not in one]
    if wrong:
        raise click.UsageError(f"Expected KEY=VALUE, got {wrong[0]!r}.")
    if method == "GET":
        if file:
            raise click.UsageError("A GET request has no body; use --field for query parameters.")
        request = commands.Request("GET", path, dict(one.split("=", 1) for one in fields))
    else:
        body = _read_data(file, "--input") if file else {}
        if file and not isinstance(body, dict):
            raise InvalidInput([f"--input: {_shown(file)} must map names to values"])
        body.update(read_assignments(fields, "--field"))
        request = commands.Request(method, path, {}, body)
    return invocation().run("api", typed, request.send, form=form, show_secrets=show_secrets)


def _alias(command: click.Command, name: str) -> click.Command:
    alias = copy(command)
    alias.name = name
    return alias


ACCOUNT_COMMANDS: tuple[click.Command, ...] = (
    pipeline, tool, task, audit, api,
    _alias(pipeline_show, "summary"), _alias(pipeline_list, "pipelines"),
)  # fmt: skip
