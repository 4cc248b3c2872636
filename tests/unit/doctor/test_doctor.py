"""The doctor's whole screen in good and in broken situations, over real connections."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import ssl
import textwrap
import threading
import time
from dataclasses import dataclass

import pytest
import yaml

from opsera_step.clock import FakeClock
from opsera_step.config import Setting
from opsera_step.doctor import network
from opsera_step.doctor.command import consult
from opsera_step.errors import ExitCode
from opsera_step.platforms.base import read_dotenv
from opsera_step.signals import Signals
from opsera_step.simulator import Fault, Simulator
from tests.support.authority import Authority
from tests.support.tokens import jwt as written
from tests.support.wire import Proxy, Wire, http, ok, serving

ID = "65a4f00dc0ffee0123456789"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NjcyNDAwMDB9.c2lnbmF0dXJl"
"""Ends on 2026-01-01 at 04:00, four hours after the time at which a FakeClock begins."""
PIPELINE = {"_id": ID, "name": "Deploy", "workflow": {"run_count": 3, "plan": [{"_id": "a"}]}}
NAMES = (
    "inputs", "address", "dns", "proxy", "connection", "clock", "api", "token", "access",
    "changes", "pipeline", "run",
)  # fmt: skip


def jwt(**claims) -> str:
    """Write a token with these claims."""
    return written(claims)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of its own, and no proxy of this machine's."""
    monkeypatch.chdir(tmp_path)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return tmp_path


@dataclass
class Screen:
    """What was printed, and the exit code."""

    text: str
    code: int

    @property
    def levels(self) -> dict[str, str]:
        """The level of each check, in their order."""
        found = re.findall(r"^(\w+) +(\w+(?:, \w+)*)(?:  |$)", self.text, re.MULTILINE)
        return {name: level for level, names in found for name in names.split(", ")}

    def at(self, level: str) -> list[str]:
        """The checks that came out so."""
        return [name for name, one in self.levels.items() if one == level]

    def line(self, name: str) -> str:
        """The line of a check, with what follows below it."""
        found = re.search(rf"^\w+ +{name}  +(.*(?:\n {{9}}.*)*)", self.text, re.MULTILINE)
        assert found, self.text
        return re.sub(r"\s*\n\s+", " | ", found[1])


def look(
    inputs: dict[str, str],
    *,
    clock=None,
    cancellation=None,
    environ=None,
    is_job=False,
    form="table",
    width=None,
    **options,
) -> Screen:
    """Consult the doctor; whatever happens, neither the token nor a password is shown."""
    out = io.StringIO()
    variables = {f"OPSERA_{name.upper()}": value for name, value in inputs.items()}
    code = consult(
        {**variables, **(environ or {})}, out, cancellation or Signals(),
        options={name: Setting(value, f"--{name}") for name, value in options.items()},
        form=form, is_job=is_job, width=width, clock=clock or FakeClock(),
    )  # fmt: skip
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", out.getvalue())
    if not is_job:
        assert inputs.get("token", "proxy-secret") not in text
    assert "proxy-secret" not in text and "Traceback" not in text
    return Screen(text, code)


def play(scenario="success", *, scope="api", expires_in=1e7, look_at=None, **kwargs) -> Screen:
    """Consult the doctor about a simulated account."""
    clock = FakeClock()
    options = {name: kwargs.pop(name) for name in ("flags", "faults") if name in kwargs}
    with Simulator(scenario, clock=clock, seed=1, **options) as simulator:
        token = simulator.issue_token(scope, expires_in=expires_in, role=kwargs.pop("role", None))
        basics = {"token": token, "pipeline": ID, "base_url": simulator.url}
        inputs = {**basics, **kwargs.pop("inputs", {})}
        screen = look({k: v for k, v in inputs.items() if v}, clock=clock, **kwargs)
        assert not {one.call for one in simulator.requests} & {"run", "stop", "reset"}
        assert len(simulator.requests) <= 8
    return screen


def stands(**changes) -> Screen:
    """Consult the doctor about a pipeline of which something is otherwise."""
    outer = {name: changes.pop(name) for name in ("active",) if name in changes}
    told = {**PIPELINE, **outer, "workflow": {**PIPELINE["workflow"], **changes}}
    with serving(ok([told]), ok(told), ok({"status": "success"}), ok([])) as wire:
        return look({"token": jwt(scope="api"), "base_url": wire.url, "pipeline": ID})


def test_all_is_well():
    """The whole screen, as it is when nothing is wrong."""
    screen = play(scope="pipeline")
    assert screen.code == 0
    assert screen.text == textwrap.dedent("""\
        ok       inputs      Set besides the address: token: set (OPSERA_TOKEN), pipeline: 65a4f00dc0ffee0123456789 (OPSERA_PIPELINE).
        ok       address     http://127.0.0.1:PORT (OPSERA_BASE_URL)
        skipped  dns         127.0.0.1 is an address already.
        ok       proxy       None is set.
        ok       connection  127.0.0.1:PORT answers; plain http, to this machine only.
        ok       clock       It agrees with the server's, to a minute.
        ok       api         It answers, in 0 ms.
        ok       token       Accepted, from OPSERA_TOKEN; a JWT, expires in 115 days (2026-04-26 17:46 UTC), scope pipeline.
        ok       access      It may list pipelines, see the pipeline, see its runs and read their logs; may not list tools, list tasks or read audit logs (by its scope).
        ok       changes     Run, stop, reset and update were not tried, for they change something; the scope pipeline is good for runs.
        ok       pipeline    “Deploy shop” is there, with 4 steps; at rest after a success, its newest run 41 ended “success”.
        ok       run         A run would be accepted, as far as can be seen.

        All is well, as far as can be told without starting a run.
        """)  # noqa: E501 - as they are printed


