"""YAML as data, in the way that YAML 1.2 and JSON agree on: no dates, and `on` is a word."""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """Reads what JSON has too; all else stays the text that stands there."""


class _Dumper(yaml.SafeDumper):
    """Writes lists indented, and repeats what is there twice rather than refer to it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
    ("merge", r"<<", "<"),
):
    for _kind in (_Loader, _Dumper):
        # Written is in quotes what either kind of YAML would take for more than text.
        _kind.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
        )


def read_yaml_data(text: str) -> Any:
    """Read a YAML or JSON text of one document.

    Raises:
        ValueError: when it is none; it says where, and quotes nothing of it.

    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ValueError(f"it is no valid YAML or JSON{where}: {error.problem}") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise ValueError("it is no valid YAML or JSON") from None


def write_yaml(data: Any, *, ascii_only: bool) -> str:
    """Write data as YAML, its keys in their order."""
    return yaml.dump(
        data, Dumper=_Dumper, allow_unicode=not ascii_only, sort_keys=False, width=1_000_000
    )
