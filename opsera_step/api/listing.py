"""A list that the API gave: its items, what it said of their number, and whether it was cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from opsera_step.api.endpoints import LIST_LIMIT
from opsera_step.api.fields import JsonObject, whole_number
from opsera_step.api.models import parse_list


class Kept(Protocol):
    """What keeps the JSON that it was read from."""

    @property
    def data(self) -> JsonObject:
        """The JSON that it was read from."""
        ...


T = TypeVar("T", bound=Kept)


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list that the API gave."""

    items: tuple[T, ...]
    reported_count: int | None = None
    """The `count` beside the list, where there was one; it may count more than what is listed."""
    response: Any = ()
    """The answer as it came, with all that is around the list and all that is no object in it."""
    is_complete: bool = False
    """Whether it was read to its end, however long it is."""

    @property
    def is_truncated(self) -> bool:
        """Whether there may be more than what the API lists."""
        return not self.is_complete and len(self.items) >= LIST_LIMIT

    def only(self, items: Sequence[T]) -> Listing[T]:
        """Return the list with some of its items only; what is around it stays."""
        if len(items) == len(self.items):
            return self
        listed = [item.data for item in items]
        whole = {**self.response, "data": listed} if isinstance(self.response, dict) else listed
        return Listing(tuple(items), self.reported_count, whole)


def parse_listing(data: Any, parse: Callable[[JsonObject], T]) -> Listing[T] | None:
    """Read a list answer, bare or with its count; None when it is no list."""
    items = parse_list(data)
    if items is None:
        return None
    reported_count = whole_number(data.get("count")) if isinstance(data, dict) else None
    return Listing(tuple(parse(item) for item in items), reported_count, data)


def joined(pages: Sequence[Listing[T]], *, is_complete: bool) -> Listing[T]:
    """Return pages of a list as one list; what is around it is of the last page that has it."""
    if len(pages) == 1:
        return replace(pages[0], is_complete=is_complete)
    items = tuple(item for page in pages for item in page.items)
    around: dict[str, Any] = {}
    for page in pages:
        around |= page.response if isinstance(page.response, dict) else {}
    counts = [page.reported_count for page in pages if page.reported_count is not None]
    if counts:
        # Whether the API counts the items of a page or those of all pages, nobody knows.
        around["count"] = max(*counts, len(items))
    listed = [item.data for item in items]
    whole = {**around, "data": listed} if around else listed
    return Listing(items, around.get("count"), whole, is_complete)
