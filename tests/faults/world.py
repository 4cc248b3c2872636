"""The world of a schedule: a simulator that follows the phases of a job, and the jobs in it.

On a fake clock a job runs in this process over real HTTP, and an hour takes a second. With the real
process, everything but the job's own waits is played faster.
"""

from __future__ import annotations

import io
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from opsera_step.clock import FakeClock
from opsera_step.config import Setting, parse_duration
from opsera_step.job import Output, run_job
from opsera_step.platforms import own_variables
from opsera_step.signals import Signals
from opsera_step.simulator import (
    HttpRequest,
    LoggedRequest,
    Response,
    RunView,
    Simulator,
    SpeedClock,
)
from tests.faults.schedule import SIGNALS, Event, Schedule
from tests.oracles import github_files
from tests.support.jobs import Files, Process, inputs_for, read_outputs

FINAL = ("success", "failed", "stopped", "rejected")
KILLED = -9
SPEED = 10.0
_TIMEOUTS = {"30m": "90", "2m": "30", "45": "15"}
"""Timeouts of the real process, whose own waits can't be played faster."""


class Killed(BaseException):
    """The end of a job that is killed: nothing of it may handle that."""


class Interrupts(Signals):
    """Signals and SIGKILL for a job in this process, at each of its waits."""

    def __init__(self) -> None:
        super().__init__()
        self._player = threading.get_ident()
        self._is_killed = False

    def kill(self) -> None:
        """Kill the job where it waits."""
        self._is_killed = True
        self._die()

    def send(self, number: int) -> None:
        """Send a signal, from any thread."""
        if threading.get_ident() == self._player:
            self.notice(number)
        elif self.number is None:
            self.number = number

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Wait; what came meanwhile ends the wait, and the response is lost."""
        self._die()
        with super().guard():
            yield
            self._die()
            self._raise()

    def _die(self) -> None:
        if self._is_killed and threading.get_ident() == self._player:
            raise Killed


class Machine(Protocol):
    """What can happen to a job from outside."""

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something in some seconds."""

    def signal(self, name: str) -> None:
        """Send a signal."""

    def kill(self) -> None:
        """Kill the job."""

    def suspend(self, seconds: float) -> None:
        """Let time pass without the job."""

    def jump(self, seconds: float) -> None:
        """Set the wall clock."""


@dataclass(frozen=True)
class Moment:
    """When a request came: in which job and phase, and which run was in progress then."""

    job: int
    phase: str
    active: RunView | None


