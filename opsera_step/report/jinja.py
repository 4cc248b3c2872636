"""Rendering of templates with Jinja2, which is loaded late: few jobs write a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opsera_step.clock import format_duration

if TYPE_CHECKING:
    import jinja2
    import markupsafe


def environment(*, escapes: bool = True) -> jinja2.Environment:
    """Return an environment; values are escaped for HTML and XML unless the template does it."""
    import jinja2  # noqa: PLC0415 - start-up is felt in every job

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("opsera_step.report", "templates"),
        autoescape=escapes,  # noqa: S701 - the summary is Markdown, which has a filter
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters["duration"] = format_duration
    return made


def fill(name: str, values: Mapping[str, Any], *, link: str = "") -> str:
    """Fill in a template of HTML or XML. Of the URLs in a text only `link` becomes a link."""
    made = environment()
    made.filters["linked"] = lambda text: _linked(text, link)
    return made.get_template(name).render(values)


def source(name: str) -> str:
    """Return a template's file as it is."""
    import jinja2  # noqa: PLC0415 - as above

    loader = jinja2.PackageLoader("opsera_step.report", "templates")
    return loader.get_source(jinja2.Environment(autoescape=True), name)[0]


def _linked(text: str, link: str) -> markupsafe.Markup:
    import markupsafe  # noqa: PLC0415 - a part of Jinja2

    if not link:
        return markupsafe.escape(text)
    anchor = markupsafe.Markup('<a href="{0}" rel="noreferrer">{0}</a>').format(link)
    return anchor.join(map(markupsafe.escape, text.split(link)))
