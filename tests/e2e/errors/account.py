"""Tools, tasks and audit logs: what is asked of them wrongly."""

from __future__ import annotations

from tests.support.screens import Slip, job, typed
from tests.support.shell import TASK, TOOL

_NOWHERE = "65a4f00dc0ffee0999999999"


def _update(title: str, words: str, **rest: object) -> Slip:
    return typed(title, f"tool update {TOOL} {words}", **rest)


def _file(title: str, text: str | bytes, name: str = "tool.yml") -> Slip:
    return _update(title, f"--file {name} --yes", files={name: text})


TOOLS: tuple[Slip, ...] = (
    typed("a tool that is not there", f"tool show {_NOWHERE}"),
    typed("a tool's name that is misspelt", "tool show 'Shop Jenkin'"),
    typed("a tool's name that is nothing like any", "tool show zzz"),
    typed("an empty name", "tool show ''"),
    typed("a tool without a name", "tool show"),
    typed("an update of nothing", f"tool update {TOOL}"),
    typed("an update of a tool without a name", "tool update --set a=b"),
    _update("set without a value", "--set description"),
    _update("set without a key, and twice", "--set =x --set a=1 --set a=2 --set b"),
    _update("a part of a property", "--set configuration.jenkinsUrl=x --yes"),
    _update("a property that is not there", "--set descripton=x --yes", scenario="success"),
    _update("a property of another kind", "--set name=5 --yes", scenario="success"),
    _update("an assignment without --set", "description=x"),
    _update("a word for true", "--set active=yes --yes", scenario="success"),
    _update("bad JSON is text", "--set 'tags=[\"shop\", ci]' --yes", scenario="success"),
    _update("what Opsera keeps itself", "--set _id=5 --set createdAt=x --yes"),
    _update("nobody to ask", "--set description=new"),
    job("nobody to ask in a job", command=f"tool update {TOOL} --set description=new"),
    _update("a file that is not there", "--file tool.yml"),
    _update("a file that is a folder", "--file . --yes"),
    _file("a file that is not UTF-8", b"name: \xff\n"),
    _file("a file that is empty", ""),
    _file("a file with bad YAML", "name: [a\n"),
    _file("a file with bad JSON", '{"name": "x",}', "tool.json"),
    _file("a file with JSON and a comma too many", '{"name": "x" "active": true}', "tool.json"),
    _file("a file that is a list", "- name: x\n"),
    _file("a file that is a word", "name\n"),
    _file("a file with numbers as keys", "1: x\ntrue: y\n"),
    _file("a key twice", "name: a\nname: b\n"),
    _file("two documents", "name: a\n---\nname: b\n"),
    _file("a number beyond JSON", "name: 1e999\n"),
    _file("an anchor that holds itself", "name: &a [*a]\n"),
    _file("a bomb of aliases", "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(7)
    )),
    _file("nested without end", "[" * 3000),
    _file("a tag of Python", "name: !!python/object:os.system x\n"),
    _update("an empty standard input", "--file - --yes"),
)  # fmt: skip

TASKS: tuple[Slip, ...] = (
    typed("a task that is not there", f"task show {_NOWHERE}"),
    typed("a task's name that is misspelt", "task status 'Sync CRM repositry'"),
    typed("a task without a name", "task logs"),
    typed("an empty name of a task", "task logs ' '"),
    typed("a run count of 0", f"task logs {TASK} --run-count 0"),
    typed("a run count that is a word", f"task logs {TASK} --run-count newest"),
    typed("a page below 0", f"task logs {TASK} --page -1"),
    typed("a count that is a word", f"task logs {TASK} --count all"),
    typed("a run of a task that is not there", f"task logs {TASK} --run-count 99"),
    typed("a task that is to be run", f"task run {TASK}"),
)  # fmt: skip

AUDIT: tuple[Slip, ...] = (
    typed("a date as in Germany", "audit actions --date 01.11.2026"),
    typed("a date with slashes", "audit actions --date 11/01/2026"),
    typed("a day that is none", "audit tokens --date 2026-02-30"),
    typed("a date that is a word", "audit actions --date yesterday"),
    typed("a date without dashes", "audit actions --date 20261101"),
    typed("a date with a time", "audit actions --date 2026-11-01T10:00:00Z"),
    typed("a day in the future", "audit actions --date 2999-01-01"),
    typed("a count of 0", "audit actions --count 0"),
    typed("a type that is none", "audit actions --type nonsense"),
    typed("a scope that is none", "audit tokens --scope nonsense"),
    typed("an option of the other", "audit tokens --type pipeline"),
    job("a date in a job", command="audit actions --date yesterday"),
)  # fmt: skip
