"""Conversion of plain data (YAML, JSON) into dataclasses and arguments, driven by type hints.

Every error names the file and the key. Scenarios, flags, faults, and the bodies of the admin API
are all read by this one converter.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_MOST = 1e10
_MOST_COPIES = 100_000
_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


class ScenarioError(ValueError):
    """Invalid data, in one sentence that names the place."""

    def __init__(self, message: str, unknown: str = "", known: tuple[str, ...] = ()) -> None:
        """Create an error; an `unknown` name comes with those that are `known`."""
        super().__init__(message)
        self.unknown = unknown
        self.known = known


def setting(
    default: Any = MISSING,
    *,
    choices: tuple[str, ...] = (),
    least: float | None = 0,
    meaning: str = "",
) -> Any:
    """Declare a dataclass field with limits: allowed words, or the smallest number (None: any)."""
    metadata = {"choices": choices, "least": least, "meaning": meaning}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Place:
    """Where a value was found: a file, and a path such as `pipelines[0].name`."""

    file: str
    path: str = ""

    def key(self, name: str) -> Place:
        """Return the place of a key of the mapping at this place."""
        return Place(self.file, f"{self.path}.{name}" if self.path else name)

    def item(self, index: int) -> Place:
        """Return the place of an item of the list at this place."""
        return Place(self.file, f"{self.path}[{index}]")

    def expected(self, what: str, value: object) -> ScenarioError:
        """Return the error for a value that is not what was expected."""
        shown = repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:80]}…"
        return ScenarioError(f"{self}: expected {what}, got {shown}")

    def __str__(self) -> str:
        """Write the place as errors name it."""
        return ": ".join(part for part in (self.file, self.path) if part)


@dataclass(frozen=True)
class _Field:
    """What is known of one key: its type, its limits, and whether it is required."""

    kind: Any
    required: bool
    choices: tuple[str, ...] = ()
    least: float | None = 0

    def describe(self) -> str:
        """Name what is accepted."""
        return _describe(self.kind, self)


def build(kind: type[T], data: object, place: Place) -> T:
    """Make a dataclass from a mapping with the same keys.

    A dataclass with a `from_text` class method may be given as text instead.
    """
    from_text: Callable[[str], T] | None = getattr(kind, "from_text", None)
    if isinstance(data, str) and from_text is not None:
        return from_text(data)
    if not isinstance(data, Mapping):
        raise place.expected("a mapping", data)
    values = _read(_fields_of(kind), data, place)  # type: ignore[arg-type]
    try:
        return kind(**values)
    except ScenarioError:
        raise
    except ValueError as error:
        raise ScenarioError(f"{place}: {error}") from error


def arguments(function: Callable[..., object], data: object, place: Place) -> dict[str, Any]:
    """Return the keyword arguments of a function from a mapping with keys in camel case."""
    if not isinstance(data, Mapping):
        raise place.expected("a mapping", data)
    known = {_camel(name): (name, one) for name, one in _parameters_of(function).items()}
    values = _read({key: one for key, (_, one) in known.items()}, data, place)
    return {known[key][0]: value for key, value in values.items()}


def _read(known: Mapping[str, _Field], data: Mapping[Any, object], place: Place) -> dict[str, Any]:
    # A key without a value (None) counts as left out.
    given = {str(key): value for key, value in data.items()}
    for key in given:
        if key not in known:
            names = ", ".join(sorted(known)) or "none"
            message = f"{place.key(key)}: unknown key; known keys: {names}"
            raise ScenarioError(message, key, tuple(known))
    for key, one in known.items():
        if one.required and given.get(key) is None:
            raise ScenarioError(f"{place.key(key)}: required, {one.describe()}")
    return {
        key: _convert(value, known[key].kind, place.key(key), known[key])
        for key, value in given.items()
        if value is not None
    }


def _convert(value: object, kind: Any, place: Place, limits: _Field) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union(value, kind, place, limits)
    if origin is tuple:
        return _tuple(value, get_args(kind)[0], place, limits)
    if origin is dict:
        return _dict(value, get_args(kind)[1], place)
    if is_dataclass(kind) and isinstance(kind, type):
        return build(kind, value, place)
    if kind in _NAMES:
        return _scalar(value, kind, place, limits)
    return value


def _scalar(value: object, kind: type, place: Place, limits: _Field) -> Any:
    if kind is str and limits.choices:
        # YAML reads 404 as a number.
        known = isinstance(value, str | int) and str(value) in limits.choices
        if not known:
            raise place.expected(limits.describe(), value)
        return str(value)
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and numeric and _within(value, limits):
        return float(value)  # type: ignore[arg-type]
    if kind is int and isinstance(value, int) and numeric and _within(value, limits):
        return value
    if kind in (bool, str) and isinstance(value, kind):
        return value
    raise place.expected(limits.describe(), value)


def _within(value: Any, limits: _Field) -> bool:
    least = -_MOST if limits.least is None else limits.least
    return bool(least <= value <= _MOST)  # False for NaN, which YAML can express


def _union(value: object, kind: Any, place: Place, limits: _Field) -> Any:
    arms = [arm for arm in get_args(kind) if arm is not type(None)]
    if len(arms) == 1:
        return _convert(value, arms[0], place, limits)
    for arm in arms:
        try:
            return _convert(value, arm, place, limits)
        except ScenarioError:
            continue
    raise place.expected(_describe(kind, limits), value)


def _tuple(value: object, item: Any, place: Place, limits: _Field) -> tuple[Any, ...]:
    if item is str and isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        raise place.expected(_describe(tuple[item, ...], limits), value)
    limits = replace(limits, kind=item)
    return tuple(
        _convert(copy, item, place.item(index), limits)
        for index, one in enumerate(value)
        for copy in _copies(one, item, place.item(index))
    )


def _copies(data: object, kind: Any, place: Place) -> Iterator[object]:
    """Yield an item, or with `repeat: 5` five of it, with the number for `{n}` in its name."""
    if (
        not (isinstance(data, Mapping) and "repeat" in data and is_dataclass(kind))
        or not isinstance(kind, type)
        or "repeat" in _fields_of(kind)
    ):
        yield data
        return
    rest = {key: value for key, value in data.items() if key != "repeat"}
    count = _convert(data["repeat"], int, place.key("repeat"), _Field(int, required=True))
    name = str(data.get("name", ""))
    for number in range(1, min(count, _MOST_COPIES) + 1):
        yield {**rest, "name": name.replace("{n}", str(number))}


def _dict(value: object, item: Any, place: Place) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise place.expected("a mapping", value)
    if item is str:
        return {str(key): str(one) for key, one in value.items()}
    return {str(key): one for key, one in value.items()}


@lru_cache(maxsize=256)
def _fields_of(kind: Any) -> Mapping[str, _Field]:
    hints = get_type_hints(kind)
    known = {}
    for one in fields(kind):
        required = one.default is MISSING and one.default_factory is MISSING
        choices, least = one.metadata.get("choices", ()), one.metadata.get("least", 0)
        known[one.name] = _Field(hints[one.name], required, choices, least)
    return known


@lru_cache(maxsize=64)
def _parameters_of(function: Callable[..., object]) -> Mapping[str, _Field]:
    hints = get_type_hints(function)
    return {
        name: _Field(hints[name], parameter.default is parameter.empty, least=None)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _describe(kind: Any, limits: _Field) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(arm, limits) for arm in inner if arm is not type(None))
    if limits.choices and (kind is str or str in inner):
        listed = ", ".join(choice or '""' for choice in limits.choices)
        return f"one of {listed}" if kind is str else f"a list of {listed}"
    if origin is tuple:
        return "a list" if inner[0] not in _NAMES else f"a list of {_plural(inner[0])}"
    if kind in (int, float) and limits.least is not None:
        return f"{_NAMES[kind]} from {limits.least:g} to {_MOST:g}"
    return _NAMES.get(kind, "a mapping")


def _plural(kind: type) -> str:
    return "texts" if kind is str else "numbers"
