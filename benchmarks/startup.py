"""Start-up: from the start of a process to the first byte of its first API call."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from benchmarks.children import ENTRYPOINT, PIPELINE, TOKEN, job_environment
from benchmarks.figures import Section, Table, figure
from benchmarks.listening import FirstByte
from scripts import package

JOB, REQUESTS = "the job (`entrypoint.py`)", "`import requests` and a call"
SINGLE_FILE = "the single file (`opsera-step.pyz`)"
Command = tuple[str, ...]
_CALL = "/api/v1/pipeline/summary"
_SOCKET = """
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1].rpartition(":")[2])))
c.sendall(b"POST / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); c.recv(9)
"""
_REQUESTS = """
import sys, requests
requests.post(sys.argv[1], json={"pipelineId": sys.argv[2]}, headers={"Authorization": sys.argv[3]})
"""
_NODE = """
fetch(process.argv[1], {method: "POST", headers: {Authorization: process.argv[3],
  "Content-Type": "application/json"}, body: JSON.stringify({pipelineId: process.argv[2]})})
"""
_METHOD = """\
From the start of the process to the first byte of its first request, over plain HTTP on the
loopback interface, with files and bytecode in the cache. The goal is at most 1.4 times a bare
`import requests` with one call."""


def measure(rounds: int) -> Section:
    """Start each of them so many times, in changing order."""
    order = random.Random(1)  # noqa: S311 - an order, no secret
    server = FirstByte()
    with tempfile.TemporaryDirectory() as directory:
        contenders = _contenders(Path(directory))
        taken: dict[str, list[float]] = {name: [] for name in contenders}
        for turn in range(rounds + 1):
            names = list(contenders)
            order.shuffle(names)
            for name in names:
                seconds = first_call(contenders[name](server.url), server, Path(directory))
                if turn:  # The first round only warms up.
                    taken[name].append(1000 * seconds)
    server.close()
    ours, bare = (figure(taken[name]).median / 1000 for name in (JOB, REQUESTS))
    instead = f"a Python script with `requests`: {bare:.2f} s"
    top = ("How long until the first request?", f"{ours:.2f} s", instead)
    return Section("start-up", "Start-up", _METHOD, (_table(taken),), _notes(contenders), (top,))


def first_call(
    command: Command, server: FirstByte, directory: Path, environ: Mapping[str, str] | None = None
) -> float:
    """Start a command and return the seconds up to the first byte of its request."""
    environ = environ or job_environment(server.url)
    started = time.perf_counter()
    child = subprocess.Popen(
        command,
        cwd=directory,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return server.moment() - started
    finally:
        child.wait(60)


def _contenders(directory: Path) -> dict[str, Callable[[str], Command]]:
    python, bearer = (sys.executable, "-I", "-c"), f"Bearer {TOKEN}"
    found: dict[str, Callable[[str], Command]] = {
        JOB: lambda _: ENTRYPOINT,
        REQUESTS: lambda url: (*python, _REQUESTS, url + _CALL, PIPELINE, bearer),
        "Python alone, a bare socket": lambda url: (*python, _SOCKET, url),
    }
    single_file = directory / "opsera-step.pyz"
    with suppress(subprocess.CalledProcessError):  # Without a package index.
        package.build(single_file)
        found[SINGLE_FILE] = lambda _: (sys.executable, "-Iu", str(single_file))
    if node := shutil.which("node", path=os.environ.get("PATH")):
        found["Node, `fetch`"] = lambda url: (node, "-e", _NODE, url + _CALL, PIPELINE, bearer)
    if curl := shutil.which("curl"):
        found["curl"] = lambda url: (
            curl, "-s", "-H", f"Authorization: {bearer}", "-d", "{}", url + _CALL,
        )  # fmt: skip
    return found


def _table(taken: Mapping[str, list[float]]) -> Table:
    bare = figure(taken[REQUESTS], "ms")
    rows = ((name, figure(ms, "ms"), figure(ms).over(bare)) for name, ms in taken.items())
    return Table(("what starts", "to the first byte", f"times {REQUESTS}"), tuple(rows))


def _notes(contenders: Mapping[str, object]) -> tuple[str, ...]:
    missing = [name for name in (SINGLE_FILE, "Node, `fetch`", "curl") if name not in contenders]
    return tuple(f"{name}: not available on this machine." for name in missing)
