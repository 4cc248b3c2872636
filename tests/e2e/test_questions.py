"""Every question of the command line over real HTTP: formats, sentences, what users get wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

from opsera_step.errors import ExitCode
from opsera_step.simulator import Fault
from tests.oracles import github_runner, terminal
from tests.support import ROOT, long_after
from tests.support.jobs import Files, Process
from tests.support.relay import Relay
from tests.support.shell import (
    LOCKED_TOOL,
    TASK,
    TOOL,
    ask,
    command,
    entry,
    environment,
    fast,
    opsera,
    process,
    run_to_its_end,
    to_a_full_disk,
)
from tests.support.standin import Opsera, step_id

PIPELINE = "65a4f00dc0ffee0123456789"
QUESTIONS = {
    ("pipelines",): ("GET", "pipeline/pipelines", {}),
    ("summary",): ("POST", "pipeline/summary", {"json": {"pipelineId": PIPELINE}}),
    ("tool", "list"): ("GET", "registry/tools", {}),
    ("tool", "show", TOOL): ("POST", "registry/summary", {"json": {"toolId": TOOL}}),
    ("tool", "show", "Shop Jenkins"): ("POST", "registry/summary", {"json": {"toolId": TOOL}}),
    ("task", "list"): ("GET", "tasks", {}),
    ("task", "show", TASK): ("POST", "tasks/summary", {"json": {"taskId": TASK}}),
    ("task", "status", TASK): ("POST", "tasks/status", {"json": {"taskId": TASK}}),
    ("task", "logs", TASK): ("GET", "logs/task", {"params": {"taskId": TASK}}),
    ("audit", "actions"): ("GET", "logs/user/actions", {}),
    ("audit", "tokens", "--date", "2026-01-01"):
        ("GET", "logs/user/tokens", {"params": {"date": "2026-01-01"}}),
    ("logs", "--run-count", "42"):
        ("POST", "pipeline/logs",
         {"json": {"pipelineId": PIPELINE, "runCount": 42, "type": "console output"}}),
}  # fmt: skip
"""Each query, and the equivalent API request."""
DEEDS = {
    ("run", "--no-wait"): "pipeline/run", ("status",): "pipeline/status",
    ("run", "--no-wait", "--reset", "always"): "pipeline/reset", ("reset",): "pipeline/reset",
    ("stop",): "pipeline/stop",
}  # fmt: skip
"""Each command of a job, and the call whose response its result contains."""
SHAPES = [
    {},
    dict.fromkeys(("list_format", "counted_list_format", "object_format", "action_format"), "data"),
    {"list_format": "counted"},
]
"""How the API may wrap its responses."""


@pytest.fixture(scope="module")
def simulator():
    """Serve one world for all that only ask; one run is over."""
    with fast() as running:
        run_to_its_end(running)
        yield running


@pytest.mark.parametrize("words", QUESTIONS)
def test_json_is_what_the_api_gave(simulator, words):
    """Nothing that the server sends is lost: --format json has it all, in its order."""
    method, path, sent = QUESTIONS[words]
    given = ask(simulator, method, path, **sent)
    if isinstance(given, str):
        given = {"taskId": TASK, "status": given, "answer": given}
    done = opsera(simulator, *words, "--format", "json")
    assert (done.code, done.json) == (0, given)
    assert "[opsera]" not in done.out


@pytest.mark.parametrize("words", QUESTIONS)
def test_yaml_is_the_same(simulator, words):
    """--format yaml holds what --format json holds."""
    asked = opsera(simulator, *words, "--format", "json")
    assert opsera(simulator, *words, "--format", "yaml").yaml == asked.json


def objects(done):
    """Return the objects of a list, however the response wraps it."""
    return done.json["data"] if isinstance(done.json, dict) else done.json


@pytest.mark.parametrize("words", QUESTIONS)
def test_the_table_is_data_alone(simulator, words):
    """Stdout contains the complete table; messages are printed to stderr."""
    done = opsera(simulator, *words, "--format", "table")
    assert (done.code, "[opsera]" in done.out, "…" in done.out) == (0, False, False)
    assert terminal.effects(done.out) == []
    assert done.err.startswith("[opsera] ")
    if words[-1] == "list":
        data = objects(opsera(simulator, *words, "--format", "json"))
        assert [one["_id"] for one in data if one["_id"] not in done.out] == []


@pytest.mark.parametrize(
    ("words", "form"),
    [(("status",), "table"), (("status",), "json"), (("status",), "yaml"), (("stop",), "json"),
     (("reset",), "yaml"), (("watch",), "json")],
)  # fmt: skip
def test_results_of_the_job_commands(simulator, words, form):
    """The commands of a job print their result alone on stdout, in any format."""
    done = opsera(simulator, *words, "--format", form)
    read = {"json": json.loads, "yaml": yaml.safe_load}.get(form, _properties)
    assert (done.code, str(read(done.out)["exitCode"])) == (0, "0")
    assert done.err.startswith("[opsera] ")


@pytest.mark.parametrize("flags", SHAPES, ids=["as documented", "in data", "counted"])
@pytest.mark.parametrize("words", [*QUESTIONS, *DEEDS])
def test_unknown_fields_are_in_json(words, flags):
    """Fields that no program ever heard of are there, in objects, in lists and around them."""
    with fast("slow", flags=flags) as behind, Relay(behind, _more) as relay:
        if words == ("stop",):
            ask(behind, "POST", "pipeline/run", json={"pipelineId": behind.pipeline_id})
        expected = opsera(behind, *words, "--format", "json", "--base-url", relay.url)
    path = DEEDS[words] if words in DEEDS else QUESTIONS[words][1]
    assert (expected.code, relay.answers[path]) in ((0, part) for part in _parts(expected.json))


def _more(data):
    """Add keys to a response: to each object in it, and around it."""
    if isinstance(data, list):
        return [*map(_more, data), "no object"]
    return {**data, "neverHeardOf": {"by": ["anybody", 1.5]}} if isinstance(data, dict) else data


def _parts(data):
    yield data
    if isinstance(data, (dict, list)):
        for inner in data.values() if isinstance(data, dict) else data:
            yield from _parts(inner)


def _without_step_id(data, record_id):
    if not isinstance(data, list):
        return data
    return [{**one, "step_id": None} if one["_id"] == record_id else one for one in data]


def _properties(table: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in table.splitlines())


class TestLogs:
    """The command `logs`."""

    def test_the_text_is_alone_on_stdout(self, simulator):
        """Only lines of the log are on stdout, so that a redirect has just these."""
        done = opsera(simulator, "logs")
        assert done.code == 0
        assert "npm run build" in done.out
        assert "[opsera]" not in done.out

    @pytest.mark.parametrize("step", ["Build", "build"])
    def test_one_step(self, simulator, step):
        """--step takes a name in any case, and shows that step alone."""
        whole, part = opsera(simulator, "logs"), opsera(simulator, "logs", "--step", step)
        assert part.code == 0
        assert "npm run build" in part.out
        assert 0 < len(part.out) < len(whole.out)

    def test_a_step_by_its_id(self, simulator):
        """By its ID a step has the records too that have no ID, but its name."""
        asked = ("logs", "--type", "any", "--format", "json")
        whole = opsera(simulator, *asked).json
        build = next(one for one in whole if one["step_name"] == "Build")
        mine = [one for one in whole if one["step_name"] == "Build"]
        with Relay(simulator, lambda data: _without_step_id(data, mine[0]["_id"])) as relay:
            words = ("--step", build["step_id"].upper(), "--base-url", relay.url)
            part = opsera(simulator, *asked, *words).json
        assert [one["_id"] for one in part] == [one["_id"] for one in mine]

    def test_an_unknown_step(self, simulator):
        """A step that is not there ends with 2, the likely one and the list of all."""
        done = opsera(simulator, "logs", "--step", "Buld")
        assert done.code == ExitCode.INVALID_INPUT
        assert "Did you mean “Build”?" in done.err
        assert "“Deploy”" in done.err

    @pytest.mark.parametrize("follow", [(), ("--follow",)])
    def test_a_step_that_is_there_twice(self, tmp_path, follow):
        """A name of two steps ends with 2 and their IDs; an ID is clear."""
        with Opsera(steps=("Build", "Deploy", "Build")) as server:
            words = ("logs", "--step", "build", *follow)
            job = Process(server, Files(tmp_path), arguments=words).wait()
            named = Process(server, Files(tmp_path), arguments=("logs", "--step", step_id(2)))
            code = named.wait().code
        assert (job.code, code) == (ExitCode.INVALID_INPUT, 0)
        assert f"2 steps are named “build”. Use an ID: {step_id(0)}, {step_id(2)}." in job.errors

    def test_types(self, simulator):
        """--type any includes the activity, another type only the records of that action."""
        count = {
            kind: len(opsera(simulator, "logs", "--type", kind, "--format", "json").json)
            for kind in ("console output", "any", "status")
        }
        assert 0 < count["status"] < count["console output"] < count["any"]

    def test_a_run_without_a_log(self, simulator):
        """An empty result prints a message."""
        done = opsera(simulator, "logs", "--run-count", "7")
        assert (done.code, done.out) == (0, "")
        assert "The log of run 7 has no records." in done.err

    def test_a_type_of_which_there_is_nothing(self, simulator):
        """A type without records is part of the message: it may be misspelled."""
        done = opsera(simulator, "logs", "--type", "consol")
        assert (done.code, done.out) == (0, "")
        assert "has no records of type “consol”" in done.err

    def test_more_than_the_api_gives(self):
        """If a log has more than 1000 records, a warning reports that the oldest are missing."""
        with fast("flood") as flood:
            run_to_its_end(flood)
            for form in ("text", "json"):
                done = opsera(flood, "logs", "--format", form)
                assert done.code == 0
                assert "only the latest 1,000" in done.err

    def test_following(self):
        """--follow prints until the run ends, and stops nothing."""
        with fast(speed=10.0) as running:
            opsera(running, "run", "--no-wait")
            done = opsera(running, "logs", "--follow", "--step", "Deploy", "--poll-interval", "0.1")
            assert done.code == 0
            assert "successfully rolled out" in done.out
            assert "npm run build" not in done.out
            assert not [one for one in running.requests if one.call == "stop"]

    def test_following_in_another_format(self, simulator):
        """What comes bit by bit is text only."""
        done = opsera(simulator, "logs", "--follow", "--format", "json")
        assert done.code == ExitCode.INVALID_INPUT
        assert "--follow prints text" in done.err


@pytest.fixture(scope="module")
def crowded():
    with fast("crowded") as running:
        yield running


class TestLimits:
    """The API's limit of 1000 records."""

    @pytest.mark.parametrize(
        "words", long_after(2, [["audit", "tokens"], ["tool", "list"], ["pipelines"],
                                ["task", "list"], ["audit", "actions"]]),
    )  # fmt: skip
    def test_a_full_list_has_a_warning(self, crowded, words):
        """A list of 1000 is never passed over as if it were all."""
        done = opsera(crowded, *words, "--format", "json")
        assert (done.code, len(objects(done))) == (0, 1000)
        assert "The API returns at most 1,000; there may be more." in done.err

    def test_a_short_list_does_not(self, simulator):
        """A list below the limit prints no warning."""
        assert "at most" not in opsera(simulator, "tool", "list").err

    @pytest.mark.parametrize(
        "words", long_after(1, [["summary"], ["tool", "show"], ["task", "show"]])
    )
    def test_a_name_that_may_be_there_twice(self, crowded, words):
        """A name found in a truncated list may not be unique, which is a warning."""
        listing = {"summary": ("pipelines",)}.get(words[0], (words[0], "list"))
        first = objects(opsera(crowded, *listing, "--format", "json"))[0]
        done = opsera(crowded, *words, first["name"])
        assert (done.code, first["_id"] in done.out) == (0, True)
        assert "lists at most 1000" in done.err and "may exist" in done.err

    def test_a_name_beyond_the_list(self, crowded):
        """A name that is not among the first 1000 may still exist, which is reported."""
        done = opsera(crowded, "tool", "show", "No such tool at all")
        assert done.code == ExitCode.INVALID_INPUT
        assert "among the first 1000" in done.err
        assert "Use the ID instead" in done.err


