"""The doctor in good and in broken situations, over real connections.

Each thing that it reports is broken here in fact.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsera_step.clock import FakeClock, SystemClock
from opsera_step.config import Setting
from opsera_step.doctor import CHECKS, command, network
from opsera_step.errors import ExitCode
from opsera_step.signals import Signals
from opsera_step.simulator import Fault, Simulator
from tests.support.authority import Authority
from tests.support.jobs import read_outputs
from tests.support.tokens import jwt as make_jwt
from tests.support.wire import Answer, Proxy, Wire, http, ok, sends, serving

ID = "65a4f00dc0ffee0123456789"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NjcyNDAwMDB9.c2lnbmF0dXJl"
"""Expires on 2026-01-01 at 04:00, four hours after the time at which a FakeClock starts."""
PASSWORD = "pro/xy@sec[ret"
PIPELINE = {"_id": ID, "name": "Deploy", "workflow": {"run_count": 3, "plan": [{"_id": "a"}]}}
NAMES = [one.name for one in CHECKS]


def jwt(**claims: object) -> str:
    return make_jwt(claims)


@pytest.fixture(autouse=True)
def directory(tmp_path, monkeypatch) -> Path:
    """Work in an empty directory, without proxy and CA bundle of this machine."""
    monkeypatch.chdir(tmp_path)
    for name in tuple(os.environ):
        if name.lower().endswith("_proxy") or name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.delenv(name)
    return tmp_path


@dataclass
class Screen:
    """What was printed, and the exit code."""

    text: str
    code: int

    @property
    def levels(self) -> dict[str, str]:
        """The level of each check, in order."""
        found = re.findall(r"^([A-Z]+) +(\w+(?:, \w+)*)(?:  |$)", self.text, re.MULTILINE)
        return {name: level for level, names in found for name in names.split(", ")}

    def at(self, level: str) -> list[str]:
        """The checks of a level."""
        return [name for name, one in self.levels.items() if one == level]

    def line(self, name: str) -> str:
        """The message of a check, with details and hint."""
        found = re.search(rf"^[A-Z]+ +{name}  +(.*(?:\n {{6}}.*)*)", self.text, re.MULTILINE)
        assert found, self.text
        return re.sub(r"\s*\n\s+", " | ", found[1])


def examine(
    inputs: dict[str, str],
    *,
    clock: Any = None,
    signals: Signals | None = None,
    environ: dict[str, str] | None = None,
    is_job: bool = False,
    form: str = "table",
    width: int | None = None,
    **options: str,
) -> Screen:
    """Run the doctor; neither the token nor any part of a proxy's password may be shown."""
    out = io.StringIO()
    variables = {f"OPSERA_{name.upper()}": value for name, value in inputs.items()}
    code = command.run(
        {**variables, **(environ or {})}, out, signals or Signals(),
        options={name: Setting(value, f"--{name}") for name, value in options.items()},
        form=form, is_job=is_job, width=width, clock=clock or FakeClock(),
    )  # fmt: skip
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", out.getvalue())
    if not is_job:
        assert inputs.get("token", PASSWORD) not in text
    assert "Traceback" not in text
    assert not any(part in text for part in ("pro/xy", "xy@sec", "sec[ret", "c2VjW3JldA"))
    return Screen(text, code)


def simulate(scenario: str = "success", *, scope: str = "api", **options: Any) -> Screen:
    """Run the doctor on a simulated account; it starts, stops, and resets nothing."""
    clock = FakeClock()
    rest = {name: options.pop(name) for name in ("flags", "faults") if name in options}
    with Simulator(scenario, clock=clock, seed=1, **rest) as simulator:
        expires_in, role = options.pop("expires_in", 1e7), options.pop("role", None)
        token = simulator.issue_token(scope, expires_in=expires_in, role=role)
        usual = {"token": token, "pipeline": ID, "base_url": simulator.url}
        inputs = {**usual, **options.pop("inputs", {})}
        screen = examine({k: v for k, v in inputs.items() if v}, clock=clock, **options)
        assert not {one.call for one in simulator.requests} & {"run", "stop", "reset", "actions"}
        assert len(simulator.requests) <= 8
    return screen


