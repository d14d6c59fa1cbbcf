"""A real browser without a window: Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MISSING = (
    "no Chromium was found: neither {names} on the PATH nor the one that Playwright installs.\n"
    "The pages of reports are looked at in one, without a window:\n"
    "  apt-get install chromium          (Debian, Ubuntu)\n"
    "  playwright install chromium       (elsewhere, into your home folder)"
)
PATIENCE = 300_000
"""Milliseconds that it may take for anything where a busy machine is in its way."""
_QUIET = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def find_browser(playwright: Playwright) -> str:
    """The program; FileNotFoundError says how to get one."""
    own = playwright.chromium.executable_path
    found = next((path for name in _NAMES if (path := shutil.which(name)) is not None), None)
    if found is None and not Path(own).exists():
        raise FileNotFoundError(_MISSING.format(names=", ".join(_NAMES)))
    return found or own


@contextmanager
def a_browser() -> Iterator[Browser]:
    """A browser of one's own, gone at the end. Chromium does not keep its sandbox for root, so root does without."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_browser(playwright), args=_QUIET, chromium_sandbox=os.geteuid() != 0, timeout=PATIENCE
        )
        with browser:
            yield browser
