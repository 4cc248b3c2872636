"""The commands that need no Opsera account: the demo, and the simulator on its own."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from opsera_step.cli.invocation import invocation
from opsera_step.cli.options import HelpfulCommand, completing, with_inputs
from opsera_step.cli.runs import FOLLOWING, STARTING
from opsera_step.config import Setting
from opsera_step.errors import ExitCode, InvalidInput
from opsera_step.job import Output, run_job
from opsera_step.platforms import PLATFORMS, SUMMARY_FILE, emulate
from opsera_step.signals import Signals
from opsera_step.text import nearest

if TYPE_CHECKING:
    from opsera_step.clock import Clock
    from opsera_step.simulator import Simulator

# Everything here loads the simulator late: most commands never need it.

_OUTPUT_FILE = "opsera.env"
_KEPT = ("TERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "OPSERA_DEBUG")
INPUTS = (
    "branch", "parameters", "wait", "timeout", "on_timeout", "on_cancel", "on_paused", "on_busy",
    "reset", "logs", "log_limit", "timestamps", "poll_interval", "report_dir",
)  # fmt: skip
"""The inputs of a job that the demo accepts, as options and from the environment."""
_MOST_LISTED = 40
_NEXT = """
Next: add --list to this command to list other scenarios. To run one, add --scenario NAME.
"""


def _flag_settings(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> Any:
    from opsera_step.simulator import ScenarioError, parse_flags  # noqa: PLC0415

    try:
        return parse_flags(values)
    except ScenarioError as error:
        raise click.BadParameter(_sentence(str(error))) from None


def _scenarios() -> Iterable[str]:
    from opsera_step.simulator import scenario_names  # noqa: PLC0415

    return scenario_names()


def _simulator_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option(
            "--scenario", default="success", show_default=True, metavar="NAME",
            shell_complete=completing(_scenarios),
            help="Scenario to simulate: a name from `demo --list`, or the path of a YAML file.",
        ),
        click.option(
            "--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 1000),
            help="How much faster than real time the pipeline runs.",
        ),
        click.option(
            "--flag", "flags", multiple=True, callback=_flag_settings, metavar="NAME=VALUE",
            help="Override undocumented API behavior; see docs/simulator.md.",
        ),
        click.option("--seed", default=1, show_default=True, help="Random seed."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command(
    cls=HelpfulCommand,
    short_help="Run a job against the built-in simulator.",
    examples=[
        "opsera-step demo",
        "opsera-step demo --scenario approval --on-paused wait",
        "opsera-step demo --scenario failure --platform github --speed 5",
        "opsera-step demo --list",
    ],
)
@click.option(
    "--platform",
    type=click.Choice(["auto", *PLATFORMS]),
    default="auto",
    show_default=True,
    help="Log format to emulate.",
)
@click.option("--list", "listing", is_flag=True, help="List the scenarios and exit.")
@click.option("--show-outputs/--no-outputs", default=True, help="Print the outputs at the end.")
@_simulator_options
@with_inputs(*FOLLOWING, *STARTING, "timeout")
def demo(platform: str, *, listing: bool, show_outputs: bool, **options: Any) -> int:
    """Run a job against the built-in simulator. Needs no account and no network.

    Exits with the job's exit code, so 1 for a scenario that fails. Accepts the options of
    `opsera-step run` that control the job.
    """
    here = invocation()
    here.carried_out = not listing
    if listing:
        list_scenarios(here.out)
        return ExitCode.SUCCESS
    typed = here.options("run", {name: options.pop(name) for name in INPUTS})
    stage = DemoHost(here.out, here.environ, here.install_signals(), platform, typed)
    with _as_usage_errors():
        return play(stage, show_outputs=show_outputs, **options)


@click.command(
    cls=HelpfulCommand,
    short_help="Serve a simulated Opsera API.",
    examples=["opsera-step simulator --port 8080 --scenario busy --speed 10"],
)
@click.option(
    "--host", "address", default="127.0.0.1", show_default=True, help="Address to listen on."
)
@click.option(
    "--port",
    default=0,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 selects a free port.",
)
@_simulator_options
def simulator(address: str, port: int, **options: Any) -> int:
    """Serve a simulated Opsera API until interrupted.

    Prints its URL and the variables to use it with: OPSERA_BASE_URL, OPSERA_PIPELINE,
    OPSERA_TOKEN.
    """
    if not re.fullmatch(r"localhost|127(\.\d+){3}|::1", address):
        click.echo(
            f"Listening on {address}: everyone who can reach this port can read the simulator's "
            "token and change its state.",
            err=True,
        )
    with _as_usage_errors():
        return serve(invocation().out, address, port, **options)


def list_scenarios(out: TextIO) -> None:
    """Print the scenarios, one per line."""
    from opsera_step.simulator import scenario_names  # noqa: PLC0415

    lines = (f"{name:18} {description}\n" for name, description in scenario_names().items())
    out.writelines(lines)


@dataclass(frozen=True)
class DemoHost:
    """Where a demo runs: its log, the environment, and the platform to emulate."""

    out: TextIO
    environ: Mapping[str, str]
    signals: Signals
    platform: str = "auto"
    options: Mapping[str, Setting] = field(default_factory=dict)
    """The inputs of the job that were typed as options."""


def play(
    stage: DemoHost,
    *,
    show_outputs: bool,
    scenario: str,
    speed: float,
    flags: Mapping[str, object],
    seed: int,
    clock: Clock | None = None,
) -> int:
    """Run the job of one scenario and return its exit code; `clock` replaces the fast one."""
    from opsera_step.simulator import Simulator, SpeedClock  # noqa: PLC0415

    clock = clock or SpeedClock(speed)
    with (
        tempfile.TemporaryDirectory(prefix="opsera-step-demo-") as directory,
        _listening(Simulator(scenario, clock=clock, seed=seed, flags=flags)) as simulated,
    ):
        stage.out.write(f"Simulated Opsera API: {simulated.url} (scenario {scenario})\n\n")
        stage.out.flush()
        environ = _environment(stage, Path(directory))
        options = {
            "base_url": simulated.url,
            "pipeline": simulated.pipeline_id,
            "token": simulated.token,
            "output_file": str(Path(directory, _OUTPUT_FILE)),
            "command": "run",
            # Neither a config file of this directory, nor a warning about one.
            "config": os.devnull,
        }
        own = {name: Setting(value, "the demo") for name, value in options.items()}
        given = {**stage.options, **own}
        output = Output(stage.out)
        exit_code = run_job(environ, output, stage.signals, options=given, clock=clock)
        if show_outputs:
            # The exit code stays the same if the reader is gone.
            with suppress(BrokenPipeError):
                _print_files(stage.out, Path(directory), exit_code)
                stage.out.write(_NEXT)
    return exit_code


def serve(out: TextIO, address: str, port: int, *, speed: float, **options: Any) -> int:
    """Serve the simulator until it is interrupted (SIGINT, or SIGTERM as in a container)."""
    from opsera_step.simulator import Simulator, SpeedClock  # noqa: PLC0415

    Signals().restore()
    made = Simulator(clock=SpeedClock(speed), host=address, port=port, **options)
    with _listening(made) as simulated, suppress(KeyboardInterrupt):
        out.write(
            f"{simulated.url}\n"
            f"OPSERA_BASE_URL={simulated.url}\n"
            f"OPSERA_PIPELINE={simulated.pipeline_id}\n"
            f"OPSERA_TOKEN={simulated.token}\n"
        )
        out.flush()
        simulated.wait()
    return 0


def _listening(simulated: Simulator) -> Simulator:
    try:
        return simulated.start()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput([f"The simulator cannot listen on this address: {reason}"]) from None


def _environment(stage: DemoHost, directory: Path) -> dict[str, str]:
    """Return the environment of a job on the platform to emulate; `auto` is the current one."""
    inputs = [f"OPSERA_{name.upper()}" for name in INPUTS]
    kept = {name: stage.environ[name] for name in (*_KEPT, *inputs) if name in stage.environ}
    return kept if stage.platform == "auto" else kept | emulate(stage.platform, directory)


def _print_files(out: TextIO, directory: Path, exit_code: int) -> None:
    """Print what later CI steps can read, and the step summary."""
    output_file, summary = directory / _OUTPUT_FILE, directory / SUMMARY_FILE
    out.write(f"\nExit code {exit_code}. Outputs for later steps:\n")
    outputs = output_file.read_text("utf-8") if output_file.exists() else ""
    shortened = (line if len(line) < 160 else f"{line[:160]}…" for line in outputs.splitlines())
    out.writelines(f"  {line}\n" for line in shortened)
    if summary.exists():
        out.write(f"\nStep summary (Markdown):\n{summary.read_text('utf-8')}")


@contextmanager
def _as_usage_errors() -> Iterator[None]:
    """Report an unknown scenario or an invalid flag like any other invalid option."""
    from opsera_step.simulator import ScenarioError  # noqa: PLC0415

    try:
        yield
    except ScenarioError as error:
        message = str(error)
        close = nearest(error.unknown, error.known) if error.unknown else ""
        if close:
            message = f"{message.partition(';')[0]}. Did you mean {close}?"
        elif len(error.known) > _MOST_LISTED:
            message = f"{message.partition(';')[0]}. See docs/simulator.md for all names."
        raise click.UsageError(_sentence(message)) from None


def _sentence(message: str) -> str:
    if message.startswith(("unknown", "flag", "cannot")):
        message = message[0].upper() + message[1:]
    return message if message.endswith((".", "?")) else f"{message}."
