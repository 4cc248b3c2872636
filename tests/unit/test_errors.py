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


@pytest.mark.parametrize(
    ("kind", "code"),
    [(InvalidInput, 2), (ApiError, 3), (Unreachable, 3), (Unavailable, 3), (Malformed, 3),
     (Redirected, 3), (Rejected, 3), (NotFound, 3), (RunRefused, 3), (PipelineBusy, 3),
     (RunUncertain, 3), (AuthError, 4), (Unauthorized, 4), (Forbidden, 4), (InternalError, 70)],
)  # fmt: skip
def test_exit_codes(kind, code):
    """Each error ends the job with its fixed code."""
    assert make(kind).exit_code == code


def test_the_drawing_is_complete():
    """The tree in the docstring shows every class, and no other."""
    drawn = re.findall(r"^[│├└─ ]*([A-Z]\w+)", errors.__doc__.split("\n\n")[1], re.MULTILINE)
    assert sorted(drawn) == sorted([one.__name__ for one in ALL] + ["Cancelled"])


@pytest.mark.parametrize("kind", ALL)
def test_the_tree_has_the_exit_codes(kind):
    """Where the drawing has a number, it is the class's exit code."""
    shown = re.search(rf"\b{kind.__name__} {{1,24}}(\d{{1,2}})\b", errors.__doc__)
    assert shown is None or int(shown[1]) == kind.exit_code


@pytest.mark.parametrize("kind", LEAVES)
def test_every_error_has_advice(kind):
    """Each class that is raised has the usual cause or a remedy."""
    assert len(kind.hint) > 40 and kind.hint.endswith(".")


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


@pytest.mark.parametrize("kind", [kind for kind in ALL if issubclass(kind, ApiError)])
def test_what_is_transient_and_what_was_accepted(kind):
    """Only outages are transient; only refused requests were certainly never accepted."""
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
