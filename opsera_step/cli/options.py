"""Options of commands: those that are inputs come from the table, so that they mean the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from opsera_step.config import BY_NAME, PATHS, Input, Setting, is_alias, known_aliases
from opsera_step.errors import InvalidInput
from opsera_step.files import read_text, why_unreadable
from opsera_step.platforms import detect, own_variables

Command = TypeVar("Command", bound=Callable[..., Any])

ALWAYS = (
    "base_url", "portal_url", "token_file", "timeout", "ca_bundle", "config", "output_file",
    "verbose",
)  # fmt: skip
"""The inputs of every command that uses the API."""
FORMATS = ("table", "json", "yaml")
WEB_HELP = "Open the pipeline in the portal instead."
_MAX_FILE = 1 << 20
"""Bytes of a file that an option names."""
_METAVARS = {
    **{name: "FILE" if kind == "file" else "DIRECTORY" for name, kind in PATHS.items()},
    "pipeline": "PIPELINE", "run_count": "N", "base_url": "URL", "portal_url": "URL",
    "timeout": "DURATION", "log_limit": "SIZE", "poll_interval": "SECONDS", "branch": "BRANCH",
    "parameters": "PARAMETERS",
}  # fmt: skip
"""Placeholders for the values of inputs in the help."""
_SWITCHES = {
    "wait": ("true", "false"),
    "timestamps": ("true", "false"),
    "verbose": ("auto", "true", "false"),
}
"""The options that mean true without a value, and their values."""
_SWITCH_WORDS = ("true", "false", "yes", "no", "on", "off", "1", "0", "auto")


class HelpfulCommand(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Iterable[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; in `run --wait NAME` the name is the pipeline's."""
        switches = {f"--{name}" for name in _SWITCHES}
        for number, word in enumerate(args):
            if word == "--":
                break
            follows = args[number + 1].strip().lower() if number + 1 < len(args) else "-"
            # An empty value, as scripts pass it, counts as unset.
            if word in switches and follows and follows not in _SWITCH_WORDS:
                args[number] = f"{word}=true"
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.examples))


class HelpfulGroup(click.Group):
    """A group of such commands."""

    command_class = HelpfulCommand


def name_pipeline(typed: dict[str, Any], argument: str | None) -> None:
    """Use the pipeline named after the command, unless --pipeline names another one."""
    if argument is None:
        return
    option = (typed["pipeline"] or "").strip()
    if option and option != argument.strip():
        raise click.UsageError(f"Two different pipelines: {argument!r} and {option!r}.")
    typed["pipeline"] = argument


def option_name(one: Input) -> str:
    """Return an input's option: `on_paused` is --on-paused."""
    return "--" + one.name.replace("_", "-")


def words_of(one: Input) -> tuple[str, ...]:
    """Return the values to list for an input; none if any value may be valid."""
    return _SWITCHES.get(one.name, one.words)


def input_option(one: Input) -> click.Option:
    """Return the option of an input; its value is checked with all others, not here."""
    default = one.documented_default
    shown_default = f"  [default: {default}]" if default else ""
    # `--wait` alone means true.
    optional_value: dict[str, Any] = (
        {"is_flag": False, "flag_value": "true"} if one.name in _SWITCHES else {}
    )
    return click.Option(
        [option_name(one), one.name],
        help=one.meaning + shown_default,
        metavar=f"[{'|'.join(words_of(one))}]" if words_of(one) else _METAVARS.get(one.name),
        shell_complete=_completing_input(one),
        **optional_value,
    )


def input_options(names: Iterable[str]) -> list[click.Parameter]:
    """Return the options of some inputs, in the order of the table."""
    wanted = set(names)
    return [input_option(one) for one in BY_NAME.values() if one.name in wanted]


def with_inputs(*names: str) -> Callable[[Command], Command]:
    """Decorate a command's function with the options of inputs."""

    def decorate(function: Command) -> Command:
        for option in reversed(input_options(names)):
            _parameters(function).append(option)
        return function

    return decorate


def refuse_silent_question(typed: dict[str, Any], *, confirmed: bool) -> None:
    """Refuse --quiet where it would hide what the user has to confirm."""
    if typed["quiet"] and not confirmed:
        raise click.UsageError("--quiet needs --yes: it hides what you would confirm.")


quiet_option = click.option(
    "--quiet", "-q", is_flag=True, help="Print only warnings, errors, and data."
)


def format_option(*, csv: bool = False) -> Callable[[Command], Command]:
    """Decorate a command's function with --format."""
    return click.option(
        "--format",
        "form",
        type=click.Choice((*FORMATS, "csv") if csv else FORMATS, case_sensitive=False),
        default="table",
        show_default=True,
        help="Output format; json and yaml contain the API response.",
    )


def read_file(path: str, option: str) -> str:
    """Read the text file that an option names.

    Raises:
        InvalidInput: if it can't be read.
    """
    try:
        return read_text(path, _MAX_FILE)
    except (OSError, ValueError) as error:
        raise InvalidInput(
            [f"Can't read {path!r} (from {option}): {why_unreadable(error)}"]
        ) from None


def _parameters(function: Any) -> list[click.Parameter]:
    """Return the list in which click keeps the parameters of a future command."""
    if not hasattr(function, "__click_params__"):
        function.__click_params__ = []
    found: list[click.Parameter] = function.__click_params__
    return found


def completing(words: Callable[[], Iterable[str]]) -> Any:
    """Return a completer for some words, which are computed when needed."""

    def complete(
        _context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[str]:
        return [word for word in words() if word.startswith(incomplete)]

    return complete


def completing_path(kind: str = "file") -> Any:
    """Return a completer for files or directories."""

    def complete(
        _context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=kind)]

    return complete


def completing_alias(group: str) -> Any:
    """Return a completer for aliases in the config file, of `pipelines` or of `tools`."""

    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        path = context.params.get("config")
        options = {"config": Setting(path, "--config")} if path else {}
        environ = own_variables(os.environ, is_job=False)
        platform = detect(environ, sys.stdout)
        aliases = known_aliases(environ, options, platform, group)
        # An alias that takes quotes would not reach the shell's line as one word.
        return [one for one in aliases if one.startswith(incomplete) and is_alias(one)]

    return complete


def _completing_input(one: Input) -> Any:
    if one.name == "pipeline":
        return completing_alias("pipelines")
    if one.name in PATHS:
        return completing_path(PATHS[one.name])
    return completing(lambda: words_of(one))
