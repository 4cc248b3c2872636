"""What is configured: the inputs, where each is from, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from opsera_step.api.token import contains_token
from opsera_step.config import TABLE, Inputs, RawSettings, Setting, fault_of, likely_typos, parse
from opsera_step.doctor.check import Check, fault, good, warning
from opsera_step.errors import ExitCode

_SHOWN = 80
_STAND_IN = Setting("0" * 24, "")


def faults_of(gathered: RawSettings) -> dict[str, str]:
    """Return a sentence for each input whose value won't do."""
    found = ((name, fault_of(name, one)) for name, one in gathered.given.items())
    return {name: sentence for name, sentence in found if sentence and name != "command"}


def inputs_check(
    gathered: RawSettings, wrong: Mapping[str, str], environ: Mapping[str, str]
) -> Check:
    """Tell every input that was set, and where."""
    right = [one.name for one in TABLE if one.name in gathered.given and one.name not in wrong]
    # The address has a check of its own, which tells where it is from.
    shown = [name for name in right if name not in ("command", "base_url")]
    values = tuple(_told(name, gathered) for name in shown)
    sentences = (*gathered.faults, *wrong.values())
    slips = tuple(likely_typos(environ))
    if sentences:
        says = "One is wrong." if len(sentences) == 1 else f"{len(sentences)} are wrong."
        details = (*(f"wrong: {one}" for one in sentences), *slips)
        remedy = "Correct what is told as wrong; the other checks go on without it."
        check = fault("inputs", says, remedy, *details, code=ExitCode.INVALID_INPUT)
    elif slips:
        remedy = "Correct the variable's name, or take it away."
        check = warning("inputs", _summed_up(values), remedy, *slips)
    else:
        check = good("inputs", _summed_up(values))
    return replace(check, listed=values)


def _summed_up(values: tuple[str, ...]) -> str:
    return "Set besides the address." if values else "Nothing is set besides the address."


def typed(gathered: RawSettings, wrong: Mapping[str, str], auto_log_limit: int | None) -> Inputs:
    """Type the inputs that are right; what is wrong or missing has its default or a stand-in."""
    right = {name: one for name, one in gathered.given.items() if name not in {*wrong, "command"}}
    return parse(
        {"token": _STAND_IN, "pipeline": _STAND_IN, **right}, auto_log_limit=auto_log_limit
    )


def _told(name: str, gathered: RawSettings) -> str:
    one = gathered.given[name]
    value = one.value if len(one.value) <= _SHOWN else one.value[:_SHOWN] + "…"
    if name == "token":
        value = "set"
    elif contains_token(value) or (name == "base_url" and "@" in value):
        value = "not shown, for it looks like a secret"
    origin = one.source
    if name == "pipeline" and gathered.alias is not None:
        origin += f"; the alias “{gathered.alias.value}” is from {gathered.alias.source}"
    return f"{name}: {value} ({origin})"
