"""Variables that look like a misspelt input: nobody reads them, and nobody says so. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from opsera_step.config.inputs import BY_NAME, PREFIXES
from opsera_step.text import nearest

_NAME = re.compile(r"[A-Za-z0-9_ -]{1,40}")
_CLOSE = 0.8
_TOKENS = ("API_TOKEN", "ACCESS_TOKEN", "AUTH_TOKEN", "API_KEY")
"""What other programs call the token."""
_KNOWN = {
    "STATUS", "MESSAGE", "PIPELINE_ID", "PIPELINE_NAME", "URL", "DURATION", "FAILED_STEP",
    "LOG_LINES", "LOG_COMPLETE", "RESULT", "DEBUG",
}  # fmt: skip
"""What follows OPSERA_ in variables that are no inputs: outputs of an earlier step, and DEBUG."""


def likely_typos(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each variable that is a near miss of an input's."""
    for variable, value in environ.items():
        for prefix in PREFIXES:
            if value.strip() and variable.startswith(prefix):
                meant = _meant(variable.removeprefix(prefix), environ)
                if meant:
                    yield (
                        f"The variable {variable} is not read: it looks like a misspelt "
                        f"{prefix}{meant}."
                    )


def _meant(rest: str, environ: Mapping[str, str]) -> str:
    if rest in _TOKENS and not any(environ.get(f"{prefix}TOKEN") for prefix in PREFIXES):
        return "TOKEN"
    known = [name.upper() for name in BY_NAME]
    if rest in known or rest in _KNOWN or rest.startswith("STEP_") or not _NAME.fullmatch(rest):
        return ""
    # GitHub keeps hyphens, as in `on-paused`, and small letters are another variable.
    plain = re.sub(r"[ -]", "_", rest.upper())
    return nearest(plain, known, closeness=_CLOSE)
