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
_MARK = "opsera_step_simulator"
_BEGINNING = f'{{"{_MARK}": '.encode()
_LATEST = 32503680000.0  # the year 3000


class StateError(ValueError):
    """A state file that cannot be used, in one sentence."""


class StateFile:
    """One state file, held by this process alone while it is open.

    A file that is refused is left as it was, to the last byte.
    """

    def __init__(self, path: str | Path, scenario: str, seed: int) -> None:
        """Open a file for a scenario and a seed; nothing is written before `begin`."""
        self.path = Path(path)
        self._header = {_MARK: _VERSION, "scenario": scenario, "seed": seed}
        self._file: BinaryIO | None = None
        self._end = 0  # of what is written as a whole

    def past(self) -> tuple[float, list[Deed]] | None:
        """Return when the world in the file began and all deeds since; None if it is empty."""
        lines = self._whole_lines()
        if not lines:
            return None
        header, *deeds = [self._parsed(line, number) for number, line in enumerate(lines, 1)]
        began = header.pop("began", None)
        self._check(header, began)
        return began, deeds

    def begin(self, began: float) -> None:
        """Forget all that is in the file, and begin anew."""
        self._opened().truncate(0)
        self._end = 0
        self._append({**self._header, "began": began})

    def keep(self, done: Deed) -> None:
        """Write down a deed."""
        if not self._end:
            raise StateError(f"{self.path} has lost its beginning; reset the simulator")
        self._append(done)

    def close(self) -> None:
        """Let go of the file; a deed that is done later opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, data: dict[str, Any]) -> None:
        """Write a line as a whole, or leave nothing of it."""
        file, line = self._opened(), json.dumps(data).encode() + b"\n"
        end, left = self._end + len(line), line
        try:
            file.truncate(self._end)  # what a killed process left of a line
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            file.truncate(self._end)
            raise StateError(f"{self.path} cannot be written: {error.strerror}") from error
        self._end = end

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = self._locked()
        return self._file

    def _locked(self) -> BinaryIO:
        if self.path.exists() and not self.path.is_file():
            raise StateError(f"{self.path} cannot be used: it is no file")
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
        if self._end and file.seek(0, os.SEEK_END) != self._end:
            file.close()
            raise StateError(f"{self.path} was changed by another simulator")
        return file

    def _whole_lines(self) -> list[bytes]:
        file = self._opened()
        file.seek(0)
        *lines, torn = b"".join(iter(lambda: file.read(1 << 20), b"")).split(b"\n")
        if not lines and not torn.startswith(_BEGINNING[: len(torn)]):
            raise self._foreign()
        self._end = sum(len(line) + 1 for line in lines)
        return lines

    def _parsed(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise StateError(f"{self.path}: line {number} is not JSON") from error
        if not isinstance(data, dict):
            raise StateError(f"{self.path}: line {number} is not a JSON object")
        return data

    def _check(self, header: dict[str, Any], began: object) -> None:
        version = header.get(_MARK)
        if isinstance(version, int) and version != _VERSION:
            raise StateError(
                f"{self.path} was written by another version of the simulator (in format "
                f"{version}, this one has {_VERSION}); choose another file"
            )
        if version is None or not isinstance(began, float) or not 0 <= began < _LATEST:
            raise self._foreign()
        if header != self._header:
            raise StateError(
                f"{self.path} holds the state of scenario {header.get('scenario')!r} with seed "
                f"{header.get('seed')!r}; go on with that one, or choose another file"
            )

    def _foreign(self) -> StateError:
        return StateError(
            f"{self.path} is no state file of this simulator; it was left as it is. "
            "Choose another file"
        )