class TestTaskLogs:
    """The log of a task, page by page."""

    @pytest.mark.parametrize(
        ("first", "order", "answers"),
        long_after(1, [("one", "latest_first", "counted"), ("zero", "oldest_first", "bare"),
                       ("zero", "latest_first", "data"), ("one", "oldest_first", "counted")]),
    )  # fmt: skip
    def test_every_record_once(self, first, order, answers):
        """However the API counts its pages, every record is there, and none twice."""
        flags = {"first_page": first, "task_log_order": order, "counted_list_format": answers}
        lines = [f"line {number}" for number in range(2345)]
        log = [{"at": 1, "every": 1, "lines": lines}]
        task = {"name": "Long", "runs": [{"at": -9000, "duration": 5000, "log": log}]}
        with fast({"tasks": [task], **_SMALL}, flags=flags) as long:
            done = opsera(long, "task", "logs", "Long", "--count", "0")
            assert done.out.splitlines() == lines
            some = opsera(long, "task", "logs", "Long", "--count", "1500", "--format", "json")
            assert len({one["_id"] for one in objects(some)}) == 1500
            assert "there may be more" in some.err

    @pytest.mark.parametrize("text", ["json", "text"])
    def test_a_status_in_either_form(self, text):
        """The status of a task is read as a JSON string and as bare text."""
        with fast(flags={"task_status": text}) as running:
            assert opsera(running, "task", "status", TASK).out == "success\n"


