"""The command line as a daily tool: past runs, parts of logs, the portal, and any API request."""

from __future__ import annotations

import io
import json
import os

import pytest

from opsera_step.clock import FakeClock
from opsera_step.simulator import Fault, Simulator
from tests.support import long_after, scenes
from tests.support.jobs import play
from tests.support.shell import TOOL, command, fast, opsera

SECRET = "hunter2hunter2"
PARAMETERS = {
    "pipelines": [
        {
            "name": "Deploy shop",
            "run_count": 41,
            "branch": "main",
            "dynamic_settings": True,
            "plan": [
                {
                    "name": "Build",
                    "tool": "jenkins",
                    "log": [{"lines": ["built"]}],
                    "parameters": [
                        {"name": "LOG_LEVEL", "value": "info"},
                        {"name": "API_TOKEN", "value": SECRET},
                    ],
                }
            ],
        }
    ]
}


@pytest.fixture
def failed():
    """A pipeline whose run 42 failed at “Unit tests”, 60 seconds ago."""
    clock = FakeClock()
    with Simulator(scenes.FAILS, clock=clock, seed=1) as simulator:
        simulator.start_run()
        clock.sleep(60)
        yield simulator


class TestPipeline:
    """`pipeline show` and `pipeline runs`."""

    def test_what_can_be_set_is_listed(self):
        """The branch, the runtime settings, and the parameters with their defaults."""
        with fast(PARAMETERS) as simulator:
            shown = opsera(simulator, "pipeline", "show").out
            open_ = opsera(simulator, "pipeline", "show", "--show-secrets").out
        for row in ("branch            main", "runtime settings  on", "Build  LOG_LEVEL  info"):
            assert row in shown
        assert "Build  API_TOKEN  ***" in shown and SECRET not in shown
        assert "41 succeeded" in shown
        assert SECRET in open_

    def test_past_runs(self, failed):
        """Each run has its own status and times, in words that people read."""
        typed = opsera(failed, "pipeline", "runs", "--last", "2")
        first, latest, before = typed.out.splitlines()
        assert first.split() == ["RUN", "STATUS", "STARTED", "FINISHED", "DURATION"]
        assert latest.split()[:2] == ["42", "failed"]
        assert latest.endswith("s") and latest.count("Z") == 2
        assert before.split() == ["41", "succeeded"]
        data = opsera(failed, "pipeline", "runs", "--last", "1", "--format", "json").json
        assert [(one["runCount"], one["status"]) for one in data] == [(42, "failed")]
        assert data[0]["duration"] > 0 and data[0]["finishedAt"] > data[0]["startedAt"]

    def test_an_earlier_run_has_an_end(self, failed):
        """Also if another run followed it."""
        failed.start_run()
        data = opsera(failed, "pipeline", "runs", "--last", "2", "--format", "json").json
        assert [one["finishedAt"] is None for one in data] == [True, False]

    def test_a_run_that_is_not_there_anymore(self, failed):
        """It is called unknown, and the others are listed."""
        failed.add_fault(Fault(call="status", match='"runCount": 41', status=404))
        typed = opsera(failed, "pipeline", "runs", "--last", "3")
        assert [line.split()[:2] for line in typed.out.splitlines()[1:]] == [
            ["42", "failed"], ["41", "unknown"], ["40", "succeeded"],
        ]  # fmt: skip

    @pytest.mark.parametrize("words", ["show", "runs"])
    def test_without_a_pipeline(self, words):
        """The error is that of all commands."""
        typed = opsera(None, "pipeline", words, OPSERA_TOKEN="a-token-of-mine")
        assert typed.code == 2
        assert "No pipeline." in typed.err

    def test_the_summary_has_the_typed_name(self, failed, tmp_path):
        """In a GitHub job the table is in the step summary, with times that people read."""
        file = tmp_path / "summary"
        file.touch()
        for words in ("pipeline show", "pipeline runs --last 1"):
            environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(file)}
            assert command(failed, words, **environ).code == 0
        text = file.read_text("utf-8")
        assert "### Opsera: pipeline show" in text and "### Opsera: pipeline runs" in text
        assert "T0" not in text.partition("FINISHED")[2]


