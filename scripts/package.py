"""Build opsera-step.pyz: the package and its requirements in one file that any Python 3.10 runs.

    package.py [FILE]     default: dist/opsera-step.pyz; FILE.sha256 is written beside it

The same checkout gives the same bytes on every machine: the locked wheels are those of one
platform, only their parts in Python are taken, and nothing is compressed, since compressors
differ. Needs Python with pip.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
_PACKAGE = "opsera_step"
_WHEELS = (
    "--only-binary=:all:", "--implementation=cp", "--python-version=3.10", "--abi=cp310",
    "--abi=none", "--platform=manylinux2014_x86_64", "--platform=any",
)  # fmt: skip
_SHEBANG = b"#!/usr/bin/env python3\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build(target: Path, root: Path = ROOT) -> str:
    """Write the file and its checksum, and return the checksum (SHA-256)."""
    entries = dict(own_files(root))
    with tempfile.TemporaryDirectory() as wheels:
        _download(root / "requirements.txt", Path(wheels))
        for wheel in Path(wheels).glob("*.whl"):
            entries.update(_files_of(wheel))
    data = archive(entries)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(0o755)
    digest = hashlib.sha256(data).hexdigest()
    target.with_name(f"{target.name}.sha256").write_text(f"{digest}  {target.name}\n", "utf-8")
    return digest


def own_files(root: Path = ROOT) -> Iterator[tuple[str, bytes]]:
    """Yield the files of this project by their names in the archive."""
    yield "__main__.py", (root / "entrypoint.py").read_bytes()
    yield "LICENSE", (root / "LICENSE").read_bytes()
    for path in (root / _PACKAGE).rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(root).as_posix(), path.read_bytes()


def _download(lock: Path, directory: Path) -> None:
    if " ; " in lock.read_text("utf-8"):
        raise ValueError(f"{lock.name} has markers, which depend on the machine")
    command: list[str | Path] = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps",
        "--disable-pip-version-check", "--require-hashes", *_WHEELS, "--dest", directory,
        "--requirement", lock,
    ]  # fmt: skip
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _files_of(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the modules and data of a wheel, and its licenses."""
    with zipfile.ZipFile(wheel) as file:
        for name in file.namelist():
            path = PurePosixPath(name)
            if path.suffix in (".py", ".pem") or "licenses" in path.parts:
                yield name, file.read(name)


def archive(entries: dict[str, bytes]) -> bytes:
    """Return files by name as a program that Python runs."""
    buffer = io.BytesIO()
    buffer.write(_SHEBANG)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        for name, data in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, also where it is built elsewhere.
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, data)
    return buffer.getvalue()


def main() -> None:
    """Build the file that the command line names."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist/opsera-step.pyz")
    digest = build(target.absolute())
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, SHA-256 {digest}")


if __name__ == "__main__":
    main()
