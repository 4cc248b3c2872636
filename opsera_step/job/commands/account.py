"""The commands about an account: pipelines, tools, tasks, and audit logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from opsera_step.api import (
    LIST_LIMIT,
    Listing,
    Run,
    RunStatus,
    State,
    by_id_or_name,
    endpoint_of,
    format_timestamp,
    is_object_id,
    read_pages,
)
from opsera_step.api.account import AccountObject, TaskRecord
from opsera_step.clock import Deadline
from opsera_step.display import Answer, Table, views
from opsera_step.errors import Rejected
from opsera_step.job.job import CommandResult, Job
from opsera_step.runs import RunDetails, read_details
from opsera_step.text import LogStream, split_lines


class ListOptions(NamedTuple):
    """What to show of a list."""

    filter: str = ""
    """Only entries whose name or ID contains this text, in any case."""
    limit: int | None = None
    """At most so many entries."""

    def choose(self, listing: Listing[Any]) -> Listing[Any]:
        """Return the listing with the chosen entries only."""
        text = self.filter.casefold()
        chosen = [one for one in listing.items if text in f"{one.name}\n{one.id}".casefold()][
            : self.limit
        ]
        return listing if len(chosen) == len(listing.items) else listing.only(chosen)


def list_pipelines(job: Job, options: ListOptions) -> CommandResult:
    """List the pipelines."""
    return _list(job, job.client.pipelines, "pipeline", views.pipelines_table, options)


def show_pipeline(job: Job) -> CommandResult:
    """Show a pipeline, its steps, and what can be set for a run."""
    one = job.find_pipeline()
    tables = views.pipeline_tables(one, job.url, masks=not job.shows_secrets)
    name = job.scrubber.inline(one.name, 200)
    return query_result(job, Answer(one.response, tables), f"Pipeline “{name}”.")


def list_runs(job: Job, *, last: int) -> CommandResult:
    """List the latest runs of a pipeline with status and time, the latest first."""
    pipeline = job.find_pipeline()
    runs = [
        _read_run(job, Run(pipeline.id, count))
        for count in range(pipeline.run_count, max(0, pipeline.run_count - last), -1)
    ]
    data = [
        {
            "runCount": count,
            "status": status.value if status is not None else State.UNKNOWN.value,
            "message": status.message if status is not None else "",
            "startedAt": _moment(details.started_at),
            "finishedAt": _moment(details.finished_at),
            "duration": details.duration and round(details.duration, 3),
        }
        for count, status, details in runs
    ]
    answer = Answer(data, (views.runs_table(runs),))
    return query_result(job, answer, f"{_counted(len(data), 'run')}.")


def _read_run(job: Job, run: Run) -> tuple[int, RunStatus | None, RunDetails]:
    try:
        status = job.retry(partial(job.client.status, run))
    except Rejected:
        # A queued run, for example, that was deleted.
        return run.count, None, RunDetails()
    details = job.retry(lambda until: read_details(job.client, run, until, status))
    return run.count, status, details


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else format_timestamp(seconds)


def list_tools(job: Job, options: ListOptions) -> CommandResult:
    """List the tools of the registry."""
    return _list(job, job.client.account.tools, "tool", views.tools_table, options)


def show_tool(job: Job) -> CommandResult:
    """Show a tool."""
    tool = find_tool(job)
    answer = Answer(tool.response, (views.object_table(job.presentable(tool.data)),))
    return query_result(job, answer, f"Tool {called(job, tool)}.")


def list_tasks(job: Job, options: ListOptions) -> CommandResult:
    """List the tasks."""
    return _list(job, job.client.account.tasks, "task", views.tasks_table, options)


def _list(
    job: Job,
    call: Callable[[Deadline], Listing[Any]],
    noun: str,
    table: Callable[[Sequence[Any]], Table],
    options: ListOptions,
) -> CommandResult:
    listing = job.retry(call)
    _warn_of_limit(job, listing)
    chosen = options.choose(listing)
    count, total = len(chosen.items), len(listing.items)
    sentence = f"{_counted(count, noun)}." if count == total else f"{count} of {total} {noun}s."
    return query_result(job, Answer(chosen.response, (table(chosen.items),)), sentence)


@dataclass(frozen=True)
class Request:
    """The command `api`: any request to the API."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any] | None = None

    def send(self, job: Job) -> CommandResult:
        """Send it with the same authentication; only requests that may be are repeated."""

        def call(until: Deadline) -> Any:
            body = dict(self.body) if self.body is not None else None
            return job.client.request(self.method, self.path, until, query=self.query, body=body)

        endpoint = endpoint_of(self.method, self.path)
        if self.method == "GET":
            data = job.retry(call)
        else:
            with job.change(f"{self.method} {self.path} was being sent"):
                data = job.retry(call) if endpoint.repeatable else call(job.deadline)
        return query_result(job, Answer(data), f"{self.method} {self.path}.")


