"""Draw the pictures of the README anew: python -m tests.browser.screenshots

The report is that of a whole job against the simulator; look at the pictures before they are
committed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from opsera_step.simulator import Simulator
from opsera_step.timing import FakeClock
from tests.browser.conftest import CHROMIUM
from tests.e2e.support import ROOT, play

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


def report(folder: Path) -> Path:
    """Play the job and return its report's page."""
    clock = FakeClock()
    with Simulator(SCENARIO, clock=clock, seed=1) as simulator:
        play(simulator, clock, folder, report_dir=str(folder), on_paused="wait")
    return folder / "report.html"


def main() -> int:
    """Draw all pictures."""
    IMAGES.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        address = report(folder).as_uri()
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": 1040, "height": 780}, color_scheme=scheme, device_scale_factor=1
            )
            page.goto(address)
            page.wait_for_timeout(500)
            page.screenshot(path=IMAGES / f"report-{scheme}.png")
        browser.close()
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