def respond(*answers: Answer, **inputs: str) -> Screen:
    """Run the doctor on a server with these responses."""
    with serving(*answers) as wire:
        return examine({"token": jwt(scope="api"), "base_url": wire.url, **inputs})


def test_without_a_problem():
    """The whole screen; what was not tested is called so."""
    screen = simulate(scope="pipeline")
    assert screen.code == 0
    assert screen.text == textwrap.dedent("""\
        OK    inputs      Configured: token (OPSERA_TOKEN), pipeline 65a4f00dc0ffee0123456789 (OPSERA_PIPELINE).
        OK    base_url    http://127.0.0.1:PORT (OPSERA_BASE_URL)
        SKIP  dns         Skipped (IP address 127.0.0.1).
        OK    proxy       No proxy configured.
        OK    connection  Connected to 127.0.0.1:PORT (plain HTTP).
        OK    clock       In sync (within 1 min).
        OK    api         Reachable (0 ms).
        OK    token       Accepted by Opsera. Token from OPSERA_TOKEN: expires in 115 days (2026-04-26 17:46 UTC), scope Pipeline Access (pipeline).
        OK    access      Allowed: list pipelines, read the pipeline, read the status of runs, read their logs. Denied: list tools, list tasks, read audit logs.
        SKIP  changes     Run, stop, reset, and update are not tested because they make changes; according to Opsera's documentation, the scope Pipeline Access (pipeline) allows run, stop, and reset.
        OK    pipeline    “Deploy shop” (65a4f00dc0ffee0123456789): 4 steps, latest run 41 (success).
        OK    run         No run is in progress (starting a run is not tested).

        No problems found.
        """)  # noqa: E501 - as they are printed


# --- inputs ---------------------------------------------------------------------------------------


def test_invalid_inputs_are_shown_at_once_and_the_rest_is_checked():
    """They end with 2; valid inputs are still checked."""
    screen = simulate(timeout="soon", inputs={"logs": "some"}, environ={"OPSERA_TIMOUT": "5m"})
    line = screen.line("inputs")
    assert (screen.code, screen.at("FAIL")) == (ExitCode.INVALID_INPUT, ["inputs"])
    assert line.startswith("2 invalid inputs.")
    for part in ("'soon' for timeout (from --timeout)", "'some' for logs", "OPSERA_TIMOUT"):
        assert part in line
    assert screen.levels["run"] == "OK"


def test_a_misspelled_variable_is_a_warning():
    """It is named with the variable that may have been meant."""
    screen = simulate(environ={"OPSERA_TIMOUT": "5m"})
    assert (screen.code, screen.at("WARN")) == (0, ["inputs"])
    assert "OPSERA_TIMOUT (ignored). Did you mean OPSERA_TIMEOUT?" in screen.line("inputs")


def test_a_config_file_is_a_source(directory):
    """The line of the file is shown, and for an alias also where it was named."""
    (directory / "my.yml").write_text(f"logs: all\npipelines:\n  shop: {ID}\n")
    line = simulate(inputs={"pipeline": "shop"}, config="my.yml").line("inputs")
    assert "logs all (my.yml, line 1)" in line
    assert f"pipeline {ID} (my.yml, line 3; alias “shop” from OPSERA_PIPELINE)" in line


@pytest.mark.parametrize("name", ["base_url", "branch"])
def test_a_token_in_the_wrong_place_is_not_shown(name):
    """What looks like a token is not printed, whichever input it was given to."""
    other = JWT.replace("eyJ", "eyK")
    assert other not in examine({"token": JWT, name: other, "pipeline": ID}).text


