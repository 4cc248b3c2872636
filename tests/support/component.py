"""GitLab's treatment of a component: check the inputs, insert them as text, then parse the YAML.

Sources: https://docs.gitlab.com/ci/inputs/ and lib/gitlab/ci/config/interpolation in GitLab
(TextInterpolator, TextTemplate, and Inputs::*). Its regular expressions are RE2's, where ^ and $
match at the ends of the text only.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tests.support import ROOT

TEMPLATE = ROOT / "gitlab" / "templates" / "run.yml"
_BLOCK = re.compile(r"\$\[\[\s*inputs\.(\w+)\s*\]\]")


class Refused(Exception):
    """GitLab would not create the pipeline."""


@lru_cache
def declared() -> dict[str, dict[str, Any]]:
    """Return the inputs that the component declares."""
    header = yaml.safe_load(TEMPLATE.read_text("utf-8").split("\n---\n")[0])
    return {name: one or {} for name, one in header["spec"]["inputs"].items()}


def insert(inputs: Mapping[str, str]) -> str:
    """Return the text of the component's jobs with the inputs inserted."""
    spec = declared()
    unknown = set(inputs) - set(spec)
    if unknown:
        raise Refused(f"unknown inputs {unknown}")
    values = {name: _checked(name, one, inputs.get(name)) for name, one in spec.items()}
    _, body = TEMPLATE.read_text("utf-8").split("\n---\n")
    # One pass: what is inserted is not looked at again.
    return _BLOCK.sub(lambda found: values[found[1]], body)


def jobs(inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the jobs that GitLab creates."""
    try:
        found = yaml.safe_load(insert(inputs))
    except yaml.YAMLError as error:
        raise Refused(str(error)) from None
    assert isinstance(found, dict)
    return found


def environment_of(
    script: list[str], directory: Path, variables: Mapping[str, str]
) -> dict[str, str]:
    """Run a job's script as a runner's shell does; return what our program's environment was."""
    stub = '#!/bin/sh\nenv -0 > "$RECORD"\n'
    for name in ("opsera-step", "opsera-step-job"):
        (directory / name).write_text(stub)
        (directory / name).chmod(0o755)
    record = directory / "record"
    record.unlink(missing_ok=True)
    done = subprocess.run(
        ["/bin/sh", "-e"], input="\n".join(script) + "\n", text=True, cwd=directory, check=False,
        capture_output=True, timeout=20,
        env={**variables, "PATH": f"{directory}:/usr/bin:/bin", "RECORD": str(record)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr == ""
    pairs = (one.partition("=") for one in record.read_text("utf-8").split("\0") if one)
    return {name: value for name, _, value in pairs}


def _checked(name: str, spec: Mapping[str, Any], value: str | None) -> str:
    if value is None:
        if "default" not in spec:
            raise Refused(f"{name} is required")
        default = spec["default"]
        value = str(default).lower() if isinstance(default, bool) else str(default)
    kind = spec.get("type", "string")
    if kind == "boolean" and value not in ("true", "false"):
        raise Refused(f"{name} is no boolean")
    if kind == "number" and not re.fullmatch(r"-?\d+(\.\d+)?", value, re.ASCII):
        raise Refused(f"{name} is no number")
    if "options" in spec and value not in map(str, spec["options"]):
        raise Refused(f"{name} is none of its options")
    if "regex" in spec and not re.search(_as_re2(spec["regex"]), value):
        raise Refused(f"{name} does not match its regular expression")
    return value


def _as_re2(pattern: str) -> str:
    """Write a regular expression so that $ does not match before a last line break either."""
    return re.sub(r"\$$", r"\\Z", pattern)
