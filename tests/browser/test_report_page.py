"""The page report.html in a real browser, as a person uses it."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from opsera_step.text import plain
from tests.browser import reports

pytestmark = pytest.mark.long
expect.set_options(timeout=15_000)

PAGES = {
    "failed": reports.failed,
    "colorful": reports.colorful,
    "paused": reports.paused,
    "one-step": reports.one_step,
    "nothing": reports.nothing,
    "states": reports.states,
    "long-names": reports.long_names,
    "hostile": reports.hostile,
    "many-steps": reports.many_steps,
}

LARGE = {
    "long": reports.long,
    "huge-line": reports.huge_line,
    "twelve-thousand-steps": reports.twelve_thousand_steps,
}
_OF_COLOR = ["color-contrast", "link-in-text-block"]
"""The rules that the other colors may break; the rest of the page is the same in both."""


@pytest.fixture(scope="session")
def page_of(tmp_path_factory):
    """Write each report once."""
    written = {}

    def write(name: str):
        if name not in written:
            make = {**PAGES, **LARGE}[name]
            written[name] = make(tmp_path_factory.mktemp("report"))
        return written[name]

    return write


def step(page, name: str):
    """Return the step of that name."""
    return page.locator("details.step").filter(has=page.get_by_text(name, exact=True))


def lines_of(place) -> list[str]:
    """Return the lines that are drawn."""
    return place.locator(".lines .line .text").all_text_contents()


def drawn(page) -> int:
    """Return how many lines are drawn."""
    return page.locator(".lines .line").count()


def _reload(page):
    """Reload the page; Chromium stores what a page remembers in another process, a bit later."""
    page.wait_for_timeout(500)
    page.reload()


class TestReading:
    """What is on the page, and what expands."""

    def test_the_head_has_the_result(self, visit, page_of):
        """Name, run, result, and a link to the pipeline in Opsera."""
        page = visit(page_of("failed"))
        assert page.title() == "failed: Deploy shop, run 42"
        expect(page.get_by_role("heading", level=1)).to_have_text("Deploy shop run 42")
        expect(page.locator("header")).to_contain_text("failed at step “Test” (1 failed).")
        assert page.get_by_role("link", name="View in Opsera").get_attribute("href") == reports.URL

    def test_errors_and_last_lines_of_the_failed_step_are_in_sight(self, visit, page_of):
        """In one listing with their colors, and they lead to their place in the log."""
        page = visit(page_of("failed"))
        excerpt = page.get_by_role("region", name="First errors and last lines of Test")
        expect(excerpt.locator("pre")).to_have_count(1)
        texts = excerpt.locator(".last .text")
        tail = [plain(line) for line in reports.TEST[-20:]]
        gap = len(reports.TEST) - 20 - 3
        assert texts.all_text_contents() == [plain(reports.TEST[2]), f"… {gap} lines", *tail]
        expect(excerpt.locator(".line .text span").first).to_have_text("✗ invoice")
        excerpt.get_by_role("link", name="65").click()
        expect(step(page, "Test").locator(".line.picked .text")).to_have_text("1 failed")

    def test_a_step_expands(self, visit, page_of):
        """Its lines are drawn when it is opened and removed when it is closed."""
        page = visit(page_of("failed"))
        build = step(page, "Build")
        assert lines_of(build) == []
        build.locator("summary").click()
        expect(build.locator(".lines .line")).to_have_count(30)
        assert lines_of(build) == reports.BUILD
        build.locator("summary").click()
        expect(build.locator(".lines .line")).to_have_count(0)

    def test_all_steps_open_and_close_at_once(self, visit, page_of):
        """A button each."""
        page = visit(page_of("failed"), viewport={"width": 1100, "height": 2500})
        expect(page.locator("details.step[open] .word")).to_have_text("failed")
        page.get_by_role("button", name="Expand all").click()
        expect(page.locator(".lines .line")).to_have_count(65)
        page.get_by_role("button", name="Collapse all").click()
        expect(page.locator(".lines .line")).to_have_count(0)

    @pytest.mark.parametrize("width", [1100, 390])
    def test_long_names_take_two_lines_and_stretch_no_bar(self, visit, page_of, width):
        """Until their step is opened, where they are whole."""
        page = visit(page_of("long-names"), viewport={"width": width, "height": 800})
        summary = page.locator("details.step:not([open]) > summary").first
        assert summary.locator(".name").bounding_box()["height"] < 60
        bars = page.locator("svg .bar").all()
        assert {round(bar.bounding_box()["height"]) for bar in bars} <= {12, 14}
        assert summary.locator(".name").get_attribute("title") == reports.LONG_NAME
        whole = "one => one.scrollHeight <= one.clientHeight + 1"
        assert not summary.locator(".name").evaluate(whole)
        summary.click()
        assert page.locator("details.step[open] .name").first.evaluate(whole)

    def test_each_result_has_its_color(self, visit, page_of):
        """An unknown result looks like none of the known ones."""
        page = visit(page_of("states"))
        colors = {}
        for one in page.locator("details.step").all():
            look = "one => getComputedStyle(one).fill + getComputedStyle(one).fillOpacity"
            bars = one.locator("svg .bar")
            word = one.locator(".word").text_content()
            colors[word] = bars.evaluate(look) if bars.count() else None
        assert list(colors) == [
            "succeeded", "failed", "stopped", "waiting for approval", "running", "unknown",
            "not started",
        ]  # fmt: skip
        drawn_ones = [color for color in colors.values() if color]
        assert len(set(drawn_ones)) == len(drawn_ones) == 6

    def test_long_lines_can_be_wrapped(self, visit, page_of):
        """With the switch on no line is wider than the page."""
        page = visit(page_of("hostile"))
        page.get_by_role("button", name="Expand all").click()
        lines = page.locator(".lines").first
        wide = "one => one.scrollWidth > one.clientWidth"
        expect(lines.locator(".line")).to_have_count(len(reports.EVIL))
        assert lines.evaluate(wide)
        page.get_by_role("button", name="Wrap").click()
        assert not lines.evaluate(wide)
        expect(page.get_by_role("button", name="Wrap")).to_have_attribute("aria-pressed", "true")

    def test_hostile_text_is_text(self, visit, page_of):
        """Whatever a log contains is shown as it was written, and nothing of it is done."""
        page = visit(page_of("hostile"))
        page.get_by_role("button", name="Expand all").click()
        lines = page.locator(".lines").first
        expect(lines.locator(".line")).to_have_count(len(reports.EVIL))
        shown = lines.locator(".text").all_text_contents()
        assert shown[:-1] == [plain(line) for line in reports.EVIL[:-1]]
        assert shown[-1] == "x" * 20_000 + " … and 10,003 more characters in log.txt"
        expect(page.get_by_role("heading", level=1)).to_contain_text(reports.EVIL[0])
        page.get_by_role("searchbox").fill("<script>")
        expect(page.locator("#found")).to_have_text(re.compile("of 9$"))
        assert page.evaluate("typeof window.pwned") == "undefined"
        assert page.locator("img, iframe, object, embed, .lines svg, .lines b").count() == 0

    def test_text_of_the_right_to_left_moves_nothing_else(self, visit, page_of):
        """A line number stays on the left of a line in Hebrew."""
        page = visit(page_of("hostile"))
        page.get_by_role("button", name="Expand all").click()
        line = page.locator(".lines .line", has_text="שלום").first
        number = line.locator(".number").bounding_box()
        assert number["x"] < line.locator(".text").bounding_box()["x"]


class TestSearching:
    """The log's own search, for what is not drawn can't be found by the browser's."""

    def search(self, page, text: str, found: str):
        page.get_by_role("searchbox", name="Search the log").fill(text)
        expect(page.locator("#found")).to_have_text(found)

    def test_matches_are_counted_and_gone_through(self, visit, page_of):
        """Enter moves to the next one, Shift+Enter to the previous one, round and round."""
        page = visit(page_of("failed"))
        self.search(page, "FRAME 3", "1 of 2")
        now = page.locator(".lines .line:has(mark.now) .text")
        expect(now).to_have_text("stack frame 3")
        for key, found, text in (
            ("Enter", "2 of 2", "stack frame 30"),
            ("Enter", "1 of 2", "stack frame 3"),
            ("Shift+Enter", "2 of 2", "stack frame 30"),
        ):
            page.keyboard.press(key)
            expect(page.locator("#found")).to_have_text(found)
            expect(now).to_have_text(text)
            expect(now).to_be_in_viewport()
        page.get_by_role("button", name="Next match").click()
        expect(page.locator("#found")).to_have_text("1 of 2")
        page.get_by_role("button", name="Previous match").click()
        expect(page.locator("#found")).to_have_text("2 of 2")

    def test_a_match_in_a_closed_step_opens_it(self, visit, page_of):
        """What is found is shown, wherever it is."""
        page = visit(page_of("failed"))
        self.search(page, "module 17", "1 of 1")
        expect(step(page, "Build")).to_have_attribute("open", "")
        expect(page.locator("mark.now")).to_have_text("module 17")

    def test_colors_hide_no_match(self, visit, page_of):
        """A match continues where the color changes."""
        page = visit(page_of("failed"))
        self.search(page, "invoice: expected 'opt", "1 of 1")
        marks = page.locator(".lines mark.now, .lines mark")
        assert "".join(marks.all_text_contents()) == "invoice: expected 'opt"

    def test_signs_stand_for_themselves(self, visit, page_of):
        """The text is searched as it is written, not as a pattern."""
        page = visit(page_of("failed"))
        self.search(page, "a.b*c", "1 of 1")
        self.search(page, "a.*c", "not found")
        self.search(page, "(", "not found")


