"""The lines of a step that matter when it has failed: the first that tell of a fault, and the last.

A careful guess, made while the lines come, so that memory does not grow with the log.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from opsera_step.text.sanitize import plain

LAST_LINES = 20
"""How many last lines of a step are remembered."""
FIRST_FAULTS = 10
"""How many lines that tell of a fault are remembered, of each step."""
WIDTH = 300
"""Characters of a line, where it is quoted far from the log."""

_STEPS = 500
_SEARCHED = 1000
_WORD = r"(?<![\w./\\-])"
_END = r"(?![\w/\\-]|\.\w)"
_FAULT = re.compile(
    rf"""
    (?i: {_WORD}(?: errors? | err | fatal | failed | failures? | fails? | panic | exceptions?
      | aborted | denied | unauthorized | segmentation\ fault | traceback | cannot | could\ not
      | not\ found | exit(?:ed)?\ (?:with\ )?(?:code|status)[ :=]*[1-9]\d* ){_END} )
    | \b\w*[a-z](?:Error|Exception)\b(?![\w/\\-]|\.[a-z]) | \bERR!
    | ^[\s|│]*[✗✘✖×❌✕]
    """,
    re.VERBOSE,
)
_STEMS = (
    "err", "fail", "fatal", "exception", "panic", "abort", "denied", "unauthorized", "segmentation",
    "traceback", "cannot", "could not", "not found", "exit", *"✗✘✖×❌✕",
)  # fmt: skip
"""Of these any line that `_FAULT` finds has one; most lines have none, and this is quick to see."""
_HARMLESS = re.compile(
    r"""
    ^\s*(?: [+$#]\s | [✓✔√✅] | (?:ok|PASS(?:ED)?)\b ).*     # a command, a test that passed
    | \b(?:no|0|zero|without(?:\ any)?)\s+(?:[a-z]+\s+){0,2}?
        (?:errors?|failures?|failed|fatal|exceptions?|aborted)\b
    | \b(?:errors?|failures?|failed|fails?|fatal|exceptions?|aborted)["']?\s*[:=|]\s*
        (?:0|no(?:ne)?|false|null|\[\])\s*(?=$|[,;|)}\]·/])
    | \b(?:on|if|ignore|allow|continue[-_ ]on|fail[-_ ]on)[-_ ](?:errors?|failures?)\b
    """,
    re.VERBOSE | re.IGNORECASE,
)


def tells_of_a_fault(line: str) -> bool:
    """Guess whether a line, without its colours, says that something went wrong."""
    line = line[:_SEARCHED]
    if not any(map(line.lower().__contains__, _STEMS)) or not _FAULT.search(line):
        return False
    return _FAULT.search(_HARMLESS.sub(" ", line)) is not None


@dataclass
class Excerpt:
    """What is remembered of one step's lines: safe to show, the faults without colours."""

    name: str
    faults: list[str] = field(default_factory=list)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))

    def add(self, lines: Sequence[str]) -> None:
        """Take the next lines."""
        self.last.extend(lines[-LAST_LINES:])
        if len(self.faults) < FIRST_FAULTS:
            found = filter(tells_of_a_fault, map(plain, lines))
            self.faults += map(shortened, islice(found, FIRST_FAULTS - len(self.faults)))

    @property
    def tail(self) -> list[str]:
        """The last lines, without colours, cut where they are very long, without empty ends."""
        lines = [shortened(plain(line)) for line in self.last]
        while lines and not lines[-1].strip():
            lines.pop()
        while lines and not lines[0].strip():
            lines.pop(0)
        return lines

    @property
    def telling(self) -> list[str]:
        """The lines that matter: those that tell of a fault, or else a few of the last ones."""
        return self.faults or self.tail[-FIRST_FAULTS:]


class Excerpts:
    """The excerpts of all steps, told apart by their IDs; a step without one by its name."""

    def __init__(self) -> None:
        """Begin without any."""
        self._steps: dict[str, Excerpt] = {}

    def add(self, step_id: str, name: str, lines: Sequence[str]) -> None:
        """Take lines of a step; of hundreds of steps the first ones are forgotten."""
        key = step_id or name
        if key not in self._steps:
            if len(self._steps) >= _STEPS:
                del self._steps[next(iter(self._steps))]
            self._steps[key] = Excerpt(name)
        self._steps[key].add(lines)

    def of(self, step_id: str, name: str) -> Excerpt | None:
        """Find a step by its ID, or else the last one of that name."""
        named = (one for one in reversed(self._steps.values()) if name and one.name == name)
        return self._steps.get(step_id) or next(named, None)


def shortened(line: str, width: int = WIDTH) -> str:
    """Return the line, cut where it is very long."""
    return line if len(line) <= width else line[: width - 1] + "…"
