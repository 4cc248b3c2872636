"""A real browser without a network, which reads reports from the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

REQUIRED = os.environ.get("OPSERA_STEP_BROWSER_TESTS") == "required"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start Chromium, if the machine has it."""
    if CHROMIUM is None:
        why = "there is no Chromium on this machine; on Debian: apt install chromium"
        if REQUIRED:
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        # A container's root has no sandbox for it to run in.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and all that it did beside showing itself."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: Path, fragment: str = "") -> Any:
        """Load a report from the disk."""
        self.page.goto(f"{path.as_uri()}{fragment}")
        return self.page


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a report; afterwards it must have requested and reported nothing.

    The arguments are the path, a fragment of the URL, and those of a browser's context.
    """
    opened: list[tuple[Watched, Any]] = []

    def open_page(path: Path, fragment: str = "", script: str = "", **options: Any) -> Any:
        options = {"viewport": {"width": 1100, "height": 800}, "offline": True, **options}
        context = browser.new_context(**options)
        context.set_default_timeout(15_000)
        if script:
            context.add_init_script(script)
        watched = Watched(context.new_page())
        watched.page.on("console", lambda one: watched.complaints.append(one.text))
        watched.page.on("pageerror", lambda one: watched.complaints.append(str(one)))
        watched.page.on("dialog", lambda one: watched.complaints.append(one.message))
        watched.page.on("request", lambda one: watched.requests.append(one.url))
        opened.append((watched, context))
        return watched.open(path, fragment)

    yield open_page
    seen = [(one.complaints, one.requests) for one, _ in opened]
    for _, context in opened:
        context.close()
    for complaints, requests in seen:
        assert complaints == []
        asked = {url.partition("#")[0].rpartition("/")[2] for url in requests if url[:5] != "data:"}
        assert asked == {"report.html"}
        assert all(url.startswith(("file:", "data:")) for url in requests)
