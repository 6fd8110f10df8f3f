"""What is said where this machine lacks something that tests need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.machine import Chromium

ROOT = Path(__file__).parents[1]
NEEDING = """
def test_one(bootstrap):
    assert bootstrap
def test_two(broker):
    assert broker
def test_three():
    assert True
def test_four(chromium):
    assert chromium
"""


@pytest.mark.parametrize(
    ("ci", "outcome", "more"), [("", "1 passed, 3 skipped", ()), ("true", "1 passed, 3 errors", ()), ("", "1 passed, 3 skipped", ("-n2",))]
)
def test_what_is_missing_is_said_loudly_and_fails_in_ci(tmp_path: Path, ci: str, outcome: str, more: tuple[str, ...]) -> None:
    (tmp_path / "test_needing.py").write_text(NEEDING)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "PYTEST_"))}
    environment |= {"CI": ci, "KAFKA_HOME": str(tmp_path), "PATH": str(tmp_path), "PYTHONPATH": str(ROOT)}
    plugins = ["-p", "tests.machine", "-p", "tests.kafka.fixtures", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugins, *more, "--rootdir", str(tmp_path), "-c", os.devnull, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert outcome in done.stdout.splitlines()[-1].replace(" in ", " in\n").splitlines()[0]
    assert done.stdout.count("!! NOT EVERYTHING IS TESTED !!") == 1
    said = [line for line in done.stdout.splitlines() if "tests were NOT RUN" in line]
    assert [line.split(":")[0] for line in said] == [f"{n} tests were NOT RUN, for this machine has no {what}" for n, what in ((2, "Kafka"), (1, "Chromium"))]
    assert "KAFKA_HOME is no unpacked Kafka" in said[0]
    assert "apt-get install --no-install-recommends chromium" in said[1]
    assert done.returncode == (1 if ci else 0)


def test_what_is_found_can_be_run(prometheus: Path, promtool: Path, chromium: Chromium) -> None:
    for program in (prometheus, promtool, *chromium):
        said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
        assert "version" in (said.stdout + said.stderr).lower() or "chrom" in said.stdout.lower()
