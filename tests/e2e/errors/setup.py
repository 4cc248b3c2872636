"""The doctor, the first config file, the demonstration, the simulator, completions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opsera_step.simulator.faults import Fault
from tests.support.screens import Place, Slip, job, typed
from tests.support.wire import Wire, http

_EMPTY = """{"_id": "65a4f00dc0ffee0123456789", "name": "Empty",
"workflow": {"plan": [], "run_count": 3}}"""


def _token(scope: str, role: str = "Power User", **rest: Any) -> Callable[[Place], dict[str, str]]:
    def prepare(place: Place) -> dict[str, str]:
        token = place.simulator.issue_token(scope, user="Kim", role=role, **rest)
        return {"OPSERA_TOKEN": token}

    return prepare


def _late(place: Place) -> dict[str, str]:
    answer = http(401, b"{}", Date="Thu, 01 Jan 2026 05:00:00 GMT")
    return {"OPSERA_BASE_URL": place.stack.enter_context(Wire(answer)).url}


def _folder(place: Place) -> None:
    (place.folder / "sub").mkdir()


SLIPS: tuple[Slip, ...] = (
    typed("doctor: nothing is set", "doctor", token=None, pipeline=None, base_url="http://127.0.0.1:1"),
    typed("doctor: wrong inputs", "doctor --timeout soon --on-busy kill --base-url app.opsera.io"),
    typed("doctor: a token that is not accepted", "doctor", token="nonsense"),
    typed("doctor: a token in quotes", "doctor", token="'eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln'"),
    typed("doctor: a pipeline that is not there", "doctor nowhere"),
    typed("doctor: nothing listens there", "doctor", base_url="http://127.0.0.1:1"),
    typed("doctor: a pipeline that is paused", "doctor", scenario="paused-refusal"),
    typed("doctor: paused, and taken up", "doctor --on-busy attach", scenario="paused-refusal"),
    typed("doctor: a run is going", "doctor --on-busy fail", scenario="busy"),
    typed("doctor: a token that may only read", "doctor",
          prepare=_token("pipeline-readonly", role="plain")),
    typed("doctor: the same, of a Power User", "doctor", prepare=_token("pipeline-readonly")),
    typed("doctor: calls without an answer", "doctor", scenario="success",
          simulated={"faults": [Fault(call="tools,user_actions", status=503)]}),
    typed("doctor: no list of pipelines", "doctor", scenario="success",
          simulated={"faults": [Fault(call="pipelines", status=404)]}),
    typed("doctor: an API that fails", "doctor", scenario="success",
          simulated={"faults": [Fault(status=503)]}),
    typed("doctor: a page of signing in", "doctor", scenario="success",
          simulated={"faults": [Fault(kind="html")]}),
    typed("doctor: a token that is cut off, and no way", "doctor", token="eyJhbGciOiJub25lIn0.ey",
          base_url="http://127.0.0.1:1"),
    typed("doctor: a token that is no JWT, and no way", "doctor", token="abc",
          base_url="http://127.0.0.1:1"),
    typed("doctor: a token that tells nothing of its end", "doctor",
          token="eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln", base_url="http://127.0.0.1:1"),
    typed("doctor: a token that is not good yet", "doctor", base_url="http://127.0.0.1:1",
          token="eyJhbGciOiJub25lIn0.eyJuYmYiOiAxODAwMDAwMDAwfQ.c2ln"),
    typed("doctor: a pipeline without steps", "doctor", scenario="success",
          simulated={"faults": [Fault(call="summary", status=200, body=_EMPTY)]}),
    typed("doctor: a token that ends soon", "doctor", prepare=_token("api", expires_in=7200)),
    typed("doctor: a host that is not there", "doctor", base_url="https://opsera.invalid"),
    typed("doctor: a host name that is none", "doctor", base_url=f"https://{'x' * 70}.example"),
    typed("doctor: a proxy without a host", "doctor", base_url="https://opsera.invalid",
          environ={"HTTPS_PROXY": "http://"}),
    typed("doctor: a clock that is wrong", "doctor", prepare=_late),
    typed("doctor: a CA bundle that is not there", "doctor --ca-bundle ca.pem",
          base_url="https://opsera.invalid"),
    typed("doctor: a format that is none", "doctor --format text"),
    job("doctor in a job, with a misspelt variable", "github", command="doctor", timeoutt="1h"),
    typed("init: a file is there already", "init", files={".opsera.yml": "timeout: 1h\n"}),
    typed("init: an alias that won't do", "init --alias 'my shop'"),
    typed("init: both", "init --alias 'my shop'", files={".opsera.yml": "timeout: 1h\n"}),
    typed("init: an alias for no pipeline", "init --alias shop"),
    typed("init: a folder that is not there", "init --config ci/opsera.yml"),
    typed("init: the file is a folder", "init --config sub --force", prepare=_folder),
    job("init in a job", command="init"),
    typed("demo: a scenario that is none", "demo --scenario sucess"),
    typed("demo: a switch without a value", "demo --switch busy_answer"),
    typed("demo: a switch that is none", "demo --switch busy=queued"),
    typed("demo: a switch with a value that won't do", "demo --switch busy_answer=no"),
    typed("demo: a speed that is none", "demo --speed fast"),
    typed("demo: a speed of 0", "demo --speed 0"),
    typed("demo: a platform that is none", "demo --platform jenkins"),
    typed("demo: an input that won't do", "demo --on-paused go --no-outputs"),
    typed("demo: a scenario of one's own, with a fault", "demo --scenario mine.yml",
          files={"mine.yml": "pipelines:\n  - nam: x\n"}),
    typed("demo: a scenario that is no YAML", "demo --scenario mine.yml",
          files={"mine.yml": "pipelines: [\n"}),
    typed("demo: a pipeline is named", "demo shop"),
    typed("simulator: a port that is taken", "simulator --port {port}", process=True),
    typed("simulator: a port that is none", "simulator --port 99999"),
    typed("simulator: a port that is a word", "simulator --port http"),
    typed("simulator: a host that is not here", "simulator --host 192.0.2.1", process=True),
    typed("simulator: a state file that is broken", "simulator --state state.json",
          files={"state.json": "{\n"}, process=True),
    typed("completion: a shell that has none", "completion powershell"),
    typed("completion: no shell", "completion"),
)  # fmt: skip
