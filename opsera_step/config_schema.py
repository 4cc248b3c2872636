"""The config file's JSON Schema, for editors: made from the table of inputs.

It tells what an editor can show: names, words, forms. What only the parser can tell, such as a key
that is there twice, it leaves to the parser; a test holds that the two agree otherwise.
"""

from __future__ import annotations

from typing import Any

from opsera_step.config import ALIASES, NOT_IN_A_FILE, OF_A_TOOL
from opsera_step.inputs import BY_NAME, COMMANDS, TABLE, WIDER_COMMANDS, Input

Schema = dict[str, Any]

HOME = "https://raw.githubusercontent.com/opsera-step/opsera-step"
PATH = "opsera_step/schemas/opsera.schema.json"

_PLAIN = ["string", "number", "boolean", "null"]
"""The types of a plain value: the parser takes the text that stands there, whatever it is."""
_UNSET = r"^\s*$"
_NAMED = r"\S"
_DURATION = r"(?:(?:\d{1,6} *[Hh])? *(?:\d{1,6} *[Mm])? *(?:\d{1,9} *[Ss])?|\d{1,9})"
_SECONDS = r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})"
_SIZE = r"\d{1,12}(?:\.\d{1,6})? *(?:[KkMmGg][Ii]?)?[Bb]?"
_PORT_AND_PATH = r"(?::\d{1,5})?(?:/(?!.*api/v1)[^@?#\\\s]*)?"
_NAMES_OF_THINGS = {
    "pipeline": "The pipeline: its ID (24 hex digits) or its exact name.",
    "tool": "The tool: its ID (24 hex digits) or its exact name.",
}


def build(version: str) -> Schema:
    """Build the schema of the file that this version reads."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": address(version),
        "title": "opsera-step: aliases of pipelines and tools, and defaults of inputs",
        "type": ["object", "null"],
        "properties": {
            **_inputs([one.name for one in TABLE if one.name not in NOT_IN_A_FILE]),
            **{group: _aliases(group, key) for group, key in ALIASES.items()},
        },
        "additionalProperties": False,
    }


def address(version: str) -> str:
    """Return where the schema of a version is published."""
    return f"{HOME}/v{version}/{PATH}"


def _aliases(group: str, key: str) -> Schema:
    names = list(BY_NAME) if key == "pipeline" else OF_A_TOOL
    properties = _inputs([name for name in names if name not in {key, *NOT_IN_A_FILE}])
    named = {"description": _NAMES_OF_THINGS[key], **_NAMED_THING}
    return {
        "description": f"Aliases of {group}: each stands for its {key}, with defaults of its own.",
        "type": ["object", "null", "string"],
        "pattern": _UNSET,
        "additionalProperties": {
            "anyOf": [
                named,
                {
                    "type": "object",
                    "properties": {key: named, **properties},
                    "required": [key],
                    "additionalProperties": False,
                },
            ]
        },
    }


_NAMED_THING: Schema = {"type": ["string", "number", "boolean"], "pattern": _NAMED}


def _inputs(names: list[str]) -> Schema:
    return {name: _input(BY_NAME[name]) for name in names}


def _input(one: Input) -> Schema:
    told: Schema = {"description": f"{one.meaning} It takes {one.takes}."}
    if one.default:
        told["default"] = one.default
    return {**told, **_form(one)}


def _form(one: Input) -> Schema:
    if one.name in _FORMS:
        return _either(*_FORMS[one.name])
    if one.words:
        return _either({"enum": list(one.words)}, _text("|".join(map(_any_case, one.words))))
    return {"type": _PLAIN}


def _either(*forms: Schema) -> Schema:
    return {"anyOf": [*forms, {"type": "null"}, {"type": "string", "pattern": _UNSET}]}


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": rf"^\s*(?:{pattern})\s*$"}


def _any_case(word: str) -> str:
    return "".join(f"[{c.upper()}{c}]" if c.isalpha() else f"\\{c}" for c in word)


def _number(least: float, most: float, kind: str = "number") -> Schema:
    return {"type": kind, "minimum": least, "maximum": most}


_ALL_COMMANDS = (*COMMANDS, *WIDER_COMMANDS)
_SWITCHES = "|".join(map(_any_case, ("true", "false", "yes", "no", "on", "off")))
_AUTO = _any_case("auto")
_OURS = rf"https://(?:[A-Za-z0-9-]+\.)*{_any_case('opsera.io')}{_PORT_AND_PATH}"
_LOOPBACK = rf"https?://(?:localhost|127(?:\.\d{{1,3}}){{3}}|\[::1\]){_PORT_AND_PATH}"
_FORMS: dict[str, tuple[Schema, ...]] = {
    "command": (
        {"enum": [*_ALL_COMMANDS]},
        _text(rf"(?:{'|'.join(map(_any_case, _ALL_COMMANDS))})(?:\s[\s\S]*)?"),
    ),
    "wait": ({"type": "boolean"}, {"enum": [0, 1]}, _text(rf"{_SWITCHES}|0|1")),
    "run_count": (_number(1, 10**18 - 1, "integer"), _text("0*[1-9][0-9]{0,17}")),
    "timeout": (_number(0, 10**9 - 1, "integer"), _text(_DURATION)),
    "poll_interval": (_number(0.1, 3600), _text(rf"{_AUTO}|{_SECONDS}|{_DURATION}")),
    "log_limit": (
        _number(0, 0), _number(1, 10**12 - 1), _text(rf"{_AUTO}|{_SIZE}"),
    ),
    "base_url": (_text(rf"{_OURS}|{_LOOPBACK}"),),
}  # fmt: skip
"""What some inputs take, as forms of values; where they differ the parser has the last word."""
