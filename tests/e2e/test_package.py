"""The single file opsera-step.pyz: the same bytes everywhere, and all of the program in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from opsera_step.simulator import Simulator, SpeedClock
from scripts import package
from tests.support import ROOT, scenes
from tests.support.authority import Authority
from tests.support.standin import PIPELINE, Opsera
from tests.support.wire import Wire, ok

PARTS = ("opsera_step", "scripts", "entrypoint.py", "LICENSE", "requirements.txt")


def run(program, directory, *arguments, python=sys.executable, **environ):
    """Run the file with nothing but an empty home."""
    return subprocess.run(
        [python, "-I", program, *arguments], cwd=directory, check=False, timeout=60,
        env={"PATH": os.defpath, "HOME": str(directory), **environ},
        stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8",
    )  # fmt: skip


def test_the_program_runs_from_an_archive(tmp_path):
    """Its own files from there, its requirements from this environment."""
    program = tmp_path / "own.pyz"
    program.write_bytes(package.archive(dict(package.own_files())))
    done = run(program, tmp_path, "demo", "--speed", "50", "--platform", "github")
    assert done.returncode == 0, done.stderr
    assert "::group::" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["own.pyz"]


def test_an_older_python_is_refused(tmp_path):
    """Also where that Python could not even read the package."""
    program = tmp_path / "old.py"
    source = (ROOT / "entrypoint.py").read_text("utf-8")
    program.write_text(f"import sys; sys.version_info = (3, 9, 1)\n{source}", "utf-8")
    done = run(program, tmp_path, "--version")
    assert done.stderr == "opsera-step needs Python 3.10 or newer; this is 3.9.\n"
    assert done.returncode == 1


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The file as it is built from this checkout, under one umask."""
    target = tmp_path_factory.mktemp("package") / "opsera-step.pyz"
    built(ROOT, target, "022")
    return target


def built(root, target, umask):
    command = f'umask {umask}; exec "$@"'
    arguments = [sys.executable, root / "scripts/package.py", target]
    subprocess.run(["sh", "-c", command, "sh", *arguments], check=True, cwd=target.parent)


@pytest.mark.long
class TestWhole:
    """The file with its requirements, which come from the package index."""

    def test_the_same_checkout_gives_the_same_bytes(self, program, tmp_path):
        copy = tmp_path / "elsewhere"
        copy.mkdir()
        for name in PARTS:
            make = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            make(ROOT / name, copy / name)
        for path in copy.rglob("*"):
            path.chmod(0o700)
            os.utime(path, (1, 1))
        target = tmp_path / program.name
        built(copy, target, "077")
        assert target.read_bytes() == program.read_bytes()
        digest = hashlib.sha256(program.read_bytes()).hexdigest()
        checksum = Path(f"{program}.sha256").read_text("utf-8")
        assert checksum == f"{digest}  opsera-step.pyz\n"

    def test_the_demo_needs_nothing_else(self, program, tmp_path):
        done = run(program, tmp_path, "demo", "--speed", "50", python=bare_python(tmp_path))
        assert done.returncode == 0, done.stderr
        assert "OPSERA_STATUS=success" in done.stdout

    def test_a_job_writes_its_report(self, program, tmp_path):
        (tmp_path / "opsera.yml").write_text("on_paused: wait\n", "utf-8")
        inputs = {"REPORT_DIR": "report", "CONFIG": "opsera.yml", "OUTPUT_FILE": "opsera.env"}
        with Simulator(scenes.FAILS, clock=SpeedClock(20.0), seed=1) as simulator:
            inputs |= {
                "BASE_URL": simulator.url, "TOKEN": simulator.token,
                "PIPELINE": simulator.pipeline_id,
            }  # fmt: skip
            environ = {f"OPSERA_{name}": value for name, value in inputs.items()}
            done = run(program, tmp_path, python=bare_python(tmp_path), **environ)
        assert done.returncode == 1, done.stdout + done.stderr
        report = {path.name for path in (tmp_path / "report").iterdir()}
        assert report >= {"result.json", "report.html", "junit.xml", "log.txt"}

    def test_tls_works(self, program, tmp_path):
        """The certificates that come along have to be a file for OpenSSL."""
        authority = Authority(tmp_path)
        with Wire(ok({"status": "success"}), tls=authority.context()) as wire:
            environ = {
                "OPSERA_BASE_URL": wire.url, "OPSERA_TOKEN": Opsera.token,
                "OPSERA_PIPELINE": PIPELINE, "OPSERA_CA_BUNDLE": authority.bundle,
            }  # fmt: skip
            run(program, tmp_path, "status", "--timeout", "3s", **environ)
        assert wire.requests


def bare_python(directory):
    """Return a Python without any packages."""
    home = directory / "bare"
    if not home.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    return home / "bin/python"
