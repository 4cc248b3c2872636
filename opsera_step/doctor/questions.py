"""The open questions about the API, and what this version assumes of each."""

from __future__ import annotations

from typing import NamedTuple

from opsera_step.api import LIST_LIMIT

DOCUMENTED, PORTAL, ASSUMED = "documented", "portal", "assumed"


PLACES = (
    "jenkinsConsoleLog", "jenkins_console_log", "consoleLog", "consoleLog_parts", "octopus",
    "buildLog", "api_response", "apiResponse", "api_response_message", "message",
)  # fmt: skip
"""The fields in which the vendor's portal looks for console text."""


class Question(NamedTuple):
    """Something that the probe finds out."""

    key: str
    text: str
    certainty: str
    """How certain `assumed` is: documented, seen in the vendor's portal, or assumed."""
    assumed: str
    flag: str = ""
    """The flag of the simulator whose value the answer is."""
    also: tuple[str, ...] = ()
    """Other answers that the product expects."""

    def is_expected(self, answer: str) -> bool:
        """Whether an answer, of one or more words, is the assumption."""
        return all(one in (self.assumed, *self.also) for one in answer.split(", "))


QUESTIONS = (
    Question("pipelines", "Form of the pipeline list", DOCUMENTED, "bare", "list_format"),
    Question("tools", "Form of the tool list", DOCUMENTED, "bare", "list_format"),
    Question("logs", "Form of a run's log", DOCUMENTED, "bare", "list_format"),
    Question("tasks", "Form of the task list", DOCUMENTED, "counted", "counted_list_format"),
    Question("actions", "Form of user activity", DOCUMENTED, "counted", "counted_list_format"),
    Question("count", "Number in the field count", ASSUMED, "returned", "count_field"),
    Question("pipeline", "Form of a pipeline", ASSUMED, "bare", "object_format"),
    Question("tool", "Form of a tool", ASSUMED, "bare", "object_format"),
    Question("status", "Form of a run's status", DOCUMENTED, "bare", "action_format"),
    Question("task_status", "Form of a task's status", ASSUMED, "json", "task_status"),
    Question("encoding", "Non-ASCII text in JSON", ASSUMED, "escaped", "json_encoding"),
    Question("compression", "Compressed responses", ASSUMED, "none", "compression", ("gzip",)),
    Question("etag", "ETag and 304 of logs", ASSUMED, "false", "etag"),
    Question("retry_after", "Retry-After with 429", ASSUMED, "seconds", "rate_limit_retry_after"),
    Question("forbidden", "HTTP status without access", DOCUMENTED, "403", "forbidden_status"),
    Question("not_found", "HTTP status of a wrong ID", ASSUMED, "404", "not_found_status"),
    Question("malformed", "HTTP status of a malformed ID", ASSUMED, "404", "malformed_id_status"),
    Question("error_body", "Body of an error", PORTAL, "json", "error_body"),
    Question("scopes", "What read-only scopes may do", ASSUMED, "page", "scopes"),
    Question("no_run_count", "Status without a run number", ASSUMED, "latest",
             "status_without_run_count"),
    Question("unknown_run", "Status of an unknown run", ASSUMED, "404", "unknown_run_status"),
    Question("unknown_logs", "Log of an unknown run", ASSUMED, "empty", "unknown_run_logs"),
    Question("words", "Status values", PORTAL, "known"),
    Question("agreement", "Status and summary of the latest run", PORTAL, "agree"),
    Question("settings", "Runtime settings shown by the pipeline", PORTAL, "yes"),
    Question("order", "Order of log records", DOCUMENTED, "latest first"),
    Question("filter", "Records of type console output", DOCUMENTED, "console only"),
    Question("window", "Maximum number of log records", DOCUMENTED, str(LIST_LIMIT), "log_window"),
    Question("ids", "IDs of log records", PORTAL, "objectid", "record_ids"),
    Question("index", "step_index of log records", PORTAL, "from_zero", "step_index"),
    Question("users", "Users of log records", PORTAL, "id", "record_users"),
    Question("start", "Record of a run's start", PORTAL, "true", "start_record"),
    Question("place", "Field with the console text", PORTAL, "known", "place", PLACES),
    Question("line_ends", "Line ends in console text", ASSUMED, "lf", "line_ends"),
    Question("times", "Times", DOCUMENTED, "UTC with 3 decimals"),
    Question("clock", "Latest record and the server's clock", ASSUMED, "not later"),
    Question("task_order", "Order of task logs", ASSUMED, "latest_first", "task_log_order"),
    Question("first_page", "First page of task logs", ASSUMED, "one", "first_page"),
    Question("timescale", "timescale of audit logs", DOCUMENTED, "honored", "timescale"),
)  # fmt: skip
