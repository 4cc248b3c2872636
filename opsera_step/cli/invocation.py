"""One invocation of a command: on a command line, or by the input `command` of a job."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TextIO, TypeVar

import click

from opsera_step.cli.options import option_name
from opsera_step.config import BY_NAME, Setting
from opsera_step.errors import Cancelled
from opsera_step.job import CommandResult, Job, Output, run_job, utf8
from opsera_step.platforms import own_variables, window_size
from opsera_step.signals import Signals

Reply = TypeVar("Reply")

_LOG_IS_DATA = ("run", "watch")
"""The commands whose job log is the data, and is printed to stdout."""


@dataclass
class Invocation:
    """The environment of a command, and whether it was run."""

    environ: Mapping[str, str]
    out: TextIO
    err: TextIO
    signals: Signals | None = None
    """Those of the process; None until they are needed."""
    is_job: bool = False
    """Whether the arguments are the input `command` of a job."""
    carried_out: bool = False
    """Whether a command was carried out, so that the outputs are written."""

    def install_signals(self) -> Signals:
        """Return the signals of the process, installed."""
        if self.signals is None:
            self.signals = Signals()
            self.signals.install()
        return self.signals

    @property
    def is_interactive(self) -> bool:
        """Whether there is a terminal to prompt the user."""
        # A stream that was closed before we started is None.
        asked = sys.stdin is not None and sys.stdin.isatty()
        return not self.is_job and asked and self.err.isatty()

    def ask(self, question: Callable[[], Reply]) -> Reply:
        """Wait for what the user types; a signal ends that at once."""
        try:
            with self.install_signals().guard():
                return question()
        except (Cancelled, click.Abort):
            # What was typed so far has no line end of its own.
            click.echo(err=True)
            raise

    def confirm(self, question: str) -> bool:
        """Ask the user to confirm; the end of the input is a no."""
        try:
            return self.ask(partial(click.confirm, question, err=True))
        except click.Abort:
            return False

    def run(
        self,
        name: str,
        typed: Mapping[str, Any],
        command: Callable[[Job], CommandResult] | None = None,
        *,
        form: str = "",
        tool: str = "",
        show_secrets: bool = False,
    ) -> int:
        """Run a command: the input of that name, or a function.

        In a job, everything is printed to the job log. On a command line, data is printed to stdout
        and progress to stderr; of `run` and `watch` without a format the job log is the data.
        """
        self.carried_out = True
        options = self.options(name, typed)
        if self.is_job:
            output = Output(self.out, form=form, width=self.width())
        elif name in _LOG_IS_DATA and not form:
            output = Output(self.out, complaints=self.err)
        else:
            output = Output(self.err, self.out, form, self.width())
        return run_job(
            self.environ,
            output._replace(shows_secrets=show_secrets, is_quiet=bool(typed.get("quiet"))),
            self.install_signals(),
            command=command,
            options=options,
            tool=tool,
        )

    def options(self, command: str, typed: Mapping[str, Any]) -> dict[str, Setting]:
        """Return what was typed as inputs, each with its option as the source."""
        options = {
            name: Setting(value.strip(), option_name(BY_NAME[name]))
            for name, value in typed.items()
            if name in BY_NAME and value is not None and value.strip()
        }
        source = "the input command" if self.is_job else "the command line"
        return {**options, "command": Setting(command, source)}

    def width(self) -> int | None:
        """Return the columns of a terminal; what is no terminal has no width."""
        return window_size(self.environ, self.out).columns if self.out.isatty() else None


def this_process(signals: Signals | None = None) -> Invocation:
    """Return the invocation of this process's command line."""
    environ = own_variables(os.environ, is_job=False)
    return Invocation(environ, utf8(sys.stdout), utf8(sys.stderr), signals)


def invocation() -> Invocation:
    """Return the invocation of the command that is being carried out."""
    found = click.get_current_context().find_object(Invocation)
    return found if found is not None else this_process()
