"""The JSON Schema of config files, for editors: types, words, and descriptions from the table.

It describes a file in the checkout; `#/definitions/trusted` describes /etc/opsera-step.yml. The
parser is authoritative.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from opsera_step.config.file import (
    ALIASES,
    ALLOWED,
    LIMITS,
    NEVER,
    SYSTEM_FILE,
    TOOL_INPUTS,
    UNREAD_PREFIX,
)
from opsera_step.config.inputs import BY_NAME, Input

Schema = dict[str, Any]

HOME = "https://raw.githubusercontent.com/opsera-step/opsera-step"
PATH = "opsera_step/schemas/opsera.schema.json"

_TYPES: dict[str, Any] = {
    "run_count": "integer",
    "wait": "boolean",
    "timestamps": "boolean",
    "timeout": ["string", "integer"],
    "log_limit": ["string", "number"],
    "poll_interval": ["string", "number"],
}
_NAMED = ["string", "number"]
"""An ID or a name may look like a number."""


def build(version: str) -> Schema:
    """Build the schema of the files that this version reads."""
    every = [name for name in BY_NAME if name not in NEVER]
    limits = {
        name: {
            "description": f"Only in {SYSTEM_FILE}; nothing overrides it.",
            "type": "array",
            "items": {"type": "string"},
        }
        for name in LIMITS
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": address(version),
        "title": "opsera-step: aliases of pipelines and tools, and defaults of inputs",
        **_file(ALLOWED),
        "definitions": {"trusted": _file(every, limits)},
    }


def address(version: str) -> str:
    """Return where the schema of a version is published."""
    return f"{HOME}/v{version}/{PATH}"


def _file(inputs: Iterable[str], more: Schema | None = None) -> Schema:
    inputs = list(inputs)
    groups = {group: _aliases(group, kind, inputs) for group, kind in ALIASES.items()}
    unread = {"description": "Not read: a place for anchors that are repeated elsewhere."}
    return {
        "type": ["object", "null"],
        "properties": {**_inputs(inputs), **groups, **(more or {})},
        "patternProperties": {f"^{UNREAD_PREFIX}": unread},
        "additionalProperties": False,
    }


def _aliases(group: str, kind: str, inputs: list[str]) -> Schema:
    known = [name for name in inputs if kind == "pipeline" or name in TOOL_INPUTS]
    named = {"description": f"The {kind}: its ID (24 hex digits) or its exact name."}
    properties = {**_inputs(known), kind: {**named, "type": _NAMED}}
    return {
        "description": f"Aliases of {group}, each with a {kind} and, if needed, its own defaults.",
        "type": ["object", "null"],
        "additionalProperties": {
            "description": named["description"],
            "type": [*_NAMED, "object"],
            "properties": properties,
            "required": [kind],
            "additionalProperties": False,
        },
    }


def _inputs(names: Iterable[str]) -> Schema:
    return {name: _input(BY_NAME[name]) for name in names}


def _input(one: Input) -> Schema:
    described: Schema = {"description": one.meaning}
    if one.default:
        described["default"] = one.default
    if one.name == "verbose":
        return {**described, "enum": ["auto", True, False]}
    if one.words:
        return {**described, "enum": list(one.words)}
    return {**described, "type": _TYPES.get(one.name, _NAMED)}