class TestLists:
    """`--limit` and `--filter`."""

    def test_what_is_left_out_is_counted(self, failed):
        """A short list does not look like a whole one."""
        typed = opsera(failed, "tool", "list", "--limit", "1")
        assert len(typed.out.splitlines()) == 2
        assert "1 of 4 tools." in typed.err
        assert "4 tools." in opsera(failed, "tool", "list").err

    def test_a_filter(self, failed):
        """It finds a part of a name, in any case, or of an ID."""
        data = opsera(failed, "tool", "list", "--filter", "SONAR", "--format", "json").json
        assert [one["name"] for one in data] == ["Shop SonarQube"]

    def test_states_of_tasks(self, failed):
        """They have the words of pipelines; one that is none of those stays."""
        states = [line.split()[-6:] for line in opsera(failed, "task", "list").out.splitlines()]
        assert {"succeeded", "created"} <= {word for words in states for word in words}
        assert '"status": "success"' in opsera(failed, "task", "list", "--format", "json").out


class TestQuiet:
    """`--quiet` prints only errors and data."""

    @pytest.mark.parametrize(
        "words",
        [("tool", "list"), ("pipeline", "runs"), ("pipeline", "show"), ("audit", "tokens"),
         ("api", "GET", "/api/v1/tasks"), ("task", "list"), ("status",), ("logs", "--failed")],
    )  # fmt: skip
    def test_only_data(self, failed, words):
        """The data stays, and nothing is beside it."""
        usual, quiet = opsera(failed, *words), opsera(failed, *words, "--quiet")
        assert (quiet.code, quiet.err) == (0, "")
        assert len(quiet.out.splitlines()) >= len(usual.out.splitlines()) > 0

    def test_a_log_that_is_followed(self, failed):
        """Its lines are the data."""
        usual, quiet = opsera(failed, "logs"), opsera(failed, "logs", "-f", "-q")
        assert (quiet.out, quiet.err) == (usual.out, "")

    def test_errors_stay(self, failed):
        """They are the reason of the exit code."""
        assert "No tool is named “x”" in opsera(failed, "tool", "show", "x", "-q").err

    @pytest.mark.parametrize(
        "words", [("approve",), ("tool", "update", TOOL, "--set", "description=x")]
    )
    def test_nothing_is_confirmed_unseen(self, failed, words):
        """What is to be confirmed must be shown."""
        typed = opsera(failed, *words, "--quiet")
        assert (typed.code, failed.requests) == (2, [])
        assert "--quiet needs --yes" in typed.err


class TestDoctor:
    """Debug logs of the doctor."""

    @pytest.mark.parametrize("words", [(), ("--format", "json")])
    def test_verbose(self, failed, words):
        """They go to stderr, so that stdout stays what it is."""
        typed = opsera(failed, "doctor", "--verbose", *words)
        assert "DEBUG: POST /api/v1/pipeline/summary: 200 in" in typed.err
        assert "DEBUG" not in typed.out
        assert opsera(failed, "doctor", *words).err == ""

    def test_in_a_job(self, failed):
        """Where the platform asks for debug logs."""
        typed = command(failed, "doctor", GITHUB_ACTIONS="true", RUNNER_DEBUG="1")
        assert "/api/v1/pipeline/summary: 200 in" in typed.out


@pytest.mark.parametrize(
    ("state", "code"),
    [("success", 0), ("running", 0), ("failed", 1), ("stopped", 1), ("paused", 8), ("done?", 3)],
)
def test_exit_status(failed, state, code):
    """`status --exit-status` takes no unrecognized status for success."""
    body = json.dumps({"status": state, "message": ""})
    failed.add_fault(Fault(call="status", status=200, body=body))
    typed = opsera(failed, "status", "--exit-status")
    assert typed.code == code
    assert "on_paused" not in typed.out
    assert opsera(failed, "status").code == 0


