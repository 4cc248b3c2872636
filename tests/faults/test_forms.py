"""The same world, with an API of other forms, gives the same log and the same result."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opsera_step.clock import FakeClock
from opsera_step.simulator import Simulator
from tests.faults.schedule import FORMS
from tests.support.jobs import play

FLAGS = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in FORMS.items()}
)
LINES = [f"line {number}\n" for number in range(8)]
WRITING: dict[str, dict[str, Any]] = {
    "a record for each line": {"pieces": LINES},
    "one record": {"text": "".join(LINES)},
    "a record that grows within a line": {
        "pieces": [*LINES[:3], *LINES[3].partition(" "), *LINES[4:]], "growing": True
    },
    "late records": {"pieces": LINES, "late": 0.4},
    "records without an ID": {"pieces": LINES, "id": False},
}  # fmt: skip
"""Ways in which the same lines can be written; each record has a time of its own."""


def job(
    directory: Any, flags: dict[str, Any], ways: tuple[str, ...], result: str, platform: str
) -> dict[str, Any]:
    """Run a job, and return what must not depend on the forms."""
    plan: list[dict[str, Any]] = [
        {"name": f"Step {number}", "duration": 20.0, "log": [{"every": 0.5, **WRITING[way]}]}
        for number, way in enumerate(ways)
    ]
    plan[-1]["result"] = result
    clock = FakeClock()
    with Simulator(
        {"pipelines": [{"name": "Shop", "plan": plan}]}, clock=clock, flags=flags
    ) as one:
        done = play(one, clock, directory, platform, on_busy="queue")
    names = ("STATUS", "RUN_COUNT", "FAILED_STEP", "LOG_LINES", "LOG_COMPLETE")
    lines = re.findall(r"^line \d.*$", done.log, re.MULTILINE)
    return {
        "code": done.code,
        "lines": lines[: len(LINES) * len(ways)],  # The excerpt of a failed step repeats the last.
        **{name: done.outputs[f"OPSERA_{name}"] for name in names},
    }


@pytest.mark.parametrize("most", [20, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.timeout(300)
def test_the_forms_of_the_api_change_nothing(tmp_path, most):
    """Wrapped responses, missing IDs, and growing or split records: the same lines and result."""

    @settings(max_examples=most, derandomize=most < 100, deadline=None)
    @given(
        flags=FLAGS,
        ways=st.lists(st.sampled_from(sorted(WRITING)), min_size=1, max_size=3).map(tuple),
        result=st.sampled_from(["success", "failed"]),
        platform=st.sampled_from(["plain", "github", "gitlab"]),
    )
    @example({"record_ids": "missing", "run_response": "without_count"}, ("late records",),
             "success", "plain")  # fmt: skip
    def check(flags, ways, result, platform):
        usual = job(tmp_path, {}, ("a record for each line",) * len(ways), result, platform)
        assert job(tmp_path, flags, ways, result, platform) == usual
        assert (len(usual["lines"]), usual["LOG_COMPLETE"]) == (len(LINES) * len(ways), "true")

    check()