@dataclass
class Job:
    """A job that was played; times are seconds since the start of the world."""

    kind: str
    """`job`, `second attempt`, or `post step`."""
    code: int
    log: str
    files: dict[str, str]
    """Its files when it ended, by name."""
    started: float
    ended: float
    silences: list[float] = field(default_factory=list)
    """Seconds between two writes to the job log; empty if unknown."""

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs by their names without the prefix."""
        found = read_outputs(self.files["opsera.env"])
        return {name.removeprefix("OPSERA_"): value for name, value in found.items()}


@dataclass
class Played:
    """What was played, and the truth about it."""

    schedule: Schedule
    jobs: list[Job]
    runs: list[RunView]
    requests: list[LoggedRequest]
    moments: list[Moment]
    """When each of the requests came."""
    happened: list[tuple[float, Event]]
    truths: dict[int, list[str]]
    """The console lines of the runs."""
    tokens: list[str]
    calm_at: float | None
    """When all faults had ended; None if they did not."""
    speed: float = 1.0
    """How much faster the world was than the job; 1 on a fake clock."""

    def asked(self, job: int = 0) -> Iterator[tuple[LoggedRequest, Moment]]:
        """Yield the requests of a job."""
        pairs = zip(self.requests, self.moments, strict=False)
        return (pair for pair in pairs if pair[1].job == job)

    def run_of(self, job: Job) -> RunView | None:
        """Return the run that a job reported to follow."""
        count = job.outputs.get("RUN_COUNT", "")
        return next((run for run in self.runs if str(run.number) == count), None)

    def when(self, *names: str) -> float | None:
        """Return when the first of some events happened."""
        return next((at for at, event in self.happened if event.do in names), None)


class World(Simulator):
    """A simulator that tracks a job's phase, and injects faults and events by phase."""

    def __init__(self, schedule: Schedule, clock: FakeClock | SpeedClock) -> None:
        super().__init__(
            schedule.scenario,
            clock=clock,
            seed=schedule.seed,
            flags=schedule.flags,
            faults=schedule.faults,
        )
        self.machine: Machine
        self.moments: list[Moment] = []
        self.happened: list[tuple[float, Event]] = []
        self.calm_at: float | None = None
        self.token_file = Path()
        self.jobs: list[Job] = []
        self._schedule = schedule
        self._lock = threading.RLock()
        self._counts: Counter[str] = Counter()
        self._files, self._kind = Files(Path()), ""
        self._known: int | None = None
        self._stopping_from = float("inf")

    def begin(self, kind: str, files: Files, timeout: float) -> None:
        """Note that a job starts."""
        self._kind, self._files, self._known = kind, files, None
        self._counts.clear()
        self._stopping_from = self.now + timeout

    def respond(self, request: HttpRequest) -> Response:
        """Respond to a request of the job, according to its phase."""
        with self._lock:
            if request.path.startswith("/api"):
                self._enter(request.path.rpartition("/")[2])
        return super().respond(request)

    def calm(self) -> None:
        """End all faults, also those that are to come."""
        if self.calm_at is None:
            self.calm_at = self.now
        self.clear_faults()

    def run_of(self, number: int | None) -> RunView | None:
        """Return a run by its number."""
        return next((run for run in self.runs() if run.number == number), None)

    def _enter(self, call: str) -> None:
        phase = self._phase(call)
        self._counts[phase] += 1
        if self._counts[phase] == 1 and self.calm_at is None:
            for aimed_at, fault in self._schedule.aimed:
                if aimed_at == phase:
                    self.add_fault(fault)
        if not self.jobs:
            # Events concern the first job; a later one meets what it left.
            for event in self._schedule.events:
                if (event.phase, event.nth) == (phase, self._counts[phase]):
                    self.machine.at(event.after, partial(self._carry_out, event))
        active = next((run for run in self.runs() if run.state in ("running", "paused")), None)
        self.moments.append(Moment(len(self.jobs), phase, active))

    def _phase(self, call: str) -> str:
        if self._kind == "post step":
            return "post step"
        if self._known is None:
            count = self._files.outputs.get("OPSERA_RUN_COUNT", "")
            self._known = int(count) if count.isdecimal() else None
        if call == "stop":
            self._stopping_from = min(self._stopping_from, self.now)
        if self.now >= self._stopping_from:
            return "stopping"
        if self._known is None:
            has_started = call in ("run", "status") or self._counts["starting"] > 0
            return "starting" if has_started else "before the run"
        run = self.run_of(self._known)
        state = "success" if run is None else run.state
        words = {"queued": "queued", "running": "following", "paused": "paused"}
        return words.get(state, "draining")

    def _carry_out(self, event: Event) -> None:
        if self.jobs:
            return
        self.happened.append((self.now, event))
        if event.do in SIGNALS:
            self._stopping_from = min(self._stopping_from, self.now)
            self.machine.signal(event.do)
        elif event.do == "kill":
            self.machine.kill()
        elif event.do in ("suspend", "jump"):
            getattr(self.machine, event.do)(event.amount)
        elif event.do == "revoke":
            self.deactivate_token(self.token)
        elif event.do == "renew":
            token = self.renew_token()
            self.machine.at(event.amount, partial(self._write_token, token))
        else:
            # What is impossible at the moment doesn't happen, such as a run of a paused pipeline.
            with suppress(KeyError, ValueError):
                acts: dict[str, Callable[[], object]] = {
                    "run": self.start_run,
                    "stop": self.stop_run,
                    "approve": self.approve,
                    "reject": self.reject,
                    "delete": lambda: self.delete_run(self._known),
                }
                acts[event.do]()

    def _write_token(self, token: str) -> None:
        self.token_file.write_text(token, "utf-8")


# On a fake clock