class TestInputs:
    """What is configured, and where."""

    def test_each_is_told_with_its_origin(self, folder):
        """Option, variable and the line of the config file; an alias with what it stands for."""
        (folder / ".opsera.yml").write_text(f"logs: all\npipelines:\n  shop: {ID}\n")
        screen = play(inputs={"pipeline": "shop", "config": ".opsera.yml"}, timeout="5m")
        line = screen.line("inputs")
        assert screen.code == 0
        assert "timeout: 5m (--timeout)" in line
        assert "logs: all (.opsera.yml, line 1)" in line
        assert (
            f"pipeline: {ID} (.opsera.yml, line 3; the alias “shop” is from OPSERA_PIPELINE)"
            in line
        )

    def test_faults_are_told_all_at_once_and_the_rest_is_checked(self, folder):
        """Wrong inputs end with 2, and the way to the API is looked at all the same."""
        (folder / ".opsera.yml").write_text("logs: some\n\ncolour: red\n")
        screen = play(inputs={"config": ".opsera.yml"}, timeout="soon")
        line = screen.line("inputs")
        assert (screen.code, screen.at("fault")) == (ExitCode.INVALID_INPUT, ["inputs"])
        assert line.startswith("3 are wrong.")
        for told in ("'some' for logs (from .opsera.yml, line 1)", "line 3", "(from --timeout)"):
            assert told in line
        assert screen.levels["run"] == "ok"

    def test_a_wrong_address_leaves_nothing_to_ask(self):
        """Without an address that can be used only the token's own words are left."""
        screen = look({"token": JWT, "base_url": "http://opsera.example"})
        assert screen.code == ExitCode.INVALID_INPUT
        assert screen.at("fault") == ["inputs"]
        assert screen.at("skipped") == [name for name in NAMES if name not in ("inputs", "token")]
        assert "expires in 4 h" in screen.line("token")

    def test_a_variable_with_a_slip_is_noticed(self):
        """A name that is almost an input's is told; outputs of an earlier job are none."""
        environ = {"OPSERA_TIMOUT": "5m", "OPSERA_PIPELINE_ID": ID, "OPSERA_DEBUG": "1"}
        line = play(environ=environ).line("inputs")
        assert line.count("is not read") == 1
        assert "OPSERA_TIMOUT is not read. Did you mean OPSERA_TIMEOUT?" in line

    @pytest.mark.parametrize("name", ["base_url", "timeout", "report_dir"])
    def test_a_token_in_a_wrong_place_is_not_shown(self, name):
        """What looks like a token is not printed, whichever input it was given to."""
        other = JWT.replace("eyJ", "eyK")
        assert other not in look({"token": JWT, name: other, "pipeline": ID}).text
        assert "hunter2" not in look({"base_url": "https://me:hunter2@opsera.example"}).text