def test_an_invalid_base_url_leaves_nothing_to_connect_to():
    """All checks that need it are skipped with that reason, and only the token is described."""
    screen = examine({"token": JWT, "base_url": "http://opsera.example"})
    assert (screen.code, screen.at("FAIL")) == (ExitCode.INVALID_INPUT, ["inputs"])
    assert set(NAMES) - set(screen.at("SKIP")) == {"inputs", "token"}
    assert screen.text.count("Skipped (no valid base_url).") == 3
    assert "Not verified with Opsera." in screen.line("token")
    assert "expires in 4 h by this machine's clock" in screen.line("token")


@pytest.mark.parametrize(
    ("environ", "message"),
    [({"REQUESTS_CA_BUNDLE": "none.pem"}, "REQUESTS_CA_BUNDLE: can't read 'none.pem': No such"),
     ({"HTTPS_PROXY": f"socks5://me:{PASSWORD}@h"}, "Unsupported proxy in HTTPS_PROXY: SOCKS."),
     ({"https_proxy": f"http://me:{PASSWORD}@"}, "Invalid proxy address in https_proxy.")],
)  # fmt: skip
def test_variables_of_the_connection(environ, message):
    """A CA bundle or proxy that can't be used is named by its variable, before any connection."""
    screen = examine({"token": JWT, "base_url": "https://opsera.example"}, environ=environ)
    assert (screen.code, screen.at("FAIL")) == (ExitCode.INVALID_INPUT, ["base_url"])
    assert message in screen.line("base_url")
    assert "Skipped (base_url failed)." in screen.text


# --- DNS, proxy, connection -----------------------------------------------------------------------


def test_a_host_that_does_not_exist():
    """The host and base_url are named, and nothing behind it is blamed."""
    screen = examine({"token": JWT, "base_url": "https://nowhere.invalid"})
    assert (screen.code, screen.at("FAIL")) == (ExitCode.API, ["dns"])
    assert screen.line("dns").startswith("Can't resolve nowhere.invalid: ")
    assert "Check the host name in base_url" in screen.line("dns")
    assert "connection, clock, api  Skipped (dns failed)." in screen.text
    assert screen.text.endswith("1 problem and 1 warning. Fix dns first.\n")


def test_a_lookup_that_takes_too_long(monkeypatch):
    """The system's lookup has no time limit; this one has."""
    over = threading.Event()
    monkeypatch.setattr(network.socket, "getaddrinfo", lambda *_, **__: [over.wait(30)][:0])
    with pytest.raises(TimeoutError):
        network.resolve("opsera.example", 0.05)
    over.set()
    with pytest.raises(OSError, match="invalid host name"):
        monkeypatch.undo() or network.resolve("a" * 70 + ".example", 5)


def test_a_host_that_resolves():
    """Its address is shown."""
    with serving(ok([])) as wire:
        url = wire.url.replace("127.0.0.1", "localhost")
        screen = examine({"token": jwt(), "base_url": url})
    assert re.match(r"localhost resolves to (127\.0\.0\.1|::1)", screen.line("dns"))


def test_a_host_that_does_not_respond(monkeypatch):
    """A firewall that drops everything makes the connection time out."""
    monkeypatch.setattr("opsera_step.doctor.examination.STEP_SECONDS", 0.3)
    with socket.socket() as listener, Fillers() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers.fill(listener)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        screen = examine({"token": JWT, "base_url": url}, clock=SystemClock())
    assert screen.at("FAIL") == ["connection"]
    assert "Can't connect to 127.0.0.1:PORT (timed out)." in screen.line("connection")