class TestUpdate:
    """The command `tool update`."""

    def update(self, *words, file=None):
        with fast() as running:
            extra = ("--file", str(file)) if file else ()
            done = opsera(running, "tool", "update", TOOL, *words, *extra)
            return done, [one for one in running.requests if one.call == "tool_update"]

    def test_what_is_named_is_sent(self):
        """Only changed properties are sent; the output is the tool after the update."""
        done, sent = self.update("--set", "description=new", "--set", "name=Shop Jenkins", "--yes",
                                 "--format", "json")  # fmt: skip
        assert (done.code, done.json["description"]) == (0, "new")
        assert [one.body for one in sent] == [{"toolId": TOOL, "tool": {"description": "new"}}]
        assert 'description: "Builds and tests the shop." → "new"' in done.err

    @pytest.mark.parametrize("body", ['{"status": "success"}', "null", "[]", "{}", '{"_id": "1"}'])
    def test_a_response_without_the_tool(self, body):
        """The update is not sent again: the tool is read back to check the result."""
        for effect in (True, False):
            with fast() as running:
                running.add_fault(
                    Fault(kind="http", call="tool_update", status=200, body=body, effect=effect)
                )
                done = opsera(running, "tool", "update", TOOL, "--set", "name=new", "--yes")
                asked = [one.call for one in running.requests if one.call.startswith("tool")]
            assert (done.code, asked) == (0, ["tool_summary", "tool_update", "tool_summary"])
            assert ("did not return the value" in done.err) is not effect

    def test_a_refusal_that_looks_well(self):
        """A refusal with HTTP 200 is reported with the API's message, and not sent again."""
        with fast() as running:
            said = '{"status": "failed", "message": "The tool is locked"}'
            running.add_fault(Fault(kind="http", call="tool_update", status=200, body=said))
            done = opsera(running, "tool", "update", TOOL, "--set", "name=new", "--yes")
            sent = [one for one in running.requests if one.call == "tool_update"]
        assert (done.code, len(sent)) == (ExitCode.API, 1)
        assert "Opsera did not update the tool: The tool is locked." in done.err

    def test_nothing_to_change(self):
        """Unchanged values are not sent, and a message reports this."""
        done, sent = self.update("--set", "active=true", "--yes")
        assert (done.code, sent) == (0, [])
        assert "Nothing to change" in done.err

    def test_without_a_terminal_to_confirm(self):
        """Without a terminal nothing is sent unless --yes was given."""
        done, sent = self.update("--set", "active=false")
        assert (done.code, sent, done.out) == (ExitCode.INVALID_INPUT, [], "")
        assert "--yes" in done.err
        assert "active: true → false" in done.err

    def test_what_opsera_keeps_itself(self):
        """_id, createdAt and updatedAt are left out with a warning, as of a tool that was saved."""
        done, sent = self.update(
            "--set", "_id=1", "--set", "updatedAt=x", "--set", "tags=[]", "--yes"
        )
        assert [one.body["tool"] for one in sent] == [{"tags": []}]
        assert "Not sent because Opsera manages them: _id, updatedAt." in done.err

    @pytest.mark.parametrize("name", ["tool.yml", "tool.json"])
    def test_a_file(self, tmp_path, name):
        """A file's properties are used unchanged; --set takes precedence."""
        file = tmp_path / name
        text = {"description": "from file", "tags": ["a"], "name": "Shop Jenkins"}
        file.write_text(json.dumps(text) if name.endswith("json") else yaml.safe_dump(text))
        _, sent = self.update("--set", 'tags=["b"]', "--yes", file=file)
        assert [one.body["tool"] for one in sent] == [{"description": "from file", "tags": ["b"]}]

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            (["--set", "description"], "expected KEY=VALUE"),
            (["--set", "x" * 100], f"got '{'x' * 79}…'."),
            (["--set", "a=1", "--set", "a=2"], "a is given twice"),
            (["--file", "/nonexistent/tool.yml"], "No such file"),
            ([], "Nothing to change"),
            (["--set", "configuration.jenkinsUrl=x", "--yes"], "and add --merge"),
        ],
    )
    def test_what_users_get_wrong(self, words, expected):
        """Each invalid argument ends with 2 and a message, and nothing is sent."""
        done, sent = self.update(*words)
        assert (done.code, sent) == (ExitCode.INVALID_INPUT, [])
        assert expected in done.err
        assert "Traceback" not in done.err

    @pytest.mark.parametrize("text", ["- a\n", "just text", "a: [1", "", "\t"])
    def test_a_file_that_is_none(self, tmp_path, text):
        """A file that is not a mapping of properties is reported as such."""
        file = tmp_path / "tool.yml"
        file.write_text(text)
        done, sent = self.update("--yes", file=file)
        assert (done.code, sent) == (ExitCode.INVALID_INPUT, [])
        assert "--file" in done.err

    def test_a_value_that_the_api_refuses(self):
        """A wrong type prints a warning, and the API's error ends with exit code 3."""
        done, _ = self.update("--set", "tags=5", "--yes")
        assert done.code == ExitCode.API
        assert "tags: expected a list, got a number." in done.err
        assert "tags of a tool must be an array" in done.err

    def test_an_update_that_was_lost_is_sent_again(self):
        """The same values twice are harmless: after a lost response, the request is repeated."""
        fault = Fault(call="tool_update", kind="close", nth=1, times=1, effect=True)
        with fast(faults=(fault,)) as running:
            done = opsera(running, "tool", "update", TOOL, "--set", "description=x", "--yes")
            assert done.code == 0
            assert len([one for one in running.requests if one.call == "tool_update"]) == 2


