"""Helpful usage errors: close matches, and what to do instead."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from opsera_step.config import BY_NAME
from opsera_step.text import nearest

_CLOSE = 0.75
_TOO_MANY = re.compile(r"Got unexpected extra arguments? \((?P<words>.*)\)", re.DOTALL)


def explain(error: click.ClickException) -> click.ClickException:
    """Return a usage error with a close match, or with the remedy, in place of click's own."""
    context = getattr(error, "ctx", None)
    if context is None or isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    message = ""
    if isinstance(error, click.NoSuchOption):
        message = _no_such_option(error.option_name, context)
    elif isinstance(error, click.exceptions.NoSuchCommand):
        message = _no_such_command(error.command_name, context)
    elif isinstance(error, click.BadOptionUsage):
        message = _missing_value(error)
    elif found := _TOO_MANY.fullmatch(error.message):
        has_names = any(isinstance(one, click.Argument) for one in context.command.params)
        hint = " Quote names that contain spaces." if has_names else ""
        message = f"Unexpected argument: {found['words']}.{hint}"
    return click.UsageError(message, context) if message else error


def one_line(error: click.ClickException) -> str:
    """Return a usage error in one line, for a job, where no help can be shown."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        commands = ", ".join(_commands(error.ctx))
        return f"Missing subcommand. Use {error.ctx.command.name} with one of: {commands}."
    message = " ".join(explain(error).format_message().split())
    return message if message.endswith((".", "?", "!")) else f"{message}."


def _missing_value(error: click.BadOptionUsage) -> str:
    one = BY_NAME.get(error.option_name.lstrip("-").replace("-", "_"))
    if one is None or "requires" not in error.message:
        return ""
    return f"Missing value for {error.option_name}. Use {one.valid}."


def _no_such_option(name: str, context: click.Context) -> str:
    message = f"No such option: {name}."
    if name == "--token":
        return (
            f"{message} Tokens can't be passed as options because other users could see them in "
            "the process list. Set OPSERA_TOKEN, or use --token-file."
        )
    close = nearest(name.replace("_", "-"), _options(context.command, context), closeness=_CLOSE)
    if close:
        return f"{message} Did you mean {close}?"
    root = context.find_root()
    owners = [path for path, command in _all_commands(root) if name in _options(command, context)]
    if context is root and owners:
        return f"{message} Options go after the command: opsera-step {owners[0]} {name} …"
    return f"{message} It is an option of {', '.join(owners)}." if owners else message


def _no_such_command(name: str, context: click.Context) -> str:
    known = _commands(context)
    close = nearest(name, known)
    rest = f"Did you mean {close}?" if close else f"Commands: {', '.join(known)}."
    return f"No such command: {name!r}. {rest}"


def _options(command: click.Command, context: click.Context) -> list[str]:
    return [name for one in command.get_params(context) for name in one.opts if name[:2] == "--"]


def _commands(context: click.Context) -> list[str]:
    command = context.command
    return command.list_commands(context) if isinstance(command, click.Group) else []


def _all_commands(root: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that is not a group, with the words that call it."""
    assert isinstance(root.command, click.Group)  # noqa: S101 - for mypy: it is the program
    for name, command in root.command.commands.items():
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", one) for inner, one in command.commands.items())
        else:
            yield name, command