class Fillers(list[socket.socket]):
    """Connections that fill the queue of a listener, so that the kernel drops further ones."""

    def fill(self, listener: socket.socket) -> None:
        for _ in range(3):
            self.append(socket.socket())
            self[-1].setblocking(False)
            self[-1].connect_ex(listener.getsockname())
        time.sleep(0.05)

    def __enter__(self) -> Fillers:  # noqa: PYI034 - Self came with Python 3.11
        return self

    def __exit__(self, *_: object) -> None:
        for one in self:
            one.close()


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [(http(407), "The proxy 127.0.0.1:PORT from HTTPS_PROXY rejected the login (407", "user and"),
     (http(502), "did not connect to opsera.example (502", "NO_PROXY"),
     (sends(b""), "connection to opsera.example through the proxy 127.0.0.1:PORT broke", "HTTPS")],
)  # fmt: skip
def test_a_proxy_that_refuses(answer, message, hint):
    """The proxy and its variable are named, its password is not; the proxy got no token."""
    with Proxy(answer) as proxy:
        environ = {"HTTPS_PROXY": f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}"}
        screen = examine({"token": JWT, "base_url": "https://opsera.example"}, environ=environ)
    assert (screen.code, screen.at("FAIL")) == (ExitCode.API, ["connection"])
    assert screen.line("proxy") == "127.0.0.1:PORT (from HTTPS_PROXY, with a login)"
    assert message in screen.line("connection") and hint in screen.line("connection")
    assert JWT not in str(proxy.requests)


def test_a_proxy_that_is_not_used():
    """The reason is shown."""
    environ = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "*.example"}
    screen = examine({"token": JWT, "base_url": "https://opsera.example"}, environ=environ)
    assert screen.levels["dns"] == "FAIL"
    assert screen.line("proxy") == "HTTPS_PROXY is set but not used: NO_PROXY excludes this host."
    screen = respond(ok([]), timeout="1h")
    environ = {"HTTPS_PROXY": "http://127.0.0.1:1"}
    screen = examine({"token": JWT, "base_url": "http://127.0.0.1:1"}, environ=environ)
    assert "not used: plain HTTP never uses a proxy." in screen.line("proxy")


# --- TLS ------------------------------------------------------------------------------------------


def over_tls(
    authority: Authority, *names: str, clock: Any = None, days: float = 200, **options: Any
) -> Screen:
    """Run the doctor on a server with a certificate of that CA."""
    with serving(ok([]), tls=authority.context(*names, days=days)) as wire:
        inputs = {"token": jwt(), "base_url": wire.url, **options.pop("inputs", {})}
        return examine(inputs, clock=clock or SystemClock(), **options)


@pytest.fixture
def authority(directory) -> Authority:
    return Authority(directory)


def test_a_trusted_certificate(authority):
    """It is shown with subject, issuer, and expiry."""
    screen = over_tls(authority, inputs={"ca_bundle": authority.bundle})
    assert screen.levels["connection"] == "OK"
    assert re.search(
        r"\(TLSv1\.[23]\)\. The certificate of .*Example server.*, issued by .*Example CA.*, is "
        r"valid until 20\d\d-\d\d-\d\d\.$",
        screen.line("connection"),
    )


def test_a_certificate_that_expires_soon(authority):
    """It is a warning, and works."""
    screen = over_tls(authority, days=3.5, inputs={"ca_bundle": authority.bundle})
    assert screen.levels["connection"] == "WARN"
    assert "Renew the certificate on the server: it expires in 3 days" in screen.line("connection")


def test_a_certificate_behind_a_proxy(authority):
    """The certificate is read through the proxy that a job uses."""
    with Proxy() as proxy:
        proxy.answers = [proxy.join]
        environ = {"HTTPS_PROXY": f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}"}
        screen = over_tls(authority, environ=environ)
        assert "Example CA" in screen.line("connection")
        good = over_tls(authority, environ=environ, inputs={"ca_bundle": authority.bundle})
    assert good.levels["connection"] == "OK"
    assert {one.method for one in proxy.requests} == {"CONNECT"}
    assert all("proxy-authorization" in one.headers for one in proxy.requests)


