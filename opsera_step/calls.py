"""The calls of the customer API: where each is, and whether it may be sent twice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """A call of the API, and whether sending it twice does no harm (the API's reads are POST)."""

    method: str
    path: str
    repeatable: bool


RUN = Call("POST", "/api/v1/pipeline/run", repeatable=False)
STATUS = Call("POST", "/api/v1/pipeline/status", repeatable=True)
SUMMARY = Call("POST", "/api/v1/pipeline/summary", repeatable=True)
LOGS = Call("POST", "/api/v1/pipeline/logs", repeatable=True)
# A second stop might hit the next run, so it is not repeated blindly.
STOP = Call("POST", "/api/v1/pipeline/stop", repeatable=False)
RESET = Call("POST", "/api/v1/pipeline/reset", repeatable=True)
PIPELINES = Call("GET", "/api/v1/pipeline/pipelines", repeatable=True)
