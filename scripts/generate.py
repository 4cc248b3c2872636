"""Rewrite the files that follow from others: JSON Schema, native action, and reusable workflow.

The schema of the config file follows from the table of inputs, the others from action.yml, which a
test holds to the same table. Run it as `python3 dev.py schema`.
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
NATIVE = "native/action.yml"
WORKFLOW = ".github/workflows/run.yml"
_HEAD = """\
# Generated from action.yml by `python3 dev.py schema`; change that file instead.
#
# The same job as the docker action, without Docker: on Linux, macOS, and Windows, with the runner's
# own Python 3.10 or newer. A composite action has no post step: to stop the run of a step that was
# killed, add a step with `if: cancelled()`, `command: cleanup`, and `run_count`, the first one's
# output runCount.
"""
_RUNS = """\
runs:
  using: composite
  steps:
    - id: run
      shell: bash
      env:
        # On Windows, Bash would convert values such as /opt/shop to its own paths.
        MSYS2_ENV_CONV_EXCL: INPUT_;OPSERA_
{variables}
      # exec, so that a signal from the runner reaches Python itself.
      run: |
        for python in python3 python python3.14 python3.13 python3.12 python3.11 python3.10; do
          if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2> /dev/null; then
            exec "$python" -Iu "$GITHUB_ACTION_PATH/run.py"
          fi
        done
        echo "::error title=opsera-step::This action needs Python 3.10 or newer on the runner." \\
          "Add a step with actions/setup-python before it, or use the docker action."
        exit 2
"""
_NOT_IN_WORKFLOW = ("token", "token_file", "output_file", "report_dir", "ca_bundle", "config")
"""A secret, and files: the job has no checkout, and no other step reads its files."""
_WORKFLOW = """\
# Generated from action.yml by `python3 dev.py schema`; change that file instead.
#
# A reusable workflow: one job that runs an Opsera pipeline. examples/github/organization.yml calls
# it. To fix inputs for many repositories, call it from a reusable workflow of your own.
name: {name}

on:
  workflow_call:
    inputs:
      runner:
        description: Label of a Linux runner with Docker.
        type: string
        default: ubuntu-latest
      environment:
        description: Environment of the job, if it has protection rules or the secret.
        type: string
        default: ""
      timeout_minutes:
        description: Time limit of the job in minutes, longer than the input timeout.
        type: number
        default: 75
{inputs}
    secrets:
      OPSERA_TOKEN:
        description: Opsera access token, unless the environment has it.
        required: false
    outputs:
{outputs}

permissions: {{}}

jobs:
  run:
    name: Run the pipeline
    runs-on: ${{{{ inputs.runner }}}}
    environment: ${{{{ inputs.environment }}}}
    timeout-minutes: ${{{{ inputs.timeout_minutes }}}}
    outputs:
{job_outputs}
    steps:
      # A reusable workflow can't refer to its own commit. The tag of a release never moves.
      - id: run
        uses: opsera-step/opsera-step@v{version} # zizmor: ignore[unpinned-uses]
        with:
          token: ${{{{ secrets.OPSERA_TOKEN }}}}
{given}
"""


def native_action(root: Path = ROOT) -> str:
    """Return the text of the composite action with the inputs and outputs of action.yml."""
    action = _action(root)
    outputs = {
        name: {**output, "value": f"${{{{ steps.run.outputs.{name} }}}}"}
        for name, output in action["outputs"].items()
    }
    interface = {
        "name": f"{action['name']} (native)",
        "description": action["description"],
        "author": action["author"],
        "inputs": action["inputs"],
        "outputs": outputs,
    }
    text = yaml.safe_dump(interface, sort_keys=False, allow_unicode=True, width=75)
    variables = "\n".join(
        f"        INPUT_{name.upper()}: ${{{{ inputs.{name} }}}}" for name in action["inputs"]
    )
    return f"{_HEAD}{text}{_RUNS.format(variables=variables)}"


def workflow(version: str, root: Path = ROOT) -> str:
    """Return the text of the reusable workflow, whose job is the action of a version."""
    action = _action(root)
    names = [name for name in action["inputs"] if name not in _NOT_IN_WORKFLOW]
    inputs = {name: {**action["inputs"][name], "type": "string", "default": ""} for name in names}
    outputs = {
        name: {**output, "value": f"${{{{ jobs.run.outputs.{name} }}}}"}
        for name, output in action["outputs"].items()
    }
    return _WORKFLOW.format(
        name=action["name"],
        inputs=_indented(inputs, 6),
        outputs=_indented(outputs, 6),
        job_outputs=_indented(
            {name: f"${{{{ steps.run.outputs.{name} }}}}" for name in action["outputs"]}, 6
        ),
        version=version,
        given=_indented({name: f"${{{{ inputs.{name} }}}}" for name in names}, 10),
    )


def _action(root: Path) -> dict[str, Any]:
    action: dict[str, Any] = yaml.safe_load((root / "action.yml").read_text("utf-8"))
    return action


def _indented(data: object, spaces: int) -> str:
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=80 - spaces)
    return textwrap.indent(text, " " * spaces).rstrip()


def main() -> None:
    """Write the files."""
    sys.path.insert(0, str(ROOT))
    from opsera_step import __version__  # noqa: PLC0415
    from opsera_step.config.schema import PATH, build  # noqa: PLC0415

    schema = json.dumps(build(__version__), indent=2, ensure_ascii=False)
    (ROOT / PATH).write_text(f"{schema}\n", "utf-8")
    (ROOT / NATIVE).write_text(native_action(), "utf-8")
    (ROOT / WORKFLOW).write_text(workflow(__version__), "utf-8")


if __name__ == "__main__":
    main()
