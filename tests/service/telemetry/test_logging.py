"""The log: what repeats is held back and counted, users are masked, and a level keeps quiet what is below it."""

from __future__ import annotations

import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.service.bench import Bench
from worker.service.masking import masked
from worker.service.telemetry.logging import Logger, open_logger
from worker.service.telemetry.repeats import BURST, KINDS_KEPT, PER_S, Repeats
from worker.settings import ServiceSettings


class At:
    """A clock in a test's hands."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def opened(**settings: Any) -> tuple[Logger, io.StringIO, At]:
    out, at = io.StringIO(), At()
    return open_logger(ServiceSettings(**settings), out, at), out, at


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_repeats_are_held_back_and_the_next_line_says_how_many() -> None:
    log, out, at = opened()
    for offset in range(1_000):
        log.warning("example refused", partition=0, offset=offset)
    log.warning("example refused", partition=1, offset=0)  # of another partition: no repeat
    assert [line["partition"] for line in lines(out)] == [0] * BURST + [1]
    at.s = PER_S
    log.warning("example refused", partition=0, offset=1_000)
    assert lines(out)[-1]["held_back"] == 1_000 - BURST
    assert all("held_back" not in line for line in lines(out)[:-1])


def test_what_nobody_speaks_of_again_is_said_in_the_end() -> None:
    log, out, at = opened()
    for _ in range(BURST + 5):
        log.error("model refused")
    log.say_held_back()
    assert len(lines(out)) == BURST  # it may go on
    at.s = PER_S
    log.say_held_back()
    log.say_held_back(everything=True)
    assert [(line["event"], line["of"], line["lines"], line["level"]) for line in lines(out)[BURST:]] == [("lines held back", "model refused", 5, "error")]


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 30)), max_size=200))
def test_every_line_is_written_or_counted(said: list[tuple[str, int]]) -> None:
    repeats, now_s, written, told = Repeats(), 0.0, 0, 0
    for event, passed_s in said:
        now_s += passed_s
        before = repeats.passes("info", event, {}, now_s)
        written += before is not None
        told += before or 0
    assert written + told + sum(count for _, _, count in repeats.over(now_s, everything=True)) == len(said)


def test_of_too_many_kinds_the_oldest_are_forgotten() -> None:
    repeats = Repeats()
    for number in range(3 * KINDS_KEPT):
        repeats.passes("info", f"event {number}", {}, 0.0)
    assert len(repeats._said) == KINDS_KEPT


def test_debug_lines_are_never_held_back() -> None:
    log, out, _ = opened(log_level="debug")
    for _ in range(3 * BURST):
        log.debug("turn committed")
    assert len(lines(out)) == 3 * BURST


def test_lines_are_counted_by_level() -> None:
    bench = Bench()
    for offset in range(BURST + 3):
        bench.happened.example_refused(0, offset, ValueError("no"))
    assert bench.metric("log_lines_total", level="warning") == BURST
    assert bench.metric("log_lines_held_back_total", level="warning") == 3
    assert bench.metric("examples_refused_total") == BURST + 3  # what is not said is counted all the same


def test_users_are_masked_and_can_be_followed() -> None:
    log, out, _ = opened()
    log.info("looked at", user="anna@example.com", user_id=b"u1", users=["u1", "u2"])
    log.info("looked at", user="anna@example.com")
    text = out.getvalue()
    assert "anna" not in text
    assert '"u1"' not in text
    first, second = lines(out)
    assert first["user"] == second["user"] == masked("anna@example.com")
    assert first["users"] == [first["user_id"], masked("u2")]


def test_a_number_of_users_is_none() -> None:
    log, out, _ = opened()
    log.info("partition restored", users=7)
    assert lines(out)[0]["users"] == 7


def test_a_terminal_gets_words_and_a_file_json() -> None:
    log, out, _ = opened(log_format="console")
    log.info("scored", events=3)
    assert "scored" in out.getvalue()
    assert "events=3" in out.getvalue().replace("\x1b[0m", "")
    assert not out.getvalue().startswith("{")
