"""Take the screenshots for the README again: python -m tests.browser.screenshots [MERMAID]

They are of whole jobs against the simulator; look at them before they are committed. The summary
is drawn if MERMAID is given, the file mermaid.min.js of the npm package of that name.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright

from opsera_step.clock import FakeClock
from opsera_step.simulator import Simulator
from tests.browser.conftest import CHROMIUM
from tests.support.jobs import ROOT, play

SCENARIO = {
    "extends": "approval",
    "steps": {
        "Deploy": {
            "duration": 9,
            "result": "failed",
            "message": "Deployment shop has not become ready.",
            "log": [
                {
                    "at": 0.3,
                    "every": 0.7,
                    "lines": [
                        "\x1b[1;34m+ kubectl apply -f k8s/\x1b[0m",
                        "service/shop unchanged",
                        "deployment.apps/shop \x1b[32mconfigured\x1b[0m",
                        "\x1b[1;34m+ kubectl rollout status deployment/shop --timeout=5s\x1b[0m",
                        "Waiting for deployment “shop” rollout to finish: 0 of 3 updated …",
                        "Waiting for deployment “shop” rollout to finish: 1 of 3 updated …",
                        "pod/shop-6d4cf56db6-8xk2p \x1b[33mCrashLoopBackOff\x1b[0m (restarts: 3)",
                        "  \x1b[2m2026-01-01T00:00:27Z\x1b[0m DATABASE_URL: \x1b[31mnot set\x1b[0m",
                        "\x1b[1;31merror:\x1b[0m timed out waiting for the condition",
                    ],
                }
            ],
        }
    },
}
IMAGES = ROOT / "docs" / "images"
LIKE_GITHUB = """
body { font: 14px/1.5 system-ui, sans-serif; width: 900px; margin: 16px; color: #1f2328; }
h3 { font-size: 17px; } h4 { font-size: 14px; } a { color: #0969da; }
table { border-collapse: collapse; margin: 0 0 16px; }
td, th { border: 1px solid #d1d9e0; padding: 6px 13px; }
pre { background: #f6f8fa; padding: 16px; font-size: 12px; line-height: 1.5; }
pre.mermaid { background: none; padding: 0; }
"""


def report(directory: Path) -> Path:
    """Play the job and return its report's page."""
    clock = FakeClock()
    with Simulator(SCENARIO, clock=clock, seed=1) as simulator:
        play(simulator, clock, directory, report_dir=str(directory), on_paused="wait")
    return directory / "report.html"


def summary(directory: Path) -> str:
    """Play a job that fails and return its summary as HTML, near to what GitHub makes of it."""
    clock = FakeClock()
    with Simulator("failure", clock=clock, seed=1) as simulator:
        play(simulator, clock, directory, "github")
    text = (directory / "github_step_summary").read_text("utf-8")
    html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)
    chart = r'<pre><code class="language-mermaid">(.*?)</code></pre>'
    html = re.sub(chart, r'<pre class="mermaid">\1</pre>', html, flags=re.DOTALL)
    return f"<meta charset=utf-8><style>{LIKE_GITHUB}</style>{html}"


def draw_summary(browser: Any, mermaid: Path) -> None:
    """Draw the summary with its chart."""
    page = browser.new_page(viewport={"width": 932, "height": 400})
    with tempfile.TemporaryDirectory() as directory:
        page.set_content(summary(Path(directory)))
    page.add_script_tag(path=mermaid)
    page.evaluate("mermaid.initialize({startOnLoad: false}); mermaid.run()")
    page.wait_for_timeout(1500)
    page.screenshot(path=IMAGES / "summary.png", full_page=True)


def main() -> int:
    """Draw all pictures."""
    IMAGES.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        url = report(directory).as_uri()
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": 1040, "height": 780}, color_scheme=scheme, device_scale_factor=1
            )
            page.goto(url)
            page.wait_for_timeout(500)
            page.screenshot(path=IMAGES / f"report-{scheme}.png")
        for mermaid in sys.argv[1:]:
            draw_summary(browser, Path(mermaid))
        browser.close()
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
