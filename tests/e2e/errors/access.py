"""The token, and what its owner may do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.screens import Place, Slip, job, typed
from tests.support.shell import LOCKED_TASK, LOCKED_TOOL, TASK, TOOL

_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzY29wZSI6ImFwaSJ9.c2lnbmF0dXJl"
_OLD = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE2MDAwMDAwMDB9.c2lnbmF0dXJl"


def _scope(scope: str, role: str = "Power User") -> Callable[[Place], dict[str, str]]:
    def prepare(place: Place) -> dict[str, str]:
        return {"OPSERA_TOKEN": place.simulator.issue_token(scope, user="Kim", role=role)}

    return prepare


def _deactivated(place: Place) -> dict[str, str]:
    token = place.simulator.issue_token("api", user="Kim", role="Power User")
    place.simulator.deactivate(token)
    return {"OPSERA_TOKEN": token}


def _expired(place: Place) -> dict[str, str]:
    return {"OPSERA_TOKEN": place.simulator.expired_token}


def _locked(place: Place) -> dict[str, str]:
    place.simulator.set_access(place.simulator.pipeline_id, ["Robin Weber"])
    return {"OPSERA_TOKEN": place.simulator.issue_token("api", user="Sam Okafor")}


def _expires_soon(place: Place) -> dict[str, str]:
    return {"OPSERA_TOKEN": place.simulator.issue_token("api", expires_in=2400)}


def _in_front(text: str, behind: str = "") -> Callable[[Place], dict[str, str]]:
    return lambda place: {"OPSERA_TOKEN": f"{text}{place.simulator.token}{behind}"}


def _folder(place: Place) -> None:
    (place.folder / "token").mkdir()


def _secret(place: Place) -> None:
    path = Path(place.folder / "token")
    path.write_bytes(b"\xff\xfe" + "abc".encode("utf-16-le"))


_OF_PIPELINES = ("status", "summary", "logs", "stop", "reset", "run")

SLIPS: tuple[Slip, ...] = (
    job("a token that is nonsense", token="nonsense"),
    job("a token that has expired", "github", prepare=_expired),
    job("a token that says that it has expired", "gitlab", token=_OLD),
    job("a token that was deactivated", prepare=_deactivated),
    job("a token with a newline in it", "github", prepare=_in_front("", "\nabc")),
    job("a token with a line of its own behind it is fine", scenario="success",
        wait="false", prepare=_in_front("", "\n")),
    job("a token in quotes", prepare=_in_front('"', '"')),
    job("a token with Bearer in front", prepare=_in_front("Bearer ")),
    job("a token with its variable in front", prepare=_in_front("OPSERA_TOKEN=")),
    job("a token that is cut off", token=_JWT[:30]),
    job("a token that is the name of a variable", "gitlab", token="$OPSERA_TOKEN"),
    job("a token with a letter that is no ASCII", token="abc\u2026def"),
    job("an empty token, as in a pull request of a fork", "github", token=""),
    typed("a token that is not accepted, for a question", "pipelines", token="nonsense"),
    typed("a token file that is not there", "status --token-file secret", token=None),
    typed("a token file that is a folder", "status --token-file token", token=None,
          prepare=_folder),
    typed("a token file that is empty", "status --token-file token", token=None,
          files={"token": "\n"}),
    typed("a token file that is UTF-16", "status --token-file token", token=None, prepare=_secret),
    typed("a token file with two lines", "status --token-file token", token=None,
          files={"token": f"{_JWT}\n{_JWT}\n"}),
    typed("a token file with a name in front", "status --token-file token", token=None,
          files={"token": f"token: {_JWT}\n"}),
    job("the token where its file belongs", "gitlab", token=None, token_file=_JWT),
    job("the token where the pipeline belongs", pipeline=_JWT),
    job("the token where the base_url belongs", base_url=_JWT),
    *(typed(f"a scope that may only read, for {word}", word, prepare=_scope("pipeline-readonly"))
      for word in ("run", "stop", "reset")),
    *(typed(f"the scope of tools, for {word}", word, prepare=_scope("registry"))
      for word in _OF_PIPELINES),
    typed("the scope of pipelines, for tools", "tool list", prepare=_scope("pipeline")),
    typed("the scope of pipelines, for a tool", f"tool show {TOOL}", prepare=_scope("pipeline")),
    typed("a scope that may only read, for an update",
          f"tool update {TOOL} --set description=new --yes", prepare=_scope("registry-readonly")),
    typed("the scope of pipelines, for tasks", "task list", prepare=_scope("pipeline")),
    typed("the scope of pipelines, for a task", f"task status {TASK}", prepare=_scope("pipeline")),
    typed("a scope that reads nearly all, for a task's log", f"task logs {TASK}",
          prepare=_scope("api-readonly")),
    typed("the scope of pipelines, for an audit log", "audit actions", prepare=_scope("pipeline")),
    *(typed(f"no Power User, for {words}", words, prepare=_scope("api", "plain"))
      for words in ("pipelines", "tool list", "audit tokens", "status 'Deploy shop'",
                    "tool show 'Shop Jenkins'")),
    *(typed(f"no access to the pipeline, for {word}", word, scenario="success", prepare=_locked)
      for word in _OF_PIPELINES),
    typed("no access to a tool", f"tool show {LOCKED_TOOL}", prepare=_scope("api", "plain")),
    typed("no access to a task", f"task logs {LOCKED_TASK}", prepare=_scope("api", "plain")),
    job("no access, on GitHub", "github", scenario="success", prepare=_locked),
    job("a scope that may only read, on GitLab", "gitlab", prepare=_scope("pipeline-readonly")),
    job("a token that ends before the job may", "github", scenario="success",
        wait="true", prepare=_expires_soon),
)  # fmt: skip
