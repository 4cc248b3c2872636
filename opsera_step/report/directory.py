"""The folder `report_dir`: the full log while it comes, and at the end the result in each form.

result.json is for programs, report.html for people, junit.xml for the viewers of tests, log.txt is
the log without colours; answer.json is what a question was answered.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import IO, TextIO

from opsera_step.display import excerpt
from opsera_step.outcome import Outcome
from opsera_step.report import log_blocks as logblocks
from opsera_step.text.sanitize import plain

LOG, RESULT, PAGE, TESTS = "log.txt", "result.json", "report.html", "junit.xml"
ANSWER = "answer.json"

_BLOCK_HEAD = 100
_MOST_SEARCHED = 500_000
"""Lines of a step in which what tells of a fault is looked for."""


class Report:
    """Writes the report of one job; that it fails never ends the job."""

    def __init__(self, folder: str, *, with_log: bool = True, is_answer: bool = False) -> None:
        """Take the folder, empty for none, and whether there is a log and what follows from it.

        With `is_answer` it is an answer alone: a question leaves the report of a job as it is.
        """
        self._folder = Path(folder) if folder else None
        self._with_log = with_log and not is_answer
        self._files = (ANSWER,) if is_answer else (RESULT, PAGE, TESTS) if with_log else (RESULT,)
        self._log: TextIO | None = None
        self._spool: IO[str] | None = None
        self._blocks = logblocks.LogBlocks(self._spool_block)
        self._failure = ""

    @property
    def keeps_log(self) -> bool:
        """Whether it wants the lines of the log."""
        return self._folder is not None and self._with_log

    def __enter__(self) -> Report:  # noqa: PYI034 - typing.Self is newer than Python 3.10
        """Make the folder and open the log; that it fails is told at the end."""
        if self._folder is not None:
            self._try(self._open)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the log."""
        self._try(self._close)

    def keep(self, step_id: str, name: str, tool: str, lines: Sequence[str]) -> None:
        """Add lines of a step to the full log; they are safe to show and may have colours."""
        if self._log is not None:
            text = "".join(f"{plain(line)}\n" for line in lines)
            self._try(lambda: self._keep(text, step_id, name, tool, lines))

    def write(self, outcome: Outcome, now: float) -> str:
        """Close the log and write all else; return a sentence if anything failed.

        `now` is the wall clock's time, in seconds since 1970.
        """
        if self._folder is None:
            return ""
        folder = self._folder
        if RESULT in self._files:
            self._try(lambda: self._write_result(folder, outcome))
        elif outcome.answer:
            self._try(lambda: _write(folder / ANSWER, outcome.answer + "\n"))
        if self._with_log:
            self._try(self._blocks.finish)
            self._try(lambda: self._write_tests(folder, outcome, now))
            self._try(lambda: self._write_page(folder, outcome))
        self._try(self._close)
        return self._failure

    def _open(self) -> None:
        assert self._folder is not None  # noqa: S101 - for the type checker
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in self._files:
            # What an earlier job left must not be taken for this one's if this one is killed.
            with suppress(OSError):
                (self._folder / name).unlink(missing_ok=True)
        if not self._with_log:
            return
        # By lines: of a job that is killed the log is there up to its last line.
        self._log = (self._folder / LOG).open(
            "w", buffering=1, encoding="utf-8", errors="replace", newline="\n"
        )
        # Without a name, so that nothing of it is ever left.
        self._spool = tempfile.TemporaryFile(  # noqa: SIM115 - closed with the log
            "w+", dir=self._folder, encoding="ascii", newline="\n"
        )

    def _keep(self, text: str, step_id: str, name: str, tool: str, lines: Sequence[str]) -> None:
        if self._log is not None:
            self._log.write(text)
            self._log.flush()
        self._blocks.add(step_id, name, tool, lines)

    def _spool_block(self, block: str) -> None:
        if self._spool is not None:
            self._spool.write(block)

    def _write_result(self, folder: Path, outcome: Outcome) -> None:
        text = json.dumps(outcome.to_json(), ensure_ascii=False, indent=2)
        _write(folder / RESULT, text + "\n")

    def _faults(self, number: int) -> Iterator[tuple[int, str]]:
        """Look for the lines of one step that tell of a fault, in what was spooled."""
        assert self._spool is not None  # noqa: S101 - for the type checker
        self._spool.seek(0)
        mine = f'data-step="{number}" '
        blocks = (block for block in self._spool if mine in block[:_BLOCK_HEAD])
        lines = (line for block in blocks for line in logblocks.unpack(block))
        for _, place, line in islice(lines, _MOST_SEARCHED):
            text = plain(line)
            if excerpt.reports_error(text):
                yield place, excerpt.shortened(text)

    def _write_tests(self, folder: Path, outcome: Outcome, now: float) -> None:
        from opsera_step.report import junit  # noqa: PLC0415 - only a report waits for it

        _write(folder / TESTS, junit.junit(outcome, self._blocks.steps, now))

    def _write_page(self, folder: Path, outcome: Outcome) -> None:
        from opsera_step.report import html as page  # noqa: PLC0415 - only a report waits for it

        with (folder / PAGE).open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            logs = self._blocks.steps
            bad = page.ended_at(outcome, logs)
            found = self._faults(bad.number) if bad and self._spool else ()
            faults = tuple(islice(found, excerpt.MOST_ERRORS))
            file.write(page.head(outcome, logs, self._blocks.left_out, faults))
            if self._spool is not None:
                self._spool.seek(0)
                shutil.copyfileobj(self._spool, file, 2**20)
            file.write(page.foot())

    def _close(self) -> None:
        files, self._log, self._spool = (self._log, self._spool), None, None
        # All are closed, also when one of them fails.
        with ExitStack() as closing:
            for file in files:
                if file is not None:
                    closing.callback(file.close)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            is_in_the_way = isinstance(error, FileExistsError)
            why = "a file is in the place of a folder" if is_in_the_way else error.strerror
            self._failed(why or str(error))
        except Exception as error:  # noqa: BLE001 - a report is never worth the job
            self._failed(f"{type(error).__name__}: {error}")

    def _failed(self, why: str) -> None:
        with suppress(OSError):
            self._close()
        self._failure = self._failure or f"The report in {self._folder} can't be written: {why}."


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", "replace", newline="\n")
