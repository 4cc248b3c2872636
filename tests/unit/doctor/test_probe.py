"""`doctor --probe`: it finds out how a simulated tenant behaves, and writes nothing private."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path

import pytest

from opsera_step.clock import FakeClock
from opsera_step.config import Setting
from opsera_step.doctor import command
from opsera_step.doctor.questions import PLACES, QUESTIONS
from opsera_step.doctor.redacted import message_of, shape_of, time_format
from opsera_step.errors import InvalidInput
from opsera_step.signals import Signals
from opsera_step.simulator import Fault, Flags, Simulator
from opsera_step.text import Scrubber
from tests.support import scenes

CHANGING = ("run", "stop", "reset", "actions", "tool_update")
SCENARIO = scenes.scenario(
    scenes.step("Büild", scenes.prints("compiling", "linking", "built")),
    scenes.step("Deploy", scenes.prints("rolled out")),
)


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def probe(
    flags=None,
    *,
    token="",
    pipeline=True,
    runs=1,
    fault=None,
    form="json",
    file="probe.json",
    **environ,
):
    """Probe a tenant whose pipeline has run, and return the file, the screen, and the calls."""
    clock = FakeClock()
    with Simulator(SCENARIO, clock=clock, seed=1, flags=flags or {}) as simulator:
        for _ in range(runs):
            simulator.start_run()
            clock.sleep(7300)
        if fault:
            simulator.add_fault(fault)
        given = {
            "OPSERA_BASE_URL": simulator.url,
            "OPSERA_TOKEN": simulator.issue_token(token) if token else simulator.token,
            **environ,
        }
        if pipeline:
            given["OPSERA_PIPELINE"] = simulator.pipeline_id
        out = io.StringIO()
        code = command.run(
            given, out, Signals(), options={"command": Setting("doctor", "")}, form=form,
            clock=clock, probe_file=file, is_job="GITHUB_ACTIONS" in environ,
        )  # fmt: skip
        calls = [one.call for one in simulator.requests]
    path = Path(file)
    found = json.loads(path.read_text("utf-8")) if path.is_file() else None
    return found, out.getvalue(), calls, code


def answers(found):
    return {one["question"]: (one["found"], one["result"]) for one in found["questions"]}


def test_a_tenant_that_is_as_assumed():
    """Nothing differs, and only requests that change nothing are sent."""
    found, screen, calls, code = probe()
    different = [one for one in found["questions"] if one["result"] == "different"]
    # The scenario does not say whether its runtime settings are on.
    assert [one["question"] for one in different] == ["Runtime settings shown by the pipeline"]
    assert code == 0
    assert not set(calls) & set(CHANGING)
    data = json.loads(screen)
    assert data["probe"]["questions"] == found["questions"]
    assert data["checks"][-1]["check"] == "probe"


FLAGS = [
    ("list_format", "data"), ("list_format", "counted"),
    ("counted_list_format", "data"), ("counted_list_format", "bare"),
    ("count_field", "total"), ("object_format", "data"), ("action_format", "data"),
    ("json_encoding", "utf8"), ("compression", "gzip"), ("etag", "true"),
    ("not_found_status", "400"), ("malformed_id_status", "422"), ("error_body", "string"),
    ("error_body", "text"), ("error_body", "html"), ("error_body", "empty"),
    ("status_without_run_count", "400"), ("unknown_run_status", "400"),
    ("unknown_run_status", "unknown"), ("unknown_run_logs", "400"), ("unknown_run_logs", "404"),
    ("record_ids", "scattered"), ("record_ids", "missing"), ("step_index", "missing"),
    ("record_users", "name"), ("record_users", "both"), ("record_users", "missing"),
    ("start_record", "false"), ("line_ends", "crlf"), ("task_status", "text"),
    ("task_log_order", "oldest_first"), ("first_page", "zero"), ("timescale", "ignored"),
    *(("place", place) for place in PLACES),
]  # fmt: skip
"""Each with a value that is not the default."""


@pytest.mark.parametrize(("flag", "value"), FLAGS)
def test_each_habit_is_found_out(flag, value):
    """The file names the simulator's flag with which it behaves as the tenant does."""
    kind = type(getattr(Flags(), flag))
    typed = value == "true" if kind is bool else kind(value)
    found, _, _, _ = probe({flag: typed})
    assert found["simulatorFlags"][flag] == value


def test_the_flags_are_those_of_the_simulator():
    """Each flag that an answer names exists, and the assumption is a value of it."""
    known = {one.name: one.metadata.get("choices", ()) for one in dataclasses.fields(Flags)}
    for question in QUESTIONS:
        if question.flag:
            choices = known[question.flag]
            assert not choices or question.assumed in (*choices, "known"), question


class TestAccess:
    """Which calls the token's scope allows."""

    @pytest.mark.parametrize("width", ["page", "wide"])
    def test_a_read_only_token(self, width):
        """What is denied is found out call by call; the rest is not seen rather than wrong."""
        found, _, _, _ = probe({"scopes": width}, token="pipeline-readonly")
        assert found["scopes"] == ["pipeline-readonly"]
        calls = {one["call"]: (one["documented"], one["found"]) for one in found["calls"]}
        assert calls["pipeline/status"] == ("allowed", "allowed")
        summary = ("denied", "denied" if width == "page" else "allowed")
        assert calls["pipeline/summary"] == summary
        assert found["simulatorFlags"]["scopes"] == width
        assert found["simulatorFlags"]["forbidden_status"] == "403"
        assert answers(found)["Form of the tool list"] == (None, "not seen")

    def test_a_token_that_is_rejected(self):
        """Nothing is asked, and no file is written."""
        found, screen, calls, code = probe(OPSERA_TOKEN="not-a-token-of-this-tenant")
        assert (found, code) == (None, 4)
        assert "Skipped (no request was successful)." in screen
        assert calls == ["pipelines"]

    def test_without_a_pipeline(self):
        """Runs can't be asked about; everything else is."""
        found, screen, _, code = probe(pipeline=False)
        assert answers(found)["Form of a run's status"] == (None, "not seen")
        assert answers(found)["Form of the tool list"] == ("bare", "as assumed")
        assert "Set a pipeline" in screen and code == 0