class TestLinks:
    """A line of the log has a link."""

    def test_a_link_leads_to_its_line(self, visit, page_of):
        """Its step is opened, and the line is marked and in sight."""
        page = visit(page_of("failed"), "#L17")
        line = page.locator(".line.picked")
        expect(line.locator(".text")).to_have_text("compiling module 17")
        expect(line).to_be_in_viewport()

    def test_a_click_on_a_number_makes_a_link(self, visit, page_of):
        """With Shift it is a range of lines, which can be sent on."""
        path = page_of("failed")
        page = visit(path)
        step(page, "Build").locator("summary").click()
        page.locator(".lines").get_by_role("link", name="5", exact=True).click()
        assert page.url.endswith("#L5")
        page.locator(".lines").get_by_role("link", name="8", exact=True).click(modifiers=["Shift"])
        assert page.url.endswith("#L5-L8")
        expect(page.locator(".line.picked")).to_have_count(4)
        again = visit(path, "#L5-L8")
        expect(again.locator(".line.picked")).to_have_count(4)

    def test_a_line_can_be_gone_to_by_its_number(self, visit, page_of):
        """That needs no mouse."""
        page = visit(page_of("failed"))
        page.get_by_label("Line", exact=True).fill("33")
        page.keyboard.press("Enter")
        expect(page.locator(".lines .line.picked .text")).to_have_text(plain(reports.TEST[2]))

    def test_a_line_that_does_not_exist(self, visit, page_of):
        """A line number that is too large shows a message."""
        page = visit(page_of("failed"), "#L99999")
        expect(page.locator("#said")).to_have_text("Line 99999 not found.")

    def test_numbers_are_not_copied(self, visit, page_of):
        """Who selects lines gets their text only."""
        page = visit(page_of("failed"))
        step(page, "Build").locator("summary").click()
        expect(step(page, "Build").locator(".lines .line")).to_have_count(30)
        page.evaluate("getSelection().selectAllChildren(document.querySelector('.lines .block'))")
        copied = page.evaluate("getSelection().toString()")
        assert [line for line in copied.splitlines() if line] == reports.BUILD