class TestWay:
    """The way to the API."""

    def test_a_host_that_does_not_exist(self):
        """DNS is named, and nothing behind it is blamed."""
        screen = look({"token": JWT, "base_url": "https://nowhere.invalid"})
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["dns"])
        assert "nowhere.invalid can't be resolved" in screen.line("dns")
        assert "Look for a slip in base_url" in screen.line("dns")
        assert screen.line("inputs") == "Set besides the address: token: set (OPSERA_TOKEN)."
        assert screen.at("skipped")[:3] == ["proxy", "connection", "clock"]

    def test_a_lookup_that_takes_too_long(self, monkeypatch):
        """The system's lookup has no time limit; ours has."""
        over = threading.Event()
        monkeypatch.setattr(network.socket, "getaddrinfo", lambda *_, **__: [over.wait(30)][:0])
        with pytest.raises(TimeoutError):
            network.resolve("opsera.example", 0.05)
        over.set()

    def test_a_name_that_is_none(self):
        """What can't be asked for is no traceback."""
        with pytest.raises(OSError, match="it is no host name"):
            network.resolve("a" * 70 + ".example", 5)

    def test_a_host_of_several_addresses(self, monkeypatch):
        """One that does not answer does not hide the next; all of them share the time."""
        real, told = socket.getaddrinfo, []

        def lookup(host, port, *args, **kwargs):
            if host != "two.example":
                return real(host, port, *args, **kwargs)
            told.append(port)
            return [*real("127.0.0.2", port, *args, **kwargs), *real("127.0.0.1", port, 0, 1)]

        monkeypatch.setattr(network.socket, "getaddrinfo", lookup)
        with serving(http(200)) as wire:
            opened = network.connect(network.Route("two.example", wire.port), lambda: 5.0)
            assert opened.getpeername() == ("127.0.0.1", wire.port)
            assert opened.gettimeout() == 2.5
            opened.close()
        with pytest.raises(ConnectionRefusedError):
            network.connect(network.Route("two.example", 1), lambda: 5.0)

    def test_a_port_on_which_nobody_listens(self):
        """A refused connection, in the system's words."""
        screen = look({"token": JWT, "base_url": "http://127.0.0.1:1"})
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["connection"])
        line = screen.line("connection")
        assert line.startswith("No connection to 127.0.0.1:PORT: Connection refused. | → Nothing l")
        assert "check host and port in base_url" in line

    def test_a_host_that_does_not_answer(self, monkeypatch):
        """A firewall that drops everything, or a proxy that nobody told."""

        def open_none(*_, **__):
            raise TimeoutError

        monkeypatch.setattr(network.socket, "create_connection", open_none)
        line = look({"token": JWT, "base_url": "https://127.0.0.1:1"}).line("connection")
        assert "no answer in time. | → Usually a firewall" in line
        assert "set HTTPS_PROXY where there is a proxy" in line

    def test_a_proxy_that_is_down(self, monkeypatch):
        """It is the proxy that is named, not the API behind it."""
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        inputs = {"token": JWT, "base_url": "https://opsera.example"}
        screen = look(inputs, environ={"HTTPS_PROXY": "http://127.0.0.1:1"})
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["connection"])
        line = screen.line("connection")
        assert line.startswith("No connection to the proxy 127.0.0.1:PORT itself: Connection ref")
        assert "Is the proxy running, and its address in HTTPS_PROXY right?" in line

    def test_a_proxy_that_wants_a_password(self, monkeypatch):
        """It is told where to put it, and how."""
        with Proxy(http(407)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            inputs = {"token": JWT, "base_url": "https://opsera.example"}
            line = look(inputs, environ={"HTTPS_PROXY": proxy.url}).line("connection")
        assert "407 X. | → It wants a user name and a password: put them into HTTPS_PROXY" in line
        assert "http://USER:PASSWORD@127.0.0.1:PORT" in line

    @pytest.mark.parametrize(
        ("answer", "why", "remedy"),
        [(http(407), "407", "does not take the user name and password in HTTPS_PROXY"),
         (http(403), "403", "Ask who runs the proxy to let this machine reach opsera.example"),
         (http(502), "502", "The proxy can't reach opsera.example: look for a slip in base_url"),
         (b"nonsense\r\n\r\n", "not answer as one", "check the address and port in HTTPS_PROXY"),
         (b"", "", "It broke off on the way through the proxy")],
    )  # fmt: skip
    def test_a_proxy_that_refuses(self, monkeypatch, answer, why, remedy):
        """The proxy and its variable are named, its password is not."""
        with Proxy(answer) as proxy:
            address = proxy.url.replace("//", "//me:proxy-secret@")
            monkeypatch.setenv("HTTPS_PROXY", address)
            inputs = {"token": JWT, "base_url": "https://opsera.example"}
            screen = look(inputs, environ={"HTTPS_PROXY": address})
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["connection"])
        assert screen.line("proxy") == (
            "127.0.0.1:PORT (from HTTPS_PROXY, with a user name and a password)"
        )
        line = screen.line("connection")
        assert line.startswith("No connection to opsera.example:443") and why in line
        assert "proxy 127.0.0.1:PORT" in line and remedy in line
        (request,) = proxy.requests
        assert request.headers["proxy-authorization"] == "Basic bWU6cHJveHktc2VjcmV0"
        assert JWT not in str(proxy.requests)

    @pytest.mark.parametrize("address", ["http://", "http://[::1", "http://a:b"])
    def test_a_proxy_that_cannot_be(self, monkeypatch, address):
        """An address that is none is the proxy's fault, and names its variable."""
        monkeypatch.setenv("HTTPS_PROXY", address)
        screen = look({"base_url": "https://127.0.0.1:1"}, environ={"HTTPS_PROXY": address})
        assert screen.code == ExitCode.INVALID_INPUT
        assert "HTTPS_PROXY" in screen.text

    def test_a_proxy_that_is_not_used(self, monkeypatch):
        """NO_PROXY, and plain http, go past it, and that is told."""
        for name, value in (("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "127.0.0.1")):
            monkeypatch.setenv(name, value)
        environ = {"HTTPS_PROXY": "http://127.0.0.1:1"}
        screen = look({"base_url": "https://127.0.0.1:1"}, environ=environ)
        assert "HTTPS_PROXY is set, but not used for this host: NO_PROXY" in screen.line("proxy")
        screen = look({"base_url": "http://127.0.0.1:1"}, environ=environ)
        assert "plain http never takes it" in screen.line("proxy")


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class TestTls:
    """Certificates, good and bad."""

    def look_at(self, tls: ssl.SSLContext, **inputs: str) -> Screen:
        clock = FakeClock(time.time())
        with serving(ok([]), tls=tls) as wire:
            return look({"token": JWT, "base_url": wire.url, **inputs}, clock=clock)

    def test_a_private_ca_that_is_known(self, authority):
        """Issuer and end are told, and that ca_bundle is used."""
        screen = self.look_at(authority.context(days=2.5), ca_bundle=authority.bundle)
        line = screen.line("connection")
        assert re.match(
            r"TLSv1\.3; the certificate of Example server, from Example CA, is "
            r"good until 20\d\d-\d\d-\d\d; ca_bundle is trusted too\.",
            line,
        )
        assert screen.levels["connection"] == "warning" and "It ends in 2 days" in line
        assert screen.levels["api"] == "ok"

    def test_a_private_ca_that_is_not_known(self, authority):
        """Whose certificate it is helps to find out who is on the way."""
        screen = self.look_at(authority.context())
        line = screen.line("connection")
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["connection"])
        assert "is not trusted here: unable to get local issuer certificate" in line
        assert "that of Example server, from Example CA, good until" in line
        assert "give the certificate of that CA in ca_bundle." in line

    def test_a_certificate_that_has_ended(self, authority):
        """That is the server's fault, and no CA helps."""
        screen = self.look_at(authority.context(days=-1), ca_bundle=authority.bundle)
        line = screen.line("connection")
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["connection"])
        assert "certificate has expired" in line and "and ended on 20" in line
        assert "It has to be renewed at the server" in line

    def test_a_certificate_of_another_host(self, authority):
        """base_url is what to look at."""
        screen = self.look_at(authority.context("other.test"), ca_bundle=authority.bundle)
        assert "It is another host's: check base_url, and" in screen.line("connection")

    def test_a_server_that_speaks_no_tls(self):
        """A plain server behind an https address is told as such."""
        listener = socket.create_server(("127.0.0.1", 0))

        def refuse() -> None:
            with listener, listener.accept()[0] as peer:
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                peer.recv(1 << 16)

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        screen = look({"token": JWT, "base_url": f"https://127.0.0.1:{port}"})
        thread.join(5)
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["connection"])
        assert "does not speak TLS as it should" in screen.line("connection")

    @pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_a_ca_of_the_usual_variables(self, authority, monkeypatch, name):
        """What the job would trust the doctor trusts too."""
        monkeypatch.setenv(name, authority.bundle)
        screen = self.look_at(authority.context())
        assert screen.levels["connection"] == "warning"
        assert screen.levels["api"] == "ok"

    def test_through_a_proxy(self, authority, monkeypatch):
        """The certificate is looked at through the proxy that the job will use."""
        with Proxy() as proxy:
            proxy.answers = [proxy.join]
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            screen = self.look_at(authority.context(), ca_bundle=authority.bundle)
        assert screen.levels["connection"] == "warning"
        assert {one.method for one in proxy.requests} == {"CONNECT"}

    def test_a_ca_bundle_that_is_none(self, folder):
        """It is bad input, and told before anything is asked."""
        (folder / "ca.pem").write_text("no PEM")
        screen = look({"base_url": "https://127.0.0.1:1", "ca_bundle": "ca.pem"})
        assert (screen.code, screen.at("fault")) == (ExitCode.INVALID_INPUT, ["address", "token"])
        assert "ca_bundle: 'ca.pem'" in screen.line("address")


