"""The commands that need no Opsera: the demonstration, and the simulator on its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from opsera_step.cli.invocation import host
from opsera_step.cli.options import HelpfulCommand, completing, completing_path, with_inputs
from opsera_step.cli.runs import FOLLOWING, STARTING
from opsera_step.errors import ExitCode
from opsera_step.text import nearest


def _switches(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not equals:
            raise click.BadParameter(f"{name!r} has no value: write it as {name}=VALUE.")
    return {name: value for name, _, value in pairs}


def _scenarios() -> Iterable[str]:
    from opsera_step.simulator.loading import scenario_names  # noqa: PLC0415 - only here

    return scenario_names()


def _simulator_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option(
            "--scenario", default="success", show_default=True, metavar="NAME",
            shell_complete=completing(_scenarios),
            help="What happens; `demo --list` lists the scenarios. Or the path of a YAML file.",
        ),
        click.option(
            "--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 1000),
            help="How much faster than real time the pipeline runs.",
        ),
        click.option(
            "--switch", "switches", multiple=True, callback=_switches, metavar="NAME=VALUE",
            help="How the API behaves where its page leaves it open; docs/simulator.md lists them.",
        ),
        click.option("--seed", default=1, show_default=True, help="Seed of all that is random."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command(
    cls=HelpfulCommand,
    short_help="Play the main job against the built-in simulator.",
    examples=[
        "opsera-step demo",
        "opsera-step demo --scenario approval --on-paused wait",
        "opsera-step demo --scenario failure --platform github --speed 5",
        "opsera-step demo --list",
    ],
)
@click.option(
    "--platform",
    type=click.Choice(["auto", "plain", "github", "gitlab", "terminal"]),
    default="auto",
    show_default=True,
    help="Whose job log to show.",
)
@click.option("--list", "listing", is_flag=True, help="List the scenarios.")
@click.option("--show-outputs/--no-outputs", default=True, help="Show the outputs at the end.")
@_simulator_options
@with_inputs(*FOLLOWING, *STARTING, "timeout")
def demo(platform: str, *, listing: bool, show_outputs: bool, **options: Any) -> int:
    """Play the main job against the built-in simulator: no account, no network.

    The exit code is the job's: 1 for a scenario that fails. How the job is to behave can be set as
    for `opsera-step run`.
    """
    from opsera_step.cli.demo_player import (  # noqa: PLC0415 - only here
        INPUTS,
        Stage,
        list_scenarios,
        play,
    )

    here = host()
    here.has_settled = not listing
    if listing:
        list_scenarios(here.out)
        return ExitCode.SUCCESS
    typed = here.options("run", {name: options.pop(name) for name in INPUTS})
    stage = Stage(here.out, here.environ, here.cancel(), platform, typed)
    with _simulator_faults_told():
        return play(stage, show_outputs=show_outputs, **options)


@click.command(
    cls=HelpfulCommand,
    short_help="Serve a simulated Opsera API.",
    examples=["opsera-step simulator --port 8080 --scenario busy --speed 10"],
)
@click.option("--host", "address", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0: any free one.",
)
@click.option(
    "--state", default=None, metavar="FILE", shell_complete=completing_path(),
    help="Keep what is changed in this file.",
)  # fmt: skip
@_simulator_options
def simulator(address: str, port: int, **simulated: Any) -> int:
    """Serve a simulated Opsera API until interrupted, and print how to use it."""
    from opsera_step.cli.demo_player import serve  # noqa: PLC0415 - only here

    if not re.fullmatch(r"localhost|127(\.\d+){3}|::1", address):
        told = "Whoever reaches the simulator can read its token and change its world."
        click.echo(f"Listening on {address}, not on this machine alone. {told}", err=True)
    with _simulator_faults_told():
        return serve(host().out, address, port, **simulated)


@contextmanager
def _simulator_faults_told() -> Iterator[None]:
    """Tell of a scenario or a switch that is not there as of any other wrong option."""
    from opsera_step.simulator.reading import ScenarioError  # noqa: PLC0415 - only here
    from opsera_step.simulator.state import StateError  # noqa: PLC0415 - only here
    from opsera_step.simulator.switches import SwitchError  # noqa: PLC0415 - only here

    try:
        yield
    except (ScenarioError, StateError, SwitchError) as error:
        raise click.UsageError(_with_guess(str(error))) from None


def _with_guess(told: str) -> str:
    """Add to a fault of the simulator what may have been meant, and end it as a sentence."""
    found = re.match(r"[a-z ]* named '(.+?)'; [a-z]+ are (.+)", told)
    close = nearest(found[1], found[2].split(", ")) if found else ""
    if found and close:
        told = f"{told.partition(';')[0]}. Did you mean {close}?"
    told = told[0].upper() + told[1:] if found else told
    return told if told.endswith((".", "?")) else f"{told}."
