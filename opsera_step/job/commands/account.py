"""The commands about an account: pipelines, tools, tasks, and audit logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from opsera_step.api import (
    LIST_LIMIT,
    Listing,
    Named,
    Task,
    TaskRecord,
    Tool,
    by_id_or_name,
    is_object_id,
    read_pages,
)
from opsera_step.clock import Deadline
from opsera_step.display import Answer, Table, views
from opsera_step.errors import ExitCode
from opsera_step.job.job import CommandResult, Job
from opsera_step.text import LogStream, split_lines


def list_pipelines(job: Job) -> CommandResult:
    """List the pipelines."""
    listing = job.retry(job.client.pipelines)
    return _listing_result(job, listing, "pipeline", views.pipelines_table(listing.items))


def show_pipeline(job: Job) -> CommandResult:
    """Show a pipeline and its steps."""
    one = job.find_pipeline()
    tables = views.pipeline_tables(one, job.url)
    name = job.scrubber.inline(one.name, 200)
    return query_result(job, Answer(one.response, tables), f"Pipeline “{name}”.")


def list_tools(job: Job) -> CommandResult:
    """List the tools of the registry."""
    listing = job.retry(job.client.account.tools)
    return _listing_result(job, listing, "tool", views.tools_table(listing.items))


def show_tool(job: Job) -> CommandResult:
    """Show a tool."""
    tool = find_tool(job)
    return query_result(job, answer_of(job, tool), f"Tool {called(job, tool)}.")


def list_tasks(job: Job) -> CommandResult:
    """List the tasks."""
    listing = job.retry(job.client.account.tasks)
    return _listing_result(job, listing, "task", views.tasks_table(listing.items))


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
        sentence = f"Task {called} is {job.scrubber.inline(status.value, 80)}."
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
            job.log.say(f"Showing {len(found)} records; there may be more: {more}.")
        elif page is None:
            _warn_of_limit(job, listing)
        in_order = sorted(found, key=lambda one: one.created or 0.0)
        lines = tuple(_log_lines(job, in_order)) if as_text else None
        answer = Answer(listing.response, (views.task_records_table(found),), lines)
        return query_result(
            job, answer, f"{_counted(len(found), 'record')} in the log of task {called}."
        )

    def _find(self, job: Job) -> Task:
        find = by_id_or_name(
            "task",
            self.name.lower() if is_object_id(self.name) else self.name,
            is_id=is_object_id(self.name),
            get=job.client.account.task,
            list_all=job.client.account.tasks,
            warn=job.warn,
        )
        return job.retry(find)

    def _identify(self, job: Job) -> tuple[str, str]:
        """Return the task's ID, and how it is called; an ID needs no look at the task."""
        if is_object_id(self.name):
            return self.name.lower(), self.name.lower()
        task = self._find(job)
        return task.id, called(job, task)


@dataclass(frozen=True)
class AuditCommands:
    """The commands about the audit logs."""

    date: str = ""
    kind: str = ""
    scope: str = ""
    count: int | None = None

    def actions(self, job: Job) -> CommandResult:
        """List user activity."""

        def ask(until: Deadline) -> Listing[Any]:
            return job.client.account.user_actions(
                until, date=self.date, kind=self.kind, count=self.count
            )

        listing = job.retry(ask)
        return _listing_result(
            job, listing, "entry", views.actions_table(listing.items), self.count
        )

    def tokens(self, job: Job) -> CommandResult:
        """List token usage."""
        listing = job.retry(
            lambda until: job.client.account.token_uses(until, date=self.date, scope=self.scope)
        )
        return _listing_result(job, listing, "entry", views.uses_table(listing.items))


def find_tool(job: Job) -> Tool:
    """Look up the user's tool, retrying while the API has problems."""
    name = job.inputs.tool
    find = by_id_or_name(
        "tool",
        name.lower() if is_object_id(name) else name,
        is_id=is_object_id(name),
        get=job.client.account.tool,
        list_all=job.client.account.tools,
        warn=job.warn,
    )
    return job.retry(find)


def answer_of(job: Job, tool: Tool) -> Answer:
    """Return what is printed about a tool."""
    return Answer(tool.response, (views.object_table(job.presentable(tool.data)),))


def _log_lines(job: Job, records: Sequence[TaskRecord]) -> list[str]:
    stream = LogStream(colour=False)
    return [
        job.scrubber.log_line(line, stream)
        for record in records
        for line in split_lines(record.text.removesuffix("\n"))
    ]


def called(job: Job, thing: Named) -> str:
    """Name a thing unmistakably: by its name and its ID."""
    return f"“{job.scrubber.inline(thing.name, 200)}” ({job.scrubber.inline(thing.id, 100)})"


def _counted(number: int, noun: str) -> str:
    plural = noun.removesuffix("y") + "ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _listing_result(
    job: Job, listing: Listing[Any], noun: str, table: Table, asked: int | None = None
) -> CommandResult:
    if listing.is_truncated or not asked or asked > len(listing.items):
        _warn_of_limit(job, listing, " Query single days with --date." if noun == "entry" else "")
    return query_result(
        job, Answer(listing.response, (table,)), f"{_counted(len(listing.items), noun)}."
    )


def _warn_of_limit(job: Job, listing: Listing[Any], advice: str = "") -> None:
    """Warn that there is or may be more than the API returned."""
    counts_more = listing.reported_count is not None and listing.reported_count > len(listing.items)
    if listing.is_truncated:
        count = f" (it counts {listing.reported_count})" if counts_more else ""
        job.log.say(f"The API returns at most 1,000; there may be more{count}.{advice}", "warning")
    elif counts_more:
        given = f"{len(listing.items)} of the {listing.reported_count} it counts"
        job.log.say(f"The API returned {given}.{advice}", "warning")


def query_result(job: Job, answer: Answer, sentence: str) -> CommandResult:
    """Return the answer to a query, with a sentence about it."""
    answer = answer._replace(data=job.presentable(answer.data))
    outcome = job.known("success", ExitCode.SUCCESS)
    return CommandResult(outcome.but(message=sentence, about_run=False), answer)
