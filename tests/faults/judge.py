"""Play a schedule, and hold what came out against what the simulator knows to be true."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsera_step.clock import FakeClock
from opsera_step.config.parsers import parse_duration
from opsera_step.runs.log_reader import QUIET_FOR
from opsera_step.signals import Signals
from opsera_step.simulator import RunView, Simulator
from tests.faults.schedule import Schedule
from tests.oracles import github_files, github_runner, gitlab_dotenv, gitlab_log, secrets
from tests.support.jobs import Files, Finished, play_with

STATUSES = {
    0: ("success", "running"),
    1: ("failed", "stopped"),
    3: ("error",),
    4: ("error",),
    8: ("paused",),
    124: ("timeout",),
    143: ("cancelled", "success", "failed", "stopped"),  # After a signal the status is the run's.
}
SLACK = 45.0
"""Seconds beyond the timeout: a last look, a stop call, and a request that hangs in each."""
_EXCERPT = re.compile(r"\[opsera\] (?:The l|L)ast lines of")
_OUR_LINE = re.compile(r"s\dp\d (?:line|record) \d+")


@dataclass(frozen=True)
class Played:
    """A job that was played, and the truth about it."""

    schedule: Schedule
    job: Finished
    runs: list[RunView]
    requests: list[Any]
    truth: list[str]
    token: str

    @property
    def outputs(self) -> dict[str, str]:
        """Return the outputs by their names on GitHub."""
        text = self.job.files.text("opsera.env")
        pairs = (line.partition("=") for line in text.splitlines())
        return {name: value for name, _, value in pairs}

    @property
    def run(self) -> RunView | None:
        """Return the run that the job says it followed."""
        count = self.outputs.get("OPSERA_RUN_COUNT", "")
        return next((run for run in self.runs if str(run.number) == count), None)

    @property
    def printed(self) -> list[str]:
        """Return the lines of the run's log as they were printed, without what was repeated."""
        text = _EXCERPT.split(self.job.log)[0]
        lines = (line for line in text.splitlines() if not line.startswith("::"))
        return _OUR_LINE.findall("\n".join(lines))


def play(schedule: Schedule, folder: Path) -> Played:
    """Play a schedule in this process on a fake clock, over real HTTP."""
    clock, signals = FakeClock(), Signals()
    with Simulator(
        schedule.scenario,
        clock=clock,
        seed=schedule.seed,
        flags=schedule.flags,
        faults=list(schedule.faults),
    ) as simulator:
        if schedule.somebody_first:
            simulator.start_run()
        if schedule.cancel_at is not None:
            clock.call_at(schedule.cancel_at, lambda: _signal(signals))
        files = Files(folder, schedule.platform)
        job = play_with(simulator, clock, files, signals, **schedule.inputs)
        return known_truth(schedule, simulator, job)


def known_truth(schedule: Schedule, simulator: Simulator, job: Finished) -> Played:
    """Take what the simulator knows of a job that has ended."""
    runs, count = simulator.runs(), job.outputs.get("OPSERA_RUN_COUNT", "")
    known = any(str(run.number) == count for run in runs)
    truth = simulator.console_text(int(count)) if known else []
    return Played(schedule, job, runs, list(simulator.requests), truth, simulator.token)


def _signal(signals: Signals) -> None:
    """Send SIGTERM; where the server's thread moves the clock the job's thread must not raise."""
    if threading.current_thread() is threading.main_thread():
        signals.notice(signal.SIGTERM)
    elif signals.number is None:
        signals.number = signal.SIGTERM


def faults_of(played: Played) -> list[str]:
    """Return a sentence for each promise that was broken."""
    return [
        sentence
        for check in (_ending, _one_run, _verdict, _log, _stops, _time, _cost, _platform, _token)
        for sentence in check(played)
    ]


def _ending(played: Played) -> Iterator[str]:
    code, status = played.job.code, played.outputs.get("OPSERA_STATUS")
    if code not in STATUSES or status not in STATUSES[code]:
        yield f"exit code {code} with status {status}: {played.outputs.get('OPSERA_MESSAGE')}"
    if played.schedule.platform != "gitlab" and "OPSERA_RESULT" not in played.outputs:
        yield "the outputs are not complete"


def _one_run(played: Played) -> Iterator[str]:
    ours = [run.number for run in played.runs if run.started_by == "us"]
    if len(ours) > 1:
        yield f"runs {ours} were all started by us"
    followed = played.run
    attached = played.schedule.inputs["on_busy"] == "attach" and "Following run" in played.job.log
    adopted = "Found run" in played.job.log
    if followed is not None and followed.started_by != "us" and not (attached or adopted):
        yield f"run {followed.number} of {followed.started_by} was followed without a word"


