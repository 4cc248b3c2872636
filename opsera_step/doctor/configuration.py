"""What is configured: the inputs, where each is from, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

from opsera_step.doctor.findings import Check, fault, good, warning
from opsera_step.errors import ExitCode
from opsera_step.inputs import TABLE, Given, Inputs, fault_of, parse
from opsera_step.settings import Gathered
from opsera_step.typos import likely_typos
from opsera_step.values import holds_a_token

_SHOWN = 80
_STAND_IN = Given("0" * 24, "")


def faults_of(gathered: Gathered) -> dict[str, str]:
    """Return a sentence for each input whose value won't do."""
    found = ((name, fault_of(name, one)) for name, one in gathered.given.items())
    return {name: sentence for name, sentence in found if sentence and name != "command"}


def inputs_check(gathered: Gathered, wrong: Mapping[str, str], environ: Mapping[str, str]) -> Check:
    """Tell every input that was set, and where."""
    told = [_told(one.name, gathered) for one in TABLE if one.name in gathered.given]
    values = tuple(one for one in told if one)
    sentences = (*gathered.faults, *wrong.values())
    slips = tuple(likely_typos(environ))
    if sentences:
        says = "One is wrong." if len(sentences) == 1 else f"{len(sentences)} are wrong."
        details = (*(f"wrong: {one}" for one in sentences), *slips, *values)
        remedy = "Correct what is told as wrong; the other checks go on without it."
        return fault("inputs", says, remedy, *details, code=ExitCode.BAD_INPUT)
    says = f"{len(values)} set, the others have their defaults."
    if slips:
        remedy = "Correct the variable's name, or take it away."
        return warning("inputs", says, remedy, *slips, *values)
    return good("inputs", says, *values)


def typed(gathered: Gathered, wrong: Mapping[str, str], auto_log_limit: int | None) -> Inputs:
    """Type the inputs that are right; what is wrong or missing has its default or a stand-in."""
    right = {name: one for name, one in gathered.given.items() if name not in {*wrong, "command"}}
    return parse(
        {"token": _STAND_IN, "pipeline": _STAND_IN, **right}, auto_log_limit=auto_log_limit
    )


def _told(name: str, gathered: Gathered) -> str:
    one = gathered.given[name]
    if name == "command":
        return ""
    value = one.value if len(one.value) <= _SHOWN else one.value[:_SHOWN] + "…"
    if name == "token":
        value = "set"
    elif holds_a_token(value) or (name == "base_url" and "@" in value):
        value = "not shown, for it looks like a secret"
    origin = one.origin
    if name == "pipeline" and gathered.alias is not None:
        origin += f"; the alias “{gathered.alias.value}” is from {gathered.alias.origin}"
    return f"{name}: {value} ({origin})"
