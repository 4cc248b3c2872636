"""The first minute: the main job against the built-in simulator, as any platform would show it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from opsera_step.config import PREFIXES, Setting
from opsera_step.errors import InvalidInput
from opsera_step.job import run_job
from opsera_step.signals import Cancellation, interrupt_as_usual
from opsera_step.simulator.clocks import SpeedClock
from opsera_step.simulator.loading import scenario_names
from opsera_step.simulator.simulator import Simulator, serve_forever

# What makes a job look like one of these platforms, beside the files that are made for it.
_MARKS: Mapping[str, Mapping[str, str]] = {
    "plain": {"TERM": "dumb"},
    "github": {"GITHUB_ACTIONS": "true"},
    "gitlab": {"GITLAB_CI": "true"},
    "terminal": {"TERM": "xterm-256color"},
}
_GITHUB_FILES = ("GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
_KEPT = ("TERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "OPSERA_DEBUG")
INPUTS = (
    "wait", "timeout", "on_timeout", "on_cancel", "on_paused", "on_busy", "reset", "logs",
    "log_limit", "poll_interval", "report_dir",
)  # fmt: skip
"""The inputs of the job that a demonstration takes too, as options and from the environment."""


def list_scenarios(out: TextIO) -> None:
    """Print the scenarios, a line each."""
    lines = (f"{name:18} {description}\n" for name, description in scenario_names().items())
    out.writelines(lines)


@dataclass(frozen=True)
class Stage:
    """Where a demo plays: its log, the environment, and the platform to look like."""

    out: TextIO
    environ: Mapping[str, str]
    cancellation: Cancellation
    platform: str = "auto"
    options: Mapping[str, Setting] = field(default_factory=dict)
    """What was typed of the job's inputs."""


def play(
    stage: Stage,
    *,
    show_outputs: bool,
    scenario: str,
    speed: float,
    switches: Mapping[str, str],
    seed: int,
) -> int:
    """Play the job of one scenario and return its exit code."""
    clock = SpeedClock(speed)
    with (
        tempfile.TemporaryDirectory(prefix="opsera-step-demo-") as folder,
        _listening(Simulator(scenario, clock=clock, seed=seed, switches=switches)) as simulator,
    ):
        stage.out.write(f"Simulated Opsera API at {simulator.url}, scenario {scenario}.\n\n")
        stage.out.flush()
        environ = _environment(stage, Path(folder))
        options = {
            "base_url": simulator.url,
            "pipeline": simulator.pipeline_id,
            "token": simulator.token,
            "output_file": str(Path(folder) / "opsera.env"),
            "command": "run",
        }
        ours = {name: Setting(value, "the demo") for name, value in options.items()}
        given = {**stage.options, **ours}
        exit_code = run_job(environ, stage.out, stage.cancellation, options=given, clock=clock)
        if show_outputs:
            # The job's exit code stands, whoever reads on.
            with suppress(BrokenPipeError):
                _show_files(stage.out, environ, options["output_file"], exit_code)
    return exit_code


def serve(out: TextIO, host: str, port: int, *, scenario: str, speed: float, **rest: Any) -> int:
    """Serve the simulator until it is interrupted, by SIGTERM too: in a container that is usual."""
    interrupt_as_usual()
    clock = SpeedClock(speed)
    made = Simulator(scenario, clock=clock, host=host, port=port, **rest)
    with _listening(made) as simulator, suppress(KeyboardInterrupt):
        out.write(
            f"{simulator.url}\n"
            f"OPSERA_BASE_URL={simulator.url}\n"
            f"OPSERA_PIPELINE={simulator.pipeline_id}\n"
            f"OPSERA_TOKEN={simulator.token}\n"
        )
        out.flush()
        serve_forever(simulator)
    return 0


def _listening(simulator: Simulator) -> Simulator:
    """Have a simulator listen; what keeps it from that is told as a wrong option is."""
    try:
        return simulator.start()
    except OSError as error:
        # The server adds to the reason on which address it tried.
        why = (error.strerror or str(error)).partition(" (while")[0]
        raise InvalidInput([f"The simulator can't listen there: {why}"]) from None


def _environment(stage: Stage, folder: Path) -> dict[str, str]:
    """Make the environment of a job of that platform; `auto` is the one that we are in."""
    inputs = [prefix + name.upper() for name in INPUTS for prefix in PREFIXES]
    kept = {name: stage.environ[name] for name in (*_KEPT, *inputs) if name in stage.environ}
    if stage.platform == "github":
        kept |= {name: str(folder / name.lower()) for name in _GITHUB_FILES}
    return {**kept, **_MARKS.get(stage.platform, {})}


def _show_files(out: TextIO, marks: Mapping[str, str], output_file: str, exit_code: int) -> None:
    """Show what the next CI step can read, and the summary of the job's page."""
    out.write(f"\nExit code {exit_code}. Outputs for later steps:\n")
    outputs = Path(output_file).read_text("utf-8") if Path(output_file).exists() else ""
    shortened = (line if len(line) < 160 else f"{line[:160]}…" for line in outputs.splitlines())
    out.writelines(f"  {line}\n" for line in shortened)
    if "GITHUB_STEP_SUMMARY" in marks:
        out.write("\nStep summary, as Markdown:\n")
        out.write(Path(marks["GITHUB_STEP_SUMMARY"]).read_text("utf-8"))
