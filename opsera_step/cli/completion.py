"""The command that prints a script with which a shell completes our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from opsera_step.cli.host import host
from opsera_step.cli.options import HelpfulCommand

SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=HelpfulCommand,
    short_help="Print a script for a shell's completion.",
    examples=[
        'eval "$(opsera-step completion bash)"                      # in ~/.bashrc',
        'eval "$(opsera-step completion zsh)"                       # in ~/.zshrc',
        "opsera-step completion fish > ~/.config/fish/completions/opsera-step.fish",
    ],
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print a script with which a shell completes commands and options."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    root = context.find_root()
    script = kind(root.command, {}, "opsera-step", "_OPSERA_STEP_COMPLETE")
    # Not `source()`: of bash it first asks for the version, and there need be none here.
    host().out.write(script.source_template % script.source_vars() + "\n")
    return 0
