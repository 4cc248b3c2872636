"""Who started a run, and which of several is ours."""

from __future__ import annotations

import pytest

from opsera_step.api import Listing, Pipeline, State, token_identities
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import RunUncertain, Unavailable
from opsera_step.runs.events import Note
from opsera_step.runs.find import OWNER_KNOWN_WITHIN, RunOwnership
from tests.support.fake_opsera import OTHER, US, record, token_of

START = "start pipeline"


class Logs:
    """The logs of some runs; a run that is not in them has none, an error is raised."""

    def __init__(self, **logs):
        self.logs_of = {int(name[1:]): log for name, log in logs.items()}
        self.requests = 0

    def logs(self, run, deadline, *, console_only):
        self.requests += 1
        log = self.logs_of.get(run.count, [])
        if isinstance(log, Exception):
            raise log
        return Listing(tuple(log))


def pick(api, *, token=None, after=0.0, before=5, latest=6):
    """Look until a run is picked, or for some seconds."""
    clock, notes = FakeClock(), []
    identities = token_identities(token or token_of(US))
    ownership = RunOwnership(api, identities, clock, Deadline.after(clock, None))
    while True:
        picking = ownership.pick_own_run(before, Pipeline("p", "", latest, State.RUNNING))
        try:
            while True:
                notes.append(next(picking))
        except StopIteration as stop:
            if stop.value is not None or clock.monotonic() >= after:
                return stop.value, notes
        clock.sleep(1.0)


@pytest.mark.parametrize("name", [START, "Start Pipeline", " start pipeline ", "START PIPELINE"])
def test_ours_is_known_by_its_first_record(name):
    """The record of the start names who started the run, in any spelling."""
    api = Logs(_6=[record("Build", OTHER), record(name, US)])
    note = Note("Found run 6, started by the token owner after our request; following it.")
    assert pick(api) == (6, [note])


def test_the_first_start_counts():
    """Where a run has several starts, as after a resume; the latest records come first."""
    api = Logs(_6=[record(START, OTHER), record(START, ""), record(START, US), record(START, "")])
    assert pick(api)[0] == 6


def test_ids_are_compared_in_any_case():
    """IDs are hexadecimal."""
    assert pick(Logs(_6=[record(START, US.upper())]), token=token_of(US.upper()))[0] == 6


def test_runs_of_other_users_are_left_out_once():
    """They are reported once, together, and never read again."""
    api = Logs(_6=[record(START, OTHER)], _7=[record(START, OTHER)])
    count, notes = pick(api, latest=7, after=20.0)
    assert (count, api.requests, len(notes)) == (None, 2, 1)
    assert notes[0].text == "Runs 6 and 7 were started by another user; still looking."


@pytest.mark.parametrize(
    "log",
    [[], [record("Build", US)], [record(START, "")], [record(START, "Alex Kim")],
     Unavailable("HTTP 503")],
)  # fmt: skip
def test_a_log_without_a_name_is_given_some_seconds(log):
    """Then the only new run is taken, with a warning."""
    api = Logs(_6=log)
    assert pick(api, after=OWNER_KNOWN_WITHIN - 1.0) == (None, [])
    count, notes = pick(api, after=OWNER_KNOWN_WITHIN)
    assert (count, notes[0].warning) == (6, True)


def test_a_token_without_an_owner_makes_reading_logs_useless():
    """Then there is nothing to wait for."""
    api = Logs()
    assert pick(api, token="opaque")[0] == 6
    assert api.requests == 0


def test_a_known_run_takes_precedence_over_an_unknown_one():
    """Where one run is ours for sure, one without a name is not."""
    api = Logs(_6=[record(START, US)], _7=[])
    assert pick(api, latest=7) == (None, [])
    assert pick(api, latest=7, after=OWNER_KNOWN_WITHIN)[0] == 6


@pytest.mark.parametrize("logs", [{"_6": [record(START, US)], "_7": [record(START, US)]}, {}])
def test_two_candidates_are_too_many(logs):
    """With two possible runs, or two without names, no choice is made."""
    with pytest.raises(RunUncertain, match="Runs 6 and 7"):
        pick(Logs(**logs), latest=7, after=OWNER_KNOWN_WITHIN)
