"""A platform that records what a JobLog prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from opsera_step.clock import FakeClock
from opsera_step.display import JobLog, LogLimit
from opsera_step.text import Scrubber

TOKEN = "tok-0123456789abcdefghij"


@dataclass
class Sheet:
    """What was printed, one short line for each call; lines of the run's log start with `» `."""

    color: bool = False
    folds: bool = False
    quotes_details: bool = False
    printed: list[str] = field(default_factory=list)
    moving: list[str] = field(default_factory=list)
    drawn: list[tuple[str, str]] = field(default_factory=list)
    details: list[list[str]] = field(default_factory=list)
    room: int = 0
    auto_log_limit: int | None = None
    log_used: int = 0
    is_open: bool = False

    def log_size(self, text: str) -> int:
        return len(text.encode()) + 10 * text.count("\n")

    def print_message(self, text: str, level: str = "") -> None:
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

    def annotate(self, level: str, title: str, text: str, details: Sequence[str] = ()) -> None:
        assert not self.is_open
        self.printed.append(f"!{level} {title}: {text}")
        self.details.append(list(details))

    def draw(self, lines: Sequence[tuple[str, str]]) -> None:
        self.drawn = list(lines)
        self.moving.append(lines[-1][0] if lines else "")


@dataclass
class Kept:
    """What was added to the full log."""

    lines: list[str] = field(default_factory=list)
    steps: list[tuple[str, str, str]] = field(default_factory=list)

    def keep(
        self,
        step_id: str,
        name: str,
        tool: str,
        lines: Sequence[str],
        created: float | None = None,
    ) -> None:
        self.steps.append((step_id, name, tool))
        self.lines += lines


def joblog(
    sheet: Sheet,
    clock: FakeClock | None = None,
    limit: int | None = None,
    keeper: Kept | None = None,
    *,
    shows_log: bool = True,
    **options: bool,
) -> JobLog:
    """Return a JobLog that prints on the sheet."""
    it = clock or FakeClock()
    scrubber = Scrubber(TOKEN)
    return JobLog(sheet, scrubber, it, LogLimit(limit), keeper, shows_log=shows_log, **options)
