"""A list that the API gave: its items, what it said of their number, and whether it was cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from opsera_step.calls import LIST_LIMIT
from opsera_step.json_values import JsonObject, whole_number
from opsera_step.models import parse_list, unwrap

T = TypeVar("T")


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list that the API gave."""

    items: tuple[T, ...]
    told: int | None = None
    """The `count` beside the list, where there was one; it may count more than what is listed."""
    raw: Sequence[Any] = ()
    """The list as it came, with what is no item that this program knows."""

    @property
    def is_cut(self) -> bool:
        """Whether there may be more than what the API lists."""
        return len(self.items) >= LIST_LIMIT


def parse_listing(data: Any, parse: Callable[[JsonObject], T]) -> Listing[T] | None:
    """Read a list answer, bare or with its count; None when it is no list."""
    items = parse_list(data)
    if items is None:
        return None
    told = whole_number(data.get("count")) if isinstance(data, dict) else None
    return Listing(tuple(parse(item) for item in items), told, unwrap(data))
