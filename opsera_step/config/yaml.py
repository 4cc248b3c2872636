"""The part of YAML that YAML 1.2 and JSON agree on, with limits for untrusted files.

One loader for both uses: the config file, whose values are taken as written (an ID is no octal
number) and whose errors name a line, and data for the API, whose values have types.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

MAX_BYTES = 256 * 1024
"""Size of the largest file that is read."""
MAX_NODES = 10_000
"""Most values of a file, with what its aliases and merge keys repeat."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = {
    "bool": ("true|True|TRUE|false|False|FALSE", "tTfF"),
    "null": ("~|null|Null|NULL|", ["~", "n", "N", ""]),
    "int": ("-?(?:0|[1-9][0-9]*)", "-0123456789"),
    "float": (r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
    "merge": ("<<", "<"),
}
"""Plain scalars that are more than text; numbers only in the form that JSON has too."""
_LONGEST_NUMBER = 300
"""Digits; a longer number stays a text."""


class YamlError(ValueError):
    """Text that can't be read; the message has the place and the reason, but no quote of it."""


@dataclass(frozen=True)
class Node:
    """A value and where it stands."""

    line: int
    """Line, from 1; of an entry in a mapping that of its key, also when merged."""
    column: int
    value: bool | int | float | str | list[Node] | dict[str, Node] | None
    """What YAML reads it as."""
    text: str | None = None
    """A scalar as written; None for a list or a mapping."""

    @property
    def is_empty(self) -> bool:
        """Whether it counts as unset: nothing, or nothing but spaces."""
        return self.text is not None and (self.value is None or not self.text.strip())


class _Loader(yaml.SafeLoader):
    """Reads nodes: keeps their lines, rejects duplicate keys, and bounds their number."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._composed = self._repeated = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node, unless there are too many."""
        self._composed += 1
        if self._composed > MAX_NODES:
            peek: Any = self.peek_event
            raise _error_at(peek(), f"more than {MAX_NODES} values")
        node: yaml.Node | None = super().compose_node(parent, index)
        if isinstance(node, yaml.MappingNode):
            _reject_duplicates(node)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what merge keys (`<<`) bring; a mapping's own keys and the first source win."""
        super().flatten_mapping(node)
        self._count(node, len(node.value))
        # Later entries win, as they do in a dict; each keeps the node of its key, and so its line.
        node.value = list({key.value: (key, value) for key, value in node.value}.values())

    def convert(self, node: yaml.Node, key: yaml.Node | None = None) -> Node:
        """Turn a composed node into a value; it stands where its key does."""
        self._count(node, 1)
        mark = (key or node).start_mark
        place = int(mark.line) + 1, int(mark.column) + 1
        kind = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.ScalarNode) and kind in {"str", *_SCALARS}:
            text = _text(node)
            return Node(*place, _typed(node, kind, text), text)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return Node(*place, [self.convert(one) for one in node.value])
        if isinstance(node, yaml.MappingNode) and kind == "map":
            self.flatten_mapping(node)
            entries = ((_text(one), self.convert(value, one)) for one, value in node.value)
            return Node(*place, dict(entries))
        raise _error_at(node, "tags (such as !name) are not supported")

    def _count(self, place: yaml.Node, more: int) -> None:
        self._repeated += more
        if self._repeated > MAX_NODES:
            raise _error_at(place, f"more than {MAX_NODES} values, counting what aliases repeat")


# YAML 1.1, which PyYAML reads, makes a boolean of `on` and a date of a version number.
_Loader.yaml_implicit_resolvers = {}
for _kind, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"^(?:{_pattern})$"), list(_first))


