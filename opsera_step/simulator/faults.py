"""Injected faults: which call fails, when, how often, and in what way.

This module decides only whether a fault applies. `responses` makes what it does to a response.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from random import Random

CALLS = (
    "run", "status", "summary", "logs", "stop", "reset", "pipelines", "actions", "tools",
    "tool_summary", "tool_update", "user_actions", "token_uses", "tasks", "task_summary",
    "task_status", "task_logs",
)  # fmt: skip
"""The calls of the API, as faults and the request log name them."""

KINDS = {
    "latency": "the response comes `seconds` later",
    "hang": "no response; the connection is dropped after `seconds`",
    "close": "the connection is closed without a response",
    "reset": "the connection is reset (RST) without a response",
    "half": "the connection is closed after half of the announced bytes",
    "drip": "the body arrives in ten pieces over `seconds`",
    "truncated": "a complete response whose JSON ends in the middle",
    "html": "200 with an HTML page",
    "empty": "200 without a body",
    "content_type": "the correct JSON, labeled text/plain",
    "http": "the HTTP status `status`, with `retry_after` if set",
    "redirect": "a redirect (`status`, default 302) to `location`",
}
"""Every kind of fault, and what it does."""

_MOST_SECONDS = 1e9
_WITH_RESPONSE = ("latency", "half", "drip", "truncated", "content_type")
"""Kinds that need the real response, so that the request always takes effect."""


@dataclass(frozen=True)
class Fault:
    """One fault. Raises ValueError for values that make no sense.

    `call` is the name of a call, several separated by commas, or `*`. With `match` it applies only
    to requests that contain this text in their URL or body. When it applies:

    - only between `after` and `until` seconds since the start of the simulation, or with `since`
      since the latest run of the token's owner was accepted (`run`), or since the fault was
      added (`added`);
    - from the `nth` matching call on, and then to every `every`-th one;
    - `times` times at most (None: no limit), each with `probability`.

    With `effect` the request is carried out although its response is lost (and before a latency
    instead of after it). `retry_after` in seconds is sent as such or as a `date`; text is sent
    as it is.
    """

    call: str = "*"
    kind: str = "http"
    match: str = ""
    nth: int = 1
    every: int = 1
    times: int | None = None
    after: float = 0.0
    until: float | None = None
    since: str = "start"
    probability: float = 1.0
    effect: bool | None = None
    seconds: float = 0.0
    status: int | None = None
    retry_after: float | str | None = None
    retry_after_as: str = "seconds"
    location: str = ""
    body: str | None = None

    def __post_init__(self) -> None:
        """Reject values that make no sense; faults are created in Python, too."""
        if unknown := [call for call in self.calls if call != "*" and call not in CALLS]:
            raise ValueError(f"call takes {', '.join(CALLS)}, or *, not {unknown[0]!r}")
        for name, allowed in (
            ("kind", tuple(KINDS)),
            ("since", ("start", "run", "added")),
            ("retry_after_as", ("seconds", "date")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} takes {', '.join(allowed)}, not {getattr(self, name)!r}")
        if self.nth < 1 or self.every < 1 or not 0.0 <= self.probability <= 1.0:
            raise ValueError("nth and every start at 1, and probability is between 0 and 1")
        if self.status is not None and not 200 <= self.status < 600:
            raise ValueError(f"status takes 200 to 599, not {self.status}")
        for name in ("seconds", "after", "until", "retry_after"):
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not 0 <= value <= _MOST_SECONDS:
                raise ValueError(f"{name} takes 0 to {_MOST_SECONDS:.0f} seconds, not {value}")
        for name in ("location", "retry_after"):
            value = str(getattr(self, name))
            if not value.isascii() or (value and not value.isprintable()):
                raise ValueError(f"{name} takes printable ASCII")
        if self.kind == "redirect" and not self.location:
            raise ValueError("a redirect needs a location")
        if self.effect is False and self.kind in _WITH_RESPONSE and self.kind != "latency":
            raise ValueError(f"with a fault of kind {self.kind} the request always takes effect")

    @property
    def calls(self) -> tuple[str, ...]:
        """The names of the calls that it applies to."""
        return tuple(call.strip() for call in self.call.split(","))

    @property
    def takes_effect(self) -> bool:
        """Whether the request is carried out."""
        return self.kind in _WITH_RESPONSE or bool(self.effect)


@dataclass
class _Active:
    """A fault in force: since when, how many calls matched, and how often it applied."""

    fault: Fault
    added: float
    matched: int = 0
    applied: int = 0


class FaultPlan:
    """The faults in force."""

    def __init__(self, faults: list[Fault], rng: Random) -> None:
        """Start with some faults; `rng` decides where a fault has a probability."""
        self._rng = rng
        self._active = [_Active(fault, 0.0) for fault in faults]

    def add(self, fault: Fault, now: float) -> None:
        """Add a fault. It counts calls from now on."""
        self._active.append(_Active(fault, now))

    def clear(self) -> None:
        """Remove all faults."""
        self._active.clear()

    def apply(self, call: str, request: str, now: float, since_run: float | None) -> list[Fault]:
        """Return the faults of this call: any latencies, and at most one of another kind.

        `request` is the text that `match` is looked for in.
        """
        delays: list[Fault] = []
        failures: list[Fault] = []
        for one in self._active:
            kind = delays if one.fault.kind == "latency" else failures
            since = {"start": now, "run": since_run, "added": now - one.added}[one.fault.since]
            # One that is displaced by another still counts the call.
            matches = one.fault.match in request and self._matches(one, call, since)
            if matches and not (kind is failures and failures) and self._applies(one):
                kind.append(one.fault)
        return delays + failures

    def listing(self) -> list[dict[str, object]]:
        """Return the faults in force as plain data, with how often each applied."""
        return [{**asdict(one.fault), "applied": one.applied} for one in self._active]

    def _matches(self, one: _Active, call: str, since: float | None) -> bool:
        fault = one.fault
        if call not in fault.calls and "*" not in fault.calls:
            return False
        if since is None or since < fault.after:
            return False
        if fault.until is not None and since >= fault.until:
            return False
        one.matched += 1
        return one.matched >= fault.nth and (one.matched - fault.nth) % fault.every == 0

    def _applies(self, one: _Active) -> bool:
        fault = one.fault
        if fault.times is not None and one.applied >= fault.times:
            return False
        if fault.probability < 1.0 and self._rng.random() >= fault.probability:
            return False
        one.applied += 1
        return True
