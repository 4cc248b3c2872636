"""Reading of plain data with complaints that name the file and the key.

Knows nothing of what a scenario means; see `scenario` for that.
"""

from __future__ import annotations

from collections.abc import Mapping

_MOST = 1e10
"""Seconds in three centuries: more is no time of a scenario."""


class ScenarioError(ValueError):
    """A scenario that cannot be played, in one sentence that names the place."""


class Reader:
    """One mapping of a scenario; each key is taken once, and what is left over is an error."""

    def __init__(self, value: object, file: str, path: str = "") -> None:
        """Take the mapping found at `path` (such as `pipelines[0]`) of `file`."""
        self._file = file
        self._path = path
        if not isinstance(value, Mapping):
            raise ScenarioError(
                f"{file}: {path or 'the scenario'} must be a mapping, not {value!r}"
            )
        self._values = {str(key): item for key, item in value.items()}
        self._taken: set[str] = set()

    def __contains__(self, key: str) -> bool:
        """Whether the key is given."""
        return self._values.get(key) is not None

    def wrong(self, key: str, expected: str) -> ScenarioError:
        """Return the error for a key whose value is not what was expected."""
        got = "but it is missing" if key not in self else f"not {self._values[key]!r}"
        return ScenarioError(f"{self._file}: {self._at(key)} must be {expected}, {got}")

    def failed(self, reason: Exception) -> ScenarioError:
        """Return the error for a mapping that something else refused."""
        return ScenarioError(f"{self._file}: {self._path or 'the scenario'}: {reason}")

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text; required unless there is a default."""
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> str:
        """Take one of a few words."""
        value = self._take(key, default)
        if value not in choices:
            raise self.wrong(key, f"one of {', '.join(choices)}")
        return str(value)

    def number(self, key: str, default: float | None = None, least: float = 0.0) -> float:
        """Take a number, required unless there is a default."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(key, f"a number{_bound(least)}")
        if not max(least, -_MOST) <= value <= _MOST:  # nor is NaN, which YAML can say
            raise self.wrong(key, f"a number{_bound(least)}")
        return float(value)

    def maybe_number(self, key: str, least: float = 0.0) -> float | None:
        """Take a number if there is one."""
        if key not in self:
            self._taken.add(key)
            return None
        return self.number(key, least=least)

    def whole(self, key: str, default: int) -> int:
        """Take a whole number, not negative."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.wrong(key, "a whole number")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Take true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def numbers(self, key: str) -> tuple[float, ...]:
        """Take a list of numbers, in rising order."""
        value = self._take(key, [])
        numeric = isinstance(value, list) and all(
            isinstance(item, (int, float)) and not isinstance(item, bool) for item in value
        )
        if not numeric or not isinstance(value, list) or value != sorted(value):
            raise self.wrong(key, "a list of rising numbers")
        return tuple(map(float, value))

    def mapping(self, key: str) -> dict[str, object]:
        """Take a mapping as it is; empty when there is none."""
        value = self._take(key, {})
        if not isinstance(value, Mapping):
            raise self.wrong(key, "a mapping")
        return {str(name): item for name, item in value.items()}

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Take a list of texts; a single text is a list of one."""
        value = self._take(key, list(default))
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise self.wrong(key, "a list of texts")
        return tuple(listed)

    def reader(self, key: str, short: str = "") -> Reader:
        """Take a mapping to be read in turn; a single text stands for its key `short`."""
        value = self._take(key, {})
        value = {short: value} if short and isinstance(value, str) else value
        return Reader(value, self._file, self._at(key))

    def readers(self, key: str) -> list[Reader]:
        """Take a list of mappings to be read in turn."""
        value = self._take(key, [])
        if not isinstance(value, list):
            raise self.wrong(key, "a list")
        where = self._at(key)
        return [Reader(item, self._file, f"{where}[{n}]") for n, item in enumerate(value)]

    def copies(self, key: str) -> list[Reader]:
        """Take a list of mappings; with `repeat: 5` one stands for five, `{n}` in its name."""
        value = self._take(key, [])
        if not isinstance(value, list):
            raise self.wrong(key, "a list")
        where = self._at(key)
        return [
            Reader(copy, self._file, f"{where}[{n}]")
            for n, item in enumerate(value)
            for copy in self._repeated(item, f"{where}[{n}]")
        ]

    def _repeated(self, item: object, where: str) -> list[object]:
        if not isinstance(item, Mapping) or "repeat" not in item:
            return [item]
        rest = {key: value for key, value in item.items() if key != "repeat"}
        count = Reader(item, self._file, where).whole("repeat", 1)
        name = str(item.get("name", ""))
        return [{**rest, "name": name.replace("{n}", str(n))} for n in range(1, count + 1)]

    def access(self, key: str) -> bool | tuple[str, ...]:
        """Take who may use something: true, false, or a list of names."""
        value = self._take(key, True)
        return value if isinstance(value, bool) else self.texts(key)

    def everything(self) -> dict[str, object]:
        """Take all that there is, as it is."""
        self._taken |= set(self._values)
        return dict(self._values)

    def done(self, others: tuple[str, ...] = ()) -> None:
        """Refuse keys that nobody took; `others` were taken elsewhere."""
        self._taken |= set(others)
        if left := [key for key in self._values if key not in self._taken]:
            known = ", ".join(sorted(self._taken)) or "none"
            raise ScenarioError(f"{self._file}: {self._at(left[0])} is unknown; known are {known}")

    def _take(self, key: str, default: object) -> object:
        self._taken.add(key)
        value = self._values.get(key)
        return default if value is None else value

    def _at(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key


def _bound(least: float) -> str:
    return "" if least == float("-inf") else f" of at least {least:g}"
