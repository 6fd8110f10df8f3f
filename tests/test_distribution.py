"""What `make test` deals to its processes, and what of it coverage watches."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.distribution import LONGEST, ROOT, WITH_SECURE_BROKER, dealt_with
from tests.measured import CORE, UNWATCHED, watched


def test_every_file_that_is_dealt_first_is_there_once() -> None:
    assert [name for name in LONGEST if not (ROOT / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_the_files_that_take_the_secure_broker_are_dealt_together() -> None:
    others = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    taking = {str(path.relative_to(ROOT)) for path in others if "secure_broker: SecureBroker" in path.read_text(encoding="utf-8")}
    assert taking
    assert taking <= set(WITH_SECURE_BROKER)
    assert {dealt_with(f"{file}::test_one[a::b]") for file in WITH_SECURE_BROKER} == {"with the secure broker"}
    assert dealt_with("tests/test_docs.py::test_one") == "tests/test_docs.py"


def test_coverage_watches_the_tests_of_the_cores_parts_alone() -> None:
    assert all(path.exists() for path in UNWATCHED)
    assert watched(CORE / "labels" / "test_looks.py")
    assert watched(CORE / "test_pipeline.py")
    assert not watched(CORE / "laws" / "test_cutting.py")
    assert not watched(CORE / "action" / "test_action_laws.py")
    assert not watched(Path(__file__))


def test_coverage_does_not_watch_this_test(pytestconfig: pytest.Config) -> None:
    plugin = pytestconfig.pluginmanager.getplugin("_cov")
    assert plugin is None or plugin.cov_controller is None or not plugin.cov_controller.started
