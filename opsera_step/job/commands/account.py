"""Questions about an account, a function each: each works on a Context and leaves its answer."""

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
    read_pages,
)
from opsera_step.api.fields import is_object_id
from opsera_step.clock import Deadline
from opsera_step.display import Answer, Table, views
from opsera_step.errors import ExitCode
from opsera_step.job.context import Context
from opsera_step.text import LogStream, split_lines


def list_pipelines(job: Context) -> None:
    """List the pipelines."""
    listing = job.call_with_retry(job.client.pipelines)
    _tell_listing(job, listing, "pipeline", views.pipelines_table(listing.items))


def show_pipeline(job: Context) -> None:
    """Show a pipeline and its steps."""
    one = job.find_pipeline()
    tables = views.pipeline_tables(one, job.outcome.url)
    tell(job, Answer(one.response, tables), f"Pipeline “{job.outcome.pipeline_name}”.")


def list_tools(job: Context) -> None:
    """List the tools of the registry."""
    listing = job.call_with_retry(job.client.account.tools)
    _tell_listing(job, listing, "tool", views.tools_table(listing.items))


def show_tool(job: Context) -> None:
    """Show a tool."""
    tool = find_tool(job)
    tell(job, answer_of(tool), f"Tool {called(job, tool)}.")


def list_tasks(job: Context) -> None:
    """List the tasks."""
    listing = job.call_with_retry(job.client.account.tasks)
    _tell_listing(job, listing, "task", views.tasks_table(listing.items))


@dataclass(frozen=True)
class AboutTask:
    """Questions about one task."""

    name: str

    def show(self, job: Context) -> None:
        """Show the task."""
        task = self._find(job)
        answer = Answer(task.response, (views.object_table(task.data),))
        tell(job, answer, f"Task {called(job, task)}.")

    def status(self, job: Context) -> None:
        """Tell how the task's newest run stands."""
        task_id, called = self._identify(job)
        status = job.call_with_retry(lambda until: job.client.account.task_status(task_id, until))
        sentence = f"Task {called} is {job.scrubber.inline(status.value, 80)}."
        # A word alone would be no answer to build on: the API may wrap it, or not.
        data = {"taskId": task_id, "status": status.value, "answer": status.response}
        tell(job, Answer(data, (Table((), [(status.value,)]),)), sentence)

    def logs(
        self,
        job: Context,
        *,
        run_count: int | None = None,
        page: int | None = None,
        count: int | None = None,
        as_text: bool = True,
    ) -> None:
        """Show the task's log, page after page; oldest first where it is a text."""
        task_id, called = self._identify(job)
        most = count or None

        def ask(number: int | None, size: int) -> Listing[TaskRecord]:
            return job.call_with_retry(
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
            more = "--count 0 gives all" if page is None else f"they are on --page {page + 1}"
            job.log.say(f"These are {len(found)} records; there may be more: {more}.")
        elif page is None:
            _tell_limit(job, listing)
        in_order = sorted(found, key=lambda one: one.created or 0.0)
        lines = tuple(_log_lines(job, in_order)) if as_text else None
        answer = Answer(listing.response, (views.task_records_table(found),), lines)
        tell(job, answer, f"{_counted(len(found), 'record')} of the log of task {called}.")

    def _find(self, job: Context) -> Task:
        find = by_id_or_name(
            "task",
            self.name.lower() if is_object_id(self.name) else self.name,
            is_id=is_object_id(self.name),
            get=job.client.account.task,
            list_all=job.client.account.tasks,
            warn=job.caution,
        )
        return job.call_with_retry(find)

    def _identify(self, job: Context) -> tuple[str, str]:
        """Return the task's ID, and how it is called; an ID needs no look at the task."""
        if is_object_id(self.name):
            return self.name.lower(), self.name.lower()
        task = self._find(job)
        return task.id, called(job, task)


@dataclass(frozen=True)
class Audit:
    """Questions about the audit logs."""

    date: str = ""
    kind: str = ""
    scope: str = ""
    count: int | None = None

    def actions(self, job: Context) -> None:
        """List what users changed."""

        def ask(until: Deadline) -> Listing[Any]:
            return job.client.account.user_actions(
                until, date=self.date, kind=self.kind, count=self.count
            )

        listing = job.call_with_retry(ask)
        _tell_listing(job, listing, "entry", views.actions_table(listing.items), self.count)

    def tokens(self, job: Context) -> None:
        """List for what tokens were used."""
        listing = job.call_with_retry(
            lambda until: job.client.account.token_uses(until, date=self.date, scope=self.scope)
        )
        _tell_listing(job, listing, "entry", views.uses_table(listing.items))


def find_tool(job: Context) -> Tool:
    """Ask for the user's tool, patiently."""
    name = job.inputs.tool
    find = by_id_or_name(
        "tool",
        name.lower() if is_object_id(name) else name,
        is_id=is_object_id(name),
        get=job.client.account.tool,
        list_all=job.client.account.tools,
        warn=job.caution,
    )
    return job.call_with_retry(find)


def answer_of(tool: Tool) -> Answer:
    """Return what is to be printed of a tool."""
    return Answer(tool.response, (views.object_table(tool.data),))


def _log_lines(job: Context, records: Sequence[TaskRecord]) -> list[str]:
    stream = LogStream(colour=False)
    return [
        job.scrubber.log_line(line, stream)
        for record in records
        for line in split_lines(record.text.removesuffix("\n"))
    ]


def called(job: Context, thing: Named) -> str:
    """Name a thing so that nobody takes it for another: by its name and its ID."""
    return f"“{job.scrubber.inline(thing.name, 200)}” ({job.scrubber.inline(thing.id, 100)})"


def _counted(number: int, noun: str) -> str:
    plural = noun.removesuffix("y") + "ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def _tell_listing(
    job: Context, listing: Listing[Any], noun: str, table: Table, asked: int | None = None
) -> None:
    if listing.is_truncated or not asked or asked > len(listing.items):
        _tell_limit(job, listing, " Ask for single days with --date." if noun == "entry" else "")
    tell(job, Answer(listing.response, (table,)), f"{_counted(len(listing.items), noun)}.")


def _tell_limit(job: Context, listing: Listing[Any], advice: str = "") -> None:
    """Say that there is or may be more than what the API gave."""
    counts_more = listing.reported_count is not None and listing.reported_count > len(listing.items)
    if listing.is_truncated:
        count = f": it counts {listing.reported_count}" if counts_more else ""
        job.log.say(f"The API gives 1000 at most; there may be more{count}.{advice}", "warning")
    elif counts_more:
        given = f"{len(listing.items)} of the {listing.reported_count} that it counts"
        job.log.say(f"The API gives {given}.{advice}", "warning")


def tell(job: Context, answer: Answer, sentence: str) -> None:
    """Leave an answer, and a sentence about it."""
    job.answer = answer
    job.learn(status="success", exit_code=ExitCode.SUCCESS, message=sentence)
