"""Exit codes, and the tree of errors with the hint that each carries.

OpseraStepError
├── InvalidInput        2   invalid configuration; holds all problems at once
├── ApiError            3
│   ├── Unreachable         no answer: DNS, connection, TLS, time-out, reset
│   ├── Unavailable         429 and 5xx
│   ├── Malformed           an answer that is not what the API gives
│   ├── Redirected          3xx; never followed, the token stays on its host
│   ├── Rejected            400 and other 4xx
│   ├── NotFound            404
│   ├── RunRefused          HTTP 200, but the run was not started
│   │   └── RunPaused       8   the pipeline is paused
│   ├── TimedOut      124   the job's timeout expired before the result was known
│   ├── PipelineBusy        a run is going and on_busy is fail
│   └── RunUncertain        it cannot be known which run is ours, or whether there is one
├── AuthError           4
│   ├── Unauthorized        401
│   └── Forbidden           403
└── InternalError      70   a fault of our own
Cancelled (BaseException) 129, 130, 143
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process ends with; the meaning of each is part of the interface."""

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
    """Something that ends the job, with a sentence for the user and what to do about it."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
    status: ClassVar[str] = "error"
    """The job's output `status` when this error ends it."""
    hint: str = ""
    by_name: bool = False
    """Whether a pipeline, tool or task was looked for by its name, in vain."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        """Take the sentence, and a hint when there is a better one than the class's own."""
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint


class InvalidInput(OpseraStepError):
    """Invalid configuration; reports all problems at once."""

    exit_code = ExitCode.INVALID_INPUT

    def __init__(self, problems: Sequence[str]) -> None:
        """Take one sentence per problem."""
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class InternalError(OpseraStepError):
    """A fault of this program."""

    hint = "This is a fault of opsera-step itself: please report it with the lines above."


class ApiError(OpseraStepError):
    """The API refused, answered nonsense, or could not be reached."""

    exit_code = ExitCode.API
    transient: ClassVar[bool] = False
    """Whether the same call may well work a little later."""
    never_accepted: bool = False
    """Whether it is certain that the server did not act on the request."""
    suspect_configuration: bool = False
    """Whether a wrong setting is likelier than an outage, as long as nothing ever worked."""
    retry_after: float | None = None
    """Seconds that the server asked to wait, if it did."""


class Unreachable(ApiError):
    """No answer came."""

    transient = True
    hint = (
        "Usually the network between this runner and the API, a proxy, or a wrong base_url: "
        "check base_url, HTTPS_PROXY and NO_PROXY, and that the runner may reach that host. A job "
        "with command: doctor looks at each piece of the way."
    )


class Unavailable(ApiError):
    """The server is overloaded, throttles, or fails: 408, 425, 429 and 5xx."""

    transient = True
    throttled: bool = False
    """Whether the API asked for fewer requests: 429."""
    hint = "The Opsera API had trouble; if it lasts, ask your Opsera administrator."


class Malformed(ApiError):
    """An answer came that the API does not give: not JSON, cut off, or of another shape."""

    transient = True
    hint = (
        "Usually a proxy or a login page answers instead of the API: check that base_url is the "
        "address of your Opsera tenant, without a path of its pages."
    )


class Redirected(ApiError):
    """The server sent us elsewhere; the token is not taken there."""

    transient = True
    never_accepted = True
    suspect_configuration = True
    hint = "Set base_url to the address that the API really has; redirects are not followed."


class Rejected(ApiError):
    """The request was refused as wrong: 400 and the like."""

    never_accepted = True
    hint = "Usually a wrong pipeline ID or run_count: check both against the pipeline's page."


class NotFound(Rejected):
    """There is no such thing there, or not for this token's owner: 404."""

    hint = (
        "Usually a wrong pipeline ID, a run that does not exist, or a base_url of another "
        "tenant: check them against the address of the pipeline's page in Opsera."
    )


class RunRefused(ApiError):
    """The API answered, but did not start the run."""

    hint = "Look at the pipeline's page in Opsera: it has to be ready to run."


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
    """A run is going already, and the user wants that to be an error."""

    hint = "Wait for it, or set on_busy to queue (run after it) or attach (follow it)."


class RunUncertain(ApiError):
    """It cannot be known which run is ours, or whether it was started at all."""

    hint = (
        "To be safe, nothing more was started. Look at the pipeline's page: if a run of this job "
        "is there, follow it with command: watch and its run_count; if none is, run the job again."
    )


class AuthError(ApiError):
    """The token is not good, or not good enough."""

    exit_code = ExitCode.AUTH
    never_accepted = True


class Unauthorized(AuthError):
    """401: the token itself is not accepted."""

    hint = (
        "Usually the access token has expired, was deactivated, or was not copied whole: create "
        "a new one in Opsera (user profile, access tokens) and update the secret that holds it."
    )


class Forbidden(AuthError):
    """403: the token is fine, but may not do this."""

    hint = (
        "Either the token has the wrong scope (running needs `pipeline` or `api`), or its owner "
        "has no access to this pipeline: grant the access in Opsera, or use another token."
    )
    by_page: bool = False
    """Whether it came with a page of HTML: then something else than the API may have refused."""


class Cancelled(BaseException):
    """A signal asked to end; raised only where the program waits."""

    def __init__(self, signal_number: int) -> None:
        """Take the number of the signal."""
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, as shells count."""
        return 128 + self.signal_number
