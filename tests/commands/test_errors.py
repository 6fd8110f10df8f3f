"""How a command ends: the exit code and the words on stderr, for everything that can come out of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from worker.commands.errors import guarded
from worker.errors import ClickscoreError, ConfigurationError, Problem

ROOT = Path(__file__).parents[2]


def raiser(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def test_success_is_0_and_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(lambda: None) == 0
    assert capsys.readouterr().err == ""


def test_an_error_says_what_where_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raiser(ClickscoreError("the log is locked", "shop.db", "stop the other worker"))) == 1
    assert capsys.readouterr().err == "Error: the log is locked\n  where: shop.db\n  to do: stop the other worker\n"


def test_a_configuration_error_is_78_and_says_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raiser(ConfigurationError([Problem("one", "here"), Problem("two")]))) == 78
    assert capsys.readouterr().err == "Error: one\n  where: here\nError: two\n"


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert guarded(lambda: (tmp_path / "none.jsonl").open().close()) == 1
    error = capsys.readouterr().err
    assert "no such file or directory" in error
    assert "none.jsonl" in error
    assert "check the path" in error


@pytest.mark.parametrize("wanted", ["0", "1"])
def test_a_fault_shows_its_traceback_only_on_demand(wanted: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKSCORE_TRACEBACK", wanted)
    assert guarded(raiser(ZeroDivisionError("division by zero"))) == 1
    error = capsys.readouterr().err
    assert "unexpected ZeroDivisionError: division by zero" in error
    assert "test_errors.py, line" in error
    assert ("Traceback" in error) == (wanted == "1")


@pytest.mark.parametrize(("end", "code"), [(0, 0), (2, 2), (None, 0), ("words", 1)])
def test_an_exit_keeps_its_code(end: int | str | None, code: int) -> None:
    assert guarded(raiser(SystemExit(end))) == code


def start(script: str) -> subprocess.Popen[str]:
    """Run a script in a process of its own, its output buffered as it is for a user."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", f"import sys; from worker.commands.errors import guarded; {script}"]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def test_ctrl_c_ends_quietly_with_130() -> None:
    with start("sys.exit(guarded(lambda: print('ready', flush=True) or sys.stdin.read()))") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "")


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_closed_pipe_ends_quietly(lines: int) -> None:
    # One line waits in the buffer until the end; many meet the closed pipe in the middle.
    with start(f"sys.stdin.read(); sys.exit(guarded(lambda: [print('line') for _ in range({lines})]))") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (1, "")
