"""Answers on their way to the network: ready bytes, and how much of them is to arrive."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from email.utils import formatdate

from opsera_step.simulator.faults import Fault

JSON = "application/json; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>{0}</title></head>\n"
    "<body><center><h1>{0}</h1></center><hr><center>nginx</center></body></html>\n"
)
_REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}
_REASONS |= {429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway"}
_REASONS |= {503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `delivery` is whole, half, close (nothing comes) or reset (RST)."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    delivery: str = "whole"


DROPPED = Answer(0, b"", delivery="close")
"""No answer at all."""


def json_answer(data: object, status: int = 200, *, escaped: bool = True) -> Answer:
    """Answer plain data as JSON."""
    return raw_answer(json.dumps(data, ensure_ascii=escaped), status)


def raw_answer(text: str, status: int = 200) -> Answer:
    """Answer JSON that is already text; what is no Unicode goes out as it is."""
    return Answer(status, text.encode("utf-8", "surrogatepass"))


def text_answer(text: str) -> Answer:
    """Answer bare text."""
    return Answer(200, text.encode("utf-8", "surrogatepass"), "text/plain; charset=utf-8")


def error_answer(status: int, message: str, form: str = "json") -> Answer:
    """Answer an error, its body in one of the forms of the switch `error_body`."""
    if form == "json":
        return json_answer({"status": status, "message": message}, status)
    if form == "html":
        return Answer(status, _page(status).encode(), _HTML)
    body = f"{status}: {message}".encode() if form == "text" else b""
    return Answer(status, body, "text/plain; charset=utf-8")


def broken_answer(fault: Fault, good: Answer | None, now: float) -> Answer:
    """Return what a fault makes of an answer; `good` is there if the request was carried out."""
    whole = good or json_answer({})
    if fault.kind in ("hang", "close"):
        return DROPPED
    if fault.kind == "reset":
        return replace(DROPPED, delivery="reset")
    if fault.kind == "half":
        return replace(whole, delivery="half")
    if fault.kind == "truncated":
        return replace(whole, body=whole.body[: len(whole.body) // 2])
    if fault.kind == "content_type":
        return replace(whole, content_type="text/plain; charset=utf-8")
    return _instead(fault, now)


def _instead(fault: Fault, now: float) -> Answer:
    if fault.kind == "empty":
        return Answer(200, b"")
    if fault.kind == "redirect":
        return Answer(fault.status or 302, b"", _HTML, {"Location": fault.location})
    status = 200 if fault.kind == "html" else fault.status or 502
    body = _page(status) if fault.body is None else fault.body
    return Answer(status, body.encode("utf-8", "surrogatepass"), _HTML, _retry_after(fault, now))


def _retry_after(fault: Fault, now: float) -> dict[str, str]:
    if fault.retry_after is None:
        return {}
    if fault.retry_after_as == "date":
        return {"Retry-After": formatdate(now + fault.retry_after, usegmt=True)}
    return {"Retry-After": f"{fault.retry_after:g}"}


def _page(status: int) -> str:
    known = "Sign in" if status == 200 else f"{status} {_REASONS.get(status, 'Error')}"
    return _PAGE.format(known)
