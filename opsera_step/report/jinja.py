"""The templates of what is read outside of the job log, filled in by Jinja2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsera_step.clock import format_duration


def fill(name: str, values: Mapping[str, Any]) -> str:
    """Fill in a template whose values are escaped for HTML and XML."""
    import jinja2  # noqa: PLC0415 - start-up is felt in every job, and few write a report

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("opsera_step.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["duration"] = format_duration
    return environment.get_template(name).render(values)


def source(name: str) -> str:
    """Return a template's file as it is, for what must not be changed in any way."""
    import jinja2  # noqa: PLC0415 - as above

    loader = jinja2.PackageLoader("opsera_step.report", "templates")
    return loader.get_source(jinja2.Environment(autoescape=True), name)[0]
