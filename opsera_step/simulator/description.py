"""The description of the API (OpenAPI), as YAML and as JSON."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any

from opsera_step.simulator.wire import Answer, json_answer

_FILE = resources.files("opsera_step.simulator") / "openapi.yml"


def yaml_answer() -> Answer:
    """Answer the description as it was written."""
    return Answer(200, _FILE.read_bytes(), "application/yaml; charset=utf-8")


def described_answer() -> Answer:
    """Answer the description as JSON."""
    return json_answer(description())


@lru_cache
def description() -> Any:
    """Return the description as plain data."""
    # Loaded here: reading YAML is all that needs the library.
    import yaml  # noqa: PLC0415

    return yaml.safe_load(_FILE.read_text("utf-8"))
