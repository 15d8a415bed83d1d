"""Real Chromium against a real `quaero up`. A page that says an error or breaks the policy fails its test."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.browser.site import Gate, Site
from tests.integration.program import CONFIG, Program

TOP = Path(__file__).resolve().parents[2]
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_MS = 60_000  # an alarm for a busy machine, no promise
expect.set_options(timeout=PATIENCE_MS)

# Told by the page itself: what its policy refused, and what a probe did.
WITNESS = """
window.__broken = [];
document.addEventListener('securitypolicyviolation', (event) =>
    window.__broken.push(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
// Chromium gives up what it loads whenever an interface of this machine comes or goes, as some tests make them do.
window.addEventListener('error', (event) => event.target instanceof HTMLScriptElement && location.reload(), true);
window.__ran = () => window.__broken.push('a probe ran');
window.alert = window.confirm = window.prompt = () => window.__broken.push('a dialog opened');
"""


@pytest.fixture(scope="session", autouse=True)
def _importable() -> None:
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TOP), *(entry for entry in sys.path if entry)])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests. Its driver leaves an event loop running, after which no coroutine test can be run in
    this process: so `make test` names these tests last, and each of its processes takes tests in the order named."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def watched(context: BrowserContext) -> BrowserContext:
    """A context whose pages note what goes wrong in them."""
    context.add_init_script(WITNESS)
    context.set_default_timeout(PATIENCE_MS)
    return context


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile; after the test nothing may have gone wrong in any of its pages."""
    context = watched(browser.new_context(viewport={"width": 1440, "height": 900}))
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    broken = [line for page in context.pages for line in page.evaluate("window.__broken ?? []")]
    context.close()
    assert not errors
    assert not broken


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of that profile."""
    return context.new_page()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server for tests that only look, filled once with something of everything."""
    program = Program(tmp_path_factory.mktemp("shared"), CONFIG)
    site = Site(program)
    site.fill()
    yield site
    program.close()


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server for tests that bring their own jobs, look at nothing else, and leave nothing running."""
    program = Program(tmp_path_factory.mktemp("common"), CONFIG)
    yield Site(program)
    program.close()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """A folder of its own, in which nothing runs yet."""
    program = Program(tmp_path, CONFIG)
    yield program
    program.close()


@pytest.fixture
def site(program: Program) -> Site:
    """A server of its own."""
    return Site(program)


@pytest.fixture
def gate(common: Site) -> Iterator[Gate]:
    """What jobs of this test may wait for; it is open when the test is over."""
    gate = Gate(common.program.place)
    yield gate
    gate.open()
