"""Rewrite the files that follow from others: the config file's JSON Schema, and native/action.yml.

The schema follows from the table of inputs, the native action from action.yml, which a test holds
to the same table. Run it as `python3 dev.py schema`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
NATIVE = "native/action.yml"
_HEAD = """\
# Generated from action.yml by `python3 dev.py schema`; change that file instead.
#
# The same job as the docker action, without Docker: on Linux, macOS, and Windows, with the runner's
# own Python 3.10 or newer. A composite action has no post step; to stop the run of a step that was
# killed, add a step with `if: cancelled()`, `command: stop`, and the output runCount as run_count.
"""
_RUNS = """\
runs:
  using: composite
  steps:
    - id: run
      shell: bash
      env:
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


def native_action(root: Path = ROOT) -> str:
    """Return the text of the composite action with the inputs and outputs of action.yml."""
    action = yaml.safe_load((root / "action.yml").read_text("utf-8"))
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
    text = yaml.safe_dump(interface, sort_keys=False, allow_unicode=True, width=80)
    variables = "\n".join(
        f"        INPUT_{name.upper()}: ${{{{ inputs.{name} }}}}" for name in action["inputs"]
    )
    return f"{_HEAD}{text}{_RUNS.format(variables=variables)}"


def main() -> None:
    """Write the files."""
    sys.path.insert(0, str(ROOT))
    from opsera_step import __version__  # noqa: PLC0415
    from opsera_step.config.schema import PATH, build  # noqa: PLC0415

    schema = json.dumps(build(__version__), indent=2, ensure_ascii=False)
    (ROOT / PATH).write_text(f"{schema}\n", "utf-8")
    (ROOT / NATIVE).write_text(native_action(), "utf-8")


if __name__ == "__main__":
    main()