class TestApi:
    """What answers at the address."""

    @pytest.mark.parametrize(
        ("fault", "told"),
        [({"status": 502}, "HTTP 502"), ({"kind": "html"}, "not JSON"),
         ({"kind": "close"}, " broke."), ({"kind": "redirect", "location": "https://x.example"},
         "redirects to https://x.example"), ({"status": 400}, "HTTP 400")],
        ids=lambda one: str(one)[:20],
    )  # fmt: skip
    def test_an_api_that_is_not_well(self, fault, told):
        """It is said what came, with the hint that a job would give."""
        screen = play(faults=[Fault(**fault)])
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["api"])
        assert told in screen.line("api") and " | → " in screen.line("api")
        assert "could not be seen" in screen.line("token")
        assert screen.levels["token"] == "skipped"

    @pytest.mark.parametrize(
        "answer",
        [ok({}), ok(None), ok({"message": "hello"}), ok("fine"), ok([1]), ok({"data": {}}),
         ok({"data": "none"}), ok({"x": [{}] * 40_000}), http(200), http(204),
         http(200, b"<!doctype html><title>Login</title>", Content_Type="application/json"),
         http(200, b"[{}" + b"," * 9, Content_Type="application/json")],
        ids=lambda answer: repr(answer[-25:]),
    )  # fmt: skip
    @pytest.mark.parametrize("pipeline", ["", ID])
    def test_a_server_that_is_not_opsera(self, answer, pipeline):
        """Whatever says 200 to everything is not taken for the API, nor the token for accepted."""
        with serving(answer) as wire:
            screen = look({"token": JWT, "base_url": wire.url, "pipeline": pipeline})
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["api"])
        assert "Accepted" not in screen.text and screen.levels["token"] == "warning"
        assert screen.at("skipped")[-4:] == ["access", "changes", "pipeline", "run"]

    @pytest.mark.parametrize(
        "start",
        [b"[", b" [\n", b'{"count": 3, "data": [', b'\xef\xbb\xbf{"of":"a b","is":null,"data":['],
    )
    def test_a_list_that_is_huge(self, start):
        """It is not waited for until its end: its start shows what it is."""
        with Wire() as wire:

            def answer(peer: socket.socket) -> None:
                head = http(200, Content_Type="application/json").split(b"\r\n\r\n")[0]
                peer.sendall(head.replace(b"Content-Length: 0", b"Content-Length: 99999999"))
                peer.sendall(b"\r\n\r\n" + start + b'{"_id":"x"},' * 9000)
                wire.hang(peer)

            wire.answers = [answer]
            screen = look({"token": JWT, "base_url": wire.url})
        assert (screen.code, screen.at("warning")) == (0, ["token"])
        assert "It may list pipelines, list tools, list tasks and read audit" in screen.text

    @pytest.mark.parametrize("odd", [ok({}), ok({"data": "x"}), ok(7), http(200, b"<p>")])
    @pytest.mark.parametrize("call", ["see its runs", "read their logs"])
    def test_a_call_that_answers_something_else(self, call, odd):
        """What a run can't be followed without is a fault where its answer is of no use."""
        status, logs = (odd, ok([])) if call == "see its runs" else (ok({"status": "success"}), odd)
        good = [ok([PIPELINE]), ok(PIPELINE), status, logs, ok([])]
        with serving(*good) as wire:
            screen = look({"token": JWT, "base_url": wire.url, "pipeline": ID})
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["access"])
        assert f"unknown: {call}." in screen.line("access")

    def test_a_page_instead_of_a_refusal(self):
        """A 403 with HTML is hardly Opsera's: neither scope nor role is blamed."""
        page = http(403, b"<html><title>Blocked</title>", Content_Type="text/html")
        with serving(page) as wire:
            screen = look({"token": jwt(scope="api"), "base_url": wire.url, "pipeline": ID})
        assert (screen.code, screen.at("warning")) == (ExitCode.AUTH, ["api"])
        assert "with a page of HTML. | → This response likely comes from a proxy" in screen.line(
            "api"
        )
        assert "Power User" not in screen.text
        assert screen.text.endswith("1 fault and 1 warning. Begin with api.\n")

    def test_an_api_that_does_not_answer(self, monkeypatch):
        """No step takes longer than its time."""
        monkeypatch.setattr("opsera_step.doctor.checks.STEP_SECONDS", 0.2)
        with Wire() as wire:
            wire.answers = [wire.hang]
            screen = look({"token": JWT, "base_url": wire.url})
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["api"])
        assert "No response from" in screen.line("api")

    def test_an_address_without_the_api(self):
        """Where nothing is found at all base_url is the likely reason."""
        screen = play(faults=[Fault(status=404)])
        assert screen.code == ExitCode.API
        assert screen.levels["api"] == "warning"
        assert "Check that base_url is the address of your tenant" in screen.line("api")

    @pytest.mark.parametrize("switch", ["invalid_token_status", "forbidden_status"])
    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_an_api_with_other_words(self, switch, status):
        """Whatever status stands for no access, a bad token is never called good."""
        screen = play(flags={switch: status}, scope="tasks", expires_in=-5)
        assert screen.code in (ExitCode.AUTH, ExitCode.API)
        assert "Accepted" not in screen.text
        assert screen.levels["pipeline"] != "ok"

    def test_calls_for_which_no_time_is_left(self):
        """When all the time is over the rest is not asked, and that is told."""
        screen = play(faults=[Fault(call="summary", kind="latency", seconds=30)])
        assert "not asked, for the time for all checks was over" in screen.line("access")
        assert screen.levels["access"] == "warning"

    @pytest.mark.parametrize(
        ("ahead", "told"), [(95, "1m35s ahead of"), (-7200, "2h behind"), (50, ""), (-50, "")]
    )
    def test_a_clock_that_is_wrong(self, ahead, told):
        """More than a minute is a warning; the token's end is then told by the server's clock."""
        theirs, ours = FakeClock(), FakeClock(FakeClock().time() + ahead)
        with Simulator("success", clock=theirs, seed=1) as simulator:
            token = simulator.issue_token(expires_in=40 * 86400)
            screen = look({"token": token, "base_url": simulator.url}, clock=ours)
        assert screen.code == 0
        assert screen.levels["clock"] == ("warning" if told else "ok")
        assert told in screen.line("clock")
        assert "(2026-02-10 00:00 UTC)" in screen.line("token")
        assert ("expires in 40 days" in screen.line("token")) or abs(ahead) < 60

    def test_a_server_without_a_date(self):
        """There is nothing to compare with then."""
        with serving(ok([])) as wire:
            screen = look({"token": JWT, "base_url": wire.url})
        assert screen.levels["clock"] == "skipped"


