"""What is told, and advised, where no connection to the API comes about."""

from __future__ import annotations

from opsera_step.doctor.network import ProxyDown, ProxyRefused, Route, reason_of


def unconnected(error: OSError, route: Route, variable: str) -> tuple[str, str]:
    """Say what happened and what to do; `variable` is that of the proxy, if there is one."""
    name, via = variable or "the proxy's variable", f"{route.proxy_host}:{route.proxy_port}"
    if isinstance(error, ProxyDown):
        return f"No connection to the proxy {via} itself: {error}.", (
            f"Is the proxy running, and its address in {name} right? If {route.host} can be "
            "reached without it, put that host into NO_PROXY."
        )
    target = f"{route.host}:{route.port}"
    if isinstance(error, ProxyRefused):
        says = f"No connection to {target}: the proxy {via} refused it: {error}."
        return says, _of_proxy(error.status, route, name)
    through = f" through the proxy {via}" if route.proxy_host else ""
    return f"No connection to {target}{through}: {reason_of(error)}.", _direct(error, route)


def _of_proxy(status: int, route: Route, name: str) -> str:
    """Say what to do about a proxy's refusal (RFC 9110, section 15)."""
    with_password = f"http://USER:PASSWORD@{route.proxy_host}:{route.proxy_port}"
    if status == 407 and route.proxy_header:
        return (
            f"It does not take the user name and password in {name}: check both. Characters such "
            "as @ : / % in them have to be written like %40."
        )
    if status == 407:
        return (
            f"It wants a user name and a password: put them into {name}, as a secret: "
            f"{with_password} (characters such as @ : / % in them are written like %40)."
        )
    if status in (502, 503, 504):
        return (
            f"The proxy can't reach {route.host}: look for a slip in base_url, else ask who runs "
            "the proxy."
        )
    if status == 0:
        return f"Usually no HTTP proxy listens there: check the address and port in {name}."
    return (
        f"Ask who runs the proxy to let this machine reach {route.host}, or put that host into "
        "NO_PROXY if it can be reached without the proxy."
    )


def _direct(error: OSError, route: Route) -> str:
    if route.proxy_host:
        return "It broke off on the way through the proxy: ask who runs the proxy."
    if isinstance(error, ConnectionRefusedError):
        return (
            f"Nothing listens on port {route.port} there, or a firewall refuses: check host and "
            "port in base_url."
        )
    return (
        "Usually a firewall, or a proxy that has to be used: check that this machine may reach "
        "that host, and set HTTPS_PROXY where there is a proxy."
    )
