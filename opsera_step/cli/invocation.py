"""Where a command was typed: on a command line, or in a job's input `command`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO, TypeVar

import click

from opsera_step.cli.options import PATHS, option_name
from opsera_step.config import BY_NAME, Setting
from opsera_step.errors import Cancelled
from opsera_step.job import Context, Order, run_job, utf8
from opsera_step.platforms import window_size
from opsera_step.signals import Cancellation

Answered = TypeVar("Answered")


@dataclass
class Host:
    """What a command needs of its surroundings, and what became of it."""

    environ: Mapping[str, str]
    out: TextIO
    err: TextIO
    cancellation: Cancellation | None = None
    """That of the job; a command line makes its own when it first needs one."""
    is_job: bool = False
    has_settled: bool = False
    """Whether a command was carried out, so that the outputs are written."""

    def cancel(self) -> Cancellation:
        """Return what signals are heard with, installed."""
        if self.cancellation is None:
            self.cancellation = Cancellation()
            self.cancellation.install()
        return self.cancellation

    @property
    def is_interactive(self) -> bool:
        """Whether there is somebody to ask."""
        # A stream that was closed before we began is None.
        asked = sys.stdin is not None and sys.stdin.isatty()
        return not self.is_job and asked and self.err.isatty()

    def ask(self, question: Callable[[], Answered]) -> Answered:
        """Wait for what the user types; a signal ends that at once."""
        try:
            with self.cancel().guard():
                return question()
        except (Cancelled, click.Abort):
            # What was typed so far has no end of its own.
            click.echo(err=True)
            raise

    def agrees(self, question: str) -> bool:
        """Ask whether the user agrees; the end of the input is no agreement."""
        try:
            return self.ask(partial(click.confirm, question, err=True))
        except click.Abort:
            return False

    def carry_out(self, command: str, typed: Mapping[str, str | None]) -> int:
        """Carry out a command of the job, with its log on stdout."""
        self.has_settled = True
        options = self.options(command, typed)
        order = Order(complaints=None if self.is_job else self.err)
        return run_job(self.environ, self.out, self.cancel(), options=options, order=order)

    def answer(
        self,
        command: str,
        typed: Mapping[str, str | None],
        act: Callable[[Context], None] | None,
        *,
        form: str = "table",
        tool: str = "",
    ) -> int:
        """Carry out a command that has an answer: that on stdout, all talk on stderr."""
        self.has_settled = True
        options = self.options(command, typed)
        if tool:
            options["tool"] = Setting(tool, "the command")
        data = None if self.is_job else self.out
        order = Order(act, data, form, self.width())
        talk = self.out if self.is_job else self.err
        return run_job(self.environ, talk, self.cancel(), options=options, order=order)

    def options(self, command: str, typed: Mapping[str, str | None]) -> dict[str, Setting]:
        """Return what was typed as inputs, with the options' names as where they are from."""
        options = {
            name: Setting(_expanded(name, value.strip()), option_name(BY_NAME[name]))
            for name, value in typed.items()
            if name in BY_NAME and value is not None and value.strip()
        }
        where = "the input command" if self.is_job else "the command line"
        return {**options, "command": Setting(command, where)}

    def width(self) -> int | None:
        """Return the columns of a terminal; what is no terminal has no width."""
        return window_size(self.environ, self.out).columns if self.out.isatty() else None


def _expanded(name: str, value: str) -> str:
    """Put the home folder for the ~ of a path: most shells leave it in `--output-file=~/x`."""
    is_home = name in PATHS and value.startswith("~/")
    return str(Path(value).expanduser()) if is_home else value


def this_process(cancellation: Cancellation | None = None) -> Host:
    """Return the host of this process's command line."""
    return Host(os.environ, utf8(sys.stdout), utf8(sys.stderr), cancellation)


def host() -> Host:
    """Return where the command that is being carried out was typed."""
    found = click.get_current_context().find_object(Host)
    return found if found is not None else this_process()
