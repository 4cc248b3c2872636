"""Who started a run, and which of several is ours."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsera_step.api.token import token_identities
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import RunUncertain, Unavailable
from opsera_step.runs.events import Note
from opsera_step.runs.ownership import VOUCHING, RunOwnership
from tests.unit.fake_opsera import OTHER, US, record, token_of

START = "start pipeline"


class Logs:
    """The logs of some runs; a run that is not in them has none, an error is raised."""

    def __init__(self, **logs):
        self.logs_of = {int(name[1:]): log for name, log in logs.items()}
        self.asked = 0

    def logs(self, run, deadline, *, console_only):
        self.asked += 1
        log = self.logs_of.get(run.count, [])
        if isinstance(log, Exception):
            raise log
        return log


def choose(api, *, token=None, after=0.0, before=5, newest=6):
    """Look until something is chosen, or for some seconds."""
    clock = FakeClock()
    ownership = RunOwnership(api, token or token_of(US), clock, Deadline.after(clock, None))
    notes = []
    while True:
        choosing = ownership.choose("p", before, newest)
        try:
            while True:
                notes.append(next(choosing))
        except StopIteration as stop:
            if stop.value is not None or clock.monotonic() >= after:
                return stop.value, notes
        clock.sleep(1.0)


def jwt(payload: object) -> str:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"e30.{base64.urlsafe_b64encode(data).decode().rstrip('=')}.c2ln"


@pytest.mark.parametrize(
    "name", ["start pipeline", "Start Pipeline", " start pipeline ", "START PIPELINE"]
)
def test_ours_is_known_by_its_first_record(name):
    """The record of the start names who started the run, in any spelling."""
    api = Logs(_6=[record("Build", OTHER), record(name, US)])
    assert choose(api) == (6, [Note(
        "Run 6 was started after our request by the token's owner; it is taken as ours."
    )])  # fmt: skip


def test_the_oldest_start_counts():
    """Where a run has several starts, as after a resume, the first one tells; newest come first."""
    api = Logs(_6=[record(START, OTHER), record(START, ""), record(START, US), record(START, "")])
    assert choose(api)[0] == 6


def test_the_spelling_of_an_id_does_not_matter():
    """IDs are hexadecimal, in any case."""
    assert choose(Logs(_6=[record(START, US.upper())]), token=token_of(US.upper()))[0] == 6


def test_a_run_of_somebody_else_is_put_aside_once():
    """A foreign run is told once and never looked at again."""
    api = Logs(_6=[record(START, OTHER)])
    count, notes = choose(api, after=20.0)
    assert (count, api.asked, len(notes)) == (None, 1, 1)
    assert "Run 6 was started by somebody else" in notes[0].text


def test_two_foreign_runs_are_told_together():
    """Several foreign runs make one note."""
    api = Logs(_6=[record(START, OTHER)], _7=[record(START, OTHER)])
    assert "Run 6 and 7 were started by" in choose(api, newest=7)[1][0].text


@pytest.mark.parametrize(
    "log", [[], [record("Build", US)], [record(START, "")], Unavailable("HTTP 503")]
)
def test_a_silent_log_is_given_some_seconds(log):
    """A run without a name is taken after a while, with a warning, as the only one there is."""
    api = Logs(_6=log)
    assert choose(api, after=VOUCHING - 1.0) == (None, [])
    count, notes = choose(api, after=VOUCHING)
    assert (count, notes[0].warning) == (6, True)


def test_without_identities_there_is_nothing_to_wait_for():
    """A token that tells no owner makes waiting, and reading logs, useless."""
    api = Logs()
    assert choose(api, token="opaque")[0] == 6
    assert api.asked == 0


def test_a_known_run_goes_before_an_unknown_one():
    """Where one run is ours for sure, one without a name is not."""
    api = Logs(_6=[record(START, US)], _7=[])
    assert choose(api, newest=7) == (None, [])
    assert choose(api, newest=7, after=VOUCHING)[0] == 6


@pytest.mark.parametrize("logs", [{"_6": [record(START, US)], "_7": [record(START, US)]}, {}])
def test_two_candidates_are_too_many(logs):
    """Between two runs of ours, or two without names, no choice is made."""
    with pytest.raises(RunUncertain, match="Runs 6 and 7"):
        choose(Logs(**logs), newest=7, after=VOUCHING)


def test_identities_are_all_ids_in_the_payload():
    """IDs count wherever they stand, whatever else the payload holds."""
    payload = {"sub": US, "scope": "api", "groups": [{"_id": OTHER}, "x" * 24], "exp": 5, "n": None}
    assert token_identities(jwt(payload)) == {US, OTHER}


@pytest.mark.parametrize(
    "token",
    ["", "opaque", "a.b", "a.b.c.d", "..", "a.é.c", "a.!!!!.c", jwt(b"\xff\xfe"), jwt(b"[" * 5000),
     jwt(b'{"a":' * 900 + b"1" + b"}" * 900), jwt("text"), jwt(5), jwt([]), jwt(b"9" * 5000)],
    ids=repr,
)  # fmt: skip
def test_unreadable_tokens_have_no_identities(token):
    """What is no JWT, or one of another kind, is lived with."""
    assert token_identities(token) == frozenset()


@settings(derandomize=True, deadline=None)
@given(st.text() | st.binary().map(jwt) | st.text().map(lambda text: f"a.{text}.c"))
def test_any_token_can_be_looked_at(token):
    """No token makes reading its owner fail."""
    assert isinstance(token_identities(token), frozenset)
