"""Error messages as users see them: about ten screens for each area, in `golden/errors/`.

After a change of wording: OPSERA_STEP_REWRITE_GOLDEN=1 python3 dev.py test tests/e2e, then read
the difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import pytest

from opsera_step.simulator import Fault, Simulator
from tests.support import scenes
from tests.support.authority import Authority
from tests.support.golden import GOLDEN, assert_golden
from tests.support.screens import Case, Place, job, play, typed
from tests.support.shell import LOCKED_TOOL, TASK, TOOL
from tests.support.tokens import jwt
from tests.support.wire import Wire, http, ok

ID, UNKNOWN_ID = "65a4f00dc0ffee0123456789", "65a4f00dc0ffee0999999999"
PAGE = f"https://app.opsera.io/workflow/details/{ID}/summary"
UNREACHABLE = "http://127.0.0.1:1"
TOKEN = jwt({"scope": "api"})


def config(title: str, text: str | bytes, words: str = "status shop", **rest: object) -> Case:
    return typed(title, f"{words} --config opsera.yml", files={"opsera.yml": text}, **rest)


def faulty(title: str, words: str, *faults: Fault, **rest: object) -> Case:
    return typed(title, words, simulated={"faults": list(faults)}, **rest)


def faulty_job(title: str, *faults: Fault, **rest: object) -> Case:
    scenario = rest.pop("scenario", scenes.PASSES)
    return job(title, scenario=scenario, simulated={"faults": list(faults)}, **rest)


def token(scope: str, role: str = "Power User") -> Callable[[Place], dict[str, str]]:
    return lambda place: {"OPSERA_TOKEN": place.simulator.issue_token(scope, user="Kim", role=role)}


def expired(place: Place) -> dict[str, str]:
    return {"OPSERA_TOKEN": place.simulator.expired_token}


def without_access(place: Place) -> dict[str, str]:
    place.simulator.set_access(place.simulator.pipeline_id, ["Robin Weber"])
    return {"OPSERA_TOKEN": place.simulator.issue_token("api", user="Sam Okafor")}


def around_token(before: str, after: str = "") -> Callable[[Place], dict[str, str]]:
    return lambda place: {"OPSERA_TOKEN": f"{before}{place.simulator.token}{after}"}


def tls(name: str, **environ: str) -> Callable[[Place], dict[str, str]]:
    def prepare(place: Place) -> dict[str, str]:
        context = Authority(place.directory).context(name)
        wire = place.stack.enter_context(Wire(ok({}), tls=context))
        return {"OPSERA_BASE_URL": wire.url, **environ}

    return prepare


def proxy(answer: bytes) -> Callable[[Place], dict[str, str]]:
    def prepare(place: Place) -> dict[str, str]:
        wire = place.stack.enter_context(Wire(answer))
        address = wire.url.replace("//", "//me:proxy-secret@")
        return {"OPSERA_BASE_URL": "https://opsera.invalid", "HTTPS_PROXY": address}

    return prepare


INPUTS = (
    job("no inputs at all", token=None, pipeline=None, base_url=None),
    job("no inputs at all, on GitHub", "github", token=None, pipeline=None),
    job("many invalid values, on GitLab", "gitlab", wait="maybe", timeout="soon", on_cancel="halt",
        on_paused="ignore", on_busy="kill", reset="yes", logs="verbose", log_limit="lots",
        poll_interval="0", run_count="latest", base_url="app.opsera.io"),
    typed("an invalid option value", "run --on-paused maybe --timeout '1 day'"),
    typed("a misspelled choice", "run --on-busy atach"),
    typed("the portal address as base_url", f"status --base-url '{PAGE}?x=1'"),
    typed("plain http to another host", "status --base-url http://app.opsera.io"),
    typed("a page address as pipeline", f"status '{PAGE}'"),
    job("an expression that was not expanded", "github", pipeline="${{ vars.PIPELINE }}"),
    job("a misspelled command", command="rnu"),
    job("an unclosed quote in a command", command='tool update x --set "a=b'),
    job("misspelled variables", command="status", timeot="1h", on_pause="wait", pipeline=None,
        pipline="shop"),
    job("an output file below a file", output_file="out/opsera.env", command="status",
        files={"out": ""}),
    job("a report directory that is a file", report_dir="report", wait="false",
        scenario="success", files={"report": ""}),
)  # fmt: skip

CONFIG_FILE = (
    job("a file that the job does not name", command="status",
        files={".opsera.yml": "on_paused: wait\n"}),
    typed("a missing file", "status --config ci/opsera.yml"),
    typed("a directory", "status --config opsera.yml", files={"opsera.yml": None}),
    config("not UTF-8", b"timeout: \xe4\n"),
    config("invalid YAML", "timeout: 1h\n  wait: : true\n"),
    config("a list", "- timeout: 1h\n"),
    config("many errors at once", f"""\
