"""TLS trust, proxies on the wire, and that no URL misses the session's own adapter."""

from __future__ import annotations

import datetime as dt
import os
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opsera_step.api import State
from opsera_step.api.session import Session
from opsera_step.errors import InvalidInput, Unreachable
from tests.support.authority import Authority
from tests.support.client import RUN, RUNNING, TOKEN, assert_readable, connect, error_of, soon
from tests.support.wire import Proxy, close, http, ok, serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


# --- private CAs ----------------------------------------------------------------------------------


def test_a_private_ca_works_with_ca_bundle(authority):
    """With its CA in ca_bundle, a server with a private certificate is trusted."""
    with serving(ok(RUNNING), tls=authority.context()) as wire:
        client = connect(wire.url, ca_bundle=authority.bundle)
        for _ in range(2):
            assert client.status(RUN, soon()).state is State.RUNNING
    assert wire.connections == 1


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_private_ca_works_with_the_usual_variables(monkeypatch, authority, name):
    """The CA bundle variables of other tools work too."""
    monkeypatch.setenv(name, authority.bundle)
    with serving(ok(RUNNING), tls=authority.context()) as wire:
        assert connect(wire.url).status(RUN, soon()).state is State.RUNNING


def sloppy_authority(directory: Path) -> ssl.SSLContext:
    """Make a CA as many companies have them, in ca.pem, and a server's context.

    Its basic constraints are not critical, and the server's certificate has no identifier of the
    authority's key: RFC 5280 asks for both, and OpenSSL checks it only if it is strict.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Private CA")])
    today = dt.datetime.now(dt.timezone.utc)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]

    def certificate(number: int, extension: x509.ExtensionType, subject: str) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(name)
            .public_key(keys[number].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=1))
            .not_valid_after(today + dt.timedelta(days=1))
            .add_extension(extension, critical=False)
            .sign(keys[0], hashes.SHA256())
        )

    ca = certificate(0, x509.BasicConstraints(ca=True, path_length=None), "Private CA")
    server = certificate(1, x509.SubjectAlternativeName([x509.DNSName("localhost")]), "localhost")
    pem = serialization.Encoding.PEM
    (directory / "ca.pem").write_bytes(ca.public_bytes(pem))
    key = keys[1].private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "server.pem").write_bytes(server.public_bytes(pem) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    return context


@pytest.fixture
def _strict_python(monkeypatch) -> None:
    """Let new contexts be as strict as Python 3.13 makes them."""
    create = ssl.create_default_context

    def create_strict(*args: object, **options: object) -> ssl.SSLContext:
        context = create(*args, **options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    monkeypatch.setattr(ssl, "create_default_context", create_strict)


@pytest.mark.usefixtures("_strict_python")
@pytest.mark.parametrize("name", ["ca_bundle", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_named_ca_is_not_checked_strictly(monkeypatch, tmp_path, name):
    """A private CA that curl accepts is accepted on Python 3.13 too, if the user names it."""
    context = sloppy_authority(tmp_path)
    path = str(tmp_path / "ca.pem")
    options = {name: path} if name == "ca_bundle" else {}
    if not options:
        monkeypatch.setenv(name, path)
    with serving(ok(RUNNING), tls=context) as wire:
        url = wire.url.replace("127.0.0.1", "localhost")
        assert connect(url, **options).status(RUN, soon()).state is State.RUNNING


@pytest.mark.usefixtures("_strict_python")
def test_without_a_named_ca_the_check_stays_strict():
    """The certificates of public CAs are in order, so they are checked as strictly as can be."""
    context = Session("https://opsera.test", TOKEN).trust.context
    assert context.verify_flags & ssl.VERIFY_X509_STRICT


def test_an_unknown_ca_is_refused(authority):
    """Nothing is sent, and the hint names ca_bundle."""
    with serving(ok(RUNNING), tls=authority.context()) as wire:
        error = error_of(wire.url)
    assert error.never_accepted and error.suspect_configuration and wire.requests == []
    assert "Can't verify the TLS certificate" in error.message and "ca_bundle" in error.hint
    assert_readable(error)


def test_another_ca_than_the_named_one(authority, tmp_path):
    """The advice is not to name a CA, which the user has done."""
    other = Authority(tmp_path)
    with serving(ok(RUNNING), tls=authority.context()) as wire:
        error = error_of(wire.url, ca_bundle=other.bundle)
    assert f"is not in ca_bundle ({other.bundle})" in error.hint
    assert "set ca_bundle" not in error.hint


def test_a_certificate_of_another_host(authority):
    """A trusted certificate of another host is rejected with a specific error."""
    with serving(ok(RUNNING), tls=authority.context("other.test")) as wire:
        error = error_of(wire.url, ca_bundle=authority.bundle)
    assert error.never_accepted and wire.requests == []
    assert "not valid for '127.0.0.1'" in error.message and "another host" in error.hint


def test_an_expired_certificate(authority):
    """It is called expired, and ca_bundle is not the advice."""
    with serving(ok(RUNNING), tls=authority.context(days=-1)) as wire:
        error = error_of(wire.url, ca_bundle=authority.bundle)
    assert "expired" in error.message and "Renew the certificate" in error.hint


def test_a_server_without_tls():
    """An https URL of a plain server is a TLS error, and likely a wrong setting."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as peer:
                peer.recv(1)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        error = error_of(f"https://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(5)
    assert isinstance(error, Unreachable) and error.suspect_configuration
    assert "TLS error on the connection to 127.0.0.1" in error.message
    assert_readable(error)


# --- CA bundles that can't be used ----------------------------------------------------------------


def unusable(directory: Path) -> dict[str, str]:
    for name, content in {"empty": b"", "text": b"no PEM"}.items():
        (directory / name).write_bytes(content)
    os.mkfifo(directory / "pipe")
    names = ("missing", "empty", "text", "pipe")
    paths = {name: str(directory / name) for name in names}
    return {**paths, "nul": "a\0b", "PEM": "-----BEGIN CERTIFICATE-----\nMII" + "x" * 5000}


@pytest.mark.parametrize(
    ("source", "kind"),
    [*(("ca_bundle", kind) for kind in ("missing", "empty", "text", "pipe", "nul", "PEM")),
     ("REQUESTS_CA_BUNDLE", "missing"), ("CURL_CA_BUNDLE", "text")],
)  # fmt: skip
def test_a_bundle_that_is_none_is_invalid_input(monkeypatch, tmp_path, source, kind):
    """Input or variable is named, with what is wrong; a pipe without a writer does not hang."""
    path = unusable(tmp_path)[kind]
    environ = {} if source == "ca_bundle" else {source: path}
    started = time.monotonic()
    with pytest.raises(InvalidInput) as caught:
        Session("https://opsera.test", TOKEN, path if source == "ca_bundle" else "", "", environ)
    assert time.monotonic() - started < 5
    (problem,) = caught.value.problems
    assert problem.startswith(f"{source}: ")
    if kind == "PEM":
        assert "is a certificate, not the path of a file" in problem and len(problem) < 200


def test_an_empty_variable_counts_as_unset():
    """An empty variable names no bundle."""
    environ = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}
    assert Session("https://opsera.test", TOKEN, environ=environ).trust.sources == ()


