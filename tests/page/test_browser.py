"""The page in a real browser: nothing runs, nothing is loaded, nothing sticks out.

Needs Chromium (of the system, or Playwright's own) and the extra `browser`; skipped without.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.page import page
from tests.page.reports import ATTACK, BREAKOUT, SAMPLE, SETTINGS, hostile, report

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: pip install '.[browser]'"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with playwright.sync_playwright() as driver:
        found = next(filter(None, map(shutil.which, BROWSERS)), None)
        if found is None and not Path(driver.chromium.executable_path).exists():
            pytest.skip(f"no browser here: none of {', '.join(BROWSERS)}, nor playwright's own")
        # Tests run in containers whose root has no user namespaces; the page is our own.
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


class Shown:
    """A page that was opened, and everything that the browser had to say."""

    def __init__(self, browser: Any, path: Path, width: int = 1100, scheme: str = "light") -> None:
        self.said: list[str] = []
        self.refused: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        self.tab = self.context.new_page()
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("dialog", self._refuse)
        self.tab.on("request", lambda request: self.said.append(request.url))
        self.tab.on("requestfailed", lambda request: self.refused.append(request.failure))
        self.tab.goto(path.as_uri())
        assert self.said.pop(0) == path.as_uri()

    def _refuse(self, dialog: Any) -> None:
        self.said.append("dialog")
        dialog.dismiss()

    def ask(self, expression: str) -> Any:
        """What an expression is worth in it."""
        return self.tab.evaluate(expression)


@pytest.fixture
def show(browser, tmp_path) -> Iterator[Any]:
    """Opens a page's bytes."""
    opened: list[Shown] = []

    def shown(data: bytes, **how: Any) -> Shown:
        path = tmp_path / "page.html"
        path.write_bytes(data)
        opened.append(Shown(browser, path, **how))
        return opened[-1]

    yield shown
    for one in opened:
        one.context.close()


@pytest.mark.parametrize("attack", [ATTACK, BREAKOUT, ATTACK + BREAKOUT, BREAKOUT + ATTACK])
def test_scripts_in_records_names_and_messages_stay_text(show, attack):
    """Nothing ran, nothing was loaded, and the browser found nothing to forbid."""
    whole = report(error={"kind": "k", "message": "m", "hint": "h", "retryable": True})
    data = page(hostile(whole, attack), hostile(SETTINGS, attack), [hostile(SAMPLE, attack)])
    shown = show(data)
    shown.tab.mouse.move(300, 300)
    assert shown.said == []
    assert shown.ask("document.querySelectorAll('script, img').length") == 0
    assert not shown.ask("document.title").startswith("ran")
    assert shown.ask("document.querySelector('pre').textContent").endswith(attack.strip())
    handlers = "[...document.querySelectorAll('*')].filter(e => e.onmouseover || e.onerror).length"
    assert shown.ask(handlers) == 0


def test_the_policy_forbids_what_is_put_in(show):
    """Were something not escaped after all: the browser refuses script, style and picture."""
    added = b"<script>document.title='ran'</script><img src=https://h.invalid/x><style>a{}</style>"
    shown = show(page(report(), SETTINGS).replace(b"</main>", b"</main>" + added))
    assert not shown.ask("document.title").startswith("ran")
    policy = [one for one in shown.said if "Content Security Policy" in one]
    assert len(policy) == 3
    assert shown.refused == ["csp"]  # the driver tells of the request that was not made, too
    assert set(shown.said) == {*policy, "https://h.invalid/x"}


@pytest.mark.parametrize("width", [360, 700, 1100])
@pytest.mark.parametrize("text", ["", "x" * 300, "/long" * 60])
def test_nothing_sticks_out(show, width, text):
    """At no width does the page scroll sideways, whatever the length of the words."""
    data = page(hostile(report(), text), hostile(SETTINGS, text), [hostile(SAMPLE, text)])
    shown = show(data, width=width)
    assert shown.ask("document.documentElement.scrollWidth") == width
    assert shown.ask("document.querySelector('svg.plot').getBoundingClientRect().width") < width


def test_light_dark_and_printed(show):
    """Ink on paper, paper on ink, and ink on paper again when a dark page is printed."""
    colour = "getComputedStyle(document.body).backgroundColor"
    assert show(page(report()), scheme="light").ask(colour) == "rgb(255, 255, 255)"
    dark = show(page(report()), scheme="dark")
    assert dark.ask(colour) == "rgb(18, 20, 24)"
    dark.tab.emulate_media(media="print")
    assert dark.ask(colour) == "rgb(255, 255, 255)"
    assert dark.tab.pdf(format="A4").startswith(b"%PDF")


CONTRAST = """() => {
  const parts = c => c.match(/[\\d.]+/g).slice(0, 3).map(v => {
    v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 });
  const light = c => { const [r, g, b] = parts(c); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const ratio = c => (Math.max(light(c), paper) + 0.05) / (Math.min(light(c), paper) + 0.05);
  const words = [...document.querySelectorAll('body *')].filter(e =>
    !e.closest('svg') && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return Math.min(...words.map(e => ratio(getComputedStyle(e).color)));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_words_can_be_read(show, scheme):
    """WCAG AA: 4.5 to 1 for every word on the page."""
    error = {"kind": "k", "message": "m", "hint": "h"}
    data = page(report(error=error, state="failed"), SETTINGS, [SAMPLE])
    assert show(data, scheme=scheme).ask(CONTRAST) >= 4.5
