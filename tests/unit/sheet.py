"""A sink that notes what a JobLog prints, and a JobLog on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from opsera_step.log_limit import LogLimit
from opsera_step.render.joblog import JobLog, Safe
from opsera_step.timing import FakeClock

TOKEN = "tok-0123456789abcdefghij"


@dataclass
class Sheet:
    """What was printed, a short line for each call; `» ` before lines of the run's log."""

    colour: bool = False
    folds: bool = False
    printed: list[str] = field(default_factory=list)
    moving: list[str] = field(default_factory=list)
    is_open: bool = False

    def say(self, text: str, level: str = "") -> None:
        self.printed.append(f"{level}: {text}" if level else text)

    def lines(self, lines: Sequence[str]) -> None:
        self.printed += [f"» {line}" for line in lines]

    def open_group(self, title: str) -> None:
        self.close_group()
        self.printed.append(f"[{title}")
        self.is_open = True

    def close_group(self) -> None:
        self.printed += ["]"] if self.is_open else []
        self.is_open = False

    def annotate(self, level: str, title: str, text: str) -> None:
        assert not self.is_open
        self.printed.append(f"!{level} {title}: {text}")

    def status_line(self, text: str) -> None:
        self.moving.append(text)


def joblog(
    sheet: Sheet,
    clock: FakeClock | None = None,
    limit: int | None = None,
    keep: Callable[[str], None] | None = None,
) -> JobLog:
    """Make a JobLog that prints on the sheet."""
    return JobLog(sheet, Safe(TOKEN), clock or FakeClock(), LogLimit(limit), keep)
