"""Read a paged list to its end, although nobody says how its pages are counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TypeVar

from opsera_step.calls import LIST_LIMIT
from opsera_step.listing import Listing

T = TypeVar("T")
Ask = Callable[[int | None, int], Listing[T]]
"""Asks for a page (None for the first, whatever its number is) of so many items."""


def pages(ask: Ask[T], *, first: int | None = None, most: int | None = None) -> Iterator[list[T]]:
    """Yield the new items of page after page, `most` in all; None for no limit.

    It ends with a page that is empty, short, or brings nothing new. Where no first page is named
    the numbers may begin with 0 or 1: a page 1 that is the first once more is passed over. What
    moves from one page to the next while new items come is given once.
    """
    size = min(most or LIST_LIMIT, LIST_LIMIT)
    seen: set[str] = set()
    given, number = 0, first
    while True:
        items = ask(number, size).items
        fresh = [item for item in items if _note(item, seen)]
        if most is not None:
            fresh = fresh[: most - given]
        given += len(fresh)
        if fresh:
            yield fresh
        is_first_again = first is None and number == 1 and not fresh and bool(items)
        done = not fresh and not is_first_again
        if done or len(items) < size or (most is not None and given >= most):
            return
        number = 1 if number is None else number + 1


def _note(item: T, seen: set[str]) -> bool:
    """Note an item; False when it was there already."""
    raw = getattr(item, "raw", item)
    identity = getattr(item, "id", "") or json.dumps(raw, sort_keys=True, default=str)
    if identity in seen:
        return False
    seen.add(identity)
    return True