class TestNames:
    """Things by their names."""

    def test_a_near_miss(self, simulator):
        """A misspelled name gets a suggestion."""
        done = opsera(simulator, "tool", "show", "shop jenkins")
        assert done.code == ExitCode.INVALID_INPUT
        assert "Did you mean “Shop Jenkins”?" in done.err
        assert "Did you mean “Sync CRM" in opsera(simulator, "task", "show", "Sync CRM repo").err

    def test_an_ambiguous_name(self):
        """A name of several lists their IDs and ends with 2."""
        twins = [{"name": "Twin", "tool": "jenkins"}, {"name": "Twin", "tool": "sonar"}]
        for number, twin in enumerate(twins):
            twin["id"] = f"65a4f00dc0ffee00000009{number:02}"
        with fast({"tools": twins, **_SMALL}) as running:
            done = opsera(running, "tool", "show", "Twin")
            assert done.code == ExitCode.INVALID_INPUT
            assert all(twin["id"] in done.err for twin in twins)

    def test_an_id_that_is_nothing(self, simulator):
        """An ID that belongs to nothing ends with 3, and with what is usually wrong."""
        for words in (("tool", "show"), ("task", "show"), ("task", "status"), ("task", "logs")):
            done = opsera(simulator, *words, "0" * 24)
            assert (done.code, done.out) == (ExitCode.API, "")
            assert "HTTP 404" in done.err
            assert "pipeline" not in done.err

    def test_an_alias_of_the_config_file(self, simulator, tmp_path):
        """A tool and a pipeline can be named by an alias."""
        file = tmp_path / "aliases.yml"
        file.write_text(f"tools: {{ci: {TOOL}}}\npipelines: {{shop: Deploy shop}}\n")
        done = opsera(simulator, "tool", "show", "ci", "--config", str(file), "--format", "json")
        assert done.json["_id"] == TOOL
        done = opsera(simulator, "summary", "shop", "--config", str(file), "--format", "json")
        assert done.json["_id"] == PIPELINE

    def test_a_reader_without_the_role(self, simulator):
        """A lookup by name requires the role Power User; the hint is to use the ID."""
        token = simulator.issue_token("api", user="Dana Ortiz")
        done = opsera(simulator, "tool", "show", "Shop Jenkins", token=token)
        assert done.code == ExitCode.AUTH
        assert "Use its ID instead" in done.err


