"""A tool of the registry: its object, and how updates change it."""

from __future__ import annotations

from opsera_step.simulator.identifiers import timestamp
from opsera_step.simulator.scenario import ACCOUNT, ToolSpec

_KEPT = ("_id", "createdAt", "updatedAt")
_BORN_DAYS = 90
_NAMES = {str: "a string", bool: "true or false", list: "an array", dict: "an object"}
_TEXTS = "name description tool_identifier tool_type_identifier status account owner owner_name"
_KINDS: dict[str, type] = {
    **dict.fromkeys(_TEXTS.split(), str),
    "active": bool,
    "tags": list,
    "roles": list,
    "configuration": dict,
}


def misfit(changes: dict[str, object]) -> str:
    """Say what is wrong with an update: a property that every tool has keeps its type."""
    for name, value in changes.items():
        kind = _KINDS.get(name)
        if kind is not None and not isinstance(value, kind):
            return f"{name} of a tool must be {_NAMES[kind]}."
    return ""


class Tool:
    """The state of one tool."""

    def __init__(self, spec: ToolSpec, began: int) -> None:
        """Begin as the scenario says; `began` is the wall clock in milliseconds."""
        self.spec = spec
        born = timestamp(began - _BORN_DAYS * 86_400_000)
        self.fields: dict[str, object] = {
            "_id": spec.id,
            "name": spec.name,
            "description": spec.description,
            "tool_identifier": spec.tool,
            "tool_type_identifier": spec.type,
            "active": spec.active,
            "status": "active" if spec.active else "inactive",
            "tags": list(spec.tags),
            "roles": [],
            "configuration": dict(spec.configuration),
            "account": ACCOUNT,
            "owner": spec.owner.id,
            "owner_name": spec.owner.name,
        }
        self.fields |= {**spec.record, "createdAt": born, "updatedAt": born, "__v": 0}

    def update(self, changes: dict[str, object], milliseconds: int) -> None:
        """Replace root properties one by one; what was not sent stays."""
        fields = {name: value for name, value in changes.items() if name not in _KEPT}
        self.fields = self.fields | fields | {"updatedAt": timestamp(milliseconds)}