class TestToken:
    """The token and what it may do."""

    @pytest.mark.parametrize("given", [{}, {"token_file": "gone"}])
    def test_none(self, given):
        """Without a token the way there is looked at, and where secrets get lost is told."""
        screen = play(inputs={"token": "", **given})
        assert screen.code == ExitCode.INVALID_INPUT
        assert screen.levels["api"] == "ok"
        if not given:
            assert "No access token is set." in screen.line("token")
            assert "Protected variables" in screen.line("token")

    def test_one_that_has_ended(self):
        """The API's answer and the token's own word, and what to do."""
        screen = play(expires_in=-2.5 * 86400)
        line = screen.line("token")
        assert (screen.code, screen.at("fault")) == (ExitCode.AUTH, ["token"])
        assert line.startswith("Opsera does not accept it (Opsera rejected the access token")
        assert "expired 2 days ago (2025-12-29 12:00 UTC)" in line
        assert "Create a new token in Opsera" in line
        assert screen.at("skipped") == ["dns", "access", "changes", "pipeline", "run"]

    @pytest.mark.parametrize(
        ("token", "told"),
        [(f'"{JWT}"', "quotation mark"), ("eyJhbGciOiJIUzI1NiJ9", "truncated JWT"),
         ("opaque-token", "copied incompletely")],
    )  # fmt: skip
    def test_one_that_was_put_there_wrongly(self, token, told):
        """What often goes wrong with secrets is recognized, without showing them."""
        screen = play(inputs={"token": token})
        assert screen.code == ExitCode.AUTH
        assert told in screen.line("token")

    @pytest.mark.parametrize(
        ("token", "told"), [("$OPSERA_TOKEN", "name of a variable"), ("opaque", "fewer than 8")]
    )
    def test_one_that_is_none(self, token, told):
        """What can't be a token is an invalid input, and is not tried."""
        screen = play(inputs={"token": token})
        assert (screen.code, screen.at("fault")) == (ExitCode.INVALID_INPUT, ["inputs"])
        assert told in screen.line("inputs") and "token" in screen.at("skipped")

    def test_one_that_ends_soon(self):
        """A week before its end it is a warning."""
        screen = play(expires_in=3 * 3600)
        assert (screen.code, screen.at("warning")) == (0, ["token"])
        assert "expires in 3 h" in screen.line("token")

    def test_one_that_may_only_read(self):
        """What was not tried is told with what the scope suggests."""
        screen = play(scope="pipeline-readonly", flags={"scopes": "wide"})
        assert (screen.code, screen.at("warning")) == (0, ["changes", "run"])
        assert "the scope pipeline-readonly is not good for runs" in screen.line("changes")
        assert "a run would be refused" in screen.line("run")

    @pytest.mark.parametrize("scope", ["registry", "tasks-readonly", "security-logs"])
    def test_one_of_another_scope(self, scope):
        """It may do something, but see no pipeline."""
        screen = play(scope=scope, flags={"scopes": "wide"})
        assert screen.code == ExitCode.AUTH
        assert screen.at("fault") == ["access"]
        line = screen.line("access")
        assert re.match(r"It may (list|read) .*; may not list pipelines, .*\.", line)
        assert "scope Pipeline Access (pipeline) or API Access (api), by Opsera's" in line
        assert f"({scope})" in line
        assert "owner" not in line

    def test_one_that_may_do_nothing(self):
        """Without a pipeline there is nothing that it must be able to; all is not well though."""
        with serving(http(403)) as wire:
            screen = look({"token": jwt(scope="api"), "base_url": wire.url})
        assert (screen.code, screen.at("warning")) == (0, ["access"])
        line = screen.line("access")
        assert "may not list pipelines, list tools or read audit logs (that takes the Power" in line
        assert "so likely its owner is no Power User" in line
        assert screen.levels["token"] == "skipped" and "see access" in screen.line("token")

    def test_one_that_finds_the_name_but_may_not_see_the_pipeline(self):
        """A refusal that `access` does not know of is a fault of its own."""
        with serving(ok([PIPELINE]), http(403), ok([])) as wire:
            inputs = {"token": jwt(scope="api"), "base_url": wire.url, "pipeline": "Deploy"}
            screen = look(inputs)
        assert (screen.code, screen.at("fault")) == (ExitCode.AUTH, ["pipeline"])

    @pytest.mark.parametrize("scope", ["openid profile", "", "something new"])
    def test_one_whose_scope_is_none_of_opseras(self, scope):
        """Other words say nothing of what it may do, so nothing is concluded."""
        with serving(ok([PIPELINE]), http(403)) as wire:
            screen = look({"token": jwt(scope=scope), "base_url": wire.url, "pipeline": ID})
        assert screen.levels["changes"] == "skipped"
        assert "Either the token has the wrong scope" in screen.line("access")
        assert "(by its scope)" not in screen.text

    def test_one_whose_owner_has_no_access(self):
        """Where the scope is enough it is not the scope."""
        with serving(ok([PIPELINE]), http(403)) as wire:
            screen = look({"token": jwt(scope="pipeline"), "base_url": wire.url, "pipeline": ID})
        line = screen.line("access")
        assert "see the pipeline: Opsera denied the request to read the pipeline (HTTP 403" in line
        assert "so likely its owner has no access to this pipeline" in line
        assert "wrong scope" not in screen.text
        assert screen.at("skipped")[-2:] == ["pipeline", "run"]

    @pytest.mark.parametrize(
        ("claims", "told"),
        [({"exp": -3 * 86400}, "expired 3 days ago"),
         ({"exp": 3 * 86400.5}, "expires in 3 days"), ({"nbf": 3600.5}, "good only in 60 min")],
    )  # fmt: skip
    @pytest.mark.parametrize("unit", [1, 1000])
    def test_one_that_is_accepted_in_spite_of_its_claims(self, claims, told, unit):
        """An end is told in seconds or milliseconds; a clock that is right is not suspected."""
        now = FakeClock().time()
        claims = {name: (now + value) * unit for name, value in claims.items()}
        date = "Thu, 01 Jan 2026 00:00:00 GMT"
        with serving(ok([], Date=date)) as wire:
            screen = look({"token": jwt(**claims), "base_url": wire.url})
        assert screen.levels["clock"] == "ok" and told in screen.line("token")
        assert "clock right?" not in screen.text
        assert ("still accepted" in screen.text) == ("ago" in told)
        assert screen.at("warning") == ([] if "nbf" in claims else ["token"])

    def test_one_that_has_ended_by_a_clock_that_nobody_checked(self):
        """Then the clock is a likely reason."""
        with serving(ok([])) as wire:
            screen = look({"token": jwt(exp=1e9), "base_url": wire.url})
        assert "is this machine's clock right?" in screen.line("token")

    def test_one_that_is_not_yet_good(self):
        """A refusal then has a reason of its own."""
        token = jwt(nbf=FakeClock().time() + 7200)
        with serving(http(401)) as wire:
            line = look({"token": token, "base_url": wire.url}).line("token")
        assert "becomes valid in 2 h (claim nbf)" in line
        screen = look({"token": token, "base_url": "https://nowhere.invalid"})
        assert screen.levels["token"] == "warning" and "Wait until then" in screen.line("token")

    def test_one_whose_owner_may_list_nothing(self):
        """By its ID the pipeline is found all the same; by its name it takes a role."""
        assert play(scope="pipeline", role="plain").code in (0, ExitCode.AUTH)
        screen = play(role="plain", inputs={"pipeline": "Deploy shop"})
        assert screen.code == ExitCode.AUTH
        assert "takes the Power User role: give its ID instead" in screen.line("access")

    def test_one_that_tells_nothing(self):
        """A token that is no JWT is fine when it is accepted."""
        with serving(ok([])) as wire:
            screen = look({"token": "opaque-but-good", "base_url": wire.url})
        assert screen.levels["token"] == "ok" and screen.levels["changes"] == "skipped"
        assert "not the form of a JWT" in screen.line("token")


