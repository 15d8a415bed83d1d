"""The log viewer of a page as tests look at it: every line it can show, and whether it is said to be live."""

from playwright.sync_api import Page
from tests.integration.program import wait_for

CHIP = ".connection"
LOG = "q-log .log-state"
_TRANSCRIPT = """
async (first) => {
  const pane = document.querySelector('q-log .log-pane');
  const seen = new Map();
  for (let turn = 0; turn < 3_000 && !seen.has(first); turn++) {
    for (const line of pane.querySelectorAll('.line')) {
      const number = Number(line.querySelector('.no').textContent.replaceAll(',', ''));
      if (number) seen.set(number, line.querySelector('.says').textContent);
    }
    pane.dispatchEvent(new KeyboardEvent('keydown', { key: 'PageUp', bubbles: true }));
    await new Promise(requestAnimationFrame);
  }
  return [...seen].sort(([one], [other]) => one - other);
}
"""
_WATCH = """
(both) => {
  window.notLive = new Set();
  const look = () => both.forEach((one) => {
    if (document.querySelector(one)?.dataset.state !== 'live') window.notLive.add(one);
  });
  new MutationObserver(look).observe(document, { subtree: true, attributes: true, childList: true });
}
"""


def transcript(page: Page, first: int) -> list[list[object]]:
    """Number and text of every line from where it stands up to the line with this number, a screen at a time.

    What it does not reach is missing: it stops at some time, for an alarm of ours does not reach a page that goes on.
    """
    found: list[list[object]] = page.evaluate(_TRANSCRIPT, first)
    return found


def watch(page: Page) -> None:
    """Note from now on when the page or its log does not call itself live, however short it is."""
    page.evaluate(_WATCH, [CHIP, LOG])


def was_not_live(page: Page) -> None:
    """Wait until, since it is watched, both have once not called themselves live."""
    wait_for(lambda: page.evaluate("window.notLive.size") == 2, "both were not live")
