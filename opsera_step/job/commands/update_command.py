"""The command `tool update`: show what changes, ask, send it, and see what became of it.

It is sent again only where no good answer came: the same values twice are the same tool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opsera_step.api import Tool
from opsera_step.errors import InvalidInput
from opsera_step.job.commands.account import answer_of, called, find_tool, tell
from opsera_step.job.commands.update_tool import Update, not_taken, plan_update
from opsera_step.job.context import Context


@dataclass(frozen=True)
class Wish:
    """How a tool is to be changed, and who agrees."""

    named: dict[str, Any]
    """The properties that the user named, with their new values."""
    agreed: bool
    ask: Callable[[], bool] | None = None
    """Asks the user; None where there is nobody to ask."""

    def carry_out(self, job: Context) -> None:
        """Replace properties of a tool, after showing what changes."""
        tool = find_tool(job)
        update = plan_update(tool.data, self.named)
        for warning in update.warnings:
            job.caution(warning)
        if not update.changes:
            tell(job, answer_of(tool), f"Nothing to change: {called(job, tool)} is so already.")
            return
        job.log.say(f"Changes of the tool {called(job, tool)}:")
        for line in update.differences:
            job.log.say("  " + job.scrubber.inline(line, 1000))
        if not self.agreed and not self._agrees():
            tell(job, answer_of(tool), "Nothing was changed.")
            return
        updated = _send(job, tool, update)
        for key in not_taken(updated.data, update.changes):
            job.caution(f"{key}: Opsera's answer does not show the value that was sent.")
        done = ", ".join(job.scrubber.inline(key, 100) for key in update.changes)
        tell(job, answer_of(updated), f"The tool {called(job, updated)} was updated: {done}.")

    def _agrees(self) -> bool:
        if self.ask is None:
            raise InvalidInput(
                ["tool update: nobody can be asked here; add --yes to make these changes"]
            )
        return self.ask()


def _send(job: Context, tool: Tool, update: Update) -> Tool:
    """Send the changes, and return the tool as it is then: as it was answered, or is read back."""
    calls = job.client.account
    job.changing = "the tool was being changed"
    updated = job.call_with_retry(lambda until: calls.update_tool(tool.id, update.changes, until))
    job.changing = ""
    return updated or job.call_with_retry(lambda until: calls.tool(tool.id, until))
