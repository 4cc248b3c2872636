"""The calls for tools, tasks, and audit logs, with each shape in which the API may respond."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opsera_step.api import OpseraClient, models
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import Malformed
from opsera_step.simulator import Fault, Simulator

TOOL, TASK = "65a4f00dc0ffee0000000101", "65a4f00dc0ffee0000000201"
SHAPES = [
    {},
    {"list_format": "data", "counted_list_format": "bare", "object_format": "data",
     "json_encoding": "utf8", "task_status": "text"},
    {"list_format": "counted", "counted_list_format": "data", "count_field": "total"},
]  # fmt: skip


@pytest.fixture(params=SHAPES, ids=["as documented", "the other way", "all counted"])
def talk(request) -> Iterator[tuple[OpseraClient, Simulator, Deadline]]:
    clock = FakeClock()
    with Simulator(clock=clock, flags=request.param) as simulator:
        client = OpseraClient(simulator.url, simulator.token, clock)
        yield client, simulator, Deadline.after(clock, 60.0)


def test_every_call_in_every_shape(talk):
    """Each call is read in each shape; the JSON that came is kept with what was read of it."""
    client, simulator, soon = talk
    tool, task = client.account.tool(TOOL, soon), client.account.task(TASK, soon)
    assert (tool.id, tool.name) == (TOOL, "Shop Jenkins")
    assert (task.id, task.name) == (TASK, "Sync CRM repository")
    assert tool.data["configuration"]["jUserId"] == "opsera"
    assert task.data["configuration"]["buildType"] == "ant"
    assert client.account.task_status(TASK, soon).value == "success"
    tools, tasks = client.account.tools(soon), client.account.tasks(soon)
    assert tool in tools.items and task in tasks.items
    assert tools.items[0].data in models.unwrap(tools.response)
    assert len(tasks.items) == 4 and not tasks.is_truncated
    assert [one.data["_id"] for one in client.pipelines(soon).items] == [simulator.pipeline_id]


def test_an_update_sends_its_changes_alone(talk):
    """The body has the ID and the changes, and the response is the updated tool."""
    client, simulator, soon = talk
    assert client.account.update_tool(TOOL, {"tags": ["x"]}, soon).data["tags"] == ["x"]
    assert simulator.requests[-1].body == {"toolId": TOOL, "tool": {"tags": ["x"]}}


def test_a_response_of_another_shape():
    """An implausible response is an API error for every call; lists may be empty."""
    clock = FakeClock()
    with Simulator(clock=clock) as simulator:
        account = OpseraClient(simulator.url, simulator.token, clock).account
        soon = Deadline.after(clock, 60.0)
        for body in ("[]", "{}", "7", "null", '{"data": 5}', '"a word"', "<html>", "", "[[1]]"):
            simulator.clear_faults()
            simulator.add_fault(Fault(kind="http", status=200, body=body))
            for call in (account.tools, account.tasks):
                if body in ("[]", "[[1]]"):
                    assert call(soon).items == ()
                    continue
                with pytest.raises(Malformed):
                    call(soon)
            for one in (account.tool, account.task, account.task_status):
                if body == '"a word"' and one == account.task_status:
                    assert one(TASK, soon).value == "a word"
                    continue
                with pytest.raises(Malformed):
                    one(TASK, soon)


def test_another_object_than_requested(talk):
    """A response about another object is rejected."""
    client, simulator, soon = talk
    simulator.add_fault(Fault(kind="http", status=200, body='{"_id": "1", "name": "x"}'))
    for call in (client.account.tool, client.account.task):
        with pytest.raises(Malformed, match="another"):
            call(TOOL, soon)
