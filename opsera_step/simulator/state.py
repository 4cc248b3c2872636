"""The state file: deeds as JSON lines, each written before its answer is sent.

What a killed process has written stays; a last line that was cut off counts as not written.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

from opsera_step.simulator.deeds import Deed

_VERSION = 1


class StateError(ValueError):
    """A state file that cannot be used, in one sentence."""


class StateFile:
    """One state file, held by this process alone while it is open."""

    def __init__(self, path: str | Path, scenario: str, seed: int) -> None:
        """Open a file for a scenario and a seed; nothing is written before `begin`."""
        self.path = Path(path)
        self._header = {"opsera_step_simulator": _VERSION, "scenario": scenario, "seed": seed}
        self._file: BinaryIO | None = None

    def past(self) -> tuple[float, list[Deed]] | None:
        """Return when the world in the file began and all deeds since; None if it is empty."""
        lines = self._whole_lines()
        if not lines:
            return None
        header, *deeds = [self._parsed(line, number) for number, line in enumerate(lines, 1)]
        began = header.pop("began", None)
        if header.get("opsera_step_simulator") != _VERSION or not isinstance(began, float):
            raise StateError(f"{self.path} is no state file of this simulator")
        if header != self._header:
            raise StateError(
                f"{self.path} holds the state of scenario {header.get('scenario')!r} with seed "
                f"{header.get('seed')!r}; go on with that one, or choose another file"
            )
        return began, deeds

    def begin(self, began: float) -> None:
        """Forget all that is in the file, and begin anew."""
        file = self._opened()
        file.truncate(0)
        self._append({**self._header, "began": began})

    def keep(self, done: Deed) -> None:
        """Write down a deed."""
        self._append(done)

    def close(self) -> None:
        """Let go of the file; a deed that is done later opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, data: dict[str, Any]) -> None:
        self._opened().write(json.dumps(data).encode() + b"\n")

    def _opened(self) -> BinaryIO:
        if self._file is None:
            try:
                # Unbuffered: a line is either with the system or was never written.
                file = self.path.open("ab+", buffering=0)
            except OSError as error:
                raise StateError(f"{self.path} cannot be used: {error.strerror}") from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.close()
                raise StateError(f"{self.path} is in use by another simulator") from error
            self._file = file
        return self._file

    def _whole_lines(self) -> list[bytes]:
        file = self._opened()
        file.seek(0)
        *lines, torn = b"".join(iter(lambda: file.read(1 << 20), b"")).split(b"\n")
        if torn:
            file.truncate(file.seek(0, os.SEEK_END) - len(torn))
        return lines

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            data = json.loads(line)
        except ValueError as error:
            raise StateError(f"{self.path}: line {number} is not JSON") from error
        if not isinstance(data, dict):
            raise StateError(f"{self.path}: line {number} is not a JSON object")
        return data
