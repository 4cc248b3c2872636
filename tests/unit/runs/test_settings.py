"""Runtime settings, checked against the pipeline before a run is started."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opsera_step.api import Pipeline, State, Step, StepParameter
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import InvalidInput
from opsera_step.runs import RunState, RuntimeSettings, StartPolicy, start_run
from opsera_step.runs.settings import check_settings
from tests.support.fake_opsera import US, FakeOpsera, token_of

BUILD = Step("1", "Build", parameters=(StepParameter("VERSION", "1"), StepParameter("DEBUG", "")))
DOTTED = Step("2", "Build.and test", parameters=(StepParameter("LEVEL", "2"),))
SHIP = Step("3", "Ship")
PIPELINE = Pipeline("p", "Shop", 5, State.SUCCESS, (BUILD, DOTTED, SHIP), runtime_settings=True)


def lines(*texts: str) -> RuntimeSettings:
    """Parameters as lines STEP.NAME=VALUE."""
    pairs = (text.partition("=") for text in texts)
    return RuntimeSettings("", tuple((None, name, value) for name, _, value in pairs))


def problems(settings: RuntimeSettings, pipeline: Pipeline = PIPELINE) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        check_settings(pipeline, settings)
    return list(caught.value.problems)


def test_no_settings_are_none():
    """Without a branch and parameters, nothing is sent or printed."""
    off = replace(PIPELINE, runtime_settings=False)
    assert check_settings(off, RuntimeSettings()) == (None, [])


def test_a_branch():
    """The branch is sent as it was given."""
    assert check_settings(PIPELINE, RuntimeSettings("main")) == ({"branch": "main"}, [])


def test_the_step_is_the_longest_name_that_matches():
    """Step names contain dots; values are sent as written."""
    settings, warnings = check_settings(
        PIPELINE, lines("Build.VERSION=1.10", "Build.and test.LEVEL=a=b", "Build.DEBUG=")
    )
    assert settings == {
        "steps": [
            {"name": "Build", "stepParameters": [{"name": "VERSION", "value": "1.10"},
                                                 {"name": "DEBUG", "value": ""}]},
            {"name": "Build.and test", "stepParameters": [{"name": "LEVEL", "value": "a=b"}]},
        ]
    }  # fmt: skip
    assert warnings == []


def test_a_step_that_is_given_apart():
    """A mapping names the step by itself."""
    settings = RuntimeSettings("", (("Build", "VERSION", "2"),))
    assert check_settings(PIPELINE, settings)[0]["steps"][0]["name"] == "Build"


def test_settings_that_are_off():
    """A pipeline that accepts none is invalid input, with a remedy."""
    off = replace(PIPELINE, runtime_settings=False)
    (both,) = problems(RuntimeSettings("main", lines("Build.DEBUG=1").parameters), off)
    assert "turned off for the pipeline “Shop”, so branch and parameters can't be set" in both
    (branch,) = problems(RuntimeSettings("main"), off)
    assert branch.endswith("or remove branch.")


def test_unknown_names_come_with_near_ones_all_at_once():
    """Each problem names what was meant, and what there is."""
    step, name, no_step = problems(lines("Biuld.VERSION=1", "Build.VERSOIN=1", "VERSION=1"))
    assert "unknown step in “Biuld.VERSION”. Did you mean “Build”?" in step
    assert "The steps are “Build”, “Build.and test”, “Ship”." in step
    assert "unknown parameter “VERSOIN” of step “Build”. Did you mean “VERSION”?" in name
    assert "Its parameters are “VERSION”, “DEBUG”." in name
    assert "“VERSION” has no step name. Use STEP.NAME=VALUE." in no_step


def test_two_steps_of_one_name():
    """A name that means more than one step is an error."""
    twice = replace(PIPELINE, plan=(BUILD, BUILD._replace(id="9")))
    assert problems(lines("Build.DEBUG=1"), twice) == [
        "parameters: the pipeline has 2 steps named “Build”."
    ]


def test_missing_settings_of_the_pipeline_are_a_warning():
    """A pipeline that lists nothing takes what it is sent."""
    silent = replace(PIPELINE, runtime_settings=None)
    settings, warnings = check_settings(silent, lines("Ship.REGION=eu"))
    assert settings == {
        "steps": [{"name": "Ship", "stepParameters": [{"name": "REGION", "value": "eu"}]}]
    }
    assert warnings == [
        "Opsera does not say whether the pipeline accepts runtime settings; sending them.",
        "The pipeline lists no parameters to check “Ship.REGION” against.",
    ]
    bare = replace(PIPELINE, plan=())
    assert check_settings(bare, lines("Some step.NAME=1"))[0]["steps"][0]["name"] == "Some step"


def test_they_are_sent_with_each_request():
    """Also a request that is sent again carries them."""
    api = FakeOpsera(FakeClock(), script=["429"])
    pipeline = replace(PIPELINE, id=api.summary("p", Deadline(api.clock, None)).id)
    events = start_run(
        api, pipeline, StartPolicy(settings=RuntimeSettings("main")), token=token_of(US),
        clock=api.clock, deadline=Deadline(api.clock, None), jitter=lambda: 0.5, state=RunState(),
    )  # fmt: skip
    assert list(events)
    assert api.settings == [{"branch": "main"}] * 2
