"""A tool of the registry: its object, and how updates change it."""

from __future__ import annotations

from opsera_step.simulator.identifiers import timestamp
from opsera_step.simulator.scenario.spec import ACCOUNT, ToolSpec

_READ_ONLY = ("_id", "createdAt", "updatedAt")
_AGE = 90 * 86_400_000
_TYPE_NAMES = {str: "a string", bool: "true or false", list: "an array", dict: "an object"}
_TEXTS = "name description tool_identifier tool_type_identifier status account owner owner_name"
_TYPES: dict[str, type] = {
    **dict.fromkeys(_TEXTS.split(), str),
    "active": bool,
    "tags": list,
    "roles": list,
    "configuration": dict,
}


def invalid_change(changes: dict[str, object]) -> str:
    """Return what is wrong with an update: properties that every tool has keep their type."""
    for name, value in changes.items():
        kind = _TYPES.get(name)
        if kind is not None and not isinstance(value, kind):
            return f"{name} of a tool must be {_TYPE_NAMES[kind]}."
    return ""


class Tool:
    """The state of one tool."""

    def __init__(self, spec: ToolSpec, start: int) -> None:
        """Create a tool; `start` is the wall clock of the start in milliseconds."""
        self.spec = spec
        created = timestamp(start - _AGE)
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
        self.fields |= {**spec.record, "createdAt": created, "updatedAt": created, "__v": 0}

    def update(self, changes: dict[str, object], milliseconds: int) -> None:
        """Replace root properties one by one; the others stay."""
        fields = {name: value for name, value in changes.items() if name not in _READ_ONLY}
        self.fields = self.fields | fields | {"updatedAt": timestamp(milliseconds)}