@pytest.mark.parametrize("form", ["seconds", "date", "missing"])
def test_a_rate_limit(form):
    """The probe waits, and notes how Retry-After is written."""
    fault = Fault(
        call="tools", status=429, times=1, nth=2,
        **({} if form == "missing" else {"retry_after": 3, "retry_after_as": form}),
    )  # fmt: skip
    found, _, _, _ = probe(fault=fault)
    assert found["simulatorFlags"]["rate_limit_retry_after"] == form
    assert answers(found)["Form of the tool list"] == ("bare", "as assumed")


def test_a_response_that_is_lost():
    """It is noted, and the rest is asked."""
    found, _, _, _ = probe(fault=Fault(call="tools", kind="half", nth=2))
    failures = [one for one in found["requests"] if "failure" in one]
    assert [one["call"] for one in failures] == ["GET /api/v1/registry/tools"]
    assert answers(found)["Form of the task list"] == ("counted", "as assumed")


class TestPrivacy:
    """The file is for a public issue."""

    def test_nothing_of_the_tenant_is_in_it(self):
        """No name, ID, address, log text, or token; every other text of the file is ours."""
        names_from = "shop|deploy|kim|ortiz|okafor|weber|jenkins.shop|compiling|linking|Büild"
        for flags in (
            {},
            {"error_body": "text"},
            {"record_users": "both", "names_in_messages": True},
        ):
            found, _, _, _ = probe(flags)
            text = json.dumps(found, ensure_ascii=False)
            assert not re.search(names_from, text, re.IGNORECASE), flags
            assert not re.search(r"[0-9a-f]{24}|@|127\.0\.0\.1|eyJ|\d{4}-\d\d-\d\dT", text)

    def test_messages(self):
        """What may be private is replaced."""
        text = (
            "User dana@shop.example may not see 'Deploy shop' (65a4f00dc0ffee0123456789) of Acme "
            "at https://app.acme.example/x or 10.0.0.1, api.acme.io; tok-0123456789"
        )
        shown = message_of(text, Scrubber("tok-0123456789"), {"Acme"})
        assert shown == (
            "User <email> may not see <quoted> (<id>) of <name> at <url> or <ip>, <host>; ***"
        )

    def test_shapes(self):
        """Values become kinds, keys that look like data are hidden, configurations stay closed."""
        data = {
            "a": [1, 2], "b": None, "c": True, "d": "x", "e": "", "status": "running",
            "name": "Deploy", "65a4f00dc0ffee0123456789": 1, "my key": 2,
            "configuration": {"ACME_PASSWORD": "x"}, "at": "2021-07-30T16:13:52.109Z",
        }  # fmt: skip
        assert shape_of(data) == {
            "a": {"items": 2, "first": ["number"]}, "b": "null", "c": "boolean", "d": "text",
            "e": "empty text", "status": "text: running", "name": "text", "<key>": "number",
            "configuration": "object with 1 keys", "at": "time (UTC with 3 decimals)",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "form"),
        [("2021-07-30T16:13:52.109Z", "UTC with 3 decimals"), ("2021-07-30", ""),
         ("2021-07-30T16:13:52+02:00", "offset with 0 decimals"), (5, ""),
         ("2021-07-30 16:13:52", "no time zone with 0 decimals")],
    )  # fmt: skip
    def test_times(self, text, form):
        """The time zone and the precision are recorded, not the time."""
        assert time_format(text) == form


class TestFile:
    """Where the file is written."""

    def test_no_link_is_followed_out_of_the_workspace(self, tmp_path_factory):
        """It is refused before the first request."""
        outside = tmp_path_factory.mktemp("home") / "file"
        outside.write_text("precious")
        Path("probe.json").symlink_to(outside)
        with pytest.raises(InvalidInput, match="outside of the workspace"):
            probe()
        assert outside.read_text() == "precious"

    def test_a_file_that_can_not_be_written(self):
        """It is a problem, and the result is on the screen."""
        Path("f").write_text("")
        _, screen, _, code = probe(form="table", file="f/probe.json")
        assert code == 2
        assert "Can't write 'f/probe.json': a part of its path is not a directory." in screen
        assert "QUESTION" in screen


class TestScreen:
    """The tables."""

    def test_on_a_terminal(self):
        """Each question with its certainty, the assumption, and the answer."""
        _, screen, _, _ = probe({"list_format": "data"}, form="table")
        lines = [re.split(r"  +", line) for line in screen.splitlines()]
        assert ["QUESTION", "CERTAINTY", "ASSUMED", "FOUND", "RESULT"] in lines
        assert ["Form of the pipeline list", "documented", "bare", "data", "different"] in lines
        assert ["pipeline/summary", "allowed", "allowed"] in lines

    def test_in_a_job(self, tmp_path):
        """In a GitHub job, the tables are in the log and in the step summary."""
        for name in ("summary", "output"):
            (tmp_path / name).touch()
        _, log, _, code = probe(
            GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(tmp_path / "summary"),
            GITHUB_OUTPUT=str(tmp_path / "output"),
        )  # fmt: skip
        page = (tmp_path / "summary").read_text("utf-8")
        assert code == 0
        assert "Form of the pipeline list" in log
        assert "| LEVEL | CHECK | RESULT |" in page
        assert "| Form of the pipeline list | documented | bare | bare | as assumed |" in page
