"""The differences between GitHub, GitLab, Jenkins, and a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from opsera_step.clock import Clock, SystemClock
from opsera_step.platforms.base import OPEN, ORIGIN, Platform
from opsera_step.platforms.terminal import Terminal, can_move_cursor, window_size

PLATFORMS = ("plain", "github", "gitlab", "terminal")
SUMMARY_FILE = "summary.md"
"""Name of the step summary file on an emulated platform that has one."""


def detect(environ: Mapping[str, str], out: TextIO, clock: Clock | None = None) -> Platform:
    """Return the platform, from the variables that it sets in each job; any other one is plain."""
    if environ.get("GITHUB_ACTIONS") == "true":
        name = "github"
    elif environ.get("GITLAB_CI") == "true":
        name = "gitlab"
    else:
        name = "terminal" if can_move_cursor(environ, out) else "plain"
    return platform_class(name)(environ, out, clock or SystemClock())


def emulate(name: str, directory: Path) -> dict[str, str]:
    """Return the variables that make a job look like one on a platform."""
    if name == "github":
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(directory / "outputs"),
            "GITHUB_STATE": str(directory / "state"),
            "GITHUB_STEP_SUMMARY": str(directory / SUMMARY_FILE),
        }
    if name == "gitlab":
        return {"GITLAB_CI": "true"}
    return {"TERM": "xterm-256color" if name == "terminal" else "dumb"}


def own_variables(environ: Mapping[str, str], *, is_job: bool) -> dict[str, str]:
    """Return the environment without INPUT_ variables that belong to another program.

    They are ours in GitHub's action and in its post step, where the environment describes the
    whole job. Anywhere else (a command line in another action's script, a Jenkins build
    parameter), they aren't.
    """
    if is_job and environ.get("GITHUB_ACTIONS") == "true":
        return dict(environ)
    return {name: value for name, value in environ.items() if not name.startswith("INPUT_")}


def platform_class(name: str) -> type[Platform]:
    """Return the class of a platform; GitHub's and GitLab's load only in their jobs."""
    if name == "github":
        from opsera_step.platforms.github import GitHub  # noqa: PLC0415

        return GitHub
    if name == "gitlab":
        from opsera_step.platforms.gitlab import GitLab  # noqa: PLC0415

        return GitLab
    return Terminal if name == "terminal" else Platform


__all__ = [
    "OPEN", "ORIGIN", "PLATFORMS", "SUMMARY_FILE", "Platform", "detect", "emulate", "own_variables",
    "platform_class", "window_size",
]  # fmt: skip
