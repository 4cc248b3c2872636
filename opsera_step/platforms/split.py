"""A job log whose lines are data: they go to one stream, and all messages to another."""

from __future__ import annotations

from collections.abc import Sequence

from opsera_step.platforms.base import Platform


class Split:
    """Prints lines of the run's log to one platform, and all else to another.

    Groups go with the lines where a viewer folds them.
    """

    def __init__(self, talk: Platform, data: Platform) -> None:
        self._talk, self._data = talk, data
        self._groups = data if data.folds else talk
        self.color: bool = data.color

    @property
    def folds(self) -> bool:
        """Whether the viewer of the lines folds groups."""
        return self._data.folds

    @property
    def quotes_details(self) -> bool:
        """Whether annotations quote lines of the log."""
        return self._talk.quotes_details

    @property
    def auto_log_limit(self) -> int | None:
        """The limit of the platform that prints the lines."""
        return self._data.auto_log_limit

    @property
    def log_used(self) -> int:
        """How many bytes of that limit are used up."""
        return self._data.log_used

    def log_size(self, text: str) -> int:
        """Return how many bytes of that limit a text takes."""
        return self._data.log_size(text)

    @property
    def room(self) -> int:
        """How many lines can be redrawn below the log."""
        return self._talk.room

    def print_message(self, text: str, level: str = "") -> None:
        """Print one of our messages."""
        self._talk.print_message(text, level)

    def annotate(self, level: str, title: str, text: str, details: Sequence[str] = ()) -> None:
        """Show a message prominently."""
        self._talk.annotate(level, title, text, details)

    def draw(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show the progress below the log."""
        self._talk.draw(lines)

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines of the run's log; what is drawn makes room first."""
        self._talk.draw(())
        self._data.lines(lines)

    def open_group(self, title: str) -> None:
        """Start a group of lines."""
        self._groups.open_group(title)

    def close_group(self) -> None:
        """End the open group."""
        self._groups.close_group()
