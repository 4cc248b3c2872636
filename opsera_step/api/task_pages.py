"""Read a paged list to its end, although nobody says how its pages are counted."""

from __future__ import annotations

import json
from collections.abc import Callable

from opsera_step.api.endpoints import LIST_LIMIT
from opsera_step.api.listing import Listing, T, joined
from opsera_step.errors import Rejected

Ask = Callable[[int | None, int], Listing[T]]
"""Asks for a page (None for the first, whatever its number is) of so many items."""


def read_pages(ask: Ask[T], *, most: int | None = None) -> Listing[T]:
    """Read page after page as one list, of `most` items; None for no limit.

    It ends with a page that is empty or brings nothing new, and with a short one, unless the API
    counts more than came so far: its pages may be shorter than what is asked for. The numbers may
    begin with 0 or 1: a page 1 that is the first once more is passed over. What moves from one
    page to the next while new items come is given once.

    Raises:
        ApiError: when a page is not to be had, and nothing came before it.

    """
    size = min(most or LIST_LIMIT, LIST_LIMIT)
    seen: set[str] = set()
    pages: list[Listing[T]] = []
    number: int | None = None
    while True:
        try:
            page = ask(number, size)
        except Rejected:
            if not seen:
                raise
            # There is no such page, most likely; that it was the last is not certain.
            return joined(pages, is_complete=False)
        fresh = [item for item in page.items if _note(item, seen)]
        left = None if most is None else most - sum(len(one.items) for one in pages)
        pages.append(page.only(fresh[:left]))
        is_short = len(page.items) < size and len(seen) >= (page.reported_count or 0)
        is_enough = left is not None and len(fresh) >= left
        is_first_again = number == 1 and bool(page.items)
        if is_enough or is_short or not (fresh or is_first_again):
            return joined(pages, is_complete=is_short)
        number = 1 if number is None else number + 1


def _note(item: T, seen: set[str]) -> bool:
    """Note an item; False when it was there already."""
    identity = getattr(item, "id", "") or json.dumps(item.data, sort_keys=True, default=str)
    if identity in seen:
        return False
    seen.add(identity)
    return True
