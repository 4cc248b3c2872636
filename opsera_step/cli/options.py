"""Options of commands: those that are inputs come from the table, so that they mean the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from opsera_step.inputs import BY_NAME, Input

Command = TypeVar("Command", bound=Callable[..., Any])

ALWAYS = ("base_url", "token_file", "timeout", "ca_bundle", "config", "output_file")
"""The inputs that mean something for whatever asks the API."""
FORMATS = ("table", "json", "yaml")


class HelpfulCommand(click.Command):
    """A command whose help ends with examples, printed as they are."""

    def __init__(self, *args: Any, examples: Iterable[str] = (), **options: Any) -> None:
        """Take the examples beside all else."""
        super().__init__(*args, **options)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.examples))


def option_name(one: Input) -> str:
    """Return an input's option: `on_paused` is --on-paused."""
    return "--" + one.name.replace("_", "-")


def input_option(one: Input) -> click.Option:
    """Make the option of an input; its value is checked with all others, not here."""
    shown_default = f"  [default: {one.default}]" if one.default else ""
    # `--wait` alone says true.
    optional_value: dict[str, Any] = (
        {"is_flag": False, "flag_value": "true"} if one.name == "wait" else {}
    )
    return click.Option(
        [option_name(one), one.name],
        help=one.meaning + shown_default,
        metavar=f"[{'|'.join(one.words)}]" if one.words else "TEXT",
        shell_complete=_completing(one.words),
        **optional_value,
    )


def input_options(names: Iterable[str]) -> list[click.Parameter]:
    """Make the options of some inputs, in the table's order."""
    wanted = set(names)
    return [input_option(one) for one in BY_NAME.values() if one.name in wanted]


def with_inputs(*names: str) -> Callable[[Command], Command]:
    """Decorate a command's function with the options of inputs."""

    def decorate(function: Command) -> Command:
        for option in reversed(input_options(names)):
            _parameters(function).append(option)
        return function

    return decorate


def format_option(default: str = "table") -> Callable[[Command], Command]:
    """Decorate a command's function with --format."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default=default or None,
        show_default=bool(default),
        help="How to print the answer; json and yaml hold all that the API gave."
        if default
        else "Print the result so to stdout, and all else to stderr.",
    )


def _parameters(function: Any) -> list[click.Parameter]:
    """Return where click keeps the parameters of a function that is no command yet."""
    if not hasattr(function, "__click_params__"):
        function.__click_params__ = []
    found: list[click.Parameter] = function.__click_params__
    return found


def _completing(words: tuple[str, ...]) -> Any:
    def complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
        return [word for word in words if word.startswith(begun)]

    return complete