class TestPortal:
    """`open` and `--web`."""

    @pytest.mark.parametrize(
        "words", [("open",), ("status", "--web"), ("pipeline", "show", "--web")]
    )
    def test_the_url(self, failed, words):
        """With an ID, no request is needed, so that any token will do."""
        typed = opsera(failed, *words)
        assert typed.code == 0, typed.err
        assert typed.out == f"{failed.url}/workflow/details/{failed.pipeline_id}/summary\n"
        assert failed.url not in typed.err
        assert failed.requests == []

    def test_by_name(self, failed):
        """The ID in the URL is looked up."""
        typed = opsera(failed, "open", "Deploy shop", "--format", "json", OPSERA_PIPELINE="")
        assert typed.json["pipelineId"] == failed.pipeline_id

    def test_an_unknown_portal(self, failed):
        """No link is better than a wrong one."""
        typed = opsera(failed, "open", "--base-url", "https://opsera.example")
        assert typed.code == 2
        assert "portal_url" in typed.err


class TestLogs:
    """Parts of a log."""

    def test_failed_steps_only(self, failed):
        """The log of the steps that succeeded is left out."""
        typed = opsera(failed, "logs", "--failed")
        assert typed.out == "test_cart FAILED\n1 failed\n"

    def test_the_tail(self, failed):
        """The last lines, across steps."""
        assert opsera(failed, "logs", "--tail", "3").out == "built\ntest_cart FAILED\n1 failed\n"
        everything = opsera(failed, "logs", "--format", "json").json
        last = opsera(failed, "logs", "--format", "json", "--tail", "2").json
        assert last == everything[:2] and len(everything) > 2

    def test_a_period(self, failed):
        """Only what was written within it."""
        everything = opsera(failed, "logs").out
        assert opsera(failed, "logs", "--since", "1h").out == everything
        typed = opsera(failed, "logs", "--since", "30s")
        assert typed.out == ""
        assert "has no records in the last 30s" in typed.err

    @pytest.mark.parametrize(("since", "last"), long_after(1, [("30s", ""), ("1h", "1 failed\n")]))
    def test_a_period_while_following(self, failed, since, last):
        """What is older is not printed."""
        typed = opsera(failed, "logs", "--follow", "--since", since)
        assert typed.code == 0
        assert typed.out[-len("1 failed\n") :] == last

    def test_with_times(self, failed):
        """Each line begins with its time, in UTC."""
        lines = opsera(failed, "logs", "--timestamps", "--tail", "2").out.splitlines()
        assert [line.split(" ", 1)[1] for line in lines] == ["test_cart FAILED", "1 failed"]
        assert all(line.split()[0].endswith("Z") for line in lines)


class TestAudit:
    """Ranges of days, which lose nothing silently."""

    def test_each_day_is_read(self, failed):
        """A range costs one request a day, because a response has 1,000 entries at most."""
        typed = opsera(failed, "audit", "tokens", "--from", "2023-01-01", "--to", "2023-01-03")
        assert typed.code == 0, typed.err
        assert failed.count("token_uses") == 3

    def test_a_day_with_more_than_the_limit(self, failed):
        """What the API may have left out is reported, with the day."""
        body = json.dumps({"count": 1000, "data": [{"scope": "api"}] * 1000})
        failed.add_fault(Fault(call="token_uses", status=200, body=body, nth=2, times=1))
        typed = opsera(failed, "audit", "tokens", "--from", "2023-01-01", "--to", "2023-01-03")
        assert "at most 1,000; there may be more. (2023-01-02)" in typed.err

    def test_csv(self, failed):
        """A spreadsheet gets the whole times."""
        first, *rest = opsera(failed, "audit", "actions", "--format", "csv").out.splitlines()
        assert first == "time,user,type,action,target"
        assert rest and all(line.count(",") == 4 and line[23] == "Z" for line in rest)

    @pytest.mark.parametrize(
        "words",
        [("--since", "3d", "--date", "2023-01-01"), ("--to", "2023-01-01"), ("--since", "3x"),
         ("--since", "999999999d"), ("--since", f"{'9' * 5000}w"),
         ("--from", "2023-01-02", "--to", "2023-01-01")],
    )  # fmt: skip
    def test_what_users_get_wrong(self, failed, words):
        """Nothing is sent."""
        assert opsera(failed, "audit", "actions", *words).code == 2
        assert failed.requests == []


