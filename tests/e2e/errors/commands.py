"""Words of the command line that nobody has, or in a wrong place."""

from __future__ import annotations

from tests.support.screens import Slip, job, typed

_ID = "65a4f00dc0ffee0123456789"

SLIPS: tuple[Slip, ...] = (
    typed("a misspelt command", "rnu shop", process=True),
    typed("a command that others have", "list"),
    typed("another that others have", "deploy shop"),
    typed("the plural of a group", "tools list"),
    typed("the group without its command", "tool", process=True),
    typed("a misspelt command of a group", "tool lst"),
    typed("an option before the command", "--format json status"),
    typed("an option of another command", "status --wait false"),
    typed("an option that is none", "run --verbose"),
    typed("the option of other programs for JSON", "pipelines --json"),
    typed("a short option of other programs", "status -o json"),
    typed("a misspelt option", "run --timeot 1h"),
    typed("a variable's name as an option", "run --on_paused wait"),
    typed("an option of another command", "run --set a=b"),
    typed("the token as an option", "run --token abc"),
    typed("an option without its value", "run --timeout"),
    typed("an option of words without its value", "run --reset"),
    typed("a name with blanks, without quotes", "run Deploy shop"),
    typed("a run count beside the pipeline", "status shop 42"),
    typed("a pipeline twice", f"status {_ID} --pipeline other"),
    typed("a format that is none", "status --format xml"),
    typed("a format in capitals", "pipelines --format JSON"),
    typed("a switch with a value", "run --no-wait=yes"),
    typed("a short option that is none", "run -x"),
    typed("wait and no-wait", "run --wait true --no-wait", scenario="success"),
    typed("help as a command", "help"),
    typed("version as a command", "version"),
    typed("an empty word", "''"),
    job("the command in capitals, and misspelt", "github", command="Statsu"),
    job("the command with the program's name", command="opsera-step status"),
    job("the command as lines", command="status\nlogs"),
    job("a command of several, with &&", command="reset && run"),
    job("an unknown option on GitHub", "github", command="logs --flolow"),
    job("an unknown option on GitLab", "gitlab", command="pipelines --json"),
    job("a wrong value of an option", command="pipelines --format xml"),
    job("a command that needs a name", command="tool show"),
    job("the simulator in a job", command="simulator --port 80"),
    job("a completion in a job", command="completion bash"),
)  # fmt: skip
