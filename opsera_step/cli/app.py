"""The program: the group of all commands, and the ways in which one of them can end."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

import click

from opsera_step import __version__
from opsera_step.api.token import redact_tokens
from opsera_step.cli.account import ACCOUNT_COMMANDS
from opsera_step.cli.completion import completion
from opsera_step.cli.demo import demo, simulator
from opsera_step.cli.invocation import Invocation, this_process
from opsera_step.cli.runs import RUN_COMMANDS
from opsera_step.cli.setup import SETUP_COMMANDS
from opsera_step.cli.usage import explained, in_a_job
from opsera_step.config import from_environment
from opsera_step.errors import Cancelled, ExitCode, InternalError, InvalidInput, OpseraStepError
from opsera_step.job import Output, reject
from opsera_step.platforms.github import escape_commands
from opsera_step.signals import Signals
from opsera_step.text import Scrubber

_NAME = "opsera-step"
_LONGEST = 2000
"""Characters of an error."""


class _Group(click.Group):
    """The commands by what they are for, the most used first."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, a section for each purpose."""
        for purpose, commands in _PURPOSES.items():
            with formatter.section(purpose):
                told = [(one.name or "", one.get_short_help_str(100)) for one in commands]
                formatter.write_dl(told, col_max=12)


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name=_NAME)
def group() -> None:
    """Run Opsera pipelines, follow their logs, and end with their verdicts.

    The access token comes from OPSERA_TOKEN or --token-file. Every option can be set as a
    variable too: --on-paused is OPSERA_ON_PAUSED. Try `opsera-step demo`: it needs no account.
    """


_PURPOSES: Mapping[str, tuple[click.Command, ...]] = {
    "A run of a pipeline": RUN_COMMANDS,
    "The account": ACCOUNT_COMMANDS,
    "Setting up": (*SETUP_COMMANDS, completion),
    "Without an account": (demo, simulator),
}
for _commands in _PURPOSES.values():
    for _command in _commands:
        group.add_command(_command)


def main(arguments: list[str] | None = None, signals: Signals | None = None) -> int:
    """Run the command line and return the exit code; signals may be heard already."""
    if signals is not None and signals.number is not None:
        # One came while all this was loaded, before anything was started.
        return 128 + signals.number
    try:
        here = this_process(signals)
        code = _invoke(arguments, here)
        _flush(here)
    except BrokenPipeError:
        # Whoever read has had enough.
        _silence_stdout()
        code = ExitCode.SUCCESS
    except OSError as error:
        _silence_stdout()
        where = _harmless(str(error.filename or "stdout"))
        click.echo(f"Not all could be written to {where}: {error.strerror or error}.", err=True)
        code = ExitCode.INVALID_INPUT
    except click.ClickException as error:
        _show(explained(error))
        code = ExitCode.INVALID_INPUT
    except Cancelled as cancelled:
        code = cancelled.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = ExitCode.SIGINT
    except OpseraStepError as error:
        _tell(error)
        code = error.exit_code
    except Exception as error:  # noqa: BLE001 - the last boundary: a fault of our own
        _tell(InternalError(f"{type(error).__name__}: {error}."))
        code = ExitCode.INTERNAL
    return code


def _tell(error: OpseraStepError) -> None:
    """Say on stderr what went wrong, as click does: of inputs all faults, a line each."""
    faults = (
        error.problems if isinstance(error, InvalidInput) else [f"{error.message} {error.hint}"]
    )
    for fault in faults:
        told = _harmless(fault)
        click.echo(f"Error: {told if told.endswith(('.', '?', '!')) else told + '.'}", err=True)


def _show(error: click.ClickException) -> None:
    """Show an error as click does, with words of the user that nothing obeys."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        # It is the help, with no word of the user.
        error.show()
        return
    told = _harmless(error.format_message())
    if isinstance(error, click.UsageError):
        click.UsageError(told, error.ctx).show()
    else:
        click.ClickException(told).show()


def _harmless(text: str) -> str:
    """Return a sentence as one safe line, without a token that stands in a wrong place."""
    given = from_environment(os.environ)
    safe = Scrubber(given["token"].value if "token" in given else "")
    return escape_commands(safe.inline(redact_tokens(text), _LONGEST))


def run_words(
    words: Sequence[str],
    environ: Mapping[str, str],
    out: TextIO,
    signals: Signals,
    *,
    reads_input_variables: bool,
) -> int:
    """Carry out the words of a job's input `command`, and leave its outputs on every way out."""
    here = Invocation(
        environ, out, out, signals, is_job=True, reads_input_variables=reads_input_variables
    )
    try:
        code = _invoke(words, here)
        if here.carried_out:
            return code
        trouble: OpseraStepError = InvalidInput(
            [f"command: {_as_typed(words)!r} does nothing in a job."]
        )
    except click.ClickException as error:
        trouble = InvalidInput([f"command: {_as_typed(words)!r} won't do: {in_a_job(error)}"])
    except OpseraStepError as error:
        trouble = error
    except Exception as error:  # noqa: BLE001 - the last boundary: a fault of our own
        trouble = InternalError(f"{type(error).__name__}: {error}")
    return reject(environ, Output(out), trouble)


def _as_typed(words: Sequence[str]) -> str:
    """Write words as somebody would type them: in quotes only where blanks ask for them."""
    return " ".join(
        word if word and word.split() == [word] else shlex.quote(word) for word in words
    )


def _flush(invocation: Invocation) -> None:
    """Write what is left; of a command that was carried out the code stands, whoever reads it."""
    try:
        invocation.out.flush()
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        if not invocation.carried_out:
            raise
        _silence_stdout()


def _silence_stdout() -> None:
    """Have nothing more written there: Python would complain once more when it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _invoke(arguments: Sequence[str] | None, invocation: Invocation) -> int:
    typed = list(arguments) if arguments is not None else None
    code = group.main(typed, prog_name=_NAME, standalone_mode=False, obj=invocation)
    return int(code or 0)
