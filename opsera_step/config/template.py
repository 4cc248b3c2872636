"""The text of a first config file, for somebody to go on from."""

from __future__ import annotations

import re

from opsera_step.api.fields import is_object_id
from opsera_step.config.schema import address
from opsera_step.text import clean_inline
from opsera_step.text.json_text import json_text

EXAMPLE_ALIAS = "shop"
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_NO_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
_HEAD = """\
# yaml-language-server: $schema={schema}
# Names for pipelines, and defaults of inputs. Options and variables go before what stands here.
# The access token has no place in this file: set OPSERA_TOKEN.

timeout: 1h

"""
_PIPELINES = """\
pipelines:
  {alias}: {pipeline}{comment}
"""
_MORE_PIPELINES = """\
  # One with defaults of its own:
  # release:
  #   pipeline: 65a4f00dc0ffee012345678a
  #   on_paused: wait
  #   timeout: 4h
"""
_NO_PIPELINES = """\
# The ID is in the address of the pipeline's page; its exact name will do as well.
# pipelines:
#   shop: 65a4f00dc0ffee0123456789
#   release:
#     pipeline: 65a4f00dc0ffee012345678a
#     on_paused: wait
#     timeout: 4h
"""
_TOOLS = """
# Names for tools, as in `opsera-step tool show jenkins`:
# tools:
#   jenkins: 65a4f00dc0ffee012345678b
"""


def first_config(version: str, alias: str = "", pipeline: str = "", name: str = "") -> str:
    """Write a config file with one alias of a pipeline, or with none but how to add one.

    `name` is the pipeline's name, told beside its ID.
    """
    head = _HEAD.format(schema=address(version))
    if not pipeline:
        return head + _NO_PIPELINES + _TOOLS
    told = f"  # {clean_inline(name, 80)}" if name and name != pipeline else ""
    entry = _PIPELINES.format(alias=_quoted(alias), pipeline=_quoted(pipeline), comment=told)
    return head + entry + _MORE_PIPELINES + _TOOLS


def is_alias(text: str) -> bool:
    """Whether a text will do as an alias that can be typed without quotes."""
    return _ALIAS.fullmatch(text) is not None and not is_object_id(text)


def alias_of(name: str) -> str:
    """Make an alias of a pipeline's name: `deploy-shop` of “Deploy shop”."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    alias = "-".join(words)[:40].strip("-")
    return alias if is_alias(alias) else EXAMPLE_ALIAS


def _quoted(text: str) -> str:
    """Write a text as YAML: in quotes where a reader could take it for something else."""
    is_word = _WORD.fullmatch(text) and text.lower() not in _NO_WORDS
    return text if is_word else json_text(text, indent=None)
