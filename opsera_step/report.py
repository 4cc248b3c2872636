"""The folder `report_dir`: the full log while it comes, and the result at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TextIO

from opsera_step.outcome import Outcome


class Report:
    """Writes log.txt and result.json; that it fails never ends a job."""

    def __init__(self, folder: str) -> None:
        """Take the folder; empty for none."""
        self._folder = Path(folder) if folder else None
        self._log: TextIO | None = None
        self._failure = ""

    def __enter__(self) -> Report:  # noqa: PYI034 - typing.Self is newer than Python 3.10
        """Make the folder and open the log; that it fails is told at the end."""
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                # By lines: of a job that is killed the log is there up to its last line.
                self._log = (self._folder / "log.txt").open(
                    "w", buffering=1, encoding="utf-8", errors="replace", newline="\n"
                )
            except OSError as error:
                self._failed(error)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the log."""
        self._close()

    def keep_line(self, line: str) -> None:
        """Add a line to the full log."""
        if self._log is not None:
            try:
                self._log.write(line + "\n")
            except OSError as error:
                self._failed(error)

    def write_result(self, outcome: Outcome) -> str:
        """Close the log and write result.json; return a sentence if anything failed."""
        self._close()
        if self._folder is not None and not self._failure:
            try:
                text = json.dumps(outcome.to_json(), ensure_ascii=False, indent=2)
                (self._folder / "result.json").write_text(text + "\n", "utf-8", "replace")
            except OSError as error:
                self._failed(error)
        return self._failure

    def _close(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            try:
                log.close()
            except OSError as error:
                self._failed(error)

    def _failed(self, error: OSError) -> None:
        self._failure = f"The report in {self._folder} can't be written: {error.strerror or error}."
        self._close()
