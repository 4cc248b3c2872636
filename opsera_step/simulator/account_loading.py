"""What an account has besides pipelines, read from a scenario: users, tools, tasks, audit logs."""

from __future__ import annotations

from typing import Any

from opsera_step.simulator.accounts import SCOPES
from opsera_step.simulator.identifiers import fixed_id
from opsera_step.simulator.log_loading import log_entries
from opsera_step.simulator.reading import Reader
from opsera_step.simulator.scenario import (
    MAINTAINER,
    PLAIN,
    ROLES,
    AuditSpec,
    Member,
    TaskRun,
    TaskSpec,
    ToolSpec,
    User,
)
from opsera_step.simulator.switches import PLACES
from opsera_step.simulator.timeline import end_of

_RESULTS = ("success", "failure", "failed", "stopped", "paused", "running", "created")


def members(account: Reader, owner: str, role: str) -> tuple[Member, ...]:
    """Read the users; the owner of the token is one of them, if need be with a given role."""
    listed = {member.name: member for member in map(_member, account.copies("users"))}
    return tuple(({owner: Member(owner, role)} | listed).values())


def token_scope(token: Reader) -> str:
    """Read the scope of the first token."""
    return token.choice("scope", "api", SCOPES)


def audit(reader: Reader) -> AuditSpec:
    """Read how full the audit logs are."""
    spec = AuditSpec(
        actions=reader.whole("actions", 0),
        uses=reader.whole("uses", 0),
        days=reader.number("days", 30.0),
    )
    reader.done()
    return spec


def tool(reader: Reader) -> ToolSpec:
    """Read a tool of the registry."""
    spec = ToolSpec(**_thing(reader, "tool", kind=ToolSpec.type))
    reader.done()
    return spec


def task(reader: Reader) -> TaskSpec:
    """Read a task and its runs."""
    spec = TaskSpec(
        **_thing(reader, "task", kind=TaskSpec.type),
        place=reader.choice("place", "", ("", *PLACES)),
        run_count=reader.whole("run_count", 0),
        runs=tuple(sorted(map(_run, reader.readers("runs")), key=lambda run: run.at)),
    )
    reader.done()
    return spec


def _thing(reader: Reader, what: str, *, kind: str) -> dict[str, Any]:
    """Read what tools and tasks have alike; `kind` is the type of one that says none."""
    name = reader.text("name")
    return {
        "id": reader.text("id", fixed_id(what, name)),
        "name": name,
        "tool": reader.text("tool", "jenkins"),
        "type": reader.text("type", kind),
        "description": reader.text("description", ""),
        "owner": User.named(reader.text("owner", MAINTAINER.name)),
        "access": reader.access("access"),
        "active": reader.flag("active", True),
        "tags": reader.texts("tags"),
        "configuration": reader.mapping("configuration"),
        "record": reader.mapping("record"),
    }


def _member(reader: Reader) -> Member:
    member = Member(
        name=reader.text("name"),
        role=reader.choice("role", PLAIN, ROLES),
        valid=reader.flag("valid", True),
    )
    reader.done()
    return member


def _run(reader: Reader) -> TaskRun:
    log = log_entries(reader.readers("log"))
    run = TaskRun(
        at=reader.number("at", least=float("-inf")),
        duration=reader.number("duration", max(1.0, end_of(log))),
        result=reader.choice("result", "success", _RESULTS),
        message=reader.text("message", ""),
        log=log,
    )
    reader.done()
    return run
