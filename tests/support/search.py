"""Exhaustive search: play something once for each sequence of choices, and see what it reaches."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Protocol, TypeVar

from coverage import Coverage

T = TypeVar("T")


class Choose(Protocol):
    """Returns one of the options; each play gets a different combination."""

    def __call__(self, options: Sequence[T]) -> T: ...


class _Path:
    """The choices of one play: those of `start`, then always the first option."""

    def __init__(self, start: Sequence[int], most: int) -> None:
        self.made: list[tuple[int, int]] = []
        """The index and the number of options of each choice."""
        self.chosen: list[object] = []
        """The options that are not the first ones."""
        self._start, self._most = start, most

    def __call__(self, options: Sequence[T]) -> T:
        at = len(self.made)
        index = self._start[at] if at < len(self._start) else 0
        self.made.append((index, len(options) if len(self.chosen) < self._most else 1))
        if index:
            self.chosen.append(options[index])
        return options[index]

    def next(self) -> list[int] | None:
        """Return the start of the next path; None after the last."""
        left = list(self.made)
        while left and left[-1][0] + 1 >= left[-1][1]:
            left.pop()
        return [*(index for index, _ in left[:-1]), left[-1][0] + 1] if left else None


def explore(play: Callable[[Choose], None], most: int) -> int:
    """Play every sequence with at most `most` choices that are not the first option.

    The first option is what usually happens. Like a search with bounded preemptions (Musuvathi and
    Qadeer, PLDI 2007), this reaches any depth at a polynomial cost. Return the number of
    plays. If a play raises an error, the choices that led to it are added.
    """
    plays, start = 0, list[int]()
    while True:
        path = _Path(start, most)
        try:
            play(path)
        except Exception as error:
            raise AssertionError(f"{error!r}\nafter the choices {path.chosen}") from error
        plays += 1
        following = path.next()
        if following is None:
            return plays
        start = following


@contextmanager
def unreached_branches(*modules: ModuleType) -> Iterator[set[str]]:
    """Provide, after the block, the branches in functions of the modules that it did not take."""
    files = [str(module.__file__) for module in modules]
    measured = Coverage(data_file=None, branch=True, config_file=False, include=files)
    found: set[str] = set()
    with measured.collect():
        yield found
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory, "report.json")
        measured.json_report(outfile=str(page))
        report = json.loads(page.read_text("utf-8"))
    for file, lines in report["files"].items():
        for name, function in lines["functions"].items():
            # Module-level code runs at import.
            for start, end in function["missing_branches"] if name else ():
                found.add(f"{file}:{start} to {end}, in {name}")
            for line in function["missing_lines"] if name else ():
                found.add(f"{file}:{line}, in {name}")
