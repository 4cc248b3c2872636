"""The probe: test undocumented behavior of the API, and compare the results.

It sends only requests that change nothing, and only with the user's own token. What it records is
the form of the responses, not their content; see `redacted`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from opsera_step import __version__, files
from opsera_step.api import (
    CONSOLE_OUTPUT,
    LIST_LIMIT,
    LOGS,
    PIPELINES,
    SCOPE_LABELS,
    STATUS,
    SUMMARY,
    TASKS,
    TOOLS,
    USER_ACTIONS,
    Endpoint,
    State,
    text_at,
)
from opsera_step.api.endpoints import TASK, TASK_LOGS, TASK_STATUS, TOKEN_USES, TOOL
from opsera_step.api.fields import parse_time, whole_number
from opsera_step.api.models import console_text, parse_pipeline, parse_record, parse_status
from opsera_step.clock import Deadline
from opsera_step.display import Table
from opsera_step.doctor import readings
from opsera_step.doctor.check import Check, fail, ok, skip
from opsera_step.doctor.examination import Examination
from opsera_step.doctor.questions import QUESTIONS, Question
from opsera_step.doctor.readings import Reply
from opsera_step.doctor.redacted import message_of, names_in, public_word, shape_of, time_format
from opsera_step.errors import ApiError, ExitCode
from opsera_step.text import Scrubber, json_text

TOTAL_SECONDS = 90.0
"""The most seconds for all requests of the probe."""
_REQUEST_SECONDS = 20.0
_RETRY_AFTER, _RETRY_LIMIT = 5.0, 30.0
"""Seconds to wait after a 429: without a number in Retry-After, and at most."""
_MISSING_ID = "0" * 24
_MALFORMED_ID = "not-an-id"
_LATER_RUNS = 1000
"""How far a run number is beyond the latest one, so that no such run exists."""
_SLACK = 5.0
"""Seconds by which a record may be later than the time in a response."""
_HOUR = 3600.0
_HEADERS = (
    "content-type", "content-encoding", "cache-control", "retry-after", "server", "vary",
    "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset",
)  # fmt: skip
AS_ASSUMED, DIFFERS, NOT_SEEN = "as assumed", "different", "not seen"
_PRESENT = ("etag", "date")
"""Headers whose values are not recorded, only that they are present."""


class Probe:
    """Sends the requests, collects the answers, and writes them to a file."""

    def __init__(self, exam: Examination, scrubber: Scrubber, file: str, workspace: Path) -> None:
        self._exam, self._scrubber, self._clock = exam, scrubber, exam.clock
        self._file, self._workspace = file, workspace
        self._scopes = [one for one in exam.facts.scopes if one in SCOPE_LABELS]
        self._deadline = Deadline.after(exam.clock, TOTAL_SECONDS)
        self._replies: list[tuple[Endpoint, str, Reply, float]] = []
        self._failures: list[tuple[Endpoint, str, ApiError]] = []
        self.answers: dict[str, str] = {}
        """By the key of the question; without those that nothing answers."""

    def check(self) -> Check:
        """Probe the tenant, write the file, and return the result as that of one check."""
        if not self._exam.is_accepted:
            return skip("probe", "Skipped (no request was successful).")
        self._deadline = Deadline.after(self._clock, TOTAL_SECONDS)
        self._probe_pipelines(self._pipeline_id())
        self._probe_errors()
        self._probe_tools()
        self._probe_tasks()
        self._probe_audit()
        self._judge_all()
        try:
            files.write_output_file(self._file, self.text(), self._workspace)
        except OSError as error:
            hint = "Name a file with --probe-file."
            message = f"Can't write {self._file!r}: {files.reason_of(error)}."
            return fail("probe", message, hint, code=ExitCode.INVALID_INPUT)
        results = [result for _, _, result in self.findings()]
        counts = [f"{results.count(one)} {one}" for one in (AS_ASSUMED, DIFFERS, NOT_SEEN)]
        pipeline = "" if self._pipeline_id() else " Set a pipeline to test its runs, too."
        return ok(
            "probe",
            f"{len(results)} questions: {', '.join(counts)}. Wrote {self._file}, without names, "
            f"IDs, and texts. Review it before you attach it to an issue.{pipeline}",
        )

    def _pipeline_id(self) -> str:
        pipeline, inputs = self._exam.found[0], self._exam.inputs
        named = inputs.pipeline if inputs.pipeline_is_id else ""
        return pipeline.id if pipeline is not None else named

    # --- Requests ---------------------------------------------------------------------------------

    def _ask(
        self,
        about: str,
        endpoint: Endpoint,
        body: Mapping[str, object] | None = None,
        *,
        etag: str = "",
    ) -> Reply | None:
        """Send a request, once more after a 429; None if no response came or the time is over."""
        reply = self._send(about, endpoint, body, etag)
        if reply is not None and reply.status == 429:
            wait = reply.headers.get("retry-after", "")
            seconds = float(wait) if wait.isdecimal() else _RETRY_AFTER
            self._clock.sleep(min(seconds, _RETRY_LIMIT, self._deadline.remaining))
            reply = self._send(about, endpoint, body, etag) or reply
        return reply

    def _send(
        self, about: str, endpoint: Endpoint, body: Mapping[str, object] | None, etag: str
    ) -> Reply | None:
        if self._deadline.expired:
            return None
        started = self._clock.monotonic()
        until = self._deadline.no_later_than(_REQUEST_SECONDS)
        try:
            raw = self._exam.client.send_raw(endpoint, dict(body) if body else None, until, etag)
        except ApiError as error:
            self._failures.append((endpoint, about, error))
            return None
        text = raw.body.decode("utf-8", "replace")
        try:
            data, is_json = json.loads(text), True
            json.dumps(data)  # also not nested too deep to be described
        except (ValueError, RecursionError):
            data, is_json = None, False
        headers = {name.lower(): value for name, value in raw.headers.items()}
        reply = Reply(raw.status, headers, text, data, is_json)
        self._replies.append((endpoint, about, reply, self._clock.monotonic() - started))
        return reply

    def _probe_pipelines(self, pipeline_id: str) -> None:
        listed = self._ask("list", PIPELINES)
        self._note("pipelines", listed, readings.list_form)
        if not pipeline_id:
            return
        about_it: dict[str, object] = {"pipelineId": pipeline_id}
        summary = self._ask("the pipeline", SUMMARY, about_it)
        self._note("pipeline", summary, readings.object_form)
        pipeline = parse_pipeline(summary.data) if summary and summary.is_success else None
        if pipeline is not None:
            self.answers["settings"] = "no" if pipeline.runtime_settings is None else "yes"
        count = pipeline.run_count if pipeline is not None else 0
        latest = {**about_it, "runCount": count} if count else about_it
        status = self._ask("latest run", STATUS, latest)
        self._note("status", status, readings.action_form)
        found = parse_status(status.data) if status and status.is_success else None
        if found is not None:
            is_known = found.state is not State.UNKNOWN
            word = public_word(found.value)
            self.answers["words"] = "known" if is_known else f"unknown: {word}"
        if found is not None and pipeline is not None and count:
            agrees = found.state is pipeline.state
            words = f"status {found.state.value}, summary {pipeline.state.value}"
            self.answers["agreement"] = "agree" if agrees else words
        if count:
            self._note(
                "no_run_count", self._ask("without runCount", STATUS, about_it), readings.latest_or
            )
        unknown = {**about_it, "runCount": count + _LATER_RUNS}
        self._note(
            "unknown_run", self._ask("unknown run", STATUS, unknown), readings.unknown_status
        )
        self._note("unknown_logs", self._ask("unknown run", LOGS, unknown), readings.unknown_log)
        self._probe_log(latest, [step.id for step in pipeline.plan] if pipeline else [])

    def _probe_log(self, run: Mapping[str, object], plan: Sequence[str]) -> None:
        body = {**run, "type": CONSOLE_OUTPUT}
        console, everything = self._ask("console", LOGS, body), self._ask("all types", LOGS, run)
        self._note("logs", everything or console, readings.list_form)
        if console is not None and console.is_success:
            kinds = {parse_record(one).is_console for one in console.items}
            if kinds:
                self.answers["filter"] = "console only" if kinds == {True} else "other types too"
            etag = console.headers.get("etag", "")
            again = (
                self._ask("console, with If-None-Match", LOGS, body, etag=etag) if etag else None
            )
            if not etag:
                self.answers["etag"] = "false"
            elif again is not None:
                self.answers["etag"] = "true" if again.status == 304 else "an ETag, but no 304"
        records = everything.items if everything is not None else []
        if len(records) >= LIST_LIMIT:
            self.answers["window"] = str(len(records))
        texts = [one for one in (console.items if console else records) if console_text(one)]
        if texts:
            self.answers["place"] = readings.joined(readings.place_of(one) for one in texts)
            line_ends = {readings.line_end(console_text(one)) for one in texts} - {""}
            self._set("line_ends", readings.joined(line_ends))
        if records:
            self._judge_records(records, plan)
            self._judge_clock(records, everything)

    def _judge_records(self, records: Sequence[dict[str, Any]], plan: Sequence[str]) -> None:
        self.answers["ids"] = readings.id_kind([text_at(one, "_id") for one in records])
        self.answers["users"] = readings.joined(map(readings.user_kind, records))
        self._set("index", readings.joined(readings.index_kind(one, plan) for one in records))
        if len(records) < LIST_LIMIT:
            starts = any(text_at(one, "step_name").lower() == "start pipeline" for one in records)
            self.answers["start"] = str(starts).lower()
        times = [parse_time(one.get("createdAt")) for one in records]
        self._set("order", readings.order_of([one for one in times if one is not None]))

    def _judge_clock(self, records: Sequence[dict[str, Any]], reply: Reply | None) -> None:
        now = readings.date_of(reply.headers.get("date", "")) if reply is not None else None
        latest = max((parse_time(one.get("createdAt")) or 0.0 for one in records), default=0.0)
        if now is not None and latest:
            late = latest - now
            self.answers["clock"] = f"{late:.0f} s later" if late > _SLACK else "not later"

    def _probe_errors(self) -> None:
        wrong = self._ask("wrong ID", SUMMARY, {"pipelineId": _MISSING_ID})
        malformed = self._ask("malformed ID", SUMMARY, {"pipelineId": _MALFORMED_ID})
        self._note_refusal("not_found", wrong)
        self._note_refusal("malformed", malformed)
        refused = next((one for one in (wrong, malformed) if one and one.status >= 400), None)
        if refused is not None:
            self.answers["error_body"] = readings.error_form(refused)

    def _probe_tools(self) -> None:
        tools = self._ask("list", TOOLS)
        self._note("tools", tools, readings.list_form)
        if first := readings.first_id(tools):
            self._note(
                "tool", self._ask("first tool", TOOL, {"toolId": first}), readings.object_form
            )

    def _probe_tasks(self) -> None:
        tasks = self._ask("list", TASKS)
        self._note("tasks", tasks, readings.list_form)
        for one in (tasks.items if tasks else [])[:1]:
            task = {"taskId": text_at(one, "_id")}
            self._ask("first task", TASK, task)
            self._note(
                "task_status", self._ask("first task", TASK_STATUS, task), readings.text_form
            )
        for one in (tasks.items if tasks else [])[:3]:
            if self._probe_task_log(text_at(one, "_id")):
                break

    def _probe_task_log(self, task_id: str) -> bool:
        """Read pages of one record; False if the log has too few."""
        pages = [
            self._ask(f"page {page}", TASK_LOGS.with_query(taskId=task_id, page=page, count=1))
            for page in ("", "0", "1")
        ]
        whole = self._ask("all", TASK_LOGS.with_query(taskId=task_id))
        if whole is None or len(whole.items) < 2 or not all(pages):
            return False
        times = [parse_time(one.get("createdAt")) for one in whole.items]
        order = readings.order_of([one for one in times if one is not None])
        self._set("task_order", order.replace(" ", "_"))
        first, zero, one = (page.items for page in pages if page is not None)
        if one == first:
            self.answers["first_page"] = "one"
        elif zero == first:
            self.answers["first_page"] = "zero"
        return True

    def _probe_audit(self) -> None:
        two = self._ask("two entries", USER_ACTIONS.with_query(count=2))
        self._note("actions", two, readings.list_form)
        if two is not None and isinstance(two.data, dict) and len(two.items) == 2:
            counted = whole_number(two.data.get("count"))
            if counted is not None:
                self.answers["count"] = "returned" if counted == 2 else "total"
        today = datetime.fromtimestamp(self._clock.time(), timezone.utc).date().isoformat()
        self._ask("today", TOKEN_USES.with_query(date=today))
        week = self._ask("last seven days", USER_ACTIONS)
        hour = self._ask("timescale", USER_ACTIONS.with_query(timescale="1h"))
        now = readings.date_of(hour.headers.get("date", "")) if hour is not None else None
        if week is not None and hour is not None and hour.is_success and now is not None:
            past = now - _HOUR - _SLACK
            older = [
                any((parse_time(one.get("createdAt")) or now) < past for one in reply.items)
                for reply in (week, hour)
            ]
            if older[0]:
                self.answers["timescale"] = "ignored" if older[1] else "honored"

    # --- Answers ----------------------------------------------------------------------------------

    def _set(self, key: str, answer: str) -> None:
        if answer:
            self.answers[key] = answer

    def _note(self, key: str, reply: Reply | None, read: Callable[[Reply], str]) -> None:
        """Record the information in a response, unless it was denied."""
        if reply is not None and reply.status not in (401, 403, 429):
            self._set(key, read(reply))

    def _note_refusal(self, key: str, reply: Reply | None) -> None:
        if reply is not None and reply.status not in (401, 429):
            self.answers[key] = str(reply.status)

    def _judge_all(self) -> None:
        """Record the information in all responses together."""
        replies = [reply for _, _, reply, _ in self._replies]
        gzipped = any("gzip" in reply.headers.get("content-encoding", "") for reply in replies)
        self.answers["compression"] = "gzip" if gzipped else "none"
        self._set(
            "encoding",
            readings.joined({readings.encoding_of(one) for one in replies if one.is_json} - {""}),
        )
        denied = {str(one.status) for one in replies if one.status == 403}
        self._set("forbidden", readings.joined(denied))
        limited = [one.headers.get("retry-after", "") for one in replies if one.status == 429]
        self._set("retry_after", readings.joined(map(readings.retry_after_form, limited)))
        formats = {
            kind
            for reply in replies
            for one in reply.items
            for kind in (time_format(one.get("createdAt")), time_format(one.get("updatedAt")))
        }
        self._set("times", readings.joined(formats - {""}))
        self._set("scopes", self._judge_scopes())

    def _judge_scopes(self) -> str:
        """Record what a read-only scope allows, if the token has one."""
        if not any(one.endswith("-readonly") for one in self._scopes):
            return ""
        undocumented = [found for _, documented, found in self.calls() if documented == "denied"]
        if not undocumented:
            return ""
        return "wide" if "allowed" in undocumented else "page"

    def calls(self) -> list[tuple[str, str, str]]:
        """Return each call, what the documentation says of the token's scope, and what came."""
        found: dict[str, tuple[str, str]] = {}
        for endpoint, about, reply, _ in self._replies:
            if about in ("wrong ID", "malformed ID", "unknown run"):
                continue
            documented = ""
            if self._scopes and endpoint.scopes:
                may = set(self._scopes) & set(endpoint.scopes)
                documented = "allowed" if may else "denied"
            word = "allowed" if reply.status < 400 else f"HTTP {reply.status}"
            word = "denied" if reply.status in (401, 403) else word
            if found.get(endpoint.name, ("", ""))[1] != "allowed":
                found[endpoint.name] = (documented, word)
        return [(name, *words) for name, words in found.items()]

    def findings(self) -> list[tuple[Question, str, str]]:
        """Return each question with its answer and whether that is the assumption."""
        rows = []
        for question in QUESTIONS:
            answer = self.answers.get(question.key, "")
            is_expected = question.is_expected(answer)
            result = NOT_SEEN if not answer else AS_ASSUMED if is_expected else DIFFERS
            rows.append((question, answer, result))
        return rows

    def flags(self) -> dict[str, str]:
        """Return the simulator's flags that make it behave as this tenant does."""
        found: dict[str, set[str]] = {}
        for question, answer, _ in self.findings():
            if question.flag and answer and " " not in answer:
                found.setdefault(question.flag, set()).add(answer)
        return {flag: next(iter(values)) for flag, values in found.items() if len(values) == 1}

    def tables(self) -> tuple[Table, ...]:
        """Return the questions and the calls as tables; none if nothing was asked."""
        if not self._replies:
            return ()
        questions = [
            (question.text, question.certainty, question.assumed, answer, result)
            for question, answer, result in self.findings()
        ]
        return (
            Table(("QUESTION", "CERTAINTY", "ASSUMED", "FOUND", "RESULT"), questions),
            Table(("CALL", "DOCUMENTED", "FOUND"), self.calls()),
        )

    # --- The file ---------------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """Return all that was found, without names, IDs, and texts."""
        return {
            "opseraStepProbe": 1,
            "version": __version__,
            "date": datetime.fromtimestamp(self._clock.time(), timezone.utc).date().isoformat(),
            "scopes": list(self._scopes),
            "questions": [
                {
                    "question": question.text,
                    "certainty": question.certainty,
                    "assumed": question.assumed,
                    "found": answer or None,
                    "result": result,
                }
                for question, answer, result in self.findings()
            ],
            "calls": [
                {"call": name, "documented": documented or None, "found": word}
                for name, documented, word in self.calls()
            ],
            "simulatorFlags": self.flags(),
            "requests": list(self._requests()),
        }

    def text(self) -> str:
        """Return the document as JSON, without the token."""
        return json_text(self._scrubber.data(self.document())) + "\n"

    def _requests(self) -> Iterator[dict[str, Any]]:
        private = {name for _, _, reply, _ in self._replies for name in names_in(reply.data)}
        for endpoint, about, reply, seconds in self._replies:
            kept = {name: reply.headers[name] for name in _HEADERS if name in reply.headers}
            kept |= {name: "present" for name in _PRESENT if name in reply.headers}
            error = readings.error_text(reply) if reply.status >= 400 else ""
            yield {
                "call": f"{endpoint.method} {endpoint.path}",
                "about": about,
                "status": reply.status,
                "milliseconds": round(seconds * 1000),
                "headers": {
                    name: message_of(value, self._scrubber, ()) for name, value in kept.items()
                },
                "bytes": len(reply.text.encode()),
                "shape": shape_of(reply.data) if reply.is_json else readings.error_form(reply),
                **({"error": message_of(error, self._scrubber, private)} if error else {}),
            }
        for endpoint, about, failure in self._failures:
            yield {
                "call": f"{endpoint.method} {endpoint.path}",
                "about": about,
                "failure": type(failure).__name__,
            }
