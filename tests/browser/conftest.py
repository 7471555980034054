"""A browser: Debian's Chromium, driven by Playwright; every page is watched for errors."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from homezy.models import User

SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"


# For a module, not the session: while its loop runs, every other test of this process would be
# taken for asynchronous code.
@pytest.fixture(scope="module")
def chromium(asynchronous: None) -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail("Chromium is missing: apt-get install chromium")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        # No sandbox: CI is root in a container, and the pages are our own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", autouse=True)
def asynchronous() -> Iterator[None]:
    """Playwright's loop runs in this thread, and Django would take it for asynchronous code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture
def problems() -> Iterator[list[str]]:
    """Collect what the browser complains about; there must be nothing at the end."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def open_browser(
    chromium: Browser, live_server: Any, problems: list[str]
) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a window in which an operator is logged in."""
    User.objects.create_superuser("operator@example.com", "secret", first_name="Omar")
    contexts: list[BrowserContext] = []

    def open_window(**options: Any) -> Page:
        context = chromium.new_context(
            base_url=live_server.url, **{"viewport": {"width": 1280, "height": 900}} | options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: (
                problems.append(message.text)
                if message.type == "error" and "favicon" not in str(message.location)
                else None
            ),
        )
        page.goto("/admin/login/?next=/admin/credits/")
        page.fill("#id_username", "operator@example.com")
        page.fill("#id_password", "secret")
        page.click("[type=submit]")
        return page

    yield open_window
    for context in contexts:
        context.close()


def picture(page: Page, name: str, *, whole: bool = True) -> None:
    """Keep what the page looks like."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole)
