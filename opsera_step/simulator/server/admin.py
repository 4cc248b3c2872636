"""The admin API under /simulator: inspect the simulation, and act as other users.

It needs no token and is not part of the Opsera API. Each request calls the method of
`Simulation` with the same meaning; the keys of its JSON body are the method's arguments.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from urllib.parse import urlsplit

from opsera_step.simulator.responses import (
    HttpRequest,
    Response,
    error_response,
    json_response,
    parse_json,
)
from opsera_step.simulator.scenario.reader import Place, arguments
from opsera_step.simulator.simulation import Simulation

PREFIX = "/simulator/"
"""The start of every path of the admin API."""

_DESCRIPTION = resources.files("opsera_step.simulator") / "openapi.yml"
_LOCAL_DOMAINS = (".localhost", ".local", ".internal", ".test", ".lan")

_METHODS = {
    ("GET", "state"): "state",
    ("GET", "requests"): "logged_requests",
    ("GET", "tokens"): "tokens",
    ("POST", "run"): "start_run",
    ("POST", "stop"): "stop_run",
    ("POST", "approve"): "approve",
    ("POST", "reject"): "reject",
    ("POST", "delete"): "delete_run",
    ("POST", "move-to-front"): "move_to_front",
    ("POST", "lock"): "lock",
    ("POST", "unlock"): "unlock",
    ("POST", "tokens"): "create_token",
    ("POST", "tokens/deactivate"): "deactivate_token",
    ("POST", "tokens/renew"): "renew_token",
    ("POST", "users"): "set_user",
    ("POST", "access"): "set_access",
    ("POST", "faults"): "change_faults",
    ("POST", "reset"): "restart",
}


def respond(simulation: Simulation, request: HttpRequest) -> Response:
    """Handle one request of the admin API."""
    if not is_trusted(request):
        return error_response(403, "Requests from web pages of other sites are refused.")
    path = request.path.removeprefix(PREFIX)
    if request.method == "GET" and path in _PAGES:
        return _PAGES[path]()
    name = _METHODS.get((request.method, path))
    if name is None:
        return _unknown(request.method, path)
    body = parse_json(request.body or b"{}")
    if not isinstance(body, dict):
        return error_response(400, "The body must be a JSON object.")
    method = getattr(type(simulation), name)
    try:
        values = arguments(method, body, Place("request body"))
        return json_response(_plain(method(simulation, **values)))
    except (ValueError, KeyError) as error:
        return error_response(400, str(error.args[0]))


def is_trusted(request: HttpRequest) -> bool:
    """Return whether a request can't come from a web page of another site in a local browser."""
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin", "")
    if origin and origin.partition("://")[2] != host:
        return False
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    # A public name can be made to lead to this machine (DNS rebinding).
    is_local = "." not in name or name.endswith(_LOCAL_DOMAINS) or _address(name) is not None
    client = _address(request.client)
    return is_local or (client is not None and not client.is_loopback)


def paths() -> list[tuple[str, str]]:
    """Return every method and path (without the prefix) of the admin API."""
    return [*_METHODS, *(("GET", page) for page in _PAGES)]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _plain(result: object) -> object:
    """Return the JSON for what a method returned."""
    if result is None or isinstance(result, bool):
        return {"done": result is not False}
    if isinstance(result, int):
        return {"runCount": result}
    return {"token": result} if isinstance(result, str) else result


def _unknown(method: str, path: str) -> Response:
    known = paths()
    methods = [one for one, other in known if other == path]
    if methods:
        message = f"{PREFIX}{path} takes {' or '.join(methods)}, not {method}."
        return error_response(405, message, headers={"Allow": ", ".join(methods)})
    listed = ", ".join(f"{one} {PREFIX}{other}" for one, other in known)
    return error_response(404, f"Known requests: {listed}")


def _as_yaml() -> Response:
    return Response(200, _DESCRIPTION.read_bytes(), "application/yaml; charset=utf-8")


@lru_cache
def _as_json() -> Response:
    import yaml  # noqa: PLC0415 - nothing else here needs it

    return json_response(json.loads(json.dumps(yaml.safe_load(_DESCRIPTION.read_text("utf-8")))))


_PAGES: dict[str, Callable[[], Response]] = {"openapi.json": _as_json, "openapi.yml": _as_yaml}
