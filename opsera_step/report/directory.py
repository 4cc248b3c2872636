"""The report directory: the full log while it arrives, and at the end the result in each form.

result.json is for programs, report.html for people, junit.xml for test viewers, and log.txt is the
log without colors. A query leaves answer.json alone. All files go through `files.Directory`, which
follows no link.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO

from opsera_step.api import format_timestamp
from opsera_step.files import Directory, reason_of
from opsera_step.outcome import Outcome
from opsera_step.text import clean_inline, plain

if TYPE_CHECKING:
    from opsera_step.display.excerpt import Excerpts

LOG, RESULT, PAGE, TESTS = "log.txt", "result.json", "report.html", "junit.xml"
ANSWER = "answer.json"

_MOST_READ = 1 << 20


class Report:
    """Writes the report of one job; a failure never ends the job.

    Use it as a context manager around the job, and call `write` at the end.
    """

    def __init__(
        self,
        directory: str,
        workspace: Path | None = None,
        *,
        with_log: bool = True,
        is_answer: bool = False,
        timestamps: bool = False,
    ) -> None:
        """Take the directory, empty for none, and what is written there.

        Without a log it is result.json alone; `is_answer` is for a query, which leaves the report
        of a job as it is. `timestamps` puts the time of its record before each line of log.txt.
        """
        self._path, self._workspace = directory, workspace or Path.cwd()
        self._with_log, self._timestamps = with_log and not is_answer, timestamps
        self._files = (ANSWER,) if is_answer else (RESULT, PAGE, TESTS) if with_log else (RESULT,)
        self._directory: Directory | None = None
        self._log: TextIO | None = None
        self._spool: IO[str] | None = None
        if directory:
            from opsera_step.report.log_blocks import LogBlocks  # noqa: PLC0415

            self._blocks = LogBlocks(self._spool_block)
        self._failure = ""
        self.note = ""
        """A message about an earlier report that this one replaces."""

    @property
    def keeps_log(self) -> bool:
        """Whether it takes the lines of the log."""
        return bool(self._path) and self._with_log and not (self._failure and not self._directory)

    def __enter__(self) -> Report:  # noqa: PYI034 - typing.Self is newer than Python 3.10
        """Open the directory and the log; a failure is reported by `write`."""
        if self._path:
            self._try(self._open)
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything, also of a job that did not come to `write`."""
        self._try(self._close_log)
        if self._directory is not None:
            self._directory.close()

    def keep(
        self, step_id: str, name: str, tool: str, lines: Sequence[str], created: float | None = None
    ) -> None:
        """Add lines of a step to the full log. They are safe to show and may have colors.

        `created` is the time of their record, in seconds since 1970.
        """
        if self._log is not None:
            self._try(lambda: self._keep(step_id, name, tool, lines, created))

    def write(self, outcome: Outcome, now: float, excerpts: Excerpts | None = None) -> str:
        """Write what follows from the outcome; return a sentence if anything failed.

        `now` is the time of the wall clock, in seconds since 1970; `excerpts` has the lines to
        quote of the step at which the run ended.
        """
        if self._directory is None:
            return self._failure
        if RESULT in self._files:
            self._write(RESULT, lambda file: _write_json(file, outcome.to_json()))
        elif outcome.answer:
            self._write(ANSWER, lambda file: file.write(outcome.answer + "\n"))
        if self._with_log:
            self._try(self._blocks.finish)
            self._write(TESTS, lambda file: self._write_tests(file, outcome, now))
            self._write(PAGE, lambda file: self._write_page(file, outcome, excerpts))
        self._try(self._close_log)
        return self._failure

    def _open(self) -> None:
        directory = Directory(self._path, self._workspace)
        if ANSWER not in self._files and not directory.lock():
            directory.close()
            self._failure = (
                f"Another job is writing a report to {self._path}, so this job doesn't write one. "
                f"Use a different report_dir for each job."
            )
            return
        self._directory = directory
        if self._with_log:
            self.note = self._note_on_earlier(directory)
        for name in self._files:
            # If this job is killed, no file of an earlier job must be taken for one of this job.
            with suppress(OSError):
                directory.remove(name)
        if self._with_log:
            # Line by line, so that the log of a killed job is complete up to its last line.
            self._log = directory.open_log(LOG)
            self._spool = directory.open_spool()

    def _note_on_earlier(self, directory: Directory) -> str:
        """Name the run whose report is replaced, or else the files."""
        found = [name for name in (LOG, *self._files) if name in directory.names()]
        if not found:
            return ""
        with suppress(ValueError, RecursionError):
            earlier = json.loads(directory.read(RESULT, _MOST_READ))
            if isinstance(earlier, dict) and isinstance(earlier.get("runCount"), int):
                name = clean_inline(str(earlier.get("pipelineName") or ""), 200)
                of = f" of “{name}”" if name else ""
                return f"Replacing the report of run {earlier['runCount']}{of} in {self._path}."
        return f"Replacing {', '.join(found)} in {self._path}."

    def _keep(
        self, step_id: str, name: str, tool: str, lines: Sequence[str], created: float | None
    ) -> None:
        stamp = "" if created is None or not self._timestamps else f"{format_timestamp(created)} "
        try:
            if self._log is not None:
                self._log.write("".join(f"{stamp}{plain(line)}\n" for line in lines))
                self._log.flush()
            self._blocks.add(step_id, name, tool, lines, created)
        except OSError:
            with suppress(OSError):
                self._close_log()
            if self._directory is not None:
                # A partial file would look complete.
                self._directory.remove(LOG)
            raise

    def _spool_block(self, block: str) -> None:
        if self._spool is not None:
            self._spool.write(block)

    def _write_tests(self, file: TextIO, outcome: Outcome, now: float) -> None:
        from opsera_step.report import junit  # noqa: PLC0415 - only a report needs it

        file.write(junit.junit(outcome, self._blocks.steps, now))

    def _write_page(self, file: TextIO, outcome: Outcome, excerpts: Excerpts | None) -> None:
        from opsera_step.report import html  # noqa: PLC0415 - only a report needs it

        logs = self._blocks.steps
        bad = html.ended_at(outcome, logs)
        found = excerpts.of(bad.step_id, bad.name) if bad and excerpts else None
        errors = found.numbered_errors if found else ()
        file.write(html.head(outcome, logs, self._blocks.left_out, errors))
        if self._spool is not None:
            self._spool.seek(0)
            shutil.copyfileobj(self._spool, file, 2**20)
        file.write(html.foot())

    def _write(self, name: str, write: Callable[[TextIO], object]) -> None:
        def action() -> None:
            if self._directory is not None:
                with self._directory.writer(name) as file:
                    write(file)

        self._try(action)

    def _close_log(self) -> None:
        files, self._log, self._spool = (self._log, self._spool), None, None
        # All are closed, also if one of them fails.
        with ExitStack() as closing:
            for file in files:
                if file is not None:
                    closing.callback(file.close)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            self._failed(reason_of(error))
        except Exception as error:  # noqa: BLE001 - a report is never worth the job
            self._failed(f"{type(error).__name__}: {error}")

    def _failed(self, why: str) -> None:
        self._failure = self._failure or f"Can't write the report to {self._path}: {why}."


def _write_json(file: TextIO, data: object) -> None:
    file.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
