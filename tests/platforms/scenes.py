"""Scenarios with the pipelines that the examples name."""

from __future__ import annotations

from typing import Any

from tests.support.scenes import BUILD, FAILS, GATE, PASSES, SLOW, prints, step

SHOP, SEARCH = "65a4f00dc0ffee0123456789", "65a4f00dc0ffee012345678a"
_DEPLOY = step("Deploy", prints("rolled out"), tool="kubernetes")


def _pipeline(identifier: str, name: str, *plan: dict[str, Any]) -> dict[str, Any]:
    return {"id": identifier, "name": name, "run_count": 41, "plan": list(plan)}


def _shop(*plan: dict[str, Any]) -> dict[str, Any]:
    return {"pipelines": [_pipeline(SHOP, "Deploy shop", *plan)]}


SCENES: dict[str, dict[str, Any]] = {
    "success": _shop(*PASSES["pipelines"][0]["plan"]),
    "failure": _shop(*FAILS["pipelines"][0]["plan"]),
    "pause": _shop(BUILD, GATE, _DEPLOY),
    "slow": _shop(*SLOW["pipelines"][0]["plan"]),
    "two": {
        "pipelines": [
            _pipeline(SHOP, "Deploy shop", BUILD, _DEPLOY),
            _pipeline(SEARCH, "Deploy search", BUILD, _DEPLOY),
        ]
    },
}
"""By name; other names are those of built-in scenarios."""
