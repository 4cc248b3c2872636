"""The command that prints a shell completion script."""

from __future__ import annotations

from collections.abc import Mapping

import click
from click.shell_completion import get_completion_class

from opsera_step.cli.invocation import invocation
from opsera_step.cli.options import HelpfulCommand

SHELLS = ("bash", "zsh", "fish")
_UNSORTED = "complete -o nosort -F %(complete_func)s %(prog_name)s"
_SORTED = _UNSORTED.replace("-o nosort ", "")
_MENDED: Mapping[str, tuple[str, str]] = {
    # Older versions of bash, such as that of macOS, don't support `nosort`.
    "bash": (_UNSORTED, f"{_UNSORTED} 2>/dev/null || {_SORTED}"),
    # Without this a shell whose start-up file does not call compinit would know no `compdef`.
    "zsh": (
        "    compdef ",
        "    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }\n    compdef ",
    ),
    # A help text with a comma would be cut there.
    "fish": ('string split "," ', 'string split -m 1 "," '),
}
"""What is changed in click's script for a shell."""


@click.command(
    cls=HelpfulCommand,
    short_help="Print a shell completion script.",
    examples=[
        'eval "$(opsera-step completion bash)"                      # in ~/.bashrc',
        'eval "$(opsera-step completion zsh)"                       # in ~/.zshrc',
        "opsera-step completion fish > ~/.config/fish/completions/opsera-step.fish",
    ],
)
@click.argument("shell", metavar="SHELL", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print a script that completes commands and options in a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"Completion for {shell} is not supported.")
    root = context.find_root()
    script = kind(root.command, {}, "opsera-step", "_OPSERA_STEP_COMPLETE")
    # Not `source()`: of bash it first asks for the version, and there need be none here.
    template = script.source_template.replace(*_MENDED[shell])
    invocation().out.write(template % script.source_vars() + "\n")
    return 0