# --- the API, and the clock -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "message"),
    [({"kind": "html"}, "the response is not JSON but an HTML page"),
     ({"kind": "http", "status": 503}, "Opsera failed to list the pipelines (HTTP 503"),
     ({"kind": "redirect", "location": "https://x.example"}, "redirects to https://x.example")],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_an_api_that_does_not_work(fault, message):
    """The connection is in order; the response is shown, and what depends on it is skipped."""
    screen = simulate(faults=[Fault(**fault)])
    assert (screen.code, screen.at("FAIL")) == (ExitCode.API, ["api"])
    assert screen.levels["connection"] == "OK" and message in screen.line("api")
    assert screen.line("api").count("GET http://127.0.0.1:PORT/api/v1/pipeline/pipelines") == 1
    assert "Skipped (api failed)." in screen.text
    assert "Not verified with Opsera." in screen.line("token")


def test_a_list_that_is_not_found():
    """It may be a wrong base_url, or an API that hides what the token may not see: a warning."""
    screen = respond(http(404), pipeline=ID)
    assert screen.levels["api"] == "WARN" and "(HTTP 404)" in screen.line("api")


def test_an_html_page_instead_of_a_refusal():
    """A firewall's page is not mistaken for Opsera's response, and no role is mentioned."""
    screen = respond(http(403, b"<title>Blocked</title>"))
    assert screen.levels["api"] == "WARN"
    assert "(HTTP 403: Blocked). It is an HTML page." in screen.line("api")
    assert "likely comes from a proxy" in screen.line("api")


@pytest.mark.parametrize(
    ("date", "message"),
    [("Wed, 31 Dec 2025 23:50:00 GMT", "This machine's clock is 10m ahead of the server's."),
     ("Thu, 01 Jan 2026 00:10:00 GMT", "This machine's clock is 10m behind the server's.")],
)  # fmt: skip
def test_a_clock_that_is_wrong(date, message):
    """The difference is shown, and the token's expiry is counted by the server's time."""
    screen = respond(ok([], Date=date), token=JWT)
    assert screen.levels["clock"] == "WARN" and message in screen.line("clock")
    assert "this machine's clock" not in screen.line("token")
    assert ("expires in 4 h" if "ahead" in message else "expires in 3 h") in screen.line("token")


# --- the token ------------------------------------------------------------------------------------


def test_without_a_token():
    """The API is still reached."""
    with serving(http(401)) as wire:
        screen = examine({"base_url": wire.url, "pipeline": ID})
    assert (screen.code, screen.at("FAIL")) == (ExitCode.INVALID_INPUT, ["token"])
    assert screen.levels["api"] == "OK"
    assert "No access token is set. | → Set OPSERA_TOKEN" in screen.line("token")
    assert "Skipped (token failed)." in screen.text


def test_an_invalid_token_file(directory):
    """It is reported once, under inputs."""
    screen = examine({"token_file": "none", "base_url": "http://127.0.0.1:1"})
    assert "none" in screen.line("inputs")
    assert screen.line("token") == "Skipped (no valid token)."


@pytest.mark.parametrize(
    ("token", "hint"),
    [("eyJhbGciOiJIUzI1NiJ9", "Looks like a truncated JWT."), ("opaque-value", "incompletely"),
     ("token=abcdefgh", "Remove the variable name")],
)  # fmt: skip
def test_a_rejected_value_that_is_no_token(token, hint):
    """The error is reported without the value."""
    with serving(http(401)) as wire:
        screen = examine({"token": token, "base_url": wire.url})
    assert screen.levels["token"] == "FAIL"
    assert hint in screen.line("token") and "not a JWT" in screen.line("token")


@pytest.mark.parametrize(
    ("claims", "level", "part"),
    [({"exp": -3 * 86400}, "WARN", "expired 3 days ago"),
     ({"exp": 3 * 86400.5}, "WARN", "expires in 3 days"),
     ({"exp": 30 * 86400.5}, "OK", "expires in 30 days"),
     ({"nbf": 3600.5}, "OK", "valid only in 60 min (claim nbf)"),
     ({}, "OK", "expiry unknown, scope unknown")],
)  # fmt: skip
def test_what_an_accepted_token_contains(claims, level, part):
    """Its expiry is a warning in its last week, and what is unknown is called so."""
    claims = {name: FakeClock().time() + value for name, value in claims.items()}
    screen = respond(ok([], Date="Thu, 01 Jan 2026 00:00:00 GMT"), token=jwt(**claims))
    assert screen.levels["token"] == level
    assert screen.line("token").startswith("Accepted by Opsera.") and part in screen.line("token")
    assert ("Create a new token" in screen.line("token")) is (level == "WARN")