token: {TOKEN}
config: other.yml
timout: 1h
on-paused: wait
timeout: soon
base_url: https://evil.example
on_busy: que
pipelines:
  shop: {{timeout: 1h, tiemout: 2h, token: x}}
  empty:
""", "status 65a4f00dc0ffee0123456789"),
    config("a duplicate key", "timeout: 1h\ntimeout: 2h\n"),
    config("aliases as a list", "pipelines:\n  - shop\n"),
    config("a misspelled alias", f"pipelines:\n  shop: {ID}\n", "status shpo"),
    config("an invalid command", "command: deploy\n"),
)  # fmt: skip

COMMAND_LINE = (
    typed("a misspelled command", "rnu shop"),
    typed("a command of other tools", "list"),
    typed("a group without a command", "tool"),
    typed("a misspelled command of a group", "tool lst"),
    typed("an option before the command", "--format json status"),
    typed("an option of another command", "status --wait false"),
    typed("a misspelled option", "run --timeot 1h"),
    typed("a token as an option", f"run --token {TOKEN}"),
    typed("an option without its value", "run --timeout"),
    typed("a name with spaces but without quotes", "run Deploy shop"),
    typed("an unknown format", "status --format xml"),
    job("an unknown option in a job", "github", command="logs --flolow"),
    job("a command that jobs can't run", command="demo"),
)

ACCOUNT = (
    typed("an unknown tool", f"tool show {UNKNOWN_ID}"),
    typed("a misspelled tool name", "tool show 'Shop Jenkin'"),
    typed("no tool named", "tool show"),
    typed("an update without changes", f"tool update {TOOL}"),
    typed("an update without confirmation", f"tool update {TOOL} --set description=new"),
    typed("--set without a value", f"tool update {TOOL} --set description"),
    typed("a value of another type", f"tool update {TOOL} --set name=5 --yes"),
    typed("an update file with invalid YAML", f"tool update {TOOL} --file tool.yml --yes",
          files={"tool.yml": "name: [a\n"}),
    typed("an invalid run number", f"task logs {TASK} --run-count latest"),
    typed("an invalid date", "audit actions --date 01.11.2026"),
    typed("no access to a tool", f"tool show {LOCKED_TOOL}", prepare=token("api", "plain")),
)  # fmt: skip

ACCESS = (
    job("a rejected token", token="nonsense-token"),
    job("an expired token", "github", prepare=expired),
    job("a token in quotes", prepare=around_token('"', '"')),
    job("a token after the word Bearer", prepare=around_token("Bearer ")),
    job("a token of several lines", "github", prepare=around_token("", "\nabc")),
    job("a truncated token", token=TOKEN[:30]),
    job("an empty token, as in a pull request from a fork", "github", token=""),
    job("a token as the pipeline", pipeline=TOKEN),
    typed("a missing token file", "status --token-file secret", token=None),
    typed("a read-only scope, to run", "run", prepare=token("pipeline-readonly")),
    typed("the scope of tools, for a pipeline", "status", prepare=token("registry")),
    typed("a user who is not a Power User", "pipelines", prepare=token("api", "plain")),
    job("no access to the pipeline", "github", scenario="success", prepare=without_access),
)

RUNS = (
    job("an unknown pipeline", "github", pipeline=UNKNOWN_ID),
    typed("a misspelled pipeline name", "run 'Deploy shopp'"),
    typed("a run number as pipeline", "watch 42"),
    typed("an ambiguous name", "status Shop", scenario={"pipelines": [
        {"name": "Shop", "plan": [scenes.BUILD]},
        {"name": "Shop", "plan": [scenes.BUILD], "id": UNKNOWN_ID},
    ]}),
    typed("an unknown run", "watch --run-count 999"),
    typed("a pipeline that has never run", "status",
          scenario={"pipelines": [{"name": "New", "plan": [scenes.BUILD]}]}),
    typed("an unknown step", "logs --step Biuld"),
    job("a paused pipeline", "github", scenario="paused-refusal"),
    job("a run in progress, with on_busy: fail", scenario="busy", on_busy="fail"),
    job("a timeout", scenario=scenes.SLOW, timeout="2s"),
    job("a failed run", "gitlab", scenario=scenes.FAILS, speed=100.0,
        poll_interval="0.2"),
    job("a run that waits for approval", scenario=scenes.PAUSES, speed=100.0,
        poll_interval="0.2"),
    faulty("an unknown status", "status", Fault(call="status", status=200,
           body='{"status": "concluded", "message": ""}')),
    faulty_job("a refused run", Fault(call="run", status=200, body='{"status": "failed", '
               '"message": "The license has ended"}')),
    faulty("a refused stop", "stop", Fault(call="stop", status=400, body='{"message": "not now"}'),
           scenario="busy"),
)  # fmt: skip

NETWORK = (
    typed("connection refused", f"status --timeout 1s --base-url {UNREACHABLE}"),
    typed("an unknown host", "status --timeout 1s --base-url https://opsera.invalid"),
    typed("a server without TLS", "status --timeout 1s", prepare=lambda place: {
        "OPSERA_BASE_URL": place.simulator.url.replace("http:", "https:")}),
    typed("a certificate of a private CA", "status --timeout 1s", prepare=tls("127.0.0.1")),
    typed("a certificate for another host", "status --timeout 1s",
          prepare=tls("other.test", OPSERA_CA_BUNDLE="ca.pem")),
    typed("a CA bundle that is no PEM file",
          "status --ca-bundle ca.pem --base-url https://opsera.invalid",
          files={"ca.pem": "hello\n"}),
    typed("a proxy that asks for a password", "status --timeout 1s", prepare=proxy(http(407))),
    faulty("HTTP 503", "status --timeout 1s", Fault(status=503)),
    faulty("HTTP 429", "status --timeout 1s", Fault(status=429, retry_after=3600)),
    faulty("HTML instead of JSON", "status --timeout 1s", Fault(kind="html")),
    faulty("a redirect to a login page", "status --timeout 1s",
           Fault(kind="redirect", location="https://login.example/?next=api")),
    faulty("a hostile error message", "status", Fault(
        status=400, body='{"message": "\\u001b[31m::error::no\\r\\n##[error]no"}')),
)  # fmt: skip

SETUP = (
    typed("doctor: nothing is set", "doctor", token=None, pipeline=None, base_url=UNREACHABLE),
    typed("doctor: invalid inputs", "doctor --timeout soon --base-url app.opsera.io"),
    typed("doctor: a rejected token", "doctor", token="nonsense-token"),
    typed("doctor: a certificate of a private CA", "doctor", prepare=tls("127.0.0.1")),
    typed("doctor: a paused pipeline", "doctor", scenario="paused-refusal"),
    typed("init: the file exists", "init", files={".opsera.yml": "timeout: 1h\n"}),
    typed("init: an invalid alias", "init --alias 'my shop'"),
    typed("demo: an unknown scenario", "demo --scenario sucess"),
    typed("demo: an argument", "demo failure"),
    typed("demo: an invalid flag value", "demo --flag busy_response=no"),
    typed("demo: an invalid scenario file", "demo --scenario mine.yml",
          files={"mine.yml": "pipelines:\n  - nam: x\n"}),
    typed("simulator: a port in use", "simulator --port {port}"),
    typed("completion: an unknown shell", "completion powershell"),
)  # fmt: skip

AREAS: Mapping[str, Sequence[Case]] = {
    "inputs": INPUTS,
    "config-file": CONFIG_FILE,
    "command-line": COMMAND_LINE,
    "account": ACCOUNT,
    "access": ACCESS,
    "runs": RUNS,
    "network": NETWORK,
    "setup": SETUP,
}
EXIT_CODES = {f"exit {code}" for code in (0, 1, 2, 3, 4, 8, 124)}
INTERNALS = re.compile(
    r"Traceback|\b\w+(?:Error|Exception)\b[(:]|<class |object at 0x|\w+Warning\b"
)


@pytest.mark.parametrize("area", AREAS)
def test_error_screens_are_the_golden_ones(area, tmp_path):
    screens = []
    with Simulator(seed=1) as shared:
        for number, case in enumerate(AREAS[area]):
            directory = tmp_path / str(number)
            directory.mkdir()
            screens.append(play(case, directory, shared).rstrip("\n"))
        assert shared.token not in "".join(screens)
    assert_golden(f"errors/{area}.txt", "\n\n".join(screens) + "\n")


@pytest.mark.parametrize("area", AREAS)
def test_error_screens_read_well(area):
    """None shows Python's internals or repeats itself, and all end with a documented exit code."""
    for screen in (GOLDEN / f"errors/{area}.txt").read_text("utf-8").split("\n\n"):
        assert INTERNALS.search(screen) is None, screen
        lines = screen.rstrip().splitlines()
        assert lines[-1] in EXIT_CODES, screen
        ours = [line for line in lines if re.match(r"(out|err)\| .*(\[opsera\]|::error)", line)]
        ours = [line for line in ours if "View in Opsera: " not in line]
        assert len(ours) == len(set(ours)), screen
        for line in ours:
            sentences = re.findall(r"[A-Z][^.:]{30,}\.", line)
            assert len(sentences) == len(set(sentences)), screen
