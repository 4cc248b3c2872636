"""YAML as data, in the way that YAML 1.2 and JSON agree on: no dates, and `on` is a word."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from opsera_step.config.yaml_tree import Bounded, fault_at, parts_of, trouble_of

_MOST_VALUES = 100_000
"""Most values of a text: by aliases a few lines could unfold into more than any memory holds."""


class _Loader(Bounded, yaml.SafeLoader):
    """Reads what JSON has too; all else stays the text that stands there."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _unfolded(node, {})
        return node


_LIKE_A_COMMAND = re.compile(r"##\[|^\W*:")
"""GitHub's runner takes `::name` for a command after what it does not see (platforms.github)."""


class _Dumper(yaml.SafeDumper):
    """Writes lists indented, and repeats what is there twice rather than refer to it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _quoting(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Write a text; in quotes that know escapes where a job log could take it for a command."""
    style = '"' if _LIKE_A_COMMAND.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _quoting)
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


def _unfolded(node: yaml.Node, known: dict[int, int]) -> int:
    """Count the values of a node with all that its aliases repeat; `known` has those counted.

    Raises:
        MarkedYAMLError: when it holds itself, unfolds into too many, or has a key twice.

    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    count = known.get(id(node))
    if count is None:
        known[id(node)] = 0
        count = 1 + sum(_unfolded(one, known) for one in _parts(node))
        known[id(node)] = count
    elif not count:
        raise fault_at(node, "it holds itself")
    if count > _MOST_VALUES:
        raise fault_at(node, f"by its aliases it unfolds into more than {_MOST_VALUES} values")
    return count


def _parts(node: yaml.Node) -> list[yaml.Node]:
    seen = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
            raise fault_at(key, "this key is there twice")
        seen.add((key.tag, str(key.value)))
    return parts_of(node)


def _number(loader: _Loader, node: yaml.ScalarNode) -> float:
    number = float(loader.construct_scalar(node))
    if not math.isfinite(number):
        raise fault_at(node, "JSON has no number so large")
    return number


_Loader.add_constructor("tag:yaml.org,2002:float", _number)


def read_yaml_data(text: str) -> Any:
    """Read a YAML or JSON text of one document.

    Raises:
        ValueError: when it is none; it says where, and quotes nothing of it.

    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ValueError(f"it is no valid YAML or JSON{trouble_of(error, text)}") from None


def write_yaml(data: Any, *, ascii_only: bool) -> str:
    """Write data as YAML, its keys in their order."""
    return yaml.dump(
        data, Dumper=_Dumper, allow_unicode=not ascii_only, sort_keys=False, width=1_000_000
    )
