"""The control plane under /simulator: to look at the world and to take a hand in it.

It needs no token and is no part of the Opsera API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from werkzeug.wrappers import Request as HttpRequest

from opsera_step.simulator.bodies import plain_json
from opsera_step.simulator.description import described_answer, yaml_answer
from opsera_step.simulator.faults import Fault, make_fault
from opsera_step.simulator.gate import Request
from opsera_step.simulator.reading import Reader
from opsera_step.simulator.scenario import SOMEBODY
from opsera_step.simulator.state import StateError
from opsera_step.simulator.strangers import stranger
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

    def issued(
        self, scope: str, *, role: str | None, user: str | None, expires_in: float
    ) -> dict[str, object]:
        """Issue a token and return all about it."""
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


_Act = Callable[[Controlled, Reader], object]

_PAGES: dict[str, Callable[[], Answer]] = {
    "openapi.json": described_answer,
    "openapi.yml": yaml_answer,
}

_LIFETIME = 365 * 86400.0


def answer(simulation: Controlled, http: HttpRequest) -> Answer:
    """Answer one request of the control plane."""
    if why := stranger(http):
        return error_answer(403, why)
    path = http.path.removeprefix(PREFIX)
    if http.method == "GET" and path in _PAGES:
        return _PAGES[path]()
    act = _ACTS.get((http.method, path))
    if act is None:
        return _no_such(http.method, path)
    wish = plain_json(http.get_data() or b"{}")
    if not isinstance(wish, dict):
        return error_answer(400, "The body must be a JSON object.")
    return _acted(simulation, act, Reader(wish, "the body"))


def _acted(simulation: Controlled, act: _Act, wish: Reader) -> Answer:
    try:
        return json_answer(act(simulation, wish))
    except StateError as error:
        return error_answer(503, str(error))
    except (ValueError, KeyError) as error:
        return error_answer(400, str(error.args[0]))


def known_paths() -> list[tuple[str, str]]:
    """Return all that can be asked for, as methods and paths without the prefix."""
    return [*_ACTS, *(("GET", page) for page in _PAGES)]


def _no_such(method: str, path: str) -> Answer:
    pairs = known_paths()
    methods = [one for one, known in pairs if known == path]
    if methods:
        allowed = " and ".join(methods)
        refused = error_answer(405, f"{PREFIX}{path} takes {allowed}, not {method}.")
        return replace(refused, headers={"Allow": ", ".join(methods)})
    known = ", ".join(f"{one} {PREFIX}{other}" for one, other in pairs)
    return error_answer(404, f"There are {known}.")


def _state(simulation: Controlled, _: Reader) -> object:
    return simulation.state()


def _requests(simulation: Controlled, _: Reader) -> object:
    return [dict(vars(request)) for request in simulation.requests]


def _approve(simulation: Controlled, wish: Reader) -> object:
    return _decided(simulation.approve, wish)


def _reject(simulation: Controlled, wish: Reader) -> object:
    return _decided(simulation.reject, wish)


def _decided(decide: Callable[[str | None, str], bool], wish: Reader) -> object:
    pipeline, by = _maybe(wish, "pipelineId"), wish.text("by", SOMEBODY.name)
    wish.done()
    return {"done": decide(pipeline, by)}


def _run_by_somebody_else(simulation: Controlled, wish: Reader) -> object:
    pipeline, user = _maybe(wish, "pipelineId"), wish.text("user", SOMEBODY.name)
    wish.done()
    return {"runCount": simulation.start_by_somebody_else(pipeline, user)}


def _tokens(simulation: Controlled, _: Reader) -> object:
    return simulation.tokens()


def _issue_token(simulation: Controlled, wish: Reader) -> object:
    scope, role, user = wish.text("scope", "api"), _maybe(wish, "role"), _maybe(wish, "user")
    lifetime = wish.number("expiresIn", _LIFETIME, least=float("-inf"))
    wish.done()
    return simulation.issued(scope, role=role, user=user, expires_in=lifetime)


def _deactivate(simulation: Controlled, wish: Reader) -> object:
    token = wish.text("token")
    wish.done()
    simulation.deactivate(token)
    return {"done": True}


def _user(simulation: Controlled, wish: Reader) -> object:
    user, role, valid = wish.text("user"), _maybe(wish, "role"), wish.flag("valid", True)
    wish.done()
    simulation.set_user(user, role=role, valid=valid)
    return {"done": True}


def _access(simulation: Controlled, wish: Reader) -> object:
    thing, access = wish.text("id"), wish.access("access")
    if "access" not in wish:
        raise wish.wrong("access", "true, false or a list of users")
    wish.done()
    simulation.set_access(thing, access)
    return {"done": True}


def _faults(simulation: Controlled, wish: Reader) -> object:
    added = [make_fault(values.everything()) for values in wish.readers("add")]
    clear = wish.flag("clear", False)
    wish.done()
    if clear:
        simulation.clear_faults()
    for fault in added:
        simulation.add_fault(fault)
    return {"added": len(added), "cleared": clear}


def _reset(simulation: Controlled, wish: Reader) -> object:
    wish.done()
    simulation.restart()
    return {"done": True}


def _maybe(wish: Reader, key: str) -> str | None:
    """Take a text that may be left out."""
    return wish.text(key, "") or None


_ACTS: dict[tuple[str, str], _Act] = {
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
