"""The parsers of the API's JSON: what is documented, what is odd, and anything at all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.api import Pipeline, Run, RunResponse, RunStatus, State, Step, models

ID = "61017a3d5c7d1b0012f4ac1e"
STEP = "61017a3d5c7d1b0012f4ac2f"


class TestStates:
    """Status values, as the API and its records spell them."""

    @pytest.mark.parametrize(
        ("words", "state"),
        [
            ("success successful passed", State.SUCCESS),
            ("failed failure rejected", State.FAILED),
            ("stopped aborted halted", State.STOPPED),
            ("paused", State.PAUSED),
            ("running pending created queued processing_event processing-event", State.RUNNING),
            (
                "unknown succes success! done complete true 200 finished_ok notsuccess",
                State.UNKNOWN,
            ),
        ],
    )
    def test_words(self, words: str, state: State):
        """Each known value has its state in any case, with spaces around; others are unknown."""
        for word in words.split():
            for spelled in (word, word.upper(), word.title(), f" {word}\n"):
                assert models.state_of(spelled) is state

    @given(st.text())
    def test_only_three_values_are_success(self, word: str):
        """Any other value is never success."""
        if models.state_of(word) is State.SUCCESS:
            assert re.sub(r"[\s_-]", "", word).lower() in {"success", "successful", "passed"}

    def test_final_and_alive(self):
        """Each known state is either final or alive, unknown is neither."""
        assert [s for s in State if s.final] == [State.SUCCESS, State.FAILED, State.STOPPED]
        assert [s for s in State if s.active] == [State.PAUSED, State.RUNNING]


class TestAnswers:
    """Responses: bare, wrapped, in a list, and in other shapes."""

    @pytest.mark.parametrize(
        "wrap",
        [lambda v: v, lambda v: {"data": v}, lambda v: [v], lambda v: {"data": [v], "count": 1}],
    )
    def test_wrappings_of_an_object(self, wrap):
        """An object is found bare, in `data`, and as the only one of a list."""
        assert models.parse_object(wrap({"a": 1})) == {"a": 1}
        assert models.parse_status(wrap({"status": "running"})) == RunStatus(
            State.RUNNING, "running"
        )

    def test_what_is_no_object(self):
        """Other shapes are no object."""
        for value in (None, 1, "x", [], [{}, {}], {"data": [{}, {}]}):
            assert models.parse_object(value) is None

    def test_lists(self):
        """A list is found bare or in `data`, without what is no object in it."""
        assert models.parse_list([{"a": 1}, None, 2]) == [{"a": 1}]
        assert models.parse_list({"data": [{"a": 1}], "count": 1}) == [{"a": 1}]
        assert [models.parse_list(value) for value in ({}, "x", None, {"data": {}})] == [None] * 4

    def test_status(self):
        """The status comes from the run's own object, and from the wrapper only if it is alone."""
        both = {"status": "success", "data": {"status": "failed"}}
        for answer, status in (
            ({"status": "Success", "message": "ok"}, RunStatus(State.SUCCESS, "Success", "ok")),
            ({"status": "odd"}, RunStatus(State.UNKNOWN, "odd")),
            ("paused", RunStatus(State.PAUSED, "paused")),
            (both, RunStatus(State.FAILED, "failed")),
            ({"status": "success", "data": {}}, RunStatus(State.SUCCESS, "success")),
            ({"status": ""}, None), ({"status": 200}, None), ("", None), ([], None),
            ({"status": None, "message": "x"}, None),
        ):  # fmt: skip
            assert models.parse_status(answer) == status

    def test_run(self):
        """The response to run has the run number, and whether it was refused."""
        seven, paused = {"status": "executed", "runCount": 7}, "in a paused state"
        for answer, parsed, refused in (
            ({**seven, "message": "m"}, RunResponse("executed", "m", 7), False),
            ({**seven, "runCount": "7"}, RunResponse("executed", "", 7), False),
            ({"runCount": 7.0}, RunResponse("", "", 7), False),
            ({"data": seven}, RunResponse("executed", "", 7), False),
            ({"status": "queued"}, RunResponse("queued", "", None), False),
            ({"status": "failed", "message": paused}, RunResponse("failed", paused, None), True),
            ({"status": "Failure"}, RunResponse("Failure", "", None), True),
        ):
            assert models.parse_run_response(answer) == parsed
            assert parsed.refused is refused

    def test_malformed_run(self):
        """A response with neither status nor run number is invalid."""
        for answer in ({}, None, [], "executed", {"message": "x"}, {"runCount": {}}):
            assert models.parse_run_response(answer) is None

    def test_what_is_no_count(self):
        """Booleans, fractions, and negative or absurd numbers are not run numbers."""
        for value in (True, None, "", "1.5", 1.5, -1, "-1", [1], float("inf"), float("nan"),
                      10**30, "9" * 5000, "٣", "²", 2**53 + 1):  # fmt: skip
            response = models.parse_run_response({"status": "executed", "runCount": value})
            assert response.run_count is None, value