def test_a_token_that_was_not_verified():
    """Without a response, it is unknown whether it is accepted; a malformed token is reported."""
    inputs = {"base_url": "http://127.0.0.1:1"}
    line = examine({**inputs, "token": "opaque-value"}).line("token")
    assert line.startswith("Not verified with Opsera. Token from OPSERA_TOKEN: not a JWT")
    screen = examine({**inputs, "token": '"quoted-value"'})
    assert "Remove the quotation marks" in screen.text
    later = FakeClock().time() + 7200
    line = examine({**inputs, "token": jwt(nbf=later)}).line("token")
    assert "valid only in 2 h by this machine's clock" in line and "Wait until then" in line


# --- what the token may do ------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["registry"])
def test_a_scope_that_is_not_for_pipelines(scope):
    """What is allowed is shown, and the scopes that are documented for what is not."""
    screen = simulate(scope=scope)
    assert (screen.code, screen.at("FAIL")) == (ExitCode.AUTH, ["access"])
    line = screen.line("access")
    assert "Denied: list pipelines, read the pipeline, read their logs" in line
    assert "the token has" in line and f"({scope})" in line
    assert screen.levels["changes"] == "WARN"
    assert "does not allow run, stop, and reset" in screen.line("changes")


def test_a_scope_for_logs_only():
    """A token that may only read status and logs is enough to watch a run: a warning."""
    screen = simulate(scope="pipeline-readonly", inputs={"run_count": "41"})
    assert (screen.code, screen.at("FAIL")) == (0, [])
    line = screen.line("access")
    assert line.startswith("Allowed: read the status of runs, read their logs. Denied: ")
    assert "watch, status, and logs don't if run_count is set" in line
    assert "pipeline, run  Skipped (no access; see access)." in screen.text


def test_a_role_that_may_not_list():
    """By its ID the pipeline is found; by its name it can't be, and the ID is the advice."""
    assert simulate(scope="pipeline", role="plain").levels["pipeline"] in ("OK", "SKIP")
    screen = simulate(role="plain", inputs={"pipeline": "Deploy shop"})
    assert screen.code == ExitCode.AUTH
    assert "Set the pipeline by its ID" in screen.line("access")
    assert "not a Power User or Site Admin" in screen.line("access")


def test_what_could_not_be_tried_is_unknown():
    """A server error is neither allowed nor denied."""
    screen = respond(ok([]), http(500))
    assert screen.levels["access"] == "WARN"
    assert "Allowed: list pipelines. Unknown: list tools" in screen.line("access")


# --- pipeline and run -----------------------------------------------------------------------------


def about(changes: dict[str, object], **outer: object) -> Screen:
    """Run the doctor on a pipeline with these changes of its workflow."""
    item = {**PIPELINE, **outer, "workflow": {**PIPELINE["workflow"], **changes}}  # type: ignore[dict-item]
    return respond(ok([item]), ok(item), ok({"status": "success"}), ok([]), pipeline=ID)


def test_without_a_pipeline():
    """That is not a problem, but there is no check of a run."""
    screen = simulate(inputs={"pipeline": ""})
    assert (screen.code, screen.levels["pipeline"]) == (0, "SKIP")
    assert "Skipped (no pipeline is set). | → Set OPSERA_PIPELINE" in screen.line("pipeline")
    assert screen.line("run") == "Skipped (no pipeline is set)."


