"""Where the job runs: every difference between GitHub, GitLab, Jenkins, and a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from opsera_step.clock import Clock
from opsera_step.platforms.base import Platform
from opsera_step.platforms.github import GitHub
from opsera_step.platforms.gitlab import GitLab
from opsera_step.platforms.split import Split
from opsera_step.platforms.terminal import Terminal, can_move_cursor, window_size

PLATFORMS: Mapping[str, type[Platform]] = {
    "plain": Platform,
    "github": GitHub,
    "gitlab": GitLab,
    "terminal": Terminal,
}


def detect(environ: Mapping[str, str], out: TextIO, clock: Clock) -> Platform:
    """Return the platform, from the variables that it sets in each job; any other one is plain."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return GitHub(environ, out, clock)
    if environ.get("GITLAB_CI") == "true":
        return GitLab(environ, out, clock)
    if can_move_cursor(environ, out):
        return Terminal(environ, out, clock)
    return Platform(environ, out, clock)


__all__ = ["PLATFORMS", "Platform", "Split", "detect", "window_size"]
