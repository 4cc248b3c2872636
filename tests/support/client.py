"""A client of the API for tests, and the errors that it raises."""

from __future__ import annotations

import re
from typing import Any

import pytest

from opsera_step.api import OpseraClient, Run
from opsera_step.clock import Deadline, SystemClock
from opsera_step.errors import ApiError
from tests.support.wire import Answer, serving

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1cyJ9.c2lnbmF0dXJl"
PIPELINE = "65a4f00dc0ffee0123456789"
RUN = Run(PIPELINE, 42)
RUNNING = {"status": "running", "message": "Step 1 of 3"}


def connect(url: str, clock: Any = None, **options: Any) -> OpseraClient:
    return OpseraClient(url, TOKEN, clock or SystemClock(), **options)


def soon(seconds: float = 5.0) -> Deadline:
    return Deadline.after(SystemClock(), seconds)


def error_of(url: str, seconds: float = 5.0, **options: Any) -> ApiError:
    """Get a status and return the error that this raises."""
    with pytest.raises(ApiError) as caught:
        connect(url, **options).status(RUN, soon(seconds))
    return caught.value


def error_after(*answers: Answer, **options: Any) -> ApiError:
    """Return the error of a client that gets these responses."""
    with serving(*answers) as wire:
        return error_of(wire.url, **options)


def assert_readable(error: ApiError) -> None:
    """Check that an error consists of sentences: no token, no Python, no line breaks."""
    text = f"{error.message} {error.hint}"
    assert TOKEN not in text and TOKEN.split(".")[2] not in text
    assert re.fullmatch(r"[A-Z][^\n\r]*[.…”]", error.message), error.message
    assert not re.search(
        r"urllib3|requests\.\w|HTTPConnection|<class|object at 0x|Errno|\(b'", text
    )
    assert re.fullmatch(r"[^\n\r]*\.", error.hint)
    assert re.fullmatch(r"(GET|POST) https?://\S+", error.detail)
    assert len(error.message) < 400
