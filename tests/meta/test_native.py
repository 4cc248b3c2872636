"""The native action: generated, and the same interface as that of the docker action."""

from __future__ import annotations

import yaml

from scripts.generate import NATIVE, native_action
from tests.support import ROOT


def load(name):
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_it_is_what_is_generated():
    text = (ROOT / NATIVE).read_text("utf-8")
    assert text == native_action(), "rewrite it with: python3 dev.py schema"


def test_inputs_and_outputs_are_those_of_the_docker_action():
    docker, native = load("action.yml"), load(NATIVE)
    (step,) = native["runs"]["steps"]
    assert native["inputs"] == docker["inputs"]
    assert step["env"] == {
        f"INPUT_{name.upper()}": f"${{{{ inputs.{name} }}}}" for name in docker["inputs"]
    }
    assert {name: one["value"] for name, one in native["outputs"].items()} == {
        name: f"${{{{ steps.{step['id']}.outputs.{name} }}}}" for name in docker["outputs"]
    }
