"""Exhaustive search: play something once for each sequence of choices that it can make."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Choose(Protocol):
    """Returns one of some options; in another play another one."""

    def __call__(self, options: Sequence[T]) -> T: ...


class _Path:
    """The choices of one play: those of `start`, then always the first option."""

    def __init__(self, start: Sequence[int]) -> None:
        self.made: list[tuple[int, int]] = []
        """The index and the number of options of each choice."""
        self.chosen: list[object] = []
        self._start = start

    def __call__(self, options: Sequence[T]) -> T:
        at = len(self.made)
        index = self._start[at] if at < len(self._start) else 0
        self.made.append((index, len(options)))
        self.chosen.append(options[index])
        return options[index]

    def next(self) -> list[int] | None:
        """Return the start of the next path; None after the last."""
        left = list(self.made)
        while left and left[-1][0] + 1 == left[-1][1]:
            left.pop()
        return [*(index for index, _ in left[:-1]), left[-1][0] + 1] if left else None


def explore(play: Callable[[Choose], None]) -> int:
    """Play until every sequence of choices was made; return how many there are.

    An error of a play gets the choices that led to it.
    """
    plays, start = 0, list[int]()
    while True:
        path = _Path(start)
        try:
            play(path)
        except AssertionError as error:
            raise AssertionError(f"{error}\nafter the choices {path.chosen}") from error
        plays += 1
        following = path.next()
        if following is None:
            return plays
        start = following


@contextmanager
def unreached(*places: Callable[..., Any]) -> Iterator[set[str]]:
    """Provide the lines of functions and classes that are not reached in this block, at its end."""
    functions = [
        function
        for place in places
        for function in (vars(place).values() if inspect.isclass(place) else (place,))
        if inspect.isfunction(function)
    ]
    codes = [code for one in functions for code in _codes(one.__code__)]
    left = {(code, line) for code in codes for _, _, line in code.co_lines() if line}
    found: set[str] = set()

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if frame.f_code not in known:
            return None
        left.discard((frame.f_code, frame.f_lineno))
        return trace

    known, before = set(codes), sys.gettrace()
    sys.settrace(trace)
    try:
        yield found
    finally:
        sys.settrace(before)
        found.update(
            f"{code.co_name}, line {line}" for code, line in left if line != code.co_firstlineno
        )


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function and of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
