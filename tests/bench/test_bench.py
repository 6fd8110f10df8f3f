"""What figures rest on: the same events in every run, latency from due times, and aims that compare figures of one run."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from bench import aims, figures, page
from bench.events import Spread, Stream
from bench.figures import Figure, Run
from worker.core.events.decoding import decode

MACHINE = {
    "cpu": "x", "cores": "2", "memory": "1 GiB", "system": "s", "python": "3", "libraries": "n 1", "broker": "b",
    "clickscore": "0 at abc", "date": "2026-01-01 00:00 UTC", "load before": "0.10",
}  # fmt: skip


@pytest.mark.parametrize("spread", ["uniform", "zipf", "hot"])
def test_events_are_the_same_in_every_run_and_none_is_refused(spread: Spread) -> None:
    first, again = Stream(50, spread), Stream(50, spread)
    lines = first.take(300) + first.take(200)
    assert lines == again.take(300) + again.take(200)
    batch, rejected = decode(lines)
    assert not rejected
    assert len(set(batch.event_id)) == 500
    assert batch.time_ms.tolist() == sorted(batch.time_ms.tolist())
    assert (max(map(batch.user_id.count, set(batch.user_id))) > 100) == (spread != "uniform")


def test_everybody_comes_once() -> None:
    keyed = [pair for chunk in Stream(120).everybody() for pair in chunk]
    assert [key for key, _ in keyed] == [b"u%d" % number for number in range(120)]
    assert all(orjson.loads(value)["user_id"].encode() == key for key, value in keyed)


def run(part: str, **values: float | None) -> dict[str, Run]:
    return {part: Run(part, MACHINE, [Figure(key, key, value, "events/s", "" if value is not None else "it did not install") for key, value in values.items()])}


def test_an_aim_is_a_ratio_of_one_run_and_says_when_it_was_not_measured() -> None:
    keys = {"rate.clickscore-librdkafka-every": 60_000.0, "rate.quix-0.1": 16_000.0, "rate.quix-1": 20_001.0, "rate.streams": None}
    told = {label: (figure, reached) for label, _, figure, reached in aims.rows(run("kafka-rate", **keys))}
    assert told["the same over librdkafka, against Quix Streams at commit 0.1 s"] == ("3.75 ×", "**no**")
    assert told["… against Quix Streams at commit 1 s"] == ("3 ×", "**no**")
    assert told["… against Kafka Streams"] == ("not measured", "")


def test_an_upper_bound_is_reached_from_below() -> None:
    told = {
        label: reached for label, _, _, reached in aims.rows(run("kafka-restart", **{"restart.kafka-python.100000": 4.9, "restart.librdkafka.100000": 5.1}))
    }
    assert told["SIGKILL to the first new score, 100,000 profiles, kafka-python"] == "yes"
    assert told["the same, librdkafka"] == "**no**"


def test_the_page_changes_between_its_marks_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "before\n<!-- figures: rest -->\nold\n<!-- end -->\nbetween\n<!-- figures: users -->\nstays: it was not measured\n<!-- end -->\nafter\n"
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(page, "CHECKOUT", tmp_path)
    page.PAGE.write_text(text)
    run("startup", **{"startup.help": 0.25})["startup"].save()
    assert page.write_page() == ["page.md"]
    lines = page.PAGE.read_text().splitlines()
    assert "| startup.help | 0.25 events/s |" in lines
    assert [line for line in lines if line in ("before", "between", "after", "stays: it was not measured")] == [
        "before",
        "between",
        "stays: it was not measured",
        "after",
    ]
    assert "old" not in lines


def test_every_block_of_the_page_is_there() -> None:
    assert {found[1] for found in page.MARKS.finditer(page.PAGE.read_text())} == set(page.BLOCKS)
