"""The config file's JSON Schema, for editors: made from the table of inputs.

It tells what an editor can show: names, words, forms. What only the parser can tell, such as a key
that is there twice, it leaves to the parser; a test holds that the two agree otherwise.
"""

from __future__ import annotations

from typing import Any

from opsera_step.config.file import ALIASES, NOT_IN_A_FILE, OF_A_TOOL, OF_NO_MEANING
from opsera_step.config.inputs import BY_NAME, COMMANDS, TABLE, WIDER_COMMANDS, Input

Schema = dict[str, Any]

HOME = "https://raw.githubusercontent.com/opsera-step/opsera-step"
PATH = "opsera_step/schemas/opsera.schema.json"

_PLAIN = ["string", "number", "boolean", "null"]
"""The types of a plain value: the parser takes the text that stands there, whatever it is."""
_UNSET = r"^\s*$"
_NAMED = r"\S"
_ALIAS = r"^(?![0-9A-Fa-f]{24}$)(?!<<$)\S(?:[\s\S]*\S)?$"
_DURATION = r"(?:(?:[0-9]{1,6} *[Hh])? *(?:[0-9]{1,6} *[Mm])? *(?:[0-9]{1,9} *[Ss])?|[0-9]{1,9})"
_SECONDS = r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})"
_INTERVAL = (
    r"(?!0*(?:[2-9]|[1-9][0-9]+) *[Hh])"
    r"(?!0*(?:6[1-9]|[7-9][0-9]|[1-9][0-9]{2,}) *[Mm])"
    r"(?!0*(?:360[1-9]|36[1-9][0-9]|3[7-9][0-9]{2}|[4-9][0-9]{3}|[1-9][0-9]{4,})"
    r"(?:\.[0-9]*)? *[Ss]?\s*$)"
    r"(?!0*(?:\.0[0-9]*)? *[HhMmSs]?\s*$)"
    rf"(?:{_SECONDS}|{_DURATION})"
)
"""A time that is neither more than an hour nor next to nothing."""
_SIZE = r"(?!0*\.0*[1-9][0-9]* *[Bb]?\s*$)[0-9]{1,12}(?:\.[0-9]{1,6})? *(?:[KkMmGg][Ii]?)?[Bb]?"
_REST_OF_A_COMMAND = r"""(?:[ \t\r\n](?:[^'"\\]|\\[\s\S]|'[^']*'|"(?:[^"\\]|\\[\s\S])*")*)?"""
_PORT = (
    r"0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
_PORT_AND_PATH = rf"(?::{_PORT})?(?:/(?!(?:.*/)?api/v1)[^@?#\\\s]*)?"
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
        "patternProperties": {f"^{OF_NO_MEANING}": _NOT_READ},
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
        "propertyNames": {"pattern": _ALIAS},
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


_NOT_READ: Schema = {"description": "Not read: a place for what anchors repeat elsewhere."}
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
_HTTP, _HTTPS = _any_case("http"), _any_case("https")
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_OURS = rf"{_HTTPS}://(?:[A-Za-z0-9][A-Za-z0-9_-]*\.)*{_any_case('opsera.io')}{_PORT_AND_PATH}"
_LOOPBACK = (
    rf"(?:{_HTTPS}|{_HTTP})://(?:{_any_case('localhost')}|127(?:\.{_BYTE}){{3}}|\[::1\])"
    rf"{_PORT_AND_PATH}"
)
_FORMS: dict[str, tuple[Schema, ...]] = {
    "command": (
        {"enum": [*_ALL_COMMANDS]},
        _text(rf"(?:{'|'.join(map(_any_case, _ALL_COMMANDS))}){_REST_OF_A_COMMAND}"),
    ),
    "wait": ({"type": "boolean"}, {"enum": [0, 1]}, _text(rf"{_SWITCHES}|0|1")),
    "run_count": (_number(1, 10**18 - 1, "integer"), _text("0*[1-9][0-9]{0,17}")),
    "timeout": (_number(0, 10**9 - 1, "integer"), _text(_DURATION)),
    "poll_interval": (_number(0.1, 3600), _text(rf"{_AUTO}|{_INTERVAL}")),
    "log_limit": (
        _number(0, 0), _number(1, 10**12 - 1), _text(rf"{_AUTO}|{_SIZE}"),
    ),
    "base_url": (_text(rf"{_OURS}|{_LOOPBACK}"),),
}  # fmt: skip
"""What some inputs take, as forms of values; where they differ the parser has the last word."""