class TestInputCommand:
    """The same commands as the input `command` of a job."""

    def outputs(self, path):
        text = path.read_text("utf-8")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    @pytest.mark.parametrize("words", ["tool list", "audit actions --count 2", "pipelines",
                                       f"task status {TASK}", "summary"])  # fmt: skip
    @pytest.mark.parametrize("platform", [{"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}, {}])
    def test_the_response_is_the_output_result(self, simulator, tmp_path, words, platform):
        """The response to a query is the output `result` as JSON, and a table in the job log."""
        variable = "GITHUB_OUTPUT" if "GITHUB_ACTIONS" in platform else "OPSERA_OUTPUT_FILE"
        files = {variable: str(tmp_path / "outputs")}
        done = command(simulator, words, **platform, **files)
        assert (done.code, done.err) == (0, "")
        found = self.outputs(tmp_path / "outputs")
        github = "GITHUB_ACTIONS" in platform
        assert found["status" if github else "OPSERA_STATUS"] == "success"
        answer = json.loads(found["result" if github else "OPSERA_RESULT"])
        assert answer or answer == []
        if words == "tool list":
            assert {one["_id"] for one in answer} >= {TOOL}
            assert TOOL in done.out

    @pytest.mark.parametrize(
        ("platform", "tools", "expected"),
        [({"GITLAB_CI": "true"}, 20, "OPSERA_RESULT was left out of the dotenv report"),
         ({"GITHUB_ACTIONS": "true"}, 20, ""),
         ({"GITHUB_ACTIONS": "true"}, 300, "too long for an environment variable"),
         ({"GITHUB_ACTIONS": "true"}, 1000, "for an output of the job (at most 1 MB)")],
    )  # fmt: skip
    def test_a_response_that_is_too_long_for_the_platform(
        self, tmp_path, platform, tools, expected
    ):
        """It is reported once, and the full response is in a file of the report."""
        spec = {"tools": [{"name": f"Tool {n}", "description": "x" * 400} for n in range(tools)]}
        files = {
            "OPSERA_REPORT_DIR": str(tmp_path / "report"),
            "GITHUB_OUTPUT": str(tmp_path / "o"),
        }
        with fast({**spec, **_SMALL}) as running:
            done = command(running, "tool list", OPSERA_OUTPUT_FILE=str(tmp_path / "e"),
                           **platform, **files)  # fmt: skip
            given = ask(running, "GET", "registry/tools")
        assert done.code == 0
        assert done.out.count(expected or "too long") == (1 if expected else 0)
        assert json.loads((tmp_path / "report" / "answer.json").read_text("utf-8")) == given

    def test_a_question_leaves_the_report_of_a_job(self, simulator, tmp_path):
        """The response is a separate file, and an old one does not survive a failure."""
        files = {"answer.json": ["tool list"], "result.json": ["status"]}
        for name, (words,) in files.items():
            command(simulator, words, OPSERA_REPORT_DIR=str(tmp_path))
            assert (tmp_path / name).exists()
        assert sorted(one.name for one in tmp_path.iterdir()) == sorted(files)
        command(simulator, "tool show Nobody", OPSERA_REPORT_DIR=str(tmp_path))
        assert [one.name for one in tmp_path.iterdir()] == ["result.json"]

    @pytest.mark.parametrize(
        "words",
        ["tool", "tool frob", "tool list --frob", "audit actions --date 1st", "tool show",
         "tool --help", "run --token x", "logs --follow --format json", "demo", "simulator",
         "completion bash", "tool 'list", "; tool list", "tool list; pipelines"],
    )  # fmt: skip
    def test_what_is_wrong_ends_with_outputs(self, simulator, tmp_path, words):
        """Invalid commands end with 2, and the outputs are written."""
        file = tmp_path / "outputs"
        done = command(simulator, words, GITHUB_OUTPUT=str(file), GITHUB_ACTIONS="true")
        assert done.code == ExitCode.INVALID_INPUT
        found = self.outputs(file)
        assert (found["status"], bool(found["message"])) == ("error", True)
        assert json.loads(found["result"])["exitCode"] == 2
        assert "::error title=" in done.out

    @pytest.mark.parametrize(
        "words",
        ["status --run-count 42", "logs --step Build", "run --no-wait", f"watch {PIPELINE}",
         "stop --run-count 42"],
    )  # fmt: skip
    def test_commands_of_a_job_with_options(self, tmp_path, words):
        """Options after a job's own command are read, and its outputs are those that it has."""
        file = tmp_path / "outputs"
        with fast() as running:
            run_to_its_end(running)
            done = command(running, words, GITHUB_OUTPUT=str(file), GITHUB_ACTIONS="true")
        assert (done.code, done.err) == (0, "")
        found = self.outputs(file)
        assert found["runCount"] == ("43" if words.startswith("run") else "42")
        assert found["status"] == ("running" if words.startswith("run") else "success")
        assert ("npm run build" in done.out) is words.startswith(("logs", "watch"))

    def test_an_internal_error_has_outputs(self, simulator, tmp_path, monkeypatch):
        """An unexpected exception also writes outputs, and ends with its exit code."""

        def broken(*_, **__):
            raise ZeroDivisionError

        monkeypatch.setattr("opsera_step.cli.invocation.run_job", broken)
        file = tmp_path / "outputs"
        done = command(simulator, "tool list", GITHUB_OUTPUT=str(file), GITHUB_ACTIONS="true")
        assert done.code == ExitCode.INTERNAL
        assert self.outputs(file)["status"] == "error"

    def test_a_response_nested_too_deeply(self, simulator, tmp_path):
        """A response that is nested too deeply to print is an API error."""
        body = '{"_id": "%s", "x": %s1%s}' % (TOOL, "[" * 900, "]" * 900)  # noqa: UP031
        with fast(faults=(Fault(call="tool_summary", status=200, body=body),)) as running:
            file = tmp_path / "outputs"
            done = command(running, f"tool show {TOOL} --format yaml", GITHUB_OUTPUT=str(file),
                           GITHUB_ACTIONS="true")  # fmt: skip
            assert done.code in (ExitCode.SUCCESS, ExitCode.API)
            assert self.outputs(file)["status"] == ("success" if done.code == 0 else "error")
            assert "Traceback" not in done.out

    def test_the_real_process(self, simulator, tmp_path):
        """The container's program accepts commands too, without a pipeline."""
        file = tmp_path / "opsera.env"
        environ = environment(simulator, OPSERA_COMMAND="tool list", OPSERA_OUTPUT_FILE=str(file))
        del environ["OPSERA_PIPELINE"]
        done = process(**environ)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{TOOL}  Shop Jenkins" in done.stdout
        assert self.outputs(file)["OPSERA_STATUS"] == "success"

    def test_a_trusted_config_file_can_set_it(self, simulator, tmp_path):
        """A `command` in a file outside the workspace is read like any other; inside it is not."""
        (tmp_path / "workspace").mkdir()
        (tmp_path / "x.yml").write_text("command: tool list\n")
        for workspace, code in (("workspace", 0), (".", ExitCode.INVALID_INPUT)):
            place = {
                "OPSERA_CONFIG": str(tmp_path / "x.yml"),
                "WORKSPACE": str(tmp_path / workspace),
            }
            done = process(**environment(simulator, **place))
            assert (done.returncode, TOOL in done.stdout) == (code, code == 0)

    def test_a_refusal_by_the_api_has_outputs(self, simulator, tmp_path):
        """A question that the API refuses ends with its code, and with outputs."""
        file = tmp_path / "outputs"
        environ = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(file)}
        token = simulator.issue_token("tasks")
        done = command(simulator, f"tool show {LOCKED_TOOL}", **environ, OPSERA_TOKEN=token)
        assert done.code == ExitCode.AUTH
        assert self.outputs(file)["status"] == "error"

    def test_the_table_can_be_no_workflow_command(self, tmp_path):
        """Names of tools that try to be workflow commands stay text in the job log."""
        evil = [
            "::error::boo",
            "##[error]boo",
            "::add-mask::shop",
            "a\n::warning::b",
            "\x1b[2J\u202e",
        ]
        tools = [{"name": name, "tool": "jenkins", "description": name} for name in evil]
        with fast({"tools": tools, **_SMALL}) as running:
            for form in ("table", "json", "yaml"):
                done = command(running, f"tool list --format {form}", GITHUB_ACTIONS="true")
                assert done.code == 0
                log = done.out.split("\n", 1)[1]  # After the mask of the token.
                assert github_runner.Runner().feed(log.encode()).commands == []
                assert terminal.effects(log) == []
            done = opsera(running, "tool", "list", "--format", "json")
            assert [one["name"] for one in done.json] == evil


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ("tool list --format json", 2, "Can't write the data to stdout: No space left on"),
        ("status --format yaml", 2, "Can't write the data to stdout: No space left on"),
        ("doctor --format json", 2, "Can't write to stdout: No space left on device"),
        ("watch --format json", 0, "succeeded"),
    ],
)
def test_a_full_disk(simulator, tmp_path, words, code, expected):
    """A response that could not be written is a failure; the result of a run is unaffected."""
    environ = {**environment(simulator), "OPSERA_OUTPUT_FILE": str(tmp_path / "opsera.env")}
    done = to_a_full_disk(*words.split(), **environ)
    assert (done.returncode, expected in done.stderr) == (code, True)
    if not words.startswith("doctor"):
        outputs = Files(tmp_path).outputs
        assert json.loads(outputs["OPSERA_RESULT"])["exitCode"] == code
        assert (outputs["OPSERA_STATUS"] == "success") == (code == 0)


