"""Pages of a list, with the different ways to count."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.api import read_pages
from opsera_step.api.listing import parse_listing
from opsera_step.errors import Rejected


@dataclass(frozen=True)
class Item:
    """An item without an ID."""

    data: dict[str, int]


class Pages:
    """An API with so many items, whose first page has this number."""

    def __init__(self, total, *, first, largest=1000, arriving=0, wrap=list):
        self.items = [{"n": number} for number in range(total)]
        self.first, self.largest, self.arriving = first, largest, arriving
        self.wrap = wrap
        self.asked = []

    def __call__(self, number, size):
        self.asked.append(number)
        page = (self.first if number is None else number) - self.first
        size = min(size, self.largest)
        found = self.items[max(0, page) * size : (max(0, page) + 1) * size]
        # What is new comes first and moves all else on.
        self.items = [{"new": len(self.asked), "n": n} for n in range(self.arriving)] + self.items
        return parse_listing(self.wrap(found), Item)


def read(api, **wanted):
    return [item.data for item in read_pages(api, **wanted).items]


@given(st.integers(0, 3500), st.sampled_from([0, 1]), st.none() | st.integers(1, 3000))
def test_every_item_once(total, first, most):
    """All items come once and in order, however pages are counted, up to the number wanted."""
    api = Pages(total, first=first)
    assert read(api, limit=most) == [{"n": number} for number in range(total)][:most]
    assert len(api.asked) <= 6


def test_what_moves_on_comes_once():
    """New items push others to the next page; none of them is given twice."""
    found = read(Pages(2500, first=1, arriving=3))
    assert len({str(one) for one in found}) == len(found)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(("total", "largest"), [(120, 50), (100, 50)])
def test_pages_that_are_shorter_than_requested(total, largest, first):
    """If the API counts more items than it returned, the next page is requested."""
    wrap = lambda items: {"data": items, "count": total}  # noqa: E731
    api = Pages(total, first=first, largest=largest, wrap=wrap)
    found = read_pages(api)
    assert [item.data for item in found.items] == [{"n": number} for number in range(total)]
    assert not found.is_truncated


@pytest.mark.parametrize("total", [1500, 2500])
def test_pages_that_are_not_to_be_had(total):
    """Unreachable pages are reported: the list is truncated and has the API's count."""
    wrap = lambda items: {"data": items, "count": total}  # noqa: E731
    api = Pages(total, first=0, wrap=wrap)

    def refusing(number, size):
        if number is not None:
            raise Rejected("HTTP 400.")
        return api(number, size)

    for ask in (refusing, lambda _, size: api(None, size)):
        found = read_pages(ask)
        assert (len(found.items), found.reported_count, found.is_truncated) == (1000, total, True)


def test_a_refusal_before_anything_came():
    """Where not even the first page is to be had, that is an error."""

    def refuse(number, size):
        raise Rejected("HTTP 400.")

    with pytest.raises(Rejected):
        read_pages(refuse)


def test_an_api_that_has_no_pages():
    """Where the page is ignored each is the first again: it ends, with every item once."""
    api = Pages(1000, first=0)
    always = lambda number, size: api(None, size)  # noqa: E731
    assert len(read(always)) == 1000
    assert len(api.asked) == 3


@pytest.mark.parametrize("total", [0, 999])
def test_a_short_page_is_the_last(total):
    """After a short page, no further page is requested."""
    api = Pages(total, first=1)
    assert len(read(api)) == total
    assert api.asked == [None]


@pytest.mark.parametrize("most", [None, 10, 1200])
@pytest.mark.parametrize("total", [0, 1000, 2500])
def test_what_is_around_the_pages_stays(total, most):
    """Several pages become one response: all items, and each field around them."""
    number = iter(range(10))
    wrap = lambda items: {f"field {next(number)}": 1, "data": items, "count": len(items)}  # noqa: E731
    api = Pages(total, first=1, wrap=wrap)
    whole = read_pages(api, limit=most).response
    assert whole["data"] == [{"n": number} for number in range(total)][:most]
    assert whole["count"] >= len(whole["data"])
    fields = {f"field {number}" for number in range(len(api.asked))}
    assert set(whole) == {"data", "count", *fields}


@pytest.mark.parametrize("total", [0, 2500])
def test_a_bare_list_stays_one(total):
    """Where nothing is around the pages, nothing is around what they come to."""
    assert len(read_pages(Pages(total, first=1)).response) == total
    assert isinstance(read_pages(Pages(total, first=1)).response, list)
