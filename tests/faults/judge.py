"""The judge: rules that compare what a job did, printed, and left with the simulator's record.

A rule yields a sentence for each promise that was broken. It yields CHANCE where it could have been
broken, so that a campaign can see that each rule was put to the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from opsera_step.config import parse_duration
from opsera_step.runs import LATE_STOP
from opsera_step.simulator import RunView
from tests.faults.world import FINAL, KILLED, Job, Played
from tests.oracles import github_files, github_runner, gitlab_dotenv, gitlab_log, secrets

IDLE_PROOF, QUIET_FOR, LONGEST_WAIT = 30.0, 3.0, 120.0
"""Seconds of the guarantees: until an idle pipeline proves that no run was started; until a log
without new lines is complete; and the longest wait for a Retry-After."""
HEARTBEAT, LAST_LOOK = 60.0, 4.0
"""Seconds after which a job prints a line in any case; seconds for the last check of a run."""

CHANCE = ""
"""What a rule yields where it could have been broken."""
Rule = Callable[[Played], Iterator[str]]
RULES: dict[str, Rule] = {}

STATUSES = {
    0: ("success", "running"),
    1: ("failed", "stopped"),
    3: ("error",),
    4: ("error",),
    8: ("paused",),
    124: ("timeout",),
}
AFTER_SIGNAL = ("cancelled", "success", "failed", "stopped")
"""After a signal the status is the run's."""
SIGNAL_CODES = {129: "SIGHUP", 130: "SIGINT", 143: "SIGTERM"}
SLACK = 45.0
"""Seconds beyond the timeout: a last check, a stop call, and a hanging request in each."""
CANCELLED_WITHIN = 5.0
"""Seconds from a signal to the end of the job, if no request hangs."""
SETTLED_WITHIN = 90.0
"""Seconds from the end of the run or of all faults, whichever is later, to the end of the job. A
Retry-After that was sent before comes on top."""
_EXCERPT = re.compile(r"\[opsera\] (?:The l|L)ast lines of")
_OUR_LINE = re.compile(r"s\dp\d (?:line|record) \d+")


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register a rule under its name."""

    def register(check: Rule) -> Rule:
        RULES[name] = check
        return check

    return register


def judge(played: Played) -> tuple[list[str], set[str]]:
    """Return what was broken, and the names of the rules that had a chance to be."""
    broken, chances = [], set()
    for name, check in RULES.items():
        for sentence in check(played):
            chances.add(name)
            broken += [f"{name}: {sentence}"] if sentence else []
    return broken, chances


def _ended(played: Played) -> Iterator[Job]:
    """Yield the jobs that came to their own end; the post step is none."""
    return (job for job in played.jobs if job.kind != "post step" and job.code != KILLED)


def _printed(job: Job) -> list[str]:
    """Return the lines of the run's log as they were printed, without what was repeated."""
    lines = _EXCERPT.split(job.log)[0].splitlines()
    return _OUR_LINE.findall("\n".join(line for line in lines if not line.startswith("::")))


def _hanging(played: Played) -> float:
    """Return for how long a request can hang: on a fake clock none is cut off."""
    faults = [*played.schedule.faults, *(fault for _, fault in played.schedule.aimed)]
    return max((fault.seconds for fault in faults), default=0.0)


def _amount(played: Played, name: str) -> float:
    return sum(event.amount for _, event in played.happened if event.do == name)


def _timeout(played: Played) -> float:
    """Return the timeout in seconds of the world."""
    return played.speed * (parse_duration(played.schedule.inputs["timeout"]) or 0.0)


@rule("exit code and status agree, and the outputs are complete")
def _ending(played: Played) -> Iterator[str]:
    for job in _ended(played):
        yield CHANCE
        status = job.outputs.get("STATUS")
        allowed = AFTER_SIGNAL if job.code in SIGNAL_CODES else STATUSES.get(job.code, ())
        if status not in allowed:
            yield f"exit code {job.code} with status {status}: {job.outputs.get('MESSAGE')}"
        if played.schedule.platform != "gitlab" and "RESULT" not in job.outputs:
            yield "the outputs are not complete"