class _Recorder(io.StringIO):
    """A job log that records when it was written to."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.times = [clock.monotonic()]

    def write(self, text: str) -> int:
        self.times.append(self._clock.monotonic())
        return super().write(text)


class _Simulated:
    """A machine on a fake clock."""

    def __init__(self, clock: FakeClock, signals: Interrupts) -> None:
        self._clock, self._signals = clock, signals

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        self._clock.call_at(self._clock.monotonic() + seconds, action)
        self._clock.sleep(0.0)

    def signal(self, name: str) -> None:
        self._signals.send(signal.Signals[name])

    def kill(self) -> None:
        self._signals.kill()

    def suspend(self, seconds: float) -> None:
        self._clock.sleep(seconds)

    def jump(self, seconds: float) -> None:
        self._clock.jump_wall(seconds)


def play(schedule: Schedule, directory: Path) -> Played:
    """Play a schedule in this process on a fake clock."""
    clock = FakeClock()
    with World(schedule, clock) as world:
        if schedule.calm_at is not None:
            clock.call_at(schedule.calm_at, world.calm)
        return _play_jobs(schedule, world, directory, partial(_run, world, clock))


def _run(
    world: World, clock: FakeClock, kind: str, files: Files, environ: dict[str, str]
) -> tuple[int, str, list[float]]:
    signals, log = Interrupts(), _Recorder(clock)
    world.machine = _Simulated(clock, signals)
    cleanup = {"command": Setting("cleanup", "the command line")} if kind == "post step" else {}
    jitter = random.Random(7).random
    try:
        own = own_variables(environ, is_job=False)
        code = run_job(own, Output(log), signals, options=cleanup, clock=clock, jitter=jitter)
    except Killed:
        code = KILLED
    times = [*log.times, clock.monotonic()]
    return code, log.getvalue(), [later - at for at, later in pairwise(times)]


def _play_jobs(
    schedule: Schedule,
    world: World,
    directory: Path,
    run: Callable[[str, Files, dict[str, str]], tuple[int, str, list[float]]],
    speed: float = 1.0,
) -> Played:
    """Play the job, and what comes after it."""
    if schedule.other_first:
        world.start_run()
    tokens, world.token_file = [world.token], directory / "token"
    world.token_file.write_text(world.token, "utf-8")
    inputs = {**schedule.inputs, "token": None, "token_file": str(world.token_file)}
    for kind in ("job", schedule.then):
        if not kind:
            continue
        place = directory / "again" if kind == "second attempt" else directory
        place.mkdir(exist_ok=True)
        files = Files(place, schedule.platform)
        own = {"output_file": str(place / "opsera.env"), **inputs}
        environ = {**schedule.variables, **files.environment(), **inputs_for(world, **own)}
        if kind == "post step":
            if "post step" not in dict(schedule.aimed):
                world.calm()
            state = github_files.state(files.text("github_state").encode()).values
            environ |= {f"STATE_{name}": value for name, value in state.items()}
        world.begin(kind, files, speed * (parse_duration(schedule.inputs["timeout"]) or 0.0))
        started = world.now
        code, log, silences = run(kind, files, environ)
        left = {name: files.text(name) for name in ("opsera.env", "github_output")}
        world.jobs.append(Job(kind, code, log, left, started, world.now, silences))
    tokens.append(world.token)
    truths = {one.number: world.console_text(one.number) for one in world.runs()}
    return Played(
        schedule, world.jobs, world.runs(), world.requests, world.moments, world.happened, truths,
        tokens, world.calm_at, speed,
    )  # fmt: skip


# The real process


class _Real:
    """The machine of a real process, whose world is played faster."""

    def __init__(self) -> None:
        self.process: Process | None = None

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        timer = threading.Timer(seconds / SPEED, action)
        timer.daemon = True
        timer.start()

    def signal(self, name: str) -> None:
        if self.process is not None:
            self.process.send(signal.Signals[name])

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()

    def suspend(self, seconds: float) -> None:
        self.signal("SIGSTOP")
        self.at(min(seconds, 60.0), partial(self.signal, "SIGCONT"))

    def jump(self, seconds: float) -> None:
        """Do nothing: the clock of this machine is not ours."""


def play_process(schedule: Schedule, directory: Path) -> Played:
    """Play a schedule with the real entry point, in real time."""
    machine = _Real()
    inputs = {**schedule.inputs, "timeout": _TIMEOUTS[schedule.inputs["timeout"]]}
    schedule = replace(schedule, inputs=inputs)
    with World(schedule, SpeedClock(SPEED)) as world:
        world.machine = machine
        if schedule.calm_at is not None:
            machine.at(schedule.calm_at, world.calm)

        def run(kind: str, files: Files, environ: dict[str, str]) -> tuple[int, str, list[float]]:
            arguments = ("cleanup",) if kind == "post step" else ()
            if files.platform == "github":
                # There they are the action's own.
                environ = {key: one for key, one in environ.items() if not key.startswith("INPUT_")}
            machine.process = Process(None, files, arguments=arguments, environ=environ)
            done = machine.process.wait(240)
            return done.code, done.log, []

        return _play_jobs(schedule, world, directory, run, SPEED)
