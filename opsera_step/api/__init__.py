"""The customer API over HTTP. No error or object of requests or urllib3 leaves this package."""

from opsera_step.api.certificate import Certificate
from opsera_step.api.client import OpseraClient
from opsera_step.api.endpoints import (
    ENDPOINTS,
    LIST_LIMIT,
    LOGS,
    PIPELINES,
    RUN,
    SCOPE_LABELS,
    STATUS,
    SUMMARY,
    TASKS,
    TOOL_UPDATE,
    TOOLS,
    USER_ACTIONS,
    Endpoint,
    describe_scopes,
    endpoint_of,
)
from opsera_step.api.failures import HINT_NOT_OPSERA, is_locked
from opsera_step.api.fields import (
    JsonObject,
    format_timestamp,
    is_object_id,
    object_at,
    text_at,
    whole_number,
)
from opsera_step.api.listing import Listing, read_pages
from opsera_step.api.lookup import by_id_or_name, explain_name, pipeline_by_id_or_name
from opsera_step.api.models import (
    CONSOLE_OUTPUT,
    Ack,
    LogRecord,
    Pipeline,
    Run,
    RunResponse,
    RunStatus,
    State,
    Step,
    StepParameter,
    make_settings,
    state_of,
)
from opsera_step.api.proxy import Proxy
from opsera_step.api.token import (
    TokenFacts,
    contains_token,
    expiry_warning,
    explain_malformed,
    format_span,
    read_token,
    redact_tokens,
    token_identities,
)

__all__ = [
    "CONSOLE_OUTPUT", "ENDPOINTS", "HINT_NOT_OPSERA", "LIST_LIMIT", "LOGS", "PIPELINES", "RUN",
    "SCOPE_LABELS", "STATUS", "SUMMARY", "TASKS", "TOOLS", "TOOL_UPDATE", "USER_ACTIONS", "Ack",
    "Certificate", "Endpoint", "JsonObject", "Listing", "LogRecord", "OpseraClient",
    "Pipeline", "Proxy", "Run", "RunResponse", "RunStatus", "State", "Step", "StepParameter",
    "TokenFacts", "by_id_or_name", "contains_token", "describe_scopes", "endpoint_of",
    "expiry_warning", "explain_malformed", "explain_name", "format_span", "format_timestamp",
    "is_locked", "is_object_id", "make_settings", "object_at", "pipeline_by_id_or_name",
    "read_pages", "read_token", "redact_tokens", "state_of", "text_at", "token_identities",
    "whole_number",
]  # fmt: skip