class TestApi:
    """`api`: requests that have no command."""

    def test_a_read_is_retried(self, failed):
        """With the parameters in the query or in the body; POST reads are safe too."""
        failed.add_fault(Fault(call="status", status=503, times=1))
        typed = opsera(failed, "api", "POST", "/api/v1/pipeline/status", "-f",
                       f"pipelineId={failed.pipeline_id}", "-f", "runCount=42")  # fmt: skip
        assert typed.json["status"] == "failed"
        assert failed.count("status") == 2
        assert opsera(
            failed, "api", "get", "/api/v1/logs/user/tokens", "-f", "date=2023-01-01"
        ).json

    def test_a_change_is_not(self, failed):
        """It may have been carried out."""
        failed.add_fault(Fault(call="run", status=503, times=1))
        typed = opsera(failed, "api", "POST", "/api/v1/pipeline/run", "-f",
                       f"pipelineId={failed.pipeline_id}")  # fmt: skip
        assert (typed.code, failed.count("run")) == (3, 1)

    def test_a_body_is_sent_as_it_is(self, failed, tmp_path):
        """A file in YAML or JSON, and fields that take precedence."""
        file = tmp_path / "body.yml"
        file.write_text(f"toolId: {TOOL}\ntool: {{description: new}}\n")
        typed = opsera(failed, "api", "POST", "/api/v1/registry/update", "--input", str(file))
        assert typed.json["description"] == "new", typed.err
        typed = opsera(failed, "api", "POST", "/api/v1/registry/summary", "--input", str(file),
                       "-f", "toolId=" + "1" * 24)  # fmt: skip
        assert typed.json["error"]["exitCode"] == 3
        assert failed.requests[-1].body["toolId"] == "1" * 24

    @pytest.mark.parametrize("text", ["- a", "x"])
    def test_a_body_that_is_none(self, failed, monkeypatch, text):
        """Also from standard input, which has no name."""
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        typed = opsera(failed, "api", "POST", "/api/v1/tasks/summary", "--input", "-")
        assert typed.code == 2
        assert "--input: standard input must map names to values" in typed.err

    def test_secrets_are_masked(self, failed):
        """As in all other commands."""
        words = (
            "api",
            "POST",
            "/api/v1/pipeline/summary",
            "-f",
            f"pipelineId={failed.pipeline_id}",
        )
        with fast(PARAMETERS) as simulator:
            words = (*words[:-1], f"pipelineId={simulator.pipeline_id}")
            assert SECRET not in opsera(simulator, *words).out
            assert SECRET in opsera(simulator, *words, "--show-secrets").out

    @pytest.mark.parametrize(
        ("words", "expected"),
        [(("GET", "api/v1/tasks"), "Invalid path"), (("GET", "//host/x"), "Invalid path"),
         (("GET", "/api/v1/tasks?a=1"), "without a query"), (("GET", "/x", "-f", "a"), "KEY=VALUE"),
         (("GET", "/x", "--input", "f"), "has no body"), (("HEAD", "/x"), "METHOD"),
         (("POST", "/x", "--input", "/nonexistent"), "No such file")],
    )  # fmt: skip
    def test_what_users_get_wrong(self, failed, words, expected):
        """The message is about their mistake, and nothing is sent."""
        typed = opsera(failed, "api", *words)
        assert typed.code == 2
        assert expected in typed.err
        assert failed.requests == []

    def test_an_unknown_path(self, failed):
        """The hint is about the path."""
        typed = opsera(failed, "api", "PUT", "/api/v1/nothing")
        assert typed.code == 3
        assert "Check the path" in typed.err


