"""The native action and the reusable workflow: generated, with the docker action's interface."""

from __future__ import annotations

import yaml

from opsera_step import __version__
from scripts.generate import NATIVE, WORKFLOW, native_action, workflow
from tests.support import ROOT


def load(name):
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_it_is_what_is_generated():
    text = (ROOT / NATIVE).read_text("utf-8")
    assert text == native_action(), "rewrite it with: python3 dev.py schema"


def test_the_reusable_workflow_is_what_is_generated():
    text = (ROOT / WORKFLOW).read_text("utf-8")
    assert text == workflow(__version__), "rewrite it with: python3 dev.py schema"


def test_the_reusable_workflow_passes_its_inputs_and_outputs_on():
    called = load(WORKFLOW)
    interface, job = called[True]["workflow_call"], called["jobs"]["run"]
    (step,) = job["steps"]
    own = {"runner", "environment", "timeout_minutes"}
    given = {name: f"${{{{ inputs.{name} }}}}" for name in interface["inputs"] if name not in own}
    assert step["with"] == {"token": "${{ secrets.OPSERA_TOKEN }}", **given}
    assert {name: one["value"] for name, one in interface["outputs"].items()} == {
        name: f"${{{{ jobs.run.outputs.{name} }}}}" for name in load("action.yml")["outputs"]
    }
    assert job["outputs"] == {
        name: f"${{{{ steps.run.outputs.{name} }}}}" for name in interface["outputs"]
    }


def test_inputs_and_outputs_are_those_of_the_docker_action():
    docker, native = load("action.yml"), load(NATIVE)
    (step,) = native["runs"]["steps"]
    assert native["inputs"] == docker["inputs"]
    assert step["env"] == {
        "MSYS2_ENV_CONV_EXCL": "INPUT_;OPSERA_",
        **{f"INPUT_{name.upper()}": f"${{{{ inputs.{name} }}}}" for name in docker["inputs"]},
    }
    assert {name: one["value"] for name, one in native["outputs"].items()} == {
        name: f"${{{{ steps.{step['id']}.outputs.{name} }}}}" for name in docker["outputs"]
    }