@pytest.mark.parametrize(
    ("changes", "outer", "message"),
    [({}, {"active": False}, "1 step, latest run 3 (stopped), inactive."),
     ({"plan": []}, {}, "0 steps, latest run 3"),
     ({"plan": [{"_id": "a", "active": False}] * 2}, {}, "2 steps (2 inactive), latest run 3")],
)  # fmt: skip
def test_a_pipeline_that_does_nothing(changes, outer, message):
    """It is a warning."""
    screen = about(changes, **outer)
    assert (screen.code, screen.at("WARN")) == (0, ["pipeline", "run"])
    assert message in screen.line("pipeline")
    assert "A run would have no active steps" in screen.line("run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"plan": [{"_id": "a"}, {"_id": "b", "active": False}]}, "2 steps (1 inactive), latest"),
     ({"plan": None}, f"“Deploy” ({ID}): latest run 3 (stopped)."),
     ({"last_run": {"run_count": 2, "status": "failed"}}, "latest run 3 (stopped)."),
     ({"run_count": 0}, "never run.")],
)  # fmt: skip
def test_what_is_shown_of_a_pipeline(changes, message):
    """Steps, if they are listed, and the latest run with its own status only."""
    screen = about(changes)
    assert screen.levels["pipeline"] == screen.levels["run"] == "OK"
    assert message in screen.line("pipeline")


def test_an_unknown_id():
    """It is 3, as in a job."""
    screen = simulate(inputs={"pipeline": "0" * 24})
    assert (screen.code, screen.at("FAIL")) == (ExitCode.API, ["pipeline"])
    assert "(HTTP 404" in screen.line("pipeline")
    assert "run         Skipped (pipeline failed)." in screen.text


def test_an_unknown_name():
    """It is 2, as in a job, with the close match."""
    screen = simulate(inputs={"pipeline": "deploy shop"})
    assert screen.code == ExitCode.INVALID_INPUT
    assert "Did you mean “Deploy shop”?" in screen.line("pipeline")


ATTACH = {"on_busy": "attach"}


@pytest.mark.parametrize(
    ("scenario", "inputs", "code", "message"),
    [("paused-refusal", {}, 8, "Run 42 is waiting for approval at “Approve production”; accord"),
     ("paused-refusal", {"reset": "auto"}, 0, "A job resets the pipeline before the run"),
     ("paused-refusal", ATTACH, 8, "a job attaches to it and fails (on_paused: fail)"),
     ("paused-refusal", {**ATTACH, "on_paused": "wait"}, 0, "a job attaches to it and waits."),
     ("busy", {}, 0, "Run 42 is in progress; a job queues a run behind it"),
     ("busy", {"on_busy": "fail"}, 3, "Run 42 is in progress, so a job fails (on_busy: fail)."),
     ("previous-failed", {}, 0, "The last run failed. A new run may resume at the failed step"),
     ("previous-failed", {"reset": "auto"}, 0, "A job resets the pipeline before the run (reset")],
)  # fmt: skip
def test_what_a_run_would_meet(scenario, inputs, code, message):
    """It depends on the state of the pipeline and on the inputs."""
    screen = simulate(scenario, inputs=inputs)
    assert (screen.code, message in screen.line("run")) == (code, True), screen.text


# --- forms of output ------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_as_data(form, read: Callable[[str], Any]):
    """JSON and YAML contain every check, and nothing else is printed."""
    data = read(simulate(form=form, expires_in=-5).text)
    assert (data["exitCode"], data["summary"]) == (4, "1 problem.")
    assert [one["check"] for one in data["checks"]] == NAMES
    problem = next(one for one in data["checks"] if one["level"] == "fail")
    assert problem["hint"]
    assert set(problem) == {"check", "level", "message", "hint", "details", "request"}


