"""What was typed wrongly, in words that help more than those of click."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click

from opsera_step.config import BY_NAME
from opsera_step.config.slips import meant_command
from opsera_step.text import nearest

_CLOSE = 0.75
_NO_NUMBER = re.compile(
    r"(?P<value>'.*') is not a valid (?P<kind>integer|float)(?: range)?\.", re.DOTALL
)
_OUT_OF_RANGE = re.compile(r"(?P<value>\S+) is not in the range .*\.")
_TOO_MANY = re.compile(r"Got unexpected extra arguments? \((?P<words>.*)\)", re.DOTALL)
_SYNONYMS = {
    "--json": "--format json", "--yaml": "--format yaml", "--output": "--format", "-o": "--format",
    "--quiet": "--logs none", "-q": "--logs none", "--id": "--pipeline", "--name": "--pipeline",
    "-p": "--pipeline", "--run": "--run-count", "-n": "--run-count", "--url": "--base-url",
    "--host": "--base-url", "--tail": "--follow", "--since": "--date", "--day": "--date",
    "--limit": "--count", "--property": "--set", "-y": "--yes", "--detach": "--no-wait",
    "--async": "--no-wait", "--insecure": "--ca-bundle", "-k": "--ca-bundle",
}  # fmt: skip
"""What other programs call our options."""
_LOUDER = ("--verbose", "--debug", "-v", "-vv", "--trace")
_OF_SHELLS = ("&&", "||", ";", "|")


def explained(error: click.ClickException) -> click.ClickException:
    """Return an error that says what may have been meant, in place of click's own."""
    if isinstance(error, click.BadOptionUsage):
        return _without_value(error)
    context = getattr(error, "ctx", None)
    if context is None:
        return error
    if isinstance(error, click.NoSuchOption):
        message = _no_such_option(error.option_name, context)
    elif isinstance(error, click.exceptions.NoSuchCommand):
        message = _no_such_command(error.command_name, context)
    elif isinstance(error, click.exceptions.NoArgsIsHelpError):
        # Whoever typed it sees the help.
        return error
    elif isinstance(error, click.BadParameter) and error.param is not None:
        return _bad_value(error, error.param)
    else:
        found = _TOO_MANY.fullmatch(error.message)
        message = _too_many(found["words"], context) if found else ""
    return click.UsageError(message, context) if message else error


def in_a_job(error: click.ClickException) -> str:
    """Say what is wrong with a command where no help can be shown."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        commands = ", ".join(_commands(error.ctx))
        return f"it is not complete; {error.ctx.command.name} takes one of {commands}."
    told = " ".join(explained(error).format_message().split())
    return told if told.endswith((".", "?", "!")) else f"{told}."


def _without_value(error: click.BadOptionUsage) -> click.ClickException:
    one = BY_NAME.get(error.option_name.lstrip("-").replace("-", "_"))
    if one is None or "requires" not in error.message:
        return error
    return click.UsageError(f"{error.option_name} needs a value: {one.takes}.", error.ctx)


def _no_such_option(name: str, context: click.Context) -> str:
    told = f"No such option {name}."
    if name == "--token":
        why = "others could read it in the list of processes"
        return f"{told} A token is never one, for {why}: set OPSERA_TOKEN, or give --token-file."
    synonym = _SYNONYMS.get(name, "")
    if synonym and synonym.split()[0] in _options(context.command, context):
        return f"{told} Did you mean {synonym}?"
    if name in _LOUDER:
        return f"{told} OPSERA_DEBUG=1 in the environment shows more of a fault."
    root = context.find_root()
    owners = [path for path, command in _all_commands(root) if name in _options(command, context)]
    close = nearest(name.replace("_", "-"), _options(context.command, context), closeness=_CLOSE)
    if close and not owners:
        return f"{told} Did you mean {close}?"
    if context is root and owners:
        return f"{told} Options go after the command, as in `opsera-step {owners[0]} {name} …`."
    return f"{told} It is an option of {_listed(owners)}." if owners else told


def _no_such_command(word: str, context: click.Context) -> str:
    known = _commands(context)
    told, meant = f"No such command {word!r}.", meant_command(word, known)
    of = f" of {context.command.name}" if context.parent is not None else ""
    rest = f"Did you mean {meant}?" if meant else f"The commands{of} are {_listed(known)}."
    return f"{told} {rest}"


def _too_many(words: str, context: click.Context) -> str:
    told = f"There is a word too many: {words}."
    command = context.command
    takes = [one for one in command.params if isinstance(one, click.Argument)]
    if any(one in _OF_SHELLS for one in words.split()) or any(
        str(value) in _OF_SHELLS for value in context.params.values()
    ):
        return f"{told} One command is read here, and no shell: && and the like mean nothing."
    if not takes:
        return f"{told} {context.command_path} takes options only."
    if "=" in words and "--set" in _options(command, context):
        return f"{told} A property is set so: --set {words}."
    if words.isdecimal() and "--run-count" in _options(command, context):
        return f"{told} Name a run so: --run-count {words}."
    return f'{told} A name with blanks takes quotes, as in "Deploy shop".'


def _bad_value(error: click.BadParameter, param: click.Parameter) -> click.ClickException:
    found = _NO_NUMBER.fullmatch(error.message) or _OUT_OF_RANGE.fullmatch(error.message)
    if found is None:
        return error
    kind = param.type
    whole = "" if isinstance(kind, click.types.FloatParamType) else "whole "
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    reach = "" if low is None else f" from {low}" + (f" to {high}" if high is not None else "")
    message = f"{found['value']} is no {whole}number{reach}."
    return click.BadParameter(message, error.ctx, param)


def _options(command: click.Command, context: click.Context) -> list[str]:
    return [name for one in command.get_params(context) for name in one.opts if name[:2] == "--"]


def _commands(context: click.Context) -> list[str]:
    command = context.command
    return command.list_commands(context) if isinstance(command, click.Group) else []


def _all_commands(root: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that is no group, with the words that call it."""
    assert isinstance(root.command, click.Group)  # noqa: S101 - for mypy: it is the program
    for name, command in root.command.commands.items():
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", one) for inner, one in command.commands.items())
        else:
            yield name, command


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