def pipeline_with(last_step: Any, **workflow: Any) -> Pipeline:
    return models.parse_pipeline(
        {"_id": ID, "name": "p", "workflow": {"last_step": last_step, **workflow}}
    )


class TestPipeline:
    """The pipeline object, and the portal's rule for its state."""

    def test_state(self):
        """Paused takes precedence over running, running over failed, failed over success."""
        one, stopped = {"step_id": STEP}, {"status": "stopped"}
        for last_step, state in (
            ({**stopped, "running": {**one, **stopped, "paused": True}}, State.PAUSED),
            ({"running": {"paused": False}, "status": "running"}, State.RUNNING),
            ({"status": "Running", "failed": one}, State.RUNNING),
            ({**stopped, "failed": one, "success": one}, State.FAILED),
            ({**stopped, "success": one}, State.SUCCESS),
            ({**stopped, "failed": {"step_id": None}}, State.STOPPED),
            ({**stopped, "failed": True}, State.STOPPED),
            (stopped, State.STOPPED), (None, State.STOPPED), ("running", State.STOPPED),
        ):  # fmt: skip
            assert pipeline_with(last_step).state is state, last_step

    def test_all_of_it(self):
        """Each field that is read is where the API has it."""
        plan = [
            {"_id": STEP, "name": "Unit tests", "tool": {"tool_identifier": "jenkins"}},
            {"_id": "other", "active": False}, "odd", None,
        ]  # fmt: skip
        found = pipeline_with(
            {"step_id": "x", "running": {"step_id": STEP}, "failed": "other"},
            plan=plan,
            run_count="12",
            last_run={"run_count": 11, "status": "failed"},
        )
        steps = (Step(STEP, "Unit tests", "jenkins"), Step("other", "other", "", active=False))
        assert found == Pipeline(ID, "p", 12, State.FAILED, steps, STEP, "other", 11, "failed")
        assert found.current_step == steps[0]
        assert found.step("other") == steps[1]
        assert found.step("nobody") is None
        assert pipeline_with({}).current_step is None

    def test_without_id_it_is_none(self):
        """An object without an ID is no pipeline."""
        for answer in (None, {}, [], {"_id": 5}, {"name": "x"}, {"data": []}):
            assert models.parse_pipeline(answer) is None


def test_a_whole_record():
    """Each field of a record is where the portal reads it."""
    found = models.parse_record({
        "_id": ID, "createdAt": "2021-07-30T16:13:52.109Z", "step_id": STEP, "step_name": "Build",
        "step_index": "0", "action": " Console Output", "status": "running", "message": "m",
        "tool_identifier": "jenkins", "user_id": "u", "api_response": "text",
    })  # fmt: skip
    assert found == models.LogRecord(
        ID, 1627661632.109, STEP, "Build", 0, " Console Output", "running", "m", "jenkins", "u",
        "text", user="u",
    )  # fmt: skip
    assert found.is_console
    assert not models.parse_record({"action": "run"}).is_console


