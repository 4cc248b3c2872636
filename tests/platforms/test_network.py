"""A company network: a proxy and a private CA."""

from __future__ import annotations

import pytest

from tests.platforms.containers import inputs
from tests.platforms.network import HOST, Authority, proxy, tls


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


def test_the_proxy_is_used(containers, office, authority, evidence):
    """A host behind the proxy is reached, with TLS from end to end."""
    simulator, _, gate, seen = office
    environ = {"HTTPS_PROXY": f"http://127.0.0.1:{gate.port}"}
    done = run(containers, authority, simulator, f"https://{HOST}", **environ)
    assert done.code == 0, done
    assert set(seen) == {f"CONNECT {HOST}:443"}
    evidence(f"HTTPS_PROXY: {seen[0]}, {len(simulator.requests)} calls in {len(seen)} tunnels")
