"""A headless Chromium for tests: fresh profile, no calls of its own to anywhere, and what its console said."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from tests.machine import Chromium

PATIENCE_S = 60.0  # only reached when something is broken
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --no-proxy-server --hide-scrollbars"
)


class Browser:
    """One window."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def look(self, width: int = 1280, height: int = 1000, scheme: str = "light", motion: str = "no-preference") -> None:
        """Set the window's size in CSS pixels, and what its owner prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def until(self, holds: Callable[[], Any]) -> None:
        """Wait until it holds."""
        WebDriverWait(self.driver, PATIENCE_S, 0.05).until(lambda _: holds())

    def text(self, selector: str) -> str:
        """The text of the first element that the selector finds."""
        return str(self.script("return document.querySelector(arguments[0]).textContent", selector))

    def script(self, source: str, *arguments: object) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(source, *arguments)

    def complaints(self) -> list[str]:
        """What the console has said since it was last asked: errors, warnings, violations of the page's policy."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def picture(self) -> bytes:
        """The whole page as PNG."""
        self.driver.execute_cdp_cmd("Page.bringToFront", {})
        size = self.script("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})["data"])


@contextmanager
def opened(chromium: Chromium, profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own, until the block ends."""
    options = ChromeOptions()
    options.binary_location = str(chromium.browser)
    for flag in [*FLAGS.split(), f"--user-data-dir={profile}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(str(chromium.driver)))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
