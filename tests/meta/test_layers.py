"""The arrows between the modules: who may import whom, and what the core must not touch."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys

import pytest

from tests.meta.source import PACKAGE, ROOT, below, imports, inner, modules, tree

RENDER = below("render")
PLATFORMS = below("platforms")
SIMULATOR = below("simulator")
CLIENT = below("client")
CLI = below("cli")
DOCTOR = below("doctor")
EDGE = PLATFORMS | SIMULATOR | CLIENT | CLI | DOCTOR | {PACKAGE} | {
    f"{PACKAGE}.{name}"
    for name in (
        "report", "settings", "cancel", "cancelling", "context", "commands", "cleanup", "job",
        "queries", "log_command", "update_command", "start", "demo", "__main__",
    )
}  # fmt: skip
"""Where effects are: the network, files, signals, the environment, the clock."""
OF_THE_CLIENT = (
    "access_token", "account", "calls", "errors", "json_values", "listing", "models",
    "record_reader", "timing",
)  # fmt: skip
"""What the client may use: what the API's JSON means, and no more."""
GROUND = {f"{PACKAGE}.errors", f"{PACKAGE}.timing"}
CORE = set(modules()) - EDGE - GROUND
"""All others: pieces that only compute, and take what they need."""
HOMES = {
    "requests": CLIENT,
    "urllib3": CLIENT,
    "jinja2": RENDER,
    "click": CLI,
    "yaml": {f"{PACKAGE}.yaml_tree", f"{PACKAGE}.yaml_data"} | SIMULATOR,
    "werkzeug": SIMULATOR,
}
"""Where each third-party package may be imported, and nowhere else."""
PLATFORM_VARIABLE = re.compile(r"\b(?:GITHUB|GITLAB|JENKINS|RUNNER|CI)_[A-Z]")


def named(*names: str) -> set[str]:
    return {f"{PACKAGE}.{name}" for name in names}


@pytest.mark.parametrize("package", HOMES)
def test_third_party_packages_stay_in_their_homes(package):
    """Only the named modules import a third-party package, also by late imports."""
    users = {one for one in modules() if package in {name.split(".")[0] for name in imports(one)}}
    assert users <= HOMES[package]
    assert users, f"nobody imports {package} any more: take it from the dependencies"


def test_there_are_no_other_dependencies():
    """Everything that is imported is the standard library's, ours, or has a home."""
    names = {name.split(".")[0] for one in modules() for name in imports(one)}
    assert names - set(sys.stdlib_module_names) - {PACKAGE} == set(HOMES)


def test_the_core_is_the_core():
    """The pieces that decide how a run is started, followed and shown are without effects."""
    assert named("trigger", "follow", "feed", "logs", "sanitize", "redaction") <= CORE
    assert named("inputs", "outcome") <= CORE
    assert RENDER <= CORE


def test_there_are_no_circles():
    """No module imports itself by way of others, not even late."""
    waiting = {one: inner(one) - {one} for one in modules()}
    while ready := {one for one, needs in waiting.items() if not needs & set(waiting)}:
        waiting = {one: needs for one, needs in waiting.items() if one not in ready}
    assert waiting == {}


def test_nothing_is_imported_by_a_computed_name():
    """Only the simulator's package loads its own names late; nobody else hides an import."""
    hidden = re.compile(r"import_module|__import__|find_spec")
    users = {one for one, path in modules().items() if hidden.search(path.read_text("utf-8"))}
    assert users <= named("simulator")


def test_the_simulator_stands_alone():
    """The simulator shares no code with client or models, so no wrong belief cancels out."""
    foreign = {name for one in SIMULATOR for name in inner(one)} - SIMULATOR
    assert foreign <= named("timing")


def test_only_the_demo_knows_the_simulator():
    """No job can ever talk to the simulator by mistake."""
    users = {one for one in modules() if inner(one) & SIMULATOR} - SIMULATOR
    assert users <= named("cli.play", "demo")


@pytest.mark.parametrize(
    ("users", "allowed"),
    [
        (CORE, CORE | GROUND | {PACKAGE}),
        (PLATFORMS, PLATFORMS | named("timing", "columns")),
        (CLIENT, CLIENT | named(*OF_THE_CLIENT) | {PACKAGE}),
        (named("report"), named("outcome") | RENDER),
        (GROUND, set()),
        (named("cancel"), GROUND),
    ],
    ids=["core", "platforms", "client", "report", "ground", "cancel"],
)
def test_arrows_point_down(users, allowed):
    """Each layer imports only what lies below it."""
    assert users <= set(modules())
    assert {one: inner(one) - allowed for one in users if inner(one) - allowed} == {}


@pytest.mark.parametrize("module", sorted(CORE))
def test_the_core_has_no_effects(module):
    """The core reads no environment and no file, prints nothing, takes no time but the Clock's."""
    forbidden = {"os", "sys", "time", "random", "io", "pathlib", "threading", "signal", "socket"}
    assert {name.split(".")[0] for name in imports(module)} & forbidden == set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"print", "open", "input"}
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"now", "utcnow", "today", "environ", "getenv"}


def test_only_platforms_know_platforms():
    """Nobody outside of platforms names a variable of one, but the demo, which imitates them."""
    knowing = {
        f"{one}: {text}"
        for one in set(modules()) - PLATFORMS - named("demo")
        for text in _strings(tree(one))
        if PLATFORM_VARIABLE.search(text)
    }
    assert knowing == set()


def test_a_job_loads_only_what_it_needs():
    """Start-up is felt in every job: loading one takes neither click, jinja2, yaml nor werkzeug."""
    loaded = _loaded_by("opsera_step.job")
    packages = {name.split(".")[0] for name in loaded}
    assert packages & {"click", "jinja2", "yaml", "werkzeug"} == set()
    late = (
        "simulator", "cli", "doctor", "account", "client.account", "views", "render.formats",
        "render.page", "render.junit", "render.summary", "render.templates",
    )  # fmt: skip
    assert not {
        one for one in loaded if f"{one}.".startswith(tuple(f"{PACKAGE}.{n}." for n in late))
    }


def test_signals_are_handled_before_anything_is_loaded():
    """The start of the process loads no third-party package: a signal may come at once."""
    assert {name.split(".")[0] for name in _loaded_by("opsera_step.start")} & set(HOMES) == set()


def _loaded_by(module: str) -> list[str]:
    code = f"import sys, json, {module}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def _strings(node: ast.AST) -> list[str]:
    """Return the string constants of a module, but for docstrings, which may tell of anything."""
    told = {id(one.value) for one in ast.walk(node) if isinstance(one, ast.Expr)}
    return [
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in told
    ]
