"""Reading tools, tasks and audit entries: whatever comes, an odd field ends nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.api import Listing, account
from opsera_step.api.account import parse_account_object, parse_task_status
from opsera_step.api.listing import parse_listing

KEYS = st.sampled_from(
    ["_id", "name", "tags", "status", "run_count", "data", "count", "type", "active", "value",
     "createdAt", "api_response", "message", "owner"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=8,
)
READERS = [account.read_account_object, account.read_task_record, account.AuditEntry]


@given(JSON, st.sampled_from(READERS))
def test_nothing_that_comes_raises(data, read):
    """Any JSON is read or refused, never an error; what is read keeps the JSON it came from."""
    for parse in (parse_account_object, parse_task_status):
        parse(data)
    listing = parse_listing(data, read)
    if listing is not None:
        assert listing.response is data
    if isinstance(data, dict):
        assert read(data).data is data


@pytest.mark.parametrize(
    ("data", "word"),
    [("running", "running"), (" Running ", "Running"), ({"status": "x"}, "x"), ({"data": "x"}, "x"),
     ({"data": {"status": "x"}}, "x"), ([{"status": "x"}], "x"), ("", None), (5, None), ({}, None)],
)  # fmt: skip
def test_a_status_in_many_forms(data, word):
    """The status is found in all forms that the documentation leaves open."""
    status = parse_task_status(data)
    assert (status and status.value) == word
    assert status is None or status.response is data


@pytest.mark.parametrize(("length", "cut"), [(0, False), (999, False), (1000, True), (1001, True)])
def test_a_list_of_a_thousand_may_be_cut(length, cut):
    """1000 items are as many as the API gives, so there may be more."""
    assert Listing(tuple(range(length))).is_truncated is cut