@pytest.mark.parametrize(
    ("item", "user"),
    [({"user_id": "u"}, "u"), ({"user_id": "u", "user_name": "Ada L"}, "Ada L"), ({}, ""),
     ({"user_id": "u", "user": {"firstName": "Ada", "lastName": "L"}}, "Ada L"),
     ({"user_id": "u", "user": {"name": "Ada"}}, "Ada"), ({"user_email": "a@b.c"}, "a@b.c")],
)  # fmt: skip
def test_the_user_of_a_record(item: Any, user: str):
    """It is the name if the record carries one, else the ID."""
    assert models.parse_record(item).user == user


@pytest.mark.parametrize("key", ["branch", "gitBranch", "git_branch"])
def test_the_branch_of_a_record(key: str):
    """It is in the configuration of the step, or in the record itself."""
    configuration = {"tool": {"configuration": {key: "main"}}}
    assert models.parse_record({"step_configuration": configuration}).branch == "main"
    assert models.parse_record({key: "main"}).branch == "main"
    assert models.parse_record({"step_configuration": {"tool": {"configuration": {}}}}).branch == ""


@pytest.mark.parametrize(("value", "found"), [(True, True), (False, False), ("x", None), (1, None)])
def test_whether_runtime_settings_are_on(value: Any, found: bool | None):
    """Without a boolean in the pipeline, it is unknown."""
    source = {"dynamicSettings": value, "branch": "main"}
    pipeline = pipeline_with({}, source=source)
    assert (pipeline.runtime_settings, pipeline.branch) == (found, "main")
    assert pipeline_with({}).runtime_settings is None


def test_the_parameters_of_a_step():
    """Names with their defaults; a value that is no string is shown as JSON."""
    listed = [
        {"name": "VERSION", "value": "1.10"}, {"name": "debug", "value": True}, {"name": "x"},
        {"name": "n", "value": 5}, {"value": "without a name"}, "odd", {"name": 5},
    ]  # fmt: skip
    step = {"_id": STEP, "tool": {"configuration": {"stepParameters": listed}}}
    (found,) = pipeline_with({}, plan=[step]).plan
    assert found.parameters == (("VERSION", "1.10"), ("debug", "true"), ("x", ""), ("n", "5"))
    assert found.parameters[0].name == "VERSION"


def test_settings_in_the_shape_of_the_portal():
    """What is not set is not sent."""
    assert models.make_settings() == {}
    assert models.make_settings("main") == {"branch": "main"}
    assert models.make_settings(parameters=[("A", "b", "c")]) == {
        "steps": [{"name": "A", "stepParameters": [{"name": "b", "value": "c"}]}]
    }


WORDS = """
    source branch dynamicSettings stepParameters value configuration user errors metadata
    data status message runCount _id name workflow run_count plan last_run last_step step_id running
    paused failed success completed active tool tool_identifier createdAt step_index action log id
    api_response jenkinsConsoleLog consoleLog buildLog apiResponse step_configuration topic
"""
KEYS = st.sampled_from(WORDS.split())
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["success", "running", ID, "opsera.pipeline.octopus.console.log", "9" * 5000])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)


@given(JSON)
def test_no_json_raises(value: Any):
    """For any JSON, each parser returns a value of its type."""
    status, answer = models.parse_status(value), models.parse_run_response(value)
    assert status is None or (isinstance(status, RunStatus) and status.value)
    assert answer is None or isinstance(answer.refused, bool)
    items = [*(models.parse_list(value) or []), models.parse_object(value) or {}]
    for item in items:
        record = models.parse_record(item)
        assert isinstance(record.text, str)
        assert isinstance(record.is_console, bool)
        pipeline = models.parse_pipeline({"_id": ID, "workflow": item})
        assert isinstance(models.parse_message(item), str)
        assert isinstance(pipeline.state, State)
        assert pipeline.run_count >= 0
        hash((record, pipeline, status, answer, Run(pipeline.id, pipeline.run_count)))
    assert models.parse_time(value) is None or isinstance(value, str)