@rule("a job starts at most one run")
def _one_run(played: Played) -> Iterator[str]:
    for number, job in enumerate(played.jobs):
        sent = [one for one, _ in played.asked(number) if one.call == "run"]
        if any(one.effect and one.fault for one in sent):
            yield CHANCE
        started = [one.run_count for one in sent if one.effect and one.run_count]
        # Where the pipeline shows a run later than the proof takes, it is known too late.
        lags = [played.schedule.flags.get(name, 0.0) for name in ("run_count_lag", "summary_lag")]
        said = "This job may have started run", "before it was known whether the run was started"
        # An error may end the job before that.
        is_reported = max(lags) >= IDLE_PROOF and (
            job.code == 3 or any(text in job.log for text in said)
        )
        if len(started) > 1 and not is_reported:
            yield f"{job.kind} started runs {started}"


@rule("a job doesn't follow a run of another user without a warning")
def _foreign(played: Played) -> Iterator[str]:
    for job in _ended(played):
        if any(run.started_by != "us" for run in played.runs):
            yield CHANCE
        run = played.run_of(job)
        said = "Following run" in job.log or "Found run" in job.log
        if run is not None and run.started_by != "us" and not said:
            yield f"run {run.number} of {run.started_by} was followed"


@rule("the result is the run's")
def _result(played: Played) -> Iterator[str]:
    gates = any("gate" in step for step in played.schedule.plan)
    for job in _ended(played):
        status, run = job.outputs.get("STATUS"), played.run_of(job)
        if run is not None and run.deleted:
            continue
        if status in ("success", "failed", "stopped"):
            yield CHANCE
            truth = "failed" if run is not None and run.state == "rejected" else run and run.state
            if status != truth:
                yield f"the result is {status}, the truth is {truth}"
        # An approval may have come between the result and the end of the job.
        if status == "paused" and not gates:
            yield "the result is paused, but there is nothing to wait for"


@rule("no log line is printed twice, or from another run")
def _no_wrong_line(played: Played) -> Iterator[str]:
    for job in _shows_log(played):
        printed, run = _printed(job), played.run_of(job)
        if printed:
            yield CHANCE
        if len(set(printed)) != len(printed):
            double = sorted({line for line in printed if printed.count(line) > 1})
            yield f"{len(double)} lines were printed twice, such as {double[0]}"
        unknown = set(printed) - set(_truth(played, job))
        if unknown and run is not None:
            yield f"{len(unknown)} lines are not of this run, such as {min(unknown)}"


@rule("a log that is called complete is complete")
def _complete(played: Played) -> Iterator[str]:
    for number, job in enumerate(played.jobs):
        if job not in list(_shows_log(played)) or job.outputs.get("LOG_COMPLETE") != "true":
            continue
        yield CHANCE
        run = played.run_of(job)
        if run is not None and run.deleted:
            # Its log is gone too.
            continue
        printed, truth = _printed(job), _truth(played, job)
        missing = sorted(set(truth) - set(printed))
        if missing and not _came_after_reading(played, number, printed, truth):
            yield f"{len(missing)} lines are missing, such as {missing[0]}"


@rule("log lines are in order")
def _order(played: Played) -> Iterator[str]:
    """Within a part of a step, lines are numbered; only late ones may come out of order."""
    if _ties_are_blind(played):
        return
    for job in _shows_log(played):
        last: dict[str, int] = {}
        for line in _printed(job):
            yield CHANCE
            part, _, number = line.rpartition(" ")
            if int(number) < last.get(part, -1):
                yield f"“{line}” came after {part} {last[part]}"
                break
            last[part] = int(number)


def _shows_log(played: Played) -> Iterator[Job]:
    return (job for job in _ended(played) if played.schedule.inputs["logs"] != "none")


def _truth(played: Played, job: Job) -> list[str]:
    run = played.run_of(job)
    lines = played.truths[run.number] if run is not None else []
    return [line for line in lines if _OUR_LINE.fullmatch(line)]


def _came_after_reading(played: Played, number: int, printed: list[str], truth: list[str]) -> bool:
    """Whether only lines are missing that came when the log had been quiet, and was read no more.

    A run's lines may continue after its end; a request that hangs makes the job's own end late.
    """
    asked = [one for one, _ in played.asked(number)]
    reads = [one.time for one in asked if one.call == "logs" and "type" in (one.body or {})]
    is_late = asked[-1].time - max(reads, default=0.0) > QUIET_FOR
    return is_late and set(truth[: len(printed)]) == set(printed)


