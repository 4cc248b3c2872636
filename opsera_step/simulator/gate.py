"""The gate of the API: authorization, faults and the journal around every call.

One lock guards the world; time passes for delays outside of it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from werkzeug.wrappers import Request as HttpRequest

from opsera_step.simulator.bodies import plain_json
from opsera_step.simulator.calling import Ask, Body, Call, Done, Refusal
from opsera_step.simulator.calls import ROUTES, authenticate, authorize
from opsera_step.simulator.clocks import SpeedClock
from opsera_step.simulator.faults import Fault, FaultPlan
from opsera_step.simulator.state import StateError
from opsera_step.simulator.wire import Answer, broken_answer, error_answer
from opsera_step.simulator.world import Clock, World


@dataclass
class Request:
    """One request as the journal keeps it; `time` is seconds since the world began.

    `status` is what was answered (0: nothing), `effect` whether the call was carried out,
    `run_count` the run that it made, `fault` what went wrong on purpose.
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


class Gate:
    """Answers the requests of the API, one world behind it."""

    def __init__(self, world: World, faults: FaultPlan, clock: Clock) -> None:
        """Open the gate to a world."""
        self.lock = threading.RLock()
        self.world = world
        self.faults = faults
        self.journal: list[Request] = []
        self.closing = threading.Event()
        """Set when nobody waits for answers any more: delays end early."""
        self._clock = clock

    def answer(self, http: HttpRequest) -> Answer:
        """Answer one request, faults included."""
        call = ROUTES.get((http.method, http.path))
        raw = http.get_data()
        with self.lock:
            self.world.catch_up()
            request = self._noted(http, call, raw)
            struck = [] if call is None else self._struck(call.name)
        fault = next((one for one in struck if one.kind != "latency"), None)
        self._delay(struck, done=False)
        good = self._carried_out(request, call, http, raw) if _goes_on(fault) else None
        self._delay(struck, done=True)
        answer = good if fault is None else self._broken(fault, good)
        request.fault = ",".join(one.kind for one in struck)
        request.status = 0 if answer is None else answer.status
        return answer or error_answer(500, "no answer")

    def _noted(self, http: HttpRequest, call: Call | None, raw: bytes) -> Request:
        headers = {name: value for name, value in http.headers if name.lower() != "authorization"}
        request = Request(
            time=self.world.now,
            call="unknown" if call is None else call.name,
            method=http.method,
            path=http.full_path.rstrip("?"),
            body=plain_json(raw),
            headers=headers,
        )
        self.journal.append(request)
        return request

    def _struck(self, call: str) -> list[Fault]:
        world = self.world
        ours = world.our_latest_run()
        return self.faults.strike(call, world.now, None if ours is None else world.now - ours)

    def _delay(self, struck: list[Fault], *, done: bool) -> None:
        """Pass the time of the delays that come before, or after, the call is carried out."""
        for fault in struck:
            if fault.kind == "latency" and bool(fault.effect) is done:
                self._pass(fault.seconds)

    def _pass(self, seconds: float) -> None:
        if isinstance(self._clock, SpeedClock):
            self._clock.sleep(seconds, self.closing)
        else:
            self._clock.sleep(seconds)

    def _broken(self, fault: Fault, good: Answer | None) -> Answer:
        if fault.kind == "hang":
            self._pass(fault.seconds)
        return broken_answer(fault, good, self._clock.time())

    def _carried_out(
        self, request: Request, call: Call | None, http: HttpRequest, raw: bytes
    ) -> Answer:
        with self.lock:
            self.world.catch_up()
            try:
                done = self._performed(request, call, http, raw)
            except Refusal as refusal:
                form = self.world.switches.error_body
                answer = error_answer(refusal.status, refusal.message, form)
                return replace(answer, headers=refusal.headers)
            except StateError as error:
                return error_answer(503, str(error))
            request.effect = True
            request.run_count = done.run_count
            return done.answer

    def _performed(
        self, request: Request, call: Call | None, http: HttpRequest, raw: bytes
    ) -> Done:
        if call is None:
            raise _no_call(http)
        token, member = authenticate(self.world, http.headers.get("Authorization", ""))
        request.authorized = True
        self.world.use(token_id=token.id, target=http.path.removeprefix("/api"))
        authorize(self.world, call, token, member)
        ask = Ask(self.world, member, _body(http, raw), http.args.to_dict())
        return call.perform(ask)


def _goes_on(fault: Fault | None) -> bool:
    return fault is None or fault.takes_effect


def _no_call(http: HttpRequest) -> Refusal:
    methods = [method for method, path in ROUTES if path == http.path]
    headers = {"Allow": ", ".join(methods)} if methods else {}
    message = f"Cannot {http.method} {http.path}"
    return Refusal(405 if methods else 404, message, headers)


def _body(http: HttpRequest, raw: bytes) -> Body:
    body = plain_json(raw) if http.mimetype == "application/json" else None
    if isinstance(body, dict):
        return body
    if http.method == "GET":  # which needs none
        return {}
    raise Refusal(400, "The body must be a JSON object.")
