"""A page that stands in for the Opsera portal, so that links to runs on loopback work."""

from __future__ import annotations

import html
import re
from string import Template

from opsera_step.simulator.responses import HTML, HttpRequest, Response, error_response
from opsera_step.simulator.server.admin import is_trusted
from opsera_step.simulator.world.pipeline import Pipeline
from opsera_step.simulator.world.run import FINAL, Run
from opsera_step.simulator.world.world import World

_DETAILS = re.compile(r"/workflow/details/([^/]+)(?:/.*)?")
_RECENT_RECORDS = 40
_RECENT_CHARACTERS = 4000
_CONTROLS = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
$refresh<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .5rem; text-align: left }
pre { background: #222; color: #eee; padding: 1rem; overflow-x: auto }
small { color: #666 }
</style>
</head>
<body>
$body
<p><small>A page of the opsera-step simulator, which stands in for the Opsera portal.</small></p>
</body>
</html>
""")

_DECISION = """\
<p>
<button onclick="fetch('/simulator/approve', {method: 'POST', body: this.dataset.body})\
.then(() => location.reload())" data-body="{body}">Approve</button>
<button onclick="fetch('/simulator/reject', {method: 'POST', body: this.dataset.body})\
.then(() => location.reload())" data-body="{body}">Reject</button>
</p>
"""


def is_portal(request: HttpRequest) -> bool:
    """Return whether a request is for the portal page."""
    known = request.path == "/" or _DETAILS.fullmatch(request.path) is not None
    return known and request.method in ("GET", "HEAD")


def respond(world: World, request: HttpRequest) -> Response:
    """Return the list of pipelines, or the page of one pipeline."""
    if not is_trusted(request):
        return error_response(403, "Requests from web pages of other sites are refused.")
    found = _DETAILS.fullmatch(request.path)
    if found is None:
        return _page("Pipelines", _list(world))
    pipeline = world.pipelines.get(found[1])
    if pipeline is None:
        return error_response(404, "No pipeline has this ID.", "text")
    run = pipeline.find(pipeline.latest)
    refresh = run is not None and run.state not in FINAL
    return _page(pipeline.spec.name, _details(pipeline, run), refresh=refresh)


def _page(title: str, body: str, *, refresh: bool = False) -> Response:
    text = _PAGE.substitute(
        title=html.escape(title),
        body=body,
        refresh='<meta http-equiv="refresh" content="2">\n' if refresh else "",
    )
    return Response(200, text.encode("utf-8", "replace"), HTML)


def _list(world: World) -> str:
    items = (
        f'<li><a href="/workflow/details/{html.escape(one.spec.id)}/summary">'
        f"{html.escape(one.spec.name)}</a></li>"
        for one in world.pipelines.values()
    )
    return f"<h1>Pipelines</h1>\n<ul>{''.join(items)}</ul>"


def _details(pipeline: Pipeline, run: Run | None) -> str:
    spec = pipeline.spec
    parts = [f'<p><a href="/">Pipelines</a></p>\n<h1>{html.escape(spec.name)}</h1>']
    if spec.description:
        parts.append(f"<p>{html.escape(spec.description)}</p>")
    if pipeline.locked_by:
        parts.append(f"<p>Locked by {html.escape(pipeline.locked_by)}.</p>")
    if run is None:
        return "\n".join([*parts, f"<p>Latest run: {pipeline.latest or 'none'}</p>"])
    started_by = html.escape(run.user.name)
    parts.append(f"<h2>Run {run.number}: {run.state}</h2>\n<p>Started by {started_by}</p>")
    if run.settings.branch:
        parts.append(f"<p>Branch {html.escape(run.settings.branch)}</p>")
    if pipeline.paused:
        body = html.escape(f'{{"pipelineId": "{spec.id}"}}')
        parts.append(_DECISION.replace("{body}", body))
    rows = (
        f"<tr><td>{html.escape(step.name)}</td>"
        f"<td>{run.step_states.get(index, 'not started')}</td></tr>"
        for index, step in enumerate(spec.plan)
    )
    parts.append(f"<table><tr><th>Step</th><th>Status</th></tr>{''.join(rows)}</table>")
    text = _CONTROLS.sub("", run.log.recent_text(_RECENT_RECORDS))[-_RECENT_CHARACTERS:]
    parts.append(f"<h3>Latest output</h3>\n<pre>{html.escape(text)}</pre>")
    if pipeline.queue:
        queued = ", ".join(str(one.number) for one in pipeline.queue)
        parts.append(f"<p>Queued runs: {queued}</p>")
    return "\n".join(parts)
