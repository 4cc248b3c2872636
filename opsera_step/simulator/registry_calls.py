"""The calls on the tool registry."""

from __future__ import annotations

from opsera_step.simulator.calling import (
    LIST_LIMIT,
    Ask,
    Call,
    Done,
    Refusal,
    encoded,
    identifier,
    listed,
    not_found,
    require_access,
    shown,
)
from opsera_step.simulator.registry import Tool, misfit

_READING = ("api", "api-readonly", "registry", "registry-readonly")
_CHANGING = ("api", "registry")


def _tools(ask: Ask) -> Done:
    world = ask.world
    ours = [one for one in world.tools.values() if world.accounts.may_use(ask.member, one.spec)]
    return listed(world, encoded(world, [one.fields for one in ours[:LIST_LIMIT]]))


def _summary(ask: Ask) -> Done:
    return shown(ask.world, _tool(ask).fields)


def _update(ask: Ask) -> Done:
    tool_id, changes = _tool_id(ask), ask.body.get("tool")
    if not isinstance(changes, dict):
        raise Refusal(400, "tool must be an object with the properties to replace.")
    if wrong := misfit(changes):
        raise Refusal(400, wrong)
    tool = _tool(ask)
    ask.world.update_tool(tool_id=tool_id, changes=changes, user=ask.member.name)
    return shown(ask.world, tool.fields)


ROUTES: dict[tuple[str, str], Call] = {
    ("GET", "/api/v1/registry/tools"): Call("tools", _READING, _tools, for_power_users=True),
    ("POST", "/api/v1/registry/summary"): Call("tool_summary", _READING, _summary),
    ("POST", "/api/v1/registry/update"): Call("tool_update", _CHANGING, _update),
}
"""The calls on the tool registry by method and path."""


def _tool_id(ask: Ask) -> str:
    return identifier(ask.body.get("toolId"), "toolId")


def _tool(ask: Ask) -> Tool:
    tool_id = _tool_id(ask)
    tool = ask.world.tools.get(tool_id)
    if tool is None:
        raise not_found(ask.world, f"Tool {tool_id}")
    require_access(ask, tool.spec)
    return tool
