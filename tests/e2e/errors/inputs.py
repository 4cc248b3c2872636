"""Values of inputs that won't do, from each place where they can be set."""

from __future__ import annotations

from tests.support.screens import Slip, job, typed

_LONG = "x" * 200
_URL = "https://app.opsera.io/workflow/details/65a4f00dc0ffee0123456789/summary"

SLIPS: tuple[Slip, ...] = (
    job("nothing is set at all", token=None, pipeline=None, base_url=None, process=True),
    job("nothing is set at all, on GitHub", "github", token=None, pipeline=None),
    job("nothing is set at all, on GitLab", "gitlab", token=None, pipeline=None),
    job("all wrong at once", "github", wait="maybe", timeout="soon", on_timeout="kill",
        on_cancel="halt", on_paused="ignore", on_busy="kill", reset="yes", logs="verbose",
        log_limit="lots", poll_interval="0", run_count="latest", base_url="app.opsera.io"),
    job("both families of variables", environ={"INPUT_TIMEOUT": "soon", "OPSERA_TIMEOUT": "never"}),
    typed("the same, typed", "run --wait maybe --timeout soon --on-timeout kill --on-cancel halt "
          "--on-paused ignore --on-busy kill --reset yes --logs verbose --log-limit lots "
          "--poll-interval 0 --base-url app.opsera.io"),
    typed("a run count that is a word", "status --run-count latest"),
    typed("a run count of 0", "watch --run-count 0"),
    typed("a negative run count", "status --run-count -1"),
    typed("a run count with a sharp", "stop --run-count '#42'"),
    typed("a timeout without a unit it knows", "run --timeout '1 day'"),
    typed("a timeout with a fraction", "run --timeout 1.5h"),
    typed("a negative timeout", "run --timeout=-5m"),
    typed("seconds instead of a switch", "run --wait 30"),
    typed("a poll interval below what is sane", "run --poll-interval 0.01"),
    typed("a log limit with an odd unit", "run --log-limit 10TB"),
    typed("the base_url without https", "status --base-url app.opsera.io"),
    typed("the base_url with http", "status --base-url http://app.opsera.io"),
    typed("the base_url with the API's path", "status --base-url https://app.opsera.io/api/v1"),
    typed("the base_url is the pipeline's page", f"status --base-url '{_URL}?x=1'"),
    typed("the base_url with a user", "status --base-url https://me:secret@app.opsera.io"),
    typed("the base_url with a bad port", "status --base-url https://app.opsera.io:https"),
    typed("a very long value", f"run --on-paused {_LONG}"),
    typed("the pipeline is its page's address", f"status '{_URL}'"),
    typed("the pipeline is an ID of 23 digits", "status 65a4f00dc0ffee012345678"),
    typed("the pipeline is an ID of 25 digits", "status 65a4f00dc0ffee01234567890"),
    typed("the pipeline is an ID in quotes", "status '\"65a4f00dc0ffee0123456789\"'"),
    typed("the pipeline is empty", "status --pipeline=", pipeline=None),
    typed("the pipeline is blank", "status ' '", pipeline=None),
    typed("the pipeline is a variable that was not replaced", "status '$OPSERA_PIPELINE'"),
    job("the pipeline is an expression of GitHub", "github", pipeline="${{ vars.PIPELINE }}"),
    job("the command is misspelt", command="rnu"),
    job("the command has an open quote", command='tool update x --set "a=b'),
    job("the command is demo", command="demo"),
    job("the command has an unknown option", command="status --verbose"),
    job("the command asks for help", command="status --help"),
    job("the command has a word too many", command="run shop now"),
    job("the command is an incomplete one", command="tool"),
    job("the command is of a group that has no such", command="tool delete x"),
)  # fmt: skip
