"""The control plane under /simulator: to look at the world and to take a hand in it.

It needs no token and is no part of the Opsera API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, Protocol

from werkzeug.wrappers import Request as HttpRequest

from opsera_step.simulator.description import described_answer, yaml_answer
from opsera_step.simulator.faults import Fault, make_fault
from opsera_step.simulator.gate import Request
from opsera_step.simulator.scenario import SOMEBODY
from opsera_step.simulator.wire import Answer, error_answer, json_answer

PREFIX = "/simulator/"
"""Where the paths of the control plane begin."""


class Controlled(Protocol):
    """What the control plane needs of a simulation."""

    @property
    def requests(self) -> list[Request]:
        """The requests so far."""
        ...

    def state(self) -> dict[str, object]:
        """Return everything as plain data."""
        ...

    def approve(self, pipeline_id: str | None, by: str) -> bool:
        """Approve at the gate."""
        ...

    def reject(self, pipeline_id: str | None, by: str) -> bool:
        """Reject at the gate."""
        ...

    def start_by_somebody_else(self, pipeline_id: str | None, user: str) -> int:
        """Have somebody else start a run."""
        ...

    def issue_token(
        self, scope: str, *, role: str | None, user: str | None, expires_in: float
    ) -> str:
        """Issue a token."""
        ...

    def deactivate(self, token: str) -> None:
        """Make a token worthless."""
        ...

    def set_user(self, name: str, *, role: str | None, valid: bool) -> None:
        """Change a user."""
        ...

    def set_access(self, object_id: str, access: bool | Iterable[str]) -> None:
        """Say who may use an object."""
        ...

    def tokens(self) -> list[dict[str, object]]:
        """Return all tokens."""
        ...

    def add_fault(self, fault: Fault) -> None:
        """Put one more fault in force."""
        ...

    def clear_faults(self) -> None:
        """Take all faults out of force."""
        ...

    def restart(self) -> None:
        """Begin again with a new world."""
        ...


_Wish = dict[str, Any]

_PAGES: dict[str, Callable[[], Answer]] = {
    "openapi.json": described_answer,
    "openapi.yml": yaml_answer,
}

_LIFETIME = 365 * 86400.0


def answer(simulation: Controlled, http: HttpRequest) -> Answer:
    """Answer one request of the control plane."""
    path = http.path.removeprefix(PREFIX)
    if http.method == "GET" and path in _PAGES:
        return _PAGES[path]()
    act = _ACTS.get((http.method, path))
    if act is None:
        known = ", ".join(f"{method} {PREFIX}{path}" for method, path in _ACTS)
        return error_answer(404, f"There are {known}.")
    wish = http.get_json(force=True, silent=True) or {}
    if not isinstance(wish, dict):
        return error_answer(400, "The body must be a JSON object.")
    try:
        return json_answer(act(simulation, wish))
    except (ValueError, KeyError, TypeError) as error:
        return error_answer(400, str(error.args[0]))


def _state(simulation: Controlled, _: _Wish) -> object:
    return simulation.state()


def _requests(simulation: Controlled, _: _Wish) -> object:
    return [asdict(request) for request in simulation.requests]


def _approve(simulation: Controlled, wish: _Wish) -> object:
    by = str(wish.get("by", SOMEBODY.name))
    return {"done": simulation.approve(wish.get("pipelineId"), by)}


def _reject(simulation: Controlled, wish: _Wish) -> object:
    by = str(wish.get("by", SOMEBODY.name))
    return {"done": simulation.reject(wish.get("pipelineId"), by)}


def _run_by_somebody_else(simulation: Controlled, wish: _Wish) -> object:
    user = str(wish.get("user", SOMEBODY.name))
    return {"runCount": simulation.start_by_somebody_else(wish.get("pipelineId"), user)}


def _tokens(simulation: Controlled, _: _Wish) -> object:
    return simulation.tokens()


def _issue_token(simulation: Controlled, wish: _Wish) -> object:
    text = simulation.issue_token(
        str(wish.get("scope", "api")),
        role=wish.get("role"),
        user=wish.get("user"),
        expires_in=float(wish.get("expiresIn", _LIFETIME)),
    )
    return next(one for one in simulation.tokens() if one["token"] == text)


def _deactivate(simulation: Controlled, wish: _Wish) -> object:
    simulation.deactivate(str(wish["token"]))
    return {"done": True}


def _user(simulation: Controlled, wish: _Wish) -> object:
    valid = wish.get("valid", True)
    simulation.set_user(str(wish["user"]), role=wish.get("role"), valid=valid is True)
    return {"done": True}


def _access(simulation: Controlled, wish: _Wish) -> object:
    simulation.set_access(str(wish["id"]), wish["access"])
    return {"done": True}


def _faults(simulation: Controlled, wish: _Wish) -> object:
    added = [make_fault(values) for values in wish.get("add", [])]
    if wish.get("clear"):
        simulation.clear_faults()
    for fault in added:
        simulation.add_fault(fault)
    return {"added": len(added), "cleared": bool(wish.get("clear"))}


def _reset(simulation: Controlled, _: _Wish) -> object:
    simulation.restart()
    return {"done": True}


_ACTS: dict[tuple[str, str], Callable[[Controlled, _Wish], object]] = {
    ("GET", "state"): _state,
    ("GET", "requests"): _requests,
    ("POST", "approve"): _approve,
    ("POST", "reject"): _reject,
    ("POST", "run-by-somebody-else"): _run_by_somebody_else,
    ("GET", "tokens"): _tokens,
    ("POST", "tokens"): _issue_token,
    ("POST", "tokens/deactivate"): _deactivate,
    ("POST", "users"): _user,
    ("POST", "access"): _access,
    ("POST", "faults"): _faults,
    ("POST", "reset"): _reset,
}
