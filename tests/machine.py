"""What tests need of the machine besides Python, in one place: Kafka, openssl, Prometheus and its promtool, Chromium and its driver.

Where something of it is missing, the tests that need it are not run, and the last section of the output says loudly what was NOT RUN and why;
with CI=true they fail instead. What is there and does not work is a failure everywhere. .ci/run installs what it can.

tests/conftest.py loads this file as a plugin, so every folder has its fixtures. Kafka and openssl are looked for in tests/kafka/fixtures.py.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import pytest

from worker.errors import ClickscoreError

NOT_RUN = "NOT RUN, for this machine has no"
_REASON = re.compile(rf"{NOT_RUN} (.+)")

T = TypeVar("T")


class CommandMissing(ClickscoreError):
    """A program that tests start is not on the PATH."""


class Chromium(NamedTuple):
    """A browser, and the program that drives it for Selenium."""

    browser: Path
    driver: Path


@pytest.fixture(scope="session")
def prometheus() -> Path:
    """The Prometheus server's binary; a test starts one of its own."""
    return had("Prometheus", lambda: command("prometheus", package="prometheus"), CommandMissing)


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The binary that checks metrics and rules."""
    return had("promtool", lambda: command("promtool", package="prometheus"), CommandMissing)


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    """A headless browser's binaries."""

    def find() -> Chromium:
        browser = command("chromium", "chromium-browser", "google-chrome", package="chromium")
        return Chromium(browser, command("chromedriver", package="chromium-driver"))

    return had("Chromium", find, CommandMissing)


def command(*names: str, package: str) -> Path:
    """The first of these programs that is on the PATH. Raises CommandMissing, which names the Debian package that has it."""
    for name in names:
        if found := shutil.which(name):
            return Path(found)
    raise CommandMissing(f"no {' or '.join(names)} on the PATH", todo=f"install it; on Debian: apt-get install --no-install-recommends {package}")


def had(what: str, find_or_make: Callable[[], T], *missing: type[ClickscoreError]) -> T:
    """What tests need from this machine. Where it is `missing`, the test ends: with CI=true as failed, else as not run."""
    try:
        return find_or_make()
    except missing as error:
        reason = f"{NOT_RUN} {what}: {'; '.join(line.strip() for line in str(error).splitlines())}"
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    yield  # the last word is ours
    # Read from the reports: they come from other processes too, where tests run in several.
    reports = [report for outcome in ("skipped", "failed", "error") for report in terminalreporter.stats.get(outcome, [])]
    told = Counter(found[1] for report in reports if (found := _REASON.search(_text(report.longrepr))))
    if told:
        terminalreporter.section("NOT EVERYTHING IS TESTED", sep="!", red=True, bold=True)
        for reason, count in told.most_common():
            terminalreporter.line(f"{count} tests were NOT RUN, for this machine has no {reason}", red=True, bold=True)


def _text(longrepr: object) -> str:
    """A skip is told as (file, line, reason), a failure as text."""
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
