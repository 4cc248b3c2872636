"""The setup commands: doctor and init."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click

from opsera_step import __version__
from opsera_step.api import OpseraClient, Pipeline, pipeline_by_id_or_name
from opsera_step.api.fields import is_object_id
from opsera_step.cli.invocation import invocation
from opsera_step.cli.options import (
    ALWAYS,
    HelpfulCommand,
    completing_alias,
    completing_path,
    format_option,
    name_pipeline,
    with_inputs,
)
from opsera_step.clock import Deadline, SystemClock
from opsera_step.config import (
    DEFAULT_NAME,
    Inputs,
    RawSettings,
    Setting,
    alias_of,
    first_config,
    is_alias,
    problem_of,
    read_settings,
)
from opsera_step.doctor import command as doctor_command
from opsera_step.errors import ExitCode, InvalidInput, NotFound, OpseraStepError
from opsera_step.files import workspace_of, write_output_file
from opsera_step.text import Scrubber, clean_inline

_LONGEST_LISTING = 10.0
"""Seconds for asking about pipelines."""
_SHOWN = 50
"""Most pipelines to choose from."""


@click.command(
    cls=HelpfulCommand,
    short_help="Diagnose the configuration and the connection.",
    examples=[
        "opsera-step doctor",
        "opsera-step doctor shop --on-busy fail",
        "opsera-step doctor --format json",
        "opsera-step doctor shop --probe",
    ],
)
@click.argument(
    "pipeline_argument", required=False, metavar="[PIPELINE]",
    shell_complete=completing_alias("pipelines"),
)  # fmt: skip
@with_inputs("pipeline", *ALWAYS, "on_busy", "on_paused", "reset")
@click.option(
    "--probe",
    is_flag=True,
    help="Also test undocumented behavior of the API, without changes, and write the anonymized "
    "results to a file for an issue.",
)
@click.option(
    "--probe-file",
    default="opsera-probe.json",
    show_default=True,
    metavar="FILE",
    shell_complete=completing_path(),
    help="The file that --probe writes.",
)
@format_option()
def doctor(
    pipeline_argument: str | None, form: str, *, probe: bool, probe_file: str, **typed: str | None
) -> int:
    """Diagnose the configuration: what is wrong, and what to do about it.

    Checks the inputs and their sources, the connection to the API, the clock, the token and what it
    may do, and the pipeline. Makes no changes, and takes at most 20 seconds, with --probe two
    minutes. The exit code is 0 if there is no problem, otherwise that of a job: 2 for
    inputs, 3 for the API and the connection, 4 for the token, 8 if the pipeline is paused now.
    """
    here = invocation()
    here.carried_out = True
    name_pipeline(typed, pipeline_argument)
    return doctor_command.run(
        here.environ,
        here.out,
        here.install_signals(),
        options=here.options("doctor", typed),
        form=form,
        is_job=here.is_job,
        width=here.width(),
        probe_file=probe_file if probe else "",
        err=here.err,
    )


@click.command(
    cls=HelpfulCommand,
    short_help="Create a starter .opsera.yml.",
    examples=[
        "opsera-step init",
        "opsera-step init --pipeline 65a4f00dc0ffee0123456789 --alias shop",
    ],
)
@click.option("--alias", default="", help="Alias for the pipeline.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@with_inputs("pipeline", "config", "base_url", "token_file", "ca_bundle")
def init(alias: str, *, force: bool, **typed: str | None) -> int:
    """Create a starter .opsera.yml with an alias for a pipeline.

    On a terminal and with a token, you can choose the pipeline from a list. An existing file is
    overwritten only with --force.
    """
    here = invocation()
    # Most shells leave the ~ in `--config=~/x`.
    path = Path((typed["config"] or DEFAULT_NAME).strip()).expanduser()
    pipeline, options = (typed["pipeline"] or "").strip(), here.options("init", typed)
    del options["command"]
    problems = []
    if path.exists() and not force:
        problems.append(f"{path} already exists. Use --force to overwrite it")
    problems += [*_wrong_alias(alias), problem_of("pipeline", Setting(pipeline, "--pipeline"))]
    if any(problems):
        raise InvalidInput([problem for problem in problems if problem])
    # The file that is being replaced does not count.
    settings = read_settings(
        here.environ, {**options, "config": Setting(os.devnull, "init")}, on_terminal=False
    )
    name = _name_of(settings) if pipeline else ""
    if not pipeline and here.is_interactive:
        pipeline, name = _choose(settings)
    if alias and not pipeline:
        raise InvalidInput(["--alias needs a pipeline. Name one with --pipeline"])
    alias = alias or alias_of(name or pipeline)
    _write(path, first_config(__version__, alias, pipeline, name), force=force)
    named = f" {alias}" if pipeline else " PIPELINE"
    wrote = f"Wrote {clean_inline(str(path))}. Next:"
    click.echo(f"{wrote}\n\n  opsera-step doctor{named}\n  opsera-step run{named}")
    return ExitCode.SUCCESS


def _wrong_alias(alias: str) -> Iterator[str]:
    if is_object_id(alias):
        yield f"Invalid value {alias!r} for --alias. It looks like a pipeline ID"
    elif alias and not is_alias(alias):
        yield f"Invalid value {alias!r} for --alias. Use letters, digits, and . _ -"


def _name_of(settings: RawSettings) -> str:
    """Return the name of the pipeline if it exists; print what is wrong with it."""
    if "token" not in settings.values:
        return ""
    try:
        client, inputs, deadline = _connected(settings)
        return pipeline_by_id_or_name(client, inputs.pipeline, is_id=inputs.pipeline_is_id)(
            deadline
        ).name
    except OpseraStepError as error:
        if error.by_name or isinstance(error, NotFound):
            _warn(settings, "Warning:", f"{error.message} {error.hint}".strip())
        else:
            _warn(settings, "Could not look up the pipeline:", error.message)
    return ""


def _connected(settings: RawSettings) -> tuple[OpseraClient, Inputs, Deadline]:
    clock, wrong = SystemClock(), settings.invalid()
    if wrong:
        # The default of an invalid address is not the one that was meant.
        raise InvalidInput(list(wrong.values()))
    inputs = settings.valid_inputs()
    client = OpseraClient(inputs.base_url, inputs.token, clock, ca_bundle=inputs.ca_bundle)
    return client, inputs, Deadline.after(clock, _LONGEST_LISTING)


def _warn(settings: RawSettings, before: str, sentence: str) -> None:
    """Print the result of a request to stderr."""
    safe = Scrubber(settings.value("token"))
    click.echo(f"{before} {safe.inline(sentence)}", err=True)


def _choose(settings: RawSettings) -> tuple[str, str]:
    """Let the user choose a pipeline from those that the token sees; nothing if there are none."""
    found = _listed(settings)
    if not found:
        return "", ""
    for number, one in enumerate(found[:_SHOWN], 1):
        click.echo(f"{number:>4}  {clean_inline(one.name, 100)}  ({clean_inline(one.id, 40)})")
    if len(found) > _SHOWN:
        click.echo(f"      and {len(found) - _SHOWN} more: name one of them with --pipeline")
    limits = click.IntRange(0, min(len(found), _SHOWN))
    question = "Which pipeline (0 for none)"
    answer = int(invocation().ask(lambda: click.prompt(question, type=limits, default=0)))
    return (found[answer - 1].id, found[answer - 1].name) if answer else ("", "")


def _listed(settings: RawSettings) -> list[Pipeline]:
    """List the pipelines; if that fails, print the reason and continue without a list."""
    if "token" not in settings.values:
        click.echo("Set OPSERA_TOKEN to choose the pipeline from a list.", err=True)
        return []
    try:
        client, _, deadline = _connected(settings)
        listing = client.pipelines(deadline)
    except OpseraStepError as error:
        _warn(settings, "Could not list the pipelines:", error.message)
        return []
    if listing.is_truncated:
        click.echo("The API lists at most 1,000 pipelines; there may be more.", err=True)
    return [one for one in listing.items if one.id]


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        # Never over a file that was created meanwhile, unless that is wanted.
        if os.path.lexists(path) and not force:
            raise FileExistsError(None, "it already exists")
        write_output_file(str(path), text, workspace_of())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or "it is not text"
        raise InvalidInput([f"Can't write {path}: {why}"]) from None


SETUP_COMMANDS = (doctor, init)
