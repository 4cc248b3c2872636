"""The program: the group of all commands, and how commands end."""

from __future__ import annotations

import os
import re
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
from opsera_step.cli.usage import explain, one_line
from opsera_step.config import token_to_mask
from opsera_step.errors import Cancelled, ExitCode, InternalError, InvalidInput, OpseraStepError
from opsera_step.job import Output, reject
from opsera_step.platforms.github import escape_commands
from opsera_step.signals import Signals
from opsera_step.text import Scrubber

_NAME = "opsera-step"
_LONGEST = 2000
"""Characters of an error."""


class _Group(click.Group):
    """The commands by purpose, the most used first."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, one section per purpose."""
        for purpose, commands in _PURPOSES.items():
            with formatter.section(purpose):
                rows = [(one.name or "", one.get_short_help_str(100)) for one in commands]
                formatter.write_dl(rows, col_max=12)


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name=_NAME)
def group() -> None:
    """Run Opsera pipelines, stream their logs, and exit with their result.

    The access token comes from OPSERA_TOKEN or --token-file. Every input can also be set as a
    variable: --on-paused is OPSERA_ON_PAUSED. Try `opsera-step demo`; it needs no account.
    """


_PURPOSES: Mapping[str, tuple[click.Command, ...]] = {
    "Runs": RUN_COMMANDS,
    "Account": ACCOUNT_COMMANDS,
    "Setup": (*SETUP_COMMANDS, completion),
    "Without an account": (demo, simulator),
}
for _commands in _PURPOSES.values():
    for _command in _commands:
        group.add_command(_command)


def main(arguments: list[str] | None = None, signals: Signals | None = None) -> int:
    """Run the command line and return the exit code; `signals` if handlers are installed."""
    if signals is not None and signals.number is not None:
        # A signal came during loading, before anything was started.
        return 128 + signals.number
    here = this_process(signals)
    refusal: OpseraStepError | None = None
    try:
        code = _invoke(arguments, here)
        _flush(here)
    except BrokenPipeError:
        # The reader is gone.
        _silence_stdout()
        code = ExitCode.SUCCESS
    except OSError as error:
        _silence_stdout()
        where = _harmless(str(error.filename or "stdout"))
        click.echo(f"Can't write to {where}: {error.strerror or error}.", err=True)
        code = ExitCode.INVALID_INPUT
    except click.ClickException as error:
        _show(explain(error))
        refusal, code = InvalidInput([_harmless(one_line(error))]), ExitCode.INVALID_INPUT
    except Cancelled as cancelled:
        code = cancelled.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = ExitCode.SIGINT
    except OpseraStepError as error:
        _print_error(error)
        refusal, code = error, error.exit_code
    except Exception as error:  # noqa: BLE001 - the last boundary: a bug of our own
        refusal = InternalError(f"{type(error).__name__}: {error}.")
        _print_error(refusal)
        code = ExitCode.INTERNAL
    if refusal is not None and not here.carried_out:
        words = sys.argv[1:] if arguments is None else arguments
        output = Output(here.err, here.out, "json" if _wants_json(words) else "")
        # Without variables it is not known where to write outputs.
        environ = here.environ if _is_for_a_job(words) else {}
        reject(environ, output, refusal, is_reported=True)
    return code


def _wants_json(words: Sequence[str]) -> bool:
    """Whether a command line that is wrong elsewhere has --format json."""
    return re.search(r"--format[ =]json\b", " ".join(words), re.IGNORECASE) is not None


def _is_for_a_job(words: Sequence[str]) -> bool:
    """Whether a command line names a command that writes outputs, or one that does not exist."""
    name = next((word for word in words if not word.startswith("-")), "")
    others = (*_PURPOSES["Setup"], *_PURPOSES["Without an account"])
    return bool(name) and name not in [one.name for one in others]


def _print_error(error: OpseraStepError) -> None:
    """Print an error to stderr as click does: all problems of the inputs, one per line."""
    problems = (
        error.problems if isinstance(error, InvalidInput) else [f"{error.message} {error.hint}"]
    )
    for problem in problems:
        text = _harmless(problem)
        end = "" if text.endswith((".", "?", "!")) else "."
        click.echo(f"Error: {text}{end}", err=True)


def _show(error: click.ClickException) -> None:
    """Show an error as click does, with harmless text."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        # It is the help.
        error.show()
        return
    text = _harmless(error.format_message())
    if isinstance(error, click.UsageError):
        click.UsageError(text, error.ctx).show()
    else:
        click.ClickException(text).show()


def _harmless(text: str) -> str:
    """Return a text as one safe line, without a token typed in the wrong place."""
    safe = Scrubber(token_to_mask(os.environ, {}))
    return escape_commands(safe.inline(redact_tokens(text), _LONGEST))


def run_arguments(
    words: Sequence[str], environ: Mapping[str, str], out: TextIO, signals: Signals
) -> int:
    """Run the arguments of a job's input `command`; outputs are written on every exit."""
    here = Invocation(environ, out, out, signals, is_job=True)
    try:
        code = _invoke(words, here)
        if here.carried_out:
            return code
        failure: OpseraStepError = InvalidInput(
            [f"Invalid value {_as_typed(words)!r} for command. It is not available in a job."]
        )
    except click.ClickException as error:
        failure = InvalidInput(
            [f"Invalid value {_as_typed(words)!r} for command. {one_line(error)}"]
        )
    except OpseraStepError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - the last boundary: a bug of our own
        failure = InternalError(f"{type(error).__name__}: {error}")
    return reject(environ, Output(out), failure)


def _as_typed(words: Sequence[str]) -> str:
    """Join arguments as a user would type them, quoted only if they contain spaces."""
    return " ".join(
        word if word and word.split() == [word] else shlex.quote(word) for word in words
    )


def _flush(invocation: Invocation) -> None:
    """Flush the streams; a command that was carried out keeps its exit code."""
    try:
        invocation.out.flush()
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        if not invocation.carried_out:
            raise
        _silence_stdout()


def _silence_stdout() -> None:
    """Point stdout at nothing: Python would complain once more at its end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _invoke(arguments: Sequence[str] | None, invocation: Invocation) -> int:
    typed = list(arguments) if arguments is not None else None
    code = group.main(typed, prog_name=_NAME, standalone_mode=False, obj=invocation)
    return int(code or 0)
