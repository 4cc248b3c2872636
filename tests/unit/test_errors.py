"""The tree of errors: its codes, its hints, and that its drawing is true."""

from __future__ import annotations

import re
import signal

import pytest

from opsera_step import errors
from opsera_step.errors import (
    ApiError,
    AuthError,
    Cancelled,
    ExitCode,
    Forbidden,
    InternalError,
    InvalidInput,
    Malformed,
    NotFound,
    OpseraStepError,
    PipelineBusy,
    Redirected,
    Rejected,
    RunRefused,
    RunUncertain,
    Unauthorized,
    Unavailable,
    Unreachable,
)


def tree(kind: type[OpseraStepError]) -> list[type[OpseraStepError]]:
    """Return a class and all its heirs."""
    return [kind, *(one for heir in kind.__subclasses__() for one in tree(heir))]


ALL = [one for one in tree(OpseraStepError) if one.__module__ == errors.__name__]
LEAVES = [kind for kind in ALL if kind not in {OpseraStepError, ApiError, AuthError, InvalidInput}]


def make(kind: type[OpseraStepError]) -> OpseraStepError:
    return kind(["input: wrong."]) if kind is InvalidInput else kind("It went wrong.")


def test_exit_codes():
    """Each error ends the job with its fixed code."""
    codes = {InvalidInput: 2, AuthError: 4, Unauthorized: 4, Forbidden: 4, InternalError: 70}
    for kind in (Unreachable, Unavailable, Malformed, Redirected, Rejected, NotFound, RunRefused,
                 PipelineBusy, RunUncertain, *codes):  # fmt: skip
        assert make(kind).exit_code == codes.get(kind, 3)


def test_the_drawing_is_complete():
    """The tree in the docstring shows every class, and no other."""
    drawn = re.findall(r"^[│├└─ ]*([A-Z]\w+)", errors.__doc__.split("\n\n")[1], re.MULTILINE)
    assert sorted(drawn) == sorted([one.__name__ for one in ALL] + ["Cancelled"])


def test_the_tree_has_the_exit_codes():
    """Where the drawing has a number, it is the class's exit code."""
    for kind in ALL:
        shown = re.search(rf"\b{kind.__name__} {{1,24}}(\d{{1,2}})\b", errors.__doc__)
        assert shown is None or int(shown[1]) == kind.exit_code


def test_every_error_has_advice():
    """Each class that is raised has the usual cause or a remedy."""
    for kind in LEAVES:
        assert len(kind.hint) > 40 and kind.hint.endswith("."), kind


def test_a_better_hint_replaces_the_default():
    """A more specific hint replaces the class's, of this one error only."""
    assert NotFound("No.", "Look here.").hint == "Look here."
    assert NotFound("No.", "").hint == ""
    assert NotFound("No.").hint == NotFound.hint != "Look here."


def test_invalid_input_has_all_problems():
    """All problems are kept separately, and reported together."""
    error = InvalidInput(["timeout: no.", "token: no."])
    assert error.problems == ("timeout: no.", "token: no.")
    assert error.message == str(error) == "timeout: no.; token: no."


def test_what_is_transient_and_what_was_accepted():
    """Only outages are transient; only refused requests were certainly never accepted."""
    for kind in (kind for kind in ALL if issubclass(kind, ApiError)):
        transient = issubclass(kind, (Unreachable, Unavailable, Malformed, Redirected))
        never_accepted = issubclass(kind, (Rejected, AuthError))
        assert (kind.transient, kind.never_accepted) == (transient, never_accepted)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_cancelling_counts_as_shells_do(number, code):
    """A cancelled job ends with 128 plus the signal's number, and no `except Exception` eats it."""
    cancelled = Cancelled(number)
    assert (cancelled.exit_code, str(cancelled)) == (code, number.name)
    assert ExitCode(code).name == number.name
    assert not isinstance(cancelled, Exception)