def _ties_are_blind(played: Played) -> bool:
    """Whether nothing in the responses gives the order of records with the same time."""
    flags = played.schedule.flags
    parts = [part for step in played.schedule.plan for part in step.get("log", ())]
    anonymous = any(part.get("id") is False for part in parts)
    scattered = flags.get("record_ids", "objectid") != "objectid"
    return flags.get("tie_order", "stable") != "stable" and (anonymous or scattered)


@rule("a stop call hits no run of another user")
def _no_foreign_stop(played: Played) -> Iterator[str]:
    for number, job in enumerate(played.jobs):
        run = played.run_of(played.jobs[0] if job.kind == "post step" else job)
        for asked, moment in played.asked(number):
            if moment.phase in ("stopping", "post step") and moment.active is not None:
                yield from [CHANCE] * (moment.active.started_by != "us")
            is_stop = asked.call == "stop" and asked.effect and asked.run_count is not None
            hit = next((one for one in played.runs if one.number == asked.run_count), None)
            is_foreign = is_stop and hit and hit != run and hit.started_by != "us"
            if is_foreign and not _ended_unseen(played, number, run, asked.time):
                yield f"run {hit.number} of {hit.started_by} was stopped"


def _ended_unseen(played: Played, number: int, run: RunView | None, at: float) -> bool:
    """Whether a run ended after its status was last read before some moment."""
    seen = [
        one.time
        for one, _ in played.asked(number)
        if one.call == "status" and one.status == 200 and one.time < at
    ]
    ended = run.ended_at if run is not None else None
    return bool(seen) and ended is not None and max(seen) <= ended <= at


@rule("a run that should be left alone gets no stop call, and a stopped run no second one")
def _no_needless_stop(played: Played) -> Iterator[str]:
    for number, job in enumerate(played.jobs):
        stops = [one for one, _ in played.asked(number) if one.call == "stop"]
        if job.code == 124 or job.code in SIGNAL_CODES:
            yield CHANCE
        if stops and job.kind != "post step" and not _stops(played, job):
            yield "a run was stopped that was to be left"
        if any(one.status == 200 and not one.fault for one in stops[:-1]):
            yield "another stop call was sent after a successful one"


def _stops(played: Played, job: Job) -> bool:
    """Whether a job was cancelled or timed out, and the inputs want its run to be stopped then."""
    is_cancelled = job is played.jobs[0] and played.when(*SIGNAL_CODES.values()) is not None
    if not is_cancelled and job.ended - job.started < _timeout(played):
        return False
    wanted = played.schedule.inputs["on_cancel" if is_cancelled else "on_timeout"]
    run = played.run_of(job)
    is_ours = run is not None and run.started_by == "us" and "Following run" not in job.log
    return wanted == "stop" or (wanted == "auto" and (is_ours or run is None))


@rule("a cancelled job stops its run at once if the API works")
def _cancel_stops(played: Played) -> Iterator[str]:
    job, at = played.jobs[0], played.when(*SIGNAL_CODES.values())
    if job.code not in SIGNAL_CODES or at is None or not _stops(played, job):
        return
    asked = [(one, moment) for one, moment in played.asked() if one.time >= at]
    active = asked[0][1].active if asked else None
    run = played.run_of(job)
    if run is None or active is None or active.number != run.number or run.started_by != "us":
        return
    lags = played.schedule.flags.get("status_lag") or played.schedule.flags.get("flicker_seconds")
    has_failed = any(one.fault or one.status != 200 for one, _ in asked)
    if has_failed or lags or played.when("suspend") is not None:
        return
    yield CHANCE
    stops = [one for one, _ in asked if one.call == "stop"]
    if len(stops) != 1 or (stops[0].time - at > 1.0 + _hanging(played) and played.speed == 1):
        yield f"the stop calls came {[one.time - at for one in stops]} s after the signal"