class TestPipeline:
    """The pipeline, and whether a run would start."""

    def test_none_is_set(self):
        """That is no fault: the way there and the token can be looked at."""
        screen = play(inputs={"pipeline": ""})
        assert (screen.code, screen.levels["pipeline"]) == (0, "skipped")
        assert "All is well" not in screen.text
        assert "How a pipeline stands was not looked at: none is set." in screen.text

    @pytest.mark.parametrize(
        ("changes", "told"),
        [({"active": False}, "at rest, its newest run is 3. It is switched off (active: false)."),
         ({"plan": []}, "with no steps;"),
         ({"plan": [{"_id": "a", "active": False}] * 2}, "with 2 steps, none of them active;")],
    )  # fmt: skip
    def test_one_that_does_nothing(self, changes, told):
        """A run of it would be accepted perhaps, and do nothing: that is no state to call well."""
        screen = stands(**changes)
        assert (screen.code, screen.at("warning")) == (0, ["pipeline", "run"])
        assert told in screen.line("pipeline")
        assert "A run would have nothing to do, or be refused." in screen.line("run")

    @pytest.mark.parametrize(
        ("changes", "told"),
        [({"plan": [{"_id": "a"}, {"_id": "b", "active": False}]}, "with 2 steps, 1 of them inac"),
         ({"plan": None}, "“Deploy” is there; at rest, its newest run is 3."),
         ({"last_run": {"run_count": 3, "status": "failed"}}, "its newest run 3 ended “failed”."),
         ({"last_run": {"run_count": 2, "status": "failed"}}, "run is 3; run 2 ended “failed”.")],
    )  # fmt: skip
    def test_what_is_told_of_it(self, changes, told):
        """Steps that are switched off, steps that are not told, and how runs ended."""
        screen = stands(**changes)
        assert screen.levels["pipeline"] == screen.levels["run"] == "ok"
        assert told in screen.line("pipeline")

    def test_one_that_is_not_there(self):
        """A wrong ID is 3, as in a job."""
        screen = play(inputs={"pipeline": "0" * 24})
        assert (screen.code, screen.at("fault")) == (ExitCode.API, ["pipeline"])
        assert "HTTP 404" in screen.line("pipeline")

    def test_a_name_that_is_not_there(self):
        """A near miss is told."""
        screen = play(inputs={"pipeline": "deploy shop"})
        assert screen.code == ExitCode.INVALID_INPUT
        assert "Did you mean “Deploy shop”" in screen.line("pipeline")

    @pytest.mark.parametrize(
        ("scenario", "inputs", "code", "told"),
        [("paused-refusal", {}, 3, "A run would be refused: run 42 is paused at “"),
         ("paused-refusal", {"reset": "auto"}, 0, "after a reset (it is paused; reset: auto)"),
         ("paused-refusal", {"on_busy": "attach"}, 0, "take it up and fail (on_paused: fail)"),
         ("paused-refusal", {"on_busy": "attach", "on_paused": "wait"}, 0, "up and wait for it"),
         ("paused-refusal", {"on_busy": "fail"}, 3, "A run would be refused"),
         ("busy", {}, 0, "would queue a run behind it (on_busy: queue)"),
         ("busy", {"on_busy": "attach"}, 0, "would follow it (on_busy: attach)"),
         ("busy", {"on_busy": "fail"}, 3, "A job would end at once: run 42 is going"),
         ("resting-failed", {}, 0, "may go on at the step that failed"),
         ("resting-failed", {"reset": "auto"}, 0, "after a reset (it is failed; reset: auto)")],
    )  # fmt: skip
    def test_how_it_stands(self, scenario, inputs, code, told):
        """What a run would meet depends on the pipeline's state and on the inputs."""
        screen = play(scenario, inputs=inputs)
        assert (screen.code, told in screen.line("run")) == (code, True), screen.text


