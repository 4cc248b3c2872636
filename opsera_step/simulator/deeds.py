"""Deeds: what is done to the world from outside, so that it can be written down and done again.

The world follows from its scenario, its seed, the time and these; nothing else needs to be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

Deed = dict[str, Any]
"""A deed as plain data: `at` which second of the world, what was to `do`, and with what."""


class Doer(Protocol):
    """Whatever has deeds."""

    keep: Callable[[Deed], None]

    @property
    def now(self) -> float:
        """Seconds since the world began."""
        ...


P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", bound=Doer)


def deed(method: Callable[Concatenate[D, P], R]) -> Callable[Concatenate[D, P], R]:
    """Have the world told of each call of a method; all it takes is taken by name.

    It is told first: what cannot be written down is not done.
    """

    def told(self: D, /, *args: P.args, **details: P.kwargs) -> R:
        self.keep({"at": self.now, "do": method.__name__, **details})
        return method(self, *args, **details)

    update_wrapper(told, method)
    told.__dict__["is_deed"] = True
    return told


def do_again(world: Any, done: Deed) -> None:
    """Do something that was done before, at its time."""
    details = dict(done)
    at, method = details.pop("at"), getattr(type(world), details.pop("do"))
    if not method.__dict__.get("is_deed"):
        raise ValueError(f"{method.__name__} is no deed")
    world.catch_up(at)
    method(world, **details)