@rule("the post step leaves no run of the job in progress")
def _no_orphan(played: Played) -> Iterator[str]:
    if [job.kind for job in played.jobs] != ["job", "post step"]:
        return
    job, post = played.jobs
    inputs, is_github = played.schedule.inputs, played.schedule.platform == "github"
    was_cut = job.code == KILLED or job.code in SIGNAL_CODES
    is_wanted = inputs["on_cancel"] == "stop" or (
        inputs["on_cancel"] == "auto" and (is_github or inputs["on_busy"] != "attach")
    )
    # Except on GitHub, only the output file shows which run it was.
    is_known = is_github or bool(job.outputs.get("RUN_COUNT"))
    if not (was_cut and is_wanted and is_known) or played.when("revoke", "renew") is not None:
        return
    for asked, _ in played.asked(0):
        run = next((one for one in played.runs if one.number == asked.run_count), None)
        if asked.call != "run" or not asked.effect or run is None:
            continue
        yield CHANCE
        stops = [one.run_count for one, _ in (*played.asked(0), *played.asked(1))
                 if one.call == "stop" and one.effect]  # fmt: skip
        # A queued run can't be withdrawn, and may not even be visible.
        unseen = (
            "stop it in Opsera",
            "Could not check whether a run was started",
            f"It is not known whether run {run.number} is in progress",
        )
        is_reported = "still queued" in post.log + job.log or (
            (run.state == "queued" or played.schedule.flags.get("run_count_lag", 0.0) > 0)
            and any(text in post.log + job.log for text in unseen)
        )
        # Where nothing says who started a run, another user's can be taken for ours.
        is_reported |= post.code != 0 or "does not say who started it" in job.log
        if run.state not in FINAL and run.number not in stops and not is_reported:
            yield f"run {run.number} is {run.state}; the post step said: {post.log[-300:]}"


@rule("a job ends in time")
def _time(played: Played) -> Iterator[str]:
    limit = (
        _timeout(played) / played.speed + SLACK + 3 * _hanging(played) + _amount(played, "suspend")
    )
    for job in _ended(played):
        yield CHANCE
        took = (job.ended - job.started) / played.speed
        if took > limit:
            yield f"it took {took:.0f} s"


@rule("a cancelled job ends within seconds")
def _cancelled_in_time(played: Played) -> Iterator[str]:
    job, at = played.jobs[0], played.when(*SIGNAL_CODES.values())
    if job.code in SIGNAL_CODES and at is not None:
        yield CHANCE
        took = (job.ended - at) / played.speed
        limit = CANCELLED_WITHIN + 3 * _hanging(played) + _amount(played, "suspend")
        if took > limit:
            yield f"it took {took:.1f} s"


@rule("once all faults have ended, a job reaches the true result in time")
def _liveness(played: Played) -> Iterator[str]:
    waited = settling(played)
    if waited is None:
        return
    yield CHANCE
    if waited > SETTLED_WITHIN + longest_retry_after(played):
        yield f"it ended {waited:.0f} s after the end of the run and of all faults"
    job = played.jobs[0]
    run = played.run_of(job)
    truth = {"rejected": "failed"}.get(run.state, run.state) if run is not None else None
    if job.outputs.get("STATUS") != truth:
        yield f"the result is {job.outputs.get('STATUS')}, the truth is {truth}"


def settling(played: Played) -> float | None:
    """Return the seconds from the end of the run and of all faults to the end of the job.

    None where that is not defined: the job was interrupted, gave up before, or never knew the run.
    """
    job, calm_at = played.jobs[0], played.calm_at
    run = played.run_of(job)
    is_whole = played.schedule.inputs["wait"] == "true" and played.speed == 1
    if (
        calm_at is None
        or calm_at >= job.ended
        or run is None
        or run.ended_at is None
        or run.deleted
    ):
        return None
    is_interrupted = job.code in (KILLED, *SIGNAL_CODES)
    if not is_whole or is_interrupted or played.when("suspend", "revoke") is not None:
        return None
    end = max(calm_at, run.ended_at)
    known_at = next((one.time for one, at in played.asked() if at.phase == "following"), None)
    if known_at is None or run.ended_at >= job.ended or end - job.started > _timeout(played) - 90:
        return None
    return max(0.0, job.ended - end)


def observed(played: Played) -> Iterator[tuple[str, float]]:
    """Yield the times that are bounded."""
    waited, at = settling(played), played.when(*SIGNAL_CODES.values())
    if waited is not None:
        yield "from the end of the run and of all faults to the end of the job", waited
    job = played.jobs[0]
    if _hanging(played) or played.when("suspend") is not None:
        return
    if at is not None and job.code in SIGNAL_CODES:
        yield "from a signal to the end of the job", job.ended - at
    if job.code == 124:
        yield "beyond the timeout", job.ended - job.started - _timeout(played)
    if job.silences:
        yield "without output", max(job.silences)


