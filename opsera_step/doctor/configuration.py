"""What is configured: the inputs, where each is from, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from opsera_step.api.token import contains_token
from opsera_step.config import TABLE, RawSettings
from opsera_step.doctor.check import Check, fault, good, warning
from opsera_step.errors import ExitCode

_SHOWN = 80


def inputs_check(settings: RawSettings, wrong: Mapping[str, str]) -> Check:
    """Tell every input that was set, and where."""
    right = [one.name for one in TABLE if one.name in settings.values and one.name not in wrong]
    # The address has a check of its own, which tells where it is from.
    shown = [name for name in right if name not in ("command", "base_url")]
    values = tuple(_told(name, settings) for name in shown)
    warnings = settings.warnings
    if wrong:
        says = "One is wrong." if len(wrong) == 1 else f"{len(wrong)} are wrong."
        details = (*(f"wrong: {one}" for one in wrong.values()), *warnings)
        remedy = "Correct what is told as wrong; the other checks go on without it."
        check = fault("inputs", says, remedy, *details, code=ExitCode.INVALID_INPUT)
    elif warnings:
        remedy = "Check what the warnings below say."
        check = warning("inputs", _summed_up(values), remedy, *warnings)
    else:
        check = good("inputs", _summed_up(values))
    return replace(check, listed=values)


def _summed_up(values: tuple[str, ...]) -> str:
    return "Set besides the address." if values else "Nothing is set besides the address."


def _told(name: str, settings: RawSettings) -> str:
    one = settings.values[name]
    value = one.value if len(one.value) <= _SHOWN else one.value[:_SHOWN] + "…"
    if name == "token":
        value = "set"
    elif contains_token(value) or (name == "base_url" and "@" in value):
        value = "not shown, for it looks like a secret"
    origin = one.source
    if name == "pipeline" and settings.alias is not None:
        origin += f"; the alias “{settings.alias.value}” is from {settings.alias.source}"
    return f"{name}: {value} ({origin})"