class TestActions:
    """What a reader can do with the lines of a step."""

    def test_the_time_of_each_line_is_shown_on_demand(self, visit, page_of):
        """In UTC, for lines and for the excerpt; the choice is remembered."""
        page = visit(page_of("failed"))
        button = page.get_by_role("button", name="Times")
        expect(page.locator(".clock")).to_have_count(0)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        first = step(page, "Test").locator(".lines .line").first.locator(".clock")
        expect(first).to_have_text("00:00:25")
        assert first.get_attribute("datetime") == "2026-01-01T00:00:25.000Z"
        expect(page.locator(".excerpt .clock")).to_have_count(21)
        _reload(page)
        expect(step(page, "Test").locator(".lines .clock").first).to_be_visible()
        page.get_by_role("button", name="Times").click()
        expect(page.locator(".clock")).to_have_count(0)

    def test_the_log_of_a_step_can_be_copied(self, visit, page_of):
        """All of its lines, without colors and numbers."""
        copied = "navigator.clipboard.writeText = (text) => { window.copied = text; }"
        script = f"Object.defineProperty(navigator, 'clipboard', {{value: {{}}}}); {copied}"
        page = visit(page_of("failed"), script=script)
        test = step(page, "Test")
        test.get_by_role("button", name="Copy log").click()
        expect(test.get_by_role("button", name="Copied")).to_be_visible()
        expect(page.locator("#said")).to_have_text("Copied")
        assert page.evaluate("window.copied") == "".join(f"{plain(one)}\n" for one in reports.TEST)
        expect(test.get_by_role("button", name="Copy log")).to_be_visible()

    def test_without_the_clipboard_the_old_way_is_taken(self, visit, page_of):
        """Some browsers give none to a page from the disk."""
        script = "Object.defineProperty(navigator, 'clipboard', {value: undefined})"
        page = visit(page_of("failed"), script=script)
        page.evaluate("document.execCommand = (name) => (window.did = name) === 'copy'")
        step(page, "Test").get_by_role("button", name="Copy log").click()
        expect(step(page, "Test").get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("window.did") == "copy"
        assert page.locator("textarea").count() == 0

    def test_a_step_has_a_link(self, visit, page_of):
        """Which opens that step."""
        path = page_of("failed")
        page = visit(path)
        step(page, "Build").locator("summary").click()
        step(page, "Build").get_by_role("link", name="Link to this step").click()
        assert page.url.endswith("#step-1")
        again = visit(path, "#step-1")
        expect(step(again, "Build").locator(".lines .line")).to_have_count(30)


class TestLongLogs:
    """However long a log is, only what is looked at is drawn."""

    def test_few_lines_are_drawn_at_a_time(self, visit, page_of):
        """With all open, and wherever the reader is."""
        page = visit(page_of("long"))
        page.get_by_role("button", name="Expand all").click()
        expect(page.locator(".part")).to_have_count(3)
        for place in (0.3, 0.9, 0.1):
            page.evaluate(f"scrollTo(0, document.documentElement.scrollHeight * {place})")
            expect(page.locator(".lines .line").first).to_be_attached()
            page.wait_for_timeout(200)
            assert 0 < drawn(page) <= 2500

    def test_the_end_can_be_found_and_gone_to(self, visit, page_of):
        """The last of a hundred thousand lines, by its text and by its number."""
        page = visit(page_of("long"))
        page.get_by_role("searchbox").fill("the very last line")
        expect(page.locator("#found")).to_have_text("1 of 1", timeout=30_000)
        expect(page.locator("mark.now")).to_be_in_viewport()
        page.get_by_label("Line", exact=True).fill("70000")
        page.keyboard.press("Enter")
        expect(page.locator(".line.picked")).to_be_in_viewport()
        expect(page.locator(".line.picked .text")).to_contain_text("070000 object")

    def test_a_line_of_many_megabytes_does_not_freeze_the_search(self, visit, page_of):
        """The page has only its first characters, and finds what follows at once."""
        page = visit(page_of("huge-line"))
        page.get_by_role("searchbox").fill("the very last line")
        expect(page.locator("#found")).to_have_text("1 of 1", timeout=5_000)
        page.get_by_role("searchbox").fill("x")
        expect(page.locator("#found")).to_have_text("1 of 10000+", timeout=5_000)

    def test_twelve_thousand_steps(self, visit, page_of):
        """The page opens, and a step at the end can be opened."""
        page = visit(page_of("twelve-thousand-steps"), "#step-11999")
        expect(page.locator("#step-11999")).to_have_attribute("open", "")


class TestEveryReader:
    """Accessibility: keyboard, print, small screens, and dark mode."""

    @pytest.mark.parametrize("name", PAGES)
    def test_it_is_accessible(self, visit, page_of, name):
        """The rules of axe-core hold, in light and dark: names, roles, order, contrast."""
        axe = Axe()
        page = visit(page_of(name), color_scheme="light")
        if name not in ("nothing", "many-steps"):
            page.get_by_role("button", name="Expand all").click()
            page.get_by_role("searchbox").fill("e")
            expect(page.locator("mark.now").first).to_be_visible()
        assert _violations(axe, page) == []
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(100)
        assert _violations(axe, page, runOnly=_OF_COLOR) == []

    @pytest.mark.parametrize("name", PAGES)
    def test_it_fits_a_phone(self, visit, page_of, name):
        """Nothing but the log itself is wider than the screen, however narrow that is."""
        page = visit(page_of(name), viewport={"width": 320, "height": 640}, has_touch=True)
        for one in page.locator("details.step").all()[:4]:
            one.locator("summary").first.click()
        for width in (320, 600, 800):
            page.set_viewport_size({"width": width, "height": 640})
            assert page.evaluate("document.documentElement.scrollWidth") <= width

    def test_it_follows_the_system_and_can_be_switched(self, visit, page_of):
        """The button is labelled with what it switches to, and the choice is remembered."""
        page = visit(page_of("failed"), color_scheme="dark")
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(ground)
        page.get_by_role("button", name="Light theme").click()
        light = page.evaluate(ground)
        assert light != dark
        _reload(page)
        assert page.evaluate(ground) == light
        page.get_by_role("button", name="Dark theme").click()
        assert page.evaluate(ground) == dark
        expect(page.get_by_role("button", name="Light theme")).to_be_visible()

    def test_on_a_phone_the_head_leaves_room_for_the_log(self, visit, page_of):
        """With a long name, a long failed step, and a hint it takes half of the screen at most."""
        page = visit(page_of("long-names"), viewport={"width": 390, "height": 844})
        assert page.locator("header").bounding_box()["height"] < 844 / 2

    def test_the_keyboard_is_enough(self, visit, page_of):
        """Skip, search, unfold and scroll without a mouse; what has the focus can be seen."""
        page = visit(page_of("failed"))
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        expect(page.locator(".skip")).to_be_in_viewport()
        page.keyboard.press("Enter")
        expect(page.locator("#steps")).to_be_focused()
        page.keyboard.press("Tab")
        summary = step(page, "Build").locator("summary")
        expect(summary).to_be_focused()
        outline = summary.evaluate("one => getComputedStyle(one).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Enter")
        expect(step(page, "Build").locator(".lines .line")).to_have_count(30)
        for _ in range(3):  # the link, the button, and then the lines
            page.keyboard.press("Tab")
        expect(page.get_by_role("region", name="Log of Build")).to_be_focused()
        page.keyboard.press("Control+f")
        expect(page.get_by_role("searchbox")).to_be_focused()

    def test_without_script_the_last_lines_are_there(self, visit, page_of):
        """And the head, the steps, and where all lines are."""
        page = visit(page_of("failed"), java_script_enabled=False)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        step(page, "Build").locator("summary").click()
        expect(step(page, "Build").locator("pre")).to_contain_text("compiling module 30")
        expect(step(page, "Build")).to_contain_text("Last lines. The full log is in log.txt.")
        assert page.locator("#tools").is_hidden()
        assert page.locator("#theme").is_hidden()

    def test_it_can_be_read_without_style_too(self, browser, page_of):
        """Jenkins by default shows an artifact with neither style nor script."""
        path = page_of("failed")
        policy = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
        page = browser.new_page(offline=True)
        page.route(
            "**/*",
            lambda route: route.fulfill(
                body=path.read_text("utf-8"),
                content_type="text/html",
                headers={"Content-Security-Policy": policy},
            ),
        )
        page.goto("https://jenkins.test/report.html")
        expect(page.locator(".excerpt pre").last).to_contain_text("65 1 failed")
        assert page.locator("h1").evaluate("one => getComputedStyle(one).fontSize") == "32px"
        fills = page.locator("svg .bar").evaluate_all(
            "all => all.map(one => one.ownerSVGElement && getComputedStyle(one).fill)"
        )
        assert fills[0] != fills[2]
        page.close()

    def test_it_can_be_printed(self, visit, page_of):
        """On paper are the result, the last lines, and the steps, in black on white."""
        page = visit(page_of("failed"), color_scheme="dark")
        page.get_by_role("button", name="Expand all").click()
        page.emulate_media(media="print", color_scheme="light")
        for shown in ("h1", ".excerpt .line", ".step summary"):
            expect(page.locator(shown).first).to_be_visible()
        for hidden in ("#tools", "#theme", ".lines"):
            expect(page.locator(hidden).first).to_be_hidden()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(255, 255, 255)"
        )


def _violations(axe, page, **options) -> list[str]:
    found = axe.run(page, options={"resultTypes": ["violations"], **options})
    found = found.response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['any'][0]['message'] if node['any'] else ''}"
        for one in found
        for node in one["nodes"]
    ]
