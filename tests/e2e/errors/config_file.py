"""What can be wrong with the config file, and with naming it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.screens import Place, Slip, job, typed


def _config(title: str, text: str | bytes, words: str = "status shop", **rest: object) -> Slip:
    return typed(title, words, files={".opsera.yml": text}, **rest)


def _folder(place: Place) -> None:
    (place.folder / ".opsera.yml").mkdir()


def _loop(place: Place) -> None:
    (place.folder / ".opsera.yml").symlink_to(".opsera.yml")


def _pipe(place: Place) -> dict[str, str]:
    os.mkfifo(place.folder / "pipe.yml")
    return {"OPSERA_CONFIG": str(place.folder / "pipe.yml")}


def _device(_place: Place) -> dict[str, str]:
    return {"OPSERA_CONFIG": "/dev/zero"}


def _dangling(place: Place) -> None:
    Path(place.folder / ".opsera.yml").symlink_to("/nonexistent/opsera.yml")


SLIPS: tuple[Slip, ...] = (
    typed("a config file that is not there", "status --config ci/opsera.yml"),
    job("the same in a job", "github", config="ci/opsera.yml"),
    typed("the config file is a folder", "status", prepare=_folder),
    typed("the config file is a link to itself", "status", prepare=_loop),
    typed("the config file is a pipe", "status", prepare=_pipe),
    typed("the config file is a device", "status", prepare=_device),
    typed("the config file is a link to nowhere", "status --config .opsera.yml", prepare=_dangling),
    _config("it is not UTF-8", b"timeout: \xe4\n"),
    _config("it is no YAML", "timeout: 1h\n  wait: : true\n"),
    _config("it has tabs", "pipelines:\n\tshop: x\n"),
    _config("an open quote", 'pipelines:\n  shop: "65a4f00dc0ffee0123456789\n'),
    _config("two documents", "timeout: 1h\n---\ntimeout: 2h\n"),
    _config("it is a list", "- timeout: 1h\n"),
    _config("it is a word", "shop\n"),
    _config("all sorts of faults at once", """\
token: eyJhbGciOiJIUzI1NiJ9.eyJzY29wZSI6ImFwaSJ9.c2lnbmF0dXJl
config: other.yml
timout: 1h
on-paused: wait
timeout: soon
wait: [true]
base_url: https://evil.example
on_busy: que
on_busy: attach
pipelines:
  shop: {timeout: 1h, tiemout: 2h, token: x}
  empty:
  list: [a]
  twice: Deploy shop
  twice: Deploy shop 2
tools:
  jenkins: {wait: true}
  none:
""", "status 65a4f00dc0ffee0123456789"),
    _config("pipelines are a list", "pipelines:\n  - shop\n"),
    _config("pipelines are a word", "pipelines: shop\n"),
    _config("the whole under a key", "opsera:\n  timeout: 1h\n"),
    _config("an alias that is misspelt", "pipelines:\n  shop: 65a4f00dc0ffee0123456789\n",
            "status shpo"),
    _config("an alias with blanks around it", "pipelines:\n  ' shop': Deploy shop\n"),
    _config("an alias that is an ID", "pipelines:\n  65a4f00dc0ffee0123456789: Deploy shop\n"),
    _config("an alias of an alias",
            "pipelines:\n  shop: 65a4f00dc0ffee0123456789\n  slow: {pipeline: shop, timeout: 2h}\n",
            "status slow"),
    _config("an alias with the wrong ID", "pipelines:\n  shop: 65a4f00dc0ffee0123456789\n"),
    _config("a key of a job of GitHub", "with:\n  pipeline: shop\n"),
    _config("a list as a key", "[a, b]: c\n"),
    _config("a tool's alias that is misspelt", "tools:\n  jenkins: 65a4f00dc0ffee0000000101\n",
            "tool show jenkin"),
    _config("a command in the file that is none", "command: deploy\n", None),
    _config("base_url without a scheme", "base_url: app.opsera.io\n", base_url=None),
    _config("base_url of another host, typed elsewhere too", "base_url: https://evil.example\n"),
    _config("nested without end", "[" * 3000, "status"),
    _config("a NUL in it", "timeout: 1h\nlogs: c\0onsole\n"),
    _config("it is UTF-16", "timeout: 1h\n".encode("utf-16-le")),
    _config("an alias that looks like an ID, and one that is empty",
            "pipelines:\n  65a4f00dc0ffee0123456789: Deploy shop\n  '': Deploy shop\n",
            "status 65a4f00dc0ffee0123456789"),
    _config("pipelines below `pipeline`", "pipeline:\n  shop: 65a4f00dc0ffee0123456789\n"),
    _config("a merge key without a mapping", "pipelines:\n  shop:\n    <<: Deploy shop\n"),
    _config("faults of what is merged", """\
defaults: &all {timeout: 2h}
x-slow: &slow
  timeout: 3 days
  on-paused: wait
pipelines:
  shop: &shop {<<: [*slow, *all], pipeline: Deploy shop}
  release: {<<: *shop}
"""),
)  # fmt: skip
