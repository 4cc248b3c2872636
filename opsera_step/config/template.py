"""The text of a starter config file."""

from __future__ import annotations

import re

from opsera_step.api.fields import is_object_id
from opsera_step.config.schema import address
from opsera_step.text import clean_inline, json_text

EXAMPLE_ALIAS = "shop"
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NO_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
_HEAD = """\
# yaml-language-server: $schema={schema}
# Aliases of pipelines, and defaults of inputs. Options and variables override this file.
# In a CI job, name it in the input config. Don't store the access token here: set OPSERA_TOKEN.

timeout: 1h

"""
_PIPELINES = """\
pipelines:
  {alias}: {pipeline}{comment}
"""
_MORE_PIPELINES = """\
  # An alias with its own defaults:
  # release:
  #   pipeline: 65a4f00dc0ffee012345678a
  #   on_paused: wait
  #   timeout: 4h
"""
_NO_PIPELINES = """\
# The ID is in the URL of the pipeline; its exact name works, too.
# pipelines:
#   shop: 65a4f00dc0ffee0123456789
#   release:
#     pipeline: 65a4f00dc0ffee012345678a
#     on_paused: wait
#     timeout: 4h
"""
_TOOLS = """
# Aliases of tools, as in `opsera-step tool show jenkins`:
# tools:
#   jenkins: 65a4f00dc0ffee012345678b
"""


def first_config(version: str, alias: str = "", pipeline: str = "", name: str = "") -> str:
    """Write a config file with an alias of a pipeline, or with comments on how to add one.

    `name` is the pipeline's name, for a comment beside its ID.
    """
    head = _HEAD.format(schema=address(version))
    if not pipeline:
        return head + _NO_PIPELINES + _TOOLS
    comment = f"  # {clean_inline(name, 80)}" if name and name != pipeline else ""
    entry = _PIPELINES.format(alias=_quoted(alias), pipeline=_quoted(pipeline), comment=comment)
    return head + entry + _MORE_PIPELINES + _TOOLS


def is_alias(text: str) -> bool:
    """Whether a text can be an alias that is typed without quotes."""
    return _ALIAS.fullmatch(text) is not None and not is_object_id(text)


def alias_of(name: str) -> str:
    """Derive an alias from a pipeline's name: `deploy-shop` from “Deploy shop”."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    alias = "-".join(words)[:40].strip("-")
    return alias if is_alias(alias) else EXAMPLE_ALIAS


def _quoted(text: str) -> str:
    """Write a text as YAML: in quotes if a reader could take it for something else."""
    is_word = _WORD.fullmatch(text) and text.lower() not in _NO_WORDS
    return text if is_word else json_text(text, indent=None)
