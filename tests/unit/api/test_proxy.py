"""The proxy of a host: how its address may be written, and which hosts bypass it."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsera_step.api.proxy import find_proxy, is_excepted, parse_proxy
from opsera_step.errors import InvalidInput


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("proxy.test:3128", "http://proxy.test:3128"),
        ("http://proxy.test:3128/", "http://proxy.test:3128"),
        ("HTTP://proxy.test", "http://proxy.test:80"),
        ("https://proxy.test", "https://proxy.test:443"),
        ("[fd00::1]:3128/path?x#y", "http://[fd00::1]:3128"),
        ("user:secret@proxy.test:3128", "http://proxy.test:3128"),
    ],
)
def test_addresses(value, url):
    """Scheme, port, and path may be missing or there."""
    assert parse_proxy(value, "HTTPS_PROXY").url == url


PASSWORDS = ["p@ss", "p#ss", "p/ss", "p?ss", "p[ss", "p]s", "p:ss", "p%ss", "p ss", "pß", ""]


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_any_character_may_be_in_a_password(scheme):
    """The login ends at the last @, and no character of it reaches an address or a message."""
    for password in PASSWORDS:
        proxy = parse_proxy(f"{scheme}user:{password}@proxy.test:3128", "HTTPS_PROXY")
        assert proxy.url == "http://proxy.test:3128"
        assert decoded(proxy.authorization) == f"user:{password}"
        assert repr(proxy) == "Proxy(http://proxy.test:3128 from HTTPS_PROXY)"


def decoded(authorization: str) -> str:
    return base64.b64decode(authorization.removeprefix("Basic ")).decode()


def test_percent_encoding_is_decoded():
    """A password may be percent-encoded, as other programs need it."""
    proxy = parse_proxy("http://us%20er:p%40ss%2F@proxy.test", "HTTPS_PROXY")
    assert decoded(proxy.authorization) == "us er:p@ss/"


@pytest.mark.parametrize(
    "value",
    ["http://", "ftp://proxy.test", "http://[::1", "socks5://proxy.test", "http://proxy.test:0",
     "http://proxy.test:99999", "user:secret@", "user:secret@:3128", "http://user:secret@a b",
     "proxy.test:port", "secret://x", "\x7f", "a..b", ".", "x" * 64],
)  # fmt: skip
def test_what_is_no_address_is_invalid_input(value):
    """The variable is named, and its value is not shown."""
    with pytest.raises(InvalidInput, match="HTTPS_PROXY") as caught:
        parse_proxy(value, "HTTPS_PROXY")
    assert "secret" not in str(caught.value)


@given(st.text())
def test_no_value_raises_anything_else(value):
    """Whatever is in the variable, it is an address or invalid input."""
    with suppress(InvalidInput):
        assert parse_proxy(value, "HTTPS_PROXY").port


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_the_variables(name):
    """The usual variables are read; an empty one counts as unset."""
    proxy = find_proxy("api.test", 443, {"https_proxy": " ", name: "proxy.test:1"})
    assert (proxy.address, proxy.source) == ("proxy.test:1", name)


def test_without_a_variable_the_system_settings_apply(monkeypatch):
    """Windows and macOS have settings for that; a bypass in them counts."""
    settings = {"https": "proxy.test:1"}
    monkeypatch.setattr("urllib.request.getproxies", lambda: settings)
    monkeypatch.setattr("urllib.request.proxy_bypass", lambda host: host == "near.test")
    assert find_proxy("api.test", 443, {}).source == "the system's proxy settings"
    assert find_proxy("near.test", 443, {}) is None
    settings.clear()
    assert find_proxy("api.test", 443, {}) is None


@pytest.mark.parametrize(
    ("exceptions", "host"),
    [
        ("*", "api.test"), ("API.test.", "api.test"), ("test", "api.test"), (".test", "api.test"),
        ("*.test", "test"), ("other.test, api.test", "api.test"), ("a.test api.test", "api.test"),
        ("api.test:443", "api.test"), ("10.0.0.0/8", "10.9.9.9"), ("[::1]:443", "::1"),
        ("0:0::1", "::1"), ("fd00::/8", "fd12::5"), ("cafe.de", "www.cafe.de"),
    ],
)  # fmt: skip
def test_hosts_that_bypass_the_proxy(exceptions, host):
    """NO_PROXY takes domains, addresses, and networks in all usual forms."""
    assert is_excepted(host, 443, exceptions)
    for name in ("no_proxy", "NO_PROXY"):
        assert find_proxy(host, 443, {"https_proxy": "proxy.test:1", name: exceptions}) is None


@pytest.mark.parametrize(
    ("exceptions", "host"),
    [
        ("", "api.test"), (",", "api.test"), ("pi.test", "api.test"), ("api.test:80", "api.test"),
        ("www.api.test", "api.test"), ("10.0.0.0/8", "11.0.0.1"), ("0.0.1", "10.0.0.1"),
        ("fd00::/8", "fe80::1"), ("::1", "10.0.0.1"), ("10.0.0.0/8", "api.test"),
        ("10.0.0.0/99", "10.0.0.1"), (".", "api.test"), ("a*.test", "api.test"),
        (f"api.test:{'9' * 5000}", "api.test"),
    ],
)  # fmt: skip
def test_hosts_that_do_not(exceptions, host):
    """A part of a name, another port, or another network does not count."""
    assert not is_excepted(host, 443, exceptions)


@given(st.text(), st.text())
def test_no_list_of_exceptions_raises(exceptions, host):
    """Whatever is in NO_PROXY, the host is excepted or not."""
    assert is_excepted(host, 443, exceptions) in (True, False)
