"""A list that the API gave: its items, what it said of their number, and whether it was cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from opsera_step.calls import LIST_LIMIT
from opsera_step.json_values import JsonObject, whole_number
from opsera_step.models import parse_list

T = TypeVar("T")


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list that the API gave."""

    items: tuple[T, ...]
    told: int | None = None
    """The `count` beside the list, where there was one; it may count more than what is listed."""

    @property
    def is_cut(self) -> bool:
        """Whether there may be more than what the API lists."""
        return len(self.items) >= LIST_LIMIT

    @property
    def raw(self) -> list[Any]:
        """The JSON of the items, as it came."""
        return [getattr(item, "raw", item) for item in self.items]


def parse_listing(data: Any, parse: Callable[[JsonObject], T]) -> Listing[T] | None:
    """Read a list answer, bare or with its count; None when it is no list."""
    items = parse_list(data)
    if items is None:
        return None
    told = whole_number(data.get("count")) if isinstance(data, dict) else None
    return Listing(tuple(parse(item) for item in items), told)