@dataclass(frozen=True)
class TaskCommands:
    """The commands about one task."""

    name: str

    def show(self, job: Job) -> CommandResult:
        """Show the task."""
        task = self._find(job)
        answer = Answer(task.response, (views.object_table(job.presentable(task.data)),))
        return query_result(job, answer, f"Task {called(job, task)}.")

    def status(self, job: Job) -> CommandResult:
        """Show the status of the task's latest run."""
        task_id, called = self._identify(job)
        status = job.retry(lambda until: job.client.account.task_status(task_id, until))
        sentence = f"Status of task {called}: {job.scrubber.inline(status.value, 80)}."
        # The bare value would be unreliable: the API may wrap it, or not.
        data = {"taskId": task_id, "status": status.value, "answer": status.response}
        return query_result(job, Answer(data, (Table((), [(status.value,)]),)), sentence)

    def logs(
        self,
        job: Job,
        *,
        run_count: int | None = None,
        page: int | None = None,
        count: int | None = None,
        as_text: bool = True,
    ) -> CommandResult:
        """Print the task's log, page by page; as text the oldest first."""
        task_id, called = self._identify(job)
        most = count or None

        def ask(number: int | None, size: int) -> Listing[TaskRecord]:
            return job.retry(
                lambda until: job.client.account.task_logs(
                    task_id, until, run_count=run_count, page=number, count=size
                )
            )

        if page is not None:
            listing = ask(page, min(most or LIST_LIMIT, LIST_LIMIT))
        else:
            listing = read_pages(ask, limit=most)
        found = listing.items
        if most is not None and len(found) >= most:
            more = "use --count 0 for all" if page is None else f"use --page {page + 1}"
            shown = _counted(len(found), "record")
            job.log.print_message(f"Showing {shown}; there may be more: {more}.")
        elif page is None:
            _warn_of_limit(job, listing)
        in_order = sorted(found, key=lambda one: one.created or 0.0)
        lines = tuple(_log_lines(job, in_order)) if as_text else None
        answer = Answer(listing.response, (views.task_records_table(found),), lines)
        return query_result(
            job, answer, f"{_counted(len(found), 'record')} in the log of task {called}."
        )

    def _find(self, job: Job) -> AccountObject:
        calls = job.client.account
        return _find(job, "task", self.name, calls.task, calls.tasks)

    def _identify(self, job: Job) -> tuple[str, str]:
        """Return the task's ID, and its name for messages; an ID needs no request."""
        if is_object_id(self.name):
            return self.name.lower(), self.name.lower()
        task = self._find(job)
        return task.id, called(job, task)


@dataclass(frozen=True)
class AuditCommands:
    """The commands about the audit logs.

    The API returns at most 1,000 entries per request, so a range of days is read day by day.
    """

    days: Sequence[str] = ("",)
    """The days to read, as YYYY-MM-DD; one empty text for what the API returns without a date."""
    kind: str = ""
    scope: str = ""
    count: int | None = None

    def actions(self, job: Job) -> CommandResult:
        """List user activity."""

        def call(day: str, until: Deadline) -> Listing[Any]:
            return job.client.account.user_actions(
                until, date=day, kind=self.kind, count=self.count
            )

        return self._read(job, call, views.actions_table)

    def tokens(self, job: Job) -> CommandResult:
        """List token usage."""

        def call(day: str, until: Deadline) -> Listing[Any]:
            return job.client.account.token_uses(until, date=day, scope=self.scope)

        return self._read(job, call, views.uses_table)

    def _read(
        self,
        job: Job,
        call: Callable[[str, Deadline], Listing[Any]],
        table: Callable[[Sequence[Any]], Table],
    ) -> CommandResult:
        listings = []
        for day in self.days:
            listing = job.retry(partial(call, day))
            if not self.count or self.count > len(listing.items):
                advice = "" if day else " Query single days with --date, or use --since."
                _warn_of_limit(job, listing, f"{advice} ({day})" if day else advice)
            listings.append(listing)
        items = [one for listing in listings for one in listing.items][: self.count]
        data = (
            listings[0].response
            if len(listings) == 1
            else {"count": len(items), "data": [one.data for one in items]}
        )
        sentence = f"{_counted(len(items), 'entry')}."
        return query_result(job, Answer(data, (table(items),)), sentence)


def find_tool(job: Job) -> AccountObject:
    """Look up the user's tool, retrying while the API has problems."""
    calls = job.client.account
    return _find(job, "tool", job.inputs.tool, calls.tool, calls.tools)


def _find(
    job: Job,
    kind: str,
    name: str,
    get: Callable[[str, Deadline], AccountObject],
    list_all: Callable[[Deadline], Listing[AccountObject]],
) -> AccountObject:
    is_id = is_object_id(name)
    name = name.lower() if is_id else name
    find = by_id_or_name(kind, name, is_id=is_id, get=get, list_all=list_all, warn=job.warn)
    return job.retry(find)


def _log_lines(job: Job, records: Sequence[TaskRecord]) -> list[str]:
    stream = LogStream(color=False)
    return [
        job.scrubber.log_line(line, stream)
        for record in records
        for line in split_lines(record.text.removesuffix("\n"))
    ]


def called(job: Job, thing: AccountObject) -> str:
    """Return the name and the ID of an object, for messages."""
    return f"“{job.scrubber.inline(thing.name, 200)}” ({job.scrubber.inline(thing.id, 100)})"


def _counted(number: int, noun: str) -> str:
    plural = noun.removesuffix("y") + "ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _warn_of_limit(job: Job, listing: Listing[Any], advice: str = "") -> None:
    """Warn that there is or may be more than the API returned."""
    counts_more = listing.reported_count is not None and listing.reported_count > len(listing.items)
    if listing.is_truncated:
        count = f" ({listing.reported_count} in total)" if counts_more else ""
        job.log.print_message(
            f"The API returns at most 1,000; there may be more{count}.{advice}", "warning"
        )
    elif counts_more:
        given = f"{len(listing.items)} of {listing.reported_count} items"
        job.log.print_message(f"The API returned only {given}.{advice}", "warning")


def query_result(job: Job, answer: Answer, sentence: str) -> CommandResult:
    """Return the answer to a query, with a sentence about it."""
    answer = answer._replace(data=job.presentable(answer.data))
    return job.done(sentence, answer=answer)
