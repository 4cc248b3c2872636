"""YAML as a tree of texts that know their lines, so that a fault can be shown where it stands.

Every scalar stays the text that stands there: an ID is no octal number, and `on` no truth. What
repeats itself by YAML's aliases is not unfolded, so that no text makes more work than it has lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import yaml

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
"""What is nothing where it stands without quotes (YAML 1.2)."""


class BadYaml(ValueError):
    """A text that is no YAML; says where and why, and quotes nothing of it: it may be a secret."""


@dataclass(frozen=True)
class Node:
    """A value of the tree: a text, a mapping or a list."""

    _node: yaml.Node

    @property
    def line(self) -> int:
        """The line in which it begins, from 1."""
        return int(self._node.start_mark.line) + 1

    @property
    def text(self) -> str | None:
        """The text of a plain value; None when it is none."""
        return str(self._node.value).strip() if isinstance(self._node, yaml.ScalarNode) else None

    @property
    def is_nothing(self) -> bool:
        """Whether it is empty: that counts as not being there."""
        if not isinstance(self._node, yaml.ScalarNode):
            return False
        is_quoted = bool(self._node.style)
        return self.text == "" if is_quoted else self.text in _NOTHING

    @property
    def entries(self) -> list[Entry] | None:
        """The entries of a mapping in their order; None when it is none."""
        if not isinstance(self._node, yaml.MappingNode):
            return None
        return [_entry(key, value) for key, value in self._node.value]


@dataclass(frozen=True)
class Entry:
    """An entry of a mapping, with the line of its key."""

    key: str
    line: int
    value: Node


def read_yaml(text: str) -> Node | None:
    """Read a YAML text of one document; None when there is nothing in it.

    Raises:
        BadYaml: when it is none.

    """
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        # Not the error's own text: it quotes the file, where a token may stand.
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise BadYaml(f"is no valid YAML{where}: {error.problem}") from None
    except (yaml.YAMLError, RecursionError):
        raise BadYaml("is no valid YAML") from None
    return None if node is None else Node(node)


def _entry(key: yaml.Node, value: yaml.Node) -> Entry:
    line = int(key.start_mark.line) + 1
    # A list or a mapping as a key: told like any other key that is not known.
    name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
    return Entry(name, line, Node(value))
