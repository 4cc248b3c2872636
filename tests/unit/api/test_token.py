"""The claims of a token, and messages about its expiry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.api import TokenFacts, expiry_warning, format_span, read_token
from opsera_step.api.token import expiry_hint
from opsera_step.clock import FakeClock
from opsera_step.simulator import Simulator
from tests.support.jobs import play
from tests.support.tokens import jwt

NOW = 1_767_225_600.0
PART = jwt({}).split(".")[1]


def test_a_token_of_the_usual_shape():
    """End, beginning and scope are read from the claims."""
    facts = read_token(jwt({"user": "ü?~", "scope": "pipeline", "iat": NOW, "exp": NOW + 60}))
    assert facts == TokenFacts(True, NOW + 60, ("pipeline",))
    assert (facts.seconds_left(NOW), facts.seconds_left(NOW + 100)) == (60.0, -40.0)


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [({"scope": "api"}, ("api",)), ({"scope": "api  pipeline"}, ("api", "pipeline")),
     ({"scopes": ["api", 7, "", "tasks"]}, ("api", "tasks")),
     ({"scp": "api,tasks"}, ("api", "tasks")),
     ({"scope": 7}, ()), ({"scope": {"a": "b"}}, ()), ({}, ())],
)  # fmt: skip
def test_scopes_in_their_usual_forms(claims, scopes):
    """One text, a list, or nothing that is known."""
    assert read_token(jwt(claims)).scopes == scopes


@pytest.mark.parametrize(
    "value",
    [True, "1767225600", None, 0, float("inf"), float("nan"), 1e300, 10**400],
    ids=lambda value: str(value)[:9],
)
def test_an_end_that_is_no_moment_is_none(value):
    """A claim of another type, or out of range, is ignored."""
    facts = read_token(jwt({"exp": value}))
    assert facts.is_jwt and facts.expires is None and facts.seconds_left(NOW) is None


def test_moments_in_milliseconds():
    """Some write them so; as seconds they would be thousands of years away."""
    facts = read_token(jwt({"exp": (NOW + 60) * 1000, "nbf": (NOW + 5) * 1000}))
    assert (facts.expires, facts.not_before) == (NOW + 60, NOW + 5)


def test_a_token_that_is_not_yet_good():
    """Its refusal is explained by that, and its end is not."""
    hint = expiry_hint(TokenFacts(True, NOW - 5, not_before=NOW + 7200), NOW)
    assert "becomes valid in 2 h (claim nbf)" in hint
    assert expiry_hint(TokenFacts(True, not_before=NOW - 1), NOW) == ""


@pytest.mark.parametrize(
    "token",
    ["", "a.b", "a.b.c", "a.b.c.d", "é.é.é", jwt([1]), jwt({}, [1]), jwt(b"\xff"),
     jwt(b"[" * 9000), "*" + jwt({}), f"{PART}..x",
     f"{PART}.{PART}.{'x' * 70_000}"],
    ids=lambda token: repr(token[:20]),
)  # fmt: skip
def test_a_token_that_is_not_a_jwt_has_no_claims(token):
    """Whatever else a token is, it is no fault."""
    assert read_token(token) == TokenFacts()


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(jwt))
def test_no_text_is_too_odd(token):
    """Reading raises nothing, whatever stands there."""
    facts = read_token(token)
    assert expiry_hint(facts, NOW) == "" or facts.is_jwt


@pytest.mark.parametrize(
    ("left", "timeout", "expected"),
    [(1500, 3600, "expires in 25 min, before the timeout of 1h."),
     (3599, 3600, "expires in 59 min"), (50_000, None, "in 13 h, and the job has no timeout."),
     (3600, 3600, ""), (3601, 3600, ""), (90_000, None, ""), (0, 3600, ""), (-5, 3600, "")],
)  # fmt: skip
def test_a_token_that_ends_before_the_job_may(left, timeout, expected):
    """A warning is printed if it expires within the timeout, but not if it has already expired."""
    warning = expiry_warning(TokenFacts(True, NOW + left), NOW, timeout)
    assert (expected in warning) if expected else (warning == "")
    assert expiry_warning(TokenFacts(True), NOW, timeout) == ""


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_799, "47 h"),
     (172_800, "2 days")],
)  # fmt: skip
def test_spans(seconds, expected):
    """Always at least two of the unit: one would hide up to half of it."""
    assert format_span(seconds) == expected


@pytest.mark.parametrize("platform", ["plain", "github"])
def test_a_job_warns_before_it_starts_a_run(tmp_path, platform):
    """One warning, before the run, on each platform; without one when the token lasts."""
    clock = FakeClock()
    with Simulator("success", clock=clock, seed=1) as simulator:
        token = simulator.issue_token("pipeline", expires_in=1500)
        job = play(simulator, clock, tmp_path, platform, token=token, timeout="1h")
        quiet = play(simulator, clock, tmp_path, platform, token=token, timeout="10m")
        unwatched = play(simulator, clock, tmp_path, platform, token=token, wait="false")
    assert (job.code, quiet.code, unwatched.code) == (0, 0, 0)
    expected = "The access token expires in 25 min, before the timeout of 1h."
    assert job.log.count(expected) == 1
    assert job.log.index(expected) < job.log.index("Started run")
    assert "The access token expires" not in quiet.log + unwatched.log
    if platform == "github":
        assert f"::warning title=Opsera access token::{expected}" in job.log


def test_an_expired_token_is_reported_with_the_401(tmp_path):
    """The request is sent anyway; a refusal mentions this machine's clock."""
    clock = FakeClock()
    with Simulator("success", clock=clock, seed=1) as simulator:
        token = simulator.issue_token("pipeline", expires_in=-2.5 * 86400)
        job = play(simulator, clock, tmp_path, token=token)
        asked = len(simulator.requests)
    assert (job.code, asked) == (4, 1)
    assert "By this machine's clock, the token expired 2 days ago. Create a new token" in job.log