def longest_retry_after(played: Played) -> float:
    """Return the longest wait that a response asked for, as far as a job waits for it."""
    faults = [*played.schedule.faults, *(fault for _, fault in played.schedule.aimed)]
    asked = [one.retry_after for one in faults if isinstance(one.retry_after, (int, float))]
    return min(max(asked, default=0.0), LONGEST_WAIT)


@rule("a job gives up only for good reasons")
def _good_reasons(played: Played) -> Iterator[str]:
    for number, job in enumerate(played.jobs):
        phases = [at.phase for _, at in played.asked(number)]
        asked = [one for one, _ in played.asked(number)]
        if job.kind == "post step" or "following" not in phases:
            continue
        if any(one.fault for one in asked):
            yield CHANCE
        refused = any(400 <= one.status < 500 and one.status not in (408, 429) for one in asked)
        if job.code in (3, 4) and not refused:
            yield f"exit code {job.code}: {job.outputs.get('MESSAGE')}"


@rule("a token that is renewed in time is used")
def _renewed(played: Played) -> Iterator[str]:
    job, at = played.jobs[0], played.when("renew")
    asked = [one for one, _ in played.asked() if at is not None and one.time > at]
    if at is None or not asked or played.when("revoke") is not None:
        return
    before = [moment for one, moment in played.asked() if one.time <= at and one.status == 200
              and not one.fault]  # fmt: skip
    injected = any(one.status == 401 and "http" in one.fault for one in asked)
    if before and not injected:
        yield CHANCE
        if job.code == 4 and not any(one.status == 403 for one in asked):
            yield f"exit code 4: {job.outputs.get('MESSAGE')}"


@rule("no minute passes without output")
def _silence(played: Played) -> Iterator[str]:
    for job in _ended(played):
        if job.silences and job.ended - job.started > HEARTBEAT:
            yield CHANCE
            limit = HEARTBEAT + 2.0 + 2 * _hanging(played) + _amount(played, "suspend")
            if job.code == 124 or job.code in SIGNAL_CODES:
                limit += LAST_LOOK + LATE_STOP
            limit = max(limit, LONGEST_WAIT if "asked to wait" in job.log else 0.0)
            if max(job.silences) > limit:
                yield f"{max(job.silences):.0f} s"


@rule("requests are paced")
def _cost(played: Played) -> Iterator[str]:
    # Far above the budget of each situation, so that only requests without a pause exceed it.
    for number, job in enumerate(played.jobs):
        yield CHANCE
        sent, limit = len(list(played.asked(number))), 60 + job.ended - job.started
        if sent > limit:
            yield f"{sent} requests were sent in {job.ended - job.started:.0f} s"


@rule("groups and sections balance, and the files can be read")
def _platform(played: Played) -> Iterator[str]:
    for job in _ended(played):
        yield CHANCE
        raw, files = job.log.encode(), job.files
        if played.schedule.platform == "github":
            runner = github_runner.Runner()
            runner.feed(raw)
            if not runner.balanced:
                yield "groups do not balance"
            outputs = github_files.outputs(files["github_output"].encode())
            if outputs.error or outputs.values.get("status") != job.outputs.get("STATUS"):
                yield f"GITHUB_OUTPUT: {outputs.error or outputs.values}"
        if played.schedule.platform == "gitlab":
            if not gitlab_log.parse(raw).balanced:
                yield "sections do not balance"
            report = gitlab_dotenv.check(files["opsera.env"].encode())
            if not report.ok:
                yield f"opsera.env: {report.violations}"


@rule("the token never appears")
def _token(played: Played) -> Iterator[str]:
    for job in played.jobs:
        yield CHANCE
        for token in played.tokens:
            seen = job.log.replace(f"::add-mask::{token}\n", "") + "".join(job.outputs.values())
            if token[-20:] in seen and secrets.find(token, seen.encode()):
                yield "it does"


@rule("variables of other programs change nothing")
def _variables(played: Played) -> Iterator[str]:
    if played.schedule.variables:
        yield CHANCE
    for job in _ended(played):
        if job.code in (2, 70):
            yield f"exit code {job.code}: {job.log[-300:]}"
