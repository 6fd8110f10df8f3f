"""What is logged and counted."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest
from prometheus_client import generate_latest

from tests.service.bench import Bench, settings_of, shop_lines
from worker.service.telemetry.logging import open_logger
from worker.service.telemetry.metrics import Buckets
from worker.settings import ServiceSettings


def worked() -> Bench:
    bench = Bench()
    bench.send(shop_lines())
    bench.drain(bench.loop(), step_s=2)
    return bench


def test_no_event_and_no_user_is_logged_from_info_on() -> None:
    bench = worked()
    lines = [line for line in bench.lines.getvalue().splitlines() if json.loads(line)["level"] != "debug"]
    assert len(lines) > 10
    assert not [line for line in lines if re.search(r"u\d{6}|page_view|session", line)]


def test_the_log_says_how_it_goes_every_ten_seconds() -> None:
    reports = worked().happenings("scored in 10 s")
    assert reports
    assert sum(report["events"] for report in reports) > 300


def test_a_line_of_json_begins_with_when_how_bad_and_what() -> None:
    out = io.StringIO()
    open_logger(ServiceSettings(log_format="json"), out).warning("outage found", partition=3)
    assert list(json.loads(out.getvalue())) == ["timestamp", "level", "event", "partition"]


def test_a_level_keeps_what_is_below_it_quiet() -> None:
    out = io.StringIO()
    logger = open_logger(ServiceSettings(log_format="console", log_level="warning"), out)
    logger.info("unheard")
    logger.error("heard", why="it matters")
    assert "unheard" not in out.getvalue()
    assert re.search("error.*heard.*why=.*it matters", out.getvalue())


def test_metrics_have_the_names_that_operators_are_told() -> None:
    text = generate_latest(worked().metrics.registry).decode()
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert all(name.startswith(("clickscore_", "process_")) for name in names)
    assert names >= {
        f"clickscore_{name}"
        for name in """events_read_total events_scored_total scores_total events_dropped_total deadletter_total examples_total profiles profile_bytes
        turn_duration_seconds end_to_end_latency_seconds log_loss log_loss_baseline model_age_seconds model_version build_info
        last_progress_timestamp_seconds""".split()
    }
    assert f"clickscore_events_read_total {float(len(shop_lines()))}" in text
    assert all(line.count("# HELP") for line in text.splitlines() if line.startswith("# H"))


def test_a_histogram_counts_a_turn_at_once() -> None:
    buckets = Buckets((0.1, 1))
    buckets.observe(np.array([0.05, 0.1, 0.5, 7.0]))
    buckets.observe_one(0.2)
    reached, total = buckets.read()
    assert reached == [("0.1", 2), ("1.0", 4), ("+Inf", 5)]
    assert total == pytest.approx(7.85)


def test_the_log_form_follows_the_settings() -> None:
    assert settings_of().service.log_level == "debug"
    out = io.StringIO()
    open_logger(ServiceSettings(), out).info("told", n=1)  # auto, and not a terminal
    assert json.loads(out.getvalue())["n"] == 1
