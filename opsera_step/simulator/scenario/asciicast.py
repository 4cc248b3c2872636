"""Recorded terminal sessions (asciicast v2) as log entries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from opsera_step.simulator.scenario.reader import ScenarioError
from opsera_step.simulator.scenario.timeline import LogEntry

T = TypeVar("T")

VERSION = 2
"""The supported version of the format."""

_BURST = 0.05


def replay(
    cast: str, file: str, *, at: float = 0.0, speed: float = 1.0, growing: bool = False
) -> tuple[LogEntry, ...]:
    """Return what a recorded session writes.

    That is one record for each burst of whole lines, or one record that grows with each burst.
    """
    bursts = [(when / speed, text) for when, text in _bursts(_outputs(cast, file))]
    if growing:
        pieces, times = tuple(text for _, text in bursts), tuple(when for when, _ in bursts)
        return (LogEntry(pieces=pieces, times=times, at=at, growing=True),) if pieces else ()
    return tuple(
        LogEntry(text=text, at=at + when, every=0.0) for when, text in _whole_lines(bursts)
    )


def _outputs(cast: str, file: str) -> Iterator[tuple[float, str]]:
    header, *events = cast.rstrip("\n").split("\n")
    if _parsed(header, file, 1, lambda data: data["version"]) != VERSION:
        raise ScenarioError(f"{file}: not an asciicast of version {VERSION}")
    for number, event in enumerate(events, 2):
        when, kind, text = _parsed(event, file, number, _event)
        if kind == "o":
            yield when, text


def _event(data: Any) -> tuple[float, str, str]:
    when, kind, text = data
    return float(when), str(kind), str(text)


def _parsed(line: str, file: str, number: int, read: Callable[[Any], T]) -> T:
    try:
        return read(json.loads(line))
    except (KeyError, TypeError, ValueError) as error:
        raise ScenarioError(f"{file}: line {number} is not asciicast v2 ({error!r})") from error


def _bursts(outputs: Iterator[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """Join what was written at nearly the same moment."""
    start, text = 0.0, ""
    for when, more in outputs:
        if text and when - start > _BURST:
            yield start, text
            text = ""
        start = start if text else when
        text += more
    if text:
        yield start, text


def _whole_lines(bursts: list[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """Hold back the start of a line until the rest of it has come."""
    held = ""
    for when, text in bursts:
        whole, end, rest = (held + text).rpartition("\n")
        held = rest
        if end:
            yield when, whole + end
    if held:
        yield bursts[-1][0], held
