"""Where a job prints: its log, and the data that a command was asked for."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import NamedTuple, TextIO


class Output(NamedTuple):
    """The streams of a job."""

    log: TextIO
    """The job log: progress, and in a CI job everything else too."""
    data: TextIO | None = None
    """Where the data is printed on a command line; None: to the job log."""
    form: str = ""
    """How to print the data: table, json, yaml, csv, text; empty for a sentence."""
    width: int | None = None
    """Columns that a table may take; None for any number."""
    shows_secrets: bool = False
    """Whether values of API objects whose keys look secret are printed."""
    is_quiet: bool = False
    """Whether progress is left out; errors and the data are still printed."""
    complaints: TextIO | None = None
    """Where to report that the log can't be written; None where there is no other place."""


def utf8(stream: TextIO | None) -> TextIO:
    """Make a stream accept any text in every locale; containers often have none.

    A closed stream counts as one that is not read. A non-blocking one would lose output when its
    buffer is full.
    """
    if stream is None:
        return io.StringIO()
    if hasattr(os, "set_blocking"):  # On Windows since Python 3.12.
        with suppress(OSError, ValueError):
            os.set_blocking(stream.fileno(), True)
    if isinstance(stream.buffer, io.RawIOBase):
        # As under `python3 -u`: what a signal cuts off a write would be lost.
        return os.fdopen(stream.fileno(), "w", 1, "utf-8", "replace", newline="\n", closefd=False)
    stream.reconfigure(encoding="utf-8", errors="replace", newline="\n")  # type: ignore[attr-defined]
    return stream
