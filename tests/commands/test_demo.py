"""`clickscore demo` as a pipe and as a pair of hands see it: it ends well, leaves no process and no litter, and what it suggests works."""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from worker.demo.run import MARK, refuse_to_replace, settings_of, working_log
from worker.demo.workers import ROLES, Workers
from worker.errors import ClickscoreError
from worker.log.embedded import EmbeddedLog

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300.0  # a bound on waiting for a broken demo, not a claim on its speed
ENDLESS = ("--users", "5000", "--days", "365")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The temporary files go where the test can see what is left of them."""
    (folder / "tmp").mkdir(exist_ok=True)
    plain = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR"}}
    return {**plain, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "TMPDIR": str(folder / "tmp"), **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "worker", "demo", *arguments]


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(*arguments), cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        select.select([], [], [], 0.05)


def left_over(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() or path.name.startswith("clickscore-demo-"))


# ---- in a pipe


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the output of a small demo that went to its end."""
    folder = tmp_path_factory.mktemp("demo")
    run = subprocess.run(
        command("--users", "500", "--days", "12"), cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    return folder, run.stdout


def test_it_says_what_happened_and_what_was_learned(played: tuple[Path, str]) -> None:
    _, output = played
    happened = re.search(r"([\d,]+) events of ([\d,]+) customers became ([\d,]+) scores", " ".join(output.split()))
    assert happened
    events, customers, scores = (int(number.replace(",", "")) for number in happened.groups())
    assert scores > events > customers > 100
    for target in ("purchase", "intent", "churn"):
        assert re.search(rf"^{target} +\S.*: (log-loss|still warming up)", output, re.MULTILINE)
    assert "Stopped" not in output


def test_no_control_code_and_no_log_line_is_in_the_way(played: tuple[Path, str]) -> None:
    _, output = played
    assert "\x1b" not in output
    assert '"level"' not in output


def test_only_what_is_broken_is_a_dead_letter(played: tuple[Path, str]) -> None:
    """On the shop's clock no event of the replayed weeks is from the future, but those of a phone that lives in 2100 are."""
    folder, _ = played
    with closing(EmbeddedLog(folder / "clickscore-demo.db", create=False)) as log:
        letters = [dict(record.headers) | {"value": record.value or b""} for record in log.read("clickscore.deadletter", 0)]
    assert letters
    assert {b"u-clock" in letter["value"] for letter in letters if letter["clickscore.reason"] == b"from_the_future"} <= {True}


def test_the_next_commands_work(played: tuple[Path, str]) -> None:
    folder, output = played
    commands = [line.strip() for line in output.partition("\nNext\n")[2].splitlines() if line.strip()]
    assert [" ".join(shlex.split(line)[3:4]) for line in commands] == ["explain", "top"]
    user = shlex.split(commands[0])[4]
    for line in commands:
        run = subprocess.run(shlex.split(line), cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (0, "")
        assert user in run.stdout or "top" in line
        assert run.stdout.count("\n") > 3


def test_only_the_kept_file_is_left(played: tuple[Path, str]) -> None:
    assert left_over(played[0]) == ["clickscore-demo.db"]


# ---- ended early


def test_ctrl_c_ends_it_with_a_partial_summary(tmp_path: Path) -> None:
    with started(tmp_path, *ENDLESS) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(re.search(r"UTC \| [1-9][\d,]* events", line) for line in lines)
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, error) == (0, "")
    assert "Stopped on day" in output
    assert "explain u" in output
    assert left_over(tmp_path) == ["clickscore-demo.db"]


def test_q_ends_it_on_a_terminal_and_gives_the_terminal_back(tmp_path: Path) -> None:
    keyboard, screen = os.openpty()
    with subprocess.Popen(
        command(*ENDLESS),
        cwd=tmp_path,
        env=environment(tmp_path, TERM="xterm-256color"),
        stdin=screen,
        stdout=screen,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        os.close(screen)
        shown = bytearray()

        def see(what: bytes) -> bool:
            if select.select([keyboard], [], [], 0)[0]:
                with suppress(OSError):  # the other end is closed
                    shown.extend(os.read(keyboard, 65536))
            return re.search(what, shown) is not None

        try:
            until(lambda: see(rb"[1-9][\d,]* events.{0,40}[1-9][\d,]* users"))
            os.write(keyboard, b"q")
            until(lambda: see(rb"top churn --embedded") and process.poll() is not None)
        finally:
            process.kill()
            os.close(keyboard)
        assert process.stderr is not None
        assert (process.returncode, process.stderr.read()) == (0, b"")
    before, _, after = bytes(shown).rpartition(b"\x1b[?1049l")
    assert b"\x1b[?1049h" in before
    assert b"Stopped on day" in after


def test_no_worker_outlives_a_demo_that_was_killed(tmp_path: Path) -> None:
    with started(tmp_path, *ENDLESS) as process:
        assert process.stdout is not None
        assert any(re.search(r"UTC \| [1-9][\d,]* events", line) for line in iter(process.stdout.readline, ""))
        process.kill()
        # the workers hold the other end of these pipes: they are at their end once all have gone
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGKILL


# ---- what can go wrong


def test_a_file_that_is_no_demos_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine.db"
    with closing(EmbeddedLog(mine)):
        pass
    before = mine.read_bytes()
    run = subprocess.run(command("--keep", str(mine)), cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "no demo has written it" in run.stderr
    assert "--keep" in run.stderr
    assert mine.read_bytes() == before


def test_what_a_demo_kept_may_be_replaced(tmp_path: Path) -> None:
    kept = tmp_path / "kept.db"
    with closing(EmbeddedLog(kept)) as log:
        log.create([MARK])
    refuse_to_replace(kept)
    assert kept.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClickscoreError, match="does not exist"):
        refuse_to_replace(tmp_path / "none" / "kept.db")


def test_a_worker_that_cannot_work_is_told_of(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "demo.db")
    (tmp_path / "demo.db").write_bytes(b"this is no log" * 100)

    def failed() -> bool:
        try:
            return not list(workers.reports()) and False
        except ClickscoreError as error:
            return any(f"the demo's {role} has stopped" in str(error) for role in ROLES)

    with Workers(settings, 0) as workers:
        until(failed)


def test_workers_end_when_they_are_told_to(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "demo.db")
    with closing(working_log(settings)), Workers(settings, 0) as workers:
        assert list(workers.reports()) == []
    assert workers.exit_codes == [0, 0]
