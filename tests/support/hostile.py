"""A pipeline whose names, messages, and log lines are all attacks, and the job that runs it."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path
from urllib.parse import quote

from opsera_step.clock import FakeClock
from opsera_step.simulator import Simulator
from opsera_step.text import MASK
from tests.oracles import hostile
from tests.support import scenes
from tests.support.jobs import Finished, play


def texts(seed: int, count: int) -> list[str]:
    """Return hostile and harmless texts; very long ones are cut."""
    return [sample.text[:3000] for sample in hostile.samples(seed, count)]


def hostile_scenario(token: str) -> scenes.Scenario:
    """Return a scenario whose names, messages, and lines are attacks or contain the token."""
    pieces = iter(texts(21, 2000))
    steps = [
        scenes.step(
            next(pieces).strip() or "x",
            scenes.prints(*itertools.islice(pieces, 60), every=0.05),
            tool=next(pieces)[:60],
            message=next(pieces),
        )
        for _ in range(10)
    ]
    steps.append(
        scenes.step(f"Leak {token}", scenes.prints(*forms(token)), message=f"Bearer {token}")
    )
    steps[-1]["result"] = "failed"
    made = scenes.scenario(*steps)
    made["pipelines"][0]["name"] = "Deploy\n::error::x \x1b[31m##[group]| <b>@team"
    made["pipelines"][0]["messages"] = {
        "failed": f"::set-output name=status::success\r{token}\x1b[2J"
    }
    return made


def forms(token: str) -> list[str]:
    """Return lines that contain the token in the forms that have to be redacted."""
    half, raw = len(token) // 2, token.encode()
    return [
        token,
        f"Authorization: Bearer {token}",
        f"?token={quote(token, safe='')}&x=1",
        base64.b64encode(f"user:{token}".encode()).decode(),
        base64.b64encode(f"us:{token}".encode()).decode(),
        base64.urlsafe_b64encode(f"u:{token}".encode()).decode(),
        raw.hex(),
        "".join(f"%{code:02x}" for code in raw),
        "".join(f"\\u{code:04x}" for code in raw),
        "\u200b".join(token),
        f"\x1b[31m{token[:half]}\x1b[0m{token[half:]}",
        "".join(f"\x1b[3{number % 8}m{one}" for number, one in enumerate(token)),
        f"wrapped {token[:half]}\n{token[half:]} wrapped",
        "\n".join(token[start : start + 8] for start in range(0, len(token), 8)),
    ]


def play_hostile(directory: Path, platform: str, **inputs: str) -> tuple[Finished, str]:
    """Run the hostile pipeline with a whole job."""
    clock = FakeClock()
    with Simulator(scenes.PASSES, clock=FakeClock(), seed=4) as simulator:
        token = simulator.token
    with Simulator(hostile_scenario(token), clock=clock, seed=4) as simulator:
        assert simulator.token == token
        job = play(simulator, clock, directory, platform, **inputs)
    assert int(job.outputs["OPSERA_LOG_LINES"]) > 600
    assert job.log.count(MASK) > len(forms(token))
    return job, token