def test_a_closed_output(tmp_path):
    """`opsera-step run | head -1` still ends with the result of the run."""
    reader, writer = os.pipe()
    os.close(reader)
    with fast("failure") as simulator:
        done = subprocess.run(
            [sys.executable, "-I", str(ROOT / "entrypoint.py"), "run", "--logs", "none"],
            check=False, env=environment(simulator), cwd=tmp_path,
            stdout=writer, stderr=subprocess.PIPE, encoding="utf-8", timeout=50,
        )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (ExitCode.FAILED, "")


@pytest.mark.parametrize("words", ["pipelines", "tool list", "task list", "audit tokens"])
def test_a_list_that_is_refused(words):
    """If no ID was given, the error does not mention one."""
    with fast(faults=[Fault(call="*", status=400)]) as simulator:
        done = opsera(simulator, *words.split())
    assert done.code == ExitCode.API
    assert "Check base_url" in done.err


@pytest.mark.parametrize("words", ["tool show", "tool update --set a=1", "task show"])
def test_an_empty_name(simulator, words):
    """An empty name from a script is an error, and not searched for."""
    done = opsera(simulator, *words.split(), "")
    assert done.code == ExitCode.INVALID_INPUT
    assert "the name is empty. Use the ID or the exact name." in done.err


def test_the_token_shows_nowhere(simulator):
    """A token in a response is masked, in every format."""
    opsera(simulator, "tool", "update", TOOL, "--set", f"description={simulator.token}", "--yes")
    for form in ("table", "json", "yaml"):
        done = opsera(simulator, "tool", "show", TOOL, "--format", form)
        assert done.code == 0
        assert simulator.token not in done.out + done.err
        assert "***" in done.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell):
    """Each shell gets its script, which asks this program."""
    done = opsera(None, "completion", shell)
    assert (done.code, done.err) == (0, "")
    assert "_OPSERA_STEP_COMPLETE" in done.out