class TestForms:
    """Other ways to be told."""

    @pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
    def test_as_data(self, form, read):
        """JSON and YAML hold every check, and nothing else is printed."""
        told = read(play(form=form, expires_in=-5).text)
        assert (told["exitCode"], told["conclusion"]) == (4, "1 fault.")
        assert [one["check"] for one in told["checks"]] == list(NAMES)
        bad = next(one for one in told["checks"] if one["level"] == "fault")
        assert bad["remedy"] and set(bad) == {"check", "level", "says", "remedy", "details"}

    @pytest.mark.parametrize("platform", ["plain", "github", "gitlab"])
    def test_in_a_job(self, folder, platform):
        """The log has all lines, the worst is annotated, and `result` is the JSON of all checks."""
        marks = {"github": {"GITHUB_ACTIONS": "true"}, "gitlab": {"GITLAB_CI": "true"}}
        environ = marks.get(platform, {})
        if platform == "github":
            environ["GITHUB_OUTPUT"] = str(folder / "out")
        inputs = {"output_file": "outputs.env"}
        screen = play("paused-refusal", inputs=inputs, is_job=True, environ=environ)
        assert screen.code == 3
        plain = re.sub(r"\x1b\[[0-9;]*m", "", screen.text)
        assert all(f" {name}  " in plain for name in NAMES)
        if platform == "github":
            assert "::error title=opsera-step doctor::1 fault. run: A run would be" in screen.text
            assert '"conclusion":"1 fault."' in (folder / "out").read_text("utf-8")
        outputs = read_dotenv((folder / "outputs.env").read_text("utf-8"))
        assert outputs["OPSERA_STATUS"] == "error"
        if platform == "plain":
            assert json.loads(outputs["OPSERA_RESULT"])["exitCode"] == 3

    def test_on_a_terminal(self):
        """Long texts go on below where they began."""
        screen = play(width=60)
        assert max(map(len, screen.text.splitlines())) <= 60
        unfolded = re.sub(r"\n {21}(?=[^ →-])", " ", screen.text)
        assert (
            "ok       access      It may list pipelines, see the pipeline, see its runs" in unfolded
        )

    @pytest.mark.parametrize("scope", ["api", "pipeline"])
    def test_on_one_screen(self, scope):
        """All is told within the usual 24 lines, with two left for certificate and prompt."""
        for inputs in ({}, {"timeout": "45m", "logs": "all"}):
            screen = play(width=80, scope=scope, inputs=inputs)
            assert screen.at("ok") == [name for name in NAMES if name != "dns"]
            assert len(screen.text.splitlines()) <= 22

    @pytest.mark.parametrize("width", [None, 80, 60, 40])
    def test_what_was_skipped_for_one_reason_is_told_once(self, width):
        """So that the fault is not lost among what follows from it."""
        screen = look({"token": JWT, "base_url": "https://nowhere.invalid"}, width=width)
        text = " ".join(screen.text.split())
        assert text.count("The API can't be reached.") == 2
        assert "skipped access, changes, pipeline, run The API can't" in text
        assert text.endswith("1 fault and 1 warning. Begin with dns.")
        if width:
            assert max(map(len, screen.text.splitlines())) <= width

    def test_in_a_narrow_window(self):
        """Where there is no room for a column of texts they stand below what they are about."""
        screen = play(width=45)
        assert max(map(len, screen.text.splitlines()[:-1])) <= 45
        assert "\nok       access\n    It may list pipelines, see" in screen.text

    def test_a_fault_of_our_own(self, monkeypatch):
        """A check that fails itself hides nothing of what was found before it."""

        def fails(*_, **__):
            raise ZeroDivisionError("oh")

        monkeypatch.setattr("opsera_step.doctor.checks.run_check", fails)
        screen = play()
        assert screen.code == ExitCode.INTERNAL
        assert "A check failed itself: ZeroDivisionError: oh" in screen.line("doctor")
        assert screen.levels["pipeline"] == "ok"

    def test_what_the_api_says_is_data(self):
        """A name of the API's can neither colour the screen nor run a command."""
        hostile = {"_id": ID, "name": "\x1b[31m::error::x\n##[group]y", "workflow": {}}
        with serving(ok([hostile]), ok(hostile)) as wire:
            screen = look({"token": JWT, "pipeline": ID, "base_url": wire.url})
        assert "\x1b" not in screen.text
        assert len(re.findall(r"^\S", screen.text, re.MULTILINE)) == len(NAMES) + 1

    def test_a_signal_ends_it(self):
        """Ctrl-C ends a wait for the network at once, with the code that shells expect."""
        cancellation = Signals()
        before = signal.signal(signal.SIGUSR1, lambda *_: cancellation.notice(signal.SIGINT))
        try:
            with Wire() as wire:

                def interrupt(peer) -> None:
                    os.kill(os.getpid(), signal.SIGUSR1)
                    wire.hang(peer)

                wire.answers = [interrupt]
                screen = look({"token": JWT, "base_url": wire.url}, cancellation=cancellation)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert screen.code == 130
        assert "was cancelled" in screen.line("doctor")
        assert "All is well" not in screen.text
