"""The container image: its size, its layers, and the time to a container's first request."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from benchmarks.children import ENTRYPOINT, PIPELINE, ROOT, TOKEN
from benchmarks.figures import Cell, Figure, Section, Table, figure
from benchmarks.listening import FirstByte
from benchmarks.startup import first_call

_TAG = "localhost/opsera-step:benchmark"
_METHOD = """\
The image is built from the Dockerfile. The compressed size is that of its layers with gzip, about
what a runner downloads; the layers of the base image are often cached. Cold: the file system cache
was emptied, where possible. Warm: the image was run before. Both are measured from `docker run`,
with the host's network, to the first byte of the first request."""


def measure(rounds: int) -> Section:
    """Build the image and measure it; report where that can't be done."""
    engine, why = _engine()
    failed = why or _build(engine)
    if failed:
        return Section("image", "Image", _METHOD, (), (f"Not measured here: {failed}",))
    sizes = _sizes(engine)
    return Section(
        "image", "Image", _METHOD, (sizes, _starts(engine, rounds)), (f"Engine: {engine}.",)
    )


def _engine() -> tuple[str, str]:
    for name in ("docker", "podman"):
        if shutil.which(name):
            done = _call((name, "info"))
            if done.returncode == 0:
                return name, ""
    return "", "no container engine is available."


def _build(engine: str) -> str:
    done = _call((engine, "build", "--quiet", "--tag", _TAG, str(ROOT)), seconds=300)
    if done.returncode == 0:
        return ""
    lines = (done.stderr.strip() or "no error message").splitlines()
    return f"the image could not be built: {lines[-1][:200]}"


def _sizes(engine: str) -> Table:
    found: list[dict[str, Any]] = json.loads(_call((engine, "image", "inspect", _TAG)).stdout)
    layers = found[0]["RootFS"]["Layers"]
    rows: tuple[tuple[Cell, ...], ...] = (
        ("size, not compressed", f"{found[0]['Size'] / 1e6:.0f} MB"),
        ("size, compressed", f"{_compressed(engine) / 1e6:.0f} MB"),
        ("layers", str(len(layers))),
    )
    return Table(("image", "here"), rows)


def _compressed(engine: str) -> int:
    """Count the bytes of all layers with gzip, as a stream: the image is not kept in memory."""
    counter = _Counter()
    with (
        subprocess.Popen((engine, "save", _TAG), stdout=subprocess.PIPE) as saving,
        gzip.GzipFile(fileobj=counter, mode="wb", compresslevel=6) as packed,
    ):
        shutil.copyfileobj(_stream(saving.stdout), packed, 1 << 20)
    return counter.count


class _Counter:
    """A file that only counts what is written to it."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, data: bytes) -> int:
        """Count."""
        self.count += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing."""


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuntimeError("the engine has no output")
    return stream


def _starts(engine: str, rounds: int) -> Table:
    server = FirstByte()
    command = (
        engine, "run", "--rm", "--network=host", f"--env=OPSERA_TOKEN={TOKEN}",
        f"--env=OPSERA_PIPELINE={PIPELINE}", f"--env=OPSERA_BASE_URL={server.url}", _TAG,
    )  # fmt: skip

    environ = dict(os.environ)
    with tempfile.TemporaryDirectory() as directory:
        where = Path(directory)
        can_empty = _empty_cache()
        cold, warm, bare = [], [], []
        for _ in range(rounds):
            if can_empty:
                _empty_cache()
                cold.append(1000 * first_call(command, server, where, environ))
            first_call(command, server, where, environ)
            warm.append(1000 * first_call(command, server, where, environ))
            bare.append(1000 * first_call(ENTRYPOINT, server, where))
    server.close()
    rows: list[tuple[Cell, ...]] = []
    outside = figure(bare, "ms")
    if cold:
        rows.append(("`run`, cold", figure(cold, "ms"), _over(cold, outside)))
    rows.append(("`run`, warm", figure(warm, "ms"), _over(warm, outside)))
    rows.append(("without a container", outside, _over(bare, outside)))
    return Table(("start", "to the first byte", "times without a container"), tuple(rows))


def _over(values: Sequence[float], other: Figure) -> Figure:
    return figure(values).over(other)


def _empty_cache() -> bool:
    """Flush and drop the cache of the file system, which only root may."""
    try:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3", "ascii")
    except OSError:
        return False
    return True


def _call(command: Sequence[str], seconds: float = 60) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"timed out after {seconds:.0f} s")
