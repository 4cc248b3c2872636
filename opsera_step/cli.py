"""The command line: one command an action, its options made from the table of inputs.

Only what the user typed is read here; what it means is the same as in a job.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from opsera_step import __version__
from opsera_step.cancel import Cancellation
from opsera_step.errors import ExitCode, OpseraStepError
from opsera_step.inputs import BY_NAME, Given, Input
from opsera_step.job import run_job, utf8

_ALWAYS = ("pipeline", "base_url", "token_file", "timeout", "ca_bundle", "config", "output_file")
_FOLLOWING = (
    "on_timeout", "on_cancel", "on_paused", "logs", "log_limit", "poll_interval", "report_dir",
)  # fmt: skip
_OPTIONS = {
    "run": (*_ALWAYS, *_FOLLOWING, "wait", "on_busy", "reset"),
    "watch": (*_ALWAYS, *_FOLLOWING, "run_count"),
    "status": (*_ALWAYS, "run_count"),
    "logs": (*_ALWAYS, "run_count", "logs", "log_limit", "report_dir"),
    "stop": (*_ALWAYS, "run_count"),
    "reset": _ALWAYS,
    "cleanup": (*_ALWAYS, "on_cancel"),
}
_HELP = {
    "run": "Start a pipeline, print its log, and end with its verdict.",
    "watch": "Follow a run that is there already: the newest, or --run-count.",
    "status": "Tell how a run stands.",
    "logs": "Print the log of a run as it is now.",
    "stop": "Ask a pipeline to stop after its current operation.",
    "reset": "Put a pipeline back to its first step.",
    "cleanup": "Stop the run that a killed job left behind.",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="opsera-step")
def group() -> None:
    """Run Opsera pipelines, follow their logs, and end with their verdicts.

    The access token comes from OPSERA_TOKEN or --token-file. Every option can be set as a
    variable too: --on-paused is OPSERA_ON_PAUSED. Try `opsera-step demo`: it needs no account.
    """


def _option_name(one: Input) -> str:
    return "--" + one.name.replace("_", "-")


def _option(one: Input) -> click.Option:
    """Make the option of an input; its value is checked with all others, not here."""
    shown_default = f"  [default: {one.default}]" if one.default else ""
    # `--wait` alone says true.
    optional_value: dict[str, Any] = (
        {"is_flag": False, "flag_value": "true"} if one.name == "wait" else {}
    )
    return click.Option(
        [_option_name(one), one.name],
        help=one.meaning + shown_default,
        metavar=f"[{'|'.join(one.words)}]" if one.words else "TEXT",
        **optional_value,
    )


def _cancellation() -> Cancellation:
    cancellation = Cancellation()
    cancellation.install()
    return cancellation


def _pipeline_command(name: str, option_names: Iterable[str]) -> click.Command:
    def act(**typed: str | None) -> int:
        named = typed.pop("pipeline_argument", None)
        if named is not None:
            typed["pipeline"] = named
        if typed.pop("no_wait", None):
            typed["wait"] = "false"
        options = {
            key: Given(value.strip(), _option_name(BY_NAME[key]))
            for key, value in typed.items()
            if value is not None and value.strip()
        }
        options["command"] = Given(name, "the command line")
        return run_job(os.environ, utf8(sys.stdout), _cancellation(), options=options)

    parameters: list[click.Parameter] = [
        click.Argument(["pipeline_argument"], required=False, metavar="[PIPELINE]"),
        *(_option(one) for one in BY_NAME.values() if one.name in set(option_names)),
    ]
    if name == "run":
        parameters.append(
            click.Option(
                ["--no-wait"], is_flag=True, default=None, help="The same as --wait false."
            )
        )
    return click.Command(
        name, callback=act, params=parameters, help=_HELP[name], short_help=_HELP[name]
    )


for _name, _names in _OPTIONS.items():
    group.add_command(_pipeline_command(_name, _names))


def _switches(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not equals:
            raise click.BadParameter(f"{name!r} has no value: write it as {name}=VALUE.")
    return {name: value for name, _, value in pairs}


def _simulator_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--scenario", default="success", show_default=True, help="What happens."),
        click.option(
            "--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 1000),
            help="How much faster than real time the pipeline runs.",
        ),
        click.option(
            "--switch", "switches", multiple=True, callback=_switches, metavar="NAME=VALUE",
            help="How the API behaves where its page leaves it open; docs/simulator.md lists them.",
        ),
        click.option("--seed", default=1, show_default=True, help="Seed of all that is random."),
    ):  # fmt: skip
        command = option(command)
    return command


@group.command(short_help="Play the main job against the built-in simulator.")
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
def demo(platform: str, *, listing: bool, show_outputs: bool, **simulated: Any) -> int:
    """Play the main job against the built-in simulator: no account, no network.

    The exit code is the job's: 1 for a scenario that fails.
    """
    from opsera_step.demo import Stage, list_scenarios, play  # noqa: PLC0415 - only here

    if listing:
        list_scenarios(sys.stdout)
        return ExitCode.SUCCESS
    stage = Stage(utf8(sys.stdout), os.environ, _cancellation(), platform)
    with _simulator_faults_told():
        return play(stage, show_outputs=show_outputs, **simulated)


@group.command(short_help="Serve a simulated Opsera API.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, show_default=True, help="Port to listen on; 0: any free one.")
@click.option("--state", default=None, metavar="FILE", help="Keep what is changed in this file.")
@_simulator_options
def simulator(host: str, port: int, **simulated: Any) -> int:
    """Serve a simulated Opsera API until interrupted, and print how to use it."""
    from opsera_step.demo import serve  # noqa: PLC0415 - only here

    with _simulator_faults_told():
        return serve(sys.stdout, host, port, **simulated)


@contextmanager
def _simulator_faults_told() -> Iterator[None]:
    """Tell of a scenario or a switch that is not there as of any other wrong option."""
    from opsera_step.simulator import (  # noqa: PLC0415 - only here
        ScenarioError,
        StateError,
        SwitchError,
    )

    try:
        yield
    except (ScenarioError, StateError, SwitchError) as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"The simulator can't listen there: {error}") from None


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        result = group.main(arguments, prog_name="opsera-step", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has had enough; Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.SUCCESS
    except click.ClickException as error:
        error.show()
        return ExitCode.BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.SIGINT
    except OpseraStepError as error:
        click.echo(f"{error.message} {error.hint}".strip(), err=True)
        return error.exit_code
    return int(result or 0)


if __name__ == "__main__":
    sys.exit(main())
