"""Behind a proxy, with a certificate authority that only the company knows."""

from __future__ import annotations

import pytest

from tests.platforms.containers import inputs
from tests.platforms.network import HOST, Authority, proxy, tls

NOBODY = "http://127.0.0.1:9"
"""A proxy that does not answer."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory, facts):
    """A private certificate authority."""
    folder = tmp_path_factory.mktemp("authority")
    folder.chmod(0o755)
    return Authority(folder, facts["openssl"])


@pytest.fixture
def office(authority, simulate):
    """A simulator that only answers over TLS, and a proxy that knows the way to it."""
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


def test_a_private_authority_is_trusted_when_named(containers, office, authority):
    """With ca_bundle a certificate of a private authority is good."""
    simulator, secure, _, _ = office
    done = run(containers, authority, simulator, f"https://localhost:{secure.port}")
    assert done.code == 0, done


def test_a_private_authority_is_not_trusted_else(containers, office, authority):
    """Without it the job ends with a sentence that names the input, and no token was sent."""
    simulator, secure, _, _ = office
    url = f"https://localhost:{secure.port}"
    done = run(containers, authority, simulator, url, OPSERA_CA_BUNDLE=None, OPSERA_TIMEOUT="4s")
    assert done.code == 3, done
    assert "ca_bundle" in done.output
    assert simulator.requests == []


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_proxy_is_used(containers, office, authority, name, evidence):
    """A host that only the proxy can reach is reached, over TLS from end to end."""
    simulator, _, gate, seen = office
    environ = {name: f"http://127.0.0.1:{gate.port}"}
    done = run(containers, authority, simulator, f"https://{HOST}", **environ)
    assert done.code == 0, done
    assert set(seen) == {f"CONNECT {HOST}:443"}
    evidence(f"{name}: {seen[0]}, {len(simulator.requests)} calls in {len(seen)} tunnels")


def test_no_proxy_goes_around_it(containers, office, authority):
    """What NO_PROXY names is reached without the proxy, which does not even answer."""
    simulator, secure, _, _ = office
    environ = {"HTTPS_PROXY": NOBODY, "NO_PROXY": "localhost"}
    done = run(containers, authority, simulator, f"https://localhost:{secure.port}", **environ)
    assert done.code == 0, done


def test_a_proxy_that_does_not_answer_is_told(containers, office, authority):
    """Else the proxy is asked; when it does not answer, the message speaks of it."""
    simulator, secure, _, _ = office
    url = f"https://{HOST}:{secure.port}"
    done = run(containers, authority, simulator, url, HTTPS_PROXY=NOBODY, OPSERA_TIMEOUT="3s")
    assert done.code in (3, 124), done
    assert "proxy" in done.output.lower()
    assert simulator.requests == []


def test_plain_http_is_refused(containers, office, authority):
    """The token does not go over plain http to any host but this one, proxy or not."""
    simulator, _, gate, seen = office
    environ = {"HTTP_PROXY": f"http://127.0.0.1:{gate.port}"}
    done = run(containers, authority, simulator, f"http://{HOST}", **environ)
    assert done.code == 2, done
    assert "https" in done.output
    assert seen == []
