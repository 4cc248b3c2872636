"""Lists as the API returns them, in one response or in pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from opsera_step.api.endpoints import LIST_LIMIT
from opsera_step.api.fields import JsonObject, whole_number
from opsera_step.api.models import parse_list
from opsera_step.errors import Rejected


class Parsed(Protocol):
    """An object that keeps the JSON from which it was parsed."""

    @property
    def data(self) -> JsonObject:
        """The JSON from which it was parsed."""
        ...


T = TypeVar("T", bound=Parsed)


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list that the API returned."""

    items: tuple[T, ...]
    reported_count: int | None = None
    """The `count` beside the list, if any; it may count more than the items here."""
    response: Any = ()
    """The response as it came: the list with everything around it, and items that are no objects.

    Of a response that was cut off at the size limit, only the items."""
    is_complete: bool = False
    """Whether all pages were read to the end."""
    is_cut: bool = False
    """Whether the response exceeded the size limit; then only the items before that are here."""

    @property
    def is_truncated(self) -> bool:
        """Whether there may be more items than the API returned."""
        return self.is_cut or (not self.is_complete and len(self.items) >= LIST_LIMIT)

    def only(self, items: Sequence[T]) -> Listing[T]:
        """Return the list with these of its items only; everything around it stays."""
        if len(items) == len(self.items):
            return self
        data = [item.data for item in items]
        response = {**self.response, "data": data} if isinstance(self.response, dict) else data
        return replace(self, items=tuple(items), response=response, is_complete=False)


def parse_listing(data: Any, parse: Callable[[JsonObject], T]) -> Listing[T] | None:
    """Parse a list response, bare or with its count; None if it is no list."""
    items = parse_list(data)
    if items is None:
        return None
    count = whole_number(data.get("count")) if isinstance(data, dict) else None
    return Listing(tuple(parse(item) for item in items), count, data)


def join_pages(pages: Sequence[Listing[T]], *, is_complete: bool) -> Listing[T]:
    """Join the pages of a list; what is around the list comes from the last page that has it."""
    if len(pages) == 1:
        return replace(pages[0], is_complete=is_complete)
    items = tuple(item for page in pages for item in page.items)
    around: dict[str, Any] = {}
    for page in pages:
        around |= page.response if isinstance(page.response, dict) else {}
    counts = [page.reported_count for page in pages if page.reported_count is not None]
    if counts:
        # Undocumented: the API may count the items of a page or those of all pages.
        around["count"] = max(*counts, len(items))
    data = [item.data for item in items]
    response = {**around, "data": data} if around else data
    return Listing(items, around.get("count"), response, is_complete)


def read_pages(
    get_page: Callable[[int | None, int], Listing[T]], *, limit: int | None = None
) -> Listing[T]:
    """Read page after page into one list of at most `limit` items; None for all.

    `get_page` gets a page number (None for the first page, however pages are numbered) and the
    page size. Reading ends with a page that is empty or brings nothing new, and with a short page,
    unless the API counts more items than came so far: its pages may be shorter than requested.
    Page numbers may start at 0 or 1: a page 1 that repeats the first page is skipped. Items that
    move from one page to the next while new ones arrive are returned once.

    Raises:
        ApiError: if a page can't be read; a refusal after the first page ends the list instead.
    """
    size = min(limit or LIST_LIMIT, LIST_LIMIT)
    seen: set[str] = set()
    pages: list[Listing[T]] = []
    number: int | None = None
    while True:
        try:
            page = get_page(number, size)
        except Rejected:
            if not seen:
                raise
            # Probably the page does not exist, but it is not certain that the last one did.
            return join_pages(pages, is_complete=False)
        new = [item for item in page.items if _add(item, seen)]
        left = None if limit is None else limit - sum(len(one.items) for one in pages)
        pages.append(page.only(new[:left]))
        is_short = len(page.items) < size and len(seen) >= (page.reported_count or 0)
        is_enough = left is not None and len(new) >= left
        is_first_again = number == 1 and bool(page.items)
        if is_enough or is_short or not (new or is_first_again):
            return join_pages(pages, is_complete=is_short)
        number = 1 if number is None else number + 1


def _add(item: T, seen: set[str]) -> bool:
    """Add an item to those seen; False if it was among them already."""
    key = getattr(item, "id", "") or json.dumps(item.data, sort_keys=True, default=str)
    if key in seen:
        return False
    seen.add(key)
    return True