@pytest.mark.parametrize("platform", ["plain", "github", "gitlab"])
def test_in_a_job(directory, platform):
    """The log has all lines, the first problem is annotated, and `result` is the JSON."""
    environ = {"github": {"GITHUB_ACTIONS": "true"}, "gitlab": {"GITLAB_CI": "true"}}.get(
        platform, {}
    )
    if platform == "github":
        environ["GITHUB_OUTPUT"] = str(directory / "out")
    inputs = {"output_file": "outputs.env"}
    screen = simulate("paused-refusal", inputs=inputs, is_job=True, environ=environ)
    assert screen.code == 8
    plain = re.sub(r"\x1b\[[0-9;]*m", "", screen.text)
    assert all(f" {name}  " in plain for name in NAMES)
    if platform == "github":
        assert "::error title=opsera-step doctor::1 problem. run: Run 42 is waiting" in screen.text
        assert '"summary":"1 problem."' in (directory / "out").read_text("utf-8")
    outputs = read_outputs((directory / "outputs.env").read_text("utf-8"))
    assert outputs["OPSERA_STATUS"] == "error"
    if platform == "plain":
        assert json.loads(outputs["OPSERA_RESULT"])["exitCode"] == 8


def test_in_a_job_without_a_token(monkeypatch):
    """Nothing is masked: an empty mask hides every character of the log."""
    with serving(http(401)) as wire:
        environ = {"GITHUB_ACTIONS": "true"}
        screen = examine({"base_url": wire.url}, is_job=True, environ=environ)
    assert "::add-mask::" not in screen.text


@pytest.mark.parametrize("width", [None, 80, 45])
def test_on_a_terminal(width):
    """Texts are wrapped, and what is skipped for one reason is one line."""
    screen = examine({"token": JWT, "base_url": "https://nowhere.invalid"}, width=width)
    text = " ".join(screen.text.split())
    assert "connection, clock, api Skipped (dns failed)." in text
    assert text.endswith("1 problem and 1 warning. Fix dns first.")
    if width:
        assert max(map(len, screen.text.splitlines())) <= width


def test_a_bug_of_ours(monkeypatch):
    """It does not hide what was found before it."""

    def broken(_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(
        "opsera_step.doctor.checks.CHECKS", (*CHECKS[:-1], CHECKS[-1]._replace(function=broken))
    )
    screen = simulate()
    assert screen.code == ExitCode.INTERNAL
    assert "Internal error in a check: ZeroDivisionError: oh" in screen.line("doctor")
    assert screen.levels["pipeline"] == "OK"


def test_text_of_the_api_is_data():
    """A name of the API can neither color the screen nor run a command."""
    hostile = {"_id": ID, "name": "\x1b[31m::error::x\n##[group]y", "workflow": {}}
    screen = respond(ok([hostile]), ok(hostile), pipeline=ID)
    assert "\x1b" not in screen.text
    assert len(re.findall(r"^\S", screen.text, re.MULTILINE)) == len(NAMES) + 1


def test_a_signal_ends_it():
    """Ctrl-C ends a wait for the network at once, with the code that shells expect."""
    signals = Signals()
    before = signal.signal(signal.SIGUSR1, lambda *_: signals.notice(signal.SIGINT))
    try:
        with Wire() as wire:

            def interrupt(peer: socket.socket) -> None:
                os.kill(os.getpid(), signal.SIGUSR1)
                wire.hang(peer)

            wire.answers = [interrupt]
            screen = examine({"token": JWT, "base_url": wire.url}, signals=signals)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert screen.code == 130
    assert "Cancelled before all checks finished." in screen.line("doctor")
    assert "No problems" not in screen.text


def test_it_takes_no_longer_than_it_promises():
    """What can't be tried in time is called untested."""
    clock = FakeClock()
    with Wire() as wire:

        def slow(peer: socket.socket) -> None:
            clock.sleep(30)
            peer.sendall(ok([]))

        wire.answers = [slow, ok([])]
        screen = examine({"token": jwt(), "base_url": wire.url}, clock=clock)
    assert len(wire.requests) == 1
    assert "Unknown: list tools, list tasks, read audit logs." in screen.line("access")
