"""Warnings about a valid but suspicious configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from opsera_step.api.fields import is_object_id
from opsera_step.clock import format_duration
from opsera_step.config.inputs import (
    BY_NAME,
    FOLLOWING_COMMANDS,
    PREFIXES,
    RUN_COUNT_COMMANDS,
    Layer,
    PlatformDefaults,
    command_words,
    parse,
)
from opsera_step.config.parsers import is_quoted, odd_character
from opsera_step.text import nearest

TIMEOUT_MARGIN = 60.0
"""Seconds that a job needs before the platform ends it, to stop its run and to report."""

_OUTPUTS = {
    "STATUS", "MESSAGE", "PIPELINE_ID", "PIPELINE_NAME", "URL", "DURATION", "STARTED_AT",
    "FINISHED_AT", "FAILED_STEP", "LOG_LINES", "LOG_COMPLETE", "RESULT", "ORIGIN", "DEBUG",
}  # fmt: skip
"""What follows OPSERA_ in variables that are not inputs: what an earlier job wrote, and DEBUG."""
_VARIABLE = re.compile(r"[A-Za-z0-9_ -]{1,40}")
_ID_IN_URL = re.compile(r"/([0-9a-fA-F]{24})(?:/|$)")
_CLOSE = 0.8


def misspelled_variables(environ: Mapping[str, str], *, has_token: bool) -> Iterator[str]:
    """Yield a warning for each variable that is probably meant as an input."""
    known = {name.upper() for name in BY_NAME}
    for variable, value in environ.items():
        prefix = next((one for one in PREFIXES if variable.startswith(one)), "")
        rest = variable.removeprefix(prefix)
        if not prefix or not value.strip() or rest in known or rest in _OUTPUTS:
            continue
        if rest.startswith("STEP_") or not _VARIABLE.fullmatch(rest):
            continue
        # GitHub keeps hyphens, as in `on-paused`, and small letters are another variable.
        near = nearest(re.sub("[ -]", "_", rest.upper()), known, closeness=_CLOSE)
        if not near and "TOKEN" in rest.upper() and not has_token:
            near = "TOKEN"
        if near:
            yield f"Unknown variable {variable} (ignored). Did you mean {prefix}{near}?"


def foreign_run_count(settings: Layer, environ: Mapping[str, str]) -> str:
    """Warn about a run number that was inherited with the outputs of another pipeline's job.

    It must not be used: it is the run of another pipeline.
    """
    count, named = settings.get("run_count"), settings.get("pipeline")
    inherited = environ.get("OPSERA_PIPELINE_ID", "").strip().lower()
    if not inherited:
        # A job that was killed has left the number and the URL only.
        found = _ID_IN_URL.search(environ.get("OPSERA_URL", ""))
        inherited = found.group(1).lower() if found else ""
    if count is None or count.source != "OPSERA_RUN_COUNT" or not inherited or named is None:
        return ""
    if _first_word(settings) not in RUN_COUNT_COMMANDS:
        return ""
    if is_object_id(named.value):
        is_same = named.value.lower() == inherited
    else:
        # Percent-encoded in GitLab's dotenv reports.
        name = environ.get("OPSERA_PIPELINE_NAME", "").strip()
        is_same = bool(name) and named.value in (name, unquote(name))
    if is_same:
        return ""
    return (
        f"Ignored OPSERA_RUN_COUNT ({count.value}): it was inherited from a run of another "
        "pipeline."
    )


def odd_name(settings: Layer) -> Iterator[str]:
    """Warn about a name that looks identical to another one."""
    named = settings.get("pipeline")
    if named is None or parse({"pipeline": named})[1]:
        return
    odd = odd_character(named.value)
    if odd and not odd.endswith(("(U+200C)", "(U+200D)")):
        yield f"The name of the pipeline (from {named.source}) contains {odd}."
    elif is_quoted(named.value):
        yield (
            f"The name of the pipeline (from {named.source}) has quotation marks around it; "
            "docker --env-file, for example, does not remove them."
        )


def late_timeout(settings: Layer, platform: PlatformDefaults | None) -> Iterator[str]:
    """Warn about a timeout that exceeds the time left by the platform."""
    left, timeout = platform.time_left if platform else None, settings.get("timeout")
    if left is None or timeout is None or _first_word(settings) not in FOLLOWING_COMMANDS:
        return
    values, problems = parse({"timeout": timeout})
    # The platform's own default leaves at least a second.
    most = max(1, int(left - TIMEOUT_MARGIN))
    if not problems and (values["timeout"] is None or values["timeout"] > most):
        yield (
            f"The timeout {timeout.value!r} (from {timeout.source}) exceeds the time left for this "
            "CI job, which would be killed before it can report a result. "
            f"Set timeout to {format_duration(most)} or less, or increase the CI job's timeout."
        )


def _first_word(settings: Layer) -> str:
    words = command_words(settings["command"].value) if "command" in settings else []
    return words[0] if words else "run"
