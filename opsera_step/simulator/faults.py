"""Faults on demand: which call goes wrong, when, how often and in what way.

This module decides only whether a fault strikes; what it does to the answer is the gate's work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any

CALLS = (
    "run",
    "status",
    "summary",
    "logs",
    "stop",
    "reset",
    "pipelines",
    "tools",
    "tool_summary",
    "tool_update",
    "user_actions",
    "token_uses",
    "tasks",
    "task_summary",
    "task_status",
    "task_logs",
)
"""The calls of the API, as faults and the journal name them."""

KINDS = {
    "latency": "the answer comes `seconds` later",
    "hang": "no answer; the connection is dropped after `seconds`",
    "close": "the connection is closed without an answer",
    "reset": "the connection is reset (RST) without an answer",
    "half": "the connection is closed after half of the announced bytes",
    "truncated": "the JSON ends in the middle, the HTTP answer is complete",
    "html": "200 with an HTML page",
    "empty": "200 with no body",
    "content_type": "the right JSON, called text/plain",
    "http": "the HTTP status `status`, with `retry_after` if given",
    "redirect": "a redirect (`status`, default 302) to `location`",
}
"""Every kind of fault, and what it does."""

_LONGEST = 1e9
_ANSWERED = ("latency", "half", "truncated", "content_type")


class FaultError(ValueError):
    """A fault that says something impossible."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    `call` is a call's name, several with commas between, or `*`. The fault strikes from the
    `nth` matching call on, `times` times (None: always), between `after` and `until` seconds since
    the start (or since our latest run was accepted, with `since="run"`), with `probability`.
    With `effect` the request is carried out all the same (and before a latency, not after it).
    """

    call: str = "*"
    kind: str = "http"
    nth: int = 1
    times: int | None = None
    after: float = 0.0
    until: float | None = None
    since: str = "start"
    probability: float = 1.0
    effect: bool | None = None
    seconds: float = 0.0
    status: int | None = None
    retry_after: float | None = None
    retry_after_as: str = "seconds"
    location: str = ""
    body: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if unknown := [call for call in self.calls if call != "*" and call not in CALLS]:
            raise FaultError(f"call takes {', '.join(CALLS)} or *, not {unknown[0]!r}")
        if self.nth < 1 or not 0.0 <= self.probability <= 1.0 or self.seconds < 0:
            raise FaultError("nth starts at 1, probability is 0 to 1, seconds are not below 0")
        _one_of("kind", self.kind, tuple(KINDS))
        _one_of("since", self.since, ("start", "run"))
        _one_of("retry_after_as", self.retry_after_as, ("seconds", "date"))
        if self.status not in (None, *range(200, 600)):
            raise FaultError(f"status takes 200 to 599, not {self.status}")
        for name in ("seconds", "after", "until", "retry_after"):
            _passable(name, getattr(self, name))
        if not (self.location.isascii() and (self.location or "-").isprintable()):
            raise FaultError("location takes printable ASCII")
        if self.kind == "redirect" and not self.location:
            raise FaultError("a redirect needs a location")
        if self.effect is False and self.kind in _ANSWERED and self.kind != "latency":
            raise FaultError(f"a fault of kind {self.kind} always leaves the effect in place")

    @property
    def calls(self) -> tuple[str, ...]:
        """The names of the calls that it strikes."""
        return tuple(call.strip() for call in self.call.split(","))

    @property
    def takes_effect(self) -> bool:
        """Whether the request is carried out although its answer goes wrong."""
        return self.kind in _ANSWERED or bool(self.effect)


def make_fault(values: Any) -> Fault:
    """Make a fault from plain data, as a scenario or the control plane has it."""
    if not isinstance(values, Mapping):
        raise FaultError(f"a fault is a mapping, not {values!r}")
    known = {one.name: one.type for one in fields(Fault)}
    for name, value in values.items():
        if name not in known:
            raise FaultError(f"a fault has no {name!r}; it takes {', '.join(known)}")
        if not _fits(value, str(known[name])):
            raise FaultError(f"{name} of a fault takes {known[name]}, not {value!r}")
    return Fault(**values)


class FaultPlan:
    """The faults in force, and how often each was met."""

    def __init__(self, faults: list[Fault], rng: Random) -> None:
        """Take the first faults; `rng` decides where a fault has a probability."""
        self._rng = rng
        self._met: list[tuple[Fault, list[int]]] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Put one more fault in force; it counts calls from now on."""
        self._met.append((fault, [0, 0]))

    def clear(self) -> None:
        """Take all faults out of force."""
        self._met.clear()

    def strike(self, call: str, now: float, since_run: float | None) -> list[Fault]:
        """Return what goes wrong with this call: delays, and at most one fault of another kind."""
        delays: list[Fault] = []
        broken: list[Fault] = []
        for fault, counts in self._met:
            at = now if fault.since == "start" else since_run
            chosen = delays if fault.kind == "latency" else broken
            if self._meets(fault, counts, call, at) and not (chosen is broken and broken):
                chosen += [fault] if self._strikes(fault, counts) else []
        return delays + broken

    def listing(self) -> list[dict[str, object]]:
        """Return the faults in force as plain data, with how often each has struck."""
        return [{**asdict(fault), "struck": counts[1]} for fault, counts in self._met]

    def _meets(self, fault: Fault, counts: list[int], call: str, at: float | None) -> bool:
        if call not in fault.calls and "*" not in fault.calls:
            return False
        if at is None or at < fault.after or (fault.until is not None and at >= fault.until):
            return False
        counts[0] += 1
        return counts[0] >= fault.nth

    def _strikes(self, fault: Fault, counts: list[int]) -> bool:
        if fault.times is not None and counts[1] >= fault.times:
            return False
        if fault.probability < 1.0 and self._rng.random() >= fault.probability:
            return False
        counts[1] += 1
        return True


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise FaultError(f"{name} takes {', '.join(allowed)}, not {value!r}")


def _passable(name: str, seconds: float | None) -> None:
    if seconds is not None and not 0 <= seconds <= _LONGEST:
        raise FaultError(f"{name} takes seconds, 0 to {_LONGEST:.0f}, not {seconds}")


def _fits(value: object, kind: str) -> bool:
    if value is None:
        return "None" in kind
    if isinstance(value, bool):
        return "bool" in kind
    if isinstance(value, int):
        return "int" in kind or "float" in kind
    return (isinstance(value, float) and "float" in kind) or (
        isinstance(value, str) and "str" in kind
    )
