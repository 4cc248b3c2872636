"""HTTP requests and responses as values, and what injected faults make of a response."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from email.utils import formatdate

from opsera_step.simulator.faults import Fault

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"

DEEPEST = 100
"""How deep the arrays and objects of a request body may be nested."""

_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>{0}</title></head>\n"
    "<body><center><h1>{0}</h1></center><hr><center>nginx</center></body></html>\n"
)
_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


@dataclass(frozen=True)
class HttpRequest:
    """One HTTP request, read completely."""

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes
    client: str
    """The client's IP address."""

    @property
    def is_json(self) -> bool:
        """Whether the body is labeled as JSON."""
        return self.headers.get_content_type() == "application/json"


@dataclass(frozen=True)
class Response:
    """One HTTP response.

    `delivery` is whole, half, drip (over `seconds`), close (nothing is sent), or reset (RST).
    """

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    delivery: str = "whole"
    seconds: float = 0.0


def parse_json(raw: bytes) -> object:
    """Parse JSON; None for anything else, and for what could not be written as JSON again."""
    try:
        value: object = json.loads(raw, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None
    return value if _is_nested_at_most(DEEPEST, value) else None


def _is_nested_at_most(levels: int, value: object) -> bool:
    if not isinstance(value, (dict, list)):
        return True
    items = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_nested_at_most(levels - 1, item) for item in items)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def json_response(data: object, status: int = 200, *, escaped: bool = True) -> Response:
    """Return plain data as JSON."""
    return raw_response(json.dumps(data, ensure_ascii=escaped), status)


def raw_response(text: str, status: int = 200) -> Response:
    """Return JSON that is already text. Lone surrogates are sent as they are."""
    return Response(status, text.encode("utf-8", "surrogatepass"))


def text_response(text: str) -> Response:
    """Return plain text."""
    return Response(200, text.encode("utf-8", "surrogatepass"), TEXT)


def error_response(
    status: int, message: str, form: str = "json", headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error with a body in one of the forms of the flag `error_body`."""
    bodies = {
        "json": (json.dumps({"status": status, "message": message}), JSON),
        "string": (json.dumps(message), JSON),
        "text": (f"{status}: {message}", TEXT),
        "html": (_page(status), HTML),
        "empty": ("", TEXT),
    }
    body, content_type = bodies[form]
    return Response(status, body.encode(), content_type, dict(headers or {}))


def faulty_response(fault: Fault, response: Response, now: float) -> Response:
    """Return what a fault makes of a response at the given wall-clock time."""
    if fault.kind in ("hang", "close"):
        return Response(0, b"", delivery="close")
    if fault.kind == "reset":
        return Response(0, b"", delivery="reset")
    if fault.kind in ("half", "drip"):
        return replace(response, delivery=fault.kind, seconds=fault.seconds)
    if fault.kind == "truncated":
        return replace(response, body=response.body[: len(response.body) // 2])
    if fault.kind == "content_type":
        return replace(response, content_type=TEXT)
    if fault.kind == "empty":
        return Response(200, b"")
    if fault.kind == "redirect":
        return Response(fault.status or 302, b"", HTML, {"Location": fault.location})
    status = 200 if fault.kind == "html" else fault.status or 502
    body = _page(status) if fault.body is None else fault.body
    headers = retry_after(fault.retry_after, fault.retry_after_as, now)
    return Response(status, body.encode("utf-8", "surrogatepass"), HTML, headers)


def retry_after(value: float | str | None, form: str, now: float) -> dict[str, str]:
    """Return the header Retry-After: text as it is, seconds as such or as a date."""
    if value is None or form == "missing":
        return {}
    if isinstance(value, str):
        return {"Retry-After": value}
    if form == "date":
        return {"Retry-After": formatdate(now + value, usegmt=True)}
    return {"Retry-After": f"{value:.3f}".rstrip("0").rstrip(".")}


def _page(status: int) -> str:
    title = "Sign in" if status == 200 else f"{status} {_REASONS.get(status, 'Error')}"
    return _PAGE.format(title)
