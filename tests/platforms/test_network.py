"""A company network: a proxy and a private CA."""

from __future__ import annotations

import pytest

from tests.platforms.containers import inputs
from tests.platforms.network import HOST, Authority, proxy, tls

UNREACHABLE = "http://127.0.0.1:9"
"""An address that refuses connections."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory, facts):
    """A private CA."""
    directory = tmp_path_factory.mktemp("authority")
    directory.chmod(0o755)
    return Authority(directory, facts["openssl"])


@pytest.fixture
def office(authority, simulate):
    """A simulator behind TLS, and a proxy that reaches it."""
    simulator = simulate()
    port = int(simulator.url.rsplit(":", 1)[1])
    secure = tls(authority, port)
    seen = []
    gate = proxy(secure.port, seen)
    yield simulator, secure, gate, seen
    gate.close()
    secure.close()


def run(containers, authority, simulator, base_url, options=(), **environ):
    given = inputs(simulator, base_url=base_url, ca_bundle="/ca/authority.pem", timeout="30s")
    given.update(environ)
    mount = ("--volume", f"{authority.bundle.parent}:/ca:ro", *options)
    given = {name: value for name, value in given.items() if value is not None}
    return containers.run(options=mount, **given)


def test_a_private_ca_in_ca_bundle_is_trusted(containers, office, authority):
    """With ca_bundle, a certificate of a private CA is accepted."""
    simulator, secure, _, _ = office
    done = run(containers, authority, simulator, f"https://localhost:{secure.port}")
    assert done.code == 0, done


def test_a_private_ca_is_not_trusted_otherwise(containers, office, authority):
    """Without it, the error names the input, and no token is sent."""
    simulator, secure, _, _ = office
    url = f"https://localhost:{secure.port}"
    done = run(containers, authority, simulator, url, OPSERA_CA_BUNDLE=None, OPSERA_TIMEOUT="4s")
    assert done.code == 124, done
    assert "ca_bundle" in done.output
    assert simulator.requests == []


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_proxy_is_used(containers, office, authority, name, evidence):
    """A host behind the proxy is reached, with TLS from end to end."""
    simulator, _, gate, seen = office
    environ = {name: f"http://127.0.0.1:{gate.port}"}
    done = run(containers, authority, simulator, f"https://{HOST}", **environ)
    assert done.code == 0, done
    assert set(seen) == {f"CONNECT {HOST}:443"}
    evidence(f"{name}: {seen[0]}, {len(simulator.requests)} calls in {len(seen)} tunnels")


def test_no_proxy_is_respected(containers, office, authority):
    """Hosts in NO_PROXY are reached without the proxy, which doesn't answer here."""
    simulator, secure, _, _ = office
    environ = {"HTTPS_PROXY": UNREACHABLE, "NO_PROXY": "localhost"}
    done = run(containers, authority, simulator, f"https://localhost:{secure.port}", **environ)
    assert done.code == 0, done


def test_an_unreachable_proxy_is_named(containers, office, authority):
    """The error of a proxy that doesn't answer mentions the proxy."""
    simulator, secure, _, _ = office
    url = f"https://{HOST}:{secure.port}"
    done = run(containers, authority, simulator, url, HTTPS_PROXY=UNREACHABLE, OPSERA_TIMEOUT="3s")
    assert done.code in (3, 124), done
    assert "proxy" in done.output.lower()
    assert simulator.requests == []


def test_plain_http_is_refused(containers, office, authority):
    """The token is never sent over plain HTTP to another host, with a proxy or without."""
    simulator, _, gate, seen = office
    environ = {"HTTP_PROXY": f"http://127.0.0.1:{gate.port}"}
    done = run(containers, authority, simulator, f"http://{HOST}", **environ)
    assert done.code == 2, done
    assert "https" in done.output
    assert seen == []