class TestTool:
    """`tool update`."""

    def test_a_dry_run(self, failed):
        """It shows what would change, and sends nothing."""
        typed = opsera(failed, "tool", "update", TOOL, "--set", "description=x", "--dry-run")
        assert typed.code == 0
        assert '→ "x"' in typed.err and "no changes were made" in typed.err
        assert typed.out.strip() == ""
        assert failed.count("tool_update") == 0

    def test_merge(self, failed, tmp_path):
        """Without --merge, an object is replaced as a whole."""
        file = tmp_path / "tool.yml"
        file.write_text("configuration: {jenkinsUrl: https://new.example}\n")
        words = ("tool", "update", TOOL, "--file", str(file), "--yes")
        assert opsera(failed, *words, "--merge").code == 0
        merged = failed.requests[-1].body["tool"]["configuration"]
        assert merged["jenkinsUrl"] == "https://new.example" and "jUserId" in merged
        file.write_text("configuration: {jenkinsUrl: https://newer.example}\n")
        assert opsera(failed, *words).code == 0
        replaced = failed.requests[-1].body["tool"]["configuration"]
        assert replaced == {"jenkinsUrl": "https://newer.example"}


class TestParameters:
    """Parameters from files, and secret ones."""

    @pytest.mark.parametrize("file", ["Build.LOG_LEVEL=1.10", "Build:\n  LOG_LEVEL: 1.10\n"])
    def test_a_file(self, tmp_path, file):
        """Values are sent as written, and --param overrides them."""
        (tmp_path / "p").write_text(file)
        with fast(PARAMETERS) as simulator:
            words = ("run", "--no-wait", "--params", str(tmp_path / "p"))
            assert opsera(simulator, *words).code == 0
            assert opsera(simulator, *words, "--param", "Build.LOG_LEVEL=x").code == 0
            sent = [
                one.body["settings"]["steps"] for one in simulator.requests if one.call == "run"
            ]
        values = [steps[0]["stepParameters"] for steps in sent]
        assert values == [[{"name": "LOG_LEVEL", "value": one}] for one in ("1.10", "x")]

    @pytest.mark.parametrize(
        "words",
        [
            ("run", "--params"),
            ("tool", "update", TOOL, "--file"),
            ("api", "POST", "/x", "--input"),
        ],
    )
    def test_a_pipe_without_a_writer(self, tmp_path, monkeypatch, words):
        """Nothing hangs."""
        monkeypatch.setattr("opsera_step.files._PIPE_SECONDS", 0.1)
        os.mkfifo(tmp_path / "pipe")
        with fast() as simulator:
            typed = opsera(simulator, *words, str(tmp_path / "pipe"))
        assert typed.code == 2
        assert f"Can't read '{tmp_path}/pipe' (from {words[-1]}): it delivered nothing" in typed.err

    def test_a_secret_value_is_masked(self, tmp_path):
        """A parameter whose name looks secret is masked where the log of the run shows it."""
        scenario = json.loads(json.dumps(PARAMETERS))
        scenario["pipelines"][0]["plan"][0]["log"] = [{"lines": [f"login with {SECRET}", "built"]}]
        clock = FakeClock()
        with Simulator(scenario, clock=clock, seed=1) as simulator:
            parameters = f"Build.API_TOKEN={SECRET}\nBuild.LOG_LEVEL=built"
            job = play(simulator, clock, tmp_path, "github", parameters=parameters)
        masks = [line for line in job.log.splitlines() if line.startswith("::add-mask::")]
        assert f"::add-mask::{SECRET}" in masks
        rest = job.log.replace(f"::add-mask::{SECRET}", "")
        assert SECRET not in rest
        assert "login with ***" in rest and "built" in rest
        assert "Runtime settings: Build.API_TOKEN=***, Build.LOG_LEVEL=built" in rest

    def test_a_short_secret_is_not_shown(self, tmp_path):
        """It can't be masked in the log of the run, but it is never printed by the job itself."""
        clock = FakeClock()
        with Simulator(PARAMETERS, clock=clock, seed=1) as simulator:
            job = play(simulator, clock, tmp_path, branch="v1", parameters="Build.API_TOKEN=zzz")
        assert "Runtime settings: branch=v1, Build.API_TOKEN=***" in job.log
        assert "zzz" not in job.log
