"""Exit codes, and the tree of errors with the hint that each carries.

OpseraStepError
├── InvalidInput        2   invalid configuration; holds all problems at once
├── ApiError            3
│   ├── Unreachable         no response: DNS, proxy, connection, TLS, timeout, reset
│   ├── Unavailable         408, 429, and 5xx
│   ├── Malformed           a response that is not what the API returns
│   ├── Redirected          3xx; never followed, the token stays on its host
│   ├── Rejected            400 and other 4xx
│   ├── NotFound            404
│   ├── RunRefused          HTTP 200, but the run was not started
│   │   └── RunPaused       8   the pipeline is paused
│   ├── TimedOut      124   the job's timeout expired before the result was known
│   ├── PipelineBusy        a run is in progress and on_busy is fail
│   ├── RunUncertain        it cannot be known which run is ours, or whether there is one
│   └── AuthError       4
│       ├── Unauthorized    401
│       └── Forbidden       403
└── InternalError      70   a bug in this program
Cancelled (BaseException) 129, 130, 143
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of the process; their meaning is part of the interface."""

    SUCCESS = 0
    FAILED = 1
    INVALID_INPUT = 2
    API = 3
    AUTH = 4
    PAUSED = 8
    INTERNAL = 70
    TIMEOUT = 124
    SIGHUP = 129
    SIGINT = 130
    SIGTERM = 143


class OpseraStepError(Exception):
    """An error that ends the job, with a message and a remedy for the user."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
    status: ClassVar[str] = "error"
    """The job's output `status` when this error ends it."""
    hint: str = ""
    detail: str = ""
    """The technical detail, such as the request that failed; shown last."""
    by_name: bool = False
    """Whether a pipeline, tool, or task was searched by name and not found."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        """Set the message, and a hint if it is more specific than the class's own."""
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint


class InvalidInput(OpseraStepError):
    """Invalid configuration; reports all problems at once."""

    exit_code = ExitCode.INVALID_INPUT

    def __init__(self, problems: Sequence[str]) -> None:
        """Set one sentence per problem."""
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
        self.warnings: tuple[str, ...] = ()
        """Warnings about the configuration, which may be the cause."""
        self.output_file = ""
        """Where to write the outputs, if that much of the configuration is valid."""


class InternalError(OpseraStepError):
    """A bug in this program."""

    hint = "This is a bug in opsera-step. Report it with the lines above."


class ApiError(OpseraStepError):
    """The API refused a request, returned an invalid response, or could not be reached."""

    exit_code = ExitCode.API
    transient: bool = False
    """Whether the same request may succeed later."""
    never_accepted: bool = False
    """Whether it is certain that the server did not act on the request."""
    suspect_configuration: bool = False
    """Whether a wrong setting is more likely than an outage, until a request succeeded."""
    retry_after: float | None = None
    """Seconds that the server asked to wait, if it did."""


class Unreachable(ApiError):
    """No response came."""

    transient = True
    is_certificate: bool = False
    """Whether the server's certificate was rejected."""
    hint = (
        "Check base_url, HTTPS_PROXY, NO_PROXY, and the firewall. The doctor command checks each "
        "part of the connection."
    )


class Unavailable(ApiError):
    """The server is overloaded, throttles, or fails: 408, 429, and 5xx."""

    transient = True
    throttled: bool = False
    """Whether the API asked for fewer requests: 429."""
    hint = "Opsera or a proxy in between has a problem. If it persists, contact your administrator."


class Malformed(ApiError):
    """A response that the API does not return: not JSON, cut off, or in another format."""

    transient = True
    hint = (
        "A proxy or a login page may respond instead of the API. Check that base_url is the URL "
        "of your tenant's API, without a path."
    )


class Redirected(ApiError):
    """A redirect, which is not followed: the token stays on its host."""

    transient = True
    suspect_configuration = True
    hint = (
        "Check that base_url is the URL of your tenant's API, not of the portal or a login page. "
        "Redirects are not followed, so that the token isn't sent to another host."
    )


class Rejected(ApiError):
    """The request was rejected: 400 and most other 4xx."""

    never_accepted = True
    hint = "Check the pipeline ID and the run number."


class NotFound(Rejected):
    """It does not exist, or not for the token's owner: 404."""

    hint = "Check the pipeline ID, the run number, and base_url."


class RunRefused(ApiError):
    """The API answered, but did not start the run."""

    hint = "Check in Opsera that the pipeline is ready to run."


class RunPaused(RunRefused):
    """The API refused to start a run because the pipeline is paused."""

    exit_code = ExitCode.PAUSED
    status = "paused"


class TimedOut(ApiError):
    """The job's timeout expired before the run was started or its result known."""

    exit_code = ExitCode.TIMEOUT
    status = "timeout"
    hint = "Increase `timeout`, or check why it takes so long."


class PipelineBusy(ApiError):
    """A run is already in progress, and on_busy is set to fail."""

    hint = "Wait for it to finish, or set on_busy to queue or attach."


class RunUncertain(ApiError):
    """It is unknown which run is ours, or whether it was started at all."""

    hint = (
        "To be safe, no other run was started. Check in Opsera whether this job's run exists. If "
        "it does, follow it with command: watch and its run_count. If not, re-run the job."
    )


class AuthError(ApiError):
    """The token is not valid, or not sufficient."""

    exit_code = ExitCode.AUTH
    never_accepted = True


class Unauthorized(AuthError):
    """401: the token itself is not accepted."""

    hint = (
        "It has likely expired, was deactivated, or was copied incompletely. Create a new token in "
        "Opsera (user profile, access tokens) and update the secret."
    )


class Forbidden(AuthError):
    """403: the token is valid, but does not allow this."""

    hint = (
        "Either the token has the wrong scope, or its owner has no access to this pipeline. Grant "
        "access in Opsera, or use another token."
    )
    by_page: bool = False
    """Whether it came with an HTML page: then a proxy or firewall may have refused, not the API."""


class Cancelled(BaseException):
    """A signal asked the job to end; raised only where the program waits."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number
        self.during = ""
        """What was being changed, as in “the pipeline was being reset”; empty if nothing."""

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, as shells count."""
        return 128 + self.signal_number
