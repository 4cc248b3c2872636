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
    def raw(self) -> JsonObject:
        """The JSON that it was read from."""
        ...


T = TypeVar("T", bound=Kept)


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list that the API gave."""

    items: tuple[T, ...]
    told: int | None = None
    """The `count` beside the list, where there was one; it may count more than what is listed."""
    whole: Any = ()
    """The answer as it came, with all that is around the list and all that is no object in it."""
    is_whole: bool = False
    """Whether it was read to its end, however long it is."""

    @property
    def is_cut(self) -> bool:
        """Whether there may be more than what the API lists."""
        return not self.is_whole and len(self.items) >= LIST_LIMIT

    def only(self, items: Sequence[T]) -> Listing[T]:
        """Return the list with some of its items only; what is around it stays."""
        if len(items) == len(self.items):
            return self
        listed = [item.raw for item in items]
        whole = {**self.whole, "data": listed} if isinstance(self.whole, dict) else listed
        return Listing(tuple(items), self.told, whole)


def parse_listing(data: Any, parse: Callable[[JsonObject], T]) -> Listing[T] | None:
    """Read a list answer, bare or with its count; None when it is no list."""
    items = parse_list(data)
    if items is None:
        return None
    told = whole_number(data.get("count")) if isinstance(data, dict) else None
    return Listing(tuple(parse(item) for item in items), told, data)


def joined(pages: Sequence[Listing[T]], *, is_whole: bool) -> Listing[T]:
    """Return pages of a list as one list; what is around it is of the last page that has it."""
    if len(pages) == 1:
        return replace(pages[0], is_whole=is_whole)
    items = tuple(item for page in pages for item in page.items)
    around: dict[str, Any] = {}
    for page in pages:
        around |= page.whole if isinstance(page.whole, dict) else {}
    counts = [page.told for page in pages if page.told is not None]
    if counts:
        # Whether the API counts the items of a page or those of all pages, nobody knows.
        around["count"] = max(*counts, len(items))
    listed = [item.raw for item in items]
    whole = {**around, "data": listed} if around else listed
    return Listing(items, around.get("count"), whole, is_whole)