def test_shell_completion():
    """Shell completion offers commands, and the values of an option."""
    asked = {"_OPSERA_STEP_COMPLETE": "bash_complete", "COMP_CWORD": "1", "COMP_WORDS": "x to"}
    assert "tool" in process("ignored", **asked).stdout
    asked |= {"COMP_WORDS": "x run --on-paused w", "COMP_CWORD": "3"}
    assert process("ignored", **asked).stdout.split() == ["plain,wait"]


_SMALL = {"pipelines": [{"name": "P", "plan": [{"name": "S", "duration": 1}]}]}


@pytest.mark.parametrize("shows", [False, True])
def test_secrets_of_a_tool_are_masked_on_github(shows):
    """Other steps of the job may print them; the runner masks them, unless they are asked for."""
    with fast() as simulator:
        secret = "hunter2-hunter2"
        change = {"configuration": {"password": secret, "pin": 1234}}
        ask(simulator, "POST", "registry/update", json={"toolId": TOOL, "tool": change})
        words = f"tool show {TOOL}" + " --show-secrets" * shows
        done = command(simulator, words, GITHUB_ACTIONS="true")
    assert done.code == 0
    assert (done.out.count(f"::add-mask::{secret}\n"), "::add-mask::1234" in done.out) == (
        0 if shows else 1,
        False,
    )
    assert (secret in done.out.replace(f"::add-mask::{secret}\n", "")) is shows


def test_an_update_shows_only_what_changed():
    """The table has the changed properties; JSON is the tool, as it is everywhere."""
    words = ("tool", "update", TOOL, "--yes", "--set")
    with fast() as simulator:
        done = opsera(simulator, *words, "description=new")
        assert (done.code, done.out.split()) == (0, ["description", "new"])
        done = opsera(simulator, *words, "description=newer", "--format", "json")
        assert (done.json["_id"], done.json["description"]) == (TOOL, "newer")


@pytest.mark.parametrize(
    "words",
    [
        "bogus --format json",
        "status --format json --bad",
        "tool show --format=json",
        "audit actions --since zz --format JSON",
        "doctor --format json --bad",
        "run --format json a b",
    ],
)
def test_a_wrong_command_line_is_json_too(tmp_path, words):
    """Where JSON is asked for, stdout has the error; the outputs are written."""
    file = tmp_path / "outputs.env"
    done = entry(words.split(), {"OPSERA_OUTPUT_FILE": str(file), "HOME": "/nonexistent"})
    error = done.json["error"]
    assert (done.code, error["exitCode"]) == (2, 2)
    assert error["message"] and error["message"].rstrip(".") in " ".join(done.err.split())
    assert file.exists() is not words.startswith("doctor")
