"""Which tests coverage watches: those of single parts of worker/core. The others run without its tracer, which makes what they do
a third slower.

So the percentage that `make test` demands is that of the unit tests alone. It can only be lower than that of all tests, never higher:
a line of worker/core that only a law, the service or a command reaches counts as untested until a test in tests/core names what it does.

tests/conftest.py loads this file as a plugin. With --no-cov it does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

CORE = Path(__file__).with_name("core")
# Whole pipelines over drawn shops, the same one several times: long runs over lines that the tests of their parts have reached.
UNWATCHED = {CORE / "laws", CORE / "action" / "test_action_laws.py"}


def watched(path: Path) -> bool:
    """Whether coverage counts what the tests of this file reach."""
    return CORE in path.parents and UNWATCHED.isdisjoint({path, *path.parents})


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    plugin = item.config.pluginmanager.getplugin("_cov")
    controller = None if plugin is None else plugin.cov_controller
    if controller is None or watched(item.path):
        return (yield)
    controller.pause()
    try:
        return (yield)
    finally:
        controller.resume()
