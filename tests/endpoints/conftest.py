"""One browser for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.endpoints.browser import Browser, opened
from tests.endpoints.shop import Shop, endpoint_settings
from tests.machine import Chromium


@pytest.fixture(scope="session")
def window(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with opened(chromium, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """The browser on an empty page, as a person with a large light screen has it."""
    window.look()
    window.complaints()
    yield window
    window.driver.get("about:blank")  # no page polls what is closed


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A shop that was scored and judged, and is not served yet."""
    made = Shop(endpoint_settings()).work()
    for target in made.settings.targets:
        made.judge(target)
    yield made
    made.shut()
