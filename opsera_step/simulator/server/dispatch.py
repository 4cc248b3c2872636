"""From a request to a response: request log, rate limit, faults, access, and the call itself.

One lock guards the world. Time for delays passes outside of it.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from opsera_step.clock import Clock
from opsera_step.simulator.clock import SpeedClock
from opsera_step.simulator.faults import Fault, FaultPlan
from opsera_step.simulator.responses import (
    HttpRequest,
    Response,
    error_response,
    faulty_response,
    parse_json,
    retry_after,
)
from opsera_step.simulator.routes import Call, Endpoint, Refusal, endpoint_of, methods_of
from opsera_step.simulator.scenario.spec import Member
from opsera_step.simulator.world.accounts import InvalidToken, Token
from opsera_step.simulator.world.world import World

_MINUTE = 60.0


@dataclass
class LoggedRequest:
    """One request in the request log. `time` is seconds since the start of the simulation.

    `status` is the HTTP status sent (0: none), `effect` whether the call was carried out,
    `run_count` the number of the run that it started or stopped, and `fault` the injected faults.
    """

    time: float
    call: str
    method: str
    path: str
    body: object = None
    authorized: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    effect: bool = False
    run_count: int | None = None
    fault: str = ""


class Dispatcher:
    """Handles the requests of the API for one world."""

    def __init__(self, world: World, faults: FaultPlan, clock: Clock) -> None:
        self.lock = threading.RLock()
        self.world = world
        self.faults = faults
        self.requests: list[LoggedRequest] = []
        self.closing = threading.Event()
        """Set when no client waits for responses: delays end early."""
        self._clock = clock
        self._recent: deque[float] = deque()

    def restart(self, world: World, faults: FaultPlan) -> None:
        """Continue with another world, and forget all requests."""
        self.world, self.faults = world, faults
        self.requests.clear()
        self._recent.clear()

    def respond(self, http: HttpRequest) -> Response:
        """Handle one request, with its faults."""
        endpoint = endpoint_of(http.method, http.path)
        with self.lock:
            self.world.catch_up()
            request = self._log(http, endpoint)
            response = self._limited()
            active = [] if endpoint is None or response else self._faults_of(endpoint, http)
        if response is None:
            response = self._with_faults(active, request, endpoint, http)
        request.fault = ",".join(fault.kind for fault in active)
        request.status = response.status
        return response

    def _with_faults(
        self,
        active: list[Fault],
        request: LoggedRequest,
        endpoint: Endpoint | None,
        http: HttpRequest,
    ) -> Response:
        failure = next((fault for fault in active if fault.kind != "latency"), None)
        response = Response(0, b"")
        self._delay(active, after=False)
        if failure is None or failure.takes_effect:
            response = self._carry_out(request, endpoint, http)
        self._delay(active, after=True)
        if failure is None:
            return response
        if failure.kind == "hang":
            self.wait_for(failure.seconds)
        return faulty_response(failure, response, self._clock.time())

    def wait_for(self, seconds: float) -> None:
        """Let time pass on the simulation's clock."""
        if isinstance(self._clock, SpeedClock):
            self._clock.sleep(seconds, self.closing)
        else:
            self._clock.sleep(seconds)

    def _log(self, http: HttpRequest, endpoint: Endpoint | None) -> LoggedRequest:
        request = LoggedRequest(
            time=self.world.now,
            call="unknown" if endpoint is None else endpoint.name,
            method=http.method,
            path=http.target,
            body=parse_json(http.body),
            headers={
                name: value
                for name, value in http.headers.items()
                if name.lower() != "authorization"
            },
        )
        self.requests.append(request)
        return request

    def _limited(self) -> Response | None:
        """Return the response to a request above the rate limit."""
        flags, now, recent = self.world.flags, self.world.now, self._recent
        if not flags.rate_limit:
            return None
        while recent and recent[0] <= now - _MINUTE:
            recent.popleft()
        if len(recent) < flags.rate_limit:
            recent.append(now)
            return None
        wait = float(int(recent[0] + _MINUTE - now) + 1)
        headers = retry_after(wait, flags.rate_limit_retry_after, self._clock.time())
        return error_response(429, "Too many requests.", flags.error_body, headers)

    def _faults_of(self, endpoint: Endpoint, http: HttpRequest) -> list[Fault]:
        world = self.world
        started = world.owner_run_at
        since_run = None if started is None else world.now - started
        text = f"{http.target} {http.body.decode('utf-8', 'replace')}"
        return self.faults.apply(endpoint.name, text, world.now, since_run)

    def _delay(self, active: list[Fault], *, after: bool) -> None:
        """Let the time of latencies pass, before or after the call is carried out."""
        for fault in active:
            if fault.kind == "latency" and bool(fault.effect) is after:
                self.wait_for(fault.seconds)

    def _carry_out(
        self, request: LoggedRequest, endpoint: Endpoint | None, http: HttpRequest
    ) -> Response:
        with self.lock:
            world = self.world
            world.catch_up()
            try:
                if endpoint is None:
                    raise _unknown(http)
                token, member = _authenticate(world, http.headers.get("Authorization", ""))
                request.authorized = True
                world.note_use(token, http.path.removeprefix("/api"))
                _authorize(world, endpoint, token, member)
                result = endpoint.handler(Call(world, member, _body_of(http), http))
            except Refusal as refusal:
                return error_response(
                    refusal.status, refusal.message, world.flags.error_body, refusal.headers
                )
            request.effect = True
            request.run_count = result.run_count
            return result.response


def _authenticate(world: World, authorization: str) -> tuple[Token, Member]:
    scheme, _, text = authorization.partition(" ")
    token = text.strip() if scheme.lower() == "bearer" else ""
    try:
        return world.accounts.authenticate(token, world.wall)
    except InvalidToken as error:
        raise Refusal(world.flags.invalid_token_status, str(error)) from error


def _authorize(world: World, endpoint: Endpoint, token: Token, member: Member) -> None:
    scopes = endpoint.scopes_with(world.flags)
    if token.scope not in scopes or (endpoint.needs_power_user and not member.is_power_user):
        raise Refusal(world.flags.forbidden_status, "Forbidden")


def _unknown(http: HttpRequest) -> Refusal:
    methods = methods_of(http.path)
    headers = {"Allow": ", ".join(methods)} if methods else {}
    return Refusal(405 if methods else 404, f"Cannot {http.method} {http.path}", headers)


def _body_of(http: HttpRequest) -> dict[str, object]:
    body = parse_json(http.body) if http.is_json else None
    if isinstance(body, dict):
        return body
    if http.method == "GET":  # needs none
        return {}
    raise Refusal(400, "The body must be a JSON object.")