def read_yaml(text: str) -> Node | None:
    """Read a YAML or JSON text of one document; None if there is nothing in it.

    Raises:
        YamlError: if it is not valid, or larger than the limits.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise YamlError(f"it is larger than {MAX_BYTES >> 10} KiB")
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        return None if root is None else loader.convert(root)
    except RecursionError:
        raise YamlError("it is nested too deeply") from None
    except yaml.YAMLError as error:
        raise YamlError(_explain(error, text)) from None


def read_yaml_data(text: str) -> Any:
    """Read a YAML or JSON text of one document as data: what JSON has, and nothing else.

    Raises:
        ValueError: if it is not valid; the message has the place, but no quote of it.
    """
    try:
        node = read_yaml(text)
        return None if node is None else _data(node)
    except YamlError as error:
        raise YamlError(f"it is not valid YAML or JSON: {error}") from None


def _data(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _data(one) for key, one in node.value.items()}
    if isinstance(node.value, list):
        return [_data(one) for one in node.value]
    if isinstance(node.value, float) and not math.isfinite(node.value):
        raise YamlError(f"line {node.line}: JSON has no number that large")
    return node.value


_SURROGATES = re.compile("[\ud800-\udfff]+")


def _text(node: yaml.ScalarNode) -> str:
    r"""Return a scalar as written; JSON's `\ud83d\ude00` is one character, as in JSON."""
    return _SURROGATES.sub(
        lambda found: found[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"),
        str(node.value),
    )


def _typed(node: yaml.ScalarNode, kind: str, text: str) -> bool | int | float | str | None:
    try:
        if kind == "null":
            return None
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind in ("int", "float") and len(text) <= _LONGEST_NUMBER:
            return int(text) if kind == "int" else float(text)
    except (KeyError, ValueError):
        raise _error_at(node, "the value does not fit its tag") from None
    return text


def _reject_duplicates(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _error_at(key, "a key must be plain text")
        if key.value in lines:
            raise _error_at(key, f"duplicate key, first used in line {lines[key.value]}")
        lines[key.value] = int(key.start_mark.line) + 1


def _error_at(place: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)


_PLAIN_WORDS = {
    "found character '\\t'": "tabs can't be used for indentation",
    "found another document": "only one document is allowed",
    "for merging": "a merge key (<<) needs a mapping or a list of mappings",
    "found undefined alias": "an alias (*name) without its anchor (&name)",
    "tag handle": "tags (such as !name) are not supported",
}
"""Clearer versions of some PyYAML messages."""
_QUOTES_NOTHING = re.compile(r"(?:[^'\"]|'<[a-z ]+>'|'.')*")
"""A message of PyYAML that quotes tokens and single characters at most."""


def _explain(error: yaml.YAMLError, text: str) -> str:
    """Return where and why a text is not valid, without quoting it: it may be a token."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"line {line}: invalid character U+{ord(text[error.position]):04X}"
    if not isinstance(error, yaml.MarkedYAMLError):
        return "it is not valid YAML"
    mark, problem = error.problem_mark, error.problem or ""
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    for sign, words in _PLAIN_WORDS.items():
        if sign in problem:
            return where + words
    if not problem or not _QUOTES_NOTHING.fullmatch(problem):
        return f"{where}it is not valid YAML"
    doing = f"{error.context}, " if (error.context or "").startswith("while scanning") else ""
    return f"{where}{doing}{problem}"


class _Dumper(yaml.SafeDumper):
    """Writes lists indented, and repeats what occurs twice rather than refer to it."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


_LIKE_A_COMMAND = re.compile(r"##\[|^\W*:")
"""GitHub's runner takes `::name` for a command after anything invisible (platforms.github)."""
_LIKE_A_VALUE = re.compile(
    r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9_]+)(?:e[-+]?[0-9]+)?|[-+]?0[box][0-9a-f_]+|"
    r"[-+]?\.(?:inf|nan)|y|n",
    re.IGNORECASE,
)
"""Texts that some reader of YAML 1.1 or 1.2 takes for a number or a boolean, beside those that
PyYAML knows."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Write a text: in quotes where a reader or a job log could take it for something else."""
    style = '"' if _LIKE_A_COMMAND.search(text) or _LIKE_A_VALUE.fullmatch(text) else None
    return dumper.represent_scalar(_TAG + "str", text, style)


_Dumper.add_representer(str, _represent_text)


def write_yaml(data: Any, *, ascii_only: bool) -> str:
    """Write data as YAML, its keys in their order."""
    return yaml.dump(
        data, Dumper=_Dumper, allow_unicode=not ascii_only, sort_keys=False, width=1_000_000
    )
