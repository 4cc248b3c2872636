"""Read a paged list to its end, although nobody says how its pages are counted."""

from __future__ import annotations

import json
from collections.abc import Callable

from opsera_step.calls import LIST_LIMIT
from opsera_step.listing import Listing, T, joined

Ask = Callable[[int | None, int], Listing[T]]
"""Asks for a page (None for the first, whatever its number is) of so many items."""


def read_pages(ask: Ask[T], *, most: int | None = None) -> Listing[T]:
    """Read page after page as one list, of `most` items; None for no limit.

    It ends with a page that is empty, short, or brings nothing new. The numbers may begin with 0
    or 1: a page 1 that is the first once more is passed over. What moves from one page to the next
    while new items come is given once.
    """
    size = min(most or LIST_LIMIT, LIST_LIMIT)
    seen: set[str] = set()
    pages: list[Listing[T]] = []
    number: int | None = None
    while True:
        page = ask(number, size)
        fresh = [item for item in page.items if _note(item, seen)]
        left = None if most is None else most - sum(len(one.items) for one in pages)
        pages.append(page.only(fresh[:left]))
        is_first_again = number == 1 and not fresh and bool(page.items)
        is_last = not fresh and not is_first_again
        is_enough = left is not None and len(fresh) >= left
        if is_last or is_enough or len(page.items) < size:
            return joined(pages)
        number = 1 if number is None else number + 1


def _note(item: T, seen: set[str]) -> bool:
    """Note an item; False when it was there already."""
    identity = getattr(item, "id", "") or json.dumps(item.raw, sort_keys=True, default=str)
    if identity in seen:
        return False
    seen.add(identity)
    return True