def _verdict(played: Played) -> Iterator[str]:
    """The word of the verdict is what the run really came to."""
    status, run = played.outputs.get("OPSERA_STATUS"), played.run
    if status in ("success", "failed", "stopped") and (run is None or run.state != status):
        accepted = run is not None and run.state == "rejected" and status == "failed"
        if not accepted:
            yield f"the verdict is {status}, the truth is {run and run.state}"
    gates = any("gate" in step for step in played.schedule.scenario["pipelines"][0]["plan"])
    # A gate may have been passed between the verdict and the end of the job.
    if status == "paused" and not gates:
        yield "the verdict is paused, but there is nothing to wait for"


def _log(played: Played) -> Iterator[str]:
    if played.schedule.inputs["logs"] == "none":
        return
    printed = played.printed
    if len(set(printed)) != len(printed):
        double = sorted({line for line in printed if printed.count(line) > 1})
        yield f"{len(double)} lines were printed twice, such as {double[0]}"
    truth = [line for line in played.truth if _OUR_LINE.fullmatch(line)]
    unknown = set(printed) - set(truth)
    if unknown and played.run is not None:
        yield f"{len(unknown)} lines are not of this run, such as {min(unknown)}"
    if played.outputs.get("OPSERA_LOG_COMPLETE") == "true" and set(printed) != set(truth):
        missing = sorted(set(truth) - set(printed))
        if unknown or not _came_after_reading(played, truth[: len(printed)]):
            yield f"the log is called complete, {len(missing)} are missing, such as {missing[:1]}"
    if not _ties_are_blind(played.schedule):
        yield from _order(printed)


def _came_after_reading(played: Played, read: list[str]) -> bool:
    """Whether only lines are missing that came when the log had been still, and was read no more.

    A run's lines may go on after its end; a request that hangs makes the job's own end late.
    """
    last_read = max(
        (one.time for one in played.requests if one.call == "logs" and "type" in (one.body or {})),
        default=0.0,
    )
    late = played.requests[-1].time - last_read > QUIET_FOR
    return late and set(read) == set(played.printed)


def _ties_are_blind(schedule: Schedule) -> bool:
    """Whether nothing in the answers tells the order of records that share a time."""
    plan = schedule.scenario["pipelines"][0]["plan"]
    anonymous = any(part.get("id") is False for step in plan for part in step.get("log", ()))
    scattered = schedule.flags.get("record_ids") == "scattered"
    return schedule.flags.get("tie_order", "stable") != "stable" and (anonymous or scattered)


def _order(printed: list[str]) -> Iterator[str]:
    """Within a part of a step lines are numbered; only late ones may come out of order."""
    last: dict[str, int] = {}
    for line in printed:
        part, _, number = line.rpartition(" ")
        if int(number) < last.get(part, -1):
            yield f"“{line}” came after {part} {last[part]}"
            return
        last[part] = int(number)


def _stops(played: Played) -> Iterator[str]:
    stops = [one for one in played.requests if one.call == "stop"]
    for earlier in stops[:-1]:
        if earlier.status == 200 and not earlier.fault:
            yield "another stop call was sent after a successful one"
    for stop in stops:
        going = [run for run in played.runs if run.number == stop.run_count]
        ours = played.run
        if stop.effect and going and (ours is None or going[0].number != ours.number):
            yield f"run {going[0].number} of {going[0].started_by} was stopped, not ours"
    wanted = played.schedule.inputs["on_timeout"] == "stop" or played.job.code != 124
    if stops and not wanted:
        yield "a run was stopped that was to be left"


def _time(played: Played) -> Iterator[str]:
    # On a fake clock no request is cut off: it lasts as long as the fault says.
    longest = max((fault.seconds for fault in played.schedule.faults), default=0.0)
    limit = (parse_duration(played.schedule.inputs["timeout"]) or 0) + SLACK + 3 * longest
    if played.job.seconds > limit:
        yield f"it took {played.job.seconds:.0f} s"


def _cost(played: Played) -> Iterator[str]:
    # Far above the budget of each situation, so that only requests without a pause exceed it.
    limit = 60 + played.job.seconds
    if len(played.requests) > limit:
        yield f"{len(played.requests)} requests were sent in {played.job.seconds:.0f} s"


def _platform(played: Played) -> Iterator[str]:
    raw = played.job.log.encode()
    if played.schedule.platform == "github":
        runner = github_runner.Runner()
        runner.feed(raw)
        if not runner.balanced:
            yield "groups do not balance"
        outputs = github_files.outputs(played.job.files.text("github_output").encode())
        if outputs.error or outputs.values.get("status") != played.outputs.get("OPSERA_STATUS"):
            yield f"GITHUB_OUTPUT: {outputs.error or outputs.values}"
    if played.schedule.platform == "gitlab":
        if not gitlab_log.parse(raw).balanced:
            yield "sections do not balance"
        report = gitlab_dotenv.check(played.job.files.text("opsera.env").encode())
        if not report.ok:
            yield f"opsera.env: {report.violations}"


def _token(played: Played) -> Iterator[str]:
    own_mask = f"::add-mask::{played.token}\n"
    seen = played.job.log.replace(own_mask, "") + "".join(played.outputs.values())
    if played.token[-20:] in seen and secrets.find(played.token, seen.encode()):
        yield "the token shows"
