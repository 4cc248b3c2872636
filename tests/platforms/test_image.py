"""The image: size, contents, labels, isolation."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.platforms.containers import inputs
from tests.platforms.running import run

MEGABYTE = 1_000_000
ROOM = 25 * MEGABYTE
"""Size limit beyond the base."""
HALF_A_SECOND = 0.5

BYTECODE = """
import importlib.util, pathlib, sys
bad = []
for path in pathlib.Path("/opt/opsera-step").rglob("*.py"):
    if path.name == "entrypoint.py":
        continue
    compiled = pathlib.Path(importlib.util.cache_from_source(str(path)))
    flags = compiled.read_bytes()[4:8] if compiled.exists() else b""
    if flags != bytes([1, 0, 0, 0]):  # Checked by hash, and never at run time.
        bad.append(str(path))
print(bad)
"""


def inspect(facts, image):
    done = run([facts["docker"], "image", "inspect", image], 30)
    assert done.ok, done
    return json.loads(done.output)[0]


def test_it_is_small(facts, evidence):
    """It adds at most 25 MB to the slim base."""
    base, image = (inspect(facts, facts[name])["Size"] for name in ("base", "image"))
    more = image - base
    evidence(f"{more / MEGABYTE:.1f} MB over the base of {base / MEGABYTE:.0f} MB")
    assert 0 < more <= ROOM


def test_it_adds_nothing_but_itself(facts, containers):
    """All files that the base doesn't have are in one directory: no pip, caches, or tests."""
    listing = "find / -xdev -not -path '/proc*' -not -path '/sys*' -not -path '/dev*' -type f"
    before = set(containers.shell(listing, image=facts["base"]).splitlines())
    after = set(containers.shell(listing).splitlines())
    added = {path for path in after - before if not path.startswith(("/run/", "/etc/", "/tmp/"))}
    ours = "/opt/opsera-step/"
    outside = {path for path in added if not path.startswith(ours)}
    assert outside == {"/usr/local/bin/opsera-step", "/usr/local/bin/opsera-step-job"}
    parts = {part for path in added for part in path.removeprefix(ours).split("/")}
    assert not parts & {"pip", "setuptools", "wheel", "tests", "pytest"}
    assert not [path for path in before - after if not path.startswith(("/run/", "/etc/", "/tmp/"))]


def test_it_has_no_compiler(containers):
    """There is no C compiler."""
    names = containers.shell("command -v cc gcc g++ clang make ld cargo || true").split()
    assert names == []


def test_its_bytecode_is_compiled(containers):
    """Every module has bytecode that Python uses without checking its source."""
    program = run(
        [containers.program, "run", "--rm", "--entrypoint", "/opt/opsera-step/bin/python3",
         containers.image, "-Ic", BYTECODE], 60,
    )  # fmt: skip
    assert program.output.strip() == "[]", program


def test_all_users_may_read_it(containers):
    """Also if it was built from a checkout that only its owner may read."""
    script = (
        "find /opt/opsera-step /usr/local/bin/opsera-step* -not -type l"
        " \\( -not -perm -o=r -o -perm /go=w -o -type d -not -perm -o=x \\)"
    )
    assert containers.shell(script) == ""


def test_its_labels(facts):
    """The labels contain version, commit, license, base, and source."""
    labels = inspect(facts, facts["image"])["Config"]["Labels"]
    found = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert found["title"] == "opsera-step"
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", found["version"])
    assert re.fullmatch(r"[0-9a-f]{6,40}", found["revision"])
    assert found["licenses"] == "Apache-2.0"
    assert found["base.name"] == facts["base"]
    assert found["source"].startswith("https://")
    assert found["description"]
    assert found["documentation"]


def test_it_keeps_the_default_user_and_directory(facts):
    """GitHub requires the default user and directory, and an entry point in exec form."""
    config = inspect(facts, facts["image"])["Config"]
    assert not config.get("User")
    assert config.get("WorkingDir") in ("", "/", None)
    assert config["Entrypoint"][0].startswith("/")
    assert len(config["Entrypoint"]) > 1


def test_the_first_request_comes_early(containers, simulate, evidence):
    """The first request leaves less than half a second after the start of the process.

    An empty container is started for comparison. A busy machine gets more attempts.
    """
    simulator = simulate("slow", speed=1.0)
    empty, ours = [], []
    for _ in range(10):
        started = time.time()
        containers.shell("exit 0")
        empty.append(time.time() - started)
        started, before = simulator.now, len(simulator.requests)
        job = containers.start("status", **inputs(simulator))
        job.wait()
        ours.append(simulator.requests[before].time - started)
        if len(ours) >= 3 and min(ours) - min(empty) < HALF_A_SECOND:
            break
    evidence(f"first call {min(ours):.2f} s after docker run; an empty one takes {min(empty):.2f}")
    assert min(ours) - min(empty) < HALF_A_SECOND


@pytest.mark.parametrize("arguments", [(), ("run",)], ids=["job", "command line"])
def test_a_hostile_checkout_changes_nothing(containers, simulate, tmp_path, arguments):
    """Modules with the same names, and variables that point to them, change nothing."""
    names = (
        "requests urllib3 opsera_step yaml click jinja2 json os encodings re site sitecustomize"
        " usercustomize entrypoint typing certifi idna"
    )
    for name in names.split():
        (tmp_path / f"{name}.py").write_text("print('HIJACKED'); raise SystemExit(99)\n")
    (tmp_path / "sh").write_text("#!/bin/sh\necho HIJACKED; exit 99\n")
    (tmp_path / "sh").chmod(0o755)
    simulator = simulate()
    hostile = {
        "PYTHONPATH": "/checkout", "PYTHONHOME": "/checkout", "PYTHONSTARTUP": "/checkout/json.py",
        "PYTHONUSERBASE": "/checkout", "PYTHONWARNINGS": "error", "PATH": "/checkout",
        "HOME": "/nowhere", "PYTHONBREAKPOINT": "json.x", "PYTHONNOUSERSITE": "",
        "PYTHONSAFEPATH": "", "PYTHONPLATLIBDIR": "/checkout", "LANG": "xx_YY", "LC_ALL": "C",
    }  # fmt: skip
    flags = [word for name, value in hostile.items() for word in ("--env", f"{name}={value}")]
    done = containers.run(
        *arguments,
        options=("--volume", f"{tmp_path}:/checkout", "--workdir", "/checkout", *flags),
        **inputs(simulator),
    )
    assert done.code == 0, done
    assert "HIJACKED" not in done.output
    assert "succeeded" in done.output


def test_with_arguments_it_is_the_command_line(containers):
    """Without arguments it is the job, which has no inputs here."""
    version, job = containers.run("--version"), containers.run()
    assert (version.code, job.code) == (0, 2), (version, job)
    assert "opsera-step" in version.output
    assert "OPSERA_TOKEN" in job.output


def test_it_has_a_shell_and_the_commands_on_path(containers):
    """GitLab needs a shell; `opsera-step` prints its help, and `opsera-step-job` is the job."""
    assert "Usage: opsera-step" in containers.shell("opsera-step")
    assert "OPSERA_TOKEN" in containers.shell("opsera-step-job || test $? = 2")
