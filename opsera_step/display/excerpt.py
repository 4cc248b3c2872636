"""The lines of a step that matter when it has failed: those that report errors, and the last ones.

This is a heuristic, applied while the lines arrive, so that memory does not grow with the log.
Lines that differ only in numbers are folded, because tools that retry or clean up print them by the
hundred.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from opsera_step.text import plain

LAST_LINES = 20
"""Maximum number of last lines of a step to quote."""
MOST_ERRORS = 10
"""Maximum number of error lines of a step to quote."""
WIDTH = 300
"""Characters of a line that is quoted."""

_STEPS = 500
_SEARCHED = 1000
_KEPT_RUNS = 40
_KEPT_ERRORS = 60
_FOLDED = 3
"""Similar lines from this number on are folded into the first and the last of them."""
_NOISE = 3
"""An error that is printed this often, but for its numbers, is likely not the one that matters."""
_WORD = r"(?<![\w./\\-])"
_END = r"(?![\w/\\-]|\.\w)"
_ERROR = re.compile(
    rf"""
    (?i: {_WORD}(?: errors? | err | fatal | failed | failures? | fails? | panic | exceptions?
      | aborted | denied | unauthorized | segmentation\ fault | traceback | cannot | could\ not
      | not\ found | exit(?:ed)?\ (?:with\ )?(?:code|status)[ :=]*[1-9]\d* ){_END} )
    | \b\w*[A-Za-z](?:Error|Exception)\b(?![\w/\\-]|\.[a-z]) | \bERR!
    | ^[\s|│]*[✗✘✖×❌✕]
    """,
    re.VERBOSE,
)
_STEMS = (
    "err", "fail", "fatal", "exception", "panic", "abort", "denied", "unauthorized", "segmentation",
    "traceback", "cannot", "could not", "not found", "exit", *"✗✘✖×❌✕",
)  # fmt: skip
"""Any line that `_ERROR` finds contains one of these; most lines contain none, which is quick."""
_STEMS_AS_BYTES = tuple(stem.encode() for stem in _STEMS)
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
_CAUSE = re.compile(
    r"""
    \b\w*[A-Za-z](?:Error|Exception)\b:? \s+ \S | \bcaused\ by: | \bpanic(?:ked)?\b | \bfatal\b
    | \berror\b (?:\s+\w+\d+|\[\w+\])? : \s* \S | ^E\s{2,}\S | \bdenied\b | \bnot\ found\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A line that names the cause."""
_SUMMARY = re.compile(
    r"""
    ignor(?:ed|ing) | retry(?:ing)? | \bretries\b | \bwill\ be\ | \bwarn(?:ing)?\b | non-?fatal
    | continuing | \boptional\b | \bskipp(?:ed|ing)\b
    | \bexit(?:ed)?\ (?:with\ )?(?:code|status)\b | \bERR!\ (?:test|code|errno|command|path)
    | \b(?:build|test|tests|job|task|run|command|step)\ failed\b | ^make(?:\[\d+\])?: | see\ above
    | \d+\ (?:failed|failures?|errors?|tests?)\b | \b(?:failed|errors?|failures?)\ \w*\ ?\d+
    | ^[\W_]*(?:failed|failures?|errors?|fail(?:ed)?\ tests?|traceback)\b[\W\d_]*
      (?:\(most\ recent\ call\ last\):)?$
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""A line that reports an error without its cause, or one that the tool tolerated."""
_DIGITS = b"0123456789"


def reports_error(line: str) -> bool:
    """Guess whether a line, without its colors, reports an error."""
    line = line[:_SEARCHED]
    if not any(map(line.lower().__contains__, _STEMS)) or not _ERROR.search(line):
        return False
    return _ERROR.search(_HARMLESS.sub(" ", line)) is not None


def shortened(line: str, width: int = WIDTH) -> str:
    """Return the line, cut if it is very long."""
    return line if len(line) <= width else line[: width - 1] + "…"


@dataclass
class _Lines:
    """Lines that differ only in numbers: the first one, the last one, and how many they are."""

    shape: bytes
    """What they have in common: all but the digits."""
    first: str
    last: str
    position: int
    """Number of the last one."""
    count: int = 1

    def quoted(self) -> Iterator[str]:
        """Yield the lines, or their abbreviation."""
        yield self.first
        if self.count >= _FOLDED:
            yield f"… {self.count - 2:,} similar {'line' if self.count == 3 else 'lines'}"
        if self.count > 1:
            yield self.last

    def folded(self) -> str:
        """Return them as one line."""
        more = f" (and {self.count - 1:,} similar)" if self.count >= _FOLDED else ""
        return f"{self.first}{more}"


class Excerpt:
    """What is remembered of the lines of one step; the lines are safe to show."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._count = 0
        self._last: deque[_Lines] = deque(maxlen=_KEPT_RUNS)
        self._errors: dict[bytes, _Lines] = {}

    def add(self, lines: Sequence[str], first: int | None = None) -> None:
        """Take the next lines, without their colors; `first` is the number of the first one."""
        self._count = self._count if first is None else first - 1
        quoted = [line if len(line) <= WIDTH else shortened(line) for line in lines]
        text = "\n".join(quoted).encode("utf-8", "replace")
        shapes = (
            [one.strip() for one in text.translate(None, _DIGITS).split(b"\n")] if lines else []
        )
        if quoted == list(lines):
            # Most lines report no error, and many differ in digits only: they are tested together.
            text = b"\n".join(set(shapes))
        else:
            text = "\n".join(lines).encode("utf-8", "replace")
        text = text.lower()
        if not any(stem in text for stem in _STEMS_AS_BYTES):
            self._add_harmless(quoted, shapes)
            return
        for line, short, shape in zip(lines, quoted, shapes, strict=True):
            self._count += 1
            self._add_last(short, short, shape)
            if reports_error(line):
                self._add_error(short, shape)

    def _add_harmless(self, lines: Sequence[str], shapes: Sequence[bytes]) -> None:
        at = 0
        for shape, run in groupby(shapes):
            count = sum(1 for _ in run)
            self._count += count
            self._add_last(lines[at], lines[at + count - 1], shape, count)
            at += count

    @property
    def errors(self) -> list[str]:
        """The error lines that likely matter, in order: near the end rather than at the start."""
        return [one.folded() for one in self._likely_errors()]

    @property
    def numbered_errors(self) -> list[tuple[int, str]]:
        """These lines with their numbers; of similar ones the last."""
        return [(one.position, one.last) for one in self._likely_errors()]

    @property
    def tail(self) -> list[str]:
        """The last lines, folded, without empty ones at both ends."""
        lines: list[str] = []
        for run in reversed(self._last):
            quoted = list(run.quoted())
            if len(lines) + len(quoted) > LAST_LINES:
                break
            lines[:0] = quoted
        while lines and not lines[-1].strip():
            lines.pop()
        while lines and not lines[0].strip():
            lines.pop(0)
        return lines

    @property
    def headline(self) -> str:
        """The one line that likely names the cause; empty if the step printed nothing."""
        found = sorted(self._errors.values(), key=_importance)
        return found[-1].first.strip() if found else next(iter(reversed(self.tail)), "").strip()

    def _likely_errors(self) -> list[_Lines]:
        found = sorted(self._errors.values(), key=lambda one: one.position)
        rare = [one for one in found if one.count < _NOISE]
        return (rare or found)[-MOST_ERRORS:]

    def _add_last(self, first: str, last: str, shape: bytes, count: int = 1) -> None:
        run = self._last[-1] if self._last else None
        if run is not None and run.shape == shape:
            run.last, run.position, run.count = last, self._count, run.count + count
        else:
            self._last.append(_Lines(shape, first, last, self._count, count))

    def _add_error(self, line: str, shape: bytes) -> None:
        known = self._errors.get(shape)
        if known is not None:
            known.last, known.position, known.count = line, self._count, known.count + 1
            return
        self._errors[shape] = _Lines(shape, line, line, self._count)
        if len(self._errors) > _KEPT_ERRORS:
            least = min(self._errors.values(), key=lambda one: one.position)
            del self._errors[least.shape]


def _importance(error: _Lines) -> tuple[bool, bool, int]:
    """Order errors by how likely they name the cause: rare ones first, then those near the end."""
    names_cause = _CAUSE.search(error.first) is not None
    is_summary = _SUMMARY.search(error.first) is not None
    return error.count < _NOISE and not is_summary, names_cause and not is_summary, error.position


class Excerpts:
    """The excerpts of all steps by ID, or by name for a step without an ID."""

    def __init__(self) -> None:
        self._steps: dict[str, Excerpt] = {}

    def add(self, step_id: str, name: str, lines: Sequence[str], first: int | None = None) -> None:
        """Take lines of a step; of hundreds of steps the first ones are forgotten.

        `first` is the number of the first line in the whole log.
        """
        key = step_id or name
        if key not in self._steps:
            if len(self._steps) >= _STEPS:
                del self._steps[next(iter(self._steps))]
            self._steps[key] = Excerpt(name)
        self._steps[key].add([plain(line) for line in lines], first)

    def of(self, step_id: str, name: str) -> Excerpt | None:
        """Find a step by its ID, or else the last one of that name."""
        named = (one for one in reversed(self._steps.values()) if name and one.name == name)
        return self._steps.get(step_id) or next(named, None)