def test_a_directory_of_certificates(tmp_path):
    """REQUESTS_CA_BUNDLE may be a directory; ca_bundle is a file."""
    environ = {"REQUESTS_CA_BUNDLE": str(tmp_path)}
    assert Session("https://opsera.test", TOKEN, environ=environ).trust.sources
    with pytest.raises(InvalidInput, match=r"ca_bundle: .* is not a file"):
        Session("https://opsera.test", TOKEN, str(tmp_path), environ={})


def test_a_missing_ssl_cert_file_is_named_with_the_error(monkeypatch, authority, tmp_path):
    """OpenSSL ignores such a variable; if that matters, the error mentions it."""
    missing = str(tmp_path / "none.pem")
    monkeypatch.setenv("SSL_CERT_FILE", missing)
    with serving(ok(RUNNING), tls=authority.context()) as wire:
        error = error_of(wire.url)
    assert f"No such file or directory: SSL_CERT_FILE ({missing})" in error.hint


def test_a_pipe_as_ssl_cert_file_does_not_hang(monkeypatch, tmp_path):
    """OpenSSL would wait for a writer for good."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pipe"))
    problems: list[str] = []

    def make() -> None:
        with pytest.raises(InvalidInput) as caught:
            connect("https://opsera.test")
        problems.append(str(caught.value))

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    thread.join(10)
    assert "SSL_CERT_FILE" in problems[0]


# --- proxies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
def test_the_proxy_is_used_and_sees_no_token(monkeypatch, authority, name):
    """HTTPS requests use the proxy, which gets host, port, and login, and no token."""
    with Proxy() as proxy, serving(ok(RUNNING), tls=authority.context()) as wire:
        proxy.answers = [proxy.join]
        monkeypatch.setenv(name, f"me:pro#xy@secret@127.0.0.1:{proxy.port}")
        client = connect(wire.url, ca_bundle=authority.bundle)
        assert client.status(RUN, soon()).state is State.RUNNING
    (seen,) = proxy.requests
    assert (seen.method, seen.path) == ("CONNECT", f"127.0.0.1:{wire.port}")
    assert "authorization" not in seen.headers
    assert seen.headers["proxy-authorization"] == "Basic bWU6cHJvI3h5QHNlY3JldA=="
    assert "proxy-authorization" not in wire.requests[0].headers


def test_no_proxy_is_honored(monkeypatch, authority):
    """A host in NO_PROXY is connected to directly."""
    with Proxy(close) as proxy, serving(ok(RUNNING), tls=authority.context()) as wire:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
        client = connect(wire.url, ca_bundle=authority.bundle)
        assert client.status(RUN, soon()).state is State.RUNNING
    assert proxy.connections == 0


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
def test_plain_http_uses_no_proxy(monkeypatch, name):
    """Plain http is for this machine only, so its token reaches no proxy in the clear."""
    with serving(ok(RUNNING)) as proxy, serving(ok(RUNNING)) as wire:
        monkeypatch.setenv(name, proxy.url)
        connect(wire.url).status(RUN, soon())
    assert (len(wire.requests), proxy.connections) == (1, 0)


@pytest.mark.parametrize("status", [407, 502])
def test_a_proxy_that_refuses(monkeypatch, status):
    """Nothing was sent to the API; the message names the proxy, and no part of its login."""
    with Proxy(http(status)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:proxy/secret@"))
        error = error_of("https://opsera.test")
    assert error.never_accepted and error.suspect_configuration
    assert error.message.startswith(f"The proxy 127.0.0.1:{proxy.port} from HTTPS_PROXY ")
    assert "secret" not in error.message + error.hint
    assert_readable(error)


def test_an_unknown_proxy_is_blamed_itself(monkeypatch):
    """The API's host is not what can't be resolved."""
    monkeypatch.setenv("HTTPS_PROXY", "http://no-such-proxy.invalid:3128")
    error = error_of("https://opsera.test")
    assert "host name of the proxy no-such-proxy.invalid:3128 from HTTPS_PROXY" in error.message
    assert "opsera.test" not in error.message and error.never_accepted


def test_a_proxy_address_that_is_none(monkeypatch):
    """It is invalid input, before any request."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    with pytest.raises(InvalidInput, match="HTTPS_PROXY"):
        connect("https://opsera.test")


# --- the one adapter ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:0{port}", "http://127.0.0.1:{port}/é/../x", "http://LOCALHOST:{port}",
     "HTTP://127.0.0.1:{port}//x"],
)  # fmt: skip
def test_no_url_misses_the_time_limit(url):
    """However base_url is written, a hanging server is given up at the deadline."""
    with serving() as wire:
        wire.answers = [wire.hang]
        started = time.monotonic()
        with pytest.raises(Unreachable):
            connect(url.format(port=wire.port)).status(RUN, soon(0.4))
        assert time.monotonic() - started < 2
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1:0{port}", "127.0.0.1:{port}/~é/..", "LOCALHOST:{port}"]
)
def test_no_url_misses_the_trust(authority, host):
    """However base_url is written, ca_bundle counts."""
    with serving(ok(RUNNING), tls=authority.context("127.0.0.1", "localhost")) as wire:
        url = f"https://{host.format(port=wire.port)}"
        client = connect(url, ca_bundle=authority.bundle)
        assert client.status(RUN, soon()).state is State.RUNNING
