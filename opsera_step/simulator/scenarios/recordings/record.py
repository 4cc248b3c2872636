"""Record what a command prints on a terminal, with its timing, as an asciicast v2 file.

The command sees a bare environment, so that nothing of the recording machine gets in.
"""

from __future__ import annotations

import argparse
import codecs
import fcntl
import json
import os
import pty
import shlex
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

WIDTH, HEIGHT = 100, 30
# What comes within this time is one event: a terminal would draw it in one go.
SAME_FRAME_SECONDS = 0.012

Event = tuple[float, str]


def environment(home: Path, extra: list[str]) -> dict[str, str]:
    """Build the whole environment of the command."""
    path = f"{home}/.venv/bin:/usr/local/bin:/usr/bin:/bin"
    base = {"HOME": str(home), "PATH": path, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    return base | dict(pair.split("=", 1) for pair in extra)


def start(command: list[str], directory: Path, env: dict[str, str]) -> tuple[int, int]:
    """Start the command on a new terminal, and return its process and the terminal's other end."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(directory)
        # Set from inside, before the command asks for it.
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        os.execvpe(command[0], command, env)  # noqa: S606 - no shell is the point
    return process, terminal


def chunks(terminal: int) -> Iterator[Event]:
    """Yield (seconds since the start, text) until the terminal closes."""
    started = time.monotonic()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux returns EIO once the last process has closed the terminal.
            return
        if not data:
            return
        yield time.monotonic() - started, decoder.decode(data)


def frames(events: Iterator[Event]) -> Iterator[Event]:
    """Join what came at practically the same time."""
    first = last = 0.0
    text = ""
    for seconds, more in events:
        if text and seconds - last > SAME_FRAME_SECONDS:
            yield first, text
            text = ""
        first = first if text else seconds
        last = seconds
        text += more
    if text:
        yield first, text


def main() -> int:
    """Record one command; the exit code is the command's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cast", type=Path, help="the file to write")
    parser.add_argument("--title", required=True)
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="where to run it")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("command", nargs="+", help="after --: the command and its arguments")
    options = parser.parse_args()
    env = environment(options.directory, options.env)
    header = {"version": 2, "width": WIDTH, "height": HEIGHT, "title": options.title}
    header["command"] = shlex.join(options.command)
    process, terminal = start(options.command, options.directory, env)
    with options.cast.open("w", encoding="utf-8") as cast:
        for row in [header, *([round(at, 3), "o", text] for at, text in frames(chunks(terminal)))]:
            cast.write(json.dumps(row, ensure_ascii=False) + "\n")
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
